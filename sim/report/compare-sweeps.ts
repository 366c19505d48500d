// Two sweeps, or two folders of runs: each point of one against the same point of the other, and which points have no partner.

import { type Comparison, compareRuns, comparisonJson, comparisonText } from './compare.ts'
import { type PointValues, parametersOf, pointsAt, pointText } from './points.ts'
import type { RunSummary } from './write.ts'

export interface SweepComparison {
  /** What differs between the runs of a side. What all runs of a side share is not swept: it is what is compared. */
  readonly parameters: readonly string[]
  readonly points: readonly { readonly values: PointValues; readonly comparison: Comparison }[]
  readonly onlyInA: readonly PointValues[]
  readonly onlyInB: readonly PointValues[]
}

/** Throws `RangeError` where the sides have no point in common. */
export function compareSweeps(a: readonly RunSummary[], b: readonly RunSummary[]): SweepComparison {
  const parameters = [...new Set([...parametersOf(a), ...parametersOf(b)])]
  const [pointsA, pointsB] = [pointsAt(parameters, a), pointsAt(parameters, b)]
  const byKey = new Map(pointsB.map((point) => [JSON.stringify(point.values), point.runs]))
  const points = pointsA.flatMap(({ values, runs }) => {
    const others = byKey.get(JSON.stringify(values))
    return others ? [{ values, comparison: compareRuns(runs, others) }] : []
  })
  const shared = new Set(points.map(({ values }) => JSON.stringify(values)))
  const alone = (side: typeof pointsA): PointValues[] =>
    side.map(({ values }) => values).filter((values) => !shared.has(JSON.stringify(values)))
  const [onlyInA, onlyInB] = [alone(pointsA), alone(pointsB)]
  if (points.length === 0) {
    const listed = (side: readonly PointValues[]): string =>
      side.map((values) => pointText(parameters, values)).join('; ')
    throw new RangeError(
      `no point in common, expected one at least: A has ${listed(onlyInA) || 'none'}; B has ${listed(onlyInB) || 'none'}`,
    )
  }
  return { parameters, points, onlyInA, onlyInB }
}

/** For a terminal: a table a point. Ends without a newline. */
export function sweepComparisonText({ onlyInA, onlyInB, parameters, points }: SweepComparison): string {
  const tables = points.map(({ comparison, values }) =>
    parameters.length === 0
      ? comparisonText(comparison)
      : `── ${pointText(parameters, values)}\n${comparisonText(comparison)}`,
  )
  const missing = (side: string, alone: readonly PointValues[]): string[] =>
    alone.map((values) => `only in ${side}, compared with nothing: ${pointText(parameters, values)}`)
  return [
    ...tables,
    ...[[...missing('A', onlyInA), ...missing('B', onlyInB)].join('\n')].filter((text) => text !== ''),
  ].join('\n\n')
}

/** Where nothing was swept the one comparison, otherwise one a point. */
export function sweepComparisonJson({ onlyInA, onlyInB, parameters, points }: SweepComparison): string {
  const [only] = points
  if (parameters.length === 0 && only) return comparisonJson(only.comparison)
  const named = (values: PointValues) => Object.fromEntries(parameters.map((path, index) => [path, values[index]]))
  return JSON.stringify(
    {
      parameters,
      points: points.map(({ comparison, values }) => ({ parameters: named(values), ...comparison })),
      onlyInA: onlyInA.map(named),
      onlyInB: onlyInB.map(named),
    },
    undefined,
    2,
  )
}

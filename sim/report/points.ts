// The points of a sweep, from the runs alone: what differs between their scenarios, and each run's values there.

import type { RunSummary } from './write.ts'

/** One a parameter. */
export type PointValues = readonly (string | number)[]

/** What changes from run to run without being swept. */
const ignored = /^(seed|name|question)$/

/** Paths into the scenario that differ between these runs, such as `population[0].count`; the one with most values first. */
export function parametersOf(runs: readonly RunSummary[]): readonly string[] {
  const flat = runs.map(leavesIn)
  const paths = [...new Set(flat.flatMap((leaves) => [...leaves.keys()]))].filter((path) => !ignored.test(path))
  return paths
    .map((path) => ({ path, count: new Set(flat.map((leaves) => leaves.get(path))).size }))
    .filter(({ count }) => count > 1)
    .sort((a, b) => b.count - a.count)
    .map(({ path }) => path)
}

/** Runs by their values at these paths, in order of the values. */
export function pointsAt(
  parameters: readonly string[],
  runs: readonly RunSummary[],
): readonly { readonly values: PointValues; readonly runs: readonly RunSummary[] }[] {
  const points = Map.groupBy(
    runs.map((run) => {
      const leaves = leavesIn(run)
      return { run, values: parameters.map((path) => leaves.get(path) ?? 'none') }
    }),
    ({ values }) => JSON.stringify(values),
  )
  return [...points.values()]
    .map((members) => ({
      values: members[0]?.values ?? [],
      runs: members.map(({ run }) => run).sort((a, b) => a.manifest.seed - b.manifest.seed),
    }))
    .sort((a, b) => order(a.values, b.values))
}

/** `population[0].count = 100, network.loss = 0`. */
export function pointText(parameters: readonly string[], values: PointValues): string {
  return parameters.map((path, index) => `${path} = ${values[index]}`).join(', ')
}

function leavesIn({ manifest }: RunSummary): ReadonlyMap<string, string | number> {
  return new Map(leavesOf(manifest.source))
}

/** Arrays of plain values are one leaf: a latency's bounds are one parameter. */
function* leavesOf(value: unknown, path = ''): Generator<[string, string | number]> {
  if (Array.isArray(value) && value.some((item) => typeof item === 'object' && item !== null)) {
    for (const [index, item] of value.entries()) yield* leavesOf(item, `${path}[${index}]`)
  } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [name, item] of Object.entries(value)) yield* leavesOf(item, path === '' ? name : `${path}.${name}`)
  } else if (value !== undefined) {
    yield [path, typeof value === 'number' ? value : Array.isArray(value) ? JSON.stringify(value) : String(value)]
  }
}

function order(a: PointValues, b: PointValues): number {
  for (const [index, x] of a.entries()) {
    const y = b[index] ?? ''
    if (x === y) continue
    if (typeof x === 'number' && typeof y === 'number') return x - y
    return String(x) < String(y) ? -1 : 1
  }
  return 0
}

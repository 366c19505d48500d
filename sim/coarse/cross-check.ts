// Whether the coarse mode tells the same as the full one: the same scenario and seed, run in both.

import type { RunRecord } from '../record.ts'

export interface Compared {
  readonly metric: string
  readonly full: number
  readonly coarse: number
  readonly difference: number
  /** In the unit of the difference: absolute, or as a share of the full mode's. */
  readonly tolerance: number
  readonly isRelative: boolean
  readonly holds: boolean
}

/** Success within half a percentage point, median time to first token and to the end within a tenth, money within a twentieth. */
const limits: readonly (readonly [metric: string, tolerance: number, isRelative: boolean])[] = [
  ['successRate', 0.005, false],
  ['ttftMsP50', 0.1, true],
  ['tpotMsP50', 0.1, true],
  ['e2eMsP50', 0.1, true],
  ['spentGram', 0.05, true],
  ['goodputTokensPerSecond', 0.05, true],
]

/** Throws `RangeError` where the two are not of one scenario and seed, or a figure is missing. */
export function crossCheck(full: RunRecord, coarse: RunRecord): readonly Compared[] {
  const [a, b] = [full.manifest, coarse.manifest]
  if (a.scenario !== b.scenario || a.seed !== b.seed) {
    throw new RangeError(
      `${a.scenario} with seed ${a.seed} and ${b.scenario} with seed ${b.seed}, expected the same twice`,
    )
  }
  return limits.map(([metric, tolerance, isRelative]) => {
    const [of, at] = [figure(full, metric), figure(coarse, metric)]
    const difference = isRelative ? (of === 0 ? Math.abs(at) : Math.abs(at / of - 1)) : Math.abs(at - of)
    return { metric, full: of, coarse: at, difference, tolerance, isRelative, holds: difference <= tolerance }
  })
}

function figure({ manifest, summary }: RunRecord, metric: string): number {
  const value = summary[metric]
  if (value === undefined)
    throw new RangeError(`${metric} is not in the summary of ${manifest.scenario} (${manifest.tier})`)
  return value
}

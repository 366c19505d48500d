// Fits what an iteration costs to what a real engine logged: replay, compare each request's times, solve for better terms, repeat.

import type { Cost } from './cost.ts'
import { costTerms } from './cost.ts'
import { type Equation, errorOf, mixed, rounded, slopesOf, solveCost } from './fit.ts'
import { limitsOfLog, withMemory } from './limits.ts'
import type { LoggedRequest } from './log.ts'
import { costOf, type Profile } from './profile.ts'
import { type Replayed, replay } from './replay.ts'

export interface CalibrateOptions {
  readonly log: readonly LoggedRequest[]
  /** Its cost is where the search begins, and where terms stay that the log says nothing about. */
  readonly base: Profile
  /** `base`: sequences and memory are known. `log`: they are read from the log, which need not tell both. */
  readonly limits: 'base' | 'log'
  /** For the profile: what the log is, and who measured it. */
  readonly source: string
}

export interface Calibration {
  readonly profile: Profile
  /** Root of the mean squared relative error of the requests' times, with the cost found. */
  readonly error: number
  readonly rounds: number
}

/** A better cost moves the batches, so the equations change: a few rounds settle it, with half steps against overshooting. */
const roundsMax = 24
/** Errors are relative, but a second off is no worse for a request that took a tenth of one. */
const scaleMsMin = 1_000

/** What is read from the log as memory is too much by what preempted requests gave back. */
const memoryShares = [1.02, 1, 0.98, 0.96, 0.94, 0.92, 0.9]

/** The first 30 requests of a 300-request log gave a profile that is 17 % off the whole log, the first 100 one that is 5 % off. */
const requestsMin = 100

/** What a log is too poor for. Such a fit follows its base. */
export function doubtsOf(
  log: readonly LoggedRequest[],
  { base, limits }: Pick<CalibrateOptions, 'base' | 'limits'>,
): readonly string[] {
  const { seqsSeen, shortOf } = limitsOfLog(log, base)
  return [
    ...(log.length < requestsMin
      ? [`${log.length} requests, expected ${requestsMin} or more: six terms of cost are fitted to them`]
      : []),
    ...(seqsSeen < 2 ? ['no two requests ran at once: the log says nothing of batches'] : []),
    ...(limits === 'log' && shortOf === 'nothing'
      ? ['no request waited: sequences and memory stay those of the base, though the log could not know']
      : []),
  ]
}

/** Deterministic. Throws `RangeError` for a request that the base has no room for. */
export function calibrateEngine({ log, base, limits, source }: CalibrateOptions): Calibration {
  if (limits === 'base') return fitted(log, base, source)
  const { profile, shortOf } = limitsOfLog(log, base)
  if (shortOf !== 'memory') return fitted(log, profile, source)
  const longest = log.reduce(
    (most, { promptTokens, completionTokens }) => Math.max(most, promptTokens + completionTokens),
    0,
  )
  return memoryShares
    .map((share) => fitted(log, withMemory(profile, Math.max(longest, share * profile.kvTokens)), source))
    .reduce((best, next) => (next.error < best.error ? next : best))
}

function fitted(log: readonly LoggedRequest[], base: Profile, source: string): Calibration {
  const start = costOf(base)
  let cost = start
  let best = { cost, error: Number.POSITIVE_INFINITY }
  let rounds = 0
  let share = 1
  for (; rounds < roundsMax && share > 0.1; rounds += 1) {
    const equations = equationsOf(log, base, cost)
    const error = errorOf(equations)
    if (error < best.error * 0.999) best = { cost, error }
    else share /= 2
    cost = mixed(best.cost, solveCost(equations, cost, start), share)
  }
  const profile: Profile = {
    ...base,
    calibratedFrom: source,
    parameters: { kind: 'calibrated', cost: rounded(best.cost) },
  }
  return { profile, error: best.error, rounds }
}

/** Three times of each request: to the first token, from there to the last, and both. */
function equationsOf(log: readonly LoggedRequest[], base: Profile, cost: Cost): Equation[] {
  const ends: number[] = [Number.NEGATIVE_INFINITY]
  const sums: Float64Array[] = [new Float64Array(costTerms.length)]
  const replayed = replay(log, base, cost, ({ load }, _, endMs) => {
    const sum = Float64Array.from(sums.at(-1) ?? [])
    slopesOf(cost, load).forEach((slope, at) => {
      sum[at] = (sum[at] ?? 0) + slope
    })
    ends.push(endMs)
    sums.push(sum)
  })
  const at = (ms: number): Float64Array => sums[lastAt(ends, ms)] ?? new Float64Array(costTerms.length)
  const between = (fromMs: number, toMs: number, measuredMs: number): Equation => {
    const from = at(fromMs)
    const slopes = at(toMs).map((sum, term) => sum - (from[term] ?? 0))
    return { slopes, modelledMs: toMs - fromMs, measuredMs, scaleMs: measuredMs + scaleMsMin }
  }
  return log.flatMap((logged, number) => {
    const was: Replayed | undefined = replayed[number]
    if (!was) return []
    return [
      between(was.queuedMs, was.firstTokenMs, logged.firstTokenMs - logged.queuedMs),
      between(was.firstTokenMs, was.lastTokenMs, logged.lastTokenMs - logged.firstTokenMs),
      between(was.queuedMs, was.lastTokenMs, logged.lastTokenMs - logged.queuedMs),
    ]
  })
}

/** The place of the last end that is not after `ms`. */
function lastAt(ends: readonly number[], ms: number): number {
  let low = 0
  let high = ends.length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((ends[middle] ?? 0) <= ms) low = middle
    else high = middle
  }
  return low
}

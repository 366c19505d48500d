// Fits what an iteration costs to what a real engine logged: replay, compare each request's times, solve for better terms, repeat.

import type { Step } from './batch.ts'
import { type Cost, costTerms, layersSlopes } from './cost.ts'
import { leastSquares } from './least-squares.ts'
import type { LoggedRequest } from './log.ts'
import { costOf, type Profile } from './profile.ts'
import { type Replayed, type ReplayedRequest, replay } from './replay.ts'

export interface CalibrateOptions {
  readonly log: readonly LoggedRequest[]
  /** Its limits are kept; its cost is where the search begins, and where terms stay that the log says nothing about. */
  readonly base: Profile
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
/** How much a term that is twice its base weighs, against an error of all times by its share. */
const prior = 0.02

/** Deterministic. Throws `RangeError` for a request that the base has no room for. */
export function calibrateEngine({ log, base, source }: CalibrateOptions): Calibration {
  const requests = log.map(({ arrivalMs, promptTokens, completionTokens }) => ({
    arrivalMs,
    promptTokens,
    completionTokens,
  }))
  const start = costOf(base)
  let cost = start
  let best = { cost, error: Number.POSITIVE_INFINITY }
  let rounds = 0
  let share = 1
  for (; rounds < roundsMax; rounds += 1) {
    const trial = trialOf(requests, log, base, cost)
    if (trial.error < best.error * 0.999) best = { cost, error: trial.error }
    else {
      share /= 2
      if (share < 0.1) break
    }
    const solved = solve(trial, cost, start)
    cost = mixed(best.cost, solved, share)
  }
  const calibrated: Profile = {
    ...base,
    calibratedFrom: source,
    parameters: { kind: 'calibrated', cost: rounded(best.cost) },
  }
  return { profile: calibrated, error: best.error, rounds }
}

interface Equation {
  /** Change of the time with each term of the cost. */
  readonly slopes: Float64Array
  /** What the replay took, and what the engine took. */
  readonly modelledMs: number
  readonly loggedMs: number
}

interface Trial {
  readonly equations: readonly Equation[]
  readonly error: number
}

/** Three times of each request: to the first token, from there to the last, and both. */
function trialOf(
  requests: readonly ReplayedRequest[],
  log: readonly LoggedRequest[],
  base: Profile,
  cost: Cost,
): Trial {
  const ends: number[] = [Number.NEGATIVE_INFINITY]
  const sums: Float64Array[] = [new Float64Array(costTerms.length)]
  const replayed = replay(requests, base, cost, (step, _, endMs) => {
    const sum = Float64Array.from(sums.at(-1) ?? [])
    slopesOf(step, cost).forEach((slope, at) => {
      sum[at] = (sum[at] ?? 0) + slope
    })
    ends.push(endMs)
    sums.push(sum)
  })
  const equations = replayed.flatMap((was, at) => equationsOf(was, log[at], ends, sums))
  const squares = equations.reduce((sum, { modelledMs, loggedMs }) => sum + errorOf(modelledMs, loggedMs) ** 2, 0)
  return { equations, error: Math.sqrt(squares / Math.max(1, equations.length)) }
}

function equationsOf(
  was: Replayed,
  logged: LoggedRequest | undefined,
  ends: readonly number[],
  sums: readonly Float64Array[],
): Equation[] {
  if (!logged) return []
  const queued = sums[lastAt(ends, was.queuedMs)]
  const first = sums[lastAt(ends, was.firstTokenMs)]
  const last = sums[lastAt(ends, was.lastTokenMs)]
  if (!queued || !first || !last) return []
  const equation = (from: Float64Array, to: Float64Array, modelledMs: number, loggedMs: number): Equation => ({
    slopes: to.map((sum, at) => sum - (from[at] ?? 0)),
    modelledMs,
    loggedMs,
  })
  const { queuedMs, firstTokenMs, lastTokenMs } = logged
  return [
    equation(queued, first, was.firstTokenMs - was.queuedMs, firstTokenMs - queuedMs),
    equation(first, last, was.lastTokenMs - was.firstTokenMs, lastTokenMs - firstTokenMs),
    equation(queued, last, was.lastTokenMs - was.queuedMs, lastTokenMs - queuedMs),
  ]
}

/** Relative, but a tenth of a second off is not worse for a request that took a hundredth than for one that took one. */
function errorOf(modelledMs: number, loggedMs: number): number {
  return (modelledMs - loggedMs) / scaleMs(loggedMs)
}

function scaleMs(loggedMs: number): number {
  return loggedMs + 1_000
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

/** In the order of `costTerms`. */
function slopesOf({ load }: Step, cost: Cost): readonly number[] {
  const [read, compute] = layersSlopes(cost.weightsMs, cost.tokenMs * load.tokens)
  return [1, read, compute * load.tokens, load.sequences, load.contextTokens, load.pairs]
}

function solve({ equations }: Trial, cost: Cost, start: Cost): Cost {
  const now = costTerms.map((term) => cost[term])
  const from = costTerms.map((term) => start[term])
  // unknowns are the terms as shares of what the search began with, which makes them comparable
  const units = from.map((value, at) => Math.max(value, 1e-3 * Math.max(now[at] ?? 0, 1e-9)))
  const rows: number[][] = []
  const targets: number[] = []
  for (const { slopes, modelledMs, loggedMs } of equations) {
    const scale = scaleMs(loggedMs) * Math.sqrt(equations.length)
    const linear = now.reduce((sum, value, at) => sum + value * (slopes[at] ?? 0), 0)
    rows.push(units.map((unit, at) => ((slopes[at] ?? 0) * unit) / scale))
    targets.push((loggedMs - modelledMs + linear) / scale)
  }
  units.forEach((unit, at) => {
    rows.push(units.map((_, other) => (other === at ? prior : 0)))
    targets.push((prior * (from[at] ?? 0)) / unit)
  })
  const solved = leastSquares(rows, targets)
  return costFrom(costTerms.map((_, at) => (solved[at] ?? 0) * (units[at] ?? 0)))
}

function mixed(a: Cost, b: Cost, share: number): Cost {
  return costFrom(costTerms.map((term) => a[term] + share * (b[term] - a[term])))
}

function rounded(cost: Cost): Cost {
  return costFrom(costTerms.map((term) => Number(cost[term].toPrecision(4))))
}

function costFrom(values: readonly number[]): Cost {
  const [stepMs = 0, weightsMs = 0, tokenMs = 0, sequenceMs = 0, contextMs = 0, pairMs = 0] = values
  return { stepMs, weightsMs, tokenMs, sequenceMs, contextMs, pairMs }
}

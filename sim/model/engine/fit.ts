// Solves for the terms of an iteration's cost from times that are sums of iterations.

import { type Cost, costTerms, type Load, layersSlopes } from './cost.ts'
import { leastSquares } from './least-squares.ts'

export interface Equation {
  /** Change of the modelled time with each term of the cost, in the order of `costTerms`. */
  readonly slopes: ArrayLike<number>
  readonly modelledMs: number
  readonly measuredMs: number
  /** An error of this size counts as one. */
  readonly scaleMs: number
}

/** How much a term that is twice what it began with weighs, against an error of all times by its share. */
const prior = 0.02

/** One Newton step from `now`; terms that the equations say little about stay near `start`. */
export function solveCost(equations: readonly Equation[], now: Cost, start: Cost): Cost {
  const current = valuesOf(now)
  const from = valuesOf(start)
  // unknowns are shares of what the search began with, which makes them comparable
  const units = from.map((value, at) => Math.max(value, 1e-3 * (current[at] ?? 0), 1e-12))
  const rows: number[][] = []
  const targets: number[] = []
  for (const { slopes, modelledMs, measuredMs, scaleMs } of equations) {
    const scale = scaleMs * Math.sqrt(equations.length)
    const linear = current.reduce((sum, value, at) => sum + value * (slopes[at] ?? 0), 0)
    rows.push(units.map((unit, at) => ((slopes[at] ?? 0) * unit) / scale))
    targets.push((measuredMs - modelledMs + linear) / scale)
  }
  units.forEach((unit, at) => {
    rows.push(units.map((_, other) => (other === at ? prior : 0)))
    targets.push((prior * (from[at] ?? 0)) / unit)
  })
  const solved = leastSquares(rows, targets)
  return costFrom(units.map((unit, at) => unit * (solved[at] ?? 0)))
}

/** Of one iteration. */
export function slopesOf(cost: Cost, load: Load): readonly number[] {
  const [read, compute] = layersSlopes(cost.weightsMs, cost.tokenMs * load.tokens)
  return [1, read, compute * load.tokens, load.sequences, load.contextTokens, load.pairs]
}

/** Root of the mean squared error, each over its scale. */
export function errorOf(equations: readonly Equation[]): number {
  const squares = equations.reduce(
    (sum, { modelledMs, measuredMs, scaleMs }) => sum + ((modelledMs - measuredMs) / scaleMs) ** 2,
    0,
  )
  return Math.sqrt(squares / Math.max(1, equations.length))
}

export function mixed(a: Cost, b: Cost, share: number): Cost {
  const other = valuesOf(b)
  return costFrom(valuesOf(a).map((value, at) => value + share * ((other[at] ?? 0) - value)))
}

/** Four digits: more than any log tells. */
export function rounded(cost: Cost): Cost {
  return costFrom(valuesOf(cost).map((value) => Number(value.toPrecision(4))))
}

function valuesOf(cost: Cost): readonly number[] {
  return costTerms.map((term) => cost[term])
}

function costFrom(values: readonly number[]): Cost {
  const [stepMs = 0, weightsMs = 0, tokenMs = 0, sequenceMs = 0, contextMs = 0, pairMs = 0] = values
  return { stepMs, weightsMs, tokenMs, sequenceMs, contextMs, pairMs }
}

// Distributions that scenarios are drawn from, beyond those of sim/random.ts.

import type { Random } from '../../node/ports.ts'
import { exponential, integer, normal, quantile, weibull } from '../random.ts'
import type { Session, Sizes, Weights } from './scenario.ts'
import type { Range } from './units.ts'

/** The item that `at`, uniform in [0, 1), falls on. */
export function weighted(weights: Weights, at: number): string {
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0)
  let left = at * total
  for (const [name, weight] of weights) {
    if (left < weight) return name
    left -= weight
  }
  const last = weights.findLast(([, weight]) => weight > 0)
  if (!last) throw new RangeError('no weight above 0 to draw by')
  return last[0]
}

export function uniform(random: Random, { min, max }: Range): number {
  return min + (max - min) * random.next()
}

/** Both ends included. */
export function uniformInteger(random: Random, { min, max }: Range): number {
  return min + integer(random, max - min + 1)
}

/** Marsaglia and Tsang, ACM TOMS 26 (2000); below shape 1 with their boost. */
export function gamma(random: Random, shape: number, scale: number): number {
  if (shape < 1) return gamma(random, shape + 1, scale) * (1 - random.next()) ** (1 / shape)
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = normal(random)
    const v = (1 + c * x) ** 3
    if (v > 0 && Math.log(1 - random.next()) < x * x * 0.5 + d - d * v + d * Math.log(v)) return d * v * scale
  }
}

/** 1 or more, with that mean. */
export function geometric(random: Random, mean: number): number {
  const at = random.next()
  return mean <= 1 ? 1 : 1 + Math.floor(Math.log(1 - at) / Math.log(1 - 1 / mean))
}

export function tokensOf(random: Random, sizes: Sizes): number {
  switch (sizes.kind) {
    case 'fixed':
      return sizes.tokens
    case 'uniform':
      return uniformInteger(random, sizes)
    case 'log-normal': {
      const tokens = sizes.median * Math.exp(sizes.sigma * normal(random))
      return Math.max(1, Math.min(sizes.max, Math.round(tokens)))
    }
    case 'quantiles':
      return Math.max(1, Math.round(quantile(sizes.points, random.next())))
  }
}

export function sessionMs(random: Random, session: Session): number {
  return session.model === 'weibull'
    ? weibull(random, session.shape, session.scaleMs)
    : exponential(random, session.meanMs)
}

export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const copy = [...items]
  for (let at = copy.length - 1; at > 0; at -= 1) {
    const other = integer(random, at + 1)
    const [a, b] = [copy[at], copy[other]]
    if (a !== undefined && b !== undefined) [copy[at], copy[other]] = [b, a]
  }
  return copy
}

// Randomness from a seed: a generator that forks into independent streams by name, and the distributions drawn from it.

import { createHash } from 'node:crypto'
import type { Random } from '../node/ports.ts'

export interface SeededRandom extends Random {
  fork(label: string): SeededRandom
}

/** sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, passes BigCrush. `fork` depends on the label and the path only. */
export function seededRandom(seed: number | string): SeededRandom {
  return streamOf(`silkmesh-sim/${seed}`)
}

function streamOf(path: string): SeededRandom {
  const digest = createHash('sha256').update(path).digest()
  let a = digest.readUInt32LE(0) | 0
  let b = digest.readUInt32LE(4) | 0
  let c = digest.readUInt32LE(8) | 0
  let d = 1
  const next32 = (): number => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t
    c |= 0
    return t >>> 0
  }
  for (let warm = 0; warm < 12; warm += 1) next32()
  const forks = new Map<string, number>()
  return {
    next: () => (next32() * 0x200000 + (next32() >>> 11)) / 0x20000000000000,
    bytes: (length) => {
      // a typed array takes 1.5 for 1 and NaN for 0
      if (!Number.isSafeInteger(length) || length < 0) {
        throw new RangeError(`${length} random bytes, expected a whole number from 0`)
      }
      const bytes = new Uint8Array(length)
      for (let at = 0; at < length; at += 4) {
        const word = next32()
        for (let byte = 0; byte < 4 && at + byte < length; byte += 1) bytes[at + byte] = word >>> (8 * byte)
      }
      return bytes
    },
    // a second fork of one label must be another stream
    fork: (label) => {
      const count = (forks.get(label) ?? 0) + 1
      forks.set(label, count)
      return streamOf(`${path}/${label}#${count}`)
    },
  }
}

/** In [0, count). */
export function integer(random: Random, count: number): number {
  return Math.floor(random.next() * count)
}

export function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[integer(random, items.length)]
  if (item === undefined) throw new RangeError('nothing to pick from')
  return item
}

export function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random.next())
}

export function weibull(random: Random, shape: number, scale: number): number {
  return scale * (-Math.log(1 - random.next())) ** (1 / shape)
}

/** Box and Muller's, one of the pair. */
export function normal(random: Random, mean = 0, deviation = 1): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()))
  return mean + deviation * radius * Math.cos(2 * Math.PI * random.next())
}

/** Piecewise linear between quantiles: `[[0, 10], [0.5, 20], [1, 90]]`. */
export function quantile(points: readonly (readonly [number, number])[], at: number): number {
  const above = points.findIndex(([share]) => share >= at)
  const [share = 1, value = 0] = points[above] ?? points.at(-1) ?? []
  const [lower = share, floor = value] = points[above - 1] ?? []
  return share === lower ? value : floor + ((value - floor) * (at - lower)) / (share - lower)
}

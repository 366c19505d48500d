// Kademlia's hops against theory: greedy lookups of nodes that exist, through perfect k-buckets.

import { type Key, KeySpace } from '../model/network/dht/space.ts'
import { integer, type SeededRandom, seededRandom } from '../random.ts'

export interface KademliaOptions {
  /** Peers in a bucket. */
  readonly k: number
  readonly n: number
  readonly seed?: number
  readonly lookups?: number
}

export interface KademliaFigures {
  readonly meanHops: number
  /** Bits of distance gained by a hop that did not arrive, measured; and what theory says: A(k). */
  readonly bitsPerHop: number
  readonly bitsPerHopInTheory: number
  readonly hopsMax: number
}

/** Each is an object until all are sorted: beyond this they take gigabytes. */
const nodesMax = 10_000_000

/** A perfect bucket holds k of all the nodes that belong there, at random, or all where there are no more. */
export function validateKademlia({ k, lookups = 20_000, n, seed = 1 }: KademliaOptions): KademliaFigures {
  if (!Number.isInteger(k) || k < 1) throw new RangeError(`k is ${k}, expected a whole number from 1`)
  if (!Number.isInteger(n) || n < 2 || n > nodesMax) {
    throw new RangeError(`${n} nodes, expected a whole number from 2 to ${nodesMax}; \`sim dht\` goes further`)
  }
  const random = seededRandom(`kademlia/${seed}`)
  const ring = ringOf(n, random)
  let hops = 0
  let hopsMax = 0
  let bits = 0
  let steps = 0
  for (let count = 0; count < lookups; count += 1) {
    const target = integer(random, n)
    const key = ring.keyOf(target)
    let at = (target + 1 + integer(random, n - 1)) % n
    let taken = 0
    while (at !== target) {
      const shared = ring.sharedBits(at, key)
      at = closestInBucket(ring, key, shared, k, random)
      taken += 1
      if (at === target) continue
      bits += ring.sharedBits(at, key) - shared
      steps += 1
    }
    hops += taken
    hopsMax = Math.max(hopsMax, taken)
  }
  return {
    meanHops: hops / lookups,
    bitsPerHop: steps === 0 ? 0 : bits / steps,
    bitsPerHopInTheory: bitsPerHopOf(k),
    hopsMax,
  }
}

/** A(k) = 1 + Σ_{j≥1} (1 − (1 − 2^−j)^k): one bit for the right bucket, and the best of k random nodes in it. */
export function bitsPerHopOf(k: number): number {
  let bits = 1
  for (let j = 1; j <= 64; j += 1) bits -= Math.expm1(k * Math.log1p(-(2 ** -j)))
  return bits
}

/** All nodes, numbered in the order of their ids. */
function ringOf(n: number, random: SeededRandom): KeySpace {
  const ids = Array.from({ length: n }, () => ({ high: word(random), low: word(random) }))
  ids.sort((a, b) => a.high - b.high || a.low - b.low)
  const space = new KeySpace()
  for (const { high, low } of ids) space.add(high, low)
  return space
}

/**
 * Of a node that shares `shared` bits with the key: the closest to the key in that bucket. Whoever is in it shares a bit
 * more with the key, and they all stand together on the ring.
 */
function closestInBucket(ring: KeySpace, key: Key, shared: number, k: number, random: SeededRandom): number {
  const first = firstFrom(ring, floorOf(key, shared + 1))
  const end = endOf(ring, key, shared + 1)
  const size = end - first
  let best = -1
  const consider = (node: number): void => {
    if (best < 0 || ring.compare(node, best, key) < 0) best = node
  }
  if (size <= k) {
    for (let node = first; node < end; node += 1) consider(node)
    return best
  }
  // k different ones, as Floyd draws them
  const drawn = new Set<number>()
  for (let last = size - k; last < size; last += 1) {
    const at = integer(random, last + 1)
    const node = drawn.has(at) ? last : at
    drawn.add(node)
    consider(first + node)
  }
  return best
}

function endOf(ring: KeySpace, key: Key, bits: number): number {
  const { high, low } = floorOf(key, bits)
  if (bits <= 32) {
    const next = high + 2 ** (32 - bits)
    return next >= 2 ** 32 ? ring.size : firstFrom(ring, { high: next, low: 0 })
  }
  const next = low + 2 ** (64 - bits)
  if (next < 2 ** 32) return firstFrom(ring, { high, low: next })
  return high + 1 >= 2 ** 32 ? ring.size : firstFrom(ring, { high: high + 1, low: 0 })
}

/** The key with all after its first bits zero. */
function floorOf({ high, low }: Key, bits: number): Key {
  if (bits <= 32) return { high: high - (high % 2 ** (32 - bits)), low: 0 }
  return { high, low: low - (low % 2 ** (64 - bits)) }
}

function firstFrom(ring: KeySpace, { high, low }: Key): number {
  let from = 0
  let to = ring.size
  while (from < to) {
    const middle = (from + to) >> 1
    const isBelow = ring.high(middle) < high || (ring.high(middle) === high && ring.low(middle) < low)
    if (isBelow) from = middle + 1
    else to = middle
  }
  return from
}

function word(random: SeededRandom): number {
  return Math.floor(random.next() * 2 ** 32)
}

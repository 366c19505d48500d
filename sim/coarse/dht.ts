// Kademlia alone, for a million peers: ids in one sorted column, routing tables that follow from it whenever one is looked at.

import { integer, normal, type SeededRandom, seededRandom, weibull } from '../random.ts'
import { drawOf } from './draws.ts'
import { EventHeap } from './heap.ts'

export interface DhtOnlyOptions {
  readonly peers: number
  readonly lookups: number
  /** Entries of a bucket, and peers that an answer names. */
  readonly k: number
  /** Queries at once. */
  readonly alpha: number
  readonly seed: number
  readonly churn?: DhtChurn | undefined
  /** Lookups are spread over this much virtual time. Default: an hour. */
  readonly durationMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly progress?: ((lookupsDone: number) => void) | undefined
}

export interface DhtChurn {
  /** Weibull sessions; a shape of 1 is exponential. */
  readonly shape: number
  readonly scaleMs: number
  /** Mean of the exponential time between two sessions. */
  readonly downtimeMs: number
  /** Each entry of a routing table is checked this often, and replaced where its peer is gone. */
  readonly refreshMs: number
}

export interface DhtFigures {
  readonly peers: number
  /** Mean over the lookups. */
  readonly peersUp: number
  readonly lookups: number
  /** Of lookups of a peer that runs: those that found it. */
  readonly successRate: number
  /** Peers asked one after the other on the way to the target, itself included. */
  readonly meanHops: number
  readonly hopsP50: number
  readonly hopsP95: number
  /** Queries sent in one lookup, to its end: until the k closest known have been asked. */
  readonly meanMessages: number
  /** Of queries, those to peers that had gone. */
  readonly deadShare: number
  readonly isComplete: boolean
}

const idBits = 32
const lookupsPerTurn = 500
const hopsMax = 64

/**
 * Lookups of peers that run, from others that run. A bucket holds all peers of its range where they are few, and k of them
 * drawn for this peer where they are many; the dead are among them until their entry is checked. Not modelled: latency, and
 * tables that are still being built.
 */
export async function runDhtOnly(options: DhtOnlyOptions): Promise<DhtFigures> {
  const { alpha, churn, durationMs = 3_600_000, k, lookups, peers, progress, seed, signal } = options
  if (peers < 2 || peers > 2 ** 26) throw new RangeError(`${peers} peers, expected 2 to ${2 ** 26}`)
  const random = seededRandom(`dht-only/${seed}`)
  const ids = new Ids(peers, random.fork('ids'))
  const presence = new Presence(peers, churn, random.fork('churn'))
  const dht = new Dht({ ids, presence, k, alpha, refreshMs: churn?.refreshMs ?? 0, salt: random.next() })
  const own = random.fork('lookups')
  const hops = new Uint32Array(hopsMax + 1)
  const sums = { found: 0, hops: 0, messages: 0, dead: 0, up: 0, done: 0 }
  for (let turn = 0; turn < lookups && !signal?.aborted; turn += 1) {
    presence.pass((durationMs * turn) / lookups)
    const source = presence.anyUp(own)
    const target = presence.anyUp(own)
    const result = dht.lookup(source, target)
    sums.done += 1
    sums.up += presence.up
    sums.messages += result.messages
    sums.dead += result.dead
    if (result.hops !== undefined) {
      sums.found += 1
      sums.hops += result.hops
      const at = Math.min(hopsMax, result.hops)
      hops[at] = (hops[at] ?? 0) + 1
    }
    if (turn % lookupsPerTurn === lookupsPerTurn - 1) {
      progress?.(turn + 1)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)
  return {
    peers,
    peersUp: share(sums.up, sums.done),
    lookups: sums.done,
    successRate: share(sums.found, sums.done),
    meanHops: share(sums.hops, sums.found),
    hopsP50: quantile(hops, sums.found, 0.5),
    hopsP95: quantile(hops, sums.found, 0.95),
    meanMessages: share(sums.messages, sums.done),
    deadShare: share(sums.dead, sums.messages),
    isComplete: sums.done === lookups,
  }
}

function quantile(counts: Uint32Array, total: number, share: number): number {
  let left = share * total
  for (const [value, count] of counts.entries()) {
    left -= count
    if (left <= 0) return value
  }
  return counts.length - 1
}

/** All ids, smallest first; a peer's number is its place among them. */
class Ids {
  readonly #ids: Uint32Array
  /** Where ids with each beginning start: a search begins there. */
  readonly #starts: Uint32Array
  readonly #shift: number

  constructor(peers: number, random: SeededRandom) {
    this.#ids = distinct(peers, random)
    const bits = Math.min(20, Math.max(1, Math.floor(Math.log2(peers))))
    this.#shift = idBits - bits
    this.#starts = new Uint32Array(2 ** bits + 1)
    let at = 0
    for (let beginning = 0; beginning <= 2 ** bits; beginning += 1) {
      while (at < peers && (this.#ids[at] as number) / 2 ** this.#shift < beginning) at += 1
      this.#starts[beginning] = at
    }
  }

  of(peer: number): number {
    return this.#ids[peer] as number
  }

  /** The first peer whose id is not below; their number where there is none. */
  from(id: number): number {
    const beginning = Math.min(this.#starts.length - 1, Math.floor(id / 2 ** this.#shift))
    let low = this.#starts[beginning] as number
    let high = this.#starts[Math.min(this.#starts.length - 1, beginning + 1)] as number
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ids[middle] as number) < id) low = middle + 1
      else high = middle
    }
    return low
  }
}

function distinct(count: number, random: SeededRandom): Uint32Array {
  const ids = new Uint32Array(count)
  let kept = 0
  while (kept < count) {
    for (let at = kept; at < count; at += 1) ids[at] = Math.floor(random.next() * 2 ** idBits)
    ids.sort()
    kept = 0
    for (let at = 0; at < count; at += 1) {
      if (kept > 0 && ids[at] === ids[kept - 1]) continue
      ids[kept] = ids[at] as number
      kept += 1
    }
  }
  return ids
}

/** Who runs, as time passes. */
class Presence {
  readonly #isUp: Uint8Array
  /** Since when each that is down is so. */
  readonly #downSinceMs: Float64Array
  readonly #changes = new EventHeap()
  readonly #churn: DhtChurn | undefined
  readonly #random: SeededRandom
  nowMs = 0
  up: number

  /** As if it had gone on for ever: a share of peers is down at the start, some for long. */
  constructor(peers: number, churn: DhtChurn | undefined, random: SeededRandom) {
    this.#isUp = new Uint8Array(peers).fill(1)
    this.#downSinceMs = new Float64Array(peers)
    this.#churn = churn
    this.#random = random
    this.up = peers
    if (!churn) return
    const sessionMs = churn.scaleMs * gamma(1 + 1 / churn.shape)
    const upShare = sessionMs / (sessionMs + churn.downtimeMs)
    for (let peer = 0; peer < peers; peer += 1) {
      if (random.next() < upShare) this.#changes.add(this.#restMs(churn), 0, peer)
      else {
        this.#isUp[peer] = 0
        this.up -= 1
        // an exponential time has no memory, forwards and backwards
        this.#downSinceMs[peer] = churn.downtimeMs * Math.log(1 - random.next())
        this.#changes.add(-churn.downtimeMs * Math.log(1 - random.next()), 0, peer)
      }
    }
  }

  isUp(peer: number): boolean {
    return this.#isUp[peer] === 1
  }

  downMs(peer: number): number {
    return this.nowMs - (this.#downSinceMs[peer] as number)
  }

  anyUp(random: SeededRandom): number {
    if (this.up === 0) throw new RangeError('nobody runs: sessions are too short for the time between them')
    for (;;) {
      const peer = integer(random, this.#isUp.length)
      if (this.isUp(peer)) return peer
    }
  }

  pass(untilMs: number): void {
    const churn = this.#churn
    while (churn && this.#changes.nextMs <= untilMs && this.#changes.pop()) {
      const { atMs, first: peer } = this.#changes
      const goes = this.isUp(peer)
      this.#isUp[peer] = goes ? 0 : 1
      this.up += goes ? -1 : 1
      if (goes) this.#downSinceMs[peer] = atMs
      const forMs = goes
        ? -churn.downtimeMs * Math.log(1 - this.#random.next())
        : weibull(this.#random, churn.shape, churn.scaleMs)
      this.#changes.add(atMs + forMs, 0, peer)
    }
    this.nowMs = untilMs
  }

  /** What is left of a session that is met at random: long ones are met more often. */
  #restMs(churn: DhtChurn): number {
    // length-biased Weibull: (x / scale)^shape is gamma-distributed with 1 + 1 / shape; then anywhere in it
    const lengthMs = churn.scaleMs * gammaDrawn(this.#random, 1 + 1 / churn.shape) ** (1 / churn.shape)
    return lengthMs * this.#random.next()
  }
}

interface DhtParts {
  readonly ids: Ids
  readonly presence: Presence
  readonly k: number
  readonly alpha: number
  readonly refreshMs: number
  readonly salt: number
}

class Dht {
  readonly #ids: Ids
  readonly #presence: Presence
  readonly #k: number
  readonly #alpha: number
  readonly #refreshMs: number
  readonly #salt: number

  constructor({ ids, presence, k, alpha, refreshMs, salt }: DhtParts) {
    this.#ids = ids
    this.#presence = presence
    this.#k = k
    this.#alpha = alpha
    this.#refreshMs = refreshMs
    this.#salt = Math.floor(salt * 2 ** 32) | 0
  }

  /** `hops` is undefined where the target was not found. */
  lookup(source: number, target: number): { hops: number | undefined; messages: number; dead: number } {
    if (source === target) return { hops: 0, messages: 0, dead: 0 }
    const key = this.#ids.of(target)
    const distanceOf = (peer: number): number => (this.#ids.of(peer) ^ key) >>> 0
    /** Known peers by distance, the closest first, with how many hops they are away; those asked are marked. */
    const known: { peer: number; distance: number; hops: number; isAsked: boolean }[] = []
    const seen = new Set([source])
    let messages = 0
    let dead = 0
    const learn = (peers: readonly number[], hops: number): void => {
      for (const peer of peers) {
        if (seen.has(peer)) continue
        seen.add(peer)
        known.push({ peer, distance: distanceOf(peer), hops, isAsked: false })
      }
      known.sort((a, b) => a.distance - b.distance)
    }
    learn(this.#closest(source, key), 1)
    for (;;) {
      const round = []
      for (let at = 0; at < Math.min(this.#k, known.length) && round.length < this.#alpha; at += 1) {
        const each = known[at]
        if (each && !each.isAsked) round.push(each)
      }
      if (round.length === 0) break
      const answers: { peers: readonly number[]; hops: number }[] = []
      for (const each of round) {
        each.isAsked = true
        messages += 1
        if (this.#presence.isUp(each.peer)) answers.push({ peers: this.#closest(each.peer, key), hops: each.hops + 1 })
        else {
          dead += 1
          known.splice(known.indexOf(each), 1) // who does not answer makes room for the next
        }
      }
      for (const { peers, hops } of answers) learn(peers, hops)
    }
    const [nearest] = known
    return { hops: nearest?.peer === target ? nearest.hops : undefined, messages, dead }
  }

  /** The k of its routing table that are closest to the key: the key's own bucket first, then those nearer itself, then the others. */
  #closest(peer: number, key: number): readonly number[] {
    const own = this.#ids.of(peer)
    const keyBucket = Math.clz32(own ^ key)
    const found: number[] = []
    if (keyBucket < idBits) this.#bucket(peer, own, keyBucket, found)
    if (found.length < this.#k) {
      for (let bucket = keyBucket + 1; bucket < idBits && this.#hasDeeper(own, bucket); bucket += 1) {
        this.#bucket(peer, own, bucket, found)
      }
    }
    for (let bucket = keyBucket - 1; bucket >= 0 && found.length < this.#k; bucket -= 1)
      this.#bucket(peer, own, bucket, found)
    if (found.length <= this.#k) return found
    return found.sort((a, b) => ((this.#ids.of(a) ^ key) >>> 0) - ((this.#ids.of(b) ^ key) >>> 0)).slice(0, this.#k)
  }

  /** Whether anybody but itself shares its first bits. */
  #hasDeeper(own: number, bits: number): boolean {
    const width = 2 ** (idBits - bits)
    const low = Math.floor(own / width) * width
    return this.#ids.from(low + width) - this.#ids.from(low) > 1
  }

  /** Adds what the peer's bucket holds: peers that share exactly so many first bits with it. */
  #bucket(peer: number, own: number, bucket: number, found: number[]): void {
    const width = 2 ** (idBits - 1 - bucket)
    const low = Math.floor(((own ^ (width | 0)) >>> 0) / width) * width
    const first = this.#ids.from(low)
    const size = this.#ids.from(low + width) - first
    if (size <= this.#k) {
      for (let at = 0; at < size; at += 1) if (this.#isKept(peer, bucket, at, first + at)) found.push(first + at)
      return
    }
    const from = found.length
    for (let entry = 0; entry < this.#k; entry += 1) {
      for (let tries = 0; tries < triesMax; tries += 1) {
        const draw = drawOf(this.#salt, peer, bucket * 64 + entry, tries)
        const other = first + Math.floor(draw * size)
        if (found.indexOf(other, from) >= 0 || !this.#isKept(peer, bucket, entry, other)) continue
        found.push(other)
        break
      }
    }
  }

  /** It runs, or it ran when the entry was last checked. */
  #isKept(peer: number, bucket: number, entry: number, other: number): boolean {
    if (this.#presence.isUp(other)) return true
    return this.#presence.downMs(other) < this.#refreshMs * drawOf(this.#salt, peer, bucket * 64 + entry, -1)
  }
}

/** An entry whose peer is gone, or is in the bucket already, is replaced by another. */
const triesMax = 12

/** Lanczos's approximation, for arguments above a half. */
function gamma(x: number): number {
  const terms = [
    676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
    -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ]
  const z = x - 1
  const sum = terms.reduce((total, term, at) => total + term / (z + at + 1), 0.99999999999980993)
  const t = z + terms.length - 0.5
  return Math.sqrt(2 * Math.PI) * t ** (z + 0.5) * Math.exp(-t) * sum
}

/** Marsaglia and Tsang's, for shapes of at least 1. */
function gammaDrawn(random: SeededRandom, shape: number): number {
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = normal(random)
    const v = (1 + c * x) ** 3
    if (v > 0 && Math.log(1 - random.next()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
  }
}

// A routing table of buckets of at most k peers: of those that share so many leading bits with the owner, or of those whose
// ids begin alike.

import { bitsMax, type Key, type KeySpace } from './space.ts'

const answersMax = 8

interface Bucket {
  readonly peers: number[]
  /** When each was last known to answer. */
  readonly seenMs: number[]
}

export class RoutingTable {
  readonly #space: KeySpace
  readonly #own: number
  readonly #ownKey: Key
  readonly #k: number
  readonly #prefixBits: number | undefined
  readonly #buckets: (Bucket | undefined)[] = []
  #size = 0
  /** Answers of late, as long as nobody comes or goes: a whole mesh asks for the same few keys. */
  readonly #answers = new Map<Key, readonly number[]>()

  constructor(space: KeySpace, own: number, k: number, prefixBits?: number) {
    this.#prefixBits = prefixBits
    this.#space = space
    this.#own = own
    this.#ownKey = space.keyOf(own)
    this.#k = k
  }

  get size(): number {
    return this.#size
  }

  /** A peer that answered. In a full bucket those that are known stay, as they are likelier to stay on. */
  see(peer: number, nowMs: number): void {
    if (peer === this.#own) return
    const at = this.#at(peer)
    const bucket = this.#buckets[at] ?? { peers: [], seenMs: [] }
    this.#buckets[at] = bucket
    const known = bucket.peers.indexOf(peer)
    if (known >= 0) {
      bucket.seenMs[known] = nowMs
      return
    }
    if (bucket.peers.length >= this.#k) return
    bucket.peers.push(peer)
    bucket.seenMs.push(nowMs)
    this.#size += 1
    this.#answers.clear()
  }

  drop(peer: number): void {
    const bucket = this.#buckets[this.#at(peer)]
    const known = bucket?.peers.indexOf(peer) ?? -1
    if (!bucket || known < 0) return
    bucket.peers.splice(known, 1)
    bucket.seenMs.splice(known, 1)
    this.#size -= 1
    this.#answers.clear()
  }

  has(peer: number): boolean {
    return this.#buckets[this.#at(peer)]?.peers.includes(peer) ?? false
  }

  /** Whether it would take a peer that it does not hold yet. */
  wants(peer: number): boolean {
    if (peer === this.#own) return false
    const peers = this.#buckets[this.#at(peer)]?.peers
    return !peers || (peers.length < this.#k && !peers.includes(peer))
  }

  /** Of all it knows the k closest to the key but one, the closest first. */
  closest(key: Key, but = -1): number[] {
    let known = this.#answers.get(key)
    if (!known) {
      known = this.#closestTo(key, this.#k + 1)
      if (this.#answers.size >= answersMax) this.#answers.clear()
      this.#answers.set(key, known)
    }
    const at = but < 0 ? -1 : known.indexOf(but)
    return at < 0 ? known.slice(0, this.#k) : known.toSpliced(at, 1)
  }

  #closestTo(key: Key, wanted: number): readonly number[] {
    const found: number[] = []
    if (this.#prefixBits === undefined) this.#takeByDistance(key, wanted, found)
    else {
      const prefix = key.high >>> (32 - this.#prefixBits)
      // the more significant the bit in which a prefix differs, the farther all behind it
      for (let by = 0; by < 2 ** this.#prefixBits && found.length < wanted; by += 1) this.#take(prefix ^ by, found)
    }
    this.#space.sort(found, key)
    if (found.length > wanted) found.length = wanted
    return found
  }

  #takeByDistance(key: Key, count: number, found: number[]): void {
    const shared = Math.min(bitsMax - 1, this.#space.sharedBits(this.#own, key))
    // the key's own bucket holds the closest, then all that are as far as the owner, then ever farther ones
    this.#take(shared, found)
    if (found.length < count) for (let at = shared + 1; at < this.#buckets.length; at += 1) this.#take(at, found)
    for (let at = shared - 1; at >= 0 && found.length < count; at -= 1) this.#take(at, found)
  }

  /** Those not known to have answered since. */
  unseenSince(ms: number): number[] {
    const found: number[] = []
    for (const bucket of this.#buckets) {
      bucket?.peers.forEach((peer, at) => {
        if ((bucket.seenMs[at] ?? 0) < ms) found.push(peer)
      })
    }
    return found
  }

  #take(at: number, into: number[]): void {
    const bucket = this.#buckets[at]
    if (bucket) for (const peer of bucket.peers) into.push(peer)
  }

  #at(peer: number): number {
    if (this.#prefixBits !== undefined) return this.#space.high(peer) >>> (32 - this.#prefixBits)
    return Math.min(bitsMax - 1, this.#space.sharedBits(peer, this.#ownKey))
  }
}

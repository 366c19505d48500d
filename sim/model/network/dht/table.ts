// A routing table of buckets of at most k peers: of those that share so many leading bits with the owner, or of those whose
// ids begin alike.

import { bitsMax, type Key, type KeySpace } from './space.ts'

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
  }

  drop(peer: number): void {
    const bucket = this.#buckets[this.#at(peer)]
    const known = bucket?.peers.indexOf(peer) ?? -1
    if (!bucket || known < 0) return
    bucket.peers.splice(known, 1)
    bucket.seenMs.splice(known, 1)
    this.#size -= 1
  }

  has(peer: number): boolean {
    return this.#buckets[this.#at(peer)]?.peers.includes(peer) ?? false
  }

  /** Of all it knows the `count` closest to the key but one, the closest first. */
  closest(key: Key, count: number, but = -1): number[] {
    const found: number[] = []
    const wanted = but < 0 ? count : count + 1
    if (this.#prefixBits === undefined) this.#takeByDistance(key, wanted, found)
    else {
      const prefix = key.high >>> (32 - this.#prefixBits)
      // the more significant the bit in which a prefix differs, the farther all behind it
      for (let by = 0; by < 2 ** this.#prefixBits && found.length < wanted; by += 1) this.#take(prefix ^ by, found)
    }
    this.#space.sort(found, key)
    if (found.length > wanted) found.length = wanted
    const at = but < 0 ? -1 : found.indexOf(but)
    if (at >= 0) found.splice(at, 1)
    if (found.length > count) found.length = count
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

// The key space of the DHT: the first 64 bits of each 256-bit id, which tell any million of them apart.

export class KeySpace {
  #high = new Uint32Array(256)
  #low = new Uint32Array(256)
  #size = 0
  /** Of the peers that are being sorted. */
  readonly #distances = new Float64Array(insertedMax)

  get size(): number {
    return this.#size
  }

  /** Gives the id its number. */
  add(high: number, low: number): number {
    if (this.#size === this.#high.length) {
      this.#high = grown(this.#high)
      this.#low = grown(this.#low)
    }
    this.#high[this.#size] = high
    this.#low[this.#size] = low
    this.#size += 1
    return this.#size - 1
  }

  high(peer: number): number {
    return this.#high[peer] ?? 0
  }

  low(peer: number): number {
    return this.#low[peer] ?? 0
  }

  keyOf(peer: number): Key {
    return { high: this.high(peer), low: this.low(peer) }
  }

  /** Leading bits that two peers' ids share. */
  sharedBits(peer: number, { high, low }: Key): number {
    return sharedBits(this.high(peer) ^ high, this.low(peer) ^ low)
  }

  /** The closest to the key first. An answer has some tens: these are inserted, each with its distance computed once. */
  sort(peers: number[], key: Key): void {
    const distances = this.#distances
    if (peers.length > insertedMax) {
      peers.sort((a, b) => this.compare(a, b, key))
      return
    }
    for (let at = 0; at < peers.length; at += 1) {
      const peer = peers[at] as number
      const distance = (this.high(peer) ^ key.high) >>> 0
      let to = at
      while (to > 0) {
        const before = distances[to - 1] as number
        if (before < distance || (before === distance && this.compare(peers[to - 1] as number, peer, key) <= 0)) break
        distances[to] = before
        peers[to] = peers[to - 1] as number
        to -= 1
      }
      distances[to] = distance
      peers[to] = peer
    }
  }

  /** Below zero where `a` is closer to the key than `b`. */
  compare(a: number, b: number, { high, low }: Key): number {
    const byHigh = ((this.high(a) ^ high) >>> 0) - ((this.high(b) ^ high) >>> 0)
    return byHigh !== 0 ? byHigh : ((this.low(a) ^ low) >>> 0) - ((this.low(b) ^ low) >>> 0)
  }
}

/** Beyond so many the usual way is faster. */
const insertedMax = 64

export interface Key {
  readonly high: number
  readonly low: number
}

export const bitsMax = 64

function sharedBits(high: number, low: number): number {
  return high === 0 ? 32 + Math.clz32(low) : Math.clz32(high)
}

function grown(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * array.length)
  larger.set(array)
  return larger
}

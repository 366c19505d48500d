// What one walk through the DHT took, from the events it left.

import { createHash } from 'node:crypto'
import type { PeerId as RawPeerId } from '@libp2p/interface'
import type { QueryEvent, SingleKadDHT } from '@libp2p/kad-dht'

export interface Walked {
  readonly asked: number
  readonly answered: number
  /** Questions in a row that led to the closest peer that answered; 0 where none did. */
  readonly hops: number
}

export class Walk {
  readonly #table: SingleKadDHT['routingTable']
  readonly #key: Uint8Array
  /** How many questions in a row it took to hear of a peer, and the one to it. */
  readonly #depths = new Map<string, number>()
  #asked = 0
  #answered = 0
  #closest: Uint8Array | undefined
  #hops = 0

  /** `key` is what the walk is towards, before Kademlia hashes it. */
  constructor({ routingTable }: SingleKadDHT, key: Uint8Array) {
    this.#table = routingTable
    this.#key = sha256(key)
  }

  note(event: QueryEvent): void {
    if (event.name === 'SEND_QUERY' && event.messageName !== 'ADD_PROVIDER') this.#begin()
    if (event.name !== 'PEER_RESPONSE' || event.messageName === 'ADD_PROVIDER') return
    this.#answered += 1
    const depth = this.#depths.get(event.from.toString()) ?? 1
    for (const { id } of event.closer) {
      const peer = id.toString()
      if (!this.#depths.has(peer)) this.#depths.set(peer, depth + 1)
    }
    const distance = distanceOf(this.#key, sha256(event.from.toMultihash().bytes))
    if (this.#closest && Buffer.compare(this.#closest, distance) <= 0) return
    this.#closest = distance
    this.#hops = depth
  }

  #begin(): void {
    this.#asked += 1
    if (this.#asked > 1) return
    if (!tellsClosest(this.#table)) throw new TypeError('the routing table is not built as expected')
    const known = this.#table.closestPeers(this.#key, { count: this.#table.kBucketSize })
    for (const peer of known) this.#depths.set(peer.toString(), 1)
  }

  result(): Walked {
    return { asked: this.#asked, answered: this.#answered, hops: this.#hops }
  }
}

interface TellsClosest {
  readonly kBucketSize: number
  closestPeers(key: Uint8Array, options: { readonly count: number }): readonly RawPeerId[]
}

function tellsClosest(table: object): table is TellsClosest {
  return 'closestPeers' in table && typeof table.closestPeers === 'function' && 'kBucketSize' in table
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

function distanceOf(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, at) => byte ^ (b[at] ?? 0))
}

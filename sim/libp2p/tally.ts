// What the mesh of a simulation did, counted under the names that metrics have: as the modelled network counts itself.

import type { Libp2pEvent } from '../../node/adapters/libp2p/network.ts'
import type { Scheduler } from '../kernel.ts'
import { GossipTally } from '../model/network/gossip/tally.ts'

/** Long enough for gossipsub to repair a loss: it tells of a message for three heartbeats. */
const repairedMs = 10_000

interface Subscriber {
  readonly sinceMs: number
  readonly heard: Set<number>
}

export class MeshTally {
  readonly gossip = new GossipTally()
  readonly #scheduler: Scheduler
  /** Numbers of messages on their way, by author and content. */
  readonly #underWay = new Map<string, { readonly number: number; readonly atMs: number }>()
  readonly #subscribers = new Map<string, Subscriber>()
  #messages = 0
  #streams = 0
  #streamBytes = 0
  #walks = 0
  #walksAnswered = 0
  #hops = 0
  #dropped = 0

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  published(author: string, message: Uint8Array): void {
    const atMs = this.#scheduler.now()
    this.#messages += 1
    const number = this.#messages
    const key = keyOf(author, message)
    this.gossip.published += 1
    this.#underWay.set(key, { number, atMs })
    this.#scheduler.at(atMs + repairedMs, () => {
      this.#underWay.delete(key)
      for (const [name, { heard, sinceMs }] of this.#subscribers) {
        if (name === author || sinceMs > atMs) continue
        this.gossip.expected += 1
        if (heard.delete(number)) this.gossip.reached += 1
      }
    })
  }

  subscribed(name: string): void {
    this.#subscribers.set(name, { sinceMs: this.#scheduler.now(), heard: new Set() })
  }

  left(name: string): void {
    this.#subscribers.delete(name)
  }

  /** A message was handed to its subscriber. */
  delivered(name: string, author: string, message: Uint8Array): void {
    const sent = this.#underWay.get(keyOf(author, message))
    if (!sent) return // repaired later than anybody waits for
    this.gossip.delivered += 1
    this.gossip.delaysMs.add(this.#scheduler.now() - sent.atMs)
    this.#subscribers.get(name)?.heard.add(sent.number)
  }

  opened(): void {
    this.#streams += 1
  }

  sent(bytes: number): void {
    this.#streamBytes += bytes
  }

  heard(event: Libp2pEvent): void {
    if (event.type === 'connection-dropped') this.#dropped += 1
    if (event.type !== 'dht-walked' || event.asked === 0) return
    this.#walks += 1
    if (event.answered === 0) return
    this.#walksAnswered += 1
    this.#hops += event.hops
  }

  /** `bytes` is all that the lines carried: what is not on our streams is the mesh's own talk. */
  figures(bytes: number): Readonly<Record<string, number>> {
    const { gossip } = this
    return {
      controlBytes: bytes - this.#streamBytes,
      connectionsDropped: this.#dropped,
      streams: this.#streams,
      gossipPublished: gossip.published,
      gossipDelivered: gossip.delivered,
      gossipCoverage: ratio(gossip.reached, gossip.expected),
      gossipMsMean: gossip.delaysMs.mean,
      gossipMsP50: gossip.delaysMs.quantile(0.5),
      gossipMsP90: gossip.delaysMs.quantile(0.9),
      gossipMsP95: gossip.delaysMs.quantile(0.95),
      gossipMsP99: gossip.delaysMs.quantile(0.99),
      dhtLookups: this.#walks,
      dhtMeanHops: ratio(this.#hops, this.#walksAnswered),
      dhtSuccessRate: ratio(this.#walksAnswered, this.#walks),
    }
  }
}

function keyOf(author: string, message: Uint8Array): string {
  return `${author} ${Buffer.from(message.buffer, message.byteOffset, message.length).toString('latin1')}`
}

function ratio(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0
}

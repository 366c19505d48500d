// A DHT whose peers come and go, over a plain wire: as many as told at any time, each new one in place of one that left.

import type { Scheduler } from '../../../kernel.ts'
import { integer, type SeededRandom } from '../../../random.ts'
import { Kademlia } from './kademlia.ts'
import type { DhtSettings } from './settings.ts'

export interface PopulationParts {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly settings: DhtSettings
  readonly size: number
  /** One way, and how long a question that nobody answers is waited for. */
  readonly latencyMs: number
  readonly timeoutMs: number
  /** Around each message. */
  readonly headerBytes: number
  /** How long one stays; `isFirst` for those that were there before the beginning. */
  readonly sessionMs: (isFirst: boolean) => number
}

/** The first come one after another within this. */
const arrivalMs = 60_000

export class Population {
  readonly dht: Kademlia
  readonly #parts: PopulationParts
  readonly #present: number[] = []
  /** Where each present peer stands in the list. */
  readonly #places = new Map<number, number>()
  #bytes = 0
  #count = 0

  constructor(parts: PopulationParts) {
    this.#parts = parts
    const { random, scheduler, settings, size } = parts
    this.dht = new Kademlia({ scheduler, random, settings, wire: { call: this.#call, fallback: () => [this.any()] } })
    for (let at = 0; at < size; at += 1) {
      scheduler.at(scheduler.now() + (at / size) * arrivalMs, () => this.#arrive(true))
    }
  }

  /** Sent by all so far, answers included. */
  get bytes(): number {
    return this.#bytes
  }

  isPresent(peer: number): boolean {
    return this.#places.has(peer)
  }

  any(): number {
    return this.#present[integer(this.#parts.random, this.#present.length)] ?? 0
  }

  #arrive(isFirst: boolean): void {
    const { random, scheduler, sessionMs } = this.#parts
    const known = this.#present.length > 0 ? this.any() : undefined
    const peer = this.dht.place(`peer ${this.#count} ${random.next()}`)
    this.#count += 1
    this.dht.join(peer, { isServer: true })
    this.#places.set(peer, this.#present.length)
    this.#present.push(peer)
    if (known !== undefined) this.dht.see(peer, known)
    this.dht.whenRouted(peer, () => this.dht.refresh(peer))
    scheduler.at(scheduler.now() + sessionMs(isFirst), () => {
      this.#leave(peer)
      this.#arrive(false)
    })
  }

  #leave(peer: number): void {
    this.dht.leave(peer)
    const place = this.#places.get(peer) ?? 0
    const last = this.#present.pop() ?? peer
    this.#places.delete(peer)
    if (last === peer) return
    this.#present[place] = last
    this.#places.set(last, place)
  }

  readonly #call = (
    from: number,
    to: number,
    bytes: number,
    serve: () => number,
    done: (isAnswered: boolean) => void,
  ): void => {
    const { headerBytes, latencyMs, scheduler, timeoutMs } = this.#parts
    const sentMs = scheduler.now()
    this.#bytes += bytes + headerBytes
    if (!this.isPresent(to)) {
      scheduler.at(sentMs + timeoutMs, () => done(false))
      return
    }
    scheduler.at(sentMs + latencyMs, () => {
      if (!this.isPresent(to)) {
        scheduler.at(sentMs + timeoutMs, () => done(false))
        return
      }
      this.dht.see(to, from)
      this.#bytes += serve() + headerBytes
      scheduler.at(sentMs + 2 * latencyMs, () => {
        if (this.isPresent(from)) done(true)
      })
    })
  }
}

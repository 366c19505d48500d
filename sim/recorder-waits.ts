// What the summary tells of waiting, from events alone: for a slot at a provider, for the first provider after a start, and
// how old the advert was that a consumer chose by.

import type { PeerId } from '../protocol/ids.ts'
import { ascending, meanOf, quantileOf } from './report/statistics.ts'

type Figures = Readonly<Record<string, number | undefined>>

/** Ages are told by the first so many consumers: each remembers an advert of every provider it heard of. */
const agedConsumersMax = 256

export class Waits {
  readonly #warmupMs: number
  readonly #queuedAtMs = new Map<string, number>()
  readonly #queueMs: number[] = []
  readonly #startedAtMs = new Map<string, number>()
  readonly #discoveryMs: number[] = []
  /** Consumer → provider → when the advert it knows was made, since the start of the run. */
  readonly #madeAtMs = new Map<string, Map<PeerId, number>>()
  readonly #ageMs = { sum: 0, count: 0 }
  #epochMs = 0

  constructor(warmupMs: number) {
    this.#warmupMs = warmupMs
  }

  /** Unix milliseconds at which the run began. */
  began(epochMs: number): void {
    this.#epochMs = epochMs
  }

  queued(provider: string, request: string, atMs: number): void {
    const key = `${provider} ${request}`
    if (!this.#queuedAtMs.has(key)) this.#queuedAtMs.set(key, atMs)
  }

  admitted(provider: string, request: string, atMs: number): void {
    const key = `${provider} ${request}`
    if (atMs >= this.#warmupMs) this.#queueMs.push(atMs - (this.#queuedAtMs.get(key) ?? atMs))
    this.#queuedAtMs.delete(key)
  }

  refused(provider: string, request: string): void {
    this.#queuedAtMs.delete(`${provider} ${request}`)
  }

  consumerStarted(consumer: string, atMs: number): void {
    this.#startedAtMs.set(consumer, atMs)
    this.#madeAtMs.get(consumer)?.clear()
    if (this.#madeAtMs.size < agedConsumersMax && !this.#madeAtMs.has(consumer)) {
      this.#madeAtMs.set(consumer, new Map())
    }
  }

  /** A sequence is the millisecond in which the advert was made. */
  advertAccepted(consumer: string, provider: PeerId, sequence: number, atMs: number): void {
    const startedAtMs = this.#startedAtMs.get(consumer)
    if (startedAtMs !== undefined) {
      this.#discoveryMs.push(atMs - startedAtMs)
      this.#startedAtMs.delete(consumer)
    }
    this.#madeAtMs.get(consumer)?.set(provider, sequence - this.#epochMs)
  }

  providerChosen(consumer: string, provider: PeerId, atMs: number): void {
    const madeAtMs = this.#madeAtMs.get(consumer)?.get(provider)
    if (madeAtMs === undefined || atMs < this.#warmupMs) return
    this.#ageMs.sum += Math.max(0, atMs - madeAtMs)
    this.#ageMs.count += 1
  }

  figures(): Figures {
    return {
      ...spreadOf('queueMs', this.#queueMs),
      ...spreadOf('discoveryMs', this.#discoveryMs),
      advertStalenessMs: this.#ageMs.count === 0 ? undefined : this.#ageMs.sum / this.#ageMs.count,
    }
  }
}

function spreadOf(name: string, values: readonly number[]): Figures {
  const sorted = ascending(values)
  return {
    [`${name}Mean`]: meanOf(sorted),
    [`${name}P50`]: quantileOf(sorted, 0.5),
    [`${name}P90`]: quantileOf(sorted, 0.9),
    [`${name}P95`]: quantileOf(sorted, 0.95),
    [`${name}P99`]: quantileOf(sorted, 0.99),
  }
}

// What a consumer knows of providers: their adverts as they have reached it, each after a delay drawn for the two.

import type { Candidate } from '../../node/consumer/selection.ts'
import type { Paths } from '../model/network/paths.ts'
import type { SeededRandom } from '../random.ts'
import { drawOf } from './draws.ts'
import type { GossipDelay } from './gossip-delay.ts'
import type { Consumer } from './population.ts'
import type { Provider, Told } from './provider.ts'

export interface ViewRules {
  /** Of a model's providers, those that one consumer weighs: its directory is bounded, and so is what this mode affords. */
  readonly candidatesMax: number
}

export class Views {
  readonly #delay: GossipDelay
  readonly #paths: Paths
  readonly #candidatesMax: number
  readonly #salt: number
  readonly #delayMsMax: number
  readonly #candidates: Candidate[] = []
  readonly #pool: { -readonly [Field in keyof Candidate]: Candidate[Field] }[] = []
  /** When the oldest of the present partitions began; undefined while there is none. */
  cutSinceMs: number | undefined

  constructor(delay: GossipDelay, paths: Paths, random: SeededRandom, { candidatesMax }: ViewRules) {
    this.#delay = delay
    this.#delayMsMax = delay.quantilesMs.at(-1) ?? 0
    this.#paths = paths
    this.#candidatesMax = candidatesMax
    this.#salt = Math.floor(random.next() * 2 ** 32) | 0
  }

  /**
   * Its candidates among these providers, in their order, that ask no more than its ceiling.
   * The list and what is in it are valid until the next call.
   */
  candidates(consumer: Consumer, providers: readonly Provider[], nowMs: number): readonly Candidate[] {
    const count = Math.min(this.#candidatesMax, providers.length)
    const ceiling = Number(consumer.config.consumer.priceNanoMax)
    const candidates = this.#candidates
    candidates.length = 0
    for (let stratum = 0; stratum < count; stratum += 1) {
      // one of each stratum, the same for this consumer at any time
      const draw = count === providers.length ? 0 : drawOf(this.#salt, consumer.index, stratum)
      const provider = providers[Math.floor(((stratum + draw) * providers.length) / count)]
      const told = provider && this.#heard(consumer, provider, nowMs)
      if (!provider || !told?.advert || !told.offer || told.dearestNano > ceiling) continue
      const place = candidates.length
      const candidate = this.#pool[place] ?? { advert: told.advert, offer: told.offer, failedAtMs: undefined }
      this.#pool[place] = candidate
      candidate.advert = told.advert
      candidate.offer = told.offer
      candidate.failedAtMs = consumer.failedAtMs?.get(provider.index)
      candidates.push(candidate)
    }
    return candidates
  }

  /** How old what it knows of this provider is. */
  ageMs(consumer: Consumer, provider: Provider, nowMs: number): number {
    const told = this.#heard(consumer, provider, nowMs)
    return told ? Math.min(nowMs - told.atMs, this.#repeatAgeMs(consumer, provider)) : 0
  }

  /** The newest of its adverts that has arrived and is still believed. */
  #heard(consumer: Consumer, provider: Provider, nowMs: number): Told | undefined {
    const seenUntilMs = this.#reachesUntilMs(consumer, provider, nowMs)
    if (seenUntilMs < nowMs) {
      const { advertIntervalMs, advertLifeMs } = provider.config.discovery
      // a living one repeats itself: its silence counts from the last repeat
      const repeatedMs = seenUntilMs - drawOf(this.#salt, provider.index, 7, provider.epoch) * advertIntervalMs
      if (repeatedMs + advertLifeMs < nowMs) return undefined
    }
    const { told } = provider
    for (const each of told) {
      if (each.atMs > seenUntilMs) continue
      const ageMs = nowMs - each.atMs
      if (ageMs >= this.#delayMsMax || ageMs >= this.#delayMs(consumer, provider, each.sequence)) return each
    }
    // of one that has told much lately: what it said before has reached everybody
    return provider.hasToldMore ? told.at(-1) : undefined
  }

  /** Until when this provider could be heard by this consumer: now, where nothing is in the way. */
  #reachesUntilMs(consumer: Consumer, provider: Provider, nowMs: number): number {
    const aliveUntilMs = provider.isUp ? nowMs : provider.downAtMs
    if (this.cutSinceMs === undefined || !this.#paths.isCut(provider.spot, consumer.spot)) return aliveUntilMs
    return Math.min(aliveUntilMs, this.cutSinceMs)
  }

  #delayMs(consumer: Consumer, provider: Provider, sequence: number): number {
    const { quantilesMs } = this.#delay
    const draw = drawOf(this.#salt, consumer.index, provider.index, sequence)
    return quantilesMs[Math.floor(draw * quantilesMs.length)] ?? 0
  }

  #repeatAgeMs(consumer: Consumer, provider: Provider): number {
    return drawOf(this.#salt, consumer.index, provider.index, -1) * provider.config.discovery.advertIntervalMs
  }
}

// What a provider asks for a million tokens now, and which of the prices it has told it still keeps to.

import { clockSkewMsMax } from '../../protocol/advert.ts'
import { isWithin, type Price } from '../../protocol/money.ts'
import type { Clock } from '../ports.ts'

export type PricingPolicy = 'fixed' | 'adaptive'

export interface PricingTerms {
  readonly policy: PricingPolicy
  /** Asked when all slots are taken and nobody waits; always, where the policy is `fixed`. */
  readonly base: Price
  /** Of the base, asked when idle. */
  readonly floorPerMille: number
}

export interface PricingLoad {
  readonly slots: number
  readonly active: number
  readonly queued: number
}

/** Prices move in eighths from the floor to the base and from there to the double: each move is an advert to everybody. */
const steps = 8n

/**
 * Adaptive: the floor when idle, rising with the slots taken to the base, and with the queue to twice the base where as
 * many wait as there are slots. Rounded up to the next step, and to a whole nano. Pure.
 */
export function priceAt({ policy, base, floorPerMille }: PricingTerms, { slots, active, queued }: PricingLoad): Price {
  if (policy === 'fixed') return base
  const floor = BigInt(floorPerMille)
  const busy = eighths(active, slots)
  const perMilleBySteps =
    busy < steps ? floor * steps + (1_000n - floor) * busy : 1_000n * (steps + eighths(queued, slots))
  const scale = 1_000n * steps
  const scaled = (nano: bigint): bigint => (nano * perMilleBySteps + scale - 1n) / scale
  return {
    promptNano: scaled(base.promptNano),
    completionNano: scaled(base.completionNano),
    cachedNano: scaled(base.cachedNano),
  }
}

function eighths(part: number, whole: number): bigint {
  const share = Math.min(1, Math.max(0, part) / Math.max(1, whole))
  return BigInt(Math.ceil(share * Number(steps)))
}

/** A raise must not fail the requests of those who have not heard of it: each price is kept to while its advert lives. */
export class Pricing {
  readonly #terms: PricingTerms
  readonly #clock: Pick<Clock, 'now'>
  readonly #load: () => PricingLoad
  /** By what they are, until when; as many as there are steps at most. */
  readonly #told = new Map<string, { readonly price: Price; readonly untilMs: number }>()

  constructor(terms: PricingTerms, clock: Pick<Clock, 'now'>, load: () => PricingLoad) {
    this.#terms = terms
    this.#clock = clock
    this.#load = load
  }

  get current(): Price {
    return priceAt(this.#terms, this.#load())
  }

  /** An advert that is believed until then names this price. */
  told(price: Price, untilMs: number): void {
    this.#told.set(keyOf(price), { price, untilMs: untilMs + clockSkewMsMax })
  }

  /**
   * What to serve at for somebody who pays at most this: the price now, or else the highest that was told and is not
   * forgotten; undefined where even that is above.
   */
  within(ceiling: Price): Price | undefined {
    const now = this.current
    if (isWithin(now, ceiling)) return now
    const nowMs = this.#clock.now()
    let best: Price | undefined
    for (const [key, { price, untilMs }] of this.#told) {
      if (untilMs < nowMs) this.#told.delete(key)
      else if (isWithin(price, ceiling) && (!best || isWithin(best, price))) best = price
    }
    return best
  }
}

function keyOf({ promptNano, completionNano, cachedNano }: Price): string {
  return `${promptNano}/${completionNano}/${cachedNano}`
}

// What each model costs: as the operator says for it, or as for all.

import type { ModelKey } from '../../protocol/ids.ts'
import { keep } from '../../protocol/keep.ts'
import { formatGram, type Nano, type Price, parseGram } from '../../protocol/money.ts'
import type { Clock, Model } from '../ports.ts'
import { Pricing, type PricingLoad, type PricingPolicy, type PricingTerms } from './pricing.ts'

/** Of one model, in place of what holds for all. */
export interface ModelPrice {
  /** Its name or its key. */
  readonly model: string
  readonly price: Price
  /** Of the price, the least that is asked with adaptive pricing; undefined where it is as for all. */
  readonly floorPerMille: number | undefined
}

/** Half of what a price on the wire may be: an adaptive one doubles. */
const priceNanoMax = 500_000_000_000_000n

/**
 * `model=prompt/completion`, `model=prompt/completion/cached`, or either with `@floor`: GRAM a million tokens, and the floor
 * in thousandths of that. Without a third price cached tokens cost a tenth of prompt tokens. Throws `RangeError`.
 */
export function parseModelPrice(entry: string): ModelPrice {
  const match = /^(.+)=([\d.]+)\/([\d.]+)(?:\/([\d.]+))?(?:@(\d{1,4}))?$/.exec(entry.trim())
  const [, model, prompt, completion, cached, floor] = match ?? []
  if (model === undefined || prompt === undefined || completion === undefined) {
    throw new RangeError(`"${entry.slice(0, 80)}", expected model=prompt/completion/cached in GRAM a million tokens`)
  }
  const floorPerMille = floor === undefined ? undefined : Number(floor)
  if (floorPerMille !== undefined && floorPerMille > 1_000) {
    throw new RangeError(`"${entry.slice(0, 80)}" has a floor of ${floorPerMille}, expected thousandths up to 1000`)
  }
  const promptNano = amountOf(prompt)
  const cachedNano = cached === undefined ? promptNano / 10n : amountOf(cached)
  return { model, price: atMostFresh({ promptNano, completionNano: amountOf(completion), cachedNano }), floorPerMille }
}

function amountOf(gram: string): Nano {
  const nano = parseGram(gram)
  if (nano > priceNanoMax) throw new RangeError(`${gram} GRAM a million tokens, at most ${formatGram(priceNanoMax)}`)
  return nano
}

/** A token still held never costs more than a fresh one. */
export function atMostFresh(price: Price): Price {
  return price.cachedNano <= price.promptNano ? price : { ...price, cachedNano: price.promptNano }
}

export interface PriceSettings {
  readonly promptPriceNano: Nano
  readonly completionPriceNano: Nano
  readonly cachedPriceNano: Nano
  readonly pricing: PricingPolicy
  readonly priceFloorPerMille: number
  /** As `parseModelPrice` reads them. */
  readonly prices: readonly string[]
}

/** Of several entries for a model the last counts. */
export function pricingTermsOf(settings: PriceSettings, { key, name }: Pick<Model, 'key' | 'name'>): PricingTerms {
  const { cachedPriceNano, completionPriceNano, priceFloorPerMille, prices, pricing, promptPriceNano } = settings
  const own = prices.map(parseModelPrice).findLast(({ model }) => model === name || model === key)
  const common = {
    promptNano: promptPriceNano,
    completionNano: completionPriceNano,
    cachedNano: cachedPriceNano,
  }
  return {
    policy: pricing,
    base: own?.price ?? atMostFresh(common),
    floorPerMille: own?.floorPerMille ?? priceFloorPerMille,
  }
}

/** Models come and go with what is behind an engine: as many are remembered. */
const modelsMax = 256

/** The prices of all models, each with what was told of it. */
export class Prices {
  readonly #settings: PriceSettings
  readonly #clock: Pick<Clock, 'now'>
  readonly #load: () => PricingLoad
  readonly #byModel = new Map<ModelKey, Pricing>()

  constructor(settings: PriceSettings, clock: Pick<Clock, 'now'>, load: () => PricingLoad) {
    this.#settings = settings
    this.#clock = clock
    this.#load = load
  }

  of(model: Pick<Model, 'key' | 'name'>): Pricing {
    const known = this.#byModel.get(model.key)
    if (known) return known
    const pricing = new Pricing(pricingTermsOf(this.#settings, model), this.#clock, this.#load)
    return keep(this.#byModel, model.key, pricing, modelsMax)
  }
}

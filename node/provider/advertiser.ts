// Tells the mesh what this provider serves: by gossip when something worth knowing changed, by DHT, and to whoever asks.

import { type Advert, encodeAdvert, type Offer } from '../../protocol/advert.ts'
import { asMeshError } from '../../protocol/errors.ts'
import { type Address, capacityTopic, declaredModelKeyOf, type ModelKey, meshKey } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import type { Config } from '../config.ts'
import type { Engine, Ports, Stream } from '../ports.ts'
import { every, jittered } from '../waits.ts'
import type { Admission } from './admission.ts'
import type { Prices } from './prices.ts'
import type { Vocabularies } from './vocabularies.ts'

const agent = 'silkmesh/0.1'
const changed = new Error('load changed')

export interface AdvertiserParts {
  readonly config: Config
  /** Where vouchers must pay. */
  readonly payout: Address
  readonly prices: Prices
  readonly engine: Engine
  readonly admission: Admission
  readonly vocabularies: Vocabularies
  readonly ports: Ports
}

export class Advertiser {
  readonly #config: Config
  readonly #payout: Address
  readonly #prices: Prices
  readonly #engine: Engine
  readonly #admission: Admission
  readonly #vocabularies: Vocabularies
  readonly #ports: Ports
  #sequence = 0
  #published: { readonly offers: readonly Offer[]; readonly atMs: number } | undefined
  /** Signed last. */
  #encoded: { readonly offers: readonly Offer[]; readonly bytes: Uint8Array; readonly atMs: number } | undefined
  #wake = new AbortController()

  constructor({ admission, config, engine, payout, ports, prices, vocabularies }: AdvertiserParts) {
    this.#config = config
    this.#payout = payout
    this.#prices = prices
    this.#engine = engine
    this.#admission = admission
    this.#vocabularies = vocabularies
    this.#ports = ports
    engine.onChange?.(() => this.changed())
  }

  /** Announces until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, network, random, observe } = this.#ports
    const failed = (error: unknown): void => {
      const { code, message } = asMeshError(error)
      observe({ type: 'fault', where: 'advertiser', code, message })
    }
    const records = this.#keys().map((key) => network.provide(key, signal).catch(failed))
    await every(clock, random, this.#config.discovery.advertGapMs, signal, () => this.#publishWhenDue(signal), failed)
    await Promise.all(records)
  }

  /** Call when load may have changed; a change worth telling goes out after the gap. */
  changed(): void {
    this.#wake.abort(changed)
  }

  /** Says that nothing is offered any more: others need not find out by dialling. */
  async withdraw(): Promise<void> {
    const { clock, network } = this.#ports
    this.#published = { offers: [], atMs: clock.now() }
    await network.publish(capacityTopic, this.#encode([]))
  }

  /** Serves /silkmesh/advert/1.0.0: the current advert, then the end. Many ask at once when a provider is new. */
  async serve(stream: Stream): Promise<void> {
    const offers = this.#offers()
    const encoded = this.#encoded
    const nowMs = this.#ports.clock.now()
    const isCurrent =
      encoded && nowMs - encoded.atMs < this.#config.discovery.advertGapMs && isSame(encoded.offers, offers)
    await stream.send(isCurrent ? encoded.bytes : this.#encode(offers))
    await stream.close()
  }

  async #publishWhenDue(signal: AbortSignal): Promise<void> {
    const { clock, network, random, observe } = this.#ports
    const { advertIntervalMs, advertGapMs } = this.#config.discovery
    const offers = this.#offers()
    const last = this.#published
    const repeatMs = jittered(advertIntervalMs, random)
    const isRepeat = offers.length > 0 && last !== undefined && clock.now() - last.atMs >= repeatMs
    const isDue = !last || isRepeat || isWorthTelling(last.offers, offers)
    if (isDue) {
      await network.publish(capacityTopic, this.#encode(offers))
      this.#published = { offers, atMs: clock.now() }
      observe({ type: 'advert-published', sequence: this.#sequence, models: offers.map(({ name }) => name) })
      return
    }
    // sleep until the repeat, or until told of a change; `every` then keeps the gap
    this.#wake = new AbortController()
    const untilMs = offers.length === 0 ? repeatMs : Math.max(0, last.atMs + repeatMs - clock.now() - advertGapMs)
    await clock.sleep(untilMs, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined)
  }

  #keys(): readonly ModelKey[] {
    const { models } = this.#engine
    return [
      ...new Set([meshKey, ...models.map(({ key }) => key), ...models.map(({ name }) => declaredModelKeyOf(name))]),
    ]
  }

  /** None while nothing new is taken. */
  #offers(): readonly Offer[] {
    const { slots, models, isReady = true } = this.#engine
    const { isOpen, queued, slotsFree } = this.#admission
    if (!isReady || !isOpen) return []
    return models.map(({ key, ...model }) => ({
      ...model,
      modelKey: key,
      price: this.#prices.of({ key, name: model.name }).current,
      slots,
      slotsFree,
      queued,
      vocabularySha256: this.#vocabularies.digestOf(key),
    }))
  }

  #encode(offers: readonly Offer[]): Uint8Array {
    const { clock, identity, network } = this.#ports
    this.#sequence = Math.max(this.#sequence + 1, clock.now()) // also grows over a restart
    const validUntilMs = clock.now() + this.#config.discovery.advertLifeMs
    for (const { modelKey: key, name, price } of offers) this.#prices.of({ key, name }).told(price, validUntilMs)
    const advert: Advert = {
      peer: identity.peerId,
      sequence: this.#sequence,
      validUntilMs,
      payout: this.#payout,
      takesHubs: true,
      offers,
      addresses: network.addresses().slice(0, limits.addressesMax),
      agent,
    }
    const bytes = encodeAdvert(advert, identity.publicKey, (message) => identity.sign(message))
    this.#encoded = { offers, bytes, atMs: clock.now() }
    return bytes
  }
}

function isSame(a: readonly Offer[], b: readonly Offer[]): boolean {
  return a.length === b.length && a.every((offer, at) => isSameOffer(offer, b[at]))
}

function isSameOffer(
  { price: { cachedNano, completionNano, promptNano }, ...a }: Offer,
  other: Offer | undefined,
): boolean {
  if (!other) return false
  const { price, ...b } = other
  return (
    price.cachedNano === cachedNano &&
    price.completionNano === completionNano &&
    price.promptNano === promptNano &&
    (Object.keys(a) as (keyof typeof a)[]).every((name) => a[name] === b[name])
  )
}

/**
 * Another price, other models, full or free again, or a quarter of the slots moved: less is noise that would cost every
 * peer a message.
 */
export function isWorthTelling(before: readonly Offer[], now: readonly Offer[]): boolean {
  if (before.length !== now.length) return true
  return now.some((offer, at) => {
    const told = before[at]
    if (!told || told.modelKey !== offer.modelKey) return true
    const moved = Math.abs(offer.slotsFree - told.slotsFree)
    if (offer.price.completionNano !== told.price.completionNano || offer.price.promptNano !== told.price.promptNano) {
      return true
    }
    return (offer.slotsFree === 0) !== (told.slotsFree === 0) || moved >= Math.max(1, offer.slots / 4)
  })
}

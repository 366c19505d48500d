// A provider of the coarse mode: what it offers, what it has told the mesh, what it has taken on; and a request while it runs.

import type { Config } from '../../node/config.ts'
import type { AdmissionLimits } from '../../node/provider/admission.ts'
import { isWorthTelling } from '../../node/provider/advertiser.ts'
import { type PricingTerms, priceAt } from '../../node/provider/pricing.ts'
import { inTurn } from '../../node/provider/turns.ts'
import type { Advert, Offer } from '../../protocol/advert.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import { addressOf, declaredModelKeyOf, type PeerId } from '../../protocol/ids.ts'
import { type Nano, noUsage, type Price } from '../../protocol/money.ts'
import { featuresByDefault } from '../../protocol/task.ts'
import { iterationMs } from '../model/engine/cost.ts'
import { costOf, type Profile } from '../model/engine/profile.ts'
import type { Spot } from '../model/network/paths.ts'
import type { PeerSpec } from '../plan.ts'
import { CoarseBatch, type Sequence } from './batch.ts'

/** One advert as its peer sent it. */
export interface Told {
  readonly atMs: number
  readonly sequence: number
  /** Undefined: nothing is offered any more. */
  readonly offer: Offer | undefined
  readonly advert: Advert | undefined
  /** The highest of its three prices. */
  readonly dearestNano: number
}

/** No policy looks at it. */
const nowhere = addressOf(new Uint8Array(32))

/** Older ones have reached everybody, or nobody ever will hear of them. */
const toldMax = 4

export interface ProviderParts {
  readonly index: number
  /** Among all peers. */
  readonly peer: number
  readonly peerId: PeerId
  readonly spec: PeerSpec
  readonly spot: Spot
  readonly config: Config
  readonly profile: Profile
}

export class Provider {
  readonly index: number
  readonly peer: number
  readonly peerId: PeerId
  readonly spec: PeerSpec
  readonly spot: Spot
  readonly config: Config
  readonly profile: Profile
  readonly slots: number
  readonly limits: AdmissionLimits
  readonly batch: CoarseBatch
  /** In the batch. */
  readonly decoding: Live[] = []
  /** Wait for a slot, the first longest. */
  readonly queue: Live[] = []
  /** When the consumers that wait last had their turn. */
  readonly #turns = new Map<number, number>()
  #turn = 0
  /** All that it was asked and has not answered, in whatever state. */
  readonly attached = new Set<Live>()
  readonly #terms: PricingTerms
  readonly #offer: Omit<Offer, 'price' | 'slotsFree' | 'queued'>
  readonly #told: Told[] = []
  #sequence = 0
  /** There were earlier adverts in this life than `told` holds. */
  hasToldMore = false
  active = 0
  isUp = false
  isDraining = false
  /** When it was last seen alive, where it is not. */
  downAtMs = 0
  frozenUntilMs = 0
  /** Went without a word: nobody answers at its address. */
  isPowerless = false
  /** Counts its lives. */
  epoch = 0
  /** Counts changes of its batch: an event for an earlier one is void. */
  stamp = 0
  isAdvertDue = false
  /** Slot-milliseconds in use, and milliseconds up, since the start. */
  busyMs = 0
  upMs = 0
  #accountedMs = 0
  tokensServed = 0

  constructor({ index, peer, peerId, spec, spot, config, profile }: ProviderParts) {
    this.index = index
    this.peer = peer
    this.peerId = peerId
    this.spec = spec
    this.spot = spot
    this.config = config
    this.profile = profile
    this.slots = spec.provider?.slots ?? profile.maxNumSeqs
    const {
      cachedPriceNano,
      completionPriceNano,
      peerRequestsMax,
      priceFloorPerMille,
      pricing,
      promptPriceNano,
      queueMax,
    } = config.provider
    this.limits = { slots: this.slots, queueMax, peerRequestsMax }
    this.#terms = {
      policy: pricing,
      base: {
        promptNano: promptPriceNano,
        completionNano: completionPriceNano,
        cachedNano: cachedPriceNano < promptPriceNano ? cachedPriceNano : promptPriceNano,
      },
      floorPerMille: priceFloorPerMille,
    }
    this.#offer = {
      ...speedsOf(profile),
      ...namesOf(spec, profile),
      slots: this.slots,
      features: featuresByDefault,
      vocabularySha256: undefined,
    }
    this.batch = new CoarseBatch(profile)
  }

  get price(): Price {
    return priceAt(this.#terms, { slots: this.slots, active: this.active, queued: this.queue.length })
  }

  get decodeTokensPerSecond(): number {
    return this.#offer.decodeTokensPerSecond
  }

  /** The newest advert first. */
  get told(): readonly Told[] {
    return this.#told
  }

  offer(): Offer {
    const slotsFree = this.isDraining ? 0 : this.slots - this.active
    return { ...this.#offer, price: this.price, slotsFree, queued: this.queue.length }
  }

  /** Tells what it offers now, where that is worth telling or must be said; false where it is not. */
  tell(nowMs: number, isForced: boolean): boolean {
    const last = this.#told[0]?.offer
    const offer = this.offer()
    if (!isForced && last && !isWorthTelling([last], [offer])) return false
    this.#push(nowMs, offer)
    return true
  }

  /** A new life: what it said in the one before is believed no more. */
  begin(): void {
    this.isUp = true
    this.isDraining = false
    this.isPowerless = false
    this.epoch += 1
    this.#told.length = 0
    this.hasToldMore = false
  }

  /** Nothing of what it had under way is left. */
  end(nowMs: number): void {
    this.isUp = false
    this.isDraining = false
    this.downAtMs = nowMs
    this.frozenUntilMs = 0
    this.active = 0
    this.queue.length = 0
    this.#turns.clear()
    this.decoding.length = 0
    this.batch.clear(nowMs)
    this.stamp += 1
  }

  enqueue(live: Live): void {
    if (!this.#turns.has(live.consumer)) this.#turns.set(live.consumer, this.#nextTurn())
    this.queue.push(live)
  }

  dequeue(live: Live): void {
    const at = this.queue.indexOf(live)
    if (at < 0) return
    this.queue.splice(at, 1)
    if (!this.queue.some(({ consumer }) => consumer === live.consumer)) this.#turns.delete(live.consumer)
  }

  /** Out of the queue, whose turn it is when this one has given back its slot. */
  takeNext(left: Live): Live | undefined {
    const running = new Map<number, number>()
    for (const live of this.attached) {
      if (live === left || (live.phase !== 'paying' && live.phase !== 'decoding')) continue
      running.set(live.consumer, (running.get(live.consumer) ?? 0) + 1)
    }
    const [first] = inTurn(
      this.queue.map((live) => ({ peer: live.consumer, live })),
      running,
      this.#turns,
    )
    if (!first) return undefined
    this.#turns.set(first.peer, this.#nextTurn())
    this.dequeue(first.live)
    return first.live
  }

  #nextTurn(): number {
    this.#turn += 1
    return this.#turn
  }

  withdraw(nowMs: number): void {
    this.#push(nowMs, undefined)
  }

  /** Call before anything below changes. */
  account(nowMs: number): void {
    if (this.isUp) {
      this.upMs += nowMs - this.#accountedMs
      this.busyMs += this.active * (nowMs - this.#accountedMs)
    }
    this.#accountedMs = nowMs
  }

  /** Figures begin here. */
  restartAccount(nowMs: number): void {
    this.#accountedMs = nowMs
    this.busyMs = 0
    this.upMs = 0
  }

  #push(atMs: number, offer: Offer | undefined): void {
    this.#sequence += 1
    const advert = offer && {
      peer: this.peerId,
      sequence: this.#sequence,
      validUntilMs: atMs + this.config.discovery.advertLifeMs,
      payout: nowhere,
      offers: [offer],
      addresses: [],
      agent: '',
    }
    const { promptNano = 0n, completionNano = 0n } = offer?.price ?? {}
    const dearestNano = Number(promptNano > completionNano ? promptNano : completionNano)
    this.#told.unshift({ atMs, sequence: this.#sequence, offer, advert, dearestNano })
    if (this.#told.length <= toldMax) return
    this.#told.pop()
    this.hasToldMore = true
  }
}

function namesOf({ provider }: PeerSpec, { contextTokens, name }: Profile) {
  const model = provider?.model ?? name
  return { modelKey: declaredModelKeyOf(model), name: model, contextTokens }
}

/** As the modelled engine measures itself: a full prompt, and one token after it. */
function speedsOf(profile: Profile) {
  const cost = costOf(profile)
  const tokens = Math.min(profile.maxNumBatchedTokens, profile.contextTokens)
  const prefillMs = iterationMs(cost, { tokens, sequences: 1, contextTokens: 0, pairs: (tokens * tokens) / 2 })
  const decodeMs = iterationMs(cost, { tokens: 1, sequences: 1, contextTokens: tokens, pairs: 0 })
  return {
    prefillTokensPerSecond: Math.max(1, Math.round((1_000 * tokens) / prefillMs)),
    decodeTokensPerSecond: Math.max(1, Math.round(1_000 / decodeMs)),
  }
}

export type Phase = 'finding' | 'opening' | 'queued' | 'paying' | 'decoding' | 'ending' | 'failing'

const noPrice: Price = { promptNano: 0n, completionNano: 0n, cachedNano: 0n }

/** One request while it runs: where it is, what it has, what it costs. */
export class Live {
  /** Place in the table of running requests. */
  readonly id: number
  readonly request: number
  readonly consumer: number
  readonly arrivalMs: number
  /** Counts what is scheduled for it: an event for an earlier count is void. */
  stamp = 0
  phase: Phase = 'finding'
  attempts = 0
  failovers = 0
  tried: Set<PeerId> | undefined
  code: ErrorCode = 'no-provider'
  /** Of codes that no other provider could help with, the one already met. */
  refusedCode: ErrorCode | undefined
  firstTokenMs: number | undefined
  queueMs = 0
  costNano: Nano = 0n
  /** As the first provider counted them. */
  promptTokens = 0
  cachedTokens = 0
  /** Delivered by providers before this one. */
  delivered = 0
  // of the attempt under way
  provider: Provider | undefined
  channel = -1
  oneWayMs = 0
  /** Price of the advert it was chosen by, then the one agreed. */
  price: Price = noPrice
  prefix = noUsage
  since = 0
  sequence: Sequence | undefined
  /** Next token at which something happens. */
  target = 0

  constructor(id: number, request: number, consumer: number, arrivalMs: number) {
    this.id = id
    this.request = request
    this.consumer = consumer
    this.arrivalMs = arrivalMs
  }
}

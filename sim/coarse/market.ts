// The coarse mode's market: every request of a plan from arrival to end, by the node's own policy, over an event heap.

import { select } from '../../node/consumer/selection.ts'
import { admit } from '../../node/provider/admission.ts'
import { windowNano } from '../../node/provider/meter.ts'
import { type ErrorCode, failures } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { costNano, isWithin, type Nano } from '../../protocol/money.ts'
import type { Fault, Plan } from '../plan.ts'
import { type SeededRandom, seededRandom } from '../random.ts'
import type { RequestRecord } from '../record.ts'
import { CoarseBook } from './book.ts'
import { drawOf } from './draws.ts'
import { type GossipDelay, gossipDelay } from './gossip-delay.ts'
import { EventHeap } from './heap.ts'
import { type Consumer, type Population, populationOf } from './population.ts'
import { Live, type Provider } from './provider.ts'
import { timing } from './timing.ts'
import { Views } from './views.ts'

/** What may happen; the two integers of an event are named behind it. */
const happening = {
  /** Its first frame is at the provider: request, stamp. */
  reach: 1,
  /** Its prompt is paid: request, stamp. */
  begin: 2,
  /** Somebody in a batch has the tokens it waited for: provider, stamp. */
  batch: 3,
  /** The consumer learns that the attempt failed: request, stamp. */
  fail: 4,
  /** All is at the consumer: request, stamp. */
  finish: 5,
  /** It has waited for a slot long enough: request, stamp. */
  tire: 6,
  /** A provider looks whether to tell of a change: provider. */
  tell: 7,
  /** A channel's voucher goes to the chain: channel. */
  settle: 8,
  /** A peer's fault is over: fault. */
  recover: 9,
  /** A provider that leaves has waited for its streams long enough: provider, epoch. */
  drained: 10,
  /** Weather is over: fault. */
  clear: 11,
  /** Looks again for a provider: request, stamp. */
  look: 12,
  /** The whole request has taken too long: request, stamp of nothing: the place is compared. */
  expire: 13,
  /** A peer begins: peer. */
  start: 14,
  /** The provider hears that its consumer left: request, stamp. */
  leave: 15,
  /** A payer that does not pay is cut off: request, stamp. */
  cutOff: 16,
} as const

export interface MarketOptions {
  readonly candidatesMax: number
  /** Told of each request that ended. */
  readonly ended: (record: RequestRecord, queueMs: number) => void
  readonly chose: (ageMs: number) => void
}

export class Market {
  readonly population: Population
  readonly book: CoarseBook
  readonly gossip: GossipDelay
  readonly #plan: Plan
  readonly #options: MarketOptions
  readonly #random: SeededRandom
  readonly #routing: SeededRandom
  readonly #heap = new EventHeap()
  readonly #views: Views
  readonly #salt: number
  readonly #live: (Live | undefined)[] = []
  readonly #free: number[] = []
  readonly #byPeerId: ReadonlyMap<PeerId, Provider>
  /** Consumer and provider as one number → when it failed there last. */
  readonly #failedAt = new Map<number, number>()
  /** Channel → the two peers' lives in which they were connected, and when the provider last read the escrow. */
  readonly #connected = new Map<number, number>()
  readonly #accountReadMs = new Map<number, number>()
  readonly #settling = new Set<number>()
  /** Conversation → where its last prompt is held. */
  readonly #held = new Map<
    number,
    { readonly provider: Provider; readonly tokens: number; readonly at: number; readonly epoch: number }
  >()
  readonly #weather = new Map<Fault, () => void>()
  #chainDown = 0
  #chainSlow = 0
  #stamps = 0
  #nextRequest = 0
  #nextFault = 0
  #nowMs = 0
  events = 0
  vouchers = 0
  adverts = 0
  running = 0
  peersUp = 0
  exposureNano: Nano = 0n
  windowNano: Nano = 0n

  constructor(plan: Plan, options: MarketOptions) {
    this.#plan = plan
    this.#options = options
    const random = seededRandom(`${plan.name}/${plan.seed}/coarse`)
    this.#random = random.fork('times')
    this.#routing = random.fork('routing')
    this.#salt = Math.floor(random.next() * 2 ** 32) | 0
    this.population = populationOf(plan)
    const { consumers, paths, providers, regions } = this.population
    this.gossip = gossipDelay(regions, plan.network.latency, random.fork('gossip'))
    this.#views = new Views(this.gossip, paths, random.fork('views'), options)
    this.book = new CoarseBook(
      consumers.map(({ spec }) => spec.consumer?.depositNano ?? 0n),
      providers.length,
    )
    this.#byPeerId = new Map(providers.map((provider) => [provider.peerId, provider]))
    this.#scheduleStarts()
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /** Requests of the plan that have arrived. */
  get requestsTaken(): number {
    return this.#nextRequest
  }

  /** When something happens next; `Infinity` where nothing ever will. */
  get nextMs(): number {
    return Math.min(this.#heap.nextMs, this.#requestMs, this.#faultMs)
  }

  /** The next thing to happen happens. Call while `nextMs` is finite. */
  step() {
    this.events += 1
    const faultMs = this.#faultMs
    const requestMs = this.#requestMs
    if (this.#heap.nextMs <= Math.min(faultMs, requestMs)) {
      this.#heap.pop()
      this.#nowMs = this.#heap.atMs
      this.#happen(this.#heap.kind, this.#heap.first, this.#heap.second)
    } else if (faultMs <= requestMs) {
      this.#nowMs = faultMs
      this.#nextFault += 1
      this.#strike(this.#nextFault - 1)
    } else {
      this.#nowMs = requestMs
      this.#nextRequest += 1
      this.#arrive(this.#nextRequest - 1)
    }
  }

  /** Everybody pays what is left and providers settle what the chain would take, as nodes do that stop. */
  close() {
    const { consumers, providers } = this.population
    for (let channel = 0; channel < this.book.channels; channel += 1) {
      const isHonest = consumers[this.book.consumerOf(channel)]?.spec.adversary !== 'non-paying'
      const rules = providers[this.book.providerOf(channel)]?.config.settlement
      if (isHonest && this.book.unpaidNano(channel) > 0n) this.book.pay(channel, this.#nowMs)
      if (rules && this.book.isDue(channel, rules, this.#nowMs, true)) this.book.settle(channel)
    }
  }

  get #requestMs(): number {
    const { count, atMs } = this.population.requests
    return this.#nextRequest < count ? (atMs[this.#nextRequest] as number) : Number.POSITIVE_INFINITY
  }

  get #faultMs(): number {
    return this.#plan.faults[this.#nextFault]?.atMs ?? Number.POSITIVE_INFINITY
  }

  /** Those that others find the mesh by come first, as in the other tiers. */
  #scheduleStarts() {
    const { peers } = this.population
    const rampMs = Math.min(timing.rampMsMax, timing.rampShare * this.#plan.warmupMs)
    const order = [...peers.keys()].sort((a, b) => Number(!!peers[a]?.consumer) - Number(!!peers[b]?.consumer) || a - b)
    for (const [at, peer] of order.entries()) this.#heap.add((at * rampMs) / order.length, happening.start, peer)
  }

  #happen(kind: number, first: number, second: number) {
    if (kind === happening.batch) {
      const provider = this.population.providers[first]
      if (provider && provider.stamp === second) this.#advance(provider)
      return
    }
    if (kind === happening.tell) return this.#tell(first)
    if (kind === happening.settle) return this.#settle(first)
    if (kind === happening.start) return this.#start(first)
    if (kind === happening.recover) return this.#recover(first)
    if (kind === happening.clear) return this.#clear(first)
    if (kind === happening.drained) return this.#drained(first, second)
    const live = this.#live[first]
    if (kind === happening.expire) {
      if (live && live.request === second) this.#expire(live)
      return
    }
    if (!live || live.stamp !== second) return
    switch (kind) {
      case happening.reach:
        return this.#reach(live)
      case happening.begin:
        return this.#begin(live)
      case happening.fail:
        return this.#failed(live)
      case happening.finish:
        return this.#end(live, 'ok')
      case happening.tire:
        return this.#tire(live)
      case happening.look:
        return this.#choose(live)
      case happening.leave:
        return this.#left(live)
      case happening.cutOff:
        return this.#cutOff(live)
    }
  }

  /** Whatever else was scheduled for it is void. */
  #schedule(live: Live, atMs: number, kind: number) {
    this.#forget(live)
    this.#heap.add(atMs, kind, live.id, live.stamp)
  }

  /** What is scheduled for it is void. No two requests ever share a stamp: their places in the table are used again. */
  #forget(live: Live) {
    this.#stamps += 1
    live.stamp = this.#stamps
  }

  // the consumer's side

  #arrive(request: number) {
    const { consumers, requests } = this.population
    const consumer = consumers[requests.consumer[request] as number]
    if (!consumer?.isUp) return // nobody there to ask
    const id = this.#free.pop() ?? this.#live.length
    const live = new Live(id, request, consumer.index, this.#nowMs)
    this.#live[id] = live
    this.running += 1
    this.#heap.add(this.#nowMs + consumer.config.consumer.requestMs, happening.expire, id, request)
    if (openOf(consumer) >= consumer.config.consumer.concurrentMax) {
      live.code = 'busy'
      return this.#end(live, 'failed')
    }
    this.#choose(live)
  }

  #choose(live: Live) {
    const consumer = this.#consumer(live)
    const { config } = consumer
    const { cooldownMs, priceNanoMax: most, routing } = config.consumer
    const { models, requests } = this.population
    const nowMs = Math.max(this.#nowMs, consumer.frozenUntilMs)
    const providers = models[requests.model[live.request] as number]?.providers ?? []
    const priceMax = { promptNano: most, completionNano: most, cachedNano: most }
    const candidates = this.#views.candidates(consumer, providers, nowMs, priceMax, (provider) =>
      this.#failedAt.get(this.#pair(consumer, provider)),
    )
    if (candidates.length === 0 && live.attempts === 0) return this.#lookAgain(live, consumer)
    const rttMs = new Map<PeerId, number>()
    if (routing === 'least-latency') {
      for (const { advert } of candidates) {
        const provider = this.#byPeerId.get(advert.peer)
        if (provider && this.#isConnected(consumer, provider))
          rttMs.set(advert.peer, 2 * this.#oneWayMs(consumer, provider))
      }
    }
    const choice = select(
      candidates,
      {
        routing,
        nowMs,
        cooldownMs,
        openRequests: consumer.open ?? noRequests,
        tried: live.tried ?? noneTried,
        rttMs,
        promptTokens: (requests.promptTokens[live.request] as number) / timing.charactersPerToken,
      },
      this.#routing,
    )
    const provider = choice && this.#byPeerId.get(choice.candidate.advert.peer)
    if (!provider) return this.#end(live, 'failed')
    this.#options.chose(this.#views.ageMs(consumer, provider, nowMs))
    live.attempts += 1
    if (live.delivered > 0) live.failovers += 1
    live.tried = (live.tried ?? new Set()).add(provider.peerId)
    live.provider = provider
    live.price = choice.candidate.offer.price
    this.#open(live, consumer, provider, nowMs)
  }

  #lookAgain(live: Live, { config }: Consumer) {
    live.code = 'no-provider'
    if (this.#nowMs + timing.lookMs > live.arrivalMs + config.consumer.discoverMs) return this.#end(live, 'failed')
    this.#schedule(live, this.#nowMs + timing.lookMs, happening.look)
  }

  /** Reads what it must from the chain, dials where it must, and sends the request. */
  #open(live: Live, consumer: Consumer, provider: Provider, nowMs: number) {
    const { config } = consumer
    consumer.open ??= new Map()
    consumer.open.set(provider.peerId, (consumer.open.get(provider.peerId) ?? 0) + 1)
    provider.attached.add(live)
    live.phase = 'opening'
    const { channel, isNew } = this.book.channelOf(consumer.index, provider.index)
    live.channel = channel
    live.oneWayMs = this.#drawnMs(consumer, provider)
    let atMs = nowMs
    if (live.attempts > 1 || nowMs - consumer.escrowReadMs > config.consumer.escrowCheckMs) {
      if (this.#chainDown === 0) {
        atMs += this.#chainMs
        consumer.escrowReadMs = atMs
      }
    }
    if (isNew) {
      if (this.#chainDown > 0) return this.#failAt(live, atMs + timing.chainGivenUpMs, 'chain-unavailable')
      atMs += this.#chainMs
    }
    if (this.#isAway(consumer, provider)) return this.#failAt(live, atMs + config.consumer.connectMs, 'timeout')
    if (!provider.isUp) {
      const lostMs = provider.isPowerless ? timing.dialAddressMs : 2 * live.oneWayMs
      return this.#failAt(live, atMs + lostMs, 'unreachable')
    }
    if (!this.#isConnected(consumer, provider)) {
      atMs += timing.connectRoundTrips * 2 * live.oneWayMs
      this.#connected.set(channel, livesOf(consumer, provider))
    }
    atMs += timing.openRoundTrips * 2 * live.oneWayMs + this.#uploadMs(live, consumer)
    // the provider reads the escrow where it has not lately
    if (atMs - (this.#accountReadMs.get(channel) ?? -1e12) > provider.config.provider.escrowCheckMs) {
      if (this.#chainDown > 0 && !this.#accountReadMs.has(channel)) {
        return this.#failAt(live, atMs + timing.chainGivenUpMs, 'chain-unavailable')
      }
      atMs += 2 * this.#chainMs
      this.#accountReadMs.set(channel, atMs)
    }
    this.#schedule(live, atMs + live.oneWayMs, happening.reach)
  }

  #failAt(live: Live, atMs: number, code: ErrorCode) {
    live.phase = 'failing'
    live.code = code
    this.#schedule(live, Math.max(atMs, this.#consumer(live).frozenUntilMs), happening.fail)
  }

  /** As the node: elsewhere, unless enough were tried or two say that nobody could help. */
  #failed(live: Live) {
    const consumer = this.#consumer(live)
    const { provider } = live
    const { remedy } = failures[live.code]
    this.#detach(live)
    const isOrdinary = live.code === 'busy' || live.code === 'draining' || remedy === 'never'
    if (provider && !isOrdinary) this.#failedAt.set(this.#pair(consumer, provider), this.#nowMs)
    if (live.attempts >= consumer.config.consumer.attemptsMax) return this.#end(live, 'failed')
    if (remedy === 'never') {
      if (live.refusedCode === live.code) return this.#end(live, 'failed')
      live.refusedCode = live.code
    }
    this.#choose(live)
  }

  #expire(live: Live) {
    live.code = 'timeout'
    this.#breakOff(live)
    this.#end(live, 'failed')
  }

  #end(live: Live, outcome: RequestRecord['outcome']) {
    const consumer = this.#consumer(live)
    const { provider } = live
    const { models, requests } = this.population
    this.#detach(live)
    this.#live[live.id] = undefined
    this.#free.push(live.id)
    this.running -= 1
    if (outcome === 'ok' && provider) this.#failedAt.delete(this.#pair(consumer, provider))
    this.#options.ended(
      {
        number: live.request,
        consumer: consumer.spec.name,
        provider: provider?.spec.name ?? '',
        model: models[requests.model[live.request] as number]?.name ?? '',
        arrivalMs: live.arrivalMs,
        firstTokenMs: live.firstTokenMs,
        endMs: this.#nowMs,
        outcome,
        code: outcome === 'failed' ? live.code : '',
        promptTokens: live.promptTokens,
        completionTokens: live.delivered,
        cachedTokens: live.cachedTokens,
        costNano: live.costNano,
        attempts: live.attempts,
        failovers: live.failovers,
        isMeasured: live.arrivalMs >= this.#plan.warmupMs && live.arrivalMs < this.#plan.durationMs,
      },
      live.queueMs,
    )
  }

  /** The attempt is over at the consumer. */
  #detach(live: Live) {
    const { provider } = live
    if (!provider?.attached.delete(live)) return
    const consumer = this.#consumer(live)
    const open = (consumer.open?.get(provider.peerId) ?? 1) - 1
    if (open > 0) consumer.open?.set(provider.peerId, open)
    else consumer.open?.delete(provider.peerId)
    if (consumer.open?.size === 0) consumer.open = undefined
  }

  // the provider's side

  #reach(live: Live) {
    const provider = providerOf(live)
    const { frozenUntilMs, isDraining, isUp } = provider
    if (!isUp) return this.#failAt(live, this.#nowMs + live.oneWayMs, 'unreachable')
    if (frozenUntilMs > this.#nowMs) {
      const { firstByteMs } = this.#consumer(live).config.consumer
      if (frozenUntilMs - this.#nowMs > firstByteMs) return this.#failAt(live, this.#nowMs + firstByteMs, 'timeout')
      return this.#schedule(live, frozenUntilMs, happening.reach)
    }
    const code = this.#refusal(live, provider)
    if (code) return this.#failAt(live, this.#nowMs + live.oneWayMs, code)
    const ofPeer = this.#openAt(live, provider) - 1
    const decision = admit(provider.limits, {
      active: provider.active,
      queued: provider.queue.length,
      ofPeer,
      isDraining,
    })
    live.since = this.#nowMs
    if (decision === 'run') {
      this.#changing(provider)
      provider.active += 1
      return this.#lease(live, provider)
    }
    if (decision === 'queue') {
      live.phase = 'queued'
      provider.queue.push(live)
      const waitMs = Math.min(provider.config.provider.queueMs, this.#consumer(live).config.consumer.queueMs)
      this.#schedule(live, this.#nowMs + waitMs, happening.tire)
      return this.#changed(provider)
    }
    this.#failAt(live, this.#nowMs + live.oneWayMs, decision === 'draining' ? 'draining' : 'busy')
  }

  /** What is agreed before a slot: the price, the prompt's size, what the escrow can pay. */
  #refusal(live: Live, provider: Provider): ErrorCode | undefined {
    const { requests } = this.population
    const { creditTokens } = provider.config.provider
    const tokens = (requests.completionTokens[live.request] as number) - live.delivered
    const promptTokens = (requests.promptTokens[live.request] as number) + live.delivered
    if (promptTokens + Math.max(1, tokens) > provider.profile.contextTokens) return 'context-exceeded'
    // a price once told is kept to while its advert lives: the lower of the two is served at
    const { price } = provider
    if (isWithin(price, live.price)) live.price = price
    const window = windowNano(live.price, creditTokens)
    const isIdle = this.#openAt(live, provider) === 1
    if (isIdle && this.#consumer(live).spec.adversary !== 'non-paying' && this.book.unpaidNano(live.channel) > 0n) {
      this.#pay(live.channel) // what a broken stream left is paid with the next request
    }
    // of one that does not pay, two at once would share the window: the second gets nothing
    const isAlone = isIdle || this.#consumer(live).spec.adversary !== 'non-paying'
    if (!isAlone || (isIdle && window > 0n && this.book.unpaidNano(live.channel) >= window)) return 'credit-exhausted'
    live.prefix = { promptTokens, cachedTokens: this.#cachedTokens(live, provider, promptTokens), completionTokens: 0 }
    const neededNano = this.book.owedNano(live.channel) + costNano(live.prefix, live.price) + window
    if (this.book.coverNano(live.channel) < neededNano) return 'escrow-unusable'
    if (window > this.windowNano) this.windowNano = window
    return undefined
  }

  /** It has a slot: accept, be paid for the prompt, begin. */
  #lease(live: Live, provider: Provider) {
    const consumer = this.#consumer(live)
    live.phase = 'paying'
    live.queueMs += this.#nowMs - live.since
    this.#changed(provider)
    const syncMs = consumer.spec.disk.syncMs + provider.spec.disk.syncMs
    this.#schedule(live, this.#nowMs + 2 * live.oneWayMs + syncMs, happening.begin)
  }

  #tire(live: Live) {
    const provider = providerOf(live)
    this.#leaveQueue(live, provider)
    live.queueMs += this.#nowMs - live.since
    this.#failAt(live, this.#nowMs + live.oneWayMs, 'timeout')
  }

  #begin(live: Live) {
    const provider = providerOf(live)
    const { requests } = this.population
    const consumer = this.#consumer(live)
    const tokens = (requests.completionTokens[live.request] as number) - live.delivered
    if (live.promptTokens === 0) {
      live.promptTokens = live.prefix.promptTokens
      live.cachedTokens = live.prefix.cachedTokens
    }
    this.book.delivered(live.channel, costNano(live.prefix, live.price))
    this.#pay(live.channel)
    live.phase = 'decoding'
    if (consumer.spec.adversary === undefined && provider.spec.adversary === 'stalling') {
      live.since = this.#nowMs
      return this.#schedule(live, this.#nowMs + consumer.config.consumer.firstByteMs, happening.cutOff)
    }
    const { promptTokens, cachedTokens } = live.prefix
    live.sequence = {
      promptTokens,
      cachedTokens,
      // whoever does not pay gets no more
      tokens:
        consumer.spec.adversary === 'non-paying' ? Math.min(tokens, provider.config.provider.creditTokens) : tokens,
      stretch: this.#stretch(live, provider, consumer),
      beginsAt: Number.POSITIVE_INFINITY,
    }
    live.target = 1
    provider.decoding.push(live)
    this.#forget(live)
    provider.batch.add(live.sequence, this.#nowMs)
    if (this.#nowMs < provider.frozenUntilMs) provider.batch.hold(provider.frozenUntilMs, this.#nowMs)
    this.#held.set(requests.conversation[live.request] as number, {
      provider,
      tokens: promptTokens + tokens,
      at: provider.batch.tokensPrefilled,
      epoch: provider.epoch,
    })
    this.#reschedule(provider)
  }

  /** Whoever has what it waited for goes on. */
  #advance(provider: Provider) {
    provider.batch.sync(this.#nowMs)
    for (const live of [...provider.decoding]) {
      const { sequence, target } = live
      if (!sequence || provider.batch.tokensOf(sequence) < target) continue
      if (live.firstTokenMs === undefined) live.firstTokenMs = this.#reachesConsumerMs(live)
      const tokens = (this.population.requests.completionTokens[live.request] as number) - live.delivered
      const stopAt = this.#stopAt(live, sequence.tokens)
      if (target < stopAt) live.target = stopAt
      else this.#stopped(live, provider, tokens)
    }
    this.#reschedule(provider)
  }

  /** The token of this attempt at which something happens after the first. */
  #stopAt(live: Live, tokens: number): number {
    const leaveAfter = this.population.requests.leaveAfterTokens[live.request] as number
    return Math.max(1, Math.min(tokens, leaveAfter === 0 ? tokens : leaveAfter - live.delivered))
  }

  #stopped(live: Live, provider: Provider, tokens: number) {
    if (live.target >= tokens) return this.#served(live, provider)
    live.target = Number.POSITIVE_INFINITY
    if (this.#consumer(live).spec.adversary === 'non-paying') {
      return this.#schedule(live, this.#nowMs + provider.config.provider.paymentMs, happening.cutOff)
    }
    this.#schedule(live, this.#nowMs + 2 * live.oneWayMs, happening.leave)
  }

  #served(live: Live, provider: Provider) {
    const { spec } = this.#consumer(live)
    this.#account(live, provider, true)
    this.#release(live, provider)
    live.phase = 'ending'
    this.#schedule(live, this.#reachesConsumerMs(live) + spec.disk.syncMs, happening.finish)
  }

  #left(live: Live) {
    const provider = providerOf(live)
    this.#account(live, provider, true)
    this.#release(live, provider)
    this.#end(live, 'left')
  }

  /** The provider does not deliver, or the consumer does not pay. */
  #cutOff(live: Live) {
    const provider = providerOf(live)
    const isStalling = live.sequence === undefined
    if (!isStalling) this.#account(live, provider, false)
    this.#release(live, provider)
    this.#failAt(live, this.#nowMs, isStalling ? 'timeout' : 'credit-exhausted')
  }

  /** Counts what the attempt delivered; with `isPaid` the consumer signs for all of it. */
  #account(live: Live, provider: Provider, isPaid: boolean) {
    const { sequence } = live
    if (!sequence) return
    provider.batch.sync(this.#nowMs)
    const completionTokens = provider.batch.tokensOf(sequence)
    const isHonest = this.#consumer(live).spec.adversary !== 'non-paying'
    const promptNano = costNano(live.prefix, live.price)
    const wholeNano = costNano({ ...live.prefix, completionTokens }, live.price)
    const { chunkTokens } = this.#consumer(live).config.consumer
    const chunk = Math.max(1, Math.min(chunkTokens, Math.floor(provider.config.provider.creditTokens / 2)))
    this.book.delivered(live.channel, wholeNano - promptNano)
    if (isHonest) {
      const unsigned = isPaid ? 0 : completionTokens % chunk
      const exceptNano =
        wholeNano - costNano({ ...live.prefix, completionTokens: completionTokens - unsigned }, live.price)
      this.#pay(live.channel, exceptNano, Math.ceil((completionTokens - unsigned) / chunk))
    }
    this.#exposed(live, provider, completionTokens, chunk)
    provider.tokensServed += completionTokens
    live.costNano += wholeNano
    live.delivered += completionTokens
  }

  /** At worst a chunk waits for its voucher while the tokens after it are on their way. */
  #exposed(live: Live, provider: Provider, tokens: number, chunk: number) {
    const { creditTokens } = provider.config.provider
    const paceMs = Math.max(provider.batch.paceMs, 0.001)
    const isHonest = this.#consumer(live).spec.adversary !== 'non-paying'
    const underWay = isHonest ? chunk + Math.ceil(this.#voucherMs(live, provider) / paceMs) : creditTokens
    const exposed = costNano(
      { promptTokens: 0, cachedTokens: 0, completionTokens: Math.min(tokens, underWay, creditTokens) },
      live.price,
    )
    if (exposed > this.exposureNano) this.exposureNano = exposed
  }

  /** The slot is free, for whoever waits longest. */
  #release(live: Live, provider: Provider) {
    if (live.sequence) {
      const at = provider.decoding.indexOf(live)
      if (at >= 0) provider.decoding.splice(at, 1)
      provider.batch.remove(live.sequence, this.#nowMs)
      live.sequence = undefined
    }
    const next = provider.queue.shift()
    if (next) this.#lease(next, provider)
    else {
      this.#changing(provider)
      provider.active -= 1
      this.#changed(provider)
    }
    this.#reschedule(provider)
  }

  #leaveQueue(live: Live, provider: Provider) {
    const at = provider.queue.indexOf(live)
    if (at >= 0) provider.queue.splice(at, 1)
    this.#changed(provider)
  }

  /** The consumer is gone, or gives up: whatever the attempt had is accounted for. */
  #breakOff(live: Live) {
    const { provider } = live
    if (!provider?.attached.has(live)) return
    if (live.phase === 'queued') this.#leaveQueue(live, provider)
    else if (live.phase === 'paying' || live.phase === 'decoding') {
      this.#account(live, provider, false)
      this.#release(live, provider)
    }
    this.#forget(live)
  }

  /** When its next is due. */
  #reschedule(provider: Provider) {
    provider.stamp += 1
    let atMs = Number.POSITIVE_INFINITY
    for (const { sequence, target } of provider.decoding) {
      if (sequence && target !== Number.POSITIVE_INFINITY)
        atMs = Math.min(atMs, provider.batch.timeOf(sequence, target))
    }
    if (atMs !== Number.POSITIVE_INFINITY)
      this.#heap.add(Math.max(atMs, this.#nowMs), happening.batch, provider.index, provider.stamp)
  }

  #changing(provider: Provider) {
    provider.account(this.#nowMs)
  }

  #changed(provider: Provider) {
    if (provider.isAdvertDue || !provider.isUp) return
    provider.isAdvertDue = true
    this.#heap.add(this.#nowMs + this.#jittered(provider.config.discovery.advertGapMs), happening.tell, provider.index)
  }

  #tell(index: number) {
    const provider = this.population.providers[index]
    if (!provider) return
    provider.isAdvertDue = false
    if (!provider.isUp || provider.isDraining) return
    if (this.#nowMs < provider.frozenUntilMs) return
    if (!provider.tell(this.#nowMs, false)) return
    this.adverts += 1
    this.#changed(provider)
  }

  // money

  #pay(channel: number, exceptNano: Nano = 0n, vouchers = 1) {
    const provider = this.population.providers[this.book.providerOf(channel)]
    this.book.pay(channel, this.#nowMs, exceptNano)
    this.vouchers += vouchers
    const rules = provider?.config.settlement
    if (!rules || this.#settling.has(channel) || !this.book.isDue(channel, rules, this.#nowMs, false)) return
    this.#settling.add(channel)
    const lookMs = this.#random.next() * this.#jittered(rules.intervalMs)
    this.#heap.add(this.#nowMs + lookMs + timing.settleReads * this.#chainMs, happening.settle, channel)
  }

  #settle(channel: number) {
    const { blockMs } = this.#plan.chain
    if (this.#chainDown > 0) {
      this.#heap.add(this.#nowMs + timing.chainRetryMs, happening.settle, channel)
      return
    }
    const boundaryMs = blockMs === 0 ? this.#nowMs : Math.ceil(this.#nowMs / blockMs) * blockMs
    if (boundaryMs > this.#nowMs) {
      this.#heap.add(boundaryMs, happening.settle, channel)
      return
    }
    this.#settling.delete(channel)
    this.book.settle(channel)
  }

  // peers and weather

  #start(peer: number) {
    const spec = this.population.peers[peer]
    if (spec) this.#up(spec.name)
  }

  #up(name: string) {
    const provider = this.population.providerOf.get(name)
    const consumer = this.population.consumerOf.get(name)
    this.peersUp += 1
    if (provider) {
      this.#changing(provider)
      provider.begin()
      provider.tell(this.#nowMs, true)
      this.adverts += 1
    }
    if (consumer) {
      consumer.isUp = true
      consumer.epoch += 1
      consumer.escrowReadMs = -1e12
      consumer.upSinceMs = this.#nowMs
    }
  }

  #strike(index: number) {
    const fault = this.#plan.faults[index]
    if (!fault) return
    const untilMs = Math.min(fault.atMs + fault.forMs, this.#plan.durationMs)
    switch (fault.kind) {
      case 'crash':
      case 'leave':
      case 'freeze':
        return this.#hit(fault, index, untilMs)
      case 'partition':
        this.#weather.set(fault, this.population.paths.cut(fault))
        this.#views.cutSinceMs ??= this.#nowMs
        this.#sever()
        break
      case 'degrade':
        this.#weather.set(fault, this.population.paths.degrade(fault))
        break
      case 'chain':
        this.#chain(fault, 1)
        break
    }
    this.#heap.add(untilMs, happening.clear, index)
  }

  #clear(index: number) {
    const fault = this.#plan.faults[index]
    if (!fault) return
    this.#weather.get(fault)?.()
    this.#weather.delete(fault)
    if (fault.kind === 'chain') this.#chain(fault, -1)
    if (fault.kind === 'partition' && this.population.paths.isWhole) this.#views.cutSinceMs = undefined
  }

  #chain({ factor, how }: Extract<Fault, { kind: 'chain' }>, by: 1 | -1) {
    if (how === 'down') this.#chainDown += by
    else if (how === 'slow' || how === 'reorder') this.#chainSlow += by
    else this.book.feeFactor = by === 1 ? this.book.feeFactor * factor : this.book.feeFactor / factor
  }

  #hit(fault: Extract<Fault, { kind: 'crash' | 'leave' | 'freeze' }>, index: number, untilMs: number) {
    const provider = this.population.providerOf.get(fault.peer)
    const consumer = this.population.consumerOf.get(fault.peer)
    if (!provider?.isUp && !consumer?.isUp) return
    this.#heap.add(untilMs, happening.recover, index)
    if (fault.kind === 'freeze') {
      if (provider) this.#freeze(provider, untilMs)
      if (consumer) consumer.frozenUntilMs = untilMs
      return
    }
    this.peersUp -= 1
    if (consumer) {
      consumer.isUp = false
      if (fault.kind === 'crash') this.#lose(consumer)
    }
    if (!provider) return
    if (fault.kind === 'crash') {
      provider.isPowerless = fault.power
      return this.#down(provider, fault.power ? 'timeout' : 'unreachable')
    }
    provider.withdraw(this.#nowMs)
    provider.isDraining = true
    for (const live of provider.queue.splice(0)) this.#failAt(live, this.#nowMs + live.oneWayMs, 'draining')
    this.#heap.add(this.#nowMs + provider.config.provider.drainMs, happening.drained, provider.index, provider.epoch)
  }

  #recover(index: number) {
    const fault = this.#plan.faults[index]
    if (!fault || fault.kind === 'freeze' || !('peer' in fault)) return
    const provider = this.population.providerOf.get(fault.peer)
    if (provider?.isUp) this.#down(provider, 'draining') // it has not finished draining
    this.#up(fault.peer)
  }

  #drained(index: number, epoch: number) {
    const provider = this.population.providers[index]
    if (provider?.epoch === epoch && provider.isDraining) this.#down(provider, 'draining')
  }

  /** It is gone: all that it had under way is, too. */
  #down(provider: Provider, code: ErrorCode) {
    this.#changing(provider)
    for (const live of [...provider.attached]) this.#dropped(live, provider, code)
    provider.isUp = false
    provider.isDraining = false
    provider.downAtMs = this.#nowMs
    provider.frozenUntilMs = 0
    provider.active = 0
    provider.queue.length = 0
    provider.decoding.length = 0
    provider.batch.clear(this.#nowMs)
    provider.stamp += 1
  }

  /** One that waits for what never comes waits as long as its consumer's patience. */
  #dropped(live: Live, provider: Provider, code: ErrorCode) {
    const { phase } = live
    if (phase === 'ending' || phase === 'failing' || phase === 'opening') return // sent already, or not there yet
    const { betweenDeltasMs, firstByteMs, queueMs } = this.#consumer(live).config.consumer
    if (phase === 'decoding') this.#account(live, provider, false)
    live.sequence = undefined
    const patienceMs = phase === 'queued' ? queueMs : phase === 'paying' ? firstByteMs : betweenDeltasMs
    this.#failAt(live, this.#nowMs + (code === 'timeout' ? patienceMs : live.oneWayMs), code)
  }

  #freeze(provider: Provider, untilMs: number) {
    provider.frozenUntilMs = untilMs
    provider.batch.hold(untilMs, this.#nowMs)
    for (const live of [...provider.attached]) {
      const { betweenDeltasMs } = this.#consumer(live).config.consumer
      if (live.phase !== 'decoding' || untilMs - this.#nowMs <= betweenDeltasMs) continue
      this.#account(live, provider, false)
      this.#release(live, provider)
      this.#failAt(live, this.#nowMs + betweenDeltasMs, 'timeout')
    }
    this.#reschedule(provider)
  }

  /** Its consumer was killed. */
  #lose(consumer: Consumer) {
    for (const live of this.#live) {
      if (live?.consumer !== consumer.index) continue
      this.#breakOff(live)
      this.#end(live, 'lost')
    }
  }

  /** A partition began: streams across it fall silent. */
  #sever() {
    for (const live of this.#live) {
      const { provider } = live ?? {}
      if (!live || !provider?.attached.has(live) || !this.#isAway(this.#consumer(live), provider)) continue
      if (live.phase === 'failing') continue
      const { betweenDeltasMs } = this.#consumer(live).config.consumer
      this.#breakOff(live)
      this.#failAt(live, this.#nowMs + betweenDeltasMs, 'timeout')
    }
  }

  // small things

  #consumer(live: Live): Consumer {
    const consumer = this.population.consumers[live.consumer]
    if (!consumer) throw new RangeError(`no consumer ${live.consumer}`)
    return consumer
  }

  #pair(consumer: Consumer, provider: Provider): number {
    return consumer.index * this.population.providers.length + provider.index
  }

  #openAt(live: Live, provider: Provider): number {
    return this.#consumer(live).open?.get(provider.peerId) ?? 0
  }

  #isConnected(consumer: Consumer, provider: Provider): boolean {
    const { channel } = this.book.channelOf(consumer.index, provider.index)
    return this.#connected.get(channel) === livesOf(consumer, provider) || this.#wasLookedUp(consumer, provider)
  }

  /** It was dialled for its advert: a lookup names so many providers, and only so many connections are kept. */
  #wasLookedUp(consumer: Consumer, provider: Provider): boolean {
    const { discovery, network } = consumer.config
    const lookups = 1 + Math.floor((this.#nowMs - consumer.upSinceMs) / discovery.lookupIntervalMs)
    const dialled = Math.min(network.connectionsMax, lookups * discovery.lookupProvidersMax)
    const { length } = this.population.providers
    return dialled >= length || drawOf(this.#salt, consumer.index, provider.index) < dialled / length
  }

  /** Cut off, or standing still for longer than anybody waits for a connection. */
  #isAway(consumer: Consumer, provider: Provider): boolean {
    if (!this.population.paths.isWhole && this.population.paths.isCut(consumer.spot, provider.spot)) return true
    return provider.isUp && provider.frozenUntilMs - this.#nowMs > consumer.config.consumer.connectMs
  }

  /** Without jitter; through a relay where nobody can dial and no hole can be punched. */
  #oneWayMs({ spot: from }: Consumer, { spot: to }: Provider): number {
    const oneWayMs = this.population.paths.oneWayMs(from, to)
    const isRelayed = to.place.nat === 'symmetric' || (to.place.nat === 'cone' && from.place.nat === 'symmetric')
    return isRelayed ? timing.relayFactor * oneWayMs : oneWayMs
  }

  #drawnMs(consumer: Consumer, provider: Provider): number {
    const { paths } = this.population
    const ms = this.#oneWayMs(consumer, provider) * (1 + paths.jitter * (2 * this.#random.next() - 1))
    const loss = paths.lossOf(consumer.spot, provider.spot)
    const isLost = this.#random.next() < loss
    return isLost ? ms + timing.retransmitMs : ms
  }

  /** The prompt through the sender's line, and TCP's slow start where it is longer than the first window. */
  #uploadMs({ oneWayMs, request }: Live, { spot }: Consumer): number {
    const bytes = (this.population.requests.promptTokens[request] as number) + timing.openBytes
    const windows = Math.max(0, Math.ceil(Math.log2(bytes / timing.firstWindowBytes + 1)) - 1)
    return (8_000 * bytes) / spot.place.upBitsPerSecond + windows * 2 * oneWayMs
  }

  #reachesConsumerMs({ consumer, oneWayMs }: Live): number {
    const { frozenUntilMs } = this.population.consumers[consumer] ?? { frozenUntilMs: 0 }
    return Math.max(this.#nowMs + oneWayMs, frozenUntilMs)
  }

  /** From a token's departure to the credit its voucher frees. */
  #voucherMs({ consumer, oneWayMs }: Live, provider: Provider): number {
    return 2 * oneWayMs + (this.population.consumers[consumer]?.spec.disk.syncMs ?? 0) + provider.spec.disk.syncMs
  }

  /** Iterations a token: more than one where vouchers are slower than tokens. */
  #stretch(live: Live, provider: Provider, { config }: Consumer): number {
    const { creditTokens } = provider.config.provider
    const chunk = Math.max(1, Math.min(config.consumer.chunkTokens, Math.floor(creditTokens / 2)))
    const creditMs = this.#voucherMs(live, provider) / Math.max(1, creditTokens - chunk + 1)
    const paceMs = provider.batch.paceMs || 1_000 / provider.decodeTokensPerSecond
    return Math.max(1, creditMs / paceMs)
  }

  /** What the provider still holds of its conversation: whole blocks, and never the last token. */
  #cachedTokens(live: Live, provider: Provider, promptTokens: number): number {
    const { blockTokens, kvTokens, prefixCaching } = provider.profile
    if (!prefixCaching) return 0
    const held = this.#held.get(this.population.requests.conversation[live.request] as number)
    if (!held || held.provider !== provider || held.epoch !== provider.epoch) return 0
    if (provider.batch.tokensPrefilled - held.at > kvTokens) return 0
    return blockTokens * Math.floor(Math.min(held.tokens, promptTokens - 1) / blockTokens)
  }

  get #chainMs(): number {
    return timing.chainMs * (this.#chainSlow > 0 ? timing.chainSlowness : 1)
  }

  #jittered(ms: number): number {
    return ms * (0.8 + 0.4 * this.#random.next())
  }
}

const noRequests: ReadonlyMap<PeerId, number> = new Map()
const noneTried: ReadonlySet<PeerId> = new Set()

function openOf({ open }: Consumer): number {
  let count = 0
  for (const each of open?.values() ?? []) count += each
  return count
}

/** Another number whenever one of the two has begun a new life. */
function livesOf(consumer: Consumer, provider: Provider): number {
  return consumer.epoch + provider.epoch
}

function providerOf({ provider, request }: Live): Provider {
  if (!provider) throw new RangeError(`request ${request} is at no provider`)
  return provider
}

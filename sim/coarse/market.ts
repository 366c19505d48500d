// The coarse mode's market: every request of a plan from arrival to end, by the node's own policy, over an event heap. This file
// is the loop and the consumers' side; counter.ts is the providers', till.ts the money, outages.ts what goes wrong.

import { select } from '../../node/consumer/selection.ts'
import { type ErrorCode, failures } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Plan } from '../plan.ts'
import { type SeededRandom, seededRandom } from '../random.ts'
import type { RequestRecord } from '../record.ts'
import { Agenda, happening } from './agenda.ts'
import type { CoarseBook } from './book.ts'
import { Counter } from './counter.ts'
import { type GossipDelay, gossipDelay } from './gossip-delay.ts'
import { Outages } from './outages.ts'
import { type Consumer, type Population, populationOf } from './population.ts'
import { Live, type Provider } from './provider.ts'
import { Till } from './till.ts'
import { timing } from './timing.ts'
import { Views } from './views.ts'
import { Ways } from './ways.ts'

export interface MarketOptions {
  readonly candidatesMax: number
  /** Told of each request that ended. */
  readonly ended: (record: RequestRecord, queueMs: number) => void
  /** Told how old an advert was that a consumer chose by. */
  readonly chose: (ageMs: number) => void
}

export class Market {
  readonly population: Population
  readonly till: Till
  readonly counter: Counter
  readonly gossip: GossipDelay
  readonly #plan: Plan
  readonly #options: MarketOptions
  readonly #agenda = new Agenda()
  readonly #routing: SeededRandom
  readonly #views: Views
  readonly #ways: Ways
  readonly #outages: Outages
  /** Running requests, each in its place; places are used again. */
  readonly #live: (Live | undefined)[] = []
  readonly #free: number[] = []
  readonly #byPeerId: ReadonlyMap<PeerId, Provider>
  #nextRequest = 0
  events = 0
  running = 0

  constructor(plan: Plan, options: MarketOptions) {
    this.#plan = plan
    this.#options = options
    const random = seededRandom(`${plan.name}/${plan.seed}/coarse`)
    this.#routing = random.fork('routing')
    const agenda = this.#agenda
    const population = populationOf(plan)
    this.population = population
    this.gossip = gossipDelay(population.regions, plan.network.latency, random.fork('gossip'))
    this.#views = new Views(this.gossip, population.paths, random.fork('views'), options)
    this.#ways = new Ways(population, agenda, random.fork('ways'))
    this.till = new Till(population, agenda, plan, random.fork('settling'))
    this.counter = new Counter({
      population,
      agenda,
      till: this.till,
      random: random.fork('adverts'),
      fail: (live, atMs, code) => this.#failAt(live, atMs, code),
      left: (live) => this.#end(live, 'left'),
    })
    this.#outages = new Outages({
      plan,
      population,
      agenda,
      views: this.#views,
      till: this.till,
      counter: this.counter,
      killed: (consumer) => this.#lose(consumer),
      cut: () => this.#sever(),
    })
    this.#byPeerId = new Map(population.providers.map((provider) => [provider.peerId, provider]))
  }

  get nowMs(): number {
    return this.#agenda.nowMs
  }

  get book(): CoarseBook {
    return this.till.book
  }

  get peersUp(): number {
    return this.#outages.peersUp
  }

  get hasArrivals(): boolean {
    return this.#nextRequest < this.population.requests.count
  }

  /** When something happens next; `Infinity` where nothing ever will. */
  get nextMs(): number {
    return Math.min(this.#agenda.nextMs, this.#requestMs, this.#outages.nextMs)
  }

  /** The next thing to happen happens. Call while `nextMs` is finite. */
  step() {
    this.events += 1
    const faultMs = this.#outages.nextMs
    const requestMs = this.#requestMs
    if (this.#agenda.nextMs <= Math.min(faultMs, requestMs)) {
      const { kind, first, second } = this.#agenda.next()
      this.#happen(kind, first, second)
    } else if (faultMs <= requestMs) {
      this.#agenda.nowMs = faultMs
      this.#outages.strike()
    } else {
      this.#agenda.nowMs = requestMs
      this.#nextRequest += 1
      this.#arrive(this.#nextRequest - 1)
    }
  }

  get #requestMs(): number {
    const { atMs } = this.population.requests
    return this.hasArrivals ? (atMs[this.#nextRequest] as number) : Number.POSITIVE_INFINITY
  }

  #happen(kind: number, first: number, second: number) {
    const provider = this.population.providers[first]
    switch (kind) {
      case happening.batch:
        if (provider?.stamp === second) this.counter.advance(provider)
        return
      case happening.tell:
        if (provider) this.counter.tell(provider)
        return
      case happening.drained:
        if (provider) this.counter.drained(provider, second)
        return
      case happening.settle:
        return this.till.settle(first)
      case happening.start:
        return this.#outages.start(first)
      case happening.recover:
        return this.#outages.recover(first)
    }
    const live = this.#live[first]
    if (kind === happening.expire && live?.request === second) this.#expire(live)
    else if (live?.stamp === second) this.#goOn(live, kind)
  }

  #goOn(live: Live, kind: number) {
    switch (kind) {
      case happening.reach:
        return this.counter.reach(live)
      case happening.begin:
        return this.counter.begin(live)
      case happening.tire:
        return this.counter.tire(live)
      case happening.leave:
        return this.counter.left(live)
      case happening.cutOff:
        return this.counter.cutOff(live)
      case happening.fail:
        return this.#failed(live)
      case happening.finish:
        return this.#end(live, 'ok')
      case happening.look:
        return this.#choose(live)
    }
  }

  #arrive(request: number) {
    const { consumers, requests } = this.population
    const consumer = consumers[requests.consumer[request] as number]
    if (!consumer?.isUp) return // nobody there to ask
    const { concurrentMax, requestMs } = consumer.config.consumer
    const id = this.#free.pop() ?? this.#live.length
    const live = new Live(id, request, consumer.index, this.nowMs)
    this.#live[id] = live
    this.running += 1
    this.#agenda.add(this.nowMs + requestMs, happening.expire, id, request)
    if (openOf(consumer) < concurrentMax) return this.#choose(live)
    live.code = 'busy'
    this.#end(live, 'failed')
  }

  #choose(live: Live) {
    const consumer = this.#consumer(live)
    const { cooldownMs, routing } = consumer.config.consumer
    const { models, requests } = this.population
    const nowMs = Math.max(this.nowMs, consumer.frozenUntilMs)
    const providers = models[requests.model[live.request] as number]?.providers ?? []
    const candidates = this.#views.candidates(consumer, providers, nowMs)
    if (candidates.length === 0 && live.attempts === 0) return this.#lookAgain(live, consumer)
    const choice = select(
      candidates,
      {
        routing,
        nowMs,
        cooldownMs,
        openRequests: consumer.open ?? noRequests,
        tried: live.tried ?? noneTried,
        rttMs: routing === 'least-latency' ? this.#roundTrips(consumer, candidates) : noRequests,
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

  #roundTrips(
    consumer: Consumer,
    candidates: readonly { readonly advert: { readonly peer: PeerId } }[],
  ): ReadonlyMap<PeerId, number> {
    const rttMs = new Map<PeerId, number>()
    for (const { advert } of candidates) {
      const provider = this.#byPeerId.get(advert.peer)
      if (!provider || !this.#ways.isConnected(consumer, provider)) continue
      rttMs.set(advert.peer, 2 * this.#ways.oneWayMs(consumer, provider))
    }
    return rttMs
  }

  #lookAgain(live: Live, { config }: Consumer) {
    live.code = 'no-provider'
    const isInTime = this.nowMs + timing.lookMs <= live.arrivalMs + config.consumer.discoverMs
    if (isInTime) this.#agenda.schedule(live, this.nowMs + timing.lookMs, happening.look)
    else this.#end(live, 'failed')
  }

  /** Reads what it must from the chain, dials where it must, and sends the request. */
  #open(live: Live, consumer: Consumer, provider: Provider, nowMs: number) {
    const { connectMs, escrowCheckMs } = consumer.config.consumer
    const { till } = this
    consumer.open ??= new Map()
    consumer.open.set(provider.peerId, (consumer.open.get(provider.peerId) ?? 0) + 1)
    provider.attached.add(live)
    live.phase = 'opening'
    const { channel, isNew } = till.book.channelOf(consumer.index, provider.index)
    live.channel = channel
    live.oneWayMs = this.#ways.drawnMs(consumer, provider)
    let atMs = nowMs
    const isEscrowOld = live.attempts > 1 || nowMs - consumer.escrowReadMs > escrowCheckMs
    if (isEscrowOld && !till.isChainDown) {
      atMs += till.readMs
      consumer.escrowReadMs = atMs
    }
    if (isNew && till.isChainDown) return this.#failAt(live, atMs + timing.chainGivenUpMs, 'chain-unavailable')
    if (isNew) atMs += till.readMs // what the chain has paid this payee
    if (this.#ways.isAway(consumer, provider)) return this.#failAt(live, atMs + connectMs, 'timeout')
    const isConnected = this.#ways.isConnected(consumer, provider)
    if (!provider.isUp) {
      // where a connection was, its end is noticed by silence only
      const silentMs = isConnected ? connectMs : timing.dialAddressMs
      return this.#failAt(live, atMs + (provider.isPowerless ? silentMs : 2 * live.oneWayMs), 'unreachable')
    }
    if (!isConnected) {
      atMs += timing.connectRoundTrips * 2 * live.oneWayMs
      this.#ways.connect(consumer, provider)
    }
    const promptTokens = this.population.requests.promptTokens[live.request] as number
    atMs += timing.openRoundTrips * 2 * live.oneWayMs + this.#ways.uploadMs(consumer, promptTokens, live.oneWayMs)
    const accountMs = till.accountMs(channel, provider, atMs)
    if (accountMs === undefined) return this.#failAt(live, atMs + timing.chainGivenUpMs, 'chain-unavailable')
    this.#agenda.schedule(live, atMs + accountMs + live.oneWayMs, happening.reach)
  }

  #failAt(live: Live, atMs: number, code: ErrorCode) {
    live.phase = 'failing'
    live.code = code
    this.#agenda.schedule(live, Math.max(atMs, this.#consumer(live).frozenUntilMs), happening.fail)
  }

  /** As the node: elsewhere, unless enough were tried or two say that nobody could help. */
  #failed(live: Live) {
    const { code, provider } = live
    const consumer = this.#consumer(live)
    const { remedy } = failures[code]
    this.#detach(live)
    const isOrdinary = code === 'busy' || code === 'draining' || remedy === 'never'
    if (provider && !isOrdinary) {
      consumer.failedAtMs ??= new Map()
      consumer.failedAtMs.set(provider.index, this.nowMs)
    }
    const isSecondRefusal = remedy === 'never' && live.refusedCode === code
    if (remedy === 'never') live.refusedCode = code
    if (isSecondRefusal || live.attempts >= consumer.config.consumer.attemptsMax) return this.#end(live, 'failed')
    this.#choose(live)
  }

  #expire(live: Live) {
    live.code = 'timeout'
    this.counter.breakOff(live)
    this.#end(live, 'failed')
  }

  #end(live: Live, outcome: RequestRecord['outcome']) {
    const { provider } = live
    const consumer = this.#consumer(live)
    const { models, requests } = this.population
    this.#detach(live)
    this.#live[live.id] = undefined
    this.#free.push(live.id)
    this.running -= 1
    if (outcome === 'ok' && provider) consumer.failedAtMs?.delete(provider.index)
    const record: RequestRecord = {
      number: live.request,
      consumer: consumer.spec.name,
      provider: provider?.spec.name ?? '',
      model: models[requests.model[live.request] as number]?.name ?? '',
      arrivalMs: live.arrivalMs,
      firstTokenMs: live.firstTokenMs,
      endMs: this.nowMs,
      outcome,
      code: outcome === 'failed' ? live.code : '',
      promptTokens: live.promptTokens,
      completionTokens: live.delivered,
      cachedTokens: live.cachedTokens,
      costNano: live.costNano,
      attempts: live.attempts,
      failovers: live.failovers,
      isMeasured: live.arrivalMs >= this.#plan.warmupMs && live.arrivalMs < this.#plan.durationMs,
    }
    this.#options.ended(record, live.queueMs)
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

  /** Its consumer was killed. */
  #lose(consumer: Consumer) {
    for (const live of this.#live) {
      if (live?.consumer !== consumer.index) continue
      this.counter.breakOff(live)
      this.#end(live, 'lost')
    }
  }

  /** A partition began: streams across it fall silent. */
  #sever() {
    for (const live of this.#live) {
      const { phase, provider } = live ?? {}
      if (!live || phase === 'failing' || !provider?.attached.has(live)) continue
      const consumer = this.#consumer(live)
      if (!this.#ways.isAway(consumer, provider)) continue
      this.counter.breakOff(live)
      this.#failAt(live, this.nowMs + consumer.config.consumer.betweenDeltasMs, 'timeout')
    }
  }

  #consumer(live: Live): Consumer {
    return this.population.consumers[live.consumer] as Consumer
  }
}

const noRequests: ReadonlyMap<PeerId, number> = new Map()
const noneTried: ReadonlySet<PeerId> = new Set()

function openOf({ open }: Consumer): number {
  let count = 0
  for (const each of open?.values() ?? []) count += each
  return count
}

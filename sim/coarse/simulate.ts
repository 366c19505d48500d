// A plan through the coarse market: time series, a sample of requests and peers, the summary over all, and what is wrong.

import { type Plan, rolesOf } from '../plan.ts'
import type { Band, PeerRecord, RequestRecord, RunRecord, Sample, Violation } from '../record.ts'
import { giniOf, meanOf, quantileOf, sumOf } from '../report/statistics.ts'
import type { Progress } from '../run.ts'
import { Column } from './heap.ts'
import { Market } from './market.ts'
import { inOrder, ratio, Tally } from './tally.ts'

export interface CoarseOptions {
  /** Ends early and keeps what there is. */
  readonly signal?: AbortSignal | undefined
  readonly untilMs?: number | undefined
  readonly progress?: ((state: Progress) => void) | undefined
  /** Providers of a model that one consumer weighs. Where a model has more, each consumer has a sample of its own. */
  readonly candidatesMax?: number | undefined
  /** Kept in the record; figures are over all. */
  readonly requestsMax?: number | undefined
}

export type CoarseRun = Omit<RunRecord, 'manifest' | 'assertions' | 'pace'> & {
  readonly isComplete: boolean
  readonly events: number
}

const defaults = { candidatesMax: 256, requestsMax: 20_000 }
/** In the record and in the series: a page that shows more is no use. */
const peersMax = 1_000
const providersInSeriesMax = 60
const samplesMax = 200
/** Providers whose price is looked at in a sample. */
const pricesMax = 500
/** Between two looks at the real world: signals, progress. */
const eventsPerTurn = 20_000

/** Equal plans run equal, to the bit. Throws `RangeError` for a plan with what this mode does not model. */
export async function simulate(plan: Plan, options: CoarseOptions = {}): Promise<CoarseRun> {
  const { candidatesMax = defaults.candidatesMax, requestsMax = defaults.requestsMax } = options
  const run = new Run(plan, candidatesMax, requestsMax)
  const untilMs = Math.min(options.untilMs ?? Number.POSITIVE_INFINITY, plan.durationMs + plan.healMs)
  while (run.step(untilMs)) {
    options.progress?.(run.progress())
    await new Promise((resolve) => setImmediate(resolve))
    if (options.signal?.aborted) return run.result(false)
  }
  return run.result(options.untilMs === undefined || options.untilMs >= plan.durationMs)
}

class Run {
  readonly #plan: Plan
  readonly #market: Market
  readonly #tally = new Tally()
  readonly #requests: RequestRecord[] = []
  readonly #everyRequest: number
  readonly #series: Sample[] = []
  readonly #violations: Violation[] = []
  readonly #prices = new Column()
  readonly #peersUp = new Column()
  readonly #everyMs: number
  #nextSampleMs = 0
  #isWarm = false

  constructor(plan: Plan, candidatesMax: number, requestsMax: number) {
    this.#plan = plan
    this.#everyRequest = Math.max(1, Math.ceil(plan.requests.length / requestsMax))
    this.#everyMs = Math.max(1_000, Math.ceil(plan.durationMs / samplesMax))
    this.#market = new Market(plan, {
      candidatesMax,
      ended: (record, queueMs) => this.#ended(record, queueMs),
      chose: (ageMs) => {
        if (this.#isMeasuring) this.#tally.chose(ageMs)
      },
    })
  }

  /** A stretch of events; false where there is nothing more to do. */
  step(untilMs: number): boolean {
    const { durationMs } = this.#plan
    for (let event = 0; event < eventsPerTurn; event += 1) {
      const nextMs = this.#market.nextMs
      while (this.#nextSampleMs <= Math.min(nextMs, durationMs)) this.#sample()
      if (nextMs > untilMs) return false
      // what comes after the end is waited for as long as somebody runs
      if (nextMs > durationMs && this.#market.running === 0 && !this.#market.hasArrivals) return false
      this.#market.step()
    }
    return true
  }

  progress(): Progress {
    return {
      virtualMs: this.#market.nowMs,
      totalMs: this.#plan.durationMs,
      events: this.#market.events,
      requestsDone: this.#tally.done,
      requestsFailed: this.#tally.failed,
      requestsActive: this.#market.running,
    }
  }

  result(isComplete: boolean): CoarseRun {
    const market = this.#market
    if (isComplete) {
      market.till.close()
      if (market.running > 0) {
        this.#violated('deadline', `${market.running} requests have not ended ${this.#plan.healMs} ms after the end`)
      }
    }
    this.#check()
    return {
      summary: inOrder(this.#figures()),
      violations: this.#violations,
      requests: this.#requests.sort((a, b) => a.number - b.number),
      series: this.#series,
      bands: this.#plan.faults.flatMap((fault): Band[] =>
        fault.kind === 'partition' || fault.kind === 'degrade' || fault.kind === 'chain'
          ? [{ label: fault.kind, fromMs: fault.atMs, toMs: Math.min(fault.atMs + fault.forMs, this.#plan.durationMs) }]
          : [],
      ),
      peers: this.#peers(),
      isComplete,
      events: market.events,
    }
  }

  get #isMeasuring(): boolean {
    const { nowMs } = this.#market
    return nowMs >= this.#plan.warmupMs && nowMs < this.#plan.durationMs
  }

  #ended(record: RequestRecord, queueMs: number): void {
    this.#tally.ended({ record, queueMs })
    if (record.number % this.#everyRequest === 0) this.#requests.push(record)
  }

  #sample(): void {
    const atMs = this.#nextSampleMs
    this.#nextSampleMs += this.#everyMs
    const market = this.#market
    const { providers } = market.population
    if (!this.#isWarm && atMs >= this.#plan.warmupMs) {
      this.#isWarm = true
      for (const provider of providers) provider.restartAccount(atMs)
    }
    const put = (metric: string, value: number, subject = ''): void => {
      this.#series.push({ atMs, metric, subject, value })
    }
    for (const provider of evenly(providers, providersInSeriesMax)) {
      const { name } = provider.spec
      put('activeRequests', provider.active, name)
      put('queuedRequests', provider.queue.length, name)
      put('utilisation', provider.active / provider.slots, name)
      put('priceNano', Number(provider.price.completionNano), name)
      put('earnedNano', Number(market.book.earnedNano(provider.index)), name)
    }
    if (this.#isWarm) {
      this.#peersUp.push(market.peersUp)
      for (const { isUp, price } of evenly(providers, pricesMax))
        if (isUp) this.#prices.push(Number(price.completionNano))
    }
    const totals = market.book.totals()
    put('peersUp', market.peersUp)
    put('requestsActive', market.running)
    put('requestsDone', this.#tally.done)
    put('requestsFailed', this.#tally.failed)
    put('spentNano', Number(totals.coveredNano))
    put('settledNano', Number(totals.settledNano))
    put('feesNano', Number(totals.feesNano))
    put('unpaidNanoMax', Number(market.till.exposureNano))
    put('windowNano', Number(market.till.windowNano))
    put('vouchers', market.till.vouchers)
    this.#check()
  }

  #check(): void {
    for (const { check, message } of this.#market.book.faults()) this.#violated(check, message)
    const { exposureNano, windowNano } = this.#market.till
    if (exposureNano > windowNano) {
      this.#violated('exposure-within-window', `${exposureNano} nano unpaid, the window is ${windowNano}`)
    }
  }

  #violated(check: string, message: string): void {
    if (this.#violations.length < 100) this.#violations.push({ check, atMs: this.#market.nowMs, message })
  }

  #figures(): Readonly<Record<string, number | undefined>> {
    const { durationMs, warmupMs } = this.#plan
    const market = this.#market
    const { book, gossip, population } = market
    const { exposureNano, vouchers, windowNano } = market.till
    const { adverts } = market.counter
    const { consumers, peers, providers } = population
    const totals = book.totals()
    const lastMs = Math.min(market.nowMs, durationMs)
    for (const provider of providers) provider.account(lastMs)
    const used = providers.map(({ busyMs, slots, upMs }) => (upMs > 0 ? busyMs / (slots * upMs) : 0))
    const earned = providers.map(({ index }) => Number(book.earnedNano(index)) / 1e9)
    const use = Float64Array.from(used).sort()
    const revenue = Float64Array.from(earned).sort()
    const prices = this.#prices.sorted()
    const repeats =
      (peersUpShare(this.#peersUp, peers.length) * providers.length * lastMs) / advertIntervalMs(providers)
    const controlBytes = (adverts + repeats) * advertBytes * gossip.copies
    const quantile = (share: number): number => gossip.quantilesMs[Math.floor(share * gossip.quantilesMs.length)] ?? 0
    const gram = (nano: bigint): number => Number(nano) / 1e9
    return {
      ...this.#tally.figures(Math.max(0, durationMs - warmupMs) / 1_000),
      peers: peers.length,
      providers: providers.length,
      consumers: consumers.length,
      peersUpMean: meanOf(this.#peersUp.sorted()),
      utilisationMean: meanOf(use),
      utilisationGini: giniOf(use),
      revenueGini: giniOf(revenue),
      priceNanoP50: quantileOf(prices, 0.5),
      priceDispersion: ratio(
        (quantileOf(prices, 0.9) ?? 0) - (quantileOf(prices, 0.1) ?? 0),
        quantileOf(prices, 0.5) ?? 0,
      ),
      spentGram: gram(totals.coveredNano),
      revenueGram: sumOf(revenue),
      revenuePerProviderGram: meanOf(revenue),
      depositedGram: gram(totals.depositedNano),
      settledGram: gram(totals.settledNano),
      unsettledGram: gram(totals.coveredNano - totals.settledNano),
      feesGram: gram(totals.feesNano),
      feeShare: ratio(Number(totals.feesNano), Number(totals.settledNano)),
      settlements: book.settlements,
      vouchers,
      vouchersPerSecond: ratio(vouchers, durationMs / 1_000),
      feeNanoPerVoucher: ratio(Number(totals.feesNano), vouchers),
      exposureNanoMax: Number(exposureNano),
      windowNano: Number(windowNano),
      lossToFraudGram: gram(this.#unpaidByAdversariesNano()),
      doubleSpends: book.uncoveredNano > 0n ? 1 : 0,
      controlBytesPerPeerSecond: ratio(controlBytes, lastMs / 1_000),
      gossipMsMean: gossip.meanMs,
      gossipMsP50: quantile(0.5),
      gossipMsP90: quantile(0.9),
      gossipMsP95: quantile(0.95),
      gossipMsP99: quantile(0.99),
      gossipDuplicates: gossip.copies - 1,
    }
  }

  #unpaidByAdversariesNano(): bigint {
    const { book, population } = this.#market
    let nano = 0n
    for (let channel = 0; channel < book.channels; channel += 1) {
      if (population.consumers[book.consumerOf(channel)]?.spec.adversary) nano += book.unpaidNano(channel)
      else if (population.providers[book.providerOf(channel)]?.spec.adversary) nano += book.owedNano(channel)
    }
    return nano
  }

  #peers(): readonly PeerRecord[] {
    const { book, population } = this.#market
    return evenly(population.peers, peersMax).map((spec) => {
      const provider = population.providerOf.get(spec.name)
      return {
        name: spec.name,
        group: spec.group,
        region: spec.place.region,
        roles: rolesOf(spec),
        adversary: spec.adversary ?? '',
        earnedNano: provider ? book.earnedNano(provider.index) : 0n,
        spentNano: spec.consumer ? book.spentNano(population.consumerOf.get(spec.name)?.index ?? 0) : 0n,
        tokensServed: provider?.tokensServed ?? 0,
        slots: provider?.slots ?? 0,
        connections: [],
      }
    })
  }
}

/** An advert with one offer and one address, and what gossip puts around it. */
const advertBytes = 620

function advertIntervalMs(providers: Market['population']['providers']): number {
  return providers[0]?.config.discovery.advertIntervalMs ?? 30_000
}

function peersUpShare(peersUp: Column, peers: number): number {
  return (meanOf(peersUp.sorted()) ?? peers) / Math.max(1, peers)
}

/** At most so many, from all of the list. */
function evenly<T>(items: readonly T[], max: number): readonly T[] {
  if (items.length <= max) return items
  return Array.from({ length: max }, (_, at) => items[Math.floor((at * items.length) / max)] as T)
}

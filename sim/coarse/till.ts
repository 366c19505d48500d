// Paying in the coarse market: vouchers as the answer goes on, what is unpaid at worst, and when a channel is settled.

import { windowNano } from '../../node/provider/meter.ts'
import { costNano, type Nano } from '../../protocol/money.ts'
import type { Fault, Plan } from '../plan.ts'
import type { SeededRandom } from '../random.ts'
import { type Agenda, happening } from './agenda.ts'
import { CoarseBook } from './book.ts'
import type { Consumer, Population } from './population.ts'
import type { Live, Provider } from './provider.ts'
import { timing } from './timing.ts'

type ChainFault = Extract<Fault, { kind: 'chain' }>

export class Till {
  readonly book: CoarseBook
  readonly #population: Population
  readonly #agenda: Agenda
  readonly #random: SeededRandom
  readonly #blockMs: number
  readonly #settling = new Set<number>()
  /** Channel → when its provider last read the escrow. */
  readonly #accountReadMs = new Map<number, number>()
  #downs = 0
  /** How many times as long everything takes, by fault. */
  readonly #slows = new Map<ChainFault, number>()
  vouchers = 0
  /** The most that any channel had unpaid, and the most that it may. */
  exposureNano: Nano = 0n
  windowNano: Nano = 0n

  constructor(population: Population, agenda: Agenda, { chain }: Pick<Plan, 'chain'>, random: SeededRandom) {
    this.#population = population
    this.#agenda = agenda
    this.#blockMs = chain.blockMs
    this.#random = random
    const deposits = population.consumers.map(({ spec }) => spec.consumer?.depositNano ?? 0n)
    this.book = new CoarseBook(deposits, population.providers.length)
  }

  get isChainDown(): boolean {
    return this.#downs > 0
  }

  /** One read of the chain. */
  get readMs(): number {
    return timing.chainMs * Math.max(1, ...this.#slows.values())
  }

  disturb(fault: ChainFault, by: 1 | -1): void {
    const { book } = this
    const { factor, how } = fault
    if (how === 'down') this.#downs += by
    else if (how !== 'fee-spike') {
      if (by === 1) this.#slows.set(fault, how === 'slow' ? factor : timing.reorderSlowness)
      else this.#slows.delete(fault)
    } else book.feeFactor = by === 1 ? book.feeFactor * factor : book.feeFactor / factor
  }

  /** How long the provider reads the payer's escrow, where it has not lately; undefined where it cannot. */
  accountMs(channel: number, { config }: Provider, atMs: number): number | undefined {
    const lastMs = this.#accountReadMs.get(channel)
    if (lastMs !== undefined && atMs - lastMs <= config.provider.escrowCheckMs) return 0
    if (this.isChainDown) return lastMs === undefined ? undefined : 0
    const readMs = 2 * this.readMs // escrow and payee
    this.#accountReadMs.set(channel, atMs + readMs)
    return readMs
  }

  /** The consumer signs for all that is owed but this much; settled when the provider's rules say so. */
  pay(channel: number, exceptNano: Nano = 0n, vouchers = 1): void {
    const { nowMs } = this.#agenda
    this.book.pay(channel, nowMs, exceptNano)
    this.vouchers += vouchers
    const rules = this.#population.providers[this.book.providerOf(channel)]?.config.settlement
    if (!rules || this.#settling.has(channel) || !this.book.isDue(channel, rules, nowMs, false)) return
    this.#settling.add(channel)
    const lookMs = this.#random.next() * rules.intervalMs
    this.#agenda.add(nowMs + lookMs + timing.settleReads * this.readMs, happening.settle, channel)
  }

  settle(channel: number): void {
    const { nowMs } = this.#agenda
    const blockMs = this.#blockMs
    const boundaryMs = blockMs === 0 ? nowMs : Math.ceil(nowMs / blockMs) * blockMs
    if (this.isChainDown) this.#agenda.add(nowMs + timing.chainRetryMs, happening.settle, channel)
    else if (boundaryMs > nowMs) this.#agenda.add(boundaryMs, happening.settle, channel)
    else {
      this.#settling.delete(channel)
      this.book.settle(channel)
    }
  }

  /** Everybody pays what is left and providers settle what the chain would take, as nodes do that stop. */
  close(): void {
    const { consumers, providers } = this.#population
    const { book } = this
    for (let channel = 0; channel < book.channels; channel += 1) {
      const rules = providers[book.providerOf(channel)]?.config.settlement
      if (isPaying(consumers[book.consumerOf(channel)]) && book.unpaidNano(channel) > 0n) {
        book.pay(channel, this.#agenda.nowMs)
      }
      if (rules && book.isDue(channel, rules, this.#agenda.nowMs, true)) book.settle(channel)
    }
  }

  windowOf({ price }: Live, { config }: Provider): Nano {
    const window = windowNano(price, config.provider.creditTokens)
    if (window > this.windowNano) this.windowNano = window
    return window
  }

  /** The prompt, paid before anything is computed. */
  prepaid(live: Live): void {
    this.book.delivered(live.channel, costNano(live.prefix, live.price))
    this.pay(live.channel)
  }

  /** Tokens of an attempt that is over; with `isPaid` its consumer signs for the last of them too. Returns what it cost. */
  delivered(live: Live, provider: Provider, consumer: Consumer, tokens: number, isPaid: boolean): Nano {
    const costOf = (completionTokens: number): Nano => costNano({ ...live.prefix, completionTokens }, live.price)
    const chunk = chunkTokens(provider, consumer)
    const wholeNano = costOf(tokens)
    this.book.delivered(live.channel, wholeNano - costOf(0))
    if (isPaying(consumer)) {
      const unsigned = isPaid ? 0 : tokens % chunk
      this.pay(live.channel, wholeNano - costOf(tokens - unsigned), Math.ceil((tokens - unsigned) / chunk))
    }
    this.#expose(live, provider, consumer, tokens)
    return wholeNano
  }

  /** From a token's departure to the credit that its voucher frees. */
  voucherMs({ oneWayMs }: Live, provider: Provider, consumer: Consumer): number {
    return 2 * oneWayMs + consumer.spec.disk.syncMs + provider.spec.disk.syncMs
  }

  /** Iterations a token: more than one where vouchers are slower than tokens. */
  stretch(live: Live, provider: Provider, consumer: Consumer): number {
    const { creditTokens } = provider.config.provider
    const creditMs = this.voucherMs(live, provider, consumer) / (creditTokens - chunkTokens(provider, consumer) + 1)
    const paceMs = provider.batch.paceMs || 1_000 / provider.decodeTokensPerSecond
    return Math.max(1, creditMs / paceMs)
  }

  /** At worst a chunk waits for its voucher while the tokens after it are on their way. */
  #expose(live: Live, provider: Provider, consumer: Consumer, tokens: number): void {
    const { creditTokens } = provider.config.provider
    const paceMs = Math.max(provider.batch.paceMs, 0.001)
    const onTheirWay = Math.ceil(this.voucherMs(live, provider, consumer) / paceMs)
    const unpaid = isPaying(consumer) ? chunkTokens(provider, consumer) + onTheirWay : creditTokens
    const nano = windowNano(live.price, Math.min(tokens, unpaid, creditTokens))
    if (nano > this.exposureNano) this.exposureNano = nano
  }
}

export function isPaying(consumer: Consumer | undefined): boolean {
  return consumer?.spec.adversary !== 'non-paying'
}

/** Tokens of a voucher. */
function chunkTokens({ config }: Provider, consumer: Consumer): number {
  return Math.max(1, Math.min(consumer.config.consumer.chunkTokens, Math.floor(config.provider.creditTokens / 2)))
}

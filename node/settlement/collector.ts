// A provider's way to its money: watches its channels, decides when one is due, and hands vouchers to a settler – another
// peer's where one is named or the market has a good one, its own otherwise and whenever the other does not deliver.

import { asMeshError } from '../../protocol/errors.ts'
import { type PeerId, parsePeerId } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { formatGram, formatPercent, type Nano } from '../../protocol/money.ts'
import type { SettlerAdvert } from '../../protocol/settler-advert.ts'
import { tabKey } from '../../protocol/voucher.ts'
import type { Config } from '../config.ts'
import type { PayeeState, Ports } from '../ports.ts'
import { every } from '../waits.ts'
import type { Book } from './book.ts'
import { type Channel, caseOf, coveredNano, isDue, unsettledNano } from './channel.ts'
import { DrainMeter } from './drain.ts'
import { askSettler } from './handover.ts'
import type { Market } from './market.ts'
import type { Purse } from './purse.ts'
import { Reasons } from './reasons.ts'
import { type SettlePolicy, settleOrWait } from './rule.ts'
import type { Settler } from './settler.ts'

/** What the settler was last given of a channel. */
interface HandOver {
  readonly settler: PeerId
  readonly sinceMs: number
  /** On chain at that time. */
  readonly settledNano: Nano
  readonly amountNano: Nano
  /** It took too long, and its record says so. */
  readonly isLate: boolean
}

/** Whom vouchers go to; without an advert one that is named and never said what it asks. */
interface Chosen {
  readonly peer: PeerId
  readonly advert: SettlerAdvert | undefined
}

/** What the collector works with, beside the ports. */
export interface CollectorParts {
  readonly config: Config
  readonly book: Book
  /** This node's own. */
  readonly settler: Settler
  readonly market: Market
  readonly purse: Purse
}

/** Reads that fail in one pass: one may be its escrow's own trouble, with the next it is the chain's endpoint. */
const failuresMax = 2

export class Collector {
  readonly #config: Config
  readonly #ports: Ports
  readonly #parts: CollectorParts
  /** Channels whose voucher another settler took. */
  readonly #handedOver = new Map<string, HandOver>()
  /** Up to where a settler watches over a channel. */
  readonly #watched = new Map<string, { readonly settler: PeerId; readonly amountNano: Nano }>()
  /** When each channel's escrow was last read, Unix milliseconds. */
  readonly #readAtMs = new Map<string, number>()
  /**
   * Channels that could not be settled from here when last tried, with what was covered then: looked at like those that are not due
   * until a settlement's worth is added.
   */
  readonly #failed = new Map<string, Nano>()
  /** Channels whose escrow could not be read when last tried. */
  readonly #unread = new Set<string>()
  readonly #drains: DrainMeter
  readonly #reasons: Reasons
  #watchAtMs = 0
  /** Why the settler that is named is not used. */
  #unused: string | undefined
  /** When each settler is asked again what it is owed. */
  readonly #payAtMs = new Map<PeerId, number>()

  constructor(parts: CollectorParts, ports: Ports) {
    this.#config = parts.config
    this.#parts = parts
    this.#ports = ports
    this.#drains = new DrainMeter(parts.config.settlement.watchMs)
    this.#reasons = new Reasons(ports.observe)
  }

  run(signal: AbortSignal): Promise<void> {
    const { clock, random, observe } = this.#ports
    return every(
      clock,
      random,
      this.#config.settlement.intervalMs,
      signal,
      () => this.collect(false, signal),
      (error) => {
        const { code, message } = asMeshError(error, 'internal')
        observe({ type: 'fault', where: 'collector', code, message })
      },
    )
  }

  /** One look through the book. `isUrgent` hands over everything the chain would take, however little. */
  async collect(isUrgent: boolean, signal: AbortSignal): Promise<void> {
    await this.#payFees(signal)
    const unsettled = this.#parts.book.channels().filter((channel) => unsettledNano(channel) > 0n)
    if (unsettled.length === 0) return
    const { thresholdNano, ageMsMax } = this.#config.settlement
    const policy = { thresholdNano, ageMsMax, settleNanoMin: await this.#ports.chain.settleNanoMin() }
    const due: Channel[] = []
    const failures: unknown[] = []
    for (const channel of this.#inOrder(unsettled)) {
      if (signal.aborted) return
      const nowMs = this.#ports.clock.now()
      const isWorthTrying = isUrgent || !this.#hasFailed(channel)
      const isWorthReading =
        (isWorthTrying && isDue(channel, policy, nowMs, isUrgent)) || this.#isTimeToWatch(channel, nowMs)
      if (!isWorthReading) {
        this.#noteWaiting(channel, policy, nowMs)
        continue
      }
      const key = tabKey(channel)
      let now: Seen | undefined
      try {
        now = await this.#read(channel)
        this.#unread.delete(key)
      } catch (error) {
        this.#unread.add(key)
        failures.push(error)
        if (failures.length === failuresMax) break
        continue
      }
      if (now && this.#isDueNow(now, policy, nowMs, isUrgent)) due.push(now.channel)
      else this.#handedOver.delete(key)
    }
    await this.#handOver(due, signal)
    if (failures.length > 0) throw failures[0]
    await this.#handForWatching(due, signal)
    await this.#payFees(signal)
  }

  /** Those that could not be read come last. */
  #inOrder(channels: readonly Channel[]): readonly Channel[] {
    const rank = (channel: Channel): number => Number(this.#unread.has(tabKey(channel)))
    return this.#unread.size === 0 ? channels : channels.toSorted((a, b) => rank(a) - rank(b))
  }

  /** Why it is not even read. */
  #noteWaiting(channel: Channel, policy: SettlePolicy, nowMs: number): void {
    const decision = settleOrWait(caseOf(channel, nowMs, false), policy)
    if (!decision.isDue) this.#reasons.note(tabKey(channel), channel.escrow, unsettledNano(channel), decision)
  }

  #isDueNow({ channel, drainNano, payee, unlockAtMs }: Seen, policy: SettlePolicy, nowMs: number, isUrgent: boolean) {
    const { payableNano } = payee
    const decision = settleOrWait({ ...caseOf(channel, nowMs, isUrgent), drainNano, payableNano, unlockAtMs }, policy)
    const { escrow } = channel
    this.#reasons.note(tabKey(channel), escrow, unsettledNano(channel), decision)
    if (decision.reason === 'escrow empty' && isDue(channel, policy, nowMs, isUrgent)) {
      this.#failed.set(tabKey(channel), coveredNano(channel))
      const message = `escrow ${escrow} would pay ${formatGram(payableNano)} GRAM now, at least ${formatGram(policy.settleNanoMin)} settle`
      this.#ports.observe({ type: 'settle-failed', escrow, code: 'escrow-unusable', message })
    }
    return decision.isDue
  }

  #hasFailed(channel: Channel): boolean {
    const beforeNano = this.#failed.get(tabKey(channel))
    return beforeNano !== undefined && coveredNano(channel) < beforeNano + this.#config.settlement.thresholdNano
  }

  /** Whether its owner closes the escrow shows only on chain. */
  #isTimeToWatch(channel: Channel, nowMs: number): boolean {
    return nowMs - (this.#readAtMs.get(tabKey(channel)) ?? 0) >= this.#config.settlement.watchMs
  }

  async #read(channel: Channel): Promise<Seen | undefined> {
    const { chain, clock, observe } = this.#ports
    const { book, purse } = this.#parts
    const { epoch, escrow, globalId, payee, payer } = channel
    const key = tabKey(channel)
    const state = await chain.escrow(escrow)
    const nowMs = clock.now()
    this.#readAtMs.set(key, nowMs)
    if (state.isEscrow && state.globalId !== globalId) {
      this.#failed.set(key, coveredNano(channel)) // of another chain, which this home once served
      return undefined
    }
    if (state.isEscrow && state.epoch > epoch) {
      this.#forget(key)
      await purse.fees.drop(key)
      observe({ type: 'channel-closed', peer: payer, escrow, lostNano: book.close(channel) })
      return undefined
    }
    const payeeState = await chain.payee(escrow, payee)
    const { settledNano } = payeeState
    if (settledNano > channel.settledNano) await this.#notePaid(key, settledNano)
    book.settled(channel, settledNano)
    const drainNano = this.#drains.note(escrow, state.freeNano, settledNano - channel.settledNano, nowMs)
    const open = book.channels().find((other) => tabKey(other) === key)
    return open && { channel: open, drainNano, payee: payeeState, unlockAtMs: state.unlockAtMs }
  }

  /** The chain paid more on a channel: whoever was to settle it did, and has earned its fee. */
  async #notePaid(key: string, settledNano: Nano): Promise<void> {
    const { market, purse } = this.#parts
    const taken = this.#handedOver.get(key)
    if (taken && settledNano > taken.settledNano && !taken.isLate) {
      market.judge(taken.settler, true)
      this.#handedOver.delete(key)
    }
    const peer = purse.fees.markOf(key)?.peer
    const feeNano = await purse.fees.charge(key, settledNano)
    if (peer === undefined || feeNano === 0n) return
    this.#payAtMs.delete(peer)
    this.#ports.observe({ type: 'settle-fee-counted', peer, feeNano, unpaidNano: purse.fees.unpaidNano(peer) })
  }

  #forget(key: string): void {
    this.#readAtMs.delete(key)
    this.#failed.delete(key)
    this.#unread.delete(key)
    this.#handedOver.delete(key)
    this.#watched.delete(key)
    this.#reasons.forget(key)
  }

  async #handOver(due: readonly Channel[], signal: AbortSignal): Promise<void> {
    const nowMs = this.#ports.clock.now()
    const theirs: Channel[] = []
    for (const channel of due) {
      const taken = this.#handedOver.get(tabKey(channel))
      if (this.#config.settlement.settler === '') await this.#settleHere(channel)
      else if (taken && this.#isOverdue(taken, channel, nowMs)) await this.#settleLate(channel, taken)
      else if ((taken?.amountNano ?? 0n) < coveredNano(channel)) theirs.push(channel)
    }
    for (const channels of chainsOf(theirs)) {
      for (let at = 0; at < channels.length; at += limits.voucherBatchMax) {
        const batch = channels.slice(at, at + limits.voucherBatchMax)
        const taken = await this.#handTo(await this.#chosen(batch, false, signal), batch, signal)
        if (signal.aborted) return
        for (const { channel, settler } of taken) this.#noteHandOver(channel, settler, nowMs)
        for (const channel of batch.slice(taken.length)) await this.#settleHere(channel)
      }
    }
  }

  /** The settler named, or the market's best. */
  async #chosen([first]: readonly Channel[], isWatch: boolean, signal: AbortSignal): Promise<Chosen | undefined> {
    const { feePpmMax, settler } = this.#config.settlement
    const { market, purse } = this.#parts
    if (settler === '' || !first) return undefined
    const trouble = await purse.trouble().catch(() => 'the escrow to pay it from cannot be read')
    if (settler === 'market') {
      const advert = market.choose(first.globalId, trouble === undefined, isWatch)
      return advert && { peer: advert.peer, advert }
    }
    const peer = parsePeerId(settler)
    const advert = await market.know(peer, signal)
    if (isWatch && !advert?.isWatching) return undefined
    const { feePpm } = advert ?? { feePpm: 0 }
    const isTooDear = feePpm > feePpmMax
    const why = isTooDear ? `settlement.feePpmMax allows ${formatPercent(feePpmMax)}` : feePpm > 0 ? trouble : undefined
    this.#noteUnused(why && `settler ${peer} asks ${formatPercent(feePpm)}: ${why}; posting from here`)
    return why === undefined ? { peer, advert } : undefined
  }

  /** Said when it changes: nothing of it is the settler's fault. */
  #noteUnused(message: string | undefined): void {
    const before = this.#unused
    this.#unused = message
    if (message === undefined || message === before) return
    this.#ports.observe({ type: 'fault', where: 'paying a settler', code: 'escrow-unusable', message })
  }

  /** The first of them, as many as the settler took. */
  async #handTo(
    chosen: Chosen | undefined,
    batch: readonly Channel[],
    signal: AbortSignal,
    isWatch = false,
  ): Promise<readonly { readonly channel: Channel; readonly settler: PeerId }[]> {
    if (!chosen) return []
    const { advert, peer } = chosen
    const { market, purse } = this.#parts
    const { observe } = this.#ports
    const vouchers = batch.flatMap(({ best }) => (best ? [best] : []))
    const instead = isWatch ? 'which was to watch over vouchers' : 'posting from here instead'
    try {
      const tab = advert && (await purse.tabTo(advert))
      for (const channel of batch) {
        // on disk before it can settle anything: a crash forgets no fee that was earned
        if (advert && tab) await purse.fees.mark(tabKey(channel), peer, advert.feePpm, channel.settledNano)
      }
      const options = { isWatch, ...purse.stated(peer, tab) }
      const reply = await askSettler(this.#ports, this.#config.settlement.handoverMs, peer, vouchers, options, signal)
      if (tab && reply.fee) await purse.hear(peer, tab, reply.fee)
      const { accepted, code = 'internal', message } = reply
      if (accepted > 0) {
        const amountNano = vouchers.slice(0, accepted).reduce((sum, { terms }) => sum + terms.amountNano, 0n)
        observe({ type: 'vouchers-handed-over', settler: peer, vouchers: accepted, amountNano })
      }
      if (accepted < vouchers.length) {
        const count = `took ${accepted} of ${vouchers.length}: ${message}`
        observe({ type: 'fault', where: `settler ${peer}, ${instead}`, code, message: count })
        if (code !== 'escrow-unusable') market.rest(peer) // that is about the voucher, such as one below its least
      }
      for (const channel of batch.slice(accepted)) {
        const key = tabKey(channel)
        if (!this.#watched.has(key)) await purse.fees.drop(key) // what it has of one it watches may earn its fee yet
      }
      return batch.slice(0, accepted).map((channel) => ({ channel, settler: peer }))
    } catch (error) {
      if (signal.aborted) return []
      market.rest(peer)
      const { code, message } = asMeshError(error)
      observe({ type: 'fault', where: `settler ${peer}, ${instead}`, code, message })
      return []
    }
  }

  /** What is not due yet, for the day that its escrow closes while nobody is here: one frame now and then. */
  async #handForWatching(due: readonly Channel[], signal: AbortSignal): Promise<void> {
    const { settler, watchHandoverMs } = this.#config.settlement
    const nowMs = this.#ports.clock.now()
    if (settler === '' || nowMs - this.#watchAtMs < watchHandoverMs) return
    const isDueNow = new Set(due.map(tabKey))
    const unwatched = this.#parts.book
      .channels()
      .filter((channel) => unsettledNano(channel) > 0n && !isDueNow.has(tabKey(channel)))
      .map((channel) => ({ channel, riskNano: coveredNano(channel) - this.#watchedNano(channel) }))
      .filter(({ riskNano }) => riskNano > 0n)
      .sort((a, b) => Number(b.riskNano > a.riskNano) - Number(b.riskNano < a.riskNano))
    const [batch = []] = chainsOf(unwatched.map(({ channel }) => channel))
    if (batch.length === 0) return
    this.#watchAtMs = nowMs
    const chosen = await this.#chosen(batch, true, signal)
    const taken = await this.#handTo(chosen, batch.slice(0, limits.voucherBatchMax), signal, true)
    for (const { channel, settler: peer } of taken) {
      this.#watched.set(tabKey(channel), { settler: peer, amountNano: coveredNano(channel) })
    }
  }

  #watchedNano(channel: Channel): Nano {
    const watched = this.#watched.get(tabKey(channel))?.amountNano ?? 0n
    return watched > channel.settledNano ? watched : channel.settledNano
  }

  /** One escrow that cannot pay, emptied by others perhaps, must not keep the next from being settled. */
  async #settleHere(channel: Channel): Promise<void> {
    const { best, escrow } = channel
    if (!best) return
    try {
      await this.#parts.settler.submit(best, this.#ports.identity.peerId)
      this.#failed.delete(tabKey(channel))
    } catch (error) {
      this.#failed.set(tabKey(channel), coveredNano(channel))
      const { code, message } = asMeshError(error, 'internal')
      this.#ports.observe({ type: 'settle-failed', escrow, code, message })
    }
  }

  /** The settler had its time: its record suffers, and it earns nothing by what is posted from here. */
  async #settleLate(channel: Channel, taken: HandOver): Promise<void> {
    const key = tabKey(channel)
    if (!taken.isLate) {
      this.#handedOver.set(key, { ...taken, isLate: true })
      this.#parts.market.judge(taken.settler, false)
      this.#parts.market.rest(taken.settler)
      await this.#parts.purse.fees.drop(key)
    }
    await this.#settleHere(channel)
  }

  /** The settler's time runs from the first voucher it took until the chain has paid something, however many follow. */
  #noteHandOver(channel: Channel, settler: PeerId, nowMs: number): void {
    const key = tabKey(channel)
    const before = this.#handedOver.get(key)
    const isSame = before && before.settledNano === channel.settledNano && before.settler === settler
    this.#handedOver.set(key, {
      settler,
      sinceMs: isSame ? before.sinceMs : nowMs,
      settledNano: channel.settledNano,
      amountNano: coveredNano(channel),
      isLate: false,
    })
  }

  #isOverdue(taken: HandOver, channel: Channel, nowMs: number): boolean {
    if (taken.settledNano !== channel.settledNano) return false
    return nowMs - taken.sinceMs > this.#config.settlement.settlerTrustMs
  }

  /** What settlers have earned is paid without new vouchers, too. One that is not there is asked again later. */
  async #payFees(signal: AbortSignal): Promise<void> {
    const { market, purse } = this.#parts
    const { handoverMs, retryMsMax, watchMs } = this.#config.settlement
    for (const peer of purse.fees.debts()) {
      const nowMs = this.#ports.clock.now()
      if (signal.aborted || nowMs < (this.#payAtMs.get(peer) ?? 0)) continue
      this.#payAtMs.set(peer, nowMs + retryMsMax)
      try {
        const advert = await market.know(peer, signal)
        const tab = advert && (await purse.tabTo(advert))
        if (!tab) continue
        const ask = () => askSettler(this.#ports, handoverMs, peer, [], purse.stated(peer, tab), signal)
        for (let isSigned = true, round = 0; isSigned && round < 2; round += 1) {
          const { fee } = await ask()
          isSigned = fee !== undefined && (await purse.hear(peer, tab, fee)) !== undefined // then it is told the voucher
        }
        this.#payAtMs.set(peer, nowMs + watchMs)
      } catch (error) {
        if (signal.aborted) return
        const { code, message } = asMeshError(error)
        this.#ports.observe({ type: 'fault', where: `paying the fees of settler ${peer}`, code, message })
      }
    }
  }
}

interface Seen {
  readonly channel: Channel
  readonly drainNano: Nano
  readonly payee: PayeeState
  readonly unlockAtMs: number
}

/** A settler settles on one chain. */
function chainsOf(channels: readonly Channel[]): readonly (readonly Channel[])[] {
  return [...Map.groupBy(channels, ({ globalId }) => globalId).values()]
}

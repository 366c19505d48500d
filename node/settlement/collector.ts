// A provider's way to its money: watches its channels, decides when one is due, and hands vouchers to a settler – another
// peer's where one is named, its own otherwise and whenever the other does not deliver.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { type PeerId, parsePeerId, settleProtocol } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import type { Nano } from '../../protocol/money.ts'
import { decodeSettleReply, encodeSettleRequest } from '../../protocol/settlement.ts'
import type { Voucher } from '../../protocol/voucher.ts'
import type { Config } from '../config.ts'
import type { Ports } from '../ports.ts'
import { every, within } from '../waits.ts'
import type { Book } from './book.ts'
import { type Channel, channelKey, coveredNano, isDue, unsettledNano } from './channel.ts'
import type { Settler } from './settler.ts'

export class Collector {
  readonly #config: Config
  readonly #ports: Ports
  readonly #book: Book
  readonly #settler: Settler
  /** Channels whose voucher another settler took. */
  readonly #handedOver = new Map<string, HandOver>()
  /** When each channel's escrow was last read, Unix milliseconds. */
  readonly #readAtMs = new Map<string, number>()
  /** Channels that could not be settled from here when last tried: looked at like those that are not due. */
  readonly #failed = new Set<string>()

  constructor(config: Config, ports: Ports, book: Book, settler: Settler) {
    this.#config = config
    this.#ports = ports
    this.#book = book
    this.#settler = settler
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
    const unsettled = this.#book.channels().filter((channel) => unsettledNano(channel) > 0n)
    if (unsettled.length === 0) return
    const { thresholdNano, ageMsMax } = this.#config.settlement
    const policy = { thresholdNano, ageMsMax, settleNanoMin: await this.#ports.chain.settleNanoMin() }
    const due: Channel[] = []
    for (const channel of unsettled) {
      if (signal.aborted) return
      const nowMs = this.#ports.clock.now()
      const isWorthTrying = isUrgent || !this.#failed.has(channelKey(channel))
      const isWorthReading =
        (isWorthTrying && isDue(channel, policy, nowMs, isUrgent)) || this.#isTimeToWatch(channel, nowMs)
      if (!isWorthReading) continue
      const { now, isClosing } = await this.#read(channel)
      if (now && isDue(now, policy, nowMs, isUrgent || isClosing)) due.push(now)
      else this.#handedOver.delete(channelKey(channel))
    }
    await this.#handOver(due, signal)
  }

  /** Whether its owner closes the escrow shows only on chain. */
  #isTimeToWatch(channel: Channel, nowMs: number): boolean {
    return nowMs - (this.#readAtMs.get(channelKey(channel)) ?? 0) >= this.#config.settlement.watchMs
  }

  async #read(channel: Channel): Promise<{ now: Channel | undefined; isClosing: boolean }> {
    const { chain, clock, observe } = this.#ports
    const { epoch, escrow, globalId, payee, payer } = channel
    const key = channelKey(channel)
    const state = await chain.escrow(escrow)
    this.#readAtMs.set(key, clock.now())
    if (state.isEscrow && state.globalId !== globalId) {
      this.#failed.add(key) // of another chain, which this home once served
      return { now: undefined, isClosing: false }
    }
    if (state.isEscrow && state.epoch > epoch) {
      this.#readAtMs.delete(key)
      this.#failed.delete(key)
      this.#handedOver.delete(key)
      observe({ type: 'channel-closed', peer: payer, escrow, lostNano: this.#book.close(channel) })
      return { now: undefined, isClosing: false }
    }
    const { settledNano } = await chain.payee(escrow, payee)
    this.#book.settled(channel, settledNano)
    return { now: this.#book.channels().find((open) => channelKey(open) === key), isClosing: state.unlockAtMs !== 0 }
  }

  async #handOver(due: readonly Channel[], signal: AbortSignal): Promise<void> {
    const { clock, observe } = this.#ports
    const { settler } = this.#config.settlement
    const nowMs = clock.now()
    const theirs: Channel[] = []
    for (const channel of due) {
      if (settler === '' || this.#isOverdue(channel, nowMs)) await this.#settleHere(channel)
      else if ((this.#handedOver.get(channelKey(channel))?.amountNano ?? 0n) < coveredNano(channel))
        theirs.push(channel)
    }
    for (let at = 0; at < theirs.length; at += limits.voucherBatchMax) {
      const batch = theirs.slice(at, at + limits.voucherBatchMax)
      const vouchers = batch.flatMap(({ best }) => (best ? [best] : []))
      try {
        await this.#send(parsePeerId(settler), vouchers, signal)
        for (const channel of batch) this.#noteHandOver(channel, nowMs)
      } catch (error) {
        if (signal.aborted) return
        const { code, message } = asMeshError(error)
        observe({ type: 'fault', where: `settler ${settler}, posting from here instead`, code, message })
        for (const channel of batch) await this.#settleHere(channel)
      }
    }
  }

  /** One escrow that cannot pay, emptied by others perhaps, must not keep the next from being settled. */
  async #settleHere(channel: Channel): Promise<void> {
    const { best, escrow } = channel
    if (!best) return
    try {
      await this.#settler.submit(best, this.#ports.identity.peerId)
      this.#failed.delete(channelKey(channel))
    } catch (error) {
      this.#failed.add(channelKey(channel))
      const { code, message } = asMeshError(error, 'internal')
      this.#ports.observe({ type: 'settle-failed', escrow, code, message })
    }
  }

  /** The settler's time runs from the first voucher it took until the chain has paid something, however many follow. */
  #noteHandOver(channel: Channel, nowMs: number): void {
    const key = channelKey(channel)
    const before = this.#handedOver.get(key)
    const isSame = before && before.settledNano === channel.settledNano
    this.#handedOver.set(key, {
      sinceMs: isSame ? before.sinceMs : nowMs,
      settledNano: channel.settledNano,
      amountNano: coveredNano(channel),
    })
  }

  #isOverdue(channel: Channel, nowMs: number): boolean {
    const taken = this.#handedOver.get(channelKey(channel))
    if (!taken || taken.settledNano !== channel.settledNano) return false
    return nowMs - taken.sinceMs > this.#config.settlement.settlerTrustMs
  }

  async #send(peer: PeerId, vouchers: readonly Voucher[], signal: AbortSignal): Promise<void> {
    const { clock, network, observe } = this.#ports
    await within(
      clock,
      this.#config.settlement.handoverMs,
      `handing ${vouchers.length} vouchers to settler ${peer}`,
      async (stop) => {
        const stream = await network.open(peer, settleProtocol, stop)
        const giveUp = (): void => stream.reset(new MeshError('timeout', 'the settler did not answer'))
        stop.addEventListener('abort', giveUp)
        try {
          await stream.send(encodeSettleRequest(vouchers))
          for await (const frame of stream.frames) {
            const reply = decodeSettleReply(frame)
            if (reply.accepted < vouchers.length) {
              throw new MeshError(
                reply.code ?? 'internal',
                `settler took ${reply.accepted} of ${vouchers.length}: ${reply.message}`,
              )
            }
            observe({ type: 'vouchers-handed-over', settler: peer, vouchers: reply.accepted })
            await stream.close()
            return
          }
          throw new MeshError('protocol-violation', 'the settler closed without a reply')
        } finally {
          stop.removeEventListener('abort', giveUp)
        }
      },
      signal,
    )
  }
}

interface HandOver {
  readonly sinceMs: number
  /** On chain at that time. */
  readonly settledNano: Nano
  readonly amountNano: Nano
}

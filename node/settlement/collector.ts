// A provider's way to its money: watches its channels, decides when one is due, and hands vouchers to a settler – another
// peer's where one is named, its own otherwise and whenever the other does not deliver.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { type Address, type PeerId, parsePeerId, settleProtocol } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { decodeSettleReply, encodeSettleRequest } from '../../protocol/settlement.ts'
import type { Voucher } from '../../protocol/voucher.ts'
import type { Config } from '../config.ts'
import type { Ports } from '../ports.ts'
import { every, within } from '../waits.ts'
import type { Book } from './book.ts'
import { isDue } from './channel.ts'
import type { Settler } from './settler.ts'

export class Collector {
  readonly #config: Config
  readonly #payout: Address
  readonly #ports: Ports
  readonly #book: Book
  readonly #settler: Settler
  /** What another settler took and since when: posted from here when it has not been paid in time. */
  readonly #handedOver = new Map<Voucher, number>()

  constructor(config: Config, payout: Address, ports: Ports, book: Book, settler: Settler) {
    this.#config = config
    this.#payout = payout
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
    const { chain, clock } = this.#ports
    const { thresholdNano, ageMsMax } = this.#config.settlement
    const candidates = this.#book
      .channels()
      .filter((channel) => isDue(channel, { thresholdNano: 1n, ageMsMax: 0, settleNanoMin: 1n }, clock.now(), true))
    if (candidates.length === 0) return
    const policy = { thresholdNano, ageMsMax, settleNanoMin: await chain.settleNanoMin() }
    const due: Voucher[] = []
    for (const { escrow, epoch } of candidates) {
      if (signal.aborted) return
      const state = await chain.escrow(escrow)
      if (state.epoch !== epoch) continue // closed by its owner; nothing more can come of it
      const { settledNano } = await chain.payee(escrow, this.#payout)
      this.#book.settled(escrow, epoch, settledNano)
      const channel = this.#book.channels().find((open) => open.escrow === escrow && open.epoch === epoch)
      if (channel?.best && isDue(channel, policy, clock.now(), isUrgent || state.unlockAtMs !== 0))
        due.push(channel.best)
    }
    this.#forgetPaid(due)
    await this.#handOver(due, signal)
  }

  async #handOver(due: readonly Voucher[], signal: AbortSignal): Promise<void> {
    const { clock, observe } = this.#ports
    const { settler, settlerTrustMs } = this.#config.settlement
    const nowMs = clock.now()
    const fresh = due.filter((voucher) => !this.#handedOver.has(voucher))
    const overdue = due.filter((voucher) => nowMs - (this.#handedOver.get(voucher) ?? nowMs) > settlerTrustMs)
    for (const voucher of overdue) await this.#settler.submit(voucher, this.#ports.identity.peerId)
    if (settler === '') {
      for (const voucher of fresh) await this.#settler.submit(voucher, this.#ports.identity.peerId)
      return
    }
    const peer = parsePeerId(settler)
    for (let at = 0; at < fresh.length; at += limits.voucherBatchMax) {
      const batch = fresh.slice(at, at + limits.voucherBatchMax)
      try {
        await this.#send(peer, batch, signal)
        for (const voucher of batch) this.#handedOver.set(voucher, nowMs)
      } catch (error) {
        if (signal.aborted) return
        const { code, message } = asMeshError(error)
        observe({ type: 'fault', where: `settler ${peer}, posting from here instead`, code, message })
        for (const voucher of batch) await this.#settler.submit(voucher, this.#ports.identity.peerId)
      }
    }
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

  /** Entries whose voucher is no longer due were paid or replaced. */
  #forgetPaid(due: readonly Voucher[]): void {
    const still = new Set(due)
    for (const voucher of this.#handedOver.keys()) if (!still.has(voucher)) this.#handedOver.delete(voucher)
  }
}

// The provider's book: every payer's channel. Persist, then act: a voucher counts once the store holds it.

import { MeshError } from '../../protocol/errors.ts'
import { type Address, type PeerId, publicKeyOf } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { type Voucher, verifyVoucher } from '../../protocol/voucher.ts'
import type { EscrowState, Ports } from '../ports.ts'
import { VoucherLog, type VoucherRecord } from '../records.ts'
import {
  type Channel,
  type ChannelId,
  channelKey,
  coveredNano,
  openChannel,
  recovered,
  step,
  unsettledNano,
} from './channel.ts'

/** A payer's escrow as last read, and what it has paid here so far. */
export interface Account {
  readonly escrow: EscrowState
  readonly settledNano: Nano
  /** The highest cumulative voucher it could pay this provider now. */
  readonly coverNano: Nano
  /** The chain does not answer: `coverNano` is what is risked on an older view, and not what the escrow holds. */
  readonly isBounded?: true | undefined
}

export class Book {
  readonly #payout: Address
  readonly #ports: Pick<Ports, 'clock' | 'store' | 'observe'>
  readonly #channels = new Map<string, Channel>()
  readonly #waiting = new Map<string, Set<() => void>>()
  readonly #log: VoucherLog

  constructor(payout: Address, ports: Pick<Ports, 'clock' | 'store' | 'observe'>) {
    this.#payout = payout
    this.#ports = ports
    this.#log = new VoucherLog('book', ports.store, () => this.#records())
  }

  /** Reads the log; the book of a new home is empty. */
  async recover(): Promise<void> {
    for (const { peer, voucher, atMs } of await this.#log.read()) {
      const channel = this.#channels.get(channelKey(voucher.terms)) ?? openChannel(voucher.terms, peer, 0n)
      this.#put(recovered(step(channel, { type: 'voucher', voucher, nowMs: atMs })))
    }
  }

  channels(): readonly Channel[] {
    return [...this.#channels.values()]
  }

  /** The channel with this payer in the escrow's epoch; one never seen begins at what the chain has paid already. */
  channel({ escrow, settledNano }: Account, payer: PeerId): Channel {
    const id = this.#idOf(escrow)
    return this.#channels.get(channelKey(id)) ?? openChannel(id, payer, settledNano)
  }

  /**
   * Takes a payer's voucher. Resolves when it is durable; one that adds nothing resolves at once.
   * Throws `voucher-invalid` for wrong terms or signature.
   */
  async accept(voucher: Voucher, account: Account, payer: PeerId): Promise<Channel> {
    const { terms } = voucher
    const { escrow } = account
    const wrong =
      terms.globalId !== escrow.globalId
        ? `global id ${terms.globalId}, expected ${escrow.globalId}`
        : terms.escrow !== escrow.address
          ? `escrow ${terms.escrow}, expected ${escrow.address}`
          : terms.epoch !== escrow.epoch
            ? `epoch ${terms.epoch}, expected ${escrow.epoch}`
            : terms.payee !== this.#payout
              ? `payee ${terms.payee}, expected ${this.#payout}`
              : undefined
    if (wrong) throw new MeshError('voucher-invalid', `voucher for ${wrong}`)
    const before = this.channel(account, payer)
    if (terms.amountNano <= coveredNano(before)) return before
    if (!verifyVoucher(voucher, publicKeyOf(payer))) {
      throw new MeshError('voucher-invalid', `voucher of ${terms.amountNano} nano is not signed by ${payer}`)
    }
    const nowMs = this.#ports.clock.now()
    let after = before
    await this.#log.append({ peer: payer, voucher, atMs: nowMs }, () => {
      after = this.#put(step(this.channel(account, payer), { type: 'voucher', voucher, nowMs }))
    })
    this.#ports.observe({
      type: 'voucher-booked',
      peer: payer,
      escrow: terms.escrow,
      amountNano: terms.amountNano,
      owedNano: after.owedNano,
    })
    return after
  }

  /** Counts what was just handed to the payer. */
  delivered(account: Account, payer: PeerId, costNano: Nano): Channel {
    return this.#put(step(this.channel(account, payer), { type: 'delivered', costNano }))
  }

  /** A debt paid outside any request: the tokens were received, whatever a crash made these books forget. */
  async acceptDebt(voucher: Voucher, account: Account, payer: PeerId): Promise<Channel> {
    await this.accept(voucher, account, payer)
    return this.#put(step(this.channel(account, payer), { type: 'acknowledged', owedNano: voucher.terms.amountNano }))
  }

  settled(id: ChannelId, settledNano: Nano): void {
    const channel = this.#channels.get(channelKey(id))
    if (channel) this.#put(step(channel, { type: 'settled', settledNano }))
  }

  /** The epoch is over: what was not settled in it never will be. The value that is lost. */
  close(id: ChannelId): Nano {
    const key = channelKey(id)
    const channel = this.#channels.get(key)
    this.#channels.delete(key)
    return channel ? unsettledNano(channel) : 0n
  }

  /** Resolves once the channel with this payer is as `isEnough` wants it; looked at again whenever it changes. */
  async until(
    account: Account,
    payer: PeerId,
    isEnough: (channel: Channel) => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const key = channelKey(this.#idOf(account.escrow))
    while (!isEnough(this.channel(account, payer))) {
      signal.throwIfAborted()
      await new Promise<void>((resolve) => {
        const waiting = this.#waiting.get(key) ?? new Set()
        this.#waiting.set(key, waiting)
        const wake = (): void => {
          waiting.delete(wake)
          if (waiting.size === 0) this.#waiting.delete(key)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        waiting.add(wake)
        signal.addEventListener('abort', wake)
      })
    }
  }

  #idOf({ globalId, address, epoch }: EscrowState): ChannelId {
    return { globalId, escrow: address, epoch, payee: this.#payout }
  }

  #put(channel: Channel): Channel {
    const key = channelKey(channel)
    this.#channels.set(key, channel)
    for (const wake of [...(this.#waiting.get(key) ?? [])]) wake()
    return channel
  }

  *#records(): Iterable<VoucherRecord> {
    for (const { payer, best, dueSinceMs } of this.#channels.values()) {
      if (best) yield { peer: payer, voucher: best, atMs: dueSinceMs ?? this.#ports.clock.now() }
    }
  }
}

// The provider's book: every payer's channel. Persist, then act: a voucher counts once the store holds it.

import { MeshError } from '../../protocol/errors.ts'
import { type Address, type PeerId, publicKeyOf } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { type Voucher, verifyVoucher } from '../../protocol/voucher.ts'
import type { EscrowState, Ports } from '../ports.ts'
import { decodeRecord, encodeRecord } from '../records.ts'
import { type Channel, coveredNano, openChannel, recovered, step, unpaidNano } from './channel.ts'

const log = 'book'
/** The log is rewritten at start when it holds this many entries more than there are channels. */
const staleEntriesMax = 10_000

export class Book {
  readonly #payout: Address
  readonly #ports: Pick<Ports, 'clock' | 'store' | 'observe'>
  readonly #channels = new Map<string, Channel>()
  readonly #waiting = new Map<string, Set<() => void>>()

  constructor(payout: Address, ports: Pick<Ports, 'clock' | 'store' | 'observe'>) {
    this.#payout = payout
    this.#ports = ports
  }

  /** Reads the log; the book of a new home is empty. */
  async recover(): Promise<void> {
    const entries = await this.#ports.store.read(log)
    for (const entry of entries) {
      const { peer, voucher, atMs } = decodeRecord(log, entry)
      const { escrow, epoch } = voucher.terms
      const channel = this.#channels.get(keyOf(escrow, epoch)) ?? openChannel(escrow, epoch, peer)
      this.#put(recovered(step(channel, { type: 'voucher', voucher, nowMs: atMs })))
    }
    if (entries.length - this.#channels.size > staleEntriesMax) await this.#compact()
  }

  channels(): readonly Channel[] {
    return [...this.#channels.values()]
  }

  channel(escrow: EscrowState, payer: PeerId): Channel {
    return this.#channels.get(keyOf(escrow.address, escrow.epoch)) ?? openChannel(escrow.address, escrow.epoch, payer)
  }

  /**
   * Takes a payer's voucher. Resolves when it is durable; one that adds nothing resolves at once.
   * Throws `voucher-invalid` for wrong terms or signature.
   */
  async accept(voucher: Voucher, escrow: EscrowState, payer: PeerId): Promise<Channel> {
    const { terms } = voucher
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
    const before = this.channel(escrow, payer)
    if (terms.amountNano <= coveredNano(before)) return before
    if (!verifyVoucher(voucher, publicKeyOf(payer))) {
      throw new MeshError('voucher-invalid', `voucher of ${terms.amountNano} nano is not signed by ${payer}`)
    }
    const nowMs = this.#ports.clock.now()
    await this.#ports.store.append(log, encodeRecord({ peer: payer, voucher, atMs: nowMs }))
    const after = this.#put(step(this.channel(escrow, payer), { type: 'voucher', voucher, nowMs }))
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
  delivered(escrow: EscrowState, payer: PeerId, costNano: Nano): Channel {
    return this.#put(step(this.channel(escrow, payer), { type: 'delivered', costNano }))
  }

  settled(escrow: Address, epoch: number, settledNano: Nano): void {
    const channel = this.#channels.get(keyOf(escrow, epoch))
    if (channel) this.#put(step(channel, { type: 'settled', settledNano }))
  }

  /** Resolves once no more than `nano` of the channel is unpaid. */
  async paidWithin(escrow: EscrowState, payer: PeerId, nano: Nano, signal: AbortSignal): Promise<void> {
    const key = keyOf(escrow.address, escrow.epoch)
    while (unpaidNano(this.channel(escrow, payer)) > nano) {
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

  #put(channel: Channel): Channel {
    const key = keyOf(channel.escrow, channel.epoch)
    this.#channels.set(key, channel)
    for (const wake of [...(this.#waiting.get(key) ?? [])]) wake()
    return channel
  }

  async #compact(): Promise<void> {
    const entries = this.channels().flatMap(({ payer, best, dueSinceMs }) =>
      best ? [encodeRecord({ peer: payer, voucher: best, atMs: dueSinceMs ?? this.#ports.clock.now() })] : [],
    )
    await this.#ports.store.rewrite(log, entries)
  }
}

function keyOf(escrow: Address, epoch: number): string {
  return `${escrow}/${epoch}`
}

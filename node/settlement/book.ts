// The provider's book: every payer's channel, and of hubs' channels what each consumer was granted. Persist, then act: a voucher
// counts once the store holds it.

import { MeshError } from '../../protocol/errors.ts'
import { verifyGrant } from '../../protocol/hub.ts'
import { type Address, type PeerId, peerIdOf } from '../../protocol/ids.ts'
import { formatGram, type Nano } from '../../protocol/money.ts'
import { betterVoucher, type Grant, paidNano, tabKey, type Voucher, verifyVoucher } from '../../protocol/voucher.ts'
import type { Line as LedgerLine } from '../ledger/journal.ts'
import type { Sheet } from '../ledger/sheet.ts'
import type { EscrowState, Ports } from '../ports.ts'
import { VoucherLog, type VoucherRecord } from '../records.ts'
import { type Channel, type ChannelId, coveredNano, openChannel, recovered, step, unsettledNano } from './channel.ts'

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
  /** Channels on which something was delivered since these books were opened: what is owed there is known here. */
  readonly #counted = new Set<string>()
  /** Of hubs' channels, by consumer. */
  readonly #lines = new Map<string, Map<PeerId, Line>>()
  readonly #waiting = new Map<string, Set<() => void>>()
  readonly #log: VoucherLog
  readonly #sheet: Sheet | undefined

  /** `log`: of a node that is paid as more than one, each has a book of its own. `sheet`: its part of the ledger. */
  constructor(payout: Address, ports: Pick<Ports, 'clock' | 'store' | 'observe'>, log = 'book', sheet?: Sheet) {
    this.#sheet = sheet
    this.#payout = payout
    this.#ports = ports
    this.#log = new VoucherLog(log, ports.store, () => this.#records())
  }

  /** Reads the log; the book of a new home is empty. */
  async recover(): Promise<void> {
    for (const { peer, voucher, atMs } of await this.#log.read()) {
      const nowMs = Math.min(atMs, this.#ports.clock.now()) // the clock was ahead: a date to come would never be old
      const channel = this.#channels.get(tabKey(voucher.terms)) ?? openChannel(voucher.terms, peer, 0n)
      const booked = this.#put(recovered(step(channel, { type: 'voucher', voucher: withoutGrant(voucher), nowMs })))
      if (!voucher.grant) continue
      const line = this.#granted(booked, this.#lineOf(booked, voucher.grant.consumer), voucher.grant)
      if (line) this.#putLine(booked, { ...line, owedNano: line.grant?.amountNano ?? 0n })
    }
    this.#sheet?.watch(() =>
      this.channels().map((channel) => ({
        ...accountOf(channel),
        countedNano: channel.owedNano,
        coveredNano: coveredNano(channel),
      })),
    )
  }

  channels(): readonly Channel[] {
    return [...this.#channels.values()]
  }

  /**
   * What is between this payer and here in the escrow's epoch; one never seen begins at what the chain has paid already. Where
   * the escrow is a hub's, it is the payer's part of the hub's channel: covered is what was granted.
   */
  channel(account: Account, payer: PeerId): Channel {
    const channel = this.settling(account)
    if (channel.payer === payer) return channel
    const { baseNano, grant, owedNano } = this.#lineOf(channel, payer)
    const best = channel.best && grant && { ...channel.best, grant }
    return { ...channel, payer, owedNano, best, baseNano }
  }

  /** The channel whose best voucher is settled: the payer's, or the hub's that pays for many. */
  settling({ escrow, settledNano }: Account): Channel {
    const id = this.#idOf(escrow)
    return this.#channels.get(tabKey(id)) ?? openChannel(id, peerIdOf(escrow.signer), settledNano)
  }

  /** What the escrow must be able to pay here in all, before anything more is delivered to this payer. */
  claimNano(account: Account, payer: PeerId): Nano {
    const channel = this.settling(account)
    if (channel.payer === payer) return channel.owedNano
    let unpaid = 0n
    for (const { grant, owedNano } of this.#lines.get(tabKey(channel))?.values() ?? []) {
      const nano = owedNano - (grant?.amountNano ?? 0n)
      if (nano > 0n) unpaid += nano
    }
    return coveredNano(channel) + unpaid
  }

  /**
   * Takes a payer's voucher. Resolves when it is durable; one that adds nothing resolves at once. `isOpening`: the payer states
   * what it has paid before it asks for anything. Throws `voucher-invalid` for wrong terms or signature.
   */
  async accept(voucher: Voucher, account: Account, payer: PeerId, isOpening = false): Promise<Channel> {
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
    const signer = peerIdOf(escrow.signer)
    if (signer !== payer) return this.#acceptGranted(voucher, account, payer, isOpening)
    const before = this.channel(account, payer)
    if (terms.amountNano <= coveredNano(before)) return before
    this.#assertSigned(voucher, account)
    const nowMs = this.#ports.clock.now()
    const own = withoutGrant(voucher)
    let after = before
    await this.#append(account, { peer: payer, voucher: own, atMs: nowMs }, () => {
      after = this.#put(step(this.settling(account), { type: 'voucher', voucher: own, nowMs }))
    })
    // nothing was delivered since these books were opened: what is paid beyond them was delivered before, and forgotten
    if (isOpening && !this.#counted.has(tabKey(before))) {
      after = this.#acknowledge(this.settling(account), terms.amountNano)
    }
    this.#observeBooked(voucher, payer, after.owedNano)
    return after
  }

  /**
   * A hub's voucher, with what it grants this payer. Several consumers' come in any order: whose is what is told by the grants,
   * and what all of them may use together is the best voucher. docs/protocol.md §11.4.
   */
  async #acceptGranted(voucher: Voucher, account: Account, payer: PeerId, isOpening: boolean): Promise<Channel> {
    const { grant, terms } = voucher
    if (!grant)
      throw new MeshError('voucher-invalid', `a voucher of hub ${peerIdOf(account.escrow.signer)} without its grant`)
    if (grant.consumer !== payer) {
      throw new MeshError('voucher-invalid', `a grant to ${grant.consumer}, presented by ${payer}`)
    }
    const before = this.settling(account)
    const known = this.#lineOf(before, payer)
    const adds = grant.amountNano > (known.grant?.amountNano ?? 0n)
    if (!adds && terms.amountNano <= coveredNano(before)) return this.channel(account, payer)
    if (terms.amountNano > coveredNano(before)) this.#assertSigned(voucher, account)
    if (adds && !verifyGrant(voucher, account.escrow.signer)) {
      const hub = peerIdOf(account.escrow.signer)
      throw new MeshError(
        'voucher-invalid',
        `a grant of ${formatGram(grant.amountNano)} GRAM that is not signed by hub ${hub}`,
      )
    }
    const nowMs = this.#ports.clock.now()
    const booked = (): Channel =>
      step(this.settling(account), { type: 'voucher', voucher: withoutGrant(voucher), nowMs })
    // books that the chain has paid more than they know of have forgotten what was granted before: it was used
    const isForgotten = isOpening && before.baseNano > 0n && known.grant === undefined && known.owedNano === 0n
    const line = (): Line => {
      const now = this.#lineOf(this.settling(account), payer)
      return isForgotten ? { ...now, owedNano: grant.amountNano, baseNano: grant.amountNano } : now
    }
    this.#assertGrantable(booked(), line(), grant)
    const best = betterVoucher(before.best, voucher) ?? voucher // with it the grant can be counted again
    const peer = peerIdOf(account.escrow.signer)
    await this.#append(account, { peer, voucher: { ...best, grant }, atMs: nowMs }, () => {
      const granted = this.#assertGrantable(booked(), line(), grant) // others' came meanwhile
      this.#put(booked())
      this.#putLine(this.settling(account), granted)
    })
    const after = this.channel(account, payer)
    this.#observeBooked(voucher, payer, after.owedNano)
    return after
  }

  /** The ledger knows before, and after. */
  async #append(account: Account, record: VoucherRecord, apply: () => void): Promise<void> {
    const write = (): Promise<void> => this.#log.append(record, apply)
    const sheet = this.#sheet
    if (!sheet) return write()
    await sheet.raise(accountOf(this.settling(account)), () => write().then(() => record.voucher.terms.amountNano))
  }

  #assertSigned(voucher: Voucher, { escrow }: Account): void {
    if (verifyVoucher(voucher, escrow.signer)) return
    const { amountNano } = voucher.terms
    throw new MeshError(
      'voucher-invalid',
      `voucher of ${formatGram(amountNano)} GRAM is not signed by ${peerIdOf(escrow.signer)}`,
    )
  }

  #assertGrantable(channel: Channel, line: Line, grant: Grant): Line {
    const granted = this.#granted(channel, line, grant)
    if (granted) return granted
    throw new MeshError(
      'voucher-invalid',
      `hub ${channel.payer} has granted more than its best voucher of ${formatGram(coveredNano(channel))} GRAM covers`,
    )
  }

  /** The line with the grant; undefined where the hub's voucher does not cover it beside what others were granted. */
  #granted(channel: Channel, line: Line, grant: Grant): Line | undefined {
    if (grant.amountNano <= (line.grant?.amountNano ?? 0n)) return line
    let sumNano = channel.baseNano + grant.amountNano - line.baseNano
    for (const other of this.#lines.get(tabKey(channel))?.values() ?? []) {
      if (other.consumer !== line.consumer) sumNano += (other.grant?.amountNano ?? 0n) - other.baseNano
    }
    return sumNano <= coveredNano(channel) ? { ...line, grant } : undefined
  }

  #observeBooked({ grant, terms }: Voucher, peer: PeerId, owedNano: Nano): void {
    const amountNano = (grant ?? terms).amountNano
    this.#ports.observe({ type: 'voucher-booked', peer, escrow: terms.escrow, amountNano, owedNano })
  }

  /** A request's line in the ledger. */
  line(account: Account, request: string, digest: string): LedgerLine | undefined {
    return this.#sheet?.request(accountOf(this.settling(account)), { request, digest })
  }

  /** Counts what was just handed to the payer, and on whose line of the ledger. */
  delivered(account: Account, payer: PeerId, costNano: Nano, ledgerLine?: LedgerLine): Channel {
    const channel = this.#put(step(this.settling(account), { type: 'delivered', costNano }))
    this.#counted.add(tabKey(channel))
    if (ledgerLine) ledgerLine.add(costNano)
    else this.#sheet?.granted(accountOf(channel), costNano)
    if (channel.payer === payer) return channel
    const line = this.#lineOf(channel, payer)
    this.#putLine(channel, { ...line, owedNano: line.owedNano + costNano })
    return this.channel(account, payer)
  }

  /** A debt paid outside any request: the tokens were received, whatever a crash made these books forget. */
  async acceptDebt(voucher: Voucher, account: Account, payer: PeerId): Promise<Channel> {
    await this.accept(voucher, account, payer)
    const channel = this.settling(account)
    const owedNano = paidNano(voucher)
    if (channel.payer === payer) return this.#acknowledge(channel, owedNano)
    const line = this.#lineOf(channel, payer)
    if (owedNano > line.owedNano) this.#putLine(channel, { ...line, owedNano })
    return this.channel(account, payer)
  }

  #acknowledge(channel: Channel, owedNano: Nano): Channel {
    const after = this.#put(step(channel, { type: 'acknowledged', owedNano }))
    const forgottenNano = after.owedNano - channel.owedNano
    this.#sheet?.adjusted(accountOf(channel), forgottenNano, 'a debt that these books had forgotten')
    return after
  }

  settled(id: ChannelId, settledNano: Nano): void {
    const channel = this.#channels.get(tabKey(id))
    if (!channel) return
    this.#put(step(channel, { type: 'settled', settledNano }))
    this.#sheet?.settled(accountOf(channel), settledNano)
  }

  /** The epoch is over: what was not settled in it never will be. The value that is lost. */
  close(id: ChannelId): Nano {
    const key = tabKey(id)
    const channel = this.#channels.get(key)
    this.#channels.delete(key)
    this.#counted.delete(key)
    this.#lines.delete(key)
    if (channel) this.#sheet?.closed(accountOf(channel))
    return channel ? unsettledNano(channel) : 0n
  }

  /** Resolves once the channel with this payer is as `isEnough` wants it; looked at again whenever it changes. */
  async until(
    account: Account,
    payer: PeerId,
    isEnough: (channel: Channel) => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const key = tabKey(this.#idOf(account.escrow))
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
    const key = tabKey(channel)
    if (!this.#channels.has(key)) this.#sheet?.opened(accountOf(channel), channel.baseNano)
    this.#channels.set(key, channel)
    this.#wake(key)
    return channel
  }

  #lineOf(channel: ChannelId, consumer: PeerId): Line {
    const known = this.#lines.get(tabKey(channel))?.get(consumer)
    return known ?? { consumer, owedNano: 0n, grant: undefined, baseNano: 0n }
  }

  #putLine(channel: ChannelId, line: Line): void {
    const key = tabKey(channel)
    const lines = this.#lines.get(key) ?? new Map<PeerId, Line>()
    this.#lines.set(key, lines)
    lines.set(line.consumer, line)
    this.#wake(key)
  }

  #wake(key: string): void {
    for (const wake of [...(this.#waiting.get(key) ?? [])]) wake()
  }

  *#records(): Iterable<VoucherRecord> {
    for (const [key, { payer, best, dueSinceMs }] of this.#channels) {
      if (!best) continue
      const atMs = dueSinceMs ?? this.#ports.clock.now()
      const lines = this.#lines.get(key)
      if (!lines) yield { peer: payer, voucher: best, atMs }
      for (const { grant } of lines?.values() ?? []) if (grant) yield { peer: payer, voucher: { ...best, grant }, atMs }
    }
  }
}

/** What one consumer owes here, and what a hub has granted it for that. */
interface Line {
  readonly consumer: PeerId
  readonly owedNano: Nano
  readonly grant: Grant | undefined
  /** Of that, granted before these books begin: part of what the chain had paid by then. */
  readonly baseNano: Nano
}

function accountOf({ payer, ...id }: Channel): ChannelId & { readonly peer: PeerId } {
  return { ...id, peer: payer }
}

function withoutGrant({ signature, terms }: Voucher): Voucher {
  return { terms, signature }
}

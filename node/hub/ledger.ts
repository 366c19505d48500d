// What a hub has promised, durable: to each payee out of its escrow, for each consumer of that, and what it charged whom. Persist,
// then act: a voucher or a grant is on disk before anybody sees it.

import { feeNano, signGrant } from '../../protocol/hub.ts'
import type { Address, PeerId } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { paidNano, signVoucher, tabKey, type Voucher, type VoucherTerms } from '../../protocol/voucher.ts'
import type { Sheet } from '../ledger/sheet.ts'
import type { EscrowState, Ports } from '../ports.ts'
import { VoucherLog, type VoucherRecord } from '../records.ts'

/** Which of a consumer's escrows is charged. */
export interface Payer {
  readonly peer: PeerId
  readonly escrow: Address
  readonly epoch: number
}

/** The hub's own escrow as it is now, and one account it pays. */
export interface PayeeId {
  readonly globalId: number
  readonly escrow: Address
  readonly epoch: number
  readonly payee: Address
}

/** One payee's, in one epoch of the hub's escrow. */
interface Promised extends PayeeId {
  /** The amount of the best voucher: at least what all grants are together. */
  totalNano: Nano
  readonly grants: Map<PeerId, Granted>
}

interface Granted {
  readonly voucher: Voucher
  readonly payer: Payer
}

export interface Increment {
  readonly incrementNano: Nano
  readonly feeNano: Nano
}

export class Ledger {
  readonly #ports: Pick<Ports, 'clock' | 'identity' | 'store'>
  readonly #promised = new Map<string, Promised>()
  /** Charged in all. */
  readonly #charged = new Map<string, Nano>()
  readonly #log: VoucherLog
  readonly #sheet: Sheet | undefined
  /** The last write: those before it are done when it is. Once one failed no other is tried. */
  #writing: Promise<void> = Promise.resolve()

  /** `sheet`: its part of the node's ledger. */
  constructor(ports: Pick<Ports, 'clock' | 'identity' | 'store'>, sheet?: Sheet) {
    this.#ports = ports
    this.#sheet = sheet
    this.#log = new VoucherLog('hub', ports.store, () => this.#records())
  }

  async recover(): Promise<void> {
    for (const { charged, peer, voucher } of await this.#log.read()) {
      if (!charged) continue
      const payer = { peer, escrow: charged.escrow, epoch: charged.epoch }
      this.#raise(voucher.terms, voucher, payer)
      this.#charge(payer, charged.owedNano)
    }
    this.#sheet?.watch(() =>
      [...this.#promised.values()].map(({ totalNano, ...id }) => ({
        ...sharedAccount(id),
        countedNano: totalNano,
        coveredNano: totalNano,
      })),
    )
  }

  /** Resolves when everything counted so far is on disk, and may be told. */
  durable(): Promise<void> {
    return this.#writing
  }

  chargedNano(payer: Payer): Nano {
    return this.#charged.get(payerKey(payer)) ?? 0n
  }

  /** Charged already, as far as a chain that has paid for it tells: these books may be new. */
  atLeast(payer: Payer, chargedNano: Nano): void {
    this.#charge(payer, chargedNano)
  }

  /** The best voucher for a payee with what of it is this consumer's; undefined where nothing was granted. */
  granted(id: PayeeId, consumer: PeerId): Voucher | undefined {
    return this.#promised.get(tabKey(id))?.grants.get(consumer)?.voucher
  }

  /** What these records lack is taken back from who holds it: `voucher` was signed here. */
  returned(voucher: Voucher, payer: Payer, feePpm: number): void {
    const beforeNano = this.#grantedNano(voucher.terms, payer.peer)
    const lostNano = paidNano(voucher) - beforeNano
    const before = this.#of(idOf(voucher.terms)).totalNano
    this.#raise(voucher.terms, voucher, payer)
    this.#tookBack(voucher.terms, before)
    if (lostNano > 0n && voucher.grant)
      this.#charge(payer, this.chargedNano(payer) + lostNano + feeNano(lostNano, feePpm))
  }

  /** What granting this much would add and cost; negative or nothing where as much was granted before. */
  incrementTo(id: PayeeId, consumer: PeerId, creditNano: Nano, feePpm: number): Increment {
    const incrementNano = creditNano - this.#grantedNano(id, consumer)
    return { incrementNano, feeNano: incrementNano > 0n ? feeNano(incrementNano, feePpm) : 0n }
  }

  /** What the chain has paid was promised: these books may be new. */
  paid(id: PayeeId, settledNano: Nano): void {
    const promised = this.#of(id)
    if (settledNano <= promised.totalNano) return
    promised.totalNano = settledNano
    this.#sheet?.opened(sharedAccount(id), settledNano)
  }

  /** Promised to all payees out of this escrow, and not settled there as far as `settled` knows. */
  outstandingNano({ address, epoch, globalId }: EscrowState, settledNano: (payee: Address) => Nano): Nano {
    let sum = 0n
    for (const { epoch: of, escrow, globalId: chain, payee, totalNano } of this.#promised.values()) {
      if (escrow !== address || of !== epoch || chain !== globalId) continue
      const nano = totalNano - settledNano(payee)
      if (nano > 0n) sum += nano
    }
    return sum
  }

  payees({ address, epoch, globalId }: EscrowState): readonly { readonly payee: Address; readonly totalNano: Nano }[] {
    return [...this.#promised.values()].filter(
      (each) => each.escrow === address && each.epoch === epoch && each.globalId === globalId,
    )
  }

  /** Counted in the instant of the call, so that two at once cannot promise the same coins; durable when it resolves. */
  async grant(id: PayeeId, payer: Payer, { feeNano: fee, incrementNano }: Increment): Promise<Voucher> {
    const { clock, identity } = this.#ports
    const totalNano = (this.#promised.get(tabKey(id))?.totalNano ?? 0n) + incrementNano
    const amountNano = this.#grantedNano(id, payer.peer) + incrementNano
    const { epoch, escrow, globalId, payee } = id
    const of = { globalId, escrow, epoch, payee }
    const sign = (message: Uint8Array): Uint8Array => identity.sign(message)
    const voucher = {
      ...signVoucher({ ...of, amountNano: totalNano }, sign),
      grant: signGrant(of, payer.peer, amountNano, sign),
    }
    this.#sheet?.assertSound()
    this.#raise(of, voucher, payer)
    this.#sheet?.granted(sharedAccount(of), incrementNano)
    const owedNano = this.chargedNano(payer) + incrementNano + fee
    this.#charge(payer, owedNano)
    const charged = { escrow: payer.escrow, epoch: payer.epoch, owedNano }
    const before = this.#writing
    const write = (): Promise<void> =>
      this.#log.append({ peer: payer.peer, voucher, atMs: clock.now(), charged }, () => undefined)
    const writing = this.#sheet ? this.#sheet.raise(sharedAccount(of), () => write().then(() => totalNano)) : write()
    this.#writing = Promise.all([before, writing]).then(() => undefined)
    await this.#writing
    return voucher
  }

  #grantedNano(id: PayeeId, consumer: PeerId): Nano {
    const voucher = this.granted(id, consumer)
    return voucher ? paidNano(voucher) : 0n
  }

  #raise({ epoch, escrow, globalId, payee }: PayeeId | VoucherTerms, voucher: Voucher, payer: Payer): void {
    const promised = this.#of({ globalId, escrow, epoch, payee })
    const { amountNano } = voucher.terms
    if (amountNano > promised.totalNano) promised.totalNano = amountNano
    const before = promised.grants.get(payer.peer)
    if (!voucher.grant || (before && paidNano(before.voucher) > voucher.grant.amountNano)) return
    promised.grants.set(payer.peer, { voucher, payer })
    let sumNano = 0n
    for (const { voucher: each } of promised.grants.values()) sumNano += paidNano(each)
    if (sumNano > promised.totalNano) promised.totalNano = sumNano
  }

  /** What these records did not know. */
  #tookBack(terms: VoucherTerms, beforeNano: Nano): void {
    const { totalNano } = this.#of(idOf(terms))
    const account = sharedAccount(terms)
    if (totalNano === beforeNano) return
    this.#sheet?.adopted(account, totalNano)
    this.#sheet?.adjusted(account, totalNano - beforeNano, 'records taken back')
  }

  #of(id: PayeeId): Promised {
    const key = tabKey(id)
    const promised = this.#promised.get(key) ?? { ...id, totalNano: 0n, grants: new Map<PeerId, Granted>() }
    this.#promised.set(key, promised)
    return promised
  }

  #charge(payer: Payer, owedNano: Nano): void {
    const key = payerKey(payer)
    if (owedNano > (this.#charged.get(key) ?? 0n)) this.#charged.set(key, owedNano)
  }

  *#records(): Iterable<VoucherRecord> {
    const atMs = this.#ports.clock.now()
    for (const { grants } of this.#promised.values()) {
      for (const { payer, voucher } of grants.values()) {
        const charged = { escrow: payer.escrow, epoch: payer.epoch, owedNano: this.chargedNano(payer) }
        yield { peer: payer.peer, voucher, atMs, charged }
      }
    }
  }
}

function idOf({ epoch, escrow, globalId, payee }: PayeeId): PayeeId {
  return { globalId, escrow, epoch, payee }
}

/** For the ledger it is one account, of whichever provider is paid there. */
function sharedAccount(id: PayeeId): PayeeId & { readonly peer: undefined } {
  return { ...idOf(id), peer: undefined }
}

function payerKey({ epoch, escrow, peer }: Payer): string {
  return `${peer}/${escrow}/${epoch}`
}

// Where a tab's vouchers come from: signed by this peer, for no more than the day allows, or got from a hub.

import type { Address } from '../../protocol/ids.ts'
import { largest, type Nano } from '../../protocol/money.ts'
import {
  paidNano,
  signVoucher,
  tabKey,
  type Voucher,
  type VoucherTerms,
  verifyVoucher,
} from '../../protocol/voucher.ts'
import type { Ports } from '../ports.ts'
import type { DailySpend } from './daily-spend.ts'

/** Where the vouchers of tabs come from: signed here, or got from a hub. */
export interface VoucherSource {
  /** Out of which the payee is paid. */
  readonly escrow: Address
  /** The log of its tabs. */
  readonly log: string
  /**
   * One that pays its bearer `terms.amountNano` in all; it may pay more. `best` is the one before; where there is none,
   * `baseNano` was paid by those that are forgotten.
   */
  pay(terms: VoucherTerms, best: Voucher | undefined, baseNano: Nano): Voucher | Promise<Voucher>
  /** Whether this voucher came from here: one that a provider gives back. */
  isOwn(voucher: Voucher): boolean
}

export function ownVouchers(escrow: Address, identity: Ports['identity']): VoucherSource {
  return {
    escrow,
    log: 'tabs',
    pay: (terms) => signVoucher(terms, (digest) => identity.sign(digest)),
    isOwn: (voucher) => verifyVoucher(voucher, identity.publicKey),
  }
}

/** Everything signed by it is taken from the day first. */
export function capped(source: VoucherSource, spend: DailySpend): VoucherSource {
  /** By tab of the contract: what was taken for, in all. A voucher that could not be signed is not taken for twice. */
  const takenNano = new Map<string, Nano>()
  return {
    ...source,
    pay: async (terms, best, baseNano) => {
      const key = tabKey(terms)
      const before = largest(takenNano.get(key) ?? 0n, paidOf(best), baseNano)
      const taking = spend.take(terms.amountNano - before)
      takenNano.set(key, largest(before, terms.amountNano))
      try {
        await taking
      } catch (error) {
        takenNano.set(key, before)
        throw error
      }
      return source.pay(terms, best, baseNano)
    },
  }
}

function paidOf(voucher: Voucher | undefined): Nano {
  return voucher ? paidNano(voucher) : 0n
}

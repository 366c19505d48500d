// Compares ledger, books and chain. Pure: what differs and cannot be explained is a mismatch, nothing is guessed.

import type { Address } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import type { Standing } from './books.ts'
import { type Account, accountKey, isFees, type Role } from './entries.ts'
import { type Balance, emptyBalance, type Mismatch } from './sums.ts'

export interface Start {
  readonly mismatches: readonly Mismatch[]
  /** Accounts whose count is healed, and to what. */
  readonly healed: readonly { readonly account: Account; readonly countedNano: Nano; readonly coveredNano: Nano }[]
}

/**
 * After a start, before anything is served. What a voucher covers is durable in the books before the ledger says so, and that
 * the books may be ahead is durable before they are: the books win inside these bounds, and outside them nobody does.
 */
export function compareAtStart(
  balances: ReadonlyMap<string, Balance>,
  standings: ReadonlyMap<string, Standing>,
  /** The ledger is new: what the books hold was there before. */
  isNew: boolean,
  /** Whose tabs the books keep: that of the latest entry of each role. */
  current: ReadonlyMap<Role, Address>,
): Start {
  const mismatches: Mismatch[] = []
  const healed: { readonly account: Account; readonly countedNano: Nano; readonly coveredNano: Nano }[] = []
  for (const [key, { account, coveredNano, unpaidNano }] of standings) {
    const balance = balances.get(key) ?? emptyBalance(account)
    if (balance.isClosed) continue
    if (unpaidNano !== undefined) {
      const owedNano = balance.countedNano - balance.coveredNano
      const isExplained = isNew || balance.isBusy
      const told = { account, left: 'the books', leftNano: unpaidNano, right: 'the ledger', rightNano: owedNano }
      if (owedNano !== unpaidNano && !isExplained) mismatches.push({ ...told, what: 'fees not paid yet' })
      else if (owedNano !== unpaidNano || balance.isBusy) {
        healed.push({ account, countedNano: balance.coveredNano + unpaidNano, coveredNano: balance.coveredNano })
      }
      continue
    }
    const isAhead = coveredNano > balance.coveredNano
    const isExplained = isAhead ? isNew || balance.isBusy : coveredNano === balance.coveredNano
    if (!isExplained) mismatches.push(covered(account, coveredNano, balance.coveredNano))
    // after a start what vouchers cover is all that the books remember of the count
    else if (balance.countedNano !== coveredNano || isAhead || balance.isBusy) {
      healed.push({ account, countedNano: coveredNano, coveredNano })
    }
  }
  for (const [key, balance] of balances) {
    const { account, countedNano, coveredNano, isBusy, isClosed, settledNano } = balance
    if (standings.has(key) || isClosed) continue
    if (isFees(account.role) && countedNano === coveredNano) continue // nothing is owed: the books forget such a peer
    // tabs of an escrow that is no longer used are forgotten with it
    const isSigned = account.role === 'consumer' || account.role === 'granted'
    const isForgotten = isSigned && current.get(account.role) !== account.escrow
    if (coveredNano > 0n && !isForgotten) mismatches.push(covered(account, 0n, coveredNano))
    else if (!isForgotten && (countedNano !== settledNano || isBusy)) {
      healed.push({ account, countedNano: settledNano, coveredNano })
    }
  }
  return { mismatches, healed }
}

/** What a mismatch with the chain is about. */
export const settledByChain = 'settled'

/** What the books of a running node hold of an account. */
export interface Held {
  readonly account: Account
  readonly countedNano: Nano
  readonly coveredNano: Nano
}

/** What of an account is not in its entries yet: requests that run, and what the books took back without writing it. */
export interface Pending {
  readonly runningNano: Nano
  readonly durableNano: Nano
  readonly adoptedNano: Nano
  /** Writes of the books under way: some of them may be done. */
  readonly raising: number
}

export function compareHeld(
  { account, countedNano, coveredNano }: Held,
  balance: Balance,
  pending: Pending,
): readonly Mismatch[] {
  const mismatches: Mismatch[] = []
  const ownCountedNano = balance.countedNano + pending.runningNano
  if (countedNano !== ownCountedNano) {
    const told = { account, left: 'the books', leftNano: countedNano, right: 'the ledger', rightNano: ownCountedNano }
    mismatches.push({ ...told, what: 'delivered' })
  }
  const { adoptedNano, durableNano, raising } = pending
  const ownCoveredNano = adoptedNano > durableNano ? adoptedNano : durableNano
  const isUnderWay = raising > 0 && coveredNano > ownCoveredNano
  if (coveredNano !== ownCoveredNano && !isUnderWay) mismatches.push(covered(account, coveredNano, ownCoveredNano))
  return mismatches
}

/** The chain in the account's epoch. It may have paid more than was seen here, and never less. */
export function compareChain({ account, settledNano }: Balance, chainNano: Nano): readonly Mismatch[] {
  if (chainNano >= settledNano) return []
  const told = { account, left: 'the chain', leftNano: chainNano, right: 'the ledger', rightNano: settledNano }
  return [{ ...told, what: settledByChain }]
}

function covered(account: Account, booksNano: Nano, ledgerNano: Nano): Mismatch {
  const told = { account, left: 'the books', leftNano: booksNano, right: 'the ledger', rightNano: ledgerNano }
  return { ...told, what: 'covered by vouchers' }
}

export function keyOfHeld({ account }: Held): string {
  return accountKey(account)
}

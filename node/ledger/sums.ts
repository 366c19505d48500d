// The running sums of each account, by its entries alone. Pure.

import { formatGram, type Nano } from '../../protocol/money.ts'
import { type Account, accountKey, type Entry, type Sums } from './entries.ts'

export interface Posted {
  readonly amountNano: Nano
  readonly messageHash: string
  readonly atMs: number
}

/** An account as its entries leave it. */
export interface Balance extends Sums {
  readonly account: Account
  /** The books may be ahead. */
  readonly isBusy: boolean
  readonly isClosed: boolean
  /** The chain refused what was claimed last. */
  readonly isRefused: boolean
  readonly posted: Posted | undefined
}

export function emptyBalance(account: Account): Balance {
  const none = { countedNano: 0n, coveredNano: 0n, settledNano: 0n }
  return { account, ...none, isBusy: false, isClosed: false, isRefused: false, posted: undefined }
}

export function afterEntry(before: Balance, entry: Entry): Balance {
  const { atMs, isAtRest, sums } = entry
  const balance = { ...before, ...sums, isBusy: before.isBusy && !isAtRest }
  switch (entry.type) {
    case 'busy':
      return { ...balance, isBusy: true }
    case 'posted': {
      const { amountNano, messageHash } = entry
      return { ...balance, posted: { amountNano, messageHash, atMs }, isRefused: false }
    }
    case 'failed':
      return { ...balance, posted: undefined, isRefused: entry.isRefused }
    case 'settled': {
      const isDone = balance.posted !== undefined && sums.settledNano >= balance.posted.amountNano
      return { ...balance, isRefused: false, posted: isDone ? undefined : balance.posted }
    }
    case 'closed':
      return { ...balance, isClosed: true, posted: undefined }
    case 'carried':
      return { ...balance, isBusy: entry.isBusy, isClosed: entry.isClosed }
    default:
      return balance
  }
}

export interface Mismatch {
  readonly account: Account
  /** What is compared with what, such as `the books` and `the ledger`. */
  readonly left: string
  readonly leftNano: Nano
  readonly right: string
  readonly rightNano: Nano
  readonly what: string
}

/** The entry's own sums follow from the one before; undefined where they do. */
export function brokenSum(before: Balance, { account, nano, sums, type }: Entry): Mismatch | undefined {
  if (type === 'carried') return undefined
  const expectedNano = before.countedNano + nano
  const told = { account, left: 'the entries before', right: 'the running sum' }
  if (sums.countedNano !== expectedNano) {
    return { ...told, leftNano: expectedNano, rightNano: sums.countedNano, what: 'counted by the ledger' }
  }
  if (sums.settledNano < before.settledNano) {
    return { ...told, leftNano: before.settledNano, rightNano: sums.settledNano, what: 'settled by the ledger' }
  }
  return undefined
}

export function balancesOf(entries: readonly Entry[]): {
  readonly balances: ReadonlyMap<string, Balance>
  readonly mismatches: readonly Mismatch[]
} {
  const balances = new Map<string, Balance>()
  const mismatches: Mismatch[] = []
  for (const entry of entries) {
    const key = accountKey(entry.account)
    const before = balances.get(key) ?? emptyBalance(entry.account)
    const broken = brokenSum(before, entry)
    if (broken) mismatches.push(broken)
    balances.set(key, afterEntry(before, entry))
  }
  return { balances, mismatches }
}

export function describeMismatch({ account, left, leftNano, right, rightNano, what }: Mismatch): string {
  const { epoch, escrow, payee, peer, role } = account
  const where = `${role} account of escrow ${escrow}, epoch ${epoch}, paid to ${payee}${peer ? `, peer ${peer}` : ''}`
  return `${what}: ${left} say ${formatGram(leftNano)} GRAM, ${right} says ${formatGram(rightNano)} (${where})`
}

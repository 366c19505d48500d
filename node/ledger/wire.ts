// A ledger as one text, from the node that keeps it to a command that shows it.

import type { Nano } from '../../protocol/money.ts'
import { accountKey, decodeEntry, type Entry, encodeEntry } from './entries.ts'
import type { Journal } from './journal.ts'
import type { Live } from './statement.ts'
import { balancesOf, describeMismatch } from './sums.ts'

export interface Told {
  readonly entries: readonly Entry[]
  readonly accounts: readonly Live[]
  readonly mismatches: readonly ToldMismatch[]
  /** Accounts whose escrow the chain did not show. */
  readonly unseen: number
}

export interface ToldMismatch {
  readonly message: string
  readonly left: string
  readonly leftNano: Nano
  readonly right: string
  readonly rightNano: Nano
}

export function told(journal: Journal): Told {
  const mismatches = journal.mismatches.map((mismatch) => {
    const { left, leftNano, right, rightNano } = mismatch
    return { message: describeMismatch(mismatch), left, leftNano, right, rightNano }
  })
  return { entries: journal.entries(), accounts: journal.live(), mismatches, unseen: journal.unseen }
}

export function encodeTold({ accounts, entries, mismatches, unseen }: Told): string {
  const text = new TextDecoder()
  return JSON.stringify({
    unseen,
    entries: entries.map((entry) => text.decode(encodeEntry(entry))),
    accounts: accounts.map(({ balance, coveredNano, runningNano }) => [
      accountKey(balance.account),
      runningNano.toString(),
      coveredNano.toString(),
    ]),
    mismatches: mismatches.map(({ leftNano, rightNano, ...rest }) => ({
      ...rest,
      leftNano: leftNano.toString(),
      rightNano: rightNano.toString(),
    })),
  })
}

/** Throws where the text is none of this version's. */
export function decodeTold(text: string): Told {
  const raw = JSON.parse(text) as {
    readonly unseen: number
    readonly entries: readonly string[]
    readonly accounts: readonly (readonly [string, string, string])[]
    readonly mismatches: readonly Readonly<Record<keyof ToldMismatch, string>>[]
  }
  const bytes = new TextEncoder()
  const entries = raw.entries.map((entry) => decodeEntry('ledger', bytes.encode(entry)))
  const { balances } = balancesOf(entries)
  const accounts = raw.accounts.flatMap(([key, runningNano, coveredNano]) => {
    const balance = balances.get(key)
    return balance ? [{ balance, runningNano: BigInt(runningNano), coveredNano: BigInt(coveredNano) }] : []
  })
  const mismatches = raw.mismatches.map((each) => ({
    ...each,
    leftNano: BigInt(each.leftNano),
    rightNano: BigInt(each.rightNano),
  }))
  return { entries, accounts, mismatches, unseen: raw.unseen }
}

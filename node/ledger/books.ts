// What the books say, counted from their logs alone: by no code that keeps them.

import type { Nano } from '../../protocol/money.ts'
import { paidNano } from '../../protocol/voucher.ts'
import type { Store } from '../ports.ts'
import { decodeRecord } from '../records.ts'
import { type Account, accountKey, type Role } from './entries.ts'

/** An account of the books: what its best voucher covers. */
export interface Standing {
  readonly account: Account
  readonly coveredNano: Nano
}

const logs: readonly (readonly [string, Role])[] = [
  ['book', 'provider'],
  ['hub-book', 'hub'],
  ['tabs', 'consumer'],
  ['hub-tabs', 'granted'],
]

export async function standingsIn(store: Pick<Store, 'read'>): Promise<ReadonlyMap<string, Standing>> {
  const standings = new Map<string, Standing>()
  for (const [log, role] of logs) {
    for (const bytes of await store.read(log)) {
      const { peer, voucher } = decodeRecord(log, bytes)
      const { epoch, escrow, globalId, payee, amountNano } = voucher.terms
      const account = { role, globalId, escrow, epoch, payee, peer }
      const isPaid = role === 'provider' || role === 'hub' // with the whole voucher, whoever of many it was granted to
      raise(standings, account, isPaid ? amountNano : paidNano(voucher))
    }
  }
  for (const bytes of await store.read('hub')) {
    const { voucher } = decodeRecord('hub', bytes)
    const { epoch, escrow, globalId, payee, amountNano } = voucher.terms
    raise(standings, promisedAccount({ globalId, escrow, epoch, payee }), amountNano)
  }
  return standings
}

/** A hub's promises are kept by account, not by peer. */
export function promisedAccount(id: Omit<Account, 'role' | 'peer'>): Account {
  return { ...id, role: 'promised', peer: undefined }
}

function raise(standings: Map<string, Standing>, account: Account, coveredNano: Nano): void {
  const key = accountKey(account)
  const before = standings.get(key)
  if (!before || coveredNano > before.coveredNano) standings.set(key, { account, coveredNano })
}

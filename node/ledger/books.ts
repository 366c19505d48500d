// What the books say, counted from their logs alone: by no code that keeps them.

import { MeshError } from '../../protocol/errors.ts'
import { type PeerId, parsePeerId } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { paidNano } from '../../protocol/voucher.ts'
import type { Store } from '../ports.ts'
import { decodeRecord, type Raw } from '../records.ts'
import { type Account, accountKey, feeAccount, type Role } from './entries.ts'

/** An account of the books: what its best voucher covers. */
export interface Standing {
  readonly account: Account
  readonly coveredNano: Nano
  /** Of fees, where vouchers of several escrows pay: what was counted and is not covered by any. */
  readonly unpaidNano?: Nano
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
  for (const [log, role] of feeLogs) {
    for (const bytes of await store.read(log)) {
      const { peer, unpaidNano } = unpaidIn(log, bytes)
      const account = { role, ...feeAccount(peer) }
      standings.set(accountKey(account), { account, coveredNano: 0n, unpaidNano })
    }
  }
  return standings
}

const feeLogs: readonly (readonly [string, Role])[] = [
  ['fees', 'fees-paid'],
  ['settler-fees', 'fees-earned'],
]

function unpaidIn(log: string, bytes: Uint8Array): { readonly peer: PeerId; readonly unpaidNano: Nano } {
  try {
    const raw = JSON.parse(new TextDecoder().decode(bytes)) as Raw
    return { peer: parsePeerId(String(raw['peer'])), unpaidNano: BigInt(String(raw['unpaidNano'])) }
  } catch (cause) {
    throw new MeshError('store-failed', `an entry of the log "${log}" cannot be read: ${String(cause)}`, { cause })
  }
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

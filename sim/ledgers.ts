// The nodes' ledgers against each other and against the chain's books, to the nano, once a run has come to rest.

import { accountKey } from '../node/ledger/entries.ts'
import { type Balance, balancesOf, describeMismatch } from '../node/ledger/sums.ts'
import { largest, type Nano } from '../protocol/money.ts'
import type { Audit, PeerLedger } from './world.ts'

export interface Reconciled {
  /** What cannot be. */
  readonly findings: readonly string[]
  readonly figures: Readonly<Record<string, number>>
}

/** Ledger and books of nodes that run, at any moment. */
export function differencesNow(ledgers: readonly PeerLedger[]): readonly string[] {
  return ledgers
    .filter(({ isUp }) => isUp)
    .flatMap(({ ledger, peer }) =>
      [...ledger.mismatches, ...ledger.checkBooks()].map((mismatch) => `${peer}: ${describeMismatch(mismatch)}`),
    )
}

/** Of nodes that were stopped in order: what was killed and never came back has told nobody its last lines. */
export function reconcile(ledgers: readonly PeerLedger[], { channels }: Audit): Reconciled {
  const findings: string[] = []
  const paid = new Map<string, Nano>()
  const signed = new Map<string, Nano>()
  const settled = new Map<string, Nano>()
  for (const { ledger, peer } of ledgers) {
    const { balances, mismatches } = balancesOf(ledger.entries())
    for (const mismatch of mismatches) findings.push(`${peer}: ${describeMismatch(mismatch)}`)
    for (const balance of balances.values()) {
      const { account } = balance
      const kept = ledger.balances().get(accountKey(account))
      if (kept?.countedNano !== balance.countedNano)
        findings.push(`${peer}: its lines add up to ${balance.countedNano} nano`)
      const key = `${account.escrow}/${account.payee}`
      if (account.role === 'provider' || account.role === 'hub') {
        paid.set(key, worthNano(balance))
        settled.set(key, balance.settledNano)
      } else if (account.role === 'consumer') signed.set(key, (signed.get(key) ?? 0n) + worthNano(balance))
    }
  }
  let gapNano = 0n
  let chainNano = 0n
  let untoldNano = 0n
  for (const { consumer, escrow, payee, provider, settledNano } of channels) {
    const key = `${escrow}/${payee}`
    const seenNano = settled.get(key)
    if (seenNano === undefined) continue // of a provider that did not stop in order
    chainNano += settledNano
    if (seenNano > settledNano) {
      findings.push(`${provider}: ${seenNano} nano of ${consumer} settled by its ledger, ${settledNano} by the chain`)
    }
    gapNano += settledNano - seenNano
    const signedNano = signed.get(key)
    const earnedNano = paid.get(key) ?? 0n
    if (signedNano === undefined) continue
    if (earnedNano > signedNano) {
      findings.push(`${provider} earned ${earnedNano} nano of ${consumer}, whose ledger has signed ${signedNano}`)
    }
    untoldNano += signedNano - earnedNano
  }
  const sum = (amounts: Iterable<Nano>): number => Number([...amounts].reduce((total, nano) => total + nano, 0n))
  return {
    findings,
    figures: {
      ledgerEarnedNano: sum(paid.values()),
      ledgerSpentNano: sum(signed.values()),
      ledgerSettledNano: sum(settled.values()),
      ledgerChainNano: Number(chainNano),
      ledgerUnsettledNano: sum(paid.values()) - sum(settled.values()),
      ledgerGapNano: Number(gapNano),
      ledgerUntoldNano: Number(untoldNano),
      ledgerLines: ledgers.reduce((lines, { ledger }) => lines + ledger.entries().length, 0),
    },
  }
}

function worthNano({ coveredNano, settledNano }: Balance): Nano {
  return largest(coveredNano, settledNano)
}

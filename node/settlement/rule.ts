// Settle or wait: one pure rule for providers and settlers, from what settling costs now and what waiting could lose.

import type { Nano } from '../../protocol/money.ts'

/** What is known of one voucher that could be settled. */
export interface SettleCase {
  /** Covered by the voucher and not yet paid. */
  readonly unsettledNano: Nano
  /** What the escrow could pay this payee now; undefined where it was not read. */
  readonly payableNano?: Nano | undefined
  /** What the escrow pays to others in a watch interval, by its last two reads. */
  readonly drainNano?: Nano | undefined
  /** How long the oldest unsettled value has waited. */
  readonly ageMs: number
  /** 0 while the escrow is open; else when its owner may take what is left, Unix milliseconds. */
  readonly unlockAtMs: number
  /** Whoever owns the voucher wants it settled whatever it costs: a drain, or a settler was asked to. */
  readonly isWanted: boolean
  /** Vouchers that go in the same message, this one included. */
  readonly batch: number
}

export interface SettlePolicy {
  /** Worth settling alone, at the fees of August 2026. */
  readonly thresholdNano: Nano
  readonly ageMsMax: number
  /** Below this the chain refuses. Proportional to its fees, so it is also how they are known to have changed. */
  readonly settleNanoMin: Nano
}

export type SettleReason =
  /** Settle. */
  | 'wanted'
  | 'closing'
  | 'draining'
  | 'worth it'
  | 'old'
  /** Wait. */
  | 'nothing unsettled'
  | 'below the least'
  | 'fee spike'
  | 'escrow empty'
  | 'small'

export interface SettleDecision {
  readonly isDue: boolean
  readonly reason: SettleReason
  /** What the network would take of it now, about. */
  readonly feeNano: Nano
}

/** At these fees the least that the chain settles is `leastReferenceNano`. */
export const leastReferenceNano: Nano = 5_000_000n
const aloneReferenceNano: Nano = 842_378n
/** Nano a voucher in a batch of so many, as docs/contract.md §9 measures it with 15 payees in the ledger. */
const feeCurve: readonly (readonly [batch: number, nano: Nano])[] = [
  [10, 662_643n],
  [5, 691_851n],
  [2, 783_681n],
]

/** What the network takes of one voucher of a batch, about, at the prices in force. */
export function networkFeeNano(batch: number, settleNanoMin: Nano): Nano {
  const [, nano] = feeCurve.find(([size]) => size <= batch) ?? [1, aloneReferenceNano]
  return (nano * settleNanoMin) / leastReferenceNano
}

/** A threshold says which share of a payout may go to the network, so it moves with the fee. It is never lowered by cheap times. */
function worthNano({ settleNanoMin, thresholdNano }: SettlePolicy, batch: number): Nano {
  const feeNano = networkFeeNano(batch, settleNanoMin > leastReferenceNano ? settleNanoMin : leastReferenceNano)
  return (thresholdNano * feeNano) / aloneReferenceNano
}

export function settleOrWait(
  { ageMs, batch, drainNano = 0n, isWanted, payableNano, unlockAtMs, unsettledNano }: SettleCase,
  policy: SettlePolicy,
): SettleDecision {
  const { ageMsMax, settleNanoMin, thresholdNano } = policy
  const feeNano = networkFeeNano(batch, settleNanoMin)
  const settle = (reason: SettleReason): SettleDecision => ({ isDue: true, reason, feeNano })
  const wait = (reason: SettleReason): SettleDecision => ({ isDue: false, reason, feeNano })
  const isSpike = settleNanoMin > leastReferenceNano && unsettledNano >= thresholdNano
  if (unsettledNano <= 0n) return wait('nothing unsettled')
  if (unsettledNano < settleNanoMin) return wait(isSpike ? 'fee spike' : 'below the least')
  if (payableNano !== undefined && payableNano < settleNanoMin) return wait('escrow empty')
  if (unlockAtMs !== 0) return settle('closing')
  if (isWanted) return settle('wanted')
  if (drainNano > 0n && payableNano !== undefined && payableNano - 2n * drainNano < unsettledNano)
    return settle('draining')
  if (unsettledNano >= worthNano(policy, batch)) return settle('worth it')
  if (ageMs >= ageMsMax) return settle('old')
  return wait(isSpike ? 'fee spike' : 'small')
}

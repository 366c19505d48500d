// What the node's key signs for in a day, as the gateway tells its owner: amounts as decimal strings of nano.

import type { SpendOfDay } from '../inference.ts'

export interface SpendView {
  readonly object: 'silkmesh.spend'
  /** Null where no cap is set, like all that follows. */
  readonly cap_nano: string | null
  readonly spent_nano: string | null
  readonly promised_nano: string | null
  readonly left_nano: string | null
  /** Unix seconds. */
  readonly resets: number | null
}

export function spendView(spend: SpendOfDay | undefined): SpendView {
  return {
    object: 'silkmesh.spend',
    cap_nano: spend?.capNano.toString() ?? null,
    spent_nano: spend?.spentNano.toString() ?? null,
    promised_nano: spend?.promisedNano.toString() ?? null,
    left_nano: spend?.leftNano.toString() ?? null,
    resets: spend ? spend.resetsAtMs / 1_000 : null,
  }
}

export function spendOfView(view: Partial<SpendView>): SpendOfDay | undefined {
  const { cap_nano: cap, left_nano: left, promised_nano: promised, resets, spent_nano: spent } = view
  if (!cap || !spent || !promised || !left || !resets) return undefined
  return {
    capNano: BigInt(cap),
    spentNano: BigInt(spent),
    promisedNano: BigInt(promised),
    leftNano: BigInt(left),
    resetsAtMs: resets * 1_000,
  }
}

// Why each voucher is settled or waits, told once whenever it changes.

import type { Address } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import type { Observe } from '../ports.ts'
import type { SettleDecision, SettleReason } from './rule.ts'

/** Channels remembered; the first noted goes first, and is told again. */
const channelsMax = 10_000

/** How a channel begins and where it returns to; and what somebody else decided. */
const quiet: ReadonlySet<SettleReason> = new Set(['nothing unsettled', 'below the least', 'small', 'wanted'])

export class Reasons {
  readonly #observe: Observe
  readonly #last = new Map<string, SettleReason>()

  constructor(observe: Observe) {
    this.#observe = observe
  }

  note(channel: string, escrow: Address, unsettledNano: Nano, { feeNano, isDue, reason }: SettleDecision): void {
    const before = this.#last.get(channel)
    if (before === reason || (before === undefined && quiet.has(reason))) return
    this.#last.set(channel, reason)
    const [first] = this.#last.keys()
    if (this.#last.size > channelsMax && first !== undefined) this.#last.delete(first)
    if (quiet.has(reason) && before !== undefined && quiet.has(before)) return
    this.#observe({ type: 'settle-decided', escrow, isDue, reason, unsettledNano, feeNano })
  }

  forget(channel: string): void {
    this.#last.delete(channel)
  }
}

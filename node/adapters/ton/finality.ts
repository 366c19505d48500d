// What has been paid for good: a payment counts once the chain has shown it for a while, so that a fork that undoes it is
// seen as a payment that has not come yet.

import type { Nano } from '../../../protocol/money.ts'
import type { Clock, PayeeState } from '../../ports.ts'

/** Payees whose payments are followed; the one unread longest is forgotten first. */
const payeesMax = 20_000

interface Shown {
  readonly settledNano: Nano
  /** First seen, and not undone since. */
  readonly sinceMs: number
}

export class Finality {
  readonly #clock: Clock
  readonly #finalityMs: number
  /** By escrow and payee: what is final, first, then what is not yet, in the order it was paid. */
  readonly #shown = new Map<string, readonly [Shown, ...Shown[]]>()

  constructor(clock: Clock, finalityMs: number) {
    this.#clock = clock
    this.#finalityMs = finalityMs
  }

  /**
   * `now` with what is not final yet counted as payable, so that the two together are what they are on chain. The first
   * reading of a payee is believed: how long the chain has shown it is not known.
   */
  settled(key: string, now: PayeeState): PayeeState {
    if (this.#finalityMs === 0) return now
    const nowMs = this.#clock.now()
    const [final, ...later] = this.#shown.get(key) ?? [{ settledNano: now.settledNano, sinceMs: nowMs }]
    // a new epoch begins at 0; a fork undoes what came last
    const stands = [final, ...later].filter(({ settledNano }) => settledNano <= now.settledNano)
    const last = stands.at(-1)
    if (last?.settledNano !== now.settledNano) stands.push({ settledNano: now.settledNano, sinceMs: nowMs })
    const isFinal = (shown: Shown): boolean => shown === final || nowMs - shown.sinceMs >= this.#finalityMs
    const from = Math.max(0, stands.findLastIndex(isFinal))
    const [first = final, ...rest] = stands.slice(from)
    this.#remember(key, [first, ...rest])
    return {
      ...now,
      settledNano: first.settledNano,
      payableNano: now.payableNano + now.settledNano - first.settledNano,
    }
  }

  #remember(key: string, shown: readonly [Shown, ...Shown[]]): void {
    this.#shown.delete(key)
    this.#shown.set(key, shown)
    const [oldest] = this.#shown.keys()
    if (this.#shown.size > payeesMax && oldest !== undefined) this.#shown.delete(oldest)
  }
}

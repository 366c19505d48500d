// How fast others empty an escrow, by its last two reads.

import type { Address } from '../../protocol/ids.ts'
import { keep } from '../../protocol/keep.ts'
import type { Nano } from '../../protocol/money.ts'

/** Escrows remembered, the one read longest ago goes first. */
const escrowsMax = 10_000

interface Read {
  readonly atMs: number
  readonly freeNano: Nano
  readonly drainNano: Nano
}

export class DrainMeter {
  readonly #intervalMs: number
  readonly #reads = new Map<Address, Read>()

  /** What is told is for so long a time. */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs
  }

  /**
   * A read of an escrow: what leaves it in an interval. `ownNano` of the difference was paid here. A deposit hides what was
   * paid before it; the next interval shows it. Reads that follow closely change nothing: one settle is no trend.
   */
  note(escrow: Address, freeNano: Nano, ownNano: Nano, nowMs: number): Nano {
    const before = this.#reads.get(escrow)
    const elapsedMs = nowMs - (before?.atMs ?? nowMs)
    if (before && elapsedMs < this.#intervalMs / 2) return before.drainNano
    const leftNano = before ? before.freeNano - freeNano - ownNano : 0n
    const drainNano = leftNano > 0n ? (leftNano * BigInt(this.#intervalMs)) / BigInt(Math.max(1, elapsedMs)) : 0n
    return keep(this.#reads, escrow, { atMs: nowMs, freeNano, drainNano }, escrowsMax).drainNano
  }
}

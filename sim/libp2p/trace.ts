// A run as one hash: everything that was seen, in order, with its virtual time. Equal hashes are equal runs.

import { createHash } from 'node:crypto'
import { epochMs, type Scheduler } from '../kernel.ts'
import type { Tap } from './socket.ts'

export class Trace {
  readonly #scheduler: Scheduler
  readonly #hash = createHash('sha256')
  #lines = 0

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  get lines(): number {
    return this.#lines
  }

  /** Packets, for the simulated internet to call. */
  readonly tap: Tap = (what, from, to, bytes) => this.note(what, from.spot.name, to.spot.name, bytes)

  note(...facts: readonly unknown[]): void {
    this.#lines += 1
    const atMs = this.#scheduler.now() - epochMs
    this.#hash.update(
      `${atMs} ${JSON.stringify(facts, (_, value) => (typeof value === 'bigint' ? `${value}` : value))}\n`,
    )
  }

  /** Of all so far. */
  digest(): string {
    return this.#hash.copy().digest('hex')
  }
}

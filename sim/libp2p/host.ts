// A machine that runs one incarnation of a node: all it sets in motion is its own, waits while it is frozen, and never
// happens once it was killed. Timers and packets ask here, so a node of real libp2p dies between two instructions.

import { AsyncLocalStorage } from 'node:async_hooks'
import type { Scheduler } from '../kernel.ts'
import { Life } from '../life.ts'
import type { SeededRandom } from '../random.ts'

/** Follows every promise and callback of the code that a host entered. */
const running = new AsyncLocalStorage<Host>()

export class Host {
  readonly name: string
  readonly life = new Life()
  /** What libp2p draws from as if it were ambient. */
  readonly random: SeededRandom
  readonly #scheduler: Scheduler

  constructor(name: string, scheduler: Scheduler, random: SeededRandom) {
    this.name = name
    this.random = random
    this.#scheduler = scheduler
  }

  /** Runs the work, and all that comes of it, as this host's. */
  enter<T>(work: () => T): T {
    return running.run(this, work)
  }

  /** Runs it now; after the thaw while frozen, one event each; never when this host is dead. */
  act(act: () => void): void {
    let isNow = true
    this.life.act(() => {
      if (isNow) running.run(this, act)
      else this.#scheduler.at(this.#scheduler.now(), () => this.act(act))
    })
    isNow = false
  }
}

/** Whose code runs; undefined for the simulation's own. */
export function runningHost(): Host | undefined {
  return running.getStore()
}

// One incarnation of a node: its ports work while it lives. After a kill nothing it awaited ever settles, as if the power went.

import type { Clock } from '../node/ports.ts'
import type { Scheduler } from './kernel.ts'

export class Life {
  #isOver = false
  readonly #ends: (() => void)[] = []
  /** What was due while it was frozen, in order; undefined while it is not. */
  #held: (() => void)[] | undefined

  get isOver(): boolean {
    return this.#isOver
  }

  /** Stopped as by SIGSTOP: what is due waits for `thaw`. */
  freeze(): void {
    this.#held ??= []
  }

  thaw(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const act of held) this.act(act)
  }

  /** Now; after `thaw` where frozen; never where this life is over. */
  act(act: () => void): void {
    if (this.#isOver) return
    if (this.#held) this.#held.push(act)
    else act()
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const end of this.#ends.splice(0)) end()
  }

  onEnd(end: () => void): void {
    this.#ends.push(end)
  }

  /** Settles as the promise does while this life lasts, and never after. */
  during<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.act(() => resolve(value)),
        (error) => this.act(() => reject(error)),
      )
    })
  }
}

/** The clock port of one node over virtual time. `skewMs` is how far this machine's clock is off. */
export function clockOf(scheduler: Scheduler, life: Life, skewMs = 0): Clock {
  return {
    now: () => Math.floor(scheduler.now() + skewMs),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (life.isOver) return
        if (signal?.aborted) {
          reject(signal.reason)
          return
        }
        const abort = (): void => {
          timer.cancel()
          if (!life.isOver) reject(signal?.reason)
        }
        const timer = scheduler.at(scheduler.now() + Math.max(0, ms), () => {
          signal?.removeEventListener('abort', abort)
          life.act(resolve)
        })
        signal?.addEventListener('abort', abort, { once: true })
      }),
  }
}

// A clock that stands still until a test moves it.

import type { Clock } from '../node/ports.ts'

interface Sleeper {
  readonly atMs: number
  readonly wake: () => void
}

export class ManualClock implements Clock {
  #nowMs: number
  /** In the order they wake: by time, then by who slept first. */
  #sleepers: readonly Sleeper[] = []

  constructor(startMs = 1_800_000_000_000) {
    this.#nowMs = startMs
  }

  /** How many wait now. */
  get sleepers(): number {
    return this.#sleepers.length
  }

  now(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      const leave = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
        signal?.removeEventListener('abort', abort)
      }
      const abort = (): void => {
        leave()
        reject(signal?.reason)
      }
      const wake = (): void => {
        leave()
        resolve()
      }
      const sleeper = { atMs: this.#nowMs + Math.max(0, Math.ceil(ms)), wake }
      signal?.addEventListener('abort', abort)
      this.#sleepers = [...this.#sleepers, sleeper].toSorted((a, b) => a.atMs - b.atMs)
    })
  }

  /** Lets this much time pass; whatever it wakes has run as far as it can when this resolves. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    await quiet()
    for (let next = this.#sleepers[0]; next && next.atMs <= untilMs; next = this.#sleepers[0]) {
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.wake()
      await quiet()
    }
    this.#nowMs = untilMs
  }

  /** The machine's clock is set ahead, as after it slept: who sleeps here sleeps on for as long as before. */
  leap(ms: number): void {
    this.#nowMs += ms
    this.#sleepers = this.#sleepers.map((sleeper) => Object.assign(sleeper, { atMs: sleeper.atMs + ms }))
  }

  /** Lets time pass from one sleeper to the next until the work is done. Throws where nothing is left to wait for. */
  async finish<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const done = (): void => {
      isDone = true
    }
    work.then(done, done)
    await quiet()
    while (!isDone) {
      const next = this.#sleepers[0]
      if (!next) throw new Error('nobody sleeps, and the work is not done')
      await this.advance(Math.max(0, next.atMs - this.#nowMs))
    }
    return work
  }
}

/** Resolves when everything that could run without time has run. */
export function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

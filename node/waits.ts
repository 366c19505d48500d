// Waiting with a bound, on ports only: a deadline for one promise, a watchdog for a stream, a delay that grows.

import { MeshError } from '../protocol/errors.ts'
import type { Clock, Random } from './ports.ts'

/** What ends a wait that is over anyway. Without a reason of its own each `abort` makes an error with a stack. */
const over = new MeshError('cancelled', 'nobody waits any more')

/**
 * The promise, or a `timeout` that says what took too long. `work` gets a signal that fires on the deadline and on the
 * caller's own signal, so that what it waits for is let go.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const done = new AbortController()
  const expiry = new AbortController()
  // by hand: a signal made of two costs several times what these do, and a node waits all the time
  const leave = (): void => {
    expiry.abort(signal?.reason)
    done.abort(over)
  }
  if (signal?.aborted) leave()
  else signal?.addEventListener('abort', leave)
  const deadline = clock.sleep(ms, done.signal).then(() => {
    throw new MeshError('timeout', `${what} took longer than ${ms} ms`)
  })
  try {
    return await Promise.race([work(expiry.signal), deadline])
  } catch (error) {
    if (error instanceof MeshError && error.code === 'timeout') expiry.abort(error)
    throw signal?.aborted ? cancelled(signal) : error
  } finally {
    signal?.removeEventListener('abort', leave)
    deadline.catch(() => undefined) // the sleep's own rejection when it is let go
    done.abort(over)
  }
}

/** The promise, or the signal's reason as soon as it fires: for work that cannot be told to stop and may end unseen. */
export async function unlessCancelled<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined) // where it fails after it was left
  if (signal.aborted) throw cancelled(signal)
  const { promise, reject } = Promise.withResolvers<never>()
  const leave = (): void => reject(cancelled(signal))
  signal.addEventListener('abort', leave)
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

export function cancelled(signal: AbortSignal): MeshError {
  const reason: unknown = signal.reason
  return reason instanceof MeshError
    ? reason
    : new MeshError('cancelled', 'the request was cancelled', { cause: reason })
}

/** Calls `expire` once when it was not rearmed in time: one timer for a stream, however many frames pass. */
export class Watchdog {
  readonly #clock: Clock
  readonly #expire: (error: MeshError) => void
  readonly #done = new AbortController()
  #dueAtMs = Number.POSITIVE_INFINITY
  #what = ''
  #ms = 0
  /** Set while somebody sleeps; until `#wakesAtMs`, unless woken. */
  #wake: AbortController | undefined
  #wakesAtMs = Number.POSITIVE_INFINITY

  constructor(clock: Clock, expire: (error: MeshError) => void) {
    this.#clock = clock
    this.#expire = expire
  }

  /** From now on the next thing must happen within `ms`. */
  arm(ms: number, what: string): void {
    this.#ms = ms
    this.#what = what
    this.#dueAtMs = this.#clock.now() + ms
    if (this.#wake === undefined) void this.#watch()
    else if (this.#dueAtMs < this.#wakesAtMs) this.#wake.abort(over)
  }

  /** Nothing is due until armed again. Costs nothing: the sleeper finds out when it wakes. */
  disarm(): void {
    this.#dueAtMs = Number.POSITIVE_INFINITY
  }

  end(): void {
    this.#done.abort(over)
    this.#wake?.abort(over)
  }

  async #watch(): Promise<void> {
    while (!this.#done.signal.aborted && this.#dueAtMs !== Number.POSITIVE_INFINITY) {
      const leftMs = this.#dueAtMs - this.#clock.now()
      if (leftMs <= 0) {
        this.#done.abort(over)
        this.#expire(new MeshError('timeout', `${this.#what} took longer than ${this.#ms} ms`))
        return
      }
      this.#wake = new AbortController()
      this.#wakesAtMs = this.#dueAtMs
      await this.#clock.sleep(leftMs, this.#wake.signal).catch(() => undefined) // woken: look again
    }
    this.#wake = undefined
  }
}

/** Between 80 % and 120 % of `ms`: periodic work of many peers must not fall into step. */
export function jittered(ms: number, random: Random): number {
  return Math.round(ms * (0.8 + 0.4 * random.next()))
}

/**
 * Repeats `work` until the signal fires. A failure is reported and does not end the loop. `pausing` is given, once for each
 * pause, what ends it early; the next one is as long as `ms` says then.
 */
export async function every(
  clock: Clock,
  random: Random,
  ms: number | (() => number),
  signal: AbortSignal,
  work: () => Promise<void>,
  failed: (error: unknown) => void,
  pausing?: (wake: () => void) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await work()
    } catch (error) {
      if (!signal.aborted) failed(error)
    }
    let ends = signal
    if (pausing) {
      const pause = new AbortController()
      pausing(() => pause.abort(over))
      ends = AbortSignal.any([signal, pause.signal])
    }
    await clock.sleep(jittered(typeof ms === 'number' ? ms : ms(), random), ends).catch(() => undefined)
  }
}

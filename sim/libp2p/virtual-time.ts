// Virtual time for code that reads ambient time: while installed, the globals it knows – timers, dates, `performance`,
// `AbortSignal.timeout` – run on the scheduler. Install it before the code is loaded that should live in it.

import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers'
import timersPromises from 'node:timers/promises'
import { promisify } from 'node:util'
import { epochMs, type Scheduler, type Timer } from '../kernel.ts'
import { type Host, runningHost } from './host.ts'

type Callback = (...values: unknown[]) => void

/** The function returned puts the real globals back. */
export function installVirtualTime(scheduler: Scheduler): () => void {
  const sinceEpochMs = (): number => scheduler.now() - epochMs
  const numbered = new Map<number, VirtualTimer>()
  const start = (delayMs: number, isRepeated: boolean, callback: Callback, values: unknown[]): VirtualTimer =>
    new VirtualTimer(scheduler, numbered, delayMs, isRepeated, () => callback(...values))
  const clear = (timer: unknown): void => {
    const found = typeof timer === 'number' || typeof timer === 'string' ? numbered.get(Number(timer)) : timer
    if (found instanceof VirtualTimer) found.close()
  }
  const functions = {
    setTimeout: (callback: Callback, delayMs?: number, ...values: unknown[]) =>
      start(heldByTimer(delayMs), false, callback, values),
    setInterval: (callback: Callback, delayMs?: number, ...values: unknown[]) =>
      start(heldByTimer(delayMs), true, callback, values),
    setImmediate: (callback: Callback, ...values: unknown[]) => start(0, false, callback, values),
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate: clear,
  }
  const later = (delayMs: number, value: unknown, { signal }: { signal?: AbortSignal } = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const abort = (): void => {
        timer.close()
        reject(signal?.reason)
      }
      const timer = start(delayMs, false, resolve, [value])
      if (signal?.aborted) abort()
      else signal?.addEventListener('abort', abort, { once: true })
    })
  const promised = {
    setTimeout: (delayMs?: number, value?: unknown, options?: { signal?: AbortSignal }) =>
      later(heldByTimer(delayMs), value, options),
    setImmediate: (value?: unknown, options?: { signal?: AbortSignal }) => later(0, value, options),
    setInterval: () => {
      throw new TypeError('timers/promises.setInterval does not run in virtual time')
    },
  }
  Object.defineProperty(functions.setTimeout, promisify.custom, { value: promised.setTimeout })
  Object.defineProperty(functions.setImmediate, promisify.custom, { value: promised.setImmediate })

  const elapsedNs = (): bigint => BigInt(Math.round(sinceEpochMs() * 1e6))
  const hrtime = (before: readonly [number, number] = [0, 0]): [number, number] => {
    const ns = elapsedNs() - BigInt(before[0]) * 1_000_000_000n - BigInt(before[1])
    return [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)]
  }
  const undo = [
    ...replaceAll(globalThis, { ...functions, Date: dateOf(scheduler) }),
    ...replaceAll(timers, functions),
    ...replaceAll(timersPromises, promised),
    ...replaceAll(performance, { now: sinceEpochMs, timeOrigin: epochMs }),
    ...replaceAll(process, { hrtime: Object.assign(hrtime, { bigint: elapsedNs }) }),
    ...replaceAll(AbortSignal, { timeout: (ms: number) => expiringSignal(ms, start) }),
  ]
  syncBuiltinESMExports()
  return () => {
    for (const put of undo.toReversed()) put()
    syncBuiltinESMExports()
  }
}

/** Gives the object these properties. Each function returned puts one back. */
export function replaceAll(target: object, properties: Readonly<Record<string, unknown>>): (() => void)[] {
  return Object.entries(properties).map(([key, value]) => {
    const before = Object.getOwnPropertyDescriptor(target, key)
    Object.defineProperty(target, key, {
      value,
      configurable: true,
      writable: true,
      enumerable: before?.enumerable ?? true,
    })
    return () => {
      if (before) Object.defineProperty(target, key, before)
      else Reflect.deleteProperty(target, key)
    }
  })
}

/** What Node makes of a delay. */
function heldByTimer(delayMs: unknown): number {
  const ms = Number(delayMs)
  return ms >= 1 && ms < 2 ** 31 ? ms : 1
}

let lastNumber = 0

/** What `setTimeout` and its siblings return. Nothing keeps a virtual process alive, so it has no use for `ref`. */
class VirtualTimer {
  readonly #scheduler: Scheduler
  readonly #numbered: Map<number, VirtualTimer>
  readonly #host: Host | undefined = runningHost()
  readonly #delayMs: number
  readonly #isRepeated: boolean
  #act: (() => void) | undefined
  #entry: Timer
  #number: number | undefined

  constructor(
    scheduler: Scheduler,
    numbered: Map<number, VirtualTimer>,
    delayMs: number,
    isRepeated: boolean,
    act: () => void,
  ) {
    this.#scheduler = scheduler
    this.#numbered = numbered
    this.#delayMs = delayMs
    this.#isRepeated = isRepeated
    this.#act = act
    this.#entry = this.#schedule()
  }

  close(): void {
    this.#act = undefined
    this.#entry.cancel()
    if (this.#number !== undefined) this.#numbered.delete(this.#number)
  }

  refresh(): this {
    if (!this.#act) return this
    this.#entry.cancel()
    this.#entry = this.#schedule()
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }

  [Symbol.toPrimitive](): number {
    if (this.#number === undefined) {
      lastNumber += 1
      this.#number = lastNumber
      this.#numbered.set(this.#number, this)
    }
    return this.#number
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #schedule(): Timer {
    return this.#scheduler.at(this.#scheduler.now() + this.#delayMs, () => {
      if (this.#host) this.#host.act(() => this.#fire())
      else this.#fire()
    })
  }

  #fire(): void {
    const act = this.#act
    if (!act) return // cleared while its host was frozen
    if (this.#isRepeated) this.#entry = this.#schedule()
    else this.close()
    act()
  }
}

function dateOf(scheduler: Scheduler): DateConstructor {
  const nowMs = (): number => Math.floor(scheduler.now())
  return new Proxy(Date, {
    construct: (target, values: unknown[], constructed) =>
      Reflect.construct(target, values.length === 0 ? [nowMs()] : values, constructed),
    apply: () => new Date(nowMs()).toString(),
    get: (target, key, receiver) => (key === 'now' ? nowMs : Reflect.get(target, key, receiver)),
  })
}

function expiringSignal(
  ms: number,
  start: (delayMs: number, isRepeated: boolean, callback: Callback, values: unknown[]) => unknown,
): AbortSignal {
  const controller = new AbortController()
  const expire = (): void => controller.abort(new DOMException('The operation timed out', 'TimeoutError'))
  start(ms, false, expire, [])
  return controller.signal
}

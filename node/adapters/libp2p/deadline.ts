// A bound on one piece of work: fires after a time, or with the first of some signals, and leaves nothing behind.

import { setMaxListeners } from 'node:events'

export class Deadline {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #sources: readonly AbortSignal[]
  #expired = false

  constructor(ms: number, sources: readonly AbortSignal[]) {
    this.#sources = sources
    setMaxListeners(0, this.#controller.signal) // libp2p listens once for each address and step
    this.#timer = setTimeout(() => {
      this.#expired = true
      this.#controller.abort(new Error(`not done after ${ms} ms`))
    }, ms)
    for (const source of sources) {
      if (source.aborted) this.#controller.abort(source.reason)
      else source.addEventListener('abort', this.#relay, { once: true })
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The time passed, rather than a signal fired. */
  get expired(): boolean {
    return this.#expired
  }

  /** The work, or the signal's reason as soon as it fires; what arrives later goes to `late`. */
  async race<T>(work: Promise<T>, late: (result: T) => void): Promise<T> {
    const { signal } = this
    const fired = Promise.withResolvers<never>()
    fired.promise.catch(() => undefined)
    const fire = (): void => fired.reject(signal.reason)
    signal.addEventListener('abort', fire, { once: true })
    if (signal.aborted) fire()
    try {
      return await Promise.race([work, fired.promise])
    } catch (error) {
      work.then(late, () => undefined)
      throw error
    } finally {
      signal.removeEventListener('abort', fire)
    }
  }

  clear(): void {
    clearTimeout(this.#timer)
    for (const source of this.#sources) source.removeEventListener('abort', this.#relay)
  }

  readonly #relay = (event: Event): void => {
    if (event.target instanceof AbortSignal) this.#controller.abort(event.target.reason)
  }
}

// The requests under way: how many at once, until when, and how they end when the gateway stops.

import { counted } from '../../protocol/counted.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { Clock } from '../ports.ts'

export interface CallLimits {
  readonly requestsMax: number
  /** One request, from its headers to its last byte. */
  readonly requestMs: number
}

/** After an abort a request may take this long to say so to its client. */
const abortMs = 2_000

export class Calls {
  readonly #clock: Clock
  readonly #limits: CallLimits
  readonly #running = new Set<Call>()
  #stopping: MeshError | undefined
  #emptied: (() => void) | undefined

  constructor(clock: Clock, limits: CallLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  get stopping(): MeshError | undefined {
    return this.#stopping
  }

  /** Takes a place until `end()`. Throws `MeshError` `busy` or `draining`. */
  begin(client: AbortSignal): Call {
    if (this.#stopping) throw this.#stopping
    const { requestsMax, requestMs } = this.#limits
    if (this.#running.size >= requestsMax) {
      throw new MeshError(
        'busy',
        `${counted(this.#running.size, 'request is', 'requests are')} running, at most ${requestsMax}`,
      )
    }
    const call = new Call(() => {
      this.#running.delete(call)
      if (this.#running.size === 0) this.#emptied?.()
    })
    this.#running.add(call)
    const gone = () => call.abort(new MeshError('cancelled', 'the client went away'))
    if (client.aborted) gone()
    else client.addEventListener('abort', gone, { once: true, signal: call.ended })
    this.#clock.sleep(requestMs, call.ended).then(
      () => call.abort(new MeshError('timeout', `the request took longer than ${requestMs} ms`)),
      () => undefined, // ended in time
    )
    return call
  }

  /** Takes no more. Resolves when the running ones have ended, by themselves within `graceMs` or aborted after it. */
  async drain(graceMs: number): Promise<void> {
    this.#stopping ??= new MeshError('draining', 'the gateway is shutting down')
    if (this.#running.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#emptied = resolve
    const over = new AbortController()
    void this.#expire(graceMs, this.#stopping, over.signal).then(resolve, () => undefined) // let go: all ended
    await promise
    over.abort()
  }

  async #expire(graceMs: number, reason: MeshError, signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(graceMs, signal)
    for (const call of this.#running) call.abort(reason)
    await this.#clock.sleep(abortMs, signal)
  }
}

/** One request. Its client, its deadline or the gateway's end may abort it; the first reason stays. */
export class Call {
  readonly #abort = new AbortController()
  readonly #ended = new AbortController()
  readonly #release: () => void

  constructor(release: () => void) {
    this.#release = release
  }

  /** Fires when the work must stop. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Fires when the place was given back. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  get abortedBy(): MeshError | undefined {
    const reason: unknown = this.#abort.signal.reason
    return reason instanceof MeshError ? reason : undefined
  }

  abort(reason: MeshError): void {
    if (!this.#ended.signal.aborted) this.#abort.abort(reason)
  }

  end(): void {
    if (this.#ended.signal.aborted) return
    this.#ended.abort()
    this.#release()
  }
}

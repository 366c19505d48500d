// Round trips, and the end of dead connections. libp2p's own monitor ends a connection on one slow ping, also a busy one;
// this one ends it only after several in a row during which nothing at all arrived.

import type { Connection as RawConnection } from '@libp2p/interface'
import type { Libp2pSettings } from './options.ts'
import { jittered } from './pause.ts'

const pingProtocol = '/ipfs/ping/1.0.0'
const pingBytes = 32
/** Identify and the DHT greet a new connection at once; this can wait for them. */
const firstPingMs = 500

interface Pulse {
  readonly connection: RawConnection
  rttMs: number | undefined
  heardAtMs: number
  failures: number
  timer: NodeJS.Timeout | undefined
}

export class Heartbeat {
  readonly #settings: Libp2pSettings
  readonly #dropped: (connection: RawConnection) => void
  readonly #pulses = new Map<string, Pulse>()
  readonly #stopped = new AbortController()

  constructor(settings: Libp2pSettings, dropped: (connection: RawConnection) => void) {
    this.#settings = settings
    this.#dropped = dropped
  }

  watch(connection: RawConnection): void {
    const pulse: Pulse = { connection, rttMs: undefined, heardAtMs: Date.now(), failures: 0, timer: undefined }
    this.#pulses.set(connection.id, pulse)
    this.#schedule(pulse, Math.min(firstPingMs, this.#settings.pingIntervalMs))
  }

  forget(connection: RawConnection): void {
    clearTimeout(this.#pulses.get(connection.id)?.timer)
    this.#pulses.delete(connection.id)
  }

  heard(connection: RawConnection): void {
    const pulse = this.#pulses.get(connection.id)
    if (pulse) pulse.heardAtMs = Date.now()
  }

  rttMs(connection: RawConnection): number | undefined {
    return this.#pulses.get(connection.id)?.rttMs
  }

  stop(): void {
    this.#stopped.abort()
    for (const { timer } of this.#pulses.values()) clearTimeout(timer)
    this.#pulses.clear()
  }

  #schedule(pulse: Pulse, delayMs: number): void {
    if (this.#stopped.signal.aborted || this.#pulses.get(pulse.connection.id) !== pulse) return
    pulse.timer = setTimeout(() => void this.#beat(pulse), delayMs)
    pulse.timer.unref()
  }

  async #beat(pulse: Pulse): Promise<void> {
    const { pingIntervalMs, pingMs, pingFailuresMax } = this.#settings
    const startedAtMs = Date.now()
    try {
      pulse.rttMs = await ping(pulse.connection, AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(pingMs)]))
      pulse.failures = 0
    } catch (error) {
      const isRefused = error instanceof Error && error.name === 'UnsupportedProtocolError'
      if (isRefused) pulse.rttMs = (Date.now() - startedAtMs) / 2 // an answer all the same, after two round trips
      pulse.failures = isRefused || pulse.heardAtMs >= startedAtMs ? 0 : pulse.failures + 1
    }
    if (pulse.failures >= pingFailuresMax && pulse.connection.status === 'open') {
      this.#dropped(pulse.connection)
      pulse.connection.abort(new Error(`${pingFailuresMax} pings without an answer`))
      return
    }
    this.#schedule(pulse, jittered(pingIntervalMs))
  }
}

/** Milliseconds from a ping to its answer. */
async function ping(connection: RawConnection, signal: AbortSignal): Promise<number> {
  const stream = await connection.newStream([pingProtocol], { signal, runOnLimitedConnection: true })
  const answered = Promise.withResolvers<void>()
  answered.promise.catch(() => undefined)
  const expire = (): void => answered.reject(signal.reason)
  try {
    let left = pingBytes
    stream.addEventListener('message', ({ data }) => {
      left -= data.byteLength
      if (left <= 0) answered.resolve()
    })
    stream.addEventListener('close', () => answered.reject(new Error('the stream was closed')))
    signal.addEventListener('abort', expire, { once: true })
    if (signal.aborted) expire()
    const sentAtMs = performance.now()
    stream.send(crypto.getRandomValues(new Uint8Array(pingBytes)))
    await answered.promise
    const rttMs = performance.now() - sentAtMs
    await stream.close({ signal })
    return rttMs
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)))
    throw error
  } finally {
    signal.removeEventListener('abort', expire)
  }
}

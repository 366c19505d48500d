// Dials: who can be reached from where and over what, how many round trips that takes, and how it fails.

import type { Connection } from './connection.ts'
import type { Dialled, Endpoint } from './endpoint.ts'
import type { Ground } from './ground.ts'
import type { Machine } from './machine.ts'

export interface DiallerParts {
  readonly ground: Ground
  /** Processor time of a handshake, at each side. */
  readonly handshakeMs: number
  readonly relayOf: (machine: Machine) => Machine | undefined
  readonly endpointOf: (machine: Machine) => Endpoint | undefined
  readonly connect: (from: Endpoint, to: Endpoint, relay: Machine | undefined) => Connection
}

/** Asking the relay, its asking the other side; then Noise over both legs. */
const relayRoundTrips = 2
const relayedNoiseRoundTrips = 2
/** DCUtR: CONNECT, its answer, and SYNC, over the relay. */
const punchRoundTrips = 1.5

export class Dialler {
  readonly #parts: DiallerParts
  /** Dials under way, by who and whom: who asks meanwhile waits for the same. */
  readonly #pending = new Map<Endpoint, Map<Machine, ((dialled: Dialled) => void)[]>>()

  constructor(parts: DiallerParts) {
    this.#parts = parts
  }

  dial(from: Endpoint, to: Machine, done: (dialled: Dialled) => void): void {
    const pending = this.#pending.get(from) ?? new Map<Machine, ((dialled: Dialled) => void)[]>()
    this.#pending.set(from, pending)
    const waiting = pending.get(to)
    if (waiting) {
      waiting.push(done)
      return
    }
    pending.set(to, [done])
    this.#parts.ground.tally.dials += 1
    const { nat } = to.spot.place
    if (nat === 'open') this.#direct(from, to)
    else this.#relayed(from, to, this.#parts.relayOf(to))
  }

  #direct(from: Endpoint, to: Machine): void {
    const { ground } = this.#parts
    const { dialAddressMs, connectRoundTrips } = ground.settings
    const startMs = ground.scheduler.now()
    const roundMs = this.#roundMs(from.machine, to)
    const answer = this.#answerOf(from.machine, to)
    if (answer !== 'accepts') {
      const afterMs = answer === 'silent' ? dialAddressMs : Math.min(roundMs, dialAddressMs)
      this.#at(startMs + afterMs, () => this.#settle(from, to, { why: whyOf(answer, dialAddressMs) }))
      return
    }
    const endpoint = this.#parts.endpointOf(to)
    const readyMs = this.#handshaken(from.machine, to, startMs + connectRoundTrips * roundMs)
    if (readyMs > startMs + dialAddressMs) {
      this.#at(startMs + dialAddressMs, () => this.#settle(from, to, { why: whyOf('silent', dialAddressMs) }))
      return
    }
    this.#at(readyMs, () => {
      const now = this.#answerOf(from.machine, to)
      if (now === 'accepts' && endpoint && endpoint === this.#parts.endpointOf(to) && !from.isOver) {
        const met = from.connectionTo(to)
        const connection = met && met.relay === undefined ? met : this.#parts.connect(from, endpoint, undefined)
        this.#settle(from, to, { connection })
      } else if (now === 'silent') {
        this.#at(startMs + dialAddressMs, () => this.#settle(from, to, { why: whyOf('silent', dialAddressMs) }))
      } else this.#settle(from, to, { why: 'the handshake was broken off' })
    })
  }

  #relayed(from: Endpoint, to: Machine, relay: Machine | undefined): void {
    const { ground } = this.#parts
    const { connectRoundTrips, dialAddressMs } = ground.settings
    const startMs = ground.scheduler.now()
    const silent = (): void => {
      const atMs = Math.max(ground.scheduler.now(), startMs + dialAddressMs)
      this.#at(atMs, () => this.#settle(from, to, { why: whyOf('silent', dialAddressMs) }))
    }
    if (!relay || relay === from.machine) {
      // a relay dials whom it relays for over the connection that one holds: where there is none, nothing leads there
      silent()
      return
    }
    const endpoint = this.#parts.endpointOf(to)
    if (!endpoint || this.#answerOf(from.machine, relay) !== 'accepts' || this.#answerOf(relay, to) !== 'accepts') {
      silent()
      return
    }
    const toRelayMs = this.#roundMs(from.machine, relay)
    const throughMs = toRelayMs + this.#roundMs(relay, to)
    const isKnown = from.connectionTo(relay) !== undefined
    const reachedMs = startMs + (isKnown ? 0 : connectRoundTrips * toRelayMs)
    const readyMs = this.#handshaken(
      from.machine,
      to,
      reachedMs + (relayRoundTrips + relayedNoiseRoundTrips) * throughMs,
    )
    this.#at(readyMs, () => {
      const isUp = this.#answerOf(from.machine, relay) === 'accepts' && this.#answerOf(relay, to) === 'accepts'
      if (!isUp || endpoint !== this.#parts.endpointOf(to) || from.isOver) {
        silent()
        return
      }
      ground.tally.relayed += 1
      this.#settle(from, to, { connection: this.#parts.connect(from, endpoint, relay) })
      if (from.machine.spot.place.nat !== 'symmetric' && to.spot.place.nat === 'cone') {
        this.#punch(from, endpoint, readyMs + punchRoundTrips * throughMs)
      }
    })
  }

  /** Both dial each other at the same moment, and their NATs let it through. */
  #punch(from: Endpoint, to: Endpoint, atMs: number): void {
    const { ground } = this.#parts
    const { connectRoundTrips } = ground.settings
    this.#at(atMs + connectRoundTrips * this.#roundMs(from.machine, to.machine), () => {
      const isUp = !from.isOver && !to.isOver && this.#answerOf(from.machine, to.machine) === 'accepts'
      if (!isUp || from.connectionTo(to.machine)?.relay === undefined) return
      ground.tally.punched += 1
      this.#parts.connect(from, to, undefined)
    })
  }

  #answerOf(from: Machine, to: Machine): 'accepts' | 'refuses' | 'silent' {
    if (to.state === 'silent' || to.isFrozen || this.#parts.ground.paths.isCut(from.spot, to.spot)) return 'silent'
    return to.state === 'up' && this.#parts.endpointOf(to) ? 'accepts' : 'refuses'
  }

  #roundMs(from: Machine, to: Machine): number {
    const { draw, paths } = this.#parts.ground
    return paths.drawMs(from.spot, to.spot, draw()) + paths.drawMs(to.spot, from.spot, draw())
  }

  /** Each side does one handshake after another. */
  #handshaken(from: Machine, to: Machine, atMs: number): number {
    const { handshakeMs } = this.#parts
    if (handshakeMs === 0) return atMs
    const nowMs = this.#parts.ground.scheduler.now()
    from.busyMs = Math.max(from.busyMs, nowMs) + handshakeMs
    to.busyMs = Math.max(to.busyMs, nowMs) + handshakeMs
    return Math.max(atMs + 2 * handshakeMs, from.busyMs, to.busyMs)
  }

  #settle(from: Endpoint, to: Machine, dialled: Dialled): void {
    if (!dialled.connection) this.#parts.ground.tally.dialsFailed += 1
    const pending = this.#pending.get(from)
    const waiting = pending?.get(to) ?? []
    pending?.delete(to)
    if (pending?.size === 0) this.#pending.delete(from)
    for (const done of waiting) done(dialled)
  }

  #at(atMs: number, act: () => void): void {
    this.#parts.ground.scheduler.at(atMs, act)
  }
}

function whyOf(answer: 'refuses' | 'silent', dialAddressMs: number): string {
  return answer === 'silent' ? `no answer within ${dialAddressMs} ms` : 'connection refused'
}

// How a peer of the `model` tier comes into the mesh: it dials the first ones and keeps them, and holds a relay where nobody can
// dial it.

import type { PeerId } from '../../../protocol/ids.ts'
import type { Connection } from './connection.ts'
import { type Dialled, type Endpoint, Waiter } from './endpoint.ts'
import type { Ground } from './ground.ts'
import type { Machine } from './machine.ts'
import { jittered } from './settings.ts'

export interface BootstrapParts {
  readonly ground: Ground
  /** The first that anybody can dial. */
  readonly first: readonly Machine[]
  readonly machineOf: (peer: PeerId) => Machine | undefined
  readonly dial: (from: Endpoint, to: Machine, done: (dialled: Dialled) => void) => void
  /** Undefined while no relay runs. */
  readonly relayOf: (machine: Machine) => Machine | undefined
  /** Whether this mesh has relays at all. */
  readonly hasRelays: boolean
}

export class Bootstrap {
  readonly #parts: BootstrapParts

  constructor(parts: BootstrapParts) {
    this.#parts = parts
  }

  /** `given`: where this peer begins; where absent, at the first of all. */
  begin(endpoint: Endpoint, given: readonly PeerId[] | undefined): void {
    const { first, ground, machineOf } = this.#parts
    const { bootstrapRetryMs } = ground.settings
    const kept = new Set<Machine>()
    const look = (): void => {
      if (endpoint.isOver) return
      for (const machine of given ? given.map(machineOf) : first) {
        if (!machine || machine === endpoint.machine || kept.has(machine)) continue
        kept.add(machine)
        endpoint.note(machine.spot.index)
        this.#keepConnected(endpoint, machine, bootstrapRetryMs)
      }
      // the very first have nobody to dial yet
      if (kept.size === 0) this.#later(bootstrapRetryMs, endpoint, look)
    }
    this.#later(0, endpoint, look)
    if (endpoint.machine.spot.place.nat !== 'open') this.#later(0, endpoint, () => this.#reserve(endpoint))
  }

  /** Who cannot be dialled holds a connection to a relay, and looks for another when that one goes. */
  #reserve(endpoint: Endpoint): void {
    if (endpoint.isOver) return
    const { ground, hasRelays, relayOf } = this.#parts
    const relay = relayOf(endpoint.machine)
    const again = (): void => this.#later(ground.settings.bootstrapRetryMs, endpoint, () => this.#reserve(endpoint))
    if (!relay) {
      if (hasRelays) again()
      return
    }
    this.#connected(endpoint, relay, (connection) => {
      if (connection) connection.watch(connection.sideOf(endpoint), new Waiter(again))
      else again()
    })
  }

  #keepConnected(endpoint: Endpoint, machine: Machine, retryMs: number): void {
    if (endpoint.isOver) return
    const { bootstrapRetryMs, bootstrapRetryMsMax } = this.#parts.ground.settings
    const again = (ms: number): void => this.#later(ms, endpoint, () => this.#keepConnected(endpoint, machine, ms))
    this.#connected(endpoint, machine, (connection) => {
      if (!connection) again(Math.min(bootstrapRetryMsMax, 2 * retryMs))
      else connection.watch(connection.sideOf(endpoint), new Waiter(() => again(bootstrapRetryMs)))
    })
  }

  #connected(endpoint: Endpoint, machine: Machine, done: (connection: Connection | undefined) => void): void {
    const open = endpoint.connectionTo(machine)
    if (open) done(open)
    else {
      this.#parts.dial(endpoint, machine, ({ connection }) => {
        if (!endpoint.isOver) done(connection)
      })
    }
  }

  #later(ms: number, endpoint: Endpoint, act: () => void): void {
    const { scheduler } = this.#parts.ground
    const waitMs = ms === 0 ? 0 : jittered(ms, endpoint.random())
    scheduler.at(scheduler.now() + waitMs, () => endpoint.act(act))
  }
}

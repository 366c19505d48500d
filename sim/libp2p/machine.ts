// A computer on the simulated internet: its address and its lines outlive whatever runs on it.

import { type Access, accessOf } from '../model/network/line.ts'
import type { Spot } from '../model/network/paths.ts'
import type { Place } from '../plan.ts'
import type { SeededRandom } from '../random.ts'
import type { Host } from './host.ts'

export interface Site {
  readonly name: string
  readonly group: string
  readonly place: Place
}

/** IANA's range of dynamic ports. */
const firstPort = 49_152
const lastPort = 65_535

export class Machine {
  readonly spot: Spot
  /** IPv4. */
  readonly address: string
  readonly random: SeededRandom
  /** Its line, which all its connections share. */
  readonly access: Access
  /** Whom it dialled, and when last. */
  readonly contacted = new Map<Machine, number>()
  /** What runs on it. */
  host: Host | undefined
  /** Without power it answers nothing, not even a refusal. */
  isOff = false
  #lastPort = lastPort

  constructor(spot: Spot, address: string, random: SeededRandom) {
    this.spot = spot
    this.access = accessOf(spot.place)
    this.address = address
    this.random = random
  }

  nextPort(): number {
    this.#lastPort = this.#lastPort === lastPort ? firstPort : this.#lastPort + 1
    return this.#lastPort
  }
}

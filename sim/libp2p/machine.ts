// A computer on the simulated internet: its address and its lines outlive whatever runs on it.

import type { Place } from '../plan.ts'
import type { SeededRandom } from '../random.ts'
import type { Host } from './host.ts'

export interface Site {
  readonly name: string
  readonly group: string
  readonly place: Place
}

/** One direction of a machine's line: all its connections share it, first come, first served. */
export interface Line {
  freeAtMs: number
}

/** IANA's range of dynamic ports. */
const firstPort = 49_152
const lastPort = 65_535

export class Machine {
  readonly site: Site
  /** IPv4. */
  readonly address: string
  readonly random: SeededRandom
  readonly up: Line = { freeAtMs: 0 }
  readonly down: Line = { freeAtMs: 0 }
  /** Whom it dialled, and when last. */
  readonly contacted = new Map<Machine, number>()
  /** What runs on it. */
  host: Host | undefined
  /** Without power it answers nothing, not even a refusal. */
  isOff = false
  #lastPort = lastPort

  constructor(site: Site, address: string, random: SeededRandom) {
    this.site = site
    this.address = address
    this.random = random
  }

  nextPort(): number {
    this.#lastPort = this.#lastPort === lastPort ? firstPort : this.#lastPort + 1
    return this.#lastPort
  }
}

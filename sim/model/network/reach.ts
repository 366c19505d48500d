// Who can reach whom at all, over whatever peers are left: partitions cut classes of machines from each other, and ways lead round.

import type { Machine } from './machine.ts'
import type { Paths } from './paths.ts'

export class Reach {
  readonly #paths: Paths
  /** By index; it grows. */
  readonly #machines: readonly Machine[]
  /** By the classes of both ends. */
  readonly #known = new Map<string, boolean>()
  #version = -1

  constructor(paths: Paths, machines: readonly Machine[]) {
    this.#paths = paths
    this.#machines = machines
  }

  canReach(from: number, to: number): boolean {
    const paths = this.#paths
    const a = this.#machines[from]
    const b = this.#machines[to]
    if (!a || !b) return false
    if (paths.isWhole) return true
    if (this.#version !== paths.version) {
      this.#known.clear()
      this.#version = paths.version
    }
    const [start, end] = [paths.classOf(a.spot), paths.classOf(b.spot)]
    const key = `${start} ${end}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const isReached = this.#reachedFrom(start).has(end)
    this.#known.set(key, isReached)
    return isReached
  }

  #reachedFrom(start: string): ReadonlySet<string> {
    const paths = this.#paths
    const members = new Map(this.#machines.map((machine) => [paths.classOf(machine.spot), machine.spot]))
    const reached = new Set([start])
    for (const name of reached) {
      const spot = members.get(name)
      for (const [other, there] of members) if (spot && !paths.isCut(spot, there)) reached.add(other)
    }
    return reached
  }
}

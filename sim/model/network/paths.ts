// What lies between two peers: how long light takes, what is lost, and what the weather makes of both.

import type { Fault, LatencyPlan, Place } from '../../plan.ts'

/** One place where a peer is, the same over all its lives. */
export interface Spot {
  /** Dense, from 0, in order of first appearance. */
  readonly index: number
  readonly name: string
  readonly group: string
  readonly place: Place
  /** Row and column of the latency matrix. */
  readonly region: number
}

export type Partition = Extract<Fault, { kind: 'partition' }>
export type Degrade = Extract<Fault, { kind: 'degrade' }>

interface Cut {
  readonly between: readonly [string, string]
  /** By spot: bit 0 for the first side, bit 1 for the second; undefined where not asked yet. */
  readonly sides: (number | undefined)[]
}

interface Murk {
  readonly of: string
  readonly loss: number
  readonly latencyFactor: number
  readonly within: (boolean | undefined)[]
}

export class Paths {
  readonly #latency: LatencyPlan
  readonly #regions: ReadonlyMap<string, number>
  readonly #loss: number
  #cuts: readonly Cut[] = []
  #murks: readonly Murk[] = []
  /** Counts changes of what can reach what. */
  #version = 0

  constructor(latency: LatencyPlan, loss: number) {
    this.#latency = latency
    this.#regions = new Map(latency.regions.map((region, at) => [region, at]))
    this.#loss = loss
  }

  get version(): number {
    return this.#version
  }

  get jitter(): number {
    return this.#latency.jitter
  }

  get isWhole(): boolean {
    return this.#cuts.length === 0
  }

  /** Throws `RangeError` for a region that the matrix does not have. */
  regionOf(place: Place): number {
    const region = this.#regions.get(place.region)
    if (region === undefined) {
      throw new RangeError(`region "${place.region}", expected one of ${[...this.#regions.keys()].join(', ')}`)
    }
    return region
  }

  /** One way, without jitter. */
  oneWayMs(from: Spot, to: Spot): number {
    const ms = this.#latency.oneWayMs[from.region]?.[to.region] ?? 0
    return this.#murks.length === 0 ? ms : ms * this.#murkOf(from, to, (murk) => murk.latencyFactor, multiplied)
  }

  /** One way, of one message. */
  drawMs(from: Spot, to: Spot, draw: number): number {
    return this.oneWayMs(from, to) * (1 + this.#latency.jitter * (2 * draw - 1))
  }

  /** The share of packets that are sent again. */
  lossOf(from: Spot, to: Spot): number {
    if (this.#murks.length === 0) return this.#loss
    return 1 - (1 - this.#loss) * this.#murkOf(from, to, (murk) => 1 - murk.loss, multiplied)
  }

  isCut(from: Spot, to: Spot): boolean {
    for (const cut of this.#cuts) {
      const a = sidesOf(cut, from)
      const b = sidesOf(cut, to)
      if (((a & 1) !== 0 && (b & 2) !== 0) || ((a & 2) !== 0 && (b & 1) !== 0)) return true
    }
    return false
  }

  /** Begins a partition; the function returned heals it. */
  cut({ between }: Pick<Partition, 'between'>): () => void {
    const cut: Cut = { between, sides: [] }
    this.#cuts = [...this.#cuts, cut]
    this.#version += 1
    return () => {
      this.#cuts = this.#cuts.filter((other) => other !== cut)
      this.#version += 1
    }
  }

  degrade({ of, loss, latencyFactor }: Pick<Degrade, 'of' | 'loss' | 'latencyFactor'>): () => void {
    const murk: Murk = { of, loss, latencyFactor, within: [] }
    this.#murks = [...this.#murks, murk]
    return () => {
      this.#murks = this.#murks.filter((other) => other !== murk)
    }
  }

  /** Equal for spots that no partition tells apart. */
  classOf(spot: Spot): string {
    return this.#cuts.map((cut) => sidesOf(cut, spot)).join()
  }

  #murkOf(from: Spot, to: Spot, of: (murk: Murk) => number, join: (a: number, b: number) => number): number {
    return this.#murks.reduce(
      (sum, murk) => (isWithin(murk, from) || isWithin(murk, to) ? join(sum, of(murk)) : sum),
      1,
    )
  }
}

function sidesOf({ between: [first, second], sides }: Cut, spot: Spot): number {
  const known = sides[spot.index]
  if (known !== undefined) return known
  const isFirst = first !== '*' && isNamed(first, spot)
  const isSecond = second !== '*' && isNamed(second, spot)
  // `*` is everybody whom the other side does not name
  const bits = (isFirst || (first === '*' && !isSecond) ? 1 : 0) | (isSecond || (second === '*' && !isFirst) ? 2 : 0)
  sides[spot.index] = bits
  return bits
}

function isWithin({ of, within }: Murk, spot: Spot): boolean {
  const known = within[spot.index] ?? (of === '*' || isNamed(of, spot))
  within[spot.index] = known
  return known
}

function isNamed(name: string, { name: own, group, place }: Spot): boolean {
  return name === own || name === group || name === place.region
}

function multiplied(a: number, b: number): number {
  return a * b
}

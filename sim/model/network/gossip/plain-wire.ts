// Gossip's wire between sites that are all alike or only as far apart as told: no faults, own lines. For rehearsals and
// validation.

import { type Access, accessOf, Line, type Way } from '../line.ts'
import type { GossipWire } from './settings.ts'

export interface PlainSite {
  readonly upBitsPerSecond: number
  readonly downBitsPerSecond: number
}

export interface PlainWireParts {
  readonly sites: readonly PlainSite[]
  readonly nowMs: () => number
  readonly oneWayMs: (from: number, to: number) => number
}

export class PlainWire implements GossipWire {
  readonly #nowMs: () => number
  readonly #oneWayMs: (from: number, to: number) => number
  readonly #accesses: readonly Access[]
  readonly #lines: readonly Map<number, Line>[]

  constructor({ sites, nowMs, oneWayMs }: PlainWireParts) {
    this.#nowMs = nowMs
    this.#oneWayMs = oneWayMs
    this.#accesses = sites.map(accessOf)
    this.#lines = sites.map(() => new Map())
  }

  carry(from: number, to: number, bytes: number): number {
    const up = this.#accesses[from]?.up
    const down = this.#accesses[to]?.down
    if (!up || !down) return Number.POSITIVE_INFINITY
    const nowMs = this.#nowMs()
    const lines = this.#lines[from]
    let line = lines?.get(to)
    if (!line) {
      line = new Line()
      lines?.set(to, line)
    }
    const latencyMs = this.oneWayMs(from, to)
    const atMs = line.send({ nowMs, bytes, latencyMs, loss: 0, windowMax: Number.POSITIVE_INFINITY, draw }, up)
    // its bytes come in while they still leave: only another message in between holds it up
    return down.pass(nowMs, Math.max(nowMs, atMs - bytes / down.bytesPerMs), bytes)
  }

  oneWayMs(from: number, to: number): number {
    return this.#oneWayMs(from, to)
  }

  canReach(): boolean {
    return true
  }

  inside(_site: number, act: () => void): void {
    act()
  }

  rehearsal(sites: readonly number[], nowMs: () => number): GossipWire {
    return new PlainWire({
      sites: sites.map((site) => bitsOf(this.#accesses[site])),
      nowMs,
      oneWayMs: (from, to) => this.#oneWayMs(sites[from] ?? 0, sites[to] ?? 0),
    })
  }
}

function bitsOf(access: Access | undefined): PlainSite {
  return { upBitsPerSecond: bitsPerSecondOf(access?.up), downBitsPerSecond: bitsPerSecondOf(access?.down) }
}

function bitsPerSecondOf(way: Way | undefined): number {
  return (way?.bytesPerMs ?? 1) * 8_000
}

function draw(): number {
  return 1
}

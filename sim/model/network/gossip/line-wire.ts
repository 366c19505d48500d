// Gossip's wire over the machines' own lines: what travels on the connections it has to its neighbours.

import type { Ground } from '../ground.ts'
import { Line } from '../line.ts'
import type { Machine } from '../machine.ts'
import { PlainWire } from './plain-wire.ts'
import type { GossipWire } from './settings.ts'

/** Fits TCP's first window: no need to remember it. */
const smallBytes = 14_000
const lineStride = 2 ** 24

export interface LineWireParts {
  readonly ground: Ground
  /** By index; it grows. */
  readonly machines: readonly Machine[]
  readonly canReach: GossipWire['canReach']
  readonly inside: GossipWire['inside']
}

export function lineWire({ canReach, ground, inside, machines }: LineWireParts): GossipWire {
  const { draw, paths, scheduler, tally } = ground
  // what gossip's connections have seen of TCP: their windows only, as order among messages does not matter
  const lines = new Map<number, Line>()
  const small = new Line()
  const lineOf = (from: number, to: number): Line => {
    const key = from * lineStride + to
    const line = lines.get(key) ?? new Line()
    lines.set(key, line)
    return line
  }
  return {
    carry: (from, to, bytes) => {
      const a = machines[from]
      const b = machines[to]
      if (!a || !b || b.state !== 'up' || paths.isCut(a.spot, b.spot)) return Number.POSITIVE_INFINITY
      tally.messages += 1
      tally.bytes += bytes
      const nowMs = scheduler.now()
      const latencyMs = paths.drawMs(a.spot, b.spot, draw())
      const loss = paths.lossOf(a.spot, b.spot)
      const sending = { nowMs, bytes, latencyMs, loss, windowMax: Number.POSITIVE_INFINITY, draw }
      small.lastArrivalMs = 0
      const line = bytes > smallBytes ? lineOf(from, to) : small
      const atMs = line.send(sending, a.access.up)
      const { down } = b.access
      return down.pass(nowMs, Math.max(nowMs, atMs - bytes / down.bytesPerMs), bytes)
    },
    oneWayMs: (from, to) => {
      const a = machines[from]
      const b = machines[to]
      return a && b ? paths.oneWayMs(a.spot, b.spot) : 0
    },
    canReach,
    inside,
    rehearsal: (sites, nowMs) => {
      const spots = sites.flatMap((site) => machines[site]?.spot ?? [])
      return new PlainWire({
        sites: spots.map(({ place }) => place),
        nowMs,
        oneWayMs: (from, to) => {
          const a = spots[from]
          const b = spots[to]
          return a && b ? paths.oneWayMs(a, b) : 0
        },
      })
    },
  }
}

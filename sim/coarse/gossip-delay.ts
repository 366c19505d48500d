// How long an advert takes to a peer, as a distribution: earliest arrivals over a random mesh of the plan's own links.

import type { LatencyPlan } from '../plan.ts'
import { integer, type SeededRandom } from '../random.ts'
import { EventHeap } from './heap.ts'

export interface GossipDelay {
  /** Milliseconds at evenly spaced shares, smallest first: a draw in [0, 1) times the length is an index. */
  readonly quantilesMs: Float64Array
  readonly meanMs: number
  /** Copies that a peer gets of a message: what its mesh sends it before it has told them not to. */
  readonly copies: number
}

/** js-libp2p's gossipsub as the node sets it up: mesh degree, and checking a message before it is forwarded. */
const degree = 6
const validationMs = 0.5
/** A larger mesh is drawn at this size, and its way is longer by the ratio of the logarithms. */
const meshPeersMax = 20_000
const sources = 8
const quantiles = 1_024

/** `regions` holds the row of the latency matrix for each peer. */
export function gossipDelay(
  regions: Uint8Array | Uint16Array,
  latency: LatencyPlan,
  random: SeededRandom,
): GossipDelay {
  const peers = Math.min(regions.length, meshPeersMax)
  if (peers < 2) return { quantilesMs: new Float64Array(quantiles), meanMs: 0, copies: 1 }
  const regionOf = (at: number): number => regions[Math.floor((at * regions.length) / peers)] ?? 0
  const links = mesh(peers, random)
  const stretch = Math.log(regions.length) / Math.log(peers)
  const arrivals = new Float64Array(sources * (peers - 1))
  let filled = 0
  for (let turn = 0; turn < sources; turn += 1) {
    const source = integer(random, peers)
    const earliest = spread(source, links, (from, to) => {
      const oneWayMs = latency.oneWayMs[regionOf(from)]?.[regionOf(to)] ?? 0
      return validationMs + oneWayMs * (1 + latency.jitter * (2 * random.next() - 1))
    })
    for (let peer = 0; peer < peers; peer += 1) {
      const ms = earliest[peer] as number
      if (peer === source || ms === Number.POSITIVE_INFINITY) continue
      arrivals[filled] = ms * stretch
      filled += 1
    }
  }
  const sorted = arrivals.subarray(0, filled).sort()
  const quantilesMs = new Float64Array(quantiles)
  for (let at = 0; at < quantiles; at += 1) quantilesMs[at] = sorted[Math.floor(((at + 0.5) / quantiles) * filled)] ?? 0
  let sum = 0
  for (const ms of sorted) sum += ms
  return { quantilesMs, meanMs: filled === 0 ? 0 : sum / filled, copies: degree / 2 }
}

/** Each peer grafts half the degree of links to others at random, so that it has the degree in all. */
function mesh(peers: number, random: SeededRandom): readonly (readonly number[])[] {
  const links: number[][] = Array.from({ length: peers }, () => [])
  for (let peer = 0; peer < peers; peer += 1) {
    for (let link = 0; link < Math.min(degree / 2, peers - 1); link += 1) {
      const other = (peer + 1 + integer(random, peers - 1)) % peers
      links[peer]?.push(other)
      links[other]?.push(peer)
    }
  }
  return links
}

/** Dijkstra's: when each peer has the message first. */
function spread(
  source: number,
  links: readonly (readonly number[])[],
  linkMs: (from: number, to: number) => number,
): Float64Array {
  const earliest = new Float64Array(links.length).fill(Number.POSITIVE_INFINITY)
  earliest[source] = 0
  const queue = new EventHeap()
  queue.add(0, 0, source)
  while (queue.pop()) {
    const { atMs, first: peer } = queue
    if (atMs > (earliest[peer] as number)) continue
    for (const next of links[peer] ?? []) {
      const ms = atMs + linkMs(peer, next)
      if (ms >= (earliest[next] as number)) continue
      earliest[next] = ms
      queue.add(ms, 0, next)
    }
  }
  return earliest
}

// The mesh and its trade as the report draws them: who is connected with whom, and which groups paid which.

import type { PeerRecord, RunRecord } from '../record.ts'

export interface Topology {
  readonly regions: readonly { readonly name: string; readonly peers: number }[]
  /** Empty where there are too many to draw: then `between` is drawn. */
  readonly nodes: readonly {
    readonly name: string
    readonly region: number
    readonly kind: PeerKind
    readonly degree: number
  }[]
  /** Pairs of indices into `nodes`. */
  readonly links: readonly (readonly [number, number])[]
  /** Connections by region and region, [a, b, how many] with a ≤ b. */
  readonly between: readonly (readonly [number, number, number])[]
  readonly connections: number
}

export type PeerKind = 'provider' | 'consumer' | 'other' | 'adversary'

/** What groups of consumers paid groups of providers, in GRAM. */
export interface Flow {
  readonly from: readonly string[]
  readonly to: readonly string[]
  readonly links: readonly (readonly [number, number, number])[]
}

/** More are no longer told apart on a page. */
const nodesMax = 400
const linksMax = 4_000
const groupsMax = 6

export function topologyOf(peers: readonly PeerRecord[], notes: string[]): Topology {
  const names = [...new Set(peers.map(({ region }) => region))].sort()
  const regionOf = new Map(names.map((name, index) => [name, index]))
  const sorted = peers.toSorted(
    (a, b) => (regionOf.get(a.region) ?? 0) - (regionOf.get(b.region) ?? 0) || order(kindOf(a)) - order(kindOf(b)),
  )
  const indexOf = new Map(sorted.map(({ name }, index) => [name, index]))
  const degree = new Array<number>(sorted.length).fill(0)
  const between = new Map<string, [number, number, number]>()
  const links: [number, number][] = []
  for (const [a, peer] of sorted.entries()) {
    for (const name of new Set(peer.connections)) {
      const b = indexOf.get(name)
      // a connection stands at both of its ends
      if (b === undefined || b === a || (b < a && sorted[b]?.connections.includes(peer.name))) continue
      links.push([a, b])
      degree[a] = (degree[a] ?? 0) + 1
      degree[b] = (degree[b] ?? 0) + 1
      const ends = [regionOf.get(peer.region) ?? 0, regionOf.get(sorted[b]?.region ?? '') ?? 0].sort((x, y) => x - y)
      const [from = 0, to = 0] = ends
      const pair = between.get(`${from}/${to}`) ?? [from, to, 0]
      pair[2] += 1
      between.set(`${from}/${to}`, pair)
    }
  }
  const isDrawn = sorted.length <= nodesMax
  const step = Math.ceil(links.length / linksMax)
  if (!isDrawn) notes.push(`${sorted.length} peers are drawn as regions; up to ${nodesMax} would be drawn one by one.`)
  else if (step > 1) notes.push(`One of every ${step} of ${links.length} connections is drawn.`)
  return {
    regions: names.map((name) => ({ name, peers: peers.filter(({ region }) => region === name).length })),
    nodes: isDrawn
      ? sorted.map((peer, index) => ({
          name: peer.name,
          region: regionOf.get(peer.region) ?? 0,
          kind: kindOf(peer),
          degree: degree[index] ?? 0,
        }))
      : [],
    links: isDrawn ? links.filter((_, index) => index % step === 0) : [],
    between: [...between.values()],
    connections: links.length,
  }
}

export function kindOf({ roles, adversary }: PeerRecord): PeerKind {
  if (adversary !== '') return 'adversary'
  if (roles.includes('provider')) return 'provider'
  return roles.includes('consumer') ? 'consumer' : 'other'
}

function order(kind: PeerKind): number {
  return ['provider', 'adversary', 'consumer', 'other'].indexOf(kind)
}

export function flowOf({ requests, peers }: RunRecord): Flow {
  const groups = new Map(peers.map(({ name, group }) => [name, group]))
  const paid = new Map<string, Map<string, number>>()
  const [gave, got] = [new Map<string, number>(), new Map<string, number>()]
  for (const { consumer, provider, costNano } of requests) {
    if (costNano === 0n) continue
    const amount = Number(costNano) / 1e9
    const [from, to] = [groups.get(consumer) ?? 'unknown', groups.get(provider) ?? 'unknown']
    gave.set(from, (gave.get(from) ?? 0) + amount)
    got.set(to, (got.get(to) ?? 0) + amount)
    const row = paid.get(from) ?? new Map<string, number>()
    row.set(to, (row.get(to) ?? 0) + amount)
    paid.set(from, row)
  }
  const [from, fromIndex] = largestOf(gave)
  const [to, toIndex] = largestOf(got)
  const sums = new Map<string, [number, number, number]>()
  for (const [giver, row] of paid) {
    for (const [taker, amount] of row) {
      const [a, b] = [fromIndex(giver), toIndex(taker)]
      const sum = sums.get(`${a}/${b}`) ?? [a, b, 0]
      sum[2] += amount
      sums.set(`${a}/${b}`, sum)
    }
  }
  return { from, to, links: [...sums.values()] }
}

function largestOf(amounts: ReadonlyMap<string, number>): [string[], (group: string) => number] {
  const sorted = [...amounts].sort(([, a], [, b]) => b - a).map(([group]) => group)
  if (sorted.length <= groupsMax) return [sorted, (group) => sorted.indexOf(group)]
  const kept = sorted.slice(0, groupsMax - 1)
  const indexOf = (group: string) => (kept.includes(group) ? kept.indexOf(group) : kept.length)
  return [[...kept, `${sorted.length - kept.length} others`], indexOf]
}

// A scenario's groups as peers: place, line, engine, prices, adversaries. One stream a peer, so that nobody shifts anybody.

import { type Overrides, settings } from '../../node/config.ts'
import { identityOf } from '../identity.ts'
import type { AdversaryKind, Nat, PeerSpec, ProviderSpec } from '../plan.ts'
import type { SeededRandom } from '../random.ts'
import { weighted } from './draw.ts'
import { isCandidate } from './read.ts'
import type { AdversaryShare, Group, Scenario, Weights } from './scenario.ts'
import { mergedOverrides } from './settings.ts'
import type { SwarmWorld } from './swarm.ts'

export interface Member {
  readonly spec: PeerSpec
  readonly group: Group
  readonly random: SeededRandom
}

/** `groups` are the scenario's with the swarm's sizes. */
export function membersOf(
  scenario: Scenario,
  groups: readonly Group[],
  swarms: readonly SwarmWorld[],
  seed: number,
  random: SeededRandom,
): readonly Member[] {
  const shares = [...scenario.adversaries, ...swarms.flatMap(({ adversaries }) => adversaries)]
  const kinds = adversariesOf(shares, groups, random.fork('adversaries'))
  const settlers = idsOf(scenario.settler, groups, seed)
  const hubs = idsOf(scenario.hub, groups, seed)
  const peers = random.fork('peers')
  return groups.flatMap((group) => {
    const config = mergedOverrides(scenario.config, group.config)
    return namesOf(group).map((name) => {
      const own = peers.fork(name)
      const draw = { ...drawsOf(own), kind: kinds.get(name), settlers, hubs, config }
      return { spec: specOf(scenario, group, name, swarms, own, draw), group, random: own }
    })
  })
}

export function namesOf({ name, count }: Group): readonly string[] {
  return Array.from({ length: count }, (_, at) => `${name}-${at}`)
}

/** All are always drawn, in this order: a peer's place does not depend on whether prices vary. */
function drawsOf(random: SeededRandom) {
  const [region, line, nat, engine, skew, price, settler] = [
    random.next(),
    random.next(),
    random.next(),
    random.next(),
    random.next(),
    random.next(),
    random.next(),
  ]
  return { region, line, nat, engine, skew, price, settler }
}

function specOf(
  { network, settler }: Scenario,
  group: Group,
  name: string,
  swarms: readonly SwarmWorld[],
  random: SeededRandom,
  draw: ReturnType<typeof drawsOf> & {
    readonly kind: AdversaryKind | undefined
    readonly settlers: readonly string[]
    readonly hubs: readonly string[]
    readonly config: Overrides
  },
): PeerSpec {
  const line = weighted(group.lines, draw.line)
  const { downBitsPerSecond, upBitsPerSecond } = network.lines.get(line) ?? { downBitsPerSecond: 1, upBitsPerSecond: 1 }
  const isHandingOver = group.role === 'provider' && settler !== undefined && !group.settler
  const handingTo = isHandingOver ? draw.settlers[Math.floor(draw.settler * draw.settlers.length)] : undefined
  // by the draw that is a provider's for its settler
  const isByHub = group.role === 'consumer' && draw.hubs.length > 0
  const hub = isByHub ? draw.hubs[Math.floor(draw.settler * draw.hubs.length)] : undefined
  const skewMs = Math.max(group.clockSkewMs, ...swarms.map(({ clockSkewMs }) => clockSkewMs ?? 0))
  const own: readonly Overrides[] = [
    ...(group.priceSpread > 0 ? [pricesOf(draw.config, 1 + group.priceSpread * (2 * draw.price - 1))] : []),
    ...(handingTo === undefined ? [] : [{ settlement: { settler: handingTo } }]),
    ...(hub === undefined ? [] : [{ consumer: { hub } }]),
    ...swarms.map(({ config }) => config(random.fork('swarm-config'))).filter((drawn) => Object.keys(drawn).length > 0),
  ]
  return {
    name,
    group: group.name,
    place: {
      region: weighted(group.regions ?? network.regions, draw.region),
      upBitsPerSecond,
      downBitsPerSecond,
      nat: natOf(group.nat ?? (line === 'datacenter' ? { cone: 0, symmetric: 0 } : network.nat), draw.nat),
    },
    provider: group.role === 'provider' ? engineOf(group, draw.engine) : undefined,
    consumer: group.role === 'consumer' ? { depositNano: group.depositNano } : undefined,
    settler: group.settler,
    ...(group.role === 'hub' && { hub: { depositNano: group.depositNano } }),
    // one object for all that have nothing of their own
    config: own.length === 0 ? draw.config : mergedOverrides(draw.config, ...own),
    adversary: draw.kind,
    clockSkewMs: Math.round(2 * skewMs * draw.skew) - Math.round(skewMs),
    disk: { ...group.disk, tornWrites: group.disk.tornWrites || swarms.some(({ tornWrites }) => tornWrites) },
  }
}

function natOf({ cone, symmetric }: { readonly cone: number; readonly symmetric: number }, at: number): Nat {
  return at < symmetric ? 'symmetric' : at < symmetric + cone ? 'cone' : 'open'
}

function engineOf({ engines }: Group, at: number): ProviderSpec | undefined {
  const weights: Weights = engines.map(({ share }, index) => [String(index), share])
  const { profile, model, slots } = engines[Number(weighted(weights, at))] ?? {}
  return profile === undefined || model === undefined ? undefined : { profile, model, slots }
}

/** To the millionth. */
function pricesOf({ provider }: Overrides, factor: number): Overrides {
  const millionths = BigInt(Math.round(factor * 1e6))
  const scaled = (name: 'promptPriceNano' | 'completionPriceNano' | 'cachedPriceNano'): bigint =>
    ((provider?.[name] ?? settings.provider[name].default) * millionths) / 1_000_000n
  return {
    provider: {
      promptPriceNano: scaled('promptPriceNano'),
      completionPriceNano: scaled('completionPriceNano'),
      cachedPriceNano: scaled('cachedPriceNano'),
    },
  }
}

/** Candidates in the order of one draw each; each kind takes its number of those that are left. */
function adversariesOf(
  shares: readonly AdversaryShare[],
  groups: readonly Group[],
  random: SeededRandom,
): ReadonlyMap<string, AdversaryKind> {
  const kinds = new Map<string, AdversaryKind>()
  if (shares.length === 0) return kinds
  const ranked = groups
    .flatMap((group) => namesOf(group).map((name) => ({ name, group, rank: random.fork(name).next() })))
    .sort((a, b) => a.rank - b.rank)
  for (const { kind, share, count, of } of shares) {
    const candidates = ranked.filter(({ group }) => isCandidate(kind, group, of))
    let left = count ?? Math.round((share ?? 0) * candidates.length)
    for (const { name } of candidates) {
      if (left === 0) break
      if (kinds.has(name)) continue
      kinds.set(name, kind)
      left -= 1
    }
  }
  return kinds
}

function idsOf(name: string | undefined, groups: readonly Group[], seed: number): readonly string[] {
  const group = groups.find((each) => each.name === name)
  return group ? namesOf(group).map((member) => identityOf(seed, member).peerId) : []
}

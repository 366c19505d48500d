// A swarm: options that each seed takes or leaves, after Groce et al., Swarm Testing (ISSTA 2012): runs that leave some faults out
// find what runs with all of them hide.

import type { Overrides } from '../../node/config.ts'
import type { Fault } from '../plan.ts'
import { exponential, integer, pick, type SeededRandom } from '../random.ts'
import type { Window } from './arrivals.ts'
import { uniform, uniformInteger } from './draw.ts'
import type { Outage } from './outages.ts'
import type { AdversaryShare, Swarm } from './scenario.ts'
import type { Range } from './units.ts'

export interface SwarmWorld {
  /** Group sizes are multiplied by these. */
  readonly population: (group: string) => number
  readonly loss: number | undefined
  readonly clockSkewMs: number | undefined
  readonly tornWrites: boolean
  readonly adversaries: readonly AdversaryShare[]
  /** Settings of one peer. */
  readonly config: (random: SeededRandom) => Overrides
  /** One peer's outages within the window, which may overlap. */
  readonly outages: (random: SeededRandom, peer: string, window: Window) => readonly Outage[]
  /** Partitions, degradations and the chain's troubles. `names` are peers, groups and regions. */
  readonly weather: (names: readonly string[], window: Window) => readonly Fault[]
}

const chainTroubles = ['down', 'slow', 'fee-spike', 'reorder'] as const
const factors: Readonly<Record<(typeof chainTroubles)[number], Range>> = {
  down: { min: 1, max: 1 },
  slow: { min: 2, max: 10 },
  'fee-spike': { min: 2, max: 20 },
  reorder: { min: 1, max: 1 },
}
const lossMax = 0.2
const latencyFactorMax = 10

export function swarmWorldOf(swarm: Swarm, random: SeededRandom): SwarmWorld {
  // one stream an option, so that a new option changes no other
  const option = <T>(label: string, wanted: unknown, draw: (random: SeededRandom) => T): T | undefined => {
    const own = random.fork(label)
    return own.next() < 0.5 || wanted === undefined || wanted === false ? undefined : draw(own)
  }
  const rate = (label: string, range: Range | undefined): number =>
    option(label, range, (own) => (range ? uniform(own, range) : 0)) ?? 0
  const count = (label: string, range: Range | undefined): number =>
    option(label, range, (own) => (range ? uniformInteger(own, range) : 0)) ?? 0
  const rates = [
    { kind: 'crash', perMs: rate('crash', swarm.crash) },
    { kind: 'leave', perMs: rate('leave', swarm.leave) },
    { kind: 'freeze', perMs: rate('freeze', swarm.freeze) },
  ] as const
  const counts = {
    partition: count('partitions', swarm.partitions),
    degrade: count('degrades', swarm.degrades),
    chain: count('chain', swarm.chain),
  }
  const settings = swarm.config.filter(
    ({ group, name }) => option(`config/${group}.${name}`, true, () => true) === true,
  )
  const sizes = random.fork('sizes')
  const isSized = option('population', swarm.population, () => true) === true
  return {
    population: (group) => (isSized && swarm.population ? uniform(sizes.fork(group), swarm.population) : 1),
    loss: option('loss', swarm.loss, (own) => (swarm.loss ? uniform(own, swarm.loss) : 0)),
    clockSkewMs: option('clock-skew', swarm.clockSkewMs, (own) =>
      swarm.clockSkewMs ? uniform(own, swarm.clockSkewMs) : 0,
    ),
    tornWrites: option('torn-writes', swarm.tornWrite, () => true) ?? false,
    adversaries: swarm.adversaries.flatMap(({ kind, share }) => {
      const drawn = option(`adversary/${kind}`, share, (own) => uniform(own, share))
      return drawn === undefined ? [] : [{ kind, share: drawn, count: undefined, of: undefined }]
    }),
    config: (own) => settingsOf(settings, own),
    outages: (own, peer, window) =>
      rates.flatMap(({ kind, perMs }) => outagesOf(own.fork(kind), kind, perMs, swarm.awayMs, peer, window)),
    weather: (names, window) => weatherOf(random.fork('weather'), counts, swarm.weatherMs, names, window),
  }
}

function settingsOf(settings: Swarm['config'], random: SeededRandom): Overrides {
  const overrides: Record<string, Record<string, unknown>> = {}
  for (const { group, name, values } of settings) {
    const own = random.fork(`${group}.${name}`)
    const value = 'min' in values ? uniformInteger(own, values) : pick(own, values)
    overrides[group] = { ...overrides[group], [name]: value }
  }
  return overrides as Overrides
}

function outagesOf(
  random: SeededRandom,
  kind: Outage['kind'],
  perMs: number,
  awayMs: Range,
  peer: string,
  { fromMs, untilMs }: Window,
): readonly Outage[] {
  const outages: Outage[] = []
  if (perMs === 0) return outages
  for (let atMs = fromMs; ; ) {
    atMs += exponential(random, 1 / perMs)
    if (atMs >= untilMs) return outages
    const forMs = Math.floor(Math.min(uniform(random, awayMs), untilMs - atMs))
    const at = { atMs: Math.floor(atMs), peer, forMs }
    const power = random.next() < 0.5
    outages.push(kind === 'crash' ? { kind, ...at, power } : { kind, ...at })
    atMs += forMs
  }
}

function weatherOf(
  random: SeededRandom,
  counts: Readonly<Record<'partition' | 'degrade' | 'chain', number>>,
  lengthMs: Range,
  names: readonly string[],
  { fromMs, untilMs }: Window,
): readonly Fault[] {
  const when = (): { atMs: number; forMs: number } => {
    const forMs = Math.floor(Math.min(uniform(random, lengthMs), untilMs - fromMs))
    return { atMs: Math.floor(fromMs + random.next() * (untilMs - fromMs - forMs)), forMs: Math.max(1, forMs) }
  }
  const times = <T>(length: number, make: () => T): T[] => Array.from({ length }, make)
  return [
    ...times(counts.partition, (): Fault => {
      const [a, b] = [pick(random, names), pick(random, names)]
      return { kind: 'partition', ...when(), between: [a, a === b || random.next() < 0.5 ? '*' : b] }
    }),
    ...times(counts.degrade, (): Fault => {
      const of = integer(random, 4) === 0 ? '*' : pick(random, names)
      const loss = lossMax * random.next()
      return { kind: 'degrade', ...when(), of, loss, latencyFactor: 1 + (latencyFactorMax - 1) * random.next() }
    }),
    ...times(counts.chain, (): Fault => {
      const how = pick(random, chainTroubles)
      return { kind: 'chain', ...when(), how, factor: uniform(random, factors[how]) }
    }),
  ]
}

// What goes wrong, read from its part of a scenario and checked against peers, groups, regions and time.

import { nearest, type Path, type Report, shown } from './problem.ts'
import type { RawFault, RawScenario, RawSwarm } from './raw.ts'
import type { FaultSpec, Group, NetworkSpec, Swarm, SwarmSetting } from './scenario.ts'
import { settingValue } from './settings.ts'
import { durationMsOf, numberOf, perMsOf, type Range, rangeOf, shareOf } from './units.ts'

export interface FaultContext {
  readonly raw: RawScenario
  readonly groups: readonly Group[]
  readonly network: NetworkSpec
  readonly report: Report
}

const kinds = ['partition', 'degrade', 'chain', 'crash', 'leave', 'freeze', 'swarm'] as const
const belongTo: Readonly<Record<string, readonly string[]>> = {
  loss: ['degrade'],
  latencyFactor: ['degrade'],
  factor: ['chain'],
  count: ['crash', 'leave', 'freeze'],
  share: ['crash', 'leave', 'freeze'],
  power: ['crash'],
}
const factorDefault = 10

export function faultsOf(context: FaultContext): readonly FaultSpec[] {
  return context.raw.faults.flatMap((raw, at) => faultOf(raw, ['faults', at], context))
}

export function swarmsOf({ raw, report }: FaultContext): readonly Swarm[] {
  return raw.faults.flatMap(({ swarm }, at) => (swarm ? [swarmOf(swarm, ['faults', at, 'swarm'], report)] : []))
}

function faultOf(raw: RawFault, path: Path, context: FaultContext): readonly FaultSpec[] {
  const { report } = context
  const given = kinds.filter((kind) => raw[kind] !== undefined)
  const [kind] = given
  if (kind === undefined || given.length > 1) {
    const what = given.length === 0 ? 'says not what happens' : `has ${given.join(' and ')}`
    report({ path, what, expected: `exactly one of ${kinds.join(', ')}` })
    return []
  }
  for (const [key, owners] of Object.entries(belongTo)) {
    if (key in raw && !owners.includes(kind)) {
      report({
        path: [...path, key],
        isKey: true,
        what: `stands with ${kind}`,
        expected: `it with ${owners.join(', ')}`,
      })
    }
  }
  if (kind === 'swarm') return []
  const atMs = startOf(raw, path, context)
  const forMs = lengthOf(raw, atMs, path, context)
  switch (kind) {
    case 'partition': {
      const [a, b] = raw.partition ?? ['', '']
      for (const [at, side] of [a, b].entries()) namedIn(side, [...path, 'partition', at], context, true)
      if (a === b) report({ path: [...path, 'partition'], what: 'parts one side from itself', expected: 'two sides' })
      return [{ kind, atMs, forMs, between: [a, b] }]
    }
    case 'degrade': {
      const of = raw.degrade ?? '*'
      namedIn(of, [...path, 'degrade'], context, true)
      if (raw.loss === undefined && raw.latencyFactor === undefined) {
        report({ path, what: 'degrades nothing', expected: 'loss or latencyFactor, such as {degrade: eu, loss: 5%}' })
      }
      return [{ kind, atMs, forMs, of, loss: shareOf(raw.loss ?? 0), latencyFactor: raw.latencyFactor ?? 1 }]
    }
    case 'chain': {
      const { chain: how = 'down', factor = factorDefault } = raw
      if (raw.factor !== undefined && how !== 'slow' && how !== 'fee-spike') {
        const expected = 'it with chain: slow or chain: fee-spike'
        report({ path: [...path, 'factor'], isKey: true, what: `stands with chain: ${how}`, expected })
      } else if (how === 'slow' && factor < 1) {
        report({ path: [...path, 'factor'], what: `is ${factor}`, expected: '1 or more: how much slower' })
      }
      return [{ kind, atMs, forMs, how, factor }]
    }
    case 'crash':
    case 'leave':
    case 'freeze': {
      const of = raw[kind] ?? '*'
      namedIn(of, [...path, kind], context, false)
      const share = raw.share === undefined ? undefined : shareOf(raw.share)
      return [{ kind, atMs, forMs, of, count: raw.count, share, power: raw.power ?? false }]
    }
  }
}

function startOf(raw: RawFault, path: Path, { raw: scenario, report }: FaultContext): number {
  if (raw.at === undefined) {
    report({ path, what: 'lacks at', expected: 'a time since the start, such as at: 20m' })
    return 0
  }
  const atMs = durationMsOf(raw.at)
  if (atMs >= durationMsOf(scenario.duration)) {
    const expected = `a time before the end at ${scenario.duration}`
    report({ path: [...path, 'at'], what: `is ${shown(raw.at)}`, expected })
  }
  return atMs
}

function lengthOf(raw: RawFault, atMs: number, path: Path, { raw: scenario, report }: FaultContext): number {
  const leftMs = durationMsOf(scenario.duration) - atMs
  if (raw.for === undefined) return Math.max(0, leftMs)
  const forMs = durationMsOf(raw.for)
  if (leftMs > 0 && (forMs > leftMs || forMs === 0)) {
    const expected = `more than 0, to the end at ${scenario.duration} at most`
    report({ path: [...path, 'for'], what: `is ${shown(raw.for)} from ${raw.at} on`, expected })
  }
  return forMs
}

/** `*`, a group, one of its members, and, of weather, a region. */
function namedIn(name: string, path: Path, { groups, network, report }: FaultContext, isWeather: boolean): void {
  const regions = isWeather ? network.latency.regions : []
  const known = [...groups.map((group) => group.name), ...regions]
  const [, group, number] = /^(.+)-(\d+)$/.exec(name) ?? []
  const isMember = groups.some((candidate) => candidate.name === group && Number(number) < candidate.count)
  if (name === '*' || known.includes(name) || isMember) return
  const expected = `"*", a peer such as ${groups[0]?.name}-0, a group${isWeather ? ' or a region' : ''}`
  report({ path, what: `is ${shown(name)}`, expected, hint: nearest(name, known) ?? `known: ${known.join(', ')}` })
}

function swarmOf(raw: RawSwarm, path: Path, report: Report): Swarm {
  const read = (key: keyof RawSwarm, value: string | number, parse: (part: string) => number, max: number): Range => {
    const [expected, place] = [`a range up to ${max}, the smaller end first`, [...path, key]]
    try {
      const range = rangeOf(value, parse)
      if (range.max > max) report({ path: place, what: `is ${shown(value)}`, expected })
      return range
    } catch {
      report({ path: place, what: `is ${shown(value)}`, expected })
      return { min: 0, max: 0 }
    }
  }
  const rate = (key: 'crash' | 'leave' | 'freeze'): Range | undefined =>
    raw[key] === undefined ? undefined : read(key, raw[key], perMsOf, 1)
  const count = (key: 'partitions' | 'degrades' | 'chain', max: number): Range | undefined =>
    raw[key] === undefined ? undefined : read(key, raw[key], numberOf, max)
  return {
    crash: rate('crash'),
    leave: rate('leave'),
    freeze: rate('freeze'),
    awayMs: read('away', raw.away, durationMsOf, 86_400_000),
    loss: raw.loss === undefined ? undefined : read('loss', raw.loss, shareOf, 1),
    clockSkewMs: raw.clockSkew === undefined ? undefined : read('clockSkew', raw.clockSkew, durationMsOf, 86_400_000),
    tornWrite: raw.tornWrite,
    partitions: count('partitions', 1_000),
    degrades: count('degrades', 1_000),
    chain: count('chain', 1_000),
    weatherMs: read('weather', raw.weather, durationMsOf, 86_400_000),
    population: raw.population === undefined ? undefined : read('population', raw.population, numberOf, 100),
    adversaries: adversariesOf(raw.adversaries ?? {}, [...path, 'adversaries'], report),
    config: Object.entries(raw.config ?? {}).flatMap(([name, values]) =>
      swarmSetting(name, values, [...path, 'config', name], report),
    ),
  }
}

function adversariesOf(raw: NonNullable<RawSwarm['adversaries']>, path: Path, report: Report): Swarm['adversaries'] {
  return Object.entries(raw).flatMap(([kind, value]) => {
    const known = adversaryKinds.find((candidate) => candidate === kind)
    if (known === undefined) return [] // the schema says so
    try {
      const share = rangeOf(value, shareOf)
      if (share.max <= 1) return [{ kind: known, share }]
    } catch {
      // said below
    }
    report({ path: [...path, kind], what: `is ${shown(value)}`, expected: 'a range of shares such as 0..10%' })
    return []
  })
}

const adversaryKinds = [
  'false-advert',
  'wrong-model',
  'garbage',
  'token-inflation',
  'stalling',
  'non-paying',
  'sybil',
  'eclipse',
] as const

function swarmSetting(
  setting: string,
  raw: string | readonly unknown[],
  path: Path,
  report: Report,
): readonly SwarmSetting[] {
  const [group = '', name = ''] = setting.split('.')
  if (typeof raw !== 'string') {
    const values = raw.map((value, at) => settingValue(group, name, value, [...path, at], report))
    return values.some((value) => value === undefined) ? [] : [{ group, name, values }]
  }
  const [, min, max] = /^(.+?)\.\.(.+)$/.exec(raw) ?? []
  if (min === undefined || max === undefined) {
    report({ path, what: `is ${shown(raw)}`, expected: 'a range such as 8..256, or a list of values' })
    return []
  }
  const unit = /[a-z]*$/.exec(max)?.[0] ?? ''
  const ends = [/[a-z]$/.test(min) ? min : min + unit, max].map((end) => settingValue(group, name, end, path, report))
  const [first, last] = ends
  if (typeof first === 'number' && typeof last === 'number' && first <= last) {
    return [{ group, name, values: { min: first, max: last } }]
  }
  if (ends.every((end) => end !== undefined)) {
    report({ path, what: `is ${shown(raw)}`, expected: 'a range of whole numbers, the smaller end first; or a list' })
  }
  return []
}

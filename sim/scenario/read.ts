// From what a file says to a scenario: units resolved, parts checked against each other. What is wrong is reported.

import { configOf, type Overrides } from '../../node/config.ts'
import type { Nano } from '../../protocol/money.ts'
import { tellLeftOut } from '../coarse/modelled.ts'
import { epochMs } from '../kernel.ts'
import type { LatencyPlan } from '../plan.ts'
import { assertionsOf } from './assert.ts'
import { type FaultContext, faultsOf, swarmsOf } from './faults.ts'
import { checkFit } from './fit.ts'
import { groupsOf, natOf, regionsOf } from './groups.ts'
import { nearest, type Report, shown } from './problem.ts'
import type { RawAdversary, RawNetwork, RawPayments, RawScenario } from './raw.ts'
import { regions8, regions8Weights } from './regions.ts'
import type { AdversaryShare, Group, Line, NetworkSpec, Scenario, Weights } from './scenario.ts'
import { mergedOverrides, overridesOf, type SettingValues } from './settings.ts'
import { bitsPerSecondOf, durationMsOf, nanoOf, seedsOf, shareOf } from './units.ts'

/** A bound on what one machine can hold, ten times over. */
const peersMax = 10_000_000
const oneWayDefault = '25ms'
/** Dates of a run stay in the 21st century, and so within the chain's 32 bits. */
const durationMsMax = 4_102_444_800_000 - epochMs

export function scenarioFrom(
  raw: RawScenario,
  source: unknown,
  file: string,
  report: Report,
  doubt: Report,
): Omit<Scenario, 'warnings'> {
  const durationMs = durationMsOf(raw.duration)
  const warmupMs = durationMsOf(raw.warmup)
  if (durationMs <= 0 || durationMs > durationMsMax) {
    report({ path: ['duration'], what: `is ${shown(raw.duration)}`, expected: 'more than 0 and at most some years' })
  } else if (warmupMs >= durationMs) {
    report({ path: ['warmup'], what: `is ${shown(raw.warmup)}`, expected: `less than the duration of ${raw.duration}` })
  }
  if (raw.mode === 'coarse' && raw.tier !== 'model') {
    report({ path: ['mode'], what: `is coarse in the ${raw.tier} tier`, expected: 'coarse in the model tier only' })
  }
  const network = networkOf(raw.network, report)
  const population = groupsOf({ raw, file, network, report })
  checkFit(raw.population, population, report, doubt)
  if (raw.mode === 'coarse') tellLeftOut(raw, doubt)
  const peers = population.reduce((sum, { count }) => sum + count, 0)
  if (peers === 0 || peers > peersMax) {
    report({ path: ['population'], what: `has ${peers} peers`, expected: `from 1 to ${peersMax}` })
  }
  const faulty: FaultContext = { raw, groups: population, network, report }
  const config = mergedOverrides(
    overridesOf(paymentSettings(raw.payments), ['payments'], report),
    overridesOf(raw.config, ['config'], report),
  )
  const tokenNano = tokenNanoMax(population, config)
  return {
    name: raw.name,
    question: raw.question,
    seeds: seedsIn(raw, report),
    tier: raw.tier,
    mode: raw.mode,
    durationMs,
    warmupMs,
    healMs: durationMsOf(raw.heal),
    network,
    chain: { blockMs: durationMsOf(raw.chain.block), tvm: raw.chain.tvm },
    population,
    adversaries: raw.adversaries.flatMap((share, at) => adversaryOf(share, at, population, report)),
    faults: faultsOf(faulty),
    swarms: swarmsOf(faulty),
    settler: settlerOf(raw.payments, population, report),
    hub: hubOf(raw.payments, population, report),
    config,
    assert: raw.assert.flatMap((item, at) => assertionsOf(item, tokenNano, ['assert', at], report)),
    sweep: Object.entries(raw.sweep).map(([path, values]) => ({ path, values })),
    source,
    file,
  }
}

/** The most that a provider may ask for a million completion tokens; adaptive prices rise to twice the base. */
function tokenNanoMax(groups: readonly Group[], config: Overrides): Nano {
  const prices = groups
    .filter(({ role }) => role === 'provider')
    .map((group): Nano => {
      const { completionPriceNano, pricing } = configOf(config, group.config).provider
      const spread = BigInt(Math.ceil(1e6 * (1 + group.priceSpread)))
      return (completionPriceNano * (pricing === 'adaptive' ? 2n : 1n) * spread) / 1_000_000n
    })
  return prices.reduce((most, price) => (price > most ? price : most), 0n)
}

function seedsIn({ seed }: RawScenario, report: Report): readonly number[] {
  try {
    return seedsOf(seed)
  } catch (error) {
    const hint = error instanceof Error ? error.message : undefined
    report({ path: ['seed'], what: `is ${shown(seed)}`, expected: 'whole numbers, or ranges such as 0..99', hint })
    return [0]
  }
}

function networkOf(raw: RawNetwork, report: Report): NetworkSpec {
  const latency = latencyOf(raw, report)
  const isOf8 = latency.regions === regions8.regions
  return {
    latency,
    loss: shareOf(raw.loss),
    processorTime: raw.processorTime,
    relay: raw.nat.relay,
    nat: natOf(raw.nat, ['network', 'nat'], report),
    lines: new Map(Object.entries(raw.bandwidth).map(([name, [down, up]]) => [name, lineOf(name, down, up, report)])),
    regions: raw.regions
      ? regionsOf(raw.regions, ['network', 'regions'], latency.regions, report)
      : isOf8
        ? regions8Weights
        : latency.regions.map((name): Weights[number] => [name, 1]),
  }
}

function lineOf(name: string, down: string, up: string, report: Report): Line {
  const line = { downBitsPerSecond: bitsPerSecondOf(down), upBitsPerSecond: bitsPerSecondOf(up) }
  if (line.downBitsPerSecond === 0 || line.upBitsPerSecond === 0) {
    report({ path: ['network', 'bandwidth', name], what: `is ${shown([down, up])}`, expected: 'more than 0 both ways' })
  }
  return line
}

function latencyOf({ latency, regions }: RawNetwork, report: Report): LatencyPlan {
  const { matrix, names, oneWay } = latency
  const jitter = shareOf(latency.jitter)
  const path = ['network', 'latency']
  if (names !== undefined && typeof matrix !== 'object') {
    report({ path: [...path, 'names'], isKey: true, what: 'stands without rows', expected: 'rows in matrix beside it' })
  }
  if (oneWay !== undefined && matrix !== undefined && matrix !== 'uniform') {
    const expected = 'it with the uniform matrix only'
    report({ path: [...path, 'oneWay'], isKey: true, what: 'stands beside another matrix', expected })
  }
  if (typeof matrix === 'object') {
    const own = names ?? matrix.map((_, at) => `region-${at}`)
    if (matrix.length !== own.length || matrix.some((row) => row.length !== own.length)) {
      const what = `has ${matrix.length} rows of ${[...new Set(matrix.map((row) => row.length))].join(' or ')}`
      report({ path: [...path, 'matrix'], what, expected: `${own.length} rows of ${own.length}` })
    }
    return { regions: own, oneWayMs: matrix, jitter }
  }
  if (matrix === 'regions8' || (matrix === undefined && oneWay === undefined)) return { ...regions8, jitter }
  const own = regions ? Object.keys(regions) : ['world']
  const oneWayMs = durationMsOf(oneWay ?? oneWayDefault)
  return { regions: own, oneWayMs: own.map(() => own.map(() => oneWayMs)), jitter }
}

function adversaryOf(
  { kind, share, count, of }: RawAdversary,
  at: number,
  groups: readonly Group[],
  report: Report,
): readonly AdversaryShare[] {
  const path = ['adversaries', at]
  if ((share === undefined) === (count === undefined)) {
    const what = share === undefined ? 'says not how many' : 'has both share and count'
    report({ path, what, expected: 'one of share and count' })
  }
  const candidates = groups.filter((group) => isCandidate(kind, group, of))
  if (of !== undefined && !groups.some(({ name }) => name === of)) {
    const names = groups.map(({ name }) => name)
    const hint = nearest(of, names) ?? `groups: ${names.join(', ')}`
    report({ path: [...path, 'of'], what: `is ${shown(of)}`, expected: 'a group', hint })
  } else if (candidates.length === 0) {
    const role = kind === 'non-paying' ? 'consumer' : 'provider'
    report({ path, what: `is ${kind} and nobody can be`, expected: `a group of role ${role}` })
  }
  const size = candidates.reduce((sum, group) => sum + group.count, 0)
  if (count !== undefined && candidates.length > 0 && count > size) {
    report({ path: [...path, 'count'], what: `is ${count}`, expected: `at most the ${size} there are` })
  }
  return [{ kind, share: share === undefined ? undefined : shareOf(share), count, of }]
}

/** Sybils and eclipses work in the DHT, so any group that is named can be them; the others misuse a role. */
export function isCandidate(kind: AdversaryShare['kind'], group: Group, of: string | undefined): boolean {
  if (of !== undefined && group.name !== of) return false
  if ((kind === 'sybil' || kind === 'eclipse') && of !== undefined) return true
  return group.role === (kind === 'non-paying' ? 'consumer' : 'provider')
}

function settlerOf({ settler }: RawPayments, groups: readonly Group[], report: Report): string | undefined {
  if (settler === undefined) return undefined
  const names = groups.filter((group) => group.settler && group.count > 0).map(({ name }) => name)
  if (!names.includes(settler)) {
    const hint = nearest(settler, names) ?? `groups that settle: ${names.join(', ') || 'none'}`
    const expected = 'a group of role settler, or with settler: true'
    report({ path: ['payments', 'settler'], what: `is ${shown(settler)}`, expected, hint })
  }
  return settler
}

function hubOf({ hub }: RawPayments, groups: readonly Group[], report: Report): string | undefined {
  if (hub === undefined) return undefined
  const names = groups.filter((group) => group.role === 'hub').map(({ name }) => name)
  if (!names.includes(hub)) {
    const hint = nearest(hub, names) ?? `groups of role hub: ${names.join(', ') || 'none'}`
    report({ path: ['payments', 'hub'], what: `is ${shown(hub)}`, expected: 'a group of role hub', hint })
  }
  return hub
}

function paymentSettings({ creditTokens, chunkTokens, settle }: RawPayments): SettingValues {
  const { minNano, maxAge, interval } = settle ?? {}
  const nano = minNano === undefined ? undefined : nanoOf(minNano).toString().padStart(10, '0')
  return {
    ...(chunkTokens === undefined ? {} : { consumer: { chunkTokens } }),
    ...(creditTokens === undefined ? {} : { provider: { creditTokens } }),
    settlement: {
      ...(nano === undefined ? {} : { thresholdNano: `${nano.slice(0, -9)}.${nano.slice(-9)}` }),
      ...(maxAge === undefined ? {} : { ageMsMax: maxAge }),
      ...(interval === undefined ? {} : { intervalMs: interval }),
    },
  }
}

// Groups of peers, read from their part of a scenario and checked against the rest of it.

import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Overrides } from '../../node/config.ts'
import { loadProfile } from '../model/engine/profile.ts'
import { readTrace } from '../trace.ts'
import { nearest, type Path, type Report, shown } from './problem.ts'
import type { RawChurn, RawEngine, RawGroup, RawPrice, RawScenario, RawSizes, RawWorkload } from './raw.ts'
import type {
  Arrivals,
  Churn,
  EngineShare,
  Group,
  NatShares,
  NetworkSpec,
  Session,
  Sizes,
  Weights,
  Workload,
} from './scenario.ts'
import { mergedOverrides, overridesOf, type SettingValues } from './settings.ts'
import { isBuiltInTrace, traces } from './traces.ts'
import { durationMsOf, nanoOf, numberOf, perMsOf, rangeOf, shareOf } from './units.ts'

export interface GroupContext {
  readonly raw: RawScenario
  readonly file: string
  readonly network: NetworkSpec
  readonly report: Report
}

const folder = join(import.meta.dirname, '..', 'profiles')

export function groupsOf(context: GroupContext): readonly Group[] {
  const { raw, report } = context
  const names = groupNames(raw.population)
  const groups = raw.population.map((group, at) => groupOf(group, names[at] ?? group.role, ['population', at], context))
  for (const [at, { name }] of groups.entries()) {
    const isTaken = groups.some(
      (other, index) =>
        index !== at && (other.name === name || name.replace(/-\d+$/, '') === other.name) && index < groups.length,
    )
    if (isTaken) {
      report({
        path: ['population', at, ...(raw.population[at]?.name === undefined ? [] : ['name'])],
        what: `is called ${name}`,
        expected: 'a name that no other group and none of their members has',
      })
    }
  }
  const provided = new Set(groups.flatMap(({ engines }) => engines.map(({ model }) => model)))
  for (const [at, { models, role, workload }] of groups.entries()) {
    const path = ['population', at]
    for (const [model] of models ?? []) {
      if (provided.has(model)) continue
      const hint = nearest(model, [...provided]) ?? `provided: ${[...provided].join(', ') || 'none'}`
      report({
        path: [...path, 'models', model],
        isKey: true,
        what: 'is provided by nobody',
        expected: 'a model',
        hint,
      })
    }
    if (role === 'consumer' && workload && !raw.population.some((group) => group.role === 'provider')) {
      report({ path, what: 'asks and nobody provides', expected: 'a group of role provider' })
    }
  }
  return groups
}

/** The role; `-b`, `-c` … where it repeats. */
function groupNames(groups: readonly RawGroup[]): readonly string[] {
  const counts = new Map<string, number>()
  return groups.map(({ name, role }) => {
    if (name !== undefined) return name
    const count = counts.get(role) ?? 0
    counts.set(role, count + 1)
    return count === 0
      ? role
      : `${role}-${String.fromCharCode(97 + (count % 26))}${count < 26 ? '' : 'x'.repeat(count / 26)}`
  })
}

const onlyFor: readonly (readonly [key: keyof RawGroup, role: RawGroup['role']])[] = [
  ['engine', 'provider'],
  ['price', 'provider'],
  ['workload', 'consumer'],
  ['policy', 'consumer'],
  ['models', 'consumer'],
]

function groupOf(raw: RawGroup, name: string, path: Path, context: GroupContext): Group {
  const { network, raw: scenario, report } = context
  for (const [key, role] of onlyFor) {
    if (raw[key] !== undefined && raw.role !== role) {
      report({ path: [...path, key], isKey: true, what: `stands at a ${raw.role}`, expected: `it at a ${role} only` })
    }
  }
  if (raw.deposit !== undefined && raw.role !== 'consumer' && raw.role !== 'hub') {
    const expected = 'it at a consumer or a hub only'
    report({ path: [...path, 'deposit'], isKey: true, what: `stands at a ${raw.role}`, expected })
  }
  if (raw.role === 'provider' && raw.engine === undefined) {
    report({ path, what: 'lacks engine', expected: `a profile, such as ${profileNames()[0] ?? 'a path to one'}` })
  }
  const links: Weights =
    typeof raw.link === 'string'
      ? [[raw.link, 1]]
      : raw.link
        ? weightsOf(raw.link, [...path, 'link'], report)
        : [[['provider', 'settler', 'hub'].includes(raw.role) ? 'datacenter' : 'consumer', 1]]
  for (const [line] of links) {
    if (network.lines.has(line)) continue
    const known = [...network.lines.keys()]
    report({
      path: typeof raw.link === 'string' ? [...path, 'link'] : [...path, 'link', line],
      what: `is ${shown(line)}`,
      expected: `a line of network.bandwidth: ${known.join(', ')}`,
      hint: nearest(line, known),
    })
  }
  return {
    role: raw.role,
    name,
    count: raw.count,
    engines: enginesOf(raw.engine ?? [], [...path, 'engine'], context),
    churn: raw.churn && churnOf(raw.churn, [...path, 'churn'], report),
    priceSpread: raw.price ? shareOf(raw.price.spread) : 0,
    workload: raw.workload && workloadOf(raw.workload, [...path, 'workload'], context),
    models: raw.models && weightsOf(raw.models, [...path, 'models'], report),
    depositNano: nanoOf(raw.deposit ?? scenario.payments.deposit),
    lines: links,
    regions: raw.regions && regionsOf(raw.regions, [...path, 'regions'], network.latency.regions, report),
    nat: raw.nat && natOf(raw.nat, [...path, 'nat'], report),
    disk: { syncMs: durationMsOf(raw.disk.sync), tornWrites: raw.disk.tornWrites },
    clockSkewMs: durationMsOf(raw.clockSkew),
    settler: raw.settler || raw.role === 'settler',
    config: configOf(raw, path, report),
  }
}

function configOf(raw: RawGroup, path: Path, report: Report): Overrides {
  const policy = raw.policy === 'cheapest' ? 'least-price' : raw.policy // as it was called once
  return mergedOverrides(
    policy === undefined ? {} : overridesOf({ consumer: { routing: policy } }, [...path, 'policy'], report),
    raw.price ? overridesOf(priceSettings(raw.price), [...path, 'price'], report) : {},
    raw.config ? overridesOf(raw.config, [...path, 'config'], report) : {},
  )
}

function priceSettings({ policy, prompt, completion, cached, floor }: RawPrice): SettingValues {
  const gram = (amount: string | number): string => {
    const nano = nanoOf(amount).toString().padStart(10, '0')
    return `${nano.slice(0, -9)}.${nano.slice(-9)}`
  }
  return {
    provider: {
      pricing: policy,
      ...(prompt === undefined ? {} : { promptPriceNano: gram(prompt) }),
      ...(completion === undefined ? {} : { completionPriceNano: gram(completion) }),
      ...(cached === undefined ? {} : { cachedPriceNano: gram(cached) }),
      ...(floor === undefined ? {} : { priceFloorPerMille: Math.round(1_000 * shareOf(floor)) }),
    },
  }
}

function enginesOf(
  raw: string | readonly RawEngine[],
  path: Path,
  { file, report }: GroupContext,
): readonly EngineShare[] {
  const items = typeof raw === 'string' ? [{ profile: raw, share: 1 }] : raw
  const sum = items.reduce((total, { share }) => total + share, 0)
  const isShares = items.some(({ share }) => !Number.isInteger(share))
  if (items.length > 0 && (sum === 0 || (isShares && Math.abs(sum - 1) > 0.001))) {
    report({ path, what: `has shares that sum to ${sum}`, expected: 'a sum of 1, or whole numbers as weights' })
  }
  return items.flatMap(({ profile: named, share, slots, model }: RawEngine, at) => {
    const place = typeof raw === 'string' ? path : [...path, at, 'profile']
    const isName = /^[\w.-]+$/.test(named) && !named.endsWith('.json')
    const profile = isName ? named : resolve(dirname(file), named)
    try {
      const { contextTokens, model: own } = loadProfile(profile)
      return [{ profile, share, slots, model: model ?? own, contextTokens }]
    } catch (error) {
      const known = profileNames()
      const isUnknown = isName && !known.includes(named)
      report({
        path: place,
        what: `is ${shown(named)}`,
        expected: isUnknown ? `a profile: ${known.join(', ')}, or a path to one` : 'a sound profile',
        hint: isUnknown ? nearest(named, known) : error instanceof Error ? error.message : String(error),
      })
      return []
    }
  })
}

function profileNames(): readonly string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort()
}

function churnOf(raw: RawChurn, path: Path, report: Report): Churn {
  return {
    session: sessionOf(raw, path, report),
    downtimeMs: durationMsOf(raw.downtime),
    share: shareOf(raw.share),
    crash: shareOf(raw.crash),
    power: shareOf(raw.power),
  }
}

function sessionOf({ model, mean, shape, scale }: RawChurn, path: Path, report: Report): Session {
  const none: Session = { model: 'exponential', meanMs: 1 }
  if (model === 'weibull') {
    const scaleMs = durationMsOf(scale ?? '0')
    if (shape !== undefined && scaleMs > 0) return { model, shape, scaleMs }
    report({ path, what: 'is a weibull', expected: 'shape and scale above 0, such as {shape: 0.608, scale: 3.656h}' })
    return none
  }
  const meanMs = durationMsOf(mean ?? '0')
  if (meanMs > 0) return { model, meanMs }
  report({ path, what: 'is exponential', expected: 'a mean above 0, such as {mean: 1h}' })
  return none
}

const processes = ['rate', 'think', 'every', 'at', 'trace'] as const

function workloadOf(raw: RawWorkload, path: Path, context: GroupContext): Workload {
  const { raw: scenario, report } = context
  const given = processes.filter((key) => raw[key] !== undefined)
  if (given.length !== 1) {
    const what = given.length === 0 ? 'says nothing of arrivals' : `has ${given.join(' and ')}`
    report({ path, what, expected: `exactly one of ${processes.join(', ')}` })
  }
  if (raw.cv !== undefined && raw.rate === undefined) {
    report({ path: [...path, 'cv'], isKey: true, what: 'stands without rate', expected: 'rate: 0.2/s beside it' })
  }
  const durationMs = durationMsOf(scenario.duration)
  const fromMs = durationMsOf(raw.from)
  const untilMs = raw.until === undefined ? durationMs : durationMsOf(raw.until)
  if (fromMs >= untilMs || untilMs > durationMs) {
    const key = raw.until === undefined ? 'from' : 'until'
    const expected = `from before until, and until within the duration of ${scenario.duration}`
    report({ path: [...path, key], what: `is ${shown(raw[key])}`, expected })
  }
  return {
    arrivals: arrivalsOf(raw, path, context),
    prompt: raw.prompt === undefined ? undefined : sizesOf(raw.prompt, [...path, 'prompt'], report),
    completion: raw.completion === undefined ? undefined : sizesOf(raw.completion, [...path, 'completion'], report),
    turns: raw.turns,
    gapMs: durationMsOf(raw.gap),
    tokenMs: durationMsOf(raw.tokenTime),
    leave: shareOf(raw.leave),
    fromMs,
    untilMs,
    diurnal: raw.diurnal && {
      periodMs: durationMsOf(raw.diurnal.period),
      amplitude: shareOf(raw.diurnal.amplitude),
      peakMs: durationMsOf(raw.diurnal.peak),
    },
  }
}

function arrivalsOf(raw: RawWorkload, path: Path, { file, raw: scenario, report }: GroupContext): Arrivals {
  const above0 = (key: 'rate' | 'think' | 'every', value: number): number => {
    if (value > 0) return value
    report({ path: [...path, key], what: `is ${shown(raw[key])}`, expected: 'more than 0' })
    return Number.POSITIVE_INFINITY
  }
  if (raw.rate !== undefined) {
    return { process: 'renewal', perMs: above0('rate', perMsOf(raw.rate)), cv: raw.cv ?? 1 }
  }
  if (raw.think !== undefined) return { process: 'closed', thinkMs: above0('think', durationMsOf(raw.think)) }
  if (raw.every !== undefined) return { process: 'paced', everyMs: above0('every', durationMsOf(raw.every)) }
  if (raw.trace !== undefined) {
    const trace = isBuiltInTrace(raw.trace) ? raw.trace : resolve(dirname(file), raw.trace)
    if (!isBuiltInTrace(raw.trace)) {
      const hint = traceProblem(trace)
      const expected = `${Object.keys(traces).join(', ')}, or a CSV beside the scenario`
      if (hint !== undefined) {
        report({ path: [...path, 'trace'], what: `is ${shown(raw.trace)}`, expected, hint })
        return { process: 'explicit', atMs: [] }
      }
    }
    return { process: 'trace', trace, scale: raw.scale }
  }
  const atMs = (raw.at ?? []).map(durationMsOf)
  const durationMs = durationMsOf(scenario.duration)
  for (const [at, ms] of atMs.entries()) {
    if (ms < durationMs) continue
    const expected = `a time before the end at ${scenario.duration}`
    report({ path: [...path, 'at', at], what: `is ${shown(raw.at?.[at])}`, expected })
  }
  return { process: 'explicit', atMs }
}

/** Why a file is no trace. */
function traceProblem(path: string): string | undefined {
  const known = nearest(basename(path), Object.keys(traces))
  if (!existsSync(path)) return known ?? `${path} is not there`
  try {
    readTrace(path)
    return undefined
  } catch (error) {
    if (error instanceof RangeError) return error.message
    throw error
  }
}

function sizesOf(raw: RawSizes, path: Path, report: Report): Sizes {
  if (typeof raw === 'number') return { kind: 'fixed', tokens: raw }
  if (typeof raw === 'object') return { kind: 'log-normal', ...raw }
  if (isBuiltInTrace(raw)) {
    return { kind: 'quantiles', points: path.at(-1) === 'prompt' ? traces[raw].context : traces[raw].generated }
  }
  try {
    const { min, max } = rangeOf(raw, numberOf)
    if (min >= 1) return { kind: 'uniform', min, max }
  } catch {
    // said below
  }
  report({ path, what: `is ${shown(raw)}`, expected: 'a range from 1 up, the smaller end first, such as 64..256' })
  return { kind: 'fixed', tokens: 1 }
}

export function weightsOf(raw: Readonly<Record<string, number>>, path: Path, report: Report): Weights {
  const weights = Object.entries(raw)
  if (weights.every(([, weight]) => weight === 0)) {
    report({ path, what: `is ${shown(raw)}`, expected: 'a weight above 0' })
  }
  return weights
}

export function regionsOf(
  raw: Readonly<Record<string, number>>,
  path: Path,
  regions: readonly string[],
  report: Report,
): Weights {
  for (const name of Object.keys(raw)) {
    if (regions.includes(name)) continue
    const hint = nearest(name, regions)
    report({ path: [...path, name], isKey: true, what: 'is no region', expected: regions.join(', '), hint })
  }
  return weightsOf(raw, path, report)
}

export function natOf(
  raw: { readonly cone: string | number; readonly symmetric: string | number },
  path: Path,
  report: Report,
): NatShares {
  const shares = { cone: shareOf(raw.cone), symmetric: shareOf(raw.symmetric) }
  const sum = shares.cone + shares.symmetric
  if (sum > 1) report({ path, what: `has shares that sum to ${sum}`, expected: 'at most 1' })
  return shares
}

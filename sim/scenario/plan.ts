// From scenario and seed to a plan: who is there, what they ask, what goes wrong. Equal scenario and seed give an equal plan, and
// what is added to one part of a scenario leaves the others as they were.

import type { Fault, Plan, PlannedRequest } from '../plan.ts'
import { type SeededRandom, seededRandom } from '../random.ts'
import type { Window } from './arrivals.ts'
import { contextsOf } from './fit.ts'
import { scenarioAt } from './load.ts'
import { departures, Outages } from './outages.ts'
import { type Member, membersOf } from './peers.ts'
import { scenarioError } from './problem.ts'
import { requestsOf } from './requests.ts'
import type { FaultSpec, Group, Scenario, Weights } from './scenario.ts'
import { type SwarmWorld, swarmWorldOf } from './swarm.ts'
import { pointsOf, type SweepPoint } from './sweep.ts'

export interface PlannedRun {
  readonly point: SweepPoint
  readonly seed: number
  /** With the point's values in it. */
  readonly scenario: Scenario
}

/** A plan is held in memory, some 200 bytes a request. */
const requestsMax = 20_000_000
/** sim/run.ts starts peers one after the other in the first half of the warm-up, within this. */
const rampMsMax = 30_000

/** Every point of the sweep with every seed, seeds fastest. */
export function plansOf(scenario: Scenario): readonly PlannedRun[] {
  return pointsOf(scenario.sweep).flatMap((point) => {
    const swept = scenario.sweep.length === 0 ? scenario : scenarioAt(scenario, point)
    return scenario.seeds.map((seed) => ({ point, seed, scenario: swept }))
  })
}

export function planOf(scenario: Scenario, seed: number): Plan {
  const random = seededRandom(`scenario/${seed}`)
  const swarms = scenario.swarms.map((swarm, at) => swarmWorldOf(swarm, random.fork(`swarm/${at}`)))
  const groups = scenario.population.map((group) => sized(group, swarms))
  const members = membersOf(scenario, groups, swarms, seed, random)
  const window: Window = { fromMs: Math.min(rampMsMax, scenario.warmupMs / 2), untilMs: scenario.durationMs }
  const outages = outagesOf(scenario, members, swarms, window, random)
  const losses = swarms.flatMap(({ loss }) => loss ?? [])
  return {
    name: scenario.name,
    seed,
    durationMs: scenario.durationMs,
    warmupMs: scenario.warmupMs,
    healMs: scenario.healMs,
    network: {
      latency: scenario.network.latency,
      loss: Math.max(scenario.network.loss, ...losses),
      relay: scenario.network.relay,
      processorTime: scenario.network.processorTime,
    },
    chain: scenario.chain,
    peers: members.map(({ spec }) => spec),
    requests: requestsIn(scenario, groups, members, outages, window, random.fork('requests')),
    faults: [...outages.all(), ...weatherOf(scenario, members, swarms, window)].sort((a, b) => a.atMs - b.atMs),
  }
}

function sized(group: Group, swarms: readonly SwarmWorld[]): Group {
  const factor = swarms.reduce((product, { population }) => product * population(group.name), 1)
  return factor === 1 || group.count === 0 ? group : { ...group, count: Math.max(1, Math.round(group.count * factor)) }
}

/** What the file names comes first, then churn, then the swarm: later ones make way. */
function outagesOf(
  { faults, durationMs }: Scenario,
  members: readonly Member[],
  swarms: readonly SwarmWorld[],
  window: Window,
  random: SeededRandom,
): Outages {
  const outages = new Outages()
  for (const [at, fault] of faults.entries()) {
    if (fault.kind === 'crash' || fault.kind === 'leave' || fault.kind === 'freeze') {
      struck(outages, fault, members, random.fork(`fault/${at}`))
    }
  }
  for (const { group, random: own, spec } of members) {
    const churn = own.fork('churn')
    if (!group.churn || churn.next() >= group.churn.share) continue
    for (const outage of departures(churn, spec.name, group.churn, window)) outages.add(outage)
  }
  for (const { random: own, spec } of members) {
    for (const swarm of swarms) {
      for (const outage of swarm.outages(own.fork('swarm'), spec.name, { ...window, untilMs: durationMs })) {
        outages.add(outage)
      }
    }
  }
  return outages
}

function struck(
  outages: Outages,
  { atMs, count, forMs, kind, of, power, share }: Extract<FaultSpec, { readonly of: string; readonly power: boolean }>,
  members: readonly Member[],
  random: SeededRandom,
): void {
  const ranked = members
    .filter(({ spec }) => of === '*' || spec.group === of || spec.name === of)
    .map(({ spec }) => ({ name: spec.name, rank: random.fork(spec.name).next() }))
    .sort((a, b) => a.rank - b.rank)
  let left = count ?? (share === undefined ? 1 : Math.round(share * ranked.length))
  for (const { name } of ranked) {
    if (left === 0) return
    const at = { atMs, peer: name, forMs, label: `${kind} ${of}` }
    if (outages.add(kind === 'crash' ? { kind, ...at, power } : { kind, ...at })) left -= 1
  }
}

function weatherOf(
  { faults, network }: Scenario,
  members: readonly Member[],
  swarms: readonly SwarmWorld[],
  window: Window,
): readonly Fault[] {
  const peers = members.map(({ spec }) => spec.name)
  const names = [...new Set(members.map(({ spec }) => spec.group)), ...network.regions.map(([name]) => name), ...peers]
  return [
    ...faults.flatMap((fault): readonly Fault[] => ('power' in fault ? [] : [fault])),
    ...swarms.flatMap(({ weather }) => weather(names, window)),
  ]
}

function requestsIn(
  scenario: Scenario,
  groups: readonly Group[],
  members: readonly Member[],
  outages: Outages,
  window: Window,
  random: SeededRandom,
): readonly PlannedRequest[] {
  const provided = providedModels(scenario)
  const contextTokens = contextsOf(scenario.population)
  const requests: PlannedRequest[] = []
  for (const [at, group] of groups.entries()) {
    const { workload } = group
    if (!workload) continue
    const own: Window = {
      fromMs: Math.max(window.fromMs, workload.fromMs),
      untilMs: Math.min(window.untilMs, workload.untilMs),
    }
    const names = members.filter(({ spec }) => spec.group === group.name).map(({ spec }) => spec.name)
    const models = group.models ?? provided
    const demand = {
      group,
      workload,
      members: names,
      models,
      contextTokens,
      window: own,
      random: random.fork(group.name),
    }
    for (const request of requestsOf(demand)) {
      if (request.atMs >= own.untilMs || outages.isDown(request.consumer, request.atMs)) continue
      requests.push(request)
      if (requests.length > requestsMax) {
        const what = `asks more than ${requestsMax} times in all`
        const problem = { path: ['population', at, 'workload'], what, expected: 'a lower rate or a shorter duration' }
        throw scenarioError(scenario.file, [problem], () => undefined)
      }
    }
  }
  return requests.sort((a, b) => a.atMs - b.atMs)
}

/** Models by how many provide them, as the scenario says it and not as a seed drew it. */
function providedModels({ population }: Scenario): Weights {
  const weights = new Map<string, number>()
  for (const { count, engines } of population) {
    const sum = engines.reduce((total, { share }) => total + share, 0)
    for (const { model, share } of engines) weights.set(model, (weights.get(model) ?? 0) + (count * share) / sum)
  }
  return [...weights]
}

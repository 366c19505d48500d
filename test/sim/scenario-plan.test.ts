import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { settings } from '../../node/config.ts'
import { identityOf } from '../../sim/identity.ts'
import type { Fault, PeerSpec, Plan } from '../../sim/plan.ts'
import { loadScenario, scenarioOf } from '../../sim/scenario/load.ts'
import { planOf, plansOf } from '../../sim/scenario/plan.ts'

const shipped = join(import.meta.dirname, '..', '..', 'sim', 'scenarios')

interface Source {
  readonly [key: string]: unknown
  readonly population: readonly object[]
}

function planned(source: Source, seed = 1): Plan {
  return planOf(scenarioOf({ schema: 'silkmesh-sim/1', name: 'a', duration: '10m', ...source }, 'a.yaml'), seed)
}

const provider = {
  role: 'provider',
  count: 40,
  engine: 'cpu-tiny',
  price: { spread: 0.2 },
  churn: { mean: '5m', downtime: '1m' },
}
const consumer = { role: 'consumer', count: 20, workload: { rate: '2/m', prompt: 20, completion: 10 } }
const market: Source = { population: [provider, consumer] }

const providersOf = (plan: Pick<Plan, 'peers'>): readonly PeerSpec[] => plan.peers.filter((peer) => peer.provider)
const outagesOf = (faults: readonly Fault[]) => faults.flatMap((fault) => ('peer' in fault ? [fault] : []))

/** What must hold of every plan. */
function expectSound(plan: Plan): void {
  const names = new Set(plan.peers.map(({ name }) => name))
  expect(names.size).toBe(plan.peers.length)
  const models = new Set(plan.peers.flatMap((peer) => peer.provider?.model ?? []))
  let lastMs = 0
  for (const { atMs, completionTokens, consumer: who, leaveAfterTokens, model, promptTokens } of plan.requests) {
    expect(atMs >= lastMs && atMs < plan.durationMs).toBe(true)
    expect(names.has(who) && models.has(model)).toBe(true)
    expect(Number.isInteger(promptTokens) && promptTokens > 0).toBe(true)
    expect(Number.isInteger(completionTokens) && completionTokens > 0).toBe(true)
    expect(leaveAfterTokens === undefined || (leaveAfterTokens > 0 && leaveAfterTokens < completionTokens)).toBe(true)
    lastMs = atMs
  }
  lastMs = 0
  const upAgainMs = new Map<string, number>()
  for (const fault of plan.faults) {
    expect(fault.atMs).toBeGreaterThanOrEqual(lastMs)
    expect(fault.forMs).toBeGreaterThan(0)
    expect(fault.atMs + fault.forMs).toBeLessThanOrEqual(plan.durationMs)
    lastMs = fault.atMs
    if (!('peer' in fault)) continue
    expect(names.has(fault.peer)).toBe(true)
    expect(fault.atMs).toBeGreaterThan(upAgainMs.get(fault.peer) ?? -1) // nobody crashes twice at once
    upAgainMs.set(fault.peer, fault.atMs + fault.forMs)
  }
}

describe('a plan', () => {
  test.each(readdirSync(shipped).filter((name) => name.endsWith('.yaml') && !name.startsWith('market')))(
    'of %s is sound, the same twice, and another for another seed',
    (name) => {
      for (const { scenario, seed } of plansOf(loadScenario(join(shipped, name))).slice(0, 2)) {
        const plan = planOf(scenario, seed)
        expectSound(plan)
        expect(plan.requests.length).toBeGreaterThan(0)
        expect(planOf(scenario, seed)).toEqual(plan)
        expect(planOf(scenario, seed + 1)).not.toEqual(plan)
      }
    },
  )

  test('of any swarm seed is sound', () => {
    const scenario = loadScenario(join(shipped, 'swarm.yaml'))
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000 }), (seed) => expectSound(planOf(scenario, seed))),
      { numRuns: 40, seed: 3 },
    )
  })

  test('keeps its providers when consumers are added, and its consumers when a group is added', () => {
    const plan = planned(market)
    const more = planned({ population: [provider, { ...consumer, count: 300 }, { ...consumer, name: 'late' }] })
    expect(providersOf(more)).toEqual(providersOf(plan))
    expect(outagesOf(more.faults)).toEqual(outagesOf(plan.faults))
    const own = new Set(plan.peers.map(({ name }) => name))
    expect(more.requests.filter((request) => own.has(request.consumer))).toEqual(plan.requests)
  })

  test('keeps places when prices, churn and adversaries change', () => {
    const plan = planned(market)
    const other = planned({
      population: [{ role: 'provider', count: 40, engine: 'cpu-tiny' }, consumer],
      adversaries: [{ kind: 'garbage', share: 0.5 }],
    })
    expect(other.peers.map(({ place }) => place)).toEqual(plan.peers.map(({ place }) => place))
    expect(other.requests).toEqual(plan.requests)
  })

  test('asks nobody who is down', () => {
    const plan = planned({ population: [provider, { ...consumer, churn: { mean: '2m', downtime: '2m' } }] })
    const down = outagesOf(plan.faults)
    const asked = plan.requests.filter(({ atMs, consumer: who }) =>
      down.some((outage) => outage.peer === who && atMs >= outage.atMs && atMs < outage.atMs + outage.forMs),
    )
    expect(asked).toEqual([])
    expect(plan.requests.length).toBeGreaterThan(planned(market).requests.length / 4)
    expect(plan.requests.length).toBeLessThan((planned(market).requests.length * 3) / 4)
  })
})

describe('peers', () => {
  test('are at regions, lines and NATs as often as the scenario says', () => {
    const { peers } = planned({
      network: { nat: { cone: 0.3, symmetric: 0.1 }, regions: { eu: 3, 'na-east': 1 } },
      population: [
        { role: 'peer', count: 2_000, link: { consumer: 0.5, datacenter: 0.5 } },
        { role: 'peer', name: 'behind', count: 50, link: 'datacenter', nat: { symmetric: 1 } },
      ],
    })
    const ordinary = peers.filter(({ group }) => group === 'peer')
    const share = (of: (peer: PeerSpec) => boolean): number => ordinary.filter(of).length / ordinary.length
    expect(share(({ place }) => place.region === 'eu')).toBeCloseTo(0.75, 1)
    expect(share(({ place }) => place.downBitsPerSecond === 1e9)).toBeCloseTo(0.5, 1)
    expect(share(({ place }) => place.nat === 'cone')).toBeCloseTo(0.15, 1)
    expect(ordinary.some(({ place }) => place.nat !== 'open' && place.downBitsPerSecond === 1e9)).toBe(false)
    expect(peers.filter(({ group }) => group === 'behind').every(({ place }) => place.nat === 'symmetric')).toBe(true)
  })

  test('run engines by weight, with the slots given', () => {
    const engine = [
      { profile: 'cpu-tiny', share: 3, slots: 2 },
      { profile: 'cpu-tiny', share: 1, model: 'b' },
    ]
    const { peers } = planned({ population: [{ role: 'provider', count: 1_000, engine }] })
    const small = peers.filter((peer) => peer.provider?.slots === 2)
    expect(small.length / peers.length).toBeCloseTo(0.75, 1)
    expect(peers.filter((peer) => peer.provider?.model === 'b').length).toBe(peers.length - small.length)
  })

  test('ask prices within the spread, all three alike', () => {
    const base = settings.provider.completionPriceNano.default
    const prices = providersOf(planned(market)).map(({ config }) => config.provider)
    expect(new Set(prices.map((price) => price?.completionPriceNano)).size).toBe(40)
    for (const price of prices) {
      const factor = Number(price?.completionPriceNano) / Number(base)
      expect(Math.abs(factor - 1)).toBeLessThanOrEqual(0.2)
      expect(Number(price?.promptPriceNano) / Number(settings.provider.promptPriceNano.default)).toBeCloseTo(factor, 4)
    }
  })

  test('share one settings object where they have nothing of their own', () => {
    const { peers } = planned({ population: [{ role: 'provider', count: 2, engine: 'cpu-tiny' }] })
    expect(peers[0]?.config).toBe(peers[1]?.config)
  })

  test('hand vouchers to settlers of the group that is named', () => {
    const plan = planned({
      population: [
        { role: 'settler', count: 2 },
        { role: 'provider', count: 30, engine: 'cpu-tiny' },
      ],
      payments: { settler: 'settler' },
    })
    const ids = new Set<string>(['settler-0', 'settler-1'].map((name) => identityOf(1, name).peerId))
    const named = providersOf(plan).map(({ config }) => config.settlement?.settler ?? '')
    expect(new Set(named)).toEqual(ids)
    expect(plan.peers.filter(({ settler }) => settler).map(({ name }) => name)).toEqual(['settler-0', 'settler-1'])
  })

  test('have clocks off both ways, within the skew', () => {
    const skews = planned({ population: [{ role: 'peer', count: 200, clockSkew: '2s' }] }).peers.map(
      ({ clockSkewMs }) => clockSkewMs,
    )
    expect(Math.max(...skews)).toBeLessThanOrEqual(2_000)
    expect(Math.min(...skews)).toBeGreaterThanOrEqual(-2_000)
    expect(Math.max(...skews)).toBeGreaterThan(1_000)
    expect(Math.min(...skews)).toBeLessThan(-1_000)
  })
})

describe('adversaries', () => {
  const kinds = (plan: Plan) => plan.peers.map(({ adversary }) => adversary)

  test('are exactly their share of the role that can be, each of one kind', () => {
    const plan = planned({
      ...market,
      adversaries: [
        { kind: 'garbage', share: 0.1 },
        { kind: 'stalling', count: 3 },
        { kind: 'non-paying', share: 0.25 },
      ],
    })
    expect(kinds(plan).filter((kind) => kind === 'garbage').length).toBe(4)
    expect(kinds(plan).filter((kind) => kind === 'stalling').length).toBe(3)
    expect(plan.peers.filter((peer) => peer.adversary === 'non-paying').every((peer) => peer.consumer)).toBe(true)
    expect(kinds(plan).filter((kind) => kind === 'non-paying').length).toBe(5)
  })

  test('stay adversaries when their share grows', () => {
    const some = planned({ ...market, adversaries: [{ kind: 'garbage', share: 0.1 }] })
    const more = planned({ ...market, adversaries: [{ kind: 'garbage', share: 0.5 }] })
    const bad = (plan: Plan) => plan.peers.filter(({ adversary }) => adversary).map(({ name }) => name)
    expect(bad(more)).toEqual(expect.arrayContaining(bad(some)))
  })

  test('come from the group that is named', () => {
    const plan = planned({
      population: [provider, { role: 'peer', name: 'dark', count: 5 }],
      adversaries: [{ kind: 'eclipse', share: 1, of: 'dark' }],
    })
    expect(plan.peers.filter(({ adversary }) => adversary).map(({ group }) => group)).toEqual(Array(5).fill('dark'))
  })
})

describe('faults', () => {
  test('strike as many members as they say, none twice', () => {
    const plan = planned({
      population: [{ role: 'provider', count: 10, engine: 'cpu-tiny' }],
      faults: [
        { at: '1m', for: '1m', crash: 'provider', share: 0.5, power: true },
        { at: '90s', for: '1m', freeze: 'provider', count: 5 },
        { at: '5m', leave: 'provider-3' },
      ],
    })
    const [crashes, frozen] = [plan.faults.slice(0, 5), plan.faults.slice(5, 10)]
    expect(crashes).toEqual(Array(5).fill(expect.objectContaining({ kind: 'crash', atMs: 60_000, power: true })))
    expect(frozen).toEqual(Array(5).fill(expect.objectContaining({ kind: 'freeze', atMs: 90_000 })))
    expect(new Set(outagesOf(plan.faults.slice(0, 10)).map(({ peer }) => peer)).size).toBe(10)
    expect(plan.faults[10]).toEqual({
      kind: 'leave',
      atMs: 300_000,
      forMs: 300_000,
      peer: 'provider-3',
      label: 'leave provider-3',
    })
  })

  test('of churn keep peers up for the share of time that session and downtime make', () => {
    const plan = planned({
      duration: '24h',
      population: [{ role: 'peer', count: 60, churn: { model: 'weibull', shape: 0.6, scale: '1h', downtime: '30m' } }],
    })
    const downMs = outagesOf(plan.faults).reduce((sum, { forMs }) => sum + forMs, 0)
    const meanSessionH = 1.5046 // Γ(1 + 1/0.6)
    expect(downMs / (60 * 24 * 3_600_000)).toBeCloseTo(0.5 / (0.5 + meanSessionH), 1)
    const crashes = plan.faults.filter(({ kind }) => kind === 'crash').length
    expect(crashes / plan.faults.length).toBeCloseTo(0.5, 1)
  })
})

describe('a swarm', () => {
  const scenario = loadScenario(join(shipped, 'swarm.yaml'))
  const plans = Array.from({ length: 60 }, (_, seed) => planOf(scenario, seed))

  test('takes each option in some seeds and leaves it in others', () => {
    const options: Record<string, (plan: Plan) => boolean> = {
      crash: ({ faults }) => faults.some(({ kind }) => kind === 'crash'),
      leave: ({ faults }) => faults.some(({ kind }) => kind === 'leave'),
      freeze: ({ faults }) => faults.some(({ kind }) => kind === 'freeze'),
      partition: ({ faults }) => faults.some(({ kind }) => kind === 'partition'),
      degrade: ({ faults }) => faults.some(({ kind }) => kind === 'degrade'),
      chain: ({ faults }) => faults.some(({ kind }) => kind === 'chain'),
      loss: ({ network }) => network.loss > 0,
      skew: ({ peers }) => peers.some(({ clockSkewMs }) => clockSkewMs !== 0),
      tornWrites: ({ peers }) => peers.every(({ disk }) => disk.tornWrites),
      size: ({ peers }) => providersOf({ peers }).length !== 10,
      adversaries: ({ peers }) => peers.some(({ adversary }) => adversary === 'garbage'),
      credit: ({ peers }) => new Set(peers.map(({ config }) => config.provider?.creditTokens)).size > 1,
      routing: ({ peers }) => peers.some(({ config }) => config.consumer?.routing === 'random'),
    }
    for (const [name, isTaken] of Object.entries(options)) {
      const taken = plans.filter(isTaken).length
      expect([name, taken > 5 && taken < 55]).toEqual([name, true])
    }
  })

  test('draws settings that the node takes', () => {
    const table: Record<string, Record<string, { parse: (value: unknown) => unknown }>> = settings
    for (const { config } of plans.flatMap(({ peers }) => peers)) {
      for (const [group, values] of Object.entries(config)) {
        for (const [name, value] of Object.entries(values)) {
          if (typeof value !== 'bigint') expect(table[group]?.[name]?.parse(value)).toEqual(value)
        }
      }
    }
  })
})

// The coarse mode: the same policy over columns of numbers. Equal seeds run equal, coins are conserved, faults are felt.

import { describe, expect, test } from 'vitest'
import { crossCheck } from '../../sim/coarse/cross-check.ts'
import { simulate } from '../../sim/coarse/simulate.ts'
import type { Fault, PeerSpec, Plan, PlannedRequest } from '../../sim/plan.ts'
import { seededRandom } from '../../sim/random.ts'
import type { RunRecord } from '../../sim/record.ts'

const place = { region: 'here', upBitsPerSecond: 1e8, downBitsPerSecond: 1e8, nat: 'open' as const }
const common = { place, settler: false, config: {}, clockSkewMs: 0, disk: { syncMs: 1, tornWrites: false } }

interface Sizes {
  readonly providers?: number
  readonly consumers?: number
  readonly requests?: number
  readonly slots?: number
  readonly tokens?: number
}

/** Ten minutes of a small market. */
function planOf(
  sizes: Sizes = {},
  change: Partial<Plan> = {},
  ofPeer: (peer: PeerSpec) => PeerSpec = (peer) => peer,
): Plan {
  const { providers = 4, consumers = 10, requests = 200, slots = 4, tokens = 60 } = sizes
  const random = seededRandom('a market')
  const provider = { profile: 'rtx4090-llama3.1-8b-spec', model: 'm', slots }
  const peers: PeerSpec[] = [
    ...Array.from({ length: providers }, (_, at) => ({
      ...common,
      name: `provider-${at}`,
      group: 'providers',
      provider,
    })),
    ...Array.from({ length: consumers }, (_, at) => ({
      ...common,
      name: `consumer-${at}`,
      group: 'consumers',
      consumer: { depositNano: 2_000_000_000n },
    })),
  ].map(ofPeer)
  const planned: PlannedRequest[] = Array.from({ length: requests }, (_, at) => ({
    atMs: 30_000 + (560_000 * at) / requests,
    consumer: `consumer-${Math.floor(random.next() * consumers)}`,
    model: 'm',
    promptTokens: 100 + Math.floor(900 * random.next()),
    completionTokens: tokens,
    conversation: `${at}`,
  }))
  return {
    name: 'market',
    seed: 1,
    durationMs: 600_000,
    warmupMs: 20_000,
    healMs: 60_000,
    network: {
      latency: {
        regions: ['here', 'there'],
        oneWayMs: [
          [5, 50],
          [50, 5],
        ],
        jitter: 0.1,
      },
      loss: 0,
      relay: true,
    },
    chain: { blockMs: 2_000, tvm: false },
    peers,
    requests: planned,
    faults: [],
    ...change,
  }
}

const outcomes = (requests: readonly { outcome: string; code: string }[]): readonly string[] => [
  ...new Set(requests.map(({ outcome, code }) => `${outcome} ${code}`.trim())),
]

describe('a quiet market', () => {
  test('answers every request, is paid for it, and conserves coins', async () => {
    const { summary, violations, requests } = await simulate(planOf())
    expect(violations).toEqual([])
    expect(outcomes(requests)).toEqual(['ok'])
    expect(summary).toMatchObject({ requests: 200, successRate: 1, attemptsMean: 1, peers: 14, doubleSpends: 0 })
    expect(summary['spentGram']).toBeCloseTo(summary['revenueGram'] ?? 0, 9)
    const { depositedGram = 0, settledGram = 0, unsettledGram = 0, spentGram = 0 } = summary
    expect(depositedGram).toBe(20)
    expect(settledGram + unsettledGram).toBeCloseTo(spentGram, 9)
  })

  test('is the same for the same seed, to the bit, and another for another', async () => {
    const plan = planOf({}, {}, (peer) => ({ ...peer, config: { consumer: { routing: 'p2c' } } }))
    const [first, second, other] = [await simulate(plan), await simulate(plan), await simulate({ ...plan, seed: 2 })]
    expect(second).toEqual(first)
    expect(other.summary['ttftMsMean']).not.toBe(first.summary['ttftMsMean'])
  })

  test('counts all requests when it keeps a sample of them', async () => {
    const { summary, requests } = await simulate(planOf(), { requestsMax: 50 })
    expect(requests).toHaveLength(50)
    expect(summary['requests']).toBe(200)
  })

  test('costs what the tokens cost', async () => {
    const { requests } = await simulate(planOf({ requests: 20 }))
    for (const { completionTokens, costNano, promptTokens } of requests) {
      expect(costNano).toBe(BigInt(20 * promptTokens + 160 * completionTokens))
    }
  })

  test('is farther away across an ocean', async () => {
    const abroad = planOf({}, {}, (peer) => (peer.consumer ? { ...peer, place: { ...place, region: 'there' } } : peer))
    const [near, far] = [await simulate(planOf()), await simulate(abroad)]
    // open and its answer, accept, voucher, delta: six ways of 45 ms more
    const more = (far.summary['ttftMsP50'] ?? 0) - (near.summary['ttftMsP50'] ?? 0)
    expect(more).toBeGreaterThan(250)
    expect(more).toBeLessThan(300)
  })

  test('ends early and keeps what there is', async () => {
    const stop = new AbortController()
    const run = await simulate(planOf({ requests: 20_000, tokens: 1 }), {
      signal: stop.signal,
      progress: () => stop.abort(),
    })
    expect(run.isComplete).toBe(false)
    expect(run.violations).toEqual([])
    expect(run.requests.length).toBeLessThan(20_000)
    expect(run.requests.length).toBeGreaterThan(0)
  })
})

describe('an overloaded market', () => {
  const crowd: Sizes = { providers: 1, slots: 1, requests: 2_000, tokens: 200 }
  const impatient = (peer: PeerSpec): PeerSpec => ({ ...peer, config: { provider: { queueMax: 2 } } })

  test('queues, refuses and answers the rest', async () => {
    const { summary, violations, requests } = await simulate(planOf(crowd, {}, impatient))
    expect(violations).toEqual([])
    expect(outcomes(requests).toSorted()).toEqual(['failed busy', 'ok'])
    expect(summary['queueMsP50']).toBeGreaterThan(1_000)
    expect(summary['utilisationMean']).toBeGreaterThan(0.95)
  })

  test('raises adaptive prices', async () => {
    const adaptive = (peer: PeerSpec): PeerSpec => ({
      ...peer,
      config: { provider: { queueMax: 2, pricing: 'adaptive' } },
    })
    const { summary } = await simulate(planOf(crowd, {}, adaptive))
    expect(summary['priceNanoP50']).toBe(320_000_000)
    const idle = await simulate(planOf({}, {}, adaptive))
    expect(idle.summary['priceNanoP50']).toBe(40_000_000)
  })

  test('spreads by two choices more evenly than by price', async () => {
    const routed = (routing: 'least-price' | 'p2c') => (peer: PeerSpec) => ({
      ...peer,
      config: { consumer: { routing } },
    })
    const busy: Sizes = { providers: 8, requests: 3_000 }
    const [leastPrice, p2c] = [
      await simulate(planOf(busy, {}, routed('least-price'))),
      await simulate(planOf(busy, {}, routed('p2c'))),
    ]
    expect(p2c.summary['utilisationGini']).toBeLessThan(0.5 * (leastPrice.summary['utilisationGini'] ?? 0))
  })
})

describe('faults', () => {
  const during = (...faults: readonly Fault[]): Partial<Plan> => ({ faults })

  test('a crash in the middle of an answer is a failover that the caller pays once', async () => {
    const long: Sizes = { providers: 2, requests: 40, tokens: 1_000 }
    const crash = { kind: 'crash' as const, atMs: 120_000, peer: 'provider-0', forMs: 60_000, power: false }
    const { summary, violations, requests } = await simulate(
      planOf(long, during(crash, { ...crash, atMs: 300_000, peer: 'provider-1' })),
    )
    expect(violations).toEqual([])
    expect(summary['successRate']).toBe(1)
    expect(summary['failovers']).toBeGreaterThan(0)
    expect(requests.every(({ completionTokens }) => completionTokens === 1_000)).toBe(true)
  })

  test('with nobody left requests fail, and after healing they do not', async () => {
    const crash = { kind: 'crash' as const, atMs: 200_000, forMs: 200_000, power: false, peer: 'provider-0' }
    const { requests } = await simulate(planOf({ providers: 1 }, during(crash)))
    expect(requests.some(({ outcome }) => outcome === 'failed')).toBe(true)
    const after = requests.filter(({ arrivalMs }) => arrivalMs > 405_000)
    expect(after.length).toBeGreaterThan(10)
    expect(outcomes(after)).toEqual(['ok'])
  })

  test('a consumer that is killed loses its requests', async () => {
    const crash = { kind: 'crash' as const, atMs: 300_000, forMs: 100_000, power: true, peer: 'consumer-0' }
    const { requests, violations } = await simulate(
      planOf({ consumers: 1, requests: 100, tokens: 1_000 }, during(crash)),
    )
    expect(violations).toEqual([])
    expect(requests.filter(({ outcome }) => outcome === 'lost').length).toBeGreaterThan(0)
    expect(requests.some(({ arrivalMs }) => arrivalMs > 300_000 && arrivalMs < 400_000)).toBe(false)
  })

  test('a partition fails what would cross it, and only while it lasts', async () => {
    const abroad = (peer: PeerSpec): PeerSpec =>
      peer.consumer ? { ...peer, place: { ...place, region: 'there' } } : peer
    const cut = { kind: 'partition' as const, atMs: 200_000, forMs: 150_000, between: ['here', 'there'] as const }
    const { requests, violations } = await simulate(planOf({}, during(cut), abroad))
    expect(violations).toEqual([])
    const within = requests.filter(({ arrivalMs }) => arrivalMs > 200_000 && arrivalMs < 340_000)
    const after = requests.filter(({ arrivalMs }) => arrivalMs > 352_000)
    expect(outcomes(within)).not.toContain('ok')
    expect(outcomes(after)).toEqual(['ok'])
  })

  test('a leaving provider finishes what it began', async () => {
    const leave = { kind: 'leave' as const, atMs: 300_000, forMs: 100_000, peer: 'provider-0' }
    const { summary, requests } = await simulate(planOf({ providers: 2, requests: 400, tokens: 300 }, during(leave)))
    expect(summary['failovers']).toBe(0)
    expect(outcomes(requests)).toEqual(['ok'])
  })

  test('while the chain is down known pairs go on, and coins are conserved', async () => {
    const down = { kind: 'chain' as const, atMs: 250_000, forMs: 120_000, how: 'down' as const, factor: 1 }
    const { requests, violations } = await simulate(planOf({ providers: 1 }, during(down)))
    expect(violations).toEqual([])
    expect(outcomes(requests.filter(({ arrivalMs }) => arrivalMs > 250_000 && arrivalMs < 360_000))).toContain('ok')
  })
})

describe('adversaries', () => {
  test('a consumer that does not pay costs each provider a window at most', async () => {
    const cheat = (peer: PeerSpec): PeerSpec =>
      peer.name === 'consumer-0' ? { ...peer, adversary: 'non-paying' } : peer
    const { summary, violations } = await simulate(planOf({ requests: 400, tokens: 100 }, {}, cheat))
    expect(violations).toEqual([])
    expect(summary['lossToFraudGram']).toBeGreaterThan(0)
    expect((summary['lossToFraudGram'] ?? 0) * 1e9).toBeLessThanOrEqual(4 * (summary['windowNano'] ?? 0))
    expect(summary['failedRequests']).toBeGreaterThan(0)
  })

  test('those that lie in messages are none of this mode’s, and it says so', async () => {
    const liar = (peer: PeerSpec): PeerSpec => (peer.name === 'provider-0' ? { ...peer, adversary: 'garbage' } : peer)
    await expect(simulate(planOf({}, {}, liar))).rejects.toThrow('provider-0 is a "garbage" adversary')
  })
})

test('the comparison with the full mode fails by metric', () => {
  const record = (successRate: number, ttftMsP50: number): RunRecord => ({
    manifest: {
      schema: 'silkmesh-sim-run/1',
      scenario: 's',
      question: '',
      seed: 1,
      tier: 'model',
      source: {},
      sourceHash: '',
      commit: '',
      versions: {},
      durationMs: 1,
      warmupMs: 0,
      isComplete: true,
    },
    summary: { successRate, ttftMsP50, tpotMsP50: 1, e2eMsP50: 1, spentGram: 1, goodputTokensPerSecond: 1 },
    assertions: [],
    violations: [],
    requests: [],
    series: [],
    bands: [],
    peers: [],
    pace: {},
  })
  const failing = (a: RunRecord, b: RunRecord) =>
    crossCheck(a, b).flatMap(({ holds, metric }) => (holds ? [] : [metric]))
  expect(failing(record(0.99, 100), record(0.994, 109))).toEqual([])
  expect(failing(record(0.99, 100), record(0.996, 111))).toEqual(['successRate', 'ttftMsP50'])
})

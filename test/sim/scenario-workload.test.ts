import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { PlannedRequest } from '../../sim/plan.ts'
import { scenarioOf } from '../../sim/scenario/load.ts'
import { planOf } from '../../sim/scenario/plan.ts'
import { regions8 } from '../../sim/scenario/regions.ts'
import { traces } from '../../sim/scenario/traces.ts'

const folder = mkdtempSync(join(tmpdir(), 'silkmesh-workload-'))
afterAll(() => rmSync(folder, { recursive: true }))

const profile = join(folder, 'large.json')
writeFileSync(
  profile,
  JSON.stringify({
    name: 'large',
    engine: 'none',
    engineVersion: '1',
    hardware: 'none',
    model: 'large',
    dtype: 'float16',
    source: 'invented',
    contextTokens: 16_384,
    blockTokens: 16,
    kvTokens: 16_384,
    maxNumSeqs: 4,
    maxNumBatchedTokens: 64,
    prefixCaching: true,
    parameters: {
      kind: 'calibrated',
      cost: { stepMs: 1, weightsMs: 8, tokenMs: 4, sequenceMs: 0.5, contextMs: 0, pairMs: 0 },
    },
  }),
)

interface Ask {
  readonly workload: object
  readonly duration?: string
  readonly count?: number
  readonly models?: Readonly<Record<string, number>>
  readonly engine?: unknown
  readonly seed?: number
}

function asked({
  workload,
  duration = '1h',
  count = 1,
  models,
  engine = profile,
  seed = 1,
}: Ask): readonly PlannedRequest[] {
  const consumer = { role: 'consumer', count, workload, ...(models ? { models } : {}) }
  const population = [{ role: 'provider', count: 4, engine }, consumer]
  return planOf(scenarioOf({ schema: 'silkmesh-sim/1', name: 'a', duration, population }, join(folder, 'a.yaml')), seed)
    .requests
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
const gapsOf = (requests: readonly PlannedRequest[]): readonly number[] =>
  requests.slice(1).map(({ atMs }, at) => atMs - (requests[at]?.atMs ?? 0))

function cvOf(values: readonly number[]): number {
  const middle = mean(values)
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2))) / middle
}

function quantileOf(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(share * values.length)] ?? 0
}

describe('arrivals', () => {
  test.each([
    [1, 0.05],
    [0.5, 0.05],
    [3, 0.15],
  ])('of a CV of %s have it, and the rate', (cv, tolerance) => {
    const gaps = gapsOf(asked({ workload: { rate: '5/s', cv, prompt: 5, completion: 5 } }))
    expect(Math.abs(cvOf(gaps) / cv - 1)).toBeLessThan(tolerance)
    expect(mean(gaps)).toBeGreaterThan(200 * 0.93)
    expect(mean(gaps)).toBeLessThan(200 * 1.07)
  })

  test('of many bursty consumers do not begin all at once', () => {
    const requests = asked({
      workload: { rate: '1/m', cv: 3, prompt: 5, completion: 5 },
      count: 2_000,
      duration: '10m',
    })
    const inFirst = requests.filter(({ atMs }) => atMs < 60_000).length
    expect(inFirst / requests.length).toBeCloseTo(0.1, 1)
  })

  test('of a day are most at its peak', () => {
    const diurnal = { period: '1h', amplitude: 0.9, peak: '15m' }
    const requests = asked({ workload: { rate: '2/s', diurnal, prompt: 5, completion: 5 } })
    const inQuarter = (quarter: number): number =>
      requests.filter(({ atMs }) => Math.floor(atMs / 900_000) === quarter).length / requests.length
    // the integral of 1 + 0.9 cos over the hour's halves around peak and trough
    expect(inQuarter(0) + inQuarter(1)).toBeCloseTo(0.5 + 0.9 / Math.PI, 1)
    expect(requests.length / 7_200).toBeCloseTo(1, 1)
  })

  test('of a closed loop wait for the answer and a thought', () => {
    const gaps = gapsOf(asked({ workload: { think: '10s', tokenTime: '100ms', prompt: 5, completion: 50 } }))
    expect(Math.min(...gaps)).toBeGreaterThan(5_000)
    expect(mean(gaps) / 15_500).toBeCloseTo(1, 0)
  })

  test('at an even pace go from consumer to consumer', () => {
    const requests = asked({ workload: { every: '2s', from: '10s', until: '16s', prompt: 5, completion: 5 }, count: 2 })
    expect(requests.map(({ atMs, consumer }) => [atMs, consumer])).toEqual([
      [10_000, 'consumer-0'],
      [12_000, 'consumer-1'],
      [14_000, 'consumer-0'],
    ])
  })

  test('at given times are at those', () => {
    const requests = asked({ workload: { at: ['1s', '90s'], prompt: 5, completion: 5 }, count: 3 })
    expect(requests.map(({ atMs, consumer }) => [atMs, consumer])).toEqual([
      [1_000, 'consumer-0'],
      [90_000, 'consumer-1'],
    ])
  })
})

describe('a built-in trace', () => {
  test.each([
    ['azure-2023-code', 0.03],
    ['azure-2023-conversation', 0.03],
  ] as const)('%s comes back with its count, its CV and its quantiles', (trace, tolerance) => {
    const facts = traces[trace]
    const requests = asked({ workload: { trace }, duration: `${facts.spanMs}ms`, count: 7 })
    expect(Math.abs(requests.length / facts.requests - 1)).toBeLessThan(0.001)
    expect(Math.abs(cvOf(gapsOf(requests)) / facts.cv - 1)).toBeLessThan(tolerance)
    for (const [of, points] of [
      ['promptTokens', facts.context],
      ['completionTokens', facts.generated],
    ] as const) {
      const values = requests.map((request) => request[of])
      for (const [share, tokens] of points) {
        // a quantile of a sample is within some sample quantiles of it
        const spread = 3 * Math.sqrt((share * (1 - share)) / values.length)
        expect(quantileOf(values, Math.max(0, share - spread))).toBeLessThanOrEqual(tokens)
        expect(quantileOf(values, Math.min(0.9999, share + spread))).toBeGreaterThanOrEqual(tokens)
      }
    }
  })

  test('has the means of the trace it is made after', () => {
    const requests = asked({ workload: { trace: 'azure-2023-code' }, duration: '3435948ms' })
    expect(Math.abs(mean(requests.map(({ promptTokens }) => promptTokens)) / 2_047.8 - 1)).toBeLessThan(0.06)
    expect(Math.abs(mean(requests.map(({ completionTokens }) => completionTokens)) / 27.9 - 1)).toBeLessThan(0.06)
  })

  test('at twice the scale has twice the requests and the same CV', () => {
    const requests = asked({ workload: { trace: 'azure-2023-code', scale: 2 }, duration: '3435948ms' })
    expect(requests.length / 8_819).toBeCloseTo(2, 1)
    expect(Math.abs(cvOf(gapsOf(requests)) / 13.15 - 1)).toBeLessThan(0.03)
  })
})

test('a trace in a file beside the scenario is replayed as it is', () => {
  writeFileSync(
    join(folder, 'trace.csv'),
    'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.0000000,374,44\n2023-11-16 18:15:47.5000000,396,109\n2023-11-16 18:16:46.0000000,20,1\n',
  )
  const requests = asked({ workload: { trace: 'trace.csv', scale: 0.5, from: '1s' }, duration: '90s' })
  expect(requests).toMatchObject([
    { atMs: 1_000, promptTokens: 374, completionTokens: 44 },
    { atMs: 4_000, promptTokens: 396, completionTokens: 109 },
  ])
  expect(requests.length).toBe(2)
})

describe('requests', () => {
  test('of one conversation begin with all that was said, and come after it', () => {
    const requests = asked({ workload: { rate: '1/m', turns: 4, gap: '10s', prompt: 50, completion: 20 }, count: 50 })
    const conversations = Map.groupBy(requests, ({ conversation }) => conversation)
    expect(requests.length / conversations.size).toBeGreaterThan(3)
    expect(requests.length / (50 * 60)).toBeCloseTo(1, 0)
    for (const turns of conversations.values()) {
      for (const [at, turn] of turns.entries()) {
        const before = turns[at - 1]
        expect(turn.promptTokens).toBe(50 + at * 70)
        if (before) expect(turn.atMs - before.atMs).toBeGreaterThan(20 * 30)
        expect([turn.consumer, turn.model]).toEqual([turns[0]?.consumer, turns[0]?.model])
      }
    }
  })

  test('never ask more than the model can hold', () => {
    const requests = asked({
      workload: { rate: '1/s', prompt: '100..2000', completion: '1..2000', turns: 3 },
      engine: 'cpu-tiny',
    })
    expect(Math.max(...requests.map((request) => request.promptTokens + request.completionTokens))).toBe(512)
  })

  test('are left by the share of callers that leave', () => {
    const requests = asked({ workload: { rate: '1/s', prompt: 5, completion: 100, leave: '20%' } })
    const left = requests.flatMap(({ leaveAfterTokens }) => leaveAfterTokens ?? [])
    expect(left.length / requests.length).toBeCloseTo(0.2, 1)
    expect(mean(left) / 50).toBeCloseTo(1, 0)
  })

  test('ask for models by how many provide them, or as the scenario says', () => {
    const engine = [
      { profile, share: 3 },
      { profile, model: 'b', share: 1 },
    ]
    const workload = { rate: '1/s', prompt: 5, completion: 5 }
    const shareOfB = (requests: readonly PlannedRequest[]): number =>
      requests.filter(({ model }) => model === 'b').length / requests.length
    expect(shareOfB(asked({ workload, engine }))).toBeCloseTo(0.25, 1)
    expect(shareOfB(asked({ workload, engine, models: { b: 1 } }))).toBe(1)
  })

  test('of log-normal sizes have their median and end at their maximum', () => {
    const workload = { rate: '2/s', prompt: { median: 300, sigma: 1, max: 1_000 }, completion: '10..20' }
    const requests = asked({ workload })
    const prompts = requests.map(({ promptTokens }) => promptTokens)
    expect(quantileOf(prompts, 0.5) / 300).toBeCloseTo(1, 0)
    expect(Math.max(...prompts)).toBe(1_000)
    const completions = requests.map(({ completionTokens }) => completionTokens)
    expect([Math.min(...completions), Math.max(...completions)]).toEqual([10, 20])
  })
})

test('the eight regions are 36 distances, 190 and 195 ms being the one that differs by direction', () => {
  const { oneWayMs, regions } = regions8
  expect(oneWayMs.map((row) => row.length)).toEqual(regions.map(() => 8))
  const different = oneWayMs.flatMap((row, a) =>
    row.flatMap((ms, b) => (a < b && ms !== oneWayMs[b]?.[a] ? [[regions[a], regions[b], ms, oneWayMs[b]?.[a]]] : [])),
  )
  expect(different).toEqual([['south-africa', 'south-america', 190, 195]])
})

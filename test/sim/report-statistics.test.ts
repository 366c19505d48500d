// Quantiles, intervals and the summary: against published values and against what can be counted by hand.

import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../protocol/ids.ts'
import { metricOf, paceMetrics, seriesMetrics, summarise, summaryMetrics } from '../../sim/metrics.ts'
import type { PeerRecord, RequestRecord, Sample } from '../../sim/record.ts'
import { formatAt, formatBytes, formatMs, formatShare, formatValue } from '../../sim/report/format.ts'
import {
  giniOf,
  meanInterval,
  pairedInterval,
  quantileOf,
  studentQuantile,
  sumOf,
  welchInterval,
} from '../../sim/report/statistics.ts'

describe('quantiles', () => {
  // numpy.percentile([15, 20, 35, 40, 50], [0, 5, 25, 40, 50, 99, 100]), its default method
  test.each([
    [0, 15],
    [0.05, 16],
    [0.25, 20],
    [0.4, 29],
    [0.5, 35],
    [0.99, 49.6],
    [1, 50],
  ])('at %d of five values is what numpy says', (share, value) => {
    expect(quantileOf([15, 20, 35, 40, 50], share)).toBeCloseTo(value, 10)
  })

  test('of nothing is unknown, of one value is that value', () => {
    expect(quantileOf([], 0.5)).toBeUndefined()
    expect(quantileOf([7], 0.99)).toBe(7)
  })
})

describe('intervals', () => {
  // two-sided 95 % points of Student's t, from any table
  test.each([
    [1, 12.7062],
    [2, 4.3027],
    [4, 2.7764],
    [9, 2.2622],
    [29, 2.0452],
    [120, 1.9799],
    [1e9, 1.96],
  ])('Student’s t at %d degrees of freedom is the table’s', (degrees, value) => {
    expect(studentQuantile(0.975, degrees)).toBeCloseTo(value, 3)
  })

  test('the mean’s is the mean ± t s / √n', () => {
    // s = √2.5, t(4) = 2.7764
    const { low, high, mean, count } = meanInterval([1, 2, 3, 4, 5]) ?? expect.unreachable()
    expect({ mean, count }).toEqual({ mean: 3, count: 5 })
    expect(low).toBeCloseTo(3 - 1.9632, 3)
    expect(high).toBeCloseTo(3 + 1.9632, 3)
  })

  test('one run’s has no width', () => {
    expect(meanInterval([4])).toEqual({ mean: 4, low: 4, high: 4, count: 1 })
    expect(meanInterval([])).toBeUndefined()
  })

  test('pairs cancel what both runs of a seed share', () => {
    const [a, b] = [
      [10, 200, 3000],
      [11, 201.1, 3000.9],
    ]
    expect(pairedInterval(a ?? [], b ?? [])?.low).toBeGreaterThan(0)
    expect(welchInterval(a ?? [], b ?? [])?.low).toBeLessThan(0)
  })

  test('Welch’s has Satterthwaite’s degrees of freedom', () => {
    const interval = welchInterval([27.5, 21, 19, 23.6, 17, 17.9], [28, 30, 26, 22, 35, 29]) ?? expect.unreachable()
    expect(interval.mean).toBeCloseTo(22 / 3, 10)
    // variances 15.724 and 18.667 of six each: standard error 2.3941, 9.927 degrees of freedom, t = 2.2304
    expect(interval.high - interval.mean).toBeCloseTo(5.34, 2)
    expect(interval.mean - interval.low).toBeCloseTo(5.34, 2)
  })

  test('a difference of unequal numbers of pairs is refused', () => {
    expect(() => pairedInterval([1, 2], [1])).toThrow('2 values paired with 1')
  })
})

test('Gini is 0 for equals and (n − 1) / n where one has all', () => {
  expect(giniOf([3, 3, 3])).toBe(0)
  expect(giniOf([0, 0, 0, 8])).toBeCloseTo(0.75, 12)
  expect(giniOf([])).toBeUndefined()
  expect(giniOf([0, 0])).toBeUndefined()
})

test('a sum keeps small values beside large ones', () => {
  expect(sumOf([1e16, 1, 1, -1e16])).toBe(2)
})

describe('the tables of metrics', () => {
  test('name no metric twice, and give each a unit and a meaning', () => {
    for (const metrics of [summaryMetrics, seriesMetrics, paceMetrics]) {
      const names = metrics.map(({ name }) => name)
      expect(new Set(names).size).toBe(names.length)
      for (const { unit, what } of metrics) expect([unit, what]).not.toContain('')
    }
    expect(metricOf('ttftMsP99')).toEqual({
      name: 'ttftMsP99',
      unit: 'ms',
      what: 'time to first token, from arrival: 99th percentile',
      better: 'less',
    })
    expect(metricOf('nonsense')).toBeUndefined()
  })
})

const request = (fields: Partial<RequestRecord>): RequestRecord => ({
  number: 0,
  consumer: 'c',
  provider: 'p',
  model: 'm',
  arrivalMs: 1000,
  firstTokenMs: 1100,
  endMs: 2000,
  outcome: 'ok',
  code: '',
  promptTokens: 100,
  completionTokens: 10,
  cachedTokens: 0,
  costNano: 1_000_000n,
  attempts: 1,
  failovers: 0,
  isMeasured: true,
  ...fields,
})

const peer = (fields: Partial<PeerRecord>): PeerRecord => ({
  name: 'p',
  group: 'g',
  region: 'r',
  roles: ['provider'],
  adversary: '',
  earnedNano: 0n,
  spentNano: 0n,
  tokensServed: 0,
  slots: 1,
  connections: [],
  ...fields,
})

const plan = { durationMs: 11_000, warmupMs: 1000 }

describe('the summary', () => {
  test('counts what was measured, and leaves departures out of the success rate', () => {
    const requests = [
      request({}),
      request({ endMs: 3000 }),
      request({ outcome: 'failed', firstTokenMs: undefined, completionTokens: 0, code: 'timeout' }),
      request({ outcome: 'left' }),
      request({ outcome: 'lost' }),
      request({ isMeasured: false, outcome: 'failed' }),
    ]
    expect(summarise({ plan, requests, series: [], peers: [] })).toMatchObject({
      requests: 5,
      succeededRequests: 2,
      failedRequests: 1,
      leftRequests: 1,
      lostRequests: 1,
      successRate: 2 / 3,
      goodputTokensPerSecond: 2,
      totalTokensPerSecond: 22,
    })
  })

  test('defines TTFT, TPOT, ITL and e2e as vLLM does', () => {
    const requests = [request({}), request({ firstTokenMs: 1300, endMs: 1400, completionTokens: 2 })]
    const summary = summarise({ plan, requests, series: [], peers: [] })
    expect(summary['ttftMsMean']).toBe(200)
    expect(summary['e2eMsMean']).toBe(700)
    // 900 ms over 9 gaps and 100 ms over one: the mean over requests, and over gaps
    expect(summary['tpotMsMean']).toBe(100)
    expect(summary['itlMsMean']).toBe(100)
    const uneven = [request({}), request({ firstTokenMs: 1100, endMs: 1140, completionTokens: 2 })]
    const second = summarise({ plan, requests: uneven, series: [], peers: [] })
    expect(second['tpotMsMean']).toBe(70)
    expect(second['itlMsMean']).toBe(94)
    expect(second['itlMsP99']).toBeUndefined()
  })

  test('has no time per token for answers of one token', () => {
    const summary = summarise({ plan, requests: [request({ completionTokens: 1 })], series: [], peers: [] })
    expect(summary['tpotMsMean']).toBeUndefined()
    expect(summary['ttftMsMean']).toBe(100)
  })

  test('tells retries before the first token from failovers after it', () => {
    const requests = [request({ attempts: 3, failovers: 1 }), request({ attempts: 0, outcome: 'failed' })]
    expect(summarise({ plan, requests, series: [], peers: [] })).toMatchObject({
      retries: 1,
      failovers: 1,
      attemptsMean: 3,
    })
  })

  test('leaves out what is unknown, and says nothing of an empty run but counts', () => {
    const summary = summarise({ plan, requests: [], series: [], peers: [] })
    expect(summary).toMatchObject({ requests: 0, peers: 0 })
    for (const name of ['successRate', 'ttftMsP50', 'settledGram', 'utilisationMean'])
      expect(summary).not.toHaveProperty(name)
    for (const value of Object.values(summary)) expect(value).toSatisfy(Number.isFinite)
  })

  test('takes a tier’s figures of known names only, and has the table’s order whatever theirs was', () => {
    const one = summarise({
      plan,
      requests: [],
      series: [],
      peers: [],
      figures: { gossipMsP50: 5, dhtMeanHops: 2, rssBytes: 9 },
    })
    const two = summarise({
      plan,
      requests: [],
      series: [],
      peers: [],
      figures: { rssBytes: 8, dhtMeanHops: 2, gossipMsP50: 5 },
    })
    expect(JSON.stringify(one)).toBe(JSON.stringify(two))
    expect(one).toMatchObject({ dhtMeanHops: 2, gossipMsP50: 5 })
    expect(one).not.toHaveProperty('rssBytes')
  })

  test('weighs providers, not the warm-up', () => {
    const sample = (atMs: number, subject: string, value: number): Sample => ({
      atMs,
      metric: 'utilisation',
      subject,
      value,
    })
    const series = [
      sample(0, 'a', 1),
      sample(2000, 'a', 0.25),
      sample(3000, 'a', 0.75),
      sample(2000, 'b', 0),
      sample(3000, 'b', 0),
    ]
    const summary = summarise({ plan, requests: [], series, peers: [] })
    expect(summary['utilisationMean']).toBe(0.25)
    expect(summary['utilisationGini']).toBe(0.5)
  })

  test('adds money up exactly before it becomes a decimal', () => {
    const huge = (1n << 60n) + 1n
    const requests = [request({ costNano: huge }), request({ costNano: -huge + 1_500_000_000n, isMeasured: false })]
    expect(summarise({ plan, requests, series: [], peers: [] })['spentGram']).toBe(1.5)
  })

  test('counts as lost to fraud what adversaries earned and what they did not pay', () => {
    const channel = { escrow: parse('1'), payee: parse('2'), provider: 'p', depositNano: 0n, settledNano: 400n }
    const summary = summarise({
      plan,
      requests: [],
      series: [],
      peers: [
        peer({ name: 'liar', adversary: 'wrong-model', earnedNano: 3_000_000_000n }),
        peer({ name: 'p', earnedNano: 9_000_000_000n }),
        peer({ name: 'cheat', roles: ['consumer'], adversary: 'non-paying' }),
      ],
      audit: {
        depositedNano: 0n,
        inEscrowsNano: 0n,
        paidOutNano: 0n,
        feesNano: 100n,
        channels: [
          { ...channel, consumer: 'cheat', owedNano: 1_000_000_000n, coveredNano: 500_000_000n },
          { ...channel, consumer: 'honest', owedNano: 700n, coveredNano: 600n },
        ],
      },
    })
    expect(summary).toMatchObject({ lossToFraudGram: 3.5, revenueGram: 12, feeShare: 0.125 })
  })
})

describe('numbers', () => {
  test.each([
    [formatMs(0.25), '0.25 ms'],
    [formatMs(312.4), '312 ms'],
    [formatMs(4360), '4.36 s'],
    [formatMs(3_600_000), '60 min'],
    [formatShare(0.977), '97.7 %'],
    [formatShare(0.99991), '99.991 %'],
    [formatShare(1), '100 %'],
    [formatAt(1_205_000), '20:05'],
    [formatAt(4_805_000), '1:20:05'],
    [formatBytes(1_910_000), '1.91 MB'],
    [formatValue(64_000, 'nano'), '64\u2009000 nano'],
    [formatValue(1.44e9, 'nano/Mtoken'), '1.44 GRAM/M'],
  ])('%s', (shown, expected) => {
    expect(shown).toBe(expected)
  })
})

function parse(digit: string) {
  return parseAddress(`0:${digit.repeat(64)}`)
}

// Comparing runs: what differs, by how much, and whether seeds alone would explain it.

import { describe, expect, test } from 'vitest'
import { compareRuns, comparisonJson, comparisonText } from '../../sim/report/compare.ts'
import { compareSweeps, sweepComparisonJson, sweepComparisonText } from '../../sim/report/compare-sweeps.ts'
import type { RunSummary } from '../../sim/report/write.ts'
import { syntheticRun } from './synthetic-run.ts'

const { manifest } = syntheticRun({ providers: 1, consumers: 1, requests: 1 })
const runOf = (seed: number, summary: Record<string, number>): RunSummary => ({
  manifest: { ...manifest, seed },
  summary,
  assertions: [],
  violations: [],
})
const rowOf = (comparison: ReturnType<typeof compareRuns>, name: string) =>
  comparison.rows.find((row) => row.name === name) ?? expect.unreachable(name)

describe('two single runs', () => {
  test('are compared without an interval', () => {
    const comparison = compareRuns(
      runOf(1, { ttftMsP50: 200, successRate: 0.9 }),
      runOf(2, { ttftMsP50: 150, successRate: 0.8 }),
    )
    expect(comparison.method).toBe('none')
    expect(rowOf(comparison, 'ttftMsP50')).toEqual({
      name: 'ttftMsP50',
      unit: 'ms',
      a: 200,
      b: 150,
      difference: -50,
      relative: -0.25,
      change: 'better',
    })
    expect(rowOf(comparison, 'successRate').change).toBe('worse')
    expect(comparisonText(comparison)).toContain('run several seeds')
  })

  test('that are equal change nothing', () => {
    const comparison = compareRuns(runOf(1, { ttftMsP50: 200 }), runOf(1, { ttftMsP50: 200 }))
    expect(rowOf(comparison, 'ttftMsP50')).not.toHaveProperty('change')
  })

  test('show a metric that one of them lacks, without a difference', () => {
    const comparison = compareRuns(runOf(1, { settledGram: 2 }), runOf(1, { vouchers: 3 }))
    expect(rowOf(comparison, 'settledGram')).toEqual({ name: 'settledGram', unit: 'GRAM', a: 2 })
    expect(rowOf(comparison, 'vouchers')).toEqual({ name: 'vouchers', unit: 'count', b: 3 })
  })
})

describe('runs of several seeds', () => {
  const noise = [0, 900, 200, 600]
  const side = (shift: number, seeds = [1, 2, 3, 4]) =>
    seeds.map((seed, index) =>
      runOf(seed, { e2eMsP50: 1000 + (noise[index] ?? 0) + shift * (1 + index / 100), peers: 10 }),
    )

  test('of equal seeds are compared pair by pair, in any order', () => {
    const comparison = compareRuns(side(0), side(30).toReversed())
    expect(comparison.method).toBe('paired t')
    const row = rowOf(comparison, 'e2eMsP50')
    expect(row).toMatchObject({ isSignificant: true, change: 'worse' })
    expect(row.low).toBeGreaterThan(29)
    expect(row.high).toBeLessThan(32)
  })

  test('of other seeds need more than the seeds’ own spread', () => {
    const comparison = compareRuns(side(0), side(30, [5, 6, 7, 8]))
    expect(comparison.method).toBe('Welch t')
    expect(rowOf(comparison, 'e2eMsP50')).toMatchObject({ isSignificant: false })
    expect(rowOf(comparison, 'e2eMsP50')).not.toHaveProperty('change')
    expect(rowOf(compareRuns(side(0), side(3000, [5, 6, 7, 8])), 'e2eMsP50').isSignificant).toBe(true)
  })

  test('that never vary differ by nothing', () => {
    expect(rowOf(compareRuns(side(0), side(30)), 'peers')).toMatchObject({
      difference: 0,
      low: 0,
      high: 0,
      isSignificant: false,
    })
  })

  test('are shown as aligned text and as JSON', () => {
    const comparison = compareRuns(side(0), side(30))
    const lines = comparisonText(comparison).split('\n')
    expect(lines[0]).toMatch(
      /^A: synthetic, model, commit c42be52a1b2c, 4 seeds 1, 2, 3, 4; 0 assertions failed, 0 violations$/,
    )
    const row = lines.find((line) => line.startsWith('e2eMsP50')) ?? ''
    expect(row).toMatch(/\+30\.\d ms {2,}\+2\.\d {2,}\+\S+ ms … \+\S+ ms {2}\* worse$/)
    expect(JSON.parse(comparisonJson(comparison))).toEqual(comparison)
  })
})

test('a side without runs is refused', () => {
  expect(() => compareRuns([], runOf(1, {}))).toThrow('expected at least one on each side')
})

describe('two sweeps', () => {
  const at = (loss: number, routing: string, seed: number, ttftMsP50: number): RunSummary => ({
    ...runOf(seed, { ttftMsP50 }),
    manifest: { ...manifest, seed, source: { seed, network: { loss }, config: { consumer: { routing } } } },
  })
  const sweep = (routing: string, shift: number, losses: readonly number[]) =>
    losses.flatMap((loss) => [1, 2].map((seed) => at(loss, routing, seed, 1_000 * loss + seed + shift)))

  test('are compared point by point: a point never makes up for another', () => {
    const { parameters, points } = compareSweeps(sweep('p2c', 0, [0, 0.1]), sweep('random', 5, [0, 0.1]))
    expect(parameters).toEqual(['network.loss']) // what each side has throughout is what is compared
    expect(points.map(({ values }) => values)).toEqual([[0], [0.1]])
    for (const { comparison } of points) {
      expect(comparison.a.seeds).toEqual([1, 2])
      expect(rowOf(comparison, 'ttftMsP50').difference).toBeCloseTo(5, 9)
    }
  })

  test('say which points only one of them has', () => {
    const compared = compareSweeps(sweep('p2c', 0, [0, 0.1]), sweep('p2c', 5, [0.1, 0.2]))
    expect(compared).toMatchObject({ onlyInA: [[0]], onlyInB: [[0.2]] })
    const text = sweepComparisonText(compared)
    expect(text).toContain('── network.loss = 0.1\nA: ')
    expect(text).toContain('only in A, compared with nothing: network.loss = 0\n')
    expect(text).toMatch(/only in B, compared with nothing: network\.loss = 0\.2$/)
    expect(JSON.parse(sweepComparisonJson(compared))).toMatchObject({
      points: [{ parameters: { 'network.loss': 0.1 }, method: 'paired t' }],
      onlyInA: [{ 'network.loss': 0 }],
    })
  })

  test('without a point in common are refused, with what each has', () => {
    expect(() => compareSweeps(sweep('p2c', 0, [0, 0.1]), sweep('p2c', 0, [0.2, 0.3]))).toThrow(
      /A has network\.loss = 0; network\.loss = 0\.1; B has network\.loss = 0\.2/,
    )
  })

  test('where nothing was swept are one comparison of all seeds', () => {
    const [a, b] = [sweep('p2c', 0, [0]), sweep('random', 5, [0])]
    const compared = compareSweeps(a, b)
    expect(sweepComparisonText(compared)).toBe(comparisonText(compareRuns(a, b)))
    expect(sweepComparisonJson(compared)).toBe(comparisonJson(compareRuns(a, b)))
  })
})

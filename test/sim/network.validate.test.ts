// What the validations compute, at sizes that are quick; the published sizes are commands.

import { describe, expect, test } from 'vitest'
import { validateChurn } from '../../sim/validate/churn.ts'
import { validateFanOut, validateGossip } from '../../sim/validate/gossip.ts'
import { bitsPerHopOf, validateKademlia } from '../../sim/validate/kademlia.ts'
import { validateLiveness } from '../../sim/validate/liveness.ts'

describe('Kademlia', () => {
  test.each([
    [1_000, 1.93],
    [10_000, 2.535],
    [100_000, 3.065],
  ])('takes as many hops among %i nodes as published', (n, hops) => {
    expect(Math.abs(validateKademlia({ k: 20, n, lookups: 4_000 }).meanHops - hops)).toBeLessThan(0.15)
  })

  test.each([1, 2, 8, 20, 40])('gains with k = %i as many bits a hop as theory says', (k) => {
    const { bitsPerHop, bitsPerHopInTheory } = validateKademlia({ k, n: 100_000, lookups: 4_000 })
    expect(bitsPerHop / bitsPerHopInTheory).toBeGreaterThan(0.98)
    expect(bitsPerHop / bitsPerHopInTheory).toBeLessThan(1.02)
  })

  test('A(20) is 5.690', () => {
    expect(bitsPerHopOf(20)).toBeCloseTo(5.69, 3)
  })

  test.each([
    [0, 10, 'k is 0, expected a whole number from 1'],
    [1.5, 10, 'k is 1.5, expected a whole number from 1'],
    [20, 10.5, '10.5 nodes, expected a whole number from 2 to 10000000'],
    [20, 1e9, '1000000000 nodes, expected a whole number from 2 to 10000000'],
  ])('k = %s among %s nodes is refused', (k, n, message) => {
    expect(() => validateKademlia({ k, n })).toThrow(message)
  })

  test('everybody knows everybody where a bucket holds all', () => {
    expect(validateKademlia({ k: 64, n: 50 }).meanHops).toBe(1)
  })
})

describe('gossip', () => {
  const waku = { n: 1_000, degree: 6, sizeBytes: 10_000, latencyMs: 100, validationMs: 12 }

  test('is as late as measured in a thousand real nodes', () => {
    const { coverage, meanMs, p50Ms, p95Ms, p99Ms } = validateGossip(waku)
    expect(coverage).toBe(1)
    for (const [actual, published] of [
      [meanMs, 507.6],
      [p50Ms, 518],
      [p95Ms, 627],
      [p99Ms, 644],
    ] as const) {
      expect(Math.abs(actual / published - 1)).toBeLessThan(0.05)
    }
  })

  test.each([
    ['nodes 10.5, expected a whole number from 2 to 20000', { n: 10.5 }],
    ['degree 0, expected a whole number from 1 to 1000', { degree: 0 }],
    ['size in bytes -5, expected a whole number from 0', { sizeBytes: -5 }],
    ['latency of -1 ms, expected from 0', { latencyMs: -1 }],
    ['validation of -12 ms, expected from 0', { validationMs: -12 }],
  ])('refuses %s', (message, wrong) => {
    expect(() => validateGossip({ ...waku, ...wrong })).toThrow(message)
  })

  test('a message that takes minutes is waited for, and is not taken for the next', () => {
    const { coverage, minMs, p50Ms } = validateGossip({ ...waku, n: 20, latencyMs: 40_000 })
    expect(coverage).toBe(1)
    expect(minMs).toBeGreaterThan(40_000)
    expect(p50Ms).toBeLessThan(200_000)
  })

  test('is later in a thinner mesh, with larger messages, over longer ways, in a larger swarm', () => {
    const base = validateGossip(waku).meanMs
    // measured with D = 3: 610 ms in the mean, 613 in the median
    const thin = validateGossip({ ...waku, degree: 3 })
    expect(Math.abs(thin.meanMs / 609.9 - 1)).toBeLessThan(0.05)
    expect(Math.abs(thin.p50Ms / 613 - 1)).toBeLessThan(0.05)
    // measured with 100 kB: 856 ms in the median
    expect(Math.abs(validateGossip({ ...waku, sizeBytes: 100_000 }).p50Ms / 856 - 1)).toBeLessThan(0.05)
    expect(validateGossip({ ...waku, latencyMs: 200 }).meanMs).toBeGreaterThan(base + 250)
    expect(validateGossip({ ...waku, validationMs: 50 }).meanMs).toBeGreaterThan(base + 80)
    expect(validateGossip({ ...waku, n: 200 }).meanMs).toBeLessThan(base - 50)
  })

  test('equal seeds give equal figures', () => {
    const small = { ...waku, n: 100 }
    expect(validateGossip(small)).toEqual(validateGossip(small))
    expect(validateGossip({ ...small, seed: 2 })).not.toEqual(validateGossip(small))
  })

  test('spreads by rounds as published', () => {
    const published = [1, 9, 73, 568, 3_832, 9_547, 9_995]
    const { holders } = validateFanOut({ n: 10_000, degree: 8 })
    for (const [at, count] of published.entries()) {
      expect(Math.abs((holders[at] ?? 0) / count - 1)).toBeLessThan(0.05)
    }
  })
})

describe('churn', () => {
  test('lookups succeed while sessions last 1.4 minutes in the median', () => {
    const { bytesPerNodeSecond, lookupSuccess } = validateChurn({ n: 200, warmupMs: 180_000, durationMs: 60_000 })
    expect(lookupSuccess).toBeGreaterThan(0.95)
    expect(bytesPerNodeSecond).toBeLessThan(900)
  })

  test('of twenty holders about eighteen are there', () => {
    const figures = validateLiveness({ n: 120, warmupMs: 3_600_000, durationMs: 3_600_000 })
    expect(figures.holdersP50).toBeGreaterThanOrEqual(17)
    expect(figures.holdersP50).toBeLessThanOrEqual(19)
    expect(figures.holdersP90).toBeGreaterThanOrEqual(19)
    expect(figures.analytic).toBeCloseTo(0.8784, 4)
    expect(figures.sessionMedianMs / 7_200_000).toBeCloseTo(1, 1)
    expect(figures.sessionP80Ms / 28_800_000).toBeCloseTo(1, 1)
  })
})

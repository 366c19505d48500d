// Kademlia alone: hops as published, churn felt, seeds repeated, a million peers in little memory.

import { describe, expect, test } from 'vitest'
import { runDhtOnly } from '../../sim/coarse/dht.ts'

const options = { lookups: 2_000, k: 20, alpha: 1, seed: 1 }

describe('without churn', () => {
  // perfect buckets of 20, greedy lookup of an existing peer: 1.930, 2.535, 3.065 (± 0.15)
  test.each([
    [1_000, 1.93],
    [10_000, 2.535],
    [100_000, 3.065],
  ])('%i peers are %f hops apart', async (peers, hops) => {
    const figures = await runDhtOnly({ ...options, peers })
    expect(figures.successRate).toBe(1)
    expect(Math.abs(figures.meanHops - hops)).toBeLessThan(0.15)
    expect(figures.deadShare).toBe(0)
  })

  test('larger buckets are shorter ways', async () => {
    const few = await runDhtOnly({ ...options, peers: 5_000, k: 4 })
    const many = await runDhtOnly({ ...options, peers: 5_000, k: 40 })
    expect(many.meanHops).toBeLessThan(few.meanHops)
    expect(many.meanMessages).toBeGreaterThan(few.meanMessages)
  })
})

describe('with churn', () => {
  const churn = { shape: 0.6077, scaleMs: 3.656 * 3_600_000, downtimeMs: 4 * 3_600_000, refreshMs: 600_000 }

  test('the dead are met, and lookups go round them', async () => {
    const figures = await runDhtOnly({ ...options, peers: 10_000, churn })
    const sessionMs = churn.scaleMs * 1.4796 // Γ(1 + 1/0.6077)
    expect(figures.peersUp / 10_000).toBeCloseTo(sessionMs / (sessionMs + churn.downtimeMs), 1)
    expect(figures.deadShare).toBeGreaterThan(0.005)
    expect(figures.deadShare).toBeLessThan(0.1)
    expect(figures.successRate).toBeGreaterThan(0.99)
  })

  test('tables checked less often hold more of the dead', async () => {
    const seldom = await runDhtOnly({ ...options, peers: 5_000, churn: { ...churn, refreshMs: 7_200_000 } })
    const often = await runDhtOnly({ ...options, peers: 5_000, churn })
    expect(seldom.deadShare).toBeGreaterThan(2 * often.deadShare)
    expect(seldom.meanMessages).toBeGreaterThan(often.meanMessages)
  })

  test('the share of those that run stays what it is', async () => {
    const short = { shape: 1, scaleMs: 600_000, downtimeMs: 600_000, refreshMs: 60_000 }
    const figures = await runDhtOnly({ ...options, peers: 4_000, lookups: 500, churn: short, durationMs: 36_000_000 })
    expect(figures.peersUp / 4_000).toBeCloseTo(0.5, 1)
  })
})

test('equal seeds run equal, and others do not', async () => {
  const run = (seed: number) => runDhtOnly({ ...options, seed, peers: 2_000, lookups: 500 })
  expect(await run(1)).toEqual(await run(1))
  expect((await run(2)).meanHops).not.toBe((await run(1)).meanHops)
})

test('stops when told and says how far it came', async () => {
  const stop = new AbortController()
  const figures = await runDhtOnly({ ...options, peers: 1_000, signal: stop.signal, progress: () => stop.abort() })
  expect(figures).toMatchObject({ lookups: 500, isComplete: false })
})

// What a provider asks, and which of its prices it keeps to.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Pricing, type PricingLoad, type PricingTerms, priceAt } from '../../node/provider/pricing.ts'
import { clockSkewMsMax } from '../../protocol/advert.ts'
import { isWithin, type Price } from '../../protocol/money.ts'
import { price } from '../protocol/arbitraries.ts'

const base: Price = { promptNano: 20_000_000n, completionNano: 160_000_000n, cachedNano: 2_000_000n }
const terms: PricingTerms = { policy: 'adaptive', base, floorPerMille: 250 }
const completionAt = (active: number, queued = 0, slots = 4): bigint =>
  priceAt(terms, { slots, active, queued }).completionNano

describe('an adaptive price', () => {
  test('is the floor when idle', () => {
    expect(priceAt(terms, { slots: 4, active: 0, queued: 0 })).toEqual({
      promptNano: 5_000_000n,
      completionNano: 40_000_000n,
      cachedNano: 500_000n,
    })
  })

  test('is the base when all slots are taken and nobody waits', () => {
    expect(priceAt(terms, { slots: 4, active: 4, queued: 0 })).toEqual(base)
  })

  test('is half way when half the slots are taken', () => {
    expect(completionAt(2)).toBe(100_000_000n)
  })

  test('is twice the base when as many wait as there are slots, and no more after that', () => {
    expect(completionAt(4, 2)).toBe(240_000_000n)
    expect(completionAt(4, 4)).toBe(320_000_000n)
    expect(completionAt(4, 40)).toBe(320_000_000n)
  })

  test('moves in steps: one slot of many is not worth an advert', () => {
    expect(completionAt(17, 0, 64)).toBe(completionAt(24, 0, 64))
    expect(completionAt(24, 0, 64)).toBeLessThan(completionAt(25, 0, 64))
  })

  test('never falls as load grows, and keeps a cached token no dearer than a fresh one', () => {
    const loads = fc.record({
      slots: fc.integer({ min: 1, max: 256 }),
      active: fc.nat({ max: 256 }),
      queued: fc.nat({ max: 64 }),
    })
    const policy = fc.record({
      policy: fc.constant('adaptive' as const),
      base: price,
      floorPerMille: fc.nat({ max: 1_000 }),
    })
    fc.assert(
      fc.property(policy, loads, fc.nat({ max: 9 }), fc.nat({ max: 9 }), (policy, load, moreActive, moreQueued) => {
        const less = priceAt(policy, load)
        const more = priceAt(policy, { ...load, active: load.active + moreActive, queued: load.queued + moreQueued })
        expect(isWithin(less, more)).toBe(true)
        expect(less.cachedNano <= less.promptNano).toBe(true)
      }),
    )
  })
})

test('a fixed price is the base at any load', () => {
  const fixed = { ...terms, policy: 'fixed' as const }
  expect(priceAt(fixed, { slots: 4, active: 0, queued: 0 })).toEqual(base)
  expect(priceAt(fixed, { slots: 4, active: 4, queued: 9 })).toEqual(base)
})

describe('what was told', () => {
  const setUp = () => {
    const state: { nowMs: number; load: PricingLoad } = { nowMs: 0, load: { slots: 4, active: 0, queued: 0 } }
    const pricing = new Pricing(terms, { now: () => state.nowMs }, () => state.load)
    return { state, pricing }
  }
  const full = { slots: 4, active: 4, queued: 0 }
  const floor = priceAt(terms, { slots: 4, active: 0, queued: 0 })

  test('is served after a raise, as long as its advert is believed', () => {
    const { state, pricing } = setUp()
    pricing.told(pricing.current, 1_000)
    state.load = full
    expect(pricing.within(floor)).toEqual(floor)
    state.nowMs = 1_000 + clockSkewMsMax
    expect(pricing.within(floor)).toEqual(floor)
    state.nowMs += 1
    expect(pricing.within(floor)).toBeUndefined()
  })

  test('is served for longer when told again', () => {
    const { state, pricing } = setUp()
    pricing.told(floor, 1_000)
    pricing.told(floor, 50_000)
    state.load = full
    state.nowMs = 50_000
    expect(pricing.within(floor)).toEqual(floor)
  })

  test('counts with its highest price under the ceiling', () => {
    const { state, pricing } = setUp()
    const half = priceAt(terms, { slots: 4, active: 2, queued: 0 })
    for (const each of [floor, half, base]) pricing.told(each, 1_000)
    state.load = { slots: 4, active: 4, queued: 4 }
    expect(pricing.within(half)).toEqual(half)
    expect(pricing.within(base)).toEqual(base)
  })

  test('does not matter where the price has fallen since', () => {
    const { pricing } = setUp()
    pricing.told(base, 1_000)
    expect(pricing.within(base)).toEqual(floor)
  })

  test('is nothing before the first advert', () => {
    const { state, pricing } = setUp()
    state.load = full
    expect(pricing.within(floor)).toBeUndefined()
    expect(pricing.within(base)).toEqual(base)
  })
})

// What a request has cost so far.

import '../seed.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { afterDelta, meteredNano, startMeter, windowNano } from '../../node/provider/meter.ts'
import { costNano } from '../../protocol/money.ts'
import { price, usage } from '../protocol/arbitraries.ts'

test('a request starts at the cost of its prompt', () => {
  fc.assert(
    fc.property(price, usage, (price, { promptTokens, cachedTokens }) => {
      const meter = startMeter(price, promptTokens, cachedTokens)
      expect(meteredNano(meter)).toBe(costNano({ promptTokens, cachedTokens, completionTokens: 0 }, price))
    }),
  )
})

test('deltas add up to the cost of the whole, whatever their sizes', () => {
  fc.assert(
    fc.property(price, usage, fc.array(fc.nat({ max: 64 })), (price, { promptTokens, cachedTokens }, deltas) => {
      const meter = deltas.reduce(afterDelta, startMeter(price, promptTokens, cachedTokens))
      const completionTokens = deltas.reduce((sum, tokens) => sum + tokens, 0)
      expect(meter.usage).toEqual({ promptTokens, cachedTokens, completionTokens })
      expect(meteredNano(meter)).toBe(costNano({ promptTokens, cachedTokens, completionTokens }, price))
    }),
  )
})

test('the window is the price of its tokens', () => {
  const price = { promptNano: 9n, completionNano: 160_000_000n, cachedNano: 1n }
  expect(windowNano(price, 64)).toBe(10_240n)
  expect(windowNano(price, 0)).toBe(0n)
  expect(windowNano({ ...price, completionNano: 1n }, 64)).toBe(1n)
})

// Both sides of a channel under faults: nobody loses more than promised, and both agree again afterwards.

import '../seed.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { coveredOf, Pair, type Step, unpaidOf, windowNano } from './pair.ts'

/** How often each thing happens, among all. */
const weights: readonly (readonly [Step['act'], number])[] = [
  ['open', 6],
  ['read', 24],
  ['deliver', 24],
  ['end', 4],
  ['voucher', 16],
  ['lose voucher', 3],
  ['double voucher', 2],
  ['consumer loses stream', 2],
  ['provider loses stream', 2],
  ['consumer crashes', 1],
  ['provider crashes', 1],
  ['consumer forgets', 1],
  ['write', 24],
  ['pay debts', 2],
]

const step: fc.Arbitrary<Step> = fc.record({
  act: fc.oneof(...weights.map(([act, weight]) => ({ weight, arbitrary: fc.constant(act) }))),
  pick: fc.nat({ max: 11 }),
  amount: fc.nat({ max: 100 }),
})

function expectPromisesKept(pair: Pair): void {
  expect(pair.faults).toEqual([])
  // a provider: never more than the window unpaid, and each crash forgets at most that
  expect(unpaidOf(pair)).toBeLessThanOrEqual(windowNano)
  expect(pair.deliveredNano - coveredOf(pair)).toBeLessThanOrEqual(windowNano * BigInt(1 + pair.providerCrashes))
  // a consumer: never more than it got, and a window for each stream that broke
  expect(pair.signedNano).toBeLessThanOrEqual(pair.receivedNano + windowNano * BigInt(pair.brokenStreams))
}

test('no faults between a consumer and a provider cost either more than promised, and both agree afterwards', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120 }), async (steps) => {
      const pair = new Pair()
      await pair.start()
      for (const step of steps) {
        await pair.take(step)
        expectPromisesKept(pair)
      }
      await pair.heal()
      await pair.request(10n, [5n, 5n])
      await pair.request(10n, [5n, 5n])
      expectPromisesKept(pair)
      expect(pair.tabs.debts()).toEqual([])
      expect(unpaidOf(pair)).toBeLessThanOrEqual(0n)
      expect(coveredOf(pair)).toBe(pair.best?.terms.amountNano)
    }),
    { numRuns: 400 },
  )
})

// The rule: what is settled at once, what waits, and for what reason.

import '../seed.ts'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { leastReferenceNano, networkFeeNano, type SettleCase, settleOrWait } from '../../node/settlement/rule.ts'

const policy = { thresholdNano: 60_000_000n, ageMsMax: 86_400_000, settleNanoMin: 5_000_000n }
const spike = { ...policy, settleNanoMin: 50_000_000n }
const calm: SettleCase = {
  unsettledNano: 20_000_000n,
  payableNano: 1_000_000_000n,
  drainNano: 0n,
  ageMs: 0,
  unlockAtMs: 0,
  isWanted: false,
  batch: 1,
}

describe('at ordinary fees', () => {
  test.each([
    ['waits below the threshold', {}, false, 'small'],
    ['settles at the threshold', { unsettledNano: 60_000_000n }, true, 'worth it'],
    ['waits one nano below it', { unsettledNano: 59_999_999n }, false, 'small'],
    ['settles less where it shares its message', { unsettledNano: 50_000_000n, batch: 10 }, true, 'worth it'],
    ['settles what is old', { ageMs: 86_400_000 }, true, 'old'],
    ['settles what is wanted', { isWanted: true }, true, 'wanted'],
    ['settles what a closing escrow owes', { unlockAtMs: 1 }, true, 'closing'],
    ['never settles what the chain refuses', { unsettledNano: 4_999_999n, unlockAtMs: 1 }, false, 'below the least'],
    ['waits while the escrow is empty', { payableNano: 4_999_999n, isWanted: true }, false, 'escrow empty'],
    [
      'settles before others have emptied the escrow',
      { payableNano: 30_000_000n, drainNano: 6_000_000n },
      true,
      'draining',
    ],
    ['waits while others leave enough', { payableNano: 30_000_000n, drainNano: 5_000_000n }, false, 'small'],
    ['waits where nobody else draws on a low escrow', { payableNano: 10_000_000n }, false, 'small'],
    ['has nothing to do where all is settled', { unsettledNano: 0n, unlockAtMs: 1 }, false, 'nothing unsettled'],
  ] as const)('%s', (_, change, isDue, reason) => {
    expect(settleOrWait({ ...calm, ...change }, policy)).toMatchObject({ isDue, reason })
  })
})

describe('at ten times the fees', () => {
  test.each([
    ['waits with what would be worth it otherwise, and says so', { unsettledNano: 60_000_000n }, false, 'fee spike'],
    ['waits with what the chain refuses now', { unsettledNano: 49_000_000n }, false, 'below the least'],
    ['settles ten times as much', { unsettledNano: 600_000_000n }, true, 'worth it'],
    [
      'settles what a closing escrow owes, whatever it costs',
      { unsettledNano: 60_000_000n, unlockAtMs: 1 },
      true,
      'closing',
    ],
    ['settles what is old', { unsettledNano: 60_000_000n, ageMs: 86_400_000 }, true, 'old'],
  ] as const)('%s', (_, change, isDue, reason) => {
    expect(settleOrWait({ ...calm, ...change }, spike)).toMatchObject({ isDue, reason })
  })

  test('the fee is ten times as much, and less in a batch', () => {
    expect(networkFeeNano(1, 50_000_000n)).toBe(10n * networkFeeNano(1, 5_000_000n))
    expect(networkFeeNano(10, 5_000_000n)).toBeLessThan(networkFeeNano(2, 5_000_000n))
    expect(networkFeeNano(2, 5_000_000n)).toBeLessThan(networkFeeNano(1, 5_000_000n))
  })
})

test('more value, more age or a deadline never turns a settle into a wait', () => {
  const nano = fc.bigInt({ min: 0n, max: 200_000_000n })
  const view = fc.record({
    unsettledNano: nano,
    payableNano: fc.bigInt({ min: 200_000_000n, max: 300_000_000n }),
    drainNano: nano,
    ageMs: fc.nat({ max: 100_000_000 }),
    unlockAtMs: fc.constantFrom(0, 1),
    isWanted: fc.boolean(),
    batch: fc.integer({ min: 1, max: 10 }),
  })
  fc.assert(
    fc.property(view, nano, nano, fc.nat(), (seen, settleNanoMin, extraNano, extraMs) => {
      const at = { ...policy, settleNanoMin }
      if (!settleOrWait(seen, at).isDue) return
      const more = {
        ...seen,
        unsettledNano: seen.unsettledNano + extraNano,
        ageMs: seen.ageMs + extraMs,
        unlockAtMs: 1,
      }
      expect(settleOrWait(more, at).isDue).toBe(true)
    }),
  )
})

test('the fees it reckons with are those that docs/costs.md shows as measured', () => {
  const page = readFileSync(new URL('../../docs/costs.md', import.meta.url), 'utf8')
  const row = /^\| escrow of 15 payees, new ones paid \|(.*)$/m.exec(page)?.[1]?.split('|') ?? []
  const measured = row.slice(0, 4).map((cell) => BigInt(cell.replaceAll(/\D/g, '')))
  expect([1, 2, 5, 10].map((batch) => networkFeeNano(batch, leastReferenceNano))).toEqual(measured)
})

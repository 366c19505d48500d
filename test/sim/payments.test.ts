// Audits are worth what they must be: cheating pays below g ÷ (g + S) and not above, as played.

import { describe, expect, test } from 'vitest'
import { validateAudits } from '../../sim/validate/payments.ts'

describe('cheating stops to pay', () => {
  test.each([
    [1, 1],
    [1, 4],
    [1, 9],
    [3, 2],
    [10, 1],
    [500, 1],
    [1_000_000, 99_000_000],
  ])('within 10 %% of g ÷ (g + S) for a gain of %i and a stake of %i', async (gain, stake) => {
    const { thresholdProbability, expectedProbability, relativeError } = await validateAudits({
      gain,
      stake,
      requests: 100_000,
    })
    expect(expectedProbability).toBeCloseTo(gain / (gain + stake), 12)
    expect(Math.abs(relativeError)).toBeLessThan(0.1)
    expect(thresholdProbability).not.toBe(expectedProbability)
  })

  test('at another share under another seed, at the same under the same', async () => {
    const played = async (seed: number): Promise<number> =>
      (await validateAudits({ gain: 1, stake: 9, requests: 20_000, seed })).thresholdProbability
    expect(await played(1)).toBe(await played(1))
    expect(await played(1)).not.toBe(await played(2))
  })

  test('closer to it the more requests are played', async () => {
    const error = async (requests: number): Promise<number> => {
      let sum = 0
      for (let seed = 0; seed < 10; seed += 1) {
        sum += Math.abs((await validateAudits({ gain: 1, stake: 9, requests, seed })).relativeError)
      }
      return sum
    }
    expect(await error(30_000)).toBeLessThan((await error(500)) / 2)
  })
})

test.each([
  [{ gain: 0, stake: 1 }],
  [{ gain: 1, stake: 0 }],
  [{ gain: 1, stake: 1, requests: 0 }],
  [{ gain: 1, stake: 1, requests: 1.5 }],
])('refuses %o', async (options) => {
  await expect(validateAudits(options)).rejects.toThrow(RangeError)
})

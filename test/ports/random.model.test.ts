// Randomness from a seed keeps the contract of randomness.

import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../sim/random.ts'
import { randomContract } from './random.contract.ts'

randomContract('seeded', () => seededRandom(42), true)

describe('two forks of one label', () => {
  test('draw differently', () => {
    const random = seededRandom(42)
    expect(random.fork('request').next()).not.toBe(random.fork('request').next())
  })

  test('of two seeds draw differently', () => {
    expect(seededRandom(1).fork('request').next()).not.toBe(seededRandom(2).fork('request').next())
  })
})

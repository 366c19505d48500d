// The real clock keeps the clock's contract, and survives a wall clock that is set back.

import { describe, expect, test } from 'vitest'
import { clockOver, systemClock } from '../../node/adapters/system.ts'
import { clockContract } from './clock.contract.ts'

clockContract('system', () => ({ clock: systemClock, drive: (work) => work }))

describe('a wall clock that is set back', () => {
  function scripted(): { readonly wall: { ms: number }; readonly mono: { ms: number }; now: () => number } {
    const wall = { ms: 1_000_000 }
    const mono = { ms: 5 }
    const clock = clockOver(
      () => wall.ms,
      () => mono.ms,
    )
    return { wall, mono, now: () => clock.now() }
  }

  test('does not set the clock back', () => {
    const { wall, now } = scripted()
    expect(now()).toBe(1_000_000)
    wall.ms -= 10_000
    expect(now()).toBe(1_000_000)
  })

  test('slows the clock to half until the wall has caught up, then they agree again', () => {
    const { wall, mono, now } = scripted()
    now()
    wall.ms -= 1_000
    const readings: number[] = []
    for (const stepMs of [400, 1_000, 1_000]) {
      wall.ms += stepMs
      mono.ms += stepMs
      readings.push(now())
    }
    expect(readings).toEqual([1_000_200, 1_000_700, 1_001_400])
    expect(readings[2]).toBe(wall.ms)
  })

  test('a wall clock set forward is followed at once', () => {
    const { wall, now } = scripted()
    now()
    wall.ms += 3_600_000
    expect(now()).toBe(4_600_000)
  })
})

// Whose turn it is, and how long the others wait.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inTurn, measured, type ServiceTime, waitMs } from '../../node/provider/turns.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { peerOf } from './peers.ts'

const [alice, bob, carol] = [peerOf(1), peerOf(2), peerOf(3)]
const none = new Map<PeerId, number>()

describe('turns', () => {
  test('go round by payer, each payer in its own order', () => {
    const waiting = [
      { peer: alice, number: 1 },
      { peer: alice, number: 2 },
      { peer: bob, number: 3 },
      { peer: alice, number: 4 },
      { peer: bob, number: 5 },
    ]
    expect(inTurn(waiting, none, none).map(({ number }) => number)).toEqual([1, 3, 2, 5, 4])
  })

  test('go to who has least running', () => {
    const waiting = [{ peer: alice }, { peer: bob }, { peer: carol }]
    const running = new Map([
      [alice, 2],
      [bob, 1],
    ])
    expect(inTurn(waiting, running, none).map(({ peer }) => peer)).toEqual([carol, bob, alice])
  })

  test('go to who had its turn longest ago', () => {
    const waiting = [{ peer: alice }, { peer: bob }, { peer: carol }]
    const turns = new Map([
      [alice, 9],
      [bob, 7],
      [carol, 8],
    ])
    expect(inTurn(waiting, none, turns).map(({ peer }) => peer)).toEqual([bob, carol, alice])
  })

  test('lose nobody', () => {
    const peer = fc.integer({ min: 1, max: 4 }).map(peerOf)
    fc.assert(
      fc.property(fc.array(peer), fc.array(fc.tuple(peer, fc.nat({ max: 5 }))), (peers, running) => {
        const waiting = peers.map((each, number) => ({ peer: each, number }))
        const ordered = inTurn(waiting, new Map(running), none)
        expect(ordered.map(({ number }) => number).toSorted((a, b) => a - b)).toEqual([...waiting.keys()])
        for (const each of new Set(peers)) {
          const own = ordered.filter((other) => other.peer === each).map(({ number }) => number)
          expect(own).toEqual(own.toSorted((a, b) => a - b))
        }
      }),
    )
  })
})

describe('a service time', () => {
  const timesOf = (...heldMs: readonly number[]): ServiceTime | undefined =>
    heldMs.reduce<ServiceTime | undefined>(measured, undefined)

  test('is unknown before the first', () => {
    expect(waitMs(timesOf(), 4, 1)).toBeUndefined()
  })

  test('is the mean of the first few', () => {
    expect(timesOf(100)).toEqual({ meanMs: 100, count: 1 })
    expect(timesOf(100, 300)?.meanMs).toBe(200)
    expect(timesOf(100, 300, 200)?.meanMs).toBeCloseTo(200)
  })

  test('forgets: after 23 more one counts for less than a twentieth of its first share', () => {
    const settled = timesOf(...Array.from({ length: 50 }, () => 100))
    const odd = measured(settled, 900)
    expect(odd.meanMs).toBe(200)
    const later = Array.from({ length: 23 }, () => 100).reduce<ServiceTime>(measured, odd)
    expect(later.meanMs - 100).toBeLessThan(100 / 20)
  })

  test('stays between the least and the most that was measured', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 1e6 }), { minLength: 1 }), (heldMs) => {
        const meanMs = timesOf(...heldMs)?.meanMs ?? Number.NaN
        expect(meanMs).toBeGreaterThanOrEqual(Math.min(...heldMs) - 1e-6)
        expect(meanMs).toBeLessThanOrEqual(Math.max(...heldMs) + 1e-6)
      }),
    )
  })

  test('makes a wait longer with the place and shorter with the slots', () => {
    const service = timesOf(1_000)
    expect([waitMs(service, 1, 1), waitMs(service, 1, 3), waitMs(service, 4, 3)]).toEqual([1_000, 3_000, 750])
  })
})

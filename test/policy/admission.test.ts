// Who is decoded now, who waits, who is turned away.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Admission, type AdmissionLimits, admit, type Lease } from '../../node/provider/admission.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { ManualClock, quiet } from '../manual-clock.ts'
import { peerOf } from './peers.ts'

const [alice, bob, carol] = [peerOf(1), peerOf(2), peerOf(3)]
const never = new AbortController().signal
const ignore = (): void => undefined

function admissionOf(limits: Partial<AdmissionLimits> = {}, clock = new ManualClock()): Admission {
  return new Admission({ slots: 1, queueMax: 2, peerRequestsMax: 8, ...limits }, clock, ignore)
}

test.each([
  [{ active: 1, queued: 0, ofPeer: 3 }, 'run'],
  [{ active: 2, queued: 0, ofPeer: 3 }, 'queue'],
  [{ active: 2, queued: 1, ofPeer: 3 }, 'queue'],
  [{ active: 2, queued: 2, ofPeer: 3 }, 'full'],
  [{ active: 0, queued: 0, ofPeer: 4 }, 'too-many'],
  [{ active: 2, queued: 2, ofPeer: 4 }, 'too-many'],
  [{ active: 0, queued: 0, ofPeer: 0, isDraining: true }, 'draining'],
] as const)('with %j one more is to %s', (load, decision) => {
  expect(admit({ slots: 2, queueMax: 2, peerRequestsMax: 4 }, { isDraining: false, ...load })).toBe(decision)
})

describe('slots', () => {
  test('are given while there are any', async () => {
    const admission = admissionOf({ slots: 2 })
    await admission.acquire(alice, never, ignore)
    expect([admission.active, admission.slotsFree]).toEqual([1, 1])
    await admission.acquire(bob, never, ignore)
    expect([admission.active, admission.slotsFree, admission.queued]).toEqual([2, 0, 0])
  })

  test('are free again when released', async () => {
    const admission = admissionOf()
    const lease = await admission.acquire(alice, never, ignore)
    lease.release()
    expect([admission.active, admission.slotsFree, admission.requests]).toEqual([0, 1, 0])
  })

  test('go to whoever waits longest', async () => {
    const admission = admissionOf()
    const lease = await admission.acquire(alice, never, ignore)
    const order: string[] = []
    const second = admission.acquire(bob, never, ignore).then((next) => {
      order.push('bob')
      return next
    })
    void admission.acquire(carol, never, ignore).then(() => order.push('carol'))
    lease.release()
    ;(await second).release()
    await quiet()
    expect(order).toEqual(['bob', 'carol'])
    expect([admission.active, admission.queued]).toEqual([1, 0])
  })

  test('are not freed twice by a lease released twice', async () => {
    const admission = admissionOf({ slots: 2 })
    const lease = await admission.acquire(alice, never, ignore)
    await admission.acquire(bob, never, ignore)
    lease.release()
    lease.release()
    expect([admission.active, admission.slotsFree]).toEqual([1, 1])
  })

  test('a lease released twice admits one of those who wait', async () => {
    const admission = admissionOf()
    const lease = await admission.acquire(alice, never, ignore)
    void admission.acquire(bob, never, ignore)
    void admission.acquire(carol, never, ignore)
    lease.release()
    lease.release()
    expect([admission.active, admission.queued]).toEqual([1, 1])
  })
})

describe('the queue', () => {
  test('takes its last place and refuses one more at once', async () => {
    const admission = admissionOf({ queueMax: 2 })
    await admission.acquire(alice, never, ignore)
    void admission.acquire(alice, never, ignore)
    void admission.acquire(alice, never, ignore)
    await expect(admission.acquire(bob, never, ignore)).rejects.toMatchObject({
      code: 'busy',
      message: 'all 1 slots are taken and 2 requests wait',
    })
    expect(admission.requests).toBe(3)
  })

  test('of no places refuses at once', async () => {
    const admission = admissionOf({ queueMax: 0 })
    await admission.acquire(alice, never, ignore)
    await expect(admission.acquire(bob, never, ignore)).rejects.toMatchObject({ code: 'busy' })
  })

  test('tells each its place, and again when it moves', async () => {
    const admission = admissionOf({ queueMax: 3 })
    const lease = await admission.acquire(alice, never, ignore)
    const places: Record<string, number[]> = { bob: [], carol: [] }
    const next = admission.acquire(bob, never, (place) => places['bob']?.push(place))
    void admission.acquire(carol, never, (place) => places['carol']?.push(place))
    expect(places).toEqual({ bob: [1], carol: [2] })
    lease.release()
    expect(places).toEqual({ bob: [1], carol: [2, 1] })
    ;(await next).release()
    expect(places).toEqual({ bob: [1], carol: [2, 1] })
  })

  test('is left by a signal, with its reason, and the others move up', async () => {
    const admission = admissionOf()
    await admission.acquire(alice, never, ignore)
    const leaving = new AbortController()
    const places: number[] = []
    const left = admission.acquire(bob, leaving.signal, ignore)
    void admission.acquire(carol, never, (place) => places.push(place))
    const reason = new MeshError('cancelled', 'changed my mind')
    leaving.abort(reason)
    await expect(left).rejects.toBe(reason)
    expect(places).toEqual([2, 1])
    expect([admission.queued, admission.requests]).toEqual([1, 2])
  })

  test('is not joined under a signal that has fired', async () => {
    const admission = admissionOf()
    await admission.acquire(alice, never, ignore)
    await expect(admission.acquire(bob, AbortSignal.abort('gone'), ignore)).rejects.toMatchObject({ code: 'cancelled' })
    expect(admission.requests).toBe(1)
  })

  test('a signal that fires after a slot was given changes nothing', async () => {
    const admission = admissionOf()
    const lease = await admission.acquire(alice, never, ignore)
    const late = new AbortController()
    const next = admission.acquire(bob, late.signal, ignore)
    lease.release()
    await next
    late.abort()
    expect([admission.active, admission.queued]).toEqual([1, 0])
  })
})

describe('one payer', () => {
  test('may have so many requests, running and waiting, and not one more', async () => {
    const admission = admissionOf({ slots: 1, queueMax: 8, peerRequestsMax: 3 })
    for (let request = 0; request < 3; request += 1) void admission.acquire(alice, never, ignore)
    await expect(admission.acquire(alice, never, ignore)).rejects.toMatchObject({
      code: 'busy',
      message: '3 requests of this payer are open, at most 3',
    })
    void admission.acquire(bob, never, ignore)
    expect(admission.requests).toBe(4)
  })

  test('may ask again when one is over, served or left', async () => {
    const admission = admissionOf({ slots: 1, queueMax: 8, peerRequestsMax: 2 })
    const lease = await admission.acquire(alice, never, ignore)
    const leaving = new AbortController()
    admission.acquire(alice, leaving.signal, ignore).catch(ignore)
    leaving.abort()
    void admission.acquire(alice, never, ignore)
    lease.release()
    void admission.acquire(alice, never, ignore)
    expect(admission.requests).toBe(2)
    await expect(admission.acquire(alice, never, ignore)).rejects.toMatchObject({ code: 'busy' })
  })
})

describe('fairness', () => {
  /** Asks in this order while the slot is taken, then frees it again and again: who got it when. */
  async function served(order: readonly PeerId[], slots = 1): Promise<readonly PeerId[]> {
    const admission = admissionOf({ slots, queueMax: 99, peerRequestsMax: 99 })
    const held: Lease[] = []
    for (let slot = 0; slot < slots; slot += 1) held.push(await admission.acquire(peerOf(9), never, ignore))
    const got: PeerId[] = []
    for (const peer of order) {
      void admission.acquire(peer, never, ignore).then((lease) => {
        got.push(peer)
        held.push(lease)
      })
    }
    while (got.length < order.length) {
      held.shift()?.release()
      await quiet()
    }
    return got
  }

  test('serves payer by payer in turn, however many requests one has waiting', async () => {
    expect(await served([alice, alice, alice, alice, bob, carol])).toEqual([alice, bob, carol, alice, alice, alice])
  })

  test('serves one payer in the order it asked', async () => {
    const admission = admissionOf({ queueMax: 3 })
    const first = await admission.acquire(alice, never, ignore)
    const got: number[] = []
    for (const number of [1, 2, 3]) {
      void admission.acquire(alice, never, ignore).then((lease) => {
        got.push(number)
        lease.release()
      })
    }
    first.release()
    await quiet()
    await quiet()
    expect(got).toEqual([1, 2, 3])
  })

  test('serves whoever has fewest running first', async () => {
    const admission = admissionOf({ slots: 2, queueMax: 8 })
    const own = await admission.acquire(alice, never, ignore)
    await admission.acquire(alice, never, ignore)
    const got: string[] = []
    void admission.acquire(alice, never, ignore).then(() => got.push('alice'))
    void admission.acquire(bob, never, ignore).then(() => got.push('bob'))
    own.release()
    await quiet()
    expect(got).toEqual(['bob'])
  })

  test('moves a payer with more requests back for one who has none, and tells it', async () => {
    const admission = admissionOf({ queueMax: 8 })
    await admission.acquire(carol, never, ignore)
    const places: Record<string, number[]> = { first: [], second: [], bob: [] }
    const tell = (name: string) => (place: number) => void places[name]?.push(place)
    void admission.acquire(alice, never, tell('first'))
    void admission.acquire(alice, never, tell('second'))
    void admission.acquire(bob, never, tell('bob'))
    expect(places).toEqual({ first: [1], second: [2, 3], bob: [2] })
  })

  test('lets nobody starve: one request among many of others is served within a round', () => {
    const payer = fc.integer({ min: 1, max: 5 }).map(peerOf)
    return fc.assert(
      fc.asyncProperty(
        fc.array(payer, { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 3 }),
        async (order, slots) => {
          const got = await served(order, slots)
          expect(got.toSorted()).toEqual(order.toSorted())
          const payers = new Set(order)
          const first = got.slice(0, payers.size)
          if (slots === 1) expect(new Set(first)).toEqual(payers)
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('what a request that waits is told', () => {
  test('is no time before any was served', async () => {
    const admission = admissionOf({ queueMax: 1 })
    await admission.acquire(alice, never, ignore)
    const told: unknown[] = []
    void admission.acquire(bob, never, (...each) => told.push(each))
    expect(told).toEqual([[1, undefined]])
    await expect(admission.acquire(carol, never, ignore)).rejects.toMatchObject({
      code: 'busy',
      retryAfterMs: undefined,
    })
  })

  test('is the mean time that a slot was held, for each that is before it and itself', async () => {
    const clock = new ManualClock()
    const admission = admissionOf({ slots: 2, queueMax: 2 }, clock)
    const leases = [await admission.acquire(alice, never, ignore), await admission.acquire(bob, never, ignore)]
    await clock.advance(4_000)
    for (const lease of leases) lease.release()
    await admission.acquire(alice, never, ignore)
    await admission.acquire(bob, never, ignore)
    const told: unknown[] = []
    void admission.acquire(carol, never, (...each) => told.push(each))
    void admission.acquire(carol, never, (...each) => told.push(each))
    expect(told).toEqual([
      [1, 2_000],
      [2, 4_000],
    ])
    await expect(admission.acquire(peerOf(4), never, ignore)).rejects.toMatchObject({
      code: 'busy',
      retryAfterMs: 2_000,
    })
  })
})

describe('closing', () => {
  test('turns away what waits and what comes, with the time until it opens', async () => {
    const clock = new ManualClock()
    const admission = admissionOf({ slots: 1 }, clock)
    const lease = await admission.acquire(alice, never, ignore)
    const waiting = admission.acquire(bob, never, ignore)
    admission.close({ reason: 'closed for today', untilMs: clock.now() + 60_000 })
    const refusal = { code: 'draining', message: 'closed for today', retryAfterMs: 60_000 }
    await expect(waiting).rejects.toMatchObject(refusal)
    await expect(admission.acquire(carol, never, ignore)).rejects.toMatchObject(refusal)
    expect([admission.active, admission.queued, admission.slotsFree, admission.isOpen]).toEqual([1, 0, 0, false])
    lease.release()
    expect([admission.active, admission.slotsFree]).toEqual([0, 0])
  })

  test('ends when it is opened again', async () => {
    const admission = admissionOf({ slots: 2 })
    admission.close({ reason: 'closed' })
    admission.open()
    await admission.acquire(alice, never, ignore)
    expect([admission.active, admission.slotsFree, admission.isOpen]).toEqual([1, 1, true])
  })

  test('is for good where the provider shuts down', async () => {
    const admission = admissionOf()
    admission.drain()
    admission.open()
    await expect(admission.acquire(alice, never, ignore)).rejects.toMatchObject({
      code: 'draining',
      message: 'this provider is shutting down',
      retryAfterMs: undefined,
    })
  })
})

describe('draining', () => {
  test('turns away what waits and what comes, and lets run what runs', async () => {
    const admission = admissionOf({ slots: 2 })
    const lease = await admission.acquire(alice, never, ignore)
    await admission.acquire(alice, never, ignore)
    const waiting = admission.acquire(bob, never, ignore)
    admission.drain()
    await expect(waiting).rejects.toMatchObject({ code: 'draining' })
    await expect(admission.acquire(carol, never, ignore)).rejects.toMatchObject({ code: 'draining' })
    expect([admission.active, admission.queued, admission.slotsFree]).toEqual([2, 0, 0])
    lease.release()
    expect([admission.active, admission.slotsFree]).toEqual([1, 0])
  })
})

test('whoever listens hears of every change of the figures', async () => {
  const seen: string[] = []
  const admission: Admission = new Admission({ slots: 1, queueMax: 1, peerRequestsMax: 8 }, new ManualClock(), () =>
    seen.push(`${admission.slotsFree}/${admission.queued}`),
  )
  const lease = await admission.acquire(alice, never, ignore)
  const leaving = new AbortController()
  admission.acquire(bob, leaving.signal, ignore).catch(ignore)
  leaving.abort()
  lease.release()
  admission.drain()
  expect(seen).toEqual(['0/0', '0/1', '0/0', '1/0', '0/0'])
})

test('no sequence of requests, departures and releases passes a limit or loses a slot', async () => {
  const step = fc.record({
    act: fc.constantFrom('acquire', 'acquire', 'release', 'abort'),
    peer: fc.constantFrom(alice, bob, carol),
    pick: fc.nat({ max: 20 }),
  })
  const limits = fc.record({
    slots: fc.integer({ min: 1, max: 3 }),
    queueMax: fc.nat({ max: 3 }),
    peerRequestsMax: fc.integer({ min: 1, max: 4 }),
  })
  await fc.assert(
    fc.asyncProperty(limits, fc.array(step, { maxLength: 40 }), async (limits, steps) => {
      const admission = new Admission(limits, new ManualClock(), ignore)
      const leases: { readonly peer: string; readonly lease: Lease }[] = []
      const waits: AbortController[] = []
      const open = new Map<string, number>()
      const count = (peer: string, by: number): void => void open.set(peer, (open.get(peer) ?? 0) + by)
      for (const { act, peer, pick } of steps) {
        if (act === 'acquire') {
          const abort = new AbortController()
          waits.push(abort)
          count(peer, 1)
          admission.acquire(peer, abort.signal, ignore).then(
            (lease) => leases.push({ peer, lease }),
            () => count(peer, -1),
          )
        } else if (act === 'release') {
          for (const { peer, lease } of leases.splice(pick % Math.max(1, leases.length), 1)) {
            count(peer, -1)
            lease.release()
          }
        } else waits[pick % Math.max(1, waits.length)]?.abort()
        await quiet()
        expect(admission.active).toBeLessThanOrEqual(limits.slots)
        expect(admission.queued).toBeLessThanOrEqual(limits.queueMax)
        expect(Math.max(0, ...open.values())).toBeLessThanOrEqual(limits.peerRequestsMax)
        expect(admission.active).toBe(leases.length)
        expect(admission.queued === 0 || admission.slotsFree === 0).toBe(true)
      }
      admission.drain()
      await quiet()
      for (const { lease } of leases) lease.release()
      expect(admission.requests).toBe(0)
    }),
    { numRuns: 300 },
  )
})

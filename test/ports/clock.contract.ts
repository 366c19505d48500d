// What every clock must do, the real and the simulated.

import { describe, expect, test } from 'vitest'
import type { Clock } from '../../node/ports.ts'

/** `drive` lets virtual time pass until the promise settles; on a real clock it only waits. */
export function clockContract(
  name: string,
  make: () => { readonly clock: Clock; readonly drive: <T>(work: Promise<T>) => Promise<T> },
): void {
  describe(`clock: ${name}`, () => {
    test('tells whole milliseconds that never run backwards', async () => {
      const { clock, drive } = make()
      const readings: number[] = []
      const read = async (): Promise<void> => {
        for (let turn = 0; turn < 20; turn += 1) {
          readings.push(clock.now())
          await clock.sleep(turn % 2)
        }
      }
      await drive(read())
      expect(readings.every(Number.isInteger)).toBe(true)
      expect(readings).toEqual(readings.toSorted((a, b) => a - b))
    })

    test('is not before the time asked for when a sleep ends', async () => {
      const { clock, drive } = make()
      const startMs = clock.now()
      await drive(clock.sleep(5))
      // Both readings are rounded down: a millisecond may be lost between two sources.
      expect(clock.now() - startMs).toBeGreaterThanOrEqual(4)
    })

    test('ends sleeps in the order of their deadlines', async () => {
      const { clock, drive } = make()
      const ended: string[] = []
      const late = clock.sleep(40).then(() => ended.push('late'))
      const soon = clock.sleep(1).then(() => ended.push('soon'))
      await drive(Promise.all([late, soon]))
      expect(ended).toEqual(['soon', 'late'])
    })

    test('a sleep of nothing still yields to others', async () => {
      const { clock, drive } = make()
      let done = false
      const nap = clock.sleep(0).then(() => {
        done = true
      })
      expect(done).toBe(false)
      await drive(nap)
      expect(done).toBe(true)
    })

    test('rejects a sleep with the reason of its signal', async () => {
      const { clock, drive } = make()
      const controller = new AbortController()
      const reason = new Error('no longer needed')
      const sleeping = clock.sleep(60_000, controller.signal)
      controller.abort(reason)
      await expect(drive(sleeping)).rejects.toBe(reason)
    })

    test('rejects at once when the signal has fired already', async () => {
      const { clock, drive } = make()
      const reason = new Error('too late')
      await expect(drive(clock.sleep(60_000, AbortSignal.abort(reason)))).rejects.toBe(reason)
    })

    test('a signal that fires after the sleep changes nothing', async () => {
      const { clock, drive } = make()
      const controller = new AbortController()
      await drive(clock.sleep(1, controller.signal))
      controller.abort(new Error('after'))
      await drive(clock.sleep(1))
    })

    test('a sleep longer than a timer can hold does not end at once', async () => {
      const { clock, drive } = make()
      const controller = new AbortController()
      const reason = new Error('woken')
      const first = await drive(
        Promise.race([
          clock.sleep(2 ** 31 + 1_000, controller.signal).then(() => 'the long sleep'),
          clock.sleep(20).then(() => 'the short sleep'),
        ]).finally(() => controller.abort(reason)),
      )
      expect(first).toBe('the short sleep')
    })
  })
}

// Waiting with a bound.

import { describe, expect, test } from 'vitest'
import type { Random } from '../../node/ports.ts'
import { cancelled, every, jittered, Watchdog, within } from '../../node/waits.ts'
import { MeshError } from '../../protocol/errors.ts'
import { ManualClock, quiet } from '../manual-clock.ts'

const forever = <T>(): Promise<T> => new Promise(() => undefined)

/** Draws these numbers over and over. */
function draws(...numbers: readonly number[]): Random {
  let drawn = 0
  const random: Random = {
    next: () => numbers[drawn++ % numbers.length] ?? 0,
    bytes: (length) => new Uint8Array(length),
    fork: () => random,
  }
  return random
}

describe('within', () => {
  test('gives what the work gives, and leaves no timer', async () => {
    const clock = new ManualClock()
    await expect(within(clock, 1_000, 'work', async () => 7)).resolves.toBe(7)
    await quiet()
    expect(clock.sleepers).toBe(0)
  })

  test('passes a failure of the work on as it is', async () => {
    const clock = new ManualClock()
    const failure = new Error('broken')
    const work = within(clock, 1_000, 'work', () => Promise.reject(failure))
    await expect(work).rejects.toBe(failure)
    await quiet()
    expect(clock.sleepers).toBe(0)
  })

  test('passes on what the work throws before it returns a promise', async () => {
    const failure = new Error('broken at once')
    const work = within(new ManualClock(), 1_000, 'work', () => {
      throw failure
    })
    await expect(work).rejects.toBe(failure)
  })

  test('lets the work have its time to the last millisecond, and then says what took too long', async () => {
    const clock = new ManualClock()
    const outcomes: unknown[] = []
    const work = within(clock, 1_000, 'asking a peer', () => forever())
    work.catch((error: unknown) => outcomes.push(error))
    await clock.advance(999)
    expect(outcomes).toEqual([])
    await clock.advance(1)
    expect(outcomes).toMatchObject([{ code: 'timeout', message: 'asking a peer took longer than 1000 ms' }])
  })

  test('tells the work to let go when its time is over', async () => {
    const clock = new ManualClock()
    let signal: AbortSignal | undefined
    const work = within(clock, 1_000, 'work', (given) => {
      signal = given
      return forever()
    })
    work.catch(() => undefined)
    await clock.advance(999)
    expect(signal?.aborted).toBe(false)
    await clock.advance(1)
    expect(signal?.reason).toMatchObject({ code: 'timeout' })
  })

  test('ends with the reason of the caller’s signal, and tells the work', async () => {
    const clock = new ManualClock()
    const caller = new AbortController()
    let signal: AbortSignal | undefined
    const work = within(
      clock,
      1_000,
      'work',
      (given) => {
        signal = given
        return forever()
      },
      caller.signal,
    )
    const reason = new MeshError('draining', 'shutting down')
    caller.abort(reason)
    await expect(work).rejects.toBe(reason)
    expect(signal?.aborted).toBe(true)
    expect(clock.sleepers).toBe(0)
  })

  test('is cancelled where the caller’s signal gives no reason of ours', async () => {
    const caller = new AbortController()
    const work = within(new ManualClock(), 1_000, 'work', () => forever(), caller.signal)
    caller.abort()
    await expect(work).rejects.toMatchObject({ code: 'cancelled', cause: caller.signal.reason })
  })

  test('does not wait under a signal that has fired', async () => {
    const clock = new ManualClock()
    const work = within(clock, 1_000, 'work', () => forever(), AbortSignal.abort())
    await expect(work).rejects.toMatchObject({ code: 'cancelled' })
    expect(clock.sleepers).toBe(0)
  })
})

test('a cancellation keeps a reason of ours', () => {
  const reason = new MeshError('timeout', 'too long')
  expect(cancelled(AbortSignal.abort(reason))).toBe(reason)
  expect(cancelled(AbortSignal.abort('why not'))).toMatchObject({ code: 'cancelled', cause: 'why not' })
})

describe('a watchdog', () => {
  function watched(): { clock: ManualClock; dog: Watchdog; expired: string[] } {
    const clock = new ManualClock()
    const expired: string[] = []
    return { clock, expired, dog: new Watchdog(clock, ({ code, message }) => expired.push(`${code}: ${message}`)) }
  }

  test('expires in its millisecond, not before, and once', async () => {
    const { clock, dog, expired } = watched()
    dog.arm(100, 'the first token')
    await clock.advance(99)
    expect(expired).toEqual([])
    await clock.advance(1)
    expect(expired).toEqual(['timeout: the first token took longer than 100 ms'])
    dog.arm(100, 'more')
    await clock.advance(1_000)
    expect(expired).toHaveLength(1)
  })

  test('is put off each time it is armed, with one timer for all', async () => {
    const { clock, dog, expired } = watched()
    for (let token = 0; token < 10; token += 1) {
      dog.arm(100, `token ${token}`)
      expect(clock.sleepers).toBe(1)
      await clock.advance(99)
    }
    expect(expired).toEqual([])
    await clock.advance(1)
    expect(expired).toEqual(['timeout: token 9 took longer than 100 ms'])
  })

  test('expires sooner when it is armed for sooner', async () => {
    const { clock, dog, expired } = watched()
    dog.arm(1_000, 'a long wait')
    dog.arm(10, 'a short one')
    await clock.advance(10)
    expect(expired).toEqual(['timeout: a short one took longer than 10 ms'])
  })

  test('rests when disarmed, and can be armed again, at once or later', async () => {
    const { clock, dog, expired } = watched()
    dog.arm(100, 'a')
    dog.disarm()
    await clock.advance(1_000)
    expect(expired).toEqual([])
    expect(clock.sleepers).toBe(0)
    dog.arm(100, 'b')
    dog.disarm()
    dog.arm(50, 'c')
    await clock.advance(50)
    expect(expired).toEqual(['timeout: c took longer than 50 ms'])
  })

  test('is silent after its end, and leaves no timer', async () => {
    const { clock, dog, expired } = watched()
    dog.arm(100, 'a')
    dog.end()
    await clock.advance(1_000)
    dog.arm(100, 'b')
    await clock.advance(1_000)
    expect(expired).toEqual([])
    expect(clock.sleepers).toBe(0)
  })
})

test('jitter stays within a fifth', () => {
  expect([0, 0.5, 0.999_999].map((draw) => jittered(1_000, draws(draw)))).toEqual([800, 1_000, 1_200])
})

describe('periodic work', () => {
  test('runs at once and then at jittered intervals, until the signal', async () => {
    const clock = new ManualClock(0)
    const ended = new AbortController()
    const ranAtMs: number[] = []
    const loop = every(
      clock,
      draws(0, 0.5, 1),
      1_000,
      ended.signal,
      async () => void ranAtMs.push(clock.now()),
      () => undefined,
    )
    await clock.advance(3_000)
    expect(ranAtMs).toEqual([0, 800, 1_800, 3_000])
    ended.abort()
    await loop
    expect(clock.sleepers).toBe(0)
    expect(ranAtMs).toHaveLength(4)
  })

  test('goes on after a failure and tells it', async () => {
    const clock = new ManualClock(0)
    const ended = new AbortController()
    const failures: unknown[] = []
    const failure = new Error('no luck')
    const loop = every(
      clock,
      draws(0.5),
      1_000,
      ended.signal,
      () => Promise.reject(failure),
      (error) => failures.push(error),
    )
    await clock.advance(2_000)
    expect(failures).toEqual([failure, failure, failure])
    ended.abort()
    await loop
  })

  test('does not tell of a failure after its signal', async () => {
    const ended = new AbortController()
    const failures: unknown[] = []
    const work = async (): Promise<void> => {
      ended.abort()
      throw new Error('cut short')
    }
    await every(new ManualClock(), draws(0.5), 1_000, ended.signal, work, (error) => failures.push(error))
    expect(failures).toEqual([])
  })

  test('does not start under a signal that has fired', async () => {
    const ran: string[] = []
    await every(
      new ManualClock(),
      draws(0.5),
      1_000,
      AbortSignal.abort(),
      async () => void ran.push('once'),
      () => undefined,
    )
    expect(ran).toEqual([])
  })

  test('never runs twice at once', async () => {
    const clock = new ManualClock(0)
    const ended = new AbortController()
    let running = 0
    let most = 0
    const work = async (): Promise<void> => {
      running += 1
      most = Math.max(most, running)
      await clock.sleep(5_000)
      running -= 1
    }
    const loop = every(clock, draws(0.5), 1_000, ended.signal, work, () => undefined)
    await clock.advance(60_000)
    expect(most).toBe(1)
    ended.abort()
    await clock.finish(loop)
  })
})

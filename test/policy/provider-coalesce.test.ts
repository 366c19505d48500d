// Between engine and stream: the first delta at once, then fewer and larger ones; nothing lost, nothing late at the end.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Delta, Finish } from '../../node/ports.ts'
import { coalesced } from '../../node/provider/coalesce.ts'
import { boundsOf } from '../../node/provider/deltas.ts'
import { MeshError } from '../../protocol/errors.ts'
import { ManualClock, quiet } from '../manual-clock.ts'

interface Step {
  /** Before the delta. */
  readonly afterMs: number
  readonly tokens: number
}

interface Taken {
  readonly atMs: number
  readonly delta: Delta
}

interface Options {
  readonly gapMs?: number
  readonly tokensBudget?: number
  readonly signal?: AbortSignal
  /** How long the taker is busy with each. */
  readonly sendMs?: number
  readonly end?: () => Finish
}

const startMs = 1_800_000_000_000
const words = (tokens: number, from: number): Delta => {
  const ids = Array.from({ length: tokens }, (_, at) => from + at)
  return { text: ids.map((id) => `${id} `).join(''), tokens, tokenIds: ids }
}

/** What is taken when, and how it ended. */
async function run(steps: readonly Step[], options: Options = {}) {
  const { gapMs = 10, tokensBudget = Number.POSITIVE_INFINITY, sendMs = 0, end = () => 'stop' as const } = options
  const { signal = new AbortController().signal } = options
  const clock = new ManualClock(startMs)
  let made = 0
  async function* engine(): AsyncGenerator<Delta, Finish, undefined> {
    for (const { afterMs, tokens } of steps) {
      if (afterMs > 0) await clock.sleep(afterMs)
      yield words(tokens, made)
      made += tokens
    }
    return end()
  }
  const taken: Taken[] = []
  const parts = { clock, gapMs: () => gapMs, bounds: boundsOf(64).merged, tokensBudget, signal }
  const take = async (): Promise<Finish | Error> => {
    const deltas = coalesced(engine(), parts)
    try {
      for (;;) {
        const next = await deltas.next()
        if (next.done) return next.value
        taken.push({ atMs: clock.now() - startMs, delta: next.value })
        if (sendMs > 0) await clock.sleep(sendMs)
      }
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }
  const taking = take()
  return { clock, taken, taking, made: () => made }
}

const every = (afterMs: number, count: number, tokens = 1): Step[] =>
  Array.from({ length: count }, () => ({ afterMs, tokens }))

describe('frames', () => {
  test('100 deltas 1 ms apart are 11', async () => {
    const { clock, taken, taking } = await run(every(1, 100))
    expect(await clock.finish(taking)).toBe('stop')
    expect(taken).toHaveLength(11)
    expect(taken.flatMap(({ delta }) => delta.tokenIds)).toEqual(Array.from({ length: 100 }, (_, at) => at))
  })

  test('the first is not kept waiting', async () => {
    const { clock, taken, taking } = await run(every(1, 3))
    await clock.finish(taking)
    expect(taken[0]).toMatchObject({ atMs: 1, delta: { tokens: 1 } })
  })

  test('deltas further apart than the gap go out as they come', async () => {
    const { clock, taken, taking } = await run(every(12, 5))
    await clock.finish(taking)
    expect(taken.map(({ atMs }) => atMs)).toEqual([12, 24, 36, 48, 60])
  })

  test('what comes while one is sent goes out as one, also without a gap', async () => {
    const { clock, taken, taking } = await run(every(5, 9), { gapMs: 0, sendMs: 21 })
    await clock.finish(taking)
    expect(taken.map(({ delta }) => delta.tokens)).toEqual([1, 4, 4])
  })

  test('the last does not wait for the gap', async () => {
    const { clock, taken, taking } = await run(every(1, 4))
    await clock.finish(taking)
    expect(taken.map(({ atMs, delta }) => [atMs, delta.tokens])).toEqual([
      [1, 1],
      [4, 3],
    ])
  })

  test('a frame that is full goes out before its time', async () => {
    const { clock, taken, taking } = await run(every(1, 8, 8), { gapMs: 50 })
    await clock.finish(taking)
    expect(taken.every(({ delta }) => delta.tokens <= 16)).toBe(true)
    expect(taken.map(({ delta }) => delta.tokens)).toEqual([8, 16, 16, 16, 8])
  })

  test('the engine runs ahead by one frame and one delta at most while nobody takes', async () => {
    const { clock, made, taken } = await run(every(1, 100), { sendMs: 1_000 })
    await clock.advance(500)
    expect(taken).toHaveLength(1)
    expect(made()).toBeLessThanOrEqual(1 + 16 + 1)
  })
})

describe('the end', () => {
  test('of a budget comes before the delta that would pass it', async () => {
    const { clock, taken, taking } = await run(every(1, 20, 3), { tokensBudget: 10 })
    expect(await clock.finish(taking)).toBe('length')
    expect(taken.reduce((sum, { delta }) => sum + delta.tokens, 0)).toBe(9)
  })

  test('of an engine that fails comes after what it said', async () => {
    const failure = new MeshError('engine-failed', 'it crashed')
    const end = (): Finish => {
      throw failure
    }
    const { clock, taken, taking } = await run(every(1, 5), { end })
    expect(await clock.finish(taking)).toBe(failure)
    expect(taken.reduce((sum, { delta }) => sum + delta.tokens, 0)).toBe(5)
  })

  test('by a signal comes at once, whatever the engine does, and nothing after it', async () => {
    const stop = new AbortController()
    const { clock, taken, taking } = await run([...every(1, 3), { afterMs: 60_000, tokens: 1 }], {
      signal: stop.signal,
    })
    await clock.advance(2)
    const reason = new MeshError('cancelled', 'enough')
    stop.abort(reason)
    expect(await taking).toBe(reason)
    await quiet()
    expect(taken).toHaveLength(1)
  })
})

test('whatever the pace, every token comes once, in order, and frames keep their distance unless they are full', async () => {
  const step = fc.record({ afterMs: fc.nat({ max: 25 }), tokens: fc.nat({ max: 12 }) })
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.nat({ max: 30 }),
      fc.nat({ max: 15 }),
      async (steps, gapMs, sendMs) => {
        const { clock, taken, taking } = await run(steps, { gapMs, sendMs })
        expect(await clock.finish(taking)).toBe('stop')
        const total = steps.reduce((sum, { tokens }) => sum + tokens, 0)
        expect(taken.flatMap(({ delta }) => delta.tokenIds)).toEqual(Array.from({ length: total }, (_, at) => at))
        expect(taken.map(({ delta }) => delta.text).join('')).toBe(words(total, 0).text)
        for (const [at, { atMs, delta }] of taken.entries()) {
          const before = taken[at - 1]
          const next = taken[at + 1]
          if (!before || !next) continue
          const isFull = delta.tokens + next.delta.tokens > 16
          expect(isFull || atMs - before.atMs >= gapMs - 1).toBe(true)
        }
      },
    ),
    { numRuns: 100 },
  )
})

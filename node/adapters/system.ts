// The real clock and the real randomness.

import { randomFillSync } from 'node:crypto'
import type { Clock, Random } from '../ports.ts'

/** The longest delay `setTimeout` takes; anything above fires at once. */
const timerMsMax = 2 ** 31 - 1

/** Draws come from the operating system's generator through a pool: one call of it costs more than a hundred draws. */
const poolBytes = 4_096

/** `randomFillSync` takes at most this much at once. */
const fillBytesMax = 2 ** 31 - 1

export const systemClock: Clock = clockOver(
  () => Date.now(),
  () => performance.now(),
)

export const systemRandom: Random = createRandom()

/**
 * Follows the wall clock but never backwards: after the wall was set back, time goes on at half speed until the wall has
 * caught up, so that deadlines still pass and the clock is right again after twice the step.
 */
export function clockOver(wallMs: () => number, monotonicMs: () => number): Clock {
  let lastMs = 0
  let readMs = monotonicMs()
  return {
    now: () => {
      const elapsedMs = Math.max(0, monotonicMs() - readMs)
      readMs += elapsedMs
      lastMs = Math.max(wallMs(), lastMs + elapsedMs / 2)
      return Math.floor(lastMs)
    },
    sleep: (ms, signal) => sleepUntil(monotonicMs() + Math.max(0, ms), monotonicMs, signal),
  }
}

function sleepUntil(deadlineMs: number, monotonicMs: () => number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const abort = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    if (signal?.aborted) {
      abort()
      return
    }
    const wait = (): void => {
      const restMs = deadlineMs - monotonicMs()
      timer = setTimeout(check, Math.min(timerMsMax, Math.max(0, Math.ceil(restMs))))
    }
    // A timer may fire a little early, and one chunk of a long sleep is not the whole of it.
    const check = (): void => {
      if (monotonicMs() < deadlineMs) {
        wait()
        return
      }
      signal?.removeEventListener('abort', abort)
      resolve()
    }
    signal?.addEventListener('abort', abort, { once: true })
    wait()
  })
}

function createRandom(): Random {
  const pool = Buffer.alloc(poolBytes)
  let used = poolBytes
  const random: Random = {
    next: () => {
      if (used + 8 > poolBytes) {
        randomFillSync(pool)
        used = 0
      }
      const high = pool.readUInt32LE(used) >>> 5
      const low = pool.readUInt32LE(used + 4) >>> 6
      used += 8
      return (high * 2 ** 26 + low) / 2 ** 53
    },
    bytes: (length) => {
      if (!Number.isInteger(length) || length < 0 || length > fillBytesMax) {
        throw new RangeError(`${length} random bytes, expected a whole number from 0 to ${fillBytesMax}`)
      }
      return randomFillSync(new Uint8Array(length))
    },
    // No draw says anything about another, so every fork may share the source.
    fork: () => random,
  }
  return random
}

// The wall clock as a scheduler, for modelled parts that serve real processes.

import type { Scheduler, Timer } from '../kernel.ts'

/**
 * While something that was due runs, `now` is when it was due, and until all that it caused has come to rest: what schedules
 * itself again and again keeps its pace, although every timer of the system is a little late.
 */
export function wallScheduler(): Scheduler {
  const startMs = Date.now() - performance.now()
  const wall = (): number => startMs + performance.now()
  let dueMs: number | undefined
  return {
    now: () => dueMs ?? wall(),
    at: (atMs, act): Timer => {
      const fire = (): void => {
        dueMs = atMs
        setImmediate(() => {
          dueMs = undefined
        })
        act()
      }
      const timer = setTimeout(fire, Math.max(0, atMs - wall()))
      return { cancel: () => clearTimeout(timer) }
    },
  }
}

// Waiting between tries of the adapter's own loops.

/** Between 80 % and 120 %: what many peers do periodically must not fall into step. */
export function jittered(ms: number): number {
  return ms * (0.8 + 0.4 * Math.random())
}

/** Resolves after `ms`, or when the signal fires. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', finish)
      resolve()
    }
    const timer = setTimeout(finish, ms)
    if (signal.aborted) finish()
    else signal.addEventListener('abort', finish)
  })
}

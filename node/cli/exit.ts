// How a command ends: signals, a vanished parent, and failures said plainly.

import { explain, printJson, terminalOn } from './terminal.ts'

/** Fires on Ctrl-C, on a polite kill, and with `withParent` when standard input closes. A second Ctrl-C ends at once. */
export function untilStopped(withParent: boolean): AbortSignal {
  const stop = new AbortController()
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
    stop.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  process.on('SIGHUP', onSignal)
  if (withParent) {
    process.stdin.resume()
    process.stdin.on('end', () => stop.abort())
    process.stdin.on('close', () => stop.abort())
    process.stdin.unref()
  }
  return stop.signal
}

/** Resolves when the signal fires; keeps the process alive until then. */
export function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const alive = setInterval(() => undefined, 3_600_000)
    signal.addEventListener('abort', () => {
      clearInterval(alive)
      resolve()
    })
  })
}

export function fail(error: unknown, asJson: boolean): void {
  const { code, message, next } = explain(error)
  if (asJson) printJson({ ok: false, error: { code, message, next } })
  terminalOn(process.stderr).bad(code, message, next)
  if (process.env['SILKMESH_DEBUG'] === '1' && error instanceof Error) process.stderr.write(`${error.stack}\n`)
}

export function asExitCode(error: unknown): number {
  return explain(error).code === 'bad-request' ? 2 : 1
}

// How a command ends: signals, a vanished parent, and failures said plainly.

import { type ErrorCode, MeshError } from '../../protocol/errors.ts'
import { explain, printJson, terminalOn } from './terminal.ts'

/** As shells count a process that a signal ended: 128 and the signal's number. */
const codeOfSignal = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

let stoppedBy: keyof typeof codeOfSignal | undefined

/** Fires on Ctrl-C, on a polite kill, and with `withParent` when standard input closes. A second Ctrl-C ends at once. */
export function untilStopped(withParent: boolean): AbortSignal {
  const stop = new AbortController()
  const end = (by: keyof typeof codeOfSignal): void => {
    if (stop.signal.aborted) return
    stoppedBy = by
    stop.abort(new MeshError('cancelled', 'stopped before it was done'))
  }
  const onSignal = (by: keyof typeof codeOfSignal) => (): void => {
    if (stop.signal.aborted) process.exit(codeOfSignal[by])
    end(by)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal(signal))
  if (withParent) {
    process.stdin.resume()
    process.stdin.on('end', () => end('SIGHUP'))
    process.stdin.on('close', () => end('SIGHUP'))
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

/** Says what a command ended with and sets the exit code: 2 for a user's mistake, 1 for a failure, 128 and more for a signal. */
export function endWith(error: unknown, asJson: boolean): void {
  if (stoppedBy === undefined) {
    fail(error, asJson)
    process.exitCode = asExitCode(error)
    return
  }
  // what was stopped fails in many ways, of which only those that say so are of use
  const isOurs = error instanceof MeshError && error.code === 'cancelled'
  const message = isOurs ? error.message : 'stopped before it was done'
  if (asJson) printJson({ ok: false, error: { code: 'cancelled', message } })
  terminalOn(process.stderr).warn('stopped', message)
  process.exitCode = codeOfSignal[stoppedBy]
}

export function fail(error: unknown, asJson: boolean): void {
  const { code, message, next } = explain(error)
  if (asJson) printJson({ ok: false, error: { code, message, next } })
  terminalOn(process.stderr).bad(code === 'bad-request' ? 'error' : code, message, next)
  if (process.env['SILKMESH_DEBUG'] === '1' && error instanceof Error) process.stderr.write(`${error.stack}\n`)
}

/** What its user can correct in the words of the command. */
const mistakes: ReadonlySet<string> = new Set<ErrorCode>([
  'bad-request',
  'unknown-model',
  'context-exceeded',
  'unsupported',
  'unauthorized',
  'forbidden',
  'not-found',
  'too-large',
])

export function asExitCode(error: unknown): number {
  return mistakes.has(explain(error).code) ? 2 : 1
}

// What a person at a terminal sees of a run: one line of progress that replaces itself, and errors without a stack.

import type { Progress } from '../run.ts'
import { ScenarioError } from '../scenario/problem.ts'
import { wallMs } from '../wall.ts'

/** A mistake in what was asked for: said plainly, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Redraws no more often than this. */
const redrawMs = 250

export interface ProgressLine {
  show(state: Progress): void
  note(text: string): void
  clear(): void
}

/** Virtual time, pace, memory and how requests fare, on standard error: a line that replaces itself, or one every ten seconds. */
export function progressLine(isQuiet: boolean, label = ''): ProgressLine {
  const { stderr } = process
  const isTty = stderr.isTTY === true
  const startMs = wallMs()
  let drawnMs = Number.NEGATIVE_INFINITY
  let last: { readonly atMs: number; readonly events: number } | undefined
  const clear = (): void => {
    if (isTty && !isQuiet) stderr.write('\r\u001b[K')
  }
  return {
    clear,
    note: (text) => {
      if (isQuiet) return
      clear()
      stderr.write(`${text}\n`)
    },
    show: (state) => {
      const nowMs = wallMs()
      if (isQuiet || nowMs - drawnMs < (isTty ? redrawMs : 10_000)) return
      drawnMs = nowMs
      const { events, requestsActive, requestsDone, requestsFailed, totalMs, virtualMs } = state
      const elapsedMs = nowMs - startMs
      const eventsPerSecond = last
        ? (1_000 * (events - last.events)) / (nowMs - last.atMs)
        : (1_000 * events) / elapsedMs
      last = { atMs: nowMs, events }
      const share = Math.min(1, virtualMs / totalMs)
      const etaMs = share > 0 ? (elapsedMs * (1 - share)) / share : 0
      const good = requestsDone === 0 ? '–' : `${((100 * (requestsDone - requestsFailed)) / requestsDone).toFixed(2)} %`
      const parts = [
        `${label}${bar(share)} ${clockTime(virtualMs)}/${clockTime(totalMs)}`,
        `${compact(eventsPerSecond)} events/s`,
        `${compact(virtualMs / elapsedMs)}× real time`,
        `${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`,
        `${requestsDone} done, ${requestsActive} active, ${good} good`,
        `${clockTime(etaMs)} left`,
      ]
      clear()
      stderr.write(parts.join('  ') + (isTty ? '' : '\n'))
    },
  }
}

function bar(share: number): string {
  const width = 12
  const full = Math.round(width * share)
  return `${'█'.repeat(full)}${'░'.repeat(width - full)}`
}

export function clockTime(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  const parts = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60]
  return parts.map((part) => String(part).padStart(2, '0')).join(':')
}

export function compact(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`
  if (value >= 1e4) return `${Math.round(value / 1e3)} k`
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(2)
}

/** Said also where progress is not: what is run may not be what was meant. */
export function warn(warnings: readonly string[]): void {
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`)
}

/** Fires on Ctrl-C and on a polite kill; a second one ends at once. */
export function untilStopped(): AbortSignal {
  const stop = new AbortController()
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(code)
      process.exitCode = code
      stop.abort(new Error('stopped before it was done'))
    })
  }
  return stop.signal
}

/** A table in columns as wide as they need. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function fail(error: unknown): void {
  const isMistake = error instanceof UsageError || error instanceof RangeError || error instanceof ScenarioError
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`error: ${message}\n`)
  if (!isMistake && error instanceof Error && error.stack && process.env['SILKMESH_DEBUG'] === '1') {
    process.stderr.write(`${error.stack}\n`)
  }
  process.exitCode = isMistake ? 2 : 1
}

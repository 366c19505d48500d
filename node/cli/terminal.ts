// What a person sees: check lines, failures with a next step, progress while something takes long.

import { styleText } from 'node:util'
import { failures, MeshError } from '../../protocol/errors.ts'

export interface Terminal {
  /** `✓ what  detail` */
  ok(what: string, detail?: string): void
  /** `! what  detail`: worth knowing, not fatal. */
  warn(what: string, detail?: string): void
  /** `✗ what  detail`, and what to do about it. */
  bad(what: string, detail: string, next?: string): void
  line(text?: string): void
  /** Raw text without a line end: streamed answers. */
  write(text: string): void
  /** Replaces the last progress line on a terminal; nothing elsewhere. An empty text clears it. */
  progress(text: string): void
}

const whatWidth = 12

/** For people, on a stream that may or may not be a terminal. */
export function terminalOn(stream: NodeJS.WriteStream): Terminal {
  const isTty = stream.isTTY === true
  const paint = (format: Parameters<typeof styleText>[0], text: string): string =>
    isTty ? styleText(format, text, { stream, validateStream: true }) : text
  let hasProgress = false
  const clear = (): void => {
    if (hasProgress) stream.write('\r\x1b[2K')
    hasProgress = false
  }
  const print = (text: string): void => {
    clear()
    stream.write(`${text}\n`)
  }
  const check = (mark: string, what: string, detail = ''): string =>
    `${mark} ${what.padEnd(whatWidth)} ${detail}`.trimEnd()
  return {
    ok: (what, detail) => print(check(paint('green', '✓'), what, detail)),
    warn: (what, detail) => print(check(paint('yellow', '!'), what, detail)),
    bad: (what, detail, next) => {
      print(check(paint('red', '✗'), what, detail))
      if (next) print(`  ${''.padEnd(whatWidth)} ${paint('dim', `next: ${next}`)}`)
    },
    line: (text = '') => print(text),
    write: (text) => {
      clear()
      stream.write(text)
    },
    progress: (text) => {
      clear()
      if (!isTty || text === '') return
      stream.write(`  ${paint('dim', text.slice(0, Math.max(20, (stream.columns ?? 80) - 4)))}`)
      hasProgress = true
    },
  }
}

/** Says nothing; with `--json` the objects on standard output are the whole output. */
export const silentTerminal: Terminal = {
  ok: () => undefined,
  warn: () => undefined,
  bad: () => undefined,
  line: () => undefined,
  write: () => undefined,
  progress: () => undefined,
}

/** One JSON object a line; amounts become decimal strings. */
export function printJson(value: unknown): void {
  process.stdout.write(`${toJson(value)}\n`)
}

export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => (typeof member === 'bigint' ? member.toString() : member))
}

/** What went wrong and what to do, without a stack: a user's mistake is not a fault of the program. */
export function explain(error: unknown): {
  readonly code: string
  readonly message: string
  readonly next: string | undefined
} {
  if (error instanceof MeshError) {
    return {
      code: error.code,
      message: error.message,
      next: error.code === 'bad-request' ? undefined : failures[error.code].advice,
    }
  }
  if (error instanceof Error) {
    const { code } = error as NodeJS.ErrnoException
    return { code: typeof code === 'string' ? code : 'internal', message: error.message, next: undefined }
  }
  return { code: 'internal', message: String(error), next: undefined }
}

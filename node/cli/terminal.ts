// What a person sees: check lines, failures with a next step, progress while something takes long.

import { styleText } from 'node:util'
import { type ErrorCode, failures, MeshError } from '../../protocol/errors.ts'

export interface Terminal {
  /** `✓ what  detail` */
  ok(what: string, detail?: string): void
  /** `! what  detail`: worth knowing, not fatal. */
  warn(what: string, detail?: string, next?: string): void
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
  const printWithNext = (text: string, next: string | undefined): void => {
    print(text)
    if (next) print(`  ${''.padEnd(whatWidth)} ${paint('dim', `next: ${plain(next)}`)}`)
  }
  const check = (mark: string, what: string, detail = ''): string =>
    `${mark} ${plain(what).padEnd(whatWidth)}${what.length > whatWidth ? '  ' : ' '}${plain(detail)}`.trimEnd()
  return {
    ok: (what, detail) => print(check(paint('green', '✓'), what, detail)),
    warn: (what, detail, next) => printWithNext(check(paint('yellow', '!'), what, detail), next),
    bad: (what, detail, next) => printWithNext(check(paint('red', '✗'), what, detail), next),
    line: (text = '') => print(plain(text)),
    write: (text) => {
      clear()
      stream.write(plain(text))
    },
    progress: (text) => {
      clear()
      if (!isTty || text === '') return
      stream.write(`  ${paint('dim', text.slice(0, Math.max(20, (stream.columns ?? 80) - 4)))}`)
      hasProgress = true
    },
  }
}

/** Much of it is other peers' texts: none of their control characters reaches the terminal. */
function plain(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}/gu, ' ')
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
    const { code, message } = error
    return { code, message, next: error.next ?? (code in nextSteps ? nextSteps[code] : failures[code].advice) }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'internal', message, next: nextSteps.internal }
}

/** Where the next step at a command line is another than an API's caller has, or is in the message already. */
const nextSteps: { readonly [Code in ErrorCode]?: string | undefined } = {
  internal: 'this looks like a fault of silkmesh; SILKMESH_DEBUG=1 in the environment shows where',
  'bad-request': undefined,
  'unknown-model': '`silkmesh models` lists what the mesh serves now',
  'no-provider': '`silkmesh models` lists what the mesh serves now; is --bootstrap the address of a peer that is up?',
  'escrow-unusable':
    '`silkmesh wallet balance` shows what there is, `silkmesh wallet deposit <gram>` fills the escrow, ' +
    '`silkmesh wallet cancel-unlock` keeps one open that is closing',
  'engine-failed': '`silkmesh doctor` checks the engine; --model and --engine-url choose another',
  'chain-unavailable':
    'is --endpoint right (it ends in /api/v2/jsonRPC), and that chain up? `silkmesh chain` runs a local one',
  unreachable: '`silkmesh models` and `silkmesh doctor` show what can be reached',
  timeout: 'try again; `silkmesh doctor` checks network and chain',
  cancelled: undefined,
  'store-failed': undefined,
  unauthorized: 'use the key that `silkmesh up` printed, with --key',
  forbidden: 'use the address that `silkmesh up` printed, with --url',
  'not-found': 'use the address that `silkmesh up` printed, with --url',
}

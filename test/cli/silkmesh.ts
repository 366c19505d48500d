// The command as a user runs it: a process of its own, with its own home, watched to its end.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect } from 'vitest'

const main = fileURLToPath(new URL('../../node/cli/main.ts', import.meta.url))

/** Started at once within one test: the machine has two cores. */
const atOnceMax = 3
/** A command that is to end by itself and has not by then hangs. */
const endMs = 45_000

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Text for standard input, which is then closed. Default: no input at all. */
  readonly input?: string
  /** A full disk: no file that it writes may grow beyond this. */
  readonly fileKiBMax?: number
}

const folder = mkdtempSync(join(tmpdir(), 'silkmesh-cli-'))
const running = new Set<ChildProcess>()
afterAll(() => {
  for (const child of running) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** A directory of its own for one home; files go there by name. */
export function freshHome(files: Readonly<Record<string, string>> = {}): string {
  const home = mkdtempSync(join(folder, 'home-'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(home, name, '..'), { recursive: true })
    writeFileSync(join(home, name), text, { mode: 0o600 })
  }
  return home
}

/** One that has keys. */
export function keyedHome(): string {
  return freshHome({ 'wallet.key': 'ab'.repeat(32) })
}

let free = atOnceMax
const waiting: (() => void)[] = []

/** Runs it to its end. */
export async function silkmesh(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve))
  else free -= 1
  try {
    const started = new Started(args, options)
    if (options.input !== undefined) started.child.stdin?.end(options.input)
    const timer = setTimeout(() => void started.kill('SIGKILL'), endMs)
    const ended = await started.ended
    clearTimeout(timer)
    return ended
  } finally {
    const next = waiting.shift()
    if (next) next()
    else free += 1
  }
}

/** The command while it runs: until it ends, is killed, or the file's tests are over. */
export class Started {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  #stdout = ''
  #stderr = ''
  readonly #heard = new Set<() => void>()

  constructor(args: readonly string[], { env = {}, fileKiBMax, input }: RunOptions = {}) {
    const words = [process.execPath, main, ...args]
    // bash counts in KiB
    const [program = '', ...rest] = fileKiBMax
      ? ['bash', '-c', `ulimit -f ${fileKiBMax}; exec "$0" "$@"`, ...words]
      : words
    this.child = spawn(program, rest, {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { ...inherited, ...env },
    })
    running.add(this.child)
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      for (const look of [...this.#heard]) look()
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.ended = once(this.child, 'close').then(([code]: (number | null)[]) => {
      running.delete(this.child)
      for (const look of [...this.#heard]) look()
      return { code: code ?? null, stdout: this.#stdout, stderr: this.#stderr }
    })
  }

  /** The first JSON line of this type, or a later one, past ones included. */
  async event(type: string, nth = 1): Promise<Record<string, unknown>> {
    for (;;) {
      const lines = this.#stdout.split('\n').slice(0, -1)
      const found = lines.map(objectOf).filter((event) => event?.['type'] === type)[nth - 1]
      if (found) return found
      if (!running.has(this.child)) throw new Error(`no ${type} in what it said: ${this.#stdout}${this.#stderr}`)
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#heard.add(resolve)
      await promise
      this.#heard.delete(resolve)
    }
  }

  kill(signal: NodeJS.Signals): Promise<Ended> {
    this.child.kill(signal)
    return this.ended
  }
}

/** What a refusal owes: a code, the reason with the value and the next step, and none of the program's insides. */
export function expectRefusal(ended: Ended, code: number, ...says: readonly string[]): void {
  expect(ended.stderr).not.toContain('    at ')
  for (const said of says) expect(ended.stderr).toContain(said)
  expect(ended.code, ended.stderr).toBe(code)
}

/** The last line of standard output. */
export function lastJson(ended: Ended): Record<string, unknown> {
  const line = ended.stdout.trim().split('\n').at(-1) ?? ''
  return objectOf(line) ?? expect.fail(`no JSON in "${line}"; standard error: ${ended.stderr}`)
}

function objectOf(line: string): Record<string, unknown> | undefined {
  return line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : undefined
}

/** Without the settings and the home of whoever runs the tests. */
const inherited: NodeJS.ProcessEnv = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(SILKMESH_|NODE_OPTIONS$|VITEST)/.test(name)),
  ),
  HOME: folder,
}

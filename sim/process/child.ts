// One `silkmesh` command as a process of its own group, watched by its lines and ended by its id.

import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { environmentOf, type HostSettings } from './host.ts'

export interface ChildOptions {
  readonly name: string
  /** The command before its words, such as `node main.ts`. */
  readonly command: readonly string[]
  readonly words: readonly string[]
  readonly host?: HostSettings | undefined
  /** Every line of JSON it prints, until its end. */
  readonly said: (line: Readonly<Record<string, unknown>>) => void
}

const stderrCharsMax = 4_000
/** Twenty nodes that start at once on two cores take half a minute. */
const readyMs = 180_000

/** Groups that still live: none outlives this process. */
const groups = new Set<number>()
process.once('exit', () => {
  for (const pid of groups) signalGroup(pid, 'SIGKILL')
})

export class Child {
  readonly name: string
  /** Resolves when it has ended, however. */
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  readonly #ready = Promise.withResolvers<Readonly<Record<string, unknown>>>()
  #stderr = ''
  #stated = ''
  #isOver = false

  constructor({ name, command, words, host, said }: ChildOptions) {
    this.name = name
    const [program = process.execPath, ...before] = command
    // loaded first, so that no connection is made without it
    const preload = host ? ['--import', new URL('./host.ts', import.meta.url).href] : []
    this.#child = spawn(program, [...preload, ...before, ...words], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true, // a group of its own
      env: { ...withoutSettings(process.env), ...(host && environmentOf(host)) },
    })
    const { pid, stderr, stdout } = this.#child
    if (pid !== undefined) groups.add(pid)
    this.#ready.promise.catch(() => undefined) // who waits hears it
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrCharsMax)
    })
    if (stdout) createInterface({ input: stdout }).on('line', (line) => this.#heard(line, said))
    this.ended = new Promise((resolve) => {
      const over = (how: string): void => {
        this.#isOver = true
        if (pid !== undefined) groups.delete(pid)
        this.#ready.reject(new Error(`${name} ended (${how}) before it was ready${this.lastWords}`))
        resolve()
      }
      this.#child.on('error', (error) => over(error.message))
      this.#child.on('close', (code, signal) => over(signal ?? `code ${code}`)) // its last line was read
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Of standard error, for messages. */
  get lastWords(): string {
    const text = `${this.#stated} ${this.#stderr.trim().split('\n').slice(-3).join(' ')}`.trim()
    return text === '' ? '' : `; it said: ${text}`
  }

  /** The line it prints when it serves. */
  async ready(): Promise<Readonly<Record<string, unknown>>> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      const tell = (): void => reject(new Error(`${this.name} was not ready in ${readyMs / 1_000} s${this.lastWords}`))
      timer = setTimeout(tell, readyMs)
    })
    try {
      return await Promise.race([this.#ready.promise, late])
    } finally {
      clearTimeout(timer)
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#isOver && this.pid !== undefined) signalGroup(this.pid, signal)
  }

  /** Asks it to end and waits. Throws where it had to be killed. */
  async stop(ms: number): Promise<void> {
    if (this.#isOver) return
    this.#child.kill('SIGTERM') // the node alone: it ends its engine itself
    let isKilled = false
    const timer = setTimeout(() => {
      isKilled = true
      this.signal('SIGKILL')
    }, ms)
    await this.ended
    clearTimeout(timer)
    if (isKilled) throw new Error(`${this.name} did not end within ${ms / 1_000} s of being asked to${this.lastWords}`)
  }

  /** Resident memory that it shares with no file; 0 where the system does not tell. */
  get memoryBytes(): number {
    try {
      const [, resident, shared] = readFileSync(`/proc/${this.pid}/statm`, 'utf8').split(' ').map(Number)
      return ((resident ?? 0) - (shared ?? 0)) * 4_096
    } catch {
      return 0
    }
  }

  #heard(line: string, said: ChildOptions['said']): void {
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      return // a library's own words
    }
    if (!isRecord(value)) return
    if (value['type'] === 'ready') this.#ready.resolve(value)
    if (value['ok'] === false) this.#stated = JSON.stringify(value['error']).slice(0, 500)
    said(value)
  }
}

/** The `silkmesh` command of this checkout. */
export const ownCommand: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL('../../node/cli/main.ts', import.meta.url)),
]

/** What the user set for nodes of theirs is not for these. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('SILKMESH_')))
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // it has just ended
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

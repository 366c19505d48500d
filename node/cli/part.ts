// One part of a mesh as a process of its own: a `silkmesh` command that speaks JSON lines, watched and ended by its parent.

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { MeshError } from '../../protocol/errors.ts'
import { failureOf, type Stated } from './gateway-client.ts'

const eventsMax = 100_000
const stderrCharsMax = 4_000

export class Part {
  readonly name: string
  /** Everything it has said so far, oldest first, bounded. */
  readonly events: Record<string, unknown>[] = []
  readonly #child: ChildProcess
  readonly #listeners = new Set<() => void>()
  readonly #taps: ((event: Record<string, unknown>) => void)[] = []
  #stderr = ''
  #exit: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined
  #isStopping = false

  /** `main`: another script that speaks as the command does. */
  constructor(name: string, args: readonly string[], main: string = commandPath) {
    this.name = name
    // a group of its own: Ctrl-C reaches the parent alone, which then ends the parts in their order
    this.#child = spawn(process.execPath, [main, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: environment(),
    })
    const { stdout, stderr } = this.#child
    if (!stdout || !stderr) throw new TypeError('a child without pipes')
    createInterface({ input: stdout }).on('line', (line) => this.#said(line))
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrCharsMax)
    })
    this.#child.on('exit', (code, signal) => {
      this.#exit = { code, signal }
      this.#wake()
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** The first event that matches, past ones included. Throws when the part ends first or takes too long. */
  event(
    matches: (event: Record<string, unknown>) => boolean,
    ms: number,
    signal: AbortSignal,
  ): Promise<Record<string, unknown>> {
    let seen = 0
    const find = (): Record<string, unknown> | undefined => {
      for (; seen < this.events.length; seen += 1) {
        const event = this.events[seen]
        if (event && matches(event)) return event
      }
      return undefined
    }
    return new Promise((resolve, reject) => {
      const end = (error: MeshError | undefined, event?: Record<string, unknown>): void => {
        clearTimeout(timer)
        this.#listeners.delete(look)
        signal.removeEventListener('abort', look)
        if (event) resolve(event)
        else reject(error)
      }
      const look = (): void => {
        const event = find()
        if (event) end(undefined, event)
        else if (signal.aborted) end(new MeshError('cancelled', 'stopped before it was done'))
        else if (this.#exit) end(this.#endedEarly())
      }
      const timer = setTimeout(() => {
        end(new MeshError('timeout', `${this.name} was not ready within ${ms / 1000} s${this.#lastWords()}`))
      }, ms)
      this.#listeners.add(look)
      signal.addEventListener('abort', look)
      look()
    })
  }

  /** Rejects when the part ends without having been asked to. */
  failed(): Promise<never> {
    return new Promise((_resolve, reject) => {
      const look = (): void => {
        if (this.#exit && !this.#isStopping) reject(this.#endedEarly())
      }
      this.#listeners.add(look)
      look()
    })
  }

  /** Asks it to end and waits; a part that does not is killed. */
  async stop(ms: number): Promise<void> {
    this.#isStopping = true
    if (this.#exit) return
    this.#child.kill('SIGTERM')
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), ms)
      const look = (): void => {
        if (!this.#exit) return
        clearTimeout(timer)
        this.#listeners.delete(look)
        resolve()
      }
      this.#listeners.add(look)
      look()
    })
  }

  /** Told of each event from now on. */
  listen(listener: (event: Record<string, unknown>) => void): void {
    this.#taps.push(listener)
  }

  #said(line: string): void {
    let event: unknown
    try {
      event = JSON.parse(line)
    } catch {
      return // a library's own words
    }
    if (typeof event !== 'object' || event === null) return
    this.events.push(event as Record<string, unknown>)
    for (const tap of this.#taps) tap(event as Record<string, unknown>)
    if (this.events.length > eventsMax) this.events.splice(0, eventsMax / 2)
    this.#wake()
  }

  #wake(): void {
    for (const look of [...this.#listeners]) look()
  }

  #endedEarly(): MeshError {
    const { code, signal } = this.#exit ?? { code: null, signal: null }
    const stated = this.events.find((event) => event['ok'] === false)?.['error'] as Partial<Stated> | undefined
    const how = signal ? `was ended by ${signal}` : `ended with code ${code}`
    const message = stated?.message ?? (this.#lastWords() || 'it said nothing')
    return failureOf({ code: stated?.code, message: `${this.name} ${how}: ${message}` })
  }

  #lastWords(): string {
    const text = this.#stderr.trim()
    return text === '' ? '' : `; it said: ${text.split('\n').slice(-3).join(' ')}`
  }
}

const commandPath = fileURLToPath(import.meta.url).replace(/part\.(ts|js)$/, 'main.$1')

/** A part's settings are those of its home and its words: the user's own, for another mesh, are not for it. */
function environment(): NodeJS.ProcessEnv {
  const isSetting = (name: string): boolean => name.startsWith('SILKMESH_') && name !== 'SILKMESH_DEBUG'
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isSetting(name)))
}

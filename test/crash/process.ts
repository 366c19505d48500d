// The parent's end of a process that is killed: orders in, what it says out, and how it ended.

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ChannelSaying, Order, Saying } from './victim.ts'

const main = fileURLToPath(new URL('victim.ts', import.meta.url))
const stderrCharsMax = 4_000

export class Process {
  /** Resolves with the signal that ended it, or what it said when it ended by itself. */
  readonly ended: Promise<string>
  readonly #child: ChildProcess
  readonly #hear: (saying: Saying) => void
  readonly #waiting = new Map<string, (saying: Saying) => void>()
  #isOver = false
  #asked = 0

  /** Loads what it needs and waits. `cache` keeps compiled code between one and the next. */
  constructor(cache: string, hear: (saying: Saying) => void) {
    this.#hear = hear
    this.#child = spawn(process.execPath, [main], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, NODE_COMPILE_CACHE: cache },
    })
    let stderr = ''
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-stderrCharsMax)
    })
    this.#child.stdin?.on('error', () => undefined) // it has just died
    if (this.#child.stdout) createInterface({ input: this.#child.stdout }).on('line', (line) => this.#said(line))
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => {
        this.#isOver = true // its last line was read
        resolve(signal ?? `code ${code}: ${stderr}`)
      })
    })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  order(order: Order): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`)
  }

  /** Resolves with how long the start took; throws where the process ends before it is ready. */
  async start(spec: Extract<Order, { do: 'start' }>['spec']): Promise<number> {
    const ready = this.#next('ready')
    this.order({ do: 'start', spec })
    const saying = await this.#orDeath(ready)
    return saying.type === 'ready' ? saying.recoveredMs : 0
  }

  async arm(point: Extract<Order, { do: 'arm' }>['point'], passes: number): Promise<void> {
    const armed = this.#next('armed')
    this.order({ do: 'arm', point, passes })
    await this.#orDeath(armed)
  }

  /** Resolves with how it went; also when the process dies meanwhile. */
  async ask(tokens: number): Promise<string> {
    this.#asked += 1
    const answered = this.#next(`answered ${this.#asked}`)
    this.order({ do: 'ask', id: this.#asked, tokens })
    const saying = await Promise.race([answered, this.ended])
    if (typeof saying === 'string') return saying
    return saying.type === 'answered' ? saying.outcome : ''
  }

  async report(): Promise<readonly ChannelSaying[]> {
    this.#asked += 1
    const reported = this.#next(`report ${this.#asked}`)
    this.order({ do: 'report', id: this.#asked })
    const saying = await this.#orDeath(reported)
    return saying.type === 'report' ? saying.channels : []
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async #orDeath(awaited: Promise<Saying>): Promise<Saying> {
    const first = await Promise.race([awaited, this.ended])
    if (typeof first === 'string') throw new Error(`it ended by itself (${first})`)
    return first
  }

  #next(key: string): Promise<Saying> {
    return new Promise((resolve) => this.#waiting.set(key, resolve))
  }

  #said(line: string): void {
    const saying = JSON.parse(line) as Saying
    if (saying.type === 'kill-me') {
      this.kill()
      return
    }
    this.#hear(saying)
    const key = 'id' in saying ? `${saying.type} ${saying.id}` : saying.type
    this.#waiting.get(key)?.(saying)
    this.#waiting.delete(key)
  }
}

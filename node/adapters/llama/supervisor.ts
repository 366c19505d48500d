// Keeps an engine process running: a new one when it ends, later each time it ends soon.

import { setTimeout as sleep } from 'node:timers/promises'
import { MeshError } from '../../../protocol/errors.ts'
import { cancelled } from '../../waits.ts'
import { EngineProcess } from './engine-process.ts'
import type { EngineProgress, Ready, StartOptions } from './messages.ts'

const restartMs = { min: 100, max: 30_000 } as const
/** A process that lived this long did not fail because of how it was started. */
const settledMs = 60_000
/** A request waits for a restart that begins within this; a later one it is told about. */
const patienceMs = 2_000

export class Supervisor {
  readonly ready: Ready
  readonly #options: StartOptions
  readonly #onProgress: (progress: EngineProgress) => void
  readonly #stopped = new AbortController()
  #running: EngineProcess | undefined
  #starting: Promise<EngineProcess> | undefined
  #startsAtMs = 0
  #failures = 0

  /** Rejects when the first start fails: nothing says that a second would not. */
  static async start(
    options: StartOptions,
    onProgress: (progress: EngineProgress) => void,
    signal: AbortSignal,
  ): Promise<Supervisor> {
    const { engine, ready } = await EngineProcess.start(options, onProgress, signal)
    return new Supervisor(options, onProgress, engine, ready)
  }

  private constructor(
    options: StartOptions,
    onProgress: (progress: EngineProgress) => void,
    engine: EngineProcess,
    ready: Ready,
  ) {
    this.#options = options
    this.#onProgress = onProgress
    this.ready = ready
    this.#watch(engine)
  }

  get pid(): number | undefined {
    return this.#running?.pid
  }

  /** The process to ask now, after its restart where it is restarting. Rejects with `engine-failed`. */
  async engine(signal: AbortSignal): Promise<EngineProcess> {
    if (signal.aborted) throw cancelled(signal)
    if (this.#running) return this.#running
    if (this.#stopped.signal.aborted || !this.#starting) throw new MeshError('engine-failed', 'the engine was stopped')
    const waitMs = this.#startsAtMs - Date.now()
    if (waitMs > patienceMs) {
      throw new MeshError('engine-failed', `the engine failed ${this.#failures} times; next start in ${waitMs} ms`, {
        retryAfterMs: waitMs,
      })
    }
    const { promise, reject } = Promise.withResolvers<never>()
    const leave = (): void => reject(cancelled(signal))
    signal.addEventListener('abort', leave, { once: true })
    try {
      return await Promise.race([this.#starting, promise])
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  /** Resolves when no process is left. */
  async stop(): Promise<void> {
    this.#stopped.abort(new MeshError('engine-failed', 'the engine was stopped'))
    await this.#running?.stop()
    await this.#starting?.catch(() => undefined)
  }

  #watch(engine: EngineProcess): void {
    const startedAtMs = Date.now()
    this.#running = engine
    this.#starting = undefined
    void engine.gone.then((error) => {
      this.#running = undefined
      if (Date.now() - startedAtMs >= settledMs) this.#failures = 0
      this.#restart(error)
    })
  }

  #restart(error: Error): void {
    if (this.#stopped.signal.aborted) return
    const waitMs = Math.min(restartMs.min * 2 ** this.#failures, restartMs.max)
    this.#failures += 1
    this.#startsAtMs = Date.now() + waitMs
    this.#onProgress({ phase: 'note', message: `${error.message}; starting it again in ${waitMs} ms` })
    this.#starting = this.#startAgain(waitMs)
    this.#starting.catch((reason: unknown) => this.#restart(reason instanceof Error ? reason : error))
  }

  async #startAgain(waitMs: number): Promise<EngineProcess> {
    const { signal } = this.#stopped
    await sleep(waitMs, undefined, { signal })
    const { engine, ready } = await EngineProcess.start(this.#options, this.#onProgress, signal)
    if (ready.model.key !== this.ready.model.key) {
      await engine.stop()
      throw new MeshError('engine-failed', `${this.#options.model} has changed on disk since it was announced`)
    }
    this.#watch(engine)
    return engine
  }
}

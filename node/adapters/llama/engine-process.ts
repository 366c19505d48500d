// One run of the engine process as the node sees it: started, asked, and gone for good when it ends.

import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { MeshError } from '../../../protocol/errors.ts'
import { cancelled } from '../../waits.ts'
import { errorOf } from './failure.ts'
import type { EngineProgress, FromEngine, Ready, StartOptions, ToEngine } from './messages.ts'

/** From sources it is TypeScript and from a build JavaScript: always what this file is. */
const childPath = fileURLToPath(new URL(`./child${extname(fileURLToPath(import.meta.url))}`, import.meta.url))
/** What native code wrote last, such as a failed assertion. */
const stderrCharsMax = 1_000
/** After this a stopping process is killed: it was inside a native call. */
const stopMsMax = 2_000

export type Reply = Exclude<FromEngine, { type: 'progress' | 'ready' | 'not-started' }>
/** What is asked of the process. */
export type Question =
  Extract<ToEngine, { type: 'prepare' | 'generate' | 'embed' | 'vocabulary' }> extends infer Each
    ? Each extends { id: number }
      ? Omit<Each, 'id'>
      : never
    : never

/** One request and the replies to it, in order. */
export interface Exchange {
  /** Throws what the exchange failed with. */
  next(): Promise<Reply>
  taken(tokens: number): void
  /** Ends it now with this error, on both sides. */
  cancel(error: Error): void
  /** Nothing more will be read; cancels what has not finished. */
  close(): void
}

export class EngineProcess {
  readonly #child: ChildProcess
  readonly #exchanges = new Map<number, Inbox>()
  readonly #gone = Promise.withResolvers<MeshError>()
  #nextId = 0
  #stderr = ''
  #onStarted: ((reply: FromEngine) => void) | undefined
  #failure: MeshError | undefined

  /** Rejects with what the process could not start for, or the signal's reason. */
  static async start(
    options: StartOptions,
    onProgress: (progress: EngineProgress) => void,
    signal: AbortSignal,
  ): Promise<{ readonly engine: EngineProcess; readonly ready: Ready }> {
    if (signal.aborted) throw cancelled(signal)
    const engine = new EngineProcess(options.slots)
    const giveUp = (): void => engine.#kill(cancelled(signal))
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      const started = new Promise<Ready>((resolve, reject) => {
        engine.#onStarted = (message) => {
          if (message.type === 'progress') onProgress(message.progress)
          else if (message.type === 'ready') resolve(message.ready)
          else if (message.type === 'not-started') reject(errorOf(message.failure))
        }
      })
      engine.#send({ type: 'start', options })
      const ready = await Promise.race([started, engine.gone.then((error) => Promise.reject(error))])
      return { engine, ready }
    } catch (error) {
      engine.#kill(new MeshError('engine-failed', 'the engine process did not start'))
      await engine.gone
      throw error
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  private constructor(slots: number) {
    this.#child = fork(childPath, [], {
      execArgv: [], // flags of this process, such as --inspect, are not for the engine
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: environment(slots),
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrCharsMax)
    })
    this.#child.on('message', (message: FromEngine) => this.#receive(message))
    this.#child.on('error', (error) => this.#ended(`could not be started: ${error.message}`))
    this.#child.on('close', (code, signal) => {
      const said = this.#stderr.trim()
      this.#ended(`ended with ${signal ?? `code ${code}`}${said === '' ? '' : `, saying: ${said}`}`)
    })
  }

  /** Resolves when the process is gone, with what requests in flight were told. */
  get gone(): Promise<MeshError> {
    return this.#gone.promise
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  open(question: Question): Exchange {
    const id = this.#nextId
    this.#nextId += 1
    const inbox = new Inbox()
    if (this.#failure) {
      inbox.fail(this.#failure)
    } else {
      this.#exchanges.set(id, inbox)
      this.#send({ ...question, id })
    }
    const leave = (): void => {
      if (this.#exchanges.delete(id)) this.#send({ type: 'cancel', id })
    }
    return {
      next: () => inbox.next(),
      taken: (tokens) => this.#send({ type: 'taken', id, tokens }),
      cancel(error) {
        inbox.fail(error)
        leave()
      },
      close: leave,
    }
  }

  /** Resolves when the process is gone. Requests in flight fail. */
  async stop(): Promise<void> {
    this.#fail(new MeshError('engine-failed', 'the engine was stopped'))
    this.#send({ type: 'stop' })
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopMsMax)
    await this.gone
    clearTimeout(timer)
  }

  #kill(error: MeshError): void {
    this.#fail(error)
    this.#child.kill('SIGKILL')
  }

  #receive(message: FromEngine): void {
    if (message.type === 'progress' || message.type === 'ready' || message.type === 'not-started') {
      this.#onStarted?.(message)
      return
    }
    const inbox = this.#exchanges.get(message.id)
    if (!inbox) return // cancelled while this was under way
    if (message.type !== 'delta' && message.type !== 'vector') this.#exchanges.delete(message.id)
    inbox.deliver(message)
  }

  #ended(how: string): void {
    this.#fail(new MeshError('engine-failed', `the engine process ${this.#child.pid ?? ''} ${how}`))
    if (this.#failure) this.#gone.resolve(this.#failure)
  }

  /** The first reason is what everybody is told. */
  #fail(error: MeshError): void {
    this.#failure ??= error
    for (const inbox of this.#exchanges.values()) inbox.fail(this.#failure)
    this.#exchanges.clear()
  }

  #send(message: ToEngine): void {
    this.#child.send(message, () => undefined) // that the process is gone is told by its `close`
  }
}

/** Replies of one request, in order. The engine's window bounds how many can wait here. */
class Inbox {
  readonly #replies: Reply[] = []
  #failure: Error | undefined
  #waiting: PromiseWithResolvers<Reply> | undefined

  deliver(reply: Reply): void {
    if (this.#waiting) this.#waiting.resolve(reply)
    else this.#replies.push(reply)
    this.#waiting = undefined
  }

  fail(error: Error): void {
    this.#failure ??= error
    this.#waiting?.reject(this.#failure)
    this.#waiting = undefined
  }

  async next(): Promise<Reply> {
    if (this.#failure) throw this.#failure
    const reply = this.#replies.shift()
    if (reply) return reply
    this.#waiting = Promise.withResolvers<Reply>()
    return await this.#waiting.promise
  }
}

/** Keys and settings of the node stay with the node: this process reads models made by strangers. */
function environment(slots: number): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(SILKMESH_|VITEST|NODE_OPTIONS$|CI$)/.test(name)) // an empty CI stops node-llama-cpp
  // One worker decodes and one for each slot may sample at the same time; files need some too.
  return { ...Object.fromEntries(inherited), UV_THREADPOOL_SIZE: String(slots + 4) }
}

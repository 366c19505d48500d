// What a server of OpenAI's API has and can do now: asked at the start, at an interval, and when a request failed.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { declaredModelKeyOf, type ModelKey } from '../../protocol/ids.ts'
import type { Model } from '../ports.ts'
import { cancelled } from '../waits.ts'
import { dialectOf } from './openai-count.ts'
import type { Abilities, Dialect } from './openai-dialect.ts'
import { type Choice, chosenOf, type Listed, listModels } from './openai-models.ts'
import { probe } from './openai-probe.ts'
import { count, property, type Upstream } from './openai-upstream.ts'

export interface ServerOptions extends Choice {
  readonly contextTokens?: number | undefined
  readonly healthMs: number
  readonly onNote: (message: string) => void
}

export interface Served {
  /** The server's own name of it. */
  readonly id: string
  readonly model: Model
  readonly abilities: Abilities
}

const defaultContextTokens = 4096
/** For finding out what all models of a server can do; some load each with its first request. */
const probeMsMax = 300_000
/** A model that could do nothing is asked again after this. */
const unableMs = 60_000

export class OpenAiServer {
  readonly #upstream: Upstream
  readonly #options: ServerOptions
  readonly #listeners: (() => void)[] = []
  #dialect: Dialect = 'openai'
  /** By the server's names: what it had at the start. Others that appear later are not served before the next start. */
  #wanted: readonly string[] = []
  /** Of those, what it has now and can do. */
  #served: ReadonlyMap<ModelKey, Served> = new Map()
  /** What the server counts of these cannot be charged for: not served before it has been away. */
  readonly #disowned = new Map<ModelKey, MeshError>()
  /** Asked in vain what they can do, at this time. */
  readonly #unable = new Map<string, number>()
  #down: MeshError | undefined
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined

  constructor(upstream: Upstream, options: ServerOptions) {
    this.#upstream = upstream
    this.#options = options
  }

  get dialect(): Dialect {
    return this.#dialect
  }

  get models(): readonly Model[] {
    return [...this.#served.values()].map(({ model }) => model).filter(({ key }) => !this.#disowned.has(key))
  }

  get isReady(): boolean {
    return this.#down === undefined && !this.#upstream.isStopped
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** Rejects where the server does not answer, or has no model that can do anything. Then looks after it until stopped. */
  async start(signal: AbortSignal): Promise<void> {
    const listed = chosenOf(this.#upstream, await listModels(this.#upstream, signal), this.#options)
    this.#wanted = listed.map(({ id }) => id)
    const refusals = await this.#describe(listed, new Map(), signal)
    if (signal.aborted) throw cancelled(signal)
    if (this.#served.size === 0) {
      throw new MeshError('engine-failed', `${this.#upstream.root} serves nothing: ${refusals.join('; ')}`)
    }
    this.#schedule()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#upstream.stop()
  }

  /** Throws `engine-failed` while it cannot be asked, `unknown-model` for what it does not have. */
  find(key: ModelKey): Served {
    if (this.#down) throw new MeshError('engine-failed', `${this.#upstream.root} is down: ${this.#down.message}`)
    const disowned = this.#disowned.get(key)
    if (disowned) throw disowned
    const served = this.#served.get(key)
    if (served) return served
    const names = this.models.map(({ name }) => name).join(', ') || 'nothing now'
    throw new MeshError('unknown-model', `model ${key}, this engine serves ${names}`)
  }

  /** No other answer of this model is charged for. */
  disown({ key, name }: Model, error: MeshError): void {
    this.#disowned.set(key, error)
    this.#options.onNote(`${name} is not served any more: ${error.message}`)
    this.#changed()
  }

  /** Asks the server now how it is. Never rejects; one at a time. */
  check(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
      this.#schedule()
    })
    return this.#looking
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    if (this.#upstream.isStopped) return
    const waitMs = this.#options.healthMs * (0.8 + 0.4 * Math.random()) // many nodes may ask one server
    this.#timer = setTimeout(() => void this.check(), waitMs).unref()
  }

  async #look(): Promise<void> {
    const { signal } = new AbortController() // it ends with the upstream, and by the bounds of each request
    const before = this.models
    const wasDown = this.#down
    try {
      const listed = await listModels(this.#upstream, signal)
      if (wasDown) {
        this.#unable.clear()
        this.#disowned.clear()
      }
      // what came back may have been started another way
      const known: ReadonlyMap<ModelKey, Served> = wasDown ? new Map() : this.#served
      await this.#describe(
        listed.filter(({ id }) => this.#wanted.includes(id)),
        known,
        signal,
      )
      this.#down = undefined
    } catch (error) {
      this.#down = asMeshError(error, 'engine-failed')
    }
    if (!this.#upstream.isStopped) this.#tell(before, wasDown)
  }

  #tell(before: readonly Model[], wasDown: MeshError | undefined): void {
    const { root } = this.#upstream
    const { onNote } = this.#options
    const after = this.models
    const isSame = before.length === after.length && before.every((model, at) => model === after[at])
    if (this.#down && !wasDown) onNote(`${root} is down: ${this.#down.message}`)
    if (wasDown && !this.#down) onNote(`${root} is back`)
    if (!isSame && !this.#down) onNote(`${root} serves ${after.map(({ name }) => name).join(', ') || 'nothing'} now`)
    if (!isSame || Boolean(wasDown) !== Boolean(this.#down)) this.#changed()
  }

  /** Keeps what is known, asks what the others can do, forgets what is not listed. Why those were left out that were. */
  async #describe(
    listed: readonly Listed[],
    known: ReadonlyMap<ModelKey, Served>,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const probing = AbortSignal.any([signal, AbortSignal.timeout(probeMsMax)])
    if (known.size === 0) this.#dialect = await dialectOf(this.#upstream, listed[0]?.id ?? '', signal)
    const served = new Map<ModelKey, Served>()
    const refusals: string[] = []
    for (const { id, contextTokens: told } of listed) {
      const name = this.#options.name ?? id
      const key = declaredModelKeyOf(name)
      const before = known.get(key)
      if (before) served.set(key, before)
      if (before || Date.now() - (this.#unable.get(id) ?? 0) < unableMs) continue
      const abilities = await probe(this.#upstream, this.#dialect, id, probing)
      const { features, refusal } = abilities
      if (features.length === 0) {
        refusals.push(`${name}: ${refusal?.message ?? 'it can do nothing'}`)
        if (!this.#unable.has(id)) this.#options.onNote(`${refusals.at(-1)}; it is left out`)
        this.#unable.set(id, Date.now())
        continue
      }
      this.#unable.delete(id)
      const contextTokens = this.#options.contextTokens ?? told ?? (await this.#slotContext(signal))
      const speed = { prefillTokensPerSecond: 0, decodeTokensPerSecond: 0 }
      const model = { key, name, contextTokens: contextTokens ?? defaultContextTokens, ...speed, features }
      served.set(key, { id, model, abilities })
    }
    this.#served = served
    return refusals
  }

  /** llama-server divides its context among its slots. */
  async #slotContext(signal: AbortSignal): Promise<number | undefined> {
    if (this.#dialect !== 'llama-server') return undefined
    try {
      const props = await this.#upstream.json('/props', undefined, signal)
      return count(property(props, 'default_generation_settings', 'n_ctx'))
    } catch (error) {
      if (signal.aborted) throw error
      return undefined // switched off on some servers
    }
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}

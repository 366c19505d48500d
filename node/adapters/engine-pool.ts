// One engine over several models, each in an engine of its own, of which a few are loaded at once.

import { MeshError } from '../../protocol/errors.ts'
import type { ModelKey } from '../../protocol/ids.ts'
import type { Delta, Finish, Generation, Model, Prompt } from '../ports.ts'
import { cancelled } from '../waits.ts'
import { type Lease, Loads, type Member, type PooledEngine } from './engine-loads.ts'

export interface PoolOptions {
  /** Starts the engine of one model; called again whenever that is loaded again. */
  readonly starts: readonly ((signal: AbortSignal) => Promise<PooledEngine>)[]
  /** Generations at once, over all models. */
  readonly slots: number
  readonly loadedMax: number
  /** A request waits at most this long for its model. */
  readonly loadMsMax: number
  /** Gives up the start, or stops the running pool. */
  readonly signal?: AbortSignal | undefined
}

export interface EnginePool extends PooledEngine {
  /** Those whose engine runs now. */
  readonly loaded: readonly Model[]
}

/** From counting a prompt to evaluating it, while it is being paid for, its model stays; then it may have to be loaded again. */
const holdMs = 5_000

/**
 * Loads each model once, and unloads those that are too many. Throws `RangeError` where two are the same, and what a start
 * throws.
 */
export async function startEnginePool(options: PoolOptions): Promise<EnginePool> {
  const { loadedMax, starts } = options
  if (!Number.isInteger(loadedMax) || loadedMax < 1) {
    throw new RangeError(`${loadedMax} models loaded at once, expected 1 or more`)
  }
  const signal = options.signal ?? new AbortController().signal
  const pool = new Pool(options)
  signal.addEventListener('abort', () => void pool.stop(), { once: true })
  try {
    for (const start of starts) await pool.add(start, signal)
    if (signal.aborted) throw cancelled(signal)
    return pool
  } catch (error) {
    await pool.stop()
    throw signal.aborted ? cancelled(signal) : error
  }
}

class Pool implements EnginePool {
  readonly slots: number
  readonly #loads: Loads
  readonly #serving = new Map<ModelKey, Member>()
  /** Counted, and not evaluated yet. */
  readonly #held = new WeakMap<Prompt, { readonly lease: Lease; readonly timer: NodeJS.Timeout }>()
  /** Read while each was loaded first, until somebody asks: that is once, at the start. */
  readonly #vocabularies = new Map<ModelKey, readonly Uint8Array[] | undefined>()

  constructor({ loadMsMax, loadedMax, slots }: PoolOptions) {
    this.slots = slots
    this.#loads = new Loads({ loadMsMax, loadedMax })
  }

  get models(): readonly Model[] {
    return this.#loads.members.flatMap(({ models }) => models)
  }

  get loaded(): readonly Model[] {
    return this.#loads.members.flatMap(({ engine, models }) => (engine ? models : []))
  }

  async add(start: Member['start'], signal: AbortSignal): Promise<void> {
    const { engine, member } = await this.#loads.add(start, signal)
    for (const { key, name } of engine.models) {
      if (this.#serving.has(key)) throw new RangeError(`model ${name} is there twice: another has the same weights`)
      this.#serving.set(key, member)
      if (engine.vocabulary) this.#vocabularies.set(key, await engine.vocabulary(key))
    }
  }

  async prepare(generation: Generation, signal: AbortSignal): Promise<Prompt> {
    const lease = await this.#acquire(generation.model, signal)
    try {
      const prompt = await lease.engine.prepare(generation, signal)
      const timer = setTimeout(() => lease.release(), holdMs).unref()
      this.#held.set(prompt, { lease, timer })
      return prompt
    } catch (error) {
      lease.release()
      throw error
    }
  }

  async *generate(prompt: Prompt, signal: AbortSignal): AsyncGenerator<Delta, Finish, undefined> {
    const lease = await this.#leaseFor(prompt, signal)
    try {
      return yield* lease.engine.generate(prompt, signal)
    } finally {
      lease.release()
    }
  }

  async *embed(prompt: Prompt, signal: AbortSignal): AsyncGenerator<Float32Array, void, undefined> {
    const lease = await this.#leaseFor(prompt, signal)
    try {
      if (!lease.engine.embed)
        throw new MeshError('unsupported', 'input: this engine does not embed', { param: 'input' })
      yield* lease.engine.embed(prompt, signal)
    } finally {
      lease.release()
    }
  }

  async vocabulary(model: ModelKey): Promise<readonly Uint8Array[] | undefined> {
    const read = this.#vocabularies.get(model)
    this.#vocabularies.delete(model)
    if (read) return read
    const lease = await this.#acquire(model, new AbortController().signal)
    try {
      return await lease.engine.vocabulary?.(model)
    } finally {
      lease.release()
    }
  }

  async stop(): Promise<void> {
    await this.#loads.stop()
  }

  async #leaseFor(prompt: Prompt, signal: AbortSignal): Promise<Lease> {
    const held = this.#held.get(prompt)
    this.#held.delete(prompt)
    clearTimeout(held?.timer)
    return held && !held.lease.isOver ? held.lease : await this.#acquire(prompt.generation.model, signal)
  }

  async #acquire(model: ModelKey, signal: AbortSignal): Promise<Lease> {
    const member = this.#serving.get(model)
    if (member) return await this.#loads.acquire(member, signal)
    const names = this.models.map(({ name }) => name).join(', ')
    throw new MeshError('unknown-model', `model ${model}, this engine serves ${names}`)
  }
}

// The engine port as a model: a batching inference server of a profile, in virtual time, that says modelled tokens.

import type { Delta, Engine, Finish, Generation, Model, Prompt, Random } from '../../../node/ports.ts'
import { cancelled } from '../../../node/waits.ts'
import { MeshError } from '../../../protocol/errors.ts'
import { declaredModelKeyOf } from '../../../protocol/ids.ts'
import { featuresByDefault, featuresOf } from '../../../protocol/task.ts'
import type { Scheduler, Timer } from '../../kernel.ts'
import type { Life } from '../../life.ts'
import { normal } from '../../random.ts'
import { Batch, type Step } from './batch.ts'
import { type Cost, iterationMs } from './cost.ts'
import { costOf, type Profile } from './profile.ts'
import { blockKeysOf, Reply } from './reply.ts'
import { promptTokensOf } from './tokens.ts'

export { loadProfile, type Profile } from './profile.ts'

export interface ModelEngineOptions {
  readonly scheduler: Scheduler
  readonly profile: Profile
  /** The model's name on the mesh: equal names have equal keys. */
  readonly model: string
  /** Generations at once. Default: the profile's `maxNumSeqs`. */
  readonly slots?: number | undefined
  readonly life: Life
  readonly random: Random
  /** Tokens wait at most this long for others to come along. Default 20, as the real adapters do. */
  readonly coalesceMs?: number | undefined
}

export interface ModelEngine extends Engine {
  figures(): EngineFigures
}

/** What is now, and counts since the start. */
export interface EngineFigures {
  readonly running: number
  readonly waiting: number
  readonly kvBlocks: number
  readonly kvBlocksFree: number
  readonly iterations: number
  readonly busyMs: number
  readonly tokensPrefilled: number
  readonly tokensGenerated: number
  readonly preemptions: number
}

export function createModelEngine(options: ModelEngineOptions): ModelEngine {
  const { profile, slots = profile.maxNumSeqs } = options
  if (!Number.isInteger(slots) || slots < 1) throw new RangeError(`${slots} slots, expected a whole number from 1`)
  const cost = costOf(profile)
  const model = modelOf(profile, cost, options.model)
  const server = new Server(options, cost, model)
  return {
    models: [model],
    slots,
    prepare: (generation, signal) => server.prepare(generation, signal),
    generate: (prompt, signal) => server.generate(prompt, signal),
    figures: () => server.figures(),
  }
}

function modelOf(profile: Profile, cost: Cost, name: string): Model {
  const { contextTokens } = profile
  const tokens = Math.min(profile.maxNumBatchedTokens, contextTokens)
  const prefillMs = iterationMs(cost, { tokens, sequences: 1, contextTokens: 0, pairs: (tokens * tokens) / 2 })
  const decodeMs = iterationMs(cost, { tokens: 1, sequences: 1, contextTokens: tokens, pairs: 0 })
  return {
    key: declaredModelKeyOf(name),
    name,
    contextTokens,
    prefillTokensPerSecond: Math.max(1, Math.round((1_000 * tokens) / prefillMs)),
    decodeTokensPerSecond: Math.max(1, Math.round(1_000 / decodeMs)),
    features: featuresByDefault,
  }
}

class Server {
  readonly #scheduler: Scheduler
  readonly #life: Life
  readonly #random: Random
  readonly #profile: Profile
  readonly #coalesceMs: number
  readonly #model: Model
  readonly #batch: Batch<Reply>
  #current: Step<Reply> | undefined
  /** Put together while the current one runs. */
  #ahead: Step<Reply> | undefined
  #endsAtMs = Number.POSITIVE_INFINITY
  #timer: Timer | undefined
  /** Replies with tokens that nobody was told of yet. */
  #held: Reply[] = []
  #iterations = 0
  #busyMs = 0
  #tokens = 0
  #tokensGenerated = 0

  constructor(options: ModelEngineOptions, cost: Cost, model: Model) {
    this.#scheduler = options.scheduler
    this.#life = options.life
    this.#random = options.random
    this.#profile = options.profile
    this.#coalesceMs = options.coalesceMs ?? 20
    this.#model = model
    this.#batch = new Batch(options.profile, cost)
    options.life.onEnd(() => this.#timer?.cancel())
  }

  prepare(generation: Generation, signal: AbortSignal): Promise<Prompt> {
    return this.#life.during(
      new Promise((resolve) => {
        if (signal.aborted) throw cancelled(signal)
        resolve(this.#prompt(generation))
      }),
    )
  }

  async *generate(prompt: Prompt, signal: AbortSignal): AsyncGenerator<Delta, Finish, undefined> {
    if (this.#life.isOver) await forever
    if (signal.aborted) throw cancelled(signal)
    const reply = new Reply(prompt, this.#model, this.#profile.blockTokens)
    if (reply.tokensMax === 0) return reply.finish
    const abort = (): void => {
      if (!this.#life.isOver) reply.fail(cancelled(signal))
      this.#leave(reply)
    }
    signal.addEventListener('abort', abort, { once: true })
    this.#batch.add(reply)
    this.#kick()
    try {
      for (;;) {
        const delta = reply.take()
        if (!delta) {
          if (reply.isDone) return reply.finish
          await reply.due()
          continue
        }
        this.#kick() // it may have been waiting for its reader
        yield delta
      }
    } finally {
      signal.removeEventListener('abort', abort)
      this.#leave(reply)
    }
  }

  figures(): EngineFigures {
    return {
      running: this.#batch.running,
      waiting: this.#batch.waiting,
      kvBlocks: this.#batch.blocks,
      kvBlocksFree: this.#batch.blocksFree,
      iterations: this.#iterations,
      busyMs: this.#busyMs,
      tokensPrefilled: this.#tokens - this.#tokensGenerated,
      tokensGenerated: this.#tokensGenerated,
      preemptions: this.#batch.preemptions,
    }
  }

  #prompt(generation: Generation): Prompt {
    const { key, name, contextTokens, features } = this.#model
    const { messages, sampling, resumeTokenIds } = generation
    if (generation.model !== key) {
      throw new MeshError('unknown-model', `model ${generation.model}, this engine serves ${key} (${name})`)
    }
    for (const [feature, param] of featuresOf(generation)) {
      if (!features.includes(feature)) {
        throw new MeshError('unsupported', `${param}: ${name} here cannot do ${feature}`, { param })
      }
    }
    const promptTokens = promptTokensOf(messages) + resumeTokenIds.length
    if (promptTokens + Math.max(1, sampling.tokensMax ?? 1) > contextTokens) {
      const answer = sampling.tokensMax === undefined ? '' : ` and ${sampling.tokensMax} for the answer`
      throw new MeshError(
        'context-exceeded',
        `prompt of ${promptTokens} tokens${answer}, ${name} holds ${contextTokens} tokens`,
      )
    }
    const cachedTokens = this.#batch.cachedTokens(promptTokens, blockKeysOf(generation, this.#profile.blockTokens))
    return { generation, promptTokens, cachedTokens, tokenIds: [] }
  }

  /** Begins an iteration where none runs and there is something to do. */
  #kick(): void {
    if (this.#current || this.#life.isOver) return
    const step = this.#ahead ?? this.#batch.plan()
    this.#ahead = undefined
    if (!step) {
      this.#endsAtMs = Number.POSITIVE_INFINITY
      return
    }
    this.#current = step
    if (this.#profile.asyncScheduling) this.#ahead = this.#batch.plan()
    const durationMs = step.durationMs * this.#noise()
    this.#iterations += 1
    this.#busyMs += durationMs
    this.#tokens += step.load.tokens
    this.#endsAtMs = this.#scheduler.now() + durationMs
    this.#timer = this.#scheduler.at(this.#endsAtMs, () => this.#end(step))
  }

  #end(step: Step<Reply>): void {
    for (const reply of step.sampled) {
      if (reply.state === 'over') continue
      this.#tokensGenerated += 1
      if (!reply.isHeld) {
        reply.isHeld = true
        this.#held.push(reply)
      }
    }
    this.#batch.settle(step)
    for (const reply of step.sampled) reply.pauseWhenAhead()
    this.#current = undefined
    this.#kick()
    this.#tell()
  }

  /** Hands out what would otherwise be older than the window by the end of the next iteration. */
  #tell(): void {
    const nowMs = this.#scheduler.now()
    const toldByMs = this.#endsAtMs - this.#coalesceMs
    let kept = 0
    for (const reply of this.#held) {
      if (reply.hasLeft) continue
      if (reply.toldAtMs < toldByMs || reply.isUrgent) {
        reply.isHeld = false
        reply.tell(nowMs)
      } else {
        this.#held[kept] = reply
        kept += 1
      }
    }
    this.#held.length = kept
  }

  #leave(reply: Reply): void {
    if (reply.hasLeft) return
    reply.hasLeft = true
    if (reply.state === 'over') return
    this.#batch.remove(reply)
    this.#kick() // others may have waited for its memory
  }

  #noise(): number {
    const { jitter } = this.#profile
    return jitter === 0 ? 1 : Math.max(0.5, normal(this.#random, 1, jitter))
  }
}

/** What a dead engine answers. */
const forever = new Promise<never>(() => undefined)

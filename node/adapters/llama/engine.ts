// The engine over node-llama-cpp: llama.cpp in a process of its own, several generations at once in one context.

import { MeshError } from '../../../protocol/errors.ts'
import type { Delta, Engine, Finish, Generation, Model, Prompt } from '../../ports.ts'
import { cancelled } from '../../waits.ts'
import { errorOf } from './failure.ts'
import { decodeAheadTokens, type EngineBuild, type EngineProgress } from './messages.ts'
import { Supervisor } from './supervisor.ts'

export type { EngineBuild, EngineProgress } from './messages.ts'

export interface LlamaEngineOptions {
  /** `builtin`, the path of a GGUF file, or `hf:owner/repository/file.gguf`. */
  readonly model: string
  /** For people; the file's name by default. */
  readonly name?: string | undefined
  /** Generations at once; each has its own context. Default 4. */
  readonly slots?: number | undefined
  /** A slot's, prompt and answer together. Default: what the model was trained for, at most 4096. */
  readonly contextTokens?: number | undefined
  /** Default `auto`: what measures quickest, one on a machine of up to two cores. */
  readonly threads?: number | 'auto' | undefined
  /** Default `auto`: a graphics card where its build is installed. */
  readonly gpu?: false | 'auto' | undefined
  /** For downloads and for hashes of large files. */
  readonly modelsDir: string
  /** Also told of crashes and restarts, as notes, as long as the engine runs. */
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined
  /** Gives up the start, or stops the running engine. */
  readonly signal?: AbortSignal | undefined
}

export interface LlamaEngine extends Engine {
  readonly build: EngineBuild
  /** Of the process that runs now; undefined while it restarts. */
  readonly pid: number | undefined
  /** Fails what is in flight; resolves when the process is gone, within seconds. */
  stop(): Promise<void>
}

const slotsMax = 1_024
const contextTokensMin = 64
/** A bound before tokenising: no text averages more characters a token over a whole context. */
const charsPerTokenMax = 64

/** Throws `RangeError` for a wrong option or model file, `MeshError` `engine-failed` where the engine cannot run. */
export async function startLlamaEngine(options: LlamaEngineOptions): Promise<LlamaEngine> {
  const { slots = 4, contextTokens, threads = 'auto', signal } = options
  if (!Number.isInteger(slots) || slots < 1 || slots > slotsMax) {
    throw new RangeError(`${slots} slots, expected 1 to ${slotsMax}`)
  }
  if (contextTokens !== undefined && !(Number.isInteger(contextTokens) && contextTokens >= contextTokensMin)) {
    throw new RangeError(`context of ${contextTokens} tokens, expected at least ${contextTokensMin}`)
  }
  if (threads !== 'auto' && !(Number.isInteger(threads) && threads >= 1)) {
    throw new RangeError(`${threads} threads, expected 1 or more, or auto`)
  }
  const supervisor = await Supervisor.start(
    {
      model: options.model,
      name: options.name,
      slots,
      contextTokens,
      threads,
      gpu: options.gpu ?? 'auto',
      modelsDir: options.modelsDir,
    },
    options.onProgress ?? (() => undefined),
    signal ?? new AbortController().signal,
  )
  const { model, build } = supervisor.ready
  const stop = (): Promise<void> => supervisor.stop()
  signal?.addEventListener('abort', () => void stop(), { once: true })
  if (signal?.aborted) {
    await stop()
    throw cancelled(signal)
  }
  return {
    models: [model],
    slots,
    build,
    stop,
    get pid() {
      return supervisor.pid
    },
    prepare: (generation, prepareSignal) => prepare(supervisor, model, generation, prepareSignal),
    generate: (prompt, generateSignal) => generate(supervisor, prompt, generateSignal),
  }
}

async function prepare(
  supervisor: Supervisor,
  model: Model,
  generation: Generation,
  signal: AbortSignal,
): Promise<Prompt> {
  const { messages, sampling, resumeTokenIds } = generation
  if (generation.model !== model.key) {
    throw new MeshError('unknown-model', `model ${generation.model}, this engine serves ${model.key} (${model.name})`)
  }
  const chars = messages.reduce((sum, { content }) => sum + content.length, 0)
  if (chars > model.contextTokens * charsPerTokenMax || resumeTokenIds.length >= model.contextTokens) {
    throw new MeshError(
      'context-exceeded',
      `prompt of ${chars} characters and ${resumeTokenIds.length} tokens, ${model.name} holds ${model.contextTokens} tokens`,
    )
  }
  const engine = await supervisor.engine(signal)
  const exchange = engine.open({ type: 'prepare', messages, tokensMax: sampling.tokensMax, resumeTokenIds })
  const leave = (): void => exchange.cancel(cancelled(signal))
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  try {
    const reply = await exchange.next()
    if (reply.type === 'failed') throw errorOf(reply.failure)
    if (reply.type !== 'prepared')
      throw new MeshError('engine-failed', `the engine answered prepare with ${reply.type}`)
    const { tokenIds, cachedTokens } = reply
    return { generation, promptTokens: tokenIds.length, cachedTokens, tokenIds }
  } finally {
    signal.removeEventListener('abort', leave)
    exchange.close()
  }
}

async function* generate(
  supervisor: Supervisor,
  { tokenIds, generation }: Prompt,
  signal: AbortSignal,
): AsyncGenerator<Delta, Finish, undefined> {
  const engine = await supervisor.engine(signal)
  const exchange = engine.open({ type: 'generate', tokenIds, sampling: generation.sampling })
  // Also while the caller is busy with a delta: the decoder stops when the signal fires, not when it is asked again.
  const leave = (): void => exchange.cancel(cancelled(signal))
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  let taken = 0
  try {
    for (;;) {
      const reply = await exchange.next()
      if (reply.type === 'finished') return reply.finish
      if (reply.type === 'failed') throw errorOf(reply.failure)
      if (reply.type !== 'delta')
        throw new MeshError('engine-failed', `the engine answered generate with ${reply.type}`)
      yield { text: reply.text, tokens: reply.tokenIds.length, tokenIds: reply.tokenIds }
      taken += reply.tokenIds.length
      if (taken * 2 >= decodeAheadTokens) {
        exchange.taken(taken)
        taken = 0
      }
    }
  } finally {
    signal.removeEventListener('abort', leave)
    exchange.close()
  }
}

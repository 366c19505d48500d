// The engine over node-llama-cpp: llama.cpp in a process of its own, several generations at once in one context.

import { MeshError } from '../../../protocol/errors.ts'
import type { ModelKey } from '../../../protocol/ids.ts'
import { featuresOf, type Task, taskOf } from '../../../protocol/task.ts'
import type { Delta, Engine, Finish, Generation, Model, Prompt } from '../../ports.ts'
import { cancelled } from '../../waits.ts'
import type { EngineProcess, Question, Reply } from './engine-process.ts'
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
  /** Of a model that does not change: asked once. */
  let vocabulary: Promise<readonly Uint8Array[] | undefined> | undefined
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
    ...(model.features.includes('embeddings') && {
      embed: (prompt: Prompt, embedSignal: AbortSignal) => embed(supervisor, prompt, embedSignal),
    }),
    vocabulary(key) {
      checkModel(model, key)
      vocabulary ??= vocabularyOf(supervisor).catch((error: unknown) => {
        vocabulary = undefined
        throw error
      })
      return vocabulary
    },
  }
}

function checkModel(model: Model, key: ModelKey): void {
  if (key === model.key) return
  throw new MeshError('unknown-model', `model ${key}, this engine serves ${model.key} (${model.name})`)
}

async function prepare(
  supervisor: Supervisor,
  model: Model,
  generation: Generation,
  signal: AbortSignal,
): Promise<Prompt> {
  const { resumeTokenIds } = generation
  checkModel(model, generation.model)
  const task = taskOf(generation)
  for (const [feature, param] of featuresOf(task)) {
    if (model.features.includes(feature)) continue
    throw new MeshError('unsupported', `${param}: ${model.name} here cannot do ${feature}`, { param })
  }
  const chars = Math.max(charsOf(task), ...(task.inputs ?? []).map((input) => input.length))
  if (chars > model.contextTokens * charsPerTokenMax || resumeTokenIds.length >= model.contextTokens) {
    throw new MeshError(
      'context-exceeded',
      `prompt of ${chars} characters and ${resumeTokenIds.length} tokens, ${model.name} holds ${model.contextTokens} tokens`,
    )
  }
  const engine = await supervisor.engine(signal)
  for await (const reply of exchange(engine, { type: 'prepare', task, resumeTokenIds }, signal)) {
    if (reply.type !== 'prepared') throw unexpected('prepare', reply)
    const { cachedTokens, promptTokens, tokenIds } = reply
    return { generation, promptTokens, cachedTokens, tokenIds }
  }
  throw new MeshError('engine-failed', 'the engine did not answer prepare')
}

function charsOf({ messages, text = '', tools }: Task): number {
  const ofTools = tools?.list.reduce((sum, each) => sum + each.description.length + each.parameters.length, 0) ?? 0
  const ofMessages = messages.reduce((sum, { content, toolCalls = [] }) => {
    return sum + content.length + toolCalls.reduce((chars, call) => chars + call.arguments.length, 0)
  }, 0)
  return text.length + ofTools + ofMessages
}

async function* generate(
  supervisor: Supervisor,
  { tokenIds, generation }: Prompt,
  signal: AbortSignal,
): AsyncGenerator<Delta, Finish, undefined> {
  const { messages, resumeTokenIds, sampling, text, tools } = generation
  const engine = await supervisor.engine(signal)
  const replies = exchange(
    engine,
    {
      type: 'generate',
      tokenIds,
      resumedTokens: resumeTokenIds.length,
      sampling,
      tools,
      text,
      isAfterTool: messages.at(-1)?.role === 'tool',
    },
    signal,
  )
  for await (const reply of replies) {
    if (reply.type === 'finished') return reply.finish
    if (reply.type !== 'delta') throw unexpected('generate', reply)
    yield reply.said
  }
  throw new MeshError('engine-failed', 'the engine did not finish')
}

async function* embed(
  supervisor: Supervisor,
  { generation }: Prompt,
  signal: AbortSignal,
): AsyncGenerator<Float32Array, void, undefined> {
  const engine = await supervisor.engine(signal)
  for await (const reply of exchange(engine, { type: 'embed', inputs: generation.inputs ?? [] }, signal)) {
    if (reply.type === 'finished') return
    if (reply.type !== 'vector') throw unexpected('embed', reply)
    yield reply.vector
  }
}

async function vocabularyOf(supervisor: Supervisor): Promise<readonly Uint8Array[] | undefined> {
  const never = new AbortController().signal
  const engine = await supervisor.engine(never)
  for await (const reply of exchange(engine, { type: 'vocabulary' }, never)) {
    if (reply.type !== 'vocabulary') throw unexpected('vocabulary', reply)
    const { bytes, ends } = reply
    if (!bytes || !ends) return undefined
    return Array.from(ends, (end, id) => bytes.subarray(ends[id - 1] ?? 0, end))
  }
  return undefined
}

function unexpected(question: string, { type }: Reply): MeshError {
  return new MeshError('engine-failed', `the engine answered ${question} with ${type}`)
}

/** The replies to one question. Leaving the iteration, or the signal, ends the work on it. */
async function* exchange(
  engine: EngineProcess,
  question: Question,
  signal: AbortSignal,
): AsyncGenerator<Reply, never, undefined> {
  const open = engine.open(question)
  // Also while the caller is busy with a reply: the decoder stops when the signal fires, not when it is asked again.
  const leave = (): void => open.cancel(cancelled(signal))
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  let taken = 0
  try {
    for (;;) {
      const reply = await open.next()
      if (reply.type === 'failed') throw errorOf(reply.failure)
      yield reply
      if (reply.type !== 'delta') continue
      taken += reply.said.tokens
      if (taken * 2 < decodeAheadTokens) continue
      open.taken(taken)
      taken = 0
    }
  } finally {
    signal.removeEventListener('abort', leave)
    open.close()
  }
}

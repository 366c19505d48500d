// The engine over any server that speaks OpenAI's API: vLLM, SGLang, Ollama, llama-server, or a router before many.

import { MeshError } from '../../protocol/errors.ts'
import type { ChatMessage } from '../../protocol/frames.ts'
import { declaredModelKeyOf, type ModelKey } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { featuresByDefault } from '../../protocol/task.ts'
import type { Delta, Engine, Finish, Generation, Model, Prompt } from '../ports.ts'
import { count, property, Upstream } from './openai-upstream.ts'

export interface OpenAiEngineOptions {
  /** Such as `http://127.0.0.1:8000`, with or without `/v1`. */
  readonly baseUrl: string
  readonly apiKey?: string | undefined
  /** Serves only this one of the server's models. */
  readonly model?: string | undefined
  /** What the mesh calls it; the server's own name by default. Only where one model is served. */
  readonly name?: string | undefined
  /** Generations at once: what the server behind can really run. */
  readonly slots: number
  /** Default: what the server tells, or 4096. */
  readonly contextTokens?: number | undefined
  /** Default 10 s; see `UpstreamOptions`. */
  readonly answerMsMax?: number | undefined
  /** Default 120 s: some servers load the model with its first request. */
  readonly firstEventMsMax?: number | undefined
  /** Default 30 s. */
  readonly silenceMsMax?: number | undefined
  /** Gives up the start, or stops the running engine. */
  readonly signal?: AbortSignal | undefined
}

/** What a server does beyond OpenAI's API: how prompts are counted, how its own sampling defaults are turned off. */
export type Dialect = 'vllm' | 'llama-server' | 'openai'

export interface OpenAiEngine extends Engine {
  readonly build: { readonly engine: string; readonly dialect: Dialect }
  /** Ends what is in flight; the server itself is not ours to stop. */
  stop(): Promise<void>
}

interface Served {
  /** The server's own name of it. */
  readonly id: string
  readonly model: Model
}

const defaultContextTokens = 4096

/**
 * Throws `RangeError` for a wrong option, `MeshError` `engine-failed` where the server does not answer or serves no
 * model. Nobody here can hash the weights: a model's key stands for the name that its operator declares.
 */
export async function startOpenAiEngine(options: OpenAiEngineOptions): Promise<OpenAiEngine> {
  const { baseUrl, apiKey, slots, answerMsMax = 10_000, firstEventMsMax = 120_000, silenceMsMax = 30_000 } = options
  if (!Number.isInteger(slots) || slots < 1) throw new RangeError(`${slots} slots, expected 1 or more`)
  const upstream = new Upstream({ baseUrl, apiKey, answerMsMax, firstEventMsMax, silenceMsMax })
  const signal = options.signal ?? new AbortController().signal
  const listed = await listModels(upstream, options, signal)
  const dialect = await dialectOf(upstream, listed[0]?.id ?? '', signal)
  const contextTokens = dialect === 'llama-server' ? await slotContextOf(upstream, signal) : undefined
  const served = new Map<ModelKey, Served>()
  for (const { id, contextTokens: told } of listed) {
    const name = options.name ?? id
    const model: Model = {
      key: declaredModelKeyOf(name),
      name,
      contextTokens: options.contextTokens ?? told ?? contextTokens ?? defaultContextTokens,
      prefillTokensPerSecond: 0,
      decodeTokensPerSecond: 0,
      features: featuresByDefault,
    }
    served.set(model.key, { id, model })
  }
  signal.addEventListener('abort', () => upstream.stop(), { once: true })
  const engine = new UpstreamEngine(upstream, dialect, served)
  return {
    models: [...served.values()].map(({ model }) => model),
    slots,
    build: { engine: `OpenAI API of ${upstream.root}`, dialect },
    prepare: (generation, prepareSignal) => engine.prepare(generation, prepareSignal),
    generate: (prompt, generateSignal) => engine.generate(prompt, generateSignal),
    stop: async () => upstream.stop(),
  }
}

class UpstreamEngine {
  readonly #upstream: Upstream
  readonly #dialect: Dialect
  readonly #served: ReadonlyMap<ModelKey, Served>
  /** Models that sent more chunks than tokens: what is counted on the way cannot be charged for. */
  readonly #miscounted = new Map<ModelKey, MeshError>()

  constructor(upstream: Upstream, dialect: Dialect, served: ReadonlyMap<ModelKey, Served>) {
    this.#upstream = upstream
    this.#dialect = dialect
    this.#served = served
  }

  async prepare(generation: Generation, signal: AbortSignal): Promise<Prompt> {
    const { messages, sampling, resumeTokenIds } = generation
    const { id, model } = this.#find(generation.model)
    if (resumeTokenIds.length > 0) {
      throw new MeshError('unsupported', 'resumeTokenIds: a server of the OpenAI API cannot go on from token ids')
    }
    const promptTokens = await this.#countPrompt(id, messages, signal)
    if (promptTokens + Math.max(1, sampling.tokensMax ?? 1) > model.contextTokens) {
      const answer = sampling.tokensMax === undefined ? '' : ` and ${sampling.tokensMax} for the answer`
      throw new MeshError(
        'context-exceeded',
        `prompt of ${promptTokens} tokens${answer}, ${model.name} holds ${model.contextTokens}`,
      )
    }
    return { generation, promptTokens, cachedTokens: 0, tokenIds: [] }
  }

  /**
   * Completion tokens are exact where the server tells them on the way (vLLM). Elsewhere each chunk counts as one,
   * which is never too many with the servers named above, and what the closing usage has more is added at the end.
   */
  async *generate({ generation, promptTokens }: Prompt, signal: AbortSignal): AsyncGenerator<Delta, Finish, undefined> {
    const { id, model } = this.#find(generation.model)
    const miscounted = this.#miscounted.get(model.key)
    if (miscounted) throw miscounted
    const body = this.#completionBody(id, generation, model.contextTokens - promptTokens)
    let counted = 0
    let told: number | undefined
    let finish: Finish | undefined
    for await (const event of this.#upstream.events('/v1/chat/completions', body, signal)) {
      const chunk = readChunk(event)
      if (chunk.error !== undefined) throw this.#failed(`failed in its stream: ${chunk.error}`)
      finish = chunk.finish ?? finish
      told = chunk.tokensSoFar ?? told
      const tokens = chunk.tokensSoFar === undefined ? chunk.pieces : Math.max(0, chunk.tokensSoFar - counted)
      if (tokens > limits.deltaTokensMax || Buffer.byteLength(chunk.text) > limits.deltaBytesMax) {
        throw this.#failed(
          `sent ${tokens} tokens in one chunk, at most ${limits.deltaTokensMax} in 16 KiB can be passed on`,
        )
      }
      counted += tokens
      if (chunk.text !== '' || tokens > 0) yield { text: chunk.text, tokens, tokenIds: [] }
    }
    if (finish === undefined) throw this.#failed('ended its stream without a finish reason')
    if (told !== undefined && told < counted) {
      const error = this.#failed(`sent ${counted} chunks for ${told} tokens, expected at most one each`)
      this.#miscounted.set(model.key, error)
      throw error
    }
    return finish
  }

  #find(key: ModelKey): Served {
    const served = this.#served.get(key)
    if (served) return served
    const names = [...this.#served.values()].map(({ model }) => model.name).join(', ')
    throw new MeshError('unknown-model', `model ${key}, this engine serves ${names}`)
  }

  #failed(how: string): MeshError {
    return new MeshError('engine-failed', `${this.#upstream.root}/v1/chat/completions ${how}`)
  }

  /**
   * Exact where the server counts for us. Elsewhere a consumer prepays this, so it errs on its side: six bytes a token
   * is more than text in any common language averages, and the template's own tokens are left out.
   */
  async #countPrompt(id: string, messages: readonly ChatMessage[], signal: AbortSignal): Promise<number> {
    const told =
      this.#dialect === 'vllm'
        ? await countAsVllm(this.#upstream, id, messages, signal)
        : this.#dialect === 'llama-server'
          ? await countAsLlamaServer(this.#upstream, messages, signal)
          : Math.floor(messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0) / 6) + 1
    if (told === undefined) throw new MeshError('engine-failed', `${this.#upstream.root}/tokenize gave no count`)
    return told
  }

  /** Absent means 1 on the mesh, whatever the server's or the model's own defaults are. */
  #completionBody(id: string, { messages, sampling }: Generation, room: number): unknown {
    const exact = this.#dialect !== 'openai'
    return {
      model: id,
      messages,
      stream: true,
      stream_options: { include_usage: true, ...(this.#dialect === 'vllm' && { continuous_usage_stats: true }) },
      temperature: sampling.temperature ?? 1,
      top_p: sampling.topP ?? 1,
      seed: sampling.seed,
      stop: sampling.stop?.length ? sampling.stop : undefined,
      max_tokens: sampling.tokensMax ?? (exact ? room : undefined),
      ...(this.#dialect === 'vllm' && { top_k: -1, min_p: 0, repetition_penalty: 1 }),
      ...(this.#dialect === 'llama-server' && { top_k: 0, min_p: 0 }),
    }
  }
}

interface Chunk {
  readonly text: string
  /** 1 where the chunk brings any text, shown or not: models that think do so in a field of its own. */
  readonly pieces: 0 | 1
  readonly tokensSoFar: number | undefined
  readonly finish: Finish | undefined
  readonly error: string | undefined
}

function readChunk(event: unknown): Chunk {
  const delta = property(event, 'choices', 0, 'delta')
  const content = property(delta, 'content')
  const thought = property(delta, 'reasoning_content') ?? property(delta, 'reasoning')
  const reason = property(event, 'choices', 0, 'finish_reason')
  const error = property(event, 'error')
  const text = typeof content === 'string' ? content : ''
  return {
    text,
    pieces: text !== '' || (typeof thought === 'string' && thought !== '') ? 1 : 0,
    tokensSoFar: count(property(event, 'usage', 'completion_tokens')),
    finish: typeof reason !== 'string' ? undefined : reason === 'length' ? 'length' : 'stop',
    error: error === undefined || error === null ? undefined : JSON.stringify(error).slice(0, 300),
  }
}

interface Listed {
  readonly id: string
  readonly contextTokens: number | undefined
}

async function listModels(
  upstream: Upstream,
  { model, name }: OpenAiEngineOptions,
  signal: AbortSignal,
): Promise<readonly Listed[]> {
  const data = property(await upstream.json('/v1/models', undefined, signal), 'data')
  const listed = (Array.isArray(data) ? data : []).flatMap((each: unknown): Listed[] => {
    const id = property(each, 'id')
    // vLLM and SGLang tell the context here.
    return typeof id === 'string' ? [{ id, contextTokens: count(property(each, 'max_model_len')) }] : []
  })
  const names = listed.map(({ id }) => id).join(', ')
  if (listed.length === 0) throw new MeshError('engine-failed', `${upstream.root}/v1/models lists no model`)
  const chosen = model === undefined ? listed : listed.filter(({ id }) => id === model)
  if (chosen.length === 0)
    throw new RangeError(`model "${model}" is not served by ${upstream.root}, which has ${names}`)
  if (name !== undefined && chosen.length > 1) {
    throw new RangeError(`name "${name}" for ${chosen.length} models of ${upstream.root} (${names}); choose one`)
  }
  if (chosen.length > limits.offersMax) {
    throw new RangeError(
      `${chosen.length} models of ${upstream.root}, at most ${limits.offersMax} are served; choose one`,
    )
  }
  const long = chosen.find(({ id }) => (name ?? id).length > limits.modelNameCharsMax)
  if (long) throw new RangeError(`model name "${long.id}" is over ${limits.modelNameCharsMax} characters; give a name`)
  return chosen
}

/** Asked once: each server is known by the endpoint that counts its prompts. */
async function dialectOf(upstream: Upstream, id: string, signal: AbortSignal): Promise<Dialect> {
  const messages: readonly ChatMessage[] = [{ role: 'user', content: 'hello' }]
  const tried = async (counting: Promise<number | undefined>): Promise<boolean> => {
    try {
      return (await counting) !== undefined
    } catch (error) {
      if (signal.aborted) throw error
      return false // not that server; one that is down has failed to list its models before
    }
  }
  if (await tried(countAsVllm(upstream, id, messages, signal))) return 'vllm'
  if (await tried(countAsLlamaServer(upstream, messages, signal))) return 'llama-server'
  return 'openai'
}

async function countAsVllm(
  upstream: Upstream,
  id: string,
  messages: readonly ChatMessage[],
  signal: AbortSignal,
): Promise<number | undefined> {
  return count(property(await upstream.json('/tokenize', { model: id, messages }, signal), 'count'))
}

async function countAsLlamaServer(
  upstream: Upstream,
  messages: readonly ChatMessage[],
  signal: AbortSignal,
): Promise<number | undefined> {
  const prompt = property(await upstream.json('/apply-template', { messages }, signal), 'prompt')
  if (typeof prompt !== 'string') return undefined
  const body = { content: prompt, add_special: true, parse_special: true } // as its chat endpoint does
  const tokens = property(await upstream.json('/tokenize', body, signal), 'tokens')
  return Array.isArray(tokens) ? tokens.length : undefined
}

/** llama-server divides its context among its slots. */
async function slotContextOf(upstream: Upstream, signal: AbortSignal): Promise<number | undefined> {
  try {
    return count(property(await upstream.json('/props', undefined, signal), 'default_generation_settings', 'n_ctx'))
  } catch (error) {
    if (signal.aborted) throw error
    return undefined // switched off on some servers
  }
}

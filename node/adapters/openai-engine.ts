// The engine over any server that speaks OpenAI's API: vLLM, SGLang, Ollama, llama-server, or a router before many.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import type { Delta, Engine, Finish, Generation, Model, Prompt } from '../ports.ts'
import { cancelled } from '../waits.ts'
import { Answer, Miscount } from './openai-chunk.ts'
import { countTokens } from './openai-count.ts'
import { type Dialect, parameterBeyond, promptBody, samplingBody } from './openai-dialect.ts'
import { embedAll } from './openai-embed.ts'
import { OpenAiServer } from './openai-server.ts'
import { Upstream } from './openai-upstream.ts'

export type { Dialect } from './openai-dialect.ts'

export interface OpenAiEngineOptions {
  /** Such as `http://127.0.0.1:8000`, with or without `/v1`. */
  readonly baseUrl: string
  readonly apiKey?: string | undefined
  /** Serves only these of the server's models. */
  readonly models?: readonly string[] | undefined
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
  /** How often the server is asked how it is, jittered by a fifth. Default 10 s. */
  readonly healthMs?: number | undefined
  /** Told for people: which models are left out, that the server went away or came back. */
  readonly onNote?: ((message: string) => void) | undefined
  /** Gives up the start, or stops the running engine. */
  readonly signal?: AbortSignal | undefined
}

export interface OpenAiEngine extends Engine {
  readonly build: { readonly engine: string; readonly dialect: Dialect }
  readonly isReady: boolean
  onChange(listener: () => void): void
  embed(prompt: Prompt, signal: AbortSignal): AsyncGenerator<Float32Array, void, undefined>
  /** Ends what is in flight; the server itself is not ours to stop. */
  stop(): Promise<void>
}

/**
 * Throws `RangeError` for a wrong option, `MeshError` `engine-failed` where the server does not answer, or has no model
 * that can do anything. Nobody here can hash the weights: a model's key stands for the name that its operator declares.
 */
export async function startOpenAiEngine(options: OpenAiEngineOptions): Promise<OpenAiEngine> {
  const { baseUrl, apiKey, slots, answerMsMax = 10_000, firstEventMsMax = 120_000, silenceMsMax = 30_000 } = options
  if (!Number.isInteger(slots) || slots < 1) throw new RangeError(`${slots} slots, expected 1 or more`)
  const signal = options.signal ?? new AbortController().signal
  const upstream = new Upstream({ baseUrl, apiKey, answerMsMax, firstEventMsMax, silenceMsMax })
  const server = new OpenAiServer(upstream, {
    models: options.models,
    name: options.name,
    contextTokens: options.contextTokens,
    healthMs: options.healthMs ?? 10_000,
    onNote: options.onNote ?? (() => undefined),
  })
  signal.addEventListener('abort', () => server.stop(), { once: true })
  try {
    await server.start(signal)
  } catch (error) {
    server.stop()
    throw signal.aborted ? cancelled(signal) : error
  }
  return new UpstreamEngine(upstream, server, slots, firstEventMsMax)
}

class UpstreamEngine implements OpenAiEngine {
  readonly slots: number
  readonly #upstream: Upstream
  readonly #server: OpenAiServer
  readonly #embedMsMax: number

  constructor(upstream: Upstream, server: OpenAiServer, slots: number, embedMsMax: number) {
    this.#upstream = upstream
    this.#server = server
    this.slots = slots
    this.#embedMsMax = embedMsMax
  }

  get models(): readonly Model[] {
    return this.#server.models
  }

  get isReady(): boolean {
    return this.#server.isReady
  }

  get build(): OpenAiEngine['build'] {
    return { engine: `OpenAI API of ${this.#upstream.root}`, dialect: this.#server.dialect }
  }

  onChange(listener: () => void): void {
    this.#server.onChange(listener)
  }

  async stop(): Promise<void> {
    this.#server.stop()
  }

  async prepare(generation: Generation, signal: AbortSignal): Promise<Prompt> {
    if (signal.aborted) throw cancelled(signal)
    const { sampling, resumeTokenIds, inputs } = generation
    const { id, model, abilities } = this.#server.find(generation.model)
    const { dialect } = this.#server
    if (resumeTokenIds.length > 0) {
      throw new MeshError('unsupported', 'resumeTokenIds: a server of the OpenAI API cannot go on from token ids')
    }
    const param = parameterBeyond(generation, dialect, abilities)
    if (param !== undefined) {
      throw new MeshError('unsupported', `${param}: ${this.#upstream.root} cannot do this with ${model.name}`, {
        param,
      })
    }
    const counts = await countTokens(this.#upstream, dialect, id, generation, signal)
    const longest = Math.max(...counts)
    const answerTokens = inputs ? 0 : Math.max(1, sampling.tokensMax ?? 1)
    if (longest + answerTokens > model.contextTokens) {
      const answer = sampling.tokensMax === undefined ? '' : ` and ${sampling.tokensMax} for the answer`
      throw new MeshError(
        'context-exceeded',
        `prompt of ${longest} tokens${answer}, ${model.name} holds ${model.contextTokens}`,
      )
    }
    const promptTokens = counts.reduce((sum, tokens) => sum + tokens, 0)
    return { generation, promptTokens, cachedTokens: 0, tokenIds: [] }
  }

  /**
   * Completion tokens are exact where the server tells them on the way (vLLM, llama-server). Elsewhere each chunk counts
   * as one, which is never too many with the servers named above, and what the closing usage has more is added at the end.
   */
  async *generate({ generation, promptTokens }: Prompt, signal: AbortSignal): AsyncGenerator<Delta, Finish, undefined> {
    const { id, model } = this.#server.find(generation.model)
    const { sampling, text, tools } = generation
    if (sampling.tokensMax === 0) return 'length' // most servers refuse to be asked for none
    const tokensMax = sampling.tokensMax ?? this.#room(model, promptTokens, text)
    const path = text === undefined ? '/v1/chat/completions' : '/v1/completions'
    const body = { model: id, ...promptBody(generation), ...samplingBody(generation, this.#server.dialect, tokensMax) }
    const answer = new Answer(this.#upstream.root + path, {
      logprobs: sampling.logprobs,
      tokensMax: sampling.tokensMax ?? model.contextTokens,
    })
    try {
      for await (const event of this.#upstream.events(path, body, signal)) {
        const deltas = [...answer.read(event)]
        if (tools && !tools.isParallel && answer.calls > 1) return 'stop' // not every server keeps to one
        yield* deltas
      }
      return answer.end()
    } catch (error) {
      this.#failed(model, error)
      throw error
    }
  }

  async *embed({ generation }: Prompt, signal: AbortSignal): AsyncGenerator<Float32Array, void, undefined> {
    const { id, model } = this.#server.find(generation.model)
    try {
      yield* embedAll(this.#upstream, id, generation.inputs ?? [], signal, this.#embedMsMax)
    } catch (error) {
      this.#failed(model, error)
      throw error
    }
  }

  /**
   * Tokens of an answer for which no limit was asked: what is left of the context. Where the prompt was not counted a
   * chat's own default does; that of a text is 16 tokens, so it gets what is left if every byte were a token.
   */
  #room({ contextTokens }: Model, promptTokens: number, text: string | undefined): number | undefined {
    if (this.#server.dialect !== 'openai') return contextTokens - promptTokens
    return text === undefined ? undefined : Math.max(1, contextTokens - Buffer.byteLength(text) - 1)
  }

  #failed(model: Model, error: unknown): void {
    if (error instanceof Miscount) this.#server.disown(model, error)
    // the next request need not find out by waiting
    else if (asMeshError(error, 'internal').code === 'engine-failed') void this.#server.check()
  }
}

// What a server's model can do, found out by asking it: a server ignores what it does not know, so only an answer tells.

import { MeshError } from '../../protocol/errors.ts'
import { type Feature, features, type TokenLogprob } from '../../protocol/task.ts'
import { Answer } from './openai-chunk.ts'
import type { Abilities, Body, Dialect } from './openai-dialect.ts'
import { property, type Upstream } from './openai-upstream.ts'

export interface Probed extends Abilities {
  /** Why it does not chat, where it does not. */
  readonly refusal: MeshError | undefined
}

/** Models that think do so before the answer that is looked at; the second is for a context without room for that. */
const probeTokensMax = [256, 64] as const
/** After so many characters of plain text an answer will not become what it was asked to be. */
const ramblingCharsMax = 32
/** For a bias that shows: ids of every vocabulary of that size, whatever they mean. */
const biasedTokenIds = [300, 1000, 5000]
const biasedTokens = 4
const proof = 'established'

/**
 * Some twenty small requests. What a server refuses, garbles or leaves undone is not established; nothing is thrown but the
 * signal's reason.
 */
export async function probe(upstream: Upstream, dialect: Dialect, id: string, signal: AbortSignal): Promise<Probed> {
  const server = new Subject(upstream, id, signal)
  const refusal = await server.refusalOf({ max_tokens: 1 })
  const chats = refusal === undefined
  const text = await server.completesText(dialect)
  const isRead = dialect === 'llama-server' ? await server.readsAsLlamaServer() : await server.readsSampling()
  const toolChoice = chats ? await server.callsTools() : 'none'
  const able: Readonly<Record<Feature, boolean>> = {
    chat: chats,
    text: text !== 'none',
    embeddings: await server.embeds(),
    tools: toolChoice !== 'none',
    json: chats && (await server.keepsToSchema()),
    logprobs: chats && (await server.tellsLogprobs()),
    penalties: chats && isRead.penalties,
    samplers: chats && isRead.samplers,
    'logit-bias': chats && (await server.takesBias(dialect)),
  }
  return {
    features: features.filter((feature) => able[feature]),
    hasToolChoice: toolChoice === 'any',
    hasRepetitionPenalty: isRead.repetition,
    hasTextLogprobs: text === 'logprobs',
    refusal,
  }
}

interface Heard {
  readonly text: string
  /** Of models that think. */
  readonly reasoning: string
  readonly calls: number
  readonly logprobs: readonly TokenLogprob[]
}

interface ReadParameters {
  readonly penalties: boolean
  readonly samplers: boolean
  readonly repetition: boolean
}

class Subject {
  readonly #upstream: Upstream
  readonly #id: string
  readonly #signal: AbortSignal

  constructor(upstream: Upstream, id: string, signal: AbortSignal) {
    this.#upstream = upstream
    this.#id = id
    this.#signal = signal
  }

  async refusalOf(body: Body): Promise<MeshError | undefined> {
    try {
      await this.#chat(body)
      return undefined
    } catch (error) {
      if (error instanceof MeshError) return error
      throw error
    }
  }

  async completesText(dialect: Dialect): Promise<'none' | 'plain' | 'logprobs'> {
    const logprobs = { logprobs: 1, ...(dialect === 'llama-server' && { n_probs: 1 }) }
    const ask = (body: Body) => this.#hear('/v1/completions', { prompt: 'hello', max_tokens: 1, ...body }, 1)
    const told = await this.#tried(async () => (await ask(logprobs)).logprobs.length > 0)
    if (told) return 'logprobs'
    return (await this.#tried(async () => Boolean(await ask({})))) ? 'plain' : 'none'
  }

  async embeds(): Promise<boolean> {
    return await this.#tried(async () => {
      const body = { model: this.#id, input: ['hello'], encoding_format: 'float' }
      const answer = await this.#upstream.json('/v1/embeddings', body, this.#signal)
      const vector = property(answer, 'data', 0, 'embedding')
      return Array.isArray(vector) && vector.length > 0
    })
  }

  /** `auto`: only when it wants to. */
  async callsTools(): Promise<'none' | 'auto' | 'any'> {
    const tool = {
      type: 'function',
      function: { name: 'report', description: 'Reports.', parameters: { type: 'object', properties: {} } },
    }
    const messages = [{ role: 'user', content: 'Call the tool named report now.' }]
    const calls = (choice: string) =>
      this.#tried(async () => (await this.#chatAtLength({ messages, tools: [tool], tool_choice: choice })).calls > 0)
    // a server may refuse `auto`, the default, and take the others
    if ((await this.refusalOf({ tools: [tool], tool_choice: 'auto', max_tokens: 1 })) !== undefined) return 'none'
    if (await calls('required')) return 'any'
    return (await calls('auto')) ? 'auto' : 'none'
  }

  async keepsToSchema(): Promise<boolean> {
    const property = { type: 'string', enum: [proof] }
    const schema = {
      type: 'object',
      properties: { silkmesh: property },
      required: ['silkmesh'],
      additionalProperties: false,
    }
    const response_format = { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } }
    return await this.#tried(async () => {
      const { text } = await this.#chatAtLength({ response_format })
      return /^\s*\{\s*"silkmesh"\s*:\s*"established"\s*\}\s*$/.test(text)
    })
  }

  async tellsLogprobs(): Promise<boolean> {
    return await this.#tried(async () => {
      const { logprobs } = await this.#chat({ logprobs: true, top_logprobs: 2, max_tokens: 1 }, 2)
      return logprobs.some(({ top }) => top.length > 0)
    })
  }

  /** With one token made all but certain the answer is that token again and again. */
  async takesBias(dialect: Dialect): Promise<boolean> {
    return await this.#tried(async () => {
      const all = ({ reasoning, text }: Pick<Heard, 'reasoning' | 'text'>): string => reasoning + text
      for (const id of biasedTokenIds) {
        const logit_bias = dialect === 'llama-server' ? [[id, 100]] : { [id]: 100 }
        const text = all(await this.#chat({ max_tokens: biasedTokens, logit_bias }).catch(ignoredRefusal))
        const once = text.slice(0, text.length / biasedTokens)
        if (once === '' || text !== once.repeat(biasedTokens)) continue
        return text !== all(await this.#chat({ max_tokens: biasedTokens }))
      }
      return false
    })
  }

  /** A parameter is read where a good value is taken and a bad one refused. */
  async readsSampling(): Promise<ReadParameters> {
    const one = { max_tokens: 1 }
    const isRead = async (good: Body, bad: readonly Body[]): Promise<boolean> => {
      if ((await this.refusalOf({ ...one, ...good })) !== undefined) return false
      for (const body of bad) if ((await this.refusalOf({ ...one, ...body }))?.code !== 'bad-request') return false
      return true
    }
    return {
      penalties: await isRead({ presence_penalty: 0.5, frequency_penalty: 0.5 }, [
        { presence_penalty: 9 },
        { frequency_penalty: 9 },
      ]),
      samplers: await isRead({ top_k: 5, min_p: 0.1 }, [{ top_k: -9 }, { min_p: 9 }]),
      repetition: await isRead({ repetition_penalty: 1.1 }, [{ repetition_penalty: -1 }]),
    }
  }

  /** It mends bad values silently, and lists what it reads. */
  async readsAsLlamaServer(): Promise<ReadParameters> {
    const read: ReadParameters = { penalties: false, samplers: false, repetition: false }
    try {
      const props = await this.#upstream.json('/props', undefined, this.#signal)
      const params = property(props, 'default_generation_settings', 'params')
      const has = (...names: string[]) => names.every((name) => property(params, name) !== undefined)
      return {
        penalties: has('presence_penalty', 'frequency_penalty'),
        samplers: has('top_k', 'min_p'),
        repetition: has('repeat_penalty'),
      }
    } catch {
      return read // switched off
    }
  }

  async #tried(work: () => Promise<boolean>): Promise<boolean> {
    try {
      return await work()
    } catch {
      return false // whatever the server did: it did not do that
    }
  }

  async #chatAtLength(body: Body): Promise<Heard> {
    const [long, short] = probeTokensMax
    try {
      return await this.#chat({ ...body, max_tokens: long })
    } catch (error) {
      if (!(error instanceof MeshError) || error.code === 'engine-failed') throw error
      return await this.#chat({ ...body, max_tokens: short })
    }
  }

  #chat(body: Body, logprobs?: number): Promise<Heard> {
    return this.#hear('/v1/chat/completions', { messages: [{ role: 'user', content: 'hello' }], ...body }, logprobs)
  }

  /** Leaves as soon as the answer has a call, or has become plain text at length. */
  async #hear(path: string, body: Body, logprobsTop?: number): Promise<Heard> {
    const answer = new Answer(this.#upstream.root + path, {
      logprobs: logprobsTop,
      tokensMax: Number.POSITIVE_INFINITY,
    })
    const request = { model: this.#id, temperature: 0, stream: true, ...body }
    const logprobs: TokenLogprob[] = []
    let text = ''
    let reasoning = ''
    for await (const event of this.#upstream.events(path, request, this.#signal)) {
      for (const delta of answer.read(event)) {
        text += delta.text
        reasoning += delta.reasoning ?? ''
        logprobs.push(...(delta.logprobs ?? []))
      }
      if (answer.calls > 0) return { text, reasoning, logprobs, calls: answer.calls }
      if (text.length > ramblingCharsMax && !/^\s*\{/.test(text)) return { text, reasoning, logprobs, calls: 0 }
    }
    answer.end()
    return { text, reasoning, logprobs, calls: answer.calls }
  }
}

/** Of an id beyond the vocabulary. */
function ignoredRefusal(error: unknown): Pick<Heard, 'reasoning' | 'text'> {
  if (error instanceof MeshError && error.code === 'bad-request') return { reasoning: '', text: '' }
  throw error
}

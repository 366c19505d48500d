// Reads a streamed answer of OpenAI's API: what each chunk says, and how many tokens that was.

import { MeshError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import type { TokenLogprob, ToolCallDelta } from '../../protocol/task.ts'
import type { Delta, Finish } from '../ports.ts'
import { count, property } from './openai-upstream.ts'

/** What a server writes for a probability too small to tell, where it cannot write minus infinity. */
const logprobMin = -9999
/** Of one token; longer ones are made up. */
const tokenBytesMax = 256

export interface Expected {
  /** Alternatives a token; undefined where no log probabilities were asked for. */
  readonly logprobs: number | undefined
  /** Asked for: more are not counted. */
  readonly tokensMax: number
}

/** One answer, chunk by chunk. */
export class Answer {
  readonly #url: string
  readonly #expected: Expected
  /** As the server names them; what the mesh calls them is the place here. */
  readonly #calls: { readonly index: unknown; readonly id: string | undefined }[] = []
  #counted = 0
  #told: number | undefined
  /** The server tells the count with its chunks: one without it is a part of the next. */
  #isTelling = false
  #finish: Finish | undefined
  /** The token that ended the answer is in the server's count, and never in the mesh's. */
  #endTokens: 0 | 1 = 0

  /** The address is for what it throws. */
  constructor(url: string, expected: Expected) {
    this.#url = url
    this.#expected = expected
  }

  get calls(): number {
    return this.#calls.length
  }

  /** Deltas of one event of the stream. Throws `MeshError` `engine-failed`. */
  *read(event: unknown): Generator<Delta, void, undefined> {
    const error = property(event, 'error')
    if (error !== undefined && error !== null) {
      throw this.#failed(`failed in its stream: ${JSON.stringify(error).slice(0, 300)}`)
    }
    const choice = property(event, 'choices', 0)
    const delta = property(choice, 'delta')
    const text = textOf(property(delta, 'content')) || textOf(property(choice, 'text'))
    const reasoning = textOf(property(delta, 'reasoning_content')) || textOf(property(delta, 'reasoning'))
    const toolCalls = this.#readCalls(property(delta, 'tool_calls'))
    const told = this.#expected.logprobs === undefined ? [] : readLogprobs(choice, this.#expected.logprobs)
    this.#readFinish(choice)

    const saysSomething = text !== '' || reasoning !== '' || toolCalls.length > 0
    const tokens = this.#count(event, Math.max(saysSomething ? 1 : 0, told.length - this.#endTokens))
    const bytes = [text, reasoning, ...toolCalls.map((call) => call.arguments)].reduce(
      (sum, part) => sum + Buffer.byteLength(part),
      0,
    )
    if (tokens > limits.deltaTokensMax || bytes > limits.deltaBytesMax) {
      throw this.#failed(
        `sent ${tokens} tokens in one chunk, at most ${limits.deltaTokensMax} in 16 KiB can be passed on`,
      )
    }
    const logprobs = told.slice(0, tokens)
    const bare = logprobs.length === 0 ? 0 : tokens - logprobs.length
    if (bare > 0) yield { text: '', tokens: bare, tokenIds: [] } // a delta has one for each of its tokens, or none
    if (!saysSomething && tokens === 0) return
    yield {
      text,
      tokens: tokens - bare,
      tokenIds: [],
      ...(reasoning !== '' && { reasoning }),
      ...(toolCalls.length > 0 && { toolCalls }),
      ...(logprobs.length > 0 && { logprobs }),
    }
  }

  /** How the answer ended. Throws where it did not, or where more was counted than the server says there was. */
  end(): Finish {
    if (this.#finish === undefined) throw this.#failed('ended its stream without a finish reason')
    if (this.#told !== undefined && this.#told < this.#counted) {
      throw new Miscount(
        `${this.#url} sent ${this.#counted} chunks for ${this.#told} tokens, expected at most one each`,
      )
    }
    return this.#finish
  }

  #readFinish(choice: unknown): void {
    const reason = property(choice, 'finish_reason')
    if (typeof reason !== 'string') return
    this.#finish = reason === 'length' ? 'length' : 'stop'
    const isStopText = typeof property(choice, 'stop_reason') === 'string' // vLLM says which text it was
    this.#endTokens = this.#finish === 'stop' && !isStopText ? 1 : 0
  }

  /**
   * What the server tells decides. The last of its count is the end token where the model ended by itself: servers count
   * it, and one that does not is paid for one token less, never for one too many.
   */
  #count(event: unknown, pieces: number): number {
    const told =
      count(property(event, 'usage', 'completion_tokens')) ?? count(property(event, 'timings', 'predicted_n'))
    if (told !== undefined) {
      this.#told = told
      if (this.#finish === undefined) this.#isTelling = true
    }
    const counted =
      told !== undefined ? Math.max(0, told - this.#endTokens - this.#counted) : this.#isTelling ? 0 : pieces
    // some go on to the end of a character; nobody asked for that
    const tokens = Math.min(counted, this.#expected.tokensMax - this.#counted)
    this.#counted += tokens
    return tokens
  }

  #readCalls(value: unknown): readonly ToolCallDelta[] {
    if (!Array.isArray(value)) return []
    return value.map((part: unknown): ToolCallDelta => {
      const id = this.#bounded('tool call id', property(part, 'id'), limits.toolCallIdCharsMax)
      const name = this.#bounded('tool name', property(part, 'function', 'name'), limits.toolNameCharsMax)
      const written = property(part, 'function', 'arguments')
      const { at, isNew } = this.#callAt(property(part, 'index'), id)
      return {
        index: at,
        ...(isNew && id !== undefined && { id }),
        ...(isNew && name !== undefined && { name }),
        // as the model wrote them, JSON or not; some servers have parsed them
        arguments: typeof written === 'object' && written !== null ? JSON.stringify(written) : textOf(written),
      }
    })
  }

  /** Some servers number no calls, or all of them 0: another id is another call. */
  #callAt(index: unknown, id: string | undefined): { readonly at: number; readonly isNew: boolean } {
    const at = this.#calls.findLastIndex((call) => call.index === index && (id === undefined || call.id === id))
    if (at >= 0) return { at, isNew: false }
    if (this.#calls.length >= limits.toolCallsMax) {
      throw this.#failed(`sent more than ${limits.toolCallsMax} tool calls in one answer`)
    }
    this.#calls.push({ index, id })
    return { at: this.#calls.length - 1, isNew: true }
  }

  #bounded(what: string, value: unknown, charsMax: number): string | undefined {
    const text = textOf(value)
    if (text.length > charsMax) throw this.#failed(`sent a ${what} of ${text.length} characters, at most ${charsMax}`)
    return text === '' ? undefined : text
  }

  #failed(how: string): MeshError {
    return new MeshError('engine-failed', `${this.#url} ${how}`)
  }
}

/** The server's counts contradict each other: nothing that it counts can be charged for. */
export class Miscount extends MeshError {
  constructor(message: string) {
    super('engine-failed', message)
  }
}

/** OpenAI's list of tokens with their bytes, which llama-server has for texts too, or the older lists for texts. */
function readLogprobs(choice: unknown, top: number): readonly TokenLogprob[] {
  const logprobs = property(choice, 'logprobs')
  const content = property(logprobs, 'content')
  if (Array.isArray(content)) {
    return content.map((token: unknown) => ({
      ...readToken(token),
      top: listOf(property(token, 'top_logprobs')).slice(0, top).map(readToken),
    }))
  }
  const values = listOf(property(logprobs, 'token_logprobs'))
  return listOf(property(logprobs, 'tokens')).map((token, at) => ({
    ...readToken({ token, logprob: values[at] }),
    top: Object.entries(property(logprobs, 'top_logprobs', at) ?? {})
      .map(([text, logprob]: readonly [string, unknown]) => readToken({ token: text, logprob }))
      .sort((a, b) => b.logprob - a.logprob)
      .slice(0, top),
  }))
}

function readToken(value: unknown): { readonly bytes: Uint8Array; readonly logprob: number } {
  const told = property(value, 'bytes')
  const logprob = property(value, 'logprob')
  const isBytes = Array.isArray(told) && told.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256)
  const bytes = isBytes ? Uint8Array.from(told) : new TextEncoder().encode(textOf(property(value, 'token')))
  return {
    bytes: bytes.subarray(0, tokenBytesMax),
    logprob: typeof logprob === 'number' && Number.isFinite(logprob) ? logprob : logprobMin,
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

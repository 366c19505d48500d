// The answers of /v1/completions: a whole completion, or its chunks, log probabilities in the older shape.

import type { Said, TokenLogprob } from '../../protocol/task.ts'
import type { InferenceResult } from '../inference.ts'
import { accountOf, done, errorEvent, event, finishOf, finite, tokenText, usageOf } from './answer.ts'
import type { Accepted, Gathered, StreamWriter } from './endpoint.ts'

export function textCompletion(runs: readonly Gathered[], createdS: number): string {
  const results = runs.map(({ result }) => result)
  return JSON.stringify({
    id: `cmpl-${results[0]?.requestId}`,
    object: 'text_completion',
    created: createdS,
    model: results[0]?.modelName,
    choices: runs.map(({ logprobs, result, text }, index) => ({
      text,
      index,
      logprobs: logprobs.length > 0 ? new Offsets().columns(logprobs) : null,
      finish_reason: finishOf(result, false),
    })),
    usage: usageOf(results, 0),
    silkmesh: accountOf(results),
  })
}

export class CompletionWriter implements StreamWriter {
  readonly #createdS: number
  readonly #includeUsage: boolean
  #envelope: object | undefined
  readonly #offsets = new Map<number, Offsets>()

  constructor(createdS: number, includeUsage: boolean) {
    this.#createdS = createdS
    this.#includeUsage = includeUsage
  }

  accepted(run: number, accepted: Accepted): string {
    if (!this.#offsets.has(run)) this.#offsets.set(run, new Offsets())
    this.#envelope ??= {
      id: `cmpl-${accepted.requestId}`,
      object: 'text_completion',
      created: this.#createdS,
      model: accepted.modelName,
    }
    return '' // there is no role to tell
  }

  delta(run: number, { logprobs, text }: Said): string {
    if (text === '' && !logprobs?.length) return ''
    return this.#chunk(run, text, logprobs?.length ? this.#offsets.get(run)?.columns(logprobs) : null)
  }

  ended(run: number, result: InferenceResult): string {
    return this.#chunk(run, '', null, finishOf(result, false))
  }

  closing(run: number, results: readonly InferenceResult[]): string {
    const account = { silkmesh: accountOf(results) }
    const result = results[run]
    if (!result) return done
    if (!this.#includeUsage) return this.#chunk(run, '', null, finishOf(result, false), account) + done
    const last = { ...this.#envelope, choices: [], usage: usageOf(results, 0), ...account }
    return this.ended(run, result) + event(last) + done
  }

  failure = errorEvent

  #chunk(index: number, text: string, logprobs: object | null = null, finish: string | null = null, more = {}): string {
    return event({
      ...this.#envelope,
      choices: [{ text, index, logprobs, finish_reason: finish }],
      ...(this.#includeUsage && { usage: null }),
      ...more,
    })
  }
}

/** Where each token begins in the answer's text, in characters, also where a character is made of several tokens. */
class Offsets {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  #chars = 0

  columns(logprobs: readonly TokenLogprob[]): object {
    return {
      tokens: logprobs.map(({ bytes }) => tokenText(bytes)),
      token_logprobs: logprobs.map(({ logprob }) => finite(logprob)),
      top_logprobs: logprobs.map(({ top }) =>
        Object.fromEntries(top.map((other) => [tokenText(other.bytes), finite(other.logprob)])),
      ),
      text_offset: logprobs.map(({ bytes }) => {
        const offset = this.#chars
        this.#chars += this.#decoder.decode(bytes, { stream: true }).length
        return offset
      }),
    }
  }
}

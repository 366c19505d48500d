// The answers of /v1/chat/completions: a whole completion, or its chunks.

import type { Said } from '../../protocol/task.ts'
import type { InferenceResult } from '../inference.ts'
import { accountOf, callIdOf, done, errorEvent, event, finishOf, logprobOf, usageOf } from './answer.ts'
import type { Accepted, Gathered, StreamWriter } from './endpoint.ts'
import { reasoningTokensOf } from './gather.ts'

export function chatCompletion(runs: readonly Gathered[], createdS: number): string {
  const results = runs.map(({ result }) => result)
  return JSON.stringify({
    id: `chatcmpl-${results[0]?.requestId}`,
    object: 'chat.completion',
    created: createdS,
    model: results[0]?.modelName,
    choices: runs.map((run, index) => choiceOf(run, index)),
    usage: usageOf(
      results,
      runs.reduce((sum, { reasoningTokens }) => sum + reasoningTokens, 0),
    ),
    silkmesh: accountOf(results),
  })
}

function choiceOf({ logprobs, reasoning, result, text, toolCalls }: Gathered, index: number): object {
  const calls = toolCalls.map((call) => ({
    id: call.id,
    type: 'function',
    function: { name: call.name, arguments: call.arguments },
  }))
  return {
    index,
    message: {
      role: 'assistant',
      content: calls.length > 0 && text === '' ? null : text,
      refusal: null,
      ...(reasoning !== '' && { reasoning_content: reasoning }),
      ...(calls.length > 0 && { tool_calls: calls }),
    },
    logprobs: logprobs.length > 0 ? { content: logprobs.map(logprobOf), refusal: null } : null,
    finish_reason: finishOf(result, calls.length > 0),
  }
}

/** What is written of one choice. Everything that repeats is serialised once: a delta of text alone is put between two halves. */
interface Choice {
  readonly accepted: Accepted
  readonly before: string
  readonly after: string
  /** Tool calls begun, by their index. */
  readonly calls: Set<number>
}

export class ChatWriter implements StreamWriter {
  readonly #createdS: number
  readonly #includeUsage: boolean
  /** Of the stream: it comes with the choice that is first accepted. */
  #envelope: object | undefined
  readonly #choices = new Map<number, Choice>()
  #reasoningTokens = 0

  constructor(createdS: number, includeUsage: boolean) {
    this.#createdS = createdS
    this.#includeUsage = includeUsage
  }

  accepted(run: number, accepted: Accepted): string {
    if (this.#choices.has(run)) return ''
    this.#envelope ??= {
      id: `chatcmpl-${accepted.requestId}`,
      object: 'chat.completion.chunk',
      created: this.#createdS,
      model: accepted.modelName,
    }
    const empty = this.#chunk(run, { content: '' })
    const hole = empty.lastIndexOf('""') // the content's: nothing after it is a text
    this.#choices.set(run, {
      accepted,
      before: empty.slice(0, hole),
      after: empty.slice(hole + 2),
      calls: new Set(),
    })
    return this.#chunk(run, { role: 'assistant', content: '' })
  }

  delta(run: number, said: Said): string {
    const choice = this.#choices.get(run)
    if (!choice) return ''
    const { logprobs, reasoning = '', text, toolCalls } = said
    const isPlain = reasoning === '' && !toolCalls?.length && !logprobs?.length
    // A delta may hold half a character, so no text.
    if (isPlain) return text === '' ? '' : choice.before + JSON.stringify(text) + choice.after
    this.#reasoningTokens += reasoningTokensOf(said)
    const delta = {
      ...(reasoning !== '' && { reasoning_content: reasoning }),
      ...((text !== '' || (reasoning === '' && !toolCalls?.length)) && { content: text }),
      ...(toolCalls?.length && { tool_calls: toolCalls.map((part) => callPart(choice, part)) }),
    }
    return this.#chunk(run, delta, logprobs?.length ? { content: logprobs.map(logprobOf), refusal: null } : null)
  }

  ended(run: number, result: InferenceResult): string {
    return this.#finish(run, result, {})
  }

  closing(run: number, results: readonly InferenceResult[]): string {
    const account = { silkmesh: accountOf(results) }
    const result = results[run]
    if (!result) return done
    if (!this.#includeUsage) return this.#finish(run, result, account) + done
    const usage = usageOf(results, this.#reasoningTokens)
    return this.#finish(run, result, {}) + event({ ...this.#envelope, choices: [], usage, ...account }) + done
  }

  failure = errorEvent

  #finish(run: number, result: InferenceResult, more: object): string {
    return this.#chunk(run, {}, null, finishOf(result, (this.#choices.get(run)?.calls.size ?? 0) > 0), more)
  }

  #chunk(
    index: number,
    delta: object,
    logprobs: object | null = null,
    finish: string | null = null,
    more = {},
  ): string {
    return event({
      ...this.#envelope,
      choices: [{ index, delta, logprobs, finish_reason: finish }],
      // OpenAI sends `usage: null` on every chunk but the last once the usage was asked for.
      ...(this.#includeUsage && { usage: null }),
      ...more,
    })
  }
}

function callPart({ accepted, calls }: Choice, part: NonNullable<Said['toolCalls']>[number]): object {
  const { index } = part
  if (calls.has(index)) return { index, function: { arguments: part.arguments } }
  calls.add(index)
  const called = { name: part.name ?? '', arguments: part.arguments }
  return { index, id: part.id ?? callIdOf(accepted, index), type: 'function', function: called }
}

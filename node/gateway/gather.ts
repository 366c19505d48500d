// Whole answers put together from their events, for clients that do not stream, and how much of them is held.

import type { Said, TokenLogprob } from '../../protocol/task.ts'
import type { InferenceEvent, InferenceResult } from '../inference.ts'
import { callIdOf } from './answer.ts'
import { type Accepted, type Asked, type Gathered, requireHeld } from './endpoint.ts'
import type { Runs, Step } from './runs.ts'

/** `first` is the step already taken of `runs`. */
export async function gather(first: Step, runs: Runs, asked: Asked): Promise<readonly Gathered[]> {
  const parts = asked.requests.map(() => new Part())
  let held = 0
  for (let step = first; ; step = await runs.next()) {
    if (step.type === 'all-ended') return step.results.flatMap((result, at) => parts[at]?.end(result) ?? [])
    if (step.type === 'ended') continue
    if (step.event.type === 'embedding') asked.checkVector?.(step.event.vector)
    held += parts[step.run]?.take(step.event) ?? 0
    requireHeld(held)
  }
}

/** A log probability as it is written, alternatives apart: a token, its number and its bytes. */
const logprobChars = 64

class Part {
  #text = ''
  #reasoning = ''
  #reasoningTokens = 0
  readonly #calls = new Map<number, { id: string; name: string; arguments: string }>()
  readonly #logprobs: TokenLogprob[] = []
  readonly #vectors: Float32Array[] = []
  #accepted: Accepted | undefined

  /** Gives how many characters more it holds. */
  take(event: InferenceEvent): number {
    if (event.type === 'accepted') this.#accepted ??= event
    if (event.type === 'embedding') {
      this.#vectors[event.index] = event.vector
      return event.vector.length
    }
    return event.type === 'delta' ? this.#say(event) : 0
  }

  end(result: InferenceResult): Gathered {
    return {
      result,
      text: this.#text,
      reasoning: this.#reasoning,
      reasoningTokens: this.#reasoningTokens,
      toolCalls: [...this.#calls].sort(([a], [b]) => a - b).map(([, call]) => call),
      logprobs: this.#logprobs,
      vectors: this.#vectors,
    }
  }

  #say(said: Said): number {
    const { logprobs = [], reasoning = '', text, toolCalls = [] } = said
    this.#text += text
    this.#reasoning += reasoning
    this.#reasoningTokens += reasoningTokensOf(said)
    let held = text.length + reasoning.length
    for (const part of toolCalls) {
      let call = this.#calls.get(part.index)
      if (!call) {
        call = { id: part.id ?? callIdOf(this.#accepted, part.index), name: part.name ?? '', arguments: '' }
        this.#calls.set(part.index, call)
      }
      call.arguments += part.arguments
      held += part.arguments.length
    }
    for (const logprob of logprobs) {
      this.#logprobs.push(logprob)
      held += logprobChars * (1 + logprob.top.length)
    }
    return held
  }
}

export function reasoningTokensOf({ reasoning, text, tokens, toolCalls }: Said): number {
  return reasoning && text === '' && !toolCalls?.length ? tokens : 0
}

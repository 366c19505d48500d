// Between decoder and node: how far the decoder may run ahead, and how what it says travels together.

import type { Said, ToolCallDelta } from '../../../protocol/task.ts'
import type { Released } from './answer.ts'
import { decodeAheadTokens } from './messages.ts'

/** Tokens that follow each other faster travel together: a message costs about as much as a token of a tiny model. */
const coalesceMs = 20
/**
 * Half a credit window is the most that one frame may hold, and what is larger is taken apart into pieces that bear no ids, after
 * which no other provider can go on: this many fit into a window of sixteen.
 */
const tokensMax = 8

/** How far the decoder may run ahead of what the node's caller took. */
export class Window {
  #outstanding = 0
  #open: (() => void) | undefined

  get full(): boolean {
    return this.#outstanding >= decodeAheadTokens
  }

  released(tokens: number): void {
    this.#outstanding += tokens
  }

  taken(tokens: number): void {
    this.#outstanding -= tokens
    if (!this.full) this.#open?.()
  }

  /** Resolves when tokens were taken, or the signal fired. */
  async opened(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#open = resolve
    signal.addEventListener('abort', this.#open)
    await promise
    signal.removeEventListener('abort', this.#open)
    this.#open = undefined
  }
}

/** The first token goes out at once, the others together with what follows within `coalesceMs`. */
export class Outbox {
  readonly #send: (said: Said) => void
  #held: Said | undefined
  #sentMs = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(send: (said: Said) => void) {
    this.#send = send
  }

  push(released: Released): void {
    const { logprobs, reasoning, text, tokenIds, toolCalls } = released
    if (text === '' && tokenIds.length === 0 && reasoning === '' && toolCalls.length === 0) return
    const said: Said = {
      text,
      tokens: tokenIds.length,
      tokenIds,
      ...(reasoning !== '' && { reasoning }),
      ...(toolCalls.length > 0 && { toolCalls }),
      ...(logprobs.length > 0 && { logprobs }),
    }
    this.#held = this.#held ? joined(this.#held, said) : said
    const waitMs = this.#sentMs + coalesceMs - performance.now()
    if (waitMs <= 0 || this.#held.tokens >= tokensMax) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), waitMs)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (!this.#held) return
    this.#send(this.#held)
    this.#held = undefined
    this.#sentMs = performance.now()
  }

  drop(): void {
    clearTimeout(this.#timer)
    this.#held = undefined
  }
}

function joined(one: Said, next: Said): Said {
  const reasoning = (one.reasoning ?? '') + (next.reasoning ?? '')
  const toolCalls = joinedCalls(one.toolCalls ?? [], next.toolCalls ?? [])
  const logprobs = [...(one.logprobs ?? []), ...(next.logprobs ?? [])]
  return {
    text: one.text + next.text,
    tokens: one.tokens + next.tokens,
    tokenIds: [...one.tokenIds, ...next.tokenIds],
    ...(reasoning !== '' && { reasoning }),
    ...(toolCalls.length > 0 && { toolCalls }),
    ...(logprobs.length > 0 && { logprobs }),
  }
}

function joinedCalls(one: readonly ToolCallDelta[], next: readonly ToolCallDelta[]): readonly ToolCallDelta[] {
  const last = one.at(-1)
  const [first, ...others] = next
  if (!last || !first || last.index !== first.index) return [...one, ...next]
  return [...one.slice(0, -1), { ...last, arguments: last.arguments + first.arguments }, ...others]
}

// What providers' caches still hold of conversations: a turn that comes back need not be computed from its beginning.

import type { Provider } from './provider.ts'
import type { Requests } from './requests.ts'

interface Held {
  readonly tokens: number
  /** Prompt tokens that the provider had computed by then, and in which of its lives. */
  readonly at: number
  readonly epoch: number
}

export class Prefixes {
  /** By conversation and provider; of conversations that have more than one turn. */
  readonly #held = new Map<string, Held>()

  hold({ conversation, turns }: Requests, request: number, provider: Provider, tokens: number): void {
    const number = conversation[request] as number
    if ((turns[number] as number) < 2 || !provider.profile.prefixCaching) return
    const { batch, epoch, index } = provider
    this.#held.set(`${number}/${index}`, { tokens, at: batch.tokensPrefilled, epoch })
  }

  /** Whole blocks, and never the last token. What was held is gone once as much was computed since as there is memory. */
  cachedTokens({ conversation, turns }: Requests, request: number, provider: Provider, promptTokens: number): number {
    const number = conversation[request] as number
    const { blockTokens, kvTokens } = provider.profile
    if ((turns[number] as number) < 2) return 0
    const held = this.#held.get(`${number}/${provider.index}`)
    if (!held || held.epoch !== provider.epoch || provider.batch.tokensPrefilled - held.at > kvTokens) return 0
    return blockTokens * Math.floor(Math.min(held.tokens, promptTokens - 1) / blockTokens)
  }
}

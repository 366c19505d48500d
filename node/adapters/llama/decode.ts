// One generation on one slot: prefill in chunks, then a token at a time until it ends, is cancelled, or has to wait.

import type { LlamaContextSequence, Token } from 'node-llama-cpp'
import type { Finish } from '../../ports.ts'
import { decodeNext } from './internals.ts'
import type { Sampled, Sampler } from './sampler.ts'
import type { Turnstile } from './turnstile.ts'

export interface DecodeRequest {
  readonly tokenIds: readonly number[]
  readonly tokensMax: number
  readonly stopTokenIds: ReadonlySet<number>
  /** A prefill can be stopped between two chunks. */
  readonly prefillChunkTokens: number
}

/**
 * Yields sampled ids; the end-of-generation token is not among them. Returning from the iteration stops the decoder:
 * the next token is evaluated only when it is asked for. A fired signal ends it without a finish.
 */
export async function* decode(
  sequence: LlamaContextSequence,
  request: DecodeRequest,
  sampler: Sampler,
  turnstile: Turnstile,
  signal: AbortSignal,
): AsyncGenerator<Sampled, Finish | undefined, undefined> {
  const { tokensMax, stopTokenIds, prefillChunkTokens } = request
  if (tokensMax === 0) return 'length'
  const tokens = request.tokenIds as Token[]

  // Without its last token: that one must be evaluated for the next to be sampled. No shifting: positions stay exact.
  await turnstile.hold(() => sequence.adaptStateToTokens(tokens.slice(0, -1), false))
  let at = sequence.nextTokenIndex
  while (tokens.length - at > prefillChunkTokens) {
    await turnstile.pass()
    if (signal.aborted) return undefined
    await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(at, at + prefillChunkTokens))
    at += prefillChunkTokens
  }

  let next: readonly number[] = tokens.slice(at)
  for (let count = 1; ; count += 1) {
    if (signal.aborted) return undefined
    const sampled = await turnstile.join(() => decodeNext(sequence, next, (index) => sampler.sample(sequence, index)))
    const { tokenId } = sampled
    if (signal.aborted) return undefined
    if (stopTokenIds.has(tokenId) || sequence.model.isEogToken(tokenId as Token)) return 'stop'
    yield sampled
    if (count === tokensMax) return 'length'
    next = [tokenId]
  }
}

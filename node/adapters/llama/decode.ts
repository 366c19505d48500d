// One generation on one slot: prefill in chunks, then a token at a time until it ends, is cancelled, or has to wait.

import type { LlamaContextSequence, Token } from 'node-llama-cpp'
import type { Finish } from '../../ports.ts'

export interface DecodeRequest {
  readonly tokenIds: readonly number[]
  readonly tokensMax: number
  readonly temperature: number
  readonly topP: number
  readonly seed: number
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
  signal: AbortSignal,
): AsyncGenerator<number, Finish | undefined, undefined> {
  const { tokensMax, stopTokenIds, prefillChunkTokens } = request
  if (tokensMax === 0) return 'length'
  const tokens = request.tokenIds as Token[]

  // Without its last token: that one must be evaluated for the next to be sampled. No shifting: positions stay exact.
  await sequence.adaptStateToTokens(tokens.slice(0, -1), false)
  let at = sequence.nextTokenIndex
  while (tokens.length - at > prefillChunkTokens) {
    if (signal.aborted) return undefined
    await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(at, at + prefillChunkTokens))
    at += prefillChunkTokens
  }
  if (signal.aborted) return undefined

  // All of them explicit: the library's own defaults are greedy sampling from the 40 likeliest at a top-p of 0.95.
  const sampled = sequence.evaluateWithMetadata(
    tokens.slice(at),
    {},
    { temperature: request.temperature, topP: request.topP, topK: 0, minP: 0, seed: request.seed },
  )
  let count = 0
  for await (const { token } of sampled) {
    if (signal.aborted) return undefined
    if (stopTokenIds.has(token)) return 'stop'
    count += 1
    yield token
    if (count === tokensMax) return 'length'
    if (signal.aborted) return undefined
  }
  return 'stop'
}

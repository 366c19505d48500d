// What this adapter uses of node-llama-cpp beyond its public interface: in one place, and checked when a model is loaded.

import type { LlamaContextSequence, LlamaGrammarEvaluationState, LlamaModel } from 'node-llama-cpp'
import { MeshError } from '../../../protocol/errors.ts'

/*
 * Why not the public interface alone: it sets a sampler up again for every token, drops a bias on the tokens that end an
 * answer, tells probabilities only of what sampling left over, cannot take a grammar to where a resumed answer stands, and
 * has no copy from one sequence to another. The package is pinned to one exact version.
 */

/** Of llama.cpp's sampler chain. An absent part is not in the chain; without a temperature the likeliest token is drawn. */
export interface SamplerConfig {
  readonly temperature?: number
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly seed: number
  readonly repeatPenalty?: number
  readonly repeatPenaltyPresencePenalty?: number
  readonly repeatPenaltyFrequencyPenalty?: number
  readonly repeatPenaltyMaxTokens?: number
  readonly repeatPenaltyTokens?: Uint32Array
  readonly tokenBiasKeys?: Uint32Array
  readonly tokenBiasValues?: Float32Array
  readonly grammarEvaluationState?: object
}

export interface NativeSampler {
  applyConfig(config: SamplerConfig): void
  dispose(): void
}

/** Where the logits of a token just evaluated lie. */
type LogitIndex = number & { readonly brand: 'logit index' }

/** `tokens` alternates ids and logits: the likeliest first, then the token asked for. */
type LogitsReply = readonly [number, unknown, unknown, readonly number[], number]

interface NativeContext {
  sampleToken(index: LogitIndex, sampler: NativeSampler): Promise<number>
  sampleToken(
    index: LogitIndex,
    sampler: NativeSampler,
    probabilities: false,
    confidence: false,
    logits: readonly [readonly number[], boolean, boolean, boolean, number],
    totalLogitWeight: true,
  ): Promise<LogitsReply>
}

interface GrammarFunctions {
  acceptGrammarEvaluationStateToken(state: object, tokenId: number): void
}

interface SequenceInternals {
  readonly _context: { readonly _ctx: NativeContext }
  readonly _tokenMeter: object
  readonly _takeIntervalCheckpointIfNeededAfterBatch: (length: number) => unknown
  _decodeTokens<T>(
    tokens: readonly number[],
    logits: readonly true[],
    priority: number,
    meter: object,
    contextShift: object,
    map: (index: LogitIndex) => Promise<T>,
    after: (length: number) => unknown,
  ): Promise<readonly T[]>
  _copyStateFromOtherSequence(other: LlamaContextSequence, upToTokenIndex: number): Promise<boolean>
}

interface ModelInternals {
  readonly _model: object
  readonly _llama: {
    readonly _bindings: { readonly AddonSampler: GrammarFunctions & (new (model: object) => NativeSampler) }
  }
}

/** The library's own default. */
const priority = 5
/** A context that is full is a mistake here: positions must stay exact. */
const noContextShift = {
  size: 1,
  strategy: (): never => {
    throw new Error('the context is full')
  },
}

/** Throws `MeshError` `engine-failed` where the installed version is another one. */
export function checkInternals(model: LlamaModel, sequence: LlamaContextSequence): void {
  const inModel = model as unknown as Partial<ModelInternals>
  const inSequence = sequence as unknown as Partial<SequenceInternals>
  const sampler = inModel._llama?._bindings?.AddonSampler
  const isKnown =
    inModel._model !== undefined &&
    typeof sampler?.acceptGrammarEvaluationStateToken === 'function' &&
    typeof inSequence._decodeTokens === 'function' &&
    typeof inSequence._context?._ctx?.sampleToken === 'function' &&
    typeof inSequence._takeIntervalCheckpointIfNeededAfterBatch === 'function'
  if (!isKnown) {
    throw new MeshError(
      'engine-failed',
      'this node-llama-cpp is not the one supported: npm install node-llama-cpp@3.22.1',
    )
  }
}

export function nativeSamplerOf(model: LlamaModel): NativeSampler {
  const { _llama, _model } = model as unknown as ModelInternals
  return new _llama._bindings.AddonSampler(_model)
}

export function grammarHandleOf(state: LlamaGrammarEvaluationState): object {
  return (state as unknown as { readonly _state: object })._state
}

/** Throws where the grammar does not allow the token. Never call it with a token that ends an answer: llama.cpp aborts. */
export function acceptToken(model: LlamaModel, state: LlamaGrammarEvaluationState, tokenId: number): void {
  const { _llama } = model as unknown as ModelInternals
  _llama._bindings.AddonSampler.acceptGrammarEvaluationStateToken(grammarHandleOf(state), tokenId)
}

/** Evaluates tokens, together with what other sequences wait for, and samples after the last of them. */
export async function decodeNext<T>(
  sequence: LlamaContextSequence,
  tokenIds: readonly number[],
  sample: (index: LogitIndex) => Promise<T>,
): Promise<T> {
  const internals = sequence as unknown as SequenceInternals
  const wanted: true[] = []
  wanted[tokenIds.length - 1] = true
  const results = await internals._decodeTokens(
    tokenIds,
    wanted,
    priority,
    internals._tokenMeter,
    noContextShift,
    sample,
    internals._takeIntervalCheckpointIfNeededAfterBatch,
  )
  const result = results[tokenIds.length - 1]
  if (result === undefined) throw new Error('llama.cpp evaluated the tokens and gave no result')
  return result
}

/** Draws a token; the sampler notes it. −1 where nothing can be drawn. */
export function drawToken(sequence: LlamaContextSequence, index: LogitIndex, sampler: NativeSampler): Promise<number> {
  return (sequence as unknown as SequenceInternals)._context._ctx.sampleToken(index, sampler)
}

export interface Logits {
  /** The likeliest first. */
  readonly top: readonly { readonly tokenId: number; readonly logit: number }[]
  /** Of the token asked for. */
  readonly logit: number
  /** log Σ exp(logit) over the whole vocabulary. */
  readonly logWeight: number
}

/** As the model gave them, where the sampler does nothing to them. */
export async function logitsOf(
  sequence: LlamaContextSequence,
  index: LogitIndex,
  sampler: NativeSampler,
  tokenId: number,
  topTokens: number,
): Promise<Logits> {
  const { _ctx } = (sequence as unknown as SequenceInternals)._context
  // At least one: the weight is told in relation to the greatest logit.
  const count = Math.max(1, topTokens)
  const filter = [[tokenId], false, false, false, count] as const
  const [, , , pairs, weight] = await _ctx.sampleToken(index, sampler, false, false, filter, true)
  const all = Array.from({ length: pairs.length / 2 }, (_, at) => ({
    tokenId: pairs[at * 2] ?? 0,
    logit: pairs[at * 2 + 1] ?? Number.NEGATIVE_INFINITY,
  }))
  return {
    top: all.slice(0, topTokens),
    logit: all.at(-1)?.logit ?? Number.NEGATIVE_INFINITY,
    logWeight: (all[0]?.logit ?? 0) + Math.log(weight),
  }
}

export type { LogitIndex }

/** Makes a sequence hold the first tokens of another. False where that failed: it then holds nothing that can be relied on. */
export async function copyBeginning(
  target: LlamaContextSequence,
  source: LlamaContextSequence,
  tokens: number,
): Promise<boolean> {
  const internals = target as unknown as Partial<SequenceInternals>
  return (await internals._copyStateFromOtherSequence?.(source, tokens)) ?? false
}

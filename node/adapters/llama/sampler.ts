// Draws the tokens of one answer: its sampling parameters as a chain of llama.cpp's samplers, its grammar, its log probabilities.

import type { LlamaContextSequence, LlamaModel } from 'node-llama-cpp'
import type { Sampling, TokenLogprob } from '../../../protocol/task.ts'
import type { GrammarState } from './grammar.ts'
import {
  drawToken,
  grammarHandleOf,
  type LogitIndex,
  logitsOf,
  type NativeSampler,
  nativeSamplerOf,
  type SamplerConfig,
} from './internals.ts'

export interface Sampled {
  readonly tokenId: number
  readonly logprob?: TokenLogprob | undefined
}

/** llama.cpp takes the largest 32-bit number for "draw one". */
const seedModulus = 0xffff_ffff
/** What stands for impossible: JSON knows no infinity. */
const logprobMin = -9999

export class Sampler {
  readonly #native: NativeSampler
  readonly #base: SamplerConfig
  readonly #penalised: boolean
  /** Changes no logit: log probabilities are the model's own, before temperature, penalties, bias and grammar. */
  readonly #plain: NativeSampler | undefined
  readonly #topTokens: number
  readonly #bytesOf: (tokenId: number) => Uint8Array
  /** Of the answer so far, what was resumed included: what the penalties count. */
  readonly #tokenIds: number[]
  #grammar: GrammarState | undefined

  constructor(
    model: LlamaModel,
    sampling: Sampling,
    options: {
      readonly seed: number
      readonly answerTokenIds: readonly number[]
      /** More tokens than an answer can have. */
      readonly contextTokens: number
      readonly bytesOf: (tokenId: number) => Uint8Array
    },
  ) {
    this.#penalised = isPenalised(sampling)
    this.#base = configOf(sampling, options.seed, options.contextTokens)
    this.#tokenIds = [...options.answerTokenIds]
    this.#bytesOf = options.bytesOf
    this.#topTokens = sampling.logprobs ?? 0
    this.#native = nativeSamplerOf(model)
    this.#configure()
    if (sampling.logprobs !== undefined) {
      this.#plain = nativeSamplerOf(model)
      this.#plain.applyConfig({ seed: 0 })
    }
  }

  /** What the next token must fit, if anything. */
  constrain(grammar: GrammarState | undefined): void {
    if (grammar === this.#grammar) return
    this.#grammar = grammar
    this.#configure()
  }

  async sample(sequence: LlamaContextSequence, index: LogitIndex): Promise<Sampled> {
    const tokenId = await drawToken(sequence, index, this.#native)
    if (tokenId < 0) throw new Error('no token can be drawn')
    if (this.#penalised) this.#tokenIds.push(tokenId)
    if (!this.#plain) return { tokenId }
    const { logWeight, logit, top } = await logitsOf(sequence, index, this.#plain, tokenId, this.#topTokens)
    const logprobOf = (each: number): number => Math.min(0, Math.max(logprobMin, each - logWeight))
    return {
      tokenId,
      logprob: {
        bytes: this.#bytesOf(tokenId),
        logprob: logprobOf(logit),
        top: top.map((other) => ({ bytes: this.#bytesOf(other.tokenId), logprob: logprobOf(other.logit) })),
      },
    }
  }

  dispose(): void {
    this.#native.dispose()
    this.#plain?.dispose()
  }

  #configure(): void {
    this.#native.applyConfig({
      ...this.#base,
      ...(this.#penalised && { repeatPenaltyTokens: Uint32Array.from(this.#tokenIds) }),
      ...(this.#grammar && { grammarEvaluationState: grammarHandleOf(this.#grammar.state) }),
    })
  }
}

function isPenalised({ frequencyPenalty, presencePenalty, repetitionPenalty }: Sampling): boolean {
  return (presencePenalty ?? 0) !== 0 || (frequencyPenalty ?? 0) !== 0 || (repetitionPenalty ?? 1) !== 1
}

/** Nothing but what was asked for: a part that would change nothing still costs a pass over the vocabulary. */
function configOf(sampling: Sampling, seed: number, contextTokens: number): SamplerConfig {
  const { logitBias = [], minP = 0, temperature = 1, topK = 0, topP = 1 } = sampling
  return {
    seed: Math.abs(Math.trunc(seed)) % seedModulus,
    ...(temperature > 0 && { temperature }),
    ...(topK > 0 && { topK }),
    ...(topP < 1 && { topP }),
    ...(minP > 0 && { minP }),
    ...(isPenalised(sampling) && {
      repeatPenalty: sampling.repetitionPenalty ?? 1,
      repeatPenaltyPresencePenalty: sampling.presencePenalty ?? 0,
      repeatPenaltyFrequencyPenalty: sampling.frequencyPenalty ?? 0,
      repeatPenaltyMaxTokens: contextTokens,
    }),
    ...(logitBias.length > 0 && {
      tokenBiasKeys: Uint32Array.from(logitBias, ({ tokenId }) => tokenId),
      tokenBiasValues: Float32Array.from(logitBias, ({ bias }) => bias),
    }),
  }
}

// Vectors of texts: a context of its own, made when the first text comes.

import type { LlamaEmbeddingContext, LlamaModel } from 'node-llama-cpp'

export interface Embedder {
  /** Tokens that will be evaluated for the text, its beginning and end tokens included. */
  tokensOf(text: string): Promise<number>
  /** Of length 1, unless all of it is zero. One after the other. */
  vectorOf(text: string): Promise<Float32Array>
}

export interface EmbedderOptions {
  readonly contextTokens: number
  readonly threads: number
  /** Whether a text must be evaluated at once: where a token sees those after it, or all are averaged. */
  readonly isWhole: boolean
  /** Throws where there is no memory for it. */
  readonly checkMemory: (contextTokens: number) => Promise<void>
}

/** Of a text that may be evaluated in parts. */
const batchTokens = 512

export function embedderOf(
  model: LlamaModel,
  { checkMemory, contextTokens, isWhole, threads }: EmbedderOptions,
): Embedder {
  let context: Promise<LlamaEmbeddingContext> | undefined

  async function make(): Promise<LlamaEmbeddingContext> {
    await checkMemory(contextTokens)
    return await model.createEmbeddingContext({
      contextSize: contextTokens,
      batchSize: isWhole ? contextTokens : Math.min(batchTokens, contextTokens),
      threads,
    })
  }

  function made(): Promise<LlamaEmbeddingContext> {
    context ??= make().catch((error: unknown) => {
      context = undefined // there may be memory another time
      throw error
    })
    return context
  }

  return {
    tokensOf: async (text) => (await made()).calculateInputLength(text),
    async vectorOf(text) {
      const { vector } = await (await made()).getEmbeddingFor(text)
      const length = Math.hypot(...vector)
      return Float32Array.from(vector, (value) => (length > 0 ? value / length : 0))
    },
  }
}

// How fast a loaded model is here, and how many threads make it so: short measurements at start.

import { availableParallelism } from 'node:os'
import type { LlamaContextSequence, LlamaModel, Token } from 'node-llama-cpp'

export interface Speed {
  readonly prefillTokensPerSecond: number
  readonly decodeTokensPerSecond: number
}

/** For each of prefill and decode; a measurement of a slow model ends after the token that passes it. */
const measureMs = 300
const prefillTokensMax = 128
const decodeTokensMax = 64

/**
 * llama.cpp's threads spin: one more than there are idle cores is slower by a factor of ten, not by a tenth. On one or
 * two cores one thread is best, measured; beyond, it is tried.
 */
export function threadCandidates(threads: number | 'auto', cores: number = availableParallelism()): readonly number[] {
  if (threads !== 'auto') {
    if (threads > cores) throw new RangeError(`${threads} threads, this machine has ${cores} cores`)
    return [threads]
  }
  return cores <= 2 ? [1] : [...new Set([1, Math.floor(cores / 2), cores - 1])]
}

export async function quickestThreads(model: LlamaModel, candidates: readonly number[]): Promise<number> {
  let best = { threads: candidates[0] ?? 1, decodeTokensPerSecond: 0 }
  if (candidates.length === 1) return best.threads
  for (const threads of candidates) {
    const context = await model.createContext({ contextSize: 256, sequences: 1, threads, flashAttention: false })
    try {
      const { decodeTokensPerSecond } = await measureSpeed(model, context.getSequence())
      // More threads must earn their cores: less than a tenth is noise.
      if (decodeTokensPerSecond > best.decodeTokensPerSecond * 1.1) best = { threads, decodeTokensPerSecond }
    } finally {
      await context.dispose()
    }
  }
  return best.threads
}

/** Token counts to evaluate at once that are tried, each twice the one before. */
const chunkTokens = { min: 32, max: { cpu: 512, gpu: 2048 } } as const
/** A chunk cannot be interrupted, and whoever decodes beside it waits for it. */
const chunkMsMax = 100
/** More at once must earn the memory it takes and the wait it makes. */
const chunkGain = 1.1

/**
 * How many prompt tokens are evaluated at once: as many as still make it quicker, within the time that a cancelled request
 * may cost. Takes about as long as four chunks of the greatest such size.
 */
export async function quickestChunk(model: LlamaModel, threads: number, device: 'cpu' | 'gpu'): Promise<number> {
  const max = Math.min(chunkTokens.max[device], model.trainContextSize / 2)
  if (max <= chunkTokens.min) return chunkTokens.min
  const context = await model.createContext({
    contextSize: Math.min(2 * max, model.trainContextSize),
    batchSize: max,
    sequences: 1,
    threads,
    flashAttention: false,
  })
  try {
    const sequence = context.getSequence()
    const chunkMs = async (tokens: number): Promise<number> => {
      const ms = await timed(() => sequence.evaluateWithoutGeneratingNewTokens(filler(model, tokens)))
      await sequence.clearHistory()
      return ms
    }
    await chunkMs(Math.min(8, max)) // first use: pages and code are still cold
    let best: { readonly tokens: number; readonly tokensPerMs: number } = { tokens: chunkTokens.min, tokensPerMs: 0 }
    for (let tokens: number = chunkTokens.min; tokens <= max; tokens *= 2) {
      const first = await chunkMs(tokens)
      // The quicker of two, where that is cheap: anything else at work here makes a chunk slower, nothing makes it quicker.
      const ms = first > chunkMsMax ? first : Math.min(first, await chunkMs(tokens))
      if (tokens > chunkTokens.min && ms > chunkMsMax) break
      if (tokens / ms > best.tokensPerMs * chunkGain) best = { tokens, tokensPerMs: tokens / ms }
    }
    return best.tokens
  } finally {
    await context.dispose()
  }
}

function filler(model: LlamaModel, length: number): Token[] {
  const text = model.tokenize('The quick brown fox jumps over the lazy dog. ')
  return Array.from({ length }, (_, at) => text[at % text.length] as Token)
}

/** The sequence is left empty. */
export async function measureSpeed(model: LlamaModel, sequence: LlamaContextSequence | undefined): Promise<Speed> {
  if (!sequence) return { prefillTokensPerSecond: 0, decodeTokensPerSecond: 0 }
  const warm = 8
  const prompt = (length: number): Token[] => filler(model, length)

  await sequence.evaluateWithoutGeneratingNewTokens(prompt(warm)) // first use: pages and code are still cold
  const probeMs = await timed(() => sequence.evaluateWithoutGeneratingNewTokens(prompt(warm)))
  const room = Math.max(1, Math.floor(sequence.contextSize / 2) - 2 * warm)
  const prefill = Math.max(1, Math.min(prefillTokensMax, room, Math.floor((warm * measureMs) / probeMs)))
  const prefillMs = await timed(() => sequence.evaluateWithoutGeneratingNewTokens(prompt(prefill)))

  let tokens = 0
  const startMs = performance.now()
  let elapsedMs = 0
  for await (const _ of sequence.evaluateWithMetadata(prompt(1), {}, { temperature: 0, yieldEogToken: true })) {
    tokens += 1
    elapsedMs = performance.now() - startMs
    if (tokens >= decodeTokensMax || elapsedMs > measureMs) break
  }
  await sequence.clearHistory()
  return {
    prefillTokensPerSecond: Math.round((prefill * 1000) / prefillMs),
    decodeTokensPerSecond: Math.round((tokens * 1000) / elapsedMs),
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work()
  return Math.max(0.001, performance.now() - startMs)
}

// Continuous batching, as vLLM's v1 scheduler does it: each iteration takes one token of every running sequence, and as much of
// waiting prompts as the token budget and the KV memory leave room for.

import { type BlockKeys, BlockPool, Holding } from './blocks.ts'
import { type Cost, iterationMs, type Load } from './cost.ts'

export interface BatchLimits {
  readonly blockTokens: number
  /** All of the KV memory. */
  readonly kvTokens: number
  readonly maxNumSeqs: number
  readonly maxNumBatchedTokens: number
  readonly prefixCaching: boolean
}

export interface Step<S extends Sequence = Sequence> {
  /** Each has its next token at the step's end. */
  readonly sampled: readonly S[]
  /** Taken up from those waiting, for the first time or again. */
  readonly admitted: readonly S[]
  readonly load: Load
  readonly durationMs: number
}

export class Sequence {
  readonly promptTokens: number
  /** Ends after so many, at least 1. */
  readonly tokensMax: number
  readonly holding = new Holding()
  readonly keys: BlockKeys
  /** Tokens generated, those of steps under way not included. */
  produced = 0
  /** Tokens known once the steps under way are done: the prompt and what was or is being generated. */
  known: number
  /** Of `known`, those whose keys and values are in memory, or will be. */
  computed = 0
  /** Of the prompt, at the last admission. */
  cachedTokens = 0
  preemptions = 0
  state: 'new' | 'waiting' | 'running' | 'over' = 'new'
  /** Its reader is behind: keeps its memory, gets no token. */
  isPaused = false

  constructor(promptTokens: number, tokensMax: number, keys: BlockKeys) {
    this.promptTokens = promptTokens
    this.tokensMax = tokensMax
    this.keys = keys
    this.known = promptTokens
  }
}

export class Batch<S extends Sequence = Sequence> {
  readonly #limits: BatchLimits
  readonly #cost: Cost
  readonly #pool: BlockPool
  /** First come first; the preempted go to the front. */
  readonly #waiting: S[] = []
  readonly #running: S[] = []
  /** Since the start. */
  preemptions = 0

  constructor(limits: BatchLimits, cost: Cost) {
    this.#limits = limits
    this.#cost = cost
    this.#pool = new BlockPool(Math.floor(limits.kvTokens / limits.blockTokens))
  }

  get waiting(): number {
    return this.#waiting.length
  }

  get running(): number {
    return this.#running.length
  }

  get blocksFree(): number {
    return this.#pool.free
  }

  get blocks(): number {
    return this.#pool.total
  }

  add(sequence: S): void {
    sequence.state = 'waiting'
    this.#waiting.push(sequence)
  }

  /** Whatever it is doing; its memory is free at once. */
  remove(sequence: S): void {
    const queue = sequence.state === 'running' ? this.#running : this.#waiting
    const at = queue.indexOf(sequence)
    if (at >= 0) queue.splice(at, 1)
    this.#pool.release(sequence.holding)
    sequence.state = 'over'
  }

  /** Of a prompt's tokens, those that need not be computed again: whole blocks, and never the last token. */
  cachedTokens(promptTokens: number, keys: BlockKeys): number {
    return this.#hits(promptTokens, keys) * this.#limits.blockTokens
  }

  /** What the next iteration computes; undefined where nothing can be. */
  plan(): Step<S> | undefined {
    const load: Load = { tokens: 0, sequences: 0, contextTokens: 0, pairs: 0 }
    const sampled: S[] = []
    const admitted: S[] = []
    const { maxNumBatchedTokens, maxNumSeqs } = this.#limits
    let budget = maxNumBatchedTokens
    let hasPreempted = false
    for (let at = 0; at < this.#running.length && budget > 0; at += 1) {
      const sequence = this.#running[at]
      if (!sequence || sequence.isPaused) continue
      const tokens = Math.min(missing(sequence), budget)
      if (tokens === 0) continue
      while (!this.#fits(sequence, tokens)) {
        hasPreempted = true
        const victim = this.#running.at(-1)
        if (!victim) break
        this.#preempt(victim)
        if (victim === sequence) break
      }
      if (sequence.state !== 'running') break
      budget -= tokens
      this.#take(sequence, tokens, load, sampled)
    }
    while (!hasPreempted && budget > 0 && this.#running.length < maxNumSeqs) {
      const sequence = this.#waiting[0]
      if (!sequence) break
      const tokens = this.#admit(sequence, budget)
      if (tokens === 0) break
      this.#waiting.shift()
      this.#running.push(sequence)
      admitted.push(sequence)
      sequence.state = 'running'
      budget -= tokens
      this.#take(sequence, tokens, load, sampled)
    }
    if (load.tokens === 0) return undefined
    return { sampled, admitted, load, durationMs: iterationMs(this.#cost, load) }
  }

  /** The iteration is over: its tokens are there, and who has all of its own leaves. */
  settle({ sampled }: Step<S>): void {
    for (const sequence of sampled) {
      if (sequence.state === 'over') continue
      sequence.produced += 1
      if (sequence.produced >= sequence.tokensMax) this.remove(sequence)
    }
  }

  #take(sequence: S, tokens: number, load: Load, sampled: S[]): void {
    const before = sequence.computed
    sequence.computed = before + tokens
    if (this.#limits.prefixCaching) {
      const full = Math.floor(sequence.computed / this.#limits.blockTokens)
      if (full > sequence.holding.offered) this.#pool.offer(sequence.holding, sequence.keys, full)
    }
    load.tokens += tokens
    if (tokens === 1) load.contextTokens += before
    else load.pairs += tokens * (before + tokens / 2)
    if (sequence.computed < sequence.known) return
    sequence.known += 1
    load.sequences += 1
    sampled.push(sequence)
  }

  #fits(sequence: S, tokens: number): boolean {
    const { holding, computed } = sequence
    const needed = this.#blocksOf(computed + tokens) - holding.blocks
    return needed <= 0 || this.#pool.take(holding, needed)
  }

  /** The tokens it begins with, or 0 where its whole prompt has no room yet. */
  #admit(sequence: S, budget: number): number {
    const { holding, keys, known } = sequence
    const hits = this.#hits(known, keys)
    const room = this.#pool.free - this.#pool.idleAmong(keys, hits)
    if (this.#blocksOf(known) - hits > room) return 0
    this.#pool.share(holding, keys, hits)
    sequence.computed = hits * this.#limits.blockTokens
    sequence.cachedTokens = sequence.computed
    const tokens = Math.min(known - sequence.computed, budget)
    this.#pool.take(holding, this.#blocksOf(sequence.computed + tokens) - hits)
    return tokens
  }

  /** All is computed again, but for what the cache still has by then. */
  #preempt(sequence: S): void {
    this.#running.pop()
    this.#pool.release(sequence.holding)
    sequence.computed = 0
    sequence.preemptions += 1
    sequence.state = 'waiting'
    this.#waiting.unshift(sequence)
    this.preemptions += 1
  }

  #hits(tokens: number, keys: BlockKeys): number {
    if (!this.#limits.prefixCaching) return 0
    return this.#pool.hits(keys, Math.floor((tokens - 1) / this.#limits.blockTokens))
  }

  #blocksOf(tokens: number): number {
    return Math.ceil(tokens / this.#limits.blockTokens)
  }
}

/** The last token of an answer is never computed: nothing comes after it. */
function missing(sequence: Sequence): number {
  const isDecided = sequence.known - sequence.promptTokens >= sequence.tokensMax
  return isDecided ? 0 : sequence.known - sequence.computed
}

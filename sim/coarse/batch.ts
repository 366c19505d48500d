// A provider's engine in the coarse mode: all that decode advance together at the pace of the batch, prompts hold them up.

import { iterationMs } from '../model/engine/cost.ts'
import { costOf, type Profile } from '../model/engine/profile.ts'

/** One generation in the batch. */
export interface Sequence {
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly tokens: number
  /** Iterations a token, at least 1: more where vouchers come slower than tokens. */
  readonly stretch: number
  /** In iterations of its provider, since the start; set by the batch. */
  beginsAt: number
}

/**
 * Continuous batching as a fluid: time is counted in iterations, whose length follows from the batch as it is. A prompt is
 * prefilled in one go and holds the others up for as long as its tokens take; it begins at the next whole iteration.
 * Memory bounds who is in: a newcomer waits, first come first, until prompts and half of the answers fit. No preemption.
 */
export class CoarseBatch {
  readonly #profile: Profile
  readonly #cost: ReturnType<typeof costOf>
  readonly #running: Sequence[] = []
  readonly #waiting: Sequence[] = []
  #iterations = 0
  #paceMs = 0
  #syncedMs = 0
  /** Nothing decodes until then: a prompt is being computed, or the machine stands still. */
  #heldUntilMs = 0
  /** Sum of the contexts of those that decode. */
  #contextTokens = 0
  #memoryTokens = 0
  /** Prompt tokens computed since the start: tells how much the cache has seen since. */
  tokensPrefilled = 0

  constructor(profile: Profile) {
    this.#profile = profile
    this.#cost = costOf(profile)
  }

  get size(): number {
    return this.#running.length + this.#waiting.length
  }

  add(sequence: Sequence, nowMs: number): void {
    this.#sync(nowMs)
    this.#waiting.push(sequence)
    this.#admit(nowMs)
  }

  remove(sequence: Sequence, nowMs: number): void {
    this.#sync(nowMs)
    const waits = this.#waiting.indexOf(sequence)
    if (waits >= 0) this.#waiting.splice(waits, 1)
    const runs = this.#running.indexOf(sequence)
    if (runs >= 0) {
      this.#running.splice(runs, 1)
      this.#memoryTokens -= memoryOf(sequence)
      this.#contextTokens -= sequence.promptTokens + this.tokensOf(sequence)
    }
    this.#admit(nowMs)
  }

  clear(nowMs: number): void {
    this.#sync(nowMs)
    this.#running.length = 0
    this.#waiting.length = 0
    this.#contextTokens = 0
    this.#memoryTokens = 0
    this.#heldUntilMs = nowMs
  }

  hold(untilMs: number, nowMs: number): void {
    this.#sync(nowMs)
    this.#heldUntilMs = Math.max(this.#heldUntilMs, nowMs, untilMs)
  }

  /** Completion tokens it has when last looked at. */
  tokensOf({ beginsAt, stretch, tokens }: Sequence): number {
    return Math.min(tokens, Math.max(0, Math.floor((this.#iterations - beginsAt + 1e-9) / stretch)))
  }

  /** When it has so many tokens, if nothing changes; `Infinity` for one that waits for memory. */
  timeOf({ beginsAt, stretch }: Sequence, tokens: number): number {
    if (beginsAt === Number.POSITIVE_INFINITY) return beginsAt
    const left = Math.max(0, beginsAt + tokens * stretch - this.#iterations)
    return Math.max(this.#syncedMs, this.#heldUntilMs) + left * this.#paceMs
  }

  /** Milliseconds a token in the batch as it is. */
  get paceMs(): number {
    return this.#paceMs
  }

  sync(nowMs: number): void {
    this.#sync(nowMs)
    this.#repace()
  }

  #sync(nowMs: number): void {
    const fromMs = Math.max(this.#syncedMs, this.#heldUntilMs)
    if (nowMs > fromMs && this.#running.length > 0) {
      const iterations = (nowMs - fromMs) / this.#paceMs
      this.#iterations += iterations
      this.#contextTokens += iterations * this.#running.length
    }
    this.#syncedMs = Math.max(this.#syncedMs, nowMs)
  }

  #admit(nowMs: number): void {
    const { asyncScheduling, kvTokens, maxNumSeqs } = this.#profile
    while (this.#running.length < maxNumSeqs) {
      const sequence = this.#waiting[0]
      if (!sequence) break
      if (this.#running.length > 0 && this.#memoryTokens + memoryOf(sequence) > kvTokens) break
      this.#waiting.shift()
      // between two iterations; one later where the next is put together already
      const isIdle = this.#running.length === 0
      sequence.beginsAt = isIdle ? this.#iterations : Math.ceil(this.#iterations - 1e-9) + (asyncScheduling ? 1 : 0)
      this.#running.push(sequence)
      this.#memoryTokens += memoryOf(sequence)
      this.#contextTokens += sequence.promptTokens
      this.#heldUntilMs = Math.max(this.#heldUntilMs, nowMs) + this.#prefillMs(sequence)
    }
    this.#repace()
  }

  /** What its prompt adds to the iterations that would have run anyway. */
  #prefillMs({ cachedTokens, promptTokens }: Sequence): number {
    const tokens = promptTokens - cachedTokens
    this.tokensPrefilled += tokens
    const sequences = this.#running.length
    const contextTokens = this.#contextTokens
    const chunks = Math.ceil(tokens / this.#profile.maxNumBatchedTokens)
    const chunk = tokens / chunks
    const pairs = (tokens * (cachedTokens + tokens / 2)) / chunks
    const withIt = iterationMs(this.#cost, { tokens: chunk + sequences - 1, sequences, contextTokens, pairs })
    const without = iterationMs(this.#cost, { tokens: sequences, sequences, contextTokens, pairs: 0 })
    // the last chunk is the iteration that gives the first token: only what it takes longer than one without counts
    return (chunks - 1) * withIt + (withIt - without)
  }

  #repace(): void {
    const sequences = this.#running.length
    if (sequences === 0) {
      this.#contextTokens = 0
      this.#paceMs = 0
      return
    }
    const contextTokens = this.#contextTokens
    this.#paceMs = iterationMs(this.#cost, { tokens: sequences, sequences, contextTokens, pairs: 0 })
  }
}

function memoryOf({ promptTokens, tokens }: Sequence): number {
  return promptTokens + tokens / 2
}

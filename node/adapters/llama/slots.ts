// The context's sequences, each holding what its last request left: a new request takes the one that saves it most work.

import type { LlamaContextSequence, Token } from 'node-llama-cpp'
import { MeshError } from '../../../protocol/errors.ts'

export interface Slot {
  readonly sequence: LlamaContextSequence
  /** Another slot, perhaps at work, that holds much more of the beginning: copying it is quicker than evaluating it. */
  readonly donor?: { readonly sequence: LlamaContextSequence; readonly tokens: number } | undefined
}

interface State {
  readonly sequence: LlamaContextSequence
  free: boolean
  /** Turn of the last use: the least recently used slot is the one to overwrite. */
  usedTurn: number
}

interface Waiter {
  readonly tokenIds: readonly number[]
  readonly resolve: (slot: Slot) => void
}

/**
 * A copy moves all that a slot can hold, some milliseconds of memory traffic; evaluating this many tokens takes longer with
 * every model that is worth its memory.
 */
const donorTokensMin = 64

/**
 * Sequences are taken once and kept: their cells are the prompt cache. Requests of different consumers share them, so a
 * consumer can learn from the time or the cached count that somebody sent the same beginning before.
 */
export class Slots {
  readonly #slots: readonly State[]
  readonly #waiters: Waiter[] = []
  #turn = 0

  constructor(sequences: readonly LlamaContextSequence[]) {
    this.#slots = sequences.map((sequence) => ({ sequence, free: true, usedTurn: 0 }))
  }

  /** What the slot that a request would get now holds of its prompt, or would be given. The last token is always evaluated again. */
  cachedTokens(tokenIds: readonly number[]): number {
    const slot = this.#best(tokenIds)
    if (!slot) return 0
    return this.#donor(slot, tokenIds)?.tokens ?? reusable(slot, tokenIds)
  }

  /**
   * Rejects with `busy` when as many wait already as there are slots, with the signal's reason when it fires first.
   * Callers keep to the number of slots: who waits here waits for a cancelled request to leave its slot.
   */
  async take(tokenIds: readonly number[], signal: AbortSignal): Promise<Slot> {
    signal.throwIfAborted()
    const slot = this.#best(tokenIds)
    if (slot) return this.#occupy(slot, tokenIds)
    if (this.#waiters.length >= this.#slots.length) {
      throw new MeshError('busy', `all ${this.#slots.length} slots are decoding and as many requests wait`)
    }
    const { promise, resolve, reject } = Promise.withResolvers<Slot>()
    const waiter: Waiter = { tokenIds, resolve }
    this.#waiters.push(waiter)
    const leave = (): void => {
      const at = this.#waiters.indexOf(waiter)
      if (at < 0) return // a slot came first
      this.#waiters.splice(at, 1)
      reject(signal.reason)
    }
    signal.addEventListener('abort', leave, { once: true })
    try {
      return await promise
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  release(slot: Slot): void {
    const state = this.#slots.find(({ sequence }) => sequence === slot.sequence)
    if (!state) return
    state.free = true
    const next = this.#waiters.shift()
    if (!next) return
    const best = this.#best(next.tokenIds)
    if (best) next.resolve(this.#occupy(best, next.tokenIds))
  }

  #occupy(slot: State, tokenIds: readonly number[]): Slot {
    slot.free = false
    this.#turn += 1
    slot.usedTurn = this.#turn
    return { sequence: slot.sequence, donor: this.#donor(slot, tokenIds) }
  }

  #donor(slot: State, tokenIds: readonly number[]): Slot['donor'] {
    // States that cannot be cut at any token: what is copied could not be shortened to the common beginning.
    if (slot.sequence.needsCheckpoints) return undefined
    let tokens = reusable(slot, tokenIds) + donorTokensMin - 1
    let donor: State | undefined
    for (const other of this.#slots) {
      const shared = other === slot ? 0 : reusable(other, tokenIds)
      if (shared <= tokens) continue
      tokens = shared
      donor = other
    }
    return donor && { sequence: donor.sequence, tokens }
  }

  /**
   * The free slot with the longest common beginning, where that is the whole prompt or at least half of what the slot
   * holds: the same question, the same chat going on, another behind the same long instructions. Otherwise the least
   * recently used, so that a few shared words do not cost another chat its cache.
   */
  #best(tokenIds: readonly number[]): State | undefined {
    let best: State | undefined
    let bestTokens = 0
    let oldest: State | undefined
    for (const slot of this.#slots) {
      if (!slot.free) continue
      const tokens = reusable(slot, tokenIds)
      const worthwhile = tokens === tokenIds.length - 1 || tokens * 2 >= slot.sequence.nextTokenIndex
      if (worthwhile && tokens > bestTokens) {
        best = slot
        bestTokens = tokens
      }
      if (!oldest || slot.usedTurn < oldest.usedTurn) oldest = slot
    }
    return best ?? oldest
  }
}

function reusable(slot: Pick<Slot, 'sequence'>, tokenIds: readonly number[]): number {
  const { firstDifferentIndex } = slot.sequence.compareContextTokens(tokenIds as Token[])
  return Math.min(firstDifferentIndex, tokenIds.length - 1)
}

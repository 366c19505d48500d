// Between an engine and its stream: the first delta goes out at once; what follows within a few milliseconds, or while a
// frame is being sent, goes out as one.

import type { Clock, Delta, Finish } from '../ports.ts'
import { cancelled } from '../waits.ts'
import { type DeltaBounds, merged } from './deltas.ts'

export interface CoalesceParts {
  readonly clock: Clock
  /** How far apart two deltas are at least. Asked anew for each: it grows with the load. */
  readonly gapMs: () => number
  /** Of what is put together. */
  readonly bounds: DeltaBounds
  /** The answer ends with `length` before it would have more. */
  readonly tokensBudget: number
  readonly signal: AbortSignal
}

/** A timer is no more exact than this: for less nobody is made to wait. */
const timerMs = 1

type End = { readonly finish: Finish } | { readonly error: unknown }

/**
 * The deltas of a generation, fewer and larger. Runs ahead of whoever takes them by what is put together and one delta more.
 * Throws the signal's reason as soon as it fires, also while the engine says nothing; what was not taken then is dropped.
 * Where the engine fails, what it said before comes first. Does not end the generation.
 */
export async function* coalesced(
  generation: AsyncGenerator<Delta, Finish, undefined>,
  parts: CoalesceParts,
): AsyncGenerator<Delta, Finish, undefined> {
  const { clock, gapMs, signal } = parts
  const inbox = new Inbox(generation, parts)
  const wake = (): void => inbox.changed()
  signal.addEventListener('abort', wake)
  let sentAtMs = Number.NEGATIVE_INFINITY
  try {
    for (;;) {
      await inbox.until(() => inbox.hasSome || signal.aborted)
      const waitMs = sentAtMs + gapMs() - clock.now()
      if (waitMs > timerMs && !inbox.isComplete) {
        const nap = new AbortController()
        let isRested = false
        clock.sleep(waitMs, nap.signal).then(
          () => {
            isRested = true
            inbox.changed()
          },
          () => undefined,
        )
        await inbox.until(() => isRested || inbox.isComplete || signal.aborted)
        if (!isRested) nap.abort(rested)
      }
      if (signal.aborted) throw cancelled(signal)
      const delta = inbox.take()
      if (delta) {
        sentAtMs = clock.now()
        yield delta
      } else if (inbox.end) {
        if ('error' in inbox.end) throw inbox.end.error
        return inbox.end.finish
      }
    }
  } finally {
    signal.removeEventListener('abort', wake)
    inbox.leave()
  }
}

/** Ends a nap; without a reason each would make an error with a stack. */
const rested = new Error('rested')

/** What the engine has said and nobody has taken: one delta, as large as the bounds allow. */
class Inbox {
  readonly #bounds: DeltaBounds
  #held: Delta | undefined
  #isFull = false
  #end: End | undefined
  #isLeft = false
  #room: () => void = () => undefined
  #waiting: { readonly isMet: () => boolean; readonly resolve: () => void } | undefined

  constructor(generation: AsyncGenerator<Delta, Finish, undefined>, { bounds, tokensBudget }: CoalesceParts) {
    this.#bounds = bounds
    this.#fill(generation, tokensBudget).then(
      (end) => this.#over(end),
      (error: unknown) => this.#over({ error }),
    )
  }

  get hasSome(): boolean {
    return this.#held !== undefined || this.#end !== undefined
  }

  /** Nothing can be added to what is held. */
  get isComplete(): boolean {
    return this.#isFull || this.#end !== undefined
  }

  /** Set once the engine has ended; what is held comes before it. */
  get end(): End | undefined {
    return this.#end
  }

  take(): Delta | undefined {
    const held = this.#held
    this.#held = undefined
    this.#isFull = false
    this.#room()
    return held
  }

  /** Nobody takes any more. */
  leave(): void {
    this.#isLeft = true
    this.#room()
  }

  /** One waits at a time. */
  until(isMet: () => boolean): Promise<void> | undefined {
    if (isMet()) return undefined
    return new Promise((resolve) => {
      this.#waiting = { isMet, resolve }
    })
  }

  changed(): void {
    if (!this.#waiting?.isMet()) return
    this.#waiting.resolve()
    this.#waiting = undefined
  }

  async #fill(generation: AsyncGenerator<Delta, Finish, undefined>, tokensBudget: number): Promise<End> {
    let tokens = 0
    for (;;) {
      const next = await generation.next()
      if (next.done) return { finish: next.value }
      tokens += next.value.tokens
      if (tokens > tokensBudget) return { finish: 'length' }
      while (!this.#add(next.value)) {
        this.#isFull = true
        this.changed()
        await new Promise<void>((resolve) => {
          this.#room = resolve
        })
      }
      if (this.#isLeft) return { finish: 'stop' }
      this.changed()
    }
  }

  #add(delta: Delta): boolean {
    if (this.#isLeft) return true
    const held = this.#held ? merged(this.#held, delta, this.#bounds) : delta
    if (!held) return false
    this.#held = held
    return true
  }

  #over(end: End): void {
    this.#end = end
    this.changed()
  }
}

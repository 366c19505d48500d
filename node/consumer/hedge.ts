// A second provider for an answer that is slow to begin: whoever delivers first goes on, and the other is left.

import type { EndReason } from '../../protocol/frames.ts'
import type { Hedge, InferenceEvent } from '../inference.ts'

export interface Racer {
  next(): Promise<IteratorResult<InferenceEvent, EndReason>>
}

export interface Rules<R> {
  /** Resolves with the second when it is due, or with nothing where there is none to ask. Never rejects. */
  readonly second: () => Promise<R | undefined>
  /** One of two failed, and `other` goes on alone. */
  readonly failed: (racer: R, failure: unknown, other: R) => void
}

/** What came before the first piece of an answer, and from whom. */
interface Told<R> {
  readonly racer: R
  readonly event: InferenceEvent
}

interface Won<R> {
  readonly winner: R
  /** Runs on until it is told otherwise. */
  readonly loser: R | undefined
  /** The first piece of the answer, or the end of one that is empty. */
  readonly step: IteratorResult<InferenceEvent, EndReason>
}

type News<R> =
  | { readonly racer: R; readonly step: IteratorResult<InferenceEvent, EndReason> }
  | { readonly racer: R; readonly failure: unknown }
  | { readonly second: R | undefined }

/** Of the second nothing is told before it leads. Throws what the last one failed with. */
export async function* race<R extends Racer>(first: R, rules: Rules<R>): AsyncGenerator<Told<R>, Won<R>, undefined> {
  let lead = first
  let rival: R | undefined
  const held: InferenceEvent[] = [] // of the rival
  const awaited = new Map<R | 'second', Promise<News<R>>>([
    [first, pull(first)],
    ['second', rules.second().then((second) => ({ second }))],
  ])
  for (;;) {
    const news = await Promise.race(awaited.values())
    if ('second' in news) {
      awaited.delete('second')
      rival = news.second
      if (rival) awaited.set(rival, pull(rival))
      continue
    }
    const { racer } = news
    awaited.delete(racer)
    if ('failure' in news) {
      if (!rival) throw news.failure
      const other = racer === lead ? rival : lead
      rules.failed(racer, news.failure, other)
      rival = undefined
      if (other !== lead) for (const event of held.splice(0)) yield { racer: other, event }
      lead = other
      continue
    }
    const { step } = news
    if (step.done || isAnswer(step.value)) {
      if (racer !== lead) for (const event of held) yield { racer, event }
      return { winner: racer, loser: racer === lead ? rival : lead, step }
    }
    if (racer === lead) yield { racer, event: step.value }
    else held.push(step.value)
    awaited.set(racer, pull(racer))
  }
}

async function pull<R extends Racer>(racer: R): Promise<News<R>> {
  try {
    return { racer, step: await racer.next() }
  } catch (failure) {
    return { racer, failure }
  }
}

function isAnswer(event: InferenceEvent): boolean {
  return event.type === 'embedding' || (event.type === 'delta' && event.tokens > 0)
}

/** One in twenty is beyond a p95: of fewer nobody could say which. */
const samplesMin = 20
/** Enough that the sixth largest, the p95, does not jump with each; few enough to follow a changing mesh. */
const samplesMax = 128
/** A caller's text names them: bounded. */
const modelsMax = 64

/**
 * How long recent answers took to begin, by the model asked for. One that a second provider began counts with all of its
 * time, so that hedging does not lower the bound it goes by: what was hedged is beyond the bound, as one in twenty is.
 */
export class FirstTokens {
  /** By model, the one used longest ago first; samples oldest first. */
  readonly #samples = new Map<string, number[]>()

  note(model: string, ms: number): void {
    const samples = this.#samples.get(model) ?? []
    samples.push(ms)
    if (samples.length > samplesMax) samples.shift()
    this.#samples.delete(model)
    this.#samples.set(model, samples)
    for (const oldest of this.#samples.keys()) {
      if (this.#samples.size <= modelsMax) break
      this.#samples.delete(oldest)
    }
  }

  /** How long to wait for a first token before a second provider is asked; undefined where that is not known yet. */
  patienceMs(hedge: Hedge, model: string): number | undefined {
    if (hedge !== 'p95') return hedge
    const samples = this.#samples.get(model) ?? []
    if (samples.length < samplesMin) return undefined
    return samples.toSorted((a, b) => a - b)[Math.ceil(0.95 * samples.length) - 1]
  }
}

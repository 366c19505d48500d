// The inferences of one request, run side by side: their events in one sequence, each asked for when the one before was taken.

import { MeshError } from '../../protocol/errors.ts'
import type { Inference, InferenceEvent, InferenceRequest, InferenceResult } from '../inference.ts'

export type Step =
  | { readonly type: 'event'; readonly run: number; readonly event: InferenceEvent }
  | { readonly type: 'ended'; readonly run: number; readonly result: InferenceResult }
  | { readonly type: 'all-ended'; readonly run: number; readonly results: readonly InferenceResult[] }

type Running = AsyncIterator<InferenceEvent, InferenceResult, undefined>
type Outcome = IteratorResult<InferenceEvent, InferenceResult>

export class Runs {
  readonly #running: readonly Running[]
  readonly #results = new Map<number, InferenceResult>()
  /** Ends what runs on beside one that failed. */
  readonly #left = new AbortController()
  /** Taken from its generator and not yet from here: at most one a run. */
  readonly #ready: { readonly run: number; readonly outcome: PromiseSettledResult<Outcome> }[] = []
  #wake: (() => void) | undefined
  #isStarted = false

  constructor(inference: Inference, requests: readonly InferenceRequest[], signal: AbortSignal) {
    // A lone run is ended by leaving its generator; only one among several may be in the middle of a step then.
    const each = requests.length === 1 ? signal : AbortSignal.any([signal, this.#left.signal])
    this.#running = requests.map((request) => inference.infer(request, each))
  }

  /** Of the runs that ended, in the order of their requests. */
  get results(): readonly InferenceResult[] {
    return this.#running.flatMap((_, run) => this.#results.get(run) ?? [])
  }

  /** Rejects with the failure of any run. Not called again after that, nor after `all-ended`. */
  async next(): Promise<Step> {
    const [only, ...others] = this.#running
    if (only && others.length === 0) return this.#step(0, await only.next())
    if (!this.#isStarted) for (const run of this.#running.keys()) this.#pull(run)
    this.#isStarted = true
    for (;;) {
      const first = this.#ready.shift()
      if (first?.outcome.status === 'rejected') throw first.outcome.reason
      if (first) {
        if (!first.outcome.value.done) this.#pull(first.run)
        return this.#step(first.run, first.outcome.value)
      }
      await new Promise<void>((wake) => {
        this.#wake = wake
      })
    }
  }

  /** Lets the generators clean up: those between two steps now, one in the middle of a step by its signal. */
  leave(): void {
    if (this.#running.length > 1) this.#left.abort(new MeshError('cancelled', 'another part of the request ended'))
    for (const running of this.#running) running.return?.().catch(() => undefined) // as it was told to
  }

  #pull(run: number): void {
    const settled = (outcome: PromiseSettledResult<Outcome>): void => {
      this.#ready.push({ run, outcome })
      this.#wake?.()
    }
    this.#running[run]?.next().then(
      (value) => settled({ status: 'fulfilled', value }),
      (reason: unknown) => settled({ status: 'rejected', reason }),
    )
  }

  #step(run: number, outcome: Outcome): Step {
    if (!outcome.done) return { type: 'event', run, event: outcome.value }
    const result = outcome.value
    if (result.finish === 'cancelled') throw new MeshError('cancelled', 'the request was cancelled')
    this.#results.set(run, result)
    if (this.#results.size < this.#running.length) return { type: 'ended', run, result }
    return { type: 'all-ended', run, results: this.results }
  }
}

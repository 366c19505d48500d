// What a caller has of its answer so far, from whichever providers: what the next one goes on from.

import { MeshError } from '../../protocol/errors.ts'
import type { EndReason } from '../../protocol/frames.ts'
import type { ModelKey, PeerId } from '../../protocol/ids.ts'
import { noUsage, type Usage } from '../../protocol/money.ts'
import { type Said, type Task, taskOf } from '../../protocol/task.ts'
import type { Candidate } from './directory.ts'

export class Progress {
  readonly #task: Task
  #text = ''
  readonly #tokenIds: number[] = []
  #usage: Usage = noUsage
  /** Their count, and the values of each. */
  #vectors = { count: 0, values: 0 }
  #modelKey: ModelKey | undefined

  constructor(task: Task) {
    this.#task = task
  }

  get text(): string {
    return this.#text
  }

  get tokenIds(): readonly number[] {
    return this.#tokenIds
  }

  /** The prompt once, whatever the number of providers. */
  get usage(): Usage {
    return this.#usage
  }

  get tokens(): number {
    return this.#usage.completionTokens
  }

  /** Set once something was delivered: only the same weights can go on from there. */
  get modelKey(): ModelKey | undefined {
    return this.#modelKey
  }

  get isBegun(): boolean {
    return this.#modelKey !== undefined
  }

  /** What is left of the task. */
  rest(): Task {
    const { inputs, sampling } = this.#task
    const { tokensMax } = sampling
    return {
      ...taskOf(this.#task),
      ...(inputs && { inputs: inputs.slice(this.#vectors.count) }),
      ...(tokensMax !== undefined && { sampling: { ...sampling, tokensMax: tokensMax - this.tokens } }),
    }
  }

  /** The end that it has reached, where everything that was asked for is here, however its provider ended. */
  wholeAs(): EndReason | undefined {
    const { inputs, sampling } = this.#task
    if (inputs) return this.#vectors.count === inputs.length ? 'stop' : undefined
    return this.isBegun && this.tokens >= (sampling.tokensMax ?? Number.POSITIVE_INFINITY) ? 'length' : undefined
  }

  /** Of whoever begins it. One that takes over later prefills what others delivered, and the caller asked for one prompt. */
  accepted({ promptTokens, cachedTokens }: Usage): void {
    if (!this.isBegun) this.#usage = { promptTokens, cachedTokens, completionTokens: 0 }
  }

  said({ text, tokenIds, tokens }: Said, { offer }: Candidate): void {
    this.#modelKey = offer.modelKey
    this.#text += text
    for (const id of tokenIds) this.#tokenIds.push(id)
    this.unread(tokens)
  }

  /** Delivered when the caller had left, and paid. */
  unread(tokens: number): void {
    this.#usage = { ...this.#usage, completionTokens: this.tokens + tokens }
  }

  /** Returns the place of its input. Throws where it is of another length than those before it. */
  embedded({ length }: Float32Array, peer: PeerId, { offer }: Candidate): number {
    const { count, values } = this.#vectors
    if (count > 0 && length !== values) {
      const what = `sent a vector of ${length} values where others have ${values}`
      throw new MeshError('protocol-violation', `${peer} ${what}`)
    }
    this.#vectors = { count: count + 1, values: length }
    this.#modelKey = offer.modelKey
    return count
  }
}

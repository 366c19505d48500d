// The mesh as one call with an API key may use it: the key's models only, and for no more than was held.

import { MeshError } from '../../protocol/errors.ts'
import type { Nano } from '../../protocol/money.ts'
import type { Inference, InferenceEvent, InferenceRequest, InferenceResult, ServedModel } from '../inference.ts'
import { BudgetError, type Budgets, type Hold } from './budgets.ts'
import { type ApiKey, type Bearer, mayUse } from './keys.ts'

export interface KeyedParts {
  readonly inference: Inference
  readonly budgets: Budgets | undefined
  /** The most that one request at the mesh may cost; the node's own bound. */
  readonly requestNanoMax: Nano
  /** Providers tried for one request, each of which may be paid for the prompt. */
  readonly attemptsMax: number
}

export interface KeyedCall {
  /** Requests at the mesh that the call makes (`n`). They share its `max_cost` and one hold. */
  readonly choices: number
  /** Fires when the call is over and makes no more of them. */
  readonly ended: AbortSignal
}

/** In place of the node's own inference, for one call. */
export function keyed(parts: KeyedParts, bearer: Bearer, call: KeyedCall): Inference {
  if (bearer !== 'owner') return new KeyedInference(parts, bearer, call)
  const { inference } = parts
  if (call.choices === 1) return inference
  const share = (nano: Nano | undefined) => (nano === undefined ? undefined : nano / BigInt(call.choices))
  return {
    models: () => inference.models(),
    infer: (request, signal) => inference.infer({ ...request, costNanoMax: share(request.costNanoMax) }, signal),
  }
}

/** What the key's holder is shown of the mesh. */
export function modelsFor(bearer: Bearer, models: readonly ServedModel[]): readonly ServedModel[] {
  if (bearer === 'owner') return models
  return models.filter(({ name, key }) => mayUse(bearer, name) || mayUse(bearer, key))
}

class KeyedInference implements Inference {
  readonly #parts: KeyedParts
  readonly #key: ApiKey
  readonly #call: KeyedCall
  #holding: Promise<Hold> | undefined
  /** Of the hold: the cost of what has ended, and the shares of what has not. */
  #promisedNano: Nano = 0n
  #running = 0

  constructor(parts: KeyedParts, key: ApiKey, call: KeyedCall) {
    this.#parts = parts
    this.#key = key
    this.#call = call
    call.ended.addEventListener('abort', () => this.#settle(), { once: true })
  }

  models(): readonly ServedModel[] {
    return modelsFor(this.#key, this.#parts.inference.models())
  }

  async *infer(
    request: InferenceRequest,
    signal: AbortSignal,
  ): AsyncGenerator<InferenceEvent, InferenceResult, undefined> {
    if (!mayUse(this.#key, request.model)) {
      throw new MeshError(
        'forbidden',
        `the API key "${this.#key.name}" may not use the model ${JSON.stringify(request.model.slice(0, 96))}, ` +
          `only ${this.#key.models?.join(', ')}`,
        { param: 'model' },
      )
    }
    this.#running += 1
    let shareNano: Nano = 0n
    /** Until told otherwise an accepted request cost all it could. */
    let costNano: Nano = 0n
    let told: Nano | undefined
    let hold: Hold | undefined
    try {
      this.#holding ??= this.#hold(request)
      hold = await this.#holding
      shareNano = least(hold.nano / BigInt(this.#call.choices), hold.nano - this.#promisedNano)
      this.#promisedNano += shareNano
      const events: AsyncIterator<InferenceEvent, InferenceResult> = this.#parts.inference.infer(
        { ...request, costNanoMax: shareNano, spent: (nano) => (told = nano) },
        signal,
      )
      let isOver = false
      try {
        for (;;) {
          const step = await events.next()
          if (step.done) {
            isOver = true
            costNano = step.value.costNano
            return step.value
          }
          if (step.value.type === 'accepted') costNano = shareNano
          yield step.value
        }
      } catch (error) {
        isOver = true
        throw error
      } finally {
        // left by its reader: the request accounts for itself before it ends; what it returns nobody reads
        if (!isOver) await events.return?.()
      }
    } catch (error) {
      throw this.#explain(error, hold)
    } finally {
      this.#promisedNano += (told ?? costNano) - shareNano
      this.#running -= 1
      this.#settle()
    }
  }

  #hold(request: InferenceRequest): Promise<Hold> {
    const { budgets } = this.#parts
    if (!budgets) throw new TypeError('a key with limits at a gateway without budgets')
    return budgets.hold(this.#key, this.#ceilingNano(request))
  }

  /**
   * The least of what the caller allows, what the node allows, and what the model could cost at the dearest provider known,
   * with a context full of prompt and one full of completion at each attempt: a loose bound, but without it one request
   * would hold a whole budget, and no other could run beside it.
   */
  #ceilingNano({ costNanoMax, inputs, model }: InferenceRequest): Nano {
    const { attemptsMax, inference, requestNanoMax } = this.#parts
    const served = inference.models().filter(({ name, key }) => name === model || key === model)
    const tokensFactor = BigInt(attemptsMax * (inputs?.length ?? 1))
    const dearest = served.map(({ contextTokens, priceMax: { promptNano, completionNano } }) => {
      return (BigInt(contextTokens) * tokensFactor * (promptNano + completionNano)) / 1_000_000n + 1n
    })
    const modelNano = dearest.length === 0 ? requestNanoMax : dearest.reduce((a, b) => (a > b ? a : b))
    const callNano = BigInt(this.#call.choices) * least(requestNanoMax, modelNano)
    return costNanoMax === undefined ? callNano : least(costNanoMax, callNano)
  }

  /** The consumer knows only the ceiling it was given; here it is known where that came from. */
  #explain(error: unknown, hold: Hold | undefined): unknown {
    if (!(error instanceof MeshError) || error.code !== 'over-budget' || error instanceof BudgetError) return error
    const { short } = hold ?? {}
    if (!short) return error
    return new BudgetError(`${error.message}; ${short.message}`, short.budget, short.leftNano, short.retryAfterMs)
  }

  /** The hold ends with the call, once all it asked for have told what they cost. */
  #settle(): void {
    if (!this.#call.ended.aborted || this.#running > 0 || !this.#holding) return
    const holding = this.#holding
    const spentNano = this.#promisedNano
    this.#holding = undefined
    this.#promisedNano = 0n
    holding.then(
      (hold) => hold.end(spentNano),
      () => undefined, // nothing was held
    )
  }
}

function least(a: Nano, b: Nano): Nano {
  return a < b ? a : b
}

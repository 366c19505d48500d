// The plan's requests in columns: a million of them are a few dozen megabytes.

import type { Plan } from '../plan.ts'

export interface Requests {
  readonly count: number
  /** By arrival. */
  readonly atMs: Float64Array
  readonly consumer: Int32Array
  readonly model: Int32Array
  readonly promptTokens: Int32Array
  readonly completionTokens: Int32Array
  readonly conversation: Int32Array
  /** Requests of each conversation. */
  readonly turns: Uint32Array
  /** 0 for one that stays. */
  readonly leaveAfterTokens: Int32Array
}

/** `consumers` and `models` number the names. Throws `RangeError` for a consumer that is none. */
export function requestColumns(
  { requests }: Pick<Plan, 'requests'>,
  consumers: ReadonlyMap<string, number>,
  models: Map<string, number>,
): Requests {
  const count = requests.length
  const columns = {
    turns: new Uint32Array(count),
    count,
    atMs: new Float64Array(count),
    consumer: new Int32Array(count),
    model: new Int32Array(count),
    promptTokens: new Int32Array(count),
    completionTokens: new Int32Array(count),
    conversation: new Int32Array(count),
    leaveAfterTokens: new Int32Array(count),
  }
  const conversations = new Map<string, number>()
  for (const [at, request] of requests.entries()) {
    const consumer = consumers.get(request.consumer)
    if (consumer === undefined) throw new RangeError(`request ${at} of "${request.consumer}", which is no consumer`)
    columns.atMs[at] = request.atMs
    columns.consumer[at] = consumer
    columns.model[at] = numberOf(models, request.model)
    columns.promptTokens[at] = request.promptTokens
    columns.completionTokens[at] = request.completionTokens
    const conversation = numberOf(conversations, request.conversation)
    columns.conversation[at] = conversation
    columns.turns[conversation] = (columns.turns[conversation] ?? 0) + 1
    columns.leaveAfterTokens[at] = request.leaveAfterTokens ?? 0
  }
  return columns
}

export function numberOf(numbers: Map<string, number>, name: string): number {
  const known = numbers.get(name)
  if (known !== undefined) return known
  numbers.set(name, numbers.size)
  return numbers.size - 1
}

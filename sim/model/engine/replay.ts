// A list of requests through a modelled engine, without clients: for calibration and validation.

import { Batch, Sequence, type Step } from './batch.ts'
import type { Cost } from './cost.ts'
import type { Profile } from './profile.ts'

export interface ReplayedRequest {
  /** From any instant. */
  readonly arrivalMs: number
  readonly promptTokens: number
  readonly completionTokens: number
}

export interface Replayed {
  /** When the engine took notice: between two iterations. */
  readonly queuedMs: number
  /** When it was first put into an iteration. */
  readonly scheduledMs: number
  readonly firstTokenMs: number
  readonly lastTokenMs: number
  readonly preemptions: number
}

/** Told of every iteration as it ends. */
export type OnStep = (step: Step, startMs: number, endMs: number) => void

/** Results in the order of the requests. Throws `RangeError` for a request that the profile has no room for. */
export function replay(
  requests: readonly ReplayedRequest[],
  profile: Profile,
  cost: Cost,
  onStep?: OnStep,
): Replayed[] {
  const batch = new Batch<Numbered>(profile, cost)
  const sequences = requests.map(({ promptTokens, completionTokens }, at) => {
    if (promptTokens < 1 || completionTokens < 1 || promptTokens + completionTokens > profile.contextTokens) {
      throw new RangeError(
        `request ${at + 1} has ${promptTokens} prompt and ${completionTokens} completion tokens, expected at least 1 of each and at most ${profile.contextTokens} together (contextTokens of ${profile.name})`,
      )
    }
    return new Numbered(at, promptTokens, completionTokens)
  })
  const order = requests.map((_, at) => at).sort((a, b) => arrival(a) - arrival(b) || a - b)
  const queuedMs = new Float64Array(requests.length)
  const scheduledMs = new Float64Array(requests.length)
  const firstTokenMs = new Float64Array(requests.length)
  const lastTokenMs = new Float64Array(requests.length)
  let arrived = 0
  let nowMs = arrival(order[0] ?? 0)
  let ahead: Step<Numbered> | undefined
  const poll = (): void => {
    for (; arrived < order.length; arrived += 1) {
      const at = order[arrived] ?? 0
      const sequence = sequences[at]
      if (!sequence || arrival(at) > nowMs) return
      queuedMs[at] = nowMs
      batch.add(sequence)
    }
  }
  const plan = (): Step<Numbered> | undefined => {
    const step = batch.plan()
    for (const { number, preemptions } of step?.admitted ?? []) if (preemptions === 0) scheduledMs[number] = nowMs
    return step
  }
  for (;;) {
    poll()
    const current = ahead ?? plan()
    ahead = undefined
    if (!current) {
      if (arrived === order.length) break
      nowMs = Math.max(nowMs, arrival(order[arrived] ?? 0))
      continue
    }
    if (profile.asyncScheduling) ahead = plan()
    const startMs = nowMs
    nowMs += current.durationMs
    for (const sequence of current.sampled) {
      if (sequence.produced === 0) firstTokenMs[sequence.number] = nowMs
      if (sequence.produced === sequence.tokensMax - 1) lastTokenMs[sequence.number] = nowMs
    }
    batch.settle(current)
    onStep?.(current, startMs, nowMs)
  }
  return sequences.map((sequence, at) => ({
    queuedMs: queuedMs[at] ?? 0,
    scheduledMs: scheduledMs[at] ?? 0,
    firstTokenMs: firstTokenMs[at] ?? 0,
    lastTokenMs: lastTokenMs[at] ?? 0,
    preemptions: sequence.preemptions,
  }))

  function arrival(at: number): number {
    return requests[at]?.arrivalMs ?? 0
  }
}

class Numbered extends Sequence {
  readonly number: number

  /** A log does not tell what was said: no two requests share a block, but a preempted one finds its own again. */
  constructor(number: number, promptTokens: number, tokensMax: number) {
    super(promptTokens, tokensMax, (block) => number * 2 ** 21 + block)
    this.number = number
  }
}

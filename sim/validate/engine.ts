// The modelled engine held against what a real engine logged: the same requests, replayed.

import type { LoggedRequest } from '../model/engine/log.ts'
import { readEngineLog } from '../model/engine/log.ts'
import { costOf, loadProfile, type Profile } from '../model/engine/profile.ts'
import { replay } from '../model/engine/replay.ts'
import { meanOf, quantileOf } from '../report/statistics.ts'

export interface Latencies {
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
}

/** Each counts from when the engine took notice of a request, as vLLM's own metrics do. */
export interface EngineLatencies {
  readonly ttftMs: Latencies
  /** From the first token to the last, a token after the first; of answers of one token there is none. */
  readonly tpotMs: Latencies
  readonly e2eMs: Latencies
}

export interface EngineFigures extends EngineLatencies {
  readonly logged: EngineLatencies
  /** Modelled over logged, less 1. */
  readonly relativeError: EngineLatencies
  /** The largest of those, as a size. */
  readonly worstError: number
  readonly requests: number
  readonly preemptions: number
  readonly iterations: number
  readonly profile: string
}

export interface ValidateEngineOptions {
  /** JSON lines, one JSON array or CSV, with the fields of LLMServingSim’s bench. */
  readonly logPath: string
  /** One that comes along by name, the path of one, or one itself. */
  readonly profile: string | Profile
}

/** Throws `RangeError` naming file, line and field. */
export function validateEngine({ logPath, profile: named }: ValidateEngineOptions): EngineFigures {
  const profile = typeof named === 'string' ? loadProfile(named) : named
  const log = readEngineLog(logPath)
  const requests = log.map(({ arrivalMs, promptTokens, completionTokens }) => ({
    arrivalMs,
    promptTokens,
    completionTokens,
  }))
  let iterations = 0
  const replayed = replay(requests, profile, costOf(profile), () => {
    iterations += 1
  })
  const modelled = latenciesOf(
    replayed.map((times, at) => ({ ...times, completionTokens: log[at]?.completionTokens ?? 1 })),
  )
  const logged = latenciesOf(log)
  const relativeError = compared(modelled, logged)
  return {
    ...modelled,
    logged,
    relativeError,
    worstError: Math.max(
      ...Object.values(relativeError).flatMap((each: Latencies) => Object.values(each).map(Math.abs)),
    ),
    requests: log.length,
    preemptions: replayed.reduce((sum, { preemptions }) => sum + preemptions, 0),
    iterations,
    profile: profile.name,
  }
}

type Times = Pick<LoggedRequest, 'completionTokens' | 'queuedMs' | 'firstTokenMs' | 'lastTokenMs'>

function latenciesOf(requests: readonly Times[]): EngineLatencies {
  return {
    ttftMs: distributionOf(requests.map(({ queuedMs, firstTokenMs }) => firstTokenMs - queuedMs)),
    tpotMs: distributionOf(
      requests
        .filter(({ completionTokens }) => completionTokens > 1)
        .map(
          ({ completionTokens, firstTokenMs, lastTokenMs }) => (lastTokenMs - firstTokenMs) / (completionTokens - 1),
        ),
    ),
    e2eMs: distributionOf(requests.map(({ queuedMs, lastTokenMs }) => lastTokenMs - queuedMs)),
  }
}

function compared(modelled: EngineLatencies, logged: EngineLatencies): EngineLatencies {
  const relative = (a: Latencies, b: Latencies): Latencies => ({
    mean: errorOf(a.mean, b.mean),
    p50: errorOf(a.p50, b.p50),
    p90: errorOf(a.p90, b.p90),
    p99: errorOf(a.p99, b.p99),
  })
  return {
    ttftMs: relative(modelled.ttftMs, logged.ttftMs),
    tpotMs: relative(modelled.tpotMs, logged.tpotMs),
    e2eMs: relative(modelled.e2eMs, logged.e2eMs),
  }
}

function errorOf(modelled: number, logged: number): number {
  return logged === 0 ? 0 : modelled / logged - 1
}

function distributionOf(values: readonly number[]): Latencies {
  const sorted = Float64Array.from(values).sort()
  const percentile = (share: number): number => quantileOf(sorted, share) ?? 0
  return { mean: meanOf(sorted) ?? 0, p50: percentile(0.5), p90: percentile(0.9), p99: percentile(0.99) }
}

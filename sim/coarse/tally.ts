// Figures over all requests of a coarse run, of which the record keeps a sample.

import { summaryMetrics } from '../metrics.ts'
import type { RequestRecord } from '../record.ts'
import { meanOf, quantileOf } from '../report/statistics.ts'
import { Column } from './heap.ts'

/** How a request ended, for the figures; the record's own type has its names. */
export interface Ended {
  readonly record: RequestRecord
  readonly queueMs: number
}

export class Tally {
  readonly #counts = { ok: 0, failed: 0, left: 0, lost: 0 }
  readonly #ttftMs = new Column()
  readonly #e2eMs = new Column()
  readonly #tpotMs = new Column()
  readonly #queueMs = new Column()
  #promptTokens = 0
  #completionTokens = 0
  #cachedTokens = 0
  #streamedMs = 0
  #gaps = 0
  #asked = 0
  #attempts = 0
  #retries = 0
  #failovers = 0
  #failedOver = 0
  #paidNano = 0
  #paidTokens = 0
  #stalenessMs = 0
  #choices = 0
  /** All that ended, whether or not measured. */
  done = 0
  failed = 0

  ended({ record, queueMs }: Ended): void {
    if (record.outcome === 'failed') this.failed += 1
    else if (record.outcome === 'ok') this.done += 1
    if (!record.isMeasured) return
    const {
      arrivalMs,
      attempts,
      cachedTokens,
      completionTokens,
      endMs,
      failovers,
      firstTokenMs,
      outcome,
      promptTokens,
    } = record
    this.#counts[outcome] += 1
    if (attempts > 0) {
      this.#asked += 1
      this.#attempts += attempts
      this.#retries += attempts - 1 - failovers
    }
    this.#failovers += failovers
    this.#paidNano += Number(record.costNano)
    this.#paidTokens += promptTokens + completionTokens
    if (outcome !== 'ok') return
    if (failovers > 0) this.#failedOver += 1
    this.#promptTokens += promptTokens
    this.#completionTokens += completionTokens
    this.#cachedTokens += cachedTokens
    this.#e2eMs.push(endMs - arrivalMs)
    this.#queueMs.push(queueMs)
    if (firstTokenMs === undefined) return
    this.#ttftMs.push(firstTokenMs - arrivalMs)
    if (completionTokens < 2) return
    this.#tpotMs.push((endMs - firstTokenMs) / (completionTokens - 1))
    this.#streamedMs += endMs - firstTokenMs
    this.#gaps += completionTokens - 1
  }

  /** A consumer chose by an advert of this age. */
  chose(ageMs: number): void {
    this.#stalenessMs += ageMs
    this.#choices += 1
  }

  /** Over requests that arrived within so many seconds. */
  figures(seconds: number): Readonly<Record<string, number | undefined>> {
    const { failed, left, lost, ok } = this.#counts
    return {
      requests: ok + failed + left + lost,
      succeededRequests: ok,
      failedRequests: failed,
      leftRequests: left,
      lostRequests: lost,
      successRate: ratio(ok, ok + failed),
      requestsPerSecond: ratio(ok, seconds),
      goodputTokensPerSecond: ratio(this.#completionTokens, seconds),
      totalTokensPerSecond: ratio(this.#promptTokens + this.#completionTokens, seconds),
      cachedTokenShare: ratio(this.#cachedTokens, this.#promptTokens),
      ...spreadOf('ttftMs', this.#ttftMs),
      ...spreadOf('tpotMs', this.#tpotMs),
      itlMsMean: ratio(this.#streamedMs, this.#gaps),
      ...spreadOf('e2eMs', this.#e2eMs),
      ...spreadOf('queueMs', this.#queueMs),
      attemptsMean: ratio(this.#attempts, this.#asked),
      retries: this.#retries,
      failovers: this.#failovers,
      failedOverShare: ratio(this.#failedOver, ok),
      paidNanoPerMtoken: ratio(this.#paidNano * 1e6, this.#paidTokens),
      advertStalenessMs: ratio(this.#stalenessMs, this.#choices),
    }
  }
}

/** In the order of the table; what is unknown, or in no table, is left out. */
export function inOrder(figures: Readonly<Record<string, number | undefined>>): Record<string, number> {
  const summary: Record<string, number> = {}
  for (const { name } of summaryMetrics) {
    const value = figures[name]
    if (value !== undefined && Number.isFinite(value)) summary[name] = value
  }
  return summary
}

export function ratio(part: number, whole: number): number | undefined {
  return whole > 0 ? part / whole : undefined
}

function spreadOf(name: string, column: Column): Record<string, number | undefined> {
  const sorted = column.sorted()
  return {
    [`${name}Mean`]: meanOf(sorted),
    [`${name}P50`]: quantileOf(sorted, 0.5),
    [`${name}P90`]: quantileOf(sorted, 0.9),
    [`${name}P95`]: quantileOf(sorted, 0.95),
    [`${name}P99`]: quantileOf(sorted, 0.99),
  }
}

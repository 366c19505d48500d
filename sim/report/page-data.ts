// What the report's plots show, thinned to what a page can hold: a run of any length becomes some hundred kilobytes.

import type { RequestRecord, RunRecord, Sample } from '../record.ts'
import { ascending, meanOf, quantileOf } from './statistics.ts'
import { e2eMsOf, gramOf, ttftMsOf } from './summary.ts'
import { type Flow, flowOf, type Topology, topologyOf } from './topology.ts'

export interface PageData {
  /** The plots' time axis ends here. */
  readonly endMs: number
  readonly warmupMs: number
  readonly bands: readonly { readonly label: string; readonly fromMs: number; readonly toMs: number }[]
  readonly ttft: readonly Curve[]
  readonly e2e: readonly Curve[]
  /** A row an interval: when it begins, answered, failed, running at its middle. */
  readonly traffic: { readonly binMs: number; readonly rows: readonly (readonly [number, number, number, number])[] }
  /** Metrics of the whole run, as [ms, value]. */
  readonly series: Readonly<Record<string, readonly (readonly [number, number])[]>>
  readonly heat: Heat
  /** [ms, 10th, 25th, 50th, 75th, 90th percentile over providers], in GRAM a million tokens. */
  readonly prices: readonly (readonly number[])[]
  /** [share of providers, share of earnings], poorest first. */
  readonly lorenz: readonly (readonly [number, number])[]
  readonly codes: readonly (readonly [string, number])[]
  /** [arrival, e2e in ms, outcome, failovers, number]. */
  readonly dots: readonly (readonly [number, number, string, number, number])[]
  readonly topology: Topology
  readonly flow: Flow
  /** What was left out, as sentences. */
  readonly notes: readonly string[]
}

export interface Curve {
  readonly key: string
  readonly count: number
  /** [ms, share of requests at or below]. */
  readonly points: readonly (readonly [number, number])[]
}

export interface Heat {
  readonly binMs: number
  readonly subjects: readonly string[]
  /** Per subject and interval in percent, −1 where nothing is known. */
  readonly rows: readonly (readonly number[])[]
}

const bandsMax = 80
const curvesMax = 6
const curveShares = [...Array.from({ length: 100 }, (_, index) => index / 100), 0.995, 0.999, 1]
const trafficBins = 120
const seriesPoints = 400
const heatSubjectsMax = 48
const heatBins = 120
const priceBins = 160
const dotsMax = 2500

export function pageDataOf(run: RunRecord): PageData {
  const { requests, manifest } = run
  const reached = Math.max(
    lastOf(requests, (request) => request.endMs),
    lastOf(run.series, ({ atMs }) => atMs),
  )
  const endMs = Math.max(1, manifest.isComplete ? Math.max(manifest.durationMs, reached) : reached)
  const notes: string[] = []
  const bands = run.bands.slice(0, bandsMax)
  if (bands.length < run.bands.length) notes.push(`The first ${bandsMax} of ${run.bands.length} faults are shaded.`)
  const ok = requests.filter(({ isMeasured, outcome }) => isMeasured && outcome === 'ok')
  const keyOf = groupingOf(run)
  return {
    endMs,
    warmupMs: manifest.warmupMs,
    bands,
    ttft: curvesOf(ok, ttftMsOf, keyOf),
    e2e: curvesOf(ok, e2eMsOf, keyOf),
    traffic: trafficOf(requests, endMs),
    series: wholeRunSeries(run.series),
    heat: heatOf(run.series, endMs, notes),
    prices: pricesOf(run.series, endMs),
    lorenz: lorenzOf(run),
    codes: codesOf(requests),
    dots: dotsOf(requests, notes),
    topology: topologyOf(run.peers, notes),
    flow: flowOf(run),
    notes,
  }
}

/** Models where there are several, else the consumers' groups. */
function groupingOf({ requests, peers }: RunRecord): (request: RequestRecord) => string {
  const models = new Set(requests.map(({ model }) => model))
  if (models.size > 1) return ({ model }) => model
  const groups = new Map(peers.map(({ name, group }) => [name, group]))
  return ({ consumer }) => groups.get(consumer) ?? 'unknown'
}

function curvesOf(
  requests: readonly RequestRecord[],
  of: (request: RequestRecord) => number | undefined,
  keyOf: (request: RequestRecord) => string,
): Curve[] {
  const curve = (key: string, of_: readonly RequestRecord[]): Curve => {
    const sorted = ascending(of_.map(of).filter((value) => value !== undefined))
    const points = curveShares.map((share) => [rounded(quantileOf(sorted, share) ?? 0), share] as const)
    return { key, count: sorted.length, points: sorted.length === 0 ? [] : points }
  }
  const groups = [...Map.groupBy(requests, keyOf)].sort(([, a], [, b]) => b.length - a.length)
  const parts = groups.length > 1 ? groups.slice(0, curvesMax).map(([key, members]) => curve(key, members)) : []
  return [curve('all', requests), ...parts].filter(({ count }) => count > 0)
}

function trafficOf(requests: readonly RequestRecord[], endMs: number): PageData['traffic'] {
  const binMs = niceStep(endMs / trafficBins)
  const bins = Math.ceil(endMs / binMs)
  const rows = Array.from({ length: bins }, (_, bin): [number, number, number, number] => [bin * binMs, 0, 0, 0])
  const at = (ms: number) => rows[Math.min(bins - 1, Math.floor(ms / binMs))]
  for (const { arrivalMs, endMs: endedMs, outcome } of requests) {
    const ended = at(endedMs)
    if (ended && outcome === 'ok') ended[1] += 1
    if (ended && outcome === 'failed') ended[2] += 1
    const first = Math.max(0, Math.ceil(arrivalMs / binMs - 0.5))
    for (let bin = first; (bin + 0.5) * binMs < endedMs; bin += 1) {
      const row = rows[bin]
      if (row) row[3] += 1
    }
  }
  return { binMs, rows }
}

function wholeRunSeries(series: readonly Sample[]): PageData['series'] {
  const byMetric = Map.groupBy(
    series.filter(({ subject }) => subject === ''),
    ({ metric }) => metric,
  )
  const points = (samples: readonly Sample[]) => {
    const step = Math.ceil(samples.length / seriesPoints)
    return samples
      .filter((_, index) => index % step === 0 || index === samples.length - 1)
      .map(({ atMs, value }) => [atMs, rounded(value)] as const)
  }
  return Object.fromEntries([...byMetric].map(([metric, samples]) => [metric, points(samples)]))
}

function heatOf(series: readonly Sample[], endMs: number, notes: string[]): Heat {
  const binMs = niceStep(endMs / heatBins)
  const bins = Math.ceil(endMs / binMs)
  const bySubject = Map.groupBy(
    series.filter(({ metric }) => metric === 'utilisation'),
    ({ subject }) => subject,
  )
  const rows = [...bySubject].map(([subject, samples]) => {
    const sums = new Array<number>(bins).fill(0)
    const counts = new Array<number>(bins).fill(0)
    for (const { atMs, value } of samples) {
      const bin = Math.min(bins - 1, Math.floor(atMs / binMs))
      sums[bin] = (sums[bin] ?? 0) + value
      counts[bin] = (counts[bin] ?? 0) + 1
    }
    const cells = sums.map((sum, bin) => (counts[bin] ? Math.round((1000 * sum) / counts[bin]) / 10 : -1))
    return { subject, cells, mean: meanOf(samples.map(({ value }) => value)) ?? 0 }
  })
  rows.sort((a, b) => b.mean - a.mean || (a.subject < b.subject ? -1 : 1))
  const kept = evenly(rows, heatSubjectsMax)
  if (kept.length < rows.length) {
    notes.push(`The heat map shows ${kept.length} of ${rows.length} providers, evenly picked from busiest to idlest.`)
  }
  return { binMs, subjects: kept.map(({ subject }) => subject), rows: kept.map(({ cells }) => cells) }
}

function pricesOf(series: readonly Sample[], endMs: number): PageData['prices'] {
  const binMs = endMs / priceBins
  const bins = Map.groupBy(
    series.filter(({ metric }) => metric === 'priceNano'),
    ({ atMs }) => Math.min(priceBins - 1, Math.floor(atMs / binMs)),
  )
  return [...bins]
    .sort(([a], [b]) => a - b)
    .map(([bin, samples]) => {
      const sorted = ascending(samples.map(({ value }) => value / 1e9))
      const shares = [0.1, 0.25, 0.5, 0.75, 0.9].map((share) => rounded(quantileOf(sorted, share) ?? 0))
      return [Math.round(bin * binMs), ...shares]
    })
}

function lorenzOf({ peers }: RunRecord): PageData['lorenz'] {
  const earned = ascending(
    peers.filter(({ roles }) => roles.includes('provider')).map((peer) => gramOf(peer.earnedNano)),
  )
  const sum = earned.reduce((total, value) => total + value, 0)
  if (sum <= 0) return []
  let reached = 0
  const points = earned.map((value, index): [number, number] => {
    reached += value
    return [(index + 1) / earned.length, rounded(reached / sum)]
  })
  return [[0, 0], ...evenly(points, 200)]
}

function codesOf(requests: readonly RequestRecord[]): PageData['codes'] {
  const failed = requests.filter(({ outcome }) => outcome === 'failed')
  return [...Map.groupBy(failed, ({ code }) => code || 'unknown')]
    .map(([code, of]) => [code, of.length] as const)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 12)
}

/** All that failed or changed provider first, then as many of the others as fit. */
function dotsOf(requests: readonly RequestRecord[], notes: string[]): PageData['dots'] {
  const isTold = ({ outcome, failovers }: RequestRecord) => outcome !== 'ok' || failovers > 0
  const told = evenly(requests.filter(isTold), dotsMax / 2)
  const others = evenly(
    requests.filter((request) => !isTold(request)),
    dotsMax - told.length,
  )
  if (told.length + others.length < requests.length) {
    notes.push(
      `The plot of single requests shows ${told.length + others.length} of ${requests.length}: ${told.length} that failed, left or changed provider, and ${others.length} others, evenly picked.`,
    )
  }
  return [...others, ...told].map((request) => {
    const { arrivalMs, outcome, failovers, number } = request
    return [Math.round(arrivalMs), Math.round(e2eMsOf(request)), outcome, failovers, number]
  })
}

function lastOf<T>(items: readonly T[], msOf: (item: T) => number): number {
  return items.reduce((last, item) => Math.max(last, msOf(item)), 0)
}

/** At most `max` of them, the first and the last among these. */
export function evenly<T>(items: readonly T[], max: number): readonly T[] {
  if (items.length <= max) return items
  return Array.from({ length: max }, (_, index) => items[Math.round((index * (items.length - 1)) / (max - 1))]).filter(
    (item) => item !== undefined,
  )
}

/** Four figures are more than a plot shows. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4))
}

/** The next of 1, 2, 5, 10, 15, 30 seconds, minutes, hours: intervals that a reader can name. */
function niceStep(ms: number): number {
  const steps = [10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1.5e4, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5]
  return steps.find((step) => step >= ms) ?? Math.ceil(ms / 36e5) * 36e5
}

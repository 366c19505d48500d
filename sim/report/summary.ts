// The arithmetic of the summary: from requests, series, peers and the chain's books to figures.

import type { Nano } from '../../protocol/money.ts'
import type { PeerRecord, RequestRecord, Sample } from '../record.ts'
import type { Audit } from '../world.ts'
import { ascending, giniOf, meanOf, quantileOf, sumOf } from './statistics.ts'

export interface SummaryParts {
  readonly requests: readonly RequestRecord[]
  readonly series: readonly Sample[]
  readonly peers: readonly PeerRecord[]
  /** `durationMs` is the time that was reached where the run was cut short. */
  readonly plan: { readonly durationMs: number; readonly warmupMs: number }
  /** At the end; absent where the run did not come so far. */
  readonly audit?: Audit | undefined
  /** What the tier tells about itself; also totals of names in the tables. */
  readonly figures?: Readonly<Record<string, number>> | undefined
}

type Figures = Record<string, number | undefined>

const nanoPerGram = 1e9

/** GRAM as a number: exact amounts are in the files of requests and peers. */
export function gramOf(nano: Nano): number {
  return Number(nano) / nanoPerGram
}

export function ttftMsOf({ arrivalMs, firstTokenMs }: RequestRecord): number | undefined {
  return firstTokenMs === undefined ? undefined : firstTokenMs - arrivalMs
}

export function e2eMsOf({ arrivalMs, endMs }: RequestRecord): number {
  return endMs - arrivalMs
}

export function requestFigures(measured: readonly RequestRecord[], seconds: number): Figures {
  const ok = measured.filter(({ outcome }) => outcome === 'ok')
  const count = (outcome: RequestRecord['outcome']) => measured.filter((request) => request.outcome === outcome).length
  const failed = count('failed')
  const total = (of: (request: RequestRecord) => number) => sumOf(ok.map(of))
  const asked = measured.filter(({ attempts }) => attempts > 0)
  const streamed = ok.flatMap(({ firstTokenMs, endMs, completionTokens }) =>
    firstTokenMs === undefined || completionTokens < 2
      ? []
      : [{ ms: endMs - firstTokenMs, gaps: completionTokens - 1 }],
  )
  const [prompt, completion] = [total((request) => request.promptTokens), total((request) => request.completionTokens)]
  return {
    requests: measured.length,
    succeededRequests: ok.length,
    failedRequests: failed,
    leftRequests: count('left'),
    lostRequests: count('lost'),
    successRate: ratio(ok.length, ok.length + failed),
    requestsPerSecond: ratio(ok.length, seconds),
    goodputTokensPerSecond: ratio(completion, seconds),
    totalTokensPerSecond: ratio(prompt + completion, seconds),
    cachedTokenShare: ratio(
      total((request) => request.cachedTokens),
      prompt,
    ),
    ...spreadOf('ttftMs', ok.map(ttftMsOf)),
    ...spreadOf(
      'tpotMs',
      streamed.map(({ ms, gaps }) => ms / gaps),
    ),
    // the mean over all gaps needs no single one of them; its percentiles do
    itlMsMean: ratio(sumOf(streamed.map(({ ms }) => ms)), sumOf(streamed.map(({ gaps }) => gaps))),
    ...spreadOf('e2eMs', ok.map(e2eMsOf)),
    attemptsMean: meanOf(asked.map(({ attempts }) => attempts)),
    retries: sumOf(asked.map(({ attempts, failovers }) => attempts - 1 - failovers)),
    failovers: sumOf(measured.map(({ failovers }) => failovers)),
    failedOverShare: ratio(ok.filter(({ failovers }) => failovers > 0).length, ok.length),
  }
}

export function peerFigures({ peers }: SummaryParts): Figures {
  const providers = peers.filter(({ roles }) => roles.includes('provider'))
  const earned = providers.map(({ earnedNano }) => gramOf(earnedNano))
  return {
    peers: peers.length,
    providers: providers.length,
    consumers: peers.filter(({ roles }) => roles.includes('consumer')).length,
    revenueGram: sumOf(earned),
    revenuePerProviderGram: meanOf(earned),
    revenueGini: giniOf(earned),
  }
}

export function seriesFigures({ series, plan }: SummaryParts): Figures {
  const measured = series.filter(({ atMs }) => atMs >= plan.warmupMs && atMs <= plan.durationMs)
  const of = (metric: string) => measured.filter((sample) => sample.metric === metric)
  const utilisation = of('utilisation')
  const means = [...Map.groupBy(utilisation, ({ subject }) => subject).values()].map(
    (samples) => meanOf(samples.map(numberOf)) ?? 0,
  )
  const prices = ascending(of('priceNano').map(numberOf))
  const middle = quantileOf(prices, 0.5)
  return {
    peersUpMean: meanOf(of('peersUp').map(numberOf)),
    utilisationMean: meanOf(utilisation.map(numberOf)),
    utilisationGini: giniOf(means),
    priceNanoP50: middle,
    priceDispersion: ratio((quantileOf(prices, 0.9) ?? 0) - (quantileOf(prices, 0.1) ?? 0), middle ?? 0),
    // bounds hold during the warm-up too
    exposureNanoMax: largest(series.filter(({ metric }) => metric === 'unpaidNanoMax')),
    windowNano: largest(series.filter(({ metric }) => metric === 'windowNano')),
  }
}

export function moneyFigures(parts: SummaryParts, measured: readonly RequestRecord[]): Figures {
  const { requests, peers, audit, figures = {} } = parts
  const sum = (amounts: readonly Nano[]) => amounts.reduce((total, amount) => total + amount, 0n)
  const settled = audit && sum(audit.channels.map(({ settledNano }) => settledNano))
  const signed = sum(peers.map(({ spentNano }) => spentNano))
  const adversaries = new Set(peers.filter(({ adversary }) => adversary !== '').map(({ name }) => name))
  const earnedByThem = sum(peers.filter(({ name }) => adversaries.has(name)).map(({ earnedNano }) => earnedNano))
  const unpaidByThem = sum(
    (audit?.channels ?? [])
      .filter(({ consumer }) => adversaries.has(consumer))
      .map(({ owedNano = 0n, coveredNano = 0n }) => (owedNano > coveredNano ? owedNano - coveredNano : 0n)),
  )
  const doubleSpends = audit && doubleSpendsOf(audit.channels)
  const vouchers = figures['vouchers'] ?? lastOf(parts.series, 'vouchers')
  const paid = Number(sum(measured.map(({ costNano }) => costNano)))
  const tokens = sumOf(measured.map(({ promptTokens, completionTokens }) => promptTokens + completionTokens))
  return {
    paidNanoPerMtoken: ratio(paid * 1e6, tokens),
    spentGram: gramOf(sum(requests.map(({ costNano }) => costNano))),
    depositedGram: audit && gramOf(audit.depositedNano),
    settledGram: settled === undefined ? undefined : gramOf(settled),
    unsettledGram: settled === undefined ? undefined : gramOf(signed > settled ? signed - settled : 0n),
    feesGram: audit && gramOf(audit.feesNano),
    feeShare: audit && settled !== undefined ? ratio(Number(audit.feesNano), Number(settled)) : undefined,
    vouchers,
    // over the whole run: vouchers are counted from its start
    vouchersPerSecond: vouchers === undefined ? undefined : ratio(vouchers, parts.plan.durationMs / 1000),
    feeNanoPerVoucher: audit && vouchers !== undefined ? ratio(Number(audit.feesNano), vouchers) : undefined,
    lossToFraudGram: gramOf(earnedByThem + unpaidByThem),
    doubleSpends,
    ledgerEarnedGram: gram(figures['ledgerEarnedNano']),
    ledgerSpentGram: gram(figures['ledgerSpentNano']),
    ledgerSettledGram: gram(figures['ledgerSettledNano']),
    ledgerGapNano: figures['ledgerGapNano'],
    ledgerUntoldNano: figures['ledgerUntoldNano'],
    ledgerLines: figures['ledgerLines'],
  }
}

function gram(nano: number | undefined): number | undefined {
  return nano === undefined ? undefined : nano / nanoPerGram
}

/** Channels whose best voucher their escrow can no longer pay, when each is paid in turn out of what is left. */
function doubleSpendsOf(channels: Audit['channels']): number {
  const leftNano = new Map<string, Nano>()
  for (const { depositNano, escrow, settledNano } of channels) {
    leftNano.set(escrow, (leftNano.get(escrow) ?? depositNano) - settledNano)
  }
  let count = 0
  for (const { coveredNano = 0n, escrow, settledNano } of channels) {
    if (coveredNano <= settledNano) continue
    const left = (leftNano.get(escrow) ?? 0n) - (coveredNano - settledNano)
    leftNano.set(escrow, left)
    if (left < 0n) count += 1
  }
  return count
}

export function networkFigures({ series, peers, plan, figures = {} }: SummaryParts): Figures {
  const bytes = figures['controlBytes'] ?? lastOf(series, 'controlBytes')
  return {
    controlBytesPerPeerSecond: bytes === undefined ? undefined : ratio(bytes, (peers.length * plan.durationMs) / 1000),
  }
}

function spreadOf(name: string, values: readonly (number | undefined)[]): Figures {
  const sorted = ascending(values.filter((value) => value !== undefined))
  return {
    [`${name}Mean`]: meanOf(sorted),
    [`${name}P50`]: quantileOf(sorted, 0.5),
    [`${name}P90`]: quantileOf(sorted, 0.9),
    [`${name}P95`]: quantileOf(sorted, 0.95),
    [`${name}P99`]: quantileOf(sorted, 0.99),
  }
}

function ratio(part: number, whole: number): number | undefined {
  return whole > 0 ? part / whole : undefined
}

function largest(samples: readonly Sample[]): number | undefined {
  return samples.length === 0 ? undefined : samples.reduce((max, { value }) => Math.max(max, value), 0)
}

function lastOf(series: readonly Sample[], metric: string): number | undefined {
  return series.findLast((sample) => sample.metric === metric && sample.subject === '')?.value
}

function numberOf({ value }: Sample): number {
  return value
}

// Every figure a run can leave: its name, unit and meaning; and how the summary is computed from what was recorded.
// Where vLLM's benchmark has a metric (TTFT, TPOT, ITL, e2e) it is defined as there: over requests that succeeded.

import type { SummaryParts } from './report/summary.ts'
import { moneyFigures, networkFigures, peerFigures, requestFigures, seriesFigures } from './report/summary.ts'

export type Unit =
  | 'share'
  | 'ms'
  | 's'
  | 'count'
  | 'per s'
  | 'tokens'
  | 'tokens/s'
  | 'GRAM'
  | 'nano'
  | 'nano/Mtoken'
  | 'bytes'
  | 'bytes/s'
  | 'hops'
  | 'ratio'

export interface Metric {
  readonly name: string
  readonly unit: Unit
  readonly what: string
  /** Which way a change is an improvement; absent where neither is. */
  readonly better?: 'more' | 'less'
}

type Row = readonly [name: string, unit: Unit, what: string, better?: 'more' | 'less']

const spread = (name: string, what: string): Row[] =>
  ['Mean', 'P50', 'P90', 'P95', 'P99'].map((part) => [
    `${name}${part}`,
    'ms',
    `${what}: ${part === 'Mean' ? 'mean' : `${part.slice(1)}th percentile`}`,
    'less',
  ])

/** In the order of `summary.json`. */
export const summaryMetrics: readonly Metric[] = table([
  [
    'requests',
    'count',
    'requests of honest consumers that arrived after the warm-up and before the end: all figures are about these',
  ],
  ['succeededRequests', 'count', 'of these, answered to the end', 'more'],
  ['failedRequests', 'count', 'of these, ended by an error', 'less'],
  ['leftRequests', 'count', 'of these, left by their caller as planned: neither a success nor a failure'],
  ['lostRequests', 'count', 'of these, whose consumer was killed meanwhile: neither a success nor a failure'],
  ['successRate', 'share', 'succeeded / (succeeded + failed)', 'more'],
  ['requestsPerSecond', 'per s', 'answered requests a second', 'more'],
  ['goodputTokensPerSecond', 'tokens/s', 'completion tokens of answered requests a second', 'more'],
  ['totalTokensPerSecond', 'tokens/s', 'prompt and completion tokens of answered requests a second', 'more'],
  ['cachedTokenShare', 'share', 'prompt tokens a provider still held, of all prompt tokens', 'more'],
  ...spread('ttftMs', 'time to first token, from arrival'),
  ...spread('tpotMs', 'time per output token after the first: (e2e − TTFT) / (tokens − 1), a request one value'),
  ...spread('itlMs', 'inter-token latency, a gap one value'),
  ...spread('e2eMs', 'end-to-end latency, from arrival to the last token'),
  ...spread('queueMs', 'wait for a slot at the provider'),
  ...spread('discoveryMs', 'from a consumer’s start to the first provider it hears of'),
  ['attemptsMean', 'count', 'providers asked a request', 'less'],
  ['attemptsFailed', 'count', 'attempts at a provider that failed, during the whole run', 'less'],
  ['retries', 'count', 'providers asked again before the first token', 'less'],
  ['failovers', 'count', 'providers changed after the first token', 'less'],
  ['failedOverShare', 'share', 'answered requests that changed provider after the first token'],
  ['peers', 'count', 'peers in all'],
  ['providers', 'count', 'of these, providers'],
  ['consumers', 'count', 'of these, consumers'],
  ['peersUpMean', 'count', 'peers running, over time', 'more'],
  ['utilisationMean', 'share', 'slots in use, over providers and time'],
  ['utilisationGini', 'ratio', 'how unevenly use is spread over providers: 0 even, 1 all on one', 'less'],
  ['revenueGini', 'ratio', 'how unevenly earnings are spread over providers: 0 even, 1 all with one', 'less'],
  ['priceNanoP50', 'nano/Mtoken', 'asked for completion tokens: median over providers and time', 'less'],
  ['priceDispersion', 'ratio', 'of asked prices: (90th percentile − 10th) / median'],
  ['paidNanoPerMtoken', 'nano/Mtoken', 'paid in all, a million tokens, prompt and completion', 'less'],
  ['spentGram', 'GRAM', 'what consumers signed for'],
  ['revenueGram', 'GRAM', 'what providers earned, settled or not'],
  ['revenuePerProviderGram', 'GRAM', 'what a provider earned: mean', 'more'],
  ['depositedGram', 'GRAM', 'put into escrows'],
  ['settledGram', 'GRAM', 'settled on chain'],
  ['unsettledGram', 'GRAM', 'signed for and not settled at the end', 'less'],
  ['feesGram', 'GRAM', 'fees of the chain', 'less'],
  ['feeShare', 'share', 'fees of the chain / settled', 'less'],
  ['settlements', 'count', 'messages to escrows that settled something'],
  ['vouchers', 'count', 'vouchers signed'],
  ['vouchersPerSecond', 'per s', 'vouchers signed a second'],
  ['feeNanoPerVoucher', 'nano', 'fees of the chain a voucher signed', 'less'],
  ['exposureNanoMax', 'nano', 'largest unpaid amount of one channel', 'less'],
  ['windowNano', 'nano', 'what a channel may owe at most: the credit window at the highest price'],
  [
    'lossToFraudGram',
    'GRAM',
    'earned by adversaries and left unpaid by them: no more than this was lost to fraud',
    'less',
  ],
  ['tokensCorrupted', 'count', 'tokens delivered that were not the ones asked for', 'less'],
  ['doubleSpends', 'count', 'channels whose vouchers their escrow could not pay in the end', 'less'],
  ['ledgerEarnedGram', 'GRAM', "covered by vouchers, by the providers' and hubs' ledgers"],
  ['ledgerSpentGram', 'GRAM', "signed for, by the consumers' ledgers"],
  ['ledgerSettledGram', 'GRAM', "settled, by the providers' and hubs' ledgers"],
  ['ledgerGapNano', 'nano', 'settled by the chain and not seen by the ledgers when their nodes stopped', 'less'],
  ['ledgerUntoldNano', 'nano', 'signed by the consumers and not known to the providers when all had stopped', 'less'],
  ['ledgerLines', 'count', 'lines in all ledgers'],
  ['controlBytesPerPeerSecond', 'bytes/s', 'gossip, DHT and keep-alive traffic, a peer and second', 'less'],
  ['messages', 'count', 'messages between peers'],
  ['dhtLookups', 'count', 'lookups in the DHT'],
  ['dhtMeanHops', 'hops', 'of lookups in the DHT', 'less'],
  ['dhtMessages', 'count', 'messages of the DHT', 'less'],
  ['dhtBytes', 'bytes', 'bytes of the DHT', 'less'],
  ['dhtSuccessRate', 'share', 'lookups in the DHT that found what exists', 'more'],
  ['recordLiveness', 'share', 'provider records whose provider runs', 'more'],
  ...spread('gossipMs', 'from a publication to its delivery at a peer'),
  ['gossipCoverage', 'share', 'peers reached, of those subscribed and running', 'more'],
  ['gossipDuplicates', 'ratio', 'copies a peer got for each message it kept', 'less'],
  [
    'advertStalenessMs',
    'ms',
    'age of an advert when a consumer chose by it: mean over the first 256 consumers',
    'less',
  ],
])

/** Of `series` and `metrics.csv`; those with a subject are of one provider, the others of the whole run. */
export const seriesMetrics: readonly Metric[] = table([
  ['activeRequests', 'count', 'requests in a provider’s slots'],
  ['queuedRequests', 'count', 'requests waiting at a provider'],
  ['utilisation', 'share', 'a provider’s slots in use'],
  ['priceNano', 'nano/Mtoken', 'what a provider asks for completion tokens'],
  ['earnedNano', 'nano', 'what a provider earned so far'],
  ['peersUp', 'count', 'peers running'],
  ['requestsActive', 'count', 'requests not yet ended'],
  ['requestsDone', 'count', 'requests answered so far'],
  ['requestsFailed', 'count', 'requests failed so far'],
  ['spentNano', 'nano', 'signed for by consumers so far'],
  ['settledNano', 'nano', 'settled on chain so far'],
  ['feesNano', 'nano', 'fees of the chain so far'],
  ['unpaidNanoMax', 'nano', 'largest unpaid amount of a channel at this time'],
  ['windowNano', 'nano', 'what a channel may owe at most'],
  ['vouchers', 'count', 'vouchers signed so far'],
  ['controlBytes', 'bytes', 'gossip, DHT and keep-alive traffic so far'],
])

/** How fast it ran on this machine: in `pace.json`, in nothing that is compared. */
export const paceMetrics: readonly Metric[] = table([
  ['wallSeconds', 's', 'time the run took'],
  ['cpuSeconds', 's', 'processor time the run took', 'less'],
  ['events', 'count', 'events of virtual time that ran'],
  ['eventsPerSecond', 'per s', 'events a second of wall time', 'more'],
  ['eventsPerCoreSecond', 'per s', 'events a second of processor time', 'more'],
  ['timesRealTime', 'ratio', 'virtual time / wall time', 'more'],
  ['rssBytes', 'bytes', 'memory of the process at its largest', 'less'],
  ['rssBytesPerPeer', 'bytes', 'memory a peer', 'less'],
])

const byName = new Map([...paceMetrics, ...seriesMetrics, ...summaryMetrics].map((metric) => [metric.name, metric]))
const ofSeries = new Map(seriesMetrics.map((metric) => [metric.name, metric]))

/** What a name means; undefined for one that no table has. */
export function metricOf(name: string): Metric | undefined {
  return byName.get(name)
}

export function seriesMetricOf(name: string): Metric | undefined {
  return ofSeries.get(name)
}

/**
 * The figures of a run by name, in the table's order; what is unknown is left out. `figures` of a tier are taken as
 * they are where the table has their name, and so win over what is computed here; the others are left out: only what is
 * declared equal for equal seeds may be in a summary.
 */
export function summarise(parts: SummaryParts): Record<string, number> {
  const measured = parts.requests.filter(({ isMeasured }) => isMeasured)
  const seconds = Math.max(0, parts.plan.durationMs - parts.plan.warmupMs) / 1000
  const known: Readonly<Record<string, number | undefined>> = {
    ...requestFigures(measured, seconds),
    ...peerFigures(parts),
    ...seriesFigures(parts),
    ...moneyFigures(parts, measured),
    ...networkFigures(parts),
    ...parts.figures,
  }
  const summary: Record<string, number> = {}
  for (const { name } of summaryMetrics) {
    const value = known[name]
    if (value !== undefined && Number.isFinite(value)) summary[name] = value
  }
  return summary
}

function table(rows: readonly Row[]): readonly Metric[] {
  return rows.map(([name, unit, what, better]) => (better ? { name, unit, what, better } : { name, unit, what }))
}

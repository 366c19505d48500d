// The body of a run's report: plots with what they show in words, and tables.

import { metricOf, summaryMetrics } from '../metrics.ts'
import type { PeerRecord, RequestRecord, RunRecord } from '../record.ts'
import { table } from './elements.ts'
import { formatAt, formatMs, formatShare, formatValue, grouped, significant } from './format.ts'
import { evenly, type PageData } from './page-data.ts'
import { escaped } from './shell.ts'
import { e2eMsOf, gramOf, ttftMsOf } from './summary.ts'

export function sectionsOf(run: RunRecord, data: PageData): string[] {
  const section = (title: string, charts: readonly Chart[]) =>
    charts.some(({ hasData }) => hasData)
      ? `<section><h2>${title}</h2><div class="figures">${charts.map(figure).join('\n')}</div></section>`
      : `<section><h2>${title}</h2><p class="lead">Nothing was recorded for this.</p></section>`
  const { summary, bands } = run
  const value = (name: string) => formatValue(summary[name] ?? 0, metricOf(name)?.unit ?? '')
  const latency = (name: string, what: string) =>
    summary[`${name}P50`] === undefined
      ? 'No measured request was answered.'
      : `Half of ${grouped(summary['succeededRequests'] ?? 0)} answered requests had ${what} within ${value(`${name}P50`)}, 95 % within ${value(`${name}P95`)}, 99 % within ${value(`${name}P99`)}.`
  const faults = bands.length === 0 ? '' : `Shaded: ${bands.length} fault${bands.length === 1 ? '' : 's'}.`
  const hasTraffic = run.requests.length > 0
  const series = (name: string) => (data.series[name]?.length ?? 0) > 1
  const exposure = summary['exposureNanoMax']
  return [
    section('Latency', [
      {
        id: 'ttft',
        title: 'Time to first token',
        caption: latency('ttftMs', 'their first token'),
        hasData: data.ttft.length > 0,
      },
      {
        id: 'e2e',
        title: 'End to end',
        caption: latency('e2eMs', 'their last token'),
        hasData: data.e2e.length > 0,
      },
    ]),
    section('Over time', [
      {
        id: 'traffic',
        title: 'Answered, failed, under way',
        caption: `By intervals of ${formatMs(data.traffic.binMs)}. ${worstOf(data)} ${faults}`,
        isWide: true,
        hasData: hasTraffic,
      },
      {
        id: 'dots',
        title: 'Each request',
        caption: 'When it arrived and how long it took; failures and changes of provider lie on top.',
        isWide: true,
        hasData: data.dots.length > 0,
      },
      ...(data.codes.length > 0
        ? [
            {
              id: 'codes',
              title: 'Why requests failed',
              caption: 'Failed requests by the code of their error.',
              isWide: true,
              hasData: true,
            },
          ]
        : []),
    ]),
    section('Providers', [
      {
        id: 'heat',
        title: 'Utilisation',
        caption:
          summary['utilisationMean'] === undefined
            ? 'Slots in use, a row a provider.'
            : `Slots in use, a row a provider, busiest first: ${value('utilisationMean')} over all providers and time.`,
        isWide: true,
        hasData: data.heat.rows.length > 0,
      },
      {
        id: 'prices',
        title: 'Prices asked',
        caption: 'Completion tokens: median over providers, middle half and middle four fifths.',
        hasData: data.prices.length > 1,
      },
      {
        id: 'lorenz',
        title: 'Who earns',
        caption:
          summary['revenueGini'] === undefined
            ? 'Nobody earned anything.'
            : `Gini ${significant(summary['revenueGini'])}: 0 where all earn alike, towards 1 where one earns all.`,
        hasData: data.lorenz.length > 0,
      },
    ]),
    section('Money', [
      {
        id: 'money',
        title: 'From signed to settled',
        caption: moneyCaption(run),
        hasData: series('spentNano'),
      },
      {
        id: 'exposure',
        title: 'Largest unpaid exposure',
        caption:
          exposure === undefined
            ? 'What one channel owed at most.'
            : `What one channel owed at most: ${value('exposureNanoMax')}${summary['windowNano'] === undefined ? '.' : `, of a window of ${value('windowNano')}.`}`,
        hasData: series('unpaidNanoMax'),
      },
      {
        id: 'flow',
        title: 'Who paid whom',
        caption: 'Groups of consumers on the left, groups of providers on the right, as wide as what was paid.',
        isWide: true,
        hasData: data.flow.links.length > 0,
      },
    ]),
    section('Mesh', [
      {
        id: 'topology',
        title: 'Connections',
        caption: `${grouped(run.peers.length)} peers in ${data.topology.regions.length} region${data.topology.regions.length === 1 ? '' : 's'}, ${grouped(data.topology.connections)} connections at the end.`,
        isWide: true,
        hasData: data.topology.nodes.length + data.topology.between.length > 0,
      },
    ]),
    `<section><h2>Groups</h2>${groupTable(run)}</section>`,
    `<section><h2>Requests</h2><p class="lead">The slowest, the failed, and some others, evenly picked; all of them are in requests.csv and requests.parquet.</p>${requestTable(run.requests)}</section>`,
    `<section><details><summary><h2>All figures</h2></summary>${figureTable(run)}</details></section>`,
  ]
}

interface Chart {
  readonly id: string
  readonly title: string
  /** One or two sentences that say what is to be seen. */
  readonly caption: string
  readonly isWide?: boolean
  readonly hasData: boolean
}

function figure({ id, title, caption, isWide, hasData }: Chart): string {
  return `<figure class="${isWide ? 'wide' : ''}" id="${id}"><figcaption><h3>${title}</h3><p>${escaped(caption)}</p></figcaption>${
    hasData
      ? `<div class="plot" data-plot="${id}" role="img" aria-label="${escaped(`${title}. ${caption}`)}"></div>`
      : '<p class="none">Nothing was recorded for this.</p>'
  }</figure>`
}

function worstOf({ traffic, warmupMs }: PageData): string {
  const rows = traffic.rows.filter(([atMs, ok, failed]) => atMs >= warmupMs && ok + failed > 0)
  if (rows.length === 0) return ''
  const [atMs, ok, failed] = rows.reduce((worst, row) =>
    row[1] * (worst[1] + worst[2]) < worst[1] * (row[1] + row[2]) ? row : worst,
  )
  return failed === 0
    ? 'None failed after the warm-up.'
    : `The worst began at ${formatAt(atMs)}: ${formatShare(ok / (ok + failed))} of ${ok + failed} answered.`
}

function moneyCaption({ summary }: RunRecord): string {
  const parts = (['spentGram', 'settledGram', 'feesGram'] as const).flatMap((name, index) => {
    const value = summary[name]
    return value === undefined ? [] : [`${['signed', 'settled', 'fees'][index]} ${significant(value)} GRAM`]
  })
  return parts.length === 0 ? 'Amounts so far.' : `At the end: ${parts.join(', ')}.`
}

function groupTable({ peers, requests }: RunRecord): string {
  // those who misbehave apart from the rest of their group
  const keyOf = ({ adversary, group }: PeerRecord): string => `${group} ${adversary}`
  const groupOf = new Map(peers.map((peer) => [peer.name, keyOf(peer)]))
  const asked = Map.groupBy(requests, ({ consumer }) => groupOf.get(consumer))
  const served = Map.groupBy(requests, ({ provider }) => groupOf.get(provider))
  const rows = [...Map.groupBy(peers, keyOf)].map(([key, members]) => {
    const total = (of: (peer: (typeof members)[number]) => bigint) => members.reduce((sum, peer) => sum + of(peer), 0n)
    // what failed has no provider: only who asked knows the share that was answered
    const { adversary = '', group = '' } = members[0] ?? {}
    const own = (asked.get(key) ?? served.get(key) ?? []).filter(({ isMeasured }) => isMeasured || adversary !== '')
    const ok = own.filter(({ outcome }) => outcome === 'ok').length
    const failed = own.filter(({ outcome }) => outcome === 'failed').length
    return [
      group,
      [...new Set(members.flatMap(({ roles }) => roles))].join(', '),
      adversary,
      grouped(members.length),
      grouped(own.length),
      !asked.has(key) || ok + failed === 0 ? '' : formatShare(ok / (ok + failed)),
      significant(gramOf(total(({ spentNano }) => spentNano))),
      significant(gramOf(total(({ earnedNano }) => earnedNano))),
    ]
  })
  return table(
    ['Group', 'Roles', 'Adversary', '#Peers', '#Asked or served', '#Answered', '#Spent, GRAM', '#Earned, GRAM'],
    rows,
  )
}

function requestTable(requests: readonly RequestRecord[]): string {
  const slowest = requests.filter(({ outcome }) => outcome === 'ok').toSorted((a, b) => e2eMsOf(b) - e2eMsOf(a))
  const failed = requests.filter(({ outcome }) => outcome === 'failed')
  const chosen = new Set([...slowest.slice(0, 8), ...evenly(failed, 8), ...evenly(requests, 16)])
  const rows = [...chosen]
    .sort((a, b) => a.number - b.number)
    .map((request) => {
      const { number, arrivalMs, consumer, provider, model, outcome, code, promptTokens, completionTokens } = request
      const ttft = ttftMsOf(request)
      return [
        String(number),
        formatAt(arrivalMs),
        consumer,
        provider,
        model,
        code === '' ? outcome : `${outcome}: ${code}`,
        `${promptTokens} + ${completionTokens}`,
        ttft === undefined ? '' : formatMs(ttft),
        formatMs(e2eMsOf(request)),
        String(request.failovers),
        significant(gramOf(request.costNano)),
      ]
    })
  return table(
    [
      '#Number',
      '#At',
      'Consumer',
      'Provider',
      'Model',
      'Outcome',
      '#Tokens',
      '#TTFT',
      '#End to end',
      '#Failovers',
      '#Cost, GRAM',
    ],
    rows,
  )
}

function figureTable({ summary }: RunRecord): string {
  const known = summaryMetrics.filter(({ name }) => summary[name] !== undefined)
  const others = Object.keys(summary).filter((name) => metricOf(name) === undefined)
  return table(
    ['Name', '#Value', 'Unit', 'Meaning'],
    [
      ...known.map(({ name, unit, what }) => [name, significant(summary[name] ?? 0), unit, what]),
      ...others.map((name) => [name, significant(summary[name] ?? 0), '', '']),
    ],
  )
}

// The report of one run: a page for people, in one file. Texts and tables are written here, plots by page.js in the browser.

import { metricOf, summaryMetrics } from '../metrics.ts'
import type { RequestRecord, RunRecord } from '../record.ts'
import { formatAt, formatMs, formatShare, formatValue, grouped, significant } from './format.ts'
import { evenly, type PageData, pageDataOf } from './page-data.ts'
import { escaped, pageOf } from './shell.ts'
import { e2eMsOf, gramOf, ttftMsOf } from './summary.ts'

export interface ReportOptions {
  readonly command?: string | undefined
}

const violationsShown = 25

export function reportPage(run: RunRecord, { command }: ReportOptions = {}): Promise<string> {
  const data = pageDataOf(run)
  const { manifest } = run
  return pageOf({
    title: `${manifest.scenario} · seed ${manifest.seed} · silkmesh`,
    body: [
      headerOf(run, data, command),
      '<main>',
      verdictOf(run),
      tilesOf(run),
      ...sectionsOf(run, data),
      '</main>',
      footerOf(run, data),
    ].join('\n'),
    data,
    scripts: ['charts.js', 'page.js', 'mesh.js'],
  })
}

function headerOf({ manifest, requests, peers }: RunRecord, data: PageData, command: string | undefined): string {
  const { scenario, question, seed, tier, commit, durationMs, warmupMs, isComplete } = manifest
  const facts: readonly (readonly [string, string])[] = [
    ['Scenario', scenario],
    ['Seed', String(seed)],
    ['Tier', tier],
    ['Time', `${formatMs(durationMs)}, of it ${formatMs(warmupMs)} to warm up`],
    ['Peers', grouped(peers.length)],
    ['Requests', grouped(requests.length)],
    ['Commit', commit === '' ? 'unknown' : commit.slice(0, 12)],
  ]
  return `<header>
${brand('simulation report')}
<h1>${escaped(question === '' ? scenario : question)}</h1>
<dl class="facts">${facts.map(([term, fact]) => `<div><dt>${term}</dt><dd>${escaped(fact)}</dd></div>`).join('')}</dl>
${command === undefined ? '' : `<p class="again"><span>Run it again</span><code tabindex="0">${escaped(command)}</code></p>`}
${isComplete ? '' : `<p class="notice" role="note">This run was interrupted after ${formatMs(data.endMs)} of ${formatMs(durationMs)}. What follows is what there was until then.</p>`}
</header>`
}

export function brand(kind: string): string {
  return `<p class="brand"><svg viewBox="0 0 28 20" width="28" height="20" aria-hidden="true"><path d="M4 15 C9 2 13 2 14 10 S20 18 24 5" fill="none" stroke="currentColor" stroke-width="1.6"/><circle cx="4" cy="15" r="3"/><circle cx="14" cy="10" r="3"/><circle cx="24" cy="5" r="3"/></svg><b>silkmesh</b> ${kind}</p>`
}

function verdictOf({ assertions, violations, manifest }: RunRecord): string {
  const failed = assertions.filter(({ holds }) => !holds)
  const isGood = failed.length === 0 && violations.length === 0
  const state = isGood ? (manifest.isComplete ? 'good' : 'open') : 'bad'
  const expectations =
    assertions.length === 0
      ? 'Nothing was asserted'
      : failed.length === 0
        ? `${assertions.length === 1 ? 'The one assertion holds' : `All ${assertions.length} assertions hold`}`
        : `${failed.length} of ${assertions.length} assertion${assertions.length === 1 ? '' : 's'} failed`
  const invariants =
    violations.length === 0
      ? 'no invariant was violated'
      : `${violations.length} violation${violations.length === 1 ? '' : 's'} of invariants`
  const items = assertions.map(
    ({ text, holds, value }) =>
      `<li class="${holds ? 'good' : 'bad'}"><span class="mark" aria-hidden="true">${holds ? '✓' : '✗'}</span><span>${escaped(text)}</span><span class="value">${holds ? '' : '<span class="hidden">fails: </span>'}${escaped(value)}</span></li>`,
  )
  const found = violations
    .slice(0, violationsShown)
    .map(
      ({ check, atMs, message }) =>
        `<li class="bad"><span class="mark" aria-hidden="true">✗</span><span><b>${escaped(check)}</b> ${escaped(message)}</span><span class="value">at ${formatAt(atMs)}</span></li>`,
    )
  const more =
    violations.length > violationsShown
      ? `<p class="fine">and ${violations.length - violationsShown} more in summary.json</p>`
      : ''
  const mark = state === 'good' ? '✓' : state === 'bad' ? '✗' : '…'
  return `<section class="verdict ${state}" aria-labelledby="verdict">
<h2 id="verdict"><span class="mark" aria-hidden="true">${mark}</span>${expectations}; ${invariants}.</h2>
${items.length + found.length === 0 ? '' : `<ul class="checks">${items.join('')}${found.join('')}</ul>`}${more}
</section>`
}

interface Tile {
  readonly label: string
  readonly metric: string
  /** Metrics beneath it, with what to call them. */
  readonly also: readonly (readonly [string, string])[]
}

const tiles: readonly Tile[] = [
  {
    label: 'Success rate',
    metric: 'successRate',
    also: [
      ['failed', 'failedRequests'],
      ['of', 'requests'],
    ],
  },
  {
    label: 'Time to first token, median',
    metric: 'ttftMsP50',
    also: [
      ['p95', 'ttftMsP95'],
      ['p99', 'ttftMsP99'],
    ],
  },
  {
    label: 'Time per output token, median',
    metric: 'tpotMsP50',
    also: [
      ['p95', 'tpotMsP95'],
      ['p99', 'tpotMsP99'],
    ],
  },
  {
    label: 'End to end, median',
    metric: 'e2eMsP50',
    also: [
      ['p95', 'e2eMsP95'],
      ['p99', 'e2eMsP99'],
    ],
  },
  { label: 'Goodput', metric: 'goodputTokensPerSecond', also: [['requests', 'requestsPerSecond']] },
  {
    label: 'Failovers',
    metric: 'failovers',
    also: [
      ['retries', 'retries'],
      ['asked a request', 'attemptsMean'],
    ],
  },
  { label: 'Utilisation', metric: 'utilisationMean', also: [['Gini', 'utilisationGini']] },
  { label: 'Price, median', metric: 'priceNanoP50', also: [['dispersion', 'priceDispersion']] },
  {
    label: 'Spent',
    metric: 'spentGram',
    also: [
      ['settled', 'settledGram'],
      ['fees', 'feesGram'],
    ],
  },
  {
    label: 'Largest unpaid exposure',
    metric: 'exposureNanoMax',
    also: [
      ['window', 'windowNano'],
      ['lost to fraud', 'lossToFraudGram'],
    ],
  },
  { label: 'Gossip, median', metric: 'gossipMsP50', also: [['p95', 'gossipMsP95']] },
  { label: 'Control traffic a peer', metric: 'controlBytesPerPeerSecond', also: [['DHT', 'dhtMeanHops']] },
]

function tilesOf({ summary }: RunRecord): string {
  const shown = (name: string) => {
    const value = summary[name]
    return value === undefined ? undefined : formatValue(value, metricOf(name)?.unit ?? '')
  }
  const cells = tiles.flatMap(({ label, metric, also }) => {
    const value = shown(metric)
    if (value === undefined) return []
    const [, number = value, unit = ''] = /^([\d.,\u2009e+-]+)\s?(.*)$/.exec(value) ?? []
    const parts = also.flatMap(([name, other]) => {
      const found = shown(other)
      return found === undefined ? [] : [`${name} ${found}`]
    })
    return [
      `<div class="tile"><dt>${label}</dt><dd><b>${number}</b>${unit === '' ? '' : ` <small>${unit}</small>`}</dd><dd class="fine">${parts.join(' · ') || '&nbsp;'}</dd></div>`,
    ]
  })
  if (cells.length === 0)
    return '<p class="notice">No request was measured: the run ended before its warm-up did, or asked nothing.</p>'
  return `<dl class="tiles">${cells.join('')}</dl>`
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

function sectionsOf(run: RunRecord, data: PageData): string[] {
  const section = (title: string, content: readonly string[]) =>
    `<section><h2>${title}</h2><div class="figures">${content.join('\n')}</div></section>`
  const { summary, bands } = run
  const value = (name: string) => formatValue(summary[name] ?? 0, metricOf(name)?.unit ?? '')
  const latency = (name: string, what: string) =>
    summary[`${name}P50`] === undefined
      ? 'No measured request was answered.'
      : `Half of ${grouped(summary['succeededRequests'] ?? 0)} answered requests had ${what} within ${value(`${name}P50`)}, 95 % within ${value(`${name}P95`)}, 99 % within ${value(`${name}P99`)}.`
  const faults =
    bands.length === 0 ? 'No fault was planned.' : `Shaded: ${bands.length} fault${bands.length === 1 ? '' : 's'}.`
  const hasTraffic = run.requests.length > 0
  const series = (name: string) => (data.series[name]?.length ?? 0) > 1
  const exposure = summary['exposureNanoMax']
  return [
    section('Latency', [
      figure({
        id: 'ttft',
        title: 'Time to first token',
        caption: latency('ttftMs', 'their first token'),
        hasData: data.ttft.length > 0,
      }),
      figure({
        id: 'e2e',
        title: 'End to end',
        caption: latency('e2eMs', 'their last token'),
        hasData: data.e2e.length > 0,
      }),
    ]),
    section('Over time', [
      figure({
        id: 'traffic',
        title: 'Answered, failed, under way',
        caption: `By intervals of ${formatMs(data.traffic.binMs)}. ${worstOf(data)} ${faults}`,
        isWide: true,
        hasData: hasTraffic,
      }),
      figure({
        id: 'dots',
        title: 'Each request',
        caption: 'When it arrived and how long it took; failures and changes of provider lie on top.',
        isWide: true,
        hasData: data.dots.length > 0,
      }),
      ...(data.codes.length > 0
        ? [
            figure({
              id: 'codes',
              title: 'Why requests failed',
              caption: 'Failed requests by the code of their error.',
              isWide: true,
              hasData: true,
            }),
          ]
        : []),
    ]),
    section('Providers', [
      figure({
        id: 'heat',
        title: 'Utilisation',
        caption:
          summary['utilisationMean'] === undefined
            ? 'Slots in use, a row a provider.'
            : `Slots in use, a row a provider, busiest first: ${value('utilisationMean')} over all providers and time.`,
        isWide: true,
        hasData: data.heat.rows.length > 0,
      }),
      figure({
        id: 'prices',
        title: 'Prices asked',
        caption: 'Completion tokens: median over providers, middle half and middle four fifths.',
        hasData: data.prices.length > 1,
      }),
      figure({
        id: 'lorenz',
        title: 'Who earns',
        caption:
          summary['revenueGini'] === undefined
            ? 'Nobody earned anything.'
            : `Gini ${significant(summary['revenueGini'])}: 0 where all earn alike, towards 1 where one earns all.`,
        hasData: data.lorenz.length > 0,
      }),
    ]),
    section('Money', [
      figure({
        id: 'money',
        title: 'From signed to settled',
        caption: moneyCaption(run),
        hasData: series('spentNano'),
      }),
      figure({
        id: 'exposure',
        title: 'Largest unpaid exposure',
        caption:
          exposure === undefined
            ? 'What one channel owed at most.'
            : `What one channel owed at most: ${value('exposureNanoMax')}${summary['windowNano'] === undefined ? '.' : `, of a window of ${value('windowNano')}.`}`,
        hasData: series('unpaidNanoMax'),
      }),
      figure({
        id: 'flow',
        title: 'Who paid whom',
        caption: 'Groups of consumers on the left, groups of providers on the right, as wide as what was paid.',
        isWide: true,
        hasData: data.flow.links.length > 0,
      }),
    ]),
    section('Mesh', [
      figure({
        id: 'topology',
        title: 'Connections',
        caption: `${grouped(run.peers.length)} peers in ${data.topology.regions.length} region${data.topology.regions.length === 1 ? '' : 's'}, ${grouped(data.topology.connections)} connections at the end.`,
        isWide: true,
        hasData: data.topology.nodes.length + data.topology.between.length > 0,
      }),
    ]),
    `<section><h2>Groups</h2>${groupTable(run)}</section>`,
    `<section><h2>Requests</h2><p class="lead">The slowest, the failed, and some others, evenly picked; all of them are in requests.csv and requests.parquet.</p>${requestTable(run.requests)}</section>`,
    `<section><details><summary><h2>All figures</h2></summary>${figureTable(run)}</details></section>`,
  ]
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
  const groupOf = new Map(peers.map(({ name, group }) => [name, group]))
  const asked = Map.groupBy(requests, ({ consumer }) => groupOf.get(consumer))
  const served = Map.groupBy(requests, ({ provider }) => groupOf.get(provider))
  const rows = [...Map.groupBy(peers, ({ group }) => group)].map(([group, members]) => {
    const total = (of: (peer: (typeof members)[number]) => bigint) => members.reduce((sum, peer) => sum + of(peer), 0n)
    const own = [...(asked.get(group) ?? served.get(group) ?? [])].filter(({ isMeasured }) => isMeasured)
    const ok = own.filter(({ outcome }) => outcome === 'ok').length
    const failed = own.filter(({ outcome }) => outcome === 'failed').length
    const kinds = [...new Set(members.map(({ adversary }) => adversary))].filter((kind) => kind !== '')
    return [
      group,
      [...new Set(members.flatMap(({ roles }) => roles))].join(', '),
      kinds.join(', '),
      grouped(members.length),
      grouped(own.length),
      ok + failed === 0 ? '' : formatShare(ok / (ok + failed)),
      significant(gramOf(total(({ spentNano }) => spentNano))),
      significant(gramOf(total(({ earnedNano }) => earnedNano))),
    ]
  })
  return table(
    ['Group', 'Roles', 'Adversary', '#Peers', '#Requests', '#Answered', '#Spent, GRAM', '#Earned, GRAM'],
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

/** A heading that begins with # is of numbers. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '<p class="none">There are none.</p>'
  const isNumber = headings.map((heading) => heading.startsWith('#'))
  const cellClass = (column: number) => (isNumber[column] ? ' class="number"' : '')
  const head = headings.map(
    (heading, column) => `<th scope="col"${cellClass(column)}>${escaped(heading.replace(/^#/, ''))}</th>`,
  )
  const body = rows.map(
    (row) => `<tr>${row.map((text, column) => `<td${cellClass(column)}>${escaped(text)}</td>`).join('')}</tr>`,
  )
  return `<div class="scroll" tabindex="0"><table><thead><tr>${head.join('')}</tr></thead><tbody>${body.join('\n')}</tbody></table></div>`
}

function footerOf({ manifest }: RunRecord, { notes }: PageData): string {
  const versions = Object.entries(manifest.versions).map(([name, version]) => `${name} ${version}`)
  const sentences = [
    'Percentiles interpolate linearly between order statistics, as numpy and vLLM’s benchmark do; latencies are of answered requests that arrived after the warm-up.',
    ...notes,
    'Beside this page: manifest.json, summary.json, metrics.csv, requests.csv and .parquet, peers.json, trace.json (for Perfetto).',
    ...(versions.length === 0 ? [] : [`Versions: ${versions.join(', ')}.`]),
  ]
  return `<footer>${sentences.map((sentence) => `<p>${escaped(sentence)}</p>`).join('')}<noscript><p>The plots need scripts; tables and figures do not.</p></noscript></footer>`
}

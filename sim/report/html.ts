// The report of one run: a page for people, in one file. Texts and tables are written here, plots by scripts in the browser.

import { metricOf } from '../metrics.ts'
import type { RunRecord } from '../record.ts'
import { brand } from './elements.ts'
import { formatAt, formatMs, formatValue, grouped } from './format.ts'
import { type PageData, pageDataOf } from './page-data.ts'
import { sectionsOf } from './sections.ts'
import { escaped, pageOf } from './shell.ts'

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
    scripts: ['charts.js', 'time.js', 'market.js', 'mesh.js'],
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
${isComplete ? '' : `<p class="notice" role="note">This run was interrupted ${data.endMs > 1 ? `after ${formatMs(data.endMs)}` : 'at the beginning'} of ${formatMs(durationMs)}. What follows is what there was until then.</p>`}
</header>`
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
  /** What the figure is of all that it could be. */
  readonly of?: string
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
    label: 'Time to first token',
    metric: 'ttftMsP50',
    of: 'median',
    also: [
      ['p95', 'ttftMsP95'],
      ['p99', 'ttftMsP99'],
    ],
  },
  {
    label: 'Time per output token',
    metric: 'tpotMsP50',
    of: 'median',
    also: [
      ['p95', 'tpotMsP95'],
      ['p99', 'tpotMsP99'],
    ],
  },
  {
    label: 'End to end',
    metric: 'e2eMsP50',
    of: 'median',
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
      ['asked each', 'attemptsMean'],
    ],
  },
  { label: 'Utilisation', metric: 'utilisationMean', also: [['Gini', 'utilisationGini']] },
  { label: 'Price asked', metric: 'priceNanoP50', of: 'median', also: [['dispersion', 'priceDispersion']] },
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
  { label: 'Gossip', metric: 'gossipMsP50', of: 'median', also: [['p95', 'gossipMsP95']] },
  { label: 'Control traffic a peer', metric: 'controlBytesPerPeerSecond', also: [['DHT', 'dhtMeanHops']] },
]

function tilesOf({ summary }: RunRecord): string {
  const shown = (name: string) => {
    const value = summary[name]
    return value === undefined ? undefined : formatValue(value, metricOf(name)?.unit ?? '')
  }
  const cells = tiles.flatMap(({ label, metric, of, also }) => {
    const value = shown(metric)
    if (value === undefined) return []
    const [, number = value, unit = ''] = /^([\d.,\u2009e+-]+)\s?(.*)$/.exec(value) ?? []
    const others = also.flatMap(([name, other]) => {
      const found = shown(other)
      return found === undefined ? [] : [`${name} ${found}`]
    })
    const parts = [...(of === undefined ? [] : [of]), ...others]
    return [
      `<div class="tile"><dt>${label}</dt><dd><b>${number}</b>${unit === '' ? '' : ` <small>${unit}</small>`}</dd><dd class="fine">${parts.join(' · ') || '&nbsp;'}</dd></div>`,
    ]
  })
  if (cells.length === 0)
    return '<p class="notice">No request was measured: the run ended before its warm-up did, or asked nothing.</p>'
  return `<dl class="tiles">${cells.join('')}</dl>`
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

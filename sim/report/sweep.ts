// A sweep's report: every metric against what was swept, means over seeds with their intervals, in one page.

import { mkdir } from 'node:fs/promises'
import { metricOf, summaryMetrics } from '../metrics.ts'
import { othersIn, seedInterval, valuesOf } from './compare.ts'
import { brand, table } from './elements.ts'
import { formatValue, grouped } from './format.ts'
import { type PointValues, parametersOf, pointsAt, pointText } from './points.ts'
import { escaped, pageOf } from './shell.ts'
import type { Interval } from './statistics.ts'
import { type RunSummary, written } from './write.ts'

export interface Sweep {
  /** Paths into the scenario that differ between runs, such as `population[0].count`; the one with most values first. */
  readonly parameters: readonly string[]
  readonly points: readonly SweepPoint[]
}

export interface SweepPoint {
  readonly values: PointValues
  readonly runs: readonly RunSummary[]
}

const parametersMax = 8
/** Plotted at once, the others are behind a fold; all are in the table of `sweep.json`. */
const tableMetrics = [
  'successRate',
  'ttftMsP50',
  'ttftMsP99',
  'tpotMsP50',
  'e2eMsP50',
  'goodputTokensPerSecond',
  'spentGram',
]
const headMetrics = [
  ...[
    'successRate',
    'ttftMsP50',
    'ttftMsP99',
    'tpotMsP50',
    'e2eMsP50',
    'e2eMsP99',
    'goodputTokensPerSecond',
    'failovers',
  ],
  ...[
    'utilisationMean',
    'utilisationGini',
    'priceNanoP50',
    'spentGram',
    'revenueGini',
    'exposureNanoMax',
    'lossToFraudGram',
  ],
  'controlBytesPerPeerSecond',
]

/** `sweep.json` for machines and `report.html` for people. `runs` in any order; equal sources are one point. */
export async function writeSweepReport(
  dir: string,
  runs: readonly RunSummary[],
  options: { readonly command?: string | undefined } = {},
): Promise<void> {
  await mkdir(dir, { recursive: true })
  const sweep = sweepOf(runs)
  await written(dir, 'sweep.json', [sweepJson(sweep)])
  await written(dir, 'report.html', [await sweepPage(sweep, options.command)])
}

export function sweepOf(runs: readonly RunSummary[]): Sweep {
  const parameters = parametersOf(runs).slice(0, parametersMax)
  return { parameters, points: pointsAt(parameters, runs) }
}

function metricsOf({ points }: Sweep): string[] {
  const runs = points.flatMap((point) => point.runs)
  const names = [...summaryMetrics.map(({ name }) => name), ...othersIn(runs)]
  return names.filter((name) => new Set(valuesOf(runs, name)).size > 1 || headMetrics.includes(name))
}

function sweepJson(sweep: Sweep): string {
  const points = sweep.points.map(({ values, runs }) => ({
    parameters: Object.fromEntries(sweep.parameters.map((path, index) => [path, values[index]])),
    seeds: runs.map(({ manifest }) => manifest.seed),
    violations: runs.reduce((sum, { violations }) => sum + violations.length, 0),
    metrics: Object.fromEntries(
      [...summaryMetrics.map(({ name }) => name), ...othersIn(runs)].flatMap((name) => {
        const interval = seedInterval(runs, name)
        return interval ? [[name, interval]] : []
      }),
    ),
  }))
  const schema = 'silkmesh-sim-sweep/1'
  return `${JSON.stringify({ schema, interval: 'Student’s t over seeds, 95 %', parameters: sweep.parameters, points }, undefined, 2)}\n`
}

function sweepPage(sweep: Sweep, command: string | undefined): Promise<string> {
  const runs = sweep.points.flatMap((point) => point.runs)
  const first = runs[0]
  const metrics = metricsOf(sweep).filter((name) => valuesOf(runs, name).length > 0)
  const head = metrics.filter((name) => headMetrics.includes(name))
  const rest = metrics.filter((name) => !headMetrics.includes(name))
  const plots = (names: readonly string[]) => `<div class="figures">${names.map(figure).join('\n')}</div>`
  const body = [
    headerOf(sweep, runs, command),
    '<main>',
    verdictOf(sweep, runs),
    runs.length === 0
      ? ''
      : `<section><h2>At a glance</h2><p class="lead">Means over seeds ± half of the 95 % interval.</p>${glance(sweep)}</section>
<section><h2>Metric by metric</h2><div data-legend></div>${plots(head)}</section>
${rest.length === 0 ? '' : `<section><details><summary><h2>${rest.length} more that differ</h2></summary>${plots(rest)}</details></section>`}`,
    '</main>',
    '<footer><p>Intervals are Student’s t over seeds at 95 %; faint dots are single runs. Percentiles interpolate linearly between order statistics. All figures are in sweep.json, each run in its own folder.</p><noscript><p>The plots need scripts; the table does not.</p></noscript></footer>',
  ].join('\n')
  return pageOf({
    title: `${first?.manifest.scenario ?? 'sweep'} · ${runs.length} runs · silkmesh`,
    body,
    data: dataOf(sweep, metrics),
    scripts: ['charts.js', 'sweep.js'],
  })
}

function figure(name: string): string {
  const { what = '' } = metricOf(name) ?? {}
  return `<figure><figcaption><h3>${escaped(name)}</h3><p>${escaped(what)}</p></figcaption><div class="plot" data-plot="${escaped(name)}" role="img" aria-label="${escaped(`${name} against what was swept. ${what}`)}"></div></figure>`
}

function headerOf({ parameters, points }: Sweep, runs: readonly RunSummary[], command: string | undefined): string {
  const { scenario = 'sweep', question = '', tier = '', commit = '' } = runs[0]?.manifest ?? {}
  const seeds = new Set(runs.map(({ manifest }) => manifest.seed))
  const facts = [
    ['Scenario', scenario],
    ['Tier', tier],
    ['Swept', parameters.join(', ') || 'seeds only'],
    ['Points', grouped(points.length)],
    ['Seeds', grouped(seeds.size)],
    ['Runs', grouped(runs.length)],
    ['Commit', commit === '' ? 'unknown' : commit.slice(0, 12)],
  ]
  return `<header>${brand('sweep')}
<h1>${escaped(question === '' ? scenario : question)}</h1>
<dl class="facts">${facts.map(([term = '', fact = '']) => `<div><dt>${term}</dt><dd>${escaped(fact)}</dd></div>`).join('')}</dl>
${command === undefined ? '' : `<p class="again"><span>Run it again</span><code tabindex="0">${escaped(command)}</code></p>`}
</header>`
}

const badShown = 10

function verdictOf({ parameters, points }: Sweep, runs: readonly RunSummary[]): string {
  if (runs.length === 0) return '<p class="notice">No run of this sweep has finished.</p>'
  const bad = points.flatMap(({ values, runs: of }) =>
    of.flatMap(({ manifest, violations, assertions }) => {
      const failed = [
        ...violations.map(({ check }) => check),
        ...assertions.filter(({ holds }) => !holds).map(({ text }) => text),
      ]
      if (failed.length === 0) return []
      const where = pointText(parameters, values)
      const text = `seed ${manifest.seed}${where === '' ? '' : `, ${where}`}: ${[...new Set(failed)].join('; ')}`
      return [`<li class="bad"><span class="mark" aria-hidden="true">✗</span><span>${escaped(text)}</span></li>`]
    }),
  )
  const state = bad.length === 0 ? 'good' : 'bad'
  const text =
    bad.length === 0
      ? `All ${runs.length} runs kept every invariant and assertion.`
      : `${bad.length} of ${runs.length} runs broke an invariant or an assertion.`
  const more = bad.length > badShown ? `<p class="fine">and ${bad.length - badShown} more</p>` : ''
  return `<section class="verdict ${state}"><h2><span class="mark" aria-hidden="true">${bad.length === 0 ? '✓' : '✗'}</span>${text}</h2>${bad.length === 0 ? '' : `<ul class="checks">${bad.slice(0, badShown).join('')}</ul>`}${more}</section>`
}

function glance({ parameters, points }: Sweep): string {
  const names = tableMetrics.filter((name) => points.some(({ runs }) => valuesOf(runs, name).length > 0))
  const cell = (name: string, interval: Interval | undefined) => {
    if (!interval) return ''
    const unit = metricOf(name)?.unit ?? ''
    const half = interval.high - interval.mean
    return `${formatValue(interval.mean, unit)}${interval.count > 1 ? ` ± ${formatValue(half, unit)}` : ''}`
  }
  return table(
    [...parameters, '#Seeds', ...names.map((name) => `#${name}`)],
    points.map(({ values, runs }) => [
      ...values.map(String),
      String(runs.length),
      ...names.map((name) => cell(name, seedInterval(runs, name))),
    ]),
  )
}

function dataOf({ parameters, points }: Sweep, metrics: readonly string[]): unknown {
  return {
    parameters,
    points: points.map(({ values }) => values),
    metrics: metrics.map((name) => ({
      name,
      unit: metricOf(name)?.unit ?? '',
      points: points.map(({ runs }) => {
        const interval = seedInterval(runs, name)
        return interval ? [interval.mean, interval.low, interval.high, ...valuesOf(runs, name)] : undefined
      }),
    })),
  }
}

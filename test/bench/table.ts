// `npm run bench -- table`: brings the figures of docs/simulation.md up to date from test/bench/history.json, the newest of each part.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Entry, history } from './history.ts'

type Figures = Readonly<Record<string, unknown>>

interface Row {
  readonly quantity: string
  /** Of test/bench/simulator.ts. */
  readonly part: string
  readonly elsewhere: string
  readonly goal: string
  readonly shown: (figures: Figures) => string
  readonly holds: (figures: Figures) => boolean
}

const gib = 2 ** 30

const rows: readonly Row[] = [
  {
    quantity: 'first report after an install',
    part: 'first-report',
    elsewhere: 'hours',
    goal: '60 s',
    shown: (of) => `${rounded(of, 'seconds')} s`,
    holds: (of) => number(of, 'seconds') <= 60,
  },
  {
    quantity: 'events a core-second, all of the node’s policy',
    part: 'events',
    elsewhere: '1 250 messages (Maelstrom)',
    goal: '≥ 250 000',
    shown: (of) => grouped(number(of, 'eventsPerCoreSecond')),
    holds: (of) => number(of, 'eventsPerCoreSecond') >= 250_000,
  },
  {
    quantity: '10 000 peers, 1 h, full',
    part: 'peers-10k',
    elsewhere: '–',
    goal: 'done',
    shown: runText,
    holds: (of) => of['ok'] === true,
  },
  {
    quantity: '100 000 peers, 1 h, coarse',
    part: 'coarse-100k',
    elsewhere: '–',
    goal: 'done',
    shown: runText,
    holds: (of) => of['ok'] === true,
  },
  {
    quantity: '1 000 000 peers, DHT only',
    part: 'dht-1m',
    elsewhere: '2 000 000 Chord nodes (SimGrid)',
    goal: '≤ 8 GiB',
    shown: (of) => `${rounded(of, 'meanHops')} hops, ${gibText(number(of, 'rssBytes') / gib)}`,
    holds: (of) => number(of, 'rssBytes') <= 8 * gib,
  },
  {
    quantity: '1 000 peers of real libp2p with Noise, one process',
    part: 'noise-1000',
    elsewhere: '100 (go-libp2p’s simlibp2p tests)',
    goal: '≤ 4 GiB',
    shown: (of) => `${rounded(of, 'coverage', 100)} % delivered, ${gibText(number(of, 'rssMaxGib'))}`,
    holds: (of) => number(of, 'coverage') === 1 && number(of, 'rssMaxGib') <= 4,
  },
  {
    quantity: 'real-protocol peers a GiB',
    part: 'noise-1000',
    elsewhere: '3.9 (Shadow with nwaku), 4 (Testground)',
    goal: '≥ 250',
    shown: (of) => grouped(number(of, 'peersPerGibMax')),
    holds: (of) => number(of, 'peersPerGibMax') >= 250,
  },
  {
    quantity: 'equal runs of one seed, model tier',
    part: 'determinism-model',
    elsewhere: 'by seed',
    goal: 'all of 100',
    shown: equalText,
    holds: (of) => number(of, 'runs') >= 100 && of['equal'] === of['runs'],
  },
  {
    quantity: 'equal runs of one seed, libp2p tier',
    part: 'determinism-libp2p',
    elsewhere: 'by seed',
    goal: 'all',
    shown: equalText,
    holds: (of) => of['equal'] === of['runs'],
  },
  {
    quantity: 'seeds of `swarm` without a violation',
    part: 'seeds',
    elsewhere: 'tens of thousands a night (FoundationDB)',
    goal: '500',
    shown: (of) => `${number(of, 'clean')} of ${number(of, 'runs')}`,
    holds: (of) => number(of, 'runs') >= 500 && of['clean'] === of['runs'],
  },
  ...['xval-20', 'xval-50', 'xval-200', 'xval-1000'].map((part) => ({
    quantity: `two tiers agree: \`${part}\``,
    part,
    elsewhere: '–',
    goal: 'all figures within their tolerance',
    shown: (of: Figures) => `${String(of['tiers'])}: ${of['ok'] === true ? 'agree' : 'differ'}`,
    holds: (of: Figures) => of['ok'] === true,
  })),
]

const document = join(import.meta.dirname, '../../docs/simulation.md')
const marked = /<!-- bench:simulator -->[\s\S]*?<!-- \/bench -->/

export function writeTable(): void {
  const text = readFileSync(document, 'utf8')
  if (!marked.test(text)) throw new Error(`${document} has no place for the table, expected <!-- bench:simulator -->`)
  const whole = ['<!-- bench:simulator -->', ...tableOf(history()), '<!-- /bench -->'].join('\n')
  writeFileSync(
    document,
    text.replace(marked, () => whole),
  )
}

export function tableOf(entries: readonly Entry[]): readonly string[] {
  const machines = new Set<string>()
  const lines = rows.map((row) => {
    const entry = entries.findLast(({ bench, figures }) => bench === 'simulator' && figures[row.part] !== undefined)
    if (!entry) return line(row.quantity, row.elsewhere, row.goal, 'not measured', '–', '–', row.part)
    machines.add(entry.machine)
    const figures = entry.figures[row.part] as Figures // written by this bench
    const holds = row.holds(figures) ? 'yes' : 'no'
    return line(row.quantity, row.elsewhere, row.goal, row.shown(figures), holds, entry.at.slice(0, 10), row.part)
  })
  const on = machines.size === 0 ? [] : ['', `Measured on ${[...machines].join('; ')}.`]
  return [
    line('quantity', 'elsewhere', 'goal', 'here', 'holds', 'on', '`npm run bench -- simulator` …'),
    '|---|---|---|---|---|---|---|',
    ...lines,
    ...on,
  ]
}

function line(...cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function runText(of: Figures): string {
  return `${rounded(of, 'wallSeconds')} s, ${grouped(number(of, 'timesRealTime'))} × real time, ${gibText(number(of, 'rssBytes') / gib)}`
}

function equalText(of: Figures): string {
  return `${number(of, 'equal')} of ${number(of, 'runs')}`
}

function number(figures: Figures, name: string): number {
  const value = figures[name]
  return typeof value === 'number' ? value : Number.NaN
}

function rounded(figures: Figures, name: string, factor = 1): string {
  return String(Number((factor * number(figures, name)).toPrecision(3)))
}

function gibText(value: number): string {
  return `${value.toFixed(2)} GiB`
}

/** Thousands apart, as the documents write them. */
function grouped(value: number): string {
  return value < 10 ? String(Number(value.toPrecision(2))) : Math.round(value).toLocaleString('en').replaceAll(',', ' ')
}

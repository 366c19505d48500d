// Two runs, or two sets of runs of several seeds, metric by metric: what differs, and whether chance explains it.

import { metricOf, summaryMetrics, type Unit } from '../metrics.ts'
import { formatValue, significant } from './format.ts'
import { type Interval, meanInterval, meanOf, pairedInterval, welchInterval } from './statistics.ts'
import type { RunSummary } from './write.ts'

export interface Comparison {
  readonly a: Side
  readonly b: Side
  /** How intervals were made; `none` where a side has one run only. */
  readonly method: 'paired t' | 'Welch t' | 'none'
  readonly confidence: 0.95
  readonly rows: readonly ComparedMetric[]
}

export interface Side {
  readonly scenario: string
  readonly tier: string
  readonly commit: string
  readonly seeds: readonly number[]
  readonly violations: number
  readonly failedAssertions: number
}

export interface ComparedMetric {
  readonly name: string
  readonly unit: Unit | ''
  /** Means over seeds; absent where a side has not measured it. */
  readonly a?: number
  readonly b?: number
  /** b − a. */
  readonly difference?: number
  /** Of |a|. */
  readonly relative?: number
  readonly low?: number
  readonly high?: number
  /** The interval of the difference leaves out 0; absent where there is no interval. */
  readonly isSignificant?: boolean
  readonly change?: 'better' | 'worse'
}

/** One run, or several of different seeds, on each side. Equal seeds are compared pair by pair. */
export function compareRuns(a: RunSummary | readonly RunSummary[], b: RunSummary | readonly RunSummary[]): Comparison {
  const [runsA, runsB] = [bySeed(a), bySeed(b)]
  const [sideA, sideB] = [sideOf(runsA), sideOf(runsB)]
  const isPaired = sideA.seeds.join() === sideB.seeds.join() && new Set(sideA.seeds).size === sideA.seeds.length
  const isRepeated = runsA.length > 1 && runsB.length > 1
  const names = [...summaryMetrics.map(({ name }) => name), ...othersIn([...runsA, ...runsB])]
  return {
    a: sideA,
    b: sideB,
    method: !isRepeated ? 'none' : isPaired ? 'paired t' : 'Welch t',
    confidence: 0.95,
    rows: names.flatMap((name) => {
      const [valuesA, valuesB] = [valuesOf(runsA, name), valuesOf(runsB, name)]
      if (valuesA.length === 0 && valuesB.length === 0) return []
      // a metric that some seeds of a side lack has no pairs
      const hasPairs = isPaired && valuesA.length === runsA.length && valuesB.length === runsB.length
      const interval = hasPairs ? pairedInterval(valuesA, valuesB) : welchInterval(valuesA, valuesB)
      return [rowOf(name, valuesA, valuesB, isRepeated ? interval : undefined)]
    }),
  }
}

function rowOf(
  name: string,
  valuesA: readonly number[],
  valuesB: readonly number[],
  interval: Interval | undefined,
): ComparedMetric {
  const { unit = '', better } = metricOf(name) ?? {}
  const [a, b] = [meanOf(valuesA), meanOf(valuesB)]
  const row = { name, unit, ...(a === undefined ? {} : { a }), ...(b === undefined ? {} : { b }) } as const
  if (a === undefined || b === undefined) return row
  const difference = b - a
  const isSignificant = interval && (interval.low > 0 || interval.high < 0)
  const isChange = isSignificant ?? difference !== 0
  return {
    ...row,
    difference,
    ...(a === 0 ? {} : { relative: difference / Math.abs(a) }),
    ...(interval ? { low: interval.low, high: interval.high, isSignificant: isSignificant === true } : {}),
    ...(better && isChange ? { change: difference > 0 === (better === 'more') ? 'better' : 'worse' } : {}),
  }
}

/** For a terminal: aligned columns, then what the marks mean. Ends without a newline. */
export function comparisonText(comparison: Comparison): string {
  const { a, b, method, rows } = comparison
  const hasIntervals = method !== 'none'
  const head = ['metric', 'A', 'B', 'B − A', '%', ...(hasIntervals ? ['95 % CI of B − A', ''] : [''])]
  const body = rows.map((row) => {
    const { name, unit, difference, relative, low, high, isSignificant, change } = row
    const shown = (value: number | undefined) => (value === undefined ? '–' : formatValue(value, unit))
    const mark = change ? `${isSignificant === undefined ? '' : '* '}${change}` : isSignificant ? '*' : ''
    return [
      name,
      shown(row.a),
      shown(row.b),
      difference === undefined ? '–' : signed(difference, unit),
      relative === undefined ? '' : `${relative > 0 ? '+' : ''}${(relative * 100).toFixed(1)}`,
      ...(hasIntervals ? [low === undefined ? '' : `${signed(low, unit)} … ${signed(high ?? low, unit)}`] : []),
      mark,
    ]
  })
  const widths = head.map((_, column) => Math.max(...[head, ...body].map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === 0 || column === row.length - 1
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  const side = (name: string, { scenario, tier, commit, seeds, violations, failedAssertions }: Side) =>
    `${name}: ${scenario}, ${tier}, commit ${commit.slice(0, 12) || 'unknown'}, ${seeds.length === 1 ? 'seed' : `${seeds.length} seeds`} ${brief(seeds)}; ${failedAssertions} assertions failed, ${violations} violations`
  const meaning = hasIntervals
    ? `* the 95 % interval (${method === 'paired t' ? 'Student’s t of differences, seed by seed' : 'Welch’s t'}) leaves out 0; of ${rows.length} metrics that do not differ, one in twenty would look so`
    : 'one run a side: differences only, no interval; run several seeds to tell them from chance'
  return [side('A', a), side('B', b), '', line(head), ...body.map(line), '', meaning].join('\n')
}

/** The data of it, for machines. */
export function comparisonJson(comparison: Comparison): string {
  return JSON.stringify(comparison, undefined, 2)
}

function signed(difference: number, unit: Unit | ''): string {
  if (unit === 'share') return `${difference > 0 ? '+' : ''}${significant(difference * 100)} pp`
  return `${difference > 0 ? '+' : ''}${formatValue(difference, unit)}`
}

/** The first and the last of many. */
function brief(seeds: readonly number[]): string {
  return seeds.length <= 6 ? seeds.join(', ') : `${seeds[0]}, ${seeds[1]}, … ${seeds.at(-1)}`
}

function bySeed(runs: RunSummary | readonly RunSummary[]): readonly RunSummary[] {
  const all = 'manifest' in runs ? [runs] : runs
  if (all.length === 0) throw new RangeError('no run to compare, expected at least one on each side')
  return all.toSorted((a, b) => a.manifest.seed - b.manifest.seed)
}

function sideOf(runs: readonly RunSummary[]): Side {
  const names = (of: (run: RunSummary) => string) => [...new Set(runs.map(of))].join(', ')
  return {
    scenario: names(({ manifest }) => manifest.scenario),
    tier: names(({ manifest }) => manifest.tier),
    commit: names(({ manifest }) => manifest.commit),
    seeds: runs.map(({ manifest }) => manifest.seed),
    violations: runs.reduce((sum, { violations }) => sum + violations.length, 0),
    failedAssertions: runs.reduce((sum, { assertions }) => sum + assertions.filter(({ holds }) => !holds).length, 0),
  }
}

/** One run's interval is its value. */
export function seedInterval(runs: readonly RunSummary[], name: string): Interval | undefined {
  return meanInterval(valuesOf(runs, name))
}

export function valuesOf(runs: readonly RunSummary[], name: string): number[] {
  return runs.map(({ summary }) => summary[name]).filter((value) => value !== undefined)
}

/** Names that no table has, in the order of the first run that has them. */
export function othersIn(runs: readonly RunSummary[]): string[] {
  const known = new Set(summaryMetrics.map(({ name }) => name))
  return [...new Set(runs.flatMap(({ summary }) => Object.keys(summary)))].filter((name) => !known.has(name))
}

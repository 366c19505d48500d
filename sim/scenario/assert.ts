// What a scenario says must hold, as comparisons of figures of the summary.

import { costNano, type Nano } from '../../protocol/money.ts'
import { summaryMetrics } from '../metrics.ts'
import type { Violation } from '../record.ts'
import { nearest, type Path, type Report, shown } from './problem.ts'
import { durationMsOf, nanoOf, shareOf } from './units.ts'

export type Op = '>=' | '<=' | '>' | '<' | '=='

export interface Assertion {
  readonly text: string
  /** Of `summaryMetrics`; or the name of a check, whose violations are counted. */
  readonly metric: string
  readonly op: Op
  readonly value: number
  readonly isCheck?: boolean | undefined
}

const compare: Readonly<Record<Op, (a: number, b: number) => boolean>> = {
  '>=': (a, b) => a >= b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '<': (a, b) => a < b,
  '==': (a, b) => a === b,
}
const ops = Object.keys(compare)

/** The checks of sim/checkers.ts that may be named; they are on in every run, named or not. */
export const checks: readonly string[] = [
  'conservation',
  'settled-never-falls',
  'settled-within-vouchers',
  'settled-within-deposit',
  'exposure-within-window',
  'request-ends-once',
  'request-deadline',
  'sequences-within-slots',
  'tokens-once',
  'healed',
  'comes-to-rest',
  'no-internal-fault',
  'no-unhandled-rejection',
]

/** What is to hold at the end is not asked of a run that was cut short. */
export function evaluate(
  assertions: readonly Assertion[],
  summary: Readonly<Record<string, number>>,
  violations: readonly Violation[] = [],
  isComplete = true,
): { readonly text: string; readonly holds: boolean; readonly value: string }[] {
  const asked = assertions.filter(({ isCheck }) => isCheck || isComplete)
  return asked.map(({ text, metric, op, value, isCheck }) => {
    const known = isCheck ? violations.filter(({ check }) => check === metric).length : summary[metric]
    if (known === undefined) return { text, holds: false, value: 'not measured' }
    const found = isCheck ? `${known} violations` : shownWithUnit(metric, known)
    return { text, holds: compare[op](known, value), value: found }
  })
}

/**
 * One item of `assert`: a check’s name, `{boundedLoss: {providerTokens: 64}}`, or `{ttftP99: {"<=": 4s}}`. `tokenNano` is the most
 * that a million completion tokens may cost.
 */
export function assertionsOf(item: unknown, tokenNano: Nano, path: Path, report: Report): readonly Assertion[] {
  if (typeof item === 'string') {
    if (checks.includes(item)) return [{ text: item, metric: item, op: '==', value: 0, isCheck: true }]
    report({
      path,
      what: `is ${shown(item)}`,
      expected: 'the name of a check, or a metric with a comparison such as {successRate: {">=": 0.99}}',
      hint: nearest(item, checks) ?? `checks: ${checks.join(', ')}`,
    })
    return []
  }
  return Object.entries(item ?? {}).flatMap(([name, bounds]: [string, unknown]) =>
    name === 'boundedLoss'
      ? boundedLoss(bounds, tokenNano, [...path, name], report)
      : comparisons(name, bounds, [...path, name], report),
  )
}

/** No provider was ever owed more than so many completion tokens, at the highest price, by one payer. */
function boundedLoss(bounds: unknown, tokenNano: Nano, path: Path, report: Report): readonly Assertion[] {
  const tokens = entriesOf(bounds).find(([key]) => key === 'providerTokens')?.[1]
  if (typeof tokens !== 'number' || !Number.isInteger(tokens) || tokens < 0) {
    report({ path, what: `is ${shown(bounds)}`, expected: 'whole tokens such as {providerTokens: 64}' })
    return []
  }
  const price = { promptNano: 0n, cachedNano: 0n, completionNano: tokenNano }
  const nano = Number(costNano({ promptTokens: 0, cachedTokens: 0, completionTokens: tokens }, price))
  const text = `boundedLoss: exposureNanoMax <= ${nano} nano, ${tokens} tokens`
  return [{ text, metric: 'exposureNanoMax', op: '<=', value: nano }]
}

function comparisons(name: string, bounds: unknown, path: Path, report: Report): readonly Assertion[] {
  const metric = metricNameOf(name)
  if (metric === undefined) {
    report({
      path,
      isKey: true,
      what: 'is no metric',
      expected: 'a metric of the summary such as successRate, ttftP99 or e2eP50',
      hint: nearest(
        name,
        summaryMetrics.flatMap((known) => [known.name, known.name.replace(/Ms(?=Mean|P\d)/, '')]),
      ),
    })
    return []
  }
  const pairs = entriesOf(bounds)
  if (pairs.length === 0) report({ path, what: `is ${shown(bounds)}`, expected: 'a comparison such as {">=": 0.99}' })
  return pairs.flatMap(([sign, bound]) => {
    const op = opOf(sign === '=' ? '==' : sign)
    const value = boundOf(metric, bound)
    if (op === undefined) {
      report({ path: [...path, sign], isKey: true, what: 'is no comparison', expected: `one of ${ops.join(' ')}` })
    } else if (value === undefined) {
      const { unit } = unitOf(metric)
      report({ path: [...path, sign], what: `is ${shown(bound)}`, expected: exampleOf(unit) })
    } else return [{ text: `${metric} ${op} ${shownWithUnit(metric, value)}`, metric, op, value }]
    return []
  })
}

/** `ttftP99` is `ttftMsP99`. */
function metricNameOf(name: string): string | undefined {
  const withUnit = name.replace(/(Mean|P\d+)$/, 'Ms$1')
  return [name, withUnit].find((candidate) => summaryMetrics.some((metric) => metric.name === candidate))
}

function opOf(sign: string): Op | undefined {
  return sign === '>=' || sign === '<=' || sign === '>' || sign === '<' || sign === '==' ? sign : undefined
}

function boundOf(metric: string, bound: unknown): number | undefined {
  if (typeof bound === 'number') return bound
  if (typeof bound !== 'string') return undefined
  try {
    switch (unitOf(metric).unit) {
      case 'ms':
        return durationMsOf(bound)
      case 's':
        return durationMsOf(bound) / 1_000
      case 'share':
      case 'ratio':
        return shareOf(bound)
      case 'GRAM':
        return Number(nanoOf(bound)) / 1e9
      case 'nano':
        return Number(nanoOf(bound))
      default:
        return undefined
    }
  } catch {
    return undefined // the caller says what was expected
  }
}

function exampleOf(unit: string): string {
  if (unit === 'ms' || unit === 's') return 'a duration such as 4s or 250ms'
  if (unit === 'share' || unit === 'ratio') return 'a share such as 0.99 or 99%'
  return unit === 'GRAM' || unit === 'nano' ? 'an amount such as 0.2 GRAM' : `a number (${unit})`
}

function unitOf(metric: string): { readonly unit: string } {
  return summaryMetrics.find(({ name }) => name === metric) ?? { unit: '' }
}

function shownWithUnit(metric: string, value: number): string {
  const { unit } = unitOf(metric)
  const number = Number(value.toPrecision(6)).toString()
  return unit === '' || unit === 'share' || unit === 'ratio' || unit === 'count' ? number : `${number} ${unit}`
}

function entriesOf(value: unknown): readonly [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : []
}

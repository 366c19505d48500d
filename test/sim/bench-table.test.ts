// The table of what was measured, as the documents show it.

import { expect, test } from 'vitest'
import type { Entry } from '../bench/history.ts'
import { tableOf } from '../bench/table.ts'

const entry = (at: string, figures: Entry['figures'], bench = 'simulator'): Entry => ({
  bench,
  at,
  commit: 'c',
  machine: '2 × X, 31 GiB, linux',
  node: '24.21.0',
  figures,
})

const rowOf = (entries: readonly Entry[], part: string): string =>
  tableOf(entries).find((line) => line.endsWith(`| ${part} |`)) ?? expect.unreachable(part)

test('shows the newest entry that has a part, and its day', () => {
  const entries = [
    entry('2026-11-20T10:00:00.000Z', { 'first-report': { seconds: 50 }, events: { eventsPerCoreSecond: 262_144.4 } }),
    entry('2026-11-21T10:00:00.000Z', { 'first-report': { seconds: 61.04 } }),
  ]
  expect(rowOf(entries, 'first-report')).toContain('| 60 s | 61 s | no | 2026-11-21 |')
  expect(rowOf(entries, 'events')).toContain('| ≥ 250 000 | 262 144 | yes | 2026-11-20 |')
})

test('says what was not measured, and takes nothing of other benches', () => {
  const other = entry('2026-11-21T10:00:00.000Z', { 'first-report': { seconds: 5 } }, 'node')
  expect(rowOf([other], 'first-report')).toContain('| not measured | – | – |')
})

test('runs that are not all equal do not hold, nor do too few', () => {
  const of = (runs: number, equal: number) =>
    rowOf([entry('2026-11-21T10:00:00.000Z', { 'determinism-model': { runs, equal } })], 'determinism-model')
  expect(of(100, 100)).toContain('| 100 of 100 | yes |')
  expect(of(100, 99)).toContain('| 99 of 100 | no |')
  expect(of(10, 10)).toContain('| 10 of 10 | no |')
})

test('a figure that is missing does not hold', () => {
  const at = '2026-11-21T10:00:00.000Z'
  expect(rowOf([entry(at, { 'dht-1m': { meanHops: 3.5 } })], 'dht-1m')).toContain('GiB | no |')
})

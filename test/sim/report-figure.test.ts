// A sweep as a picture and a table.

import { expect, test } from 'vitest'
import { figureOf, figureSvg, figureTable } from '../../sim/report/figure.ts'
import type { RunSummary } from '../../sim/report/write.ts'
import { syntheticRun } from './synthetic-run.ts'

const { manifest } = syntheticRun({ providers: 1, consumers: 1, requests: 1 })

function runOf(seed: number, group: object, summary: Record<string, number>): RunSummary {
  const source = { name: 'x', seed, population: [group] }
  return { manifest: { ...manifest, seed, source }, summary, assertions: [], violations: [] }
}

const runs = ['p2c', 'random'].flatMap((policy, at) =>
  ['2/m', '9/m', '20/m'].flatMap((rate) =>
    [1, 2].map((seed) => runOf(seed, { policy, rate }, { ttftMsP50: 100 * (at + 1) + seed, paidNanoPerMtoken: 5e7 })),
  ),
)

test('the parameter with more values makes the rows, the other the colours', () => {
  const { colours, rows, parameters } = figureOf(runs, ['ttftMsP50'])
  expect(parameters).toEqual(['population[0].rate', 'population[0].policy'])
  expect(rows).toEqual(['2/m', '20/m', '9/m'])
  expect(colours).toEqual(['p2c', 'random'])
})

test('the table has a line a point, with means and half their intervals', () => {
  const lines = figureTable(figureOf(runs, ['ttftMsP50', 'paidNanoPerMtoken'])).split('\n')
  expect(lines[0]).toBe('| rate | policy | ttftMsP50 | paidNanoPerMtoken |')
  expect(lines).toHaveLength(2 + 6)
  expect(lines[2]).toBe('| 2/m | p2c | 102 ms ± 6.35 ms | 0.05 GRAM/M ± 0 GRAM/M |')
})

test('the picture has a panel a figure, a mark a point, and texts that cannot end it', () => {
  const svg = figureSvg(
    figureOf([...runs, runOf(1, { policy: '<b>', rate: '2/m' }, { ttftMsP50: 300 })], ['ttftMsP50']),
  )
  expect(svg.match(/<g transform/g)).toHaveLength(1)
  expect(svg.match(/<circle/g)).toHaveLength(7 + 3) // and three in the legend
  expect(svg).not.toContain('<b>')
  expect(svg).not.toMatch(/https?:\/\/(?!www\.w3\.org)/)
})

test('runs that do not differ, differ in more, or lack a figure make none', () => {
  const one = runs.slice(0, 1)
  expect(() => figureOf(one, ['ttftMsP50'])).toThrow(/^0 parameters differ/)
  const more = runOf(1, { policy: 'p2c', rate: '2/m', count: 7 }, { ttftMsP50: 1 })
  expect(() => figureOf([...runs, more], ['ttftMsP50'])).toThrow(/^3 parameters differ/)
  expect(() => figureOf(runs, ['nothing'])).toThrow(/^no run has a figure nothing/)
})

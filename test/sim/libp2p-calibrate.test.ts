// The table of costs: measured here, committed for everybody.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { calibrate } from '../../sim/calibrate.ts'
import { readCosts } from '../../sim/costs.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'costs-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('costs', () => {
  test('the committed table has them all', () => {
    const { costs, measuredAt, node } = readCosts()
    expect(Object.values(costs).every((cost) => cost > 0)).toBe(true)
    expect(Date.parse(measuredAt)).toBeGreaterThan(0)
    expect(node).toMatch(/^\d+\.\d+\.\d+$/)
    // a dial is at least two signatures and two verifications on each end
    expect(costs.dialMs).toBeGreaterThan((2 * (costs.signUs + costs.verifyUs)) / 1_000)
  })

  test('this machine’s have the same names', async () => {
    const before = Date.now
    const measured = await calibrate({ peers: 6, codecRounds: 900 })
    expect(Object.keys(measured.costs).toSorted()).toEqual(Object.keys(readCosts().costs).toSorted())
    expect(measured.costs.verifyUs).toBeGreaterThan(0)
    expect(measured.costs.dialMs).toBeGreaterThan(0)
    expect(Date.now).toBe(before) // real time is back
    const path = join(folder, 'mine.json')
    writeFileSync(path, JSON.stringify(measured))
    expect(readCosts(path)).toEqual(measured)
  }, 180_000)

  test('a table that lacks one is refused by its name', () => {
    const path = join(folder, 'bad.json')
    const { costs, ...about } = readCosts()
    writeFileSync(path, JSON.stringify({ ...about, costs: { ...costs, dialMs: 'long' } }))
    expect(() => readCosts(path)).toThrow(`${path}: costs.dialMs is long, expected a time`)
    writeFileSync(path, '{}')
    expect(() => readCosts(path)).toThrow('has no costs')
  })
})

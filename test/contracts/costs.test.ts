// What the documents promise of fees, and of which test holds what.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CostChain } from '../../contracts/costs.ts'
import { settings } from '../../node/config.ts'

test('a settle at the default threshold costs below 1 % of it, alone and with fifty others in the ledger', async () => {
  const chain = await CostChain.open()
  const { nano } = await chain.settle({ known: 50, vouchers: 1, sets: 2 })
  expect(nano).toBeGreaterThan(500_000n)
  expect(100n * nano).toBeLessThan(settings.settlement.thresholdNano.default)
})

test('every attack of docs/contract.md §7 names a test that is there', () => {
  const folder = new URL('../../docs/', import.meta.url)
  const section = readFileSync(new URL('contract.md', folder), 'utf8')
    .split(/^## /m)
    .find((text) => text.startsWith('7.'))
  const rows = (section ?? '').split('\n').filter((line) => /^\| (?!attack)/.test(line))
  expect(rows.length).toBeGreaterThan(20)
  for (const row of rows) {
    const links = [...row.matchAll(/\[([^\]]+)\]\((\S+\.test\.ts)\)/g)]
    expect(links, row).not.toEqual([])
    for (const [, name = '', file = ''] of links) expect(readFileSync(new URL(file, folder), 'utf8')).toContain(name)
  }
})

// The escrow against the model of test/contracts/history.ts; `npm run fuzz:contract` goes on from here.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { exitCodes } from '../../contracts/escrow.ts'
import { EscrowRun } from './account.ts'
import { History, invariants, unlockDelaySec } from './history.ts'
import { historyOf, historySteps } from './steps.ts'

const seed = 20_261_121
const steps = 2_000

test(`the invariants hold over ${steps} steps of every actor in random order, seed ${seed}`, async () => {
  const on = await EscrowRun.open(unlockDelaySec)
  const seen = new Map<string, number>()
  for (let index = 0; index < steps / historySteps; index += 1) {
    const history = await History.begin(on, seen)
    for (const step of historyOf(seed + index)) await history.take(step)
    await history.end()
  }
  // a generator that no longer gets anywhere would pass everything
  for (const code of Object.keys(exitCodes).filter((code) => code !== '112')) {
    expect(
      [...seen.keys()].filter((what) => what.endsWith(`, ${code}`)),
      `exit code ${code}`,
    ).not.toEqual([])
  }
  expect(seen.get('in a block, 0')).toBeGreaterThan(steps / 5)
}, 300_000)

test('docs/contract.md §8 lists the invariants as they are checked', () => {
  const text = readFileSync(new URL('../../docs/contract.md', import.meta.url), 'utf8').replaceAll(/\n\s+/g, ' ')
  for (const [number, invariant] of Object.entries(invariants)) expect(text).toContain(`${number}. ${invariant}`)
})

// The nodes' ledgers and the chain's books after churn, on the real TVM: the hour's scenario, short.

import { beforeAll, expect, test } from 'vitest'
import { execute } from '../../sim/execute.ts'
import type { RunRecord } from '../../sim/record.ts'
import { loadScenario, scenarioOf } from '../../sim/scenario/load.ts'

let run: RunRecord

beforeAll(async () => {
  const hour = loadScenario('sim/scenarios/ledger-tvm.yaml')
  const source: unknown = {
    ...(hour.source as object),
    duration: '3m',
    warmup: '20s',
    heal: '30s',
    population: [
      { role: 'peer', name: 'bootstrap', count: 1 },
      {
        role: 'provider',
        count: 2,
        engine: 'rtx4090-llama3.1-8b',
        price: { prompt: '3 GRAM', completion: '10 GRAM', cached: '0.3 GRAM' },
        churn: { model: 'weibull', shape: 0.608, scale: '1m', downtime: '10s' },
      },
      {
        role: 'consumer',
        count: 2,
        policy: 'p2c',
        workload: { rate: '12/m', prompt: '500..2000', completion: '32..96' },
      },
    ],
  }
  run = await execute(scenarioOf(source, 'ledger-tvm.yaml'), 7, 'model')
}, 120_000)

test('what the ledgers say was settled is what the chain has paid, to the nano, and no node’s ledger differs from its books', () => {
  expect(run.violations.filter(({ check }) => check === 'ledger-agrees' || check === 'conservation')).toEqual([])
  expect(run.summary['settledGram']).toBeGreaterThan(0)
  expect(run.summary['ledgerGapNano']).toBe(0)
  expect(run.summary['ledgerSettledGram']).toBe(run.summary['settledGram'])
})

test('what consumers spent is what providers earned and what never reached them', () => {
  const { ledgerEarnedGram = 0, ledgerSpentGram = 0, ledgerUntoldNano = 0 } = run.summary
  expect(Math.round((ledgerSpentGram - ledgerEarnedGram) * 1e9)).toBe(ledgerUntoldNano)
})

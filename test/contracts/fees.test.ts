// The fee parameters written as constants are the bytes the chain holds.

import { existsSync, readFileSync } from 'node:fs'
import { Cell } from '@ton/core'
import { expect, test } from 'vitest'
import {
  feeParameters,
  loadParameters,
  mainnet2026Config,
  mainnet2026Fees,
  sandboxConfig,
  scaleBasechainPrices,
} from '../../contracts/fees.ts'

const feeParameterIds = [18, 20, 21, 24, 25]
const mainnetConfigFile = new URL('../../../shared/data/ton-mainnet-config-84773657.boc.b64', import.meta.url)

test('each fee parameter serialises to the bytes the chain holds at block 84 773 657', () => {
  const hashes = [...feeParameters(mainnet2026Fees)].map(([index, cell]) => [index, cell.hash().toString('hex')])
  expect(Object.fromEntries(hashes)).toMatchInlineSnapshot(`
    {
      "18": "0721d497c31b355ceb1ce1885d51a7d1b1f84a30a40400ebc6c792d76b23d5d8",
      "20": "3806f08bd71c647291217e9d043a018e8a9826e1943975bc1e9c97b1c2333267",
      "21": "aaec03367c3035ee7af9fbb39460de98098b29c1006239ea2f8b27757fafc173",
      "24": "06fd19e4557ae5c0805f58bb62ffed63182f00411b0d8cad25e0546744d0393f",
      "25": "260f1bacb2955389bda680175cb5d0c9dfdebe6f3b611812416140fbdd5a8b61",
    }
  `)
})

test.skipIf(!existsSync(mainnetConfigFile))(
  "the fee parameters equal those of mainnet's configuration cell (skipped where its file is absent)",
  () => {
    const reference = loadParameters(Cell.fromBase64(readFileSync(mainnetConfigFile, 'utf8').trim()))
    const ours = loadParameters(mainnet2026Config())
    for (const index of feeParameterIds)
      expect(ours.get(index)?.toString(), `parameter ${index}`).toBe(reference.get(index)?.toString())
  },
)

test('a scaled schedule moves only the basechain gas and forwarding parameters', () => {
  const before = loadParameters(mainnet2026Config())
  const after = loadParameters(sandboxConfig(scaleBasechainPrices(mainnet2026Fees, 6n)))
  const moved = [...before.keys()].filter((index) => before.get(index)?.toString() !== after.get(index)?.toString())
  expect(moved).toEqual([21, 25])
})

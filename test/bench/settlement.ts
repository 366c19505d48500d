// What settling costs: the escrow by batch and by payees known to it, side by side with the alternatives on the same chain at the
// same prices, and what that is of a provider's revenue. `curve` also writes docs/costs.svg and the tables of docs/costs.md.

import { CostChain } from '../../contracts/costs.ts'
import { Escrow } from '../../contracts/escrow.ts'
import { measureGas } from '../../contracts/gas.ts'
import { settings } from '../../node/config.ts'
import {
  channelCost,
  fanOutNano,
  type MerkleCost,
  merkleCost,
  rentNanoPerYear,
  usedCells,
} from './settlement/alternatives.ts'
import { type SettlementFigures, writeCosts } from './settlement/curve.ts'

const batches = [1, 2, 5, 10] as const
const knownPayees = [0, 1, 5, 15, 50] as const
/** What a payer is taken to have in its ledger where one figure has to do. */
const knownByDefault = 15

export async function measure(parts: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const unknown = parts.filter((part) => part !== 'curve')
  if (unknown.length > 0) throw new RangeError(`no part ${unknown.join(', ')}, expected curve or none`)
  const figures = await measured()
  if (parts.includes('curve')) writeCosts(figures)
  return { ...figures }
}

async function measured(): Promise<SettlementFigures> {
  const chain = await CostChain.open()
  const gas = Object.fromEntries(
    (await measureGas(chain)).map(({ gas, operation, payees }) => [`${operation}, ${payees} known`, gas]),
  )
  const byKnownPayees: Record<string, Record<string, number>> = {}
  const againByKnownPayees: Record<string, Record<string, number>> = {}
  const rent: Record<string, number> = {}
  for (const known of knownPayees) {
    process.stderr.write(`escrow with ${known} payees …\n`)
    const { address } = await chain.newEscrow(chain.payees(0).slice(0, known))
    rent[known] = rentNanoPerYear(await usedCells(chain, address))
    for (const vouchers of batches) {
      const { nano } = await chain.settle({ known, vouchers })
      byKnownPayees[known] = { ...byKnownPayees[known], [vouchers]: perVoucher(nano, vouchers) }
      if (vouchers > known) continue
      const again = await chain.settle({ known, vouchers, isAgain: true })
      againByKnownPayees[known] = { ...againByKnownPayees[known], [vouchers]: perVoucher(again.nano, vouchers) }
    }
  }
  process.stderr.write('alternatives …\n')
  const fanOut: Record<string, Record<string, number>> = {}
  for (const known of [0, knownByDefault]) {
    for (const vouchers of batches) {
      fanOut[known] = { ...fanOut[known], [vouchers]: await fanOutNano(chain, known, vouchers) }
    }
  }
  const merkle: MerkleCost[] = []
  for (const [depth, by] of [
    [10, 'external'],
    [10, 'wallet'],
    [17, 'wallet'],
  ] as const) {
    merkle.push(await merkleCost(chain, depth, by))
  }
  const alone = byKnownPayees[knownByDefault]?.[1] ?? Number.NaN
  return {
    nanoPerVoucher: byKnownPayees[0] ?? {},
    overheadPercentAtDefaults: percent(alone, settings.settlement.thresholdNano.default),
    byKnownPayees,
    againByKnownPayees,
    rentNanoPerYear: rent,
    alternatives: { channel: await channelCost(chain), fanOut, merkle },
    gas,
    code: codeSize(),
  }
}

function perVoucher(nano: bigint, vouchers: number): number {
  return Number(nano / BigInt(vouchers))
}

function percent(nano: number, ofNano: bigint): number {
  return Math.round((10_000 * nano) / Number(ofNano)) / 100
}

function codeSize(): SettlementFigures['code'] {
  const seen = new Set<string>()
  let bits = 0
  const visit = (cell: typeof Escrow.code): void => {
    const hash = cell.hash().toString('hex')
    if (seen.has(hash)) return
    seen.add(hash)
    bits += cell.bits.length
    for (const ref of cell.refs) visit(ref)
  }
  visit(Escrow.code)
  return { hash: Escrow.codeHash, bytes: Escrow.code.toBoc().length, cells: seen.size, bits }
}

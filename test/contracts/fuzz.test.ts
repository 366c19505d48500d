// Whatever a message holds and whatever the prices are, it is not accepted, or it runs to its end and pays.

import { beginCell, type Cell } from '@ton/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { settleBatchBody, settleOneBody } from '../../contracts/escrow.ts'
import { mainnet2026Fees, sandboxConfig, scaleBasechainPrices } from '../../contracts/fees.ts'
import { gram, payee, type Stage, stage } from './stage.ts'

const seed = 20_261_121
const runs = 1_000

const priceFactors: readonly (readonly [bigint, bigint])[] = [
  [1n, 10n],
  [1n, 1n],
  [6n, 1n],
  [10n, 1n],
]

type Change =
  | { readonly do: 'flip'; readonly depth: number; readonly bit: number }
  | { readonly do: 'cut'; readonly depth: number; readonly bits: number }
  | { readonly do: 'grow'; readonly depth: number; readonly bits: number }
  | { readonly do: 'refer'; readonly depth: number; readonly to: 'empty' | 'junk' | 'self' | 'library' | 'pruned' }
  | { readonly do: 'drop'; readonly depth: number }

const depth = fc.nat(4)
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ do: fc.constant('flip' as const), depth, bit: fc.nat(900) }),
  fc.record({ do: fc.constant('cut' as const), depth, bits: fc.nat(900) }),
  fc.record({ do: fc.constant('grow' as const), depth, bits: fc.integer({ min: 1, max: 180 }) }),
  fc.record({
    do: fc.constant('refer' as const),
    depth,
    to: fc.constantFrom('empty' as const, 'junk' as const, 'self' as const, 'library' as const, 'pruned' as const),
  }),
  fc.record({ do: fc.constant('drop' as const), depth }),
)

test(`${runs} distorted messages at four price levels, seed ${seed}: none fails after it is accepted`, async () => {
  const stages = await Promise.all(
    priceFactors.map(([numerator, denominator]) =>
      stage({
        config: sandboxConfig(scaleBasechainPrices(mainnet2026Fees, numerator, denominator)),
        depositNano: gram,
      }),
    ),
  )
  let acceptedCount = 0
  await fc.assert(
    fc.asyncProperty(
      fc.nat(priceFactors.length - 1),
      fc.integer({ min: 1, max: 5 }),
      fc.oneof(fc.bigInt(1n, 30_000_000n), fc.bigInt(1n, 2n * gram)),
      fc.array(change, { maxLength: 3 }),
      async (level, count, nano, changes) => {
        const on = stages[level]
        if (!on) throw new RangeError(`no price level ${level}`)
        const trial = await on.tryWhole(envelope(on, changes.reduce(distort, honest(on, count, nano))))
        if (!trial.accepted) return
        acceptedCount += 1
        expect(trial).toMatchObject({ exitCode: 0, actionCode: 0 })
        expect(trial.payouts).toBeGreaterThan(0)
      },
    ),
    { seed, numRuns: runs, endOnFailure: true },
  )
  expect(acceptedCount).toBeGreaterThan(runs / 10)
})

function honest(on: Stage, count: number, nano: bigint): Cell {
  const vouchers = Array.from({ length: count }, (_, index) => on.voucher(payee(index), nano))
  const [first] = vouchers
  return first && count === 1 ? settleOneBody(first) : settleBatchBody(vouchers)
}

function envelope(on: Stage, body: Cell): Cell {
  return beginCell()
    .storeUint(0b1000, 4)
    .storeAddress(on.escrow.address)
    .storeCoins(0n)
    .storeBit(0)
    .storeBit(1)
    .storeRef(body)
    .endCell()
}

/** Changes the cell so many references down the first branch, or the last there is. */
function distort(cell: Cell, change: Change): Cell {
  const [next, ...others] = cell.refs
  if (change.depth > 0 && next && !cell.isExotic) {
    return rebuild(cell, [distort(next, { ...change, depth: change.depth - 1 }), ...others])
  }
  switch (change.do) {
    case 'flip': {
      const at = change.bit % Math.max(1, cell.bits.length)
      return rebuild(cell, cell.refs, (bits) => bits.map((bit, index) => (index === at ? !bit : bit)))
    }
    case 'cut':
      return rebuild(cell, cell.refs, (bits) => bits.slice(0, change.bits))
    case 'grow':
      return rebuild(cell, cell.refs, (bits) => [...bits, ...Array<boolean>(change.bits).fill(true)].slice(0, 1023))
    case 'refer':
      return cell.refs.length < 4 ? rebuild(cell, [...cell.refs, target(cell, change.to)]) : cell
    case 'drop':
      return rebuild(cell, cell.refs.slice(1))
  }
}

function target(cell: Cell, to: Extract<Change, { do: 'refer' }>['to']): Cell {
  switch (to) {
    case 'empty':
      return beginCell().endCell()
    case 'junk':
      return beginCell().storeUint(1, 900).storeRef(beginCell().storeUint(2, 900).endCell()).endCell()
    case 'self':
      return cell
    case 'library':
      return beginCell().storeUint(2, 8).storeUint(0, 256).endCell({ exotic: true })
    case 'pruned':
      return beginCell().storeUint(1, 8).storeUint(1, 8).storeUint(0, 256).storeUint(0, 16).endCell({ exotic: true })
  }
}

function rebuild(cell: Cell, refs: readonly Cell[], onBits: (bits: boolean[]) => boolean[] = (bits) => bits): Cell {
  if (cell.isExotic) return cell
  const bits = Array.from({ length: cell.bits.length }, (_, index) => cell.bits.at(index))
  const builder = beginCell()
  for (const bit of onBits(bits)) builder.storeBit(bit)
  for (const ref of refs) builder.storeRef(ref)
  return builder.endCell()
}

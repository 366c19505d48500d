// What each operation of the escrow costs at mainnet's prices: `node contracts/gas.ts`, with `--json` for machines.

import type { Cell } from '@ton/core'
import { type Cost, CostChain, type CostEscrow } from './costs.ts'
import {
  type ControlAction,
  controlBody,
  finalizeBody,
  reserveBody,
  settleInternalBody,
  startUnlockBody,
} from './escrow.ts'

export interface GasRow {
  readonly operation: string
  /** Payees the ledger held before. */
  readonly payees: number
  readonly vouchers: number
  /** Of the escrow's transaction. */
  readonly gas: number
  /** Destroyed by everything the message caused, the payee's wallet included; a voucher's share where it settles some. */
  readonly costNano: bigint
}

export async function measureGas(on?: CostChain): Promise<readonly GasRow[]> {
  const chain = on ?? (await CostChain.open())
  const others = await operations(chain) // first: their escrows have the shortest unlock delays
  const rows: GasRow[] = []
  for (const payees of [0, 15]) {
    for (const vouchers of [1, 2, 5, 10]) {
      const { gas, nano } = await chain.settle({ known: payees, vouchers })
      const operation = vouchers === 1 ? 'settle one' : `settle ${vouchers}`
      rows.push({ operation, payees, vouchers, gas, costNano: nano / BigInt(vouchers) })
    }
  }
  return [...rows, ...others]
}

async function operations(chain: CostChain): Promise<GasRow[]> {
  const [payee] = chain.payees(0)
  if (!payee) throw new Error('no wallet to pay')
  const reservation = { payee, amountNano: 100_000_000n, until: chain.nowSec + 1 }
  const rows: GasRow[] = []
  const add = (operation: string, { gas, nano }: Cost, vouchers = 0): void => {
    rows.push({ operation, payees: 0, vouchers, gas, costNano: nano })
  }
  const call = (escrow: CostEscrow, body: Cell) => chain.call(escrow.address, body)
  const control = (escrow: CostEscrow, action: ControlAction, seqno: number) => {
    const terms = {
      globalId: chain.globalId,
      escrow: escrow.raw,
      epoch: 0,
      seqno,
      validUntil: chain.nowSec + 100,
      action,
    }
    return chain.post(escrow.address, controlBody(terms, chain.signAsClient))
  }
  const [one, byWallet, byKey, other] = [
    await chain.newEscrow(),
    await chain.newEscrow(),
    await chain.newEscrow(),
    await chain.newEscrow(),
  ]
  const [voucher] = chain.vouchers(one, [payee])
  if (voucher) add('settle one, by wallet', await call(one, settleInternalBody(voucher)), 1)
  add('reserve, by wallet', await call(byWallet, reserveBody(reservation)))
  add('reserve, by key', await control(byKey, { kind: 'reserve', ...reservation }, 0))
  add('unlock, by wallet', await call(byWallet, startUnlockBody()))
  add('unlock, by key', await control(other, { kind: 'unlock' }, 0))
  await call(byKey, startUnlockBody())
  chain.pass(10)
  add('finalize, by wallet', await call(byWallet, finalizeBody()))
  add('finalize, by key', await control(byKey, { kind: 'finalize' }, 1))
  return rows
}

if (import.meta.main) {
  const rows = await measureGas()
  if (process.argv.includes('--json')) {
    console.log(JSON.stringify(rows.map((row) => ({ ...row, costNano: row.costNano.toString() }))))
  } else {
    console.log('operation               payees      gas   nano a voucher or operation')
    for (const { operation, payees, gas, costNano } of rows) {
      console.log(
        `${operation.padEnd(24)}${`${payees}`.padStart(6)}${`${gas}`.padStart(9)}${`${costNano}`.padStart(12)}`,
      )
    }
  }
}

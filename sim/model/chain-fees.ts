// What settling costs on the modelled chain: TON mainnet's prices, and gas as measured on the real contract.

import type { Nano } from '../../protocol/money.ts'
import type { Voucher } from '../../protocol/voucher.ts'
import { quantile } from '../random.ts'

/** Basechain prices of TON mainnet, August 2026, block 84 773 657; `contracts/fees.ts` has the whole schedule. Q16: of 65 536 units. */
const gasPriceQ16 = 4_369_067n
const flatGas = 100n
const flatGasNano = 6_667n
const forwardNano = 66_667n
const forwardBitQ16 = 4_369_067n
const forwardCellQ16 = 436_906_667n

/**
 * Gas of one settle by vouchers in it, measured on the compiled contract by `node contracts/gas.ts` (docs/contract.md §9): for
 * an escrow that has paid nobody before, and one that has paid 15, whose ledger is four levels deep.
 */
const gasEmpty = [
  [1, 5_763],
  [2, 11_842],
  [5, 28_649],
  [10, 59_682],
] as const
const gasDeeper = [
  [1, 9_154],
  [2, 17_576],
  [5, 38_602],
  [10, 73_854],
] as const
const deeperLevels = 4

/** Gas of the payee's wallet (v5) when a payout arrives: what that table's costs hold beside import, gas and forwarding. */
const walletGas = 546n

/** Gas of taking a deposit, measured on the compiled contract (test/sim/chain.test.ts holds the model to it). */
const topUpGas = 741n

/** Of the contract (contracts/escrow/fees.tolk): stays in the account for its rent. */
export const rentReserveNano: Nano = 20_000_000n

export interface SettleFees {
  /** For taking the message in, and its gas: shared by those who are paid. */
  readonly sharedNano: Nano
  /** For delivering one payout, the payee's wallet included. */
  readonly deliveryNano: Nano
}

/** `paid` of the vouchers are paid; `payees` were before. */
export function settleFees(vouchers: readonly Voucher[], payees: number, factor: number): SettleFees {
  const shared = importNano(vouchers) + gasNano(settleGas(vouchers.length, payees))
  const delivery = forwardNano + gasNano(walletGas)
  return { sharedNano: scaled(shared, factor), deliveryNano: scaled(delivery, factor) }
}

/** What the contract wants to be due before it takes a message (`leastDueNow`): six times the gas used so far, twice the import. */
export function leastDueNano(vouchers: readonly Voucher[], payees: number, factor: number): Nano {
  const gasBefore = 2_300 + 400 * vouchers.length + Math.round(100 * levelsOf(payees))
  return scaled(pricedGas(6n * BigInt(gasBefore)) + 2n * importNano(vouchers), factor)
}

/** The same beforehand, for so many vouchers and ledgers of up to some thousand payees (`leastDueFor`, the get-method `leastDue`). */
export function leastDueBeforehandNano(vouchers: number, factor: number): Nano {
  const count = BigInt(vouchers)
  return scaled(pricedGas(6n * (4_500n + 400n * count)) + 2n * forwardedNano(937n * count, count), factor)
}

export function topUpNano(factor: number): Nano {
  return scaled(gasNano(topUpGas), factor)
}

function settleGas(vouchers: number, payees: number): bigint {
  const empty = quantile(gasEmpty, vouchers)
  const deeper = quantile(gasDeeper, vouchers)
  return BigInt(Math.round(empty + ((deeper - empty) * levelsOf(payees)) / deeperLevels))
}

/** Keys of the ledger are hashes: its tree is balanced. */
function levelsOf(payees: number): number {
  return Math.log2(1 + payees)
}

/** settle_one: 32 bits and one voucher; settle_batch: one more bit each, one cell each. */
function importNano(vouchers: readonly Voucher[]): Nano {
  const perVoucher = vouchers.length === 1 ? 0 : 1
  const bits = vouchers.reduce((sum, { terms }) => sum + perVoucher + voucherBits(terms.amountNano), 32)
  return forwardedNano(BigInt(bits), BigInt(vouchers.length))
}

/** payee:uint256 amount:Coins signature:bits512; Coins are four bits of length and so many bytes. */
function voucherBits(amountNano: Nano): number {
  const amountBytes = amountNano === 0n ? 0 : Math.ceil(amountNano.toString(16).length / 2)
  return 256 + 4 + 8 * amountBytes + 512
}

function forwardedNano(bits: bigint, cells: bigint): Nano {
  return forwardNano + ceilQ16(bits * forwardBitQ16 + cells * forwardCellQ16)
}

/** As the chain charges a transaction. */
function gasNano(gas: bigint): Nano {
  return gas <= flatGas ? flatGasNano : flatGasNano + pricedGas(gas - flatGas)
}

function pricedGas(gas: bigint): Nano {
  return ceilQ16(gas * gasPriceQ16)
}

function ceilQ16(amount: bigint): bigint {
  return (amount + 0xffffn) >> 16n
}

function scaled(nano: Nano, factor: number): Nano {
  return factor === 1 ? nano : (nano * BigInt(Math.round(factor * 1_000))) / 1_000n
}

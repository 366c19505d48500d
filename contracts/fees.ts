// The fee parameters of the chain in 2026 as readable constants, and the sandbox configuration built from them.

import { beginCell, Cell, Dictionary } from '@ton/core'
import { defaultConfig } from '@ton/sandbox'

/** The configuration every chain test, gas table and local chain runs on: real prices instead of the sandbox's older ones. */
export function mainnet2026Config(): Cell {
  return sandboxConfig(mainnet2026Fees)
}

/** Prices per 65 536 units where the name ends in `Q16`; everything else in nano, gas units, bits, cells or seconds. */
export interface FeeSchedule {
  readonly storage: readonly StoragePrices[]
  readonly gasMasterchain: GasPrices
  readonly gasBasechain: GasPrices
  readonly forwardMasterchain: ForwardPrices
  readonly forwardBasechain: ForwardPrices
}

export interface StoragePrices {
  readonly sinceUnixSec: number
  readonly bitPerSecQ16: bigint
  readonly cellPerSecQ16: bigint
  readonly masterchainBitPerSecQ16: bigint
  readonly masterchainCellPerSecQ16: bigint
}

export interface GasPrices {
  readonly flatGas: bigint
  readonly flatNano: bigint
  readonly gasQ16: bigint
  readonly gasLimit: bigint
  readonly specialGasLimit: bigint
  readonly gasCredit: bigint
  readonly blockGasLimit: bigint
  readonly freezeDueNano: bigint
  readonly deleteDueNano: bigint
}

export interface ForwardPrices {
  readonly lumpNano: bigint
  readonly bitQ16: bigint
  readonly cellQ16: bigint
  readonly ihrFactorQ16: number
  readonly firstFracQ16: number
  readonly nextFracQ16: number
}

/**
 * TON mainnet, masterchain block 84 773 657 (August 2026): parameters 18, 20, 21, 24 and 25.
 * Basechain storage, gas and forwarding were cut about six times by the validators' votes of 30 April and 1 May 2026.
 */
export const mainnet2026Fees: FeeSchedule = {
  storage: [
    {
      sinceUnixSec: 0,
      bitPerSecQ16: 1n,
      cellPerSecQ16: 500n,
      masterchainBitPerSecQ16: 1_000n,
      masterchainCellPerSecQ16: 500_000n,
    },
    {
      sinceUnixSec: 1_777_500_000,
      bitPerSecQ16: 0n,
      cellPerSecQ16: 135n,
      masterchainBitPerSecQ16: 1_000n,
      masterchainCellPerSecQ16: 500_000n,
    },
  ],
  gasMasterchain: {
    flatGas: 100n,
    flatNano: 1_000_000n,
    gasQ16: 655_360_000n,
    gasLimit: 1_000_000n,
    specialGasLimit: 70_000_000n,
    gasCredit: 10_000n,
    blockGasLimit: 2_500_000n,
    freezeDueNano: 100_000_000n,
    deleteDueNano: 1_000_000_000n,
  },
  gasBasechain: {
    flatGas: 100n,
    flatNano: 6_667n,
    gasQ16: 4_369_067n,
    gasLimit: 1_000_000n,
    specialGasLimit: 1_000_000n,
    gasCredit: 10_000n,
    blockGasLimit: 10_000_000n,
    freezeDueNano: 100_000_000n,
    deleteDueNano: 1_000_000_000n,
  },
  forwardMasterchain: {
    lumpNano: 10_000_000n,
    bitQ16: 655_360_000n,
    cellQ16: 65_536_000_000n,
    ihrFactorQ16: 98_304,
    firstFracQ16: 21_845,
    nextFracQ16: 21_845,
  },
  forwardBasechain: {
    lumpNano: 66_667n,
    bitQ16: 4_369_067n,
    cellQ16: 436_906_667n,
    ihrFactorQ16: 98_304,
    firstFracQ16: 21_845,
    nextFracQ16: 21_845,
  },
}

/** The schedule with every basechain gas and forwarding price multiplied: what a validators' vote does to a deployed contract. */
export function scaleBasechainPrices(fees: FeeSchedule, numerator: bigint, denominator = 1n): FeeSchedule {
  const scale = (price: bigint): bigint => (price * numerator) / denominator
  const { gasBasechain: gas, forwardBasechain: forward } = fees
  return {
    ...fees,
    gasBasechain: { ...gas, flatNano: scale(gas.flatNano), gasQ16: scale(gas.gasQ16) },
    forwardBasechain: {
      ...forward,
      lumpNano: scale(forward.lumpNano),
      bitQ16: scale(forward.bitQ16),
      cellQ16: scale(forward.cellQ16),
    },
  }
}

/** Masterchain-internal parameters (validator sets, bridges) stop here: the emulator does not need them and copies them a transaction. */
const lastParameterKept = 31

export function sandboxConfig(fees: FeeSchedule): Cell {
  const parameters = loadParameters(Cell.fromBase64(defaultConfig))
  for (const index of parameters.keys()) {
    if (index < 0 || index > lastParameterKept) parameters.delete(index)
  }
  for (const [index, cell] of feeParameters(fees)) parameters.set(index, cell)
  return beginCell().storeDictDirect(parameters).endCell()
}

/** The same configuration for a chain of another id: what is signed for one chain must be worth nothing on any other. */
export function withGlobalId(config: Cell, globalId: number): Cell {
  const parameters = loadParameters(config)
  parameters.set(19, beginCell().storeInt(globalId, 32).endCell()) // _ global_id:int32 = ConfigParam 19;
  return beginCell().storeDictDirect(parameters).endCell()
}

export function loadParameters(config: Cell): Dictionary<number, Cell> {
  return Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), config)
}

/** Configuration parameters 18, 20, 21, 24 and 25 as the chain serialises them. */
export function feeParameters(fees: FeeSchedule): ReadonlyMap<number, Cell> {
  return new Map([
    [18, storagePrices(fees.storage)],
    [20, gasPrices(fees.gasMasterchain)],
    [21, gasPrices(fees.gasBasechain)],
    [24, forwardPrices(fees.forwardMasterchain)],
    [25, forwardPrices(fees.forwardBasechain)],
  ])
}

// _#cc utime_since:uint32 bit_price_ps:uint64 cell_price_ps:uint64 mc_bit_price_ps:uint64 mc_cell_price_ps:uint64 = StoragePrices;
// _ (Hashmap 32 StoragePrices) = ConfigParam 18;
function storagePrices(list: readonly StoragePrices[]): Cell {
  const bySince = Dictionary.empty(Dictionary.Keys.Uint(32), Dictionary.Values.BitString(8 + 32 + 4 * 64))
  for (const prices of list) {
    const value = beginCell()
      .storeUint(0xcc, 8)
      .storeUint(prices.sinceUnixSec, 32)
      .storeUint(prices.bitPerSecQ16, 64)
      .storeUint(prices.cellPerSecQ16, 64)
      .storeUint(prices.masterchainBitPerSecQ16, 64)
      .storeUint(prices.masterchainCellPerSecQ16, 64)
    bySince.set(prices.sinceUnixSec, value.endCell().bits)
  }
  return beginCell().storeDictDirect(bySince).endCell()
}

// gas_flat_pfx#d1 flat_gas_limit:uint64 flat_gas_price:uint64 other:GasLimitsPrices = GasLimitsPrices;
// gas_prices_ext#de gas_price:uint64 gas_limit:uint64 special_gas_limit:uint64 gas_credit:uint64 block_gas_limit:uint64
//   freeze_due_limit:uint64 delete_due_limit:uint64 = GasLimitsPrices;
function gasPrices(prices: GasPrices): Cell {
  return beginCell()
    .storeUint(0xd1, 8)
    .storeUint(prices.flatGas, 64)
    .storeUint(prices.flatNano, 64)
    .storeUint(0xde, 8)
    .storeUint(prices.gasQ16, 64)
    .storeUint(prices.gasLimit, 64)
    .storeUint(prices.specialGasLimit, 64)
    .storeUint(prices.gasCredit, 64)
    .storeUint(prices.blockGasLimit, 64)
    .storeUint(prices.freezeDueNano, 64)
    .storeUint(prices.deleteDueNano, 64)
    .endCell()
}

// msg_forward_prices#ea lump_price:uint64 bit_price:uint64 cell_price:uint64 ihr_price_factor:uint32 first_frac:uint16
//   next_frac:uint16 = MsgForwardPrices;
function forwardPrices(prices: ForwardPrices): Cell {
  return beginCell()
    .storeUint(0xea, 8)
    .storeUint(prices.lumpNano, 64)
    .storeUint(prices.bitQ16, 64)
    .storeUint(prices.cellQ16, 64)
    .storeUint(prices.ihrFactorQ16, 32)
    .storeUint(prices.firstFracQ16, 16)
    .storeUint(prices.nextFracQ16, 16)
    .endCell()
}

// The escrow as seen from outside the chain: its address, its get-methods, its exit codes; messages.ts has the bodies of its messages.

import {
  type Address,
  beginCell,
  Cell,
  type Contract,
  type ContractProvider,
  contractAddress,
  type Sender,
  type StateInit,
  storeStateInit,
  type TupleItem,
  type TupleReader,
} from '@ton/core'
import type { Address as RawAddress } from '../protocol/ids.ts'
import compiled from './escrow.compiled.json' with { type: 'json' }
import { payeeNumber } from './messages.ts'

export * from './messages.ts'

export interface EscrowParameters {
  /** Receives every refund; usually the client's wallet. */
  readonly owner: Address
  /** The client's Ed25519 public key, 32 bytes: it signs vouchers and control messages. */
  readonly signer: Uint8Array
  /** From unlock to finalize, during which providers settle. Providers should refuse less than a day. */
  readonly unlockDelaySec: number
}

export interface EscrowAccount extends EscrowParameters {
  /** Of the next signed control message. */
  readonly seqno: number
  /** Earliest finalize in Unix seconds; 0 while the escrow is open. */
  readonly unlockAt: number
  /** Latest end of any reservation in Unix seconds; finalize waits for it. */
  readonly lockedUntil: number
  /** Part of every voucher; finalize increments it. */
  readonly epoch: number
  readonly reservedTotalNano: bigint
  /** Balance above the rent reserve and all reservations. */
  readonly freeNano: bigint
  /** The chain as the contract sees it: −239 mainnet, −3 testnet. Part of every voucher. */
  readonly globalId: number
}

export interface EscrowPayee {
  /** Paid to this payee in this epoch so far. */
  readonly settledNano: bigint
  readonly reservedNano: bigint
  /** Unix seconds until which the reservation cannot shrink. */
  readonly reservedUntil: number
  /** What a voucher could pay now beyond `settledNano`. */
  readonly payableNano: bigint
}

/** Kept by the account for its rent; never paid out. */
export const rentReserveNano = 20_000_000n

export class Escrow implements Contract {
  static readonly code: Cell = Cell.fromBase64(compiled.codeBoc)
  /** What the account of a client must run, as 64 hex digits: there is no upgrade and no other version. */
  static readonly codeHash: string = compiled.codeHash

  readonly address: Address
  readonly init?: StateInit

  private constructor(address: Address, init?: StateInit) {
    this.address = address
    if (init) this.init = init
  }

  static fromAddress(address: Address): Escrow {
    return new Escrow(address)
  }

  /** The one escrow of these parameters, deployed or not: its address is the hash of code and parameters. */
  static fromParameters(parameters: EscrowParameters): Escrow {
    const init = { code: Escrow.code, data: initialData(parameters) }
    return new Escrow(contractAddress(0, init), init)
  }

  /** For whoever deploys: a message to `address` with this attached. Undefined after `fromAddress`. */
  get stateInit(): Cell | undefined {
    return this.init && beginCell().store(storeStateInit(this.init)).endCell()
  }

  async getAccount(provider: ContractProvider): Promise<EscrowAccount> {
    return await this.#read(provider, 'account', [], (stack) => ({
      owner: stack.readAddress(),
      signer: bytes32(stack.readBigNumber()),
      unlockDelaySec: uint32(stack),
      seqno: uint32(stack),
      unlockAt: uint32(stack),
      lockedUntil: uint32(stack),
      epoch: uint32(stack),
      reservedTotalNano: coins(stack),
      freeNano: coins(stack),
      globalId: within(stack.readBigNumber(), -0x80000000n, 0x7fffffffn),
    }))
  }

  async getPayee(provider: ContractProvider, payee: RawAddress): Promise<EscrowPayee> {
    return await this.#read(provider, 'payeeState', [{ type: 'int', value: payeeNumber(payee) }], (stack) => ({
      settledNano: coins(stack),
      reservedNano: coins(stack),
      reservedUntil: uint32(stack),
      payableNano: coins(stack),
    }))
  }

  /** The 32 bytes a voucher of the current epoch is signed over, as the contract computes them. For comparing, not for signing. */
  async getVoucherDigest(provider: ContractProvider, payee: RawAddress, amountNano: bigint): Promise<Uint8Array> {
    const args: TupleItem[] = [
      { type: 'int', value: payeeNumber(payee) },
      { type: 'int', value: amountNano },
    ]
    return await this.#read(provider, 'voucherDigest', args, (stack) => bytes32(stack.readBigNumber()))
  }

  /** With this much due the first payee of a message of so many vouchers is paid, at the prices in force. */
  async getLeastDue(provider: ContractProvider, vouchers: number): Promise<bigint> {
    return await this.#read(provider, 'leastDue', [{ type: 'int', value: BigInt(vouchers) }], coins)
  }

  /** Posts a settle or a signed control message. Anybody may; it needs no coins. */
  async sendExternal(provider: ContractProvider, body: Cell): Promise<void> {
    await provider.external(body)
  }

  /** Deploys the account where it is not yet; a first deposit must not bounce off an account without code. */
  async sendDeposit(provider: ContractProvider, via: Sender, valueNano: bigint): Promise<void> {
    await provider.internal(via, { value: valueNano, bounce: false })
  }

  /** An operation by internal message; what is not used of `valueNano` for gas stays in the deposit, or comes back from a settle. */
  async sendOperation(provider: ContractProvider, via: Sender, body: Cell, valueNano: bigint): Promise<void> {
    await provider.internal(via, { value: valueNano, bounce: true, body })
  }

  async #read<T>(
    provider: ContractProvider,
    method: string,
    args: TupleItem[],
    decode: (stack: TupleReader) => T,
  ): Promise<T> {
    const { stack } = await provider.get(method, args)
    try {
      return decode(stack)
    } catch (cause) {
      throw new Error(`${method} of ${this.address.toRawString()} returned what no escrow returns`, { cause })
    }
  }
}

/** What the escrow's exit codes mean. An external message that ends with one before ACCEPT cost nobody anything. */
export const exitCodes: Readonly<Record<number, string>> = {
  102: 'the voucher or control message is not signed by the client for this chain, account, epoch, payee and amount',
  103: 'nothing is due, or less than the fees of paying it: already settled, or the deposit is spent',
  104: 'only the owner may do this',
  105: 'an unlock is under way',
  106: 'no unlock is under way',
  107: 'too early: the unlock delay, or a reservation, has not ended',
  108: 'the control message is past its time',
  109: 'the control message is of another epoch or sequence number',
  110: 'the reservation would shrink a live one, or reaches more than 30 days ahead',
  111: 'not enough free funds',
  112: 'the message carries more than its operation needs: a StateInit, spare cells, more than ten vouchers',
  65535: 'the escrow knows no such operation',
}

// storage$_ owner:MsgAddressInt unlock_delay:uint32 seqno:uint32 unlock_at:uint32 locked_until:uint32 signer:uint256
//   epoch:uint32 reserved_total:Coins entries:(HashmapE 256 Entry) = Storage;
function initialData({ owner, signer, unlockDelaySec }: EscrowParameters): Cell {
  if (signer.length !== 32)
    throw new RangeError(`signer of ${signer.length} bytes, expected a 32-byte Ed25519 public key`)
  return beginCell()
    .storeAddress(owner)
    .storeUint(unlockDelaySec, 32)
    .storeUint(0, 32 + 32 + 32)
    .storeBuffer(Buffer.from(signer))
    .storeUint(0, 32)
    .storeCoins(0n)
    .storeMaybeRef(null)
    .endCell()
}

// Get-methods answer through an endpoint that may be anybody's: a value outside its type is not an escrow's.

function uint32(stack: TupleReader): number {
  return within(stack.readBigNumber(), 0n, 0xffffffffn)
}

function within(value: bigint, least: bigint, most: bigint): number {
  if (value < least || value > most) throw new RangeError(`${value}, expected ${least} to ${most}`)
  return Number(value)
}

function coins(stack: TupleReader): bigint {
  const value = stack.readBigNumber()
  if (value < 0n || value >= 1n << 120n) throw new RangeError(`${value}, expected an amount of coins`)
  return value
}

function bytes32(value: bigint): Uint8Array {
  if (value < 0n || value >= 1n << 256n) throw new RangeError(`${value}, expected an unsigned 256-bit integer`)
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
}

// One escrow's account run by itself for the property test: every transaction is balanced to the nano, its state is read
// from its data cell, and what it sends out is told but not delivered.

import {
  Address,
  beginCell,
  type Cell,
  contractAddress,
  Dictionary,
  type DictionaryValue,
  external,
  type StateInit,
} from '@ton/core'
import { Blockchain, createEmptyShardAccount, EmulationError, internal, type SmartContract } from '@ton/sandbox'
import { Escrow } from '../../contracts/escrow.ts'
import { type FeeSchedule, mainnet2026Fees, sandboxConfig, scaleBasechainPrices } from '../../contracts/fees.ts'
import { addressOf, parseAddress, type Address as RawAddress } from '../../protocol/ids.ts'
import { publicKeyOfSeed, signerOf } from '../../protocol/signature.ts'

export const startSec = 1_790_000_000
export const globalId = -239

/** In tenths of the prices of 2026: gas, forwarding and rent alike. */
export const priceTenths = [1n, 10n, 30n, 60n, 100n] as const
export type PriceTenths = (typeof priceTenths)[number]

export interface AccountState {
  readonly seqno: number
  readonly unlockAt: number
  readonly lockedUntil: number
  readonly epoch: number
  readonly reservedTotalNano: bigint
  /** By ledger key. */
  readonly entries: ReadonlyMap<bigint, EntryState>
}

export interface EntryState {
  readonly settledNano: bigint
  readonly reservedNano: bigint
  readonly reservedUntil: number
}

export interface Sent {
  readonly to: RawAddress
  readonly nano: bigint
  /** The first 32 bits of its body, 0 without one. */
  readonly operation: number
}

export interface Run {
  readonly isExternal: boolean
  /** False only for an external message: it is in no block. */
  readonly accepted: boolean
  /** Undefined where the contract did not run: the message carried no gas. */
  readonly exitCode: number | undefined
  readonly actionCode: number | undefined
  readonly beforeNano: bigint
  readonly afterNano: bigint
  readonly attachedNano: bigint
  readonly rentNano: bigint
  readonly sent: readonly Sent[]
  /** Coins that the books of the transaction do not account for. Not 0 is a fault. */
  readonly missingNano: bigint
}

const clientSeed = Buffer.alloc(32, 7)
export const signAsClient: (message: Uint8Array) => Uint8Array = signerOf(clientSeed)
export const owner: RawAddress = addressOf(Buffer.alloc(32, 0xa1))
export const stranger: RawAddress = addressOf(Buffer.alloc(32, 0xa2))

export class EscrowRun {
  readonly #blockchain: Blockchain
  readonly #configs: ReadonlyMap<PriceTenths, Cell>
  readonly #contract: SmartContract
  readonly #init: StateInit
  readonly escrow: Escrow
  readonly raw: RawAddress

  private constructor(
    blockchain: Blockchain,
    configs: ReadonlyMap<PriceTenths, Cell>,
    contract: SmartContract,
    escrow: Escrow,
    init: StateInit,
  ) {
    this.#blockchain = blockchain
    this.#configs = configs
    this.#contract = contract
    this.escrow = escrow
    this.#init = init
    this.raw = parseAddress(escrow.address.toRawString())
  }

  static async open(unlockDelaySec: number, code = Escrow.code): Promise<EscrowRun> {
    const configs = new Map(priceTenths.map((tenths) => [tenths, sandboxConfig(scaled(tenths))]))
    const config = configs.get(10n)
    if (!config) throw new RangeError('no configuration of the prices of 2026')
    const blockchain = await Blockchain.create({ config })
    const signer = publicKeyOfSeed(clientSeed)
    const data = Escrow.fromParameters({ owner: Address.parseRaw(owner), signer, unlockDelaySec }).init?.data
    const init = { code, data: data ?? beginCell().endCell() }
    const escrow = Escrow.fromAddress(contractAddress(0, init))
    return new EscrowRun(blockchain, configs, await blockchain.getContract(escrow.address), escrow, init)
  }

  /** A new account at the prices of 2026, deployed and funded by its owner. */
  async reset(depositNano: bigint): Promise<Run> {
    this.#blockchain.now = startSec
    this.reprice(10n)
    this.#contract.account = createEmptyShardAccount(this.escrow.address)
    return await this.deposit(depositNano)
  }

  get nowSec(): number {
    return this.#blockchain.now ?? startSec
  }

  get balanceNano(): bigint {
    return this.#contract.balance
  }

  pass(seconds: number): void {
    this.#blockchain.now = this.nowSec + seconds
  }

  /** What a validators' vote does, between two blocks. */
  reprice(tenths: PriceTenths): void {
    const config = this.#configs.get(tenths)
    if (config) this.#blockchain.setConfig(config)
  }

  post(body: Cell): Promise<Run> {
    return this.#run(external({ to: this.escrow.address, body }), 0n)
  }

  deposit(nano: bigint): Promise<Run> {
    return this.#run(
      internal({
        from: Address.parseRaw(owner),
        to: this.escrow.address,
        value: nano,
        bounce: false,
        stateInit: this.#init,
      }),
      nano,
    )
  }

  call(body: Cell, from: RawAddress, nano: bigint): Promise<Run> {
    return this.#run(
      internal({ from: Address.parseRaw(from), to: this.escrow.address, value: nano, bounce: true, body }),
      nano,
    )
  }

  /** What comes back of a message that was sent from here, or looks as if. */
  bounced(body: Cell, nano: bigint): Promise<Run> {
    const message = internal({
      from: Address.parseRaw(owner),
      to: this.escrow.address,
      value: nano,
      bounce: false,
      body,
    })
    return this.#run({ ...message, info: { ...message.info, bounced: true } as typeof message.info }, nano)
  }

  /** As it lies in the account, without the help of its get-methods. */
  state(): AccountState {
    const state = this.#contract.accountState
    if (state?.type !== 'active' || !state.state.data) throw new Error(`the account is ${state?.type ?? 'not there'}`)
    const data = state.state.data.beginParse()
    data.skip(267 + 32)
    const [seqno, unlockAt, lockedUntil] = [data.loadUint(32), data.loadUint(32), data.loadUint(32)]
    data.skip(256)
    const epoch = data.loadUint(32)
    const reservedTotalNano = data.loadCoins()
    const entries = data.loadDict(Dictionary.Keys.BigUint(256), entryCodec)
    return { seqno, unlockAt, lockedUntil, epoch, reservedTotalNano, entries: new Map(entries) }
  }

  /** What anybody reads through its get-methods. */
  async view(payee: RawAddress) {
    const escrow = this.#blockchain.openContract(this.escrow)
    return { account: await escrow.getAccount(), payee: await escrow.getPayee(payee) }
  }

  async #run(message: Parameters<SmartContract['receiveMessage']>[0], attachedNano: bigint): Promise<Run> {
    const beforeNano = this.balanceNano
    const isExternal = message.info.type === 'external-in'
    const run = { isExternal, beforeNano, attachedNano, rentNano: 0n, sent: [], missingNano: 0n, actionCode: undefined }
    try {
      const transaction = await this.#contract.receiveMessage(message)
      const { description, outMessages, totalFees } = transaction
      if (description.type !== 'generic') throw new Error(`a transaction of type ${description.type}`)
      const { computePhase, actionPhase, storagePhase } = description
      const sent: Sent[] = []
      let outNano = 0n
      for (const { body, info } of outMessages.values()) {
        if (info.type !== 'internal') throw new Error(`the escrow sent a message of type ${info.type}`)
        const operation = body.bits.length < 32 ? 0 : body.beginParse().loadUint(32)
        sent.push({ to: parseAddress(info.dest.toRawString()), nano: info.value.coins, operation })
        outNano += info.value.coins + info.forwardFee
      }
      const afterNano = this.balanceNano
      return {
        isExternal,
        accepted: true,
        exitCode: computePhase.type === 'vm' ? computePhase.exitCode : undefined,
        actionCode: actionPhase?.resultCode,
        beforeNano,
        afterNano,
        attachedNano,
        rentNano: storagePhase?.storageFeesCollected ?? 0n,
        sent,
        missingNano: beforeNano + attachedNano - afterNano - outNano - totalFees.coins,
      }
    } catch (error) {
      if (!(error instanceof EmulationError) || !/not accepted|rejected by account/.test(error.message)) throw error
      return {
        ...run,
        accepted: false,
        exitCode: error.exitCode || undefined, // 0: an account that rent has emptied runs nothing
        afterNano: this.balanceNano,
      }
    }
  }
}

/** Under which a payee is in the ledger. */
export function ledgerKey(payee: RawAddress): bigint {
  const account = Address.parseRaw(payee).hash
  return BigInt(`0x${beginCell().storeBuffer(account).endCell().hash().toString('hex')}`)
}

function scaled(tenths: bigint): FeeSchedule {
  const fees = scaleBasechainPrices(mainnet2026Fees, tenths, 10n)
  const scale = (price: bigint): bigint => (price * tenths) / 10n
  const storage = fees.storage.map((prices) => ({
    ...prices,
    bitPerSecQ16: scale(prices.bitPerSecQ16),
    cellPerSecQ16: scale(prices.cellPerSecQ16),
  }))
  return { ...fees, storage }
}

const entryCodec: DictionaryValue<EntryState> = {
  serialize: () => {
    throw new Error('entries are only read')
  },
  parse: (slice) => ({
    settledNano: slice.loadCoins(),
    reservedNano: slice.remainingBits > 0 ? slice.loadCoins() : 0n,
    reservedUntil: slice.remainingBits > 0 ? slice.loadUint(32) : 0,
  }),
}

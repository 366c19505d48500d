// A chain at mainnet's prices on which a message costs what it destroys: the difference in the coins of everybody it touches.

import { type Cell, external, type StateInit, Address as TonAddress, toNano } from '@ton/core'
import { Blockchain, createShardAccount, internal, type SandboxContract, type TreasuryContract } from '@ton/sandbox'
import { WalletContractV5R1 } from '@ton/ton'
import { type Address, parseAddress } from '../protocol/ids.ts'
import { publicKeyOfSeed, signerOf } from '../protocol/signature.ts'
import { signVoucher, type Voucher } from '../protocol/voucher.ts'
import { Escrow, settleBatchBody, settleBody, vouchersMax } from './escrow.ts'
import { mainnet2026Config } from './fees.ts'

export interface Cost {
  /** Of the first transaction of the message. */
  readonly gas: number
  /** Destroyed by everything the message caused, the payees' wallets included. */
  readonly nano: bigint
}

export interface CostEscrow {
  readonly address: TonAddress
  readonly raw: Address
}

export interface SettleCase {
  /** Payees the ledger holds before. */
  readonly known: number
  readonly vouchers: number
  /** Of payees that are among those; otherwise of new ones. */
  readonly isAgain?: boolean
  /** How many sets of payees the mean is over. */
  readonly sets?: number
}

/** How deep a dictionary path is, is luck of the hashes: settles are means over this many sets of payees. */
export const samples = 8
const walletsOfSample = 60

const voucherNano = 100_000_000n
const clientSeed = Buffer.alloc(32, 7)

export class CostChain {
  readonly globalId = -239
  readonly signAsClient: (message: Uint8Array) => Uint8Array = signerOf(clientSeed)
  readonly clientKey: Uint8Array = publicKeyOfSeed(clientSeed)
  readonly blockchain: Blockchain
  readonly owner: SandboxContract<TreasuryContract>
  readonly #parties: TonAddress[] = []
  readonly #wallets: readonly Address[]
  #escrows = 0

  private constructor(blockchain: Blockchain, owner: SandboxContract<TreasuryContract>, wallets: readonly Address[]) {
    this.blockchain = blockchain
    this.owner = owner
    this.#wallets = wallets
    this.#parties.push(owner.address)
  }

  static async open(): Promise<CostChain> {
    const blockchain = await Blockchain.create({ config: mainnet2026Config() })
    blockchain.now = 1_790_000_000
    const owner = await blockchain.treasury('owner')
    const wallets: Address[] = []
    for (let index = 0; index < samples * walletsOfSample; index += 1) {
      const publicKey = Buffer.from(publicKeyOfSeed(Buffer.alloc(32, `payee ${seedNumber(index)}`)))
      const { address, init } = WalletContractV5R1.create({ publicKey })
      // deployed before: the first payout to a wallet costs its owner nothing extra
      const account = createShardAccount({ address, ...init, balance: toNano('0.1'), workchain: 0 })
      await blockchain.setShardAccount(address, account)
      wallets.push(parseAddress(address.toRawString()))
    }
    return new CostChain(blockchain, owner, wallets)
  }

  get nowSec(): number {
    return this.blockchain.now ?? 0
  }

  pass(seconds: number): void {
    this.blockchain.now = this.nowSec + seconds
  }

  payees(sample: number): readonly Address[] {
    return this.#wallets.slice(sample * walletsOfSample, (sample + 1) * walletsOfSample)
  }

  /** Another escrow of the same client, deployed, which has paid these before. */
  async newEscrow(known: readonly Address[] = []): Promise<CostEscrow> {
    this.#escrows += 1
    const terms = { owner: this.owner.address, signer: this.clientKey, unlockDelaySec: this.#escrows }
    const { address, init } = Escrow.fromParameters(terms)
    await this.deploy(address, init, 100n * toNano(1))
    const escrow = { address, raw: parseAddress(address.toRawString()) }
    for (let from = 0; from < known.length; from += vouchersMax) {
      await this.post(address, settleBatchBody(this.vouchers(escrow, known.slice(from, from + vouchersMax))))
    }
    return escrow
  }

  /** By an internal message; its cost is that of getting there too. */
  async deploy(address: TonAddress, init: StateInit | undefined, nano: bigint): Promise<Cost> {
    this.count(address)
    return await this.cost(
      internal({
        from: this.owner.address,
        to: address,
        value: nano,
        bounce: false,
        ...(init && { stateInit: init }),
      }),
      nano,
    )
  }

  /** From now on the coins of this account are counted too. */
  count(address: TonAddress): void {
    if (!this.#parties.some((known) => known.equals(address))) this.#parties.push(address)
  }

  vouchers(escrow: CostEscrow, payees: readonly Address[], amountNano = voucherNano): Voucher[] {
    const terms = { globalId: this.globalId, escrow: escrow.raw, epoch: 0, amountNano }
    return payees.map((payee) => signVoucher({ ...terms, payee }, this.signAsClient))
  }

  /** One message of so many vouchers; means over the sets of payees. */
  async settle({ known, vouchers, isAgain = false, sets = samples }: SettleCase): Promise<Cost> {
    let gas = 0
    let nano = 0n
    for (let sample = 0; sample < sets; sample += 1) {
      const payees = this.payees(sample)
      const escrow = await this.newEscrow(payees.slice(0, known))
      const paid = isAgain ? payees.slice(0, vouchers) : payees.slice(known, known + vouchers)
      const cost = await this.post(escrow.address, settleBody(this.vouchers(escrow, paid, 2n * voucherNano)))
      gas += cost.gas
      nano += cost.nano
    }
    return { gas: Math.round(gas / sets), nano: nano / BigInt(sets) }
  }

  post(to: TonAddress, body: Cell): Promise<Cost> {
    return this.cost(external({ to, body }), 0n)
  }

  /** From where the message arrives: what sending it costs the wallet is not the contract's doing. */
  call(to: TonAddress, body: Cell, value = toNano('0.05')): Promise<Cost> {
    return this.cost(internal({ from: this.owner.address, to, value, bounce: true, body }), value)
  }

  async cost(message: Parameters<Blockchain['sendMessage']>[0], attachedNano: bigint): Promise<Cost> {
    const before = await this.#total()
    const { transactions } = await this.blockchain.sendMessage(message)
    for (const { description } of transactions) {
      const isDone = description.type === 'generic' && !description.aborted
      if (!isDone) throw new Error('one of the transactions that the message caused was aborted')
    }
    const description = transactions[0]?.description
    if (description?.type !== 'generic' || description.computePhase.type !== 'vm')
      throw new Error('the contract did not run')
    return { gas: Number(description.computePhase.gasUsed), nano: before + attachedNano - (await this.#total()) }
  }

  async #total(): Promise<bigint> {
    let nano = 0n
    for (const address of this.#parties) nano += (await this.blockchain.getContract(address)).balance
    for (const raw of this.#wallets) nano += (await this.blockchain.getContract(TonAddress.parseRaw(raw))).balance
    return nano
  }
}

/** The first wallets of each sample are those of the figures published before there were as many. */
function seedNumber(index: number): number {
  const [sample, place] = [Math.floor(index / walletsOfSample), index % walletsOfSample]
  return place < 25 ? 25 * sample + place : 1_000 + index
}

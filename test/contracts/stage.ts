// A chain at mainnet's prices with one escrow on it, and what tests do to that escrow.

import { createHash } from 'node:crypto'
import {
  Address,
  beginCell,
  Cell,
  external,
  loadTransaction,
  type Message,
  storeShardAccount,
  type Transaction,
} from '@ton/core'
import {
  Blockchain,
  createShardAccount,
  EmulationError,
  internal,
  type SandboxContract,
  type TreasuryContract,
} from '@ton/sandbox'
import {
  type ControlAction,
  type ControlTerms,
  controlBody,
  Escrow,
  type EscrowAccount,
  type EscrowPayee,
  finalizeBody,
  startUnlockBody,
} from '../../contracts/escrow.ts'
import { mainnet2026Config } from '../../contracts/fees.ts'
import { addressOf, parseAddress, type Address as RawAddress } from '../../protocol/ids.ts'
import { publicKeyOfSeed, signerOf } from '../../protocol/signature.ts'
import { signVoucher, type Voucher, type VoucherTerms } from '../../protocol/voucher.ts'

export const gram = 1_000_000_000n
export const day = 24 * 3600
/** The sandbox's configuration parameter 19. */
export const globalId = -239
const startSec = 1_790_000_000

interface Addressable {
  readonly address: Address
}

export type Outcome =
  | { readonly accepted: false; readonly exitCode: number | undefined }
  | {
      readonly accepted: true
      readonly exitCode: number
      readonly actionCode: number | undefined
      readonly gas: bigint
      readonly payouts: readonly Payout[]
      /** What the account lost by the transaction, its rent not counted. */
      readonly dropNano: bigint
      readonly rentNano: bigint
    }

export type Trial =
  | { readonly accepted: false; readonly exitCode: number | undefined }
  | {
      readonly accepted: true
      readonly exitCode: number
      readonly actionCode: number | undefined
      readonly payouts: number
    }

export interface Payout {
  readonly to: RawAddress
  /** As it arrived, after forwarding. */
  readonly nano: bigint
  readonly body: Cell
}

export interface StageOptions {
  readonly config?: Cell
  readonly depositNano?: bigint
  readonly unlockDelaySec?: number
}

export async function stage(options: StageOptions = {}): Promise<Stage> {
  const blockchain = await Blockchain.create({ config: options.config ?? mainnet2026Config() })
  blockchain.now = startSec
  const owner = await blockchain.treasury('owner')
  const escrow = Escrow.fromParameters({
    owner: owner.address,
    signer: clientKey,
    unlockDelaySec: options.unlockDelaySec ?? day,
  })
  const made = new Stage(blockchain, owner, escrow)
  await made.deposit(options.depositNano ?? 10n * gram)
  return made
}

export const signAsClient: (message: Uint8Array) => Uint8Array = signerOf(Buffer.alloc(32, 7))
const clientKey = publicKeyOfSeed(Buffer.alloc(32, 7))

/** The payout account of a provider that has never been heard of. */
export function payee(index: number): RawAddress {
  return addressOf(createHash('sha256').update(`payee ${index}`).digest())
}

export class Stage {
  readonly blockchain: Blockchain
  readonly owner: SandboxContract<TreasuryContract>
  readonly escrow: SandboxContract<Escrow>
  readonly raw: RawAddress

  constructor(blockchain: Blockchain, owner: SandboxContract<TreasuryContract>, escrow: Escrow) {
    this.blockchain = blockchain
    this.owner = owner
    this.escrow = blockchain.openContract(escrow)
    this.raw = parseAddress(escrow.address.toRawString())
  }

  get nowSec(): number {
    return this.blockchain.now ?? startSec
  }

  pass(seconds: number): void {
    this.blockchain.now = this.nowSec + seconds
  }

  async deposit(nano: bigint): Promise<void> {
    await this.escrow.sendDeposit(this.owner.getSender(), nano)
  }

  async balance(of: Addressable | RawAddress = this.raw): Promise<bigint> {
    const address = typeof of === 'string' ? Address.parseRaw(of) : of.address
    return (await this.blockchain.getContract(address)).balance
  }

  account(): Promise<EscrowAccount> {
    return this.escrow.getAccount()
  }

  payee(who: RawAddress): Promise<EscrowPayee> {
    return this.escrow.getPayee(who)
  }

  terms(to: RawAddress, amountNano: bigint, over: Partial<VoucherTerms> = {}): VoucherTerms {
    return { globalId, escrow: this.raw, epoch: 0, payee: to, amountNano, ...over }
  }

  voucher(to: RawAddress, amountNano: bigint, over: Partial<VoucherTerms> = {}): Voucher {
    return signVoucher(this.terms(to, amountNano, over), signAsClient)
  }

  /** Posts an external message in the form every sender gives it. */
  post(body: Cell): Promise<Outcome> {
    return this.#outcome(() => this.blockchain.sendMessage(external({ to: this.escrow.address, body })))
  }

  controlTerms({ epoch, seqno }: Pick<EscrowAccount, 'epoch' | 'seqno'>, action: ControlAction): ControlTerms {
    return { globalId, escrow: this.raw, epoch, seqno, validUntil: this.nowSec + 60, action }
  }

  /** A control message signed by the client's key, with the account's own epoch and sequence number. */
  async control(action: ControlAction): Promise<Outcome> {
    return await this.post(controlBody(this.controlTerms(await this.account(), action), signAsClient))
  }

  /** An internal message from the owner unless said otherwise. */
  call(body: Cell | undefined, from: Addressable = this.owner, nano = gram / 20n): Promise<Outcome> {
    const message = internal({
      from: from.address,
      to: this.escrow.address,
      value: nano,
      bounce: true,
      body: body ?? beginCell().endCell(),
    })
    return this.#outcome(() => this.blockchain.sendMessage(message), nano)
  }

  /** Ends the epoch: the owner unlocks, the delay passes, anybody finalizes. */
  async unlockAndFinalize(): Promise<void> {
    await this.call(startUnlockBody())
    const { unlockAt, lockedUntil } = await this.account()
    this.pass(Math.max(unlockAt, lockedUntil, this.nowSec) - this.nowSec)
    await this.call(finalizeBody())
  }

  /** Runs an external message exactly as given, and forgets its effects. */
  async tryWhole(message: Cell): Promise<Trial> {
    const contract = await this.blockchain.getContract(this.escrow.address)
    const { result } = await this.blockchain.executor.runTransaction({
      config: this.blockchain.configBase64,
      libs: null,
      verbosity: 'short',
      shardAccount: beginCell().store(storeShardAccount(contract.account)).endCell().toBoc().toString('base64'),
      now: this.nowSec,
      lt: contract.account.lastTransactionLt + 1_000_000n,
      randomSeed: null,
      ignoreChksig: false,
      debugEnabled: false,
      message,
    })
    if (!result.success) {
      return { accepted: false, exitCode: 'vmResults' in result ? result.vmResults?.vmExitCode : undefined }
    }
    const transaction = loadTransaction(Cell.fromBase64(result.transaction).beginParse())
    const { exitCode, actionCode } = phases(transaction)
    return { accepted: true, exitCode, actionCode, payouts: transaction.outMessagesCount }
  }

  /** Replaces the account's data, for states that cannot be reached in a test's time. */
  async overwrite(data: Cell): Promise<void> {
    const { address } = this.escrow
    const balance = await this.balance()
    await this.blockchain.setShardAccount(
      address,
      createShardAccount({ address, code: Escrow.code, data, balance, workchain: 0 }),
    )
  }

  async #outcome(send: () => Promise<{ transactions: Transaction[] }>, attachedNano = 0n): Promise<Outcome> {
    const before = await this.balance()
    let transactions: Transaction[]
    try {
      ;({ transactions } = await send())
    } catch (error) {
      if (error instanceof EmulationError && /not accepted/.test(error.message)) {
        return { accepted: false, exitCode: error.exitCode }
      }
      throw error
    }
    const first = transactions[0]
    if (!first) throw new Error('the message caused no transaction')
    const { exitCode, actionCode, gas, rentNano } = phases(first)
    return {
      accepted: true,
      exitCode,
      actionCode,
      gas,
      payouts: first.outMessages.values().map(payoutOf),
      dropNano: before + attachedNano - rentNano - (await this.balance()),
      rentNano,
    }
  }
}

function payoutOf(message: Message): Payout {
  if (message.info.type !== 'internal') throw new Error(`the escrow sent a message of type ${message.info.type}`)
  return { to: parseAddress(message.info.dest.toRawString()), nano: message.info.value.coins, body: message.body }
}

function phases(transaction: Transaction) {
  const { description } = transaction
  if (description.type !== 'generic' || description.computePhase.type !== 'vm') {
    throw new Error(`transaction without a run of the contract: ${description.type}`)
  }
  const { computePhase, actionPhase, storagePhase } = description
  return {
    exitCode: computePhase.exitCode,
    actionCode: actionPhase?.resultCode,
    gas: computePhase.gasUsed,
    rentNano: storagePhase?.storageFeesCollected ?? 0n,
  }
}

// The chain port over a toncenter v2 endpoint: reads escrows by their get-methods, posts vouchers, finds what became of them.

import {
  beginCell,
  Cell,
  external,
  type Message,
  type OpenedContract,
  storeMessage,
  Address as TonAddress,
  type Transaction,
} from '@ton/core'
import type { TonClient } from '@ton/ton'
import { Escrow, type EscrowAccount, exitCodes, settleBody } from '../../../contracts/escrow.ts'
import { MeshError } from '../../../protocol/errors.ts'
import { type Address, parseAddress } from '../../../protocol/ids.ts'
import { limits } from '../../../protocol/limits.ts'
import type { Nano } from '../../../protocol/money.ts'
import type { Voucher } from '../../../protocol/voucher.ts'
import {
  type Chain,
  type Clock,
  type EscrowState,
  noEscrow,
  type PayeeState,
  type Posted,
  type SettleTransaction,
} from '../../ports.ts'
import { NotAccepted, TonEndpoint, type TonEndpointOptions } from './endpoint.ts'
import { Finality } from './finality.ts'
import { findByMessage, normalizedHash, readTrace } from './trace.ts'

export interface TonChain extends Chain {
  readonly endpoint: TonEndpoint
  /** Such as −239 for mainnet, see `networks`. */
  globalId(signal?: AbortSignal): Promise<number>
  /** An escrow's whole account; undefined where no account runs, or one with other code. */
  account(escrow: Address, signal?: AbortSignal): Promise<EscrowAccount | undefined>
  /**
   * `voucher-invalid` where the contract found the first voucher to be of another chain, escrow, epoch, payee or key.
   * Later ones that cannot be paid are passed over by the contract. The hash is of the message with all vouchers where
   * nothing was due: somebody may have posted the same. `posted` also where nothing was due after a post whose answer was
   * lost: that one may have paid them, which the state will show or not.
   */
  postSettle(escrow: Address, vouchers: readonly Voucher[]): Promise<Posted>
}

export interface TonChainOptions extends TonEndpointOptions {
  /** A payment counts once the chain has shown it so long; 0, the default, believes it at once. */
  readonly finalityMs?: number | undefined
}

export function createTonChain(options: TonChainOptions): TonChain {
  return new Toncenter(options)
}

/** Escrows whose code has been compared; an account's code never changes here, so once is enough. */
const verifiedMax = 10_000

/** The least that a voucher of ten at once must pay at mainnet's prices of August 2026 is 4 916 003; only until an escrow can be asked. */
const settleNanoMin2026: Nano = 5_000_000n

/** Prices change by a vote of the validators, from one block to the next: until this is over the contract refuses what it must. */
const settleNanoMinAgeMsMax = 60_000

/** How long the payees' transactions are waited for, some blocks after the escrow's own. */
const traceMs = 5_000
const tracePollMs = 500

/** Exit codes of `onExternalMessage`, see `exitCodes`. */
const wrongSignatureExit = 102
const nothingDueExit = 103

class Toncenter implements TonChain {
  readonly endpoint: TonEndpoint
  readonly #clock: Clock
  readonly #finality: Finality
  /** In order of first use: the oldest is forgotten first. */
  readonly #verified = new Set<Address>()
  #globalId: number | undefined
  #settleNanoMin: { readonly nano: Nano; readonly atMs: number } | undefined

  constructor(options: TonChainOptions) {
    this.endpoint = new TonEndpoint(options)
    this.#clock = options.clock
    this.#finality = new Finality(options.clock, options.finalityMs ?? 0)
  }

  async globalId(signal?: AbortSignal): Promise<number> {
    // _ global_id:int32 = ConfigParam 19;
    this.#globalId ??= (await this.endpoint.configParam(19, signal)).beginParse().loadInt(32)
    return this.#globalId
  }

  account(escrow: Address, signal?: AbortSignal): Promise<EscrowAccount | undefined> {
    return this.endpoint.call(
      `escrow ${escrow}`,
      (client) => this.#read(client, escrow, (contract) => contract.getAccount()),
      signal,
    )
  }

  async escrow(escrow: Address): Promise<EscrowState> {
    const account = await this.account(escrow)
    // deployed with other data than a new escrow's, it could claim payments and reservations that never were
    if (account === undefined || Escrow.fromParameters(account).address.toRawString() !== escrow) {
      return { ...noEscrow, address: escrow }
    }
    return {
      address: escrow,
      isEscrow: true,
      globalId: account.globalId,
      owner: account.owner.workChain === 0 ? parseAddress(account.owner.toRawString()) : undefined,
      signer: account.signer,
      epoch: account.epoch,
      unlockAtMs: account.unlockAt * 1_000,
      unlockDelayMs: account.unlockDelaySec * 1_000,
      freeNano: account.freeNano,
    }
  }

  async payee(escrow: Address, payee: Address): Promise<PayeeState> {
    const state = await this.endpoint.call(`payee ${payee} of escrow ${escrow}`, (client) =>
      this.#read(client, escrow, (contract) => contract.getPayee(payee)),
    )
    const { settledNano, reservedNano, payableNano } = state ?? noPayee
    return this.#finality.settled(`${escrow}/${payee}`, { settledNano, reservedNano, payableNano })
  }

  /** As any escrow computes it for the largest batch: what each voucher of a batch needs grows with the batch. */
  async settleNanoMin(): Promise<Nano> {
    const nowMs = this.#clock.now()
    const known = this.#settleNanoMin
    if (known && nowMs - known.atMs < settleNanoMinAgeMsMax) return known.nano
    const [escrow] = this.#verified
    if (escrow === undefined) return settleNanoMin2026
    const nano = await this.endpoint.call('leastDue', (client) =>
      this.#read(client, escrow, (contract) => contract.getLeastDue(limits.voucherBatchMax)),
    )
    if (nano === undefined) return settleNanoMin2026
    this.#settleNanoMin = { nano, atMs: nowMs }
    return nano
  }

  async postSettle(escrow: Address, vouchers: readonly Voucher[]): Promise<Posted> {
    if (vouchers.length === 0 || vouchers.length > limits.voucherBatchMax) {
      throw new RangeError(`${vouchers.length} vouchers in one message, expected 1 to ${limits.voucherBatchMax}`)
    }
    for (const { terms } of vouchers) {
      if (terms.escrow !== escrow) {
        throw new MeshError('voucher-invalid', `voucher of escrow ${terms.escrow} in a message to escrow ${escrow}`)
      }
    }
    // The contract refuses a message whose first voucher has nothing due, whatever is behind it.
    for (let from = 0; from < vouchers.length; from += 1) {
      const message = settleMessage(escrow, vouchers.slice(from))
      if (await this.#post(escrow, message)) return { messageHash: hashOf(message), outcome: 'posted' }
    }
    this.#settleNanoMin = undefined // it may be the prices
    return { messageHash: hashOf(settleMessage(escrow, vouchers)), outcome: 'nothing-due' }
  }

  async settleTransaction(escrow: Address, messageHash: string): Promise<SettleTransaction | undefined> {
    if (!/^[0-9a-f]{64}$/.test(messageHash)) throw new RangeError(`"${messageHash}", expected 64 hex digits`)
    const transaction = await this.endpoint.call(`transactions of escrow ${escrow}`, (client) =>
      findByMessage(client, TonAddress.parseRaw(escrow), Buffer.from(messageHash, 'hex')),
    )
    if (transaction === undefined) return undefined
    return { hash: transaction.hash().toString('hex'), feeNano: await this.#feeNano(transaction) }
  }

  /** Payees are paid a block or more later; a payment still on its way then is counted without its arrival. */
  async #feeNano(transaction: Transaction): Promise<Nano> {
    const giveUpMs = this.#clock.now() + traceMs
    for (;;) {
      const trace = await this.endpoint.call('tryLocateResultTx', (client) => readTrace(client, transaction, 1))
      if (trace.isComplete || this.#clock.now() >= giveUpMs) return trace.feeNano
      await this.#clock.sleep(tracePollMs)
    }
  }

  /** False where the contract found nothing due. */
  #post(escrow: Address, message: Message): Promise<boolean> {
    const boc = beginCell()
      .store(storeMessage(message, { forceRef: true }))
      .endCell()
      .toBoc()
    return this.endpoint.call('sendBoc', async (client) => {
      try {
        await client.sendFile(boc)
        return true
      } catch (error) {
        if (!(error instanceof NotAccepted)) throw error
        if (error.exitCode === nothingDueExit) return error.wasSentBefore
        throw refusalOf(escrow, error)
      }
    })
  }

  /** Undefined where the account does not run the escrow's code: what another contract answers means nothing. */
  async #read<T>(
    client: TonClient,
    escrow: Address,
    read: (contract: OpenedContract<Escrow>) => Promise<T>,
  ): Promise<T | undefined> {
    if (!this.#verified.has(escrow)) {
      const { state, code } = await client.getContractState(TonAddress.parseRaw(escrow))
      if (state !== 'active' || code === null || codeHashOf(code) !== Escrow.codeHash) return undefined
      this.#remember(escrow)
    }
    try {
      return await read(open(client, escrow))
    } catch (error) {
      this.#verified.delete(escrow) // deleted for its debts, perhaps; the next read looks again
      throw error
    }
  }

  #remember(escrow: Address): void {
    this.#verified.add(escrow)
    for (const oldest of this.#verified) {
      if (this.#verified.size <= verifiedMax) return
      this.#verified.delete(oldest)
    }
  }
}

const noPayee: PayeeState = { settledNano: 0n, reservedNano: 0n, payableNano: 0n }

function open(client: TonClient, escrow: Address): OpenedContract<Escrow> {
  return client.open(Escrow.fromAddress(TonAddress.parseRaw(escrow)))
}

function codeHashOf(code: Buffer): string | undefined {
  const [root] = Cell.fromBoc(code)
  return root?.hash().toString('hex')
}

function settleMessage(escrow: Address, vouchers: readonly Voucher[]): Message {
  return external({ to: TonAddress.parseRaw(escrow), body: settleBody(vouchers) })
}

function hashOf(message: Message): string {
  return normalizedHash(message).toString('hex')
}

function refusalOf(escrow: Address, cause: NotAccepted): MeshError {
  const { exitCode } = cause
  if (exitCode === undefined) {
    return new MeshError('escrow-unusable', `no escrow that could pay runs at ${escrow}`, { cause })
  }
  const why = exitCodes[exitCode] ?? 'no exit code of an escrow: its code is another, or the message is damaged'
  const code = exitCode === wrongSignatureExit ? 'voucher-invalid' : 'escrow-unusable'
  return new MeshError(code, `escrow ${escrow} refused the vouchers with exit code ${exitCode}: ${why}`, { cause })
}

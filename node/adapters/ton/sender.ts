// One key's wallet contract (v5 r1) as a sender of messages: one at a time, followed until all they caused is on chain.

import {
  beginCell,
  external,
  internal,
  type Message,
  SendMode,
  storeMessage,
  Address as TonAddress,
  type Transaction,
} from '@ton/core'
import { type KeyPair, keyPairFromSeed } from '@ton/crypto'
import { type TonClient, WalletContractV5R1 } from '@ton/ton'
import { exitCodes } from '../../../contracts/escrow.ts'
import { MeshError } from '../../../protocol/errors.ts'
import { formatGram, type Nano } from '../../../protocol/money.ts'
import type { Clock } from '../../ports.ts'
import { cancelled } from '../../waits.ts'
import { NotAccepted, type TonEndpoint } from './endpoint.ts'
import type { Order } from './orders.ts'
import { failureOf, findByMessage, normalizedHash, readTrace, type Trace } from './trace.ts'

export interface SenderOptions {
  /** Ed25519, 32 bytes. */
  readonly seed: Uint8Array
  readonly endpoint: TonEndpoint
  /** −239 mainnet, −3 testnet; part of the wallet's address, so that no transfer can be repeated on the other. */
  readonly globalId: number
  readonly clock: Clock
  readonly timeouts?: Partial<SenderTimeouts> | undefined
}

export interface SenderTimeouts {
  /** A message is void when no block took it within this. */
  readonly validMs: number
  /** After that, how long its effects may take. */
  readonly effectMs: number
  readonly pollMs: number
}

export const senderTimeouts: SenderTimeouts = { validMs: 60_000, effectMs: 30_000, pollMs: 500 }

export type Outgoing = Omit<Order, 'meaning'>

const mainnetGlobalId = -239

/** Left in the wallet for the fees of one message; its first also deploys the wallet. About ten times what is used. */
const feeReserveNano: Nano = 10_000_000n

/** A message that no block took is handed in again every so many polls; the wallet takes it once. */
const resendPolls = 8

/** A number used without our transaction is believed when seen this often: an endpoint may be machines of which one lags. */
const overtakenPolls = 3

/** Wallet, escrow, and what the escrow sends back. */
const hopsMax = 2

/** Exit code of wallet v5 for a sequence number that is not the next: of this very message, when it was taken already. */
const walletSeqnoExit = 133

export class TonSender {
  readonly address: TonAddress
  /** As people write it: `UQ…`, to which coins may be sent before the wallet has ever been used. */
  readonly friendly: string
  readonly #isTestOnly: boolean
  readonly #wallet: WalletContractV5R1
  readonly #keys: KeyPair
  readonly #endpoint: TonEndpoint
  readonly #clock: Clock
  readonly timeouts: SenderTimeouts
  /** One message at a time: two with one sequence number would exclude each other. */
  #last: Promise<unknown> = Promise.resolve()

  constructor({ seed, endpoint, globalId, clock, timeouts }: SenderOptions) {
    if (seed.length !== 32) throw new RangeError(`seed of ${seed.length} bytes, expected 32`)
    this.#endpoint = endpoint
    this.#clock = clock
    this.timeouts = { ...senderTimeouts, ...timeouts }
    this.#keys = keyPairFromSeed(Buffer.from(seed))
    this.#wallet = WalletContractV5R1.create({
      publicKey: this.#keys.publicKey,
      walletId: { networkGlobalId: globalId },
    })
    this.address = this.#wallet.address
    this.#isTestOnly = globalId !== mainnetGlobalId
    this.friendly = this.friendlyOf(this.address)
  }

  /** An account as people of this chain write it, for coins that stay wherever nothing runs. */
  friendlyOf(address: TonAddress): string {
    return address.toString({ bounceable: false, testOnly: this.#isTestOnly })
  }

  async balanceNano(signal?: AbortSignal): Promise<Nano> {
    return (await this.#state(signal)).balanceNano
  }

  /** The chain's time or ours, whichever is later: on a local chain it can be moved ahead. */
  async nowMs(signal?: AbortSignal): Promise<number> {
    return Math.max(this.#clock.now(), (await this.#state(signal)).chainMs)
  }

  /**
   * Sends one message and waits until it and what it caused are on chain. Throws `MeshError` that begins with `what`: an
   * empty wallet, another message that took its place, an effect that was refused, a time that passed.
   */
  send(what: string, outgoing: Outgoing, signal?: AbortSignal): Promise<Trace> {
    return this.#inTurn(async () => {
      const transaction = await this.#sendNow(what, [outgoing], signal)
      return await this.#effects(what, transaction, signal).catch((cause: unknown) => {
        throw signal?.aborted ? abandoned(what, cause) : cause
      })
    })
  }

  /** Several in one transfer, at most 255. Waits for the wallet's own transaction alone: each fails or succeeds by itself. */
  sendAll(what: string, outgoings: readonly Outgoing[], signal?: AbortSignal): Promise<Transaction> {
    return this.#inTurn(() => this.#sendNow(what, outgoings, signal))
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /** What the wallet's own transaction would cost, by the endpoint; undefined where it would not be accepted now. */
  async estimateNano(outgoing: Outgoing, signal?: AbortSignal): Promise<Nano | undefined> {
    const { isDeployed, seqno, chainMs } = await this.#state(signal)
    const validUntilSec = Math.ceil((Math.max(this.#clock.now(), chainMs) + this.timeouts.validMs) / 1_000)
    const { body, init } = this.#message(seqno, validUntilSec, isDeployed, [outgoing])
    const estimate = async (client: TonClient): Promise<Nano | undefined> => {
      const parameters = { body, initCode: init?.code ?? null, initData: init?.data ?? null, ignoreSignature: true }
      try {
        const { source_fees: fees } = await client.estimateExternalMessageFee(this.address, parameters)
        return BigInt(fees.in_fwd_fee + fees.storage_fee + fees.gas_fee + fees.fwd_fee)
      } catch (error) {
        if (error instanceof NotAccepted) return undefined
        throw error
      }
    }
    return this.#endpoint.call('estimateFee', estimate, signal)
  }

  /** Waits between two looks at the chain. */
  pause(signal: AbortSignal | undefined): Promise<void> {
    return this.#clock.sleep(this.timeouts.pollMs, signal)
  }

  async #sendNow(what: string, outgoings: readonly Outgoing[], signal: AbortSignal | undefined): Promise<Transaction> {
    if (signal?.aborted) throw cancelled(signal)
    const { balanceNano, isDeployed, seqno, chainMs } = await this.#state(signal)
    const neededNano = outgoings.reduce((sum, { amountNano }) => sum + amountNano, feeReserveNano)
    if (balanceNano < neededNano) throw this.#tooPoor(what, balanceNano, neededNano)
    const voidAtMs = Math.max(this.#clock.now(), chainMs) + this.timeouts.validMs
    const message = this.#message(seqno, Math.ceil(voidAtMs / 1_000), isDeployed, outgoings)
    try {
      return await this.#included(what, message, seqno, voidAtMs, signal)
    } catch (cause) {
      throw signal?.aborted ? abandoned(what, cause) : cause
    }
  }

  #message(seqno: number, timeout: number, isDeployed: boolean, outgoings: readonly Outgoing[]): Message {
    const messages = outgoings.map(({ to, amountNano, bounce, body, init }) =>
      internal({ to: TonAddress.parseRaw(to), value: amountNano, bounce, body: body ?? null, init: init ?? null }),
    )
    const signed = this.#wallet.createTransfer({
      seqno,
      secretKey: this.#keys.secretKey,
      timeout,
      sendMode: SendMode.PAY_GAS_SEPARATELY | SendMode.IGNORE_ERRORS, // wallet v5 takes externals only with the latter
      messages,
    })
    return external({ to: this.address, body: signed, init: isDeployed ? undefined : this.#wallet.init })
  }

  /**
   * Posts the message until its transaction is there, or cannot come any more. From the first post on, silence of the
   * endpoint says nothing about it: the answer to a message that was taken may have been lost.
   */
  async #included(
    what: string,
    message: Message,
    seqno: number,
    voidAtMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Transaction> {
    const hash = normalizedHash(message)
    const giveUpMs = this.#clock.now() + this.timeouts.validMs + this.timeouts.effectMs
    let silence: MeshError | undefined
    let overtaken = 0
    for (let polls = 0; ; polls += 1) {
      try {
        if (polls % resendPolls === 0) await this.#post(what, message, signal)
        // In this order: a message that was taken has its transaction before the sequence number is read.
        const state = await this.#state(signal)
        const transaction = await this.#find(hash, signal)
        if (transaction) return transaction
        if (state.seqno > seqno) overtaken += 1
        if (overtaken === overtakenPolls) {
          throw new MeshError('bad-request', `${what}: another transfer of ${this.friendly} took its place; try again`)
        }
        if (state.chainMs > voidAtMs) {
          throw new MeshError('timeout', `${what}: no block took it in time and none will now; nothing was spent`)
        }
        silence = undefined
      } catch (error) {
        if (!(error instanceof MeshError) || error.code !== 'chain-unavailable') throw error
        silence = error
      }
      if (this.#clock.now() > giveUpMs) {
        throw new MeshError(
          silence ? 'chain-unavailable' : 'timeout',
          `${what}: posted, and not seen in a block; look at the balance of ${this.friendly} before trying again` +
            (silence ? ` (${silence.message})` : ''),
          { cause: silence },
        )
      }
      await this.pause(signal)
    }
  }

  async #post(what: string, message: Message, signal: AbortSignal | undefined): Promise<void> {
    const boc = beginCell().store(storeMessage(message)).endCell().toBoc()
    const refusal = await this.#endpoint.call('sendBoc', (client) => refusalOf(client.sendFile(boc)), signal)
    if (refusal === undefined || refusal.exitCode === walletSeqnoExit) return
    throw new MeshError(
      'bad-request',
      `${what}: wallet ${this.friendly} did not accept it (exit code ${refusal.exitCode ?? 'unknown'}); ` +
        'check the clock of this machine and the chain of the endpoint',
      { cause: refusal },
    )
  }

  /** Everything the transfer caused, once all of it has happened. */
  async #effects(what: string, transaction: Transaction, signal: AbortSignal | undefined): Promise<Trace> {
    if (transaction.outMessages.size === 0) {
      throw new MeshError('escrow-unusable', `${what}: wallet ${this.friendly} could not pay it; check its balance`)
    }
    const giveUpMs = this.#clock.now() + this.timeouts.effectMs
    for (;;) {
      const trace = await this.#endpoint.call(
        'tryLocateResultTx',
        (client) => readTrace(client, transaction, hopsMax),
        signal,
      )
      for (const caused of trace.transactions) {
        const exitCode = failureOf(caused)
        if (exitCode !== undefined) throw refusedEffect(what, exitCode)
      }
      if (trace.isComplete) return trace
      if (this.#clock.now() > giveUpMs) {
        const hash = transaction.hash().toString('hex')
        throw new MeshError('timeout', `${what}: sent by transaction ${hash}, whose effects are not seen yet`)
      }
      await this.pause(signal)
    }
  }

  #find(hash: Buffer, signal: AbortSignal | undefined): Promise<Transaction | undefined> {
    return this.#endpoint.call(
      `transactions of wallet ${this.friendly}`,
      (client) => findByMessage(client, this.address, hash),
      signal,
    )
  }

  #state(signal: AbortSignal | undefined) {
    const read = async (client: TonClient) => {
      const { balance, state, timestampt } = await client.getContractState(this.address)
      const isDeployed = state === 'active'
      const seqno = isDeployed ? (await client.runMethod(this.address, 'seqno')).stack.readNumber() : 0
      return { balanceNano: balance, isDeployed, seqno, chainMs: timestampt * 1_000 }
    }
    return this.#endpoint.call(`wallet ${this.friendly}`, read, signal)
  }

  #tooPoor(what: string, balanceNano: Nano, neededNano: Nano): MeshError {
    return new MeshError(
      'escrow-unusable',
      `${what}: wallet ${this.friendly} holds ${formatGram(balanceNano)} GRAM and needs ${formatGram(neededNano)}; ` +
        `send at least ${formatGram(neededNano - balanceNano)} GRAM to that address and try again`,
    )
  }
}

function abandoned(what: string, cause: unknown): MeshError {
  return new MeshError('cancelled', `${what}: posted, no longer waited for; it may still happen`, { cause })
}

async function refusalOf(sending: Promise<void>): Promise<NotAccepted | undefined> {
  try {
    await sending
    return undefined
  } catch (error) {
    if (error instanceof NotAccepted) return error
    throw error
  }
}

function refusedEffect(what: string, exitCode: number): MeshError {
  const why = exitCodes[exitCode]
  return new MeshError('escrow-unusable', `${what}: refused with exit code ${exitCode}${why ? `, ${why}` : ''}`)
}

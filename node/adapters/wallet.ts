// The node's own TON wallet: holds its coins and has an escrow's owner's operations, each waited for until it is on chain.

import { Address as TonAddress } from '@ton/core'
import { mnemonicToPrivateKey, mnemonicValidate } from '@ton/crypto'
import { Escrow, type EscrowAccount, rentReserveNano, settleAllTransfers } from '../../contracts/escrow.ts'
import { MeshError } from '../../protocol/errors.ts'
import { type Address, parseAddress } from '../../protocol/ids.ts'
import { formatGram, type Nano } from '../../protocol/money.ts'
import type { Voucher } from '../../protocol/voucher.ts'
import type { Clock } from '../ports.ts'
import type { TonChain } from './ton/chain.ts'
import {
  cancelUnlockOrder,
  dateOf,
  depositOrder,
  finalizeOrder,
  type Order,
  orderNano,
  reserveOrder,
  settleOrder,
  startUnlockOrder,
  topUpOrder,
  transferOrder,
} from './ton/orders.ts'
import { type SenderTimeouts, TonSender } from './ton/sender.ts'
import type { Trace } from './ton/trace.ts'

export interface WalletOptions {
  /** Ed25519, 32 bytes. `seedOfMnemonic` gives that of a wallet written as words. */
  readonly seed: Uint8Array
  readonly chain: TonChain
  /** Of the chain: `chain.globalId()`. Part of the wallet's address. */
  readonly globalId: number
  readonly clock: Clock
  readonly timeouts?: Partial<SenderTimeouts> | undefined
  /** Given every message in place of sending it; the call it was for then throws `NotSent`. */
  readonly preview?: ((order: Order) => Promise<void>) | undefined
  /** Who would send what is previewed; this wallet unless said otherwise. */
  readonly onBehalfOf?: Address | undefined
}

/** Everything was checked, the message was previewed, and nothing was sent. */
export class NotSent extends Error {
  override readonly name = 'NotSent'
}

/** One confirmed transfer. */
export interface Sent {
  /** Of the wallet's transaction, hex. */
  readonly transaction: string
  /** Destroyed by it and everything it caused. */
  readonly feeNano: Nano
}

export interface EscrowTerms {
  /** The Ed25519 key whose vouchers it pays, 32 bytes. */
  readonly signer: Uint8Array
  /** Providers refuse less than a day. */
  readonly unlockDelaySec: number
  /** Gets everything back in the end and alone gives orders; this wallet unless said otherwise. */
  readonly owner?: Address | undefined
}

export interface WalletReservation {
  readonly payee: Address
  readonly amountNano: Nano
  /** Unix milliseconds, at most 30 days ahead; the escrow counts in whole seconds. */
  readonly untilMs: number
}

/** With less a new escrow could not settle once: its rent reserve, its deployment and one least voucher. */
const depositNanoMin: Nano = rentReserveNano + 10_000_000n

export class Wallet {
  readonly address: Address
  /** As people write it: `UQ…`, to which coins may be sent before the wallet has ever been used. */
  readonly friendly: string
  readonly #sender: TonSender
  readonly #chain: TonChain
  readonly #clock: Clock
  readonly #preview: WalletOptions['preview']
  readonly #orderedBy: TonAddress

  constructor({ seed, chain, globalId, clock, timeouts, preview, onBehalfOf }: WalletOptions) {
    this.#sender = new TonSender({ seed, endpoint: chain.endpoint, globalId, clock, timeouts })
    this.#chain = chain
    this.#clock = clock
    this.address = parseAddress(this.#sender.address.toRawString())
    this.friendly = this.#sender.friendly
    this.#preview = preview
    this.#orderedBy = onBehalfOf === undefined ? this.#sender.address : TonAddress.parseRaw(onBehalfOf)
  }

  /** Messages are previewed, none is sent. */
  get isDry(): boolean {
    return this.#preview !== undefined
  }

  /** What this wallet's own transaction would cost; undefined where it could not pay the order now. */
  estimateNano(order: Order, signal?: AbortSignal): Promise<Nano | undefined> {
    return this.#sender.estimateNano(order, signal)
  }

  balanceNano(signal?: AbortSignal): Promise<Nano> {
    return this.#sender.balanceNano(signal)
  }

  /** A plain transfer; the coins stay at `to` whether or not anything runs there. */
  async transfer(to: Address, amountNano: Nano, signal?: AbortSignal): Promise<Sent> {
    const what = `transfer of ${formatGram(amountNano)} GRAM to ${to}`
    if (amountNano <= 0n) throw new MeshError('bad-request', `${what}: expected more than 0`)
    return sentOf(await this.#send(what, transferOrder(to, amountNano), signal))
  }

  /** The escrow this wallet owns under these terms, deployed or not. */
  escrowAddress(terms: EscrowTerms): Address {
    return parseAddress(this.#escrowOf(terms).address.toRawString())
  }

  /** Deploys the escrow and funds it in one transfer, rent reserve included; one that is there already is topped up. */
  async deployAndDeposit(
    terms: EscrowTerms,
    amountNano: Nano,
    signal?: AbortSignal,
  ): Promise<Sent & { readonly escrow: Address }> {
    const escrow = this.escrowAddress(terms)
    const what = `deposit of ${formatGram(amountNano)} GRAM to escrow ${escrow}`
    if (amountNano < depositNanoMin) {
      throw new MeshError('bad-request', `${what}: expected at least ${formatGram(depositNanoMin)} GRAM`)
    }
    const trace = await this.#send(what, depositOrder(this.#escrowOf(terms), escrow, amountNano), signal)
    await this.#until(what, async () => (await this.#chain.account(escrow, signal)) !== undefined, signal)
    return { ...sentOf(trace), escrow }
  }

  /** From any wallet, to any escrow: whoever owns it gets it back. */
  async topUp(escrow: Address, amountNano: Nano, signal?: AbortSignal): Promise<Sent> {
    const what = `top-up of escrow ${escrow} by ${formatGram(amountNano)} GRAM`
    if (amountNano < orderNano) {
      throw new MeshError('bad-request', `${what}: expected at least ${formatGram(orderNano)} GRAM`)
    }
    await this.#account(what, escrow, signal)
    return sentOf(await this.#send(what, topUpOrder(escrow, amountNano), signal))
  }

  /** Sets an amount aside for one payee: nobody else is paid of it, and the escrow cannot be finalized before it ends. */
  async reserve(escrow: Address, reservation: WalletReservation, signal?: AbortSignal): Promise<Sent> {
    const { payee, amountNano, untilMs } = reservation
    const what = `reservation of ${formatGram(amountNano)} GRAM in escrow ${escrow}`
    await this.#ownAccount(what, escrow, signal)
    const until = Math.floor(untilMs / 1_000)
    return sentOf(await this.#send(what, reserveOrder(escrow, { payee, amountNano, until }), signal))
  }

  /** From now on providers settle what they hold; `finalize` is possible from `unlockAtMs` on. */
  async startUnlock(escrow: Address, signal?: AbortSignal): Promise<Sent & { readonly unlockAtMs: number }> {
    const what = `unlock of escrow ${escrow}`
    const { unlockAt } = await this.#ownAccount(what, escrow, signal)
    if (unlockAt !== 0) throw new MeshError('bad-request', `${what}: it is under way, until ${dateOf(unlockAt)}`)
    const trace = await this.#send(what, startUnlockOrder(escrow), signal)
    let unlockAtSec = 0
    const isUnlocking = async (): Promise<boolean> => {
      unlockAtSec = (await this.#account(what, escrow, signal)).unlockAt
      return unlockAtSec !== 0
    }
    await this.#until(what, isUnlocking, signal)
    return { ...sentOf(trace), unlockAtMs: unlockAtSec * 1_000 }
  }

  async cancelUnlock(escrow: Address, signal?: AbortSignal): Promise<Sent> {
    const what = `cancelling the unlock of escrow ${escrow}`
    const { unlockAt } = await this.#ownAccount(what, escrow, signal)
    if (unlockAt === 0) throw new MeshError('bad-request', `${what}: no unlock is under way`)
    return sentOf(await this.#send(what, cancelUnlockOrder(escrow), signal))
  }

  /** Pays everything above the rent reserve to the owner and begins a new epoch: every voucher not settled is void. */
  async finalize(escrow: Address, signal?: AbortSignal): Promise<Sent & { readonly refundedNano: Nano }> {
    const what = `finalizing escrow ${escrow}`
    const { unlockAt, lockedUntil } = await this.#account(what, escrow, signal)
    if (unlockAt === 0) throw new MeshError('bad-request', `${what}: its owner has to unlock it first`)
    const fromSec = Math.max(unlockAt, lockedUntil)
    if ((await this.#sender.nowMs(signal)) < fromSec * 1_000) {
      const reason = lockedUntil > unlockAt ? 'a reservation ends then' : 'the unlock delay ends then'
      throw new MeshError('bad-request', `${what}: too early, possible from ${dateOf(fromSec)} (${reason})`)
    }
    const trace = await this.#send(what, finalizeOrder(escrow), signal)
    const [, finalized] = trace.transactions
    let refundedNano = 0n
    for (const { info } of finalized?.outMessages.values() ?? []) {
      if (info.type === 'internal') refundedNano += info.value.coins
    }
    return { ...sentOf(trace), refundedNano }
  }

  /**
   * Settles vouchers of any escrows from this wallet, which pays for it: also what is too little for a message of its own.
   * Resolves when the wallet has sent them; what became of each shows in the state of its escrow. The transactions' hashes.
   */
  async settle(vouchers: readonly Voucher[], signal?: AbortSignal): Promise<readonly string[]> {
    const hashes: string[] = []
    for (const transfers of settleAllTransfers(vouchers)) {
      const what = `settling ${transfers.length} vouchers`
      for (const transfer of transfers) await this.#preview?.(settleOrder(transfer))
      if (this.#preview) continue
      hashes.push((await this.#sender.sendAll(what, transfers, signal)).hash().toString('hex'))
    }
    return hashes
  }

  #escrowOf({ signer, unlockDelaySec, owner }: EscrowTerms): Escrow {
    const ownedBy = owner === undefined ? this.#sender.address : TonAddress.parseRaw(owner)
    return Escrow.fromParameters({ owner: ownedBy, signer, unlockDelaySec })
  }

  async #send(what: string, order: Order, signal: AbortSignal | undefined): Promise<Trace> {
    if (this.#preview === undefined) return this.#sender.send(what, order, signal)
    await this.#preview(order)
    throw new NotSent(`${what}: not sent`)
  }

  async #account(what: string, escrow: Address, signal: AbortSignal | undefined): Promise<EscrowAccount> {
    const account = await this.#chain.account(escrow, signal)
    if (account === undefined) throw new MeshError('escrow-unusable', `${what}: no escrow runs there; deposit first`)
    return account
  }

  async #ownAccount(what: string, escrow: Address, signal: AbortSignal | undefined): Promise<EscrowAccount> {
    const account = await this.#account(what, escrow, signal)
    if (!account.owner.equals(this.#orderedBy)) {
      const [owner, by] = [account.owner, this.#orderedBy].map((address) => this.#sender.friendlyOf(address))
      const next = this.isDry ? '' : '; --link prints what the wallet of its owner has to send'
      throw new MeshError('bad-request', `${what}: it belongs to ${owner}, and this wallet is ${by}${next}`)
    }
    return account
  }

  /** A transaction may be seen a little before the state it left, where an endpoint is several machines. */
  async #until(what: string, isSo: () => Promise<boolean>, signal: AbortSignal | undefined): Promise<void> {
    const giveUpMs = this.#clock.now() + this.#sender.timeouts.effectMs
    while (!(await isSo())) {
      if (this.#clock.now() > giveUpMs)
        throw new MeshError('timeout', `${what}: done, but the endpoint does not show it`)
      await this.#sender.pause(signal)
    }
  }
}

/** The seed of a wallet written as 24 words. Throws `MeshError` `bad-request`. */
export async function seedOfMnemonic(words: readonly string[]): Promise<Uint8Array> {
  const lowered = words.map((word) => word.toLowerCase())
  if (!(await mnemonicValidate(lowered))) {
    throw new MeshError(
      'bad-request',
      `${words.length} words that are no TON mnemonic, expected the 24 words of a wallet`,
    )
  }
  return (await mnemonicToPrivateKey(lowered)).secretKey.subarray(0, 32)
}

function sentOf({ transactions, feeNano }: Trace): Sent {
  return { transaction: transactions[0].hash().toString('hex'), feeNano }
}

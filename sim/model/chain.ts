// A chain with escrows on it: what the real contract would pay whom, what the network would take, block by block.

import { createHash } from 'node:crypto'
import { type Chain, type EscrowState, noEscrow, type PayeeState, type SettleTransaction } from '../../node/ports.ts'
import { MeshError } from '../../protocol/errors.ts'
import { type Address, addressOf } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import type { Nano } from '../../protocol/money.ts'
import { type Voucher, verifyVoucher } from '../../protocol/voucher.ts'
import type { Scheduler } from '../kernel.ts'
import type { Life } from '../life.ts'
import type { ChainPlan } from '../plan.ts'
import type { SeededRandom } from '../random.ts'
import { Blocks } from './chain-blocks.ts'
import { leastDueBeforehandNano, leastDueNano, rentReserveNano, settleFees, topUpNano } from './chain-fees.ts'
import { type ChainFault, ChainWeather, endpointOf, type Ledger } from './chain-weather.ts'

export interface ModelChainOptions {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly plan: ChainPlan
  readonly globalId?: number | undefined
}

export interface ChainTotals {
  /** All that was ever sent to an escrow. */
  readonly depositedNano: Nano
  readonly inEscrowsNano: Nano
  /** Received by payees, and by owners that took their deposit back. */
  readonly paidOutNano: Nano
  /** Destroyed. */
  readonly feesNano: Nano
}

export interface OpenedEscrow {
  readonly address: Address
  readonly owner: Address
}

/** An id that no public chain has, the one of the local chain too: what is signed for play money is void elsewhere. */
export const simulatedGlobalId = 31_337

/** As new escrows of the real node have it. */
export const unlockDelayMs = 86_400_000

/** Of one escrow: the production adapter finds a message among this many. */
export const transactionsMax = 64

interface Account {
  readonly address: Address
  readonly owner: Address
  readonly signer: Uint8Array
  epoch: number
  unlockAtMs: number
  balanceNano: Nano
  depositNano: Nano
  /** In this epoch. */
  readonly settled: Map<Address, Nano>
  /** By message, newest last. */
  readonly transactions: Map<string, SettleTransaction>
}

interface Message {
  readonly hash: string
  readonly escrow: Address
  readonly vouchers: readonly Voucher[]
}

interface Payment {
  readonly payee: Address
  readonly dueNano: Nano
}

/**
 * Pays vouchers as docs/contract.md §3 says: fees are taken out of the payouts, evenly in a batch, so that an escrow loses
 * what is due and no more. Not modelled: rent, reservations, and the few hundred nano by which the contract rounds fees up.
 * What an owner does (deposit, unlock, finalize) happens at once; vouchers wait for a block.
 */
export class ModelChain {
  readonly globalId: number
  readonly #scheduler: Scheduler
  readonly #random: SeededRandom
  readonly #weather = new ChainWeather()
  readonly #blocks: Blocks<Message>
  readonly #accounts = new Map<Address, Account>()
  readonly #received = new Map<Address, Nano>()
  /** Signatures that were found good: each is checked once however often it is posted. */
  readonly #verified = new WeakSet<Voucher>()
  readonly #ledger: Ledger
  #feesNano = 0n
  #transactions = 0

  constructor({ scheduler, random, plan, globalId }: ModelChainOptions) {
    this.globalId = globalId ?? simulatedGlobalId
    this.#scheduler = scheduler
    this.#random = random
    this.#blocks = new Blocks({
      scheduler,
      random: random.fork('blocks'),
      weather: this.#weather,
      blockMs: plan.blockMs,
      include: (message) => this.#include(message),
    })
    this.#ledger = {
      escrow: (escrow) => this.#escrow(escrow),
      payee: (escrow, payee) => this.#payee(escrow, payee),
      settleNanoMin: () => leastDueBeforehandNano(limits.voucherBatchMax, this.#weather.priceFactor),
      submit: (escrow, vouchers) => this.#submit(escrow, vouchers),
      hashOf,
      transaction: (escrow, messageHash) => this.#accounts.get(escrow)?.transactions.get(messageHash),
    }
  }

  /** One key has one escrow: opening it again is a further deposit. */
  openEscrow(signer: Uint8Array, depositNano: Nano): OpenedEscrow {
    const address = accountOf('escrow', signer)
    const owner = accountOf('owner', signer)
    if (!this.#accounts.has(address)) {
      this.#accounts.set(address, {
        address,
        owner,
        signer: Uint8Array.from(signer),
        epoch: 0,
        unlockAtMs: 0,
        balanceNano: 0n,
        depositNano: 0n,
        settled: new Map(),
        transactions: new Map(),
      })
    }
    this.topUp(address, depositNano)
    return { address, owner }
  }

  topUp(escrow: Address, amountNano: Nano): void {
    const account = this.#account(escrow)
    const feeNano = smaller(amountNano, topUpNano(this.#weather.priceFactor))
    account.depositNano += amountNano
    account.balanceNano += amountNano - feeNano
    this.#feesNano += feeNano
  }

  startUnlock(escrow: Address): void {
    const account = this.#account(escrow)
    if (account.unlockAtMs !== 0) throw new RangeError(`escrow ${escrow} is being unlocked already`)
    account.unlockAtMs = Math.ceil((this.#scheduler.now() + unlockDelayMs) / 1_000) * 1_000
  }

  /** Pays what is left to the owner and ends the epoch. */
  finalize(escrow: Address): void {
    const account = this.#account(escrow)
    if (account.unlockAtMs === 0 || this.#scheduler.now() < account.unlockAtMs) {
      throw new RangeError(`escrow ${escrow} cannot be finalized before ${account.unlockAtMs || 'an unlock'}`)
    }
    const refundNano = freeOf(account)
    account.balanceNano -= refundNano
    account.epoch += 1
    account.unlockAtMs = 0
    account.settled.clear()
    this.#receive(account.owner, refundNano)
  }

  /** The chain port of one incarnation of a node. */
  endpoint(life: Life): Chain {
    const random = this.#random.fork('endpoint')
    return endpointOf(this.#ledger, { scheduler: this.#scheduler, random, weather: this.#weather, life })
  }

  disturb(fault: ChainFault): () => void {
    return this.#weather.disturb(fault)
  }

  totals(): ChainTotals {
    let depositedNano = 0n
    let inEscrowsNano = 0n
    for (const account of this.#accounts.values()) {
      depositedNano += account.depositNano
      inEscrowsNano += account.balanceNano
    }
    const paidOutNano = [...this.#received.values()].reduce((sum, nano) => sum + nano, 0n)
    return { depositedNano, inEscrowsNano, paidOutNano, feesNano: this.#feesNano }
  }

  /** In the escrow's present epoch. */
  settled(escrow: Address, payee: Address): Nano {
    return this.#accounts.get(escrow)?.settled.get(payee) ?? 0n
  }

  /** All that was ever put into it. */
  deposit(escrow: Address): Nano {
    return this.#accounts.get(escrow)?.depositNano ?? 0n
  }

  received(account: Address): Nano {
    return this.#received.get(account) ?? 0n
  }

  figures(): Readonly<Record<string, number>> {
    const { made, lost } = this.#blocks.figures
    return { chainBlocks: made, chainMessagesLost: lost, chainTransactions: this.#transactions }
  }

  #escrow(escrow: Address): EscrowState {
    const account = this.#accounts.get(escrow)
    if (!account) return { ...noEscrow, address: escrow }
    const { owner, signer, epoch, unlockAtMs } = account
    return {
      address: escrow,
      isEscrow: true,
      globalId: this.globalId,
      owner,
      signer: Uint8Array.from(signer),
      epoch,
      unlockAtMs,
      unlockDelayMs,
      freeNano: freeOf(account),
    }
  }

  #payee(escrow: Address, payee: Address): PayeeState {
    const account = this.#accounts.get(escrow)
    if (!account) return { settledNano: 0n, reservedNano: 0n, payableNano: 0n }
    return { settledNano: account.settled.get(payee) ?? 0n, reservedNano: 0n, payableNano: freeOf(account) }
  }

  #submit(escrow: Address, vouchers: readonly Voucher[]): boolean {
    const account = this.#accounts.get(escrow)
    if (!account) throw new MeshError('escrow-unusable', `no escrow that could pay runs at ${escrow}`)
    const [first] = vouchers
    if (!first || !this.#isValid(account, first)) {
      throw new MeshError('voucher-invalid', `escrow ${escrow} refused the vouchers with exit code 102`)
    }
    if (this.#payments(account, vouchers).length === 0) return false
    const hash = hashOf(escrow, vouchers)
    this.#blocks.add(hash, { hash, escrow, vouchers })
    return true
  }

  #include({ hash, escrow, vouchers }: Message): void {
    const account = this.#account(escrow)
    const payments = this.#payments(account, vouchers)
    const paid = BigInt(payments.length)
    if (paid === 0n) return // others were first: in no block, and cost nobody anything
    const { sharedNano, deliveryNano } = settleFees(vouchers, account.settled.size, this.#weather.priceFactor)
    const shareNano = (sharedNano + paid - 1n) / paid
    for (const { payee, dueNano } of payments) {
      account.settled.set(payee, (account.settled.get(payee) ?? 0n) + dueNano)
      account.balanceNano -= dueNano
      this.#receive(payee, dueNano - shareNano - deliveryNano)
    }
    account.balanceNano += shareNano * paid - sharedNano // shares are rounded up
    const feeNano = sharedNano + deliveryNano * paid
    this.#feesNano += feeNano
    this.#transactions += 1
    const transaction = { hash: sha256(`transaction ${this.#transactions} ${hash}`).toString('hex'), feeNano }
    account.transactions.delete(hash)
    account.transactions.set(hash, transaction)
    for (const oldest of account.transactions.keys()) {
      if (account.transactions.size <= transactionsMax) break
      account.transactions.delete(oldest)
    }
  }

  /** Whom the contract would pay; nobody where the first voucher has too little due. */
  #payments(account: Account, vouchers: readonly Voucher[]): readonly Payment[] {
    const leastNano = leastDueNano(vouchers, account.settled.size, this.#weather.priceFactor)
    const now = new Map<Address, Nano>()
    const payments: Payment[] = []
    let leftNano = freeOf(account)
    for (const [index, voucher] of vouchers.entries()) {
      const { payee, amountNano } = voucher.terms
      const settledNano = now.get(payee) ?? account.settled.get(payee) ?? 0n
      const dueNano = smaller(amountNano - settledNano, leftNano)
      if (dueNano >= leastNano && this.#isValid(account, voucher)) {
        leftNano -= dueNano
        now.set(payee, settledNano + dueNano)
        payments.push({ payee, dueNano })
      } else if (index === 0) return []
    }
    return payments
  }

  #isValid({ address, epoch, signer }: Account, voucher: Voucher): boolean {
    const { terms } = voucher
    if (terms.globalId !== this.globalId || terms.escrow !== address || terms.epoch !== epoch) return false
    if (this.#verified.has(voucher)) return true
    if (!verifyVoucher(voucher, signer)) return false
    this.#verified.add(voucher)
    return true
  }

  #receive(account: Address, nano: Nano): void {
    this.#received.set(account, this.received(account) + nano)
  }

  #account(escrow: Address): Account {
    const account = this.#accounts.get(escrow)
    if (!account) throw new RangeError(`no escrow was opened at ${escrow}`)
    return account
  }
}

/** A simulated account of whoever holds this key. */
export function accountOf(kind: 'escrow' | 'owner', signer: Uint8Array): Address {
  return addressOf(sha256(`silkmesh-sim/${kind}/${Buffer.from(signer).toString('hex')}`))
}

function freeOf({ balanceNano }: Account): Nano {
  return balanceNano > rentReserveNano ? balanceNano - rentReserveNano : 0n
}

/** Equal messages have equal hashes: one that waits for a block is not taken twice. */
function hashOf(escrow: Address, vouchers: readonly Voucher[]): string {
  const hash = createHash('sha256').update(escrow)
  for (const { terms, signature } of vouchers) hash.update(`${terms.payee}/${terms.amountNano}/`).update(signature)
  return hash.digest('hex')
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function smaller(a: Nano, b: Nano): Nano {
  return a < b ? a : b
}

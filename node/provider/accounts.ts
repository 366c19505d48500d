// What a provider knows of a payer's escrow: read from the chain, kept for a bounded time, checked before anything is served.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { type Address, type PeerId, peerIdOf } from '../../protocol/ids.ts'
import { keep } from '../../protocol/keep.ts'
import type { Nano } from '../../protocol/money.ts'
import type { Chain, Clock } from '../ports.ts'
import type { Account } from '../settlement/book.ts'
import { within } from '../waits.ts'

interface Entry {
  readonly account: Account
  readonly atMs: number
}

export interface AccountLimits {
  readonly escrowCheckMs: number
  /** How old a view may be while the chain does not answer. */
  readonly escrowTrustMs: number
  readonly unlockDelayMsMin: number
  /** What one payer may owe the chain for in all, on a view that cannot be renewed. */
  readonly silentNanoMax: Nano
}

export interface KnownAccount {
  readonly account: Account
  /** As the chain shows it now, or the reason why it cannot pay. */
  readonly now: Promise<Account>
}

const accountsMax = 10_000
/** Of `escrowCheckMs`: a view in use is renewed before it is too old, so that a running stream does not wait for the chain. */
const renewedAt = 0.8
/** Whoever is known does not wait longer for the chain: a stream that pauses is given up by its caller. */
const patienceMs = 2_000
/** An address costs nothing: of those that are not known to be escrows so many are read at a time, and so many wait. */
const strangersAtOnceMax = 8
const strangersWaitingMax = 1_000

export class Accounts {
  readonly #payout: Address
  readonly #limits: AccountLimits
  readonly #ports: { readonly clock: Clock; readonly chain: Chain }
  readonly #entries = new Map<Address, Entry>()
  readonly #reading = new Map<Address, Promise<Account>>()
  #strangers = 0
  /** In order of arrival: each begins when one before it is done. */
  readonly #waiting: (() => void)[] = []
  /** The chain did not answer when last asked: known payers do not wait for it. */
  #isSilent = false

  constructor(payout: Address, limits: AccountLimits, ports: { readonly clock: Clock; readonly chain: Chain }) {
    this.#payout = payout
    this.#limits = limits
    this.#ports = ports
  }

  /**
   * The escrow of a payer, at most `escrowCheckMs` old. Throws `escrow-unusable` where it cannot pay this payer's vouchers,
   * `chain-unavailable` where it cannot be read. No payer is a hub's: whoever signs for the escrow. While the chain does not answer an older view stands in, with less cover
   * (docs/decisions/0016-serve-on-a-recent-view.md); one asked for as fresh never.
   */
  async of(address: Address, payer: PeerId | undefined, isFresh = false): Promise<Account> {
    const account = await this.payable(address, payer, isFresh)
    const reason = unusable(account, this.#limits.unlockDelayMsMin)
    if (reason) throw new MeshError('escrow-unusable', reason)
    return account
  }

  /** The same for a payment of what was served already: it is welcome while the escrow is closing, too. */
  async payable(address: Address, payer: PeerId | undefined, isFresh = false): Promise<Account> {
    const cached = this.#entries.get(address)
    const recent = cached && !isFresh ? await this.#recent(address, cached) : undefined
    const account = recent ?? (await this.#asked(address, cached))
    const reason = foreign(account, payer)
    if (reason) throw new MeshError('escrow-unusable', reason)
    return account
  }

  /**
   * For a request that can be agreed on while the chain is asked: the last view, up to `escrowTrustMs` old, and `now`, the one
   * that `of` gives. Throws as `of` does where there is no such view; nothing may be computed before `now`.
   */
  async known(address: Address, payer: PeerId | undefined): Promise<KnownAccount> {
    const cached = this.#entries.get(address)
    const now = this.of(address, payer)
    now.catch(() => undefined) // the request may be refused before it asks
    const isGood =
      cached !== undefined &&
      this.#ageMs(cached) <= this.#trustMs(cached) &&
      foreign(cached.account, payer) === undefined &&
      unusable(cached.account, this.#limits.unlockDelayMsMin) === undefined
    return { account: isGood ? cached.account : await now, now }
  }

  /** Undefined where what is known is too old. */
  async #recent(address: Address, cached: Entry): Promise<Account | undefined> {
    const { escrowCheckMs } = this.#limits
    const ageMs = this.#ageMs(cached)
    if (ageMs <= escrowCheckMs) {
      if (ageMs > renewedAt * escrowCheckMs && !this.#reading.has(address)) this.#read(address).catch(() => undefined)
      return cached.account
    }
    return ageMs <= this.#trustMs(cached) ? await this.#renewed(address, cached) : undefined
  }

  #asked(address: Address, cached: Entry | undefined): Promise<Account> {
    return cached?.account.escrow.isEscrow ? this.#read(address) : this.#readStranger(address)
  }

  #ageMs({ atMs }: Entry): number {
    return this.#ports.clock.now() - atMs
  }

  /** Half the unlock delay at most: what is vouched for meanwhile can still be settled when the chain is back. */
  #trustMs({ account }: Entry): number {
    return Math.min(this.#limits.escrowTrustMs, account.escrow.unlockDelayMs / 2)
  }

  /** Read anew if the chain answers soon; else as it was, covering no more than may be lost. */
  async #renewed(address: Address, { account }: Entry): Promise<Account> {
    const reading = this.#reading.get(address) ?? this.#read(address)
    reading.catch(() => undefined) // it may fail when nobody waits any more
    if (!this.#isSilent) {
      try {
        return await within(this.#ports.clock, patienceMs, `reading escrow ${address}`, () => reading)
      } catch (error) {
        const { code } = asMeshError(error, 'internal')
        if (code !== 'chain-unavailable' && code !== 'timeout') throw error
        this.#isSilent = true
      }
    }
    const coverNanoMax = account.settledNano + this.#limits.silentNanoMax
    return account.coverNano <= coverNanoMax ? account : { ...account, coverNano: coverNanoMax, isBounded: true }
  }

  /** What else this node asks the chain, above all to settle, must not wait behind everybody who opens a stream. */
  async #readStranger(address: Address): Promise<Account> {
    if (this.#waiting.length >= strangersWaitingMax) {
      throw new MeshError('busy', `${strangersWaitingMax} escrows of new payers wait to be read`)
    }
    if (this.#strangers >= strangersAtOnceMax) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#strangers += 1
    try {
      return await this.#read(address)
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#strangers -= 1
    }
  }

  #read(address: Address): Promise<Account> {
    const reading = this.#readNow(address)
      .then(
        (account) => {
          this.#isSilent = false
          return account
        },
        (error: unknown) => {
          if (asMeshError(error).code === 'chain-unavailable') this.#isSilent = true
          throw error
        },
      )
      .finally(() => {
        if (this.#reading.get(address) === reading) this.#reading.delete(address)
      })
    this.#reading.set(address, reading)
    return reading
  }

  async #readNow(address: Address): Promise<Account> {
    const { chain, clock } = this.#ports
    const escrow = await chain.escrow(address)
    const { settledNano, payableNano } = escrow.isEscrow
      ? await chain.payee(address, this.#payout)
      : { settledNano: 0n, payableNano: 0n }
    const account = { escrow, settledNano, coverNano: settledNano + payableNano }
    return keep(this.#entries, address, { account, atMs: clock.now() }, accountsMax).account
  }
}

function foreign({ escrow }: Account, payer: PeerId | undefined): string | undefined {
  if (!escrow.isEscrow) return `no escrow of known code runs at ${escrow.address}`
  const signer = peerIdOf(escrow.signer)
  if (payer === undefined || signer === payer) return undefined
  return `escrow ${escrow.address} pays vouchers of ${signer}, not of ${payer}`
}

function unusable({ escrow }: Account, unlockDelayMsMin: number): string | undefined {
  if (escrow.unlockAtMs !== 0) return `escrow ${escrow.address} is being closed by its owner`
  if (escrow.unlockDelayMs < unlockDelayMsMin) {
    return `escrow ${escrow.address} closes within ${escrow.unlockDelayMs} ms, at least ${unlockDelayMsMin} are needed`
  }
  return undefined
}

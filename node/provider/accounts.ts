// What a provider knows of a payer's escrow: read from the chain, kept for a bounded time, checked before anything is served.

import { MeshError } from '../../protocol/errors.ts'
import { type Address, type PeerId, peerIdOf } from '../../protocol/ids.ts'
import type { Chain, Clock } from '../ports.ts'
import type { Account } from '../settlement/book.ts'

interface Entry {
  readonly account: Account
  readonly atMs: number
}

export interface AccountLimits {
  readonly escrowCheckMs: number
  readonly unlockDelayMsMin: number
}

const accountsMax = 10_000

export class Accounts {
  readonly #payout: Address
  readonly #limits: AccountLimits
  readonly #ports: { readonly clock: Clock; readonly chain: Chain }
  readonly #entries = new Map<Address, Entry>()

  constructor(payout: Address, limits: AccountLimits, ports: { readonly clock: Clock; readonly chain: Chain }) {
    this.#payout = payout
    this.#limits = limits
    this.#ports = ports
  }

  /**
   * The escrow of a payer, at most `escrowCheckMs` old. Throws `escrow-unusable` where it cannot pay this payer's vouchers,
   * `chain-unavailable` where it cannot be read.
   */
  async of(address: Address, payer: PeerId, isFresh = false): Promise<Account> {
    const account = await this.payable(address, payer, isFresh)
    const reason = unusable(account, this.#limits.unlockDelayMsMin)
    if (reason) throw new MeshError('escrow-unusable', reason)
    return account
  }

  /** The same for a payment of what was served already: it is welcome while the escrow is closing, too. */
  async payable(address: Address, payer: PeerId, isFresh = false): Promise<Account> {
    const cached = this.#entries.get(address)
    const nowMs = this.#ports.clock.now()
    const account =
      cached && !isFresh && nowMs - cached.atMs <= this.#limits.escrowCheckMs
        ? cached.account
        : await this.#read(address)
    const { escrow } = account
    if (!escrow.isEscrow) throw new MeshError('escrow-unusable', `no escrow of known code runs at ${address}`)
    if (peerIdOf(escrow.signer) !== payer) {
      throw new MeshError(
        'escrow-unusable',
        `escrow ${address} pays vouchers of ${peerIdOf(escrow.signer)}, not of ${payer}`,
      )
    }
    return account
  }

  async #read(address: Address): Promise<Account> {
    const { chain, clock } = this.#ports
    const escrow = await chain.escrow(address)
    const { settledNano, payableNano } = escrow.isEscrow
      ? await chain.payee(address, this.#payout)
      : { settledNano: 0n, payableNano: 0n }
    const account = { escrow, settledNano, coverNano: settledNano + payableNano }
    this.#entries.delete(address) // moves it to the end: the map is in order of reading
    this.#entries.set(address, { account, atMs: clock.now() })
    if (this.#entries.size > accountsMax) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest)
        break
      }
    }
    return account
  }
}

function unusable({ escrow }: Account, unlockDelayMsMin: number): string | undefined {
  if (escrow.unlockAtMs !== 0) return `escrow ${escrow.address} is being closed by its owner`
  if (escrow.unlockDelayMs < unlockDelayMsMin) {
    return `escrow ${escrow.address} closes within ${escrow.unlockDelayMs} ms, at least ${unlockDelayMsMin} are needed`
  }
  return undefined
}

// What a provider knows of a payer's escrow: read from the chain, kept for a bounded time, checked before anything is served.

import { MeshError } from '../../protocol/errors.ts'
import { type Address, type PeerId, peerIdOf } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import type { Chain, Clock, EscrowState } from '../ports.ts'

export interface Account {
  readonly escrow: EscrowState
  /** The highest cumulative voucher the escrow could pay this provider now. */
  readonly coverNano: Nano
}

interface Entry {
  readonly account: Account
  readonly atMs: number
}

const accountsMax = 10_000

export class Accounts {
  readonly #payout: Address
  readonly #checkMs: number
  readonly #ports: { readonly clock: Clock; readonly chain: Chain }
  readonly #entries = new Map<Address, Entry>()

  constructor(payout: Address, checkMs: number, ports: { readonly clock: Clock; readonly chain: Chain }) {
    this.#payout = payout
    this.#checkMs = checkMs
    this.#ports = ports
  }

  /**
   * The escrow of a payer, at most `checkMs` old. Throws `escrow-unusable` where it cannot pay this payer's vouchers,
   * `chain-unavailable` where it cannot be read.
   */
  async of(address: Address, payer: PeerId, isFresh = false): Promise<Account> {
    const cached = this.#entries.get(address)
    const nowMs = this.#ports.clock.now()
    const account =
      cached && !isFresh && nowMs - cached.atMs <= this.#checkMs ? cached.account : await this.#read(address)
    const reason = unusable(account, payer)
    if (reason) throw new MeshError('escrow-unusable', reason)
    return account
  }

  async #read(address: Address): Promise<Account> {
    const { chain, clock } = this.#ports
    const escrow = await chain.escrow(address)
    const { settledNano, payableNano } = escrow.isEscrow
      ? await chain.payee(address, this.#payout)
      : { settledNano: 0n, payableNano: 0n }
    const account = { escrow, coverNano: settledNano + payableNano }
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

function unusable({ escrow }: Account, payer: PeerId): string | undefined {
  if (!escrow.isEscrow) return `no escrow of known code runs at ${escrow.address}`
  if (peerIdOf(escrow.signer) !== payer) {
    return `escrow ${escrow.address} pays vouchers of ${peerIdOf(escrow.signer)}, not of ${payer}`
  }
  if (escrow.unlockAtMs !== 0) return `escrow ${escrow.address} is being closed by its owner`
  return undefined
}

// How much a hub may still promise: what its escrow holds, less what its vouchers have promised and the chain has not paid.

import { MeshError } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/ids.ts'
import { formatGram, type Nano } from '../../protocol/money.ts'
import type { EscrowState, Ports } from '../ports.ts'
import type { Ledger } from './ledger.ts'

/** Accounts read from the chain at the same time. */
const readsAtOnce = 8

export class Liquidity {
  readonly #escrow: Address
  readonly #ledger: Ledger
  readonly #escrowCheckMs: number
  readonly #ports: Pick<Ports, 'clock' | 'chain' | 'identity'>
  #view: { readonly state: EscrowState; readonly atMs: number } | undefined
  #reading: Promise<EscrowState> | undefined
  #recounting: Promise<void> | undefined
  #recountedAtMs = Number.NEGATIVE_INFINITY
  /** As last read: it may be more by now, which errs on the safe side. By epoch and payee. */
  readonly #settled = new Map<string, Nano>()

  constructor(
    escrow: Address,
    ledger: Ledger,
    escrowCheckMs: number,
    ports: Pick<Ports, 'clock' | 'chain' | 'identity'>,
  ) {
    this.#escrow = escrow
    this.#ledger = ledger
    this.#escrowCheckMs = escrowCheckMs
    this.#ports = ports
  }

  /** This hub's escrow, at most `escrowCheckMs` old. Throws `escrow-unusable` where it does not serve a hub now. */
  async own(): Promise<EscrowState> {
    const known = this.#view
    const isFresh = known && this.#ports.clock.now() - known.atMs <= this.#escrowCheckMs
    const state = isFresh ? known.state : await this.#read()
    if (!state.isEscrow)
      throw new MeshError('escrow-unusable', `no escrow runs at ${this.#escrow}, which this hub pays from`)
    if (Buffer.compare(state.signer, this.#ports.identity.publicKey) !== 0) {
      throw new MeshError('escrow-unusable', `escrow ${this.#escrow} is not signed for by this hub`)
    }
    if (state.unlockAtMs !== 0)
      throw new MeshError('escrow-unusable', `this hub's escrow ${this.#escrow} is being closed`)
    return state
  }

  /** Looks again where it seems short: others may have been settled since. Throws `escrow-unusable`. Tells what was settled. */
  async reserve(payee: Address, nano: Nano): Promise<Nano> {
    const own = await this.own()
    if (!this.#settled.has(keyOf(own, payee))) await this.#readPayee(own, payee)
    if (this.#freeNano(own) < nano) await this.#recount()
    this.assertFree(await this.own(), nano)
    return this.#settled.get(keyOf(own, payee)) ?? 0n
  }

  assertFree(own: EscrowState, nano: Nano): void {
    const freeNano = this.#freeNano(own)
    if (freeNano >= nano) return
    throw new MeshError(
      'escrow-unusable',
      `this hub can promise ${formatGram(freeNano)} GRAM more now, ${formatGram(nano)} are wanted`,
    )
  }

  /** Of the newest view: an older one may hold coins that were paid out since. */
  #freeNano(own: EscrowState): Nano {
    const state = this.#view?.state ?? own
    const promised = this.#ledger.outstandingNano(state, (payee) => this.#settled.get(keyOf(state, payee)) ?? 0n)
    return state.freeNano - promised
  }

  #read(): Promise<EscrowState> {
    this.#reading ??= this.#readNow().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #readNow(): Promise<EscrowState> {
    const { chain, clock } = this.#ports
    const state = await chain.escrow(this.#escrow)
    this.#view = { state, atMs: clock.now() }
    return state
  }

  /** At most once in `escrowCheckMs`: it reads the chain once for each payee with anything outstanding. */
  #recount(): Promise<void> {
    const { clock } = this.#ports
    if (clock.now() - this.#recountedAtMs < this.#escrowCheckMs) return this.#recounting ?? Promise.resolve()
    this.#recountedAtMs = clock.now()
    this.#recounting = this.#recountNow().finally(() => {
      this.#recounting = undefined
    })
    return this.#recounting
  }

  /** What is paid is read before what is left: coins that leave in between are then counted as gone twice, and not as there. */
  async #recountNow(): Promise<void> {
    const own = await this.own()
    const open = this.#ledger
      .payees(own)
      .filter(({ payee, totalNano }) => totalNano > (this.#settled.get(keyOf(own, payee)) ?? 0n))
    for (let at = 0; at < open.length; at += readsAtOnce) {
      await Promise.all(open.slice(at, at + readsAtOnce).map(({ payee }) => this.#readPayee(own, payee)))
    }
    await this.#readNow()
  }

  async #readPayee(own: EscrowState, payee: Address): Promise<void> {
    const { settledNano } = await this.#ports.chain.payee(this.#escrow, payee)
    this.#settled.set(keyOf(own, payee), settledNano)
  }
}

function keyOf({ epoch, globalId }: EscrowState, payee: Address): string {
  return `${globalId}/${epoch}/${payee}`
}

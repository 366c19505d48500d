// A provider's way to pay settlers: an escrow of its own, vouchers for what both count, nothing lower after something higher.

import { MeshError } from '../../protocol/errors.ts'
import type { Tab } from '../../protocol/frames.ts'
import type { Address, PeerId } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import type { SettlerAdvert } from '../../protocol/settler-advert.ts'
import { signVoucher, type Voucher, verifyVoucher } from '../../protocol/voucher.ts'
import type { EscrowState, Ports } from '../ports.ts'
import type { Fees, FeeTab } from './fees.ts'
import { isOfTab } from './fees.ts'

/** How old the view of the own escrow may be. */
const viewMsMax = 60_000

export class Purse {
  readonly fees: Fees
  readonly #escrow: Address | undefined
  readonly #ports: Pick<Ports, 'clock' | 'chain' | 'identity' | 'observe'>
  readonly #take: ((addedNano: Nano) => Promise<void>) | undefined
  #view: { readonly state: EscrowState; readonly atMs: number } | undefined

  /**
   * Without an escrow nothing is paid, and settlers that ask nothing are used. `take` is heard before so much more is signed,
   * and may refuse it.
   */
  constructor(
    escrow: Address | undefined,
    fees: Fees,
    ports: Pick<Ports, 'clock' | 'chain' | 'identity' | 'observe'>,
    take?: (addedNano: Nano) => Promise<void>,
  ) {
    this.#take = take
    this.#escrow = escrow
    this.fees = fees
    this.#ports = ports
  }

  /** Why nothing can be paid now, if so. */
  async trouble(): Promise<string | undefined> {
    const state = await this.#state()
    if (!state?.isEscrow) return 'no escrow yet to pay it from'
    if (state.unlockAtMs !== 0) return 'the escrow to pay it from is closing'
    return state.freeNano > 0n ? undefined : 'the escrow to pay it from is empty'
  }

  /** The tab with a settler; undefined where it asks nothing, or nothing can be paid. */
  async tabTo({ feePpm, globalId, payout }: SettlerAdvert): Promise<FeeTab | undefined> {
    if (feePpm === 0 || (await this.trouble()) !== undefined) return undefined
    const state = await this.#state()
    if (!state || state.globalId !== globalId) return undefined
    return { globalId, escrow: state.address, epoch: state.epoch, payee: payout }
  }

  /** What to say of fees in a request on this tab. */
  stated(peer: PeerId, tab: FeeTab | undefined): { readonly escrow?: Address; readonly fee?: Voucher } {
    if (!tab) return {}
    const fee = this.fees.best(peer, tab)
    return { escrow: tab.escrow, ...(fee && { fee }) }
  }

  /** The settler's view of the tab: a voucher for what both count is signed where there is more of it. */
  async hear(peer: PeerId, tab: FeeTab, claim: Tab): Promise<Voucher | undefined> {
    const { chain, identity, observe } = this.#ports
    if (claim.payee !== tab.payee || claim.globalId !== tab.globalId || claim.epoch !== tab.epoch) {
      throw new MeshError('protocol-violation', `settler ${peer} states the fees of another tab than it advertises`)
    }
    const { best } = claim
    if (best && isOfTab(best, tab) && verifyVoucher(best, identity.publicKey)) await this.fees.adopt(peer, best)
    const own = this.fees.best(peer, tab)
    if (own?.terms.amountNano === best?.terms.amountNano) this.fees.told(peer)
    const baseNano = own ? 0n : (await chain.payee(tab.escrow, tab.payee)).settledNano
    const signed = await this.fees.sign(peer, tab, claim.owedNano, baseNano, async (terms, addedNano) => {
      await this.#take?.(addedNano)
      return signVoucher(terms, (digest) => identity.sign(digest))
    })
    if (signed) observe({ type: 'settle-fee-signed', settler: peer, amountNano: signed.terms.amountNano })
    return signed
  }

  async #state(): Promise<EscrowState | undefined> {
    if (!this.#escrow) return undefined
    const { chain, clock } = this.#ports
    if (!this.#view || clock.now() - this.#view.atMs > viewMsMax) {
      this.#view = { state: await chain.escrow(this.#escrow), atMs: clock.now() }
    }
    return this.#view.state
  }
}

// A settler's counter: takes vouchers to settle or to watch over, lends the fee for them, and is paid by voucher.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import type { Tab } from '../../protocol/frames.ts'
import { type Address, peerIdOf } from '../../protocol/ids.ts'
import { formatGram, formatPercent } from '../../protocol/money.ts'
import {
  decodeSettleRequest,
  encodeSettleReply,
  type SettleReply,
  type SettleRequest,
} from '../../protocol/settlement.ts'
import { verifyVoucher } from '../../protocol/voucher.ts'
import type { Config } from '../config.ts'
import type { EscrowState, PayeeState, Ports, Stream } from '../ports.ts'
import { within } from '../waits.ts'
import type { SettlerAccount } from './announcer.ts'
import { type Fees, isOfTab, owedNano } from './fees.ts'
import type { Settler } from './settler.ts'

type DeskPorts = Pick<Ports, 'clock' | 'chain' | 'observe'>

/** Where fees are paid and counted. */
export interface Till {
  readonly account: SettlerAccount
  readonly fees: Fees
}

/** A payer's escrow as its fees are paid from it. */
interface Purse {
  readonly escrow: EscrowState
  readonly payee: PayeeState
  readonly tab: Omit<Tab, 'owedNano' | 'best'> & { readonly escrow: Address }
}

export class Desk {
  readonly #config: Config
  readonly #ports: DeskPorts
  readonly #settler: Settler
  readonly #till: Till | undefined

  constructor(config: Config, ports: DeskPorts, settler: Settler, till: Till | undefined) {
    this.#config = config
    this.#ports = ports
    this.#settler = settler
    this.#till = till
  }

  /** Serves /silkmesh/settle/1.0.0: one request, one reply. */
  async serve(stream: Stream): Promise<void> {
    const { clock } = this.#ports
    const frames = stream.frames[Symbol.asyncIterator]()
    const { handoverMs } = this.#config.settlement
    const frame = await within(clock, handoverMs, 'the vouchers of a new stream', () => frames.next())
    if (!frame.done) await stream.send(encodeSettleReply(await this.#answer(decodeSettleRequest(frame.value), stream)))
    await stream.close()
  }

  async #answer(request: SettleRequest, { peer }: Stream): Promise<SettleReply> {
    const { vouchers, isWatch } = request
    let accepted = 0
    let purse: Purse | undefined
    const fee = (): { fee?: Tab } => (purse ? { fee: this.#tabOf(purse, peer) } : {})
    try {
      purse = await this.#purseOf(request, peer)
      if (isWatch && !this.#config.settlement.settlerWatches) {
        throw new MeshError('unsupported', 'this settler does not watch over vouchers')
      }
      for (const voucher of vouchers) {
        if (!isWatch) this.#assertCredit(purse, peer)
        await this.#settler.submit(voucher, peer, isWatch)
        accepted += 1
      }
      return { accepted, code: undefined, message: '', ...fee() }
    } catch (error) {
      const { code, message } = asMeshError(error, 'internal')
      return { accepted, code, message, ...fee() }
    }
  }

  /** The escrow that fees come from, and what was paid from it now; undefined where no fee is asked. */
  async #purseOf({ escrow: address, fee }: SettleRequest, peer: Stream['peer']): Promise<Purse | undefined> {
    const { settlerFeePpm, feeCreditNano } = this.#config.settlement
    if (!this.#till || settlerFeePpm === 0) return undefined
    const { account, fees } = this.#till
    if (!address) {
      throw new MeshError(
        'escrow-unusable',
        `this settler asks ${formatPercent(settlerFeePpm)} of what it settles, paid out of an escrow of yours; open one, or use a settler without a fee`,
      )
    }
    const { chain, observe } = this.#ports
    const escrow = await chain.escrow(address)
    if (!escrow.isEscrow || escrow.globalId !== account.globalId || peerIdOf(escrow.signer) !== peer) {
      throw new MeshError('escrow-unusable', `no escrow at ${address} pays vouchers of ${peer}`)
    }
    if (escrow.unlockAtMs !== 0)
      throw new MeshError('escrow-unusable', `escrow ${address} is being closed by its owner`)
    const payee = await chain.payee(address, account.payout)
    const { epoch, globalId } = escrow
    const purse: Purse = { escrow, payee, tab: { epoch, globalId, escrow: address, payee: account.payout } }
    if (fee) {
      if (!isOfTab(fee, purse.tab) || !verifyVoucher(fee, escrow.signer)) {
        throw new MeshError('voucher-invalid', `the voucher for fees is not of escrow ${address} to ${account.payout}`)
      }
      const addedNano = await fees.take(peer, fee, payee.settledNano)
      if (addedNano > 0n) {
        observe({ type: 'settle-fee-taken', peer, amountNano: fee.terms.amountNano, addedNano })
        this.#settler.keep(fee)
      }
    }
    const dueNano = this.#tabOf(purse, peer).owedNano - payee.settledNano
    if (payee.payableNano < dueNano + feeCreditNano) {
      throw new MeshError(
        'escrow-unusable',
        `escrow ${address} could pay ${formatGram(payee.payableNano)} GRAM of fees now, ${formatGram(dueNano + feeCreditNano)} are needed; deposit more`,
      )
    }
    return purse
  }

  #assertCredit(purse: Purse | undefined, peer: Stream['peer']): void {
    if (!purse || !this.#till) return
    const { fees } = this.#till
    const { feeCreditNano } = this.#config.settlement
    const unpaidNano = fees.unpaidNano(peer)
    if (unpaidNano > feeCreditNano) {
      const { owedNano: owed } = this.#tabOf(purse, peer)
      throw new MeshError(
        'credit-exhausted',
        `${formatGram(unpaidNano)} GRAM of fees are unpaid, at most ${formatGram(feeCreditNano)} are lent; sign a voucher of ${formatGram(owed)} GRAM out of escrow ${purse.tab.escrow} to ${purse.tab.payee}`,
      )
    }
    const pendingNano = this.#settler.pendingFeeNano(peer)
    if (unpaidNano + pendingNano > feeCreditNano) {
      throw new MeshError(
        'busy',
        `${formatGram(pendingNano)} GRAM of fees are for vouchers that are yet to be settled, at most ${formatGram(feeCreditNano)} are lent; wait for them`,
      )
    }
  }

  #tabOf({ payee, tab }: Purse, peer: Stream['peer']): Tab {
    const fees = this.#till?.fees
    const { epoch, globalId, payee: payout } = tab
    return {
      epoch,
      globalId,
      payee: payout,
      owedNano: fees ? owedNano(fees, peer, tab, payee.settledNano) : 0n,
      best: fees?.best(peer, tab),
    }
  }
}

// The settler: holds vouchers of anybody, batches them an escrow, posts them, and lets go only of what the contract has paid.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { type Address, type PeerId, peerIdOf } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { decodeSettleRequest, encodeSettleReply } from '../../protocol/settlement.ts'
import { betterVoucher, isSameTab, type Voucher, verifyVoucher } from '../../protocol/voucher.ts'
import type { Config } from '../config.ts'
import type { EscrowState, PayeeState, Ports, Stream } from '../ports.ts'
import { VoucherLog, type VoucherRecord } from '../records.ts'
import { every, within } from '../waits.ts'

/** Of one escrow: each is a read of the chain on every pass. */
const payeesMax = 1_000
/** Escrows settled at the same time: a slow confirmation holds up few others. */
const escrowsAtOnceMax = 8

interface Held {
  readonly voucher: Voucher
  readonly from: PeerId
}

export class Settler {
  readonly #config: Config
  readonly #ports: Pick<Ports, 'clock' | 'random' | 'store' | 'chain' | 'observe'>
  /** Escrow → payee → its best voucher. */
  readonly #held = new Map<Address, Map<Address, Held>>()
  /** Escrows whose last try failed: when to try again. */
  readonly #retryAtMs = new Map<Address, { atMs: number; pauseMs: number }>()
  /** Vouchers being checked and written. */
  #arriving = 0
  readonly #log: VoucherLog

  constructor(config: Config, ports: Pick<Ports, 'clock' | 'random' | 'store' | 'chain' | 'observe'>) {
    this.#config = config
    this.#ports = ports
    this.#log = new VoucherLog('settler', ports.store, () => this.#records())
  }

  async recover(): Promise<void> {
    for (const { peer, voucher } of await this.#log.read()) this.#hold(voucher, peer)
  }

  /** Settles what is held, again and again, until the signal fires. */
  run(signal: AbortSignal): Promise<void> {
    const { clock, random, observe } = this.#ports
    return every(
      clock,
      random,
      this.#config.settlement.intervalMs,
      signal,
      () => this.settleAll(signal),
      (error) => {
        const { code, message } = asMeshError(error, 'internal')
        observe({ type: 'fault', where: 'settler', code, message })
      },
    )
  }

  get heldVouchers(): number {
    let count = 0
    for (const payees of this.#held.values()) count += payees.size
    return count
  }

  /** Serves /silkmesh/settle/1.0.0: one request, one reply. */
  async serve(stream: Stream): Promise<void> {
    const { clock } = this.#ports
    const frames = stream.frames[Symbol.asyncIterator]()
    const { handoverMs } = this.#config.settlement
    const frame = await within(clock, handoverMs, 'the vouchers of a new stream', () => frames.next())
    if (!frame.done) {
      const vouchers = decodeSettleRequest(frame.value)
      let accepted = 0
      try {
        for (const voucher of vouchers) {
          await this.submit(voucher, stream.peer)
          accepted += 1
        }
        await stream.send(encodeSettleReply({ accepted, code: undefined, message: '' }))
      } catch (error) {
        const { code, message } = asMeshError(error, 'internal')
        await stream.send(encodeSettleReply({ accepted, code, message }))
      }
    }
    await stream.close()
  }

  /**
   * Checks a voucher against its escrow and keeps it durably. Throws `voucher-invalid`, `escrow-unusable` where the escrow
   * could not pay it now, `busy`.
   */
  async submit(voucher: Voucher, from: PeerId): Promise<void> {
    const { terms } = voucher
    const payees = this.#held.get(terms.escrow)
    const best = payees?.get(terms.payee)
    if (best && isSameTab(best.voucher.terms, terms) && best.voucher.terms.amountNano >= terms.amountNano) return
    const held = this.heldVouchers + this.#arriving
    if (!best && (held >= this.#config.settlement.queueMax || (payees?.size ?? 0) >= payeesMax)) {
      throw new MeshError('busy', `this settler holds ${held} vouchers, ${payees?.size ?? 0} of that escrow`)
    }
    this.#arriving += 1
    try {
      await this.#take(voucher, from)
    } finally {
      this.#arriving -= 1
    }
  }

  async #take(voucher: Voucher, from: PeerId): Promise<void> {
    const { chain, clock } = this.#ports
    const { terms } = voucher
    const escrow = await chain.escrow(terms.escrow)
    const reason = refusalOf(voucher, escrow)
    if (reason) throw new MeshError('voucher-invalid', reason)
    const dueNano = dueOf(voucher, await chain.payee(terms.escrow, terms.payee))
    const settleNanoMin = await chain.settleNanoMin()
    if (dueNano < settleNanoMin) {
      throw new MeshError(
        'escrow-unusable',
        `escrow ${terms.escrow} would pay ${dueNano} nano now, at least ${settleNanoMin} settle`,
      )
    }
    await this.#log.append({ peer: from, voucher, atMs: clock.now() }, () => this.#hold(voucher, from))
    this.#retryAtMs.delete(terms.escrow)
  }

  /** One pass over everything held. A failing escrow does not hold up the others. */
  async settleAll(signal: AbortSignal): Promise<void> {
    const nowMs = this.#ports.clock.now()
    const due = [...this.#held.keys()].sort().filter((escrow) => (this.#retryAtMs.get(escrow)?.atMs ?? 0) <= nowMs)
    for (let at = 0; at < due.length && !signal.aborted; at += escrowsAtOnceMax) {
      await Promise.all(due.slice(at, at + escrowsAtOnceMax).map((escrow) => this.#trySettle(escrow, signal)))
    }
  }

  async #trySettle(escrow: Address, signal: AbortSignal): Promise<void> {
    const retry = this.#retryAtMs.get(escrow)
    try {
      await this.#settleEscrow(escrow, signal)
      this.#retryAtMs.delete(escrow)
    } catch (error) {
      if (signal.aborted) return
      const { code, message } = asMeshError(error, 'internal')
      this.#ports.observe({ type: 'settle-failed', escrow, code, message })
      const { intervalMs, retryMsMax } = this.#config.settlement
      const pauseMs = Math.min(2 * (retry?.pauseMs ?? intervalMs), retryMsMax)
      this.#retryAtMs.set(escrow, { atMs: this.#ports.clock.now() + pauseMs, pauseMs })
    }
  }

  async #settleEscrow(address: Address, signal: AbortSignal): Promise<void> {
    const { chain, observe } = this.#ports
    const escrow = await chain.escrow(address)
    const batch = await this.#batchOf(escrow)
    if (batch.length === 0) return
    const amountNano = batch.reduce((sum, { voucher, settledNano }) => sum + voucher.terms.amountNano - settledNano, 0n)
    observe({ type: 'settle-started', escrow: address, vouchers: batch.length, amountNano })
    const posted = await chain.postSettle(
      address,
      batch.map(({ voucher }) => voucher),
    )
    if (posted.outcome === 'nothing-due') return // somebody else was first: the next pass reads what is left
    observe({ type: 'settle-posted', escrow: address, vouchers: batch.length, messageHash: posted.messageHash })
    await this.#confirm(address, batch, posted.messageHash, signal)
  }

  /** What the escrow would pay now, largest claim first; what it has paid, or cannot pay now, is let go. */
  async #batchOf(escrow: EscrowState): Promise<readonly { voucher: Voucher; settledNano: bigint }[]> {
    const { chain } = this.#ports
    if (!escrow.isEscrow) return [] // perhaps an endpoint that is behind: nothing is let go for that
    const settleNanoMin = await chain.settleNanoMin()
    const due: { voucher: Voucher; settledNano: bigint; dueNano: bigint }[] = []
    for (const [payee, { voucher }] of this.#held.get(escrow.address) ?? []) {
      if (voucher.terms.epoch < escrow.epoch || voucher.terms.globalId !== escrow.globalId) {
        this.#release(voucher) // its epoch is over, or it is of another chain: the contract will never pay it
        continue
      }
      if (voucher.terms.epoch > escrow.epoch) continue // the endpoint is behind
      const payeeState = await chain.payee(escrow.address, payee)
      const { settledNano } = payeeState
      if (settledNano >= voucher.terms.amountNano) {
        this.#release(voucher)
        continue
      }
      const dueNano = dueOf(voucher, payeeState)
      if (dueNano >= settleNanoMin) due.push({ voucher, settledNano, dueNano })
      else this.#release(voucher) // others were first: its payee watches, and posts when the escrow is filled up again
    }
    due.sort((a, b) => Number(b.dueNano > a.dueNano) - Number(b.dueNano < a.dueNano))
    return due.slice(0, limits.voucherBatchMax)
  }

  async #confirm(
    address: Address,
    batch: readonly { voucher: Voucher; settledNano: bigint }[],
    messageHash: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, chain, observe } = this.#ports
    const { confirmMs, confirmPollMs } = this.#config.settlement
    const open = new Map(batch.map((entry) => [entry.voucher.terms.payee, entry]))
    await within(
      clock,
      confirmMs,
      `confirming message ${messageHash} by the state of escrow ${address}`,
      async (stop) => {
        for (let isSettled = false; open.size > 0; ) {
          const isLastLook = isSettled // one transaction settles them all: what it left out waits for the next pass
          for (const [payee, { voucher, settledNano: before }] of [...open]) {
            const { settledNano } = await chain.payee(address, payee)
            if (settledNano <= before) continue
            open.delete(payee)
            isSettled = true
            if (settledNano >= voucher.terms.amountNano) this.#release(voucher)
            const transaction = await chain.settleTransaction(address, messageHash).catch(() => undefined) // told, not relied on
            observe({
              type: 'settle-confirmed',
              escrow: address,
              payee,
              settledNano,
              paidNano: settledNano - before,
              transaction: transaction?.hash,
              feeNano: transaction?.feeNano,
            })
          }
          if (isLastLook) return
          if (open.size > 0) await clock.sleep(confirmPollMs, stop)
        }
      },
      signal,
    )
  }

  #hold(voucher: Voucher, from: PeerId): void {
    const { escrow, epoch, globalId, payee } = voucher.terms
    const payees = this.#held.get(escrow) ?? new Map<Address, Held>()
    this.#held.set(escrow, payees)
    const before = payees.get(payee)
    const isNewer = !before || before.voucher.terms.epoch < epoch || before.voucher.terms.globalId !== globalId
    const isBetter = before?.voucher.terms.epoch === epoch && betterVoucher(before.voucher, voucher) === voucher
    if (isNewer || isBetter) payees.set(payee, { voucher, from })
  }

  #release(voucher: Voucher): void {
    const payees = this.#held.get(voucher.terms.escrow)
    if (payees?.get(voucher.terms.payee)?.voucher !== voucher) return // a better one came meanwhile
    payees.delete(voucher.terms.payee)
    if (payees.size === 0) this.#held.delete(voucher.terms.escrow)
  }

  *#records(): Iterable<VoucherRecord> {
    for (const payees of this.#held.values()) {
      for (const { voucher, from } of payees.values()) {
        yield { peer: from, voucher, atMs: this.#ports.clock.now() }
      }
    }
  }
}

/** What settling this voucher now would pay. */
function dueOf({ terms }: Voucher, { payableNano, settledNano }: PayeeState): bigint {
  const claimNano = terms.amountNano - settledNano
  return claimNano < payableNano ? claimNano : payableNano
}

function refusalOf(voucher: Voucher, escrow: EscrowState): string | undefined {
  const { terms } = voucher
  if (!escrow.isEscrow) return `no escrow runs at ${terms.escrow}`
  if (terms.globalId !== escrow.globalId) return `voucher for chain ${terms.globalId}, expected ${escrow.globalId}`
  if (terms.epoch !== escrow.epoch) return `voucher of epoch ${terms.epoch}, the escrow is in ${escrow.epoch}`
  if (!verifyVoucher(voucher, escrow.signer)) return `voucher is not signed by ${peerIdOf(escrow.signer)}`
  return undefined
}

// The settler: holds vouchers of anybody, batches them an escrow, posts them, and lets go only of what the contract has paid.
// What it only watches over it posts when the escrow begins to close, or when others empty it.

import { counted } from '../../protocol/counted.ts'
import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { type Address, type PeerId, peerIdOf } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { formatGram, type Nano, nanoMax } from '../../protocol/money.ts'
import { isSameTab, tabKey, type Voucher, verifyVoucher } from '../../protocol/voucher.ts'
import type { Config } from '../config.ts'
import type { EscrowState, PayeeState, Ports } from '../ports.ts'
import { VoucherLog, type VoucherRecord } from '../records.ts'
import { every, within } from '../waits.ts'
import { DrainMeter } from './drain.ts'
import type { Fees } from './fees.ts'
import { type Held, Holdings } from './holdings.ts'
import { Reasons } from './reasons.ts'
import { type SettlePolicy, settleOrWait } from './rule.ts'

/** Of one escrow: each is a read of the chain when it is settled. */
const payeesMax = 1_000
/** Escrows settled at the same time: a slow confirmation holds up few others. */
const escrowsAtOnceMax = 8

type SettlerPorts = Pick<Ports, 'clock' | 'random' | 'store' | 'chain' | 'observe'>

/** What a settler that asks a fee adds. */
export interface Business {
  readonly fees: Fees
  /** Its own vouchers are those of its fees. */
  readonly peer: PeerId
}

export class Settler {
  readonly #config: Config
  readonly #ports: SettlerPorts
  readonly #business: Business | undefined
  readonly #holdings = new Holdings()
  /** Escrows whose last try failed: when to try again. */
  readonly #retryAtMs = new Map<Address, { atMs: number; pauseMs: number }>()
  /** When each escrow was last read. */
  readonly #readAtMs = new Map<Address, number>()
  readonly #closing = new Set<Address>()
  readonly #drains: DrainMeter
  readonly #reasons: Reasons
  /** Vouchers being checked and written. */
  #arriving = 0
  readonly #log: VoucherLog

  constructor(config: Config, ports: SettlerPorts, business?: Business) {
    this.#config = config
    this.#ports = ports
    this.#business = business
    this.#drains = new DrainMeter(config.settlement.watchMs)
    this.#reasons = new Reasons(ports.observe)
    this.#log = new VoucherLog('settler', ports.store, () => this.#records())
  }

  async recover(): Promise<void> {
    for (const { atMs, isWatch, peer, voucher } of await this.#log.read()) {
      this.#holdings.add({
        voucher,
        from: peer,
        isWatch: isWatch ?? false,
        sinceMs: atMs,
        settledNano: 0n,
        readAtMs: 0,
      })
    }
    for (const voucher of this.#business?.fees.vouchers() ?? []) this.keep(voucher)
  }

  /** A fee that was paid, checked, and written down elsewhere: settled when it is worth it, or its escrow closes. */
  keep(voucher: Voucher): void {
    if (!this.#business) return
    const sinceMs = this.#ports.clock.now()
    this.#holdings.add({ voucher, from: this.#business.peer, isWatch: true, sinceMs, settledNano: 0n, readAtMs: 0 })
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

  /** Those to be settled. */
  get heldVouchers(): number {
    return this.#holdings.asked
  }

  get watchedVouchers(): number {
    return this.#holdings.watched
  }

  get placesFree(): number {
    return Math.max(0, this.#config.settlement.queueMax - this.#holdings.asked)
  }

  /** Fees of what this peer handed over and is yet to be settled. */
  pendingFeeNano(from: PeerId): Nano {
    return (this.#holdings.pendingNano(from) * BigInt(this.#config.settlement.settlerFeePpm)) / 1_000_000n
  }

  /**
   * Checks a voucher against its escrow and keeps it durably, to be settled or only watched over. Throws `voucher-invalid`,
   * `escrow-unusable` where the escrow could not pay it now, `busy`.
   */
  async submit(voucher: Voucher, from: PeerId, isWatch = false): Promise<void> {
    const { terms } = voucher
    const best = this.#holdings.get(terms.escrow, terms.payee)
    const addsNothing =
      best && isSameTab(best.voucher.terms, terms) && best.voucher.terms.amountNano >= terms.amountNano
    if (addsNothing && (isWatch || !best.isWatch)) return
    const isNew = best === undefined || (best.isWatch && !isWatch)
    if (isNew) this.#assertRoom(terms.escrow, isWatch)
    this.#arriving += 1
    try {
      await this.#take(voucher, from, isWatch)
    } finally {
      this.#arriving -= 1
    }
  }

  #assertRoom(escrow: Address, isWatch: boolean): void {
    const { queueMax, watchEscrowsMax } = this.#config.settlement
    const held = this.#holdings.asked + this.#arriving
    const ofEscrow = this.#holdings.countOf(escrow)
    if ((!isWatch && held >= queueMax) || ofEscrow >= payeesMax) {
      throw new MeshError('busy', `this settler holds ${counted(held, 'voucher')}, ${ofEscrow} of that escrow`)
    }
    if (isWatch && ofEscrow === 0 && this.#holdings.escrowCount >= watchEscrowsMax) {
      throw new MeshError(
        'busy',
        `this settler watches over ${counted(this.#holdings.escrowCount, 'escrow')}, at most ${watchEscrowsMax}`,
      )
    }
  }

  async #take(voucher: Voucher, from: PeerId, isWatch: boolean): Promise<void> {
    const { chain, clock } = this.#ports
    const { terms } = voucher
    const escrow = await chain.escrow(terms.escrow)
    const reason = refusalOf(voucher, escrow)
    if (reason) throw new MeshError('voucher-invalid', reason)
    const payee = await chain.payee(terms.escrow, terms.payee)
    if (!isWatch) await this.#assertWorth(voucher, payee)
    else if (payee.settledNano >= terms.amountNano) return // nothing to watch over
    const sinceMs = clock.now()
    const { settledNano } = payee
    await this.#log.append({ peer: from, voucher, atMs: sinceMs, ...(isWatch && { isWatch: true as const }) }, () =>
      this.#holdings.add({ voucher, from, isWatch, sinceMs, settledNano, readAtMs: sinceMs }),
    )
    this.#readAtMs.set(terms.escrow, sinceMs)
    if (escrow.unlockAtMs !== 0) this.#readAtMs.delete(terms.escrow) // the next pass looks at it
    if (!isWatch) this.#retryAtMs.delete(terms.escrow)
  }

  async #assertWorth({ terms }: Voucher, payee: PayeeState): Promise<void> {
    const dueNano = dueOf(terms.amountNano, payee)
    const settleNanoMin = await this.#ports.chain.settleNanoMin()
    const { settlerValueNanoMin } = this.#config.settlement
    const leastNano = settlerValueNanoMin > settleNanoMin && this.#business ? settlerValueNanoMin : settleNanoMin
    if (dueNano < leastNano) {
      throw new MeshError(
        'escrow-unusable',
        `escrow ${terms.escrow} would pay ${formatGram(dueNano)} GRAM now, at least ${formatGram(leastNano)} settle`,
      )
    }
  }

  /** One pass over everything held. A failing escrow does not hold up the others. */
  async settleAll(signal: AbortSignal): Promise<void> {
    const nowMs = this.#ports.clock.now()
    const due = this.#holdings
      .escrows()
      .toSorted()
      .filter((escrow) => (this.#retryAtMs.get(escrow)?.atMs ?? 0) <= nowMs && this.#isTimeFor(escrow, nowMs))
    for (let at = 0; at < due.length && !signal.aborted; at += escrowsAtOnceMax) {
      await Promise.all(due.slice(at, at + escrowsAtOnceMax).map((escrow) => this.#trySettle(escrow, signal)))
    }
  }

  #isTimeFor(escrow: Address, nowMs: number): boolean {
    if (this.#holdings.askedOf(escrow) > 0 || this.#closing.has(escrow)) return true
    return nowMs - (this.#readAtMs.get(escrow) ?? 0) >= this.#config.settlement.watchMs
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
      // one that closes is tried at every pass: after its last moment nothing can be settled any more
      const pauseMs = this.#closing.has(escrow) ? 0 : Math.min(2 * (retry?.pauseMs ?? intervalMs), retryMsMax)
      this.#retryAtMs.set(escrow, { atMs: this.#ports.clock.now() + pauseMs, pauseMs })
    }
    if (this.#holdings.countOf(escrow) > 0) return
    this.#readAtMs.delete(escrow)
    this.#closing.delete(escrow)
  }

  async #settleEscrow(address: Address, signal: AbortSignal): Promise<void> {
    const { chain, clock, observe } = this.#ports
    const escrow = await chain.escrow(address)
    this.#readAtMs.set(address, clock.now())
    if (escrow.isEscrow) this.#noteUnlock(escrow)
    const batch = await this.#batchOf(escrow)
    if (batch.length === 0) return
    const amountNano = batch.reduce((sum, { settledNano, voucher }) => sum + voucher.terms.amountNano - settledNano, 0n)
    for (const held of batch) await this.#markForFee(held)
    observe({ type: 'settle-started', escrow: address, vouchers: batch.length, amountNano })
    const posted = await chain.postSettle(
      address,
      batch.map(({ voucher }) => voucher),
    )
    if (posted.outcome === 'nothing-due') return // somebody else was first: the next pass reads what is left
    const claims = batch.map(({ voucher: { terms } }) => ({ payee: terms.payee, amountNano: terms.amountNano }))
    const { messageHash } = posted
    observe({ type: 'settle-posted', escrow: address, vouchers: batch.length, amountNano, claims, messageHash })
    await this.#confirm(address, batch, messageHash, signal)
  }

  #noteUnlock({ address, unlockAtMs }: EscrowState): void {
    if (unlockAtMs === 0) this.#closing.delete(address)
    else if (!this.#closing.has(address)) {
      this.#closing.add(address)
      const vouchers = this.#holdings.countOf(address)
      this.#ports.observe({ type: 'unlock-seen', escrow: address, unlockAtMs, vouchers })
    }
  }

  /** What is to be settled now, largest claim first; what the escrow has paid, or never will, is let go. */
  async #batchOf(escrow: EscrowState): Promise<readonly Held[]> {
    const { chain, clock } = this.#ports
    if (!escrow.isEscrow) return [] // perhaps an endpoint that is behind: nothing is let go for that
    const settleNanoMin = await chain.settleNanoMin()
    const drainNano = this.#drains.note(escrow.address, escrow.freeNano, 0n, clock.now())
    const due: { readonly held: Held; readonly dueNano: Nano }[] = []
    for (const held of this.#holdings.of(escrow.address)) {
      const { terms } = held.voucher
      if (terms.epoch < escrow.epoch || terms.globalId !== escrow.globalId) {
        await this.#release(held) // its epoch is over, or it is of another chain: the contract will never pay it
        continue
      }
      if (terms.epoch > escrow.epoch) continue // the endpoint is behind
      const decide = (payableNano: Nano, settledNano: Nano) =>
        this.#decide(held, { drainNano, payableNano, settledNano, settleNanoMin, unlockAtMs: escrow.unlockAtMs })
      // what is only watched over is read now and then: its payee may have settled it by another way
      const isUnread = clock.now() - held.readAtMs >= this.#config.settlement.ageMsMax
      if (held.isWatch && !isUnread && !this.#isOwn(held) && !decide(escrow.freeNano, held.settledNano)) continue
      const payee = await chain.payee(escrow.address, terms.payee)
      const { payableNano, settledNano } = payee
      this.#holdings.update(held, { settledNano, readAtMs: clock.now() })
      if (settledNano >= terms.amountNano) await this.#release(held, settledNano)
      else if (decide(payableNano, settledNano))
        due.push({ held: { ...held, settledNano }, dueNano: dueOf(terms.amountNano, payee) })
    }
    due.sort((a, b) => Number(b.dueNano > a.dueNano) - Number(b.dueNano < a.dueNano))
    return due.slice(0, limits.voucherBatchMax).map(({ held }) => held)
  }

  #decide(
    held: Held,
    seen: {
      readonly drainNano: Nano
      readonly payableNano: Nano
      readonly settledNano: Nano
      readonly settleNanoMin: Nano
      readonly unlockAtMs: number
    },
  ): boolean {
    const { ageMsMax, thresholdNano } = this.#config.settlement
    const { payableNano, settledNano, settleNanoMin, ...rest } = seen
    const { terms } = held.voucher
    const isOwn = this.#isOwn(held)
    // others say themselves when a voucher of theirs is worth its fee
    const policy: SettlePolicy = {
      ageMsMax,
      thresholdNano: held.isWatch && !isOwn ? nanoMax : thresholdNano,
      settleNanoMin,
    }
    const unsettledNano = terms.amountNano - settledNano
    const batch = Math.max(1, Math.min(this.#holdings.askedOf(terms.escrow), limits.voucherBatchMax))
    const ageMs = isOwn ? this.#ports.clock.now() - held.sinceMs : 0
    const decision = settleOrWait(
      { ...rest, ageMs, batch, isWanted: !held.isWatch, payableNano, unsettledNano },
      policy,
    )
    this.#reasons.note(tabKey(terms), terms.escrow, unsettledNano, decision)
    if (!decision.isDue && !held.isWatch && decision.reason !== 'fee spike') this.#setAside(held)
    return decision.isDue
  }

  /** Others were first, perhaps: kept for the day when the escrow is filled up again, or closes. */
  #setAside(held: Held): void {
    const { settlerWatches, watchEscrowsMax } = this.#config.settlement
    if (settlerWatches && this.#holdings.escrowCount <= watchEscrowsMax) this.#holdings.update(held, { isWatch: true })
    else this.#holdings.remove(held)
  }

  async #confirm(address: Address, batch: readonly Held[], messageHash: string, signal: AbortSignal): Promise<void> {
    const { clock, chain, observe } = this.#ports
    const { confirmMs, confirmPollMs } = this.#config.settlement
    const open = new Map(batch.map((held) => [held.voucher.terms.payee, held]))
    await within(
      clock,
      confirmMs,
      `confirming message ${messageHash} by the state of escrow ${address}`,
      async (stop) => {
        for (let isSettled = false; open.size > 0; ) {
          const isLastLook = isSettled // one transaction settles them all: what it left out waits for the next pass
          for (const [payee, held] of [...open]) {
            const { settledNano } = await chain.payee(address, payee)
            const { settledNano: before, voucher } = held
            if (settledNano <= before) continue
            open.delete(payee)
            isSettled = true
            if (settledNano >= voucher.terms.amountNano) await this.#release(held, settledNano)
            else await this.#chargeFee(held, settledNano)
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

  /** On disk before the post: a crash after it loses no fee. */
  async #markForFee(held: Held): Promise<void> {
    if (!this.#business || this.#isOwn(held) || this.#config.settlement.settlerFeePpm === 0) return
    const { fees } = this.#business
    await fees.mark(tabKey(held.voucher.terms), held.from, this.#config.settlement.settlerFeePpm, held.settledNano)
  }

  /** Only what this settler has posted is marked. */
  async #chargeFee({ from, voucher }: Held, settledNano: Nano): Promise<void> {
    if (!this.#business) return
    const { fees } = this.#business
    const amountNano = settledNano < voucher.terms.amountNano ? settledNano : voucher.terms.amountNano
    const feeNano = await fees.charge(tabKey(voucher.terms), amountNano)
    if (feeNano > 0n) {
      this.#ports.observe({ type: 'settle-fee-counted', peer: from, feeNano, unpaidNano: fees.unpaidNano(from) })
    }
  }

  #isOwn({ from }: Held): boolean {
    return from === this.#business?.peer
  }

  /** `settledNano` where the chain has paid it. */
  async #release(held: Held, settledNano?: Nano): Promise<void> {
    if (settledNano !== undefined) await this.#chargeFee(held, settledNano)
    await this.#business?.fees.drop(tabKey(held.voucher.terms))
    this.#holdings.remove(held)
    this.#reasons.forget(tabKey(held.voucher.terms))
  }

  *#records(): Iterable<VoucherRecord> {
    for (const held of this.#holdings.all()) {
      if (this.#isOwn(held)) continue // those are in the log of fees
      const { from, isWatch, sinceMs, voucher } = held
      yield { peer: from, voucher, atMs: sinceMs, ...(isWatch && { isWatch: true as const }) }
    }
  }
}

/** What settling this voucher now would pay. */
function dueOf(amountNano: Nano, { payableNano, settledNano }: PayeeState): Nano {
  const claimNano = amountNano - settledNano
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

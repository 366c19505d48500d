// The escrow held to a model of itself in a few lines: whatever is deposited, signed, settled, reserved, unlocked, finalized,
// lost, repeated, repriced and tried by strangers in whatever order, coins move as the model says.

import { beginCell, type Cell } from '@ton/core'
import {
  type ControlAction,
  type ControlTerms,
  cancelUnlockBody,
  controlBody,
  exitCodes,
  finalizeBody,
  rentReserveNano,
  reserveBody,
  settleBatchBody,
  settleInternalBody,
  settleOneBody,
  startUnlockBody,
} from '../../contracts/escrow.ts'
import type { Address as RawAddress } from '../../protocol/ids.ts'
import { signVoucher, type Voucher } from '../../protocol/voucher.ts'
import { type EscrowRun, globalId, ledgerKey, owner, type Run, signAsClient, stranger } from './account.ts'
import { day, gram, payee } from './stage.ts'
import { type By, type Pick, payeeCount, type Step } from './steps.ts'

/** docs/contract.md §8 repeats these. */
export const invariants: Readonly<Record<number, string>> = {
  1: 'What a payee was paid never falls within an epoch, and never exceeds the most that was signed for it in that epoch.',
  2: 'All that was paid and refunded is at most all that came in; the rent reserve is touched by rent alone.',
  3: 'A settle lowers the balance by what was due: never by more, and less only by fees rounded up, under 2 000 nano at the prices of 2026.',
  4: 'Coins leave to a payee by its voucher, to the owner by finalize, and to a sender out of what it attached; never otherwise.',
  5: 'Settling the same again changes nothing.',
  6: 'A reservation is payable to its payee, in full until rent has eaten half of the rent reserve.',
  7: 'Finalize is impossible before the unlock time and the end of the last reservation, and always possible after, by anybody.',
  8: 'An external message that is not accepted changes nothing; an internal one that fails costs its sender alone.',
  9: 'An external message that is accepted runs to its end.',
  10: 'Ledger, epoch, sequence number, unlock time and end of the reservations are what the model says.',
  11: 'Every transaction adds up to the nano: balance, what came in, what went out, fees.',
}

export class Violation extends Error {
  override readonly name = 'Violation'

  constructor(number: number, detail: string) {
    super(`invariant ${number}: ${invariants[number]} Here: ${detail}`)
  }
}

export const unlockDelaySec = day
const payees = Array.from({ length: payeeCount }, (_, index) => payee(index))
const keys = new Map(payees.map((to) => [to, ledgerKey(to)]))
const forgery = Buffer.alloc(64, 1)
const orderNano = gram / 20n
/** Get-methods are compared with the account's data every so many steps: each costs as much as a step. */
const viewEvery = 25

// At the prices of 2026.
const surplusNanoMax = 2_000n
/** Between what never pays its fees and what always does, at any number of vouchers, the outcome is the chain's. */
const feesNanoMin = 400_000n
const feesNanoMax = 5_000_000n
const internalDueNanoMin = 133_334n
/** Gas and imports of one control message. */
const controlNanoMax = 1_400_000n
/** Of sixty cells, more than the account ever has here. */
const rentNanoPer1000Sec = 124n

interface Entry {
  settledNano: bigint
  reservedNano: bigint
  reservedUntil: number
}

type External =
  | { readonly body: Cell; readonly by: 'one' | 'batch'; readonly vouchers: readonly Voucher[] }
  | { readonly body: Cell; readonly by: 'key'; readonly terms: ControlTerms }

export class History {
  readonly #on: EscrowRun
  /** Every voucher ever signed, by payee, latest last. */
  readonly #signed = new Map<RawAddress, Voucher[]>()
  /** Every external message ever made, delivered or lost. */
  readonly #externals: External[] = []
  #entries = new Map<RawAddress, Entry>()
  #tenths = 10n
  #epoch = 0
  #seqno = 0
  #unlockAt = 0
  #lockedUntil = 0
  #inNano = 0n
  #paidNano = 0n
  #refundedNano = 0n
  #rentNano = 0n
  #lastRunSec = 0
  #steps = 0
  /** How often each exit code was seen; `lost` and `accepted` too. */
  readonly seen: Map<string, number>

  private constructor(on: EscrowRun, seen: Map<string, number>) {
    this.#on = on
    this.seen = seen
  }

  static async begin(on: EscrowRun, seen = new Map<string, number>()): Promise<History> {
    const history = new History(on, seen)
    history.#book(await on.reset(gram))
    return history
  }

  async take(step: Step): Promise<void> {
    const before = new Map([...this.#entries].map(([to, { settledNano }]) => [to, settledNano]))
    const epochBefore = this.#epoch
    await this.#do(step)
    this.#steps += 1
    this.#check(before, epochBefore)
    if (this.#steps % viewEvery === 0) await this.#compareViews()
  }

  /** However a history goes, whoever waits long enough gets the rest to its owner. */
  async end(): Promise<void> {
    this.#book(await this.#on.deposit(gram))
    if (this.#unlockAt === 0) await this.#order(startUnlockBody(), 0)
    this.#on.pass(32 * day)
    const run = this.#book(await this.#on.call(finalizeBody(), stranger, orderNano))
    this.#hold(7, run.exitCode === 0 && run.actionCode === 0, () => `finalize ended with ${run.exitCode}`)
    this.#hold(7, run.afterNano === rentReserveNano, () => `${run.afterNano} nano are left, expected the rent reserve`)
  }

  async #do(step: Step): Promise<void> {
    switch (step.do) {
      case 'deposit':
        this.#book(await this.#on.deposit(step.nano))
        return
      case 'sign':
        this.#sign(at(payees, step.to), step.nano)
        return
      case 'settle': {
        const voucher = this.#picked(step.pick)
        if (step.by === 'internal') await this.#settleInternal(voucher)
        else await this.#send({ by: 'one', body: settleOneBody(voucher), vouchers: [voucher] }, step.isLost)
        return
      }
      case 'batch': {
        if (step.workNano > 0n) for (const to of payees) this.#sign(to, step.workNano)
        const vouchers = step.picks.map((one) => this.#picked(one))
        await this.#send({ by: 'batch', body: settleBatchBody(vouchers), vouchers }, step.isLost)
        return
      }
      case 'deliver': {
        const external = this.#externals.at(-1 - step.index)
        if (external) await this.#deliver(external)
        return
      }
      case 'reserve': {
        const until = Math.max(0, this.#on.nowSec + step.aheadSec)
        await this.#control(
          step.by,
          { kind: 'reserve', payee: at(payees, step.to), amountNano: step.nano, until },
          step.isLost,
        )
        return
      }
      case 'unlock':
      case 'finalize':
        await this.#control(step.by, { kind: step.do }, step.isLost)
        return
      case 'cancel': {
        const isDone = await this.#order(cancelUnlockBody(), this.#unlockAt === 0 ? 106 : 0)
        if (isDone) this.#unlockAt = 0
        return
      }
      case 'pass':
        this.#on.pass(step.seconds)
        return
      case 'reprice':
        this.#on.reprice(step.tenths)
        this.#tenths = step.tenths
        return
      case 'bounce':
        await this.#bounce(step.how, step.nano)
        return
      case 'starve':
        await this.#starve(step.how, step.nano)
        return
      case 'intrude':
        await this.#intrude(step.how)
        return
    }
  }

  // ---- vouchers ----

  #sign(to: RawAddress, nano: bigint): void {
    const vouchers = this.#signed.get(to) ?? []
    const last = vouchers.at(-1)
    const sofar = last?.terms.epoch === this.#epoch ? last.terms.amountNano : 0n
    vouchers.push(this.#voucher(to, sofar + nano))
    this.#signed.set(to, vouchers)
  }

  #voucher(to: RawAddress, amountNano: bigint): Voucher {
    return signVoucher({ globalId, escrow: this.#on.raw, epoch: this.#epoch, payee: to, amountNano }, signAsClient)
  }

  #picked({ to, age, isForged }: Pick): Voucher {
    const who = at(payees, to)
    if (!this.#signed.has(who)) this.#sign(who, 50_000_000n)
    const vouchers = this.#signed.get(who) ?? []
    const voucher = at(vouchers, vouchers.length - 1 - Math.min(age, vouchers.length - 1))
    return isForged ? { ...voucher, signature: forgery } : voucher
  }

  #isValid({ terms, signature }: Voucher): boolean {
    return terms.epoch === this.#epoch && signature !== forgery
  }

  #due(entry: Entry, amountNano: bigint, left: bigint): bigint {
    const free = left - this.#reservedTotal()
    const payable =
      entry.reservedNano > 0n ? min(max(free, 0n) + entry.reservedNano, left + rentReserveNano / 2n) : free
    return min(amountNano - entry.settledNano, payable)
  }

  // ---- external messages ----

  async #send(external: External, isLost: boolean): Promise<void> {
    this.#externals.push(external)
    if (isLost) this.#count('lost')
    else await this.#deliver(external)
  }

  async #deliver(external: External): Promise<void> {
    if (external.by === 'key') await this.#deliverControl(external.body, external.terms)
    else await this.#deliverSettle(external.body, external.vouchers)
  }

  async #deliverSettle(body: Cell, vouchers: readonly Voucher[]): Promise<void> {
    const rentMax = this.#rentDueMax()
    const run = this.#book(await this.#on.post(body))
    const dueNano = this.#settled(run, vouchers, [this.#scaled(feesNanoMin), this.#scaled(feesNanoMax)], rentMax)
    if (dueNano === undefined) return
    this.#holdSettle(run, dueNano)
    const left = run.afterNano - rentReserveNano
    const isSpent = vouchers.every(
      (one) => !this.#isValid(one) || this.#due(this.#entry(one.terms.payee), one.terms.amountNano, left) <= 0n,
    )
    if (!isSpent) return
    const again = this.#book(await this.#on.post(body))
    this.#hold(
      5,
      !again.accepted && again.afterNano === run.afterNano,
      () => `posted again it ended with ${again.exitCode}`,
    )
  }

  async #settleInternal(voucher: Voucher): Promise<void> {
    const least = this.#scaled(internalDueNanoMin)
    const run = this.#book(await this.#on.call(settleInternalBody(voucher), stranger, orderNano))
    const dueNano = this.#settled(run, [voucher], [least - 20n, least + 20n], 0n)
    if (dueNano !== undefined) this.#holdSettle(run, dueNano)
    else this.#holdFailure(run, stranger)
  }

  /** Writes into the model what a settle did; undefined where it did nothing. What the chain decided counts only between `least` and `most`. */
  #settled(
    run: Run,
    vouchers: readonly Voucher[],
    [least, most]: readonly [bigint, bigint],
    rentMax: bigint,
  ): bigint | undefined {
    const isDone = run.accepted && run.exitCode === 0
    const state = this.#on.state()
    let left = run.beforeNano - rentReserveNano - run.rentNano
    let dueNano = 0n
    for (const [index, voucher] of vouchers.entries()) {
      const { payee: to, amountNano } = voucher.terms
      const entry = this.#entry(to)
      const isValid = this.#isValid(voucher)
      const due = isValid ? this.#due(entry, amountNano, left) : 0n
      if (index === 0 && isDone) this.#hold(4, due >= least, () => `${due} nano due were settled`)
      if (index === 0 && !isDone) {
        const dueMin = isValid ? this.#due(entry, amountNano, left - rentMax) : 0n
        this.#hold(10, dueMin < most, () => `${due} nano due ended with ${run.exitCode}`)
        if (this.#isBroke(run, rentMax)) return undefined
        const codes = isValid ? [103] : [102]
        this.#hold(10, codes.includes(run.exitCode ?? 0), () => `refused with ${run.exitCode}, expected ${codes}`)
      }
      if (!isDone) return undefined
      const isPaid = (state.entries.get(keys.get(to) ?? 0n)?.settledNano ?? 0n) >= entry.settledNano + due
      if (due < least || !isPaid) {
        this.#hold(10, due < most, () => `voucher ${index} of ${due} nano due was passed over`)
        continue
      }
      const drawn = min(due, entry.reservedNano)
      entry.reservedNano -= drawn
      if (entry.reservedNano === 0n) entry.reservedUntil = 0
      entry.settledNano += due
      left -= due
      dueNano += due
    }
    return dueNano
  }

  #holdSettle(run: Run, dueNano: bigint): void {
    const surplus = dueNano - (run.beforeNano + run.attachedNano - run.rentNano - run.afterNano) + run.attachedNano
    this.#hold(3, surplus >= 0n && surplus < this.#scaled(surplusNanoMax), () => `${dueNano} due, ${surplus} kept`)
    const toPayees = run.sent.filter(({ operation }) => operation === 0)
    const sentNano = toPayees.reduce((sum, { nano }) => sum + nano, 0n)
    this.#hold(4, toPayees.every(({ nano, to }) => nano > 0n && keys.has(to)) && sentNano <= dueNano, () => text(run))
    const others = run.sent.filter(({ operation }) => operation !== 0)
    const isExcess = others.every(({ nano, to }) => !run.isExternal && to === stranger && nano <= run.attachedNano)
    this.#hold(4, isExcess, () => text(run))
    this.#paidNano += dueNano
    this.#inNano += surplus
  }

  // ---- control ----

  async #control(by: By, action: ControlAction, isLost: boolean): Promise<void> {
    if (by === 'key') {
      const terms: ControlTerms = {
        globalId,
        escrow: this.#on.raw,
        epoch: this.#epoch,
        seqno: this.#seqno,
        validUntil: this.#on.nowSec + 60,
        action,
      }
      await this.#send({ by: 'key', body: controlBody(terms, signAsClient), terms }, isLost)
      return
    }
    const expected = this.#expected(action, orderNano, 'wallet')
    const body =
      action.kind === 'reserve' ? reserveBody(action) : action.kind === 'unlock' ? startUnlockBody() : finalizeBody()
    if (await this.#order(body, expected)) this.#done(action)
  }

  async #deliverControl(body: Cell, terms: ControlTerms): Promise<void> {
    const { action, epoch, seqno, validUntil } = terms
    const isStale = epoch !== this.#epoch || seqno !== this.#seqno
    const isLate = validUntil <= this.#on.nowSec
    const expected = isStale ? 109 : isLate ? 108 : this.#expected(action, 0n, 'key')
    const rentMax = this.#rentDueMax()
    const run = this.#book(await this.#on.post(body))
    if (this.#isBroke(run, rentMax)) return
    if (expected !== undefined) {
      const number = action.kind === 'finalize' ? 7 : 10
      this.#hold(
        number,
        run.exitCode === expected,
        () => `${action.kind} ended with ${run.exitCode}, expected ${expected}`,
      )
    }
    if (!run.accepted) return
    if (action.kind === 'finalize') this.#holdRefund(run)
    else {
      const costNano = run.beforeNano - run.rentNano - run.afterNano
      this.#hold(
        4,
        run.sent.length === 0 && costNano < this.#scaled(controlNanoMax),
        () => `${text(run)} cost ${costNano}`,
      )
      this.#inNano -= costNano
    }
    this.#seqno += 1
    this.#done(action)
  }

  /** What an operation ends with; undefined where that is a matter of the fees. */
  #expected(action: ControlAction, attachedNano: bigint, by: By): number | undefined {
    const { nowSec } = this.#on
    const left = this.#on.balanceNano + attachedNano - rentReserveNano
    const slack = this.#scaled(controlNanoMax) * 2n + this.#rentDueMax()
    switch (action.kind) {
      case 'unlock': {
        const free = left - this.#reservedTotal()
        // the free funds are looked at before the rest
        if (by === 'key' && free < slack) return free < 0n ? 111 : undefined
        return this.#unlockAt === 0 ? 0 : 105
      }
      case 'finalize':
        if (this.#unlockAt === 0) return 106
        if (nowSec < Math.max(this.#unlockAt, this.#lockedUntil)) return 107
        if (by === 'key' && left < slack) return left < 0n ? 111 : undefined
        return 0
      case 'reserve': {
        const entry = this.#entry(action.payee)
        const isLive = nowSec < entry.reservedUntil
        const shrinks = isLive && (action.amountNano < entry.reservedNano || action.until < entry.reservedUntil)
        const total = this.#reservedTotal() + action.amountNano - entry.reservedNano
        if (this.#unlockAt !== 0) return 105
        if (action.until > nowSec + 30 * day || shrinks) return 110
        if (total > left) return 111
        return total > left - slack ? undefined : 0
      }
    }
  }

  #done(action: ControlAction): void {
    switch (action.kind) {
      case 'unlock':
        this.#unlockAt = this.#on.nowSec + unlockDelaySec
        return
      case 'finalize':
        this.#hold(7, this.#on.nowSec >= Math.max(this.#unlockAt, this.#lockedUntil), () => 'finalized too early')
        this.#epoch += 1
        this.#unlockAt = 0
        this.#lockedUntil = 0
        this.#entries = new Map()
        return
      case 'reserve': {
        const entry = this.#entry(action.payee)
        entry.reservedNano = action.amountNano
        entry.reservedUntil = action.amountNano === 0n ? 0 : action.until
        this.#lockedUntil = Math.max(this.#lockedUntil, action.until)
      }
    }
  }

  /** An operation of the owner's wallet. */
  async #order(body: Cell, expected: number | undefined): Promise<boolean> {
    const run = this.#book(await this.#on.call(body, owner, orderNano))
    if (expected !== undefined) {
      this.#hold(
        10,
        run.exitCode === expected,
        () => `the owner's message ended with ${run.exitCode}, expected ${expected}`,
      )
    }
    if (run.exitCode !== 0) {
      this.#holdFailure(run, owner)
      return false
    }
    if (body.equals(finalizeBody())) this.#holdRefund(run)
    else this.#hold(4, run.sent.length === 0 && run.afterNano >= run.beforeNano - run.rentNano, () => text(run))
    return true
  }

  #holdRefund(run: Run): void {
    const [refund, ...others] = run.sent
    this.#hold(4, others.length === 0 && (!refund || refund.to === owner), () => text(run))
    this.#hold(2, run.afterNano <= rentReserveNano, () => `finalize left ${run.afterNano} nano`)
    this.#refundedNano += refund?.nano ?? 0n
  }

  #holdFailure(run: Run, sender: RawAddress): void {
    const sentNano = run.sent.reduce((sum, { nano }) => sum + nano, 0n)
    const isBack = run.sent.every(({ to }) => to === sender) && sentNano <= run.attachedNano
    this.#hold(8, isBack && run.afterNano >= run.beforeNano - run.rentNano, () => text(run))
  }

  // ---- what should come to nothing ----

  async #bounce(how: number, nano: bigint): Promise<void> {
    const operation = at([startUnlockBody(), finalizeBody(), cancelUnlockBody(), settleOneBody(this.#first())], how)
    const body = beginCell().storeUint(0xffffffff, 32).storeSlice(operation.asSlice()).endCell()
    const run = this.#book(await this.#on.bounced(body, nano))
    this.#hold(8, run.sent.length === 0 && run.afterNano >= run.beforeNano - run.rentNano, () => text(run))
  }

  /** Operations with less gas than they need, perhaps: done or not done, never half. */
  async #starve(how: number, nano: bigint): Promise<void> {
    const forged = { ...this.#first(), signature: forgery }
    const bodies = [
      startUnlockBody(),
      cancelUnlockBody(),
      finalizeBody(),
      settleInternalBody(forged),
      beginCell().endCell(),
    ]
    // from a stranger, so that none of it would be done with gas enough, but a finalize that is possible anyway
    if (how === 2 && this.#expected({ kind: 'finalize' }, nano, 'wallet') === 0) {
      const run = this.#book(await this.#on.call(finalizeBody(), stranger, nano))
      if (run.exitCode === 0 && run.actionCode === 0) {
        this.#holdRefund(run)
        this.#done({ kind: 'finalize' })
      } else this.#holdFailure(run, stranger)
      return
    }
    this.#holdFailure(this.#book(await this.#on.call(at(bodies, how), stranger, nano)), stranger)
  }

  async #intrude(how: number): Promise<void> {
    const voucher = this.#first()
    const forged = { ...voucher, signature: forgery }
    const externals = [
      settleOneBody(forged),
      settleBatchBody([forged, voucher]),
      beginCell().storeUint(0x0c105e11, 32).storeBuffer(Buffer.alloc(64)).storeRef(beginCell().endCell()).endCell(),
      beginCell().storeUint(0x5e771e12, 32).endCell(),
    ]
    const external = externals[how]
    if (external) {
      this.#hold(
        8,
        !this.#book(await this.#on.post(external)).accepted,
        () => `a stranger's message ${how} was accepted`,
      )
      return
    }
    const reservation = { payee: stranger, amountNano: gram, until: this.#on.nowSec + day }
    const calls = [startUnlockBody(), cancelUnlockBody(), settleInternalBody(forged), reserveBody(reservation)]
    const run = this.#book(await this.#on.call(at(calls, how - externals.length), stranger, orderNano))
    const expected = how === 6 ? 102 : 104
    this.#hold(8, run.exitCode === expected, () => `a stranger's call ${how} ended with ${run.exitCode}`)
    this.#holdFailure(run, stranger)
  }

  // ---- books ----

  /** What holds for every transaction whatsoever. */
  #book(run: Run): Run {
    this.#count(run.exitCode === undefined ? 'no gas' : `${run.accepted ? 'in a block' : 'refused'}, ${run.exitCode}`)
    this.#hold(11, run.missingNano === 0n, () => `${run.missingNano} nano are missing`)
    if (!run.accepted) {
      this.#hold(8, run.afterNano === run.beforeNano, () => `it cost ${run.beforeNano - run.afterNano} nano`)
      return run
    }
    if (run.isExternal) {
      this.#hold(9, run.exitCode === 0 && run.actionCode === 0, () => `${run.exitCode}, actions ${run.actionCode}`)
    }
    this.#inNano += run.attachedNano
    this.#rentNano += run.rentNano
    this.#lastRunSec = this.#on.nowSec
    return run
  }

  #check(settledBefore: ReadonlyMap<RawAddress, bigint>, epochBefore: number): void {
    const state = this.#on.state()
    const ours = [this.#epoch, this.#seqno, this.#unlockAt, this.#lockedUntil, this.#reservedTotal()].join()
    const theirs = [state.epoch, state.seqno, state.unlockAt, state.lockedUntil, state.reservedTotalNano].join()
    this.#hold(10, ours === theirs, () => `account ${theirs}, model ${ours}`)
    const balance = this.#on.balanceNano
    this.#hold(
      2,
      balance >= rentReserveNano - this.#rentNano,
      () => `${balance} nano left after ${this.#rentNano} rent`,
    )
    const outNano = this.#paidNano + this.#refundedNano
    this.#hold(2, outNano <= this.#inNano, () => `${outNano} nano out, ${this.#inNano} in`)
    for (const to of payees) {
      const entry = this.#entries.get(to) ?? { settledNano: 0n, reservedNano: 0n, reservedUntil: 0 }
      const found = state.entries.get(keys.get(to) ?? 0n) ?? { settledNano: 0n, reservedNano: 0n, reservedUntil: 0 }
      const isSame =
        entry.settledNano === found.settledNano &&
        entry.reservedNano === found.reservedNano &&
        entry.reservedUntil === found.reservedUntil
      this.#hold(
        10,
        isSame,
        () => `${found.settledNano}/${found.reservedNano}, model ${entry.settledNano}/${entry.reservedNano}`,
      )
      const signed = (this.#signed.get(to) ?? []).filter(({ terms }) => terms.epoch === this.#epoch)
      const most = signed.reduce((sofar, { terms }) => max(sofar, terms.amountNano), 0n)
      this.#hold(1, entry.settledNano <= most, () => `${entry.settledNano} nano paid, ${most} signed`)
      if (this.#epoch === epochBefore) {
        this.#hold(1, entry.settledNano >= (settledBefore.get(to) ?? 0n), () => `fell to ${entry.settledNano}`)
      }
      if (entry.reservedNano > 0n) {
        const payable = this.#due(entry, entry.settledNano + entry.reservedNano, balance - rentReserveNano)
        const sure = min(entry.reservedNano, balance - rentReserveNano / 2n)
        const isSafe = payable >= sure && (this.#rentNano > rentReserveNano / 2n || payable >= entry.reservedNano)
        this.#hold(6, isSafe, () => `${payable} payable of ${entry.reservedNano}`)
      }
    }
  }

  async #compareViews(): Promise<void> {
    const to = at(payees, this.#steps % payees.length)
    const { account, payee: view } = await this.#on.view(to)
    const { settledNano, reservedNano } = this.#entry(to)
    const left = this.#on.balanceNano - rentReserveNano
    const payable = max(0n, this.#due(this.#entry(to), 1n << 100n, left))
    const ours = [
      this.#epoch,
      this.#unlockAt,
      max(0n, left - this.#reservedTotal()),
      settledNano,
      reservedNano,
      payable,
    ]
    const { epoch, freeNano, unlockAt } = account
    const theirs = [epoch, unlockAt, freeNano, view.settledNano, view.reservedNano, view.payableNano]
    this.#hold(10, ours.join() === theirs.join(), () => `get-methods ${theirs.join()}, model ${ours.join()}`)
  }

  #first(): Voucher {
    return this.#picked({ to: this.#steps % payees.length, age: 0, isForged: false })
  }

  #entry(to: RawAddress): Entry {
    const entry = this.#entries.get(to) ?? { settledNano: 0n, reservedNano: 0n, reservedUntil: 0 }
    this.#entries.set(to, entry)
    return entry
  }

  #reservedTotal(): bigint {
    return [...this.#entries.values()].reduce((sum, { reservedNano }) => sum + reservedNano, 0n)
  }

  #scaled(nano: bigint): bigint {
    return (nano * this.#tenths) / 10n
  }

  /** What rent a transaction may collect before it looks at the balance: all of it at the prices in force then. */
  #rentDueMax(): bigint {
    return (BigInt(this.#on.nowSec - this.#lastRunSec) * rentNanoPer1000Sec * this.#tenths) / 10_000n + 1n
  }

  /** Not run, or not to its end before ACCEPT, because rent leaves nothing to import a message with and to pay for gas. */
  #isBroke(run: Run, rentMax: bigint): boolean {
    const isShort = run.exitCode === undefined || run.exitCode === -14
    return !run.accepted && isShort && run.beforeNano < rentMax + this.#scaled(controlNanoMax)
  }

  #count(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1)
  }

  #hold(number: number, isHeld: boolean, detail: () => string): void {
    if (!isHeld) throw new Violation(number, detail())
  }
}

function text(run: Run): string {
  const meaning = exitCodes[run.exitCode ?? 0]
  const sent = run.sent.map(({ nano, to }) => `${nano} to ${to.slice(0, 8)}`).join(', ')
  return `exit ${run.exitCode}${meaning ? ` (${meaning})` : ''}, ${run.beforeNano} + ${run.attachedNano} → ${run.afterNano}, sent ${sent || 'nothing'}`
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index]
  if (item === undefined) throw new RangeError(`index ${index} of ${list.length}`)
  return item
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

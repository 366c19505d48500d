// The escrow against a model of it in a few lines: whatever is deposited, signed, settled, reserved, unlocked, finalized
// and tried by strangers in whatever order, coins move as the model says and the invariants hold after every step.

import { beginCell } from '@ton/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  cancelUnlockBody,
  finalizeBody,
  rentReserveNano,
  reserveBody,
  settleBatchBody,
  settleInternalBody,
  settleOneBody,
  startUnlockBody,
} from '../../contracts/escrow.ts'
import type { Address as RawAddress } from '../../protocol/ids.ts'
import type { Voucher } from '../../protocol/voucher.ts'
import { day, gram, type Outcome, payee, type Stage, stage } from './stage.ts'

const seed = 20_261_121
const runs = 20
const stepsMin = 40
const stepsMax = 48

const payees = [0, 1, 2, 3].map(payee)
const forgery = Buffer.alloc(64, 1)

/** What the account may keep by rounding fees up, a transaction. */
const surplusNanoMax = 2_000n
/** Between what never pays its fees and what always does, at any number of vouchers, the outcome is the chain's. */
const feesNanoMin = 400_000n
const feesNanoMax = 5_000_000n
/** Gas and imports of one control message. */
const controlNanoMax = 1_400_000n

type Step =
  | { readonly do: 'deposit'; readonly nano: bigint }
  | { readonly do: 'sign'; readonly to: number; readonly nano: bigint }
  | { readonly do: 'settle'; readonly by: 'one' | 'internal'; readonly pick: Pick }
  | { readonly do: 'batch'; readonly picks: readonly Pick[]; readonly workNano: bigint }
  | { readonly do: 'reserve'; readonly by: By; readonly to: number; readonly nano: bigint; readonly aheadSec: number }
  | { readonly do: 'unlock' | 'finalize'; readonly by: By }
  | { readonly do: 'cancel' }
  | { readonly do: 'pass'; readonly seconds: number }
  | { readonly do: 'intrude'; readonly how: number }

type By = 'wallet' | 'key'

/** One of the vouchers signed so far: `age` 0 is the latest. A forged one is that with another signature. */
interface Pick {
  readonly to: number
  readonly age: number
  readonly isForged: boolean
}

const to = fc.nat(payees.length - 1)
const by = fc.constantFrom<By>('wallet', 'key')
const rarely = fc.oneof({ weight: 7, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) })
const age = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(5) })
const pick = fc.record({ to, age, isForged: rarely })
const nano = (most: bigint) => fc.oneof(fc.bigInt(0n, most), fc.bigInt(0n, 8_000_000n), fc.constantFrom(1n, most))

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('deposit' as const), nano: fc.bigInt(10_000_000n, gram) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('sign' as const), to, nano: nano(gram) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      by: fc.constantFrom('one' as const, 'internal' as const),
      pick,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('batch' as const),
      picks: fc.array(pick, { minLength: 1, maxLength: 10 }),
      workNano: fc.oneof(fc.constant(0n), nano(gram / 2n)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('reserve' as const),
      by,
      to,
      nano: nano(gram),
      aheadSec: fc.integer({ min: -day, max: 31 * day }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unlock' as const), by }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('finalize' as const), by }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('pass' as const), seconds: fc.integer({ min: 60, max: 20 * day }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('intrude' as const), how: fc.nat(5) }) },
)

test(`the invariants hold over ${runs} histories of some ${stepsMax} steps, seed ${seed}`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: stepsMin, maxLength: stepsMax, size: 'max' }), async (steps) => {
      const history = new History(await stage({ depositNano: gram }))
      for (const one of steps) await history.take(one)
      await history.end()
    }),
    { seed, numRuns: runs, endOnFailure: true },
  )
}, 120_000)

interface Entry {
  settledNano: bigint
  reservedNano: bigint
  reservedUntil: number
}

class History {
  readonly #on: Stage
  /** Every voucher ever signed, by payee, latest last. */
  readonly #signed = new Map<RawAddress, Voucher[]>()
  readonly #entries = new Map<RawAddress, Entry>()
  #epoch = 0
  #seqno = 0
  #unlockAt = 0
  #lockedUntil = 0
  #depositedNano = gram
  #paidNano = 0n
  #refundedNano = 0n
  #rentNano = 0n

  constructor(on: Stage) {
    this.#on = on
  }

  async take(step: Step): Promise<void> {
    const settledBefore = new Map([...this.#entries].map(([to, entry]) => [to, entry.settledNano]))
    const epochBefore = this.#epoch
    switch (step.do) {
      case 'deposit':
        await this.#on.deposit(step.nano)
        this.#depositedNano += step.nano
        break
      case 'sign':
        this.#sign(at(payees, step.to), step.nano)
        break
      case 'settle':
        await this.#settle([step.pick], step.by)
        break
      case 'batch':
        if (step.workNano > 0n) for (const to of payees) this.#sign(to, step.workNano)
        await this.#settle(step.picks, 'batch')
        break
      case 'reserve':
        await this.#reserve(step.by, at(payees, step.to), step.nano, Math.max(0, this.#on.nowSec + step.aheadSec))
        break
      case 'unlock':
        await this.#unlock(step.by)
        break
      case 'cancel':
        this.#unlockAt = (await this.#byWallet(cancelUnlockBody(), this.#unlockAt === 0 ? 106 : 0)) ? 0 : this.#unlockAt
        break
      case 'finalize':
        await this.#finalize(step.by)
        break
      case 'pass':
        this.#on.pass(step.seconds)
        break
      case 'intrude':
        await this.#intrude(step.how)
        break
    }
    await this.#check(settledBefore, epochBefore)
  }

  /** However a history goes, whoever waits long enough gets the rest to its owner. */
  async end(): Promise<void> {
    await this.#on.deposit(gram)
    if (this.#unlockAt === 0) expect(await this.#on.call(startUnlockBody())).toMatchObject({ exitCode: 0 })
    this.#on.pass(32 * day)
    const stranger = await this.#on.blockchain.treasury('stranger')
    expect(await this.#on.call(finalizeBody(), stranger)).toMatchObject({ exitCode: 0, actionCode: 0 })
    expect(await this.#on.balance()).toBe(rentReserveNano)
  }

  #sign(to: RawAddress, nano: bigint): void {
    const vouchers = this.#signed.get(to) ?? []
    const last = vouchers.at(-1)
    const sofar = last?.terms.epoch === this.#epoch ? last.terms.amountNano : 0n
    vouchers.push(this.#on.voucher(to, sofar + nano, { epoch: this.#epoch }))
    this.#signed.set(to, vouchers)
  }

  #picked({ to, age, isForged }: Pick): Voucher {
    const who = at(payees, to)
    if (!this.#signed.has(who)) this.#sign(who, 50_000_000n)
    const vouchers = this.#signed.get(who) ?? []
    const voucher = vouchers.at(-1 - Math.min(age, vouchers.length - 1)) ?? this.#on.voucher(who, 0n)
    return isForged ? { ...voucher, signature: forgery } : voucher
  }

  async #settle(picks: readonly Pick[], by: 'one' | 'internal' | 'batch'): Promise<void> {
    const vouchers = picks.map((one) => this.#picked(one))
    const [first] = vouchers
    if (!first) return
    const balanceBefore = await this.#on.balance()
    const body =
      by === 'one' ? settleOneBody(first) : by === 'internal' ? settleInternalBody(first) : settleBatchBody(vouchers)
    const outcome = by === 'internal' ? await this.#on.call(body) : await this.#on.post(body)
    const leastNano = by === 'internal' ? [133_334n, 133_334n] : [feesNanoMin, feesNanoMax]

    // what the chain did decides only where the due is near the fees; everywhere else it is the model that decides
    const settled = new Map<RawAddress, bigint>()
    for (const to of payees) settled.set(to, (await this.#on.payee(to)).settledNano)
    const isDone = outcome.accepted && outcome.exitCode === 0
    let left = balanceBefore - rentReserveNano - (outcome.accepted ? outcome.rentNano : 0n)
    let dueNano = 0n
    for (const [index, voucher] of vouchers.entries()) {
      const entry = this.#entry(voucher.terms.payee)
      const due = this.#isValid(voucher) ? this.#due(entry, voucher.terms.amountNano, left) : 0n
      const isPaid = (settled.get(voucher.terms.payee) ?? 0n) >= entry.settledNano + due
      if (index === 0 && due < (leastNano[0] ?? 0n)) expect(isDone).toBe(false)
      if (index === 0 && due >= (leastNano[1] ?? 0n)) expect(outcome).toMatchObject({ exitCode: 0, actionCode: 0 })
      if (!isDone) break
      if (due < (leastNano[0] ?? 0n) || !isPaid) {
        expect(due).toBeLessThan(leastNano[1] ?? 0n)
        continue
      }
      const drawn = due < entry.reservedNano ? due : entry.reservedNano
      entry.reservedNano -= drawn
      if (entry.reservedNano === 0n) entry.reservedUntil = 0
      entry.settledNano += due
      left -= due
      dueNano += due
    }
    if (!isDone) {
      if (!outcome.accepted) expect(await this.#on.balance()).toBe(balanceBefore)
      this.#countRent(outcome)
      return
    }
    for (const to of payees) expect(settled.get(to)).toBe(this.#entry(to).settledNano)
    const attached = by === 'internal' ? gram / 20n : 0n
    const surplus = dueNano + attached - (outcome.accepted ? outcome.dropNano : 0n)
    expect(surplus).toBeGreaterThanOrEqual(0n)
    expect(surplus).toBeLessThan(surplusNanoMax)
    this.#paidNano += dueNano
    this.#countRent(outcome)
    // settling again changes nothing
    if (
      by !== 'internal' &&
      vouchers.every((one) => this.#due(this.#entry(one.terms.payee), one.terms.amountNano, left) < feesNanoMin)
    ) {
      expect((await this.#on.post(body)).accepted).toBe(false)
    }
  }

  #isValid({ terms, signature }: Voucher): boolean {
    return terms.epoch === this.#epoch && signature !== forgery
  }

  #due(entry: Entry, amountNano: bigint, left: bigint): bigint {
    const free = left - this.#reservedTotal()
    const payable =
      entry.reservedNano > 0n ? min((free > 0n ? free : 0n) + entry.reservedNano, left + rentReserveNano / 2n) : free
    return min(amountNano - entry.settledNano, payable)
  }

  async #reserve(by: By, to: RawAddress, amountNano: bigint, until: number): Promise<void> {
    const entry = this.#entry(to)
    const isLive = this.#on.nowSec < entry.reservedUntil
    const total = this.#reservedTotal() + amountNano - entry.reservedNano
    const available = (await this.#on.balance()) - rentReserveNano
    const margin = by === 'wallet' ? gram / 20n : 0n
    const shrinks = isLive && (amountNano < entry.reservedNano || until < entry.reservedUntil)
    let expected: number | undefined = 0
    if (this.#unlockAt !== 0) expected = 105
    else if (until > this.#on.nowSec + 30 * day || shrinks) expected = 110
    else if (total > available + margin) expected = 111
    else if (total > available + margin - 2n * controlNanoMax - this.#rentDueMax()) expected = undefined
    const body = reserveBody({ payee: to, amountNano, until })
    const isDone =
      by === 'wallet'
        ? await this.#byWallet(body, expected)
        : await this.#byKey({ kind: 'reserve', payee: to, amountNano, until }, expected)
    if (!isDone) return
    entry.reservedNano = amountNano
    entry.reservedUntil = amountNano === 0n ? 0 : until
    this.#lockedUntil = Math.max(this.#lockedUntil, until)
  }

  async #unlock(by: By): Promise<void> {
    const free = (await this.#on.balance()) - rentReserveNano - this.#reservedTotal()
    let expected: number | undefined = this.#unlockAt === 0 ? 0 : 105
    // the free funds are looked at before the rest
    if (by === 'key' && free < controlNanoMax + this.#rentDueMax()) expected = free < 0n ? 111 : undefined
    const isDone =
      by === 'wallet'
        ? await this.#byWallet(startUnlockBody(), expected)
        : await this.#byKey({ kind: 'unlock' }, expected)
    if (isDone) this.#unlockAt = this.#on.nowSec + day
  }

  async #finalize(by: By): Promise<void> {
    const { nowSec } = this.#on
    const before = await this.#on.balance()
    let expected: number | undefined = 0
    if (this.#unlockAt === 0) expected = 106
    else if (nowSec < Math.max(this.#unlockAt, this.#lockedUntil)) expected = 107
    else if (by === 'key' && before < rentReserveNano) expected = 111
    else if (by === 'key' && before < rentReserveNano + controlNanoMax + this.#rentDueMax()) expected = undefined
    const isDone =
      by === 'wallet'
        ? await this.#byWallet(finalizeBody(), expected)
        : await this.#byKey({ kind: 'finalize' }, expected)
    if (!isDone) return
    this.#refundedNano += before > rentReserveNano ? before - rentReserveNano : 0n
    this.#epoch += 1
    this.#unlockAt = 0
    this.#lockedUntil = 0
    this.#entries.clear()
  }

  /** What strangers can send: no coins leave the account by any of it. */
  async #intrude(how: number): Promise<void> {
    const before = await this.#on.balance()
    const stranger = await this.#on.blockchain.treasury('stranger')
    const voucher = this.#picked({ to: how % payees.length, age: 0, isForged: false })
    const forged = { ...voucher, signature: forgery }
    const bodies = [
      settleOneBody(forged),
      settleBatchBody([forged, voucher]),
      beginCell().storeUint(0x0c105e11, 32).storeBuffer(Buffer.alloc(64)).storeRef(beginCell().endCell()).endCell(),
    ]
    const calls = [startUnlockBody(), cancelUnlockBody(), settleInternalBody(forged)]
    const body = bodies[how]
    if (body) {
      expect((await this.#on.post(body)).accepted).toBe(false)
      expect(await this.#on.balance()).toBe(before)
    } else {
      const outcome = await this.#on.call(calls[how - bodies.length] ?? startUnlockBody(), stranger)
      expect(outcome).not.toMatchObject({ exitCode: 0 })
      this.#countRent(outcome)
      expect(await this.#on.balance()).toBeGreaterThanOrEqual(before - (outcome.accepted ? outcome.rentNano : 0n))
    }
  }

  /** Whether it was done; `expected` undefined leaves that to the chain. */
  async #byWallet(body: Parameters<Stage['call']>[0], expected: number | undefined): Promise<boolean> {
    const outcome = await this.#on.call(body)
    this.#countRent(outcome)
    if (expected !== undefined) expect(outcome).toMatchObject({ accepted: true, exitCode: expected })
    const isDone = outcome.accepted && outcome.exitCode === 0
    if (isDone) this.#depositedNano += gram / 20n
    return isDone
  }

  async #byKey(action: Parameters<Stage['control']>[0], expected: number | undefined): Promise<boolean> {
    const outcome = await this.#on.control(action)
    this.#countRent(outcome)
    if (expected !== undefined) expect(outcome.exitCode).toBe(expected)
    if (!outcome.accepted) return false
    expect(outcome).toMatchObject({ exitCode: 0, actionCode: 0 })
    if (action.kind !== 'finalize') expect(outcome.dropNano).toBeLessThan(controlNanoMax)
    this.#seqno += 1
    return true
  }

  async #check(settledBefore: ReadonlyMap<RawAddress, bigint>, epochBefore: number): Promise<void> {
    const account = await this.#on.account()
    const balance = await this.#on.balance()
    expect(account).toMatchObject({
      epoch: this.#epoch,
      seqno: this.#seqno,
      unlockAt: this.#unlockAt,
      lockedUntil: this.#lockedUntil,
      reservedTotalNano: this.#reservedTotal(),
    })
    expect(balance).toBeGreaterThanOrEqual(rentReserveNano - this.#rentNano)
    expect(this.#paidNano + this.#refundedNano).toBeLessThanOrEqual(this.#depositedNano)
    for (const [to, entry] of this.#entries) {
      const signed = (this.#signed.get(to) ?? []).filter((voucher) => voucher.terms.epoch === this.#epoch)
      const most = signed.reduce(
        (max, voucher) => (voucher.terms.amountNano > max ? voucher.terms.amountNano : max),
        0n,
      )
      expect(entry.settledNano).toBeLessThanOrEqual(most)
      if (this.#epoch === epochBefore) expect(entry.settledNano).toBeGreaterThanOrEqual(settledBefore.get(to) ?? 0n)
      if (entry.reservedNano > 0n) {
        const state = await this.#on.payee(to)
        expect(state.reservedNano).toBe(entry.reservedNano)
        expect(state.payableNano).toBeGreaterThanOrEqual(entry.reservedNano)
      }
    }
  }

  #entry(to: RawAddress): Entry {
    const entry = this.#entries.get(to) ?? { settledNano: 0n, reservedNano: 0n, reservedUntil: 0 }
    this.#entries.set(to, entry)
    return entry
  }

  #reservedTotal(): bigint {
    return [...this.#entries.values()].reduce((sum, entry) => sum + entry.reservedNano, 0n)
  }

  #countRent(outcome: Outcome): void {
    if (outcome.accepted) this.#rentNano += outcome.rentNano
  }

  /** The rent of forty days, which a transaction may collect before it looks at the balance. */
  #rentDueMax(): bigint {
    return 400_000n
  }
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index]
  if (item === undefined) throw new RangeError(`index ${index} of ${list.length}`)
  return item
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

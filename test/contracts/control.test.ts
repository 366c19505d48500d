// Reserving, unlocking and finalizing: by the owner's wallet and by the client's key.

import { expect, test } from 'vitest'
import {
  type ControlTerms,
  cancelUnlockBody,
  controlBody,
  finalizeBody,
  type Reservation,
  rentReserveNano,
  reservationSecMax,
  reserveBody,
  settleBatchBody,
  settleOneBody,
  startUnlockBody,
} from '../../contracts/escrow.ts'
import { signerOf } from '../../protocol/signature.ts'
import { day, gram, payee, signAsClient, stage } from './stage.ts'

const done = { accepted: true, exitCode: 0, actionCode: 0 }
const refused = (exitCode: number) => ({ accepted: false, exitCode })
/** An internal message that fails is still a transaction: its sender pays the gas and gets the rest back. */
const failed = (exitCode: number) => ({ accepted: true, exitCode })

test('while an unlock is under way providers settle; after it anybody finalizes and the owner gets the rest', async () => {
  const on = await stage()
  expect(await on.call(startUnlockBody())).toMatchObject(done)
  expect((await on.account()).unlockAt).toBe(on.nowSec + day)
  expect(await on.post(settleOneBody(on.voucher(payee(1), gram)))).toMatchObject(done)

  on.pass(day)
  const stranger = await on.blockchain.treasury('stranger')
  const ownerBefore = await on.balance(on.owner)
  const refund = (await on.balance()) - rentReserveNano
  const outcome = await on.call(finalizeBody(), stranger)
  expect(outcome).toMatchObject(done)
  expect((await on.balance(on.owner)) - ownerBefore).toBeGreaterThan(refund - 1_000_000n)
  expect(await on.balance()).toBe(rentReserveNano)
  expect(outcome.accepted && outcome.payouts[0]?.body.beginParse().skip(32).loadUint(32)).toBe(0)
  expect(await on.account()).toMatchObject({ epoch: 1, unlockAt: 0, lockedUntil: 0, freeNano: 0n })
})

test('finalize voids every voucher of its epoch, and the new epoch starts from nothing settled', async () => {
  const on = await stage()
  await on.post(settleOneBody(on.voucher(payee(1), gram)))
  await on.unlockAndFinalize()
  await on.deposit(5n * gram)
  expect(await on.post(settleOneBody(on.voucher(payee(1), 2n * gram)))).toEqual(refused(102))
  expect(await on.payee(payee(1))).toMatchObject({ settledNano: 0n })
  expect(await on.post(settleOneBody(on.voucher(payee(1), gram, { epoch: 1 })))).toMatchObject(done)
})

test('a cancelled unlock cannot be finalized', async () => {
  const on = await stage()
  await on.call(startUnlockBody())
  expect(await on.call(cancelUnlockBody())).toMatchObject(done)
  on.pass(2 * day)
  expect(await on.call(finalizeBody())).toMatchObject(failed(106))
})

test('finalize waits for the unlock delay and for the last reservation', async () => {
  const on = await stage()
  const until = on.nowSec + 3 * day
  await on.call(reserveBody({ payee: payee(1), amountNano: gram, until }))
  await on.call(startUnlockBody())
  on.pass(day)
  expect(await on.call(finalizeBody())).toMatchObject(failed(107))
  on.pass(until - on.nowSec - 1)
  expect(await on.call(finalizeBody())).toMatchObject(failed(107))
  on.pass(1)
  expect(await on.call(finalizeBody())).toMatchObject(done)
  expect(await on.account()).toMatchObject({ epoch: 1, reservedTotalNano: 0n })
})

test('a finalize with nothing above the rent still ends the epoch', async () => {
  const on = await stage({ depositNano: gram })
  await on.post(settleOneBody(on.voucher(payee(1), 9n * gram)))
  await on.call(startUnlockBody(), on.owner, gram / 1_000n)
  on.pass(3 * 365 * day)
  expect(await on.call(finalizeBody(), on.owner, gram / 1_000n)).toMatchObject(done)
  expect((await on.account()).epoch).toBe(1)
  expect(await on.balance()).toBeLessThan(rentReserveNano)
})

test('with nothing to refund, finalizing is left to a message that pays for itself', async () => {
  const on = await stage({ depositNano: gram })
  await on.call(startUnlockBody(), on.owner, gram / 1_000n)
  await on.post(settleOneBody(on.voucher(payee(1), 9n * gram)))
  on.pass(day)
  expect(await on.control({ kind: 'finalize' })).toEqual(refused(111))
  expect(await on.call(finalizeBody())).toMatchObject(done)
})

test('a reservation is paid to its payee whatever the others settle', async () => {
  const on = await stage({ depositNano: 2n * gram })
  const { freeNano } = await on.account()
  const reserved = gram
  await on.call(reserveBody({ payee: payee(1), amountNano: reserved, until: on.nowSec + day }), on.owner, gram / 10n)
  expect(await on.post(settleOneBody(on.voucher(payee(2), 9n * gram)))).toMatchObject(done)
  expect((await on.payee(payee(1))).payableNano - reserved).toBeGreaterThanOrEqual(0n)
  expect((await on.payee(payee(2))).settledNano).toBeLessThan(freeNano - reserved + gram / 10n)
  expect(await on.post(settleOneBody(on.voucher(payee(1), 9n * gram)))).toMatchObject(done)
  const after = await on.payee(payee(1))
  expect(after.settledNano - reserved).toBeGreaterThanOrEqual(0n)
  expect(after.settledNano - reserved).toBeLessThan(2_000n)
  expect(after).toMatchObject({ reservedNano: 0n, reservedUntil: 0 })
})

test('a payment comes out of the reservation of its payee before it touches what is free', async () => {
  const on = await stage()
  await on.call(reserveBody({ payee: payee(1), amountNano: gram, until: on.nowSec + day }))
  const { freeNano } = await on.account()
  await on.post(settleOneBody(on.voucher(payee(1), gram / 4n)))
  expect(await on.payee(payee(1))).toMatchObject({ reservedNano: (gram * 3n) / 4n })
  expect((await on.account()).freeNano - freeNano).toBeLessThan(2_000n)
})

test('a batch draws on reservations as single settles do', async () => {
  const on = await stage({ depositNano: 4n * gram })
  await on.call(reserveBody({ payee: payee(1), amountNano: gram, until: on.nowSec + day }))
  await on.call(reserveBody({ payee: payee(2), amountNano: gram, until: on.nowSec + day }))
  const free = (await on.account()).freeNano
  const batch = [payee(3), payee(1), payee(2)].map((to) => on.voucher(to, 9n * gram))
  expect(await on.post(settleBatchBody(batch))).toMatchObject(done)
  const settled = await Promise.all([1, 2, 3].map(async (index) => (await on.payee(payee(index))).settledNano))
  expect(settled).toEqual([gram, gram, free])
  expect((await on.account()).reservedTotalNano).toBe(0n)
})

test('a live reservation grows and lengthens, and neither shrinks nor shortens until it has ended', async () => {
  const on = await stage()
  const until = on.nowSec + 2 * day
  const reserve = (over: Partial<Reservation>) =>
    on.call(reserveBody({ payee: payee(1), amountNano: gram, until, ...over }))
  expect(await reserve({})).toMatchObject(done)
  expect(await reserve({ amountNano: gram - 1n })).toMatchObject(failed(110))
  expect(await reserve({ until: until - 1 })).toMatchObject(failed(110))
  expect(await reserve({ amountNano: 2n * gram, until: until + day })).toMatchObject(done)
  expect((await on.account()).reservedTotalNano).toBe(2n * gram)
  on.pass(3 * day)
  expect(await reserve({ amountNano: 0n, until: 0 })).toMatchObject(done)
  expect(await on.account()).toMatchObject({ reservedTotalNano: 0n })
  expect(await on.payee(payee(1))).toMatchObject({ reservedNano: 0n, reservedUntil: 0 })
})

test('a reservation reaches thirty days ahead and not a second more', async () => {
  const on = await stage()
  const reserve = (ahead: number) =>
    on.call(reserveBody({ payee: payee(1), amountNano: gram, until: on.nowSec + ahead }))
  expect(await reserve(reservationSecMax + 1)).toMatchObject(failed(110))
  expect(await reserve(reservationSecMax)).toMatchObject(done)
})

test('reserving is refused where the free funds do not cover it, and while an unlock is under way', async () => {
  const on = await stage({ depositNano: gram })
  const reserve = (amountNano: bigint) =>
    on.call(reserveBody({ payee: payee(1), amountNano, until: on.nowSec + day }), on.owner, gram / 100n)
  expect(await reserve(gram)).toMatchObject(failed(111))
  expect(await reserve(gram / 2n)).toMatchObject(done)
  await on.call(startUnlockBody())
  expect(await reserve(gram / 2n + 1n)).toMatchObject(failed(105))
})

test('rent that eats into the rent reserve does not eat a reservation', async () => {
  const on = await stage({ depositNano: gram })
  const { freeNano } = await on.account()
  const reserved = freeNano - 2_000_000n
  expect(
    await on.control({ kind: 'reserve', payee: payee(1), amountNano: reserved, until: on.nowSec + day }),
  ).toMatchObject(done)
  on.pass(2 * 365 * day)
  expect(await on.post(settleOneBody(on.voucher(payee(1), gram)))).toMatchObject(done)
  expect((await on.payee(payee(1))).settledNano).toBe(reserved)
  expect(await on.balance()).toBeGreaterThan(rentReserveNano / 2n)
})

test('rent that eats half of the rent reserve is then borne by the reservation: paying it never fails', async () => {
  const on = await stage({ depositNano: gram })
  const reserved = (await on.account()).freeNano - 2_000_000n
  await on.control({ kind: 'reserve', payee: payee(1), amountNano: reserved, until: on.nowSec + day })
  on.pass(6 * 365 * day)
  const outcome = await on.post(settleOneBody(on.voucher(payee(1), gram)))
  expect(outcome).toMatchObject(done)
  const { settledNano, reservedNano } = await on.payee(payee(1))
  expect(settledNano + reservedNano).toBe(reserved)
  expect(reserved - settledNano).toBeLessThan(rentReserveNano / 2n)
  expect((await on.balance()) - rentReserveNano / 2n).toBeGreaterThanOrEqual(0n)
  expect((await on.balance()) - rentReserveNano / 2n).toBeLessThan(2_000n)
})

test("the client's key reserves, unlocks and finalizes without a wallet", async () => {
  const on = await stage()
  expect(
    await on.control({ kind: 'reserve', payee: payee(1), amountNano: gram, until: on.nowSec + day }),
  ).toMatchObject(done)
  expect(await on.account()).toMatchObject({ seqno: 1, reservedTotalNano: gram, lockedUntil: on.nowSec + day })
  expect(await on.control({ kind: 'unlock' })).toMatchObject(done)
  expect(await on.account()).toMatchObject({ seqno: 2, unlockAt: on.nowSec + day })
  on.pass(day)
  const ownerBefore = await on.balance(on.owner)
  expect(await on.control({ kind: 'finalize' })).toMatchObject(done)
  expect((await on.balance(on.owner)) - ownerBefore).toBeGreaterThan(9n * gram)
  expect(await on.account()).toMatchObject({ seqno: 3, epoch: 1, reservedTotalNano: 0n })
})

test('a control message is used once, in its epoch, in time, on its account, on its chain, by its key', async () => {
  const on = await stage()
  const again = controlBody(on.controlTerms(await on.account(), { kind: 'unlock' }), signAsClient)
  expect(await on.post(again)).toMatchObject(done)
  await on.call(cancelUnlockBody())
  expect(await on.post(again)).toEqual(refused(109))

  const refusal = async (over: Partial<ControlTerms>, sign = signAsClient) =>
    on.post(controlBody({ ...on.controlTerms(await on.account(), { kind: 'unlock' }), ...over }, sign))
  expect(await refusal({ seqno: 2 })).toEqual(refused(109))
  expect(await refusal({ epoch: 1 })).toEqual(refused(109))
  expect(await refusal({ validUntil: on.nowSec })).toEqual(refused(108))
  expect(await refusal({ escrow: payee(9) })).toEqual(refused(102))
  expect(await refusal({ globalId: -3 })).toEqual(refused(102))
  expect(await refusal({}, signerOf(Buffer.alloc(32, 8)))).toEqual(refused(102))
  expect(await refusal({})).toMatchObject(done)
})

test('a control message costs what is free, never what is reserved', async () => {
  const on = await stage({ depositNano: gram })
  const { freeNano } = await on.account()
  const until = on.nowSec + day
  expect(await on.control({ kind: 'reserve', payee: payee(1), amountNano: freeNano, until })).toEqual(refused(111))
  const reserved = freeNano - 1_500_000n
  expect(await on.control({ kind: 'reserve', payee: payee(1), amountNano: reserved, until })).toMatchObject(done)
  expect(await on.payee(payee(1))).toMatchObject({ payableNano: reserved + (await on.account()).freeNano })
  expect(await on.control({ kind: 'reserve', payee: payee(1), amountNano: reserved, until })).toEqual(refused(111))
  expect(await on.control({ kind: 'unlock' })).toEqual(refused(111))
})

test('only the owner unlocks, cancels and reserves by wallet', async () => {
  const on = await stage()
  const stranger = await on.blockchain.treasury('stranger')
  const reservation = { payee: payee(1), amountNano: gram, until: on.nowSec + day }
  for (const body of [startUnlockBody(), cancelUnlockBody(), reserveBody(reservation)]) {
    expect(await on.call(body, stranger)).toMatchObject(failed(104))
  }
  expect(await on.account()).toMatchObject({ unlockAt: 0, reservedTotalNano: 0n })
})

test('an unlock cannot be started twice, nor cancelled or finalized when there is none', async () => {
  const on = await stage()
  expect(await on.call(cancelUnlockBody())).toMatchObject(failed(106))
  expect(await on.call(finalizeBody())).toMatchObject(failed(106))
  expect(await on.control({ kind: 'finalize' })).toEqual(refused(106))
  expect(await on.control({ kind: 'unlock' })).toMatchObject(done)
  expect(await on.control({ kind: 'unlock' })).toEqual(refused(105))
  expect(await on.call(startUnlockBody())).toMatchObject(failed(105))
  expect(await on.control({ kind: 'finalize' })).toEqual(refused(107))
})

test('what is refused by internal message returns its value to the sender', async () => {
  const on = await stage()
  const stranger = await on.blockchain.treasury('stranger')
  const before = await on.balance(stranger)
  const free = (await on.account()).freeNano
  await on.call(startUnlockBody(), stranger, gram)
  expect(before - (await on.balance(stranger))).toBeLessThan(1_000_000n)
  expect((await on.account()).freeNano).toBe(free)
})

test('an unlock time beyond 32 bits is refused before it costs anything', async () => {
  const on = await stage({ unlockDelaySec: 0xffffffff })
  const before = await on.balance()
  expect(await on.control({ kind: 'unlock' })).toEqual(refused(5))
  expect(await on.balance()).toBe(before)
})

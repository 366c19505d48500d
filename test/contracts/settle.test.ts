// What vouchers move, and who bears the fees.

import { expect, test } from 'vitest'
import {
  rentReserveNano,
  settleBatchBody,
  settleBody,
  settleInternalBody,
  settleOneBody,
  topUpBody,
} from '../../contracts/escrow.ts'
import { day, gram, type Outcome, payee, stage } from './stage.ts'

/** What the account may keep of a payout's fees by rounding the gas estimate up. */
const surplusNanoMax = 2_000n

test('the first deposit deploys the account, and all above the rent reserve is free', async () => {
  const on = await stage({ depositNano: gram })
  const account = await on.account()
  expect(account).toMatchObject({ unlockDelaySec: day, seqno: 0, unlockAt: 0, lockedUntil: 0, epoch: 0 })
  expect(account.owner.equals(on.owner.address)).toBe(true)
  expect(account.reservedTotalNano).toBe(0n)
  expect(account.freeNano).toBe((await on.balance()) - rentReserveNano)
  expect(account.globalId).toBe(-239)
})

test('a top-up with and without a body adds its value to what is free', async () => {
  const on = await stage({ depositNano: gram })
  for (const body of [undefined, topUpBody()]) {
    const before = (await on.account()).freeNano
    await on.call(body, on.owner, gram)
    const added = (await on.account()).freeNano - before
    expect(added).toBeLessThanOrEqual(gram)
    expect(added).toBeGreaterThan(gram - 200_000n)
  }
})

test('pays the provider the difference since the last settle', async () => {
  const on = await stage()
  const first = paid(await on.post(settleOneBody(on.voucher(payee(1), gram))))
  const second = paid(await on.post(settleOneBody(on.voucher(payee(1), gram + gram / 4n))))
  expect(first.payouts.map((payout) => payout.to)).toEqual([payee(1)])
  expect(second.payouts.map((payout) => payout.to)).toEqual([payee(1)])
  expect(await on.payee(payee(1))).toMatchObject({ settledNano: gram + gram / 4n })
  const fees = gram + gram / 4n - (first.payouts[0]?.nano ?? 0n) - (second.payouts[0]?.nano ?? 0n)
  expect(fees).toBeGreaterThan(0n)
  expect(fees).toBeLessThan(1_300_000n)
})

test('the network fees of a settle come out of the payout: the client loses what was due and not a nano more', async () => {
  const on = await stage()
  for (const amount of [gram / 100n, gram, 2n ** 40n / 1000n, gram * 3n]) {
    const before = await on.payee(payee(1))
    const outcome = paid(await on.post(settleOneBody(on.voucher(payee(1), before.settledNano + amount))))
    expect(amount - outcome.dropNano, `${amount}`).toBeGreaterThanOrEqual(0n)
    expect(amount - outcome.dropNano, `${amount}`).toBeLessThan(surplusNanoMax)
  }
})

test('a payout is a plain transfer to the payee and nothing else', async () => {
  const on = await stage()
  const outcome = paid(await on.post(settleOneBody(on.voucher(payee(1), gram))))
  expect(outcome.payouts).toHaveLength(1)
  expect(outcome.payouts[0]?.body.bits.length).toBe(0)
  expect(await on.balance(payee(1))).toBe(outcome.payouts[0]?.nano)
})

test('vouchers settled in any order pay the same in the end', async () => {
  const settled: bigint[] = []
  for (const order of [
    [1n, 2n, 3n],
    [3n, 1n, 2n],
    [2n, 3n, 1n],
  ]) {
    const on = await stage()
    for (const amount of order) await on.post(settleOneBody(on.voucher(payee(1), amount * gram)))
    settled.push((await on.payee(payee(1))).settledNano)
  }
  expect(settled).toEqual([3n * gram, 3n * gram, 3n * gram])
})

test('an overdrawn deposit pays what there is, and the same voucher pays the rest after a top-up', async () => {
  const on = await stage({ depositNano: gram })
  const body = settleOneBody(on.voucher(payee(1), 3n * gram))
  const free = (await on.account()).freeNano
  paid(await on.post(body))
  expect((await on.payee(payee(1))).settledNano).toBe(free)
  expect(await on.balance()).toBeGreaterThanOrEqual(rentReserveNano)
  expect(await on.balance()).toBeLessThan(rentReserveNano + surplusNanoMax)
  await on.deposit(5n * gram)
  paid(await on.post(body))
  expect((await on.payee(payee(1))).settledNano).toBe(3n * gram)
})

test('an internal settle costs its sender the gas, pays the payee all that is due and returns the rest', async () => {
  const on = await stage()
  const stranger = await on.blockchain.treasury('stranger')
  const outcome = paid(await on.call(settleInternalBody(on.voucher(payee(1), gram), 7n), stranger, gram / 10n))
  const [payout, excess] = outcome.payouts
  expect(payout?.to).toBe(payee(1))
  expect(gram - (payout?.nano ?? 0n)).toBe(66_667n)
  expect(excess?.to).toBe(stranger.address.toRawString())
  expect(excess?.nano).toBeGreaterThan(gram / 10n - 1_000_000n)
  expect(excess?.body.beginParse().loadUint(32)).toBe(0xd53276db)
  expect(outcome.dropNano).toBe(gram + gram / 10n - 0n)
})

test('a batch pays ten providers by one message and splits its fees evenly', async () => {
  const on = await stage()
  const vouchers = Array.from({ length: 10 }, (_, index) => on.voucher(payee(index), gram / 2n))
  const outcome = paid(await on.post(settleBatchBody(vouchers)))
  expect(outcome.payouts.map((payout) => payout.to).sort()).toEqual(vouchers.map((v) => v.terms.payee).sort())
  expect(new Set(outcome.payouts.map((payout) => payout.nano)).size).toBe(1)
  expect(5n * gram - outcome.dropNano).toBeGreaterThanOrEqual(0n)
  expect(5n * gram - outcome.dropNano).toBeLessThan(surplusNanoMax)
})

test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])(
  'a batch of %i costs the client what was due and not a nano more',
  async (count) => {
    const on = await stage()
    const amount = gram / 7n
    const vouchers = Array.from({ length: count }, (_, index) => on.voucher(payee(index), amount))
    const outcome = paid(await on.post(settleBatchBody(vouchers)))
    expect(outcome.payouts).toHaveLength(count)
    const surplus = amount * BigInt(count) - outcome.dropNano
    expect(surplus).toBeGreaterThanOrEqual(0n)
    expect(surplus).toBeLessThan(surplusNanoMax)
  },
)

test('an overdrawn batch pays its vouchers in the order given', async () => {
  const on = await stage({ depositNano: gram })
  const vouchers = [1, 2, 3, 4].map((index) => on.voucher(payee(index), (gram * 3n) / 10n))
  paid(await on.post(settleBatchBody(vouchers)))
  const settled = await Promise.all([1, 2, 3, 4].map(async (index) => (await on.payee(payee(index))).settledNano))
  expect(settled.slice(0, 3)).toEqual([300_000_000n, 300_000_000n, 300_000_000n])
  expect(settled[3]).toBeGreaterThan(0n)
  expect(settled[3]).toBeLessThan(100_000_000n)
})

test('a batch passes over a voucher that was settled in the meantime', async () => {
  const on = await stage()
  const vouchers = [1, 2, 3].map((index) => on.voucher(payee(index), gram))
  paid(await on.post(settleOneBody(on.voucher(payee(2), gram))))
  const outcome = paid(await on.post(settleBatchBody(vouchers)))
  expect(outcome.payouts.map((payout) => payout.to).sort()).toEqual([payee(1), payee(3)].sort())
})

test('two vouchers of one payee in a batch pay the larger amount once', async () => {
  const on = await stage()
  const outcome = paid(
    await on.post(
      settleBatchBody([on.voucher(payee(1), gram), on.voucher(payee(1), 2n * gram), on.voucher(payee(2), gram)]),
    ),
  )
  expect(outcome.payouts).toHaveLength(3)
  expect((await on.payee(payee(1))).settledNano).toBe(2n * gram)
  expect(3n * gram - outcome.dropNano).toBeLessThan(surplusNanoMax)
})

test('the cheapest body for one voucher has no room for a second', async () => {
  const on = await stage()
  const one = on.voucher(payee(1), gram)
  expect(settleBody([one]).equals(settleOneBody(one))).toBe(true)
  expect(settleBody([one, one]).equals(settleBatchBody([one, one]))).toBe(true)
})

test('a batch of none or of eleven is refused before it is a message', async () => {
  const on = await stage()
  expect(() => settleBatchBody([])).toThrow('a batch of 0 vouchers, expected 1 to 10')
  const eleven = Array.from({ length: 11 }, (_, index) => on.voucher(payee(index), gram))
  expect(() => settleBatchBody(eleven)).toThrow('a batch of 11 vouchers, expected 1 to 10')
})

test('with the least due that the account names, the first voucher of every batch size is paid', async () => {
  const on = await stage({ depositNano: 100n * gram })
  for (let round = 0; round < 3; round += 1) {
    const crowd = Array.from({ length: 10 }, (_, index) => on.voucher(payee(5_000 + 10 * round + index), gram / 10n))
    paid(await on.post(settleBatchBody(crowd)))
  }
  for (const count of [1, 2, 5, 10]) {
    const least = await on.escrow.getLeastDue(count)
    const vouchers = Array.from({ length: count }, (_, index) => on.voucher(payee(100 * count + index), least))
    const outcome = paid(await on.post(settleBody(vouchers)))
    expect(outcome.payouts, `${count} vouchers of ${least} nano`).toHaveLength(count)
    for (const payout of outcome.payouts) expect(payout.nano).toBeGreaterThan(0n)
  }
})

test('the least due at mainnet prices is below 2.3 million nano for one voucher and 5 million for ten', async () => {
  const on = await stage()
  expect(await on.escrow.getLeastDue(1)).toBeLessThan(2_300_000n)
  expect(await on.escrow.getLeastDue(10)).toBeLessThan(5_000_000n)
})

test('a first settle takes at most 5 800 gas, a first batch of ten at most 64 000', async () => {
  const on = await stage({ depositNano: 100n * gram })
  const ten = (from: number) => Array.from({ length: 10 }, (_, index) => on.voucher(payee(from + index), gram))
  expect(paid(await on.post(settleOneBody(on.voucher(payee(1), gram)))).gas).toBeLessThan(5_800n)
  expect(paid(await on.post(settleBatchBody(ten(100)))).gas).toBeLessThan(64_000n)
})

test('the account survives seven idle years on its rent reserve', async () => {
  const on = await stage({ depositNano: gram })
  paid(await on.post(settleOneBody(on.voucher(payee(1), 3n * gram))))
  on.pass(7 * 365 * day)
  const outcome = await on.call(undefined, on.owner, gram)
  expect(paid(outcome).rentNano).toBeLessThan(rentReserveNano)
  expect((await on.account()).epoch).toBe(0)
  paid(await on.post(settleOneBody(on.voucher(payee(1), 3n * gram))))
})

function paid(outcome: Outcome): Extract<Outcome, { accepted: true }> {
  expect(outcome).toMatchObject({ accepted: true, exitCode: 0, actionCode: 0 })
  if (!outcome.accepted) throw new Error('not accepted')
  return outcome
}

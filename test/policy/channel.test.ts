// One payer's channel as a pure function of what happened to it.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Channel,
  type ChannelEvent,
  coveredNano,
  isDue,
  openChannel,
  recovered,
  step,
  unpaidNano,
  unsettledNano,
} from '../../node/settlement/channel.ts'
import type { SettlePolicy } from '../../node/settlement/rule.ts'
import type { Voucher } from '../../protocol/voucher.ts'
import { addressOfNumber, peerOf } from './peers.ts'

const id = { globalId: -239, escrow: addressOfNumber(0xe5), epoch: 0, payee: addressOfNumber(0x22) }
const fresh = openChannel(id, peerOf(1), 0n)

const voucherOf = (amountNano: bigint): Voucher => ({ terms: { ...id, amountNano }, signature: new Uint8Array(64) })
const voucher = (amountNano: bigint, nowMs = 0): ChannelEvent => ({
  type: 'voucher',
  voucher: voucherOf(amountNano),
  nowMs,
})
const settled = (settledNano: bigint): ChannelEvent => ({ type: 'settled', settledNano })
const delivered = (costNano: bigint): ChannelEvent => ({ type: 'delivered', costNano })
const acknowledged = (owedNano: bigint): ChannelEvent => ({ type: 'acknowledged', owedNano })

const channelOf = (...events: readonly ChannelEvent[]): Channel => events.reduce(step, fresh)
/** What must not depend on order; when a value fell due does. */
const sums = ({ best, owedNano, settledNano }: Channel) => [best?.terms.amountNano, owedNano, settledNano]

const amount = fc.bigInt({ min: 0n, max: 40n })
const raising: fc.Arbitrary<ChannelEvent> = fc.oneof(
  amount.map((nano) => voucher(nano, Number(nano))),
  amount.map(settled),
  amount.map(acknowledged),
)
const event: fc.Arbitrary<ChannelEvent> = fc.oneof(raising, amount.map(delivered))

describe('a channel', () => {
  test('is raised by vouchers, settled sums and acknowledged debts, never lowered', () => {
    fc.assert(
      fc.property(fc.array(event), event, (events, next) => {
        const before = channelOf(...events)
        const now = step(before, next)
        expect(coveredNano(now)).toBeGreaterThanOrEqual(coveredNano(before))
        expect(now.settledNano).toBeGreaterThanOrEqual(before.settledNano)
        expect(now.owedNano).toBeGreaterThanOrEqual(before.owedNano)
      }),
    )
  })

  test('is not changed by anything that comes a second time', () => {
    fc.assert(
      fc.property(fc.array(raising, { minLength: 1 }), fc.nat(), (events, pick) => {
        const once = channelOf(...events)
        const again = events[pick % events.length]
        expect(sums(again ? step(once, again) : once)).toEqual(sums(once))
      }),
    )
  })

  test('is the same whatever the order', () => {
    const shuffled = fc
      .array(event)
      .chain((events) => fc.tuple(fc.constant(events), fc.shuffledSubarray(events, { minLength: events.length })))
    fc.assert(
      fc.property(shuffled, ([events, others]) => {
        // An acknowledged debt is a least, a delivery adds: only those two do not commute.
        const isPlain = ({ type }: ChannelEvent): boolean => type !== 'acknowledged'
        expect(sums(channelOf(...others.filter(isPlain)))).toEqual(sums(channelOf(...events.filter(isPlain))))
      }),
    )
  })

  test('counts what was delivered', () => {
    expect(channelOf(delivered(5n), delivered(7n)).owedNano).toBe(12n)
    expect(unpaidNano(channelOf(delivered(5n), voucher(3n)))).toBe(2n)
    expect(unpaidNano(channelOf(delivered(5n), voucher(8n)))).toBe(-3n)
  })

  test('keeps the larger voucher itself', () => {
    const large = voucherOf(9n)
    expect(channelOf({ type: 'voucher', voucher: large, nowMs: 1 }, voucher(9n, 2), voucher(8n, 3)).best).toBe(large)
  })

  test('that is recovered is owed what its voucher covers', () => {
    expect(recovered(channelOf(delivered(50n), voucher(30n))).owedNano).toBe(30n)
  })

  test('that opens after the chain has paid begins there', () => {
    const late = openChannel(id, peerOf(1), 100n)
    expect([late.owedNano, coveredNano(late), unpaidNano(late), unsettledNano(late)]).toEqual([100n, 100n, 0n, 0n])
    expect(coveredNano(step(late, voucher(40n)))).toBe(100n)
    expect(coveredNano(step(late, voucher(140n)))).toBe(140n)
  })

  test('has nothing unsettled where the chain has paid more than is known here', () => {
    expect(unsettledNano(channelOf(voucher(10n), settled(30n)))).toBe(0n)
  })

  test('is due since the oldest value that is not settled', () => {
    const twice = channelOf(voucher(10n, 100), voucher(20n, 200))
    expect(twice.dueSinceMs).toBe(100)
    expect(step(twice, settled(15n)).dueSinceMs).toBe(100)
    expect(step(twice, settled(20n)).dueSinceMs).toBeUndefined()
    expect(step(step(twice, settled(20n)), voucher(30n, 300)).dueSinceMs).toBe(300)
  })
})

describe('settling is due', () => {
  const policy: SettlePolicy = { thresholdNano: 100n, ageMsMax: 1_000, settleNanoMin: 10n }
  const at = 5_000

  test.each([
    ['at the threshold', 100n, at, false, true],
    ['not one nano below it', 99n, at, false, false],
    ['at its age', 50n, at - 1_000, false, true],
    ['not one millisecond younger', 50n, at - 999, false, false],
    ['when urgent, however little', 10n, at, true, true],
    ['not below what the chain takes, however urgent', 9n, at, true, false],
    ['not below what the chain takes, however old', 9n, 0, false, false],
    ['not where there is nothing', 0n, 0, true, false],
  ])('%s', (_, unsettled, sinceMs, isUrgent, expected) => {
    expect(isDue(channelOf(voucher(unsettled, sinceMs)), policy, at, isUrgent)).toBe(expected)
  })

  test('not for nothing, where the chain would take it', () => {
    expect(isDue(channelOf(voucher(10n), settled(10n)), { ...policy, settleNanoMin: 0n }, at, true)).toBe(false)
  })

  test('for what was not settled of it, not for the whole', () => {
    expect(isDue(channelOf(voucher(150n, at), settled(51n)), policy, at, false)).toBe(false)
    expect(isDue(channelOf(voucher(150n, at), settled(50n)), policy, at, false)).toBe(true)
  })
})

// The cap on what a node signs for in a day: never more, whatever runs at once, wherever the process dies, whoever is paid.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DailySpend } from '../../node/consumer/daily-spend.ts'
import { Tabs } from '../../node/consumer/tab.ts'
import { capped, ownVouchers } from '../../node/consumer/voucher-source.ts'
import { coveredNano } from '../../node/settlement/channel.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { Nano } from '../../protocol/money.ts'
import { paidNano } from '../../protocol/voucher.ts'
import { ManualClock, quiet } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { ask, countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber, identityOf, peerOf } from './peers.ts'

const dayMs = 86_400_000
/** 0:00 UTC of a day. */
const midnightMs = 20_833 * dayMs
const capNano = 100n
const escrow = addressOfNumber(0xe5)
const globalId = -239

interface Stage {
  readonly spend: DailySpend
  readonly tabs: Tabs
  readonly store: MemoryStore
  readonly clock: ManualClock
}

async function opened(store = new MemoryStore(), clock = new ManualClock(midnightMs)): Promise<Stage> {
  const spend = new DailySpend(capNano, { clock, store })
  await spend.recover()
  const identity = identityOf(1)
  const tabs = new Tabs(capped(ownVouchers(escrow, identity), spend), { clock, identity, store, observe: quiet }, spend)
  await tabs.recover()
  return { spend, tabs, store, clock }
}

/** Signs for so much more to one provider, as a request does: the amount of the voucher, undefined where it was refused. */
async function pay({ tabs }: Stage, provider: number, nano: Nano): Promise<Nano | undefined> {
  const id = { globalId, epoch: 0, peer: peerOf(provider), payee: addressOfNumber(provider) }
  const stream = tabs.stream(id.peer)
  const best = tabs.best(id)
  stream.accepted({ ...id, owedNano: best ? paidNano(best) : 0n, best }, 0n)
  stream.prepay(nano)
  try {
    const voucher = await stream.signLast()
    stream.close(true)
    return voucher && paidNano(voucher)
  } catch {
    stream.unprepay(nano)
    stream.close(true)
    return undefined
  }
}

describe('the cap on a day', () => {
  it('is what all vouchers of the day together may come to, and names itself, what is spent and when it ends', async () => {
    const stage = await opened()
    expect(await pay(stage, 2, 60n)).toBe(60n)
    expect(await pay(stage, 3, 41n)).toBeUndefined()
    expect(await pay(stage, 3, 40n)).toBe(40n)
    const refusal = expect.objectContaining({
      code: 'over-budget',
      retryAfterMs: dayMs,
      message: expect.stringMatching(
        /0\.0000001 GRAM a day \(consumer\.spendNanoPerDayMax\): 0\.0000001 are signed.*before 0:00 UTC, in 24 h 0 min/,
      ),
    })
    expect(() => stage.spend.take(1n)).toThrow(refusal)
    expect(() => stage.spend.ceilingNano(1n)).toThrow(refusal)
    expect(stage.spend.standing).toMatchObject({ spentNano: 100n, leftNano: 0n, resetsAtMs: midnightMs + dayMs })
  })

  it('begins anew at midnight UTC, and not where the clock was set back', async () => {
    const stage = await opened()
    await pay(stage, 2, 100n)
    await stage.clock.advance(dayMs - 1)
    expect(stage.spend.standing.leftNano).toBe(0n)
    await stage.clock.advance(1)
    expect(stage.spend.standing.leftNano).toBe(100n)
    expect(await pay(stage, 2, 30n)).toBe(130n)
    const yesterday = await opened(stage.store.crash(), new ManualClock(midnightMs))
    expect(yesterday.spend.standing).toMatchObject({ spentNano: 30n, resetsAtMs: midnightMs + 2 * dayMs })
  })

  it('counts what a request that runs may still cost, and gives back what it did not', async () => {
    const { spend } = await opened()
    let restNano = 70n
    const end = spend.promise(() => restNano)
    expect(() => spend.promise(() => 31n)).toThrow(expect.objectContaining({ code: 'over-budget' }))
    await spend.take(20n)
    restNano = 50n
    expect(spend.standing).toMatchObject({ spentNano: 20n, promisedNano: 50n, leftNano: 30n })
    end()
    expect(spend.standing).toMatchObject({ spentNano: 20n, promisedNano: 0n, leftNano: 80n })
  })

  it('is on disk before the voucher is signed', async () => {
    const stage = await opened()
    stage.store.hold()
    const paying = pay(stage, 2, 60n)
    await Promise.resolve()
    expect(stage.store.waiting).toBe(1)
    const after = await opened(stage.store.crash(1))
    expect(after.spend.standing.spentNano).toBe(60n)
    expect(after.tabs.best({ globalId, epoch: 0, peer: peerOf(2), payee: addressOfNumber(2) })).toBeUndefined()
    void paying
  })

  it('does not count what was paid before the records of it were lost', async () => {
    const stage = await opened()
    const stream = stage.tabs.stream(peerOf(2))
    const payee = addressOfNumber(2)
    stream.accepted({ globalId, epoch: 0, payee, owedNano: 5_000n, best: undefined }, 0n, 5_000n)
    stream.prepay(10n)
    expect(await stream.sign()).toMatchObject({ terms: { amountNano: 5_010n } })
    expect(stage.spend.standing.spentNano).toBe(10n)
  })

  it('holds for every order of payments at once, days and crashes, with any part of what was being written on disk', async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ pay: fc.integer({ min: 2, max: 4 }), nano: fc.bigInt(1n, 60n) }) },
      { weight: 2, arbitrary: fc.record({ crash: fc.nat(3) }) },
      { weight: 2, arbitrary: fc.constant('flush' as const) },
      { weight: 1, arbitrary: fc.constant('midnight' as const) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 24 }), async (steps) => {
        let stage = await opened()
        stage.store.hold()
        /** The highest voucher of each provider that anybody may have seen, and where that was at midnight. */
        let seen = new Map<number, Nano>()
        let atMidnight = new Map<number, Nano>()
        const signedToday = (): Nano =>
          [...seen].reduce((sum, [provider, nano]) => sum + nano - (atMidnight.get(provider) ?? 0n), 0n)
        const settled = async (): Promise<void> => {
          for (let turn = 0; turn < 12; turn += 1) {
            stage.store.flush()
            await Promise.resolve()
            await new Promise(setImmediate)
          }
        }
        for (const each of steps) {
          if (each === 'flush') await settled()
          else if (each === 'midnight') {
            await settled() // a voucher that is being signed is of the day on which it was taken
            await stage.clock.advance(dayMs)
            atMidnight = new Map(seen)
          } else if ('crash' in each) {
            const clock = stage.clock
            stage = await opened(stage.store.crash(each.crash), clock)
            stage.store.hold()
          } else {
            const { pay: provider, nano } = each
            void pay(stage, provider, nano).then((amountNano) => {
              if (amountNano !== undefined && amountNano > (seen.get(provider) ?? 0n))
                seen = new Map(seen).set(provider, amountNano)
            })
            await new Promise(setImmediate)
          }
          expect(signedToday()).toBeLessThanOrEqual(capNano)
          expect(stage.spend.standing.spentNano).toBeLessThanOrEqual(capNano)
        }
        await settled()
        expect(signedToday()).toBeLessThanOrEqual(stage.spend.standing.spentNano)
      }),
      { numRuns: 150 },
    )
  })
})

/** 100 tokens of 160 nano, and a prompt of 5 of 20 nano. */
const answerNano = 16_100n

function asked(peer: Peer, tokensMax = 100): Promise<Nano | MeshError> {
  return ask(peer, { sampling: { tokensMax } }).then(
    ({ costNano }) => costNano,
    (error: unknown) => (error instanceof MeshError ? error : expect.unreachable(String(error))),
  )
}

describe('a consumer with a cap', () => {
  async function stage(hub: boolean, spendNanoPerDayMax: Nano) {
    const mesh = new MemoryMesh()
    const payouts = [addressOfNumber(0x22), addressOfNumber(0x23)]
    const engine = countingEngine({ pause: () => mesh.clock.sleep(5) })
    const paid: Peer[] = []
    for (const [at, payout] of payouts.entries()) {
      paid.push(await mesh.start({ number: 2 + at, roles: { provider: { payout } }, engine }))
    }
    if (hub) {
      const escrow = mesh.escrow(9, { address: addressOfNumber(0x42) })
      const roles = { hub: { escrow, payout: addressOfNumber(0x41) } }
      paid.push(await mesh.start({ number: 9, roles, config: { hub: { feePpm: 5_000 } } }))
    }
    const config = { consumer: { spendNanoPerDayMax, ...(hub && { hub: peerOf(9) }) } }
    const own = mesh.escrow(1)
    const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: own } }, config })
    /** Out of the consumer's escrow, over everybody who holds a voucher of it. */
    const promisedNano = (): Nano =>
      paid
        .flatMap(({ node }) => node.channels())
        .reduce((sum, channel) => sum + (channel.escrow === own ? coveredNano(channel) : 0n), 0n)
    return {
      mesh,
      consumer,
      promisedNano,
      restarted: (store = consumer.store.crash()) =>
        mesh.start({ number: 1, roles: { consumer: { escrow: own } }, config, store }),
    }
  }

  it.each([
    ['paying providers', false],
    ['paying a hub, whose fee counts', true],
  ])('%s, serves as far as the cap goes, and refuses with 402', async (_, hub) => {
    const cap = 3n * answerNano
    const { mesh, consumer, promisedNano } = await stage(hub, cap)
    const ends = [0, 1, 2, 3].map(() => 0n as Nano | MeshError)
    for (const at of ends.keys()) ends[at] = await mesh.clock.finish(asked(consumer))
    const last = ends.at(-1)
    expect(last).toMatchObject({ code: 'over-budget', message: expect.stringContaining('consumer.spendNanoPerDayMax') })
    expect(ends.slice(0, 2)).toEqual([answerNano, answerNano])
    await mesh.clock.advance(1)
    expect(promisedNano()).toBeLessThanOrEqual(cap)
    expect(promisedNano()).toBeGreaterThan(2n * answerNano)
  })

  it('never promises more, however many ask at once, and who is begun with is paid in full', async () => {
    const cap = 5n * answerNano
    const { mesh, consumer, promisedNano } = await stage(false, cap)
    const ends = await mesh.clock.finish(Promise.all(Array.from({ length: 9 }, () => asked(consumer))))
    const costs = ends.filter((end) => typeof end === 'bigint')
    expect(costs.length).toBeGreaterThanOrEqual(3)
    for (const end of ends) if (typeof end !== 'bigint') expect(end.code).toBe('over-budget')
    await mesh.clock.advance(1)
    expect(promisedNano()).toBe(costs.reduce((sum, nano) => sum + nano, 0n))
  })

  it('that was killed goes on with what was spent', async () => {
    const { mesh, consumer, promisedNano, restarted } = await stage(false, 3n * answerNano)
    await mesh.clock.finish(asked(consumer))
    mesh.kill(consumer.identity.peerId)
    const again = await restarted()
    expect(await mesh.clock.finish(asked(again))).toBe(answerNano)
    const shortened = await mesh.clock.finish(asked(again))
    expect(shortened).toBeLessThan(answerNano)
    expect(await mesh.clock.finish(asked(again))).toMatchObject({ code: 'over-budget' })
    await mesh.clock.advance(1)
    expect(promisedNano()).toBe(2n * answerNano + (shortened as Nano))
  })
})

// What keys spend: never more than their budgets, whatever runs at once and wherever the process dies.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BudgetError, Budgets, type Hold, spendLog } from '../../node/gateway/budgets.ts'
import { type ApiKey, makeKey } from '../../node/gateway/keys.ts'
import type { Nano } from '../../protocol/money.ts'
import { ManualClock, quiet } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'

const dayMs = 86_400_000
/** 0:00 UTC of a day. */
const midnightMs = 20_833 * dayMs

function keyOf(limits: Partial<ApiKey>, digit = '1'): ApiKey {
  return { ...makeKey(digit.repeat(64), { name: `key-${digit}`, createdAtMs: 0 }).key, ...limits }
}

interface Stage {
  readonly budgets: Budgets
  readonly store: MemoryStore
  readonly clock: ManualClock
}

async function opened(store = new MemoryStore(), clock = new ManualClock(midnightMs)): Promise<Stage> {
  return { budgets: await Budgets.open(store, clock), store, clock }
}

/** As after a crash, with the oldest `durable` of the unfinished writes on disk. */
function reopened({ store, clock }: Stage, durable = 0): Promise<Stage> {
  return opened(store.crash(durable), clock)
}

describe('a hold', () => {
  it('is all that was asked for while the budgets allow it', async () => {
    const { budgets } = await opened()
    const hold = await budgets.hold(keyOf({ budgetNano: 100n, dayNano: 50n, requestNano: 40n }), 40n)
    expect(hold).toMatchObject({ nano: 40n, short: undefined })
  })

  it.each([
    [{ budgetNano: 30n, dayNano: 50n, requestNano: 40n }, 'key', 30n],
    [{ budgetNano: 100n, dayNano: 30n, requestNano: 40n }, 'day', 30n],
    [{ budgetNano: 100n, dayNano: 50n, requestNano: 30n }, 'request', 30n],
  ] as const)('is bound by the least of %o', async (limits, budget, nano) => {
    const { budgets } = await opened()
    const hold = await budgets.hold(keyOf(limits), 41n)
    expect(hold.nano).toBe(nano)
    expect(hold.short).toMatchObject({ budget, leftNano: nano })
  })

  it('gives back what the request did not cost', async () => {
    const { budgets } = await opened()
    const key = keyOf({ budgetNano: 100n })
    const hold = await budgets.hold(key, 100n)
    await expect(budgets.hold(key, 1n)).rejects.toMatchObject({ code: 'over-budget' })
    hold.end(30n)
    expect(budgets.standing(key)).toMatchObject({ spentNano: 30n, heldNano: 0n, leftNano: 70n })
    expect((await budgets.hold(key, 100n)).nano).toBe(70n)
  })

  it('ends once', async () => {
    const { budgets } = await opened()
    const hold = await budgets.hold(keyOf({}), 10n)
    hold.end(5n)
    expect(() => hold.end(5n)).toThrow('ended twice')
  })

  it('begins only when it is on disk', async () => {
    const { budgets, store } = await opened()
    store.hold()
    let begun = false
    const holding = budgets.hold(keyOf({ budgetNano: 10n }), 10n).then(() => (begun = true))
    await quiet()
    expect(begun).toBe(false)
    store.flush()
    await holding
    expect(begun).toBe(true)
  })

  it('is refused where it cannot be written down', async () => {
    const { budgets, store } = await opened()
    store.fail(new Error('the disk is full'))
    await expect(budgets.hold(keyOf({}), 10n)).rejects.toThrow('the disk is full')
  })

  it('of one key leaves another alone', async () => {
    const { budgets } = await opened()
    await budgets.hold(keyOf({ budgetNano: 10n }, '1'), 10n)
    expect((await budgets.hold(keyOf({ budgetNano: 10n }, '2'), 10n)).nano).toBe(10n)
  })
})

describe('a refusal', () => {
  const refusalOf = async (budgets: Budgets, key: ApiKey): Promise<BudgetError> => {
    const reason: unknown = await budgets.hold(key, 1n).catch((error: unknown) => error)
    return reason instanceof BudgetError ? reason : expect.fail(`no refusal but ${String(reason)}`)
  }

  it('says what is left of which budget, and what running requests hold of it', async () => {
    const { budgets } = await opened()
    const key = keyOf({ budgetNano: 3_000_000_000n })
    const first = await budgets.hold(key, 2_000_000_000n)
    await budgets.hold(key, 1_000_000_000n)
    first.end(1_500_000_000n)
    await budgets.hold(key, 500_000_000n)
    const refusal = await refusalOf(budgets, key)
    expect(refusal).toMatchObject({ code: 'over-budget', budget: 'key', leftNano: 0n, retryAfterMs: undefined })
    expect(refusal.message).toBe(
      '0 GRAM are left of the 3 GRAM of the key "key-1"; requests under way hold 1.5 of it (2 are running)',
    )
  })

  it('of a day says when there is a next one', async () => {
    const { budgets, clock } = await opened()
    const key = keyOf({ dayNano: 10n })
    ;(await budgets.hold(key, 10n)).end(10n)
    await clock.advance(dayMs - 1_000)
    expect(await refusalOf(budgets, key)).toMatchObject({ budget: 'day', retryAfterMs: 1_000 })
    await clock.advance(1_000)
    expect((await budgets.hold(key, 10n)).nano).toBe(10n)
  })

  it('names the whole budget where both are gone: no day brings that back', async () => {
    const { budgets } = await opened()
    const key = keyOf({ dayNano: 10n, budgetNano: 10n })
    ;(await budgets.hold(key, 10n)).end(10n)
    expect(await refusalOf(budgets, key)).toMatchObject({ budget: 'key', retryAfterMs: undefined })
  })
})

describe('a day', () => {
  it('is the one its request began in', async () => {
    const { budgets, clock } = await opened(undefined, new ManualClock(midnightMs - 1))
    const key = keyOf({ dayNano: 10n })
    const late = await budgets.hold(key, 10n)
    await clock.advance(1)
    expect(budgets.standing(key)).toMatchObject({ heldNano: 10n, dayHeldNano: 0n, dayLeftNano: 10n })
    late.end(7n)
    expect(budgets.standing(key)).toMatchObject({ spentNano: 7n, daySpentNano: 0n, dayLeftNano: 10n })
    expect(budgets.standing(key).days).toEqual([{ date: '2027-01-14', spentNano: 7n }])
  })

  it('is told for a month', async () => {
    const { budgets, clock } = await opened()
    const key = keyOf({})
    for (let day = 0; day < 40; day += 1) {
      ;(await budgets.hold(key, 10n)).end(1n)
      await clock.advance(dayMs)
    }
    const { days, spentNano } = budgets.standing(key)
    expect([days.length, spentNano]).toEqual([31, 40n])
    expect(days[0]?.date).toBe('2027-01-24')
  })
})

describe('after a crash', () => {
  it('what had ended counts as it cost, and what had not in full', async () => {
    const stage = await opened()
    const key = keyOf({ budgetNano: 100n })
    ;(await stage.budgets.hold(key, 30n)).end(10n)
    await stage.budgets.hold(key, 30n)
    await quiet()
    const { budgets } = await reopened(stage)
    expect(budgets.standing(key)).toMatchObject({ spentNano: 40n, heldNano: 0n, running: 0, leftNano: 60n })
  })

  it('an end that did not reach the disk leaves its hold in full', async () => {
    const stage = await opened()
    const key = keyOf({ budgetNano: 100n })
    const hold = await stage.budgets.hold(key, 30n)
    stage.store.hold()
    hold.end(10n)
    expect((await reopened(stage, 0)).budgets.standing(key).spentNano).toBe(30n)
  })

  it('ids begin after all that the log holds', async () => {
    const stage = await opened()
    const key = keyOf({})
    await stage.budgets.hold(key, 30n)
    const after = await reopened(stage)
    ;(await after.budgets.hold(key, 5n)).end(5n)
    await quiet()
    expect((await reopened(after)).budgets.standing(key).spentNano).toBe(35n)
  })
})

describe('the log', () => {
  it('is summed up before it grows without bound, with what runs meanwhile', async () => {
    const stage = await opened()
    const key = keyOf({ budgetNano: 100_000n })
    const running = await stage.budgets.hold(key, 50n)
    for (let round = 0; round < 5_100; round += 1) (await stage.budgets.hold(key, 10n)).end(1n)
    running.end(7n)
    await quiet()
    expect((await stage.store.read(spendLog)).length).toBeLessThan(1_000)
    const { budgets } = await reopened(stage)
    expect(budgets.standing(key)).toMatchObject({
      spentNano: 5_107n,
      leftNano: 100_000n - 5_107n,
      daySpentNano: 5_107n,
    })
  })

  it.each([
    '{"type":"held","id":1,"key":"1111111111111111","day":1}',
    '{"type":"held","id":1,"key":"who","day":1,"nano":"1"}',
    '{"type":"ended","id":1,"costNano":"-1"}',
    '{"type":"ended","id":9,"costNano":"1"}',
    '{"type":"summed","key":"1111111111111111","countedNano":"1","days":[1]}',
    '{"type":"forgiven"}',
    'null',
    '{',
  ])('is not guessed at: %s', async (entry) => {
    const store = new MemoryStore()
    await store.append(spendLog, new TextEncoder().encode(entry))
    await expect(opened(store)).rejects.toMatchObject({ code: 'store-failed' })
  })
})

type Step =
  | { readonly act: 'start'; readonly key: number; readonly nano: number }
  | { readonly act: 'end'; readonly pick: number; readonly perMille: number }
  | { readonly act: 'write'; readonly count: number }
  | { readonly act: 'crash'; readonly durable: number }
  | { readonly act: 'day' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({ act: fc.constant('start' as const), key: fc.nat(1), nano: fc.nat({ max: 60 }) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ act: fc.constant('end' as const), pick: fc.nat(), perMille: fc.nat({ max: 1_000 }) }),
  },
  { weight: 10, arbitrary: fc.record({ act: fc.constant('write' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('crash' as const), durable: fc.nat({ max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('day' as const) }) },
)

interface Request {
  readonly hold: Hold
  readonly key: number
  readonly day: number
}

describe('in any order of requests, ends, writes, midnights and crashes', () => {
  it('no key ever spends more than its budget or its day, and nothing is lost but by a crash', async () => {
    const keys = [keyOf({ budgetNano: 200n, requestNano: 50n }, '1'), keyOf({ budgetNano: 1_000n, dayNano: 90n }, '2')]
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 120 }), async (steps) => {
        let stage = await opened()
        stage.store.hold()
        let running: Request[] = []
        /** What requests really cost at the most: one that a crash cut had cost all it could. */
        const spent = new Map<string, Nano>()
        let crashes = 0
        const spend = (key: number, day: number, nano: Nano): void => {
          for (const account of [`${key}`, `${key}/${day}`]) spent.set(account, (spent.get(account) ?? 0n) + nano)
        }
        const dayNow = (): number => Math.floor(stage.clock.now() / dayMs)
        for (const step of steps) {
          switch (step.act) {
            case 'start': {
              const begin = { key: step.key, day: dayNow() }
              const { budgets } = stage
              budgets.hold(keys[step.key] ?? expect.unreachable(), BigInt(step.nano)).then(
                // only what is on disk begins, and only in the process that asked
                (hold) => budgets === stage.budgets && running.push({ ...begin, hold }),
                (error: unknown) => expect(error).toBeInstanceOf(BudgetError),
              )
              break
            }
            case 'end': {
              const [request] = running.splice(step.pick % Math.max(1, running.length), 1)
              if (!request) break
              const costNano = (request.hold.nano * BigInt(step.perMille)) / 1_000n
              spend(request.key, request.day, costNano)
              request.hold.end(costNano)
              break
            }
            case 'write':
              stage.store.flush(step.count)
              break
            case 'crash':
              crashes += 1
              for (const { key, day, hold } of running) spend(key, day, hold.nano)
              running = []
              stage = await reopened(stage, step.durable)
              stage.store.hold()
              break
            case 'day':
              await stage.clock.advance(dayMs)
              break
          }
          await quiet()
          for (const [at, key] of keys.entries()) {
            const held = running.filter(({ key }) => key === at)
            const sum = (of: readonly Request[]) => of.reduce((nano, { hold }) => nano + hold.nano, 0n)
            const total = (spent.get(`${at}`) ?? 0n) + sum(held)
            const today = (spent.get(`${at}/${dayNow()}`) ?? 0n) + sum(held.filter(({ day }) => day === dayNow()))
            expect(total).toBeLessThanOrEqual(key.budgetNano ?? expect.unreachable())
            if (key.dayNano !== undefined) expect(today).toBeLessThanOrEqual(key.dayNano)
            for (const { hold } of held) if (at === 0) expect(hold.nano).toBeLessThanOrEqual(50n)
          }
        }
        stage.store.flush()
        await quiet()
        for (const { key, day, hold } of running.splice(0)) {
          hold.end(1n > hold.nano ? 0n : 1n)
          spend(key, day, 1n > hold.nano ? 0n : 1n)
        }
        stage.store.flush()
        for (const at of keys.keys()) {
          const { heldNano, spentNano } = stage.budgets.standing(keys[at] ?? expect.unreachable())
          expect(heldNano).toBe(0n)
          if (crashes === 0) expect(spentNano).toBe(spent.get(`${at}`) ?? 0n)
          else expect(spentNano).toBeGreaterThanOrEqual(spent.get(`${at}`) ?? 0n)
        }
      }),
      { numRuns: 300 },
    )
  })
})

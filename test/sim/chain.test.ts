// The modelled chain against the real contract on the TVM; where the coins are; blocks, outages, forks and prices.

import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Chain } from '../../node/ports.ts'
import { type Address, addressOf } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { publicKeyOfSeed, signerOf } from '../../protocol/signature.ts'
import { signVoucher, type Voucher } from '../../protocol/voucher.ts'
import { epochMs, Kernel } from '../../sim/kernel.ts'
import { Life } from '../../sim/life.ts'
import { ModelChain, simulatedGlobalId, unlockDelayMs } from '../../sim/model/chain.ts'
import { nextBlockMs } from '../../sim/model/chain-blocks.ts'
import type { ChainFault } from '../../sim/model/chain-weather.ts'
import { TvmChain } from '../../sim/model/tvm-chain.ts'
import { seededRandom } from '../../sim/random.ts'
import { drive, driven } from './driven.ts'
import '../seed.ts'

const blockMs = 2_500
const gram = 1_000_000_000n

const payee = (index: number): Address => addressOf(createHash('sha256').update(`payee ${index}`).digest())
const seedOf = (client: number): Uint8Array => createHash('sha256').update(`client ${client}`).digest()

class Bench {
  readonly kernel = new Kernel()
  readonly chain: ModelChain | TvmChain
  readonly port: Chain
  readonly life = new Life()

  constructor(kind: 'model' | 'tvm' = 'model', seed = 1) {
    const parts = { scheduler: this.kernel, random: seededRandom(seed), plan: { blockMs, tvm: kind === 'tvm' } }
    this.chain = kind === 'tvm' ? new TvmChain(parts) : new ModelChain(parts)
    this.port = driven(this.kernel, this.chain.endpoint(this.life))
  }

  async open(client = 0, depositNano = 10n * gram): Promise<Address> {
    return (await this.chain.openEscrow(publicKeyOfSeed(seedOf(client)), depositNano)).address
  }

  voucher(escrow: Address, to: number, amountNano: Nano, { client = 0, epoch = 0 } = {}): Voucher {
    const terms = { globalId: simulatedGlobalId, escrow, epoch, payee: payee(to), amountNano }
    return signVoucher(terms, signerOf(seedOf(client)))
  }

  /** Lets so many blocks pass. */
  blocks(count: number): Promise<void> {
    const { kernel } = this
    return drive(kernel, new Promise((resolve) => void kernel.at(kernel.now() + count * blockMs, () => resolve())))
  }

  /** What the chain took for this message: fee, and what the escrow lost. */
  async settle(escrow: Address, vouchers: readonly Voucher[]): Promise<{ feeNano: Nano; lostNano: Nano }> {
    const before = this.chain.totals()
    await this.port.postSettle(escrow, vouchers)
    await this.blocks(2)
    const after = this.chain.totals()
    return { feeNano: after.feesNano - before.feesNano, lostNano: before.inEscrowsNano - after.inEscrowsNano }
  }

  /** Makes a ledger of so many payees. */
  async settleMany(escrow: Address, payees: number): Promise<void> {
    for (let at = 0; at < payees; at += 5) {
      const five = [0, 1, 2, 3, 4].map((index) => this.voucher(escrow, 100 + at + index, gram / 10n))
      await this.settle(escrow, five)
    }
  }

  /** Coins that are where nobody put them; negative: that are gone. */
  strayNano(): Nano {
    const { depositedNano, inEscrowsNano, paidOutNano, feesNano } = this.chain.totals()
    return inEscrowsNano + paidOutNano + feesNano - depositedNano
  }
}

function expectWithin(nano: Nano, expected: Nano, share: number): void {
  expect(Math.abs(Number(nano - expected)), `${nano}, expected about ${expected}`).toBeLessThan(
    Number(expected) * share,
  )
}

describe('the model against the compiled contract', () => {
  /** What a payee’s wallet (v5) takes for itself when it is paid; payees on the TVM here have none. */
  const walletNano = 36_401n

  test.each([
    [1, 0],
    [1, 15],
    [2, 0],
    [10, 0],
    [10, 15],
  ])(
    'a settle of %i after %i payees costs the same within a twentieth, and the escrow loses what was due',
    async (count, payeesBefore) => {
      const costs = { model: 0n, tvm: 0n }
      for (const kind of ['model', 'tvm'] as const) {
        const bench = new Bench(kind)
        const escrow = await bench.open()
        await bench.settleMany(escrow, payeesBefore)
        const vouchers = Array.from({ length: count }, (_, index) => bench.voucher(escrow, index, gram / 10n))
        const { feeNano, lostNano } = await bench.settle(escrow, vouchers)
        costs[kind] = feeNano
        const dueNano = (BigInt(count) * gram) / 10n
        expect(lostNano).toBeLessThanOrEqual(dueNano)
        expect(lostNano).toBeGreaterThan(dueNano - 2_000n) // fees are rounded up
        expect(bench.strayNano()).toBe(0n)
      }
      // how deep the ledger is, is luck of the hashes: the model has the mean over eight sets of payees
      expectWithin(costs.model, costs.tvm + BigInt(count) * walletNano, 0.05)
    },
  )

  // docs/contract.md §9
  test.each([
    [1, 0, 616_337n],
    [1, 15, 842_378n],
    [2, 0, 592_536n],
    [2, 15, 783_681n],
    [5, 0, 559_143n],
    [5, 15, 691_851n],
    [10, 0, 568_164n],
    [10, 15, 662_643n],
  ])('%i vouchers after %i payees cost what was measured, within a thousandth', async (count, payeesBefore, nano) => {
    const bench = new Bench()
    const escrow = await bench.open()
    await bench.settleMany(escrow, payeesBefore)
    const vouchers = Array.from({ length: count }, (_, index) => bench.voucher(escrow, index, gram / 10n))
    const { feeNano } = await bench.settle(escrow, vouchers)
    expectWithin(feeNano / BigInt(count), nano, 0.001)
  })

  test('a deposit costs the same, within a gas unit', async () => {
    const fees = await Promise.all(
      (['model', 'tvm'] as const).map(async (kind) => {
        const bench = new Bench(kind)
        await bench.open()
        return Number(bench.chain.totals().feesNano)
      }),
    )
    expect(Math.abs((fees[0] ?? 0) - (fees[1] ?? 0))).toBeLessThan(67)
  })

  test.each([1, 3])('wants the same least at %i times the prices', async (factor) => {
    const least = await Promise.all(
      (['model', 'tvm'] as const).map(async (kind) => {
        const bench = new Bench(kind)
        await bench.open()
        bench.chain.disturb({ kind: 'chain', atMs: 0, forMs: 0, how: 'fee-spike', factor })
        return Number(await bench.port.settleNanoMin())
      }),
    )
    expect(Math.abs((least[0] ?? 0) - (least[1] ?? 0))).toBeLessThan(10)
  })

  type Batch = readonly { readonly to: number; readonly amountNano: Nano }[]
  const batches: fc.Arbitrary<Batch[]> = fc.array(
    fc.array(fc.record({ to: fc.nat(5), amountNano: fc.bigInt({ min: 0n, max: 3n * gram }) }), {
      minLength: 1,
      maxLength: 4,
    }),
    { minLength: 1, maxLength: 6 },
  )

  test('settles the same to the nano, whatever is posted', async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (posts) => {
        const ends: Nano[][] = []
        for (const kind of ['model', 'tvm'] as const) {
          const bench = new Bench(kind)
          const escrow = await bench.open(0, 40n * gram)
          for (const post of posts) {
            await bench.settle(
              escrow,
              post.map(({ to, amountNano }) => bench.voucher(escrow, to, amountNano)),
            )
          }
          ends.push(Array.from({ length: 6 }, (_, to) => bench.chain.settled(escrow, payee(to))))
          expect(bench.strayNano()).toBe(0n)
        }
        expect(ends[0]).toEqual(ends[1])
      }),
      { numRuns: 6 },
    )
  })

  test('runs the TVM within an instant: a settle is done when the block’s event is', async () => {
    const bench = new Bench('tvm')
    const escrow = await bench.open()
    await bench.port.postSettle(escrow, [bench.voucher(escrow, 1, gram)])
    await bench.kernel.run(Math.ceil(bench.kernel.now() / blockMs) * blockMs)
    expect(bench.chain.settled(escrow, payee(1))).toBe(gram)
  })
})

type Operation =
  | { readonly kind: 'deposit'; readonly client: number; readonly amountNano: Nano }
  | { readonly kind: 'settle'; readonly client: number; readonly payees: readonly number[]; readonly amountNano: Nano }
  | { readonly kind: 'unlock' | 'finalize'; readonly client: number }
  | { readonly kind: 'weather'; readonly how: ChainFault['how'] }
  | { readonly kind: 'wait'; readonly ms: number }

const client = fc.nat(2)
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constant('deposit'), client, amountNano: fc.bigInt({ min: 0n, max: 3n * gram }) }),
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('settle'),
      client,
      payees: fc.array(fc.nat(6), { minLength: 1, maxLength: 10 }),
      amountNano: fc.bigInt({ min: 0n, max: 4n * gram }),
    }),
  },
  fc.record({ kind: fc.constantFrom('unlock', 'finalize'), client }),
  fc.record({ kind: fc.constant('weather'), how: fc.constantFrom('reorder', 'fee-spike', 'slow') }),
  fc.record({ kind: fc.constant('wait'), ms: fc.constantFrom(100, 3_000, 40_000, unlockDelayMs) }),
)

async function applied(bench: Bench, operations: readonly Operation[]): Promise<void> {
  const { chain, kernel } = bench
  const epochs = [0, 0, 0]
  const escrows = await Promise.all([0, 1, 2].map((index) => bench.open(index, 3n * gram)))
  const most = new Map<string, Nano>()
  const ends: (() => void)[] = []
  for (const one of operations) {
    const escrow = 'client' in one ? (escrows[one.client] as Address) : (escrows[0] as Address)
    const epoch = 'client' in one ? (epochs[one.client] ?? 0) : 0
    switch (one.kind) {
      case 'deposit':
        await chain.topUp(escrow, one.amountNano)
        break
      case 'settle': {
        const vouchers = one.payees.map((to, index) => {
          const amountNano = one.amountNano + BigInt(index) * 30_000_000n
          const key = `${one.client}/${epoch}/${to}`
          if (amountNano > (most.get(key) ?? 0n)) most.set(key, amountNano)
          return bench.voucher(escrow, to, amountNano, { client: one.client, epoch })
        })
        await bench.port.postSettle(escrow, vouchers)
        break
      }
      case 'unlock':
      case 'finalize':
        try {
          if (one.kind === 'unlock') await chain.startUnlock(escrow)
          else {
            await chain.finalize(escrow)
            epochs[one.client] = epoch + 1
          }
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError) // too early, or under way
        }
        break
      case 'weather': {
        const end = ends.pop() ?? chain.disturb({ kind: 'chain', atMs: 0, forMs: 0, how: one.how, factor: 3 })
        if (ends.length > 0) end()
        else ends.push(end)
        break
      }
      case 'wait':
        await kernel.run(kernel.now() + one.ms)
    }
    expect(bench.strayNano()).toBe(0n)
    for (const [index, address] of escrows.entries()) {
      for (let to = 0; to <= 6; to += 1) {
        const signedNano = most.get(`${index}/${epochs[index]}/${to}`) ?? 0n
        expect(chain.settled(address, payee(to))).toBeLessThanOrEqual(signedNano)
      }
    }
  }
}

describe('coins', () => {
  test('are always in an escrow, with somebody who was paid, or a fee; nobody gets more than was signed for', async () => {
    const property = fc.asyncProperty(fc.array(operation, { maxLength: 40 }), fc.nat(1_000), (operations, seed) =>
      applied(new Bench('model', seed), operations),
    )
    await fc.assert(property, { numRuns: 100 })
  })

  test('so too on the TVM', async () => {
    const property = fc.asyncProperty(fc.array(operation, { maxLength: 12 }), fc.nat(1_000), (operations, seed) =>
      applied(new Bench('tvm', seed), operations),
    )
    await fc.assert(property, { numRuns: 5 })
  })

  test.each(['model', 'tvm'] as const)(
    'go back to the owner at the end, but for the rent reserve: %s',
    async (kind) => {
      const bench = new Bench(kind)
      const { address, owner } = await bench.chain.openEscrow(publicKeyOfSeed(seedOf(0)), gram)
      await bench.chain.startUnlock(address)
      await bench.kernel.run(bench.kernel.now() + unlockDelayMs + 1_000)
      await bench.chain.finalize(address)
      expect((await bench.port.escrow(address)).epoch).toBe(1)
      expect((await bench.port.escrow(address)).freeNano).toBe(0n)
      expect(bench.chain.received(owner)).toBeGreaterThan((9n * gram) / 10n)
      expect(bench.strayNano()).toBe(0n)
    },
  )

  test('of an escrow that is not unlocked, or not yet, stay there', async () => {
    const bench = new Bench()
    const escrow = await bench.open()
    expect(() => bench.chain.finalize(escrow)).toThrow(RangeError)
    bench.chain.startUnlock(escrow)
    await bench.kernel.run(bench.kernel.now() + unlockDelayMs - 5_000)
    expect(() => bench.chain.finalize(escrow)).toThrow(RangeError)
  })
})

function fault(how: ChainFault['how'], factor = 1): ChainFault {
  return { kind: 'chain', atMs: 0, forMs: 0, how, factor }
}

describe('blocks', () => {
  test('nothing is paid before the next one', async () => {
    const bench = new Bench()
    const escrow = await bench.open()
    await bench.port.postSettle(escrow, [bench.voucher(escrow, 1, gram)])
    expect(bench.chain.settled(escrow, payee(1))).toBe(0n)
    await bench.blocks(1)
    expect(bench.chain.settled(escrow, payee(1))).toBe(gram)
  })

  // seed 441 of `swarm`: a grid of no whole milliseconds, and a block that was rounded to just before its own time
  test('the next one is later, whatever the time of this one was rounded to', () => {
    const slownesses = fc.double({ min: 1, max: 10, noNaN: true })
    const holds = fc.property(slownesses, fc.integer({ min: 1, max: 2_000 }), (slowness, blocks) => {
      const everyMs = blockMs * slowness
      const atMs = epochMs + blocks * everyMs
      const nextMs = nextBlockMs(atMs, everyMs)
      expect(nextMs).toBeGreaterThan(atMs)
      expect(nextMs - atMs).toBeLessThan(1.001 * everyMs)
    })
    fc.assert(holds)
  })

  test('of two messages with one voucher the second is in no block and costs nothing', async () => {
    const bench = new Bench()
    const escrow = await bench.open()
    const voucher = bench.voucher(escrow, 1, gram)
    const first = await bench.port.postSettle(escrow, [voucher])
    const second = await bench.port.postSettle(escrow, [voucher, bench.voucher(escrow, 2, 1n)])
    expect(second.outcome).toBe('posted')
    await bench.blocks(2)
    expect(await bench.port.settleTransaction(escrow, first.messageHash)).toBeDefined()
    expect(await bench.port.settleTransaction(escrow, second.messageHash)).toBeUndefined()
    expect(bench.chain.figures()['chainTransactions']).toBe(1)
  })
})

describe('weather', () => {
  test('an endpoint that is down answers nothing, after as many tries as the real adapter makes', async () => {
    const bench = new Bench()
    const escrow = await bench.open()
    bench.chain.disturb(fault('down'))
    const startMs = bench.kernel.now()
    await expect(bench.port.escrow(escrow)).rejects.toMatchObject({ code: 'chain-unavailable' })
    expect(bench.kernel.now() - startMs).toBeGreaterThan(3_750)
    expect(bench.kernel.now() - startMs).toBeLessThan(8_000)
  })

  test('an outage shorter than the tries is not noticed', async () => {
    const bench = new Bench()
    const escrow = await bench.open()
    const end = bench.chain.disturb(fault('down'))
    bench.kernel.at(bench.kernel.now() + 2_000, end)
    expect((await bench.port.escrow(escrow)).isEscrow).toBe(true)
  })

  test('a message whose answer was lost is taken all the same', async () => {
    const bench = new Bench()
    const escrow = await bench.open()
    bench.kernel.at(bench.kernel.now() + 50, () => void bench.chain.disturb(fault('down')))
    const posted = bench.port.postSettle(escrow, [bench.voucher(escrow, 1, gram)])
    await expect(posted).rejects.toMatchObject({ code: 'chain-unavailable' })
    expect(bench.chain.settled(escrow, payee(1))).toBe(gram)
  })

  test.each([10, 4])('a chain slower by a factor of %i takes so many times as long for a block', async (factor) => {
    const bench = new Bench()
    const escrow = await bench.open()
    const end = bench.chain.disturb(fault('slow', factor))
    await bench.port.postSettle(escrow, [bench.voucher(escrow, 1, gram)])
    await bench.blocks(factor / 2)
    expect(bench.chain.settled(escrow, payee(1))).toBe(0n)
    end()
    await bench.blocks(factor / 2 + 1)
    expect(bench.chain.settled(escrow, payee(1))).toBe(gram)
  })

  test('a fee spike raises what a settle costs, for as long as it lasts', async () => {
    const bench = new Bench()
    const escrow = await bench.open()
    const usual = await bench.settle(escrow, [bench.voucher(escrow, 1, gram)])
    const end = bench.chain.disturb(fault('fee-spike', 5))
    const raised = await bench.settle(escrow, [bench.voucher(escrow, 1, 2n * gram)])
    end()
    const again = await bench.settle(escrow, [bench.voucher(escrow, 1, 3n * gram)])
    expect(Number(raised.feeNano) / Number(usual.feeNano)).toBeGreaterThan(4.9)
    expectWithin(again.feeNano, usual.feeNano, 0.2)
  })

  test('a voucher below what is the least during a spike is nothing due', async () => {
    const bench = new Bench()
    const escrow = await bench.open()
    const small = bench.voucher(escrow, 1, 5_000_000n)
    const end = bench.chain.disturb(fault('fee-spike', 10))
    expect((await bench.port.postSettle(escrow, [small])).outcome).toBe('nothing-due')
    end()
    expect((await bench.port.postSettle(escrow, [small])).outcome).toBe('posted')
  })

  async function forked(seed: number, repeats: number): Promise<{ settled: number; lost: number }> {
    const bench = new Bench('model', seed)
    const escrow = await bench.open(0, 100n * gram)
    bench.chain.disturb(fault('reorder'))
    let settled = 0
    for (let to = 0; to < 10; to += 1) {
      for (let repeat = 0; repeat < repeats; repeat += 1) {
        await bench.port.postSettle(escrow, [bench.voucher(escrow, to, gram)])
        await bench.blocks(8)
      }
      if (bench.chain.settled(escrow, payee(to)) === gram) settled += 1
    }
    expect(bench.strayNano()).toBe(0n)
    return { settled, lost: bench.chain.figures()['chainMessagesLost'] ?? 0 }
  }

  test('forks lose some messages for good and pay none twice; posted again and again, all are paid', async () => {
    const once = await forked(1, 1)
    expect(once.lost).toBeGreaterThan(0)
    expect(once.settled).toBeLessThan(10)
    expect((await forked(1, 8)).settled).toBe(10)
  })

  test('forks are equal for equal seeds', async () => {
    expect(await forked(3, 2)).toEqual(await forked(3, 2))
  })

  test('a fork delays some messages, and what was read is never taken back', async () => {
    let isDelayed = false
    for (let seed = 0; seed < 12; seed += 1) {
      const bench = new Bench('model', seed)
      const escrow = await bench.open()
      bench.chain.disturb(fault('reorder'))
      await bench.port.postSettle(escrow, [bench.voucher(escrow, 1, gram)])
      let before = 0n
      for (let block = 1; block <= 30; block += 1) {
        await bench.blocks(1)
        const { settledNano } = await bench.port.payee(escrow, payee(1))
        if (settledNano > before && block > 2) isDelayed = true
        expect(settledNano).toBeGreaterThanOrEqual(before)
        before = settledNano
      }
    }
    expect(isDelayed).toBe(true)
  })
})

test('a dead node hears nothing more, and what it had asked for still happens', async () => {
  const bench = new Bench()
  const escrow = await bench.open()
  const port = bench.chain.endpoint(bench.life)
  let isAnswered = false
  void port.postSettle(escrow, [bench.voucher(escrow, 1, gram)]).then(() => {
    isAnswered = true
  })
  bench.kernel.at(bench.kernel.now() + 60, () => bench.life.end())
  await bench.kernel.run(bench.kernel.now() + 60_000)
  expect(isAnswered).toBe(false)
  expect(bench.chain.settled(escrow, payee(1))).toBe(gram)
})

test('a node asks at most 25 times a second', async () => {
  const bench = new Bench()
  const escrow = await bench.open()
  const startMs = bench.kernel.now()
  await Promise.all(Array.from({ length: 101 }, () => bench.port.escrow(escrow)))
  expect(bench.kernel.now() - startMs).toBeGreaterThanOrEqual(4_000)
})

// The settler: takes only what the contract would pay, keeps it through crashes, and lets go only of what was paid.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { configOf } from '../../node/config.ts'
import type { NodeEvent } from '../../node/events.ts'
import type { EscrowState, Identity, PayeeState, Posted, Random, Stream } from '../../node/ports.ts'
import { Desk } from '../../node/settlement/desk.ts'
import { Settler } from '../../node/settlement/settler.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/ids.ts'
import { decodeSettleReply, encodeSettleRequest } from '../../protocol/settlement.ts'
import { signVoucher, type Voucher, type VoucherTerms } from '../../protocol/voucher.ts'
import { ManualClock, quiet } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { MemoryChain } from './memory-mesh.ts'
import { addressOfNumber, escrowOf, identityOf, peerOf } from './peers.ts'

const payer = identityOf(1)
const from = peerOf(2)
const never = new AbortController().signal
const payee = (number: number): Address => addressOfNumber(0x40 + number)
const first = addressOfNumber(0xe1)
const second = addressOfNumber(0xe2)
const intervalMs = 10_000
const half: Random = { next: () => 0.5, bytes: (length) => new Uint8Array(length), fork: () => half }

/** A chain whose endpoint can fail, or lose what is posted, for one escrow. */
class FaultyChain extends MemoryChain {
  down: Address | undefined
  loses: Address | undefined
  readonly posts: { readonly escrow: Address; readonly amounts: readonly bigint[] }[] = []

  override async escrow(address: Address): Promise<EscrowState> {
    if (address === this.down) throw new MeshError('chain-unavailable', 'no answer')
    return super.escrow(address)
  }

  override async payee(escrow: Address, payee: Address): Promise<PayeeState> {
    if (escrow === this.down) throw new MeshError('chain-unavailable', 'no answer')
    return super.payee(escrow, payee)
  }

  override async postSettle(escrow: Address, vouchers: readonly Voucher[]): Promise<Posted> {
    this.posts.push({ escrow, amounts: vouchers.map(({ terms }) => terms.amountNano) })
    if (escrow === this.loses) return { messageHash: '11'.repeat(32), outcome: 'posted' }
    return super.postSettle(escrow, vouchers)
  }
}

class Stage {
  readonly clock = new ManualClock()
  readonly chain = new FaultyChain()
  readonly events: NodeEvent[] = []
  store = new MemoryStore()
  readonly #queueMax: number
  settler: Settler

  constructor(queueMax = 10) {
    this.#queueMax = queueMax
    this.settler = this.#newSettler()
    for (const address of [first, second]) this.escrow(address)
  }

  escrow(address: Address, change: Partial<EscrowState> = {}, owner: Identity = payer): void {
    this.chain.escrows.set(address, escrowOf(owner, { address, freeNano: 1_000_000n, ...change }))
  }

  async restart(store = this.store.crash()): Promise<void> {
    this.store = store
    this.settler = this.#newSettler()
    await this.settler.recover()
  }

  settle(): Promise<void> {
    return this.clock.finish(this.settler.settleAll(never))
  }

  get desk(): Desk {
    const { chain, clock } = this
    return new Desk(configOf(), { chain, clock, observe: (event) => this.events.push(event) }, this.settler, undefined)
  }

  types(): readonly string[] {
    return this.events.map(({ type }) => type)
  }

  #newSettler(): Settler {
    const config = configOf({ settlement: { intervalMs, retryMsMax: 60_000, queueMax: this.#queueMax } })
    const { chain, clock, store } = this
    return new Settler(config, { chain, clock, random: half, store, observe: (event) => this.events.push(event) })
  }
}

function voucherOf(amountNano: bigint, change: Partial<VoucherTerms> = {}, signer = payer): Voucher {
  const terms = { globalId: -239, escrow: first, epoch: 0, payee: payee(1), amountNano, ...change }
  return signVoucher(terms, signer.sign)
}

describe('a voucher', () => {
  test.each([
    ['of an address where no escrow runs', voucherOf(100n, { escrow: payee(1) }), 'voucher-invalid'],
    ['of another chain', voucherOf(100n, { globalId: -3 }), 'voucher-invalid'],
    ['of an epoch to come', voucherOf(100n, { epoch: 1 }), 'voucher-invalid'],
    ['signed by another than the escrow’s signer', voucherOf(100n, {}, identityOf(3)), 'voucher-invalid'],
    ['of nothing', voucherOf(0n), 'escrow-unusable'],
  ])('%s is refused and not written', async (_, voucher, code) => {
    const { settler, store } = new Stage()
    await expect(settler.submit(voucher, from)).rejects.toMatchObject({ code })
    expect(settler.heldVouchers).toBe(0)
    expect(await store.read('settler')).toEqual([])
  })

  test('is taken where it is worth what the chain takes least, and not for one nano less', async () => {
    const { chain, settler } = new Stage()
    chain.leastNano = 100n
    await expect(settler.submit(voucherOf(99n), from)).rejects.toMatchObject({ code: 'escrow-unusable' })
    await settler.submit(voucherOf(100n), from)
  })

  test('is refused where its escrow is empty', async () => {
    const stage = new Stage()
    stage.escrow(first, { freeNano: 0n })
    await expect(stage.settler.submit(voucherOf(100n), from)).rejects.toMatchObject({ code: 'escrow-unusable' })
  })

  test('is acknowledged when it is on disk, not before', async () => {
    const { settler, store } = new Stage()
    store.hold()
    const done: string[] = []
    void settler.submit(voucherOf(100n), from).then(() => done.push('taken'))
    await quiet()
    expect(done).toEqual([])
    expect(settler.heldVouchers).toBe(0)
    store.flush()
    await quiet()
    expect(done).toEqual(['taken'])
    expect(settler.heldVouchers).toBe(1)
  })

  test('that the disk refuses is not held, and can be handed over again', async () => {
    const { settler, store } = new Stage()
    const failure = new MeshError('store-failed', 'disk full')
    store.fail(failure)
    await expect(settler.submit(voucherOf(100n), from)).rejects.toBe(failure)
    expect(settler.heldVouchers).toBe(0)
    store.fail(undefined)
    await settler.submit(voucherOf(100n), from)
    expect(settler.heldVouchers).toBe(1)
  })

  test('that adds nothing is acknowledged and not written', async () => {
    const { settler, store } = new Stage()
    for (const nano of [100n, 100n, 99n]) await settler.submit(voucherOf(nano), from)
    expect(await store.read('settler')).toHaveLength(1)
  })

  test('takes the place of a smaller one', async () => {
    const stage = new Stage()
    for (const nano of [100n, 150n]) await stage.settler.submit(voucherOf(nano), from)
    expect(stage.settler.heldVouchers).toBe(1)
    await stage.settle()
    expect(stage.chain.posts).toEqual([{ escrow: first, amounts: [150n] }])
  })

  test('beyond the queue is refused, one that takes a place in it is not', async () => {
    const { settler } = new Stage()
    for (let number = 0; number < 10; number += 1) await settler.submit(voucherOf(100n, { payee: payee(number) }), from)
    await expect(settler.submit(voucherOf(100n, { payee: payee(10) }), from)).rejects.toMatchObject({ code: 'busy' })
    await settler.submit(voucherOf(200n, { payee: payee(9) }), from)
  })

  test('beyond the queue is refused also when all come at once', async () => {
    const { settler } = new Stage()
    const submitted = await Promise.allSettled(
      Array.from({ length: 15 }, (_, number) => settler.submit(voucherOf(100n, { payee: payee(number) }), from)),
    )
    expect(submitted.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
    expect(settler.heldVouchers).toBe(10)
  })
})

describe('settling', () => {
  test('pays, is confirmed by the state of the contract, and lets go', async () => {
    const stage = new Stage()
    await stage.settler.submit(voucherOf(100n), from)
    await stage.settle()
    expect(stage.chain.settledOf(first, payee(1))).toBe(100n)
    expect(stage.types()).toEqual(['settle-started', 'settle-posted', 'settle-confirmed'])
    expect(stage.events.at(-1)).toMatchObject({ escrow: first, payee: payee(1), settledNano: 100n, paidNano: 100n })
    expect(stage.settler.heldVouchers).toBe(0)
    await stage.settle()
    expect(stage.chain.posts).toHaveLength(1)
  })

  test('posts ten at a time, the largest claims first', async () => {
    const stage = new Stage(20)
    for (const extra of [3n, 11n, 0n, 7n, 5n, 1n, 9n, 2n, 10n, 4n, 8n, 6n]) {
      await stage.settler.submit(voucherOf(100n + extra, { payee: payee(Number(extra)) }), from)
    }
    await stage.settle()
    await stage.settle()
    expect(stage.chain.posts.map(({ amounts }) => amounts)).toEqual([
      [111n, 110n, 109n, 108n, 107n, 106n, 105n, 104n, 103n, 102n],
      [101n, 100n],
    ])
  })

  test('keeps what was not paid in full', async () => {
    const stage = new Stage()
    stage.escrow(first, { freeNano: 60n })
    await stage.settler.submit(voucherOf(100n), from)
    await stage.settle()
    expect(stage.events.at(-1)).toMatchObject({ settledNano: 60n, paidNano: 60n })
    expect(stage.settler.heldVouchers).toBe(1)
  })

  test('lets go of an epoch that is over', async () => {
    const stage = new Stage()
    await stage.settler.submit(voucherOf(100n), from)
    stage.escrow(first, { epoch: 1 })
    await stage.settle()
    expect(stage.settler.heldVouchers).toBe(0)
    expect(stage.chain.posts).toEqual([])
  })

  test.each([
    ['of no escrow', { isEscrow: false }],
    ['of an earlier epoch', { epoch: -1 }],
  ])('keeps everything while the endpoint speaks %s: it may be behind', async (_, change) => {
    const stage = new Stage()
    await stage.settler.submit(voucherOf(100n), from)
    stage.escrow(first, change)
    await stage.settle()
    expect(stage.settler.heldVouchers).toBe(1)
  })

  test('that is not confirmed in time is told as failed and tried again', async () => {
    const stage = new Stage()
    stage.chain.loses = first
    await stage.settler.submit(voucherOf(100n), from)
    await stage.settle()
    expect(stage.types()).toEqual(['settle-started', 'settle-posted', 'settle-failed'])
    expect(stage.events.at(-1)).toMatchObject({
      code: 'timeout',
      message: expect.stringContaining('longer than 60000 ms'),
    })
    stage.chain.loses = undefined
    await stage.clock.advance(60_000)
    await stage.settle()
    expect(stage.chain.settledOf(first, payee(1))).toBe(100n)
    expect(stage.settler.heldVouchers).toBe(0)
  })
})

describe('what is watched over', () => {
  const watch = (stage: Stage, amountNano: bigint, change: Partial<VoucherTerms> = {}) =>
    stage.settler.submit(voucherOf(amountNano, change), from, true)

  test('is kept however little it is, takes no place of others, and is not posted while the escrow is open', async () => {
    const stage = new Stage(1)
    stage.chain.leastNano = 1_000n
    await watch(stage, 1n)
    await stage.settler.submit(voucherOf(2_000n, { payee: payee(2) }), from)
    expect([stage.settler.watchedVouchers, stage.settler.heldVouchers]).toEqual([1, 1])
    await stage.settle()
    expect(stage.chain.posts).toEqual([{ escrow: first, amounts: [2_000n] }])
  })

  test('is posted when the escrow closes, and again at every pass until that is confirmed', async () => {
    const stage = new Stage()
    await watch(stage, 100n)
    await watch(stage, 150n)
    stage.escrow(first, { unlockAtMs: stage.clock.now() + 86_400_000 })
    stage.chain.loses = first
    await stage.clock.advance(60_000)
    for (let pass = 0; pass < 3; pass += 1) await stage.settle()
    expect(stage.chain.posts.map(({ amounts }) => amounts)).toEqual([[150n], [150n], [150n]])
    stage.chain.loses = undefined
    await stage.settle()
    expect(stage.chain.settledOf(first, payee(1))).toBe(150n)
    expect(stage.settler.watchedVouchers).toBe(0)
    expect(stage.types().filter((type) => type === 'unlock-seen')).toHaveLength(1)
  })

  test('is posted before others have emptied the escrow', async () => {
    const stage = new Stage()
    await watch(stage, 1_000n)
    for (const freeNano of [100_000n, 51_000n, 2_000n]) {
      stage.escrow(first, { freeNano })
      await stage.clock.advance(60_000)
      await stage.settle()
    }
    expect(stage.chain.settledOf(first, payee(1))).toBe(1_000n)
    expect(stage.events).toContainEqual(expect.objectContaining({ type: 'settle-decided', reason: 'draining' }))
  })

  test('becomes something to settle when its owner says so', async () => {
    const stage = new Stage()
    await watch(stage, 100n)
    await stage.settler.submit(voucherOf(100n), from)
    await stage.settle()
    expect(stage.chain.settledOf(first, payee(1))).toBe(100n)
  })

  test('survives a crash, and is still only watched over', async () => {
    const stage = new Stage()
    await watch(stage, 100n)
    await stage.restart()
    expect([stage.settler.watchedVouchers, stage.settler.heldVouchers]).toEqual([1, 0])
  })

  test('is let go within a day where its payee settled it by another way', async () => {
    const stage = new Stage()
    await watch(stage, 100n)
    await stage.chain.postSettle(first, [voucherOf(100n)])
    for (let hour = 0; hour <= 24; hour += 1) {
      await stage.clock.advance(3_600_000)
      await stage.settle()
    }
    expect(stage.settler.watchedVouchers).toBe(0)
    expect(stage.chain.posts).toHaveLength(1)
  })
})

test('a fee spike makes what was asked for wait, and says so', async () => {
  const stage = new Stage()
  const dear = { freeNano: 10n ** 12n }
  stage.escrow(first, dear)
  stage.chain.leastNano = 5_000_000n
  await stage.settler.submit(voucherOf(110_000_000n), from)
  stage.chain.leastNano = 150_000_000n
  await stage.settle()
  expect(stage.events).toEqual([
    expect.objectContaining({ type: 'settle-decided', isDue: false, reason: 'fee spike', unsettledNano: 110_000_000n }),
  ])
  expect(stage.settler.heldVouchers).toBe(1)
  stage.chain.leastNano = 5_000_000n
  await stage.settle()
  expect(stage.chain.settledOf(first, payee(1))).toBe(110_000_000n)
})

describe('an endpoint that does not answer', () => {
  test('for one escrow holds up no other', async () => {
    const stage = new Stage()
    await stage.settler.submit(voucherOf(100n), from)
    await stage.settler.submit(voucherOf(200n, { escrow: second }), from)
    stage.chain.down = first
    await stage.settle()
    expect(stage.chain.settledOf(second, payee(1))).toBe(200n)
    expect(stage.settler.heldVouchers).toBe(1)
  })

  test('is asked again after pauses that double up to their bound', async () => {
    const stage = new Stage()
    await stage.settler.submit(voucherOf(100n), from)
    stage.chain.down = first
    const triedAtS: number[] = []
    const startMs = stage.clock.now()
    for (let second = 0; second <= 260; second += 1) {
      const failures = stage.events.length
      await stage.settle()
      if (stage.events.length > failures) triedAtS.push((stage.clock.now() - startMs) / 1_000)
      await stage.clock.advance(1_000)
    }
    expect(triedAtS).toEqual([0, 20, 60, 120, 180, 240])
  })

  test('loses no voucher, whatever crashes', async () => {
    const stage = new Stage()
    await stage.settler.submit(voucherOf(100n), from)
    stage.chain.down = first
    await stage.settle()
    await stage.restart()
    expect(stage.settler.heldVouchers).toBe(1)
    stage.chain.down = undefined
    await stage.settle()
    expect(stage.chain.settledOf(first, payee(1))).toBe(100n)
  })
})

describe('a crash', () => {
  test('after the post and before its confirmation pays nothing twice', async () => {
    const stage = new Stage()
    await stage.settler.submit(voucherOf(100n), from)
    await stage.chain.postSettle(first, [voucherOf(100n)])
    await stage.restart()
    await stage.settle()
    expect(stage.chain.settledOf(first, payee(1))).toBe(100n)
    expect(stage.chain.posts).toHaveLength(1)
    expect(stage.settler.heldVouchers).toBe(0)
  })

  test('at any time loses no voucher that was acknowledged, and pays each payee what it was signed', async () => {
    const step = fc.record({
      act: fc.constantFrom('submit', 'submit', 'submit', 'settle', 'crash', 'fail', 'work', 'lose', 'arrive'),
      escrow: fc.constantFrom(first, second),
      payee: fc.nat({ max: 3 }),
      amount: fc.bigInt({ min: 1n, max: 500n }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const stage = new Stage()
        const acknowledged = new Map<string, bigint>()
        for (const { act, escrow, payee: number, amount } of steps) {
          if (act === 'submit') {
            const terms = { escrow, payee: payee(number) }
            const isTaken = await stage.settler.submit(voucherOf(amount, terms), from).then(
              () => true,
              () => false,
            )
            const key = `${escrow}/${terms.payee}`
            if (isTaken && amount > (acknowledged.get(key) ?? 0n)) acknowledged.set(key, amount)
          }
          if (act === 'settle') await stage.settle()
          if (act === 'crash') await stage.restart()
          if (act === 'fail') stage.chain.down = escrow
          if (act === 'work') stage.chain.down = undefined
          if (act === 'lose') stage.chain.loses = escrow
          if (act === 'arrive') stage.chain.loses = undefined
        }
        stage.chain.down = undefined
        stage.chain.loses = undefined
        await stage.restart()
        await stage.settle()
        for (const [key, amount] of acknowledged) expect(stage.chain.settled.get(key)).toBe(amount)
        expect(stage.settler.heldVouchers).toBe(0)
      }),
      { numRuns: 150 },
    )
  })
})

describe('a stream', () => {
  /** Says these frames, then nothing more; what comes back is kept. */
  function streamOf(...frames: readonly Uint8Array[]): Stream & { readonly sent: Uint8Array[]; isClosed: boolean } {
    const stream = {
      peer: from,
      sent: [] as Uint8Array[],
      isClosed: false,
      frames: (async function* () {
        yield* frames
        await new Promise(() => undefined)
      })(),
      send: async (frame: Uint8Array) => void stream.sent.push(frame),
      close: async () => {
        stream.isClosed = true
      },
      reset: () => undefined,
    }
    return stream
  }

  const replyOf = ({ sent: [reply] }: { readonly sent: readonly Uint8Array[] }) =>
    reply ? decodeSettleReply(reply) : expect.unreachable('no reply')

  test('hands over vouchers, which are held when the reply says so', async () => {
    const { desk, settler } = new Stage()
    const stream = streamOf(encodeSettleRequest([voucherOf(100n), voucherOf(200n, { payee: payee(2) })]))
    await desk.serve(stream)
    expect(replyOf(stream)).toEqual({ accepted: 2, code: undefined, message: '' })
    expect(stream.isClosed).toBe(true)
    expect(settler.heldVouchers).toBe(2)
  })

  test('is told how many were taken before the first that was refused, and why', async () => {
    const { desk, settler } = new Stage()
    const bad = voucherOf(100n, { payee: payee(2) }, identityOf(3))
    const stream = streamOf(encodeSettleRequest([voucherOf(100n), bad, voucherOf(100n, { payee: payee(3) })]))
    await desk.serve(stream)
    expect(replyOf(stream)).toMatchObject({ accepted: 1, code: 'voucher-invalid' })
    expect(settler.heldVouchers).toBe(1)
  })

  test('of garbage is broken off', async () => {
    const { desk } = new Stage()
    await expect(desk.serve(streamOf(new Uint8Array(50).fill(0xff)))).rejects.toMatchObject({
      code: 'protocol-violation',
    })
  })

  test('that says nothing is not waited for for ever', async () => {
    const { clock, desk } = new Stage()
    const serving = desk.serve(streamOf())
    serving.catch(() => undefined)
    await clock.advance(60_000)
    await expect(Promise.race([serving, Promise.resolve('still waiting')])).rejects.toMatchObject({ code: 'timeout' })
  })
})

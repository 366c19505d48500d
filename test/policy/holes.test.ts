// Holes that were once found in the protocol, each as the attack or the accident that showed it.

import { expect, test } from 'vitest'
import type { Overrides } from '../../node/config.ts'
import type { NodeEvent } from '../../node/events.ts'
import type { InferenceRequest } from '../../node/inference.ts'
import type { Generation, Stream } from '../../node/ports.ts'
import { coveredNano } from '../../node/settlement/channel.ts'
import { encodeAdvert, type Offer } from '../../protocol/advert.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import { type Accept, decodeConsumerFrame, encodeFrame, type Open, type ProviderFrame } from '../../protocol/frames.ts'
import {
  type Address,
  advertProtocol,
  declaredModelKeyOf,
  inferProtocol,
  meshKey,
  settleProtocol,
} from '../../protocol/ids.ts'
import type { Price } from '../../protocol/money.ts'
import {
  decodeSettleReply,
  decodeSettleRequest,
  encodeSettleReply,
  encodeSettleRequest,
} from '../../protocol/settlement.ts'
import { featuresByDefault } from '../../protocol/task.ts'
import { signVoucher } from '../../protocol/voucher.ts'
import { ask, countingEngine, MemoryChain, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber, escrowOf, identityOf } from './peers.ts'

const payout = addressOfNumber(0x22)
const price: Price = { promptNano: 20_000_000n, completionNano: 160_000_000n, cachedNano: 2_000_000n }
const once: Overrides = { consumer: { attemptsMax: 1 } }

function prompt(letters: number): Pick<InferenceRequest, 'messages'> {
  return { messages: [{ role: 'user', content: 'x'.repeat(letters) }] }
}

const coded = (code: ErrorCode) => expect.objectContaining({ code })

function eventsOf<T extends NodeEvent['type']>({ events }: Peer, type: T): readonly (NodeEvent & { type: T })[] {
  return events.filter((event): event is NodeEvent & { type: T } => event.type === type)
}

/** A provider of model m that plays by the rules of `talk`. */
function impostor(
  mesh: MemoryMesh,
  number: number,
  talk: (send: (frame: ProviderFrame) => Promise<void>, accept: Accept, open: Open) => Promise<void>,
  change: Partial<Offer> = {},
): void {
  const identity = identityOf(number)
  const network = mesh.networkOf(identity)
  const payee = addressOfNumber(number)
  const offer: Offer = {
    modelKey: declaredModelKeyOf('m'),
    name: 'm',
    contextTokens: 4_096,
    price,
    slots: 4,
    slotsFree: 4,
    queued: 0,
    prefillTokensPerSecond: 1,
    decodeTokensPerSecond: 1,
    features: featuresByDefault,
    vocabularySha256: undefined,
    ...change,
  }
  network.handle(advertProtocol, async (stream) => {
    const nowMs = mesh.clock.now()
    const about = { peer: identity.peerId, sequence: nowMs, validUntilMs: nowMs + 60_000, payout: payee }
    await stream.send(
      encodeAdvert({ ...about, offers: [offer], addresses: [], agent: '' }, identity.publicKey, identity.sign),
    )
    await stream.close()
  })
  network.handle(inferProtocol, async (stream: Stream) => {
    for await (const bytes of stream.frames) {
      const open = decodeConsumerFrame(bytes)
      if (open.type !== 'open') continue
      const tab = { globalId: -239, epoch: 0, payee, owedNano: 0n, best: undefined }
      const counts = { promptTokens: 1, cachedTokens: 0, creditTokens: 64 }
      const send = (frame: ProviderFrame): Promise<void> => stream.send(encodeFrame(frame))
      talk(send, { type: 'accept', price: offer.price, ...counts, tab }, open).catch(() => undefined)
    }
  })
  void network.provide(meshKey, new AbortController().signal)
}

test('many streams of one payer share a window without stopping each other', async () => {
  const mesh = new MemoryMesh()
  const provider = await mesh.start({ number: 2, roles: { provider: { payout } }, engine: countingEngine() })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config: once })
  const answers = await mesh.clock.finish(Promise.all(Array.from({ length: 8 }, () => ask(consumer))))
  expect(answers.map(({ usage }) => usage.completionTokens)).toEqual(Array.from({ length: 8 }, () => 100))
  const spentNano = answers.reduce((sum, { costNano }) => sum + costNano, 0n)
  expect(provider.node.channels().map(coveredNano)).toEqual([spentNano])
})

test('prompts that are each worth more than the window are answered at the same time', async () => {
  const mesh = new MemoryMesh()
  mesh.chain.delay = () => mesh.clock.sleep(10)
  await mesh.start({ number: 2, roles: { provider: { payout } }, engine: countingEngine() })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config: once })
  const answers = Promise.all(Array.from({ length: 3 }, () => ask(consumer, prompt(3_000))))
  expect((await mesh.clock.finish(answers)).map(({ finish }) => finish)).toEqual(['length', 'length', 'length'])
})

test('tokens that were lost with their stream do not keep the next requests from being paid', async () => {
  const mesh = new MemoryMesh()
  const pause = (): Promise<void> => mesh.clock.sleep(10)
  const provider = await mesh.start({ number: 2, roles: { provider: { payout } }, engine: countingEngine({ pause }) })
  const roles = { consumer: { escrow: mesh.escrow(1) } }
  const consumer = await mesh.start({ number: 1, roles, config: once })
  const broken = ask(consumer).catch(() => undefined)
  await mesh.clock.advance(300)
  mesh.mute(consumer.identity.peerId)
  await mesh.clock.advance(300)
  mesh.cut(consumer.identity.peerId)
  await mesh.clock.finish(broken)
  await mesh.clock.advance(1_000) // now the provider knows, too
  const [channel] = provider.node.channels()
  expect(channel && channel.owedNano - coveredNano(channel)).toBeGreaterThan(0n)
  const answers = await mesh.clock.finish(Promise.all([ask(consumer), ask(consumer)]))
  expect(answers.map(({ finish }) => finish)).toEqual(['length', 'length'])
})

test('a slow chain does not make a consumer believe a claim that is out of date', async () => {
  const mesh = new MemoryMesh()
  await mesh.start({ number: 2, roles: { provider: { payout } }, engine: countingEngine() })
  const slow = new MemoryChain(mesh.chain)
  let reads = 0
  slow.delay = () => {
    reads += 1
    return reads === 3 ? mesh.clock.sleep(1_000) : Promise.resolve()
  }
  const roles = { consumer: { escrow: mesh.escrow(1) } }
  const consumer = await mesh.start({ number: 1, roles, config: once, chain: slow })
  const request = { ...prompt(3_000), sampling: { tokensMax: 5 } }
  const answers = Promise.all(Array.from({ length: 3 }, () => ask(consumer, request)))
  expect((await mesh.clock.finish(answers)).map(({ finish }) => finish)).toEqual(['length', 'length', 'length'])
})

test.each([
  { deltaTokens: [30, 40], creditTokens: 64 },
  { deltaTokens: [100], creditTokens: 64 },
  { deltaTokens: [2], creditTokens: 1 },
])('deltas of $deltaTokens tokens are paid inside a window of $creditTokens', async ({ deltaTokens, creditTokens }) => {
  const mesh = new MemoryMesh()
  const provider = await mesh.start({
    number: 2,
    roles: { provider: { payout } },
    engine: countingEngine({ deltaTokens }),
    config: { provider: { creditTokens } },
  })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config: once })
  const { usage } = await mesh.clock.finish(ask(consumer, { sampling: { tokensMax: 205 } }))
  expect(usage.completionTokens).toBe(205)
  const [channel] = provider.node.channels()
  expect(channel && channel.owedNano === coveredNano(channel)).toBe(true)
})

test('an escrow that others emptied does not keep the next payer from being settled', async () => {
  const mesh = new MemoryMesh()
  mesh.chain.leastNano = 100n
  const engine = countingEngine()
  const config = { settlement: { intervalMs: 3_600_000 } }
  const provider = await mesh.start({ number: 3, roles: { provider: { payout } }, engine, config })
  const [emptied, good] = [
    mesh.escrow(1, { address: addressOfNumber(0xe1) }),
    mesh.escrow(2, { address: addressOfNumber(0xe2) }),
  ]
  const first = await mesh.start({ number: 1, roles: { consumer: { escrow: emptied } } })
  const second = await mesh.start({ number: 2, roles: { consumer: { escrow: good } } })
  const { costNano } = await mesh.clock.finish(ask(first).then(() => ask(second)))
  mesh.chain.escrows.set(emptied, escrowOf(identityOf(1), { address: emptied, freeNano: 0n }))
  await mesh.clock.finish(provider.node.settleNow(new AbortController().signal))
  expect(eventsOf(provider, 'settle-failed')).toEqual([expect.objectContaining({ escrow: emptied })])
  expect(mesh.chain.settledOf(good, payout)).toBe(costNano)
})

test('vouchers that an emptied escrow cannot pay make room for others at a settler', async () => {
  const mesh = new MemoryMesh()
  mesh.chain.leastNano = 100n
  const settlement = { queueMax: 2, intervalMs: 1_000 }
  const settler = await mesh.start({ number: 3, roles: { settler: true }, config: { settlement } })
  const payer = identityOf(1)
  const submit = async (escrow: Address, payees: readonly number[]): Promise<number> => {
    const vouchers = payees.map((number) =>
      signVoucher({ globalId: -239, escrow, epoch: 0, payee: addressOfNumber(number), amountNano: 1_000n }, payer.sign),
    )
    const stream = await mesh.networkOf(identityOf(9)).open(settler.identity.peerId, settleProtocol)
    await stream.send(encodeSettleRequest(vouchers))
    for await (const frame of stream.frames) return decodeSettleReply(frame).accepted
    throw new Error('no reply')
  }
  const small = mesh.escrow(1, { address: addressOfNumber(0xe1), freeNano: 150n })
  const good = mesh.escrow(1, { address: addressOfNumber(0xe2) })
  expect(await submit(small, [21, 22])).toBe(2)
  expect(await submit(good, [23])).toBe(0)
  await mesh.clock.advance(3_000)
  expect(await submit(good, [23])).toBe(1)
})

test('a chain endpoint that is behind does not make a provider give up its vouchers', async () => {
  const mesh = new MemoryMesh()
  const config = { settlement: { intervalMs: 3_600_000 } }
  const provider = await mesh.start({ number: 2, roles: { provider: { payout } }, engine: countingEngine(), config })
  const escrow = mesh.escrow(1, { epoch: 1 })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow } } })
  const { costNano } = await mesh.clock.finish(ask(consumer))
  const settle = () => mesh.clock.finish(provider.node.settleNow(new AbortController().signal))
  mesh.escrow(1, { epoch: 0, freeNano: 0n })
  await settle()
  mesh.escrow(1, { epoch: 1 })
  await settle()
  expect(mesh.chain.settledOf(escrow, payout)).toBe(costNano)
})

test('a settler that takes vouchers and keeps them is overruled while its payer goes on', async () => {
  const mesh = new MemoryMesh()
  const settler = identityOf(9)
  mesh.networkOf(settler).handle(settleProtocol, async (stream) => {
    for await (const frame of stream.frames) {
      const accepted = decodeSettleRequest(frame).vouchers.length
      await stream.send(encodeSettleReply({ accepted, code: undefined, message: '' }))
      await stream.close()
    }
  })
  const settlement = { settler: settler.peerId, intervalMs: 1_000, settlerTrustMs: 5_000, thresholdNano: 1n }
  const engine = countingEngine()
  await mesh.start({ number: 2, roles: { provider: { payout } }, engine, config: { settlement } })
  const escrow = mesh.escrow(1)
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow } } })
  for (let second = 0; second < 10; second += 1) {
    await mesh.clock.finish(ask(consumer))
    await mesh.clock.advance(1_000)
  }
  expect(mesh.chain.settledOf(escrow, payout)).toBeGreaterThan(0n)
})

test('providers of one payout account do not spoil each other the consumer', async () => {
  const mesh = new MemoryMesh()
  await mesh.start({ number: 2, roles: { provider: { payout } }, engine: countingEngine({ name: 'one' }) })
  await mesh.start({ number: 3, roles: { provider: { payout } }, engine: countingEngine({ name: 'two' }) })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config: once })
  for (const model of ['one', 'two', 'one', 'two']) await mesh.clock.finish(ask(consumer, { model }))
  expect(eventsOf(consumer, 'attempt-failed')).toEqual([])
})

test('a provider whose account was paid for what it never served stops serving that payer', async () => {
  const mesh = new MemoryMesh()
  const config = { settlement: { intervalMs: 3_600_000 } }
  await mesh.start({ number: 2, roles: { provider: { payout } }, engine: countingEngine(), config })
  const escrow = mesh.escrow(1)
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow } }, config: once })
  await mesh.clock.finish(ask(consumer))
  mesh.chain.settled.set(`${escrow}/${payout}`, 1_000_000_000n)
  await mesh.clock.advance(60_000)
  await expect(mesh.clock.finish(ask(consumer))).rejects.toEqual(coded('internal'))
})

test('what the chain has paid before both sides lost their books buys nothing', async () => {
  const mesh = new MemoryMesh()
  const provider = await mesh.start({ number: 2, roles: { provider: { payout } }, engine: countingEngine() })
  const escrow = mesh.escrow(1)
  mesh.chain.settled.set(`${escrow}/${payout}`, 1_000_000_000n)
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow } }, config: once })
  const { costNano } = await mesh.clock.finish(ask(consumer))
  expect(provider.node.channels().map(coveredNano)).toEqual([1_000_000_000n + costNano])
})

test('books of one chain say nothing on another', async () => {
  const mesh = new MemoryMesh()
  const roles = { provider: { payout } }
  const before = await mesh.start({ number: 2, roles, engine: countingEngine() })
  const escrow = mesh.escrow(1, { globalId: -3 })
  const payer = await mesh.start({ number: 1, roles: { consumer: { escrow } } })
  const { costNano } = await mesh.clock.finish(ask(payer).then(() => ask(payer)))
  await mesh.clock.finish(Promise.all([before.node.stop(), payer.node.stop()]))

  const next = new MemoryMesh()
  next.escrow(1)
  const provider = await next.start({ number: 2, roles, engine: countingEngine(), store: before.store.crash() })
  const consumer = await next.start({
    number: 1,
    roles: { consumer: { escrow } },
    config: once,
    store: payer.store.crash(),
  })
  await next.clock.finish(ask(consumer))
  const channel = provider.node.channels().find(({ globalId }) => globalId === -239)
  expect(channel && coveredNano(channel)).toBe(costNano)
})

test('a provider that changes its payout account keeps its payers', async () => {
  const mesh = new MemoryMesh()
  const engine = countingEngine()
  const before = await mesh.start({ number: 2, roles: { provider: { payout } }, engine })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config: once })
  await mesh.clock.finish(ask(consumer))
  await mesh.clock.finish(before.node.stop())
  const roles = { provider: { payout: addressOfNumber(0x23) } }
  await mesh.start({ number: 2, roles, engine, store: before.store.crash() })
  await mesh.clock.advance(120_000)
  expect((await mesh.clock.finish(ask(consumer))).finish).toBe('length')
})

test('an answer asked for by name goes on at the same weights only', async () => {
  const mesh = new MemoryMesh()
  const roles = { provider: { payout } }
  const cheap = { provider: { completionPriceNano: 1n } }
  let isKilled = false
  const first = await mesh.start({
    number: 2,
    roles,
    config: cheap,
    engine: countingEngine({
      key: declaredModelKeyOf('weights A'),
      pause: async () => {
        await mesh.clock.sleep(10)
        if (consumer.events.some(({ type }) => type === 'first-token') && !isKilled) {
          isKilled = true
          mesh.kill(first.identity.peerId)
        }
      },
    }),
  })
  const resumed: Generation[] = []
  await mesh.start({
    number: 3,
    roles: { provider: { payout: addressOfNumber(0x23) } },
    engine: countingEngine({ key: declaredModelKeyOf('weights B'), started: (generation) => resumed.push(generation) }),
  })
  const consumer: Peer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } } })
  await expect(mesh.clock.finish(ask(consumer))).rejects.toEqual(coded('unreachable'))
  expect(resumed).toEqual([])
})

test('a provider above the ceiling is not asked', async () => {
  const mesh = new MemoryMesh()
  const dear = { promptNano: 1n, completionNano: 10_000_000_001n, cachedNano: 1n }
  impostor(mesh, 2, async (send, accept) => send(accept), { price: dear })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config: once })
  await expect(mesh.clock.finish(ask(consumer))).rejects.toEqual(coded('no-provider'))
  expect(eventsOf(consumer, 'voucher-signed')).toEqual([])
})

test('a budget bounds the answer at the provider, too', async () => {
  const mesh = new MemoryMesh()
  await mesh.start({ number: 2, roles: { provider: { payout } }, engine: countingEngine() })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config: once })
  const answer = await mesh.clock.finish(ask(consumer, { costNanoMax: 10_000n }))
  const { costNano, finish, usage } = answer
  expect(finish).toBe('length')
  expect(answer.isCutByBudget).toBe(true)
  expect(usage.completionTokens).toBeGreaterThan(0)
  expect(costNano).toBeLessThanOrEqual(10_000n)
})

test('a prompt is paid for no more tokens than its provider said it can hold', async () => {
  const mesh = new MemoryMesh()
  impostor(mesh, 2, async (send, accept) => send({ ...accept, promptTokens: 5_000 }))
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config: once })
  await expect(mesh.clock.finish(ask(consumer, prompt(6_000)))).rejects.toEqual(coded('overcharged'))
  expect(eventsOf(consumer, 'voucher-signed')).toEqual([])
})

test('tokens beyond the window are neither counted nor paid', async () => {
  const mesh = new MemoryMesh()
  impostor(mesh, 2, async (send, accept) => {
    await send(accept)
    await send({ type: 'delta', index: 0, text: '', tokens: 65, tokenIds: [] })
  })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config: once })
  await expect(mesh.clock.finish(ask(consumer))).rejects.toEqual(coded('overcharged'))
  expect(eventsOf(consumer, 'voucher-signed').map(({ amountNano }) => amountNano)).toEqual([20n])
})

test('a provider that queues for ever is left when the request is out of time', async () => {
  const mesh = new MemoryMesh()
  impostor(mesh, 2, async (send) => {
    for (;;) {
      await mesh.clock.sleep(1_000)
      await send({ type: 'queued', position: 1, etaMs: undefined })
    }
  })
  const startMs = mesh.clock.now()
  const config = { consumer: { requestMs: 30_000 } }
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config })
  await expect(mesh.clock.finish(ask(consumer))).rejects.toEqual(coded('timeout'))
  expect(mesh.clock.now() - startMs).toBeLessThan(35_000)
})

test('what was accepted is not queued again', async () => {
  const mesh = new MemoryMesh()
  impostor(mesh, 2, async (send, accept) => {
    await send(accept)
    await send({ type: 'queued', position: 1, etaMs: undefined })
  })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config: once })
  await expect(mesh.clock.finish(ask(consumer))).rejects.toEqual(coded('protocol-violation'))
})

test('one provider alone cannot say that nobody could help', async () => {
  const mesh = new MemoryMesh()
  const cheap = { ...price, completionNano: 1n }
  const refuse = (send: (frame: ProviderFrame) => Promise<void>): Promise<void> =>
    send({ type: 'fail', code: 'bad-request', message: '', retryAfterMs: undefined })
  impostor(mesh, 2, refuse, { price: cheap })
  await mesh.start({ number: 3, roles: { provider: { payout } }, engine: countingEngine() })
  const escrow = mesh.escrow(1)
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow } } })
  expect((await mesh.clock.finish(ask(consumer))).finish).toBe('length')
  impostor(mesh, 4, refuse, { price: cheap })
  await mesh.clock.advance(61_000)
  await expect(mesh.clock.finish(ask(consumer))).rejects.toEqual(coded('bad-request'))
})

test('a debt is taken while the escrow is being closed', async () => {
  const mesh = new MemoryMesh()
  const config = { settlement: { intervalMs: 3_600_000 } }
  const provider = await mesh.start({ number: 2, roles: { provider: { payout } }, engine: countingEngine(), config })
  const escrow = mesh.escrow(1, { unlockAtMs: mesh.clock.now() + 1 })
  const payer = identityOf(1)
  const terms = { globalId: -239, escrow, epoch: 0, payee: payout, amountNano: 7n }
  const voucher = signVoucher(terms, payer.sign)
  const stream = await mesh.networkOf(payer).open(provider.identity.peerId, inferProtocol)
  await stream.send(encodeFrame({ type: 'voucher', voucher }))
  for await (const _answer of stream.frames);
  expect(provider.node.channels().map(coveredNano)).toEqual([7n])
})

test('an escrow that closes faster than a provider settles is refused', async () => {
  const mesh = new MemoryMesh()
  await mesh.start({ number: 2, roles: { provider: { payout } }, engine: countingEngine() })
  const escrow = mesh.escrow(1, { unlockDelayMs: 60_000 })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow } }, config: once })
  await expect(mesh.clock.finish(ask(consumer))).rejects.toEqual(coded('escrow-unusable'))
})

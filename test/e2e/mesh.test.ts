// The mesh end to end in one process: real libp2p, real inference, real vouchers, settled on a real TVM.

import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { identityFrom } from '../../node/adapters/libp2p/identity.ts'
import type { LlamaEngine } from '../../node/adapters/llama/engine.ts'
import { unsettledOf } from '../../node/node.ts'
import { capacityTopic } from '../../protocol/ids.ts'
import { collect, freshPayout, prices, TestMesh } from './mesh.ts'

let mesh: TestMesh
let engine: LlamaEngine

beforeAll(async () => {
  mesh = await TestMesh.start()
  engine = await mesh.engine()
})
afterAll(() => mesh[Symbol.asyncDispose]())

const ask = (content: string, sampling = {}) => ({
  model: 'silkmesh-tiny',
  messages: [{ role: 'user' as const, content }],
  sampling: { temperature: 0, ...sampling },
})

describe('a consumer that knows one bootstrap address', () => {
  it('finds a provider through the DHT, is served, pays, and the chain settles exactly what the voucher says', async () => {
    const settler = await mesh.peer({ roles: { settler: true } })
    const payout = freshPayout()
    const settlement = { settler: settler.identity.peerId }
    const provider = await mesh.peer({
      roles: { provider: { payout } },
      engine,
      bootstrap: [settler],
      config: { settlement },
    })
    const seed = randomBytes(32)
    const escrow = await mesh.escrow(identityFrom(seed))
    const consumer = await mesh.peer({ roles: { consumer: { escrow } }, bootstrap: [settler], seed })

    const { text, tokenIds, result } = await collect(consumer.node.inference, ask('What is a provider?'))

    expect(text).toMatch(/provider/i)
    expect(result.provider).toBe(provider.identity.peerId)
    expect(result.finish).toBe('stop')
    expect(result.usage.completionTokens).toBe(tokenIds.length)
    const source = consumer.events.find((event) => event.type === 'advert-accepted')
    expect(source).toMatchObject({ peer: provider.identity.peerId })

    const voucher = await provider.until('voucher-booked', ({ amountNano }) => amountNano === result.costNano)
    const confirmed = await settler.until('settle-confirmed', ({ payee }) => payee === payout)
    expect(voucher.amountNano).toBe(result.costNano)
    expect(confirmed.paidNano).toBe(result.costNano)
    expect(confirmed.transaction).toMatch(/^[0-9a-f]{64}$/)

    // read back by plain HTTP, with none of our code in between
    expect(await mesh.settledOnChain(escrow, payout)).toBe(result.costNano)
    const received = await mesh.balanceOnChain(payout)
    expect(received).toBeLessThan(result.costNano)
    expect(received).toBeGreaterThan(result.costNano - 2_000_000n)

    await consumer.stop()
    await provider.stop()
    expect(unsettledOf(provider.node)).toBe(0n)
  })

  it('stays current by gossip: a change of load arrives without asking', async () => {
    const hub = await mesh.peer({ roles: {} })
    const provider = await mesh.peer({ roles: { provider: { payout: freshPayout() } }, engine, bootstrap: [hub] })
    const seed = randomBytes(32)
    const escrow = await mesh.escrow(identityFrom(seed))
    const consumer = await mesh.peer({ roles: { consumer: { escrow } }, bootstrap: [hub], seed })
    const { peerId } = provider.identity
    await consumer.until('advert-accepted', ({ peer, source }) => peer === peerId && source === 'gossip')
    for (const peer of [consumer, provider, hub]) await peer.stop()
  })

  it('gives a clear error for a model nobody serves, and names what is served', async () => {
    const provider = await mesh.peer({ roles: { provider: { payout: freshPayout() } }, engine })
    const seed = randomBytes(32)
    const escrow = await mesh.escrow(identityFrom(seed))
    const config = { consumer: { discoverMs: 1_500 } }
    const consumer = await mesh.peer({ roles: { consumer: { escrow } }, bootstrap: [provider], seed, config })
    await consumer.until('advert-accepted')
    const request = { ...ask('hello'), model: 'llama-9000b' }
    await expect(collect(consumer.node.inference, request)).rejects.toMatchObject({
      code: 'unknown-model',
      message: expect.stringContaining('silkmesh-tiny'),
    })
    for (const peer of [consumer, provider]) await peer.stop()
  })

  it('gives a clear error when there is no provider at all', async () => {
    const seed = randomBytes(32)
    const escrow = await mesh.escrow(identityFrom(seed))
    const consumer = await mesh.peer({
      roles: { consumer: { escrow } },
      seed,
      config: { consumer: { discoverMs: 200 } },
    })
    await expect(collect(consumer.node.inference, ask('hello'))).rejects.toMatchObject({ code: 'no-provider' })
    await consumer.stop()
  })

  it('is refused before anything is computed when its escrow is empty', async () => {
    const provider = await mesh.peer({ roles: { provider: { payout: freshPayout() } }, engine })
    const seed = randomBytes(32)
    const escrow = await mesh.escrow(identityFrom(seed), 40_000_000n)
    const consumer = await mesh.peer({ roles: { consumer: { escrow } }, bootstrap: [provider], seed })
    await expect(collect(consumer.node.inference, ask('What is a voucher?'))).rejects.toMatchObject({
      code: 'escrow-unusable',
      message: expect.stringContaining('can pay this provider'),
    })
    expect(provider.events.some((event) => event.type === 'request-admitted')).toBe(false)
    for (const peer of [consumer, provider]) await peer.stop()
  })

  it('is refused with an escrow that belongs to another key', async () => {
    const provider = await mesh.peer({ roles: { provider: { payout: freshPayout() } }, engine })
    const escrow = await mesh.escrow(identityFrom(randomBytes(32)))
    const consumer = await mesh.peer({ roles: { consumer: { escrow } }, bootstrap: [provider] })
    await expect(collect(consumer.node.inference, ask('hello'))).rejects.toMatchObject({ code: 'escrow-unusable' })
    for (const peer of [consumer, provider]) await peer.stop()
  })
})

describe('a consumer with several providers', () => {
  it('takes the cheapest, serves many at once, and every coin adds up', async () => {
    const payouts = [freshPayout(), freshPayout()]
    const dear = { provider: { completionPriceNano: 15_000_000_000_000n } }
    const cheap = await mesh.peer({ roles: { provider: { payout: payouts[0] ?? freshPayout() } }, engine })
    const other = await mesh.peer({
      roles: { provider: { payout: payouts[1] ?? freshPayout() } },
      engine,
      bootstrap: [cheap],
      config: dear,
    })
    const seed = randomBytes(32)
    const escrow = await mesh.escrow(identityFrom(seed))
    const consumer = await mesh.peer({ roles: { consumer: { escrow } }, bootstrap: [cheap], seed })
    await consumer.until('advert-accepted', ({ peer }) => peer === cheap.identity.peerId)
    await consumer.until('advert-accepted', ({ peer }) => peer === other.identity.peerId)

    const first = await collect(consumer.node.inference, ask('What is gossipsub?'))
    expect(first.result.provider).toBe(cheap.identity.peerId)

    const questions = ['What is a peer?', 'What is a voucher?', 'What is a provider?', 'How do I join the mesh?']
    const answers = await Promise.all(questions.map((content) => collect(consumer.node.inference, ask(content))))
    for (const { text } of answers) expect(text).not.toBe('')
    const spentNano = [first, ...answers].reduce((sum, { result }) => sum + result.costNano, 0n)
    for (const peer of [consumer, other, cheap]) await peer.stop() // draining settles
    let settledNano = 0n
    for (const payout of payouts) settledNano += await mesh.settledOnChain(escrow, payout)
    expect(settledNano).toBe(spentNano)
  })
})

describe('many requests of one consumer at one provider', () => {
  it('share one credit window and a queue, all end, and cost exactly what is settled', async () => {
    const payout = freshPayout()
    const provider = await mesh.peer({
      roles: { provider: { payout } },
      engine,
      config: { provider: { creditTokens: 32 } },
    })
    const seed = randomBytes(32)
    const escrow = await mesh.escrow(identityFrom(seed))
    const consumer = await mesh.peer({ roles: { consumer: { escrow } }, bootstrap: [provider], seed })
    await consumer.until('advert-accepted')
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => collect(consumer.node.inference, ask('What is gossipsub?'))),
    )
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    const windowNano = 32n * (prices.completionPriceNano / 1_000_000n)
    const booked = provider.events.filter((event) => event.type === 'voucher-booked')
    for (const { amountNano, owedNano } of booked) expect(owedNano - amountNano).toBeLessThanOrEqual(windowNano)
    await consumer.stop()
    await provider.stop()
    const spentNano = answers.reduce((sum, { result }) => sum + result.costNano, 0n)
    expect(await mesh.settledOnChain(escrow, payout)).toBe(spentNano)
  })
})

describe('an advert', () => {
  it('that is replayed, expired, unsigned or garbage is dropped', async () => {
    const provider = await mesh.peer({ roles: { provider: { payout: freshPayout() } }, engine })
    const seed = randomBytes(32)
    const escrow = await mesh.escrow(identityFrom(seed))
    const consumer = await mesh.peer({ roles: { consumer: { escrow } }, bootstrap: [provider], seed })
    await consumer.until('advert-accepted')
    await provider.network.publish(capacityTopic, randomBytes(100))
    const dropped = await consumer.until('advert-dropped', ({ peer }) => peer === provider.identity.peerId)
    expect(dropped.reason).toMatch(/advert/)
    for (const peer of [consumer, provider]) await peer.stop()
  })
})

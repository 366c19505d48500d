// Peers that cheat, on the wire they would cheat on: raw libp2p streams and hand-made frames against a whole node.

import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { identityFrom } from '../../node/adapters/libp2p/identity.ts'
import type { LlamaEngine } from '../../node/adapters/llama/engine.ts'
import type { Stream } from '../../node/ports.ts'
import { encodeAdvert } from '../../protocol/advert.ts'
import { decodeProviderFrame, encodeFrame, type Open, type ProviderFrame } from '../../protocol/frames.ts'
import {
  type Address,
  advertProtocol,
  declaredModelKeyOf,
  inferProtocol,
  type ModelKey,
  meshKey,
} from '../../protocol/ids.ts'
import { costNano, type Price } from '../../protocol/money.ts'
import { featuresByDefault } from '../../protocol/task.ts'
import { signVoucher, type VoucherTerms } from '../../protocol/voucher.ts'
import { collect, freshPayout, type Peer, prices, TestMesh } from './mesh.ts'

let mesh: TestMesh
let engine: LlamaEngine

beforeAll(async () => {
  mesh = await TestMesh.start()
  engine = await mesh.engine()
})
afterAll(() => mesh[Symbol.asyncDispose]())

const price: Price = {
  promptNano: prices.promptPriceNano,
  completionNano: prices.completionPriceNano,
  cachedNano: prices.promptPriceNano,
}
/** The least a provider may grant, so that the answer below is longer than one window. */
const creditTokens = 32
const windowNano = costNano({ promptTokens: 0, cachedTokens: 0, completionTokens: creditTokens }, price)

function openFrame(escrow: Address, modelKey: ModelKey, over: Partial<Open> = {}): Open {
  return {
    type: 'open',
    requestId: randomBytes(16).toString('hex'),
    modelKey,
    messages: [{ role: 'user', content: 'What is gossipsub?' }], // 42 tokens
    sampling: { temperature: 0 },
    priceMax: price,
    escrow,
    deadlineMs: 60_000,
    best: undefined,
    resumeText: '',
    resumeTokenIds: [],
    ...over,
  }
}

/** A consumer made by hand: it sends what it is told and nothing more. */
class RawConsumer {
  readonly peer: Peer
  readonly escrow: Address
  readonly seed: Uint8Array

  constructor(peer: Peer, escrow: Address, seed: Uint8Array) {
    this.peer = peer
    this.escrow = escrow
    this.seed = seed
  }

  static async join(provider: Peer): Promise<RawConsumer> {
    const seed = randomBytes(32)
    const escrow = await mesh.escrow(identityFrom(seed))
    return new RawConsumer(await mesh.peer({ roles: {}, bootstrap: [provider], seed }), escrow, seed)
  }

  open(provider: Peer): Promise<Stream> {
    return this.peer.network.open(provider.identity.peerId, inferProtocol)
  }

  voucher(payee: Address, amountNano: bigint, over: Partial<VoucherTerms> = {}): Uint8Array {
    const terms = { globalId: 31_337, escrow: this.escrow, epoch: 0, payee, amountNano, ...over }
    const voucher = signVoucher(terms, (digest) => identityFrom(this.seed).sign(digest))
    return encodeFrame({ type: 'voucher', voucher })
  }
}

async function* framesOf(stream: Stream): AsyncGenerator<ProviderFrame> {
  for await (const bytes of stream.frames) yield decodeProviderFrame(bytes)
}

async function drain(stream: Stream): Promise<void> {
  for await (const _ of stream.frames);
}

async function provide(config = {}): Promise<{ provider: Peer; payout: Address; modelKey: ModelKey }> {
  const payout = freshPayout()
  const paymentMs = { paymentMs: 700, promptPaymentMs: 700 }
  const provider = await mesh.peer({
    roles: { provider: { payout } },
    engine,
    config: { provider: { creditTokens, ...paymentMs, ...config } },
  })
  const [model] = engine.models
  if (!model) throw new TypeError('an engine without a model')
  return { provider, payout, modelKey: model.key }
}

describe('a consumer that does not pay', () => {
  it('gets nothing at all without paying the prompt', async () => {
    const { provider, modelKey } = await provide()
    const consumer = await RawConsumer.join(provider)
    const stream = await consumer.open(provider)
    await stream.send(encodeFrame(openFrame(consumer.escrow, modelKey)))
    const seen: ProviderFrame['type'][] = []
    for await (const frame of framesOf(stream)) {
      seen.push(frame.type)
      if (frame.type === 'fail') expect(frame.code).toBe('credit-exhausted')
    }
    expect(seen).toEqual(['accept', 'fail'])
    for (const peer of [consumer.peer, provider]) await peer.stop()
  })

  it('is cut off at the window, and again at once on its next stream: no window twice', async () => {
    const { provider, payout, modelKey } = await provide()
    const consumer = await RawConsumer.join(provider)
    const stream = await consumer.open(provider)
    await stream.send(encodeFrame(openFrame(consumer.escrow, modelKey)))
    let tokens = 0
    let last: ProviderFrame | undefined
    for await (const frame of framesOf(stream)) {
      last = frame
      if (frame.type === 'accept') {
        const { promptTokens, cachedTokens, tab } = frame
        const promptNano = costNano({ promptTokens, cachedTokens, completionTokens: 0 }, frame.price)
        await stream.send(consumer.voucher(payout, tab.owedNano + promptNano))
      }
      if (frame.type === 'delta') tokens += frame.tokens
    }
    expect(last).toMatchObject({ type: 'fail', code: 'credit-exhausted' })
    expect(tokens).toBeGreaterThan(creditTokens / 2)
    expect(tokens).toBeLessThanOrEqual(creditTokens)
    for (const channel of provider.node.channels()) {
      expect(channel.owedNano - (channel.best?.terms.amountNano ?? 0n)).toBeLessThanOrEqual(windowNano)
    }

    const again = await consumer.open(provider)
    await again.send(encodeFrame(openFrame(consumer.escrow, modelKey)))
    let more = 0
    for await (const frame of framesOf(again)) if (frame.type === 'delta') more += frame.tokens
    expect(tokens + more).toBeLessThanOrEqual(creditTokens)
    for (const peer of [consumer.peer, provider]) await peer.stop()
  })

  it('cannot pay with a voucher of another epoch, chain, payee or signer', async () => {
    const { provider, payout, modelKey } = await provide()
    const consumer = await RawConsumer.join(provider)
    const stranger = new RawConsumer(consumer.peer, consumer.escrow, randomBytes(32))
    const bad = [
      consumer.voucher(payout, 10n ** 9n, { epoch: 1 }),
      consumer.voucher(payout, 10n ** 9n, { globalId: -239 }),
      consumer.voucher(freshPayout(), 10n ** 9n),
      stranger.voucher(payout, 10n ** 9n),
    ]
    for (const voucher of bad) {
      const stream = await consumer.open(provider)
      await stream.send(encodeFrame(openFrame(consumer.escrow, modelKey)))
      let failure: ProviderFrame | undefined
      for await (const frame of framesOf(stream)) {
        if (frame.type === 'accept') await stream.send(voucher)
        if (frame.type === 'fail') failure = frame
        expect(frame.type).not.toBe('delta')
      }
      expect(failure).toMatchObject({ code: 'voucher-invalid' })
    }
    expect(provider.events.some((event) => event.type === 'voucher-booked')).toBe(false)
    for (const peer of [consumer.peer, provider]) await peer.stop()
  })
})

describe('a consumer that sends garbage', () => {
  it('loses its stream, and the provider serves the next one', async () => {
    const { provider, modelKey } = await provide()
    const consumer = await RawConsumer.join(provider)
    for (const bytes of [randomBytes(64), new Uint8Array(0), randomBytes(60_000)]) {
      const stream = await consumer.open(provider)
      await stream.send(bytes)
      await expect(drain(stream)).rejects.toThrow()
    }
    const stream = await consumer.open(provider)
    await stream.send(encodeFrame(openFrame(consumer.escrow, modelKey)))
    const first = await framesOf(stream).next()
    expect(first.value?.type).toBe('accept')
    for (const peer of [consumer.peer, provider]) await peer.stop()
  })
})

/** A provider made by hand: adverts like an honest one at half the price, and answers a request as it is told. */
async function cheat(
  honest: Peer,
  modelKey: ModelKey,
  answer: (stream: Stream, payout: Address) => Promise<void>,
): Promise<Peer> {
  const seed = randomBytes(32)
  const identity = identityFrom(seed)
  const payout = freshPayout()
  const peer = await mesh.peer({ roles: {}, bootstrap: [honest], seed })
  const offer = {
    modelKey,
    name: 'silkmesh-tiny',
    contextTokens: 512,
    price: { promptNano: price.promptNano / 2n, completionNano: price.completionNano / 2n, cachedNano: 0n },
    slots: 4,
    slotsFree: 4,
    queued: 0,
    prefillTokensPerSecond: 1_000,
    decodeTokensPerSecond: 1_000,
    features: featuresByDefault,
    vocabularySha256: undefined,
  }
  peer.network.handle(advertProtocol, async (stream) => {
    const now = Date.now()
    const advert = {
      peer: identity.peerId,
      sequence: now,
      validUntilMs: now + 60_000,
      payout,
      offers: [offer],
      addresses: peer.network.addresses(),
      agent: 'cheat',
    }
    await stream.send(encodeAdvert(advert, identity.publicKey, (message) => identity.sign(message)))
    await stream.close()
  })
  peer.network.handle(inferProtocol, (stream) => answer(stream, payout))
  const stop = new AbortController()
  for (const key of [meshKey, declaredModelKeyOf('silkmesh-tiny')]) {
    peer.network.provide(key, stop.signal).catch(() => undefined) // ends with the test
  }
  return peer
}

describe('a provider that cheats', () => {
  const accept = (payout: Address, over = {}): Uint8Array =>
    encodeFrame({
      type: 'accept',
      price: { promptNano: price.promptNano / 2n, completionNano: price.completionNano / 2n, cachedNano: 0n },
      promptTokens: 17,
      cachedTokens: 0,
      creditTokens,
      tab: { globalId: 31_337, epoch: 0, payee: payout, owedNano: 0n, best: undefined },
      ...over,
    })
  const delta = (index: number, tokens: number): Uint8Array =>
    encodeFrame({ type: 'delta', index, text: 'x', tokens, tokenIds: Array.from({ length: tokens }, () => 5) })

  const tricks: readonly (readonly [
    what: string,
    expected: string,
    answer: (stream: Stream, payout: Address) => Promise<void>,
  ])[] = [
    ['garbage instead of frames', 'protocol-violation', (stream) => stream.send(randomBytes(500))],
    ['tokens before accepting', 'protocol-violation', (stream) => stream.send(delta(0, 1))],
    [
      'a gap between tokens',
      'protocol-violation',
      async (stream, payout) => {
        await stream.send(accept(payout))
        await stream.send(delta(3, 1))
      },
    ],
    ['a price above its advert', 'overcharged', (stream, payout) => stream.send(accept(payout, { price }))],
    [
      'more prompt tokens than the prompt has bytes',
      'overcharged',
      (stream, payout) => stream.send(accept(payout, { promptTokens: 100_000 })),
    ],
    [
      'an old debt that never was',
      'overcharged',
      (stream, payout) =>
        stream.send(
          accept(payout, {
            tab: { globalId: 31_337, epoch: 0, payee: payout, owedNano: 5_000_000_000n, best: undefined },
          }),
        ),
    ],
    [
      'vouchers for an epoch to come',
      'overcharged',
      (stream, payout) =>
        stream.send(
          accept(payout, { tab: { globalId: 31_337, epoch: 1, payee: payout, owedNano: 0n, best: undefined } }),
        ),
    ],
    [
      'tokens far beyond the window',
      'overcharged',
      async (stream, payout) => {
        await stream.send(accept(payout))
        await stream.send(delta(0, creditTokens + 1))
      },
    ],
    ['silence after hanging up', 'unreachable', (stream) => stream.close()],
  ]

  it.each(tricks)(
    'with %s is dropped for %s, and the answer comes from an honest one',
    async (_what, expected, answer) => {
      const { provider, modelKey } = await provide()
      const liar = await cheat(provider, modelKey, answer)
      const seed = randomBytes(32)
      const escrow = await mesh.escrow(identityFrom(seed))
      const consumer = await mesh.peer({ roles: { consumer: { escrow } }, bootstrap: [provider], seed })
      await consumer.until('advert-accepted', ({ peer }) => peer === liar.identity.peerId)
      await consumer.until('advert-accepted', ({ peer }) => peer === provider.identity.peerId)
      const { text, result } = await collect(consumer.node.inference, {
        model: 'silkmesh-tiny',
        messages: [{ role: 'user', content: 'What is a provider?' }],
        sampling: { temperature: 0 },
      })
      const failed = await consumer.until('attempt-failed')
      expect(failed).toMatchObject({ peer: liar.identity.peerId, code: expected })
      expect(result.provider).toBe(provider.identity.peerId)
      expect(text).toMatch(/provider/i)
      const lost = consumer.events
        .filter((event) => event.type === 'voucher-signed' && event.peer === liar.identity.peerId)
        .map((event) => (event.type === 'voucher-signed' ? event.amountNano : 0n))
      expect(lost.length).toBeLessThanOrEqual(1) // the prompt fee at most
      for (const peer of [consumer, liar, provider]) await peer.stop()
    },
  )
})

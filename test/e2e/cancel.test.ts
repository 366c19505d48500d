// A client that goes away stops the decoder and the meter: through HTTP, real libp2p and a real engine, in counted tokens.

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { identityFrom } from '../../node/adapters/libp2p/identity.ts'
import { type LlamaEngine, startLlamaEngine } from '../../node/adapters/llama/engine.ts'
import { decodeAheadTokens } from '../../node/adapters/llama/messages.ts'
import { systemClock } from '../../node/adapters/system.ts'
import { createGateway, keyRing } from '../../node/gateway/http.ts'
import { type ServedGateway, serveGateway } from '../../node/gateway/listen.ts'
import { defaultRandomModel, writeRandomGguf } from '../../node/models/random-gguf.ts'
import type { Engine } from '../../node/ports.ts'
import { MeshError } from '../../protocol/errors.ts'
import { costNano } from '../../protocol/money.ts'
import { freshPayout, type Peer, prices, TestMesh } from './mesh.ts'

/** Decoded greedily it never ends by itself, so that all that ends an answer early is the cancel. */
const endless = { ...defaultRandomModel, dim: 256, layers: 4, ffn: 512, vocabulary: 300 }
const tokensMax = 3_000
const creditTokens = 32
const seenTokens = 40

let mesh: TestMesh
let engine: LlamaEngine
let gateway: ServedGateway
let provider: Peer
let consumer: Peer
/** What the engine told its provider, over all answers. */
let decodedTokens = 0

function counted(real: LlamaEngine): Engine {
  return {
    models: real.models,
    slots: real.slots,
    prepare: (generation, signal) => real.prepare(generation, signal),
    async *generate(prompt, signal) {
      const generation = real.generate(prompt, signal)
      try {
        for (;;) {
          const next = await generation.next()
          if (next.done) return next.value
          decodedTokens += next.value.tokens
          yield next.value
        }
      } finally {
        await generation.return('stop')
      }
    },
  }
}

beforeAll(async () => {
  mesh = await TestMesh.start()
  const model = join(mesh.dir, 'endless.gguf')
  writeRandomGguf(model, endless)
  engine = await startLlamaEngine({
    model,
    slots: 2,
    threads: 1,
    contextTokens: 4_096,
    gpu: false,
    modelsDir: mesh.dir,
  })
  const roles = { provider: { payout: freshPayout() } }
  provider = await mesh.peer({ roles, engine: counted(engine), config: { provider: { creditTokens } } })
  const seed = randomBytes(32)
  const escrow = await mesh.escrow(identityFrom(seed), 100_000_000_000n)
  const config = { consumer: { requestNanoMax: 100_000_000_000n } }
  consumer = await mesh.peer({ roles: { consumer: { escrow } }, bootstrap: [provider], seed, config })
  await consumer.until('advert-accepted')
  const { inference } = consumer.node
  if (!inference) throw new TypeError('not a consumer')
  const apiKeys = keyRing(['sk-test'])
  gateway = await serveGateway(
    createGateway({ inference, clock: systemClock, apiKeys, metrics: async () => '', health: () => ({ ok: true }) }),
    { host: '127.0.0.1', port: 0 },
  )
})
afterAll(async () => {
  await gateway?.stop(0)
  await mesh?.[Symbol.asyncDispose]()
  await engine?.stop()
})

const messages = [{ role: 'user', content: 'hello' }] as const

/** Both accounts of the request that finishes next, which are one. */
async function finished(requestsBefore: number): Promise<{ readonly completionTokens: number }> {
  const isNew = (events: Peer['events'], type: string): boolean =>
    events.filter((event) => event.type === type).length > requestsBefore
  await expect.poll(() => isNew(consumer.events, 'request-finished'), { timeout: 20_000 }).toBe(true)
  await expect.poll(() => isNew(provider.events, 'request-served'), { timeout: 20_000 }).toBe(true)
  const asked = consumer.events.findLast((event) => event.type === 'request-finished')
  const served = provider.events.findLast((event) => event.type === 'request-served')
  expect(served).toMatchObject({ outcome: 'cancelled', costNano: asked?.costNano })
  expect(asked?.outcome).toBe('cancelled')
  const usage = asked?.usage ?? { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }
  const { promptPriceNano: promptNano, completionPriceNano: completionNano } = prices
  expect(asked?.costNano).toBe(costNano(usage, { promptNano, completionNano, cachedNano: promptNano }))
  return usage
}

function requests(): number {
  return consumer.events.filter(({ type }) => type === 'request-finished').length
}

it('at the consumer’s own door no token comes after the cancel beyond the credit window', async () => {
  const [before, decodedBefore] = [requests(), decodedTokens]
  const leaving = new AbortController()
  const asked = { model: 'endless', messages, sampling: { temperature: 0, tokensMax } }
  let [seen, seenAtCancel] = [0, 0]
  for await (const event of consumer.node.inference?.infer(asked, leaving.signal) ?? []) {
    if (event.type !== 'delta') continue
    seen += event.tokens
    if (seen < seenTokens || leaving.signal.aborted) continue
    seenAtCancel = seen
    leaving.abort(new MeshError('cancelled', 'the client went away'))
  }
  const { completionTokens } = await finished(before)
  expect(seenAtCancel).toBeGreaterThanOrEqual(seenTokens)
  expect(completionTokens).toBe(seen)
  expect(completionTokens - seenAtCancel).toBeLessThanOrEqual(creditTokens)
  // the engine told of at most what fits the window, and the child may be so many tokens ahead of that
  expect(decodedTokens - decodedBefore).toBeLessThanOrEqual(completionTokens + decodeAheadTokens)
})

it.each([
  { answer: 'a stream', stream: true },
  { answer: 'an answer in one piece', stream: false },
])('a client that hangs up on $answer stops what it pays for', async ({ stream }) => {
  const [before, decodedBefore] = [requests(), decodedTokens]
  const leaving = new AbortController()
  const body = JSON.stringify({ model: 'endless', messages, temperature: 0, max_tokens: tokensMax, stream })
  const headers = { authorization: 'Bearer sk-test', 'content-type': 'application/json' }
  const url = `${gateway.url}/v1/chat/completions`
  const answer = fetch(url, { method: 'POST', headers, body, signal: leaving.signal })
  if (stream) {
    let chunks = 0
    for await (const _ of (await answer).body ?? []) if (++chunks === 5) break
  } else {
    answer.catch(() => undefined)
    await expect.poll(() => decodedTokens - decodedBefore, { interval: 1, timeout: 20_000 }).toBeGreaterThan(seenTokens)
  }
  const atHangUp = decodedTokens - decodedBefore
  leaving.abort()
  const { completionTokens } = await finished(before)
  // a socket's buffers hide what is beyond them; that the answer ended at a tenth shows that it was the cancel
  expect(completionTokens).toBeLessThan(atHangUp + tokensMax / 10)
  const after = decodedTokens
  await new Promise((resolve) => setTimeout(resolve, 0))
  expect(decodedTokens).toBe(after)
})

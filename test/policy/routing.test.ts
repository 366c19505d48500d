// Routing in a mesh: what a consumer does with its choices, and what it learns for the next ones.

import { expect, test } from 'vitest'
import type { Overrides } from '../../node/config.ts'
import type { NodeEvent } from '../../node/events.ts'
import type { InferenceRequest, InferenceResult } from '../../node/inference.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { featuresByDefault } from '../../protocol/task.ts'
import { countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber, peerOf } from './peers.ts'

const payout = (number: number) => addressOfNumber(0x40 + number)

async function ask({ node }: Peer, request: Partial<InferenceRequest> = {}): Promise<InferenceResult> {
  const messages = [{ role: 'user', content: 'x'.repeat(400) }] as const
  const asked = { model: 'm', messages, sampling: { tokensMax: 10 }, ...request }
  const events = node.inference?.infer(asked, new AbortController().signal)
  if (!events) throw new TypeError('not a consumer')
  for (;;) {
    const next = await events.next()
    if (next.done) return next.value
  }
}

function eventsOf<T extends NodeEvent['type']>({ events }: Peer, type: T): readonly (NodeEvent & { type: T })[] {
  return events.filter((event): event is NodeEvent & { type: T } => event.type === type)
}

/** Providers of these numbers, and a consumer that knows them all. */
async function meshOf(
  numbers: readonly number[],
  {
    consumer = {},
    engine = () => countingEngine(),
  }: { consumer?: Overrides['consumer']; engine?: typeof countingEngine } = {},
): Promise<{ readonly mesh: MemoryMesh; readonly consumer: Peer; readonly providers: ReadonlyMap<number, Peer> }> {
  const mesh = new MemoryMesh()
  const providers = new Map<number, Peer>()
  const start = async (number: number) => {
    providers.set(
      number,
      await mesh.start({ number, roles: { provider: { payout: payout(number) } }, engine: engine() }),
    )
  }
  for (const number of numbers) await start(number)
  const peer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config: { consumer } })
  await mesh.clock.advance(3_000) // adverts arrive
  return { mesh, consumer: peer, providers }
}

test('a conversation returns to the provider that answered it last', async () => {
  const { mesh, consumer } = await meshOf([2, 3])
  const first = await mesh.clock.finish(ask(consumer))
  const other = first.provider === peerOf(2) ? peerOf(3) : peerOf(2)
  await mesh.clock.finish(ask(consumer, { affinity: 'talk', preferences: { order: [other] } }))
  expect((await mesh.clock.finish(ask(consumer, { affinity: 'talk' }))).provider).toBe(other)
  expect((await mesh.clock.finish(ask(consumer, { affinity: 'another' }))).provider).toBe(first.provider)
})

test('what nobody can do is unsupported, by the name of the parameter, and nobody is asked', async () => {
  const { mesh, consumer } = await meshOf([2, 3])
  const asked = ask(consumer, { sampling: { logprobs: 2 } })
  await expect(mesh.clock.finish(asked)).rejects.toMatchObject({ code: 'unsupported', param: 'logprobs' })
  expect(eventsOf(consumer, 'provider-chosen')).toEqual([])
})

test('what one can do is asked of that one', async () => {
  const mesh = new MemoryMesh()
  const plain = countingEngine()
  const able = {
    ...plain,
    models: plain.models.map((model) => ({ ...model, features: [...featuresByDefault, 'logprobs'] as const })),
  }
  await mesh.start({ number: 2, roles: { provider: { payout: payout(2) } }, engine: plain })
  await mesh.start({ number: 3, roles: { provider: { payout: payout(3) } }, engine: able })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } } })
  await mesh.clock.advance(3_000)
  const answers = Array.from({ length: 4 }, () => ask(consumer, { sampling: { logprobs: 2, tokensMax: 1 } }))
  expect((await mesh.clock.finish(Promise.all(answers))).map(({ provider }) => provider)).toEqual(
    Array(4).fill(peerOf(3)),
  )
})

test('no provider gets more requests at once than it takes while another has room', async () => {
  let open = () => {}
  const gate = new Promise<void>((resolve) => (open = resolve))
  const { mesh, consumer } = await meshOf([2, 3], {
    consumer: { order: [peerOf(2)] },
    engine: () => countingEngine({ pause: () => gate }),
  })
  const answers = Promise.all(Array.from({ length: 12 }, () => ask(consumer)))
  await mesh.clock.advance(100)
  const counts = Map.groupBy(eventsOf(consumer, 'provider-chosen'), ({ peer }) => peer)
  expect([...counts].map(([peer, chosen]) => [peer, chosen.length])).toEqual([
    [peerOf(2), 8],
    [peerOf(3), 4],
  ])
  open()
  expect((await mesh.clock.finish(answers)).every(({ failovers }) => failovers === 0)).toBe(true)
})

test('providers that cannot be connected to use no attempt up, within their own bound', async () => {
  const dead = [2, 3, 4, 5, 6, 7]
  const order = dead.map(peerOf)
  const cut = async (unreachedMax: number) => {
    const { mesh, consumer } = await meshOf([...dead, 8], { consumer: { order, attemptsMax: 2, unreachedMax } })
    for (const peer of order) mesh.kill(peer)
    return { consumer, answer: mesh.clock.finish(ask(consumer)) }
  }
  const enough = await cut(6)
  expect(await enough.answer).toMatchObject({ provider: peerOf(8), failovers: 6 })
  const tooFew = await cut(3)
  await expect(tooFew.answer).rejects.toMatchObject({ code: 'unreachable' })
  expect(eventsOf(tooFew.consumer, 'provider-chosen')).toHaveLength(5)
})

test('a provider that failed is asked last by the next request', async () => {
  const { mesh, consumer } = await meshOf([2, 3], { consumer: { routing: 'least-price' } })
  const { provider } = await mesh.clock.finish(ask(consumer))
  mesh.kill(provider)
  await mesh.clock.finish(ask(consumer))
  const before = eventsOf(consumer, 'provider-chosen').length
  await mesh.clock.finish(ask(consumer))
  const [next, ...more] = eventsOf(consumer, 'provider-chosen').slice(before)
  expect(more).toEqual([])
  expect(next?.peer).not.toBe(provider)
  expect(next?.considered.map(({ standing }) => standing)).toEqual(['free slot', 'failed lately'])
})

test('without fallbacks the first failure is the answer', async () => {
  const { mesh, consumer } = await meshOf([2, 3])
  mesh.kill(peerOf(2))
  const asked = ask(consumer, { preferences: { order: [peerOf(2)], allowFallbacks: false } })
  await expect(mesh.clock.finish(asked)).rejects.toMatchObject({ code: 'unreachable' })
  expect(eventsOf(consumer, 'provider-chosen')).toHaveLength(1)
})

test('a choice tells what was known of the chosen one and of others', async () => {
  const { mesh, consumer } = await meshOf([2, 3, 4, 5])
  const { provider } = await mesh.clock.finish(ask(consumer))
  const [chosen] = eventsOf(consumer, 'provider-chosen')
  expect(chosen?.considered).toHaveLength(3)
  expect(chosen?.considered[0]).toMatchObject({
    peer: provider,
    standing: 'free slot',
    costNano: 100n * 20n + 10n * 160n, // four letters a token are assumed of the prompt
    slotsFree: 16,
    queued: 0,
    success: 1,
  })
})

test('what was measured of a provider shows in the next choice', async () => {
  const { mesh, consumer } = await meshOf([2], { engine: () => countingEngine({ pause: () => mesh.clock.sleep(100) }) })
  await mesh.clock.finish(ask(consumer))
  await mesh.clock.finish(ask(consumer))
  const [before, after] = eventsOf(consumer, 'provider-chosen').map(({ considered }) => considered[0])
  expect(before?.decodeTokensPerSecond).toBe(1) // as it advertised
  expect(after?.decodeTokensPerSecond).toBeGreaterThan(3) // of the ten that it did
})

test('a request leaves the queue of a provider that had advertised a free slot, where another has one', async () => {
  let open = () => {}
  const gate = new Promise<void>((resolve) => (open = resolve))
  const { mesh, consumer } = await meshOf([2, 3], { engine: () => countingEngine({ slots: 1, pause: () => gate }) })
  const other = await mesh.start({
    number: 9,
    roles: { consumer: { escrow: mesh.escrow(9, { address: addressOfNumber(0xe9) }) } },
  })
  await mesh.clock.advance(3_000)
  const preferences = { order: [peerOf(2)] }
  const theirs = ask(other, { preferences })
  await mesh.clock.advance(10) // too soon for a new advert
  const own = ask(consumer, { preferences })
  await mesh.clock.advance(10)
  expect(eventsOf(consumer, 'provider-chosen').map(({ peer }) => peer)).toEqual([peerOf(2), peerOf(3)])
  expect(eventsOf(consumer, 'attempt-failed')).toMatchObject([{ code: 'busy', tokensDelivered: 0 }])
  open()
  const providers: readonly PeerId[] = (await mesh.clock.finish(Promise.all([theirs, own]))).map(
    ({ provider }) => provider,
  )
  expect(providers).toEqual([peerOf(2), peerOf(3)])
})

test('a request stays in the queue where nobody else has a slot', async () => {
  let open = () => {}
  const gate = new Promise<void>((resolve) => (open = resolve))
  const { mesh, consumer } = await meshOf([2], { engine: () => countingEngine({ slots: 1, pause: () => gate }) })
  const other = await mesh.start({
    number: 9,
    roles: { consumer: { escrow: mesh.escrow(9, { address: addressOfNumber(0xe9) }) } },
  })
  await mesh.clock.advance(3_000)
  const theirs = ask(other)
  await mesh.clock.advance(10)
  const own = ask(consumer)
  await mesh.clock.advance(10)
  open()
  await mesh.clock.finish(Promise.all([theirs, own]))
  expect(eventsOf(consumer, 'provider-chosen')).toHaveLength(1)
})

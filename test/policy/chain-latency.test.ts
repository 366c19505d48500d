// Reading the chain takes time: who is known does not wait for it, and nothing is computed on a view that is out of date.

import { expect, test } from 'vitest'
import type { NodeEvent } from '../../node/events.ts'
import { ask, countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { Payer, payerEscrow } from './payer.ts'
import { addressOfNumber } from './peers.ts'

const minute = 60_000
const readMs = 100
/** Of five tokens. */
const promptNano = 100n
const payout = addressOfNumber(0x22)

interface Stage {
  readonly mesh: MemoryMesh
  readonly provider: Peer
  /** When the engine began with each request. */
  readonly begunAtMs: number[]
}

/** A chain that tells of an escrow after `readMs`. */
async function stage(tokenMs = 0): Promise<Stage> {
  const mesh = new MemoryMesh()
  const begunAtMs: number[] = []
  const engine = countingEngine({
    started: () => void begunAtMs.push(mesh.clock.now()),
    ...(tokenMs > 0 && { pause: () => mesh.clock.sleep(tokenMs) }),
  })
  const provider = await mesh.start({ number: 2, roles: { provider: { payout } }, engine })
  mesh.chain.delay = () => mesh.clock.sleep(readMs)
  return { begunAtMs, mesh, provider }
}

/** Who was served before pays on top of that. */
async function open({ mesh, provider }: Stage, before?: Payer): Promise<Payer> {
  const payer = await Payer.open(mesh, 1, provider.identity.peerId, {}, before === undefined)
  if (!before) return payer
  payer.paidNano = before.paidNano
  payer.isPaying = true
  await payer.pay(promptNano)
  return payer
}

test('a payer that a provider knows is accepted at once, and its prompt begun when the chain has answered', async () => {
  const parts = await stage()
  const { begunAtMs, mesh } = parts
  const waits: number[][] = []
  let before: Payer | undefined
  for (let turn = 0; turn < 2; turn += 1) {
    const openedAtMs = mesh.clock.now()
    const payer = await open(parts, before)
    before = payer
    await mesh.clock.advance(minute)
    expect(payer.frames.at(-1)).toMatchObject({ type: 'end', finish: 'length' })
    const accepted = payer.heard.find(({ frame }) => frame.type === 'accept')
    waits.push([accepted?.atMs ?? 0, begunAtMs[turn] ?? 0].map((atMs) => atMs - openedAtMs))
  }
  expect(waits).toEqual([
    [readMs, readMs],
    [0, readMs],
  ])
})

test('a consumer reads its own escrow behind the back of a request, once it knows it', async () => {
  const { mesh } = await stage()
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } } })
  const waitedMs: number[] = []
  for (let turn = 0; turn < 2; turn += 1) {
    const startMs = mesh.clock.now()
    await mesh.clock.finish(ask(consumer))
    waitedMs.push(mesh.clock.now() - startMs)
    await mesh.clock.advance(10 * minute)
  }
  expect(waitedMs).toEqual([2 * readMs, readMs])
})

test('a stream never waits for the chain: the view it runs on is renewed in time', async () => {
  const tokenMs = 500
  const parts = await stage(tokenMs)
  const { mesh } = parts
  const payer = await open(parts)
  await mesh.clock.advance(2 * minute)
  const atMs = payer.heard.flatMap((heard) => (heard.frame.type === 'delta' ? [heard.atMs] : []))
  const gapsMs = atMs.slice(1).map((at, index) => at - (atMs[index] ?? 0))
  expect(atMs.length).toBeGreaterThan(90)
  expect(Math.max(...gapsMs)).toBeLessThan(tokenMs + readMs)
})

test.each([
  ['is in another epoch', { epoch: 1 }],
  ['is being closed', { unlockAtMs: 1 }],
  ['is empty', { freeNano: 0n }],
])('nothing is computed for a payer whose escrow %s by now', async (_, change) => {
  const parts = await stage()
  const { begunAtMs, mesh } = parts
  const first = await open(parts)
  await mesh.clock.advance(minute)
  expect(first.isEnded).toBe(true)
  mesh.escrow(1, { address: payerEscrow(1), ...change })
  const second = await open(parts, first)
  await mesh.clock.advance(minute)
  expect(second.frames).toMatchObject([{ type: 'accept' }, { type: 'fail', code: 'escrow-unusable' }])
  expect(begunAtMs).toHaveLength(1)
})

test('a consumer whose escrow began a new epoch is served in it, after one refusal', async () => {
  const { mesh, provider } = await stage()
  const escrow = mesh.escrow(1)
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow } } })
  await mesh.clock.finish(ask(consumer))
  await mesh.clock.advance(10 * minute)
  mesh.escrow(1, { epoch: 1 })
  await mesh.clock.finish(ask(consumer).catch(() => undefined))
  await mesh.clock.advance(minute)
  await mesh.clock.finish(ask(consumer))
  await mesh.clock.advance(minute)
  const failed = consumer.events.filter((event: NodeEvent) => event.type === 'attempt-failed')
  expect(failed).toMatchObject([{ code: 'escrow-unusable' }])
  const epochs = provider.node
    .channels()
    .map((channel) => [channel.epoch, channel.owedNano === channel.best?.terms.amountNano])
  expect(epochs).toContainEqual([1, true])
})

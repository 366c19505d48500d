// A node that is stopped ends what it had begun: nobody who asked it waits for ever.

import { expect, test } from 'vitest'
import { asMeshError } from '../../protocol/errors.ts'
import { countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber } from './peers.ts'

const messages = [{ role: 'user', content: 'hello' }] as const

async function meshOf(pause: () => Promise<void>): Promise<{ readonly mesh: MemoryMesh; readonly consumer: Peer }> {
  const mesh = new MemoryMesh()
  await mesh.start({
    number: 2,
    roles: { provider: { payout: addressOfNumber(0x22) } },
    engine: countingEngine({ pause }),
  })
  const consumerWaits = { betweenDeltasMs: 300_000, firstByteMs: 300_000, connectMs: 60_000 }
  const config = { consumer: consumerWaits, provider: { drainMs: 5_000 } }
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config })
  return { mesh, consumer }
}

function answered({ node }: Peer): Promise<string> {
  const ask = async (): Promise<string> => {
    const events = node.inference?.infer({ model: 'm', messages, sampling: {} }, new AbortController().signal)
    for (;;) {
      const next = await events?.next()
      if (!next || next.done) return next?.value.finish ?? 'not a consumer'
    }
  }
  return ask().catch((error: unknown) => asMeshError(error).code)
}

test('an answer that outlasts the drain ends with "draining"', async () => {
  const { consumer, mesh } = await meshOf(() => new Promise(() => undefined))
  const answer = answered(consumer)
  await mesh.clock.advance(1_000)
  await mesh.clock.finish(consumer.node.stop())
  expect(await mesh.clock.finish(answer)).toBe('draining')
  expect(consumer.events.filter(({ type }) => type === 'request-finished')).toHaveLength(1)
})

// found by the simulator: swarm, seed 7
test('so does one that waits for a chain that does not answer', async () => {
  const { consumer, mesh } = await meshOf(() => Promise.resolve())
  mesh.chain.delay = () => new Promise(() => undefined)
  const answer = answered(consumer)
  await mesh.clock.advance(1_000)
  await mesh.clock.finish(consumer.node.stop())
  expect(await mesh.clock.finish(answer)).toBe('draining')
})

test('an answer that ends within the drain is whole', async () => {
  const { consumer, mesh } = await meshOf(() => mesh.clock.sleep(20))
  const answer = answered(consumer)
  await mesh.clock.advance(1_000)
  await mesh.clock.finish(consumer.node.stop())
  expect(await answer).toBe('length')
})

// A caller that takes its time reading an answer is no fault of the provider.

import { expect, test } from 'vitest'
import { countingEngine, MemoryMesh } from './memory-mesh.ts'
import { addressOfNumber } from './peers.ts'

test('a caller may pause longer between deltas than a provider may', async () => {
  const mesh = new MemoryMesh()
  const roles = { provider: { payout: addressOfNumber(0x22) } }
  await mesh.start({ number: 2, roles, engine: countingEngine() })
  const config = { consumer: { attemptsMax: 1, betweenDeltasMs: 10_000 } }
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config })
  const messages = [{ role: 'user', content: 'hello' }] as const
  const events = consumer.node.inference?.infer({ model: 'm', messages, sampling: {} }, new AbortController().signal)
  const read = async (): Promise<string | undefined> => {
    let deltas = 0
    for (;;) {
      const next = await events?.next()
      if (next?.done) return next.value.finish
      deltas += 1
      if (deltas === 3) await mesh.clock.sleep(12_000)
    }
  }
  expect(await mesh.clock.finish(read())).toBe('length')
  expect(consumer.events.filter(({ type }) => type === 'attempt-failed')).toEqual([])
})

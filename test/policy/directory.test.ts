// What a consumer knows of who offers what, as providers come and go.

import { expect, test } from 'vitest'
import { MemoryStore } from '../memory-store.ts'
import { countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber } from './peers.ts'

test('the only provider is found again soon after a restart, though its first advert is lost', async () => {
  const mesh = new MemoryMesh()
  const store = new MemoryStore()
  const providing = { number: 2, roles: { provider: { payout: addressOfNumber(0x22) } }, store }
  const start = (): Promise<Peer> => mesh.start({ ...providing, engine: countingEngine() })
  const before = await start()
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } } })
  const offers = (): number => consumer.node.directory.candidates('m').length
  await mesh.clock.advance(1_000)
  expect(offers()).toBe(1)

  const stopped = before.node.stop()
  await mesh.clock.advance(1_000)
  await stopped
  expect(offers()).toBe(0)

  mesh.isGossipLost = true
  await start()
  await mesh.clock.advance(3_000)
  expect(offers()).toBe(1)
})

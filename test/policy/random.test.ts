// Randomness by concern: what one part of a node draws shifts nothing that another draws.

import { expect, test } from 'vitest'
import { configOf } from '../../node/config.ts'
import { startNode } from '../../node/node.ts'
import type { Random } from '../../node/ports.ts'
import { MemoryStore } from '../memory-store.ts'
import { countingEngine, MemoryMesh } from './memory-mesh.ts'
import { addressOfNumber, identityOf } from './peers.ts'

test('a node draws from streams named by concern, and never from the one they come from', async () => {
  const mesh = new MemoryMesh()
  const drawn: string[] = []
  const randomOf = (path: string): Random => ({
    next: () => {
      drawn.push(path)
      return 0.5
    },
    bytes: (length) => {
      drawn.push(path)
      return new Uint8Array(length)
    },
    fork: (label) => randomOf(`${path}/${label}`),
  })
  const identity = identityOf(1)
  const node = await startNode(
    configOf({ consumer: { routing: 'p2c' } }),
    {
      clock: mesh.clock,
      random: randomOf(''),
      identity,
      network: mesh.networkOf(identity),
      engine: countingEngine(),
      store: new MemoryStore(),
      chain: mesh.chain,
      observe: () => undefined,
    },
    { provider: { payout: addressOfNumber(0x22) }, consumer: { escrow: mesh.escrow(1) }, settler: true },
  )
  await mesh.start({ number: 2, roles: { provider: { payout: addressOfNumber(0x23) } }, engine: countingEngine() })
  const messages = [{ role: 'user', content: 'hello' }] as const
  const answer = node.inference?.infer({ model: 'm', messages, sampling: {} }, new AbortController().signal)
  await mesh.clock.finish(Promise.resolve(answer?.next()))
  await mesh.clock.advance(60_000)
  await mesh.clock.finish(node.stop())
  const concerns = ['/advertiser', '/collector', '/directory', '/ledger', '/requests', '/requests/routing', '/settler']
  expect([...new Set(drawn)].sort()).toEqual(concerns)
})

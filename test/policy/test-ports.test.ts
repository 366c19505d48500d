// The ports of these tests are held to the contracts of the real ones.

import { expect, test } from 'vitest'
import { ManualClock } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { clockContract } from '../ports/clock.contract.ts'
import { storeContract } from '../ports/store.contract.ts'

clockContract('by hand', () => {
  const clock = new ManualClock()
  return { clock, drive: (work) => clock.finish(work) }
})

storeContract('in memory', async () => {
  const store = new MemoryStore(new Map(), 1_000)
  return { store, entryBytesMax: 1_000, reopen: async () => store.crash() }
})

test('a store that is held acknowledges nothing before it is flushed', async () => {
  const store = new MemoryStore()
  store.hold()
  const entry = new Uint8Array(1)
  const acknowledged: string[] = []
  const first = store.append('log', entry).then(() => acknowledged.push('first'))
  void store.append('log', entry).then(() => acknowledged.push('second'))
  expect(await store.read('log')).toHaveLength(0)
  store.flush(1)
  await first
  expect(acknowledged).toEqual(['first'])
  expect(await store.read('log')).toHaveLength(1)
  expect(await store.crash(1).read('log')).toHaveLength(2)
})

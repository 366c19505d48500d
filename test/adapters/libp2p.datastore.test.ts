// libp2p's records keep to their bounds whatever strangers store, and this node's own are never the ones to go.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BoundedDatastore } from '../../node/adapters/libp2p/datastore.ts'

type Key = Parameters<BoundedDatastore['get']>[0]

/** A key is only ever asked for its text. */
function keyOf(text: string): Key {
  return { toString: () => text } as Key
}

function small(): BoundedDatastore {
  return new BoundedDatastore({
    entriesMax: { '/peers/': 3, '/dht/provider/': 4 },
    valueBytesMax: 8,
    isPinned: (key) => key.endsWith('own'),
  })
}

const names = (store: BoundedDatastore, prefix: string): string[] =>
  [...store.query({ prefix })].map(({ key }) => key.toString()).toSorted()

describe('records', () => {
  test('are read back, replaced and deleted', () => {
    const store = small()
    store.put(keyOf('/peers/a'), Uint8Array.of(1))
    store.put(keyOf('/peers/a'), Uint8Array.of(2))
    expect(store.get(keyOf('/peers/a'))).toEqual(Uint8Array.of(2))
    expect(store.has(keyOf('/peers/a'))).toBe(true)
    store.delete(keyOf('/peers/a'))
    expect(store.has(keyOf('/peers/a'))).toBe(false)
    expect(() => store.get(keyOf('/peers/a'))).toThrow(expect.objectContaining({ name: 'NotFoundError' }))
  })

  test('of one prefix are found, and no others', () => {
    const store = small()
    for (const text of ['/dht/provider/x/1', '/dht/provider/x/2', '/dht/provider/xy/3', '/peers/a', '/other/z']) {
      store.put(keyOf(text), Uint8Array.of(1))
    }
    expect(names(store, '/dht/provider/x')).toEqual(['/dht/provider/x/1', '/dht/provider/x/2'])
    expect(names(store, '/dht/provider')).toHaveLength(3)
    expect(names(store, '/peers/')).toEqual(['/peers/a'])
    expect(names(store, '')).toHaveLength(5)
  })

  test('beyond the bound push out the one longest untouched', () => {
    const store = small()
    for (const name of ['a', 'b', 'c']) store.put(keyOf(`/peers/${name}`), Uint8Array.of(1))
    store.put(keyOf('/peers/a'), Uint8Array.of(2))
    store.put(keyOf('/peers/d'), Uint8Array.of(1))
    expect(names(store, '/peers/')).toEqual(['/peers/a', '/peers/c', '/peers/d'])
  })

  test('of this node stay', () => {
    const store = small()
    store.put(keyOf('/peers/own'), Uint8Array.of(1))
    for (let at = 0; at < 20; at += 1) store.put(keyOf(`/peers/${at}`), Uint8Array.of(1))
    expect(names(store, '/peers/')).toEqual(['/peers/17', '/peers/18', '/peers/19', '/peers/own'])
  })

  test('of one kind do not push out another', () => {
    const store = small()
    store.put(keyOf('/peers/a'), Uint8Array.of(1))
    for (let at = 0; at < 20; at += 1) store.put(keyOf(`/dht/provider/${at}/p`), Uint8Array.of(1))
    expect(names(store, '/peers/')).toEqual(['/peers/a'])
    expect(names(store, '/dht/provider/')).toHaveLength(4)
  })

  test('too large are refused', () => {
    expect(() => small().put(keyOf('/peers/a'), new Uint8Array(9))).toThrow('record of 9 bytes, at most 8')
  })

  test('never exceed the bounds over any sequence, and what is there can be read', () => {
    const steps = fc.array(
      fc.tuple(
        fc.constantFrom('/peers/', '/dht/provider/x/', '/dht/provider/y/'),
        fc.integer({ min: 0, max: 9 }),
        fc.boolean(),
      ),
      { maxLength: 80 },
    )
    fc.assert(
      fc.property(steps, (given) => {
        const store = small()
        for (const [prefix, name, isPut] of given) {
          const key = keyOf(`${prefix}${name}`)
          if (isPut) store.put(key, Uint8Array.of(name))
          else store.delete(key)
          expect(names(store, '/peers/').length).toBeLessThanOrEqual(3)
          expect(names(store, '/dht/provider/').length).toBeLessThanOrEqual(4)
          expect(store.size).toBe(names(store, '').length)
          if (isPut) expect(store.get(key)).toEqual(Uint8Array.of(name))
        }
      }),
    )
  })
})

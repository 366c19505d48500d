// What every store must do, the one on disk and the simulated one with its crashes.

import { describe, expect, test } from 'vitest'
import type { Store } from '../../node/ports.ts'

export interface StoreUnderTest {
  readonly store: Store
  readonly entryBytesMax: number
  /** Ends the store as a crash would and opens it again: only what was acknowledged must be there. */
  reopen(): Promise<Store>
  /** From the next write on the disk fails this way, until `reopen` finds it well again. */
  readonly faults?: Readonly<Record<string, () => void>>
}

/** `make` gives an empty store each time and cleans up after the test it was called in. */
export function storeContract(name: string, make: () => Promise<StoreUnderTest>, faults: readonly string[] = []): void {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
  const texts = async (store: Store, log: string): Promise<string[]> =>
    (await store.read(log)).map((entry) => new TextDecoder().decode(entry))

  describe(`store: ${name}`, () => {
    test('a log never written is empty', async () => {
      const { store } = await make()
      expect(await store.read('vouchers')).toEqual([])
    })

    test('reads entries back in the order they were appended', async () => {
      const { store } = await make()
      for (const text of ['a', 'b', 'c']) await store.append('vouchers', bytes(text))
      expect(await texts(store, 'vouchers')).toEqual(['a', 'b', 'c'])
    })

    test('appends that run at once keep the order of their calls', async () => {
      const { store } = await make()
      const expected = Array.from({ length: 300 }, (_, index) => `entry ${index}`)
      await Promise.all(expected.map((text) => store.append('vouchers', bytes(text))))
      expect(await texts(store, 'vouchers')).toEqual(expected)
    })

    test('appends that run at once resolve in the order of their calls', async () => {
      const { store } = await make()
      const resolved: number[] = []
      await Promise.all(
        [0, 1, 2, 3].map((index) => store.append('vouchers', bytes('x')).then(() => resolved.push(index))),
      )
      expect(resolved).toEqual([0, 1, 2, 3])
    })

    test('logs do not mix', async () => {
      const { store } = await make()
      await Promise.all([
        store.append('vouchers', bytes('v1')),
        store.append('intents', bytes('i1')),
        store.append('vouchers', bytes('v2')),
      ])
      await store.rewrite('intents', [bytes('i2')])
      expect(await texts(store, 'vouchers')).toEqual(['v1', 'v2'])
      expect(await texts(store, 'intents')).toEqual(['i2'])
    })

    test('keeps every byte value and an empty entry', async () => {
      const { store, reopen } = await make()
      const all = Uint8Array.from({ length: 256 }, (_, index) => index)
      await store.append('vouchers', all)
      await store.append('vouchers', new Uint8Array())
      const entries = await (await reopen()).read('vouchers')
      expect(entries.map((entry) => Array.from(entry))).toEqual([Array.from(all), []])
    })

    test('what was acknowledged is there after a crash', async () => {
      const { store, reopen } = await make()
      await store.append('vouchers', bytes('a'))
      await Promise.all([store.append('vouchers', bytes('b')), store.append('intents', bytes('i'))])
      const reopened = await reopen()
      expect(await texts(reopened, 'vouchers')).toEqual(['a', 'b'])
      expect(await texts(reopened, 'intents')).toEqual(['i'])
    })

    test('goes on after a crash where it was', async () => {
      const { store, reopen } = await make()
      await store.append('vouchers', bytes('a'))
      const reopened = await reopen()
      await reopened.append('vouchers', bytes('b'))
      expect(await texts(reopened, 'vouchers')).toEqual(['a', 'b'])
    })

    test('rewrite replaces every entry, for good', async () => {
      const { store, reopen } = await make()
      for (const text of ['a', 'b', 'c']) await store.append('vouchers', bytes(text))
      await store.rewrite('vouchers', [bytes('x'), bytes('y')])
      expect(await texts(store, 'vouchers')).toEqual(['x', 'y'])
      expect(await texts(await reopen(), 'vouchers')).toEqual(['x', 'y'])
    })

    test('rewrite with nothing empties the log', async () => {
      const { store, reopen } = await make()
      await store.append('vouchers', bytes('a'))
      await store.rewrite('vouchers', [])
      expect(await (await reopen()).read('vouchers')).toEqual([])
    })

    test('a crash during a rewrite leaves all of the old or all of the new', async () => {
      const { store, reopen } = await make()
      await store.append('vouchers', bytes('old 1'))
      await store.append('vouchers', bytes('old 2'))
      store.rewrite('vouchers', [bytes('new 1'), bytes('new 2'), bytes('new 3')]).catch(() => {
        // the crash may take it
      })
      expect([
        ['old 1', 'old 2'],
        ['new 1', 'new 2', 'new 3'],
      ]).toContainEqual(await texts(await reopen(), 'vouchers'))
    })

    test('a rewrite keeps its place among appends called before and after it', async () => {
      const { store } = await make()
      await Promise.all([
        store.append('vouchers', bytes('before')),
        store.rewrite('vouchers', [bytes('compacted')]),
        store.append('vouchers', bytes('after')),
      ])
      expect(await texts(store, 'vouchers')).toEqual(['compacted', 'after'])
    })

    test('a read is a snapshot', async () => {
      const { store } = await make()
      await store.append('vouchers', bytes('a'))
      const before = await store.read('vouchers')
      await store.append('vouchers', bytes('b'))
      expect(before).toHaveLength(1)
    })

    test('stores an entry as it was when append was called', async () => {
      const { store } = await make()
      const entry = bytes('as it was')
      const appended = store.append('vouchers', entry)
      entry.fill(0)
      await appended
      expect(await texts(store, 'vouchers')).toEqual(['as it was'])
    })

    test('changing what was read changes nothing stored', async () => {
      const { store } = await make()
      await store.append('vouchers', bytes('a'))
      for (const entry of await store.read('vouchers')) entry.fill(0)
      expect(await texts(store, 'vouchers')).toEqual(['a'])
    })

    test('takes an entry of the largest size and refuses one byte more', async () => {
      const { store, entryBytesMax } = await make()
      await store.append('vouchers', new Uint8Array(entryBytesMax))
      await expect(store.append('vouchers', new Uint8Array(entryBytesMax + 1))).rejects.toThrow(RangeError)
      await expect(store.rewrite('vouchers', [bytes('a'), new Uint8Array(entryBytesMax + 1)])).rejects.toThrow(
        RangeError,
      )
      expect((await store.read('vouchers')).map((entry) => entry.length)).toEqual([entryBytesMax])
    })

    test('goes on after an entry it refused', async () => {
      const { store, entryBytesMax } = await make()
      await expect(store.append('vouchers', new Uint8Array(entryBytesMax + 1))).rejects.toThrow(RangeError)
      await store.append('vouchers', bytes('a'))
      expect(await texts(store, 'vouchers')).toEqual(['a'])
    })

    test.each(faults)(
      'after %s takes and gives nothing until it is opened again, with all that was acknowledged',
      async (fault) => {
        const { faults: causes, reopen, store } = await make()
        await store.append('vouchers', bytes('a'))
        causes?.[fault]?.()
        const lost = await Promise.allSettled(
          ['b', 'c'].map((text) => store.append('vouchers', bytes(text.repeat(40_000)))),
        )
        expect(lost.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
        const poisoned = { code: 'store-failed' }
        await expect(store.append('vouchers', bytes('d'))).rejects.toMatchObject(poisoned)
        await expect(store.rewrite('vouchers', [])).rejects.toMatchObject(poisoned)
        await expect(store.read('vouchers')).rejects.toMatchObject(poisoned)
        const again = await reopen()
        const [first, ...rest] = (await texts(again, 'vouchers')).map((text) => text[0])
        expect(first).toBe('a')
        expect([[], ['b'], ['b', 'c']]).toContainEqual(rest) // refused, and there perhaps: nobody was told
        await again.append('vouchers', bytes('e'))
        expect((await texts(again, 'vouchers')).at(-1)).toBe('e')
      },
    )
  })
}

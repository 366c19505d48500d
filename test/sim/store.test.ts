// The modelled disk: time, group commit, what a crash leaves, and failures of the medium.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Store } from '../../node/ports.ts'
import { Kernel } from '../../sim/kernel.ts'
import { Life } from '../../sim/life.ts'
import { diskFaults, ModelDisk } from '../../sim/model/store.ts'
import { seededRandom } from '../../sim/random.ts'
import { drive } from './driven.ts'
import '../seed.ts'

const syncMs = 5

function disk({ seed = 1, tornWrites = true } = {}) {
  const kernel = new Kernel()
  const made = new ModelDisk({ scheduler: kernel, random: seededRandom(seed), spec: { syncMs, tornWrites } })
  const startMs = kernel.now()
  return { kernel, disk: made, elapsedMs: () => kernel.now() - startMs }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

async function texts(kernel: Kernel, store: Store, log = 'book'): Promise<string[]> {
  return (await drive(kernel, store.read(log))).map((entry) => new TextDecoder().decode(entry))
}

describe('time', () => {
  test('a write takes one sync', async () => {
    const { kernel, disk: one, elapsedMs } = disk()
    await drive(kernel, one.mount(new Life()).append('book', bytes('a')))
    expect(elapsedMs()).toBe(syncMs)
  })

  test('writes of one moment share a sync, and those that come meanwhile share the next', async () => {
    const { kernel, disk: one, elapsedMs } = disk()
    const store = one.mount(new Life())
    const ends: number[] = []
    const append = (): void => void store.append('book', bytes('a')).then(() => ends.push(elapsedMs()))
    for (let count = 0; count < 3; count += 1) append()
    for (const afterMs of [1, 2]) kernel.at(kernel.now() + afterMs, append)
    await kernel.run(kernel.now() + 100)
    expect(ends).toEqual([5, 5, 5, 10, 10])
    expect(one.figures.syncs).toBe(2)
  })

  test('a read takes no time where nothing is being written', async () => {
    const { kernel, disk: one, elapsedMs } = disk()
    await drive(kernel, one.mount(new Life()).read('book'))
    expect(elapsedMs()).toBe(0)
  })
})

interface Step {
  readonly kind: 'append' | 'rewrite'
  readonly log: string
  readonly afterMs: number
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.constantFrom('append', 'append', 'append', 'rewrite'),
    log: fc.constantFrom('book', 'settler'),
    afterMs: fc.integer({ min: 0, max: 8 }),
  }),
  { minLength: 1, maxLength: 30 },
)

/** Both logs after the first so many steps. */
function stateAfter(done: readonly Step[]): Record<string, string[]> {
  const logs: Record<string, string[]> = { book: [], settler: [] }
  for (const [index, { kind, log }] of done.entries()) {
    logs[log] = kind === 'append' ? [...(logs[log] ?? []), `${index}`] : [`${index}a`, `${index}b`]
  }
  return logs
}

describe('a crash', () => {
  /** Runs the steps until `crashAtMs`; which were asked for and which acknowledged, and what is there afterwards. */
  async function crashed(plan: readonly Step[], crashAtMs: number, seed: number, tornWrites: boolean) {
    const { kernel, disk: one } = disk({ seed, tornWrites })
    const life = new Life()
    const store = one.mount(life)
    let asked = 0
    let acknowledged = 0
    let atMs = kernel.now()
    const crashMs = atMs + crashAtMs
    for (const [index, { kind, log, afterMs }] of plan.entries()) {
      atMs += afterMs
      kernel.at(atMs, () => {
        if (life.isOver) return
        asked += 1
        const text = `${index}`
        const write =
          kind === 'append'
            ? store.append(log, bytes(text))
            : store.rewrite(log, [bytes(`${text}a`), bytes(`${text}b`)])
        void write.then(() => {
          acknowledged += 1
        })
      })
    }
    kernel.at(crashMs, () => {
      life.end()
      one.crash()
    })
    await kernel.run(crashMs + 1_000)
    const again = one.mount(new Life())
    const found = { book: await texts(kernel, again, 'book'), settler: await texts(kernel, again, 'settler') }
    return { asked, acknowledged, found }
  }

  test('leaves exactly the first so many writes, all acknowledged ones among them', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(120), fc.nat(1_000_000), fc.boolean(), async (plan, atMs, seed, tornWrites) => {
        const { asked, acknowledged, found } = await crashed(plan, atMs, seed, tornWrites)
        const possible = Array.from({ length: asked - acknowledged + 1 }, (_, more) =>
          stateAfter(plan.slice(0, acknowledged + more)),
        )
        expect(possible).toContainEqual(found)
      }),
      { numRuns: 300 },
    )
  })

  const burst = Array.from({ length: 10 }, (): Step => ({ kind: 'append', log: 'book', afterMs: 0 }))

  test('leaves more of what was unsynced under one seed than under another', async () => {
    const lengths = new Set<number>()
    for (let seed = 0; seed < 40; seed += 1) {
      lengths.add((await crashed(burst, 2, seed, true)).found.book.length)
    }
    expect(Math.min(...lengths)).toBe(0)
    expect(Math.max(...lengths)).toBe(10)
  })

  test('under one seed always leaves the same', async () => {
    const first = await crashed(burst, 2, 7, true)
    expect(await crashed(burst, 2, 7, true)).toEqual(first)
  })

  test.each([
    [true, 'finds the half-written frame by its checksum'],
    [false, 'leaves no half-written frame where the disk tears none'],
  ])('with torn writes %s: %s', async (tornWrites) => {
    let torn = 0
    for (let seed = 0; seed < 40; seed += 1) {
      const { kernel, disk: one } = disk({ seed, tornWrites })
      const store = one.mount(new Life())
      for (let count = 0; count < 10; count += 1) void store.append('book', bytes(`entry ${count}`))
      one.crash()
      const found = await texts(kernel, one.mount(new Life()))
      expect(found).toEqual(Array.from({ length: found.length }, (_, index) => `entry ${index}`))
      torn += one.figures.torn
    }
    if (tornWrites) expect(torn).toBeGreaterThan(20)
    else expect(torn).toBe(0)
  })

  test('a write that had not begun to be synced is lost', async () => {
    const { kernel, disk: one } = disk()
    const store = one.mount(new Life())
    void store.append('book', bytes('synced'))
    kernel.at(kernel.now() + 1, () => void store.append('book', bytes('waits')))
    kernel.at(kernel.now() + syncMs - 1, () => one.crash())
    await kernel.run(kernel.now() + 100)
    expect(await texts(kernel, one.mount(new Life()))).not.toContain('waits')
  })

  test('nothing is acknowledged to a node that is dead', async () => {
    const { kernel, disk: one } = disk()
    const life = new Life()
    let isAcknowledged = false
    void one
      .mount(life)
      .append('book', bytes('a'))
      .then(() => {
        isAcknowledged = true
      })
    life.end()
    await kernel.run(kernel.now() + 100)
    expect(isAcknowledged).toBe(false)
  })
})

describe('a node that ends by itself', () => {
  test('leaves everything it asked for', async () => {
    const { kernel, disk: one } = disk()
    const life = new Life()
    void one.mount(life).append('book', bytes('a'))
    life.end()
    expect(await texts(kernel, one.mount(new Life()))).toEqual(['a'])
  })

  test('a second one cannot have the disk while it lives', () => {
    const { disk: one } = disk()
    one.mount(new Life())
    expect(() => one.mount(new Life())).toThrow('still lives')
  })
})

describe.each(diskFaults)('a medium that answers %s', (fault) => {
  test('ends that write and every later one, until the next start', async () => {
    const { kernel, disk: one } = disk()
    const life = new Life()
    const store = one.mount(life)
    await drive(kernel, store.append('book', bytes('a')))
    one.fail(fault)
    for (let count = 0; count < 2; count += 1) {
      await expect(drive(kernel, store.append('book', bytes('b')))).rejects.toMatchObject({ code: 'store-failed' })
    }
    await expect(drive(kernel, store.read('book'))).rejects.toMatchObject({ code: 'store-failed' })
    life.end()
    const again = one.mount(new Life())
    expect((await texts(kernel, again))[0]).toBe('a')
    await drive(kernel, again.append('book', bytes('c')))
    expect((await texts(kernel, again)).at(-1)).toBe('c')
  })
})

test('of a group some may be there where its sync failed, and none where its write did', async () => {
  const left = { ENOSPC: 0, EROFS: 0, 'EIO on write': 0, 'EIO on sync': 0 }
  for (const fault of diskFaults) {
    for (let seed = 0; seed < 20; seed += 1) {
      const { kernel, disk: one } = disk({ seed })
      const life = new Life()
      const store = one.mount(life)
      one.fail(fault)
      await drive(kernel, Promise.allSettled(['a', 'b', 'c'].map((text) => store.append('book', bytes(text)))))
      life.end()
      left[fault] += (await texts(kernel, one.mount(new Life()))).length
    }
  }
  expect(left).toMatchObject({ ENOSPC: 0, EROFS: 0, 'EIO on write': 0 })
  expect(left['EIO on sync']).toBeGreaterThan(0)
})

// Virtual time runs what is due in order, and never before all that the last event caused has come to rest.

import '../seed.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { epochMs, Kernel } from '../../sim/kernel.ts'
import { clockOf, Life } from '../../sim/life.ts'
import { KernelTime } from '../../sim/model/time.ts'

test('runs by time, and by the order of asking within one instant', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 50 }), { maxLength: 300 }), async (delays) => {
      const kernel = new Kernel()
      const ran: number[] = []
      for (const [at, delay] of delays.entries()) kernel.at(epochMs + delay, () => ran.push(at))
      await kernel.run(epochMs + 50)
      const expected = delays.map((delay, at) => ({ delay, at })).sort((a, b) => a.delay - b.delay || a.at - b.at)
      expect(ran).toEqual(expected.map(({ at }) => at))
    }),
  )
})

test('an event waits until everything that the one before settled has run, however deep', async () => {
  const kernel = new Kernel()
  const ran: string[] = []
  const deep = async (depth: number): Promise<void> => {
    if (depth > 0) await deep(depth - 1)
    ran.push(`depth ${depth}`)
  }
  kernel.at(epochMs + 1, () => void deep(100))
  kernel.at(epochMs + 1, () => ran.push('next'))
  await kernel.run(epochMs + 1)
  expect(ran).toHaveLength(102)
  expect(ran.at(-1)).toBe('next')
})

test('runs nothing that is not due yet, nothing that was cancelled, and is then as late as asked for', async () => {
  const kernel = new Kernel()
  const ran: string[] = []
  kernel.at(epochMs + 10, () => ran.push('due'))
  kernel.at(epochMs + 11, () => ran.push('later'))
  kernel.at(epochMs + 5, () => ran.push('cancelled')).cancel()
  await kernel.run(epochMs + 10)
  expect(ran).toEqual(['due'])
  expect(kernel.now()).toBe(epochMs + 10)
  expect(kernel.events).toBe(1)
  await kernel.run(epochMs + 20)
  expect(ran).toEqual(['due', 'later'])
})

test('an event asked for in the past is due now', async () => {
  const kernel = new Kernel()
  const times: number[] = []
  kernel.at(epochMs + 10, () => kernel.at(epochMs, () => times.push(kernel.now())))
  await kernel.run(epochMs + 20)
  expect(times).toEqual([epochMs + 10])
})

test('what an event throws ends the run', async () => {
  const kernel = new Kernel()
  kernel.at(epochMs, () => {
    throw new Error('broken')
  })
  await expect(kernel.run(epochMs + 1)).rejects.toThrow('broken')
})

test('drives work to its end through any time, and says when nothing can end it', async () => {
  const time = new KernelTime()
  const clock = clockOf(time, new Life())
  await time.drive(clock.sleep(10 * 86_400_000))
  expect(time.now()).toBe(epochMs + 10 * 86_400_000)
  await expect(time.drive(new Promise(() => undefined))).rejects.toThrow('nothing is left to happen')
})

test('nothing of a life that ended settles, and what is due while it is frozen waits', async () => {
  const time = new KernelTime()
  const life = new Life()
  const clock = clockOf(time, life)
  const woken: string[] = []
  void clock.sleep(10).then(() => woken.push('first'))
  void clock.sleep(100).then(() => woken.push('second'))
  life.freeze()
  await time.run(epochMs + 50)
  expect(woken).toEqual([])
  life.thaw()
  await time.run(epochMs + 60)
  expect(woken).toEqual(['first'])
  life.end()
  await time.run(epochMs + 200)
  expect(woken).toEqual(['first'])
})

// Ambient time and randomness while a simulation has them.

import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { epochMs } from '../../sim/kernel.ts'
import { Host } from '../../sim/libp2p/host.ts'
import { installVirtualRandom } from '../../sim/libp2p/virtual-random.ts'
import { installVirtualTime } from '../../sim/libp2p/virtual-time.ts'
import { KernelTime } from '../../sim/model/time.ts'
import { seededRandom } from '../../sim/random.ts'

let time: KernelTime
let putBack: () => void

beforeEach(() => {
  time = new KernelTime()
  putBack = installVirtualTime(time)
})

afterEach(() => putBack())

const passTo = (ms: number): Promise<void> => time.run(epochMs + ms)

describe('virtual time', () => {
  test('dates and performance tell it', async () => {
    await passTo(1_500.25)
    expect(Date.now()).toBe(epochMs + 1_500)
    expect(new Date().toISOString()).toBe(new Date(epochMs + 1_500).toISOString())
    expect(performance.now()).toBe(1_500.25)
    expect(process.hrtime()).toEqual([1, 500_250_000])
    expect(process.hrtime.bigint()).toBe(1_500_250_000n)
  })

  test('dates made of something are what they were', () => {
    expect(new Date(0).toISOString()).toBe('1970-01-01T00:00:00.000Z')
    expect(new Date(2_020, 1, 29)).toBeInstanceOf(Date)
    expect(Date.UTC(1970, 0, 2)).toBe(86_400_000)
  })

  test('timers run in order of their time, and of their setting', async () => {
    const seen: string[] = []
    const note = (what: string) => seen.push(`${performance.now()} ${what}`)
    setTimeout(note, 20, 'second')
    setTimeout(note, 10, 'first')
    setTimeout(note, 20, 'third')
    setImmediate(note, 'at once')
    setTimeout(note, 0, 'as soon as a timer can')
    await passTo(100)
    expect(seen).toEqual(['0 at once', '1 as soon as a timer can', '10 first', '20 second', '20 third'])
  })

  test('all that awaits something settled runs before time goes on', async () => {
    const seen: string[] = []
    setTimeout(async () => {
      for (let at = 0; at < 100; at += 1) await undefined
      seen.push(`awaited at ${performance.now()}`)
    }, 5)
    setTimeout(() => seen.push(`next at ${performance.now()}`), 5.5)
    await passTo(10)
    expect(seen).toEqual(['awaited at 5', 'next at 5.5'])
  })

  test('an interval repeats until it is cleared', async () => {
    const seen: number[] = []
    const interval = setInterval(() => {
      seen.push(performance.now())
      if (seen.length === 3) clearInterval(interval)
    }, 10)
    await passTo(100)
    expect(seen).toEqual([10, 20, 30])
  })

  test('a cleared timer does not run, also by its number', async () => {
    const seen: string[] = []
    clearTimeout(setTimeout(() => seen.push('cleared'), 1))
    clearTimeout(Number(setTimeout(() => seen.push('cleared by number'), 1)))
    clearImmediate(setImmediate(() => seen.push('cleared immediate')))
    clearTimeout(undefined)
    await passTo(10)
    expect(seen).toEqual([])
  })

  test('a refreshed timer begins anew', async () => {
    const seen: number[] = []
    const timer = setTimeout(() => seen.push(performance.now()), 10)
    await passTo(6)
    timer.refresh()
    await passTo(100)
    expect(seen).toEqual([16])
  })

  test('signals expire in it', async () => {
    const signal = AbortSignal.timeout(30)
    await passTo(29)
    expect(signal.aborted).toBe(false)
    await passTo(31)
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' })
  })

  test('promised timers run in it, and reject with their signal', async () => {
    const { setTimeout: later } = await import('node:timers/promises')
    const controller = new AbortController()
    const kept = later(50, 'value').then((value) => `${value} at ${performance.now()}`)
    const promisified = promisify(setTimeout)(20).then(() => performance.now())
    const dropped = later(50, 'value', { signal: controller.signal }).catch((error) => error)
    controller.abort('enough')
    await passTo(100)
    expect(await Promise.all([kept, promisified, dropped])).toEqual(['value at 50', 20, 'enough'])
  })

  test('the real one is back afterwards', () => {
    putBack()
    expect(Date.now()).toBeLessThan(epochMs)
    expect(AbortSignal.timeout.name).toBe('timeout')
  })
})

describe('a host’s timers', () => {
  test('wait while it is frozen, and never run once it is dead', async () => {
    const seen: string[] = []
    const [frozen, dead] = [new Host('frozen', time, seededRandom(1)), new Host('dead', time, seededRandom(2))]
    for (const host of [frozen, dead]) {
      host.enter(() => {
        setTimeout(() => seen.push(`${host.name} ${performance.now()}`), 10)
        Promise.resolve().then(() => setTimeout(() => seen.push(`${host.name} later ${performance.now()}`), 20))
      })
    }
    frozen.life.freeze()
    dead.life.end()
    await passTo(100)
    expect(seen).toEqual([])
    frozen.life.thaw()
    await passTo(200)
    expect(seen).toEqual(['frozen 100', 'frozen later 100'])
  })

  test('cleared while it is frozen do not run after the thaw', async () => {
    const seen: string[] = []
    const host = new Host('a', time, seededRandom(1))
    const timer = host.enter(() => setTimeout(() => seen.push('ran'), 10))
    host.life.freeze()
    await passTo(20)
    clearTimeout(timer)
    host.life.thaw()
    await passTo(30)
    expect(seen).toEqual([])
  })
})

describe('virtual randomness', () => {
  const draws = (seed: number): unknown[] => {
    const putRandomBack = installVirtualRandom(seededRandom(seed))
    try {
      const bytes = crypto.getRandomValues(new Uint8Array(8))
      return [Math.random(), Buffer.from(bytes).toString('hex'), crypto.randomUUID()]
    } finally {
      putRandomBack()
    }
  }

  test('is the seed’s', () => {
    expect(draws(1)).toEqual(draws(1))
    expect(draws(1)).not.toEqual(draws(2))
    expect(draws(1)[2]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  test('of one host does not move with what others draw', () => {
    const putRandomBack = installVirtualRandom(seededRandom(1))
    try {
      const hosts = [new Host('a', time, seededRandom('a')), new Host('a', time, seededRandom('a'))]
      const first = hosts[0]?.enter(() => [Math.random(), Math.random()])
      const second = [hosts[1]?.enter(() => Math.random()), Math.random(), hosts[1]?.enter(() => Math.random())]
      expect([second[0], second[2]]).toEqual(first)
    } finally {
      putRandomBack()
    }
  })

  test('gives the real one back', () => {
    draws(1)
    expect(Math.random()).not.toBe(Math.random())
    expect(crypto.randomUUID()).not.toBe(draws(1)[2])
  })
})

// The modelled network's lines, faults and NATs: how long things take, and how they fail.

import { describe, expect, test } from 'vitest'
import { inferProtocol } from '../../protocol/ids.ts'
import { echo, echoing, roundTrip, Stage } from './network.fixture.ts'

describe('lines', () => {
  test('a first stream takes four round trips, the next one', async () => {
    const stage = new Stage()
    const a = stage.add('a')
    const b = echoing(stage.add('b', { place: { region: 'south' }, bootstrap: [] }))
    a.port.learn(b.peer, b.port.addresses())
    const [first, firstMs] = await stage.timed(stage.open(a, b))
    expect(firstMs).toBeCloseTo(4 * 100, 0)
    const [, nextMs] = await stage.timed(stage.open(a, b))
    expect(nextMs).toBeCloseTo(100, 0)
    const [, echoMs] = await stage.timed(roundTrip(first))
    expect(echoMs).toBeCloseTo(100, 0)
  })

  test('a megabyte takes as long as the slower of two lines needs', async () => {
    const stage = new Stage()
    const a = stage.add('a', { place: { upBitsPerSecond: 8e6 } })
    const b = stage.add('b', { place: { downBitsPerSecond: 8e7 } })
    const arrived = Promise.withResolvers<void>()
    b.port.handle(inferProtocol, async (stream) => {
      for await (const _ of stream.frames) arrived.resolve()
    })
    const stream = await stage.settled(stage.open(a, b))
    void stream.send(new Uint8Array(1_000_000))
    const [, ms] = await stage.timed(arrived.promise)
    expect(ms).toBeGreaterThan(1_000)
    expect(ms).toBeLessThan(1_100)
  })

  test('a long fat line is held up by windows that open', async () => {
    const stage = new Stage()
    const a = stage.add('a')
    const b = stage.add('b', { place: { region: 'west' } })
    const arrived = Promise.withResolvers<void>()
    b.port.handle(inferProtocol, async (stream) => {
      for await (const _ of stream.frames) arrived.resolve()
    })
    const stream = await stage.settled(stage.open(a, b))
    void stream.send(new Uint8Array(200_000))
    const [, ms] = await stage.timed(arrived.promise)
    // 14.5 + 29 + 58 + 116 kB: three windows before the last
    expect(ms).toBeGreaterThan(80 + 3 * 160)
    expect(ms).toBeLessThan(80 + 4 * 160)
  })

  test('loss delays and loses nothing', async () => {
    const run = async (loss: number): Promise<number> => {
      const stage = new Stage({ loss })
      const a = stage.add('a')
      const b = echoing(stage.add('b'))
      const stream = await stage.settled(stage.open(a, b))
      const startMs = stage.nowMs
      const frames = stream.frames[Symbol.asyncIterator]()
      for (let count = 0; count < 200; count += 1) {
        await stream.send(Uint8Array.of(count))
        expect((await stage.settled(frames.next())).value).toEqual(Uint8Array.of(count))
      }
      return stage.nowMs - startMs
    }
    const cleanMs = await run(0)
    const lossyMs = await run(0.05)
    expect(cleanMs).toBeCloseTo(200 * 20, -1)
    // 400 messages, one in twenty is sent again after a timeout of 200 ms or more
    expect(lossyMs - cleanMs).toBeGreaterThan(8 * 200)
    expect(lossyMs - cleanMs).toBeLessThan(40 * 400)
  })

  test('equal seeds deliver at equal times, another seed does not', async () => {
    const log = async (seed: number): Promise<readonly number[]> => {
      const stage = new Stage({
        seed,
        plan: { latency: { regions: ['north'], oneWayMs: [[40]], jitter: 0.3 }, loss: 0.05, relay: false },
      })
      const times: number[] = []
      const peers = ['a', 'b', 'c', 'd', 'e'].map((name) => stage.add(name))
      for (const { port } of peers) {
        port.handle(inferProtocol, async (stream) => {
          for await (const _ of stream.frames) times.push(stage.nowMs)
        })
      }
      const work = peers.map(async (from, at) => {
        const to = peers[(at + 1) % peers.length] ?? from
        const stream = await stage.open(from, to)
        for (let count = 0; count < 20; count += 1) await stream.send(new Uint8Array(500))
      })
      await stage.settled(Promise.all(work))
      await stage.run(30_000)
      return times
    }
    const first = await log(1)
    expect(first).toHaveLength(100)
    expect(await log(1)).toEqual(first)
    expect(await log(2)).not.toEqual(first)
  })
})

describe('faults', () => {
  test('a partition holds what is under way, and it arrives when it heals', async () => {
    const stage = new Stage()
    const a = stage.add('a')
    const b = echoing(stage.add('b', { place: { region: 'south' } }))
    const stream = await stage.settled(stage.open(a, b))
    const heal = stage.network.disturb({ kind: 'partition', atMs: 0, forMs: 0, between: ['north', '*'] })
    let isBack = false
    const back = roundTrip(stream).then(() => {
      isBack = true
    })
    await stage.run(8_000)
    expect(isBack).toBe(false)
    heal()
    const [, ms] = await stage.timed(back)
    expect(ms).toBeLessThan(20_000)
    expect(stage.network.figures()['connectionsDropped']).toBe(0)
  })

  test('a partition that lasts breaks connections on both sides, and dials get no answer', async () => {
    const stage = new Stage()
    const a = stage.add('a')
    const b = stage.add('b', { place: { region: 'south' } })
    const seen = Promise.withResolvers<unknown>()
    b.port.handle(inferProtocol, async (stream) => {
      for await (const _ of stream.frames);
      seen.resolve('ended')
    })
    const stream = await stage.settled(stage.open(a, b))
    stage.network.disturb({ kind: 'partition', atMs: 0, forMs: 0, between: ['a', 'b'] })
    const [error, ms] = await stage.timed(
      stream.frames[Symbol.asyncIterator]()
        .next()
        .catch((cause) => cause),
    )
    expect(error).toMatchObject({ code: 'unreachable' })
    // three pings of ten seconds, twenty apart
    expect(ms).toBeGreaterThan(60_000)
    expect(ms).toBeLessThan(110_000)
    await stage.run(110_000)
    expect(a.port.connections()).toEqual([])
    expect(b.port.connections()).toEqual([])
    const [refusal, dialMs] = await stage.timed(stage.open(a, b).catch((cause) => cause))
    expect(refusal).toMatchObject({ code: 'unreachable' })
    expect(dialMs).toBeCloseTo(2_500, 0)
  })

  test('a crash is seen after one way, a loss of power only when pings fail', async () => {
    for (const [how, fromMs, toMs] of [
      ['crash', 50, 51],
      ['power', 60_000, 110_000],
    ] as const) {
      const stage = new Stage()
      const a = stage.add('a')
      const b = stage.add('b', { place: { region: 'south' } })
      b.port.handle(inferProtocol, echo)
      const stream = await stage.settled(stage.open(a, b))
      stage.kill(b, how)
      const [error, ms] = await stage.timed(
        stream.frames[Symbol.asyncIterator]()
          .next()
          .catch((cause) => cause),
      )
      expect(error).toMatchObject({ code: 'unreachable' })
      expect(ms).toBeGreaterThanOrEqual(fromMs)
      expect(ms).toBeLessThan(toMs)
    }
  })

  test('a crashed peer refuses at once, one without power lets the dial time out', async () => {
    const stage = new Stage()
    const a = stage.add('a', { bootstrap: [] })
    const [b, c] = ['b', 'c'].map((name) => stage.add(name, { place: { region: 'south' }, bootstrap: [] }))
    if (!b || !c) throw new Error('no peers')
    for (const { peer, port } of [b, c]) a.port.learn(peer, port.addresses())
    stage.kill(b, 'crash')
    stage.kill(c, 'power')
    for (const [peer, expectedMs] of [
      [b.peer, 100],
      [c.peer, 2_500],
    ] as const) {
      const [error, ms] = await stage.timed(a.port.open(peer, inferProtocol).catch((cause) => cause))
      expect(error).toMatchObject({ code: 'unreachable' })
      expect(ms).toBeCloseTo(expectedMs, 0)
    }
  })

  test('nothing that a dead life awaited ever settles', async () => {
    const stage = new Stage()
    const a = stage.add('a')
    const b = echoing(stage.add('b'))
    const stream = await stage.settled(stage.open(a, b))
    let settled = 0
    const count = (): void => {
      settled += 1
    }
    stream.frames[Symbol.asyncIterator]().next().then(count, count)
    a.port.open(b.peer, inferProtocol).then(count, count)
    stage.kill(a, 'power')
    await stage.run(300_000)
    expect(settled).toBe(0)
  })

  test('a peer that comes back without its connections resets the old ones', async () => {
    const stage = new Stage()
    const a = stage.add('a')
    const b = echoing(stage.add('b', { bootstrap: [] }))
    const stream = await stage.settled(stage.open(a, b))
    stage.kill(b, 'power')
    await stage.run(1_000)
    const again = echoing(stage.add('b', { bootstrap: [] }))
    const [, ms] = await stage.timed(
      stream.frames[Symbol.asyncIterator]()
        .next()
        .catch((cause) => cause),
    )
    expect(ms).toBeLessThan(21_000)
    expect(await stage.settled(stage.open(a, again).then((next) => roundTrip(next)))).toBe(1)
  })

  test('a frozen peer answers after it thaws, and dials to it time out', async () => {
    const stage = new Stage()
    const a = stage.add('a', { bootstrap: [] })
    const b = echoing(stage.add('b', { bootstrap: [] }))
    const c = stage.add('c', { bootstrap: [] })
    const stream = await stage.settled(stage.open(a, b))
    b.life.freeze()
    stage.network.freeze('b')
    let isBack = false
    const back = roundTrip(stream).then(() => {
      isBack = true
    })
    const [error, ms] = await stage.timed(stage.open(c, b).catch((cause) => cause))
    expect([error.code, Math.round(ms)]).toEqual(['unreachable', 2_500])
    const [late, lateMs] = await stage.timed(stage.open(a, b).catch((cause) => cause))
    expect([late.code, Math.round(lateMs)]).toEqual(['timeout', 5_000])
    expect(isBack).toBe(false)
    stage.network.thaw('b')
    b.life.thaw()
    const [, thawedMs] = await stage.timed(back)
    expect(thawedMs).toBeLessThan(50)
  })

  test('a degraded region is slower and loses more, until it is over', async () => {
    const stage = new Stage()
    const a = stage.add('a')
    const b = echoing(stage.add('b', { place: { region: 'south' } }))
    const stream = await stage.settled(stage.open(a, b))
    const end = stage.network.disturb({ kind: 'degrade', atMs: 0, forMs: 0, of: 'south', loss: 0, latencyFactor: 3 })
    const frames = stream.frames[Symbol.asyncIterator]()
    const echoed = async (): Promise<number> => {
      await stream.send(Uint8Array.of(1))
      return (await stage.timed(frames.next()))[1]
    }
    expect(await echoed()).toBeCloseTo(300, 0)
    end()
    expect(await echoed()).toBeCloseTo(100, 0)
  })
})

describe('NATs', () => {
  const withNat = (nat: 'cone' | 'symmetric', relay = true) => {
    const stage = new Stage({
      plan: {
        latency: {
          regions: ['north', 'south'],
          oneWayMs: [
            [10, 50],
            [50, 10],
          ],
          jitter: 0,
        },
        loss: 0,
        relay,
      },
    })
    const a = stage.add('a', { dhtServer: false, bootstrap: [] })
    const relayer = stage.add('relay', { place: { region: 'south' }, bootstrap: [] })
    const b = echoing(stage.add('b', { place: { nat }, dhtServer: false, bootstrap: [relayer.peer] }))
    return { stage, a, b }
  }

  test('a cone is reached through a relay, and directly once a hole is punched', async () => {
    const { stage, a, b } = withNat('cone')
    const relayed = await stage.settled(stage.open(a, b))
    expect(b.port.addresses()[0]).toContain('/p2p-circuit/')
    expect((await stage.timed(roundTrip(relayed)))[1]).toBeGreaterThan(100)
    await stage.run(2_000)
    const direct = await stage.settled(stage.open(a, b))
    expect((await stage.timed(roundTrip(direct)))[1]).toBeCloseTo(20, 0)
  })

  test('a symmetric NAT is only ever reached over both legs, within the limits of a relay', async () => {
    const { stage, a, b } = withNat('symmetric')
    await stage.run(1_000)
    const stream = await stage.settled(stage.open(a, b))
    await stage.run(5_000)
    const later = await stage.settled(stage.open(a, b))
    const [, ms] = await stage.timed(roundTrip(later))
    expect(ms).toBeGreaterThan(100)
    const frames = stream.frames[Symbol.asyncIterator]()
    const [error, lifeMs] = await stage.timed(frames.next().catch((cause) => cause))
    expect(error).toMatchObject({ code: 'unreachable' })
    expect(lifeMs).toBeLessThan(120_000)
  })

  test('without a relay neither can be dialled, though both can dial', async () => {
    const { stage, a, b } = withNat('cone', false)
    const [error] = await stage.timed(stage.open(a, b).catch((cause) => cause))
    expect(error).toMatchObject({ code: 'unreachable' })
    echoing(a)
    expect(await stage.settled(stage.open(b, a).then((stream) => roundTrip(stream)))).toBe(1)
  })
})

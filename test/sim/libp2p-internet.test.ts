// The simulated internet: what TCP users see of distance, narrow lines, loss, partitions, translators and dead machines.

import { Uint8ArrayList } from 'uint8arraylist'
import { describe, expect, test } from 'vitest'
import { epochMs } from '../../sim/kernel.ts'
import { Host } from '../../sim/libp2p/host.ts'
import { Internet } from '../../sim/libp2p/internet.ts'
import type { Machine } from '../../sim/libp2p/machine.ts'
import type { Socket, SocketEvents } from '../../sim/libp2p/socket.ts'
import { KernelTime } from '../../sim/model/time.ts'
import type { Nat, NetworkPlan } from '../../sim/plan.ts'
import { seededRandom } from '../../sim/random.ts'

const port = 4_001

/** Two regions 50 ms apart, nothing varies. */
const calm: NetworkPlan = {
  latency: {
    regions: ['east', 'west'],
    oneWayMs: [
      [1, 50],
      [50, 1],
    ],
    jitter: 0,
  },
  loss: 0,
  relay: false,
}

const fast = 1e12

function internetOf(plan: Partial<NetworkPlan> = {}) {
  const time = new KernelTime()
  const internet = new Internet({ scheduler: time, random: seededRandom(1), plan: { ...calm, ...plan } })
  const machine = (name: string, region: string, nat: Nat = 'open', bitsPerSecond = fast): Machine =>
    internet.machine({
      name,
      group: `the ${region}`,
      place: { region, nat, upBitsPerSecond: bitsPerSecond, downBitsPerSecond: bitsPerSecond },
    })
  const boot = (at: Machine): Host => {
    const host = new Host(at.spot.name, time, seededRandom(at.spot.name))
    internet.up(at, host)
    return host
  }
  /** To a tenth. */
  const sinceStartMs = (): number => Math.round((time.now() - epochMs) * 10) / 10
  const passTo = (ms: number): Promise<void> => time.run(epochMs + ms)
  return { time, internet, machine, boot, sinceStartMs, passTo }
}

/** What a socket's user saw, with the time it saw it. */
function recorder(sinceStartMs: () => number): { readonly events: SocketEvents; readonly seen: string[] } {
  const seen: string[] = []
  const note = (what: string) => seen.push(`${sinceStartMs()} ${what}`)
  const events: SocketEvents = {
    data: (data) => note(`data ${data.byteLength}`),
    end: () => note('end'),
    reset: () => note('reset'),
    drain: () => note('drain'),
  }
  return { events, seen }
}

/** A connection from one machine to the other, open on both ends at 150 ms: three times 50, and what a narrow line adds. */
async function connected(world = internetOf(), bitsPerSecond = fast, openAtMs = 150) {
  const { internet, machine, boot, passTo, sinceStartMs } = world
  const [east, west] = [
    machine('east-1', 'east', 'open', bitsPerSecond),
    machine('west-1', 'west', 'open', bitsPerSecond),
  ]
  const [eastHost, westHost] = [boot(east), boot(west)]
  const near = recorder(sinceStartMs)
  const far = recorder(sinceStartMs)
  const accepted = Promise.withResolvers<Socket>()
  internet.listen(west, port, {
    host: westHost,
    accept: (socket) => {
      socket.events = far.events
      accepted.resolve(socket)
    },
  })
  const opening = internet.connect(eastHost, east, west.address, port, new AbortController().signal)
  const opened = opening.then((socket) => {
    socket.events = near.events
    return socket
  })
  await passTo(openAtMs)
  return { ...world, east, west, eastHost, westHost, near, far, socket: await opened, remote: await accepted.promise }
}

const bytes = (count: number): Uint8ArrayList => new Uint8ArrayList(new Uint8Array(count))

describe('a connection', () => {
  test('opens after a round trip, and the other side hears of it half a round trip later', async () => {
    const { internet, machine, boot, sinceStartMs, passTo } = internetOf()
    const [east, west] = [machine('e', 'east'), machine('w', 'west')]
    const seen: string[] = []
    internet.listen(west, port, { host: boot(west), accept: () => seen.push(`accepted ${sinceStartMs()}`) })
    internet.connect(boot(east), east, west.address, port, new AbortController().signal).then(() => {
      seen.push(`open ${sinceStartMs()}`)
    })
    await passTo(1_000)
    expect(seen).toEqual(['open 100', 'accepted 150'])
  })

  test('carries bytes in order after the latency, then the end', async () => {
    const { socket, far, passTo } = await connected()
    socket.write(bytes(3))
    socket.write(bytes(5))
    socket.end()
    await passTo(1_000)
    expect(far.seen).toEqual(['200 data 3', '200 data 5', '200 end'])
  })

  test('keeps its order where latency varies', async () => {
    const { socket, far, passTo } = await connected(internetOf({ latency: { ...calm.latency, jitter: 0.5 } }))
    await passTo(300)
    far.seen.length = 0
    for (let size = 1; size <= 100; size += 1) socket.write(bytes(size))
    await passTo(1_000)
    expect(far.seen.map((line) => Number(line.split(' ')[2]))).toEqual(Array.from({ length: 100 }, (_, at) => at + 1))
  })

  test('takes as long as the narrower line needs', async () => {
    // 13 032 bytes are nine segments with 66 bytes of headers each: 13 626 bytes at 8 Mbit/s are 13.6 ms
    const { socket, far, passTo } = await connected(internetOf(), 8e6, 200)
    socket.write(bytes(13_032))
    await passTo(1_000)
    expect(far.seen).toEqual(['263.6 data 13032'])
  })

  test('shares its machine’s line with the other connections', async () => {
    const { socket, internet, eastHost, east, west, far, passTo } = await connected(internetOf(), 8e6, 200)
    const second = internet.connect(eastHost, east, west.address, port, new AbortController().signal)
    await passTo(400)
    socket.write(bytes(13_032))
    ;(await second).write(bytes(1))
    await passTo(1_000)
    // the lone byte and its headers follow
    expect(far.seen).toEqual(['463.6 data 13032', '463.7 data 1'])
  })

  test('starts slowly: what exceeds the first window waits for acknowledgements', async () => {
    const { socket, far, passTo } = await connected()
    socket.write(bytes(65_536))
    await passTo(1_000)
    // 14 480 bytes, 100 ms later twice as many, and after 200 ms the rest
    expect(far.seen).toEqual(['400 data 65536'])
  })

  test('refuses where nothing listens, after a round trip', async () => {
    const { internet, machine, boot, sinceStartMs, passTo } = internetOf()
    const [east, west] = [machine('e', 'east'), machine('w', 'west')]
    const refused = internet
      .connect(boot(east), east, west.address, port, new AbortController().signal)
      .catch((error) => `${error.code} ${sinceStartMs()}`)
    await passTo(1_000)
    expect(await refused).toBe('ECONNREFUSED 100')
  })

  test('gives up with the signal’s reason', async () => {
    const { internet, machine, boot, passTo } = internetOf()
    const [east, west] = [machine('e', 'east'), machine('w', 'west')]
    internet.listen(west, port, { host: boot(west), accept: () => undefined })
    const controller = new AbortController()
    const opening = internet.connect(boot(east), east, west.address, port, controller.signal)
    await passTo(60)
    controller.abort(new Error('too slow'))
    await expect(opening).rejects.toThrow('too slow')
  })

  test('says when its window is full, and when there is room again', async () => {
    const { socket, near, far, passTo } = await connected()
    expect(socket.write(bytes(4_194_303))).toBe(true)
    expect(socket.write(bytes(1))).toBe(false)
    await passTo(1_000)
    expect(far.seen).toHaveLength(65)
    expect(near.seen).toEqual(['450 drain'])
  })

  test('a paused side is given nothing until it resumes', async () => {
    const { socket, remote, far, near, passTo } = await connected()
    remote.pause()
    socket.write(bytes(4_194_304))
    socket.end()
    await passTo(500)
    expect([far.seen, near.seen]).toEqual([[], []])
    remote.resume()
    expect(far.seen.at(-1)).toBe('500 end')
    expect(far.seen).toHaveLength(65)
  })

  test('a lost packet comes a retransmission later, and those behind it wait', async () => {
    const { socket, far, passTo } = await connected(internetOf({ loss: 0.2 }), fast, 10_000)
    for (let size = 1; size <= 64; size += 1) socket.write(bytes(size))
    await passTo(100_000)
    const arrivals = far.seen.map((line) => line.split(' ').map(Number))
    expect(arrivals.map(([, , size]) => size)).toEqual(Array.from({ length: 64 }, (_, at) => at + 1))
    // sent at 10 000 ms; the first that is lost is sent again 200 ms later, and lets none pass
    expect(arrivals.at(-1)?.[0]).toBeGreaterThanOrEqual(10_250)
    expect(new Set(arrivals.map(([atMs]) => atMs)).size).toBeLessThan(8)
  })
})

describe('weather', () => {
  test('what is sent into a partition arrives by a retransmission after it', async () => {
    const { socket, internet, far, passTo } = await connected()
    const heal = internet.disturb({ kind: 'partition', atMs: 0, forMs: 0, between: ['the east', 'west'] })
    await passTo(200)
    socket.write(bytes(1))
    socket.write(bytes(2))
    await passTo(1_000)
    expect(far.seen).toEqual([])
    heal()
    await passTo(10_000)
    // sent at 200 ms; again after 200, 400 and 800 ms: at 400, 800 and 1 600
    expect(far.seen).toEqual(['1650 data 1', '1650 data 2'])
  })

  test('a partition between one region and everybody leaves both sides whole', () => {
    const { internet, machine } = internetOf()
    const [a, b, c, d] = [machine('a', 'east'), machine('b', 'east'), machine('c', 'west'), machine('d', 'west')]
    internet.disturb({ kind: 'partition', atMs: 0, forMs: 0, between: ['west', '*'] })
    expect([internet.reaches(a, b), internet.reaches(c, d)]).toEqual([true, true])
    expect([internet.reaches(a, c), internet.reaches(d, b)]).toEqual([false, false])
  })

  test('a degraded region is slow for whoever talks to it', async () => {
    const { socket, internet, far, passTo } = await connected()
    const end = internet.disturb({ kind: 'degrade', atMs: 0, forMs: 0, of: 'west', loss: 0, latencyFactor: 3 })
    socket.write(bytes(1))
    await passTo(500)
    end()
    socket.write(bytes(2))
    await passTo(1_000)
    expect(far.seen).toEqual(['300 data 1', '550 data 2'])
  })

  test('nobody dials in through a translator, unless one punched a hole for him', async () => {
    const { internet, machine, boot, passTo } = internetOf()
    const open = machine('open', 'east')
    const openHost = boot(open)
    const reached: string[] = []
    const tried = ['symmetric', 'cone'] as const
    for (const nat of tried) {
      const behind = machine(nat, 'west', nat)
      const host = boot(behind)
      internet.listen(behind, port, { host, accept: () => reached.push(nat) })
    }
    const dialBoth = () => {
      for (const nat of tried) {
        const { address } = machine(nat, 'west')
        internet.connect(openHost, open, address, port, AbortSignal.any([])).catch(() => undefined)
      }
    }
    dialBoth()
    await passTo(5_000)
    expect(reached).toEqual([])
    for (const nat of tried) {
      const behind = machine(nat, 'west')
      internet.connect(boot(behind), behind, open.address, port, AbortSignal.any([])).catch(() => undefined)
      internet.listen(behind, port, { host: boot(behind), accept: () => reached.push(nat) })
    }
    dialBoth()
    await passTo(10_000)
    expect(reached).toEqual(['cone'])
  })
})

describe('a machine', () => {
  test('that crashes resets its connections', async () => {
    const { internet, west, near, socket, passTo } = await connected()
    socket.write(bytes(1))
    internet.down(west, 'crash')
    await passTo(1_000)
    expect(near.seen).toEqual(['200 reset', '250 reset'])
  })

  test('that loses power is silent, and answers old connections with a reset once it is back', async () => {
    const { internet, west, near, far, socket, boot, passTo } = await connected()
    internet.down(west, 'power')
    socket.write(bytes(1))
    await passTo(5_000)
    expect([near.seen, far.seen]).toEqual([[], []])
    boot(west)
    await passTo(20_000)
    // first sent at 150 ms, again at 350, 750, 1 550, 3 150 and 6 350
    expect(near.seen).toEqual(['6450 reset'])
    expect(far.seen).toEqual([])
  })

  test('that is frozen does nothing, and then everything in order', async () => {
    const { socket, westHost, far, sinceStartMs, passTo, time } = await connected()
    westHost.life.freeze()
    socket.write(bytes(1))
    socket.write(bytes(2))
    time.at(epochMs + 400, () => westHost.act(() => far.seen.push(`${sinceStartMs()} timer`)))
    await passTo(2_000)
    expect(far.seen).toEqual([])
    westHost.life.thaw()
    socket.write(bytes(3))
    await passTo(3_000)
    expect(far.seen).toEqual(['2000 data 1', '2000 data 2', '2000 timer', '2050 data 3'])
  })

  test('that was killed does nothing any more', async () => {
    const { internet, west, westHost, far, time, passTo } = await connected()
    time.at(epochMs + 400, () => westHost.act(() => far.seen.push('timer')))
    internet.down(west, 'crash')
    await passTo(1_000)
    expect(far.seen).toEqual([])
  })

  test('in a region that the matrix lacks is refused by name', () => {
    const { machine } = internetOf()
    expect(() => machine('lost', 'nowhere')).toThrow('region "nowhere", expected one of east, west')
  })
})

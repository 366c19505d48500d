// Links between processes: what a line does to bytes, by arithmetic; what relays do to connections, by the order of things.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Place } from '../../sim/plan.ts'
import type { LinkEnd } from '../../sim/process/crossing.ts'
import { confine, environmentOf, nodePort } from '../../sim/process/host.ts'
import { Links } from '../../sim/process/links.ts'
import { InOrder, Line, travelMs } from '../../sim/process/wire.ts'
import { seededRandom } from '../../sim/random.ts'

describe('a line', () => {
  it('takes pieces one after the other, whoever they are for', () => {
    const line = new Line(8_000_000) // a byte a microsecond
    expect(line.pass(1_000, 100)).toBe(101)
    expect(line.pass(3_000, 100)).toBe(104)
    expect(line.pass(1_000, 200)).toBe(201)
  })

  it('of a tenth of the bandwidth takes ten times as long', () => {
    expect(new Line(1_000_000).pass(5_000, 0)).toBe(10 * new Line(10_000_000).pass(5_000, 0))
  })
})

describe('a journey', () => {
  it('takes the distance where nothing varies and nothing is lost', () => {
    expect(travelMs(100_000, { oneWayMs: 40, jitter: 0, loss: 0 }, seededRandom(1))).toBe(40)
  })

  it('varies by its jitter and no more, both ways', () => {
    const random = seededRandom(2)
    const times = Array.from({ length: 1_000 }, () => travelMs(10, { oneWayMs: 100, jitter: 0.2, loss: 0 }, random))
    expect(Math.min(...times)).toBeGreaterThanOrEqual(80)
    expect(Math.max(...times)).toBeLessThanOrEqual(120)
    expect(Math.min(...times)).toBeLessThan(85)
    expect(Math.max(...times)).toBeGreaterThan(115)
  })

  it('loses the share of packets it is told to, and waits two round trips for each', () => {
    const random = seededRandom(3)
    const distance = { oneWayMs: 50, jitter: 0, loss: 0.1 }
    const times = Array.from({ length: 20_000 }, () => travelMs(1_000, distance, random))
    const lost = times.filter((ms) => ms > 50)
    expect(lost.length / times.length).toBeGreaterThan(0.09)
    expect(lost.length / times.length).toBeLessThan(0.11)
    expect(new Set(lost.map((ms) => (ms - 50) % 200))).toEqual(new Set([0]))
  })

  it('of many packets is likelier to lose one', () => {
    const random = seededRandom(4)
    const distance = { oneWayMs: 50, jitter: 0, loss: 0.01 }
    const losses = (bytes: number): number =>
      Array.from({ length: 5_000 }, () => travelMs(bytes, distance, random)).filter((ms) => ms > 50).length
    expect(losses(14_480)).toBeGreaterThan(5 * losses(1_448))
  })

  it('never overtakes', () => {
    const order = new InOrder()
    expect([30, 20, 40, 35].map((ms) => order.after(ms))).toEqual([30, 30, 40, 40])
  })
})

const place = (region: string, more: Partial<Place> = {}): Place => ({
  region,
  upBitsPerSecond: 1e9,
  downBitsPerSecond: 1e9,
  nat: 'open',
  ...more,
})

describe('relays', () => {
  /** Who has which address; `stranger` is nobody's. */
  const block = '127.91.7'
  const addresses = { alice: `${block}.1`, bob: `${block}.2`, carol: `${block}.3`, stranger: `${block}.9` }
  let ends: Record<'alice' | 'bob' | 'carol', LinkEnd>
  let links: Links
  let servers: Server[]
  let sockets: Socket[]

  beforeEach(() => {
    ends = {
      alice: { name: 'alice', group: 'consumer', place: place('near') },
      bob: { name: 'bob', group: 'provider', place: place('near') },
      carol: { name: 'carol', group: 'provider', place: place('far') },
    }
    servers = []
    sockets = []
    open()
  })
  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    await links.close()
    for (const server of servers) server.close()
  })

  function open(plan: Partial<ConstructorParameters<typeof Links>[0]['plan']> = {}): void {
    links = new Links({
      plan: {
        latency: {
          regions: ['near', 'far'],
          oneWayMs: [
            [0, 250],
            [250, 0],
          ],
          jitter: 0,
        },
        loss: 0,
        ...plan,
      },
      random: seededRandom(5),
      endOf: (address) => Object.values(ends).find(({ name }) => addresses[name as keyof typeof ends] === address),
      sourceOf: ({ name }) => addresses[name as keyof typeof ends],
    })
  }

  /** A node that serves, behind its relay. */
  async function serve(name: keyof typeof ends, serving: (socket: Socket) => void): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.push(socket)
      socket.on('error', () => undefined)
      serving(socket)
    })
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new TypeError('no port')
    const relay = await links.open(
      ends[name],
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port: address.port },
    )
    return relay.port
  }

  function dial(port: number, from: keyof typeof addresses = 'alice'): Socket {
    const socket = connect({ port, host: '127.0.0.1', localAddress: addresses[from] })
    sockets.push(socket)
    socket.on('error', () => undefined)
    return socket
  }

  const ended = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve))

  it('hand on every byte in order, both ways, over a slow and lossy link', async () => {
    ends = { ...ends, alice: { ...ends.alice, place: place('near', { upBitsPerSecond: 50e6 }) } }
    open({ loss: 0.05 })
    const port = await serve('bob', (socket) => socket.pipe(socket))
    const sent = Buffer.from(seededRandom(6).bytes(300_000))
    const socket = dial(port)
    socket.end(sent)
    const got: Buffer[] = []
    socket.on('data', (bytes: Buffer) => got.push(bytes))
    await ended(socket)
    expect(Buffer.concat(got).equals(sent)).toBe(true)
    expect(links.figures()['linkBytes']).toBe(2 * sent.length)
  })

  it('show the node whose connection it is', async () => {
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    const port = await serve('bob', (socket) => resolve(socket.remoteAddress))
    dial(port)
    expect(await promise).toBe(addresses.alice)
    expect(links.connectedTo('bob')).toEqual(['alice'])
  })

  it('refuse whoever they do not know', async () => {
    let isServed = false
    const port = await serve('bob', () => {
      isServed = true
    })
    await ended(dial(port, 'stranger'))
    expect(isServed).toBe(false)
    expect(links.figures()['linkRefused']).toBe(1)
  })

  it('bring the near answer first, though the far one was asked before', async () => {
    const order: string[] = []
    const [far, near] = await Promise.all([serve('carol', (s) => s.pipe(s)), serve('bob', (s) => s.pipe(s))])
    const asked = [far, near].map((port) => {
      const socket = dial(port)
      socket.write('hello')
      return once(socket, 'data').then(() => order.push(port === far ? 'far' : 'near'))
    })
    await Promise.all(asked)
    expect(order).toEqual(['near', 'far'])
  })

  it('hold what a partition is between, let all else pass, and hand it on when it heals', async () => {
    let bob = ''
    let heard = Promise.withResolvers<void>()
    const untilHeard = async (text: string): Promise<void> => {
      while (bob !== text) await heard.promise
    }
    const [toBob, toCarol] = await Promise.all([
      serve('bob', (socket) =>
        socket.on('data', (bytes: Buffer) => {
          bob += bytes.toString()
          heard.resolve()
          heard = Promise.withResolvers()
        }),
      ),
      serve('carol', (socket) => socket.pipe(socket)),
    ])
    const [first, second] = [dial(toBob), dial(toCarol)]
    first.write('before ')
    await untilHeard('before ')
    const heal = links.disturb({ kind: 'partition', atMs: 0, forMs: 0, between: ['bob', '*'] })
    first.write('during')
    second.write('hello')
    await once(second, 'data') // half a second there and back
    expect(bob).toBe('before ')
    heal()
    await untilHeard('before during')
  })

  it('partition by name, group and region', async () => {
    const [toBob, toCarol] = await Promise.all([serve('bob', (s) => s.pipe(s)), serve('carol', (s) => s.pipe(s))])
    const heal = links.disturb({ kind: 'partition', atMs: 0, forMs: 0, between: ['consumer', 'near'] })
    const [held, free] = [dial(toBob), dial(toCarol)]
    let isHeld = true
    held.on('data', () => {
      isHeld = false
    })
    held.write('hello')
    free.write('hello')
    await once(free, 'data')
    expect(isHeld).toBe(true)
    heal()
    if (isHeld) await once(held, 'data')
  })

  it('say nothing of a machine without power, until it is back', async () => {
    let isTold = false
    const port = await serve('bob', (socket) => {
      socket.once('data', () => {
        links.power('bob', false)
        socket.resetAndDestroy()
      })
    })
    const far = await serve('carol', (socket) => socket.pipe(socket))
    const socket = dial(port)
    socket.on('close', () => {
      isTold = true
    })
    socket.write('hello')
    const other = dial(far)
    other.write('hello')
    await once(other, 'data')
    expect(isTold).toBe(false)
    links.power('bob', true)
    if (!isTold) await ended(socket)
  })

  it('tell at once of a process that died', async () => {
    const port = await serve('bob', (socket) => socket.once('data', () => socket.resetAndDestroy()))
    const socket = dial(port)
    socket.write('hello')
    await ended(socket)
  })

  it('end a dial to a node that does not run', async () => {
    const port = await serve('bob', () => undefined)
    servers[0]?.close()
    await ended(dial(port))
  })

  it('let nobody in to a symmetric NAT, and into a cone only whom it dialled', async () => {
    ends = { ...ends, bob: { ...ends.bob, place: place('near', { nat: 'cone' }) } }
    open()
    let served = 0
    const [toBob, toAlice] = await Promise.all([
      serve('bob', (socket) => {
        served += 1
        socket.pipe(socket)
      }),
      serve('alice', (socket) => socket.pipe(socket)),
    ])
    const early = dial(toBob)
    early.write('hello')
    const out = dial(toAlice, 'bob')
    out.write('hello')
    await once(out, 'data')
    expect(served).toBe(0)
    const late = dial(toBob)
    late.write('hello')
    await once(late, 'data')
    expect(served).toBe(1)
  })

  it('cut the connections of two peers and of no others', async () => {
    const [toBob, toCarol] = await Promise.all([serve('bob', (s) => s.pipe(s)), serve('carol', (s) => s.pipe(s))])
    const [first, second] = [dial(toBob), dial(toCarol)]
    first.write('a')
    second.write('a')
    await Promise.all([once(first, 'data'), once(second, 'data')])
    links.cut('alice', 'bob')
    await ended(first)
    second.write('b')
    await once(second, 'data')
  })
})

describe('a node’s process', () => {
  it('comes from its own address on loopback, and from any elsewhere', () => {
    const local: Record<string, unknown> = { host: '127.0.0.1', port: 80 }
    const other: Record<string, unknown> = { host: '192.0.2.1', port: 80 }
    for (const options of [local, other]) confine(options, { address: '127.91.7.1', clockSkewMs: 0 })
    expect(local['localAddress']).toBe('127.91.7.1')
    expect(other['localAddress']).toBeUndefined()
  })

  it('cannot dial a node around its relay', async () => {
    const script = `
      require('node:net').connect(${nodePort}, '127.91.7.2').on('error', (error) => console.log(error.message))`
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', new URL('../../sim/process/host.ts', import.meta.url).href, '-e', script],
      { env: { ...process.env, ...environmentOf({ address: '127.91.7.1', clockSkewMs: 0 }) } },
    )
    expect(stdout).toContain(`127.91.7.2:${nodePort} is a node, expected its relay`)
  })

  it('has a clock that is off by as much as was said', async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', new URL('../../sim/process/host.ts', import.meta.url).href, '-e', 'console.log(Date.now())'],
      { env: { ...process.env, ...environmentOf({ address: '127.91.7.1', clockSkewMs: -86_400_000 }) } },
    )
    expect((Date.now() - Number(stdout)) / 86_400_000).toBeCloseTo(1, 1)
  })
})

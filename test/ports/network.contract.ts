// What every network must do, the real and the modelled. No ambient clock: waiting goes through the clock it is given.

import { describe, expect, test } from 'vitest'
import type { Clock, Identity, Network, Stream } from '../../node/ports.ts'
import { MeshError } from '../../protocol/errors.ts'
import {
  advertProtocol,
  capacityTopic,
  hubProtocol,
  inferProtocol,
  type ModelKey,
  type PeerId,
  peerIdOf,
  settleProtocol,
} from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'

export interface ContractPeer {
  readonly network: Network
  readonly identity: Identity
}

export interface ContractMesh {
  readonly peers: readonly ContractPeer[]
  readonly clock: Clock
  /** Lets virtual time pass until the promise settles; on a real network it only waits. */
  readonly drive: <T>(work: Promise<T>) => Promise<T>
  stop(): Promise<void>
}

/** `star`: all know the first and find each other through it. `line`: each is connected to its neighbours and no others. */
export type Shape = 'star' | 'line'

/** The longest a condition may take to come true. */
const patienceMs = 20_000
const pollMs = 20

export function networkContract(name: string, make: (count: number, shape: Shape) => Promise<ContractMesh>): void {
  /** Runs the body on a fresh mesh, where each peer has learned the addresses of all others. */
  const on =
    (count: number, body: (mesh: ContractMesh) => Promise<void>, shape: Shape = 'star') =>
    async () => {
      const mesh = await make(count, shape)
      try {
        if (shape === 'star') introduce(mesh)
        await mesh.drive(body(mesh))
      } finally {
        await mesh.stop()
      }
    }

  describe(`network: ${name}: streams`, () => {
    test(
      'frames of every size arrive whole and in order',
      on(2, async ({ peers: [a, b] = [] }) => {
        b?.network.handle(inferProtocol, echo)
        const sizes = [0, 1, 63, 127, 128, 16_383, 16_384, 65_535, limits.frameBytesMax, 5]
        const stream = await opened(a, b)
        const answers = collect(stream)
        for (const [at, size] of sizes.entries()) await stream.send(filled(size, at))
        await stream.close()
        expect((await answers).map((frame) => [frame.length, frame[0]])).toEqual(
          sizes.map((size, at) => [size, size === 0 ? undefined : at]),
        )
      }),
    )

    test(
      'a thousand small frames sent without waiting arrive in order',
      on(2, async ({ peers: [a, b] = [] }) => {
        b?.network.handle(inferProtocol, echo)
        const stream = await opened(a, b)
        const answers = collect(stream)
        const numbers = Array.from({ length: 1_000 }, (_, at) => at)
        await Promise.all(numbers.map((at) => stream.send(Uint8Array.of(at & 0xff, at >>> 8))))
        await stream.close()
        expect((await answers).map(([low = 0, high = 0]) => low + 256 * high)).toEqual(numbers)
      }),
    )

    test(
      'a prompt at its limit arrives, and one byte more is not sent',
      on(2, async ({ peers: [a, b] = [] }) => {
        const received: number[] = []
        b?.network.handle(inferProtocol, async (stream) => {
          for await (const frame of stream.frames) received.push(frame.length)
          await stream.send(Uint8Array.of(1))
        })
        const stream = await opened(a, b)
        await expect(stream.send(new Uint8Array(limits.openBytesMax + 1))).rejects.toThrow(
          `${limits.openBytesMax + 1} bytes, at most ${limits.openBytesMax}`,
        )
        await stream.send(new Uint8Array(limits.openBytesMax))
        await stream.close()
        expect(await collect(stream)).toHaveLength(1)
        expect(received).toEqual([limits.openBytesMax])
      }),
    )

    test(
      'the side that answers may not send a frame as large as a prompt',
      on(2, async ({ peers: [a, b] = [] }) => {
        const refusal = Promise.withResolvers<unknown>()
        b?.network.handle(inferProtocol, async (stream) => {
          await stream.send(new Uint8Array(limits.frameBytesMax + 1)).catch(refusal.resolve)
          await stream.send(Uint8Array.of(7))
        })
        const stream = await opened(a, b)
        expect(await refusal.promise).toBeInstanceOf(RangeError)
        expect(await collect(stream)).toEqual([Uint8Array.of(7)])
      }),
    )

    test(
      'a stream closed on one side still carries the other side',
      on(2, async ({ peers: [a, b] = [] }) => {
        b?.network.handle(inferProtocol, async (stream) => {
          const heard = await collect(stream)
          for (const frame of heard) await stream.send(frame)
        })
        const stream = await opened(a, b)
        await stream.send(Uint8Array.of(1, 2, 3))
        await stream.close()
        expect(await collect(stream)).toEqual([Uint8Array.of(1, 2, 3)])
      }),
    )

    test(
      'both sides know the authenticated other side',
      on(2, async ({ peers: [a, b] = [] }) => {
        const caller = Promise.withResolvers<PeerId>()
        b?.network.handle(inferProtocol, async (stream) => caller.resolve(stream.peer))
        const stream = await opened(a, b)
        expect(stream.peer).toBe(b?.identity.peerId)
        expect(await caller.promise).toBe(a?.identity.peerId)
      }),
    )

    test(
      'a reset reaches the other side as an error, whatever it was doing',
      on(2, async ({ peers: [a, b] = [], clock }) => {
        const reading = Promise.withResolvers<unknown>()
        const sending = Promise.withResolvers<unknown>()
        b?.network.handle(inferProtocol, async (stream) => {
          await collect(stream).catch(reading.resolve)
          await eventually(clock, () => stream.send(Uint8Array.of(1)).then(() => false, settle(sending)))
        })
        const stream = await opened(a, b)
        await stream.send(Uint8Array.of(1))
        stream.reset(new Error('changed my mind'))
        expect(await reading.promise).toMatchObject({ name: 'MeshError', code: 'unreachable' })
        expect(await sending.promise).toMatchObject({ name: 'MeshError' })
        await expect(stream.send(Uint8Array.of(2))).rejects.toBeInstanceOf(MeshError)
        await expect(collect(stream)).rejects.toBeInstanceOf(MeshError)
      }),
    )

    test(
      'frames that arrived before a reset can still be read',
      on(2, async ({ peers: [a, b] = [], clock }) => {
        b?.network.handle(inferProtocol, async (stream) => {
          await stream.send(Uint8Array.of(9))
          await clock.sleep(200)
          stream.reset(new Error('enough'))
        })
        const stream = await opened(a, b)
        const heard: Uint8Array[] = []
        const reading = (async () => {
          for await (const frame of stream.frames) heard.push(frame)
        })()
        await expect(reading).rejects.toMatchObject({ name: 'MeshError' })
        expect(heard).toEqual([Uint8Array.of(9)])
      }),
    )

    test(
      'a handler that fails resets its own stream and no other',
      on(2, async ({ peers: [a, b] = [] }) => {
        b?.network.handle(inferProtocol, async (stream) => {
          for await (const frame of stream.frames) {
            if (frame[0] === 0) throw new Error('a fault in the handler')
            await stream.send(frame)
          }
        })
        const good = await opened(a, b)
        const bad = await opened(a, b)
        await bad.send(Uint8Array.of(0))
        await expect(collect(bad)).rejects.toMatchObject({ name: 'MeshError' })
        await good.send(Uint8Array.of(5))
        await good.close()
        expect(await collect(good)).toEqual([Uint8Array.of(5)])
      }),
    )

    test(
      'a handler that returns closes the stream, what it sent arrives',
      on(2, async ({ peers: [a, b] = [] }) => {
        b?.network.handle(advertProtocol, (stream) => stream.send(Uint8Array.of(4, 2)))
        const stream = await opened(a, b, advertProtocol)
        expect(await collect(stream)).toEqual([Uint8Array.of(4, 2)])
      }),
    )

    test(
      'a closed stream takes no more frames, and closing it twice is nothing',
      on(2, async ({ peers: [a, b] = [] }) => {
        b?.network.handle(inferProtocol, echo)
        const stream = await opened(a, b)
        await stream.close()
        await stream.close()
        await expect(stream.send(Uint8Array.of(1))).rejects.toBeInstanceOf(MeshError)
        expect(await collect(stream)).toEqual([])
      }),
    )

    test(
      'the frames of a stream can be read once, and leaving early ends them',
      on(2, async ({ peers: [a, b] = [] }) => {
        b?.network.handle(inferProtocol, echo)
        const stream = await opened(a, b)
        await stream.send(Uint8Array.of(1))
        await stream.send(Uint8Array.of(2))
        const frames = stream.frames[Symbol.asyncIterator]()
        expect(await frames.next()).toEqual({ done: false, value: Uint8Array.of(1) })
        const pending = frames.next().then(() => frames.next())
        await frames.return?.()
        expect(await pending).toMatchObject({ done: true })
        expect(() => stream.frames[Symbol.asyncIterator]()).toThrow(TypeError)
      }),
    )

    test(
      'a sender waits for a reader that does not read, and nothing is lost',
      on(2, async ({ peers: [a, b] = [], clock }) => {
        const frames = 256
        const read = Promise.withResolvers<void>()
        const heard: number[] = []
        const ended = Promise.withResolvers<void>()
        b?.network.handle(inferProtocol, async (stream) => {
          await read.promise
          for await (const frame of stream.frames) heard.push(frame[0] ?? -1)
          ended.resolve()
        })
        const stream = await opened(a, b)
        let accepted = 0
        const sending = (async () => {
          for (let at = 0; at < frames; at += 1) {
            await stream.send(filled(limits.frameBytesMax, at))
            accepted += 1
          }
          await stream.close()
        })()
        let before = -1
        await eventually(clock, async () => {
          if (accepted === before) return true
          before = accepted
          await clock.sleep(500)
          return false
        })
        expect(accepted * limits.frameBytesMax).toBeLessThan(4 * 1_048_576)
        read.resolve()
        await Promise.all([sending, ended.promise])
        expect(heard).toEqual(Array.from({ length: frames }, (_, at) => at & 0xff))
      }),
    )
  })

  describe(`network: ${name}: dialling`, () => {
    test(
      'a protocol the other side does not speak is unreachable, and named',
      on(2, async ({ peers: [a, b] = [] }) => {
        await expect(opened(a, b, settleProtocol)).rejects.toMatchObject({
          code: 'unreachable',
          message: expect.stringContaining(`${settleProtocol}: it is not a settler`),
        })
        await expect(opened(a, b, hubProtocol)).rejects.toMatchObject({
          message: expect.stringContaining(`${hubProtocol}: it is not a hub`),
        })
      }),
    )

    test(
      'a handler registered later serves from then on, and only one a protocol',
      on(2, async ({ peers: [a, b] = [] }) => {
        await expect(opened(a, b)).rejects.toMatchObject({ code: 'unreachable' })
        b?.network.handle(inferProtocol, echo)
        await (await opened(a, b)).close()
        expect(() => b?.network.handle(inferProtocol, echo)).toThrow(MeshError)
      }),
    )

    test(
      'a peer nobody knows is unreachable, and named',
      on(2, async ({ peers: [a] = [] }) => {
        const stranger = peerIdOf(new Uint8Array(32).fill(99))
        await expect(a?.network.open(stranger, inferProtocol)).rejects.toMatchObject({
          code: 'unreachable',
          message: expect.stringContaining(stranger),
        })
      }),
    )

    test(
      'a peer cannot dial itself',
      on(1, async ({ peers: [a] = [] }) => {
        await expect(opened(a, a)).rejects.toMatchObject({ code: 'unreachable' })
      }),
    )

    test(
      'a signal cancels, before or while dialling, with its own reason where that is one of ours',
      on(2, async ({ peers: [a, b] = [] }) => {
        b?.network.handle(inferProtocol, echo)
        const to = b?.identity.peerId ?? fail()
        await expect(a?.network.open(to, inferProtocol, AbortSignal.abort())).rejects.toMatchObject({
          code: 'cancelled',
        })
        const controller = new AbortController()
        const opening = a?.network.open(to, inferProtocol, controller.signal)
        controller.abort(new MeshError('over-budget', 'too dear by now'))
        await expect(opening).rejects.toMatchObject({ code: 'over-budget' })
        await (await opened(a, b)).close()
      }),
    )

    test(
      'peers that dial each other at the same moment both succeed',
      on(2, async ({ peers: [a, b] = [] }) => {
        a?.network.handle(inferProtocol, echo)
        b?.network.handle(inferProtocol, echo)
        const both = await Promise.all([opened(a, b), opened(b, a), opened(a, b), opened(b, a)])
        const answers = both.map(async (stream, at) => {
          await stream.send(Uint8Array.of(at))
          await stream.close()
          return await collect(stream)
        })
        expect(await Promise.all(answers)).toEqual(both.map((_, at) => [Uint8Array.of(at)]))
      }),
    )

    test(
      'addresses end in the peer id, and connections tell who, how and where',
      on(2, async ({ peers: [a, b] = [] }) => {
        b?.network.handle(inferProtocol, echo)
        await opened(a, b)
        for (const peer of [a, b]) {
          const addresses = peer?.network.addresses() ?? []
          expect(addresses.length).toBeGreaterThan(0)
          for (const address of addresses) expect(address.endsWith(`/p2p/${peer?.identity.peerId}`)).toBe(true)
        }
        const connection = a?.network.connections().find(({ peer }) => peer === b?.identity.peerId)
        expect(connection).toMatchObject({
          direction: expect.stringMatching(/^(in|out)bound$/),
          address: expect.stringMatching(/^\//),
        })
        expect(connection?.rttMs ?? 0).toBeGreaterThanOrEqual(0)
      }),
    )

    test(
      'learning nonsense changes nothing',
      on(2, async ({ peers: [a, b] = [] }) => {
        b?.network.handle(inferProtocol, echo)
        const to = b?.identity.peerId ?? fail()
        const other = peerIdOf(new Uint8Array(32).fill(98))
        const nonsense = [
          '',
          'nonsense',
          '/',
          '/ip4/999.1.1.1/tcp/1',
          '/ip4/127.0.0.1/udp/1',
          `/dns4/${'x'.repeat(5_000)}/tcp/1`,
        ]
        a?.network.learn(to, [...nonsense, `/ip4/127.0.0.1/tcp/1/p2p/${other}`])
        a?.network.learn(a.identity.peerId, ['/ip4/127.0.0.1/tcp/1'])
        await (await opened(a, b)).close()
      }),
    )
  })

  describe(`network: ${name}: gossip`, () => {
    test(
      'a message reaches every other subscriber once, from its author',
      on(4, async ({ peers, clock }) => {
        const heard = peers.map(() => new Map<string, number>())
        for (const [at, { network }] of peers.entries()) {
          network.subscribe(capacityTopic, (from, message) => {
            const key = `${from} ${text(message)}`
            heard[at]?.set(key, (heard[at]?.get(key) ?? 0) + 1)
            return 'accept'
          })
        }
        const [author] = peers
        let round = 0
        // the mesh of a topic forms in its own time: repeat until a message got everywhere
        await eventually(clock, async () => {
          round += 1
          await author?.network.publish(capacityTopic, bytes(`news ${round}`))
          await clock.sleep(300)
          return heard.slice(1).every((messages) => messages.size > 0)
        })
        const last = `last of ${round}`
        await author?.network.publish(capacityTopic, bytes(last))
        await eventually(clock, () =>
          heard.slice(1).every((messages) => messages.has(`${author?.identity.peerId} ${last}`)),
        )
        await clock.sleep(500)
        expect(heard[0]?.size).toBe(0)
        for (const messages of heard.slice(1)) expect([...messages.values()].every((count) => count === 1)).toBe(true)
      }),
    )

    test(
      'publishing to nobody is no error',
      on(1, async ({ peers: [a] = [] }) => {
        await a?.network.publish(capacityTopic, bytes('is anybody there'))
      }),
    )

    test(
      'a message past its limit is not published',
      on(1, async ({ peers: [a] = [] }) => {
        await expect(a?.network.publish(capacityTopic, new Uint8Array(limits.advertBytesMax + 1))).rejects.toThrow(
          `at most ${limits.advertBytesMax}`,
        )
      }),
    )

    test(
      'only accepted messages are forwarded, and keep their author on the way',
      on(
        3,
        async ({ peers: [a, b, c] = [], clock }) => {
          const atB: string[] = []
          const atC: string[] = []
          b?.network.subscribe(capacityTopic, (_from, message) => {
            const told = text(message)
            atB.push(told)
            if (told === 'bad') return 'reject'
            if (told === 'late') return 'ignore'
            if (told === 'strange') throw new Error('a fault in the validator')
            return 'accept'
          })
          c?.network.subscribe(capacityTopic, (from, message) => {
            atC.push(`${from} ${text(message)}`)
            return 'accept'
          })
          a?.network.subscribe(capacityTopic, () => 'accept')
          const from = a?.identity.peerId
          await eventually(clock, async () => {
            await a?.network.publish(capacityTopic, bytes('good'))
            await clock.sleep(300)
            return atC.includes(`${from} good`)
          })
          for (const told of ['late', 'bad', 'strange']) {
            await a?.network.publish(capacityTopic, bytes(told))
            await eventually(clock, () => atB.includes(told))
          }
          await eventually(clock, async () => {
            await a?.network.publish(capacityTopic, bytes('good again'))
            await clock.sleep(300)
            return atC.includes(`${from} good again`)
          })
          expect(new Set(atC)).toEqual(new Set([`${from} good`, `${from} good again`]))
        },
        'line',
      ),
    )
  })

  describe(`network: ${name}: provider records`, () => {
    const key = 'ab'.repeat(32) as ModelKey
    const otherKey = 'cd'.repeat(32) as ModelKey

    test(
      'providers are found by a peer that knows only the first, each once',
      on(4, async ({ peers, clock }) => {
        const [, first, second, seeker] = peers
        const stop = new AbortController()
        const providing = [first, second].map((peer) => peer?.network.provide(key, stop.signal))
        const providers = [first, second].map((peer) => peer?.identity.peerId).toSorted()
        let found: PeerId[] = []
        await eventually(clock, async () => {
          found = await gather(seeker, key, stop.signal)
          return found.length === providers.length
        })
        expect(found.toSorted()).toEqual(providers)
        stop.abort()
        await Promise.all(providing) // announcing ends with the signal
      }),
    )

    test(
      'a key nobody provides yields nobody, and the search ends',
      on(3, async ({ peers: [, , seeker] = [] }) => {
        expect(await gather(seeker, otherKey, new AbortController().signal)).toEqual([])
      }),
    )

    test(
      'a peer alone finds nobody and is not disturbed by it',
      on(1, async ({ peers: [a] = [], clock }) => {
        const stop = new AbortController()
        const providing = a?.network.provide(key, stop.signal)
        const searching = gather(a, key, stop.signal)
        await clock.sleep(100)
        stop.abort()
        expect(await searching).toEqual([])
        await providing
      }),
    )

    test(
      'a found provider can be dialled without having been introduced',
      on(
        3,
        async ({ peers: [, provider, seeker] = [], clock }) => {
          provider?.network.handle(inferProtocol, echo)
          const stop = new AbortController()
          const providing = provider?.network.provide(key, stop.signal)
          await eventually(clock, async () => (await gather(seeker, key, stop.signal)).length > 0)
          const stream = await opened(seeker, provider)
          await stream.send(Uint8Array.of(3))
          await stream.close()
          expect(await collect(stream)).toEqual([Uint8Array.of(3)])
          stop.abort()
          await providing
        },
        'star',
      ),
    )
  })
}

/** What one peer tells of itself, told to all others. */
function introduce({ peers }: ContractMesh): void {
  for (const { network } of peers) {
    for (const other of peers) network.learn(other.identity.peerId, other.network.addresses())
  }
}

type Protocol = Parameters<Network['open']>[1]

function opened(
  from: ContractPeer | undefined,
  to: ContractPeer | undefined,
  protocol: Protocol = inferProtocol,
): Promise<Stream> {
  if (!from || !to) return fail()
  return from.network.open(to.identity.peerId, protocol)
}

async function echo(stream: Stream): Promise<void> {
  for await (const frame of stream.frames) await stream.send(frame)
}

async function collect(stream: Stream): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = []
  for await (const frame of stream.frames) frames.push(frame)
  return frames
}

async function gather(peer: ContractPeer | undefined, key: ModelKey, signal: AbortSignal): Promise<PeerId[]> {
  const found: PeerId[] = []
  for await (const provider of peer?.network.findProviders(key, signal) ?? fail()) found.push(provider)
  return found
}

async function eventually(clock: Clock, condition: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = clock.now() + patienceMs
  while (!(await condition())) {
    if (clock.now() > untilMs) throw new Error(`not within ${patienceMs} ms`)
    await clock.sleep(pollMs)
  }
}

function settle(promise: PromiseWithResolvers<unknown>): (reason: unknown) => true {
  return (reason) => {
    promise.resolve(reason)
    return true
  }
}

function filled(length: number, value: number): Uint8Array {
  return new Uint8Array(length).fill(value)
}

function bytes(message: string): Uint8Array {
  return new TextEncoder().encode(message)
}

function text(message: Uint8Array): string {
  return new TextDecoder().decode(message)
}

function fail(): never {
  throw new Error('the mesh has fewer peers than the test needs')
}

// Peers that keep no rule: garbage, silence, floods and wrong identities cost their own stream or connection, no more.

import { randomBytes } from 'node:crypto'
import { connect as dialTcp, type Socket } from 'node:net'
import type { Stream as RawStream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, onTestFinished, test } from 'vitest'
import { encodeFrame } from '../../node/adapters/libp2p/framing.ts'
import type { Libp2pEvent, Libp2pNetwork } from '../../node/adapters/libp2p/network.ts'
import type { Stream } from '../../node/ports.ts'
import { capacityTopic, inferProtocol, type PeerId } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { collect, echo, eventually, portOf, startNode, startProxy, startRawPeer } from './libp2p.fixture.ts'

/** A raw peer with a stream of our protocol to the node. */
async function rawStream(node: Libp2pNetwork): Promise<RawStream> {
  const raw = await startRawPeer()
  const connection = await raw.dial(multiaddr(node.addresses()[0]))
  return await connection.newStream(inferProtocol)
}

/** What the node's handler saw of one stream. */
function handled(node: Libp2pNetwork): Promise<{ frames: Uint8Array[]; error: unknown }> {
  const seen = Promise.withResolvers<{ frames: Uint8Array[]; error: unknown }>()
  node.handle(inferProtocol, async (stream) => {
    const frames: Uint8Array[] = []
    try {
      for await (const frame of stream.frames) frames.push(frame)
      seen.resolve({ frames, error: undefined })
    } catch (error) {
      seen.resolve({ frames, error })
    }
  })
  return seen.promise
}

describe('a stream of garbage', () => {
  test.each([
    ['a length beyond the limit', Uint8Array.of(0x81, 0x80, 0x40), `at most ${limits.openBytesMax}`],
    ['a length that never ends', new Uint8Array(9).fill(0xff), 'length prefix longer than 3 bytes'],
    ['a padded length', Uint8Array.of(0x80, 0x80, 0x00), 'padded'],
  ])('of %s is refused before its bytes arrive', async (_, bytes, message) => {
    const node = await startNode()
    const seen = handled(node)
    const stream = await rawStream(node)
    const closed = new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }))
    stream.send(Buffer.concat([encodeFrame(Uint8Array.of(7)), bytes]))
    expect(await seen).toMatchObject({
      frames: [Uint8Array.of(7)],
      error: { code: 'protocol-violation', message: expect.stringContaining(message) },
    })
    await closed
    expect(stream.status).toBe('reset')
  })

  test('of random bytes harms neither the node nor its other streams', async () => {
    const node = await startNode()
    node.handle(inferProtocol, echo)
    const honest = await startNode()
    honest.learn(node.peerId, node.addresses())
    const good = await honest.open(node.peerId, inferProtocol)
    const raw = await startRawPeer()
    const connection = await raw.dial(multiaddr(node.addresses()[0]))
    for (let turn = 0; turn < 40; turn += 1) {
      const stream = await connection.newStream(inferProtocol)
      const closed = new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }))
      stream.send(randomBytes(1 + 500 * turn))
      stream.close().catch(() => undefined) // the node may have reset it already
      await closed
    }
    await good.send(Uint8Array.of(1))
    await good.close()
    expect(await collect(good)).toEqual([Uint8Array.of(1)])
    expect(connection.status).toBe('open')
  })

  test('that ends inside a frame is a violation, not an end', async () => {
    const node = await startNode()
    const seen = handled(node)
    const stream = await rawStream(node)
    stream.send(encodeFrame(randomBytes(100)).subarray(0, 50))
    await stream.close()
    expect((await seen).error).toMatchObject({ code: 'protocol-violation' })
  })

  test('that stops inside a frame is given up after a while', async () => {
    const node = await startNode({ frameMs: 100 })
    const seen = handled(node)
    const stream = await rawStream(node)
    stream.send(encodeFrame(randomBytes(100)).subarray(0, 50))
    expect((await seen).error).toMatchObject({ code: 'timeout', message: expect.stringContaining('not complete') })
  })

  test('that goes on after a whole frame is not hurried', async () => {
    const node = await startNode({ frameMs: 100 })
    const seen = handled(node)
    const stream = await rawStream(node)
    stream.send(encodeFrame(randomBytes(100)))
    await new Promise((resolve) => setTimeout(resolve, 300)) // longer than a frame may take
    stream.send(encodeFrame(randomBytes(100)))
    await stream.close()
    expect(await seen).toMatchObject({ frames: [{ length: 100 }, { length: 100 }], error: undefined })
  })
})

describe('a peer that never reads', () => {
  test('is given up after the send deadline, with little waiting for it', async () => {
    const node = await startNode({ sendStallMs: 300 })
    const outcome = Promise.withResolvers<unknown>()
    node.handle(inferProtocol, async (stream) => {
      try {
        for (;;) await stream.send(new Uint8Array(16_384))
      } catch (error) {
        outcome.resolve(error)
      }
    })
    const stream = await rawStream(node)
    stream.pause()
    const error = await outcome.promise
    expect(error).toMatchObject({ code: 'timeout' })
    const waiting = Number(/took nothing of (\d+) bytes/.exec(String(error))?.[1])
    // the high-water mark, the frame that passed it, and what was handed to the muxer
    expect(waiting).toBeLessThan(32_768 + 16_384 + 32_768 + 100)
  })

  test('cannot make the node queue answers to its pings', async () => {
    const node = await startNode()
    const raw = await startRawPeer()
    const connection = await raw.dial(multiaddr(node.addresses()[0]))
    const stream = await connection.newStream('/ipfs/ping/1.0.0')
    const closed = new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }))
    stream.pause()
    for (let turn = 0; turn < 40 && stream.status === 'open'; turn += 1) stream.send(randomBytes(1_024))
    await closed
    expect(stream.status).toBe('reset')
  })
})

describe('streams nobody reads', () => {
  test('share one budget; what exceeds it is refused, and the budget comes back', async () => {
    const node = await startNode({ inboundBufferBytesMax: 1_048_576 })
    const go = Promise.withResolvers<void>()
    const failures: unknown[] = []
    let finished = 0
    node.handle(inferProtocol, async (stream) => {
      await go.promise
      await collect(stream).catch((error: unknown) => failures.push(error))
      finished += 1
    })
    const raw = await startRawPeer()
    const connection = await raw.dial(multiaddr(node.addresses()[0]))
    const streams = await Promise.all(Array.from({ length: 6 }, () => connection.newStream(inferProtocol)))
    // above the high-water mark each is paused, and holds its window of 256 KiB too
    for (const stream of streams)
      stream.send(Buffer.concat(Array.from({ length: 5 }, () => encodeFrame(randomBytes(20_000)))))
    await eventually(() => streams.some(({ status }) => status === 'reset'))
    go.resolve()
    for (const stream of streams) stream.close().catch(() => undefined) // some are reset
    await eventually(() => finished === streams.length)
    expect(failures.length).toBeGreaterThan(0)
    for (const failure of failures) expect(failure).toMatchObject({ code: 'busy' })
    const again = await connection.newStream(inferProtocol)
    again.send(Buffer.concat(Array.from({ length: 5 }, () => encodeFrame(randomBytes(20_000)))))
    await again.close()
    await eventually(() => finished === streams.length + 1)
    expect(failures.length).toBeLessThan(streams.length)
  })
})

describe('too much of something', () => {
  test('the ninth stream of a peer is refused, over any number of connections', async () => {
    const events: Libp2pEvent[] = []
    const node = await startNode({ onEvent: (event) => events.push(event), lingerMs: 200 })
    const held: Stream[] = []
    const release = Promise.withResolvers<void>()
    node.handle(inferProtocol, async (stream) => {
      held.push(stream)
      await release.promise
    })
    const raw = await startRawPeer()
    const address = multiaddr(node.addresses()[0])
    const first = await raw.dial(address)
    const second = await raw.dial(address, { force: true })
    for (let turn = 0; turn < 8; turn += 1) await (turn % 2 === 0 ? first : second).newStream(inferProtocol)
    await eventually(() => held.length === 8)
    const ninth = await second.newStream(inferProtocol)
    await eventually(() => ninth.status === 'reset')
    expect(held).toHaveLength(8)
    expect(events).toContainEqual({ type: 'stream-refused', peer: raw.peerId.toString(), protocol: inferProtocol })
    release.resolve()
    await eventually(
      () =>
        first.streams.filter(({ status, protocol }) => status === 'open' && protocol === inferProtocol).length === 0,
    )
    await first.newStream(inferProtocol)
    await eventually(() => held.length === 9)
  })

  test('a peer that resets its streams does not gather handlers', async () => {
    const node = await startNode()
    let working = 0
    const release = Promise.withResolvers<void>()
    node.handle(inferProtocol, async () => {
      working += 1
      await release.promise
    })
    const raw = await startRawPeer()
    const connection = await raw.dial(multiaddr(node.addresses()[0]))
    for (let turn = 0; turn < 8; turn += 1) {
      const stream = await connection.newStream(inferProtocol)
      await eventually(() => working === turn + 1)
      stream.abort(new Error('only teasing'))
    }
    const ninth = await connection.newStream(inferProtocol)
    await eventually(() => ninth.status === 'reset')
    expect(working).toBe(8)
    release.resolve()
    await eventually(async () => {
      await connection.newStream(inferProtocol)
      return working > 8
    })
  })

  test('a fifth connection of a peer is refused', async () => {
    const node = await startNode()
    const raw = await startRawPeer()
    const address = multiaddr(node.addresses()[0])
    for (let turn = 0; turn < 4; turn += 1) await raw.dial(address, { force: true })
    await eventually(() => node.connections().length === 4)
    const fifth = await raw.dial(address, { force: true }).catch(() => undefined) // it may learn only after its own handshake
    await eventually(() => fifth === undefined || fifth.status !== 'open')
    expect(node.connections()).toHaveLength(4)
  })

  test('five hundred half-open connections do not keep an honest peer out', async () => {
    const node = await startNode({ inboundPerHostPerSecondMax: 16, handshakeMs: 30_000 })
    node.handle(inferProtocol, echo)
    const sockets: Socket[] = []
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
    })
    let dropped = 0
    const opening = Array.from({ length: 500 }, (_, at) => {
      // from forty addresses: no bound of a host is met, only the one over all
      const socket = dialTcp({ port: portOf(node), host: '127.0.0.1', localAddress: `127.0.1.${1 + (at % 40)}` })
      sockets.push(socket)
      socket.on('close', () => {
        dropped += 1
      })
      return new Promise<void>((resolve) => socket.on('connect', resolve).on('error', () => resolve()))
    })
    await Promise.all(opening)
    const honest = await startNode()
    honest.learn(node.peerId, node.addresses())
    const stream = await honest.open(node.peerId, inferProtocol)
    await stream.send(Uint8Array.of(1))
    await stream.close()
    expect(await collect(stream)).toEqual([Uint8Array.of(1)])
    await eventually(() => dropped >= 500 - 256) // the bound on handshakes
  })
})

describe('identities', () => {
  test('of another key type are not let in', async () => {
    const node = await startNode()
    const raw = await startRawPeer('secp256k1')
    const connection = await raw.dial(multiaddr(node.addresses()[0])).catch(() => undefined)
    await eventually(() => connection === undefined || connection.status !== 'open')
    expect(node.connections()).toEqual([])
  })

  test('are proven: another peer at the address does not pass for the one that was asked for', async () => {
    const [node, asked, dialler] = await Promise.all([startNode(), startNode(), startNode()])
    node.handle(inferProtocol, echo)
    const lie = node.addresses().map((address) => address.replace(/\/p2p\/.*/, ''))
    dialler.learn(asked.peerId, lie)
    await expect(dialler.open(asked.peerId, inferProtocol)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining(asked.peerId),
    })
  })

  test('survive a line that spoils bytes: no connection is taken for another, and honest ones go on', async () => {
    const node = await startNode()
    node.handle(inferProtocol, echo)
    let passed = 0
    const proxy = await startProxy(portOf(node), (bytes) => {
      passed += bytes.length
      const spoilt = Buffer.from(bytes)
      const at = passed % spoilt.length
      spoilt[at] = (spoilt[at] ?? 0) ^ (1 << (passed % 8))
      return spoilt
    })
    for (let turn = 0; turn < 5; turn += 1) {
      const victim = await startNode({ connectMs: 400 })
      victim.learn(node.peerId, [`/ip4/127.0.0.1/tcp/${proxy.port}`])
      await expect(victim.open(node.peerId, inferProtocol)).rejects.toMatchObject({ name: 'MeshError' })
      await victim.stop()
    }
    const honest = await startNode()
    honest.learn(node.peerId, node.addresses())
    const stream = await honest.open(node.peerId, inferProtocol)
    expect(stream.peer).toBe(node.peerId)
    stream.reset(new Error('enough'))
  })
})

describe('gossip', () => {
  test('of a peer that brings invalid messages is soon not looked at', async () => {
    const bad = await startNode({ gossipHeartbeatMs: 100 })
    const node = await startNode({ gossipHeartbeatMs: 100, bootstrap: bad.addresses() })
    const seen: string[] = []
    node.subscribe(capacityTopic, (_from: PeerId, message) => {
      const text = new TextDecoder().decode(message)
      seen.push(text)
      return text.startsWith('invalid') ? 'reject' : 'accept'
    })
    bad.subscribe(capacityTopic, () => 'accept')
    let number = 0
    await eventually(async () => {
      number += 1
      await bad.publish(capacityTopic, Buffer.from(`invalid ${number}`))
      return seen.length >= 4
    })
    // the score is looked up again after a heartbeat, and at the latest after a second
    await eventually(async () => {
      const before = seen.length
      number += 1
      await bad.publish(capacityTopic, Buffer.from(`valid ${number}`))
      await new Promise((resolve) => setTimeout(resolve, 300))
      return seen.length === before
    })
    expect(seen.filter((text) => text.startsWith('invalid')).length).toBeGreaterThanOrEqual(4)
  })

  test('of a neighbour that floods is dropped beyond its share, and heard again afterwards', async () => {
    const loud = await startNode({ gossipHeartbeatMs: 100 })
    const node = await startNode({ gossipHeartbeatMs: 100, gossipPerSecondMax: 5, bootstrap: loud.addresses() })
    const seen = new Set<string>()
    node.subscribe(capacityTopic, (_from, message) => {
      seen.add(new TextDecoder().decode(message))
      return 'accept'
    })
    loud.subscribe(capacityTopic, () => 'accept')
    await eventually(async () => {
      await loud.publish(capacityTopic, Buffer.from('are you there'))
      return seen.size > 0
    })
    for (let at = 0; at < 100; at += 1) await loud.publish(capacityTopic, Buffer.from(`flood ${at}`))
    await eventually(async () => {
      await loud.publish(capacityTopic, Buffer.from('still there'))
      return seen.has('still there')
    })
    expect([...seen].filter((text) => text.startsWith('flood')).length).toBeLessThan(50)
  })
})

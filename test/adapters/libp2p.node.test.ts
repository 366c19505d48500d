// A node's own life: its identity, its addresses, finding and keeping its first peers, and its end.

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { identityFrom } from '../../node/adapters/libp2p/identity.ts'
import type { Libp2pEvent } from '../../node/adapters/libp2p/network.ts'
import { libp2pDefaults } from '../../node/adapters/libp2p/options.ts'
import { walkingSlowly } from '../../node/adapters/libp2p/walk.ts'
import { advertProtocol, capacityTopic, inferProtocol, type ModelKey, type PeerId } from '../../protocol/ids.ts'
import { signerOf, verifySignature } from '../../protocol/signature.ts'
import { collect, echo, eventually, portOf, startNode, startProxy, startRawPeer } from './libp2p.fixture.ts'

describe('identity', () => {
  test('signs the very bytes that libp2p signs, and that the protocol verifies', async () => {
    const messages = fc.uint8Array({ maxLength: 300 })
    const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })
    await fc.assert(
      fc.asyncProperty(seeds, messages, async (seed, message) => {
        const identity = identityFrom(seed)
        const key = await generateKeyPairFromSeed('Ed25519', seed)
        const signature = identity.sign(message)
        expect(Buffer.from(signature).equals(signerOf(seed)(message))).toBe(true)
        expect(Buffer.from(signature).equals(await key.sign(message))).toBe(true)
        expect(verifySignature(message, signature, identity.publicKey)).toBe(true)
        expect(identity.peerId).toBe(peerIdFromPrivateKey(key).toString())
      }),
      { numRuns: 20 },
    )
  })

  test('is the one the network proves', async () => {
    const seed = randomBytes(32)
    const node = await startNode({ seed })
    expect(node.peerId).toBe(identityFrom(seed).peerId)
    expect(node.addresses()[0]).toContain(`/p2p/${node.peerId}`)
  })

  test('needs a seed of 32 bytes', () => {
    expect(() => identityFrom(new Uint8Array(31))).toThrow('seed of 31 bytes, expected 32')
  })
})

describe('an address a person gave', () => {
  const peer = identityFrom(new Uint8Array(32).fill(1)).peerId

  test.each([
    [
      'bootstrap',
      'localhost:4001',
      'bootstrap address "localhost:4001": expected such as /ip4/203.0.113.7/tcp/4001/p2p/12D3KooW',
    ],
    ['bootstrap', '/ip4/127.0.0.1/tcp/4001', 'does not end in /p2p/<peer id>: expected such as'],
    ['bootstrap', '/ip4/127.0.0.1/udp/4001/quic-v1', 'expected such as /ip4/203.0.113.7/tcp/4001/p2p/12D3KooW'],
    [
      'bootstrap',
      '/ip4/127.0.0.1/tcp/1/p2p/QmbLHAnMoJPWSCR5Zhtx6BHJX9KiKNN6tpvbUcqanj75Nb',
      'not a peer id, expected one that begins with 12D3KooW',
    ],
    ['bootstrap', `/ip4/300.0.0.1/tcp/1/p2p/${peer}`, 'expected such as'],
    ['listen', '0.0.0.0:4001', 'listen address "0.0.0.0:4001": expected such as /ip4/0.0.0.0/tcp/4001'],
    ['listen', '/ip4/127.0.0.1/tcp/70000', 'expected such as /ip4/0.0.0.0/tcp/4001'],
    ['listen', '/ip4/127.0.0.1/tcp/0/ws', 'needs the setting websockets'],
    ['announce', 'example.org', 'announce address "example.org": expected such as /ip4/0.0.0.0/tcp/4001'],
  ])('to %s, "%s", is refused with what is expected', async (setting, address, message) => {
    await expect(startNode({ [setting]: [address] })).rejects.toMatchObject({
      name: 'MeshError',
      code: 'bad-request',
      message: expect.stringContaining(message),
    })
  })

  test('that another program listens on is named with the way out', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    await expect(startNode({ listen: [`/ip4/127.0.0.1/tcp/${port}`] })).rejects.toMatchObject({
      code: 'bad-request',
      message: `cannot listen on /ip4/127.0.0.1/tcp/${port}: port ${port} is taken by another program; stop it, or listen on another port (0 takes a free one)`,
    })
  })

  test('that this machine does not have is named', async () => {
    await expect(startNode({ listen: ['/ip4/192.0.2.7/tcp/4001'] })).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining('this machine has no such address'),
    })
  })

  test('is told to others in place of the one listened on', async () => {
    const node = await startNode({ announce: ['/dns4/mesh.example.org/tcp/4001'] })
    expect(node.addresses()).toEqual([`/dns4/mesh.example.org/tcp/4001/p2p/${node.peerId}`])
  })

  test('can be dialled by hand, and must be answered by the peer it names', async () => {
    const [node, other, dialler] = await Promise.all([startNode(), startNode(), startNode()])
    expect(await dialler.dial(node.addresses()[0] ?? '')).toBe(node.peerId)
    const wrong = `/ip4/127.0.0.1/tcp/${portOf(node)}/p2p/${other.peerId}`
    await expect(dialler.dial(wrong)).rejects.toMatchObject({ code: 'unreachable' })
    await expect(dialler.dial('nonsense')).rejects.toMatchObject({ code: 'bad-request' })
  })
})

describe('bootstrap', () => {
  test('that does not answer is reported, tried again, and reached once it is there', async () => {
    const seed = randomBytes(32)
    const earlier = await startNode({ seed })
    const port = portOf(earlier)
    const bootstrap = earlier.addresses()
    await earlier.stop()
    const events: Libp2pEvent[] = []
    const node = await startNode({ bootstrap, bootstrapRetryMs: 50, onEvent: (event) => events.push(event) })
    await eventually(() => events.some(({ type }) => type === 'bootstrap-failed'))
    expect(events[0]).toMatchObject({ address: bootstrap[0], message: expect.stringContaining('ECONNREFUSED') })
    await startNode({ seed, listen: [`/ip4/127.0.0.1/tcp/${port}`] })
    await eventually(() => node.connections().some(({ peer }) => peer === earlier.peerId))
    expect(events).toContainEqual({ type: 'peer-connected', peer: earlier.peerId })
  })

  test('that went away is found again when it comes back', async () => {
    const seed = randomBytes(32)
    const earlier = await startNode({ seed })
    const listen = [`/ip4/127.0.0.1/tcp/${portOf(earlier)}`]
    const events: Libp2pEvent[] = []
    const node = await startNode({
      bootstrap: earlier.addresses(),
      bootstrapRetryMs: 50,
      onEvent: (event) => events.push(event),
    })
    await eventually(() => node.connections().length > 0)
    await earlier.stop()
    await eventually(() => events.some(({ type }) => type === 'peer-disconnected'))
    await startNode({ seed, listen })
    await eventually(() => events.filter(({ type }) => type === 'peer-connected').length >= 2)
  })

  test('is all a node needs to find a provider that is not its bootstrap peer', async () => {
    const key = 'ef'.repeat(32) as ModelKey
    const first = await startNode()
    const provider = await startNode({ bootstrap: first.addresses() })
    const seeker = await startNode({ bootstrap: first.addresses(), dhtMode: 'client' })
    const stop = new AbortController()
    onTestFinished(() => stop.abort())
    void provider.provide(key, stop.signal)
    let found: PeerId | undefined
    await eventually(async () => {
      for await (const peer of seeker.findProviders(key, stop.signal)) found = peer
      return found !== undefined
    })
    expect(found).toBe(provider.peerId)
  })
})

describe('dialling', () => {
  test('a peer whose port is closed fails at once, with the reason', async () => {
    const [gone, node] = await Promise.all([startNode(), startNode({ connectMs: 50_000 })])
    node.learn(gone.peerId, gone.addresses())
    await gone.stop()
    await expect(node.open(gone.peerId, inferProtocol)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(new RegExp(`^${gone.peerId} could not be dialled: .*ECONNREFUSED`)),
    })
  })

  test('a peer that accepts and stays silent is a timeout', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const address = server.address()
    const node = await startNode({ connectMs: 300 })
    const silent = identityFrom(randomBytes(32)).peerId
    node.learn(silent, [`/ip4/127.0.0.1/tcp/${typeof address === 'object' ? address?.port : 0}`])
    await expect(node.open(silent, inferProtocol)).rejects.toMatchObject({
      code: 'timeout',
      message: `dialling ${silent} took longer than 300 ms`,
    })
  })

  test('goes on to the next address where one is dead', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const dead = server.address()
    const node = await startNode()
    node.handle(inferProtocol, echo)
    const dialler = await startNode({ dialAddressMs: 200 })
    dialler.learn(node.peerId, [
      `/ip4/127.0.0.1/tcp/${typeof dead === 'object' ? dead?.port : 0}`,
      '/ip4/127.0.0.1/tcp/1',
      ...node.addresses(),
    ])
    const stream = await dialler.open(node.peerId, inferProtocol)
    await stream.close()
    expect(await collect(stream)).toEqual([])
  })

  test('keeps off local addresses that strangers tell, unless it may use them; bootstrap peers are excepted', async () => {
    const [node, first] = await Promise.all([startNode(), startNode()])
    node.handle(inferProtocol, echo)
    first.handle(inferProtocol, echo)
    const careful = await startNode({ allowPrivateAddresses: false, bootstrap: first.addresses(), connectMs: 500 })
    careful.learn(node.peerId, node.addresses())
    await expect(careful.open(node.peerId, inferProtocol)).rejects.toMatchObject({ code: 'unreachable' })
    await eventually(() => careful.connections().length > 0)
    const stream = await careful.open(first.peerId, inferProtocol)
    await stream.close()
  })
})

describe('a connection', () => {
  test('that went dead without a word is given up, and the peer dialled anew', async () => {
    const node = await startNode()
    node.handle(inferProtocol, echo)
    const proxy = await startProxy(portOf(node))
    const events: Libp2pEvent[] = []
    const dialler = await startNode({
      pingIntervalMs: 50,
      pingMs: 100,
      pingFailuresMax: 2,
      onEvent: (event) => events.push(event),
    })
    const address = `/ip4/127.0.0.1/tcp/${proxy.port}/p2p/${node.peerId}`
    await dialler.dial(address)
    await eventually(() => dialler.connections().some(({ rttMs }) => rttMs !== undefined))
    proxy.freeze()
    await eventually(() => events.some(({ type }) => type === 'connection-dropped'))
    expect(events).toContainEqual({ type: 'connection-dropped', peer: node.peerId, address })
    dialler.learn(node.peerId, node.addresses())
    const stream = await dialler.open(node.peerId, inferProtocol)
    await stream.close()
    expect(await collect(stream)).toEqual([])
  })

  test('to a peer that knows no ping protocol is measured by its refusal', async () => {
    const raw = await startRawPeer()
    const node = await startNode({ pingIntervalMs: 20 })
    await node.dial(raw.getMultiaddrs()[0]?.toString() ?? '')
    await eventually(() => node.connections().some(({ rttMs }) => rttMs !== undefined))
  })

  test('loses nothing of an answer that is complete before its stream is negotiated', async () => {
    const node = await startNode()
    node.handle(advertProtocol, (stream) => stream.send(Uint8Array.of(4, 2)))
    const dialler = await startNode()
    dialler.learn(node.peerId, node.addresses())
    for (let turn = 0; turn < 30; turn += 1) {
      const stream = await dialler.open(node.peerId, advertProtocol)
      expect(await collect(stream)).toEqual([Uint8Array.of(4, 2)])
      await stream.close()
    }
  })

  test('that carries a stream ends it with an error when the peer dies', async () => {
    const node = await startNode()
    node.handle(inferProtocol, echo)
    const dialler = await startNode()
    dialler.learn(node.peerId, node.addresses())
    const stream = await dialler.open(node.peerId, inferProtocol)
    await stream.send(Uint8Array.of(1))
    const broken = expect(collect(stream)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining(node.peerId),
    })
    await node.stop()
    await broken
  })
})

describe('other ways to a peer', () => {
  test('WebSockets, on the port after the TCP port or a free one', async () => {
    const node = await startNode({ websockets: true })
    node.handle(inferProtocol, echo)
    const address = node.addresses().find((text) => text.includes('/ws/'))
    const dialler = await startNode({ websockets: true })
    dialler.learn(node.peerId, [address ?? ''])
    const stream = await dialler.open(node.peerId, inferProtocol)
    await stream.send(new Uint8Array(200_000).fill(5).subarray(0, 60_000))
    await stream.close()
    expect((await collect(stream))[0]?.length).toBe(60_000)
    expect(dialler.connections()[0]?.address).toContain('/ws/')
  })

  test('a WebSocket message of 2 MiB from a stranger ends the connection', async () => {
    const node = await startNode({ websockets: true })
    const port = /\/tcp\/(\d+)\/ws/.exec(node.addresses().join(' '))?.[1]
    const socket = new WebSocket(`ws://127.0.0.1:${port}`)
    await new Promise((resolve) => socket.addEventListener('open', resolve))
    const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener('close', resolve))
    socket.send(new Uint8Array(2 * 1_048_576))
    expect((await closed).code).toBe(1009) // message too big
  })

  test('a malformed WebSocket frame from a stranger ends its connection and nothing else', async () => {
    const node = await startNode({ websockets: true })
    const port = Number(/\/tcp\/(\d+)\/ws/.exec(node.addresses().join(' '))?.[1])
    const socket = connect(port, '127.0.0.1')
    const closed = new Promise((resolve) => socket.on('close', resolve))
    socket.write(
      'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n',
    )
    socket.write('Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
    socket.once('data', () => socket.write(new Uint8Array(64).fill(0xff)))
    await closed
    const dialler = await startNode({ websockets: true })
    expect(await dialler.dial(node.addresses().find((text) => text.includes('/ws/')) ?? '')).toBe(node.peerId)
  })

  test('a relay, where nobody can dial the peer itself', async () => {
    const relay = await startNode({ relayServer: true })
    const hidden = await startNode({ listen: [`${relay.addresses()[0]}/p2p-circuit`], relayClient: true })
    hidden.handle(inferProtocol, echo)
    await eventually(() => hidden.addresses().some((address) => address.includes('/p2p-circuit/')))
    const dialler = await startNode({ relayClient: true, listen: [] })
    dialler.learn(hidden.peerId, hidden.addresses())
    const stream = await dialler.open(hidden.peerId, inferProtocol)
    await stream.send(Uint8Array.of(8))
    await stream.close()
    expect(await collect(stream)).toEqual([Uint8Array.of(8)])
    expect(stream.peer).toBe(hidden.peerId)
  })
})

describe('a search for relays', () => {
  test('rests between its steps, and ends the walk meanwhile', async () => {
    let walking = 0
    let walked = 0
    const randomWalk = {
      async *walk(_options?: { readonly signal?: AbortSignal }) {
        walking += 1
        try {
          for (;;) {
            walked += 1
            yield { id: peerIdFromString(identityFrom(randomBytes(32)).peerId), multiaddrs: [] }
          }
        } finally {
          walking -= 1
        }
      },
    }
    const settings = { ...libp2pDefaults, walkRestMs: 10 }
    const { walk } = walkingSlowly(
      settings,
      (components: { readonly randomWalk: typeof randomWalk }) => components.randomWalk,
    )({
      randomWalk,
    })
    const controller = new AbortController()
    const steps = []
    const search = (async () => {
      for await (const step of walk({ signal: controller.signal })) {
        expect(walking).toBe(0)
        steps.push(step)
        if (steps.length === 3) controller.abort(new Error('found one'))
      }
    })()
    await expect(search).rejects.toThrow('found one')
    expect(walked).toBe(3)
  })
})

describe('stopping', () => {
  test('ends what is open, refuses what comes after, and can be asked twice', async () => {
    const node = await startNode()
    node.handle(inferProtocol, echo)
    const dialler = await startNode()
    dialler.learn(node.peerId, node.addresses())
    const stream = await dialler.open(node.peerId, inferProtocol)
    const broken = expect(collect(stream)).rejects.toMatchObject({ name: 'MeshError' })
    await Promise.all([dialler.stop(), dialler.stop()])
    await broken
    await expect(dialler.open(node.peerId, inferProtocol)).rejects.toMatchObject({ message: 'this node is stopping' })
    await dialler.publish(capacityTopic, Uint8Array.of(1))
    expect(dialler.connections()).toEqual([])
  })

  test('lets the process end by itself', async () => {
    const url = new URL('../../node/adapters/libp2p/network.ts', import.meta.url)
    const program = `
      const { startLibp2p } = await import(${JSON.stringify(url.href)})
      const start = (fill, more) => startLibp2p({ seed: new Uint8Array(32).fill(fill), listen: ['/ip4/127.0.0.1/tcp/0'], ...more })
      const first = await start(1, { relayServer: true, websockets: true })
      const second = await start(2, { bootstrap: first.addresses().slice(0, 1) })
      while (second.connections().length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
      await Promise.all([first.stop(), second.stop()])
      console.log('stopped')`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    let output = ''
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString()
    })
    const code = await new Promise((resolve) => child.on('exit', resolve))
    expect({ code, output }).toEqual({ code: 0, output: 'stopped\n' })
  })
})

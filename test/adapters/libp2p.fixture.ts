// What the tests of the libp2p adapter share: nodes on loopback, a raw libp2p peer that keeps none of our rules, and a
// proxy that can stop or spoil what passes through it.

import { randomBytes } from 'node:crypto'
import { type AddressInfo, createServer, connect as dialTcp, type Socket } from 'node:net'
import { generateKeyPair, generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { onTestFinished } from 'vitest'
import { type Libp2pNetwork, type Libp2pOptions, startLibp2p } from '../../node/adapters/libp2p/network.ts'
import type { Stream } from '../../node/ports.ts'

/** A node on loopback with nothing that talks to the world; stopped when the test ends. */
export async function startNode(options: Partial<Libp2pOptions> = {}): Promise<Libp2pNetwork> {
  const network = await startLibp2p({
    seed: randomBytes(32),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    relayClient: false,
    dcutr: false,
    autonat: false,
    inboundPerHostPerSecondMax: 1_000,
    ...options,
  })
  onTestFinished(() => network.stop())
  return network
}

/** TCP, Noise and Yamux with their defaults, and no idea of our protocols. */
export async function startRawPeer(keyType: 'Ed25519' | 'secp256k1' = 'Ed25519'): Promise<Libp2p> {
  const privateKey =
    keyType === 'Ed25519' ? await generateKeyPairFromSeed('Ed25519', randomBytes(32)) : await generateKeyPair(keyType)
  const peer = await createLibp2p({
    privateKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  })
  onTestFinished(() => peer.stop())
  return peer
}

export function portOf(network: Libp2pNetwork): number {
  return Number(/\/tcp\/(\d+)/.exec(network.addresses()[0] ?? '')?.[1])
}

export async function echo(stream: Stream): Promise<void> {
  for await (const frame of stream.frames) await stream.send(frame)
}

export async function collect(stream: Stream): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = []
  for await (const frame of stream.frames) frames.push(frame)
  return frames
}

/** Resolves when the condition holds; the test's own time limit is the bound. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20))
}

export interface Proxy {
  readonly port: number
  /** From now on nothing passes, and nobody is told. */
  freeze(): void
}

/** Passes TCP on to a local port, through `spoil` on its way there. */
export async function startProxy(target: number, spoil: (bytes: Buffer) => Buffer = (bytes) => bytes): Promise<Proxy> {
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = dialTcp(target, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    }
    near.on('data', (bytes) => far.write(spoil(bytes))).on('close', () => far.destroy())
    far.on('data', (bytes) => near.write(bytes)).on('close', () => near.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = server.address() as AddressInfo
  return {
    port,
    freeze: () => {
      for (const socket of sockets) {
        socket.removeAllListeners('data')
        socket.pause()
      }
    },
  }
}

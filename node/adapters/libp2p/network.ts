// The real network: the port over libp2p. Everything libp2p stays behind this folder.

import { setMaxListeners } from 'node:events'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PeerInfo, Connection as RawConnection, Stream as RawStream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { asMeshError, type ErrorCode, MeshError } from '../../../protocol/errors.ts'
import { type ModelKey, type PeerId, type ProtocolId, parsePeerId, type Topic } from '../../../protocol/ids.ts'
import { limits } from '../../../protocol/limits.ts'
import type { Connection, Network, Stream, Verdict } from '../../ports.ts'
import {
  isLocal,
  isRelayed,
  isWebSocket,
  parseOwnAddress,
  parsePeerAddress,
  portOf,
  usableAddress,
} from './addresses.ts'
import { type BootstrapPeer, keepBootstrapped } from './bootstrap.ts'
import { ByteBudget } from './budget.ts'
import { Deadline } from './deadline.ts'
import { findProviders, provide } from './discovery.ts'
import { dialError, isBrokenHandshake, listenError } from './failures.ts'
import { Gossip } from './gossip.ts'
import { connectionGater } from './guards.ts'
import { Heartbeat } from './heartbeat.ts'
import { identityFrom } from './identity.ts'
import { type Libp2pSettings, libp2pDefaults } from './options.ts'
import { pause } from './pause.ts'
import { keepRouted } from './routes.ts'
import { FramedStream } from './stream.ts'
import { createSwarm, type Swarm } from './swarm.ts'

export type Libp2pEvent =
  | { readonly type: 'peer-connected'; readonly peer: PeerId }
  | { readonly type: 'peer-disconnected'; readonly peer: PeerId }
  | {
      readonly type: 'bootstrap-failed'
      readonly address: string
      readonly message: string
      readonly retryInMs: number
    }
  /** A dead connection was given up. */
  | { readonly type: 'connection-dropped'; readonly peer: PeerId; readonly address: string }
  /** A peer opened more streams than it may. */
  | { readonly type: 'stream-refused'; readonly peer: PeerId; readonly protocol: ProtocolId }
  /** The handler of an inbound stream failed, which reset the stream. */
  | {
      readonly type: 'handler-failed'
      readonly peer: PeerId
      readonly protocol: ProtocolId
      readonly code: ErrorCode
      readonly message: string
    }

export interface Libp2pOptions extends Partial<Libp2pSettings> {
  /** 32 bytes: the peer's identity. */
  readonly seed: Uint8Array
  /** For logs; must not throw. */
  readonly onEvent?: (event: Libp2pEvent) => void
}

export interface Libp2pNetwork extends Network {
  readonly peerId: PeerId
  /** Connects to a multiaddr that ends in /p2p/<peer id>. Rejects like `open`, and with `bad-request` for a malformed one. */
  dial(address: string, signal?: AbortSignal): Promise<PeerId>
  /** Ends every connection. Bounded by `stopMs`; never rejects. */
  stop(): Promise<void>
}

/** Throws `MeshError` `bad-request` for an address that is malformed or cannot be listened on. */
export async function startLibp2p({
  seed,
  onEvent = () => undefined,
  ...given
}: Libp2pOptions): Promise<Libp2pNetwork> {
  const settings: Libp2pSettings = { ...libp2pDefaults, ...given }
  const listen = listenAddresses(settings)
  for (const text of settings.announce) parseOwnAddress('announce', text)
  const bootstrap = settings.bootstrap.map((text) => parsePeerAddress('bootstrap address', text))
  const { peerId } = identityFrom(seed)
  const privateKey = await generateKeyPairFromSeed('Ed25519', seed)

  const trusted = new Set(bootstrap.map(({ address }) => endpoint(address)))
  let network: AdapterNetwork | undefined
  const swarm: Swarm = await createSwarm(settings, {
    privateKey,
    peer: peerId,
    listen: listen.map(String),
    gater: connectionGater(settings, {
      own: peerIdFromString(peerId),
      isTrusted: (address) => trusted.has(endpoint(address)),
      connectionsTo: (peer) => swarm.getConnections(peer).length,
    }),
    onLanPeer: (peer) => network?.onLanPeer(peer, trusted),
  })
  network = new AdapterNetwork(swarm, peerId, settings, onEvent)
  try {
    await swarm.start()
  } catch (error) {
    throw await listenError(listen, error)
  }
  network.keep(bootstrap)
  return network
}

/** What each side of a protocol may send in one frame. */
const frameBytesMax: Readonly<Record<ProtocolId, { readonly dialler: number; readonly listener: number }>> = {
  '/silkmesh/infer/1.0.0': { dialler: limits.openBytesMax, listener: limits.frameBytesMax },
  '/silkmesh/advert/1.0.0': { dialler: limits.advertBytesMax, listener: limits.advertBytesMax },
  '/silkmesh/settle/1.0.0': { dialler: limits.frameBytesMax, listener: limits.frameBytesMax },
}

/** A handshake that the other side broke off is tried this often within `connectMs`. */
const handshakeTriesMax = 3
const handshakeAgainMs = 400

const lanPeersMax = 1_024

class AdapterNetwork implements Libp2pNetwork {
  readonly peerId: PeerId
  readonly #swarm: Swarm
  readonly #settings: Libp2pSettings
  readonly #onEvent: (event: Libp2pEvent) => void
  readonly #gossip: Gossip
  readonly #heartbeat: Heartbeat
  readonly #budget: ByteBudget
  readonly #handled = new Set<ProtocolId>()
  /** Inbound streams that are open or still worked for, by peer and protocol. */
  readonly #inbound = new Map<string, number>()
  /** A map keeps the order of insertion: the first is the oldest. */
  readonly #learned = new Map<PeerId, readonly Multiaddr[]>()
  readonly #stopped = new AbortController()
  #stopping: Promise<void> | undefined

  constructor(swarm: Swarm, peerId: PeerId, settings: Libp2pSettings, onEvent: (event: Libp2pEvent) => void) {
    this.#swarm = swarm
    this.peerId = peerId
    this.#settings = settings
    this.#onEvent = onEvent
    this.#gossip = new Gossip(swarm.services.pubsub, peerId, settings)
    this.#budget = new ByteBudget(settings.inboundBufferBytesMax)
    this.#heartbeat = new Heartbeat(settings, (connection) => {
      onEvent({ type: 'connection-dropped', peer: peerOf(connection), address: connection.remoteAddr.toString() })
    })
    setMaxListeners(0, this.#stopped.signal) // one for each wait in progress
    swarm.addEventListener('connection:open', ({ detail }) => this.#heartbeat.watch(detail))
    swarm.addEventListener('connection:close', ({ detail }) => this.#heartbeat.forget(detail))
    swarm.addEventListener('peer:connect', ({ detail }) => {
      onEvent({ type: 'peer-connected', peer: parsePeerId(detail.toString()) })
    })
    swarm.addEventListener('peer:disconnect', ({ detail }) => {
      onEvent({ type: 'peer-disconnected', peer: parsePeerId(detail.toString()) })
    })
  }

  addresses(): readonly string[] {
    return this.#swarm.getMultiaddrs().map(String)
  }

  connections(): readonly Connection[] {
    return this.#swarm
      .getConnections()
      .filter(({ status }) => status === 'open')
      .map((connection) => ({
        peer: peerOf(connection),
        direction: connection.direction,
        address: connection.remoteAddr.toString(),
        rttMs: this.#heartbeat.rttMs(connection),
      }))
  }

  learn(peer: PeerId, addresses: readonly string[]): void {
    if (peer === this.peerId) return
    const usable = addresses
      .slice(0, limits.addressesMax)
      .map((text) => usableAddress(peer, text))
      .filter((address) => address !== undefined && (this.#settings.allowPrivateAddresses || !isLocal(address)))
      .filter((address) => address !== undefined)
    if (usable.length === 0) return
    this.#learned.delete(peer)
    this.#learned.set(peer, usable)
    for (const oldest of this.#learned.keys()) {
      if (this.#learned.size <= this.#settings.learnedPeersMax) break
      this.#learned.delete(oldest)
    }
  }

  async open(peer: PeerId, protocol: ProtocolId, signal?: AbortSignal): Promise<Stream> {
    const { raw, connection } = await this.#within(peer, protocol, signal, async (deadline) => {
      const opened = this.#openRaw(peer, protocol, deadline)
      return await deadline.race(opened, ({ raw }) => raw.abort(new Error('nobody waits for this stream any more')))
    })
    return this.#framed(raw, connection, peer, protocol, 'dialler')
  }

  handle(protocol: ProtocolId, handler: (stream: Stream) => Promise<void>): void {
    if (this.#handled.has(protocol)) throw new MeshError('internal', `${protocol} has a handler already`)
    this.#handled.add(protocol)
    const { inboundStreamsMax, muxedStreamsMax } = this.#settings
    const serve = (raw: RawStream, connection: RawConnection): void => this.#serve(raw, connection, protocol, handler)
    this.#swarm
      .handle(protocol, serve, {
        maxInboundStreams: inboundStreamsMax,
        maxOutboundStreams: muxedStreamsMax,
        runOnLimitedConnection: true,
      })
      .catch(() => undefined) // it is registered; only noting it for identify failed, because the node is stopping
  }

  publish(topic: Topic, message: Uint8Array): Promise<void> {
    return this.#gossip.publish(topic, message)
  }

  subscribe(topic: Topic, validate: (from: PeerId, message: Uint8Array) => Verdict): void {
    this.#gossip.subscribe(topic, validate)
  }

  async provide(key: ModelKey, signal: AbortSignal): Promise<void> {
    const stop = AbortSignal.any([signal, this.#stopped.signal])
    setMaxListeners(0, stop)
    await provide(this.#swarm.services.dht, key, this.#settings, stop)
  }

  findProviders(key: ModelKey, signal: AbortSignal): AsyncIterable<PeerId> {
    const stop = AbortSignal.any([signal, this.#stopped.signal])
    const note = (provider: PeerInfo): Promise<void> => this.#noteFound(provider)
    return findProviders(this.#swarm.services.dht, key, this.peerId, this.#settings, note, stop)
  }

  async dial(address: string, signal?: AbortSignal): Promise<PeerId> {
    const target = parsePeerAddress('address', address)
    await this.#within(target.peer, undefined, signal, (deadline) => {
      return deadline.race(this.#swarm.dial(target.address, { signal: deadline.signal }), () => undefined)
    })
    return target.peer
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  // for startLibp2p

  keep(bootstrap: readonly BootstrapPeer[]): void {
    const { signal } = this.#stopped
    void keepRouted(this.#swarm, this.#settings, signal)
    void keepBootstrapped(
      bootstrap,
      this.#settings,
      {
        isConnected: (peer) => this.#connectionTo(peer) !== undefined,
        dial: (address) => this.#dialBootstrap(address),
        disconnected: (peer, stop) => this.#disconnected(peer, stop),
        failed: (address, error, retryInMs) => {
          this.#onEvent({ type: 'bootstrap-failed', address, message: asMeshError(error).message, retryInMs })
        },
      },
      signal,
    )
  }

  onLanPeer(found: PeerInfo, trusted: Set<string>): void {
    const peer = found.id.toString()
    if (peer === this.peerId || found.id.type !== 'Ed25519' || this.#connectionTo(parsePeerId(peer))) return
    if (this.#swarm.getConnections().length >= this.#settings.connectionsMax / 2) return
    const usable = found.multiaddrs
      .slice(0, limits.addressesMax)
      .map((address) => usableAddress(parsePeerId(peer), address.toString()))
      .filter((address) => address !== undefined)
    if (usable.length === 0 || trusted.size > lanPeersMax) return
    for (const address of usable) trusted.add(endpoint(address))
    this.#swarm.dial(usable).catch(() => undefined) // it is announced again in ten seconds
  }

  // dialling

  /** Runs `work` within `connectMs`, and turns what it throws into the port's errors. */
  async #within<T>(
    peer: PeerId,
    protocol: ProtocolId | undefined,
    signal: AbortSignal | undefined,
    work: (deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    if (this.#stopped.signal.aborted) throw new MeshError('unreachable', 'this node is stopping')
    if (peer === this.peerId) throw new MeshError('unreachable', `${peer} is this node itself`)
    const { connectMs } = this.#settings
    const deadline = new Deadline(connectMs, signal ? [signal, this.#stopped.signal] : [this.#stopped.signal])
    try {
      return await work(deadline)
    } catch (error) {
      if (signal?.aborted) {
        const reason: unknown = signal.reason
        if (reason instanceof MeshError) throw reason
        throw new MeshError('cancelled', `dialling ${peer} was cancelled`, { cause: reason })
      }
      if (this.#stopped.signal.aborted) throw new MeshError('unreachable', 'this node is stopping', { cause: error })
      if (!deadline.expired) throw dialError(peer, protocol, error)
      this.#suspect(peer)
      const isKnown = this.#connectionTo(peer) !== undefined || (await this.#addressesOf(peer)).length > 0
      if (isKnown) throw new MeshError('timeout', `dialling ${peer} took longer than ${connectMs} ms`, { cause: error })
      throw new MeshError('unreachable', `${peer} could not be dialled: no address of it is known`, { cause: error })
    } finally {
      deadline.clear()
    }
  }

  async #openRaw(
    peer: PeerId,
    protocol: ProtocolId,
    deadline: Deadline,
  ): Promise<{ readonly raw: RawStream; readonly connection: RawConnection }> {
    const options = {
      signal: deadline.signal,
      runOnLimitedConnection: true,
      maxOutboundStreams: this.#settings.muxedStreamsMax,
    }
    const known = this.#connectionTo(peer)
    if (known) {
      try {
        return { raw: await known.newStream([protocol], options), connection: known }
      } catch (error) {
        if (known.status === 'open' || deadline.signal.aborted) throw error
        // it had ended and nobody had told yet: dial anew
      }
    }
    const connection = await this.#connect(peer, deadline.signal)
    return { raw: await connection.newStream([protocol], options), connection }
  }

  async #connect(peer: PeerId, signal: AbortSignal): Promise<RawConnection> {
    for (let tries = 1; ; tries += 1) {
      try {
        const addresses = await this.#addressesOf(peer)
        // without any address, libp2p asks the DHT
        return await this.#swarm.dial(addresses.length > 0 ? addresses : peerIdFromString(peer), { signal })
      } catch (error) {
        if (signal.aborted || tries === handshakeTriesMax || !isBrokenHandshake(error)) throw error
        await pause(handshakeAgainMs * tries * (0.5 + Math.random()), signal)
      }
    }
  }

  /** From its own adverts first, then what libp2p heard, each ending in its id. */
  async #addressesOf(peer: PeerId): Promise<Multiaddr[]> {
    const heard = await this.#swarm.peerStore.get(peerIdFromString(peer)).then(
      ({ addresses }) => addresses.map((address) => address.multiaddr.toString()),
      () => [],
    )
    const learned = this.#learned.get(peer) ?? []
    const usable = heard.map((text) => usableAddress(peer, text)).filter((address) => address !== undefined)
    const unique = new Map([...learned, ...usable].map((address) => [address.toString(), address]))
    return [...unique.values()].slice(0, limits.addressesMax)
  }

  /** Direct before relayed. */
  #connectionTo(peer: PeerId): RawConnection | undefined {
    const open = this.#swarm.getConnections(peerIdFromString(peer)).filter(({ status }) => status === 'open')
    return open.find(({ limits: limited }) => limited === undefined) ?? open[0]
  }

  /** It did not answer in time: unless it is in use, a connection to it is not worth the next wait. */
  #suspect(peer: PeerId): void {
    const connection = this.#connectionTo(peer)
    const isUsed = connection?.streams.some(({ protocol }) => protocol.startsWith('/silkmesh/'))
    if (!isUsed) connection?.abort(new Error('the peer did not answer'))
  }

  async #dialBootstrap(address: Multiaddr): Promise<void> {
    const { connectMs } = this.#settings
    const deadline = new Deadline(connectMs, [this.#stopped.signal])
    try {
      const dialled = this.#swarm.dial(address, { signal: deadline.signal })
      const { remotePeer } = await deadline.race(dialled, () => undefined)
      await this.#swarm.peerStore.merge(remotePeer, { tags: { bootstrap: { value: 50 } } }) // pruned last
    } catch (error) {
      if (deadline.expired) throw new MeshError('timeout', `no answer within ${connectMs} ms`, { cause: error })
      throw error
    } finally {
      deadline.clear()
    }
  }

  #disconnected(peer: PeerId, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.#connectionTo(peer) && !signal.aborted) return
        this.#swarm.removeEventListener('peer:disconnect', check)
        signal.removeEventListener('abort', check)
        resolve()
      }
      this.#swarm.addEventListener('peer:disconnect', check)
      signal.addEventListener('abort', check)
      check()
    })
  }

  async #noteFound({ id, multiaddrs }: PeerInfo): Promise<void> {
    const peer = parsePeerId(id.toString())
    const usable = multiaddrs
      .slice(0, limits.addressesMax)
      .map((address) => usableAddress(peer, address.toString()))
      .filter((address) => address !== undefined)
    await this.#swarm.peerStore.merge(id, { multiaddrs: usable }).catch(() => undefined) // full of addresses already
  }

  // streams

  #framed(
    raw: RawStream,
    connection: RawConnection,
    peer: PeerId,
    protocol: ProtocolId,
    side: 'dialler' | 'listener',
  ): FramedStream {
    const other = side === 'dialler' ? 'listener' : 'dialler'
    return new FramedStream(raw, peer, {
      settings: this.#settings,
      budget: this.#budget,
      readBytesMax: frameBytesMax[protocol][other],
      writeBytesMax: frameBytesMax[protocol][side],
      heard: () => this.#heartbeat.heard(connection),
    })
  }

  #serve(
    raw: RawStream,
    connection: RawConnection,
    protocol: ProtocolId,
    handler: (stream: Stream) => Promise<void>,
  ): void {
    const peer = peerOf(connection)
    const key = `${peer} ${protocol}`
    const open = (this.#inbound.get(key) ?? 0) + 1
    if (open > this.#settings.inboundStreamsMax) {
      raw.abort(new Error(`more than ${this.#settings.inboundStreamsMax} streams of ${protocol}`))
      this.#onEvent({ type: 'stream-refused', peer, protocol })
      return
    }
    this.#inbound.set(key, open)
    const stream = this.#framed(raw, connection, peer, protocol, 'listener')
    const closed = new Promise<void>((resolve) => raw.addEventListener('close', () => resolve()))
    // both: a peer that resets its streams must not gather handlers that still work for it
    Promise.all([closed, this.#run(handler, stream, protocol)]).then(() => {
      const left = (this.#inbound.get(key) ?? 1) - 1
      if (left === 0) this.#inbound.delete(key)
      else this.#inbound.set(key, left)
    })
  }

  /** Never rejects. */
  async #run(handler: (stream: Stream) => Promise<void>, stream: FramedStream, protocol: ProtocolId): Promise<void> {
    try {
      await handler(stream)
      await stream.release()
    } catch (error) {
      const failure = asMeshError(error, 'internal')
      stream.reset(failure)
      const { code, message } = failure
      this.#onEvent({ type: 'handler-failed', peer: stream.peer, protocol, code, message })
    }
  }

  // stopping

  async #stop(): Promise<void> {
    this.#stopped.abort(new MeshError('unreachable', 'this node is stopping'))
    this.#heartbeat.stop()
    const late = new AbortController()
    await Promise.race([this.#closeAll(), pause(this.#settings.stopMs, late.signal)])
    late.abort()
    for (const connection of this.#swarm.getConnections()) connection.abort(new Error('this node stopped'))
  }

  async #closeAll(): Promise<void> {
    // before libp2p does: it waits half a second for each connection that the other side closes at the same moment
    const open = this.#swarm.getConnections().filter(({ status }) => status === 'open')
    const signal = AbortSignal.timeout(this.#settings.closeMs)
    await Promise.allSettled(open.map((connection) => closed(connection, signal)))
    await Promise.resolve(this.#swarm.stop()).catch(() => undefined) // what could not be closed in order is aborted next
  }
}

/** `close` alone may wait for a connection that broke while it was closing. */
async function closed(connection: RawConnection, signal: AbortSignal): Promise<void> {
  const ended = new Promise((resolve) => connection.addEventListener('close', resolve, { once: true }))
  await Promise.race([connection.close({ signal }), ended])
}

function peerOf(connection: RawConnection): PeerId {
  return parsePeerId(connection.remotePeer.toString())
}

/** Host and port, without the peer. */
function endpoint(address: Multiaddr): string {
  const [host, transport] = address.getComponents()
  return isRelayed(address) ? address.toString() : `${host?.value} ${transport?.value}`
}

function listenAddresses(settings: Libp2pSettings): readonly Multiaddr[] {
  const given = settings.listen.map((text) => parseOwnAddress('listen', text))
  const webSockets = given.filter(isWebSocket)
  if (webSockets.length > 0 && !settings.websockets) {
    throw new MeshError('bad-request', `listen address "${webSockets[0]?.toString()}" needs the setting websockets`)
  }
  const plain = given.filter((address) => !isWebSocket(address) && !isRelayed(address))
  const beside = settings.websockets && webSockets.length === 0 ? plain.map(webSocketBeside) : []
  const relayed = settings.relayClient && !given.some(isRelayed) && given.length > 0 ? [multiaddr('/p2p-circuit')] : []
  return [...given, ...beside, ...relayed]
}

/** The same host, on the next port. */
function webSocketBeside(address: Multiaddr): Multiaddr {
  const [host] = address.getComponents()
  const port = portOf(address)
  return multiaddr(`/${host?.name}/${host?.value}/tcp/${port === 0 ? 0 : port + 1}/ws`)
}

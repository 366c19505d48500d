// The real network: the port over libp2p. Everything libp2p stays behind this folder.

import { setMaxListeners } from 'node:events'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PeerInfo, Connection as RawConnection, Stream as RawStream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { asMeshError, type ErrorCode, MeshError } from '../../../protocol/errors.ts'
import { type ModelKey, type PeerId, type ProtocolId, parsePeerId, type Topic } from '../../../protocol/ids.ts'
import { limits } from '../../../protocol/limits.ts'
import type { Connection, Network, Stream, Verdict } from '../../ports.ts'
import { endpointOf, listenAddresses, parseOwnAddress, parsePeerAddress, usableAddresses } from './addresses.ts'
import { type BootstrapPeer, keepConnected } from './bootstrap.ts'
import { ByteBudget } from './budget.ts'
import { Dialler } from './dialler.ts'
import { findProviders, provide } from './discovery.ts'
import { listenError } from './failures.ts'
import { Gossip } from './gossip.ts'
import { connectionGater } from './guards.ts'
import { Heartbeat } from './heartbeat.ts'
import { identityFrom } from './identity.ts'
import { greet } from './lan.ts'
import { type Libp2pSettings, libp2pDefaults } from './options.ts'
import { pause } from './pause.ts'
import { keepRouted } from './routes.ts'
import { FramedStream } from './stream.ts'
import { createSwarm, type Swarm, type Transports } from './swarm.ts'
import type { Walked } from './walked.ts'

export type Libp2pEvent =
  | { readonly type: 'peer-connected'; readonly peer: PeerId }
  | { readonly type: 'peer-disconnected'; readonly peer: PeerId }
  | {
      readonly type: 'bootstrap-failed'
      readonly address: string
      readonly message: string
      readonly retryInMs: number
    }
  /** A walk through the DHT ended: for a model's providers, or to announce this one. */
  | ({ readonly type: 'dht-walked' } & Walked)
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
  /** Carry connections to and from TCP addresses in place of the system's own TCP; WebSockets are then left out. */
  readonly transports?: Transports
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
  transports,
  ...given
}: Libp2pOptions): Promise<Libp2pNetwork> {
  const settings: Libp2pSettings = { ...libp2pDefaults, ...given }
  const listen = listenAddresses(settings)
  for (const text of settings.announce) parseOwnAddress('announce', text)
  const bootstrap = settings.bootstrap.map((text) => parsePeerAddress('bootstrap address', text))
  const { peerId } = identityFrom(seed)
  const privateKey = await generateKeyPairFromSeed('Ed25519', seed)

  /** May be dialled although they are local. */
  const trusted = new Set(bootstrap.map(({ address }) => endpointOf(address)))
  const stopped = new AbortController()
  setMaxListeners(0, stopped.signal) // one for each wait in progress
  const swarm: Swarm = await createSwarm(settings, {
    privateKey,
    peer: peerId,
    listen: listen.map(String),
    transports,
    gater: connectionGater(settings, {
      own: peerIdFromString(peerId),
      isTrusted: (address) => trusted.has(endpointOf(address)),
      connectionsTo: (peer) => swarm.getConnections(peer).length,
    }),
    onLanPeer: (peer) => greet(peer, swarm, dialler, settings, trusted),
  })
  const dialler = new Dialler(swarm, peerId, settings, stopped.signal)
  const network = new AdapterNetwork(swarm, dialler, peerId, settings, onEvent, stopped)
  try {
    await swarm.start()
  } catch (error) {
    throw await listenError(transports ? [] : listen, error)
  }
  network.keep(bootstrap)
  return network
}

/** What each side of a protocol may send in one frame. */
const frameBytesMax: Readonly<Record<ProtocolId, { readonly dialler: number; readonly listener: number }>> = {
  '/silkmesh/infer/1.0.0': { dialler: limits.openBytesMax, listener: limits.frameBytesMax },
  '/silkmesh/advert/1.0.0': { dialler: limits.advertBytesMax, listener: limits.advertBytesMax },
  '/silkmesh/settle/1.0.0': { dialler: limits.frameBytesMax, listener: limits.frameBytesMax },
  '/silkmesh/settler/1.0.0': { dialler: limits.advertBytesMax, listener: limits.advertBytesMax },
  '/silkmesh/vocabulary/1.0.0': { dialler: limits.frameBytesMax, listener: limits.frameBytesMax },
  '/silkmesh/hub/1.0.0': { dialler: limits.frameBytesMax, listener: limits.frameBytesMax },
}

class AdapterNetwork implements Libp2pNetwork {
  readonly peerId: PeerId
  readonly #swarm: Swarm
  readonly #dialler: Dialler
  readonly #settings: Libp2pSettings
  readonly #onEvent: (event: Libp2pEvent) => void
  readonly #stopped: AbortController
  readonly #gossip: Gossip
  readonly #heartbeat: Heartbeat
  readonly #budget: ByteBudget
  readonly #handled = new Set<ProtocolId>()
  /** Inbound streams that are open or still worked for, by peer and protocol. */
  readonly #inbound = new Map<string, number>()
  #stopping: Promise<void> | undefined

  constructor(
    swarm: Swarm,
    dialler: Dialler,
    peerId: PeerId,
    settings: Libp2pSettings,
    onEvent: (event: Libp2pEvent) => void,
    stopped: AbortController,
  ) {
    this.#swarm = swarm
    this.#dialler = dialler
    this.peerId = peerId
    this.#settings = settings
    this.#onEvent = onEvent
    this.#stopped = stopped
    this.#gossip = new Gossip(swarm.services.pubsub, peerId, settings)
    this.#budget = new ByteBudget(settings.inboundBufferBytesMax)
    this.#heartbeat = new Heartbeat(settings, (connection) => {
      onEvent({ type: 'connection-dropped', peer: peerOf(connection), address: connection.remoteAddr.toString() })
    })
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
    this.#dialler.learn(peer, addresses)
  }

  async open(peer: PeerId, protocol: ProtocolId, signal?: AbortSignal): Promise<Stream> {
    const { raw, connection } = await this.#dialler.open(peer, protocol, signal)
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
    await provide(this.#swarm.services.dht, key, this.#settings, this.#walked, stop)
  }

  findProviders(key: ModelKey, signal: AbortSignal): AsyncIterable<PeerId> {
    const stop = AbortSignal.any([signal, this.#stopped.signal])
    const note = (provider: PeerInfo): Promise<void> => this.#noteFound(provider)
    return findProviders(this.#swarm.services.dht, key, this.peerId, this.#settings, this.#walked, note, stop)
  }

  async dial(text: string, signal?: AbortSignal): Promise<PeerId> {
    const { peer, address } = parsePeerAddress('address', text)
    await this.#dialler.dial(peer, address, signal)
    return peer
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** Looks after what must not be lost, until the node stops. */
  keep(bootstrap: readonly BootstrapPeer[]): void {
    const { signal } = this.#stopped
    void keepRouted(this.#swarm, this.#settings, signal)
    for (const peer of bootstrap) {
      const failed = ({ message }: MeshError, retryInMs: number): void => {
        this.#onEvent({ type: 'bootstrap-failed', address: peer.address.toString(), message, retryInMs })
      }
      void keepConnected(peer, this.#swarm, this.#dialler, this.#settings, failed, signal)
    }
  }

  readonly #walked = (walk: Walked): void => this.#onEvent({ type: 'dht-walked', ...walk })

  async #noteFound({ id, multiaddrs }: PeerInfo): Promise<void> {
    const usable = usableAddresses(parsePeerId(id.toString()), multiaddrs.map(String))
    await this.#swarm.peerStore.merge(id, { multiaddrs: [...usable] }).catch(() => undefined) // full of addresses already
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

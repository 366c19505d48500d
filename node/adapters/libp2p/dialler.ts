// Connections to peers: where they may be reached, one bound on each dial, and libp2p's failures as the port's.

import type { Connection as RawConnection, Stream as RawStream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Multiaddr } from '@multiformats/multiaddr'
import { MeshError } from '../../../protocol/errors.ts'
import type { PeerId, ProtocolId } from '../../../protocol/ids.ts'
import { limits } from '../../../protocol/limits.ts'
import { isLocal, usableAddresses } from './addresses.ts'
import { Deadline } from './deadline.ts'
import { dialError, isBrokenHandshake } from './failures.ts'
import type { Libp2pSettings } from './options.ts'
import { pause } from './pause.ts'
import type { Swarm } from './swarm.ts'

/** A handshake that the other side broke off is tried this often within `connectMs`. */
const handshakeTriesMax = 3
const handshakeAgainMs = 400

export class Dialler {
  readonly #swarm: Swarm
  readonly #own: PeerId
  readonly #settings: Libp2pSettings
  readonly #stopped: AbortSignal
  /** A map keeps the order of insertion: the first is the oldest. */
  readonly #learned = new Map<PeerId, readonly Multiaddr[]>()

  constructor(swarm: Swarm, own: PeerId, settings: Libp2pSettings, stopped: AbortSignal) {
    this.#swarm = swarm
    this.#own = own
    this.#settings = settings
    this.#stopped = stopped
  }

  learn(peer: PeerId, addresses: readonly string[]): void {
    if (peer === this.#own) return
    const isAllowed = (address: Multiaddr): boolean => this.#settings.allowPrivateAddresses || !isLocal(address)
    const usable = usableAddresses(peer, addresses).filter(isAllowed)
    if (usable.length === 0) return
    this.#learned.delete(peer)
    this.#learned.set(peer, usable)
    for (const oldest of this.#learned.keys()) {
      if (this.#learned.size <= this.#settings.learnedPeersMax) break
      this.#learned.delete(oldest)
    }
  }

  /** Direct before relayed. */
  connectionTo(peer: PeerId): RawConnection | undefined {
    const open = this.#swarm.getConnections(peerIdFromString(peer)).filter(({ status }) => status === 'open')
    return open.find(({ limits: limited }) => limited === undefined) ?? open[0]
  }

  /** A negotiated stream, on a connection there is or a new one. */
  async open(
    peer: PeerId,
    protocol: ProtocolId,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly raw: RawStream; readonly connection: RawConnection }> {
    return await this.#within(peer, protocol, signal, async (deadline) => {
      const opening = this.#open(peer, protocol, deadline.signal)
      return await deadline.race(opening, ({ raw }) => raw.abort(new Error('nobody waits for this stream any more')))
    })
  }

  async dial(peer: PeerId, address: Multiaddr, signal?: AbortSignal): Promise<RawConnection> {
    return await this.#within(peer, undefined, signal, (deadline) => {
      return deadline.race(this.#swarm.dial(address, { signal: deadline.signal }), () => undefined)
    })
  }

  /** Runs `work` within `connectMs`, and turns what it throws into the port's errors. */
  async #within<T>(
    peer: PeerId,
    protocol: ProtocolId | undefined,
    signal: AbortSignal | undefined,
    work: (deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    if (this.#stopped.aborted) throw new MeshError('unreachable', 'this node is stopping')
    if (peer === this.#own) throw new MeshError('unreachable', `${peer} is this node itself`)
    const { connectMs } = this.#settings
    const deadline = new Deadline(connectMs, signal ? [signal, this.#stopped] : [this.#stopped])
    try {
      return await work(deadline)
    } catch (error) {
      if (signal?.aborted) {
        const reason: unknown = signal.reason
        if (reason instanceof MeshError) throw reason
        throw new MeshError('cancelled', `dialling ${peer} was cancelled`, { cause: reason })
      }
      if (this.#stopped.aborted) throw new MeshError('unreachable', 'this node is stopping', { cause: error })
      if (!deadline.expired) throw dialError(peer, protocol, error)
      this.#suspect(peer)
      const isKnown = this.connectionTo(peer) !== undefined || (await this.#addressesOf(peer)).length > 0
      if (isKnown) throw new MeshError('timeout', `dialling ${peer} took longer than ${connectMs} ms`, { cause: error })
      throw new MeshError('unreachable', `${peer} could not be dialled: no address of it is known`, { cause: error })
    } finally {
      deadline.clear()
    }
  }

  async #open(
    peer: PeerId,
    protocol: ProtocolId,
    signal: AbortSignal,
  ): Promise<{ readonly raw: RawStream; readonly connection: RawConnection }> {
    const options = { signal, runOnLimitedConnection: true, maxOutboundStreams: this.#settings.muxedStreamsMax }
    const known = this.connectionTo(peer)
    if (known) {
      try {
        return { raw: await known.newStream([protocol], options), connection: known }
      } catch (error) {
        if (known.status === 'open' || signal.aborted) throw error
        // it had ended and nobody had told yet: dial anew
      }
    }
    const connection = await this.#connect(peer, signal)
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
      ({ addresses }) => addresses.map(({ multiaddr }) => multiaddr.toString()),
      () => [], // nothing was heard of it
    )
    const candidates = [...(this.#learned.get(peer) ?? []), ...usableAddresses(peer, heard)]
    const unique = new Map(candidates.map((address) => [address.toString(), address]))
    return [...unique.values()].slice(0, limits.addressesMax)
  }

  /** It did not answer in time: unless it is in use, a connection to it is not worth the next wait. */
  #suspect(peer: PeerId): void {
    const connection = this.connectionTo(peer)
    const isUsed = connection?.streams.some(({ protocol }) => protocol.startsWith('/silkmesh/'))
    if (!isUsed) connection?.abort(new Error('the peer did not answer'))
  }
}

// What strangers may cost before and beside our own protocols: handshakes, connections, and the buffers of libp2p's own
// protocols, some of which would take what a peer sends without a bound.

import type {
  ConnectionGater,
  MessageStream,
  MultiaddrConnection,
  PeerId as RawPeerId,
  Stream as RawStream,
  StreamHandlerRecord,
  StreamMuxer,
  StreamMuxerFactory,
} from '@libp2p/interface'
import { AbstractStream, AbstractStreamMuxer } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Uint8ArrayList } from 'uint8arraylist'
import { kadProtocol } from '../../../protocol/ids.ts'
import { limits } from '../../../protocol/limits.ts'
import { hostOf, isEd25519, isLocal } from './addresses.ts'
import { windowBytes } from './inbound.ts'
import type { Libp2pSettings } from './options.ts'

interface Admission {
  readonly own: RawPeerId | undefined
  readonly isTrusted: (address: Multiaddr) => boolean
  readonly connectionsTo: (peer: RawPeerId) => number
}

/** Who may connect, and where this node lets itself be sent. */
export function connectionGater(settings: Libp2pSettings, admission: Admission): ConnectionGater {
  const handshakes = new Handshakes(settings)
  const isAllowed = (address: Multiaddr): boolean =>
    settings.allowPrivateAddresses || !isLocal(address) || admission.isTrusted(address)
  return {
    denyDialPeer: (peer) => !isEd25519(peer),
    denyDialMultiaddr: (address) => !isAllowed(address),
    denyInboundConnection: (connection) => {
      connection.maxWriteBufferLength = settings.writeBufferBytesMax
      return !handshakes.admit(connection)
    },
    denyOutboundConnection: (_peer, connection) => {
      connection.maxWriteBufferLength = settings.writeBufferBytesMax
      return false
    },
    denyInboundEncryptedConnection: (peer) => !isEd25519(peer),
    denyOutboundEncryptedConnection: (peer) => !isEd25519(peer),
    denyInboundUpgradedConnection: (peer, connection) => {
      handshakes.settled(connection)
      return admission.connectionsTo(peer) >= settings.connectionsPerPeerMax
    },
    filterMultiaddrForPeer: (peer, address) =>
      admission.own?.equals(peer) === true || (address.bytes.length <= limits.addressCharsMax && isAllowed(address)),
  }
}

/**
 * Strangers between TCP and the end of their handshake. When there are too many the longest waiting goes, rather than the
 * newest being refused: an honest handshake is done in a fraction of a second, while those who only hold a place wait.
 */
class Handshakes {
  readonly #settings: Libp2pSettings
  /** In the order they came. */
  readonly #pending = new Set<MultiaddrConnection>()
  readonly #perHost = new Map<string, number>()

  constructor(settings: Libp2pSettings) {
    this.#settings = settings
  }

  admit(connection: MultiaddrConnection): boolean {
    const host = hostOf(connection.remoteAddr)
    const ofHost = this.#perHost.get(host) ?? 0
    if (ofHost >= this.#settings.handshakesPendingPerHostMax) return false
    this.#perHost.set(host, ofHost + 1)
    this.#pending.add(connection)
    connection.addEventListener('close', () => this.settled(connection), { once: true })
    const [longest] = this.#pending
    if (this.#pending.size > this.#settings.handshakesPendingMax) longest?.abort(new Error('others are waiting'))
    return true
  }

  settled(connection: MultiaddrConnection): void {
    if (!this.#pending.delete(connection)) return
    const host = hostOf(connection.remoteAddr)
    const left = (this.#perHost.get(host) ?? 1) - 1
    if (left === 0) this.#perHost.delete(host)
    else this.#perHost.set(host, left)
  }
}

/**
 * Yamux with what it lacks: it would collect a data frame of any announced length (up to 4 GiB) before looking at it, grow
 * a stream's window to 16 MiB, queue answers to pings for a peer that never reads, throw from a microtask when a stream meets
 * a connection that has just closed, and answer each data frame, however small, with a window update.
 */
export function guardedYamux(settings: Libp2pSettings): () => StreamMuxerFactory {
  const make = yamux({
    maxInboundStreams: settings.muxedStreamsMax,
    streamOptions: {
      initialStreamWindowSize: windowBytes,
      maxStreamWindowSize: windowBytes,
      maxWriteBufferLength: settings.writeBufferBytesMax,
    },
  })
  return () => {
    const factory = make()
    return {
      protocol: factory.protocol,
      createStreamMuxer: (connection: MessageStream): StreamMuxer => {
        connection.maxWriteBufferLength = settings.writeBufferBytesMax
        const muxer = factory.createStreamMuxer(connection)
        if (!(muxer instanceof AbstractStreamMuxer)) throw new TypeError('yamux is not built as expected')
        const frames = new YamuxFrameGuard(windowBytes)
        const onData = muxer.onData.bind(muxer)
        muxer.onData = (data) => {
          frames.check(data)
          onData(data)
        }
        const createStream = muxer.onCreateStream.bind(muxer)
        muxer.onCreateStream = () => sparingWindowUpdates(createStream())
        const takeStream = muxer.onRemoteStream.bind(muxer)
        muxer.onRemoteStream = (stream) => takeStream(sparingWindowUpdates(stream))
        const send = muxer.send.bind(muxer)
        muxer.send = (data) => {
          try {
            return send(data)
          } catch (error) {
            connection.abort(error instanceof Error ? error : new Error(String(error)))
            return false
          }
        }
        return muxer
      },
    }
  }
}

interface YamuxWindow {
  readonly recvWindow: number
  readonly recvWindowCapacity: number
  sendWindowUpdate(): void
}

/**
 * Updates the window when half of it was used, as other implementations do. An update costs as much to encrypt and write as
 * a delta of an answer. The first call is not about the window: it opens the stream, or acknowledges it.
 */
function sparingWindowUpdates<T extends object>(stream: T): T {
  const yamuxStream = stream as Partial<YamuxWindow>
  const update = yamuxStream.sendWindowUpdate?.bind(stream)
  if (!update || yamuxStream.recvWindow === undefined) throw new TypeError('yamux is not built as expected')
  let isOpening = true
  yamuxStream.sendWindowUpdate = () => {
    const { recvWindow = 0, recvWindowCapacity = 0 } = yamuxStream
    if (isOpening || recvWindowCapacity * 2 <= recvWindow) update()
    isOpening = false
  }
  return stream
}

const headerBytes = 12
const dataFrame = 0

/** Follows the headers of the yamux frames that go by. Throws on a data frame longer than any window allows. */
export class YamuxFrameGuard {
  readonly #dataBytesMax: number
  readonly #header = new Uint8Array(headerBytes)
  #headerFilled = 0
  #dataLeft = 0

  constructor(dataBytesMax: number) {
    this.#dataBytesMax = dataBytesMax
  }

  check(data: Uint8Array | Uint8ArrayList): void {
    for (const chunk of data instanceof Uint8Array ? [data] : data) {
      let at = 0
      while (at < chunk.length) {
        if (this.#dataLeft > 0) {
          const step = Math.min(this.#dataLeft, chunk.length - at)
          this.#dataLeft -= step
          at += step
          continue
        }
        const part = chunk.subarray(at, at + headerBytes - this.#headerFilled)
        this.#header.set(part, this.#headerFilled)
        this.#headerFilled += part.length
        at += part.length
        if (this.#headerFilled === headerBytes) this.#readHeader()
      }
    }
  }

  #readHeader(): void {
    this.#headerFilled = 0
    const view = new DataView(this.#header.buffer)
    if (view.getUint8(1) !== dataFrame) return
    const length = view.getUint32(8)
    if (length > this.#dataBytesMax)
      throw new RangeError(`yamux frame of ${length} bytes, at most ${this.#dataBytesMax}`)
    this.#dataLeft = length
  }
}

/** What an inbound stream may bring in its life. All of these are short; longer ones are opened anew. */
const inboundBytesMax: Readonly<Record<string, number>> = {
  [kadProtocol]: 65_536, // requests of some 100 bytes, announcements of 2 KiB
  '/ipfs/ping/1.0.0': 16_384, // 32 bytes a ping; the handler buffers without a bound when its answers are not read
  '/ipfs/id/1.0.0': 4_096, // the dialler only listens
  '/ipfs/id/push/1.0.0': 131_072, // ten messages of 8 KiB
}

interface GuardComponents {
  readonly registrar: {
    getProtocols(): string[]
    getHandler(protocol: string): StreamHandlerRecord
    handle(
      protocol: string,
      handler: StreamHandlerRecord['handler'],
      options: StreamHandlerRecord['options'] & { force: boolean },
    ): Promise<void>
  }
}

/** A service that, once the others have registered their handlers, puts a bound before those of libp2p's own. */
export function inboundGuard(): (components: GuardComponents) => { start(): void; stop(): void; afterStart(): void } {
  return ({ registrar }) => ({
    start: () => undefined,
    stop: () => undefined,
    afterStart: () => {
      for (const protocol of registrar.getProtocols()) {
        const bytesMax = inboundBytesMax[protocol]
        if (bytesMax === undefined) continue
        const { handler, options } = registrar.getHandler(protocol)
        const guarded: typeof handler = (stream, connection) => {
          boundInbound(stream, bytesMax)
          return handler(stream, connection)
        }
        registrar.handle(protocol, guarded, { ...options, force: true }).catch(() => undefined) // only notes our own protocols again
      }
    },
  })
}

function boundInbound(stream: RawStream, bytesMax: number): void {
  if (!(stream instanceof AbstractStream)) return
  let bytes = stream.readBufferLength
  const onData = stream.onData.bind(stream)
  stream.onData = (data) => {
    bytes += data.byteLength
    if (bytes <= bytesMax) onData(data)
    else stream.abort(new RangeError(`more than ${bytesMax} bytes on one stream of ${stream.protocol}`))
  }
}

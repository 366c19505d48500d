// libp2p's transport over the simulated internet, where the real one would be TCP: the same addresses, the same endings.

import {
  type Connection,
  type CreateListenerOptions,
  type DialTransportOptions,
  type Listener,
  type ListenerEvents,
  type Logger,
  type MessageStreamDirection,
  type Transport,
  TypedEventEmitter,
  transportSymbol,
} from '@libp2p/interface'
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Uint8ArrayList } from 'uint8arraylist'
import type { Host } from './host.ts'
import type { Internet } from './internet.ts'
import type { Machine } from './machine.ts'
import type { Socket, SocketEvents } from './socket.ts'

interface Components {
  readonly logger: { forComponent(name: string): Logger }
}

/** For one incarnation of a node, on its machine. */
export function simulatedTcp(internet: Internet, machine: Machine, host: Host): (components: Components) => Transport {
  return ({ logger }) => {
    const log = logger.forComponent('libp2p:simulated-tcp')
    return {
      [transportSymbol]: true,
      [Symbol.toStringTag]: 'simulated-tcp',
      dial: async (address: Multiaddr, options: DialTransportOptions): Promise<Connection> => {
        const { ip, port } = endpointOf(address)
        const socket = await internet.connect(host, machine, ip, port, options.signal)
        const connection = new SocketConnection(socket, address, 'outbound', log)
        try {
          return await options.upgrader.upgradeOutbound(connection, options)
        } catch (error) {
          connection.abort(error instanceof Error ? error : new Error(String(error)))
          throw error
        }
      },
      createListener: (options) => new SocketListener(internet, machine, host, log, options),
      listenFilter: (addresses) => addresses.filter(isPlainTcp),
      dialFilter: (addresses) => addresses.filter(isPlainTcp),
    }
  }
}

function endpointOf(address: Multiaddr): { readonly ip: string; readonly port: number } {
  const [host, transport] = address.getComponents()
  return { ip: host?.value ?? '', port: Number(transport?.value) }
}

/** `/ip4/…/tcp/…`, with or without a peer. */
function isPlainTcp(address: Multiaddr): boolean {
  const names = address.getComponents().map(({ name }) => name)
  return names[0] === 'ip4' && names[1] === 'tcp' && (names.length === 2 || (names.length === 3 && names[2] === 'p2p'))
}

class SocketConnection extends AbstractMultiaddrConnection implements SocketEvents {
  readonly #socket: Socket

  constructor(socket: Socket, remoteAddr: Multiaddr, direction: MessageStreamDirection, log: Logger) {
    super({ remoteAddr, direction, log })
    this.#socket = socket
    socket.events = this
  }

  sendData(data: Uint8ArrayList): SendResult {
    return { sentBytes: data.byteLength, canSendMore: this.#socket.write(data) }
  }

  sendClose(): Promise<void> {
    this.#socket.end()
    return Promise.resolve()
  }

  sendReset(): void {
    this.#socket.reset()
  }

  sendPause(): void {
    this.#socket.pause()
  }

  sendResume(): void {
    this.#socket.resume()
  }

  data(data: Uint8ArrayList): void {
    this.onData(data)
  }

  /** As Node's sockets do unless told otherwise, this side then ends too. */
  end(): void {
    this.#socket.end()
    this.onTransportClosed()
  }

  reset(): void {
    this.abort(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
  }

  drain(): void {
    this.safeDispatchEvent('drain')
  }
}

class SocketListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #internet: Internet
  readonly #machine: Machine
  readonly #host: Host
  readonly #log: Logger
  readonly #options: CreateListenerOptions
  readonly #closed = new AbortController()
  #address: Multiaddr | undefined
  #stopListening: () => void = () => undefined

  constructor(internet: Internet, machine: Machine, host: Host, log: Logger, options: CreateListenerOptions) {
    super()
    this.#internet = internet
    this.#machine = machine
    this.#host = host
    this.#log = log
    this.#options = options
  }

  listen(address: Multiaddr): Promise<void> {
    const { ip, port } = endpointOf(address)
    if (ip !== this.#machine.address) return Promise.reject(new Error(`listen EADDRNOTAVAIL ${ip}:${port}`))
    this.#address = address
    this.#stopListening = this.#internet.listen(this.#machine, port, {
      host: this.#host,
      accept: (socket) => this.#accept(socket),
    })
    this.safeDispatchEvent('listening')
    return Promise.resolve()
  }

  getAddrs(): Multiaddr[] {
    return this.#address ? [this.#address] : []
  }

  updateAnnounceAddrs(): void {
    // nothing to add
  }

  close(): Promise<void> {
    this.#stopListening()
    this.#address = undefined
    this.#closed.abort()
    this.safeDispatchEvent('close')
    return Promise.resolve()
  }

  #accept(socket: Socket): void {
    const remote = multiaddr(`/ip4/${socket.remote.address}/tcp/${socket.remotePort}`)
    const connection = new SocketConnection(socket, remote, 'inbound', this.#log)
    this.#options.upgrader.upgradeInbound(connection, { signal: this.#closed.signal }).catch((error: unknown) => {
      connection.abort(error instanceof Error ? error : new Error(String(error)))
    })
  }
}

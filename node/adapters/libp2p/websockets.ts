// WebSockets for browsers, with what its listener lacks: a message could be 100 MiB before anybody is authenticated, a
// connection that never speaks would stay for ever, and one malformed frame from a stranger would end the process.

import type { EventEmitter } from 'node:events'
import { Server } from 'node:net'
import type { Listener, Transport } from '@libp2p/interface'
import { type WebSocketsComponents, webSockets } from '@libp2p/websockets'
import type { Libp2pSettings } from './options.ts'

/** A WebSocket message carries one write of the other side: noise packets of 64 KiB, a handful at once. */
const messageBytesMax = 1_048_576

/** Pings of both sides pass every 20 s. */
const idleMs = 60_000

export function guardedWebSockets(settings: Libp2pSettings): (components: WebSocketsComponents) => Transport {
  const make = webSockets({
    maxBufferedAmount: settings.writeBufferBytesMax,
    http: {
      headersTimeout: settings.handshakeMs,
      requestTimeout: settings.handshakeMs,
      connectionsCheckingInterval: 1_000,
    },
  })
  return (components) => {
    const transport = make(components)
    const createListener = transport.createListener.bind(transport)
    transport.createListener = (options) => {
      const listener = createListener(options)
      bound(listener, settings)
      return listener
    }
    return transport
  }
}

interface WebSocketServer {
  readonly options: { maxPayload: number }
  handleUpgrade(request: unknown, socket: unknown, head: unknown, done: Upgraded): void
}

type Upgraded = (webSocket: EventEmitter, request: unknown) => void

/** The servers are private to the listener, which offers no option for this. */
function bound(listener: Listener, settings: Libp2pSettings): void {
  const server: unknown = Reflect.get(listener, 'server')
  const webSockets: unknown = Reflect.get(listener, 'wsServer')
  if (!(server instanceof Server) || !isWebSocketServer(webSockets)) {
    throw new TypeError('the WebSocket listener is not built as expected')
  }
  server.maxConnections = settings.connectionsMax + settings.handshakesPendingMax
  server.on('connection', (socket) => {
    socket.setTimeout(idleMs, () => socket.destroy())
  })
  webSockets.options.maxPayload = messageBytesMax
  const handleUpgrade = webSockets.handleUpgrade.bind(webSockets)
  webSockets.handleUpgrade = (request, socket, head, done) => {
    handleUpgrade(request, socket, head, (webSocket, upgraded) => {
      webSocket.on('error', () => undefined) // a malformed frame: the socket closes itself, which libp2p notices
      done(webSocket, upgraded)
    })
  }
}

function isWebSocketServer(value: unknown): value is WebSocketServer {
  if (typeof value !== 'object' || value === null) return false
  return 'options' in value && 'handleUpgrade' in value && typeof value.handleUpgrade === 'function'
}

// WebSockets for browsers, with the bounds its listener lacks: a message could be 100 MiB before anybody is authenticated,
// and a connection that never speaks would stay for ever.

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

/** The servers are private to the listener, which offers no option for this. */
function bound(listener: Listener, settings: Libp2pSettings): void {
  const server: unknown = Reflect.get(listener, 'server')
  const webSocketServer: unknown = Reflect.get(listener, 'wsServer')
  if (!(server instanceof Server) || !hasOptions(webSocketServer)) {
    throw new TypeError('the WebSocket listener is not built as expected')
  }
  webSocketServer.options.maxPayload = messageBytesMax
  server.maxConnections = settings.connectionsMax + settings.handshakesPendingMax
  server.on('connection', (socket) => {
    socket.setTimeout(idleMs, () => socket.destroy())
  })
}

function hasOptions(value: unknown): value is { readonly options: { maxPayload: number } } {
  return typeof value === 'object' && value !== null && 'options' in value && typeof value.options === 'object'
}

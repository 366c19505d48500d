// Puts a gateway on a port: where it may listen, how long a slow client may take, and how it stops.

import { lookup } from 'node:dns/promises'
import { createServer, type Server } from 'node:http'
import { BlockList } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { MeshError } from '../../protocol/errors.ts'
import { errorOf } from './answer.ts'
import type { Gateway } from './http.ts'

export interface ServeOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Without it only loopback is listened on; with it the gateway must have a key. */
  readonly allowPublic?: boolean
  /** From its first byte a request's headers must be here within this, */
  readonly headersMs?: number
  /** and its body within this: 1.5 MiB at half a megabit a second. */
  readonly receiveMs?: number
  /** Idle ones included: some 50 kB each. */
  readonly connectionsMax?: number
}

export interface ServedGateway {
  /** Without a path: `http://127.0.0.1:8333`. */
  readonly url: string
  readonly port: number
  /** Takes no more; streams may finish within `graceMs` and are then ended with an error. Safe to call twice. */
  stop(graceMs: number): Promise<void>
}

/** What was written may still travel this long before the connection is cut. */
const flushMs = 1_000

/** Throws `MeshError` `bad-request` where nobody said that other machines may come in, or there is no such host. */
export async function assertAllowed(
  host: string,
  allowPublic: boolean,
): Promise<{ readonly address: string; readonly isLoopback: boolean }> {
  const address = await resolve(host)
  const isLoopback = loopback.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
  if (isLoopback || allowPublic) return { address, isLoopback }
  throw new MeshError(
    'bad-request',
    `gateway host ${host} is not loopback, expected 127.0.0.1; to let other machines in, add --allow-public`,
  )
}

/** Throws `MeshError` `bad-request` where the host or the port cannot be had. */
export async function serveGateway(gateway: Gateway, options: ServeOptions): Promise<ServedGateway> {
  const { host, port, allowPublic = false, headersMs = 10_000, receiveMs = 30_000, connectionsMax = 1_024 } = options
  const { address, isLoopback } = await assertAllowed(host, allowPublic)
  if (!isLoopback && !gateway.hasKeys) {
    throw new MeshError('bad-request', `gateway host ${host} is open to other machines, expected at least one API key`)
  }
  const listener = getRequestListener(gateway.app.fetch, {
    overrideGlobalObjects: false, // faster by nothing we could measure, and other code in this process keeps its Response
    errorHandler: (cause) => {
      const error = new MeshError('bad-request', cause instanceof Error ? cause.message : 'the request cannot be read')
      return new Response(errorOf(error), { status: 400, headers: { 'content-type': 'application/json' } })
    },
  })
  const server = createServer(
    {
      headersTimeout: headersMs,
      requestTimeout: receiveMs,
      connectionsCheckingInterval: Math.min(5_000, headersMs),
      requireHostHeader: false, // refused above, in OpenAI's shape
    },
    (request, response) => void listener(request, response),
  )
  server.maxConnections = connectionsMax
  // The last resort against a client that never reads its answer: no byte moved for longer than any request may take.
  server.timeout = gateway.requestMs + 60_000
  server.on('clientError', refuseGarbage)
  await listen(server, address, port, host)
  const bound = server.address()
  const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port
  let stopped: Promise<void> | undefined
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}`,
    port: boundPort,
    stop: (graceMs) => {
      stopped ??= stop(server, gateway, graceMs)
      return stopped
    },
  }
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

async function resolve(host: string): Promise<string> {
  try {
    return (await lookup(host)).address
  } catch (cause) {
    throw new MeshError('bad-request', `gateway host "${host}" has no address here, expected one such as 127.0.0.1`, {
      cause,
    })
  }
}

async function listen(server: Server, address: string, port: number, host: string): Promise<void> {
  const { promise, resolve: listening, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  try {
    server.listen(port, address, listening)
    await promise
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    throw new MeshError('bad-request', listenAdvice(code, host, port), { cause })
  } finally {
    server.off('error', reject)
  }
}

function listenAdvice(code: unknown, host: string, port: number): string {
  if (code === 'EADDRINUSE') {
    return `port ${port} on ${host} is in use, expected a free one; stop what listens there or choose another with --port (0 takes any)`
  }
  if (code === 'EACCES')
    return `port ${port} on ${host} needs more rights, expected one above 1023; choose it with --port`
  return `the gateway cannot listen on ${host} port ${port} (${String(code)}), expected an address of this machine and a free port`
}

async function stop(server: Server, gateway: Gateway, graceMs: number): Promise<void> {
  const { promise: closed, resolve: close } = Promise.withResolvers<void>()
  server.close(() => close())
  await gateway.drain(graceMs)
  server.closeIdleConnections()
  const cut = setTimeout(() => server.closeAllConnections(), flushMs)
  await closed
  clearTimeout(cut)
}

/** What never became a request: not HTTP, headers too long, or a client too slow. Answered in OpenAI's shape all the same. */
function refuseGarbage(cause: Error & { code?: string; bytesParsed?: number }, socket: Duplex): void {
  // Bytes of an answer may already be on their way: a second status line would corrupt it.
  if (!socket.writable || !('bytesWritten' in socket) || socket.bytesWritten !== 0) {
    socket.destroy()
    return
  }
  const [status, error] = garbageOf(cause.code)
  const body = errorOf(error, Number.parseInt(status, 10))
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}

function garbageOf(code: string | undefined): readonly [status: string, error: MeshError] {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['408 Request Timeout', new MeshError('timeout', 'the request took too long to arrive')]
    case 'HPE_HEADER_OVERFLOW':
      return ['431 Request Header Fields Too Large', new MeshError('too-large', 'headers of more than 16384 bytes')]
    default:
      return ['400 Bad Request', new MeshError('bad-request', 'what was sent is not an HTTP/1.1 request')]
  }
}

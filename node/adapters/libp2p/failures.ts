// libp2p's failures as the mesh's: a code from the table, and a message that names the peer or the port and the next step.

import { createServer } from 'node:net'
import type { Multiaddr } from '@multiformats/multiaddr'
import { MeshError, notSpoken } from '../../../protocol/errors.ts'
import type { PeerId, ProtocolId } from '../../../protocol/ids.ts'
import { portOf } from './addresses.ts'

/** What went wrong while a peer was dialled or a protocol negotiated with it. */
export function dialError(peer: PeerId, protocol: ProtocolId | undefined, error: unknown): MeshError {
  const causes = errorsWithin(error)
  if (protocol !== undefined && causes.some(({ name }) => name === 'UnsupportedProtocolError')) {
    return notSpoken(peer, protocol, error)
  }
  if (causes.some(({ name }) => name === 'NoValidAddressesError' || name === 'NotFoundError')) {
    return new MeshError('unreachable', `${peer} could not be dialled: no address of it is known`, { cause: error })
  }
  const reasons = [...new Set(causes.map(({ message }) => message.split('\n')[0]))].slice(0, 3).join('; ')
  return new MeshError('unreachable', `${peer} could not be dialled: ${reasons}`, { cause: error })
}

/** The other side broke off before the handshake was done, which is also how it refuses when it has too many of them. */
export function isBrokenHandshake(error: unknown): boolean {
  return errorsWithin(error).some(
    (cause) => cause.name === 'EncryptionFailedError' || ('code' in cause && cause.code === 'ECONNRESET'),
  )
}

/** The errors inside an error that stands for several. */
function errorsWithin(error: unknown): readonly Error[] {
  if (error instanceof AggregateError) return error.errors.flatMap(errorsWithin).slice(0, 16)
  return [error instanceof Error ? error : new Error(String(error))]
}

/** Why the node could not listen. libp2p tells only in prose, so each address is tried once more by itself. */
export async function listenError(listen: readonly Multiaddr[], cause: unknown): Promise<MeshError> {
  for (const address of listen) {
    const code = await bindFailure(address)
    if (code !== undefined) return new MeshError('bad-request', explained(address, code), { cause })
  }
  const message = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
  return new MeshError('internal', `the network could not be started: ${message}`, { cause })
}

function explained(address: Multiaddr, code: string): string {
  const port = portOf(address)
  const what = `cannot listen on ${address.toString()}`
  switch (code) {
    case 'EADDRINUSE':
      return `${what}: port ${port} is taken by another program; stop it, or listen on another port (0 takes a free one)`
    case 'EACCES':
      return `${what}: port ${port} needs special rights; listen on one above 1023`
    case 'EADDRNOTAVAIL':
      return `${what}: this machine has no such address; listen on /ip4/0.0.0.0/tcp/${port}`
    default:
      return `${what}: ${code}`
  }
}

function bindFailure(address: Multiaddr): Promise<string | undefined> {
  const host = address.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')?.value
  if (host === undefined) return Promise.resolve(undefined)
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
    server.listen({ host, port: portOf(address) }, () => server.close(() => resolve(undefined)))
  })
}

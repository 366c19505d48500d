// Multiaddrs from people and from peers: a person is told what is wrong with one, a peer's malformed one is dropped.

import type { PeerId as RawPeerId } from '@libp2p/interface'
import { isPrivate } from '@libp2p/utils'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { MeshError } from '../../../protocol/errors.ts'
import { type PeerId, parsePeerId } from '../../../protocol/ids.ts'
import { limits } from '../../../protocol/limits.ts'
import type { Libp2pSettings } from './options.ts'

const examplePeer = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'

/** One of `listen` or `announce`. Throws `MeshError` `bad-request` naming the address and what is expected. */
export function parseOwnAddress(setting: 'listen' | 'announce', text: string): Multiaddr {
  const address = parse(text)
  if (!address || !hasTransport(address)) {
    throw new MeshError('bad-request', `${setting} address "${shown(text)}": expected such as /ip4/0.0.0.0/tcp/4001`)
  }
  return address
}

/** All to listen on: as given, and what the settings imply. */
export function listenAddresses(settings: Libp2pSettings): readonly Multiaddr[] {
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

/** An address with the id of the peer that must answer there. Throws `MeshError` `bad-request`. */
export function parsePeerAddress(what: string, text: string): { readonly peer: PeerId; readonly address: Multiaddr } {
  const expected = `expected such as /ip4/203.0.113.7/tcp/4001/p2p/${examplePeer}`
  const address = parse(text)
  if (!address || !hasTransport(address)) throw new MeshError('bad-request', `${what} "${shown(text)}": ${expected}`)
  const id = peerIn(address)
  if (id === undefined) {
    throw new MeshError('bad-request', `${what} "${shown(text)}" does not end in /p2p/<peer id>: ${expected}`)
  }
  try {
    return { peer: parsePeerId(id), address }
  } catch (cause) {
    throw new MeshError('bad-request', `${what} "${shown(text)}": ${String(cause)}`, { cause })
  }
}

/** Where a peer can be reached, by its own or others' word, each with its id at the end; what is malformed is left out. */
export function usableAddresses(peer: PeerId, texts: readonly string[]): readonly Multiaddr[] {
  return texts
    .slice(0, limits.addressesMax)
    .map((text) => usableAddress(peer, text))
    .filter((address) => address !== undefined)
}

function usableAddress(peer: PeerId, text: string): Multiaddr | undefined {
  if (text.length > limits.addressCharsMax) return undefined
  const address = parse(text)
  if (!address || !hasTransport(address) || portOf(address) === 0) return undefined
  const components = address.getComponents()
  if (components.at(-1)?.name === 'p2p') return components.at(-1)?.value === peer ? address : undefined
  return address.encapsulate(`/p2p/${peer}`)
}

/** Host and port, without the peer. */
export function endpointOf(address: Multiaddr): string {
  const [host, transport] = address.getComponents()
  return isRelayed(address) ? address.toString() : `${host?.value} ${transport?.value}`
}

/** The peer an address leads to, where it says. */
function peerIn(address: Multiaddr): string | undefined {
  const last = address.getComponents().at(-1)
  return last?.name === 'p2p' ? last.value : undefined
}

/** Loopback, link-local, or of a local network. */
export function isLocal(address: Multiaddr): boolean {
  const host = address.getComponents()[0]
  return isPrivate(address) || host?.value === 'localhost' || host?.value?.endsWith('.local') === true
}

/** What shares one quota of strangers: an IPv4 address, or an IPv6 network of the size one customer gets. */
export function hostOf(address: Multiaddr): string {
  const components = address.getComponents()
  if (components.some(({ name }) => name === 'p2p-circuit')) return 'relayed'
  const host = components.find(({ name }) => name !== 'ip6zone')
  if (host?.name !== 'ip6') return host?.value ?? 'unknown'
  const groups = (host.value ?? '').split('::')[0]?.split(':') ?? []
  return `${groups.slice(0, 4).join(':')}::/64`
}

/** Port 0 where an address has none. */
export function portOf(address: Multiaddr): number {
  return Number(address.getComponents().find(({ name }) => name === 'tcp')?.value ?? 0)
}

function isWebSocket(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'ws' || name === 'wss')
}

function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'p2p-circuit')
}

export function isEd25519(peer: RawPeerId): boolean {
  return peer.type === 'Ed25519'
}

const hosts: ReadonlySet<string> = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])
const overTcp: ReadonlySet<string> = new Set(['tls', 'sni', 'ws', 'wss', 'http-path', 'p2p', 'p2p-circuit'])

/** TCP to a host, plain or with WebSockets, directly or through a relay; or `/p2p-circuit` alone, to listen on any relay. */
function hasTransport(address: Multiaddr): boolean {
  const names = address.getComponents().map(({ name }) => name)
  if (names[0] === 'ip6zone') names.shift()
  if (names.length === 1 && names[0] === 'p2p-circuit') return true
  const [host = '', transport = '', ...rest] = names
  return hosts.has(host) && transport === 'tcp' && rest.every((name) => overTcp.has(name))
}

function parse(text: string): Multiaddr | undefined {
  try {
    return multiaddr(text)
  } catch {
    return undefined
  }
}

function shown(text: string): string {
  return text.slice(0, 100)
}

// Peers that announce themselves on the local network. libp2p notes them and leaves dialling to others.

import type { PeerInfo } from '@libp2p/interface'
import { parsePeerId } from '../../../protocol/ids.ts'
import { endpointOf, isEd25519, usableAddresses } from './addresses.ts'
import type { Dialler } from './dialler.ts'
import type { Libp2pSettings } from './options.ts'
import type { Swarm } from './swarm.ts'

/** Addresses of the local network that may be dialled; one that never answered stays among them. */
const endpointsMax = 1_024

/** Connects to the peer, unless half of all connections are taken: a crowded network must leave room for the mesh. */
export function greet(
  { id, multiaddrs }: PeerInfo,
  swarm: Swarm,
  dialler: Dialler,
  settings: Libp2pSettings,
  trusted: Set<string>,
): void {
  if (!isEd25519(id) || id.equals(swarm.peerId)) return
  const peer = parsePeerId(id.toString())
  if (dialler.connectionTo(peer) || swarm.getConnections().length >= settings.connectionsMax / 2) return
  const usable = usableAddresses(peer, multiaddrs.map(String))
  if (usable.length === 0 || trusted.size >= endpointsMax) return
  for (const address of usable) trusted.add(endpointOf(address))
  swarm.dial([...usable]).catch(() => undefined) // it announces itself again in ten seconds
}

// The libp2p node under the adapter: which transports and services it has, and every limit set from the start.

import { autoNAT } from '@libp2p/autonat'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { dcutr } from '@libp2p/dcutr'
import type { GossipSub } from '@libp2p/gossipsub'
import { type Identify, identify, identifyPush } from '@libp2p/identify'
import type { ConnectionGater, Libp2p, PeerInfo, PrivateKey } from '@libp2p/interface'
import {
  type KadDHT,
  type KadDHTComponents,
  kadDHT,
  passthroughMapper,
  removePrivateAddressesMapper,
  type SingleKadDHT,
} from '@libp2p/kad-dht'
import { mdns } from '@libp2p/mdns'
import { noise } from '@libp2p/noise'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { uPnPNAT } from '@libp2p/upnp-nat'
import { createLibp2p, type Libp2pOptions, type ServiceFactoryMap } from 'libp2p'
import { kadProtocol, type PeerId } from '../../../protocol/ids.ts'
import { BoundedDatastore } from './datastore.ts'
import { gossipsubOf } from './gossip.ts'
import { guardedYamux, inboundGuard } from './guards.ts'
import type { Libp2pSettings } from './options.ts'
import { walkingSlowly } from './walk.ts'
import { guardedWebSockets } from './websockets.ts'

export interface Services extends Record<string, unknown> {
  readonly dht: SingleKadDHT
  readonly identify: Identify
  readonly pubsub: GossipSub
  readonly ping: Ping
}

export type Swarm = Libp2p<Services>

export type Transports = NonNullable<Libp2pOptions['transports']>

interface SwarmParts {
  readonly privateKey: PrivateKey
  readonly peer: PeerId
  readonly gater: ConnectionGater
  readonly listen: readonly string[]
  /** In place of TCP and WebSockets. */
  readonly transports: Transports | undefined
  readonly onLanPeer: (peer: PeerInfo) => void
}

/** Not started yet. */
export function createSwarm(settings: Libp2pSettings, parts: SwarmParts): Promise<Swarm> {
  const { privateKey, gater, listen } = parts
  return createLibp2p<Services>({
    start: false,
    privateKey,
    nodeInfo: { name: 'silkmesh', version: '1', userAgent: 'silkmesh' },
    addresses: { listen: [...listen], announce: [...settings.announce] },
    datastore: recordsOf(settings, parts),
    connectionGater: gater,
    connectionMonitor: { enabled: false }, // ends busy connections; heartbeat.ts instead
    connectionManager: {
      maxConnections: settings.connectionsMax,
      maxParallelDials: 32,
      maxDialQueueLength: 500,
      maxPeerAddrsToDial: 8,
      dialTimeout: settings.connectMs,
      addressDialTimeout: settings.dialAddressMs,
      inboundUpgradeTimeout: settings.handshakeMs,
      inboundStreamProtocolNegotiationTimeout: settings.connectMs,
      outboundStreamProtocolNegotiationTimeout: settings.connectMs,
      maxIncomingPendingConnections: 2 * settings.handshakesPendingMax, // would refuse the newest; guards.ts drops the oldest first
      inboundConnectionThreshold: settings.inboundPerHostPerSecondMax,
    },
    transports: transportsOf(settings, parts),
    connectionEncrypters: [noise()],
    streamMuxers: [guardedYamux(settings)],
    peerDiscovery: settings.mdns ? [lanDiscovery(parts.onLanPeer)] : [],
    services: servicesOf(settings),
  })
}

function transportsOf(settings: Libp2pSettings, { transports }: SwarmParts): Transports {
  const direct = transports ?? [
    tcp({ maxConnections: settings.connectionsMax + settings.handshakesPendingMax }),
    ...(settings.websockets ? [guardedWebSockets(settings)] : []),
  ]
  return [...direct, ...(settings.relayClient ? [walkingSlowly(settings, circuitRelayTransport())] : [])]
}

function servicesOf(settings: Libp2pSettings): ServiceFactoryMap<Services> {
  return {
    identify: identify(),
    identifyPush: identifyPush(),
    // by default one at a time: the DHT's ping of a new peer would fail beside the heartbeat's, and the peer be left out
    ping: ping({ maxInboundStreams: settings.inboundStreamsMax, maxOutboundStreams: settings.inboundStreamsMax }),
    dht: dhtOf(settings),
    pubsub: gossipsubOf(settings),
    inboundGuard: inboundGuard(),
    ...(settings.relayServer ? { relay: circuitRelayServer() } : {}),
    ...(settings.dcutr ? { dcutr: dcutr() } : {}),
    ...(settings.autonat ? { autonat: walkingSlowly(settings, autoNAT()) } : {}),
    ...(settings.upnp ? { upnp: uPnPNAT() } : {}),
  }
}

function dhtOf(settings: Libp2pSettings): (components: KadDHTComponents) => SingleKadDHT {
  const make = kadDHT({
    protocol: kadProtocol,
    clientMode: settings.dhtMode === 'client',
    peerInfoMapper: settings.allowPrivateAddresses ? passthroughMapper : removePrivateAddressesMapper,
    alpha: 3, // Kademlia's own; libp2p's 10 makes every lookup dial most of a small mesh
    initialQuerySelfInterval: 250, // lookups wait for it
    maxInboundStreams: settings.inboundStreamsMax,
  })
  return (components) => {
    const dht = make(components)
    if (!hasRoutingTable(dht)) throw new TypeError('the DHT is not built as expected')
    return dht
  }
}

function hasRoutingTable(dht: KadDHT): dht is SingleKadDHT {
  return 'routingTable' in dht
}

function recordsOf(settings: Libp2pSettings, { privateKey, peer }: SwarmParts): BoundedDatastore {
  const own = `/peers/${privateKey.publicKey.toCID().toString()}`
  return new BoundedDatastore({
    entriesMax: { '/peers/': settings.peerRecordsMax, '/dht/provider/': settings.providerRecordsMax },
    valueBytesMax: 16_384,
    isPinned: (key) => key.startsWith(own) || key.endsWith(`/${peer}`),
  })
}

/** libp2p notes peers it finds on the local network, and leaves dialling them to us. */
function lanDiscovery(found: (peer: PeerInfo) => void): ReturnType<typeof mdns> {
  const make = mdns({ serviceTag: '_silkmesh._udp.local' })
  return (components) => {
    const discovery = make(components)
    discovery.addEventListener('peer', ({ detail }) => found(detail))
    return discovery
  }
}

// Every setting of the libp2p adapter: its default, its unit in the name, and why it is what it is.

import { limits } from '../../../protocol/limits.ts'

export interface Libp2pSettings {
  /** Multiaddrs; port 0 takes a free one. */
  readonly listen: readonly string[]
  /** Multiaddrs told to others instead of the ones listened on. */
  readonly announce: readonly string[]
  /** Multiaddrs, each ending in /p2p/<peer id>. Dialled at start and again whenever the connection is lost. */
  readonly bootstrap: readonly string[]
  /** `server` answers DHT queries of others; `client` suits a peer that nobody can dial. */
  readonly dhtMode: 'client' | 'server'
  readonly mdns: boolean
  /** Dial and listen over WebSockets too: where `listen` names none, on the port after each TCP port. */
  readonly websockets: boolean
  /** Be reachable through relays. */
  readonly relayClient: boolean
  readonly relayServer: boolean
  readonly dcutr: boolean
  readonly autonat: boolean
  readonly upnp: boolean
  /** Keep and dial loopback and local addresses that others tell. Off, a stranger cannot aim this node at a local network. */
  readonly allowPrivateAddresses: boolean

  readonly connectionsMax: number
  readonly connectionsPerPeerMax: number
  /** Of one peer and protocol, whatever the number of its connections. */
  readonly inboundStreamsMax: number
  /** Of one connection, all protocols together. */
  readonly muxedStreamsMax: number
  /** Strangers between their TCP connection and the end of their handshake; beyond, the longest waiting is dropped. */
  readonly handshakesPendingMax: number
  readonly handshakesPendingPerHostMax: number
  readonly handshakeMs: number
  readonly inboundPerHostPerSecondMax: number

  /** Of one stream or connection; more is a peer that does not read. */
  readonly writeBufferBytesMax: number
  /** `send` resolves while no more than this waits in a stream. */
  readonly sendHighWaterBytes: number
  /** `send` and `close` fail when nothing left a stream for this long. */
  readonly sendStallMs: number
  /** A stream with more than this unread is paused; the peer then fills its window and stops. */
  readonly readHighWaterBytes: number
  /** Received and not yet read, over all streams, with the windows that paused peers may still fill. */
  readonly inboundBufferBytesMax: number
  /** A frame that began must be complete within this. */
  readonly frameMs: number
  /** How long a stream whose work is done waits for the other side to close too. */
  readonly lingerMs: number

  /** `open`: dial, handshake and protocol negotiation. */
  readonly connectMs: number
  /** One address of several: a dead one must leave time for the next. */
  readonly dialAddressMs: number
  readonly pingIntervalMs: number
  readonly pingMs: number
  /** A connection is dropped after this many lost pings in a row without a byte on any of its streams. */
  readonly pingFailuresMax: number
  /** Doubles after each failure. */
  readonly bootstrapRetryMs: number
  readonly bootstrapRetryMsMax: number

  /** Provider records are announced again after this, doubling: a young mesh grows peers that should hold them. */
  readonly provideAgainMs: number
  readonly provideAgainMsMax: number
  /** One announcement. */
  readonly provideMs: number
  /** A routing table found empty is repaired after this, doubling while it stays so. */
  readonly routesCheckMs: number
  readonly routesCheckMsMax: number
  /** Between the steps of a search for relays, doubling. */
  readonly walkRestMs: number
  readonly walkRestMsMax: number
  readonly findMs: number
  readonly findProvidersMax: number
  /** Peers whose addresses were learned from adverts; the oldest goes first. */
  readonly learnedPeersMax: number
  /** Peers, and provider records of others, kept in memory; the oldest goes first. */
  readonly peerRecordsMax: number
  readonly providerRecordsMax: number

  readonly gossipMessageBytesMax: number
  readonly gossipRpcBytesMax: number
  /** Messages of one neighbour, its own and forwarded; beyond, they are dropped unread. */
  readonly gossipPerSecondMax: number
  readonly gossipHeartbeatMs: number
  /** D, Dlo and Dhi of the gossipsub specification. */
  readonly gossipDegree: number
  readonly gossipDegreeMin: number
  readonly gossipDegreeMax: number

  /** When stopping, a connection may flush what was sent for this long. */
  readonly closeMs: number
  readonly stopMs: number
}

export const libp2pDefaults: Libp2pSettings = {
  listen: ['/ip4/0.0.0.0/tcp/0'],
  announce: [],
  bootstrap: [],
  dhtMode: 'server',
  mdns: false,
  websockets: false,
  relayClient: true,
  relayServer: false,
  dcutr: true,
  autonat: true,
  upnp: false,
  allowPrivateAddresses: true,

  connectionsMax: 300, // libp2p's own default; some 0.2 MB each
  connectionsPerPeerMax: 4, // two from dialling each other at once, one relayed, one to spare
  inboundStreamsMax: 8, // docs/protocol.md: one request a stream, eight at once
  muxedStreamsMax: 64, // eight of each of our protocols and the DHT, and room for gossip, identify, ping and relaying
  handshakesPendingMax: 256, // some 10 MiB of half-open connections; fifty flooding hosts leave an honest one 0.3 s
  handshakesPendingPerHostMax: 16,
  handshakeMs: 5_000, // five round trips of a second
  inboundPerHostPerSecondMax: 16, // a handshake costs 15 to 50 ms of processor time: at most one core for one host

  writeBufferBytesMax: 1_048_576,
  sendHighWaterBytes: 32_768, // 300 peers who never read hold 20 MiB; a quarter of a second of a slow line
  sendStallMs: 10_000, // the pause allowed between chunks
  readHighWaterBytes: 65_536,
  inboundBufferBytesMax: 33_554_432, // half of the 64 MiB that 300 peers who never read may cost
  frameMs: 20_000, // a 1 MiB prompt at 0.5 Mbit/s
  lingerMs: 5_000,

  connectMs: 5_000,
  dialAddressMs: 2_500,
  pingIntervalMs: 20_000, // keeps NAT mappings (30 s for the shortest) alive; 15 connections cost one ping a second
  pingMs: 10_000,
  pingFailuresMax: 3,
  bootstrapRetryMs: 1_000,
  bootstrapRetryMsMax: 60_000,

  provideAgainMs: 5_000,
  provideAgainMsMax: 600_000, // records live 48 h; ten minutes covers holders that left
  provideMs: 60_000,
  routesCheckMs: 3_000,
  routesCheckMsMax: 60_000,
  walkRestMs: 2_000,
  walkRestMsMax: 300_000, // a step costs some 20 ms of processor time and may dial a peer
  findMs: 10_000,
  findProvidersMax: 64,
  learnedPeersMax: 4_096,
  peerRecordsMax: 10_000,
  providerRecordsMax: 50_000,

  gossipMessageBytesMax: limits.advertBytesMax,
  gossipRpcBytesMax: 262_144, // an answer to IWANT carries many adverts: some 30 of the largest, 200 of the usual
  gossipPerSecondMax: 500, // 10 000 providers at their usual interval; a flood takes a sixth of a core
  gossipHeartbeatMs: 1_000,
  gossipDegree: 6,
  gossipDegreeMin: 4,
  gossipDegreeMax: 12,

  closeMs: 1_000,
  stopMs: 5_000,
}

// Bounds and times of the modelled network: what the libp2p adapter keeps to, so that policy meets the same walls here.

export interface NetworkSettings {
  /** `open`: dial, handshake and protocol negotiation. */
  readonly connectMs: number
  /** A silent address is given up after this. */
  readonly dialAddressMs: number
  /** TCP, the proposal of Noise, Noise itself with the muxer inside: one round trip each. */
  readonly connectRoundTrips: number
  readonly connectionsMax: number
  readonly muxedStreamsMax: number
  /** Of one peer and protocol. */
  readonly inboundStreamsMax: number
  /** Sent and not yet read: what a paused reader holds, and the muxer's window behind it. */
  readonly windowBytes: number
  /** The muxer's window: the most under way at once, acknowledged by a round trip. */
  readonly muxerWindowBytes: number
  readonly writeBufferBytesMax: number
  readonly sendHighWaterBytes: number
  readonly sendStallMs: number
  readonly inboundBufferBytesMax: number
  readonly lingerMs: number
  readonly pingIntervalMs: number
  readonly pingMs: number
  readonly pingFailuresMax: number
  readonly bootstrapRetryMs: number
  readonly bootstrapRetryMsMax: number
  /** Peers that every other dials first: the first that anybody can dial. They are not bound by `connectionsMax`. */
  readonly bootstrapPeersMax: number
  readonly learnedPeersMax: number
  /** A relayed connection ends after this long or so many bytes one way: circuit relay v2's limits. */
  readonly relayMsMax: number
  readonly relayBytesMax: number
  /** Peers that one relay can be asked to be reached through. */
  readonly relayReservationsMax: number
}

export const networkDefaults: NetworkSettings = {
  connectMs: 5_000,
  dialAddressMs: 2_500,
  connectRoundTrips: 3,
  connectionsMax: 300,
  muxedStreamsMax: 64,
  inboundStreamsMax: 8,
  windowBytes: 65_536 + 262_144,
  muxerWindowBytes: 262_144,
  writeBufferBytesMax: 1_048_576,
  sendHighWaterBytes: 32_768,
  sendStallMs: 10_000,
  inboundBufferBytesMax: 33_554_432,
  lingerMs: 5_000,
  pingIntervalMs: 20_000,
  pingMs: 10_000,
  pingFailuresMax: 3,
  bootstrapRetryMs: 1_000,
  bootstrapRetryMsMax: 60_000,
  bootstrapPeersMax: 3,
  learnedPeersMax: 4_096,
  relayMsMax: 120_000,
  relayBytesMax: 131_072,
  relayReservationsMax: 15,
}

/** Yamux and Noise around a frame, and TCP and IP around a packet of the usual size. */
export const frameOverheadBytes = 80

/** A control message: a stream's opening, its end, a reset. */
export const controlBytes = 64

/** Between 80 % and 120 %, as the adapter spreads what many peers do periodically. */
export function jittered(ms: number, draw: number): number {
  return ms * (0.8 + 0.4 * draw)
}

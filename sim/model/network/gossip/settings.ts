// Gossipsub's parameters, and what a swarm needs of the network under it.

import type { Verdict } from '../../../../node/ports.ts'

export interface GossipSettings {
  /** D, Dlo and Dhi of the specification. */
  readonly degree: number
  readonly degreeMin: number
  readonly degreeMax: number
  readonly heartbeatMs: number
  /** Peers outside the mesh that are told the ids of recent messages at each heartbeat, and for how many heartbeats. */
  readonly lazyDegree: number
  readonly lazyHeartbeats: number
  /** Checking the signature and the message, at each receiver before it forwards. */
  readonly validationMs: number
  /** A receiver tells its mesh not to send copies of messages as large as this (IDONTWANT, gossipsub 1.2). */
  readonly unwantedBytesMin: number
  /** Above so many subscribers deliveries are drawn from a rehearsed distribution, not carried hop by hop. */
  readonly fullPeersMax: number
}

/** js-libp2p's gossipsub as the adapter sets it up. */
export const gossipDefaults: GossipSettings = {
  degree: 6,
  degreeMin: 4,
  degreeMax: 12,
  heartbeatMs: 1_000,
  lazyDegree: 6,
  lazyHeartbeats: 3,
  validationMs: 0, // processor time, where a table of costs does not say
  unwantedBytesMin: 512,
  fullPeersMax: 2_000,
}

export type Validate = (author: number, message: Uint8Array) => Verdict

/** What carries messages between sites, which are numbered densely. */
export interface GossipWire {
  /** Sends so many bytes now; when they are there, or `Infinity` where they are lost. */
  carry(from: number, to: number, bytes: number): number
  oneWayMs(from: number, to: number): number
  /** Whether anything could go from one to the other now, over whatever ways round. */
  canReach(from: number, to: number): boolean
  /** Runs what happens inside a site: later where it is frozen, never where it has ended. */
  inside(site: number, act: () => void): void
  /** The same ways, unused and undisturbed, for a rehearsal among these sites: the result's sites are their positions. */
  rehearsal(sites: readonly number[], nowMs: () => number): GossipWire
}

/** Of an RPC around a message: author, sequence number, signature, key, topic. */
export const messageOverheadBytes = 230
/** A message's id in IHAVE: the author's key and a sequence number. */
export const idBytes = 48

/** A rejected message costs the peer it came from 20 times the square of how many there were lately. */
const rejectedWeight = -20
/** A count falls to a tenth in ten minutes. */
const forgivenMs = 600_000
export const publishScoreMin = -40
export const graylistScore = -160

export interface Offence {
  count: number
  atMs: number
}

export function scoreOf(offence: Offence | undefined, nowMs: number): number {
  if (!offence) return 0
  const count = offence.count * 0.1 ** ((nowMs - offence.atMs) / forgivenMs)
  return count < 0.1 ? 0 : rejectedWeight * count * count
}

export function offended(offence: Offence | undefined, nowMs: number): Offence {
  const left = offence ? offence.count * 0.1 ** ((nowMs - offence.atMs) / forgivenMs) : 0
  return { count: left + 1, atMs: nowMs }
}

// The modelled network's counts under the names that metrics have.

import type { DhtTally } from './dht/settings.ts'
import type { GossipTally } from './gossip/tally.ts'
import type { Tally } from './ground.ts'

export function figuresOf(
  tally: Tally,
  gossip: GossipTally,
  dht: DhtTally,
  connections: number,
): Readonly<Record<string, number>> {
  return {
    messages: tally.messages,
    bytes: tally.bytes,
    controlBytes: gossip.bytes + gossip.controlBytes + dht.bytes,
    dials: tally.dials,
    dialsFailed: tally.dialsFailed,
    connections,
    connectionsDropped: tally.connectionsDropped,
    connectionsRelayed: tally.relayed,
    connectionsPunched: tally.punched,
    streams: tally.streams,
    gossipPublished: gossip.published,
    gossipDelivered: gossip.delivered,
    gossipCoverage: ratio(gossip.reached, gossip.expected),
    gossipDuplicates: ratio(gossip.duplicates, gossip.delivered),
    gossipRepaired: gossip.repaired,
    gossipLost: gossip.lost,
    gossipBytes: gossip.bytes,
    gossipMsMean: gossip.delaysMs.mean,
    gossipMsP50: gossip.delaysMs.quantile(0.5),
    gossipMsP90: gossip.delaysMs.quantile(0.9),
    gossipMsP95: gossip.delaysMs.quantile(0.95),
    gossipMsP99: gossip.delaysMs.quantile(0.99),
    dhtLookups: dht.lookups,
    dhtMeanHops: ratio(dht.hops, dht.answered),
    dhtMessages: dht.messages,
    dhtBytes: dht.bytes,
    dhtFailedCalls: dht.failedCalls,
    dhtSuccessRate: ratio(dht.answered, dht.lookups),
  }
}

function ratio(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0
}

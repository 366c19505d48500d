// The libp2p network keeps the network's contract, on loopback.

import { identityFrom } from '../../node/adapters/libp2p/identity.ts'
import { type Libp2pNetwork, startLibp2p } from '../../node/adapters/libp2p/network.ts'
import type { Libp2pSettings } from '../../node/adapters/libp2p/options.ts'
import { systemClock } from '../../node/adapters/system.ts'
import { networkContract } from './network.contract.ts'

const loopback: Partial<Libp2pSettings> = {
  listen: ['/ip4/127.0.0.1/tcp/0'],
  relayClient: false,
  dcutr: false,
  autonat: false,
  inboundPerHostPerSecondMax: 1_000, // all peers of a test share one address
  gossipHeartbeatMs: 200,
}

networkContract('libp2p', async (count, shape) => {
  const networks: Libp2pNetwork[] = []
  const peers = []
  for (let at = 0; at < count; at += 1) {
    const seed = new Uint8Array(32).fill(at + 1)
    const before = shape === 'line' ? networks.at(-1) : networks[0]
    const network = await startLibp2p({
      ...loopback,
      seed,
      bootstrap: before?.addresses() ?? [],
      dhtMode: shape === 'line' ? 'client' : 'server', // clients do not introduce each other
    })
    networks.push(network)
    peers.push({ network, identity: identityFrom(seed) })
  }
  return {
    peers,
    clock: systemClock,
    drive: (work) => work,
    stop: async () => {
      await Promise.all(networks.map((network) => network.stop()))
    },
  }
})

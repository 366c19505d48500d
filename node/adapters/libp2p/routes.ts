// Repairs an empty routing table. libp2p offers a peer to its DHT once, when it is identified, and leaves it out for good
// where that one ping failed; a node that knows a single bootstrap peer would then find nobody.

import type { Libp2pSettings } from './options.ts'
import { jittered, pause } from './pause.ts'
import type { Swarm } from './swarm.ts'

/** Connections asked again in one round. */
const askedMax = 3

/** Ends when the signal fires. */
export async function keepRouted(swarm: Swarm, settings: Libp2pSettings, signal: AbortSignal): Promise<void> {
  let pauseMs = settings.routesCheckMs
  while (!signal.aborted) {
    await pause(jittered(pauseMs), signal)
    const isEmpty = swarm.services.dht.routingTable.size === 0
    pauseMs = isEmpty ? Math.min(settings.routesCheckMsMax, 2 * pauseMs) : settings.routesCheckMs
    if (!isEmpty || signal.aborted) continue
    const open = swarm.getConnections().filter(({ status }) => status === 'open')
    for (const connection of open.toSorted(() => Math.random() - 0.5).slice(0, askedMax)) {
      await swarm.services.identify.identify(connection).catch(() => undefined) // gone meanwhile, or slow: the next round
    }
  }
}

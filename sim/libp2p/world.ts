// The `libp2p` tier: a virtual world over real libp2p – Noise, Yamux, Kademlia, gossipsub – on a simulated internet. Equal
// plans run equal, to the bit, each in a process of its own.

import { identityOf } from '../identity.ts'
import type { Scheduler } from '../kernel.ts'
import { networkDefaults } from '../model/network/settings.ts'
import type { Plan } from '../plan.ts'
import { type VirtualTier, VirtualWorld } from '../virtual-world.ts'
import type { World } from '../world.ts'
import { type Bootstrap, Libp2pSimulation } from './network.ts'
import { openSimulation, type Simulation } from './simulation.ts'
import type { Tap } from './socket.ts'

/** From here until `close` this process lives in virtual time: its timers, dates and randomness are the simulation's. */
export async function createLibp2pWorld(tapOf?: (time: Scheduler) => Tap): Promise<World> {
  const simulation = await openSimulation()
  return new Libp2pWorld(simulation, {
    tier: 'libp2p',
    time: simulation.time,
    network: (plan, random) => {
      simulation.reseed(random.fork('ambient'))
      return new Libp2pSimulation({
        scheduler: simulation.time,
        random,
        plan: plan.network,
        bootstraps: bootstrapsOf(plan),
        start: simulation.startLibp2p,
        tap: tapOf?.(simulation.time),
      })
    },
  })
}

/** The first that anybody can dial, as in the `model` tier. */
function bootstrapsOf({ peers, seed }: Plan): readonly Bootstrap[] {
  return peers
    .filter(({ place }) => place.nat === 'open')
    .slice(0, networkDefaults.bootstrapPeersMax)
    .map(({ name, group, place }) => ({ name, group, place, peerId: identityOf(seed, name).peerId }))
}

class Libp2pWorld extends VirtualWorld {
  readonly #simulation: Simulation

  constructor(simulation: Simulation, tier: VirtualTier) {
    super(tier)
    this.#simulation = simulation
  }

  override async close(): Promise<void> {
    await super.close()
    this.#simulation.close()
  }
}

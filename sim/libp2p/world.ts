// The `libp2p` tier: a virtual world over real libp2p – Noise, Yamux, Kademlia, gossipsub – on a simulated internet. Equal
// plans run equal, to the bit, each in a process of its own.

import { type VirtualTier, VirtualWorld } from '../virtual-world.ts'
import type { World } from '../world.ts'
import { Libp2pSimulation } from './network.ts'
import { openSimulation, type Simulation } from './simulation.ts'
import type { Tap } from './socket.ts'

/** From here until `close` this process lives in virtual time: its timers, dates and randomness are the simulation's. */
export async function createLibp2pWorld(tap?: Tap): Promise<World> {
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
        seed: plan.seed,
        start: simulation.startLibp2p,
        tap,
      })
    },
  })
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

// The virtual world's network made of real libp2p: each peer runs the production adapter on a machine of its own.

import type { Libp2pNetwork } from '../../node/adapters/libp2p/network.ts'
import type { Libp2pSettings } from '../../node/adapters/libp2p/options.ts'
import type { Network } from '../../node/ports.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { SeededIdentity } from '../identity.ts'
import type { Scheduler } from '../kernel.ts'
import type { Life } from '../life.ts'
import type { NetworkPlan } from '../plan.ts'
import type { SeededRandom } from '../random.ts'
import type { AttachedPeer, VirtualNetwork } from '../virtual-world.ts'
import { Host } from './host.ts'
import { Internet, type Storm } from './internet.ts'
import type { Machine, Site } from './machine.ts'
import { livingNetwork } from './port.ts'
import type { Tap } from './socket.ts'
import { MeshTally } from './tally.ts'
import { simulatedTcp } from './transport.ts'

type Start = typeof import('../../node/adapters/libp2p/network.ts').startLibp2p

export interface Libp2pPlan {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly plan: NetworkPlan
  /** The adapter's, loaded when virtual time was installed. */
  readonly start: Start
  readonly tap?: Tap | undefined
  /** For all peers, over the adapter's defaults. */
  readonly settings?: Partial<Libp2pSettings> | undefined
  /** Peers whom every other dials first, whether they run already or not. They answer the DHT, and relay where the plan has relays. */
  readonly bootstraps: readonly Bootstrap[]
}

const port = 4_001

/** A bootstrap peer is everybody's; it must not turn away the last. */
const bootstrapConnectionsMax = 10_000

export interface Bootstrap extends Site {
  readonly peerId: PeerId
}

interface Running {
  readonly site: Site
  readonly machine: Machine
  readonly host: Host
  readonly network: Libp2pNetwork
}

export class Libp2pSimulation implements VirtualNetwork {
  readonly internet: Internet
  readonly tally: MeshTally
  readonly #parts: Libp2pPlan
  readonly #running = new Map<PeerId, Running>()

  constructor(parts: Libp2pPlan) {
    const { scheduler, random, plan, tap } = parts
    this.#parts = parts
    this.tally = new MeshTally(scheduler)
    this.internet = new Internet({ scheduler, random: random.fork('internet'), plan, tap })
  }

  async attach(peer: AttachedPeer, life: Life): Promise<Network> {
    const { plan, bootstraps } = this.#parts
    const isReachable = peer.place.nat === 'open'
    const isBootstrap = bootstraps.some(({ name }) => name === peer.name)
    const { network, host } = await this.run(peer, peer.identity, {
      bootstrap: bootstraps.filter(({ name }) => name !== peer.name).map((each) => this.addressOf(each, each.peerId)),
      dhtMode: (peer.dhtServer && isReachable) || isBootstrap ? 'server' : 'client',
      relayClient: plan.relay && !isReachable,
      relayServer: plan.relay && isBootstrap,
      dcutr: plan.relay && peer.place.nat === 'cone',
      ...(isBootstrap ? { connectionsMax: bootstrapConnectionsMax } : {}),
    })
    return livingNetwork(network, host, life, this.tally)
  }

  /** The adapter on the machine at this site. */
  async run(
    { name, group, place }: Site,
    { seed, peerId }: SeededIdentity,
    settings: Partial<Libp2pSettings>,
  ): Promise<Running> {
    const { scheduler, random, start } = this.#parts
    const site: Site = { name, group, place }
    const machine = this.internet.machine(site)
    const host = new Host(name, scheduler, random.fork(`host/${name}`))
    this.internet.up(machine, host)
    const network = await host.life.during(
      host.enter(() =>
        start({
          listen: [`/ip4/${machine.address}/tcp/${port}`],
          relayClient: false,
          dcutr: false,
          autonat: false,
          ...this.#parts.settings,
          ...settings,
          seed,
          onEvent: (event) => this.tally.heard(event),
          transports: [simulatedTcp(this.internet, machine, host)],
        }),
      ),
    )
    const running = { site, machine, host, network }
    this.#running.set(peerId, running)
    return running
  }

  /** Where the peer at this site listens while it runs. */
  addressOf({ name, group, place }: Site, peer: PeerId): string {
    return `/ip4/${this.internet.machine({ name, group, place }).address}/tcp/${port}/p2p/${peer}`
  }

  async detach(peer: PeerId, how: 'stop' | 'crash' | 'power'): Promise<void> {
    const running = this.#running.get(peer)
    if (!running) return
    this.#running.delete(peer)
    const { host, machine, network } = running
    if (how === 'stop') await host.enter(() => network.stop())
    if (machine.host === host) this.internet.down(machine, how === 'power' ? 'power' : 'crash')
  }

  freeze(name: string): void {
    this.#named(name)?.host.life.freeze()
  }

  thaw(name: string): void {
    this.#named(name)?.host.life.thaw()
  }

  disturb(storm: Storm): () => void {
    return this.internet.disturb(storm)
  }

  figures(): Readonly<Record<string, number>> {
    const figures = this.internet.figures()
    return { ...figures, ...this.tally.figures(figures.bytes) }
  }

  #named(name: string): Running | undefined {
    return [...this.#running.values()].find(({ site }) => site.name === name)
  }
}

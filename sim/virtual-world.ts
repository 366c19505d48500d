// A world in virtual time: production nodes on modelled engines, disks and chain, over a network that is modelled or real.
// The tiers `model` and `libp2p` differ in the network and in whose timers time runs on; all else is here once.

import { configOf } from '../node/config.ts'
import type { InferenceEvent, InferenceRequest, InferenceResult } from '../node/inference.ts'
import { type MeshNode, type Roles, startNode } from '../node/node.ts'
import type { Clock, Identity, Network, Ports } from '../node/ports.ts'
import type { Address, PeerId } from '../protocol/ids.ts'
import { largest } from '../protocol/money.ts'
import { corrupt } from './adversaries.ts'
import { identityOf, payoutOf, type SeededIdentity } from './identity.ts'
import { epochMs, type Scheduler } from './kernel.ts'
import { clockOf, Life } from './life.ts'
import { ModelChain } from './model/chain.ts'
import { createModelEngine, loadProfile, type Profile } from './model/engine/engine.ts'
import { ModelDisk } from './model/store.ts'
import { TvmChain } from './model/tvm-chain.ts'
import type { PeerSpec, Place, Plan } from './plan.ts'
import { type SeededRandom, seededRandom } from './random.ts'
import type { Audit, AuditedChannel, Heard, PeerLedger, Tier, Weather, World } from './world.ts'

/** What a tier brings: time, and a network. */
export interface VirtualTime extends Scheduler {
  /** Lets time pass until the work is done. Throws where nothing is left to wait for and it is not. */
  drive<T>(work: Promise<T>, signal?: AbortSignal): Promise<T>
  figures(): Readonly<Record<string, number>>
}

export interface VirtualNetwork {
  attach(peer: AttachedPeer, life: Life): Network | Promise<Network>
  detach(peer: PeerId, how: 'stop' | 'crash' | 'power'): void | Promise<void>
  freeze(name: string): void
  thaw(name: string): void
  disturb(weather: Extract<Weather, { kind: 'partition' | 'degrade' }>): () => void
  figures(): Readonly<Record<string, number>>
}

export interface AttachedPeer {
  readonly identity: SeededIdentity
  readonly name: string
  readonly group: string
  readonly place: Place
  readonly dhtServer: boolean
  readonly adversary: PeerSpec['adversary']
}

export interface VirtualTier {
  readonly tier: Tier
  readonly time: VirtualTime
  readonly network: (plan: Plan, random: SeededRandom) => VirtualNetwork
}

type SeenChannel = ReturnType<MeshNode['channels']>[number]

interface Member {
  readonly spec: PeerSpec
  readonly identity: SeededIdentity
  readonly disk: ModelDisk
  readonly escrow: Address | undefined
  /** Of a provider that deals with the market of settlers. */
  readonly feeEscrow: Address | undefined
  readonly payout: Address
  readonly profile: Profile | undefined
  readonly random: SeededRandom
  slots: number
  /** As last seen while it ran, by escrow: all are paid to its one account. */
  readonly channels: Map<Address, SeenChannel>
  /** Since it was last stopped in order. */
  ledger: MeshNode['ledger'] | undefined
  up: { readonly node: MeshNode; readonly life: Life; readonly network: Network } | undefined
}

export class VirtualWorld implements World {
  readonly tier: Tier
  readonly clock: Clock
  readonly #time: VirtualTime
  readonly #makeNetwork: VirtualTier['network']
  readonly #members = new Map<string, Member>()
  readonly #names = new Map<PeerId, string>()
  readonly #listeners: ((heard: Heard) => void)[] = []
  #stage: { readonly network: VirtualNetwork; readonly chain: ModelChain | TvmChain } | undefined
  #frozen = new Map<string, Life>()

  constructor({ tier, time, network }: VirtualTier) {
    this.tier = tier
    this.#time = time
    this.#makeNetwork = network
    this.clock = clockOf(time, new Life())
  }

  async open(plan: Plan): Promise<void> {
    const random = seededRandom(`${plan.name}/${plan.seed}`)
    const scheduler = this.#time
    const chainParts = { scheduler, random: random.fork('chain'), plan: plan.chain }
    const chain = plan.chain.tvm ? new TvmChain(chainParts) : new ModelChain(chainParts)
    const network = this.#makeNetwork(plan, random.fork('network'))
    this.#stage = { network, chain }
    for (const spec of plan.peers) {
      const own = random.fork(`peer/${spec.name}`)
      const identity = identityOf(plan.seed, spec.name)
      const { provider } = spec
      const funded = spec.consumer ?? spec.hub
      this.#names.set(identity.peerId, spec.name)
      this.#members.set(spec.name, {
        spec,
        identity,
        disk: new ModelDisk({ scheduler, random: own.fork('disk'), spec: spec.disk }),
        escrow: funded && (await chain.openEscrow(identity.publicKey, funded.depositNano)).address,
        feeEscrow: paysSettlers(spec)
          ? (await chain.openEscrow(identity.publicKey, feeDepositNano)).address
          : undefined,
        payout: payoutOf(plan.seed, spec.name),
        profile: provider && loadProfile(provider.profile),
        random: own,
        slots: 0,
        channels: new Map(),
        ledger: undefined,
        up: undefined,
      })
    }
  }

  async start(name: string): Promise<void> {
    const member = this.#member(name)
    if (member.up) return
    const life = new Life()
    const ports = await this.#portsOf(member, life)
    const { escrow, feeEscrow, payout, spec } = member
    const { globalId } = this.#on.chain
    const roles: Roles = {
      provider: spec.provider && { payout, escrow: feeEscrow },
      consumer: escrow && spec.consumer && { escrow },
      hub: escrow && spec.hub && { escrow, payout },
      settler: spec.settler && (isInMarket(spec) && !spec.provider ? { payout, globalId } : true),
    }
    member.slots = ports.engine?.slots ?? 0
    const node = await startNode(configOf(spec.config), ports, roles)
    if (life.isOver) return
    member.up = { node, life, network: ports.network }
    member.ledger = undefined
  }

  async stop(name: string): Promise<void> {
    const member = this.#member(name)
    const { up } = member
    if (!up) return
    await up.node.stop()
    noteChannels(member)
    member.ledger = up.node.ledger
    member.up = undefined
    up.life.end()
    await this.#on.network.detach(member.identity.peerId, 'stop')
  }

  kill(name: string, { power }: { readonly power: boolean }): void {
    const member = this.#member(name)
    const { up } = member
    if (!up) return
    member.up = undefined
    up.life.end()
    this.#frozen.delete(name)
    member.disk.crash()
    void this.#on.network.detach(member.identity.peerId, power ? 'power' : 'crash')
  }

  freeze(name: string): void {
    const { up } = this.#member(name)
    if (!up) return
    up.life.freeze()
    this.#frozen.set(name, up.life)
    this.#on.network.freeze(name)
  }

  thaw(name: string): void {
    const life = this.#frozen.get(name)
    this.#frozen.delete(name)
    if (!life || life.isOver) return
    this.#on.network.thaw(name)
    life.thaw()
  }

  slotsOf(name: string): number {
    return this.#member(name).slots
  }

  nameOf(peer: PeerId): string {
    return this.#names.get(peer) ?? peer
  }

  connectionsOf(name: string): readonly string[] {
    const connections = this.#member(name).up?.network.connections() ?? []
    return [...new Set(connections.flatMap(({ peer }) => this.#names.get(peer) ?? []))].sort()
  }

  nowMs(): number {
    return this.#time.now()
  }

  infer(
    name: string,
    request: InferenceRequest,
    signal: AbortSignal,
  ): AsyncGenerator<InferenceEvent, InferenceResult, undefined> {
    const inference = this.#member(name).up?.node.inference
    if (!inference) throw new RangeError(`${name} is no consumer that runs`)
    return inference.infer(request, signal)
  }

  disturb(weather: Weather): () => void {
    return weather.kind === 'chain' ? this.#on.chain.disturb(weather) : this.#on.network.disturb(weather)
  }

  observe(listener: (heard: Heard) => void): void {
    this.#listeners.push(listener)
  }

  drive<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#time.drive(work, signal)
  }

  async audit(): Promise<Audit> {
    const { chain } = this.#on
    const byEscrow = new Map([...this.#members.values()].map((member) => [member.escrow, member]))
    const channels: AuditedChannel[] = []
    for (const provider of this.#members.values()) {
      noteChannels(provider)
      for (const channel of provider.channels.values()) {
        const consumer = byEscrow.get(channel.escrow)
        if (!consumer) continue
        channels.push({
          consumer: consumer.spec.name,
          provider: provider.spec.name,
          escrow: channel.escrow,
          payee: channel.payee,
          depositNano: chain.deposit(channel.escrow),
          settledNano: chain.settled(channel.escrow, channel.payee),
          owedNano: provider.up && channel.owedNano,
          coveredNano: provider.up && largest(channel.best?.terms.amountNano ?? 0n, channel.baseNano),
        })
      }
    }
    return { ...chain.totals(), channels }
  }

  ledgers(): readonly PeerLedger[] {
    return [...this.#members.values()].flatMap(({ ledger, spec, up }) => {
      const known = up?.node.ledger ?? ledger
      return known && !spec.adversary ? [{ peer: spec.name, isUp: up !== undefined, ledger: known }] : []
    })
  }

  figures(): Readonly<Record<string, number>> {
    return { ...this.#time.figures(), ...this.#on.network.figures() }
  }

  async close(): Promise<void> {
    for (const { up } of this.#members.values()) up?.life.end()
  }

  async #portsOf(member: Member, life: Life): Promise<Ports> {
    const { chain, network } = this.#on
    const { disk, identity, profile, spec } = member
    const scheduler = this.#time
    const random = member.random.fork('node')
    const attached: AttachedPeer = {
      identity,
      name: spec.name,
      group: spec.group,
      place: spec.place,
      dhtServer: spec.consumer === undefined,
      adversary: spec.adversary,
    }
    const ports: Ports = {
      clock: clockOf(scheduler, life, spec.clockSkewMs),
      random,
      identity: identity satisfies Identity,
      network: await network.attach(attached, life),
      engine:
        profile &&
        spec.provider &&
        createModelEngine({
          scheduler,
          profile,
          model: spec.provider.model,
          slots: spec.provider.slots,
          life,
          random: member.random.fork('engine'),
        }),
      store: disk.mount(life),
      chain: chain.endpoint(life),
      observe: (event) => {
        if (life.isOver) return
        const heard = { peer: spec.name, atMs: scheduler.now() - epochMs, event }
        for (const listener of this.#listeners) listener(heard)
      },
    }
    if (!spec.adversary) return ports
    return corrupt(spec.adversary, ports, member.random.fork('adversary'), spec)
  }

  #member(name: string): Member {
    const member = this.#members.get(name)
    if (!member) throw new RangeError(`no peer ${name} in this plan`)
    return member
  }

  get #on() {
    if (!this.#stage) throw new Error('the world is not open')
    return this.#stage
  }
}

/** What a settler asks is some thousandths of what a provider earns. */
const feeDepositNano = 1_000_000_000n

function paysSettlers({ config, provider }: PeerSpec): boolean {
  return provider !== undefined && config.settlement?.settler === 'market'
}

/** Its fee is stated, were it none. */
function isInMarket({ config }: PeerSpec): boolean {
  return config.settlement?.settlerFeePpm !== undefined
}

function noteChannels({ channels, up }: Member): void {
  for (const channel of up?.node.channels() ?? []) channels.set(channel.escrow, channel)
}

// The network of the `model` tier: machines in regions behind their lines, connections between them, and over these the
// streams, the gossip and the DHT that a node's network port promises.

import type { Identity, Network } from '../../../node/ports.ts'
import { meshKey, type PeerId } from '../../../protocol/ids.ts'
import type { Costs } from '../../costs.ts'
import type { Scheduler } from '../../kernel.ts'
import type { Life } from '../../life.ts'
import type { AdversaryKind, NetworkPlan, Place } from '../../plan.ts'
import type { SeededRandom } from '../../random.ts'
import { Bootstrap } from './bootstrap.ts'
import { Connection, type Side } from './connection.ts'
import { Kademlia } from './dht/kademlia.ts'
import { type DhtBehaviour, type DhtSettings, dhtDefaults } from './dht/settings.ts'
import { Dialler } from './dialler.ts'
import { type Dialled, Endpoint, type Fabric, recordOf, Waiter } from './endpoint.ts'
import { figuresOf } from './figures.ts'
import { lineWire } from './gossip/line-wire.ts'
import { type GossipSettings, gossipDefaults } from './gossip/settings.ts'
import { GossipSwarm } from './gossip/swarm.ts'
import { type Ground, Tally } from './ground.ts'
import { Machine } from './machine.ts'
import { type Degrade, type Partition, Paths } from './paths.ts'
import { Reach } from './reach.ts'
import { controlBytes, frameOverheadBytes, type NetworkSettings, networkDefaults } from './settings.ts'

export interface ModelNetworkOptions {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly plan: NetworkPlan
  /** Processor time of handshakes and gossip; where absent they take none. */
  readonly costs?: Pick<Costs, 'dialMs' | 'gossipDeliveryMs'> | undefined
  readonly settings?: Partial<NetworkSettings> | undefined
  readonly gossip?: Partial<GossipSettings> | undefined
  readonly dht?: Partial<DhtSettings> | undefined
}

export interface ModelPeer {
  readonly identity: Identity
  readonly name: string
  readonly group: string
  readonly place: Place
  readonly dhtServer: boolean
  readonly adversary?: AdversaryKind | undefined
  /** Where absent, what the adversary's kind does; honest for all others. */
  readonly dhtBehaviour?: DhtBehaviour | undefined
  /** Dialled first and kept; where absent, the first that anybody can dial. */
  readonly bootstrap?: readonly PeerId[] | undefined
}

export class ModelNetwork implements Fabric {
  readonly ground: Ground
  readonly dht: Kademlia
  readonly dhtSettings: DhtSettings
  readonly gossip: GossipSwarm
  readonly #plan: NetworkPlan
  readonly #random: SeededRandom
  readonly #dialler: Dialler
  readonly #bootstrap: Bootstrap
  readonly #machines: Machine[] = []
  readonly #endpoints: (Endpoint | undefined)[] = []
  /** The first that anybody can dial: where the others begin. */
  readonly #first: Machine[] = []
  readonly #byPeer = new Map<PeerId, Machine>()
  readonly #byName = new Map<string, Machine>()
  /** The last relay each unreachable machine used. */
  readonly #relays = new Map<number, Machine>()
  readonly #connections = new Set<Connection>()
  /** Those that go through a machine as their relay. */
  readonly #relaying = new Map<Machine, Set<Connection>>()
  /** Those a machine's last life held when the power went: the other sides may still hold them. */
  readonly #orphans = new Map<Machine, Connection[]>()
  readonly #stalled = new Set<Connection>()

  constructor({ costs, dht, gossip, plan, random, scheduler, settings }: ModelNetworkOptions) {
    const chance = random.fork('packets')
    this.#plan = plan
    this.#random = random
    this.ground = {
      scheduler,
      paths: new Paths(plan.latency, plan.loss),
      draw: () => chance.next(),
      settings: { ...networkDefaults, ...settings },
      tally: new Tally(),
    }
    this.dhtSettings = { ...dhtDefaults, ...dht }
    this.dht = new Kademlia({
      scheduler,
      wire: { call: this.#call, fallback: (at) => this.#connectedTo(at) },
      random,
      settings: this.dhtSettings,
    })
    const reach = new Reach(this.ground.paths, this.#machines)
    const validationMs = costs?.gossipDeliveryMs ?? gossipDefaults.validationMs
    this.gossip = new GossipSwarm({
      scheduler,
      wire: lineWire({
        ground: this.ground,
        machines: this.#machines,
        canReach: (from, to) => reach.canReach(from, to),
        inside: (site, act) => this.#endpoints[site]?.act(act),
      }),
      random: random.fork('gossip'),
      settings: { ...gossipDefaults, validationMs, ...gossip },
    })
    this.#dialler = new Dialler({
      ground: this.ground,
      handshakeMs: (costs?.dialMs ?? 0) / 2,
      relayOf: (machine) => this.relayOf(machine),
      endpointOf: (machine) => this.#endpoints[machine.spot.index],
      connect: (from, to, relay) => this.#connect(from, to, relay),
    })
    this.#bootstrap = new Bootstrap({
      ground: this.ground,
      first: this.#first,
      machineOf: (peer) => this.#byPeer.get(peer),
      dial: (from, to, done) => this.dial(from, to, done),
      relayOf: (machine) => this.relayOf(machine),
      hasRelays: plan.relay,
    })
  }

  /** A new life of a peer: the port for its node. */
  attach(peer: ModelPeer, life: Life): Network {
    const machine = this.#machineFor(peer)
    const { index } = machine.spot
    const random = this.#random.fork(`endpoint ${peer.name}`)
    const endpoint = new Endpoint(this, machine, life, () => random.next())
    machine.state = 'up'
    machine.isFrozen = false
    machine.current = endpoint
    this.#endpoints[index] = endpoint
    this.#forgetOldLives(machine)
    this.dht.join(index, { isServer: machine.dhtServer, behaviour: behaviourOf(peer) })
    this.gossip.join(index)
    this.dht.whenRouted(index, () => this.dht.refresh(index))
    this.#bootstrap.begin(endpoint, peer.bootstrap)
    return endpoint
  }

  /** Its life is over. A crash resets its connections, a loss of power leaves the others waiting. */
  detach(peer: PeerId, how: 'stop' | 'crash' | 'power'): void {
    const machine = this.#byPeer.get(peer)
    const endpoint = machine && this.#endpoints[machine.spot.index]
    if (!machine || !endpoint) return
    const { index } = machine.spot
    endpoint.stop()
    machine.current = undefined
    machine.isFrozen = false
    machine.state = how === 'power' ? 'silent' : 'refusing'
    this.#endpoints[index] = undefined
    this.#relays.delete(index)
    this.gossip.leave(index)
    this.dht.leave(index)
    const open = [...endpoint.connectionsBy.values()].flat()
    for (const connection of open) this.#endAt(connection, endpoint, how)
    if (how === 'power') this.#orphans.set(machine, open)
    for (const connection of this.#relaying.get(machine) ?? []) this.#endRelayed(connection, how)
    this.#relaying.delete(machine)
  }

  freeze(name: string): void {
    const machine = this.#byName.get(name)
    if (!machine?.current) return
    machine.isFrozen = true
    for (const connection of this.#connections) {
      if (connection.ends[0].machine === machine) connection.doom(1)
      if (connection.ends[1].machine === machine) connection.doom(0)
    }
  }

  thaw(name: string): void {
    const machine = this.#byName.get(name)
    if (!machine) return
    machine.isFrozen = false
    this.#undoom()
  }

  /** Begins it; the function returned ends it. */
  disturb(weather: Partition | Degrade): () => void {
    const { paths } = this.ground
    if (weather.kind === 'degrade') return paths.degrade(weather)
    const heal = paths.cut(weather)
    for (const connection of this.#connections) {
      if (!connection.isCut) continue
      connection.doom(0)
      connection.doom(1)
    }
    return () => {
      heal()
      this.#undoom()
      for (const connection of [...this.#stalled]) {
        if (connection.isCut) continue
        this.#stalled.delete(connection)
        connection.heal()
      }
    }
  }

  figures(): Readonly<Record<string, number>> {
    return figuresOf(this.ground.tally, this.gossip.tally, this.dht.tally, this.#connections.size)
  }

  // for its endpoints

  machineOf(peer: PeerId): Machine | undefined {
    return this.#byPeer.get(peer)
  }

  machineAt(index: number): Machine | undefined {
    return this.#machines[index]
  }

  dial(from: Endpoint, to: Machine, done: (dialled: Dialled) => void): void {
    this.#dialler.dial(from, to, done)
  }

  /** Where a machine that cannot be dialled can be reached: a relay that runs, kept as long as it does. */
  relayOf(machine: Machine): Machine | undefined {
    if (!this.#plan.relay) return undefined
    const { index } = machine.spot
    const held = this.#relays.get(index)
    if (held && this.#canRelay(held, machine)) return held
    const reserved = new Map<Machine, number>()
    for (const relay of this.#relays.values()) reserved.set(relay, (reserved.get(relay) ?? 0) + 1)
    const { relayReservationsMax } = this.ground.settings
    const able = (this.#first.length > 0 ? this.#first : this.#machines).filter(
      (other) => this.#canRelay(other, machine) && (reserved.get(other) ?? 0) < relayReservationsMax,
    )
    // the same for the same choice of relays, whoever asks first
    const relay = able[index % Math.max(1, able.length)]
    if (relay) this.#relays.set(index, relay)
    else this.#relays.delete(index)
    return relay
  }

  #canRelay(relay: Machine, machine: Machine): boolean {
    if (relay === machine || relay.spot.place.nat !== 'open' || !relay.dhtServer) return false
    return relay.state === 'up' && !relay.isFrozen && !this.ground.paths.isCut(relay.spot, machine.spot)
  }

  // machines

  #machineFor(peer: ModelPeer): Machine {
    const known = this.#byPeer.get(peer.identity.peerId)
    if (known) return known
    const { group, identity, name, place } = peer
    const index = this.#machines.length
    const spot = { index, name, group, place, region: this.ground.paths.regionOf(place) }
    const isOpen = place.nat === 'open'
    const isFirst = isOpen && !peer.bootstrap && this.#first.length < this.ground.settings.bootstrapPeersMax
    // only who can be dialled answers the DHT; those where all begin must
    const machine = new Machine(spot, identity.peerId, (peer.dhtServer && isOpen) || isFirst)
    this.#machines.push(machine)
    if (isFirst) this.#first.push(machine)
    this.#byPeer.set(identity.peerId, machine)
    this.#byName.set(name, machine)
    this.dht.place(identity.peerId, behaviourOf(peer))
    return machine
  }

  /** After a loss of power its peers hold connections that nobody knows: the next ping to them is answered by a reset. */
  #forgetOldLives(machine: Machine): void {
    const { draw, scheduler, settings } = this.ground
    const orphans = this.#orphans.get(machine) ?? []
    this.#orphans.delete(machine)
    for (const connection of orphans) {
      const side: Side = connection.machineAt(0) === machine ? 1 : 0
      const atMs = scheduler.now() + draw() * settings.pingIntervalMs + 2 * connection.oneWayMs()
      scheduler.at(atMs, () => {
        if (!connection.isCut) connection.drop(side)
      })
    }
  }

  // connections

  #connect(from: Endpoint, to: Endpoint, relay: Machine | undefined): Connection {
    const connection = new Connection({
      ground: this.ground,
      ends: [from, to],
      relay,
      closed: this.#closed,
      stalled: this.#stall,
    })
    const a = from.machine.spot.index
    const b = to.machine.spot.index
    this.#connections.add(connection)
    if (relay) this.#relayingOf(relay).add(connection)
    this.ground.tally.connections += 1
    hold(from, b, connection)
    hold(to, a, connection)
    this.#prune(from, connection)
    this.#prune(to, connection)
    if (!relay) {
      this.gossip.connect(a, b)
      this.dht.see(a, b)
      this.dht.see(b, a)
    }
    return connection
  }

  readonly #stall = (waiting: Connection): void => void this.#stalled.add(waiting)

  readonly #closed = (connection: Connection, side: Side): void => {
    const endpoint = this.#endpoints[connection.machineAt(side).spot.index]
    const other = connection.machineAt(side === 0 ? 1 : 0).spot.index
    if (endpoint === connection.ends[side]) {
      const open = endpoint.connectionsBy.get(other) ?? []
      const left = open.length > 1 || open[0] !== connection ? open.filter((each) => each !== connection) : []
      if (left.length > 0) endpoint.connectionsBy.set(other, left)
      else endpoint.connectionsBy.delete(other)
      if (!left.some(({ relay }) => relay === undefined)) this.gossip.disconnect(endpoint.machine.spot.index, other)
    }
    if (!connection.isOver) return
    this.#connections.delete(connection)
    if (connection.relay) this.#relayingOf(connection.relay).delete(connection)
    this.#stalled.delete(connection)
  }

  /** Too many: the oldest that nothing runs on goes. */
  #prune(endpoint: Endpoint, latest: Connection): void {
    if (endpoint.connectionsBy.size <= this.ground.settings.connectionsMax || this.#first.includes(endpoint.machine))
      return
    for (const connections of endpoint.connectionsBy.values()) {
      for (const connection of connections) {
        const side = connection.sideOf(endpoint)
        if (connection === latest || !connection.isIdleAt(side)) continue
        connection.close(side)
        return
      }
    }
  }

  #relayingOf(relay: Machine): Set<Connection> {
    const relaying = this.#relaying.get(relay) ?? new Set()
    this.#relaying.set(relay, relaying)
    return relaying
  }

  #endAt(connection: Connection, endpoint: Endpoint, how: 'stop' | 'crash' | 'power'): void {
    const side = connection.sideOf(endpoint)
    if (how === 'power') connection.doom(side === 0 ? 1 : 0)
    else connection.tellOther(side)
    connection.drop(side)
  }

  #endRelayed(connection: Connection, how: 'stop' | 'crash' | 'power'): void {
    for (const side of [0, 1] as const) {
      if (how === 'power') connection.doom(side)
      else connection.tellOther(side)
    }
  }

  /** What is heard again is given up no more. */
  #undoom(): void {
    for (const connection of this.#connections) {
      if (connection.isCut) continue
      for (const side of [0, 1] as const) {
        const other = connection.ends[side === 0 ? 1 : 0]
        const isHeard = other.machine.current === other && !other.machine.isFrozen
        const relay = connection.relay
        if (isHeard && (!relay || relay.state === 'up')) connection.undoom(side)
      }
    }
  }

  // the DHT's and gossip's ways

  #connectedTo(at: number): readonly number[] {
    const open = [...(this.#endpoints[at]?.connectionsBy.entries() ?? [])]
    return open.flatMap(([index, [connection]]) => (connection && connection.relay === undefined ? [index] : []))
  }

  readonly #call = (
    from: number,
    to: number,
    bytes: number,
    serve: () => number,
    done: (isAnswered: boolean) => void,
  ): void => {
    const endpoint = this.#endpoints[from]
    const machine = this.#machines[to]
    if (!endpoint || !machine) return
    const { scheduler } = this.ground
    const ask = (connection: Connection): void => {
      const side = connection.sideOf(endpoint)
      let isOver = false
      const end = (isAnswered: boolean): void => {
        if (isOver) return
        isOver = true
        timer.cancel()
        connection.unride(side, waiter)
        done(isAnswered)
      }
      const waiter = new Waiter(() => end(false))
      const timer = scheduler.at(scheduler.now() + answerMs, () => endpoint.act(() => end(false)))
      connection.ride(side, waiter)
      connection.send(side, bytes + frameOverheadBytes, () => {
        const answer = serve()
        connection.send(side === 0 ? 1 : 0, (answer || controlBytes) + frameOverheadBytes, () => end(true))
      })
    }
    const known = endpoint.connectionTo(machine)
    if (known) ask(known)
    else {
      this.dial(endpoint, machine, ({ connection }) => {
        if (endpoint.isOver) return
        if (connection) ask(connection)
        else done(false)
      })
    }
  }
}

/** kad-dht waits so long for an answer. */
const answerMs = 10_000

/** 2^24 key pairs are some minutes of one machine. */
const groundBits = 24

/** A sybil claims every key for its own kind; an eclipse sits next to the one key that everybody asks for. */
function behaviourOf({ adversary, dhtBehaviour }: ModelPeer): DhtBehaviour | undefined {
  if (dhtBehaviour) return dhtBehaviour
  if (adversary === 'sybil') return { lies: 'all' }
  if (adversary === 'eclipse') return { lies: [recordOf(meshKey)], near: { key: recordOf(meshKey), bits: groundBits } }
  return undefined
}

function hold(endpoint: Endpoint, index: number, connection: Connection): void {
  const open = endpoint.connectionsBy.get(index)
  if (open) open.push(connection)
  else endpoint.connectionsBy.set(index, [connection])
}

// One life of a peer on the modelled network: the port its node holds.

import type { Connection as ConnectionView, Network, Stream, Verdict } from '../../../node/ports.ts'
import { asMeshError, MeshError, notSpoken } from '../../../protocol/errors.ts'
import { capacityTopic, type ModelKey, type PeerId, type ProtocolId, type Topic } from '../../../protocol/ids.ts'
import { limits } from '../../../protocol/limits.ts'
import type { Timer } from '../../kernel.ts'
import type { Life } from '../../life.ts'
import { isAddressOf, relayedAddressOf } from './addresses.ts'
import type { Connection, Side } from './connection.ts'
import type { Kademlia, Search } from './dht/kademlia.ts'
import type { DhtSettings } from './dht/settings.ts'
import type { GossipSwarm } from './gossip/swarm.ts'
import type { Ground } from './ground.ts'
import type { Incarnation, Machine } from './machine.ts'
import { controlBytes, jittered } from './settings.ts'
import { ModelStream } from './stream.ts'

export type Dialled =
  | { readonly connection: Connection; readonly why?: undefined }
  | { readonly connection?: undefined; readonly why: string }

/** What the network does for its endpoints. */
export interface Fabric {
  readonly ground: Ground
  readonly dht: Kademlia
  readonly dhtSettings: DhtSettings
  readonly gossip: GossipSwarm
  machineOf(peer: PeerId): Machine | undefined
  machineAt(index: number): Machine | undefined
  relayOf(machine: Machine): Machine | undefined
  dial(from: Endpoint, to: Machine, done: (dialled: Dialled) => void): void
}

/** What each side of a protocol may send in one frame. */
const frameBytesMax: Readonly<Record<ProtocolId, { readonly dialler: number; readonly listener: number }>> = {
  '/silkmesh/infer/1.0.0': { dialler: limits.openBytesMax, listener: limits.frameBytesMax },
  '/silkmesh/advert/1.0.0': { dialler: limits.advertBytesMax, listener: limits.advertBytesMax },
  '/silkmesh/settle/1.0.0': { dialler: limits.frameBytesMax, listener: limits.frameBytesMax },
  '/silkmesh/settler/1.0.0': { dialler: limits.advertBytesMax, listener: limits.advertBytesMax },
  '/silkmesh/vocabulary/1.0.0': { dialler: limits.frameBytesMax, listener: limits.frameBytesMax },
  '/silkmesh/hub/1.0.0': { dialler: limits.frameBytesMax, listener: limits.frameBytesMax },
}

type Handler = (stream: Stream) => Promise<void>

/** Of messages under way. */
const topics = new WeakMap<Uint8Array, Topic>()

export class Endpoint implements Network, Incarnation {
  readonly machine: Machine
  readonly random: () => number
  /** By the index of the machine at the other side. */
  readonly connectionsBy = new Map<number, Connection[]>()
  readonly #fabric: Fabric
  readonly #life: Life
  readonly #handlers = new Map<ProtocolId, Handler>()
  readonly #validators = new Map<Topic, (from: PeerId, message: Uint8Array) => Verdict>()
  /** Machines whose address was told, and when last in the order of telling. */
  readonly #known = new Map<number, number>()
  #told = 0
  /** Inbound streams that are open or still worked for, by peer and protocol. */
  readonly #inbound = new Map<string, number>()
  #unreadBytes = 0
  #isStopped = false

  constructor(fabric: Fabric, machine: Machine, life: Life, random: () => number) {
    this.#fabric = fabric
    this.machine = machine
    this.#life = life
    this.random = random
  }

  act(what: () => void): void {
    this.#life.act(what)
  }

  get isOver(): boolean {
    return this.#isStopped || this.#life.isOver
  }

  /** Detached: nothing more goes in or out. */
  stop(): void {
    this.#isStopped = true
  }

  addresses(): readonly string[] {
    const relay = this.machine.spot.place.nat === 'open' ? undefined : this.#fabric.relayOf(this.machine)
    return [relay ? relayedAddressOf(this.machine, relay) : this.machine.address]
  }

  connections(): readonly ConnectionView[] {
    const { scheduler } = this.#fabric.ground
    return [...this.connectionsBy.values()].flat().map((connection) => {
      const side = connection.sideOf(this)
      const other = connection.machineAt(side === 0 ? 1 : 0)
      const rttMs = 2 * connection.oneWayMs()
      const isPinged = scheduler.now() >= connection.openedMs + firstPingMs + rttMs
      return {
        peer: other.peer,
        direction: side === 0 ? 'outbound' : 'inbound',
        address: connection.relay ? relayedAddressOf(other, connection.relay) : other.address,
        rttMs: isPinged ? rttMs : undefined,
      }
    })
  }

  learn(peer: PeerId, addresses: readonly string[]): void {
    const machine = this.#fabric.machineOf(peer)
    if (!machine || machine === this.machine) return
    const isKnown =
      addresses[0] === machine.address ||
      addresses
        .slice(0, limits.addressesMax)
        .some((address) => isAddressOf(address, machine, (other) => this.#fabric.machineOf(other)))
    if (isKnown) this.note(machine.spot.index)
  }

  /** Its address was heard of. */
  note(index: number): void {
    this.#told += 1
    this.#known.set(index, this.#told)
    if (this.#known.size <= this.#fabric.ground.settings.learnedPeersMax) return
    let oldest = index
    let told = this.#told
    for (const [other, at] of this.#known) {
      if (at >= told) continue
      oldest = other
      told = at
    }
    this.#known.delete(oldest)
  }

  open(peer: PeerId, protocol: ProtocolId, signal?: AbortSignal): Promise<Stream> {
    return new Promise((resolve, reject) =>
      new Opening(this, this.#fabric, peer, protocol, signal, resolve, reject).run(),
    )
  }

  handle(protocol: ProtocolId, handler: Handler): void {
    if (this.#handlers.has(protocol)) throw new MeshError('internal', `${protocol} has a handler already`)
    this.#handlers.set(protocol, handler)
  }

  publish(topic: Topic, message: Uint8Array): Promise<void> {
    if (message.length > limits.advertBytesMax) {
      const refusal = `gossip message of ${message.length} bytes, at most ${limits.advertBytesMax}`
      return Promise.reject(new RangeError(refusal))
    }
    if (!this.isOver) {
      const copy = message.slice()
      topics.set(copy, topic)
      this.#fabric.gossip.publish(this.machine.spot.index, copy)
    }
    return Promise.resolve()
  }

  /** One mesh carries all topics: a node forwards those that it does not listen to, unread. */
  subscribe(topic: Topic, validate: (from: PeerId, message: Uint8Array) => Verdict): void {
    if (this.#validators.has(topic)) throw new MeshError('internal', `${topic} is subscribed already`)
    this.#validators.set(topic, validate)
    if (this.#validators.size > 1) return
    this.#fabric.gossip.subscribe(this.machine.spot.index, (author, message) => {
      const from = this.#fabric.machineAt(author)
      if (!from || from === this.machine) return 'ignore'
      const validator = this.#validators.get(topics.get(message) ?? capacityTopic)
      return validator ? validator(from.peer, message) : 'accept'
    })
  }

  provide(key: ModelKey, signal: AbortSignal): Promise<void> {
    const { dht, dhtSettings, ground } = this.#fabric
    const { index } = this.machine.spot
    return new Promise((resolve) => {
      let search: Search | undefined
      let timer: Timer | undefined
      let againMs = dhtSettings.provideAgainMs
      const end = (): void => {
        search?.stop()
        timer?.cancel()
        resolve()
      }
      if (signal.aborted) {
        end()
        return
      }
      signal.addEventListener('abort', end, { once: true })
      const announce = (): void => {
        if (this.isOver || signal.aborted) return
        dht.whenRouted(index, () => {
          if (this.isOver || signal.aborted) return
          search = dht.provide(index, recordOf(key), (holders) => {
            if (signal.aborted) return
            timer = ground.scheduler.at(ground.scheduler.now() + jittered(againMs, this.random()), announce)
            if (holders > 0) againMs = Math.min(dhtSettings.provideAgainMsMax, 2 * againMs)
          })
        })
      }
      announce()
    })
  }

  findProviders(key: ModelKey, signal: AbortSignal): AsyncIterable<PeerId> {
    return { [Symbol.asyncIterator]: () => new Finding(this, this.#fabric, key, signal) }
  }

  // what the network asks of it

  connectionTo(machine: Machine): Connection | undefined {
    const open = this.connectionsBy.get(machine.spot.index)
    if (open?.[0]?.relay === undefined) return open?.[0]
    return open.find(({ relay }) => relay === undefined) ?? open[0]
  }

  /** A stream was asked for from the other side. */
  serve(
    connection: Connection,
    protocol: ProtocolId,
    pair: (side: Side) => ModelStream | undefined,
  ): 'unknown' | 'served' {
    const handler = this.#handlers.get(protocol)
    if (!handler || this.isOver) return 'unknown'
    const side = connection.sideOf(this)
    const key = `${connection.machineAt(side === 0 ? 1 : 0).peer} ${protocol}`
    const open = (this.#inbound.get(key) ?? 0) + 1
    const stream = pair(side)
    if (!stream) return 'served'
    const { inboundStreamsMax } = this.#fabric.ground.settings
    if (open > inboundStreamsMax) {
      stream.reset(new Error(`more than ${inboundStreamsMax} streams of ${protocol}`))
      return 'served'
    }
    this.#inbound.set(key, open)
    Promise.all([stream.over, run(handler, stream)]).then(() => {
      const left = (this.#inbound.get(key) ?? 1) - 1
      if (left === 0) this.#inbound.delete(key)
      else this.#inbound.set(key, left)
    })
    return 'served'
  }

  /** Its end of a stream that it asked for, as dialler, or was asked for. */
  stream(connection: Connection, protocol: ProtocolId, role: 'dialler' | 'listener'): ModelStream {
    const { ground } = this.#fabric
    const side = connection.sideOf(this)
    return new ModelStream({
      ground,
      connection,
      side,
      peer: connection.machineAt(side === 0 ? 1 : 0).peer,
      protocol,
      writeBytesMax: frameBytesMax[protocol][role],
      budget: (bytes) => {
        if (bytes > 0 && this.#unreadBytes + bytes > ground.settings.inboundBufferBytesMax) return false
        this.#unreadBytes += bytes
        return true
      },
    })
  }

  isKnown(machine: Machine): boolean {
    return this.#known.has(machine.spot.index) || this.connectionsBy.has(machine.spot.index)
  }
}

/** Identify and the DHT greet a new connection at once; the first ping waits for them. */
const firstPingMs = 500

/** The name of a model's provider records in the DHT. docs/protocol.md §3. */
export function recordOf(key: ModelKey): string {
  return `silkmesh/model-provider/1/${key}`
}

async function run(handler: Handler, stream: ModelStream): Promise<void> {
  try {
    await handler(stream)
    await stream.release()
  } catch (error) {
    stream.reset(asMeshError(error, 'internal'))
  }
}

/** One attempt to open a stream, until it settles. */
class Opening {
  readonly #from: Endpoint
  readonly #fabric: Fabric
  readonly #peer: PeerId
  readonly #protocol: ProtocolId
  readonly #signal: AbortSignal | undefined
  readonly #resolve: (stream: Stream) => void
  readonly #reject: (error: Error) => void
  #isSettled = false
  #deadline: Timer | undefined
  #search: Search | undefined
  #connection: Connection | undefined

  constructor(
    from: Endpoint,
    fabric: Fabric,
    peer: PeerId,
    protocol: ProtocolId,
    signal: AbortSignal | undefined,
    resolve: (stream: Stream) => void,
    reject: (error: Error) => void,
  ) {
    this.#from = from
    this.#fabric = fabric
    this.#peer = peer
    this.#protocol = protocol
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
  }

  run(): void {
    const signal = this.#signal
    const machine = this.#fabric.machineOf(this.#peer)
    if (this.#from.isOver) this.#fail(new MeshError('unreachable', 'this node is stopping'))
    else if (machine === this.#from.machine) {
      this.#fail(new MeshError('unreachable', `${this.#peer} is this node itself`))
    } else if (signal?.aborted) this.#cancel()
    if (this.#isSettled) return
    signal?.addEventListener('abort', this.#cancel, { once: true })
    const { scheduler, settings } = this.#fabric.ground
    const deadlineMs = scheduler.now() + settings.connectMs
    this.#deadline = scheduler.at(deadlineMs, () => this.#from.act(() => this.#expire(machine)))
    const known = machine && this.#from.connectionTo(machine)
    if (known) this.#negotiate(known, machine)
    else if (machine && this.#from.isKnown(machine)) this.#dial(machine)
    else this.#ask(machine)
  }

  /** Nobody told its address: the DHT may know. */
  #ask(machine: Machine | undefined): void {
    const { dht } = this.#fabric
    const { index } = this.#from.machine.spot
    const unknown = (): void => {
      this.#fail(new MeshError('unreachable', `${this.#peer} could not be dialled: no address of it is known`))
    }
    if (!machine) {
      this.#search = dht.find(index, dht.key(this.#peer), () => this.#from.act(unknown))
      return
    }
    this.#search = dht.findPeer(index, machine.spot.index, (isKnown) => {
      this.#from.act(() => {
        if (!isKnown) unknown()
        else if (!this.#isSettled) this.#dial(machine)
      })
    })
  }

  #dial(machine: Machine): void {
    this.#fabric.dial(this.#from, machine, ({ connection, why }) => {
      this.#from.act(() => {
        if (this.#isSettled) return
        if (connection) this.#negotiate(connection, machine)
        else this.#fail(new MeshError('unreachable', `${this.#peer} could not be dialled: ${why}`))
      })
    })
  }

  #negotiate(connection: Connection, machine: Machine): void {
    const { ground } = this.#fabric
    const from = this.#from
    const side = connection.sideOf(from)
    const other: Side = side === 0 ? 1 : 0
    if (connection.ridersAt(side).length >= ground.settings.muxedStreamsMax) {
      this.#fail(new MeshError('unreachable', `${this.#peer} has ${ground.settings.muxedStreamsMax} streams already`))
      return
    }
    this.#connection = connection
    const protocol = this.#protocol
    const own = new Waiter(() => {
      connection.unride(side, own)
      // it had ended and nobody had told yet: dial anew
      if (!this.#isSettled) this.#dial(machine)
    })
    connection.ride(side, own)
    connection.send(side, controlBytes, () => {
      const listener = connection.ends[other]
      let stream: ModelStream | undefined
      const served = listenerServes(listener, connection, protocol, () => {
        const dialled = from.stream(connection, protocol, 'dialler')
        const listened = listener instanceof Endpoint ? listener.stream(connection, protocol, 'listener') : dialled
        ModelStream.pair(dialled, listened)
        stream = dialled
        connection.send(other, controlBytes, () => {
          connection.unride(side, own)
          if (this.#isSettled) dialled.reset(new Error('nobody waits for this stream any more'))
          else this.#succeed(dialled)
        })
        return listened
      })
      if (served === 'served' || stream) return
      connection.send(other, controlBytes, () => {
        connection.unride(side, own)
        this.#fail(notSpoken(this.#peer, protocol))
      })
    })
  }

  /** It did not answer in time: unless it is in use, a connection to it is not worth the next wait. */
  #expire(machine: Machine | undefined): void {
    if (this.#isSettled) return
    const isKnown = machine !== undefined && this.#from.isKnown(machine)
    const connection = this.#connection
    const { connectMs } = this.#fabric.ground.settings
    if (isKnown) this.#fail(new MeshError('timeout', `dialling ${this.#peer} took longer than ${connectMs} ms`))
    else this.#fail(new MeshError('unreachable', `${this.#peer} could not be dialled: no address of it is known`))
    if (!connection) return
    const side = connection.sideOf(this.#from)
    if (!connection.ridersAt(side).some((rider) => rider instanceof ModelStream)) connection.close(side)
  }

  readonly #cancel = (): void => {
    const reason: unknown = this.#signal?.reason
    if (reason instanceof MeshError) this.#fail(reason)
    else this.#fail(new MeshError('cancelled', `dialling ${this.#peer} was cancelled`, { cause: reason }))
  }

  #succeed(stream: ModelStream): void {
    this.#settle()
    this.#fabric.ground.tally.streams += 1
    this.#resolve(stream)
  }

  #fail(error: Error): void {
    if (this.#isSettled) return
    this.#settle()
    this.#reject(error)
  }

  #settle(): void {
    this.#isSettled = true
    this.#deadline?.cancel()
    this.#search?.stop()
    this.#signal?.removeEventListener('abort', this.#cancel)
  }
}

function listenerServes(
  listener: Incarnation,
  connection: Connection,
  protocol: ProtocolId,
  pair: (side: Side) => ModelStream | undefined,
): 'unknown' | 'served' {
  return listener instanceof Endpoint ? listener.serve(connection, protocol, pair) : 'unknown'
}

/** Something at one side of a connection that only wants to know of its end. */
export class Waiter {
  readonly lost: () => void

  constructor(lost: () => void) {
    this.lost = lost
  }
}

/** One search for providers: what is found is kept until it is asked for. */
class Finding implements AsyncIterator<PeerId, undefined> {
  readonly #at: Endpoint
  readonly #fabric: Fabric
  readonly #key: ModelKey
  readonly #signal: AbortSignal
  readonly #found: PeerId[] = []
  #waiting: PromiseWithResolvers<IteratorResult<PeerId, undefined>>[] = []
  #search: Search | undefined
  #timer: Timer | undefined
  #isBegun = false
  #isOver = false

  constructor(at: Endpoint, fabric: Fabric, key: ModelKey, signal: AbortSignal) {
    this.#at = at
    this.#fabric = fabric
    this.#key = key
    this.#signal = signal
  }

  next(): Promise<IteratorResult<PeerId, undefined>> {
    if (!this.#isBegun) this.#begin()
    const value = this.#found.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined })
    const waiting = Promise.withResolvers<IteratorResult<PeerId, undefined>>()
    this.#waiting.push(waiting)
    return waiting.promise
  }

  return(): Promise<IteratorResult<PeerId, undefined>> {
    this.#found.length = 0
    this.#end()
    return Promise.resolve({ done: true, value: undefined })
  }

  #begin(): void {
    this.#isBegun = true
    const { dht, dhtSettings, ground } = this.#fabric
    const { index } = this.#at.machine.spot
    if (this.#signal.aborted || this.#at.isOver) {
      this.#end()
      return
    }
    this.#signal.addEventListener('abort', this.#end, { once: true })
    this.#timer = ground.scheduler.at(ground.scheduler.now() + dhtSettings.findMs, () => this.#at.act(this.#end))
    let found = 0
    dht.whenRouted(index, () => {
      if (this.#isOver) return
      const take = (provider: number): boolean => {
        const machine = this.#fabric.machineAt(provider)
        if (machine) {
          found += 1
          this.#at.act(() => this.#take(machine))
        }
        return found >= dhtSettings.findProvidersMax
      }
      this.#search = dht.findProviders(index, recordOf(this.#key), take, () => this.#at.act(this.#end))
      if (this.#isOver) this.#search.stop()
    })
  }

  #take(machine: Machine): void {
    if (this.#isOver) return
    this.#at.note(machine.spot.index)
    const waiting = this.#waiting.shift()
    if (waiting) waiting.resolve({ done: false, value: machine.peer })
    else this.#found.push(machine.peer)
  }

  readonly #end = (): void => {
    if (this.#isOver) return
    this.#isOver = true
    this.#timer?.cancel()
    this.#search?.stop()
    this.#signal.removeEventListener('abort', this.#end)
    for (const waiting of this.#waiting.splice(0)) waiting.resolve({ done: true, value: undefined })
  }
}

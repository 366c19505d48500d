// Where a process under test kills itself, and the ports that pass there: nothing in the node knows of it.

import { DatabaseSync, StatementSync } from 'node:sqlite'
import type { NodeEvent } from '../../node/events.ts'
import type { Chain, Network, Ports, Store, Stream } from '../../node/ports.ts'
import { hubProtocol, inferProtocol, type ProtocolId, settleProtocol } from '../../protocol/ids.ts'

/** In the order in which a voucher passes them. */
export const points = {
  'before-write': 'the store was asked, and nothing is written',
  'after-write': 'the entry is in the transaction, and others of its group may not be',
  'before-sync': 'the whole group is in the transaction, and it is not committed',
  'in-sync': 'at some moment of the commit, killed from outside',
  'after-sync': 'it is durable, and nobody was told',
  'before-acknowledge': 'a frame that shows it to the other side is about to be sent',
  'after-acknowledge': 'the frame was handed to the network',
  'before-post': 'vouchers are about to be posted to the chain',
  'after-post': 'the chain has taken the message, and its answer came',
  'before-confirm': 'the contract is about to be asked what it has paid',
  'after-confirm': 'the payment was seen',
} as const

export type Point = keyof typeof points

export const roles = ['consumer', 'provider', 'settler', 'hub'] as const
export type Role = (typeof roles)[number]

const ofVouchers: readonly Point[] = [
  'before-write',
  'after-write',
  'before-sync',
  'in-sync',
  'after-sync',
  'before-acknowledge',
  'after-acknowledge',
]
const ofSettling: readonly Point[] = ['before-post', 'after-post', 'before-confirm', 'after-confirm']

/** A consumer settles nothing. */
export function pointsOf(role: Role): readonly Point[] {
  return role === 'consumer' ? ofVouchers : [...ofVouchers, ...ofSettling]
}

/** How often a point may be passed before the end comes: so often it is in a request or two. */
export function passesMax(role: Role, point: Point): number {
  if (ofSettling.includes(point)) return 2
  return role === 'settler' ? 4 : 10
}

/** Ends this process at the n-th passing of one point. */
export class Fuse {
  readonly #tell: () => void
  #point: Point | undefined
  #left = 0

  /** `tell`: asks the parent for the end, now; it has to be heard whatever this thread does next. */
  constructor(tell: () => void) {
    this.#tell = tell
  }

  arm(point: Point, passes: number): void {
    this.#point = point
    this.#left = passes
  }

  pass(point: Point): void {
    if (point !== this.#point) return
    this.#left -= 1
    if (this.#left !== 0) return
    if (point === 'in-sync') this.#tell()
    else process.kill(process.pid, 'SIGKILL') // the system ends this process before the call returns
  }

  /** SQLite's own steps, of whatever store this process opens later. */
  watchCommits(): void {
    const pass = (point: Point): void => this.pass(point)
    DatabaseSync.prototype.exec = new Proxy(DatabaseSync.prototype.exec, {
      apply: (exec, db, [sql]: [string]) => {
        if (sql !== 'COMMIT') return Reflect.apply(exec, db, [sql])
        pass('before-sync')
        pass('in-sync')
        Reflect.apply(exec, db, [sql])
        pass('after-sync')
      },
    })
    StatementSync.prototype.run = new Proxy(StatementSync.prototype.run, {
      apply: (run, statement, values) => {
        const result = Reflect.apply(run, statement, values)
        pass('after-write')
        return result
      },
    })
  }

  /** The same ports, which pass the points of this role. */
  ports(role: Role, ports: Ports): Ports {
    let isPosted = false
    return {
      ...ports,
      store: this.#store(ports.store),
      chain: this.#chain(ports.chain, {
        posted: () => {
          isPosted = true
        },
        read: () => {
          if (isPosted) this.pass('before-confirm')
          isPosted = false
        },
      }),
      network: this.#network(role, ports.network),
      observe: (event: NodeEvent) => {
        ports.observe(event)
        if (event.type === 'settle-confirmed') this.pass('after-confirm')
      },
    }
  }

  #store(store: Store): Store {
    return {
      read: (log) => store.read(log),
      append: (log, entry) => {
        this.pass('before-write')
        return store.append(log, entry)
      },
      rewrite: (log, entries) => {
        this.pass('before-write')
        return store.rewrite(log, entries)
      },
    }
  }

  #chain(chain: Chain, on: { readonly posted: () => void; readonly read: () => void }): Chain {
    return {
      escrow: (escrow) => chain.escrow(escrow),
      settleNanoMin: () => chain.settleNanoMin(),
      settleTransaction: (escrow, hash) => chain.settleTransaction(escrow, hash),
      payee: (escrow, payee) => {
        on.read()
        return chain.payee(escrow, payee)
      },
      postSettle: async (escrow, vouchers) => {
        this.pass('before-post')
        const posted = await chain.postSettle(escrow, vouchers)
        this.pass('after-post')
        on.posted()
        return posted
      },
    }
  }

  /** A consumer acknowledges by what it sends on streams it opens, everybody else on streams that others open. */
  #network(role: Role, network: Network): Network {
    const shown = (protocol: ProtocolId): boolean => money.includes(protocol)
    return throughStreams(
      network,
      (stream, protocol) => (role === 'consumer' && shown(protocol) ? this.#stream(stream) : stream),
      (stream, protocol) => (role !== 'consumer' && shown(protocol) ? this.#stream(stream) : stream),
    )
  }

  #stream(stream: Stream): Stream {
    return throughFrames(stream, async (frame) => {
      this.pass('before-acknowledge')
      await stream.send(frame)
      this.pass('after-acknowledge')
    })
  }
}

const money: readonly ProtocolId[] = [inferProtocol, hubProtocol, settleProtocol]

/** The same network with its streams of either direction passed through a function. */
export function throughStreams(
  network: Network,
  opened: (stream: Stream, protocol: ProtocolId) => Stream,
  handled: (stream: Stream, protocol: ProtocolId) => Stream,
): Network {
  return {
    addresses: () => network.addresses(),
    connections: () => network.connections(),
    learn: (peer, addresses) => network.learn(peer, addresses),
    publish: (topic, message) => network.publish(topic, message),
    subscribe: (topic, validate) => network.subscribe(topic, validate),
    provide: (key, signal) => network.provide(key, signal),
    findProviders: (key, signal) => network.findProviders(key, signal),
    open: async (peer, protocol, signal) => opened(await network.open(peer, protocol, signal), protocol),
    handle: (protocol, handler) => network.handle(protocol, (stream) => handler(handled(stream, protocol))),
  }
}

export function throughFrames(
  stream: Stream,
  send: (frame: Uint8Array) => Promise<void>,
  frames: AsyncIterable<Uint8Array> = stream.frames,
): Stream {
  return { peer: stream.peer, send, frames, close: () => stream.close(), reset: (reason) => stream.reset(reason) }
}

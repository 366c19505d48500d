// A connection between two peers' lives: what is sent arrives in order or not at all, a break is noticed by each side in
// its own time, and whatever runs on it ends with it.

import type { Timer } from '../../kernel.ts'
import type { Ground } from './ground.ts'
import { Line, retriedMs } from './line.ts'
import type { Incarnation, Machine } from './machine.ts'
import { jittered } from './settings.ts'

/** The one that dialled is 0. */
export type Side = 0 | 1

/** What runs on a connection, at one side of it. */
export interface Rider {
  /** The connection is gone. */
  lost(): void
}

export interface ConnectionParts {
  readonly ground: Ground
  readonly ends: readonly [Incarnation, Incarnation]
  readonly relay: Machine | undefined
  readonly closed: (connection: Connection, side: Side) => void
  /** Something waits for a partition to heal. */
  readonly stalled: (connection: Connection) => void
}

interface Packet {
  readonly sinceMs: number
  readonly act: () => void
}

export class Connection {
  readonly ends: readonly [Incarnation, Incarnation]
  readonly relay: Machine | undefined
  readonly openedMs: number
  readonly riders: readonly [Set<Rider>, Set<Rider>] = [new Set(), new Set()]
  /** Who wants to know of its end without using it. */
  readonly watchers: readonly [Set<Rider>, Set<Rider>] = [new Set(), new Set()]
  readonly #ground: Ground
  readonly #closed: ConnectionParts['closed']
  readonly #stall: ConnectionParts['stalled']
  readonly #lines: readonly [Line, Line] = [new Line(), new Line()]
  /** When the last that was sent from each side is there: nothing overtakes on a connection. */
  readonly #arrivedMs: [number, number] = [0, 0]
  readonly #isOpen: [boolean, boolean] = [true, true]
  readonly #held: [Packet[], Packet[]] = [[], []]
  readonly #dooms: [Timer | undefined, Timer | undefined] = [undefined, undefined]
  readonly #relayed: [number, number] = [0, 0]

  constructor({ ground, ends, relay, closed, stalled }: ConnectionParts) {
    this.#ground = ground
    this.ends = ends
    this.relay = relay
    this.#closed = closed
    this.#stall = stalled
    this.openedMs = ground.scheduler.now()
    if (relay) {
      ground.scheduler.at(this.openedMs + ground.settings.relayMsMax, () => this.#endAtRelay())
    }
  }

  isOpenAt(side: Side): boolean {
    return this.#isOpen[side]
  }

  get isOver(): boolean {
    return !this.#isOpen[0] && !this.#isOpen[1]
  }

  sideOf(end: Incarnation): Side {
    return this.ends[0] === end ? 0 : 1
  }

  machineAt(side: Side): Machine {
    return this.ends[side].machine
  }

  /** One way, without jitter. */
  oneWayMs(): number {
    const [a, b] = this.ends
    const { paths } = this.#ground
    const { relay } = this
    if (!relay) return paths.oneWayMs(a.machine.spot, b.machine.spot)
    return paths.oneWayMs(a.machine.spot, relay.spot) + paths.oneWayMs(relay.spot, b.machine.spot)
  }

  get isCut(): boolean {
    const { paths } = this.#ground
    if (paths.isWhole) return false
    const [a, b] = this.ends
    const { relay } = this
    if (!relay) return paths.isCut(a.machine.spot, b.machine.spot)
    return paths.isCut(a.machine.spot, relay.spot) || paths.isCut(relay.spot, b.machine.spot)
  }

  /** Sends so many bytes from a side; `act` runs at the other when they are there. Returns when they have left. */
  send(side: Side, bytes: number, act: () => void): number {
    const { draw, paths, scheduler, settings, tally } = this.#ground
    const nowMs = scheduler.now()
    if (!this.#isOpen[side]) return nowMs
    tally.messages += 1
    tally.bytes += bytes
    const from = this.ends[side].machine
    const to = this.ends[side === 0 ? 1 : 0].machine
    const latencyMs = this.oneWayMs() * (1 + paths.jitter * (2 * draw() - 1))
    const loss = paths.lossOf(from.spot, to.spot)
    const line = this.#lines[side]
    const { up } = from.access
    let arrivalMs = line.send({ nowMs, bytes, latencyMs, loss, windowMax: settings.muxerWindowBytes, draw }, up)
    // a slower line takes in what a faster sends out; what is behind waits for it
    arrivalMs += Math.max(0, bytes / to.access.down.bytesPerMs - bytes / up.bytesPerMs)
    arrivalMs = Math.max(arrivalMs, this.#arrivedMs[side])
    this.#arrivedMs[side] = arrivalMs
    scheduler.at(arrivalMs, () => this.#atDoor(side, bytes, act))
    if (this.relay) this.#countRelayed(side, bytes)
    return line.departedMs
  }

  /** This side closes it, in order or not: the other is told. */
  close(side: Side): void {
    if (!this.#isOpen[side]) return
    this.tellOther(side)
    this.drop(side)
  }

  /** The other side hears, as soon as a message gets through, that this one is gone. */
  tellOther(side: Side): void {
    const other: Side = side === 0 ? 1 : 0
    if (!this.#isOpen[other]) return
    const { scheduler } = this.#ground
    const atMs = Math.max(scheduler.now() + this.oneWayMs(), this.#lines[side].lastArrivalMs)
    scheduler.at(atMs, () => {
      if (this.isCut) this.doom(other)
      else this.drop(other)
    })
  }

  /** This side knows that it is gone; nobody is told. */
  drop(side: Side): void {
    if (!this.#isOpen[side]) return
    this.#isOpen[side] = false
    this.undoom(side)
    this.#held[side].length = 0
    this.ends[side].act(() => {
      for (const rider of [...this.riders[side], ...this.watchers[side]]) rider.lost()
    })
    this.#closed(this, side)
  }

  /** Nothing is heard any more at this side: after so many pings in vain it gives up. */
  doom(side: Side): void {
    if (!this.#isOpen[side] || this.#dooms[side]) return
    const { draw, scheduler, settings, tally } = this.#ground
    let afterMs = draw() * settings.pingIntervalMs + settings.pingMs
    for (let failures = 1; failures < settings.pingFailuresMax; failures += 1) {
      afterMs += jittered(settings.pingIntervalMs, draw()) + settings.pingMs
    }
    this.#dooms[side] = scheduler.at(scheduler.now() + afterMs, () => {
      this.#dooms[side] = undefined
      tally.connectionsDropped += 1
      this.close(side)
    })
  }

  undoom(side: Side): void {
    this.#dooms[side]?.cancel()
    this.#dooms[side] = undefined
  }

  /** The partition is over: TCP tries again what it held, a while after. */
  heal(): void {
    for (const side of [0, 1] as const) {
      const [first] = this.#held[side]
      if (!first) continue
      const { scheduler } = this.#ground
      const atMs = retriedMs(first.sinceMs, scheduler.now()) + this.oneWayMs()
      scheduler.at(atMs, () => {
        if (this.isCut) return
        for (const { act } of this.#held[side].splice(0)) this.#handOver(side, act)
      })
    }
  }

  /** At the receiver's line, which takes one message after another. */
  #atDoor(side: Side, bytes: number, act: () => void): void {
    const { scheduler } = this.#ground
    const to = this.ends[side === 0 ? 1 : 0].machine
    const nowMs = scheduler.now()
    const inMs = Math.max(nowMs, to.inMs + bytes / to.access.down.bytesPerMs)
    to.inMs = inMs
    if (inMs > nowMs) scheduler.at(inMs, () => this.#arrive(side, act))
    else this.#arrive(side, act)
  }

  #arrive(side: Side, act: () => void): void {
    const held = this.#held[side]
    if (held.length > 0 || this.isCut) {
      held.push({ sinceMs: this.#ground.scheduler.now(), act })
      this.#stall(this)
      return
    }
    this.#handOver(side, act)
  }

  #handOver(side: Side, act: () => void): void {
    const other: Side = side === 0 ? 1 : 0
    const receiver = this.ends[other]
    const { machine } = receiver
    if (machine.current === receiver) {
      if (this.#isOpen[other]) receiver.act(act)
      return // or its reset is on its way
    }
    if (machine.state === 'silent') return
    // another life answers for an unknown connection
    const { scheduler } = this.#ground
    scheduler.at(scheduler.now() + this.oneWayMs(), () => {
      if (!this.isCut) this.drop(side)
    })
  }

  #countRelayed(side: Side, bytes: number): void {
    this.#relayed[side] += bytes
    if (this.#relayed[side] > this.#ground.settings.relayBytesMax) this.#endAtRelay()
  }

  /** The relay ends it for both. */
  #endAtRelay(): void {
    this.tellOther(0)
    this.tellOther(1)
  }
}

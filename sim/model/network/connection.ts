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

const none: readonly Rider[] = []

interface Packet {
  readonly sinceMs: number
  readonly act: () => void
}

/** One side of it, and the direction that leaves from there. A mesh has many connections, and most of these are idle. */
class Half extends Line {
  isOpen = true
  /** When the last that was sent is there: nothing overtakes on a connection. */
  arrivedMs = 0
  relayedBytes = 0
  doom: Timer | undefined
  held: Packet[] | undefined
  riders: Rider[] | undefined
  /** Who wants to know of its end without using it. */
  watchers: Rider[] | undefined
}

export class Connection {
  readonly ends: readonly [Incarnation, Incarnation]
  readonly relay: Machine | undefined
  readonly openedMs: number
  readonly #ground: Ground
  readonly #closed: ConnectionParts['closed']
  readonly #stall: ConnectionParts['stalled']
  readonly #halves: readonly [Half, Half] = [new Half(), new Half()]

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
    return this.#halves[side].isOpen
  }

  get isOver(): boolean {
    return !this.#halves[0].isOpen && !this.#halves[1].isOpen
  }

  /** Uses it from this side until `unride`. */
  ride(side: Side, rider: Rider): void {
    const half = this.#halves[side]
    if (half.riders) half.riders.push(rider)
    else half.riders = [rider]
  }

  unride(side: Side, rider: Rider): void {
    const { riders } = this.#halves[side]
    const at = riders?.indexOf(rider) ?? -1
    if (at >= 0) riders?.splice(at, 1)
  }

  ridersAt(side: Side): readonly Rider[] {
    return this.#halves[side].riders ?? none
  }

  /** Tells once it is gone, for as long as it lasts. */
  watch(side: Side, watcher: Rider): void {
    const half = this.#halves[side]
    half.watchers = [...(half.watchers ?? none), watcher]
  }

  /** Nobody uses it from this side or watches it. */
  isIdleAt(side: Side): boolean {
    const { riders, watchers } = this.#halves[side]
    return (riders === undefined || riders.length === 0) && watchers === undefined
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
    const half = this.#halves[side]
    if (!half.isOpen) return nowMs
    tally.messages += 1
    tally.bytes += bytes
    const from = this.ends[side].machine
    const to = this.ends[side === 0 ? 1 : 0].machine
    const latencyMs = this.oneWayMs() * (1 + paths.jitter * (2 * draw() - 1))
    const loss = paths.lossOf(from.spot, to.spot)
    const { up } = from.access
    let arrivalMs = half.send({ nowMs, bytes, latencyMs, loss, windowMax: settings.muxerWindowBytes, draw }, up)
    // a slower line takes in what a faster sends out; what is behind waits for it
    arrivalMs += Math.max(0, bytes / to.access.down.bytesPerMs - bytes / up.bytesPerMs)
    arrivalMs = Math.max(arrivalMs, half.arrivedMs)
    half.arrivedMs = arrivalMs
    scheduler.at(arrivalMs, () => this.#atDoor(side, bytes, act))
    if (this.relay) this.#countRelayed(half, bytes)
    return half.departedMs
  }

  /** This side closes it, in order or not: the other is told. */
  close(side: Side): void {
    if (!this.isOpenAt(side)) return
    this.tellOther(side)
    this.drop(side)
  }

  /** The other side hears, as soon as a message gets through, that this one is gone. */
  tellOther(side: Side): void {
    const other: Side = side === 0 ? 1 : 0
    if (!this.isOpenAt(other)) return
    const { scheduler } = this.#ground
    const atMs = Math.max(scheduler.now() + this.oneWayMs(), this.#halves[side].lastArrivalMs)
    scheduler.at(atMs, () => {
      if (this.isCut) this.doom(other)
      else this.drop(other)
    })
  }

  /** This side knows that it is gone; nobody is told. */
  drop(side: Side): void {
    const half = this.#halves[side]
    if (!half.isOpen) return
    half.isOpen = false
    this.undoom(side)
    half.held = undefined
    if (!this.isIdleAt(side)) {
      this.ends[side].act(() => {
        for (const rider of [...(half.riders ?? none), ...(half.watchers ?? none)]) rider.lost()
      })
    }
    this.#closed(this, side)
  }

  /** Nothing is heard any more at this side: after so many pings in vain it gives up. */
  doom(side: Side): void {
    const half = this.#halves[side]
    if (!half.isOpen || half.doom) return
    const { draw, scheduler, settings, tally } = this.#ground
    let afterMs = draw() * settings.pingIntervalMs + settings.pingMs
    for (let failures = 1; failures < settings.pingFailuresMax; failures += 1) {
      afterMs += jittered(settings.pingIntervalMs, draw()) + settings.pingMs
    }
    half.doom = scheduler.at(scheduler.now() + afterMs, () => {
      half.doom = undefined
      tally.connectionsDropped += 1
      this.close(side)
    })
  }

  undoom(side: Side): void {
    const half = this.#halves[side]
    half.doom?.cancel()
    half.doom = undefined
  }

  /** The partition is over: TCP tries again what it held, a while after. */
  heal(): void {
    for (const side of [0, 1] as const) {
      const half = this.#halves[side]
      const first = half.held?.[0]
      if (!first) continue
      const { scheduler } = this.#ground
      const atMs = retriedMs(first.sinceMs, scheduler.now()) + this.oneWayMs()
      scheduler.at(atMs, () => {
        if (this.isCut) return
        const held = half.held ?? []
        half.held = undefined
        for (const { act } of held) this.#handOver(side, act)
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
    const half = this.#halves[side]
    if (half.held || this.isCut) {
      half.held ??= []
      half.held.push({ sinceMs: this.#ground.scheduler.now(), act })
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
      if (this.isOpenAt(other)) receiver.act(act)
      return // or its reset is on its way
    }
    if (machine.state === 'silent') return
    // another life answers for an unknown connection
    const { scheduler } = this.#ground
    scheduler.at(scheduler.now() + this.oneWayMs(), () => {
      if (!this.isCut) this.drop(side)
    })
  }

  #countRelayed(half: Half, bytes: number): void {
    half.relayedBytes += bytes
    if (half.relayedBytes > this.#ground.settings.relayBytesMax) this.#endAtRelay()
  }

  /** The relay ends it for both. */
  #endAtRelay(): void {
    this.tellOther(0)
    this.tellOther(1)
  }
}

// One end of a simulated TCP connection: sends in order, holds what cannot leave, and takes no more than its window.

import type { Uint8ArrayList } from 'uint8arraylist'
import type { Scheduler } from '../kernel.ts'
import { Line } from '../model/network/line.ts'
import type { Host } from './host.ts'
import type { Machine } from './machine.ts'

export interface SocketEvents {
  data(data: Uint8ArrayList): void
  /** The other side sends no more. */
  end(): void
  reset(): void
  /** There is room again after `write` said there was none. */
  drain(): void
}

export interface Acceptor {
  readonly host: Host
  accept(socket: Socket): void
}

/** What lies between two sockets. */
export interface Path {
  readonly scheduler: Scheduler
  readonly tap: Tap
  acceptor(machine: Machine, port: number): Acceptor | undefined
  reaches(from: Machine, to: Machine): boolean
  /** One way, drawn anew for each packet. */
  latencyMs(from: Machine, to: Machine): number
  /** The share of packets that are sent again. */
  lossOf(from: Machine, to: Machine): number
  count(bytes: number): void
  /** The socket cannot send now: its `retry` is called when it should try again. */
  wait(socket: Socket): void
  opened(socket: Socket): void
  closed(socket: Socket): void
}

/** What a trace hears of: lengths, never content, because ciphertext differs from run to run. */
export type Tap = (what: Packet['kind'], from: Machine, to: Machine, bytes: number) => void

type Packet =
  | { readonly kind: 'open'; readonly number: number; readonly port: number }
  | { readonly kind: 'data'; readonly number: number; readonly data: Uint8ArrayList }
  | { readonly kind: 'end'; readonly number: number }
  | { readonly kind: 'reset'; readonly number: number }

type Unnumbered = Packet extends infer Each ? (Each extends Packet ? Omit<Each, 'number'> : never) : never

/** Sent and not yet taken by the other side's program: Linux's largest send buffer by default (tcp_wmem). */
const windowBytes = 4_194_304

/** A long write leaves in parts, so that other connections of the machine get their turn between them. */
const partBytes = 65_536

/** Ethernet, IP and TCP with timestamps, for each segment. */
const headerBytes = 66
const segmentBytes = 1_448

export class Socket {
  readonly machine: Machine
  readonly remote: Machine
  readonly remotePort: number
  events: SocketEvents | undefined
  readonly #path: Path
  #host: Host | undefined
  #other: Socket | undefined
  #sent = 0
  /** On their way and not yet read. */
  #outstandingBytes = 0
  #isBlocked = false
  readonly #line = new Line()
  #lastArrivalMs = 0
  #held: Packet[] = []
  #heldSinceMs = 0
  /** Arrived while paused. */
  #unread: Packet[] = []
  #isPaused = false
  /** What used it is gone; any packet to it is answered with a reset. */
  #isOrphan = false
  #isOver = false

  constructor(path: Path, machine: Machine, host: Host | undefined, remote: Machine, remotePort: number) {
    this.#path = path
    this.machine = machine
    this.#host = host
    this.remote = remote
    this.remotePort = remotePort
    path.opened(this)
  }

  get waitingSinceMs(): number {
    return this.#heldSinceMs
  }

  /** The far end, which learns of it when the first packet arrives. */
  connect(other: Socket, port: number): void {
    this.#other = other
    other.#other = this
    this.#send({ kind: 'open', port })
  }

  /** False where the window is full: then wait for `drain`. The bytes are taken either way. */
  write(data: Uint8ArrayList): boolean {
    this.#outstandingBytes += data.byteLength
    for (let at = 0; at < data.byteLength; at += partBytes) {
      this.#send({ kind: 'data', data: data.sublist(at, Math.min(data.byteLength, at + partBytes)) })
    }
    this.#isBlocked = this.#outstandingBytes >= windowBytes
    return !this.#isBlocked
  }

  /** After what was written. */
  end(): void {
    if (this.#isOver) return
    this.#send({ kind: 'end' })
    this.#close()
  }

  reset(): void {
    if (this.#isOver) return
    this.#held = []
    this.#send({ kind: 'reset' })
    this.#close()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    while (!this.#isPaused) {
      const packet = this.#unread.shift()
      if (!packet) return
      this.#take(packet)
    }
  }

  /** The program that used it was killed; the system tells the other side where it still can. */
  orphan(isTold: boolean): void {
    this.#isOrphan = true
    this.#unread = []
    this.#held = []
    if (isTold && !this.#isOver) this.#send({ kind: 'reset' })
  }

  canReach(): boolean {
    return this.#path.reaches(this.machine, this.remote)
  }

  /** Sends what it held. */
  retry(): void {
    if (!this.canReach()) {
      if (this.#held.length > 0) this.#path.wait(this)
      return
    }
    for (const packet of this.#held.splice(0)) this.#depart(packet)
  }

  #send(unnumbered: Unnumbered): void {
    this.#sent += 1
    const packet: Packet = { ...unnumbered, number: this.#sent }
    if (this.#held.length > 0 || !this.canReach()) this.#hold(packet)
    else this.#depart(packet)
  }

  #hold(packet: Packet): void {
    if (this.#isOrphan) return
    if (this.#held.length === 0) {
      this.#heldSinceMs = this.#path.scheduler.now()
      this.#path.wait(this)
    }
    const after = this.#held.findIndex(({ number }) => number > packet.number)
    if (after < 0) this.#held.push(packet)
    else this.#held.splice(after, 0, packet)
  }

  #depart(packet: Packet): void {
    const path = this.#path
    const { machine, remote } = this
    const nowMs = path.scheduler.now()
    const bytes = onWire(packet)
    path.count(bytes)
    const sending = {
      nowMs,
      bytes,
      latencyMs: path.latencyMs(machine, remote),
      loss: path.lossOf(machine, remote),
      windowMax: windowBytes,
      draw: () => machine.random.next(),
    }
    const atDoorMs = this.#line.send(sending, machine.access.up)
    const { down } = remote.access
    const throughMs = down.pass(nowMs, Math.max(nowMs, atDoorMs - bytes / down.bytesPerMs), bytes)
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, throughMs)
    path.scheduler.at(this.#lastArrivalMs, () => this.#arrive(packet))
  }

  #arrive(packet: Packet): void {
    if (this.remote.isOff) this.#hold(packet)
    else this.#far.#receive(packet)
  }

  #receive(packet: Packet): void {
    this.#path.tap(packet.kind, this.remote, this.machine, bytesOf(packet))
    if (packet.kind === 'open') {
      const acceptor = this.#path.acceptor(this.machine, packet.port)
      this.#host = acceptor?.host
      if (acceptor) acceptor.host.act(() => acceptor.accept(this))
      else this.orphan(true)
      return
    }
    if (this.#isOrphan) {
      if (packet.kind !== 'reset') this.#send({ kind: 'reset' })
      return
    }
    this.#host?.act(() => this.#take(packet))
  }

  #take(packet: Packet): void {
    if (packet.kind === 'reset') {
      this.#close()
      this.events?.reset()
      return
    }
    if (this.#isPaused) {
      this.#unread.push(packet)
      return
    }
    if (packet.kind === 'data') {
      this.#far.#wasRead(packet.data.byteLength)
      if (!this.#isOver) this.events?.data(packet.data)
    } else if (packet.kind === 'end') {
      this.events?.end()
    }
  }

  get #far(): Socket {
    if (!this.#other) throw new TypeError('a socket carries nothing before it is connected')
    return this.#other
  }

  #wasRead(bytes: number): void {
    this.#outstandingBytes -= bytes
    if (!this.#isBlocked || this.#outstandingBytes > windowBytes / 2) return
    this.#isBlocked = false
    const { scheduler } = this.#path
    scheduler.at(scheduler.now() + this.#path.latencyMs(this.remote, this.machine), () => {
      this.#host?.act(() => {
        if (!this.#isOver) this.events?.drain()
      })
    })
  }

  #close(): void {
    this.#isOver = true
    this.#path.closed(this)
  }
}

function onWire(packet: Packet): number {
  const bytes = bytesOf(packet)
  return bytes + headerBytes * Math.max(1, Math.ceil(bytes / segmentBytes))
}

function bytesOf(packet: Packet): number {
  return packet.kind === 'data' ? packet.data.byteLength : 0
}

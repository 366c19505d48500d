// What lies between machines: lines with latency, jitter, bandwidth and loss, a translator before some of them, and weather.
// Carries what TCP carries – ordered bytes, an end, a reset – and behaves to its users as TCP does.

import type { Scheduler } from '../kernel.ts'
import { retriedMs } from '../model/network/line.ts'
import { Paths } from '../model/network/paths.ts'
import type { Fault, NetworkPlan } from '../plan.ts'
import type { SeededRandom } from '../random.ts'
import type { Host } from './host.ts'
import { Machine, type Site } from './machine.ts'
import { type Acceptor, type Path, Socket, type Tap } from './socket.ts'

export type Storm = Extract<Fault, { kind: 'partition' | 'degrade' }>

export interface InternetOptions {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly plan: NetworkPlan
  readonly tap?: Tap | undefined
}

/** A lost SYN is sent again after 1 s, doubling (RFC 6298). */
const synRetryMs = 1_000

/** How long a translator remembers whom a machine behind it talked to: the shortest seen in the field. */
const punchedMs = 30_000

export class Internet implements Path {
  readonly scheduler: Scheduler
  readonly tap: Tap
  readonly #random: SeededRandom
  readonly #paths: Paths
  readonly #machines = new Map<string, Machine>()
  readonly #byAddress = new Map<string, Machine>()
  readonly #acceptors = new Map<Machine, Map<number, Acceptor>>()
  /** Open ends of each machine, in the order they were made. */
  readonly #ends = new Map<Machine, Set<Socket>>()
  /** Have something to send that cannot leave now; in the order they began to wait. */
  readonly #waiting = new Set<Socket>()
  #packets = 0
  #bytes = 0
  #connections = 0

  constructor({ scheduler, random, plan, tap = () => undefined }: InternetOptions) {
    this.scheduler = scheduler
    this.tap = tap
    this.#random = random
    this.#paths = new Paths(plan.latency, plan.loss)
  }

  /** The machine at this site: the same at every call, whatever runs on it. */
  machine(site: Site): Machine {
    const known = this.#machines.get(site.name)
    if (known) return known
    const number = this.#machines.size + 1
    const spot = { ...site, index: number, region: this.#paths.regionOf(site.place) }
    // one address each, of a private network, so that quotas by address work as in production
    const address = `10.${(number >>> 16) & 0xff}.${(number >>> 8) & 0xff}.${number & 0xff}`
    const machine = new Machine(spot, address, this.#random.fork(`machine/${site.name}`))
    this.#machines.set(site.name, machine)
    this.#byAddress.set(address, machine)
    return machine
  }

  /** What the machine ran is gone. `power`: nobody tells its peers, and what is sent to it waits for its return. */
  down(machine: Machine, how: 'crash' | 'power'): void {
    machine.host?.life.end()
    machine.host = undefined
    this.#acceptors.delete(machine)
    machine.isOff = how === 'power'
    const ends = this.#ends.get(machine) ?? []
    this.#ends.delete(machine)
    for (const socket of ends) socket.orphan(how === 'crash')
  }

  up(machine: Machine, host: Host): void {
    machine.host = host
    machine.isOff = false
    this.#cleared()
  }

  listen(machine: Machine, port: number, acceptor: Acceptor): () => void {
    const ports = this.#acceptors.get(machine) ?? new Map<number, Acceptor>()
    this.#acceptors.set(machine, ports.set(port, acceptor))
    return () => {
      if (ports.get(port) === acceptor) ports.delete(port)
    }
  }

  acceptor(machine: Machine, port: number): Acceptor | undefined {
    return this.#acceptors.get(machine)?.get(port)
  }

  opened(socket: Socket): void {
    const ends = this.#ends.get(socket.machine) ?? new Set<Socket>()
    this.#ends.set(socket.machine, ends.add(socket))
  }

  closed(socket: Socket): void {
    this.#ends.get(socket.machine)?.delete(socket)
  }

  disturb(storm: Storm): () => void {
    const end = storm.kind === 'partition' ? this.#paths.cut(storm) : this.#paths.degrade(storm)
    return () => {
      end()
      this.#cleared()
    }
  }

  /** Rejects with the signal's reason, or as Node does where nothing listens. */
  connect(host: Host, from: Machine, address: string, port: number, signal: AbortSignal): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal.reason)
      if (signal.aborted) {
        abort()
        return
      }
      signal.addEventListener('abort', abort, { once: true })
      const settle = (act: () => void): void => {
        host.act(() => {
          signal.removeEventListener('abort', abort)
          if (!signal.aborted) act()
        })
      }
      const refuse = (afterMs: number): void => {
        const error = Object.assign(new Error(`connect ECONNREFUSED ${address}:${port}`), { code: 'ECONNREFUSED' })
        this.#after(afterMs, () => settle(() => reject(error)))
      }
      const to = this.#byAddress.get(address)
      if (!to) {
        refuse(1)
        return
      }
      from.contacted.set(to, this.scheduler.now())
      const knock = (againMs: number): void => {
        if (signal.aborted || host.life.isOver) return
        if (!this.reaches(from, to)) {
          this.#after(againMs, () => knock(2 * againMs))
          return
        }
        this.#after(this.latencyMs(from, to), () => {
          if (to.isOff || !this.#admits(to, from)) return // silence, until the dialler gives up
          const backMs = this.latencyMs(to, from)
          if (!this.acceptor(to, port)) {
            refuse(backMs)
            return
          }
          this.#after(backMs, () => {
            settle(() => {
              const socket = this.#pair(host, from, to, port)
              resolve(socket)
            })
          })
        })
      }
      knock(synRetryMs)
    })
  }

  reaches(from: Machine, to: Machine): boolean {
    return !to.isOff && !from.isOff && !this.#paths.isCut(from.spot, to.spot)
  }

  latencyMs(from: Machine, to: Machine): number {
    return this.#paths.drawMs(from.spot, to.spot, from.random.next())
  }

  lossOf(from: Machine, to: Machine): number {
    return this.#paths.lossOf(from.spot, to.spot)
  }

  count(bytes: number): void {
    this.#packets += 1
    this.#bytes += bytes
  }

  wait(socket: Socket): void {
    this.#waiting.add(socket)
  }

  figures(): { readonly messages: number; readonly bytes: number; readonly connections: number } {
    return { messages: this.#packets, bytes: this.#bytes, connections: this.#connections }
  }

  /** What can leave now is sent again when its timer fires next. */
  #cleared(): void {
    const nowMs = this.scheduler.now()
    for (const socket of this.#waiting) {
      if (!socket.canReach()) continue
      this.#waiting.delete(socket)
      const atMs = retriedMs(socket.waitingSinceMs, nowMs)
      this.scheduler.at(atMs, () => socket.retry())
    }
  }

  #admits(to: Machine, from: Machine): boolean {
    if (to.spot.place.nat === 'open') return true
    if (to.spot.place.nat === 'symmetric') return false
    const atMs = to.contacted.get(from)
    return atMs !== undefined && this.scheduler.now() - atMs < punchedMs
  }

  #pair(host: Host, from: Machine, to: Machine, port: number): Socket {
    const ownPort = from.nextPort()
    const near = new Socket(this, from, host, to, port)
    near.connect(new Socket(this, to, undefined, from, ownPort), port)
    this.#connections += 1
    return near
  }

  #after(ms: number, act: () => void): void {
    this.scheduler.at(this.scheduler.now() + ms, act)
  }
}

// What goes wrong in the coarse market, and who is there: starts, crashes, departures, partitions, the chain's weather.

import type { Fault, Plan } from '../plan.ts'
import { type Agenda, happening } from './agenda.ts'
import type { Counter } from './counter.ts'
import type { Consumer, Population } from './population.ts'
import type { Till } from './till.ts'
import { timing } from './timing.ts'
import type { Views } from './views.ts'

export interface OutagesParts {
  readonly plan: Plan
  readonly population: Population
  readonly agenda: Agenda
  readonly views: Views
  readonly till: Till
  readonly counter: Counter
  /** This consumer is gone, with all it had asked. */
  readonly killed: (consumer: Consumer) => void
  /** Some can no longer reach others. */
  readonly cut: () => void
}

type OfPeer = Extract<Fault, { kind: 'crash' | 'leave' | 'freeze' }>

export class Outages {
  readonly #parts: OutagesParts
  readonly #ends = new Map<Fault, () => void>()
  #next = 0
  peersUp = 0

  constructor(parts: OutagesParts) {
    this.#parts = parts
    const { agenda, plan, population } = parts
    const { peers } = population
    const rampMs = Math.min(timing.rampMsMax, timing.rampShare * plan.warmupMs)
    // those that others find the mesh by come first, as in the other tiers
    const order = [...peers.keys()].sort((a, b) => Number(!!peers[a]?.consumer) - Number(!!peers[b]?.consumer) || a - b)
    for (const [at, peer] of order.entries()) agenda.add((at * rampMs) / order.length, happening.start, peer)
  }

  /** When the next fault strikes. */
  get nextMs(): number {
    return this.#parts.plan.faults[this.#next]?.atMs ?? Number.POSITIVE_INFINITY
  }

  start(peer: number): void {
    const spec = this.#parts.population.peers[peer]
    if (spec) this.#up(spec.name)
  }

  strike(): void {
    const { agenda, plan, population, till } = this.#parts
    const index = this.#next
    this.#next += 1
    const fault = plan.faults[index]
    if (!fault) return
    const untilMs = Math.min(fault.atMs + fault.forMs, plan.durationMs)
    switch (fault.kind) {
      case 'crash':
      case 'leave':
      case 'freeze':
        if (!this.#hit(fault, untilMs)) return
        break
      case 'partition':
        this.#ends.set(fault, population.paths.cut(fault))
        this.#parts.views.cutSinceMs ??= agenda.nowMs
        this.#parts.cut()
        break
      case 'degrade':
        this.#ends.set(fault, population.paths.degrade(fault))
        break
      case 'chain':
        till.disturb(fault, 1)
        break
    }
    agenda.add(untilMs, happening.recover, index)
  }

  /** That fault is over. */
  recover(index: number): void {
    const { counter, plan, population, till, views } = this.#parts
    const fault = plan.faults[index]
    if (!fault) return
    this.#ends.get(fault)?.()
    this.#ends.delete(fault)
    if (population.paths.isWhole) views.cutSinceMs = undefined
    if (fault.kind === 'chain') till.disturb(fault, -1)
    if (fault.kind !== 'crash' && fault.kind !== 'leave') return
    const provider = population.providerOf.get(fault.peer)
    if (provider?.isUp) counter.down(provider, 'draining') // it has not finished draining
    this.#up(fault.peer)
  }

  #up(name: string): void {
    const { agenda, counter, population } = this.#parts
    const provider = population.providerOf.get(name)
    const consumer = population.consumerOf.get(name)
    this.peersUp += 1
    if (provider) counter.up(provider)
    if (!consumer) return
    consumer.isUp = true
    consumer.epoch += 1
    consumer.escrowReadMs = Number.NEGATIVE_INFINITY
    consumer.upSinceMs = agenda.nowMs
    consumer.failedAtMs = undefined
  }

  /** False for a peer that is down already. */
  #hit(fault: OfPeer, untilMs: number): boolean {
    const { counter, killed, population } = this.#parts
    const provider = population.providerOf.get(fault.peer)
    const consumer = population.consumerOf.get(fault.peer)
    if (!provider?.isUp && !consumer?.isUp) return false
    if (fault.kind === 'freeze') {
      if (provider) counter.freeze(provider, untilMs)
      if (consumer) consumer.frozenUntilMs = untilMs
      return true
    }
    this.peersUp -= 1
    if (consumer) consumer.isUp = false
    if (consumer && fault.kind === 'crash') killed(consumer)
    if (!provider) return true
    if (fault.kind === 'leave') counter.drain(provider)
    else {
      provider.isPowerless = fault.power
      counter.down(provider, fault.power ? 'timeout' : 'unreachable')
    }
    return true
  }
}

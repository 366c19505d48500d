// Gossip for large swarms: the same swarm is rehearsed small, hop by hop, and deliveries are drawn from what came of it.

import type { Scheduler, Timer } from '../../../kernel.ts'
import { integer, type SeededRandom } from '../../../random.ts'

/** Receivers that get a message at the same moment: one event for all. */
export interface Batch {
  readonly delayMs: number
  /** 1 for those the author sends to itself, 2 for all beyond. */
  readonly hops: number
  readonly sites: readonly number[]
}

/** What a rehearsal among `sites` shows: delays of all deliveries, copies sent a delivery. */
export type Rehearse = (
  sites: readonly number[],
  neighboursEach: number,
  bytes: number,
  random: SeededRandom,
) => { readonly delaysMs: readonly number[]; readonly copiesEach: number }

interface Show {
  readonly quantilesMs: readonly number[]
  readonly copiesEach: number
}

/** Two rehearsals tell how the delay grows with the logarithm of the swarm. */
const smallSites = 250
const largeSites = 1_000
const batchesEach = 32

export class Rehearsed {
  readonly #rehearse: Rehearse
  readonly #random: SeededRandom
  readonly #shows = new Map<string, Show>()

  constructor({ rehearse, random }: { readonly rehearse: Rehearse; readonly random: SeededRandom }) {
    this.#rehearse = rehearse
    this.#random = random
  }

  draw(
    subscribers: readonly number[],
    neighboursEach: number,
    bytes: number,
  ): { readonly batches: readonly Batch[]; readonly copiesEach: number } {
    const { copiesEach, quantilesMs } = this.#show(subscribers, neighboursEach, bytes)
    const groups: number[][] = Array.from({ length: batchesEach }, () => [])
    for (const site of subscribers) groups[integer(this.#random, batchesEach)]?.push(site)
    const direct = neighboursEach / subscribers.length
    const batches = groups.map((sites, at) => ({
      delayMs: quantilesMs[at] ?? 0,
      hops: (at + 1) / batchesEach <= direct ? 1 : at === 0 ? 1 : 2,
      sites,
    }))
    return { batches, copiesEach }
  }

  #show(subscribers: readonly number[], neighboursEach: number, bytes: number): Show {
    const doublings = Math.round(Math.log2(subscribers.length))
    const size = Math.round(Math.log2(Math.max(256, bytes)))
    const key = `${doublings} ${size}`
    const known = this.#shows.get(key)
    if (known) return known
    const [small, large] = [smallSites, largeSites].map((count) => {
      const random = this.#random.fork(`${key} ${count}`)
      const sites = Array.from({ length: count }, () => subscribers[integer(random, subscribers.length)] ?? 0)
      const { copiesEach, delaysMs } = this.#rehearse(sites, Math.min(neighboursEach, count / 4), bytes, random)
      const sorted = delaysMs.toSorted((a, b) => a - b)
      const quantilesMs = Array.from(
        { length: batchesEach },
        (_, at) => sorted[Math.floor(((at + 0.5) / batchesEach) * sorted.length)] ?? 0,
      )
      return { copiesEach, quantilesMs }
    })
    const beyond = Math.log(2 ** doublings / largeSites) / Math.log(largeSites / smallSites)
    const show: Show = {
      copiesEach: large?.copiesEach ?? 1,
      quantilesMs: (large?.quantilesMs ?? []).map(
        (ms, at) => ms + beyond * Math.max(0, ms - (small?.quantilesMs[at] ?? ms)),
      ),
    }
    this.#shows.set(key, show)
    return show
  }
}

/** Time for a rehearsal: runs to its end at once, as nothing in it waits for anybody outside. */
export class Rehearsal implements Scheduler {
  #nowMs = 0
  #sequence = 0
  readonly #heap: { atMs: number; order: number; act: () => void }[] = []

  now(): number {
    return this.#nowMs
  }

  at(atMs: number, act: () => void): Timer {
    const entry = { atMs: Math.max(atMs, this.#nowMs), order: this.#sequence, act }
    this.#sequence += 1
    const heap = this.#heap
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (isBefore(heap[parent] ?? entry, entry)) break
      heap[at] = heap[parent] ?? entry
      at = parent
    }
    heap[at] = entry
    return {
      cancel: () => {
        entry.act = () => undefined
      },
    }
  }

  /** Runs what is due until then. */
  run(untilMs: number): void {
    const heap = this.#heap
    while (heap[0] && heap[0].atMs <= untilMs) {
      const [first] = heap
      const last = heap.pop()
      if (last && heap.length > 0) this.#sink(last)
      this.#nowMs = first.atMs
      first.act()
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs)
  }

  #sink(entry: { atMs: number; order: number; act: () => void }): void {
    const heap = this.#heap
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      const left = heap[child]
      if (!left) break
      const right = heap[child + 1]
      const next = right && isBefore(right, left) ? right : left
      if (next === right) child += 1
      if (isBefore(entry, next)) break
      heap[at] = next
      at = child
    }
    heap[at] = entry
  }
}

function isBefore(a: { atMs: number; order: number }, b: { atMs: number; order: number }): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

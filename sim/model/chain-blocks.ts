// Blocks: what was posted waits for the next one, and in bad weather for a later one, or for none.

import { MeshError } from '../../protocol/errors.ts'
import { epochMs, type Scheduler, type Timer } from '../kernel.ts'
import { integer, type SeededRandom } from '../random.ts'
import type { ChainWeather } from './chain-weather.ts'

export interface BlocksOptions<Message> {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly weather: ChainWeather
  readonly blockMs: number
  /** Runs a message on the state as it is then; what is no longer acceptable leaves no trace. */
  readonly include: (message: Message) => void | Promise<void>
}

/** Messages that wait for a block. */
const waitingMax = 10_000

/**
 * Of the messages that a block would take while the chain forks: lost with the fork, and taken by one of the next few
 * blocks instead. Assumptions, harsh ones: a settler must not need luck.
 */
const lostShare = 0.3
const lateShare = 0.3
const lateBlocksMax = 5

/**
 * Blocks come on a grid and only where there is something to take. Forks happen before a block is told to anybody, as on a
 * chain with finality: a state that was read is never taken back. So a fork can only lose, delay and reorder messages.
 */
export class Blocks<Message> {
  readonly #scheduler: Scheduler
  readonly #random: SeededRandom
  readonly #weather: ChainWeather
  readonly #blockMs: number
  readonly #include: BlocksOptions<Message>['include']
  /** By its hash: the same message again is the one that waits. */
  readonly #waiting = new Map<string, { readonly message: Message; notBeforeMs: number }>()
  #next: Timer | undefined
  #made = 0
  #lost = 0

  constructor({ scheduler, random, weather, blockMs, include }: BlocksOptions<Message>) {
    this.#scheduler = scheduler
    this.#random = random
    this.#weather = weather
    this.#blockMs = blockMs
    this.#include = include
  }

  /** Blocks with something in them, and messages lost with forks. */
  get figures(): { readonly made: number; readonly lost: number } {
    return { made: this.#made, lost: this.#lost }
  }

  add(hash: string, message: Message): void {
    if (this.#waiting.has(hash)) return
    if (this.#waiting.size >= waitingMax) {
      throw new MeshError('chain-unavailable', `${waitingMax} messages wait for a block already`)
    }
    this.#waiting.set(hash, { message, notBeforeMs: 0 })
    this.#schedule()
  }

  #schedule(): void {
    if (this.#next || this.#waiting.size === 0) return
    const atMs = nextBlockMs(this.#scheduler.now(), this.#everyMs())
    this.#next = this.#scheduler.at(atMs, () => void this.#make())
  }

  #everyMs(): number {
    return this.#blockMs * this.#weather.slowness
  }

  async #make(): Promise<void> {
    this.#next = undefined
    const nowMs = this.#scheduler.now()
    const isForking = this.#weather.isForking
    const due = [...this.#waiting].filter(([, { notBeforeMs }]) => notBeforeMs <= nowMs)
    if (isForking) shuffle(due, this.#random)
    let taken = 0
    for (const [hash, entry] of due) {
      const fate = isForking ? this.#random.next() : 1
      if (fate < lostShare) {
        this.#waiting.delete(hash)
        this.#lost += 1
      } else if (fate < lostShare + lateShare) {
        entry.notBeforeMs = nowMs + (1 + integer(this.#random, lateBlocksMax)) * this.#everyMs()
      } else {
        this.#waiting.delete(hash)
        taken += 1
        await this.#include(entry.message)
      }
    }
    if (taken > 0) this.#made += 1
    this.#schedule()
  }
}

/** Later than now, however the time of this block was rounded: who waits for a later one would wait for ever. */
export function nextBlockMs(nowMs: number, everyMs: number): number {
  if (everyMs === 0) return nowMs
  const before = Math.floor((nowMs - epochMs) / everyMs)
  const atMs = epochMs + (before + 1) * everyMs
  return atMs > nowMs ? atMs : epochMs + (before + 2) * everyMs
}

/** Fisher and Yates's. */
function shuffle<T>(items: T[], random: SeededRandom): void {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const at = integer(random, last + 1)
    const item = items[last] as T
    items[last] = items[at] as T
    items[at] = item
  }
}

/** What one door of the local chain does wrong, on order: slow, limited, down, behind, and careless with what it is given. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Chain, ChainView, Submitted } from './chain.ts'
import { ApiError } from './errors.ts'
import type { Params } from './params.ts'

export interface Faults {
  /** Every answer comes so much later. */
  readonly delayMs: number
  /** Requests a second above which 429 is answered, as by toncenter; 0 is no limit. */
  readonly requestsPerSecond: number
  /** Every request is answered 502. */
  readonly isDown: boolean
  /** Reads show the chain as it was so many blocks ago, and say so in their block numbers. */
  readonly behindBlocks: number
  /** So many of the next externals are accepted, and reach no block. */
  readonly loseExternals: number
  /** So many of the next externals are handed to the chain twice, the second time a block later. */
  readonly duplicateExternals: number
  /** So many of the next externals are taken, and their sender is answered 502. */
  readonly loseReceipts: number
}

export const noFaults: Faults = {
  delayMs: 0,
  requestsPerSecond: 0,
  isDown: false,
  behindBlocks: 0,
  loseExternals: 0,
  duplicateExternals: 0,
  loseReceipts: 0,
}

const delayMsMax = 600_000
const countMax = 1_000_000
const windowMs = 1_000

export class FaultyDoor {
  readonly #chain: Chain
  #faults: Faults = noFaults
  /** When the requests of the last second came. */
  #askedAtMs: number[] = []

  constructor(chain: Chain) {
    this.#chain = chain
  }

  get faults(): Faults {
    return this.#faults
  }

  /** What is not named stays as it is. */
  set(changes: Partial<Faults>): void {
    this.#faults = { ...this.#faults, ...changes }
  }

  /** Before a request is looked at. Throws what is answered instead. */
  async pass(): Promise<void> {
    const { delayMs, isDown, requestsPerSecond } = this.#faults
    if (delayMs > 0) await sleep(delayMs)
    if (isDown) throw new ApiError(502, 'Bad Gateway')
    if (requestsPerSecond === 0) return
    const nowMs = performance.now()
    this.#askedAtMs = this.#askedAtMs.filter((askedMs) => askedMs > nowMs - windowMs)
    if (this.#askedAtMs.length >= requestsPerSecond) throw new ApiError(429, 'Ratelimit exceed')
    this.#askedAtMs.push(nowMs)
  }

  /** The chain as this door shows it. */
  view(): ChainView {
    const view = this.#chain.asOf(this.#faults.behindBlocks)
    return { ...view, submit: (boc) => this.#submit(boc) }
  }

  async #submit(boc: Buffer): Promise<Submitted> {
    if (this.#take('loseExternals')) {
      return { external: await this.#chain.check(boc), included: Promise.resolve(undefined) }
    }
    const submitted = await this.#chain.submit(boc)
    if (this.#take('duplicateExternals')) {
      const again = submitted.included.then(() => this.#chain.enqueue(submitted.external)).catch(() => undefined)
      if (this.#chain.blockMs === 0) await again // else it is blocks away, and its sender is answered now
    }
    if (this.#take('loseReceipts')) throw new ApiError(502, 'Bad Gateway')
    return submitted
  }

  #take(name: 'loseExternals' | 'duplicateExternals' | 'loseReceipts'): boolean {
    const left = this.#faults[name]
    if (left > 0) this.set({ [name]: left - 1 })
    return left > 0
  }
}

/** From a request's body; what it does not name is left out. */
export function faultsOf(params: Params): Partial<Faults> {
  const changes: Record<string, unknown> = {}
  const known = Object.keys(noFaults)
  const strange = params.names.find((name) => !known.includes(name))
  if (strange !== undefined) throw params.refused(strange, `left out: the faults are ${known.join(', ')}`)
  for (const name of known) {
    if (params.raw(name) === undefined) continue
    if (name === 'isDown') changes[name] = params.flag(name, false)
    else changes[name] = params.int(name, { min: 0, max: name === 'delayMs' ? delayMsMax : countMax })
  }
  return changes as Partial<Faults> // each name is one of its own
}

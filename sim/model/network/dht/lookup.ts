// One iterative lookup: ask the closest known peers for closer ones, a few at once, until the k closest have answered.

import type { Key, KeySpace } from './space.ts'

export interface LookupParts {
  readonly space: KeySpace
  readonly own: number
  readonly key: Key
  readonly k: number
  readonly alpha: number
  readonly start: readonly number[]
  /** Asks; `answered` with the peers it told of, or `undefined` for no answer. */
  readonly ask: (peer: number, answered: (closer: readonly number[] | undefined) => void) => void
  readonly done: (found: LookupResult) => void
}

export interface LookupResult {
  /** Those that answered, the closest first, at most k. */
  readonly closest: readonly number[]
  /** Questions in a row that led to the closest of them. */
  readonly hops: number
  readonly asked: number
  /** Of the k closest it heard of, whether there or not, those that did not answer. */
  readonly silent: number
}

const fresh = 0
const asked = 1
const answered = 2
const failed = 3

interface Candidate {
  readonly peer: number
  readonly depth: number
  state: number
}

export class Lookup {
  readonly #parts: LookupParts
  readonly #known: Set<number>
  /** The closest first. */
  readonly #candidates: Candidate[] = []
  #underWay = 0
  #asked = 0
  #isOver = false

  constructor(parts: LookupParts) {
    this.#parts = parts
    this.#known = new Set([parts.own])
    for (const peer of parts.start) this.#add(peer, 1)
  }

  run(): void {
    this.#step()
  }

  /** Ends it with what is there. */
  stop(): void {
    if (!this.#isOver) this.#end()
  }

  #step(): void {
    if (this.#isOver) return
    const { alpha, ask, k } = this.#parts
    let seen = 0
    for (const candidate of this.#candidates) {
      if (this.#underWay >= alpha || seen >= k) break
      if (candidate.state === failed) continue
      seen += 1
      if (candidate.state !== fresh) continue
      candidate.state = asked
      this.#underWay += 1
      this.#asked += 1
      ask(candidate.peer, (closer) => this.#answered(candidate, closer))
      if (this.#isOver) return
    }
    if (this.#underWay === 0) this.#end()
  }

  #answered(candidate: Candidate, closer: readonly number[] | undefined): void {
    this.#underWay -= 1
    if (this.#isOver) return
    candidate.state = closer ? answered : failed
    for (const peer of closer ?? []) this.#add(peer, candidate.depth + 1)
    this.#step()
  }

  #add(peer: number, depth: number): void {
    if (this.#known.has(peer)) return
    this.#known.add(peer)
    const { key, space } = this.#parts
    const candidates = this.#candidates
    let low = 0
    let high = candidates.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (space.compare(candidates[middle]?.peer ?? 0, peer, key) < 0) low = middle + 1
      else high = middle
    }
    candidates.splice(low, 0, { peer, depth, state: fresh })
  }

  #end(): void {
    this.#isOver = true
    const good = this.#candidates.filter(({ state }) => state === answered).slice(0, this.#parts.k)
    this.#parts.done({
      closest: good.map(({ peer }) => peer),
      hops: good[0]?.depth ?? 0,
      asked: this.#asked,
      silent: this.#candidates.slice(0, this.#parts.k).filter(({ state }) => state === failed).length,
    })
  }
}

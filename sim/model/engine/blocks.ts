// KV memory in blocks, as vLLM's block pool keeps it: full blocks are found again by their content until the space is needed.

/** A full block that others may share. */
interface CachedBlock {
  readonly key: number
  holders: number
}

/** What one sequence holds. */
export class Holding {
  readonly shared: CachedBlock[] = []
  /** Nobody else could find them: not full yet, or equal to a block that is cached already. */
  own = 0
  /** Full blocks that were offered to the cache, from the first on. */
  offered = 0

  get blocks(): number {
    return this.shared.length + this.own
  }
}

/** The content of a sequence's full block `at`, as a number that equal beginnings share. */
export type BlockKeys = (at: number) => number

export class BlockPool {
  readonly total: number
  #blank: number
  readonly #cached = new Map<number, CachedBlock>()
  /** Cached and held by nobody, the longest so first. */
  readonly #idle = new Map<number, CachedBlock>()

  constructor(total: number) {
    this.total = total
    this.#blank = total
  }

  /** Blocks that can be had now: blank, or cached for nobody. */
  get free(): number {
    return this.#blank + this.#idle.size
  }

  /** How many of the first `count` blocks are held in the cache, without a gap. */
  hits(keys: BlockKeys, count: number): number {
    let at = 0
    while (at < count && this.#cached.has(keys(at))) at += 1
    return at
  }

  /** Of the first `hits` blocks, those that nobody holds: taking them takes free space. */
  idleAmong(keys: BlockKeys, hits: number): number {
    let idle = 0
    for (let at = 0; at < hits; at += 1) if (this.#idle.has(keys(at))) idle += 1
    return idle
  }

  /** Shares the first `hits` blocks, which `hits()` found. */
  share(holding: Holding, keys: BlockKeys, hits: number): void {
    for (let at = 0; at < hits; at += 1) {
      const block = this.#cached.get(keys(at))
      if (!block) throw new Error(`block ${at} of ${hits} is not cached: it was evicted after the look-up`)
      if (block.holders === 0) this.#idle.delete(block.key)
      block.holders += 1
      holding.shared.push(block)
    }
    holding.offered = hits
  }

  /** False, and nothing taken, where fewer are free. */
  take(holding: Holding, count: number): boolean {
    if (count > this.free) return false
    for (let missing = count - this.#blank; missing > 0; missing -= 1) this.#evict()
    this.#blank -= count
    holding.own += count
    return true
  }

  /** Lets others find the sequence's full blocks. */
  offer(holding: Holding, keys: BlockKeys, full: number): void {
    for (let at = holding.offered; at < full; at += 1) {
      const key = keys(at)
      if (this.#cached.has(key)) continue
      const block = { key, holders: 1 }
      this.#cached.set(key, block)
      holding.shared.push(block)
      holding.own -= 1
    }
    if (full > holding.offered) holding.offered = full
  }

  /** The end of a sequence goes first when space is needed: a beginning is worth more. */
  release(holding: Holding): void {
    this.#blank += holding.own
    for (let at = holding.shared.length - 1; at >= 0; at -= 1) {
      const block = holding.shared[at]
      if (!block) continue
      block.holders -= 1
      if (block.holders === 0) this.#idle.set(block.key, block)
    }
    holding.shared.length = 0
    holding.own = 0
    holding.offered = 0
  }

  #evict(): void {
    for (const key of this.#idle.keys()) {
      this.#idle.delete(key)
      this.#cached.delete(key)
      this.#blank += 1
      return
    }
  }
}

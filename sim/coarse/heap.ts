// The coarse mode's queue of what is to happen: times and small integers in typed arrays, no closures and no promises.

const arity = 4

/** Earliest first; of equal times in the order they were added. An event is a kind and two integers that its kind gives meaning. */
export class EventHeap {
  #times = new Float64Array(4_096)
  #orders = new Float64Array(4_096)
  #kinds = new Uint8Array(4_096)
  #firsts = new Int32Array(4_096)
  #seconds = new Int32Array(4_096)
  #size = 0
  #added = 0
  /** Of the event that `pop` took last. */
  atMs = 0
  kind = 0
  first = 0
  second = 0

  get size(): number {
    return this.#size
  }

  /** `Infinity` where nothing is to happen. */
  get nextMs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number)
  }

  add(atMs: number, kind: number, first: number, second = 0): void {
    if (this.#size === this.#times.length) this.#grow()
    const order = this.#added
    this.#added += 1
    let at = this.#size
    this.#size += 1
    while (at > 0) {
      const parent = ((at - 1) / arity) | 0
      // the one that is new was added last: it moves up past later times only
      if ((this.#times[parent] as number) <= atMs) break
      this.#move(parent, at)
      at = parent
    }
    this.#put(at, atMs, order, kind, first, second)
  }

  /** Takes the next event into the fields above; false where there is none. */
  pop(): boolean {
    if (this.#size === 0) return false
    this.atMs = this.#times[0] as number
    this.kind = this.#kinds[0] as number
    this.first = this.#firsts[0] as number
    this.second = this.#seconds[0] as number
    this.#size -= 1
    const last = this.#size
    if (last === 0) return true
    const time = this.#times[last] as number
    const order = this.#orders[last] as number
    let at = 0
    for (;;) {
      const from = arity * at + 1
      if (from >= last) break
      let child = from
      const to = Math.min(from + arity, last)
      for (let other = from + 1; other < to; other += 1) if (this.#isBefore(other, child)) child = other
      const childTime = this.#times[child] as number
      if (time < childTime || (time === childTime && order < (this.#orders[child] as number))) break
      this.#move(child, at)
      at = child
    }
    this.#move(last, at)
    return true
  }

  #isBefore(a: number, b: number): boolean {
    const difference = (this.#times[a] as number) - (this.#times[b] as number)
    return difference < 0 || (difference === 0 && (this.#orders[a] as number) < (this.#orders[b] as number))
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from] as number
    this.#orders[to] = this.#orders[from] as number
    this.#kinds[to] = this.#kinds[from] as number
    this.#firsts[to] = this.#firsts[from] as number
    this.#seconds[to] = this.#seconds[from] as number
  }

  #put(at: number, atMs: number, order: number, kind: number, first: number, second: number): void {
    this.#times[at] = atMs
    this.#orders[at] = order
    this.#kinds[at] = kind
    this.#firsts[at] = first
    this.#seconds[at] = second
  }

  #grow(): void {
    const length = 2 * this.#times.length
    this.#times = grown(this.#times, new Float64Array(length))
    this.#orders = grown(this.#orders, new Float64Array(length))
    this.#kinds = grown(this.#kinds, new Uint8Array(length))
    this.#firsts = grown(this.#firsts, new Int32Array(length))
    this.#seconds = grown(this.#seconds, new Int32Array(length))
  }
}

function grown<T extends { set(array: T): void }>(before: T, after: T): T {
  after.set(before)
  return after
}

/** Numbers one after the other, as many as there come. */
export class Column {
  #values = new Float64Array(1_024)
  length = 0

  push(value: number): number {
    if (this.length === this.#values.length) this.#values = grown(this.#values, new Float64Array(2 * this.length))
    this.#values[this.length] = value
    this.length += 1
    return this.length - 1
  }

  get(at: number): number {
    return this.#values[at] as number
  }

  set(at: number, value: number): void {
    this.#values[at] = value
  }

  /** A copy, smallest first. */
  sorted(): Float64Array {
    return this.#values.slice(0, this.length).sort()
  }
}

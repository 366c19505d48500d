// Virtual time: a queue of what is to happen, run in order, each only when all that the one before caused has come to rest.

/** What modelled parts schedule with. The `model` tier's is the kernel here, the `libp2p` tier's runs on faked timers. */
export interface Scheduler {
  /** Unix milliseconds, with fractions. */
  now(): number
  /** Runs `act` at that time, not before now, after whatever was scheduled earlier for the same time. */
  at(atMs: number, act: () => void): Timer
}

export interface Timer {
  cancel(): void
}

/** Every run begins at this instant, so that equal seeds see equal dates. */
export const epochMs = 1_800_000_000_000

/** Between two looks at the real world: signals, progress. */
const eventsPerTurn = 2_048

/** The real one, also where a simulation replaces the global. */
const nextTurn = setImmediate

class Entry implements Timer {
  act: (() => void) | undefined

  constructor(act: () => void) {
    this.act = act
  }

  cancel(): void {
    this.act = undefined
  }

  run(): void {
    const { act } = this
    this.act = undefined
    act?.()
  }
}

export class Kernel implements Scheduler {
  #nowMs = epochMs
  #events = 0
  #sequence = 0
  #size = 0
  // a binary heap in parallel arrays: ten times the speed of a heap of objects at a million events
  #times = new Float64Array(1_024)
  #orders = new Float64Array(1_024)
  #entries: (Entry | undefined)[] = []

  now(): number {
    return this.#nowMs
  }

  /** Events run so far. */
  get events(): number {
    return this.#events
  }

  /** Events waiting, cancelled ones included. */
  get waiting(): number {
    return this.#size
  }

  at(atMs: number, act: () => void): Timer {
    const entry = new Entry(act)
    this.#push(Math.max(atMs, this.#nowMs), entry)
    return entry
  }

  /**
   * Runs everything due up to `untilMs`, which it then is. Ends early, between two events, when `isDone` says so or the
   * signal fires. What an event throws ends the run.
   */
  run(untilMs: number, isDone: () => boolean = () => false, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      let turn = 0
      const step = (): void => {
        const isOver = isDone() || signal?.aborted === true
        const entry = isOver ? undefined : this.#next(untilMs)
        if (!entry) {
          if (!isOver) this.#nowMs = Math.max(this.#nowMs, untilMs)
          resolve()
          return
        }
        try {
          this.#events += 1
          entry.run()
        } catch (error) {
          reject(error)
          return
        }
        turn = (turn + 1) % eventsPerTurn
        if (turn > 0) afterMicrotasks(step)
        else nextTurn(step)
      }
      afterMicrotasks(step)
    })
  }

  /** The next that is due and was not cancelled. */
  #next(untilMs: number): Entry | undefined {
    let entry = this.#pop(untilMs)
    while (entry && !entry.act) entry = this.#pop(untilMs)
    return entry
  }

  #push(atMs: number, entry: Entry): void {
    if (this.#size === this.#times.length) this.#grow()
    const order = this.#sequence
    this.#sequence += 1
    let at = this.#size
    this.#size += 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const time = this.#times[parent] as number
      if (time < atMs || (time === atMs && (this.#orders[parent] as number) < order)) break
      this.#move(parent, at)
      at = parent
    }
    this.#put(at, atMs, order, entry)
  }

  /** The next that is due, if it is by then. */
  #pop(untilMs: number): Entry | undefined {
    if (this.#size === 0 || (this.#times[0] as number) > untilMs) return undefined
    const first = this.#entries[0] as Entry
    this.#nowMs = this.#times[0] as number
    this.#size -= 1
    const last = this.#size
    const time = this.#times[last] as number
    const order = this.#orders[last] as number
    const entry = this.#entries[last] as Entry
    this.#entries[last] = undefined
    if (last === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= last) break
      if (child + 1 < last && this.#isBefore(child + 1, child)) child += 1
      const childTime = this.#times[child] as number
      if (time < childTime || (time === childTime && order < (this.#orders[child] as number))) break
      this.#move(child, at)
      at = child
    }
    this.#put(at, time, order, entry)
    return first
  }

  #isBefore(a: number, b: number): boolean {
    const difference = (this.#times[a] as number) - (this.#times[b] as number)
    return difference < 0 || (difference === 0 && (this.#orders[a] as number) < (this.#orders[b] as number))
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from] as number, this.#orders[from] as number, this.#entries[from] as Entry)
  }

  #put(at: number, atMs: number, order: number, entry: Entry): void {
    this.#times[at] = atMs
    this.#orders[at] = order
    this.#entries[at] = entry
  }

  #grow(): void {
    const times = new Float64Array(2 * this.#times.length)
    const orders = new Float64Array(times.length)
    times.set(this.#times)
    orders.set(this.#orders)
    this.#times = times
    this.#orders = orders
  }
}

/**
 * Node runs queued ticks only when no microtask is left, however many the others queue: a tick asked for from within a
 * microtask comes when everything that awaits something settled has run. A quarter of the cost of `setImmediate`.
 */
function afterMicrotasks(act: () => void): void {
  queueMicrotask(() => process.nextTick(act))
}

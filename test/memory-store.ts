// A store in memory that can crash, lose what it had not acknowledged, wait, and fail.

import type { Store } from '../node/ports.ts'

interface Write {
  readonly apply: (logs: Map<string, readonly Uint8Array[]>) => void
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class MemoryStore implements Store {
  readonly #logs: Map<string, readonly Uint8Array[]>
  readonly #entryBytesMax: number
  /** How long a write takes to reach the disk. */
  readonly #pause: () => Promise<void>
  #waiting: Write[] = []
  #isHeld = false
  #isDead = false
  #failure: Error | undefined

  constructor(
    logs: ReadonlyMap<string, readonly Uint8Array[]> = new Map(),
    entryBytesMax = 65_536,
    pause: () => Promise<void> = () => Promise.resolve(),
  ) {
    this.#logs = new Map(logs)
    this.#entryBytesMax = entryBytesMax
    this.#pause = pause
  }

  /** Writes not yet durable. */
  get waiting(): number {
    return this.#waiting.length
  }

  async append(log: string, entry: Uint8Array): Promise<void> {
    const copy = this.#checked(entry)
    return this.#write((logs) => logs.set(log, [...(logs.get(log) ?? []), copy]))
  }

  async rewrite(log: string, entries: readonly Uint8Array[]): Promise<void> {
    const copies = entries.map((entry) => this.#checked(entry))
    return this.#write((logs) => logs.set(log, copies))
  }

  async read(log: string): Promise<readonly Uint8Array[]> {
    if (!this.#isHeld) this.flush()
    return (this.#logs.get(log) ?? []).map((entry) => Uint8Array.from(entry))
  }

  /** From now on writes wait for `flush`. */
  hold(): void {
    this.#isHeld = true
  }

  /** Makes the oldest waiting writes durable, all of them where no count is given. */
  flush(count = this.#waiting.length): void {
    for (const { apply, resolve } of this.#waiting.splice(0, count)) {
      apply(this.#logs)
      resolve()
    }
  }

  /** From now on every write is refused; undefined ends it. */
  fail(error: Error | undefined): void {
    this.#failure = error
  }

  /** What the disk holds after the power went: the oldest `durable` of the waiting writes made it, unacknowledged. */
  crash(durable = 0): MemoryStore {
    const logs = new Map(this.#logs)
    for (const { apply } of this.#waiting.slice(0, durable)) apply(logs)
    this.#waiting = []
    this.#isDead = true
    return new MemoryStore(logs, this.#entryBytesMax, this.#pause)
  }

  #checked(entry: Uint8Array): Uint8Array {
    if (entry.length <= this.#entryBytesMax) return Uint8Array.from(entry)
    throw new RangeError(`entry of ${entry.length} bytes, at most ${this.#entryBytesMax}`)
  }

  #write(apply: Write['apply']): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure)
        return
      }
      const write = { apply, resolve, reject }
      this.#waiting.push(write)
      void this.#pause().then(() => {
        if (!this.#isHeld && !this.#isDead) this.flush(1 + this.#waiting.indexOf(write))
      })
    })
  }
}

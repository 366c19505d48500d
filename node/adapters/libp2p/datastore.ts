// libp2p's records in memory, with the bounds its own memory store lacks: strangers can fill a DHT server with provider
// records and peers, so of each kind the oldest go first. Grouped by the path above the key, which is how libp2p asks.

import { NotFoundError } from '@libp2p/interface'
import type { Libp2pInit } from 'libp2p'

type Datastore = NonNullable<Libp2pInit['datastore']>
type Key = Parameters<Datastore['get']>[0]
type Query = Parameters<Datastore['query']>[0]
type KeyQuery = Parameters<Datastore['queryKeys']>[0]

interface Entry {
  readonly key: Key
  readonly value: Uint8Array
}

export interface DatastoreBounds {
  /** Records whose key starts with the prefix, at most. Prefixes must not overlap. */
  readonly entriesMax: Readonly<Record<string, number>>
  /** Of one record: a peer's is some 500 bytes, most of it addresses. */
  readonly valueBytesMax: number
  /** Of this node itself: never dropped. */
  readonly isPinned: (key: string) => boolean
}

export class BoundedDatastore implements Datastore {
  readonly #bounds: DatastoreBounds
  /** Path above the key, then the key. */
  readonly #groups = new Map<string, Map<string, Entry>>()
  /** Prefix, then the keys that can go, oldest first: a map keeps the order of insertion. */
  readonly #ages = new Map<string, Set<string>>()

  constructor(bounds: DatastoreBounds) {
    this.#bounds = bounds
  }

  get size(): number {
    let size = 0
    for (const group of this.#groups.values()) size += group.size
    return size
  }

  put(key: Key, value: Uint8Array): Key {
    const text = key.toString()
    const { valueBytesMax, isPinned } = this.#bounds
    if (value.length > valueBytesMax) throw new RangeError(`record of ${value.length} bytes, at most ${valueBytesMax}`)
    const group = this.#groups.get(parentOf(text)) ?? new Map<string, Entry>()
    this.#groups.set(parentOf(text), group.set(text, { key, value }))
    if (!isPinned(text)) this.#age(text)
    return key
  }

  get(key: Key): Uint8Array {
    const entry = this.#entry(key)
    if (!entry) throw new NotFoundError(`no record ${key.toString()}`)
    return entry.value
  }

  has(key: Key): boolean {
    return this.#entry(key) !== undefined
  }

  delete(key: Key): void {
    this.#drop(key.toString())
  }

  async *putMany(source: Iterable<Entry> | AsyncIterable<Entry>): AsyncGenerator<Key> {
    for await (const { key, value } of source) yield this.put(key, value)
  }

  async *getMany(source: Iterable<Key> | AsyncIterable<Key>): AsyncGenerator<Entry> {
    for await (const key of source) yield { key, value: this.get(key) }
  }

  async *deleteMany(source: Iterable<Key> | AsyncIterable<Key>): AsyncGenerator<Key> {
    for await (const key of source) {
      this.delete(key)
      yield key
    }
  }

  batch(): ReturnType<Datastore['batch']> {
    const steps: (() => void)[] = []
    return {
      put: (key, value) => {
        steps.push(() => this.put(key, value))
      },
      delete: (key) => {
        steps.push(() => this.delete(key))
      },
      commit: () => {
        for (const step of steps.splice(0)) step()
      },
    }
  }

  *query({ prefix, filters = [], orders = [], offset = 0, limit = Number.POSITIVE_INFINITY }: Query): Generator<Entry> {
    let found = this.#under(prefix).filter((entry) => filters.every((filter) => filter(entry)))
    for (const order of orders) found = found.toSorted(order)
    yield* found.slice(offset, offset + limit)
  }

  *queryKeys(query: KeyQuery): Generator<Key> {
    const { prefix, filters = [], orders = [], offset = 0, limit = Number.POSITIVE_INFINITY } = query
    let found = this.#under(prefix).map(({ key }) => key)
    found = found.filter((key) => filters.every((filter) => filter(key)))
    for (const order of orders) found = found.toSorted(order)
    yield* found.slice(offset, offset + limit)
  }

  #entry(key: Key): Entry | undefined {
    const text = key.toString()
    return this.#groups.get(parentOf(text))?.get(text)
  }

  #under(prefix = ''): Entry[] {
    const group = this.#groups.get(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix)
    if (group) return [...group.values()] // libp2p keeps nothing below a key
    const found: Entry[] = []
    for (const [path, entries] of this.#groups) {
      if (!path.startsWith(prefix) && !prefix.startsWith(path)) continue
      for (const [text, entry] of entries) if (text.startsWith(prefix)) found.push(entry)
    }
    return found
  }

  #age(text: string): void {
    for (const [prefix, max] of Object.entries(this.#bounds.entriesMax)) {
      if (!text.startsWith(prefix)) continue
      const ages = this.#ages.get(prefix) ?? new Set<string>()
      this.#ages.set(prefix, ages)
      ages.delete(text)
      ages.add(text)
      for (const oldest of ages) {
        if (ages.size <= max) break
        this.#drop(oldest)
      }
      return
    }
  }

  #drop(text: string): void {
    const path = parentOf(text)
    const group = this.#groups.get(path)
    group?.delete(text)
    if (group?.size === 0) this.#groups.delete(path)
    for (const ages of this.#ages.values()) ages.delete(text)
  }
}

function parentOf(text: string): string {
  return text.slice(0, text.lastIndexOf('/'))
}

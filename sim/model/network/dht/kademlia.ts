// Kademlia among numbered peers: servers hold tables and provider records, all look keys up, each question takes its way.

import { createHash } from 'node:crypto'
import type { Scheduler } from '../../../kernel.ts'
import type { SeededRandom } from '../../../random.ts'
import { jittered } from '../settings.ts'
import { Lookup, type LookupResult } from './lookup.ts'
import { type DhtBehaviour, type DhtSettings, DhtTally, type DhtWire } from './settings.ts'
import { type Key, KeySpace } from './space.ts'
import { RoutingTable } from './table.ts'

interface Member {
  readonly index: number
  readonly isServer: boolean
  readonly table: RoutingTable
  readonly behaviour: DhtBehaviour | undefined
  /** By name. */
  records: Map<string, Records> | undefined
  /** Run when the table is no longer empty. */
  waiting: (() => void)[]
  /** Told of by answers, and not asked themselves yet. */
  readonly told: Set<number>
  /** Asked now whether they are there. */
  meetings: number
  isOver: boolean
}

interface Records {
  /** Provider → when its record expires, the one put longest ago first. */
  readonly untilMs: Map<number, number>
  /** The same that are live, until one of them expires or another is put. */
  live: readonly number[]
  liveUntilMs: number
}

export interface KademliaParts {
  readonly scheduler: Scheduler
  readonly wire: DhtWire
  readonly random: SeededRandom
  readonly settings: DhtSettings
}

interface Looking {
  readonly from: number
  readonly key: Key
  /** Of the records wanted too. */
  readonly name?: string
  /** For its node, not for the table's own sake. */
  readonly isCounted: boolean
  /** What each answer told; returns whether that is enough. */
  readonly told: (by: number, closer: readonly number[], providers: readonly number[]) => boolean
  readonly done: (found: LookupResult) => void
}

export interface Search {
  stop(): void
}

export class Kademlia {
  readonly space = new KeySpace()
  readonly tally = new DhtTally()
  readonly #scheduler: Scheduler
  readonly #wire: DhtWire
  readonly #random: SeededRandom
  readonly #settings: DhtSettings
  readonly #members: (Member | undefined)[] = []
  readonly #keys = new Map<string, Key>()
  readonly #liars = new Set<number>()

  constructor({ scheduler, wire, random, settings }: KademliaParts) {
    this.#scheduler = scheduler
    this.#wire = wire
    this.#random = random.fork('kademlia')
    this.#settings = settings
  }

  /** A number for a peer, once for all its lives: peers are numbered in this order. */
  place(name: string, behaviour?: DhtBehaviour): number {
    const own = keyOf(name)
    const near = behaviour?.near
    const { high, low } = near ? nextTo(this.key(near.key), near.bits, own) : own
    return this.space.add(high, low)
  }

  /** Begins with an empty table. `refresh` keeps it in shape. */
  join(index: number, { isServer, behaviour }: { isServer: boolean; behaviour?: DhtBehaviour | undefined }): void {
    this.leave(index)
    if (behaviour) this.#liars.add(index)
    this.#members[index] = {
      index,
      isServer,
      table: new RoutingTable(this.space, index, this.#settings.k, this.#settings.prefixBits),
      behaviour,
      records: undefined,
      waiting: [],
      told: new Set(),
      meetings: 0,
      isOver: false,
    }
  }

  /** Its records and its table are gone; others notice when they ask. */
  leave(index: number): void {
    const member = this.#members[index]
    if (member) member.isOver = true
    this.#members[index] = undefined
    this.#liars.delete(index)
  }

  /** `peer` is connected to and answers: a server goes to the table. */
  see(at: number, peer: number): void {
    const member = this.#members[at]
    if (!member || !this.#members[peer]?.isServer) return
    member.table.see(peer, this.#scheduler.now())
    if (member.waiting.length > 0) for (const go of member.waiting.splice(0)) go()
  }

  tableOf(index: number): RoutingTable | undefined {
    return this.#members[index]?.table
  }

  isServer(index: number): boolean {
    return this.#members[index]?.isServer ?? false
  }

  /** Runs when the table is not empty, at once where it is not. */
  whenRouted(index: number, go: () => void): void {
    const member = this.#members[index]
    if (!member) return
    if (member.table.size > 0) go()
    else member.waiting.push(go)
  }

  /** From now on looks for its own neighbourhood, soon and then periodically, until it leaves. */
  refresh(index: number): void {
    const member = this.#members[index]
    if (!member) return
    const { firstRefreshMs, refreshMs, verifyMs } = this.#settings
    this.#later(firstRefreshMs, () => this.#settle(member, firstRefreshMs, () => this.#lookAcross(member)))
    const again = (): void => {
      this.#later(refreshMs, () => {
        if (member.isOver) return
        this.#settle(member, firstRefreshMs)
        this.find(index, this.#anywhere(), () => undefined)
        for (const peer of member.table.unseenSince(this.#scheduler.now() - verifyMs)) this.#verify(member, peer)
        again()
      })
    }
    again()
  }

  /** Looks for its own neighbourhood; where nobody answers it asks for an introduction, and tries again ever later. */
  #settle(member: Member, againMs: number, settled: () => void = () => undefined): void {
    if (member.isOver) return
    const { index } = member
    this.find(index, this.space.keyOf(index), ({ closest }) => {
      if (closest.length > 0) settled()
      if (closest.length > 0 || member.isOver || 2 * againMs > this.#settings.refreshMs) return
      // or those who come to it for an introduction would be an island with it
      for (const peer of this.#wire.fallback(index)) this.see(index, peer)
      this.#later(againMs, () => this.#settle(member, 2 * againMs, settled))
    })
  }

  /** In the half of all keys that is not its own. */
  #lookAcross({ index, isOver }: Member): void {
    if (isOver) return
    const { high } = this.space.keyOf(index)
    const key = this.#anywhere()
    this.find(index, { ...key, high: ((key.high & 0x7fffffff) | (~high & 0x80000000)) >>> 0 }, () => undefined)
  }

  #later(ms: number, act: () => void): void {
    this.#scheduler.at(this.#scheduler.now() + jittered(ms, this.#random.next()), act)
  }

  key(name: string): Key {
    let key = this.#keys.get(name)
    if (!key) {
      key = keyOf(name)
      this.#keys.set(name, key)
    }
    return key
  }

  /** The k closest that answer. */
  find(from: number, key: Key, done: (found: LookupResult) => void): Search {
    return this.#lookup({ from, key, isCounted: false, told: () => false, done })
  }

  /** Asks for one peer by its id, until somebody knows it. */
  findPeer(from: number, peer: number, done: (isKnown: boolean) => void): Search {
    let isKnown = this.#members[from]?.table.has(peer) ?? false
    if (isKnown) {
      done(true)
      return { stop: () => undefined }
    }
    const told = (_by: number, closer: readonly number[]): boolean => {
      isKnown ||= closer.includes(peer)
      return isKnown
    }
    return this.#lookup({ from, key: this.space.keyOf(peer), isCounted: false, told, done: () => done(isKnown) })
  }

  /** Each provider once, as peers tell of it; `found` returns whether that is enough. */
  findProviders(from: number, name: string, found: (provider: number) => boolean, done: () => void): Search {
    this.tally.providerLookups += 1
    const known = new Set<number>([from])
    let isEnough = false
    const take = (providers: readonly number[]): void => {
      for (const provider of providers) {
        if (isEnough || known.has(provider)) continue
        if (known.size === 1) this.tally.providerFound += 1
        known.add(provider)
        isEnough = found(provider)
      }
    }
    take(this.#providersAt(from, name))
    if (isEnough) {
      done()
      return { stop: () => undefined }
    }
    const told = (_by: number, _closer: readonly number[], providers: readonly number[]): boolean => {
      take(providers)
      return isEnough
    }
    return this.#lookup({ from, key: this.key(name), name, isCounted: true, told, done })
  }

  /** Puts a record at the k closest that answer; `done` with how many took it. */
  provide(from: number, name: string, done: (holders: number) => void): Search {
    this.tally.provides += 1
    this.#keep(from, name, from)
    const put = ({ closest }: LookupResult): void => {
      let left = closest.length
      let holders = 0
      if (left === 0) done(0)
      for (const peer of closest) {
        const serve = (): number => {
          this.#keep(peer, name, from)
          return 0
        }
        this.#call(from, peer, this.#settings.requestBytes, serve, (isAnswered) => {
          left -= 1
          if (isAnswered) holders += 1
          if (left > 0) return
          this.tally.provideHolders += holders
          done(holders)
        })
      }
    }
    return this.#lookup({ from, key: this.key(name), isCounted: true, told: () => false, done: put })
  }

  /** Those that hold a record of this provider now. */
  holdersOf(name: string, provider: number): readonly number[] {
    return this.#members.flatMap((member) => (member?.records?.get(name)?.untilMs.has(provider) ? [member.index] : []))
  }

  /** Of all servers that are here the closest: what a perfect lookup would find. */
  closestOfAll(key: Key): number | undefined {
    let best: number | undefined
    for (const member of this.#members) {
      if (!member?.isServer) continue
      if (best === undefined || this.space.compare(member.index, best, key) < 0) best = member.index
    }
    return best
  }

  #lookup({ done, from, isCounted, key, name, told }: Looking): Search {
    const { alpha, k } = this.#settings
    const member = this.#members[from]
    if (isCounted) this.tally.lookups += 1
    const lookup: Lookup = new Lookup({
      space: this.space,
      own: from,
      key,
      k,
      alpha,
      start: member?.table.closest(key) ?? [],
      ask: (peer, answered) => {
        this.#ask(from, peer, key, name, (answer) => {
          if (member?.isOver) return
          const isEnough = answer !== undefined && told(peer, answer.closer, answer.providers)
          answered(answer?.closer)
          if (isEnough) lookup.stop()
        })
      },
      done: (found) => {
        if (isCounted && found.closest.length > 0) {
          this.tally.answered += 1
          this.tally.hops += found.hops
        }
        done(found)
      },
    })
    lookup.run()
    return lookup
  }

  #ask(
    from: number,
    to: number,
    key: Key,
    name: string | undefined,
    done: (answer: { closer: readonly number[]; providers: readonly number[] } | undefined) => void,
  ): void {
    const { answerBytes, contactBytes, requestBytes } = this.#settings
    let closer: readonly number[] = []
    let providers: readonly number[] = []
    const serve = (): number => {
      const member = this.#members[to]
      if (member && this.#lies(member, key)) closer = this.#ownKind(to, from, key)
      else {
        closer = member?.table.closest(key, from) ?? []
        if (name !== undefined) providers = this.#providersAt(to, name)
      }
      return answerBytes + contactBytes * (closer.length + providers.length)
    }
    this.#call(from, to, requestBytes, serve, (isAnswered) => {
      if (isAnswered) this.#hear(from, closer, providers)
      done(isAnswered ? { closer, providers } : undefined)
    })
  }

  /** Those told of go to the table once they have answered themselves. */
  #hear(at: number, ...told: readonly (readonly number[])[]): void {
    const member = this.#members[at]
    if (!member || this.#settings.meetingsMax === 0) return
    for (const peers of told) for (const peer of peers) if (this.#wants(member, peer)) member.told.add(peer)
    this.#meet(member)
  }

  #wants({ table }: Member, peer: number): boolean {
    return table.wants(peer) && this.#members[peer]?.isServer !== false
  }

  #meet(member: Member): void {
    for (const peer of member.told) {
      if (member.isOver || member.meetings >= this.#settings.meetingsMax) return
      member.told.delete(peer)
      // others may have taken its place meanwhile
      if (!this.#wants(member, peer)) continue
      member.meetings += 1
      this.#verify(member, peer, () => {
        member.meetings -= 1
        this.#meet(member)
      })
    }
  }

  #call(from: number, to: number, bytes: number, serve: () => number, done: (isAnswered: boolean) => void): void {
    this.tally.messages += 1
    this.tally.bytes += bytes
    const counted = (): number => {
      const answer = serve()
      if (answer > 0) {
        this.tally.messages += 1
        this.tally.bytes += answer
      }
      return answer
    }
    this.#wire.call(from, to, bytes, counted, (isAnswered) => {
      if (isAnswered) this.see(from, to)
      else {
        this.tally.failedCalls += 1
        this.#members[from]?.table.drop(to)
      }
      done(isAnswered)
    })
  }

  #verify(member: Member, peer: number, done: () => void = () => undefined): void {
    const { answerBytes, requestBytes } = this.#settings
    this.#call(member.index, peer, requestBytes, () => answerBytes, done)
  }

  #lies({ behaviour }: Member, key: Key): boolean {
    if (!behaviour) return false
    return behaviour.lies === 'all' || behaviour.lies.some((name) => this.key(name) === key)
  }

  #ownKind(own: number, asking: number, key: Key): readonly number[] {
    return [...this.#liars]
      .filter((peer) => peer !== own && peer !== asking)
      .sort((a, b) => this.space.compare(a, b, key))
      .slice(0, this.#settings.k)
  }

  #keep(at: number, name: string, provider: number): void {
    const member = this.#members[at]
    if (!member || (member.behaviour && this.#lies(member, this.key(name)) && at !== provider)) return
    const { recordMs, recordsMax } = this.#settings
    member.records ??= new Map()
    let records = member.records.get(name)
    if (!records) {
      records = { untilMs: new Map(), live: [], liveUntilMs: 0 }
      member.records.set(name, records)
    }
    const { untilMs } = records
    records.liveUntilMs = 0
    untilMs.delete(provider)
    untilMs.set(provider, this.#scheduler.now() + recordMs)
    for (const oldest of untilMs.keys()) {
      if (untilMs.size <= recordsMax) break
      untilMs.delete(oldest)
    }
  }

  #providersAt(at: number, name: string): readonly number[] {
    const now = this.#scheduler.now()
    const records = this.#members[at]?.records?.get(name)
    if (!records) return []
    if (now < records.liveUntilMs) return records.live
    const live: number[] = []
    let liveUntilMs = Number.POSITIVE_INFINITY
    for (const [provider, untilMs] of records.untilMs) {
      if (untilMs > now) {
        live.push(provider)
        liveUntilMs = Math.min(liveUntilMs, untilMs)
      } else records.untilMs.delete(provider)
    }
    records.live = live
    records.liveUntilMs = liveUntilMs
    return live
  }

  #anywhere(): Key {
    return { high: Math.floor(this.#random.next() * 2 ** 32), low: Math.floor(this.#random.next() * 2 ** 32) }
  }
}

function keyOf(name: string): Key {
  const digest = createHash('sha256').update(name).digest()
  return { high: digest.readUInt32BE(0), low: digest.readUInt32BE(4) }
}

/** As a key whose first bits are another's: what its owner looked for among 2^bits of them. */
function nextTo(key: Key, bits: number, own: Key): Key {
  const ofHigh = Math.min(32, bits)
  const ofLow = Math.max(0, Math.min(32, bits - 32))
  return { high: joined(key.high, own.high, ofHigh), low: joined(key.low, own.low, ofLow) }
}

function joined(first: number, rest: number, bits: number): number {
  const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0
  return ((first & mask) | (rest & ~mask)) >>> 0
}

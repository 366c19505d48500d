// Gossipsub among numbered sites: a mesh kept by heartbeats, eager push along it, repair of what was missed, and
// validation at each receiver before it forwards.

import type { Verdict } from '../../../../node/ports.ts'
import type { Scheduler } from '../../../kernel.ts'
import { integer, type SeededRandom } from '../../../random.ts'
import { type Batch, Rehearsal, Rehearsed } from './rehearsed.ts'
import {
  type GossipSettings,
  type GossipWire,
  graylistScore,
  idBytes,
  messageOverheadBytes,
  type Offence,
  offended,
  publishScoreMin,
  scoreOf,
  type Validate,
} from './settings.ts'
import { GossipTally } from './tally.ts'

/** Sites beat in so many groups, one after another, so that a heartbeat is one event for many. */
const beatGroups = 10

const restHeartbeats = 10

const unseen = 0
const pending = 1
const kept = 2
const forwarded = 3

interface Site {
  readonly index: number
  readonly group: number
  readonly joinedMs: number
  validate: Validate | undefined
  readonly neighbours: Set<number>
  readonly mesh: Set<number>
  /** Until then there is no point in asking the same peers again: those refused are left alone for a while. */
  restUntilMs: number
  /** Peers that brought rejected messages; absent for most. */
  offences: Map<number, Offence> | undefined
}

/** One message on its way, by site. */
interface Passage {
  readonly author: number
  readonly message: Uint8Array
  readonly sentMs: number
  readonly bytes: number
  readonly state: Uint8Array
  /** When the earliest copy is there. */
  readonly dueMs: Float64Array
  readonly source: Int32Array
  readonly forwardedMs: Float64Array
  kept: number
  accepted: number
  /** When the last copy that counts is there. */
  lastMs: number
  isOver: boolean
}

export interface SwarmParts {
  readonly scheduler: Scheduler
  readonly wire: GossipWire
  readonly random: SeededRandom
  readonly settings: GossipSettings
}

export class GossipSwarm {
  readonly tally = new GossipTally()
  readonly #scheduler: Scheduler
  readonly #wire: GossipWire
  readonly #random: SeededRandom
  readonly #settings: GossipSettings
  readonly #sites: (Site | undefined)[] = []
  /** Whose mesh may need work at the next heartbeat, by group. */
  readonly #unsettled: Set<number>[] = Array.from({ length: beatGroups }, () => new Set())
  readonly #spare: Passage[] = []
  readonly #rehearsed: Rehearsed
  #subscribers = 0
  #subscriberList: readonly number[] | undefined
  #isBeating = false
  #beat = 0

  constructor({ scheduler, wire, random, settings }: SwarmParts) {
    this.#scheduler = scheduler
    this.#wire = wire
    this.#random = random.fork('mesh')
    this.#settings = settings
    this.#rehearsed = new Rehearsed({
      random: random.fork('rehearsal'),
      rehearse: (sites, neighboursEach, bytes, own) => rehearse(wire, settings, sites, neighboursEach, bytes, own),
    })
  }

  get subscribers(): number {
    return this.#subscribers
  }

  meshOf(site: number): readonly number[] {
    return [...(this.#sites[site]?.mesh ?? [])]
  }

  join(index: number): void {
    this.leave(index)
    this.#sites[index] = {
      index,
      group: integer(this.#random, beatGroups),
      joinedMs: this.#scheduler.now(),
      validate: undefined,
      neighbours: new Set(),
      mesh: new Set(),
      restUntilMs: 0,
      offences: undefined,
    }
  }

  /** Gone at once here; those it was connected to learn it by `disconnect`. */
  leave(index: number): void {
    const site = this.#sites[index]
    if (!site) return
    if (site.validate) this.#countSubscribers(-1)
    this.#sites[index] = undefined
  }

  subscribe(index: number, validate: Validate): void {
    const site = this.#sites[index]
    if (!site) return
    site.validate = validate
    this.#countSubscribers(1)
    this.#unsettle(site)
    for (const neighbour of site.neighbours) this.#unsettleAt(neighbour)
  }

  connect(a: number, b: number): void {
    this.#sites[a]?.neighbours.add(b)
    this.#sites[b]?.neighbours.add(a)
    this.#unsettleAt(a)
    this.#unsettleAt(b)
  }

  /** What one side knows of it: the other may learn later, or have been the one to go. */
  disconnect(at: number, from: number): void {
    const site = this.#sites[at]
    if (!site) return
    site.neighbours.delete(from)
    if (site.mesh.delete(from)) this.#unsettle(site)
  }

  publish(author: number, message: Uint8Array): void {
    this.tally.published += 1
    const passage = this.#passage(author, message)
    if (this.#subscribers > this.#settings.fullPeersMax) {
      this.#deliverRehearsed(passage)
      return
    }
    const now = passage.sentMs
    passage.state[author] = forwarded
    passage.forwardedMs[author] = now
    const site = this.#sites[author]
    if (site) {
      // its own messages go to every neighbour that listens, not only along the mesh
      for (const to of site.neighbours) {
        if (this.#sites[to]?.validate && this.#scoreAt(site, to) >= publishScoreMin)
          this.#push(passage, author, to, now)
      }
    }
    this.#repairLater(passage, 1)
  }

  // along the mesh

  #push(passage: Passage, from: number, to: number, now: number): void {
    this.tally.copies += 1
    this.tally.bytes += passage.bytes
    this.#expect(passage, from, to, this.#wire.carry(from, to, passage.bytes), now)
  }

  #expect(passage: Passage, from: number, to: number, dueMs: number, now: number): void {
    if (dueMs === Number.POSITIVE_INFINITY) {
      this.tally.lost += 1
      return
    }
    const state = passage.state[to]
    if (state !== unseen) this.tally.duplicates += 1
    // only the earliest copy needs an event: the others are known to be duplicates now
    if ((state !== unseen && state !== pending) || dueMs >= (passage.dueMs[to] ?? 0)) return
    passage.state[to] = pending
    passage.dueMs[to] = dueMs
    passage.source[to] = from
    const at = Math.max(now, dueMs + this.#settings.validationMs)
    passage.lastMs = Math.max(passage.lastMs, at)
    this.#scheduler.at(at, () => this.#arrive(passage, to, dueMs))
  }

  #arrive(passage: Passage, to: number, dueMs: number): void {
    if (passage.isOver || passage.state[to] !== pending || passage.dueMs[to] !== dueMs) return
    this.#wire.inside(to, () => {
      const site = this.#sites[to]
      const from = passage.source[to] ?? 0
      if (!site || passage.isOver || passage.state[to] !== pending) return
      if (this.#scoreAt(site, from) < graylistScore) {
        passage.state[to] = unseen
        passage.dueMs[to] = Number.POSITIVE_INFINITY
        return
      }
      if (this.#judge(passage, site, from) === 'accept') this.#forward(passage, site)
    })
  }

  #judge(passage: Passage, site: Site, from: number): Verdict {
    const now = this.#scheduler.now()
    passage.state[site.index] = kept
    passage.kept += 1
    this.tally.delivered += 1
    this.tally.delaysMs.add(now - passage.sentMs)
    const verdict = verdictOf(site.validate, passage)
    if (verdict === 'accept') {
      passage.accepted += 1
      this.tally.accepted += 1
    }
    if (verdict === 'reject') {
      site.offences ??= new Map()
      site.offences.set(from, offended(site.offences.get(from), now))
      this.#unsettle(site)
    }
    return verdict
  }

  #forward(passage: Passage, site: Site): void {
    const now = this.#scheduler.now()
    const own = site.index
    passage.state[own] = forwarded
    passage.forwardedMs[own] = now
    const lazy = Math.min(this.#settings.lazyDegree, site.neighbours.size - site.mesh.size)
    this.tally.controlBytes += Math.max(0, lazy) * this.#settings.lazyHeartbeats * idBytes
    const isUnwanted = passage.bytes >= this.#settings.unwantedBytesMin
    if (isUnwanted) this.tally.controlBytes += site.mesh.size * idBytes
    for (const to of site.mesh) {
      if (to === passage.source[own] || to === passage.author) continue
      // it has sent a copy here, or said that it needs none, and that has arrived
      const saidMs = isUnwanted ? (passage.dueMs[to] ?? 0) : (passage.forwardedMs[to] ?? 0)
      if (saidMs < now && saidMs + this.#wire.oneWayMs(to, own) <= now) continue
      if (this.#scoreAt(site, to) >= publishScoreMin) this.#push(passage, own, to, now)
    }
  }

  // what the mesh missed

  #repairLater(passage: Passage, heartbeat: number): void {
    const { heartbeatMs, lazyHeartbeats } = this.#settings
    this.#scheduler.at(passage.sentMs + heartbeat * heartbeatMs, () => {
      if (heartbeat <= lazyHeartbeats) {
        if (passage.kept < this.#subscribers - 1) this.#repair(passage)
        this.#repairLater(passage, heartbeat + 1)
      } else if (heartbeat < lazyHeartbeats + 3) {
        this.#repairLater(passage, lazyHeartbeats + 3) // what was asked for last is still on its way
      } else this.#endAfter(passage)
    })
  }

  #endAfter(passage: Passage): void {
    if (passage.lastMs < this.#scheduler.now()) this.#end(passage)
    else this.#scheduler.at(passage.lastMs + this.#settings.heartbeatMs, () => this.#endAfter(passage))
  }

  /** A neighbour that has the message tells its id to a few; who lacks it asks, and gets it. */
  #repair(passage: Passage): void {
    const { heartbeatMs, lazyDegree } = this.#settings
    const now = this.#scheduler.now()
    for (const site of this.#sites) {
      if (!site?.validate || site.index === passage.author || passage.state[site.index] !== unseen) continue
      for (const from of site.neighbours) {
        const holder = this.#sites[from]
        if (!holder || passage.state[from] !== forwarded) continue
        const outside = holder.neighbours.size - holder.mesh.size
        if (holder.mesh.has(site.index) || this.#random.next() * outside >= Math.max(lazyDegree, outside / 4)) continue
        const toldMs = this.#random.next() * heartbeatMs + 2 * this.#wire.oneWayMs(from, site.index)
        const dueMs = this.#wire.carry(from, site.index, passage.bytes)
        if (dueMs === Number.POSITIVE_INFINITY) continue
        this.tally.repaired += 1
        this.tally.controlBytes += 2 * idBytes
        this.tally.bytes += passage.bytes
        this.#expect(passage, from, site.index, dueMs + toldMs, now)
        break
      }
    }
  }

  #end(passage: Passage): void {
    for (const site of this.#sites) {
      if (!site?.validate || site.index === passage.author || site.joinedMs > passage.sentMs) continue
      this.tally.expected += 1
      if ((passage.state[site.index] ?? unseen) >= kept) this.tally.reached += 1
    }
    passage.isOver = true
    if (this.#spare.length < 64) this.#spare.push(passage)
  }

  // above `fullPeersMax`

  #deliverRehearsed(passage: Passage): void {
    const { author, bytes, sentMs } = passage
    this.#subscriberList ??= this.#sites.flatMap((site) => (site?.validate ? [site.index] : []))
    const connected = this.#subscriberList.reduce((sum, at) => sum + (this.#sites[at]?.neighbours.size ?? 0), 0)
    const show = this.#rehearsed.draw(this.#subscriberList, connected / this.#subscribers, bytes)
    const copies = show.copiesEach * this.#subscribers
    this.tally.copies += copies
    this.tally.duplicates += copies - this.#subscribers
    this.tally.bytes += copies * bytes
    this.tally.controlBytes += this.#subscribers * this.#settings.lazyDegree * this.#settings.lazyHeartbeats * idBytes
    for (const batch of show.batches) {
      this.#scheduler.at(sentMs + batch.delayMs, () => this.#deliverBatch(passage, batch))
    }
    const lastMs = show.batches.at(-1)?.delayMs ?? 0
    this.#scheduler.at(sentMs + lastMs + this.#settings.heartbeatMs, () => this.#end(passage))
    passage.state[author] = forwarded
  }

  #deliverBatch(passage: Passage, { hops, sites }: Batch): void {
    // what its receivers do not accept they do not pass on: somebody in the mesh must have
    const share = passage.kept === 0 ? 1 : passage.accepted / passage.kept
    const isPassedOn = hops <= 1 ? 1 : 1 - (1 - share) ** this.#settings.degree
    for (const to of sites) {
      const site = this.#sites[to]
      if (to === passage.author || !site?.validate || site.joinedMs > passage.sentMs) continue
      if (!this.#wire.canReach(passage.author, to)) {
        this.tally.lost += 1
        continue
      }
      if (isPassedOn < 1 && this.#random.next() >= isPassedOn) continue
      passage.state[to] = pending
      this.#wire.inside(to, () => {
        const current = this.#sites[to]
        if (current === site && !passage.isOver) this.#judge(passage, site, passage.author)
      })
    }
  }

  // the mesh

  #countSubscribers(change: number): void {
    this.#subscribers += change
    this.#subscriberList = undefined
  }

  #unsettleAt(index: number): void {
    const site = this.#sites[index]
    if (site) this.#unsettle(site)
  }

  #unsettle(site: Site): void {
    if (!site.validate) return
    site.restUntilMs = 0
    this.#unsettled[site.group]?.add(site.index)
    if (this.#isBeating) return
    this.#isBeating = true
    this.#beatLater()
  }

  #beatLater(): void {
    this.#scheduler.at(this.#scheduler.now() + this.#settings.heartbeatMs / beatGroups, () => {
      this.#beat = (this.#beat + 1) % beatGroups
      const due = this.#unsettled[this.#beat]
      if (due && this.#subscribers <= this.#settings.fullPeersMax) {
        const indexes = [...due]
        due.clear()
        for (const index of indexes) this.#tend(index)
      }
      if (this.#unsettled.some(({ size }) => size > 0)) this.#beatLater()
      else this.#isBeating = false
    })
  }

  /** One site's heartbeat: too few, graft; too many, prune; who brought rejected messages goes. */
  #tend(index: number): void {
    const site = this.#sites[index]
    if (!site) return
    const { degree, degreeMax, degreeMin } = this.#settings
    if (site.offences) for (const peer of site.mesh) if (this.#scoreAt(site, peer) < 0) this.#part(site, peer)
    const now = this.#scheduler.now()
    if (site.mesh.size < degreeMin && now < site.restUntilMs) this.#unsettled[site.group]?.add(index)
    else if (site.mesh.size < degreeMin) {
      const others = [...site.neighbours].filter((peer) => this.#mayGraft(site, peer))
      while (site.mesh.size < degree && others.length > 0) {
        const peer = taken(others, this.#random)
        site.mesh.add(peer)
        this.#sites[peer]?.mesh.add(index)
        this.tally.controlBytes += idBytes
      }
      // all who listen are in the mesh or full
      if (site.mesh.size < degreeMin && site.mesh.size < site.neighbours.size) {
        this.#unsettle(site)
        site.restUntilMs = now + restHeartbeats * this.#settings.heartbeatMs
      }
    }
    if (site.mesh.size > degreeMax) {
      const members = [...site.mesh]
      while (site.mesh.size > degree) this.#part(site, taken(members, this.#random))
    }
  }

  #mayGraft(site: Site, peer: number): boolean {
    const other = this.#sites[peer]
    if (!other?.validate || !other.neighbours.has(site.index) || site.mesh.has(peer)) return false
    if (other.mesh.size >= this.#settings.degreeMax) return false
    return this.#scoreAt(site, peer) >= 0 && this.#scoreAt(other, site.index) >= 0
  }

  #part(site: Site, peer: number): void {
    site.mesh.delete(peer)
    this.tally.controlBytes += idBytes
    const other = this.#sites[peer]
    if (other?.mesh.delete(site.index)) this.#unsettle(other)
    this.#unsettle(site)
  }

  #scoreAt(site: Site, peer: number): number {
    return site.offences === undefined ? 0 : scoreOf(site.offences.get(peer), this.#scheduler.now())
  }

  #passage(author: number, message: Uint8Array): Passage {
    const sentMs = this.#scheduler.now()
    const bytes = message.length + messageOverheadBytes
    const size = this.#sites.length
    const spare = this.#spare.pop()
    const isLarge = spare !== undefined && spare.state.length >= size
    const room = Math.max(64, Math.ceil(size * 1.25))
    const passage: Passage = {
      author,
      message,
      sentMs,
      bytes,
      state: isLarge ? spare.state.fill(unseen) : new Uint8Array(room),
      dueMs: isLarge ? spare.dueMs : new Float64Array(room),
      source: isLarge ? spare.source : new Int32Array(room),
      forwardedMs: isLarge ? spare.forwardedMs : new Float64Array(room),
      kept: 0,
      accepted: 0,
      lastMs: sentMs,
      isOver: false,
    }
    passage.dueMs.fill(Number.POSITIVE_INFINITY)
    passage.forwardedMs.fill(Number.POSITIVE_INFINITY)
    return passage
  }
}

const rehearsalMessages = 8
const rehearsalGapMs = 20_000

/** The same settings and ways among these sites, all subscribed, each with so many neighbours. */
function rehearse(
  wire: GossipWire,
  settings: GossipSettings,
  sites: readonly number[],
  neighboursEach: number,
  bytes: number,
  random: SeededRandom,
): { readonly delaysMs: readonly number[]; readonly copiesEach: number } {
  const scheduler = new Rehearsal()
  const swarm = new GossipSwarm({
    scheduler,
    wire: wire.rehearsal(sites, () => scheduler.now()),
    random,
    settings: { ...settings, fullPeersMax: Number.POSITIVE_INFINITY },
  })
  const delaysMs: number[] = []
  let sentMs = 0
  for (const at of sites.keys()) {
    swarm.join(at)
    swarm.subscribe(at, () => {
      delaysMs.push(scheduler.now() - sentMs)
      return 'accept'
    })
  }
  connectAtRandom(swarm, sites.length, neighboursEach, random)
  scheduler.run(rehearsalGapMs)
  const message = new Uint8Array(Math.max(0, bytes - messageOverheadBytes))
  for (let count = 0; count < rehearsalMessages; count += 1) {
    sentMs = scheduler.now()
    swarm.publish(integer(random, sites.length), message)
    scheduler.run(sentMs + rehearsalGapMs)
  }
  return { delaysMs, copiesEach: swarm.tally.copies / Math.max(1, swarm.tally.delivered) }
}

/** Each site connects to half as many as it will have, chosen at random. */
export function connectAtRandom(
  swarm: Pick<GossipSwarm, 'connect'>,
  sites: number,
  neighboursEach: number,
  random: SeededRandom,
): void {
  const dials = Math.min(Math.ceil(neighboursEach / 2), Math.floor((sites - 1) / 2))
  for (let from = 0; from < sites; from += 1) {
    for (let dial = 0; dial < dials; dial += 1) {
      const to = (from + 1 + integer(random, sites - 1)) % sites
      swarm.connect(from, to)
    }
  }
}

/** A validator that chokes on a message rejects it. */
function verdictOf(validate: Validate | undefined, { author, message }: Passage): Verdict {
  if (!validate) return 'ignore'
  try {
    return validate(author, message)
  } catch {
    return 'reject'
  }
}

/** One of the items, removed from them. */
function taken(items: number[], random: SeededRandom): number {
  const at = integer(random, items.length)
  const item = items[at] ?? 0
  items[at] = items.at(-1) ?? item
  items.pop()
  return item
}

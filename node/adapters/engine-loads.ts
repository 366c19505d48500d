// Which of several engines are loaded: a request waits for its own, and the one unused longest makes room.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import type { Engine, Model } from '../ports.ts'
import { cancelled } from '../waits.ts'

export type PooledEngine = Engine & { stop(): Promise<void> }

export interface Member {
  readonly start: (signal: AbortSignal) => Promise<PooledEngine>
  /** As they were at the first start. */
  readonly models: readonly Model[]
  engine: PooledEngine | undefined
  /** While its engine is being started or stopped. */
  moving: Promise<void> | undefined
  users: number
  /** Grows with each use of any. */
  usedAt: number
  /** Why it could not be loaded, as long as that is believed. */
  failure: MeshError | undefined
}

/** An engine that stays loaded until released. */
export interface Lease {
  readonly engine: PooledEngine
  readonly isOver: boolean
  /** Safe to call twice. */
  release(): void
}

export interface LoadLimits {
  readonly loadedMax: number
  /** A request waits at most this long. */
  readonly loadMsMax: number
}

interface Waiting {
  readonly member: Member
  readonly grant: () => void
  readonly refuse: (error: Error) => void
}

/** A model that could not be loaded is not tried again for so long. */
const failureMs = 5_000
const waitingMax = 1_024

export class Loads {
  readonly #limits: LoadLimits
  readonly #members: Member[] = []
  readonly #stopped = new AbortController()
  /** The oldest first. */
  #waiting: readonly Waiting[] = []
  #uses = 0

  constructor(limits: LoadLimits) {
    this.#limits = limits
  }

  get members(): readonly Member[] {
    return this.#members
  }

  /** Starts one more, after making room for it. Only before anything is acquired. */
  async add(
    start: Member['start'],
    signal: AbortSignal,
  ): Promise<{ readonly member: Member; readonly engine: PooledEngine }> {
    const loaded = this.#members.filter(({ engine }) => engine)
    const leaving = loaded.length >= this.#limits.loadedMax ? oldest(loaded) : undefined
    if (leaving) await this.#unload(leaving)
    const engine = await start(signal)
    this.#uses += 1
    const state = { moving: undefined, users: 0, usedAt: this.#uses, failure: undefined }
    const member: Member = { start, models: engine.models, engine, ...state }
    this.#members.push(member)
    return { member, engine }
  }

  /** Waits until it is loaded. Rejects with `engine-failed` where it cannot be, `busy` where that takes too long. */
  async acquire(member: Member, signal: AbortSignal): Promise<Lease> {
    if (signal.aborted) throw cancelled(signal)
    if (this.#stopped.signal.aborted) throw cancelled(this.#stopped.signal)
    if (member.failure) throw member.failure
    if (this.#waiting.length >= waitingMax) throw new MeshError('busy', `${waitingMax} requests wait for their models`)
    const { promise, reject, resolve } = Promise.withResolvers<void>()
    const waiting: Waiting = { member, grant: resolve, refuse: reject }
    const leave = (): void => reject(cancelled(signal))
    const timer = setTimeout(() => reject(this.#late(member)), this.#limits.loadMsMax)
    signal.addEventListener('abort', leave, { once: true })
    this.#waiting = [...this.#waiting, waiting]
    this.#arrange()
    try {
      await promise
    } catch (error) {
      this.#waiting = this.#waiting.filter((other) => other !== waiting)
      this.#arrange() // room that was being made may not be needed any more
      throw error
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', leave)
    }
    return this.#leaseOf(member)
  }

  /** Fails what waits; resolves when no engine is left. */
  async stop(): Promise<void> {
    const error = new MeshError('engine-failed', 'the engine was stopped')
    this.#stopped.abort(error)
    for (const { refuse } of this.#waiting) refuse(error)
    await Promise.all(
      this.#members.map(async (member) => {
        await member.moving
        await this.#unload(member)
      }),
    )
  }

  /** The use was counted when it was granted. */
  #leaseOf(member: Member): Lease {
    const { engine } = member
    if (!engine) throw new TypeError('granted without an engine')
    let isOver = false
    const release = (): void => {
      if (isOver) return
      isOver = true
      member.users -= 1
      this.#arrange()
    }
    return {
      engine,
      release,
      get isOver() {
        return isOver
      },
    }
  }

  /**
   * Who waits longest decides what is loaded next; for it the least recently used of the others leaves, an idle one
   * first. One that is busy is waited for: it takes nobody new meanwhile, so that traffic of one model keeps no other out.
   */
  #arrange(): void {
    if (this.#stopped.signal.aborted) return
    const next = [...new Set(this.#waiting.map(({ member }) => member))].slice(0, this.#limits.loadedMax)
    const needed = next.filter(({ engine, moving }) => !engine && !moving)
    const occupied = this.#members.filter(({ engine, moving }) => engine ?? moving)
    const room = this.#limits.loadedMax - occupied.length
    for (const member of needed.slice(0, Math.max(0, room))) this.#load(member)
    // those that stop already make room too
    const stopping = occupied.filter(({ engine, moving }) => engine && moving).length
    const others = occupied.filter((member) => !member.moving && !next.includes(member)).sort(byUse)
    const leaving = new Set(others.slice(0, Math.max(0, needed.length - Math.max(0, room) - stopping)))
    for (const waiting of this.#waiting) {
      const { engine, moving } = waiting.member
      if (!engine || moving || leaving.has(waiting.member)) continue
      this.#waiting = this.#waiting.filter((other) => other !== waiting)
      this.#uses += 1
      waiting.member.usedAt = this.#uses
      waiting.member.users += 1
      waiting.grant()
    }
    for (const member of leaving) {
      if (member.users > 0) continue
      member.moving = this.#unload(member).finally(() => {
        member.moving = undefined
        this.#arrange()
      })
    }
  }

  #load(member: Member): void {
    const started = member.start(this.#stopped.signal).then(async (engine) => {
      member.engine = engine // also one that is not wanted any more: it is stopped as any other
      if (isSame(engine.models, member.models)) return
      await this.#unload(member)
      throw new MeshError('engine-failed', `${nameOf(member)} has changed on disk since it was announced`)
    })
    member.moving = started
      .catch((error: unknown) => this.#fail(member, asMeshError(error, 'engine-failed')))
      .finally(() => {
        member.moving = undefined
        this.#arrange()
      })
  }

  async #unload(member: Member): Promise<void> {
    await member.engine?.stop().catch(() => undefined) // nothing more can be done about it
    member.engine = undefined
  }

  #fail(member: Member, cause: MeshError): void {
    const failure = new MeshError('engine-failed', `${nameOf(member)} could not be loaded: ${cause.message}`, { cause })
    member.failure = failure
    setTimeout(() => {
      member.failure = undefined
    }, failureMs).unref()
    for (const waiting of this.#waiting) if (waiting.member === member) waiting.refuse(failure)
    this.#waiting = this.#waiting.filter((waiting) => waiting.member !== member)
  }

  #late(member: Member): MeshError {
    const { loadMsMax, loadedMax } = this.#limits
    const rest = `${loadedMax} of ${this.#members.length} models are loaded at once`
    return new MeshError('busy', `${nameOf(member)} was not loaded within ${loadMsMax} ms; ${rest}`)
  }
}

function nameOf({ models }: Member): string {
  return models.map(({ name }) => name).join(', ')
}

function isSame(some: readonly Model[], others: readonly Model[]): boolean {
  return some.length === others.length && some.every(({ key }, at) => key === others[at]?.key)
}

/** Idle ones first, then the one unused longest. */
function byUse(one: Member, other: Member): number {
  return Math.min(one.users, 1) - Math.min(other.users, 1) || one.usedAt - other.usedAt
}

function oldest(members: readonly Member[]): Member | undefined {
  return members.toSorted(byUse)[0]
}

// Who is decoded now, who waits, who is turned away. Full means refuse now.

import { counted } from '../../protocol/counted.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Clock } from '../ports.ts'
import { inTurn, measured, type ServiceTime, waitMs } from './turns.ts'

export interface AdmissionLimits {
  readonly slots: number
  readonly queueMax: number
  /** Running and waiting, of one payer. */
  readonly peerRequestsMax: number
}

/** What a provider has taken on when somebody asks. */
export interface AdmissionLoad {
  readonly active: number
  readonly queued: number
  /** Running and waiting, of the payer who asks. */
  readonly ofPeer: number
  /** It takes nothing new: paused, outside its hours, shutting down. */
  readonly isDraining: boolean
}

/** The last three are refusals: nothing new is taken, this payer has enough, all is full. */
export type AdmissionDecision = 'run' | 'queue' | 'draining' | 'too-many' | 'full'

/** What becomes of one more request. Pure. */
export function admit(limits: AdmissionLimits, load: AdmissionLoad): AdmissionDecision {
  if (load.isDraining) return 'draining'
  if (load.ofPeer >= limits.peerRequestsMax) return 'too-many'
  if (load.active < limits.slots) return 'run'
  return load.queued < limits.queueMax ? 'queue' : 'full'
}

export interface Lease {
  release(): void
}

/** Why nothing new is taken. */
export interface Closure {
  readonly reason: string
  /** Unix milliseconds; undefined where nobody knows. */
  readonly untilMs?: number | undefined
}

/** A place in the queue, from 1, and when a slot can be expected; undefined before any request was served. */
export type Moved = (position: number, etaMs: number | undefined) => void

interface Waiting {
  readonly peer: PeerId
  readonly admit: () => void
  readonly refuse: (error: Error) => void
  readonly moved: Moved
  /** As it was told; 0 before. */
  place: number
}

export class Admission {
  readonly #limits: AdmissionLimits
  readonly #clock: Pick<Clock, 'now'>
  readonly #changed: () => void
  /** Of those who have requests here, running and waiting. */
  readonly #perPeer = new Map<PeerId, number>()
  readonly #running = new Map<PeerId, number>()
  /** When a payer that waits last had its turn, counted in turns; one that comes is last. */
  readonly #turns = new Map<PeerId, number>()
  #turn = 0
  /** In order of arrival. */
  #waiting: readonly Waiting[] = []
  /** The same in order of their turns. */
  #queue: readonly Waiting[] = []
  #active = 0
  #service: ServiceTime | undefined
  #closure: Closure | undefined
  #isDraining = false

  /** `changed` is called whenever the figures below may have changed. */
  constructor(limits: AdmissionLimits, clock: Pick<Clock, 'now'>, changed: () => void) {
    this.#limits = limits
    this.#clock = clock
    this.#changed = changed
  }

  get active(): number {
    return this.#active
  }

  get slotsFree(): number {
    return this.isOpen ? this.#limits.slots - this.#active : 0
  }

  get queued(): number {
    return this.#queue.length
  }

  get requests(): number {
    return this.#active + this.#queue.length
  }

  get isOpen(): boolean {
    return this.#closure === undefined
  }

  /** Nothing new until it is opened again; what waits is turned away, what runs goes on. */
  close(closure: Closure): void {
    if (this.#isDraining) return
    this.#closure = closure
    const waiting = this.#queue
    this.#waiting = []
    this.#queue = []
    this.#turns.clear()
    for (const { refuse } of waiting) refuse(this.#closed())
    this.#changed()
  }

  open(): void {
    if (this.#isDraining) return
    this.#closure = undefined
    this.#changed()
  }

  /** Closed for good. */
  drain(): void {
    this.close({ reason: 'this provider is shutting down' })
    this.#isDraining = true
  }

  /** A slot, perhaps after a wait. Throws `draining` or `busy`; `moved` is told each new place in the queue. */
  acquire(peer: PeerId, signal: AbortSignal, moved: Moved): Promise<Lease> {
    const { slots, queueMax, peerRequestsMax } = this.#limits
    const ofPeer = this.#perPeer.get(peer) ?? 0
    const load = { active: this.#active, queued: this.#queue.length, ofPeer, isDraining: !this.isOpen }
    switch (admit(this.#limits, load)) {
      case 'run':
        add(this.#perPeer, peer, 1)
        this.#active += 1
        this.#changed()
        return Promise.resolve(this.#lease(peer))
      case 'queue':
        return this.#wait(peer, signal, moved)
      case 'draining':
        return Promise.reject(this.#closed())
      case 'too-many':
        return Promise.reject(
          new MeshError(
            'busy',
            `${counted(ofPeer, 'request of this payer is', 'requests of this payer are')} open, at most ${peerRequestsMax}`,
          ),
        )
      case 'full':
        return Promise.reject(
          new MeshError('busy', `all ${slots} slots are taken and ${queueMax} requests wait`, {
            retryAfterMs: waitMs(this.#service, slots, 1),
          }),
        )
    }
  }

  #closed(): MeshError {
    const { reason = 'this provider takes nothing new', untilMs } = this.#closure ?? {}
    const retryAfterMs = untilMs === undefined ? undefined : Math.max(0, Math.ceil(untilMs - this.#clock.now()))
    return new MeshError('draining', reason, { retryAfterMs })
  }

  #wait(peer: PeerId, signal: AbortSignal, moved: Moved): Promise<Lease> {
    add(this.#perPeer, peer, 1)
    return new Promise((resolve, reject) => {
      const refuse = (error: Error): void => {
        signal.removeEventListener('abort', leave)
        add(this.#perPeer, peer, -1)
        this.#changed()
        reject(error)
      }
      const leave = (): void => {
        this.#remove(waiting)
        refuse(signal.reason instanceof Error ? signal.reason : new MeshError('cancelled', 'left the queue'))
        this.#tellPlaces()
      }
      const admit = (): void => {
        signal.removeEventListener('abort', leave)
        resolve(this.#lease(peer))
      }
      const waiting: Waiting = { peer, admit, refuse, moved, place: 0 }
      if (signal.aborted) return leave()
      signal.addEventListener('abort', leave)
      if (!this.#turns.has(peer)) this.#turns.set(peer, this.#nextTurn())
      this.#waiting = [...this.#waiting, waiting]
      this.#reorder()
      this.#tellPlaces()
      this.#changed()
    })
  }

  #lease(peer: PeerId): Lease {
    add(this.#running, peer, 1)
    const sinceMs = this.#clock.now()
    let isHeld = true
    return {
      release: () => {
        if (!isHeld) return
        isHeld = false
        this.#service = measured(this.#service, this.#clock.now() - sinceMs)
        add(this.#perPeer, peer, -1)
        add(this.#running, peer, -1)
        this.#reorder()
        const [next] = this.#queue
        if (next) {
          next.admit()
          this.#turns.set(next.peer, this.#nextTurn())
          this.#remove(next)
        } else this.#active -= 1
        this.#tellPlaces()
        this.#changed()
      },
    }
  }

  #remove(waiting: Waiting): void {
    this.#waiting = this.#waiting.filter((other) => other !== waiting)
    if (!this.#waiting.some(({ peer }) => peer === waiting.peer)) this.#turns.delete(waiting.peer)
    this.#reorder()
  }

  #reorder(): void {
    this.#queue = inTurn(this.#waiting, this.#running, this.#turns)
  }

  /** To whoever has another place now. */
  #tellPlaces(): void {
    for (const [at, waiting] of this.#queue.entries()) {
      if (waiting.place === at + 1) continue
      waiting.place = at + 1
      waiting.moved(at + 1, waitMs(this.#service, this.#limits.slots, at + 1))
    }
  }

  #nextTurn(): number {
    this.#turn += 1
    return this.#turn
  }
}

function add(counts: Map<PeerId, number>, peer: PeerId, by: 1 | -1): void {
  const count = (counts.get(peer) ?? 0) + by
  if (count === 0) counts.delete(peer)
  else counts.set(peer, count)
}

// Who is decoded now, who waits, who is turned away. Full means refuse now.

import { MeshError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'

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
  readonly isDraining: boolean
}

/** The last three are refusals: shutting down, this payer has enough, all is full. */
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

interface Waiting {
  readonly peer: PeerId
  readonly admit: () => void
  readonly refuse: (error: Error) => void
  readonly moved: (position: number) => void
}

export class Admission {
  readonly #limits: AdmissionLimits
  readonly #changed: () => void
  readonly #perPeer = new Map<PeerId, number>()
  #queue: readonly Waiting[] = []
  #active = 0
  #isDraining = false

  /** `changed` is called whenever the figures below may have changed. */
  constructor(limits: AdmissionLimits, changed: () => void) {
    this.#limits = limits
    this.#changed = changed
  }

  get active(): number {
    return this.#active
  }

  get slotsFree(): number {
    return this.#isDraining ? 0 : this.#limits.slots - this.#active
  }

  get queued(): number {
    return this.#queue.length
  }

  get requests(): number {
    return this.#active + this.#queue.length
  }

  /** No more from now on; what waits is turned away, what runs goes on. */
  drain(): void {
    this.#isDraining = true
    const waiting = this.#queue
    this.#queue = []
    for (const { refuse } of waiting) refuse(new MeshError('draining', 'this provider is shutting down'))
    this.#changed()
  }

  /** A slot, perhaps after a wait. Throws `draining` or `busy`; `moved` is told each new place in the queue, from 1. */
  acquire(peer: PeerId, signal: AbortSignal, moved: (position: number) => void): Promise<Lease> {
    const { slots, queueMax, peerRequestsMax } = this.#limits
    const ofPeer = this.#perPeer.get(peer) ?? 0
    const load = { active: this.#active, queued: this.#queue.length, ofPeer, isDraining: this.#isDraining }
    switch (admit(this.#limits, load)) {
      case 'run':
        this.#count(peer, 1)
        this.#active += 1
        this.#changed()
        return Promise.resolve(this.#lease(peer))
      case 'queue':
        return this.#wait(peer, signal, moved)
      case 'draining':
        return Promise.reject(new MeshError('draining', 'this provider is shutting down'))
      case 'too-many':
        return Promise.reject(
          new MeshError('busy', `${ofPeer} requests of this payer are open, at most ${peerRequestsMax}`),
        )
      case 'full':
        return Promise.reject(new MeshError('busy', `all ${slots} slots are taken and ${queueMax} requests wait`))
    }
  }

  #wait(peer: PeerId, signal: AbortSignal, moved: (position: number) => void): Promise<Lease> {
    this.#count(peer, 1)
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#queue = this.#queue.filter((other) => other !== waiting)
        refuse(signal.reason instanceof Error ? signal.reason : new MeshError('cancelled', 'left the queue'))
        this.#tellPositions()
      }
      const refuse = (error: Error): void => {
        signal.removeEventListener('abort', leave)
        this.#count(peer, -1)
        this.#changed()
        reject(error)
      }
      const admit = (): void => {
        signal.removeEventListener('abort', leave)
        resolve(this.#lease(peer))
      }
      const waiting: Waiting = { peer, admit, refuse, moved }
      if (signal.aborted) return leave()
      signal.addEventListener('abort', leave)
      this.#queue = [...this.#queue, waiting]
      moved(this.#queue.length)
      this.#changed()
    })
  }

  #lease(peer: PeerId): Lease {
    let isHeld = true
    return {
      release: () => {
        if (!isHeld) return
        isHeld = false
        this.#count(peer, -1)
        const [next, ...rest] = this.#queue
        this.#queue = rest
        if (next) next.admit()
        else this.#active -= 1
        this.#tellPositions()
        this.#changed()
      },
    }
  }

  #tellPositions(): void {
    this.#queue.forEach(({ moved }, at) => {
      moved(at + 1)
    })
  }

  #count(peer: PeerId, by: number): void {
    const count = (this.#perPeer.get(peer) ?? 0) + by
    if (count === 0) this.#perPeer.delete(peer)
    else this.#perPeer.set(peer, count)
  }
}

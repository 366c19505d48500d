// When a provider serves: not while it is paused, and not outside its hours. What runs may finish.

import type { Clock, Observe, Ports } from '../ports.ts'
import type { Admission, Closure } from './admission.ts'
import { changesAtMs, isOpenAt, type Schedule } from './schedule.ts'

/** A machine may sleep, and its clock be set, while nothing here runs: hours are looked at this often. */
const lookMs = 60_000

export type OpeningState = 'open' | 'paused' | 'closed'

const closures = {
  paused: (): Closure => ({ reason: 'this provider is paused' }),
  closed: (untilMs: number | undefined): Closure => ({ reason: 'this provider is outside its hours', untilMs }),
}

export class Opening {
  readonly #schedule: Schedule
  readonly #clock: Clock
  readonly #admission: Admission
  readonly #observe: Observe
  #isPaused = false
  #isScheduled = true
  #state: OpeningState = 'open'
  /** When the schedule changes, as last found out. */
  #changesAtMs: number | undefined

  constructor(schedule: Schedule, admission: Admission, { clock, observe }: Pick<Ports, 'clock' | 'observe'>) {
    this.#schedule = schedule
    this.#admission = admission
    this.#clock = clock
    this.#observe = observe
    this.#look()
  }

  get state(): OpeningState {
    return this.#state
  }

  /** When the schedule next opens or closes; undefined without one. Unix milliseconds. */
  get changesAtMs(): number | undefined {
    return this.#changesAtMs
  }

  /** Safe to call twice. */
  pause(): void {
    this.#isPaused = true
    this.#look()
  }

  resume(): void {
    this.#isPaused = false
    this.#look()
  }

  /** Keeps the hours until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#schedule.windows.length === 0) return
    while (!signal.aborted) {
      const untilMs = (this.#changesAtMs ?? Number.POSITIVE_INFINITY) - this.#clock.now()
      await this.#clock.sleep(Math.max(1, Math.min(lookMs, untilMs)), signal).catch(() => undefined)
      if (!signal.aborted) this.#look()
    }
  }

  #look(): void {
    const nowMs = this.#clock.now()
    const isScheduled = isOpenAt(this.#schedule, nowMs)
    const state = this.#isPaused ? 'paused' : isScheduled ? 'open' : 'closed'
    if (isScheduled !== this.#isScheduled || (this.#changesAtMs ?? nowMs) <= nowMs) {
      this.#changesAtMs = changesAtMs(this.#schedule, nowMs)
    }
    this.#isScheduled = isScheduled
    if (state === this.#state) return
    this.#state = state
    if (state === 'open') this.#admission.open()
    else this.#admission.close(closures[state](this.#changesAtMs))
    this.#observe({ type: 'serving-changed', state, untilMs: state === 'paused' ? undefined : this.#changesAtMs })
  }
}

// Carries a plan out on a world: starts the peers, asks what was planned, lets faults happen, heals, and demands that
// everything then works. What it sees goes to the recorder and the checkers; it knows no tier.

import type { InferenceEvent, InferenceResult } from '../node/inference.ts'
import { unlessCancelled } from '../node/waits.ts'
import { asMeshError } from '../protocol/errors.ts'
import type { Nano } from '../protocol/money.ts'
import { Checkers } from './checkers.ts'
import { differencesNow, reconcile } from './ledgers.ts'
import { promptDigest } from './model/engine/tokens.ts'
import type { Fault, Plan, PlannedRequest } from './plan.ts'
import { messagesOf } from './prompt.ts'
import { type OpenRequest, Recorder } from './recorder.ts'
import type { Audit, AuditedChannel, Heard, Weather, World } from './world.ts'

export interface RunOptions {
  /** Ends early and keeps what there is. */
  readonly signal?: AbortSignal | undefined
  /** Ends at this virtual time since the start: for a look at what happened then. */
  readonly untilMs?: number | undefined
  /** Told now and then in virtual time. */
  readonly progress?: ((state: Progress) => void) | undefined
  readonly heard?: ((heard: Heard) => void) | undefined
}

export interface Progress {
  readonly virtualMs: number
  readonly totalMs: number
  readonly events: number
  readonly requestsDone: number
  readonly requestsFailed: number
  readonly requestsActive: number
}

/** What became of a plan. */
export interface Observations {
  readonly recorder: Recorder
  readonly checkers: Checkers
  /** The last one; of a channel whose provider is down, what its books said when it last ran. */
  readonly audit: Audit | undefined
  /** Who was connected to whom, by name, before the peers stopped. */
  readonly connections: ReadonlyMap<string, readonly string[]>
  readonly figures: Readonly<Record<string, number>>
  readonly isComplete: boolean
}

/** Peers start one after the other within this share of the warm-up: not all in one instant, which no mesh ever did. */
const startShare = 0.5
const startMsMax = 30_000
/** After healing, before the mesh must be whole: the longest that anybody waits before it looks again. */
const restMs = 120_000
/** Twice the longest that a request may take by default. */
const endMsMax = 1_200_000
/** Requests that must all succeed once faults are over, one after the other. */
const probesMax = 40
const probe = { promptTokens: 32, completionTokens: 8 }
/** Time series have about this many points. */
const samplesMax = 200
const sampleMsMin = 1_000

export async function carryOut(plan: Plan, world: World, options: RunOptions = {}): Promise<Observations> {
  const run = new Run(plan, world, options)
  const rejected = (error: unknown): void => run.rejected(error)
  process.on('unhandledRejection', rejected)
  try {
    await (options.signal ? unlessCancelled(world.open(plan), options.signal) : world.open(plan))
    await world.drive(run.whole(), options.signal)
  } catch (error) {
    if (!options.signal?.aborted) throw error
  } finally {
    process.off('unhandledRejection', rejected)
    run.lookAround()
    await world.close()
  }
  return run.observations()
}

type Books = { readonly owedNano: Nano; readonly coveredNano: Nano }

class Run {
  readonly #plan: Plan
  readonly #world: World
  readonly #options: RunOptions
  readonly #recorder: Recorder
  readonly #checkers: Checkers
  /** Who waits for whose death. */
  readonly #deaths = new Map<string, Set<() => void>>()
  readonly #down = new Set<string>()
  readonly #weather = new Set<() => void>()
  readonly #asked = new Map<Promise<void>, { readonly number: number; readonly consumer: string }>()
  /** Of named outages, a band each however many peers they strike. */
  readonly #banded = new Set<string>()
  readonly #connections = new Map<string, readonly string[]>()
  /** What each provider's books said of each payer when it last ran. */
  readonly #books = new Map<AuditedChannel['payee'], Map<AuditedChannel['escrow'], Books>>()
  #startMs = 0
  #isHealing = false
  #isHealed = false
  #isComplete = false
  #ledgerFigures: Readonly<Record<string, number>> = {}
  #audit: Audit | undefined

  constructor(plan: Plan, world: World, options: RunOptions) {
    this.#plan = plan
    this.#world = world
    this.#options = options
    this.#recorder = new Recorder(plan, (peer) => world.nameOf(peer))
    this.#checkers = new Checkers(plan, (peer) => world.nameOf(peer))
    world.observe((heard) => {
      this.#recorder.heard(heard)
      this.#checkers.heard(heard)
      options.heard?.(heard)
    })
  }

  observations(): Observations {
    return {
      recorder: this.#recorder,
      checkers: this.#checkers,
      audit: this.#audit,
      connections: this.#connections,
      figures: { ...this.#world.figures(), ...this.#ledgerFigures },
      isComplete: this.#isComplete,
    }
  }

  rejected(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#checkers.rejected(text.split('\n').slice(0, 4).join(' '), this.#now())
  }

  async whole(): Promise<void> {
    const { durationMs, peers, requests, faults } = this.#plan
    this.#startMs = this.#world.clock.now()
    this.#recorder.began(this.#startMs)
    const ended = new AbortController()
    const samples = this.#sample(ended.signal)
    await this.#begin()
    const turns = [this.#ask(requests), this.#suffer(faults)]
    const untilMs = this.#options.untilMs ?? Number.POSITIVE_INFINITY
    await this.#until(Math.min(durationMs, untilMs))
    if (untilMs <= durationMs) return
    await this.#heal()
    await Promise.all(turns)
    await this.#probe()
    this.lookAround()
    // who owes first, so that those who are owed can still be told
    for (const isConsumer of [true, false]) {
      const leaving = peers.filter(({ consumer }) => (consumer !== undefined) === isConsumer)
      await Promise.all(leaving.map(({ name }) => this.#inTime(`stopping ${name}`, this.#world.stop(name))))
      await this.#look()
    }
    ended.abort()
    await samples
    this.#reconcile()
    this.#checkers.ended(this.#now())
    this.#isComplete = true
  }

  /** Once, while the peers run. */
  lookAround(): void {
    if (this.#startMs === 0 || this.#connections.size > 0) return
    for (const { name } of this.#plan.peers) this.#connections.set(name, this.#world.connectionsOf(name))
  }

  async #begin(): Promise<void> {
    const { peers, warmupMs } = this.#plan
    const rampMs = Math.min(startMsMax, startShare * warmupMs)
    // those that others find the mesh by come first
    const order = [...peers.filter(({ consumer }) => !consumer), ...peers.filter(({ consumer }) => consumer)]
    const starts: Promise<void>[] = []
    for (const [at, { name }] of order.entries()) {
      await this.#until((at * rampMs) / order.length)
      starts.push(this.#start(name))
    }
    await Promise.all(starts)
  }

  async #start(name: string): Promise<void> {
    this.#down.delete(name)
    await this.#world.start(name)
    const slots = this.#world.slotsOf(name)
    this.#recorder.up(name, true, slots)
    this.#checkers.slots(name, slots)
  }

  async #ask(requests: readonly PlannedRequest[]): Promise<void> {
    for (const [number, request] of requests.entries()) {
      await this.#until(request.atMs)
      if (this.#down.has(request.consumer)) continue // nobody there to ask
      this.#asking(number, request)
    }
  }

  #asking(number: number, request: PlannedRequest): Promise<void> {
    const asked = this.#answer(number, request).finally(() => this.#asked.delete(asked))
    this.#asked.set(asked, { number, consumer: request.consumer })
    return asked
  }

  /** Resolves when it ended, whichever way; also when its consumer died. */
  async #answer(number: number, planned: PlannedRequest): Promise<void> {
    const leaving = new AbortController()
    const request = this.#recorder.asked(number, planned, this.#now())
    const death = this.#death(planned.consumer)
    let failure = ''
    try {
      const result = await this.#follow(request, planned, leaving, death.died)
      if (!result) this.#recorder.ended(request, { outcome: 'lost', code: '' }, this.#now())
      else {
        const isLeft = result.finish === 'cancelled'
        if (isLeft && !leaving.signal.aborted) failure = 'it ended as cancelled, and nobody had cancelled it'
        this.#recorder.ended(request, { outcome: isLeft ? 'left' : 'ok', code: '', result }, this.#now())
      }
    } catch (error) {
      const { code, message } = asMeshError(error, 'internal')
      const isLeft = leaving.signal.aborted
      if (!isLeft) failure = `${code}: ${message}`
      this.#recorder.ended(request, { outcome: isLeft ? 'left' : 'failed', code }, this.#now())
    } finally {
      death.forget()
    }
    if (failure !== '' && this.#isHealed) {
      this.#checkers.failedAfterHealing(number, planned.consumer, request.id, failure, this.#now())
    }
  }

  /** Undefined where the consumer died. */
  async #follow(
    request: OpenRequest,
    planned: PlannedRequest,
    leaving: AbortController,
    died: Promise<undefined>,
  ): Promise<InferenceResult | undefined> {
    const { model, completionTokens, consumer, conversation, leaveAfterTokens } = planned
    const messages = messagesOf(planned)
    const digest = promptDigest(messages)
    const asked = { model, messages, sampling: { tokensMax: completionTokens }, affinity: conversation }
    const events = this.#world.infer(consumer, asked, leaving.signal)
    for (;;) {
      const coming = this.#recorder.starting(request, () => events.next())
      coming.catch(() => undefined) // where its consumer dies first
      const next = await Promise.race([coming, died])
      if (next === undefined) return undefined
      if (next.done) return next.value
      const event: InferenceEvent = next.value
      if (event.type === 'delta') {
        const wrong = this.#checkers.delta(planned, digest, request.tokens, event, request.provider, this.#now())
        this.#recorder.corrupted(wrong)
      }
      this.#recorder.progressed(request, event, this.#now())
      if (leaveAfterTokens !== undefined && request.tokens >= leaveAfterTokens) leaving.abort()
    }
  }

  #death(peer: string): { readonly died: Promise<undefined>; forget(): void } {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const tell = (): void => resolve(undefined)
    const waiting = this.#deaths.get(peer) ?? new Set()
    this.#deaths.set(peer, waiting.add(tell))
    return { died: promise, forget: () => waiting.delete(tell) }
  }

  async #suffer(faults: readonly Fault[]): Promise<void> {
    for (const fault of faults) {
      await this.#until(fault.atMs)
      if (this.#isHealing) return
      void this.#happen(fault)
    }
  }

  async #happen(fault: Fault): Promise<void> {
    const world = this.#world
    const endMs = Math.min(fault.atMs + fault.forMs, this.#plan.durationMs)
    if (fault.kind === 'partition' || fault.kind === 'degrade' || fault.kind === 'chain') {
      this.#recorder.band({ label: labelOf(fault), fromMs: fault.atMs, toMs: endMs })
      const end = world.disturb(fault)
      this.#weather.add(end)
      await this.#until(endMs)
      if (this.#weather.delete(end)) end()
      return
    }
    const { label, peer } = fault
    if (this.#down.has(peer)) return
    const band = { label: label ?? '', fromMs: fault.atMs, toMs: endMs }
    if (label !== undefined && !this.#banded.has(JSON.stringify(band))) {
      this.#banded.add(JSON.stringify(band))
      this.#recorder.band(band)
    }
    if (fault.kind === 'freeze') {
      world.freeze(peer)
      await this.#until(endMs)
      world.thaw(peer)
      return
    }
    this.#down.add(peer)
    if (fault.kind === 'crash') {
      world.kill(peer, { power: fault.power })
      this.#gone(peer)
    } else await world.stop(peer)
    this.#recorder.up(peer, false, 0)
    await this.#until(endMs)
    if (this.#down.has(peer)) await this.#start(peer)
  }

  #gone(peer: string): void {
    this.#checkers.died(peer)
    for (const tell of this.#deaths.get(peer) ?? []) tell()
  }

  /** All faults end; from here on only what they left behind may still fail, and after a rest nothing. */
  async #heal(): Promise<void> {
    this.#isHealing = true
    for (const end of this.#weather) end()
    this.#weather.clear()
    await Promise.all(
      [...this.#asked].map(([asked, { consumer, number }]) => this.#inTime(`request ${number} of ${consumer}`, asked)),
    )
    await this.#world.clock.sleep(Math.min(restMs, this.#plan.healMs))
    this.#isHealed = true
  }

  async #probe(): Promise<void> {
    const { requests } = this.#plan
    const asked = new Map(requests.map((request) => [request.consumer, request]))
    const honest = new Set(this.#plan.peers.flatMap(({ adversary, name }) => (adversary ? [] : [name])))
    let number = requests.length
    for (const [consumer, { model }] of [...asked].slice(0, probesMax)) {
      if (!honest.has(consumer)) continue
      const atMs = this.#now()
      const asking = this.#asking(number, { ...probe, atMs, consumer, model, conversation: `probe ${number}` })
      await this.#inTime(`request ${number} of ${consumer}`, asking)
      number += 1
    }
  }

  /** Whatever the node does ends by itself; what does not is a violation, and the run goes on without it. */
  async #inTime(what: string, work: Promise<void>): Promise<void> {
    const done = new AbortController()
    const late = this.#world.clock.sleep(endMsMax, done.signal).then(
      () => this.#checkers.stuck(`${what} did not end within ${endMsMax} ms`, this.#now()),
      () => undefined,
    )
    await Promise.race([work, late])
    done.abort(new Error('in time'))
  }

  async #sample(signal: AbortSignal): Promise<void> {
    const { durationMs } = this.#plan
    const everyMs = Math.max(sampleMsMin, Math.ceil(durationMs / samplesMax))
    for (let atMs = 0; !signal.aborted; atMs += everyMs) {
      await this.#until(atMs, signal)
      if (signal.aborted) return
      const audit = await this.#look()
      this.#recorder.sample(this.#now(), audit, this.#world.figures())
      this.#options.progress?.({
        virtualMs: this.#now(),
        totalMs: durationMs,
        events: this.#world.figures()['events'] ?? 0,
        requestsDone: this.#recorder.done,
        requestsFailed: this.#recorder.failed,
        requestsActive: this.#recorder.active,
      })
    }
  }

  async #look(): Promise<Audit> {
    const audit = await this.#world.audit()
    this.#checkers.audited(audit, this.#now())
    this.#checkers.ledgers(differencesNow(this.#world.ledgers?.() ?? []), this.#now())
    this.#audit = { ...audit, channels: audit.channels.map((channel) => this.#remembered(channel)) }
    return audit
  }

  /** Everybody has stopped: no coin is on its way any more. */
  #reconcile(): void {
    const ledgers = this.#world.ledgers?.()
    if (!ledgers || !this.#audit) return
    const { figures, findings } = reconcile(ledgers, this.#audit)
    this.#checkers.ledgers(findings, this.#now())
    this.#ledgerFigures = figures
  }

  #remembered(channel: AuditedChannel): AuditedChannel {
    const { coveredNano, escrow, owedNano, payee } = channel
    if (owedNano === undefined || coveredNano === undefined)
      return { ...channel, ...this.#books.get(payee)?.get(escrow) }
    const books = this.#books.get(payee) ?? new Map<AuditedChannel['escrow'], Books>()
    this.#books.set(payee, books.set(escrow, { owedNano, coveredNano }))
    return channel
  }

  /** Since the start of the run. */
  #now(): number {
    return this.#startMs === 0 ? 0 : this.#world.nowMs() - this.#startMs
  }

  async #until(atMs: number, signal?: AbortSignal): Promise<void> {
    const leftMs = atMs - this.#now()
    if (leftMs > 0) await this.#world.clock.sleep(leftMs, signal).catch(() => undefined)
  }
}

function labelOf(weather: Weather): string {
  switch (weather.kind) {
    case 'partition':
      return `partition ${weather.between.join(' | ')}`
    case 'degrade':
      return `${weather.of}: loss ${weather.loss}, latency × ${weather.latencyFactor}`
    case 'chain':
      return weather.how === 'fee-spike' ? `chain fees × ${weather.factor}` : `chain ${weather.how}`
  }
}

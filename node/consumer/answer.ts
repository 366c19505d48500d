// One answer in the making: tries a provider, when it fails goes on at another from the exact token reached, and asks a second
// where that was wanted and the first is slow to begin.

import { asMeshError, type ErrorCode, MeshError } from '../../protocol/errors.ts'
import type { EndReason } from '../../protocol/frames.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { costNano, formatGram, type Nano } from '../../protocol/money.ts'
import type { Task } from '../../protocol/task.ts'
import type { InferenceEvent, InferenceRequest, InferenceResult } from '../inference.ts'
import { cancelled } from '../waits.ts'
import { Choosing, type ChoosingParts, charactersOf } from './choosing.ts'
import { promptTokensBound } from './delivery.ts'
import type { Candidate } from './directory.ts'
import { type FirstTokens, race } from './hedge.ts'
import type { Chosen } from './history.ts'
import { HubFailure } from './hub.ts'
import { Leg, type LegParts } from './leg.ts'
import { type Wishes, wishesOf } from './preferences.ts'
import { Progress } from './progress.ts'
import type { SessionRequest } from './session.ts'

export interface AnswerParts extends LegParts, Pick<ChoosingParts, 'directory' | 'history' | 'routing'> {
  readonly firstTokens: FirstTokens
}

/** The answer's end waits this long for the account of a provider that lost the race: a round trip across the world. */
const loserMs = 500

export class Answer {
  readonly #parts: AnswerParts
  readonly #request: InferenceRequest
  /** The caller's, and this answer's own deadline. */
  readonly #signal: AbortSignal
  readonly #deadline = new AbortController()
  readonly #budgetNano: Nano
  readonly #wishes: Wishes
  readonly #requestId: string
  readonly #startedAtMs: number
  readonly #progress: Progress
  readonly #choosing: Choosing
  readonly #legs: Leg[] = []
  /** Those where the budget does not pay for all that was asked for. */
  readonly #short = new WeakSet<Chosen>()
  /** The leg that leads now. */
  #course: { leg: Leg } | undefined
  /** Of the attempts, to have a second at once. */
  #hedges = 0
  /** What a provider said no other could help with; believed when a second one says the same. */
  #refusedCode: ErrorCode | undefined
  #peer: PeerId | undefined
  #failure: MeshError | undefined
  /** A hub failed. */
  #isDirect = false
  /** The last that did: it may have delivered all of the answer before. */
  #failed: Leg | undefined
  /** A provider said that a limit was reached, and it was not; good enough where nobody else can go on. */
  #cut: { readonly leg: Leg; readonly tokens: number } | undefined

  constructor(parts: AnswerParts, request: InferenceRequest, signal: AbortSignal) {
    this.#parts = parts
    this.#request = request
    this.#progress = new Progress(request)
    this.#signal = AbortSignal.any([signal, this.#deadline.signal])
    const { requestNanoMax } = parts.config.consumer
    const { costNanoMax = requestNanoMax } = request
    this.#budgetNano = costNanoMax < requestNanoMax ? costNanoMax : requestNanoMax
    this.#wishes = wishesOf(request.preferences ?? {}, parts.config.consumer)
    this.#requestId = Buffer.from(parts.ports.random.bytes(16)).toString('hex')
    this.#startedAtMs = parts.ports.clock.now()
    this.#choosing = new Choosing({
      ...parts,
      request,
      requestId: this.#requestId,
      wishes: this.#wishes,
      progress: this.#progress,
    })
  }

  async *run(): AsyncGenerator<InferenceEvent, InferenceResult, undefined> {
    const { observe } = this.#parts.ports
    observe({ type: 'request-started', request: this.#requestId, model: this.#request.model })
    this.#request.begun?.(this.#requestId)
    let outcome: EndReason | 'failed' = 'cancelled' // what it is when the caller leaves
    this.#watchDeadline()
    try {
      const { leg, finish } = yield* this.#answer()
      await this.#losersAccounted()
      outcome = finish
      return this.#result(leg, finish)
    } catch (error) {
      this.#failure = asMeshError(error, 'internal')
      outcome = this.#failure.code === 'cancelled' ? 'cancelled' : 'failed'
      throw this.#failure
    } finally {
      this.#deadline.abort(new MeshError('cancelled', 'the answer is over'))
      for (const leg of this.#legs) await leg.leave() // all were told at once
      this.#progress.unread(this.#course?.leg.unreadTokens ?? 0)
      this.#finished(outcome)
    }
  }

  /** Provider after provider, until one has ended it. */
  async *#answer(): AsyncGenerator<InferenceEvent, Ended, undefined> {
    for (;;) {
      let leg: Leg
      try {
        leg = this.#leg(await this.#choose())
      } catch (error) {
        if (!this.#cut || this.#signal.aborted) throw error
        return { leg: this.#cut.leg, finish: 'length' }
      }
      const course = { leg }
      this.#course = course
      try {
        const finish = yield* this.#relay(course)
        if (this.#deadline.signal.aborted) throw cancelled(this.#deadline.signal)
        if (finish === 'cancelled' && cancelled(this.#signal).code === 'draining') throw cancelled(this.#signal)
        return { leg: course.leg, finish }
      } catch (error) {
        const finish = this.#afterFailure(course.leg, asMeshError(error))
        if (finish) return { leg: course.leg, finish }
      }
    }
  }

  #watchDeadline(): void {
    const { config, ports } = this.#parts
    const { requestMs } = config.consumer
    ports.clock.sleep(requestMs, this.#deadline.signal).then(
      () => this.#expire(),
      () => undefined, // it ended before
    )
  }

  #expire(): void {
    const { requestMs } = this.#parts.config.consumer
    this.#deadline.abort(new MeshError('timeout', `the request took longer than ${requestMs} ms`))
  }

  async #choose(): Promise<Chosen> {
    if (this.#leftMs() <= 0) this.#expire() // the machine's clock was set ahead: what sleeps has not heard of it
    if (this.#signal.aborted) throw cancelled(this.#signal)
    const chosen = await this.#choosing.next(this.#failure, this.#signal)
    this.#peer = chosen.advert.peer
    return chosen
  }

  #leg(candidate: Chosen): Leg {
    const { history } = this.#parts
    const order = {
      requestId: this.#requestId,
      isEscrowDoubted: this.#failure !== undefined && doubts.has(this.#failure.code),
      isDirect: this.#isDirect,
      request: () => this.#sessionRequest(candidate),
      measure: () => history.begin(candidate, charactersOf(this.#request), this.#request.affinity),
    }
    const leg = new Leg(this.#parts, candidate, order, this.#signal)
    this.#legs.push(leg)
    return leg
  }

  /** What is left of the request. */
  #sessionRequest(candidate: Chosen): SessionRequest {
    const task = this.#progress.rest()
    const tokensBudget = this.#tokensBudget(candidate, task)
    if (tokensBudget < wantedTokens(task, candidate)) this.#short.add(candidate)
    return {
      ...task,
      requestId: this.#requestId,
      tokensBudget,
      deadlineMs: Math.max(1, this.#leftMs()),
      resumeText: this.#progress.text,
      resumeTokenIds: [...this.#progress.tokenIds],
    }
  }

  /** `course.leg` is the one that leads at any time: another where a second provider was faster. */
  async *#relay(course: { leg: Leg }): AsyncGenerator<InferenceEvent, EndReason, undefined> {
    const patienceMs = this.#patienceMs()
    let step = patienceMs === undefined ? await course.leg.next() : yield* this.#race(course, patienceMs)
    while (!step.done) {
      if (step.value.type === 'queued') this.#choosing.assertBest(course.leg, step.value.etaMs)
      const event = this.#taken(course.leg, step.value)
      if (event) yield event
      step = await course.leg.next()
    }
    return step.value
  }

  /** The event as the caller gets it, where it does. */
  #taken(leg: Leg, event: InferenceEvent): InferenceEvent | undefined {
    switch (event.type) {
      case 'queued':
        return this.#progress.isBegun ? undefined : event
      case 'accepted':
        this.#progress.accepted(leg.usage)
        return event
      case 'embedding':
        return { ...event, index: this.#progress.embedded(event.vector, leg.peer, leg.candidate) }
      case 'delta':
        if (event.tokens > 0 && this.#progress.tokens === 0) this.#begun(leg)
        this.#progress.said(event, leg.candidate)
        return event
    }
  }

  #begun({ peer }: Leg): void {
    const { firstTokens, ports } = this.#parts
    const elapsedMs = this.#elapsedMs()
    firstTokens.note(this.#request.model, elapsedMs)
    ports.observe({ type: 'first-token', request: this.#requestId, peer, elapsedMs })
  }

  // hedging

  /** From now on, until a second provider is asked; undefined where none is to be. */
  #patienceMs(): number | undefined {
    const { config, firstTokens } = this.#parts
    const hedge = this.#request.hedge ?? config.consumer.hedge
    if (hedge === 'off' || this.#progress.isBegun || this.#hedges > 0 || !this.#wishes.allowFallbacks) return undefined
    const patienceMs = firstTokens.patienceMs(hedge, this.#request.model)
    return patienceMs === undefined ? undefined : Math.max(0, patienceMs - this.#elapsedMs())
  }

  async *#race(
    course: { leg: Leg },
    patienceMs: number,
  ): AsyncGenerator<InferenceEvent, IteratorResult<InferenceEvent, EndReason>, undefined> {
    const { clock, observe } = this.#parts.ports
    const over = new AbortController()
    const racing = race(course.leg, {
      second: async () => {
        try {
          await clock.sleep(patienceMs, over.signal)
          return await this.#second(course.leg)
        } catch {
          return undefined // the race is over, or nobody else serves this
        }
      },
      failed: (leg, failure, other) => {
        if (leg === course.leg) this.#hedges -= 1 // it is a failover now
        course.leg = other
        this.#report(leg, asMeshError(failure))
      },
    })
    try {
      for (;;) {
        const next = await racing.next()
        if (next.done) {
          const { winner, loser, step } = next.value
          const isSecond = course.leg !== winner
          course.leg = winner
          this.#peer = winner.peer
          if (loser) {
            void loser.leave()
            const told = { request: this.#requestId, peer: winner.peer, loser: loser.peer }
            observe({ type: 'hedge-won', ...told, isSecond, elapsedMs: this.#elapsedMs() })
          }
          return step
        }
        const { event: came, racer } = next.value
        if (came.type === 'queued' && this.#hedges === 0) this.#choosing.assertBest(racer, came.etaMs)
        const event = this.#taken(racer, came)
        if (event) yield event
      }
    } finally {
      over.abort(new MeshError('cancelled', 'the race is over'))
    }
  }

  /** Only one that could begin now, and only where the budget would pay both answers whole. */
  async #second(first: Leg): Promise<Leg | undefined> {
    const { openRequests, ports } = this.#parts
    if (first.costNanoMax === undefined || this.#signal.aborted) return undefined
    const chosen = await this.#choose()
    this.#hedges += 1
    const leg = this.#leg(chosen)
    const { offer } = chosen
    const isFree = offer.slotsFree >= (openRequests.get(leg.peer) ?? 0) // of which this one is counted already
    if (!isFree || !this.#fits(chosen)) {
      await leg.leave()
      return undefined
    }
    const told = { request: this.#requestId, peer: leg.peer, first: first.peer }
    ports.observe({ type: 'hedge-started', ...told, elapsedMs: this.#elapsedMs() })
    return leg
  }

  #fits(candidate: Chosen): boolean {
    return this.#tokensBudget(candidate, this.#request) >= wantedTokens(this.#request, candidate)
  }

  /** Or given up: their providers have what was signed, and the rest is a debt. */
  async #losersAccounted(): Promise<void> {
    const { clock } = this.#parts.ports
    const losers = this.#legs.filter(({ isOver }) => !isOver)
    if (losers.length === 0) return
    const over = new AbortController()
    const patience = clock.sleep(loserMs, over.signal).catch(() => undefined)
    await Promise.race([patience, Promise.all(losers.map((leg) => leg.leave()))])
    over.abort(new MeshError('cancelled', 'they have'))
    for (const leg of losers) if (!leg.isOver) leg.abandon()
  }

  // failing and ending

  /** Throws where no other provider could help; an end where nothing is left to ask for. */
  #afterFailure(leg: Leg, failure: MeshError): EndReason | undefined {
    const { tokenIds, tokens } = this.#progress
    this.#report(leg, failure)
    if (this.#signal.aborted) throw cancelled(this.#signal)
    const whole = this.#progress.wholeAs()
    if (whole) return whole
    this.#cut = leg.endedAs === 'length' ? { leg, tokens } : this.#cut
    if (this.#cut?.tokens !== tokens) this.#cut = undefined // others went on since
    if (this.#choosing.isExhausted) {
      if (this.#cut) return 'length'
      throw failure
    }
    if (failure.remedy === 'never' && !(failure instanceof HubFailure)) {
      if (this.#refusedCode === failure.code) throw failure // two say so
      this.#refusedCode = failure.code
    }
    if (tokens !== tokenIds.length) {
      const why = `${tokens - tokenIds.length} of the ${tokens} tokens came without their ids`
      throw new MeshError(failure.code, `${failure.message}; ${why}, so no other provider can go on after them`, {
        cause: failure,
      })
    }
    return undefined
  }

  #report(leg: Leg, failure: MeshError): void {
    const { debts, directory, ports } = this.#parts
    this.#failure = failure
    this.#failed = leg
    void leg.leave() // where it was this side that ended it
    if (leg.isUnreached) this.#choosing.noteUnreached()
    const isOfHub = failure instanceof HubFailure
    this.#isDirect ||= isOfHub
    // it may be asked again, and is then paid directly, or has been paid what it was owed before
    const isOwed = failure.code === 'credit-exhausted' && leg.costNano === 0n
    if (isOfHub || isOwed) this.#choosing.allowAgain(leg.peer)
    ports.observe({
      type: 'attempt-failed',
      request: this.#requestId,
      peer: leg.peer,
      code: failure.code,
      message: failure.message,
      tokensDelivered: this.#progress.tokens,
    })
    void debts.pay(leg.peer)
    const isOwn = failure.code === 'chain-unavailable' && !leg.isHeard // this peer's endpoint
    if (!this.#signal.aborted && !isOwn && !isOfHub && !isOrdinary(failure)) directory.failed(leg.peer, failure.message)
  }

  #result(leg: Leg, finish: EndReason): InferenceResult {
    const { advert, offer } = leg.candidate
    if (leg !== this.#failed) this.#parts.directory.succeeded(advert.peer)
    return {
      requestId: this.#requestId,
      finish,
      provider: advert.peer,
      modelName: offer.name,
      usage: this.#progress.usage,
      costNano: this.#costNano,
      failovers: this.#failovers,
      ...(this.#isCutByBudget(leg, finish) && { isCutByBudget: true }),
    }
  }

  #isCutByBudget({ candidate }: Leg, finish: EndReason): boolean {
    const { completionTokens, promptTokens } = this.#progress.usage
    const isFull = promptTokens + completionTokens >= candidate.offer.contextTokens
    return finish === 'length' && !isFull && this.#short.has(candidate)
  }

  #finished(outcome: EndReason | 'failed'): void {
    const { observe } = this.#parts.ports
    this.#request.spent?.(this.#costNano)
    observe({
      type: 'request-finished',
      request: this.#requestId,
      peer: this.#peer,
      outcome,
      code: outcome === 'failed' ? this.#failure?.code : undefined,
      usage: this.#progress.usage,
      costNano: this.#costNano,
      elapsedMs: this.#elapsedMs(),
      failovers: this.#failovers,
    })
  }

  get #costNano(): Nano {
    return this.#legs.reduce((sum, leg) => sum + leg.costNano, 0n)
  }

  get #failovers(): number {
    return Math.max(0, this.#choosing.attempts - 1 - this.#hedges)
  }

  #elapsedMs(): number {
    return this.#parts.ports.clock.now() - this.#startedAtMs
  }

  #leftMs(): number {
    return this.#parts.config.consumer.requestMs - this.#elapsedMs()
  }

  /**
   * What the budget pays for even if the prompt had as many tokens as it could, and others cost all they may yet. Throws
   * `over-budget` where that is nothing.
   */
  #tokensBudget({ offer }: Candidate, task: Task): number {
    const { price, contextTokens } = offer
    const promptTokens = Math.min(
      contextTokens * (task.inputs?.length ?? 1),
      promptTokensBound(task, this.#progress.tokenIds),
    )
    const promptNano = costNano({ promptTokens, cachedTokens: 0, completionTokens: 0 }, price)
    const spentNano = this.#legs.reduce((sum, leg) => sum + (leg.costNanoMax ?? 0n), 0n)
    const leftNano = this.#budgetNano - spentNano - promptNano
    const tokens = price.completionNano === 0n ? contextTokens : Number((leftNano * 1_000_000n) / price.completionNano)
    if (leftNano >= 0n && (tokens >= 1 || task.inputs)) return tokens
    throw new MeshError(
      'over-budget',
      `the prompt may cost ${formatGram(promptNano)} GRAM, and of the ${formatGram(this.#budgetNano)} that this request may cost ${formatGram(spentNano)} are spent`,
    )
  }
}

interface Ended {
  /** Which ended it. */
  readonly leg: Leg
  readonly finish: EndReason
}

/** At most, of an answer. */
function wantedTokens({ inputs, sampling }: Task, { offer: { contextTokens } }: Candidate): number {
  return inputs ? 0 : Math.min(sampling.tokensMax ?? contextTokens, contextTokens)
}

/** What a provider says, or is blamed for, that has seen a newer state of the own escrow. */
const doubts: ReadonlySet<ErrorCode> = new Set(['escrow-unusable', 'voucher-invalid', 'overcharged'])

/** No fault of the provider: it is full, leaving, or does not like the request. */
function isOrdinary({ code, remedy }: MeshError): boolean {
  return code === 'busy' || code === 'draining' || remedy === 'never'
}

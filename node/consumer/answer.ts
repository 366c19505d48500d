// One answer in the making: tries a provider, and when it fails goes on at another from the exact token reached.

import { asMeshError, type ErrorCode, MeshError } from '../../protocol/errors.ts'
import type { EndReason } from '../../protocol/frames.ts'
import type { ModelKey, PeerId } from '../../protocol/ids.ts'
import { costNano, type Nano, type Usage } from '../../protocol/money.ts'
import { taskOf } from '../../protocol/task.ts'
import type { Config } from '../config.ts'
import type { ConsideredProvider } from '../events.ts'
import type { InferenceEvent, InferenceRequest, InferenceResult } from '../inference.ts'
import type { Ports, Random } from '../ports.ts'
import { cancelled, unlessCancelled } from '../waits.ts'
import type { Debts } from './debts.ts'
import type { Candidate, Directory } from './directory.ts'
import type { Attempt, Chosen, History } from './history.ts'
import { eligible, type Wishes, wishesOf } from './preferences.ts'
import { type Choice, type Considered, select } from './selection.ts'
import { type OwnEscrow, promptTokensBound, Session } from './session.ts'
import type { Tabs } from './tab.ts'

export interface AnswerParts {
  readonly config: Config
  readonly ports: Ports
  readonly directory: Directory
  readonly tabs: Tabs
  readonly debts: Debts
  /** Draws of the routing, and nothing else. */
  readonly routing: Random
  /** Read afresh where a provider may have seen a newer state. */
  readonly ownEscrow: (isFresh: boolean) => Promise<OwnEscrow>
  /** Requests open at each provider, this one included from its choice on. */
  readonly openRequests: Map<PeerId, number>
  readonly history: History
}

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
  readonly #tried = new Set<PeerId>()
  #text = ''
  #tokenIds: number[] = []
  #usage: Usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }
  #costNano: Nano = 0n
  /** Set once tokens were delivered: only the same weights can go on from there. */
  #modelKey: ModelKey | undefined
  #attempts = 0
  /** Of these, at providers that could not even be connected to. */
  #unreached = 0
  /** What a provider said no other could help with; believed when a second one says the same. */
  #refusedCode: ErrorCode | undefined
  #peer: PeerId | undefined
  #failure: MeshError | undefined

  constructor(parts: AnswerParts, request: InferenceRequest, signal: AbortSignal) {
    this.#parts = parts
    this.#request = request
    this.#signal = AbortSignal.any([signal, this.#deadline.signal])
    const { requestNanoMax } = parts.config.consumer
    const { costNanoMax = requestNanoMax } = request
    this.#budgetNano = costNanoMax < requestNanoMax ? costNanoMax : requestNanoMax
    this.#wishes = wishesOf(request.preferences ?? {}, parts.config.consumer)
    this.#requestId = Buffer.from(parts.ports.random.bytes(16)).toString('hex')
    this.#startedAtMs = parts.ports.clock.now()
  }

  async *run(): AsyncGenerator<InferenceEvent, InferenceResult, undefined> {
    const { observe } = this.#parts.ports
    observe({ type: 'request-started', request: this.#requestId, model: this.#request.model })
    let outcome: EndReason | 'failed' = 'cancelled' // what it is when the caller leaves
    this.#watchDeadline()
    try {
      for (;;) {
        const candidate = await this.#choose()
        try {
          const finish = yield* this.#attempt(candidate)
          outcome = finish
          return this.#result(candidate, finish)
        } catch (error) {
          this.#attemptFailed(candidate, asMeshError(error))
        }
      }
    } catch (error) {
      this.#failure = asMeshError(error, 'internal')
      outcome = this.#failure.code === 'cancelled' ? 'cancelled' : 'failed'
      throw this.#failure
    } finally {
      this.#deadline.abort()
      this.#finished(outcome)
    }
  }

  #watchDeadline(): void {
    const { config, ports } = this.#parts
    const { requestMs } = config.consumer
    ports.clock.sleep(requestMs, this.#deadline.signal).then(
      () => this.#deadline.abort(new MeshError('timeout', `the request took longer than ${requestMs} ms`)),
      () => undefined, // it ended before
    )
  }

  async #choose(): Promise<Chosen> {
    const { directory } = this.#parts
    const { model } = this.#request
    if (this.#signal.aborted) throw cancelled(this.#signal)
    if (this.#attempts > 0 && !this.#wishes.allowFallbacks) throw this.#failure ?? this.#noProvider()
    await directory.discover(model, this.#signal)
    const found = directory.candidates(model)
    if (found.length === 0) throw this.#failure ?? this.#noProvider()
    const allowed = eligible(found, this.#request, this.#wishes, this.#modelKey)
    if ('refusal' in allowed) throw this.#failure ?? allowed.refusal
    const choice = this.#selected(allowed.candidates)
    if (!choice) throw this.#failure ?? this.#noProvider()
    return this.#chosen(choice, found.length)
  }

  #selected(candidates: readonly Candidate[]): Choice | undefined {
    const { config, history, openRequests, ports, routing } = this.#parts
    const { cooldownMs, patienceMs, peerRequestsMax } = config.consumer
    const connections = ports.network.connections()
    const wishes = this.#wishes
    return select(
      candidates,
      {
        routing: wishes.routing,
        nowMs: ports.clock.now(),
        cooldownMs,
        patienceMs,
        peerRequestsMax,
        openRequests,
        tried: this.#tried,
        order: wishes.order,
        connected: this.#unreached > 0 ? new Set(connections.map(({ peer }) => peer)) : undefined,
        rttMs: new Map(connections.flatMap(({ peer, rttMs }) => (rttMs === undefined ? [] : [[peer, rttMs]]))),
        promptTokens: history.promptTokens(charactersOf(this.#request)) + this.#tokenIds.length,
        completionTokens: this.#request.sampling.tokensMax,
        measured: (candidate) => history.of(candidate),
        held: history.heldOf(this.#request.affinity),
      },
      routing,
    )
  }

  #chosen({ candidate, considered, expected, reason }: Choice, candidates: number): Chosen {
    const { openRequests, ports } = this.#parts
    const { peer } = candidate.advert
    this.#attempts += 1
    this.#peer = peer
    this.#tried.add(peer)
    openRequests.set(peer, (openRequests.get(peer) ?? 0) + 1) // now: others choose before this one has begun
    ports.observe({
      type: 'provider-chosen',
      request: this.#requestId,
      peer,
      model: candidate.offer.modelKey,
      attempt: this.#attempts,
      candidates,
      reason,
      considered: considered.map(asTold),
    })
    return { ...candidate, expected }
  }

  async *#attempt(candidate: Chosen): AsyncGenerator<InferenceEvent, EndReason, undefined> {
    const { config, debts, history, openRequests, ownEscrow, ports, tabs } = this.#parts
    const { peer } = candidate.advert
    const { sampling } = this.#request
    const { tokensMax } = sampling
    let session: Session | undefined
    let measuring: Attempt | undefined
    try {
      // reading the chain and paying a debt take as long as they take; the caller need not wait
      const escrow = await unlessCancelled(ownEscrow(this.#attempts > 1), this.#signal)
      await unlessCancelled(debts.pay(peer), this.#signal)
      session = new Session({ config, ports, tabs, escrow }, candidate, {
        requestId: this.#requestId,
        ...taskOf(this.#request),
        sampling:
          tokensMax === undefined ? sampling : { ...sampling, tokensMax: tokensMax - this.#usage.completionTokens },
        tokensBudget: this.#tokensBudget(candidate),
        deadlineMs: this.#leftMs(),
        resumeText: this.#text,
        resumeTokenIds: this.#tokenIds,
      })
      measuring = history.begin(candidate, charactersOf(this.#request), this.#request.affinity)
      const finish = yield* this.#relay(session, candidate, measuring)
      if (this.#deadline.signal.aborted) throw cancelled(this.#deadline.signal)
      if (finish === 'cancelled' && !this.#signal.aborted) {
        throw new MeshError('draining', `${peer} stopped before the end of the answer`)
      }
      if (finish !== 'cancelled') measuring.ended()
      return finish
    } catch (error) {
      if (session && !session.isConnected) this.#unreached += 1
      measuring?.failed(asMeshError(error).code)
      throw error
    } finally {
      measuring?.failed('cancelled') // where neither was reached
      this.#costNano += session?.costNano ?? 0n
      const open = (openRequests.get(peer) ?? 1) - 1
      if (open === 0) openRequests.delete(peer)
      else openRequests.set(peer, open)
    }
  }

  async *#relay(
    session: Session,
    { advert: { peer }, offer: { modelKey } }: Candidate,
    measuring: Attempt,
  ): AsyncGenerator<InferenceEvent, EndReason, undefined> {
    const { clock, observe } = this.#parts.ports
    const events = session.run(this.#signal)
    let end: EndReason | undefined
    try {
      while (end === undefined) {
        const next = await events.next()
        if (next.done) {
          end = next.value
          break
        }
        const event = next.value
        const { promptTokens, completionTokens } = this.#usage
        if (event.type === 'accepted') {
          measuring.accepted(session.usage, this.#tokenIds.length)
          // a provider that takes over prefills what others delivered; the caller asked for one prompt
          if (promptTokens === 0) this.#usage = session.usage
        } else if (event.type === 'delta') {
          measuring.received(event.tokens)
          if (completionTokens === 0) {
            const elapsedMs = clock.now() - this.#startedAtMs
            observe({ type: 'first-token', request: this.#requestId, peer, elapsedMs })
          }
          this.#modelKey = modelKey
          this.#text += event.text
          for (const id of event.tokenIds) this.#tokenIds.push(id)
          this.#usage = { ...this.#usage, completionTokens: completionTokens + event.tokens }
        }
        yield event
      }
      return end
    } finally {
      if (end === undefined) await events.return('cancelled') // left early: the session accounts before it ends
    }
  }

  /** Throws where no other provider could help. One provider's word that none could is not enough. */
  #attemptFailed({ advert }: Candidate, failure: MeshError): void {
    const { config, debts, directory, ports } = this.#parts
    this.#failure = failure
    ports.observe({
      type: 'attempt-failed',
      request: this.#requestId,
      peer: advert.peer,
      code: failure.code,
      message: failure.message,
      tokensDelivered: this.#usage.completionTokens,
    })
    void debts.pay(advert.peer)
    if (this.#signal.aborted) throw cancelled(this.#signal)
    const unreached = Math.min(this.#unreached, config.consumer.unreachedMax) // asking them cost nothing but time
    if (this.#attempts - unreached >= config.consumer.attemptsMax) throw failure
    if (failure.remedy === 'never') {
      if (this.#refusedCode === failure.code) throw failure // two say so
      this.#refusedCode = failure.code
    }
    if (!isOrdinary(failure)) directory.failed(advert.peer, failure.message)
    // without ids nobody could go on exactly there
    if (this.#usage.completionTokens !== this.#tokenIds.length) throw failure
  }

  #result({ advert, offer }: Candidate, finish: EndReason): InferenceResult {
    this.#parts.directory.succeeded(advert.peer)
    return {
      requestId: this.#requestId,
      finish,
      provider: advert.peer,
      modelName: offer.name,
      usage: this.#usage,
      costNano: this.#costNano,
      failovers: this.#attempts - 1,
    }
  }

  #finished(outcome: EndReason | 'failed'): void {
    const { clock, observe } = this.#parts.ports
    this.#request.spent?.(this.#costNano)
    observe({
      type: 'request-finished',
      request: this.#requestId,
      peer: this.#peer,
      outcome,
      code: outcome === 'failed' ? this.#failure?.code : undefined,
      usage: this.#usage,
      costNano: this.#costNano,
      elapsedMs: clock.now() - this.#startedAtMs,
      failovers: Math.max(0, this.#attempts - 1),
    })
  }

  #leftMs(): number {
    return this.#parts.config.consumer.requestMs - (this.#parts.ports.clock.now() - this.#startedAtMs)
  }

  /**
   * What the budget pays for even if the prompt had as many tokens as it could. Throws `over-budget` where that is
   * nothing.
   */
  #tokensBudget({ offer }: Candidate): number {
    const { price, contextTokens } = offer
    const promptTokens = Math.min(
      contextTokens * (this.#request.inputs?.length ?? 1),
      promptTokensBound(this.#request, this.#tokenIds),
    )
    const promptNano = costNano({ promptTokens, cachedTokens: 0, completionTokens: 0 }, price)
    const leftNano = this.#budgetNano - this.#costNano - promptNano
    const tokens = price.completionNano === 0n ? contextTokens : Number((leftNano * 1_000_000n) / price.completionNano)
    if (leftNano >= 0n && tokens >= 1) return tokens
    throw new MeshError(
      'over-budget',
      `the prompt may cost ${promptNano} nano and ${this.#costNano} are spent: nothing is left of ${this.#budgetNano}`,
    )
  }

  #noProvider(): MeshError {
    const { model } = this.#request
    const served = new Set(this.#parts.directory.adverts().flatMap(({ offers }) => offers.map(({ name }) => name)))
    if (served.size === 0)
      return new MeshError('no-provider', `no provider of "${model}" was found: this peer knows none at all`)
    const names = [...served].sort().slice(0, 10).join(', ')
    return new MeshError('unknown-model', `no provider serves "${model}" now; the mesh serves ${names}`)
  }
}

/** Of the prompt, before anybody has tokenised it. */
function charactersOf({ inputs = [], messages, text = '' }: InferenceRequest): number {
  return [...messages.map(({ content }) => content), text, ...inputs].reduce((sum, { length }) => sum + length, 0)
}

function asTold({ candidate: { advert, offer }, expected, score, standing }: Considered): ConsideredProvider {
  const {
    cachedTokens,
    costNano: nano,
    decodeTokensPerSecond,
    firstTokenMs,
    networkMs,
    prefillMs,
    success,
    waitMs,
  } = expected
  return {
    peer: advert.peer,
    standing,
    costNano: nano,
    completionNano: offer.price.completionNano,
    networkMs: Math.round(networkMs),
    waitMs: Math.round(waitMs),
    prefillMs: Math.round(prefillMs),
    firstTokenMs: Math.round(firstTokenMs),
    decodeTokensPerSecond: Math.round(decodeTokensPerSecond),
    slotsFree: offer.slotsFree,
    queued: offer.queued,
    cachedTokens,
    success: Number(success.toFixed(3)),
    score: Math.round(score),
  }
}

/** No fault of the provider: it is full, leaving, or does not like the request. */
function isOrdinary({ code, remedy }: MeshError): boolean {
  return code === 'busy' || code === 'draining' || remedy === 'never'
}

// One answer in the making: tries a provider, and when it fails goes on at another from the exact token reached.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import type { EndReason } from '../../protocol/frames.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Nano, Usage } from '../../protocol/money.ts'
import type { Config } from '../config.ts'
import type { InferenceEvent, InferenceRequest, InferenceResult } from '../inference.ts'
import type { Ports } from '../ports.ts'
import type { Debts } from './debts.ts'
import type { Candidate, Directory } from './directory.ts'
import { select } from './selection.ts'
import { type OwnEscrow, Session } from './session.ts'
import type { Tabs } from './tab.ts'

export interface AnswerParts {
  readonly config: Config
  readonly ports: Ports
  readonly directory: Directory
  readonly tabs: Tabs
  readonly debts: Debts
  readonly ownEscrow: () => Promise<OwnEscrow>
  /** Requests open at each provider, this one included while it runs there. */
  readonly openRequests: Map<PeerId, number>
}

export class Answer {
  readonly #parts: AnswerParts
  readonly #request: InferenceRequest
  readonly #signal: AbortSignal
  readonly #requestId: string
  readonly #startedAtMs: number
  readonly #tried = new Set<PeerId>()
  #text = ''
  #tokenIds: number[] = []
  #usage: Usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }
  #costNano: Nano = 0n
  #attempts = 0
  #peer: PeerId | undefined
  #failure: MeshError | undefined

  constructor(parts: AnswerParts, request: InferenceRequest, signal: AbortSignal) {
    this.#parts = parts
    this.#request = request
    this.#signal = signal
    this.#requestId = Buffer.from(parts.ports.random.bytes(16)).toString('hex')
    this.#startedAtMs = parts.ports.clock.now()
  }

  async *run(): AsyncGenerator<InferenceEvent, InferenceResult, undefined> {
    const { observe } = this.#parts.ports
    observe({ type: 'request-started', request: this.#requestId, model: this.#request.model })
    let outcome: EndReason | 'failed' = 'cancelled' // what it is when the caller leaves
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
      this.#finished(outcome)
    }
  }

  async #choose(): Promise<Candidate> {
    const { config, directory, openRequests, ports } = this.#parts
    const { model } = this.#request
    await directory.discover(model, this.#signal)
    const candidates = directory.candidates(model)
    const nowMs = ports.clock.now()
    const choice = select(candidates, {
      nowMs,
      cooldownMs: config.consumer.cooldownMs,
      openRequests,
      tried: this.#tried,
    })
    if (!choice) throw this.#failure ?? this.#noProvider()
    if (this.#leftMs() <= 0) {
      throw this.#failure ?? new MeshError('timeout', `the request took longer than ${config.consumer.requestMs} ms`)
    }
    this.#attempts += 1
    this.#peer = choice.candidate.advert.peer
    this.#tried.add(this.#peer)
    ports.observe({
      type: 'provider-chosen',
      request: this.#requestId,
      peer: this.#peer,
      model: choice.candidate.offer.modelKey,
      attempt: this.#attempts,
      candidates: candidates.length,
      reason: choice.reason,
    })
    return choice.candidate
  }

  async *#attempt(candidate: Candidate): AsyncGenerator<InferenceEvent, EndReason, undefined> {
    const { config, ownEscrow, openRequests, ports, tabs } = this.#parts
    const { peer } = candidate.advert
    const { costNanoMax, messages, sampling } = this.#request
    const { tokensMax } = sampling
    const delivered = this.#usage.completionTokens
    const session = new Session({ config, ports, tabs, escrow: await ownEscrow() }, candidate, {
      requestId: this.#requestId,
      messages,
      sampling: tokensMax === undefined ? sampling : { ...sampling, tokensMax: tokensMax - delivered },
      deadlineMs: this.#leftMs(),
      resumeText: this.#text,
      resumeTokenIds: this.#tokenIds,
      costNanoMax: costNanoMax === undefined ? undefined : costNanoMax - this.#costNano,
    })
    openRequests.set(peer, (openRequests.get(peer) ?? 0) + 1)
    try {
      const finish = yield* this.#relay(session, peer)
      if (finish === 'cancelled' && !this.#signal.aborted) {
        throw new MeshError('draining', `${peer} stopped before the end of the answer`)
      }
      return finish
    } finally {
      this.#costNano += session.costNano
      const open = (openRequests.get(peer) ?? 1) - 1
      if (open === 0) openRequests.delete(peer)
      else openRequests.set(peer, open)
    }
  }

  async *#relay(session: Session, peer: PeerId): AsyncGenerator<InferenceEvent, EndReason, undefined> {
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
          // a provider that takes over prefills what others delivered; the caller asked for one prompt
          if (promptTokens === 0) this.#usage = session.usage
        } else {
          if (completionTokens === 0) {
            const elapsedMs = clock.now() - this.#startedAtMs
            observe({ type: 'first-token', request: this.#requestId, peer, elapsedMs })
          }
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

  /** Throws where no other provider could help. */
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
    debts.payLater(advert.payout)
    if (this.#signal.aborted || failure.remedy === 'never' || this.#attempts >= config.consumer.attemptsMax)
      throw failure
    if (failure.code !== 'busy' && failure.code !== 'draining') directory.failed(advert.peer, failure.message)
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

  #noProvider(): MeshError {
    const { model } = this.#request
    const served = new Set(this.#parts.directory.adverts().flatMap(({ offers }) => offers.map(({ name }) => name)))
    if (served.size === 0)
      return new MeshError('no-provider', `no provider of "${model}" was found: this peer knows none at all`)
    const names = [...served].sort().slice(0, 10).join(', ')
    return new MeshError('unknown-model', `no provider serves "${model}" now; the mesh serves ${names}`)
  }
}

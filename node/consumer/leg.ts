// One leg of an answer: a session at one provider, with what must be known and paid before it and measured of it.

import { asMeshError, type ErrorCode, MeshError } from '../../protocol/errors.ts'
import type { EndReason } from '../../protocol/frames.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { type Nano, noUsage, type Usage } from '../../protocol/money.ts'
import type { Config } from '../config.ts'
import type { InferenceEvent } from '../inference.ts'
import type { Ports } from '../ports.ts'
import { cancelled, unlessCancelled } from '../waits.ts'
import type { Debts } from './debts.ts'
import type { Attempt, Chosen } from './history.ts'
import { type Hub, HubFailure, type Way } from './hub.ts'
import { type OwnEscrow, Session, type SessionRequest } from './session.ts'
import type { Tabs } from './tab.ts'
import type { Vocabularies } from './vocabularies.ts'

export interface LegParts {
  readonly config: Config
  readonly ports: Ports
  readonly tabs: Tabs
  readonly debts: Debts
  readonly vocabularies: Vocabularies
  /** Read afresh where a provider may have seen a newer state. */
  readonly ownEscrow: (isFresh: boolean) => Promise<OwnEscrow>
  /** Through which providers are paid that take it, while it can be used. */
  readonly hub: Hub | undefined
  /** Requests open at each provider; a leg counts there from its choice on. */
  readonly openRequests: Map<PeerId, number>
}

export interface LegOrder {
  readonly requestId: string
  readonly isEscrowDoubted: boolean
  /** Paid by this peer's own vouchers, whatever hub there is. */
  readonly isDirect: boolean
  /** Asked for when the provider is; throws where the budget pays for nothing there. */
  readonly request: () => SessionRequest
  readonly measure: () => Attempt
}

/** Iterated by `next` until its end or its failure, by one reader at a time. */
export class Leg {
  readonly candidate: Chosen
  readonly #parts: LegParts
  readonly #order: LegOrder
  readonly #leaving = new AbortController()
  readonly #signal: AbortSignal
  #session: Session | undefined
  #resumedTokens = 0
  #measuring: Attempt | undefined
  #events: ReturnType<Session['run']> | undefined
  #pulling: Promise<unknown> | undefined
  #left: Promise<void> | undefined
  #isOver = false
  #unreadTokens = 0
  /** It could not be told of a debt. */
  #isAway = false
  #isByHub = false
  #isQueued = false

  constructor(parts: LegParts, candidate: Chosen, order: LegOrder, signal: AbortSignal) {
    this.candidate = candidate
    this.#parts = parts
    this.#order = order
    this.#signal = AbortSignal.any([signal, this.#leaving.signal])
  }

  get peer(): PeerId {
    return this.candidate.advert.peer
  }

  get usage(): Usage {
    return this.#session?.usage ?? noUsage
  }

  get costNano(): Nano {
    return this.#session?.costNano ?? 0n
  }

  /** The most that it may cost yet; undefined while that is not agreed. */
  get costNanoMax(): Nano | undefined {
    return this.#isOver ? this.costNano : this.#session?.costNanoMax
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** The provider could not be connected to. */
  get isUnreached(): boolean {
    return this.#isAway || this.#session?.isConnected === false
  }

  /** False where it failed before the provider said a word. */
  get isHeard(): boolean {
    return this.#session?.isHeard === true
  }

  /** What the provider ended with, also where that was no good end. */
  get endedAs(): EndReason | undefined {
    return this.#session?.endedAs
  }

  /** Of what came after it was left. */
  get unreadTokens(): number {
    return this.#unreadTokens
  }

  next(): Promise<IteratorResult<InferenceEvent, EndReason>> {
    const pull = this.#pull()
    this.#pulling = pull
    return pull
  }

  /** Cancels what is under way; resolves when it is accounted for. To be called in any case, also after the end. */
  leave(): Promise<void> {
    this.#left ??= this.#leave()
    return this.#left
  }

  /** Waits for no account any more. */
  abandon(): void {
    this.#session?.abandon(new MeshError('timeout', `${this.peer} did not account for itself before the answer ended`))
  }

  async #leave(): Promise<void> {
    if (this.#pulling && !this.#isOver) {
      this.#leaving.abort(new MeshError('cancelled', 'the answer needs this provider no more'))
      await this.#pulling.catch(() => undefined) // its reader was told
      while (!this.#isOver) await this.#drain().catch(() => undefined)
    }
    this.#close()
  }

  /** What was under way is counted, and nobody's to read. */
  async #drain(): Promise<void> {
    const { done, value } = await this.next()
    if (!done && value.type === 'delta') this.#unreadTokens += value.tokens
  }

  async #pull(): Promise<IteratorResult<InferenceEvent, EndReason>> {
    try {
      this.#events ??= await this.#begin()
      const step = await this.#events.next()
      if (step.done) this.#ended(step.value)
      else if (step.value.type === 'delta') this.#measuring?.received(step.value.tokens)
      else if (step.value.type === 'queued') this.#queued(step.value)
      else if (step.value.type === 'accepted') {
        this.#measuring?.accepted(this.usage, this.#resumedTokens)
      }
      return step
    } catch (error) {
      const failure = this.#blamed(asMeshError(error))
      if (!(failure instanceof HubFailure)) this.#measuring?.failed(failure.code)
      this.#close()
      throw failure
    }
  }

  /** Said once: how often a provider tells its places is its own affair. */
  #queued({ etaMs, position }: Extract<InferenceEvent, { type: 'queued' }>): void {
    this.#measuring?.queued()
    if (this.#isQueued) return
    this.#isQueued = true
    const { requestId: request } = this.#order
    this.#parts.ports.observe({ type: 'attempt-queued', request, peer: this.peer, position, etaMs })
  }

  /** A provider that does not like how it would be paid has nothing against this peer's own vouchers. */
  #blamed(failure: MeshError): MeshError {
    const isOfHub = this.#isByHub && aboutPayment.has(failure.code) && !(failure instanceof HubFailure)
    if (!isOfHub || this.#signal.aborted) return failure
    this.#parts.hub?.leave(failure)
    return new HubFailure(failure.code, failure.message, { cause: failure })
  }

  async #way(): Promise<Way | undefined> {
    const { hub } = this.#parts
    if (!hub || this.#order.isDirect || !this.candidate.advert.takesHubs || hub.peer === this.peer) return undefined
    return unlessCancelled(hub.way(), this.#signal)
  }

  async #begin(): Promise<ReturnType<Session['run']>> {
    const { config, debts, ownEscrow, ports, tabs, vocabularies } = this.#parts
    // reading the chain and paying a debt take as long as they take; the caller need not wait
    const own = await unlessCancelled(ownEscrow(this.#order.isEscrowDoubted), this.#signal)
    const way = await this.#way()
    this.#isByHub = way !== undefined
    const unpaid = await unlessCancelled(debts.pay(this.peer), this.#signal)
    this.#isAway = unpaid?.code === 'unreachable' || unpaid?.code === 'timeout'
    if (unpaid && this.#isAway) throw unpaid // asking it again would only take as long again
    if (this.#signal.aborted) throw cancelled(this.#signal)
    const request = this.#order.request()
    this.#resumedTokens = request.resumeTokenIds.length
    const paid = way ? { ...way, isHub: true as const } : { escrow: own, tabs }
    this.#session = new Session({ config, ports, vocabularies, ...paid }, this.candidate, request)
    this.#measuring = this.#order.measure()
    return this.#session.run(this.#signal)
  }

  #ended(finish: EndReason): void {
    if (finish === 'cancelled' && !this.#signal.aborted) {
      throw new MeshError('draining', `${this.peer} stopped before the end of the answer`)
    }
    if (finish === 'cancelled') this.#measuring?.failed('cancelled')
    else this.#measuring?.ended()
    this.#close()
  }

  #close(): void {
    if (this.#isOver) return
    this.#isOver = true
    const { openRequests } = this.#parts
    const open = (openRequests.get(this.peer) ?? 1) - 1
    if (open === 0) openRequests.delete(this.peer)
    else openRequests.set(this.peer, open)
  }
}

/** What a provider says of a payer's way to pay. */
const aboutPayment: ReadonlySet<ErrorCode> = new Set([
  'escrow-unusable',
  'credit-exhausted',
  'voucher-invalid',
  'overcharged',
  'chain-unavailable',
])

// Whom one request asks next: of the providers known now those that may and can, by the node's policy and the caller's wishes,
// never one twice without need. Says why each was taken.

import { MeshError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { ConsideredProvider } from '../events.ts'
import type { InferenceRequest } from '../inference.ts'
import type { Random } from '../ports.ts'
import type { Directory } from './directory.ts'
import type { Chosen, History } from './history.ts'
import type { Leg, LegParts } from './leg.ts'
import { eligible, type Wishes } from './preferences.ts'
import type { Progress } from './progress.ts'
import { type Choice, type Considered, compareOthers, type SelectionPolicy, select } from './selection.ts'

/** What an advert says was so this long before it came: requests under way to its provider then are not in it. */
const advertAgeMs = 1_000

export interface ChoosingParts extends Pick<LegParts, 'config' | 'openRequests' | 'ports'> {
  readonly directory: Directory
  readonly history: History
  /** Draws of the routing, and nothing else. */
  readonly routing: Random
  readonly request: InferenceRequest
  readonly requestId: string
  readonly wishes: Wishes
  /** What is there of the answer, which others go on from. */
  readonly progress: Progress
}

export class Choosing {
  readonly #parts: ChoosingParts
  readonly #tried = new Set<PeerId>()
  #attempts = 0
  /** Of these, at providers that could not even be connected to. */
  #unreached = 0

  constructor(parts: ChoosingParts) {
    this.#parts = parts
  }

  get attempts(): number {
    return this.#attempts
  }

  /** Asking those that were not reached cost nothing but time. */
  get isExhausted(): boolean {
    const { attemptsMax, unreachedMax } = this.#parts.config.consumer
    return this.#attempts - Math.min(this.#unreached, unreachedMax) >= attemptsMax
  }

  /** Throws `failure`, that of the provider before, or why there is none. */
  async next(failure: MeshError | undefined, signal: AbortSignal): Promise<Chosen> {
    const { directory, progress, request, routing, wishes } = this.#parts
    if (this.#attempts > 0 && !wishes.allowFallbacks) throw failure ?? this.#noProvider()
    await directory.discover(request.model, signal)
    const found = directory.candidates(request.model)
    if (found.length === 0) throw failure ?? this.#noProvider()
    const allowed = eligible(found, request, wishes, progress.modelKey)
    if ('refusal' in allowed) throw failure ?? allowed.refusal
    const policy = this.#policy()
    const choice = select(allowed.candidates, policy, routing)
    if (!choice) throw failure ?? this.#noProvider()
    return this.#chosen(choice, compareOthers(choice, allowed.candidates, policy), found.length)
  }

  /** Its advert was out of date, or a lie. Throws `busy` where another has a slot now: nothing is owed here yet. */
  assertBest(leg: Leg, etaMs = Number.POSITIVE_INFINITY): void {
    const { config, directory, progress, request, routing, wishes } = this.#parts
    const canMove = this.#attempts - this.#unreached < config.consumer.attemptsMax - 1 // who moves must not run out
    if (!leg.candidate.expected.isFree || !canMove || progress.isBegun || !wishes.allowFallbacks) return
    const allowed = eligible(directory.candidates(request.model), request, wishes, undefined)
    const other = 'refusal' in allowed ? undefined : select(allowed.candidates, this.#policy(), routing)
    if (!other?.isReady || other.expected.firstTokenMs >= etaMs) return
    void leg.leave()
    throw new MeshError('busy', `${leg.peer} advertised a free slot and has none; another has`)
  }

  noteUnreached(): void {
    this.#unreached += 1
  }

  /** It was not at fault, and may be taken again. */
  allowAgain(peer: PeerId): void {
    this.#tried.delete(peer)
  }

  #policy(): SelectionPolicy {
    const { config, history, openRequests, ports, progress, request, wishes } = this.#parts
    const { cooldownMs, patienceMs, peerRequestsMax } = config.consumer
    const connections = ports.network.connections()
    return {
      routing: wishes.routing,
      nowMs: ports.clock.now(),
      cooldownMs,
      patienceMs,
      peerRequestsMax,
      openRequests,
      unseenRequests: ({ advert: { peer }, heardAtMs = 0 }) =>
        Math.min(openRequests.get(peer) ?? 0, history.chosenSince(peer, heardAtMs - advertAgeMs)),
      tried: this.#tried,
      order: wishes.order,
      connected: this.#unreached > 0 ? new Set(connections.map(({ peer }) => peer)) : undefined,
      rttMs: new Map(connections.flatMap(({ peer, rttMs }) => (rttMs === undefined ? [] : [[peer, rttMs]]))),
      promptTokens: history.promptTokens(charactersOf(request)) + progress.tokenIds.length,
      completionTokens: request.sampling.tokensMax,
      measured: (candidate) => history.of(candidate),
      held: history.heldOf(request.affinity),
    }
  }

  #chosen({ candidate, expected, reason }: Choice, considered: readonly Considered[], candidates: number): Chosen {
    const { history, openRequests, ports, requestId } = this.#parts
    const { peer } = candidate.advert
    history.chose(peer)
    this.#attempts += 1
    this.#tried.add(peer)
    openRequests.set(peer, (openRequests.get(peer) ?? 0) + 1) // now: others choose before this one has begun
    ports.observe({
      type: 'provider-chosen',
      request: requestId,
      peer,
      model: candidate.offer.modelKey,
      attempt: this.#attempts,
      candidates,
      reason,
      considered: considered.map(asTold),
    })
    return { ...candidate, expected }
  }

  #noProvider(): MeshError {
    const { directory, request } = this.#parts
    const served = new Set(directory.adverts().flatMap(({ offers }) => offers.map(({ name }) => name)))
    if (served.size === 0) {
      return new MeshError(
        'no-provider',
        `no provider of "${request.model}" was found: this peer knows none at all; does its bootstrap peer answer?`,
      )
    }
    const names = [...served].sort().slice(0, 10).join(', ')
    return new MeshError('unknown-model', `no provider serves "${request.model}" now; the mesh serves ${names}`)
  }
}

/** Of the prompt, before anybody has tokenised it. */
export function charactersOf({ inputs = [], messages, text = '' }: InferenceRequest): number {
  return [...messages.map(({ content }) => content), text, ...inputs].reduce((sum, { length }) => sum + length, 0)
}

function asTold({ candidate: { advert, offer }, expected, score, standing }: Considered): ConsideredProvider {
  const { cachedTokens, costNano, decodeTokensPerSecond, firstTokenMs, networkMs, prefillMs, success, waitMs } =
    expected
  return {
    peer: advert.peer,
    standing,
    costNano,
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

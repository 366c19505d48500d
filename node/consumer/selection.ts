// Which provider to ask next. Pure: candidates, what is known of them and a random stream in, the best one and the reason out.

import type { PeerId } from '../../protocol/ids.ts'
import { costNano } from '../../protocol/money.ts'
import type { Random } from '../ports.ts'
import { byName, type Candidate } from './directory.ts'

export type { Candidate } from './directory.ts'

/**
 * `cheapest`: the lowest price, of equal ones the faster decoder. `random`: any. `least-latency`: the soonest first token by
 * its own word. `p2c`: the less loaded of two drawn at random (Mitzenmacher 2001), of equal ones the first: nearly as even as knowing all loads,
 * and many consumers with one stale view do not all pick the same provider.
 */
export type Routing = 'cheapest' | 'random' | 'least-latency' | 'p2c'

export interface SelectionPolicy {
  readonly routing: Routing
  readonly nowMs: number
  readonly cooldownMs: number
  /** Requests this peer has open at each provider: its adverts may not show them yet. */
  readonly openRequests: ReadonlyMap<PeerId, number>
  /** Asked already for this request. */
  readonly tried: ReadonlySet<PeerId>
  /** Network round trips of providers connected now. */
  readonly rttMs: ReadonlyMap<PeerId, number>
  /** About how many; weighs a fast prefill against a near provider. */
  readonly promptTokens: number
}

export interface Choice {
  readonly candidate: Candidate
  readonly reason: string
}

/** A request of average shape, to weigh prompt against completion price, and to guess how long a queue takes. */
const typicalUsage = { promptTokens: 1_000, cachedTokens: 0, completionTokens: 300 }

/** Of a provider not connected now: a dial takes four round trips, of 100 ms across an ocean. */
export const rttMsUnknown = 400

/** Where an advert does not tell its speed: no reason to prefer it. */
const speedUnknown = { prefill: 100, decode: 10 }

const tiers: readonly string[] = ['free slot', 'would queue', 'failed lately']

/**
 * Whatever the routing: one with a free slot that has not failed lately; then one that would queue; then one that failed.
 * Within the best of these tiers the routing decides. The order of the candidates never matters. Where the routing draws,
 * it draws for any number of candidates alike, so that one more or less shifts no later choice.
 */
export function select(
  candidates: readonly Candidate[],
  policy: SelectionPolicy,
  random: Pick<Random, 'next'>,
): Choice | undefined {
  let tier = tiers.length
  let best: Candidate[] = [] // of that tier
  let count = 0
  for (const candidate of candidates) {
    if (policy.tried.has(candidate.advert.peer)) continue
    count += 1
    const own = tierOf(candidate, policy)
    if (own < tier) {
      tier = own
      best = [candidate]
    } else if (own === tier) best.push(candidate)
  }
  const chosen = strategies[policy.routing](best, policy, random)
  if (!chosen) return undefined
  return { candidate: chosen.candidate, reason: `${tiers[tier]}, ${policy.routing} of ${count}: ${chosen.figure}` }
}

type Strategy = (
  candidates: Candidate[],
  policy: SelectionPolicy,
  random: Pick<Random, 'next'>,
) => { readonly candidate: Candidate; readonly figure: string } | undefined

const strategies: Record<Routing, Strategy> = {
  cheapest: (candidates) => {
    const candidate = least(candidates, ({ offer }) => [
      costNano(typicalUsage, offer.price),
      -offer.decodeTokensPerSecond,
    ])
    return candidate && { candidate, figure: `${candidate.offer.price.completionNano} nano a million tokens` }
  },
  random: (candidates, _, random) => {
    const candidate = candidates.sort(byName)[draw(random, candidates.length)]
    return candidate && { candidate, figure: 'any' }
  },
  'least-latency': (candidates, policy) => {
    const candidate = least(candidates, (each) => [firstTokenMs(each, policy)])
    return candidate && { candidate, figure: `${Math.round(firstTokenMs(candidate, policy))} ms to a first token` }
  },
  p2c: (candidates, policy, random) => {
    candidates.sort(byName)
    const first = draw(random, candidates.length)
    const second = draw(random, candidates.length - 1)
    const [one, other] = [candidates[first], candidates[second < first ? second : second + 1]]
    const figures = (each: Candidate): Figures => [loadOf(each, policy), costNano(typicalUsage, each.offer.price)]
    const candidate = one && other && compareFigures(figures(other), figures(one)) < 0 ? other : one
    return candidate && { candidate, figure: `${Math.round(100 * loadOf(candidate, policy))} % load` }
  },
}

function tierOf(
  { advert, offer, failedAtMs }: Candidate,
  { nowMs, cooldownMs, openRequests }: SelectionPolicy,
): number {
  const isCooling = failedAtMs !== undefined && failedAtMs > nowMs - cooldownMs
  if (isCooling) return 2
  return offer.slotsFree > (openRequests.get(advert.peer) ?? 0) ? 0 : 1
}

/** Requests taken on for each slot, as far as this peer knows. */
function loadOf({ advert, offer }: Candidate, { openRequests }: SelectionPolicy): number {
  const { queued, slots, slotsFree } = offer
  return (slots - slotsFree + queued + (openRequests.get(advert.peer) ?? 0)) / Math.max(1, slots)
}

/** Round trip, the wait for a slot, prefill: by the provider's own word for its speeds and its queue. */
function firstTokenMs({ advert, offer }: Candidate, { openRequests, promptTokens, rttMs }: SelectionPolicy): number {
  const prefill = offer.prefillTokensPerSecond || speedUnknown.prefill
  const decode = offer.decodeTokensPerSecond || speedUnknown.decode
  const ahead = offer.queued + 1 + (openRequests.get(advert.peer) ?? 0) - offer.slotsFree
  const serviceMs = (1_000 * typicalUsage.promptTokens) / prefill + (1_000 * typicalUsage.completionTokens) / decode
  const waitMs = (Math.max(0, ahead) * serviceMs) / Math.max(1, offer.slots)
  return (rttMs.get(advert.peer) ?? rttMsUnknown) + waitMs + (1_000 * promptTokens) / prefill
}

/** What counts, the most important first; less is better. */
type Figures = readonly (number | bigint)[]

function least(candidates: readonly Candidate[], figuresOf: (candidate: Candidate) => Figures): Candidate | undefined {
  let best: { readonly candidate: Candidate; readonly figures: Figures } | undefined
  for (const candidate of candidates) {
    const figures = figuresOf(candidate)
    const order = best ? compareFigures(figures, best.figures) || byName(candidate, best.candidate) : -1
    if (order < 0) best = { candidate, figures }
  }
  return best?.candidate
}

function compareFigures(a: Figures, b: Figures): number {
  for (const [at, figure] of a.entries()) {
    const other = b[at] ?? 0
    if (figure !== other) return figure < other ? -1 : 1
  }
  return 0
}

/** Draws in any case. */
function draw(random: Pick<Random, 'next'>, count: number): number {
  return Math.floor(random.next() * Math.max(0, count))
}

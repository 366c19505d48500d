// Which provider to ask next. Pure: candidates in, the best one and the reason out.

import type { PeerId } from '../../protocol/ids.ts'
import { costNano } from '../../protocol/money.ts'
import type { Candidate } from './directory.ts'

export interface SelectionPolicy {
  readonly nowMs: number
  readonly cooldownMs: number
  /** Requests this peer has open at each provider: its adverts may not show them yet. */
  readonly openRequests: ReadonlyMap<PeerId, number>
  /** Asked already for this request. */
  readonly tried: ReadonlySet<PeerId>
}

export interface Choice {
  readonly candidate: Candidate
  readonly reason: string
}

/** A request of average shape, to weigh prompt against completion price. */
const typicalUsage = { promptTokens: 1_000, cachedTokens: 0, completionTokens: 300 }

/**
 * The cheapest provider with a free slot that has not failed lately; then the cheapest that would queue; then those
 * that failed. Equal prices go to the faster decoder.
 */
export function select(candidates: readonly Candidate[], policy: SelectionPolicy): Choice | undefined {
  const ranked = candidates
    .filter(({ advert }) => !policy.tried.has(advert.peer))
    .map((candidate) => ({ candidate, rank: rankOf(candidate, policy) }))
    .sort(
      (a, b) =>
        a.rank.tier - b.rank.tier ||
        compare(a.rank.nano, b.rank.nano) ||
        b.rank.speed - a.rank.speed ||
        compareNames(a.candidate, b.candidate),
    )
  const best = ranked[0]
  if (!best) return undefined
  const tier = ['free slot', 'would queue', 'failed lately'][best.rank.tier]
  return {
    candidate: best.candidate,
    reason: `${tier}, cheapest of ${ranked.length}: ${best.candidate.offer.price.completionNano} nano a million tokens`,
  }
}

function rankOf({ advert, offer, failedAtMs }: Candidate, policy: SelectionPolicy) {
  const isCooling = failedAtMs !== undefined && policy.nowMs - failedAtMs < policy.cooldownMs
  const slotsFree = offer.slotsFree - (policy.openRequests.get(advert.peer) ?? 0)
  return {
    tier: isCooling ? 2 : slotsFree > 0 ? 0 : 1,
    nano: costNano(typicalUsage, offer.price),
    speed: offer.decodeTokensPerSecond,
  }
}

function compare<T extends bigint | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function compareNames(a: Candidate, b: Candidate): number {
  return compare(a.advert.peer + a.offer.modelKey, b.advert.peer + b.offer.modelKey)
}

// Which provider to ask next. Pure: candidates, what is known of them and a random stream in, the best one and the reason out.

import type { PeerId } from '../../protocol/ids.ts'
import { costNano, type Nano } from '../../protocol/money.ts'
import type { Random } from '../ports.ts'
import { byName, type Candidate } from './directory.ts'
import { type Outlook, type Prediction, predict, typicalUsage } from './prediction.ts'

export type { Candidate } from './directory.ts'
export { rttMsUnknown } from './prediction.ts'

/**
 * `balanced`: price and time together, the likelihood of success, and what a provider still holds of the conversation.
 * `least-price`: the lowest price, of equal ones the faster decoder. `least-latency`: the soonest first token. `most-throughput`:
 * the fastest decoder. `p2c`: the less loaded of two drawn at random (Mitzenmacher 2001), of equal ones the first: nearly as even as
 * knowing all loads, and many consumers with one stale view do not all pick the same provider. `random`: any.
 */
export type Routing = 'balanced' | 'least-price' | 'least-latency' | 'most-throughput' | 'p2c' | 'random'

export interface SelectionPolicy extends Outlook {
  readonly routing: Routing
  readonly nowMs: number
  readonly cooldownMs: number
  /** Asked already for this request. */
  readonly tried: ReadonlySet<PeerId>
  /** So many of this peer's requests at most are taken by one provider. */
  readonly peerRequestsMax?: number | undefined
  /** Before all others, in this order. */
  readonly order?: readonly string[] | undefined
  /** Connected now; given once somebody could not be reached, and then these come first. */
  readonly connected?: ReadonlySet<PeerId> | undefined
  /** To wait this long is as bad as to pay the price twice; twice as long, as to pay it five times. */
  readonly patienceMs?: number | undefined
}

export interface Choice {
  readonly candidate: Candidate
  readonly expected: Prediction
  readonly reason: string
  /** How it compares: the chosen one, then the best of the others, two at most. */
  readonly considered: readonly Considered[]
}

/** One that could have been chosen. */
export interface Considered {
  readonly candidate: Candidate
  readonly expected: Prediction
  /** Why not before others, if so. */
  readonly standing: string
  /** By which `balanced` chooses; less is better. */
  readonly score: number
}

const standings: readonly string[] = [
  'free slot',
  'would queue',
  'context too small',
  'failed lately',
  'has enough of ours',
]
const othersTold = 2
/** By which a provider may be worse than the best and still be drawn, or stay a conversation's. */
const acceptable = 1.25
const patienceMsDefault = 2_000
/** What comes can be read while the rest is decoded: it is waited for less than the first token is. */
const readShare = 0.25

interface Weighed extends Considered {
  /** What is chosen among first: the least. */
  readonly rank: readonly number[]
}

/**
 * Whatever the routing: whose context seems too small comes after the others, then who failed lately, and last who has as many
 * requests of this peer as it takes; before that counts what the caller prefers. Then one with a free slot comes before one that
 * would queue, for adverts do not tell how a queue grows. The order of the candidates never matters. Where the routing draws, it draws for any number of candidates
 * alike, so that one more or less shifts no later choice.
 */
export function select(
  candidates: readonly Candidate[],
  policy: SelectionPolicy,
  random: Pick<Random, 'next'>,
): Choice | undefined {
  const { draws, figuresOf, drawnBy = figuresOf, holds, say } = strategies[policy.routing]
  const outlook = { busyShare: busyShare(candidates), ...policy }
  const weighed: Weighed[] = []
  let first: readonly number[] | undefined
  for (const candidate of candidates) {
    if (policy.tried.has(candidate.advert.peer)) continue
    const each = weigh(candidate, outlook)
    weighed.push(each)
    if (!first || compare(each.rank, first) < 0) first = each.rank
  }
  const order = (a: Weighed, b: Weighed): number =>
    compare(figuresOf(a), figuresOf(b)) || byName(a.candidate, b.candidate)
  let among = first ? weighed.filter(({ rank }) => compare(rank, first) === 0) : []
  const best = leastOf(among, order)
  if (best && holds) among = among.filter(({ score }) => score <= acceptable * best.score)
  const holder = holds ? among.find(({ expected }) => expected.heldTokens > 0) : undefined
  const drawn = drawOf(among, draws, order, drawnBy, random)
  const chosen = holder ?? drawn
  if (!chosen) return undefined
  const others = weighed.filter((each) => each !== chosen)
  others.sort((a, b) => compare(a.rank, b.rank) || order(a, b))
  return {
    candidate: chosen.candidate,
    expected: chosen.expected,
    reason: `${chosen.standing}, ${policy.routing} of ${weighed.length}: ${say(chosen)}${holder ? ', holds the conversation' : ''}`,
    considered: [chosen, ...others.slice(0, othersTold)].map(({ rank: _, ...each }) => each),
  }
}

/** What counts, the most important first; less is better. */
type Figures = readonly (number | bigint)[]

interface Strategy {
  readonly figuresOf: (each: Weighed) => Figures
  readonly say: (each: Weighed) => string
  /** How many are drawn at random, of which the best is taken, of equal ones the first; 0 takes the best of all. */
  readonly draws: 0 | 1 | 2
  /** What the best of those drawn is by, where that is another than the best of all. */
  readonly drawnBy?: (each: Weighed) => Figures
  /** Draws among those near the best only, unless one of them holds the conversation. */
  readonly holds?: true
}

const strategies: Record<Routing, Strategy> = {
  balanced: {
    draws: 2,
    drawnBy: ({ expected }) => [expected.load],
    holds: true,
    figuresOf: ({ expected, score }) => [score, expected.firstTokenMs, expected.load],
    say: ({ expected: { costNano, firstTokenMs } }) =>
      `${costNano} nano, ${Math.round(firstTokenMs)} ms to a first token`,
  },
  'least-price': {
    draws: 0,
    figuresOf: ({ candidate, expected }) => [typicalNano(candidate), -expected.decodeTokensPerSecond],
    say: ({ candidate }) => `${candidate.offer.price.completionNano} nano a million tokens`,
  },
  'least-latency': {
    draws: 0,
    figuresOf: ({ expected }) => [expected.firstTokenMs],
    say: ({ expected }) => `${Math.round(expected.firstTokenMs)} ms to a first token`,
  },
  'most-throughput': {
    draws: 0,
    figuresOf: ({ expected }) => [-expected.decodeTokensPerSecond],
    say: ({ expected }) => `${Math.round(expected.decodeTokensPerSecond)} tokens/s`,
  },
  p2c: {
    draws: 2,
    figuresOf: ({ candidate, expected }) => [expected.load, typicalNano(candidate)],
    say: ({ expected }) => `${Math.round(100 * expected.load)} % load`,
  },
  random: { draws: 1, figuresOf: () => [], say: () => 'any' },
}

function busyShare(candidates: readonly Candidate[]): number {
  let slots = 0
  let taken = 0
  for (const { offer } of candidates) {
    slots += offer.slots
    taken += offer.slots - offer.slotsFree
  }
  return slots === 0 ? 0 : taken / slots
}

function weigh(candidate: Candidate, policy: SelectionPolicy): Weighed {
  const { peer } = candidate.advert
  const { connected, cooldownMs, nowMs, openRequests, order, patienceMs = patienceMsDefault, peerRequestsMax } = policy
  const expected = predict(candidate, policy)
  const isCooling = candidate.failedAtMs !== undefined && candidate.failedAtMs > nowMs - cooldownMs
  const isFull = (openRequests.get(peer) ?? 0) >= (peerRequestsMax ?? Number.POSITIVE_INFINITY)
  const standing = isFull ? 4 : isCooling ? 3 : !expected.fits ? 2 : expected.isFree ? 0 : 1
  const place = order?.indexOf(peer) ?? -1
  const rank = [
    standing >= 2 ? standing : 0,
    connected && !connected.has(peer) ? 1 : 0,
    place === -1 ? (order?.length ?? 0) : place,
    standing,
  ]
  const answerMs = (1_000 * (policy.completionTokens ?? typicalUsage.completionTokens)) / expected.decodeTokensPerSecond
  const waits = (expected.firstTokenMs + readShare * answerMs) / patienceMs
  const nano = Math.max(1, Number(expected.costNano)) // of those that cost nothing the sooner is better
  const score = (nano * (1 + waits * waits)) / expected.success
  return { candidate, expected, standing: standings[standing] ?? '', score, rank }
}

/** Of so many drawn the best; the best of all where none is drawn. Draws for any number alike. */
function drawOf(
  among: readonly Weighed[],
  draws: Strategy['draws'],
  order: (a: Weighed, b: Weighed) => number,
  drawnBy: Strategy['figuresOf'],
  random: Pick<Random, 'next'>,
): Weighed | undefined {
  if (draws === 0) return leastOf(among, order)
  const sorted = among.toSorted((a, b) => byName(a.candidate, b.candidate))
  const first = draw(random, sorted.length)
  if (draws === 1) return sorted[first]
  const second = draw(random, sorted.length - 1)
  const [one, other] = [sorted[first], sorted[second < first ? second : second + 1]]
  return one && other && compare(drawnBy(other), drawnBy(one)) < 0 ? other : one
}

function leastOf(among: readonly Weighed[], order: (a: Weighed, b: Weighed) => number): Weighed | undefined {
  let best: Weighed | undefined
  for (const each of among) if (!best || order(each, best) < 0) best = each
  return best
}

function typicalNano({ offer }: Candidate): Nano {
  return costNano(typicalUsage, offer.price)
}

function compare(a: Figures, b: Figures): number {
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

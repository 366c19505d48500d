// Which provider to ask next. Pure: candidates, what is known of them and a random stream in, the best one and the reason out.

import type { PeerId } from '../../protocol/ids.ts'
import { costNano, formatGram } from '../../protocol/money.ts'
import type { Random } from '../ports.ts'
import { byName, type Candidate } from './directory.ts'
import {
  answerTokens,
  isFree,
  isHeldBy,
  loadOf,
  type Outlook,
  type Prediction,
  predict,
  typicalUsage,
} from './prediction.ts'

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
  /** It has a free slot, as far as is known, and nothing else speaks against it. */
  readonly isReady: boolean
  readonly reason: string
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

/**
 * Whatever the routing: whose context seems too small comes after the others, then who failed lately, and last who has as many
 * requests of this peer as it takes; before that counts what the caller prefers. Then one with a free slot comes before one that
 * would queue, for adverts do not tell how a queue grows. The order of the candidates never matters. Where the routing draws, it
 * draws for any number of candidates alike, so that one more or less shifts no later choice.
 */
export function select(
  candidates: readonly Candidate[],
  policy: SelectionPolicy,
  random: Pick<Random, 'next'>,
): Choice | undefined {
  const outlook = { ...policy, busyShare: busyShare(candidates) }
  let rank = Number.POSITIVE_INFINITY
  let among: Candidate[] = [] // of that rank
  let count = 0
  for (const candidate of candidates) {
    if (policy.tried.has(candidate.advert.peer)) continue
    count += 1
    const own = rankOf(candidate, policy)
    if (own < rank) {
      rank = own
      among = [candidate]
    } else if (own === rank) among.push(candidate)
  }
  const { figuresOf, pick, say } = strategies[policy.routing]
  const candidate = pick(among, (each) => figuresOf(each, outlook), random, outlook)
  if (!candidate) return undefined
  const expected = predict(candidate, outlook)
  const standing = standingOf(candidate, policy)
  const reason = `${standings[standing]}, ${policy.routing} of ${count}: ${say(candidate, expected)}`
  return { candidate, expected, isReady: standing === 0, reason }
}

/** How a choice compares: the chosen one, then the best of the others, two at most. */
export function compareOthers(
  { candidate: chosen }: Choice,
  candidates: readonly Candidate[],
  policy: SelectionPolicy,
): readonly Considered[] {
  const outlook = { ...policy, busyShare: busyShare(candidates) }
  const { figuresOf } = strategies[policy.routing]
  const others = candidates
    .filter((each) => each !== chosen && !policy.tried.has(each.advert.peer))
    .map((each) => ({ each, figures: [rankOf(each, policy), ...figuresOf(each, outlook)] }))
    .sort((a, b) => compare(a.figures, b.figures) || byName(a.each, b.each))
  return [chosen, ...others.slice(0, othersTold).map(({ each }) => each)].map((candidate) => {
    const expected = predict(candidate, outlook)
    const standing = standings[standingOf(candidate, policy)] ?? ''
    return { candidate, expected, standing, score: scoreOf(expected, outlook) }
  })
}

/** What counts, the most important first; less is better. */
type Figures = readonly (number | bigint)[]
type FiguresOf = (candidate: Candidate) => Figures

interface Strategy {
  readonly figuresOf: (candidate: Candidate, outlook: SelectionPolicy) => Figures
  readonly pick: (
    candidates: Candidate[],
    figuresOf: FiguresOf,
    random: Pick<Random, 'next'>,
    outlook: SelectionPolicy,
  ) => Candidate | undefined
  readonly say: (candidate: Candidate, expected: Prediction) => string
}

const strategies: Record<Routing, Strategy> = {
  balanced: {
    figuresOf: (candidate, outlook) => {
      const expected = predict(candidate, outlook)
      return [scoreOf(expected, outlook), expected.firstTokenMs]
    },
    pick: (candidates, figuresOf, random, outlook) => {
      const scores = candidates.map((candidate) => Number(figuresOf(candidate)[0]))
      const best = Math.min(...scores)
      const near = candidates.filter((_, at) => (scores[at] ?? 0) <= acceptable * best)
      const drawn = twoChoices(near, (each) => [loadOf(each, outlook)], random)
      return near.find((each) => isHeldBy(each, outlook)) ?? drawn
    },
    say: (_, { costNano: nano, firstTokenMs, heldTokens }) =>
      `${formatGram(nano)} GRAM, ${Math.round(firstTokenMs)} ms to a first token${heldTokens > 0 ? ', holds the conversation' : ''}`,
  },
  'least-price': {
    figuresOf: ({ offer }) => [costNano(typicalUsage, offer.price), -offer.decodeTokensPerSecond],
    pick: least,
    say: ({ offer }) => `${formatGram(offer.price.completionNano)} GRAM a million tokens`,
  },
  'least-latency': {
    figuresOf: (candidate, outlook) => [predict(candidate, outlook).firstTokenMs],
    pick: least,
    say: (_, { firstTokenMs }) => `${Math.round(firstTokenMs)} ms to a first token`,
  },
  'most-throughput': {
    figuresOf: (candidate, outlook) => [-predict(candidate, outlook).decodeTokensPerSecond],
    pick: least,
    say: (_, { decodeTokensPerSecond }) => `${Math.round(decodeTokensPerSecond)} tokens/s`,
  },
  p2c: {
    figuresOf: (candidate, outlook) => [loadOf(candidate, outlook), costNano(typicalUsage, candidate.offer.price)],
    pick: twoChoices,
    say: (_, { load }) => `${Math.round(100 * load)} % load`,
  },
  random: {
    figuresOf: () => [],
    pick: (candidates, _, random) => candidates.sort(byName)[draw(random, candidates.length)],
    say: () => 'any',
  },
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

/** Into `standings`. */
function standingOf(candidate: Candidate, policy: SelectionPolicy): number {
  const { advert, failedAtMs, offer } = candidate
  const { completionTokens = 0, cooldownMs, nowMs, openRequests, peerRequestsMax, promptTokens } = policy
  if (peerRequestsMax !== undefined && (openRequests.get(advert.peer) ?? 0) >= peerRequestsMax) return 4
  if (failedAtMs !== undefined && failedAtMs > nowMs - cooldownMs) return 3
  if (promptTokens + completionTokens > offer.contextTokens) return 2
  return isFree(candidate, policy) ? 0 : 1
}

/** What is chosen among first: the least. One number, for it is asked of every candidate of every choice. */
function rankOf(candidate: Candidate, policy: SelectionPolicy): number {
  const { peer } = candidate.advert
  const { connected, order = [] } = policy
  const standing = standingOf(candidate, policy)
  const last = standing < 2 ? 0 : standing
  const unconnected = connected && !connected.has(peer) ? 1 : 0
  const place = order.length === 0 ? -1 : order.indexOf(peer)
  const places = order.length + 1
  return ((2 * last + unconnected) * places + (place === -1 ? order.length : place)) * standings.length + standing
}

function scoreOf(expected: Prediction, outlook: SelectionPolicy): number {
  const answerMs = (1_000 * answerTokens(outlook)) / expected.decodeTokensPerSecond
  const waits = (expected.firstTokenMs + readShare * answerMs) / (outlook.patienceMs ?? patienceMsDefault)
  const nano = Math.max(1, Number(expected.costNano)) // of those that cost nothing the sooner is better
  return (nano * (1 + waits * waits)) / expected.success
}

/** The better of two different ones, of equal ones the first drawn. Draws for any number alike. */
function twoChoices(
  candidates: Candidate[],
  figuresOf: FiguresOf,
  random: Pick<Random, 'next'>,
): Candidate | undefined {
  candidates.sort(byName)
  const first = draw(random, candidates.length)
  const second = draw(random, candidates.length - 1)
  const [one, other] = [candidates[first], candidates[second < first ? second : second + 1]]
  return one && other && compare(figuresOf(other), figuresOf(one)) < 0 ? other : one
}

function least(candidates: readonly Candidate[], figuresOf: FiguresOf): Candidate | undefined {
  let best: { readonly candidate: Candidate; readonly figures: Figures } | undefined
  for (const candidate of candidates) {
    const figures = figuresOf(candidate)
    const order = best ? compare(figures, best.figures) || byName(candidate, best.candidate) : -1
    if (order < 0) best = { candidate, figures }
  }
  return best?.candidate
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

// Choosing by price and time together, and what comes before it: limits, order, connections, conversations.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Candidate } from '../../node/consumer/directory.ts'
import type { Measured } from '../../node/consumer/prediction.ts'
import {
  type Choice,
  type Considered,
  compareOthers,
  type Routing,
  type SelectionPolicy,
  select,
} from '../../node/consumer/selection.ts'
import type { Offer } from '../../protocol/advert.ts'
import { parseModelKey } from '../../protocol/ids.ts'
import { featuresByDefault } from '../../protocol/task.ts'
import { addressOfNumber, peerOf } from './peers.ts'

const nowMs = 1_800_000_000_000
const cooldownMs = 30_000
const modelKey = parseModelKey('1'.repeat(64))
const peers = Array.from({ length: 12 }, (_, number) => peerOf(number + 1)).toSorted()
const peer = (number: number) => peers[number] ?? expect.unreachable()

const policy: SelectionPolicy = {
  routing: 'balanced',
  nowMs,
  cooldownMs,
  openRequests: new Map(),
  tried: new Set(),
  rttMs: new Map(peers.map((each) => [each, 50])),
  promptTokens: 1_000,
  completionTokens: 200,
  peerRequestsMax: 8,
  patienceMs: 2_000,
}

const priced = (factor: number) => ({
  price: {
    promptNano: BigInt(Math.round(1e7 * factor)),
    completionNano: BigInt(Math.round(1e8 * factor)),
    cachedNano: BigInt(Math.round(1e6 * factor)),
  },
})

function candidate(number: number, offer: Partial<Offer> = {}, more: Partial<Candidate> = {}): Candidate {
  const full: Offer = {
    modelKey,
    name: 'm',
    contextTokens: 8_192,
    ...priced(1),
    slots: 4,
    slotsFree: 4,
    queued: 0,
    prefillTokensPerSecond: 2_000,
    decodeTokensPerSecond: 50,
    features: featuresByDefault,
    vocabularySha256: undefined,
    ...offer,
  }
  const advert = {
    peer: peer(number),
    sequence: 1,
    validUntilMs: nowMs,
    payout: addressOfNumber(number),
    offers: [full],
    addresses: [],
    agent: '',
  }
  return { advert, offer: full, failedAtMs: undefined, ...more }
}

const nothing: Measured = {
  good: 0,
  bad: 0,
  accepts: 0,
  delayMs: 0,
  prefills: 0,
  prefillTokens: 0,
  prefillMs: 0,
  prefillTokensSquared: 0,
  prefillTokensMs: 0,
  decodeTokens: 0,
  decodeMs: 0,
  heldTokens: 0,
  cachedTokens: 0,
}
/** Of the first peer. */
const measuring = (change: Partial<Measured>) => ({
  measured: ({ advert }: Candidate) => (advert.peer === peer(0) ? { ...nothing, ...change } : undefined),
})

/** Draws these, over and over. */
function drawing(...values: readonly number[]): { next(): number } {
  let at = 0
  return { next: () => values[at++ % values.length] ?? 0 }
}

const draws = [0, 0.2, 0.4, 0.6, 0.8, 0.99]

function considered(candidates: readonly Candidate[], by: SelectionPolicy): readonly Considered[] {
  const choice = select(candidates, by, drawing(0)) ?? expect.unreachable()
  return compareOthers(choice, candidates, by)
}

/** Everybody whom some draw chooses, by number. */
function anyOf(candidates: readonly Candidate[], change: Partial<SelectionPolicy> = {}): readonly number[] {
  const chosen = new Set<number>()
  for (const first of draws) {
    for (const second of draws) {
      const choice = select(candidates, { ...policy, ...change }, drawing(first, second))
      if (choice) chosen.add(peers.indexOf(choice.candidate.advert.peer))
    }
  }
  return [...chosen].sort((a, b) => a - b)
}

describe('price and time', () => {
  test('of equally fast ones the much dearer is never taken', () => {
    expect(anyOf([candidate(0, priced(2)), candidate(1)])).toEqual([1])
  })

  test('those about as good are all taken, as the draw goes', () => {
    const near = [candidate(0), candidate(1, priced(1.1)), candidate(2, priced(0.95)), candidate(3, priced(3))]
    expect(anyOf(near)).toEqual([0, 1, 2])
  })

  test('half the price is not worth seconds of waiting', () => {
    const slow = candidate(0, { ...priced(0.5), prefillTokensPerSecond: 200 })
    expect(anyOf([slow, candidate(1)])).toEqual([1])
    expect(anyOf([slow, candidate(1)], { promptTokens: 50 })).toEqual([0])
  })

  test('and is, for who has the patience', () => {
    const slow = candidate(0, { ...priced(0.5), prefillTokensPerSecond: 200 })
    expect(anyOf([slow, candidate(1)], { patienceMs: 60_000 })).toEqual([0])
  })

  test('a slow decoder must be cheaper', () => {
    const slow = { decodeTokensPerSecond: 5 }
    expect(anyOf([candidate(0, slow), candidate(1)])).toEqual([1])
    expect(anyOf([candidate(0, { ...slow, ...priced(0.02) }), candidate(1)])).toEqual([0])
  })

  test('where it costs nothing the first of the free ones to answer is taken', () => {
    const free = { price: { promptNano: 0n, completionNano: 0n, cachedNano: 0n } }
    expect(anyOf([candidate(0, { ...free, prefillTokensPerSecond: 100 }), candidate(1, free), candidate(2)])).toEqual([
      1,
    ])
  })

  test('a nearly full one is less likely to be taken than an idle one: its advert is seconds old', () => {
    expect(anyOf([candidate(0, { slotsFree: 1, slots: 4, decodeTokensPerSecond: 20 }), candidate(1)])).toEqual([1])
  })

  test('one with a free slot comes before a full one, however cheap', () => {
    expect(anyOf([candidate(0, { ...priced(0.1), slotsFree: 0 }), candidate(1)])).toEqual([1])
  })
})

describe('what was measured', () => {
  test('a provider that failed is worse than an equal one, the more the more often', () => {
    const scoreWith = (bad: number) => considered([candidate(0)], { ...policy, ...measuring({ bad }) })[0]?.score ?? 0
    expect(scoreWith(1)).toBeGreaterThan(scoreWith(0))
    expect(scoreWith(3)).toBeGreaterThan(scoreWith(1))
    expect(anyOf([candidate(0), candidate(1)], measuring({ bad: 1 }))).toEqual([1])
  })

  test('one failure among many successes is forgiven', () => {
    expect(anyOf([candidate(0), candidate(1)], measuring({ good: 20, bad: 1 }))).toEqual([0, 1])
  })

  test('one that accepts later than it should is waited for that long', () => {
    const late = measuring({ accepts: 3, delayMs: 12_000 })
    expect(anyOf([candidate(0), candidate(1)], late)).toEqual([1])
    const choice = select([candidate(0)], { ...policy, ...late }, drawing(0))
    expect(choice?.expected.firstTokenMs).toBeCloseTo(50 + 500 + 3_000, 3)
  })

  test('one that prefills slower than it says is believed less', () => {
    const choice = select(
      [candidate(0)],
      {
        ...policy,
        ...measuring({
          prefills: 20,
          prefillTokens: 20_000,
          prefillMs: 80_000, // four seconds for each thousand
          prefillTokensSquared: 20_000_000,
          prefillTokensMs: 80_000_000,
        }),
      },
      drawing(0),
    )
    expect(choice?.expected.prefillMs).toBeGreaterThan(3_500)
    expect(choice?.expected.prefillMs).toBeLessThan(4_100)
  })

  test('one that decodes slower than it says is believed less', () => {
    const choice = select(
      [candidate(0)],
      { ...policy, ...measuring({ decodeTokens: 500, decodeMs: 50_000 }) },
      drawing(0),
    )
    expect(choice?.expected.decodeTokensPerSecond).toBeGreaterThan(10)
    expect(choice?.expected.decodeTokensPerSecond).toBeLessThan(12)
  })

  test('whatever was measured, predictions are times and not nonsense', () => {
    const sum = fc.double({ min: 0, max: 1e9, noNaN: true })
    fc.assert(
      fc.property(
        fc.record({ good: sum, bad: sum, accepts: sum, delayMs: sum, decodeTokens: sum, decodeMs: sum }),
        fc.array(fc.tuple(fc.nat({ max: 100_000 }), fc.nat({ max: 60_000 })), { maxLength: 20 }),
        fc.nat({ max: 100_000 }),
        (sums, points, promptTokens) => {
          const line = points.reduce(
            (all, [tokens, ms]) => ({
              prefills: all.prefills + 1,
              prefillTokens: all.prefillTokens + tokens,
              prefillMs: all.prefillMs + ms,
              prefillTokensSquared: all.prefillTokensSquared + tokens * tokens,
              prefillTokensMs: all.prefillTokensMs + tokens * ms,
            }),
            { prefills: 0, prefillTokens: 0, prefillMs: 0, prefillTokensSquared: 0, prefillTokensMs: 0 },
          )
          const choice = select(
            [candidate(0)],
            { ...policy, promptTokens, ...measuring({ ...sums, ...line }) },
            drawing(0),
          )
          const { firstTokenMs, prefillMs, success } = choice?.expected ?? expect.unreachable()
          expect(prefillMs).toBeGreaterThanOrEqual(0)
          expect(Number.isFinite(firstTokenMs)).toBe(true)
          expect(success).toBeGreaterThan(0)
          expect(success).toBeLessThanOrEqual(1)
        },
      ),
    )
  })
})

describe('a conversation', () => {
  const held = { peer: peer(0), model: modelKey, tokens: 900 }
  const long = { promptTokens: 1_000, held }

  test('returns to who still holds it, whatever is drawn', () => {
    const three = [candidate(0), candidate(1), candidate(2)]
    expect(anyOf(three, long)).toEqual([0])
    expect(anyOf(three)).toEqual([0, 1, 2])
  })

  test('returns to a dearer one whose cached tokens make up for it', () => {
    expect(anyOf([candidate(0, priced(1.2)), candidate(1)], long)).toEqual([0])
  })

  test('moves away from one that is clearly worse', () => {
    expect(anyOf([candidate(0, priced(4)), candidate(1)], long)).toEqual([1])
  })

  test('moves away from one that is full or failed lately', () => {
    expect(anyOf([candidate(0, { slotsFree: 0 }), candidate(1)], long)).toEqual([1])
    expect(anyOf([candidate(0, {}, { failedAtMs: nowMs }), candidate(1)], long)).toEqual([1])
  })

  test('is not thought to be held where the weights are others', () => {
    const other = { ...held, model: parseModelKey('2'.repeat(64)) }
    expect(anyOf([candidate(0), candidate(1)], { ...long, held: other })).toEqual([0, 1])
  })

  test('is thought to be held less by one that did not hold what it should have', () => {
    const share = (cachedTokens: number) =>
      select([candidate(0)], { ...policy, ...long, ...measuring({ heldTokens: 9_000, cachedTokens }) }, drawing(0))
        ?.expected.cachedTokens ?? 0
    expect(share(0)).toBeLessThan(100)
    expect(share(9_000)).toBeGreaterThan(850)
  })

  test('says so', () => {
    expect(select([candidate(0), candidate(1)], { ...policy, ...long }, drawing(0.9))?.reason).toMatch(
      /^free slot, balanced of 2: 0\.\d+ GRAM, \d+ ms to a first token, holds the conversation$/,
    )
  })
})

describe('before any routing', () => {
  const routings: readonly Routing[] = ['balanced', 'least-price', 'least-latency', 'most-throughput', 'p2c', 'random']
  const others = [candidate(1, priced(5)), candidate(2, priced(5))]

  test.each(routings)('%s: one with as many of our requests as it takes comes after all others', (routing) => {
    const full = { routing, openRequests: new Map([[peer(0), 8]]) }
    expect(anyOf([candidate(0), ...others], full)).not.toContain(0)
    expect(anyOf([candidate(0), candidate(1, {}, { failedAtMs: nowMs })], full)).toEqual([1])
    expect(anyOf([candidate(0)], full)).toEqual([0])
    const below = { routing, openRequests: new Map([[peer(0), 7]]) }
    expect(anyOf([candidate(0, { slots: 64, slotsFree: 64 }), candidate(1, {}, { failedAtMs: nowMs })], below)).toEqual(
      [0],
    )
  })

  test.each(routings)('%s: those named come first, in their order, unless they failed lately', (routing) => {
    const order = [peer(2), peer(1)]
    expect(anyOf([candidate(0), ...others], { routing, order })).toEqual([2])
    expect(anyOf([candidate(0), ...others], { routing, order, tried: new Set([peer(2)]) })).toEqual([1])
    const failed = candidate(2, {}, { failedAtMs: nowMs })
    expect(anyOf([candidate(0), candidate(1), failed], { routing, order })).toEqual([1])
  })

  test.each(routings)('%s: once somebody could not be reached, who is connected comes first', (routing) => {
    const connected = new Set([peer(2)])
    expect(anyOf([candidate(0), ...others], { routing, connected })).toEqual([2])
  })

  test.each(routings)('%s: whose context seems too small for prompt and answer comes after the others', (routing) => {
    const small = candidate(0, { contextTokens: 1_199 })
    expect(anyOf([small, ...others], { routing })).not.toContain(0)
    expect(anyOf([small, candidate(1, {}, { failedAtMs: nowMs })], { routing })).toEqual([0])
    expect(anyOf([candidate(0, { contextTokens: 1_200 })], { routing })).toEqual([0])
  })
})

test('requests that an advert shows already are not counted twice', () => {
  const half = candidate(0, { slotsFree: 2 })
  const dear = candidate(1, priced(4))
  const openRequests = new Map([[peer(0), 2]])
  expect(anyOf([half, dear], { openRequests })).toEqual([1])
  expect(anyOf([half, dear], { openRequests, unseenRequests: () => 0 })).toEqual([0])
})

test('sort by throughput takes the fastest decoder, by what was measured of it', () => {
  const [a, b] = [candidate(0, { decodeTokensPerSecond: 100 }), candidate(1, { decodeTokensPerSecond: 60 })]
  expect(anyOf([a, b], { routing: 'most-throughput' })).toEqual([0])
  const slow = measuring({ decodeTokens: 100, decodeMs: 20_000 })
  expect(anyOf([a, b], { routing: 'most-throughput', ...slow })).toEqual([1])
})

test('a choice tells the figures of the chosen one and of the best two others', () => {
  const four = [candidate(0, priced(3)), candidate(1, priced(2)), candidate(2), candidate(3, priced(4))]
  const told = considered(four, policy)
  expect(told.map(({ candidate: { advert } }) => peers.indexOf(advert.peer))).toEqual([2, 1, 0])
  expect(told[0]?.expected.costNano).toBe(30_000n)
})

test('many consumers with one stale view do not herd', () => {
  const equal = Array.from({ length: 10 }, (_, number) => candidate(number))
  let state = 7
  const random = {
    next: () => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31
      return state / 2 ** 31
    },
  }
  const counts = new Map<string, number>()
  for (let consumer = 0; consumer < 2_000; consumer += 1) {
    const choice: Choice = select(equal, policy, random) ?? expect.unreachable()
    const { peer: chosen } = choice.candidate.advert
    counts.set(chosen, (counts.get(chosen) ?? 0) + 1)
  }
  expect(counts.size).toBe(10)
  expect(Math.max(...counts.values())).toBeLessThan(300)
})

// Which provider is asked next.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Candidate } from '../../node/consumer/directory.ts'
import { type SelectionPolicy, select } from '../../node/consumer/selection.ts'
import type { Offer } from '../../protocol/advert.ts'
import { parseModelKey } from '../../protocol/ids.ts'
import { addressOfNumber, peerOf } from './peers.ts'

const nowMs = 1_800_000_000_000
const cooldownMs = 30_000
const policy: SelectionPolicy = { nowMs, cooldownMs, openRequests: new Map(), tried: new Set() }

const peers = Array.from({ length: 8 }, (_, number) => peerOf(number + 1)).toSorted()
const peer = (number: number) => peers[number] ?? expect.unreachable()
const modelKey = (number: number) => parseModelKey(number.toString(16).padStart(64, '0'))

function candidate(number: number, offer: Partial<Offer> = {}, failedAtMs?: number): Candidate {
  const full: Offer = {
    modelKey: modelKey(1),
    name: 'm',
    contextTokens: 4_096,
    price: { promptNano: 10n, completionNano: 100n, cachedNano: 1n },
    slots: 4,
    slotsFree: 4,
    queued: 0,
    prefillTokensPerSecond: 0,
    decodeTokensPerSecond: 100,
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
  return { advert, offer: full, failedAtMs }
}

const priced = (completionNano: bigint) => ({ price: { promptNano: 0n, completionNano, cachedNano: 0n } })
const cheap = priced(1_000_000n)
const dear = priced(2_000_000n)

/** The choice and, first, that the other order of the candidates changes nothing. */
function chosen(candidates: readonly Candidate[], change: Partial<SelectionPolicy> = {}): Candidate | undefined {
  const choice = select(candidates, { ...policy, ...change })
  expect(select(candidates.toReversed(), { ...policy, ...change })).toEqual(choice)
  return choice?.candidate
}

test('there is no choice among none', () => {
  expect(select([], policy)).toBeUndefined()
})

test('one that was tried is not asked again', () => {
  const [a, b] = [candidate(0, cheap), candidate(1, dear)]
  expect(chosen([a, b], { tried: new Set([peer(0)]) })).toBe(b)
  expect(chosen([a], { tried: new Set([peer(0)]) })).toBeUndefined()
})

describe('tiers', () => {
  test('a free slot beats a lower price', () => {
    const [full, free] = [candidate(0, { ...cheap, slotsFree: 0 }), candidate(1, { ...dear, slotsFree: 1 })]
    expect(chosen([full, free])).toBe(free)
  })

  test('requests open there fill slots that its advert still shows free', () => {
    const [busy, free] = [candidate(0, { ...cheap, slotsFree: 2 }), candidate(1, { ...dear, slotsFree: 1 })]
    expect(chosen([busy, free], { openRequests: new Map([[peer(0), 1]]) })).toBe(busy)
    expect(chosen([busy, free], { openRequests: new Map([[peer(0), 2]]) })).toBe(free)
  })

  test('a queue beats a failure of late', () => {
    const [failed, full] = [candidate(0, cheap, nowMs), candidate(1, { ...dear, slotsFree: 0 })]
    expect(chosen([failed, full])).toBe(full)
  })

  test('a failure counts until the cooldown is over and no longer', () => {
    const other = candidate(1, dear)
    const during = candidate(0, cheap, nowMs - cooldownMs + 1)
    const after = candidate(0, cheap, nowMs - cooldownMs)
    expect(chosen([during, other])).toBe(other)
    expect(chosen([after, other])).toBe(after)
  })

  test('one that failed is asked where there is no other', () => {
    const failed = candidate(0, cheap, nowMs)
    expect(chosen([failed])).toBe(failed)
  })

  test('the reason names tier, number and price', () => {
    const full = { slotsFree: 0 }
    expect(select([candidate(0, dear), candidate(1, cheap)], policy)?.reason).toBe(
      'free slot, cheapest of 2: 1000000 nano a million tokens',
    )
    expect(select([candidate(0, full)], policy)?.reason).toMatch(/^would queue, cheapest of 1/)
    expect(select([candidate(0, {}, nowMs)], policy)?.reason).toMatch(/^failed lately, cheapest of 1/)
  })
})

describe('ties', () => {
  test('the lower price of a typical request wins, its prompt included', () => {
    const a = candidate(0, { price: { promptNano: 4_000n, completionNano: 1_000n, cachedNano: 0n } })
    const b = candidate(1, { price: { promptNano: 1_000n, completionNano: 4_000n, cachedNano: 0n } })
    expect(chosen([a, b])).toBe(b)
  })

  test('prices that cost a typical request the same are the same', () => {
    const slow = candidate(0, { ...priced(1n), decodeTokensPerSecond: 10 })
    const fast = candidate(1, { ...priced(2n), decodeTokensPerSecond: 11 })
    expect(chosen([slow, fast])).toBe(fast)
  })

  test('at equal prices the faster decoder wins', () => {
    const [slow, fast] = [candidate(0, { decodeTokensPerSecond: 10 }), candidate(1, { decodeTokensPerSecond: 11 })]
    expect(chosen([slow, fast])).toBe(fast)
  })

  test('at equal speeds the smaller peer id wins', () => {
    const [first, second] = [candidate(0), candidate(1)]
    expect(chosen([second, first])).toBe(first)
  })

  test('of two equal offers of one peer the smaller model key wins', () => {
    const [first, second] = [candidate(0, { modelKey: modelKey(1) }), candidate(0, { modelKey: modelKey(2) })]
    expect(chosen([second, first])).toBe(first)
  })
})

test('the order of the candidates never matters', () => {
  const any = fc
    .record({
      number: fc.nat({ max: 7 }),
      key: fc.integer({ min: 1, max: 3 }),
      completionNano: fc.bigInt({ min: 0n, max: 3n }).map((price) => price * 1_000_000n),
      slotsFree: fc.nat({ max: 2 }),
      decodeTokensPerSecond: fc.nat({ max: 2 }),
      failedAgoMs: fc.option(fc.constantFrom(0, cooldownMs), { nil: undefined }),
    })
    .map(({ number, key, completionNano, failedAgoMs, ...offer }) =>
      candidate(
        number,
        { ...offer, ...priced(completionNano), modelKey: modelKey(key) },
        failedAgoMs === undefined ? undefined : nowMs - failedAgoMs,
      ),
    )
  const different = fc.uniqueArray(any, {
    maxLength: 10,
    selector: ({ advert, offer }) => advert.peer + offer.modelKey,
  })
  fc.assert(
    fc.property(
      different.chain((candidates) =>
        fc.tuple(fc.constant(candidates), fc.shuffledSubarray(candidates, { minLength: candidates.length })),
      ),
      fc.array(fc.tuple(fc.nat({ max: 7 }), fc.nat({ max: 3 }))),
      ([candidates, shuffled], open) => {
        const asked = { ...policy, openRequests: new Map(open.map(([number, count]) => [peer(number), count])) }
        expect(select(shuffled, asked)).toEqual(select(candidates, asked))
      },
    ),
    { numRuns: 500 },
  )
})

// Which provider is asked next.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Candidate } from '../../node/consumer/directory.ts'
import { type Routing, rttMsUnknown, type SelectionPolicy, select } from '../../node/consumer/selection.ts'
import type { Offer } from '../../protocol/advert.ts'
import { parseModelKey } from '../../protocol/ids.ts'
import { featuresByDefault } from '../../protocol/task.ts'
import { addressOfNumber, peerOf } from './peers.ts'

const nowMs = 1_800_000_000_000
const cooldownMs = 30_000
const policy: SelectionPolicy = {
  routing: 'least-price',
  nowMs,
  cooldownMs,
  openRequests: new Map(),
  tried: new Set(),
  rttMs: new Map(),
  promptTokens: 1_000,
}

/** Draws these, over and over. */
function drawing(...values: readonly number[]): { next(): number } {
  let at = 0
  return {
    next: () => {
      at += 1
      return values[(at - 1) % values.length] ?? 0
    },
  }
}
const any = drawing(0.5)

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
  return { advert, offer: full, failedAtMs }
}

const priced = (completionNano: bigint) => ({ price: { promptNano: 0n, completionNano, cachedNano: 0n } })
const cheap = priced(1_000_000n)
const dear = priced(2_000_000n)

/** The choice and, first, that the other order of the candidates changes nothing. */
function chosen(candidates: readonly Candidate[], change: Partial<SelectionPolicy> = {}): Candidate | undefined {
  const choice = select(candidates, { ...policy, ...change }, any)
  expect(select(candidates.toReversed(), { ...policy, ...change }, any)).toEqual(choice)
  return choice?.candidate
}

test('there is no choice among none', () => {
  expect(select([], policy, any)).toBeUndefined()
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
    expect(select([candidate(0, dear), candidate(1, cheap)], policy, any)?.reason).toBe(
      'free slot, least-price of 2: 0.001 GRAM a million tokens',
    )
    expect(select([candidate(0, full)], policy, any)?.reason).toMatch(/^would queue, least-price of 1/)
    expect(select([candidate(0, {}, nowMs)], policy, any)?.reason).toMatch(/^failed lately, least-price of 1/)
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

describe('random', () => {
  const three = [candidate(0, dear), candidate(1, cheap), candidate(2, dear)]

  test('takes each in its turn as the draw goes', () => {
    const taken = [0, 0.34, 0.99].map(
      (draw) => select(three, { ...policy, routing: 'random' }, drawing(draw))?.candidate,
    )
    expect(taken).toEqual(three)
  })

  test('draws among those of the best tier only', () => {
    const full = candidate(3, { slotsFree: 0 })
    expect(select([...three, full], { ...policy, routing: 'random' }, drawing(0.99))?.candidate).toBe(three[2])
  })

  test('says so', () => {
    expect(select(three, { ...policy, routing: 'random' }, any)?.reason).toBe('free slot, random of 3: any')
  })
})

describe('least latency', () => {
  const fast = { prefillTokensPerSecond: 10_000, decodeTokensPerSecond: 100 }
  const routed = (change: Partial<SelectionPolicy> = {}) => ({ routing: 'least-latency' as const, ...change })

  test('takes the nearer of equal ones', () => {
    const [far, near] = [candidate(0, fast), candidate(1, fast)]
    const rttMs = new Map([
      [peer(0), 200],
      [peer(1), 10],
    ])
    expect(chosen([far, near], routed({ rttMs }))).toBe(near)
  })

  test('takes one that is not connected for several round trips away', () => {
    const [connected, stranger] = [candidate(1, fast), candidate(0, fast)]
    expect(chosen([connected, stranger], routed({ rttMs: new Map([[peer(1), rttMsUnknown - 1]]) }))).toBe(connected)
    expect(chosen([connected, stranger], routed({ rttMs: new Map([[peer(1), rttMsUnknown + 1]]) }))).toBe(stranger)
  })

  test('takes a faster prefill from farther away for a long prompt, and not for a short one', () => {
    const near = candidate(0, { ...fast, prefillTokensPerSecond: 1_000 })
    const far = candidate(1, fast)
    const rttMs = new Map([
      [peer(0), 0],
      [peer(1), 100],
    ])
    expect(chosen([near, far], routed({ rttMs, promptTokens: 200 }))).toBe(far)
    expect(chosen([near, far], routed({ rttMs, promptTokens: 100 }))).toBe(near)
  })

  test('takes the shorter queue where all are full', () => {
    const [long, short] = [{ queued: 5 }, { queued: 2 }].map((load, at) =>
      candidate(at, { ...fast, slotsFree: 0, ...load }),
    )
    expect(
      chosen(
        [long, short].filter((each) => each !== undefined),
        routed(),
      ),
    ).toBe(short)
  })

  test('does not prefer one that tells no speed', () => {
    const [silent, slow] = [candidate(0, { prefillTokensPerSecond: 0 }), candidate(1, { prefillTokensPerSecond: 101 })]
    expect(chosen([silent, slow], routed())).toBe(slow)
  })

  test('says what it expects', () => {
    expect(select([candidate(0, fast)], { ...policy, routing: 'least-latency' }, any)?.reason).toBe(
      'free slot, least-latency of 1: 500 ms to a first token',
    )
  })
})

describe('two choices', () => {
  const half = candidate(0, { slotsFree: 2 })
  const busy = candidate(1, { slotsFree: 1 })
  const idle = candidate(2, { slotsFree: 4 })
  const p2c = { ...policy, routing: 'p2c' as const }

  test('take the less loaded of the two drawn, not of all', () => {
    expect(select([half, busy, idle], p2c, drawing(0, 0))?.candidate).toBe(half) // of 0 and 1
    expect(select([half, busy, idle], p2c, drawing(0, 0.99))?.candidate).toBe(idle) // of 0 and 2
    expect(select([half, busy, idle], p2c, drawing(0.5, 0.99))?.candidate).toBe(idle) // of 1 and 2
  })

  test('are two different ones', () => {
    for (const draw of [0, 0.3, 0.6, 0.99]) expect(select([busy, idle], p2c, drawing(draw))?.candidate).toBe(idle)
  })

  test('count the requests open there', () => {
    const openRequests = new Map([[peer(2), 3]])
    expect(select([half, idle], { ...p2c, openRequests }, any)?.candidate).toBe(half)
  })

  test('take the cheaper of equally loaded ones', () => {
    expect(select([candidate(0, dear), candidate(1, cheap)], p2c, any)?.candidate.advert.peer).toBe(peer(1))
  })

  test('take the first drawn of those equal in all', () => {
    const equal = [candidate(0), candidate(1), candidate(2)]
    const taken = [0, 0.5, 0.99].map((draw) => select(equal, p2c, drawing(draw))?.candidate)
    expect(taken).toEqual(equal)
  })

  test('take the only one', () => {
    expect(select([busy], p2c, any)).toMatchObject({ candidate: busy, reason: 'free slot, p2c of 1: 75 % load' })
  })
})

test('the order of the candidates never matters', () => {
  const anyCandidate = fc
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
  const different = fc.uniqueArray(anyCandidate, {
    maxLength: 10,
    selector: ({ advert, offer }) => advert.peer + offer.modelKey,
  })
  fc.assert(
    fc.property(
      different.chain((candidates) =>
        fc.tuple(fc.constant(candidates), fc.shuffledSubarray(candidates, { minLength: candidates.length })),
      ),
      fc.array(fc.tuple(fc.nat({ max: 7 }), fc.nat({ max: 3 }))),
      fc.constantFrom<Routing>('balanced', 'least-price', 'least-latency', 'most-throughput', 'p2c', 'random'),
      fc.tuple(fc.nat({ max: 99 }), fc.nat({ max: 99 })),
      ([candidates, shuffled], open, routing, [first, second]) => {
        const openRequests = new Map(open.map(([number, count]) => [peer(number), count]))
        const asked = { ...policy, routing, openRequests }
        const draws = (): { next(): number } => drawing(first / 100, second / 100)
        expect(select(shuffled, asked, draws())).toEqual(select(candidates, asked, draws()))
      },
    ),
    { numRuns: 500 },
  )
})

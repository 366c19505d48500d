// What is remembered of providers, and how it fades.

import { describe, expect, test } from 'vitest'
import { type Chosen, History } from '../../node/consumer/history.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import { declaredModelKeyOf } from '../../protocol/ids.ts'
import { featuresByDefault } from '../../protocol/task.ts'
import { ManualClock } from '../manual-clock.ts'
import { addressOfNumber, peerOf } from './peers.ts'

function historyOf(
  conversationsMax = 4,
  halfLifeMs = 600_000,
): { readonly clock: ManualClock; readonly history: History } {
  const clock = new ManualClock()
  return { clock, history: new History(clock, { halfLifeMs, conversationsMax }) }
}

function chosen(number: number, expected: Partial<Chosen['expected']> = {}): Chosen {
  const peer = peerOf(number)
  const offer = {
    modelKey: declaredModelKeyOf('m'),
    name: 'm',
    contextTokens: 4_096,
    price: { promptNano: 1n, completionNano: 1n, cachedNano: 1n },
    slots: 1,
    slotsFree: 1,
    queued: 0,
    prefillTokensPerSecond: 1_000,
    decodeTokensPerSecond: 100,
    features: featuresByDefault,
    vocabularySha256: undefined,
  }
  const advert = {
    peer,
    sequence: 1,
    validUntilMs: 0,
    payout: addressOfNumber(number),
    offers: [offer],
    addresses: [],
    agent: '',
  }
  return {
    advert,
    offer,
    failedAtMs: undefined,
    expected: {
      networkMs: 100,
      waitMs: 0,
      prefillMs: 0,
      firstTokenMs: 100,
      decodeTokensPerSecond: 100,
      heldTokens: 0,
      cachedTokens: 0,
      costNano: 0n,
      success: 1,
      isFree: true,
      load: 0,
      ...expected,
    },
  }
}

const usage = (promptTokens: number, cachedTokens = 0) => ({ promptTokens, cachedTokens, completionTokens: 0 })

test('of a provider never asked nothing is known', () => {
  expect(historyOf().history.of(chosen(1))).toBeUndefined()
})

test('an attempt tells when it was accepted, when it began and how fast it went', async () => {
  const { clock, history } = historyOf(4, 1e12) // nothing fades
  const attempt = history.begin(chosen(1, { waitMs: 200 }), 400, undefined)
  await clock.advance(1_300)
  attempt.accepted(usage(1_000, 600), 0)
  await clock.advance(500)
  attempt.received(2)
  await clock.advance(1_000)
  attempt.received(50)
  attempt.ended()
  const measured = Object.entries(history.of(chosen(1)) ?? {}).map(([name, sum]) => [name, Math.round(sum)])
  expect(Object.fromEntries(measured)).toMatchObject({
    good: 1,
    bad: 0,
    accepts: 1,
    delayMs: 1_000, // later than the 300 ms expected
    prefills: 1,
    prefillTokens: 400,
    prefillMs: 500,
    decodeTokens: 50,
    decodeMs: 1_000,
  })
})

test('one that was accepted early is not thought faster than its word', () => {
  const { history } = historyOf()
  history.begin(chosen(1, { waitMs: 5_000 }), 0, undefined).accepted(usage(10), 0)
  expect(history.of(chosen(1))?.delayMs).toBe(0)
})

test('what was measured counts half after the half-life', async () => {
  const { clock, history } = historyOf()
  history.begin(chosen(1), 0, undefined).failed('timeout')
  await clock.advance(600_000)
  expect(history.of(chosen(1))?.bad).toBeCloseTo(0.5, 9)
  await clock.advance(1_200_000)
  expect(history.of(chosen(1))?.bad).toBeCloseTo(0.125, 9)
})

describe('an end that was no success', () => {
  const badOf = (code: ErrorCode, isFree = true): number => {
    const { history } = historyOf()
    history.begin(chosen(1, { isFree }), 0, undefined).failed(code)
    return history.of(chosen(1))?.bad ?? 0
  }

  test.each(['timeout', 'unreachable', 'engine-failed', 'internal', 'credit-exhausted'] as const)(
    '%s counts',
    (code) => {
      expect(badOf(code)).toBe(1)
    },
  )

  test.each(['cancelled', 'over-budget', 'bad-request', 'draining', 'chain-unavailable', 'unsupported'] as const)(
    '%s is no fault of the provider',
    (code) => {
      expect(badOf(code)).toBe(0)
    },
  )

  test('to overcharge and to break the protocol count more than an accident', () => {
    expect(badOf('overcharged')).toBeGreaterThan(badOf('timeout'))
    expect(badOf('protocol-violation')).toBeGreaterThan(badOf('timeout'))
  })

  test('to refuse as busy counts where its advert had told of a free slot, and only there', () => {
    expect(badOf('busy', true)).toBe(0.5)
    expect(badOf('busy', false)).toBe(0)
  })

  test('counts once', () => {
    const { history } = historyOf()
    const attempt = history.begin(chosen(1), 0, undefined)
    attempt.failed('timeout')
    attempt.failed('timeout')
    attempt.ended()
    expect(history.of(chosen(1))).toMatchObject({ good: 0, bad: 1 })
  })
})

describe('conversations', () => {
  test('are remembered by who answered last, with all that it evaluated', () => {
    const { history } = historyOf()
    const attempt = history.begin(chosen(1), 0, 'talk')
    attempt.accepted(usage(100), 0)
    expect(history.heldOf('talk')).toEqual({ peer: peerOf(1), model: declaredModelKeyOf('m'), tokens: 100 })
    attempt.received(1)
    attempt.received(9)
    attempt.ended()
    expect(history.heldOf('talk')?.tokens).toBe(110)
    history.begin(chosen(2), 0, 'talk').accepted(usage(120), 0)
    expect(history.heldOf('talk')).toMatchObject({ peer: peerOf(2), tokens: 120 })
  })

  test('are forgotten when there are too many, the one used longest ago first', () => {
    const { history } = historyOf(2)
    for (const name of ['a', 'b', 'a', 'c']) history.begin(chosen(1), 0, name).accepted(usage(1), 0)
    expect(['a', 'b', 'c'].map((name) => history.heldOf(name) !== undefined)).toEqual([true, false, true])
  })

  test('without a key are nobody’s', () => {
    const { history } = historyOf()
    history.begin(chosen(1), 0, undefined).accepted(usage(1), 0)
    expect(history.heldOf(undefined)).toBeUndefined()
  })

  test('teach how much of what should be held is', () => {
    const { history } = historyOf()
    history.begin(chosen(1, { heldTokens: 800 }), 0, 'talk').accepted(usage(1_000, 200), 0)
    expect(history.of(chosen(1))).toMatchObject({ heldTokens: 800, cachedTokens: 200 })
  })
})

test('the length of prompts is learnt from what providers counted, without resumed tokens', () => {
  const { history } = historyOf()
  expect(history.promptTokens(4_000)).toBe(1_000)
  for (let at = 0; at < 100; at += 1) history.begin(chosen(1), 1_000, undefined).accepted(usage(1_050), 50)
  expect(history.promptTokens(1_000)).toBeGreaterThan(950)
  expect(history.promptTokens(1_000)).toBeLessThanOrEqual(1_000)
})

test('choices are counted since a moment', async () => {
  const { clock, history } = historyOf()
  const startMs = clock.now()
  history.chose(peerOf(1))
  await clock.advance(1_000)
  history.chose(peerOf(1))
  expect(history.chosenSince(peerOf(1), startMs - 1)).toBe(2)
  expect(history.chosenSince(peerOf(1), startMs)).toBe(1)
  expect(history.chosenSince(peerOf(2), 0)).toBe(0)
  for (let at = 0; at < 200; at += 1) history.chose(peerOf(1))
  expect(history.chosenSince(peerOf(1), 0)).toBe(64)
})

// Who may be asked at all: what a request needs, what its caller and the node's owner allow, and what either pays.

import { describe, expect, test } from 'vitest'
import { type Config, configOf, type Overrides } from '../../node/config.ts'
import type { Candidate } from '../../node/consumer/directory.ts'
import { type Eligible, eligible, wishesOf } from '../../node/consumer/preferences.ts'
import type { InferenceRequest, Preferences } from '../../node/inference.ts'
import type { Offer } from '../../protocol/advert.ts'
import { declaredModelKeyOf, parseModelKey } from '../../protocol/ids.ts'
import { type Feature, featuresByDefault } from '../../protocol/task.ts'
import { addressOfNumber, peerOf } from './peers.ts'

const request: InferenceRequest = { model: 'm', messages: [{ role: 'user', content: 'hello' }], sampling: {} }
const peers = [peerOf(1), peerOf(2), peerOf(3)]

function candidate(number: number, offer: Partial<Offer> = {}): Candidate {
  const full: Offer = {
    modelKey: declaredModelKeyOf('m'),
    name: 'm',
    contextTokens: 4_096,
    price: { promptNano: 10n, completionNano: 100n, cachedNano: 1n },
    slots: 4,
    slotsFree: 4,
    queued: 0,
    prefillTokensPerSecond: 0,
    decodeTokensPerSecond: 0,
    features: featuresByDefault,
    vocabularySha256: undefined,
    ...offer,
  }
  const advert = {
    peer: peerOf(number),
    sequence: 1,
    validUntilMs: 0,
    payout: addressOfNumber(number),
    offers: [full],
    addresses: [],
    agent: '',
  }
  return { advert, offer: full, failedAtMs: undefined }
}

const three = [candidate(1), candidate(2), candidate(3)]
const wishes = (preferences: Preferences = {}, consumer: Overrides['consumer'] = {}) =>
  wishesOf(preferences, configOf({ consumer }).consumer)

function numbersOf(found: Eligible): readonly number[] {
  if ('refusal' in found) throw found.refusal
  return found.candidates.map(({ advert }) => peers.indexOf(advert.peer) + 1)
}

function refusalOf(found: Eligible) {
  return 'refusal' in found ? found.refusal : expect.unreachable()
}

describe('lists of providers', () => {
  const allowed = (preferences: Preferences, consumer: Overrides['consumer'] = {}) =>
    numbersOf(eligible(three, request, wishes(preferences, consumer), undefined))

  test('without any, all are allowed', () => {
    expect(allowed({})).toEqual([1, 2, 3])
  })

  test('only those of the caller’s list, and of the owner’s', () => {
    expect(allowed({ only: [peerOf(1), peerOf(2)] })).toEqual([1, 2])
    expect(allowed({}, { only: [peerOf(2), peerOf(3)] })).toEqual([2, 3])
    expect(allowed({ only: [peerOf(1), peerOf(2)] }, { only: [peerOf(2), peerOf(3)] })).toEqual([2])
  })

  test('none that either ignores', () => {
    expect(allowed({ ignore: [peerOf(1)] }, { ignore: [peerOf(3)] })).toEqual([2])
  })

  test('where nobody is left it says so, that it is the caller’s provider parameter, and which lists to widen', () => {
    const refusal = refusalOf(eligible(three, request, wishes({ only: [] }), undefined))
    expect(refusal).toMatchObject({
      code: 'no-provider',
      param: 'provider',
      next: expect.stringMatching(/only.*ignore/),
    })
    expect(refusal.message).toMatch(/^3 providers of "m" are known and none is allowed/)
  })

  test('the caller’s order is taken, else the owner’s', () => {
    expect(wishes({}, { order: ['x'] }).order).toEqual(['x'])
    expect(wishes({ order: ['y'] }, { order: ['x'] }).order).toEqual(['y'])
  })

  test('either may forbid fallbacks', () => {
    expect(wishes().allowFallbacks).toBe(true)
    expect(wishes({ allowFallbacks: false }).allowFallbacks).toBe(false)
    expect(wishes({ allowFallbacks: true }, { fallbacks: false }).allowFallbacks).toBe(false)
  })

  test('a sort takes the place of the node’s own routing', () => {
    expect(wishes({}, { routing: 'p2c' }).routing).toBe('p2c')
    expect(wishes({ sort: 'price' }, { routing: 'p2c' }).routing).toBe('least-price')
    expect(wishes({ sort: 'throughput' }).routing).toBe('most-throughput')
    expect(wishes({ sort: 'latency' }).routing).toBe('least-latency')
  })
})

describe('prices', () => {
  const dear = candidate(2, { price: { promptNano: 50n, completionNano: 500n, cachedNano: 5n } })

  test('up to the caller’s ceilings, each of its kind', () => {
    const asked = (preferences: Preferences) =>
      numbersOf(eligible([candidate(1), dear], request, wishes(preferences), undefined))
    expect(asked({ completionNanoMax: 500n })).toEqual([1, 2])
    expect(asked({ completionNanoMax: 499n })).toEqual([1])
    expect(asked({ promptNanoMax: 50n })).toEqual([1, 2])
    expect(asked({ promptNanoMax: 49n })).toEqual([1])
  })

  test('and up to the owner’s, whatever the caller allows', () => {
    const owner = { priceNanoMax: 499n }
    expect(
      numbersOf(eligible([candidate(1), dear], request, wishes({ completionNanoMax: 9_000n }, owner), undefined)),
    ).toEqual([1])
  })

  test('where all ask for more it says how many there are and what was the most', () => {
    const refusal = refusalOf(
      eligible(three, request, wishes({ completionNanoMax: 99n, promptNanoMax: 99n }), undefined),
    )
    expect(refusal.code).toBe('no-provider')
    expect(refusal.message).toBe('3 providers serve "m", all above 0.000000099 GRAM a million tokens')
  })

  test('and names what kept it from the cheapest', () => {
    const next = (preferences: Preferences, owner: Partial<Config['consumer']>) =>
      refusalOf(eligible([dear], request, wishes(preferences, owner), undefined)).next
    const setting = '`silkmesh up --set consumer.priceNanoMax=0.0000005` takes the cheapest'
    expect(next({}, { priceNanoMax: 499n })).toBe(setting)
    expect(next({ completionNanoMax: 499n }, {})).toMatch(/^raise the request's provider.max_price/)
    expect(next({ completionNanoMax: 498n }, { priceNanoMax: 499n })).toBe(
      `${setting}; the request's provider.max_price is lower still`,
    )
  })
})

describe('features', () => {
  const can = (number: number, ...features: Feature[]) => candidate(number, { features: ['chat', ...features] })
  const withTools: InferenceRequest = {
    ...request,
    tools: { list: [{ name: 'f', description: '', parameters: '' }], choice: 'auto', isParallel: true },
  }

  test('only those that can do all that the request needs', () => {
    const needy = { ...withTools, sampling: { logprobs: 2 } }
    const some = [can(1, 'tools'), can(2, 'tools', 'logprobs'), can(3, 'logprobs')]
    expect(numbersOf(eligible(some, needy, wishes(), undefined))).toEqual([2])
  })

  test('where nobody can, the parameter that asks for it is unsupported', () => {
    const refusal = refusalOf(eligible(three, withTools, wishes(), undefined))
    expect(refusal).toMatchObject({ code: 'unsupported', param: 'tools' })
    expect(refusal.message).toBe('3 providers serve "m", none with tools, which tools needs')
  })

  test('a parameter can be left out; what is asked for itself needs another model', () => {
    const embedding = { ...request, messages: [], inputs: ['a'] }
    expect(refusalOf(eligible(three, withTools, wishes(), undefined)).next).toBeUndefined()
    expect(refusalOf(eligible(three, embedding, wishes(), undefined)).next).toMatch(/^take a model with embeddings/)
  })

  test('where each can a part and nobody all, the rarest is named', () => {
    const needy = { ...withTools, sampling: { logprobs: 2 } }
    const refusal = refusalOf(
      eligible([can(1, 'tools'), can(2, 'tools'), can(3, 'logprobs')], needy, wishes(), undefined),
    )
    expect(refusal).toMatchObject({ code: 'unsupported', param: 'logprobs' })
  })

  test('that nobody offers are told before prices and lists', () => {
    const refusal = refusalOf(eligible(three, withTools, wishes({ only: [], completionNanoMax: 0n }), undefined))
    expect(refusal.code).toBe('unsupported')
  })
})

test('once tokens were delivered only the same weights go on', () => {
  const other = parseModelKey('f'.repeat(64))
  const mixed = [candidate(1), candidate(2, { modelKey: other })]
  expect(numbersOf(eligible(mixed, request, wishes(), other))).toEqual([2])
  expect(refusalOf(eligible([candidate(1)], request, wishes(), other)).message).toBe(
    'nobody else serves the weights that "m" began with',
  )
})

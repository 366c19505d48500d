// A price of its own for each model, down to its own floor.

import { describe, expect, test } from 'vitest'
import { configOf, type Overrides } from '../../node/config.ts'
import type { Engine } from '../../node/ports.ts'
import { type PriceSettings, Prices, parseModelPrice, pricingTermsOf } from '../../node/provider/prices.ts'
import { decodeAdvert } from '../../protocol/advert.ts'
import { advertProtocol, declaredModelKeyOf } from '../../protocol/ids.ts'
import type { Price } from '../../protocol/money.ts'
import { countingEngine, MemoryMesh } from './memory-mesh.ts'
import { Payer } from './payer.ts'
import { addressOfNumber, identityOf } from './peers.ts'

const big = { name: 'big', key: declaredModelKeyOf('big') }
const small = { name: 'small', key: declaredModelKeyOf('small') }
const settingsOf = (provider: Overrides['provider']): PriceSettings => configOf({ provider: provider ?? {} }).provider
const common: Price = { promptNano: 20_000_000n, completionNano: 160_000_000n, cachedNano: 2_000_000n }

describe('an entry', () => {
  test.each([
    ['big=0.1/0.8/0.01', { promptNano: 100_000_000n, completionNano: 800_000_000n, cachedNano: 10_000_000n }],
    ['big=0.1/0.8', { promptNano: 100_000_000n, completionNano: 800_000_000n, cachedNano: 10_000_000n }],
    ['big=0.1/0.8/0.5', { promptNano: 100_000_000n, completionNano: 800_000_000n, cachedNano: 100_000_000n }],
    ['big=0/0/0', { promptNano: 0n, completionNano: 0n, cachedNano: 0n }],
  ])('%s is a price', (entry, price) => {
    expect(parseModelPrice(entry)).toEqual({ model: 'big', price, floorPerMille: undefined })
  })

  test('may name a floor, and a model with any name', () => {
    expect(parseModelPrice('qwen2.5:7b=q=0.1/0.8@400')).toMatchObject({ model: 'qwen2.5:7b=q', floorPerMille: 400 })
  })

  test.each([
    ['big', /expected model=prompt\/completion\/cached in GRAM/],
    ['big=0.1', /expected model=prompt\/completion\/cached in GRAM/],
    ['=1/1', /expected model=prompt\/completion\/cached in GRAM/],
    ['big=1/1@1001', /a floor of 1001, expected thousandths up to 1000/],
    ['big=1/500001', /500001 GRAM a million tokens, at most 500000/],
    ['big=1..2/1', /is not an amount/],
  ])('%s is refused', (entry, reason) => {
    expect(() => parseModelPrice(entry)).toThrow(reason)
  })
})

describe('the terms of a model', () => {
  test('are its own by name or key, and else those of all', () => {
    const settings = settingsOf({ prices: ['big=0.1/0.8', `${small.key}=0.001/0.002@500`] })
    expect(pricingTermsOf(settings, big)).toMatchObject({ base: { completionNano: 800_000_000n }, floorPerMille: 250 })
    expect(pricingTermsOf(settings, small)).toMatchObject({ base: { completionNano: 2_000_000n }, floorPerMille: 500 })
    const other = { name: 'other', key: declaredModelKeyOf('other') }
    expect(pricingTermsOf(settings, other)).toEqual({ policy: 'fixed', base: common, floorPerMille: 250 })
  })

  test('are the last of several', () => {
    expect(pricingTermsOf(settingsOf({ prices: ['big=1/1', 'big=2/2'] }), big).base.promptNano).toBe(2_000_000_000n)
  })

  test('fall to the own floor when idle', () => {
    const settings = settingsOf({ pricing: 'adaptive', prices: ['big=0.1/0.8@500'] })
    const prices = new Prices(settings, { now: () => 0 }, () => ({ slots: 4, active: 0, queued: 0 }))
    expect(prices.of(big).current.completionNano).toBe(400_000_000n)
    expect(prices.of(small).current.completionNano).toBe(40_000_000n)
  })

  test('are remembered model by model: what was told of one is not served for another', () => {
    const load = { slots: 4, active: 0, queued: 0 }
    const prices = new Prices(settingsOf({ pricing: 'adaptive' }), { now: () => 0 }, () => load)
    const idle = prices.of(big).current
    prices.of(big).told(idle, 60_000)
    Object.assign(load, { active: 4 })
    expect(prices.of(big).within(idle)).toEqual(idle)
    expect(prices.of(small).within(idle)).toBeUndefined()
  })
})

describe('a provider of two models', () => {
  const engine = (): Engine => {
    const counting = countingEngine()
    const [model] = counting.models
    return { ...counting, models: model ? [big, small].map((each) => ({ ...model, ...each })) : [] }
  }

  async function stageOf() {
    const mesh = new MemoryMesh()
    const provider = await mesh.start({
      number: 2,
      roles: { provider: { payout: addressOfNumber(0x22) } },
      engine: engine(),
      config: { provider: { prices: ['big=0.1/0.8/0.05'] } },
    })
    return { mesh, peer: provider.identity.peerId }
  }

  test('advertises each at its price', async () => {
    const { mesh, peer } = await stageOf()
    const stream = await mesh.networkOf(identityOf(7)).open(peer, advertProtocol)
    for await (const bytes of stream.frames) {
      expect(decodeAdvert(bytes).offers.map(({ name, price }) => [name, price.completionNano])).toEqual([
        ['big', 800_000_000n],
        ['small', 160_000_000n],
      ])
    }
    expect.hasAssertions()
  })

  test('accepts each at its price, and refuses what pays for the other only', async () => {
    const { mesh, peer } = await stageOf()
    const cheap = await Payer.open(mesh, 11, peer, { modelKey: small.key, priceMax: common })
    expect(cheap.of('accept')).toMatchObject([{ price: common }])
    const dear = await Payer.open(mesh, 12, peer, { modelKey: big.key })
    expect(dear.of('accept')).toMatchObject([
      { price: { promptNano: 100_000_000n, completionNano: 800_000_000n, cachedNano: 50_000_000n } },
    ])
    const refused = await Payer.open(mesh, 13, peer, { modelKey: big.key, priceMax: common })
    expect(refused.of('fail')).toMatchObject([
      {
        code: 'price-changed',
        message: expect.stringContaining('0.8 completion here; the request allows 0.02 and 0.16'),
      },
    ])
  })
})

// Money: one rounding rule, and amounts that people type and read.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limits } from '../../protocol/limits.ts'
import { costNano, formatGram, isWithin, nanoMax, noUsage, parseGram, type Usage } from '../../protocol/money.ts'
import { nano, price, priceNanoMax, usage } from './arbitraries.ts'

const counts = ['promptTokens', 'completionTokens'] as const

describe('cost', () => {
  const small = { promptNano: 3n, completionNano: 500_000n, cachedNano: 1n }

  test.each([
    ['nothing costs nothing', noUsage, 0n],
    ['a millionth of a nano is rounded up to one', { ...noUsage, promptTokens: 1, cachedTokens: 1 }, 1n],
    ['half a nano is rounded up', { ...noUsage, completionTokens: 1 }, 1n],
    ['a whole nano is not', { ...noUsage, completionTokens: 2 }, 1n],
    ['a whole nano and a half is', { ...noUsage, completionTokens: 3 }, 2n],
    ['parts are added before they are rounded', { promptTokens: 1, cachedTokens: 0, completionTokens: 1 }, 1n],
    ['a million prompt tokens cost the prompt price', { ...noUsage, promptTokens: 1_000_000 }, 3n],
    ['cached tokens cost the cached price', { ...noUsage, promptTokens: 1_000_000, cachedTokens: 1_000_000 }, 1n],
  ])('%s', (_, used, cost) => {
    expect(costNano(used, small)).toBe(cost)
  })

  test('is the exact sum, rounded up once', () => {
    fc.assert(
      fc.property(usage, price, (used, asked) => {
        const exact =
          BigInt(used.promptTokens - used.cachedTokens) * asked.promptNano +
          BigInt(used.cachedTokens) * asked.cachedNano +
          BigInt(used.completionTokens) * asked.completionNano
        const cost = costNano(used, asked)
        expect(cost * 1_000_000n - exact).toBeGreaterThanOrEqual(0n)
        expect(cost * 1_000_000n - exact).toBeLessThan(1_000_000n)
      }),
    )
  })

  test('never falls as a count grows', () => {
    fc.assert(
      fc.property(usage, price, fc.constantFrom(...counts), fc.nat({ max: 1_000 }), (used, asked, name, more) => {
        expect(costNano({ ...used, [name]: used[name] + more }, asked)).toBeGreaterThanOrEqual(costNano(used, asked))
      }),
    )
  })

  test('never grows as more of the prompt is cached', () => {
    fc.assert(
      fc.property(usage, price, fc.nat(), (used, asked, more) => {
        const cachedTokens = Math.min(used.promptTokens, used.cachedTokens + more)
        expect(costNano({ ...used, cachedTokens }, asked)).toBeLessThanOrEqual(costNano(used, asked))
      }),
    )
  })

  test('charged delta by delta comes to the cost of the whole', () => {
    fc.assert(
      fc.property(usage, price, fc.array(fc.nat({ max: 4_096 }), { maxLength: 30 }), (prompt, asked, deltas) => {
        let used: Usage = { ...prompt, completionTokens: 0 }
        let charged = costNano(used, asked)
        for (const tokens of deltas) {
          const after = { ...used, completionTokens: used.completionTokens + tokens }
          charged += costNano(after, asked) - costNano(used, asked)
          used = after
        }
        expect(charged).toBe(costNano({ ...prompt, completionTokens: deltas.reduce((a, b) => a + b, 0) }, asked))
      }),
    )
  })

  test('of the largest request at the largest price fits a frame', () => {
    const most = { promptTokens: limits.tokensMax, cachedTokens: 0, completionTokens: limits.tokensMax }
    const dearest = { promptNano: priceNanoMax, completionNano: priceNanoMax, cachedNano: 0n }
    expect(costNano(most, dearest)).toBeLessThanOrEqual(nanoMax)
  })
})

describe('a price within a ceiling', () => {
  const ceiling = { promptNano: 10n, completionNano: 20n, cachedNano: 5n }

  test('may be the ceiling', () => {
    expect(isWithin(ceiling, ceiling)).toBe(true)
  })

  test.each(['promptNano', 'completionNano', 'cachedNano'] as const)('may not pass it in %s', (name) => {
    expect(isWithin({ ...ceiling, [name]: ceiling[name] + 1n }, ceiling)).toBe(false)
  })
})

describe('amounts as people write them', () => {
  test('every amount reads back', () => {
    fc.assert(
      fc.property(nano, (amount) => {
        expect(parseGram(formatGram(amount))).toBe(amount)
      }),
    )
  })

  test.each([
    [0n, '0'],
    [1n, '0.000000001'],
    [1_000_000_000n, '1'],
    [1_234_500_000n, '1.2345'],
    [-1_500_000_000n, '-1.5'],
    [nanoMax, '18446744073.709551615'],
  ])('%d nano is written %s', (amount, text) => {
    expect(formatGram(amount)).toBe(text)
  })

  test.each([
    ['1.0', 1_000_000_000n],
    ['007', 7_000_000_000n],
    ['0.000000001', 1n],
    ['18446744073.709551615', nanoMax],
  ])('%s is read as %d nano', (text, amount) => {
    expect(parseGram(text)).toBe(amount)
  })

  test.each([
    '',
    ' 1',
    '-1',
    '+1',
    '.5',
    '1.',
    '1,5',
    '1e3',
    '0x10',
    '0.0000000001',
    '1 GRAM',
    '١',
    'NaN',
    '999999999999',
  ])('refuses "%s" and says what is expected', (text) => {
    expect(() => parseGram(text)).toThrow(
      new RangeError(
        `"${text}" is not an amount, expected GRAM as a decimal such as 0.25, of at most nine places and at most 18446744073.709551615`,
      ),
    )
  })

  test('refuses one nano more than fits a frame', () => {
    expect(() => parseGram('18446744073.709551616')).toThrow(
      new RangeError('18446744073.709551616 GRAM, at most 18446744073.709551615'),
    )
  })

  test('quotes no more than forty characters of what it refuses', () => {
    expect(() => parseGram('x'.repeat(10_000))).toThrow(/^"x{40}" is not/)
  })
})

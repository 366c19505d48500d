import { describe, expect, test } from 'vitest'
import { type Assertion, assertionsOf, evaluate } from '../../sim/scenario/assert.ts'
import type { Problem } from '../../sim/scenario/problem.ts'

function read(item: unknown): readonly Assertion[] {
  const problems: Problem[] = []
  const assertions = assertionsOf(item, 1_000_000_000n, ['assert', 0], (problem) => problems.push(problem))
  expect(problems).toEqual([])
  return assertions
}

describe('an assertion', () => {
  test('takes the short name of a time and a duration', () => {
    expect(read({ ttftP99: { '<=': '4s' } })).toEqual([
      { text: 'ttftMsP99 <= 4000 ms', metric: 'ttftMsP99', op: '<=', value: 4_000 },
    ])
  })

  test('bounds a figure on both sides', () => {
    const both = read({ successRate: { '>=': '99%', '<': 1 } })
    expect(evaluate(both, { successRate: 0.995 }).map(({ holds }) => holds)).toEqual([true, true])
    expect(evaluate(both, { successRate: 0.98 }).map(({ holds }) => holds)).toEqual([false, true])
    expect(evaluate(both, { successRate: 1 }).map(({ holds }) => holds)).toEqual([true, false])
  })

  test.each([
    ['>=', [false, true, true]],
    ['>', [false, false, true]],
    ['<=', [true, true, false]],
    ['<', [true, false, false]],
    ['==', [false, true, false]],
    ['=', [false, true, false]],
  ])('compares by %s', (op, holds) => {
    const assertion = read({ failovers: { [op]: 5 } })
    expect([4, 5, 6].map((failovers) => evaluate(assertion, { failovers })[0]?.holds)).toEqual(holds)
  })

  test('does not hold for what was not measured', () => {
    expect(evaluate(read({ ttftP50: { '<=': '1s' } }), {})).toEqual([
      { text: 'ttftMsP50 <= 1000 ms', holds: false, value: 'not measured' },
    ])
  })

  test('counts violations of the check that it names', () => {
    const [conservation] = evaluate(read('conservation'), {}, [])
    expect(conservation?.holds).toBe(true)
    const violations = [{ check: 'conservation', atMs: 3, message: 'a coin is missing' }]
    expect(evaluate(read('conservation'), {}, violations)[0]?.holds).toBe(false)
    expect(evaluate(read('healed'), {}, violations)[0]?.holds).toBe(true)
  })

  test('bounds a loss by what so many tokens cost at the highest price', () => {
    const loss = read({ boundedLoss: { providerTokens: 64 } })
    expect(evaluate(loss, { exposureNanoMax: 64_000 })[0]?.holds).toBe(true)
    expect(evaluate(loss, { exposureNanoMax: 64_001 })[0]?.holds).toBe(false)
  })

  test('takes amounts of GRAM', () => {
    expect(evaluate(read({ spentGram: { '<': '0.5 GRAM' } }), { spentGram: 0.4 })[0]).toEqual({
      text: 'spentGram < 0.5 GRAM',
      holds: true,
      value: '0.4 GRAM',
    })
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { embeddingEndpoint } from '../../node/gateway/embedding-request.ts'
import { MeshError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import { nested, refusalOf } from './refusals.ts'

const minimal = { model: 'tiny', input: 'a text' }
const read = (more: object) => embeddingEndpoint.read({ ...minimal, ...more }, { hedge: undefined })
const refusal = (more: object): MeshError => refusalOf(() => read(more))

describe('a request of /v1/embeddings', () => {
  it('is a text or several', () => {
    expect(read({}).requests).toMatchObject([{ model: 'tiny', messages: [], inputs: ['a text'], sampling: {} }])
    expect(read({ input: ['a', 'b'], max_cost: 1 }).requests).toMatchObject([
      { inputs: ['a', 'b'], costNanoMax: 1_000_000_000n },
    ])
    expect(read({ encoding_format: 'base64', dimensions: null, user: 'u' }).requests).toHaveLength(1)
  })

  it('goes in batches that the wire can carry, in order', () => {
    const many = Array.from({ length: limits.inputsMax + 2 }, (_, at) => `text ${at}`)
    const byNumber = read({ input: many }).requests.map(({ inputs = [] }) => inputs)
    expect(byNumber.map(({ length }) => length)).toEqual([limits.inputsMax, 2])
    expect(byNumber.flat()).toEqual(many)
    const half = 'x'.repeat((limits.openBytesMax - 65_536) / 2)
    const bySize = read({ input: [half, half, 'y'] }).requests.map(({ inputs = [] }) => inputs.length)
    expect(bySize).toEqual([2, 1])
  })

  it('takes a text at the bound and refuses one byte more', () => {
    const text = 'x'.repeat(limits.openBytesMax - 65_536)
    expect(read({ input: text }).requests).toHaveLength(1)
    expect(refusal({ input: `${text}x` })).toMatchObject({ code: 'too-large', param: 'input' })
  })

  it.each([
    ['input', [1, 2, 3]],
    ['input', [[1], [2]]],
  ])('refuses %s %j by its name', (name, value) => {
    expect(refusal({ [name]: value })).toMatchObject({ code: 'unsupported', param: name })
  })

  it.each([
    ['input', undefined],
    ['input', ''],
    ['input', []],
    ['input', {}],
    ['input', Array.from({ length: 2_049 }, () => 'x')],
    ['model', 7],
    ['encoding_format', 'hex'],
    ['dimensions', 0],
    ['dimensions', '8'],
    ['stream', true],
    ['temperature', 1],
  ])('refuses %s %j, naming it', (name, value) => {
    expect(refusal({ [name]: value })).toMatchObject({ code: 'bad-request', param: name })
  })

  it('names which text of a list is wrong', () => {
    expect(refusal({ input: ['a', 7] })).toMatchObject({ code: 'bad-request', param: 'input[1]' })
    expect(refusal({ input: ['', 'a'] })).toMatchObject({ code: 'bad-request', param: 'input[0]' })
  })

  it('refuses nesting deeper than the stack', () => {
    const deep = nested(200_000)
    for (const name of ['input', 'dimensions', 'encoding_format', 'provider']) {
      expect(refusal({ [name]: deep })).toMatchObject({ param: expect.stringContaining(name) })
    }
  })
})

it('any JSON is read or refused with a MeshError', () => {
  const value = fc.oneof(fc.constantFrom<unknown>(null, 1, 'float', 'base64', [], {}), fc.jsonValue())
  const more = fc.dictionary(fc.constantFrom('encoding_format', 'dimensions', 'user', 'x', 'max_cost'), value)
  const input = fc.oneof({ weight: 4, arbitrary: fc.string() }, fc.array(fc.string()), fc.jsonValue())
  const body = fc.oneof(
    fc.jsonValue(),
    fc.tuple(input, more).map(([given, rest]) => ({ model: 'tiny', input: given, ...rest })),
  )
  let taken = 0
  fc.assert(
    fc.property(body, (given) => {
      try {
        for (const { inputs } of embeddingEndpoint.read(given, { hedge: undefined }).requests) {
          expect(inputs?.length).toBeGreaterThan(0)
        }
        taken++
      } catch (error) {
        expect(error).toBeInstanceOf(MeshError)
      }
    }),
    { numRuns: 2_000 },
  )
  expect(taken).toBeGreaterThan(50)
})

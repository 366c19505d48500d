import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { completionEndpoint } from '../../node/gateway/completion-request.ts'
import { runsMax } from '../../node/gateway/endpoint.ts'
import { MeshError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import { nested, refusalOf } from './refusals.ts'
import { provider } from './scripted.ts'

const minimal = { model: 'tiny', prompt: 'Once' }
const read = (more: object, hedge?: string) => completionEndpoint.read({ ...minimal, ...more }, { hedge })
const refusal = (more: object): MeshError => refusalOf(() => read(more))

describe('a request of /v1/completions', () => {
  it('may be as little as a model and a prompt, and then gets OpenAI’s 16 tokens', () => {
    const { isStreaming, requests } = read({})
    expect(isStreaming).toBe(false)
    expect(requests).toMatchObject([{ model: 'tiny', messages: [], text: 'Once', sampling: { tokensMax: 16 } }])
  })

  it('reads how to sample, where to go and what to spend', () => {
    const more = {
      max_tokens: 7,
      temperature: 0,
      stop: '\n',
      logprobs: 2,
      top_k: 3,
      max_cost: '0.5',
      provider: { only: [provider] },
      stream: true,
    }
    const { isStreaming, requests } = read(more, 'p95')
    expect(isStreaming).toBe(true)
    expect(requests).toMatchObject([
      {
        sampling: { tokensMax: 7, temperature: 0, stop: ['\n'], logprobs: 2, topK: 3 },
        costNanoMax: 500_000_000n,
        preferences: { only: [provider] },
        hedge: 'p95',
      },
    ])
    expect(read({ logprobs: 0 }).requests[0]?.sampling.logprobs).toBe(0)
  })

  it('becomes one inference for each choice of each prompt, in that order', () => {
    const { requests } = read({ prompt: ['a', 'b'], n: 2, seed: 5 })
    expect(requests.map(({ sampling, text }) => [text, sampling.seed])).toEqual([
      ['a', 5],
      ['a', 6],
      ['b', 5],
      ['b', 6],
    ])
    expect(refusal({ prompt: ['a', 'b', 'c'], n: Math.floor(runsMax / 3) + 1 })).toMatchObject({ param: 'n' })
  })

  it('goes where its beginning went before', () => {
    const affinity = (prompt: string) => read({ prompt }).requests[0]?.affinity
    const beginning = 'Once upon a time '.repeat(20)
    expect(affinity(`${beginning}there`)).toBe(affinity(`${beginning}there was a king`))
    expect(affinity('Once')).not.toBe(affinity('Twice'))
  })

  it('takes what asks for nothing', () => {
    const more = { echo: false, suffix: '', best_of: 1, n: 1, user: 'u', logit_bias: {}, logprobs: null, stream: false }
    expect(read(more).requests).toHaveLength(1)
    expect(read({ suffix: null, echo: null, best_of: 3, n: 3 }).requests).toHaveLength(3)
  })

  it.each([
    ['prompt', [1, 2, 3]],
    ['prompt', [[1, 2], [3]]],
    ['echo', true],
    ['suffix', ' the end'],
    ['best_of', 3],
  ])('refuses %s %j by its name', (name, value) => {
    expect(refusal({ [name]: value })).toMatchObject({ code: 'unsupported', param: name })
  })

  it.each([
    ['prompt', undefined],
    ['prompt', ''],
    ['prompt', []],
    ['prompt', 7],
    ['prompt', Array.from({ length: runsMax + 1 }, () => 'x')],
    ['model', undefined],
    ['max_tokens', 0],
    ['n', 0],
    ['logprobs', limits.logprobsMax + 1],
    ['logprobs', true],
    ['stream', 1],
    ['messages', [{ role: 'user', content: 'hi' }]],
    ['max_completion_tokens', 5],
  ])('refuses %s %j, naming it', (name, value) => {
    expect(refusal({ [name]: value })).toMatchObject({ code: 'bad-request', param: name })
  })

  it('names which prompt of a list is wrong', () => {
    expect(refusal({ prompt: ['a', ''] })).toMatchObject({ code: 'bad-request', param: 'prompt[1]' })
    expect(refusal({ prompt: ['a', [1]] })).toMatchObject({ code: 'bad-request', param: 'prompt[1]' })
  })

  it('takes a prompt at the bound and refuses one byte more', () => {
    const text = 'x'.repeat(limits.openBytesMax - 65_536)
    expect(read({ prompt: text }).requests).toHaveLength(1)
    expect(refusal({ prompt: `${text}x` })).toMatchObject({ code: 'too-large', param: 'prompt' })
  })

  it('refuses nesting deeper than the stack', () => {
    const deep = nested(200_000)
    for (const name of ['prompt', 'stop', 'suffix', 'logprobs']) {
      expect(refusal({ [name]: deep })).toMatchObject({ param: expect.stringContaining(name) })
    }
  })
})

it('any JSON is read or refused with a MeshError', () => {
  const names = ['n', 'best_of', 'echo', 'suffix', 'logprobs', 'max_tokens', 'stream', 'stop', 'seed', 'x', 'provider']
  const value = fc.oneof(fc.constantFrom<unknown>(null, 0, 1, 2, '', 'x', true, false, [], {}), fc.jsonValue())
  const prompt = fc.oneof(
    { weight: 4, arbitrary: fc.string() },
    fc.array(fc.string(), { maxLength: 3 }),
    fc.jsonValue(),
  )
  const more = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 3 })
  const body = fc.oneof(
    fc.jsonValue(),
    fc.tuple(prompt, more).map(([given, rest]) => ({ model: 'tiny', prompt: given, ...rest })),
  )
  let taken = 0
  fc.assert(
    fc.property(body, (given) => {
      try {
        for (const { messages, text } of completionEndpoint.read(given, { hedge: undefined }).requests) {
          expect(messages).toEqual([])
          expect(text).not.toBe('')
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

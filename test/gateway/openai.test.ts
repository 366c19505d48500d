import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ParameterError, parseChatRequest } from '../../node/gateway/openai.ts'
import { MeshError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'

const minimal = { model: 'tiny', messages: [{ role: 'user', content: 'hi' }] }
const parse = (more: object) => parseChatRequest({ ...minimal, ...more })

function refusal(body: unknown): MeshError {
  try {
    parseChatRequest(body)
  } catch (error) {
    if (error instanceof MeshError) return error
    throw error
  }
  throw new Error('accepted')
}

describe('parseChatRequest', () => {
  it('reads the least request there is', () => {
    expect(parseChatRequest(minimal)).toEqual({
      request: {
        model: 'tiny',
        messages: [{ role: 'user', content: 'hi' }],
        sampling: { temperature: undefined, topP: undefined, seed: undefined, stop: undefined, tokensMax: undefined },
        costNanoMax: undefined,
      },
      stream: false,
      includeUsage: false,
    })
  })

  it('reads every parameter it honours', () => {
    const call = parse({
      temperature: 0.7,
      top_p: 0.9,
      seed: 42,
      stop: ['END', '\n'],
      max_tokens: 64,
      stream: true,
      stream_options: { include_usage: true },
      max_cost: '0.25',
    })
    expect(call.request.sampling).toEqual({ temperature: 0.7, topP: 0.9, seed: 42, stop: ['END', '\n'], tokensMax: 64 })
    expect(call.request.costNanoMax).toBe(250_000_000n)
    expect(call).toMatchObject({ stream: true, includeUsage: true })
  })

  it('takes max_cost as a JSON number as well', () => {
    expect(parse({ max_cost: 0.1 }).request.costNanoMax).toBe(100_000_000n)
  })

  it('takes developer for system, and an answer of ours sent back', () => {
    const messages = [
      { role: 'developer', content: 'be brief' },
      { role: 'assistant', content: 'ok', refusal: null, annotations: [], audio: null, tool_calls: [] },
    ]
    expect(parse({ messages }).request.messages).toEqual([
      { role: 'system', content: 'be brief' },
      { role: 'assistant', content: 'ok' },
    ])
  })

  it('puts text parts together, one line a part', () => {
    const content = [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b', cache_control: { type: 'ephemeral' } },
    ]
    expect(parse({ messages: [{ role: 'user', content }] }).request.messages[0]?.content).toBe('a\nb')
  })

  it('replaces half a surrogate pair, which has no UTF-8', () => {
    expect(parse({ messages: [{ role: 'user', content: 'x\ud83d' }] }).request.messages[0]?.content).toBe('x\ufffd')
  })

  it('takes max_tokens and max_completion_tokens for one thing', () => {
    expect(parse({ max_completion_tokens: 9 }).request.sampling.tokensMax).toBe(9)
    expect(parse({ max_completion_tokens: 9, max_tokens: 9 }).request.sampling.tokensMax).toBe(9)
    expect(refusal({ ...minimal, max_completion_tokens: 9, max_tokens: 8 })).toMatchObject({ param: 'max_tokens' })
  })

  it.each([
    ['LangChain', { n: 1, presence_penalty: 0, frequency_penalty: 0, logit_bias: {}, stop: [], top_p: 1, user: 'u' }],
    ['the Vercel AI SDK', { response_format: { type: 'text' }, store: false, metadata: { a: 'b' }, tools: null }],
    ['Continue', { max_tokens: 100, temperature: 0.5, prompt_cache_key: 'k', parallel_tool_calls: true }],
    ['Open WebUI', { stream: true, stream_options: { include_usage: true }, seed: 0, tools: [], tool_choice: 'auto' }],
  ])('takes what %s sends unasked', (_client, more) => {
    expect(parse(more).request.model).toBe('tiny')
  })

  it.each([
    ['tools', [{ type: 'function', function: { name: 'f' } }]],
    ['tool_choice', 'required'],
    ['functions', [{ name: 'f' }]],
    ['function_call', { name: 'f' }],
    ['response_format', { type: 'json_object' }],
    ['logprobs', true],
    ['top_logprobs', 3],
    ['n', 2],
    ['presence_penalty', 0.5],
    ['frequency_penalty', -1],
    ['repetition_penalty', 1.1],
    ['top_k', 40],
    ['logit_bias', { '50256': -100 }],
    ['modalities', ['text', 'audio']],
    ['audio', { voice: 'alloy' }],
    ['prediction', { type: 'content', content: '' }],
    ['reasoning_effort', 'high'],
    ['service_tier', 'flex'],
    ['web_search_options', {}],
  ])('refuses %s, which no engine here honours, by its name', (name, value) => {
    const error = refusal({ ...minimal, [name]: value })
    expect(error).toMatchObject({ code: 'unsupported', param: name })
    expect(error.message).toContain(name)
    expect(parse({ [name]: null }).request.model).toBe('tiny')
  })

  it.each([
    ['model', undefined],
    ['model', ''],
    ['model', 7],
    ['model', 'm'.repeat(limits.modelNameCharsMax + 1)],
    ['messages', undefined],
    ['messages', []],
    ['messages', 'hi'],
    ['messages', Array.from({ length: limits.messagesMax + 1 }, () => minimal.messages[0])],
    ['temperature', 2.01],
    ['temperature', -0.1],
    ['temperature', '1'],
    ['top_p', 0],
    ['top_p', 1.1],
    ['seed', -1],
    ['seed', 1.5],
    ['seed', 4_294_967_296],
    ['max_tokens', 0],
    ['max_tokens', -1],
    ['max_completion_tokens', limits.tokensMax + 1],
    ['stream', 'true'],
    ['stream_options', true],
    ['stop', ''],
    ['stop', 5],
    ['stop', Array.from({ length: limits.stopsMax + 1 }, () => 'x')],
    ['stop', 'x'.repeat(limits.stopBytesMax + 1)],
    ['max_cost', 'much'],
    ['max_cost', -1],
    ['max_cost', 1e-7],
    ['max_cost', {}],
    ['temprature', 1],
    ['__proto__x', 1],
    ['constructor', 1],
  ])('refuses %s %j, naming it', (name, value) => {
    const error = refusal({ ...minimal, [name]: value })
    expect(error).toMatchObject({ code: 'bad-request', param: name })
    expect(error.message).toContain(name)
  })

  it.each([
    ['messages[0].role', { role: 'robot', content: 'x' }, 'bad-request'],
    ['messages[0].role', { role: 'tool', content: 'x', tool_call_id: '1' }, 'unsupported'],
    ['messages[0].content', { role: 'user' }, 'bad-request'],
    ['messages[0].content', { role: 'assistant', content: null }, 'bad-request'],
    ['messages[0].name', { role: 'user', content: 'x', name: 'bob' }, 'unsupported'],
    ['messages[0].tool_calls', { role: 'assistant', content: '', tool_calls: [{}] }, 'unsupported'],
    [
      'messages[0].content[0].type',
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] },
      'unsupported',
    ],
    ['messages[0].content[0].type', { role: 'user', content: [{ text: 'x' }] }, 'bad-request'],
    ['messages[0].content[0].text', { role: 'user', content: [{ type: 'text', text: 4 }] }, 'bad-request'],
    ['messages[0].content[0].bold', { role: 'user', content: [{ type: 'text', text: '', bold: true }] }, 'unsupported'],
    ['messages[0].content[0]', { role: 'user', content: ['x'] }, 'bad-request'],
    ['messages[0]', 'x', 'bad-request'],
  ])('refuses a message at %s', (param, message, code) => {
    expect(refusal({ ...minimal, messages: [message] })).toMatchObject({ code, param })
  })

  it('refuses obfuscation of the stream, which it does not do, and takes its absence', () => {
    expect(refusal({ ...minimal, stream_options: { include_obfuscation: true } })).toMatchObject({
      code: 'unsupported',
      param: 'stream_options.include_obfuscation',
    })
    expect(parse({ stream_options: { include_obfuscation: false } }).includeUsage).toBe(false)
  })

  it('takes a prompt at the bound and refuses one byte more, counted as UTF-8', () => {
    const bytesMax = limits.openBytesMax - 65_536
    const content = 'é'.repeat(bytesMax / 2)
    expect(parse({ messages: [{ role: 'user', content }] }).request.messages).toHaveLength(1)
    const error = refusal({ ...minimal, messages: [{ role: 'user', content: `${content}a` }] })
    expect(error).toMatchObject({ code: 'too-large', param: 'messages' })
  })

  it('refuses what is no object, and nesting deeper than the stack', () => {
    for (const body of [null, [], 'x', 4, true, undefined]) expect(refusal(body).code).toBe('bad-request')
    const deep: unknown = JSON.parse('['.repeat(200_000) + ']'.repeat(200_000))
    expect(refusal({ ...minimal, messages: deep })).toBeInstanceOf(ParameterError)
    expect(refusal({ ...minimal, metadata_: deep })).toBeInstanceOf(ParameterError)
  })

  it('throws a MeshError or accepts, whatever JSON it is given', () => {
    const names = ['model', 'messages', 'temperature', 'stop', 'seed', 'stream_options', 'max_cost', 'n', 'tools', 'x']
    const parts = fc.array(fc.record({ type: fc.constantFrom('text', 'x'), text: fc.jsonValue() }), { maxLength: 2 })
    const plain = fc.record({ role: fc.constantFrom('user', 'system', 'assistant'), content: fc.string() })
    const odd = fc.record({ role: fc.constantFrom('user', 'tool'), content: fc.oneof(parts, fc.jsonValue()) })
    const messages = fc.array(fc.oneof({ weight: 8, arbitrary: plain }, odd, fc.jsonValue()), {
      minLength: 1,
      maxLength: 3,
    })
    const value = fc.oneof(fc.constantFrom<unknown>(null, 0, 1, 0.5, [], {}, '1', true), fc.jsonValue())
    const more = fc.dictionary(fc.constantFrom(...names.slice(2)), value, { maxKeys: 3 })
    const body = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), fc.jsonValue()),
      fc.tuple(messages, more).map(([list, rest]) => ({ model: 'tiny', messages: list, ...rest })),
    )
    let taken = 0
    fc.assert(
      fc.property(body, (given) => {
        try {
          const { request } = parseChatRequest(given)
          expect(request.messages.length).toBeGreaterThan(0)
          taken++
        } catch (error) {
          expect(error).toBeInstanceOf(MeshError)
        }
      }),
      { numRuns: 3_000 },
    )
    expect(taken).toBeGreaterThan(50)
  })
})

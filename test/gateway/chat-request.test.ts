import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chatEndpoint } from '../../node/gateway/chat-request.ts'
import { runsMax } from '../../node/gateway/endpoint.ts'
import { MeshError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import { nested, refusalOf } from './refusals.ts'
import { provider } from './scripted.ts'

const minimal = { model: 'tiny', messages: [{ role: 'user', content: 'hi' }] }
const read = (body: unknown, hedge?: string) => chatEndpoint.read(body, { hedge })
const refusal = (body: unknown, hedge?: string): MeshError => refusalOf(() => read(body, hedge))

/** The one request of a call. */
function parse(more: object, hedge?: string) {
  const { requests, isStreaming } = read({ ...minimal, ...more }, hedge)
  const [request, ...others] = requests
  if (!request || others.length > 0) throw new Error(`${requests.length} requests, expected one`)
  return { request, isStreaming }
}

const weather = {
  type: 'function',
  function: { name: 'weather', description: 'of a place', parameters: { type: 'object', properties: {} } },
}
const called = {
  role: 'assistant',
  content: null,
  tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"at":"Bern"}' } }],
}
const answered = { role: 'tool', tool_call_id: 'call_1', content: 'rain' }
const schema = { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] }

describe('a request of /v1/chat/completions', () => {
  it('may be as little as a model and a message', () => {
    expect(parse({})).toEqual({
      request: {
        model: 'tiny',
        messages: [{ role: 'user', content: 'hi' }],
        sampling: { temperature: undefined, topP: undefined, seed: undefined, stop: undefined, tokensMax: undefined },
        costNanoMax: undefined,
        affinity: expect.any(String),
      },
      isStreaming: false,
    })
  })

  it('reads how to sample', () => {
    const { request } = parse({
      temperature: 0.7,
      top_p: 0.9,
      top_k: 40,
      min_p: 0.05,
      presence_penalty: 0.5,
      frequency_penalty: -1,
      repetition_penalty: 1.1,
      logit_bias: { '50256': -100, '7': 1.5 },
      seed: 42,
      stop: ['END', '\n'],
      max_tokens: 64,
      logprobs: true,
      top_logprobs: 3,
    })
    expect(request.sampling).toEqual({
      temperature: 0.7,
      topP: 0.9,
      topK: 40,
      minP: 0.05,
      presencePenalty: 0.5,
      frequencyPenalty: -1,
      repetitionPenalty: 1.1,
      logitBias: [
        { tokenId: 7, bias: 1.5 },
        { tokenId: 50256, bias: -100 },
      ],
      seed: 42,
      stop: ['END', '\n'],
      tokensMax: 64,
      logprobs: 3,
    })
  })

  it('asks for no feature where a parameter asks for nothing', () => {
    const { request } = parse({
      top_k: -1,
      min_p: 0,
      presence_penalty: 0,
      frequency_penalty: 0,
      repetition_penalty: 1,
      logit_bias: {},
      logprobs: false,
      top_logprobs: 0,
      response_format: { type: 'text' },
    })
    expect(Object.entries(request.sampling).filter(([, value]) => value !== undefined)).toEqual([])
    expect(parse({ top_k: 0 }).request.sampling.topK).toBeUndefined()
  })

  it('takes log probabilities without alternatives, and refuses alternatives alone', () => {
    expect(parse({ logprobs: true }).request.sampling.logprobs).toBe(0)
    expect(refusal({ ...minimal, top_logprobs: 2 })).toMatchObject({ code: 'bad-request', param: 'top_logprobs' })
  })

  it('takes max_cost as a decimal text or a JSON number', () => {
    expect(parse({ max_cost: '0.25' }).request.costNanoMax).toBe(250_000_000n)
    expect(parse({ max_cost: 0.1 }).request.costNanoMax).toBe(100_000_000n)
    expect(parse({ max_cost: 0.000_000_5 }).request.costNanoMax).toBe(500n)
  })

  it('takes developer for system, and an answer of ours sent back', () => {
    const messages = [
      { role: 'developer', content: 'be brief' },
      { role: 'assistant', content: 'ok', refusal: null, annotations: [], audio: null, tool_calls: [] },
      { role: 'assistant', content: 'so', reasoning_content: 'hm' },
    ]
    expect(parse({ messages }).request.messages).toEqual([
      { role: 'system', content: 'be brief' },
      { role: 'assistant', content: 'ok' },
      { role: 'assistant', content: 'so' },
    ])
  })

  it('reads calls of tools and their results', () => {
    const named = { ...answered, name: 'weather', content: [{ type: 'text', text: 'rain' }] }
    expect(parse({ messages: [...minimal.messages, called, named] }).request.messages.slice(1)).toEqual([
      { role: 'assistant', content: '', toolCalls: [{ id: 'call_1', name: 'weather', arguments: '{"at":"Bern"}' }] },
      { role: 'tool', content: 'rain', toolCallId: 'call_1' },
    ])
  })

  it('reads tools, the choice among them, and whether several at once are welcome', () => {
    const list = [
      {
        name: 'weather',
        description: 'of a place',
        parameters: JSON.stringify(weather.function.parameters),
      },
      { name: 'now', description: '', parameters: '' },
    ]
    const tools = [weather, { type: 'function', function: { name: 'now', strict: true } }]
    const choose = (more: object) => parse({ tools, ...more }).request.tools
    expect(choose({})).toEqual({ list, choice: 'auto', isParallel: true })
    expect(choose({ tool_choice: 'required', parallel_tool_calls: false })).toEqual({
      list,
      choice: 'required',
      isParallel: false,
    })
    const one = { type: 'function', function: { name: 'now' } }
    expect(choose({ tool_choice: one })).toMatchObject({ choice: { name: 'now' } })
  })

  it('reads the format of the answer, the description within the schema', () => {
    const format = (response_format: object) => parse({ response_format }).request.sampling.format
    expect(format({ type: 'json_object' })).toEqual({ type: 'json' })
    const read = format({
      type: 'json_schema',
      json_schema: { name: 'thing', description: 'what it is', strict: true, schema },
    })
    expect(read?.type).toBe('json')
    expect(JSON.parse(read?.schema ?? '')).toEqual({ description: 'what it is', ...schema })
    expect(JSON.parse(format({ type: 'json_schema', json_schema: { name: 'thing', schema } })?.schema ?? '')).toEqual(
      schema,
    )
  })

  it('becomes one inference a choice, of different seeds and one affinity', () => {
    const { requests } = read({ ...minimal, n: 3, seed: 0xffff_ffff, max_cost: '0.3' })
    expect(requests.map(({ sampling }) => sampling.seed)).toEqual([0xffff_ffff, 0, 1])
    expect(new Set(requests.map(({ affinity }) => affinity)).size).toBe(1)
    expect(read({ ...minimal, n: runsMax }).requests).toHaveLength(runsMax)
    expect(refusal({ ...minimal, n: runsMax + 1 })).toMatchObject({ code: 'bad-request', param: 'n' })
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
    ['functions', [{ name: 'f' }]],
    ['function_call', { name: 'f' }],
    ['modalities', ['text', 'audio']],
    ['audio', { voice: 'alloy' }],
    ['prediction', { type: 'content', content: '' }],
    ['reasoning_effort', 'high'],
    ['verbosity', 'low'],
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
    ['model', ':floor'],
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
    ['top_k', -2],
    ['top_k', 1.5],
    ['min_p', 1.1],
    ['presence_penalty', 2.1],
    ['frequency_penalty', '0'],
    ['repetition_penalty', 0],
    ['logit_bias', []],
    ['logit_bias', { a: 1 }],
    ['logit_bias', Object.fromEntries(Array.from({ length: limits.logitBiasMax + 1 }, (_, at) => [at, 1]))],
    ['seed', -1],
    ['seed', 1.5],
    ['seed', 4_294_967_296],
    ['n', 0],
    ['n', '2'],
    ['max_tokens', 0],
    ['max_tokens', -1],
    ['max_completion_tokens', limits.tokensMax + 1],
    ['logprobs', 1],
    ['top_logprobs', limits.logprobsMax + 1],
    ['stream', 'true'],
    ['stream_options', true],
    ['stop', ''],
    ['stop', 5],
    ['stop', Array.from({ length: limits.stopsMax + 1 }, () => 'x')],
    ['stop', 'x'.repeat(limits.stopBytesMax + 1)],
    ['tools', {}],
    ['tools', Array.from({ length: limits.toolsMax + 1 }, () => weather)],
    ['tool_choice', 'required'],
    ['parallel_tool_calls', 1],
    ['response_format', 'json'],
    ['max_cost', 'much'],
    ['max_cost', -1],
    ['max_cost', 1e-10],
    ['max_cost', {}],
    ['provider', 'cheap'],
    ['temprature', 1],
    ['__proto__x', 1],
    ['constructor', 1],
  ])('refuses %s %j, naming it', (name, value) => {
    const error = refusal({ ...minimal, [name]: value })
    expect(error).toMatchObject({ code: 'bad-request', param: name })
    expect(error.message).toContain(name)
  })

  it.each([
    ['logit_bias.7', { logit_bias: { '7': 101 } }, 'bad-request'],
    ['logit_bias.7', { logit_bias: { '7': null } }, 'bad-request'],
    ['tools[0]', { tools: ['x'] }, 'bad-request'],
    ['tools[0].type', { tools: [{ type: 'custom', custom: { name: 'f' } }] }, 'unsupported'],
    ['tools[0].type', { tools: [{ function: { name: 'f' } }] }, 'bad-request'],
    ['tools[0].function', { tools: [{ type: 'function' }] }, 'bad-request'],
    ['tools[0].function.name', { tools: [{ type: 'function', function: { name: 'a b' } }] }, 'bad-request'],
    ['tools[0].function.name', { tools: [{ type: 'function', function: { name: 'a'.repeat(65) } }] }, 'bad-request'],
    ['tools[0].function.parameters', { tools: [fn({ parameters: 'x' })] }, 'bad-request'],
    ['tools[0].function.parameters', { tools: [fn({ parameters: { a: nested(5_000) } })] }, 'bad-request'],
    ['tools[0].function.strict', { tools: [fn({ strict: 1 })] }, 'bad-request'],
    ['tools[0].function.color', { tools: [fn({ color: 'red' })] }, 'unsupported'],
    ['tools[0].cache', { tools: [{ ...weather, cache: true }] }, 'unsupported'],
    ['tools[1]', { tools: [weather, weather] }, 'bad-request'],
    ['tool_choice', { tools: [weather], tool_choice: 'any' }, 'bad-request'],
    ['tool_choice.type', { tools: [weather], tool_choice: { type: 'allowed_tools' } }, 'unsupported'],
    [
      'tool_choice.function.name',
      { tools: [weather], tool_choice: { type: 'function', function: { name: 'x' } } },
      'bad-request',
    ],
    ['response_format.type', { response_format: { type: 'grammar' } }, 'unsupported'],
    ['response_format.type', { response_format: {} }, 'bad-request'],
    ['response_format.schema', { response_format: { type: 'json_object', schema } }, 'unsupported'],
    ['response_format.json_schema', { response_format: { type: 'json_schema' } }, 'bad-request'],
    ['response_format.json_schema.name', format({ schema }), 'bad-request'],
    ['response_format.json_schema.schema', format({ name: 'a' }), 'bad-request'],
    ['response_format.json_schema.schema', format({ name: 'a', schema: { a: nested(5_000) } }), 'bad-request'],
    ['response_format.json_schema.strict', format({ name: 'a', schema, strict: 'yes' }), 'bad-request'],
    ['stream_options.include_usage', { stream_options: { include_usage: 1 } }, 'bad-request'],
    ['stream_options.include_obfuscation', { stream_options: { include_obfuscation: true } }, 'unsupported'],
  ])('refuses %s', (param, more, code) => {
    expect(refusal({ ...minimal, ...more })).toMatchObject({ code, param })
  })

  it.each([
    ['messages[0].role', { role: 'robot', content: 'x' }, 'bad-request'],
    ['messages[0].role', { role: 'function', name: 'f', content: 'x' }, 'unsupported'],
    ['messages[0].content', { role: 'user' }, 'bad-request'],
    ['messages[0].content', { role: 'assistant', content: null }, 'bad-request'],
    ['messages[0].name', { role: 'user', content: 'x', name: 'bob' }, 'unsupported'],
    ['messages[0].tool_call_id', { role: 'tool', content: 'x' }, 'bad-request'],
    ['messages[0].tool_call_id', { role: 'tool', content: 'x', tool_call_id: 'a'.repeat(65) }, 'bad-request'],
    ['messages[0].tool_call_id', { role: 'tool', content: 'x', tool_call_id: 'unheard' }, 'bad-request'],
    ['messages[0].tool_calls', { role: 'user', content: 'x', tool_calls: called.tool_calls }, 'unsupported'],
    ['messages[0].tool_calls', { role: 'assistant', content: '', tool_calls: {} }, 'bad-request'],
    ['messages[0].tool_calls[0].function', { role: 'assistant', tool_calls: [{}] }, 'bad-request'],
    ['messages[0].tool_calls[0].type', { role: 'assistant', tool_calls: [{ type: 'custom' }] }, 'unsupported'],
    ['messages[0].tool_calls[0].id', { role: 'assistant', tool_calls: [call({ id: '' })] }, 'bad-request'],
    [
      'messages[0].tool_calls[0].function.arguments',
      { role: 'assistant', tool_calls: [call({ function: { name: 'f', arguments: {} } })] },
      'bad-request',
    ],
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

  it('takes a prompt at the bound and refuses one byte more, counted as UTF-8', () => {
    const bytesMax = limits.openBytesMax - 65_536
    const content = 'é'.repeat(bytesMax / 2)
    expect(parse({ messages: [{ role: 'user', content }] }).request.messages).toHaveLength(1)
    const error = refusal({ ...minimal, messages: [{ role: 'user', content: `${content}a` }] })
    expect(error).toMatchObject({ code: 'too-large', param: 'messages' })
  })

  it('counts tools, calls and schemas with the prompt', () => {
    const large = 'x'.repeat(limits.openBytesMax - 65_536)
    for (const more of [
      { tools: [fn({ description: large })] },
      { response_format: format({ name: 'a', schema: { description: large } }).response_format },
      { messages: [{ ...called, tool_calls: [call({ function: { name: 'f', arguments: large } })] }] },
    ]) {
      expect(refusal({ ...minimal, ...more })).toMatchObject({ code: 'too-large' })
    }
  })

  it('refuses what is no object, and nesting deeper than the stack', () => {
    for (const body of [null, [], 'x', 4, true, undefined]) expect(refusal(body).code).toBe('bad-request')
    const deep = nested(200_000)
    for (const name of ['messages', 'metadata_', 'tools', 'provider', 'logit_bias', 'response_format', 'stop']) {
      expect(refusal({ ...minimal, [name]: deep })).toMatchObject({ param: expect.stringContaining(name) })
    }
    expect(parse({ metadata: deep }).request.model).toBe('tiny')
  })
})

describe('where a request goes', () => {
  it('is said in OpenRouter’s words', () => {
    const { request } = parse({
      provider: {
        order: [provider],
        only: [provider],
        ignore: [],
        max_price: { prompt: 0.5, completion: '2.25' },
        sort: 'latency',
        require_parameters: false,
        allow_fallbacks: false,
      },
    })
    expect(request.preferences).toEqual({
      order: [provider],
      only: [provider],
      promptNanoMax: 500_000_000n,
      completionNanoMax: 2_250_000_000n,
      sort: 'latency',
      allowFallbacks: false,
    })
  })

  it('may be said by the end of the model’s name', () => {
    expect(parse({ model: 'tiny:floor' }).request).toMatchObject({ model: 'tiny', preferences: { sort: 'price' } })
    expect(parse({ model: 'a:b:nitro' }).request).toMatchObject({ model: 'a:b', preferences: { sort: 'throughput' } })
    expect(parse({ model: 'qwen:0.5b' }).request).toMatchObject({ model: 'qwen:0.5b' })
    expect(parse({ model: 'qwen:0.5b' }).request.preferences).toBeUndefined()
    expect(refusal({ ...minimal, model: 'tiny:floor', provider: { sort: 'latency' } })).toMatchObject({
      param: 'provider.sort',
    })
  })

  it.each([
    ['provider.order[1]', { order: [provider, 'openai'] }, 'bad-request'],
    ['provider.only', { only: provider }, 'bad-request'],
    ['provider.ignore', { ignore: Array.from({ length: 65 }, () => provider) }, 'bad-request'],
    ['provider.sort', { sort: 'best' }, 'bad-request'],
    ['provider.max_price', { max_price: 1 }, 'bad-request'],
    ['provider.max_price.prompt', { max_price: { prompt: -1 } }, 'bad-request'],
    ['provider.max_price.image', { max_price: { image: 1 } }, 'unsupported'],
    ['provider.require_parameters', { require_parameters: 'yes' }, 'bad-request'],
    ['provider.allow_fallbacks', { allow_fallbacks: 0 }, 'bad-request'],
    ['provider.quantizations', { quantizations: ['fp8'] }, 'unsupported'],
  ])('refuses %s', (param, given, code) => {
    expect(refusal({ ...minimal, provider: given })).toMatchObject({ code, param })
  })

  it('may be two places: after the p95, or after milliseconds', () => {
    expect(parse({}, 'p95').request.hedge).toBe('p95')
    expect(parse({}, '250').request.hedge).toBe(250)
    for (const header of ['', '0', '600001', 'p99', '1e3', '-5']) {
      expect(refusal(minimal, header)).toMatchObject({ code: 'bad-request', param: 'x-silkmesh-hedge' })
    }
  })

  it('is one for all turns of a conversation', () => {
    const affinity = (more: object) => parse(more).request.affinity
    const system = { role: 'system', content: 'be brief' }
    const first = [system, { role: 'user', content: 'hi' }]
    const second = [...first, { role: 'assistant', content: 'yes?' }, { role: 'user', content: 'why?' }]
    expect(affinity({ messages: second })).toBe(affinity({ messages: first }))
    const others = [
      [system, { role: 'user', content: 'ho' }],
      [{ role: 'user', content: 'hi' }],
      [system, { role: 'user', content: 'hi there' }],
      [
        { role: 'system', content: 'be' },
        { role: 'user', content: 'briefhi' },
      ],
    ]
    expect(new Set([first, ...others].map((messages) => affinity({ messages }))).size).toBe(5)
  })

  it('is what the client says it is', () => {
    const affinity = (more: object) => parse(more).request.affinity
    const other = { messages: [{ role: 'user', content: 'another' }] }
    expect(affinity({ prompt_cache_key: 'k', ...other })).toBe(affinity({ prompt_cache_key: 'k', user: 'u' }))
    expect(affinity({ user: 'u', ...other })).toBe(affinity({ user: 'u' }))
    expect(affinity({ user: 'k' })).not.toBe(affinity({ prompt_cache_key: 'k' }))
    expect(affinity({ user: '' })).toBe(affinity({}))
  })
})

it('any JSON is read or refused with a MeshError', () => {
  const names = ['temperature', 'stop', 'seed', 'stream_options', 'max_cost', 'n', 'tools', 'tool_choice', 'x']
  const more = ['logit_bias', 'response_format', 'provider', 'logprobs', 'top_logprobs', 'user', 'top_k']
  const part = fc.record({ type: fc.constantFrom('text', 'x'), text: fc.jsonValue() })
  const parts = fc.array(part, { maxLength: 2 })
  const plain = fc.record({ role: fc.constantFrom('user', 'system', 'assistant'), content: fc.string() })
  const odd = fc.record({ role: fc.constantFrom('user', 'tool'), content: fc.oneof(parts, fc.jsonValue()) })
  const message = fc.oneof({ weight: 8, arbitrary: plain }, odd, fc.constant(called), fc.jsonValue())
  const messages = fc.array(message, { minLength: 1, maxLength: 3 })
  const value = fc.oneof(
    fc.constantFrom<unknown>(
      null,
      0,
      1,
      0.5,
      [],
      {},
      '1',
      true,
      [weather],
      format({ name: 'a', schema }).response_format,
    ),
    fc.jsonValue(),
  )
  const extra = fc.dictionary(fc.constantFrom(...names, ...more), value, { maxKeys: 3 })
  const body = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(fc.oneof(fc.constantFrom('model', 'messages', ...names), fc.string()), fc.jsonValue()),
    fc.tuple(messages, extra).map(([list, rest]) => ({ model: 'tiny', messages: list, ...rest })),
  )
  let taken = 0
  fc.assert(
    fc.property(body, (given) => {
      try {
        for (const request of read(given).requests) expect(request.messages.length).toBeGreaterThan(0)
        taken++
      } catch (error) {
        expect(error).toBeInstanceOf(MeshError)
      }
    }),
    { numRuns: 3_000 },
  )
  expect(taken).toBeGreaterThan(50)
})

function fn(more: object): object {
  return { type: 'function', function: { name: 'f', ...more } }
}

function format(json_schema: object): { response_format: object } {
  return { response_format: { type: 'json_schema', json_schema } }
}

function call(more: object): object {
  return { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' }, ...more }
}

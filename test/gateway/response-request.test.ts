import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { responseEndpoint } from '../../node/gateway/response-request.ts'
import { MeshError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import { nested, refusalOf } from './refusals.ts'

const minimal = { model: 'tiny', input: 'hi' }
const refusal = (more: object): MeshError =>
  refusalOf(() => responseEndpoint.read({ ...minimal, ...more }, { hedge: undefined }))

function read(more: object) {
  const { requests } = responseEndpoint.read({ ...minimal, ...more }, { hedge: undefined })
  const [request] = requests
  if (!request) throw new Error('no request')
  return request
}

const called = { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'weather', arguments: '{}' }
const answered = { type: 'function_call_output', call_id: 'call_1', output: 'rain' }
const schema = { type: 'object', properties: {} }

describe('a request of /v1/responses', () => {
  it('may be as little as a model and a text', () => {
    expect(read({})).toMatchObject({ model: 'tiny', messages: [{ role: 'user', content: 'hi' }] })
  })

  it('reads instructions and messages', () => {
    const input = [
      { role: 'developer', content: 'be brief' },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] },
      {
        type: 'message',
        id: 'msg_1',
        status: 'completed',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'yes?', annotations: [], logprobs: [] }],
      },
      { role: 'user', content: 'why?' },
    ]
    expect(read({ input, instructions: 'you are kind' }).messages).toEqual([
      { role: 'system', content: 'you are kind' },
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'yes?' },
      { role: 'user', content: 'why?' },
    ])
  })

  it('reads what a model said and called in one turn as one message, and leaves its reasoning', () => {
    const input = [
      { role: 'user', content: 'weather?' },
      { type: 'reasoning', id: 'rs_1', summary: [], content: [{ type: 'reasoning_text', text: 'hm' }] },
      { type: 'message', role: 'assistant', content: 'let me see' },
      called,
      { ...called, id: 'fc_2', call_id: 'call_2', parsed_arguments: null },
      answered,
      { ...answered, call_id: 'call_2', output: [{ type: 'input_text', text: 'sun' }] },
    ]
    const call = { name: 'weather', arguments: '{}' }
    expect(read({ input }).messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: 'let me see',
        toolCalls: [
          { id: 'call_1', ...call },
          { id: 'call_2', ...call },
        ],
      },
      { role: 'tool', content: 'rain', toolCallId: 'call_1' },
      { role: 'tool', content: 'sun', toolCallId: 'call_2' },
    ])
  })

  it('reads tools, formats, log probabilities and the length', () => {
    const { sampling, tools } = read({
      tools: [{ type: 'function', name: 'weather', description: 'of a place', parameters: schema, strict: true }],
      tool_choice: { type: 'function', name: 'weather' },
      parallel_tool_calls: false,
      text: { format: { type: 'json_schema', name: 'thing', schema, strict: true }, verbosity: 'medium' },
      top_logprobs: 2,
      include: ['message.output_text.logprobs', 'reasoning.encrypted_content'],
      max_output_tokens: 9,
      temperature: 0,
      top_p: 0.5,
    })
    expect(tools).toEqual({
      list: [{ name: 'weather', description: 'of a place', parameters: JSON.stringify(schema) }],
      choice: { name: 'weather' },
      isParallel: false,
    })
    expect(sampling).toMatchObject({
      format: { type: 'json', schema: JSON.stringify(schema) },
      logprobs: 2,
      tokensMax: 9,
      temperature: 0,
      topP: 0.5,
    })
    expect(read({ include: ['message.output_text.logprobs'] }).sampling.logprobs).toBe(0)
    expect(read({ top_logprobs: 0 }).sampling.logprobs).toBeUndefined()
  })

  it('takes what asks for nothing', () => {
    const more = {
      store: false,
      background: false,
      truncation: 'disabled',
      service_tier: 'auto',
      previous_response_id: null,
      reasoning: { effort: 'none', summary: null },
      text: { format: { type: 'text' } },
      metadata: { a: 'b' },
      tools: [],
      include: [],
    }
    expect(read(more).sampling.format).toBeUndefined()
  })

  it.each([
    ['previous_response_id', 'resp_1'],
    ['conversation', 'conv_1'],
    ['store', true],
    ['background', true],
    ['prompt', { id: 'pmpt_1' }],
    ['truncation', 'auto'],
    ['max_tool_calls', 3],
    ['service_tier', 'priority'],
  ])('refuses %s %j, which nothing here can do, by its name', (name, value) => {
    expect(refusal({ [name]: value })).toMatchObject({ code: 'unsupported', param: name })
  })

  it.each([
    ['model', undefined],
    ['input', undefined],
    ['input', []],
    ['input', 7],
    ['input', [{ type: 'reasoning', id: 'rs_1', summary: [] }]],
    ['input', Array.from({ length: limits.messagesMax }, () => ({ role: 'user', content: 'x' }))],
    ['instructions', 7],
    ['max_output_tokens', 0],
    ['include', 'logprobs'],
    ['text', 'json'],
    ['reasoning', true],
    ['tools', {}],
    ['messages', []],
    ['n', 2],
    ['stop', 'x'],
  ])('refuses %s %j, naming it', (name, value) => {
    expect(refusal({ [name]: value })).toMatchObject({ code: 'bad-request', param: name })
  })

  it.each([
    ['input[0]', { input: ['x'] }, 'bad-request'],
    ['input[0].role', { input: [{ content: 'x' }] }, 'bad-request'],
    ['input[0].role', { input: [{ role: 'tool', content: 'x' }] }, 'bad-request'],
    ['input[0].type', { input: [{ type: 'item_reference', id: 'x' }] }, 'unsupported'],
    ['input[0].type', { input: [{ type: 7 }] }, 'bad-request'],
    ['input[0].content', { input: [{ role: 'user' }] }, 'bad-request'],
    [
      'input[0].content[0].type',
      { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] },
      'unsupported',
    ],
    ['input[0].call_id', { input: [{ ...called, call_id: '' }] }, 'bad-request'],
    ['input[0].name', { input: [{ ...called, name: 'a b' }] }, 'bad-request'],
    ['input[0].arguments', { input: [{ ...called, arguments: {} }] }, 'bad-request'],
    ['input[0].namespace', { input: [{ ...called, namespace: 'x' }] }, 'unsupported'],
    ['input[1].call_id', { input: [called, { ...answered, call_id: 'other' }] }, 'bad-request'],
    ['input[1].output', { input: [called, { ...answered, output: 7 }] }, 'bad-request'],
    ['include[0]', { include: ['file_search_call.results'] }, 'unsupported'],
    ['tools[0].type', { tools: [{ type: 'web_search' }] }, 'unsupported'],
    ['tools[0].name', { tools: [{ type: 'function' }] }, 'bad-request'],
    ['tools[0].function', { tools: [{ type: 'function', function: { name: 'f' } }] }, 'unsupported'],
    ['tool_choice.type', { tools: [{ type: 'function', name: 'f' }], tool_choice: { type: 'mcp' } }, 'unsupported'],
    ['text.format.type', { text: { format: { type: 'grammar' } } }, 'unsupported'],
    ['text.format.name', { text: { format: { type: 'json_schema', schema } } }, 'bad-request'],
    ['text.format.schema', { text: { format: { type: 'json_schema', name: 'a' } } }, 'bad-request'],
    ['text.verbosity', { text: { verbosity: 'low' } }, 'unsupported'],
    ['reasoning.effort', { reasoning: { effort: 'high' } }, 'unsupported'],
    ['reasoning.summary', { reasoning: { effort: 'none', summary: 'auto' } }, 'unsupported'],
    ['stream_options.include_obfuscation', { stream_options: { include_obfuscation: true } }, 'unsupported'],
  ])('refuses %s in %j', (param, more, code) => {
    expect(refusal(more)).toMatchObject({ code, param })
  })

  it('bounds the calls of one turn', () => {
    const calls = Array.from({ length: limits.toolCallsMax + 1 }, (_, at) => ({ ...called, call_id: `call_${at}` }))
    expect(read({ input: calls.slice(1) }).messages).toHaveLength(1)
    expect(refusal({ input: calls })).toMatchObject({ param: `input[${limits.toolCallsMax}]` })
  })

  it('takes an input at the bound and refuses one byte more', () => {
    const text = 'x'.repeat(limits.openBytesMax - 65_536)
    expect(read({ input: text }).messages).toHaveLength(1)
    expect(refusal({ input: text, instructions: 'y' })).toMatchObject({ code: 'too-large', param: 'input' })
  })

  it('refuses nesting deeper than the stack', () => {
    const deep = nested(200_000)
    for (const name of ['input', 'instructions', 'text', 'tools', 'include', 'reasoning']) {
      expect(refusal({ [name]: deep })).toMatchObject({ param: expect.stringContaining(name) })
    }
  })
})

it('any JSON is read or refused with a MeshError', () => {
  const names = ['instructions', 'text', 'tools', 'include', 'reasoning', 'store', 'top_logprobs', 'x', 'stream']
  const value = fc.oneof(fc.constantFrom<unknown>(null, 0, 1, '', 'x', true, false, [], {}), fc.jsonValue())
  const message = fc.record({
    role: fc.constantFrom('user', 'assistant', 'tool'),
    content: fc.oneof(fc.string(), value),
  })
  const item = fc.oneof({ weight: 4, arbitrary: message }, fc.constantFrom(called, answered), fc.jsonValue())
  const input = fc.oneof(fc.string(), fc.array(item, { maxLength: 4 }), fc.jsonValue())
  const more = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 3 })
  const body = fc.oneof(
    fc.jsonValue(),
    fc.tuple(input, more).map(([given, rest]) => ({ model: 'tiny', input: given, ...rest })),
  )
  let taken = 0
  fc.assert(
    fc.property(body, (given) => {
      try {
        for (const request of responseEndpoint.read(given, { hedge: undefined }).requests) {
          expect(request.messages.length).toBeGreaterThan(0)
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

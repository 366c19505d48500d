// What the engine over an OpenAI API asks a server for in each dialect, what it refuses, and what it reads back.

import { describe, expect, test } from 'vitest'
import type { OpenAiEngine } from '../../node/adapters/openai-engine.ts'
import type { Delta, Generation } from '../../node/ports.ts'
import { features, type Sampling, type Tools } from '../../protocol/task.ts'
import {
  type Answers,
  able,
  ask,
  type Body,
  chatPath,
  completion,
  end,
  llamaServer,
  never,
  plain,
  prepare,
  reply,
  start,
  streaming,
  usage,
  vllm,
  word,
} from './openai-fixture.ts'

const dialects: readonly (readonly [string, Answers])[] = [
  ['openai', plain],
  ['vllm', vllm],
  ['llama-server', llamaServer],
]
const weather = { name: 'weather', description: 'Tells it.', parameters: '{"type":"object"}' }
const tools: Tools = {
  list: [weather, { name: 'clock', description: '', parameters: '' }],
  choice: 'auto',
  isParallel: true,
}

interface Sent {
  readonly path: string
  readonly body: Body
}

/** What reaches a server that can do everything, with the answer's end as its only event. */
async function sent(dialect: Answers, sampling: Sampling, task: Partial<Generation> = {}): Promise<readonly Sent[]> {
  const seen: Sent[] = []
  const noted = Object.fromEntries(
    Object.entries({ ...dialect, [chatPath]: streaming(end()), '/v1/completions': streaming(end()) }).map(
      ([path, answer]) => [
        path,
        (...[response, body, request]: Parameters<typeof answer>) => {
          seen.push({ path, body })
          answer(response, body, request)
        },
      ],
    ),
  )
  const engine = await start(noted, {}, able)
  seen.length = 0
  await ask(engine, sampling, task)
  return seen
}

async function asked(dialect: Answers, sampling: Sampling, task: Partial<Generation> = {}): Promise<Body> {
  return (await sent(dialect, sampling, task)).at(-1)?.body ?? {}
}

async function heard(...events: readonly unknown[]): Promise<{ deltas: readonly Delta[]; engine: OpenAiEngine }> {
  const engine = await start({ ...plain, [chatPath]: streaming(...events) }, {}, able)
  const { deltas } = await ask(engine, { logprobs: 1 }, { tools })
  return { deltas, engine }
}

const says = (delta: object, more: object = {}): unknown => ({ choices: [{ delta, finish_reason: null, ...more }] })
const calls = (...tool_calls: readonly object[]): unknown => says({ tool_calls })

describe('at the start', () => {
  test.each(dialects)('establishes all that a server of dialect %s can do', async (_, dialect) => {
    const [model] = (await start(dialect, {}, able)).models
    expect(model?.features).toEqual(features)
  })

  test.each(dialects)('establishes nothing but chat of one that refuses the rest, dialect %s', async (_, dialect) => {
    const { '/props': __, ...bare } = dialect
    const [model] = (await start({ ...bare, [chatPath]: streaming(word('a'), end()) })).models
    expect(model?.features).toEqual(['chat'])
  })

  test.each(dialects)('establishes nothing but chat of one that ignores all else, dialect %s', async (_, dialect) => {
    const { '/props': __, ...bare } = dialect
    const ignoring = { [chatPath]: streaming(word('It is hard to say. '), word('Perhaps so, perhaps not.'), end()) }
    const [model] = (await start(bare, {}, ignoring)).models
    expect(model?.features).toEqual(['chat'])
  })

  test('serves a model that only embeds', async () => {
    const { '/v1/embeddings': embeddings } = able
    const engine = await start(
      { ...plain },
      {},
      {
        [chatPath]: (response) => reply(response, { error: { message: 'no chat template' } }, 400),
        ...(embeddings && { '/v1/embeddings': embeddings }),
      },
    )
    expect(engine.models[0]?.features).toEqual(['embeddings'])
    await expect(prepare(engine)).rejects.toMatchObject({ code: 'unsupported', param: 'messages' })
  })

  test('fails with a server whose models can do nothing, and says why', async () => {
    const refusing: Answers = { [chatPath]: (response) => reply(response, { error: { message: 'no memory' } }, 500) }
    await expect(start(plain, {}, refusing)).rejects.toMatchObject({
      code: 'engine-failed',
      message: expect.stringMatching(/serves nothing: tiny: .*answered 500: no memory/),
    })
  })

  test('leaves out a model that can do nothing, and notes it', async () => {
    const notes: string[] = []
    const answers: Answers = {
      '/v1/models': (response) => reply(response, { data: [{ id: 'broken' }, { id: 'good' }] }),
    }
    const engine = await start(
      answers,
      { onNote: (note) => notes.push(note) },
      {
        [chatPath]: (response, body, request) =>
          body['model'] === 'good'
            ? streaming(word('a'), end())(response, body, request)
            : reply(response, { error: { message: 'cannot be loaded' } }, 500),
      },
    )
    expect(engine.models.map(({ name }) => name)).toEqual(['good'])
    expect(notes).toEqual([expect.stringMatching(/^broken: .*cannot be loaded; it is left out$/)])
  })
})

describe('a request', () => {
  test.each(dialects)('passes tools and the calls of before on, dialect %s', async (_, dialect) => {
    const body = await asked(
      dialect,
      {},
      {
        tools,
        messages: [
          { role: 'user', content: 'How is it?' },
          { role: 'assistant', content: '', toolCalls: [{ id: 'a1', name: 'weather', arguments: '{"in":"x"' }] },
          { role: 'tool', content: 'sunny', toolCallId: 'a1' },
        ],
      },
    )
    expect(body).toMatchObject({
      messages: [
        { role: 'user', content: 'How is it?' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'a1', type: 'function', function: { name: 'weather', arguments: '{"in":"x"' } }],
        },
        { role: 'tool', content: 'sunny', tool_call_id: 'a1' },
      ],
      tools: [
        { type: 'function', function: { name: 'weather', description: 'Tells it.', parameters: { type: 'object' } } },
        { type: 'function', function: { name: 'clock', parameters: { type: 'object', properties: {} } } },
      ],
      tool_choice: 'auto',
      parallel_tool_calls: true,
    })
  })

  test('requires a call, of one tool by offering no other, and offers none where none is to be called', async () => {
    expect(await asked(plain, {}, { tools: { ...tools, choice: 'required' } })).toMatchObject({
      tool_choice: 'required',
    })
    const named = await asked(plain, {}, { tools: { ...tools, choice: { name: 'clock' }, isParallel: false } })
    expect(named).toMatchObject({
      tools: [{ function: { name: 'clock' } }],
      tool_choice: 'required',
      parallel_tool_calls: false,
    })
    expect(await asked(plain, {}, { tools: { ...tools, choice: 'none' } })).not.toHaveProperty('tools')
  })

  test('counts the prompt with its tools, as it is evaluated', async () => {
    const counted = async (dialect: Answers) => await sent(dialect, {}, { tools })
    for (const [path, dialect] of [
      ['/tokenize', vllm],
      ['/apply-template', llamaServer],
    ] as const) {
      const requests = await counted(dialect)
      const [counting] = requests.filter((request) => request.path === path)
      const answering = requests.at(-1)?.body
      for (const name of ['messages', 'tools']) expect(counting?.body[name]).toEqual(answering?.[name])
    }
    const engine = await start(plain, {}, able)
    const bare = await prepare(engine)
    const withTools = await prepare(engine, {}, 'hello', { tools })
    expect(withTools.promptTokens).toBeGreaterThan(bare.promptTokens)
  })

  test('says a JSON format in each dialect', async () => {
    const schema = '{"type":"object","properties":{"a":{"type":"string"}}}'
    const strict = { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: JSON.parse(schema) } }
    for (const [, dialect] of dialects) {
      expect(await asked(dialect, { format: { type: 'json', schema } })).toMatchObject({ response_format: strict })
    }
    expect((await asked(plain, { format: { type: 'json' } }))['response_format']).toEqual({ type: 'json_object' })
    expect((await asked(vllm, { format: { type: 'json' } }))['response_format']).toEqual({ type: 'json_object' })
    const object = { type: 'json_object', schema: { type: 'object' } }
    expect((await asked(llamaServer, { format: { type: 'json' } }))['response_format']).toEqual(object)
  })

  test('says log probabilities, penalties, samplers and biases in each dialect', async () => {
    const sampling: Sampling = {
      logprobs: 3,
      presencePenalty: 0.5,
      frequencyPenalty: -0.5,
      repetitionPenalty: 1.5,
      topK: 7,
      minP: 0.25,
      logitBias: [{ tokenId: 5, bias: -100 }],
    }
    const common = {
      logprobs: true,
      top_logprobs: 3,
      presence_penalty: 0.5,
      frequency_penalty: -0.5,
      top_k: 7,
      min_p: 0.25,
    }
    expect(await asked(plain, sampling)).toMatchObject({ ...common, repetition_penalty: 1.5, logit_bias: { 5: -100 } })
    expect(await asked(vllm, sampling)).toMatchObject({ ...common, repetition_penalty: 1.5, logit_bias: { 5: -100 } })
    expect(await asked(llamaServer, sampling)).toMatchObject({
      ...common,
      repeat_penalty: 1.5,
      repeat_last_n: -1,
      logit_bias: [[5, -100]],
    })
    expect(await asked(llamaServer, { logprobs: 0 })).toMatchObject({ logprobs: true, top_logprobs: 1 })
  })

  test('of a text goes to the endpoint for texts, without a template', async () => {
    const text = 'Once upon a time'
    const format = { type: 'json', schema: '{"type":"object"}' } as const
    const requests = await sent(vllm, { logprobs: 2, format }, { messages: [], text })
    expect(requests.at(-1)).toMatchObject({
      path: '/v1/completions',
      body: { prompt: text, logprobs: 2, max_tokens: 2048 - text.length, response_format: { type: 'json_schema' } },
    })
    expect(requests.at(-1)?.body).not.toHaveProperty('messages')
    expect(requests[0]).toMatchObject({ path: '/tokenize', body: { prompt: text } })
    expect(await asked(llamaServer, { logprobs: 2, format }, { messages: [], text })).toMatchObject({
      prompt: text,
      logprobs: 2,
      n_probs: 2,
      json_schema: { type: 'object' },
    })
    // whose own default is 16 tokens
    expect(await asked(plain, {}, { messages: [], text })).toMatchObject({ max_tokens: 4096 - text.length - 1 })
  })

  test('for no token is not asked at all', async () => {
    const engine = await completion(() => expect.unreachable('was asked'))
    expect(await ask(engine, { tokensMax: 0 })).toEqual({ deltas: [], finish: 'length' })
  })

  test.each<[string, Answers, Sampling, Partial<Generation>]>([
    ['repetition_penalty', llamaServer, { repetitionPenalty: 1.1 }, {}],
    ['tools', plain, {}, { messages: [], text: 'x', tools }],
    ['response_format', plain, { format: { type: 'json' } }, { messages: [], text: 'x' }],
    ['logprobs', llamaServer, { logprobs: 1 }, { tools }],
  ])('is refused for %s where there is no way to ask for it', async (param, dialect, sampling, task) => {
    const { '/props': __, ...bare } = dialect
    const props: Answers =
      dialect === llamaServer
        ? {
            '/props': (response) =>
              reply(response, {
                default_generation_settings: { params: { presence_penalty: 0, frequency_penalty: 0 } },
              }),
          }
        : {}
    const engine = await start({ ...bare, ...props }, {}, able)
    await expect(prepare(engine, sampling, 'hello', task)).rejects.toMatchObject({ code: 'unsupported', param })
  })

  test.each<[string, Sampling, Partial<Generation>]>([
    ['tools', {}, { tools }],
    ['response_format', { format: { type: 'json' } }, {}],
    ['logprobs', { logprobs: 0 }, {}],
    ['presence_penalty', { presencePenalty: 1 }, {}],
    ['top_k', { topK: 4 }, {}],
    ['logit_bias', { logitBias: [{ tokenId: 1, bias: 1 }] }, {}],
    ['prompt', {}, { messages: [], text: 'x' }],
    ['input', {}, { messages: [], inputs: ['x'] }],
  ])('is refused for %s where that was not established', async (param, sampling, task) => {
    const engine = await start(plain)
    await expect(prepare(engine, sampling, 'hello', task)).rejects.toMatchObject({
      code: 'unsupported',
      param,
      message: expect.stringMatching(`^${param}: `),
    })
  })

  test('to call some tool is refused where the model alone decides', async () => {
    const calling = calls({ index: 0, id: 'a', function: { name: 'report', arguments: '{}' } })
    const engine = await start(
      plain,
      {},
      {
        [chatPath]: (response, body, request) =>
          body['tool_choice'] === 'auto'
            ? streaming(calling, end())(response, body, request)
            : streaming(word('no'), end())(response, body, request),
      },
    )
    expect(engine.models[0]?.features).toEqual(['chat', 'tools'])
    expect((await prepare(engine, {}, 'hello', { tools })).promptTokens).toBeGreaterThan(0)
    await expect(prepare(engine, {}, 'hello', { tools: { ...tools, choice: 'required' } })).rejects.toMatchObject({
      code: 'unsupported',
      param: 'tool_choice',
    })
  })

  test('with a schema that is no JSON is a bad request', async () => {
    const engine = await start(plain, {}, able)
    const prompt = await prepare(engine, { format: { type: 'json', schema: '{' } })
    await expect(engine.generate(prompt, never).next()).rejects.toMatchObject({
      code: 'bad-request',
      param: 'response_format',
    })
  })
})

describe('an answer', () => {
  test('brings tool calls in parts, with id and name once', async () => {
    const { deltas } = await heard(
      calls({ index: 0, id: 'a', function: { name: 'weather', arguments: '' } }),
      calls({ index: 0, function: { arguments: '{"in":' } }),
      calls({ index: 0, function: { arguments: '"x"}' } }, { index: 1, id: 'b', function: { name: 'clock' } }),
      end('tool_calls'),
    )
    expect(deltas.map(({ toolCalls }) => toolCalls)).toEqual([
      [{ index: 0, id: 'a', name: 'weather', arguments: '' }],
      [{ index: 0, arguments: '{"in":' }],
      [
        { index: 0, arguments: '"x"}' },
        { index: 1, id: 'b', name: 'clock', arguments: '' },
      ],
    ])
  })

  test('brings arguments as the model wrote them, JSON or not', async () => {
    const { deltas } = await heard(
      calls({ index: 0, id: 'a', function: { name: 'weather', arguments: '{"in": oops' } }),
      calls({ index: 1, id: 'b', function: { name: 'weather', arguments: { in: 'x' } } }),
      end(),
    )
    expect(deltas.flatMap(({ toolCalls = [] }) => toolCalls.map((call) => call.arguments))).toEqual([
      '{"in": oops',
      '{"in":"x"}',
    ])
  })

  test('tells calls apart by their ids where the server numbers them all the same, or not at all', async () => {
    for (const index of [0, undefined]) {
      const { deltas } = await heard(
        calls({ index, id: 'a', function: { name: 'weather', arguments: '{}' } }),
        calls({ index, id: 'b', function: { name: 'clock', arguments: '{' } }),
        calls({ index, id: 'b', function: { name: 'clock', arguments: '}' } }),
        end(),
      )
      expect(deltas.flatMap(({ toolCalls }) => toolCalls)).toEqual([
        { index: 0, id: 'a', name: 'weather', arguments: '{}' },
        { index: 1, id: 'b', name: 'clock', arguments: '{' },
        { index: 1, arguments: '}' },
      ])
    }
  })

  test('ends before a second call where one was allowed', async () => {
    const second = calls({ index: 1, id: 'b', function: { name: 'clock', arguments: '{}' } })
    const first = calls({ index: 0, id: 'a', function: { name: 'weather', arguments: '{}' } })
    const engine = await start({ ...plain, [chatPath]: streaming(first, second, end()) }, {}, able)
    const { deltas, finish } = await ask(engine, {}, { tools: { ...tools, isParallel: false } })
    expect([deltas.length, finish]).toEqual([1, 'stop'])
  })

  test.each([
    ['id', calls({ index: 0, id: 'x'.repeat(65), function: { name: 'weather' } })],
    ['name', calls({ index: 0, id: 'x', function: { name: 'x'.repeat(65) } })],
    ['number', calls(...Array.from({ length: 129 }, (_, index) => ({ index, id: `${index}` })))],
  ])('fails with a tool call beyond the bounds on its %s', async (_, event) => {
    await expect(heard(event, end())).rejects.toMatchObject({ code: 'engine-failed' })
  })

  test('brings what the model thought, whichever field it comes in, apart from the answer', async () => {
    const { deltas } = await heard(says({ reasoning_content: 'hm' }), says({ reasoning: 'so' }), word('yes'), end())
    expect(deltas).toEqual([
      { text: '', tokens: 1, tokenIds: [], reasoning: 'hm' },
      { text: '', tokens: 1, tokenIds: [], reasoning: 'so' },
      { text: 'yes', tokens: 1, tokenIds: [] },
    ])
  })

  test('brings log probabilities, one a token, the end token not among them', async () => {
    const entry = (token: string, bytes: unknown = null) => ({
      token,
      bytes,
      logprob: -0.5,
      top_logprobs: [
        { token, bytes, logprob: -0.5 },
        { token: 'z', bytes: null, logprob: -3 },
      ],
    })
    const { deltas } = await heard(
      says({ content: 'é' }, { logprobs: { content: [entry('\\xc3', [0xc3]), entry('\\xa9', [0xa9])] } }),
      says({ content: '!' }, { logprobs: { content: [entry('!')] } }),
      { choices: [{ delta: {}, finish_reason: 'stop', logprobs: { content: [entry('<end>')] } }] },
      usage(4),
    )
    const bytes = (...values: number[]) => ({ bytes: Uint8Array.from(values), logprob: -0.5 })
    expect(deltas).toEqual([
      {
        text: 'é',
        tokens: 2,
        tokenIds: [],
        logprobs: [0xc3, 0xa9].map((value) => ({ ...bytes(value), top: [bytes(value)] })),
      },
      { text: '!', tokens: 1, tokenIds: [], logprobs: [{ ...bytes(33), top: [bytes(33)] }] },
    ])
  })

  test('brings log probabilities of a text from both shapes there are', async () => {
    const older = { tokens: ['a'], token_logprobs: [-1], top_logprobs: [{ b: -2, a: -1 }] }
    const newer = { content: [{ token: 'c', bytes: [99], logprob: null, top_logprobs: [] }] }
    const answer = streaming(
      { choices: [{ text: 'a', logprobs: older }] },
      { choices: [{ text: 'c', logprobs: newer }] },
      end(),
    )
    const engine = await start({ ...plain, '/v1/completions': answer }, {}, able)
    const { deltas } = await ask(engine, { logprobs: 2 }, { messages: [], text: 'x' })
    expect(deltas.map(({ logprobs, text }) => [text, logprobs])).toEqual([
      [
        'a',
        [
          {
            bytes: Uint8Array.of(97),
            logprob: -1,
            top: [
              { bytes: Uint8Array.of(97), logprob: -1 },
              { bytes: Uint8Array.of(98), logprob: -2 },
            ],
          },
        ],
      ],
      ['c', [{ bytes: Uint8Array.of(99), logprob: -9999, top: [] }]],
    ])
  })
})

describe('counting an answer', () => {
  const timed = (content: string, predicted_n?: number) => ({
    choices: [{ delta: { content }, finish_reason: null }],
    ...(predicted_n !== undefined && { timings: { predicted_n } }),
  })
  const counts = async (dialect: Answers, ...events: readonly unknown[]): Promise<readonly number[]> => {
    const engine = await start({ ...dialect, [chatPath]: streaming(...events) })
    return (await ask(engine)).deltas.map(({ tokens }) => tokens)
  }

  test('follows llama-server, whose chunks of one token may be several', async () => {
    expect(await counts(llamaServer, timed('a', 1), timed('b'), timed('c', 2), end(), usage(3))).toEqual([1, 0, 1])
  })

  test('leaves the end token out, which servers count', async () => {
    expect(await counts(llamaServer, timed('a', 1), timed('b', 2), end(), usage(3))).toEqual([1, 1])
    expect(await counts(vllm, word('a', 1), { ...Object(end()), usage: { completion_tokens: 2 } }, usage(2))).toEqual([
      1,
    ])
    expect(await counts(plain, word('ab'), end(), usage(4))).toEqual([1, 2])
  })

  test('has what a stop text cost, where the server says that it was one', async () => {
    const stopped = {
      choices: [{ delta: {}, finish_reason: 'stop', stop_reason: 'x' }],
      usage: { completion_tokens: 2 },
    }
    expect(await counts(vllm, word('a', 1), stopped, usage(2))).toEqual([1, 1])
  })

  test('goes on with the next chunk after one without a count', async () => {
    expect(await counts(vllm, word('a', 1), word('b'), word('c', 3), end('length'), usage(3))).toEqual([1, 0, 2])
  })

  test('is never more than was asked for', async () => {
    const engine = await completion(streaming(word('a'), word('b'), word('c'), end('length'), usage(5_000)))
    const { deltas } = await ask(engine, { tokensMax: 2 })
    expect(deltas.map(({ text, tokens }) => [text, tokens])).toEqual([
      ['a', 1],
      ['b', 1],
      ['c', 0],
    ])
  })
})

describe('embedding', () => {
  const embedding = (vectors: readonly unknown[]): Answers => ({
    ...vllm,
    '/v1/embeddings': (response, { input }) =>
      reply(response, {
        data:
          vectors.length > 0
            ? vectors
            : (input as string[]).map((text, index) => ({ index, embedding: [text.length, 0.5] })),
      }),
  })
  async function embed(answers: Answers, inputs: readonly string[]): Promise<readonly number[][]> {
    const engine = await start(answers, {}, able)
    const prompt = await prepare(engine, {}, '', { messages: [], inputs })
    expect(prompt.promptTokens).toBe(inputs.reduce((sum, input) => sum + input.length, 0))
    const vectors: number[][] = []
    for await (const vector of engine.embed(prompt, never)) vectors.push([...vector])
    return vectors
  }

  test('brings a vector for each input, in their order, over several requests', async () => {
    const inputs = Array.from({ length: 40 }, (_, at) => 'x'.repeat(at + 1))
    expect(await embed(embedding([]), inputs)).toEqual(inputs.map(({ length }) => [length, 0.5]))
    const shuffled = [
      { index: 1, embedding: [2] },
      { index: 0, embedding: [1] },
    ]
    expect(await embed(embedding(shuffled), ['a', 'b'])).toEqual([[1], [2]])
  })

  test.each([
    ['another number of vectors', [{ embedding: [1] }], 'answered with 1 vectors for 2 inputs'],
    ['an empty vector', [{ embedding: [] }, { embedding: [1] }], 'a vector of 0 values'],
    ['what is no number', [{ embedding: [1] }, { embedding: [null] }], 'a vector of 1 values'],
    ['no vectors', ['a', 'b'], 'a vector of undefined'],
  ])('fails with a server that sends %s', async (_, vectors, message) => {
    await expect(embed(embedding(vectors), ['a', 'b'])).rejects.toMatchObject({
      code: 'engine-failed',
      message: expect.stringContaining(message),
    })
  })

  test('refuses an input longer than the context, and takes many that are so together', async () => {
    const engine = await start(embedding([]), {}, able)
    const task = (...inputs: string[]) => ({ messages: [], inputs })
    await expect(prepare(engine, {}, '', task('x', 'x'.repeat(2049)))).rejects.toMatchObject({
      code: 'context-exceeded',
    })
    expect((await prepare(engine, {}, '', task('x'.repeat(2048), 'x'.repeat(2048)))).promptTokens).toBe(4096)
  })
})

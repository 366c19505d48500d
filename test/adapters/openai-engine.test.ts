// The engine over an OpenAI API in front of servers of every dialect, and of servers that misbehave.

import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { type OpenAiEngineOptions, startOpenAiEngine } from '../../node/adapters/openai-engine.ts'
import { declaredModelKeyOf } from '../../protocol/ids.ts'
import type { Sampling } from '../../protocol/task.ts'
import {
  type Answer,
  type Answers,
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
  serve,
  start,
  streaming,
  usage,
  vllm,
  word,
} from './openai-fixture.ts'

describe('at the start', () => {
  test('serves every model that the server lists, under keys that stand for their names', async () => {
    const engine = await start({
      '/v1/models': (response) => reply(response, { data: [{ id: 'a', max_model_len: 99 }, { id: 'b' }] }),
    })
    expect(engine.models.map(({ key, name, contextTokens }) => [key, name, contextTokens])).toEqual([
      [declaredModelKeyOf('a'), 'a', 99],
      [declaredModelKeyOf('b'), 'b', 4096],
    ])
  })

  test('serves the one that is chosen, under the name that its operator gives it', async () => {
    const answers: Answers = {
      '/v1/models': (response) => reply(response, { data: [{ id: 'a' }, { id: '/models/b.gguf' }] }),
      '/v1/chat/completions': (response, { model }) =>
        streaming(word(String(model)), end())(response, {}, response.req),
    }
    const engine = await start(answers, { models: ['/models/b.gguf'], name: 'b-q8', contextTokens: 777 })
    expect(engine.models).toMatchObject([{ name: 'b-q8', key: declaredModelKeyOf('b-q8'), contextTokens: 777 }])
    expect((await ask(engine)).deltas[0]?.text).toBe('/models/b.gguf')
    await expect(start(answers, { models: ['c'] })).rejects.toThrow('model "c" is not served by')
    await expect(start(answers, { name: 'c' })).rejects.toThrow('name "c" for 2 models')
  })

  test('takes the address with and without /v1, and sends the key', async () => {
    const keys: (string | undefined)[] = []
    const answers: Answers = {
      '/v1/models': (response, _, request) => {
        keys.push(request.headers.authorization)
        reply(response, { data: [{ id: 'tiny' }] })
      },
    }
    const { url } = await serve({ ...answers, [chatPath]: streaming(word('ok'), end()) })
    for (const baseUrl of [url, `${url}/`, `${url}/v1`, `${url}/v1/`]) {
      await (await startOpenAiEngine({ baseUrl, slots: 1, apiKey: 'secret' })).stop()
    }
    expect(keys).toEqual(Array.from({ length: 4 }, () => 'Bearer secret'))
  })

  test.each(['localhost:8000', 'ftp://127.0.0.1', ''])('refuses the address "%s"', async (baseUrl) => {
    const starting = startOpenAiEngine({ baseUrl, slots: 1 })
    await expect(starting).rejects.toThrow(RangeError)
    await expect(starting).rejects.toThrow(`"${baseUrl}" is not the address of a server`)
  })

  test('names the address where nobody listens', async () => {
    const { server, url } = await serve({})
    await new Promise((resolve) => server.close(resolve))
    await expect(startOpenAiEngine({ baseUrl: url, slots: 1 })).rejects.toMatchObject({
      code: 'engine-failed',
      message: expect.stringMatching(`${url}/v1/models failed: .*ECONNREFUSED`),
    })
  })

  test.each<[string, Answer, string, number?]>([
    ['refuses the key', (response) => reply(response, { error: { message: 'bad key' } }, 401), 'answered 401: bad key'],
    ['is no API', (response) => response.end('<html>hello</html>'), 'sent what is no JSON: <html>'],
    ['has no model', (response) => reply(response, { data: [] }), 'lists no model'],
    ['has models without names', (response) => reply(response, { data: [{ name: 'x' }, null, 7] }), 'lists no model'],
    ['sends it elsewhere', (response) => response.writeHead(302, { location: '/v1/other' }).end(), 'redirect'],
    ['never answers', () => undefined, 'gave no whole answer within 50 ms', 50],
    ['answers without end', (response) => response.end(' '.repeat(9_000_000)), 'more than 8388608 bytes'],
  ])('fails with a server that %s', async (_, answer, message, answerMsMax) => {
    await expect(start({ '/v1/models': answer }, { answerMsMax })).rejects.toMatchObject({
      code: 'engine-failed',
      message: expect.stringContaining(message),
    })
  })

  test('is given up when its signal fires', async () => {
    const controller = new AbortController()
    const answer: Answer = () => controller.abort()
    await expect(start({ '/v1/models': answer }, { signal: controller.signal })).rejects.toMatchObject({
      code: 'cancelled',
    })
  })
})

describe('counting a prompt', () => {
  test('is exact with vLLM', async () => {
    const engine = await start(vllm)
    expect(engine.build.dialect).toBe('vllm')
    expect(engine.models[0]?.contextTokens).toBe(2048)
    expect((await prepare(engine)).promptTokens).toBe(33)
    await expect(prepare(engine, { tokensMax: 2048 - 32 })).rejects.toMatchObject({ code: 'context-exceeded' })
  })

  test('is exact with llama-server', async () => {
    const engine = await start(llamaServer)
    expect(engine.build.dialect).toBe('llama-server')
    expect(engine.models[0]?.contextTokens).toBe(1024)
    expect((await prepare(engine)).promptTokens).toBe('<s>hello'.length)
  })

  test('elsewhere is a number below what text of that length takes', async () => {
    const engine = await start(plain)
    expect(engine.build.dialect).toBe('openai')
    expect((await prepare(engine, {}, '')).promptTokens).toBe(1)
    expect((await prepare(engine, {}, 'The quick brown fox jumps over the lazy dog.')).promptTokens).toBe(8)
  })

  test('refuses to go on from token ids, which no such server takes', async () => {
    const engine = await start(plain)
    const { generation } = await prepare(engine)
    await expect(engine.prepare({ ...generation, resumeTokenIds: [1] }, never)).rejects.toMatchObject({
      code: 'unsupported',
    })
  })
})

describe('counting an answer', () => {
  test('is one a chunk, and what the closing usage has more comes at the end', async () => {
    const engine = await completion(streaming(word(''), word('a'), word('b'), end('length'), usage(5)))
    expect(await ask(engine)).toEqual({
      deltas: [
        { text: 'a', tokens: 1, tokenIds: [] },
        { text: 'b', tokens: 1, tokenIds: [] },
        { text: '', tokens: 3, tokenIds: [] },
      ],
      finish: 'length',
    })
  })

  test('follows the server where it tells with each chunk', async () => {
    const engine = await completion(streaming(word('', 0), word('abc', 3), word('', 4), word('d', 5), end(), usage(5)))
    const { deltas } = await ask(engine)
    expect(deltas.map(({ text, tokens }) => [text, tokens])).toEqual([
      ['abc', 3],
      ['', 1],
      ['d', 1],
    ])
  })

  test('is one a chunk where the server tells nothing at all', async () => {
    const { deltas } = await ask(await completion(streaming(word('a'), word('b'), end())))
    expect(deltas.map(({ tokens }) => tokens)).toEqual([1, 1])
  })

  test('has the tokens that a model spends on thinking, which are not shown', async () => {
    const thought = { choices: [{ delta: { reasoning_content: 'hm' }, finish_reason: null }] }
    const { deltas } = await ask(await completion(streaming(thought, thought, word('yes'), end(), usage(3))))
    expect(deltas.map(({ text, tokens }) => [text, tokens])).toEqual([
      ['', 1],
      ['', 1],
      ['yes', 1],
    ])
  })

  test('that was too high fails, and no other answer of that model is charged for', async () => {
    let asked = 0
    const engine = await completion((response, body, request) => {
      asked += 1
      streaming(word('a'), word('b'), word('c'), end(), usage(2))(response, body, request)
    })
    const failure = { code: 'engine-failed', message: expect.stringContaining('sent 3 chunks for 2 tokens') }
    await expect(ask(engine)).rejects.toMatchObject(failure)
    await expect(ask(engine)).rejects.toMatchObject(failure)
    expect(asked).toBe(1)
  })
})

describe('a request', () => {
  async function sent(dialect: Answers, sampling: Sampling): Promise<Body> {
    let seen: Body = {}
    const engine = await completion((response, body, request) => {
      seen = body
      streaming(end())(response, body, request)
    }, dialect)
    await ask(engine, sampling)
    return seen
  }

  test('says every default, because servers have others', async () => {
    expect(await sent(plain, {})).toEqual({
      model: 'tiny',
      messages: [{ role: 'user', content: 'hello' }],
      stream: true,
      stream_options: { include_usage: true },
      temperature: 1,
      top_p: 1,
    })
    expect(await sent(vllm, {})).toMatchObject({
      top_k: -1,
      min_p: 0,
      max_tokens: 2048 - 33,
      stream_options: { include_usage: true, continuous_usage_stats: true },
    })
    expect(await sent(llamaServer, {})).toMatchObject({ top_k: 0, min_p: 0, max_tokens: 1024 - 8 })
  })

  test('passes on what was asked for', async () => {
    const sampling = { temperature: 0, topP: 0.5, seed: 7, stop: ['x'], tokensMax: 9 }
    expect(await sent(plain, sampling)).toMatchObject({
      temperature: 0,
      top_p: 0.5,
      seed: 7,
      stop: ['x'],
      max_tokens: 9,
    })
  })
})

describe('a server that', () => {
  const begin = (response: ServerResponse): ServerResponse => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: ${JSON.stringify(word('a'))}\n\n`)
    return response
  }

  test.each<[string, Answer, string]>([
    ['answers 500', (response) => reply(response, { error: { message: 'out of memory' } }, 500), '500: out of memory'],
    ['forgot the model', (response) => reply(response, { error: { message: 'no tiny' } }, 404), '404: no tiny'],
    ['sends no stream', (response) => reply(response, { choices: [] }), 'content type application/json'],
    ['sends no JSON', (response) => begin(response).end('data: {oops\n\n'), 'what is no JSON: {oops'],
    [
      'fails on the way',
      streaming(word('a'), { error: { message: 'engine died' } }),
      'failed in its stream: {"message',
    ],
    ['breaks off', (response) => setImmediate(() => begin(response).destroy()), '/chat/completions failed'],
    [
      'sends half a JSON and ends',
      (response) => begin(response).end('data: {"choices":[{"del'),
      'without a finish reason',
    ],
    [
      'sends an error page',
      (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
      'text/html',
    ],
    ['just ends', (response) => begin(response).end(), 'ended its stream without a finish reason'],
    [
      'sends a line without end',
      (response) => begin(response).end(`data: ${'x'.repeat(300_000)}`),
      'an event of more than 262144 characters',
    ],
    ['sends a book at once', streaming(word('x'.repeat(20_000)), end()), 'in one chunk'],
  ])('%s ends the generation with engine-failed and its reason', async (_, answer, message) => {
    const engine = await completion(answer)
    await expect(ask(engine)).rejects.toMatchObject({
      code: 'engine-failed',
      message: expect.stringContaining(message),
    })
  })

  test.each<[string, Answer, Partial<OpenAiEngineOptions>, string]>([
    ['falls silent', begin, { silenceMsMax: 300 }, 'was silent for 300 ms'],
    ['never begins', () => undefined, { firstEventMsMax: 300 }, 'was silent for 300 ms'],
  ])('%s ends the generation with engine-failed after a bound', async (_, answer, bounds, message) => {
    const engine = await completion(answer, plain, bounds)
    await expect(ask(engine)).rejects.toMatchObject({
      code: 'engine-failed',
      message: expect.stringContaining(message),
    })
  })

  test.each([429, 503])('answers %i is busy, for as long as it says', async (status) => {
    const engine = await completion((response) => {
      response.writeHead(status, { 'retry-after': '3' }).end('slow down')
    })
    await expect(ask(engine)).rejects.toMatchObject({
      code: 'busy',
      retryAfterMs: 3_000,
      message: expect.stringMatching(`/v1/chat/completions answered ${status}: slow down`),
    })
  })

  test('refuses the request says why, and that its context is exceeded as such', async () => {
    const bad = await completion((response) => reply(response, { error: { message: 'roles must alternate' } }, 400))
    await expect(ask(bad)).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining('answered 400: roles must alternate'),
    })
    const long = { error: { message: 'too long', code: 'context_length_exceeded' } }
    const full = await completion((response) => reply(response, long, 400))
    await expect(ask(full)).rejects.toMatchObject({ code: 'context-exceeded' })
  })

  test('is working sees its connection closed when the caller leaves', async () => {
    const closed = Promise.withResolvers<void>()
    const engine = await completion((response) => {
      begin(response)
      response.on('close', closed.resolve)
    })
    for await (const delta of engine.generate(await prepare(engine), never)) {
      expect(delta.text).toBe('a')
      break
    }
    await closed.promise
  })

  test('has sent more than was read is not listened to after the signal', async () => {
    const controller = new AbortController()
    const all = [word('a'), word('b'), end()].map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')
    const engine = await completion((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`${all}data: [DONE]\n\n`)
    })
    const generation = engine.generate(await prepare(engine), controller.signal)
    expect((await generation.next()).value).toMatchObject({ text: 'a' })
    controller.abort()
    await expect(generation.next()).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('is working sees its connection closed when the engine stops, and the caller is told', async () => {
    const closed = Promise.withResolvers<void>()
    const engine = await completion((response) => {
      begin(response)
      response.on('close', closed.resolve)
    })
    const generation = engine.generate(await prepare(engine), never)
    await generation.next()
    const rest = generation.next()
    await engine.stop()
    await expect(rest).rejects.toMatchObject({ code: 'engine-failed', message: 'the engine was stopped' })
    await closed.promise
  })
})

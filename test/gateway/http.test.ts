import { describe, expect, it } from 'vitest'
import { failureOf, type Stated } from '../../node/cli/gateway-client.ts'
import type { NodeEvent } from '../../node/events.ts'
import { createGateway, keyRing } from '../../node/gateway/http.ts'
import type { InferenceRequest } from '../../node/inference.ts'
import { type ErrorCode, failures, MeshError } from '../../protocol/errors.ts'
import {
  accepted,
  ask,
  chat,
  delta,
  gatewayOf,
  HandClock,
  hanging,
  inferenceOf,
  key,
  provider,
  result,
  saying,
  served,
} from './scripted.ts'

/** The `data:` payloads of a stream, decoded, and `[DONE]` as it stands. */
async function events(response: Response): Promise<unknown[]> {
  return (await response.text())
    .split('\n\n')
    .filter((block) => block.startsWith('data: '))
    .map((block) => (block === 'data: [DONE]' ? '[DONE]' : JSON.parse(block.slice(6))))
}

const refusing = (error: unknown) =>
  gatewayOf(
    // biome-ignore lint/correctness/useYield: it fails before it yields
    async function* () {
      throw error
    },
  )

describe('GET /v1/models', () => {
  it('lists what the mesh serves, prices as decimal strings', async () => {
    const response = await ask(gatewayOf(saying()), '/v1/models')
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({
      object: 'list',
      data: [
        {
          id: 'tiny',
          object: 'model',
          owned_by: 'silkmesh',
          context_length: 4_096,
          providers: 3,
          price_per_million: { prompt_nano: '20000000', completion_nano: '160000000', cached_nano: '2000000' },
        },
        { id: 'org/big' },
      ],
    })
  })

  it.each(['/v1/models/tiny', '/v1/models/org/big', '/v1/models/org%2Fbig', `/v1/models/${'22'.repeat(32)}`])(
    'finds a model at %s',
    async (path) => {
      const response = await ask(gatewayOf(saying()), path)
      expect(response.status).toBe(200)
      expect(await response.json()).toMatchObject({ object: 'model', owned_by: 'silkmesh' })
    },
  )

  it('answers 404 for a model nobody serves', async () => {
    const response = await ask(gatewayOf(saying()), '/v1/models/gpt-9')
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ error: { code: 'unknown-model', param: 'model' } })
  })

  it('gives two models of one name two ids', async () => {
    const twin = { ...served[0], key: '33'.repeat(32) } as (typeof served)[number]
    const gateway = gatewayOf(saying(), { inference: inferenceOf(saying(), [...served, twin]) })
    const body: unknown = await (await ask(gateway, '/v1/models')).json()
    expect(body).toMatchObject({ data: [{ id: 'tiny' }, { id: 'org/big' }, { id: twin.key, name: 'tiny' }] })
  })
})

describe('GET /health and /metrics', () => {
  it('says how it is without a key', async () => {
    const response = await ask(gatewayOf(saying()), '/health', { headers: { authorization: 'none' } })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ status: 'ok', models: 2 })
  })

  it('answers 503 with the reason when it is not well', async () => {
    const gateway = gatewayOf(saying(), { health: () => ({ ok: false, reason: 'no provider found yet' }) })
    const response = await ask(gateway, '/health')
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ status: 'unavailable', reason: 'no provider found yet' })
  })

  it('shows the metrics to a key only', async () => {
    const gateway = gatewayOf(saying())
    const response = await ask(gateway, '/metrics')
    expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4')
    expect(await response.text()).toBe('silkmesh_up 1\n')
    expect((await ask(gateway, '/metrics', { headers: { authorization: 'none' } })).status).toBe(401)
  })
})

describe('POST /v1/chat/completions', () => {
  it('answers a whole completion with its account', async () => {
    const response = await chat(gatewayOf(saying('Hello', ' there')), {})
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      id: `chatcmpl-${'ab'.repeat(16)}`,
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'tiny',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello there', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10, prompt_tokens_details: { cached_tokens: 2 } },
      silkmesh: { provider, cost_nano: '584', failovers: 1, tier: 'open', request_id: 'ab'.repeat(16) },
    })
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-silkmesh-provider': provider,
      'x-silkmesh-cost-nano': '584',
      'x-silkmesh-failovers': '1',
      'x-silkmesh-tier': 'open',
      'x-request-id': 'ab'.repeat(16),
      'cache-control': 'no-store',
    })
  })

  it('passes the request on as it was parsed', async () => {
    const seen: InferenceRequest[] = []
    const gateway = gatewayOf(async function* (request) {
      seen.push(request)
      yield accepted
      return result
    })
    await chat(gateway, { max_cost: '0.5', max_tokens: 5, temperature: 0 })
    expect(seen).toMatchObject([
      { model: 'tiny', costNanoMax: 500_000_000n, sampling: { tokensMax: 5, temperature: 0 } },
    ])
  })

  it('streams the role, the deltas, the finish with its account, and [DONE]', async () => {
    const response = await chat(gatewayOf(saying('Hel', '', 'lo "you"\n')), { stream: true })
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(response.headers.get('x-silkmesh-provider')).toBe(provider)
    expect(response.headers.get('x-request-id')).toBe('ab'.repeat(16))
    const envelope = {
      id: `chatcmpl-${'ab'.repeat(16)}`,
      object: 'chat.completion.chunk',
      created: 1_700_000_000,
      model: 'tiny',
    }
    const choice = (content: object, finish: string | null = null) => [
      { index: 0, delta: content, logprobs: null, finish_reason: finish },
    ]
    expect(await events(response)).toEqual([
      { ...envelope, choices: choice({ role: 'assistant', content: '' }) },
      { ...envelope, choices: choice({ content: 'Hel' }) },
      { ...envelope, choices: choice({ content: 'lo "you"\n' }) },
      {
        ...envelope,
        choices: choice({}, 'stop'),
        silkmesh: { provider, cost_nano: '584', failovers: 1, tier: 'open', request_id: 'ab'.repeat(16) },
      },
      '[DONE]',
    ])
  })

  it('ends a stream with the usage when asked, and a null usage before it', async () => {
    const chunks = await events(
      await chat(gatewayOf(saying('a')), { stream: true, stream_options: { include_usage: true } }),
    )
    expect(chunks.slice(0, -2)).toMatchObject([{ usage: null }, { usage: null }, { usage: null }])
    expect(chunks.slice(-2)).toMatchObject([
      { choices: [], usage: { total_tokens: 10 }, silkmesh: { cost_nano: '584' } },
      '[DONE]',
    ])
  })

  it('keeps a model name that looks like the end of a chunk apart from the text', async () => {
    const gateway = gatewayOf(async function* () {
      yield { ...accepted, modelName: '' } as typeof accepted
      yield delta('x')
      return result
    })
    expect(await events(await chat(gateway, { stream: true }))).toMatchObject([
      {},
      { model: '', choices: [{ delta: { content: 'x' } }] },
      {},
      '[DONE]',
    ])
  })

  it('says length where the answer was cut by max_tokens', async () => {
    const gateway = gatewayOf(async function* () {
      yield accepted
      return { ...result, finish: 'length' as const }
    })
    expect(await (await chat(gateway, {})).json()).toMatchObject({ choices: [{ finish_reason: 'length' }] })
  })

  it('goes on through a failover without a word', async () => {
    const gateway = gatewayOf(async function* () {
      yield accepted
      yield delta('one ')
      yield accepted
      yield delta('two')
      return result
    })
    expect(await (await chat(gateway, {})).json()).toMatchObject({ choices: [{ message: { content: 'one two' } }] })
    expect(await events(await chat(gateway, { stream: true }))).toHaveLength(5)
  })

  it.each(Object.keys(failures) as ErrorCode[])('answers %s before the first event with its status', async (code) => {
    for (const stream of [false, true]) {
      const response = await chat(refusing(new MeshError(code, 'the cause')), { stream })
      expect(response.status).toBe(failures[code].http)
      expect(response.headers.get('content-type')).toBe('application/json')
      expect(response.headers.get('x-should-retry')).toBe(failures[code].remedy === 'never' ? 'false' : null)
      expect(await response.json()).toMatchObject({
        error: { message: 'the cause', code, type: expect.any(String), next_step: failures[code].advice },
      })
    }
  })

  it('says the next step of a failure that has its own, and a command line says it after', async () => {
    const own = new MeshError('no-provider', 'all above 1 GRAM', { next: 'raise it' })
    for (const [error, next] of [
      [own, 'raise it'],
      [new MeshError('no-provider', 'none'), undefined],
    ] as const) {
      const response = await chat(refusing(error), {})
      const { error: told } = (await response.json()) as { error: Stated }
      expect(response.headers.get('x-should-retry')).toBe(next === undefined ? null : 'false')
      expect(told.next_step).toBe(next ?? failures['no-provider'].advice)
      expect(failureOf(told)).toMatchObject({ code: 'no-provider', message: error.message, next })
    }
  })

  it('says when to come back only where the other side said so', async () => {
    const known = await chat(refusing(new MeshError('busy', 'full', { retryAfterMs: 1_200 })), {})
    expect(known.headers.get('retry-after')).toBe('2')
    expect(known.headers.get('retry-after-ms')).toBe('1200')
    const unknown = await chat(refusing(new MeshError('busy', 'full')), {})
    expect(unknown.headers.get('retry-after')).toBeNull()
  })

  it('names the request that was refused in the mesh, for who asks why', async () => {
    // biome-ignore lint/correctness/useYield: it fails before it yields
    const gateway = gatewayOf(async function* ({ begun }) {
      begun?.('ab'.repeat(16))
      throw new MeshError('busy', 'full')
    })
    expect((await chat(gateway, {})).headers.get('x-request-id')).toBe('ab'.repeat(16))
  })

  it('ends a stream that failed midway with one error and no [DONE]', async () => {
    const gateway = gatewayOf(async function* () {
      yield accepted
      yield delta('a')
      throw new MeshError('over-budget', 'the budget of 10 nano is spent')
    })
    const chunks = await events(await chat(gateway, { stream: true }))
    expect(chunks).toHaveLength(3)
    expect(chunks.at(-1)).toMatchObject({ error: { code: 'over-budget', message: 'the budget of 10 nano is spent' } })
  })

  it('tells the node of an unforeseen fault, and the client nothing about it', async () => {
    const seen: NodeEvent[] = []
    const gateway = gatewayOf(
      // biome-ignore lint/correctness/useYield: it fails before it yields
      async function* () {
        throw new Error('ENOENT: /home/user/secret')
      },
      { observe: (event) => seen.push(event) },
    )
    const response = await chat(gateway, {})
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('secret')
    expect(seen).toMatchObject([{ type: 'fault', where: 'gateway', message: expect.stringContaining('secret') }])
  })

  it.each([
    ['no JSON', '{"model":', 'bad-request'],
    ['an empty body', '', 'bad-request'],
    ['bytes that are not UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 'bad-request'],
    ['a list', '[]', 'bad-request'],
  ])('refuses %s', async (_what, body, code) => {
    const response = await ask(gatewayOf(saying()), '/v1/chat/completions', { method: 'POST', body })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { code, type: 'invalid_request_error' } })
  })

  it('names the parameter it refuses', async () => {
    const response = await chat(gatewayOf(saying()), { audio: {} })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { param: 'audio', code: 'unsupported' } })
  })

  it('takes a body at its bound and refuses one byte more, with and without a declared length', async () => {
    const body = JSON.stringify({ model: 'tiny', messages: [{ role: 'user', content: 'x'.repeat(4_000) }] })
    for (const declared of [true, false]) {
      const init = (): RequestInit => ({
        method: 'POST',
        body: declared ? body : new Blob([body]).stream(),
        duplex: 'half',
        ...(declared && { headers: { 'content-length': String(body.length) } }),
      })
      const at = gatewayOf(saying('a'), { bodyBytesMax: body.length })
      expect((await ask(at, '/v1/chat/completions', init())).status).toBe(200)
      const below = gatewayOf(saying('a'), { bodyBytesMax: body.length - 1 })
      const refused = await ask(below, '/v1/chat/completions', init())
      expect(refused.status).toBe(413)
      expect(await refused.json()).toMatchObject({ error: { code: 'too-large' } })
    }
  })

  it('stops reading an endless body at its bound', async () => {
    let pulled = 0
    const body = new ReadableStream({
      pull: (controller) => {
        pulled++
        controller.enqueue(new Uint8Array(1_024).fill(0x20))
      },
    })
    const gateway = gatewayOf(saying(), { bodyBytesMax: 10_240 })
    const response = await ask(gateway, '/v1/chat/completions', { method: 'POST', body, duplex: 'half' })
    expect(response.status).toBe(413)
    expect(pulled).toBeLessThan(20)
  })

  it('refuses the request above its bound and takes it once one has ended', async () => {
    const { script, cleaned } = hanging(accepted)
    const gateway = gatewayOf(script, { requestsMax: 1 })
    const first = await chat(gateway, { stream: true })
    const refused = await chat(gateway, {})
    expect(refused.status).toBe(503)
    expect(await refused.json()).toMatchObject({ error: { code: 'busy' } })
    await first.body?.cancel()
    await cleaned
    expect((await chat(gateway, { stream: true })).status).toBe(200)
  })

  it('gives the place back after a refusal', async () => {
    const gateway = gatewayOf(saying('a'), { requestsMax: 1 })
    for (let at = 0; at < 3; at++) expect((await chat(gateway, { n: 0 })).status).toBe(400)
    expect((await chat(gateway, {})).status).toBe(200)
  })

  it.each([true, false])('stops the inference when its client leaves (stream: %s)', async (stream) => {
    const { script, cleaned } = hanging(accepted, delta('a'))
    const client = new AbortController()
    const gateway = gatewayOf(script)
    const answer = chat(gateway, { stream }, { signal: client.signal })
    const reader = stream ? (await answer).body?.getReader() : undefined
    await reader?.read()
    client.abort()
    expect((await cleaned).aborted).toBe(true)
    if (!stream) expect((await answer).status).toBe(499)
  })

  it('ends a request at its deadline with a timeout', async () => {
    const clock = new HandClock()
    const { script } = hanging(accepted)
    const gateway = gatewayOf(script, { clock, requestMs: 5_000 })
    const answer = chat(gateway, {})
    const stream = await chat(gateway, { stream: true })
    clock.advance(5_000)
    expect((await answer).status).toBe(504)
    expect((await events(stream)).at(-1)).toMatchObject({ error: { code: 'timeout' } })
    expect(clock.sleeping).toBe(0)
  })

  it('ends the inference at the deadline also while its reader takes nothing', async () => {
    const clock = new HandClock()
    const { script, cleaned } = hanging(accepted, delta('a'))
    const response = await chat(gatewayOf(script, { clock, requestMs: 5_000 }), { stream: true })
    clock.advance(5_000)
    expect((await cleaned).reason).toMatchObject({ code: 'timeout' })
    expect((await events(response)).at(-1)).toMatchObject({ error: { code: 'timeout' } })
  })

  it('sends a comment while nothing comes, and none once it does', async () => {
    const clock = new HandClock()
    const { promise, resolve } = Promise.withResolvers<void>()
    const gateway = gatewayOf(
      async function* () {
        yield accepted
        await promise
        yield delta('late')
        return result
      },
      { clock },
    )
    const response = await chat(gateway, { stream: true })
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader?.read())?.value).toContain('"role":"assistant"')
    clock.advance(15_000)
    expect((await reader?.read())?.value).toBe(': keep-alive\n\n')
    clock.advance(15_000)
    expect((await reader?.read())?.value).toBe(': keep-alive\n\n')
    resolve()
    expect((await reader?.read())?.value).toContain('late')
    expect((await reader?.read())?.value).toContain('[DONE]')
    expect((await reader?.read())?.done).toBe(true)
    expect(clock.sleeping).toBe(0)
  })

  it('asks for no more than one delta ahead of its reader', async () => {
    let made = 0
    const gateway = gatewayOf(async function* () {
      yield accepted
      for (;;) {
        made++
        yield delta('x')
      }
    })
    const reader = (await chat(gateway, { stream: true })).body?.getReader()
    for (let read = 1; read <= 50; read++) {
      await reader?.read()
      expect(made).toBeLessThanOrEqual(read + 1)
    }
    await reader?.cancel()
  })
})

describe('the edges of the API', () => {
  it('answers an unknown path in the same shape', async () => {
    const response = await ask(gatewayOf(saying()), '/v1/nothing')
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ error: { code: 'not-found', message: 'no endpoint /v1/nothing' } })
  })

  it('says what a path without its /v1 should have been', async () => {
    const response = await ask(gatewayOf(saying()), '/chat/completions')
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ error: { next_step: 'use /v1/chat/completions' } })
  })

  it.each([
    ['DELETE', '/v1/models', 'GET, HEAD'],
    ['POST', '/v1/models/tiny', 'GET, HEAD'],
    ['GET', '/v1/chat/completions', 'POST'],
    ['PUT', '/health', 'GET, HEAD'],
  ])('answers %s %s with what it may be', async (method, path, allow) => {
    const response = await ask(gatewayOf(saying()), path, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe(allow)
    expect(await response.json()).toMatchObject({ error: { code: 'bad-request' } })
  })

  it('refuses what comes while it stops, and says so to health', async () => {
    const gateway = gatewayOf(saying('a'))
    await gateway.drain(0)
    const response = await chat(gateway, {})
    expect(response.status).toBe(503)
    expect(response.headers.get('connection')).toBe('close')
    expect(await response.json()).toMatchObject({ error: { code: 'draining' } })
    expect((await ask(gateway, '/health')).status).toBe(503)
  })

  it('lets a stream finish within the grace', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const clock = new HandClock()
    const gateway = gatewayOf(
      async function* () {
        yield accepted
        await promise
        yield delta('done')
        return result
      },
      { clock },
    )
    const response = await chat(gateway, { stream: true })
    const drained = gateway.drain(10_000)
    clock.advance(9_999)
    resolve()
    expect((await events(response)).at(-1)).toBe('[DONE]')
    await drained
    expect(clock.sleeping).toBe(0)
  })

  it('aborts a stream after the grace, with an error', async () => {
    const clock = new HandClock()
    const gateway = gatewayOf(hanging(accepted).script, { clock })
    const response = await chat(gateway, { stream: true })
    const drained = gateway.drain(10_000)
    clock.advance(10_000)
    expect((await events(response)).at(-1)).toMatchObject({ error: { code: 'draining' } })
    await drained
  })

  it('does not wait for an inference that ignores its signal', async () => {
    const clock = new HandClock()
    const gateway = gatewayOf(
      async function* () {
        yield accepted
        await new Promise(() => undefined)
        return result
      },
      { clock },
    )
    await chat(gateway, { stream: true })
    const drained = gateway.drain(10_000)
    clock.advance(10_000)
    await Promise.resolve()
    clock.advance(2_000)
    await drained
  })
})

describe('keyRing', () => {
  it('knows its keys and no other', () => {
    const ring = keyRing([key, 'another'])
    expect(ring.size).toBe(2)
    expect([key, 'another'].every((each) => ring.find(each) === 'owner')).toBe(true)
    for (const wrong of ['', key.slice(1), `${key} `, key.toUpperCase()]) expect(ring.find(wrong)).toBe(undefined)
  })

  it('holds no empty key', () => {
    expect(keyRing(['']).size).toBe(0)
    expect(keyRing(['']).find('')).toBe(undefined)
  })
})

it('listens to nobody without a key', async () => {
  const gateway = createGateway({
    inference: inferenceOf(saying('a')),
    clock: new HandClock(),
    apiKeys: keyRing([]),
    metrics: async () => '',
    health: () => ({ ok: true }),
  })
  expect((await ask(gateway, '/v1/models')).status).toBe(401)
})

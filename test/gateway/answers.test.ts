// What each endpoint answers, whole and streamed, over an inference that follows a script.

import { describe, expect, it } from 'vitest'
import type { InferenceResult } from '../../node/inference.ts'
import { MeshError } from '../../protocol/errors.ts'
import {
  accepted,
  ask,
  calling,
  chat,
  dataOf,
  delta,
  embedding,
  gatewayOf,
  giving,
  hanging,
  post,
  provider,
  queued,
  result,
  type Script,
  said,
  saying,
  scripts,
} from './scripted.ts'

const requestId = 'ab'.repeat(16)
const bytesOf = (text: string) => new TextEncoder().encode(text)
const choicesOf = (chunks: readonly unknown[]) =>
  chunks.flatMap((chunk) => (chunk as { choices?: readonly unknown[] }).choices ?? [])

/** Of one choice among several. */
const choice = (at: number, text: string, more: Partial<InferenceResult> = {}): Script =>
  async function* () {
    yield { ...accepted, requestId: `${at}`.repeat(32) } as typeof accepted
    yield delta(text)
    return { ...result, requestId: `${at}`.repeat(32), ...more }
  }

const logprobs = [
  {
    bytes: bytesOf('Hi'),
    logprob: -0.5,
    top: [
      { bytes: bytesOf('Hi'), logprob: -0.5 },
      { bytes: Uint8Array.of(0xc3), logprob: Number.NEGATIVE_INFINITY },
    ],
  },
]
const shownLogprob = {
  token: 'Hi',
  logprob: -0.5,
  bytes: [72, 105],
  top_logprobs: [
    { token: 'Hi', logprob: -0.5, bytes: [72, 105] },
    { token: '\ufffd', logprob: -9_999, bytes: [0xc3] },
  ],
}

describe('a chat', () => {
  const both = [...calling(0, 'Bern'), ...calling(1, 'Rome')]
  const calls = [
    { id: 'call_0', type: 'function', function: { name: 'weather', arguments: '{"at":"Bern"}' } },
    { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"at":"Rome"}' } },
  ]

  it('answers with the tools it wants called', async () => {
    const body = await (await chat(gatewayOf(giving(...both)), {})).json()
    expect(body).toMatchObject({
      choices: [{ message: { content: null, tool_calls: calls }, finish_reason: 'tool_calls' }],
    })
  })

  it('keeps what was said before a call', async () => {
    const body = await (await chat(gatewayOf(giving(delta('let me see'), ...calling(0, 'Bern'))), {})).json()
    expect(body).toMatchObject({ choices: [{ message: { content: 'let me see', tool_calls: [calls[0]] } }] })
  })

  it('streams a call as its id and name, then its arguments in pieces', async () => {
    const chunks = choicesOf(await dataOf(await chat(gatewayOf(giving(...both)), { stream: true })))
    const parts = chunks.map((each) => (each as { delta: { tool_calls?: unknown } }).delta.tool_calls).filter(Boolean)
    expect(parts.slice(0, 4)).toEqual([
      [{ index: 0, id: 'call_0', type: 'function', function: { name: 'weather', arguments: '' } }],
      [{ index: 0, function: { arguments: '{"at":' } }],
      [{ index: 0, function: { arguments: '"Bern"}' } }],
      [{ index: 1, id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } }],
    ])
    expect(chunks.at(-1)).toMatchObject({ delta: {}, finish_reason: 'tool_calls' })
  })

  it('says length where a call was cut', async () => {
    const cut: Script = async function* () {
      yield accepted
      yield* calling(0, 'Bern')
      return { ...result, finish: 'length' }
    }
    expect(await (await chat(gatewayOf(cut), {})).json()).toMatchObject({ choices: [{ finish_reason: 'length' }] })
    const chunks = choicesOf(await dataOf(await chat(gatewayOf(cut), { stream: true })))
    expect(chunks.at(-1)).toMatchObject({ finish_reason: 'length' })
  })

  it('numbers a call that its provider did not', async () => {
    const script = giving(said({ toolCalls: [{ index: 0, name: 'weather', arguments: '{}' }] }))
    const id = `call_${requestId.slice(0, 16)}_0`
    expect(await (await chat(gatewayOf(script), {})).json()).toMatchObject({
      choices: [{ message: { tool_calls: [{ id }] } }],
    })
    const streamed = await dataOf(await chat(gatewayOf(script), { stream: true }))
    expect(streamed[1]).toMatchObject({ choices: [{ delta: { tool_calls: [{ id }] } }] })
  })

  it('tells what the model thought apart from what it said', async () => {
    const script = giving(said({ reasoning: 'hm', tokens: 2 }), said({ reasoning: '…', tokens: 1 }), delta('yes'))
    expect(await (await chat(gatewayOf(script), {})).json()).toMatchObject({
      choices: [{ message: { content: 'yes', reasoning_content: 'hm…' } }],
      usage: { completion_tokens_details: { reasoning_tokens: 3 } },
    })
    const streamed = await dataOf(
      await chat(gatewayOf(script), { stream: true, stream_options: { include_usage: true } }),
    )
    expect(choicesOf(streamed).slice(1, 4)).toMatchObject([
      { delta: { reasoning_content: 'hm' } },
      { delta: { reasoning_content: '…' } },
      { delta: { content: 'yes' } },
    ])
    expect(streamed.at(-2)).toMatchObject({ usage: { completion_tokens_details: { reasoning_tokens: 3 } } })
  })

  it('tells log probabilities, also of half a character and of the impossible', async () => {
    const half = [{ bytes: Uint8Array.of(0xc3), logprob: -1, top: [] }]
    const script = giving(said({ text: 'Hi', logprobs }), said({ logprobs: half }))
    const shown = [shownLogprob, { token: '\ufffd', logprob: -1, bytes: [0xc3], top_logprobs: [] }]
    expect(await (await chat(gatewayOf(script), { logprobs: true })).json()).toMatchObject({
      choices: [{ message: { content: 'Hi' }, logprobs: { content: shown, refusal: null } }],
    })
    const streamed = choicesOf(await dataOf(await chat(gatewayOf(script), { logprobs: true, stream: true })))
    expect(streamed.slice(1, 3)).toMatchObject([
      { delta: { content: 'Hi' }, logprobs: { content: [shown[0]] } },
      { delta: { content: '' }, logprobs: { content: [shown[1]] } },
    ])
  })

  it('answers several choices side by side, their usage and cost summed', async () => {
    const { script, seen } = scripts(choice(0, 'one'), choice(1, 'two', { finish: 'length' }))
    const response = await chat(gatewayOf(script), { n: 2, max_cost: '0.0000001' })
    expect(await response.json()).toMatchObject({
      id: `chatcmpl-${'0'.repeat(32)}`,
      choices: [
        { index: 0, message: { content: 'one' }, finish_reason: 'stop' },
        { index: 1, message: { content: 'two' }, finish_reason: 'length' },
      ],
      usage: { prompt_tokens: 14, completion_tokens: 6, total_tokens: 20, prompt_tokens_details: { cached_tokens: 4 } },
      silkmesh: { cost_nano: '1168', failovers: 2, request_ids: ['0'.repeat(32), '1'.repeat(32)] },
    })
    expect(response.headers.get('x-silkmesh-cost-nano')).toBe('1168')
    expect(seen.map(({ costNanoMax }) => costNanoMax)).toEqual([50n, 50n])
  })

  it('streams several choices as they come, each with its role and finish, the account at the end', async () => {
    const first = Promise.withResolvers<void>()
    const slow: Script = async function* () {
      yield accepted
      await first.promise
      yield delta('slow')
      return result
    }
    const quick: Script = async function* () {
      yield accepted
      yield delta('quick')
      first.resolve()
      return result
    }
    const { script } = scripts(slow, quick)
    const chunks = await dataOf(
      await chat(gatewayOf(script), { n: 2, stream: true, stream_options: { include_usage: true } }),
    )
    const told = choicesOf(chunks).map((each) => {
      const { delta: part, finish_reason: finish, index } = each as Record<string, unknown>
      return [index, finish ?? part]
    })
    expect(told.filter(([index]) => index === 0)).toEqual([
      [0, { role: 'assistant', content: '' }],
      [0, { content: 'slow' }],
      [0, 'stop'],
    ])
    expect(told.filter(([index]) => index === 1)).toEqual([
      [1, { role: 'assistant', content: '' }],
      [1, { content: 'quick' }],
      [1, 'stop'],
    ])
    const at = (text: string) => told.findIndex(([, part]) => (part as { content?: string }).content === text)
    expect(at('quick')).toBeLessThan(at('slow'))
    expect(chunks.slice(-2)).toMatchObject([
      { choices: [], usage: { completion_tokens: 6 }, silkmesh: { cost_nano: '1168' } },
      '[DONE]',
    ])
  })

  it.each([false, true])('ends all choices when one fails (stream: %s)', async (stream) => {
    const { cleaned, script: hung } = hanging(accepted)
    const failing: Script = async function* () {
      yield accepted
      throw new MeshError('engine-failed', 'out of memory')
    }
    const { script } = scripts(hung, failing)
    const response = await chat(gatewayOf(script), { n: 2, stream })
    const body = stream ? (await dataOf(response)).at(-1) : await response.json()
    expect(body).toMatchObject({ error: { code: 'engine-failed' } })
    expect((await cleaned).aborted).toBe(true)
  })

  it('leaves all choices when its client leaves', async () => {
    const one = hanging(accepted)
    const two = hanging(accepted)
    const { script } = scripts(one.script, two.script)
    const response = await chat(gatewayOf(script), { n: 2, stream: true })
    await response.body?.cancel()
    expect((await Promise.all([one.cleaned, two.cleaned])).map(({ aborted }) => aborted)).toEqual([true, true])
  })

  it('asks no choice for more than one delta ahead of its reader', async () => {
    let made = 0
    const endless: Script = async function* () {
      yield accepted
      for (;;) {
        made++
        yield delta('x')
      }
    }
    const reader = (await chat(gatewayOf(scripts(endless, endless).script), { n: 2, stream: true })).body?.getReader()
    for (let read = 1; read <= 50; read++) {
      await reader?.read()
      expect(made).toBeLessThanOrEqual(read + 2)
    }
    await reader?.cancel()
  })

  it('tells a reader that waits where it stands', async () => {
    const waiting: Script = async function* ({ begun }) {
      begun?.('ab'.repeat(16))
      yield queued(3, 1_200.4)
      yield queued(1)
      yield accepted
      yield delta('at last')
      return result
    }
    const response = await chat(gatewayOf(waiting), { stream: true })
    expect(response.headers.get('x-silkmesh-provider')).toBeNull() // another may take it over
    expect(response.headers.get('x-request-id')).toBe('ab'.repeat(16))
    const text = await response.text()
    expect(text.startsWith(': queued position=3 eta_ms=1200\n\n: queued position=1\n\ndata: ')).toBe(true)
    expect(text).toContain('at last')
    expect(await (await chat(gatewayOf(waiting), {})).json()).toMatchObject({
      choices: [{ message: { content: 'at last' } }],
    })
  })

  it('ends an answer that nobody could hold', async () => {
    const script = giving(...Array.from({ length: 5 }, () => delta('x'.repeat(1_000_000))))
    const response = await chat(gatewayOf(script), {})
    expect(response.status).toBe(502)
    expect(await response.json()).toMatchObject({ error: { code: 'protocol-violation' } })
    expect((await dataOf(await chat(gatewayOf(script), { stream: true }))).at(-1)).toBe('[DONE]')
  })

  it('names the parameter that no provider can do', async () => {
    const script: Script = () => {
      throw new MeshError('unsupported', 'no provider of tiny can do response_format', { param: 'response_format' })
    }
    const response = await chat(gatewayOf(script), { response_format: { type: 'json_object' } })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { param: 'response_format', code: 'unsupported' } })
  })
})

describe('a text completion', () => {
  const complete = (script: Script, more: object = {}) =>
    post(gatewayOf(script), '/v1/completions', { prompt: 'Once', ...more })

  it('is whole, with its account', async () => {
    const response = await complete(saying(' upon', ' a time'))
    expect(await response.json()).toEqual({
      id: `cmpl-${requestId}`,
      object: 'text_completion',
      created: 1_700_000_000,
      model: 'tiny',
      choices: [{ text: ' upon a time', index: 0, logprobs: null, finish_reason: 'stop' }],
      usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10, prompt_tokens_details: { cached_tokens: 2 } },
      silkmesh: { provider, cost_nano: '584', failovers: 1, tier: 'open', request_id: requestId },
    })
    expect(response.headers.get('x-silkmesh-request-id')).toBe(requestId)
  })

  it('says where the budget cut it', async () => {
    const response = await complete(choice(0, ' upon', { finish: 'length', isCutByBudget: true }))
    expect(await response.json()).toMatchObject({
      choices: [{ finish_reason: 'length' }],
      silkmesh: { cut_by: 'budget' },
    })
  })

  it('streams', async () => {
    const chunks = await dataOf(
      await complete(saying(' upon', '', ' a'), { stream: true, stream_options: { include_usage: true } }),
    )
    expect(choicesOf(chunks)).toEqual([
      { text: ' upon', index: 0, logprobs: null, finish_reason: null },
      { text: ' a', index: 0, logprobs: null, finish_reason: null },
      { text: '', index: 0, logprobs: null, finish_reason: 'stop' },
    ])
    expect(chunks.slice(-2)).toMatchObject([{ usage: { total_tokens: 10 }, silkmesh: { cost_nano: '584' } }, '[DONE]'])
    expect((await dataOf(await complete(saying('a'), { stream: true }))).slice(-2)).toMatchObject([
      { choices: [{ finish_reason: 'stop' }], silkmesh: { cost_nano: '584' } },
      '[DONE]',
    ])
  })

  it('tells log probabilities in columns, offsets in characters', async () => {
    const token = (bytes: Uint8Array) => ({ bytes, logprob: -1, top: [] })
    const script = giving(
      said({ text: 'Hi', logprobs }),
      said({ logprobs: [token(Uint8Array.of(0xc3))] }),
      said({ text: 'é!', logprobs: [token(Uint8Array.of(0xa9)), token(bytesOf('!'))], tokens: 2 }),
    )
    const columns = {
      tokens: ['Hi', '\ufffd', '\ufffd', '!'],
      token_logprobs: [-0.5, -1, -1, -1],
      top_logprobs: [{ Hi: -0.5, '\ufffd': -9_999 }, {}, {}, {}],
      text_offset: [0, 2, 2, 3],
    }
    expect(await (await complete(script, { logprobs: 2 })).json()).toMatchObject({ choices: [{ logprobs: columns }] })
    const streamed = choicesOf(await dataOf(await complete(script, { logprobs: 2, stream: true })))
    const offsets = streamed.flatMap(
      (each) => (each as { logprobs: { text_offset: number[] } | null }).logprobs?.text_offset ?? [],
    )
    expect(offsets).toEqual(columns.text_offset)
  })

  it('goes on with several prompts at once', async () => {
    const { script, seen } = scripts(choice(0, 'x'), choice(1, 'y'))
    const body = await (await complete(script, { prompt: ['a', 'b'] })).json()
    expect(body).toMatchObject({
      choices: [
        { index: 0, text: 'x' },
        { index: 1, text: 'y' },
      ],
    })
    expect(seen.map(({ text }) => text)).toEqual(['a', 'b'])
    const streamed = scripts(choice(0, 'x'), choice(1, 'y')).script
    const chunks = choicesOf(await dataOf(await complete(streamed, { prompt: ['a', 'b'], stream: true })))
    expect(chunks).toContainEqual({ text: 'y', index: 1, logprobs: null, finish_reason: null })
    expect(chunks.filter((each) => (each as { finish_reason: unknown }).finish_reason === 'stop')).toHaveLength(2)
  })

  it('calls the prompt by its name', async () => {
    const script: Script = () => {
      throw new MeshError('context-exceeded', '9000 tokens, at most 4096')
    }
    expect(await (await complete(script)).json()).toMatchObject({ error: { param: 'prompt' } })
  })
})

describe('embeddings', () => {
  const embed = (more: object, script: Script = embedding) =>
    post(gatewayOf(script), '/v1/embeddings', { input: 'four', ...more })

  it('come as numbers, in order', async () => {
    const response = await embed({ input: ['a', 'bb'] })
    expect(await response.json()).toEqual({
      object: 'list',
      data: [
        { object: 'embedding', index: 0, embedding: [1, 0, 0.5] },
        { object: 'embedding', index: 1, embedding: [2, 1, 0.5] },
      ],
      model: 'tiny',
      usage: { prompt_tokens: 6, total_tokens: 6 },
      silkmesh: { provider, cost_nano: '584', failovers: 1, tier: 'open', request_id: requestId },
    })
    expect(response.headers.get('x-silkmesh-cost-nano')).toBe('584')
  })

  it('come as little-endian floats in base64', async () => {
    const bytes = Buffer.from(new Float32Array([4, 0, 0.5]).buffer).toString('base64')
    expect(await (await embed({ encoding_format: 'base64' })).json()).toMatchObject({ data: [{ embedding: bytes }] })
  })

  it('come in one list, also of several batches', async () => {
    const input = Array.from({ length: 300 }, (_, at) => 'x'.repeat(1 + (at % 7)))
    const { data } = (await (await embed({ input })).json()) as { data: { index: number; embedding: number[] }[] }
    expect(data.map(({ index }) => index)).toEqual(input.map((_, at) => at))
    expect(data.map(({ embedding: [length] }) => length)).toEqual(input.map((text) => text.length))
  })

  it('have the dimensions asked for, or are refused before the next is paid for', async () => {
    expect((await embed({ dimensions: 3 })).status).toBe(200)
    let made = 0
    const counting: Script = async function* () {
      yield accepted
      for (const index of [0, 1, 2]) {
        made++
        yield { type: 'embedding', index, vector: Float32Array.of(1, 2) }
      }
      return result
    }
    const refused = await embed({ input: ['a', 'b', 'c'], dimensions: 256 }, counting)
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({ error: { param: 'dimensions', code: 'unsupported' } })
    expect(made).toBe(1)
  })

  it('are an error where one is missing', async () => {
    const response = await embed(
      { input: ['a', 'b'] },
      giving({ type: 'embedding', index: 0, vector: Float32Array.of(1) }),
    )
    expect(response.status).toBe(502)
  })

  it('calls the input by its name', async () => {
    const script: Script = () => {
      throw new MeshError('context-exceeded', '9000 tokens, at most 512')
    }
    expect(await (await embed({}, script)).json()).toMatchObject({ error: { param: 'input' } })
  })
})

describe('a response', () => {
  const respond = (script: Script, more: object = {}) =>
    post(gatewayOf(script), '/v1/responses', { input: 'hi', ...more })
  const everything = giving(said({ reasoning: 'hm', tokens: 2 }), delta('Hel'), delta('lo'), ...calling(0, 'Bern'))

  it('is whole: what was thought, said and called', async () => {
    const body = await (await respond(everything, { metadata: { a: 'b' }, instructions: 'be kind' })).json()
    expect(body).toMatchObject({
      id: `resp_${requestId}`,
      object: 'response',
      created_at: 1_700_000_000,
      status: 'completed',
      error: null,
      incomplete_details: null,
      model: 'tiny',
      metadata: { a: 'b' },
      instructions: 'be kind',
      store: false,
      previous_response_id: null,
      output: [
        { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'hm' }] },
        {
          type: 'message',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'Hello', annotations: [], logprobs: [] }],
        },
        { type: 'function_call', call_id: 'call_0', name: 'weather', arguments: '{"at":"Bern"}', status: 'completed' },
      ],
      usage: {
        input_tokens: 7,
        input_tokens_details: { cached_tokens: 2 },
        output_tokens: 3,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 10,
      },
      silkmesh: { cost_nano: '584' },
    })
  })

  it('is incomplete where it was cut', async () => {
    const cut: Script = async function* () {
      yield accepted
      yield delta('Hel')
      return { ...result, finish: 'length' }
    }
    const incomplete = { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } }
    expect(await (await respond(cut)).json()).toMatchObject(incomplete)
    expect((await dataOf(await respond(cut, { stream: true }))).at(-1)).toMatchObject({
      type: 'response.incomplete',
      response: { ...incomplete, output: [{ status: 'incomplete' }] },
    })
  })

  it('streams events, numbered, each item begun, told and done', async () => {
    const text = await (await respond(everything, { stream: true })).text()
    const events = (await dataOf(new Response(text))) as { type: string; sequence_number: number }[]
    expect([...text.matchAll(/^event: (.*)$/gm)].map(([, name]) => name)).toEqual(events.map(({ type }) => type))
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, at) => at))
    expect(events.map(({ type }) => type.replace('response.', ''))).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'reasoning_text.delta',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_item.added',
      'function_call_arguments.delta',
      'function_call_arguments.delta',
      'reasoning_text.done',
      'content_part.done',
      'output_item.done',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'function_call_arguments.done',
      'output_item.done',
      'completed',
    ])
    expect(events.at(-1)).toMatchObject({
      response: { status: 'completed', usage: { total_tokens: 10 }, silkmesh: { cost_nano: '584' } },
    })
  })

  it('streams what it would have answered whole', async () => {
    const scripted: readonly Script[] = [
      everything,
      saying('Hello'),
      saying(),
      giving(...calling(0, 'Bern'), ...calling(1, 'Rome')),
      giving(said({ text: 'Hi', logprobs })),
    ]
    for (const script of scripted) {
      const whole = await (await respond(script)).json()
      const last = (await dataOf(await respond(script, { stream: true }))).at(-1)
      expect(last).toMatchObject({ type: 'response.completed', response: whole })
    }
  })

  it('ends a stream that failed midway with an error event', async () => {
    const script: Script = async function* () {
      yield accepted
      yield delta('a')
      throw new MeshError('over-budget', 'the budget is spent')
    }
    expect((await dataOf(await respond(script, { stream: true }))).at(-1)).toMatchObject({
      type: 'error',
      code: 'over-budget',
      message: 'the budget is spent',
      error: { code: 'over-budget', type: 'insufficient_quota' },
    })
  })

  it('is bounded, for its last event repeats it', async () => {
    const script = giving(...Array.from({ length: 5 }, () => delta('x'.repeat(1_000_000))))
    expect((await dataOf(await respond(script, { stream: true }))).at(-1)).toMatchObject({
      type: 'error',
      code: 'protocol-violation',
    })
  })

  it('calls parameters by its own names', async () => {
    const failing = (param: string): Script => {
      return () => {
        throw new MeshError('unsupported', `no provider can do ${param}`, { param })
      }
    }
    const paramOf = async (param: string) =>
      ((await (await respond(failing(param))).json()) as { error: { param: string } }).error.param
    expect(await paramOf('response_format')).toBe('text.format')
    expect(await paramOf('messages')).toBe('input')
    expect(await paramOf('tools')).toBe('tools')
  })
})

describe('a model', () => {
  it('tells its price range, its context, its providers and what it can do', async () => {
    expect(await (await ask(gatewayOf(saying()), '/v1/models/tiny')).json()).toMatchObject({
      context_length: 4_096,
      providers: 3,
      features: ['chat', 'tools'],
      price_per_million: { completion_nano: '160000000' },
      price_per_million_max: { completion_nano: '320000000' },
    })
  })
})

// The official client, as anybody installs it, against the gateway on a real port.

import OpenAI from 'openai'
import type { ResponseInputItem, ResponseStreamEvent } from 'openai/resources/responses/responses'
import { describe, expect, it } from 'vitest'
import { MeshError } from '../../protocol/errors.ts'
import {
  accepted,
  calling,
  delta,
  embedding,
  giving,
  hanging,
  key,
  provider,
  queued,
  result,
  type Script,
  said,
  saying,
} from './scripted.ts'
import { serving } from './serving.ts'

const gateway = serving()
const clientOf = (more: object = {}) => new OpenAI({ baseURL: gateway.baseUrl, apiKey: key, maxRetries: 0, ...more })

const question = { model: 'tiny', messages: [{ role: 'user' as const, content: 'hi' }] }
const weather = {
  type: 'function' as const,
  function: {
    name: 'weather',
    parameters: {
      type: 'object',
      properties: { at: { type: 'string' } },
      required: ['at'],
      additionalProperties: false,
    },
    strict: true,
  },
}
const schema = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}
const failing = (error: MeshError): Script =>
  // biome-ignore lint/correctness/useYield: it fails before it yields
  async function* () {
    throw error
  }

/** What the client threw, as its own kind of error. */
async function thrown(work: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof OpenAI.APIError) return error
  throw new Error(`expected an APIError, got ${String(error)}`)
}

describe('the openai package chats', () => {
  it('and gets a whole completion and its headers', async () => {
    gateway.follow(saying('Hello', ' there'))
    const { data, response, request_id } = await clientOf().chat.completions.create(question).withResponse()
    expect(data.choices[0]?.message).toEqual({ role: 'assistant', content: 'Hello there', refusal: null })
    expect(data.usage?.total_tokens).toBe(10)
    expect(response.headers.get('x-silkmesh-provider')).toBe(provider)
    expect(request_id).toBe('ab'.repeat(16))
  })

  it('and sends an answer back as history unchanged', async () => {
    gateway.follow(saying('Hello'))
    const first = await clientOf().chat.completions.create(question)
    const answer = first.choices[0]?.message
    if (!answer) throw new Error('no answer')
    const messages = [...question.messages, answer, { role: 'user' as const, content: 'and?' }]
    await clientOf().chat.completions.create({ model: 'tiny', messages })
    expect(gateway.seen[1]?.messages).toHaveLength(3)
    expect(gateway.seen[1]?.affinity).toBe(gateway.seen[0]?.affinity)
  })

  it('and streams', async () => {
    gateway.follow(giving(queued(2, 900), delta('Hello'), delta(' there')))
    const stream = await clientOf().chat.completions.create({
      ...question,
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    const finishes: unknown[] = []
    let usage: unknown
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      if (chunk.choices[0]?.finish_reason) finishes.push(chunk.choices[0].finish_reason)
      if (chunk.usage) usage = chunk.usage
    }
    expect(text).toBe('Hello there')
    expect(finishes).toEqual(['stop'])
    expect(usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 2 } })
  })

  it('and streams with its helper, which puts the chunks together itself', async () => {
    gateway.follow(saying('Hello', ' there'))
    const stream = clientOf().chat.completions.stream({ ...question, stream_options: { include_usage: true } })
    expect(await stream.finalContent()).toBe('Hello there')
    expect((await stream.totalUsage()).total_tokens).toBe(10)
  })

  it('and puts several streamed choices together', async () => {
    gateway.follow(saying('one'), saying('two'))
    const stream = clientOf().chat.completions.stream({ ...question, n: 2, seed: 1 })
    const { choices } = await stream.finalChatCompletion()
    expect(choices.map(({ index, message }) => [index, message.content])).toEqual([
      [0, 'one'],
      [1, 'two'],
    ])
    expect(gateway.seen.map(({ sampling }) => sampling.seed)).toEqual([1, 2])
  })

  it('and calls tools, streamed in pieces, and hands their results back', async () => {
    gateway.follow(giving(...calling(0, 'Bern'), ...calling(1, 'Rome')), saying('It rains.'))
    const asked: string[] = []
    const runner = clientOf().chat.completions.runTools({
      ...question,
      stream: true,
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'of a place',
            parameters: weather.function.parameters,
            parse: (text: string) => JSON.parse(text) as { at: string },
            function: ({ at }: { at: string }) => {
              asked.push(at)
              return `rain at ${at}`
            },
          },
        },
      ],
    })
    expect(await runner.finalContent()).toBe('It rains.')
    expect(asked).toEqual(['Bern', 'Rome'])
    expect(gateway.seen[0]?.tools?.list[0]).toMatchObject({ name: 'weather', description: 'of a place' })
    expect(gateway.seen[1]?.messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: '',
        toolCalls: [
          { id: 'call_0', name: 'weather', arguments: '{"at":"Bern"}' },
          { id: 'call_1', name: 'weather', arguments: '{"at":"Rome"}' },
        ],
      },
      { role: 'tool', content: 'rain at Bern', toolCallId: 'call_0' },
      { role: 'tool', content: 'rain at Rome', toolCallId: 'call_1' },
    ])
  })

  it('and parses an answer that follows a schema', async () => {
    gateway.follow(saying('{"city":', '"Bern"}'))
    const completion = await clientOf().chat.completions.parse({
      ...question,
      response_format: { type: 'json_schema', json_schema: { name: 'place', strict: true, schema } },
    })
    expect(completion.choices[0]?.message.content).toBe('{"city":"Bern"}')
    expect(gateway.seen[0]?.sampling.format).toEqual({ type: 'json', schema: JSON.stringify(schema) })
  })

  it('and is told log probabilities', async () => {
    const token = { bytes: new TextEncoder().encode('Hi'), logprob: -0.5 }
    gateway.follow(giving(said({ text: 'Hi', logprobs: [{ ...token, top: [token] }] })))
    const { choices } = await clientOf().chat.completions.create({ ...question, logprobs: true, top_logprobs: 1 })
    expect(choices[0]?.logprobs?.content?.[0]).toMatchObject({ token: 'Hi', top_logprobs: [{ logprob: -0.5 }] })
  })

  it('and stops the inference when the stream is left', async () => {
    const hung = hanging(accepted, delta('a'), delta('b'))
    gateway.follow(hung.script)
    const stream = await clientOf().chat.completions.create({ ...question, stream: true })
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content === 'b') break
    expect((await hung.cleaned).aborted).toBe(true)
  })
})

describe('the openai package', () => {
  it('completes texts, whole and streamed', async () => {
    gateway.follow(saying(' upon', ' a time'))
    const asked = { model: 'tiny', prompt: 'Once', max_tokens: 5 }
    const whole = await clientOf().completions.create(asked)
    expect(whole.choices).toEqual([{ text: ' upon a time', index: 0, logprobs: null, finish_reason: 'stop' }])
    let text = ''
    for await (const chunk of await clientOf().completions.create({ ...asked, stream: true })) {
      text += chunk.choices[0]?.text ?? ''
    }
    expect(text).toBe(' upon a time')
    expect(gateway.seen[0]).toMatchObject({ text: 'Once', sampling: { tokensMax: 5 } })
  })

  it('embeds texts, in the base64 it asks for unasked', async () => {
    gateway.follow(embedding)
    const { data, usage } = await clientOf().embeddings.create({ model: 'tiny', input: ['a', 'bb'] })
    expect(data.map(({ embedding: vector }) => [...vector])).toEqual([
      [1, 0, 0.5],
      [2, 1, 0.5],
    ])
    expect(usage).toEqual({ prompt_tokens: 6, total_tokens: 6 })
  })

  it('lists the models and finds one', async () => {
    const ids: string[] = []
    for await (const model of clientOf().models.list()) ids.push(model.id)
    expect(ids).toEqual(['tiny', 'org/big'])
    expect(await clientOf().models.retrieve('org/big')).toMatchObject({ id: 'org/big', owned_by: 'silkmesh' })
  })

  it('throws AuthenticationError for a wrong key', async () => {
    const error = await thrown(Promise.resolve(clientOf({ apiKey: 'sk-wrong' }).models.list()))
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(error).toMatchObject({ status: 401, code: 'unauthorized', type: 'authentication_error' })
  })

  it('throws BadRequestError naming the parameter', async () => {
    const error = await thrown(clientOf().chat.completions.create({ ...question, reasoning_effort: 'high' }))
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ param: 'reasoning_effort', code: 'unsupported' })
  })

  it.each([
    ['unknown-model', 404, OpenAI.NotFoundError],
    ['escrow-unusable', 402, OpenAI.APIError],
    ['no-provider', 503, OpenAI.InternalServerError],
    ['timeout', 504, OpenAI.InternalServerError],
  ] as const)('throws its own error for %s', async (code, status, kind) => {
    gateway.follow(failing(new MeshError(code, 'the cause')))
    const client = clientOf()
    const calls = [
      () => client.chat.completions.create(question),
      () => client.chat.completions.create({ ...question, stream: true }),
      () => client.completions.create({ model: 'tiny', prompt: 'Once' }),
      () => client.embeddings.create({ model: 'tiny', input: 'a' }),
      () => client.responses.create({ model: 'tiny', input: 'hi' }),
    ]
    for (const call of calls) {
      const error = await thrown(call())
      expect(error).toBeInstanceOf(kind)
      expect(error).toMatchObject({ status, code, error: { next_step: expect.any(String) } })
      expect(error.message).toContain('the cause')
    }
  })

  it('asks again where that can help, and not where it cannot', async () => {
    gateway.follow(failing(new MeshError('busy', 'full', { retryAfterMs: 1 })))
    await thrown(clientOf({ maxRetries: 1 }).chat.completions.create(question))
    expect(gateway.seen).toHaveLength(2)
    gateway.follow(failing(new MeshError('store-failed', 'the disk is full')))
    await thrown(clientOf({ maxRetries: 1 }).chat.completions.create(question))
    expect(gateway.seen).toHaveLength(3)
  })

  it('throws what broke a stream midway', async () => {
    gateway.follow(async function* () {
      yield accepted
      yield delta('a')
      throw new MeshError('unreachable', 'every provider went away')
    })
    const stream = await clientOf().chat.completions.create({ ...question, stream: true })
    const seen: unknown[] = []
    const error = await thrown(
      (async () => {
        for await (const chunk of stream) seen.push(chunk)
      })(),
    )
    expect(seen).toHaveLength(2)
    expect(error).toMatchObject({ code: 'unreachable', error: { message: 'every provider went away' } })
  })
})

describe('the openai package asks for responses', () => {
  const asked = { model: 'tiny', input: 'hi', store: false }
  const tool = {
    type: 'function' as const,
    name: 'weather',
    parameters: weather.function.parameters,
    strict: true,
  }

  it('and gets one whole', async () => {
    gateway.follow(giving(said({ reasoning: 'hm' }), delta('Hello'), delta(' there')))
    const response = await clientOf().responses.create({ ...asked, instructions: 'be kind' })
    expect(response.output_text).toBe('Hello there')
    expect(response.output.map(({ type }) => type)).toEqual(['reasoning', 'message'])
    expect(response.usage).toMatchObject({ input_tokens: 7, output_tokens: 3, total_tokens: 10 })
    expect(gateway.seen[0]?.messages).toEqual([
      { role: 'system', content: 'be kind' },
      { role: 'user', content: 'hi' },
    ])
  })

  it('and streams one with its helper, which checks every event', async () => {
    gateway.follow(
      giving(said({ reasoning: 'hm' }), delta('Hel'), delta('lo'), ...calling(0, 'Bern'), ...calling(1, 'Rome')),
    )
    const stream = clientOf().responses.stream({ ...asked, tools: [tool] })
    const seen: ResponseStreamEvent['type'][] = []
    for await (const event of stream) seen.push(event.type)
    const response = await stream.finalResponse()
    expect(response.status).toBe('completed')
    expect(response.output_text).toBe('Hello')
    expect(response.output.slice(2)).toMatchObject([
      { type: 'function_call', call_id: 'call_0', parsed_arguments: { at: 'Bern' } },
      { type: 'function_call', call_id: 'call_1', parsed_arguments: { at: 'Rome' } },
    ])
    expect(seen.at(0)).toBe('response.created')
    expect(seen.at(-1)).toBe('response.completed')
  })

  it('and hands the results of tools back with all that came before', async () => {
    gateway.follow(giving(said({ reasoning: 'hm' }), ...calling(0, 'Bern')), saying('It rains.'))
    const client = clientOf()
    const first = await client.responses.create({ ...asked, tools: [tool] })
    const call = first.output.find(({ type }) => type === 'function_call')
    if (call?.type !== 'function_call') throw new Error('no call')
    const second = await client.responses.create({
      ...asked,
      tools: [tool],
      input: [
        { role: 'user', content: 'weather?' },
        ...(first.output as ResponseInputItem[]), // the package's own types of the two differ in items we never write
        { type: 'function_call_output', call_id: call.call_id, output: 'rain' },
      ],
    })
    expect(second.output_text).toBe('It rains.')
    expect(gateway.seen[1]?.messages).toEqual([
      { role: 'user', content: 'weather?' },
      { role: 'assistant', content: '', toolCalls: [{ id: 'call_0', name: 'weather', arguments: '{"at":"Bern"}' }] },
      { role: 'tool', content: 'rain', toolCallId: 'call_0' },
    ])
  })

  it('and parses one that follows a schema', async () => {
    gateway.follow(saying('{"city":', '"Bern"}'))
    const response = await clientOf().responses.parse({
      ...asked,
      text: { format: { type: 'json_schema', name: 'place', strict: true, schema } },
    })
    expect(response.output_parsed).toEqual({ city: 'Bern' })
    expect(gateway.seen[0]?.sampling.format?.schema).toBe(JSON.stringify(schema))
  })

  it('and is told that one was cut', async () => {
    gateway.follow(async function* () {
      yield accepted
      yield delta('Hel')
      return { ...result, finish: 'length' }
    })
    const stream = clientOf().responses.stream(asked)
    const response = await stream.finalResponse()
    expect(response).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } })
    expect(response.output_text).toBe('Hel')
  })

  it('and throws what broke its stream', async () => {
    gateway.follow(async function* () {
      yield accepted
      yield delta('a')
      throw new MeshError('unreachable', 'every provider went away')
    })
    const stream = await clientOf().responses.create({ ...asked, stream: true })
    const error = await thrown(
      (async () => {
        for await (const _ of stream);
      })(),
    )
    expect(error).toMatchObject({ code: 'unreachable', message: expect.stringContaining('every provider went away') })
  })

  it('and is refused what would need a memory', async () => {
    const error = await thrown(clientOf().responses.create({ ...asked, previous_response_id: 'resp_1' }))
    expect(error).toMatchObject({ status: 400, param: 'previous_response_id', code: 'unsupported' })
  })
})

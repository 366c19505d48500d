// The official client, as anybody installs it, against the gateway on a real port.

import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ServedGateway, serveGateway } from '../../node/gateway/listen.ts'
import { MeshError } from '../../protocol/errors.ts'
import { accepted, delta, gatewayOf, hanging, key, provider, type Script, saying } from './scripted.ts'

let script: Script
let served: ServedGateway
let client: OpenAI

beforeEach(async () => {
  script = saying('Hello', ' there')
  served = await serveGateway(
    gatewayOf((request, signal) => script(request, signal)),
    { host: '127.0.0.1', port: 0 },
  )
  client = new OpenAI({ baseURL: `${served.url}/v1`, apiKey: key, maxRetries: 0 })
})

afterEach(() => served.stop(0))

const question = { model: 'tiny', messages: [{ role: 'user' as const, content: 'hi' }] }
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

describe('the openai package', () => {
  it('gets a whole completion and its headers', async () => {
    const { data, response, request_id } = await client.chat.completions.create(question).withResponse()
    expect(data.choices[0]?.message).toEqual({ role: 'assistant', content: 'Hello there', refusal: null })
    expect(data.usage?.total_tokens).toBe(10)
    expect(response.headers.get('x-silkmesh-provider')).toBe(provider)
    expect(request_id).toBe('ab'.repeat(16))
  })

  it('sends an answer back as history unchanged', async () => {
    const first = await client.chat.completions.create(question)
    const answer = first.choices[0]?.message
    if (!answer) throw new Error('no answer')
    const messages = [...question.messages, answer, { role: 'user' as const, content: 'and?' }]
    expect((await client.chat.completions.create({ model: 'tiny', messages })).choices).toHaveLength(1)
  })

  it('streams', async () => {
    const stream = await client.chat.completions.create({
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

  it('streams with its helper, which puts the chunks together itself', async () => {
    const stream = client.chat.completions.stream({ ...question, stream_options: { include_usage: true } })
    expect(await stream.finalContent()).toBe('Hello there')
    expect((await stream.totalUsage()).total_tokens).toBe(10)
  })

  it('stops the inference when the stream is left', async () => {
    const hung = hanging(accepted, delta('a'), delta('b'))
    script = hung.script
    const stream = await client.chat.completions.create({ ...question, stream: true })
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content === 'b') break
    expect((await hung.cleaned).aborted).toBe(true)
  })

  it('lists the models and finds one', async () => {
    const ids: string[] = []
    for await (const model of client.models.list()) ids.push(model.id)
    expect(ids).toEqual(['tiny', 'org/big'])
    expect(await client.models.retrieve('org/big')).toMatchObject({ id: 'org/big', owned_by: 'silkmesh' })
  })

  it('throws AuthenticationError for a wrong key', async () => {
    const stranger = new OpenAI({ baseURL: `${served.url}/v1`, apiKey: 'sk-wrong', maxRetries: 0 })
    const error = await thrown(stranger.models.list())
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(error).toMatchObject({ status: 401, code: 'unauthorized', type: 'authentication_error' })
  })

  it('throws BadRequestError naming the parameter', async () => {
    const error = await thrown(client.chat.completions.create({ ...question, reasoning_effort: 'high' }))
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ param: 'reasoning_effort', code: 'unsupported' })
  })

  it.each([
    ['unknown-model', 404, OpenAI.NotFoundError],
    ['escrow-unusable', 402, OpenAI.APIError],
    ['no-provider', 503, OpenAI.InternalServerError],
    ['timeout', 504, OpenAI.InternalServerError],
  ] as const)('throws its own error for %s', async (code, status, kind) => {
    script = failing(new MeshError(code, 'the cause'))
    for (const stream of [false, true]) {
      const error = await thrown(client.chat.completions.create({ ...question, stream }))
      expect(error).toBeInstanceOf(kind)
      expect(error).toMatchObject({ status, code, error: { next_step: expect.any(String) } })
      expect(error.message).toContain('the cause')
    }
  })

  it('asks again where that can help, and not where it cannot', async () => {
    const patient = new OpenAI({ baseURL: `${served.url}/v1`, apiKey: key, maxRetries: 1 })
    let calls = 0
    const counting =
      (error: MeshError): Script =>
      (request, signal) => {
        calls++
        return failing(error)(request, signal)
      }
    script = counting(new MeshError('busy', 'full', { retryAfterMs: 1 }))
    await thrown(patient.chat.completions.create(question))
    expect(calls).toBe(2)
    calls = 0
    script = counting(new MeshError('store-failed', 'the disk is full'))
    await thrown(patient.chat.completions.create(question))
    expect(calls).toBe(1)
  })

  it('throws what broke a stream midway', async () => {
    script = async function* () {
      yield accepted
      yield delta('a')
      throw new MeshError('unreachable', 'every provider went away')
    }
    const stream = await client.chat.completions.create({ ...question, stream: true })
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

// The Vercel AI SDK with its provider for compatible servers, against the gateway on a real port.

import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, embedMany, generateText, isStepCount, jsonSchema, Output, streamText, tool } from 'ai'
import { describe, expect, it } from 'vitest'
import { MeshError } from '../../protocol/errors.ts'
import { accepted, calling, delta, embedding, giving, hanging, key, said, saying } from './scripted.ts'
import { serving } from './serving.ts'

// Its warnings would print among the results: a text model takes no tool choice, which is the SDK's own doing.
globalThis.AI_SDK_LOG_WARNINGS = false

const gateway = serving()
const mesh = () =>
  createOpenAICompatible({
    name: 'silkmesh',
    baseURL: gateway.baseUrl,
    apiKey: key,
    includeUsage: true,
    supportsStructuredOutputs: true,
  })
const chat = (prompt = 'hi') => ({ model: mesh().chatModel('tiny'), prompt, maxRetries: 0 })

const place = jsonSchema<{ at: string }>({
  type: 'object',
  properties: { at: { type: 'string' } },
  required: ['at'],
  additionalProperties: false,
})

describe('the Vercel AI SDK', () => {
  it('generates a text, and what the model thought', async () => {
    gateway.follow(giving(said({ reasoning: 'hm' }), delta('Hello'), delta(' there')))
    const { finishReason, reasoningText, text, usage } = await generateText({
      ...chat(),
      temperature: 0,
      maxOutputTokens: 9,
      stopSequences: ['END'],
    })
    expect([text, reasoningText, finishReason]).toEqual(['Hello there', 'hm', 'stop'])
    expect(usage).toMatchObject({ inputTokens: 7, outputTokens: 3, totalTokens: 10 })
    expect(gateway.seen[0]?.sampling).toMatchObject({ temperature: 0, tokensMax: 9, stop: ['END'] })
  })

  it('streams a text, and what the model thought', async () => {
    gateway.follow(giving(said({ reasoning: 'h' }), said({ reasoning: 'm' }), delta('Hello'), delta(' there')))
    const answer = streamText(chat())
    const parts: string[] = []
    for await (const part of answer.textStream) parts.push(part)
    expect(parts.join('')).toBe('Hello there')
    expect(await answer.reasoningText).toBe('hm')
    expect((await answer.totalUsage).totalTokens).toBe(10)
  })

  it.each([false, true])('calls tools until it has an answer (stream: %s)', async (isStreaming) => {
    gateway.follow(giving(said({ reasoning: 'hm' }), ...calling(0, 'Bern'), ...calling(1, 'Rome')), saying('It rains.'))
    const asked: string[] = []
    const weather = tool({
      description: 'of a place',
      inputSchema: place,
      execute: async ({ at }) => {
        asked.push(at)
        return `rain at ${at}`
      },
    })
    const call = { ...chat('weather?'), tools: { weather }, stopWhen: isStepCount(3) }
    const text = isStreaming ? await streamText(call).text : (await generateText(call)).text
    expect(text).toBe('It rains.')
    expect(asked).toEqual(['Bern', 'Rome'])
    expect(gateway.seen[0]?.tools).toMatchObject({ list: [{ name: 'weather' }], choice: 'auto' })
    expect(gateway.seen[1]?.messages.slice(1)).toMatchObject([
      { role: 'assistant', content: '', toolCalls: [{ id: 'call_0' }, { id: 'call_1' }] },
      { role: 'tool', content: 'rain at Bern', toolCallId: 'call_0' },
      { role: 'tool', content: 'rain at Rome', toolCallId: 'call_1' },
    ])
  })

  it('asks for one tool by name', async () => {
    gateway.follow(giving(...calling(0, 'Bern')))
    const { toolCalls } = await generateText({
      ...chat(),
      tools: { weather: tool({ inputSchema: place }) },
      toolChoice: { type: 'tool', toolName: 'weather' },
    })
    expect(toolCalls).toMatchObject([{ toolName: 'weather', input: { at: 'Bern' } }])
    expect(gateway.seen[0]?.tools?.choice).toEqual({ name: 'weather' })
  })

  it('gets an object that follows a schema', async () => {
    gateway.follow(saying('{"at":', '"Bern"}'))
    const { output } = await generateText({
      ...chat(),
      output: Output.object({ schema: place, description: 'a place' }),
    })
    expect(output).toEqual({ at: 'Bern' })
    const { format } = gateway.seen[0]?.sampling ?? {}
    expect(JSON.parse(format?.schema ?? '')).toMatchObject({ description: 'a place', required: ['at'] })
  })

  it('embeds several texts', async () => {
    gateway.follow(embedding)
    const { embeddings } = await embedMany({ model: mesh().embeddingModel('tiny'), values: ['a', 'bb'] })
    expect(embeddings).toEqual([
      [1, 0, 0.5],
      [2, 1, 0.5],
    ])
  })

  it('completes a text', async () => {
    gateway.follow(saying(' upon', ' a time'))
    const { text } = await generateText({ model: mesh().completionModel('tiny'), prompt: 'Once', maxRetries: 0 })
    expect(text).toBe(' upon a time')
    expect(gateway.seen[0]?.text).toContain('Once')
  })

  it('passes the words of routing and of the budget on', async () => {
    gateway.follow(saying('a'))
    await generateText({
      ...chat(),
      providerOptions: { silkmesh: { provider: { sort: 'latency' }, max_cost: '0.5' } },
      headers: { 'x-silkmesh-hedge': 'p95' },
    })
    expect(gateway.seen[0]).toMatchObject({
      preferences: { sort: 'latency' },
      costNanoMax: 500_000_000n,
      hedge: 'p95',
    })
  })

  it('reads an error before the answer, and one in its middle', async () => {
    gateway.follow(
      // biome-ignore lint/correctness/useYield: it fails before it yields
      async function* () {
        throw new MeshError('over-budget', 'the budget is spent')
      },
      async function* () {
        yield accepted
        yield delta('a')
        throw new MeshError('unreachable', 'every provider went away')
      },
    )
    const error: unknown = await generateText(chat()).catch((reason: unknown) => reason)
    if (!APICallError.isInstance(error)) throw error
    expect(error).toMatchObject({ statusCode: 402, message: 'the budget is spent', isRetryable: false })
    const errors: unknown[] = []
    const answer = streamText({ ...chat(), onError: ({ error: each }) => void errors.push(each) })
    for await (const _ of answer.textStream);
    expect(errors).toMatchObject([{ message: 'every provider went away' }])
  })

  it('stops the inference when it is aborted', async () => {
    const hung = hanging(accepted, delta('a'))
    gateway.follow(hung.script)
    const client = new AbortController()
    const answer = streamText({ ...chat(), abortSignal: client.signal })
    for await (const part of answer.textStream) if (part === 'a') client.abort()
    expect((await hung.cleaned).aborted).toBe(true)
  })
})

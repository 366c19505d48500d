// LangChain's JS client, against the gateway on a real port.

import { HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import { ChatOpenAI, OpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { describe, expect, it } from 'vitest'
import { MeshError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import { accepted, calling, delta, embedding, giving, hanging, key, said, saying } from './scripted.ts'
import { serving } from './serving.ts'

const gateway = serving()
const access = () => ({ apiKey: key, maxRetries: 0, configuration: { baseURL: gateway.baseUrl } })
const chat = (more: object = {}) => new ChatOpenAI({ model: 'tiny', ...access(), ...more })

const schema = {
  type: 'object',
  properties: { at: { type: 'string' } },
  required: ['at'],
  additionalProperties: false,
} as const
const weather = tool(async (input: unknown) => `rain at ${(input as { at: string }).at}`, {
  name: 'weather',
  description: 'of a place',
  schema,
})

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const each of stream) list.push(each)
  return list
}

describe('LangChain', () => {
  it('chats', async () => {
    gateway.follow(saying('Hello', ' there'))
    const answer = await chat({ temperature: 0, maxTokens: 9 }).invoke([
      new SystemMessage('be kind'),
      new HumanMessage('hi'),
    ])
    expect(answer.text).toBe('Hello there')
    expect(answer.usage_metadata).toMatchObject({ input_tokens: 7, output_tokens: 3, total_tokens: 10 })
    expect(gateway.seen[0]).toMatchObject({
      messages: [
        { role: 'system', content: 'be kind' },
        { role: 'user', content: 'hi' },
      ],
      sampling: { temperature: 0, tokensMax: 9 },
    })
  })

  it('streams, with the usage at the end', async () => {
    gateway.follow(giving(said({ reasoning: 'hm' }), delta('Hello'), delta(' there')))
    const chunks = await all(await chat().stream('hi'))
    expect(chunks.map(({ text }) => text).join('')).toBe('Hello there')
    expect(chunks.filter((chunk) => chunk.usage_metadata)).toMatchObject([{ usage_metadata: { total_tokens: 10 } }])
  })

  it('calls tools and hands their results back', async () => {
    gateway.follow(giving(...calling(0, 'Bern'), ...calling(1, 'Rome')), saying('It rains.'))
    const model = chat().bindTools([weather], { tool_choice: 'any', strict: true })
    const question = new HumanMessage('weather?')
    const first = await model.invoke([question])
    expect(first.tool_calls).toMatchObject([
      { name: 'weather', args: { at: 'Bern' }, id: 'call_0' },
      { name: 'weather', args: { at: 'Rome' }, id: 'call_1' },
    ])
    const results = await Promise.all((first.tool_calls ?? []).map((call) => weather.invoke(call)))
    for (const each of results) expect(each).toBeInstanceOf(ToolMessage)
    const last = await model.invoke([question, first, ...(results as ToolMessage[])])
    expect(last.text).toBe('It rains.')
    expect(gateway.seen[0]?.tools).toMatchObject({ list: [{ name: 'weather' }], choice: 'required' })
    expect(gateway.seen[1]?.messages.slice(2)).toMatchObject([
      { role: 'tool', content: 'rain at Bern', toolCallId: 'call_0' },
      { role: 'tool', content: 'rain at Rome', toolCallId: 'call_1' },
    ])
  })

  it('puts streamed tool calls together', async () => {
    gateway.follow(giving(...calling(0, 'Bern')))
    const chunks = await all(await chat().bindTools([weather]).stream('weather?'))
    const whole = chunks.reduce((before, chunk) => before.concat(chunk))
    expect(whole.tool_calls).toMatchObject([{ name: 'weather', args: { at: 'Bern' } }])
  })

  it('gets an object that follows a schema', async () => {
    gateway.follow(saying('{"at":', '"Bern"}'))
    const model = chat().withStructuredOutput(schema, { name: 'place', method: 'jsonSchema', strict: true })
    expect(await model.invoke('where?')).toEqual({ at: 'Bern' })
    expect(gateway.seen[0]?.sampling.format?.schema).toContain('"required":["at"]')
  })

  it('gets several answers at once', async () => {
    gateway.follow(saying('one'), saying('two'))
    const { generations } = await chat({ n: 2 }).generate([[new HumanMessage('hi')]])
    expect(generations[0]?.map(({ text }) => text)).toEqual(['one', 'two'])
  })

  it('embeds more documents than one request to the mesh can carry', async () => {
    gateway.follow(embedding)
    const documents = Array.from({ length: limits.inputsMax + 1 }, (_, at) => 'x'.repeat(1 + (at % 5)))
    const model = new OpenAIEmbeddings({ model: 'tiny', ...access() })
    const vectors = await model.embedDocuments(documents)
    expect(vectors.map(([length]) => length)).toEqual(documents.map(({ length }) => length))
    expect(gateway.seen).toHaveLength(2)
    expect(await model.embedQuery('four')).toEqual([4, 0, 0.5])
  })

  it('completes a text', async () => {
    gateway.follow(saying(' upon', ' a time'))
    expect(await new OpenAI({ model: 'tiny', ...access() }).invoke('Once')).toBe(' upon a time')
    expect(gateway.seen[0]?.text).toBe('Once')
  })

  it('asks for responses', async () => {
    gateway.follow(giving(delta('Hello'), ...calling(0, 'Bern')))
    const answer = await chat({ useResponsesApi: true, zdrEnabled: true }).bindTools([weather]).invoke('hi')
    expect(answer.text).toBe('Hello')
    expect(answer.tool_calls).toMatchObject([{ name: 'weather', args: { at: 'Bern' } }])
  })

  it('reads an error', async () => {
    gateway.follow(
      // biome-ignore lint/correctness/useYield: it fails before it yields
      async function* () {
        throw new MeshError('unsupported', 'no provider of tiny can do tools', { param: 'tools' })
      },
    )
    await expect(chat().bindTools([weather]).invoke('hi')).rejects.toMatchObject({
      status: 400,
      param: 'tools',
      message: expect.stringContaining('no provider of tiny can do tools'),
    })
  })

  it('stops the inference when it is aborted', async () => {
    const hung = hanging(accepted, delta('a'))
    gateway.follow(hung.script)
    const client = new AbortController()
    const read = async () => {
      for await (const { text } of await chat().stream('hi', { signal: client.signal }))
        if (text === 'a') client.abort()
    }
    await expect(read()).rejects.toThrow()
    expect((await hung.cleaned).aborted).toBe(true)
  })
})

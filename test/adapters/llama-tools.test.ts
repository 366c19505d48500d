// Calls and thoughts with llama.cpp, by a chat template that knows both, over random weights: what is said is drawn, how it is
// said is held by grammar.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LlamaEngine, startLlamaEngine } from '../../node/adapters/llama/engine.ts'
import { defaultRandomModel, writeRandomGguf } from '../../node/models/random-gguf.ts'
import type { Delta, Prompt } from '../../node/ports.ts'
import type { Task, Tools } from '../../protocol/task.ts'

/** Of the kind that Qwen's and Hermes' models bring. */
const template = `{%- if tools %}{{ '<|im_start|>system\\n# Tools\\n<tools>' }}{%- for tool in tools %}{{ '\\n' }}{{ tool | tojson }}{%- endfor %}{{ '\\n</tools><|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}
{%- if message.role == 'tool' %}{{ '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
{%- elif message.role == 'assistant' %}
{{- '<|im_start|>assistant\\n' }}
{%- if message.reasoning_content %}{{ '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}{%- endif %}
{{- message.content or '' }}
{%- for call in message.tool_calls or [] %}
{%- if not loop.first or message.content %}{{ '\\n' }}{%- endif %}
{{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}{{ call.function.arguments | tojson }}{{ '}\\n</tool_call>' }}
{%- endfor %}{{ '<|im_end|>\\n' }}
{%- else %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}`
const weather = {
  type: 'object',
  properties: { city: { enum: ['Rome', 'Oslo'] }, days: { type: 'integer', minimum: 1, maximum: 9 } },
  required: ['city', 'days'],
  additionalProperties: false,
}
const tools: Tools = {
  list: [
    { name: 'weather', description: 'The weather of a city', parameters: JSON.stringify(weather) },
    { name: 'now', description: '', parameters: '' },
    // no grammar holds a pattern: its arguments are JSON, and for the tool to check
    { name: 'find', description: '', parameters: '{"type": "object", "properties": {"x": {"enum": [1]}}, "not": {}}' },
  ],
  choice: 'required',
  isParallel: true,
}
const never = new AbortController().signal

/** Byte by byte: control tokens come first in the vocabulary, then all bytes. */
const spelled = (text: string): number[] => [...Buffer.from(text)].map((byte) => byteToken(byte))

/** Printable bytes are in order; the others are letters from U+0100 on, in order too. */
function byteToken(byte: number): number {
  return 3 + byte
}

/** A model that draws at random begins to think and never ends: here it has thought. */
const thought = (name: string): number[] => (name === 'tagged' ? spelled('<think></think>') : [])

interface Said {
  readonly prompt: Prompt
  readonly deltas: readonly Delta[]
  readonly text: string
  readonly reasoning: string
  readonly tokenIds: readonly number[]
  readonly calls: readonly { readonly id: string; readonly name: string; readonly arguments: string }[]
  readonly finish: string
}

async function said(engine: LlamaEngine, task: Partial<Task>, resumeTokenIds: readonly number[] = []): Promise<Said> {
  const model = engine.models[0]
  if (!model) throw new Error('an engine without a model')
  const asked = { messages: [{ role: 'user', content: 'hi' }], sampling: { seed: 1, tokensMax: 300 }, ...task } as const
  const prompt = await engine.prepare({ model: model.key, ...asked, resumeTokenIds }, never)
  const deltas: Delta[] = []
  const generation = engine.generate(prompt, never)
  let next = await generation.next()
  for (; !next.done; next = await generation.next()) deltas.push(next.value)
  const calls: { id: string; name: string; arguments: string }[] = []
  for (const { arguments: piece, id = '', index, name = '' } of deltas.flatMap((delta) => delta.toolCalls ?? [])) {
    const call = calls[index] ?? { id: '', name: '', arguments: '' }
    calls[index] = { id: call.id + id, name: call.name + name, arguments: call.arguments + piece }
  }
  return {
    prompt,
    deltas,
    text: deltas.map((delta) => delta.text).join(''),
    reasoning: deltas.map((delta) => delta.reasoning ?? '').join(''),
    tokenIds: deltas.flatMap((delta) => [...delta.tokenIds]),
    calls,
    finish: next.value,
  }
}

let dir: string
const engines = new Map<string, LlamaEngine>()
const engineOf = (name: 'tagged' | 'general' | 'thinking'): LlamaEngine => {
  const engine = engines.get(name)
  if (!engine) throw new Error(`no engine ${name}`)
  return engine
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'silkmesh-tools-'))
  for (const [name, of] of [
    ['tagged', template],
    ['general', true],
    // its prompt ends inside a thought
    ['thinking', template.replace(/assistant\\n' }}{%- endif %}$/, "assistant\\n<think>\\n' }}{%- endif %}")],
  ] as const) {
    const path = join(dir, `${name}.gguf`)
    const size = { dim: 32, layers: 1, ffn: 32, headDim: 32, kvHeads: 1, vocabulary: 300 }
    writeRandomGguf(path, { ...defaultRandomModel, ...size, template: of })
    const options = { slots: 2, contextTokens: 2_048, threads: 1, gpu: false, modelsDir: dir } as const
    engines.set(name, await startLlamaEngine({ model: path, ...options }))
  }
})
afterAll(async () => {
  for (const engine of engines.values()) await engine.stop()
  await rm(dir, { recursive: true })
})

describe.each(['tagged', 'general'] as const)('with calls written %s', (name) => {
  test('a required call is one of the tools, with arguments by its schema', async () => {
    const isValid = new Ajv2020().compile(weather)
    const names = new Set<string>()
    for (const seed of [1, 2, 3, 4]) {
      const task = {
        sampling: { seed, tokensMax: 300 },
        tools: { ...tools, isParallel: false, list: tools.list.slice(0, 2) },
      }
      const { calls, finish, text } = await said(engineOf(name), task, thought(name))
      expect([calls.length, text, finish]).toEqual([1, '', 'stop'])
      const [call] = calls
      names.add(call?.name ?? '')
      expect(call?.id).toMatch(/^call_[0-9a-f]{24}$/)
      const given: unknown = JSON.parse(call?.arguments ?? '')
      expect([given, call?.name === 'weather' ? isValid(given) : given]).toEqual([
        given,
        call?.name === 'weather' ? true : {},
      ])
    }
    expect(names.size).toBe(2)
  })

  test('a named call is of that tool', async () => {
    const { calls } = await said(engineOf(name), { tools: { ...tools, choice: { name: 'now' } } })
    for (const call of calls) expect(call).toMatchObject({ name: 'now', arguments: '{}' })
    expect(calls.length).toBeGreaterThan(0)
  })

  test('a tool whose schema no grammar holds is called with JSON', async () => {
    const { calls } = await said(engineOf(name), { tools: { ...tools, choice: { name: 'find' }, isParallel: false } })
    expect(JSON.parse(calls[0]?.arguments ?? '')).toEqual(expect.any(Object))
  })

  test('a call goes on wherever it was cut', async () => {
    const engine = engineOf(name)
    const task = {
      tools: { ...tools, isParallel: false, choice: { name: 'weather' } } as const,
      sampling: { temperature: 0 },
    }
    const whole = await said(engine, task)
    const ends = whole.deltas.map((_, at) => whole.deltas.slice(0, at + 1).reduce((sum, { tokens }) => sum + tokens, 0))
    for (const [at, end] of ends.entries()) {
      if (at % 3 === 2) continue
      const before = whole.deltas.slice(0, at + 1).flatMap((delta) => delta.toolCalls ?? [])
      const rest = await said(engine, task, whole.tokenIds.slice(0, end))
      expect([...whole.tokenIds.slice(0, end), ...rest.tokenIds]).toEqual(whole.tokenIds)
      expect(before.map((call) => call.arguments).join('') + (rest.calls[0]?.arguments ?? '')).toBe(
        whole.calls[0]?.arguments,
      )
      expect(before.map((call) => call.name ?? '').join('') + (rest.calls[0]?.name ?? '')).toBe('weather')
    }
  })

  test('without a choice of its own a model that writes no call says text', async () => {
    const { calls, text } = await said(engineOf(name), {
      tools: { ...tools, choice: 'auto' },
      sampling: { seed: 1, tokensMax: 40 },
    })
    expect([calls.length, text.length > 0]).toEqual([0, true])
  })

  test('a call that the model begins of itself is held to its schema from there on', async () => {
    const begun = name === 'tagged' ? 'Yes.<tool_call>' : 'Yes.||call:'
    for (const seed of [1, 2, 3]) {
      const task = { tools: { ...tools, choice: 'auto' } as const, sampling: { seed, tokensMax: 400 } }
      const { calls } = await said(engineOf(name), task, spelled(begun))
      expect(calls.length).toBeGreaterThan(0)
      for (const call of calls)
        expect([call.name, typeof JSON.parse(call.arguments)]).toEqual([
          expect.stringMatching(/^(weather|now|find)$/),
          'object',
        ])
    }
  })

  test('tools and a form of the answer: one of both', async () => {
    const format = { type: 'json', schema: '{"const": "ok"}' } as const
    for (const seed of [1, 2, 3, 4]) {
      const task = { tools: { ...tools, choice: 'auto' } as const, sampling: { seed, format, tokensMax: 400 } }
      const { calls, text } = await said(engineOf(name), task)
      expect([calls.length > 0, text]).toEqual(calls.length > 0 ? [true, ''] : [false, '"ok"'])
    }
  })

  test('no call is made where it is forbidden', async () => {
    const task = { tools: { ...tools, choice: 'none' } as const, sampling: { seed: 1, tokensMax: 30 } }
    const plain = await said(engineOf(name), { sampling: { seed: 1, tokensMax: 30 } })
    const { calls, prompt, tokenIds } = await said(engineOf(name), task)
    expect([calls.length, prompt.promptTokens, tokenIds]).toEqual([0, plain.prompt.promptTokens, plain.tokenIds])
  })

  test('calls and their results are told to the model, in its own way', async () => {
    const engine = engineOf(name)
    const asked = { role: 'user', content: 'Rome?' } as const
    const called = {
      role: 'assistant',
      content: '',
      toolCalls: [{ id: 'a', name: 'weather', arguments: '{"city":"Rome","days":1}' }],
    } as const
    const result = { role: 'tool', content: '{"sky":"clear"}', toolCallId: 'a' } as const
    const sampling = { tokensMax: 1 }
    const { prompt } = await said(engine, { messages: [asked, called, result], sampling })
    const vocabulary = (await engine.vocabulary?.(prompt.generation.model)) ?? []
    const text = Buffer.concat(prompt.tokenIds.map((id) => vocabulary[id] ?? new Uint8Array())).toString()
    const [call, answer] =
      name === 'tagged'
        ? [
            '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome", "days": 1}}\n</tool_call>',
            '<tool_response>',
          ]
        : ['||call: weather({"city": "Rome", "days": 1})', '||result: ']
    expect(text).toContain(call)
    expect(text.slice(text.indexOf(call))).toMatch(new RegExp(`${answer.replaceAll('|', '\\|')}\\s*{"sky": "clear"}`))
  })

  test.each([
    [{ role: 'tool', content: '1', toolCallId: 'nobody' }, 'the call "nobody", which was not made'],
    [{ role: 'assistant', content: '', toolCalls: [{ id: 'a', name: 'x', arguments: '{' }] }, 'are no JSON'],
  ] as const)('%j is a bad request', async (message, reason) => {
    await expect(said(engineOf(name), { messages: [message] })).rejects.toMatchObject({
      code: 'bad-request',
      param: 'messages',
      message: expect.stringContaining(reason),
    })
  })

  test('parameters that are no schema are a bad request', async () => {
    const list = [{ name: 'x', description: '', parameters: '[1]' }]
    await expect(said(engineOf(name), { tools: { ...tools, list } })).rejects.toMatchObject({
      code: 'bad-request',
      param: 'tools',
    })
  })
})

describe('a chat that can write several calls', () => {
  const sampling = (seed: number) => ({ seed, tokensMax: 1_000 })

  test('writes several where that is allowed, and one where it is not', async () => {
    const list = tools.list.slice(1, 2)
    let most = 0
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const task = { tools: { ...tools, list }, sampling: sampling(seed) }
      const { calls } = await said(engineOf('tagged'), task, thought('tagged'))
      most = Math.max(most, calls.length)
      expect(new Set(calls.map(({ id }) => id)).size).toBe(calls.length)
      const one = { ...task, tools: { ...tools, list, isParallel: false } }
      const alone = await said(engineOf('tagged'), one, thought('tagged'))
      expect(alone.calls).toHaveLength(1)
    }
    expect(most).toBeGreaterThan(1)
  })
})

describe('a model that thinks', () => {
  test('is heard thinking apart from its answer, also when it goes on', async () => {
    const engine = engineOf('tagged')
    const sampling = { seed: 3, tokensMax: 12 }
    const thinking = await said(engine, { sampling }, spelled('<think>\nhm'))
    expect([thinking.text, thinking.reasoning.length > 0]).toEqual(['', true])
    const answering = await said(engine, { sampling }, spelled('<think>\nhm\n</think>\n\nSo'))
    expect([answering.reasoning, answering.text.length > 0]).toEqual(['', true])
  })

  test('thinks from the beginning where its prompt begins a thought', async () => {
    const engine = engineOf('thinking')
    const thinking = await said(engine, { sampling: { seed: 3, tokensMax: 12 } })
    expect([thinking.text, thinking.reasoning.length > 0]).toEqual(['', true])
    const format = { type: 'json', schema: '{"const": 1}' } as const
    const answering = await said(engine, { sampling: { seed: 3, format } }, spelled('hm\n</think>'))
    expect([answering.text, answering.reasoning]).toEqual(['1', ''])
  })

  test('may think before an answer that must have a form, and not end there', async () => {
    const engine = engineOf('tagged')
    const format = { type: 'json', schema: '{"const": {"a": 1}}' } as const
    // The token that ends answers is the likeliest by far: only a grammar keeps the model from it.
    const eager = { seed: 1, format, tokensMax: 30, logitBias: [{ tokenId: 2, bias: 50 }] }
    const thinking = await said(engine, { sampling: eager }, spelled('<think>\n'))
    expect([thinking.finish, thinking.tokenIds.length]).toEqual(['length', 30])
    const answering = await said(engine, { sampling: { ...eager, tokensMax: 200 } }, spelled('<think>\nhm</think>'))
    expect([JSON.parse(answering.text), answering.reasoning, answering.finish]).toEqual([{ a: 1 }, '', 'stop'])
    const calling = await said(
      engine,
      { sampling: { seed: 1 }, tools: { ...tools, choice: { name: 'now' } } },
      spelled('<think>a</think>\n'),
    )
    expect(calling.calls[0]).toMatchObject({ name: 'now', arguments: '{}' })
  })
})

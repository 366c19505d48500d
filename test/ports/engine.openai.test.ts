// The engine over an OpenAI API keeps the engine's contract, in front of a real model behind real HTTP, in every dialect.

import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LlamaEngine, startLlamaEngine } from '../../node/adapters/llama/engine.ts'
import { type Dialect, type OpenAiEngine, startOpenAiEngine } from '../../node/adapters/openai-engine.ts'
import type { Delta, Engine, Finish, Prompt } from '../../node/ports.ts'
import { declaredModelKeyOf } from '../../protocol/ids.ts'
import type { Sampling, Task, TokenLogprob, Tools } from '../../protocol/task.ts'
import { engineContract } from './engine.contract.ts'
import { startTestUpstream, type TestUpstream } from './engine.upstream.ts'

const startBehind = (): Promise<LlamaEngine> =>
  startLlamaEngine({ model: 'builtin', slots: 4, threads: 1, gpu: false, modelsDir: tmpdir() })

for (const dialect of ['vllm', 'llama-server'] as const) {
  engineContract(
    `openai before ${dialect}`,
    async () => {
      const behind = await startBehind()
      const upstream = await startTestUpstream(behind, dialect)
      const engine = await startOpenAiEngine({ baseUrl: upstream.url, slots: 4 })
      return {
        engine,
        stop: async () => {
          await engine.stop()
          await upstream.stop()
          await behind.stop()
        },
      }
    },
    { tokenIds: false },
  )
}

describe('before a server with a real model', () => {
  let behind: LlamaEngine
  const upstreams = new Map<Dialect, TestUpstream>()
  const engines = new Map<Dialect, OpenAiEngine>()

  beforeAll(async () => {
    behind = await startBehind()
    for (const dialect of ['vllm', 'llama-server', 'openai'] as const) {
      const upstream = await startTestUpstream(behind, dialect)
      upstreams.set(dialect, upstream)
      engines.set(dialect, await startOpenAiEngine({ baseUrl: upstream.url, slots: 4 }))
    }
  })
  afterAll(async () => {
    for (const engine of engines.values()) await engine.stop()
    for (const upstream of upstreams.values()) await upstream.stop()
    await behind?.stop()
  })

  test('each dialect is known by its endpoints', () => {
    for (const [dialect, engine] of engines) expect(engine.build.dialect).toBe(dialect)
  })

  test('it is established to be able to do what the model can, and no more', () => {
    const can = behind.models[0]?.features ?? []
    expect(can).toContain('tools')
    expect(new Set(engines.get('vllm')?.models[0]?.features)).toEqual(new Set(can))
    expect(new Set(engines.get('llama-server')?.models[0]?.features)).toEqual(new Set(can))
    const officially = can.filter((feature) => feature !== 'samplers')
    expect(new Set(engines.get('openai')?.models[0]?.features)).toEqual(new Set(officially))
  })

  /** What the engine behind says itself comes through a server all the same. */
  async function heardThrough(dialect: Dialect, task: Partial<Task>): Promise<Heard> {
    const said = await hear(behind, task)
    const heard = await hear(engines.get(dialect) ?? expect.unreachable(dialect), task)
    expect(heard.promptTokens).toBeLessThanOrEqual(said.promptTokens)
    const isCounted = dialect !== 'openai' // which counts no prompts
    expect(heard).toEqual(isCounted ? said : { ...said, promptTokens: heard.promptTokens })
    return heard
  }

  for (const dialect of ['vllm', 'llama-server', 'openai'] as const) {
    describe(dialect, () => {
      test('a called tool comes through in parts, every token counted', async () => {
        const heard = await heardThrough(dialect, { messages: asking('Call it.'), sampling: greedy, tools })
        expect(heard.calls).toHaveLength(1)
      })

      test('an answer keeps to its schema', async () => {
        const schema =
          '{"type":"object","properties":{"a":{"enum":["b"]}},"required":["a"],"additionalProperties":false}'
        const sampling: Sampling = { ...greedy, format: { type: 'json', schema } }
        const heard = await heardThrough(dialect, { messages: asking('hello'), sampling })
        expect(JSON.parse(heard.text)).toEqual({ a: 'b' })
      })

      test('log probabilities come through, with the bytes of each token', async () => {
        const sampling: Sampling = { ...greedy, logprobs: 2, tokensMax: 12 }
        const heard = await heardThrough(dialect, { messages: asking('What is a provider?'), sampling })
        expect(heard.tokens).toBe(12)
        expect(heard.logprobs).toHaveLength(12)
      })

      test('a text goes on without a template', async () => {
        const heard = await heardThrough(dialect, { text: 'A provider is', sampling: { ...greedy, tokensMax: 12 } })
        expect(heard.text).not.toBe('')
      })

      test('penalties and biases reach the sampler', async () => {
        const messages = asking('What is a provider?')
        const { text: plain } = await heardThrough(dialect, { messages, sampling: { ...greedy, tokensMax: 12 } })
        for (const sampling of [
          { presencePenalty: 2, frequencyPenalty: 2 },
          { logitBias: [{ tokenId: 300, bias: 100 }] },
        ]) {
          const heard = await heardThrough(dialect, { messages, sampling: { ...greedy, tokensMax: 12, ...sampling } })
          if ('logitBias' in sampling) expect(heard.text).not.toBe(plain)
        }
      })

      test('vectors come through', async () => {
        const through = engines.get(dialect) ?? expect.unreachable(dialect)
        const inputs = ['hello', 'What is a provider?']
        expect(await vectorsOf(through, inputs)).toEqual(await vectorsOf(behind, inputs))
      })
    })
  }
})

const never = new AbortController().signal
const greedy: Sampling = { temperature: 0, tokensMax: 64 }
const tools: Tools = {
  list: [
    { name: 'report', description: 'Reports.', parameters: '{"type":"object","properties":{"a":{"enum":["b"]}}}' },
  ],
  choice: 'required',
  isParallel: false,
}

const asking = (content: string) => [{ role: 'user', content }] as const

interface Heard {
  readonly promptTokens: number
  readonly finish: Finish
  readonly text: string
  readonly tokens: number
  readonly calls: readonly { readonly name: string; readonly arguments: string }[]
  readonly logprobs: readonly string[]
}

async function promptOf(engine: Engine, task: Partial<Task>): Promise<Prompt> {
  const model = engine.models[0]?.key ?? declaredModelKeyOf('none')
  return await engine.prepare({ model, messages: [], sampling: greedy, resumeTokenIds: [], ...task }, never)
}

async function vectorsOf(engine: Engine, inputs: readonly string[]): Promise<readonly Float32Array[]> {
  const vectors: Float32Array[] = []
  for await (const vector of engine.embed?.(await promptOf(engine, { inputs }), never) ?? []) vectors.push(vector)
  expect(vectors).toHaveLength(inputs.length)
  return vectors
}

async function hear(engine: Engine, task: Partial<Task>): Promise<Heard> {
  const prompt = await promptOf(engine, task)
  const answer = engine.generate(prompt, never)
  const deltas: Delta[] = []
  const calls: { name: string; arguments: string }[] = []
  for (;;) {
    const next = await answer.next()
    if (next.done) {
      return {
        promptTokens: prompt.promptTokens,
        finish: next.value,
        text: deltas.map(({ text }) => text).join(''),
        tokens: deltas.reduce((sum, { tokens }) => sum + tokens, 0),
        calls,
        logprobs: deltas.flatMap(({ logprobs = [] }) => logprobs.map(shown)),
      }
    }
    deltas.push(next.value)
    for (const part of next.value.toolCalls ?? []) {
      const { name, arguments: written } = calls[part.index] ?? { name: '', arguments: '' }
      calls[part.index] = { name: name + (part.name ?? ''), arguments: written + part.arguments }
    }
  }
}

function shown({ bytes, logprob, top }: TokenLogprob): string {
  const each = (one: { readonly bytes: Uint8Array; readonly logprob: number }): string =>
    `${Buffer.from(one.bytes).toString('hex')} ${one.logprob.toFixed(3)}`
  return [each({ bytes, logprob }), ...top.map(each)].join(' | ')
}

// The engine over an OpenAI API keeps the engine's contract, in front of a real model behind real HTTP, in every dialect.

import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LlamaEngine, startLlamaEngine } from '../../node/adapters/llama/engine.ts'
import { type Dialect, type OpenAiEngine, startOpenAiEngine } from '../../node/adapters/openai-engine.ts'
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
    expect(engines.get('vllm')?.models[0]?.features).toEqual(can)
    expect(engines.get('llama-server')?.models[0]?.features).toEqual(can)
    const officially = can.filter((feature) => feature !== 'samplers')
    expect(engines.get('openai')?.models[0]?.features).toEqual(officially)
  })
})

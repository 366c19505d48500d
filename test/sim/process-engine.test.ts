// A modelled engine behind HTTP, taken by the node's own adapter as it takes vLLM.

import { afterEach, beforeEach, expect, it } from 'vitest'
import { type OpenAiEngine, startOpenAiEngine } from '../../node/adapters/openai-engine.ts'
import type { Generation } from '../../node/ports.ts'
import type { ModelKey } from '../../protocol/ids.ts'
import { Life } from '../../sim/life.ts'
import { createModelEngine, loadProfile, type ModelEngine } from '../../sim/model/engine/engine.ts'
import { promptDigest, tokenIdAt, tokenText } from '../../sim/model/engine/tokens.ts'
import { EngineServer } from '../../sim/process/engine-server.ts'
import { wallScheduler } from '../../sim/process/scheduler.ts'
import { seededRandom } from '../../sim/random.ts'

const name = 'modelled'
const messages = [{ role: 'user', content: 'x'.repeat(100) }] as const
const never = new AbortController().signal

let server: EngineServer
let modelled: ModelEngine
let engine: OpenAiEngine
let key: ModelKey

beforeEach(async () => {
  server = new EngineServer()
  await server.listen()
  modelled = createModelEngine({
    scheduler: wallScheduler(),
    profile: loadProfile('rtx4090-llama3.1-8b-spec'),
    model: name,
    slots: 2,
    life: new Life(),
    random: seededRandom(1),
  })
  engine = await startOpenAiEngine({ baseUrl: server.serve('provider-1', modelled), slots: 2 })
  key = engine.models[0]?.key ?? expect.unreachable('no model')
})
afterEach(async () => {
  await engine.stop()
  await server.close()
})

const generation = (tokensMax: number): Generation => ({
  model: key,
  messages,
  sampling: { tokensMax },
  resumeTokenIds: [],
})

it('is taken for vLLM, under its name and with its context', () => {
  expect(engine.build.dialect).toBe('vllm')
  expect(engine.models.map((model) => [model.name, model.key])).toEqual([[name, modelled.models[0]?.key]])
  expect(engine.models[0]?.contextTokens).toBe(modelled.models[0]?.contextTokens)
})

it('says what it cannot do', () => {
  expect(engine.models[0]?.features).toEqual(['chat'])
})

it('counts a prompt as the engine does, one token a character', async () => {
  expect((await engine.prepare(generation(1), never)).promptTokens).toBe(100)
})

it('says every token once, each counted', async () => {
  const prompt = await engine.prepare(generation(40), never)
  let text = ''
  let tokens = 0
  const deltas = engine.generate(prompt, never)
  let next = await deltas.next()
  for (; !next.done; next = await deltas.next()) {
    text += next.value.text
    tokens += next.value.tokens
  }
  const digest = promptDigest(messages)
  expect(next.value).toBe('length')
  expect(tokens).toBe(40)
  expect(text).toBe(Array.from({ length: 40 }, (_, at) => tokenText(tokenIdAt(key, digest, at))).join(''))
})

it('stops decoding for a client that left', async () => {
  const deltas = engine.generate(await engine.prepare(generation(2_000), never), never)
  await deltas.next()
  expect(modelled.figures().running).toBe(1)
  await deltas.return('stop')
  while (modelled.figures().running > 0) await new Promise((resolve) => setImmediate(resolve))
  expect(modelled.figures().tokensGenerated).toBeLessThan(2_000)
})

it('refuses a prompt that does not fit, as too long', async () => {
  const long = { ...generation(1), messages: [{ role: 'user' as const, content: 'x'.repeat(1_000_000) }] }
  await expect(engine.prepare(long, never)).rejects.toMatchObject({ code: 'context-exceeded' })
})

it('knows no engine it was not given', async () => {
  const elsewhere = server.serve('provider-1', modelled).replace('provider-1', 'provider-2')
  await expect(startOpenAiEngine({ baseUrl: elsewhere, slots: 1 })).rejects.toMatchObject({ code: 'engine-failed' })
})

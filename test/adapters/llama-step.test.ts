// Answers of one real engine side by side: whoever comes while others are answered is answered too.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type LlamaEngine, startLlamaEngine } from '../../node/adapters/llama/engine.ts'
import type { Sampling } from '../../protocol/task.ts'

const slots = 4
const never = new AbortController().signal
/** They would end an answer of the built-in model. */
const endless = [0, 1, 2].map((tokenId) => ({ tokenId, bias: -100 }))

let dir: string
let engine: LlamaEngine
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'silkmesh-engine-'))
  engine = await startLlamaEngine({ model: 'builtin', slots, threads: 1, gpu: false, modelsDir: dir })
})
afterAll(async () => {
  await engine.stop()
  await rm(dir, { recursive: true })
})

interface Answering {
  tokens: number
  readonly done: Promise<void>
}

/** Told of each of its deltas. */
async function answer(content: string, tokensMax: number, told: () => void = () => undefined): Promise<Answering> {
  const [model] = engine.models
  if (!model) throw new Error('the engine has no model')
  const sampling: Sampling = { temperature: 0, tokensMax, logitBias: endless }
  const messages = [{ role: 'user', content }] as const
  const prompt = await engine.prepare({ model: model.key, messages, sampling, resumeTokenIds: [] }, never)
  const answering: Answering = { tokens: 0, done: Promise.resolve() }
  const read = async (): Promise<void> => {
    for await (const { tokens } of engine.generate(prompt, never)) {
      answering.tokens += tokens
      told()
    }
  }
  return Object.assign(answering, { done: read() })
}

test('who comes while others are answered does not wait for their end, though its slot must be cleared first', async () => {
  // every slot holds what somebody asked before
  const before = await Promise.all(Array.from({ length: slots }, (_, at) => answer(`${at} is the number of this.`, 40)))
  await Promise.all(before.map(({ done }) => done))

  const tokensMax = 400
  const { promise: areUnderWay, resolve } = Promise.withResolvers<void>()
  const long: Answering[] = []
  const look = (): void => {
    if (long.length === slots - 1 && long.every(({ tokens }) => tokens > 0)) resolve()
  }
  // one after another, so that they do not begin in step
  for (let at = 0; at < slots - 1; at += 1)
    long.push(await answer(`Tell me a long story, number ${at}.`, tokensMax, look))
  await areUnderWay

  await (await answer('Something else altogether?', 20)).done
  expect(long.map(({ tokens }) => tokens).every((tokens) => tokens < tokensMax)).toBe(true)
  await Promise.all(long.map(({ done }) => done))
  expect(long.map(({ tokens }) => tokens)).toEqual(long.map(() => tokensMax))
})

// What every engine must do. Each runs on a model whose greedy answers are known, the built-in one by default.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Delta, Engine, Finish } from '../../node/ports.ts'
import { declaredModelKeyOf } from '../../protocol/ids.ts'
import { type Feature, featuresOf, type Sampling, type Task } from '../../protocol/task.ts'

export interface EngineUnderTest {
  readonly engine: Engine
  stop(): Promise<void>
}

interface Traits {
  /** False for an engine behind an API that speaks text only: no ids, no resuming. */
  readonly tokenIds: boolean
  /** False for a modelled engine: its answers mean nothing and do not depend on the sampling. */
  readonly isReal?: boolean
  readonly known?: Known
}

/** What is known of the model's greedy answers. */
interface Known {
  readonly question: string
  readonly promptTokens: number
  readonly answer: string
  readonly answerTokens: number
  /** Answered with 52 tokens or more. */
  readonly longQuestion: string
}

interface Answer {
  readonly promptTokens: number
  readonly deltas: readonly Delta[]
  readonly text: string
  readonly tokens: number
  readonly tokenIds: readonly number[]
  readonly finish: Finish
}

const never = new AbortController().signal
const greedy: Sampling = { temperature: 0 }
const builtin: Known = {
  question: 'What is a provider?',
  // <|endoftext|> <|im_start|> user \n … <|im_end|> \n <|im_start|> assistant \n, and the words between.
  promptTokens: 17,
  answer: 'A provider is a node that serves model inference to other peers and is paid for it with signed receipts.',
  answerTokens: 21,
  longQuestion: 'Say something about TON.',
}

/** Of the built-in model: a token of one letter, and those that end an answer. */
const favoured = 68
const ends = [0, 2]

export function engineContract(name: string, make: () => Promise<EngineUnderTest>, traits: Traits): void {
  const { tokenIds, isReal = true, known = builtin } = traits
  const { question, promptTokens, answer, answerTokens, longQuestion } = known

  describe(`engine: ${name}`, () => {
    let under: EngineUnderTest
    let engine: Engine

    beforeAll(async () => {
      under = await make()
      engine = under.engine
    })
    afterAll(() => under?.stop())

    async function prepare(content: string, sampling: Sampling, resumeTokenIds: readonly number[] = []) {
      const model = engine.models[0]?.key ?? declaredModelKeyOf('none')
      return await engine.prepare(
        { model, messages: [{ role: 'user', content }], sampling, resumeTokenIds },
        new AbortController().signal,
      )
    }

    async function ask(
      content: string,
      sampling: Sampling = greedy,
      resumeTokenIds: readonly number[] = [],
    ): Promise<Answer> {
      return await answerTo({ messages: [{ role: 'user', content }], sampling }, resumeTokenIds)
    }

    async function answerTo(task: Task, resumeTokenIds: readonly number[] = []): Promise<Answer> {
      const model = engine.models[0]?.key ?? declaredModelKeyOf('none')
      const prompt = await engine.prepare({ model, ...task, resumeTokenIds }, never)
      const deltas: Delta[] = []
      const generation = engine.generate(prompt, never)
      for (;;) {
        const next = await generation.next()
        if (!next.done) {
          deltas.push(next.value)
          continue
        }
        return {
          promptTokens: prompt.promptTokens,
          deltas,
          text: deltas.map((delta) => delta.text).join(''),
          tokens: deltas.reduce((sum, delta) => sum + delta.tokens, 0),
          tokenIds: deltas.flatMap((delta) => [...delta.tokenIds]),
          finish: next.value,
        }
      }
    }

    test('says what it serves: a key, a name, a context, and how many generations at once', () => {
      expect(engine.slots).toBeGreaterThanOrEqual(2)
      expect(engine.models.length).toBeGreaterThanOrEqual(1)
      for (const model of engine.models) {
        expect(model.key).toMatch(/^[0-9a-f]{64}$/)
        expect(model.name).not.toBe('')
        expect(model.contextTokens).toBe(512)
        expect(Number.isInteger(model.prefillTokensPerSecond)).toBe(true)
        expect(Number.isInteger(model.decodeTokensPerSecond)).toBe(true)
      }
    })

    test('answers greedily with what the model learnt', async () => {
      const { text, finish } = await ask(question)
      expect(text).toBe(answer)
      expect(finish).toBe('stop')
    })

    test('counts the prompt exactly, and the same each time', async () => {
      const first = await prepare(question, greedy)
      expect(first.promptTokens).toBe(promptTokens)
      expect(first.promptTokens).toBe((await prepare(question, greedy)).promptTokens)
      expect((await prepare(`${question} ${question}`, greedy)).promptTokens).toBeGreaterThan(first.promptTokens)
    })

    test('counts the answer exactly: the end token is not in it', async () => {
      const { tokens, deltas, tokenIds: ids } = await ask(question)
      expect(tokens).toBe(answerTokens)
      for (const delta of deltas) expect(delta.tokenIds.length).toBe(tokenIds ? delta.tokens : 0)
      expect(ids.length).toBe(tokenIds ? answerTokens : 0)
    })

    test('sends the first token before the answer is complete', async () => {
      const { deltas } = await ask(longQuestion)
      expect(deltas.length).toBeGreaterThan(1)
      expect(deltas[0]?.tokens).toBe(1)
    })

    test('repeats itself with the same seed, alone or beside others', async () => {
      const sampling: Sampling = { temperature: 1.3, seed: 7, tokensMax: 40 }
      const alone = await ask(question, sampling)
      const others = Array.from({ length: engine.slots - 1 }, (_, seed) => ask(longQuestion, { ...sampling, seed }))
      const [beside] = await Promise.all([ask(question, sampling), ...others])
      expect(beside?.text).toBe(alone.text)
      expect(beside?.tokenIds).toEqual(alone.tokenIds)
    })

    test.runIf(isReal)('says different things with different seeds, and without one', async () => {
      const seeds = [1, 2, 3, 4, ...Array.from({ length: 10 }, () => undefined)]
      const texts: string[] = []
      for (const seed of seeds) texts.push((await ask('x', { temperature: 2, seed, tokensMax: 20 })).text)
      expect(new Set(texts.slice(0, 4)).size).toBeGreaterThan(1)
      expect(new Set(texts.slice(4)).size).toBeGreaterThan(1)
    })

    test('takes an absent temperature and top_p for 1', async () => {
      const named = await ask(question, { temperature: 1, topP: 1, seed: 11, tokensMax: 30 })
      expect((await ask(question, { seed: 11, tokensMax: 30 })).text).toBe(named.text)
    })

    test('keeps to the likeliest tokens with a small top_p', async () => {
      const narrow = await ask(question, { temperature: 2, topP: 0.000_1, seed: 5 })
      expect(narrow.text).toBe(answer)
    })

    test('ends before a stop string and never shows a part of it', async () => {
      const { text, finish, tokens } = await ask(question, { ...greedy, stop: [answer.slice(26, 38), 'never said'] })
      expect(text).toBe(answer.slice(0, 26))
      expect(finish).toBe('stop')
      // What matched was decoded, so it is counted, but not shown.
      expect(tokens).toBeLessThan(answerTokens)
    })

    test('shows all of an answer that ends within a stop string', async () => {
      const { text } = await ask(question, { ...greedy, stop: [`${answer.slice(-9)} And`] })
      expect(text).toBe(answer)
    })

    test('ends with "length" after exactly the tokens asked for', async () => {
      for (const tokensMax of [1, 5]) {
        const { tokens, finish, text } = await ask(question, { ...greedy, tokensMax })
        expect(tokens).toBe(tokensMax)
        expect(finish).toBe('length')
        expect(answer.startsWith(text)).toBe(true)
      }
    })

    test('runs as many generations at once as it has slots', async () => {
      const answers = await Promise.all(Array.from({ length: engine.slots }, () => ask(question)))
      for (const { text, tokens } of answers) expect([text, tokens]).toEqual([answer, answerTokens])
    })

    test('gives a slot back when the caller leaves', async () => {
      for (let turn = 0; turn < 2; turn += 1) {
        const left = Array.from({ length: engine.slots }, async () => {
          for await (const delta of engine.generate(await prepare(longQuestion, greedy), never)) return delta
          return undefined
        })
        for (const delta of await Promise.all(left)) expect(delta?.tokens).toBe(1)
      }
      expect((await ask(question)).text).toBe(answer)
    })

    test('ends a generation with "cancelled" when its signal fires', async () => {
      const controller = new AbortController()
      const generation = engine.generate(await prepare(longQuestion, greedy), controller.signal)
      expect((await generation.next()).done).toBe(false)
      controller.abort()
      await expect(generation.next()).rejects.toMatchObject({ code: 'cancelled' })
      expect((await ask(question)).text).toBe(answer)
    })

    test('does not begin what is cancelled already', async () => {
      const prompt = await prepare(question, greedy)
      await expect(engine.generate(prompt, AbortSignal.abort()).next()).rejects.toMatchObject({ code: 'cancelled' })
      await expect(engine.prepare(prompt.generation, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' })
    })

    test('refuses a model it does not serve', async () => {
      const model = declaredModelKeyOf('another')
      const generation = {
        model,
        messages: [{ role: 'user', content: 'hello' }],
        sampling: {},
        resumeTokenIds: [],
      } as const
      await expect(engine.prepare(generation, never)).rejects.toMatchObject({ code: 'unknown-model' })
    })

    test('refuses a prompt that leaves no room for an answer, and a longer answer than there is room', async () => {
      await expect(prepare('word '.repeat(600), greedy)).rejects.toMatchObject({ code: 'context-exceeded' })
      await expect(prepare('word '.repeat(100_000), greedy)).rejects.toMatchObject({ code: 'context-exceeded' })
      const room = 512 - promptTokens
      await expect(prepare(question, { tokensMax: room + 1 })).rejects.toMatchObject({ code: 'context-exceeded' })
      expect((await prepare(question, { tokensMax: room })).promptTokens).toBe(promptTokens)
    })

    test('takes any text: emoji, other scripts, control tokens written out', async () => {
      for (const content of ['héllo 😀 日本語 👩‍👩‍👧‍👦', '<|im_end|>\n<|im_start|>system', '\u0000\t\r\n', '']) {
        const { promptTokens, text, finish } = await ask(content, { ...greedy, tokensMax: 60 })
        expect(promptTokens).toBeGreaterThan(0)
        expect(text.isWellFormed()).toBe(true)
        expect(['stop', 'length']).toContain(finish)
      }
    })

    test('takes a control token written out in a message for the text that it is', async () => {
      const plain = await prepare('x', greedy)
      expect((await prepare('<|im_end|>', greedy)).promptTokens).toBeGreaterThan(plain.promptTokens + 4)
    })

    test.runIf(isReal)('knows who said what', async () => {
      const messages = [
        { role: 'system', content: 'You are a helpful assistant.' },
        { role: 'user', content: 'My name is Ada.' },
        { role: 'assistant', content: 'Nice to meet you, Ada!' },
        { role: 'user', content: 'What is my name?' },
      ] as const
      const model = engine.models[0]?.key ?? declaredModelKeyOf('none')
      const prompt = await engine.prepare({ model, messages, sampling: greedy, resumeTokenIds: [] }, never)
      let text = ''
      for await (const delta of engine.generate(prompt, never)) text += delta.text
      expect(text).toContain('Ada')
    })

    /** For engines whose model can do it; what the others do is the next test. */
    const testOf = (feature: Feature, what: string, body: () => Promise<void>): void =>
      test(what, async ({ skip }) => {
        if (!engine.models[0]?.features.includes(feature)) skip()
        await body()
      })
    const chat = (content: string): Task['messages'] => [{ role: 'user', content }]
    const tool = {
      name: 'report',
      description: '',
      parameters: '{"type":"object","properties":{"n":{"enum":[1,2]}},"required":["n"]}',
    }
    const tools = { list: [tool], choice: 'required', isParallel: false } as const

    test('refuses what its model cannot do, by the parameter', async () => {
      const wants: readonly Task[] = [
        { messages: [], sampling: {}, text: 'hello' },
        { messages: [], sampling: {}, inputs: ['hello'] },
        { messages: chat('hello'), sampling: {}, tools },
        { messages: chat('hello'), sampling: { format: { type: 'json' } } },
        { messages: chat('hello'), sampling: { logprobs: 1 } },
        { messages: chat('hello'), sampling: { presencePenalty: 1 } },
        { messages: chat('hello'), sampling: { topK: 3 } },
        { messages: chat('hello'), sampling: { logitBias: [{ tokenId: 5, bias: 1 }] } },
      ]
      const [model] = engine.models
      for (const task of wants) {
        const lacking = [...featuresOf(task)].find(([feature]) => !model?.features.includes(feature))
        if (!model || !lacking) continue
        const [, param] = lacking
        const asked = engine.prepare({ model: model.key, ...task, resumeTokenIds: [] }, never)
        await expect(asked).rejects.toMatchObject({ code: 'unsupported', param })
      }
    })

    testOf('text', 'goes on with a text as it is, control tokens and all', async () => {
      const text = `<|endoftext|><|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`
      const told = await answerTo({ messages: [], sampling: greedy, text })
      expect([told.text, told.tokens, told.promptTokens]).toEqual([answer, answerTokens, promptTokens])
      const begun = await answerTo({ messages: [], sampling: greedy, text: text + answer.slice(0, 13) })
      expect(begun.text).toBe(answer.slice(13))
    })

    testOf('json', 'answers with any JSON object, or by a schema', async () => {
      const any = await ask('Give JSON', { ...greedy, format: { type: 'json' } })
      expect(JSON.parse(any.text)).toEqual(expect.any(Object))
      const schema =
        '{"type":"object","properties":{"a":{"enum":["x","y"]}},"required":["a"],"additionalProperties":false}'
      const told = await ask(question, { ...greedy, format: { type: 'json', schema } })
      expect(['x', 'y']).toContain(JSON.parse(told.text).a)
      expect(told.finish).toBe('stop')
    })

    testOf('logprobs', 'tells each token’s log probability, and that of the likeliest', async () => {
      for (const logprobs of [0, 3]) {
        const { deltas, text, tokens } = await ask(question, { ...greedy, logprobs })
        const told = deltas.flatMap((delta) => [...(delta.logprobs ?? [])])
        expect(told).toHaveLength(tokens)
        expect(Buffer.concat(told.map(({ bytes }) => bytes)).toString()).toBe(text)
        for (const { bytes, logprob, top } of told) {
          expect(top).toHaveLength(logprobs)
          expect(logprob).toBeLessThanOrEqual(0)
          const [first, ...others] = top
          if (!first) continue
          expect([Buffer.from(first.bytes), first.logprob]).toEqual([Buffer.from(bytes), expect.closeTo(logprob, 4)])
          expect(others.every((other) => other.logprob <= first.logprob)).toBe(true)
          expect(top.reduce((sum, each) => sum + Math.exp(each.logprob), 0)).toBeLessThan(1.000_1)
        }
      }
      const plain = await ask(question)
      expect(plain.deltas.every((delta) => delta.logprobs === undefined)).toBe(true)
    })

    testOf('logit-bias', 'says a token that is favoured, again and again', async () => {
      const logitBias = [{ tokenId: favoured, bias: 100 }]
      const { text } = await ask(question, { ...greedy, logitBias, tokensMax: 5 })
      expect(text).toBe(text.slice(0, text.length / 5).repeat(5))
      expect(text).not.toBe('')
    })

    testOf('logit-bias', 'never says a token that is forbidden, also not the one that ends answers', async () => {
      const logitBias = ends.map((tokenId) => ({ tokenId, bias: -100 }))
      const { finish, tokens } = await ask(question, { ...greedy, logitBias, tokensMax: answerTokens + 10 })
      expect([finish, tokens]).toEqual(['length', answerTokens + 10])
    })

    testOf('penalties', 'tires of what it has said, where that is penalised', async () => {
      const eager: Sampling = { ...greedy, tokensMax: 60, logitBias: [{ tokenId: favoured, bias: 25 }] }
      const said = await ask(question, eager)
      for (const penalty of [{ frequencyPenalty: 2 }, { repetitionPenalty: 3 }]) {
        expect((await ask(question, { ...eager, ...penalty })).text).not.toBe(said.text)
      }
      expect((await ask(question, { ...eager, presencePenalty: 0, repetitionPenalty: 1 })).text).toBe(said.text)
    })

    testOf('samplers', 'keeps to the likeliest token with a top_k of one or a min_p of one', async () => {
      for (const sampler of [{ topK: 1 }, { minP: 1 }]) {
        expect((await ask(question, { temperature: 2, seed: 3, ...sampler })).text).toBe(answer)
      }
    })

    testOf('embeddings', 'tells a vector of length one for each text, the same for the same text', async () => {
      const model = engine.models[0]?.key ?? declaredModelKeyOf('none')
      const embed = async (inputs: readonly string[]) => {
        const prompt = await engine.prepare({ model, messages: [], sampling: {}, inputs, resumeTokenIds: [] }, never)
        const vectors: Float32Array[] = []
        for await (const vector of engine.embed?.(prompt, never) ?? []) vectors.push(vector)
        return { vectors, promptTokens: prompt.promptTokens }
      }
      const { promptTokens: one } = await embed([question])
      const { promptTokens: all, vectors } = await embed([question, longQuestion, question])
      expect(vectors).toHaveLength(3)
      const [first = new Float32Array(), second, third] = vectors
      expect(Math.hypot(...first)).toBeCloseTo(1, 4)
      expect(third).toEqual(first)
      expect(second).not.toEqual(first)
      expect(all).toBeGreaterThan(2 * one)
      await expect(embed(['word '.repeat(600)])).rejects.toMatchObject({ code: 'context-exceeded' })
    })

    testOf('tools', 'calls a tool where it must, by its schema', async () => {
      const { deltas, finish, text } = await answerTo({
        messages: chat('x'),
        sampling: { ...greedy, tokensMax: 50 },
        tools,
      })
      const parts = deltas.flatMap((delta) => [...(delta.toolCalls ?? [])])
      expect(parts.every(({ index }) => index === 0)).toBe(true)
      expect(parts.map(({ name = '' }) => name).join('')).toBe('report')
      expect([1, 2]).toContain(JSON.parse(parts.map((part) => part.arguments).join('')).n)
      expect([text, finish]).toEqual(['', 'stop'])
    })

    test('knows the bytes of each token, or says that it does not', async () => {
      const model = engine.models[0]?.key ?? declaredModelKeyOf('none')
      const vocabulary = await engine.vocabulary?.(model)
      if (!vocabulary || !tokenIds) return
      const told = await ask(question)
      expect(Buffer.concat(told.tokenIds.map((id) => vocabulary[id] ?? new Uint8Array())).toString()).toBe(told.text)
    })

    if (tokenIds) {
      test('goes on after token ids with exactly the rest of the answer', async () => {
        const whole = await ask(longQuestion)
        for (const cut of [1, 7, 30, whole.tokenIds.length - 1]) {
          const resumed = await ask(longQuestion, greedy, whole.tokenIds.slice(0, cut))
          expect(resumed.promptTokens).toBe(whole.promptTokens + cut)
          expect(resumed.tokenIds).toEqual(whole.tokenIds.slice(cut))
          expect(whole.text.endsWith(resumed.text)).toBe(true)
          expect(resumed.finish).toBe(whole.finish)
        }
      })

      test('what was shown before a cut and what is shown after it are the whole answer', async () => {
        const whole = await ask(longQuestion)
        let shown = ''
        const ids: number[] = []
        for await (const delta of engine.generate(await prepare(longQuestion, greedy), never)) {
          shown += delta.text
          ids.push(...delta.tokenIds)
          if (ids.length >= 10) break
        }
        expect(shown + (await ask(longQuestion, greedy, ids)).text).toBe(whole.text)
      })
    } else {
      test('refuses to go on after token ids', async () => {
        await expect(prepare(question, greedy, [68, 375])).rejects.toMatchObject({ code: 'unsupported' })
      })
    }
  })
}

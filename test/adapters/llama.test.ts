// The engine over node-llama-cpp where the contract ends: its process, its limits, files it cannot serve.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, truncate } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  type EngineProgress,
  type LlamaEngine,
  type LlamaEngineOptions,
  startLlamaEngine,
} from '../../node/adapters/llama/engine.ts'
import { threadCandidates } from '../../node/adapters/llama/measure.ts'
import { decodeAheadTokens } from '../../node/adapters/llama/messages.ts'
import { builtinModelPath } from '../../node/adapters/llama/model-file.ts'
import { defaultRandomModel, writeRandomGguf } from '../../node/models/random-gguf.ts'
import type { Delta, Prompt } from '../../node/ports.ts'
import type { ChatMessage, Sampling } from '../../protocol/task.ts'

/** 25 kB of random weights: decoded greedily it never ends an answer by itself. */
const endless = { ...defaultRandomModel, dim: 32, layers: 1, ffn: 32, headDim: 32, kvHeads: 1, vocabulary: 300 }
const never = new AbortController().signal

let dir: string
let endlessPath: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'silkmesh-llama-'))
  endlessPath = join(dir, 'endless.gguf')
  writeRandomGguf(endlessPath, { ...endless, template: false })
})
afterAll(() => rm(dir, { recursive: true }))

function start(options: Partial<LlamaEngineOptions> = {}): Promise<LlamaEngine> {
  return startLlamaEngine({ model: endlessPath, slots: 2, threads: 1, gpu: false, modelsDir: dir, ...options })
}

function prepare(
  engine: LlamaEngine,
  content: string | readonly ChatMessage[],
  sampling: Sampling = {},
  resumeTokenIds: readonly number[] = [],
): Promise<Prompt> {
  const model = engine.models[0]
  if (!model) throw new Error('an engine without a model')
  const messages = typeof content === 'string' ? [{ role: 'user', content } as const] : content
  return engine.prepare(
    { model: model.key, messages, sampling: { temperature: 0, ...sampling }, resumeTokenIds },
    never,
  )
}

async function whole(engine: LlamaEngine, prompt: Prompt): Promise<readonly Delta[]> {
  const deltas: Delta[] = []
  for await (const delta of engine.generate(prompt, never)) deltas.push(delta)
  return deltas
}

const idsOf = (deltas: readonly Delta[]): number[] => deltas.flatMap((delta) => [...delta.tokenIds])

describe('a model that never stops', () => {
  let engine: LlamaEngine
  const notes: EngineProgress[] = []

  beforeAll(async () => {
    engine = await start({ contextTokens: 512, onProgress: (progress) => notes.push(progress) })
  })
  afterAll(() => engine?.stop())

  test('is said to bring no chat template', () => {
    const note = notes.find((progress) => progress.phase === 'note')
    expect(note?.message).toContain('brings no chat template')
    expect(engine.build.chatFormat).toBe('General')
  })

  test('uses its context to the last token, then ends with "length"', async () => {
    const prompt = await prepare(engine, 'hello')
    const generation = engine.generate(prompt, never)
    let tokens = 0
    let next = await generation.next()
    for (; !next.done; next = await generation.next()) tokens += next.value.tokens
    expect(next.value).toBe('length')
    expect(prompt.promptTokens + tokens).toBe(512)
  })

  test('is not decoded further than the window when its caller takes one delta and no more', async () => {
    const prompt = await prepare(engine, 'paused', { tokensMax: 200 })
    const ids = idsOf(await whole(engine, prompt))
    const generation = engine.generate(prompt, never)
    await generation.next()
    // Meanwhile the other slot decodes many more than the window.
    await whole(engine, await prepare(engine, 'the other', { tokensMax: 100 }))
    await generation.return('length')
    await whole(engine, await prepare(engine, 'the other', { tokensMax: 1 }))
    const resumed = await prepare(engine, 'paused', {}, ids)
    expect(resumed.cachedTokens).toBeGreaterThan(prompt.promptTokens)
    expect(resumed.cachedTokens).toBeLessThanOrEqual(prompt.promptTokens + decodeAheadTokens + 1)
  })

  test('says in the prompt what a slot still holds of it', async () => {
    const messages = 'a question that nobody asked before'
    expect((await prepare(engine, messages)).cachedTokens).toBeLessThan(20)
    await whole(engine, await prepare(engine, messages, { tokensMax: 1 }))
    const again = await prepare(engine, messages)
    expect(again.cachedTokens).toBe(again.promptTokens - 1)
  })

  test('keeps a chat’s cache while another begins with the same few words', async () => {
    const long = `a long chat ${'with many words '.repeat(20)}`
    await whole(engine, await prepare(engine, long, { tokensMax: 1 }))
    const short = await prepare(engine, 'a long chat? no', { tokensMax: 1 })
    expect(short.cachedTokens).toBeLessThan(short.promptTokens - 1)
    await whole(engine, short)
    const again = await prepare(engine, long)
    expect(again.cachedTokens).toBe(again.promptTokens - 1)
  })

  test('copies a long beginning from a slot at work, and says the same as if it had evaluated it', async () => {
    const long = `instructions ${'that are long and the same '.repeat(10)}`
    const second = await prepare(engine, `${long} second`, { tokensMax: 20 })
    const alone = await whole(engine, second)
    // Both slots forget them.
    for (const other of ['x', 'y']) await whole(engine, await prepare(engine, `${other.repeat(300)}`, { tokensMax: 1 }))
    for (const other of ['p', 'q']) await whole(engine, await prepare(engine, `${other.repeat(300)}`, { tokensMax: 1 }))
    expect((await prepare(engine, `${long} second`)).cachedTokens).toBeLessThan(20)
    const first = engine.generate(await prepare(engine, `${long} first`, { tokensMax: 100 }), never)
    await first.next()
    const again = await prepare(engine, `${long} second`, { tokensMax: 20 })
    expect(again.cachedTokens).toBeGreaterThan(again.promptTokens / 2)
    expect(idsOf(await whole(engine, again))).toEqual(idsOf(alone))
    await first.return('length')
  })

  test('lets as many wait as it has slots, refuses more, and serves who waited when a caller leaves', async () => {
    const prompt = await prepare(engine, 'hello', { tokensMax: 400 })
    const running = [engine.generate(prompt, never), engine.generate(prompt, never)]
    for (const generation of running) await generation.next()
    const short = await prepare(engine, 'short', { tokensMax: 3 })
    const waiting = [whole(engine, short), whole(engine, short)]
    await expect(whole(engine, short)).rejects.toMatchObject({ code: 'busy' })
    for (const generation of running) await generation.return('length')
    for (const deltas of await Promise.all(waiting)) expect(idsOf(deltas)).toHaveLength(3)
  })

  test('lets who waits leave', async () => {
    const prompt = await prepare(engine, 'hello', { tokensMax: 400 })
    const running = [engine.generate(prompt, never), engine.generate(prompt, never)]
    for (const generation of running) await generation.next()
    const leaving = new AbortController()
    const waits = engine.generate(prompt, leaving.signal).next()
    leaving.abort()
    await expect(waits).rejects.toMatchObject({ code: 'cancelled' })
    for (const generation of running) await generation.return('length')
    expect(idsOf(await whole(engine, await prepare(engine, 'hello', { tokensMax: 2 })))).toHaveLength(2)
  })

  test('penalises what was said before a cut as if it had said it itself', async () => {
    const sampling = { tokensMax: 40, frequencyPenalty: 0.3, presencePenalty: 0.2, repetitionPenalty: 1.1 }
    const ids = idsOf(await whole(engine, await prepare(engine, 'hello', sampling)))
    const plain = idsOf(await whole(engine, await prepare(engine, 'hello', { tokensMax: 40 })))
    expect(ids).not.toEqual(plain)
    const rest = await prepare(engine, 'hello', { ...sampling, tokensMax: 25 }, ids.slice(0, 15))
    expect(idsOf(await whole(engine, rest))).toEqual(ids.slice(15))
  })

  test('tells the log probabilities of the model itself, whatever the sampling', async () => {
    const firstOf = async (sampling: Sampling) => {
      const deltas = await whole(engine, await prepare(engine, 'hello', { ...sampling, logprobs: 3, tokensMax: 1 }))
      return deltas[0]?.logprobs?.[0]?.top
    }
    const top = await firstOf({})
    expect(top).toHaveLength(3)
    expect(await firstOf({ temperature: 2, topP: 0.1, topK: 2, seed: 4 })).toEqual(top)
    expect(await firstOf({ logitBias: [{ tokenId: 50, bias: 100 }] })).toEqual(top)
  })

  test('refuses a bias on a token that its vocabulary does not have', async () => {
    const logitBias = [{ tokenId: 300, bias: 1 }]
    await expect(prepare(engine, 'hello', { logitBias })).rejects.toMatchObject({
      code: 'bad-request',
      param: 'logit_bias',
    })
  })

  test('speaks in bytes that are no text, and its deltas are well formed all the same', async () => {
    const deltas = await whole(engine, await prepare(engine, 'hello', { temperature: 2, tokensMax: 200 }))
    expect(deltas.length).toBeGreaterThan(0)
    for (const { text, tokens, tokenIds } of deltas)
      expect([text.isWellFormed(), tokens]).toEqual([true, tokenIds.length])
  })

  test('refuses token ids that its vocabulary does not have', async () => {
    await expect(prepare(engine, 'hello', {}, [5, 300])).rejects.toMatchObject({
      code: 'bad-request',
      message: 'token id 300 to resume from, endless has 300',
    })
    expect((await prepare(engine, 'hello', {}, [5, 299])).tokenIds.slice(-2)).toEqual([5, 299])
  })

  test('takes a chat without messages', async () => {
    const prompt = await prepare(engine, [], { tokensMax: 2 })
    expect(prompt.promptTokens).toBeGreaterThan(0)
    expect(idsOf(await whole(engine, prompt))).toHaveLength(2)
  })

  test('ends for its callers when its process is killed, and serves again after', async () => {
    const pid = pidOf(engine)
    const generation = engine.generate(await prepare(engine, 'hello', { tokensMax: 400 }), never)
    await generation.next()
    process.kill(pid, 'SIGKILL')
    const rest = (async () => {
      for await (const _ of generation);
    })()
    await expect(rest).rejects.toMatchObject({ code: 'engine-failed', message: expect.stringContaining('SIGKILL') })
    const deltas = await whole(engine, await prepare(engine, 'hello', { tokensMax: 3 }))
    expect(idsOf(deltas)).toHaveLength(3)
    expect(engine.pid).not.toBe(pid)
    expect(notes.some((note) => note.phase === 'note' && note.message.includes('starting it again'))).toBe(true)
  })
})

describe('threads by measurement', () => {
  test('are tried up to one less than the cores, and not at all on two', () => {
    expect([1, 2, 3, 8, 64].map((cores) => threadCandidates('auto', cores))).toEqual([
      [1],
      [1],
      [1, 2],
      [1, 4, 7],
      [1, 32, 63],
    ])
    expect(threadCandidates(3, 4)).toEqual([3])
    expect(() => threadCandidates(5, 4)).toThrow('5 threads, this machine has 4 cores')
  })
})

describe('stopping', () => {
  test('fails what is in flight and later calls, and leaves no process', async () => {
    const engine = await start()
    const pid = pidOf(engine)
    const prompt = await prepare(engine, 'hello', { tokensMax: 400 })
    const generation = engine.generate(prompt, never)
    await generation.next()
    await engine.stop()
    expect(isAlive(pid)).toBe(false)
    const rest = (async () => {
      for await (const _ of generation);
    })()
    await expect(rest).rejects.toMatchObject({ code: 'engine-failed' })
    await expect(engine.generate(prompt, never).next()).rejects.toMatchObject({ code: 'engine-failed' })
    await engine.stop()
  })

  test('by the signal of its start works the same, before it has started and after', async () => {
    const early = new AbortController()
    const starting = start({ signal: early.signal })
    early.abort()
    await expect(starting).rejects.toMatchObject({ code: 'cancelled' })
    const late = new AbortController()
    const engine = await start({ signal: late.signal })
    const pid = pidOf(engine)
    late.abort()
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 10_000 })
  })

  test('is not needed when the node is killed: its engine dies with it', async () => {
    const module = new URL('../../node/adapters/llama/engine.ts', import.meta.url).href
    const options = JSON.stringify({ model: endlessPath, slots: 1, threads: 1, gpu: false, modelsDir: dir })
    const script = `import { startLlamaEngine } from '${module}'
      const engine = await startLlamaEngine(${options})
      console.log(engine.pid)`
    const node: ChildProcess = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line]: unknown[] = await once(node.stdout ?? node, 'data')
    const pid = Number(String(line))
    expect(pid).toBeGreaterThan(0)
    expect(isAlive(pid)).toBe(true)
    node.kill('SIGKILL')
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 10_000 })
  })
})

describe('what cannot be started', () => {
  test.each([
    [{ slots: 0 }, '0 slots, expected 1 to 1024'],
    [{ contextTokens: 10 }, 'context of 10 tokens, expected at least 64'],
    [{ threads: 0 }, '0 threads, expected 1 or more, or auto'],
    [{ contextTokens: 4097 }, 'was trained for at most 4096'],
    [{ model: 'ftp://host/x.gguf' }, 'model "ftp://host/x.gguf", expected builtin'],
  ])('%j is the caller’s mistake', async (options, message) => {
    const error: unknown = await start(options).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(RangeError)
    expect((error as RangeError).message).toContain(message)
  })

  test('a damaged file is named with what llama.cpp says about it', async () => {
    const path = join(dir, 'cut.gguf')
    writeRandomGguf(path, { ...endless, seed: 2 })
    await truncate(path, 22_000)
    await expect(start({ model: path })).rejects.toMatchObject({
      code: 'engine-failed',
      message: expect.stringMatching(/cut\.gguf could not be loaded: .*corrupted or incomplete/),
    })
  })

  test('a context larger than the memory is refused before it is taken', async () => {
    const path = join(dir, 'wide.gguf')
    writeRandomGguf(path, { ...endless, context: 2_000_000_000 })
    await expect(start({ model: path, contextTokens: 2_000_000_000, slots: 64 })).rejects.toMatchObject({
      code: 'engine-failed',
      message: expect.stringMatching(/64 slots of 2000000000 tokens .* lower the slots or the context/),
    })
  })
})

describe('a model of the Hugging Face hub', () => {
  test('is downloaded once, with progress', async () => {
    const file = await readFile(builtinModelPath)
    let requests = 0
    const hub = createServer((request, response) => {
      requests += 1
      const [, from = '0', to = ''] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? []
      const part = file.subarray(Number(from), to === '' ? undefined : Number(to) + 1)
      const found = request.url?.startsWith('/owner/repository/resolve/main/tiny.gguf')
      response.writeHead(found ? (request.headers.range === undefined ? 200 : 206) : 404, {
        'accept-ranges': 'bytes',
        'content-length': part.length,
        'content-range': `bytes ${from}-${Number(from) + part.length - 1}/${file.length}`,
      })
      response.end(request.method === 'HEAD' ? undefined : part)
    }).listen(0, '127.0.0.1')
    await once(hub, 'listening')
    vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(hub.address() as AddressInfo).port}`)
    try {
      const progress: EngineProgress[] = []
      const options = {
        model: 'hf:owner/repository/tiny.gguf',
        onProgress: (each: EngineProgress) => progress.push(each),
      }
      const engine = await start(options)
      await engine.stop()
      expect(engine.models[0]?.name).toBe('tiny')
      expect(progress.some((each) => each.phase === 'download')).toBe(true)
      const requestsOnce = requests
      await (await start(options)).stop()
      expect(requests).toBe(requestsOnce)
      await expect(start({ model: 'hf:owner/repository/none.gguf' })).rejects.toMatchObject({
        code: 'engine-failed',
        message: expect.stringContaining('hf:owner/repository/none.gguf could not be downloaded'),
      })
    } finally {
      vi.unstubAllEnvs()
      hub.closeAllConnections()
      hub.close()
    }
  })
})

function pidOf({ pid }: LlamaEngine): number {
  if (pid === undefined) throw new Error('the engine has no process now')
  return pid
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

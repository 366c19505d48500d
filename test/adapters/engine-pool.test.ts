// Several models behind one engine: which are loaded, who waits, and whose crash costs what.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { PooledEngine } from '../../node/adapters/engine-loads.ts'
import { type EnginePool, startEnginePool } from '../../node/adapters/engine-pool.ts'
import { type LlamaEngine, startLlamaEngine } from '../../node/adapters/llama/engine.ts'
import { defaultRandomModel, writeRandomGguf } from '../../node/models/random-gguf.ts'
import type { Delta, Finish, Generation, Prompt } from '../../node/ports.ts'
import { MeshError } from '../../protocol/errors.ts'
import { declaredModelKeyOf } from '../../protocol/ids.ts'
import { engineContract } from '../ports/engine.contract.ts'

const never = new AbortController().signal

function generationOf(name: string, more: Partial<Generation> = {}): Generation {
  const messages = [{ role: 'user', content: 'hello' }] as const
  return { model: declaredModelKeyOf(name), messages, sampling: {}, resumeTokenIds: [], ...more }
}

/** Engines of one model each that say a word when told to, and what became of them. */
class Shop {
  /** In order: `+a` for a start of a, `-a` for a stop. */
  readonly log: string[] = []
  readonly #generations = new Map<string, PromiseWithResolvers<void>[]>()
  /** Set, the start of this model waits for it. */
  readonly gates = new Map<string, Promise<void>>()
  #most = 0
  #running = 0

  /** The most that ran at once. */
  get most(): number {
    return this.#most
  }

  start(name: string): (signal: AbortSignal) => Promise<PooledEngine> {
    return async () => {
      this.log.push(`+${name}`)
      this.#running += 1
      this.#most = Math.max(this.#most, this.#running)
      await this.gates.get(name)
      return this.#engine(name)
    }
  }

  /** Lets the oldest generation of this model end. */
  finish(name: string): void {
    this.#generations.get(name)?.shift()?.resolve()
  }

  #engine(name: string): PooledEngine {
    const key = declaredModelKeyOf(name)
    const speed = { prefillTokensPerSecond: 0, decodeTokensPerSecond: 0 }
    return {
      models: [{ key, name, contextTokens: 100, ...speed, features: ['chat'] }],
      slots: 2,
      prepare: async (generation) => ({ generation, promptTokens: 1, cachedTokens: 0, tokenIds: [] }),
      generate: () => this.#generate(name),
      vocabulary: async () => [new TextEncoder().encode(name)],
      stop: async () => {
        this.log.push(`-${name}`)
        this.#running -= 1
      },
    }
  }

  async *#generate(name: string): AsyncGenerator<Delta, Finish, undefined> {
    const turn = Promise.withResolvers<void>()
    this.#generations.set(name, [...(this.#generations.get(name) ?? []), turn])
    yield { text: name, tokens: 1, tokenIds: [] }
    await turn.promise
    return 'stop'
  }
}

describe('of scripted engines', () => {
  const pools: EnginePool[] = []
  afterEach(async () => {
    vi.useRealTimers()
    for (const pool of pools.splice(0)) await pool.stop()
  })

  async function poolOf(
    shop: Shop,
    names: readonly string[],
    loadedMax: number,
    loadMsMax = 60_000,
  ): Promise<EnginePool> {
    const pool = await startEnginePool({
      starts: names.map((name) => shop.start(name)),
      slots: 2,
      loadedMax,
      loadMsMax,
    })
    pools.push(pool)
    shop.log.length = 0
    return pool
  }

  /** Counted, begun, and not ended before `shop.finish`. */
  async function begin(pool: EnginePool, name: string): Promise<AsyncGenerator<Delta, Finish, undefined>> {
    const answer = pool.generate(await pool.prepare(generationOf(name), never), never)
    expect((await answer.next()).value).toMatchObject({ text: name })
    return answer
  }

  async function answered(pool: EnginePool, shop: Shop, name: string): Promise<void> {
    const answer = await begin(pool, name)
    shop.finish(name)
    expect(await answer.next()).toEqual({ done: true, value: 'stop' })
  }

  test('each is loaded once at the start, and no more than allowed at any time', async () => {
    const shop = new Shop()
    const pool = await startEnginePool({
      starts: ['a', 'b', 'c'].map((name) => shop.start(name)),
      slots: 2,
      loadedMax: 2,
      loadMsMax: 60_000,
    })
    pools.push(pool)
    expect(shop.log).toEqual(['+a', '+b', '-a', '+c'])
    expect(shop.most).toBe(2)
    expect(pool.models.map(({ name }) => name)).toEqual(['a', 'b', 'c'])
    expect(pool.loaded.map(({ name }) => name)).toEqual(['b', 'c'])
  })

  test('the one that was used longest ago makes room', async () => {
    const shop = new Shop()
    const pool = await poolOf(shop, ['a', 'b', 'c'], 2)
    await answered(pool, shop, 'b')
    await answered(pool, shop, 'c')
    await answered(pool, shop, 'b')
    await answered(pool, shop, 'a')
    expect(shop.log).toEqual(['-c', '+a'])
    expect(shop.most).toBe(2)
  })

  test('one that works does not make room before it is done, an idle one does', async () => {
    const shop = new Shop()
    const pool = await poolOf(shop, ['a', 'b', 'c'], 2)
    const busy = await begin(pool, 'b')
    await answered(pool, shop, 'c')
    await answered(pool, shop, 'a')
    expect(shop.log).toEqual(['-c', '+a'])
    shop.finish('b')
    expect((await busy.next()).done).toBe(true)
  })

  test('a request waits until a busy one is done, and later ones of that wait behind it', async () => {
    const shop = new Shop()
    const pool = await poolOf(shop, ['a', 'b'], 1)
    const busy = await begin(pool, 'b')
    const order: string[] = []
    const first = answered(pool, shop, 'a').then(() => order.push('a'))
    const second = answered(pool, shop, 'b').then(() => order.push('b'))
    expect(shop.log).toEqual([])
    shop.finish('b')
    await busy.next()
    await Promise.all([first, second])
    expect(order).toEqual(['a', 'b'])
    expect(shop.log).toEqual(['-b', '+a', '-a', '+b'])
    expect(shop.most).toBe(1)
  })

  test('what was counted keeps its model until it is evaluated', async () => {
    const shop = new Shop()
    const pool = await poolOf(shop, ['a', 'b'], 1)
    const prompt = await pool.prepare(generationOf('b'), never)
    const other = answered(pool, shop, 'a')
    const answer = pool.generate(prompt, never)
    expect((await answer.next()).value).toMatchObject({ text: 'b' })
    expect(shop.log).toEqual([])
    shop.finish('b')
    await answer.next()
    await other
    expect(shop.log).toEqual(['-b', '+a'])
  })

  test('but not for long, where it is not paid for; then it is loaded again', async () => {
    const shop = new Shop()
    const pool = await poolOf(shop, ['a', 'b'], 1)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const prompt = await pool.prepare(generationOf('b'), never)
    const other = answered(pool, shop, 'a')
    vi.advanceTimersByTime(5_000)
    await other
    const answer = pool.generate(prompt, never)
    expect((await answer.next()).value).toMatchObject({ text: 'b' })
    expect(shop.log).toEqual(['-b', '+a', '-a', '+b'])
    await answer.return('stop')
  })

  test('a request that waits too long is told so, and the model it waited behind goes on', async () => {
    const shop = new Shop()
    const pool = await poolOf(shop, ['a', 'b'], 1, 1_000)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const busy = await begin(pool, 'b')
    const late = pool.prepare(generationOf('a'), never)
    const behind = begin(pool, 'b')
    vi.advanceTimersByTime(1_000)
    await expect(late).rejects.toMatchObject({
      code: 'busy',
      message: 'a was not loaded within 1000 ms; 1 of 2 models are loaded at once',
    })
    await expect(behind).rejects.toMatchObject({ code: 'busy' })
    const again = await begin(pool, 'b')
    expect(shop.log).toEqual([])
    await Promise.all([busy.return('stop'), again.return('stop'), shop.finish('b'), shop.finish('b')])
  })

  test('a request that is left does not keep others waiting', async () => {
    const shop = new Shop()
    const pool = await poolOf(shop, ['a', 'b'], 1)
    const busy = await begin(pool, 'b')
    const controller = new AbortController()
    const left = pool.prepare(generationOf('a'), controller.signal)
    const behind = begin(pool, 'b')
    controller.abort()
    await expect(left).rejects.toMatchObject({ code: 'cancelled' })
    await behind
    expect(shop.log).toEqual([])
    shop.finish('b')
    shop.finish('b')
    await busy.next()
  })

  test('two that wait are loaded in turn where there is room for one, and together where there is for two', async () => {
    for (const [loadedMax, log] of [
      [1, ['-d', '+a', '-a', '+b']],
      [2, ['-c', '-d', '+a', '+b']],
    ] as const) {
      const shop = new Shop()
      const pool = await poolOf(shop, ['a', 'b', 'c', 'd'], loadedMax)
      await Promise.all([answered(pool, shop, 'a'), answered(pool, shop, 'b')])
      expect(shop.log).toEqual(log)
      expect(shop.most).toBe(loadedMax)
    }
  })

  test('one that cannot be loaded again fails its requests at once for a while, and no others', async () => {
    const shop = new Shop()
    const pool = await poolOf(shop, ['a', 'b'], 1)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    shop.gates.set('a', Promise.reject(new MeshError('engine-failed', 'no memory')))
    const failure = { code: 'engine-failed', message: 'a could not be loaded: no memory' }
    await expect(pool.prepare(generationOf('a'), never)).rejects.toMatchObject(failure)
    await expect(pool.prepare(generationOf('a'), never)).rejects.toMatchObject(failure)
    expect(shop.log).toEqual(['-b', '+a'])
    await answered(pool, shop, 'b')
    shop.gates.clear()
    vi.advanceTimersByTime(5_000)
    await answered(pool, shop, 'a')
  })

  test('one that is another than it was is not served', async () => {
    const shop = new Shop()
    let starts = 0
    const changing = (signal: AbortSignal): Promise<PooledEngine> => {
      starts += 1
      return shop.start(starts === 1 ? 'a' : 'x')(signal)
    }
    const pool = await startEnginePool({
      starts: [changing, shop.start('b')],
      slots: 2,
      loadedMax: 1,
      loadMsMax: 60_000,
    })
    pools.push(pool)
    await expect(pool.prepare(generationOf('a'), never)).rejects.toMatchObject({
      code: 'engine-failed',
      message: expect.stringContaining('a has changed on disk'),
    })
    expect(shop.log.at(-1)).toBe('-x')
  })

  test('the same model twice is refused, and so are no loaded models', async () => {
    const shop = new Shop()
    const starts = [shop.start('a'), shop.start('a')]
    await expect(startEnginePool({ starts, slots: 2, loadedMax: 2, loadMsMax: 1_000 })).rejects.toThrow(
      'model a is there twice',
    )
    expect(shop.log).toEqual(['+a', '+a', '-a', '-a'])
    await expect(startEnginePool({ starts, slots: 2, loadedMax: 0, loadMsMax: 1_000 })).rejects.toThrow(RangeError)
  })

  test('a start that fails stops what was started', async () => {
    const shop = new Shop()
    const failing = async (): Promise<PooledEngine> => {
      throw new RangeError('no such file')
    }
    const starts = [shop.start('a'), failing]
    await expect(startEnginePool({ starts, slots: 2, loadedMax: 2, loadMsMax: 1_000 })).rejects.toThrow('no such file')
    expect(shop.log).toEqual(['+a', '-a'])
  })

  test('vocabularies are there without a load, each once', async () => {
    const shop = new Shop()
    const pool = await poolOf(shop, ['a', 'b'], 1)
    for (const name of ['a', 'b']) {
      expect(await pool.vocabulary?.(declaredModelKeyOf(name))).toEqual([new TextEncoder().encode(name)])
    }
    expect(shop.log).toEqual([])
    expect(await pool.vocabulary?.(declaredModelKeyOf('a'))).toEqual([new TextEncoder().encode('a')])
    expect(shop.log).toEqual(['-b', '+a'])
  })

  test('stopping it fails who waits, stops what is loading, and nothing is left', async () => {
    const shop = new Shop()
    const pool = await poolOf(shop, ['a', 'b'], 1)
    const gate = Promise.withResolvers<void>()
    shop.gates.set('a', gate.promise)
    const waits = pool.prepare(generationOf('a'), never)
    const failed = expect(waits).rejects.toMatchObject({ code: 'engine-failed', message: 'the engine was stopped' })
    while (!shop.log.includes('+a')) await Promise.resolve()
    const stopped = pool.stop()
    await failed
    gate.resolve()
    await stopped
    expect(shop.log).toEqual(['-b', '+a', '-a'])
    await expect(pool.prepare(generationOf('b'), never)).rejects.toMatchObject({ code: 'engine-failed' })
  })
})

describe('of llama.cpp', () => {
  let folder: string
  let pool: EnginePool
  const engines = new Map<string, LlamaEngine>()
  const tiny = {
    ...defaultRandomModel,
    dim: 64,
    layers: 1,
    ffn: 128,
    headDim: 32,
    kvHeads: 2,
    vocabulary: 512,
    context: 512,
  }

  const starter =
    (model: string) =>
    async (signal: AbortSignal): Promise<LlamaEngine> => {
      const engine = await startLlamaEngine({ model, slots: 4, threads: 1, gpu: false, modelsDir: folder, signal })
      engines.set(engine.models[0]?.name ?? '', engine)
      return engine
    }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'silkmesh-pool-'))
    const files = [1, 2].map((seed) => join(folder, `random-${seed}.gguf`))
    for (const [at, file] of files.entries()) writeRandomGguf(file, { ...tiny, seed: at + 1 })
    const starts = ['builtin', ...files].map(starter)
    pool = await startEnginePool({ starts, slots: 4, loadedMax: 2, loadMsMax: 60_000 })
  }, 180_000) // three processes, one after the other
  afterAll(async () => {
    await pool?.stop()
    await rm(folder, { recursive: true })
  })

  async function prepared(at: number): Promise<Prompt> {
    const model = pool.models[at]?.key ?? declaredModelKeyOf('none')
    return await pool.prepare(generationOf('', { model, sampling: { temperature: 0, tokensMax: 30 } }), never)
  }

  async function tokensOf(at: number): Promise<readonly number[]> {
    const ids: number[] = []
    for await (const { tokenIds } of pool.generate(await prepared(at), never)) ids.push(...tokenIds)
    return ids
  }

  test('each model was measured, and two are loaded', () => {
    expect(pool.models).toHaveLength(3)
    for (const { decodeTokensPerSecond } of pool.models) expect(decodeTokensPerSecond).toBeGreaterThan(0)
    expect(pool.loaded).toHaveLength(2)
  })

  test('each answers as before when it was loaded again', async () => {
    const [one, two] = [await tokensOf(1), await tokensOf(2)]
    const zero = await tokensOf(0)
    expect(pool.loaded).not.toContain(pool.models[1])
    expect(new Set([zero, one, two].map(String)).size).toBe(3)
    expect(await Promise.all([tokensOf(1), tokensOf(0)])).toEqual([one, zero])
  })

  test("a crash of one model's process costs that model's requests only, and it is there again", async () => {
    const before = [await tokensOf(1), await tokensOf(0)]
    const victim = pool.generate(await prepared(1), never)
    const other = pool.generate(await prepared(0), never)
    await victim.next()
    await other.next()
    const pid = engines.get('random-1')?.pid ?? expect.unreachable('no process')
    process.kill(pid, 'SIGKILL')
    const drain = async (answer: AsyncGenerator<Delta, Finish>): Promise<Finish> => {
      for (;;) {
        const next = await answer.next()
        if (next.done) return next.value
      }
    }
    await expect(drain(victim)).rejects.toMatchObject({ code: 'engine-failed' })
    expect(['stop', 'length']).toContain(await drain(other))
    expect([await tokensOf(1), await tokensOf(0)]).toEqual(before)
  })
})

describe('with room for one of two', () => {
  engineContract(
    'pool',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'silkmesh-pool-'))
      const file = join(folder, 'random.gguf')
      writeRandomGguf(file, {
        ...defaultRandomModel,
        dim: 64,
        layers: 1,
        ffn: 128,
        headDim: 32,
        kvHeads: 2,
        vocabulary: 512,
      })
      const starts = ['builtin', file].map(
        (model) => async (signal: AbortSignal) =>
          await startLlamaEngine({
            model,
            slots: 4,
            contextTokens: 512,
            threads: 1,
            gpu: false,
            modelsDir: folder,
            signal,
          }),
      )
      const engine = await startEnginePool({ starts, slots: 4, loadedMax: 1, loadMsMax: 60_000 })
      return {
        engine,
        stop: async () => {
          await engine.stop()
          await rm(folder, { recursive: true })
        },
      }
    },
    { tokenIds: true },
  )
})

// The modelled engine: batches, memory, cache and time, as an engine of its profile would have them.

import { describe, expect, test } from 'vitest'
import type { Delta, Finish } from '../../node/ports.ts'
import { epochMs, Kernel } from '../../sim/kernel.ts'
import { Life } from '../../sim/life.ts'
import { createModelEngine, loadProfile, type ModelEngine, type Profile } from '../../sim/model/engine/engine.ts'
import { costOf } from '../../sim/model/engine/profile.ts'
import { replay } from '../../sim/model/engine/replay.ts'
import { promptDigest, tokenIdAt, tokenText } from '../../sim/model/engine/tokens.ts'
import { seededRandom } from '../../sim/random.ts'

const never = new AbortController().signal
const tiny = loadProfile('cpu-tiny')

interface Heard {
  readonly atMs: number
  readonly delta: Delta
}

interface Answer {
  readonly heard: Heard[]
  finish?: Finish
  error?: unknown
}

class Bench {
  readonly kernel = new Kernel()
  readonly life = new Life()
  readonly engine: ModelEngine

  constructor(profile: Profile, coalesceMs = 0) {
    const random = seededRandom(1)
    this.engine = createModelEngine({
      scheduler: this.kernel,
      profile,
      model: 'm',
      life: this.life,
      random,
      coalesceMs,
    })
  }

  get nowMs(): number {
    return this.kernel.now() - epochMs
  }

  run(untilMs = 1e7): Promise<void> {
    return this.kernel.run(epochMs + untilMs)
  }

  /** From that time on; `read` is told of each delta before the next is asked for. */
  ask(
    atMs: number,
    content: string,
    tokensMax: number,
    { signal = never, read }: { signal?: AbortSignal; read?: (answer: Answer) => Promise<void> | undefined } = {},
  ): Answer {
    const answer: Answer = { heard: [] }
    const go = async (): Promise<void> => {
      const model = this.engine.models[0]?.key
      if (!model) throw new Error('no model')
      const messages = [{ role: 'user', content }] as const
      const prompt = await this.engine.prepare({ model, messages, sampling: { tokensMax }, resumeTokenIds: [] }, signal)
      const generation = this.engine.generate(prompt, signal)
      for (;;) {
        const next = await generation.next()
        if (next.done) {
          answer.finish = next.value
          return
        }
        answer.heard.push({ atMs: this.nowMs, delta: next.value })
        await read?.(answer)
      }
    }
    this.kernel.at(epochMs + atMs, () => {
      go().catch((error: unknown) => {
        answer.error = error
      })
    })
    return answer
  }
}

function tokensOf({ heard }: Answer): number {
  return heard.reduce((sum, { delta }) => sum + delta.tokens, 0)
}

/** Distinct texts share no block. */
function text(name: string, length: number): string {
  return `${name} `.repeat(length).slice(0, length)
}

describe('time', () => {
  test('an iteration takes what its profile says', async () => {
    const bench = new Bench(tiny)
    const answer = bench.ask(0, text('a', 10), 2)
    await bench.run()
    // 10 tokens prefilled, 50 pairs, then one decoded that reads 10 of context
    const layers = (readMs: number, computeMs: number): number => (readMs ** 2.5 + computeMs ** 2.5) ** 0.4
    const firstMs = 1 + layers(8, 40) + 0.5 + 50 * 0.000_1
    const secondMs = 1 + layers(8, 4) + 0.5 + 10 * 0.002
    expect(answer.heard[0]?.atMs).toBeCloseTo(firstMs, 3)
    expect(answer.heard[1]?.atMs).toBeCloseTo(firstMs + secondMs, 3)
  })

  test('equal runs are equal to the last digit, with noise too', async () => {
    const runs: Heard[][] = []
    for (let run = 0; run < 2; run += 1) {
      const bench = new Bench({ ...tiny, jitter: 0.05 }, 20)
      const answers = Array.from({ length: 12 }, (_, at) => bench.ask(7 * at, text(`q${at % 5}`, 20 * at + 5), 40))
      await bench.run()
      expect(answers.every(({ finish }) => finish === 'length')).toBe(true)
      runs.push(answers.flatMap(({ heard }) => heard))
    }
    expect(runs[0]).toEqual(runs[1])
  })

  test('clients in virtual time see what a replay of their requests says', async () => {
    for (const asyncScheduling of [false, true]) {
      const profile = { ...tiny, prefixCaching: false, asyncScheduling }
      const requests = Array.from({ length: 20 }, (_, at) => ({
        arrivalMs: 61 * at,
        promptTokens: 30 + 17 * (at % 7),
        completionTokens: 20 + 13 * (at % 5),
      }))
      const bench = new Bench(profile)
      const answers = requests.map(({ arrivalMs, promptTokens, completionTokens }, at) =>
        bench.ask(arrivalMs, text(`${at}`, promptTokens), completionTokens),
      )
      await bench.run()
      replay(requests, profile, costOf(profile)).forEach(({ firstTokenMs, lastTokenMs }, at) => {
        expect(answers[at]?.heard[0]?.atMs).toBeCloseTo(firstTokenMs, 2)
        expect(answers[at]?.heard.at(-1)?.atMs).toBeCloseTo(lastTokenMs, 2)
      })
    }
  })

  test('tokens of a quick engine come several at a time, none later than the window', async () => {
    const quick = {
      ...tiny,
      parameters: { kind: 'calibrated', cost: { ...costOf(tiny), stepMs: 0.1, weightsMs: 0.9, tokenMs: 0.1 } },
    } as const
    const single = new Bench(quick, 0)
    const coalesced = new Bench(quick, 10)
    const each = single.ask(0, 'hello', 100)
    const some = coalesced.ask(0, 'hello', 100)
    await single.run()
    await coalesced.run()
    expect(each.heard).toHaveLength(100)
    expect(some.heard.length).toBeLessThan(25)
    expect(some.heard[0]?.delta.tokens).toBe(1)
    let token = 0
    for (const { atMs, delta } of some.heard) {
      for (let at = 0; at < delta.tokens; at += 1) {
        const madeMs = each.heard[token]?.atMs ?? 0
        expect(atMs - madeMs).toBeLessThanOrEqual(10)
        token += 1
      }
    }
    expect(token).toBe(100)
  })

  test('one event an iteration, however many sequences run', async () => {
    const bench = new Bench({ ...tiny, maxNumSeqs: 64, kvTokens: 64_000 })
    for (let at = 0; at < 64; at += 1) bench.ask(0, text(`${at}`, 1), 50)
    await bench.run()
    const { iterations, tokensGenerated } = bench.engine.figures()
    expect(tokensGenerated).toBe(64 * 50)
    // 64 more for the requests themselves
    expect(bench.kernel.events).toBe(iterations + 64)
    expect(iterations).toBeLessThan(60)
  })
})

describe('batches', () => {
  test('a long prompt is prefilled in chunks while others go on decoding', async () => {
    const bench = new Bench(tiny)
    const talking = bench.ask(0, 'hi', 60)
    const long = bench.ask(100, text('long', 400), 5)
    await bench.run()
    const during = talking.heard.filter(({ atMs }) => atMs > 100 && atMs < (long.heard[0]?.atMs ?? 0))
    // 400 tokens, at most 63 an iteration beside the one decoded
    expect(during.length).toBeGreaterThanOrEqual(Math.ceil(400 / 63))
    const full = 1 + (8 ** 2.5 + (4 * 64) ** 2.5) ** 0.4 + 2 * 0.5 + 0.002 * 400 + 0.0001 * 63 * 400
    const gaps = during.slice(1).map(({ atMs }, at) => atMs - (during[at]?.atMs ?? 0))
    expect(Math.max(...gaps)).toBeLessThanOrEqual(full)
  })

  test('no more run at once than the profile lets, and the others wait their turn', async () => {
    const bench = new Bench({ ...tiny, maxNumSeqs: 2 })
    const answers = Array.from({ length: 6 }, (_, at) => bench.ask(0, text(`${at}`, 8), 30))
    let most = 0
    for (let at = 0; at < 400; at += 1) {
      bench.kernel.at(epochMs + 5 * at, () => {
        most = Math.max(most, bench.engine.figures().running)
      })
    }
    await bench.run()
    expect(most).toBe(2)
    const firsts = answers.map(({ heard }) => heard[0]?.atMs ?? 0)
    expect(firsts).toEqual([...firsts].sort((a, b) => a - b))
    expect(answers.map(tokensOf)).toEqual([30, 30, 30, 30, 30, 30])
  })
})

describe('memory', () => {
  const cramped = { ...tiny, kvTokens: 512, prefixCaching: false }

  test('who came last is preempted when memory runs out, and still says every token once', async () => {
    const bench = new Bench(cramped)
    const first = bench.ask(0, text('first', 200), 200)
    const last = bench.ask(1, text('last', 200), 200)
    await bench.run()
    expect(bench.engine.figures().preemptions).toBeGreaterThan(0)
    const endOf = ({ heard }: Answer): number => heard.at(-1)?.atMs ?? 0
    expect(endOf(first)).toBeLessThan(endOf(last))
    const model = bench.engine.models[0]?.key
    for (const answer of [first, last]) {
      const ids = answer.heard.flatMap(({ delta }) => delta.tokenIds)
      expect(ids).toHaveLength(200)
      expect(answer.heard.map(({ delta }) => delta.text).join('')).toBe(ids.map(tokenText).join(''))
    }
    const digest = promptDigest([{ role: 'user', content: text('last', 200) }])
    const said = last.heard.flatMap(({ delta }) => delta.tokenIds)
    expect(said).toEqual(said.map((_, at) => (model ? tokenIdAt(model, digest, at) : -1)))
  })

  test('what was preempted is computed again, but for what the cache kept', async () => {
    const prefilled: number[] = []
    for (const prefixCaching of [false, true]) {
      const bench = new Bench({ ...cramped, prefixCaching })
      for (let at = 0; at < 2; at += 1) bench.ask(at, text(`${at}`, 200), 200)
      await bench.run()
      prefilled.push(bench.engine.figures().tokensPrefilled)
    }
    const [without = 0, cached = 0] = prefilled
    expect(without).toBeGreaterThan(400)
    expect(cached).toBeLessThan(without)
  })

  test('all blocks are free once all answers are over, however they ended', async () => {
    const bench = new Bench({ ...tiny, kvTokens: 1_024 })
    const controller = new AbortController()
    bench.ask(0, text('whole', 100), 50)
    const cut = bench.ask(0, text('cut', 100), 300, { signal: controller.signal })
    const waiting = bench.ask(0, text('waiting', 400), 100, { signal: controller.signal })
    bench.ask(0, text('queued', 500), 10)
    bench.kernel.at(epochMs + 900, () => controller.abort())
    await bench.run()
    const { kvBlocks, kvBlocksFree, running, waiting: queued } = bench.engine.figures()
    expect([running, queued]).toEqual([0, 0])
    expect(kvBlocksFree).toBe(kvBlocks)
    expect(tokensOf(cut)).toBeLessThan(300)
    for (const { error } of [cut, waiting]) expect(error).toMatchObject({ code: 'cancelled' })
  })
})

describe('prefix cache', () => {
  test('the next turn of a conversation finds what the one before computed, answer included', async () => {
    const bench = new Bench(tiny)
    const opening = text('opening', 96)
    const before = bench.ask(0, opening, 64)
    await bench.run(5_000)
    const said = before.heard.map(({ delta }) => delta.text).join('')
    const model = bench.engine.models[0]?.key
    if (!model) throw new Error('no model')
    const messages = [
      { role: 'user', content: opening },
      { role: 'assistant', content: said },
      { role: 'user', content: text('and then', 40) },
    ] as const
    const generation = { model, messages, sampling: { tokensMax: 1 }, resumeTokenIds: [] }
    const prompt = await bench.engine.prepare(generation, never)
    expect(prompt.promptTokens).toBe(200)
    // 159 of the first 160 tokens were computed: nine whole blocks of 16
    expect(prompt.cachedTokens).toBe(144)
    const other = { ...generation, messages: [{ role: 'user', content: `x${opening}` }] as const }
    expect((await bench.engine.prepare(other, never)).cachedTokens).toBe(0)
  })

  test('a cached prompt has its first token sooner', async () => {
    const bench = new Bench(tiny)
    const first = bench.ask(0, text('same', 300), 1)
    const again = bench.ask(10_000, text('same', 300), 1)
    await bench.run()
    const firstMs = first.heard[0]?.atMs ?? 0
    const againMs = (again.heard[0]?.atMs ?? 0) - 10_000
    expect(againMs).toBeLessThan(firstMs / 5)
  })

  test('what is needed for others is forgotten, the longest unused first', async () => {
    const bench = new Bench({ ...tiny, kvTokens: 512 })
    bench.ask(0, text('old', 160), 1)
    bench.ask(5_000, text('new', 160), 1)
    bench.ask(10_000, text('large', 300), 1)
    await bench.run(15_000)
    const model = bench.engine.models[0]?.key
    if (!model) throw new Error('no model')
    const cached = async (name: string): Promise<number> => {
      const messages = [{ role: 'user', content: text(name, 160) }] as const
      return (await bench.engine.prepare({ model, messages, sampling: {}, resumeTokenIds: [] }, never)).cachedTokens
    }
    expect(await cached('old')).toBeLessThan(144)
    expect(await cached('new')).toBe(144)
  })
})

describe('readers', () => {
  test('decoding stops within 32 tokens of a reader that stopped reading, and goes on when it does', async () => {
    const bench = new Bench(tiny)
    const slow = bench.ask(0, 'slow', 100, {
      read: ({ heard }) =>
        heard.length === 10
          ? new Promise((resolve) => {
              bench.kernel.at(epochMs + 60_000, () => resolve())
            })
          : undefined,
    })
    await bench.run(50_000)
    expect(tokensOf(slow)).toBe(10)
    expect(bench.engine.figures().tokensGenerated).toBe(10 + 32)
    await bench.run()
    expect(tokensOf(slow)).toBe(100)
    expect(slow.finish).toBe('length')
  })

  test('an engine whose node died says nothing more', async () => {
    const bench = new Bench(tiny)
    const answer = bench.ask(0, 'hello', 200)
    bench.kernel.at(epochMs + 500, () => bench.life.end())
    await bench.run()
    expect(tokensOf(answer)).toBeGreaterThan(0)
    expect(tokensOf(answer)).toBeLessThan(200)
    expect(answer.finish).toBeUndefined()
    expect(answer.error).toBeUndefined()
  })
})

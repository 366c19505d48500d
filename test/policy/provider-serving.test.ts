// One request at a provider, seen by the consumer's side of the wire: vectors, frames, cancels, refusals.

import { describe, expect, test } from 'vitest'
import type { Overrides } from '../../node/config.ts'
import type { Delta, Engine, Finish, Prompt } from '../../node/ports.ts'
import { coveredNano } from '../../node/settlement/channel.ts'
import { MeshError } from '../../protocol/errors.ts'
import { costNano, type Price } from '../../protocol/money.ts'
import type { Feature } from '../../protocol/task.ts'
import { quiet } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { countingEngine, type EngineOptions, MemoryMesh, type Peer } from './memory-mesh.ts'
import { Payer } from './payer.ts'
import { addressOfNumber } from './peers.ts'

const payout = addressOfNumber(0x22)
const roles = { provider: { payout } }
const price: Price = { promptNano: 20_000_000n, completionNano: 160_000_000n, cachedNano: 2_000_000n }

interface Stage {
  readonly mesh: MemoryMesh
  readonly provider: Peer
  open(task?: Parameters<typeof Payer.open>[3], number?: number): Promise<Payer>
}

async function stageOf(
  engine: (mesh: MemoryMesh) => Engine,
  config: Overrides = {},
  store: MemoryStore = new MemoryStore(),
): Promise<Stage> {
  const mesh = new MemoryMesh()
  const provider = await mesh.start({ number: 2, roles, engine: engine(mesh), config, store })
  return {
    mesh,
    provider,
    open: (task, number = 1) => Payer.open(mesh, number, provider.identity.peerId, task),
  }
}

function paced(ms: number, options: EngineOptions = {}) {
  return (mesh: MemoryMesh): Engine => countingEngine({ pause: () => mesh.clock.sleep(ms), ...options })
}

async function served(stage: Stage, payer: Payer): Promise<void> {
  for (let step = 0; step < 10_000 && !payer.isEnded; step += 1) await stage.mesh.clock.advance(5)
}

describe('an embedding', () => {
  interface EmbedderOptions {
    readonly vectors?: readonly Float32Array[]
    readonly features?: readonly Feature[]
    readonly pause?: () => Promise<void>
    readonly stopped?: () => void
  }

  /** A prompt has as many tokens as its inputs have letters. */
  function embedder({ features = ['embeddings'], pause, stopped, vectors }: EmbedderOptions = {}): Engine {
    const counting = countingEngine()
    return {
      ...counting,
      models: counting.models.map((model) => ({ ...model, features })),
      prepare: async (generation) => {
        const promptTokens = generation.inputs?.join('').length ?? 0
        return { generation, promptTokens, cachedTokens: 0, tokenIds: [] }
      },
      async *embed({ generation: { inputs = [] } }: Prompt, signal: AbortSignal) {
        signal.addEventListener('abort', () => stopped?.())
        for (const vector of vectors ?? inputs.map(({ length }) => Float32Array.of(length, 0.5))) {
          await pause?.()
          yield vector
        }
      },
    }
  }

  test('is a vector for each input, in their order, and a receipt of prompt tokens alone', async () => {
    const stage = await stageOf(() => embedder())
    const payer = await stage.open({ inputs: ['a', 'bbb', 'cc'] })
    await served(stage, payer)
    expect(payer.frames.map(({ type }) => type)).toEqual(['accept', 'embedding', 'embedding', 'embedding', 'end'])
    expect(payer.of('embedding').map(({ index, vector }) => [index, ...vector])).toEqual([
      [0, 1, 0.5],
      [1, 3, 0.5],
      [2, 2, 0.5],
    ])
    const usage = { promptTokens: 6, cachedTokens: 0, completionTokens: 0 }
    expect(payer.of('end')).toMatchObject([{ finish: 'stop', receipt: { usage, costNano: costNano(usage, price) } }])
    expect(stage.provider.node.channels().map(coveredNano)).toEqual([costNano(usage, price)])
  })

  test('is not begun before its prompt is paid', async () => {
    const { mesh, provider } = await stageOf(() => embedder())
    const payer = await Payer.open(mesh, 1, provider.identity.peerId, { inputs: ['a'] }, false)
    await mesh.clock.advance(20_000)
    expect(payer.frames.map(({ type }) => type)).toEqual(['accept', 'fail'])
    expect(payer.of('fail')).toMatchObject([{ code: 'credit-exhausted' }])
  })

  test('is refused by a model that has none, with the parameter that asks for it', async () => {
    const stage = await stageOf(() => embedder({ features: ['chat', 'text'] }))
    const payer = await stage.open({ inputs: ['a'] })
    expect(payer.frames).toMatchObject([
      {
        type: 'fail',
        code: 'unsupported',
        message: '"input" needs embeddings, which m does not have here; it has chat, text',
      },
    ])
  })

  test.each([
    ['too few', [Float32Array.of(1)]],
    ['too many', [Float32Array.of(1), Float32Array.of(2), Float32Array.of(3)]],
    ['an empty one', [new Float32Array(0), Float32Array.of(1)]],
    ['one longer than the first', [Float32Array.of(1), Float32Array.of(1, 2)]],
    ['one too long for a frame', [new Float32Array(16_001), new Float32Array(16_001)]],
  ])('with %s of an engine fails as the engine’s fault', async (_, vectors) => {
    const stage = await stageOf(() => embedder({ vectors }))
    const payer = await stage.open({ inputs: ['a', 'b'] })
    await served(stage, payer)
    expect(payer.frames.at(-1)).toMatchObject({ type: 'fail', code: 'engine-failed' })
  })

  test('that fails after its first vector was served, as far as it came', async () => {
    const stage = await stageOf(() => embedder({ vectors: [Float32Array.of(1)] }))
    const payer = await stage.open({ inputs: ['a', 'b'] })
    await served(stage, payer)
    expect(stage.provider.events.filter(({ type }) => type === 'request-served')).toMatchObject([
      { outcome: 'failed', code: 'engine-failed', usage: { promptTokens: 2 } },
    ])
  })

  test('that is cancelled ends with an account of its prompt, and stops the engine', async () => {
    let stops = 0
    const stopped = (): void => {
      stops += 1
    }
    const stage = await stageOf((mesh) => embedder({ pause: () => mesh.clock.sleep(1_000), stopped }))
    const payer = await stage.open({ inputs: ['a', 'b'] })
    await stage.mesh.clock.advance(1_500)
    await payer.send({ type: 'cancel' })
    await quiet()
    expect(payer.of('end')).toMatchObject([{ finish: 'cancelled', receipt: { usage: { promptTokens: 2 } } }])
    expect(stops).toBe(1)
  })
})

describe('a task', () => {
  test.each([
    ['tools', { tools: { list: [], choice: 'auto', isParallel: false } as const }],
    ['response_format', { sampling: { format: { type: 'json' } as const } }],
    ['logprobs', { sampling: { logprobs: 2 } }],
    ['presence_penalty', { sampling: { presencePenalty: 1 } }],
    ['top_k', { sampling: { topK: 5 } }],
    ['logit_bias', { sampling: { logitBias: [{ tokenId: 1, bias: 2 }] } }],
    ['prompt', { text: 'once upon' }],
  ])('with %s is refused where the engine only chats, before any chain is read', async (parameter, task) => {
    const stage = await stageOf(() => countingEngine())
    stage.mesh.chain.delay = () => new Promise(() => undefined)
    const payer = await stage.open(task)
    expect(payer.of('fail')).toMatchObject([
      { code: 'unsupported', message: expect.stringContaining(`"${parameter}"`) },
    ])
  })
})

describe('frames', () => {
  /** Of an answer of 200 tokens, one a millisecond: the engine of this test coalesces nothing. */
  async function answered(config: Overrides): Promise<Payer> {
    const stage = await stageOf(paced(1), config)
    const payer = await stage.open({ sampling: { tokensMax: 200 } })
    await served(stage, payer)
    expect(payer.of('delta').reduce((sum, { tokens }) => sum + tokens, 0)).toBe(200)
    expect(payer.of('end')).toMatchObject([{ finish: 'length', receipt: { usage: { completionTokens: 200 } } }])
    return payer
  }

  test('are one for each token where nothing is put together', async () => {
    expect((await answered({ provider: { coalesceMs: 0 } })).of('delta')).toHaveLength(200)
  })

  test('hold a quarter of the window by default where tokens come that fast, and the first is not late', async () => {
    const payer = await answered({})
    expect(payer.of('delta')).toHaveLength(1 + Math.ceil(199 / 16))
    const [accept, first, second] = payer.heard
    expect(first?.frame).toMatchObject({ type: 'delta', tokens: 1 })
    expect((first?.atMs ?? 0) - (accept?.atMs ?? 0)).toBe(1)
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBe(17) // that it is full shows when one more comes
  })

  test('have no more tokens than the window allows, and the answer still comes whole', async () => {
    const payer = await answered({ provider: { creditTokens: 8, coalesceMs: 100 } })
    expect(Math.max(...payer.of('delta').map(({ tokens }) => tokens))).toBe(2)
  })

  test('of many answers at once are fewer for each', async () => {
    const stage = await stageOf(paced(1, { slots: 100 }))
    const open = (at: number) => stage.open({ sampling: { tokensMax: 60 } }, 10 + at)
    const payers = await Promise.all(Array.from({ length: 40 }, (_, at) => open(at)))
    for (const payer of payers) await served(stage, payer)
    const frames = payers.map((payer) => payer.of('delta').length)
    expect(Math.max(...frames)).toBeLessThanOrEqual(1 + Math.ceil(60 / 16) + 1)
    expect(payers.every((payer) => payer.of('end').length === 1)).toBe(true)
  })

  test('bear their ids and log probabilities still', async () => {
    const told = { bytes: Uint8Array.of(120), logprob: -0.5, top: [] }
    const stage = await stageOf((mesh) => {
      const counting = countingEngine()
      return {
        ...counting,
        models: counting.models.map((model) => ({ ...model, features: ['chat', 'logprobs'] as const })),
        async *generate(): AsyncGenerator<Delta, Finish, undefined> {
          for (let at = 0; at < 30; at += 1) {
            await mesh.clock.sleep(1)
            yield { text: 'x', tokens: 1, tokenIds: [at], logprobs: [told] }
          }
          return 'stop'
        },
      }
    })
    const payer = await stage.open({ sampling: { logprobs: 0 } })
    await served(stage, payer)
    expect(payer.of('delta').length).toBeLessThan(10)
    expect(payer.of('delta').flatMap(({ tokenIds }) => tokenIds)).toEqual(Array.from({ length: 30 }, (_, at) => at))
    expect(payer.of('delta').flatMap(({ logprobs = [] }) => logprobs)).toHaveLength(30)
  })
})

describe('a cancel', () => {
  /** An engine that notes when its signal fires, and how many tokens it made. */
  function watched(mesh: MemoryMesh, made: { tokens: number; abortedAtMs: number | undefined }): Engine {
    const counting = countingEngine()
    return {
      ...counting,
      async *generate(_prompt, signal): AsyncGenerator<Delta, Finish, undefined> {
        signal.addEventListener('abort', () => {
          made.abortedAtMs = mesh.clock.now()
        })
        for (;;) {
          await mesh.clock.sleep(20, signal)
          made.tokens += 1
          yield { text: 'x', tokens: 1, tokenIds: [made.tokens] }
        }
      },
    }
  }

  test('reaches the engine in no time, and what was delivered is what is accounted for', async () => {
    const made = { tokens: 0, abortedAtMs: undefined }
    const stage = await stageOf((mesh) => watched(mesh, made))
    const payer = await stage.open()
    await stage.mesh.clock.advance(210)
    await payer.send({ type: 'cancel' })
    await quiet()
    expect(made).toEqual({ tokens: 10, abortedAtMs: stage.mesh.clock.now() })
    expect(payer.of('end')).toMatchObject([{ finish: 'cancelled', receipt: { usage: { completionTokens: 10 } } }])
  })

  test('does not wait for a voucher that is being written', async () => {
    const made = { tokens: 0, abortedAtMs: undefined }
    const store = new MemoryStore()
    const stage = await stageOf((mesh) => watched(mesh, made), {}, store)
    const payer = await stage.open()
    await stage.mesh.clock.advance(100)
    store.hold()
    await stage.mesh.clock.advance(20) // the voucher for this token is not on disk
    await payer.send({ type: 'cancel' })
    await quiet()
    expect(store.waiting).toBeGreaterThan(0)
    expect(made.abortedAtMs).toBe(stage.mesh.clock.now())
    expect(payer.of('end')).toHaveLength(1)
  })

  test('does not wait for a chain that does not answer', async () => {
    const stage = await stageOf(() => countingEngine())
    stage.mesh.chain.delay = () => new Promise(() => undefined)
    const payer = await stage.open()
    await payer.send({ type: 'cancel' })
    await quiet()
    expect(payer.frames).toMatchObject([{ type: 'fail', code: 'cancelled' }])
  })

  test('does not wait for a chain that falls silent while tokens flow', async () => {
    const made = { tokens: 0, abortedAtMs: undefined }
    const stage = await stageOf((mesh) => watched(mesh, made), { provider: { escrowCheckMs: 100 } })
    const payer = await stage.open()
    await stage.mesh.clock.advance(50)
    stage.mesh.chain.delay = () => new Promise(() => undefined)
    await stage.mesh.clock.advance(150)
    await payer.send({ type: 'cancel' })
    await quiet()
    expect(made.abortedAtMs).toBe(stage.mesh.clock.now())
    expect(payer.of('end')).toMatchObject([{ finish: 'cancelled' }])
  })

  test('is answered while the engine is frozen; its slot is free when it lets go', async () => {
    const frozen = Promise.withResolvers<void>()
    const stage = await stageOf(() => countingEngine({ pause: () => frozen.promise, slots: 1 }))
    const payer = await stage.open()
    await payer.send({ type: 'cancel' })
    await quiet()
    expect(payer.of('end')).toMatchObject([{ finish: 'cancelled' }])
    expect(stage.provider.node.serving?.active).toBe(1)
    frozen.resolve()
    await quiet()
    expect(stage.provider.node.serving?.active).toBe(0)
  })

  test('counts no token that waits for a voucher', async () => {
    const stage = await stageOf(paced(5), { provider: { creditTokens: 8 } })
    const payer = await stage.open()
    await stage.mesh.clock.advance(20)
    payer.isPaying = false
    await stage.mesh.clock.advance(500)
    const before = payer.of('delta').reduce((sum, { tokens }) => sum + tokens, 0)
    await payer.send({ type: 'cancel' })
    await quiet()
    expect(payer.of('end')).toMatchObject([{ finish: 'cancelled', receipt: { usage: { completionTokens: before } } }])
  })
})

describe('an engine that fails', () => {
  test('is paid for what it said before', async () => {
    const stage = await stageOf((mesh) => ({
      ...countingEngine(),
      async *generate(): AsyncGenerator<Delta, Finish, undefined> {
        for (let at = 0; at < 5; at += 1) {
          await mesh.clock.sleep(1)
          yield { text: 'x', tokens: 1, tokenIds: [at] }
        }
        throw new MeshError('engine-failed', 'out of memory')
      },
    }))
    const payer = await stage.open()
    await served(stage, payer)
    expect(payer.of('delta').flatMap(({ tokenIds }) => tokenIds)).toEqual([0, 1, 2, 3, 4])
    expect(payer.frames.at(-1)).toMatchObject({ type: 'fail', code: 'engine-failed' })
  })
})

describe('the queue', () => {
  test('tells place and time, and refuses with the time when it is full', async () => {
    const stage = await stageOf(paced(10, { slots: 1 }), { provider: { queueMax: 1 } })
    const first = await stage.open({ sampling: { tokensMax: 100 } }, 11)
    await served(stage, first)
    await stage.open({ sampling: { tokensMax: 100 } }, 12)
    const waiting = await stage.open({ sampling: { tokensMax: 100 } }, 13)
    const heldMs = (first.heard.at(-1)?.atMs ?? 0) - (first.heard[0]?.atMs ?? 0)
    expect(waiting.of('queued')).toEqual([{ type: 'queued', position: 1, etaMs: expect.any(Number) }])
    expect(Math.abs((waiting.of('queued')[0]?.etaMs ?? 0) - heldMs)).toBeLessThanOrEqual(10)
    const refused = await stage.open({}, 14)
    expect(refused.of('fail')).toMatchObject([{ code: 'busy', retryAfterMs: waiting.of('queued')[0]?.etaMs }])
  })
})

// Each adversary does what its name says, and what it gets from a production node on the other side is bounded.

import { describe, expect, test } from 'vitest'
import { configOf } from '../../node/config.ts'
import type { NodeEvent } from '../../node/events.ts'
import type { InferenceEvent } from '../../node/inference.ts'
import { type MeshNode, startNode } from '../../node/node.ts'
import type { Delta, Engine, Ports } from '../../node/ports.ts'
import { addressOf, declaredModelKeyOf } from '../../protocol/ids.ts'
import { costNano, type Nano } from '../../protocol/money.ts'
import { adversaries, corrupt, smallerOf } from '../../sim/adversaries.ts'
import { identityOf } from '../../sim/identity.ts'
import { Kernel } from '../../sim/kernel.ts'
import { clockOf, Life } from '../../sim/life.ts'
import { ModelChain } from '../../sim/model/chain.ts'
import { createModelEngine, loadProfile } from '../../sim/model/engine/engine.ts'
import { promptDigest, tokenIdAt } from '../../sim/model/engine/tokens.ts'
import { ModelDisk } from '../../sim/model/store.ts'
import type { AdversaryKind, PeerSpec } from '../../sim/plan.ts'
import { seededRandom } from '../../sim/random.ts'
import { MemoryMesh } from '../policy/memory-mesh.ts'
import { drive } from './driven.ts'

const model = 'm'
const key = declaredModelKeyOf(model)
const messages = [{ role: 'user', content: 'Which way did it go?' }] as const
const slots = 2
const config = configOf({ consumer: { attemptsMax: 1 } })
const gram = 1_000_000_000n

const spec = (name: string, adversary: AdversaryKind | undefined, provides: boolean): PeerSpec => ({
  name,
  group: 'test',
  place: { region: 'eu', upBitsPerSecond: 1e9, downBitsPerSecond: 1e9, nat: 'open' },
  provider: provides ? { profile: 'cpu-tiny', model } : undefined,
  consumer: provides ? undefined : { depositNano: 10n * gram },
  settler: false,
  config: {},
  adversary,
  clockSkewMs: 0,
  disk: { syncMs: 1, tornWrites: false },
})

class Bench {
  readonly kernel = new Kernel()
  readonly mesh = new MemoryMesh()
  readonly chain = new ModelChain({
    scheduler: this.kernel,
    random: seededRandom(1),
    plan: { blockMs: 1_000, tvm: false },
  })
  readonly events: { readonly name: string; readonly event: NodeEvent }[] = []
  readonly #life = new Life()

  ports(name: string, adversary: AdversaryKind | undefined, provides: boolean): Ports {
    const { kernel, mesh, chain } = this
    const life = this.#life
    const random = seededRandom(name)
    const identity = identityOf(1, name)
    const ports: Ports = {
      clock: clockOf(kernel, life),
      random,
      identity,
      network: mesh.networkOf(identity),
      engine: provides
        ? createModelEngine({ scheduler: kernel, profile: loadProfile('cpu-tiny'), model, slots, life, random })
        : undefined,
      store: new ModelDisk({ scheduler: kernel, random, spec: { syncMs: 1, tornWrites: false } }).mount(life),
      chain: chain.endpoint(life),
      observe: (event) => this.events.push({ name, event }),
    }
    return adversary ? corrupt(adversary, ports, random.fork('adversary'), spec(name, adversary, provides)) : ports
  }

  provider(name: string, adversary?: AdversaryKind): Promise<MeshNode> {
    const ports = this.ports(name, adversary, true)
    return startNode(config, ports, { provider: { payout: addressOf(ports.identity.publicKey) } })
  }

  consumer(name: string, adversary?: AdversaryKind): Promise<MeshNode> {
    const ports = this.ports(name, adversary, false)
    const { address } = this.chain.openEscrow(ports.identity.publicKey, 10n * gram)
    return startNode(config, ports, { consumer: { escrow: address } })
  }

  /** One answer of at most so many tokens; how it ended. */
  async ask(consumer: MeshNode, tokensMax: number): Promise<{ ids: number[]; text: string; code: string }> {
    const ids: number[] = []
    let text = ''
    const collect = (event: InferenceEvent): void => {
      if (event.type !== 'delta') return
      ids.push(...event.tokenIds)
      text += event.text
    }
    const work = async (): Promise<string> => {
      const request = { model, messages, sampling: { tokensMax } }
      const answer = consumer.inference?.infer(request, new AbortController().signal)
      if (!answer) throw new TypeError('not a consumer')
      try {
        for (;;) {
          const next = await answer.next()
          if (next.done) return ''
          collect(next.value)
        }
      } catch (error) {
        return error instanceof Error && 'code' in error ? String(error.code) : String(error)
      }
    }
    const code = await drive(this.kernel, work())
    return { ids, text, code }
  }

  served(name: string): { readonly tokens: number; readonly costNano: Nano } {
    let tokens = 0
    let nano = 0n
    for (const { name: by, event } of this.events) {
      if (by !== name || event.type !== 'request-served') continue
      tokens += event.usage.completionTokens
      nano += event.costNano
    }
    return { tokens, costNano: nano }
  }

  /** What this provider holds vouchers for. */
  booked(name: string): Nano {
    return this.events.reduce(
      (most, { name: by, event }) =>
        by === name && event.type === 'voucher-booked' && event.amountNano > most ? event.amountNano : most,
      0n,
    )
  }
}

async function open(adversary?: AdversaryKind): Promise<{ bench: Bench; consumer: MeshNode }> {
  const bench = new Bench()
  await drive(bench.kernel, bench.provider('provider', adversary))
  return { bench, consumer: await drive(bench.kernel, bench.consumer('consumer')) }
}

const honestIds = (count: number, of = key): number[] =>
  Array.from({ length: count }, (_, at) => tokenIdAt(of, promptDigest(messages), at))

test('an honest provider says what the model says', async () => {
  const { bench, consumer } = await open()
  expect(await bench.ask(consumer, 40)).toMatchObject({ ids: honestIds(40), code: '' })
  expect(bench.served('provider').tokens).toBe(40)
})

describe('a false advert', () => {
  test('promises four times the slots and speed', () => {
    const bench = new Bench()
    const { engine: honest } = bench.ports('honest', undefined, true)
    const { engine } = bench.ports('liar', 'false-advert', true)
    expect(engine?.slots).toBe(4 * slots)
    expect(engine?.models[0]?.decodeTokensPerSecond).toBe(4 * (honest?.models[0]?.decodeTokensPerSecond ?? 0))
    expect(engine?.models[0]?.key).toBe(key)
  })

  test('starts no more at once than there are slots, and serves all in the end', async () => {
    const bench = new Bench()
    const { engine } = bench.ports('liar', 'false-advert', true)
    if (!engine) throw new TypeError('no engine')
    const answers = Array.from({ length: 4 * slots }, () => generated(engine, 10))
    expect((await drive(bench.kernel, Promise.all(answers))).map((deltas) => tokensOf(deltas))).toEqual(
      Array.from({ length: 4 * slots }, () => 10),
    )
  })

  test('lets go of a request that is given up while it waits', async () => {
    const bench = new Bench()
    const { engine } = bench.ports('liar', 'false-advert', true)
    if (!engine) throw new TypeError('no engine')
    const others = Array.from({ length: slots }, () => generated(engine, 10))
    const leaving = new AbortController()
    const waits = generated(engine, 10, leaving.signal)
    bench.kernel.at(bench.kernel.now() + 1, () => leaving.abort(new Error('gone')))
    await expect(drive(bench.kernel, waits)).rejects.toThrow('gone')
    await drive(bench.kernel, Promise.all(others))
  })
})

async function generated(engine: Engine, tokensMax: number, signal = new AbortController().signal): Promise<Delta[]> {
  const deltas: Delta[] = []
  const generation = { model: key, messages, sampling: { tokensMax }, resumeTokenIds: [] }
  const prompt = await engine.prepare(generation, signal)
  for await (const delta of engine.generate(prompt, signal)) deltas.push(delta)
  return deltas
}

function tokensOf(deltas: readonly Delta[]): number {
  return deltas.reduce((sum, { tokens }) => sum + tokens, 0)
}

describe('a wrong model', () => {
  test('says what a smaller one says, under the key of the larger, and is paid for it', async () => {
    const { bench, consumer } = await open('wrong-model')
    const { ids, code } = await bench.ask(consumer, 41)
    expect(code).toBe('')
    expect(ids).toEqual(honestIds(41, smallerOf(key)))
    expect(ids).not.toEqual(honestIds(41))
    await bench.kernel.run(bench.kernel.now() + 1_000) // the last voucher is on its way
    expect(bench.booked('provider')).toBe(bench.served('provider').costNano)
  })

  test('answers in less time than the real one', async () => {
    const elapsed = async (adversary: AdversaryKind | undefined): Promise<number> => {
      const bench = new Bench()
      const { engine } = bench.ports('provider', adversary, true)
      if (!engine) throw new TypeError('no engine')
      const startMs = bench.kernel.now()
      await drive(bench.kernel, generated(engine, 200))
      return bench.kernel.now() - startMs
    }
    expect(await elapsed('wrong-model')).toBeLessThan(0.7 * (await elapsed(undefined)))
  })
})

test('garbage is of the length that was asked for, and no model says it', async () => {
  const { bench, consumer } = await open('garbage')
  const { ids, code } = await bench.ask(consumer, 40)
  expect(code).toBe('')
  expect(ids).toHaveLength(40)
  expect(ids).not.toEqual(honestIds(40))
})

test('token inflation charges for twice what it says, and no more than was asked for', async () => {
  const { bench, consumer } = await open('token-inflation')
  const { ids, text, code } = await bench.ask(consumer, 40)
  expect(code).toBe('')
  expect(text).toHaveLength(20)
  expect(ids).toHaveLength(40)
  expect(bench.served('provider').tokens).toBe(40)
})

test('a stalling provider stops within 32 tokens, and the caller is told in time', async () => {
  const { bench, consumer } = await open('stalling')
  const startMs = bench.kernel.now()
  const { ids, code } = await bench.ask(consumer, 200)
  expect(code).not.toBe('')
  expect(ids.length).toBeGreaterThan(0)
  expect(ids.length).toBeLessThan(64)
  expect(ids).toEqual(honestIds(ids.length))
  expect(bench.kernel.now() - startMs).toBeLessThan(2 * config.consumer.betweenDeltasMs)
})

describe('a consumer that does not pay', () => {
  test('gets a prompt and a credit window from a provider, and then nothing ever again', async () => {
    const bench = new Bench()
    await drive(bench.kernel, bench.provider('provider'))
    const consumer = await drive(bench.kernel, bench.consumer('leech', 'non-paying'))
    const first = await bench.ask(consumer, 400)
    expect(first.code).toBe('timeout') // its own node waits for tokens that the provider holds back
    expect(first.ids.length).toBeLessThanOrEqual(config.provider.creditTokens)
    for (let again = 0; again < 3; again += 1) {
      await bench.kernel.run(bench.kernel.now() + 120_000)
      expect((await bench.ask(consumer, 400)).ids).toEqual([])
    }
    const { costNano: servedNano } = bench.served('provider')
    const window = { promptTokens: 0, cachedTokens: 0, completionTokens: config.provider.creditTokens }
    const price = {
      promptNano: config.provider.promptPriceNano,
      completionNano: config.provider.completionPriceNano,
      cachedNano: config.provider.cachedPriceNano,
    }
    expect(bench.booked('provider')).toBeGreaterThan(0n)
    expect(servedNano - bench.booked('provider')).toBeLessThanOrEqual(costNano(window, price))
  })

  test('gets a whole answer that fits the window, and pays for its prompt only', async () => {
    const bench = new Bench()
    await drive(bench.kernel, bench.provider('provider'))
    const consumer = await drive(bench.kernel, bench.consumer('leech', 'non-paying'))
    expect((await bench.ask(consumer, 30)).ids).toHaveLength(30)
    const { costNano: servedNano } = bench.served('provider')
    expect(bench.booked('provider')).toBeLessThan(servedNano)
  })
})

test.each(['sybil', 'eclipse'] as const)('%s is the network’s doing and leaves the ports alone', (kind) => {
  const bench = new Bench()
  const ports = bench.ports('peer', undefined, true)
  expect(corrupt(kind, ports, seededRandom(1), spec('peer', kind, true))).toBe(ports)
  expect(adversaries[kind].dht).toBeDefined()
})

test.each([
  ['garbage', false],
  ['non-paying', true],
] as const)('a %s adversary without the role for it is refused', (kind, provides) => {
  const bench = new Bench()
  expect(() => bench.ports('peer', kind, provides)).toThrow(RangeError)
})

test('equal seeds misbehave equally', async () => {
  const answer = async () => {
    const { bench, consumer } = await open('garbage')
    return bench.ask(consumer, 60)
  }
  expect(await answer()).toEqual(await answer())
})

// Hedging: a second provider is asked when the first is slow to begin, the first to deliver goes on, the other is left, and each
// is paid for what it did.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Overrides, resolveConfig } from '../../node/config.ts'
import { FirstTokens } from '../../node/consumer/hedge.ts'
import type { NodeEvent } from '../../node/events.ts'
import type { InferenceEvent, InferenceRequest, InferenceResult } from '../../node/inference.ts'
import { coveredNano, unpaidNano } from '../../node/settlement/channel.ts'
import { asMeshError, MeshError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { costNano } from '../../protocol/money.ts'
import { MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber } from './peers.ts'
import { price, Scripted, story, storyEngine, type Talk } from './scripted.ts'

const messages = [{ role: 'user', content: 'hello' }] as const
const promptNano = costNano({ promptTokens: 5, cachedTokens: 0, completionTokens: 0 }, price)
const answerNano = costNano({ promptTokens: 5, cachedTokens: 0, completionTokens: 40 }, price)
const never = (): Promise<never> => new Promise(() => undefined)

interface Stage {
  readonly mesh: MemoryMesh
  readonly first: Scripted
  readonly second: Scripted
  readonly consumer: Peer
}

type Script = (talk: Talk, mesh: MemoryMesh) => Promise<void>

const answers =
  (acceptMs: number, beginMs = 0): Script =>
  async (talk, { clock }) => {
    await clock.sleep(acceptMs)
    await talk.accepted()
    await clock.sleep(beginMs)
    await talk.deltas(40)
    await talk.end('length')
  }

async function stage(first: Script, second: Script, config: Overrides = {}, slotsFree = 4): Promise<Stage> {
  const mesh = new MemoryMesh()
  const one = new Scripted(mesh, 2, (talk) => first(talk, mesh))
  const other = new Scripted(mesh, 3, (talk) => second(talk, mesh), { slotsFree })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config })
  return { mesh, first: one, second: other, consumer }
}

interface Outcome {
  readonly text: string
  readonly providers: readonly PeerId[]
  readonly result: InferenceResult | undefined
  readonly code: string | undefined
}

async function ask({ first, consumer }: Stage, request: Partial<InferenceRequest> = {}): Promise<Outcome> {
  const preferences = { order: [first.peerId] }
  const asked = { model: 'm', messages, sampling: { tokensMax: 40 }, preferences, hedge: 500, ...request }
  return outcomeOf(consumer.node.inference?.infer(asked, new AbortController().signal))
}

async function outcomeOf(
  answer: AsyncGenerator<InferenceEvent, InferenceResult, undefined> | undefined,
): Promise<Outcome> {
  let text = ''
  const providers: PeerId[] = []
  try {
    for (;;) {
      const next = await answer?.next()
      if (!next || next.done) return { text, providers, result: next?.value, code: undefined }
      if (next.value.type === 'accepted') providers.push(next.value.provider)
      if (next.value.type === 'delta') text += next.value.text
    }
  } catch (error) {
    return { text, providers, result: undefined, code: asMeshError(error).code }
  }
}

function eventsOf<T extends NodeEvent['type']>({ events }: Peer, type: T): readonly (NodeEvent & { type: T })[] {
  return events.filter((event): event is NodeEvent & { type: T } => event.type === type)
}

describe('a first provider that is slow', () => {
  test('to accept loses to the second, and is paid nothing', async () => {
    const there = await stage(never, answers(10, 40))
    const { consumer, first, mesh, second } = there
    const startMs = mesh.clock.now()
    const { providers, result, text } = await mesh.clock.finish(ask(there))
    expect(text).toBe(story(40))
    expect(providers).toEqual([second.peerId])
    expect(result).toMatchObject({ provider: second.peerId, failovers: 0, costNano: answerNano })
    expect(first.cancels).toBe(1)
    expect(first.paidNano).toBe(0n)
    expect(second.paidNano).toBe(second.owedNano)
    expect(eventsOf(consumer, 'hedge-started')).toEqual([
      expect.objectContaining({ peer: second.peerId, first: first.peerId, elapsedMs: 500 }),
    ])
    expect(eventsOf(consumer, 'hedge-won')).toEqual([
      expect.objectContaining({ peer: second.peerId, loser: first.peerId, isSecond: true, elapsedMs: 550 }),
    ])
    expect(eventsOf(consumer, 'attempt-failed')).toEqual([])
    expect(eventsOf(consumer, 'first-token')).toHaveLength(1)
    // a provider that does not account for itself holds up the end no longer than this
    expect(mesh.clock.now() - startMs).toBeLessThanOrEqual(550 + 500)
  })

  test('to begin loses to the second, and is paid its prompt', async () => {
    const there = await stage(answers(10, 100_000), answers(10, 40))
    const { first, mesh, second } = there
    const { providers, result, text } = await mesh.clock.finish(ask(there))
    expect(text).toBe(story(40))
    expect(providers).toEqual([first.peerId, second.peerId])
    expect(result?.costNano).toBe(promptNano + answerNano)
    expect(result?.usage).toEqual({ promptTokens: 5, cachedTokens: 0, completionTokens: 40 })
    expect([first.paidNano, second.paidNano]).toEqual([promptNano, answerNano])
  })

  test('and is first all the same goes on, and the second is left', async () => {
    const there = await stage(answers(10, 700), answers(100, 100_000))
    const { consumer, first, mesh, second } = there
    const { providers, result, text } = await mesh.clock.finish(ask(there))
    expect(text).toBe(story(40))
    expect(providers).toEqual([first.peerId])
    expect(result).toMatchObject({ provider: first.peerId, costNano: promptNano + answerNano, failovers: 0 })
    expect(second.cancels).toBe(1)
    expect([first.paidNano, second.paidNano]).toEqual([answerNano, promptNano])
    expect(eventsOf(consumer, 'hedge-won')).toEqual([
      expect.objectContaining({ peer: first.peerId, loser: second.peerId, isSecond: false }),
    ])
    expect(eventsOf(consumer, 'request-finished')).toEqual([expect.objectContaining({ peer: first.peerId })])
  })

  test('and fails gives way to the second, which is a failover', async () => {
    const failing: Script = async (talk, { clock }) => {
      await clock.sleep(600)
      await talk.send({ type: 'fail', code: 'engine-failed', message: '', retryAfterMs: undefined })
    }
    const there = await stage(failing, answers(10, 1_000))
    const { result, text } = await there.mesh.clock.finish(ask(there))
    expect(text).toBe(story(40))
    expect(result).toMatchObject({ provider: there.second.peerId, failovers: 1, costNano: answerNano })
    expect(eventsOf(there.consumer, 'attempt-failed')).toEqual([
      expect.objectContaining({ peer: there.first.peerId, code: 'engine-failed' }),
    ])
  })

  test('goes on alone where the second fails', async () => {
    const there = await stage(answers(10, 1_000), async ({ stream }) => stream.reset(new Error('gone')))
    const { result, text } = await there.mesh.clock.finish(ask(there))
    expect(text).toBe(story(40))
    expect(result).toMatchObject({ provider: there.first.peerId, failovers: 0, costNano: answerNano })
  })

  test('and fails after the second did is replaced by a third', async () => {
    const failing =
      (ms: number): Script =>
      async (talk, { clock }) => {
        await clock.sleep(ms)
        await talk.send({ type: 'fail', code: 'engine-failed', message: '', retryAfterMs: undefined })
      }
    const there = await stage(failing(700), failing(100))
    const third = new Scripted(there.mesh, 4, (talk) => answers(10)(talk, there.mesh))
    const preferences = { order: [there.first.peerId, there.second.peerId] }
    const { result, text } = await there.mesh.clock.finish(ask(there, { preferences }))
    expect(text).toBe(story(40))
    expect(result).toMatchObject({ provider: third.peerId, failovers: 1 })
  })
})

describe('no second provider is asked', () => {
  const slow = answers(0, 3_000)
  const quick = answers(10)

  async function aloneWith(request: Partial<InferenceRequest>, config: Overrides = {}, slotsFree = 4): Promise<void> {
    const there = await stage(slow, quick, config, slotsFree)
    const { text } = await there.mesh.clock.finish(ask(there, request))
    expect(text).toBe(story(40))
    expect(there.second.talks).toEqual([])
    expect(eventsOf(there.consumer, 'hedge-started')).toEqual([])
  }

  test('where nobody wished for it', () => aloneWith({ hedge: undefined }))
  test('where the first began in time', () => aloneWith({ hedge: 3_001 }))
  test('where fallbacks are not allowed', () => aloneWith({ preferences: { allowFallbacks: false, only: only() } }))
  test('where nobody else has a free slot', () => aloneWith({}, {}, 0))
  test('where the budget pays for one answer and not for two', () => aloneWith({ costNanoMax: 2n * answerNano }))
  test('after a p95 of too few answers', () => aloneWith({ hedge: 'p95' }))

  function only(): readonly PeerId[] {
    return [new Scripted(new MemoryMesh(), 2, never).peerId]
  }
})

test('a budget that pays for two answers is enough', async () => {
  const there = await stage(answers(0, 3_000), answers(10))
  const bound = 5n * promptNano // a prompt of five letters may have 100 tokens and more
  const costNanoMax = 2n * (answerNano + 10n * bound)
  const { result } = await there.mesh.clock.finish(ask(there, { costNanoMax }))
  expect(result?.provider).toBe(there.second.peerId)
})

test('the setting asks for it, by a p95 that is known after twenty answers', async () => {
  let asked = 0
  const script: Script = async (talk, mesh) => {
    asked += 1
    await answers(0, asked === 30 ? 5_000 : 100 + asked)(talk, mesh)
  }
  const there = await stage(script, answers(0, 0), { consumer: { hedge: 'p95' } })
  for (let answer = 0; answer < 29; answer += 1) await there.mesh.clock.finish(ask(there, { hedge: undefined }))
  const early = eventsOf(there.consumer, 'hedge-started').length
  const { result } = await there.mesh.clock.finish(ask(there, { hedge: undefined }))
  expect(result?.provider).toBe(there.second.peerId)
  const started = eventsOf(there.consumer, 'hedge-started')
  expect(started.length - early).toBe(1)
  expect(started.at(-1)?.elapsedMs).toBeLessThan(150)
})

test('an accept that crosses the cancel is not paid', async () => {
  const crossing: Script = async (talk, { clock }) => {
    await clock.sleep(510) // the second began, and this provider has not heard of it
    await talk.accept()
    await clock.sleep(20)
    await talk.send({ type: 'fail', code: 'cancelled', message: '', retryAfterMs: undefined })
  }
  const there = await stage(crossing, answers(5))
  const { result } = await there.mesh.clock.finish(ask(there))
  expect(result).toMatchObject({ provider: there.second.peerId, costNano: answerNano })
  await there.mesh.clock.advance(10_000)
  expect(there.first.paidNano).toBe(0n)
})

test('and is, with what came after it, where the provider began all the same', async () => {
  const crossing: Script = async (talk, { clock }) => {
    await clock.sleep(510)
    await talk.accept() // in a window that another stream shares the prompt counts as paid
    await talk.deltas(3)
    await talk.end('cancelled')
  }
  const there = await stage(crossing, answers(5))
  const { result } = await there.mesh.clock.finish(ask(there))
  const begunNano = costNano({ promptTokens: 5, cachedTokens: 0, completionTokens: 3 }, price)
  expect(result?.costNano).toBe(answerNano + begunNano)
  expect(there.first.paidNano).toBe(begunNano)
})

test('a caller that leaves in the middle of the race leaves both', async () => {
  const accountable: Script = async (talk, { clock }) => {
    await talk.accepted()
    while (first.cancels + second.cancels < 2) await clock.sleep(10)
    await talk.end('cancelled')
  }
  const there = await stage(accountable, accountable)
  const { consumer, first, mesh, second } = there
  const leaving = new AbortController()
  const asked = { model: 'm', messages, sampling: {}, hedge: 500 }
  const answer = outcomeOf(consumer.node.inference?.infer(asked, leaving.signal))
  await mesh.clock.advance(1_000)
  leaving.abort(new MeshError('cancelled', 'the client went away'))
  expect((await mesh.clock.finish(answer)).result?.finish).toBe('cancelled')
  expect([first.cancels, second.cancels]).toEqual([1, 1])
  expect([first.paidNano, second.paidNano]).toEqual([promptNano, promptNano])
  expect(eventsOf(consumer, 'request-finished')).toEqual([
    expect.objectContaining({ outcome: 'cancelled', costNano: 2n * promptNano }),
  ])
})

test('whatever the providers’ pace, hedged answers are whole and every provider is paid to the nano', async () => {
  const request = fc.record({ atMs: fc.nat({ max: 300 }), hedge: fc.integer({ min: 1, max: 60 }) })
  const pauses = fc.array(fc.nat({ max: 80 }), { minLength: 1, maxLength: 7 })
  let second = 0
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 8 }), pauses, async (requests, pauses) => {
      const mesh = new MemoryMesh()
      let turn = 0
      const pause = (): Promise<void> => mesh.clock.sleep(pauses[turn++ % pauses.length] ?? 0)
      const providers: Peer[] = []
      for (const number of [2, 3, 4]) {
        const roles = { provider: { payout: addressOfNumber(0x20 + number) } }
        providers.push(await mesh.start({ number, roles, engine: storyEngine({ pause, slots: 3 }) }))
      }
      const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } } })
      const asked = requests.map(async ({ atMs, hedge }) => {
        await mesh.clock.sleep(atMs)
        const order = { model: 'm', messages, sampling: { tokensMax: 40 }, hedge }
        return outcomeOf(consumer.node.inference?.infer(order, new AbortController().signal))
      })
      const outcomes = await mesh.clock.finish(Promise.all(asked))
      await mesh.clock.advance(10_000)
      expect(outcomes.map(({ code, text }) => code ?? text)).toEqual(requests.map(() => story(40)))
      const channels = providers.flatMap(({ node }) => node.channels())
      expect(channels.map(unpaidNano).filter((nano) => nano > 0n)).toEqual([])
      const spentNano = outcomes.reduce((sum, { result }) => sum + (result?.costNano ?? 0n), 0n)
      expect(channels.reduce((sum, channel) => sum + coveredNano(channel), 0n)).toBe(spentNano)
      second += eventsOf(consumer, 'hedge-won').filter(({ isSecond }) => isSecond).length
    }),
    { numRuns: 150 },
  )
  expect(second).toBeGreaterThan(50)
})

describe('the setting', () => {
  const hedgeOf = (value: unknown): unknown => {
    const lookup = (group: string, name: string): unknown =>
      `${group}.${name}` === 'consumer.hedge' ? value : undefined
    return resolveConfig([{ origin: 'flag', describe: () => '--set', lookup }]).config.consumer.hedge
  }

  test.each([
    ['off', 'off'],
    ['p95', 'p95'],
    ['250', 250],
    [250, 250],
    [undefined, 'off'],
  ])('%s is %s', (value, hedge) => {
    expect(hedgeOf(value)).toBe(hedge)
  })

  test.each(['p99', '0', '1.5', 60_001, true])('%s is refused', (value) => {
    expect(() => hedgeOf(value)).toThrow(/expected off, p95 or a whole number from 1 to 60000/)
  })
})

describe('the time to a first token', () => {
  const noted = (...samples: readonly number[]): FirstTokens => {
    const times = new FirstTokens()
    for (const ms of samples) times.note('m', ms)
    return times
  }
  const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at + 1)

  test('that one in twenty takes longer than is known after twenty', () => {
    expect(noted(...upTo(19)).patienceMs('p95', 'm')).toBeUndefined()
    expect(noted(...upTo(20)).patienceMs('p95', 'm')).toBe(19)
    expect(noted(...upTo(100)).patienceMs('p95', 'm')).toBe(95)
  })

  test('is that of the latest answers, of the model asked for', () => {
    expect(noted(...upTo(100).map((ms) => 1_000 * ms), ...upTo(128)).patienceMs('p95', 'm')).toBe(122)
    expect(noted(...upTo(100)).patienceMs('p95', 'other')).toBeUndefined()
  })

  test('is forgotten for the model used longest ago', () => {
    const times = noted(...upTo(20))
    for (const model of upTo(63)) times.note(`model ${model}`, 1)
    expect(times.patienceMs('p95', 'm')).toBe(19)
    times.note('one more', 1)
    expect(times.patienceMs('p95', 'm')).toBeUndefined()
  })

  test('may be the caller’s own', () => {
    expect(new FirstTokens().patienceMs(250, 'm')).toBe(250)
  })
})

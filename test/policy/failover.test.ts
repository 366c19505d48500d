// A provider that fails in any phase of a request is replaced in time, every token of the answer comes once, and each provider
// is paid for what it delivered, to the nano.

import { describe, expect, test } from 'vitest'
import type { Overrides } from '../../node/config.ts'
import type { NodeEvent } from '../../node/events.ts'
import type { InferenceEvent, InferenceRequest, InferenceResult } from '../../node/inference.ts'
import type { Identity, Network } from '../../node/ports.ts'
import { coveredNano, unpaidNano } from '../../node/settlement/channel.ts'
import { asMeshError, type ErrorCode, type MeshError } from '../../protocol/errors.ts'
import { inferProtocol, type PeerId } from '../../protocol/ids.ts'
import { MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber } from './peers.ts'
import { Scripted, type StoryOptions, story, storyEngine, type Talk, vectorOf } from './scripted.ts'

const messages = [{ role: 'user', content: 'hello' }] as const
const payout = addressOfNumber(0x33)
const never = (): Promise<never> => new Promise(() => undefined)
/** More than a voucher's chunk of 32 tokens, and not a multiple of it. */
const before = 41
const whole = 100

/** Peers that cannot be dialled: nobody is there, or nobody answers. And connections that stay while streams break. */
class BadNetwork extends MemoryMesh {
  readonly hanging = new Set<PeerId>()
  readonly connected = new Set<PeerId>()

  override networkOf(identity: Identity): Network {
    const network = super.networkOf(identity)
    return {
      ...network,
      connections: () =>
        [...this.connected].map((peer) => ({ peer, direction: 'outbound', address: '', rttMs: undefined })),
      open: (peer, protocol, signal) => {
        if (protocol !== inferProtocol || !this.hanging.has(peer)) return network.open(peer, protocol, signal)
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
      },
    }
  }
}

interface Outcome {
  readonly text: string
  readonly vectors: readonly Float32Array[]
  readonly result: InferenceResult | undefined
  readonly failure: MeshError | undefined
  readonly events: readonly InferenceEvent[]
}

interface Stage {
  readonly mesh: BadNetwork
  readonly bad: Scripted
  readonly good: Peer | undefined
  readonly consumer: Peer
}

async function stage(
  script: (talk: Talk) => Promise<void>,
  { config = {}, engine = {}, serves = true, hasGood = true }: StageOptions = {},
): Promise<Stage> {
  const mesh = new BadNetwork()
  const bad = new Scripted(mesh, 2, script, {}, serves)
  const roles = { provider: { payout } }
  const good = hasGood ? await mesh.start({ number: 3, roles, engine: storyEngine(engine) }) : undefined
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config })
  return { mesh, bad, good, consumer }
}

interface StageOptions {
  readonly config?: Overrides
  readonly engine?: StoryOptions
  readonly serves?: boolean
  readonly hasGood?: boolean
}

async function ask({ bad, consumer }: Stage, request: Partial<InferenceRequest> = {}): Promise<Outcome> {
  const events: InferenceEvent[] = []
  const preferences = { order: [bad.peerId] }
  const asked = { model: 'm', messages, sampling: { tokensMax: whole }, preferences, ...request }
  const answer = consumer.node.inference?.infer(asked, new AbortController().signal)
  let result: InferenceResult | undefined
  let failure: MeshError | undefined
  try {
    for (;;) {
      const next = await answer?.next()
      if (!next || next.done) {
        result = next?.value
        break
      }
      events.push(next.value)
    }
  } catch (error) {
    failure = asMeshError(error)
  }
  const text = events.map((event) => (event.type === 'delta' ? event.text : '')).join('')
  const vectors = events.flatMap((event) => (event.type === 'embedding' ? [event.vector] : []))
  return { text, vectors, result, failure, events }
}

function eventsOf<T extends NodeEvent['type']>({ events }: Peer, type: T): readonly (NodeEvent & { type: T })[] {
  return events.filter((event): event is NodeEvent & { type: T } => event.type === type)
}

function paidExactly({ bad, consumer, good }: Stage, costNano: bigint | undefined): void {
  expect(bad.paidNano).toBe(bad.owedNano)
  expect(good?.node.channels().map(unpaidNano) ?? []).toEqual(good ? [0n] : [])
  const goodNano = good?.node.channels().reduce((sum, channel) => sum + coveredNano(channel), 0n) ?? 0n
  expect(costNano).toBe(bad.owedNano + goodNano)
  expect(eventsOf(consumer, 'request-finished').at(-1)?.costNano).toBe(costNano)
}

interface Phase {
  readonly when: string
  readonly script: (talk: Talk) => Promise<void>
  readonly code: ErrorCode
  /** Virtual time from the request to the failure's detection. */
  readonly afterMs: number
  readonly tokens: number
  readonly says?: RegExp
}

const fail = (code: ErrorCode) => ({ type: 'fail', code, message: 'no', retryAfterMs: undefined }) as const
const afterTokens =
  (act: (talk: Talk) => Promise<void>, tokens = before) =>
  async (talk: Talk): Promise<void> => {
    await talk.accepted()
    await talk.deltas(tokens)
    await act(talk)
  }

const phases: readonly Phase[] = [
  { when: 'says nothing', script: never, code: 'timeout', afterMs: 15_000, tokens: 0, says: /first answer/ },
  {
    when: 'queues the request and falls silent',
    script: async (talk) => talk.send({ type: 'queued', position: 2, etaMs: 100 }),
    code: 'timeout',
    afterMs: 60_000,
    tokens: 0,
    says: /queue/,
  },
  { when: 'refuses', script: async (talk) => talk.send(fail('busy')), code: 'busy', afterMs: 0, tokens: 0 },
  {
    when: 'resets the stream before a word',
    script: async ({ stream }) => stream.reset(new Error('gone')),
    code: 'unreachable',
    afterMs: 0,
    tokens: 0,
  },
  {
    when: 'accepts and decodes nothing',
    script: async (talk) => talk.accepted(),
    code: 'timeout',
    afterMs: 15_000,
    tokens: 0,
    says: /first token/,
  },
  {
    when: 'accepts and fails',
    script: afterTokens(async (talk) => talk.send(fail('engine-failed')), 0),
    code: 'engine-failed',
    afterMs: 0,
    tokens: 0,
  },
  {
    when: 'dies after some tokens',
    script: afterTokens(async ({ stream }) => stream.reset(new Error('gone'))),
    code: 'unreachable',
    afterMs: 0,
    tokens: before,
  },
  {
    when: 'closes after some tokens',
    script: afterTokens(async ({ stream }) => stream.close()),
    code: 'unreachable',
    afterMs: 0,
    tokens: before,
  },
  {
    when: 'falls silent after some tokens',
    script: afterTokens(never),
    code: 'timeout',
    afterMs: 10_000,
    tokens: before,
    says: /next token/,
  },
  {
    when: 'goes on without tokens',
    script: afterTokens(async (talk) => {
      for (;;) {
        await talk.send({ type: 'delta', index: talk.sent, text: '', tokens: 0, tokenIds: [] })
        await new Promise((resolve) => setImmediate(resolve))
      }
    }),
    code: 'timeout',
    afterMs: 10_000,
    tokens: before,
  },
  {
    when: 'refuses in the middle',
    script: afterTokens(async (talk) => talk.send(fail('engine-failed'))),
    code: 'engine-failed',
    afterMs: 0,
    tokens: before,
  },
  {
    when: 'shuts down in the middle',
    script: afterTokens(async (talk) => talk.end('cancelled')),
    code: 'draining',
    afterMs: 0,
    tokens: before,
  },
  {
    when: 'sends what is no frame',
    script: afterTokens(async ({ stream }) => stream.send(Uint8Array.of(0xff, 0xff, 0xff))),
    code: 'protocol-violation',
    afterMs: 0,
    tokens: before,
  },
  {
    when: 'sends a frame of a consumer',
    script: afterTokens(async ({ stream }) => stream.send(Uint8Array.of(0x1a, 0x00))),
    code: 'protocol-violation',
    afterMs: 0,
    tokens: before,
  },
  {
    when: 'repeats a token',
    script: afterTokens(async (talk) => {
      await talk.send({ type: 'delta', index: talk.sent - 1, text: 'again', tokens: 1, tokenIds: [9] })
    }),
    code: 'protocol-violation',
    afterMs: 0,
    tokens: before,
  },
  {
    when: 'leaves a token out',
    script: afterTokens(async (talk) => {
      await talk.send({ type: 'delta', index: talk.sent + 1, text: 'later', tokens: 1, tokenIds: [9] })
    }),
    code: 'protocol-violation',
    afterMs: 0,
    tokens: before,
  },
  {
    when: 'sends more than was asked for',
    script: afterTokens(async (talk) => {
      const tokenIds = Array.from({ length: 60 }, (_, at) => at)
      await talk.send({ type: 'delta', index: talk.sent, text: 'more', tokens: 60, tokenIds })
    }),
    code: 'overcharged',
    afterMs: 0,
    tokens: before,
  },
  {
    when: 'accepts twice',
    script: afterTokens(async (talk) => talk.accept()),
    code: 'protocol-violation',
    afterMs: 0,
    tokens: before,
  },
  {
    when: 'queues what it has accepted',
    script: afterTokens(async (talk) => talk.send({ type: 'queued', position: 1, etaMs: undefined })),
    code: 'protocol-violation',
    afterMs: 0,
    tokens: before,
  },
  {
    when: 'embeds a chat',
    script: afterTokens(async (talk) => talk.send({ type: 'embedding', index: 0, vector: Float32Array.of(1) })),
    code: 'protocol-violation',
    afterMs: 0,
    tokens: before,
  },
  {
    when: 'ends with too large an account',
    script: afterTokens(async (talk) => talk.end('stop', { completionTokens: before + 1 })),
    code: 'overcharged',
    afterMs: 0,
    tokens: before,
  },
  {
    when: 'ends with the account of another request',
    script: afterTokens(async (talk) => talk.end('stop', {}, new Uint8Array(32))),
    code: 'protocol-violation',
    afterMs: 0,
    tokens: before,
  },
  {
    when: 'ends at a limit that was not reached',
    script: afterTokens(async (talk) => talk.end('length')),
    code: 'protocol-violation',
    afterMs: 0,
    tokens: before,
    says: /limit/,
  },
]

describe('an answer is whole and paid for exactly when its provider', () => {
  test.each(phases)('$when', async ({ afterMs, code, says = /./, script, tokens }) => {
    const there = await stage(script)
    const { bad, consumer, good, mesh } = there
    const startMs = mesh.clock.now()
    const { result, text } = await mesh.clock.finish(ask(there))
    expect(mesh.clock.now() - startMs).toBe(afterMs) // nothing is waited for from the detection on
    const failures = eventsOf(consumer, 'attempt-failed')
    expect(failures).toEqual([expect.objectContaining({ peer: bad.peerId, code, tokensDelivered: tokens })])
    expect(failures[0]?.message).toMatch(says)
    expect(text).toBe(story(whole))
    expect(result).toMatchObject({ provider: good?.identity.peerId, failovers: 1 })
    expect(result?.usage.completionTokens).toBe(whole)
    await mesh.clock.advance(10_000) // debts are paid
    paidExactly(there, result?.costNano)
  })

  test.each([
    { when: 'is not there', hangs: false, code: 'unreachable', afterMs: 0 },
    { when: 'does not answer a dial', hangs: true, code: 'timeout', afterMs: 5_000 },
  ])('$when', async ({ afterMs, code, hangs }) => {
    const there = await stage(never, { serves: hangs })
    const { bad, consumer, mesh } = there
    if (hangs) mesh.hanging.add(bad.peerId)
    const startMs = mesh.clock.now()
    const { result, text } = await mesh.clock.finish(ask(there))
    expect(mesh.clock.now() - startMs).toBe(afterMs)
    expect(eventsOf(consumer, 'attempt-failed')).toEqual([expect.objectContaining({ peer: bad.peerId, code })])
    expect(text).toBe(story(whole))
    paidExactly(there, result?.costNano)
  })
})

test('an answer that changes providers at every third token is whole', async () => {
  const mesh = new MemoryMesh()
  const config = { consumer: { attemptsMax: 16 } }
  for (let number = 2; number < 17; number += 1) {
    new Scripted(
      mesh,
      number,
      afterTokens(async (talk) => talk.send(fail('engine-failed')), 3),
    )
  }
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } }, config })
  const events = consumer.node.inference?.infer(
    { model: 'm', messages, sampling: { tokensMax: 45 } },
    new AbortController().signal,
  )
  let text = ''
  for (;;) {
    const next = await mesh.clock.finish(events?.next() ?? never())
    if (next.done) break
    if (next.value.type === 'delta') text += next.value.text
  }
  expect(text).toBe(story(45))
})

test('a provider that goes after the last token asked for has no successor', async () => {
  const there = await stage(afterTokens(async ({ stream }) => stream.reset(new Error('gone')), whole - 40))
  const { result, text } = await there.mesh.clock.finish(ask(there, { sampling: { tokensMax: whole - 40 } }))
  expect(text).toBe(story(whole - 40))
  expect(result).toMatchObject({ finish: 'length', provider: there.bad.peerId, failovers: 0 })
  await there.mesh.clock.advance(10_000)
  expect(there.bad.paidNano).toBe(result?.costNano)
})

test('a limit that was not reached is the end where nobody else can go on', async () => {
  const there = await stage(
    afterTokens(async (talk) => talk.end('length')),
    { hasGood: false },
  )
  const { result, text } = await there.mesh.clock.finish(ask(there))
  expect(text).toBe(story(before))
  expect(result).toMatchObject({ finish: 'length', provider: there.bad.peerId })
  paidExactly(there, result?.costNano)
})

test('tokens without ids are not continued, and the error says so', async () => {
  const there = await stage(async (talk) => {
    await talk.accepted()
    await talk.send({ type: 'delta', index: 0, text: 'one two', tokens: 2, tokenIds: [] })
    await talk.send(fail('engine-failed'))
  })
  const { failure, text } = await there.mesh.clock.finish(ask(there))
  expect(text).toBe('one two')
  expect(failure?.code).toBe('engine-failed')
  expect(failure?.message).toMatch(/2 of the 2 tokens came without their ids/)
  expect(there.good?.events.filter(({ type }) => type === 'request-admitted')).toEqual([])
})

test('a chain that does not answer holds up no switch to a provider that is known', async () => {
  const there = await stage(afterTokens(never))
  const { good, mesh } = there
  const order = { order: [good?.identity.peerId ?? ''] }
  await mesh.clock.finish(ask(there, { preferences: order })) // its tab is known from now on
  await mesh.clock.finish(ask(there))
  mesh.chain.delay = never
  await mesh.clock.advance(70_000) // the view of the own escrow is old
  const startMs = mesh.clock.now()
  const { text } = await mesh.clock.finish(ask(there))
  expect(text).toBe(story(whole))
  expect(mesh.clock.now() - startMs).toBe(12_000) // two seconds before it is asked, and ten of silence
})

test.each([
  { connection: 'with a connection that lives', isConnected: true, code: 'busy', lost: 0 },
  { connection: 'with its connection', isConnected: false, code: 'unreachable', lost: 1 },
])('a stream that breaks before a word beside others, $connection, is $code', async ({ code, isConnected, lost }) => {
  let talks = 0
  const there = await stage(async (talk) => {
    talks += 1
    if (talks === 2) return talk.stream.reset(new Error('too many'))
    await talk.accepted()
    await there.mesh.clock.sleep(1_000)
    await talk.deltas(whole)
    await talk.end('length')
  })
  const { bad, consumer, mesh } = there
  if (isConnected) mesh.connected.add(bad.peerId)
  const outcomes = await mesh.clock.finish(Promise.all([ask(there), ask(there)]))
  expect(outcomes.map(({ text }) => text)).toEqual([story(whole), story(whole)])
  expect(eventsOf(consumer, 'attempt-failed')).toEqual([expect.objectContaining({ peer: bad.peerId, code })])
  expect(eventsOf(consumer, 'provider-lost')).toHaveLength(lost)
})

test('a queue is told of while nothing was delivered', async () => {
  const there = await stage(
    async (talk) => {
      await talk.send({ type: 'queued', position: 2, etaMs: 4_000 })
      await talk.send({ type: 'queued', position: 1, etaMs: undefined })
      await talk.send(fail('busy'))
    },
    { hasGood: false }, // who advertised a free slot is left where another has one
  )
  const { events } = await there.mesh.clock.finish(ask(there))
  const provider = there.bad.peerId
  expect(events.filter(({ type }) => type === 'queued')).toEqual([
    { type: 'queued', provider, position: 2, etaMs: 4_000 },
    { type: 'queued', provider, position: 1, etaMs: undefined },
  ])
  expect(eventsOf(there.consumer, 'attempt-queued')).toEqual([
    expect.objectContaining({ peer: provider, position: 2, etaMs: 4_000 }), // once: a provider could tell it for ever
  ])
})

test('and not after', async () => {
  const there = await stage(
    afterTokens(async (talk) => talk.send(fail('engine-failed'))),
    { hasGood: false },
  )
  new Scripted(there.mesh, 4, async (talk) => {
    await talk.send({ type: 'queued', position: 1, etaMs: undefined })
    await talk.accepted()
    await talk.deltas(whole - before)
    await talk.end('length')
  })
  const { events, text } = await there.mesh.clock.finish(ask(there))
  expect(text).toBe(story(whole))
  expect(events.filter(({ type }) => type === 'queued')).toEqual([])
})

describe('texts to embed', () => {
  const inputs = ['a', 'bb', 'ccc', 'dddd']
  const embed = (there: Stage): Promise<Outcome> => ask(there, { messages: [], inputs, sampling: {} })
  const vectors = async (talk: Talk, count: number): Promise<void> => {
    await talk.accepted()
    for (const [index, input] of (talk.open.inputs ?? []).slice(0, count).entries()) {
      await talk.send({ type: 'embedding', index, vector: vectorOf(input) })
    }
  }

  test('come back as one vector each, in order, and cost their prompt', async () => {
    const there = await stage(async (talk) => {
      await vectors(talk, 4)
      await talk.end('stop')
    })
    const { events, result, vectors: got } = await there.mesh.clock.finish(embed(there))
    expect(got).toEqual(inputs.map(vectorOf))
    expect(events.map((event) => (event.type === 'embedding' ? event.index : event.type))).toEqual([
      'accepted',
      0,
      1,
      2,
      3,
    ])
    expect(result?.usage).toEqual({ promptTokens: 10, cachedTokens: 0, completionTokens: 0 })
    paidExactly({ ...there, good: undefined }, result?.costNano)
  })

  test.each([
    { when: 'dies', act: async ({ stream }: Talk) => stream.reset(new Error('gone')), code: 'unreachable' },
    { when: 'ends early', act: async (talk: Talk) => talk.end('stop'), code: 'protocol-violation' },
    {
      when: 'sends a vector of another length',
      act: async (talk: Talk) => talk.send({ type: 'embedding', index: 2, vector: Float32Array.of(1) }),
      code: 'protocol-violation',
    },
    {
      when: 'leaves one out',
      act: async (talk: Talk) => talk.send({ type: 'embedding', index: 3, vector: vectorOf('dddd') }),
      code: 'protocol-violation',
    },
    { when: 'sends text', act: async (talk: Talk) => talk.deltas(1), code: 'protocol-violation' },
  ])('that a provider leaves when it $when are embedded elsewhere, and no other twice', async ({ act, code }) => {
    const there = await stage(
      async (talk) => {
        await vectors(talk, 2)
        await act(talk)
      },
      { hasGood: false },
    )
    const second = new Scripted(there.mesh, 4, async (talk) => {
      await vectors(talk, 4)
      await talk.end('stop')
    })
    const { events, result, vectors: got } = await there.mesh.clock.finish(embed(there))
    expect(eventsOf(there.consumer, 'attempt-failed').map((event) => event.code)).toEqual([code])
    expect(got).toEqual(inputs.map(vectorOf))
    expect(events.flatMap((event) => (event.type === 'embedding' ? [event.index] : []))).toEqual([0, 1, 2, 3])
    expect(second.talks.map(({ open }) => open.inputs)).toEqual([['ccc', 'dddd']])
    expect(result?.usage.promptTokens).toBe(10)
  })

  test('more vectors than texts are a violation', async () => {
    const there = await stage(
      async (talk) => {
        await vectors(talk, 4)
        await talk.send({ type: 'embedding', index: 4, vector: vectorOf('e') })
      },
      { hasGood: false },
    )
    const { result } = await there.mesh.clock.finish(embed(there))
    expect(result?.finish).toBe('stop') // all of them are here
    expect(eventsOf(there.consumer, 'attempt-failed').map((event) => event.code)).toEqual(['protocol-violation'])
  })
})

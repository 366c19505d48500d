// The tier of real processes, from end to end: a chain, two providers and a consumer over shaped links; one is killed, one is
// cut off, and in the end every book says what the chain says.

import { afterAll, beforeAll, expect, it } from 'vitest'
import type { NodeEvent } from '../../node/events.ts'
import type { InferenceResult } from '../../node/inference.ts'
import { declaredModelKeyOf } from '../../protocol/ids.ts'
import { promptDigest, tokenIdAt } from '../../sim/model/engine/tokens.ts'
import type { PeerSpec, Plan } from '../../sim/plan.ts'
import { bookOnDisk } from '../../sim/process/books.ts'
import { createProcessWorld, type ProcessWorld } from '../../sim/process/world.ts'
import type { Heard } from '../../sim/world.ts'

const model = 'modelled'
/** One token is worth settling by itself, so that nothing is left below the least that the chain settles. */
const tokenNano = 10_000_000n
const prompt = { tokens: 40, nano: 200_000n }

function peer(name: string, group: string, more: Partial<PeerSpec>): PeerSpec {
  return {
    name,
    group,
    place: { region: group, upBitsPerSecond: 100e6, downBitsPerSecond: 100e6, nat: 'open' },
    settler: false,
    config: {
      discovery: { lookupIntervalMs: 1_000, advertIntervalMs: 1_000, advertGapMs: 300 },
      settlement: { thresholdNano: 1n, intervalMs: 300, confirmPollMs: 100 },
    },
    clockSkewMs: 0,
    disk: { syncMs: 0, tornWrites: false },
    ...more,
  }
}

function provider(name: string, priceFactor: bigint): PeerSpec {
  const { config, ...rest } = peer(name, 'east', {
    provider: { profile: 'rtx4090-llama3.1-8b-spec', model, slots: 4 },
  })
  const provider = {
    promptPriceNano: prompt.nano * 1_000_000n,
    cachedPriceNano: prompt.nano * 1_000_000n,
    completionPriceNano: tokenNano * 1_000_000n * priceFactor,
  }
  return { ...rest, config: { ...config, provider } }
}

function consumer(name: string): PeerSpec {
  const { config, ...rest } = peer(name, 'west', { consumer: { depositNano: 50_000_000_000n } })
  const consumer = {
    routing: 'least-price',
    priceNanoMax: 100_000_000_000_000n,
    requestNanoMax: 10_000_000_000n,
    connectMs: 2_000,
    firstByteMs: 2_000,
    cooldownMs: 0,
  } as const
  return { ...rest, config: { ...config, consumer } }
}

const plan: Plan = {
  name: 'process-smoke',
  seed: 11,
  durationMs: 60_000,
  warmupMs: 0,
  healMs: 0,
  network: {
    latency: {
      regions: ['east', 'west'],
      oneWayMs: [
        [1, 20],
        [20, 1],
      ],
      jitter: 0.1,
    },
    loss: 0,
    relay: false,
  },
  chain: { blockMs: 100, tvm: true },
  peers: [provider('cheap', 1n), provider('dear', 2n), consumer('asker')],
  requests: [],
  faults: [],
}

let world: ProcessWorld
const said: Heard[] = []
const answers: InferenceResult[] = []

beforeAll(async () => {
  world = createProcessWorld()
  world.observe((heard) => said.push(heard))
  await world.open(plan)
  await Promise.all(plan.peers.map(({ name }) => world.start(name)))
  await until('asker', 'advert-accepted', ({ peer }) => world.nameOf(peer) === 'cheap')
  await until('asker', 'advert-accepted', ({ peer }) => world.nameOf(peer) === 'dear')
}, 120_000)
afterAll(() => world.close(), 60_000)

/** The first from `from` on that matches. */
async function until<T extends NodeEvent['type']>(
  name: string,
  type: T,
  matches: (event: Extract<NodeEvent, { type: T }>) => boolean = () => true,
  from = 0,
): Promise<void> {
  const isIt = ({ event, peer }: Heard): boolean =>
    peer === name && event.type === type && matches(event as Extract<NodeEvent, { type: T }>)
  if (said.slice(from).some(isIt)) return
  await new Promise<void>((resolve) => {
    let isFound = false
    world.observe((heard) => {
      if (!isFound && isIt(heard)) resolve()
      isFound ||= isIt(heard)
    })
  })
}

async function ask(content: string, tokensMax: number): Promise<InferenceResult> {
  const messages = [{ role: 'user' as const, content: content.padEnd(prompt.tokens, '.') }]
  const events = world.infer('asker', { model, messages, sampling: { tokensMax } }, new AbortController().signal)
  const tokenIds: number[] = []
  for (;;) {
    const next = await events.next()
    if (!next.done) {
      if (next.value.type === 'delta') tokenIds.push(...next.value.tokenIds)
      continue
    }
    const digest = promptDigest(messages)
    expect(tokenIds).toEqual(
      Array.from({ length: tokensMax }, (_, at) => tokenIdAt(declaredModelKeyOf(model), digest, at)),
    )
    answers.push(next.value)
    return next.value
  }
}

it('an answer over the gateway is every token of it, and costs what was agreed', async () => {
  const { costNano, finish, provider, usage } = await ask('first', 30)
  expect(world.nameOf(provider)).toBe('cheap')
  expect(finish).toBe('length')
  expect(usage).toEqual({ promptTokens: prompt.tokens, cachedTokens: 0, completionTokens: 30 })
  expect(costNano).toBe(BigInt(prompt.tokens) * prompt.nano + 30n * tokenNano)
})

it('nodes reach each other through relays only', () => {
  expect(world.connectionsOf('asker')).toContain('cheap')
  expect(world.figures()['linkBytes']).toBeGreaterThan(0)
  expect(world.figures()['linkRefused']).toBe(0)
})

it('a provider killed -9 and started over its home serves on from its book', async () => {
  await until('cheap', 'voucher-booked', ({ amountNano }) => amountNano === answers[0]?.costNano)
  world.kill('cheap', { power: false })
  expect((await bookOnDisk(world.homeOf('cheap'))).size).toBe(1)
  const from = said.length
  await world.start('cheap')
  await until('asker', 'advert-accepted', ({ peer }) => world.nameOf(peer) === 'cheap', from)
  const { provider } = await ask('second', 20)
  expect(world.nameOf(provider)).toBe('cheap')
  const sumNano = answers.reduce((sum, { costNano }) => sum + costNano, 0n)
  await until('cheap', 'voucher-booked', ({ amountNano }) => amountNano === sumNano, from)
})

it('a provider behind a partition is given up for another, and is back when it heals', async () => {
  const from = said.length
  const heal = world.disturb({ kind: 'partition', atMs: 0, forMs: 0, between: ['cheap', '*'] })
  const during = await ask('third', 10)
  expect(world.nameOf(during.provider)).toBe('dear')
  expect(during.costNano).toBe(BigInt(prompt.tokens) * prompt.nano + 20n * tokenNano)
  await until('asker', 'attempt-failed', ({ peer }) => world.nameOf(peer) === 'cheap', from)
  heal()
  const healed = said.length
  await until('asker', 'advert-accepted', ({ peer }) => world.nameOf(peer) === 'cheap', healed)
})

it('in the end chain, audit and the books on disk agree to the nano, and every coin is somewhere', async () => {
  for (const name of ['asker', 'cheap', 'dear']) await world.stop(name)
  const { channels, depositedNano, feesNano, inEscrowsNano, paidOutNano } = await world.audit()
  expect(depositedNano).toBe(inEscrowsNano + paidOutNano + feesNano)
  expect(channels.map(({ provider }) => provider).sort()).toEqual(['cheap', 'dear'])
  for (const { coveredNano, escrow, provider, settledNano } of channels) {
    const spentNano = answers
      .filter((answer) => world.nameOf(answer.provider) === provider)
      .reduce((sum, { costNano }) => sum + costNano, 0n)
    const onDisk = (await bookOnDisk(world.homeOf(provider))).get(escrow)
    expect({ provider, coveredNano, settledNano, onDisk }).toEqual({
      provider,
      coveredNano: spentNano,
      settledNano: spentNano,
      onDisk: spentNano,
    })
  }
})

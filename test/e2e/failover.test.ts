// A provider of its own process that dies, stops or is cut off in the middle of an answer: the text is what it would have been,
// and both providers are paid on chain what the answers cost.

import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { identityFrom } from '../../node/adapters/libp2p/identity.ts'
import { Part } from '../../node/cli/part.ts'
import { type Address, type PeerId, parseAddress } from '../../protocol/ids.ts'
import { formatGram } from '../../protocol/money.ts'
import { Links } from '../../sim/process/links.ts'
import { seededRandom } from '../../sim/random.ts'
import { collect, type Peer, prices, TestMesh } from './mesh.ts'

const readyMs = 60_000
const never = new AbortController().signal
/** 42 tokens at temperature 0: more than the window below, so that no provider can have sent all of it unpaid. */
const messages = [{ role: 'user', content: 'What is gossipsub?' }] as const
const creditTokens = 32
/** What the consumer waits for below, instead of ten seconds: more than a busy machine lets a provider pause. */
const betweenDeltasMs = 5_000

const place = { region: 'here', nat: 'open', upBitsPerSecond: 1e9, downBitsPerSecond: 1e9 } as const
const rest = { name: 'rest', group: 'rest', place }

let mesh: TestMesh
let links: Links
/** Ended with their test. */
let parts: Part[] = []
let other: Provider

beforeAll(async () => {
  mesh = await TestMesh.start()
  links = new Links({
    plan: { latency: { regions: ['here'], oneWayMs: [[0]], jitter: 0 }, loss: 0 },
    random: seededRandom(1),
    endOf: () => rest,
    sourceOf: () => undefined,
  })
  other = await provider('other', 2n * prices.completionPriceNano, await freePort())
  parts = []
}, 120_000)
afterEach(async () => {
  await Promise.all(parts.map((part) => part.stop(10_000)))
  parts = []
})
afterAll(async () => {
  await other?.part.stop(10_000)
  await links?.close()
  await mesh?.[Symbol.asyncDispose]()
})

interface Provider {
  readonly name: string
  /** Where it listens itself. */
  readonly port: number
  readonly part: Part
  readonly peerId: PeerId
  readonly payout: Address
}

/** It dials nobody: whoever reaches it came by the address it was dialled at. */
async function provider(name: string, completionPriceNano: bigint, port: number): Promise<Provider> {
  const home = join(mesh.dir, name)
  mkdirSync(home, { recursive: true })
  const settings = {
    chain: { endpoint: mesh.localnet.endpoint, requestsPerSecond: 1_000 },
    network: { listen: [`/ip4/127.0.0.1/tcp/${port}`] },
    discovery: { lookupIntervalMs: 1_000, advertIntervalMs: 1_000, advertGapMs: 300 },
    settlement: { thresholdNano: '0.000000001', intervalMs: 300, confirmPollMs: 50 },
    provider: {
      creditTokens,
      promptPriceNano: formatGram(prices.promptPriceNano),
      completionPriceNano: formatGram(completionPriceNano),
    },
    engine: { threads: 1 },
  }
  writeFileSync(join(home, 'config.yaml'), stringify(settings))
  const part = new Part('join', ['join', '--home', home, '--json', '--exit-with-parent'])
  parts.push(part)
  const ready = await part.event((event) => event['type'] === 'ready', readyMs, never)
  return { name, port, part, peerId: ready['peerId'] as PeerId, payout: parseAddress(String(ready['payout'])) }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

function send(part: Part, signal: NodeJS.Signals): void {
  if (part.pid === undefined) throw new TypeError('never started')
  process.kill(part.pid, signal)
}

interface Failure {
  readonly how: string
  readonly begin: (provider: Provider) => () => Promise<void>
}

/** Each begins now and returns how it is over. */
const failures: readonly Failure[] = [
  {
    how: 'killed',
    begin: ({ name, part, port }) => {
      send(part, 'SIGKILL')
      return async () => {
        await provider(name, prices.completionPriceNano, port)
      }
    },
  },
  {
    how: 'stopped',
    begin: ({ part }) => {
      send(part, 'SIGSTOP')
      return async () => send(part, 'SIGCONT')
    },
  },
  {
    how: 'cut off',
    begin: ({ name }) => {
      const heal = links.disturb({ kind: 'partition', atMs: 0, forMs: readyMs, between: [name, '*'] })
      return async () => heal()
    },
  },
]

it.each(failures)(
  'a provider $how in the middle of an answer is replaced, and paid when it is back',
  async ({ begin, how }) => {
    const port = await freePort()
    const end = { name: how, group: how, place }
    const relay = await links.open(end, { host: '127.0.0.1', port: 0 }, { host: '127.0.0.1', port })
    const cheap = await provider(how, prices.completionPriceNano, port)
    const seed = randomBytes(32)
    const escrow = await mesh.escrow(identityFrom(seed))
    const consumer = await mesh.peer({
      roles: { consumer: { escrow } },
      seed,
      config: {
        consumer: {
          betweenDeltasMs,
          priceNanoMax: 100n * prices.completionPriceNano,
          requestNanoMax: 10_000_000_000n,
        },
      },
    })
    const dial = (to: number, { peerId }: Provider): Promise<PeerId> =>
      consumer.network.dial(`/ip4/127.0.0.1/tcp/${to}/p2p/${peerId}`)
    await connected(consumer, cheap.peerId, () => dial(relay.port, cheap))
    await connected(consumer, other.peerId, () => dial(other.port, other))
    for (const { peerId } of [cheap, other]) await consumer.until('advert-accepted', ({ peer }) => peer === peerId)
    const preferences = { order: [cheap.peerId, other.peerId] }
    const request = { model: 'silkmesh-tiny', messages, sampling: { temperature: 0 }, preferences }
    const whole = await collect(consumer.node.inference, request)
    expect(whole.result.provider).toBe(cheap.peerId)

    let heal: (() => Promise<void>) | undefined
    const broken = await collect(consumer.node.inference, request, () => {
      heal ??= begin(cheap)
    })
    expect(broken.text).toBe(whole.text)
    expect(broken.tokenIds).toEqual(whole.tokenIds)
    expect(broken.result).toMatchObject({ provider: other.peerId, failovers: 1 })
    expect(broken.result.usage.completionTokens).toBe(whole.result.usage.completionTokens)

    await heal?.()
    await connected(consumer, cheap.peerId, () => dial(relay.port, cheap))
    // what it delivered before it failed is paid as a debt, without a further request
    const settled = async (): Promise<bigint> =>
      (await mesh.settledOnChain(escrow, cheap.payout)) + (await mesh.settledOnChain(escrow, other.payout))
    const spentNano = whole.result.costNano + broken.result.costNano
    await expect.poll(settled, { timeout: readyMs, interval: 200 }).toBe(spentNano)
  },
  180_000,
)

/** Dials until it succeeds: whoever is back takes a moment, and a connection that died before may still look alive. */
async function connected(consumer: Peer, peer: PeerId, dial: () => Promise<PeerId>): Promise<void> {
  await expect
    .poll(
      async () => {
        await dial().catch(() => undefined)
        return consumer.network.connections().some((connection) => connection.peer === peer)
      },
      { timeout: readyMs, interval: 500 },
    )
    .toBe(true)
}

// Death without warning: kill -9 in the middle of an answer, a chain that goes away. Nobody loses a coin or a token.

import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { identityFrom } from '../../node/adapters/libp2p/identity.ts'
import { ask, type GatewayAddress } from '../../node/cli/gateway-client.ts'
import { Part } from '../../node/cli/part.ts'
import { type Address, type PeerId, parseAddress } from '../../protocol/ids.ts'
import { formatGram } from '../../protocol/money.ts'
import { collect, freshPayout, type Peer, prices, TestMesh } from './mesh.ts'

const readyMs = 60_000
const never = new AbortController().signal
/** 42 tokens at temperature 0: more than the window below, so that no provider can have sent all of it unpaid. */
const question = { role: 'user' as const, content: 'What is gossipsub?' }
const creditTokens = 32

let mesh: TestMesh
let parts: Part[]

beforeEach(async () => {
  mesh = await TestMesh.start()
  parts = []
})
afterEach(async () => {
  await Promise.all(parts.map((part) => part.stop(10_000)))
  await mesh[Symbol.asyncDispose]()
})

function start(
  home: string,
  args: readonly string[],
  bootstrap: readonly Peer[],
  price = prices.completionPriceNano,
): Part {
  mkdirSync(home, { recursive: true })
  const settings = {
    chain: { endpoint: mesh.localnet.endpoint, requestsPerSecond: 1_000 },
    network: { listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: bootstrap.flatMap(({ network }) => network.addresses()) },
    discovery: { lookupIntervalMs: 1_000, advertIntervalMs: 1_000, advertGapMs: 300 },
    settlement: { thresholdNano: '0.000000001', intervalMs: 300, confirmPollMs: 50 },
    consumer: { priceNanoMax: '100000', requestNanoMax: '10', cooldownMs: 0 },
    provider: {
      creditTokens,
      promptPriceNano: formatGram(prices.promptPriceNano),
      completionPriceNano: formatGram(price),
    },
    engine: { threads: 1 },
  }
  writeFileSync(join(home, 'config.yaml'), stringify(settings))
  const part = new Part(args[0] ?? '', [...args, '--home', home, '--json', '--exit-with-parent'])
  parts.push(part)
  return part
}

interface Provider {
  readonly part: Part
  readonly peerId: PeerId
  readonly payout: Address
}

async function provider(home: string, bootstrap: readonly Peer[], price?: bigint): Promise<Provider> {
  const part = start(home, ['join'], bootstrap, price)
  const ready = await part.event((event) => event['type'] === 'ready', readyMs, never)
  return { part, peerId: ready['peerId'] as PeerId, payout: parseAddress(String(ready['payout'])) }
}

function kill(part: Part): void {
  if (part.pid === undefined) throw new TypeError('never started')
  process.kill(part.pid, 'SIGKILL')
}

it('a provider killed mid-answer: the text goes on elsewhere without a gap, and both are paid exactly their part', async () => {
  const home = mkdtempSync(join(mesh.dir, 'provider-'))
  const hub = await mesh.peer({ roles: { settler: true } })
  const [cheap, other] = await Promise.all([
    provider(home, [hub]),
    provider(mkdtempSync(join(mesh.dir, 'provider-')), [hub], 2n * prices.completionPriceNano),
  ])
  const seed = randomBytes(32)
  const escrow = await mesh.escrow(identityFrom(seed))
  const consumer = await mesh.peer({
    roles: { consumer: { escrow } },
    bootstrap: [hub],
    seed,
    config: { consumer: { cooldownMs: 0, priceNanoMax: 100_000n * 1_000_000_000n, requestNanoMax: 10_000_000_000n } },
  })
  for (const { peerId } of [cheap, other]) await consumer.until('advert-accepted', ({ peer }) => peer === peerId)
  // far longer than the credit window: however slow this machine, the answer is not over when the kill comes
  const endless = [0, 1, 2].map((tokenId) => ({ tokenId, bias: -100 }))
  const sampling = { temperature: 0, tokensMax: 200, logitBias: endless }
  // on a busy machine the dearer one may look so much quicker that it is taken first
  const preferences = { order: [cheap.peerId, other.peerId] }
  const request = { model: 'silkmesh-tiny', messages: [question], sampling, preferences }
  const whole = await collect(consumer.node.inference, request)
  expect(whole.result.provider).toBe(cheap.peerId)

  let isKilled = false
  const broken = await collect(consumer.node.inference, request, () => {
    if (!isKilled) kill(cheap.part)
    isKilled = true
  })
  expect(broken.result.failovers).toBe(1)
  expect(broken.result.provider).toBe(other.peerId)
  expect(broken.tokenIds).toEqual(whole.tokenIds)
  expect(broken.text).toBe(whole.text)
  expect(broken.result.usage).toMatchObject({ completionTokens: whole.tokenIds.length })

  // the dead one comes back on the same home, is paid the tokens whose voucher it never saw, and serves from its books
  const back = await provider(home, [hub])
  expect(back.peerId).toBe(cheap.peerId)
  await consumer.until(
    'advert-accepted',
    ({ sequence, peer }) => peer === cheap.peerId && sequence > Date.now() - 2_000,
  )
  const again = await collect(consumer.node.inference, request)
  expect(again.text).toBe(whole.text)

  const answers = [whole, broken, again]
  const spentNano = answers.reduce((sum, { result }) => sum + result.costNano, 0n)
  const settled = async (): Promise<bigint> =>
    (await mesh.settledOnChain(escrow, cheap.payout)) + (await mesh.settledOnChain(escrow, other.payout))
  await expect.poll(settled, { timeout: 20_000, interval: 200 }).toBe(spentNano)
})

it('a consumer killed mid-answer comes back with its tab, is served, and never signs less than before', async () => {
  const hub = await mesh.peer({ roles: {} })
  const served = await provider(mkdtempSync(join(mesh.dir, 'provider-')), [hub])
  const home = mkdtempSync(join(mesh.dir, 'consumer-'))
  const up = async (): Promise<{ part: Part; gateway: GatewayAddress; escrow: Address }> => {
    const part = start(home, ['up', '--port', '0', '--deposit', '20'], [hub])
    const ready = await part.event((event) => event['type'] === 'ready', readyMs, never)
    await part.event((event) => event['type'] === 'advert-accepted', readyMs, never)
    return { part, gateway: ready['gateway'] as GatewayAddress, escrow: parseAddress(String(ready['escrow'])) }
  }
  const ordered = { model: 'silkmesh-tiny', messages: [question], maxTokens: undefined }
  const first = await up()
  const dying = ask(first.gateway, ordered, () => kill(first.part), never)
  await dying.catch(() => undefined) // cut off, or whole where all of it was on its way already

  const second = await up()
  expect(second.escrow).toBe(first.escrow)
  let text = ''
  const { costNano } = await ask(second.gateway, ordered, (part) => (text += part), never)
  expect(text).toMatch(/gossip/i)

  await second.part.stop(10_000) // the last voucher is told after the answer
  const signed = [...first.part.events, ...second.part.events]
    .filter((event) => event['type'] === 'voucher-signed')
    .map((event) => BigInt(String(event['amountNano'])))
  expect(signed).toEqual([...signed].sort((a, b) => (a < b ? -1 : 1)))
  const last = signed.at(-1) ?? 0n
  expect(last).toBeGreaterThanOrEqual(BigInt(costNano))
  await expect
    .poll(() => mesh.settledOnChain(first.escrow, served.payout), { timeout: 20_000, interval: 200 })
    .toBe(last)
})

it('a chain that goes away delays the settlement and loses nothing', async () => {
  const engine = await mesh.engine()
  const hub = await mesh.peer({ roles: { settler: true } })
  const payout = freshPayout()
  const paid = await mesh.peer({
    roles: { provider: { payout } },
    engine,
    bootstrap: [hub],
    config: { settlement: { settler: hub.identity.peerId }, provider: { escrowCheckMs: 600_000 } },
  })
  const seed = randomBytes(32)
  const escrow = await mesh.escrow(identityFrom(seed))
  const consumer = await mesh.peer({ roles: { consumer: { escrow } }, bootstrap: [hub], seed })
  await consumer.until('advert-accepted')
  const request = { model: 'silkmesh-tiny', messages: [question], sampling: { temperature: 0 } }
  const before = await collect(consumer.node.inference, request)
  await hub.until('settle-confirmed')

  const bringBack = await mesh.stopChain()
  const during = await collect(consumer.node.inference, request) // known escrows are served meanwhile
  expect(during.text).toBe(before.text)
  await paid.until('fault', ({ code }) => code === 'chain-unavailable')
  await bringBack()

  const spentNano = before.result.costNano + during.result.costNano
  await expect.poll(() => mesh.settledOnChain(escrow, payout), { timeout: 30_000, interval: 200 }).toBe(spentNano)
})

// The settler as a business, with the packaged command as real processes: found in the market, it watches over a provider that
// was killed, settles on chain before the escrow can be taken back, and is paid its fee when the provider returns.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { identityFrom } from '../../node/adapters/libp2p/identity.ts'
import { systemClock } from '../../node/adapters/system.ts'
import { Wallet } from '../../node/adapters/wallet.ts'
import { Part } from '../../node/cli/part.ts'
import { parseAddress } from '../../protocol/ids.ts'
import { formatGram } from '../../protocol/money.ts'
import { collect, freshPayout, prices, TestMesh } from './mesh.ts'

const readyMs = 60_000
const never = new AbortController().signal
const feePpm = 50_000n
const command = join(import.meta.dirname, '../../node/cli/main.ts')

let mesh: TestMesh
const parts: Part[] = []

beforeAll(async () => {
  mesh = await TestMesh.start()
}, readyMs)
afterEach(async () => {
  await Promise.all(parts.map((part) => part.stop(10_000)))
})
afterAll(async () => {
  await mesh?.[Symbol.asyncDispose]()
})

function start(name: string, settings: object, ...words: readonly string[]): Part {
  const home = join(mesh.dir, name)
  writeSettings(home, settings)
  const part = new Part(name, [...words, '--home', home, '--json', '--exit-with-parent'])
  parts.push(part)
  return part
}

function writeSettings(home: string, settings: object): void {
  const { settlement = {}, ...rest } = settings as { settlement?: object }
  const shared = {
    chain: { endpoint: mesh.localnet.endpoint, requestsPerSecond: 1_000 },
    discovery: { lookupIntervalMs: 1_000, lookupEmptyMs: 500, advertIntervalMs: 1_000, advertGapMs: 300 },
    settlement: { intervalMs: 300, confirmPollMs: 50, watchMs: 1_000, watchHandoverMs: 1_000, ...settlement },
    engine: { threads: 1 },
  }
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'config.yaml'), stringify({ ...shared, ...rest }))
}

const ofType = (type: string) => (event: Readonly<Record<string, unknown>>) => event['type'] === type

it('a settler of the market settles what a killed provider was owed, and is paid for it when that is back', async () => {
  const fees = freshPayout()
  const settling = start(
    'settler',
    { network: { listen: ['/ip4/127.0.0.1/tcp/0'] }, settlement: { thresholdNano: '0.000000001' } },
    ...['settle', '--fee', '5%', '--payout', fees],
  )
  const { addresses, peerId } = await settling.event(ofType('ready'), readyMs, never)
  const bootstrap = [`${String((addresses as readonly string[])[0])}`]
  expect(bootstrap[0]).toContain(String(peerId))

  const providing = {
    network: { listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap },
    // nothing is worth settling to it: all it hands over is to be watched over
    settlement: { thresholdNano: '1000000', feePpmMax: Number(feePpm), settler: 'market' },
    provider: {
      promptPriceNano: formatGram(prices.promptPriceNano),
      completionPriceNano: formatGram(prices.completionPriceNano),
    },
  }
  const home = join(mesh.dir, 'provider')
  writeSettings(home, providing)
  for (const words of [
    ['faucet', '3'],
    ['deposit', '1'],
  ]) {
    await promisify(execFile)(process.execPath, [command, 'wallet', ...words, '--home', home])
  }
  const provider = start('provider', providing, 'join')
  const payout = parseAddress(String((await provider.event(ofType('ready'), readyMs, never))['payout']))
  await provider.event(ofType('settler-heard'), readyMs, never)

  const seed = randomBytes(32)
  const owner = new Wallet({ seed: randomBytes(32), chain: mesh.chain, globalId: 31_337, clock: systemClock })
  await mesh.fund(owner.address, 21_000_000_000n)
  const terms = { signer: identityFrom(seed).publicKey, unlockDelaySec: 86_400 }
  const { escrow } = await owner.deployAndDeposit(terms, 20_000_000_000n)
  const consumer = await mesh.peer({ roles: { consumer: { escrow } }, seed })
  for (const address of bootstrap) await consumer.network.dial(address)
  const messages = [{ role: 'user', content: 'What is gossipsub?' }] as const
  const request = { model: 'silkmesh-tiny', messages, sampling: { temperature: 0 } }
  const { result } = await collect(consumer.node.inference, request)
  const isWatched = (event: Readonly<Record<string, unknown>>): boolean =>
    event['type'] === 'vouchers-handed-over' && event['amountNano'] === String(result.costNano)
  await provider.event(isWatched, readyMs, never)
  if (provider.pid !== undefined) process.kill(provider.pid, 'SIGKILL')
  expect(await mesh.settledOnChain(escrow, payout)).toBe(0n)

  await owner.startUnlock(escrow)
  await settling.event(ofType('unlock-seen'), readyMs, never)
  const settled = (): Promise<bigint> => mesh.settledOnChain(escrow, payout)
  await expect.poll(settled, { timeout: readyMs, interval: 200 }).toBe(result.costNano)

  const back = start('provider', providing, 'join')
  await back.event(ofType('settle-fee-signed'), readyMs, never)
  const { amountNano } = await settling.event(ofType('settle-fee-taken'), readyMs, never)
  expect(amountNano).toBe(String((result.costNano * feePpm) / 1_000_000n))
  await expect.poll(() => mesh.balanceOnChain(fees), { timeout: readyMs, interval: 200 }).toBeGreaterThan(0n)
}, 180_000)

// An old copy of the books put back: whoever did it loses nothing, takes nothing, and goes on. Real files, real chain, to the nano.

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Localnet, startLocalnet } from '../../contracts/localnet/localnet.ts'
import type { NodeEvent } from '../../node/events.ts'
import { coveredNano, unpaidNano } from '../../node/settlement/channel.ts'
import type { Address } from '../../protocol/ids.ts'
import { ask, type PeerSpec, type RunningPeer, startPeer, storePath, tokenNano } from './peer.ts'
import type { Role } from './points.ts'
import { castFor, chainAt, promptNano } from './stage.ts'

let dir: string
let net: Localnet
let cast: readonly PeerSpec[]
const peers = new Map<Role, RunningPeer>()
const events: NodeEvent[] = []

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'silkmesh-backup-'))
  net = await startLocalnet({ port: 0, blockMs: 0 })
  events.length = 0
})
afterEach(async () => {
  for (const peer of peers.values()) await peer.stop()
  peers.clear()
  await net.close()
  rmSync(dir, { recursive: true })
})

async function start(role: Role, isQuiet = false): Promise<RunningPeer> {
  const spec = cast.find((each) => each.role === role) ?? expect.fail(`no ${role}`)
  const peer = await startPeer(
    { ...spec, isQuiet },
    (event) => events.push(event),
    (ports) => ports,
  )
  peers.set(role, peer)
  return peer
}

async function stop(role: Role): Promise<void> {
  await peers.get(role)?.stop()
  peers.delete(role)
}

/** Both files as they are now, while the node has them open. */
function copy(role: Role): () => void {
  const path = storePath(join(dir, role))
  const aside = join(dir, `${role}-backup`)
  mkdirSync(aside)
  const files = ['', '-wal'].filter((suffix) => existsSync(path + suffix))
  for (const suffix of files) copyFileSync(path + suffix, storePath(aside) + suffix)
  return () => {
    for (const suffix of ['', '-wal']) rmSync(path + suffix, { force: true })
    for (const suffix of files) copyFileSync(storePath(aside) + suffix, path + suffix)
  }
}

const costOf = (...tokens: readonly number[]): bigint =>
  tokens.reduce((sum, each) => sum + promptNano + BigInt(each) * tokenNano, 0n)
/** Who has just come back may have to be dialled twice. */
const asksAgain = (tokens: number): Promise<void> =>
  expect.poll(() => consumerAsks(tokens), { timeout: 20_000 }).toBe('stop')
const consumerAsks = (tokens: number): Promise<string> => ask((peers.get('consumer') ?? expect.fail()).node, tokens)
const signed = (): readonly bigint[] =>
  events.flatMap((event) => (event.type === 'voucher-signed' ? [event.amountNano] : []))

async function restsAt(nano: bigint): Promise<void> {
  const provider = peers.get('provider') ?? expect.fail()
  const { escrow } = cast.find(({ role }) => role === 'consumer') ?? expect.fail()
  const { payout } = cast.find(({ role }) => role === 'provider') ?? expect.fail()
  const chain = chainAt(net)
  const settled = async (): Promise<bigint> =>
    (await chain.payee(escrow ?? ('' as Address), payout ?? ('' as Address))).settledNano
  await expect.poll(() => provider.node.channels().map(coveredNano), { timeout: 20_000 }).toEqual([nano])
  expect(provider.node.channels().map(unpaidNano)).toEqual([0n])
  await provider.node.settleNow(new AbortController().signal)
  await expect.poll(settled, { timeout: 20_000 }).toBe(nano)
}

test('of a consumer: its provider hands back its best voucher, nothing lower is signed, nobody is punished', async () => {
  cast = await castFor('consumer', dir, net)
  await start('provider')
  await start('consumer')
  expect(await consumerAsks(40)).toBe('stop')
  const restore = copy('consumer')
  expect(await consumerAsks(60)).toBe('stop')
  await stop('consumer')
  restore()
  await start('consumer')
  await asksAgain(30)
  expect(events.filter(({ type }) => type === 'attempt-failed')).toEqual([])
  expect(events).toContainEqual(expect.objectContaining({ type: 'tab-recovered', amountNano: costOf(40, 60) }))
  expect(signed()).toEqual(signed().toSorted((a, b) => (a < b ? -1 : 1)))
  await restsAt(costOf(40, 60, 30))
})

test.each([
  ['that had settled since', false],
  ['that had settled nothing', true],
])('of a provider %s: the next request states what it forgot', async (_, isQuiet) => {
  cast = await castFor('provider', dir, net)
  await start('provider', isQuiet)
  await start('consumer')
  expect(await consumerAsks(40)).toBe('stop')
  const restore = copy('provider')
  expect(await consumerAsks(60)).toBe('stop')
  if (!isQuiet) await restsAt(costOf(40, 60))
  await stop('provider')
  restore()
  await start('provider', isQuiet)
  await asksAgain(30)
  await restsAt(costOf(40, 60, 30))
})

test('of a settler: what is paid already is posted to no effect', async () => {
  cast = await castFor('settler', dir, net)
  await start('settler')
  await start('provider')
  await start('consumer')
  expect(await consumerAsks(40)).toBe('stop')
  await restsAt(costOf(40))
  const restore = copy('settler')
  await asksAgain(30)
  await restsAt(costOf(40, 30))
  await stop('settler')
  restore()
  await start('settler')
  await (peers.get('settler') ?? expect.fail()).node.settleNow(new AbortController().signal)
  await restsAt(costOf(40, 30))
  await asksAgain(20)
  await restsAt(costOf(40, 30, 20))
})

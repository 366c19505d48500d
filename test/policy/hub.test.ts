// A consumer pays providers through a hub: what everybody is paid, what nobody can lose, and what happens when the hub is gone.

import { describe, expect, test } from 'vitest'
import type { Overrides } from '../../node/config.ts'
import type { NodeEvent } from '../../node/events.ts'
import type { InferenceResult } from '../../node/inference.ts'
import { coveredNano, unpaidNano } from '../../node/settlement/channel.ts'
import { feeNano } from '../../protocol/hub.ts'
import type { Address } from '../../protocol/ids.ts'
import type { MemoryStore } from '../memory-store.ts'
import { ask, countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber, peerOf } from './peers.ts'

const payouts = [addressOfNumber(0x31), addressOfNumber(0x32)] as const
const hubPayout = addressOfNumber(0x41)
const hubEscrow = addressOfNumber(0x42)
const hubNumber = 9
const feePpm = 5_000
/** Of the provider's 64 tokens at its default price. */
const windowNano = 64n * 160n

interface Stage {
  readonly mesh: MemoryMesh
  readonly hub: Peer
  readonly providers: readonly Peer[]
  readonly consumers: readonly Peer[]
}

async function startHub(mesh: MemoryMesh, config: Overrides = {}, store?: MemoryStore): Promise<Peer> {
  const roles = { hub: { escrow: hubEscrow, payout: hubPayout } }
  return mesh.start({ number: hubNumber, roles, config: { hub: { feePpm }, ...config }, ...(store && { store }) })
}

interface StageOptions {
  readonly consumers?: number
  readonly providers?: number
  readonly hubNano?: bigint
  readonly hubConfig?: Overrides
  readonly consumerConfig?: Overrides['consumer']
  /** Before each token. */
  readonly tokenMs?: number
}

async function stage(options: StageOptions = {}): Promise<Stage> {
  const { consumers = 1, providers = 1, hubNano = 10n ** 12n, hubConfig = {}, consumerConfig = {}, tokenMs } = options
  const mesh = new MemoryMesh()
  mesh.escrow(hubNumber, { address: hubEscrow, freeNano: hubNano })
  const hub = await startHub(mesh, hubConfig)
  const served: Peer[] = []
  const engine = countingEngine(tokenMs === undefined ? {} : { pause: () => mesh.clock.sleep(tokenMs) })
  for (const payout of payouts.slice(0, providers)) {
    served.push(await mesh.start({ number: 20 + served.length, roles: { provider: { payout } }, engine }))
  }
  const paying: Peer[] = []
  for (let number = 1; number <= consumers; number += 1) {
    const escrow = mesh.escrow(number, { address: addressOfNumber(0x50 + number) })
    const config = { consumer: { hub: peerOf(hubNumber), ...consumerConfig } }
    paying.push(await mesh.start({ number, roles: { consumer: { escrow } }, config }))
  }
  return { mesh, hub, providers: served, consumers: paying }
}

/** Of this provider, where one is named. */
function buy(peer: Peer | undefined, provider?: Peer, tokensMax = 100): Promise<InferenceResult> {
  if (!peer) throw new TypeError('no consumer')
  const preferences = provider ? { order: [provider.identity.peerId] } : {}
  return ask(peer, { sampling: { tokensMax }, preferences })
}

function eventsOf<T extends NodeEvent['type']>(peer: Peer | undefined, type: T): readonly (NodeEvent & { type: T })[] {
  return (peer?.events ?? []).filter((event): event is NodeEvent & { type: T } => event.type === type)
}

/** Fees are rounded up increment by increment. */
function feesOf(hub: Peer): bigint {
  return eventsOf(hub, 'hub-granted').reduce((sum, event) => sum + event.feeNano, 0n)
}

function coveredAt(peer: Peer | undefined, escrow: Address): bigint {
  const channel = peer?.node.channels().find((each) => each.escrow === escrow)
  return channel ? coveredNano(channel) : 0n
}

describe('through a hub', () => {
  test('the provider is promised what it delivered by the hub, and the hub as much and its fee by the consumer', async () => {
    const { consumers, hub, mesh, providers } = await stage()
    const { costNano, usage } = await mesh.clock.finish(buy(consumers[0]))
    await mesh.clock.advance(1)
    expect(usage.completionTokens).toBe(100)
    expect(coveredAt(providers[0], hubEscrow)).toBe(costNano)
    expect(coveredAt(hub, addressOfNumber(0x51))).toBe(costNano + feesOf(hub))
    expect(feesOf(hub)).toBeGreaterThanOrEqual(feeNano(costNano, feePpm))
    expect(coveredAt(providers[0], addressOfNumber(0x51))).toBe(0n)
    expect(providers[0]?.node.channels().map(unpaidNano)).toEqual([0n])
    expect(eventsOf(consumers[0], 'hub-left')).toEqual([])
  })

  test('what is owed at once and more than it is trusted with is paid in several increments', async () => {
    const incrementNano = 1_000n // a frame of sixteen tokens costs 2 560
    const { consumers, hub, mesh, providers } = await stage({ consumerConfig: { hubIncrementNanoMax: incrementNano } })
    const { costNano } = await mesh.clock.finish(buy(consumers[0]))
    await mesh.clock.advance(1)
    expect(coveredAt(providers[0], hubEscrow)).toBe(costNano)
    const increments = eventsOf(hub, 'hub-granted').map((event) => event.incrementNano)
    expect(increments.filter((nano) => nano > incrementNano)).toEqual([])
    expect(increments.length).toBeGreaterThanOrEqual(Number(costNano / incrementNano))
    expect(eventsOf(consumers[0], 'hub-left')).toEqual([])
  })
})

/** Where nothing stands between what a tab says and what was promised. */
async function rest({ mesh }: Stage): Promise<void> {
  await mesh.clock.advance(1)
}

async function settle({ hub, mesh, providers }: Stage): Promise<void> {
  for (const peer of [hub, ...providers]) await mesh.clock.finish(peer.node.settleNow(new AbortController().signal))
}

describe('many consumers and many providers', () => {
  test('are settled with one voucher a consumer and one a provider, to the nano', async () => {
    const all = await stage({ consumers: 3, providers: 2 })
    const { consumers, hub, mesh, providers } = all
    let spentNano = 0n
    for (const consumer of consumers) {
      for (const provider of providers) spentNano += (await mesh.clock.finish(buy(consumer, provider))).costNano
    }
    await rest(all)
    await settle(all)
    const posted = [hub, ...providers].flatMap((peer) => eventsOf(peer, 'settle-confirmed'))
    expect(posted).toHaveLength(3 + 2)
    const paidNano = payouts.reduce((sum, payout) => sum + mesh.chain.settledOf(hubEscrow, payout), 0n)
    const takenNano = [1, 2, 3].reduce(
      (sum, at) => sum + mesh.chain.settledOf(addressOfNumber(0x50 + at), hubPayout),
      0n,
    )
    expect(paidNano).toBe(spentNano)
    expect(takenNano).toBe(spentNano + feesOf(hub))
  })

  test('at once share the provider, each with a window of its own', async () => {
    const all = await stage({ consumers: 3 })
    const { consumers, mesh, providers } = all
    const results = await mesh.clock.finish(Promise.all([...consumers, ...consumers].map((consumer) => buy(consumer))))
    await rest(all)
    const spentNano = results.reduce((sum, { costNano }) => sum + costNano, 0n)
    expect(coveredAt(providers[0], hubEscrow)).toBe(spentNano)
    expect(providers[0]?.node.channels()).toHaveLength(1)
  })
})

describe('providers are paid directly', () => {
  const expectDirect = async (all: Stage, code?: string): Promise<void> => {
    const { consumers, mesh, providers } = all
    const { costNano } = await mesh.clock.finish(buy(consumers[0]))
    await rest(all)
    expect(coveredAt(providers[0], addressOfNumber(0x51))).toBe(costNano)
    expect(coveredAt(providers[0], hubEscrow)).toBe(0n)
    expect(eventsOf(consumers[0], 'hub-left').map((event) => event.code)).toEqual(code ? [code] : [])
  }

  test('where nobody is at the hub', async () => {
    const all = await stage()
    all.mesh.kill(peerOf(hubNumber))
    await expectDirect(all, 'unreachable')
  })

  test('where the hub asks more than this peer pays', async () => {
    await expectDirect(await stage({ hubConfig: { hub: { feePpm: 10_001 } } }), 'price-changed')
  })

  test('where the hub has nothing left to promise', async () => {
    await expectDirect(await stage({ hubNano: 100n }), 'escrow-unusable')
  })

  test('where the hub is closing its escrow', async () => {
    const all = await stage()
    all.mesh.escrow(hubNumber, { address: hubEscrow, unlockAtMs: all.mesh.clock.now() + 1_000 })
    await expectDirect(all, 'escrow-unusable')
  })

  test('where a prompt costs more than this peer pays ahead', async () => {
    await expectDirect(await stage({ consumerConfig: { hubIncrementNanoMax: 1n } }))
  })
})

describe('a hub that vanishes in the middle of an answer', () => {
  test('costs the consumer one increment at most, the provider one window, and the answer goes on paid directly', async () => {
    const all = await stage({ tokenMs: 1 })
    const { consumers, hub, mesh, providers } = all
    const asking = buy(consumers[0])
    await mesh.clock.advance(0)
    let steps = 0
    while (eventsOf(hub, 'hub-granted').length < 2 && steps < 10_000) {
      await mesh.clock.advance(1)
      steps += 1
    }
    mesh.kill(peerOf(hubNumber))
    const { usage } = await mesh.clock.finish(asking)
    await rest(all)
    expect(usage.completionTokens).toBe(100)
    expect(eventsOf(consumers[0], 'hub-left')).toHaveLength(1)
    const grantedNano = eventsOf(hub, 'hub-granted').reduce(
      (sum, { feeNano: fee, incrementNano }) => sum + incrementNano + fee,
      0n,
    )
    expect(coveredAt(hub, addressOfNumber(0x51))).toBe(grantedNano)
    const direct = providers[0]?.node.channels().find(({ escrow }) => escrow === addressOfNumber(0x51))
    expect(direct && coveredNano(direct)).toBeGreaterThan(0n)
    const unpaid = providers[0]?.node.channels().map(unpaidNano) ?? []
    expect(unpaid.every((nano) => nano <= windowNano)).toBe(true)
  })
})

describe('a hub that comes back', () => {
  test('from a crash goes on where it was', async () => {
    const all = await stage()
    const { consumers, hub, mesh, providers } = all
    const first = await mesh.clock.finish(buy(consumers[0]))
    await rest(all)
    mesh.kill(hub.identity.peerId)
    const again = await startHub(mesh, {}, hub.store.crash())
    const second = await mesh.clock.finish(buy(consumers[0]))
    await rest(all)
    expect(coveredAt(providers[0], hubEscrow)).toBe(first.costNano + second.costNano)
    expect(coveredAt(again, addressOfNumber(0x51))).toBe(first.costNano + second.costNano + feesOf(hub) + feesOf(again))
  })

  test('without its records is told by its consumers what it has promised and charged', async () => {
    const all = await stage({ consumers: 2 })
    const { consumers, hub, mesh, providers } = all
    let spentNano = 0n
    for (const consumer of consumers) spentNano += (await mesh.clock.finish(buy(consumer))).costNano
    await rest(all)
    mesh.kill(hub.identity.peerId)
    const again = await startHub(mesh)
    for (const consumer of consumers) spentNano += (await mesh.clock.finish(buy(consumer))).costNano
    await rest(all)
    expect(consumers.flatMap((consumer) => eventsOf(consumer, 'attempt-failed'))).toEqual([])
    expect(coveredAt(providers[0], hubEscrow)).toBe(spentNano)
    const signedNano = [1, 2].reduce((sum, at) => sum + coveredAt(again, addressOfNumber(0x50 + at)), 0n)
    // a hub that is told of many increments at once rounds their fee up once
    const shortNano = spentNano + feesOf(hub) + feesOf(again) - signedNano
    expect(shortNano).toBeGreaterThanOrEqual(0n)
    expect(shortNano).toBeLessThan(BigInt(eventsOf(hub, 'hub-granted').length))
  })
})

describe('a consumer that comes back', () => {
  test('without its records is told by hub and provider what it has signed and was granted', async () => {
    const all = await stage()
    const { consumers, hub, mesh, providers } = all
    const first = await mesh.clock.finish(buy(consumers[0]))
    await rest(all)
    mesh.kill(peerOf(1))
    const roles = { consumer: { escrow: addressOfNumber(0x51) } }
    const again = await mesh.start({ number: 1, roles, config: { consumer: { hub: peerOf(hubNumber) } } })
    const second = await mesh.clock.finish(buy(again))
    await rest(all)
    expect(eventsOf(again, 'hub-left')).toEqual([])
    expect(eventsOf(again, 'attempt-failed')).toEqual([])
    expect(coveredAt(providers[0], hubEscrow)).toBe(first.costNano + second.costNano)
    expect(coveredAt(hub, addressOfNumber(0x51))).toBe(first.costNano + second.costNano + feesOf(hub))
  })
})

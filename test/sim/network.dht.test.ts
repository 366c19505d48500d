// The DHT over the modelled network: records that are found while peers come and go, and peers that lie.

import { describe, expect, test } from 'vitest'
import { inferProtocol, type ModelKey, meshKey, type PeerId } from '../../protocol/ids.ts'
import type { AdversaryKind } from '../../sim/plan.ts'
import { echoing, type Member, Stage } from './network.fixture.ts'

const key = 'ab'.repeat(32) as ModelKey

async function found(stage: Stage, seeker: Member | undefined, wanted: ModelKey = key): Promise<readonly PeerId[]> {
  const peers: PeerId[] = []
  const search = async (): Promise<void> => {
    for await (const peer of seeker?.port.findProviders(wanted, new AbortController().signal) ?? []) peers.push(peer)
  }
  await stage.settled(search())
  return peers
}

function population(
  stage: Stage,
  count: number,
  adversaryOf: (at: number) => AdversaryKind | undefined = () => undefined,
) {
  return Array.from({ length: count }, (_, at) =>
    stage.add(`peer-${at}`, { dhtServer: at % 2 === 0, adversary: adversaryOf(at) }),
  )
}

describe('provider records', () => {
  test('are found by peers that know neither provider nor holder', async () => {
    const stage = new Stage()
    const members = population(stage, 150)
    await stage.run(5_000)
    const stop = new AbortController()
    const providers = [members[10], members[51]].flatMap((member) => member ?? [])
    for (const { port } of providers) void port.provide(key, stop.signal)
    await stage.run(5_000)
    for (const at of [3, 77, 149]) {
      expect((await found(stage, members[at])).toSorted()).toEqual(providers.map(({ peer }) => peer).toSorted())
    }
    const figures = stage.network.figures()
    expect(figures['dhtMeanHops']).toBeGreaterThan(1)
    expect(figures['dhtMeanHops']).toBeLessThan(4)
  })

  test('are held by the k servers closest to their key', async () => {
    const stage = new Stage({ dht: { k: 8 } })
    const members = population(stage, 100)
    await stage.run(5_000)
    void members[20]?.port.provide(key, new AbortController().signal)
    await stage.run(10_000)
    const { dht } = stage.network
    const name = `silkmesh/model-provider/1/${key}`
    const holders = dht.holdersOf(name, 20)
    expect(holders.length).toBeGreaterThanOrEqual(8)
    expect(holders).toContain(dht.closestOfAll(dht.key(name)))
    // servers: every other one, and the first three where all begin
    for (const holder of holders) expect(holder % 2 === 0 || holder < 3).toBe(true)
  })

  test('a found provider is dialled without introduction', async () => {
    const stage = new Stage()
    const members = population(stage, 60)
    await stage.run(5_000)
    const provider = members[40]
    const seeker = members[21]
    if (!provider || !seeker) throw new Error('too few')
    echoing(provider)
    void provider.port.provide(key, new AbortController().signal)
    await stage.run(3_000)
    const [peer] = await found(stage, seeker)
    const stream = await stage.settled(seeker.port.open(peer ?? provider.peer, inferProtocol))
    expect(stream.peer).toBe(provider.peer)
  })

  test('expire', async () => {
    const stage = new Stage({ dht: { recordMs: 30_000, provideAgainMs: 1e9 } })
    const members = population(stage, 40)
    await stage.run(5_000)
    void members[8]?.port.provide(key, new AbortController().signal)
    await stage.run(5_000)
    expect(await found(stage, members[15])).toHaveLength(1)
    await stage.run(40_000)
    expect(await found(stage, members[15])).toEqual([])
  })

  test('survive holders that crash, because they are announced again', async () => {
    const stage = new Stage()
    const members = population(stage, 120)
    await stage.run(5_000)
    const provider = members[5]
    void provider?.port.provide(key, new AbortController().signal)
    await stage.run(5_000)
    const name = `silkmesh/model-provider/1/${key}`
    for (const holder of stage.network.dht.holdersOf(name, 5)) {
      const member = members[holder]
      if (member && member !== provider) stage.kill(member, holder % 4 === 0 ? 'power' : 'crash')
    }
    const seeker = members[7]
    expect(await found(stage, seeker)).toEqual([])
    await stage.run(60_000)
    expect(await found(stage, seeker)).toEqual([provider?.peer])
    expect(stage.network.figures()['dhtFailedCalls']).toBeGreaterThan(0)
  })

  test('half of all peers replaced, lookups still find what is there', async () => {
    const stage = new Stage()
    const members = population(stage, 100)
    await stage.run(5_000)
    const provider = members[99]
    void provider?.port.provide(key, new AbortController().signal)
    for (let at = 4; at < 54; at += 1) {
      const member = members[at]
      if (member) stage.kill(member, at % 2 === 0 ? 'crash' : 'power')
      stage.add(`fresh-${at}`, { dhtServer: at % 2 === 0 })
      await stage.run(2_000)
    }
    await stage.run(60_000)
    for (const at of [60, 75, 90]) expect(await found(stage, members[at])).toEqual([provider?.peer])
  })
})

describe('peers that lie', () => {
  test('a few sybils hide nothing', async () => {
    const stage = new Stage()
    const members = population(stage, 100, (at) => (at > 90 ? 'sybil' : undefined))
    await stage.run(5_000)
    void members[20]?.port.provide(key, new AbortController().signal)
    await stage.run(5_000)
    expect(await found(stage, members[33])).toEqual([members[20]?.peer])
  })

  test('an eclipse hides the one key it surrounds, and no other', async () => {
    const stage = new Stage()
    const members = population(stage, 100, (at) => (at >= 50 && at % 2 === 0 ? 'eclipse' : undefined))
    await stage.run(5_000)
    const { signal } = new AbortController()
    void members[20]?.port.provide(key, signal)
    void members[20]?.port.provide(meshKey, signal)
    await stage.run(5_000)
    expect(await found(stage, members[33])).toEqual([members[20]?.peer])
    expect(await found(stage, members[33], meshKey)).toEqual([])
  })
})

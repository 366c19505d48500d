// Gossip over the modelled network: who gets what, how late, and what faults do to it.

import { describe, expect, test } from 'vitest'
import { capacityTopic } from '../../protocol/ids.ts'
import type { ModelNetworkOptions } from '../../sim/model/network/network.ts'
import { type Member, Stage } from './network.fixture.ts'

type Heard = Map<string, readonly string[]>

const regions = ['north', 'south', 'west']

/** Peers that all listen; what each heard, by name. */
async function swarm(
  count: number,
  options: Partial<ModelNetworkOptions> = {},
  verdictOf: (name: string, message: string) => 'accept' | 'ignore' | 'reject' = () => 'accept',
): Promise<{ stage: Stage; members: readonly Member[]; heard: Heard }> {
  const stage = new Stage(options)
  const heard: Heard = new Map()
  const members = Array.from({ length: count }, (_, at) => {
    const member = stage.add(`peer-${at}`, { place: { region: regions[at % 3] ?? 'north' } })
    member.port.subscribe(capacityTopic, (from, message) => {
      const text = `${from} ${new TextDecoder().decode(message)}`
      heard.set(member.name, [...(heard.get(member.name) ?? []), text])
      return verdictOf(member.name, new TextDecoder().decode(message))
    })
    return member
  })
  await stage.run(20_000)
  return { stage, members, heard }
}

function publish(member: Member | undefined, text: string): void {
  void member?.port.publish(capacityTopic, new TextEncoder().encode(text))
}

describe('the mesh', () => {
  test('every peer gets every message once, from its author, within a second', async () => {
    const { stage, members, heard } = await swarm(120)
    const [author] = members
    publish(author, 'news')
    publish(members[7], 'other')
    await stage.run(1_000)
    for (const { name, peer } of members) {
      const expected = [`${author?.peer} news`, `${members[7]?.peer} other`].filter((text) => !text.startsWith(peer))
      expect(heard.get(name)?.toSorted()).toEqual(expected.toSorted())
    }
    await stage.run(20_000)
    const figures = stage.network.figures()
    expect(figures['gossipCoverage']).toBe(1)
    expect(figures['gossipDelivered']).toBe(2 * 119)
    expect(figures['gossipDuplicates']).toBeGreaterThan(1)
    expect(figures['gossipDuplicates']).toBeLessThan(12)
  })

  test('has between Dlo and Dhi members, on both sides', async () => {
    const { stage, members } = await swarm(60)
    const meshes = members.map((_, at) => stage.network.gossip.meshOf(at))
    for (const [at, mesh] of meshes.entries()) {
      expect(mesh.length).toBeGreaterThanOrEqual(4)
      expect(mesh.length).toBeLessThanOrEqual(12)
      for (const peer of mesh) expect(meshes[peer]).toContain(at)
    }
  })

  test('equal seeds give equal figures, another seed does not', async () => {
    const run = async (seed: number) => {
      const { stage, members } = await swarm(40, { seed } as Partial<ModelNetworkOptions>)
      for (const [at, member] of members.entries()) publish(member, `news ${at}`)
      await stage.run(30_000)
      return { figures: stage.network.figures(), events: stage.kernel.events }
    }
    const first = await run(1)
    expect(await run(1)).toEqual(first)
    expect(await run(2)).not.toEqual(first)
  })

  test('a message that nobody accepts goes no further than its author sends it', async () => {
    const settings = { settings: { connectionsMax: 8 } }
    const { stage, members, heard } = await swarm(100, settings, (_, text) => (text === 'bad' ? 'ignore' : 'accept'))
    const [, , , , author] = members
    const neighbours = author?.port.connections().length ?? 0
    publish(author, 'bad')
    await stage.run(10_000)
    expect([...heard.values()].flat()).toHaveLength(neighbours)
    publish(author, 'good')
    await stage.run(10_000)
    expect([...heard.values()].flat().filter((text) => text.endsWith('good'))).toHaveLength(99)
  })

  test('who keeps sending what is rejected is heard no more', async () => {
    const { stage, members, heard } = await swarm(30, {}, (_, text) => (text.startsWith('bad') ? 'reject' : 'accept'))
    const author = members[3]
    for (let count = 0; count < 5; count += 1) {
      publish(author, `bad ${count}`)
      await stage.run(2_000)
    }
    publish(author, 'good')
    await stage.run(10_000)
    expect([...heard.values()].flat().filter((text) => text.endsWith('good'))).toEqual([])
    publish(members[4], 'honest')
    await stage.run(5_000)
    expect([...heard.values()].flat().filter((text) => text.endsWith('honest'))).toHaveLength(29)
  })

  test('what a partition cut off is missed there, and comes again after it', async () => {
    const { stage, members, heard } = await swarm(90)
    const heal = stage.network.disturb({ kind: 'partition', atMs: 0, forMs: 0, between: ['south', '*'] })
    publish(members[0], 'during') // in the north
    await stage.run(15_000)
    const during = members.filter(({ name }) => heard.get(name)?.some((text) => text.endsWith('during')))
    expect(during).toHaveLength(59)
    heal()
    await stage.run(5_000)
    publish(members[0], 'after')
    await stage.run(10_000)
    expect([...heard.values()].flat().filter((text) => text.endsWith('after'))).toHaveLength(89)
  })

  test('a peer that crashed gets nothing, and the others everything', async () => {
    const { stage, members, heard } = await swarm(60)
    for (const at of [5, 15, 25, 35]) {
      const member = members[at]
      if (member) stage.kill(member, at % 10 === 5 ? 'power' : 'crash')
    }
    publish(members[1], 'news')
    await stage.run(10_000)
    expect([...heard.keys()]).toHaveLength(60 - 4 - 1)
  })
})

describe('a swarm above the limit of the full mode', () => {
  const sampled = { gossip: { fullPeersMax: 100 } }

  test('gets every message once, about as late as hop by hop', async () => {
    const full = await swarm(300)
    const drawn = await swarm(300, sampled)
    for (const { members, stage } of [full, drawn]) {
      for (let at = 0; at < 20; at += 1) publish(members[at * 7], `news ${at}`)
      await stage.run(20_000)
    }
    const [expected, actual] = [full.stage.network.figures(), drawn.stage.network.figures()]
    expect(actual['gossipDelivered']).toBe(20 * 299)
    expect(actual['gossipCoverage']).toBe(1)
    for (const figure of ['gossipMsMean', 'gossipMsP50', 'gossipMsP95']) {
      expect((actual[figure] ?? 0) / (expected[figure] ?? 1)).toBeGreaterThan(0.75)
      expect((actual[figure] ?? 0) / (expected[figure] ?? 1)).toBeLessThan(1.33)
    }
  }, 30_000)

  test('keeps to partitions, crashes and verdicts', async () => {
    const { stage, members, heard } = await swarm(150, sampled, (_, text) => (text === 'bad' ? 'reject' : 'accept'))
    const heal = stage.network.disturb({ kind: 'partition', atMs: 0, forMs: 0, between: ['west', '*'] })
    const dead = members[3]
    if (dead) stage.kill(dead, 'crash')
    publish(members[0], 'news')
    await stage.run(10_000)
    expect([...heard.values()].flat()).toHaveLength(150 - 50 - 1 - 1)
    heal()
    publish(members[0], 'bad')
    await stage.run(10_000)
    const rejected = [...heard.values()].flat().filter((text) => text.endsWith('bad'))
    expect(rejected.length).toBeLessThan(148)
  })
})

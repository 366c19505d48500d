// The last word of a key that is to be replaced: what a broken stream left is paid while it can still be signed for.

import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../node/adapters/system.ts'
import { configOf } from '../../node/config.ts'
import { partWithProviders } from '../../node/node.ts'
import { unpaidNano } from '../../node/settlement/channel.ts'
import type { Address } from '../../protocol/ids.ts'
import { countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber } from './peers.ts'

interface Stage {
  readonly mesh: MemoryMesh
  readonly provider: Peer
  readonly consumer: Peer
  readonly escrow: Address
}

/** A consumer dies while tokens are on their way to it, as its disk shows it afterwards. */
async function diedInAStream(): Promise<Stage> {
  const mesh = new MemoryMesh()
  const provider = await mesh.start({
    number: 2,
    roles: { provider: { payout: addressOfNumber(0x22) } },
    engine: countingEngine({ pause: () => mesh.clock.sleep(5) }),
  })
  const escrow = mesh.escrow(1)
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow } } })
  const messages = [{ role: 'user' as const, content: 'hello' }]
  const answer = consumer.node.inference?.infer({ model: 'm', messages, sampling: {} }, new AbortController().signal)
  const read = async (): Promise<void> => {
    for (let tokens = 0; tokens < 40; ) {
      const next = (await answer?.next()) ?? expect.unreachable()
      if (!next.done && next.value.type === 'delta') tokens += next.value.tokens
    }
  }
  await mesh.clock.finish(read())
  mesh.mute(consumer.identity.peerId)
  await mesh.clock.advance(50) // some more, which it never hears of
  mesh.kill(consumer.identity.peerId)
  await mesh.clock.advance(60_000)
  return { mesh, provider, consumer, escrow }
}

async function part({ consumer, escrow, mesh }: Stage) {
  const store = consumer.store.crash()
  const { identity } = consumer
  const ports = { clock: mesh.clock, identity, observe: () => undefined, random: systemRandom, store }
  const network = async () => mesh.networkOf(identity)
  const parting = partWithProviders(configOf({}), ports, escrow, network, new AbortController().signal)
  return mesh.clock.finish(parting)
}

const owedNano = ({ provider }: Stage): bigint =>
  provider.node.channels().reduce((sum, channel) => sum + unpaidNano(channel), 0n)

describe('parting from providers', () => {
  it('pays what a stream that broke had left', async () => {
    const stage = await diedInAStream()
    const before = owedNano(stage)
    expect(before).toBeGreaterThan(0n)
    const [parting] = await part(stage)
    expect(parting).toMatchObject({ peer: stage.provider.identity.peerId, openNano: 0n, failure: undefined })
    expect(parting?.paidNano).toBe(before)
    await stage.mesh.clock.advance(1)
    expect(owedNano(stage)).toBe(0n)
  })

  it('names who is not there, and the most that it may claim', async () => {
    const stage = await diedInAStream()
    const left = owedNano(stage)
    stage.mesh.kill(stage.provider.identity.peerId)
    const [parting, ...others] = await part(stage)
    expect(others).toEqual([])
    expect(parting).toMatchObject({ paidNano: 0n, failure: { code: 'unreachable' } })
    expect(parting?.openNano).toBeGreaterThanOrEqual(left)
  })
})

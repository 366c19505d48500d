// A consumer pays providers through a hub: what everybody is paid, what nobody can lose, and what happens when the hub is gone.

import { describe, expect, test } from 'vitest'
import type { Overrides } from '../../node/config.ts'
import type { NodeEvent } from '../../node/events.ts'
import type { InferenceResult } from '../../node/inference.ts'
import { coveredNano, unpaidNano } from '../../node/settlement/channel.ts'
import { asMeshError, type MeshError } from '../../protocol/errors.ts'
import { feeNano } from '../../protocol/hub.ts'
import type { Address } from '../../protocol/ids.ts'
import type { MemoryStore } from '../memory-store.ts'
import { countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber, peerOf } from './peers.ts'

const payouts = [addressOfNumber(0x31), addressOfNumber(0x32)] as const
const hubPayout = addressOfNumber(0x41)
const hubEscrow = addressOfNumber(0x42)
const hubNumber = 9
const feePpm = 5_000

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

async function stage({ consumers = 1, providers = 1, hubNano = 10n ** 12n } = {}): Promise<Stage> {
  const mesh = new MemoryMesh()
  mesh.escrow(hubNumber, { address: hubEscrow, freeNano: hubNano })
  const hub = await startHub(mesh)
  const served: Peer[] = []
  for (const payout of payouts.slice(0, providers)) {
    served.push(await mesh.start({ number: 20 + served.length, roles: { provider: { payout } }, engine: countingEngine() }))
  }
  const paying: Peer[] = []
  for (let number = 1; number <= consumers; number += 1) {
    const escrow = mesh.escrow(number, { address: addressOfNumber(0x50 + number) })
    const config = { consumer: { hub: peerOf(hubNumber) } }
    paying.push(await mesh.start({ number, roles: { consumer: { escrow } }, config }))
  }
  return { mesh, hub, providers: served, consumers: paying }
}

async function ask(peer: Peer | undefined, provider?: Peer, tokensMax = 100): Promise<InferenceResult> {
  const preferences = provider ? { order: [provider.identity.peerId] } : {}
  const messages = [{ role: 'user' as const, content: 'hello' }]
  const request = { model: 'm', messages, sampling: { tokensMax }, preferences }
  const answer = peer?.node.inference?.infer(request, new AbortController().signal)
  for (;;) {
    const next = await answer?.next()
    if (!next) throw new TypeError('no consumer')
    if (next.done) return next.value
  }
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
    const { costNano, usage } = await mesh.clock.finish(ask(consumers[0]))
    await mesh.clock.advance(1)
    expect(usage.completionTokens).toBe(100)
    expect(coveredAt(providers[0], hubEscrow)).toBe(costNano)
    expect(coveredAt(hub, addressOfNumber(0x51))).toBe(costNano + feesOf(hub))
    expect(feesOf(hub)).toBeGreaterThanOrEqual(feeNano(costNano, feePpm))
    expect(coveredAt(providers[0], addressOfNumber(0x51))).toBe(0n)
    expect(providers[0]?.node.channels().map(unpaidNano)).toEqual([0n])
    expect(eventsOf(consumers[0], 'hub-left')).toEqual([])
  })
})

// While its chain endpoint does not answer, a provider serves whom it knows: on a recent view, and for a bounded amount. Nobody
// waits for the chain request after request.

import { describe, expect, test } from 'vitest'
import type { Overrides } from '../../node/config.ts'
import type { EscrowState } from '../../node/ports.ts'
import { asMeshError, MeshError } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/ids.ts'
import { ask, countingEngine, MemoryChain, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber } from './peers.ts'

const minute = 60_000

/** An endpoint of the mesh's chain that can be made to say nothing for as long as the production adapter tries. */
class Endpoint extends MemoryChain {
  readonly #mesh: MemoryMesh
  isSilent = false
  asked = 0

  constructor(mesh: MemoryMesh) {
    super(mesh.chain)
    this.#mesh = mesh
  }

  override async escrow(address: Address): Promise<EscrowState> {
    this.asked += 1
    if (!this.isSilent) return super.escrow(address)
    await this.#mesh.clock.sleep(6_000)
    throw new MeshError('chain-unavailable', 'no answer')
  }
}

interface Bench {
  readonly mesh: MemoryMesh
  readonly endpoint: Endpoint
  readonly consumer: Peer
  readonly provider: Peer
}

async function bench(
  config: Overrides = {},
  change: Partial<EscrowState> = {},
  whose: 'provider' | 'consumer' = 'provider',
): Promise<Bench> {
  const mesh = new MemoryMesh()
  const endpoint = new Endpoint(mesh)
  const provider = await mesh.start({
    number: 2,
    roles: { provider: { payout: addressOfNumber(0x22) } },
    engine: countingEngine(),
    ...(whose === 'provider' ? { chain: endpoint } : {}),
    config,
  })
  const consumer = await mesh.start({
    number: 1,
    roles: { consumer: { escrow: mesh.escrow(1, change) } },
    ...(whose === 'consumer' ? { chain: endpoint } : {}),
  })
  return { mesh, endpoint, consumer, provider }
}

/** How it ended. */
function endOf({ mesh, consumer }: Bench, from: Peer = consumer): Promise<string> {
  const answer = ask(from).then(({ finish }) => finish)
  return mesh.clock.finish(answer.catch((error: unknown) => asMeshError(error).code))
}

async function silence({ endpoint, mesh }: Bench, ms: number): Promise<void> {
  endpoint.isSilent = true
  await mesh.clock.advance(ms)
}

describe('a provider whose chain is silent', () => {
  // found by the simulator: chain-outage, seed 0
  test('serves a payer that it knows', async () => {
    const parts = await bench()
    expect(await endOf(parts)).toBe('length')
    await silence(parts, minute)
    expect(await endOf(parts)).toBe('length')
  })

  test('makes one request wait for the chain, and no longer than two seconds', async () => {
    const parts = await bench()
    const { clock } = parts.mesh
    await endOf(parts)
    await silence(parts, minute)
    const firstMs = clock.now()
    await endOf(parts)
    expect(clock.now() - firstMs).toBe(2_000)
    const secondMs = clock.now()
    await endOf(parts)
    expect(clock.now() - secondMs).toBe(0)
  })

  test('refuses one that it never saw', async () => {
    const parts = await bench()
    const stranger = await parts.mesh.start({ number: 3, roles: { consumer: { escrow: parts.mesh.escrow(3) } } })
    await silence(parts, minute)
    expect(await endOf(parts, stranger)).toBe('chain-unavailable')
  })

  test('refuses everybody after ten minutes', async () => {
    const parts = await bench()
    await endOf(parts)
    await silence(parts, 10 * minute + 1)
    expect(await endOf(parts)).toBe('chain-unavailable')
  })

  test('trusts no view for longer than half the time in which an escrow can be emptied', async () => {
    const parts = await bench({ provider: { unlockDelayMsMin: 0 } }, { unlockDelayMs: 4 * minute })
    await endOf(parts)
    await silence(parts, minute)
    expect(await endOf(parts)).toBe('length')
    await silence(parts, minute + 1)
    expect(await endOf(parts)).toBe('chain-unavailable')
  })

  test('serves no more than twice its settlement threshold, and says what it lacks', async () => {
    const thresholdNano = 30_000n // an answer of 100 tokens is 16 100 nano, its window 10 240
    const parts = await bench({ settlement: { thresholdNano } })
    await endOf(parts)
    await silence(parts, minute)
    const answers = [await endOf(parts), await endOf(parts), await endOf(parts)]
    expect(answers).toEqual(['length', 'length', 'chain-unavailable'])
    const owedNano = parts.provider.node.channels()[0]?.owedNano ?? 0n
    expect(owedNano).toBeGreaterThan(thresholdNano)
    expect(owedNano).toBeLessThanOrEqual(2n * thresholdNano)
  })

  test('looks again once the chain answers', async () => {
    const parts = await bench()
    const { endpoint, mesh } = parts
    await endOf(parts)
    await silence(parts, minute)
    await endOf(parts)
    endpoint.isSilent = false
    await mesh.clock.advance(minute)
    mesh.escrow(1, { unlockAtMs: mesh.clock.now() + minute })
    await endOf(parts) // renews the view behind its back
    await mesh.clock.advance(minute)
    expect(await endOf(parts)).toBe('escrow-unusable')
  })
})

describe('a consumer whose chain is silent', () => {
  test('asks on, and does not wait', async () => {
    const parts = await bench({}, {}, 'consumer')
    const { clock } = parts.mesh
    await endOf(parts)
    await silence(parts, 2 * minute)
    const waitedMs: number[] = []
    for (let count = 0; count < 2; count += 1) {
      const startMs = clock.now()
      expect(await endOf(parts)).toBe('length')
      waitedMs.push(clock.now() - startMs)
    }
    expect(waitedMs).toEqual([0, 0])
  })

  test('reads its escrow anew once the chain answers', async () => {
    const parts = await bench({}, {}, 'consumer')
    const { endpoint, mesh } = parts
    await endOf(parts)
    await silence(parts, 2 * minute)
    await endOf(parts)
    await mesh.clock.advance(minute)
    endpoint.isSilent = false
    const { asked } = endpoint
    await endOf(parts)
    expect(endpoint.asked).toBeGreaterThan(asked)
  })
})

// What a provider offers follows what its engine can serve now.

import { expect, test } from 'vitest'
import type { Engine, Model } from '../../node/ports.ts'
import { countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber } from './peers.ts'

/** An engine that goes down and loses models when told to. */
class Wavering {
  readonly #engine = countingEngine()
  readonly #listeners: (() => void)[] = []
  #isReady = true
  #models: readonly Model[] = this.#engine.models

  get engine(): Engine {
    const own = this
    return {
      ...this.#engine,
      get isReady() {
        return own.#isReady
      },
      get models() {
        return own.#models
      },
      onChange: (listener) => void this.#listeners.push(listener),
    }
  }

  become(change: { readonly isReady?: boolean; readonly models?: readonly Model[] }): void {
    this.#isReady = change.isReady ?? this.#isReady
    this.#models = change.models ?? this.#models
    for (const listener of this.#listeners) listener()
  }
}

async function meshOf(): Promise<{ mesh: MemoryMesh; consumer: Peer; provider: Peer; wavering: Wavering }> {
  const mesh = new MemoryMesh()
  const wavering = new Wavering()
  const roles = { provider: { payout: addressOfNumber(0x22) } }
  const provider = await mesh.start({ number: 2, roles, engine: wavering.engine })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } } })
  await mesh.clock.advance(3_000)
  return { mesh, consumer, provider, wavering }
}

const offered = ({ node }: Peer): readonly string[] => (node.inference?.models() ?? []).map(({ name }) => name)

test('an engine that is down is offered no longer within the gap between adverts, and again when it is back', async () => {
  const { consumer, mesh, provider, wavering } = await meshOf()
  expect(offered(consumer)).toEqual(['m'])
  wavering.become({ isReady: false })
  await mesh.clock.advance(2_000)
  expect(offered(consumer)).toEqual([])
  wavering.become({ isReady: true })
  await mesh.clock.advance(2_000)
  expect(offered(consumer)).toEqual(['m'])
  expect(provider.events.filter(({ type }) => type === 'fault')).toEqual([])
})

test('a model that vanished is offered no longer', async () => {
  const { consumer, mesh, wavering } = await meshOf()
  wavering.become({ models: [] })
  await mesh.clock.advance(2_000)
  expect(offered(consumer)).toEqual([])
})

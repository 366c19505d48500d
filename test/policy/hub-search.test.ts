// Hubs are found by whoever looks for one, with what each asks; who does not answer as a hub is left out.

import { expect, test } from 'vitest'
import { configOf } from '../../node/config.ts'
import { findHubs, type HubOffer } from '../../node/hub/search.ts'
import type { Stream } from '../../node/ports.ts'
import { encodeHubFrame } from '../../protocol/hub.ts'
import { hubKey, hubProtocol } from '../../protocol/ids.ts'
import { MemoryMesh } from './memory-mesh.ts'
import { addressOfNumber, identityOf, peerOf } from './peers.ts'

const never = new AbortController().signal

async function found(mesh: MemoryMesh): Promise<readonly HubOffer[]> {
  const identity = identityOf(1)
  const offers: HubOffer[] = []
  const ports = { clock: mesh.clock, identity, network: mesh.networkOf(identity) }
  await mesh.clock.finish(findHubs(configOf({}), ports, never, (offer) => void offers.push(offer)))
  return offers
}

async function hub(mesh: MemoryMesh, number: number, feePpm: number): Promise<HubOffer> {
  const escrow = mesh.escrow(number, { address: addressOfNumber(0x40 + number) })
  const payout = addressOfNumber(0x60 + number)
  await mesh.start({ number, roles: { hub: { escrow, payout } }, config: { hub: { feePpm, incrementNanoMax: 7n } } })
  return {
    peer: peerOf(number),
    escrow,
    feePpm,
    incrementNanoMax: 7n,
    globalId: mesh.chain.escrows.get(escrow)?.globalId ?? 0,
  }
}

test('a stranger without an escrow finds every hub, and hears what it asks', async () => {
  const mesh = new MemoryMesh()
  const hubs = [await hub(mesh, 5, 5_000), await hub(mesh, 6, 0)]
  expect(await found(mesh)).toEqual(hubs)
})

test('who is silent, refuses, or answers with something else is left out', async () => {
  const mesh = new MemoryMesh()
  const one = await hub(mesh, 5, 5_000)
  const answers: readonly ((stream: Stream) => Promise<void>)[] = [
    () => new Promise(() => undefined),
    (stream) => stream.close(),
    (stream) => stream.send(Uint8Array.of(1, 2, 3)),
    (stream) => stream.send(encodeHubFrame({ type: 'fail', code: 'busy', message: 'full', retryAfterMs: undefined })),
  ]
  for (const [at, answer] of answers.entries()) {
    const network = mesh.networkOf(identityOf(20 + at))
    network.handle(hubProtocol, answer)
    void network.provide(hubKey, never)
  }
  expect(await found(mesh)).toEqual([one])
})

test('a hub whose escrow is being closed is not offered', async () => {
  const mesh = new MemoryMesh()
  const { escrow } = await hub(mesh, 5, 5_000)
  const state = mesh.chain.escrows.get(escrow)
  if (!state) throw new TypeError('no escrow')
  mesh.chain.escrows.set(escrow, { ...state, unlockAtMs: 1 })
  expect(await found(mesh)).toEqual([])
})

// A hub between consumers and providers over the real adapters: what the chain pays out of both escrows, to the nano.

import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { identityFrom } from '../../node/adapters/libp2p/identity.ts'
import type { LlamaEngine } from '../../node/adapters/llama/engine.ts'
import { collect, freshPayout, TestMesh } from './mesh.ts'

let mesh: TestMesh
let engine: LlamaEngine

beforeAll(async () => {
  mesh = await TestMesh.start()
  engine = await mesh.engine()
})
afterAll(() => mesh[Symbol.asyncDispose]())

it('a provider is settled with out of the hub’s escrow, and the hub out of the consumers’, to the nano', async () => {
  const [payout, hubPayout] = [freshPayout(), freshPayout()]
  const hubSeed = randomBytes(32)
  const hubEscrow = await mesh.escrow(identityFrom(hubSeed))
  const quiet = { settlement: { thresholdNano: 10n ** 18n } }
  const roles = { hub: { escrow: hubEscrow, payout: hubPayout } }
  const incrementNanoMax = 10n ** 12n
  const hub = await mesh.peer({ roles, seed: hubSeed, config: { ...quiet, hub: { incrementNanoMax } } })
  const bootstrap = [hub]
  const provider = await mesh.peer({ roles: { provider: { payout } }, engine, bootstrap, config: quiet })
  let spentNano = 0n
  const escrows = []
  for (let at = 0; at < 2; at += 1) {
    const seed = randomBytes(32)
    const escrow = await mesh.escrow(identityFrom(seed))
    const config = { consumer: { hub: hub.identity.peerId, hubIncrementNanoMax: incrementNanoMax } }
    const consumer = await mesh.peer({ roles: { consumer: { escrow } }, bootstrap, seed, config })
    const content = `What is a provider? ${at}`
    const messages = [{ role: 'user' as const, content }]
    const sampling = { temperature: 0, tokensMax: 40 }
    const { result } = await collect(consumer.node.inference, { model: 'silkmesh-tiny', messages, sampling })
    expect(consumer.events.filter(({ type }) => type === 'hub-left')).toEqual([])
    spentNano += result.costNano
    escrows.push(escrow)
    await consumer.stop()
  }
  await provider.until('voucher-booked', () =>
    provider.node
      .channels()
      .some(({ best, owedNano }) => best?.terms.amountNano === spentNano && owedNano === spentNano),
  )
  await provider.node.settleNow(new AbortController().signal)
  await hub.node.settleNow(new AbortController().signal)

  // read back by plain HTTP, with none of our code in between
  expect(await mesh.settledOnChain(hubEscrow, payout)).toBe(spentNano)
  const fees = hub.events.reduce((sum, event) => (event.type === 'hub-granted' ? sum + event.feeNano : sum), 0n)
  let takenNano = 0n
  for (const escrow of escrows) {
    takenNano += await mesh.settledOnChain(escrow, hubPayout)
    expect(await mesh.settledOnChain(escrow, payout)).toBe(0n)
  }
  expect(takenNano).toBe(spentNano + fees)
  expect(fees).toBeGreaterThanOrEqual((spentNano * 5_000n) / 1_000_000n)
})

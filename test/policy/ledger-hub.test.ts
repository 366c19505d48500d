// The ledgers of a consumer, its hub and a provider: each adds up, and each says of the others what they say themselves.

import { expect, test } from 'vitest'
import { type Identity, identitiesOf } from '../../node/ledger/statement.ts'
import { countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber, peerOf } from './peers.ts'

const hubEscrow = addressOfNumber(0x42)

const sumsOf = ({ node }: Peer): readonly Identity[] => identitiesOf(node.ledger.live(), { nowMs: 0, confirmMs: 0 })
const partOf = ({ parts }: Identity, name: string): bigint => parts.find((part) => part.name === name)?.nano ?? 0n

function sumOf(peer: Peer, role: string, at = 0): Identity {
  return sumsOf(peer).filter((each) => each.role === role)[at] ?? expect.fail(`no sum of ${role}`)
}

test('what a hub charged is what it promised and its fee, also after a crash', async () => {
  const mesh = new MemoryMesh()
  mesh.escrow(9, { address: hubEscrow })
  const roles = { hub: { escrow: hubEscrow, payout: addressOfNumber(0x41) } }
  const hub = await mesh.start({ number: 9, roles, config: { hub: { feePpm: 5_000 } } })
  const provider = await mesh.start({
    number: 20,
    roles: { provider: { payout: addressOfNumber(0x31) } },
    engine: countingEngine(),
  })
  const escrow = mesh.escrow(1, { address: addressOfNumber(0x51) })
  const config = { consumer: { hub: peerOf(9) } }
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow } }, config })
  const messages = [{ role: 'user' as const, content: 'hello' }]
  for (let turn = 0; turn < 3; turn += 1) {
    const request = { model: 'm', messages, sampling: { tokensMax: 100 } }
    const answer = consumer.node.inference?.infer(request, new AbortController().signal)
    const whole = async (): Promise<void> => {
      while (!(await answer?.next())?.done);
    }
    await mesh.clock.finish(whole())
  }
  await mesh.clock.advance(1_000)
  const earned = sumOf(provider, 'provider')
  const [charged, taken] = [sumOf(hub, 'hub'), sumOf(hub, 'hub', 2)]
  const granted = sumOf(consumer, 'granted')
  expect(granted.nano).toBe(3n * (5n * 20n + 100n * 160n))
  expect(earned.nano).toBe(partOf(taken, 'promised'))
  expect(earned.nano).toBe(granted.nano)
  expect(charged.nano).toBe(taken.nano)
  expect(partOf(taken, 'fees')).toBeGreaterThan(0n)
  for (const { node } of [hub, provider, consumer]) expect(node.ledger.checkBooks()).toEqual([])

  mesh.kill(hub.identity.peerId)
  const again = await mesh.start({ number: 9, roles, config: { hub: { feePpm: 5_000 } }, store: hub.store.crash() })
  expect(again.node.ledger.mismatches).toEqual([])
  expect(sumOf(again, 'hub', 2)).toEqual(taken)
})

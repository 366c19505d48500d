// A provider that charges for more tokens than its text takes is found out by the model's vocabulary, refused the difference, and left.

import { expect, test } from 'vitest'
import type { InferenceResult } from '../../node/inference.ts'
import type { Delta, Engine } from '../../node/ports.ts'
import { coveredNano } from '../../node/settlement/channel.ts'
import { MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber } from './peers.ts'
import { story, storyEngine, word } from './scripted.ts'

const whole = 100
const vocabulary = Array.from({ length: 4_096 }, (_, at) => new TextEncoder().encode(word(at)))

/** The story's engine, whose vocabulary is known; `change` is what it says of each delta from the fortieth token on. */
function engineOf(change: (delta: Delta) => Delta = (delta) => delta): Engine {
  const honest = storyEngine()
  return {
    ...honest,
    vocabulary: async () => vocabulary,
    async *generate(prompt, signal) {
      const deltas = honest.generate(prompt, signal)
      for (;;) {
        const next = await deltas.next()
        if (next.done) return next.value
        yield (next.value.tokenIds[0] ?? 0) < 40 ? next.value : change(next.value)
      }
    },
  }
}

async function ask(consumer: Peer, order: readonly string[]): Promise<{ text: string; result: InferenceResult }> {
  const messages = [{ role: 'user', content: 'hello' }] as const
  const request = { model: 'm', messages, sampling: { tokensMax: whole }, preferences: { order } }
  const answer = consumer.node.inference?.infer(request, new AbortController().signal)
  let text = ''
  for (;;) {
    const next = await answer?.next()
    if (!next) throw new Error('no consumer')
    if (next.done) return { text, result: next.value }
    if (next.value.type === 'delta') text += next.value.text
  }
}

test.each([
  ['repeats ids', (delta: Delta) => ({ ...delta, tokens: 15, tokenIds: Array(5).fill(delta.tokenIds).flat() })],
  [
    'charges for other tokens than it says',
    (delta: Delta) => ({ ...delta, tokenIds: delta.tokenIds.map((id) => id + 1) }),
  ],
  ['invents an id', (delta: Delta) => ({ ...delta, tokenIds: delta.tokenIds.map(() => 9_999) })],
])('one that %s is replaced, and paid for what it said before', async (_, change) => {
  const mesh = new MemoryMesh()
  const roles = (number: number) => ({ provider: { payout: addressOfNumber(number) } })
  const honest = await mesh.start({ number: 3, roles: roles(0x33), engine: engineOf() })
  const cheat = await mesh.start({ number: 2, roles: roles(0x22), engine: engineOf(change) })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } } })
  await ask(consumer, [honest.identity.peerId]) // the vocabulary is fetched while this is answered
  const before = honest.node.channels().reduce((sum, channel) => sum + coveredNano(channel), 0n)

  const { text, result } = await ask(consumer, [cheat.identity.peerId])
  expect(text).toBe(story(whole))
  expect(result).toMatchObject({ provider: honest.identity.peerId, failovers: 1 })
  const failed = consumer.events.filter((event) => event.type === 'attempt-failed')
  expect(failed).toMatchObject([{ peer: cheat.identity.peerId, code: 'overcharged' }])
  expect(consumer.events).toContainEqual(
    expect.objectContaining({ type: 'provider-lost', peer: cheat.identity.peerId }),
  )

  const paid = (peer: Peer): bigint => peer.node.channels().reduce((sum, channel) => sum + coveredNano(channel), 0n)
  expect(paid(cheat) + paid(honest) - before).toBe(result.costNano)
  const price = { promptNano: 20_000_000n, completionNano: 160_000_000n }
  // of its answer the tokens up to the false ones, or up to the frame that they came in
  expect(paid(cheat)).toBeGreaterThan(0n)
  expect(paid(cheat)).toBeLessThanOrEqual((5n * price.promptNano + 42n * price.completionNano) / 1_000_000n)
})

test('an engine is asked for its vocabulary once, and honest answers pass', async () => {
  const mesh = new MemoryMesh()
  const payout = addressOfNumber(0x22)
  let asked = 0
  const engine: Engine = {
    ...engineOf(),
    vocabulary: async () => {
      asked += 1
      return vocabulary
    },
  }
  const provider = await mesh.start({ number: 2, roles: { provider: { payout } }, engine })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } } })
  for (let round = 0; round < 3; round += 1) await ask(consumer, [provider.identity.peerId])
  expect(asked).toBe(1)
  expect(consumer.events.filter((event) => event.type === 'fault')).toEqual([])
})

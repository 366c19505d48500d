// How what the decoder says travels together to the node.

import { expect, test } from 'vitest'
import { Outbox } from '../../node/adapters/llama/outbox.ts'

test('the first token goes at once, the next together, and never more than fit into the least of frames', () => {
  const messages: number[][] = []
  const outbox = new Outbox(({ tokenIds }) => messages.push([...tokenIds]))
  for (let tokenId = 0; tokenId < 20; tokenId += 1) {
    outbox.push({ text: 'x', reasoning: '', toolCalls: [], tokenIds: [tokenId], logprobs: [], stopped: false })
  }
  outbox.flush()
  expect(messages[0]).toEqual([0])
  expect(messages.flat()).toEqual(Array.from({ length: 20 }, (_, tokenId) => tokenId))
  expect(Math.max(...messages.map((tokenIds) => tokenIds.length))).toBeLessThanOrEqual(8)
})

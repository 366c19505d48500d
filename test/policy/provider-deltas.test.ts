// Deltas put together and taken apart: nothing is lost, nothing changes its order, and no frame is over its limits.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Delta } from '../../node/ports.ts'
import { boundsOf, bytesOf, type DeltaBounds, frameGapMs, merged, piecesOf } from '../../node/provider/deltas.ts'
import { decodeProviderFrame, encodeFrame } from '../../protocol/frames.ts'
import { limits } from '../../protocol/limits.ts'
import type { TokenLogprob } from '../../protocol/task.ts'

const wide: DeltaBounds = { tokensMax: 100, bytesMax: 10_000 }
const saying = (text: string, tokens = 1, change: Partial<Delta> = {}): Delta => ({
  text,
  tokens,
  tokenIds: Array.from({ length: tokens }, (_, at) => at + 1),
  ...change,
})
const logprob = (bytes: number): TokenLogprob => ({
  bytes: new Uint8Array(bytes),
  logprob: -1,
  top: [{ bytes: new Uint8Array(bytes), logprob: -1 }],
})

describe('two deltas', () => {
  test('are one with the text, the tokens and the ids of both', () => {
    expect(merged(saying('a', 2), saying('b', 1), wide)).toEqual({ text: 'ab', tokens: 3, tokenIds: [1, 2, 1] })
  })

  test('with log probabilities are one with those of both', () => {
    const [a, b] = [logprob(1), logprob(2)]
    expect(merged(saying('a', 1, { logprobs: [a] }), saying('b', 1, { logprobs: [b] }), wide)?.logprobs).toEqual([a, b])
  })

  test('that go on with one tool call are one part of it', () => {
    const begun = saying('', 1, { toolCalls: [{ index: 0, id: 'x', name: 'f', arguments: '{"a"' }] })
    const more = saying('', 1, { toolCalls: [{ index: 0, arguments: ':1}' }] })
    const next = saying('', 1, { toolCalls: [{ index: 1, id: 'y', name: 'g', arguments: '' }] })
    const both = merged(begun, more, wide)
    expect(both?.toolCalls).toEqual([{ index: 0, id: 'x', name: 'f', arguments: '{"a":1}' }])
    expect(both && merged(both, next, wide)?.toolCalls).toEqual([
      { index: 0, id: 'x', name: 'f', arguments: '{"a":1}' },
      { index: 1, id: 'y', name: 'g', arguments: '' },
    ])
  })

  test.each([
    ['more tokens than a frame may have', saying('a', 2), saying('b', 2), { ...wide, tokensMax: 3 }],
    ['more bytes than a frame may have', saying('aaa', 0), saying('bbb', 0), { ...wide, bytesMax: 5 }],
    ['ids of half of the tokens', saying('a'), saying('b', 1, { tokenIds: [] }), wide],
    ['log probabilities of half of the tokens', saying('a', 1, { logprobs: [logprob(1)] }), saying('b'), wide],
    ['text and then reasoning', saying('a'), saying('', 1, { reasoning: 'hm' }), wide],
    [
      'a tool call and then text',
      saying('', 1, { toolCalls: [{ index: 0, id: 'x', name: 'f', arguments: '' }] }),
      saying('a'),
      wide,
    ],
  ])('stay two with %s', (_, a, b, bounds) => {
    expect(merged(a, b, bounds)).toBeUndefined()
  })

  test('are one where reasoning comes before text, and where one has no tokens', () => {
    expect(merged(saying('', 1, { reasoning: 'hm' }), saying('so'), wide)).toMatchObject({
      reasoning: 'hm',
      text: 'so',
    })
    expect(merged(saying('a'), saying('b', 0), wide)).toEqual({ text: 'ab', tokens: 1, tokenIds: [1] })
  })
})

describe('pieces', () => {
  const bounds = { tokensMax: 4, bytesMax: 40 }

  test('of what fits are the whole, with its ids', () => {
    const delta = saying('abc', 4)
    expect([...piecesOf(delta, bounds)]).toEqual([delta])
  })

  test('of too many tokens have the text first, and no ids', () => {
    expect([...piecesOf(saying('abc', 9), bounds)]).toEqual([
      { text: 'abc', tokens: 4, tokenIds: [] },
      { text: '', tokens: 4, tokenIds: [] },
      { text: '', tokens: 1, tokenIds: [] },
    ])
  })

  test('of too long a text cut no character in two', () => {
    const pieces = [...piecesOf(saying('€'.repeat(30), 1, { tokenIds: [] }), bounds)]
    expect(pieces.map(({ text }) => text).join('')).toBe('€'.repeat(30))
    expect(pieces.every(({ text }) => /^€*$/.test(text) && Buffer.byteLength(text) <= 40)).toBe(true)
    expect(pieces.map(({ tokens }) => tokens)).toEqual([1, 0, 0, 0, 0])
  })

  test('of a long tool call name it once', () => {
    const toolCalls = [{ index: 2, id: 'x', name: 'f', arguments: 'y'.repeat(50) }]
    const pieces = [...piecesOf(saying('', 3, { toolCalls }), bounds)].flatMap((piece) => piece.toolCalls ?? [])
    expect(pieces.map(({ id, name, index }) => [index, id, name])).toEqual([
      [2, 'x', 'f'],
      [2, undefined, undefined],
      [2, undefined, undefined],
    ])
    expect(pieces.map((piece) => piece.arguments).join('')).toBe('y'.repeat(50))
  })

  const part = fc.string({ unit: 'binary', maxLength: 60 })
  const anyDelta: fc.Arbitrary<Delta> = fc
    .record({ text: part, reasoning: part, call: part, tokens: fc.nat({ max: 12 }), hasLogprobs: fc.boolean() })
    .map(({ call, hasLogprobs, reasoning, text, tokens }) => ({
      text,
      tokens,
      tokenIds: [],
      ...(reasoning !== '' && { reasoning }),
      ...(call !== '' && { toolCalls: [{ index: 0, id: 'x', name: 'f', arguments: call }] }),
      ...(hasLogprobs && tokens > 0 && { logprobs: Array.from({ length: tokens }, (_, at) => logprob(at % 4)) }),
    }))

  test('say all of it in its order, none over the bounds', () => {
    fc.assert(
      fc.property(
        anyDelta,
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 160, max: 400 }),
        (delta, tokensMax, bytesMax) => {
          const pieces = [...piecesOf(delta, { tokensMax, bytesMax })]
          const all = (say: (piece: Delta) => string | undefined): string =>
            pieces.map((piece) => say(piece) ?? '').join('')
          expect(all(({ text }) => text)).toBe(delta.text)
          expect(all(({ reasoning }) => reasoning)).toBe(delta.reasoning ?? '')
          expect(all(({ toolCalls }) => toolCalls?.map((each) => each.arguments).join(''))).toBe(
            delta.toolCalls?.[0]?.arguments ?? '',
          )
          expect(pieces.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(delta.tokens)
          expect(pieces.flatMap(({ logprobs = [] }) => logprobs)).toEqual(delta.logprobs ?? [])
          for (const piece of pieces) {
            expect(piece.tokens).toBeLessThanOrEqual(tokensMax)
            expect(bytesOf(piece)).toBeLessThanOrEqual(bytesMax)
            if (piece.logprobs) expect(piece.logprobs).toHaveLength(piece.tokens)
          }
        },
      ),
    )
  })

  test('and whatever was put together pass the wire', () => {
    const { merged: together, sent } = boundsOf(64)
    const large = fc.record({ letters: fc.nat({ max: 40_000 }), tokens: fc.nat({ max: 6_000 }) })
    fc.assert(
      fc.property(large, large, (a, b) => {
        const delta = (of: typeof a): Delta => saying('x'.repeat(of.letters), of.tokens)
        const one = merged(delta(a), delta(b), together)
        for (const whole of one ? [one] : [delta(a), delta(b)]) {
          for (const piece of piecesOf(whole, sent)) {
            const bytes = encodeFrame({ type: 'delta', index: 0, ...piece })
            expect(decodeProviderFrame(bytes)).toMatchObject({ text: piece.text, tokens: piece.tokens })
          }
        }
      }),
      { numRuns: 30 },
    )
  })
})

describe('bounds', () => {
  test('of what is sent are half the window, of what is put together a quarter', () => {
    expect(boundsOf(64)).toMatchObject({ sent: { tokensMax: 32 }, merged: { tokensMax: 16 } })
    expect(boundsOf(1)).toMatchObject({ sent: { tokensMax: 1 }, merged: { tokensMax: 1 } })
  })

  test('are never above what a frame may have', () => {
    expect(boundsOf(65_536).sent.tokensMax).toBe(limits.deltaTokensMax)
  })
})

describe('the gap between two frames', () => {
  test('is as configured for a few streams, and grows with their number up to a tenth of a second', () => {
    expect([1, 2, 8, 1_000].map((streams) => frameGapMs(10, streams))).toEqual([10, 16, 64, 100])
  })

  test('is none where coalescing is off', () => {
    expect(frameGapMs(0, 1_000)).toBe(0)
  })
})

// Text from token ids, over a byte-level vocabulary where any split of any character can be made.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AnswerReader, type Released } from '../../node/adapters/llama/answer.ts'
import { TokenTexts } from '../../node/adapters/llama/text.ts'

/** One token for each chunk of bytes; an id is its place in the list. */
function vocabulary(chunks: readonly Uint8Array[]): (tokenIds: readonly number[]) => string {
  return (tokenIds) => Buffer.concat(tokenIds.map((id) => chunks[id] ?? new Uint8Array())).toString('utf8')
}

function split(text: string, sizes: readonly number[]): Uint8Array[] {
  const bytes = Buffer.from(text)
  const chunks: Uint8Array[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

/** Everything the stream released until it stopped or the tokens ended, one entry a token and one for the flush. */
function run(chunks: readonly Uint8Array[], stops: readonly string[], from = 0): Released[] {
  const texts = new TokenTexts(vocabulary(chunks), [...chunks.keys()].slice(0, from))
  const stream = new AnswerReader(texts, { stops, ends: [] })
  const released: Released[] = []
  for (let id = from; id < chunks.length; id += 1) {
    const next = stream.push({ tokenId: id })
    released.push(next)
    if (next.stopped) return released
  }
  released.push(stream.flush())
  return released
}

const textOf = (released: readonly Released[]): string => released.map((each) => each.text).join('')
const idsOf = (released: readonly Released[]): number[] => released.flatMap((each) => [...each.tokenIds])

const texts = fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.toWellFormed())
const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 8 })

describe('text of sampled tokens', () => {
  test('is the text, whatever the split of its bytes into tokens', () => {
    fc.assert(
      fc.property(texts, sizes, (text, each) => {
        const released = run(split(text, each), [])
        expect(textOf(released)).toBe(text)
        expect(idsOf(released)).toEqual([...split(text, each).keys()])
      }),
      { numRuns: 500 },
    )
  })

  test('never shows half a character', () => {
    const chunks = split('a😀b', [1])
    const released = run(chunks, [])
    expect(released.map((each) => each.text)).toEqual(['a', '', '', '', '😀', 'b', ''])
    expect(released.map((each) => each.tokenIds.length)).toEqual([1, 1, 1, 1, 1, 1, 0])
  })

  test('does not wait for ever for bytes that are no character', () => {
    const garbage = Array.from({ length: 40 }, () => Uint8Array.of(0x80))
    const released = run(garbage, [])
    expect(textOf(released)).toBe('\uFFFD'.repeat(40))
    expect(released.slice(0, -1).every((each) => each.tokenIds.length === 1)).toBe(true)
  })

  test('goes on after resumed tokens with exactly the rest, also when they end inside a character', () => {
    fc.assert(
      fc.property(texts, sizes, fc.nat(40), (text, each, cut) => {
        const chunks = split(text, each)
        const from = Math.min(cut, chunks.length)
        const shown = run(chunks, []).slice(0, from)
        expect(textOf(shown) + textOf(run(chunks, [], from))).toBe(text)
      }),
      { numRuns: 500 },
    )
  })
})

describe('stop strings', () => {
  const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'é', '😀'), minLength: 1, maxLength: 4 }), {
    maxLength: 3,
  })
  const small = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'é', '😀'), maxLength: 3 })

  test('end the text right before the first of them, across any tokens, and no later', () => {
    fc.assert(
      fc.property(fc.array(small), stops, (words, list) => {
        const chunks = words.map((word) => Buffer.from(word))
        const released = run(chunks, list)
        // The first token that completes a stop string in the text so far ends it: that is all a stream can know.
        let seen = ''
        let last = 0
        const first = (): number[] => list.map((stop) => seen.indexOf(stop)).filter((at) => at >= 0)
        for (; last < chunks.length && first().length === 0; last += 1) seen += words[last]
        const stopped = first().length > 0
        expect(textOf(released)).toBe(stopped ? seen.slice(0, Math.min(...first())) : words.join(''))
        expect(released.at(-1)?.stopped).toBe(stopped)
        expect(idsOf(released)).toEqual([...chunks.keys()].slice(0, last))
      }),
      { numRuns: 1_000 },
    )
  })

  test('hold text back only while it could be the beginning of one', () => {
    const released = run(split('xENyEND!', [1]), ['END'])
    expect(released.map((each) => each.text)).toEqual(['x', '', '', 'ENy', '', '', ''])
    expect(released.map((each) => each.tokenIds.length)).toEqual([1, 0, 0, 3, 0, 0, 3])
    expect(released.at(-1)?.stopped).toBe(true)
  })

  test('are given up at the end of the answer', () => {
    const released = run(split('xEN', [1]), ['END'])
    expect(textOf(released)).toBe('xEN')
    expect(released.at(-1)?.stopped).toBe(false)
  })

  test('that are empty stop nothing', () => {
    expect(textOf(run(split('abc', [1]), ['']))).toBe('abc')
  })
})

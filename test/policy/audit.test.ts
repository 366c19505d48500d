// Recounting an answer: tokens must spell what was said, and in about as few as it takes.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Spelling, tokenTextsOf, UsageAudit } from '../../node/consumer/audit.ts'
import type { Said } from '../../protocol/task.ts'
import { decodeVocabulary, encodeVocabulary, type Vocabulary, vocabularySha256 } from '../../protocol/vocabulary.ts'
import '../seed.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const words = ['the', ' mesh', ' pays', ' a', ' peer', ' for', ' tokens', '.', ' é', '🙂']
const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))
/** Two control tokens, every byte, some words. */
const vocabulary: Vocabulary = [new Uint8Array(), new Uint8Array(), ...bytes, ...words.map(utf8)]
const firstWord = 2 + bytes.length
const texts = tokenTextsOf(vocabulary)

const audit = (): UsageAudit => new UsageAudit(vocabulary, new Spelling(texts))
const said = (text: string, tokenIds: readonly number[]): Said => ({ text, tokens: tokenIds.length, tokenIds })
const word = (at: number): Said => said(words[at] ?? '', [firstWord + at])
const byteIds = (text: string): readonly number[] => [...utf8(text)].map((byte) => 2 + byte)

describe('a vocabulary on the wire', () => {
  test('is read as it was written, and its digest is of those bytes', () => {
    const encoded = encodeVocabulary(vocabulary)
    expect(decodeVocabulary(encoded).map((token) => [...token])).toEqual(vocabulary.map((token) => [...token]))
    expect(vocabularySha256(encoded)).toMatch(/^[0-9a-f]{64}$/)
    expect(vocabularySha256(encodeVocabulary(vocabulary.slice(1)))).not.toBe(vocabularySha256(encoded))
  })

  test('that ends inside a token is refused', () => {
    expect(() => decodeVocabulary(encodeVocabulary(vocabulary).slice(0, -1))).toThrow(/ends inside token/)
  })
})

describe('an answer', () => {
  test('of the tokens that spell it passes, whatever the pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: words.length - 1 }), { maxLength: 60 }), fc.nat({ max: 5 }), (picks, size) => {
        const check = audit()
        for (let at = 0; at < picks.length; at += size + 1) {
          const piece = picks.slice(at, at + size + 1)
          const text = piece.map((pick) => words[pick]).join('')
          expect(
            check.check(
              said(
                text,
                piece.map((pick) => firstWord + pick),
              ),
            ),
          ).toBeUndefined()
        }
      }),
    )
  })

  test('whose text comes later than its tokens passes: characters in pieces, texts held back', () => {
    const check = audit()
    const [first = 0, ...rest] = byteIds('é')
    expect(check.check(said('', [first]))).toBeUndefined()
    expect(check.check(said('é', rest))).toBeUndefined()
    expect(check.check(said('', byteIds('.')))).toBeUndefined()
    expect(check.check(said('. a', [firstWord + 3]))).toBeUndefined()
  })

  test('whose first tokens are space that is left out of the text passes, once', () => {
    const check = audit()
    expect(check.check(said('', byteIds('\n\n ')))).toBeUndefined()
    expect(check.check(said('the', [firstWord]))).toBeUndefined()
    expect(check.check(said('the', [...byteIds(' '), firstWord]))).toMatch(/do not spell/)
  })

  test('that ends inside a character passes with its replacement', () => {
    const [first = 0] = byteIds('é')
    expect(audit().check(said('\ufffd', [first]))).toBeUndefined()
  })

  test('of other tokens does not', () => {
    expect(audit().check(said(' mesh', [firstWord]))).toMatch(/do not spell the text " mesh"/)
  })

  test('with a token that the model does not have does not', () => {
    expect(audit().check(said('x', [9_999]))).toBe(`token id 9999, the vocabulary has ${vocabulary.length}`)
  })

  test('padded with tokens that nobody sees does not', () => {
    const check = audit()
    const reasons = Array.from({ length: 40 }, () => check.check(said('', [0])))
    expect(reasons.at(-1)).toBe('40 tokens for what 0 spell')
    const hidden = audit()
    const long = Array.from({ length: 20 }, () => hidden.check(said('', [firstWord + 6])))
    expect(long.find((reason) => reason !== undefined)).toMatch(/tokens of \d+ bytes without text, at most 32/)
  })

  test('split into more tokens than it takes does not', () => {
    const check = audit()
    const reasons = Array.from({ length: 20 }, () => check.check(said(' tokens', byteIds(' tokens'))))
    expect(reasons.find((reason) => reason !== undefined)).toMatch(/\d+ tokens for what \d+ spell/)
  })

  test('of tokens that spell more than a delta could say is not spelled', () => {
    const ids = (tokens: number): Said => ({
      ...said(
        '',
        Array.from({ length: tokens }, () => 0),
      ),
      reasoning: 'x',
    })
    const long = new UsageAudit([new Uint8Array(1_024).fill(0x78)], new Spelling(texts))
    expect(long.check(ids(32))).toBeUndefined()
    expect(long.check(ids(33))).toBe('tokens of over 32768 bytes in one delta')
  })

  test('with reasoning or calls is only recounted: their markup is not text', () => {
    const check = audit()
    expect(check.check({ ...word(0), text: '', reasoning: 'the' })).toBeUndefined()
    expect(check.check(said('', [firstWord + 1]))).toBeUndefined()
  })
})

test('the fewest tokens are found, not the first that fit', () => {
  const tricky = new Spelling(tokenTextsOf(['ab', 'abc', 'cdef', 'd', 'e', 'f'].map(utf8)))
  expect(tricky.push(utf8('abcdef'))).toBe(2)
})

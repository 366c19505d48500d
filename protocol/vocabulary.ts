// A model's vocabulary on the wire: the bytes of each token, by which a consumer recounts what it is charged for. docs/protocol.md §4.8.

import { createHash } from 'node:crypto'
import { limits } from './limits.ts'
import { violation } from './wire.ts'

/** The bytes of each token id from 0; empty for control tokens. */
export type Vocabulary = readonly Uint8Array[]

/** Each token as its length, two bytes little endian, and its bytes. Throws `RangeError` for a token too long. */
export function encodeVocabulary(vocabulary: Vocabulary): Uint8Array {
  const parts: Uint8Array[] = []
  for (const bytes of vocabulary) {
    if (bytes.length > 0xffff) throw new RangeError(`token of ${bytes.length} bytes, at most 65535`)
    parts.push(Uint8Array.of(bytes.length & 0xff, bytes.length >> 8), bytes)
  }
  return Buffer.concat(parts)
}

/** Throws `MeshError` `protocol-violation` and nothing else. */
export function decodeVocabulary(encoded: Uint8Array): Vocabulary {
  if (encoded.length > limits.vocabularyBytesMax) {
    throw violation(`vocabulary of ${encoded.length} bytes, at most ${limits.vocabularyBytesMax}`)
  }
  const vocabulary: Uint8Array[] = []
  for (let at = 0; at < encoded.length; ) {
    const length = (encoded[at] ?? 0) + 256 * (encoded[at + 1] ?? 0)
    const end = at + 2 + length
    if (length > limits.vocabularyTokenBytesMax) {
      throw violation(`token ${vocabulary.length} of ${length} bytes, at most ${limits.vocabularyTokenBytesMax}`)
    }
    if (vocabulary.length === limits.vocabularyTokensMax) {
      throw violation(`vocabulary of more tokens, at most ${limits.vocabularyTokensMax}`)
    }
    if (end > encoded.length) throw violation(`vocabulary ends inside token ${vocabulary.length}`)
    vocabulary.push(encoded.subarray(at + 2, end))
    at = end
  }
  return vocabulary
}

/** Hex. */
export function vocabularySha256(encoded: Uint8Array): string {
  return createHash('sha256').update(encoded).digest('hex')
}

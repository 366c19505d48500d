// The bytes that each token of a vocabulary stands for: a token may hold part of a character, which no text can.

import type { LlamaModel, Token } from 'node-llama-cpp'

export interface Vocabulary {
  readonly tokens: number
  /** Of all tokens, one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Where each token's bytes end. */
  readonly ends: Uint32Array<ArrayBuffer>
}

/** Of SentencePiece: what stands for a space in a token. */
const spaceMark = '\u2581'

/** Empty for control tokens. `undefined` for a kind of vocabulary that is not known here. */
export function vocabularyOf(model: LlamaModel): Vocabulary | undefined {
  const texts = model.fileInfo.metadata.tokenizer?.ggml?.tokens
  if (!texts) return undefined
  const read = readerOf(model.vocabularyType)
  if (!read) return undefined
  const ends = new Uint32Array(texts.length)
  const parts: Uint8Array[] = []
  let end = 0
  for (const [id, text] of texts.entries()) {
    const { byte, control, normal, unknown, userDefined } = model.getTokenAttributes(id as Token)
    let bytes: Uint8Array = new Uint8Array()
    if (control || unknown) bytes = new Uint8Array()
    else if (userDefined) bytes = Buffer.from(text)
    else if (byte) bytes = byteOf(text)
    else if (normal) bytes = read(text)
    parts.push(bytes)
    end += bytes.length
    ends[id] = end
  }
  return { tokens: texts.length, bytes: new Uint8Array(Buffer.concat(parts)), ends }
}

export function bytesOfToken({ bytes, ends }: Vocabulary, tokenId: number): Uint8Array {
  return bytes.subarray(ends[tokenId - 1] ?? 0, ends[tokenId] ?? 0)
}

function readerOf(type: string): ((text: string) => Uint8Array) | undefined {
  switch (type) {
    case 'bpe':
      return (text) => fromLetters(text)
    case 'spm':
    case 'wpm':
    case 'ugm':
      return (text) => Buffer.from(text.replaceAll(spaceMark, ' '))
    default:
      return undefined
  }
}

/** `<0x0A>` stands for one byte. */
function byteOf(text: string): Uint8Array {
  const [, hex] = /^<0x([0-9A-Fa-f]{2})>$/.exec(text) ?? []
  return hex === undefined ? new Uint8Array() : Uint8Array.of(Number.parseInt(hex, 16))
}

/** Byte-pair vocabularies write each byte as a letter: printable ones as themselves, the others from U+0100 on. */
const byteOfLetter = new Map<string, number>()
let unprintable = 0
for (let byte = 0; byte < 256; byte += 1) {
  const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  byteOfLetter.set(String.fromCodePoint(isPrintable ? byte : 256 + unprintable), byte)
  if (!isPrintable) unprintable += 1
}

function fromLetters(text: string): Uint8Array {
  const bytes: number[] = []
  for (const letter of text) {
    const byte = byteOfLetter.get(letter)
    if (byte === undefined) bytes.push(...Buffer.from(letter))
    else bytes.push(byte)
  }
  return Uint8Array.from(bytes)
}

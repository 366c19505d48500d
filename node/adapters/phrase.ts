// The words that stand for keys: 24 as TON's wallets have them, from which all of a home is derived, and BIP39 for keys that
// came from nowhere else.

import { createHash, hkdfSync } from 'node:crypto'
import { mnemonicNew, mnemonicToHDSeed, mnemonicToPrivateKey, mnemonicValidate, mnemonicWordList } from '@ton/crypto'
import { MeshError } from '../../protocol/errors.ts'

export const phraseWords = 24

const seedBytes = 32
const bitsPerWord = 11

/** 24 new words, 256 bits and more of chance; wallet apps take them. */
export function newPhrase(): Promise<readonly string[]> {
  return mnemonicNew(phraseWords)
}

/** As they were typed: capitals, numbering and line ends do not matter. Throws `bad-request` naming the first that is no word. */
export function wordsOf(text: string): readonly string[] {
  const words = text
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== '')
  const wrong = words.findIndex((word) => !mnemonicWordList.includes(word))
  if (wrong < 0) return words
  throw new MeshError('bad-request', `word ${wrong + 1} of the backup phrase is not in the list; look at it again`)
}

/**
 * The keys behind 24 words: the wallet is the one that TON wallets make of them, the identity is of no use to such a wallet.
 * `rotation` counts the identities before it. Throws `bad-request` where the words are no phrase.
 */
export async function seedsOfPhrase(words: readonly string[], rotation: number) {
  if (words.length !== phraseWords || !(await mnemonicValidate([...words]))) {
    throw new MeshError(
      'bad-request',
      `these ${words.length} words are no backup phrase; expected ${phraseWords} of one, in their order`,
    )
  }
  const { secretKey } = await mnemonicToPrivateKey([...words])
  const hd = await mnemonicToHDSeed([...words])
  const identitySeed = hkdfSync('sha512', hd, new Uint8Array(), `silkmesh identity ${rotation}`, seedBytes)
  return { walletSeed: Uint8Array.from(secretKey.subarray(0, seedBytes)), identitySeed: new Uint8Array(identitySeed) }
}

/** 32 bytes as 24 words by BIP39: 256 bits and 8 of their digest. */
export function wordsOfSeed(seed: Uint8Array): readonly string[] {
  if (seed.length !== seedBytes) throw new RangeError(`seed of ${seed.length} bytes, expected ${seedBytes}`)
  const bits = [...seed, checkOf(seed)].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return Array.from({ length: phraseWords }, (_, at) => {
    const index = Number.parseInt(bits.slice(at * bitsPerWord, (at + 1) * bitsPerWord), 2)
    return mnemonicWordList[index] ?? ''
  })
}

/** Throws `bad-request` where a word was mistaken for another. `what` names them. */
export function seedOfWords(what: string, words: readonly string[]): Uint8Array {
  const bits = words.map((word) => mnemonicWordList.indexOf(word).toString(2).padStart(bitsPerWord, '0')).join('')
  const bytes = Uint8Array.from({ length: seedBytes + 1 }, (_, at) =>
    Number.parseInt(bits.slice(at * 8, (at + 1) * 8), 2),
  )
  const seed = bytes.subarray(0, seedBytes)
  if (words.length === phraseWords && checkOf(seed) === bytes[seedBytes]) return Uint8Array.from(seed)
  throw new MeshError('bad-request', `the ${what} words do not belong together; look at each, and at their order`)
}

function checkOf(seed: Uint8Array): number {
  return createHash('sha256').update(seed).digest()[0] ?? 0
}

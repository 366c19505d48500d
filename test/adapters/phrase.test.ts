// Backup phrases: the same words give the same keys, to us and to any TON wallet.

import '../seed.ts'
import { mnemonicToWalletKey } from '@ton/crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { newPhrase, phraseWords, seedOfWords, seedsOfPhrase, wordsOf, wordsOfSeed } from '../../node/adapters/phrase.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** A phrase once made by @ton/crypto, and what came of it here: another release must find the same keys. */
const phrase =
  'faculty humor hover joke bar gown brass cannon blouse bid anger local basic brave short dream north paddle buddy corn exercise lend weather message'

it('a phrase gives for ever the keys it once gave', async () => {
  const { identitySeed, walletSeed } = await seedsOfPhrase(wordsOf(phrase), 0)
  expect(hex(walletSeed)).toBe('0064e535fd91ba9a23569410b55eeda6b474365162360d3fc17b59b832b80626')
  expect(hex(identitySeed)).toBe('b85767625d79f9e0954d22c222d7079b40508c181b02e33f6dcf8da29f00faf3')
  const next = await seedsOfPhrase(wordsOf(phrase), 1)
  expect(hex(next.identitySeed)).toBe('eda493d7dc93acdb42ea54f2b110ad3686d2656cfb8954879083340281203670')
})

it('a new phrase has the wallet key that TON makes of it, without a password', async () => {
  const words = await newPhrase()
  expect(words).toHaveLength(phraseWords)
  const { secretKey } = await mnemonicToWalletKey([...words])
  expect(hex((await seedsOfPhrase(words, 0)).walletSeed)).toBe(hex(secretKey.subarray(0, 32)))
})

it('identities that follow each other by rotation have nothing in common, the wallet stays', async () => {
  const words = wordsOf(phrase)
  const [first, second] = [await seedsOfPhrase(words, 0), await seedsOfPhrase(words, 1)]
  expect(hex(first.identitySeed)).not.toBe(hex(second.identitySeed))
  expect(hex(first.identitySeed)).not.toBe(hex(first.walletSeed))
  expect(hex(first.walletSeed)).toBe(hex(second.walletSeed))
})

it('words are read as people write them: in capitals, numbered, over several lines', () => {
  const written = wordsOf(phrase).map((word, at) => `${at + 1}. ${word.toUpperCase()}`)
  expect(wordsOf(written.join('\n'))).toEqual(phrase.split(' '))
})

it('a word that is none is named by its place, and never by itself', () => {
  expect(() => wordsOf(phrase.replace('joke', 'jokke'))).toThrow(/^word 4 of the backup phrase/)
  expect(() => wordsOf(phrase.replace('joke', 'jokke'))).not.toThrow(/jokke/)
})

it('a phrase that lacks a word, or has one too many, is none', async () => {
  const words = wordsOf(phrase)
  await expect(seedsOfPhrase(words.slice(1), 0)).rejects.toMatchObject({ code: 'bad-request' })
  await expect(seedsOfPhrase([...words, 'joke'], 0)).rejects.toMatchObject({ code: 'bad-request' })
})

it('any key of 32 bytes is 24 words by BIP39, and those words are that key', () => {
  // the vector of BIP39 for 256 bits of 0x80
  expect(wordsOfSeed(new Uint8Array(32).fill(0x80)).join(' ')).toBe(
    'letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic bless',
  )
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
      const words = wordsOfSeed(seed)
      expect(words).toHaveLength(phraseWords)
      expect(seedOfWords('own', words)).toEqual(seed)
    }),
  )
})

it('words of a key in a wrong order are refused', () => {
  const words = [...wordsOfSeed(new Uint8Array(32).fill(7))]
  expect(() => seedOfWords('own', words.reverse())).toThrow(/do not belong together/)
})

// Ed25519, held against RFC 8032 and against another implementation.

import { keyPairFromSeed, sign as naclSign } from '@ton/crypto'
import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { publicKeyOfSeed, signerOf, verifySignature } from '../../protocol/signature.ts'

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex')

// RFC 8032 §7.1, tests 1 to 3: seed, public key, message, signature.
const rfc = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
] as const

describe.each(rfc)('RFC 8032, seed %s', (seed, publicKey, message, signature) => {
  test('has its public key', () => {
    expect(hex(publicKeyOfSeed(bytes(seed)))).toBe(publicKey)
  })

  test('signs as given', () => {
    expect(hex(signerOf(bytes(seed))(bytes(message)))).toBe(signature)
  })

  test('verifies, and not with one bit changed', () => {
    expect(verifySignature(bytes(message), bytes(signature), bytes(publicKey))).toBe(true)
    for (let bit = 0; bit < 512; bit += 1) {
      const forged = bytes(signature)
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(verifySignature(bytes(message), forged, bytes(publicKey))).toBe(false)
    }
  })
})

test('signs what another implementation signs', () => {
  const seed = fc.uint8Array({ minLength: 32, maxLength: 32 })
  fc.assert(
    fc.property(seed, fc.uint8Array({ maxLength: 100 }), (seed, message) => {
      const pair = keyPairFromSeed(Buffer.from(seed))
      expect(hex(publicKeyOfSeed(seed))).toBe(hex(pair.publicKey))
      expect(hex(signerOf(seed)(message))).toBe(hex(naclSign(Buffer.from(message), pair.secretKey)))
    }),
    { numRuns: 30 },
  )
})

test('anything malformed does not verify, and does not throw', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ minLength: 60, maxLength: 66 }),
      fc.uint8Array({ minLength: 30, maxLength: 34 }),
      (message, signature, publicKey) => {
        expect(verifySignature(message, signature, publicKey)).toBe(false)
      },
    ),
    { numRuns: 500 },
  )
})

test.each([0, 31, 33])('a seed of %i bytes signs nothing', (length) => {
  expect(() => signerOf(new Uint8Array(length))).toThrow(`seed of ${length} bytes, expected 32`)
})

test('many keys in turn are each verified by their own', () => {
  const message = Uint8Array.of(1, 2, 3)
  const keys = Array.from({ length: 1_100 }, (_, number) => {
    const seed = new Uint8Array(32)
    new DataView(seed.buffer).setUint32(0, number)
    return { publicKey: publicKeyOfSeed(seed), signature: signerOf(seed)(message) }
  })
  const verified = [...keys, ...keys.slice(0, 100)].filter(({ publicKey, signature }) =>
    verifySignature(message, signature, publicKey),
  )
  expect(verified).toHaveLength(1_200)
  const [first, second] = keys
  expect(verifySignature(message, first?.signature ?? message, second?.publicKey ?? message)).toBe(false)
})

describe('what was good before', () => {
  const seed = new Uint8Array(32).fill(77)
  const publicKey = publicKeyOfSeed(seed)
  const message = Uint8Array.from({ length: 200 }, (_, at) => at)
  const changed = (value: Uint8Array, at: number): Uint8Array => value.with(at, (value[at] ?? 0) ^ 1)

  /** By hands whose signatures are not remembered when made. */
  const signedAway = (text: Uint8Array): Uint8Array => {
    const { secretKey } = keyPairFromSeed(Buffer.from(seed))
    return Uint8Array.from(naclSign(Buffer.from(text), secretKey))
  }

  test.each([
    ['signed here', signerOf(seed)],
    ['verified', signedAway],
  ])('and was %s stays good, and not with any byte changed', (_, sign) => {
    const signature = sign(message)
    const isGood = (): boolean => verifySignature(message, signature, publicKey)
    expect([isGood(), isGood()]).toEqual([true, true])
    for (const at of message.keys()) expect(verifySignature(changed(message, at), signature, publicKey)).toBe(false)
    for (const at of signature.keys()) expect(verifySignature(message, changed(signature, at), publicKey)).toBe(false)
    for (const at of publicKey.keys()) expect(verifySignature(message, signature, changed(publicKey, at))).toBe(false)
    for (const other of [message.subarray(1), message.subarray(0, -1), Uint8Array.of(...message, 0)]) {
      expect(verifySignature(other, signature, publicKey)).toBe(false)
    }
    expect(isGood()).toBe(true)
  })

  test('is what it was when it was good, whatever became of the bytes since', () => {
    const own = Uint8Array.from(message)
    const key = Uint8Array.from(publicKey)
    const signature = signerOf(seed)(own)
    expect(verifySignature(own, signature, key)).toBe(true)
    own[0] = 99
    expect(verifySignature(own, signature, key)).toBe(false)
    expect(verifySignature(message, signature, publicKey)).toBe(true)
    key[0] = (key[0] ?? 0) ^ 1
    expect(verifySignature(message, signature, key)).toBe(false)
    expect(verifySignature(message, signature, publicKey)).toBe(true)
  })

  test('is still good when much else was seen since, and what is false still false', () => {
    const sign = signerOf(seed)
    const numbered = Array.from({ length: 4_200 }, (_, number) => {
      const text = new Uint8Array(4)
      new DataView(text.buffer).setUint32(0, number)
      return { text, signature: sign(text) }
    })
    const first = numbered.slice(0, 50)
    expect(first.every(({ text, signature }) => verifySignature(text, signature, publicKey))).toBe(true)
    expect(first.some(({ text, signature }) => verifySignature(changed(text, 0), signature, publicKey))).toBe(false)
  })

  test('a long message is verified like any other', () => {
    const long = new Uint8Array(5_000)
    const signature = signerOf(seed)(long)
    expect(verifySignature(long, signature, publicKey)).toBe(true)
    expect(verifySignature(changed(long, 4_999), signature, publicKey)).toBe(false)
  })
})

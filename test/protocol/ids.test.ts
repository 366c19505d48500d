// Peer ids, addresses and model keys, held against libp2p's own.

import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  accountOf,
  addressOf,
  declaredModelKeyOf,
  meshKey,
  modelKeyOf,
  parseAddress,
  parseModelKey,
  parsePeerId,
  peerIdOf,
  publicKeyOf,
} from '../../protocol/ids.ts'
import { publicKeyOfSeed } from '../../protocol/signature.ts'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('peer ids', () => {
  test("are libp2p's for the same seed", async () => {
    for (const fill of [0, 1, 127, 255]) {
      const seed = new Uint8Array(32).fill(fill)
      const own = peerIdOf(publicKeyOfSeed(seed))
      expect(own).toBe(peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed)).toString())
      expect(own).toMatch(/^12D3KooW/)
    }
  })

  test('hold the key they were made of', () => {
    fc.assert(
      fc.property(bytes32, (key) => {
        const peer = peerIdOf(key)
        expect(Buffer.from(publicKeyOf(peer)).equals(key)).toBe(true)
        expect(parsePeerId(peer)).toBe(peer)
      }),
    )
  })

  test.each([
    ['an empty text', ''],
    ['a text that is not base58', '0OIl'],
    ['an RSA peer id', 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'],
    ['a CID', 'bafzaajaiaejcbmtgmvfkrn2bgqhnrfxr3wbrynsbwoxqyfo4v35rd5bwjlqyqzqq'],
    ['one with a letter more', `${peerIdOf(new Uint8Array(32))}a`],
    ['one with a space', ` ${peerIdOf(new Uint8Array(32))}`],
  ])('%s is none', (_, text) => {
    expect(() => parsePeerId(text)).toThrow(/is not a peer id, expected one that begins with 12D3KooW/)
  })

  test.each([0, 31, 33])('a key of %i bytes makes none', (length) => {
    expect(() => peerIdOf(new Uint8Array(length))).toThrow(RangeError)
  })
})

describe('addresses', () => {
  test('hold the account they were made of', () => {
    fc.assert(
      fc.property(bytes32, (account) => {
        const address = addressOf(account)
        expect(Buffer.from(accountOf(address)).equals(account)).toBe(true)
        expect(parseAddress(address)).toBe(address)
      }),
    )
  })

  const raw = addressOf(new Uint8Array(32).fill(0xab))
  test.each(['', raw.slice(2), raw.toUpperCase(), `-1${raw.slice(1)}`, `${raw}0`, raw.slice(0, -1), `${raw}\n`])(
    'refuses "%s"',
    (text) => {
      expect(() => parseAddress(text)).toThrow(/expected 0: and 64 hex digits/)
    },
  )

  test.each([31, 33])('an account of %i bytes makes none', (length) => {
    expect(() => addressOf(new Uint8Array(length))).toThrow(RangeError)
  })
})

describe('model keys', () => {
  test('differ with the weights and with the template', () => {
    const [a, b] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
    expect(new Set([modelKeyOf(a, 'x'), modelKeyOf(b, 'x'), modelKeyOf(a, 'y'), modelKeyOf(a, '')]).size).toBe(4)
    expect(modelKeyOf(a, 'x')).toBe(modelKeyOf(Uint8Array.from(a), 'x'))
  })

  test('of a name differ with the name and from those of weights', () => {
    const name = 'x'.repeat(64)
    const all = [declaredModelKeyOf('a'), declaredModelKeyOf('b'), declaredModelKeyOf(name), meshKey]
    expect(new Set([...all, modelKeyOf(new TextEncoder().encode(name), '')]).size).toBe(5)
  })

  // Providers and consumers of different versions must meet under the same keys.
  test('stay what they are', () => {
    expect(meshKey).toBe('40fdfacdbe329833652085cd57c7b3d5cfdea2a02fe4ddb4f5a8ea05e15cf897')
    expect(modelKeyOf(new Uint8Array(32), '{{ messages }}')).toBe(
      'a223f147fade9feb5590a5dd4d8409c0d9882218b045571de55ade2f9bc495ea',
    )
  })

  test.each(['', 'a'.repeat(63), 'a'.repeat(65), 'A'.repeat(64), 'g'.repeat(64)])('refuses "%s"', (text) => {
    expect(() => parseModelKey(text)).toThrow(/expected 64 hex digits/)
  })
})

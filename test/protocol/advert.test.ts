// The capacity advert: signed, bounded, and believed only for a while.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { advertLifeMsMax, clockSkewMsMax, decodeAdvert, encodeAdvert, staleness } from '../../protocol/advert.ts'
import { WireAdvert, WireAdvertBody } from '../../protocol/mesh.js'
import { advert, type Key, keyOf } from './arbitraries.ts'
import { damaged, damages, expectViolationOrNothing, violationOf } from './damage.ts'
import { fixedAdvert, providerKey } from './fixed.ts'

const domain = new TextEncoder().encode('silkmesh/advert/1\0')

/** Signs whatever body, as a peer that lies would. */
function seal(body: Uint8Array, { sign }: Key): Uint8Array {
  return WireAdvert.encode({
    body: Uint8Array.from(body),
    signature: Uint8Array.from(sign(Buffer.concat([domain, body]))),
  })
}

const encoded = encodeAdvert(fixedAdvert, providerKey.publicKey, providerKey.sign)

test('what a peer signs is what others read', () => {
  fc.assert(
    fc.property(advert, ({ advert, key }) => {
      expect(decodeAdvert(encodeAdvert(advert, key.publicKey, key.sign))).toEqual(advert)
    }),
    { numRuns: 300 },
  )
})

describe('bytes that were decoded before', () => {
  test('are the same advert, which nobody can change', () => {
    const bytes = Uint8Array.from(encoded)
    const first = decodeAdvert(bytes)
    expect(decodeAdvert(bytes)).toBe(first)
    const parts = [first, first.offers, first.addresses, ...first.offers, ...first.offers.map(({ price }) => price)]
    expect(parts.every(Object.isFrozen)).toBe(true)
  })

  test('are decoded again when they changed', () => {
    const bytes = Uint8Array.from(encoded)
    decodeAdvert(bytes)
    const last = bytes.length - 1
    bytes[last] = (bytes[last] ?? 0) ^ 1
    expect(violationOf(() => decodeAdvert(bytes))).toBe('advert signature does not verify')
    expect(violationOf(() => decodeAdvert(bytes))).toBe('advert signature does not verify')
    bytes[last] = (bytes[last] ?? 0) ^ 1
    expect(decodeAdvert(bytes)).toEqual(fixedAdvert)
  })
})

describe('the signature', () => {
  test('of another key is a violation', () => {
    const forged = encodeAdvert(fixedAdvert, providerKey.publicKey, keyOf(3).sign)
    expect(violationOf(() => decodeAdvert(forged))).toBe('advert signature does not verify')
  })

  test('makes the peer: an advert under another key is that key’s', () => {
    const other = keyOf(3)
    const own = decodeAdvert(encodeAdvert(fixedAdvert, other.publicKey, other.sign))
    expect(own.peer).not.toBe(fixedAdvert.peer)
  })

  test('is over the domain: the bare body signed is a violation', () => {
    const { body } = WireAdvert.decode(encoded)
    const bytes = WireAdvert.encode({ body, signature: Uint8Array.from(providerKey.sign(body)) })
    expect(violationOf(() => decodeAdvert(bytes))).toBe('advert signature does not verify')
  })

  test('breaks with any changed bit of the body', () => {
    const { body, signature } = WireAdvert.decode(encoded)
    for (let bit = 0; bit < body.length * 8; bit += 1) {
      const changed = Uint8Array.from(body)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      violationOf(() => decodeAdvert(WireAdvert.encode({ body: changed, signature })))
    }
  })

  test.each([0, 63, 65])('of %i bytes is a violation', (length) => {
    const { body } = WireAdvert.decode(encoded)
    violationOf(() => decodeAdvert(WireAdvert.encode({ body, signature: new Uint8Array(length) })))
  })
})

describe('illegal fields, rightly signed', () => {
  const { body } = WireAdvert.decode(encoded)
  const lied = (change: Partial<WireAdvertBody>): Uint8Array =>
    seal(WireAdvertBody.encode({ ...WireAdvertBody.decode(body), ...change }), providerKey)

  test.each([
    ['a sequence beyond a safe integer', lied({ sequence: 2n ** 53n }), /sequence 9007199254740992 is beyond/],
    ['a validity beyond a safe integer', lied({ validUntilMs: 2n ** 64n - 1n }), /validity .* is beyond/],
    ['a short payout', lied({ payout: new Uint8Array(31) }), /payout of 31 bytes, expected 32/],
    ['no public key', lied({ publicKey: new Uint8Array(0) }), /public key of 0 bytes, expected 32/],
    ['a public key that is none', lied({ publicKey: new Uint8Array(32).fill(0xff) }), /does not verify/],
    ['an offer without a price', lied({ offers: [{ modelKey: new Uint8Array(32) }] as never }), /price is missing/],
  ])('%s is a violation', (_, bytes, message) => {
    expect(violationOf(() => decodeAdvert(bytes))).toMatch(message)
  })

  test('the largest safe sequence is legal', () => {
    expect(decodeAdvert(lied({ sequence: 2n ** 53n - 1n })).sequence).toBe(Number.MAX_SAFE_INTEGER)
  })

  test('control characters in names, addresses and agents become spaces', () => {
    const offers = fixedAdvert.offers.map((offer) => ({ ...offer, name: 'a\u001b[31mb\n' }))
    const rude = { ...fixedAdvert, offers, addresses: ['/ip4\r'], agent: 'x\u0007\u202e' }
    expect(decodeAdvert(encodeAdvert(rude, providerKey.publicKey, providerKey.sign))).toMatchObject({
      offers: [{ name: 'a [31mb ' }],
      addresses: ['/ip4 '],
      agent: 'x  ',
    })
  })
})

describe('garbage', () => {
  test('noise is a violation', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        violationOf(() => decodeAdvert(bytes))
      }),
      { numRuns: 1_000 },
    )
  })

  test('a damaged advert is a violation or an advert', () => {
    fc.assert(
      fc.property(advert, damages, ({ advert, key }, changes) => {
        expectViolationOrNothing(decodeAdvert, damaged(encodeAdvert(advert, key.publicKey, key.sign), changes))
      }),
      { numRuns: 500 },
    )
  })

  test('a damaged body, rightly signed, is a violation or an advert', () => {
    fc.assert(
      fc.property(advert, damages, ({ advert, key }, changes) => {
        const { body } = WireAdvert.decode(encodeAdvert(advert, key.publicKey, key.sign))
        expectViolationOrNothing(decodeAdvert, seal(damaged(body, changes), key))
      }),
      { numRuns: 1_500 },
    )
  })

  test('a noisy body, rightly signed, is a violation or an advert', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const key = Buffer.concat([Uint8Array.of(0x0a, 32), providerKey.publicKey])
        expectViolationOrNothing(decodeAdvert, seal(Buffer.concat([key, noise]), providerKey))
      }),
      { numRuns: 1_000 },
    )
  })

  test('a body that claims two gigabytes is a violation', () => {
    violationOf(() => decodeAdvert(Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x07, 0x12, 0x00)))
  })
})

describe('staleness', () => {
  const nowMs = 1_800_000_000_000
  const horizonMs = nowMs + advertLifeMsMax + clockSkewMsMax
  const valid = (validUntilMs: number, sequence = 7) => ({ ...fixedAdvert, validUntilMs, sequence })

  test.each([
    ['valid until this very millisecond', valid(nowMs), undefined, undefined],
    ['expired a millisecond ago', valid(nowMs - 1), undefined, 'expired 1 ms ago'],
    ['valid as long as may be, clocks apart as far as may be', valid(horizonMs), undefined, undefined],
    ['valid a millisecond longer', valid(horizonMs + 1), undefined, 'claims validity for 310001 ms, at most 300000'],
    ['newer than the one seen', valid(nowMs, 8), 7, undefined],
    ['the one seen', valid(nowMs, 7), 7, 'sequence 7, already seen 7'],
    ['older than the one seen', valid(nowMs, 6), 7, 'sequence 6, already seen 7'],
    ['the first ever, of sequence 0', valid(nowMs, 0), undefined, undefined],
    ['of sequence 0 a second time', valid(nowMs, 0), 0, 'sequence 0, already seen 0'],
  ])('%s', (_, advert, seen, reason) => {
    expect(staleness(advert, nowMs, seen)).toBe(reason)
  })
})

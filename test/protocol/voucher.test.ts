// The cumulative voucher: its cell bit by bit, and what its signature covers.

import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { accountOf } from '../../protocol/ids.ts'
import { nanoMax } from '../../protocol/money.ts'
import {
  betterVoucher,
  isSameTab,
  signVoucher,
  type VoucherTerms,
  verifyVoucher,
  voucherCell,
  voucherDigest,
} from '../../protocol/voucher.ts'
import { terms } from './arbitraries.ts'
import { consumerKey, fixedFrames, providerKey } from './fixed.ts'

const { voucher } = fixedFrames.voucher

/** The cell's bits as the schema in docs/protocol.md §6.1 says, written without the library under test. */
function bitsOf({ globalId, escrow, epoch, payee, amountNano }: VoucherTerms): string {
  const bits = (value: bigint | number, width: number): string =>
    BigInt.asUintN(width, BigInt(value)).toString(2).padStart(width, '0')
  const account = (address: Parameters<typeof accountOf>[0]): string =>
    [...accountOf(address)].map((byte) => bits(byte, 8)).join('')
  const amountBytes = amountNano === 0n ? 0 : Math.ceil(amountNano.toString(2).length / 8)
  return [
    bits(0x56c40001, 32),
    bits(globalId, 32),
    `100${bits(0, 8)}${account(escrow)}`, // addr_std$10, no anycast, workchain 0
    bits(epoch, 32),
    account(payee),
    bits(amountBytes, 4) + (amountBytes === 0 ? '' : bits(amountNano, amountBytes * 8)),
  ].join('')
}

/** The representation hash of an ordinary cell without references: two descriptor bytes, then the padded data. */
function hashOf(bits: string): string {
  const whole = Math.floor(bits.length / 8)
  const padded = bits.length % 8 === 0 ? bits : `${bits}1`.padEnd(8 * (whole + 1), '0')
  const data = (padded.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2))
  return createHash('sha256')
    .update(Uint8Array.of(0, whole + data.length, ...data))
    .digest('hex')
}

const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex')

test('the cell holds exactly the bits of its schema', () => {
  fc.assert(
    fc.property(terms, (terms) => {
      const { bits, refs } = voucherCell(terms)
      const held = Array.from({ length: bits.length }, (_, at) => (bits.at(at) ? '1' : '0')).join('')
      expect(held).toBe(bitsOf(terms))
      expect(refs).toHaveLength(0)
    }),
  )
})

test('the digest is the representation hash of the cell', () => {
  fc.assert(
    fc.property(terms, (terms) => {
      expect(hex(voucherDigest(terms))).toBe(hashOf(bitsOf(terms)))
    }),
  )
})

test('the digest is what @ton/core hashes of the cell', () => {
  fc.assert(
    fc.property(terms, (terms) => {
      expect(hex(voucherDigest(terms))).toBe(voucherCell(terms).hash().toString('hex'))
    }),
    { numRuns: 500 },
  )
})

test.each([
  ['nothing', 0n],
  ['one byte', 255n],
  ['two bytes, the first of half of them', 256n],
  ['the high bit of a byte', 0x80n],
  ['all that a frame carries', nanoMax],
])('the digest of %s is what @ton/core hashes of the cell', (_, amountNano) => {
  const terms = { ...voucher.terms, amountNano, globalId: -1, epoch: 0xffffffff }
  expect(hex(voucherDigest(terms))).toBe(voucherCell(terms).hash().toString('hex'))
})

test.each(['', '0:', '0:00', `0:${'g'.repeat(64)}`, `-1:${'0'.repeat(64)}`])(
  'no digest is made of the address "%s"',
  (text) => {
    const wrong = text as typeof voucher.terms.payee
    expect(() => voucherDigest({ ...voucher.terms, payee: wrong })).toThrow(RangeError)
    expect(() => voucherDigest({ ...voucher.terms, escrow: wrong })).toThrow(RangeError)
  },
)

test('two different terms never share a digest', () => {
  fc.assert(
    fc.property(terms, terms, (a, b) => {
      const isSame = isSameTab(a, b) && a.amountNano === b.amountNano
      expect(hex(voucherDigest(a)) === hex(voucherDigest(b))).toBe(isSame)
    }),
  )
})

describe('the signature', () => {
  test('verifies under the key that made it and no other', () => {
    expect(verifyVoucher(voucher, consumerKey.publicKey)).toBe(true)
    expect(verifyVoucher(voucher, providerKey.publicKey)).toBe(false)
  })

  const { escrow, payee } = voucher.terms
  const changes: readonly [string, Partial<VoucherTerms>][] = [
    ['another chain', { globalId: -3 }],
    ['another escrow', { escrow: payee }],
    ['another epoch', { epoch: 4 }],
    ['another payee', { payee: escrow }],
    ['one nano more', { amountNano: voucher.terms.amountNano + 1n }],
    ['one nano less', { amountNano: voucher.terms.amountNano - 1n }],
  ]

  test.each(changes)('does not hold for %s', (_, change) => {
    const forged = { ...voucher, terms: { ...voucher.terms, ...change } }
    expect(verifyVoucher(forged, consumerKey.publicKey)).toBe(false)
  })
})

describe('terms that no chain has', () => {
  const base = voucher.terms

  test.each([
    ['a global id', { globalId: 0x7fffffff }, { globalId: 0x80000000 }, /global id 2147483648, expected a signed/],
    ['a negative global id', { globalId: -0x80000000 }, { globalId: -0x80000001 }, /global id -2147483649/],
    ['a broken global id', { globalId: 1 }, { globalId: 1.5 }, /global id 1.5/],
    ['an epoch', { epoch: 0xffffffff }, { epoch: 0x1_0000_0000 }, /epoch 4294967296, expected an unsigned/],
    ['a negative epoch', { epoch: 0 }, { epoch: -1 }, /epoch -1/],
    ['an amount', { amountNano: nanoMax }, { amountNano: nanoMax + 1n }, /voucher amount 18446744073709551616 nano/],
    ['a negative amount', { amountNano: 0n }, { amountNano: -1n }, /voucher amount -1 nano/],
  ])('%s is signed up to its bound and not beyond', (_, within, beyond, message) => {
    expect(verifyVoucher(signVoucher({ ...base, ...within }, consumerKey.sign), consumerKey.publicKey)).toBe(true)
    expect(() => signVoucher({ ...base, ...beyond }, consumerKey.sign)).toThrow(message)
  })
})

describe('the better of two', () => {
  const of = (amountNano: bigint) => ({ ...voucher, terms: { ...voucher.terms, amountNano } })
  const [small, large] = [of(1n), of(2n)]

  test.each([
    ['nothing and nothing', undefined, undefined, undefined],
    ['something and nothing', small, undefined, small],
    ['nothing and something', undefined, small, small],
    ['the smaller and the larger', small, large, large],
    ['the larger and the smaller', large, small, large],
  ])('of %s', (_, a, b, better) => {
    expect(betterVoucher(a, b)).toBe(better)
  })

  test('of two equal ones is the one already held', () => {
    expect(betterVoucher(small, of(1n))).toBe(small)
  })
})

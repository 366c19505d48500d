// The voucher that is signed off chain is the voucher the contract rebuilds.

import { readFileSync } from 'node:fs'
import { Cell } from '@ton/core'
import { expect, test } from 'vitest'
import { settleOneBody } from '../../contracts/escrow.ts'
import { parseAddress } from '../../protocol/ids.ts'
import { publicKeyOfSeed, signerOf } from '../../protocol/signature.ts'
import { signVoucher, verifyVoucher, voucherCell, voucherDigest } from '../../protocol/voucher.ts'
import { payee, stage } from './stage.ts'

interface Vector {
  readonly name: string
  readonly seed: string
  readonly publicKey: string
  readonly terms: { globalId: number; escrow: string; epoch: number; payee: string; amountNano: string }
  readonly cellBoc: string
  readonly digest: string
  readonly signature: string
}

const vectors = JSON.parse(readFileSync(new URL('../vectors/voucher.json', import.meta.url), 'utf8')) as Vector[]

test.each(vectors)('golden vector: $name', (vector) => {
  const terms = {
    globalId: vector.terms.globalId,
    escrow: parseAddress(vector.terms.escrow),
    epoch: vector.terms.epoch,
    payee: parseAddress(vector.terms.payee),
    amountNano: BigInt(vector.terms.amountNano),
  }
  const seed = Buffer.from(vector.seed, 'hex')
  const voucher = signVoucher(terms, signerOf(seed))
  expect(Buffer.from(publicKeyOfSeed(seed)).toString('hex')).toBe(vector.publicKey)
  expect(voucherCell(terms).equals(Cell.fromHex(vector.cellBoc))).toBe(true)
  expect(Buffer.from(voucherDigest(terms)).toString('hex')).toBe(vector.digest)
  expect(Buffer.from(voucher.signature).toString('hex')).toBe(vector.signature)
  expect(verifyVoucher(voucher, Buffer.from(vector.publicKey, 'hex'))).toBe(true)
})

test('the contract computes the digest of every amount width as the protocol does', async () => {
  const on = await stage()
  for (const amountNano of [0n, 1n, 255n, 256n, 10n ** 9n, 2n ** 63n, 2n ** 64n - 1n]) {
    const ours = voucherDigest(on.terms(payee(1), amountNano))
    const theirs = await on.escrow.getVoucherDigest(payee(1), amountNano)
    expect(Buffer.from(theirs).toString('hex'), `${amountNano}`).toBe(Buffer.from(ours).toString('hex'))
  }
})

test('the contract computes the digest of the epoch it is in', async () => {
  const on = await stage({ unlockDelaySec: 0 })
  await on.unlockAndFinalize()
  const theirs = await on.escrow.getVoucherDigest(payee(1), 5n)
  const ours = voucherDigest(on.terms(payee(1), 5n, { epoch: 1 }))
  expect(Buffer.from(theirs).toString('hex')).toBe(Buffer.from(ours).toString('hex'))
})

test('a voucher without a whole signature is refused before it is a message', () => {
  const terms = { globalId: -239, escrow: payee(1), epoch: 0, payee: payee(2), amountNano: 1n }
  expect(() => settleOneBody({ terms, signature: new Uint8Array(63) })).toThrow('signature of 63 bytes, expected 64')
})

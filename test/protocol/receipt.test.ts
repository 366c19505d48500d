// The receipt: a provider's signed account of one request.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeFrame } from '../../protocol/frames.ts'
import { costNano } from '../../protocol/money.ts'
import { type Receipt, requestDigestOf, signReceipt, verifyReceipt } from '../../protocol/receipt.ts'
import { modelKey, price, usage } from './arbitraries.ts'
import { consumerKey, fixedFrames, providerKey } from './fixed.ts'

const { receipt } = fixedFrames.end

test('states the cost of its own counts at its own price and verifies', () => {
  const requestDigest = fc.uint8Array({ minLength: 32, maxLength: 32 })
  fc.assert(
    fc.property(requestDigest, modelKey, price, usage, (requestDigest, modelKey, price, usage) => {
      const signed = signReceipt({ requestDigest, modelKey, price, usage }, providerKey.sign)
      expect(signed.costNano).toBe(costNano(usage, price))
      expect(verifyReceipt(signed, providerKey.publicKey)).toBe(true)
    }),
    { numRuns: 50 },
  )
})

describe('does not verify', () => {
  const changes: readonly [string, Partial<Receipt>][] = [
    ['for another request', { requestDigest: new Uint8Array(32).fill(8) }],
    ['for another model', { modelKey: 'f'.repeat(64) as Receipt['modelKey'] }],
    ['at another price', { price: { ...receipt.price, completionNano: receipt.price.completionNano - 1n } }],
    ['with fewer tokens', { usage: { ...receipt.usage, completionTokens: receipt.usage.completionTokens - 1 } }],
    ['with more of the prompt cached', { usage: { ...receipt.usage, cachedTokens: receipt.usage.cachedTokens + 1 } }],
    ['with another cost', { costNano: receipt.costNano - 1n }],
    ['with another signature', { signature: new Uint8Array(64) }],
  ]

  test.each(changes)('%s', (_, change) => {
    expect(verifyReceipt({ ...receipt, ...change }, providerKey.publicKey)).toBe(false)
  })

  test('under the key of another peer', () => {
    expect(verifyReceipt(receipt, consumerKey.publicKey)).toBe(false)
  })

  test('where its signer stated a cost that does not follow from the counts', () => {
    // The cost is under the signature, so a liar must sign it: then the arithmetic gives it away.
    const cheap = signReceipt({ ...receipt, usage: { ...receipt.usage, completionTokens: 1 } }, providerKey.sign)
    expect(verifyReceipt({ ...receipt, costNano: cheap.costNano }, providerKey.publicKey)).toBe(false)
  })
})

test('the digest of a request is of its every byte', () => {
  const bytes = encodeFrame(fixedFrames.open)
  const digest = Buffer.from(requestDigestOf(bytes)).toString('hex')
  expect(Buffer.from(requestDigestOf(Uint8Array.from(bytes))).toString('hex')).toBe(digest)
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Uint8Array.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(Buffer.from(requestDigestOf(changed)).toString('hex')).not.toBe(digest)
  }
})

// The messages of the settle protocol.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../protocol/limits.ts'
import { WireSettleReply } from '../../protocol/mesh.js'
import {
  decodeSettleReply,
  decodeSettleRequest,
  encodeSettleReply,
  encodeSettleRequest,
} from '../../protocol/settlement.ts'
import { settleReply, voucher } from './arbitraries.ts'
import { damaged, damages, expectViolationOrNothing } from './damage.ts'

const vouchers = fc.array(voucher, { maxLength: limits.voucherBatchMax })

test('a request round-trips', () => {
  fc.assert(
    fc.property(vouchers, fc.boolean(), fc.option(voucher, { nil: undefined }), (sent, isWatch, fee) => {
      const escrow = fee?.terms.escrow
      const decoded = decodeSettleRequest(encodeSettleRequest(sent, { escrow, fee, isWatch }))
      expect(decoded).toEqual({ vouchers: sent, escrow, fee, isWatch })
    }),
  )
})

test('a reply round-trips', () => {
  fc.assert(
    fc.property(settleReply, (reply) => {
      expect(decodeSettleReply(encodeSettleReply(reply))).toEqual(reply)
    }),
  )
})

test('a reply without a code is one without a refusal', () => {
  expect(decodeSettleReply(encodeSettleReply({ accepted: 3, code: undefined, message: '' })).code).toBeUndefined()
})

test("a newer settler's refusal reads as internal", () => {
  expect(decodeSettleReply(WireSettleReply.encode({ accepted: 0, code: 9_999, message: '' })).code).toBe('internal')
})

test("a settler's text has no control characters", () => {
  const bytes = WireSettleReply.encode({ accepted: 0, code: 1, message: '\u001b[2Jno' })
  expect(decodeSettleReply(bytes).message).toBe(' [2Jno')
})

test('noise is a violation or a message', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expectViolationOrNothing(decodeSettleRequest, bytes)
      expectViolationOrNothing(decodeSettleReply, bytes)
    }),
    { numRuns: 2_000 },
  )
})

test('a damaged message is a violation or a message', () => {
  fc.assert(
    fc.property(vouchers, settleReply, damages, (sent, reply, changes) => {
      expectViolationOrNothing(decodeSettleRequest, damaged(encodeSettleRequest(sent), changes))
      expectViolationOrNothing(decodeSettleReply, damaged(encodeSettleReply(reply), changes))
    }),
    { numRuns: 1_000 },
  )
})

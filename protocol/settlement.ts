// The messages of /silkmesh/settle/1.0.0: vouchers handed to a settler. docs/protocol.md §7.

import { codeOfWire, type ErrorCode, failures } from './errors.ts'
import { limits } from './limits.ts'
import { WireSettleReply, WireSettleRequest } from './mesh.js'
import type { Voucher } from './voucher.ts'
import { boundedCount, boundedText, decodeBounded, decodeVoucher, encodeVoucher, printable } from './wire.ts'

export interface SettleReply {
  /** Vouchers the settler has stored and will post. */
  readonly accepted: number
  /** Why the first of the others was refused. */
  readonly code: ErrorCode | undefined
  readonly message: string
}

export function encodeSettleRequest(vouchers: readonly Voucher[]): Uint8Array {
  return WireSettleRequest.encode({ vouchers: vouchers.map(encodeVoucher) })
}

export function decodeSettleRequest(bytes: Uint8Array): readonly Voucher[] {
  return decodeBounded('settle request', bytes, limits.frameBytesMax, () =>
    WireSettleRequest.decode(bytes, { limits: { vouchers: limits.voucherBatchMax } }).vouchers.map(decodeVoucher),
  )
}

export function encodeSettleReply(reply: SettleReply): Uint8Array {
  const { accepted, code, message } = reply
  return WireSettleReply.encode({
    accepted,
    code: code ? failures[code].wire : 0,
    message: message.slice(0, limits.reasonCharsMax),
  })
}

export function decodeSettleReply(bytes: Uint8Array): SettleReply {
  return decodeBounded('settle reply', bytes, limits.frameBytesMax, () => {
    const { accepted, code, message } = WireSettleReply.decode(bytes)
    return {
      accepted: boundedCount('accepted vouchers', accepted, limits.voucherBatchMax),
      code: code === 0 ? undefined : codeOfWire(code),
      message: printable(boundedText('message', message, limits.reasonCharsMax)),
    }
  })
}

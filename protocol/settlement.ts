// The messages of /silkmesh/settle/1.0.0: vouchers handed to a settler, and its fee. docs/protocol.md §7.

import { codeOfWire, type ErrorCode, failures } from './errors.ts'
import { decodeTab, encodeTab, type Tab } from './frames.ts'
import type { Address } from './ids.ts'
import { limits } from './limits.ts'
import { WireSettleReply, WireSettleRequest } from './mesh.js'
import type { Voucher } from './voucher.ts'
import {
  boundedCount,
  boundedText,
  decodeAddress,
  decodeBounded,
  decodeVoucher,
  encodeAccount,
  encodeVoucher,
  optional,
  printable,
} from './wire.ts'

export interface SettleRequest {
  readonly vouchers: readonly Voucher[]
  /** Keep them, and post them only when their escrow begins to close. */
  readonly isWatch: boolean
  /** The sender's own escrow, that its fees are paid from. */
  readonly escrow: Address | undefined
  /** The sender's best voucher out of it to this settler. */
  readonly fee: Voucher | undefined
}

export interface SettleReply {
  /** Vouchers the settler has stored and will post, or watch over. */
  readonly accepted: number
  /** Why the first of the others was refused. */
  readonly code: ErrorCode | undefined
  readonly message: string
  /** The settler's view of its fees. */
  readonly fee?: Tab | undefined
}

export function encodeSettleRequest(
  vouchers: readonly Voucher[],
  { escrow, fee, isWatch = false }: Partial<Omit<SettleRequest, 'vouchers'>> = {},
): Uint8Array {
  return WireSettleRequest.encode({
    vouchers: vouchers.map(encodeVoucher),
    watch: isWatch,
    escrow: escrow === undefined ? new Uint8Array() : encodeAccount(escrow),
    ...optional('fee', fee && encodeVoucher(fee)),
  })
}

export function decodeSettleRequest(bytes: Uint8Array): SettleRequest {
  return decodeBounded('settle request', bytes, limits.frameBytesMax, () => {
    const request = WireSettleRequest.decode(bytes, { limits: { vouchers: limits.voucherBatchMax } })
    return {
      vouchers: request.vouchers.map(decodeVoucher),
      isWatch: request.watch,
      escrow: request.escrow.length === 0 ? undefined : decodeAddress('escrow', request.escrow),
      fee: request.fee && decodeVoucher(request.fee),
    }
  })
}

export function encodeSettleReply(reply: SettleReply): Uint8Array {
  const { accepted, code, fee, message } = reply
  return WireSettleReply.encode({
    accepted,
    code: code ? failures[code].wire : 0,
    message: message.slice(0, limits.reasonCharsMax),
    ...optional('fee', fee && encodeTab(fee)),
  })
}

export function decodeSettleReply(bytes: Uint8Array): SettleReply {
  return decodeBounded('settle reply', bytes, limits.frameBytesMax, () => {
    const { accepted, code, fee, message } = WireSettleReply.decode(bytes)
    return {
      accepted: boundedCount('accepted vouchers', accepted, limits.voucherBatchMax),
      code: code === 0 ? undefined : codeOfWire(code),
      message: printable(boundedText('message', message, limits.reasonCharsMax)),
      ...optional('fee', fee && decodeTab(fee)),
    }
  })
}

// The bodies of the messages an escrow understands; escrow/messages.tolk is the other side of each.

import { Address, beginCell, type Cell, type Slice } from '@ton/core'
import { accountOf, type Address as RawAddress } from '../protocol/ids.ts'
import type { Voucher } from '../protocol/voucher.ts'

/** Vouchers of one external message. */
export const vouchersMax = 10

/** How far ahead a reservation may reach. */
export const reservationSecMax = 30 * 24 * 3600

// settle_one#5e771e10 payee:uint256 amount:Coins signature:bits512 = ExternalMessage;
export function settleOneBody(voucher: Voucher): Cell {
  return beginCell().storeUint(0x5e771e10, 32).storeSlice(voucherHead(voucher)).endCell()
}

// settle_batch#5e771e11 first:Voucher = ExternalMessage;
// voucher$_ payee:uint256 amount:Coins signature:bits512 next:(Maybe ^Voucher) = Voucher;
/** Vouchers are paid in this order. The first must be payable, or the message is not accepted; others are passed over. */
export function settleBatchBody(vouchers: readonly Voucher[]): Cell {
  const [first, ...rest] = vouchers
  if (!first || vouchers.length > vouchersMax) {
    throw new RangeError(`a batch of ${vouchers.length} vouchers, expected 1 to ${vouchersMax}`)
  }
  // the contract pays the first and then works back from the end of the chain
  let next: Cell | null = null
  for (const voucher of rest) next = beginCell().storeSlice(voucherHead(voucher)).storeMaybeRef(next).endCell()
  return beginCell().storeUint(0x5e771e11, 32).storeSlice(voucherHead(first)).storeMaybeRef(next).endCell()
}

/** The cheapest message for so many vouchers. */
export function settleBody(vouchers: readonly Voucher[]): Cell {
  const [only, ...others] = vouchers
  return only && others.length === 0 ? settleOneBody(only) : settleBatchBody(vouchers)
}

// settle_internal#5e771e01 query_id:uint64 payee:uint256 amount:Coins signature:bits512 = InternalMessage;
export function settleInternalBody(voucher: Voucher, queryId = 0n): Cell {
  return beginCell().storeUint(0x5e771e01, 32).storeUint(queryId, 64).storeSlice(voucherHead(voucher)).endCell()
}

/** Messages that a wallet v5 sends in one transfer. */
export const transferMessagesMax = 255

/** Goes with a settle by wallet; about a fifteenth of it is used at the prices of 2026, and the rest comes back. */
export const settleAttachedNano = 10_000_000n

/** One message of a transfer by wallet. */
export interface SettleTransfer {
  readonly to: RawAddress
  readonly amountNano: bigint
  readonly bounce: true
  readonly body: Cell
}

/**
 * Everything a payee holds, of all escrows and of whatever small amount, as messages of its own wallet: one list a transfer.
 * A settle by wallet pays out all that is due, from 133 334 nano on, where an external message needs some two million; its sender
 * pays the fees, more than a million nano a voucher. Of several vouchers of one tab only the highest is sent; one
 * that cannot be paid fails alone, and its coins come back.
 */
export function settleAllTransfers(
  vouchers: readonly Voucher[],
  attachedNano = settleAttachedNano,
): readonly (readonly SettleTransfer[])[] {
  const best = new Map<string, Voucher>()
  for (const voucher of vouchers) {
    const { amountNano, epoch, escrow, globalId, payee } = voucher.terms
    const tab = `${globalId} ${escrow} ${epoch} ${payee}`
    if (amountNano > (best.get(tab)?.terms.amountNano ?? -1n)) best.set(tab, voucher)
  }
  const transfers = [...best.values()].map(
    (voucher): SettleTransfer => ({
      to: voucher.terms.escrow,
      amountNano: attachedNano,
      bounce: true,
      body: settleInternalBody(voucher),
    }),
  )
  return Array.from({ length: Math.ceil(transfers.length / transferMessagesMax) }, (_, index) =>
    transfers.slice(index * transferMessagesMax, (index + 1) * transferMessagesMax),
  )
}

export type ControlAction =
  | { readonly kind: 'unlock' }
  | { readonly kind: 'finalize' }
  | ({ readonly kind: 'reserve' } & Reservation)

export interface Reservation {
  readonly payee: RawAddress
  readonly amountNano: bigint
  /** Unix seconds, at most `reservationSecMax` ahead. */
  readonly until: number
}

export interface ControlTerms {
  readonly globalId: number
  readonly escrow: RawAddress
  /** From `getAccount`. */
  readonly epoch: number
  readonly seqno: number
  /** Unix seconds; short, a minute or so. */
  readonly validUntil: number
  readonly action: ControlAction
}

// control_payload#0c105e12 global_id:int32 account:MsgAddressInt epoch:uint32 seqno:uint32 valid_until:uint32
//   action:Action = Control;
export function controlPayload(terms: ControlTerms): Cell {
  return beginCell()
    .storeUint(0x0c105e12, 32)
    .storeInt(terms.globalId, 32)
    .storeAddress(Address.parseRaw(terms.escrow))
    .storeUint(terms.epoch, 32)
    .storeUint(terms.seqno, 32)
    .storeUint(terms.validUntil, 32)
    .storeSlice(controlAction(terms.action).asSlice())
    .endCell()
}

// control#0c105e11 signature:bits512 payload:^Control = ExternalMessage;
/** What the client's key does by itself, without the owner's wallet and without coins beyond the deposit. */
export function controlBody(terms: ControlTerms, sign: (digest: Uint8Array) => Uint8Array): Cell {
  const payload = controlPayload(terms)
  const signature = Buffer.from(sign(payload.hash()))
  if (signature.length !== 64) throw new RangeError(`signature of ${signature.length} bytes, expected 64`)
  return beginCell().storeUint(0x0c105e11, 32).storeBuffer(signature).storeRef(payload).endCell()
}

// top_up#70b0b001 query_id:uint64 = InternalMessage;
/** Same as an empty body. */
export function topUpBody(queryId = 0n): Cell {
  return operation(0x70b0b001, queryId)
}

// start_unlock#0c105e01 query_id:uint64 = InternalMessage;
export function startUnlockBody(queryId = 0n): Cell {
  return operation(0x0c105e01, queryId)
}

// cancel_unlock#0c105e03 query_id:uint64 = InternalMessage;
export function cancelUnlockBody(queryId = 0n): Cell {
  return operation(0x0c105e03, queryId)
}

// finalize#0c105e02 query_id:uint64 = InternalMessage;
export function finalizeBody(queryId = 0n): Cell {
  return operation(0x0c105e02, queryId)
}

// reserve#4e5e4e01 query_id:uint64 payee:uint256 amount:Coins until:uint32 = InternalMessage;
export function reserveBody(reservation: Reservation, queryId = 0n): Cell {
  return beginCell()
    .storeUint(0x4e5e4e01, 32)
    .storeUint(queryId, 64)
    .storeSlice(reservationSlice(reservation).asSlice())
    .endCell()
}

function voucherHead({ terms, signature }: Voucher): Slice {
  if (signature.length !== 64) throw new RangeError(`signature of ${signature.length} bytes, expected 64`)
  return beginCell()
    .storeUint(payeeNumber(terms.payee), 256)
    .storeCoins(terms.amountNano)
    .storeBuffer(Buffer.from(signature))
    .asSlice()
}

// act_unlock#01 = Action;  act_finalize#02 = Action;  act_reserve#03 payee:uint256 amount:Coins until:uint32 = Action;
function controlAction(action: ControlAction): Cell {
  switch (action.kind) {
    case 'unlock':
      return beginCell().storeUint(0x01, 8).endCell()
    case 'finalize':
      return beginCell().storeUint(0x02, 8).endCell()
    case 'reserve':
      return beginCell().storeUint(0x03, 8).storeSlice(reservationSlice(action).asSlice()).endCell()
  }
}

function reservationSlice({ payee, amountNano, until }: Reservation): Cell {
  return beginCell().storeUint(payeeNumber(payee), 256).storeCoins(amountNano).storeUint(until, 32).endCell()
}

function operation(code: number, queryId: bigint): Cell {
  return beginCell().storeUint(code, 32).storeUint(queryId, 64).endCell()
}

/** As get-methods and messages carry it. */
export function payeeNumber(payee: RawAddress): bigint {
  return BigInt(`0x${Buffer.from(accountOf(payee)).toString('hex')}`)
}

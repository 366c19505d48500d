// The cumulative voucher: what a consumer owes one provider in all, signed over the very TL-B cell the escrow rebuilds.

import { hash } from 'node:crypto'
import { beginCell, type Cell, Address as TonAddress } from '@ton/core'
import { type Address, accountOf, type PeerId } from './ids.ts'
import { type Nano, nanoMax } from './money.ts'
import { verifySignature } from './signature.ts'

/** docs/protocol.md §6.1. Every field is under the signature. */
export interface VoucherTerms {
  /** The chain's global id: −239 mainnet, −3 testnet. */
  readonly globalId: number
  readonly escrow: Address
  /** The escrow's epoch; `finalize` ends one and voids its vouchers. */
  readonly epoch: number
  /** The account that is paid. */
  readonly payee: Address
  /** Everything owed to the payee in this epoch so far. */
  readonly amountNano: Nano
}

export interface Voucher {
  readonly terms: VoucherTerms
  /** Ed25519 over the cell's 32-byte representation hash, 64 bytes. */
  readonly signature: Uint8Array
  /** Of a hub's voucher: whose payment it is. The chain knows nothing of it. */
  readonly grant?: Grant | undefined
}

/** A hub's word on what one consumer may use of its vouchers to a payee: `verifyGrant` in hub.ts. docs/protocol.md §11.2. */
export interface Grant {
  readonly consumer: PeerId
  /** Everything granted to this consumer at the voucher's payee in its epoch so far. */
  readonly amountNano: Nano
  /** Ed25519, 64 bytes, by the key that signs the voucher. */
  readonly signature: Uint8Array
}

const voucherTag = 0x56c40001

/**
 * `voucher_to_sign#56c40001 global_id:int32 account:MsgAddressInt epoch:uint32 payee:uint256 amount:Coins = VoucherToSign`
 */
export function voucherCell(terms: VoucherTerms): Cell {
  assertTerms(terms)
  return beginCell()
    .storeUint(voucherTag, 32)
    .storeInt(terms.globalId, 32)
    .storeAddress(new TonAddress(0, Buffer.from(accountOf(terms.escrow))))
    .storeUint(terms.epoch, 32)
    .storeBuffer(Buffer.from(accountOf(terms.payee)))
    .storeCoins(terms.amountNano)
    .endCell()
}

/**
 * The representation hash of that cell, computed from its bits: the fields before the amount always take 623 of them, and
 * building the cell takes ten times as long as hashing it.
 */
export function voucherDigest(terms: VoucherTerms): Uint8Array {
  assertTerms(terms)
  const amountHex = terms.amountNano === 0n ? '' : terms.amountNano.toString(16)
  const amountBytes = (amountHex.length + 1) >> 1
  const fields = Buffer.alloc(68)
  writeAccount(fields, 0, terms.escrow)
  fields.writeUInt32BE(terms.epoch, 32)
  writeAccount(fields, 36, terms.payee)
  const bytes = Buffer.alloc(80 + amountBytes) // two descriptor bytes, then the data with one bit that ends it
  bytes[1] = 155 + 2 * amountBytes // no references; whole bytes and begun ones
  bytes.writeUInt32BE(voucherTag, 2)
  bytes.writeInt32BE(terms.globalId, 6)
  bytes[10] = 0x80 // addr_std$10, no anycast, workchain 0: eleven bits, so what follows is shifted by three
  for (let at = 0; at < fields.length; at += 1) {
    const byte = fields[at] ?? 0
    bytes[11 + at] = (bytes[11 + at] ?? 0) | (byte >> 3)
    bytes[12 + at] = byte << 5
  }
  bytes[79] = (bytes[79] ?? 0) | (amountBytes << 1)
  const amount = Buffer.from(amountHex.padStart(2 * amountBytes, '0'), 'hex')
  for (let at = 0; at < amount.length; at += 1) {
    const byte = amount[at] ?? 0
    bytes[79 + at] = (bytes[79 + at] ?? 0) | (byte >> 7)
    bytes[80 + at] = byte << 1
  }
  bytes[79 + amountBytes] = (bytes[79 + amountBytes] ?? 0) | 1
  return hash('sha256', bytes, 'buffer')
}

function writeAccount(into: Buffer, at: number, address: Address): void {
  if (address.length !== 66 || into.write(address.slice(2), at, 'hex') !== 32) {
    throw new RangeError(`"${address.slice(0, 80)}" is not a raw basechain address, expected 0: and 64 hex digits`)
  }
}

/** Signs terms rebuilt here: a digest handed over by anybody else is never signed. */
export function signVoucher(terms: VoucherTerms, sign: (digest: Uint8Array) => Uint8Array): Voucher {
  return { terms, signature: sign(voucherDigest(terms)) }
}

export function verifyVoucher(voucher: Voucher, publicKey: Uint8Array): boolean {
  return verifySignature(voucherDigest(voucher.terms), voucher.signature, publicKey)
}

/** One for each tab, whatever was promised on it. */
export function tabKey({ epoch, escrow, globalId, payee }: Omit<VoucherTerms, 'amountNano'>): string {
  return `${globalId}/${escrow}/${epoch}/${payee}`
}

export function isSameTab(a: VoucherTerms, b: VoucherTerms): boolean {
  return a.globalId === b.globalId && a.escrow === b.escrow && a.epoch === b.epoch && a.payee === b.payee
}

/** The better of two valid vouchers of one tab is the larger one: they are cumulative, and so are grants, each by itself. */
export function betterVoucher(a: Voucher | undefined, b: Voucher | undefined): Voucher | undefined {
  if (!a) return b
  if (!b) return a
  const better = b.terms.amountNano > a.terms.amountNano ? b : a
  const other = better === a ? b : a
  const isGrantBehind = other.grant !== undefined && (better.grant?.amountNano ?? -1n) < other.grant.amountNano
  return isGrantBehind ? { ...better, grant: other.grant } : better
}

/** What it pays for: all of it, or what a hub granted of it. */
export function paidNano({ grant, terms }: Voucher): Nano {
  return (grant ?? terms).amountNano
}

function assertTerms(terms: VoucherTerms): void {
  const { globalId, epoch, amountNano } = terms
  if (!Number.isInteger(globalId) || globalId < -0x80000000 || globalId > 0x7fffffff) {
    throw new RangeError(`global id ${globalId}, expected a signed 32-bit integer`)
  }
  if (!Number.isInteger(epoch) || epoch < 0 || epoch > 0xffffffff) {
    throw new RangeError(`epoch ${epoch}, expected an unsigned 32-bit integer`)
  }
  if (amountNano < 0n || amountNano > nanoMax) {
    throw new RangeError(`voucher amount ${amountNano} nano, expected 0 to ${nanoMax}`)
  }
}

// Paying through a hub: the grant, and the messages of /silkmesh/hub/1.0.0. docs/protocol.md §11.

import { decodeFail, decodeTab, encodeTab, type Fail, failOf, type Tab } from './frames.ts'
import { type Address, accountOf, type PeerId, publicKeyOf } from './ids.ts'
import { limits } from './limits.ts'
import { WireHubFrame } from './mesh.js'
import type { Nano } from './money.ts'
import { verifySignature } from './signature.ts'
import type { Grant, Voucher, VoucherTerms } from './voucher.ts'
import {
  boundedCount,
  boundedNano,
  decodeAddress,
  decodeBounded,
  decodeVoucher,
  encodeAccount,
  encodeVoucher,
  violation,
} from './wire.ts'

/** Of what a grant is: a voucher's terms but its amount. */
export type GrantOf = Omit<VoucherTerms, 'amountNano'>

const domain = new TextEncoder().encode('silkmesh/grant/1\0')

/** Of a hub, in parts per million of what it grants: all of it. */
export const feePpmMax = 1_000_000

export function signGrant(
  of: GrantOf,
  consumer: PeerId,
  amountNano: Nano,
  sign: (message: Uint8Array) => Uint8Array,
): Grant {
  return { consumer, amountNano, signature: sign(signedBytes(of, consumer, amountNano)) }
}

/** `voucher` is the one it came with: all but the amount is the same in both. */
export function verifyGrant({ grant, terms }: Voucher, hubKey: Uint8Array): boolean {
  return (
    grant !== undefined &&
    verifySignature(signedBytes(terms, grant.consumer, grant.amountNano), grant.signature, hubKey)
  )
}

/** What a hub takes for granting this much: rounded up, so that many small increments cost it nothing. */
export function feeNano(incrementNano: Nano, feePpm: number): Nano {
  return (incrementNano * BigInt(feePpm) + 999_999n) / 1_000_000n
}

/** 129 bytes: no voucher's digest, which has 32. */
function signedBytes({ epoch, escrow, globalId, payee }: GrantOf, consumer: PeerId, amountNano: Nano): Uint8Array {
  const numbers = Buffer.alloc(16)
  numbers.writeInt32BE(globalId, 0)
  numbers.writeUInt32BE(epoch, 4)
  numbers.writeBigUInt64BE(amountNano, 8)
  return Buffer.concat([domain, numbers, accountOf(escrow), accountOf(payee), publicKeyOf(consumer)])
}

/** consumer → hub, first of all. */
export interface HubHello {
  readonly type: 'hello'
  /** Absent where a stranger asks for the terms alone. */
  readonly escrow: Address | undefined
  readonly best: Voucher | undefined
}

/** hub → consumer: what it costs, and where both stand. */
export interface HubTerms {
  readonly type: 'terms'
  /** The hub's, out of which providers are paid. */
  readonly escrow: Address
  /** Of that escrow. */
  readonly epoch: number
  readonly feePpm: number
  /** The most that one grant may add. */
  readonly incrementNanoMax: Nano
  /** Granted and charged for so far; `payee` is where the consumer's vouchers pay. */
  readonly tab: Tab
}

/** consumer → hub: one increment. */
export interface HubWant {
  readonly type: 'want'
  readonly payee: Address
  /** This consumer's in all, at this payee. */
  readonly creditNano: Nano
  /** The consumer's best, which pays for it. */
  readonly voucher: Voucher
  /** The best voucher and grant of this hub for the payee that the consumer holds: a hub may have lost its records. */
  readonly held: Voucher | undefined
}

/** hub → consumer. */
export interface HubGranted {
  readonly type: 'granted'
  /** With its grant. */
  readonly voucher: Voucher
  readonly owedNano: Nano
}

export type ToHub = HubHello | HubWant
export type FromHub = HubTerms | HubGranted | Fail

export function encodeHubFrame(frame: ToHub | FromHub): Uint8Array {
  return WireHubFrame.encode(wireOf(frame))
}

export function decodeToHub(bytes: Uint8Array): ToHub {
  return decodeBounded('hub frame', bytes, limits.frameBytesMax, () => {
    const { hello, want } = WireHubFrame.decode(bytes)
    if (hello) {
      return {
        type: 'hello',
        escrow: hello.escrow.length === 0 ? undefined : decodeAddress('escrow', hello.escrow),
        best: hello.best && decodeVoucher(hello.best),
      }
    }
    if (!want?.voucher) throw violation('expected a hello or a want with a voucher')
    return {
      type: 'want',
      payee: decodeAddress('payee', want.payee),
      creditNano: boundedNano('credit', want.creditNano),
      voucher: decodeVoucher(want.voucher),
      held: want.held && decodeVoucher(want.held),
    }
  })
}

export function decodeFromHub(bytes: Uint8Array): FromHub {
  return decodeBounded('hub frame', bytes, limits.frameBytesMax, () => {
    const { fail, granted, terms } = WireHubFrame.decode(bytes)
    if (terms) {
      return {
        type: 'terms',
        escrow: decodeAddress('escrow', terms.escrow),
        epoch: terms.epoch,
        feePpm: boundedCount('fee', terms.feePpm, feePpmMax),
        incrementNanoMax: boundedNano('increment', terms.incrementNanoMax),
        tab: decodeTab(terms.tab),
      }
    }
    if (fail) return decodeFail(fail)
    if (!granted?.voucher) throw violation('expected terms, a grant or a failure')
    const owedNano = boundedNano('charge', granted.owedNano)
    return { type: 'granted', voucher: decodeVoucher(granted.voucher), owedNano }
  })
}

function wireOf(frame: ToHub | FromHub): Partial<WireHubFrame> {
  switch (frame.type) {
    case 'hello': {
      const { best, escrow } = frame
      return {
        hello: {
          escrow: escrow ? encodeAccount(escrow) : new Uint8Array(0),
          ...(best && { best: encodeVoucher(best) }),
        },
      }
    }
    case 'terms': {
      const { epoch, escrow, feePpm, incrementNanoMax, tab } = frame
      return { terms: { escrow: encodeAccount(escrow), epoch, feePpm, incrementNanoMax, tab: encodeTab(tab) } }
    }
    case 'want': {
      const { creditNano, held, payee, voucher } = frame
      const want = { payee: encodeAccount(payee), creditNano, voucher: encodeVoucher(voucher) }
      return { want: { ...want, ...(held && { held: encodeVoucher(held) }) } }
    }
    case 'granted':
      return { granted: { voucher: encodeVoucher(frame.voucher), owedNano: frame.owedNano } }
    case 'fail':
      return { fail: failOf(frame) }
  }
}

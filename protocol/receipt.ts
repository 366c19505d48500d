// The receipt: a provider's signed statement of what one request got, docs/protocol.md §5.4.

import { createHash } from 'node:crypto'
import type { ModelKey } from './ids.ts'
import { WireReceipt } from './mesh.js'
import { costNano, type Nano, type Price, type Usage } from './money.ts'
import { verifySignature } from './signature.ts'
import { decodeModelKey, decodePrice, decodeUsage, encodeModelKey, exactBytes, owned, violation } from './wire.ts'

export interface Served {
  /** SHA-256 of the request as opened, 32 bytes. */
  readonly requestDigest: Uint8Array
  readonly modelKey: ModelKey
  readonly price: Price
  readonly usage: Usage
}

export interface Receipt extends Served {
  readonly costNano: Nano
  /** The provider's, 64 bytes. */
  readonly signature: Uint8Array
}

const domain = new TextEncoder().encode('silkmesh/receipt/1\0')

export function signReceipt(served: Served, sign: (message: Uint8Array) => Uint8Array): Receipt {
  const receipt = { ...served, costNano: costNano(served.usage, served.price), signature: new Uint8Array(0) }
  return { ...receipt, signature: sign(signedBytes(receipt)) }
}

/** True when this provider signed it and its cost follows from its own counts and price. */
export function verifyReceipt(receipt: Receipt, providerKey: Uint8Array): boolean {
  return (
    receipt.costNano === costNano(receipt.usage, receipt.price) &&
    verifySignature(signedBytes(receipt), receipt.signature, providerKey)
  )
}

export function requestDigestOf(openFrame: Uint8Array): Uint8Array {
  return createHash('sha256').update('silkmesh/request/1\0').update(openFrame).digest()
}

export function encodeReceipt(receipt: Receipt): WireReceipt {
  return {
    requestDigest: owned(receipt.requestDigest),
    modelKey: encodeModelKey(receipt.modelKey),
    price: receipt.price,
    usage: receipt.usage,
    costNano: receipt.costNano,
    signature: owned(receipt.signature),
  }
}

export function decodeReceipt(wire: WireReceipt | undefined): Receipt {
  if (!wire) throw violation('receipt is missing')
  return {
    requestDigest: exactBytes('request digest', wire.requestDigest, 32),
    modelKey: decodeModelKey(wire.modelKey),
    price: decodePrice(wire.price),
    usage: decodeUsage(wire.usage),
    costNano: wire.costNano,
    signature: exactBytes('receipt signature', wire.signature, 64),
  }
}

function signedBytes(receipt: Receipt): Uint8Array {
  const body = WireReceipt.encode({ ...encodeReceipt(receipt), signature: new Uint8Array(0) })
  return Buffer.concat([domain, body])
}

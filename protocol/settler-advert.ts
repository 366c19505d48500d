// The settler's advert: what it asks and takes, signed by the settler. docs/protocol.md §7.3.

import { safeNumber } from './advert.ts'
import { type Address, type PeerId, peerIdOf } from './ids.ts'
import { limits } from './limits.ts'
import { WireAdvert, WireSettlerBody } from './mesh.js'
import type { Nano } from './money.ts'
import { verifySignature } from './signature.ts'
import {
  boundedCount,
  boundedText,
  decodeAddress,
  decodeBounded,
  encodeAccount,
  exactBytes,
  owned,
  printable,
  violation,
} from './wire.ts'

export interface SettlerAdvert {
  readonly peer: PeerId
  /** Grows with each advert of a peer; the larger replaces the smaller. */
  readonly sequence: number
  /** Unix milliseconds. */
  readonly validUntilMs: number
  /** Where fees are paid; of no provider, and of no other settler. */
  readonly payout: Address
  /** Of what it settles, in parts per million. */
  readonly feePpm: number
  /** The least unsettled value of a voucher that it posts. */
  readonly valueNanoMin: Nano
  /** The chain it settles on. */
  readonly globalId: number
  /** Vouchers it would still take. */
  readonly placesFree: number
  /** It contests an unlock with the vouchers it holds. */
  readonly isWatching: boolean
  readonly addresses: readonly string[]
  /** Name and version of the software, for statistics. */
  readonly agent: string
}

/** A tenth: whoever asks more is not a settler but a hub. */
export const settlerFeePpmMax = 100_000
const placesMax = 100_000_000

const domain = new TextEncoder().encode('silkmesh/settler/1\0')

export function encodeSettlerAdvert(
  advert: SettlerAdvert,
  publicKey: Uint8Array,
  sign: (message: Uint8Array) => Uint8Array,
): Uint8Array {
  const body = WireSettlerBody.encode({
    publicKey: owned(publicKey),
    sequence: BigInt(advert.sequence),
    validUntilMs: BigInt(advert.validUntilMs),
    payout: encodeAccount(advert.payout),
    feePpm: advert.feePpm,
    valueNanoMin: advert.valueNanoMin,
    globalId: advert.globalId,
    placesFree: Math.min(advert.placesFree, placesMax),
    watch: advert.isWatching,
    addresses: [...advert.addresses],
    agent: advert.agent,
  })
  return WireAdvert.encode({ body, signature: owned(sign(Buffer.concat([domain, body]))) })
}

/** Decodes, bounds and verifies the signature. Throws `MeshError` `protocol-violation` and nothing else. */
export function decodeSettlerAdvert(bytes: Uint8Array): SettlerAdvert {
  return decodeBounded('settler advert', bytes, limits.advertBytesMax, () => {
    const { body, signature } = WireAdvert.decode(bytes)
    const wire = WireSettlerBody.decode(body, { limits: { addresses: limits.addressesMax } })
    const publicKey = exactBytes('public key', wire.publicKey, 32)
    if (!verifySignature(Buffer.concat([domain, body]), signature, publicKey)) {
      throw violation('settler advert signature does not verify')
    }
    return {
      peer: peerIdOf(publicKey),
      sequence: safeNumber('sequence', wire.sequence),
      validUntilMs: safeNumber('validity', wire.validUntilMs),
      payout: decodeAddress('payout', wire.payout),
      feePpm: boundedCount('fee', wire.feePpm, settlerFeePpmMax),
      valueNanoMin: wire.valueNanoMin,
      globalId: wire.globalId,
      placesFree: boundedCount('free places', wire.placesFree, placesMax),
      isWatching: wire.watch,
      addresses: wire.addresses.map((address) => printable(boundedText('address', address, limits.addressCharsMax))),
      agent: printable(boundedText('agent', wire.agent, limits.agentCharsMax)),
    }
  })
}

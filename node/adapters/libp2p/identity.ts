// A peer's identity from its 32-byte seed: the key libp2p proves in its handshake also signs adverts, vouchers and receipts.

import { peerIdOf } from '../../../protocol/ids.ts'
import { publicKeyOfSeed, signerOf } from '../../../protocol/signature.ts'
import type { Identity } from '../../ports.ts'

/** Throws `RangeError` unless the seed is 32 bytes. */
export function identityFrom(seed: Uint8Array): Identity {
  const sign = signerOf(seed)
  const publicKey = publicKeyOfSeed(seed)
  return { peerId: peerIdOf(publicKey), publicKey, sign }
}

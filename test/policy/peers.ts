// Peers, escrows and vouchers for the policy tests, all made from small numbers.

import type { Identity } from '../../node/ports.ts'
import { type Address, addressOf, type PeerId, peerIdOf } from '../../protocol/ids.ts'
import { publicKeyOfSeed, signerOf } from '../../protocol/signature.ts'

export function identityOf(number: number): Identity {
  const seed = new Uint8Array(32).fill(number)
  const publicKey = publicKeyOfSeed(seed)
  return { peerId: peerIdOf(publicKey), publicKey, sign: signerOf(seed) }
}

export function peerOf(number: number): PeerId {
  return identityOf(number).peerId
}

export function addressOfNumber(number: number): Address {
  return addressOf(new Uint8Array(32).fill(number))
}

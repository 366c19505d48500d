// Peers' keys and accounts from the seed.

import { createHash } from 'node:crypto'
import type { Identity } from '../node/ports.ts'
import { type Address, addressOf, peerIdOf } from '../protocol/ids.ts'
import { keyPairOf } from '../protocol/signature.ts'

export interface SeededIdentity extends Identity {
  /** 32 bytes. */
  readonly seed: Uint8Array
}

export function identityOf(runSeed: number | string, name: string): SeededIdentity {
  const seed = Uint8Array.from(digestOf(runSeed, 'identity', name))
  const { publicKey: key, sign } = keyPairOf(seed)
  const publicKey = Uint8Array.from(key)
  return { seed, peerId: peerIdOf(publicKey), publicKey, sign: (message) => Uint8Array.from(sign(message)) }
}

/** Where a provider is paid to. */
export function payoutOf(runSeed: number | string, name: string): Address {
  return addressOf(digestOf(runSeed, 'payout', name))
}

function digestOf(runSeed: number | string, what: string, name: string): Buffer {
  return createHash('sha256').update(`silkmesh-sim/${runSeed}/${what}/${name}`).digest()
}

// Peers, escrows and vouchers for the policy tests, all made from small numbers.

import type { EscrowState, Identity } from '../../node/ports.ts'
import type { Account } from '../../node/settlement/book.ts'
import { type Address, addressOf, type PeerId, peerIdOf } from '../../protocol/ids.ts'
import { publicKeyOfSeed, signerOf } from '../../protocol/signature.ts'

export function identityOf(number: number): Identity {
  const seed = new Uint8Array(32).fill(number)
  const publicKey = Uint8Array.from(publicKeyOfSeed(seed))
  const sign = signerOf(seed)
  return { peerId: peerIdOf(publicKey), publicKey, sign: (message) => Uint8Array.from(sign(message)) }
}

export function peerOf(number: number): PeerId {
  return identityOf(number).peerId
}

export function addressOfNumber(number: number): Address {
  return addressOf(new Uint8Array(32).fill(number))
}

/** A good escrow of this payer, with more in it than any test spends. */
export function escrowOf({ publicKey }: Identity, change: Partial<EscrowState> = {}): EscrowState {
  return {
    address: addressOfNumber(0xe5),
    isEscrow: true,
    globalId: -239,
    owner: addressOfNumber(0x0e),
    signer: publicKey,
    epoch: 0,
    unlockAtMs: 0,
    unlockDelayMs: 86_400_000,
    freeNano: 1_000_000_000_000n,
    ...change,
  }
}

export function accountOf(payer: Identity, change: Partial<EscrowState> = {}): Account {
  return { escrow: escrowOf(payer, change), settledNano: 0n, coverNano: 1_000_000_000_000n }
}

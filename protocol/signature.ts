// Ed25519, synchronous: one key signs vouchers, adverts and receipts, and is the peer's identity.

import { createPrivateKey, createPublicKey, sign as edSign, verify as edVerify } from 'node:crypto'

const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Ed25519 (RFC 8032), synchronous. False for anything malformed. */
export function verifySignature(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false
  try {
    const key = createPublicKey({ key: Buffer.concat([spkiPrefix, publicKey]), format: 'der', type: 'spki' })
    return edVerify(null, message, key, signature)
  } catch {
    return false // not a point on the curve
  }
}

/** A signer over a 32-byte Ed25519 seed. */
export function signerOf(seed: Uint8Array): (message: Uint8Array) => Uint8Array {
  if (seed.length !== 32) throw new RangeError(`seed of ${seed.length} bytes, expected 32`)
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })
  return (message) => edSign(null, message, key)
}

/** The 32-byte public key of a seed. */
export function publicKeyOfSeed(seed: Uint8Array): Uint8Array {
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(12)
}

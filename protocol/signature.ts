// Ed25519, synchronous: one key signs vouchers, adverts and receipts, and is the peer's identity.

import { createPrivateKey, createPublicKey, sign as edSign, verify as edVerify, type KeyObject } from 'node:crypto'
import { keep } from './keep.ts'

const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Making a key object takes a quarter of a verification, and whoever signs once signs again: providers, payers. */
const keysMax = 1_024
/** By the key's bytes, the one used longest ago first. */
const keys = new Map<string, KeyObject>()

/**
 * What is good once stays good, and much is seen again: a peer's own voucher, the best voucher of a channel, one advert by
 * gossip and from its provider. A verification takes some 130 µs, comparing all bytes less than 1.
 */
const goodMax = 4_096
/** Longer messages are not kept: all that are kept take 8 MB at most. */
const goodBytesMax = 2_048
/** By the signature's bytes, the one kept longest ago first. Only what was verified, or signed here, is in it. */
const good = new Map<string, Good>()

interface Good {
  readonly message: Buffer
  readonly publicKey: Buffer
}

/** Ed25519 (RFC 8032), synchronous. False for anything malformed. */
export function verifySignature(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false
  const known = good.get(textOf(signature))
  if (known?.message.equals(message) && known.publicKey.equals(publicKey)) return true
  try {
    const isGood = edVerify(null, message, keyOf(publicKey), signature)
    if (isGood) keepGood(message, signature, publicKey)
    return isGood
  } catch {
    return false // not a point on the curve
  }
}

function keepGood(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): void {
  if (message.length > goodBytesMax) return
  keep(good, textOf(signature), { message: Buffer.from(message), publicKey: Buffer.from(publicKey) }, goodMax)
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/** Throws for 32 bytes that are no key. */
function keyOf(publicKey: Uint8Array): KeyObject {
  const name = textOf(publicKey)
  const key =
    keys.get(name) ?? createPublicKey({ key: Buffer.concat([spkiPrefix, publicKey]), format: 'der', type: 'spki' })
  return keep(keys, name, key, keysMax)
}

export interface KeyPair {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  readonly sign: (message: Uint8Array) => Uint8Array
}

/** The keys of a 32-byte Ed25519 seed. */
export function keyPairOf(seed: Uint8Array): KeyPair {
  if (seed.length !== 32) throw new RangeError(`seed of ${seed.length} bytes, expected 32`)
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(12)
  const sign = (message: Uint8Array): Uint8Array => {
    const signature = edSign(null, message, key)
    keepGood(message, signature, publicKey)
    return signature
  }
  return { publicKey, sign }
}

/** A signer over a 32-byte Ed25519 seed. */
export function signerOf(seed: Uint8Array): KeyPair['sign'] {
  return keyPairOf(seed).sign
}

/** The 32-byte public key of a seed. */
export function publicKeyOfSeed(seed: Uint8Array): Uint8Array {
  return keyPairOf(seed).publicKey
}

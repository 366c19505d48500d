// A secret text sealed by a passphrase: scrypt, then AES-256-GCM, in one JSON object that carries its own parameters.

import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto'
import { MeshError } from '../../protocol/errors.ts'

/** How a key is made of a passphrase. `n` is scrypt's cost, a power of two; memory is 128 · n · r bytes. */
export interface Cost {
  readonly n: number
  readonly r: number
  readonly p: number
}

/** 128 MiB and some 0.4 s a guess, once a start: what OWASP asks of stored passwords. */
export const scryptCost: Cost = { n: 2 ** 17, r: 8, p: 1 }

/** A file that asks for more is not believed: it would only take this machine's memory. */
const memoryBytesMax = 2 ** 30
const parallelMax = 16

const saltBytes = 16
const nonceBytes = 12
const tagBytes = 16
const version = 1

interface Envelope {
  readonly format: 'silkmesh-sealed'
  readonly version: number
  readonly kdf: Cost & { readonly name: 'scrypt'; readonly salt: string }
  readonly cipher: { readonly name: 'aes-256-gcm'; readonly nonce: string }
}

/** The parameters are authenticated with the text, so that no other can be put in their place. */
export async function seal(text: string, passphrase: string, cost: Cost = scryptCost): Promise<string> {
  const envelope: Envelope = {
    format: 'silkmesh-sealed',
    version,
    kdf: { name: 'scrypt', n: cost.n, r: cost.r, p: cost.p, salt: randomBytes(saltBytes).toString('hex') },
    cipher: { name: 'aes-256-gcm', nonce: randomBytes(nonceBytes).toString('hex') },
  }
  const cipher = createCipheriv('aes-256-gcm', await keyOf(passphrase, envelope), nonceOf(envelope))
  cipher.setAAD(bound(envelope))
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `${JSON.stringify({ ...envelope, sealed: sealed.toString('base64') }, undefined, 2)}\n`
}

/** Whether `open` is what reads this. */
export function isSealed(text: string): boolean {
  return text.trimStart().startsWith('{') && text.includes('"silkmesh-sealed"')
}

/**
 * Throws `MeshError`: `unauthorized` where the passphrase is another, or a bit of the object; `bad-request` where it is no
 * sealed object of a version known here.
 */
export async function open(object: string, passphrase: string): Promise<string> {
  const { envelope, sealed } = decode(object)
  const decipher = createDecipheriv('aes-256-gcm', await keyOf(passphrase, envelope), nonceOf(envelope))
  decipher.setAAD(bound(envelope))
  decipher.setAuthTag(sealed.subarray(-tagBytes))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]).toString('utf8')
  } catch (cause) {
    throw new MeshError('unauthorized', 'another passphrase, or the file was changed', { cause })
  }
}

function decode(object: string): { readonly envelope: Envelope; readonly sealed: Buffer } {
  let raw: Record<string, unknown>
  try {
    raw = record(JSON.parse(object), 'it')
  } catch (cause) {
    throw new MeshError('bad-request', 'not a sealed object: no JSON', { cause })
  }
  if (raw['format'] !== 'silkmesh-sealed' || raw['version'] !== version) {
    throw new MeshError(
      'bad-request',
      `sealed in form ${JSON.stringify(raw['format'])}, version ${JSON.stringify(raw['version'])}; ` +
        `this release reads silkmesh-sealed, version ${version}`,
    )
  }
  try {
    const [kdf, cipher] = [record(raw['kdf'], 'kdf'), record(raw['cipher'], 'cipher')]
    if (kdf['name'] !== 'scrypt' || cipher['name'] !== 'aes-256-gcm')
      throw new RangeError('an algorithm not known here')
    const sealed = Buffer.from(String(raw['sealed']), 'base64')
    if (sealed.length < tagBytes) throw new RangeError(`${sealed.length} sealed bytes`)
    const envelope: Envelope = {
      format: 'silkmesh-sealed',
      version,
      kdf: { name: 'scrypt', ...costOf(kdf), salt: hex(kdf['salt'], saltBytes) },
      cipher: { name: 'aes-256-gcm', nonce: hex(cipher['nonce'], nonceBytes) },
    }
    return { envelope, sealed }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new MeshError('bad-request', `a damaged sealed object (${reason}); restore it from a backup`, { cause })
  }
}

function costOf({ n, p, r }: Record<string, unknown>): Cost {
  const isWhole = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value > 0
  if (!isWhole(n) || !isWhole(r) || !isWhole(p) || (n & (n - 1)) !== 0 || n < 2) {
    throw new RangeError(`scrypt of n ${String(n)}, r ${String(r)}, p ${String(p)}`)
  }
  if (128 * n * r > memoryBytesMax || p > parallelMax) {
    throw new RangeError(`scrypt that asks for ${128 * n * r} bytes ${p} times, at most ${memoryBytesMax} are given`)
  }
  return { n, r, p }
}

function keyOf(passphrase: string, { kdf: { n, r, p, salt } }: Envelope): Promise<Buffer> {
  // by Unicode's NFKC: keyboards and systems write the same letter in several ways
  const bytes = Buffer.from(passphrase.normalize('NFKC'), 'utf8')
  const maxmem = 128 * n * r + 128 * r * p + 2 ** 20
  return new Promise((resolve, reject) => {
    scrypt(bytes, Buffer.from(salt, 'hex'), 32, { N: n, r, p, maxmem }, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}

function nonceOf({ cipher }: Envelope): Buffer {
  return Buffer.from(cipher.nonce, 'hex')
}

/** In this order of members, whatever a reader's file had. */
function bound({ cipher, format, kdf, version }: Envelope): Buffer {
  const { n, name, p, r, salt } = kdf
  return Buffer.from([format, version, name, n, r, p, salt, cipher.name, cipher.nonce].join('\n'))
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new RangeError(`${what} is no object`)
  return value as Record<string, unknown>
}

function hex(value: unknown, bytes: number): string {
  if (typeof value === 'string' && new RegExp(`^[0-9a-f]{${2 * bytes}}$`).test(value)) return value
  throw new RangeError(`${JSON.stringify(value)}, expected ${bytes} bytes in hex`)
}

// The keys that clients show to the gateway: what each may use and spend, and how a key shown is told from a wrong one.

import { createHash, timingSafeEqual } from 'node:crypto'
import { MeshError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import { type Nano, nanoMax } from '../../protocol/money.ts'

/** A key without its secret. Limits that are left out do not bind. */
export interface ApiKey {
  /** As its owner calls it. One of its kind among the keys that exist; may come again after a removal. */
  readonly name: string
  /** Never the same twice: what is spent is counted by it. */
  readonly id: string
  /** The first characters of the secret, by which its holder knows it again. */
  readonly shown: string
  /**
   * Hex. A plain digest is enough: the secret is 256 random bits, so there is no list of likely ones to try, which is all
   * that salt and a slow hash are against.
   */
  readonly sha256: string
  readonly createdAtMs: number
  /** From this moment it is refused. */
  readonly expiresAtMs?: number | undefined
  /** By name or by key. */
  readonly models?: readonly string[] | undefined
  /** In all. */
  readonly budgetNano?: Nano | undefined
  /** A day, which begins at 0:00 UTC. */
  readonly dayNano?: Nano | undefined
  /** One request. */
  readonly requestNano?: Nano | undefined
}

/** Whom a secret belongs to: the owner of the home, who may do anything, or the holder of a key. */
export type Bearer = 'owner' | ApiKey

export interface KeyRing {
  readonly size: number
  find(secret: string): Bearer | undefined
  /** The keys the owner gave out. */
  list(): readonly ApiKey[]
}

export const secretPrefix = 'sk-silkmesh-'

/** Of the secret's 64 hex digits, those that are kept and shown: 29 bytes are left to guess. */
const shownDigits = 6

/** `secretHex` is 32 fresh random bytes. The secret is in what is returned and nowhere else. */
export function makeKey(
  secretHex: string,
  terms: Omit<ApiKey, 'id' | 'shown' | 'sha256'>,
): { readonly key: ApiKey; readonly secret: string } {
  if (!/^[0-9a-f]{64}$/.test(secretHex)) throw new RangeError('a secret of other than 64 hex digits')
  const secret = `${secretPrefix}${secretHex}`
  const sha256 = digestOf(secret).toString('hex')
  const shown = secret.slice(0, secretPrefix.length + shownDigits)
  return { key: { ...terms, id: sha256.slice(0, idDigits), shown, sha256 }, secret }
}

/** Keys that may do anything. */
export function keyRing(secrets: readonly string[]): KeyRing {
  const digests = secrets.filter((secret) => secret !== '').map(digestOf)
  return {
    size: digests.length,
    find: (secret) => (holderOf(secret, digests) === -1 ? undefined : 'owner'),
    list: () => [],
  }
}

/** The place of the secret's digest among these. Every one is compared whatever came before: time tells nothing. */
export function holderOf(secret: string, digests: readonly Uint8Array[]): number {
  const digest = digestOf(secret)
  return digests.reduce((found, known, at) => (timingSafeEqual(known, digest) ? at : found), -1)
}

export function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/** Throws `unauthorized` for a key that nobody gave out, or whose time is over. */
export function bearerOf(secret: string | undefined, ring: KeyRing, nowMs: number): Bearer {
  const bearer = secret === undefined ? undefined : ring.find(secret)
  if (!bearer) {
    throw new MeshError('unauthorized', secret === undefined ? 'no API key was sent' : 'this API key is not known here')
  }
  if (bearer !== 'owner' && bearer.expiresAtMs !== undefined && nowMs >= bearer.expiresAtMs) {
    const expired = new Date(bearer.expiresAtMs).toISOString()
    throw new MeshError(
      'unauthorized',
      `the API key "${bearer.name}" expired at ${expired}; its owner can make another`,
    )
  }
  return bearer
}

export function mayUse({ models }: ApiKey, model: string): boolean {
  return models === undefined || models.includes(model)
}

// As kept: one JSON object a key, amounts in nano as decimal strings.

const idDigits = 16
/** A file's name on any system, and short enough for a table. */
const namePattern = /^[a-z0-9][a-z0-9._-]{0,47}$/
export const keyModelsMax = 64

/** Throws `bad-request`. */
export function parseKeyName(text: string): string {
  if (namePattern.test(text)) return text
  throw new MeshError(
    'bad-request',
    `"${text.slice(0, 60)}" is no name for a key, expected 1 to 48 of a–z, 0–9, ".", "_" and "-", not beginning with a sign`,
  )
}

export function encodeKey(key: ApiKey): string {
  return `${JSON.stringify(key, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))}\n`
}

/** Throws `RangeError` naming the field. An unknown field is refused: it may be a limit that this version does not keep. */
export function decodeKey(text: string): ApiKey {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new RangeError('it is no JSON object')
  const fields = value as Readonly<Record<string, unknown>>
  for (const field of Object.keys(fields)) if (!known.has(field)) throw new RangeError(`unknown field "${field}"`)
  const sha256 = textOf(fields, 'sha256', /^[0-9a-f]{64}$/)
  return {
    name: textOf(fields, 'name', namePattern),
    id: textOf(fields, 'id', /^[0-9a-f]{16}$/),
    shown: textOf(fields, 'shown', /^sk-silkmesh-[0-9a-f]{6}$/),
    sha256,
    createdAtMs: timeOf(fields, 'createdAtMs'),
    expiresAtMs: fields['expiresAtMs'] === undefined ? undefined : timeOf(fields, 'expiresAtMs'),
    models: modelsOf(fields),
    budgetNano: nanoOf(fields, 'budgetNano'),
    dayNano: nanoOf(fields, 'dayNano'),
    requestNano: nanoOf(fields, 'requestNano'),
  }
}

const known: ReadonlySet<string> = new Set([
  'name',
  'id',
  'shown',
  'sha256',
  'createdAtMs',
  'expiresAtMs',
  'models',
  'budgetNano',
  'dayNano',
  'requestNano',
])

type Fields = Readonly<Record<string, unknown>>

function textOf(fields: Fields, name: string, form: RegExp): string {
  const value = fields[name]
  if (typeof value === 'string' && form.test(value)) return value
  throw new RangeError(`${name} is ${JSON.stringify(value)}, expected ${form.source}`)
}

function timeOf(fields: Fields, name: string): number {
  const value = fields[name]
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new RangeError(`${name} is ${JSON.stringify(value)}, expected Unix milliseconds`)
}

function nanoOf(fields: Fields, name: string): Nano | undefined {
  const value = fields[name]
  if (value === undefined) return undefined
  if (typeof value === 'string' && /^\d{1,20}$/.test(value) && BigInt(value) <= nanoMax) return BigInt(value)
  throw new RangeError(`${name} is ${JSON.stringify(value)}, expected nano as a decimal string`)
}

function modelsOf({ models }: Fields): readonly string[] | undefined {
  if (models === undefined) return undefined
  if (!Array.isArray(models) || models.length === 0 || models.length > keyModelsMax) {
    throw new RangeError(`models is ${JSON.stringify(models)}, expected a list of 1 to ${keyModelsMax} names`)
  }
  return models.map((model: unknown) => {
    if (typeof model === 'string' && model !== '' && model.length <= limits.modelNameCharsMax) return model
    throw new RangeError(`models holds ${JSON.stringify(model)}, expected a name or a key of a model`)
  })
}

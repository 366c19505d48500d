// A home's secrets, identity and wallet: one file, sealed by a passphrase or not, that is replaced whole or not at all.

import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '../../protocol/errors.ts'
import { type Address, parseAddress } from '../../protocol/ids.ts'
import { isSealed, open, seal } from '../adapters/keystore.ts'
import { newPhrase, seedsOfPhrase, wordsOf } from '../adapters/phrase.ts'
import { assertStrong, type Passphrase } from './passphrase.ts'
import { createFile, keyText, readOwn, replaceFile, syncFolder } from './private-files.ts'

export interface Secrets {
  /** The peer's Ed25519 seed, 32 bytes: its peer id and the signer of its vouchers. */
  readonly identitySeed: Uint8Array
  /** The TON wallet's seed, 32 bytes: owns the escrow, receives payouts. */
  readonly walletSeed: Uint8Array
  /** What both are derived from; undefined where each was drawn by itself. */
  readonly words: readonly string[] | undefined
  /** Identities of this home before this one. */
  readonly rotation: number
  /** The escrow of the identity before, while its unlock has yet to be started. */
  readonly leaving: Address | undefined
}

export interface StoredSecrets {
  readonly secrets: Secrets
  readonly isSealed: boolean
}

/** Where homes keep their secrets since there are backup phrases. */
export function secretsPath(home: string): string {
  return join(home, 'secrets.json')
}

/** As homes kept them before; still read, and what the wallet of an app is imported as. */
const loose = { identity: 'identity.key', wallet: 'wallet.key' } as const

/** Opens a home's secrets, making them where there are none. Throws `bad-request` naming a file that cannot be used. */
export async function openSecrets(home: string, passphrase: Passphrase): Promise<StoredSecrets> {
  const path = secretsPath(home)
  if (!existsSync(path)) {
    if (existsSync(join(home, loose.identity)) || existsSync(join(home, loose.wallet))) return looseSecrets(home)
    await createSecrets(home, await newSecrets(), passphrase.stated()) // where another process was first, its secrets count
  }
  const text = readOwn(path, "this home's keys")
  const isUnderSeal = isSealed(text)
  const secrets = decode(path, isUnderSeal ? await unsealed(path, text, passphrase) : text)
  removeLoose(home, secrets)
  return { secrets, isSealed: isUnderSeal }
}

/** Whether a home has keys of any kind. */
export function hasSecrets(home: string): boolean {
  return [secretsPath(home), join(home, loose.identity), join(home, loose.wallet)].some((path) => existsSync(path))
}

/** Of 24 new words. */
export async function newSecrets(): Promise<Secrets> {
  return secretsOfWords(await newPhrase(), 0)
}

export async function secretsOfWords(words: readonly string[], rotation: number): Promise<Secrets> {
  return { ...(await seedsOfPhrase(words, rotation)), words, rotation, leaving: undefined }
}

/** The next identity, of the same wallet. */
export async function rotated(secrets: Secrets, leaving: Address | undefined): Promise<Secrets> {
  const rotation = secrets.rotation + 1
  const identitySeed = secrets.words
    ? (await seedsOfPhrase(secrets.words, rotation)).identitySeed
    : Uint8Array.from(randomBytes(32))
  return { ...secrets, identitySeed, rotation, leaving }
}

/** In place of what there is, at once; a crash leaves the one or the other. With a passphrase it is sealed. */
export async function writeSecrets(home: string, secrets: Secrets, passphrase: string | undefined): Promise<void> {
  const text = encode(secrets)
  replaceFile(secretsPath(home), passphrase === undefined ? text : await seal(text, passphrase))
  removeLoose(home, secrets)
}

/** Into a home that has none. False where it has. */
export async function createSecrets(home: string, secrets: Secrets, passphrase: string | undefined): Promise<boolean> {
  mkdirSync(home, { recursive: true, mode: 0o700 })
  if (hasSecrets(home)) return false
  if (passphrase !== undefined) assertStrong(passphrase)
  const text = encode(secrets)
  return createFile(secretsPath(home), passphrase === undefined ? text : await seal(text, passphrase))
}

function looseSecrets(home: string): StoredSecrets {
  const seedAt = (name: string): Uint8Array => {
    const what = 'a key of 64 hex digits'
    const hex = keyText(join(home, name), /^[0-9a-f]{64}$/, what, () => randomBytes(32).toString('hex'))
    return Uint8Array.from(Buffer.from(hex, 'hex'))
  }
  const [identitySeed, walletSeed] = [seedAt(loose.identity), seedAt(loose.wallet)]
  return {
    secrets: { identitySeed, walletSeed, words: undefined, rotation: 0, leaving: undefined },
    isSealed: false,
  }
}

/** What is in the one file is in no other: a move that a crash broke off is brought to its end. */
function removeLoose(home: string, { identitySeed, walletSeed }: Secrets): void {
  for (const [name, seed] of [
    [loose.identity, identitySeed],
    [loose.wallet, walletSeed],
  ] as const) {
    const path = join(home, name)
    if (!existsSync(path)) continue
    if (readOwn(path, 'a key').trim() !== Buffer.from(seed).toString('hex')) {
      throw new MeshError(
        'bad-request',
        `${path} holds another key than ${secretsPath(home)}; move the one away that is not of this home`,
      )
    }
    unlinkSync(path)
    syncFolder(path)
  }
}

async function unsealed(path: string, text: string, passphrase: Passphrase): Promise<string> {
  const given = await passphrase.for(path)
  try {
    return await open(text, given)
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    const isWrong = error.code === 'unauthorized'
    const message = isWrong ? `wrong passphrase for ${path}: ${error.message}` : `${path}: ${error.message}`
    throw new MeshError('bad-request', message, { cause: error })
  }
}

function encode({ identitySeed, leaving, rotation, walletSeed, words }: Secrets): string {
  const hex = (seed: Uint8Array): string => Buffer.from(seed).toString('hex')
  const members = { identity: hex(identitySeed), wallet: hex(walletSeed), words: words?.join(' '), rotation, leaving }
  return `${JSON.stringify({ format: 'silkmesh-secrets', version: 1, ...members })}\n`
}

function decode(path: string, text: string): Secrets {
  try {
    const raw = JSON.parse(text) as Record<string, unknown>
    const { format, leaving, rotation, version, words } = raw
    if (format !== 'silkmesh-secrets' || version !== 1) throw new RangeError('it is of no form known here')
    if (typeof rotation !== 'number' || !Number.isSafeInteger(rotation) || rotation < 0) {
      throw new RangeError(`rotation ${String(rotation)}`)
    }
    return {
      identitySeed: seedOf(raw, 'identity'),
      walletSeed: seedOf(raw, 'wallet'),
      words: words === undefined ? undefined : wordsOf(String(words)),
      rotation,
      leaving: leaving === undefined ? undefined : parseAddress(String(leaving)),
    }
  } catch (error) {
    // a parser's message may quote what it read
    const reason = error instanceof RangeError ? error.message : 'it is no JSON of ours'
    throw new MeshError(
      'bad-request',
      `${path} does not hold a home's keys (${reason}); restore it from a backup, or \`silkmesh identity restore\` into another --home`,
    )
  }
}

function seedOf(raw: Record<string, unknown>, name: string): Uint8Array {
  const hex = raw[name]
  if (typeof hex === 'string' && /^[0-9a-f]{64}$/.test(hex)) return Uint8Array.from(Buffer.from(hex, 'hex'))
  throw new RangeError(`${name} is no key of 64 hex digits`)
}

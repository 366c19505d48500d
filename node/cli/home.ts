// A node's home directory: its keys, one file each, readable by their owner only, and its books.

import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '../../protocol/errors.ts'
import { type OpenStore, openStore } from '../adapters/sqlite.ts'

export interface Home {
  readonly path: string
  /** The peer's Ed25519 seed, 32 bytes: its peer id and the signer of its vouchers. */
  readonly identitySeed: Uint8Array
  /** The TON wallet's seed, 32 bytes: owns the escrow, receives payouts. */
  readonly walletSeed: Uint8Array
  /** The gateway's bearer key. */
  readonly apiKey: string
  readonly storePath: string
  readonly modelsDir: string
}

/** Opens a home, making what is missing. Throws `bad-request` naming a file that cannot be used. */
export function openHome(path: string): Home {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new MeshError('bad-request', `home ${path} cannot be made (${reasonOf(error)}); choose another with --home`, {
      cause: error,
    })
  }
  return {
    path,
    identitySeed: seedAt(join(path, 'identity.key')),
    walletSeed: seedAt(join(path, 'wallet.key')),
    apiKey: textAt(
      join(path, 'gateway.key'),
      /^sk-silkmesh-[0-9a-f]{48}$/,
      'a gateway key',
      () => `sk-silkmesh-${randomBytes(24).toString('hex')}`,
    ),
    storePath: join(path, 'books.sqlite'),
    modelsDir: join(path, 'models'),
  }
}

/** The largest entry any log is given: a voucher record is under 1 KiB. */
const entryBytesMax = 65_536

/** Throws `store-failed` while another process has it open. */
export function openHomeStore(home: Home): OpenStore {
  return openStore({ path: home.storePath, entryBytesMax })
}

function seedAt(path: string): Uint8Array {
  const hex = textAt(path, /^[0-9a-f]{64}$/, 'a key of 64 hex digits', () => randomBytes(32).toString('hex'))
  return Buffer.from(hex, 'hex')
}

function textAt(path: string, form: RegExp, what: string, make: () => string): string {
  try {
    if (!existsSync(path)) createFile(path, `${make()}\n`) // where another process was first, its key counts
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600)
    const text = readFileSync(path, 'utf8').trim()
    if (!form.test(text)) {
      throw new MeshError(
        'bad-request',
        `${path} does not hold ${what}; restore it from a backup, or move it away to start with a new one, which owns nothing of what this one did`,
      )
    }
    return text
  } catch (error) {
    if (error instanceof MeshError) throw error
    throw new MeshError(
      'bad-request',
      `${path} cannot be used (${reasonOf(error)}), expected ${what} in a file of this user's`,
      { cause: error },
    )
  }
}

/**
 * Whole and on disk before it has its name: a crash leaves no half file. False where there is one already, which is left
 * as it is.
 */
export function createFile(path: string, text: string): boolean {
  const scratch = `${path}.${process.pid}.new`
  const file = openSync(scratch, 'wx', 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  try {
    linkSync(scratch, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    unlinkSync(scratch)
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

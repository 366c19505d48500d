// A node's home directory: its keys, readable by their owner only, and its books.

import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '../../protocol/errors.ts'
import { type OpenStore, openStore } from '../adapters/sqlite.ts'
import type { Passphrase } from './passphrase.ts'
import { keyText, reasonOf } from './private-files.ts'
import { hasSecrets, openSecrets, type StoredSecrets } from './secrets.ts'

export interface Home extends StoredSecrets {
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

/**
 * Opens a home, making what is missing. Throws `bad-request` naming a file that cannot be used. The passphrase is asked for
 * only where the keys are sealed by one.
 */
export async function openHome(path: string, passphrase: Passphrase = noPassphrase): Promise<Home> {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new MeshError('bad-request', `home ${path} cannot be made (${reasonOf(error)}); choose another with --home`, {
      cause: error,
    })
  }
  const stored = await openSecrets(path, passphrase)
  const { identitySeed, walletSeed } = stored.secrets
  return {
    ...stored,
    path,
    identitySeed,
    walletSeed,
    apiKey: keyText(
      join(path, 'gateway.key'),
      /^sk-silkmesh-[0-9a-f]{48}$/,
      'a gateway key',
      () => `sk-silkmesh-${randomBytes(24).toString('hex')}`,
    ),
    storePath: storePathIn(path),
    modelsDir: join(path, 'models'),
  }
}

/** One whose keys are there: looking at them makes none. */
export async function existingHome(path: string, passphrase: Passphrase): Promise<Home> {
  assertHome(path)
  return openHome(path, passphrase)
}

/** Throws `bad-request` where no keys are there: a mistyped path is not an empty home. */
export function assertHome(path: string): void {
  if (hasSecrets(path)) return
  throw new MeshError(
    'bad-request',
    `no node has its home at ${path}: no keys are there; is --home right? \`silkmesh wallet address\` makes keys, ` +
      '`silkmesh identity restore` brings back those of a backup',
  )
}

/** The largest entry any log is given: a voucher record is under 1 KiB. */
const entryBytesMax = 65_536

export function storePathIn(path: string): string {
  return join(path, 'books.sqlite')
}

/** Throws `store-failed` while another process has it open. */
export function openHomeStore(home: Pick<Home, 'storePath'>): OpenStore {
  return openStore({ path: home.storePath, entryBytesMax })
}

const noPassphrase: Passphrase = {
  stated: () => undefined,
  for: (what) => Promise.reject(new MeshError('bad-request', `a passphrase is needed for ${what}`)),
}

/** The state file: its tables, its lock, and the refusal of whatever is not a state file without changing a byte of it. */
import { randomBytes } from 'node:crypto'
import { chmodSync, closeSync, existsSync, linkSync, mkdirSync, openSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { LocalnetError } from './errors.ts'

export const stateFile = 'localnet.sqlite'

/** Opens the state in `dir`, making a new one where there is none. */
export function openState(dir: string): DatabaseSync {
  const file = join(dir, stateFile)
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    if (!existsSync(file)) {
      refuseOrphan(file)
      createFile(file)
    }
    return openFile(file)
  } catch (error) {
    throw asLocalnetError(error, file)
  }
}

export function openMemory(): DatabaseSync {
  return create(new DatabaseSync(':memory:'))
}

const applicationId = 0x736d_6c6e // 'smln'
const schemaVersion = 1

const SCHEMA = `
  CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), seqno INTEGER NOT NULL, utime INTEGER NOT NULL,
    lt INTEGER NOT NULL, ahead INTEGER NOT NULL, block_ms INTEGER NOT NULL, secret BLOB NOT NULL) STRICT;
  CREATE TABLE accounts (address TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE queue (id INTEGER PRIMARY KEY AUTOINCREMENT, boc BLOB NOT NULL, undeliverable TEXT) STRICT;
  CREATE TABLE blocks (seqno INTEGER PRIMARY KEY, utime INTEGER NOT NULL, start_lt INTEGER NOT NULL, end_lt INTEGER NOT NULL) STRICT;
  CREATE TABLE transactions (lt INTEGER PRIMARY KEY, account TEXT NOT NULL, hash BLOB NOT NULL, seqno INTEGER NOT NULL,
    in_created_lt INTEGER, boc BLOB NOT NULL) STRICT;
  CREATE INDEX transactions_by_account ON transactions (account, lt);
  CREATE INDEX transactions_by_seqno ON transactions (seqno, account, lt);
  CREATE INDEX transactions_by_message ON transactions (account, in_created_lt);
  CREATE TABLE messages (hash BLOB NOT NULL, lt INTEGER NOT NULL, inbound INTEGER NOT NULL, PRIMARY KEY (hash, lt, inbound)) STRICT, WITHOUT ROWID;
  CREATE INDEX messages_by_lt ON messages (lt);
`

function create(db: DatabaseSync): DatabaseSync {
  db.exec(`BEGIN; ${SCHEMA} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}; COMMIT`)
  return db
}

/** SQLite would replay the log of a state file that was moved away into the new one. */
function refuseOrphan(file: string): void {
  const log = `${file}-wal`
  if (existsSync(log)) throw corrupt(log, 'it is the log of a state file that is not there')
}

/** Made under another name and linked into place: a crash leaves no half-made state, and of two starters one wins. */
function createFile(file: string): void {
  const draft = `${file}.${randomBytes(4).toString('hex')}.new`
  try {
    create(new DatabaseSync(draft)).close()
    chmodSync(draft, 0o600) // it holds the faucet's key
    linkSync(draft, file)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

/**
 * The exclusive lock is held until the store is closed or its process dies, so a second server is refused and a crashed one
 * leaves nothing to clean up. WAL with FULL: a block is on the disk before anybody reads it.
 */
function openFile(file: string): DatabaseSync {
  refuseForeign(file)
  const db = new DatabaseSync(file)
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT')
    const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
    if (version !== schemaVersion) throw corrupt(file, `its format is ${version}, this program reads ${schemaVersion}`)
    const check = db.prepare('PRAGMA quick_check(1)').get()?.['quick_check']
    if (check !== 'ok') throw corrupt(file, String(check))
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Reads the header without SQLite, which would already write to a file that is not ours. https://sqlite.org/fileformat.html */
function refuseForeign(file: string): void {
  const header = Buffer.alloc(100)
  const fd = openSync(file, 'r')
  const length = readSync(fd, header, 0, header.length, 0)
  closeSync(fd)
  if (length < header.length) throw corrupt(file, `${length} bytes, at least ${header.length} expected`)
  if (header.toString('latin1', 0, 16) !== 'SQLite format 3\0') throw corrupt(file, 'it is not a SQLite database')
  if (header.readUInt32BE(68) !== applicationId) throw corrupt(file, 'it is the database of another application')
}

function asLocalnetError(error: unknown, file: string): Error {
  if (error instanceof LocalnetError) return error
  if (!(error instanceof Error)) return new LocalnetError('unreadable', `cannot open ${file}: ${String(error)}`)
  const sqlite = 'errcode' in error ? Number(error.errcode) & 0xff : undefined
  switch (sqlite) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return new LocalnetError(
        'locked',
        `${file} is in use by another local chain: talk to that one, stop it, or give this one another directory`,
        error,
      )
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return corrupt(file, error.message, error)
    default:
      return new LocalnetError(
        'unreadable',
        `cannot open ${file}: ${error.message}; check its permissions and disk`,
        error,
      )
  }
}

// Primary result codes of SQLite, https://sqlite.org/rescode.html
const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

function corrupt(file: string, why: string, cause?: unknown): LocalnetError {
  return new LocalnetError(
    'corrupt',
    `${file} is not a readable chain state (${why}); it was left as it is: restore a copy, or move it away (with any -wal beside it) to start a new chain`,
    cause,
  )
}

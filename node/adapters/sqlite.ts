// The store on disk: append-only logs in one SQLite file, durable before an append resolves, one process at a time.

import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { resolve as absolute, dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { MeshError } from '../../protocol/errors.ts'
import type { Store } from '../ports.ts'

export interface StoreOptions {
  /** The database file. Missing directories are made. */
  readonly path: string
  readonly entryBytesMax: number
}

export interface OpenStore extends Store {
  /** Makes what was appended durable, then lets another process open the file. Idempotent. */
  close(): Promise<void>
}

/**
 * Opens the store, making an empty one where there is no file. Throws `MeshError` `store-failed` when another process
 * holds it, or when what lies there is damaged or no store at all; nothing is overwritten then.
 */
export function openStore(options: StoreOptions): OpenStore {
  const path = absolute(options.path)
  try {
    if (!statSync(path, { throwIfNoEntry: false })) create(path)
    const found = statSync(path)
    if (!found.isFile()) throw new Error('there is no file but something else')
    if (found.size === 0) throw damaged(path, 'it is empty')
    if ((found.mode & 0o077) !== 0) chmodSync(path, 0o600)
    const db = openDatabase(path)
    writePid(path)
    return new SqliteStore(db, path, options.entryBytesMax)
  } catch (error) {
    throw error instanceof MeshError ? error : openFailure(path, error)
  }
}

/** 'silk'. A database without it is somebody else's. */
const applicationId = 0x73_69_6c_6b
const schemaVersion = 1

const logNameCharsMax = 64

/** A group commit takes no more than this; beyond it, it is written at once. Bounds what waits in memory. */
const groupEntriesMax = 4_096
const groupBytesMax = 16_777_216

/** Checked page by page at the start up to this size, which takes about a second; damage beyond shows when it is read. */
const checkBytesMax = 268_435_456

/** The write-ahead log is cut back to this after a checkpoint. */
const walBytesMax = 16_777_216

// An index holds the row's id behind its columns, so this one gives a log's entries in order. The checksum is against a
// disk that returns other bytes than were written: SQLite itself has none.
const schema = `
  CREATE TABLE entries (id INTEGER PRIMARY KEY, log TEXT NOT NULL, crc INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
  CREATE INDEX entries_by_log ON entries (log);
`

interface Write {
  readonly log: string
  readonly replace: boolean
  readonly entries: readonly Uint8Array[]
  readonly resolve: () => void
  readonly reject: (reason: MeshError) => void
}

class SqliteStore implements OpenStore {
  readonly #db: DatabaseSync
  readonly #path: string
  readonly #entryBytesMax: number
  readonly #insert: StatementSync
  readonly #delete: StatementSync
  readonly #select: StatementSync
  #waiting: Write[] = []
  #waitingEntries = 0
  #waitingBytes = 0
  /** Why nothing is written any more; after a failed fsync nobody can know what reached the disk. */
  #failure: MeshError | undefined

  constructor(db: DatabaseSync, path: string, entryBytesMax: number) {
    this.#db = db
    this.#path = path
    this.#entryBytesMax = entryBytesMax
    this.#insert = db.prepare('INSERT INTO entries (log, crc, bytes) VALUES (?, ?, ?)')
    this.#delete = db.prepare('DELETE FROM entries WHERE log = ?')
    this.#select = db.prepare('SELECT id, crc, bytes FROM entries WHERE log = ? ORDER BY id')
  }

  append(log: string, entry: Uint8Array): Promise<void> {
    return this.#write(log, [entry], false)
  }

  rewrite(log: string, entries: readonly Uint8Array[]): Promise<void> {
    return this.#write(log, entries, true)
  }

  async read(log: string): Promise<readonly Uint8Array[]> {
    this.#checkName(log)
    this.#commit()
    if (this.#failure) throw this.#failure
    try {
      const entries: Uint8Array[] = []
      for (const { id, crc, bytes } of this.#select.iterate(log)) {
        if (!(bytes instanceof Uint8Array) || crc32(bytes) !== crc) {
          throw damaged(this.#path, `entry ${id} of log "${log}" is not what was written`)
        }
        entries.push(bytes)
      }
      return entries
    } catch (error) {
      throw this.#fail(error)
    }
  }

  async close(): Promise<void> {
    if (!this.#db.isOpen) return
    this.#commit()
    this.#failure ??= new MeshError('store-failed', `${this.#path} is closed`)
    this.#db.close()
    rmSync(pidPath(this.#path), { force: true })
  }

  #write(log: string, entries: readonly Uint8Array[], replace: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#checkName(log)
      for (const entry of entries) this.#checkSize(log, entry)
      if (this.#failure) throw this.#failure
      // Copied, because the caller's buffer is its own again as soon as this returns.
      const copies = entries.map((entry) => entry.slice())
      if (this.#waiting.length === 0) setImmediate(() => this.#commit())
      this.#waiting.push({ log, replace, entries: copies, resolve, reject })
      this.#waitingEntries += copies.length
      this.#waitingBytes += copies.reduce((sum, entry) => sum + entry.length, 0)
      if (this.#waitingEntries >= groupEntriesMax || this.#waitingBytes >= groupBytesMax) this.#commit()
    })
  }

  /** Everything asked for since the last commit, in one transaction and one fsync. */
  #commit(): void {
    const writes = this.#waiting
    if (writes.length === 0) return
    this.#waiting = []
    this.#waitingEntries = 0
    this.#waitingBytes = 0
    try {
      if (this.#failure) throw this.#failure
      this.#db.exec('BEGIN IMMEDIATE')
      for (const { log, replace, entries } of writes) {
        if (replace) this.#delete.run(log)
        for (const entry of entries) this.#insert.run(log, crc32(entry), entry)
      }
      this.#db.exec('COMMIT')
    } catch (error) {
      const failure = this.#fail(error)
      for (const { reject } of writes) reject(failure)
      return
    }
    for (const { resolve } of writes) resolve()
  }

  #fail(error: unknown): MeshError {
    if (error instanceof MeshError) this.#failure ??= error
    this.#failure ??= new MeshError(
      'store-failed',
      `${this.#path} could not be written or read (${messageOf(error)}): nothing is stored any more; ` +
        'check the disk and its free space, then start the node again',
      { cause: error },
    )
    if (this.#db.isOpen && this.#db.isTransaction) {
      try {
        this.#db.exec('ROLLBACK')
      } catch {
        // The failure above is the one to tell; the file is rolled back when it is next opened.
      }
    }
    return this.#failure
  }

  #checkName(log: string): void {
    if (log.length === 0 || log.length > logNameCharsMax) {
      throw new RangeError(`log name of ${log.length} characters, expected 1 to ${logNameCharsMax}`)
    }
  }

  #checkSize(log: string, entry: Uint8Array): void {
    if (entry.length > this.#entryBytesMax) {
      throw new RangeError(`entry of ${entry.length} bytes for log "${log}", at most ${this.#entryBytesMax}`)
    }
  }
}

/**
 * A new store appears at its path complete or not at all, so an empty or half-written file there is always damage, never
 * a start that was interrupted. `link` fails where another process was first, whose store is then the one.
 */
function create(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.new-${process.pid}`
  try {
    closeSync(openSync(draft, 'w', 0o600))
    const db = new DatabaseSync(draft)
    db.exec(`BEGIN; ${schema} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}; COMMIT`)
    db.close()
    linkSync(draft, path)
    syncDirectory(dirname(path))
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

function openDatabase(path: string): DatabaseSync {
  const db = new DatabaseSync(path)
  try {
    // Held until the store is closed or its process is gone, however it ended.
    db.exec('PRAGMA locking_mode = EXCLUSIVE')
    if (pragma(db, 'application_id') !== applicationId) throw damaged(path, 'it is a database of another program')
    const version = pragma(db, 'user_version')
    if (version !== schemaVersion) {
      throw new MeshError(
        'store-failed',
        `${path} has format ${version} and this version of silkmesh reads ${schemaVersion}: run the version that wrote it`,
      )
    }
    // fullfsync: on macOS fsync alone does not reach the medium. It means nothing elsewhere.
    db.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
       PRAGMA journal_size_limit = ${walBytesMax}; PRAGMA trusted_schema = OFF; BEGIN EXCLUSIVE; COMMIT`,
    )
    if (statSync(path).size <= checkBytesMax) {
      const verdict = pragma(db, 'quick_check(1)', 'quick_check')
      if (verdict !== 'ok') throw damaged(path, String(verdict))
    }
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function pragma(db: DatabaseSync, statement: string, column = statement): unknown {
  return db.prepare(`PRAGMA ${statement}`).get()?.[column]
}

/** SQLite's primary result codes, https://sqlite.org/rescode.html */
const sqliteBusy = 5
const sqliteLocked = 6
const sqliteCorrupt = 11
const sqliteNotADatabase = 26

function openFailure(path: string, error: unknown): MeshError {
  const result = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined
  if (result === sqliteBusy || result === sqliteLocked) {
    const holder = readPid(path)
    return new MeshError(
      'store-failed',
      `${path} is in use by ${holder === undefined ? 'another process' : `process ${holder}`}: ` +
        'stop that one, or give this node another --home',
      { cause: error },
    )
  }
  if (result === sqliteCorrupt || result === sqliteNotADatabase) return damaged(path, messageOf(error), error)
  return new MeshError(
    'store-failed',
    `cannot open the store ${path} (${messageOf(error)}): expected a file that this user may write, in a directory ` +
      'that this user may write; check both, or give this node another --home',
    { cause: error },
  )
}

function damaged(path: string, why: string, cause?: unknown): MeshError {
  return new MeshError(
    'store-failed',
    `${path} is not a readable store (${why}); it was left as it is: restore a copy, or move it and ${path}-wal away ` +
      'to start with empty books, which gives up every voucher not settled yet',
    { cause },
  )
}

/** A new name in a directory is durable only once the directory is. */
function syncDirectory(path: string): void {
  if (process.platform === 'win32') return // directories cannot be opened there
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

const pidPath = (path: string): string => `${path}.pid`

/** Only for the message to whoever finds the store in use: the lock itself is SQLite's. */
function writePid(path: string): void {
  try {
    writeFileSync(pidPath(path), `${process.pid}\n`, { mode: 0o600 })
  } catch {
    // A full disk shows at the first append, with a message of its own.
  }
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidPath(path), 'utf8'))
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined // the file is locked all the same, only by whom is not known
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

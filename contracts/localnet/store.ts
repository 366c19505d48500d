/** The chain's state on disk: accounts, messages in flight, blocks and transaction history in one SQLite file, one commit a block. */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { Cell } from '@ton/core'
import { openMemory, openState } from './statefile.ts'

/** Transactions kept; the oldest go first. At about 2 kB each with its indices this bounds the file to some 100 MB. */
export const historyMaxDefault = 50_000

export interface Head {
  readonly seqno: number
  readonly utimeSec: number
  /** The highest logical time used so far. */
  readonly lt: bigint
  /** How far the chain's clock runs ahead of the wall clock, by `advance`. */
  readonly aheadSec: number
}

export interface StoredTransaction {
  readonly account: string
  readonly lt: bigint
  readonly hash: Buffer
  readonly seqno: number
  readonly cell: Cell
}

export interface QueuedMessage {
  readonly id: number
  readonly cell: Cell
}

/** Everything one block changes; applied as a whole or not at all. */
export interface BlockChanges {
  readonly head: Head
  readonly startLt: bigint
  readonly accounts: ReadonlyMap<string, string>
  readonly transactions: readonly (Omit<StoredTransaction, 'seqno'> & {
    /** Hashes under which the transaction is found; an external is also indexed by its normalized hash. */
    readonly inHashes: readonly Buffer[]
    readonly outHashes: readonly Buffer[]
    /** The incoming internal message's creation time, for `tryLocateTx`. */
    readonly inCreatedLt: bigint | undefined
  })[]
  readonly delivered: readonly number[]
  readonly undeliverable: readonly { readonly id: number; readonly reason: string }[]
  /** Internal messages that go out with this block. */
  readonly sent: readonly Cell[]
}

/** What takes one block back. */
export interface Undo {
  readonly seqno: number
  readonly before: Head
  readonly startLt: bigint
  /** As they were; undefined where there was none. */
  readonly accounts: ReadonlyMap<string, string | undefined>
  readonly queued: readonly QueuedMessage[]
  readonly undeliverable: readonly number[]
  /** Of the last message that was in flight before it. */
  readonly lastQueueId: number
}

export class Store {
  readonly #db: DatabaseSync
  readonly #historyMax: number
  readonly #statements = new Map<string, StatementSync>()
  #transactions: number
  #closed = false

  private constructor(db: DatabaseSync, historyMax: number) {
    this.#db = db
    this.#historyMax = historyMax
    this.#transactions = Number(this.#one('SELECT count(*) AS n FROM transactions')?.['n'] ?? 0)
  }

  /** Opens the state in `dir`, making a new one where there is none; without `dir` the state lives in memory. */
  static open(dir: string | undefined, historyMax: number = historyMaxDefault): Store {
    return new Store(dir === undefined ? openMemory() : openState(dir), historyMax)
  }

  /** Undefined on a new chain, which has no block yet. */
  stored(): { readonly head: Head; readonly blockMs: number; readonly secret: Buffer } | undefined {
    const row = this.#one('SELECT seqno, utime, lt, ahead, block_ms, secret FROM head')
    if (row === undefined) return undefined
    const head = {
      seqno: Number(row['seqno']),
      utimeSec: Number(row['utime']),
      lt: bigint(row['lt']),
      aheadSec: Number(row['ahead']),
    }
    return { head, blockMs: Number(row['block_ms']), secret: bytes(row['secret']) }
  }

  /** Writes the genesis block. The secret names this chain (block hashes) and is its faucet's key. */
  begin(head: Head, blockMs: number, secret: Buffer, accounts: ReadonlyMap<string, string>): void {
    this.#atomically(() => {
      this.#run('INSERT INTO head (one, seqno, utime, lt, ahead, block_ms, secret) VALUES (1, ?, ?, ?, ?, ?, ?)', [
        head.seqno,
        head.utimeSec,
        head.lt,
        head.aheadSec,
        blockMs,
        secret,
      ])
      for (const [address, state] of accounts) this.#putAccount(address, state)
    })
  }

  saveHead(head: Head, blockMs: number): void {
    this.#run('UPDATE head SET seqno = ?, utime = ?, lt = ?, ahead = ?, block_ms = ?', [
      head.seqno,
      head.utimeSec,
      head.lt,
      head.aheadSec,
      blockMs,
    ])
  }

  commit(block: BlockChanges, blockMs: number): void {
    const { head } = block
    this.#atomically(() => {
      for (const [address, state] of block.accounts) this.#putAccount(address, state)
      for (const id of block.delivered) this.#run('DELETE FROM queue WHERE id = ?', [id])
      for (const { id, reason } of block.undeliverable) {
        this.#run('UPDATE queue SET undeliverable = ? WHERE id = ?', [reason, id])
      }
      for (const message of block.sent) this.#run('INSERT INTO queue (boc) VALUES (?)', [message.toBoc()])
      if (block.transactions.length > 0) {
        const range = [head.seqno, head.utimeSec, block.startLt, head.lt]
        this.#run('INSERT INTO blocks (seqno, utime, start_lt, end_lt) VALUES (?, ?, ?, ?)', range)
      }
      for (const transaction of block.transactions) this.#putTransaction(head.seqno, transaction)
      this.#prune(block.transactions.length)
      this.saveHead(head, blockMs)
    })
    this.#transactions = Math.min(this.#transactions + block.transactions.length, this.#historyMax)
  }

  /** To be asked before the block is committed. */
  undoOf(block: BlockChanges, before: Head): Undo {
    const delivered = new Set(block.delivered)
    const accounts = [...block.accounts.keys()].map((address) => [address, this.account(address)] as const)
    return {
      seqno: block.head.seqno,
      before,
      startLt: block.startLt,
      accounts: new Map(accounts),
      queued: this.queue(delivered.size + block.undeliverable.length).filter(({ id }) => delivered.has(id)),
      undeliverable: block.undeliverable.map(({ id }) => id),
      lastQueueId: Number(this.#one('SELECT seq FROM sqlite_sequence WHERE name = ?', ['queue'])?.['seq'] ?? 0),
    }
  }

  /** Takes blocks back, the last one first. What the history had forgotten for them stays forgotten. */
  undo(blocks: readonly Undo[], head: Head, blockMs: number): void {
    this.#atomically(() => {
      for (const { seqno, startLt, accounts, queued, undeliverable, lastQueueId } of blocks) {
        for (const [address, state] of accounts) {
          if (state === undefined) this.#run('DELETE FROM accounts WHERE address = ?', [address])
          else this.#putAccount(address, state)
        }
        this.#run('DELETE FROM queue WHERE id > ?', [lastQueueId])
        for (const id of undeliverable) this.#run('UPDATE queue SET undeliverable = NULL WHERE id = ?', [id])
        for (const { id, cell } of queued) this.#run('INSERT INTO queue (id, boc) VALUES (?, ?)', [id, cell.toBoc()])
        this.#run('DELETE FROM transactions WHERE lt >= ?', [startLt])
        this.#run('DELETE FROM messages WHERE lt >= ?', [startLt])
        this.#run('DELETE FROM blocks WHERE seqno = ?', [seqno])
      }
      this.saveHead(head, blockMs)
    })
    this.#transactions = Number(this.#one('SELECT count(*) AS n FROM transactions')?.['n'] ?? 0)
  }

  account(address: string): string | undefined {
    const state = this.#one('SELECT state FROM accounts WHERE address = ?', [address])?.['state']
    return typeof state === 'string' ? state : undefined
  }

  queue(limit: number): readonly QueuedMessage[] {
    const rows = this.#all('SELECT id, boc FROM queue WHERE undeliverable IS NULL ORDER BY id LIMIT ?', [limit])
    return rows.map((row) => ({ id: Number(row['id']), cell: storedCell(row['boc']) }))
  }

  queued(): { readonly inFlight: number; readonly undeliverable: number } {
    const row = this.#one('SELECT count(*) AS n, count(undeliverable) AS failed FROM queue')
    const undeliverable = Number(row?.['failed'] ?? 0)
    return { inFlight: Number(row?.['n'] ?? 0) - undeliverable, undeliverable }
  }

  transactionCount(): number {
    return this.#transactions
  }

  /** Newest first, from `fromLt` (inclusive) down to `toLt` (exclusive). */
  transactionsOf(account: string, fromLt: bigint, toLt: bigint, limit: number): readonly StoredTransaction[] {
    return this.#transactionsWhere('account = ? AND lt <= ? AND lt > ? ORDER BY lt DESC LIMIT ?', [
      account,
      fromLt,
      toLt,
      limit,
    ])
  }

  /** In the chain's order within a block: by account, then by logical time; after `(account, lt)` where given. */
  transactionsIn(
    seqno: number,
    workchain: number,
    after: { readonly account: string; readonly lt: bigint },
    limit: number,
  ): readonly StoredTransaction[] {
    return this.#transactionsWhere(
      'seqno = ? AND account LIKE ? AND (account, lt) > (?, ?) ORDER BY account, lt LIMIT ?',
      [seqno, `${workchain}:%`, after.account, after.lt, limit],
    )
  }

  transactionByIncoming(account: string, createdLt: bigint): readonly StoredTransaction[] {
    return this.#transactionsWhere('account = ? AND in_created_lt = ? ORDER BY lt', [account, createdLt])
  }

  transactionsByMessage(hash: Buffer, direction: 'in' | 'out' | undefined, limit: number, offset: number) {
    const inbound = direction === undefined ? '' : `AND inbound = ${direction === 'in' ? 1 : 0}`
    return this.#transactionsWhere(
      `lt IN (SELECT lt FROM messages WHERE hash = ? ${inbound}) ORDER BY lt DESC LIMIT ? OFFSET ?`,
      [hash, limit, offset],
    )
  }

  /** The first non-empty block that ends at or after `lt`. */
  blockByLt(lt: bigint): number | undefined {
    const row = this.#one('SELECT seqno FROM blocks WHERE end_lt >= ? ORDER BY seqno LIMIT 1', [lt])
    return row === undefined ? undefined : Number(row['seqno'])
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#db.close()
  }

  #putAccount(address: string, state: string): void {
    this.#run('INSERT OR REPLACE INTO accounts (address, state) VALUES (?, ?)', [address, state])
  }

  #putTransaction(seqno: number, transaction: BlockChanges['transactions'][number]): void {
    const { lt, account, hash, cell, inCreatedLt = null } = transaction
    this.#run('INSERT INTO transactions (lt, account, hash, seqno, in_created_lt, boc) VALUES (?, ?, ?, ?, ?, ?)', [
      lt,
      account,
      hash,
      seqno,
      inCreatedLt,
      cell.toBoc(),
    ])
    const index = 'INSERT OR IGNORE INTO messages (hash, lt, inbound) VALUES (?, ?, ?)'
    for (const message of transaction.inHashes) this.#run(index, [message, lt, 1])
    for (const message of transaction.outHashes) this.#run(index, [message, lt, 0])
  }

  #prune(added: number): void {
    const excess = this.#transactions + added - this.#historyMax
    if (excess <= 0) return
    const last = this.#one('SELECT lt FROM transactions ORDER BY lt LIMIT 1 OFFSET ?', [excess - 1])?.['lt']
    if (last === undefined) return
    this.#run('DELETE FROM transactions WHERE lt <= ?', [last])
    this.#run('DELETE FROM messages WHERE lt <= ?', [last])
    this.#run('DELETE FROM blocks WHERE end_lt <= ?', [last])
  }

  #transactionsWhere(condition: string, values: readonly SQLInputValue[]): readonly StoredTransaction[] {
    const rows = this.#all(`SELECT lt, account, hash, seqno, boc FROM transactions WHERE ${condition}`, values)
    return rows.map((row) => ({
      account: String(row['account']),
      lt: bigint(row['lt']),
      hash: bytes(row['hash']),
      seqno: Number(row['seqno']),
      cell: storedCell(row['boc']),
    }))
  }

  #atomically(change: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      change()
      this.#db.exec('COMMIT')
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw error
    }
  }

  #prepare(sql: string): StatementSync {
    const ready = this.#statements.get(sql) ?? this.#db.prepare(sql)
    this.#statements.set(sql, ready)
    return ready
  }

  #run(sql: string, values: readonly SQLInputValue[]): void {
    this.#prepare(sql).run(...values)
  }

  #one(sql: string, values: readonly SQLInputValue[] = []) {
    return this.#prepare(sql).get(...values)
  }

  #all(sql: string, values: readonly SQLInputValue[]) {
    return this.#prepare(sql).all(...values)
  }
}

function bigint(value: unknown): bigint {
  return BigInt(value as number | bigint)
}

function bytes(value: unknown): Buffer {
  if (!(value instanceof Uint8Array)) throw new TypeError('the state file holds no bytes where bytes belong')
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

function storedCell(value: unknown): Cell {
  const [root] = Cell.fromBoc(bytes(value))
  if (root === undefined) throw new TypeError('the state file holds an empty bag of cells')
  return root
}

// How long a provider's books take to open after a crash: a killed process leaves them as they are, with the write-ahead log.

import { randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from '../../node/adapters/sqlite.ts'
import { systemClock } from '../../node/adapters/system.ts'
import { VoucherLog, type VoucherRecord } from '../../node/records.ts'
import { Book } from '../../node/settlement/book.ts'
import { addressOf, type PeerId, peerIdOf } from '../../protocol/ids.ts'

export interface Recovery {
  readonly vouchers: number
  readonly channels: number
  readonly bytes: number
  /** Opening and checking the file, then reading and decoding the log. */
  readonly openMs: number
  readonly readMs: number
  /** Of both, on a machine that may be busy with others. */
  readonly processorMs: number
}

const entryBytesMax = 65_536
const groupEntries = 4_096

/**
 * So many vouchers, of so many payers, through the log that a node keeps them in: it forgets those that later ones replace.
 * Signatures are not looked at again when books are opened.
 */
export async function measureRecovery(vouchers: number, channels: number): Promise<Recovery> {
  const dir = mkdtempSync(join(tmpdir(), 'silkmesh-recovery-'))
  const path = join(dir, 'books.sqlite')
  const left = join(dir, 'left.sqlite')
  try {
    const store = openStore({ path, entryBytesMax })
    const payers = Array.from({ length: channels }, () => ({
      peer: peerIdOf(randomBytes(32)),
      escrow: addressOf(randomBytes(32)),
    }))
    const payee = addressOf(randomBytes(32))
    const live = new Map<PeerId, VoucherRecord>()
    const log = new VoucherLog('book', store, () => live.values())
    for (let at = 0; at < vouchers; at += groupEntries) {
      const group = Array.from({ length: Math.min(groupEntries, vouchers - at) }, (_, index) => {
        const { escrow, peer } = payers[(at + index) % channels] ?? { escrow: payee, peer: peerIdOf(randomBytes(32)) }
        const terms = { globalId: -239, escrow, epoch: 0, payee, amountNano: BigInt(at + index + 1) }
        return { peer, voucher: { terms, signature: randomBytes(64) }, atMs: systemClock.now() }
      })
      await Promise.all(group.map((record) => log.append(record, () => void live.set(record.peer, record))))
    }
    // as a kill leaves it: nothing is closed
    for (const suffix of ['', '-wal']) if (existsSync(path + suffix)) copyFileSync(path + suffix, left + suffix)
    const bytes = statSync(left).size + (existsSync(`${left}-wal`) ? statSync(`${left}-wal`).size : 0)
    await store.close()
    const before = process.cpuUsage()
    const startMs = performance.now()
    const opened = openStore({ path: left, entryBytesMax })
    const openMs = performance.now() - startMs
    const book = new Book(payee, { clock: systemClock, store: opened, observe: () => undefined })
    await book.recover()
    const readMs = performance.now() - startMs - openMs
    const { system, user } = process.cpuUsage(before)
    if (book.channels().length !== channels) throw new Error(`${book.channels().length} channels found of ${channels}`)
    await opened.close()
    return {
      vouchers,
      channels,
      bytes,
      openMs: Math.round(openMs),
      readMs: Math.round(readMs),
      processorMs: Math.round((user + system) / 1_000),
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

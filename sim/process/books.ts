// What providers' books hold: followed from what the nodes say while they run, read from their disks when they do not.

import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from '../../node/adapters/sqlite.ts'
import type { NodeEvent } from '../../node/events.ts'
import { type Address, parseAddress } from '../../protocol/ids.ts'
import { largest, type Nano } from '../../protocol/money.ts'
import { isRecord } from './child.ts'

/** One payer's escrow in one provider's book. */
export interface Entry {
  /** Delivered, as far as was said. */
  readonly owedNano: Nano
  /** By the best voucher. */
  readonly coveredNano: Nano
}

export class Book {
  readonly #entries = new Map<Address, Entry>()

  get entries(): ReadonlyMap<Address, Entry> {
    return this.#entries
  }

  /** `escrowOf` tells whose escrow a payer pays from. */
  heard(event: NodeEvent, escrowOf: (peer: string) => Address | undefined): void {
    if (event.type === 'voucher-booked') {
      const { amountNano, escrow, owedNano } = event
      const before = this.#entries.get(escrow)
      this.#entries.set(escrow, {
        coveredNano: largest(before?.coveredNano ?? 0n, amountNano),
        owedNano: largest(before?.owedNano ?? 0n, owedNano),
      })
    } else if (event.type === 'credit-paused') {
      const escrow = escrowOf(event.peer)
      const before = escrow && this.#entries.get(escrow)
      if (!before) return
      const owedNano = largest(before.owedNano, before.coveredNano + event.unpaidNano)
      this.#entries.set(escrow, { ...before, owedNano })
    }
  }

  /** A book that is opened again knows what vouchers cover, and no more. */
  reopened(): void {
    for (const [escrow, { coveredNano }] of this.#entries)
      this.#entries.set(escrow, { coveredNano, owedNano: coveredNano })
  }
}

/**
 * The best voucher of each escrow on the disk of a node that does not run. Read from a copy: what the node left, unfinished
 * or not, is for itself to find.
 */
export async function bookOnDisk(home: string): Promise<ReadonlyMap<Address, Nano>> {
  const covered = new Map<Address, Nano>()
  const file = 'books.sqlite'
  if (!existsSync(join(home, file))) return covered
  const copy = mkdtempSync(join(tmpdir(), 'silkmesh-book-'))
  try {
    for (const name of [file, `${file}-wal`]) {
      if (existsSync(join(home, name))) cpSync(join(home, name), join(copy, name))
    }
    const store = openStore({ path: join(copy, file), entryBytesMax: 65_536 })
    const entries = await store.read('book')
    await store.close()
    for (const entry of entries) {
      const voucher: unknown = JSON.parse(new TextDecoder().decode(entry))
      if (!isRecord(voucher)) throw new TypeError(`an entry of ${home}/${file} is no voucher`)
      const escrow = parseAddress(String(voucher['escrow']))
      covered.set(escrow, largest(covered.get(escrow) ?? 0n, BigInt(String(voucher['amountNano']))))
    }
    return covered
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

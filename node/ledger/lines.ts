// The ledger's entries on disk: the newest as they were written, older ones folded into a balance for each account. What the disk
// refused is written first when it works again.

import { asMeshError } from '../../protocol/errors.ts'
import type { Ports } from '../ports.ts'
import { RecordLog } from '../records.ts'
import { type Account, accountKey, decodeEntry, type Entry, encodeEntry } from './entries.ts'
import { afterEntry, type Balance, emptyBalance } from './sums.ts'

export const ledgerLog = 'ledger'

export class Lines {
  readonly #ports: Pick<Ports, 'clock' | 'store' | 'observe'>
  /** Kept whole: at most twice as many. */
  readonly #linesMax: number
  readonly #log: RecordLog<Entry>
  readonly #newest: Entry[] = []
  readonly #carried = new Map<string, Balance>()
  #unwritten: Entry[] = []
  #writing: Promise<void> = Promise.resolve()

  constructor(ports: Pick<Ports, 'clock' | 'store' | 'observe'>, linesMax: number) {
    this.#ports = ports
    this.#linesMax = linesMax
    this.#log = new RecordLog(ledgerLog, ports.store, { encode: encodeEntry, decode: decodeEntry }, () => this.all())
  }

  async read(): Promise<readonly Entry[]> {
    const entries = await this.#log.read()
    for (const entry of entries) this.#keep(entry)
    return entries
  }

  /** Rejects where it could not be written. */
  append(entry: Entry): Promise<void> {
    const entries = [...this.#unwritten, entry]
    this.#unwritten = []
    const written = entries.map((each) => this.#append(each))
    const before = this.#writing
    this.#writing = Promise.allSettled([before, ...written]).then(() => undefined)
    return written.at(-1) ?? Promise.resolve()
  }

  /** Resolves when every entry so far is on disk, or could not be written. */
  durable(): Promise<void> {
    return this.#writing
  }

  /** What was folded away, and the entries since. */
  *all(): Iterable<Entry> {
    const atMs = this.#ports.clock.now()
    for (const { account, countedNano, coveredNano, isBusy, isClosed, settledNano } of this.#carried.values()) {
      const sums = { countedNano, coveredNano, settledNano }
      yield { type: 'carried', isBusy, isClosed, account, atMs, nano: countedNano, sums, isAtRest: !isBusy }
    }
    yield* this.#newest
  }

  async #append(entry: Entry): Promise<void> {
    try {
      await this.#log.append(entry, () => this.#keep(entry))
    } catch (error) {
      this.#unwritten.push(entry)
      const { code, message } = asMeshError(error)
      this.#ports.observe({ type: 'fault', where: 'writing the ledger', code, message })
      throw error
    }
  }

  /** It is on disk. */
  #keep(entry: Entry): void {
    if (entry.type === 'carried') {
      this.#carried.set(accountKey(entry.account), afterEntry(emptyBalance(entry.account), entry))
      return
    }
    this.#newest.push(entry)
    if (this.#newest.length > 2 * this.#linesMax) this.#fold()
  }

  /** The oldest lines into balances that are carried forward. */
  #fold(): void {
    for (const entry of this.#newest.splice(0, this.#newest.length - this.#linesMax)) {
      const key = accountKey(entry.account)
      const balance = this.#carriedOf(entry.account)
      this.#carried.delete(key)
      this.#carried.set(key, afterEntry(balance, entry))
    }
  }

  #carriedOf(account: Account): Balance {
    return this.#carried.get(accountKey(account)) ?? emptyBalance(account)
  }
}

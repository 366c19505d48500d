// Vouchers as the store keeps them: one JSON object an entry, readable by a person with any SQLite tool, in logs that are
// rewritten before they grow without bound.

import { MeshError } from '../protocol/errors.ts'
import { type PeerId, parseAddress, parsePeerId } from '../protocol/ids.ts'
import { type Nano, nanoMax } from '../protocol/money.ts'
import type { Voucher } from '../protocol/voucher.ts'
import type { Store } from './ports.ts'

export interface VoucherRecord {
  /** The other end of the channel: the payer in a provider's book, the payee's peer in a consumer's tab. */
  readonly peer: PeerId
  readonly voucher: Voucher
  /** Unix milliseconds. */
  readonly atMs: number
  /** What a provider may claim beyond this voucher should the stream break now. */
  readonly creditNano?: Nano | undefined
}

/** A log is rewritten when it holds this many entries more than there are live ones: some 5 MB. */
const staleEntriesMax = 10_000

export class VoucherLog {
  readonly #name: string
  readonly #store: Store
  readonly #live: () => Iterable<VoucherRecord>
  /** On their way to disk: a rewrite that starts meanwhile must not lose them. */
  readonly #pending = new Set<VoucherRecord>()
  #entries = 0
  #isRewriting = false

  /** `live` tells the records that matter now; the log may forget all others. */
  constructor(name: string, store: Store, live: () => Iterable<VoucherRecord>) {
    this.#name = name
    this.#store = store
    this.#live = live
  }

  async read(): Promise<readonly VoucherRecord[]> {
    const entries = await this.#store.read(this.#name)
    this.#entries = entries.length
    return entries.map((entry) => decodeRecord(this.#name, entry))
  }

  /** `apply` runs once the record would survive a power cut, in the same instant: persist, then act. */
  async append(record: VoucherRecord, apply: () => void): Promise<void> {
    this.#pending.add(record)
    try {
      await this.#store.append(this.#name, encodeRecord(record))
      this.#entries += 1
      apply()
    } finally {
      this.#pending.delete(record)
    }
    await this.#rewriteWhenStale()
  }

  async #rewriteWhenStale(): Promise<void> {
    if (this.#isRewriting || this.#entries <= staleEntriesMax) return
    const kept = [...this.#live(), ...this.#pending]
    if (this.#entries - kept.length <= staleEntriesMax) return
    this.#isRewriting = true
    try {
      this.#entries = kept.length
      await this.#store.rewrite(this.#name, kept.map(encodeRecord))
    } finally {
      this.#isRewriting = false
    }
  }
}

export function encodeRecord(record: VoucherRecord): Uint8Array {
  const { terms, signature } = record.voucher
  return new TextEncoder().encode(
    JSON.stringify({
      peer: record.peer,
      ...terms,
      amountNano: terms.amountNano.toString(),
      signature: Buffer.from(signature).toString('hex'),
      atMs: record.atMs,
      creditNano: record.creditNano?.toString(),
    }),
  )
}

/** Throws `MeshError` `store-failed` for an entry this code did not write: money is never guessed. */
export function decodeRecord(log: string, entry: Uint8Array): VoucherRecord {
  try {
    const raw = JSON.parse(new TextDecoder().decode(entry)) as Record<string, unknown>
    return {
      peer: parsePeerId(String(raw['peer'])),
      voucher: {
        terms: {
          globalId: integer(raw, 'globalId', -0x80000000, 0x7fffffff),
          escrow: parseAddress(String(raw['escrow'])),
          epoch: integer(raw, 'epoch', 0, 0xffffffff),
          payee: parseAddress(String(raw['payee'])),
          amountNano: nano(raw, 'amountNano'),
        },
        signature: signature(raw),
      },
      atMs: integer(raw, 'atMs', 0, Number.MAX_SAFE_INTEGER),
      ...(raw['creditNano'] === undefined ? {} : { creditNano: nano(raw, 'creditNano') }),
    }
  } catch (error) {
    throw new MeshError('store-failed', `an entry of the log "${log}" cannot be read: ${String(error)}`, {
      cause: error,
    })
  }
}

type Raw = Readonly<Record<string, unknown>>

function integer(raw: Raw, name: string, min: number, max: number): number {
  const value = raw[name]
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw new RangeError(`${name} ${JSON.stringify(value)}, expected a whole number from ${min} to ${max}`)
}

function nano(raw: Raw, name: string): Nano {
  const value = raw[name]
  const amount = typeof value === 'string' && /^\d{1,20}$/.test(value) ? BigInt(value) : undefined
  if (amount !== undefined && amount <= nanoMax) return amount
  throw new RangeError(`${name} ${JSON.stringify(value)}, expected decimal digits up to ${nanoMax}`)
}

function signature({ signature }: Raw): Uint8Array {
  if (typeof signature === 'string' && /^[0-9a-f]{128}$/.test(signature)) {
    return Uint8Array.from(Buffer.from(signature, 'hex'))
  }
  throw new RangeError(`signature ${JSON.stringify(signature)}, expected 128 hex digits`)
}

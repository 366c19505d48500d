// Vouchers as the store keeps them: one JSON object an entry, readable by a person with any SQLite tool, in logs that are
// rewritten before they grow without bound.

import { MeshError } from '../protocol/errors.ts'
import { type Address, type PeerId, parseAddress, parsePeerId } from '../protocol/ids.ts'
import { type Nano, nanoMax } from '../protocol/money.ts'
import type { Grant, Voucher } from '../protocol/voucher.ts'
import type { Store } from './ports.ts'

export interface VoucherRecord {
  /** The other end of the channel: the payer in a provider's book, the payee's peer in a consumer's tab. */
  readonly peer: PeerId
  readonly voucher: Voucher
  /** Unix milliseconds. */
  readonly atMs: number
  /** What a provider may claim beyond this voucher should the stream break now. */
  readonly creditNano?: Nano | undefined
  /** A settler keeps it for the day that its escrow begins to close. */
  readonly isWatch?: true | undefined
  /** In a consumer's account with a hub: what this voucher is to buy, and has not bought yet. */
  readonly wants?: { readonly payee: Address; readonly creditNano: Nano } | undefined
  /** In a hub's books: whom it charged for the grant, and how much it has in all. */
  readonly charged?: { readonly escrow: Address; readonly epoch: number; readonly owedNano: Nano } | undefined
}

const decoder = new TextDecoder()

/** A log is rewritten when it holds this many entries more than there are live ones: some 5 MB. */
const staleEntriesMax = 10_000

interface Codec<T> {
  readonly encode: (record: T) => Uint8Array
  readonly decode: (log: string, entry: Uint8Array) => T
}

/** A log that forgets what no longer matters. */
export class RecordLog<T> {
  readonly #name: string
  readonly #store: Store
  readonly #codec: Codec<T>
  readonly #live: () => Iterable<T>
  /** On their way to disk: a rewrite that starts meanwhile must not lose them. */
  readonly #pending = new Set<T>()
  #entries = 0
  #isRewriting = false

  /** `live` tells the records that matter now; the log may forget all others. */
  constructor(name: string, store: Store, codec: Codec<T>, live: () => Iterable<T>) {
    this.#name = name
    this.#store = store
    this.#codec = codec
    this.#live = live
  }

  async read(): Promise<readonly T[]> {
    const entries = await this.#store.read(this.#name)
    this.#entries = entries.length
    return entries.map((entry) => this.#codec.decode(this.#name, entry))
  }

  /** `apply` runs once the record would survive a power cut, in the same instant: persist, then act. */
  async append(record: T, apply: () => void): Promise<void> {
    this.#pending.add(record)
    try {
      await this.#store.append(this.#name, this.#codec.encode(record))
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
      await this.#store.rewrite(this.#name, kept.map(this.#codec.encode))
    } finally {
      this.#isRewriting = false
    }
  }
}

export class VoucherLog extends RecordLog<VoucherRecord> {
  constructor(name: string, store: Store, live: () => Iterable<VoucherRecord>) {
    super(name, store, { encode: encodeRecord, decode: decodeRecord }, live)
  }
}

export function encodeRecord(record: VoucherRecord): Uint8Array {
  const { grant, signature, terms } = record.voucher
  const { charged, wants } = record
  return new TextEncoder().encode(
    JSON.stringify({
      peer: record.peer,
      ...terms,
      amountNano: terms.amountNano.toString(),
      signature: Buffer.from(signature).toString('hex'),
      atMs: record.atMs,
      creditNano: record.creditNano?.toString(),
      isWatch: record.isWatch,
      ...(grant && {
        grantConsumer: grant.consumer,
        grantNano: grant.amountNano.toString(),
        grantSignature: Buffer.from(grant.signature).toString('hex'),
      }),
      ...(wants && { wantedPayee: wants.payee, wantedNano: wants.creditNano.toString() }),
      ...(charged && {
        chargedEscrow: charged.escrow,
        chargedEpoch: charged.epoch,
        chargedNano: charged.owedNano.toString(),
      }),
    }),
  )
}

/** Throws `MeshError` `store-failed` for an entry this code did not write: money is never guessed. */
export function decodeRecord(log: string, entry: Uint8Array): VoucherRecord {
  try {
    const raw = JSON.parse(decoder.decode(entry)) as Record<string, unknown>
    return {
      peer: ownPeerId(raw['peer']),
      voucher: {
        terms: {
          globalId: integer(raw, 'globalId', -0x80000000, 0x7fffffff),
          escrow: parseAddress(String(raw['escrow'])),
          epoch: integer(raw, 'epoch', 0, 0xffffffff),
          payee: parseAddress(String(raw['payee'])),
          amountNano: nano(raw, 'amountNano'),
        },
        signature: signature(raw, 'signature'),
        ...grant(raw),
      },
      atMs: integer(raw, 'atMs', 0, Number.MAX_SAFE_INTEGER),
      ...(raw['creditNano'] === undefined ? {} : { creditNano: nano(raw, 'creditNano') }),
      ...(raw['isWatch'] === true ? { isWatch: true } : {}),
      ...(raw['wantedPayee'] === undefined ? {} : { wants: wanted(raw) }),
      ...(raw['chargedEscrow'] === undefined ? {} : { charged: charged(raw) }),
    }
  } catch (error) {
    throw new MeshError('store-failed', `an entry of the log "${log}" cannot be read: ${String(error)}`, {
      cause: error,
    })
  }
}

/** Written by this code, and guarded by the store's checksum: its form is enough, and a tenth of the time of its decoding. */
function ownPeerId(text: unknown): PeerId {
  if (typeof text === 'string' && /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/.test(text)) return text as PeerId
  throw new RangeError(`peer ${JSON.stringify(text)}, expected a peer id that begins with 12D3KooW`)
}

export type Raw = Readonly<Record<string, unknown>>

export function integer(raw: Raw, name: string, min: number, max: number): number {
  const value = raw[name]
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw new RangeError(`${name} ${JSON.stringify(value)}, expected a whole number from ${min} to ${max}`)
}

export function nano(raw: Raw, name: string): Nano {
  const value = raw[name]
  const amount = typeof value === 'string' && /^\d{1,20}$/.test(value) ? BigInt(value) : undefined
  if (amount !== undefined && amount <= nanoMax) return amount
  throw new RangeError(`${name} ${JSON.stringify(value)}, expected decimal digits up to ${nanoMax}`)
}

function signature(raw: Raw, name: string): Uint8Array {
  const value = raw[name]
  // decoding ends at the first character that is no hex digit
  const bytes = typeof value === 'string' && value.length === 128 ? Buffer.from(value, 'hex') : undefined
  if (bytes?.length === 64) return new Uint8Array(bytes)
  throw new RangeError(`${name} ${JSON.stringify(value)}, expected 128 hex digits`)
}

function grant(raw: Raw): { readonly grant?: Grant } {
  if (raw['grantConsumer'] === undefined) return {}
  const consumer = parsePeerId(String(raw['grantConsumer']))
  return { grant: { consumer, amountNano: nano(raw, 'grantNano'), signature: signature(raw, 'grantSignature') } }
}

function wanted(raw: Raw): NonNullable<VoucherRecord['wants']> {
  return { payee: parseAddress(String(raw['wantedPayee'])), creditNano: nano(raw, 'wantedNano') }
}

function charged(raw: Raw): NonNullable<VoucherRecord['charged']> {
  const escrow = parseAddress(String(raw['chargedEscrow']))
  return { escrow, epoch: integer(raw, 'chargedEpoch', 0, 0xffffffff), owedNano: nano(raw, 'chargedNano') }
}

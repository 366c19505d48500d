// Vouchers as the store keeps them: one JSON object an entry, readable by a person with any SQLite tool.

import { MeshError } from '../protocol/errors.ts'
import { type PeerId, parseAddress, parsePeerId } from '../protocol/ids.ts'
import type { Nano } from '../protocol/money.ts'
import type { Voucher } from '../protocol/voucher.ts'

export interface VoucherRecord {
  /** The other end of the channel: the payer in a provider's book, the payee's peer in a consumer's tab. */
  readonly peer: PeerId
  readonly voucher: Voucher
  /** Unix milliseconds. */
  readonly atMs: number
  /** What a provider may claim beyond this voucher should the stream break now. */
  readonly creditNano?: Nano | undefined
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
    const signature = Buffer.from(String(raw['signature']), 'hex')
    if (signature.length !== 64) throw new RangeError(`signature of ${signature.length} bytes, expected 64`)
    return {
      peer: parsePeerId(String(raw['peer'])),
      voucher: {
        terms: {
          globalId: Number(raw['globalId']),
          escrow: parseAddress(String(raw['escrow'])),
          epoch: Number(raw['epoch']),
          payee: parseAddress(String(raw['payee'])),
          amountNano: BigInt(String(raw['amountNano'])),
        },
        signature,
      },
      atMs: Number(raw['atMs']),
      ...(raw['creditNano'] === undefined ? {} : { creditNano: BigInt(String(raw['creditNano'])) }),
    }
  } catch (error) {
    throw new MeshError('store-failed', `an entry of the log "${log}" cannot be read: ${String(error)}`, {
      cause: error,
    })
  }
}

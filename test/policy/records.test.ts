// Vouchers as the store keeps them.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeRecord, encodeRecord, VoucherLog, type VoucherRecord } from '../../node/records.ts'
import { MeshError } from '../../protocol/errors.ts'
import { nanoMax } from '../../protocol/money.ts'
import { signVoucher } from '../../protocol/voucher.ts'
import { quiet } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { nano, voucher } from '../protocol/arbitraries.ts'
import { damaged, damages } from '../protocol/damage.ts'
import { addressOfNumber, identityOf, peerOf } from './peers.ts'

const anyRecord: fc.Arbitrary<VoucherRecord> = fc.record(
  {
    peer: fc.integer({ min: 1, max: 5 }).map(peerOf),
    voucher,
    atMs: fc.maxSafeNat(),
    creditNano: nano,
  },
  { requiredKeys: ['peer', 'voucher', 'atMs'] },
)

const payer = identityOf(1)

function recordOf(amountNano: bigint): VoucherRecord {
  const terms = { globalId: -239, escrow: addressOfNumber(1), epoch: 0, payee: addressOfNumber(2), amountNano }
  return { peer: payer.peerId, voucher: signVoucher(terms, payer.sign), atMs: 1_800_000_000_000 }
}

describe('an entry', () => {
  test('reads back as it was written', () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        expect(decodeRecord('book', encodeRecord(record))).toEqual(record)
      }),
      { numRuns: 300 },
    )
  })

  test('is text that a person can read', () => {
    const text = new TextDecoder().decode(encodeRecord(recordOf(123n)))
    expect(JSON.parse(text)).toMatchObject({ peer: payer.peerId, amountNano: '123', epoch: 0, atMs: 1_800_000_000_000 })
  })

  test('that is noise is a failure of the store', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (entry) => {
        expect(() => decodeRecord('book', entry)).toThrow(MeshError)
      }),
    )
  })

  test('that was damaged is a failure of the store or still a whole record', () => {
    fc.assert(
      fc.property(anyRecord, damages, (record, changes) => {
        const entry = damaged(encodeRecord(record), changes)
        try {
          const { voucher, atMs, creditNano } = decodeRecord('book', entry)
          encodeRecord({ peer: record.peer, voucher, atMs, creditNano })
          expect(Number.isSafeInteger(atMs) && Number.isInteger(voucher.terms.epoch)).toBe(true)
          expect(voucher.terms.amountNano >= 0n && voucher.terms.amountNano <= nanoMax).toBe(true)
        } catch (error) {
          expect(error).toMatchObject({ code: 'store-failed' })
        }
      }),
      { numRuns: 1_000 },
    )
  })

  const good = JSON.parse(new TextDecoder().decode(encodeRecord({ ...recordOf(5n), creditNano: 7n })))

  test.each([
    ['no global id', { globalId: undefined }],
    ['a global id that is a text', { globalId: '-239' }],
    ['a global id beyond 32 bits', { globalId: 2 ** 31 }],
    ['no epoch', { epoch: undefined }],
    ['a broken epoch', { epoch: 1.5 }],
    ['a negative epoch', { epoch: -1 }],
    ['an empty amount', { amountNano: '' }],
    ['no amount', { amountNano: undefined }],
    ['a negative amount', { amountNano: '-5' }],
    ['an amount in hexadecimal', { amountNano: '0x10' }],
    ['an amount beyond the largest', { amountNano: (nanoMax + 1n).toString() }],
    ['a time that is none', { atMs: null }],
    ['an empty credit', { creditNano: '' }],
    ['a negative credit', { creditNano: '-1' }],
    ['a signature with a tail', { signature: `${good.signature}zz` }],
    ['a short signature', { signature: good.signature.slice(2) }],
    ['another escrow form', { escrow: 'EQ' }],
    ['no peer', { peer: undefined }],
  ])('with %s is a failure of the store', (_, change) => {
    const entry = new TextEncoder().encode(JSON.stringify({ ...good, ...change }))
    expect(() => decodeRecord('book', entry)).toThrow(
      expect.objectContaining({
        code: 'store-failed',
        message: expect.stringMatching(/^an entry of the log "book" cannot be read: /),
      }),
    )
  })
})

describe('the log', () => {
  const most = 10_000

  /** A log of one channel: only its largest voucher lives. */
  function logOn(store: MemoryStore): { log: VoucherLog; live: VoucherRecord[] } {
    const live: VoucherRecord[] = []
    return { log: new VoucherLog('book', store, () => live), live }
  }

  test('applies a record when it is durable, not before', async () => {
    const store = new MemoryStore()
    const { log } = logOn(store)
    store.hold()
    const applied: string[] = []
    const appended = log.append(recordOf(1n), () => applied.push('now'))
    await quiet()
    expect(applied).toEqual([])
    store.flush()
    await appended
    expect(applied).toEqual(['now'])
    expect(await logOn(store.crash()).log.read()).toEqual([recordOf(1n)])
  })

  test('does not apply what the store refused', async () => {
    const store = new MemoryStore()
    const { log } = logOn(store)
    const failure = new MeshError('store-failed', 'disk full')
    store.fail(failure)
    const applied: string[] = []
    await expect(log.append(recordOf(1n), () => applied.push('now'))).rejects.toBe(failure)
    expect(applied).toEqual([])
  })

  test('is rewritten to what lives once it holds so many others, and not one sooner', async () => {
    const store = new MemoryStore()
    const { log, live } = logOn(store)
    const append = (record: VoucherRecord): Promise<void> => log.append(record, () => live.splice(0, 1, record))
    const record = recordOf(1n)
    await Promise.all(Array.from({ length: most }, () => append(record)))
    expect(await store.read('book')).toHaveLength(most)
    await append(record)
    expect(await store.read('book')).toHaveLength(most + 1)
    await append(recordOf(2n))
    expect(await logOn(store.crash()).log.read()).toEqual([recordOf(2n)])
  })

  test('keeps what is on its way while it is rewritten', async () => {
    const store = new MemoryStore()
    const { log, live } = logOn(store)
    const append = (record: VoucherRecord): Promise<void> => log.append(record, () => live.splice(0, 1, record))
    const record = recordOf(1n)
    await Promise.all(Array.from({ length: most + 1 }, () => append(record)))
    await Promise.all([append(record), append(recordOf(2n)), append(recordOf(3n))])
    const amounts = (await logOn(store.crash()).log.read()).map(({ voucher }) => voucher.terms.amountNano)
    expect(Math.max(...amounts.map(Number))).toBe(3)
    expect(amounts.length).toBeLessThan(10)
  })
})

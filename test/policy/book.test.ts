// The provider's book: which vouchers it takes, and what it still knows after a crash.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NodeEvent } from '../../node/events.ts'
import { type Account, Book } from '../../node/settlement/book.ts'
import { type Channel, coveredNano, unpaidNano } from '../../node/settlement/channel.ts'
import { MeshError } from '../../protocol/errors.ts'
import { signVoucher, type Voucher, type VoucherTerms } from '../../protocol/voucher.ts'
import { ManualClock, quiet } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { accountOf, addressOfNumber, identityOf } from './peers.ts'

const payer = identityOf(1)
const payout = addressOfNumber(0x22)
const account = accountOf(payer)
const { address: escrow, globalId, epoch } = account.escrow
const never = new AbortController().signal

async function bookOn(store: MemoryStore, payee = payout): Promise<{ book: Book; events: NodeEvent[] }> {
  const events: NodeEvent[] = []
  const book = new Book(payee, { clock: new ManualClock(), store, observe: (event) => events.push(event) })
  await book.recover()
  return { book, events }
}

function voucherOf(amountNano: bigint, change: Partial<VoucherTerms> = {}, signer = payer): Voucher {
  return signVoucher({ globalId, escrow, epoch, payee: payout, amountNano, ...change }, signer.sign)
}

const covered = (book: Book, of: Account = account): bigint => coveredNano(book.channel(of, payer.peerId))

describe('a voucher', () => {
  test('counts when it is on disk, not before, and is told then', async () => {
    const store = new MemoryStore()
    const { book, events } = await bookOn(store)
    store.hold()
    const taken = book.accept(voucherOf(10n), account, payer.peerId)
    await quiet()
    expect(covered(book)).toBe(0n)
    expect(events).toEqual([])
    store.flush()
    expect(coveredNano(await taken)).toBe(10n)
    expect(events).toEqual([{ type: 'voucher-booked', peer: payer.peerId, escrow, amountNano: 10n, owedNano: 0n }])
  })

  test('taken while the clock was ahead ages from the next start on', async () => {
    const store = new MemoryStore()
    const [ahead, clock] = [new ManualClock(4_000_000_000_000), new ManualClock()]
    const first = new Book(payout, { clock: ahead, store, observe: () => undefined })
    await first.accept(voucherOf(10n), account, payer.peerId)
    const book = new Book(payout, { clock, store, observe: () => undefined })
    await book.recover()
    expect(book.channels().map(({ dueSinceMs }) => dueSinceMs)).toEqual([clock.now()])
  })

  test.each([
    ['of another chain', { globalId: -3 }, 'voucher for global id -3, expected -239'],
    ['of another escrow', { escrow: payout }, `voucher for escrow ${payout}, expected ${escrow}`],
    ['of another epoch', { epoch: 1 }, 'voucher for epoch 1, expected 0'],
    ['for another payee', { payee: escrow }, `voucher for payee ${escrow}, expected ${payout}`],
  ])('%s is refused', async (_, change, message) => {
    const { book } = await bookOn(new MemoryStore())
    await expect(book.accept(voucherOf(10n, change), account, payer.peerId)).rejects.toMatchObject({
      code: 'voucher-invalid',
      message,
    })
  })

  test('signed by another is refused and leaves nothing on disk', async () => {
    const store = new MemoryStore()
    const { book } = await bookOn(store)
    await expect(book.accept(voucherOf(10n, {}, identityOf(3)), account, payer.peerId)).rejects.toMatchObject({
      code: 'voucher-invalid',
      message: `voucher of 0.00000001 GRAM is not signed by ${payer.peerId}`,
    })
    expect(await store.read('book')).toEqual([])
  })

  test('whose amount was changed is refused', async () => {
    const { book } = await bookOn(new MemoryStore())
    const { signature, terms } = voucherOf(10n)
    const raised = { signature, terms: { ...terms, amountNano: 11n } }
    await expect(book.accept(raised, account, payer.peerId)).rejects.toMatchObject({ code: 'voucher-invalid' })
  })

  test('that adds nothing changes nothing and is not written', async () => {
    const store = new MemoryStore()
    const { book, events } = await bookOn(store)
    await book.accept(voucherOf(10n), account, payer.peerId)
    await book.accept(voucherOf(10n), account, payer.peerId)
    await book.accept(voucherOf(9n), account, payer.peerId)
    expect(covered(book)).toBe(10n)
    expect(await store.read('book')).toHaveLength(1)
    expect(events).toHaveLength(1)
  })

  test('that the disk refuses does not count', async () => {
    const store = new MemoryStore()
    const { book } = await bookOn(store)
    const failure = new MeshError('store-failed', 'disk full')
    store.fail(failure)
    await expect(book.accept(voucherOf(10n), account, payer.peerId)).rejects.toBe(failure)
    expect(covered(book)).toBe(0n)
    store.fail(undefined)
    await book.accept(voucherOf(10n), account, payer.peerId)
    expect(covered(book)).toBe(10n)
  })

  test('counts whatever the order in which many arrive at once, before and after a crash', async () => {
    const amounts = fc.array(fc.bigInt({ min: 1n, max: 50n }), { minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(amounts, async (amounts) => {
        const store = new MemoryStore()
        const { book } = await bookOn(store)
        await Promise.all(amounts.map((nano) => book.accept(voucherOf(nano), account, payer.peerId)))
        const largest = amounts.reduce((max, nano) => (nano > max ? nano : max))
        expect(covered(book)).toBe(largest)
        const { book: after } = await bookOn(store.crash())
        expect(covered(after)).toBe(largest)
      }),
      { numRuns: 100 },
    )
  })
})

describe('a crash', () => {
  test('forgives what no voucher covers', async () => {
    const store = new MemoryStore()
    const { book } = await bookOn(store)
    book.delivered(account, payer.peerId, 50n)
    await book.accept(voucherOf(30n), account, payer.peerId)
    expect(unpaidNano(book.channel(account, payer.peerId))).toBe(20n)
    const { book: after } = await bookOn(store.crash())
    expect(unpaidNano(after.channel(account, payer.peerId))).toBe(0n)
    expect(covered(after)).toBe(30n)
  })

  test('keeps escrows, epochs, chains and payout accounts apart', async () => {
    const store = new MemoryStore()
    const { book } = await bookOn(store)
    const other = accountOf(payer, { address: addressOfNumber(0xe6) })
    const later = accountOf(payer, { epoch: 1 })
    const test = accountOf(payer, { globalId: -3 })
    await book.accept(voucherOf(10n), account, payer.peerId)
    await book.accept(voucherOf(20n, { escrow: other.escrow.address }), other, payer.peerId)
    await book.accept(voucherOf(30n, { epoch: 1 }), later, payer.peerId)
    await book.accept(voucherOf(40n, { globalId: -3 }), test, payer.peerId)
    const disk = store.crash()
    const { book: after } = await bookOn(disk)
    expect([account, other, later, test].map((of) => covered(after, of))).toEqual([10n, 20n, 30n, 40n])
    const { book: moved } = await bookOn(disk, addressOfNumber(0x33))
    expect(covered(moved)).toBe(0n)
    expect(moved.channels()).toHaveLength(4)
  })

  test('with records that are damaged is not survived by guessing', async () => {
    const store = new MemoryStore()
    await store.append('book', new Uint8Array(3))
    await expect(bookOn(store)).rejects.toMatchObject({ code: 'store-failed' })
  })
})

describe('waiting for payment', () => {
  const paid = (channel: Channel): boolean => unpaidNano(channel) <= 0n

  test('ends when the voucher is on disk, not before', async () => {
    const store = new MemoryStore()
    const { book } = await bookOn(store)
    book.delivered(account, payer.peerId, 10n)
    store.hold()
    const done: string[] = []
    void book.until(account, payer.peerId, paid, never).then(() => done.push('paid'))
    void book.accept(voucherOf(10n), account, payer.peerId)
    await quiet()
    expect(done).toEqual([])
    store.flush()
    await quiet()
    expect(done).toEqual(['paid'])
  })

  test('goes on where a voucher is too small', async () => {
    const { book } = await bookOn(new MemoryStore())
    book.delivered(account, payer.peerId, 10n)
    const done: string[] = []
    void book.until(account, payer.peerId, paid, never).then(() => done.push('paid'))
    await book.accept(voucherOf(9n), account, payer.peerId)
    await quiet()
    expect(done).toEqual([])
    await book.accept(voucherOf(10n), account, payer.peerId)
    await quiet()
    expect(done).toEqual(['paid'])
  })

  test('is over at once where nothing is unpaid', async () => {
    const { book } = await bookOn(new MemoryStore())
    await book.until(account, payer.peerId, paid, AbortSignal.abort())
  })

  test('ends with the reason of its signal', async () => {
    const { book } = await bookOn(new MemoryStore())
    book.delivered(account, payer.peerId, 10n)
    const leaving = new AbortController()
    const reason = new MeshError('cancelled', 'gone')
    const waiting = book.until(account, payer.peerId, paid, leaving.signal)
    leaving.abort(reason)
    await expect(waiting).rejects.toBe(reason)
  })

  test('wakes all who wait for one payer, and nobody who waits for another', async () => {
    const { book } = await bookOn(new MemoryStore())
    const bob = identityOf(2)
    const bobs = accountOf(bob, { address: addressOfNumber(0xe6) })
    book.delivered(account, payer.peerId, 10n)
    book.delivered(bobs, bob.peerId, 10n)
    const done: string[] = []
    for (const name of ['first', 'second']) {
      void book.until(account, payer.peerId, paid, never).then(() => done.push(name))
    }
    void book.until(bobs, bob.peerId, paid, never).then(() => done.push('bob'))
    await book.accept(voucherOf(10n), account, payer.peerId)
    await quiet()
    expect(done).toEqual(['first', 'second'])
  })
})

describe('the chain', () => {
  test('tells what was settled, and never less than before', async () => {
    const { book } = await bookOn(new MemoryStore())
    await book.accept(voucherOf(10n), account, payer.peerId)
    const channel = book.channel(account, payer.peerId)
    book.settled(channel, 6n)
    book.settled(channel, 4n)
    expect(book.channel(account, payer.peerId).settledNano).toBe(6n)
  })

  test('begins a channel that these books do not know', async () => {
    const { book } = await bookOn(new MemoryStore())
    expect(covered(book, { ...account, settledNano: 70n })).toBe(70n)
    expect(unpaidNano(book.channel({ ...account, settledNano: 70n }, payer.peerId))).toBe(0n)
  })

  test('ends an epoch, and what was not settled in it is told as lost', async () => {
    const { book } = await bookOn(new MemoryStore())
    await book.accept(voucherOf(10n), account, payer.peerId)
    const channel = book.channel(account, payer.peerId)
    book.settled(channel, 4n)
    expect(book.close(channel)).toBe(6n)
    expect(book.channels()).toEqual([])
  })
})

describe('a debt paid outside any request', () => {
  test('is acknowledged: what a crash forgot was delivered after all', async () => {
    const store = new MemoryStore()
    const { book } = await bookOn(store)
    book.delivered(account, payer.peerId, 50n)
    await book.accept(voucherOf(30n), account, payer.peerId)
    const { book: after } = await bookOn(store.crash())
    const { owedNano } = await after.acceptDebt(voucherOf(50n), account, payer.peerId)
    expect(owedNano).toBe(50n)
    expect(unpaidNano(after.channel(account, payer.peerId))).toBe(0n)
  })

  test('that is forged acknowledges nothing', async () => {
    const { book } = await bookOn(new MemoryStore())
    const forged = voucherOf(50n, {}, identityOf(3))
    await expect(book.acceptDebt(forged, account, payer.peerId)).rejects.toMatchObject({ code: 'voucher-invalid' })
    expect(book.channel(account, payer.peerId).owedNano).toBe(0n)
  })
})

// A provider's book of a hub: vouchers of many consumers in any order, and nothing that the hub did not promise.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Book } from '../../node/settlement/book.ts'
import { coveredNano, unpaidNano } from '../../node/settlement/channel.ts'
import { signGrant } from '../../protocol/hub.ts'
import type { Nano } from '../../protocol/money.ts'
import { signVoucher, type Voucher, type VoucherTerms } from '../../protocol/voucher.ts'
import { ManualClock } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { accountOf, addressOfNumber, identityOf, peerOf } from './peers.ts'

const hub = identityOf(9)
const account = accountOf(hub)
const payee = addressOfNumber(0x22)
const [first, second] = [peerOf(1), peerOf(2)]

function bookOn(store = new MemoryStore()): Book {
  return new Book(payee, { clock: new ManualClock(), store, observe: () => undefined })
}

interface Forged {
  readonly terms?: Partial<VoucherTerms>
  /** What the grant's signature is over, where it differs from the voucher. */
  readonly of?: Partial<VoucherTerms>
  readonly signer?: typeof hub
  readonly grantor?: typeof hub
}

function granted(totalNano: Nano, grantNano: Nano, consumer = first, change: Forged = {}): Voucher {
  const { signer = hub, grantor = hub } = change
  const terms = {
    globalId: -239,
    escrow: account.escrow.address,
    epoch: 0,
    payee,
    amountNano: totalNano,
    ...change.terms,
  }
  const voucher = signVoucher(terms, signer.sign)
  return { ...voucher, grant: signGrant({ ...terms, ...change.of }, consumer, grantNano, grantor.sign) }
}

describe('a hub’s voucher is refused', () => {
  const refusals: readonly (readonly [string, Voucher])[] = [
    ['with a grant to another consumer', granted(100n, 50n, second)],
    ['with a grant that another key signed', granted(100n, 50n, first, { grantor: identityOf(8) })],
    ['that another key signed', granted(100n, 50n, first, { signer: identityOf(8) })],
    ['with a grant of another hub’s escrow', granted(100n, 50n, first, { of: { escrow: addressOfNumber(0x77) } })],
    ['with a grant of another epoch', granted(100n, 50n, first, { of: { epoch: 1 } })],
    ['with a grant of another chain', granted(100n, 50n, first, { of: { globalId: -3 } })],
    ['with a grant for another payee', granted(100n, 50n, first, { of: { payee: addressOfNumber(0x23) } })],
    ['of another epoch', granted(100n, 50n, first, { terms: { epoch: 1 } })],
    ['for another payee', granted(100n, 50n, first, { terms: { payee: addressOfNumber(0x23) } })],
    ['that is less than it grants', granted(100n, 101n)],
    ['without a grant', { ...granted(100n, 50n), grant: undefined }],
  ]
  test.each(refusals)('%s', async (_, voucher) => {
    const book = bookOn()
    await expect(book.accept(voucher, account, first)).rejects.toMatchObject({ code: 'voucher-invalid' })
    expect(coveredNano(book.settling(account))).toBe(0n)
    expect(coveredNano(book.channel(account, first))).toBe(0n)
  })

  test('where its grants to all consumers together are more', async () => {
    const book = bookOn()
    await book.accept(granted(100n, 60n), account, first)
    await expect(book.accept(granted(100n, 50n, second), account, second)).rejects.toMatchObject({
      code: 'voucher-invalid',
    })
    expect(coveredNano(book.channel(account, second))).toBe(0n)
    await book.accept(granted(110n, 50n, second), account, second)
    expect(coveredNano(book.channel(account, second))).toBe(50n)
  })

  test('where two that fit one by one come at once', async () => {
    const book = bookOn()
    const both = [
      book.accept(granted(100n, 60n), account, first),
      book.accept(granted(100n, 60n, second), account, second),
    ]
    const outcomes = await Promise.allSettled(both)
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})

describe('vouchers of several consumers', () => {
  test('count for whom they are granted to, and are one voucher to settle', async () => {
    const book = bookOn()
    await book.accept(granted(60n, 60n), account, first)
    await book.accept(granted(90n, 30n, second), account, second)
    book.delivered(account, first, 70n)
    book.delivered(account, second, 20n)
    expect(unpaidNano(book.channel(account, first))).toBe(10n)
    expect(unpaidNano(book.channel(account, second))).toBe(-10n)
    expect(book.channels()).toHaveLength(1)
    expect(coveredNano(book.settling(account))).toBe(90n)
    expect(book.channels()[0]?.best?.grant).toBeUndefined()
    expect(book.claimNano(account, first)).toBe(100n)
  })

  test('come to the same in any order, doubled, with some of them lost, and over a crash', async () => {
    const step = fc.record({ consumer: fc.integer({ min: 0, max: 2 }), nano: fc.bigInt({ min: 1n, max: 50n }) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 12 }),
        fc.infiniteStream(fc.nat()),
        async (steps, picks) => {
          const pick = (): number => picks.next().value ?? 0
          const grants = new Map<number, Nano>()
          let totalNano = 0n
          const issued = steps.map(({ consumer, nano }) => {
            totalNano += nano
            const grantNano = (grants.get(consumer) ?? 0n) + nano
            grants.set(consumer, grantNano)
            return { consumer, voucher: granted(totalNano, grantNano, peerOf(consumer + 1)) }
          })
          const arriving = issued.flatMap((each) => Array.from({ length: pick() % 3 }, () => each))
          let store = new MemoryStore()
          let book = bookOn(store)
          const best = new Map<number, Nano>()
          let bestNano = 0n
          while (arriving.length > 0) {
            const [next] = arriving.splice(pick() % arriving.length, 1)
            if (!next) continue
            const { consumer, voucher } = next
            await book.accept(voucher, account, peerOf(consumer + 1))
            const nano = voucher.grant?.amountNano ?? 0n
            if (nano > (best.get(consumer) ?? 0n)) best.set(consumer, nano)
            if (voucher.terms.amountNano > bestNano) bestNano = voucher.terms.amountNano
            if (pick() % 4 > 0) continue
            store = store.crash()
            book = bookOn(store)
            await book.recover()
          }
          for (const [consumer, nano] of best)
            expect(coveredNano(book.channel(account, peerOf(consumer + 1)))).toBe(nano)
          expect(coveredNano(book.settling(account))).toBe(bestNano)
          const sumNano = [...best.values()].reduce((sum, nano) => sum + nano, 0n)
          expect(sumNano).toBeLessThanOrEqual(bestNano)
        },
      ),
      { numRuns: 40 },
    )
  })

  test('handed back to a provider that lost its books buy nothing twice', async () => {
    const book = bookOn()
    const paid = { ...account, settledNano: 90n }
    await book.accept(granted(100n, 60n), paid, first, true)
    expect(unpaidNano(book.channel(paid, first))).toBe(0n)
    // one that keeps silent about what it used gets at most what the chain had not paid
    await expect(book.accept(granted(101n, 41n, second), paid, second)).rejects.toMatchObject({
      code: 'voucher-invalid',
    })
    await book.accept(granted(102n, 12n, second), paid, second)
    expect(coveredNano(book.channel(paid, second))).toBe(12n)
  })
})

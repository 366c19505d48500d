// Fees of settling in the ledger, at both ends: counted, paid by voucher, owed, and the same after a crash at any write.

import '../seed.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Journal } from '../../node/ledger/journal.ts'
import { Sheet } from '../../node/ledger/sheet.ts'
import { identitiesOf } from '../../node/ledger/statement.ts'
import { describeMismatch } from '../../node/ledger/sums.ts'
import { Fees } from '../../node/settlement/fees.ts'
import { signVoucher } from '../../protocol/voucher.ts'
import { ManualClock, quiet } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { addressOfNumber, identityOf, peerOf } from './peers.ts'

const tab = { globalId: -239, escrow: addressOfNumber(1), epoch: 0, payee: addressOfNumber(2) }
const settler = peerOf(5)

async function opened(store: MemoryStore): Promise<{ readonly fees: Fees; readonly journal: Journal }> {
  const journal = new Journal(
    { clock: new ManualClock(), store, observe: () => undefined },
    { linesMax: 100, confirmMs: 0 },
  )
  await journal.recover()
  const fees = new Fees('fees', store, new Sheet(journal, 'fees-paid'))
  await fees.recover()
  store.hold()
  return { fees, journal }
}

const act = fc.record({ kind: fc.constantFrom('charge', 'sign', 'write', 'crash'), amount: fc.nat({ max: 1_000 }) })

test('fees are what vouchers paid and what is owed, after any crash', async () => {
  let owed = 0
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 30 }), async (acts) => {
      let store = new MemoryStore()
      let { fees, journal } = await opened(store)
      let chainNano = 0n
      for (const { amount, kind } of acts) {
        if (kind === 'charge') {
          chainNano += BigInt(amount)
          void fees.mark('channel', settler, 100_000, 0n)
          void fees.charge('channel', chainNano)
        } else if (kind === 'sign') {
          const sign = (terms: Parameters<typeof signVoucher>[0]) => signVoucher(terms, identityOf(1).sign)
          void fees.sign(settler, tab, BigInt(amount) * 1_000n, 0n, sign)
        } else if (kind === 'write') store.flush(1 + (amount % 3))
        else {
          store = store.crash(amount % (1 + store.waiting))
          ;({ fees, journal } = await opened(store))
          expect(journal.mismatches.map(describeMismatch)).toEqual([])
        }
        await quiet()
      }
      for (let turn = 0; turn < 100 && store.waiting > 0; turn += 1) {
        store.flush()
        await quiet()
      }
      expect(journal.checkBooks().map(describeMismatch)).toEqual([])
      const [sum] = identitiesOf(journal.live(), { nowMs: 0, confirmMs: 0 })
      expect(sum?.parts.find(({ name }) => name === 'owed')?.nano ?? 0n).toBe(fees.unpaidNano(settler))
      if (fees.unpaidNano(settler) > 0n) owed += 1
    }),
    { numRuns: 100 },
  )
  expect(owed).toBeGreaterThan(0)
})

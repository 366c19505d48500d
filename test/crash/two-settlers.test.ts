// Two settlers that hold the same voucher and post it at the same moment: the real contract pays it once.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock, systemRandom } from '../../node/adapters/system.ts'
import { configOf } from '../../node/config.ts'
import type { NodeEvent } from '../../node/events.ts'
import { Settler } from '../../node/settlement/settler.ts'
import { addressOf } from '../../protocol/ids.ts'
import { signVoucher } from '../../protocol/voucher.ts'
import { chainAt, freshBytes, globalId, gram, type LocalChain, localChain } from '../adapters/ton.fixture.ts'
import { MemoryStore } from '../memory-store.ts'
import { identityOf, peerOf } from '../policy/peers.ts'

let local: LocalChain

beforeAll(async () => {
  local = await localChain(20) // blocks on a clock: both messages can be in one
})
afterAll(() => local.close())

test('two settlers with the same vouchers settle once', async () => {
  const payer = identityOf(1)
  const wallet = await local.wallet(10n * gram)
  const { escrow } = await wallet.deployAndDeposit({ signer: payer.publicKey, unlockDelaySec: 86_400 }, 8n * gram)
  const payees = Array.from({ length: 3 }, () => addressOf(freshBytes()))
  const vouchers = payees.map((payee, at) =>
    signVoucher({ globalId, escrow, epoch: 0, payee, amountNano: gram + BigInt(at) }, payer.sign),
  )
  const events: NodeEvent[] = []
  const settlers = await Promise.all(
    [0, 1].map(async () => {
      const settler = new Settler(configOf({ settlement: { confirmMs: 5_000, confirmPollMs: 50 } }), {
        clock: systemClock,
        random: systemRandom,
        store: new MemoryStore(),
        chain: chainAt(local.net.endpoint),
        observe: (event) => events.push(event),
      })
      for (const voucher of vouchers) await settler.submit(voucher, peerOf(2))
      return settler
    }),
  )
  const never = new AbortController().signal
  for (let pass = 0; pass < 3; pass += 1) await Promise.all(settlers.map((settler) => settler.settleAll(never)))
  expect(events.filter(({ type }) => type === 'settle-started').length).toBeGreaterThanOrEqual(2)
  for (const { terms } of vouchers) {
    expect((await local.chain.payee(escrow, terms.payee)).settledNano).toBe(terms.amountNano)
    expect(await local.balanceNano(terms.payee)).toBeLessThanOrEqual(terms.amountNano)
  }
  expect(settlers.map((settler) => settler.heldVouchers)).toEqual([0, 0])
  const left = 8n * gram - vouchers.reduce((sum, { terms }) => sum + terms.amountNano, 0n)
  const { freeNano } = await local.chain.escrow(escrow)
  expect(freeNano).toBeLessThan(left)
  expect(freeNano).toBeGreaterThan(left - gram / 10n) // rent and fees
})

// The home of a provider or a hub takes everything it was promised: by messages of their own, and dust by its wallet.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { identityFrom } from '../../node/adapters/libp2p/identity.ts'
import { openHome, openHomeStore } from '../../node/cli/home.ts'
import { VoucherLog } from '../../node/records.ts'
import { type Address, parseAddress } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { signVoucher } from '../../protocol/voucher.ts'
import { freshBytes, globalId, gram, type LocalChain, localChain } from '../adapters/ton.fixture.ts'
import { freshHome, lastJson, silkmesh } from './silkmesh.ts'

let local: LocalChain
beforeAll(async () => {
  local = await localChain(0)
})
afterAll(() => local.close())

async function run(home: string, ...words: readonly string[]): Promise<Record<string, unknown>> {
  const shared = ['--home', home, '--endpoint', local.net.endpoint, '--network', 'local', '--json']
  const ended = await silkmesh(['wallet', ...words, ...shared])
  expect(ended.code, ended.stderr).toBe(0)
  return lastJson(ended)
}

/** Puts vouchers into the home's book, each of a consumer with an escrow of its own. */
async function promise(home: string, payee: Address, amounts: readonly Nano[], name = 'book'): Promise<void> {
  const store = openHomeStore(await openHome(home))
  const log = new VoucherLog(name, store, () => [])
  for (const amountNano of amounts) {
    const consumer = identityFrom(freshBytes())
    const wallet = await local.wallet(2n * gram)
    const terms = { signer: consumer.publicKey, unlockDelaySec: 86_400 }
    const { escrow } = await wallet.deployAndDeposit(terms, gram)
    const voucher = signVoucher({ globalId, escrow, epoch: 0, payee, amountNano }, (digest) => consumer.sign(digest))
    await log.append({ peer: consumer.peerId, voucher, atMs: 0 }, () => undefined)
  }
  await store.close()
}

it('collects what is worth a message for nothing, the rest by the wallet, and nothing twice', async () => {
  const provider = freshHome()
  const payout = parseAddress(String((await run(provider, 'address'))['wallet']))
  const large = 50_000_000n
  const dust = 1_000_000n
  await promise(provider, payout, [large, dust])

  const dry = await run(provider, 'collect', '--by-wallet', '--dry-run')
  expect(dry).toMatchObject({ isDryRun: true, paidNano: '0', leftNano: String(large + dust) })
  expect(dry['messages']).toMatchObject([{ meaning: expect.stringContaining('settle_internal') }])
  expect(await local.balanceNano(payout)).toBe(0n)

  expect(await run(provider, 'collect')).toMatchObject({ paidNano: String(large), leftNano: String(dust) })
  expect(await local.balanceNano(payout)).toBeGreaterThan(large - 1_000_000n) // less the fees of the network
  expect(await run(provider, 'collect', '--by-wallet')).toMatchObject({ paidNano: String(dust), leftNano: '0' })
  expect(await run(provider, 'collect')).toMatchObject({ vouchers: 0, paidNano: '0', leftNano: '0' })
})

it('collects what consumers promised a hub', async () => {
  const hub = freshHome()
  const owed = 50_000_000n
  await promise(hub, parseAddress(String((await run(hub, 'address'))['wallet'])), [owed], 'hub-book')
  expect(await run(hub, 'collect')).toMatchObject({ vouchers: 1, paidNano: String(owed), leftNano: '0' })
})

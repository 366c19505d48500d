// Escrows of the right code that began with made-up records, as a cheat would deploy them.

import { beginCell, contractAddress } from '@ton/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Escrow } from '../../contracts/escrow.ts'
import { systemClock } from '../../node/adapters/system.ts'
import { TonSender } from '../../node/adapters/ton/sender.ts'
import { type Address, parseAddress } from '../../protocol/ids.ts'
import { freshBytes, globalId, gram, type LocalChain, localChain } from './ton.fixture.ts'

let local: LocalChain

beforeAll(async () => {
  local = await localChain(0)
})

afterAll(() => local.close())

interface Records {
  readonly epoch: number
  readonly reservedTotalNano: bigint
}

async function deploy({ epoch, reservedTotalNano }: Records): Promise<Address> {
  const sender = new TonSender({ seed: freshBytes(), endpoint: local.chain.endpoint, globalId, clock: systemClock })
  await (await local.wallet(2n * gram)).transfer(parseAddress(sender.address.toRawString()), gram)
  const data = beginCell()
    .storeAddress(sender.address)
    .storeUint(86_400, 32) // unlock delay
    .storeUint(0, 32 + 32 + 32) // seqno, unlock at, locked until
    .storeBuffer(Buffer.from(freshBytes())) // signer
    .storeUint(epoch, 32)
    .storeCoins(reservedTotalNano)
    .storeMaybeRef(null) // ledger
    .endCell()
  const init = { code: Escrow.code, data }
  const to = parseAddress(contractAddress(0, init).toRawString())
  await sender.send('deployment', { to, amountNano: gram / 2n, bounce: false, init })
  return to
}

test('an escrow that began empty is one', async () => {
  expect(await local.chain.escrow(await deploy({ epoch: 0, reservedTotalNano: 0n }))).toMatchObject({ isEscrow: true })
})

test.each([
  { epoch: 7, reservedTotalNano: 0n },
  { epoch: 0, reservedTotalNano: 5n },
])('an escrow that began with epoch $epoch and $reservedTotalNano nano reserved is none', async (records) => {
  const escrow = await deploy(records)
  expect(await local.chain.account(escrow)).toMatchObject(records)
  expect(await local.chain.escrow(escrow)).toMatchObject({ isEscrow: false, freeNano: 0n })
})

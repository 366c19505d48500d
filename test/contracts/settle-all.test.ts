// A payee settles everything it holds by its own wallet: a real wallet v5, several escrows, one external message.

import { Address, external, internal, SendMode } from '@ton/core'
import { keyPairFromSeed } from '@ton/crypto'
import { Blockchain } from '@ton/sandbox'
import { WalletContractV5R1 } from '@ton/ton'
import { expect, test } from 'vitest'
import {
  Escrow,
  settleAllTransfers,
  settleAttachedNano,
  settleBody,
  settleInternalBody,
  transferMessagesMax,
} from '../../contracts/escrow.ts'
import { mainnet2026Config } from '../../contracts/fees.ts'
import { parseAddress, type Address as RawAddress } from '../../protocol/ids.ts'
import { publicKeyOfSeed } from '../../protocol/signature.ts'
import { signVoucher, type Voucher } from '../../protocol/voucher.ts'
import { globalId, gram, payee, signAsClient } from './stage.ts'

const dustNano = 200_000n

test('dust of many escrows, too little for any external message, is paid in full by one transfer of the wallet of its payee', async () => {
  const blockchain = await Blockchain.create({ config: mainnet2026Config() })
  blockchain.now = 1_790_000_000
  const owner = await blockchain.treasury('owner')
  const keys = keyPairFromSeed(Buffer.alloc(32, 9))
  const wallet = WalletContractV5R1.create({ publicKey: keys.publicKey })
  const { address, init } = wallet
  await owner.send({ to: address, value: gram, bounce: false, init })
  const me = parseAddress(address.toRawString())

  const escrows: Escrow[] = []
  for (let index = 0; index < 20; index += 1) {
    const signer = publicKeyOfSeed(Buffer.alloc(32, 7))
    const escrow = Escrow.fromParameters({ owner: owner.address, signer, unlockDelaySec: 1 + index })
    await owner.send({ to: escrow.address, value: gram, bounce: false, init: escrow.init ?? null })
    escrows.push(escrow)
  }
  const vouchers = escrows.map((escrow) => voucherOf(rawOf(escrow), me, dustNano))
  const [first] = vouchers
  if (!first) throw new Error('no voucher')
  await expect(
    blockchain.sendMessage(external({ to: Address.parseRaw(first.terms.escrow), body: settleBody([first]) })),
  ).rejects.toThrow('not accepted')

  const [transfer, ...more] = settleAllTransfers(vouchers)
  expect(more).toEqual([])
  const send = async (): Promise<bigint> => {
    const provider = blockchain.provider(address)
    const body = wallet.createTransfer({
      seqno: await wallet.getSeqno(provider),
      secretKey: keys.secretKey,
      sendMode: SendMode.PAY_GAS_SEPARATELY,
      messages: (transfer ?? []).map(({ amountNano, body, bounce, to }) =>
        internal({ to: Address.parseRaw(to), value: amountNano, bounce, body }),
      ),
      timeout: 1_790_000_060,
    })
    const before = (await blockchain.getContract(address)).balance
    await blockchain.sendMessage(external({ to: address, body }))
    return before - (await blockchain.getContract(address)).balance
  }
  const spentNano = await send()
  for (const escrow of escrows) {
    expect((await escrow.getPayee(blockchain.provider(escrow.address), me)).settledNano).toBe(dustNano)
  }
  expect(spentNano + 20n * dustNano).toBeLessThan(20n * 1_300_000n) // fees: the coins that were attached came back
  // once more: each fails alone, and costs its fees
  expect(await send()).toBeLessThan(20n * 1_300_000n)
})

test('of several vouchers of one tab the highest is sent, and no transfer holds more messages than a wallet sends', () => {
  const older = voucherOf(payee(1), payee(2), 5n)
  const newer = voucherOf(payee(1), payee(2), 7n)
  const [[only, ...others] = []] = settleAllTransfers([newer, older])
  expect(others).toEqual([])
  expect(only?.body.equals(settleInternalBody(newer))).toBe(true)
  expect(only).toMatchObject({ to: payee(1), amountNano: settleAttachedNano, bounce: true })
  const many = Array.from({ length: 2 * transferMessagesMax + 1 }, (_, index) => voucherOf(payee(index), payee(0), 1n))
  expect(settleAllTransfers(many).map((transfer) => transfer.length)).toEqual([255, 255, 1])
  expect(settleAllTransfers([])).toEqual([])
})

function voucherOf(escrow: RawAddress, to: RawAddress, amountNano: bigint): Voucher {
  return signVoucher({ globalId, escrow, epoch: 0, payee: to, amountNano }, signAsClient)
}

function rawOf(escrow: Escrow): RawAddress {
  return parseAddress(escrow.address.toRawString())
}

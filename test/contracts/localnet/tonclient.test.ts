import { Address, beginCell, Cell, external, loadMessage, storeMessage } from '@ton/core'
import { WalletContractV5R1 } from '@ton/ton'
import { describe, expect, it } from 'vitest'
import { normalizedHash } from '../../../contracts/localnet/message.ts'
import {
  chainFor,
  clientOf,
  deployedWallet,
  fund,
  GRAM,
  get,
  list,
  record,
  transferBoc,
  transferBody,
  walletOf,
} from './fixture.ts'

describe('an unmodified TonClient', () => {
  it('sees the faucet fund an address that has no contract', async () => {
    const chain = await chainFor()
    const { address } = walletOf(1)
    const { status, body } = await fund(chain, address, 5n * GRAM)
    expect({ status, ok: body['ok'] }).toEqual({ status: 200, ok: true })
    expect(await clientOf(chain).getBalance(address)).toBe(5n * GRAM)
    expect((await clientOf(chain).getContractState(address)).state).toBe('uninitialized')
    const [transaction] = await clientOf(chain).getTransactions(address, { limit: 10 })
    const source = transaction?.inMessage?.info.src
    expect(source?.toString()).toBe(Address.parse(String(record(body['result'])['from'])).toString())
  })

  it('deploys a v5 wallet by its first external, and the sequence number advances', async () => {
    const chain = await chainFor()
    const wallet = walletOf(1)
    await fund(chain, wallet.address, GRAM)
    const opened = clientOf(chain).open(wallet.contract)
    const to = walletOf(2).address
    const body = transferBody(wallet, { seqno: 0, to, amountNano: 1n })
    await opened.send(body)
    expect(await clientOf(chain).isContractDeployed(wallet.address)).toBe(true)
    expect(await opened.getSeqno()).toBe(1)
    await clientOf(chain).sendFile(transferBoc(wallet, { seqno: 1, to, amountNano: 1n }))
    expect(await opened.getSeqno()).toBe(2)
  })

  it('reads balances in which amounts and fees add up to the nano', async () => {
    const chain = await chainFor()
    const client = clientOf(chain)
    const wallet = await deployedWallet(chain, 1, 3n * GRAM)
    const before = await client.getBalance(wallet.address)
    const to = walletOf(2).address
    await client.sendFile(transferBoc(wallet, { seqno: 1, to, amountNano: 1_234_567_891n, body: 'thanks' }))
    const [sent] = list(
      (await get(`${chain.url}/api/v2/getTransactions?address=${wallet.address}&limit=1`)).body['result'],
    )
    const fee = BigInt(String(sent?.['fee']))
    expect(fee).toBeGreaterThan(0n)
    expect(before - (await client.getBalance(wallet.address))).toBe(1_234_567_891n + fee)
    // A new account pays nothing to receive: no code runs, and it owes no rent yet.
    expect(await client.getBalance(to)).toBe(1_234_567_891n)
  })

  it('finds every transaction once by paging, whatever the page size', async () => {
    const chain = await chainFor()
    const client = clientOf(chain)
    const wallet = await deployedWallet(chain, 1, 3n * GRAM)
    for (let seqno = 1; seqno < 12; seqno += 1) {
      await client.sendFile(transferBoc(wallet, { seqno, to: walletOf(2).address, amountNano: 1n }))
    }
    const whole = await client.getTransactions(wallet.address, { limit: 100 })
    expect(whole).toHaveLength(14) // the faucet's coins, the first transfer to itself (two), eleven more
    for (const limit of [1, 3, 7, 100]) {
      const lts: bigint[] = []
      let page = await client.getTransactions(wallet.address, { limit })
      while (page.length > 0) {
        lts.push(...page.map(({ lt }) => lt))
        const last = page.at(-1)
        if (last === undefined) break
        const from = { lt: String(last.lt), hash: last.hash().toString('base64') }
        page = await client.getTransactions(wallet.address, { limit, ...from })
      }
      expect(lts, `pages of ${limit}`).toEqual(whole.map(({ lt }) => lt))
    }
    const newest = whole[0]
    const sixth = whole[5]
    if (newest === undefined || sixth === undefined) throw new Error('unreachable: fourteen were expected above')
    const recent = await client.getTransactions(wallet.address, { limit: 100, to_lt: String(sixth.lt) })
    expect(recent.map(({ lt }) => lt)).toEqual(whole.slice(0, 5).map(({ lt }) => lt))
    const one = await client.getTransaction(wallet.address, String(newest.lt), newest.hash().toString('base64'))
    expect(one?.hash()).toEqual(newest.hash())
  })

  it('runs get-methods with arguments and reads their results', async () => {
    const chain = await chainFor()
    const client = clientOf(chain)
    const wallet = await deployedWallet(chain, 1, GRAM)
    const key = (await client.runMethod(wallet.address, 'get_public_key')).stack.readBigNumber()
    expect(key).toBe(BigInt(`0x${wallet.keys.publicKey.toString('hex')}`))
    const unknown = await client.runMethodWithError(wallet.address, 'no_such_method')
    expect(unknown.exit_code).toBe(11)
    const nobody = await client.runMethodWithError(walletOf(9).address, 'seqno')
    expect(nobody.exit_code).toBe(-13)
  })

  it('has a replayed external refused with the exit code of the wallet', async () => {
    const chain = await chainFor()
    const wallet = await deployedWallet(chain, 1, 2n * GRAM)
    const boc = transferBoc(wallet, { seqno: 1, to: walletOf(2).address, amountNano: 100n })
    await clientOf(chain).sendFile(boc)
    const after = await clientOf(chain).getBalance(wallet.address)
    await expect(clientOf(chain).sendFile(boc)).rejects.toMatchObject({
      response: { status: 500, data: { ok: false, code: 500, error: expect.stringContaining('exitcode=133, steps=') } },
    })
    expect(await clientOf(chain).getBalance(wallet.address)).toBe(after)
    expect(await clientOf(chain).getBalance(walletOf(2).address)).toBe(100n)
  })

  it('has an external to an account without coins refused before any code runs', async () => {
    const chain = await chainFor()
    const boc = transferBoc(walletOf(1), { seqno: 0, to: walletOf(2).address, amountNano: 1n, deploy: true })
    await expect(clientOf(chain).sendFile(boc)).rejects.toMatchObject({
      response: { data: { error: expect.stringContaining('before smart-contract execution') } },
    })
  })

  it('estimates the fee that is then charged', async () => {
    const chain = await chainFor()
    const client = clientOf(chain)
    const wallet = await deployedWallet(chain, 1, 2n * GRAM)
    const boc = transferBoc(wallet, { seqno: 1, to: walletOf(2).address, amountNano: 100n })
    const { body } = loadMessage(Cell.fromBoc(boc)[0]?.beginParse() ?? Cell.EMPTY.beginParse())
    const { source_fees: fees } = await client.estimateExternalMessageFee(wallet.address, {
      body,
      initCode: null,
      initData: null,
      ignoreSignature: true,
    })
    await client.sendFile(boc)
    const [sent] = list(
      (await get(`${chain.url}/api/v2/getTransactions?address=${wallet.address}&limit=1`)).body['result'],
    )
    expect(fees.in_fwd_fee + fees.gas_fee + fees.fwd_fee).toBe(Number(sent?.['other_fee']))
    // Rent grows with every second between the estimate and the block.
    expect(fees.storage_fee).toBeLessThanOrEqual(Number(sent?.['storage_fee']))
    expect(fees.gas_fee).toBeGreaterThan(0)
  })

  it('finds an external by the hash it was sent with and by its normalized hash', async () => {
    const chain = await chainFor()
    const wallet = await deployedWallet(chain, 1, 2n * GRAM)
    const [cell] = Cell.fromBoc(transferBoc(wallet, { seqno: 1, to: walletOf(2).address, amountNano: 100n }))
    if (cell === undefined) throw new Error('unreachable: a message has a root')
    const message = loadMessage(cell.beginParse())
    // The same message with its body inline in the cell: other bytes, another hash, one normal form.
    const normal = normalizedHash(message)
    expect(normal).not.toEqual(cell.hash())
    await clientOf(chain).sendFile(cell.toBoc())
    for (const hash of [cell.hash(), normal]) {
      for (const form of [
        hash.toString('hex'),
        encodeURIComponent(hash.toString('base64')),
        hash.toString('base64url'),
      ]) {
        const { body } = await get(`${chain.url}/api/v3/transactionsByMessage?msg_hash=${form}&direction=in`)
        const [transaction, ...others] = list(body['transactions'])
        expect(others).toEqual([])
        expect(transaction?.['account']).toBe(wallet.address.toRawString().toUpperCase())
        expect(record(transaction?.['description'])['aborted']).toBe(false)
      }
    }
    const unknown = await get(`${chain.url}/api/v3/transactionsByMessage?msg_hash=${'00'.repeat(32)}`)
    expect(unknown).toEqual({ status: 200, body: { transactions: [], address_book: {} } })
  })

  it('follows a transfer from its sender to its receiver and back', async () => {
    const chain = await chainFor()
    const client = clientOf(chain)
    const wallet = await deployedWallet(chain, 1, 2n * GRAM)
    const to = walletOf(2).address
    await client.sendFile(transferBoc(wallet, { seqno: 1, to, amountNano: 77n }))
    const [sent] = await client.getTransactions(wallet.address, { limit: 1 })
    const info = sent?.outMessages.get(0)?.info
    if (info?.type !== 'internal') throw new Error('the transfer sent no internal message')
    const lt = String(info.createdLt)
    const received = await client.tryLocateResultTx(wallet.address, to, lt)
    expect(received.inMessage?.info).toMatchObject({ type: 'internal', value: { coins: 77n } })
    const source = await client.tryLocateSourceTx(wallet.address, to, lt)
    expect(source.hash()).toEqual(sent?.hash())
    await expect(client.tryLocateResultTx(wallet.address, to, '1')).rejects.toThrow()
  })

  it('scans blocks and meets every transaction of the chain once', async () => {
    const chain = await chainFor()
    const client = clientOf(chain)
    const wallet = await deployedWallet(chain, 1, 2n * GRAM)
    const { latestSeqno } = await client.getMasterchainInfo()
    const seen: string[] = []
    for (let seqno = 1; seqno <= latestSeqno; seqno += 1) {
      for (const shard of await client.getWorkchainShards(seqno)) {
        const found = await client.getShardTransactions(shard.workchain, shard.seqno, shard.shard)
        seen.push(...found.filter(({ account }) => account.equals(wallet.address)).map(({ hash }) => hash))
      }
    }
    const history = await client.getTransactions(wallet.address, { limit: 100 })
    expect(seen.sort()).toEqual(history.map((transaction) => transaction.hash().toString('base64')).sort())
  })

  it('is charged the fees of mainnet in 2026', async () => {
    const chain = await chainFor()
    const wallet = await deployedWallet(chain, 1, 2n * GRAM)
    await clientOf(chain).sendFile(transferBoc(wallet, { seqno: 1, to: walletOf(2).address, amountNano: 1n }))
    const [sent] = await clientOf(chain).getTransactions(wallet.address, { limit: 1 })
    const description = sent?.description
    if (description?.type !== 'generic' || description.computePhase.type !== 'vm') throw new Error('no compute phase')
    const { gasUsed, gasFees } = description.computePhase
    // 66.667 nano a gas: 6 667 for the first 100, then 4 369 067 / 65 536 each, rounded up
    expect(gasFees).toBe(6_667n + ((gasUsed - 100n) * 4_369_067n + 65_535n) / 65_536n)
    const forwarded = sent?.outMessages.get(0)?.info
    // The lump alone: a transfer without a body has no cell below its root. Validators of the sender's shard keep a third.
    expect(forwarded).toMatchObject({ type: 'internal', forwardFee: 66_667n - (66_667n * 21_845n) / 65_536n })
  })

  it('signs for an id of its own: what it signs is void on mainnet and testnet', async () => {
    const chain = await chainFor()
    const { address, keys } = walletOf(1)
    for (const networkGlobalId of [-239, -3]) {
      const elsewhere = WalletContractV5R1.create({ publicKey: keys.publicKey, walletId: { networkGlobalId } })
      expect(elsewhere.address.equals(address)).toBe(false)
    }
    expect((await get(chain.url)).body['globalId']).toBe(31_337)
  })
})

describe('messages between blocks', () => {
  it('move one hop a block', async () => {
    const chain = await chainFor({ blockMs: 60_000 })
    const client = clientOf(chain)
    const wallet = walletOf(1)
    const funded = fund(chain, wallet.address, GRAM)
    const seqnoBefore = (await client.getMasterchainInfo()).latestSeqno
    // The faucet's own transaction is in the first block that follows its request, its coins in the one after.
    while ((await get(chain.url)).body['mempool'] !== 1);
    await chain.mine()
    expect((await funded).status).toBe(200)
    expect(await client.getBalance(wallet.address)).toBe(0n)
    await chain.mine()
    expect(await client.getBalance(wallet.address)).toBe(GRAM)
    expect((await client.getMasterchainInfo()).latestSeqno).toBe(seqnoBefore + 2)
  })

  it('are not sent by a refused or a merely accepted external', async () => {
    const chain = await chainFor({ blockMs: 60_000 })
    const client = clientOf(chain)
    const wallet = walletOf(1)
    const funded = fund(chain, wallet.address, GRAM)
    while ((await get(chain.url)).body['mempool'] !== 1);
    await chain.mine()
    await funded
    await chain.mine()
    const boc = transferBoc(wallet, { seqno: 0, to: walletOf(2).address, amountNano: 5n, deploy: true })
    // Twice in the mempool is once: the pre-check leaves nothing behind and equal externals are one.
    await client.sendFile(boc)
    await client.sendFile(boc)
    expect(await client.getBalance(wallet.address)).toBe(GRAM)
    for (let blocks = 0; blocks < 4; blocks += 1) await chain.mine()
    expect(await client.getBalance(walletOf(2).address)).toBe(5n)
    expect(await client.getTransactions(walletOf(2).address, { limit: 10 })).toHaveLength(1)
  })

  it('are made on the clock without being asked', async () => {
    const chain = await chainFor({ blockMs: 5 })
    const client = clientOf(chain)
    const { status } = await fund(chain, walletOf(1).address, GRAM)
    expect(status).toBe(200)
    while ((await client.getBalance(walletOf(1).address)) === 0n);
    expect(await client.getBalance(walletOf(1).address)).toBe(GRAM)
  })

  it('of two externals that spend one sequence number are only those of the first', async () => {
    const chain = await chainFor({ blockMs: 60_000 })
    const client = clientOf(chain)
    const wallet = walletOf(1)
    const funded = fund(chain, wallet.address, GRAM)
    while ((await get(chain.url)).body['mempool'] !== 1);
    await chain.mine()
    await funded
    await chain.mine()
    for (const to of [walletOf(2), walletOf(3)]) {
      await client.sendFile(transferBoc(wallet, { seqno: 0, to: to.address, amountNano: 9n, deploy: true }))
    }
    await chain.mine()
    await chain.mine()
    expect(await client.getBalance(walletOf(2).address)).toBe(9n)
    expect(await client.getBalance(walletOf(3).address)).toBe(0n)
  })
})

describe('the chain clock', () => {
  it('can be moved forward, and contracts see it', async () => {
    const chain = await chainFor()
    const wallet = await deployedWallet(chain, 1, GRAM)
    const { sync_utime: now } = record(
      (await get(`${chain.url}/api/v2/getAddressInformation?address=${wallet.address}`)).body['result'],
    )
    const boc = transferBoc(wallet, { seqno: 1, to: walletOf(2).address, amountNano: 1n, timeout: Number(now) + 3_600 })
    await chain.advance(7_200)
    await expect(clientOf(chain).sendFile(boc)).rejects.toMatchObject({
      response: { data: { error: expect.stringContaining('exitcode=136') } }, // v5: valid_until has passed
    })
  })
})

describe('messages that are not externals', () => {
  it.each([
    ['an internal message', beginCell().storeUint(0, 600).endCell().toBoc(), 'failed to parse external message'],
    ['no bag of cells', Buffer.from('not cells'), 'not a valid bag of cells'],
    ['nothing', Buffer.alloc(0), 'Validation error: boc'],
    ['65 536 bytes', Buffer.alloc(65_536), 'too large'],
    ['a chain of 600 cells', deep(600).toBoc(), 'depth of at most 512'],
  ])('%s is refused', async (_name, boc, error) => {
    const chain = await chainFor()
    await expect(clientOf(chain).sendFile(boc)).rejects.toMatchObject({
      response: { data: { ok: false, error: expect.stringContaining(error) } },
    })
  })

  it('take the emulator down without taking the chain down', async () => {
    const chain = await chainFor()
    const message = external({ to: walletOf(1).address, body: deep(500) })
    const boc = beginCell().store(storeMessage(message)).endCell().toBoc()
    await expect(clientOf(chain).sendFile(boc)).rejects.toMatchObject({
      response: { status: 500, data: { error: expect.stringContaining('the emulator failed') } },
    })
    await fund(chain, walletOf(1).address, GRAM)
    expect(await clientOf(chain).getBalance(walletOf(1).address)).toBe(GRAM)
  })
})

function deep(levels: number): Cell {
  let cell = beginCell().endCell()
  for (let level = 0; level < levels; level += 1) cell = beginCell().storeUint(level, 16).storeRef(cell).endCell()
  return cell
}

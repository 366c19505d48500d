/** The local chain does wrong when it is told to, and only then. */
import { describe, expect, it } from 'vitest'
import { chainFor, clientOf, deployedWallet, fund, GRAM, get, post, rpc, transferBoc, walletOf } from './fixture.ts'

const nobody = walletOf(77)
const balanceAt = async (url: string): Promise<unknown> =>
  (await get(`${url}/api/v2/getAddressBalance?address=${nobody.address.toString()}`)).body['result']

describe('a fork', () => {
  it('undoes what the last blocks did, and the same external is taken again', async () => {
    const chain = await chainFor()
    const wallet = await deployedWallet(chain, 1, 10n * GRAM)
    const client = clientOf(chain)
    const lastOf = async () => (await client.getTransactions(wallet.address, { limit: 1 }))[0]?.hash().toString('hex')
    const before = { seqno: chain.seqno, nano: await client.getBalance(wallet.address), last: await lastOf() }
    const boc = transferBoc(wallet, { seqno: 1, to: nobody.address, amountNano: GRAM })
    await client.sendFile(boc)
    const after = await client.getBalance(wallet.address)
    expect(await client.getBalance(nobody.address)).toBe(GRAM)

    await chain.fork(chain.seqno - before.seqno)
    expect(await client.getBalance(nobody.address)).toBe(0n)
    expect(await client.getBalance(wallet.address)).toBe(before.nano)
    expect(await lastOf()).toBe(before.last)
    expect(await client.getTransactions(nobody.address, { limit: 10 })).toEqual([])

    await client.sendFile(boc)
    expect(await client.getBalance(nobody.address)).toBe(GRAM)
    expect(await client.getBalance(wallet.address)).toBe(after)
  })

  it('never shows a block number or a logical time twice', async () => {
    const chain = await chainFor()
    const wallet = await deployedWallet(chain, 2, 10n * GRAM)
    const client = clientOf(chain)
    const boc = transferBoc(wallet, { seqno: 1, to: nobody.address, amountNano: GRAM })
    await client.sendFile(boc)
    const [undone] = await client.getTransactions(wallet.address, { limit: 1 })
    const seqno = chain.seqno
    await chain.fork(2)
    expect(chain.seqno).toBeGreaterThan(seqno)
    await client.sendFile(boc)
    const [done] = await client.getTransactions(wallet.address, { limit: 1 })
    expect(done?.lt).toBeGreaterThan(undone?.lt ?? 0n)
  })

  it('lets what was on its way before it arrive after all', async () => {
    const chain = await chainFor()
    const wallet = await deployedWallet(chain, 3, 10n * GRAM)
    const client = clientOf(chain)
    await client.sendFile(transferBoc(wallet, { seqno: 1, to: nobody.address, amountNano: GRAM }))
    await chain.fork(1) // the block of the arrival only
    expect(await client.getBalance(nobody.address)).toBe(GRAM)
  })

  it('leaves the faucet able to pay', async () => {
    const chain = await chainFor()
    await fund(chain, nobody.address, GRAM)
    await fund(chain, nobody.address, GRAM)
    await chain.fork(2)
    expect((await fund(chain, nobody.address, GRAM)).status).toBe(200)
    // not the balance: where this takes seconds a nano of it is storage
    const received = await clientOf(chain).getTransactions(nobody.address, { limit: 10 })
    const amounts = received.map(({ inMessage }) => inMessage?.info.type === 'internal' && inMessage.info.value.coins)
    expect(amounts).toEqual([GRAM, GRAM])
  })

  it('reaches no further back than the blocks made since the start', async () => {
    const chain = await chainFor()
    const refused = await post(`${chain.url}/fork`, JSON.stringify({ blocks: chain.seqno + 1 }))
    expect(refused).toMatchObject({ status: 422, body: { ok: false, error: expect.stringContaining('are for good') } })
  })
})

describe('a door that is behind', () => {
  it('shows accounts, transactions and get-methods of the block it names', async () => {
    const chain = await chainFor()
    const wallet = await deployedWallet(chain, 4, 10n * GRAM)
    const seqno = chain.seqno
    const was = await clientOf(chain).getBalance(wallet.address)
    await clientOf(chain).sendFile(transferBoc(wallet, { seqno: 1, to: nobody.address, amountNano: GRAM }))
    chain.fault({ behindBlocks: chain.seqno - seqno })
    const stale = clientOf(chain)
    expect((await stale.getMasterchainInfo()).latestSeqno).toBe(seqno)
    expect(await stale.getBalance(wallet.address)).toBe(was)
    expect(await stale.getBalance(nobody.address)).toBe(0n)
    expect((await stale.runMethod(wallet.address, 'seqno')).stack.readNumber()).toBe(1)
    expect(await stale.getTransactions(nobody.address, { limit: 5 })).toEqual([])
    chain.fault({ behindBlocks: 0 })
    expect((await stale.runMethod(wallet.address, 'seqno')).stack.readNumber()).toBe(2)
  })

  it('is one of several: another shows the last block', async () => {
    const chain = await chainFor()
    const other = await chain.openDoor()
    other.fault({ behindBlocks: 1 })
    await fund(chain, nobody.address, GRAM)
    expect(await balanceAt(chain.url)).toBe(String(GRAM))
    expect(await balanceAt(other.url)).toBe('0')
  })
})

describe('an external', () => {
  it('that is lost was accepted and reaches no block', async () => {
    const chain = await chainFor()
    const wallet = await deployedWallet(chain, 5, 10n * GRAM)
    const boc = transferBoc(wallet, { seqno: 1, to: nobody.address, amountNano: GRAM })
    chain.fault({ loseExternals: 1 })
    await clientOf(chain).sendFile(boc)
    expect(await balanceAt(chain.url)).toBe('0')
    await clientOf(chain).sendFile(boc)
    expect(await balanceAt(chain.url)).toBe(String(GRAM))
  })

  it('that comes twice is done once', async () => {
    const chain = await chainFor()
    const wallet = await deployedWallet(chain, 6, 10n * GRAM)
    chain.fault({ duplicateExternals: 1 })
    await clientOf(chain).sendFile(transferBoc(wallet, { seqno: 1, to: nobody.address, amountNano: GRAM }))
    expect(await balanceAt(chain.url)).toBe(String(GRAM))
  })

  it('whose receipt is lost was taken', async () => {
    const chain = await chainFor()
    const wallet = await deployedWallet(chain, 7, 10n * GRAM)
    const boc = transferBoc(wallet, { seqno: 1, to: nobody.address, amountNano: GRAM }).toString('base64')
    chain.fault({ loseReceipts: 1 })
    expect(await rpc(chain, 'sendBoc', { boc })).toMatchObject({ status: 502, body: { ok: false } })
    expect(await balanceAt(chain.url)).toBe(String(GRAM))
  })
})

describe('a door', () => {
  it('that is limited answers 429 in the words of toncenter, with when to ask again', async () => {
    const chain = await chainFor()
    chain.fault({ requestsPerSecond: 1 })
    await rpc(chain, 'getMasterchainInfo', {})
    const refused = await fetch(`${chain.url}/api/v2/getMasterchainInfo`)
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await refused.json()).toEqual({ ok: false, result: 'Ratelimit exceed', code: 429 })
  })

  it('that is down answers 502 until it is told otherwise, and can always be told', async () => {
    const chain = await chainFor()
    expect((await post(`${chain.url}/faults`, '{"isDown":true}')).body['result']).toMatchObject({ isDown: true })
    expect((await rpc(chain, 'getMasterchainInfo', {})).status).toBe(502)
    expect((await post(`${chain.url}/faults`, '{"isDown":false}')).status).toBe(200)
    expect((await rpc(chain, 'getMasterchainInfo', {})).status).toBe(200)
  })

  it('takes no fault that it does not understand', async () => {
    const chain = await chainFor()
    expect((await post(`${chain.url}/faults`, '{"delayMs":-1}')).status).toBe(422)
    expect((await post(`${chain.url}/faults`, '{"isDown":true,"delayMS":5}')).status).toBe(422)
    expect((await get(`${chain.url}/faults`)).body['result']).toMatchObject({ delayMs: 0, isDown: false })
  })
})

it('prices that rise are charged from the next message on, and are shown', async () => {
  const chain = await chainFor()
  const wallet = await deployedWallet(chain, 8, 10n * GRAM)
  const client = clientOf(chain)
  const feeOf = async (seqno: number): Promise<bigint> => {
    await client.sendFile(transferBoc(wallet, { seqno, to: wallet.address, amountNano: 1n }))
    const transactions = await client.getTransactions(wallet.address, { limit: 2 })
    return transactions.reduce((sum, { totalFees }) => sum + totalFees.coins, 0n)
  }
  const usual = await feeOf(1)
  const shown = await post(`${chain.url}/prices`, '{"factor":6}')
  expect(shown.body['result']).toMatchObject({ messageLump: 400_002 })
  const raised = await feeOf(2)
  expect(raised).toBeGreaterThan(5n * usual)
  expect(raised).toBeLessThan(7n * usual)
  expect((await post(`${chain.url}/prices`, '{"factor":0}')).status).toBe(422)
})

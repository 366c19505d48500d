import { beginCell, external, internal, SendMode, storeMessage } from '@ton/core'
import { describe, expect, it } from 'vitest'
import { mainnet2026Config } from '../../../contracts/fees.ts'
import { blockTransactionsMax, Chain, mempoolMax } from '../../../contracts/localnet/chain.ts'
import { Faucet, faucetNanoMax } from '../../../contracts/localnet/faucet.ts'
import { decodeExternal, type External } from '../../../contracts/localnet/message.ts'
import { Store } from '../../../contracts/localnet/store.ts'
import { Tvm } from '../../../contracts/localnet/tvm.ts'
import { GRAM, transferBoc, walletOf } from './fixture.ts'

describe('a block', () => {
  it('holds a bounded number of transactions, and the rest wait for the next', async () => {
    const { chain } = await unclocked()
    const wallet = walletOf(1)
    await fundedBy(chain, 3n * GRAM)
    // One external with 200 transfers: one transaction now, then 200 messages on their way.
    const messages = Array.from({ length: 200 }, (_, index) =>
      internal({ to: walletOf(index).address, value: 1n, bounce: false }),
    )
    const body = wallet.contract.createTransfer({
      seqno: 0,
      secretKey: wallet.keys.secretKey,
      sendMode: SendMode.PAY_GAS_SEPARATELY | SendMode.IGNORE_ERRORS,
      timeout: 0xffff_fffe,
      messages,
    })
    const message = external({ to: wallet.address, body, init: wallet.contract.init })
    await chain.submit(beginCell().store(storeMessage(message)).endCell().toBoc())
    const inFlight: number[] = []
    for (let blocks = 0; blocks < 4; blocks += 1) {
      await chain.tick()
      inFlight.push(chain.inFlight)
    }
    expect(inFlight).toEqual([200, 200 - blockTransactionsMax, 0, 0])
    await chain.close()
  })

  it('is not made after one could not be written, and senders hear why', async () => {
    const { chain, store } = await unclocked()
    await fundedBy(chain, GRAM)
    const boc = transferBoc(walletOf(1), { seqno: 0, to: walletOf(2).address, amountNano: 1n, deploy: true })
    const { included } = await chain.submit(boc)
    store.close() // the disk is gone
    await expect(chain.tick()).rejects.toMatchObject({ name: 'LocalnetError', code: 'stopped' })
    expect(await included).toBeUndefined()
    expect(chain.failure?.message).toContain('the local chain stopped: block')
    await expect(chain.enqueue(decodeExternal(boc))).rejects.toMatchObject({ status: 503 })
  })
})

describe('the mempool', () => {
  it('takes externals up to its bound and refuses the next until a block is made', async () => {
    const { chain } = await unclocked()
    for (let index = 0; index < mempoolMax; index += 1) await chain.enqueue(numbered(index))
    await expect(chain.enqueue(numbered(mempoolMax))).rejects.toMatchObject({ status: 503 })
    await expect(chain.enqueue(numbered(0)), 'one that already waits').resolves.toBeDefined()
    await chain.tick()
    await expect(chain.enqueue(numbered(mempoolMax))).resolves.toBeDefined()
    await chain.close()
  })

  it('forgets an external that is no longer accepted when its block is made', async () => {
    const { chain } = await unclocked()
    const { included } = await chain.enqueue(numbered(1))
    await chain.tick()
    expect(await included).toBeUndefined()
    expect(chain.waiting).toBe(0)
    await chain.close()
  })
})

/** A chain without a server and without a clock: blocks are made when the test says so. */
async function unclocked(): Promise<{ chain: Chain; store: Store }> {
  const store = Store.open(undefined)
  return { chain: new Chain(await Tvm.create(mainnet2026Config()), store, 1_000, Faucet.genesis), store }
}

async function fundedBy(chain: Chain, amountNano: bigint): Promise<void> {
  const sent = new Faucet(chain, faucetNanoMax).send(walletOf(1).address, amountNano)
  await chain.tick()
  await sent
  await chain.tick()
}

/** Externals to an account without coins: they may wait, and no block includes them. */
function numbered(index: number): External {
  const body = beginCell().storeUint(index, 32).endCell()
  const message = external({ to: walletOf(9).address, body })
  return decodeExternal(beginCell().store(storeMessage(message)).endCell().toBoc())
}

// The chain adapter beyond the chain's contract: what it trusts, what it costs, and what it makes of a faulty endpoint.

import { Address as TonAddress } from '@ton/core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { Escrow } from '../../contracts/escrow.ts'
import { systemClock } from '../../node/adapters/system.ts'
import { TonSender } from '../../node/adapters/ton/sender.ts'
import { type Address, parseAddress } from '../../protocol/ids.ts'
import { publicKeyOfSeed, signerOf } from '../../protocol/signature.ts'
import { signVoucher, type Voucher } from '../../protocol/voucher.ts'
import {
  chainAt,
  freshAddress,
  freshBytes,
  globalId,
  gram,
  type LocalChain,
  localChain,
  proxyTo,
} from './ton.fixture.ts'

let local: LocalChain

beforeAll(async () => {
  local = await localChain(0)
})

afterAll(() => local.close())

interface Client {
  readonly escrow: Address
  voucher(payee: Address, amountNano: bigint): Voucher
}

async function client(on: LocalChain = local): Promise<Client> {
  const seed = freshBytes()
  const wallet = await on.wallet(10n * gram)
  const { escrow } = await wallet.deployAndDeposit({ signer: publicKeyOfSeed(seed), unlockDelaySec: 86_400 }, 5n * gram)
  const sign = signerOf(seed)
  return {
    escrow,
    voucher: (payee, amountNano) => signVoucher({ globalId, escrow, epoch: 0, payee, amountNano }, sign),
  }
}

async function proxied(handle: Parameters<typeof proxyTo>[1]): Promise<ReturnType<typeof chainAt>> {
  const proxy = await proxyTo(local.net.endpoint, handle)
  onTestFinished(proxy.close)
  return chainAt(proxy.endpoint)
}

describe('an account', () => {
  test('that runs other code is no escrow, whatever it would answer', async () => {
    const wallet = await local.wallet(gram)
    await wallet.transfer(freshAddress(), 1_000_000n) // deploys it
    expect(await local.chain.escrow(wallet.address)).toMatchObject({ isEscrow: false, owner: undefined })
    expect(await local.chain.payee(wallet.address, freshAddress())).toMatchObject({ payableNano: 0n })
  })

  test('with coins and no code is no escrow', async () => {
    const wallet = await local.wallet(gram)
    expect(await local.chain.escrow(wallet.address)).toMatchObject({ isEscrow: false })
  })

  test('owned from the masterchain has no owner that this protocol can name', async () => {
    const seed = freshBytes()
    const owner = new TonAddress(-1, Buffer.from(freshBytes()))
    const { address, init } = Escrow.fromParameters({ owner, signer: freshBytes(), unlockDelaySec: 60 })
    const sender = new TonSender({ seed, endpoint: local.chain.endpoint, globalId, clock: systemClock })
    await (await local.wallet(2n * gram)).transfer(parseAddress(sender.address.toRawString()), gram)
    const to = parseAddress(address.toRawString())
    await sender.send('deployment', { to, amountNano: gram / 2n, bounce: false, ...(init && { init }) })
    expect(await local.chain.escrow(to)).toMatchObject({ isEscrow: true, owner: undefined })
  })

  test('tells its unlock delay, which a provider must look at', async () => {
    const { escrow } = await client()
    expect((await local.chain.escrow(escrow)).unlockDelayMs).toBe(86_400_000)
  })

  test('is asked for its code once', async () => {
    const methods: string[] = []
    const chain = await proxied(async ({ method, forward, response }) => {
      methods.push(method)
      response.end(await forward())
    })
    const { escrow } = await client()
    await chain.escrow(escrow)
    await chain.payee(escrow, freshAddress())
    await chain.escrow(escrow)
    expect(methods).toEqual(['getAddressInformation', 'runGetMethod', 'runGetMethod', 'runGetMethod'])
  })
})

describe('what settling costs', () => {
  test('is what left the accounts for good, to the nano', async () => {
    const { escrow, voucher } = await client()
    const payees = [freshAddress(), freshAddress(), freshAddress()]
    const total = async (): Promise<bigint> => {
      const balances = await Promise.all([escrow, ...payees].map(local.balanceNano))
      return balances.reduce((sum, nano) => sum + nano, 0n)
    }
    const before = await total()
    const { messageHash } = await local.chain.postSettle(
      escrow,
      payees.map((payee) => voucher(payee, 100_000_000n)),
    )
    const transaction = await local.chain.settleTransaction(escrow, messageHash)
    expect(transaction?.feeNano).toBe(before - (await total()))
  })

  test('counts the arrival at payees that happens some blocks later', async () => {
    const clocked = await localChain(50)
    onTestFinished(() => clocked.close())
    const { escrow, voucher } = await client(clocked)
    const payee = await clocked.wallet(gram)
    await payee.transfer(freshAddress(), 1_000_000n) // deployed, so that being paid costs gas
    const before = (await clocked.balanceNano(escrow)) + (await payee.balanceNano())
    const { messageHash } = await clocked.chain.postSettle(escrow, [voucher(payee.address, 100_000_000n)])
    let transaction = await clocked.chain.settleTransaction(escrow, messageHash)
    while (transaction === undefined) {
      await clocked.net.mine()
      transaction = await clocked.chain.settleTransaction(escrow, messageHash)
    }
    expect(transaction.feeNano).toBe(before - (await clocked.balanceNano(escrow)) - (await payee.balanceNano()))
  })

  test('is at least what the escrow itself asks for, before any escrow could be asked', async () => {
    const { escrow } = await client()
    const fresh = chainAt(local.net.endpoint)
    const guessed = await fresh.settleNanoMin()
    await fresh.escrow(escrow)
    const asked = await fresh.settleNanoMin()
    expect(guessed).toBeGreaterThanOrEqual(asked)
    expect(guessed).toBeLessThan(2n * asked)
  })

  test('is asked for once in ten minutes', async () => {
    const { escrow } = await client()
    const methods: unknown[] = []
    const chain = await proxied(async ({ params, forward, response }) => {
      methods.push(params['method'])
      response.end(await forward())
    })
    await chain.escrow(escrow)
    for (let times = 0; times < 5; times += 1) await chain.settleNanoMin()
    expect(methods.filter((method) => method === 'leastDue')).toHaveLength(1)
  })
})

describe('a settle whose answer was lost', () => {
  test('was posted, though its second post finds nothing due, and is known by its message', async () => {
    let lost = 0
    const chain = await proxied(async ({ method, forward, response }) => {
      const answer = await forward()
      if (method === 'sendBoc' && lost === 0) {
        lost += 1
        response.destroy()
      } else response.end(answer)
    })
    const { escrow, voucher } = await client()
    const payee = freshAddress()
    const { outcome, messageHash } = await chain.postSettle(escrow, [voucher(payee, 100_000_000n)])
    expect(outcome).toBe('posted')
    expect((await chain.payee(escrow, payee)).settledNano).toBe(100_000_000n)
    expect((await chain.settleTransaction(escrow, messageHash))?.feeNano).toBeGreaterThan(0n)
  })
})

describe('the transaction of a message', () => {
  test('is found behind a page of later ones, and not looked for without end', async () => {
    const { escrow, voucher } = await client()
    const payee = freshAddress()
    const { messageHash } = await local.chain.postSettle(escrow, [voucher(payee, 20_000_000n)])
    const settle = async (from: number, to: number): Promise<void> => {
      for (let times = from; times < to; times += 1) {
        await local.chain.postSettle(escrow, [voucher(payee, 20_000_000n + BigInt(times) * 10_000_000n)])
      }
    }
    await settle(1, 20)
    expect(await local.chain.settleTransaction(escrow, messageHash)).toBeDefined()
    await settle(20, 70)
    expect(await local.chain.settleTransaction(escrow, messageHash)).toBeUndefined()
  })

  test.each(['', 'ab', 'AB'.repeat(32), `${'ab'.repeat(32)}0`])('is not looked for under "%s"', async (hash) => {
    await expect(local.chain.settleTransaction(freshAddress(), hash)).rejects.toThrow(RangeError)
  })
})

describe('an endpoint that is down', () => {
  test('fails every call the same way', async () => {
    const { escrow, voucher } = await client()
    const failing = await proxied(async ({ response }) => {
      response.writeHead(401).end('{"ok":false,"error":"no such key"}') // not worth another try
    })
    const calls: readonly (() => Promise<unknown>)[] = [
      () => failing.globalId(),
      () => failing.escrow(escrow),
      () => failing.payee(escrow, freshAddress()),
      () => failing.postSettle(escrow, [voucher(freshAddress(), 100_000_000n)]),
      () => failing.settleTransaction(escrow, 'ab'.repeat(32)),
    ]
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({
        code: 'chain-unavailable',
        message: expect.stringMatching('no such key'),
      })
    }
  })
})

describe('an endpoint that answers nonsense', () => {
  test.each<[string, unknown]>([
    ['an empty stack', []],
    ['a negative amount', Array.from({ length: 4 }, () => ['num', '-0x1'])],
    ['an amount beyond all coins', Array.from({ length: 4 }, () => ['num', `0x1${'0'.repeat(30)}`])],
    ['a stack of another type', Array.from({ length: 4 }, () => ['null'])],
    ['a stack of nothing known', [['tuple', 7]]],
  ])('%s of a get-method is a chain-unavailable', async (_name, stack) => {
    const { escrow } = await client()
    const chain = await proxied(async ({ method, forward, response }) => {
      const answer = await forward()
      response.end(
        method === 'runGetMethod' ? JSON.stringify({ ok: true, result: { gas_used: 1, exit_code: 0, stack } }) : answer,
      )
    })
    await expect(chain.payee(escrow, freshAddress())).rejects.toMatchObject({ code: 'chain-unavailable' })
  })

  test('transactions that are no cells are a chain-unavailable', async () => {
    const { escrow } = await client()
    const chain = await proxied(async ({ forward, response }) => {
      const answer = JSON.parse(await forward())
      response.end(JSON.stringify({ ...answer, result: [{ ...answer.result[0], data: 'bm8gY2VsbA==' }] }))
    })
    await expect(chain.settleTransaction(escrow, 'ab'.repeat(32))).rejects.toMatchObject({ code: 'chain-unavailable' })
  })
})

// The node's wallet on a local chain: an owner's whole life with an escrow, and every way a transfer can go wrong.

import { mnemonicNew, mnemonicToPrivateKey } from '@ton/crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../node/adapters/system.ts'
import { seedOfMnemonic, Wallet } from '../../node/adapters/wallet.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/ids.ts'
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

const unlockDelaySec = 86_400

async function opened(wallet: Wallet, depositNano = 2n * gram): Promise<Address> {
  return (await wallet.deployAndDeposit({ signer: freshBytes(), unlockDelaySec }, depositNano)).escrow
}

describe('a wallet', () => {
  test('that is empty says its address and how much is missing', async () => {
    const wallet = await local.wallet(0n)
    expect(await wallet.balanceNano()).toBe(0n)
    await expect(wallet.transfer(freshAddress(), gram)).rejects.toMatchObject({
      code: 'escrow-unusable',
      message: expect.stringContaining(
        `wallet ${wallet.friendly} holds 0 GRAM and needs 1.01; send at least 1.01 GRAM to that address`,
      ),
    })
  })

  test('has one address on mainnet and another on testnet, each as people write it', () => {
    const seed = freshBytes()
    const on = (id: number): Wallet => new Wallet({ seed, chain: local.chain, globalId: id, clock: systemClock })
    expect(on(-239).address).not.toBe(on(-3).address)
    expect(on(-239).friendly).toMatch(/^UQ/)
    expect(on(-3).friendly).toMatch(/^0Q/)
  })

  test('refuses a seed of another length', () => {
    const make = (): Wallet =>
      new Wallet({ seed: new Uint8Array(64), chain: local.chain, globalId, clock: systemClock })
    expect(make).toThrow('seed of 64 bytes, expected 32')
  })

  test('written as 24 words has the key that other wallets make of them', async () => {
    const words = await mnemonicNew(24)
    const { secretKey } = await mnemonicToPrivateKey(words)
    const seed = await seedOfMnemonic(words.map((word) => word.toUpperCase()))
    expect(Buffer.from(seed).equals(secretKey.subarray(0, 32))).toBe(true)
  })

  test('is not made of words that are no mnemonic', async () => {
    await expect(seedOfMnemonic(['silk', 'mesh'])).rejects.toMatchObject({ code: 'bad-request' })
  })

  test('knows the chain it is for', async () => {
    expect(await local.chain.globalId()).toBe(globalId)
  })
})

describe('a transfer', () => {
  test('arrives to the nano, and costs what it says', async () => {
    const wallet = await local.wallet(5n * gram)
    const to = freshAddress()
    const { transaction, feeNano } = await wallet.transfer(to, gram)
    expect(transaction).toMatch(/^[0-9a-f]{64}$/)
    expect(await local.balanceNano(to)).toBe(gram)
    expect(await wallet.balanceNano()).toBe(4n * gram - feeNano)
  })

  test('waits for the one before it', async () => {
    const wallet = await local.wallet(5n * gram)
    const to = freshAddress()
    const sent = await Promise.all([1n, 2n, 3n].map((amount) => wallet.transfer(to, amount * 1_000_000n)))
    expect(new Set(sent.map(({ transaction }) => transaction)).size).toBe(3)
    expect(await local.balanceNano(to)).toBeGreaterThan(6_000_000n - 10n) // some nano of rent between them
  })

  test('goes on after one that failed', async () => {
    const wallet = await local.wallet(gram)
    const tooMuch = wallet.transfer(freshAddress(), 5n * gram)
    const to = freshAddress()
    const possible = wallet.transfer(to, 1_000_000n)
    await expect(tooMuch).rejects.toBeInstanceOf(MeshError)
    await possible
    expect(await local.balanceNano(to)).toBe(1_000_000n)
  })

  test.each([0n, -1n])('of %d nano is refused', async (amount) => {
    const wallet = await local.wallet(0n)
    await expect(wallet.transfer(freshAddress(), amount)).rejects.toMatchObject({ code: 'bad-request' })
  })

  test('works over blocks on a clock', async () => {
    const clocked = await localChain(40)
    onTestFinished(() => clocked.close())
    const wallet = await clocked.wallet(3n * gram)
    const to = freshAddress()
    await wallet.transfer(to, gram)
    await wallet.transfer(to, gram)
    const balanceNano = await clocked.balanceNano(to)
    expect(balanceNano).toBeLessThanOrEqual(2n * gram)
    expect(balanceNano).toBeGreaterThan(2n * gram - 100n) // the account paid rent for the seconds in between
  })

  test('whose answer was lost happens once, and is known to have happened', async () => {
    let posts = 0
    const proxy = await proxyTo(local.net.endpoint, async ({ method, forward, response }) => {
      const answer = await forward()
      if (method === 'sendBoc' && posts++ === 0) response.destroy()
      else response.end(answer)
    })
    onTestFinished(proxy.close)
    const wallet = await local.wallet(5n * gram, { chain: chainAt(proxy.endpoint) })
    const to = freshAddress()
    const { feeNano } = await wallet.transfer(to, gram)
    expect(posts).toBeGreaterThan(1)
    expect(await local.balanceNano(to)).toBe(gram)
    expect(await wallet.balanceNano()).toBe(4n * gram - feeNano)
  })

  test('after which the endpoint is gone says that it may have happened', async () => {
    let isGone = false
    const proxy = await proxyTo(local.net.endpoint, async ({ method, forward, response }) => {
      isGone ||= method === 'sendBoc'
      if (isGone)
        response.writeHead(401).end('{"ok":false,"error":"key withdrawn"}') // not worth another try
      else response.end(await forward())
    })
    onTestFinished(proxy.close)
    const wallet = await local.wallet(5n * gram, {
      chain: chainAt(proxy.endpoint),
      timeouts: { validMs: 20, effectMs: 20, pollMs: 10 },
    })
    await expect(wallet.transfer(freshAddress(), gram)).rejects.toMatchObject({
      code: 'chain-unavailable',
      message: expect.stringMatching(
        /not seen in a block; look at the balance of 0Q.* before trying again .*key withdrawn/,
      ),
    })
  })

  test('that no block takes ends in a timeout', async () => {
    const stalled = await localChain(60_000)
    onTestFinished(() => stalled.close())
    const wallet = await stalled.wallet(5n * gram, { timeouts: { validMs: 50, effectMs: 50, pollMs: 10 } })
    await expect(wallet.transfer(freshAddress(), gram)).rejects.toMatchObject({ code: 'timeout' })
  })

  test('that another program with the same key overtook is told so', async () => {
    const seed = freshBytes()
    const clocked = await localChain(0)
    onTestFinished(() => clocked.close())
    const rival = new Wallet({ seed, chain: clocked.chain, globalId, clock: systemClock })
    await (await clocked.wallet(10n * gram)).transfer(rival.address, 5n * gram)
    let isFirst = true
    const proxy = await proxyTo(clocked.net.endpoint, async ({ method, forward, response }) => {
      if (method === 'sendBoc' && isFirst) {
        isFirst = false
        await rival.transfer(freshAddress(), 1_000_000n)
      }
      response.end(await forward())
    })
    onTestFinished(proxy.close)
    const wallet = new Wallet({
      seed,
      chain: chainAt(proxy.endpoint),
      globalId,
      clock: systemClock,
      timeouts: { pollMs: 10 },
    })
    const to = freshAddress()
    await expect(wallet.transfer(to, gram)).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining('took its place; try again'),
    })
    expect(await clocked.balanceNano(to)).toBe(0n)
  })

  test('that nobody waits for any more is not posted, or says that it may still happen', async () => {
    const wallet = await local.wallet(5n * gram)
    const to = freshAddress()
    await expect(wallet.transfer(to, gram, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' })
    expect(await local.balanceNano(to)).toBe(0n)

    const controller = new AbortController()
    const stalled = await localChain(60_000)
    onTestFinished(() => stalled.close())
    const proxy = await proxyTo(stalled.net.endpoint, async ({ method, forward, response }) => {
      response.end(await forward())
      if (method === 'getTransactions') setImmediate(() => controller.abort())
    })
    onTestFinished(proxy.close)
    const patient = await stalled.wallet(5n * gram, {
      chain: chainAt(proxy.endpoint),
      timeouts: { pollMs: 60_000 },
    })
    await expect(patient.transfer(to, gram, controller.signal)).rejects.toMatchObject({
      code: 'cancelled',
      message: expect.stringContaining('it may still happen'),
    })
  })
})

describe('an escrow', () => {
  test('is deployed and funded in one transfer', async () => {
    const wallet = await local.wallet(5n * gram)
    const signer = freshBytes()
    const expected = wallet.escrowAddress({ signer, unlockDelaySec })
    const { escrow, feeNano } = await wallet.deployAndDeposit({ signer, unlockDelaySec }, 2n * gram)
    expect(escrow).toBe(expected)
    expect(await local.chain.account(escrow)).toMatchObject({ unlockDelaySec, epoch: 0, unlockAt: 0 })
    expect((await wallet.balanceNano()) + (await local.balanceNano(escrow))).toBe(5n * gram - feeNano)
  })

  test('that exists already is topped up by another deposit', async () => {
    const wallet = await local.wallet(5n * gram)
    const terms = { signer: freshBytes(), unlockDelaySec }
    const { escrow } = await wallet.deployAndDeposit(terms, gram)
    const before = await local.balanceNano(escrow)
    expect((await wallet.deployAndDeposit(terms, gram)).escrow).toBe(escrow)
    expect(await local.balanceNano(escrow)).toBeGreaterThan(before + (gram * 99n) / 100n)
  })

  test('takes a top-up from any wallet', async () => {
    const escrow = await opened(await local.wallet(5n * gram))
    const before = (await local.chain.escrow(escrow)).freeNano
    await (await local.wallet(5n * gram)).topUp(escrow, gram)
    expect((await local.chain.escrow(escrow)).freeNano).toBeGreaterThan(before + (gram * 99n) / 100n)
  })

  test('cannot be opened with less than it needs to work', async () => {
    const wallet = await local.wallet(gram)
    await expect(wallet.deployAndDeposit({ signer: freshBytes(), unlockDelaySec }, 20_000_000n)).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining('expected at least 0.03 GRAM'),
    })
  })

  test('that is not there is not topped up: the coins would have no owner', async () => {
    const wallet = await local.wallet(5n * gram)
    const nowhere = freshAddress()
    await expect(wallet.topUp(nowhere, gram)).rejects.toMatchObject({ code: 'escrow-unusable' })
    expect(await local.balanceNano(nowhere)).toBe(0n)
  })

  test('reserves an amount for one payee', async () => {
    const wallet = await local.wallet(5n * gram)
    const escrow = await opened(wallet)
    const [payee, other] = [freshAddress(), freshAddress()]
    const { freeNano } = await local.chain.escrow(escrow)
    await wallet.reserve(escrow, { payee, amountNano: gram, untilMs: Date.now() + 3_600_000 })
    expect(await local.chain.payee(escrow, payee)).toMatchObject({ reservedNano: gram })
    const left = await local.chain.payee(escrow, other)
    expect(left.reservedNano).toBe(0n)
    expect(left.payableNano).toBeLessThan(freeNano - gram + 10_000_001n)
  })

  test('refuses a reservation of more than it holds, and says so', async () => {
    const wallet = await local.wallet(5n * gram)
    const escrow = await opened(wallet)
    const reservation = { payee: freshAddress(), amountNano: 3n * gram, untilMs: Date.now() + 3_600_000 }
    await expect(wallet.reserve(escrow, reservation)).rejects.toMatchObject({
      code: 'escrow-unusable',
      message: expect.stringMatching(/exit code 111, not enough free funds/),
    })
  })

  test.each(['reserve', 'startUnlock', 'cancelUnlock'] as const)(
    'of another owner refuses %s, naming both',
    async (operation) => {
      const owner = await local.wallet(5n * gram)
      const escrow = await opened(owner)
      const stranger = await local.wallet(5n * gram)
      const run = {
        reserve: () => stranger.reserve(escrow, { payee: freshAddress(), amountNano: 1n, untilMs: Date.now() + 1_000 }),
        startUnlock: () => stranger.startUnlock(escrow),
        cancelUnlock: () => stranger.cancelUnlock(escrow),
      }[operation]
      await expect(run()).rejects.toMatchObject({
        code: 'bad-request',
        message: expect.stringContaining(`belongs to ${owner.friendly}, and this wallet is ${stranger.friendly}`),
      })
    },
  )
})

describe('an unlock', () => {
  test('ends in the whole deposit being back, and a new epoch', async () => {
    const chainOfItsOwn = await localChain(0)
    onTestFinished(() => chainOfItsOwn.close())
    const wallet = await chainOfItsOwn.wallet(5n * gram)
    const escrow = await opened(wallet)
    const { unlockAtMs } = await wallet.startUnlock(escrow)
    expect((await chainOfItsOwn.chain.escrow(escrow)).unlockAtMs).toBe(unlockAtMs)
    await expect(wallet.finalize(escrow)).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining(`too early, possible from ${new Date(unlockAtMs).toISOString()}`),
    })
    await chainOfItsOwn.net.advance(unlockDelaySec + 1)
    const before = await wallet.balanceNano()
    const { refundedNano, feeNano } = await wallet.finalize(escrow)
    expect(refundedNano).toBeGreaterThan((2n * gram * 98n) / 100n)
    expect(await chainOfItsOwn.chain.escrow(escrow)).toMatchObject({ epoch: 1, unlockAtMs: 0 })
    // The order's coins came back with the deposit; only fees, and the rent reserve in the escrow, are gone.
    expect(await wallet.balanceNano()).toBeGreaterThan(before + 2n * gram - 30_000_000n - feeNano)
    expect(await chainOfItsOwn.balanceNano(escrow)).toBe(20_000_000n)
  })

  test('waits for a reservation that ends later', async () => {
    const chainOfItsOwn = await localChain(0)
    onTestFinished(() => chainOfItsOwn.close())
    const wallet = await chainOfItsOwn.wallet(5n * gram)
    const escrow = await opened(wallet)
    const untilMs = Date.now() + 3 * 86_400_000
    await wallet.reserve(escrow, { payee: freshAddress(), amountNano: gram, untilMs })
    await wallet.startUnlock(escrow)
    await chainOfItsOwn.net.advance(unlockDelaySec + 1)
    await expect(wallet.finalize(escrow)).rejects.toThrow(/a reservation ends then/)
    await chainOfItsOwn.net.advance(2 * unlockDelaySec)
    await wallet.finalize(escrow)
  })

  test('can be taken back', async () => {
    const wallet = await local.wallet(5n * gram)
    const escrow = await opened(wallet)
    await wallet.startUnlock(escrow)
    await wallet.cancelUnlock(escrow)
    expect((await local.chain.escrow(escrow)).unlockAtMs).toBe(0)
  })

  test('is not started twice, nor taken back when there is none, nor finished before it began', async () => {
    const wallet = await local.wallet(5n * gram)
    const escrow = await opened(wallet)
    await expect(wallet.cancelUnlock(escrow)).rejects.toThrow(/no unlock is under way/)
    await expect(wallet.finalize(escrow)).rejects.toThrow(/its owner has to unlock it first/)
    await wallet.startUnlock(escrow)
    await expect(wallet.startUnlock(escrow)).rejects.toThrow(/it is under way, until \d{4}-/)
  })
})

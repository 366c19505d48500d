// Messages before they are sent: shown one by one for a dry run, or put into links that a wallet app opens.

import { Cell, contractAddress, loadStateInit, Address as TonAddress } from '@ton/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Escrow } from '../../contracts/escrow.ts'
import { systemClock } from '../../node/adapters/system.ts'
import { transferLink } from '../../node/adapters/ton/link.ts'
import {
  depositOrder,
  type Order,
  reserveOrder,
  startUnlockOrder,
  transferOrder,
} from '../../node/adapters/ton/orders.ts'
import { NotSent, Wallet } from '../../node/adapters/wallet.ts'
import { type Address, parseAddress } from '../../protocol/ids.ts'
import { publicKeyOfSeed } from '../../protocol/signature.ts'
import { freshAddress, freshBytes, globalId, gram, type LocalChain, localChain } from './ton.fixture.ts'

let local: LocalChain
beforeAll(async () => {
  local = await localChain(0)
})
afterAll(() => local.close())

const day = 86_400

/** As a wallet app takes a link apart. */
function opened(link: string) {
  const url = new URL(link)
  const [, , , path = ''] = link.split(/[/?]/)
  const cellOf = (name: string): Cell | undefined => {
    const text = url.searchParams.get(name)
    return text === null ? undefined : Cell.fromBoc(Buffer.from(text, 'base64url'))[0]
  }
  return {
    scheme: url.protocol,
    ...TonAddress.parseFriendly(path),
    amount: url.searchParams.get('amount'),
    body: cellOf('bin'),
    init: cellOf('init'),
  }
}

describe('a link', () => {
  test('for a deposit carries the amount and the StateInit whose hash is the address it goes to', () => {
    const owner = TonAddress.parseRaw(freshAddress())
    const escrow = Escrow.fromParameters({ owner, signer: publicKeyOfSeed(freshBytes()), unlockDelaySec: day })
    const to = parseAddress(escrow.address.toRawString())
    const link = opened(transferLink(depositOrder(escrow, to, 2n * gram), true))
    expect(link).toMatchObject({ scheme: 'ton:', isBounceable: false, isTestOnly: true, amount: '2000000000' })
    expect(link.address.toRawString()).toBe(to)
    expect(link.body).toBeUndefined()
    if (!link.init) throw new Error('no init')
    expect(contractAddress(0, loadStateInit(link.init.beginParse())).toRawString()).toBe(to)
  })

  test('for an order carries its body, to an address that sends refused coins back', () => {
    const to = freshAddress()
    const payee = freshAddress()
    const order = reserveOrder(to, { payee, amountNano: 5n, until: 1_900_000_000 })
    const link = opened(transferLink(order, false))
    expect(link).toMatchObject({ isBounceable: true, isTestOnly: false, amount: '10000000', init: undefined })
    expect(link.address.toRawString()).toBe(to)
    const body = link.body?.beginParse()
    expect(body?.loadUint(32)).toBe(0x4e5e4e01)
    expect(body?.skip(64).loadUintBig(256)).toBe(BigInt(`0x${payee.slice(2)}`))
    expect(body?.loadCoins()).toBe(5n)
    expect(body?.loadUint(32)).toBe(1_900_000_000)
  })

  test('for a plain transfer carries the amount alone', () => {
    const to = freshAddress()
    expect(transferLink(transferOrder(to, 7n), false)).toBe(
      `ton://transfer/${TonAddress.parseRaw(to).toString({ bounceable: false })}?amount=7`,
    )
  })

  test('for an order to an escrow fits a QR code, and one that opens an escrow does not', () => {
    const escrow = Escrow.fromParameters({
      owner: TonAddress.parseRaw(freshAddress()),
      signer: publicKeyOfSeed(freshBytes()),
      unlockDelaySec: day,
    })
    const to = parseAddress(escrow.address.toRawString())
    expect(transferLink(startUnlockOrder(to), true).length).toBeLessThan(200)
    expect(transferLink(depositOrder(escrow, to, gram), true).length).toBeGreaterThan(2_953)
  })
})

describe('a dry run', () => {
  test('shows every order and sends none', async () => {
    const seed = freshBytes()
    const shown: Order[] = []
    const make = (preview?: (order: Order) => Promise<void>): Wallet =>
      new Wallet({ seed, chain: local.chain, globalId, clock: systemClock, timeouts: { pollMs: 20 }, preview })
    const wallet = make()
    const dry = make(async (order) => {
      shown.push(order)
    })
    const terms = { signer: publicKeyOfSeed(freshBytes()), unlockDelaySec: day }
    await fetch(`${local.net.faucetUrl}?address=${wallet.friendly}&amountNano=${10n * gram}`)
    const held = async (escrow: Address) => [await wallet.balanceNano(), await local.balanceNano(escrow)]
    const escrow = wallet.escrowAddress(terms)
    const expectOnlyShown = async (work: () => Promise<unknown>, order: Partial<Order>): Promise<void> => {
      const before = await held(escrow)
      const { seqno } = local.net
      await expect(work()).rejects.toBeInstanceOf(NotSent)
      expect(shown.pop()).toMatchObject(order)
      expect(shown).toEqual([])
      expect(await held(escrow)).toEqual(before)
      expect(local.net.seqno).toBe(seqno)
    }

    await expectOnlyShown(() => dry.transfer(escrow, 5n), { to: escrow, amountNano: 5n, bounce: false })
    await expectOnlyShown(() => dry.deployAndDeposit(terms, gram), { to: escrow, amountNano: gram, bounce: false })
    await wallet.deployAndDeposit(terms, gram)
    await expectOnlyShown(() => dry.topUp(escrow, gram), { to: escrow, amountNano: gram, bounce: true })
    const reservation = { payee: freshAddress(), amountNano: 5n, untilMs: systemClock.now() + 3_600_000 }
    await expectOnlyShown(() => dry.reserve(escrow, reservation), {
      meaning: expect.stringContaining(reservation.payee),
    })
    await expectOnlyShown(() => dry.startUnlock(escrow), { meaning: expect.stringContaining('start_unlock') })
    await wallet.startUnlock(escrow)
    await expectOnlyShown(() => dry.cancelUnlock(escrow), { meaning: expect.stringContaining('cancel_unlock') })
    await local.net.advance(day + 60)
    await expectOnlyShown(() => dry.finalize(escrow), { meaning: expect.stringContaining('finalize') })
    await wallet.finalize(escrow)
  })

  test('tells the fee of the message within a tenth of what it then is', async () => {
    const wallet = await local.wallet(10n * gram)
    await wallet.transfer(wallet.address, 1n) // deploys it, which costs more
    const order = transferOrder(freshAddress(), gram)
    const estimatedNano = await wallet.estimateNano(order)
    const before = await wallet.balanceNano()
    await wallet.transfer(order.to, order.amountNano)
    const paidNano = before - (await wallet.balanceNano()) - gram
    const offNano = (estimatedNano ?? 0n) - paidNano
    expect(offNano < 0n ? -offNano : offNano).toBeLessThanOrEqual(paidNano / 10n)
  })

  test('refuses what the chain would refuse', async () => {
    const wallet = await local.wallet(0n)
    const dry = new Wallet({
      seed: freshBytes(),
      chain: local.chain,
      globalId,
      clock: systemClock,
      preview: async () => {},
    })
    await expect(dry.startUnlock(freshAddress())).rejects.toMatchObject({ code: 'escrow-unusable' })
    expect(await wallet.estimateNano(transferOrder(freshAddress(), gram))).toBeUndefined()
  })
})

test('an escrow that another account owns is paid from this wallet and ordered by that account alone', async () => {
  const [phone, home] = [await local.wallet(10n * gram), await local.wallet(10n * gram)]
  const terms = { signer: publicKeyOfSeed(freshBytes()), unlockDelaySec: day, owner: phone.address }
  const { escrow } = await home.deployAndDeposit(terms, gram)
  expect((await local.chain.escrow(escrow)).owner).toBe(phone.address)
  await expect(home.startUnlock(escrow)).rejects.toThrow('--link prints what the wallet of its owner has to send')
  await phone.startUnlock(escrow)
  await local.net.advance(day + 60)
  const before = await local.balanceNano(phone.address)
  await home.finalize(escrow) // anybody may
  expect(await local.balanceNano(phone.address)).toBeGreaterThan(before + (9n * gram) / 10n)
})

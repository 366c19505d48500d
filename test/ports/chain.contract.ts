// What every chain must do with escrows and vouchers, the real one and the simulated.

import { describe, expect, test } from 'vitest'
import type { Chain } from '../../node/ports.ts'
import { type Address, addressOf } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { publicKeyOfSeed, signerOf } from '../../protocol/signature.ts'
import { signVoucher, type Voucher, type VoucherTerms } from '../../protocol/voucher.ts'

export interface ChainUnderTest {
  readonly chain: Chain
  readonly globalId: number
  /** Opens and funds an escrow whose vouchers this key signs; resolves once the chain shows it. */
  openEscrow(signer: Uint8Array, depositNano: Nano): Promise<{ readonly address: Address; readonly owner: Address }>
  topUp(escrow: Address, amountNano: Nano): Promise<void>
  startUnlock(escrow: Address): Promise<void>
  /** What the account of a payee has been paid. */
  receivedNano(payee: Address): Promise<Nano>
  /** Lets the chain take what was posted. */
  progress(): Promise<void>
}

const gram = 1_000_000_000n
let seeds = 0

/** `make` may give one chain to all tests: each uses keys and payees of its own. */
export function chainContract(name: string, make: () => Promise<ChainUnderTest>): void {
  interface Client {
    readonly on: ChainUnderTest
    readonly escrow: Address
    readonly owner: Address
    readonly publicKey: Uint8Array
    voucher(payee: Address, amountNano: Nano, other?: Partial<VoucherTerms>): Voucher
    /** Posts and lets the chain take it. */
    settle(...vouchers: readonly Voucher[]): Promise<Awaited<ReturnType<Chain['postSettle']>>>
    settledNano(payee: Address): Promise<Nano>
  }

  async function client(depositNano: Nano): Promise<Client> {
    const on = await make()
    const seed = freshBytes()
    const sign = signerOf(seed)
    const publicKey = publicKeyOfSeed(seed)
    const { address: escrow, owner } = await on.openEscrow(publicKey, depositNano)
    return {
      on,
      escrow,
      owner,
      publicKey,
      voucher: (payee, amountNano, other) =>
        signVoucher({ globalId: on.globalId, escrow, epoch: 0, payee, amountNano, ...other }, sign),
      settle: async (...vouchers) => {
        const posted = await on.chain.postSettle(escrow, vouchers)
        await on.progress()
        return posted
      },
      settledNano: async (payee) => (await on.chain.payee(escrow, payee)).settledNano,
    }
  }

  describe(`chain: ${name}`, () => {
    test('an address where nothing runs is no escrow', async () => {
      const { chain } = await make()
      const address = freshAddress()
      expect(await chain.escrow(address)).toMatchObject({
        address,
        isEscrow: false,
        owner: undefined,
        epoch: 0,
        unlockAtMs: 0,
        freeNano: 0n,
      })
      expect(await chain.payee(address, freshAddress())).toEqual({ settledNano: 0n, reservedNano: 0n, payableNano: 0n })
    })

    test('a deposit is visible as free, with its owner and signer', async () => {
      const { on, escrow, owner, publicKey } = await client(2n * gram)
      const state = await on.chain.escrow(escrow)
      expect(state).toMatchObject({
        address: escrow,
        isEscrow: true,
        globalId: on.globalId,
        owner,
        epoch: 0,
        unlockAtMs: 0,
      })
      expect(Buffer.from(state.signer).equals(publicKey)).toBe(true)
      // The rent reserve and the deployment's fees are kept of it.
      expectWithin(state.freeNano, 2n * gram, (3n * gram) / 100n)
    })

    test('a top-up raises what is free', async () => {
      const { on, escrow } = await client(gram)
      const before = (await on.chain.escrow(escrow)).freeNano
      await on.topUp(escrow, gram)
      expectWithin((await on.chain.escrow(escrow)).freeNano, before + gram, gram / 100n)
    })

    test('a payee that was never paid could be paid all that is free', async () => {
      const { on, escrow } = await client(gram)
      const { freeNano } = await on.chain.escrow(escrow)
      expect(await on.chain.payee(escrow, freshAddress())).toEqual({
        settledNano: 0n,
        reservedNano: 0n,
        payableNano: freeNano,
      })
    })

    test('a settle pays the voucher to the nano, less the network fee', async () => {
      const { on, escrow, voucher, settle } = await client(gram)
      const payee = freshAddress()
      const free = (await on.chain.escrow(escrow)).freeNano
      await settle(voucher(payee, 123_456_789n))
      const state = await on.chain.payee(escrow, payee)
      expect(state.settledNano).toBe(123_456_789n)
      expectWithin(await on.receivedNano(payee), 123_456_789n, 5_000_000n)
      expect(await on.receivedNano(payee)).toBeLessThan(123_456_789n)
      // What the escrow overcharged for the network stays in it; what it lost is never more than what was claimed.
      expect((await on.chain.escrow(escrow)).freeNano).toBeGreaterThanOrEqual(free - 123_456_789n)
    })

    test('a later voucher pays exactly the difference', async () => {
      const { on, voucher, settle, settledNano } = await client(gram)
      const payee = freshAddress()
      await settle(voucher(payee, 100_000_000n))
      const first = await on.receivedNano(payee)
      await settle(voucher(payee, 350_000_001n))
      expect(await settledNano(payee)).toBe(350_000_001n)
      expectWithin((await on.receivedNano(payee)) - first, 250_000_001n, 5_000_000n)
    })

    test('the same voucher again pays nothing, and that is no failure', async () => {
      const { on, voucher, settle, settledNano } = await client(gram)
      const payee = freshAddress()
      expect(await settle(voucher(payee, 100_000_000n))).toMatchObject({ outcome: 'posted' })
      const received = await on.receivedNano(payee)
      expect(await settle(voucher(payee, 100_000_000n))).toMatchObject({ outcome: 'nothing-due' })
      expect(await settledNano(payee)).toBe(100_000_000n)
      expect(await on.receivedNano(payee)).toBe(received)
    })

    test('an older voucher pays nothing, and that is no failure', async () => {
      const { voucher, settle, settledNano } = await client(gram)
      const payee = freshAddress()
      await settle(voucher(payee, 200_000_000n))
      expect(await settle(voucher(payee, 100_000_000n))).toMatchObject({ outcome: 'nothing-due' })
      expect(await settledNano(payee)).toBe(200_000_000n)
    })

    test('a batch pays every payee to the nano', async () => {
      const { on, voucher, settle, settledNano } = await client(2n * gram)
      const owed = Array.from({ length: 10 }, (_, index) => ({
        payee: freshAddress(),
        amountNano: 50_000_000n + BigInt(index) * 1_000_003n,
      }))
      await settle(...owed.map(({ payee, amountNano }) => voucher(payee, amountNano)))
      for (const { payee, amountNano } of owed) {
        expect(await settledNano(payee)).toBe(amountNano)
        expectWithin(await on.receivedNano(payee), amountNano, 5_000_000n)
      }
    })

    test('a batch that begins with vouchers paid already pays the others', async () => {
      const { voucher, settle, settledNano } = await client(gram)
      const [paid, alsoPaid, owed] = [freshAddress(), freshAddress(), freshAddress()]
      await settle(voucher(paid, 100_000_000n), voucher(alsoPaid, 100_000_000n))
      const posted = await settle(
        voucher(paid, 100_000_000n),
        voucher(alsoPaid, 90_000_000n),
        voucher(owed, 70_000_000n),
      )
      expect(posted).toMatchObject({ outcome: 'posted' })
      expect(await settledNano(owed)).toBe(70_000_000n)
    })

    test('a batch of nothing but paid vouchers is no failure', async () => {
      const { voucher, settle } = await client(gram)
      const vouchers = [voucher(freshAddress(), 100_000_000n), voucher(freshAddress(), 100_000_000n)]
      await settle(...vouchers)
      expect(await settle(...vouchers)).toMatchObject({ outcome: 'nothing-due' })
    })

    test('the sum of what was settled is the sum of the vouchers, in whatever order they came', async () => {
      const { voucher, settle, settledNano } = await client(3n * gram)
      const payees = [freshAddress(), freshAddress(), freshAddress()]
      const amounts = [40_000_000n, 90_000_007n, 60_000_000n, 170_000_011n]
      for (const amountNano of amounts) await settle(...payees.map((payee) => voucher(payee, amountNano)))
      const sums = await Promise.all(payees.map(settledNano))
      expect(sums.reduce((sum, nano) => sum + nano, 0n)).toBe(3n * 170_000_011n)
    })

    test.each<[string, (of: { globalId: number; escrow: Address }) => Partial<VoucherTerms>]>([
      ['another epoch', () => ({ epoch: 1 })],
      ['another chain', ({ globalId }) => ({ globalId: globalId + 1 })],
      ['another escrow', () => ({ escrow: freshAddress() })],
    ])('a voucher of %s is refused and pays nothing', async (_name, changed) => {
      const { on, escrow, voucher, settle, settledNano } = await client(gram)
      const payee = freshAddress()
      const wrong = voucher(payee, 100_000_000n, changed({ globalId: on.globalId, escrow }))
      await expect(settle(wrong)).rejects.toMatchObject({ code: 'voucher-invalid' })
      expect(await settledNano(payee)).toBe(0n)
    })

    test('a voucher signed by another key is refused and pays nothing', async () => {
      const { voucher, settle, settledNano } = await client(gram)
      const payee = freshAddress()
      const { terms } = voucher(payee, 100_000_000n)
      const forged = signVoucher(terms, signerOf(freshBytes()))
      await expect(settle(forged)).rejects.toMatchObject({ code: 'voucher-invalid' })
      expect(await settledNano(payee)).toBe(0n)
    })

    test('a voucher whose payee was exchanged is refused', async () => {
      const { voucher, settle } = await client(gram)
      const { terms, signature } = voucher(freshAddress(), 100_000_000n)
      const redirected = { terms: { ...terms, payee: freshAddress() }, signature }
      await expect(settle(redirected)).rejects.toMatchObject({ code: 'voucher-invalid' })
    })

    test('a voucher over the deposit is paid as far as it goes, and the rest after a top-up', async () => {
      const { on, escrow, voucher, settle, settledNano } = await client(gram)
      const payee = freshAddress()
      const { payableNano } = await on.chain.payee(escrow, payee)
      await settle(voucher(payee, 2n * gram))
      expectWithin(await settledNano(payee), payableNano, 10n) // some nano of rent between the two
      await on.topUp(escrow, 2n * gram)
      await settle(voucher(payee, 2n * gram))
      expect(await settledNano(payee)).toBe(2n * gram)
    })

    test('a settle at an address where nothing runs is refused', async () => {
      const { voucher, on } = await client(gram)
      const nowhere = freshAddress()
      const wrong = voucher(freshAddress(), 100_000_000n, { escrow: nowhere })
      await expect(on.chain.postSettle(nowhere, [wrong])).rejects.toMatchObject({ code: 'escrow-unusable' })
    })

    test('an unlock under way is visible with its date, and vouchers are still paid', async () => {
      const { on, escrow, voucher, settle, settledNano } = await client(gram)
      await on.startUnlock(escrow)
      expect((await on.chain.escrow(escrow)).unlockAtMs).toBeGreaterThan(0)
      const payee = freshAddress()
      await settle(voucher(payee, 100_000_000n))
      expect(await settledNano(payee)).toBe(100_000_000n)
    })

    test('a voucher of the least that can be settled is paid', async () => {
      const { on, voucher, settle, settledNano } = await client(gram)
      const payee = freshAddress()
      const least = await on.chain.settleNanoMin()
      expect(least).toBeGreaterThan(0n)
      expect(await settle(voucher(payee, least))).toMatchObject({ outcome: 'posted' })
      expect(await settledNano(payee)).toBe(least)
    })

    test('a voucher too small to pay its own fee is nothing due', async () => {
      const { voucher, settle, settledNano } = await client(gram)
      const payee = freshAddress()
      expect(await settle(voucher(payee, 1_000n))).toMatchObject({ outcome: 'nothing-due' })
      expect(await settledNano(payee)).toBe(0n)
    })

    test('tells the transaction of a posted message and what it destroyed', async () => {
      const { on, escrow, voucher, settle } = await client(gram)
      const { messageHash } = await settle(voucher(freshAddress(), 100_000_000n), voucher(freshAddress(), 50_000_000n))
      const transaction = await on.chain.settleTransaction(escrow, messageHash)
      expect(transaction?.hash).toMatch(/^[0-9a-f]{64}$/)
      expect(transaction?.feeNano).toBeGreaterThan(0n)
      expect(transaction?.feeNano).toBeLessThan(10_000_000n)
    })

    test('knows no transaction of a message that was never posted', async () => {
      const { on, escrow } = await client(gram)
      expect(await on.chain.settleTransaction(escrow, 'ab'.repeat(32))).toBeUndefined()
    })

    test('takes at most ten vouchers at once, and at least one', async () => {
      const { voucher, settle } = await client(gram)
      const eleven = Array.from({ length: 11 }, () => voucher(freshAddress(), 10_000_000n))
      await expect(settle(...eleven)).rejects.toThrow(RangeError)
      await expect(settle()).rejects.toThrow(RangeError)
    })
  })
}

/** Never twice the same in one process, and the same in every run. */
function freshBytes(): Uint8Array {
  seeds += 1
  const bytes = new Uint8Array(32).fill(0x5a)
  new DataView(bytes.buffer).setUint32(0, seeds)
  return bytes
}

function freshAddress(): Address {
  return addressOf(freshBytes())
}

function expectWithin(nano: Nano, expected: Nano, tolerance: Nano): void {
  const distance = nano > expected ? nano - expected : expected - nano
  expect(distance, `${nano} is more than ${tolerance} from ${expected}`).toBeLessThanOrEqual(tolerance)
}

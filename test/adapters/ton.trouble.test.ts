// The real adapter and the real settler on a chain that misbehaves: nothing is lost, nothing is paid twice, to the nano.

import { Address as TonAddress } from '@ton/core'
import { TonClient } from '@ton/ton'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Door } from '../../contracts/localnet/localnet.ts'
import { systemClock, systemRandom } from '../../node/adapters/system.ts'
import { createTonChain, type TonChain } from '../../node/adapters/ton/chain.ts'
import type { Wallet } from '../../node/adapters/wallet.ts'
import { configOf } from '../../node/config.ts'
import type { NodeEvent } from '../../node/events.ts'
import type { Clock } from '../../node/ports.ts'
import { Settler } from '../../node/settlement/settler.ts'
import { type Address, peerIdOf } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { publicKeyOfSeed, signerOf } from '../../protocol/signature.ts'
import { signVoucher, type Voucher } from '../../protocol/voucher.ts'
import { MemoryStore } from '../memory-store.ts'
import { freshAddress, freshBytes, globalId, gram, type LocalChain, localChain } from './ton.fixture.ts'

let local: LocalChain
let other: Door
let wallet: Wallet
beforeAll(async () => {
  local = await localChain(0)
  other = await local.net.openDoor()
  wallet = await local.wallet(1_000n * gram)
})
afterAll(() => local.close())

const never = new AbortController().signal
const finalityMs = 5_000

/** A second of it passes in 20 ms; it can be put forward, and `asleep` runs before anybody sleeps. */
function fastClock(asleep: () => Promise<void> = async () => {}): Clock & { aheadMs: number } {
  const startMs = Date.now()
  const clock = {
    aheadMs: 0,
    now: () => startMs + (Date.now() - startMs) * 50 + clock.aheadMs,
    sleep: async (ms: number, signal?: AbortSignal) => {
      await asleep()
      await systemClock.sleep(ms / 50, signal)
    },
  }
  return clock
}

interface Client {
  readonly escrow: Address
  readonly vouchers: readonly Voucher[]
  readonly depositNano: Nano
}

/** An escrow with coins, and three payees who are owed. */
async function client(): Promise<Client> {
  const seed = freshBytes()
  const { escrow } = await wallet.deployAndDeposit({ signer: publicKeyOfSeed(seed), unlockDelaySec: 86_400 }, 2n * gram)
  const vouchers = [100_000_001n, 250_000_003n, 170_000_007n].map((amountNano) =>
    signVoucher({ globalId, escrow, epoch: 0, payee: freshAddress(), amountNano }, signerOf(seed)),
  )
  return { escrow, vouchers, depositNano: await local.balanceNano(escrow) }
}

interface Running {
  readonly chain: TonChain
  readonly settler: Settler
  readonly clock: Clock & { aheadMs: number }
  readonly events: NodeEvent[]
}

function settlerBy(doors: readonly Door[], asleep?: () => Promise<void>, config = configOf()): Running {
  const events: NodeEvent[] = []
  const observe = (event: NodeEvent): number => events.push(event)
  const clock = fastClock(asleep)
  const [first, ...others] = doors.map(({ endpoint }) => endpoint)
  const chain = createTonChain({
    endpoint: first ?? '',
    others,
    globalId,
    finalityMs,
    requestsPerSecond: 1_000_000,
    clock,
    random: systemRandom,
    timeouts: { requestMs: 400, callMs: 3_000_000 },
    observe,
  })
  const ports = { clock, random: systemRandom, store: new MemoryStore(), chain, observe }
  return { chain, settler: new Settler(config, ports), clock, events }
}

/** Passes, as the settler's own timer makes them, until nothing is held. */
async function settleAll({ settler, clock }: Running, passes = 12): Promise<void> {
  for (let pass = 0; pass < passes && settler.heldVouchers > 0; pass += 1) {
    await settler.settleAll(never)
    clock.aheadMs += 600_000 // longer than any pause after a failure
  }
}

const countOf = (events: readonly NodeEvent[], type: NodeEvent['type']): number =>
  events.filter((event) => event.type === type).length

/** Over a client with none of our code: each payee was paid once, and every nano is somewhere. */
async function expectPaidOnce({ escrow, vouchers, depositNano }: Client): Promise<void> {
  const client = new TonClient({ endpoint: local.net.endpoint })
  let sumNano = await local.balanceNano(escrow)
  const accounts = [escrow, ...vouchers.map(({ terms }) => terms.payee)]
  for (const [index, account] of accounts.entries()) {
    const transactions = await client.getTransactions(TonAddress.parseRaw(account), { limit: 20 })
    if (index > 0) {
      expect(transactions).toHaveLength(1)
      sumNano += await local.balanceNano(account)
    }
    for (const { inMessage, outMessages, totalFees } of transactions) {
      if (index === 0 && inMessage?.info.type !== 'external-in') continue // the deposit is before the sums
      sumNano += totalFees.coins
      for (const { info } of outMessages.values()) if (info.type === 'internal') sumNano += info.forwardFee
    }
  }
  expect(sumNano).toBe(depositNano)
  for (const { terms } of vouchers) {
    expect((await local.chain.payee(escrow, terms.payee)).settledNano).toBe(terms.amountNano)
  }
}

/** The first door of two does wrong. */
const troubles: readonly (readonly [name: string, start: (door: Door) => Promise<void>])[] = [
  ['is slow', async (door) => door.fault({ delayMs: 500 })],
  ['limits the rate', async (door) => door.fault({ requestsPerSecond: 1 })],
  ['is down', async (door) => door.fault({ isDown: true })],
  ['is three blocks behind', async (door) => door.fault({ behindBlocks: 3 })],
  ['loses an external', async (door) => door.fault({ loseExternals: 1 })],
  ['hands externals on twice', async (door) => door.fault({ duplicateExternals: 3 })],
  ['takes externals and does not say so', async (door) => door.fault({ loseReceipts: 2 })],
]

describe('an endpoint of two that', () => {
  test.each(troubles)('%s loses nobody a nano', async (_name, start) => {
    const owed = await client()
    const door = await local.net.openDoor()
    const running = settlerBy([door, other])
    for (const voucher of owed.vouchers) await running.settler.submit(voucher, peerIdOf(publicKeyOfSeed(freshBytes())))
    await start(door)
    await settleAll(running)
    expect(running.settler.heldVouchers).toBe(0)
    await expectPaidOnce(owed)
  })
})

test('a settlement whose receipt was lost is known as posted, and confirmed', async () => {
  const owed = await client()
  const door = await local.net.openDoor()
  // long enough on a slow machine, too: what only a later pass finds paid is let go of in silence
  const running = settlerBy([door], undefined, configOf({ settlement: { confirmMs: 600_000 } }))
  for (const voucher of owed.vouchers) await running.settler.submit(voucher, peerIdOf(publicKeyOfSeed(freshBytes())))
  door.fault({ loseReceipts: 1 })
  await settleAll(running)
  expect(countOf(running.events, 'settle-posted')).toBe(1)
  expect(countOf(running.events, 'settle-confirmed')).toBe(3)
  await expectPaidOnce(owed)
})

test('an outage of every endpoint is waited for, and everything settled after it', async () => {
  const owed = await client()
  const door = await local.net.openDoor()
  const running = settlerBy([door])
  for (const voucher of owed.vouchers) await running.settler.submit(voucher, peerIdOf(publicKeyOfSeed(freshBytes())))
  door.fault({ isDown: true })
  await settleAll(running, 3)
  expect(running.settler.heldVouchers).toBe(3)
  door.fault({ isDown: false })
  await settleAll(running)
  await expectPaidOnce(owed)
  expect(running.events.filter(({ type }) => type === 'chain-endpoint')).toMatchObject([
    { state: 'failing', detail: expect.stringContaining('502') },
    { state: 'ok' },
  ])
})

test('a settlement that a fork undoes is posted again, and confirmed once', async () => {
  const owed = await client()
  const before = local.net.seqno
  let isForked = false
  const running = settlerBy([local.net], async () => {
    // the settler sleeps only once it has posted: the chain has shown the payment, though not for long
    const isPosted = countOf(running.events, 'settle-posted') > 0
    if (!isPosted || isForked) return
    isForked = true
    for (const { terms } of owed.vouchers) {
      expect((await local.chain.payee(owed.escrow, terms.payee)).settledNano).toBe(terms.amountNano)
    }
    await local.net.fork(local.net.seqno - before)
    for (const { terms } of owed.vouchers) {
      expect((await local.chain.payee(owed.escrow, terms.payee)).settledNano).toBe(0n)
    }
  })
  for (const voucher of owed.vouchers) await running.settler.submit(voucher, peerIdOf(publicKeyOfSeed(freshBytes())))
  await settleAll(running)
  expect(isForked).toBe(true)
  expect(countOf(running.events, 'settle-posted')).toBe(2)
  expect(countOf(running.events, 'settle-confirmed')).toBe(3)
  await expectPaidOnce(owed)
})

test.each([
  ['is lost', { loseExternals: 1 }],
  ['comes twice', { duplicateExternals: 1 }],
  ['has no receipt', { loseReceipts: 1 }],
])('a deposit whose external %s is made once', async (_name, fault) => {
  const payer = await local.wallet(5n * gram)
  const terms = { signer: publicKeyOfSeed(freshBytes()), unlockDelaySec: 86_400 }
  local.net.fault(fault)
  const { escrow, feeNano } = await payer.deployAndDeposit(terms, gram)
  const [inWallet, inEscrow] = [await payer.balanceNano(), await local.balanceNano(escrow)]
  expect(inWallet + inEscrow + feeNano).toBe(5n * gram)
  expect(inEscrow).toBeGreaterThan((9n * gram) / 10n)
  expect(inEscrow).toBeLessThan(gram)
})

test('prices six times as high in the middle of a run change who pays how much to the network, and nothing else', async () => {
  const owed = await client()
  const running = settlerBy([local.net])
  const [first, ...rest] = owed.vouchers
  try {
    if (first) await running.settler.submit(first, peerIdOf(publicKeyOfSeed(freshBytes())))
    await settleAll(running)
    const usualNano = await running.chain.settleNanoMin()
    await local.net.setPrices(6)
    for (const voucher of rest) await running.settler.submit(voucher, peerIdOf(publicKeyOfSeed(freshBytes())))
    await settleAll(running)
    await expectPaidOnce(owed)
    running.clock.aheadMs += 60_000
    expect(await running.chain.settleNanoMin()).toBeGreaterThan(4n * usualNano)
  } finally {
    await local.net.setPrices(1)
  }
})

test('fees above the value are waited out, which is said, and everything is settled after them', async () => {
  const owed = await client()
  const running = settlerBy([local.net])
  for (const voucher of owed.vouchers) await running.settler.submit(voucher, peerIdOf(publicKeyOfSeed(freshBytes())))
  await running.chain.settleNanoMin()
  try {
    await local.net.setPrices(1_000)
    running.clock.aheadMs += 60_000
    await settleAll(running, 2)
    expect(running.settler.heldVouchers).toBe(3)
    expect(countOf(running.events, 'settle-posted')).toBe(0)
    const said = running.events.filter(({ type }) => type === 'settle-decided')
    expect(said).toMatchObject(Array(3).fill({ isDue: false, reason: 'fee spike' }))
  } finally {
    await local.net.setPrices(1)
  }
  running.clock.aheadMs += 60_000
  await settleAll(running)
  await expectPaidOnce(owed)
})

describe('the least that can be settled', () => {
  test('follows the prices in force within a minute, and at once where a settle was refused for it', async () => {
    const { escrow, vouchers } = await client()
    const { chain, clock } = settlerBy([local.net])
    await chain.escrow(escrow)
    const usualNano = await chain.settleNanoMin()
    try {
      await local.net.setPrices(6)
      expect(await chain.settleNanoMin()).toBe(usualNano)
      clock.aheadMs += 60_000
      const raisedNano = await chain.settleNanoMin()
      expect(raisedNano).toBeGreaterThan(4n * usualNano)
      await local.net.setPrices(100)
      expect(await chain.settleNanoMin()).toBe(raisedNano)
      const [voucher] = vouchers
      expect(await chain.postSettle(escrow, voucher ? [voucher] : [])).toMatchObject({ outcome: 'nothing-due' })
      expect(await chain.settleNanoMin()).toBeGreaterThan(10n * raisedNano)
    } finally {
      await local.net.setPrices(1)
    }
  })
})

describe('a state older than one seen already', () => {
  test('is not believed: the endpoint that shows it is left for another, and named', async () => {
    const { escrow } = await client()
    const door = await local.net.openDoor()
    const { chain, events } = settlerBy([door, other])
    for (let block = 0; block < 40; block += 1) await local.net.mine()
    const { freeNano } = await chain.escrow(escrow)
    expect(freeNano).toBeGreaterThan(0n)
    door.fault({ behindBlocks: 39 })
    for (let read = 0; read < 3; read += 1) expect((await chain.escrow(escrow)).freeNano).toBe(freeNano)
    expect(events).toEqual([
      {
        type: 'chain-endpoint',
        endpoint: door.endpoint,
        state: 'behind',
        detail: expect.stringMatching(/^it shows block \d+, and block \d+ was seen already$/),
      },
    ])
  })

  test('is noticed beside the others before it was ever asked', async () => {
    const door = await local.net.openDoor()
    const owed = await client()
    for (let block = 0; block < 40; block += 1) await local.net.mine()
    door.fault({ behindBlocks: 45 }) // where the escrow has not been deployed
    const { chain, events } = settlerBy([door, other])
    expect((await chain.escrow(owed.escrow)).isEscrow).toBe(true)
    expect(events).toMatchObject([{ endpoint: door.endpoint, state: 'behind' }])
  })

  test('is an error where there is no other endpoint', async () => {
    const { escrow } = await client()
    const door = await local.net.openDoor()
    const { chain } = settlerBy([door])
    await chain.escrow(escrow)
    door.fault({ behindBlocks: 1 })
    await expect(chain.escrow(escrow)).rejects.toMatchObject({
      code: 'chain-unavailable',
      message: expect.stringMatching(/at block \d+, and it was seen at \d+/),
    })
    door.fault({ behindBlocks: 0 })
    expect((await chain.escrow(escrow)).isEscrow).toBe(true)
  })
})

describe('an endpoint of another chain', () => {
  test('is refused with what it is and what was expected', async () => {
    const chain = createTonChain({
      endpoint: local.net.endpoint,
      globalId: -239,
      requestsPerSecond: 1_000,
      clock: fastClock(),
      random: systemRandom,
    })
    await expect(chain.escrow(freshAddress())).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining('it is of local (31337), expected mainnet (-239)'),
    })
  })
})

test('a payment counts once it was shown long enough, and until then is payable still', async () => {
  const { escrow, vouchers } = await client()
  const [voucher] = vouchers
  if (!voucher) throw new Error('no voucher')
  const { payee, amountNano } = voucher.terms
  let nowMs = 1_000_000
  const chain = createTonChain({
    endpoint: local.net.endpoint,
    finalityMs,
    requestsPerSecond: 1_000_000,
    clock: { now: () => nowMs, sleep: systemClock.sleep },
    random: systemRandom,
  })
  const before = await chain.payee(escrow, payee)
  await chain.postSettle(escrow, [voucher])
  const fresh = await chain.payee(escrow, payee)
  expect(fresh.settledNano).toBe(0n)
  const onChain = await local.chain.payee(escrow, payee)
  expect(fresh.payableNano).toBe(onChain.payableNano + amountNano)
  expect(fresh.payableNano).toBeLessThanOrEqual(before.payableNano + amountNano)
  nowMs += finalityMs - 1
  expect((await chain.payee(escrow, payee)).settledNano).toBe(0n)
  nowMs += 1
  expect(await chain.payee(escrow, payee)).toEqual(onChain)
})

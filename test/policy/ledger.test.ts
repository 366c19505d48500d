// What the ledger says and when it stops a node: sums, links, closes, and books or logs that somebody has changed.

import { describe, expect, test } from 'vitest'
import { decodeEntry, type Entry, encodeEntry } from '../../node/ledger/entries.ts'
import { Journal } from '../../node/ledger/journal.ts'
import { ledgerLog } from '../../node/ledger/lines.ts'
import { csvColumns, csvOf, type Identity, identitiesOf, linesOf } from '../../node/ledger/statement.ts'
import { decodeRecord, encodeRecord } from '../../node/records.ts'
import { ManualClock } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { LedgerMesh, payout, type Who } from './ledger-mesh.ts'
import type { Peer } from './memory-mesh.ts'
import { addressOfNumber, peerOf } from './peers.ts'

const options = { nowMs: 0, confirmMs: 60_000 }

function sumsOf(peer: Peer | undefined): readonly Identity[] {
  return identitiesOf(peer?.node.ledger.live() ?? [], options)
}

function partsOf({ nano, parts }: Identity): Record<string, bigint> {
  return { sum: nano, ...Object.fromEntries(parts.map(({ name, nano: part }) => [name, part])) }
}

async function answered(requests: number): Promise<LedgerMesh> {
  const run = new LedgerMesh()
  await run.start('provider')
  await run.start('consumer')
  for (let turn = 0; turn < requests; turn += 1) await run.asked(100, 80)
  await run.mesh.clock.advance(2_000)
  return run
}

test('a settlement that the chain shows before its transaction is known gets that in a line of its own', async () => {
  const journal = new Journal(
    { clock: new ManualClock(), store: new MemoryStore(), observe: () => undefined },
    { linesMax: 100, confirmMs: 0 },
  )
  await journal.recover()
  const [escrow, payee, peer] = [addressOfNumber(1), addressOfNumber(2), peerOf(5)]
  const account = { role: 'provider', globalId: -239, escrow, epoch: 0, payee, peer } as const
  journal.settled(account, 700n)
  const confirmed = { type: 'settle-confirmed', escrow, payee, settledNano: 700n, paidNano: 700n } as const
  journal.heard({ ...confirmed, transaction: undefined, feeNano: undefined })
  journal.heard({ ...confirmed, transaction: 'ab'.repeat(32), feeNano: 5n })
  journal.heard({ ...confirmed, transaction: 'ab'.repeat(32), feeNano: 5n })
  await journal.durable()
  const lines = linesOf(journal.entries(), 0).map(({ line, nano, networkFeeNano, transaction }) => {
    return { line, nano, networkFeeNano, transaction }
  })
  expect(lines).toEqual([
    { line: 'settled', nano: 700n, networkFeeNano: undefined, transaction: undefined },
    { line: 'settled', nano: 0n, networkFeeNano: 5n, transaction: 'ab'.repeat(32) },
  ])
})

describe('the sums', () => {
  test('of a provider: earned is unsettled, in flight, settled and disputed, and what it delivered', async () => {
    const run = await answered(3)
    // 100 prompt tokens at 0.02 and 80 at 0.16 GRAM a million, three times
    const cost = 3n * (100n * 20n + 80n * 160n)
    const [places, reasons] = sumsOf(run.provider).map(partsOf)
    const settled = run.mesh.chain.settledOf(run.escrow, payout)
    expect(settled).toBeGreaterThan(0n)
    expect(places).toEqual({ sum: cost, unsettled: cost - settled, 'in flight': 0n, settled, disputed: 0n })
    expect(reasons).toEqual({ sum: cost, delivered: cost, 'paid ahead': 0n, 'on credit': 0n })
  })

  test('of a consumer: spent is delivered, prepaid and open', async () => {
    const run = await answered(3)
    const cost = 3n * (100n * 20n + 80n * 160n)
    await run.consumer?.node.ledger.check(run.mesh.chain)
    const settled = run.mesh.chain.settledOf(run.escrow, payout)
    const [fates, places] = sumsOf(run.consumer).map(partsOf)
    expect(fates).toEqual({ sum: cost, delivered: cost, prepaid: 0n, open: 0n })
    expect(places).toEqual({ sum: cost, settled, 'signed and not settled': cost - settled, open: 0n })
  })

  test('of an answer in the making its prompt is prepaid', async () => {
    const run = await answered(0)
    const asking = run.ask({ atMs: 0, letters: 100, tokens: 80, leaveAfter: undefined })
    await run.mesh.clock.advance(20)
    const [fates] = sumsOf(run.consumer).map(partsOf)
    expect(fates?.['delivered']).toBe(0n)
    expect(fates?.['prepaid']).toBeGreaterThanOrEqual(100n * 20n)
    await run.mesh.clock.finish(asking)
  })

  test('of an escrow that was taken back: what was not settled is disputed', async () => {
    const run = new LedgerMesh()
    run.mesh.chain.leastNano = 1_000_000n // nothing is worth settling
    await run.start('provider')
    await run.start('consumer')
    await run.asked(100, 80)
    const state = await run.mesh.chain.escrow(run.escrow)
    run.mesh.chain.escrows.set(run.escrow, { ...state, epoch: 1 })
    await run.mesh.clock.advance(120_000)
    const [places] = sumsOf(run.provider).map(partsOf)
    expect(places).toMatchObject({ unsettled: 0n, settled: 0n, disputed: 100n * 20n + 80n * 160n })
  })
})

test('what was posted is in flight until the chain shows it, and names its transaction and fee then', async () => {
  const run = new LedgerMesh()
  const { chain } = run.mesh
  const feeNano = 7n
  chain.settleTransaction = (): Promise<never> => Promise.resolve({ hash: 'ab'.repeat(32), feeNano } as never)
  const post = chain.postSettle.bind(chain)
  const included = Promise.withResolvers<void>()
  chain.postSettle = async (escrow, vouchers) => {
    void included.promise.then(() => post(escrow, vouchers))
    return { messageHash: 'cd'.repeat(32), outcome: 'posted' }
  }
  await run.start('provider')
  await run.start('consumer')
  for (let turn = 0; turn < 2; turn += 1) await run.asked(100, 80)
  await run.mesh.clock.advance(300)
  const inFlight = identitiesOf(run.provider?.node.ledger.live() ?? [], {
    nowMs: run.mesh.clock.now(),
    confirmMs: 1_000,
  })
  expect(inFlight.map(partsOf)[0]).toMatchObject({ sum: 29_600n, unsettled: 1_280n, 'in flight': 28_320n, settled: 0n })
  included.resolve()
  await run.mesh.clock.advance(500)
  expect(sumsOf(run.provider).map(partsOf)[0]).toMatchObject({ unsettled: 0n, 'in flight': 0n, settled: 29_600n })
  const settled = linesOf(run.provider?.node.ledger.entries() ?? [], 0).find(({ line }) => line === 'settled')
  expect(settled).toMatchObject({ transaction: 'ab'.repeat(32), networkFeeNano: feeNano })
})

describe('the lines', () => {
  test('of both sides name the same requests and receipts, and add up to the sums', async () => {
    const run = await answered(3)
    const of = (peer: Peer | undefined) =>
      linesOf(peer?.node.ledger.entries() ?? [], 0).filter(({ line }) => line === 'request')
    const [bought, sold] = [of(run.consumer), of(run.provider)]
    expect(bought.map(({ nano, receipt, request }) => ({ nano, receipt, request }))).toEqual(
      sold.map(({ nano, receipt, request }) => ({ nano, receipt, request })),
    )
    expect(new Set(sold.map(({ request }) => request)).size).toBe(3)
    expect(sold.reduce((sum, { nano }) => sum + nano, 0n)).toBe(sumsOf(run.provider)[0]?.nano)
  })

  test('of settlements add up to what the chain has paid', async () => {
    const run = await answered(5)
    const lines = linesOf(run.provider?.node.ledger.entries() ?? [], 0).filter(({ line }) => line === 'settled')
    expect(lines.reduce((sum, { nano }) => sum + nano, 0n)).toBe(run.mesh.chain.settledOf(run.escrow, payout))
  })

  test('are CSV with columns that stay, in nano and in GRAM of nine places', async () => {
    const run = await answered(1)
    const csv = csvOf(linesOf(run.consumer?.node.ledger.entries() ?? [], 0), (atMs) => new Date(atMs).toISOString())
    const [head, ...rows] = csv.trim().split('\n')
    expect(head).toBe(
      'time,role,line,note,nano,gram,request,receipt,escrow,epoch,payee,peer,voucher_nano,settled_nano,transaction,network_fee_nano,network_fee_gram',
    )
    const request = rows.map((row) => row.split(',')).find((cells) => cells[2] === 'request')
    expect(request).toHaveLength(csvColumns.length)
    expect(request?.slice(4, 6)).toEqual(['14800', '0.000014800'])
  })

  test('are carried forward as balances beyond their bound, and the sums stay', async () => {
    const run = new LedgerMesh(0, 2)
    await run.start('provider')
    await run.start('consumer')
    for (let turn = 0; turn < 6; turn += 1) await run.asked(100, 80)
    const ledger = run.consumer?.node.ledger
    expect(ledger?.entries().some(({ type }) => type === 'carried')).toBe(true)
    expect(ledger?.entries().length).toBeLessThanOrEqual(5)
    expect(sumsOf(run.consumer)[0]?.nano).toBe(6n * 14_800n)
  })
})

/** The home of one side after a stop in order, with one log changed. */
async function changed(
  who: Who,
  log: string,
  change: (entries: readonly Uint8Array[]) => readonly Uint8Array[],
): Promise<LedgerMesh> {
  const run = await answered(3)
  for (const each of ['consumer', 'provider'] as const) {
    const store = (await run.stop(each)) ?? new MemoryStore()
    if (each === who) await store.rewrite(log, change(await store.read(log)))
    await run.start(each, store)
  }
  return run
}

const mismatchOf = (peer: Peer | undefined) => peer?.events.find(({ type }) => type === 'ledger-mismatch')

describe('a node stops', () => {
  test('a provider whose book has lost its last vouchers serves nothing, and names both numbers', async () => {
    const run = await changed('provider', 'book', (entries) => entries.slice(0, -2))
    expect(mismatchOf(run.provider)).toMatchObject({ left: 'the books', right: 'the ledger', rightNano: 44_400n })
    await run.asked(10, 10)
    expect(run.outcomes.at(-1)).not.toBe('length')
    expect(() => run.provider?.node.ledger.assertSound()).toThrow(/has stopped: its ledger.*silkmesh ledger --check/)
  })

  test('a consumer whose tabs claim more than its ledger ever signed signs nothing', async () => {
    const run = await changed('consumer', 'tabs', (entries) =>
      entries.map((bytes, at) => {
        if (at < entries.length - 1) return bytes
        const record = decodeRecord('tabs', bytes)
        const terms = { ...record.voucher.terms, amountNano: record.voucher.terms.amountNano + 7n }
        return encodeRecord({ ...record, voucher: { ...record.voucher, terms } })
      }),
    )
    expect(mismatchOf(run.consumer)).toMatchObject({ leftNano: 44_407n, rightNano: 44_400n })
    await run.asked(10, 10)
    expect(run.outcomes.at(-1)).toMatch(/its ledger does not add up.*silkmesh ledger --check/)
  })

  test('a ledger that was cut off by hand is noticed', async () => {
    const run = await changed('provider', ledgerLog, (entries) => {
      const lastSettled = entries.findLastIndex((bytes) => decodeEntry(ledgerLog, bytes).isAtRest)
      return entries
        .slice(0, Math.max(1, lastSettled - 3))
        .filter((bytes) => decodeEntry(ledgerLog, bytes).type !== 'busy')
    })
    expect(mismatchOf(run.provider)).toMatchObject({ left: 'the books', leftNano: 44_400n })
  })

  test('a line whose amount was changed is noticed', async () => {
    const run = await changed('provider', ledgerLog, (entries) =>
      entries.map((bytes) => {
        const entry = decodeEntry(ledgerLog, bytes)
        return entry.type === 'request' ? encodeEntry({ ...entry, nano: entry.nano - 1n } satisfies Entry) : bytes
      }),
    )
    expect(mismatchOf(run.provider)).toMatchObject({ left: 'the entries before', right: 'the running sum' })
  })

  test('a chain that has paid less than the ledger says is looked at twice, and then stops it', async () => {
    const run = await answered(3)
    const settled = run.mesh.chain.settledOf(run.escrow, payout)
    run.mesh.chain.settled.set(`${run.escrow}/${payout}`, settled - 1n)
    const checking = run.provider?.node.ledger.check(run.mesh.chain) ?? expect.fail()
    await run.mesh.clock.finish(checking)
    expect(mismatchOf(run.provider)).toMatchObject({ left: 'the chain', leftNano: settled - 1n, rightNano: settled })
    await run.asked(10, 10)
    expect(run.outcomes.at(-1)).not.toBe('length')
  })

  test('a fork that lowers what the chain shows for a while stops nobody', async () => {
    const run = await answered(3)
    const settled = run.mesh.chain.settledOf(run.escrow, payout)
    run.mesh.chain.settled.set(`${run.escrow}/${payout}`, settled - 1n)
    const checking = run.provider?.node.ledger.check(run.mesh.chain) ?? expect.fail()
    void run.mesh.clock.sleep(500).then(() => run.mesh.chain.settled.set(`${run.escrow}/${payout}`, settled))
    expect(await run.mesh.clock.finish(checking)).toEqual([])
  })

  test('what was accepted by hand is believed from then on, and said', async () => {
    const run = await changed('provider', 'book', (entries) => entries.slice(0, -2))
    const store = (await run.stop('provider')) ?? expect.fail()
    const ports = { clock: new ManualClock(), store, observe: () => undefined }
    const limits = { linesMax: 10_000, confirmMs: 1_000 }
    const journal = new Journal(ports, limits)
    await journal.recover()
    const [mismatch] = journal.mismatches
    await journal.accept(mismatch ?? expect.fail())
    const after = new Journal(ports, limits)
    await after.recover()
    expect(after.mismatches).toEqual([])
    expect(after.entries().map((entry) => (entry.type === 'adjusted' ? entry.why : entry.type))).toEqual([
      'carried',
      'accepted by hand',
    ])
  })
})

test('a debt that is open at a stop is told as left open, and what a crash cut off as recovered', async () => {
  const whysAfter = async (end: 'stop' | 'crash') => {
    const run = await answered(1)
    const asking = run.ask({ atMs: 0, letters: 100, tokens: 80, leaveAfter: undefined })
    await run.mesh.clock.advance(60) // tokens have come since the last voucher
    run.crash('provider')
    if (end === 'stop') await run.mesh.clock.finish(asking)
    const store = end === 'stop' ? await run.stop('consumer') : run.crash('consumer')
    await run.start('consumer', store)
    return run.consumer?.node.ledger.entries().flatMap((entry) => (entry.type === 'adjusted' ? [entry.why] : []))
  }
  expect(await whysAfter('stop')).toEqual(['left open at the last stop'])
  expect(await whysAfter('crash')).toEqual(['recovered after a crash'])
})

test('a home from before the ledger begins with what its books hold', async () => {
  const run = await answered(2)
  const store = (await run.stop('provider')) ?? expect.fail()
  await store.rewrite(ledgerLog, [])
  await run.start('provider', store)
  expect(run.provider?.node.ledger.mismatches).toEqual([])
  expect(run.provider?.node.ledger.entries()).toMatchObject([
    { type: 'adjusted', why: 'before this ledger', nano: 29_600n },
  ])
})

// What has been tried against the escrow, each with the bound that holds. docs/contract.md §7 is the table of these.

import { createHash } from 'node:crypto'
import { beginCell, type Cell, Dictionary, type DictionaryValue, type Slice } from '@ton/core'
import { describe, expect, test } from 'vitest'
import {
  controlPayload,
  payeeNumber,
  settleBatchBody,
  settleInternalBody,
  settleOneBody,
  vouchersMax,
} from '../../contracts/escrow.ts'
import {
  loadParameters,
  mainnet2026Config,
  mainnet2026Fees,
  sandboxConfig,
  scaleBasechainPrices,
} from '../../contracts/fees.ts'
import { addressOf, type Address as RawAddress } from '../../protocol/ids.ts'
import { signerOf } from '../../protocol/signature.ts'
import { signVoucher } from '../../protocol/voucher.ts'
import { day, gram, type Outcome, payee, type Stage, signAsClient, stage } from './stage.ts'

const done = { accepted: true, exitCode: 0, actionCode: 0 }
const refused = (exitCode: number) => ({ accepted: false, exitCode })

describe('a voucher means one chain, account, epoch, payee and amount', () => {
  test('a settled voucher posted again is not accepted and costs nothing', async () => {
    const on = await stage()
    const body = settleOneBody(on.voucher(payee(1), gram))
    await on.post(body)
    const before = await on.balance()
    expect(await on.post(body)).toEqual(refused(103))
    expect(await on.post(settleBatchBody([on.voucher(payee(1), gram)]))).toEqual(refused(103))
    expect(await on.post(settleOneBody(on.voucher(payee(1), gram / 2n)))).toEqual(refused(103))
    expect(await on.balance()).toBe(before)
  })

  test('vouchers of another epoch, chain or account are not accepted', async () => {
    const on = await stage()
    for (const over of [{ epoch: 1 }, { globalId: -3 }, { escrow: payee(9) }]) {
      expect(await on.post(settleOneBody(on.voucher(payee(1), gram, over)))).toEqual(refused(102))
    }
  })

  test('on a chain with another id, its own vouchers are paid and those of mainnet are not', async () => {
    const parameters = loadParameters(mainnet2026Config())
    parameters.set(19, beginCell().storeInt(-3, 32).endCell())
    const on = await stage({ config: beginCell().storeDictDirect(parameters).endCell() })
    expect((await on.account()).globalId).toBe(-3)
    expect(await on.post(settleOneBody(on.voucher(payee(1), gram)))).toEqual(refused(102))
    expect(await on.post(settleOneBody(on.voucher(payee(1), gram, { globalId: -3 })))).toMatchObject(done)
  })

  test('a voucher of another key is not accepted', async () => {
    const on = await stage()
    const forged = signVoucher(on.terms(payee(1), gram), signerOf(Buffer.alloc(32, 8)))
    expect(await on.post(settleOneBody(forged))).toEqual(refused(102))
    expect(await on.post(settleBatchBody([forged]))).toEqual(refused(102))
    expect(await on.call(settleInternalBody(forged))).toMatchObject({ exitCode: 102 })
  })

  test('a voucher cannot be turned to another payee or amount', async () => {
    const on = await stage()
    const { signature } = on.voucher(payee(1), gram)
    for (const terms of [on.terms(payee(2), gram), on.terms(payee(1), gram + 1n), on.terms(payee(1), gram - 1n)]) {
      expect(await on.post(settleOneBody({ terms, signature }))).toEqual(refused(102))
    }
  })

  test('a signature with the group order added to its scalar is not accepted', async () => {
    const on = await stage()
    const voucher = on.voucher(payee(1), gram)
    expect(await on.post(settleOneBody({ ...voucher, signature: malleated(voucher.signature) }))).toEqual(refused(102))
  })

  test('a signed control message is no voucher', async () => {
    const on = await stage()
    const payload = controlPayload(on.controlTerms(await on.account(), { kind: 'unlock' }))
    const signature = signAsClient(payload.hash())
    expect(await on.post(settleOneBody({ terms: on.terms(payee(1), gram), signature }))).toEqual(refused(102))
  })
})

describe('nobody but the client and the payees decides where coins go', () => {
  test('an overdraft leaves the rent reserve', async () => {
    const on = await stage({ depositNano: gram })
    const all = Array.from({ length: 10 }, (_, index) => on.voucher(payee(index), gram))
    expect(await on.post(settleBatchBody(all))).toMatchObject(done)
    expect(await on.balance()).toBeGreaterThanOrEqual(20_000_000n)
    expect(await on.post(settleBatchBody(all))).toEqual(refused(103))
  })

  test('random and truncated bodies are not accepted', async () => {
    const on = await stage()
    const before = await on.balance()
    const honest = settleOneBody(on.voucher(payee(1), gram))
    const bodies = [0, 8, 31, 32, 100, honest.bits.length - 1].map((bits) => truncated(honest, bits))
    bodies.push(beginCell().storeUint(0x5e771e12, 32).endCell(), beginCell().storeUint(0, 900).endCell())
    for (const body of bodies) expect((await on.post(body)).accepted).toBe(false)
    expect(await on.balance()).toBe(before)
  })

  test('an unknown operation ends with 65535 by either kind of message', async () => {
    const on = await stage()
    expect(await on.post(beginCell().storeUint(0xdeadbeef, 32).endCell())).toEqual(refused(0xffff))
    expect(await on.call(beginCell().storeUint(0xdeadbeef, 32).endCell())).toMatchObject({ exitCode: 0xffff })
  })

  test('a bounced message changes nothing', async () => {
    const on = await stage()
    const before = await on.account()
    const body = beginCell().storeUint(0xffffffff, 32).storeUint(0x0c105e01, 32).endCell()
    await on.blockchain.sendMessage({
      info: {
        type: 'internal',
        ihrDisabled: true,
        bounce: false,
        bounced: true,
        src: on.owner.address,
        dest: on.escrow.address,
        value: { coins: gram },
        ihrFee: 0n,
        forwardFee: 0n,
        createdLt: 0n,
        createdAt: 0,
      },
      body,
    })
    expect(await on.account()).toMatchObject({ unlockAt: before.unlockAt, seqno: before.seqno })
  })
})

describe('nobody enlarges a message at the expense of the client', () => {
  test('a StateInit is refused before ACCEPT, in a reference and in place, for every operation', async () => {
    const on = await stage()
    const bodies = [
      settleOneBody(on.voucher(payee(1), gram)),
      settleBatchBody([on.voucher(payee(1), gram), on.voucher(payee(2), gram)]),
    ]
    for (const body of bodies) {
      expect(await on.tryWhole(envelope(on).storeBit(0).storeBit(1).storeRef(body).endCell())).toMatchObject(done1)
      expect(await on.tryWhole(withInitInReference(on, body))).toEqual(refused(112))
      expect(await on.tryWhole(withInitInPlace(on, body))).toEqual(refused(112))
    }
    const control = signedUnlock(on, (await on.account()).seqno)
    expect(await on.tryWhole(envelope(on).storeBit(0).storeBit(1).storeRef(control).endCell())).toMatchObject(done1)
    expect(
      await on.tryWhole(envelope(on).storeBit(0).storeBit(0).storeSlice(control.asSlice()).endCell()),
    ).toMatchObject(done1)
    expect(await on.tryWhole(withInitInReference(on, control))).toEqual(refused(112))
    expect(await on.tryWhole(withInitInPlace(on, control))).toEqual(refused(112))
  })

  test('cells and bits that no field refers to are refused by the chain itself', async () => {
    const on = await stage()
    const body = settleOneBody(on.voucher(payee(1), gram))
    const spareCell = envelope(on).storeBit(0).storeBit(1).storeRef(body).storeRef(junk(0)).endCell()
    const spareBits = envelope(on).storeBit(0).storeBit(1).storeUint(0, 100).storeRef(body).endCell()
    expect((await on.tryWhole(spareCell)).accepted).toBe(false)
    expect((await on.tryWhole(spareBits)).accepted).toBe(false)
  })

  test('a source address and an import fee are refused for settles', async () => {
    const on = await stage()
    const body = settleOneBody(on.voucher(payee(1), gram))
    const source = beginCell().storeUint(0b10, 2).storeUint(0b01, 2).storeUint(500, 9).storeUint(0, 500)
    const withSource = source.storeAddress(on.escrow.address).storeCoins(0n).storeBit(0).storeBit(1).storeRef(body)
    const withFee = beginCell()
      .storeUint(0b1000, 4)
      .storeAddress(on.escrow.address)
      .storeCoins(5n)
      .storeBit(0)
      .storeBit(1)
    expect(await on.tryWhole(withSource.endCell())).toEqual(refused(112))
    expect(await on.tryWhole(withFee.storeRef(body).endCell())).toEqual(refused(112))
  })

  test('44 kB of references behind one voucher, or around a batch, are refused', async () => {
    const on = await stage()
    const voucher = on.voucher(payee(1), gram)
    const padding = padTree(350)
    const one = beginCell().storeSlice(settleOneBody(voucher).asSlice()).storeRef(padding).endCell()
    expect(await on.post(one)).toEqual(refused(112))
    const batch = settleBatchBody([voucher, on.voucher(payee(2), gram)])
    const padded = beginCell().storeSlice(batch.asSlice()).storeRef(padding).endCell()
    expect(await on.post(padded)).toEqual(refused(112))
    const control = beginCell().storeSlice(signedUnlock(on, 0).asSlice()).storeRef(padding).endCell()
    expect(await on.post(control)).toEqual(refused(112))
  })

  test('one cell too many in a batch of two is refused, and an eleventh voucher too', async () => {
    const on = await stage()
    const [first, second] = [on.voucher(payee(1), gram), on.voucher(payee(2), gram)]
    const tail = beginCell().storeSlice(voucherBits(second)).storeMaybeRef(null).storeRef(junk(1)).endCell()
    expect((await on.post(chain(first, tail))).accepted).toBe(false)
    const vouchers = Array.from({ length: vouchersMax + 1 }, (_, index) => on.voucher(payee(index), gram))
    let next: Cell | null = null
    for (const voucher of vouchers.slice(1).reverse()) next = voucherCell(voucher, next)
    expect(await on.post(chain(vouchers[0] ?? first, next))).toEqual(refused(112))
  })

  test('what can be padded, the last bits of the one cell of a settle, is paid by the payee', async () => {
    const on = await stage()
    const plain = await on.post(settleOneBody(on.voucher(payee(1), gram)))
    const padded = await on.post(
      beginCell()
        .storeSlice(settleOneBody(on.voucher(payee(1), 2n * gram)).asSlice())
        .storeUint(0, 180)
        .endCell(),
    )
    expect(padded).toMatchObject(done)
    expect(loss(padded, gram)).toBeLessThanOrEqual(0n)
    expect(received(plain) - received(padded)).toBeLessThan(100_000n)
  })
})

describe('no input makes a transaction fail after ACCEPT', () => {
  test('a batch with a malformed tail is refused whole: short, exotic, endless, null', async () => {
    const on = await stage()
    const first = on.voucher(payee(1), gram)
    const before = await on.balance()
    const library = beginCell().storeUint(2, 8).storeUint(0, 256).endCell({ exotic: true })
    const tails = [
      beginCell().endCell(),
      truncated(voucherCell(on.voucher(payee(2), gram), null), 700),
      beginCell()
        .storeSlice(voucherBits(on.voucher(payee(2), gram)))
        .endCell(),
      library,
      voucherCell(on.voucher(payee(2), gram), library),
      voucherCell(on.voucher(payee(2), gram), beginCell().storeUint(1, 9).endCell()),
    ]
    for (const tail of tails) expect((await on.post(chain(first, tail))).accepted).toBe(false)
    expect(await on.balance()).toBe(before)
    expect(await on.post(settleOneBody(first))).toMatchObject(done)
  })

  test('a tail of garbage vouchers behind a good one costs the client nothing, and the good one is spent', async () => {
    const on = await stage()
    const good = on.voucher(payee(1), gram)
    const garbage = Array.from({ length: 9 }, (_, index) => ({
      ...on.voucher(payee(index + 2), gram),
      signature: Buffer.alloc(64, index),
    }))
    const body = settleBatchBody([good, ...garbage])
    const outcome = await on.post(body)
    expect(outcome).toMatchObject(done)
    expect(outcome.accepted && outcome.payouts).toHaveLength(1)
    expect(loss(outcome, gram)).toBeLessThanOrEqual(0n)
    expect(await on.post(body)).toEqual(refused(103))
  })

  test('a tail of vouchers that are already paid costs the client nothing', async () => {
    const on = await stage()
    const paid = Array.from({ length: 9 }, (_, index) => on.voucher(payee(index + 2), gram / 2n))
    await on.post(settleBatchBody(paid))
    const outcome = await on.post(settleBatchBody([on.voucher(payee(1), gram), ...paid]))
    expect(outcome).toMatchObject(done)
    expect(loss(outcome, gram)).toBeLessThanOrEqual(0n)
  })

  test.each([
    [1n, 10n],
    [1n, 1n],
    [3n, 1n],
    [6n, 1n],
    [10n, 1n],
    [100n, 1n],
  ])(
    'at %i/%i of the prices of 2026, the least voucher that is accepted pays its fees, even with nine worthless ones behind it',
    async (numerator, denominator) => {
      const on = await stage({
        config: sandboxConfig(scaleBasechainPrices(mainnet2026Fees, numerator, denominator)),
        depositNano: 50n * gram,
      })
      const least = await leastAccepted(on, (nano) => settleOneBody(on.voucher(payee(1), nano)))
      const one = await on.post(settleOneBody(on.voucher(payee(1), least)))
      expect(one).toMatchObject(done)
      expect(received(one)).toBeGreaterThan(0n)
      expect(loss(one, least)).toBeLessThanOrEqual(0n)
      expect(least).toBeLessThanOrEqual(await on.escrow.getLeastDue(1))

      const worthless = Array.from({ length: 9 }, (_, index) => on.voucher(payee(index + 3), 1n))
      const ten = (nano: bigint) => settleBatchBody([on.voucher(payee(2), nano), ...worthless])
      const leastOfTen = await leastAccepted(on, ten)
      const batch = await on.post(ten(leastOfTen))
      expect(batch).toMatchObject(done)
      expect(received(batch)).toBeGreaterThan(0n)
      expect(loss(batch, leastOfTen)).toBeLessThanOrEqual(0n)
      expect(leastOfTen).toBeLessThanOrEqual(await on.escrow.getLeastDue(10))
    },
  )

  test('a price rise between signing and settling makes a small voucher wait, not drain', async () => {
    const on = await stage({ depositNano: 50n * gram })
    const small = settleOneBody(on.voucher(payee(1), 4_000_000n))
    on.blockchain.setConfig(sandboxConfig(scaleBasechainPrices(mainnet2026Fees, 6n)))
    const before = await on.balance()
    expect(await on.post(small)).toEqual(refused(103))
    expect(await on.balance()).toBe(before)
    on.blockchain.setConfig(sandboxConfig(mainnet2026Fees))
    expect(await on.post(small)).toMatchObject(done)
  })
})

describe('a client cannot keep a provider from settling by growing the ledger', () => {
  test('payees whose accounts share prefixes with a provider do not deepen its path', async () => {
    const on = await stage({ depositNano: 50n * gram })
    const victim = payee(1)
    for (let from = 0; from < 100; from += 10) {
      const hostile = Array.from({ length: 10 }, (_, index) =>
        on.voucher(sharingPrefix(victim, from + index), gram / 10n),
      )
      expect(await on.post(settleBatchBody(hostile))).toMatchObject(done)
    }
    const outcome = await on.post(settleOneBody(on.voucher(victim, gram)))
    expect(outcome).toMatchObject(done)
    expect(outcome.accepted && outcome.gas).toBeLessThan(13_000n)
  })

  test('a path of 68 levels, which takes 2^69 hashes to build, leaves settling one voucher possible', async () => {
    const on = await stage({ depositNano: 50n * gram })
    const victim = payee(1)
    await on.overwrite(withDeepPath(on, victim, 68))
    const outcome = await on.post(settleOneBody(on.voucher(victim, gram)))
    expect(outcome).toMatchObject(done)
    expect(loss(outcome, gram)).toBeLessThanOrEqual(0n)
  })

  test('a reservation does not shorten the path that is possible by more than eight levels', async () => {
    const on = await stage({ depositNano: 50n * gram })
    const victim = payee(1)
    await on.overwrite(withDeepPath(on, victim, 60, gram / 2n))
    const outcome = await on.post(settleOneBody(on.voucher(victim, gram)))
    expect(outcome).toMatchObject(done)
    expect(loss(outcome, gram)).toBeLessThanOrEqual(0n)
    expect(await on.payee(victim)).toMatchObject({ settledNano: gram, reservedNano: 0n })
  })

  test('a path of 28 levels leaves a batch of ten possible; beyond it, smaller batches and single settles are', async () => {
    const on = await stage({ depositNano: 50n * gram })
    const victim = payee(1)
    const ten = Array.from({ length: 10 }, (_, index) => on.voucher(index === 0 ? victim : payee(index + 1), 2n * gram))
    await on.overwrite(withDeepPath(on, victim, 64))
    expect(await on.post(settleBatchBody(ten))).toEqual(refused(-14))
    await on.overwrite(withDeepPath(on, victim, 28))
    const outcome = await on.post(settleBatchBody(ten))
    expect(outcome).toMatchObject(done)
    expect(loss(outcome, 20n * gram)).toBeLessThanOrEqual(0n)
  })

  test('ten deep paths in one batch cost the client nothing beyond what is due', async () => {
    const on = await stage({ depositNano: 50n * gram })
    const ten = Array.from({ length: 10 }, (_, index) => on.voucher(payee(index), gram))
    const [first, ...others] = ten.map((voucher) => voucher.terms.payee)
    if (!first) throw new Error('no payees')
    await on.overwrite(withDeepPath(on, first, 24, 0n, others))
    const outcome = await on.post(settleBatchBody(ten))
    expect(outcome).toMatchObject(done)
    expect(loss(outcome, 10n * gram)).toBeLessThanOrEqual(0n)
    expect(outcome.accepted && outcome.gas).toBeGreaterThan(150_000n)
  })

  test('a deep path behind a shallow one cannot make the payouts fall short of their fees', async () => {
    const on = await stage({ depositNano: 50n * gram })
    await on.overwrite(withDeepPath(on, payee(2), 90))
    const pair = (nano: bigint) => settleBatchBody([on.voucher(payee(1), nano), on.voucher(payee(2), nano)])
    const least = await leastAccepted(on, pair)
    const outcome = await on.post(pair(least))
    expect(outcome).toMatchObject(done)
    expect(outcome.accepted && outcome.payouts).toHaveLength(2)
    expect(outcome.accepted && outcome.payouts.every((payout) => payout.nano > 0n)).toBe(true)
    expect(loss(outcome, 2n * least)).toBeLessThan(2_000_000n)
    expect(await on.post(pair(least))).toEqual(refused(103))
  })

  test('where an external message runs out of its 10 000 gas, an internal one still settles', async () => {
    const on = await stage({ depositNano: 50n * gram })
    const victim = payee(1)
    await on.overwrite(withDeepPath(on, victim, 100))
    expect(await on.post(settleOneBody(on.voucher(victim, gram)))).toEqual(refused(-14))
    expect(await on.call(settleInternalBody(on.voucher(victim, gram)))).toMatchObject(done)
    expect((await on.payee(victim)).settledNano).toBe(gram)
  })

  test('a reservation is written after ACCEPT, so that a grown ledger does not keep the client from reserving', async () => {
    const on = await stage({ depositNano: 50n * gram })
    const victim = payee(1)
    await on.overwrite(withDeepPath(on, victim, 40))
    const outcome = await on.control({ kind: 'reserve', payee: victim, amountNano: gram, until: on.nowSec + day })
    expect(outcome).toMatchObject(done)
    expect(outcome.accepted && outcome.gas).toBeGreaterThan(10_000n)
  })
})

const done1 = { accepted: true, exitCode: 0 }

/** What the client loses beyond what was due. */
function loss(outcome: Outcome, dueNano: bigint): bigint {
  if (!outcome.accepted) throw new Error(`not accepted, exit code ${outcome.exitCode}`)
  return outcome.dropNano - dueNano
}

function received(outcome: Outcome): bigint {
  if (!outcome.accepted) throw new Error(`not accepted, exit code ${outcome.exitCode}`)
  return outcome.payouts.reduce((sum, payout) => sum + payout.nano, 0n)
}

/** The smallest due for which the message is accepted, to 1 000 nano. */
async function leastAccepted(on: Stage, body: (nano: bigint) => Cell): Promise<bigint> {
  let refusedNano = 0n
  let acceptedNano = 10n * gram
  while (acceptedNano - refusedNano > 1_000n) {
    const middle = (acceptedNano + refusedNano) / 2n
    const { accepted } = await on.tryWhole(envelope(on).storeBit(0).storeBit(1).storeRef(body(middle)).endCell())
    if (accepted) acceptedNano = middle
    else refusedNano = middle
  }
  return acceptedNano
}

// ext_in_msg_info$10 src:addr_none dest:MsgAddressInt import_fee:0
function envelope(on: Stage) {
  return beginCell().storeUint(0b1000, 4).storeAddress(on.escrow.address).storeCoins(0n)
}

function withInitInReference(on: Stage, body: Cell): Cell {
  const init = on.escrow.stateInit ?? beginCell().endCell()
  return envelope(on).storeBit(1).storeBit(1).storeRef(init).storeBit(1).storeRef(body).endCell()
}

function withInitInPlace(on: Stage, body: Cell): Cell {
  const init = on.escrow.stateInit ?? beginCell().endCell()
  return envelope(on).storeBit(1).storeBit(0).storeSlice(init.asSlice()).storeBit(1).storeRef(body).endCell()
}

function signedUnlock(on: Stage, seqno: number): Cell {
  const payload = controlPayload(on.controlTerms({ epoch: 0, seqno }, { kind: 'unlock' }))
  return beginCell()
    .storeUint(0x0c105e11, 32)
    .storeBuffer(Buffer.from(signAsClient(payload.hash())))
    .storeRef(payload)
    .endCell()
}

function voucherBits(voucher: Parameters<typeof settleOneBody>[0]): Slice {
  return settleOneBody(voucher).asSlice().skip(32)
}

function voucherCell(voucher: Parameters<typeof settleOneBody>[0], next: Cell | null): Cell {
  return beginCell().storeSlice(voucherBits(voucher)).storeMaybeRef(next).endCell()
}

function chain(first: Parameters<typeof settleOneBody>[0], next: Cell | null): Cell {
  return beginCell().storeUint(0x5e771e11, 32).storeSlice(voucherBits(first)).storeMaybeRef(next).endCell()
}

function truncated(cell: Cell, bits: number): Cell {
  return beginCell().storeBits(cell.bits.substring(0, bits)).endCell()
}

function junk(mark: number): Cell {
  return beginCell()
    .storeUint(mark, 32)
    .storeBuffer(createHash('sha512').update(`${mark}`).digest())
    .endCell()
}

/** Distinct cells of nearly 1 023 bits, in a tree. */
function padTree(cells: number): Cell {
  let level = Array.from({ length: cells }, (_, index) => beginCell().storeUint(index, 1_000).endCell())
  while (level.length > 1) {
    const above: Cell[] = []
    for (let at = 0; at < level.length; at += 4) {
      const node = beginCell()
      for (const cell of level.slice(at, at + 4)) node.storeRef(cell)
      above.push(node.endCell())
    }
    level = above
  }
  return level[0] ?? beginCell().endCell()
}

function malleated(signature: Uint8Array): Uint8Array {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  const scalar = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + order
  const scalarBytes = Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex').reverse()
  return Buffer.concat([signature.subarray(0, 32), scalarBytes])
}

/** An account that agrees with another in its first `bits` bits and differs in the next. */
function sharingPrefix(account: RawAddress, bits: number): RawAddress {
  const number = payeeNumber(account) ^ (1n << BigInt(255 - bits))
  return addressOf(Buffer.from(number.toString(16).padStart(64, '0'), 'hex'))
}

/** The state after a client has found payees whose hashed keys share ever longer prefixes with those of its victims. */
function withDeepPath(
  on: Stage,
  victim: RawAddress,
  levels: number,
  reservedNano = 0n,
  alsoVictims: readonly RawAddress[] = [],
): Cell {
  const entries = Dictionary.empty(Dictionary.Keys.BigUint(256), entryCodec)
  for (const one of [victim, ...alsoVictims]) {
    const key = BigInt(`0x${beginCell().storeUint(payeeNumber(one), 256).endCell().hash().toString('hex')}`)
    for (let level = 0; level < levels; level += 1) {
      entries.set(key ^ (1n << BigInt(255 - level)), { settledNano: 1n, reservedNano: 0n })
    }
    if (reservedNano > 0n) entries.set(key, { settledNano: 0n, reservedNano })
  }
  const initial = (on.escrow.init?.data ?? beginCell().endCell()).asSlice()
  return beginCell()
    .storeBits(initial.loadBits(267 + 32 + 96 + 256 + 32))
    .storeCoins(reservedNano)
    .storeDict(entries)
    .endCell()
}

const entryCodec: DictionaryValue<{ settledNano: bigint; reservedNano: bigint }> = {
  serialize: ({ settledNano, reservedNano }, builder) => {
    builder.storeCoins(settledNano)
    if (reservedNano > 0n) builder.storeCoins(reservedNano).storeUint(0, 32)
  },
  parse: (slice) => ({
    settledNano: slice.loadCoins(),
    reservedNano: slice.remainingBits > 0 ? slice.loadCoins() : 0n,
  }),
}

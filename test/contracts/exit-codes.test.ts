// Every exit code is reached, by the shortest way to it; what a code means to people is in contracts/escrow.ts and docs/contract.md §5.

import { readFileSync } from 'node:fs'
import { beginCell } from '@ton/core'
import { expect, test } from 'vitest'
import {
  cancelUnlockBody,
  controlBody,
  exitCodes,
  finalizeBody,
  reservationSecMax,
  reserveBody,
  settleBatchBody,
  settleInternalBody,
  settleOneBody,
  startUnlockBody,
} from '../../contracts/escrow.ts'
import { day, gram, type Outcome, payee, type Stage, signAsClient, stage } from './stage.ts'

type Way = (on: Stage) => Promise<Outcome>

const unknownOperation = beginCell().storeUint(0xdeadbeef, 32).endCell()
const reservation = (on: Stage) => ({ payee: payee(1), amountNano: gram / 2n, until: on.nowSec + day })
const stranger = (on: Stage) => on.blockchain.treasury('stranger')

/** By external message, which is then in no block, and by internal message, which then costs its sender. */
const ways: Readonly<Record<number, { readonly external?: Way; readonly internal?: Way }>> = {
  102: {
    external: (on) => on.post(settleOneBody(on.voucher(payee(1), gram, { epoch: 1 }))),
    internal: (on) => on.call(settleInternalBody(on.voucher(payee(1), gram, { globalId: -3 }))),
  },
  103: {
    external: (on) => on.post(settleOneBody(on.voucher(payee(1), 1_000n))),
    internal: (on) => on.call(settleInternalBody(on.voucher(payee(1), 1_000n))),
  },
  104: { internal: async (on) => on.call(startUnlockBody(), await stranger(on)) },
  105: {
    external: async (on) => {
      await on.call(startUnlockBody())
      return await on.control({ kind: 'reserve', ...reservation(on) })
    },
    internal: async (on) => {
      await on.call(startUnlockBody())
      return await on.call(startUnlockBody())
    },
  },
  106: {
    external: (on) => on.control({ kind: 'finalize' }),
    internal: (on) => on.call(cancelUnlockBody()),
  },
  107: {
    external: async (on) => {
      await on.call(startUnlockBody())
      return await on.control({ kind: 'finalize' })
    },
    internal: async (on) => {
      await on.call(startUnlockBody())
      return await on.call(finalizeBody(), await stranger(on))
    },
  },
  108: {
    external: async (on) => {
      const terms = on.controlTerms(await on.account(), { kind: 'unlock' })
      return await on.post(controlBody({ ...terms, validUntil: on.nowSec }, signAsClient))
    },
  },
  109: {
    external: (on) => on.post(controlBody(on.controlTerms({ epoch: 0, seqno: 1 }, { kind: 'unlock' }), signAsClient)),
  },
  110: {
    external: (on) => on.control({ kind: 'reserve', ...reservation(on), until: on.nowSec + reservationSecMax + 1 }),
    internal: async (on) => {
      await on.call(reserveBody(reservation(on)))
      return await on.call(reserveBody({ ...reservation(on), amountNano: 1n }))
    },
  },
  111: {
    external: (on) => on.control({ kind: 'reserve', ...reservation(on), amountNano: gram }),
    internal: (on) => on.call(reserveBody({ ...reservation(on), amountNano: 2n * gram })),
  },
  112: {
    external: (on) => {
      const body = settleOneBody(on.voucher(payee(1), gram))
      return on.post(beginCell().storeSlice(body.asSlice()).storeRef(beginCell().endCell()).endCell())
    },
  },
  65535: { external: (on) => on.post(unknownOperation), internal: (on) => on.call(unknownOperation) },
}

/** Of the virtual machine itself, before ACCEPT too. */
const machineWays: Readonly<Record<number, Way>> = {
  5: async () => {
    const on = await stage({ unlockDelaySec: 0xffffffff })
    return await on.control({ kind: 'unlock' })
  },
  9: (on) => {
    const body = settleBatchBody([on.voucher(payee(1), gram)])
    const short = beginCell()
      .storeBits(body.bits.substring(0, body.bits.length - 1))
      .storeBit(1)
    return on.post(short.storeRef(beginCell().endCell()).endCell())
  },
}

for (const [code, meaning] of Object.entries(exitCodes)) {
  test(`exit code ${code} is reached: ${meaning}`, async () => {
    const { external, internal } = ways[Number(code)] ?? {}
    expect(external ?? internal, 'no way to it is known').toBeDefined()
    if (external) expect(await external(await small())).toEqual({ accepted: false, exitCode: Number(code) })
    if (internal) expect(await internal(await small())).toMatchObject({ accepted: true, exitCode: Number(code) })
  })
}

test.each(Object.entries(machineWays))('exit code %s of the virtual machine comes before ACCEPT', async (code, way) => {
  expect(await way(await small())).toEqual({ accepted: false, exitCode: Number(code) })
})

test('the contract throws these codes and no others, and docs/contract.md §5 lists them', () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const thrown = [...read('contracts/escrow/errors.tolk').matchAll(/^const ERR_\w+ = (\w+)/gm)].map(([, code]) =>
    Number(code),
  )
  expect(thrown).toEqual(Object.keys(exitCodes).map(Number))
  const section = read('docs/contract.md')
    .split(/^## /m)
    .find((text) => text.startsWith('5.'))
  const listed = [...(section ?? '').matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code))
  expect(listed).toEqual(thrown)
})

function small(): Promise<Stage> {
  return stage({ depositNano: gram })
}

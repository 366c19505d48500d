// What a provider that names settlers is told at its start, where it has nothing to pay their fees from.

import { expect, it } from 'vitest'
import { sayWhoSettles } from '../../node/cli/open-escrow.ts'
import type { EscrowState } from '../../node/ports.ts'
import { MemoryChain } from '../policy/memory-mesh.ts'
import { addressOfNumber } from '../policy/peers.ts'

async function toldOf(change: Partial<EscrowState>): Promise<readonly (string | undefined)[]> {
  const chain = new MemoryChain()
  const address = addressOfNumber(7)
  const state = { ...(await chain.escrow(address)), isEscrow: true, freeNano: 1n, unlockAtMs: 0 }
  const told: (string | undefined)[] = []
  const terminal = { warn: (_: string, detail?: string, next?: string) => void told.push(detail, next) }
  chain.escrows.set(address, { ...state, ...change })
  await sayWhoSettles(terminal, chain, address, new AbortController().signal)
  return told
}

it.each<readonly [string, Partial<EscrowState>, string, string]>([
  ['no escrow', { isEscrow: false }, 'no escrow to pay them from', '`silkmesh wallet deposit <gram>` opens one'],
  ['an empty escrow', { freeNano: 0n }, 'is empty', '`silkmesh wallet deposit <gram>` fills it'],
  ['a closing escrow', { unlockAtMs: 1 }, 'is closing', '`silkmesh wallet cancel-unlock` keeps it open'],
])('with %s it says that vouchers are posted from here, and what to do', async (_what, change, why, next) => {
  const [detail, then] = await toldOf(change)
  expect(detail).toContain(why)
  expect(detail).toContain('vouchers are posted from here')
  expect(then).toBe(next)
})

it('with coins in an open escrow it says nothing', async () => {
  expect(await toldOf({})).toEqual([])
})

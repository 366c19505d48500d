// The escrows a home has ever paid into. Their address follows from the key, the unlock delay and the contract's code: with
// another of these a home has another escrow, and the coins in the earlier one must not be forgotten.

import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Address as TonAddress } from '@ton/core'
import { rentReserveNano } from '../../contracts/escrow.ts'
import { MeshError } from '../../protocol/errors.ts'
import { type Address, parseAddress } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import type { TonChain } from '../adapters/ton/chain.ts'
import type { Home } from './home.ts'

export interface EarlierEscrow {
  readonly address: Address
  readonly balanceNano: Nano
  /** When finalize is possible; 0 while its unlock has yet to be started. Unix milliseconds. */
  readonly unlockAtMs: number
  /** False where its code is that of another version of silkmesh, which then is the one to close it with. */
  readonly isUsable: boolean
}

/** Before coins go there. */
export function rememberEscrow(home: Home, escrow: Address): void {
  const known = rememberedEscrows(home)
  if (known.includes(escrow)) return
  const draft = `${pathIn(home)}.${process.pid}`
  writeFileSync(draft, `${JSON.stringify([...known, escrow])}\n`, { mode: 0o600 })
  renameSync(draft, pathIn(home))
}

/** Those besides `current` that hold more on this chain than `finalize` leaves. */
export async function earlierEscrows(
  home: Home,
  current: Address,
  chain: TonChain,
  signal: AbortSignal,
): Promise<readonly EarlierEscrow[]> {
  const found: EarlierEscrow[] = []
  for (const address of rememberedEscrows(home)) {
    if (address === current) continue
    const balanceNano = await chain.endpoint.call(
      `balance of ${address}`,
      (client) => client.getBalance(TonAddress.parseRaw(address)),
      signal,
    )
    if (balanceNano <= rentReserveNano) continue
    const account = await chain.account(address, signal)
    const unlockAtMs = (account?.unlockAt ?? 0) * 1_000
    found.push({ address, balanceNano, unlockAtMs, isUsable: account !== undefined })
  }
  return found
}

function rememberedEscrows(home: Home): readonly Address[] {
  let text: string
  try {
    text = readFileSync(pathIn(home), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  try {
    const addresses: unknown = JSON.parse(text)
    if (Array.isArray(addresses)) return addresses.map((address) => parseAddress(String(address)))
  } catch {
    // said below
  }
  throw new MeshError(
    'bad-request',
    `${pathIn(home)} is not a list of escrow addresses; correct it, or move it away to go on without earlier escrows`,
  )
}

function pathIn(home: Home): string {
  return join(home.path, 'escrows.json')
}

// A home's accounts on the chain: its wallet, and the escrow that wallet owns for this home's peer.

import { Address as TonAddress } from '@ton/core'
import { MeshError } from '../../protocol/errors.ts'
import { type Address, parseAddress } from '../../protocol/ids.ts'
import { formatGram, type Nano } from '../../protocol/money.ts'
import { systemClock } from '../adapters/system.ts'
import type { TonChain } from '../adapters/ton/chain.ts'
import { type EscrowTerms, Wallet } from '../adapters/wallet.ts'
import type { Config } from '../config.ts'
import type { Identity } from '../ports.ts'
import type { Home } from './home.ts'

/** The chain's id is part of the address: a wallet of one chain is not that of another. */
export async function walletOf(home: Home, chain: TonChain): Promise<Wallet> {
  return new Wallet({ seed: home.walletSeed, chain, globalId: await chain.globalId(), clock: systemClock })
}

export function escrowTermsOf(identity: Identity, config: Config): EscrowTerms {
  return { signer: identity.publicKey, unlockDelaySec: config.chain.unlockDelayS }
}

/** A payout address as people paste it (`UQ…`, `EQ…`) or raw. Throws `bad-request`. */
export function parsePayout(text: string): Address {
  try {
    const address = TonAddress.parse(text)
    if (address.workChain !== 0) throw new RangeError('it is not on the basechain')
    return parseAddress(address.toRawString())
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new MeshError(
      'bad-request',
      `"${text.slice(0, 80)}" is not a TON address (${reason}), expected one such as UQ…`,
    )
  }
}

/** Asks a local chain's faucet, and waits for the coins. False where the endpoint has no faucet. */
export async function askFaucet(
  wallet: Wallet,
  endpoint: string,
  amountNano: Nano,
  signal: AbortSignal,
): Promise<boolean> {
  const { hostname } = new URL(endpoint)
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) return false
  const before = await wallet.balanceNano(signal)
  const response = await fetch(new URL('/faucet', endpoint), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ address: wallet.address, amountNano: amountNano.toString() }),
    signal,
  })
  if (response.status === 404) return false
  if (!response.ok)
    throw new MeshError(
      'chain-unavailable',
      `the faucet answered ${response.status}: ${(await response.text()).slice(0, 200)}`,
    )
  const deadlineMs = systemClock.now() + 20_000
  while ((await wallet.balanceNano(signal)) <= before) {
    if (systemClock.now() > deadlineMs)
      throw new MeshError('timeout', `${formatGram(amountNano)} GRAM from the faucet did not arrive within 20 s`)
    await systemClock.sleep(100, signal)
  }
  return true
}

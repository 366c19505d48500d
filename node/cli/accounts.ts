// A home's accounts on the chain: its wallet, and the escrow that wallet owns for this home's peer.

import { MeshError } from '../../protocol/errors.ts'
import { formatGram, type Nano } from '../../protocol/money.ts'
import { systemClock, systemRandom } from '../adapters/system.ts'
import { createTonChain, type TonChain } from '../adapters/ton/chain.ts'
import { type Network, networks } from '../adapters/ton/networks.ts'
import { type EscrowTerms, Wallet, type WalletOptions } from '../adapters/wallet.ts'
import type { Config } from '../config.ts'
import type { Identity, Observe } from '../ports.ts'
import { rememberEscrow } from './escrows.ts'
import type { Home } from './home.ts'
import { accountOf } from './words.ts'

/** Throws `bad-request` where none is set or it is no URL; asks it nothing yet. */
export function openChain(config: Config, observe?: Observe): TonChain {
  const { apiKey, endpoints, finalityMs, requestsPerSecond } = config.chain
  const { endpoint, network } = chainOf(config)
  return createTonChain({
    endpoint,
    apiKey,
    others: endpoints,
    globalId: network?.globalId,
    finalityMs:
      finalityMs === 0 ? (network ?? networks[isLocal(endpoint) ? 'local' : 'mainnet']).finalityMs : finalityMs,
    requestsPerSecond,
    clock: systemClock,
    random: systemRandom,
    observe,
  })
}

/** Where the chain is asked, and which it must be; undefined where any will do. Throws `bad-request` where none is set. */
export function chainOf({ chain }: Config): { readonly endpoint: string; readonly network: Network | undefined } {
  const network = chain.network === 'any' ? undefined : networks[chain.network]
  const endpoint = chain.endpoint === '' ? (network?.endpoint ?? '') : chain.endpoint
  if (endpoint !== '') return { endpoint, network }
  throw new MeshError(
    'bad-request',
    'no chain endpoint is set; start a local chain with `silkmesh chain` and pass --network local, ' +
      'or --endpoint http://127.0.0.1:8081/api/v2/jsonRPC; --network testnet and mainnet are the public ones',
  )
}

/** The chain's id is part of the address: a wallet of one chain is not that of another. */
export async function walletOf(
  home: Home,
  chain: TonChain,
  signal?: AbortSignal,
  options: Pick<WalletOptions, 'onBehalfOf' | 'preview'> = {},
): Promise<Wallet> {
  const globalId = await chain.globalId(signal)
  return new Wallet({ seed: home.walletSeed, chain, globalId, clock: systemClock, ...options })
}

export function escrowTermsOf(identity: Identity, config: Config): EscrowTerms {
  const { owner, unlockDelayS } = config.chain
  return {
    signer: identity.publicKey,
    unlockDelaySec: unlockDelayS,
    ...(owner === '' ? {} : { owner: accountOf('chain.owner', owner) }),
  }
}

/** What the wallet keeps back for the fees of one transfer. */
const feesNano: Nano = 10_000_000n

/**
 * From the wallet into its escrow, which is opened where needed. Throws `bad-request` where the wallet has too little,
 * saying where coins come from.
 */
export async function deposit(
  { wallet, terms, chain, home }: { wallet: Wallet; terms: EscrowTerms; chain: TonChain; home: Home },
  amountNano: Nano,
  signal: AbortSignal,
) {
  const haveNano = await wallet.balanceNano(signal)
  const neededNano = amountNano + feesNano
  if (haveNano < neededNano && !wallet.isDry) {
    const faucet = isLocal(chain.endpoint.url)
      ? `, or take play money: silkmesh wallet faucet ${formatGram(neededNano)}`
      : ''
    throw new MeshError(
      'bad-request',
      `a deposit of ${formatGram(amountNano)} GRAM needs ${formatGram(neededNano)} with its fees and the wallet holds ` +
        `${formatGram(haveNano)}; send ${formatGram(neededNano - haveNano)} GRAM to ${wallet.friendly}${faucet}`,
    )
  }
  if (!wallet.isDry) rememberEscrow(home, wallet.escrowAddress(terms)) // first: from here on coins may be there
  return wallet.deployAndDeposit(terms, amountNano, signal)
}

/** Asks a local chain's faucet, and waits for the coins. False where the endpoint has no faucet. */
export async function askFaucet(
  wallet: Wallet,
  endpoint: string,
  amountNano: Nano,
  signal: AbortSignal,
): Promise<boolean> {
  if (!isLocal(endpoint)) return false
  const before = await wallet.balanceNano(signal)
  const response = await fetch(new URL('/faucet', endpoint), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ address: wallet.address, amountNano: amountNano.toString() }),
    signal,
  })
  if (response.status === 404) return false
  if (!response.ok) {
    const { error } = (await response.json().catch(() => ({}))) as { error?: unknown }
    const isRefused = response.status === 422
    throw new MeshError(
      isRefused ? 'bad-request' : 'chain-unavailable',
      `the faucet ${isRefused ? 'refuses' : 'failed at'} ${formatGram(amountNano)} GRAM: ${String(error ?? response.status).slice(0, 200)}`,
    )
  }
  const deadlineMs = systemClock.now() + 20_000
  while ((await wallet.balanceNano(signal)) <= before) {
    if (systemClock.now() > deadlineMs)
      throw new MeshError('timeout', `${formatGram(amountNano)} GRAM from the faucet did not arrive within 20 s`)
    await systemClock.sleep(100, signal)
  }
  return true
}

/** Whether the endpoint is on this machine, as a chain with a faucet is. */
function isLocal(endpoint: string): boolean {
  return ['127.0.0.1', 'localhost', '[::1]'].includes(URL.parse(endpoint)?.hostname ?? '')
}

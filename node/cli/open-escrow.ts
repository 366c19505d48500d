// A home's own escrow, topped up where that is asked for, before a command that pays out of it begins.

import type { Address } from '../../protocol/ids.ts'
import { formatGram } from '../../protocol/money.ts'
import type { TonChain } from '../adapters/ton/chain.ts'
import type { Chain, EscrowState, Identity } from '../ports.ts'
import { unlessCancelled } from '../waits.ts'
import { askFaucet, deposit, escrowTermsOf, walletOf } from './accounts.ts'
import type { Invocation } from './flags.ts'
import type { Home } from './home.ts'
import type { Terminal } from './terminal.ts'

/** What a deposit leaves for fees when the faucet is asked. */
const feesNano = 200_000_000n

interface EscrowParts {
  readonly invocation: Invocation
  readonly home: Home
  readonly identity: Identity
  readonly chain: TonChain
  readonly depositNano: bigint | undefined
  readonly signal: AbortSignal
}

/** The home's escrow, topped up to `depositNano` where that is asked for. */
export async function openEscrow({
  invocation,
  home,
  identity,
  chain,
  depositNano,
  signal,
}: EscrowParts): Promise<Address> {
  const { config, terminal } = invocation
  terminal.progress('asking the chain')
  const wallet = await walletOf(home, chain, signal)
  const terms = escrowTermsOf(identity, config)
  const escrow = wallet.escrowAddress(terms)
  terminal.progress('reading the escrow')
  const { isEscrow, freeNano } = await unlessCancelled(chain.escrow(escrow), signal)
  terminal.progress('')
  const missingNano = depositNano === undefined ? 0n : depositNano - freeNano
  // not for a small part of it: each top-up costs a fee, and the rent reserve is never free
  if (depositNano !== undefined && missingNano > depositNano / 10n) {
    const neededNano = missingNano + feesNano
    terminal.progress(`depositing ${formatGram(missingNano)} GRAM`)
    if ((await wallet.balanceNano(signal)) < neededNano) await askFaucet(wallet, chain.endpoint.url, neededNano, signal)
    await deposit({ wallet, terms, chain, home }, missingNano, signal)
    terminal.progress('')
    terminal.ok('escrow', `${escrow} holds ${formatGram((await chain.escrow(escrow)).freeNano)} GRAM`)
  } else if (isEscrow && freeNano > 0n) {
    terminal.ok('escrow', `${escrow} holds ${formatGram(freeNano)} GRAM`)
  } else {
    terminal.warn(
      'escrow',
      `${isEscrow ? 'empty' : 'not deployed'}: nobody takes its vouchers until \`silkmesh wallet deposit <gram>\``,
    )
  }
  return escrow
}

/** A provider that names settlers, and has nothing to pay their fees out of, posts by itself: it learns why at its start. */
export async function sayWhoSettles(
  terminal: Pick<Terminal, 'warn'>,
  chain: Pick<Chain, 'escrow'>,
  escrow: Address,
  signal: AbortSignal,
): Promise<void> {
  const state = await unlessCancelled(chain.escrow(escrow), signal).catch(() => undefined) // a node that serves finds out later
  const trouble = state && troubleOf(state)
  if (!trouble) return
  const [why, next] = trouble
  const then = 'settlers that ask a fee are not used, and vouchers are posted from here'
  terminal.warn('settlers', `${why}: ${then}`, next)
}

/** Why fees cannot be paid out of it, and what to do. */
function troubleOf({ freeNano, isEscrow, unlockAtMs }: EscrowState): readonly [string, string] | undefined {
  if (!isEscrow) return ['this home has no escrow to pay them from', '`silkmesh wallet deposit <gram>` opens one']
  if (unlockAtMs !== 0) return ["this home's escrow is closing", '`silkmesh wallet cancel-unlock` keeps it open']
  if (freeNano === 0n) return ["this home's escrow is empty", '`silkmesh wallet deposit <gram>` fills it']
  return undefined
}

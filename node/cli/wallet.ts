// `silkmesh wallet`: what this home's wallet and escrow hold, and every order an escrow's owner can give.

import { MeshError } from '../../protocol/errors.ts'
import { formatGram } from '../../protocol/money.ts'
import { identityFrom } from '../adapters/libp2p/identity.ts'
import { systemClock } from '../adapters/system.ts'
import type { TonChain } from '../adapters/ton/chain.ts'
import type { EscrowTerms, Sent, Wallet } from '../adapters/wallet.ts'
import { askFaucet, escrowTermsOf, parsePayout, walletOf } from './accounts.ts'
import { wholeNumber } from './chain.ts'
import { untilStopped } from './exit.ts'
import { type Invocation, invocationOf } from './flags.ts'
import { openHome } from './home.ts'
import { openChain } from './runtime.ts'
import { printJson } from './terminal.ts'
import { amountOf } from './up.ts'

interface Accounts {
  readonly invocation: Invocation
  readonly wallet: Wallet
  readonly terms: EscrowTerms
  readonly chain: TonChain
  readonly signal: AbortSignal
}

type Verb = (accounts: Accounts, words: readonly string[]) => Promise<Record<string, unknown>>

const verbs: Readonly<Record<string, Verb>> = {
  address: async ({ wallet, terms, invocation: { terminal } }) => {
    const escrow = wallet.escrowAddress(terms)
    terminal.ok('wallet', `${wallet.friendly}  (${wallet.address})`)
    terminal.ok('escrow', escrow)
    return { wallet: wallet.address, friendly: wallet.friendly, escrow }
  },
  balance: async ({ wallet, terms, chain, signal, invocation: { terminal } }) => {
    const walletNano = await wallet.balanceNano(signal)
    const { isEscrow, freeNano, unlockAtMs, epoch } = await chain.escrow(wallet.escrowAddress(terms))
    terminal.ok('wallet', `${formatGram(walletNano)} GRAM`)
    if (isEscrow) terminal.ok('escrow', `${formatGram(freeNano)} GRAM free, epoch ${epoch}`)
    else terminal.warn('escrow', 'not deployed; `silkmesh wallet deposit <gram>` opens it')
    if (unlockAtMs !== 0) terminal.warn('closing', `finalize is possible from ${new Date(unlockAtMs).toISOString()}`)
    return { walletNano, escrow: { isDeployed: isEscrow, freeNano, unlockAtMs, epoch } }
  },
  faucet: async ({ wallet, signal, invocation: { config, terminal } }, [text = '10']) => {
    const amountNano = amountOf('faucet', text)
    if (!(await askFaucet(wallet, config.chain.endpoint, amountNano, signal))) {
      throw new MeshError('bad-request', `${config.chain.endpoint} has no faucet; only a local chain does`)
    }
    const walletNano = await wallet.balanceNano(signal)
    terminal.ok('wallet', `${formatGram(walletNano)} GRAM of play money`)
    return { walletNano }
  },
  deposit: async ({ wallet, terms, signal, chain, invocation: { terminal } }, [text = '']) => {
    const sent = await wallet.deployAndDeposit(terms, amountOf('deposit', text), signal)
    const { freeNano } = await chain.escrow(sent.escrow)
    terminal.ok('escrow', `${sent.escrow} holds ${formatGram(freeNano)} GRAM`)
    return { ...shown(sent, terminal), escrow: sent.escrow, freeNano }
  },
  reserve: async ({ wallet, terms, signal, invocation: { terminal } }, [payee = '', gram = '', hours = '']) => {
    const untilMs = systemClock.now() + wholeNumber('hours', hours, 720) * 3_600_000
    const reservation = { payee: parsePayout(payee), amountNano: amountOf('reserve', gram), untilMs }
    const sent = await wallet.reserve(wallet.escrowAddress(terms), reservation, signal)
    terminal.ok('reserved', `${gram} GRAM until ${new Date(untilMs).toISOString()}`)
    return { ...shown(sent, terminal), ...reservation }
  },
  unlock: async ({ wallet, terms, signal, invocation: { terminal } }) => {
    const sent = await wallet.startUnlock(wallet.escrowAddress(terms), signal)
    terminal.ok('closing', `finalize is possible from ${new Date(sent.unlockAtMs).toISOString()}`)
    return { ...shown(sent, terminal), unlockAtMs: sent.unlockAtMs }
  },
  'cancel-unlock': async ({ wallet, terms, signal, invocation: { terminal } }) => {
    return shown(await wallet.cancelUnlock(wallet.escrowAddress(terms), signal), terminal)
  },
  finalize: async ({ wallet, terms, signal, invocation: { terminal } }) => {
    const sent = await wallet.finalize(wallet.escrowAddress(terms), signal)
    terminal.ok('refunded', `${formatGram(sent.refundedNano)} GRAM are back in the wallet`)
    return { ...shown(sent, terminal), refundedNano: sent.refundedNano }
  },
}

export async function run(verb: string, flags: Record<string, unknown>, words: readonly string[]): Promise<void> {
  const invocation = invocationOf(flags)
  const act = verbs[verb]
  if (!act) throw new MeshError('bad-request', `wallet ${verb}: no such order`)
  const home = openHome(invocation.home)
  const chain = openChain(invocation.config)
  const wallet = await walletOf(home, chain)
  const terms = escrowTermsOf(identityFrom(home.identitySeed), invocation.config)
  const result = await act({ invocation, wallet, terms, chain, signal: untilStopped(false) }, words)
  if (invocation.isJson) printJson({ ok: true, ...result })
}

function shown({ transaction, feeNano }: Sent, terminal: Invocation['terminal']): Record<string, unknown> {
  terminal.ok('transaction', `${transaction}  fee ${formatGram(feeNano)} GRAM`)
  return { transaction, feeNano }
}

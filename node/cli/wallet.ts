// `silkmesh wallet`: what this home's wallet and escrow hold, and every order an escrow's owner can give.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/ids.ts'
import { formatGram, type Nano } from '../../protocol/money.ts'
import { identityFrom } from '../adapters/libp2p/identity.ts'
import { systemClock } from '../adapters/system.ts'
import type { TonChain } from '../adapters/ton/chain.ts'
import { type Order, transferOrder } from '../adapters/ton/orders.ts'
import { type EscrowTerms, NotSent, type Sent, type Wallet } from '../adapters/wallet.ts'
import type { Config } from '../config.ts'
import type { SpendOfDay } from '../inference.ts'
import { spendOfDay } from '../node.ts'
import { askFaucet, deposit, escrowTermsOf, openChain, walletOf } from './accounts.ts'
import { collect } from './collect.ts'
import { earlierEscrows, rememberEscrow } from './escrows.ts'
import { untilStopped } from './exit.ts'
import { type Invocation, invocationOf } from './flags.ts'
import { spendToday } from './gateway-client.ts'
import { existingHome, type Home, openHome, openHomeStore } from './home.ts'
import { showLink, showOrder } from './orders.ts'
import { runningNode } from './running.ts'
import { printJson } from './terminal.ts'
import { accountOf, amountOf, wholeNumber } from './words.ts'

interface Accounts {
  readonly invocation: Invocation
  readonly home: Home
  readonly wallet: Wallet
  readonly terms: EscrowTerms
  /** The one named with --escrow, else that of the terms. */
  readonly escrow: Address
  readonly chain: TonChain
  readonly signal: AbortSignal
  readonly isDry: boolean
  readonly isQr: boolean
  readonly isByWallet: boolean
}

/** Takes its words, and throws for wrong ones before the chain is asked anything. */
type Verb = (words: readonly string[]) => (accounts: Accounts) => Promise<Record<string, unknown>>

const verbs: Readonly<Record<string, Verb>> = {
  address:
    () =>
    async ({ wallet, escrow, invocation: { terminal } }) => {
      terminal.ok('wallet', `${wallet.friendly}  (${wallet.address})`)
      terminal.ok('escrow', escrow)
      return { wallet: wallet.address, friendly: wallet.friendly, escrow }
    },
  balance:
    () =>
    async ({ home, wallet, escrow, chain, signal, invocation }) => {
      const { terminal } = invocation
      const walletNano = await wallet.balanceNano(signal)
      const { isEscrow, freeNano, unlockAtMs, epoch } = await chain.escrow(escrow)
      const earlier = await earlierEscrows(home, escrow, chain, signal)
      terminal.ok('wallet', `${formatGram(walletNano)} GRAM`)
      if (isEscrow) terminal.ok('escrow', `${formatGram(freeNano)} GRAM free, epoch ${epoch}`)
      else terminal.warn('escrow', 'not deployed; `silkmesh wallet deposit <gram>` opens it')
      if (unlockAtMs !== 0) terminal.warn('closing', `finalize is possible from ${new Date(unlockAtMs).toISOString()}`)
      for (const { address, balanceNano, isUsable, unlockAtMs: freeAtMs } of earlier) {
        const closing = freeAtMs === 0 ? '' : `closing until ${new Date(freeAtMs).toISOString()}, then `
        const back = `${closing}\`silkmesh wallet ${freeAtMs === 0 ? 'unlock' : 'finalize'} --escrow ${address}\``
        const how = isUsable ? back : 'its contract is of another version of silkmesh: take it back with that one'
        terminal.warn('earlier', `escrow ${address} holds ${formatGram(balanceNano)} GRAM; ${how}`)
      }
      const today = await todayOf(home, invocation)
      return {
        walletNano,
        escrow: { address: escrow, isDeployed: isEscrow, freeNano, unlockAtMs, epoch },
        earlierEscrows: earlier,
        ...today,
      }
    },
  faucet: ([text = '10']) => {
    const amountNano = amountOf('faucet', text)
    return async ({ wallet, chain, signal, invocation: { terminal } }) => {
      terminal.progress('waiting for the coins')
      if (!(await askFaucet(wallet, chain.endpoint.url, amountNano, signal))) {
        throw new MeshError('bad-request', `${chain.endpoint.name} has no faucet; only a local chain does`)
      }
      const walletNano = await wallet.balanceNano(signal)
      terminal.ok('wallet', `${formatGram(walletNano)} GRAM of play money`)
      return { walletNano }
    }
  },
  deposit: ([text = '']) => {
    const amountNano = amountOf('deposit', text)
    return async (accounts) => {
      const { signal, chain, invocation } = accounts
      invocation.terminal.progress(`depositing ${formatGram(amountNano)} GRAM`)
      const sent = await deposit(accounts, amountNano, signal)
      const { freeNano } = await chain.escrow(sent.escrow)
      invocation.terminal.ok('escrow', `${sent.escrow} holds ${formatGram(freeNano)} GRAM`)
      return { ...shown(sent, invocation), escrow: sent.escrow, freeNano }
    }
  },
  fund: ([text = '']) => {
    const amountNano = amountOf('fund', text)
    return async ({ home, wallet, terms, escrow, chain, signal, isDry, isQr, invocation: { terminal } }) => {
      if (terms.owner === undefined) {
        const order = transferOrder(wallet.address, amountNano)
        return showLink(order, 'whoever pays', await chain.globalId(signal), isQr, terminal)
      }
      if (!isDry) rememberEscrow(home, escrow) // first: from here on coins may be there
      const isOpen = (await chain.account(escrow, signal)) !== undefined
      if (isOpen) await wallet.topUp(escrow, amountNano, signal)
      else await wallet.deployAndDeposit(terms, amountNano, signal)
      return {} // its message was shown
    }
  },
  collect: () => (accounts) => collect(accounts),
  reserve: ([account = '', gram = '', hours = '']) => {
    const payee = accountOf('payee', account)
    const amountNano = amountOf('reserve', gram)
    const seconds = wholeNumber('hours', hours, 720, 1) * 3_600
    return async ({ wallet, chain, escrow, signal, invocation }) => {
      await assertReservable(chain, escrow, payee, amountNano)
      const untilMs = (Math.floor(systemClock.now() / 1_000) + seconds) * 1_000 // the escrow counts whole seconds
      invocation.terminal.progress('waiting for the escrow')
      const sent = await wallet.reserve(escrow, { payee, amountNano, untilMs }, signal)
      invocation.terminal.ok('reserved', `${formatGram(amountNano)} GRAM until ${new Date(untilMs).toISOString()}`)
      return { ...shown(sent, invocation), payee, amountNano, untilMs }
    }
  },
  unlock:
    () =>
    async ({ wallet, escrow, signal, invocation }) => {
      invocation.terminal.progress('waiting for the escrow')
      const sent = await wallet.startUnlock(escrow, signal)
      invocation.terminal.ok('closing', `finalize is possible from ${new Date(sent.unlockAtMs).toISOString()}`)
      return { ...shown(sent, invocation), unlockAtMs: sent.unlockAtMs }
    },
  'cancel-unlock':
    () =>
    async ({ wallet, escrow, signal, invocation }) => {
      invocation.terminal.progress('waiting for the escrow')
      const sent = await wallet.cancelUnlock(escrow, signal)
      invocation.terminal.ok('open', 'the escrow stays open')
      return shown(sent, invocation)
    },
  finalize:
    () =>
    async ({ wallet, escrow, signal, invocation }) => {
      invocation.terminal.progress('waiting for the escrow')
      const sent = await wallet.finalize(escrow, signal)
      invocation.terminal.ok('refunded', `${formatGram(sent.refundedNano)} GRAM are back in the wallet`)
      return { ...shown(sent, invocation), refundedNano: sent.refundedNano }
    },
}

/** Of a day with a cap: the node that runs knows it, or else the books do. */
async function todayOf(
  home: Home,
  { config, home: path, terminal }: Invocation,
): Promise<{ readonly today?: SpendOfDay }> {
  if (config.consumer.spendNanoPerDayMax === 0n) return {}
  const gateway = runningNode(path)?.gateway
  const told = gateway && (await spendToday(gateway, AbortSignal.timeout(answerMs)).catch(() => undefined))
  try {
    const today = told ?? (await bookedToday(home, config))
    if (!today) return {}
    const { capNano, promisedNano, resetsAtMs, spentNano } = today
    const running = promisedNano === 0n ? '' : `, ${formatGram(promisedNano)} promised to requests that run`
    const until = `until ${new Date(resetsAtMs).toISOString()}`
    terminal.ok('today', `${formatGram(spentNano)} of ${formatGram(capNano)} GRAM signed for${running}, ${until}`)
    return { today }
  } catch (error) {
    terminal.warn('today', `what was signed for is not known: ${asMeshError(error, 'store-failed').message}`)
    return {}
  }
}

async function bookedToday(home: Home, config: Config): Promise<SpendOfDay | undefined> {
  const store = openHomeStore(home)
  try {
    return await spendOfDay(config, { clock: systemClock, store })
  } finally {
    await store.close()
  }
}

/** A gateway on this machine answers in milliseconds, unless it is busy. */
const answerMs = 5_000

/** The contract refuses it too, and keeps the fee. */
async function assertReservable(chain: TonChain, escrow: Address, payee: Address, amountNano: Nano): Promise<void> {
  const { isEscrow, freeNano, unlockAtMs } = await chain.escrow(escrow)
  if (!isEscrow) return // the order says so
  if (unlockAtMs !== 0) {
    throw new MeshError('bad-request', `escrow ${escrow} is closing; \`silkmesh wallet cancel-unlock\` keeps it open`)
  }
  const { reservedNano } = await chain.payee(escrow, payee) // is part of the new reservation
  if (amountNano - reservedNano <= freeNano) return
  throw new MeshError(
    'bad-request',
    `a reservation of ${formatGram(amountNano)} GRAM, and ${formatGram(freeNano + reservedNano)} are free for it; ` +
      `\`silkmesh wallet deposit <gram>\` adds to the escrow`,
  )
}

/** These leave nothing half done, so that Ctrl-C may end the process as it is. */
const reading: ReadonlySet<string> = new Set(['address', 'balance'])

/** What a new home can begin with; every other order is about coins or promises that only a home with keys can have. */
const beginning: ReadonlySet<string> = new Set(['address', 'faucet', 'fund', 'deposit'])

export async function run(verb: string, flags: Record<string, unknown>, words: readonly string[]): Promise<void> {
  const invocation = invocationOf(flags)
  const order = verbs[verb]
  if (!order) throw new MeshError('bad-request', `wallet ${verb}: no such order`)
  const act = order(words)
  const named = flags['escrow'] === undefined ? undefined : accountOf('--escrow', String(flags['escrow']))
  const isQr = flags['qr'] === true
  const isByWallet = flags['byWallet'] === true
  const isLink = flags['link'] === true || isQr || verb === 'fund'
  const isDry = flags['dryRun'] === true
  const chain = openChain(invocation.config)
  const home = await (beginning.has(verb) ? openHome : existingHome)(invocation.home, invocation.passphrase)
  const { isJson, terminal } = invocation
  const signal = reading.has(verb) || isLink || isDry ? new AbortController().signal : untilStopped(false)
  terminal.progress('asking the chain')
  const terms = escrowTermsOf(identityFrom(home.identitySeed), invocation.config)
  const messages: Record<string, unknown>[] = []
  const preview = async (order: Order): Promise<void> => {
    const globalId = await chain.globalId(signal)
    const [feeNano, balanceNano] = isLink
      ? [undefined, 0n]
      : [await wallet.estimateNano(order, signal), await wallet.balanceNano(signal)]
    terminal.progress('')
    messages.push(
      isLink
        ? showLink(order, terms.owner === undefined ? 'the wallet' : 'its owner', globalId, isQr, terminal)
        : showOrder({ order, from: wallet.address, globalId, feeNano, balanceNano }, terminal),
    )
  }
  const dry = { preview, onBehalfOf: isLink ? terms.owner : undefined }
  const wallet = await walletOf(home, chain, signal, isLink || isDry ? dry : {})
  const escrow = named ?? wallet.escrowAddress(terms)
  try {
    const result = await act({ invocation, home, wallet, terms, escrow, chain, signal, isDry, isQr, isByWallet }).catch(
      (error: unknown) => {
        if (error instanceof NotSent) return {}
        throw error
      },
    )
    if (messages.length > 0 && !isLink) terminal.warn('dry run', 'checked and shown; nothing was sent')
    const [message] = messages
    const shownAs = isLink ? message : message && { isDryRun: true, messages }
    if (isJson) printJson({ ok: true, ...result, ...shownAs })
  } finally {
    terminal.progress('')
  }
}

function shown({ transaction, feeNano }: Sent, { terminal }: Invocation): Record<string, unknown> {
  terminal.ok('transaction', `${transaction}  fee ${formatGram(feeNano)} GRAM`)
  return { transaction, feeNano }
}

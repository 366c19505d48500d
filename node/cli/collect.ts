// `silkmesh wallet collect`: everything this home was promised, paid now: by messages that cost the wallet nothing, and dust, if
// asked for, by the wallet itself.

import { counted } from '../../protocol/counted.ts'
import { formatGram, type Nano } from '../../protocol/money.ts'
import { betterVoucher, tabKey, type Voucher } from '../../protocol/voucher.ts'
import { systemClock } from '../adapters/system.ts'
import type { TonChain } from '../adapters/ton/chain.ts'
import type { Wallet } from '../adapters/wallet.ts'
import { VoucherLog } from '../records.ts'
import type { Invocation } from './flags.ts'
import { type Home, openHomeStore } from './home.ts'

interface Parts {
  readonly home: Home
  readonly chain: TonChain
  readonly wallet: Wallet
  readonly invocation: Invocation
  readonly signal: AbortSignal
  /** What no message of its own can pay is sent by the wallet, which pays for it. */
  readonly isByWallet: boolean
}

interface Claim {
  readonly voucher: Voucher
  readonly settledNano: Nano
  readonly dueNano: Nano
}

/** From the post to the state that shows it, the chain's finality included. */
const confirmMs = 60_000
const pollMs = 500

/** Throws `store-failed` while the node runs, which settles by itself. */
export async function collect(parts: Parts): Promise<Record<string, unknown>> {
  const { chain, home, invocation, isByWallet, signal, wallet } = parts
  const { terminal } = invocation
  const claims = await claimsOf(await vouchersOf(home), chain, signal)
  const leastNano = await chain.settleNanoMin()
  const dust: Claim[] = []
  let paidNano = 0n
  for (const claim of claims) {
    const { escrow } = claim.voucher.terms
    const due = `${formatGram(claim.dueNano)} GRAM of escrow ${escrow}`
    if (claim.dueNano < leastNano) dust.push(claim)
    else if (wallet.isDry) terminal.ok('message', `settle_one: ${due}; needs no coins`)
    else {
      terminal.progress(`settling ${due}`)
      const { outcome } = await chain.postSettle(escrow, [claim.voucher])
      if (outcome === 'posted') paidNano += await paid(claim, chain, signal)
      else dust.push(claim)
    }
  }
  if (isByWallet && dust.length > 0) {
    terminal.progress(`settling ${counted(dust.length, 'voucher')} by the wallet`)
    const transactions = await wallet.settle(
      dust.map(({ voucher }) => voucher),
      signal,
    )
    for (const transaction of transactions) terminal.ok('transaction', transaction)
    if (!wallet.isDry) for (const claim of dust) paidNano += await paid(claim, chain, signal)
  }
  terminal.progress('')
  const dueNano = sumOf(claims)
  // a dry run says what it would pay
  const shownNano = wallet.isDry ? sumOf(claims.filter((claim) => isByWallet || !dust.includes(claim))) : paidNano
  const word = wallet.isDry ? 'would pay' : 'collected'
  terminal.ok(word, `${formatGram(shownNano)} GRAM of ${counted(claims.length, 'voucher')}`)
  if (dueNano > shownNano) {
    const next = isByWallet
      ? 'not paid yet, or too little for any message; it can be run again: a voucher is paid once'
      : 'too little for a message of its own; --by-wallet has the wallet settle it, for more than 0.001 GRAM a voucher'
    terminal.warn('left', `${formatGram(dueNano - shownNano)} GRAM: ${next}`)
  }
  return { vouchers: claims.length, paidNano, leftNano: dueNano - paidNano }
}

function sumOf(claims: readonly Claim[]): Nano {
  return claims.reduce((sum, { dueNano }) => sum + dueNano, 0n)
}

/** Of a provider and of a hub. */
const logs = ['book', 'hub-book'] as const

/** The best of each tab that this home was given. */
async function vouchersOf(home: Home): Promise<readonly Voucher[]> {
  const store = openHomeStore(home)
  try {
    const best = new Map<string, Voucher>()
    for (const log of logs) {
      for (const { voucher } of await new VoucherLog(log, store, () => []).read()) {
        const tab = tabKey(voucher.terms)
        best.set(tab, betterVoucher(best.get(tab), voucher) ?? voucher)
      }
    }
    return [...best.values()]
  } finally {
    await store.close()
  }
}

/** What they would be paid now. One of another chain or of an epoch that is over is nothing any more. */
async function claimsOf(vouchers: readonly Voucher[], chain: TonChain, signal: AbortSignal): Promise<readonly Claim[]> {
  const globalId = await chain.globalId(signal)
  const claims: Claim[] = []
  for (const voucher of vouchers) {
    const { amountNano, epoch, escrow, globalId: of, payee } = voucher.terms
    if (of !== globalId) continue
    const state = await chain.escrow(escrow)
    if (!state.isEscrow || state.epoch !== epoch) continue
    const { payableNano, settledNano } = await chain.payee(escrow, payee)
    const unpaidNano = amountNano - settledNano
    const dueNano = unpaidNano < payableNano ? unpaidNano : payableNano
    if (dueNano > 0n) claims.push({ voucher, settledNano, dueNano })
  }
  return claims.sort((a, b) => Number(b.dueNano > a.dueNano) - Number(b.dueNano < a.dueNano))
}

/** What the state of the escrow shows as paid, once it shows anything; nothing where it does not in time. */
async function paid({ settledNano: before, voucher }: Claim, chain: TonChain, signal: AbortSignal): Promise<Nano> {
  const { escrow, payee } = voucher.terms
  const giveUpMs = systemClock.now() + confirmMs
  for (;;) {
    const { settledNano } = await chain.payee(escrow, payee)
    if (settledNano > before) return settledNano - before
    if (systemClock.now() > giveUpMs) return 0n
    await systemClock.sleep(pollMs, signal)
  }
}

// From a posted message to what it did on chain: its transaction, the transactions that one caused, and what all destroyed.

import { type Address, beginCell, type Message, storeMessage, type Transaction } from '@ton/core'
import type { TonClient } from '@ton/ton'
import type { Nano } from '../../../protocol/money.ts'
import { NotFound } from './endpoint.ts'

/** Recent transactions of an account that are looked through for one message: pages × their size. */
const pagesMax = 4
const pageTransactions = 16

/** Ours cause at most eleven transactions: ten payouts, or a transfer, the escrow and its refund. */
const traceTransactionsMax = 16

/**
 * TEP-467: an external message is known by the hash of its normal form (no source, no import fee, no initial state, body
 * in a reference), because those who forward it may wrap it anew.
 */
export function normalizedHash(message: Message): Buffer {
  if (message.info.type !== 'external-in') throw new TypeError(`${message.info.type} messages have no normal form`)
  const normal: Message = { info: { type: 'external-in', dest: message.info.dest, importFee: 0n }, body: message.body }
  return beginCell()
    .store(storeMessage(normal, { forceRef: true }))
    .endCell()
    .hash()
}

/** The account's recent transaction whose external message has this normalized hash. */
export async function findByMessage(
  client: TonClient,
  account: Address,
  messageHash: Buffer,
): Promise<Transaction | undefined> {
  let from: { lt: string; hash: string } | undefined
  for (let page = 0; page < pagesMax; page += 1) {
    const transactions = await client.getTransactions(account, { limit: pageTransactions, ...from })
    for (const transaction of transactions) {
      const message = transaction.inMessage
      if (message?.info.type === 'external-in' && normalizedHash(message).equals(messageHash)) return transaction
    }
    const oldest = transactions.at(-1)
    if (oldest === undefined || transactions.length < pageTransactions) return undefined
    from = { lt: oldest.lt.toString(), hash: oldest.hash().toString('base64') }
  }
  return undefined
}

export interface Trace {
  /** The one that the external message ran, first; then what it caused. */
  readonly transactions: readonly [Transaction, ...Transaction[]]
  /** Transaction fees, and what messages paid to be delivered: everything that left the accounts for good, so far. */
  readonly feeNano: Nano
  /** False while a message is still on its way. */
  readonly isComplete: boolean
}

/** Follows messages between accounts from `root`, `hopsMax` of them deep. */
export async function readTrace(client: TonClient, root: Transaction, hopsMax: number): Promise<Trace> {
  const transactions: [Transaction, ...Transaction[]] = [root]
  let feeNano = root.totalFees.coins
  let isComplete = true
  let layer = [root]
  for (let hop = 0; hop < hopsMax && layer.length > 0; hop += 1) {
    const next: Transaction[] = []
    for (const { info } of layer.flatMap((transaction) => transaction.outMessages.values())) {
      if (info.type !== 'internal') continue
      feeNano += info.forwardFee
      if (transactions.length === traceTransactionsMax) return { transactions, feeNano, isComplete: false }
      const result = await locate(client, info.src, info.dest, info.createdLt)
      if (result === undefined) {
        isComplete = false
        continue
      }
      feeNano += result.totalFees.coins
      transactions.push(result)
      next.push(result)
    }
    layer = next
  }
  return { transactions, feeNano, isComplete }
}

/** The exit code of a transaction that did not do what its message asked; undefined where it did. */
export function failureOf(transaction: Transaction): number | undefined {
  const { description } = transaction
  if (description.type !== 'generic') return undefined
  const { computePhase, actionPhase, bouncePhase } = description
  if (computePhase.type === 'vm' && !computePhase.success) return computePhase.exitCode
  if (actionPhase && !actionPhase.success) return actionPhase.resultCode
  // Without code a plain transfer still arrives; where it had to be taken by code, it is sent back.
  return computePhase.type === 'skipped' && bouncePhase ? -14 : undefined
}

async function locate(
  client: TonClient,
  source: Address,
  destination: Address,
  createdLt: bigint,
): Promise<Transaction | undefined> {
  try {
    return await client.tryLocateResultTx(source, destination, createdLt.toString())
  } catch (error) {
    if (error instanceof NotFound) return undefined
    throw error
  }
}

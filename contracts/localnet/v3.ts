/** The one method of toncenter's API v3 that v2 has no word for: the transactions of a message hash. */
import { type AccountStatus, Address, type Cell, type ExternalAddress, loadTransaction } from '@ton/core'
import type { Chain } from './chain.ts'
import { transactionMessages } from './message.ts'
import type { Params } from './params.ts'
import { boc, hash256, messageFields, storageFeeOf } from './shapes.ts'
import type { StoredTransaction } from './store.ts'

/** v3's own default and limit. */
const limitDefault = 10
const limitMax = 1_000
const offsetMax = 100_000

/** Finds an external by the hash of the bytes that were sent or by its normalized hash (TEP-467), an internal by its hash. */
export function transactionsByMessage(chain: Chain, params: Params) {
  const direction = params.raw('direction')
  if (direction !== undefined && direction !== 'in' && direction !== 'out') {
    throw params.refused('direction', '"in" or "out"')
  }
  const limit = params.int('limit', { min: 1, max: limitMax, default: limitDefault })
  const offset = params.int('offset', { min: 0, max: offsetMax, default: 0 })
  const found = chain.store.transactionsByMessage(params.hash('msg_hash'), direction, limit, offset)
  return { transactions: found.map(transactionJson), address_book: {} }
}

function transactionJson(stored: StoredTransaction) {
  const transaction = loadTransaction(stored.cell.beginParse())
  const messages = transactionMessages(stored.cell)
  return {
    account: stored.account.toUpperCase(),
    hash: stored.hash.toString('base64'),
    lt: String(stored.lt),
    now: transaction.now,
    mc_block_seqno: stored.seqno,
    block_ref: { workchain: Number(stored.account.split(':')[0]), shard: '8000000000000000', seqno: stored.seqno },
    prev_trans_hash: hash256(transaction.prevTransactionHash),
    prev_trans_lt: String(transaction.prevTransactionLt),
    orig_status: STATUS[transaction.oldStatus],
    end_status: STATUS[transaction.endStatus],
    total_fees: String(transaction.totalFees.coins),
    description: descriptionJson(transaction),
    in_msg: messages.in === undefined ? null : messageJson(messages.in),
    out_msgs: messages.out.map(messageJson),
    emulated: false,
    finality: 'finalized',
  }
}

const STATUS: Readonly<Record<AccountStatus, string>> = {
  uninitialized: 'uninit',
  frozen: 'frozen',
  active: 'active',
  'non-existing': 'nonexist',
}

function descriptionJson(transaction: ReturnType<typeof loadTransaction>) {
  const { description } = transaction
  if (description.type !== 'generic') return { type: description.type }
  const { computePhase: compute, actionPhase: action } = description
  return {
    type: 'ord',
    aborted: description.aborted,
    destroyed: description.destroyed,
    credit_first: description.creditFirst,
    storage_ph: { storage_fees_collected: String(storageFeeOf(transaction)) },
    compute_ph:
      compute.type === 'skipped'
        ? { skipped: true, reason: compute.reason }
        : {
            skipped: false,
            success: compute.success,
            gas_fees: String(compute.gasFees),
            gas_used: String(compute.gasUsed),
            exit_code: compute.exitCode,
            vm_steps: compute.vmSteps,
          },
    ...(action
      ? {
          action: {
            success: action.success,
            valid: action.valid,
            no_funds: action.noFunds,
            result_code: action.resultCode,
            tot_actions: action.totalActions,
            msgs_created: action.messagesCreated,
            total_fwd_fees: String(action.totalFwdFees ?? 0n),
            total_action_fees: String(action.totalActionFees ?? 0n),
          },
        }
      : {}),
  }
}

function messageJson(cell: Cell) {
  const { message, source, destination, internal, createdLt, hash, comment } = messageFields(cell)
  const opcode =
    message.body.bits.length < 32 ? null : `0x${message.body.beginParse().loadUint(32).toString(16).padStart(8, '0')}`
  return {
    hash: cell.hash().toString('base64'),
    ...(hash.equals(cell.hash()) ? {} : { hash_norm: hash.toString('base64') }),
    source: rawOrNull(source),
    destination: rawOrNull(destination),
    value: internal === undefined ? null : String(internal.value.coins),
    fwd_fee: internal === undefined ? null : String(internal.forwardFee),
    ihr_fee: internal === undefined ? null : String(internal.ihrFee),
    created_lt: createdLt === undefined ? null : String(createdLt),
    created_at: internal === undefined ? null : String(internal.createdAt),
    opcode,
    bounce: internal?.bounce ?? null,
    bounced: internal?.bounced ?? null,
    message_content: {
      hash: message.body.hash().toString('base64'),
      body: boc(message.body),
      decoded: comment === undefined ? null : { '@type': 'text_comment', comment },
    },
  }
}

/** v3 writes addresses raw and in capitals. */
function rawOrNull(address: Address | ExternalAddress | null | undefined): string | null {
  if (!address) return null
  return Address.isAddress(address) ? address.toRawString().toUpperCase() : address.toString()
}

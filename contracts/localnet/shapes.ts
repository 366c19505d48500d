/** Accounts, blocks, messages and transactions in the JSON of toncenter's API v2. */
import {
  Address,
  type Cell,
  loadMessage,
  loadTransaction,
  type Message,
  type ShardAccount,
  type Transaction,
} from '@ton/core'
import type { ChainView } from './chain.ts'
import { normalizedHash, transactionMessages } from './message.ts'
import type { StoredTransaction } from './store.ts'

export const masterchain = -1
/** This chain never splits: one shard a workchain. As toncenter writes it, a signed decimal of 0x8000000000000000. */
export const wholeShard = '-9223372036854775808'

const noHash = Buffer.alloc(32).toString('base64')

export function blockId(chain: ChainView, workchain: number, seqno: number) {
  return {
    '@type': 'ton.blockIdExt',
    workchain,
    shard: wholeShard,
    seqno,
    root_hash: chain.blockHash('root', workchain, seqno).toString('base64'),
    file_hash: chain.blockHash('file', workchain, seqno).toString('base64'),
  }
}

export function lastTransactionId(account: ShardAccount | undefined) {
  const hash = account === undefined ? noHash : hash256(account.lastTransactionHash)
  return transactionId(account?.lastTransactionLt ?? 0n, hash)
}

export function accountState(account: ShardAccount | undefined) {
  const state = account?.account?.storage.state
  const init = state?.type === 'active' ? state.state : undefined
  return {
    state: state?.type === 'active' ? 'active' : state?.type === 'frozen' ? 'frozen' : 'uninitialized',
    code: boc(init?.code),
    data: boc(init?.data),
    frozenHash: state?.type === 'frozen' ? hash256(state.stateHash) : '',
  }
}

export function balanceOf(account: ShardAccount | undefined): bigint {
  return account?.account?.storage.balance.coins ?? 0n
}

export function transactionJson(stored: StoredTransaction) {
  const transaction = loadTransaction(stored.cell.beginParse())
  const messages = transactionMessages(stored.cell)
  const out = messages.out.map(messageJson)
  // As tonlib sums it: what the account paid, the forward fees of its messages included.
  const fee = transaction.totalFees.coins + out.reduce((sum, message) => sum + BigInt(message.fwd_fee), 0n)
  const storageFee = storageFeeOf(transaction)
  return {
    '@type': 'ext.transaction',
    address: { '@type': 'accountAddress', account_address: Address.parse(stored.account).toString() },
    account: stored.account,
    utime: transaction.now,
    data: boc(stored.cell),
    transaction_id: transactionId(stored.lt, stored.hash.toString('base64')),
    fee: String(fee),
    storage_fee: String(storageFee),
    other_fee: String(fee - storageFee),
    ...(messages.in === undefined ? {} : { in_msg: messageJson(messages.in) }),
    out_msgs: out,
  }
}

export function shortTransactionId(stored: StoredTransaction) {
  // mode 135 = the fields account, lt and hash are present (7) and the list is in the chain's order (128)
  const id = { '@type': 'blocks.shortTxId', mode: 135, account: stored.account }
  return { ...id, lt: String(stored.lt), hash: stored.hash.toString('base64') }
}

/** The fees of a transaction that was only tried. */
export function feesJson(cell: Cell) {
  const transaction = loadTransaction(cell.beginParse())
  const { description } = transaction
  const phases = description.type === 'generic' ? description : undefined
  const gasFee = phases?.computePhase.type === 'vm' ? phases.computePhase.gasFees : 0n
  const actionFee = phases?.actionPhase?.totalActionFees ?? 0n
  const storageFee = storageFeeOf(transaction)
  const importFee = transaction.totalFees.coins - gasFee - actionFee - storageFee
  return {
    '@type': 'query.fees',
    source_fees: {
      '@type': 'fees',
      in_fwd_fee: Number(importFee),
      storage_fee: Number(storageFee),
      gas_fee: Number(gasFee),
      fwd_fee: Number(phases?.actionPhase?.totalFwdFees ?? 0n),
    },
    destination_fees: [],
  }
}

export function addressForms(address: Address, bounceable: boolean | undefined, testOnly: boolean) {
  const forms = (bounce: boolean) => ({
    b64: address.toString({ urlSafe: false, bounceable: bounce, testOnly }),
    b64url: address.toString({ urlSafe: true, bounceable: bounce, testOnly }),
  })
  return {
    '@type': 'ext.utils.detectedAddress',
    raw_form: address.toRawString(),
    bounceable: forms(true),
    non_bounceable: forms(false),
    given_type: bounceable === undefined ? 'raw_form' : bounceable ? 'friendly_bounceable' : 'friendly_non_bounceable',
    test_only: testOnly,
  }
}

/** What both API versions say of a message. */
export function messageFields(cell: Cell) {
  const message = loadMessage(cell.beginParse())
  const { info } = message
  const internal = info.type === 'internal' ? info : undefined
  return {
    message,
    source: info.type === 'external-in' ? undefined : info.src,
    destination: info.type === 'external-out' ? undefined : info.dest,
    internal,
    createdLt: info.type === 'external-in' ? undefined : info.createdLt,
    hash: info.type === 'external-in' ? normalizedHash(message) : cell.hash(),
    comment: commentOf(message),
  }
}

export function boc(cell: Cell | null | undefined): string {
  return cell ? cell.toBoc().toString('base64') : ''
}

export function hash256(value: bigint): string {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex').toString('base64')
}

export function storageFeeOf({ description }: Transaction): bigint {
  return 'storagePhase' in description ? (description.storagePhase?.storageFeesCollected ?? 0n) : 0n
}

function transactionId(lt: bigint, hash: string) {
  return { '@type': 'internal.transactionId', lt: String(lt), hash }
}

function messageJson(cell: Cell) {
  const { message, source, destination, internal, createdLt, hash, comment } = messageFields(cell)
  return {
    '@type': 'ext.message',
    hash: hash.toString('base64'),
    source: source?.toString() ?? '',
    destination: destination?.toString() ?? '',
    value: String(internal?.value.coins ?? 0n),
    extra_currencies: [],
    fwd_fee: String(internal?.forwardFee ?? 0n),
    ihr_fee: String(internal?.ihrFee ?? 0n),
    created_lt: String(createdLt ?? 0n),
    body_hash: message.body.hash().toString('base64'),
    msg_data:
      comment === undefined
        ? { '@type': 'msg.dataRaw', body: boc(message.body), init_state: '' }
        : { '@type': 'msg.dataText', text: Buffer.from(comment).toString('base64') },
    message: comment ?? '',
  }
}

/** A text comment: 32 zero bits, then UTF-8 in a chain of cells. */
function commentOf({ body }: Message): string | undefined {
  const slice = body.beginParse()
  if (slice.remainingBits < 32 || slice.loadUint(32) !== 0 || slice.remainingBits % 8 !== 0) return undefined
  try {
    return slice.loadStringTail()
  } catch {
    return undefined // zeros that are not followed by a text are an ordinary body
  }
}

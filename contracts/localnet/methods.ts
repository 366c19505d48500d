/** The methods of toncenter's API v2, by name: each takes the chain and the parameters of one call and returns its result. */
import { Address, beginCell, type Cell, external, getMethodId, storeMessage } from '@ton/core'
import { loadParameters } from '../fees.ts'
import type { ChainView } from './chain.ts'
import { ApiError } from './errors.ts'
import { type Params, parseAddress } from './params.ts'
import {
  accountState,
  addressForms,
  balanceOf,
  blockId,
  feesJson,
  lastTransactionId,
  masterchain,
  shortTransactionId,
  transactionJson,
  wholeShard,
} from './shapes.ts'
import { decodeStack, encodeStack } from './stack.ts'
import { walletInformation } from './wallets.ts'

/** toncenter's largest page, and one more: `TonClient` asks for one more than its caller and drops the one it starts from. */
export const pageMax = 101
const pageDefault = 10
const blockPageMax = 1_000
const seqnoMax = 2 ** 31 - 1
const INT32 = { min: -(2 ** 31), max: 2 ** 31 - 1 }

export type Method = (chain: ChainView, params: Params) => unknown

export const METHODS: Readonly<Record<string, Method>> = {
  getMasterchainInfo(chain) {
    const { seqno } = chain.head
    return {
      '@type': 'blocks.masterchainInfo',
      last: blockId(chain, masterchain, seqno),
      state_root_hash: chain.blockHash('state', masterchain, seqno).toString('base64'),
      init: blockId(chain, masterchain, 0),
    }
  },

  getConsensusBlock: (chain) => ({ consensus_block: chain.head.seqno, timestamp: chain.head.utimeSec }),

  shards(chain, params) {
    return { '@type': 'blocks.shards', shards: [blockId(chain, 0, pastSeqno(chain, params))] }
  },

  lookupBlock(chain, params) {
    const workchain = knownShard(params)
    if (params.raw('seqno') !== undefined) return blockId(chain, workchain, pastSeqno(chain, params))
    const lt = params.optionalLt('lt')
    if (lt === undefined) throw params.refused('seqno', 'seqno or lt (look-up by unixtime is not kept by this chain)')
    const seqno = chain.store.blockByLt(lt)
    if (seqno === undefined) throw unknownBlock(`lt ${lt}`)
    return blockId(chain, workchain, seqno)
  },

  getBlockTransactions(chain, params) {
    const block = blockTransactions(chain, params)
    return { '@type': 'blocks.transactions', ...block, transactions: block.transactions.map(shortTransactionId) }
  },

  getBlockTransactionsExt(chain, params) {
    const block = blockTransactions(chain, params)
    return { '@type': 'blocks.transactionsExt', ...block, transactions: block.transactions.map(transactionJson) }
  },

  getAddressInformation(chain, params) {
    const account = chain.account(currentAddress(chain, params))
    const { state, code, data, frozenHash } = accountState(account)
    return {
      '@type': 'raw.fullAccountState',
      balance: String(balanceOf(account)),
      extra_currencies: [],
      code,
      data,
      last_transaction_id: lastTransactionId(account),
      block_id: blockId(chain, masterchain, chain.head.seqno),
      frozen_hash: frozenHash,
      sync_utime: chain.head.utimeSec,
      state,
    }
  },

  getExtendedAddressInformation(chain, params) {
    const address = currentAddress(chain, params)
    const account = chain.account(address)
    const { state, code, data, frozenHash } = accountState(account)
    return {
      '@type': 'fullAccountState',
      address: { '@type': 'accountAddress', account_address: address.toString() },
      balance: String(balanceOf(account)),
      extra_currencies: [],
      last_transaction_id: lastTransactionId(account),
      block_id: blockId(chain, masterchain, chain.head.seqno),
      sync_utime: chain.head.utimeSec,
      account_state:
        state === 'uninitialized'
          ? { '@type': 'uninited.accountState', frozen_hash: frozenHash }
          : { '@type': 'raw.accountState', code, data, frozen_hash: frozenHash },
      revision: 0,
    }
  },

  getAddressBalance: (chain, params) => String(balanceOf(chain.account(currentAddress(chain, params)))),

  getAddressState: (chain, params) => accountState(chain.account(currentAddress(chain, params))).state,

  getWalletInformation(chain, params) {
    const account = chain.account(currentAddress(chain, params))
    return {
      '@type': 'ext.accounts.walletInformation',
      ...walletInformation(account),
      balance: String(balanceOf(account)),
      account_state: accountState(account).state,
      last_transaction_id: lastTransactionId(account),
    }
  },

  getTransactions(chain, params) {
    const account = params.address('address').toRawString()
    const limit = params.int('limit', { min: 1, max: pageMax, default: pageDefault })
    const toLt = params.optionalLt('to_lt') ?? 0n
    const lt = params.optionalLt('lt')
    const hash = params.optionalHash('hash')
    if (lt === undefined || hash === undefined) {
      return chain.store.transactionsOf(account, chain.head.lt, toLt, limit).map(transactionJson)
    }
    const [first] = chain.store.transactionsOf(account, lt, lt - 1n, 1)
    if (first === undefined) throw notLocated('cannot locate transaction in block with specified logical time')
    if (!first.hash.equals(hash)) throw notLocated('transaction hash mismatch')
    return chain.store.transactionsOf(account, lt, toLt, limit).map(transactionJson)
  },

  tryLocateTx: locateByIncoming,
  tryLocateResultTx: locateByIncoming,

  tryLocateSourceTx(chain, params) {
    const { source, destination, createdLt } = messageKey(params)
    // A message's creation time follows its transaction's, so the newest transaction before it is the only candidate.
    const [sender] = chain.store.transactionsOf(source, createdLt, 0n, 1)
    const json = sender && transactionJson(sender)
    const sent = json?.out_msgs.some(
      (message) => message.created_lt === String(createdLt) && sameAddress(message.destination, destination),
    )
    if (json === undefined || sent !== true) throw new ApiError(500, 'Tx not found')
    return json
  },

  async runGetMethod(chain, params) {
    const address = currentAddress(chain, params)
    const stack = decodeStack(params.raw('stack') ?? [])
    const result = await chain.get(address, methodId(params), stack)
    return {
      '@type': 'smc.runResult',
      gas_used: result?.gasUsed ?? 0,
      stack: encodeStack(result?.stack ?? []),
      exit_code: result?.exitCode ?? notInitialized,
      block_id: blockId(chain, masterchain, chain.head.seqno),
      last_transaction_id: lastTransactionId(chain.account(address)),
    }
  },

  async sendBoc(chain, params) {
    await chain.submit(params.bytes('boc'))
    return { '@type': 'ok' }
  },

  async sendBocReturnHash(chain, params) {
    const { external: sent } = await chain.submit(params.bytes('boc'))
    return {
      '@type': 'raw.extMessageInfo',
      hash: sent.hash.toString('base64'),
      hash_norm: sent.normalizedHash.toString('base64'),
    }
  },

  async estimateFee(chain, params) {
    const to = params.address('address')
    const code = params.optionalCell('init_code')
    const data = params.optionalCell('init_data')
    const message = external({ to, body: params.cell('body'), ...(code && data ? { init: { code, data } } : {}) })
    const cell = beginCell().store(storeMessage(message)).endCell()
    return feesJson(await chain.estimate(to, cell, params.flag('ignore_chksig', true)))
  },

  getConfigParam(chain, params) {
    const id = params.int(params.raw('config_id') === undefined ? 'param' : 'config_id', INT32)
    const value = loadParameters(chain.tvm.config).get(id)
    if (value === undefined) throw notLocated(`configuration parameter ${id} is not set on this chain`)
    return configInfo(value)
  },

  getConfigAll: (chain) => configInfo(chain.tvm.config),

  detectAddress(_chain, params) {
    const text = params.text('address')
    if (!Address.isFriendly(text)) return addressForms(parseAddress(text), undefined, false)
    const { address, isBounceable, isTestOnly } = Address.parseFriendly(text)
    return addressForms(address, isBounceable, isTestOnly)
  },

  packAddress: (_chain, params) => params.address('address').toString({ urlSafe: false }),

  unpackAddress: (_chain, params) => params.address('address').toRawString(),
}

/** TVM's answer for an account with no code. */
const notInitialized = -13

function locateByIncoming(chain: ChainView, params: Params) {
  const { source, destination, createdLt } = messageKey(params)
  for (const stored of chain.store.transactionByIncoming(destination, createdLt)) {
    if (stored.lt > chain.head.lt) continue
    const json = transactionJson(stored)
    if (json.in_msg !== undefined && sameAddress(json.in_msg.source, source)) return json
  }
  throw new ApiError(500, 'Tx not found')
}

function messageKey(params: Params) {
  return {
    source: params.address('source').toRawString(),
    destination: params.address('destination').toRawString(),
    createdLt: params.lt('created_lt'),
  }
}

function sameAddress(friendly: string, raw: string): boolean {
  return friendly !== '' && Address.isFriendly(friendly) && Address.parse(friendly).toRawString() === raw
}

function blockTransactions(chain: ChainView, params: Params) {
  const workchain = knownShard(params)
  const seqno = pastSeqno(chain, params)
  // Whole blocks unless asked otherwise: `TonClient` gives no count and refuses an incomplete list.
  const count = params.int('count', { min: 1, max: blockPageMax, default: blockPageMax })
  const afterHash = params.optionalHash('after_hash')
  const after = {
    account: afterHash === undefined ? '' : `${workchain}:${afterHash.toString('hex')}`,
    lt: params.optionalLt('after_lt') ?? 0n,
  }
  const found = chain.store.transactionsIn(seqno, workchain, after, count + 1)
  return {
    id: blockId(chain, workchain, seqno),
    req_count: count,
    incomplete: found.length > count,
    transactions: found.slice(0, count),
  }
}

function knownShard(params: Params): number {
  const workchain = params.int('workchain', { min: masterchain, max: 0 })
  const shard = String(params.raw('shard'))
  // JSON writers without 64-bit integers round it; there is only one shard it can mean
  if (shard !== wholeShard && shard !== '8000000000000000' && Number(shard) !== Number(wholeShard)) {
    throw params.refused('shard', wholeShard)
  }
  return workchain
}

function pastSeqno(chain: ChainView, params: Params): number {
  const seqno = params.int('seqno', { min: 0, max: seqnoMax })
  if (seqno > chain.head.seqno) throw unknownBlock(`seqno ${seqno} (the last block is ${chain.head.seqno})`)
  return seqno
}

/** State is kept as of the last block only. */
function currentAddress(chain: ChainView, params: Params): Address {
  const address = params.address('address')
  const seqno = params.optionalInt('seqno', { min: 0, max: seqnoMax })
  if (seqno !== undefined && seqno !== chain.head.seqno) {
    throw notLocated(`the state of block ${seqno} is not kept, only that of the last block (${chain.head.seqno})`)
  }
  return address
}

function methodId(params: Params): number {
  const method = params.raw('method')
  if (typeof method === 'number' || (typeof method === 'string' && /^-?[0-9]+$/.test(method))) {
    return params.int('method', INT32)
  }
  return getMethodId(params.text('method'))
}

function configInfo(cell: Cell) {
  return { '@type': 'configInfo', config: { '@type': 'tvm.cell', bytes: cell.toBoc().toString('base64') } }
}

function unknownBlock(what: string): ApiError {
  return notLocated(`block is not in db: ${what}`)
}

function notLocated(reason: string): ApiError {
  return new ApiError(500, `LITE_SERVER_NOTREADY: ${reason}`)
}

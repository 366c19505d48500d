// The same chain over the real thing: the escrow as compiled, run by TON's own virtual machine at mainnet's prices, in
// virtual time. The emulator is WASM that answers before it returns, so a transaction takes no event of the kernel.

import {
  beginCell,
  Cell,
  type ContractProvider,
  external,
  getMethodId,
  internal,
  loadShardAccount,
  loadTransaction,
  type Message,
  parseTuple,
  type StateInit,
  storeMessage,
  storeShardAccount,
  Address as TonAddress,
  type Transaction,
  type TupleItem,
  TupleReader,
} from '@ton/core'
import { Executor } from '@ton/sandbox'
import { Escrow, exitCodes, finalizeBody, settleBody, startUnlockBody } from '../../contracts/escrow.ts'
import { mainnet2026Fees, sandboxConfig, scaleBasechainPrices, withGlobalId } from '../../contracts/fees.ts'
import { normalizedHash } from '../../node/adapters/ton/trace.ts'
import { type Chain, type EscrowState, noEscrow, type PayeeState, type SettleTransaction } from '../../node/ports.ts'
import { MeshError } from '../../protocol/errors.ts'
import { type Address, parseAddress } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import type { Nano } from '../../protocol/money.ts'
import type { Voucher } from '../../protocol/voucher.ts'
import type { Scheduler } from '../kernel.ts'
import type { Life } from '../life.ts'
import type { SeededRandom } from '../random.ts'
import {
  accountOf,
  type ChainTotals,
  type ModelChainOptions,
  type OpenedEscrow,
  simulatedGlobalId,
  transactionsMax,
  unlockDelayMs,
} from './chain.ts'
import { Blocks } from './chain-blocks.ts'
import { type ChainFault, ChainWeather, endpointOf, type Ledger } from './chain-weather.ts'

const wrongSignatureExit = 102
const nothingDueExit = 103

/** Attached to what an owner's wallet asks of its escrow; what is not used stays in the deposit. */
const operationNano = 50_000_000n

/** What settles at least where no escrow can be asked yet (node/adapters/ton/chain.ts). */
const settleNanoMin2026: Nano = 5_000_000n

/** Of a get-method, as liteservers allow it. */
const getGasMax = 1_000_000n

/** Ten payouts or a refund; nobody here answers with more. */
const traceTransactionsMax = 16

interface Held {
  readonly escrow: Escrow
  readonly owner: Address
  depositNano: Nano
  readonly settled: Map<Address, Nano>
  readonly transactions: Map<string, SettleTransaction>
}

interface Posted {
  readonly hash: string
  readonly escrow: Address
  readonly vouchers: readonly Voucher[]
}

interface Executed {
  readonly transaction: Transaction
  /** The account afterwards, not yet kept. */
  readonly account: string
}

/** Owners send from wallets that are not on this chain; payees are accounts without code, which hold what they receive. */
export class TvmChain {
  readonly globalId: number
  readonly #scheduler: Scheduler
  readonly #random: SeededRandom
  readonly #machineRandom: SeededRandom
  readonly #weather = new ChainWeather()
  readonly #blocks: Blocks<Posted>
  readonly #ledger: Ledger
  /** Accounts as the emulator keeps them: a ShardAccount, base64. */
  readonly #accounts = new Map<Address, string>()
  readonly #held = new Map<Address, Held>()
  readonly #paidTo = new Set<Address>()
  readonly #configs = new Map<number, string>()
  #executor: Executor | undefined
  #lt = 0n
  #feesNano = 0n
  #transactions = 0

  constructor({ scheduler, random, plan, globalId }: ModelChainOptions) {
    this.globalId = globalId ?? simulatedGlobalId
    this.#scheduler = scheduler
    this.#random = random
    this.#machineRandom = random.fork('machine')
    this.#blocks = new Blocks({
      scheduler,
      random: random.fork('blocks'),
      weather: this.#weather,
      blockMs: plan.blockMs,
      include: (posted) => this.#include(posted),
    })
    this.#ledger = {
      escrow: (escrow) => this.#escrow(escrow),
      payee: (escrow, payee) => this.#payee(escrow, payee),
      settleNanoMin: () => this.#settleNanoMin(),
      submit: (escrow, vouchers) => this.#submit(escrow, vouchers),
      hashOf,
      transaction: (escrow, messageHash) => this.#held.get(escrow)?.transactions.get(messageHash),
    }
  }

  /** The first call loads the emulator, which takes real time: call it before the run begins. */
  async openEscrow(signer: Uint8Array, depositNano: Nano): Promise<OpenedEscrow> {
    this.#executor ??= await loadedExecutor()
    const owner = accountOf('owner', signer)
    const unlockDelaySec = unlockDelayMs / 1_000
    const escrow = Escrow.fromParameters({ owner: TonAddress.parseRaw(owner), signer, unlockDelaySec })
    const address = parseAddress(escrow.address.toRawString())
    if (!this.#held.has(address)) {
      this.#held.set(address, { escrow, owner, depositNano: 0n, settled: new Map(), transactions: new Map() })
    }
    await this.#ownerSends(address, depositNano, undefined, escrow.init)
    return { address, owner }
  }

  topUp(escrow: Address, amountNano: Nano): Promise<void> {
    return this.#ownerSends(escrow, amountNano)
  }

  startUnlock(escrow: Address): Promise<void> {
    return this.#ownerSends(escrow, operationNano, startUnlockBody())
  }

  async finalize(escrow: Address): Promise<void> {
    await this.#ownerSends(escrow, operationNano, finalizeBody())
    this.#find(escrow).settled.clear()
  }

  endpoint(life: Life): Chain {
    const random = this.#random.fork('endpoint')
    return endpointOf(this.#ledger, { scheduler: this.#scheduler, random, weather: this.#weather, life })
  }

  disturb(fault: ChainFault): () => void {
    return this.#weather.disturb(fault)
  }

  /** `feesNano` is added up from transactions and messages; all else is read off accounts. */
  totals(): ChainTotals {
    let depositedNano = 0n
    let inEscrowsNano = 0n
    let paidOutNano = 0n
    for (const [address, { depositNano }] of this.#held) {
      depositedNano += depositNano
      inEscrowsNano += this.#balanceNano(address)
    }
    for (const account of this.#paidTo) paidOutNano += this.#balanceNano(account)
    return { depositedNano, inEscrowsNano, paidOutNano, feesNano: this.#feesNano }
  }

  /** As the contract told after its last transaction. */
  settled(escrow: Address, payee: Address): Nano {
    return this.#held.get(escrow)?.settled.get(payee) ?? 0n
  }

  deposit(escrow: Address): Nano {
    return this.#held.get(escrow)?.depositNano ?? 0n
  }

  received(account: Address): Nano {
    return this.#balanceNano(account)
  }

  figures(): Readonly<Record<string, number>> {
    const { made, lost } = this.#blocks.figures
    return { chainBlocks: made, chainMessagesLost: lost, chainTransactions: this.#transactions }
  }

  async #escrow(escrow: Address): Promise<EscrowState> {
    const held = this.#held.get(escrow)
    if (!held) return { ...noEscrow, address: escrow }
    const account = await held.escrow.getAccount(this.#provider(escrow))
    return {
      address: escrow,
      isEscrow: true,
      globalId: account.globalId,
      owner: parseAddress(account.owner.toRawString()),
      signer: account.signer,
      epoch: account.epoch,
      unlockAtMs: account.unlockAt * 1_000,
      unlockDelayMs: account.unlockDelaySec * 1_000,
      freeNano: account.freeNano,
    }
  }

  async #payee(escrow: Address, payee: Address): Promise<PayeeState> {
    const held = this.#held.get(escrow)
    if (!held) return { settledNano: 0n, reservedNano: 0n, payableNano: 0n }
    const { settledNano, reservedNano, payableNano } = await held.escrow.getPayee(this.#provider(escrow), payee)
    return { settledNano, reservedNano, payableNano }
  }

  async #settleNanoMin(): Promise<Nano> {
    for (const [address, { escrow }] of this.#held) {
      return await escrow.getLeastDue(this.#provider(address), limits.voucherBatchMax)
    }
    return settleNanoMin2026
  }

  async #submit(escrow: Address, vouchers: readonly Voucher[]): Promise<boolean> {
    if (!this.#held.has(escrow)) throw new MeshError('escrow-unusable', `no escrow that could pay runs at ${escrow}`)
    const outcome = await this.#run(escrow, settleMessage(escrow, vouchers))
    if (typeof outcome === 'number') {
      if (outcome === nothingDueExit) return false
      const code = outcome === wrongSignatureExit ? 'voucher-invalid' : 'escrow-unusable'
      const why = exitCodes[outcome] ?? 'no exit code of an escrow'
      throw new MeshError(code, `escrow ${escrow} refused the vouchers with exit code ${outcome}: ${why}`)
    }
    const hash = hashOf(escrow, vouchers)
    this.#blocks.add(hash, { hash, escrow, vouchers })
    return true
  }

  async #include({ hash, escrow, vouchers }: Posted): Promise<void> {
    const outcome = await this.#run(escrow, settleMessage(escrow, vouchers))
    if (typeof outcome === 'number') return // no longer accepted: in no block, and cost nobody anything
    const feeNano = await this.#commit(escrow, outcome)
    const held = this.#find(escrow)
    for (const { terms } of vouchers)
      held.settled.set(terms.payee, (await this.#payee(escrow, terms.payee)).settledNano)
    held.transactions.delete(hash)
    held.transactions.set(hash, { hash: outcome.transaction.hash().toString('hex'), feeNano })
    for (const oldest of held.transactions.keys()) {
      if (held.transactions.size <= transactionsMax) break
      held.transactions.delete(oldest)
    }
  }

  async #ownerSends(escrow: Address, valueNano: Nano, body?: Cell, init?: StateInit): Promise<void> {
    const held = this.#find(escrow)
    const message = internal({
      to: held.escrow.address,
      value: valueNano,
      bounce: false,
      body: body ?? null,
      init: init ?? null,
    })
    if (message.info.type !== 'internal') throw new TypeError('an owner sends internal messages')
    const sent = { ...message, info: { ...message.info, src: TonAddress.parseRaw(held.owner) } }
    const outcome = await this.#run(escrow, sent)
    if (typeof outcome === 'number') throw new RangeError(`escrow ${escrow} could not be run: ${outcome}`)
    held.depositNano += valueNano
    await this.#commit(escrow, outcome)
    const { description } = outcome.transaction
    const exitCode =
      description.type === 'generic' && description.computePhase.type === 'vm' ? description.computePhase.exitCode : 0
    if (exitCode !== 0) throw new RangeError(`escrow ${escrow} refused its owner: ${exitCodes[exitCode] ?? exitCode}`)
  }

  /** Keeps what a transaction did, and everything it caused. What all of it destroyed. */
  async #commit(address: Address, { transaction, account }: Executed): Promise<Nano> {
    this.#accounts.set(address, account)
    this.#transactions += 1
    let feeNano = transaction.totalFees.coins
    const onTheirWay: Message[] = [...transaction.outMessages.values()]
    for (let count = 0; count < traceTransactionsMax; count += 1) {
      const message = onTheirWay.shift()
      if (message?.info.type !== 'internal') break
      const to = parseAddress(message.info.dest.toRawString())
      feeNano += message.info.forwardFee
      const outcome = await this.#run(to, message)
      if (typeof outcome === 'number') throw new Error(`a payout to ${to} could not be run: ${outcome}`)
      this.#accounts.set(to, outcome.account)
      this.#paidTo.add(to)
      feeNano += outcome.transaction.totalFees.coins
      onTheirWay.push(...outcome.transaction.outMessages.values())
    }
    this.#feesNano += feeNano
    return feeNano
  }

  /** Runs a message on an account as it is now and keeps nothing. The exit code, or −1 without one, where it was not accepted. */
  async #run(to: Address, message: Message): Promise<Executed | number> {
    this.#lt += 1_000_000n
    const { result } = await this.#machine.runTransaction({
      config: this.#config(),
      libs: null,
      verbosity: 'short',
      shardAccount: this.#accounts.get(to) ?? noAccount,
      message: beginCell()
        .store(storeMessage(message, { forceRef: true }))
        .endCell(),
      now: this.#nowSec,
      lt: this.#lt,
      randomSeed: Buffer.from(this.#machineRandom.bytes(32)),
      ignoreChksig: false,
      debugEnabled: false,
    })
    if (!result.success) return result.vmResults?.vmExitCode ?? -1
    const transaction = loadTransaction(Cell.fromBase64(result.transaction).beginParse())
    return { transaction, account: result.shardAccount }
  }

  /** Get-methods of one account, all that the escrow's wrapper reads by. */
  #provider(address: Address): ContractProvider {
    const unused = (): never => {
      throw new TypeError('only get-methods are asked for')
    }
    return {
      get: async (name, args) => ({ stack: new TupleReader(await this.#get(address, name, args)) }),
      getState: unused,
      external: unused,
      internal: unused,
      open: unused,
      getTransactions: unused,
    }
  }

  async #get(address: Address, name: string | number, stack: TupleItem[]): Promise<TupleItem[]> {
    const storage = loadShardAccount(Cell.fromBase64(this.#accounts.get(address) ?? noAccount).beginParse()).account
      ?.storage
    if (storage?.state.type !== 'active') throw new Error(`no contract runs at ${address}`)
    const { code, data } = storage.state.state
    const { output } = await this.#machine.runGetMethod({
      config: this.#config(),
      code: code ?? Cell.EMPTY,
      data: data ?? Cell.EMPTY,
      methodId: typeof name === 'number' ? name : getMethodId(name),
      stack,
      verbosity: 'short',
      address: TonAddress.parseRaw(address),
      unixTime: this.#nowSec,
      balance: storage.balance.coins,
      randomSeed: Buffer.from(this.#machineRandom.bytes(32)),
      gasLimit: getGasMax,
      debugEnabled: false,
    })
    if (!output.success || output.vm_exit_code > 1) throw new Error(`get-method ${name} of ${address} failed`)
    return output.stack === '' ? [] : parseTuple(Cell.fromBase64(output.stack))
  }

  #config(): string {
    const factor = this.#weather.priceFactor
    let config = this.#configs.get(factor)
    if (config === undefined) {
      const fees = scaleBasechainPrices(mainnet2026Fees, BigInt(Math.round(factor * 1_000)), 1_000n)
      config = withGlobalId(sandboxConfig(fees), this.globalId).toBoc().toString('base64')
      this.#configs.set(factor, config)
    }
    return config
  }

  #balanceNano(address: Address): Nano {
    const account = this.#accounts.get(address)
    return account ? (loadShardAccount(Cell.fromBase64(account).beginParse()).account?.storage.balance.coins ?? 0n) : 0n
  }

  #find(escrow: Address): Held {
    const held = this.#held.get(escrow)
    if (!held) throw new RangeError(`no escrow was opened at ${escrow}`)
    return held
  }

  get #machine(): Executor {
    if (!this.#executor) throw new Error('the emulator is not loaded: open an escrow first')
    return this.#executor
  }

  get #nowSec(): number {
    return Math.floor(this.#scheduler.now() / 1_000)
  }
}

let executor: Promise<Executor> | undefined

/** One for all chains of this process: it keeps nothing between two calls but a parsed configuration. */
function loadedExecutor(): Promise<Executor> {
  executor ??= Executor.create()
  return executor
}

const noAccount = beginCell()
  .store(storeShardAccount({ account: null, lastTransactionHash: 0n, lastTransactionLt: 0n }))
  .endCell()
  .toBoc()
  .toString('base64')

function settleMessage(escrow: Address, vouchers: readonly Voucher[]): Message {
  return external({ to: TonAddress.parseRaw(escrow), body: settleBody(vouchers) })
}

function hashOf(escrow: Address, vouchers: readonly Voucher[]): string {
  return normalizedHash(settleMessage(escrow, vouchers)).toString('hex')
}

/** The chain itself: externals wait in a mempool, each block delivers the messages of earlier blocks, then runs the mempool. */
import { createHash, randomBytes } from 'node:crypto'
import { type Address, Cell, loadShardAccount, type ShardAccount, type TupleItem } from '@ton/core'
import { type FeeSchedule, mainnet2026Fees, sandboxConfig, scaleBasechainPrices, withGlobalId } from '../fees.ts'
import { Block, nextBlockLt } from './block.ts'
import { ApiError, LocalnetError } from './errors.ts'
import { decodeExternal, type External } from './message.ts'
import type { Head, Store, StoredTransaction, Undo } from './store.ts'
import type { GetMethodOutcome, MessageOutcome, Tvm } from './tvm.ts'

/** Configuration parameter 19, an id no public chain has: what wallets and peers sign for play money is void elsewhere. */
export const localGlobalId = 31_337
/** Externals waiting for a block. Each is at most 64 KiB, so the mempool holds at most 32 MiB. */
export const mempoolMax = 512
/** Messages in flight above which new externals are refused, as a mainnet shard does when its out-queue is too long. */
export const inFlightMax = 10_000
/** At 3-12 ms a transaction a full block takes about a second. */
export const blockTransactionsMax = 128
/** A contract may answer itself for ever; a chain that mines at once stops to let the caller go on. */
export const blocksAtOnceMax = 64
/** The chain's time is a `uint32`; wallets and contracts add their own terms to it. */
const utimeMax = 2 ** 32 - 1 - 366 * 86_400
const vmLogCharsMax = 256
/** Blocks with transactions that can be taken back, or looked back at. */
export const undoMax = 256
/** Prices were six times as high until May 2026. */
export const priceFactorMax = 1_000

export interface Submitted {
  readonly external: External
  /** Resolves when its block is committed: with the transaction, or undefined where the message was no longer accepted. */
  readonly included: Promise<StoredTransaction | undefined>
}

/** What the API reads and writes: the chain, as it is or as it was some blocks ago. */
export interface ChainView {
  readonly head: Head
  readonly store: Store
  readonly tvm: Tvm
  account(address: Address): ShardAccount | undefined
  /** Undefined where there is no code to run. */
  get(address: Address, methodId: number, stack: readonly TupleItem[]): Promise<GetMethodOutcome | undefined>
  submit(boc: Buffer): Promise<Submitted>
  estimate(to: Address, message: Cell, ignoreSignatures: boolean): Promise<Cell>
  blockHash(kind: 'root' | 'file' | 'state', workchain: number, seqno: number): Buffer
}

interface Pending extends Submitted {
  readonly settle: (transaction: StoredTransaction | undefined) => void
}

export class Chain {
  readonly tvm: Tvm
  readonly store: Store
  readonly blockMs: number
  readonly secret: Buffer
  #head: Head
  #fees: FeeSchedule = mainnet2026Fees
  /** How to take back the last blocks made since the start, the oldest first. */
  readonly #undo: Undo[] = []
  /** The first block that can be gone back to. */
  #undoFrom: number
  #forks = 0
  readonly #mempool = new Map<string, Pending>()
  #mining: Promise<unknown> = Promise.resolve()
  #failure: LocalnetError | undefined
  #closed = false

  /** `blockMs` 0: a block whenever a message arrives, until nothing is in flight. */
  constructor(tvm: Tvm, store: Store, blockMs: number, genesis: (secret: Buffer) => ReadonlyMap<string, string>) {
    this.tvm = tvm
    this.store = store
    this.blockMs = blockMs
    const stored = store.stored()
    if (stored === undefined) {
      this.secret = randomBytes(32)
      this.#head = { seqno: 0, utimeSec: wallSec(), lt: 0n, aheadSec: 0 }
      store.begin(this.#head, blockMs, this.secret, genesis(this.secret))
    } else {
      this.secret = stored.secret
      this.#head = { ...stored.head, seqno: stored.head.seqno + blocksSince(stored.head, stored.blockMs) }
    }
    this.#undoFrom = this.#head.seqno
  }

  get head(): Head {
    return this.#head
  }

  get fees(): FeeSchedule {
    return this.#fees
  }

  /** Times that blocks were taken back. */
  get forks(): number {
    return this.#forks
  }

  get waiting(): number {
    return this.#mempool.size
  }

  get inFlight(): number {
    return this.store.queued().inFlight
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Why no more blocks are made, once a block could not be written. */
  get failure(): LocalnetError | undefined {
    return this.#failure
  }

  /** Runs the external against the current state, as a node does, and keeps it for the next block if the account accepts it. */
  async submit(boc: Buffer): Promise<Submitted> {
    return this.enqueue(await this.check(boc))
  }

  /** Refuses what the account does not accept now. */
  async check(boc: Buffer): Promise<External> {
    const external = decodeExternal(boc)
    const outcome = await this.#try(external.to, external.cell, { trace: true })
    if (outcome.kind === 'refused') throw notAccepted(external.to, outcome)
    return external
  }

  /** Without the pre-check, which knows nothing of externals still in the mempool: for several of one sender in a block. */
  async enqueue(external: External): Promise<Submitted> {
    const key = external.hash.toString('hex')
    let pending = this.#mempool.get(key)
    if (pending === undefined) {
      this.#refuseWhenFull()
      const { promise, resolve } = Promise.withResolvers<StoredTransaction | undefined>()
      pending = { external, included: promise, settle: resolve }
      this.#mempool.set(key, pending)
    }
    if (this.blockMs === 0) await this.mineUntilQuiet()
    return pending
  }

  async estimate(to: Address, message: Cell, ignoreSignatures: boolean): Promise<Cell> {
    const outcome = await this.#try(to, message, { trace: true, ignoreSignatures })
    if (outcome.kind === 'refused') throw notAccepted(to, outcome)
    return outcome.transaction
  }

  account(address: Address): ShardAccount | undefined {
    return loaded(this.store.account(address.toRawString()))
  }

  /** The chain as it was so many blocks ago: the accounts and their transactions, not what is in flight. */
  asOf(blocksAgo: number): ChainView {
    const seqno = Math.max(this.#undoFrom, this.#head.seqno - blocksAgo)
    const later = this.#undo.filter((block) => block.seqno > seqno)
    const head = { ...(later[0]?.before ?? this.#head), seqno }
    const account = (address: Address): ShardAccount | undefined => {
      const raw = address.toRawString()
      const changed = later.find(({ accounts }) => accounts.has(raw))
      return changed ? loaded(changed.accounts.get(raw)) : this.account(address)
    }
    return {
      head,
      account,
      store: this.store,
      tvm: this.tvm,
      get: (address, methodId, stack) => this.#get(account(address), address, methodId, stack),
      submit: (boc) => this.submit(boc),
      estimate: (to, message, ignoreSignatures) => this.estimate(to, message, ignoreSignatures),
      blockHash: (kind, workchain, past) => this.blockHash(kind, workchain, past),
    }
  }

  async #get(
    account: ShardAccount | undefined,
    address: Address,
    methodId: number,
    stack: readonly TupleItem[],
  ): Promise<GetMethodOutcome | undefined> {
    const storage = account?.account?.storage
    if (storage?.state.type !== 'active') return undefined
    const { code, data } = storage.state.state
    if (!code) return undefined
    const balanceNano = storage.balance.coins
    const nowSec = this.#nowSec()
    return this.tvm.get({ address, code, data: data ?? Cell.EMPTY, balanceNano, methodId, stack, nowSec })
  }

  /** One block now, even an empty one, which is then recorded too. */
  mine(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#mineBlock()
      this.store.saveHead(this.#head, this.blockMs)
    })
  }

  /** One block on the clock; an empty one costs no write. */
  tick(): Promise<void> {
    return this.#inTurn(() => this.#mineBlock())
  }

  /**
   * Another branch wins: what the last `blocks` blocks did has not happened, and the chain goes on, one block higher, from
   * the one before them. Their externals are gone, and may be sent again.
   */
  async fork(blocks: number): Promise<void> {
    await this.#inTurn(async () => {
      const seqno = this.#head.seqno - blocks
      if (seqno < this.#undoFrom) {
        throw new ApiError(422, `${blocks} blocks cannot be undone: those up to ${this.#undoFrom} are for good`)
      }
      const undone = this.#undo.filter((block) => block.seqno > seqno)
      this.#undo.length -= undone.length
      // time and logical time go on: nothing of the other branch is ever seen under the same name
      const head = { ...this.#head, seqno: this.#head.seqno + 1 }
      this.store.undo(undone.toReversed(), head, this.blockMs)
      this.#head = head
      this.#forks += 1
    })
    if (this.blockMs === 0) await this.mineUntilQuiet()
  }

  /** Gas, forwarding and storage cost so many times what they cost on mainnet in 2026, from the next block on. */
  setPrices(factor: number): Promise<void> {
    if (!(factor > 0) || factor > priceFactorMax) {
      throw new ApiError(422, `factor is ${factor}, expected more than 0 and at most ${priceFactorMax}`)
    }
    return this.#inTurn(async () => {
      this.#fees = scaleBasechainPrices(mainnet2026Fees, BigInt(Math.round(factor * 1_000)), 1_000n)
      this.tvm.use(withGlobalId(sandboxConfig(this.#fees), localGlobalId))
    })
  }

  mineUntilQuiet(): Promise<void> {
    return this.#inTurn(async () => {
      for (let blocks = 0; blocks < blocksAtOnceMax; blocks += 1) {
        if (this.#mempool.size === 0 && this.inFlight === 0) return
        await this.#mineBlock()
      }
    })
  }

  /** Moves the chain's clock forward: what waits for a date (an unlock delay, `valid_until`) need not be waited for. */
  advance(seconds: number): Promise<void> {
    return this.#inTurn(async () => {
      const aheadSec = this.#head.aheadSec + seconds
      if (wallSec() + aheadSec > utimeMax) {
        throw new ApiError(422, `the clock cannot go ${seconds} s on: the chain's time ends at ${utimeMax}`)
      }
      this.#head = { ...this.#head, aheadSec }
      await this.#mineBlock()
      this.store.saveHead(this.#head, this.blockMs)
    })
  }

  /** The last block: externals already accepted are run, and what is in flight stays in the store for the next start. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#closed) return
      try {
        if (this.#mempool.size > 0) await this.#mineBlock()
        if (this.#failure === undefined) this.store.saveHead(this.#head, this.blockMs)
      } finally {
        this.#closed = true
        this.#abandonMempool()
        this.store.close()
      }
    })
  }

  /** Blocks are not serialised here; their hashes only have to name them, the same after a restart. */
  blockHash(kind: 'root' | 'file' | 'state', workchain: number, seqno: number): Buffer {
    const name = `${kind}:${workchain}:${seqno}`
    return createHash('sha256').update(this.secret).update(name).digest()
  }

  #try(to: Address, message: Cell, options: { trace?: boolean; ignoreSignatures?: boolean }): Promise<MessageOutcome> {
    const account = this.store.account(to.toRawString())
    return this.tvm.run({ account, message, nowSec: this.#nowSec(), lt: nextBlockLt(this.#head.lt), ...options })
  }

  #refuseWhenFull(): void {
    if (this.#failure !== undefined) throw new ApiError(503, this.#failure.message)
    if (this.#mempool.size >= mempoolMax) {
      throw new ApiError(503, `mempool is full: ${mempoolMax} externals are waiting, try again after the next block`)
    }
    if (this.inFlight > inFlightMax) {
      throw new ApiError(503, `more than ${inFlightMax} messages are in flight, try again in some blocks`)
    }
  }

  #nowSec(): number {
    return Math.max(this.#head.utimeSec, wallSec() + this.#head.aheadSec)
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#mining.then(work)
    this.#mining = turn.catch(() => undefined)
    return turn
  }

  async #mineBlock(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const block = new Block(this.#head, this.#nowSec(), this.tvm, this.store)
    const pending: Pending[] = []
    try {
      for (const message of this.store.queue(blockTransactionsMax)) await block.deliver(message)
      for (const [key, entry] of this.#mempool) {
        if (block.transactions.length >= blockTransactionsMax) break
        this.#mempool.delete(key)
        pending.push(entry)
        await block.accept(entry.external)
      }
      if (block.changed) this.#commit(block)
    } catch (error) {
      this.#failure = new LocalnetError('stopped', stoppedMessage(this.#head.seqno + 1, error), error)
      for (const entry of pending) entry.settle(undefined)
      this.#abandonMempool()
      throw this.#failure
    }
    this.#head = block.head()
    for (const { external, settle } of pending) settle(block.inclusionOf(external))
  }

  #commit(block: Block): void {
    const changes = block.changes()
    const undo = this.store.undoOf(changes, this.#head)
    this.store.commit(changes, this.blockMs)
    this.#undo.push(undo)
    if (this.#undo.length > undoMax) this.#undoFrom = this.#undo.shift()?.seqno ?? this.#undoFrom
  }

  #abandonMempool(): void {
    for (const { settle } of this.#mempool.values()) settle(undefined)
    this.#mempool.clear()
  }
}

function loaded(state: string | undefined): ShardAccount | undefined {
  return state === undefined ? undefined : loadShardAccount(Cell.fromBase64(state).beginParse())
}

/** The wording of a liteserver behind toncenter, which clients parse for `exitcode=`. */
function notAccepted(to: Address, outcome: Extract<MessageOutcome, { kind: 'refused' }>): ApiError {
  const account = to.hash.toString('hex').toUpperCase()
  const refusal =
    'LITE_SERVER_UNKNOWN: cannot apply external message to current state : External message was not accepted\n' +
    'Cannot run message on account: inbound external message rejected by'
  if (outcome.vm === undefined) {
    return new ApiError(500, `${refusal} account ${account} before smart-contract execution`)
  }
  const { exitCode, log } = outcome.vm
  const steps = log.split('\n').filter((line) => line.startsWith('execute ')).length
  const tail = log.length > vmLogCharsMax ? `...${log.slice(-vmLogCharsMax)}` : log
  return new ApiError(
    500,
    `${refusal} transaction ${account}:\nexitcode=${exitCode}, steps=${steps}, gas_used=0\nVM Log (truncated):\n${tail}`,
  )
}

function stoppedMessage(seqno: number, error: unknown): string {
  const why = error instanceof Error ? error.message : String(error)
  return `the local chain stopped: block ${seqno} could not be made or written (${why}); the state before it is safe, start the chain again`
}

/**
 * A chain whose blocks are on a clock has made empty blocks since: a sequence number shown before a crash is never shown again.
 * `utime` is in whole seconds, hence one more.
 */
function blocksSince(head: Head, blockMs: number): number {
  if (blockMs === 0) return 0
  const gapSec = wallSec() + head.aheadSec - head.utimeSec + 1
  return gapSec <= 0 ? 0 : Math.ceil((gapSec * 1000) / blockMs)
}

function wallSec(): number {
  return Math.floor(Date.now() / 1000)
}

/** A block in the making: runs messages on a private copy of the accounts they touch, and hands the store one set of changes. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Address, type Cell, type CommonMessageInfoInternal, loadMessage } from '@ton/core'
import { type External, transactionMessages } from './message.ts'
import type { BlockChanges, Head, QueuedMessage, Store, StoredTransaction } from './store.ts'
import type { MessageOutcome, Tvm } from './tvm.ts'

export class Block {
  readonly #seqno: number
  readonly #nowSec: number
  readonly #aheadSec: number
  readonly #startLt: bigint
  readonly #tvm: Tvm
  readonly #store: Store
  readonly #accounts = new Map<string, string>()
  readonly #delivered: number[] = []
  readonly #undeliverable: { id: number; reason: string }[] = []
  readonly #sent: Cell[] = []
  readonly #byExternal = new Map<External, StoredTransaction>()
  readonly transactions: (BlockChanges['transactions'][number] & StoredTransaction)[] = []
  #lt: bigint

  constructor(previous: Head, nowSec: number, tvm: Tvm, store: Store) {
    this.#seqno = previous.seqno + 1
    this.#nowSec = nowSec
    this.#aheadSec = previous.aheadSec
    this.#lt = previous.lt
    this.#startLt = nextBlockLt(previous.lt)
    this.#tvm = tvm
    this.#store = store
  }

  get changed(): boolean {
    return this.transactions.length > 0 || this.#undeliverable.length > 0
  }

  head(): Head {
    return { seqno: this.#seqno, utimeSec: this.#nowSec, lt: this.#lt, aheadSec: this.#aheadSec }
  }

  changes(): BlockChanges {
    return {
      head: this.head(),
      startLt: this.#startLt,
      accounts: this.#accounts,
      transactions: this.transactions,
      delivered: this.#delivered,
      undeliverable: this.#undeliverable,
      sent: this.#sent,
    }
  }

  inclusionOf(external: External): StoredTransaction | undefined {
    return this.#byExternal.get(external)
  }

  /** An internal message always makes a transaction; one the emulator cannot run is set aside, so that the chain goes on. */
  async deliver({ id, cell }: QueuedMessage): Promise<void> {
    let info: CommonMessageInfoInternal
    try {
      info = internalInfo(cell)
    } catch (error) {
      this.#undeliverable.push({ id, reason: String(error) })
      return
    }
    const outcome = await this.#run(info.dest, cell).catch((error: unknown) => refusedBy(error))
    if (outcome.kind === 'refused') {
      this.#undeliverable.push({ id, reason: outcome.reason })
      return
    }
    this.#delivered.push(id)
    this.#include(info.dest, outcome, [cell.hash()], info.createdLt)
  }

  /** An external is dropped without a trace where the account no longer accepts it (a replay, a used seqno). */
  async accept(external: External): Promise<void> {
    const outcome = await this.#run(external.to, external.cell).catch((error: unknown) => refusedBy(error))
    if (outcome.kind === 'refused') return
    const hashes = [external.hash, external.normalizedHash]
    this.#byExternal.set(external, this.#include(external.to, outcome, hashes, undefined))
  }

  async #run(to: Address, message: Cell): Promise<MessageOutcome> {
    await nextTurn() // a block is seconds of WASM at most: requests are answered in between, from the committed state
    const address = to.toRawString()
    const account = this.#accounts.get(address) ?? this.#store.account(address)
    return this.#tvm.run({ account, message, nowSec: this.#nowSec, lt: this.#nextLt() })
  }

  #nextLt(): bigint {
    return this.#lt < this.#startLt ? this.#startLt : this.#lt + 1n
  }

  #include(
    to: Address,
    outcome: Extract<MessageOutcome, { kind: 'executed' }>,
    inHashes: readonly Buffer[],
    inCreatedLt: bigint | undefined,
  ): StoredTransaction {
    const { transaction: cell } = outcome
    const account = to.toRawString()
    const lt = this.#nextLt()
    const { out } = transactionMessages(cell)
    // The transaction takes `lt`, its messages the ones that follow: no two things on this chain share a logical time.
    this.#lt = lt + BigInt(out.length)
    this.#accounts.set(account, outcome.account)
    for (const message of out) {
      if (isInternal(message)) this.#sent.push(message)
    }
    const transaction = {
      account,
      lt,
      hash: cell.hash(),
      seqno: this.#seqno,
      cell,
      inHashes,
      outHashes: out.map((message) => message.hash()),
      inCreatedLt,
    }
    this.transactions.push(transaction)
    return transaction
  }
}

// int_msg_info$0, ext_in_msg_info$10, ext_out_msg_info$11
function isInternal(message: Cell): boolean {
  return !message.beginParse().loadBit()
}

function internalInfo(message: Cell): CommonMessageInfoInternal {
  const { info } = loadMessage(message.beginParse())
  if (info.type !== 'internal') throw new TypeError(`a message in flight is ${info.type}, expected an internal one`)
  return info
}

function refusedBy(error: unknown): MessageOutcome {
  return { kind: 'refused', reason: error instanceof Error ? error.message : String(error), vm: undefined }
}

/** Mainnet aligns each block's first logical time to this. */
const blockLtStep = 1_000_000n

export function nextBlockLt(lt: bigint): bigint {
  return (lt / blockLtStep + 1n) * blockLtStep
}

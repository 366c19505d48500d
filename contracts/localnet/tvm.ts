/** TON's virtual machine: the sandbox's emulator, run one message or one get-method at a time with no state of its own. */
import { randomBytes } from 'node:crypto'
import { type Address, beginCell, Cell, parseTuple, storeShardAccount, type TupleItem } from '@ton/core'
import { Executor } from '@ton/sandbox'
import { ApiError } from './errors.ts'

/** Gas of a get-method, as liteservers allow it. */
export const getMethodGasMax = 1_000_000n

export interface MessageRun {
  /** The account before the message: a ShardAccount as base64 BoC; undefined where nothing exists at the address yet. */
  readonly account: string | undefined
  readonly message: Cell
  readonly nowSec: number
  readonly lt: bigint
  readonly ignoreSignatures?: boolean
  /** Keep the whole VM log, for the reply to a refused external. */
  readonly trace?: boolean
}

export type MessageOutcome =
  | { readonly kind: 'executed'; readonly transaction: Cell; readonly account: string }
  | { readonly kind: 'refused'; readonly reason: string; readonly vm: { exitCode: number; log: string } | undefined }

export interface GetMethodRun {
  readonly address: Address
  readonly code: Cell
  readonly data: Cell
  readonly balanceNano: bigint
  readonly methodId: number
  readonly stack: readonly TupleItem[]
  readonly nowSec: number
}

export interface GetMethodOutcome {
  readonly exitCode: number
  readonly gasUsed: number
  readonly stack: readonly TupleItem[]
}

/**
 * One emulator. The sandbox's `Blockchain` is not used: it keeps every transaction for ever, runs a whole trace at once
 * and leaves the messages of a pre-check in its queue.
 */
export class Tvm {
  #config: Cell
  #configBoc: string
  #executor: Executor

  private constructor(config: Cell, executor: Executor) {
    this.#config = config
    this.#configBoc = config.toBoc().toString('base64')
    this.#executor = executor
  }

  static async create(config: Cell): Promise<Tvm> {
    return new Tvm(config, await Executor.create())
  }

  get config(): Cell {
    return this.#config
  }

  /** From the next message on. */
  use(config: Cell): void {
    this.#config = config
    this.#configBoc = config.toBoc().toString('base64')
  }

  async run(run: MessageRun): Promise<MessageOutcome> {
    const { result } = await this.#guarded((executor) =>
      executor.runTransaction({
        config: this.#configBoc,
        libs: null,
        verbosity: run.trace === true ? 'full' : 'short',
        shardAccount: run.account ?? noAccount,
        message: run.message,
        now: run.nowSec,
        lt: run.lt,
        randomSeed: randomBytes(32),
        ignoreChksig: run.ignoreSignatures ?? false,
        debugEnabled: false,
      }),
    )
    if (!result.success) {
      const vm = result.vmResults && { exitCode: result.vmResults.vmExitCode, log: result.vmResults.vmLog }
      return { kind: 'refused', reason: result.error, vm }
    }
    return { kind: 'executed', transaction: Cell.fromBase64(result.transaction), account: result.shardAccount }
  }

  async get(run: GetMethodRun): Promise<GetMethodOutcome> {
    const { output } = await this.#guarded((executor) =>
      executor.runGetMethod({
        config: this.#configBoc,
        code: run.code,
        data: run.data,
        methodId: run.methodId,
        stack: [...run.stack],
        verbosity: 'short',
        address: run.address,
        unixTime: run.nowSec,
        balance: run.balanceNano,
        randomSeed: randomBytes(32),
        gasLimit: getMethodGasMax,
        debugEnabled: false,
      }),
    )
    if (!output.success) throw new ApiError(500, `the emulator refused the get-method: ${output.error}`)
    return {
      exitCode: output.vm_exit_code,
      gasUsed: Number(output.gas_used),
      stack: output.stack === '' ? [] : parseTuple(Cell.fromBase64(output.stack)),
    }
  }

  /** The emulator is WASM: a trap ("memory access out of bounds") leaves its heap undefined, so the next call gets a fresh one. */
  async #guarded<Result>(call: (executor: Executor) => Promise<Result>): Promise<Result> {
    try {
      return await call(this.#executor)
    } catch (error) {
      this.#executor = await Executor.create()
      const why = error instanceof Error ? error.message : String(error)
      throw new ApiError(
        500,
        `the emulator failed (${why}): cells nested more than some 400 deep are beyond it, mainnet takes 512`,
      )
    }
  }
}

const noAccount = beginCell()
  .store(storeShardAccount({ account: null, lastTransactionHash: 0n, lastTransactionLt: 0n }))
  .endCell()
  .toBoc()
  .toString('base64')

// What a chain is made to suffer, and how a node's endpoint answers meanwhile.

import type { Chain, EscrowState, PayeeState, SettleTransaction } from '../../node/ports.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import type { Nano } from '../../protocol/money.ts'
import type { Voucher } from '../../protocol/voucher.ts'
import type { Scheduler } from '../kernel.ts'
import type { Life } from '../life.ts'
import type { Fault } from '../plan.ts'
import type { SeededRandom } from '../random.ts'

export type ChainFault = Extract<Fault, { kind: 'chain' }>

/** What is under way; several may be at once. */
export class ChainWeather {
  readonly #faults = new Set<ChainFault>()

  disturb(fault: ChainFault): () => void {
    const begun = { ...fault }
    this.#faults.add(begun)
    return () => void this.#faults.delete(begun)
  }

  get isDown(): boolean {
    return this.#is('down')
  }

  get isForking(): boolean {
    return this.#is('reorder')
  }

  /** Blocks and answers take so many times as long: as the slowest fault has it. */
  get slowness(): number {
    let slowness = 1
    for (const { factor, how } of this.#faults) if (how === 'slow') slowness = Math.max(slowness, factor)
    return slowness
  }

  /** Prices times this. */
  get priceFactor(): number {
    let factor = 1
    for (const fault of this.#faults) if (fault.how === 'fee-spike') factor *= fault.factor
    return factor
  }

  #is(how: ChainFault['how']): boolean {
    for (const fault of this.#faults) if (fault.how === how) return true
    return false
  }
}

/** The chain behind an endpoint. What it tells is its latest state; it throws `MeshError` where it refuses. */
export interface Ledger {
  escrow(escrow: Address): EscrowState | Promise<EscrowState>
  payee(escrow: Address, payee: Address): PayeeState | Promise<PayeeState>
  /** What each of a full batch must at least be due, at the prices in force. */
  settleNanoMin(): Nano | Promise<Nano>
  /** Tries the message on the latest state, as an endpoint does before it passes it on to a block; false where nothing is due. */
  submit(escrow: Address, vouchers: readonly Voucher[]): boolean | Promise<boolean>
  hashOf(escrow: Address, vouchers: readonly Voucher[]): string
  transaction(escrow: Address, messageHash: string): SettleTransaction | undefined
}

export interface EndpointOptions {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly weather: ChainWeather
  readonly life: Life
}

/** One way to the endpoint or back. An assumption: a public API on the same continent answers in some 80 ms. */
const travelMs = 40

/** How the production adapter asks (node/adapters/ton/endpoint.ts): calls a second, tries, and pauses between them. */
const callsPerSecond = 25
const waitingMax = 1_000
const triesMax = 5
const pauseMsMin = 500
const pauseMsMax = 8_000
/** How long it believes what it read of prices (node/adapters/ton/chain.ts). */
const priceAgeMsMax = 600_000

/** One node's chain port: paced, tried again, and silent once the node is dead. */
export function endpointOf(ledger: Ledger, { scheduler, random, weather, life }: EndpointOptions): Chain {
  let freeAtMs = 0
  let waiting = 0
  let price: { readonly nano: Nano; readonly atMs: number } | undefined

  const pause = (ms: number): Promise<void> => {
    return new Promise((resolve) => {
      scheduler.at(scheduler.now() + ms, () => {
        if (!life.isOver) resolve()
      })
    })
  }
  const unavailable = (why: string): MeshError => new MeshError('chain-unavailable', `chain endpoint ${why}`)

  const turn = async (what: string): Promise<void> => {
    const nowMs = scheduler.now()
    const startMs = Math.max(nowMs, freeAtMs)
    if (waiting >= waitingMax) throw unavailable(`was not asked ${what}: ${waiting} calls wait`)
    freeAtMs = startMs + 1_000 / callsPerSecond
    if (startMs === nowMs) return
    waiting += 1
    await pause(startMs - nowMs)
    waiting -= 1
  }

  const asked = async <T>(what: string, work: () => T | Promise<T>): Promise<T> => {
    await turn(what)
    for (let tries = 1; ; tries += 1) {
      await pause(travelMs * weather.slowness)
      if (!weather.isDown) {
        const outcome = await outcomeOf(work)
        await pause(travelMs * weather.slowness)
        // the answer may be lost though the message was taken
        if (!weather.isDown) {
          if ('error' in outcome) throw outcome.error
          return outcome.value
        }
      }
      if (tries === triesMax) throw unavailable(`did not answer ${what} in ${tries} tries`)
      await pause(Math.min(pauseMsMax, pauseMsMin * 2 ** (tries - 1)) * (0.5 + random.next() / 2))
    }
  }
  const call = <T>(what: string, work: () => T | Promise<T>): Promise<T> => life.during(asked(what, work))

  return {
    escrow: (escrow) => call(`escrow ${escrow}`, () => ledger.escrow(escrow)),
    payee: (escrow, payee) => call(`payee ${payee} of escrow ${escrow}`, () => ledger.payee(escrow, payee)),
    settleNanoMin: async () => {
      if (price && scheduler.now() - price.atMs < priceAgeMsMax) return price.nano
      const nano = await call('leastDue', () => ledger.settleNanoMin())
      price = { nano, atMs: scheduler.now() }
      return nano
    },
    postSettle: async (escrow, vouchers) => {
      assertOneMessage(escrow, vouchers)
      // the contract refuses a message whose first voucher has nothing due, whatever is behind it
      for (let from = 0; from < vouchers.length; from += 1) {
        const rest = vouchers.slice(from)
        if (await call('sendBoc', () => ledger.submit(escrow, rest))) {
          return { messageHash: ledger.hashOf(escrow, rest), outcome: 'posted' }
        }
      }
      return { messageHash: ledger.hashOf(escrow, vouchers), outcome: 'nothing-due' }
    },
    settleTransaction: async (escrow, messageHash) => {
      if (!/^[0-9a-f]{64}$/.test(messageHash)) throw new RangeError(`"${messageHash}", expected 64 hex digits`)
      return await call(`transactions of escrow ${escrow}`, () => ledger.transaction(escrow, messageHash))
    },
  }
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown }

async function outcomeOf<T>(work: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work() }
  } catch (error) {
    return { error }
  }
}

function assertOneMessage(escrow: Address, vouchers: readonly Voucher[]): void {
  if (vouchers.length === 0 || vouchers.length > limits.voucherBatchMax) {
    throw new RangeError(`${vouchers.length} vouchers in one message, expected 1 to ${limits.voucherBatchMax}`)
  }
  for (const { terms } of vouchers) {
    if (terms.escrow !== escrow) {
      throw new MeshError('voucher-invalid', `voucher of escrow ${terms.escrow} in a message to escrow ${escrow}`)
    }
  }
}

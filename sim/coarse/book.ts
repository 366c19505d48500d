// Money in the coarse mode: every channel and escrow in columns of numbers, changed by the node's own reducer and rules.

import {
  type Channel,
  coveredNano,
  isDue,
  openChannel,
  recovered,
  step,
  unpaidNano,
  unsettledNano,
} from '../../node/settlement/channel.ts'
import { addressOf, type PeerId, peerIdOf } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { formatGram, type Nano } from '../../protocol/money.ts'
import { leastDueBeforehandNano, leastDueNano, rentReserveNano, settleFees, topUpNano } from '../model/chain-fees.ts'
import { Column } from './heap.ts'

/** The same of all channels: whose they are is in the columns, and no policy looks at it. */
const account = addressOf(new Uint8Array(32))
const somebody: PeerId = peerIdOf(new Uint8Array(32))
const channelId = { globalId: 0, escrow: account, epoch: 0, payee: account }
const noSignature = new Uint8Array(0)

export interface SettleRules {
  readonly thresholdNano: Nano
  readonly ageMsMax: number
}

export class CoarseBook {
  readonly #channels = new Map<number, number>()
  readonly #consumers = new Column()
  readonly #providers = new Column()
  readonly #owed = new Column()
  readonly #signed = new Column()
  readonly #settled = new Column()
  /** −1 where nothing is due. */
  readonly #dueSince = new Column()
  readonly #balances: Float64Array
  /** Payees that an escrow has paid: its ledger's size. */
  readonly #payees: Uint32Array
  readonly #earned: Float64Array
  readonly #spent: Float64Array
  readonly #received: Float64Array
  #least = { factor: 0, nano: 0n }
  #depositedNano = 0n
  #feesNano = 0n
  /** Messages that settled something. */
  settlements = 0
  /** Of `fee-spike` weather. */
  feeFactor = 1
  /** What some voucher covered and its escrow could not pay. */
  uncoveredNano = 0n

  /** `deposits` by consumer, in nano. */
  constructor(deposits: readonly Nano[], providers: number) {
    this.#balances = new Float64Array(deposits.length)
    this.#payees = new Uint32Array(deposits.length)
    this.#earned = new Float64Array(providers)
    this.#spent = new Float64Array(deposits.length)
    this.#received = new Float64Array(providers)
    for (const [consumer, nano] of deposits.entries()) {
      const feeNano = nano < topUpNano(1) ? nano : topUpNano(1)
      this.#depositedNano += nano
      this.#feesNano += feeNano
      this.#balances[consumer] = safe(nano - feeNano)
    }
  }

  get channels(): number {
    return this.#owed.length
  }

  /** The channel of the two, opened where there is none; `isNew` tells. */
  channelOf(consumer: number, provider: number): { readonly channel: number; readonly isNew: boolean } {
    const key = consumer * this.#earned.length + provider
    const known = this.#channels.get(key)
    if (known !== undefined) return { channel: known, isNew: false }
    const channel = this.#owed.push(0)
    this.#signed.push(0)
    this.#settled.push(0)
    this.#dueSince.push(-1)
    this.#consumers.push(consumer)
    this.#providers.push(provider)
    this.#channels.set(key, channel)
    return { channel, isNew: true }
  }

  providerOf(channel: number): number {
    return this.#providers.get(channel)
  }

  consumerOf(channel: number): number {
    return this.#consumers.get(channel)
  }

  delivered(channel: number, costNano: Nano): void {
    this.#put(channel, step(this.#view(channel), { type: 'delivered', costNano }))
    const provider = this.#providers.get(channel)
    this.#earned[provider] = safe(BigInt(this.#earned[provider] ?? 0) + costNano)
  }

  /** A voucher for all that is owed but this much. */
  pay(channel: number, nowMs: number, exceptNano: Nano = 0n): void {
    const before = this.#view(channel)
    const terms = { ...channelId, amountNano: before.owedNano - exceptNano }
    const after = step(before, { type: 'voucher', voucher: { terms, signature: noSignature }, nowMs })
    const consumer = this.#consumers.get(channel)
    this.#spent[consumer] = safe(BigInt(this.#spent[consumer] ?? 0) + coveredNano(after) - coveredNano(before))
    this.#put(channel, after)
  }

  /** Its provider restarted and knows no more than its vouchers. */
  forgive(channel: number): void {
    this.#put(channel, recovered(this.#view(channel)))
  }

  unpaidNano(channel: number): Nano {
    return unpaidNano(this.#view(channel))
  }

  /** The highest cumulative voucher that its escrow could pay. */
  coverNano(channel: number): Nano {
    return BigInt(this.#settled.get(channel)) + this.#freeNano(this.#consumers.get(channel))
  }

  owedNano(channel: number): Nano {
    return BigInt(this.#owed.get(channel))
  }

  isDue(channel: number, rules: SettleRules, nowMs: number, isUrgent: boolean): boolean {
    if (this.#least.factor !== this.feeFactor) {
      const nano = leastDueBeforehandNano(limits.voucherBatchMax, this.feeFactor)
      this.#least = { factor: this.feeFactor, nano }
    }
    return isDue(this.#view(channel), { ...rules, settleNanoMin: this.#least.nano }, nowMs, isUrgent)
  }

  /** Posts its voucher and puts it on chain: what is due, or what the escrow still has. */
  settle(channel: number): void {
    const before = this.#view(channel)
    const consumer = this.#consumers.get(channel)
    const provider = this.#providers.get(channel)
    const voucher = before.best
    if (!voucher) return
    const claimNano = unsettledNano(before)
    const freeNano = this.#freeNano(consumer)
    const dueNano = claimNano < freeNano ? claimNano : freeNano
    this.uncoveredNano += claimNano - dueNano
    const payees = this.#payees[consumer] ?? 0
    if (dueNano < leastDueNano([voucher], payees, this.feeFactor)) return
    const { sharedNano, deliveryNano } = settleFees([voucher], payees, this.feeFactor)
    const feeNano = sharedNano + deliveryNano
    if (before.settledNano === 0n) this.#payees[consumer] = payees + 1
    this.#balances[consumer] = safe(BigInt(this.#balances[consumer] ?? 0) - dueNano)
    this.#received[provider] = safe(BigInt(this.#received[provider] ?? 0) + dueNano - feeNano)
    this.#feesNano += feeNano
    this.settlements += 1
    this.#put(channel, step(before, { type: 'settled', settledNano: before.settledNano + dueNano }))
  }

  /** What its vouchers cover. */
  spentNano(consumer: number): Nano {
    return BigInt(this.#spent[consumer] ?? 0)
  }

  earnedNano(provider: number): Nano {
    return BigInt(this.#earned[provider] ?? 0)
  }

  /** Sums over everything; what was put in is where it is now, or was destroyed. */
  totals() {
    const inEscrowsNano = sumOf(this.#balances)
    const paidOutNano = sumOf(this.#received)
    let [coveredSum, owedSum, settledSum] = [0n, 0n, 0n]
    for (let channel = 0; channel < this.channels; channel += 1) {
      coveredSum += BigInt(this.#signed.get(channel))
      owedSum += BigInt(this.#owed.get(channel))
      settledSum += BigInt(this.#settled.get(channel))
    }
    return {
      depositedNano: this.#depositedNano,
      inEscrowsNano,
      paidOutNano,
      feesNano: this.#feesNano,
      coveredNano: coveredSum,
      owedNano: owedSum,
      settledNano: settledSum,
    }
  }

  /** What is wrong with the books; empty while all is well. */
  faults(): readonly { readonly check: string; readonly message: string }[] {
    const { depositedNano, feesNano, inEscrowsNano, paidOutNano } = this.totals()
    const faults: { check: string; message: string }[] = []
    const found = (check: string, message: string): void => void faults.push({ check, message })
    const now = inEscrowsNano + paidOutNano + feesNano
    if (now !== depositedNano) {
      found(
        'conservation',
        `${formatGram(depositedNano)} GRAM were deposited, ${formatGram(now)} are in escrows, paid out or destroyed`,
      )
    }
    for (let channel = 0; channel < this.channels; channel += 1) {
      if (this.#settled.get(channel) <= this.#signed.get(channel)) continue
      found(
        'settled-within-vouchers',
        `channel ${channel}: ${this.#settled.get(channel)} nano settled, ${this.#signed.get(channel)} signed for`,
      )
    }
    for (const [consumer, nano] of this.#balances.entries()) {
      if (nano < 0) found('settled-within-deposit', `the escrow of consumer ${consumer} holds ${nano} nano`)
    }
    return faults
  }

  #freeNano(consumer: number): Nano {
    const balance = BigInt(this.#balances[consumer] ?? 0)
    return balance > rentReserveNano ? balance - rentReserveNano : 0n
  }

  #view(channel: number): Channel {
    const signed = this.#signed.get(channel)
    const dueSince = this.#dueSince.get(channel)
    return {
      ...openChannel(channelId, somebody, 0n),
      owedNano: BigInt(this.#owed.get(channel)),
      best: signed === 0 ? undefined : { terms: { ...channelId, amountNano: BigInt(signed) }, signature: noSignature },
      settledNano: BigInt(this.#settled.get(channel)),
      dueSinceMs: dueSince < 0 ? undefined : dueSince,
    }
  }

  #put(channel: number, { dueSinceMs, owedNano, settledNano, ...rest }: Channel): void {
    this.#owed.set(channel, safe(owedNano))
    this.#signed.set(channel, safe(coveredNano({ ...rest, dueSinceMs, owedNano, settledNano })))
    this.#settled.set(channel, safe(settledNano))
    this.#dueSince.set(channel, dueSinceMs ?? -1)
  }
}

/** Columns hold whole nano exactly up to here: nine million GRAM. */
function safe(nano: Nano): number {
  const number = Number(nano)
  if (!Number.isSafeInteger(number))
    throw new RangeError(`${nano} nano is more than a column holds exactly, at most 2^53 − 1`)
  return number
}

function sumOf(amounts: Float64Array): Nano {
  let sum = 0n
  let part = 0
  for (const amount of amounts) {
    if (part + amount > Number.MAX_SAFE_INTEGER) {
      sum += BigInt(part)
      part = 0
    }
    part += amount
  }
  return sum + BigInt(part)
}

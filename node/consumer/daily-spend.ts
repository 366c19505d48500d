// What this node's key may sign for in a day, over everything: written down before it is signed, so that no order of
// requests and crashes signs more.

import { MeshError } from '../../protocol/errors.ts'
import { formatGram, largest, type Nano } from '../../protocol/money.ts'
import type { SpendOfDay } from '../inference.ts'
import type { Ports } from '../ports.ts'
import { integer, nano, type Raw, RecordLog } from '../records.ts'

/** Where it is kept; one entry a voucher. */
export const dailySpendLog = 'daily-spend'

/** On one day of UTC, counted from 1970. */
interface Spent {
  readonly day: number
  readonly nano: Nano
}

const dayMs = 86_400_000

export class DailySpend {
  readonly #capNano: Nano
  readonly #ports: Pick<Ports, 'clock' | 'store'>
  readonly #log: RecordLog<Spent>
  /** Counted before it is on disk: two at once must not have the same rest. */
  #spent: Spent = { day: 0, nano: 0n }
  #durable: Spent = { day: 0, nano: 0n }
  /** Of requests that run: what each may sign for yet. */
  readonly #promised = new Set<() => Nano>()

  constructor(capNano: Nano, ports: Pick<Ports, 'clock' | 'store'>) {
    this.#capNano = capNano
    this.#ports = ports
    this.#log = new RecordLog(dailySpendLog, ports.store, { encode, decode }, () => [this.#durable])
  }

  async recover(): Promise<void> {
    for (const entry of await this.#log.read()) this.#durable = added(this.#durable, entry)
    this.#spent = this.#durable
  }

  get standing(): SpendOfDay {
    const { day, nano: spentNano } = this.#today()
    const promisedNano = [...this.#promised].reduce((sum, nano) => sum + nano(), 0n)
    const leftNano = largest(0n, this.#capNano - spentNano - promisedNano)
    return { capNano: this.#capNano, spentNano, promisedNano, leftNano, resetsAtMs: (day + 1) * dayMs }
  }

  /** The most that a new request may cost; undefined where its own ceiling is lower. Throws `over-budget` where nothing is left. */
  ceilingNano(ownNano: Nano): Nano | undefined {
    const { leftNano } = this.standing
    if (leftNano === 0n) throw this.refusal()
    return leftNano < ownNano ? leftNano : undefined
  }

  /**
   * Room for a request before its prompt is paid: `restNano` tells what it may still sign for, until the function that is
   * returned was called. Throws `over-budget` where the day has less left.
   */
  promise(restNano: () => Nano): () => void {
    if (restNano() > this.standing.leftNano) throw this.refusal()
    this.#promised.add(restNano)
    return () => this.#promised.delete(restNano)
  }

  /** Before so much more is signed; durable when it resolves. Throws `over-budget` at once where it is beyond the cap. */
  take(addedNano: Nano): Promise<void> {
    if (addedNano <= 0n) return Promise.resolve()
    const { day, nano: spentNano } = this.#today()
    if (spentNano + addedNano > this.#capNano) throw this.refusal()
    const entry = { day, nano: addedNano }
    this.#spent = added(this.#spent, entry)
    return this.#log.append(entry, () => {
      this.#durable = added(this.#durable, entry)
    })
  }

  #today(): Spent {
    const day = Math.floor(this.#ports.clock.now() / dayMs)
    // a clock that was set back begins no day anew
    return day > this.#spent.day ? { day, nano: 0n } : this.#spent
  }

  /** What is asked for does not fit. */
  refusal(): MeshError {
    const { capNano, promisedNano, resetsAtMs, spentNano } = this.standing
    const [cap, spent, promised] = [capNano, spentNano, promisedNano].map((each) => formatGram(each))
    const retryAfterMs = resetsAtMs - this.#ports.clock.now()
    const minutesLeft = Math.ceil(retryAfterMs / 60_000)
    const [hours, minutes] = [Math.floor(minutesLeft / 60), minutesLeft % 60]
    return new MeshError(
      'over-budget',
      `this node may sign for ${cap} GRAM a day (consumer.spendNanoPerDayMax): ${spent} are signed and ${promised} promised ` +
        `to requests that run, which leaves too little before 0:00 UTC, in ${hours} h ${minutes} min`,
      { retryAfterMs },
    )
  }
}

function added(to: Spent, { day, nano }: Spent): Spent {
  if (day < to.day) return to
  return { day, nano: day === to.day ? to.nano + nano : nano }
}

function encode({ day, nano }: Spent): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ day, nano: nano.toString() }))
}

/** Throws `MeshError` `store-failed` for an entry this code did not write: money is never guessed. */
function decode(log: string, entry: Uint8Array): Spent {
  try {
    const raw = JSON.parse(new TextDecoder().decode(entry)) as Raw
    return { day: integer(raw, 'day', 0, 100_000_000), nano: nano(raw, 'nano') }
  } catch (cause) {
    throw new MeshError('store-failed', `an entry of the log "${log}" cannot be read: ${String(cause)}`, { cause })
  }
}

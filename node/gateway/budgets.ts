// What each key has spent. What a request may cost is held before it starts, and the rest given back when it ends; both
// are in a log, the first before anything is spent, so that a crash can only make a key look poorer than it is.

import { MeshError } from '../../protocol/errors.ts'
import { formatGram, type Nano } from '../../protocol/money.ts'
import type { Clock, Store } from '../ports.ts'
import type { ApiKey } from './keys.ts'
import { decodeSpend, encodeSpend, type Held, type SpendEntry } from './spend-log.ts'

export const spendLog = 'spend'

/** Which of its limits a key has reached. */
export type Budget = 'key' | 'day' | 'request'

export interface Hold {
  /** The request may cost this much and no more. */
  readonly nano: Nano
  /** What to say should that not be enough: which limit made it so little. Undefined where none did. */
  readonly short: BudgetError | undefined
  /** Once: what it really cost. */
  end(costNano: Nano): void
}

/** Where a key stands now. */
export interface Standing {
  /** In all, without what is held. */
  readonly spentNano: Nano
  /** Held by requests under way. */
  readonly heldNano: Nano
  readonly running: number
  /** Of the day that began at 0:00 UTC: spent, and held by requests that began in it. */
  readonly daySpentNano: Nano
  readonly dayHeldNano: Nano
  /** What another request could hold; undefined where there is no budget. */
  readonly leftNano: Nano | undefined
  readonly dayLeftNano: Nano | undefined
  /** What the latest days cost, by their dates in UTC, oldest first; days without cost are left out. */
  readonly days: readonly { readonly date: string; readonly spentNano: Nano }[]
}

/** No budget is left for a request, or too little. */
export class BudgetError extends MeshError {
  readonly budget: Budget
  readonly leftNano: Nano

  constructor(message: string, budget: Budget, leftNano: Nano, retryAfterMs?: number) {
    super('over-budget', message, { retryAfterMs })
    this.budget = budget
    this.leftNano = leftNano
  }
}

const dayMs = 86_400_000
/** Days that are told one by one; older ones are in the total. */
const daysMax = 31
/** The log is rewritten when it holds this many entries more than are alive: some 1 MB. */
const staleEntriesMax = 10_000

interface Account {
  /** Spent and held together. What a crash left without its end stays in it. */
  countedNano: Nano
  /** The same by the day a request began in. */
  readonly days: Map<number, Nano>
}

export class Budgets {
  readonly #store: Store
  readonly #clock: Clock
  readonly #accounts = new Map<string, Account>()
  /** Of requests under way in this process. */
  readonly #live = new Map<number, Held>()
  #entries = 0
  #lastId = 0

  private constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /**
   * Reads the log. A hold without its end counts in full: its request may have been paid for up to that, and the
   * tabs, which count by provider, cannot tell by whom. Throws `store-failed`.
   */
  static async open(store: Store, clock: Clock): Promise<Budgets> {
    const budgets = new Budgets(store, clock)
    const entries = (await store.read(spendLog)).map(decodeSpend)
    for (const entry of entries) budgets.#replay(entry)
    budgets.#entries = entries.length
    budgets.#live.clear()
    return budgets
  }

  /**
   * Sets `wantedNano` aside, or as much of it as the key's limits leave; resolves once that would survive a power cut.
   * Requests of one key at the same time cannot take the same coin: between the look and the count nothing else runs.
   * Throws `BudgetError` where nothing is left, `store-failed` where it cannot be written down.
   */
  async hold(key: ApiKey, wantedNano: Nano): Promise<Hold> {
    const { nano, short } = this.#grant(key, wantedNano)
    if (short && nano === 0n) throw short
    this.#lastId += 1
    const held: Held = { type: 'held', id: this.#lastId, key: key.id, day: this.#today(), nano }
    this.#live.set(held.id, held)
    this.#count(held, nano)
    await this.#append(held)
    return {
      nano,
      short,
      end: (costNano) => {
        if (!this.#live.delete(held.id)) throw new RangeError('a hold ended twice')
        this.#count(held, costNano - nano)
        // Not waited for: where it is lost the hold counts in full. A store that fails says so at the next one.
        this.#append({ type: 'ended', id: held.id, costNano }).catch(() => undefined)
      },
    }
  }

  standing(key: ApiKey): Standing {
    const { countedNano = 0n, days = new Map<number, Nano>() } = this.#accounts.get(key.id) ?? {}
    const today = this.#today()
    const live = [...this.#live.values()].filter((held) => held.key === key.id)
    const heldOn = (day: number): Nano => total(live.filter((held) => held.day === day))
    const heldNano = total(live)
    const dayCountedNano = days.get(today) ?? 0n
    const dayHeldNano = heldOn(today)
    return {
      spentNano: countedNano - heldNano,
      heldNano,
      running: live.length,
      daySpentNano: dayCountedNano - dayHeldNano,
      dayHeldNano,
      leftNano: key.budgetNano === undefined ? undefined : atLeastZero(key.budgetNano - countedNano),
      dayLeftNano: key.dayNano === undefined ? undefined : atLeastZero(key.dayNano - dayCountedNano),
      days: [...days]
        .map(([day, nano]) => ({ date: dateOf(day), spentNano: nano - heldOn(day) }))
        .filter(({ spentNano }) => spentNano > 0n)
        .sort((a, b) => (a.date < b.date ? -1 : 1)),
    }
  }

  #grant(key: ApiKey, wantedNano: Nano): Pick<Hold, 'nano' | 'short'> {
    const { leftNano, dayLeftNano } = this.standing(key)
    let nano = wantedNano
    let boundBy: Budget | undefined
    for (const [budget, left] of [
      ['request', key.requestNano],
      ['day', dayLeftNano],
      ['key', leftNano],
    ] as const) {
      if (left === undefined || (left >= nano && left > 0n)) continue
      nano = left < nano ? left : nano
      boundBy = budget
    }
    if (boundBy === undefined) return { nano, short: undefined }
    const retryAfterMs = this.#retryAfterMs(boundBy)
    return { nano, short: new BudgetError(this.#describe(key, boundBy, nano), boundBy, nano, retryAfterMs) }
  }

  #describe(key: ApiKey, budget: Budget, leftNano: Nano): string {
    const { heldNano, dayHeldNano, running } = this.standing(key)
    const left = `${formatGram(leftNano)} GRAM`
    if (budget === 'request') return `one request of the key "${key.name}" may cost ${left}`
    const [whole, held, when] =
      budget === 'day' ? [key.dayNano, dayHeldNano, ' today (UTC)'] : [key.budgetNano, heldNano, '']
    const others = held > 0n ? `; requests under way hold ${formatGram(held)} of it (${running} are running)` : ''
    return `${left} are left of the ${formatGram(whole ?? 0n)} GRAM of the key "${key.name}"${when}${others}`
  }

  /** A day's budget is there again with the next day. The others do not come back by waiting. */
  #retryAfterMs(budget: Budget): number | undefined {
    return budget === 'day' ? dayMs - (this.#clock.now() % dayMs) : undefined
  }

  /** Unix time has no leap seconds: each of its days begins at 0:00 UTC. */
  #today(): number {
    return Math.floor(this.#clock.now() / dayMs)
  }

  #count({ key, day }: Pick<Held, 'key' | 'day'>, nano: Nano): void {
    const account = this.#account(key)
    account.countedNano += nano
    account.days.set(day, (account.days.get(day) ?? 0n) + nano)
    if (account.days.size > daysMax) account.days.delete(Math.min(...[...account.days.keys()].filter((d) => d !== day)))
  }

  #account(key: string): Account {
    const account = this.#accounts.get(key) ?? { countedNano: 0n, days: new Map() }
    this.#accounts.set(key, account)
    return account
  }

  #replay(entry: SpendEntry): void {
    switch (entry.type) {
      case 'held':
        this.#lastId = Math.max(this.#lastId, entry.id)
        this.#live.set(entry.id, entry)
        this.#count(entry, entry.nano)
        break
      case 'ended': {
        const held = this.#live.get(entry.id)
        if (!held) throw new MeshError('store-failed', `log "${spendLog}" ends request ${entry.id}, which never began`)
        this.#live.delete(entry.id)
        this.#count(held, entry.costNano - held.nano)
        break
      }
      case 'summed': {
        const account = this.#account(entry.key)
        account.countedNano += entry.countedNano
        for (const [day, nano] of entry.days) account.days.set(day, (account.days.get(day) ?? 0n) + nano)
        break
      }
    }
  }

  /** Memory changed in the same instant, so what a rewrite sums up is exactly what was appended before it. */
  async #append(entry: SpendEntry): Promise<void> {
    this.#entries += 1
    const written = this.#store.append(spendLog, encodeSpend(entry))
    this.#rewriteWhenStale()
    await written
  }

  #rewriteWhenStale(): void {
    if (this.#entries - this.#accounts.size - this.#live.size <= staleEntriesMax) return
    const summed = [...this.#accounts].map(([key, { countedNano, days }]): SpendEntry => {
      const live = [...this.#live.values()].filter((held) => held.key === key)
      return {
        type: 'summed',
        key,
        countedNano: countedNano - total(live),
        days: [...days].map(([day, nano]) => [day, nano - total(live.filter((held) => held.day === day))]),
      }
    })
    const entries = [...summed, ...this.#live.values()]
    this.#entries = entries.length
    this.#store.rewrite(spendLog, entries.map(encodeSpend)).catch(() => undefined) // the old entries say the same
  }
}

function total(held: readonly Held[]): Nano {
  return held.reduce((sum, { nano }) => sum + nano, 0n)
}

/** An owner may have lowered a budget below what was spent of it. */
function atLeastZero(nano: Nano): Nano {
  return nano > 0n ? nano : 0n
}

function dateOf(day: number): string {
  return new Date(day * dayMs).toISOString().slice(0, 10)
}

// The ledger of a node: what it earned and spent, line by line, beside the books that keep the vouchers. Persist, then act:
// that the books may be ahead is on disk before they are, what a line says of them only after.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import type { NodeEvent } from '../events.ts'
import type { Chain, Ports } from '../ports.ts'
import { every } from '../waits.ts'
import { compareAtStart, compareChain, compareHeld, type Held, settledByChain } from './audit.ts'
import { standingsIn } from './books.ts'
import {
  type Account,
  accountKey,
  type Entry,
  encodeEntry,
  isFees,
  type RequestNote,
  type Role,
  type What,
  type Why,
} from './entries.ts'
import { Lines, ledgerLog } from './lines.ts'
import type { Live } from './statement.ts'
import { afterEntry, type Balance, brokenSum, describeMismatch, emptyBalance, type Mismatch } from './sums.ts'

type JournalPorts = Pick<Ports, 'clock' | 'store' | 'observe'>

/** An account in memory: its entries' sums, and what is not in an entry yet. */
interface Open {
  balance: Balance
  /** On disk in the books. */
  durableNano: Nano
  /** In the books and not on their disk: the other end, or the chain, knew better. */
  adoptedNano: Nano
  /** Of requests that run. */
  runningNano: Nano
  running: number
  /** Writes of the books under way. */
  raising: number
  /** A write of the books failed: what of it is on disk shows at the next start, or by the next write. */
  isUnsure: boolean
  /** Until it is on disk that the books may be ahead. */
  marking: Promise<void> | undefined
  /** What the last `settled` line shows, where it does not say by which transaction. */
  unexplainedNano: Nano | undefined
}

export class Journal {
  readonly #ports: JournalPorts
  readonly #confirmMs: number
  readonly #lines: Lines
  readonly #accounts = new Map<string, Open>()
  readonly #views = new Map<Role, () => Iterable<Held>>()
  /** Of settles that were confirmed here, by escrow and payee. */
  readonly #confirmed = new Map<string, Extract<NodeEvent, { type: 'settle-confirmed' }>>()
  readonly #mismatches: Mismatch[] = []
  /** Accounts whose escrow the chain did not show when last asked: perhaps an endpoint that is behind, or another chain's. */
  readonly #unseen = new Set<string>()
  #stopped: (() => void) | undefined

  constructor(ports: JournalPorts, limits: { readonly linesMax: number; readonly confirmMs: number }) {
    this.#ports = ports
    this.#confirmMs = limits.confirmMs
    this.#lines = new Lines(ports, limits.linesMax)
  }

  /** Reads the log and compares it with the books' own; before they are used. */
  async recover(): Promise<void> {
    const entries = await this.#lines.read()
    for (const entry of entries) {
      const broken = brokenSum(this.#of(entry.account).balance, entry)
      if (broken) this.#mismatches.push(broken)
      const open = this.#of(entry.account)
      open.balance = afterEntry(open.balance, entry)
    }
    const standings = await standingsIn(this.#ports.store)
    const balances = new Map([...this.#accounts].map(([key, { balance }]) => [key, balance]))
    const isNew = entries.length === 0
    const start = compareAtStart(balances, standings, isNew, currentOf(entries))
    this.#mismatches.push(...start.mismatches)
    for (const open of this.#accounts.values()) open.durableNano = open.balance.coveredNano
    for (const { account, countedNano, coveredNano } of start.healed) {
      const open = this.#of(account)
      open.durableNano = coveredNano
      const nano = countedNano - open.balance.countedNano
      const isQuiet = nano === 0n && !open.balance.isBusy && coveredNano === open.balance.coveredNano
      // at rest, nothing was cut off: what no voucher covers was left so
      const cause = open.balance.isBusy ? 'recovered after a crash' : 'left open at the last stop'
      const why = isNew ? 'before this ledger' : cause
      if (!isQuiet) this.#write(open, { type: 'adjusted', why }, nano)
    }
    await this.#lines.durable()
    for (const mismatch of this.#mismatches) this.#tell(mismatch)
  }

  /** `view` tells what the books of a role hold now. */
  watch(role: Role, view: () => Iterable<Held>): void {
    const before = this.#views.get(role)
    this.#views.set(role, before ? () => [...before(), ...view()] : view)
  }

  /** `stop` is called once, when ledger and books or chain differ. */
  onMismatch(stop: () => void): void {
    this.#stopped = stop
    if (this.#mismatches.length > 0) stop()
  }

  /** Accounts that could not be compared with the chain. */
  get unseen(): number {
    return this.#unseen.size
  }

  get mismatches(): readonly Mismatch[] {
    return this.#mismatches
  }

  /** Throws `draining` where the ledger does not add up: whoever serves or signs on would guess. */
  assertSound(): void {
    const [first] = this.#mismatches
    if (!first) return
    throw new MeshError(
      'draining',
      `this node has stopped: its ledger does not add up. ${describeMismatch(first)}. See \`silkmesh ledger --check\``,
    )
  }

  balances(): ReadonlyMap<string, Balance> {
    return new Map([...this.#accounts].map(([key, { balance }]) => [key, balance]))
  }

  /** What was folded away, and the entries since. */
  entries(): readonly Entry[] {
    return [...this.#lines.all()]
  }

  /** Each account with what is not in its entries yet. */
  live(): readonly Live[] {
    return [...this.#accounts.values()].map(({ adoptedNano, balance, durableNano, runningNano }) => ({
      balance,
      runningNano,
      coveredNano: adoptedNano > durableNano ? adoptedNano : durableNano,
    }))
  }

  /**
   * The operator has looked, and says that the books, or the chain, are right about the account that differs. Its lines become
   * one balance that is carried forward, with a line that says so. Only while no node runs.
   */
  async accept({ account, leftNano, what }: Mismatch): Promise<void> {
    const key = accountKey(account)
    const open = this.#of(account)
    const standing = (await standingsIn(this.#ports.store)).get(key)
    const coveredNano = standing?.coveredNano ?? 0n
    const settledNano = what === settledByChain ? leftNano : open.balance.settledNano
    const countedNano = standing ? coveredNano : settledNano // as a start has it
    const sums = { countedNano, coveredNano, settledNano }
    const { isClosed } = open.balance
    const entry = { account, atMs: this.#ports.clock.now(), sums, isAtRest: true }
    const nano = countedNano - open.balance.countedNano
    const carried = { ...sums, countedNano: countedNano - nano }
    const own: readonly Entry[] = [
      { ...entry, type: 'carried', isBusy: false, isClosed, nano: carried.countedNano, sums: carried },
      { ...entry, type: 'adjusted', why: 'accepted by hand', nano },
    ]
    const others = this.entries().filter((each) => accountKey(each.account) !== key)
    await this.#ports.store.rewrite(ledgerLog, [...others, ...own].map(encodeEntry))
  }

  /** Resolves when every entry so far is on disk, or could not be written. */
  durable(): Promise<void> {
    return this.#lines.durable()
  }

  /** In the instant of the call: ledger and the books in memory. */
  checkBooks(): readonly Mismatch[] {
    const found: Mismatch[] = []
    for (const [role, view] of this.#views) {
      const seen = new Set<string>()
      for (const held of view()) {
        const key = accountKey(held.account)
        seen.add(key)
        const open = this.#of(held.account)
        found.push(...compareHeld(held, open.balance, open))
      }
      for (const [key, { balance, durableNano }] of this.#accounts) {
        const { account, isClosed } = balance
        if (account.role !== role || seen.has(key) || isClosed || durableNano === 0n) continue
        if (role === 'provider' || role === 'hub') {
          found.push(
            ...compareHeld({ account, countedNano: 0n, coveredNano: 0n }, balance, {
              runningNano: 0n,
              durableNano,
              adoptedNano: 0n,
              raising: 0,
            }),
          )
        }
      }
    }
    return found
  }

  /**
   * Ledger and chain, account by account. One that seems to have paid less is looked at once more after `confirmMs`: a fork
   * lowers what it shows for a while. What it paid beyond the ledger is written down.
   */
  async checkChain(chain: Pick<Chain, 'escrow' | 'payee'>, signal?: AbortSignal): Promise<readonly Mismatch[]> {
    const doubtful: Open[] = []
    const found: Mismatch[] = []
    for (const open of [...this.#accounts.values()]) {
      if (signal?.aborted) return found
      if ((await this.#compareChain(chain, open)).length > 0) doubtful.push(open)
    }
    if (doubtful.length > 0) await this.#ports.clock.sleep(this.#confirmMs, signal)
    for (const open of doubtful) found.push(...(await this.#compareChain(chain, open)))
    await this.durable() // whoever asked reads the lines next
    return found
  }

  /** What the chain has paid of what is not settled yet, by whomever. */
  async noteSettled(chain: Pick<Chain, 'escrow' | 'payee'>): Promise<void> {
    for (const open of [...this.#accounts.values()]) {
      const { role } = open.balance.account
      const isPaid = role === 'provider' || role === 'hub'
      if (isPaid && open.durableNano > open.balance.settledNano) await this.#compareChain(chain, open)
    }
  }

  async #compareChain(chain: Pick<Chain, 'escrow' | 'payee'>, open: Open): Promise<readonly Mismatch[]> {
    const { account, isClosed, settledNano } = open.balance
    if (
      isClosed ||
      account.role === 'granted' ||
      isFees(account.role) ||
      (open.durableNano === 0n && settledNano === 0n)
    )
      return []
    const escrow = await chain.escrow(account.escrow)
    const isShown = escrow.isEscrow && escrow.globalId === account.globalId
    if (!isShown) this.#unseen.add(accountKey(account))
    else this.#unseen.delete(accountKey(account))
    if (!isShown || escrow.epoch !== account.epoch) return []
    const { settledNano: chainNano } = await chain.payee(account.escrow, account.payee)
    this.#settled(account, chainNano)
    return compareChain(open.balance, chainNano)
  }

  /** After the start, and again and again, until the signal fires. A chain that does not answer is asked the next time. */
  run(
    checkMs: number,
    { chain, clock, random }: Pick<Ports, 'chain' | 'clock' | 'random'>,
    signal: AbortSignal,
  ): Promise<void> {
    const check = async (): Promise<void> => void (await this.check(chain, signal))
    return every(clock, random, checkMs, signal, check, (error) => {
      const { code, message } = asMeshError(error, 'internal')
      this.#ports.observe({ type: 'fault', where: 'checking the ledger', code, message })
    })
  }

  /** Both, and the node stops where something differs. */
  async check(chain: Pick<Chain, 'escrow' | 'payee'>, signal?: AbortSignal): Promise<readonly Mismatch[]> {
    const found = [...this.checkBooks(), ...(await this.checkChain(chain, signal))]
    for (const mismatch of found) {
      this.#mismatches.push(mismatch)
      this.#tell(mismatch)
    }
    if (found.length > 0) this.#stopped?.()
    return found
  }

  /** What settling tells: what was posted, what came of it, and by which transaction. */
  heard(event: NodeEvent): void {
    if (event.type === 'settle-posted') {
      for (const { amountNano, payee } of event.claims ?? []) {
        const open = this.#paid(event.escrow, payee)
        if (open) this.#write(open, { type: 'posted', amountNano, messageHash: event.messageHash })
      }
    } else if (event.type === 'settle-confirmed') {
      this.#confirmed.set(`${event.escrow}/${event.payee}`, event)
      const open = this.#paid(event.escrow, event.payee)
      if (!open) return
      // seen on the chain before it was known by which transaction: a line that adds nothing says so
      const isNews = event.transaction !== undefined && open.unexplainedNano === event.settledNano
      if (isNews) this.#tellSettled(open, event.settledNano)
      else this.#settled(open.balance.account, event.settledNano)
    } else if (event.type === 'settle-failed') {
      for (const open of this.#accounts.values()) {
        const { account, isClosed, isRefused, posted } = open.balance
        if (account.escrow !== event.escrow || isClosed || (account.role !== 'provider' && account.role !== 'hub'))
          continue
        const refused = event.code === 'escrow-unusable'
        if (posted || (refused && !isRefused)) this.#write(open, { type: 'failed', isRefused: refused })
      }
    }
  }

  /** The account in the latest epoch that is paid here out of this escrow. */
  #paid(escrow: Address, payee: Address): Open | undefined {
    let latest: Open | undefined
    for (const open of this.#accounts.values()) {
      const { account, isClosed } = open.balance
      const isPaid = account.role === 'provider' || account.role === 'hub'
      if (!isPaid || isClosed || account.escrow !== escrow || account.payee !== payee) continue
      if (!latest || account.epoch > latest.balance.account.epoch) latest = open
    }
    return latest
  }

  // a sheet's own

  /** Resolves once the books may be ahead of the ledger; undefined where they may already. */
  raising(account: Account): Promise<void> | undefined {
    const { role } = account
    if (role === 'consumer' || role === 'granted' || role === 'promised') this.assertSound() // vouchers of others are taken all the same
    const open = this.#of(account)
    open.raising += 1
    this.#mark(open)
    return open.marking
  }

  #mark(open: Open): void {
    if (open.balance.isBusy) return
    const marking = this.#write(open, { type: 'busy' }).finally(() => {
      if (open.marking === marking) open.marking = undefined
    })
    marking.catch(() => undefined) // whoever waits for it hears of it
    open.marking = marking
  }

  /** The books' write ended; `coveredNano` where it is on disk. */
  raised(account: Account, coveredNano: Nano | undefined): void {
    const open = this.#of(account)
    open.raising -= 1
    open.isUnsure = coveredNano === undefined
    if (coveredNano !== undefined && coveredNano > open.durableNano) open.durableNano = coveredNano
    if (open.running === 0) this.#rest(open)
  }

  /** The books took it back from the other end, or begin there. */
  adopted(account: Account, coveredNano: Nano): void {
    const open = this.#of(account)
    if (coveredNano > open.adoptedNano) open.adoptedNano = coveredNano
  }

  /** The account begins where the chain is: that much was paid by what is not known here. */
  opened(account: Account, baseNano: Nano): void {
    const open = this.#of(account)
    this.adopted(account, baseNano)
    this.#settled(account, baseNano)
    this.adjusted(account, baseNano - open.balance.countedNano - open.runningNano, 'paid before these books')
  }

  adjusted(account: Account, nano: Nano, why: Why): void {
    if (nano !== 0n) this.#write(this.#of(account), { type: 'adjusted', why }, nano)
  }

  granted(account: Account, nano: Nano): void {
    this.#write(this.#of(account), { type: isFees(account.role) ? 'fee' : 'granted' }, nano)
  }

  /** By vouchers that are on disk. */
  durableNano(account: Account): Nano {
    return this.#of(account).durableNano
  }

  /** As soon as vouchers are to be expected: none of them then waits for the ledger. */
  request(account: Account, note: RequestNote): Line {
    const open = this.#of(account)
    open.running += 1
    this.#mark(open)
    let countedNano = 0n
    let isOver = false
    return {
      add: (nano) => {
        countedNano += nano
        open.runningNano += nano
      },
      end: (digest = note.digest) => {
        if (isOver) return
        isOver = true
        open.running -= 1
        open.runningNano -= countedNano
        if (countedNano !== 0n)
          this.#write(open, { type: 'request', ...note, ...(digest !== undefined && { digest }) }, countedNano)
        else if (open.running === 0) this.#rest(open)
      },
    }
  }

  settled(account: Account, settledNano: Nano): void {
    this.#settled(account, settledNano)
  }

  closed(account: Account): void {
    const open = this.#accounts.get(accountKey(account))
    if (open && !open.balance.isClosed) this.#write(open, { type: 'closed' })
  }

  #settled(account: Account, settledNano: Nano): void {
    const open = this.#of(account)
    if (settledNano > open.balance.settledNano && !open.balance.isClosed) this.#tellSettled(open, settledNano)
  }

  #tellSettled(open: Open, settledNano: Nano): void {
    const { escrow, payee } = open.balance.account
    const known = this.#confirmed.get(`${escrow}/${payee}`)
    const by = known && known.settledNano === settledNano ? known : undefined
    open.unexplainedNano = by?.transaction === undefined ? settledNano : undefined
    const { feeNano: networkFeeNano, transaction } = by ?? {}
    const what: What = {
      type: 'settled',
      ...(transaction !== undefined && { transaction }),
      ...(networkFeeNano !== undefined && { networkFeeNano }),
    }
    this.#write(open, what, 0n, settledNano)
  }

  /** Nothing runs and nothing is being written: what the books hold is told, where it is not. */
  #rest(open: Open): void {
    const { balance, durableNano, isUnsure, raising } = open
    if (isUnsure || raising > 0 || (!balance.isBusy && balance.coveredNano === durableNano)) return
    this.#write(open, { type: 'voucher' })
  }

  /** Counted in the instant of the call; durable when it resolves. */
  #write(open: Open, what: What, nano = 0n, settledNano = open.balance.settledNano): Promise<void> {
    const { balance, durableNano, isUnsure, raising, running } = open
    const isBusy = what.type === 'busy'
    const entry: Entry = {
      ...what,
      account: balance.account,
      atMs: this.#ports.clock.now(),
      nano,
      sums: {
        countedNano: balance.countedNano + nano,
        coveredNano: isBusy ? balance.coveredNano : durableNano,
        settledNano,
      },
      isAtRest: !isBusy && !isUnsure && raising === 0 && running === 0,
    }
    open.balance = afterEntry(balance, entry)
    return this.#lines.append(entry)
  }

  #of(account: Account): Open {
    const key = accountKey(account)
    const known = this.#accounts.get(key)
    if (known) return known
    const open: Open = {
      balance: emptyBalance(account),
      durableNano: 0n,
      adoptedNano: 0n,
      runningNano: 0n,
      running: 0,
      raising: 0,
      isUnsure: false,
      marking: undefined,
      unexplainedNano: undefined,
    }
    this.#accounts.set(key, open)
    return open
  }

  #tell(mismatch: Mismatch): void {
    const { account, left, leftNano, right, rightNano } = mismatch
    const message = describeMismatch(mismatch)
    this.#ports.observe({ type: 'ledger-mismatch', escrow: account.escrow, left, leftNano, right, rightNano, message })
  }
}

/** One request's part of an account, while it runs. */
export interface Line {
  add(nano: Nano): void
  /** Once; `digest` where it is known only now. */
  end(digest?: string): void
}

function currentOf(entries: readonly Entry[]): ReadonlyMap<Role, Address> {
  return new Map(entries.map(({ account }) => [account.role, account.escrow]))
}

// The ledger as people read it: for each role what adds up to what, to the nano, and the lines behind it. Pure.

import type { Nano } from '../../protocol/money.ts'
import { type Account, accountKey, type Entry, isFees, type Role, roles } from './entries.ts'
import { afterEntry, type Balance, emptyBalance } from './sums.ts'

/** A sum and what it is made of, each counted in a way of its own. */
export interface Identity {
  readonly role: Role
  readonly name: string
  readonly nano: Nano
  readonly parts: readonly { readonly name: string; readonly nano: Nano }[]
  readonly isEqual: boolean
}

/** An account with what is not in its entries yet: requests that run, and vouchers of theirs that are on disk. */
export interface Live {
  readonly balance: Balance
  readonly runningNano: Nano
  readonly coveredNano: Nano
}

export interface StatementOptions {
  readonly nowMs: number
  /** What was posted and did not come within this is not in flight any more. */
  readonly confirmMs: number
}

export function identitiesOf(accounts: Iterable<Live>, options: StatementOptions): readonly Identity[] {
  const byRole = Map.groupBy(accounts, ({ balance }) => balance.account.role)
  return roles.flatMap((role) => {
    const own = byRole.get(role)
    if (!own) return []
    if (role === 'hub') return [...paid(role, own, options), takenOf(own, byRole.get('promised') ?? [])]
    if (isFees(role)) return [feesOf(role, own)]
    return role === 'provider' ? paid(role, own, options) : signed(role, own)
  })
}

/** Whoever is paid: its vouchers by where their value is, and by what it was for. */
function paid(role: Role, accounts: readonly Live[], options: StatementOptions): readonly Identity[] {
  const sums = {
    earned: 0n,
    unsettled: 0n,
    inFlight: 0n,
    settled: 0n,
    disputed: 0n,
    delivered: 0n,
    ahead: 0n,
    credit: 0n,
  }
  for (const live of accounts) {
    const { balance, runningNano } = live
    const earned = worth(live)
    const rest = earned - balance.settledNano
    const isDisputed = balance.isClosed || balance.isRefused
    const inFlight = isDisputed ? 0n : inFlightOf(balance, rest, options)
    const delivered = balance.countedNano + runningNano
    sums.earned += earned
    sums.settled += balance.settledNano
    sums.disputed += isDisputed ? rest : 0n
    sums.inFlight += inFlight
    sums.unsettled += isDisputed ? 0n : rest - inFlight
    sums.delivered += delivered
    if (earned > delivered) sums.ahead += earned - delivered
    else sums.credit += delivered - earned
  }
  const verb = role === 'hub' ? 'charged' : 'earned'
  return [
    identity(role, verb, sums.earned, [
      ['unsettled', sums.unsettled],
      ['in flight', sums.inFlight],
      ['settled', sums.settled],
      ['disputed', sums.disputed],
    ]),
    identity(role, verb, sums.earned, [
      [role === 'hub' ? 'granted with fees' : 'delivered', sums.delivered],
      ['paid ahead', sums.ahead],
      ['on credit', -sums.credit],
    ]),
  ]
}

/** What a hub was owed for what it promised, and keeps for itself. */
function takenOf(charged: readonly Live[], promised: readonly Live[]): Identity {
  const sum = (accounts: readonly Live[]) => accounts.reduce((total, { balance }) => total + balance.countedNano, 0n)
  const [chargedNano, promisedNano] = [sum(charged), sum(promised)]
  return identity('hub', 'granted with fees', chargedNano, [
    ['promised', promisedNano],
    ['fees', chargedNano - promisedNano],
  ])
}

/** What settlers are paid for what the chain has paid; who pays ahead owes less than nothing. */
function feesOf(role: Role, accounts: readonly Live[]): Identity {
  let [counted, covered] = [0n, 0n]
  for (const { balance, coveredNano } of accounts) {
    counted += balance.countedNano
    covered += coveredNano
  }
  return identity(role, 'fees', counted, [
    ['by voucher', covered],
    ['owed', counted - covered],
  ])
}

function inFlightOf({ posted, settledNano }: Balance, rest: Nano, { confirmMs, nowMs }: StatementOptions): Nano {
  if (!posted || nowMs - posted.atMs > confirmMs) return 0n
  const claimNano = posted.amountNano - settledNano
  return claimNano < 0n ? 0n : claimNano < rest ? claimNano : rest
}

/** Whoever signs: what it owes in all by what became of it, and by whether it is signed. */
function signed(role: Role, accounts: readonly Live[]): readonly Identity[] {
  const sums = { spent: 0n, delivered: 0n, prepaid: 0n, open: 0n, signed: 0n, settled: 0n }
  for (const live of accounts) {
    const { balance, runningNano } = live
    const signedNano = worth(live)
    const owed = balance.countedNano + runningNano
    const open = owed > signedNano ? owed - signedNano : 0n
    const ahead = signedNano > owed ? signedNano - owed : 0n
    const ofRunning = open < runningNano ? open : runningNano // what runs is signed for last
    sums.delivered += balance.countedNano - (open - ofRunning)
    sums.prepaid += runningNano - ofRunning + ahead
    sums.open += open
    sums.spent += owed + ahead
    sums.signed += signedNano
    sums.settled += balance.settledNano
  }
  const [name, delivered] = role === 'promised' ? ['promised', 'granted'] : ['spent', 'delivered']
  return [
    identity(role, name, sums.spent, [
      [delivered, sums.delivered],
      ['prepaid', sums.prepaid],
      ['open', sums.open],
    ]),
    identity(role, name, sums.spent, [
      // what a hub promised for this peer is settled between the hub and its providers, out of the hub's escrow
      ...(role === 'granted'
        ? ([['granted by the hub', sums.signed]] as const)
        : ([
            ['settled', sums.settled],
            ['signed and not settled', sums.signed - sums.settled],
          ] as const)),
      ['open', sums.open],
    ]),
  ]
}

/** What vouchers cover; what the chain has paid was covered by one, whether or not it is still known. */
function worth({ balance, coveredNano }: Live): Nano {
  return coveredNano > balance.settledNano ? coveredNano : balance.settledNano
}

function identity(role: Role, name: string, nano: Nano, parts: readonly (readonly [string, Nano])[]): Identity {
  const sum = parts.reduce((total, [, part]) => total + part, 0n)
  return { role, name, nano, parts: parts.map(([part, each]) => ({ name: part, nano: each })), isEqual: sum === nano }
}

/** One line, with what it is linked to. */
export interface StatementLine {
  readonly atMs: number
  readonly account: Account
  readonly line: Entry['type']
  readonly note: string
  /** Counted by it; of a settlement what it paid, of a voucher what it added, of a close what is lost. */
  readonly nano: Nano
  readonly request: string | undefined
  /** SHA-256 of the request as opened, which its receipt signs. */
  readonly receipt: string | undefined
  /** The amount of the account's best voucher after it. */
  readonly voucherNano: Nano
  readonly settledNano: Nano
  readonly transaction: string | undefined
  readonly networkFeeNano: Nano | undefined
}

export function linesOf(entries: readonly Entry[], sinceMs: number): readonly StatementLine[] {
  const balances = new Map<string, Balance>()
  const lines: StatementLine[] = []
  for (const entry of entries) {
    const key = accountKey(entry.account)
    const before = balances.get(key) ?? emptyBalance(entry.account)
    balances.set(key, afterEntry(before, entry))
    const isNothing = entry.type === 'busy' || (entry.type === 'voucher' && amountOf(before, entry) === 0n)
    if (!isNothing && (entry.atMs >= sinceMs || entry.type === 'carried')) lines.push(lineOf(before, entry))
  }
  return lines
}

function lineOf(before: Balance, entry: Entry): StatementLine {
  const { account, atMs, sums, type } = entry
  const isSettled = type === 'settled'
  return {
    atMs,
    account,
    line: type,
    note: noteOf(entry),
    nano: amountOf(before, entry),
    request: type === 'request' && entry.request !== '' ? entry.request : undefined,
    receipt: type === 'request' ? entry.digest : undefined,
    voucherNano: sums.coveredNano,
    settledNano: sums.settledNano,
    transaction: isSettled ? entry.transaction : type === 'posted' ? entry.messageHash : undefined,
    networkFeeNano: isSettled ? entry.networkFeeNano : undefined,
  }
}

function amountOf(before: Balance, entry: Entry): Nano {
  switch (entry.type) {
    case 'settled':
      return entry.sums.settledNano - before.settledNano
    case 'voucher':
      return entry.sums.coveredNano - before.coveredNano
    case 'posted':
      return entry.amountNano - before.settledNano
    case 'closed':
      return before.coveredNano > before.settledNano ? before.coveredNano - before.settledNano : 0n
    default:
      return entry.nano
  }
}

function noteOf(entry: Entry): string {
  switch (entry.type) {
    case 'adjusted':
      return entry.why
    case 'failed':
      return entry.isRefused ? 'the escrow could not pay' : 'not confirmed'
    case 'posted':
      return 'transaction names the message'
    case 'carried':
      return 'balance carried forward'
    case 'closed':
      return 'the epoch is over'
    default:
      return ''
  }
}

/** Stable: columns are only ever added, at the end. */
export const csvColumns = [
  'time',
  'role',
  'line',
  'note',
  'nano',
  'gram',
  'request',
  'receipt',
  'escrow',
  'epoch',
  'payee',
  'peer',
  'voucher_nano',
  'settled_nano',
  'transaction',
  'network_fee_nano',
  'network_fee_gram',
] as const

export function csvOf(lines: readonly StatementLine[], time: (atMs: number) => string): string {
  const rows = lines.map((line) => {
    const { account, networkFeeNano, nano } = line
    const cells: Record<(typeof csvColumns)[number], string> = {
      time: time(line.atMs),
      role: account.role,
      line: line.line,
      note: line.note,
      nano: nano.toString(),
      gram: exactGram(nano),
      request: line.request ?? '',
      receipt: line.receipt ?? '',
      escrow: account.escrow,
      epoch: account.epoch.toString(),
      payee: account.payee,
      peer: account.peer ?? '',
      voucher_nano: line.voucherNano.toString(),
      settled_nano: line.settledNano.toString(),
      transaction: line.transaction ?? '',
      network_fee_nano: networkFeeNano?.toString() ?? '',
      network_fee_gram: networkFeeNano === undefined ? '' : exactGram(networkFeeNano),
    }
    return csvColumns.map((column) => quoted(cells[column])).join(',')
  })
  return `${[csvColumns.join(','), ...rows].join('\n')}\n`
}

/** All nine places: a spreadsheet adds these up to the nano. */
export function exactGram(nano: Nano): string {
  const digits = (nano < 0n ? -nano : nano).toString().padStart(10, '0')
  return `${nano < 0n ? '-' : ''}${digits.slice(0, -9)}.${digits.slice(-9)}`
}

function quoted(cell: string): string {
  return /[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}

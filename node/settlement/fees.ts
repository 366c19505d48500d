// What a provider owes a settler for what it settled: the same count at both ends. The settler lends, the provider pays by
// cumulative voucher out of its own escrow. Persist, then act.

import { MeshError } from '../../protocol/errors.ts'
import { type PeerId, parsePeerId } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { betterVoucher, isSameTab, type Voucher, type VoucherTerms } from '../../protocol/voucher.ts'
import { feeAccount } from '../ledger/entries.ts'
import type { Sheet } from '../ledger/sheet.ts'
import type { Store } from '../ports.ts'
import { decodeRecord, encodeRecord, integer, nano, type Raw, RecordLog } from '../records.ts'

/** One payer's escrow in one epoch, and the settler's account. */
export type FeeTab = Omit<VoucherTerms, 'amountNano'>

/** From here on what the chain pays on a channel counts for this settler, or for this provider. */
interface Mark {
  readonly peer: PeerId
  readonly feePpm: number
  /** Counted up to here. */
  readonly settledNano: Nano
}

interface Entry {
  readonly peer: PeerId
  /** Counted and not yet covered by a voucher; negative where more was paid than counted. */
  readonly unpaidNano: Nano
  readonly best?: Voucher | undefined
  readonly mark?: { readonly channel: string; readonly feePpm: number; readonly settledNano: Nano } | undefined
  /** Nothing more counts on this channel. */
  readonly dropped?: string | undefined
}

/** The other ends remembered; those that owe nothing go first. */
const peersMax = 10_000

export class Fees {
  readonly #unpaid = new Map<PeerId, Nano>()
  /** By peer and tab. */
  readonly #bests = new Map<string, { readonly peer: PeerId; readonly voucher: Voucher }>()
  readonly #marks = new Map<string, Mark>()
  /** Tabs whose best voucher may never have reached the settler. */
  readonly #untold = new Map<string, PeerId>()
  readonly #log: RecordLog<Entry>
  readonly #sheet: Sheet | undefined
  /** One change at a time: each begins with what the last one left. */
  #turn: Promise<unknown> = Promise.resolve()

  /** `sheet`: its part of the ledger. */
  constructor(log: 'fees' | 'settler-fees', store: Store, sheet?: Sheet) {
    this.#sheet = sheet
    this.#log = new RecordLog(log, store, { encode: encodeEntry, decode: decodeEntry }, () => this.#live())
  }

  async recover(): Promise<void> {
    for (const entry of await this.#log.read()) this.#apply(entry)
    const sheet = this.#sheet
    sheet?.watch(() =>
      [...this.#unpaid].map(([peer, unpaidNano]) => {
        const account = feeAccount(peer)
        const coveredNano = sheet.durableNano(account)
        return { ...account, coveredNano, countedNano: coveredNano + unpaidNano }
      }),
    )
  }

  unpaidNano(peer: PeerId): Nano {
    return this.#unpaid.get(peer) ?? 0n
  }

  best(peer: PeerId, tab: FeeTab): Voucher | undefined {
    return this.#bests.get(tabKey(peer, tab))?.voucher
  }

  /** The best voucher of each tab. */
  vouchers(): readonly Voucher[] {
    return [...this.#bests.values()].map(({ voucher }) => voucher)
  }

  /** Peers with something unpaid, or paid by a voucher that may be lost. */
  debts(): readonly PeerId[] {
    const owed = [...this.#unpaid].flatMap(([peer, nano]) => (nano > 0n ? [peer] : []))
    return [...new Set([...owed, ...this.#untold.values()])]
  }

  /** The settler has the best voucher of the tab that counts now; older ones are void. */
  told(peer: PeerId): void {
    for (const [key, owner] of this.#untold) if (owner === peer) this.#untold.delete(key)
  }

  markOf(channel: string): Mark | undefined {
    return this.#marks.get(channel)
  }

  /** What the chain pays from now on counts. One that is marked for the same peer goes on where it was. */
  mark(channel: string, peer: PeerId, feePpm: number, settledNano: Nano): Promise<void> {
    return this.#next(async () => {
      const before = this.#marks.get(channel)
      if (before?.peer === peer && before.feePpm === feePpm) return
      await this.#append({ peer, unpaidNano: this.unpaidNano(peer), mark: { channel, feePpm, settledNano } })
    })
  }

  /** The chain has paid this much on the channel in all. The fee that was counted for it now. */
  charge(channel: string, settledNano: Nano): Promise<Nano> {
    return this.#next(async () => {
      const mark = this.#marks.get(channel)
      if (!mark || settledNano <= mark.settledNano) return 0n
      const { feePpm, peer } = mark
      const feeNano = ((settledNano - mark.settledNano) * BigInt(feePpm)) / 1_000_000n
      const unpaidNano = this.unpaidNano(peer) + feeNano
      await this.#append({ peer, unpaidNano, mark: { channel, feePpm, settledNano } })
      return feeNano
    })
  }

  drop(channel: string): Promise<void> {
    return this.#next(async () => {
      const mark = this.#marks.get(channel)
      if (!mark) return
      await this.#append({ peer: mark.peer, unpaidNano: this.unpaidNano(mark.peer), dropped: channel })
    })
  }

  /**
   * The payer's turn: a voucher for what both count, `claimedNano` being the settler's word for everything owed on the tab.
   * `baseNano` is what the chain has paid on it, needed where no voucher of it is known. Undefined where nothing is added.
   */
  sign(
    peer: PeerId,
    tab: FeeTab,
    claimedNano: Nano,
    baseNano: Nano,
    sign: (terms: VoucherTerms, addedNano: Nano) => Voucher | Promise<Voucher>,
  ): Promise<Voucher | undefined> {
    return this.#next(async () => {
      const signedNano = this.best(peer, tab)?.terms.amountNano ?? baseNano
      const unpaidNano = this.unpaidNano(peer)
      const claimNano = claimedNano - signedNano
      const addedNano = claimNano < unpaidNano ? claimNano : unpaidNano
      if (addedNano <= 0n) return undefined
      const best = await sign({ ...termsOf(tab), amountNano: signedNano + addedNano }, addedNano)
      await this.#append({ peer, unpaidNano: unpaidNano - addedNano, best })
      return best
    })
  }

  /** The payer's own voucher, handed back by the settler: nothing lower is ever signed. */
  adopt(peer: PeerId, own: Voucher): Promise<void> {
    return this.#next(async () => {
      if (betterVoucher(this.best(peer, own.terms), own) !== own) return
      await this.#append({ peer, unpaidNano: this.unpaidNano(peer), best: own })
    })
  }

  /** The settler's turn: a voucher that was checked. What it added. */
  take(peer: PeerId, voucher: Voucher, baseNano: Nano): Promise<Nano> {
    return this.#next(async () => {
      const paidNano = this.best(peer, voucher.terms)?.terms.amountNano ?? baseNano
      const addedNano = voucher.terms.amountNano - paidNano
      if (addedNano <= 0n) return 0n
      await this.#append({ peer, unpaidNano: this.unpaidNano(peer) - addedNano, best: voucher })
      return addedNano
    })
  }

  async #append(entry: Entry): Promise<void> {
    const changeNano = entry.unpaidNano - this.unpaidNano(entry.peer)
    const sheet = this.#sheet
    if (!sheet || changeNano === 0n) return this.#log.append(entry, () => this.#apply(entry))
    const account = feeAccount(entry.peer)
    await sheet.raise(account, async () => {
      await this.#log.append(entry, () => {
        this.#apply(entry)
        if (changeNano > 0n) sheet.granted(account, changeNano)
      })
      return sheet.durableNano(account) + (changeNano < 0n ? -changeNano : 0n)
    })
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => undefined)
    return done
  }

  #apply({ best, dropped, mark, peer, unpaidNano }: Entry): void {
    this.#unpaid.delete(peer)
    this.#unpaid.set(peer, unpaidNano)
    if (best) {
      this.#bests.set(tabKey(peer, best.terms), { peer, voucher: best })
      this.#untold.set(tabKey(peer, best.terms), peer)
    }
    if (mark) this.#marks.set(mark.channel, { peer, feePpm: mark.feePpm, settledNano: mark.settledNano })
    if (dropped !== undefined) this.#marks.delete(dropped)
    if (this.#unpaid.size > peersMax) this.#forgetOne()
  }

  #forgetOne(): void {
    for (const [peer, nano] of this.#unpaid) {
      const isNeeded = [...this.#marks.values(), ...this.#bests.values()].some((other) => other.peer === peer)
      if (nano > 0n || isNeeded) continue
      this.#unpaid.delete(peer)
      return
    }
  }

  *#live(): Iterable<Entry> {
    for (const [peer, unpaidNano] of this.#unpaid) yield { peer, unpaidNano }
    for (const { peer, voucher } of this.#bests.values())
      yield { peer, unpaidNano: this.unpaidNano(peer), best: voucher }
    for (const [channel, { feePpm, peer, settledNano }] of this.#marks) {
      yield { peer, unpaidNano: this.unpaidNano(peer), mark: { channel, feePpm, settledNano } }
    }
  }
}

function termsOf({ epoch, escrow, globalId, payee }: FeeTab): FeeTab {
  return { epoch, escrow, globalId, payee }
}

function tabKey(peer: PeerId, { epoch, escrow, globalId, payee }: FeeTab): string {
  return `${peer}/${globalId}/${escrow}/${epoch}/${payee}`
}

/** What the settler says is owed on a tab in all. */
export function owedNano(fees: Fees, peer: PeerId, tab: FeeTab, baseNano: Nano): Nano {
  const owed = (fees.best(peer, tab)?.terms.amountNano ?? baseNano) + fees.unpaidNano(peer)
  return owed > 0n ? owed : 0n
}

export function isOfTab(voucher: Voucher, tab: FeeTab): boolean {
  return isSameTab(voucher.terms, { ...tab, amountNano: 0n })
}

function encodeEntry({ best, dropped, mark, peer, unpaidNano }: Entry): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify({
      peer,
      unpaidNano: unpaidNano.toString(),
      best: best && JSON.parse(new TextDecoder().decode(encodeRecord({ peer, voucher: best, atMs: 0 }))),
      mark: mark && { ...mark, settledNano: mark.settledNano.toString() },
      dropped,
    }),
  )
}

/** Throws `MeshError` `store-failed` for an entry this code did not write: money is never guessed. */
function decodeEntry(log: string, bytes: Uint8Array): Entry {
  try {
    const raw = JSON.parse(new TextDecoder().decode(bytes)) as Raw
    const mark = raw['mark'] as Raw | undefined
    return {
      peer: parsePeerId(String(raw['peer'])),
      unpaidNano: signed(raw, 'unpaidNano'),
      best:
        raw['best'] === undefined
          ? undefined
          : decodeRecord(log, new TextEncoder().encode(JSON.stringify(raw['best']))).voucher,
      mark: mark && {
        channel: String(mark['channel']),
        feePpm: integer(mark, 'feePpm', 0, 1_000_000),
        settledNano: nano(mark, 'settledNano'),
      },
      dropped: raw['dropped'] === undefined ? undefined : String(raw['dropped']),
    }
  } catch (error) {
    throw new MeshError('store-failed', `an entry of the log "${log}" cannot be read: ${String(error)}`, {
      cause: error,
    })
  }
}

function signed(raw: Raw, name: string): Nano {
  const value = raw[name]
  const isNegative = typeof value === 'string' && value.startsWith('-')
  const amount = nano({ [name]: isNegative ? value.slice(1) : value }, name)
  return isNegative ? -amount : amount
}

// The consumer's side of each channel: what it received, what it signed. Persist, then sign away: a voucher is on disk
// before a provider sees it, so a crash never makes this peer sign twice or lose count.

import { MeshError } from '../../protocol/errors.ts'
import type { Tab as ProviderTab } from '../../protocol/frames.ts'
import type { Address, PeerId } from '../../protocol/ids.ts'
import { formatGram, largest, type Nano, nanoMax } from '../../protocol/money.ts'
import { betterVoucher, paidNano, type Voucher } from '../../protocol/voucher.ts'
import type { AccountId, RequestNote } from '../ledger/entries.ts'
import type { Line } from '../ledger/journal.ts'
import type { Sheet } from '../ledger/sheet.ts'
import type { Ports } from '../ports.ts'
import { VoucherLog, type VoucherRecord } from '../records.ts'
import type { DailySpend } from './daily-spend.ts'
import { ownVouchers, type VoucherSource } from './voucher-source.ts'

/** This peer's escrow on one chain in one epoch, one provider and the account it is paid to. */
export interface TabId {
  readonly globalId: number
  readonly epoch: number
  readonly peer: PeerId
  readonly payee: Address
}

interface Tab extends TabId {
  /** What this peer agrees it owes. */
  readonly owedNano: Nano
  readonly best: Voucher | undefined
  /** What the chain had paid when this tab was opened without a record of it. */
  readonly baseNano: Nano
  /** The amount of the voucher under way to the disk, or soon to be. */
  readonly signingNano: Nano
  /** The largest amount ever signed, on disk or under way there: nothing less is signed after it. */
  readonly signedNano: Nano
  /** The windows of the streams open on it now, each by its own price. What is unpaid is theirs together. */
  readonly openWindows: readonly Nano[]
  /** What the provider may still rightly claim beyond what was signed: tokens in flight when a stream broke. */
  readonly inFlightNano: Nano
  /** Its stream broke, so the best voucher may never have reached the provider. */
  readonly isUntold: boolean
}

export interface Debt extends TabId {
  readonly unpaidNano: Nano
}

/** Where the provider may claim more than this peer knows of. */
export interface UnsureTab extends TabId {
  readonly best: Voucher
  readonly inFlightNano: Nano
}

export class Tabs {
  readonly spend: DailySpend | undefined
  readonly #source: VoucherSource
  readonly #ports: Pick<Ports, 'clock' | 'identity' | 'store' | 'observe'>
  readonly #tabs = new Map<string, Tab>()
  /** Streams from before their first frame to their end. */
  readonly #live = new Map<PeerId, Set<TabStream>>()
  /** Providers of a stream that broke before its accept. */
  readonly #lost = new Set<PeerId>()
  readonly #log: VoucherLog
  readonly #sheet: Sheet | undefined

  /** With a cap on the day, requests on these tabs are held to it. */
  constructor(
    source: Address | VoucherSource,
    ports: Pick<Ports, 'clock' | 'identity' | 'store' | 'observe'>,
    spend?: DailySpend,
    /** Its part of the ledger. */
    sheet?: Sheet,
  ) {
    this.#sheet = sheet
    this.#source = typeof source === 'string' ? ownVouchers(source, ports.identity) : source
    this.spend = spend
    this.#ports = ports
    this.#log = new VoucherLog(this.#source.log, ports.store, () => this.#records())
  }

  async recover(): Promise<void> {
    for (const { peer, voucher, creditNano = 0n } of await this.#log.read()) {
      const { globalId, escrow, epoch, payee } = voucher.terms
      const amountNano = paidNano(voucher)
      if (escrow !== this.#source.escrow) continue // of an escrow this peer no longer uses
      const id = { globalId, epoch, peer, payee }
      const before = this.#tabs.get(keyOf(id))
      if (before?.best && paidNano(before.best) > amountNano) continue
      const owed = { owedNano: amountNano, best: voucher, baseNano: 0n, signingNano: 0n, signedNano: amountNano }
      this.#put({ ...id, ...owed, openWindows: [], inFlightNano: creditNano, isUntold: false }) // told at the next open
    }
    this.#watch()
  }

  #watch(): void {
    this.#sheet?.watch(() =>
      [...this.#tabs.values()].map((tab) => ({
        ...this.#account(tab),
        countedNano: tab.owedNano,
        coveredNano: largest(paidOf(tab.best), tab.baseNano),
      })),
    )
  }

  #account({ epoch, globalId, payee, peer }: TabId): AccountId {
    return { globalId, escrow: this.#source.escrow, epoch, payee, peer }
  }

  /** Where a request to this peer will probably be counted. */
  expected(peer: PeerId, note: RequestNote): { readonly key: string; readonly line: Line } | undefined {
    let last: Tab | undefined
    for (const tab of this.#tabs.values()) if (tab.peer === peer) last = tab
    const line = last && this.#sheet?.request(this.#account(last), note)
    return last && line && { key: keyOf(last), line }
  }

  /** A request's line in the ledger. */
  line(key: string, note: RequestNote): Line | undefined {
    return this.#sheet?.request(this.#account(this.#of(key)), note)
  }

  /** The voucher to state when opening a stream, where this peer has one. */
  best(id: TabId): Voucher | undefined {
    return this.#tabs.get(keyOf(id))?.best
  }

  /** The best to this payee, whichever provider it is of. */
  bestTo({ epoch, globalId, payee }: Omit<TabId, 'peer'>): Voucher | undefined {
    let best: Voucher | undefined
    for (const tab of this.#tabs.values()) {
      const isThis = tab.payee === payee && tab.epoch === epoch && tab.globalId === globalId
      if (isThis) best = betterVoucher(best, tab.best)
    }
    return best
  }

  isKnown(id: TabId): boolean {
    return this.#tabs.has(keyOf(id))
  }

  /** For one stream to a provider, from before its first frame to its end. */
  stream(peer: PeerId, note?: RequestNote): TabStream {
    const live = this.#live.get(peer) ?? new Set()
    this.#live.set(peer, live)
    const stream = new TabStream(this, peer, note)
    live.add(stream)
    if (live.size > 1) for (const each of live) each.isAlone = false
    return stream
  }

  /** Where it broke before its accept, something may have been delivered on it all the same. */
  over(stream: TabStream, isLost: boolean): void {
    const live = this.#live.get(stream.peer)
    live?.delete(stream)
    if (live?.size === 0) this.#live.delete(stream.peer)
    if (isLost) this.#lost.add(stream.peer)
  }

  /**
   * A stream was accepted: both views meet. `windowNano` is the credit window's value: what may be in flight should this
   * stream break. `settledNano` is what the chain has paid the payee, needed where the tab is not known: this peer signed
   * for it once. Returns the tab's key. Throws `overcharged` where the provider claims more than can be in flight.
   */
  accepted({ isAlone, peer }: TabStream, claim: ProviderTab, windowNano: Nano, settledNano: Nano): string {
    const { globalId, epoch, payee } = claim
    const id = { globalId, epoch, peer, payee }
    const key = keyOf(id)
    const known = this.#tabs.get(key) ?? {
      ...id,
      owedNano: settledNano,
      best: undefined,
      baseNano: settledNano,
      signingNano: 0n,
      signedNano: 0n,
      openWindows: [],
      inFlightNano: 0n,
      isUntold: false,
    }
    const theirs = this.#ownVoucher(claim)
    const best = betterVoucher(known.best, theirs)
    const isRecovered = best !== undefined && paidNano(best) > paidOf(known.best)
    if (isRecovered) this.#ports.observe({ type: 'tab-recovered', peer, amountNano: paidNano(best) })
    const owed = isRecovered && paidNano(best) > known.owedNano ? paidNano(best) : known.owedNano
    // another stream has tokens under way, and records that were lost may have been of one that broke
    const isUnsure = !isAlone || isRecovered || this.#lost.has(peer)
    const inFlight = isUnsure ? largest(known.inFlightNano, windowNano, ...known.openWindows) : known.inFlightNano
    // What was signed is paid for: a provider that forgave some of it, and forgot in a crash, asks for nothing new.
    const certain = largest(owed, paidOf(best))
    if (claim.owedNano > certain + inFlight) {
      throw new MeshError(
        'overcharged',
        `${peer} claims ${formatGram(claim.owedNano)} GRAM are owed in all, at most ${formatGram(certain + inFlight)} can be`,
      )
    }
    if (isAlone) this.#lost.delete(peer)
    const account = this.#account(id)
    if (!this.#tabs.has(key)) this.#sheet?.opened(account, settledNano)
    if (isRecovered) this.#sheet?.adopted(account, paidNano(best))
    const changeNano = (isAlone ? claim.owedNano : owed) - known.owedNano
    const why = changeNano < 0n ? 'forgiven by the provider' : 'claimed by the provider'
    this.#sheet?.adjusted(account, changeNano, isRecovered ? 'records taken back' : why)
    // With no other stream since this one was opened, the provider's count is up to date and is taken: it forgives,
    // refunds, or names what got lost on the way. What it did not name yet it may name later: it can take a while to
    // notice that a stream broke.
    const named = isAlone && claim.owedNano > certain ? claim.owedNano - certain : 0n
    this.#put({
      ...known,
      best,
      owedNano: isAlone ? claim.owedNano : owed,
      inFlightNano: (isAlone ? inFlight : known.inFlightNano) - named,
      openWindows: [...known.openWindows, windowNano],
      isUntold: known.isUntold && paidOf(theirs) !== paidOf(best),
    })
    return key
  }

  /** What is owed, or paid by a voucher that may be lost, where no stream lives: one that does pays for everything. */
  debts(): readonly Debt[] {
    return [...this.#tabs.values()].flatMap((tab) => this.#debtOn(tab) ?? [])
  }

  /** Where a stream broke, or may have when this peer died. */
  unsure(): readonly UnsureTab[] {
    return [...this.#tabs.values()].flatMap(({ best, globalId, epoch, inFlightNano, payee, peer }) =>
      best && inFlightNano > 0n ? [{ globalId, epoch, peer, payee, best, inFlightNano }] : [],
    )
  }

  /** Those to this provider. Asked with every advert. */
  debtsTo(peer: PeerId): readonly Debt[] {
    const debts: Debt[] = []
    for (const tab of this.#tabs.values()) {
      const debt = tab.peer === peer ? this.#debtOn(tab) : undefined
      if (debt) debts.push(debt)
    }
    return debts
  }

  #debtOn(tab: Tab): Debt | undefined {
    const { best, globalId, epoch, peer, payee } = tab // a prompt is paid first, so whoever is owed has a voucher
    if (!best || this.#live.has(peer)) return undefined
    const nano = unpaidNano(tab)
    return nano > 0n || tab.isUntold ? { globalId, epoch, peer, payee, unpaidNano: nano } : undefined
  }

  /**
   * A debt outside any stream, signed; undefined where a stream has come to live. The provider takes such a voucher for
   * what it has delivered, and a prompt that is paid for now has yet to be.
   */
  async signDebt(debt: Debt): Promise<Voucher | undefined> {
    if (this.#live.has(debt.peer)) return undefined
    const key = keyOf(debt)
    const voucher = await this.sign(key)
    if (voucher) return voucher
    const { best, isUntold } = this.#of(key)
    return isUntold ? best : undefined
  }

  /** The provider has this voucher. */
  told(debt: Debt, voucher: Voucher): void {
    const tab = this.#of(keyOf(debt))
    if (paidOf(tab.best) === paidNano(voucher)) this.#put({ ...tab, isUntold: false })
  }

  /**
   * A voucher for everything owed, durable when it resolves; undefined where it would add nothing. `ending` is the window
   * of the stream that both sides have counted to its end: nothing of it is in flight any more.
   */
  async sign(key: string, ending?: Nano): Promise<Voucher | undefined> {
    const { clock } = this.#ports
    const tab = this.#of(key)
    const { globalId, epoch, payee, owedNano, peer } = tab
    if (unpaidNano(tab) <= 0n || owedNano < tab.signedNano) return undefined
    const terms = { globalId, escrow: this.#source.escrow, epoch, payee, amountNano: owedNano }
    const paying = this.#source.pay(terms, tab.best, tab.baseNano)
    this.#put({ ...tab, signingNano: owedNano, signedNano: owedNano })
    // another stream may have been delivered to before its accept told of its window
    const isLast = ending !== undefined && this.#live.get(peer)?.size === 1
    const creditNano = inFlightAfterCrash(isLast ? withoutWindow(tab, ending) : tab)
    const voucher = paying instanceof Promise ? await this.#paid(key, paying) : paying
    const write = (): Promise<void> =>
      this.#log.append({ peer, voucher, atMs: clock.now(), creditNano }, () => {
        const now = this.#of(key)
        this.#put({ ...now, best: betterVoucher(now.best, voucher) })
      })
    if (this.#sheet) await this.#sheet.raise(this.#account(tab), () => write().then(() => paidNano(voucher)))
    else await write()
    return voucher
  }

  /** Where nothing comes nothing is under way any more, and what arrives is unpaid. */
  async #paid(key: string, paying: Promise<Voucher>): Promise<Voucher> {
    try {
      return await paying
    } catch (error) {
      const tab = this.#of(key)
      this.#put({ ...tab, signingNano: 0n, signedNano: paidOf(tab.best) }) // asking for less next time is no harm
      throw error
    }
  }

  /** A prompt, to be paid at once. */
  prepay(key: string, costNano: Nano): void {
    const tab = this.#of(key)
    const owedNano = tab.owedNano + costNano
    this.#put({ ...tab, owedNano, signingNano: owedNano })
  }

  /** It could not be paid, so it was not begun: nothing of it is owed. */
  unprepay(key: string, costNano: Nano): void {
    const tab = this.#of(key)
    this.#put({ ...tab, owedNano: tab.owedNano - costNano })
  }

  /** Tokens that arrived. Throws `overcharged`, counting nothing, where they are beyond the window that was agreed. */
  received(key: string, costNano: Nano): void {
    const tab = this.#of(key)
    const owedNano = tab.owedNano + costNano
    const signedNano = largest(tab.signingNano, paidOf(tab.best), tab.baseNano)
    const windowNano = largest(0n, ...tab.openWindows)
    if (owedNano - signedNano > windowNano) {
      throw new MeshError(
        'overcharged',
        `${tab.peer} delivered ${formatGram(owedNano - signedNano)} GRAM beyond the last voucher, ${formatGram(windowNano)} were agreed`,
      )
    }
    this.#put({ ...tab, owedNano })
  }

  unpaidNano(key: string): Nano {
    return unpaidNano(this.#of(key))
  }

  /** Of the cheapest stream: it stops first when what is unpaid grows. */
  leastWindowNano(key: string): Nano {
    return this.#of(key).openWindows.reduce((least, nano) => (nano < least ? nano : least), nanoMax)
  }

  closed(key: string, windowNano: Nano, isClean: boolean, isUntold: boolean): void {
    const before = withoutWindow(this.#of(key), windowNano)
    const tab = { ...before, isUntold: before.isUntold || isUntold }
    this.#put(isClean ? tab : { ...tab, inFlightNano: largest(tab.inFlightNano, windowNano) })
  }

  /** The claim's voucher, where this peer itself signed it for this very tab: how lost records are recovered. */
  #ownVoucher({ best, epoch, globalId, payee }: ProviderTab): Voucher | undefined {
    if (!best) return undefined
    const { terms } = best
    const isThisTab =
      terms.globalId === globalId &&
      terms.escrow === this.#source.escrow &&
      terms.payee === payee &&
      terms.epoch === epoch
    return isThisTab && this.#source.isOwn(best) ? best : undefined
  }

  #of(key: string): Tab {
    const tab = this.#tabs.get(key)
    if (!tab) throw new MeshError('internal', `no tab ${key}`)
    return tab
  }

  #put(tab: Tab): void {
    this.#tabs.set(keyOf(tab), tab)
  }

  *#records(): Iterable<VoucherRecord> {
    for (const tab of this.#tabs.values()) {
      const { best, peer } = tab
      if (best) yield { peer, voucher: best, atMs: this.#ports.clock.now(), creditNano: inFlightAfterCrash(tab) }
    }
  }
}

/** One stream's handle on its tab. */
export class TabStream {
  readonly peer: PeerId
  /** No other stream to this provider has lived while this one did: what the provider states here is not out of date. */
  isAlone = true
  readonly #tabs: Tabs
  #tab: { readonly key: string; readonly windowNano: Nano } | undefined
  #isOpen = true
  #hasSigned = false
  readonly #note: RequestNote
  /** Of the ledger; until its tab is known, of the one it will probably be. */
  #line: Line | undefined
  readonly #expected: { readonly key: string; readonly line: Line } | undefined

  constructor(tabs: Tabs, peer: PeerId, note?: RequestNote) {
    this.#tabs = tabs
    this.#note = note ?? { request: '' }
    this.#expected = tabs.expected(peer, this.#note)
    this.#line = this.#expected?.line
    this.peer = peer
  }

  /** Once a stream. Throws `overcharged` where the provider claims more than can be in flight. */
  accepted(claim: ProviderTab, windowNano: Nano, settledNano: Nano = 0n): void {
    if (this.#tab) throw new MeshError('protocol-violation', `${this.peer} stated the tab of a stream twice`)
    const key = this.#tabs.accepted(this, claim, windowNano, settledNano)
    this.#tab = { key, windowNano }
    if (this.#expected?.key === key) return
    this.#line?.end()
    this.#line = this.#tabs.line(key, this.#note)
  }

  prepay(costNano: Nano): void {
    this.#tabs.prepay(this.#met.key, costNano)
    this.#line?.add(costNano)
  }

  /** Where other streams share the window it may have been begun without: then it stays owed. */
  unprepay(costNano: Nano): boolean {
    if (this.isAlone) {
      this.#tabs.unprepay(this.#met.key, costNano)
      this.#line?.add(-costNano)
    }
    return this.isAlone
  }

  received(costNano: Nano): void {
    this.#tabs.received(this.#met.key, costNano)
    this.#line?.add(costNano)
  }

  /** Of all streams on the tab: the provider's window is theirs together. */
  unpaidNano(): Nano {
    return this.#tabs.unpaidNano(this.#met.key)
  }

  /** The least of all streams on the tab. */
  leastWindowNano(): Nano {
    return this.#tabs.leastWindowNano(this.#met.key)
  }

  async sign(): Promise<Voucher | undefined> {
    return this.#noted(await this.#tabs.sign(this.#met.key))
  }

  /** The last voucher of a stream that both sides counted to the end. */
  async signLast(): Promise<Voucher | undefined> {
    return this.#noted(await this.#tabs.sign(this.#met.key, this.#met.windowNano))
  }

  /** `isClean`: all that was delivered was received. `isTold`: so was every voucher, as far as anybody can know. */
  close(isClean: boolean, isTold = isClean): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#line?.end()
    if (this.#tab) this.#tabs.closed(this.#tab.key, this.#tab.windowNano, isClean, this.#hasSigned && !isTold)
    this.#tabs.over(this, !this.#tab && !isClean)
  }

  #noted(voucher: Voucher | undefined): Voucher | undefined {
    this.#hasSigned ||= voucher !== undefined
    return voucher
  }

  get #met() {
    if (!this.#tab) throw new MeshError('protocol-violation', `${this.peer} counted before it stated the tab`)
    return this.#tab
  }
}

function unpaidNano({ baseNano, best, owedNano }: Tab): Nano {
  return owedNano - largest(paidOf(best), baseNano)
}

function paidOf(voucher: Voucher | undefined): Nano {
  return voucher ? paidNano(voucher) : 0n
}

/** What a provider may claim when this peer comes back from a crash now. */
function inFlightAfterCrash({ inFlightNano, openWindows }: Tab): Nano {
  return largest(inFlightNano, ...openWindows)
}

function withoutWindow(tab: Tab, windowNano: Nano): Tab {
  const at = tab.openWindows.indexOf(windowNano)
  return { ...tab, openWindows: tab.openWindows.filter((_, index) => index !== at) }
}

function keyOf({ globalId, epoch, peer, payee }: TabId): string {
  return `${globalId}/${epoch}/${peer}/${payee}`
}

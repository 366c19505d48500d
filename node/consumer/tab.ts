// The consumer's side of each channel: what it received, what it signed. Persist, then sign away: a voucher is on disk
// before a provider sees it, so a crash never makes this peer sign twice or lose count.

import { MeshError } from '../../protocol/errors.ts'
import type { Tab as ProviderTab } from '../../protocol/frames.ts'
import type { Address, PeerId } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { betterVoucher, signVoucher, type Voucher, verifyVoucher } from '../../protocol/voucher.ts'
import type { Ports } from '../ports.ts'
import { decodeRecord, encodeRecord } from '../records.ts'

const log = 'tabs'
const staleEntriesMax = 10_000

/** One channel: this peer's escrow, one epoch, one payee. */
interface Tab {
  readonly peer: PeerId
  readonly payee: Address
  readonly epoch: number
  /** What this peer agrees it owes. */
  readonly owedNano: Nano
  readonly best: Voucher | undefined
  /** Streams open on it now. */
  readonly streams: number
  /** What the provider may rightly claim beyond `owedNano`: tokens in flight when a stream broke. */
  readonly inFlightNano: Nano
}

export interface Debt {
  readonly peer: PeerId
  readonly payee: Address
  readonly unpaidNano: Nano
}

export class Tabs {
  readonly #escrow: Address
  readonly #ports: Pick<Ports, 'clock' | 'identity' | 'store' | 'observe'>
  readonly #tabs = new Map<string, Tab>()

  constructor(escrow: Address, ports: Pick<Ports, 'clock' | 'identity' | 'store' | 'observe'>) {
    this.#escrow = escrow
    this.#ports = ports
  }

  async recover(): Promise<void> {
    const entries = await this.#ports.store.read(log)
    for (const entry of entries) {
      const { peer, voucher, creditNano } = decodeRecord(log, entry)
      const { escrow, epoch, payee, amountNano } = voucher.terms
      if (escrow !== this.#escrow) continue // of an escrow this peer no longer uses
      const before = this.#tabs.get(keyOf(payee, epoch))
      if (before?.best && before.best.terms.amountNano > amountNano) continue
      const inFlightNano = creditNano ?? 0n
      this.#put({ peer, payee, epoch, owedNano: amountNano, best: voucher, streams: 0, inFlightNano })
    }
    if (entries.length - this.#tabs.size > staleEntriesMax) await this.#compact()
  }

  /** The voucher to state when opening a stream, where this peer has one. */
  best(payee: Address): Voucher | undefined {
    return this.#latest(payee)?.best
  }

  /**
   * A stream opens: both views meet. Throws `overcharged` where the provider claims more than can be in flight.
   * `creditNano` is the window's value: what may be in flight should this stream break.
   */
  open(peer: PeerId, claim: ProviderTab, creditNano: Nano): TabStream {
    const key = keyOf(claim.payee, claim.epoch)
    const known = this.#tabs.get(key) ?? {
      peer,
      payee: claim.payee,
      epoch: claim.epoch,
      owedNano: 0n,
      best: undefined,
      streams: 0,
      inFlightNano: 0n,
    }
    const best = betterVoucher(known.best, this.#ownVoucher(claim))
    const isRecovered = best !== known.best
    if (isRecovered && best) this.#ports.observe({ type: 'tab-recovered', peer, amountNano: best.terms.amountNano })
    const covered = best?.terms.amountNano ?? 0n
    const owed = isRecovered && covered > known.owedNano ? covered : known.owedNano
    const claimMax = owed + known.inFlightNano + (known.streams > 0 || isRecovered ? creditNano : 0n)
    if (claim.owedNano > claimMax) {
      throw new MeshError('overcharged', `${peer} claims ${claim.owedNano} nano, at most ${claimMax} can be owed`)
    }
    // With nothing else in flight the provider's count is taken: it forgives, refunds, or names what got lost on the way.
    const owedNano = known.streams === 0 ? claim.owedNano : owed
    const inFlightNano = known.streams === 0 ? 0n : known.inFlightNano
    this.#put({ ...known, peer, best, owedNano, inFlightNano, streams: known.streams + 1 })
    return new TabStream(this, key, claim.globalId, creditNano)
  }

  debts(): readonly Debt[] {
    return [...this.#tabs.values()]
      .map(({ peer, payee, owedNano, best }) => ({
        peer,
        payee,
        unpaidNano: owedNano - (best?.terms.amountNano ?? 0n),
      }))
      .filter(({ unpaidNano }) => unpaidNano > 0n)
  }

  /** Signed to all providers in the newest epoch of each. */
  signedNano(): Nano {
    return [...this.#tabs.values()].reduce((sum, { best }) => sum + (best?.terms.amountNano ?? 0n), 0n)
  }

  /** A voucher for everything owed, durable when it resolves; undefined where nothing is unpaid. */
  async sign(key: string, globalId: number, creditNano: Nano): Promise<Voucher | undefined> {
    const { clock, identity, store } = this.#ports
    const tab = this.#of(key)
    if (tab.owedNano <= (tab.best?.terms.amountNano ?? 0n)) return undefined
    const { payee, epoch, owedNano, peer } = tab
    const terms = { globalId, escrow: this.#escrow, epoch, payee, amountNano: owedNano }
    const voucher = signVoucher(terms, (digest) => identity.sign(digest))
    await store.append(log, encodeRecord({ peer, voucher, atMs: clock.now(), creditNano }))
    const now = this.#of(key)
    this.#put({ ...now, best: betterVoucher(now.best, voucher) })
    return voucher
  }

  /** The debt of a tab outside any stream, signed. */
  async signDebt(payee: Address): Promise<Voucher | undefined> {
    const tab = this.#latest(payee)
    const globalId = tab?.best?.terms.globalId
    if (!tab || globalId === undefined) return undefined
    return this.sign(keyOf(payee, tab.epoch), globalId, tab.inFlightNano)
  }

  received(key: string, costNano: Nano): void {
    const tab = this.#of(key)
    this.#put({ ...tab, owedNano: tab.owedNano + costNano })
  }

  closed(key: string, inFlightNano: Nano): void {
    const tab = this.#of(key)
    this.#put({ ...tab, streams: tab.streams - 1, inFlightNano: tab.inFlightNano + inFlightNano })
  }

  #latest(payee: Address): Tab | undefined {
    let latest: Tab | undefined
    for (const tab of this.#tabs.values()) {
      if (tab.payee === payee && (!latest || tab.epoch > latest.epoch)) latest = tab
    }
    return latest
  }

  /** The claim's voucher, where this peer itself signed it for this very tab: how lost records are recovered. */
  #ownVoucher(claim: ProviderTab): Voucher | undefined {
    const { best } = claim
    if (!best) return undefined
    const { terms } = best
    const isThisTab = terms.escrow === this.#escrow && terms.payee === claim.payee && terms.epoch === claim.epoch
    return isThisTab && verifyVoucher(best, this.#ports.identity.publicKey) ? best : undefined
  }

  #of(key: string): Tab {
    const tab = this.#tabs.get(key)
    if (!tab) throw new MeshError('internal', `no tab ${key}`)
    return tab
  }

  #put(tab: Tab): void {
    this.#tabs.set(keyOf(tab.payee, tab.epoch), tab)
  }

  async #compact(): Promise<void> {
    const entries = [...this.#tabs.values()].flatMap(({ peer, best, inFlightNano }) =>
      best ? [encodeRecord({ peer, voucher: best, atMs: this.#ports.clock.now(), creditNano: inFlightNano })] : [],
    )
    await this.#ports.store.rewrite(log, entries)
  }
}

/** One stream's handle on its tab. */
export class TabStream {
  readonly #tabs: Tabs
  readonly #key: string
  readonly #globalId: number
  readonly #creditNano: Nano
  #isOpen = true

  constructor(tabs: Tabs, key: string, globalId: number, creditNano: Nano) {
    this.#tabs = tabs
    this.#key = key
    this.#globalId = globalId
    this.#creditNano = creditNano
  }

  received(costNano: Nano): void {
    this.#tabs.received(this.#key, costNano)
  }

  /** While the stream is open a crash may leave a window in flight, and the record says so. */
  sign(): Promise<Voucher | undefined> {
    return this.#tabs.sign(this.#key, this.#globalId, this.#creditNano)
  }

  /** The last voucher of a stream that both sides counted to the end. */
  signLast(): Promise<Voucher | undefined> {
    return this.#tabs.sign(this.#key, this.#globalId, 0n)
  }

  close(isClean: boolean): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#tabs.closed(this.#key, isClean ? 0n : this.#creditNano)
  }
}

function keyOf(payee: Address, epoch: number): string {
  return `${payee}/${epoch}`
}

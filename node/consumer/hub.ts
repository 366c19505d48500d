// Paying through a hub: this peer signs vouchers to it, one increment at a time, and gets the hub's own vouchers and grants for
// providers. What a hub can take is the one increment it has not granted yet. docs/protocol.md §11.

import { asMeshError, type ErrorCode, MeshError } from '../../protocol/errors.ts'
import { decodeFromHub, encodeHubFrame, type FromHub, feeNano, type HubTerms, verifyGrant } from '../../protocol/hub.ts'
import { type Address, hubProtocol, type PeerId, publicKeyOf } from '../../protocol/ids.ts'
import { formatGram, formatPercent, largest, type Nano } from '../../protocol/money.ts'
import {
  betterVoucher,
  isSameTab,
  paidNano,
  signVoucher,
  tabKey,
  type Voucher,
  type VoucherTerms,
  verifyVoucher,
} from '../../protocol/voucher.ts'
import type { Config } from '../config.ts'
import type { Sheet } from '../ledger/sheet.ts'
import type { Ports, Stream } from '../ports.ts'
import { VoucherLog, type VoucherRecord } from '../records.ts'
import { within } from '../waits.ts'
import type { DailySpend } from './daily-spend.ts'
import type { OwnEscrow } from './session.ts'
import { Tabs } from './tab.ts'
import type { VoucherSource } from './voucher-source.ts'

/** Increments bought in a row for one payment; a dearer one is paid directly. */
const incrementsAtOnceMax = 64n

/** The hub failed, and not the provider that was to be paid through it. */
export class HubFailure extends MeshError {}

/** A way to pay a provider: out of which escrow, and what was paid so far. */
export interface Way {
  readonly escrow: OwnEscrow
  readonly tabs: Tabs
}

type HubPorts = Pick<Ports, 'clock' | 'identity' | 'network' | 'store' | 'chain' | 'observe'>

/** The account with the hub, in one epoch of the own escrow. */
interface Account {
  readonly globalId: number
  readonly epoch: number
  readonly payee: Address
  /** What this peer agrees it was charged. */
  readonly owedNano: Nano
  readonly best: Voucher | undefined
  /** What the best voucher is to buy and has not bought: nothing more is signed before it is granted. */
  readonly wants: Wanted | undefined
}

interface Wanted {
  readonly payee: Address
  readonly creditNano: Nano
  /** What it adds to what is owed at most. */
  readonly chargeNano: Nano
}

interface Open {
  readonly stream: Stream
  readonly frames: AsyncIterator<Uint8Array>
  readonly terms: HubTerms
  /** Of this peer's escrow, as this stream was opened for. */
  readonly own: OwnEscrow
}

export class Hub {
  readonly peer: PeerId
  readonly #config: Config['consumer']
  readonly #ports: HubPorts
  readonly #ownEscrow: () => Promise<OwnEscrow>
  readonly #spend: DailySpend | undefined
  readonly #sheet: Sheet | undefined
  readonly #log: VoucherLog
  #account: Account | undefined
  #open: Open | undefined
  /** Until when it is left alone, Unix milliseconds. */
  #leftUntilMs = 0
  /** One thing at a time is asked of it. */
  #turn: Promise<unknown> = Promise.resolve()
  #tabs: { readonly escrow: Address; readonly tabs: Tabs } | undefined
  /** What it has granted, by epoch of its escrow and payee: also what no tab has asked for again yet. */
  readonly #granted = new Map<string, Voucher>()

  constructor(
    peer: PeerId,
    config: Config['consumer'],
    ports: HubPorts,
    ownEscrow: () => Promise<OwnEscrow>,
    spend?: DailySpend,
    /** The ledger's part for what this hub grants. */
    sheet?: Sheet,
  ) {
    this.#spend = spend
    this.#sheet = sheet
    this.peer = peer
    this.#config = config
    this.#ports = ports
    this.#ownEscrow = ownEscrow
    this.#log = new VoucherLog('hub-account', ports.store, () => this.#records())
  }

  /** Signed to the hub, in all. */
  get signedNano(): Nano {
    return this.#account?.best ? paidNano(this.#account.best) : 0n
  }

  /** Where debts may be paid through it now. */
  get tabs(): Tabs | undefined {
    return this.#isLeft ? undefined : this.#tabs?.tabs
  }

  async recover(): Promise<void> {
    for (const { creditNano = 0n, voucher, wants } of await this.#log.read()) {
      const { amountNano, epoch, globalId, payee } = voucher.terms
      const known = this.#account
      if (known && known.epoch === epoch && known.globalId === globalId && paidOf(known.best) > amountNano) continue
      const wanted = wants && { ...wants, chargeNano: creditNano }
      const owedNano = amountNano - (wanted?.chargeNano ?? 0n)
      this.#account = { globalId, epoch, payee, owedNano, best: voucher, wants: wanted }
    }
  }

  /** Undefined where the hub cannot be used now, and providers are to be paid directly. */
  async way(): Promise<Way | undefined> {
    if (this.#isLeft) return undefined
    try {
      const { terms } = await this.#inTurn(() => this.#connected())
      const { epoch, escrow, tab } = terms
      const tabs = await this.#tabsOf(escrow)
      return { tabs, escrow: { address: escrow, globalId: tab.globalId, epoch } }
    } catch (error) {
      this.leave(asMeshError(error))
      return undefined
    }
  }

  /** It is not used for a while. */
  leave({ code, message }: MeshError): void {
    if (!this.#isLeft) this.#ports.observe({ type: 'hub-left', peer: this.peer, code, message })
    this.#leftUntilMs = this.#ports.clock.now() + this.#config.cooldownMs
    this.#close()
  }

  stop(): void {
    this.#close()
  }

  get #isLeft(): boolean {
    return this.#ports.clock.now() < this.#leftUntilMs
  }

  #close(): void {
    const open = this.#open
    this.#open = undefined
    open?.stream.reset(new MeshError('cancelled', 'the hub is not needed now'))
  }

  async #tabsOf(escrow: Address): Promise<Tabs> {
    if (this.#tabs?.escrow === escrow) return this.#tabs.tabs
    const tabs = new Tabs(this.#sourceOf(escrow), this.#ports, this.#spend, this.#sheet)
    await tabs.recover()
    if (this.#tabs?.escrow !== escrow) this.#tabs = { escrow, tabs } // another may have been first
    return this.#tabs.tabs
  }

  #sourceOf(escrow: Address): VoucherSource {
    const { identity } = this.#ports
    return {
      escrow,
      log: 'hub-tabs',
      isOwn: (voucher) => isGood(voucher, this.peer, identity.peerId),
      pay: (terms, best) => this.#pay(terms, best),
    }
  }

  /** A grant of `terms.amountNano` in all. Throws `HubFailure`; the hub is then left, unless it was too much for this peer. */
  async #pay(terms: VoucherTerms, best: Voucher | undefined): Promise<Voucher> {
    try {
      return await this.#inTurn(() => this.#bought(terms, best))
    } catch (error) {
      const failure = asMeshError(error)
      if (failure.code !== 'over-budget') this.leave(failure)
      throw new HubFailure(failure.code, `hub ${this.peer}: ${failure.message}`, { cause: error })
    }
  }

  async #bought(terms: VoucherTerms, best: Voucher | undefined): Promise<Voucher> {
    if (this.#isLeft) throw failed('unreachable', 'it failed lately')
    const before = this.#open
    try {
      return await this.#grantOf(await this.#connected(), terms, best)
    } catch (error) {
      // a stream that was idle may have ended, with its hub restarted since: what was asked is asked again on a new one
      const isStale = before !== undefined && before === this.#open && asMeshError(error).code === 'unreachable'
      if (!isStale) throw error
      this.#close()
      return this.#grantOf(await this.#connected(), terms, best)
    }
  }

  async #grantOf(open: Open, terms: VoucherTerms, best: Voucher | undefined): Promise<Voucher> {
    const { escrow, epoch, tab } = open.terms
    if (terms.escrow !== escrow || terms.epoch !== epoch || terms.globalId !== tab.globalId) {
      throw failed('escrow-unusable', `it now pays out of ${escrow} in epoch ${epoch}`)
    }
    const held = betterVoucher(best, this.#granted.get(tabKey(terms)))
    const { hubIncrementNanoMax: oursNano } = this.#config
    const { incrementNanoMax: theirsNano } = open.terms
    const mostNano = theirsNano < oursNano ? theirsNano : oursNano
    // one after the other: the hub is trusted with no more than one, however much is owed at once
    const openNano = terms.amountNano - (held ? paidNano(held) : 0n)
    if (openNano > mostNano * incrementsAtOnceMax) {
      const problem = `${formatGram(openNano)} GRAM at once, at most ${incrementsAtOnceMax} times ${formatGram(mostNano)} go through this hub`
      throw failed('over-budget', problem)
    }
    let granted = held
    for (let paid = held ? paidNano(held) : 0n; !granted || paid < terms.amountNano; paid = paidNano(granted)) {
      const creditNano = terms.amountNano - paid > mostNano ? paid + mostNano : terms.amountNano
      granted = await this.#buy(open, { payee: terms.payee, creditNano }, granted)
    }
    return granted
  }

  /** Signs for one increment, durably, and asks for it. */
  async #buy(open: Open, want: Omit<Wanted, 'chargeNano'>, held: Voucher | undefined): Promise<Voucher> {
    const { feePpm } = open.terms
    const incrementNano = want.creditNano - (held ? paidNano(held) : 0n)
    const account = this.#own
    const wants = { ...want, chargeNano: incrementNano + feeNano(incrementNano, feePpm) }
    await this.#sign(
      open.own,
      { ...account, wants },
      largest(account.owedNano + wants.chargeNano, paidOf(account.best)),
    )
    return this.#ask(open, wants, held)
  }

  async #sign({ address }: OwnEscrow, account: Account, amountNano: Nano): Promise<void> {
    const { clock, identity } = this.#ports
    const { epoch, globalId, payee, wants } = account
    const terms = { globalId, escrow: address, epoch, payee, amountNano }
    await this.#spend?.take(amountNano - paidOf(account.best))
    const voucher = signVoucher(terms, (digest) => identity.sign(digest))
    const creditNano = amountNano - account.owedNano
    const record = { peer: this.peer, voucher, atMs: clock.now(), creditNano, wants }
    await this.#log.append(record, () => {
      this.#account = { ...account, best: voucher }
    })
  }

  async #ask(open: Open, wants: Wanted, held: Voucher | undefined): Promise<Voucher> {
    const { best: voucher, owedNano } = this.#own
    if (!voucher) throw failed('internal', 'nothing was signed')
    const { creditNano, payee } = wants
    const reply = await this.#exchange(open, { type: 'want', payee, creditNano, voucher, held })
    if (reply.type === 'fail') {
      this.#account = { ...this.#own, wants: undefined } // what was signed for it pays for the next
      throw new Refusal(reply.code, reply.message)
    }
    if (reply.type !== 'granted') throw failed('protocol-violation', `${reply.type} in answer to a want`)
    const granted = reply.voucher
    const { escrow, epoch, tab } = open.terms
    const expected = { globalId: tab.globalId, escrow, epoch, payee, amountNano: 0n }
    const isRight = isSameTab(granted.terms, expected) && isGood(granted, this.peer, this.#ports.identity.peerId)
    if (!isRight || paidNano(granted) < creditNano || granted.terms.amountNano < paidNano(granted)) {
      throw failed('voucher-invalid', `it did not grant ${formatGram(creditNano)} GRAM at ${payee}`)
    }
    const chargedNano = owedNano + wants.chargeNano
    if (reply.owedNano > chargedNano) {
      throw failed(
        'overcharged',
        `it charged ${formatGram(reply.owedNano)} GRAM in all, at most ${formatGram(chargedNano)} were agreed`,
      )
    }
    // less is charged where it had granted some of it before; a hub that forgot what it had charged is paid all the same
    const nowNano = reply.owedNano >= owedNano ? reply.owedNano : chargedNano
    this.#account = { ...this.#own, owedNano: nowNano, wants: undefined }
    const key = tabKey(granted.terms)
    this.#granted.set(key, betterVoucher(this.#granted.get(key), granted) ?? granted)
    return granted
  }

  /** Opened where it is not, and agreed on where both stand. */
  async #connected(): Promise<Open> {
    const own = await this.#ownEscrow()
    if (this.#open && (this.#open.own.epoch !== own.epoch || this.#open.own.globalId !== own.globalId)) this.#close()
    if (this.#open) return this.#open
    const { clock, network } = this.#ports
    const { hubMs } = this.#config
    const open = (stop: AbortSignal): Promise<Stream> => network.open(this.peer, hubProtocol, stop)
    const stream = await within(clock, hubMs, `connecting to hub ${this.peer}`, open)
    try {
      const frames = stream.frames[Symbol.asyncIterator]()
      const known = this.#account
      const isOurs =
        known?.epoch === own.epoch && known.globalId === own.globalId && known.best?.terms.escrow === own.address
      const best = isOurs ? known.best : undefined
      const reply = await this.#exchange({ stream, frames }, { type: 'hello', escrow: own.address, best })
      if (reply.type === 'fail') throw new MeshError(reply.code, reply.message)
      if (reply.type !== 'terms') throw failed('protocol-violation', `${reply.type} in answer to a hello`)
      await this.#agree(reply, own, isOurs ? known : undefined)
      const opened = { stream, frames, terms: reply, own }
      const { wants } = this.#own
      // what a lost answer, or a crash, left open comes first: until then the hub has been paid for nothing
      if (wants) await this.#ask(opened, wants, await this.#heldOf(reply, wants.payee)).catch(refusalIgnored)
      this.#open = opened
      return opened
    } catch (error) {
      stream.reset(asMeshError(error))
      throw error
    }
  }

  async #agree({ feePpm, tab }: HubTerms, own: OwnEscrow, known: Account | undefined): Promise<void> {
    const { hubFeePpmMax } = this.#config
    if (feePpm > hubFeePpmMax) {
      const problem = `it takes ${formatPercent(feePpm)}, at most ${formatPercent(hubFeePpmMax)} is paid (consumer.hubFeePpmMax)`
      throw failed('price-changed', problem)
    }
    const { epoch, globalId, payee } = tab
    if (globalId !== own.globalId || epoch !== own.epoch) {
      throw failed(
        'escrow-unusable',
        `it sees chain ${globalId} and epoch ${epoch}, expected ${own.globalId} and ${own.epoch}`,
      )
    }
    const account =
      known?.payee === payee ? known : { globalId, epoch, payee, owedNano: 0n, best: undefined, wants: undefined }
    const theirs = this.#ownVoucher(tab.best, own, payee)
    const best = betterVoucher(account.best, theirs)
    const isRecovered = paidOf(best) > paidOf(account.best)
    if (isRecovered) this.#ports.observe({ type: 'tab-recovered', peer: this.peer, amountNano: paidOf(best) })
    // without any record here or there it begins at what the chain has paid
    const isNew = best === undefined && account.owedNano === 0n
    const settledNano = isNew ? (await this.#ports.chain.payee(own.address, payee)).settledNano : 0n
    const certainNano = largest(paidOf(best), settledNano)
    if (tab.owedNano > certainNano) {
      throw failed('overcharged', `it claims ${formatGram(tab.owedNano)} GRAM, ${formatGram(certainNano)} were signed`)
    }
    const lost = isNew ? settledNano : tab.owedNano
    this.#account = isRecovered || isNew ? { ...account, best, owedNano: lost, wants: undefined } : account
  }

  #ownVoucher(voucher: Voucher | undefined, own: OwnEscrow, payee: Address): Voucher | undefined {
    if (!voucher) return undefined
    const expected = { globalId: own.globalId, escrow: own.address, epoch: own.epoch, payee, amountNano: 0n }
    const isOurs = isSameTab(voucher.terms, expected) && verifyVoucher(voucher, this.#ports.identity.publicKey)
    return isOurs ? voucher : undefined
  }

  async #heldOf({ epoch, escrow, tab: { globalId } }: HubTerms, payee: Address): Promise<Voucher | undefined> {
    const tabs = await this.#tabsOf(escrow)
    const granted = this.#granted.get(tabKey({ globalId, escrow, epoch, payee }))
    return betterVoucher(tabs.bestTo({ globalId, epoch, payee }), granted)
  }

  async #exchange(
    { frames, stream }: Pick<Open, 'frames' | 'stream'>,
    frame: Parameters<typeof encodeHubFrame>[0],
  ): Promise<FromHub> {
    const { clock } = this.#ports
    await stream.send(encodeHubFrame(frame))
    const what = `hub ${this.peer}'s answer to a ${frame.type}`
    const next = await within(clock, this.#config.hubMs, what, () => frames.next())
    if (next.done) throw failed('unreachable', 'it closed the stream')
    return decodeFromHub(next.value)
  }

  /** After whoever was before, however that ended. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  get #own(): Account {
    if (!this.#account) throw new MeshError('internal', `no account with hub ${this.peer}`)
    return this.#account
  }

  *#records(): Iterable<VoucherRecord> {
    const { best, owedNano, wants } = this.#account ?? {}
    if (!best) return
    const atMs = this.#ports.clock.now()
    yield { peer: this.peer, voucher: best, atMs, creditNano: paidNano(best) - (owedNano ?? 0n), wants }
  }
}

function isGood(voucher: Voucher, hub: PeerId, consumer: PeerId): boolean {
  const key = publicKeyOf(hub)
  return voucher.grant?.consumer === consumer && verifyGrant(voucher, key) && verifyVoucher(voucher, key)
}

/** The hub said no: it has charged for nothing. */
function refusalIgnored(error: unknown): void {
  if (!(error instanceof Refusal)) throw error
}

class Refusal extends MeshError {}

function paidOf(voucher: Voucher | undefined): Nano {
  return voucher ? paidNano(voucher) : 0n
}

function failed(code: ErrorCode, message: string): MeshError {
  return new MeshError(code, message)
}

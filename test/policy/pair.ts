// A consumer's tabs and a provider's book with a bad network between them: streams break on one side first, vouchers are
// lost, doubled and overtaken, either side crashes with writes under way. Who may do what when is the protocol's; the
// money is counted by the real code.

import { type TabStream, Tabs } from '../../node/consumer/tab.ts'
import { type Account, Book } from '../../node/settlement/book.ts'
import { type Channel, coveredNano, unpaidNano } from '../../node/settlement/channel.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { Tab } from '../../protocol/frames.ts'
import type { Nano } from '../../protocol/money.ts'
import type { Voucher } from '../../protocol/voucher.ts'
import { ManualClock, quiet } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { accountOf, addressOfNumber, identityOf } from './peers.ts'

export const windowNano = 64n
const consumer = identityOf(1)
const provider = identityOf(2)
const payee = addressOfNumber(0x22)

type ToConsumer =
  | { readonly type: 'accept'; readonly tab: Tab; readonly promptNano: Nano }
  | { readonly type: 'delta'; readonly costNano: Nano }
  | { readonly type: 'end' }
  /** Refused: too much is unpaid, and this is how much. */
  | { readonly type: 'exhausted'; readonly tab: Tab }

interface Stream {
  readonly id: number
  readonly promptNano: Nano
  /** On their way, in order. */
  readonly wire: ToConsumer[]
  /** Each side's end; undefined once that side knows the stream is over. */
  consumerEnd: { readonly tab: TabStream; isBusy: boolean } | undefined
  providerEnd: { readonly gone: AbortController; isRunning: boolean } | undefined
}

export interface Step {
  readonly act:
    | 'open'
    | 'read'
    | 'deliver'
    | 'end'
    | 'voucher'
    | 'lose voucher'
    | 'double voucher'
    | 'consumer loses stream'
    | 'provider loses stream'
    | 'consumer crashes'
    | 'provider crashes'
    | 'consumer forgets'
    | 'write'
    | 'pay debts'
  readonly pick: number
  readonly amount: number
}

export class Pair {
  readonly account: Account = accountOf(consumer)
  readonly #clock = new ManualClock()
  #consumerStore = new MemoryStore()
  #providerStore = new MemoryStore()
  tabs = this.#newTabs()
  book = this.#newBook()
  #streams: Stream[] = []
  /** On their way; a debt is paid outside any stream. */
  #vouchers: { readonly voucher: Voucher; readonly isDebt: boolean }[] = []
  #opened = 0
  /** The last amount handed out, since the consumer lost its records if it did. */
  #signedSinceNano: Nano = 0n

  // what really happened, counted apart from both sides
  /** Largest amount that was ever handed out. */
  signedNano: Nano = 0n
  /** Prompt fees agreed to and tokens read by the consumer. */
  receivedNano: Nano = 0n
  /** Prefilled and sent by the provider. */
  deliveredNano: Nano = 0n
  brokenStreams = 0
  providerCrashes = 0
  readonly faults: string[] = []

  get best(): Voucher | undefined {
    const { globalId, epoch } = this.account.escrow
    return this.tabs.best({ globalId, epoch, peer: provider.peerId, payee })
  }

  get channel(): Channel {
    return this.book.channel(this.account, consumer.peerId)
  }

  async start(): Promise<void> {
    await this.tabs.recover()
    await this.book.recover()
    this.#consumerStore.hold()
    this.#providerStore.hold()
  }

  async take({ act, pick, amount }: Step): Promise<void> {
    const streams = this.#streams
    switch (act) {
      case 'open':
        if (streams.filter(({ consumerEnd }) => consumerEnd).length < 3) this.#open(BigInt(1 + amount))
        break
      case 'read':
        this.#read(pickFrom(streams.filter(isReadable), pick))
        break
      case 'deliver':
        this.#deliver(pickFrom(streams.filter(isRunning), pick), BigInt(1 + (amount % 24)))
        break
      case 'end':
        this.#end(pickFrom(streams.filter(isRunning), pick))
        break
      case 'voucher':
        for (const voucher of this.#vouchers.splice(pick % Math.max(1, this.#vouchers.length), 1)) this.#book(voucher)
        break
      case 'lose voucher':
        this.#vouchers.splice(pick % Math.max(1, this.#vouchers.length), 1)
        break
      case 'double voucher': {
        const voucher = pickFrom(this.#vouchers, pick)
        if (voucher) this.#vouchers.push(voucher)
        break
      }
      case 'consumer loses stream':
        this.#consumerLoses(
          pickFrom(
            streams.filter(({ consumerEnd }) => consumerEnd),
            pick,
          ),
        )
        break
      case 'provider loses stream':
        this.#providerLoses(
          pickFrom(
            streams.filter(({ providerEnd }) => providerEnd),
            pick,
          ),
        )
        break
      case 'consumer crashes':
        await this.#crashConsumer(this.#consumerStore.crash(amount % (1 + this.#consumerStore.waiting)))
        break
      case 'consumer forgets':
        await this.#crashConsumer(new MemoryStore())
        this.#signedSinceNano = 0n
        break
      case 'provider crashes':
        await this.#crashProvider(amount % (1 + this.#providerStore.waiting))
        break
      case 'write':
        if (pick % 2 === 0) this.#consumerStore.flush(1 + (amount % 3))
        else this.#providerStore.flush(1 + (amount % 3))
        break
      case 'pay debts':
        this.#payDebts()
        break
    }
    await quiet()
  }

  /** The network and the disks work again, and both sides have seen every broken stream. */
  async heal(): Promise<void> {
    for (const stream of this.#streams) {
      this.#consumerLoses(stream)
      this.#providerLoses(stream)
    }
    await this.settle()
  }

  /** Everything under way arrives and is written. */
  async settle(): Promise<void> {
    for (let isMoving = true; isMoving; ) {
      this.#consumerStore.flush()
      this.#providerStore.flush()
      for (const voucher of this.#vouchers.splice(0)) this.#book(voucher)
      const stream = this.#streams.find(isReadable)
      if (stream) this.#read(stream)
      await quiet()
      isMoving =
        this.#vouchers.length + this.#consumerStore.waiting + this.#providerStore.waiting > 0 ||
        this.#streams.some(isReadable)
    }
  }

  /** One request from its open to its last voucher, undisturbed. */
  async request(promptNano: Nano, deltas: readonly Nano[]): Promise<void> {
    const stream = this.#open(promptNano)
    await this.settle()
    for (const costNano of deltas) {
      this.#deliver(stream, costNano)
      await this.settle()
    }
    this.#end(stream)
    await this.settle()
  }

  #newTabs(): Tabs {
    const ports = { clock: this.#clock, identity: consumer, store: this.#consumerStore, observe: () => undefined }
    return new Tabs(this.account.escrow.address, ports)
  }

  #newBook(): Book {
    return new Book(payee, { clock: this.#clock, store: this.#providerStore, observe: () => undefined })
  }

  #open(promptNano: Nano): Stream {
    this.#opened += 1
    const stream: Stream = {
      id: this.#opened,
      promptNano,
      wire: [],
      consumerEnd: { tab: this.tabs.stream(provider.peerId), isBusy: false },
      providerEnd: { gone: new AbortController(), isRunning: false },
    }
    this.#streams.push(stream)
    const { best } = this
    if (best) this.#noteSigned(best.terms.amountNano)
    this.#admit(stream, best).catch((error: unknown) => this.#fault(error))
    return stream
  }

  /** As the provider's conversation does it. */
  async #admit(stream: Stream, best: Voucher | undefined): Promise<void> {
    const { account, book } = this
    const end = stream.providerEnd
    if (best) await book.accept(best, account, consumer.peerId, true)
    if (stream.providerEnd !== end || !end) return
    const channel = book.channel(account, consumer.peerId)
    const { globalId, epoch } = account.escrow
    const tab = { globalId, epoch, payee, owedNano: channel.owedNano, best: channel.best }
    if (unpaidNano(channel) >= windowNano) {
      stream.providerEnd = undefined
      stream.wire.push({ type: 'exhausted', tab })
      return
    }
    stream.wire.push({ type: 'accept', tab, promptNano: stream.promptNano })
    const others = this.#streams.filter((other) => other !== stream && isRunning(other)).length
    const allowedNano = (others > 0 ? windowNano : 0n) - stream.promptNano
    const isPaid = (now: Channel): boolean => unpaidNano(now) <= allowedNano
    while (!isPaid(book.channel(account, consumer.peerId))) {
      await book.until(account, consumer.peerId, isPaid, end.gone.signal)
    }
    if (stream.providerEnd !== end) return
    book.delivered(account, consumer.peerId, stream.promptNano)
    this.deliveredNano += stream.promptNano
    end.isRunning = true
  }

  #deliver(stream: Stream | undefined, costNano: Nano): void {
    if (!stream?.providerEnd?.isRunning) return
    if (unpaidNano(this.channel) + costNano > windowNano) return // it waits for a voucher
    this.book.delivered(this.account, consumer.peerId, costNano)
    this.deliveredNano += costNano
    stream.wire.push({ type: 'delta', costNano })
  }

  #end(stream: Stream | undefined): void {
    if (!stream?.providerEnd?.isRunning) return
    stream.providerEnd = undefined
    stream.wire.push({ type: 'end' })
  }

  /** As the consumer's session does it. */
  #read(stream: Stream | undefined): void {
    const end = stream?.consumerEnd
    const frame = stream?.wire.shift()
    if (!stream || !end || !frame) return
    try {
      if (frame.type === 'accept') {
        end.tab.accepted(frame.tab, windowNano)
        end.tab.prepay(frame.promptNano)
        this.receivedNano += frame.promptNano
        this.#pay(end, end.tab.sign())
      } else if (frame.type === 'delta') {
        end.tab.received(frame.costNano)
        this.receivedNano += frame.costNano
        if (2n * end.tab.unpaidNano() >= windowNano) this.#pay(end, end.tab.sign())
      } else if (frame.type === 'exhausted') {
        end.tab.accepted(frame.tab, windowNano)
        end.tab.close(true)
        stream.consumerEnd = undefined
        this.#payDebts()
      } else {
        end.isBusy = true
        this.#send(end.tab.signLast()).then(() => {
          if (stream.consumerEnd !== end) return
          end.tab.close(true)
          stream.consumerEnd = undefined
        })
      }
    } catch (error) {
      this.#fault(error)
      this.#consumerLoses(stream)
    }
  }

  /** The session reads on only when its voucher is out. */
  #pay(end: { isBusy: boolean }, signing: Promise<Voucher | undefined>): void {
    end.isBusy = true
    this.#send(signing).then(() => {
      end.isBusy = false
    })
  }

  #payDebts(): void {
    for (const debt of this.tabs.debts()) this.#send(this.tabs.signDebt(debt), true)
  }

  async #send(signing: Promise<Voucher | undefined>, isDebt = false): Promise<void> {
    const { tabs } = this
    const voucher = await signing
    if (!voucher || tabs !== this.tabs) return
    const { amountNano } = voucher.terms
    if (amountNano < this.#signedSinceNano) this.faults.push(`signed ${amountNano} after ${this.#signedSinceNano}`)
    this.#signedSinceNano = amountNano
    this.#noteSigned(amountNano)
    this.#vouchers.push({ voucher, isDebt })
  }

  #noteSigned(amountNano: Nano): void {
    if (amountNano > this.signedNano) this.signedNano = amountNano
  }

  #book({ voucher, isDebt }: { readonly voucher: Voucher; readonly isDebt: boolean }): void {
    const { account, book } = this
    const taken = isDebt
      ? book.acceptDebt(voucher, account, consumer.peerId)
      : book.accept(voucher, account, consumer.peerId)
    taken.catch((error: unknown) => this.#fault(error))
  }

  #consumerLoses(stream: Stream | undefined): void {
    if (!stream?.consumerEnd) return
    stream.consumerEnd.tab.close(false)
    stream.consumerEnd = undefined
    this.brokenStreams += 1
  }

  #providerLoses(stream: Stream | undefined): void {
    if (!stream?.providerEnd) return
    stream.providerEnd.gone.abort(new MeshError('cancelled', 'the stream broke'))
    stream.providerEnd = undefined
  }

  async #crashConsumer(store: MemoryStore): Promise<void> {
    for (const stream of this.#streams) {
      if (stream.consumerEnd) this.brokenStreams += 1
      stream.consumerEnd = undefined
    }
    this.#consumerStore = store
    this.tabs = this.#newTabs()
    await this.tabs.recover()
    this.#consumerStore.hold()
  }

  async #crashProvider(durable: number): Promise<void> {
    this.providerCrashes += 1
    for (const stream of this.#streams) stream.providerEnd = undefined
    this.#providerStore = this.#providerStore.crash(durable)
    this.book = this.#newBook()
    await this.book.recover()
    this.#providerStore.hold()
  }

  #fault(error: unknown): void {
    if (error instanceof MeshError && error.code === 'cancelled') return
    this.faults.push(String(error))
  }
}

function isReadable({ consumerEnd, wire }: Stream): boolean {
  return consumerEnd !== undefined && !consumerEnd.isBusy && wire.length > 0
}

function isRunning({ providerEnd }: Stream): boolean {
  return providerEnd?.isRunning === true
}

function pickFrom<T>(items: readonly T[], pick: number): T | undefined {
  return items[pick % Math.max(1, items.length)]
}

export function coveredOf(pair: Pair): Nano {
  return coveredNano(pair.channel)
}

export function unpaidOf(pair: Pair): Nano {
  return unpaidNano(pair.channel)
}

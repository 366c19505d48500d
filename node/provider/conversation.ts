// One request at its provider, read top to bottom: admit, be paid for the prompt, decode inside the credit window, account,
// be paid in full. docs/protocol.md §4 and §5.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import {
  decodeConsumerFrame,
  type EndReason,
  encodeFrame,
  type Open,
  type ProviderFrame,
  type Tab,
} from '../../protocol/frames.ts'
import type { Address, PeerId } from '../../protocol/ids.ts'
import type { Nano, Price } from '../../protocol/money.ts'
import { signReceipt } from '../../protocol/receipt.ts'
import { taskOf } from '../../protocol/task.ts'
import type { Config } from '../config.ts'
import type { Delta, Engine, EscrowState, Ports, Prompt, Stream } from '../ports.ts'
import type { Account, Book } from '../settlement/book.ts'
import { type Channel, coveredNano, unpaidNano } from '../settlement/channel.ts'
import { within } from '../waits.ts'
import type { Accounts } from './accounts.ts'
import type { Admission, Lease } from './admission.ts'
import { afterDelta, type Meter, meteredNano, startMeter, windowNano } from './meter.ts'
import type { Pricing } from './pricing.ts'

export interface ServiceParts {
  readonly config: Config
  /** Where vouchers must pay. */
  readonly payout: Address
  readonly pricing: Pricing
  readonly engine: Engine
  readonly admission: Admission
  readonly accounts: Accounts
  readonly book: Book
  readonly ports: Ports
}

/** Requests whose prompt is paid, by payer. */
export interface Running {
  /** Their tokens in flight share one window. A consumer that still reads them knows of that window, also after a crash. */
  readonly decoding: Map<PeerId, number>
  /** These and those that await their last voucher. */
  readonly unfinished: Map<PeerId, number>
}

interface Admitted {
  readonly account: Account
  readonly prompt: Prompt
  readonly lease: Lease
}

export class Conversation {
  readonly #parts: ServiceParts
  readonly #running: Running
  readonly #stream: Stream
  readonly #open: Open
  readonly #digest: Uint8Array
  readonly #payer: PeerId
  /** Agreed when the request is opened, and so its window. */
  #price: Price
  #windowNano: Nano
  readonly #startedAtMs: number
  /** Fires when the request must stop: cancelled, out of time, broken, shutting down. */
  readonly #stop = new AbortController()
  /** Resolves when the consumer sends no more. */
  #reading: Promise<void> = Promise.resolve()
  #meter: Meter

  constructor(parts: ServiceParts, running: Running, stream: Stream, open: Open, digest: Uint8Array) {
    this.#parts = parts
    this.#running = running
    this.#stream = stream
    this.#open = open
    this.#digest = digest
    this.#payer = stream.peer
    this.#price = parts.pricing.current
    this.#windowNano = windowNano(this.#price, parts.config.provider.creditTokens)
    this.#startedAtMs = parts.ports.clock.now()
    this.#meter = startMeter(this.#price, 0, 0)
  }

  stop(reason: MeshError): void {
    this.#stop.abort(reason)
  }

  async run(frames: AsyncIterator<Uint8Array>): Promise<void> {
    const { clock } = this.#parts.ports
    const { requestMs } = this.#parts.config.provider
    const deadlineMs = Math.min(this.#open.deadlineMs || requestMs, requestMs)
    clock.sleep(deadlineMs, this.#stop.signal).then(
      () => this.stop(new MeshError('timeout', `the request took longer than ${deadlineMs} ms`)),
      () => undefined, // stopped first
    )
    try {
      const admitted = await this.#admit(frames)
      try {
        await this.#deliver(admitted)
      } finally {
        admitted.lease.release()
      }
    } catch (error) {
      await this.#fail(asMeshError(this.#stop.signal.aborted ? this.#stop.signal.reason : error, 'internal'))
    } finally {
      this.#stop.abort(new MeshError('cancelled', 'the request is over'))
    }
  }

  /** Everything that can refuse a request, cheapest check first. Nothing is computed for a payer before this passes. */
  async #admit(frames: AsyncIterator<Uint8Array>): Promise<Admitted> {
    const { accounts, admission, book, config, engine, payout, ports, pricing } = this.#parts
    const { best, escrow: address, modelKey, priceMax, requestId, resumeTokenIds } = this.#open
    if (!engine.models.some(({ key }) => key === modelKey)) {
      throw new MeshError('unknown-model', `model ${modelKey.slice(0, 16)}… is not served here`)
    }
    const price = pricing.within(priceMax)
    if (!price) {
      const { promptNano, completionNano } = pricing.current
      throw new MeshError(
        'price-changed',
        `a million tokens cost ${promptNano} nano prompt and ${completionNano} completion here; ` +
          `the request allows ${priceMax.promptNano} and ${priceMax.completionNano}`,
      )
    }
    this.#price = price
    this.#windowNano = windowNano(price, config.provider.creditTokens)
    const account = await accounts.of(address, this.#payer)
    const { escrow, coverNano } = account
    if (best && best.terms.epoch === escrow.epoch) await book.accept(best, account, this.#payer)
    this.#reading = this.#read(frames, account)

    const channel = book.channel(account, this.#payer)
    assertOwnPayout(account, channel, payout)
    // while another stream runs the edge of the window is where it often is, and its own wait cuts off who does not pay
    const isIdle = !this.#running.unfinished.has(this.#payer)
    if (isIdle && unpaidNano(channel) > 0n && unpaidNano(channel) >= this.#windowNano) {
      await this.#send({ type: 'tab', tab: tabOf(escrow, payout, channel) })
      throw new MeshError(
        'credit-exhausted',
        `${unpaidNano(channel)} nano are unpaid, the window is ${this.#windowNano}`,
      )
    }
    const prompt = await engine.prepare({ model: modelKey, ...taskOf(this.#open), resumeTokenIds }, this.#stop.signal)
    this.#meter = startMeter(price, prompt.promptTokens, prompt.cachedTokens)
    const neededNano = channel.owedNano + meteredNano(this.#meter) + this.#windowNano
    if (coverNano < neededNano) {
      if (account.isBounded) throw silent(account, neededNano)
      throw new MeshError(
        'escrow-unusable',
        `escrow ${escrow.address} can pay this provider ${coverNano} nano in all; the request needs cover for ${neededNano}`,
      )
    }
    const lease = await within(
      ports.clock,
      config.provider.queueMs,
      'waiting for a slot',
      (signal) =>
        admission.acquire(this.#payer, signal, (position) => {
          ports.observe({ type: 'request-queued', request: requestId, peer: this.#payer, position })
          this.#send({ type: 'queued', position, etaMs: undefined }).catch(() => undefined) // the reader sees it break
        }),
      this.#stop.signal,
    )
    return { account, prompt, lease }
  }

  async #deliver({ account, prompt, lease }: Admitted): Promise<void> {
    const { admission, book, config, engine, payout, ports } = this.#parts
    const { promptTokens, cachedTokens } = prompt
    const before = book.channel(account, this.#payer)
    const unpaidBeforeNano = unpaidNano(before) > 0n ? unpaidNano(before) : 0n
    await this.#send({
      type: 'accept',
      price: this.#price,
      promptTokens,
      cachedTokens,
      creditTokens: config.provider.creditTokens,
      tab: tabOf(account.escrow, payout, before),
    })
    ports.observe({
      type: 'request-admitted',
      request: this.#open.requestId,
      peer: this.#payer,
      model: this.#open.modelKey,
      promptTokens,
      active: admission.active,
    })
    const promptNano = meteredNano(this.#meter)
    // Tokens of this payer's other streams may be in flight: with such the window is allowed, never more. Without, what was
    // unpaid before: the consumer may not know of it yet.
    const isPaid = (channel: Channel): boolean =>
      unpaidNano(channel) + promptNano <=
      (this.#running.decoding.has(this.#payer) ? this.#windowNano : unpaidBeforeNano)
    while (!isPaid(book.channel(account, this.#payer))) {
      await this.#awaitPayment(account, isPaid, config.provider.promptPaymentMs)
    } // no await from the check to the count: another prompt may wait for the same voucher
    const { decoding, unfinished } = this.#running
    count(unfinished, this.#payer, 1)
    try {
      book.delivered(account, this.#payer, promptNano)
      count(decoding, this.#payer, 1)
      const decoded = this.#decode(account, engine.generate(prompt, this.#stop.signal))
      const finish = await decoded.finally(() => count(decoding, this.#payer, -1))
      lease.release()
      await this.#finish(finish)
    } finally {
      count(unfinished, this.#payer, -1)
    }
  }

  async #decode(account: Account, generation: ReturnType<Engine['generate']>): Promise<EndReason> {
    try {
      for (;;) {
        const next = await generation.next()
        if (next.done) return next.value
        const after = afterDelta(this.#meter, next.value.tokens)
        if (after.usage.completionTokens > (this.#open.tokensBudget ?? Number.POSITIVE_INFINITY)) return 'length'
        for (const piece of piecesOf(next.value, this.#parts.config.provider.creditTokens)) {
          await this.#deliverDelta(account, piece)
        }
      }
    } catch (error) {
      if (!isCancelled(this.#stop.signal)) throw error
      return 'cancelled'
    } finally {
      await generation.return('stop') // leaving early stops the decoder
    }
  }

  async #deliverDelta(account: Account, delta: Delta): Promise<void> {
    const { book, config } = this.#parts
    const index = this.#meter.usage.completionTokens
    const after = afterDelta(this.#meter, delta.tokens)
    const deltaNano = meteredNano(after) - meteredNano(this.#meter)
    const unpaidNanoMax = deltaNano < this.#windowNano ? this.#windowNano - deltaNano : 0n
    const hasRoom = (channel: Channel): boolean => unpaidNano(channel) <= unpaidNanoMax
    await this.#assertCovered(account, deltaNano)
    while (!hasRoom(book.channel(account, this.#payer))) {
      await this.#awaitPayment(account, hasRoom, config.provider.paymentMs)
    } // no await from the check to the count: other streams of this payer share the window
    book.delivered(account, this.#payer, deltaNano)
    this.#meter = after
    await this.#send({ type: 'delta', index, ...delta })
  }

  async #finish(finish: EndReason): Promise<void> {
    const { config, ports } = this.#parts
    const { price, usage } = this.#meter
    const served = { requestDigest: this.#digest, modelKey: this.#open.modelKey, price, usage }
    await this.#send({ type: 'end', finish, receipt: signReceipt(served, (message) => ports.identity.sign(message)) })
    this.#observeServed(finish, undefined)
    // A consumer closes when it has paid what it counted. That nothing is unpaid says little while other streams run, and
    // the voucher still under way here may be one that they wait for.
    await within(ports.clock, config.provider.paymentMs, 'the last voucher', () => this.#reading).catch(() => undefined)
    await this.#stream.close()
  }

  /** Waits at the edge of the window; a payer that does not pay in time is cut off. */
  async #awaitPayment(account: Account, isEnough: (channel: Channel) => boolean, ms: number): Promise<void> {
    const { book, ports } = this.#parts
    const channel = book.channel(account, this.#payer)
    if (isEnough(channel)) return
    const unpaid = unpaidNano(channel)
    ports.observe({ type: 'credit-paused', request: this.#open.requestId, peer: this.#payer, unpaidNano: unpaid })
    try {
      await within(
        ports.clock,
        ms,
        `a voucher for ${unpaid} unpaid nano`,
        (signal) => book.until(account, this.#payer, isEnough, signal),
        this.#stop.signal,
      )
    } catch (error) {
      const failure = asMeshError(error, 'internal')
      throw failure.code === 'timeout' ? new MeshError('credit-exhausted', failure.message, { cause: error }) : failure
    }
  }

  /** Others may empty the escrow while this request runs: look again, at most every `escrowCheckMs`. */
  async #assertCovered(account: Account, deltaNano: Nano): Promise<void> {
    const { accounts, book } = this.#parts
    const neededNano = book.channel(account, this.#payer).owedNano + deltaNano
    const view = await accounts.of(account.escrow.address, this.#payer)
    if (view.coverNano >= neededNano) return
    if (view.isBounded) throw silent(view, neededNano)
    const fresh = await accounts.of(account.escrow.address, this.#payer, true)
    if (fresh.coverNano >= neededNano) return
    throw new MeshError(
      'escrow-unusable',
      `escrow ${account.escrow.address} can pay this provider ${fresh.coverNano} nano in all, ${neededNano} would be owed`,
    )
  }

  /** Takes vouchers and cancels while the request runs; anything else, or a broken stream, stops it. */
  async #read(frames: AsyncIterator<Uint8Array>, account: Account): Promise<void> {
    try {
      for (;;) {
        const next = await frames.next()
        if (next.done) return this.stop(new MeshError('cancelled', 'the consumer closed the stream'))
        const frame = decodeConsumerFrame(next.value)
        switch (frame.type) {
          case 'voucher':
            await this.#parts.book.accept(frame.voucher, account, this.#payer)
            break
          case 'cancel':
            this.stop(new MeshError('cancelled', 'the consumer cancelled'))
            break
          case 'open':
            throw new MeshError('protocol-violation', 'a second open on one stream')
        }
      }
    } catch (error) {
      const failure = asMeshError(error)
      this.stop(failure)
      if (failure.code === 'protocol-violation') this.#stream.reset(failure)
    }
  }

  async #fail(failure: MeshError): Promise<void> {
    if (this.#meter.usage.completionTokens > 0) this.#observeServed('failed', failure)
    else {
      this.#parts.ports.observe({
        type: 'request-refused',
        request: this.#open.requestId,
        peer: this.#payer,
        code: failure.code,
        message: failure.message,
      })
    }
    try {
      await this.#send(failFrame(failure))
      await this.#stream.close()
    } catch {
      // the stream is what failed
    }
  }

  #observeServed(outcome: EndReason | 'failed', failure: MeshError | undefined): void {
    const { clock, observe } = this.#parts.ports
    observe({
      type: 'request-served',
      request: this.#open.requestId,
      peer: this.#payer,
      outcome,
      code: failure?.code,
      usage: this.#meter.usage,
      costNano: meteredNano(this.#meter),
      elapsedMs: clock.now() - this.#startedAtMs,
    })
  }

  #send(frame: ProviderFrame): Promise<void> {
    return this.#stream.send(encodeFrame(frame))
  }
}

/**
 * The chain has paid this account more than these books ever held vouchers for: another provider is paid to the same
 * account. Cumulative vouchers of two counts cover each other, so serving on would be for nothing.
 */
function assertOwnPayout({ settledNano }: Account, channel: Channel, payout: Address): void {
  if (settledNano <= coveredNano(channel)) return
  throw new MeshError(
    'internal',
    `${payout} was paid ${settledNano} nano, ${coveredNano(channel)} of it known here: give each provider a payout account of its own`,
  )
}

/** The escrow may well cover it; nobody can tell now. */
function silent({ coverNano, escrow }: Account, neededNano: Nano): MeshError {
  return new MeshError(
    'chain-unavailable',
    `the chain does not answer: until it does escrow ${escrow.address} is trusted with ${coverNano} nano, ${neededNano} are needed`,
  )
}

export function failFrame({ code, message, retryAfterMs }: MeshError): ProviderFrame {
  return { type: 'fail', code, message, retryAfterMs }
}

export function tabOf(escrow: EscrowState, payee: Address, { owedNano, best }: Channel): Tab {
  return { globalId: escrow.globalId, epoch: escrow.epoch, payee, owedNano, best }
}

/**
 * A payer signs at half the window at the latest, so a delta of more than half could wait for a voucher that never comes.
 * The pieces of a larger one bear no ids: text cannot be told apart by token, and nobody may go on between the two.
 */
function* piecesOf(delta: Delta, creditTokens: number): Generator<Delta> {
  const tokensMax = Math.max(1, Math.floor(creditTokens / 2))
  if (delta.tokens <= tokensMax) return yield delta
  for (let sent = 0; sent < delta.tokens; sent += tokensMax) {
    const tokens = Math.min(tokensMax, delta.tokens - sent)
    const said = sent === 0 ? delta : { text: '' }
    yield { ...said, tokens, tokenIds: [], logprobs: delta.logprobs?.slice(sent, sent + tokens) }
  }
}

/** A consumer that cancels, and a provider that shuts down, still get an account of what was delivered. */
function isCancelled(signal: AbortSignal): boolean {
  const reason: unknown = signal.reason
  return signal.aborted && reason instanceof MeshError && (reason.code === 'cancelled' || reason.code === 'draining')
}

function count(requests: Map<PeerId, number>, payer: PeerId, by: 1 | -1): void {
  const after = (requests.get(payer) ?? 0) + by
  if (after === 0) requests.delete(payer)
  else requests.set(payer, after)
}

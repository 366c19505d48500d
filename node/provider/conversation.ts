// One request at its provider, read top to bottom: admit, be paid for the prompt, decode inside the credit window, account,
// be paid in full. docs/protocol.md §4 and §5.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { type EndReason, encodeFrame, type Open, type ProviderFrame, type Tab } from '../../protocol/frames.ts'
import type { Address, PeerId } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { formatGram, type Nano } from '../../protocol/money.ts'
import { signReceipt } from '../../protocol/receipt.ts'
import { featuresOf, type Task, taskOf } from '../../protocol/task.ts'
import type { Config } from '../config.ts'
import type { Journal, Line as LedgerLine } from '../ledger/journal.ts'
import type { Delta, Engine, EscrowState, Model, Ports, Prompt, Stream } from '../ports.ts'
import type { Account, Book } from '../settlement/book.ts'
import { type Channel, coveredNano, unpaidNano } from '../settlement/channel.ts'
import { unlessCancelled, within } from '../waits.ts'
import type { Accounts } from './accounts.ts'
import type { Admission, Lease } from './admission.ts'
import { coalesced } from './coalesce.ts'
import { boundsOf, frameGapMs, piecesOf } from './deltas.ts'
import { Listener } from './listener.ts'
import { afterDelta, freePrice, type Meter, meteredNano, startMeter, windowNano } from './meter.ts'
import type { Prices } from './prices.ts'

export interface ServiceParts {
  readonly config: Config
  /** Where vouchers must pay. */
  readonly payout: Address
  readonly prices: Prices
  readonly engine: Engine
  readonly admission: Admission
  readonly accounts: Accounts
  readonly book: Book
  readonly journal: Journal
  readonly ports: Ports
}

/** Requests whose prompt is paid, by payer and the escrow it pays from. */
export interface Running {
  /** Their tokens in flight share one window. A consumer that still reads them knows of that window, also after a crash. */
  readonly decoding: Map<string, number>
  /** These and those that await their last voucher. */
  readonly unfinished: Map<string, number>
}

interface Admitted {
  /** As it was known; `now` is what the chain shows, and what anything is computed for. */
  readonly account: Account
  readonly now: Promise<Account>
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
  readonly #payerKey: string
  /** Whose vouchers the escrow must pay; a hub's own where the payer pays through one. */
  readonly #signer: PeerId | undefined
  readonly #listener: Listener
  readonly #startedAtMs: number
  /** Fires when the request must stop: cancelled, out of time, broken, shutting down. */
  readonly #stop = new AbortController()
  /** At the price that is agreed when the request is admitted, and so its window. */
  #meter: Meter = startMeter(freePrice, 0, 0)
  #windowNano: Nano = 0n
  /** Of the ledger. */
  #line: LedgerLine | undefined
  /** Frames of the answer that were sent. */
  #sent = 0
  /** Resolves when the engine does nothing for this request any more. */
  #computing: Promise<unknown> = Promise.resolve()

  constructor(parts: ServiceParts, running: Running, stream: Stream, open: Open, digest: Uint8Array) {
    this.#parts = parts
    this.#running = running
    this.#stream = stream
    this.#open = open
    this.#digest = digest
    this.#payer = stream.peer
    this.#payerKey = `${stream.peer}/${open.escrow}`
    this.#signer = open.isHub ? undefined : stream.peer
    this.#listener = new Listener(stream, parts.book, (reason) => this.stop(reason))
    this.#startedAtMs = parts.ports.clock.now()
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
    const listening = this.#listener.listen(frames)
    try {
      const admitted = await this.#admit()
      const { book } = this.#parts
      this.#line = book.line(admitted.account, this.#open.requestId, Buffer.from(this.#digest).toString('hex'))
      try {
        await this.#serve(admitted, listening)
      } finally {
        this.#line?.end()
        this.#release(admitted.lease)
      }
    } catch (error) {
      await this.#fail(asMeshError(this.#stop.signal.aborted ? this.#stop.signal.reason : error, 'internal'))
    } finally {
      this.#stop.abort(new MeshError('cancelled', 'the request is over'))
    }
  }

  /** Everything that can refuse a request, cheapest check first. Nothing is computed for a payer before this passes. */
  async #admit(): Promise<Admitted> {
    const { accounts, admission, book, config, engine, payout, ports, prices } = this.#parts
    const { best, escrow: address, modelKey, priceMax, requestId, resumeTokenIds } = this.#open
    this.#parts.journal.assertSound()
    const model = engine.models.find(({ key }) => key === modelKey)
    if (!model) throw new MeshError('unknown-model', `model ${modelKey.slice(0, 16)}… is not served here`)
    assertAble(engine, model, this.#open)
    const pricing = prices.of(model)
    const price = pricing.within(priceMax)
    if (!price) {
      const { promptNano, completionNano } = pricing.current
      throw new MeshError(
        'price-changed',
        `a million tokens cost ${formatGram(promptNano)} GRAM prompt and ${formatGram(completionNano)} completion here; ` +
          `the request allows ${formatGram(priceMax.promptNano)} and ${formatGram(priceMax.completionNano)}`,
      )
    }
    this.#windowNano = windowNano(price, config.provider.creditTokens)
    const { account, now } = await unlessCancelled(accounts.known(address, this.#signer), this.#stop.signal)
    const { escrow } = account
    if (best && best.terms.epoch === escrow.epoch) await book.accept(best, account, this.#payer, true)
    this.#listener.bookTo(account)

    const channel = book.channel(account, this.#payer)
    // of a hub's vouchers any consumer may settle one that was never shown here; the next to be shown covers it
    if (!this.#open.isHub) assertOwnPayout(account, book.settling(account), payout)
    // while another stream runs the edge of the window is where it often is, and its own wait cuts off who does not pay
    const isIdle = !this.#running.unfinished.has(this.#payerKey)
    if (isIdle && unpaidNano(channel) > 0n && unpaidNano(channel) >= this.#windowNano) {
      await this.#send({ type: 'tab', tab: tabOf(escrow, payout, channel) })
      throw new MeshError(
        'credit-exhausted',
        `${formatGram(unpaidNano(channel))} GRAM are unpaid, the window is ${formatGram(this.#windowNano)}`,
      )
    }
    const prompt = await engine.prepare({ model: modelKey, ...taskOf(this.#open), resumeTokenIds }, this.#stop.signal)
    this.#meter = startMeter(price, prompt.promptTokens, prompt.cachedTokens)
    const neededNano = book.claimNano(account, this.#payer) + meteredNano(this.#meter) + this.#windowNano
    // it may have been topped up since it was known
    const covering = account.coverNano < neededNano ? await unlessCancelled(now, this.#stop.signal) : account
    if (covering.coverNano < neededNano) {
      if (covering.isBounded) throw silent(covering, neededNano)
      throw new MeshError(
        'escrow-unusable',
        `escrow ${escrow.address} can pay this provider ${formatGram(covering.coverNano)} GRAM in all; the request needs cover for ${formatGram(neededNano)}`,
      )
    }
    const lease = await within(
      ports.clock,
      config.provider.queueMs,
      'waiting for a slot',
      (signal) =>
        admission.acquire(this.#payer, signal, (position, etaMs) => {
          ports.observe({ type: 'request-queued', request: requestId, peer: this.#payer, position, etaMs })
          this.#send({ type: 'queued', position, etaMs }).catch(() => undefined) // the reader sees it break
        }),
      this.#stop.signal,
    )
    return { account, now, prompt, lease }
  }

  async #serve({ account: known, lease, now, prompt }: Admitted, listening: Promise<void>): Promise<void> {
    const { admission, book, config, payout, ports } = this.#parts
    const { promptTokens, cachedTokens } = prompt
    const before = book.channel(known, this.#payer)
    const unpaidBeforeNano = unpaidNano(before) > 0n ? unpaidNano(before) : 0n
    await this.#send({
      type: 'accept',
      price: this.#meter.price,
      promptTokens,
      cachedTokens,
      creditTokens: config.provider.creditTokens,
      tab: tabOf(known.escrow, payout, before),
    })
    ports.observe({
      type: 'request-admitted',
      request: this.#open.requestId,
      peer: this.#payer,
      model: this.#open.modelKey,
      promptTokens,
      active: admission.active,
    })
    // the chain was asked while the two agreed, and the first voucher is on its way
    const account = await unlessCancelled(now, this.#stop.signal)
    assertSameEpoch(known, account)
    if (!this.#open.isHub) assertOwnPayout(account, book.settling(account), payout)
    this.#listener.bookTo(account)
    const promptNano = meteredNano(this.#meter)
    // Tokens of this payer's other streams may be in flight: with such the window is allowed, never more. Without, what was
    // unpaid before: the consumer may not know of it yet.
    const isPaid = (channel: Channel): boolean =>
      unpaidNano(channel) + promptNano <=
      (this.#running.decoding.has(this.#payerKey) ? this.#windowNano : unpaidBeforeNano)
    let { coverNano } = account
    // what was admitted beside it may have taken the cover since
    const isCovered = (): boolean => book.claimNano(account, this.#payer) + promptNano <= coverNano
    while (!isPaid(book.channel(account, this.#payer)) || !isCovered()) {
      await this.#awaitPayment(account, isPaid, config.provider.promptPaymentMs)
      if (!isCovered()) {
        coverNano = (await unlessCancelled(this.#assertCovered(account, promptNano), this.#stop.signal)).coverNano
      }
    } // no await from the check to the count: another prompt may wait for the same voucher
    const { decoding, unfinished } = this.#running
    count(unfinished, this.#payerKey, 1)
    try {
      book.delivered(account, this.#payer, promptNano, this.#line)
      count(decoding, this.#payerKey, 1)
      const computed = this.#open.inputs ? this.#embed(prompt, this.#open.inputs) : this.#decode(account, prompt)
      const finish = await computed.finally(() => count(decoding, this.#payerKey, -1))
      this.#release(lease)
      await this.#finish(finish, listening)
    } finally {
      count(unfinished, this.#payerKey, -1)
    }
  }

  /** The slot is another's once the engine has let go of it, which nobody here waits for. */
  #release(lease: Lease): void {
    void this.#computing.then(() => lease.release())
  }

  async #decode(account: Account, prompt: Prompt): Promise<EndReason> {
    const { admission, config, engine, ports } = this.#parts
    const { coalesceMs, creditTokens } = config.provider
    const { merged, sent } = boundsOf(creditTokens)
    const over = new AbortController()
    const generation = engine.generate(prompt, AbortSignal.any([this.#stop.signal, over.signal]))
    const deltas = coalesced(generation, {
      clock: ports.clock,
      gapMs: () => frameGapMs(coalesceMs, admission.active),
      bounds: merged,
      tokensBudget: this.#open.tokensBudget ?? Number.POSITIVE_INFINITY,
      signal: this.#stop.signal,
    })
    try {
      for (;;) {
        const next = await deltas.next()
        if (next.done) return next.value
        for (const piece of piecesOf(next.value, sent)) await this.#deliverDelta(account, piece)
      }
    } catch (error) {
      if (!isCancelled(this.#stop.signal)) throw error
      return 'cancelled'
    } finally {
      over.abort(new MeshError('cancelled', 'the answer is over')) // it may be busy with what nobody waits for
      this.#computing = generation.return('stop').catch(() => undefined) // it has said why already
      await deltas.return('stop')
    }
  }

  async #deliverDelta(account: Account, delta: Delta): Promise<void> {
    const { book, config } = this.#parts
    const index = this.#meter.usage.completionTokens
    const after = afterDelta(this.#meter, delta.tokens)
    const deltaNano = meteredNano(after) - meteredNano(this.#meter)
    const unpaidNanoMax = deltaNano < this.#windowNano ? this.#windowNano - deltaNano : 0n
    const hasRoom = (channel: Channel): boolean => unpaidNano(channel) <= unpaidNanoMax
    await unlessCancelled(this.#assertCovered(account, deltaNano), this.#stop.signal)
    while (!hasRoom(book.channel(account, this.#payer))) {
      await this.#awaitPayment(account, hasRoom, config.provider.paymentMs)
    } // no await from the check to the count: other streams of this payer share the window
    this.#stop.signal.throwIfAborted()
    book.delivered(account, this.#payer, deltaNano, this.#line)
    this.#meter = after
    this.#sent += 1
    await this.#send({ type: 'delta', index, ...delta })
  }

  /** All of it is paid already: a vector has no tokens of its own. */
  async #embed(prompt: Prompt, inputs: readonly string[]): Promise<EndReason> {
    const { engine } = this.#parts
    const over = new AbortController()
    let values: number | undefined
    const vectors = engine.embed?.(prompt, AbortSignal.any([this.#stop.signal, over.signal]))
    try {
      for (;;) {
        const next = vectors && (await unlessCancelled(vectors.next(), this.#stop.signal))
        if (!next || next.done) break
        const vector = next.value
        values ??= Math.min(Math.max(1, vector.length), limits.embeddingValuesMax)
        if (this.#sent === inputs.length || vector.length !== values) {
          throw new MeshError(
            'engine-failed',
            `vector ${this.#sent + 1} of ${inputs.length} has ${vector.length} values, expected ${values}`,
          )
        }
        const index = this.#sent
        this.#sent += 1
        await this.#send({ type: 'embedding', index, vector })
      }
      if (this.#sent === inputs.length) return 'stop'
      throw new MeshError('engine-failed', `${this.#sent} vectors for ${inputs.length} inputs`)
    } catch (error) {
      if (!isCancelled(this.#stop.signal)) throw error
      return 'cancelled'
    } finally {
      over.abort(new MeshError('cancelled', 'the vectors are over'))
      if (vectors) this.#computing = vectors.return().catch(() => undefined) // it has said why already
    }
  }

  async #finish(finish: EndReason, listening: Promise<void>): Promise<void> {
    const { config, ports } = this.#parts
    const { price, usage } = this.#meter
    const served = { requestDigest: this.#digest, modelKey: this.#open.modelKey, price, usage }
    await this.#send({ type: 'end', finish, receipt: signReceipt(served, (message) => ports.identity.sign(message)) })
    this.#observeServed(finish, undefined)
    // A consumer closes when it has paid what it counted. That nothing is unpaid says little while other streams run, and
    // the voucher still under way here may be one that they wait for.
    await within(ports.clock, config.provider.paymentMs, 'the last voucher', () => listening).catch(() => undefined)
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
        `a voucher for ${formatGram(unpaid)} unpaid GRAM`,
        (signal) => book.until(account, this.#payer, isEnough, signal),
        this.#stop.signal,
      )
    } catch (error) {
      const failure = asMeshError(error, 'internal')
      throw failure.code === 'timeout' ? new MeshError('credit-exhausted', failure.message, { cause: error }) : failure
    }
  }

  /** Others may empty the escrow while this request runs: look again, at most every `escrowCheckMs`. */
  async #assertCovered(account: Account, addedNano: Nano): Promise<Account> {
    const { accounts, book } = this.#parts
    const neededNano = book.claimNano(account, this.#payer) + addedNano
    const view = await accounts.of(account.escrow.address, this.#signer)
    if (view.coverNano >= neededNano) return view
    if (view.isBounded) throw silent(view, neededNano)
    const fresh = await accounts.of(account.escrow.address, this.#signer, true)
    if (fresh.coverNano >= neededNano) return fresh
    throw new MeshError(
      'escrow-unusable',
      `escrow ${account.escrow.address} can pay this provider ${formatGram(fresh.coverNano)} GRAM in all, ${formatGram(neededNano)} would be owed`,
    )
  }

  async #fail(failure: MeshError): Promise<void> {
    if (this.#sent > 0) this.#observeServed('failed', failure)
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
    `${payout} was paid ${formatGram(settledNano)} GRAM, ${formatGram(coveredNano(channel))} of it known here: give each provider a payout account of its own`,
  )
}

/** What was agreed on in one epoch of an escrow is not paid in the next. */
function assertSameEpoch({ escrow: known }: Account, { escrow }: Account): void {
  if (known.globalId === escrow.globalId && known.epoch === escrow.epoch) return
  throw new MeshError(
    'escrow-unusable',
    `escrow ${escrow.address} is in epoch ${escrow.epoch}, the request was agreed on in epoch ${known.epoch}`,
  )
}

/** What it cannot do is said before anything is computed, and with it the parameter that asks for it. */
function assertAble(engine: Engine, model: Model, task: Task): void {
  for (const [feature, parameter] of featuresOf(task)) {
    if (model.features.includes(feature) && (feature !== 'embeddings' || engine.embed)) continue
    throw new MeshError(
      'unsupported',
      `"${parameter}" needs ${feature}, which ${model.name} does not have here; it has ${model.features.join(', ')}`,
    )
  }
}

/** The escrow may well cover it; nobody can tell now. */
function silent({ coverNano, escrow }: Account, neededNano: Nano): MeshError {
  return new MeshError(
    'chain-unavailable',
    `the chain does not answer: until it does escrow ${escrow.address} is trusted with ${formatGram(coverNano)} GRAM, ${formatGram(neededNano)} are needed`,
  )
}

export function failFrame({ code, message, retryAfterMs }: MeshError): ProviderFrame {
  return { type: 'fail', code, message, retryAfterMs }
}

export function tabOf(escrow: EscrowState, payee: Address, { owedNano, best }: Channel): Tab {
  return { globalId: escrow.globalId, epoch: escrow.epoch, payee, owedNano, best }
}

/** A consumer that cancels, and a provider that shuts down, still get an account of what was delivered. */
function isCancelled(signal: AbortSignal): boolean {
  const reason: unknown = signal.reason
  return signal.aborted && reason instanceof MeshError && (reason.code === 'cancelled' || reason.code === 'draining')
}

function count(requests: Map<string, number>, payer: string, by: 1 | -1): void {
  const after = (requests.get(payer) ?? 0) + by
  if (after === 0) requests.delete(payer)
  else requests.set(payer, after)
}

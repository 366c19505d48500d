// One request at one provider, from the consumer's side: open, agree on the tab, pay as tokens arrive, check the receipt.
// docs/protocol.md §4 and §5.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import {
  type Accept,
  type ConsumerFrame,
  decodeProviderFrame,
  type EndReason,
  encodeFrame,
  type Open,
  type ProviderFrame,
} from '../../protocol/frames.ts'
import { feeNano } from '../../protocol/hub.ts'
import { type Address, inferProtocol } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { costNano, largest, type Nano, type Price, type Usage } from '../../protocol/money.ts'
import { requestDigestOf } from '../../protocol/receipt.ts'
import { taskOf } from '../../protocol/task.ts'
import { paidNano } from '../../protocol/voucher.ts'
import type { Config } from '../config.ts'
import type { InferenceEvent } from '../inference.ts'
import type { PayeeState, Ports, Stream } from '../ports.ts'
import { cancelled, Watchdog, within } from '../waits.ts'
import type { UsageAudit } from './audit.ts'
import { Delivery, type Order } from './delivery.ts'
import type { Candidate } from './directory.ts'
import type { TabId, TabStream, Tabs } from './tab.ts'
import type { Vocabularies } from './vocabularies.ts'

export interface SessionRequest extends Order {
  readonly requestId: string
  readonly deadlineMs: number
  /** The text of the ids to resume from. */
  readonly resumeText: string
}

/** An escrow, as the chain shows it. */
export interface OwnEscrow {
  readonly address: Address
  readonly globalId: number
  readonly epoch: number
}

export interface SessionParts {
  readonly config: Config
  readonly ports: Ports
  readonly tabs: Tabs
  /** Out of which the provider is paid: this peer's own, or a hub's. */
  readonly escrow: OwnEscrow
  readonly isHub?: true | undefined
  readonly vocabularies: Vocabularies
}

export class Session {
  readonly #parts: SessionParts
  readonly #candidate: Candidate
  readonly #request: SessionRequest
  readonly #delivery: Delivery
  /** Came after the cancel, so it is not paid. A window that other streams share may have let the provider begin. */
  #lateAccept: Accept | undefined
  #tab: TabStream | undefined
  #stream: Stream | undefined
  #isHeard = false
  #endedAs: EndReason | undefined
  /** A voucher could not be sent. */
  #isMute = false
  #expired: MeshError | undefined
  /** Of its cost, as far as vouchers were signed. */
  #paidNano: Nano = 0n
  /** Accepted, and nothing of it was begun. */
  #isUnpaid = false

  constructor(parts: SessionParts, candidate: Candidate, request: SessionRequest) {
    this.#parts = parts
    this.#candidate = candidate
    this.#request = request
    this.#delivery = new Delivery(
      candidate,
      request,
      parts.config.consumer.creditTokensMax,
      recountOf(parts, candidate, request),
    )
  }

  /** What this provider delivered and this peer counted, so far. */
  get usage(): Usage {
    return this.#delivery.usage
  }

  get costNano(): Nano {
    return this.#isUnpaid ? 0n : this.#delivery.costNano
  }

  /** The most that this request can cost here, whatever comes yet. */
  get costNanoMax(): Nano {
    return this.#isUnpaid ? 0n : this.#delivery.costNanoMax
  }

  /** Whether a stream was ever opened: before that nothing was sent. */
  get isConnected(): boolean {
    return this.#stream !== undefined
  }

  /** What the provider ended with, once it has accounted for it; also where that was no good end. */
  get endedAs(): EndReason | undefined {
    return this.#endedAs
  }

  /** False where it failed before the provider said a word. */
  get isHeard(): boolean {
    return this.#isHeard
  }

  /** Gives a cancelled session up that has not accounted for itself yet: what was counted so far is owed, and no more. */
  abandon(reason: MeshError): void {
    this.#expired ??= reason
    this.#stream?.reset(reason)
  }

  /**
   * Yields events as they arrive and returns the end. The signal cancels: what was under way still comes, is counted and
   * paid, and the end is `cancelled`. An iteration that is not read to its end breaks the stream.
   */
  async *run(signal: AbortSignal): AsyncGenerator<InferenceEvent, EndReason, undefined> {
    const unpromise = this.#parts.tabs.spend?.promise(() => this.#restNano)
    try {
      return yield* this.#converse(signal)
    } finally {
      unpromise?.()
    }
  }

  /** What may yet be signed for it. */
  get #restNano(): Nano {
    const restNano = largest(0n, this.costNanoMax - this.#paidNano)
    return this.#parts.isHub ? restNano + feeNano(restNano, this.#parts.config.consumer.hubFeePpmMax) : restNano
  }

  async *#converse(signal: AbortSignal): AsyncGenerator<InferenceEvent, EndReason, undefined> {
    const { config, ports, tabs } = this.#parts
    const { firstByteMs, queueMs, betweenDeltasMs, cancelMs } = config.consumer
    const { peer } = this.#candidate.advert
    const { stream, settledNano } = await this.#connect(signal)
    this.#stream = stream
    const open = this.#openFrame(tabs)
    const bytes = encodeFrame(open)
    const frames = stream.frames[Symbol.asyncIterator]()
    const watchdog = new Watchdog(ports.clock, (error) => this.abandon(error))
    // a caller that takes its time is no fault of the provider, and a cancel has its own time
    const expect = (ms: number, what: string): void => {
      if (!signal.aborted) watchdog.arm(ms, what)
    }
    const pause = (): void => {
      if (!signal.aborted) watchdog.disarm()
    }
    const cancel = (): void => {
      watchdog.arm(cancelMs, 'accounting for a cancelled request')
      stream.send(encodeFrame({ type: 'cancel' })).catch(() => undefined) // the reader sees it break
    }
    signal.addEventListener('abort', cancel)
    const digest = requestDigestOf(bytes)
    const tab = tabs.stream(peer, { request: open.requestId, digest: Buffer.from(digest).toString('hex') })
    this.#tab = tab
    let isAccounted = false
    let isTold = false
    try {
      watchdog.arm(firstByteMs, `the first answer of ${peer}`)
      await stream.send(bytes)
      for (;;) {
        const next = await frames.next()
        if (next.done) throw new MeshError('unreachable', `${peer} closed the stream before its end`)
        const frame = decodeProviderFrame(next.value)
        this.#isHeard = true
        switch (frame.type) {
          case 'queued': {
            if (this.#isAccepted) throw new MeshError('protocol-violation', `${peer} queued what it had accepted`)
            const { position, etaMs } = frame
            pause()
            if (!signal.aborted) yield { type: 'queued', provider: peer, position, etaMs }
            expect(queueMs, `place ${position} in the queue of ${peer}`)
            break
          }
          case 'tab':
            this.#meet(tab, frame.tab, windowOf(config.consumer.creditTokensMax, open.priceMax), settledNano)
            break
          case 'fail':
            isAccounted = true // frames are in order: everything it delivered was received
            throw new MeshError(frame.code, `${peer}: ${frame.message}`, { retryAfterMs: frame.retryAfterMs })
          case 'accept': {
            if (this.#isAccepted) throw new MeshError('protocol-violation', `${peer} accepted twice`)
            if (signal.aborted) {
              this.#lateAccept = frame
              break
            }
            this.#accepted(tab, frame, settledNano)
            await this.#payPrompt(tab, stream)
            pause()
            yield this.#acceptedEvent(frame)
            expect(firstByteMs, `the first token of ${peer}`)
            break
          }
          case 'delta': {
            this.#begun(tab, settledNano)
            this.#received(frame)
            // once cancelled it is paid at the end only: whoever goes on all the same comes to the end of its window
            if (!signal.aborted && this.#isPaymentDue()) await this.#pay(stream)
            const isProgress = frame.tokens > 0 // a delta without tokens is no sign of life
            if (isProgress) pause()
            const { index: _, ...said } = frame
            yield said
            if (isProgress) expect(betweenDeltasMs, `the next token of ${peer}`)
            break
          }
          case 'embedding':
            this.#begun(tab, settledNano)
            this.#delivery.embedded(frame)
            pause()
            yield frame
            expect(betweenDeltasMs, `the next vector of ${peer}`)
            break
          case 'end':
            this.#begun(tab, settledNano)
            this.#delivery.verify(frame.receipt, digest)
            await this.#payLast(stream)
            isAccounted = true
            isTold = !this.#isMute
            this.#endedAs = frame.finish
            await stream.close()
            this.#delivery.assertWhole(frame.finish)
            return frame.finish
        }
      }
    } catch (error) {
      throw this.#expired ?? this.#explained(asMeshError(error), tab)
    } finally {
      signal.removeEventListener('abort', cancel)
      watchdog.end()
      tab.close(isAccounted, isTold)
      if (!isAccounted) stream.reset(this.#expired ?? new MeshError('cancelled', 'the consumer is done'))
    }
  }

  /** A stream, and what the chain has paid: known before the stream speaks, as nothing may come between an accept and its check. */
  async #connect(signal: AbortSignal): Promise<{ readonly stream: Stream; readonly settledNano: Nano }> {
    const { config, ports } = this.#parts
    const { connectMs } = config.consumer
    const { peer } = this.#candidate.advert
    const open = (stop: AbortSignal): Promise<Stream> => ports.network.open(peer, inferProtocol, stop)
    const settled = this.#settledBefore(signal)
    settled.catch(() => undefined) // where the stream is what fails
    const stream = await within(ports.clock, connectMs, `connecting to ${peer}`, open, signal)
    try {
      const settledNano = await settled
      if (signal.aborted) throw cancelled(signal)
      return { stream, settledNano }
    } catch (error) {
      stream.reset(asMeshError(error))
      throw error
    }
  }

  #openFrame(tabs: Tabs): Open {
    const { escrow, isHub } = this.#parts
    const { offer } = this.#candidate
    const { requestId, deadlineMs, resumeText, resumeTokenIds, tokensBudget } = this.#request
    return {
      type: 'open',
      requestId,
      modelKey: offer.modelKey,
      ...taskOf(this.#request),
      priceMax: offer.price,
      escrow: escrow.address,
      deadlineMs,
      best: tabs.best(this.#tabId()),
      ...(isHub && { isHub }),
      resumeText,
      resumeTokenIds,
      tokensBudget: Math.min(tokensBudget, limits.tokensMax),
    }
  }

  #acceptedEvent({ price, promptTokens }: Accept): InferenceEvent {
    return {
      type: 'accepted',
      requestId: this.#request.requestId,
      provider: this.#candidate.advert.peer,
      modelName: this.#candidate.offer.name,
      price,
      promptTokens,
    }
  }

  get #isAccepted(): boolean {
    return this.#delivery.terms !== undefined || this.#lateAccept !== undefined
  }

  /** Everything a provider could overstate is checked before the first voucher is signed. */
  #accepted(tab: TabStream, accept: Accept, settledNano: Nano): void {
    this.#delivery.check(accept)
    this.#meet(tab, accept.tab, windowOf(accept.creditTokens, accept.price), settledNano)
    tab.prepay(this.#delivery.begin(accept))
  }

  /** It delivers, so it had begun before it heard of the cancel: then that is owed, and so is the prompt. */
  #begun(tab: TabStream, settledNano: Nano): void {
    const late = this.#lateAccept
    this.#lateAccept = undefined
    if (late) this.#accepted(tab, late, settledNano)
    if (this.#delivery.terms) return
    const { peer } = this.#candidate.advert
    throw new MeshError('protocol-violation', `${peer} delivered or ended before it accepted`)
  }

  #meet(tab: TabStream, claim: Accept['tab'], windowNano: Nano, settledNano: Nano): void {
    const { payee, globalId, epoch } = this.#tabId()
    const { peer } = this.#candidate.advert
    if (claim.payee !== payee || claim.globalId !== globalId || claim.epoch !== epoch) {
      throw new MeshError(
        'overcharged',
        `${peer} wants vouchers for ${claim.payee}, chain ${claim.globalId}, epoch ${claim.epoch}; ` +
          `expected ${payee}, ${globalId}, ${epoch}`,
      )
    }
    tab.accepted(claim, windowNano, settledNano)
  }

  #tabId(): TabId {
    const { globalId, epoch } = this.#parts.escrow
    const { peer, payout } = this.#candidate.advert
    return { globalId, epoch, peer, payee: payout }
  }

  /** What the chain has paid on a tab that is not known here: this peer signed for it once. */
  async #settledBefore(signal: AbortSignal): Promise<Nano> {
    const { config, escrow, isHub, ports, tabs } = this.#parts
    const id = this.#tabId()
    if (tabs.isKnown(id) || isHub) return 0n // of a hub's escrow that says nothing of this peer
    const { connectMs } = config.consumer
    const what = `reading what the chain has paid ${id.peer}`
    try {
      const read = (): Promise<PayeeState> => ports.chain.payee(escrow.address, id.payee)
      return (await within(ports.clock, connectMs, what, read, signal)).settledNano
    } catch (error) {
      const { code, message } = asMeshError(error, 'internal')
      throw code === 'timeout' ? new MeshError('chain-unavailable', message, { cause: error }) : error
    }
  }

  #received(delta: ProviderFrame & { readonly type: 'delta' }): void {
    const judged = this.#delivery.judge(delta)
    this.#tab?.received(judged.costNano)
    this.#delivery.count(judged, delta)
  }

  /** A provider takes only so many streams of one peer at once, and resets the next without a word. */
  #explained(failure: MeshError, { isAlone }: TabStream): MeshError {
    const { peer } = this.#candidate.advert
    const isConnected = this.#parts.ports.network.connections().some((connection) => connection.peer === peer)
    if (failure.code !== 'unreachable' || this.#isHeard || isAlone || !isConnected) return failure
    const message = `${peer} reset a new stream while others run there: it takes no more of this peer at once`
    return new MeshError('busy', message, { cause: failure })
  }

  /** At half the least window of the tab: the next tokens are on their way while the voucher is. */
  #isPaymentDue(): boolean {
    const { config } = this.#parts
    const { price } = this.#delivery.terms ?? {}
    if (!this.#tab || !price) return false
    const chunk = { promptTokens: 0, cachedTokens: 0, completionTokens: config.consumer.chunkTokens }
    const chunkNano = costNano(chunk, price)
    const unpaid = this.#tab.unpaidNano()
    return unpaid >= chunkNano || 2n * unpaid >= this.#tab.leastWindowNano()
  }

  /** A prompt whose payment cannot be had is not begun. */
  async #payPrompt(tab: TabStream, stream: Stream): Promise<void> {
    try {
      await this.#pay(stream)
    } catch (error) {
      this.#isUnpaid = tab.unprepay(this.#delivery.costNano)
      throw error
    }
  }

  async #pay(stream: Stream): Promise<void> {
    const { costNano } = this.#delivery
    const voucher = await this.#tab?.sign()
    this.#paidNano = costNano
    if (voucher) await this.#sendVoucher(stream, { type: 'voucher', voucher })
  }

  async #payLast(stream: Stream): Promise<void> {
    const voucher = await this.#tab?.signLast()
    if (voucher) await this.#sendVoucher(stream, { type: 'voucher', voucher })
  }

  /** Where it cannot be sent, what arrived before is still to be read and counted: the reader sees the stream break. */
  async #sendVoucher(stream: Stream, frame: ConsumerFrame & { readonly type: 'voucher' }): Promise<void> {
    const { payee } = frame.voucher.terms
    try {
      await stream.send(encodeFrame(frame))
    } catch {
      this.#isMute = true
      return
    }
    this.#parts.ports.observe({
      type: 'voucher-signed',
      request: this.#request.requestId,
      peer: this.#candidate.advert.peer,
      payee,
      amountNano: paidNano(frame.voucher),
    })
  }
}

/** From where others have come: what they delivered says what text is still to come. */
function recountOf(
  { vocabularies }: SessionParts,
  { advert, offer }: Candidate,
  { inputs, resumeText, resumeTokenIds, sampling }: SessionRequest,
): UsageAudit | undefined {
  const audit = inputs ? undefined : vocabularies.audit(offer.vocabularySha256, advert.peer, sampling.stop)
  const before = { text: resumeText, tokens: resumeTokenIds.length, tokenIds: resumeTokenIds }
  return audit?.check(before) === undefined ? audit : undefined
}

/** The value of a credit window: what may be delivered and unpaid. */
function windowOf(creditTokens: number, price: Price): Nano {
  return costNano({ promptTokens: 0, cachedTokens: 0, completionTokens: creditTokens }, price)
}

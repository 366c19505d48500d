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
import { type Address, inferProtocol, publicKeyOf } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { costNano, isWithin, type Nano, noUsage, type Price, type Usage } from '../../protocol/money.ts'
import { type Receipt, requestDigestOf, verifyReceipt } from '../../protocol/receipt.ts'
import { type Task, taskOf } from '../../protocol/task.ts'
import type { Config } from '../config.ts'
import type { InferenceEvent } from '../inference.ts'
import type { Ports, Stream } from '../ports.ts'
import { cancelled, unlessCancelled, Watchdog, within } from '../waits.ts'
import type { Candidate } from './directory.ts'
import type { TabId, TabStream, Tabs } from './tab.ts'

export interface SessionRequest extends Task {
  readonly requestId: string
  readonly deadlineMs: number
  /** What the caller's budget pays for. */
  readonly tokensBudget: number
  /** What other providers already delivered of this answer. */
  readonly resumeText: string
  readonly resumeTokenIds: readonly number[]
}

/** This peer's own escrow, as the chain shows it. */
export interface OwnEscrow {
  readonly address: Address
  readonly globalId: number
  readonly epoch: number
}

export interface SessionParts {
  readonly config: Config
  readonly ports: Ports
  readonly tabs: Tabs
  readonly escrow: OwnEscrow
}

export class Session {
  readonly #parts: SessionParts
  readonly #candidate: Candidate
  readonly #request: SessionRequest
  #usage: Usage = noUsage
  #accept: Accept | undefined
  #tab: TabStream | undefined
  #expired: MeshError | undefined
  /** Whether a stream was ever opened: before that nothing was sent. */
  isConnected = false

  constructor(parts: SessionParts, candidate: Candidate, request: SessionRequest) {
    this.#parts = parts
    this.#candidate = candidate
    this.#request = request
  }

  /** What this provider delivered and this peer counted, so far. */
  get usage(): Usage {
    return this.#usage
  }

  get costNano(): Nano {
    return this.#accept ? costNano(this.#usage, this.#accept.price) : 0n
  }

  /** Yields events as they arrive and returns the end. Leaving early, or the signal, cancels and accounts. */
  async *run(signal: AbortSignal): AsyncGenerator<InferenceEvent, EndReason, undefined> {
    const { config, ports, tabs } = this.#parts
    const { advert } = this.#candidate
    const settledNano = await unlessCancelled(this.#settledBefore(), signal) // read first: nothing may happen between an accept and its check
    const stream = await within(
      ports.clock,
      config.consumer.connectMs,
      `connecting to ${advert.peer}`,
      (stop) => ports.network.open(advert.peer, inferProtocol, stop),
      signal,
    )
    this.isConnected = true
    const open = this.#openFrame(tabs)
    const bytes = encodeFrame(open)
    const frames = stream.frames[Symbol.asyncIterator]()
    const watchdog = new Watchdog(ports.clock, (error) => {
      this.#expired = error
      stream.reset(error)
    })
    const cancel = (): void => {
      watchdog.arm(config.consumer.cancelMs, 'accounting for a cancelled request')
      stream.send(encodeFrame({ type: 'cancel' })).catch(() => undefined) // the reader sees it break
    }
    signal.addEventListener('abort', cancel)
    const tab = tabs.stream(advert.peer)
    this.#tab = tab
    let isAccounted = false
    let isLeft = true // until the end or an error is reached, an exit is the caller's
    try {
      watchdog.arm(config.consumer.firstByteMs, `the first answer of ${advert.peer}`)
      await stream.send(bytes)
      for (;;) {
        const frame = await this.#next(frames, signal)
        if (frame === undefined) throw new MeshError('unreachable', `${advert.peer} closed the stream before its end`)
        switch (frame.type) {
          case 'queued':
            if (this.#accept) throw new MeshError('protocol-violation', `${advert.peer} queued what it had accepted`)
            watchdog.arm(config.consumer.queueMs, `place ${frame.position} in the queue of ${advert.peer}`)
            break
          case 'tab':
            this.#meet(tab, frame.tab, windowOf(config.consumer.creditTokensMax, open.priceMax), settledNano)
            break
          case 'fail':
            isAccounted = true // frames are in order: everything it delivered was received
            throw new MeshError(frame.code, `${advert.peer}: ${frame.message}`, { retryAfterMs: frame.retryAfterMs })
          case 'accept': {
            this.#accepted(tab, frame, open, settledNano)
            await this.#pay(stream)
            if (!signal.aborted) watchdog.disarm() // a caller that takes its time is no fault of the provider
            yield this.#acceptedEvent(frame)
            if (!signal.aborted) watchdog.arm(config.consumer.firstByteMs, `the first token of ${advert.peer}`)
            break
          }
          case 'delta': {
            this.#received(frame)
            if (this.#isPaymentDue()) await this.#pay(stream)
            const isProgress = frame.tokens > 0 // a delta without tokens is no sign of life
            if (isProgress && !signal.aborted) watchdog.disarm()
            const { index: _, ...said } = frame
            yield said
            if (isProgress && !signal.aborted)
              watchdog.arm(config.consumer.betweenDeltasMs, `the next token of ${advert.peer}`)
            break
          }
          case 'end':
            this.#check(frame.receipt, requestDigestOf(bytes))
            await this.#payLast(stream)
            isAccounted = true
            await stream.close()
            return frame.finish
        }
      }
    } catch (error) {
      const failure = this.#expired ?? asMeshError(error)
      isLeft = false
      throw failure
    } finally {
      signal.removeEventListener('abort', cancel)
      if (isLeft && !isAccounted && this.#accept) isAccounted = await this.#leave(stream, frames, watchdog)
      watchdog.end()
      tab.close(isAccounted)
      if (!isAccounted) stream.reset(this.#expired ?? new MeshError('cancelled', 'the consumer is done'))
    }
  }

  /** The iteration was left early: cancel, read what was still on its way, pay for it. False where that failed. */
  async #leave(stream: Stream, frames: AsyncIterator<Uint8Array>, watchdog: Watchdog): Promise<boolean> {
    try {
      watchdog.arm(this.#parts.config.consumer.cancelMs, 'accounting for a cancelled request')
      await stream.send(encodeFrame({ type: 'cancel' }))
      for (;;) {
        const next = await frames.next()
        if (next.done) return false
        const frame = decodeProviderFrame(next.value)
        if (frame.type === 'delta') this.#received(frame)
        else if (frame.type === 'end') {
          await this.#payLast(stream)
          await stream.close()
          return true
        } else if (frame.type === 'fail') return true
      }
    } catch {
      return false // the provider is gone; what it delivered stays owed on the tab
    }
  }

  async #next(frames: AsyncIterator<Uint8Array>, signal: AbortSignal): Promise<ProviderFrame | undefined> {
    if (signal.aborted && !this.#accept) throw cancelled(signal)
    const next = await frames.next()
    return next.done ? undefined : decodeProviderFrame(next.value)
  }

  #openFrame(tabs: Tabs): Open {
    const { escrow } = this.#parts
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

  /** Everything a provider could overstate is checked before the first voucher is signed. */
  #accepted(tab: TabStream, accept: Accept, open: Open, settledNano: Nano): void {
    const { config } = this.#parts
    const { advert, offer } = this.#candidate
    if (this.#accept) throw new MeshError('protocol-violation', `${advert.peer} accepted twice`)
    if (!isWithin(accept.price, open.priceMax)) {
      throw new MeshError(
        'overcharged',
        `${advert.peer} accepted at ${accept.price.completionNano} nano, advertised ${open.priceMax.completionNano}`,
      )
    }
    if (accept.creditTokens > config.consumer.creditTokensMax) {
      throw new MeshError(
        'overcharged',
        `credit of ${accept.creditTokens} tokens, at most ${config.consumer.creditTokensMax}`,
      )
    }
    const promptTokensMax = Math.min(
      promptTokensBound(open, open.resumeTokenIds),
      offer.contextTokens * (open.inputs?.length ?? 1),
    )
    if (accept.promptTokens > promptTokensMax) {
      throw new MeshError(
        'overcharged',
        `${accept.promptTokens} prompt tokens for a prompt of at most ${promptTokensMax}`,
      )
    }
    const usage = { promptTokens: accept.promptTokens, cachedTokens: accept.cachedTokens, completionTokens: 0 }
    const promptNano = costNano(usage, accept.price)
    this.#meet(tab, accept.tab, windowOf(accept.creditTokens, accept.price), settledNano)
    this.#accept = accept
    this.#usage = usage
    tab.prepay(promptNano)
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
  async #settledBefore(): Promise<Nano> {
    const { escrow, ports, tabs } = this.#parts
    const id = this.#tabId()
    if (tabs.isKnown(id)) return 0n
    return (await ports.chain.payee(escrow.address, id.payee)).settledNano
  }

  #received(delta: ProviderFrame & { readonly type: 'delta' }): void {
    const { advert } = this.#candidate
    const { completionTokens } = this.#usage
    if (!this.#accept || !this.#tab)
      throw new MeshError('protocol-violation', `${advert.peer} sent tokens before accepting`)
    if (delta.index !== completionTokens) {
      throw new MeshError(
        'protocol-violation',
        `${advert.peer} sent token ${delta.index}, expected ${completionTokens}`,
      )
    }
    const tokens = completionTokens + delta.tokens
    if (tokens > this.#tokensMax()) {
      throw new MeshError(
        'overcharged',
        `${advert.peer} sent ${tokens} tokens, at most ${this.#tokensMax()} were asked for`,
      )
    }
    const usage = { ...this.#usage, completionTokens: tokens }
    this.#tab.received(costNano(usage, this.#accept.price) - this.costNano)
    this.#usage = usage
  }

  /** What was asked for, or else what fits the context that the provider advertised. */
  #tokensMax(): number {
    const roomTokens = Math.max(0, this.#candidate.offer.contextTokens - this.#usage.promptTokens)
    const { sampling, tokensBudget } = this.#request
    return Math.min(sampling.tokensMax ?? roomTokens, tokensBudget, roomTokens)
  }

  /** At half the least window of the tab: the next tokens are on their way while the voucher is. */
  #isPaymentDue(): boolean {
    const { config } = this.#parts
    const { price } = this.#accept ?? {}
    if (!this.#tab || !price) return false
    const chunk = { promptTokens: 0, cachedTokens: 0, completionTokens: config.consumer.chunkTokens }
    const chunkNano = costNano(chunk, price)
    const unpaid = this.#tab.unpaidNano()
    return unpaid >= chunkNano || 2n * unpaid >= this.#tab.leastWindowNano()
  }

  async #pay(stream: Stream): Promise<void> {
    const voucher = await this.#tab?.sign()
    if (voucher) await this.#sendVoucher(stream, { type: 'voucher', voucher })
  }

  async #payLast(stream: Stream): Promise<void> {
    const voucher = await this.#tab?.signLast()
    if (voucher) await this.#sendVoucher(stream, { type: 'voucher', voucher })
  }

  async #sendVoucher(stream: Stream, frame: ConsumerFrame & { readonly type: 'voucher' }): Promise<void> {
    const { payee, amountNano } = frame.voucher.terms
    await stream.send(encodeFrame(frame))
    this.#parts.ports.observe({
      type: 'voucher-signed',
      request: this.#request.requestId,
      peer: this.#candidate.advert.peer,
      payee,
      amountNano,
    })
  }

  /** The provider's account must be this peer's own count, signed. */
  #check(receipt: Receipt, digest: Uint8Array): void {
    const { advert, offer } = this.#candidate
    const { promptTokens, cachedTokens, completionTokens } = receipt.usage
    const own = this.#usage
    const isOwnCount =
      promptTokens === own.promptTokens &&
      cachedTokens === own.cachedTokens &&
      completionTokens === own.completionTokens
    if (!isOwnCount || receipt.costNano !== this.costNano) {
      throw new MeshError(
        'overcharged',
        `${advert.peer} accounts for ${receipt.costNano} nano, received was ${this.costNano}`,
      )
    }
    const isThisRequest = receipt.modelKey === offer.modelKey && Buffer.from(digest).equals(receipt.requestDigest)
    if (!isThisRequest || !verifyReceipt(receipt, publicKeyOf(advert.peer))) {
      throw new MeshError('protocol-violation', `the receipt of ${advert.peer} does not verify`)
    }
  }
}

/** The value of a credit window: what may be delivered and unpaid. */
function windowOf(creditTokens: number, price: Price): Nano {
  return costNano({ promptTokens: 0, cachedTokens: 0, completionTokens: creditTokens }, price)
}

/** No tokeniser makes more tokens than bytes; templates add a few around each message. */
const templateTokensPerMessage = 32

export function promptTokensBound(task: Task, resumeTokenIds: readonly number[]): number {
  const { inputs = [], messages, text = '', tools } = task
  const chat = messages.reduce(
    (sum, { role, content, toolCalls }) => sum + Buffer.byteLength(content) + role.length + jsonBytes(toolCalls),
    0,
  )
  const bytes = chat + Buffer.byteLength(text) + inputs.reduce((sum, input) => sum + Buffer.byteLength(input), 0)
  // templates indent and repeat what tools are declared as: twice their JSON is above any known one
  const pieces = messages.length + inputs.length + 2 + (tools ? tools.list.length + templateInstructions : 0)
  return bytes + 2 * jsonBytes(tools) + templateTokensPerMessage * pieces + resumeTokenIds.length
}

/** What a template says about how to call tools: as many tokens as so many messages may add. */
const templateInstructions = 16

function jsonBytes(value: unknown): number {
  return value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value))
}

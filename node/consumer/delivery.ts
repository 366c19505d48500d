// What one provider delivered of one request, as this peer counts it; and all that a provider could get wrong about it.

import { MeshError } from '../../protocol/errors.ts'
import type { Accept, EndReason, ProviderFrame } from '../../protocol/frames.ts'
import { publicKeyOf } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { costNano, formatGram, isWithin, type Nano, noUsage, type Usage } from '../../protocol/money.ts'
import { type Receipt, verifyReceipt } from '../../protocol/receipt.ts'
import type { Task } from '../../protocol/task.ts'
import type { UsageAudit } from './audit.ts'
import type { Candidate } from './directory.ts'

/** What was asked of the provider, and within what. */
export interface Order extends Task {
  /** What the caller's budget pays for. */
  readonly tokensBudget: number
  /** What other providers already delivered of this answer. */
  readonly resumeTokenIds: readonly number[]
}

export class Delivery {
  readonly #candidate: Candidate
  readonly #order: Order
  readonly #creditTokensMax: number
  readonly #recount: UsageAudit | undefined
  #accept: Accept | undefined
  #usage: Usage = noUsage
  /** Tokens that came with their ids. */
  #idsTold = 0
  #saidBytes = 0
  /** Their count, and the values of each. */
  #vectors = { count: 0, values: 0 }

  /** `recount`: to check tokens against the text, where the model's vocabulary is known. */
  constructor(candidate: Candidate, order: Order, creditTokensMax: number, recount?: UsageAudit) {
    this.#recount = recount
    this.#candidate = candidate
    this.#order = order
    this.#creditTokensMax = creditTokensMax
  }

  get terms(): Accept | undefined {
    return this.#accept
  }

  get usage(): Usage {
    return this.#usage
  }

  get costNano(): Nano {
    return this.#accept ? costNano(this.#usage, this.#accept.price) : 0n
  }

  /** The most that it can come to, whatever is delivered yet. */
  get costNanoMax(): Nano {
    const { promptTokens, cachedTokens } = this.#accept ?? { promptTokens: this.#promptTokensMax(), cachedTokens: 0 }
    const price = this.#accept?.price ?? this.#candidate.offer.price
    return costNano({ promptTokens, cachedTokens, completionTokens: this.#tokensMax() }, price)
  }

  /** Throws where it asks for more than this peer agreed to. */
  check({ creditTokens, price, promptTokens }: Accept): void {
    const { advert, offer } = this.#candidate
    if (this.#accept) throw this.#violation('accepted twice')
    if (!isWithin(price, offer.price)) {
      throw new MeshError(
        'overcharged',
        `${advert.peer} accepted at ${formatGram(price.completionNano)} GRAM a million tokens, advertised ${formatGram(offer.price.completionNano)}`,
      )
    }
    if (creditTokens > this.#creditTokensMax) {
      throw new MeshError('overcharged', `credit of ${creditTokens} tokens, at most ${this.#creditTokensMax}`)
    }
    const promptTokensMax = this.#promptTokensMax()
    if (promptTokens > promptTokensMax) {
      throw new MeshError('overcharged', `${promptTokens} prompt tokens for a prompt of at most ${promptTokensMax}`)
    }
  }

  /** What the prompt costs, owed from now on. */
  begin(accept: Accept): Nano {
    this.#accept = accept
    this.#usage = { promptTokens: accept.promptTokens, cachedTokens: accept.cachedTokens, completionTokens: 0 }
    return this.costNano
  }

  /** Counts nothing yet: what the delta costs is to be agreed with the tab first. */
  judge(delta: DeltaFrame): Judged {
    const { index, tokens } = delta
    const { completionTokens } = this.#usage
    if (this.#order.inputs) throw this.#violation('sent text for texts to embed')
    if (index !== completionTokens) throw this.#violation(`sent token ${index}, expected ${completionTokens}`)
    const tokensMax = this.#tokensMax()
    if (completionTokens + tokens > tokensMax) {
      throw new MeshError(
        'overcharged',
        `${this.#peer} sent ${completionTokens + tokens} tokens, at most ${tokensMax} were asked for`,
      )
    }
    // text may lag behind its tokens, and be of more of them than a server counts; what is free would never end
    const saidBytesMax = Math.min(answerBytesMax, limits.deltaBytesMax * (1 + completionTokens + tokens))
    const saidBytes = this.#saidBytes + bytesOf(delta)
    if (saidBytes > saidBytesMax) {
      throw this.#violation(`said over ${saidBytesMax} bytes in ${completionTokens + tokens} tokens`)
    }
    const wrong = delta.tokenIds.length === tokens ? this.#recount?.check(delta) : undefined
    if (wrong) throw new MeshError('overcharged', `${this.#peer} charges for ${wrong}`)
    const usage = { ...this.#usage, completionTokens: completionTokens + tokens }
    const price = this.#accept?.price
    return { usage, saidBytes, costNano: price ? costNano(usage, price) - this.costNano : 0n }
  }

  count({ saidBytes, usage }: Judged, { tokenIds }: DeltaFrame): void {
    this.#usage = usage
    this.#idsTold += tokenIds.length
    this.#saidBytes = saidBytes
  }

  embedded({ index, vector }: ProviderFrame & { readonly type: 'embedding' }): void {
    const { count, values } = this.#vectors
    const inputs = this.#order.inputs?.length ?? 0
    if (index !== count || count >= inputs)
      throw this.#violation(`sent vector ${index}, expected ${count} of ${inputs}`)
    if (count > 0 && vector.length !== values) {
      throw this.#violation(`sent a vector of ${vector.length} values after one of ${values}`)
    }
    this.#vectors = { count: count + 1, values: vector.length }
  }

  /** The provider's account must be this peer's own count, signed. */
  verify(receipt: Receipt, digest: Uint8Array): void {
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
        `${advert.peer} accounts for ${formatGram(receipt.costNano)} GRAM, received was ${formatGram(this.costNano)}`,
      )
    }
    const isThisRequest = receipt.modelKey === offer.modelKey && Buffer.from(digest).equals(receipt.requestDigest)
    if (!isThisRequest || !verifyReceipt(receipt, publicKeyOf(advert.peer))) {
      throw new MeshError('protocol-violation', `the receipt of ${advert.peer} does not verify`)
    }
  }

  /**
   * A provider is believed that a model had no more to say; that a limit was reached is counted here. It may end a delta
   * short of the budget or of its context, and where it tells no ids it may count in other units.
   */
  assertWhole(finish: EndReason): void {
    const { inputs, sampling } = this.#order
    const { completionTokens } = this.#usage
    if (inputs) {
      const { count } = this.#vectors
      if (finish === 'cancelled' || count === inputs.length) return
      throw this.#violation(`ended after ${count} of ${inputs.length} vectors`)
    }
    if (finish !== 'length' || sampling.tokensMax === undefined || this.#idsTold !== completionTokens) return
    const deltaTokens = Math.max(1, Math.floor((this.#accept?.creditTokens ?? 0) / 2))
    const least = Math.min(sampling.tokensMax, this.#boundTokens() - deltaTokens)
    if (completionTokens >= least) return
    throw this.#violation(`ended at a limit after ${completionTokens} tokens, before ${least} were there`)
  }

  #promptTokensMax(): number {
    const { contextTokens } = this.#candidate.offer
    const { inputs, resumeTokenIds } = this.#order
    return Math.min(promptTokensBound(this.#order, resumeTokenIds), contextTokens * (inputs?.length ?? 1))
  }

  /** What was asked for, or else what there is room and money for. */
  #tokensMax(): number {
    const { inputs, sampling } = this.#order
    if (inputs) return 0
    const bound = this.#boundTokens()
    return Math.min(sampling.tokensMax ?? bound, bound)
  }

  /** What fits the budget, and the context that the provider advertised. */
  #boundTokens(): number {
    const roomTokens = Math.max(0, this.#candidate.offer.contextTokens - this.#usage.promptTokens)
    return Math.min(this.#order.tokensBudget, roomTokens)
  }

  get #peer() {
    return this.#candidate.advert.peer
  }

  #violation(what: string): MeshError {
    return new MeshError('protocol-violation', `${this.#peer} ${what}`)
  }
}

type DeltaFrame = ProviderFrame & { readonly type: 'delta' }

/** What a delta costs, and what was delivered with it. */
interface Judged {
  readonly costNano: Nano
  readonly usage: Usage
  readonly saidBytes: number
}

/** One answer is held whole: sixteen bytes for each of four million tokens. */
const answerBytesMax = 67_108_864

function bytesOf({ reasoning = '', text, toolCalls = [] }: DeltaFrame): number {
  const calls = toolCalls.reduce((sum, call) => sum + Buffer.byteLength(call.arguments), 0)
  return Buffer.byteLength(text) + Buffer.byteLength(reasoning) + calls
}

/** No tokeniser makes more tokens than bytes; templates add a few around each message. */
const templateTokensPerMessage = 32

/** What a template says about how to call tools: as many tokens as so many messages may add. */
const templateInstructions = 16

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

function jsonBytes(value: unknown): number {
  return value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value))
}

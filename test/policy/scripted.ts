// A provider that says what a test tells it to, and keeps the account that an honest one would; and an engine whose answer
// shows each token's place, so that a lost or repeated one is seen.

import type { Delta, Engine, Stream } from '../../node/ports.ts'
import { encodeAdvert, type Offer } from '../../protocol/advert.ts'
import {
  decodeConsumerFrame,
  type EndReason,
  encodeFrame,
  type Open,
  type ProviderFrame,
} from '../../protocol/frames.ts'
import { advertProtocol, declaredModelKeyOf, inferProtocol, meshKey, type PeerId } from '../../protocol/ids.ts'
import { costNano, type Nano, type Price } from '../../protocol/money.ts'
import { type Receipt, requestDigestOf, signReceipt } from '../../protocol/receipt.ts'
import { featuresByDefault } from '../../protocol/task.ts'
import type { MemoryMesh } from './memory-mesh.ts'
import { addressOfNumber, identityOf } from './peers.ts'

export const price: Price = { promptNano: 20_000_000n, completionNano: 160_000_000n, cachedNano: 2_000_000n }

/** Of the token at this place of the answer. */
export function word(at: number): string {
  return `${at} `
}

/** The first so many tokens of the answer. */
export function story(tokens: number): string {
  return Array.from({ length: tokens }, (_, at) => word(at)).join('')
}

function saidOf(from: number, tokens: number): Delta {
  const places = Array.from({ length: tokens }, (_, at) => from + at)
  return { text: places.map(word).join(''), tokens, tokenIds: places }
}

export interface StoryOptions {
  /** Before each delta, by the place of its first token. */
  readonly pause?: (at: number) => Promise<void>
  readonly deltaTokens?: number
  readonly tellsIds?: boolean
  /** How long its whole answer is. */
  readonly tokens?: number
  readonly slots?: number
}

/** Goes on from the place that the resumed ids reach; throws where they are not the answer so far. */
export function storyEngine({
  pause,
  deltaTokens = 3,
  slots = 16,
  tellsIds = true,
  tokens = 100,
}: StoryOptions = {}): Engine {
  const speeds = { prefillTokensPerSecond: 1, decodeTokensPerSecond: 1 }
  const features = [...featuresByDefault, 'embeddings' as const]
  return {
    models: [{ key: declaredModelKeyOf('m'), name: 'm', contextTokens: 4_096, ...speeds, features }],
    slots,
    prepare: async (generation) => {
      const { inputs, messages, resumeTokenIds } = generation
      if (resumeTokenIds.some((id, at) => id !== at)) throw new Error(`resumed from ${resumeTokenIds}`)
      const letters = inputs?.join('') ?? messages[0]?.content ?? ''
      return { generation, promptTokens: letters.length + resumeTokenIds.length, cachedTokens: 0, tokenIds: [] }
    },
    async *generate({ generation }, signal): AsyncGenerator<Delta, 'stop' | 'length', undefined> {
      const begun = generation.resumeTokenIds.length
      const end = Math.min(tokens, begun + (generation.sampling.tokensMax ?? tokens))
      for (let at = begun; at < end; at += deltaTokens) {
        await pause?.(at)
        signal.throwIfAborted()
        const said = saidOf(at, Math.min(deltaTokens, end - at))
        yield tellsIds ? said : { ...said, tokenIds: [] }
      }
      return end === tokens ? 'stop' : 'length'
    },
    async *embed({ generation }, signal) {
      for (const input of generation.inputs ?? []) {
        await pause?.(0)
        signal.throwIfAborted()
        yield vectorOf(input)
      }
    },
  }
}

export function vectorOf(input: string): Float32Array {
  return Float32Array.of(input.length, input.charCodeAt(0))
}

/** One request, as its provider may answer it. */
export class Talk {
  readonly open: Open
  readonly stream: Stream
  readonly #provider: Scripted
  readonly #digest: Uint8Array
  readonly #paid = Promise.withResolvers<void>()
  /** Tokens sent. */
  sent = 0

  constructor(provider: Scripted, stream: Stream, open: Open, digest: Uint8Array) {
    this.#provider = provider
    this.stream = stream
    this.open = open
    this.#digest = digest
  }

  get promptTokens(): number {
    const { inputs, messages, resumeTokenIds } = this.open
    return (inputs?.join('') ?? messages[0]?.content ?? '').length + resumeTokenIds.length
  }

  send(frame: ProviderFrame): Promise<void> {
    return this.stream.send(encodeFrame(frame))
  }

  /** Resolves when the prompt is paid: from then on it is owed. */
  async accepted(): Promise<void> {
    await this.accept()
    await this.#paid.promise
    this.#provider.owedNano += this.costNano
  }

  async accept(): Promise<void> {
    const { payee } = this.#provider
    const counts = { promptTokens: this.promptTokens, cachedTokens: 0, creditTokens: 64 }
    const tab = { globalId: -239, epoch: 0, payee, owedNano: this.#provider.owedNano, best: undefined }
    await this.send({ type: 'accept', price, ...counts, tab })
  }

  get costNano(): Nano {
    const { promptTokens, sent } = this
    return costNano({ promptTokens, cachedTokens: 0, completionTokens: sent }, price)
  }

  async deltas(tokens: number): Promise<void> {
    const before = this.costNano
    for (let at = 0; at < tokens; at += 1) {
      const index = this.sent
      this.sent += 1
      await this.send({ type: 'delta', index, ...saidOf(this.open.resumeTokenIds.length + index, 1) })
    }
    this.#provider.owedNano += this.costNano - before
  }

  async end(finish: EndReason, change: Partial<Receipt['usage']> = {}, digest = this.#digest): Promise<void> {
    const usage = { promptTokens: this.promptTokens, cachedTokens: 0, completionTokens: this.sent, ...change }
    const served = { requestDigest: digest, modelKey: this.open.modelKey, price, usage }
    await this.send({ type: 'end', finish, receipt: signReceipt(served, this.#provider.sign) })
  }

  /** A voucher came. */
  paid(): void {
    this.#paid.resolve()
  }
}

export class Scripted {
  readonly peerId: PeerId
  readonly payee: ReturnType<typeof addressOfNumber>
  readonly sign: (message: Uint8Array) => Uint8Array
  /** What it delivered and an honest provider would be owed. */
  owedNano: Nano = 0n
  /** The largest voucher that it got. */
  paidNano: Nano = 0n
  readonly talks: Talk[] = []
  cancels = 0

  /** `script` is what it does with a request once its prompt may be sent; vouchers and debts it takes by itself. */
  constructor(
    mesh: MemoryMesh,
    number: number,
    script: (talk: Talk) => Promise<void>,
    change: Partial<Offer> = {},
    serves = true,
  ) {
    const identity = identityOf(number)
    this.peerId = identity.peerId
    this.payee = addressOfNumber(number)
    this.sign = identity.sign
    const network = mesh.networkOf(identity)
    const offer: Offer = {
      modelKey: declaredModelKeyOf('m'),
      name: 'm',
      contextTokens: 4_096,
      price,
      slots: 4,
      slotsFree: 4,
      queued: 0,
      prefillTokensPerSecond: 1,
      decodeTokensPerSecond: 1,
      features: [...featuresByDefault, 'embeddings'],
      vocabularySha256: undefined,
      ...change,
    }
    network.handle(advertProtocol, async (stream) => {
      const nowMs = mesh.clock.now()
      const about = { peer: identity.peerId, sequence: nowMs, validUntilMs: nowMs + 300_000, payout: this.payee }
      const advert = { ...about, offers: [offer], addresses: [], agent: '' }
      await stream.send(encodeAdvert(advert, identity.publicKey, identity.sign))
      await stream.close()
    })
    if (serves) network.handle(inferProtocol, (stream) => this.#converse(stream, script))
    void network.provide(meshKey, new AbortController().signal)
  }

  async #converse(stream: Stream, script: (talk: Talk) => Promise<void>): Promise<void> {
    let talk: Talk | undefined
    try {
      for await (const bytes of stream.frames) {
        const frame = decodeConsumerFrame(bytes)
        if (frame.type === 'open') {
          talk = new Talk(this, stream, frame, requestDigestOf(bytes))
          this.talks.push(talk)
          script(talk).catch(() => undefined) // the stream it speaks on is over
        } else if (frame.type === 'cancel') {
          this.cancels += 1
        } else {
          const { amountNano } = frame.voucher.terms
          if (amountNano > this.paidNano) this.paidNano = amountNano
          if (talk) {
            talk.paid()
            continue
          }
          const tab = { globalId: -239, epoch: 0, payee: this.payee, owedNano: this.owedNano, best: frame.voucher }
          await stream.send(encodeFrame({ type: 'tab', tab }))
          await stream.close()
        }
      }
    } catch {
      // reset by its consumer
    }
  }
}

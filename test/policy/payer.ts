// A consumer by hand: opens a request at a provider, pays what it is told to, and keeps every frame with its time.

import type { Stream } from '../../node/ports.ts'
import {
  type Accept,
  type ConsumerFrame,
  decodeProviderFrame,
  encodeFrame,
  type Open,
  type ProviderFrame,
} from '../../protocol/frames.ts'
import { type Address, declaredModelKeyOf, inferProtocol, type PeerId } from '../../protocol/ids.ts'
import { costNano, type Nano } from '../../protocol/money.ts'
import { signVoucher } from '../../protocol/voucher.ts'
import { quiet } from '../manual-clock.ts'
import type { MemoryMesh } from './memory-mesh.ts'
import { identityOf } from './peers.ts'

export interface Heard {
  readonly atMs: number
  readonly frame: ProviderFrame
}

/** Of the payer of this number; opened with its first request where a test has not done it before. */
export function payerEscrow(number: number): Address {
  return `0:${number.toString(16).padStart(64, '0')}` as Address
}

export class Payer {
  readonly heard: Heard[] = []
  /** All that was ever promised to this provider. */
  paidNano: Nano = 0n
  /** Pays each voucher as it falls due. */
  isPaying: boolean
  readonly #mesh: MemoryMesh
  readonly #number: number
  readonly #escrow: Address
  readonly #stream: Stream
  #accept: Accept | undefined
  #isEnded = false

  private constructor(mesh: MemoryMesh, number: number, escrow: Address, stream: Stream, isPaying: boolean) {
    this.#mesh = mesh
    this.#number = number
    this.#escrow = escrow
    this.#stream = stream
    this.isPaying = isPaying
    void this.#read()
  }

  /** The peer of this number, with an escrow of its own, asks this provider. */
  static async open(
    mesh: MemoryMesh,
    number: number,
    provider: PeerId,
    task: Partial<Open> = {},
    isPaying = true,
  ): Promise<Payer> {
    const escrow = payerEscrow(number)
    if (!mesh.chain.escrows.has(escrow)) mesh.escrow(number, { address: escrow })
    const stream = await mesh.networkOf(identityOf(number)).open(provider, inferProtocol)
    const payer = new Payer(mesh, number, escrow, stream, isPaying)
    const dear = 10n ** 12n
    await payer.send({
      type: 'open',
      requestId: number.toString(16).padStart(32, '0'),
      modelKey: declaredModelKeyOf('m'),
      messages: task.inputs || task.text !== undefined ? [] : [{ role: 'user', content: 'hello' }],
      sampling: {},
      priceMax: { promptNano: dear, completionNano: dear, cachedNano: dear },
      escrow,
      deadlineMs: 0,
      best: undefined,
      resumeText: '',
      resumeTokenIds: [],
      ...task,
    })
    await quiet()
    return payer
  }

  get frames(): readonly ProviderFrame[] {
    return this.heard.map(({ frame }) => frame)
  }

  of<T extends ProviderFrame['type']>(type: T): readonly (ProviderFrame & { type: T })[] {
    return this.frames.filter((frame): frame is ProviderFrame & { type: T } => frame.type === type)
  }

  /** Nothing more comes. */
  get isEnded(): boolean {
    return this.#isEnded
  }

  send(frame: ConsumerFrame): Promise<void> {
    return this.#stream.send(encodeFrame(frame))
  }

  async pay(nano: Nano): Promise<void> {
    if (!this.#accept) throw new TypeError('nothing was accepted')
    const { epoch, globalId, payee } = this.#accept.tab
    this.paidNano += nano
    const terms = { globalId, escrow: this.#escrow, epoch, payee, amountNano: this.paidNano }
    await this.send({ type: 'voucher', voucher: signVoucher(terms, identityOf(this.#number).sign) })
  }

  async #read(): Promise<void> {
    try {
      for await (const bytes of this.#stream.frames) {
        const frame = decodeProviderFrame(bytes)
        this.heard.push({ atMs: this.#mesh.clock.now(), frame })
        if (frame.type === 'accept') this.#accept = frame
        if (this.isPaying) await this.#payFor(frame)
        if (frame.type === 'end') await this.#stream.close()
      }
    } catch {
      // a broken stream brings nothing more
    }
    this.#isEnded = true
  }

  async #payFor(frame: ProviderFrame): Promise<void> {
    const price = this.#accept?.price
    if (!price) return
    const none = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }
    if (frame.type === 'accept') {
      const { cachedTokens, promptTokens } = frame
      await this.pay(costNano({ ...none, promptTokens, cachedTokens }, price))
    } else if (frame.type === 'delta') await this.pay(costNano({ ...none, completionTokens: frame.tokens }, price))
  }
}

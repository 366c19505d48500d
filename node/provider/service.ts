// The provider's door: what a new stream of /silkmesh/infer/1.0.0 wants, and who takes it from there. docs/protocol.md §4.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { decodeConsumerFrame, encodeFrame } from '../../protocol/frames.ts'
import { requestDigestOf } from '../../protocol/receipt.ts'
import type { Voucher } from '../../protocol/voucher.ts'
import type { Stream } from '../ports.ts'
import { within } from '../waits.ts'
import { Conversation, failFrame, type Running, type ServiceParts, tabOf } from './conversation.ts'

export class Service {
  readonly #parts: ServiceParts
  readonly #running: Running = { decoding: new Map(), unfinished: new Map() }
  readonly #conversations = new Set<Conversation>()

  constructor(parts: ServiceParts) {
    this.#parts = parts
  }

  /** Serves one stream. Rejects only where the stream is to be reset. */
  async serve(stream: Stream): Promise<void> {
    const { config, ports } = this.#parts
    const frames = stream.frames[Symbol.asyncIterator]()
    const first = await within(ports.clock, config.provider.openMs, 'the first frame', () => frames.next())
    if (first.done) return stream.close()
    const frame = decodeConsumerFrame(first.value)
    switch (frame.type) {
      case 'open': {
        const conversation = new Conversation(this.#parts, this.#running, stream, frame, requestDigestOf(first.value))
        this.#conversations.add(conversation)
        try {
          await conversation.run(frames)
        } finally {
          this.#conversations.delete(conversation)
        }
        return
      }
      case 'voucher':
        return this.#takePayment(stream, frame.voucher)
      case 'cancel':
        return stream.close()
    }
  }

  /** Ends what still runs, accounted for like a cancel. */
  stopAll(): void {
    const reason = new MeshError('draining', 'this provider is shutting down')
    for (const conversation of this.#conversations) conversation.stop(reason)
  }

  /** A voucher outside a request: a consumer pays what a broken stream left. The answer is the provider's view. */
  async #takePayment(stream: Stream, voucher: Voucher): Promise<void> {
    const { accounts, book, payout } = this.#parts
    try {
      const account = await accounts.payable(voucher.terms.escrow, voucher.grant ? undefined : stream.peer)
      const channel = await book.acceptDebt(voucher, account, stream.peer)
      await stream.send(encodeFrame({ type: 'tab', tab: tabOf(account.escrow, payout, channel) }))
    } catch (error) {
      await stream.send(encodeFrame(failFrame(asMeshError(error, 'internal'))))
    }
    await stream.close()
  }
}

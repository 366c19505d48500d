// What a consumer sends while its request is at a provider: a cancel acts at once, also while a voucher is being written.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { decodeConsumerFrame } from '../../protocol/frames.ts'
import { paidNano, type Voucher } from '../../protocol/voucher.ts'
import type { Stream } from '../ports.ts'
import type { Account, Book } from '../settlement/book.ts'

export class Listener {
  readonly #stream: Stream
  readonly #book: Book
  readonly #stop: (reason: MeshError) => void
  /** Of those that came and are not written yet, the one that is worth most: it replaces the others. */
  #waiting: Voucher | undefined
  #account: Account | undefined
  #booking: Promise<void> | undefined

  /** `stop` is told when the consumer cancels, goes away, or breaks the protocol. */
  constructor(stream: Stream, book: Book, stop: (reason: MeshError) => void) {
    this.#stream = stream
    this.#book = book
    this.#stop = stop
  }

  /** Resolves when the consumer sends no more and what it sent is booked. */
  async listen(frames: AsyncIterator<Uint8Array>): Promise<void> {
    try {
      for (;;) {
        const next = await frames.next()
        if (next.done) break
        this.#take(next.value)
      }
      this.#stop(new MeshError('cancelled', 'the consumer closed the stream'))
      await this.#booking
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Vouchers are for this account, those that came already too. */
  bookTo(account: Account): void {
    this.#account = account
    this.#bookNext()
  }

  #take(bytes: Uint8Array): void {
    const frame = decodeConsumerFrame(bytes)
    switch (frame.type) {
      case 'voucher': {
        if (!this.#waiting || paidNano(frame.voucher) > paidNano(this.#waiting)) this.#waiting = frame.voucher
        this.#bookNext()
        break
      }
      case 'cancel':
        this.#stop(new MeshError('cancelled', 'the consumer cancelled'))
        break
      case 'open':
        throw new MeshError('protocol-violation', 'a second open on one stream')
    }
  }

  #bookNext(): void {
    if (this.#account && this.#waiting) this.#booking ??= this.#bookAll(this.#account)
  }

  /** Never rejects. */
  async #bookAll(account: Account): Promise<void> {
    try {
      while (this.#waiting) {
        const voucher = this.#waiting
        this.#waiting = undefined
        await this.#book.accept(voucher, account, this.#stream.peer)
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#booking = undefined
    }
  }

  #fail(error: unknown): void {
    const failure = asMeshError(error)
    this.#stop(failure)
    if (failure.code === 'protocol-violation') this.#stream.reset(failure)
  }
}

// The reading half of a stream. Yamux grants a peer more window as soon as bytes arrive, read or not, so the stream is
// paused above a high-water mark; what waits here, and what a paused peer may still send, counts against one budget.

import type { Stream as RawStream, StreamMessageEvent } from '@libp2p/interface'
import { asMeshError, MeshError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { ByteBudget } from './budget.ts'
import { FrameDecoder } from './framing.ts'
import type { Libp2pSettings } from './options.ts'

/** What yamux lets a paused peer still send: its initial window, which `guardedYamux` keeps from growing. */
export const windowBytes = 262_144

/** Cost of a queued frame beside its bytes, so that empty frames count too. */
const frameOverheadBytes = 64

export interface InboundBounds {
  readonly settings: Libp2pSettings
  readonly budget: ByteBudget
  readonly readBytesMax: number
  /** Bytes arrived: the connection is alive. */
  readonly heard: () => void
}

interface Owner {
  /** The stream is to be reset. */
  refuse(error: MeshError): void
  /** All was read, or nobody reads any more. */
  over(): void
}

type Read = PromiseWithResolvers<IteratorResult<Uint8Array, undefined>>

const done: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined }

export class Inbound implements AsyncIterable<Uint8Array> {
  readonly #raw: RawStream
  readonly #peer: PeerId
  readonly #bounds: InboundBounds
  readonly #owner: Owner
  readonly #decoder: FrameDecoder
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #heldBytes = 0
  #reads: Read[] = []
  #isTaken = false
  #isPaused = false
  #frameTimer: NodeJS.Timeout | undefined
  /** Nothing more comes from the wire: it was all read, nobody wants it, or it broke. */
  #over: 'ended' | 'left' | MeshError | undefined

  constructor(raw: RawStream, peer: PeerId, bounds: InboundBounds, owner: Owner) {
    this.#raw = raw
    this.#peer = peer
    this.#bounds = bounds
    this.#owner = owner
    this.#decoder = new FrameDecoder(bounds.readBytesMax)
  }

  get isOver(): boolean {
    return this.#over !== undefined
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    if (this.#isTaken) throw new TypeError('the frames of a stream can be read once')
    this.#isTaken = true
    return {
      next: () => this.#next(),
      return: () => {
        this.leave()
        return Promise.resolve(done)
      },
    }
  }

  receive({ data }: StreamMessageEvent): void {
    this.#bounds.heard()
    if (this.isOver) return
    try {
      let isWhole = false
      for (const chunk of data instanceof Uint8Array ? [data] : data) {
        this.#decoder.decode(chunk, (frame) => {
          isWhole = true
          this.#deliver(frame)
        })
      }
      this.#pauseAboveMark()
      this.#timeFrame(isWhole)
      this.#account()
    } catch (error) {
      this.#owner.refuse(asMeshError(error, 'protocol-violation'))
    }
  }

  /** The peer sends no more, and all it sent was received. */
  end(): void {
    if (this.isOver) return
    if (this.#decoder.isInsideFrame) {
      this.#owner.refuse(new MeshError('protocol-violation', `${this.#peer} closed the stream inside a frame`))
      return
    }
    this.#finish('ended')
    for (const read of this.#reads.splice(0)) read.resolve(done)
    this.#owner.over()
  }

  /** Frames that came whole before are still there to read. */
  fail(error: MeshError): void {
    if (this.isOver) return
    this.#finish(error)
    for (const read of this.#reads.splice(0)) read.reject(error)
  }

  /** Nobody reads on; the peer may finish sending into the void. */
  leave(): void {
    if (this.#over === 'left') return
    this.#finish('left')
    this.drop()
    if (this.#isPaused) this.#resume() // or it would wait for its window for ever
    for (const read of this.#reads.splice(0)) read.resolve(done)
    this.#raw.closeRead().catch(() => undefined) // only says that the stream is closed already
    this.#owner.over()
  }

  /** Forgets what is unread. */
  drop(): void {
    this.#queue = []
    this.#queuedBytes = 0
  }

  #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const frame = this.#queue.shift()
    if (frame) {
      this.#queuedBytes -= frame.length + frameOverheadBytes
      this.#resumeBelowMark()
      this.#account()
      return Promise.resolve({ done: false, value: frame })
    }
    if (this.#over === 'ended' || this.#over === 'left') return Promise.resolve(done)
    const read: Read = Promise.withResolvers()
    read.promise.catch(() => undefined) // a peer that goes away must not end the process where nobody looks
    if (this.#over) read.reject(this.#over)
    else this.#reads.push(read)
    return read.promise
  }

  #deliver(frame: Uint8Array): void {
    const read = this.#reads.shift()
    if (read) {
      read.resolve({ done: false, value: frame })
      return
    }
    this.#queue.push(frame)
    this.#queuedBytes += frame.length + frameOverheadBytes
  }

  #pauseAboveMark(): void {
    if (this.#isPaused || this.#queuedBytes <= this.#bounds.settings.readHighWaterBytes) return
    if (this.#raw.readStatus !== 'readable') return
    this.#raw.pause()
    this.#isPaused = true
  }

  #resumeBelowMark(): void {
    if (!this.#isPaused || this.#queuedBytes > this.#bounds.settings.readHighWaterBytes / 2) return
    this.#resume()
    this.#timeFrame(true)
  }

  /** Also after the other side is gone: what it sent before is still to be read. */
  #resume(): void {
    this.#isPaused = false
    if (this.#raw.readStatus !== 'paused') return
    try {
      this.#raw.resume()
    } catch {
      // the window update found the connection closed; its close event follows or has been handled
    }
  }

  /** A peer may not sit on half a frame. While this side is paused the wait is its own. */
  #timeFrame(isWhole: boolean): void {
    const isDue = this.#decoder.isInsideFrame && !this.#isPaused && !this.isOver
    if (isWhole || !isDue) {
      clearTimeout(this.#frameTimer)
      this.#frameTimer = undefined
    }
    if (this.#frameTimer || !isDue) return
    const { frameMs } = this.#bounds.settings
    this.#frameTimer = setTimeout(() => {
      this.#owner.refuse(new MeshError('timeout', `a frame from ${this.#peer} was not complete after ${frameMs} ms`))
    }, frameMs)
  }

  #account(): void {
    if (this.isOver) return
    const held = this.#queuedBytes + this.#decoder.heldBytes + (this.#isPaused ? windowBytes : 0)
    const { budget } = this.#bounds
    if (!budget.change(held - this.#heldBytes)) {
      this.drop()
      throw new MeshError('busy', `${budget.heldBytes} bytes from peers wait to be read, at most ${budget.bytesMax}`)
    }
    this.#heldBytes = held
  }

  /** What is left in the queue is bounded by its mark, and this side's own to read. */
  #finish(over: 'ended' | 'left' | MeshError): void {
    this.#over = over
    clearTimeout(this.#frameTimer)
    this.#decoder.drop()
    this.#bounds.budget.change(-this.#heldBytes)
    this.#heldBytes = 0
  }
}

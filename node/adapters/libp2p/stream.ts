// A libp2p stream as the port's stream: whole frames in order, back-pressure both ways, and every wait and buffer bounded.
//
// Reading: yamux grants more window as soon as bytes arrive, read or not, so the stream is paused above a high-water mark.
// Writing: what yamux cannot send it buffers without a bound, so bytes stay here until the stream says `drain`, and frames
// sent within one turn of the event loop leave as one packet: 64-byte frames sent one by one cost 20 times as much.

import type { Stream as RawStream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { asMeshError, MeshError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Stream } from '../../ports.ts'
import type { ByteBudget } from './budget.ts'
import { encodeFrame, FrameDecoder } from './framing.ts'
import type { Libp2pSettings } from './options.ts'

/** What yamux lets a paused peer still send: its initial window, which `guardedYamux` keeps from growing. */
export const windowBytes = 262_144

/** Cost of a queued frame beside its bytes, so that empty frames count too. */
const frameOverheadBytes = 64

/** The most handed to the muxer at once. */
const packetBytes = 32_768

export interface StreamBounds {
  readonly settings: Libp2pSettings
  readonly budget: ByteBudget
  readonly readBytesMax: number
  readonly writeBytesMax: number
  /** Bytes arrived: the connection is alive. */
  readonly heard: () => void
}

type Read = PromiseWithResolvers<IteratorResult<Uint8Array, undefined>>

const done: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined }

export class FramedStream implements Stream {
  readonly peer: PeerId
  readonly frames: AsyncIterable<Uint8Array>
  readonly #raw: RawStream
  readonly #bounds: StreamBounds

  readonly #decoder: FrameDecoder
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #heldBytes = 0
  #reads: Read[] = []
  #reading: 'unread' | 'open' | 'left' = 'unread'
  #remoteClosed = false
  #ended = false
  #paused = false
  #frameTimer: NodeJS.Timeout | undefined

  #out: Uint8Array[] = []
  #outBytes = 0
  #flushing: NodeJS.Immediate | undefined
  #sends: PromiseWithResolvers<void>[] = []
  #stallTimer: NodeJS.Timeout | undefined
  #stalledAtBytes = 0
  #closing: Promise<void> | undefined
  #flushed: PromiseWithResolvers<void> | undefined
  #lingerTimer: NodeJS.Timeout | undefined

  /** Why nothing more can be read, or sent. */
  #readFailure: MeshError | undefined
  #sendFailure: MeshError | undefined

  constructor(raw: RawStream, peer: PeerId, bounds: StreamBounds) {
    this.#raw = raw
    this.peer = peer
    this.#bounds = bounds
    this.#decoder = new FrameDecoder(bounds.readBytesMax)
    this.frames = { [Symbol.asyncIterator]: () => this.#iterator() }
    raw.maxWriteBufferLength = bounds.settings.writeBufferBytesMax
    raw.addEventListener('remoteCloseWrite', () => {
      this.#remoteClosed = true
      this.#endIfRead()
    })
    raw.addEventListener('end', () => this.#endIfRead())
    raw.addEventListener('close', (event) => this.#onClose(event))
    // libp2p first hands over its own backlog, in a microtask queued before this one
    raw.addEventListener('drain', () => queueMicrotask(() => this.#flush()))
    // last: adding it delivers what arrived during the negotiation
    raw.addEventListener('message', (event) => this.#onMessage(event))
    if (raw.remoteWriteStatus === 'closed') this.#remoteClosed = true
    if (raw.status !== 'open') this.#fail(this.#broken('closed the stream'))
    this.#endIfRead()
  }

  send(frame: Uint8Array): Promise<void> {
    const { writeBytesMax, settings } = this.#bounds
    if (frame.length > writeBytesMax) {
      return rejected(new RangeError(`frame of ${frame.length} bytes, at most ${writeBytesMax}`))
    }
    if (this.#sendFailure) return rejected(this.#sendFailure)
    if (this.#closing) return rejected(new MeshError('internal', 'frame sent after the stream was closed'))
    if (this.#outBytes > 0 && this.#outBytes + frame.length > settings.writeBufferBytesMax) {
      return rejected(
        new MeshError('internal', `${this.#outBytes} bytes wait in the stream: await each send before the next`),
      )
    }
    const bytes = encodeFrame(frame)
    this.#out.push(bytes)
    this.#outBytes += bytes.length
    this.#flushing ??= setImmediate(() => this.#flush())
    if (this.#unsentBytes() <= settings.sendHighWaterBytes) return Promise.resolve()
    const room = watched<void>()
    this.#sends.push(room)
    this.#watchStall()
    return room.promise
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish()
    return this.#closing
  }

  reset(reason: Error): void {
    this.#dropUnread()
    this.#refuse(asMeshError(reason, 'cancelled'))
  }

  /** The handler is done with the stream: nobody reads what may still come. */
  async release(): Promise<void> {
    this.#leave()
    await this.close()
  }

  // reading

  #iterator(): AsyncIterator<Uint8Array, undefined> {
    if (this.#reading !== 'unread') throw new TypeError('the frames of a stream can be read once')
    this.#reading = 'open'
    return {
      next: () => this.#next(),
      return: () => {
        this.#leave()
        return Promise.resolve(done)
      },
    }
  }

  #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const frame = this.#queue.shift()
    if (frame) {
      this.#queuedBytes -= frame.length + frameOverheadBytes
      this.#resumeBelowMark()
      this.#account()
      return Promise.resolve({ done: false, value: frame })
    }
    if (this.#ended || this.#reading === 'left') return Promise.resolve(done)
    if (this.#readFailure) return rejected(this.#readFailure)
    const read: Read = watched()
    this.#reads.push(read)
    return read.promise
  }

  #onMessage(event: StreamMessageEvent): void {
    const { data } = event
    this.#bounds.heard()
    if (this.#readFailure || this.#reading === 'left') return
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
      this.#refuse(asMeshError(error, 'protocol-violation'))
    }
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
    if (this.#paused || this.#queuedBytes <= this.#bounds.settings.readHighWaterBytes) return
    if (this.#raw.readStatus !== 'readable') return
    this.#raw.pause()
    this.#paused = true
  }

  #resumeBelowMark(): void {
    if (!this.#paused || this.#queuedBytes > this.#bounds.settings.readHighWaterBytes / 2) return
    this.#paused = false
    this.#resumeRaw()
    this.#timeFrame(true)
  }

  /** Also after the other side is gone: what it sent before is still to be read. */
  #resumeRaw(): void {
    if (this.#raw.readStatus !== 'paused') return
    try {
      this.#raw.resume()
    } catch {
      // the window update found the connection closed; its close event follows or has been handled
    }
  }

  /** A peer may not sit on half a frame. While this side is paused the wait is its own. */
  #timeFrame(isWhole: boolean): void {
    if (isWhole || this.#paused || !this.#decoder.isInsideFrame) {
      clearTimeout(this.#frameTimer)
      this.#frameTimer = undefined
    }
    if (this.#frameTimer || this.#paused || !this.#decoder.isInsideFrame || this.#isOver()) return
    const { frameMs } = this.#bounds.settings
    this.#frameTimer = setTimeout(() => {
      this.#refuse(new MeshError('timeout', `a frame from ${this.peer} was not complete after ${frameMs} ms`))
    }, frameMs)
  }

  /** No more can arrive: what is left is this side's own, and small. */
  #isOver(): boolean {
    return this.#ended || this.#readFailure !== undefined || this.#reading === 'left'
  }

  #account(): void {
    if (this.#isOver()) return
    const held = this.#queuedBytes + this.#decoder.heldBytes + (this.#paused ? windowBytes : 0)
    const { budget } = this.#bounds
    if (!budget.change(held - this.#heldBytes)) {
      this.#dropUnread()
      throw new MeshError('busy', `${budget.heldBytes} bytes from peers wait to be read, at most ${budget.bytesMax}`)
    }
    this.#heldBytes = held
  }

  #endIfRead(): void {
    const { status, readableEnded } = this.#raw
    if (this.#ended || this.#readFailure || !this.#remoteClosed || !readableEnded || status === 'aborted') return
    if (this.#decoder.isInsideFrame && this.#reading !== 'left') {
      this.#refuse(new MeshError('protocol-violation', `${this.peer} closed the stream inside a frame`))
      return
    }
    this.#ended = true
    this.#giveBack()
    for (const read of this.#reads.splice(0)) read.resolve(done)
    this.#linger()
  }

  /** Nobody reads on; the peer may finish sending into the void. */
  #leave(): void {
    if (this.#reading === 'left') return
    this.#reading = 'left'
    this.#dropUnread()
    this.#resumeRaw() // or a paused peer would wait for its window for ever
    for (const read of this.#reads.splice(0)) read.resolve(done)
    this.#raw.closeRead().catch(() => undefined) // only says that the stream is closed already
    this.#linger()
  }

  #dropUnread(): void {
    this.#queue = []
    this.#queuedBytes = 0
    this.#paused = false
    this.#giveBack()
  }

  /** No more will be read from the wire. */
  #giveBack(): void {
    clearTimeout(this.#frameTimer)
    this.#frameTimer = undefined
    this.#decoder.drop()
    this.#bounds.budget.change(-this.#heldBytes)
    this.#heldBytes = 0
  }

  // writing

  #unsentBytes(): number {
    return this.#outBytes + this.#raw.writeBufferLength
  }

  #flush(): void {
    clearImmediate(this.#flushing)
    this.#flushing = undefined
    if (this.#sendFailure) return
    try {
      while (this.#outBytes > 0 && !this.#raw.writableNeedsDrain) this.#raw.send(this.#packet())
    } catch (error) {
      this.#refuse(asMeshError(error))
      return
    }
    const unsent = this.#unsentBytes()
    if (unsent <= this.#bounds.settings.sendHighWaterBytes) for (const room of this.#sends.splice(0)) room.resolve()
    if (this.#outBytes === 0) this.#flushed?.resolve()
    this.#watchStall()
  }

  /** The next bytes to leave: many small frames as one, or a part of a large one. */
  #packet(): Uint8Array {
    const packet = new Uint8Array(Math.min(this.#outBytes, packetBytes))
    let filled = 0
    let taken = 0
    while (filled < packet.length) {
      const next = this.#out[taken]
      if (next === undefined) break
      const part = next.subarray(0, packet.length - filled)
      packet.set(part, filled)
      filled += part.length
      if (part.length < next.length) this.#out[taken] = next.subarray(part.length)
      else taken += 1
    }
    this.#out.splice(0, taken)
    this.#outBytes -= filled
    return packet
  }

  /** Runs while somebody waits; each byte that leaves starts it anew. */
  #watchStall(): void {
    const isAwaited = this.#sends.length > 0 || (this.#flushed !== undefined && this.#outBytes > 0)
    const unsent = this.#unsentBytes()
    if (!isAwaited || unsent < this.#stalledAtBytes) {
      clearTimeout(this.#stallTimer)
      this.#stallTimer = undefined
    }
    this.#stalledAtBytes = unsent
    if (!isAwaited || this.#stallTimer) return
    const { sendStallMs } = this.#bounds.settings
    this.#stallTimer = setTimeout(() => {
      this.#refuse(
        new MeshError('timeout', `${this.peer} took nothing of ${this.#unsentBytes()} bytes for ${sendStallMs} ms`),
      )
    }, sendStallMs)
  }

  async #finish(): Promise<void> {
    this.#flush()
    if (this.#outBytes > 0) {
      this.#flushed = Promise.withResolvers()
      this.#watchStall()
      await this.#flushed.promise
    }
    if (this.#sendFailure) return
    try {
      await this.#raw.close({ signal: AbortSignal.timeout(this.#bounds.settings.sendStallMs) })
    } catch (error) {
      this.#refuse(asMeshError(error))
    }
    this.#linger()
  }

  // ending

  /** Both sides are done here; a peer that does not close too must not keep the stream's place. */
  #linger(): void {
    const isWritten = this.#raw.writeStatus === 'closed'
    const isRead = this.#ended || this.#reading === 'left'
    if (!isWritten || !isRead || this.#lingerTimer || this.#raw.status !== 'open') return
    this.#lingerTimer = setTimeout(() => {
      this.#raw.abort(new Error(`${this.peer} did not close its side`))
    }, this.#bounds.settings.lingerMs)
    this.#lingerTimer.unref()
  }

  #onClose(event: StreamCloseEvent): void {
    clearTimeout(this.#lingerTimer)
    const what = event.error && !event.local ? 'reset the stream' : 'went away'
    const isLost = event.error !== undefined && event.local // dropped with the connection, unread bytes too
    if (this.#remoteClosed && !isLost) {
      this.#endIfRead() // all it sent is here or in libp2p's buffer
      if (this.#closing && this.#outBytes === 0) return
      this.#failSending(this.#broken(what))
    } else {
      this.#fail(this.#broken(what))
    }
  }

  #broken(what: string): MeshError {
    return new MeshError('unreachable', `${this.peer} ${what} (${this.#raw.protocol})`)
  }

  #refuse(error: MeshError): void {
    this.#fail(error)
    this.#raw.abort(error)
  }

  /** Frames that came whole before the failure are still there to read. */
  #fail(error: MeshError): void {
    this.#failSending(error)
    if (this.#isOver()) return
    this.#readFailure = error
    this.#giveBack()
    for (const read of this.#reads.splice(0)) read.reject(error)
  }

  #failSending(error: MeshError): void {
    this.#sendFailure ??= error
    clearImmediate(this.#flushing)
    clearTimeout(this.#stallTimer)
    this.#out = []
    this.#outBytes = 0
    for (const room of this.#sends.splice(0)) room.reject(error)
    this.#flushed?.resolve()
  }
}

/** A peer that goes away must not end the process because a promise was not looked at. */
function rejected(error: Error): Promise<never> {
  const promise = Promise.reject(error)
  promise.catch(() => undefined)
  return promise
}

function watched<T>(): PromiseWithResolvers<T> {
  const resolvers = Promise.withResolvers<T>()
  resolvers.promise.catch(() => undefined)
  return resolvers
}

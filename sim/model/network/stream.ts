// A stream on a modelled connection: whole frames in order, windows that fill, and the ends a real stream has.

import type { Stream } from '../../../node/ports.ts'
import { asMeshError, MeshError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Timer } from '../../kernel.ts'
import type { Connection, Rider, Side } from './connection.ts'
import type { Ground } from './ground.ts'
import { controlBytes, frameOverheadBytes } from './settings.ts'

export interface StreamParts {
  readonly ground: Ground
  readonly connection: Connection
  readonly side: Side
  readonly peer: PeerId
  readonly protocol: string
  readonly writeBytesMax: number
  /** Takes or gives back room for what is unread; false where the peer's lives hold too much already. */
  readonly budget: (bytes: number) => boolean
}

type Read = PromiseWithResolvers<IteratorResult<Uint8Array, undefined>>

const done: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined }

export class ModelStream implements Stream, Rider {
  readonly peer: PeerId
  readonly frames: AsyncIterable<Uint8Array>
  /** Resolves when both directions are over. */
  readonly over: Promise<void>
  readonly #finished: () => void
  readonly #parts: StreamParts
  #twin: ModelStream = this
  // what leaves
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #sentBytes = 0
  #creditBytes = 0
  #isBlocked = false
  #sends: PromiseWithResolvers<void>[] = []
  #emptied: PromiseWithResolvers<void> | undefined
  #progressMs = 0
  #stall: Timer | undefined
  #isClosing = false
  #isFinSent = false
  #failure: MeshError | undefined
  #closing: Promise<void> | undefined
  // what comes
  #unread: Uint8Array[] = []
  #unreadBytes = 0
  #consumedBytes = 0
  #reads: Read[] = []
  #isTaken = false
  #over: 'ended' | 'left' | MeshError | undefined
  #isRemoteClosed = false
  #isFinished = false
  #linger: Timer | undefined

  constructor(parts: StreamParts) {
    this.#parts = parts
    this.peer = parts.peer
    const over = Promise.withResolvers<void>()
    this.over = over.promise
    this.#finished = over.resolve
    this.frames = { [Symbol.asyncIterator]: () => this.#iterate() }
    parts.connection.ride(parts.side, this)
  }

  /** Both ends of one stream. */
  static pair(a: ModelStream, b: ModelStream): void {
    a.#twin = b
    b.#twin = a
  }

  // sending

  send(frame: Uint8Array): Promise<void> {
    const refusal = this.#refusalOf(frame)
    if (refusal) return refused(refusal)
    this.#queue.push(frame.slice())
    this.#queuedBytes += frame.length + frameOverheadBytes
    const departedMs = this.#flush()
    const { ground } = this.#parts
    if (this.#queuedBytes > ground.settings.sendHighWaterBytes) {
      const sent = Promise.withResolvers<void>()
      sent.promise.catch(() => undefined)
      this.#sends.push(sent)
      this.#watchStall()
      return sent.promise
    }
    const { up } = this.#parts.connection.machineAt(this.#parts.side).access
    const roomMs = departedMs - ground.settings.sendHighWaterBytes / up.bytesPerMs
    return roomMs > ground.scheduler.now() ? this.#sentAt(roomMs) : Promise.resolve()
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish().then(() => this.#lingerIfDone())
    return this.#closing
  }

  reset(reason: Error): void {
    this.#drop()
    this.#refuse(asMeshError(reason, 'cancelled'))
  }

  /** The handler is done with the stream: nobody reads what may still come. */
  async release(): Promise<void> {
    this.#leave()
    await this.close()
  }

  lost(): void {
    this.#broken('went away', true)
  }

  #refusalOf(frame: Uint8Array): Error | undefined {
    const { ground, writeBytesMax } = this.#parts
    if (frame.length > writeBytesMax) return new RangeError(`frame of ${frame.length} bytes, at most ${writeBytesMax}`)
    if (this.#failure) return this.#failure
    if (this.#isClosing) return new MeshError('internal', 'frame sent after the stream was closed')
    if (this.#queuedBytes === 0 || this.#queuedBytes + frame.length <= ground.settings.writeBufferBytesMax)
      return undefined
    return new MeshError('internal', `${this.#queuedBytes} bytes wait in the stream: await each send before the next`)
  }

  #sentAt(atMs: number): Promise<void> {
    const sent = Promise.withResolvers<void>()
    sent.promise.catch(() => undefined)
    this.#sends.push(sent)
    this.#at(atMs, () => {
      const at = this.#sends.indexOf(sent)
      if (at >= 0) this.#sends.splice(at, 1)
      sent.resolve()
    })
    return sent.promise
  }

  /** Hands over what the window lets through; returns when the last of it leaves. */
  #flush(): number {
    const { connection, ground, side } = this.#parts
    const twin = this.#twin
    let departedMs = 0
    let taken = 0
    // while blocked it knows of what was read only by what the other side tells
    const credit = Math.max(this.#creditBytes, this.#isBlocked ? 0 : twin.#consumedBytes)
    this.#isBlocked = false
    for (const frame of this.#queue) {
      const bytes = frame.length + frameOverheadBytes
      const under = this.#sentBytes - credit
      if (under > 0 && under + bytes > ground.settings.windowBytes) {
        this.#isBlocked = true
        break
      }
      taken += 1
      this.#sentBytes += bytes
      this.#queuedBytes -= bytes
      this.#progressMs = ground.scheduler.now()
      departedMs = connection.send(side, bytes, () => twin.#receive(frame))
    }
    if (taken === this.#queue.length) this.#queue.length = 0
    else this.#queue.splice(0, taken)
    return departedMs
  }

  /** The other side has read so much in all. */
  #credit(bytes: number): void {
    this.#creditBytes = Math.max(this.#creditBytes, bytes)
    if (this.#failure) return
    this.#flush()
    if (this.#queuedBytes <= this.#parts.ground.settings.sendHighWaterBytes) {
      for (const sent of this.#sends.splice(0)) sent.resolve()
    }
    if (this.#queuedBytes === 0) this.#emptied?.resolve()
  }

  #watchStall(): void {
    const { ground } = this.#parts
    const { sendStallMs } = ground.settings
    this.#progressMs = Math.max(this.#progressMs, this.#stall ? 0 : ground.scheduler.now())
    if (this.#stall) return
    this.#stall = this.#at(this.#progressMs + sendStallMs, () => {
      this.#stall = undefined
      if (this.#queuedBytes === 0 || this.#failure) return
      if (ground.scheduler.now() < this.#progressMs + sendStallMs) {
        this.#watchStall()
        return
      }
      const message = `${this.peer} took nothing of ${this.#queuedBytes} bytes for ${sendStallMs} ms`
      this.#refuse(new MeshError('timeout', message))
    })
  }

  async #finish(): Promise<void> {
    this.#isClosing = true
    if (this.#queuedBytes > 0 && !this.#failure) {
      this.#emptied = Promise.withResolvers()
      this.#watchStall()
      await this.#emptied.promise
    }
    if (this.#failure || this.#isFinSent) return
    this.#isFinSent = true
    const { connection, side } = this.#parts
    const twin = this.#twin
    connection.send(side, controlBytes, () => twin.#ended())
    this.#finishIfOver()
  }

  // receiving

  #iterate(): AsyncIterator<Uint8Array, undefined> {
    if (this.#isTaken) throw new TypeError('the frames of a stream can be read once')
    this.#isTaken = true
    return {
      next: () => this.#next(),
      return: () => {
        this.#leave()
        return Promise.resolve(done)
      },
    }
  }

  #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const frame = this.#unread.shift()
    if (frame) {
      const bytes = frame.length + frameOverheadBytes
      this.#unreadBytes -= bytes
      if (this.#over === undefined) this.#parts.budget(-bytes)
      this.#consumed(bytes)
      return Promise.resolve({ done: false, value: frame })
    }
    if (this.#over === 'ended' || this.#over === 'left') return Promise.resolve(done)
    if (this.#over) return refused(this.#over)
    const read: Read = Promise.withResolvers()
    read.promise.catch(() => undefined)
    this.#reads.push(read)
    return read.promise
  }

  #receive(frame: Uint8Array): void {
    const bytes = frame.length + frameOverheadBytes
    if (this.#over !== undefined) {
      if (this.#over === 'left') this.#consumed(bytes)
      return
    }
    const read = this.#reads.shift()
    if (read) {
      read.resolve({ done: false, value: frame })
      this.#consumed(bytes)
      return
    }
    if (!this.#parts.budget(bytes)) {
      this.#drop()
      const { inboundBufferBytesMax } = this.#parts.ground.settings
      this.#refuse(new MeshError('busy', `more than ${inboundBufferBytesMax} bytes from peers wait to be read`))
      return
    }
    this.#unread.push(frame)
    this.#unreadBytes += bytes
  }

  #consumed(bytes: number): void {
    this.#consumedBytes += bytes
    const twin = this.#twin
    if (!twin.#isBlocked) return
    const { connection, side } = this.#parts
    const credit = this.#consumedBytes
    connection.send(side, controlBytes, () => twin.#credit(credit))
  }

  /** The other side sends no more. */
  #ended(): void {
    this.#isRemoteClosed = true
    if (this.#over === undefined) {
      this.#settleWith('ended')
      for (const read of this.#reads.splice(0)) read.resolve(done)
    }
    this.#finishIfOver()
    this.#lingerIfDone()
  }

  #leave(): void {
    if (this.#over === 'left') return
    const isOpen = this.#over === undefined
    const unread = this.#unreadBytes
    this.#settleWith('left')
    this.#drop()
    for (const read of this.#reads.splice(0)) read.resolve(done)
    if (isOpen && unread > 0) this.#consumed(unread)
    this.#lingerIfDone()
  }

  /** Nothing more comes. What is still unread is this side's own to read, and no longer counts as a peer's. */
  #settleWith(over: 'ended' | 'left' | MeshError): void {
    if (this.#over === undefined) this.#parts.budget(-this.#unreadBytes)
    this.#over = over
  }

  #drop(): void {
    if (this.#over === undefined) this.#parts.budget(-this.#unreadBytes)
    this.#unread = []
    this.#unreadBytes = 0
  }

  // ends

  /** Both sides are done here; a peer that does not close too must not keep the stream's place. */
  #lingerIfDone(): void {
    if (!this.#isFinSent || this.#over === undefined || this.#linger || this.#isFinished) return
    const { ground } = this.#parts
    this.#linger = this.#at(ground.scheduler.now() + ground.settings.lingerMs, () => {
      if (!this.#isFinished) this.#refuse(new MeshError('timeout', `${this.peer} did not close its side`))
    })
  }

  #finishIfOver(): void {
    if (this.#isFinSent && this.#isRemoteClosed) this.#end()
  }

  #refuse(error: MeshError): void {
    if (!this.#isFinished) {
      const { connection, side } = this.#parts
      const twin = this.#twin
      connection.send(side, controlBytes, () => twin.#broken('reset the stream', false))
    }
    this.#fail(error)
    this.#end()
  }

  #broken(what: string, isLost: boolean): void {
    if (this.#isFinished) return
    const error = new MeshError('unreachable', `${this.peer} ${what} (${this.#parts.protocol})`)
    if (!this.#isRemoteClosed || isLost) this.#fail(error)
    else if (!this.#isFinSent) this.#failSends(error)
    this.#end()
  }

  #fail(error: MeshError): void {
    this.#failSends(error)
    if (this.#over !== undefined) return
    this.#settleWith(error)
    for (const read of this.#reads.splice(0)) read.reject(error)
  }

  #failSends(error: MeshError): void {
    this.#failure ??= error
    this.#stall?.cancel()
    this.#queue = []
    this.#queuedBytes = 0
    for (const sent of this.#sends.splice(0)) sent.reject(error)
    this.#emptied?.resolve()
  }

  #end(): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.#linger?.cancel()
    this.#stall?.cancel()
    const { connection, side } = this.#parts
    connection.unride(side, this)
    this.#finished()
  }

  #at(atMs: number, act: () => void): Timer {
    const { connection, ground, side } = this.#parts
    return ground.scheduler.at(atMs, () => connection.ends[side].act(act))
  }
}

/** Rejected, and no reason to end the process where nobody looks. */
function refused<T>(error: Error): Promise<T> {
  const promise = Promise.reject<T>(error)
  promise.catch(() => undefined)
  return promise
}

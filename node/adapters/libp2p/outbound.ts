// The writing half of a stream. What yamux cannot send it buffers without a bound, so bytes wait here until the stream says
// `drain`; and frames sent within one turn of the event loop leave as one packet: small ones sent one by one cost 20 times
// as much.

import type { Stream as RawStream } from '@libp2p/interface'
import { asMeshError, MeshError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { encodeFrame } from './framing.ts'
import type { Libp2pSettings } from './options.ts'

/** The most handed to the muxer at once. */
const packetBytes = 32_768

export interface OutboundBounds {
  readonly settings: Libp2pSettings
  readonly writeBytesMax: number
}

export class Outbound {
  readonly #raw: RawStream
  readonly #peer: PeerId
  readonly #bounds: OutboundBounds
  readonly #refuse: (error: MeshError) => void
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #flushing: NodeJS.Immediate | undefined
  #sends: PromiseWithResolvers<void>[] = []
  #emptied: PromiseWithResolvers<void> | undefined
  #stallTimer: NodeJS.Timeout | undefined
  #unsentBefore = 0
  #isClosing = false
  #failure: MeshError | undefined

  constructor(raw: RawStream, peer: PeerId, bounds: OutboundBounds, refuse: (error: MeshError) => void) {
    this.#raw = raw
    this.#peer = peer
    this.#bounds = bounds
    this.#refuse = refuse
    raw.maxWriteBufferLength = bounds.settings.writeBufferBytesMax
  }

  /** Nothing was lost by a stream that ends now. */
  get isDone(): boolean {
    return this.#isClosing && this.#queuedBytes === 0
  }

  send(frame: Uint8Array): Promise<void> {
    const sent = Promise.withResolvers<void>()
    sent.promise.catch(() => undefined) // a peer that goes away must not end the process where nobody looks
    const refusal = this.#refusalOf(frame)
    if (refusal) {
      sent.reject(refusal)
      return sent.promise
    }
    const bytes = encodeFrame(frame)
    this.#queue.push(bytes)
    this.#queuedBytes += bytes.length
    this.#flushing ??= setImmediate(() => this.flush())
    if (this.#unsentBytes() <= this.#bounds.settings.sendHighWaterBytes) {
      sent.resolve()
    } else {
      this.#sends.push(sent)
      this.#watchStall()
    }
    return sent.promise
  }

  flush(): void {
    clearImmediate(this.#flushing)
    this.#flushing = undefined
    if (this.#failure) return
    try {
      while (this.#queuedBytes > 0 && !this.#raw.writableNeedsDrain) this.#raw.send(this.#packet())
    } catch (error) {
      this.#refuse(asMeshError(error))
      return
    }
    const hasRoom = this.#unsentBytes() <= this.#bounds.settings.sendHighWaterBytes
    if (hasRoom) for (const sent of this.#sends.splice(0)) sent.resolve()
    if (this.#queuedBytes === 0) this.#emptied?.resolve()
    this.#watchStall()
  }

  /** Resolves when all was handed over and the peer told that no more comes, or when that failed. */
  async finish(): Promise<void> {
    this.#isClosing = true
    this.flush()
    if (this.#queuedBytes > 0) {
      this.#emptied = Promise.withResolvers()
      this.#watchStall()
      await this.#emptied.promise
    }
    if (this.#failure) return
    try {
      await this.#raw.close({ signal: AbortSignal.timeout(this.#bounds.settings.sendStallMs) })
    } catch (error) {
      this.#refuse(asMeshError(error))
    }
  }

  fail(error: MeshError): void {
    this.#failure ??= error
    clearImmediate(this.#flushing)
    clearTimeout(this.#stallTimer)
    this.#queue = []
    this.#queuedBytes = 0
    for (const sent of this.#sends.splice(0)) sent.reject(error)
    this.#emptied?.resolve()
  }

  #refusalOf(frame: Uint8Array): Error | undefined {
    const { writeBytesMax, settings } = this.#bounds
    if (frame.length > writeBytesMax) return new RangeError(`frame of ${frame.length} bytes, at most ${writeBytesMax}`)
    if (this.#failure) return this.#failure
    if (this.#isClosing) return new MeshError('internal', 'frame sent after the stream was closed')
    if (this.#queuedBytes === 0 || this.#queuedBytes + frame.length <= settings.writeBufferBytesMax) return undefined
    return new MeshError('internal', `${this.#queuedBytes} bytes wait in the stream: await each send before the next`)
  }

  #unsentBytes(): number {
    return this.#queuedBytes + this.#raw.writeBufferLength
  }

  /** The next bytes to leave: many small frames as one, or a part of a large one. */
  #packet(): Uint8Array {
    const packet = new Uint8Array(Math.min(this.#queuedBytes, packetBytes))
    let filled = 0
    let taken = 0
    while (filled < packet.length) {
      const next = this.#queue[taken]
      if (next === undefined) break
      const part = next.subarray(0, packet.length - filled)
      packet.set(part, filled)
      filled += part.length
      if (part.length < next.length) this.#queue[taken] = next.subarray(part.length)
      else taken += 1
    }
    this.#queue.splice(0, taken)
    this.#queuedBytes -= filled
    return packet
  }

  /** Runs while somebody waits; each byte that leaves starts it anew. */
  #watchStall(): void {
    const isAwaited = this.#sends.length > 0 || (this.#emptied !== undefined && this.#queuedBytes > 0)
    const unsent = this.#unsentBytes()
    if (!isAwaited || unsent < this.#unsentBefore) {
      clearTimeout(this.#stallTimer)
      this.#stallTimer = undefined
    }
    this.#unsentBefore = unsent
    if (!isAwaited || this.#stallTimer) return
    const { sendStallMs } = this.#bounds.settings
    this.#stallTimer = setTimeout(() => {
      const message = `${this.#peer} took nothing of ${this.#unsentBytes()} bytes for ${sendStallMs} ms`
      this.#refuse(new MeshError('timeout', message))
    }, sendStallMs)
  }
}

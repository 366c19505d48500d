// A libp2p stream as the port's stream: whole frames in order, back-pressure both ways, and every wait and buffer bounded.

import type { Stream as RawStream, StreamCloseEvent } from '@libp2p/interface'
import { asMeshError, MeshError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Stream } from '../../ports.ts'
import { Inbound, type InboundBounds } from './inbound.ts'
import { Outbound, type OutboundBounds } from './outbound.ts'

export type StreamBounds = InboundBounds & OutboundBounds

export class FramedStream implements Stream {
  readonly peer: PeerId
  readonly frames: AsyncIterable<Uint8Array>
  readonly #raw: RawStream
  readonly #inbound: Inbound
  readonly #outbound: Outbound
  readonly #lingerMs: number
  #remoteClosed: boolean
  #closing: Promise<void> | undefined
  #lingerTimer: NodeJS.Timeout | undefined

  constructor(raw: RawStream, peer: PeerId, bounds: StreamBounds) {
    const refuse = (error: MeshError): void => this.#refuse(error)
    this.peer = peer
    this.#raw = raw
    this.#inbound = new Inbound(raw, peer, bounds, { refuse, over: () => this.#linger() })
    this.#outbound = new Outbound(raw, peer, bounds, refuse)
    this.#lingerMs = bounds.settings.lingerMs
    this.frames = this.#inbound
    this.#remoteClosed = raw.remoteWriteStatus === 'closed'
    raw.addEventListener('remoteCloseWrite', () => {
      this.#remoteClosed = true
      this.#endIfRead()
    })
    raw.addEventListener('end', () => this.#endIfRead())
    raw.addEventListener('close', (event) => this.#onClose(event))
    // libp2p first hands over its own backlog, in a microtask queued before this one
    raw.addEventListener('drain', () => queueMicrotask(() => this.#outbound.flush()))
    // last: adding it delivers what arrived during the negotiation
    raw.addEventListener('message', (event) => {
      this.#inbound.receive(event)
      this.#endIfRead()
    })
    if (raw.status === 'open') this.#endIfRead()
    else this.#fail(this.#broken('closed the stream'))
  }

  send(frame: Uint8Array): Promise<void> {
    return this.#outbound.send(frame)
  }

  close(): Promise<void> {
    this.#closing ??= this.#outbound.finish().then(() => this.#linger())
    return this.#closing
  }

  reset(reason: Error): void {
    this.#inbound.drop()
    this.#refuse(asMeshError(reason, 'cancelled'))
  }

  /** The handler is done with the stream: nobody reads what may still come. */
  async release(): Promise<void> {
    this.#inbound.leave()
    await this.close()
  }

  /** What libp2p read ahead while negotiating it puts back, but goes on calling the stream ended. */
  #endIfRead(): void {
    const { status, readableEnded, readBufferLength } = this.#raw
    const isRead = readableEnded && readBufferLength === 0
    if (this.#remoteClosed && isRead && status !== 'aborted') this.#inbound.end()
  }

  /** Both sides are done here; a peer that does not close too must not keep the stream's place. */
  #linger(): void {
    const isDone = this.#raw.writeStatus === 'closed' && this.#inbound.isOver
    if (!isDone || this.#lingerTimer || this.#raw.status !== 'open') return
    this.#lingerTimer = setTimeout(() => {
      this.#raw.abort(new Error(`${this.peer} did not close its side`))
    }, this.#lingerMs)
    this.#lingerTimer.unref()
  }

  #onClose({ error, local }: StreamCloseEvent): void {
    clearTimeout(this.#lingerTimer)
    const broken = this.#broken(error && !local ? 'reset the stream' : 'went away')
    const isLost = error !== undefined && local // dropped with the connection, unread bytes too
    if (!this.#remoteClosed || isLost) {
      this.#fail(broken)
      return
    }
    this.#endIfRead() // all it sent is here or in libp2p's buffer
    if (!this.#outbound.isDone) this.#outbound.fail(broken)
  }

  #broken(what: string): MeshError {
    return new MeshError('unreachable', `${this.peer} ${what} (${this.#raw.protocol})`)
  }

  #refuse(error: MeshError): void {
    this.#fail(error)
    this.#raw.abort(error)
  }

  #fail(error: MeshError): void {
    this.#outbound.fail(error)
    this.#inbound.fail(error)
  }
}

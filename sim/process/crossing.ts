// One connection through a relay, both ways: what either side says is taken at once, and handed on when it would have arrived.

import type { Socket } from 'node:net'
import type { Place } from '../plan.ts'
import { InOrder, type Line } from './wire.ts'

/** One side of links. */
export interface LinkEnd {
  readonly name: string
  readonly group: string
  readonly place: Place
}

/** What a crossing asks of the links it is one of. */
export interface Passage {
  /** How long a piece takes between their lines. */
  travelMs(bytes: number, from: LinkEnd, to: LinkEnd): number
  lineOf(end: LinkEnd): { readonly up: Line; readonly down: Line }
  /** Resolves when something may cross. */
  untilOpen(from: LinkEnd, to: LinkEnd): Promise<void>
  crossed(bytes: number, lateMs: number): void
  ended(crossing: Crossing): void
}

/** What waits in one direction; beyond, its sender is told to wait, as TCP's window does. */
const queueBytesMax = 1_048_576
/** Pieces that lines take in turns: what a large message makes others wait. */
const pieceBytesMax = 8_192

/** One connection through a relay. */
export class Crossing {
  readonly from: LinkEnd
  readonly to: LinkEnd
  readonly #passage: Passage
  readonly #client: Socket
  readonly #ended = new AbortController()
  #server: Socket | undefined

  /** `dial` reaches the node; it returns nothing where it cannot be reached, and then nobody ever answers. */
  constructor(passage: Passage, from: LinkEnd, to: LinkEnd, client: Socket, dial: () => Socket | undefined) {
    this.from = from
    this.to = to
    this.#passage = passage
    this.#client = client
    client.on('error', () => undefined) // its close tells
    this.#run(dial).catch(() => this.end())
  }

  isOf(name: string): boolean {
    return this.from.name === name || this.to.name === name
  }

  end(): void {
    if (this.#ended.signal.aborted) return
    for (const socket of [this.#client, this.#server]) breakOff(socket)
    this.#over()
  }

  #over(): void {
    this.#ended.abort()
    this.#passage.ended(this)
  }

  async #run(dial: () => Socket | undefined): Promise<void> {
    const askedMs = performance.now()
    const [forthMs, backMs] = [
      this.#passage.travelMs(1, this.from, this.to),
      this.#passage.travelMs(1, this.to, this.from),
    ]
    // TCP lets a dialler speak once its greeting was answered
    const forth = new Direction(this.#passage, this.from, this.to, this.#client, askedMs + forthMs + backMs)
    await this.#until(askedMs + forthMs)
    await this.#unlessEnded(this.#passage.untilOpen(this.from, this.to))
    const server = dial()
    if (!server) return await this.#closed(this.#client)
    this.#server = server
    server.on('error', () => undefined)
    if (this.#ended.signal.aborted) server.destroy()
    const isThere = await new Promise<boolean>((resolve) => {
      server.once('connect', () => resolve(true))
      server.once('close', () => resolve(false))
    })
    if (!isThere) {
      await this.#until(performance.now() + backMs)
      this.end()
      return
    }
    const back = new Direction(this.#passage, this.to, this.from, server, 0)
    await Promise.all([forth.into(server, this.#ended.signal), back.into(this.#client, this.#ended.signal)])
    for (const socket of [this.#client, server]) socket.destroySoon() // when all was written
    this.#over()
  }

  async #closed(socket: Socket): Promise<void> {
    socket.resume()
    await new Promise((resolve) => socket.once('close', resolve))
    this.end()
  }

  #until(atMs: number): Promise<void> {
    return this.#unlessEnded(until(atMs))
  }

  #unlessEnded(promise: Promise<void>): Promise<void> {
    return unless(this.#ended.signal, promise)
  }
}

type Piece = { readonly arrivesMs: number } & (
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'end' }
  | { readonly kind: 'reset' }
)

/** One direction of a crossing: takes what a socket brings at once, and puts it into another when it would have arrived. */
class Direction {
  readonly #passage: Passage
  readonly #from: LinkEnd
  readonly #to: LinkEnd
  readonly #source: Socket
  readonly #order = new InOrder()
  readonly #notBeforeMs: number
  readonly #queue: Piece[] = []
  #queuedBytes = 0
  #isEnded = false
  #arrived = Promise.withResolvers<void>()

  constructor(passage: Passage, from: LinkEnd, to: LinkEnd, source: Socket, notBeforeMs: number) {
    this.#passage = passage
    this.#from = from
    this.#to = to
    this.#source = source
    this.#notBeforeMs = notBeforeMs
    source.on('data', (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; at += pieceBytesMax) this.#send(bytes.subarray(at, at + pieceBytesMax))
      if (this.#queuedBytes > queueBytesMax) source.pause()
    })
    source.once('end', () => this.#tell('end'))
    source.once('close', () => this.#tell('reset')) // nothing new after an end
  }

  /** Resolves when the last of it has arrived. */
  async into(sink: Socket, ended: AbortSignal): Promise<void> {
    for (;;) {
      const piece = await this.#next(ended)
      await unless(ended, until(piece.arrivesMs))
      await unless(ended, this.#passage.untilOpen(this.#from, this.#to))
      if (piece.kind === 'end') {
        sink.end()
        return
      }
      if (piece.kind === 'reset') throw new Error('the other end broke off')
      const { bytes } = piece
      const dueMs = this.#passage
        .lineOf(this.#to)
        .down.pass(bytes.length, Math.max(piece.arrivesMs, performance.now() - 1))
      await unless(ended, until(dueMs))
      this.#passage.crossed(bytes.length, performance.now() - dueMs)
      const isFull = !sink.write(bytes)
      this.#queuedBytes -= bytes.length
      if (this.#queuedBytes < queueBytesMax / 2) this.#source.resume()
      if (isFull) await unless(ended, drained(sink))
    }
  }

  async #next(ended: AbortSignal): Promise<Piece> {
    for (;;) {
      const piece = this.#queue.shift()
      if (piece) return piece
      await unless(ended, this.#arrived.promise)
    }
  }

  #send(bytes: Buffer): void {
    this.#queuedBytes += bytes.length
    this.#put({ kind: 'bytes', bytes, arrivesMs: this.#arrival(bytes.length) })
  }

  #tell(kind: 'end' | 'reset'): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#put({ kind, arrivesMs: this.#arrival(1) })
  }

  #arrival(bytes: number): number {
    const readyMs = Math.max(this.#notBeforeMs, performance.now())
    const leftMs = this.#passage.lineOf(this.#from).up.pass(bytes, readyMs)
    return this.#order.after(leftMs + this.#passage.travelMs(bytes, this.#from, this.#to))
  }

  #put(piece: Piece): void {
    this.#queue.push(piece)
    this.#arrived.resolve()
    this.#arrived = Promise.withResolvers()
  }
}

/** A reset, as the other end would see a process die. One that is closing already can only go on closing. */
function breakOff(socket: Socket | undefined): void {
  if (!socket || socket.destroyed) return
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

function until(atMs: number): Promise<void> {
  const leftMs = atMs - performance.now()
  return leftMs <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, Math.ceil(leftMs)))
}

function drained(sink: Socket): Promise<void> {
  return new Promise((resolve) => {
    sink.once('drain', resolve)
    sink.once('close', resolve)
  })
}

/** Rejects when the signal fires first. */
function unless(ended: AbortSignal, promise: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(ended.reason)
    if (ended.aborted) return leave()
    ended.addEventListener('abort', leave, { once: true })
    promise.then(() => {
      ended.removeEventListener('abort', leave)
      resolve()
    }, reject)
  })
}

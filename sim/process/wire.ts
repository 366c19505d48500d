// What one direction of a link does to the bytes that cross it: a queue at either end's line, distance, and loss. Pure arithmetic
// over times that are passed in.

import type { Random } from '../../node/ports.ts'

/** A peer's access line in one direction. Everything it sends, to whomever, leaves through it one piece after the other. */
export class Line {
  readonly #msPerByte: number
  #freeAtMs = 0

  constructor(bitsPerSecond: number) {
    this.#msPerByte = 8_000 / bitsPerSecond
  }

  /** When the last of `bytes` that are ready at `atMs` is through. */
  pass(bytes: number, atMs: number): number {
    this.#freeAtMs = Math.max(this.#freeAtMs, atMs) + bytes * this.#msPerByte
    return this.#freeAtMs
  }
}

export interface Distance {
  readonly oneWayMs: number
  /** The share by which each piece varies, either way. */
  readonly jitter: number
  /** Share of packets lost. */
  readonly loss: number
}

/** Ethernet's 1500 bytes less the headers of IP and TCP with time stamps. */
const packetBytes = 1_448
/** A tail-loss probe goes out after two round trips (RFC 8985), and not sooner than this. */
const probeMsMin = 10
/** After this many losses in a row a connection is as good as dead; nothing here waits longer. */
const lossesMax = 10

/** How long a piece takes from one line to the other. A lost packet holds up all that follows it until it was sent again. */
export function travelMs(bytes: number, { oneWayMs, jitter, loss }: Distance, random: Random): number {
  const jittered = oneWayMs * (1 + jitter * (2 * random.next() - 1))
  if (loss === 0) return jittered
  const arrivesWhole = (1 - loss) ** Math.ceil(bytes / packetBytes)
  let losses = random.next() < arrivesWhole ? 0 : 1
  while (losses > 0 && losses < lossesMax && random.next() < loss) losses += 1
  return jittered + losses * Math.max(probeMsMin, 4 * oneWayMs)
}

/** Keeps the order of a byte stream: nothing arrives before what was sent before it. */
export class InOrder {
  #lastMs = 0

  after(atMs: number): number {
    this.#lastMs = Math.max(this.#lastMs, atMs)
    return this.#lastMs
  }
}

// What is to happen in the coarse market, and when it is.

import { EventHeap } from './heap.ts'
import type { Live } from './provider.ts'

/** Kinds of event; their two integers are named behind each. */
export const happening = {
  /** Its first frame is at the provider: request, stamp. */
  reach: 1,
  /** Its prompt is paid: request, stamp. */
  begin: 2,
  /** Somebody in a batch has the tokens it waited for: provider, stamp. */
  batch: 3,
  /** The consumer learns that the attempt failed: request, stamp. */
  fail: 4,
  /** All is at the consumer: request, stamp. */
  finish: 5,
  /** It has waited for a slot long enough: request, stamp. */
  tire: 6,
  /** A provider looks whether to tell of a change: provider. */
  tell: 7,
  /** A channel's voucher goes to the chain: channel. */
  settle: 8,
  /** A fault is over: fault. */
  recover: 9,
  /** A provider that leaves has waited for its streams long enough: provider, epoch. */
  drained: 10,
  /** Looks again for a provider: request, stamp. */
  look: 11,
  /** The whole request has taken too long: its place in the table, request. */
  expire: 12,
  /** A peer begins: peer. */
  start: 13,
  /** The provider hears that its consumer left: request, stamp. */
  leave: 14,
  /** Who does not pay, or does not deliver, is cut off: request, stamp. */
  cutOff: 15,
} as const

export class Agenda {
  readonly #heap = new EventHeap()
  #stamps = 0
  nowMs = 0

  get nextMs(): number {
    return this.#heap.nextMs
  }

  add(atMs: number, kind: number, first: number, second = 0): void {
    this.#heap.add(Math.max(atMs, this.nowMs), kind, first, second)
  }

  /** Whatever else was scheduled for the request is void. */
  schedule(live: Live, atMs: number, kind: number): void {
    this.forget(live)
    this.add(atMs, kind, live.id, live.stamp)
  }

  /** What is scheduled for it is void. No two requests ever share a stamp: their places in the table are used again. */
  forget(live: Live): void {
    this.#stamps += 1
    live.stamp = this.#stamps
  }

  /** Takes the next event, and it is its time. */
  next(): { readonly kind: number; readonly first: number; readonly second: number } {
    const heap = this.#heap
    heap.pop()
    this.nowMs = heap.atMs
    return heap
  }
}

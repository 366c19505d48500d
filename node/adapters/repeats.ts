// What people were told already: that a peer's advert is refused is looked at every few seconds, and is one line.

import { keep } from '../../protocol/keep.ts'
import type { NodeEvent } from '../events.ts'

/** The same is told again after this: whoever looks at the log then learns that it goes on. */
const againMs = 3_600_000
/** What is remembered: peers, and reasons of each. The oldest goes, and is told again. */
const peersMax = 1_024
const reasonsMax = 16

/** Whether an event says of a peer what was said lately, with nothing new of that peer since. */
export function repeats(now: () => number): (event: NodeEvent) => boolean {
  const told = new Map<string, Map<string, number>>()
  return (event) => {
    switch (event.type) {
      case 'advert-accepted':
        told.delete(`advert/${event.peer}`)
        return false
      case 'settler-heard':
        told.delete(`settler/${event.peer}`)
        return false
      case 'advert-dropped':
        return isRepeat(`advert/${event.peer}`, event.reason)
      case 'settler-dropped':
        return isRepeat(`settler/${event.peer}`, event.reason)
      default:
        return false
    }
  }

  function isRepeat(peer: string, said: string): boolean {
    const reasons = told.get(peer) ?? new Map<string, number>()
    const reason = said.replace(/\d+/g, '0') // milliseconds and sequences differ each time
    const atMs = now()
    const beforeMs = reasons.get(reason)
    if (beforeMs !== undefined && atMs - beforeMs < againMs) return true
    keep(reasons, reason, atMs, reasonsMax)
    keep(told, peer, reasons, peersMax)
    return false
  }
}

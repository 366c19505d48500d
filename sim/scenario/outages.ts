// When each peer is away: a peer cannot crash while it is down, so departures that overlap an earlier one are left out.

import type { Fault } from '../plan.ts'
import { exponential, type SeededRandom } from '../random.ts'
import type { Window } from './arrivals.ts'
import { sessionMs } from './draw.ts'
import type { Churn } from './scenario.ts'

export type Outage = Extract<Fault, { kind: 'crash' | 'leave' | 'freeze' }>

/** A restart takes a moment: the next departure comes no sooner after it. */
const restMs = 1_000
/** Nothing shorter is an outage. */
const awayMsMin = 100

export class Outages {
  readonly #byPeer = new Map<string, Outage[]>()

  /** False where the peer is away at that time already. */
  add(outage: Outage): boolean {
    const own = this.#byPeer.get(outage.peer) ?? []
    const overlaps = own.some(
      ({ atMs, forMs }) => outage.atMs < atMs + forMs + restMs && atMs < outage.atMs + outage.forMs + restMs,
    )
    if (overlaps || outage.forMs < awayMsMin) return false
    own.push(outage)
    this.#byPeer.set(outage.peer, own)
    return true
  }

  /** Down, not merely frozen. */
  isDown(peer: string, atMs: number): boolean {
    return (
      this.#byPeer
        .get(peer)
        ?.some((outage) => outage.kind !== 'freeze' && atMs >= outage.atMs && atMs < outage.atMs + outage.forMs) ??
      false
    )
  }

  all(): readonly Outage[] {
    return [...this.#byPeer.values()].flat()
  }
}

/** One peer's departures within the window. It has been up for a while when the window begins. */
export function* departures(
  random: SeededRandom,
  peer: string,
  { session, downtimeMs, crash, power }: Churn,
  { fromMs, untilMs }: Window,
): Generator<Outage> {
  let atMs = fromMs + residualMs(random, session)
  while (atMs < untilMs) {
    const [isCrash, isPower] = [random.next() < crash, random.next() < power]
    const forMs = Math.min(Math.max(awayMsMin, exponential(random, downtimeMs)), untilMs - atMs)
    const at = { atMs: Math.floor(atMs), peer, forMs: Math.floor(forMs) }
    yield isCrash ? { kind: 'crash', ...at, power: isPower } : { kind: 'leave', ...at }
    atMs += forMs + sessionMs(random, session)
  }
}

/** What is left of the session that a moment long after the beginning falls into: longer than a fresh one where many are short. */
function residualMs(random: SeededRandom, session: Churn['session']): number {
  const meanMs = session.model === 'exponential' ? session.meanMs : session.scaleMs
  const burnInMs = 20 * meanMs
  let endMs = 0
  while (endMs <= burnInMs) endMs += sessionMs(random, session)
  return endMs - burnInMs
}

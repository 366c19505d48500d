// Whose turn it is when a slot is free, and how long whoever waits will wait. Pure.

/**
 * Those who wait, in the order in which they get a slot if nobody comes or goes: payer by payer in turn, the one with the
 * fewest requests running first, each payer's own oldest first. `waiting` is in order of arrival; `turns` says when each
 * payer last had its turn, and `running` how many of its requests have a slot.
 */
export function inTurn<Payer, T extends { readonly peer: Payer }>(
  waiting: readonly T[],
  running: ReadonlyMap<Payer, number>,
  turns: ReadonlyMap<Payer, number>,
): readonly T[] {
  const before = new Map(running)
  const ranked = waiting.map((each) => {
    const level = before.get(each.peer) ?? 0
    before.set(each.peer, level + 1)
    return { each, level, turn: turns.get(each.peer) ?? 0 }
  })
  return ranked.toSorted((a, b) => a.level - b.level || a.turn - b.turn).map(({ each }) => each)
}

/** How long a request holds its slot, from those that did. */
export interface ServiceTime {
  readonly meanMs: number
  /** How many it comes from, as far as they still count. */
  readonly count: number
}

/** The newest counts for this share: after 23 more one counts for less than a twentieth of what it did. */
const newestShare = 1 / 8

/** The first few count alike, from then on each is forgotten at the same pace. */
export function measured(before: ServiceTime | undefined, heldMs: number): ServiceTime {
  const count = Math.min((before?.count ?? 0) + 1, 1 / newestShare)
  const meanMs = before?.meanMs ?? 0
  return { count, meanMs: meanMs + (heldMs - meanMs) / count }
}

/**
 * Until so many slots were freed, with all of them taken: each is freed once a mean service time, and when it was taken
 * nobody knows. Undefined where none was measured.
 */
export function waitMs(service: ServiceTime | undefined, slots: number, place: number): number | undefined {
  return service && Math.ceil((service.meanMs * place) / Math.max(1, slots))
}

// What held a real engine back, read from its log: the sequences it ran at once, or its KV memory.

import type { LoggedRequest } from './log.ts'
import type { Profile } from './profile.ts'

/** A request that was not scheduled for this long was waiting for room. */
const waitMsMin = 1_000

interface Change {
  readonly atMs: number
  readonly running: number
  readonly waiting: number
  /** Of the tokens held: a constant, and what each millisecond adds. */
  readonly tokens: number
  readonly slope: number
}

interface Moment {
  readonly forMs: number
  readonly running: number
  readonly tokens: number
}

export interface SeenLimits {
  /** The base with them. */
  readonly profile: Profile
  /** At once. */
  readonly seqsSeen: number
  /** What requests waited for. */
  readonly shortOf: 'nothing' | 'sequences' | 'memory'
}

/**
 * The limits that the log shows. While requests wait, an engine at its `maxNumSeqs` runs just so many; one short of memory
 * runs more and fewer, and holds about as many tokens as it has room for: about, since preempted ones seem to hold theirs.
 * What was not reached stays the base's, or is as large as what was seen.
 */
export function limitsOfLog(log: readonly LoggedRequest[], base: Profile): SeenLimits {
  const all = momentsOf(log)
  const seqsSeen = all.reduce((most, { running }) => Math.max(most, running), 0)
  const tokensSeen = all.reduce((most, { tokens }) => Math.max(most, tokens), 0)
  const contextSeen = log.reduce((most, { promptTokens: p, completionTokens: c }) => Math.max(most, p + c), 0)
  const blocked = momentsOf(log, true)
  const blockedMs = blocked.reduce((sum, { forMs }) => sum + forMs, 0)
  const fullMs = blocked.reduce((sum, { forMs, running }) => sum + (running >= seqsSeen - 1 ? forMs : 0), 0)
  const isOfSeqs = fullMs > blockedMs / 2
  const isOfMemory = blockedMs > 0 && !isOfSeqs
  const maxNumSeqs = isOfSeqs ? seqsSeen : Math.max(base.maxNumSeqs, seqsSeen)
  const room = isOfMemory ? median(blocked) : Math.max(base.kvTokens, tokensSeen)
  const profile = {
    ...base,
    maxNumSeqs,
    maxNumBatchedTokens: Math.max(base.maxNumBatchedTokens, maxNumSeqs),
    contextTokens: Math.max(base.contextTokens, contextSeen),
  }
  return {
    profile: withMemory(profile, Math.max(room, contextSeen)),
    seqsSeen,
    shortOf: isOfSeqs ? 'sequences' : isOfMemory ? 'memory' : 'nothing',
  }
}

/** In whole blocks; the context is cut to what fits. */
export function withMemory(profile: Profile, tokens: number): Profile {
  const kvTokens = profile.blockTokens * Math.ceil(tokens / profile.blockTokens)
  return { ...profile, kvTokens, contextTokens: Math.min(kvTokens, profile.contextTokens) }
}

/** Between two changes each; all, or those in which somebody waits. */
function momentsOf(log: readonly LoggedRequest[], isBlocked = false): Moment[] {
  const changes = log.flatMap(changesOf).sort((a, b) => a.atMs - b.atMs)
  const moments: Moment[] = []
  let running = 0
  let waiting = 0
  let tokens = 0
  let slope = 0
  changes.forEach((change, at) => {
    running += change.running
    waiting += change.waiting
    tokens += change.tokens
    slope += change.slope
    const untilMs = changes[at + 1]?.atMs ?? change.atMs
    const forMs = untilMs - change.atMs
    if (forMs === 0 || (isBlocked && waiting === 0)) return
    moments.push({ forMs, running, tokens: tokens + slope * (change.atMs + forMs / 2) })
  })
  return moments
}

function changesOf(request: LoggedRequest): Change[] {
  const { queuedMs, scheduledMs, firstTokenMs, lastTokenMs, promptTokens, completionTokens } = request
  const slope = completionTokens / Math.max(1, lastTokenMs - firstTokenMs)
  const none = { running: 0, waiting: 0, tokens: 0, slope: 0 }
  const changes: Change[] = [
    { ...none, atMs: scheduledMs, running: 1, tokens: promptTokens },
    { ...none, atMs: firstTokenMs, tokens: -slope * firstTokenMs, slope },
    { atMs: lastTokenMs, running: -1, waiting: 0, tokens: slope * firstTokenMs - promptTokens, slope: -slope },
  ]
  const waitsFromMs = queuedMs + waitMsMin
  if (waitsFromMs < scheduledMs) {
    changes.push({ ...none, atMs: waitsFromMs, waiting: 1 }, { ...none, atMs: scheduledMs, waiting: -1 })
  }
  return changes
}

/** Of tokens held, over time. */
function median(moments: readonly Moment[]): number {
  const sorted = [...moments].sort((a, b) => a.tokens - b.tokens)
  const half = moments.reduce((sum, { forMs }) => sum + forMs, 0) / 2
  let passed = 0
  for (const { forMs, tokens } of sorted) {
    passed += forMs
    if (passed >= half) return tokens
  }
  return 0
}

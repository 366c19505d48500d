// What a request would cost at a provider and when its answer would begin: from its advert, and from what was measured of it,
// which counts the more the more there is. Pure.

import type { ModelKey, PeerId } from '../../protocol/ids.ts'
import { costNano, type Nano } from '../../protocol/money.ts'
import type { Candidate } from './directory.ts'

/** Sums over attempts, each fading by half every half-life. */
export interface Measured {
  /** Attempts that ended well, and those that did not. */
  readonly good: number
  readonly bad: number
  /** Accepts, and how much later than predicted they came. */
  readonly accepts: number
  readonly delayMs: number
  /** First tokens after an accept, against tokens to prefill: what a line through them needs. */
  readonly prefills: number
  readonly prefillTokens: number
  readonly prefillMs: number
  readonly prefillTokensSquared: number
  readonly prefillTokensMs: number
  /** Tokens after the first, and the time they took. */
  readonly decodeTokens: number
  readonly decodeMs: number
  /** Prompt tokens it was thought to hold still, and how many of those it did. */
  readonly heldTokens: number
  readonly cachedTokens: number
}

/** Who last answered in a conversation, and how many tokens it had evaluated then. */
export interface Held {
  readonly peer: PeerId
  readonly model: ModelKey
  readonly tokens: number
}

/** What is known when a provider is chosen. */
export interface Outlook {
  /** Requests this peer has open at each provider. */
  readonly openRequests: ReadonlyMap<PeerId, number>
  /** Of these, how many an advert cannot show yet; all, where this is absent. */
  readonly unseenRequests?: ((candidate: Candidate) => number) | undefined
  /** Network round trips of providers connected now. */
  readonly rttMs: ReadonlyMap<PeerId, number>
  /** About how many; weighs a fast prefill against a near provider. */
  readonly promptTokens: number
  /** The most that the answer may have. */
  readonly completionTokens?: number | undefined
  readonly measured?: ((candidate: Candidate) => Measured | undefined) | undefined
  /** Share of all candidates' slots that are taken: where it is high, many are after the free ones. */
  readonly busyShare?: number | undefined
  /** Who last answered in this conversation. */
  readonly held?: Held | undefined
}

export interface Prediction {
  /** Until the request is there and accepted. */
  readonly networkMs: number
  /** For a slot. */
  readonly waitMs: number
  readonly prefillMs: number
  /** All of that, and how much later than predicted this provider was before. */
  readonly firstTokenMs: number
  readonly decodeTokensPerSecond: number
  /** Prompt tokens it may still hold, and how many of these it probably does. */
  readonly heldTokens: number
  readonly cachedTokens: number
  readonly costNano: Nano
  /** Chance that it delivers. */
  readonly success: number
  /** By its own word it has a slot for this request. */
  readonly isFree: boolean
  /** Requests taken on for each slot, as far as this peer knows. */
  readonly load: number
}

/** A request of average shape, to weigh prompt against completion price, and to guess how long a queue takes. */
export const typicalUsage = { promptTokens: 1_000, cachedTokens: 0, completionTokens: 300 }

/** Of a provider not connected now: a dial takes four round trips, of 100 ms across an ocean. */
export const rttMsUnknown = 400

/** Where an advert does not tell its speed: no reason to prefer it. */
const speedUnknown = { prefill: 100, decode: 10 }

/** Attempts that every provider is taken to have ended well before: the first failure makes it two out of three. */
const goodAssumed = 2
/** Measurements that an advert is worth: of delays, of prefills at each end of the line, of milliseconds of decoding. */
const delaysAssumed = 1
const prefillsAssumed = 0.5
const decodeMsAssumed = 2_000
/** Of what a provider evaluated a turn ago it still holds this share, until measured: as if of so many tokens. */
const heldShareAssumed = { share: 0.8, tokens: 1_000 }

export function predict(candidate: Candidate, outlook: Outlook): Prediction {
  const { advert, offer } = candidate
  const { held, promptTokens } = outlook
  const measured = outlook.measured?.(candidate)
  const line = prefillLine(measured, offer.prefillTokensPerSecond || speedUnknown.prefill)
  const decode = decodeRate(measured, offer.decodeTokensPerSecond || speedUnknown.decode)

  const heldTokens = held && isHeldBy(candidate, outlook) ? Math.min(held.tokens, Math.floor(promptTokens)) : 0
  const cachedTokens = Math.floor(heldTokens * heldShare(measured))

  const slots = Math.max(1, offer.slots)
  const load = loadOf(candidate, outlook)
  const serviceMs =
    line.baseMs + line.tokenMs * typicalUsage.promptTokens + (1_000 * typicalUsage.completionTokens) / decode
  const waitMs = (waiting(Math.max(load, outlook.busyShare ?? 0), slots) * serviceMs) / slots

  const networkMs = outlook.rttMs.get(advert.peer) ?? rttMsUnknown
  const prefillMs = line.baseMs + line.tokenMs * (promptTokens - cachedTokens)
  const delayMs = measured ? measured.delayMs / (measured.accepts + delaysAssumed) : 0
  const usage = {
    promptTokens: Math.ceil(promptTokens),
    cachedTokens,
    completionTokens: answerTokens(outlook),
  }
  return {
    networkMs,
    waitMs,
    prefillMs,
    firstTokenMs: networkMs + waitMs + prefillMs + delayMs,
    decodeTokensPerSecond: decode,
    heldTokens,
    cachedTokens,
    costNano: costNano(usage, offer.price),
    success: measured ? (measured.good + goodAssumed) / (measured.good + measured.bad + goodAssumed) : 1,
    isFree: isFree(candidate, outlook),
    load,
  }
}

/** Of this peer's own, how many requests its advert cannot show yet. */
function unseen(candidate: Candidate, { openRequests, unseenRequests }: Outlook): number {
  return unseenRequests?.(candidate) ?? openRequests.get(candidate.advert.peer) ?? 0
}

/** By its own word it has a slot for this request. */
export function isFree(candidate: Candidate, outlook: Outlook): boolean {
  return candidate.offer.slotsFree > unseen(candidate, outlook)
}

/** Requests taken on for each slot, as far as this peer knows. */
export function loadOf(candidate: Candidate, outlook: Outlook): number {
  const { queued, slots, slotsFree } = candidate.offer
  return (slots - slotsFree + queued + unseen(candidate, outlook)) / Math.max(1, slots)
}

/** It answered last in this conversation. */
export function isHeldBy({ advert, offer }: Candidate, { held }: Outlook): boolean {
  return held !== undefined && held.peer === advert.peer && held.model === offer.modelKey
}

/** About how many the answer will have: limits are often set far above. */
export function answerTokens({ completionTokens = typicalUsage.completionTokens }: Outlook): number {
  return Math.min(Math.ceil(completionTokens), typicalUsage.completionTokens)
}

/**
 * Requests to wait for. By an advert with free slots, perhaps none: but adverts are seconds old, and the fuller it or all are the
 * likelier it is full by now; the less so, the more slots it has. The exponent is that of Sakasegawa's approximation (1977) of the chance that all of so many
 * servers are busy.
 */
function waiting(load: number, slots: number): number {
  return load >= 1 ? (load - 1) * slots + 1 : Math.max(0, load) ** (Math.sqrt(2 * (slots + 1)) - 1)
}

/** Least squares through what was measured and two points on the advertised line. */
function prefillLine(
  measured: Measured | undefined,
  advertised: number,
): { readonly baseMs: number; readonly tokenMs: number } {
  const advertisedMs = 1_000 / advertised
  if (!measured || measured.prefills === 0) return { baseMs: 0, tokenMs: advertisedMs }
  const far = 2 * typicalUsage.promptTokens
  const count = measured.prefills + 2 * prefillsAssumed
  const tokens = measured.prefillTokens + prefillsAssumed * far
  const ms = measured.prefillMs + prefillsAssumed * far * advertisedMs
  const squares = measured.prefillTokensSquared + prefillsAssumed * far * far
  const products = measured.prefillTokensMs + prefillsAssumed * far * far * advertisedMs
  const slope = (count * products - tokens * ms) / (count * squares - tokens * tokens)
  const tokenMs = Math.max(0, slope)
  return { baseMs: Math.max(0, (ms - tokenMs * tokens) / count), tokenMs }
}

function decodeRate(measured: Measured | undefined, advertised: number): number {
  if (!measured || measured.decodeMs === 0) return advertised
  const tokens = measured.decodeTokens + (advertised * decodeMsAssumed) / 1_000
  return (1_000 * tokens) / (measured.decodeMs + decodeMsAssumed)
}

function heldShare(measured: Measured | undefined): number {
  const { share, tokens } = heldShareAssumed
  if (!measured) return share
  return (measured.cachedTokens + share * tokens) / (measured.heldTokens + tokens)
}

// What this peer measured of each provider: whether it delivered, how soon it began, how fast it was, what it still held of a
// conversation. Adverts are claims, this is what came of them. Old measurements fade, and everything is bounded.

import type { ErrorCode } from '../../protocol/errors.ts'
import type { ModelKey, PeerId } from '../../protocol/ids.ts'
import { keep } from '../../protocol/keep.ts'
import type { Usage } from '../../protocol/money.ts'
import type { Clock } from '../ports.ts'
import type { Candidate } from './directory.ts'
import type { Held, Measured, Prediction } from './prediction.ts'

/** A choice with what was expected of it: measurements are against that. */
export interface Chosen extends Candidate {
  readonly expected: Prediction
}

type Sums = { -readonly [Name in keyof Measured]: Measured[Name] }

interface Entry {
  readonly sums: Sums
  atMs: number
}

/** Offers remembered; as many as a directory holds by default. About 0.2 KB each. */
const offersMax = 4_096
/** Of one provider. It takes eight requests of a peer by default, so more than these are never open and unseen. */
const choicesMax = 64
/** Before anything was measured: four characters a token, as in English; measured prompts soon outweigh this. */
const charactersPerToken = 4
const tokensAssumed = 1_000

/** What an end that was no success says of the provider, in failed attempts. What is not listed counts as one. */
const blame: Partial<Record<ErrorCode, number>> = {
  // the caller's doing, this peer's, or the chain's
  'bad-request': 0,
  'context-exceeded': 0,
  'escrow-unusable': 0,
  'voucher-invalid': 0,
  'over-budget': 0,
  'store-failed': 0,
  'chain-unavailable': 0,
  'price-changed': 0,
  cancelled: 0,
  unsupported: 0,
  draining: 0,
  // no accident
  overcharged: 4,
  'protocol-violation': 4,
}
/** Refused or queued although its advert said that a slot was free: perhaps others were faster, perhaps it lied. */
const brokenWord = 0.5

export class History {
  readonly #clock: Clock
  readonly #halfLifeMs: number
  readonly #conversationsMax: number
  /** By offer, the one used longest ago first. */
  readonly #offers = new Map<string, Entry>()
  /** When each provider was chosen lately. */
  readonly #choices = new Map<PeerId, readonly number[]>()
  /** By affinity key, the one used longest ago first. */
  readonly #conversations = new Map<string, Held>()
  #characters = charactersPerToken * tokensAssumed
  #tokens = tokensAssumed

  constructor(clock: Clock, { halfLifeMs, conversationsMax }: { halfLifeMs: number; conversationsMax: number }) {
    this.#clock = clock
    this.#halfLifeMs = halfLifeMs
    this.#conversationsMax = conversationsMax
  }

  /** As of now; undefined where nothing was measured. */
  of({ advert, offer }: Candidate): Measured | undefined {
    const entry = this.#offers.get(keyOf(advert.peer, offer.modelKey))
    return entry && this.#faded(entry)
  }

  /** Call with each choice. */
  chose(peer: PeerId): void {
    const before = this.#choices.get(peer) ?? []
    keep(this.#choices, peer, [...before.slice(1 - choicesMax), this.#clock.now()], offersMax)
  }

  /** How often a provider was chosen since a moment, up to `choicesMax`: what an advert from then cannot show. */
  chosenSince(peer: PeerId, sinceMs: number): number {
    return this.#choices.get(peer)?.filter((atMs) => atMs > sinceMs).length ?? 0
  }

  heldOf(conversation: string | undefined): Held | undefined {
    return conversation === undefined ? undefined : this.#conversations.get(conversation)
  }

  /** How many tokens a prompt of so many characters will have, as far as those before it tell. */
  promptTokens(characters: number): number {
    return (characters * this.#tokens) / this.#characters
  }

  /** An attempt begins; `characters` are its prompt's. Call `ended` or `failed` once at its end. */
  begin(chosen: Chosen, characters: number, conversation: string | undefined): Attempt {
    return new Attempt(this, this.#clock, chosen, { characters, conversation })
  }

  /** For attempts only. */
  note({ advert, offer }: Candidate, changes: Partial<Measured>): void {
    const key = keyOf(advert.peer, offer.modelKey)
    const entry = this.#offers.get(key) ?? { sums: { ...nothing }, atMs: this.#clock.now() }
    const sums = this.#faded(entry)
    for (const name of Object.keys(changes) as (keyof Measured)[]) sums[name] += changes[name] ?? 0
    keep(this.#offers, key, entry, offersMax)
  }

  noteLength(characters: number, tokens: number): void {
    this.#characters += characters
    this.#tokens += tokens
    if (this.#tokens < 1_000 * tokensAssumed) return
    this.#characters /= 2 // the latest weigh most here too
    this.#tokens /= 2
  }

  noteHeld(conversation: string, held: Held): void {
    keep(this.#conversations, conversation, held, this.#conversationsMax)
  }

  #faded(entry: Entry): Sums {
    const { sums } = entry
    const nowMs = this.#clock.now()
    if (nowMs > entry.atMs) {
      const share = 2 ** ((entry.atMs - nowMs) / this.#halfLifeMs)
      for (const name of names) sums[name] *= share
      entry.atMs = nowMs
    }
    return sums
  }
}

/** One attempt at one provider, as it goes. */
export class Attempt {
  readonly #history: History
  readonly #clock: Clock
  readonly #chosen: Chosen
  readonly #asked: { readonly characters: number; readonly conversation: string | undefined }
  readonly #beganMs: number
  #acceptedMs: number | undefined
  #firstMs: number | undefined
  #lastMs = 0
  /** Of the first delta, and of all after it. */
  #firstTokens = 0
  #restTokens = 0
  #promptTokens = 0
  #freshTokens = 0
  #isQueued = false
  #isOver = false

  constructor(
    history: History,
    clock: Clock,
    chosen: Chosen,
    asked: { readonly characters: number; readonly conversation: string | undefined },
  ) {
    this.#history = history
    this.#clock = clock
    this.#chosen = chosen
    this.#asked = asked
    this.#beganMs = clock.now()
  }

  /** It has to wait for a slot. */
  queued(): void {
    if (!this.#isQueued && this.#chosen.expected.isFree) this.#history.note(this.#chosen, { bad: brokenWord })
    this.#isQueued = true
  }

  /** Its accept came, with what it counts of the prompt. `resumed` tokens are in there that are no part of the text. */
  accepted({ promptTokens, cachedTokens }: Usage, resumed: number): void {
    const nowMs = this.#clock.now()
    const { expected } = this.#chosen
    this.#acceptedMs = nowMs
    this.#promptTokens = promptTokens
    this.#freshTokens = promptTokens - cachedTokens
    const lateMs = Math.max(0, nowMs - this.#beganMs - expected.networkMs - expected.waitMs)
    const heldTokens = Math.min(expected.heldTokens, promptTokens)
    this.#history.note(this.#chosen, {
      accepts: 1,
      delayMs: lateMs,
      heldTokens,
      cachedTokens: Math.min(heldTokens, cachedTokens),
    })
    if (this.#asked.characters > 0)
      this.#history.noteLength(this.#asked.characters, Math.max(1, promptTokens - resumed))
    this.#hold()
  }

  /** A delta came. */
  received(tokens: number): void {
    const nowMs = this.#clock.now()
    if (tokens === 0) return
    if (this.#firstMs === undefined) {
      this.#firstMs = nowMs
      this.#firstTokens = tokens
      const ms = nowMs - (this.#acceptedMs ?? nowMs)
      const fresh = this.#freshTokens
      this.#history.note(this.#chosen, {
        prefills: 1,
        prefillTokens: fresh,
        prefillMs: ms,
        prefillTokensSquared: fresh * fresh,
        prefillTokensMs: fresh * ms,
      })
    } else this.#restTokens += tokens
    this.#lastMs = nowMs
  }

  ended(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#history.note(this.#chosen, { good: 1 })
    this.#close()
  }

  failed(code: ErrorCode): void {
    if (this.#isOver) return
    this.#isOver = true
    const bad = code === 'busy' ? (this.#chosen.expected.isFree ? brokenWord : 0) : (blame[code] ?? 1)
    if (bad > 0) this.#history.note(this.#chosen, { bad })
    this.#close()
  }

  #close(): void {
    if (this.#firstMs === undefined) return
    const decodeMs = this.#lastMs - this.#firstMs
    if (this.#restTokens > 0 && decodeMs > 0) {
      this.#history.note(this.#chosen, { decodeTokens: this.#restTokens, decodeMs })
    }
    this.#hold()
  }

  #hold(): void {
    const { conversation } = this.#asked
    if (conversation === undefined) return
    const { advert, offer } = this.#chosen
    const tokens = this.#promptTokens + this.#firstTokens + this.#restTokens
    this.#history.noteHeld(conversation, { peer: advert.peer, model: offer.modelKey, tokens })
  }
}

const nothing: Measured = {
  good: 0,
  bad: 0,
  accepts: 0,
  delayMs: 0,
  prefills: 0,
  prefillTokens: 0,
  prefillMs: 0,
  prefillTokensSquared: 0,
  prefillTokensMs: 0,
  decodeTokens: 0,
  decodeMs: 0,
  heldTokens: 0,
  cachedTokens: 0,
}
const names = Object.keys(nothing) as (keyof Measured)[]

function keyOf(peer: PeerId, model: ModelKey): string {
  return `${peer}/${model}`
}

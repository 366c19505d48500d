// Recounts an answer from its token ids and the model's vocabulary: what is charged for must be what was said, in no more
// tokens than it takes. Pure.

import { limits } from '../../protocol/limits.ts'
import type { Said } from '../../protocol/task.ts'
import type { Vocabulary } from '../../protocol/vocabulary.ts'

/**
 * Text may lag behind its tokens: by a character not yet complete, at the end by a stop text, the request's or one of the
 * model's template. More than this beyond the request's is tokens that say nothing.
 */
const lagBytesMax = 32

/**
 * A tokeniser does not always find the fewest tokens for a text, and a model draws others than it would find. Measured
 * on the built-in model's answers the two differ by less than a tenth; at this ratio, and beyond this many tokens, they were
 * split on purpose.
 */
const splitRatioMax = 1.5
const splitTokensMin = 32

/** Of the tokens of one delta, twice what its text may have: spelling them takes time, and nothing else runs meanwhile. */
const spelledBytesMax = 2 * limits.deltaBytesMax

export class UsageAudit {
  readonly #vocabulary: Vocabulary
  readonly #spelling: Spelling
  readonly #lagBytesMax: number
  /** Of the tokens, not yet seen as text. */
  #lag: Uint8Array = new Uint8Array()
  #tokens = 0
  /** Text was there: engines leave out the space before it. */
  #isBegun = false
  /** Something else than plain text was said: what tokens spelled can no longer be held against it. */
  #isMixed = false

  /** `stops`: the request's. */
  constructor(vocabulary: Vocabulary, spelling: Spelling, stops: readonly string[] = []) {
    this.#vocabulary = vocabulary
    this.#lagBytesMax = lagBytesMax + Math.max(0, ...stops.map((stop) => Buffer.byteLength(stop)))
    this.#spelling = spelling
  }

  /** What is wrong with the next delta, or undefined. Each delta once and in order. */
  check({ reasoning, text, tokenIds, toolCalls }: Said): string | undefined {
    if (reasoning !== undefined || toolCalls !== undefined) this.#isMixed = true
    const pieces: Uint8Array[] = [this.#lag]
    let spelledBytes = 0
    for (const id of tokenIds) {
      const bytes = this.#vocabulary[id]
      if (!bytes) return `token id ${id}, the vocabulary has ${this.#vocabulary.length}`
      spelledBytes += bytes.length
      if (spelledBytes > spelledBytesMax) return `tokens of over ${spelledBytesMax} bytes in one delta`
      pieces.push(bytes)
    }
    this.#tokens += tokenIds.length
    const spelled = Buffer.concat(pieces)
    const leastTokens = this.#spelling.push(spelled.subarray(this.#lag.length))
    if (this.#tokens >= splitTokensMin && this.#tokens > splitRatioMax * leastTokens) {
      return `${this.#tokens} tokens for what ${leastTokens} spell`
    }
    if (this.#isMixed) {
      this.#lag = new Uint8Array()
      return undefined
    }
    const rest = afterText(this.#isBegun ? spelled : withoutLeadingSpace(spelled, text), Buffer.from(text))
    this.#isBegun ||= text !== ''
    if (rest === undefined) return `tokens that do not spell the text ${JSON.stringify(text.slice(0, 40))}`
    this.#lag = rest
    if (rest.length <= this.#lagBytesMax) return undefined
    return `tokens of ${rest.length} bytes without text, at most ${this.#lagBytesMax}`
  }
}

function withoutLeadingSpace(spelled: Uint8Array, text: string): Uint8Array {
  if (text === '' || /^\s/.test(text)) return spelled
  const at = spelled.findIndex((byte) => byte !== 0x20 && !(byte >= 0x09 && byte <= 0x0d))
  return spelled.subarray(at === -1 ? spelled.length : at)
}

/** Bytes of tokens that follow the text, or undefined where they do not begin with it. */
function afterText(spelled: Uint8Array, text: Uint8Array): Uint8Array | undefined {
  let at = 0
  for (let from = 0; from < text.length; from += 1, at += 1) {
    if (spelled[at] === text[from]) continue
    // U+FFFD stands for the bytes of a character that will never be complete
    if (text[from] === 0xef && text[from + 1] === 0xbf && text[from + 2] === 0xbd && at < spelled.length) {
      from += 2
      while (at + 1 < spelled.length && ((spelled[at + 1] ?? 0) & 0xc0) === 0x80) at += 1
      continue
    }
    return undefined
  }
  return spelled.slice(at)
}

/** The texts of tokens, one character a byte: built once for a vocabulary. */
export type TokenTexts = ReadonlySet<string>

/** Longer tokens are runs of spaces and rulers: without them a text takes a few more. */
const tokenBytesMax = 16

export function tokenTextsOf(vocabulary: Vocabulary): TokenTexts {
  const texts = new Set<string>()
  for (const bytes of vocabulary) {
    if (bytes.length > 0 && bytes.length <= tokenBytesMax) texts.add(Buffer.from(bytes).toString('latin1'))
  }
  return texts
}

/** The fewest tokens that spell a text, as it grows. */
export class Spelling {
  readonly #texts: TokenTexts
  /** The last bytes, and at their ends the fewest tokens for everything before: `#least[i]` for all but the last `i`. */
  #tail = ''
  #least: number[] = [0]

  constructor(texts: TokenTexts) {
    this.#texts = texts
  }

  /** The fewest for all that was pushed. */
  push(bytes: Uint8Array): number {
    for (const byte of bytes) {
      this.#tail = (this.#tail + String.fromCharCode(byte)).slice(-tokenBytesMax)
      let best = (this.#least[0] ?? 0) + 1 // a byte by itself, also where no token is
      for (let length = 2; length <= this.#tail.length; length += 1) {
        const before = this.#least[length - 1]
        if (before !== undefined && before + 1 < best && this.#texts.has(this.#tail.slice(-length))) best = before + 1
      }
      this.#least.unshift(best)
      if (this.#least.length > tokenBytesMax) this.#least.pop()
    }
    return this.#least[0] ?? 0
  }
}

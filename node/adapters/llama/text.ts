// From sampled token ids to text that may be shown: never half a character, never the beginning of a stop string.

/** All of it at once: tokenisers differ in how one token's text depends on the token before. */
export type Detokenize = (tokenIds: readonly number[]) => string

/** Ids and their text travel together: whatever was released can be resumed from, and its text is exactly its ids'. */
export interface Released {
  readonly text: string
  readonly tokenIds: readonly number[]
  /** A stop string was met. It is not in `text`; the tokens that made it are in `tokenIds`. */
  readonly stopped: boolean
}

interface Unit {
  readonly text: string
  readonly tokenId: number
}

/** A UTF-8 character is at most four bytes, so at most four tokens; one more decides about a leading space. */
const contextTokens = 6
const replacement = '\uFFFD'
const nothing: Released = { text: '', tokenIds: [], stopped: false }

/**
 * A character belongs to the token that completes it. Tokens whose text could be the beginning of a stop string are
 * held back whole. When the stop string is complete they are released without its text: they were evaluated, so they
 * are counted, as other servers count them.
 */
export class TextStream {
  readonly #detokenize: Detokenize
  readonly #stops: readonly string[]
  readonly #held: Unit[] = []
  /** The last tokens, and their text without a character that they leave incomplete. */
  #context: readonly number[]
  #contextText: string

  /** `before`: the prompt's last tokens, resumed ones included. A character they leave incomplete belongs to this text. */
  constructor(detokenize: Detokenize, before: readonly number[], stops: readonly string[]) {
    this.#detokenize = detokenize
    this.#stops = stops.filter((stop) => stop !== '')
    this.#context = before.slice(-contextTokens)
    this.#contextText = complete(detokenize(this.#context))
    // Control tokens only: the answer begins here, and its text is that of its ids alone.
    if (detokenize(this.#context) === '') this.#context = []
  }

  push(tokenId: number): Released {
    const whole = this.#detokenize([...this.#context, tokenId])
    const text = whole.startsWith(this.#contextText)
      ? complete(whole).slice(this.#contextText.length)
      : this.#detokenize([tokenId]) // a tokeniser that tidies spaces changed the text before: only the new is known
    this.#held.push({ text, tokenId })
    this.#context = [...this.#context, tokenId].slice(-contextTokens)
    this.#contextText = complete(this.#detokenize(this.#context))
    return this.#release()
  }

  /** The end of the answer: everything still held, and U+FFFD for a character that will never be complete. */
  flush(): Released {
    const rest = this.#detokenize(this.#context).slice(this.#contextText.length)
    const { text, tokenIds } = this.#take(this.#held.length)
    return { text: text + rest, tokenIds, stopped: false }
  }

  #release(): Released {
    const text = this.#held.map((unit) => unit.text).join('')
    const stopAt = firstOf(text, this.#stops)
    if (stopAt !== undefined) {
      const all = this.#take(this.#held.length)
      return { text: text.slice(0, stopAt), tokenIds: all.tokenIds, stopped: true }
    }
    const free = text.length - suspectLength(text, this.#stops)
    let units = 0
    for (let length = 0; units < this.#held.length; units += 1) {
      length += this.#held[units]?.text.length ?? 0
      if (length > free) break
    }
    return this.#take(units)
  }

  #take(units: number): Released {
    if (units === 0) return nothing
    const taken = this.#held.splice(0, units)
    return {
      text: taken.map((unit) => unit.text).join(''),
      tokenIds: taken.map((unit) => unit.tokenId),
      stopped: false,
    }
  }
}

function firstOf(text: string, stops: readonly string[]): number | undefined {
  const found = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0)
  return found.length === 0 ? undefined : Math.min(...found)
}

/** Of the end of `text`: the longest that could be the beginning of a stop string. */
function suspectLength(text: string, stops: readonly string[]): number {
  let longest = 0
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length -= 1) {
      if (text.endsWith(stop.slice(0, length))) longest = length
    }
  }
  return longest
}

/** An incomplete character at the end decodes to one U+FFFD; so may a complete one, which then comes a token late. */
function complete(text: string): string {
  return text.endsWith(replacement) ? text.slice(0, -1) : text
}

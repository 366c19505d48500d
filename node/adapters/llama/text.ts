// From sampled token ids to their text: a character belongs to the token that completes it.

/** All of it at once: tokenisers differ in how one token's text depends on the token before. */
export type Detokenize = (tokenIds: readonly number[]) => string

/** A UTF-8 character is at most four bytes, so at most four tokens; one more decides about a leading space. */
const contextTokens = 6
const replacement = '\uFFFD'

export class TokenTexts {
  readonly #detokenize: Detokenize
  /** The last tokens, and their text without a character that they leave incomplete. */
  #context: readonly number[]
  #contextText: string

  /** `before`: what stands before the first token pushed. A character it leaves incomplete belongs to this text. */
  constructor(detokenize: Detokenize, before: readonly number[]) {
    this.#detokenize = detokenize
    this.#context = before.slice(-contextTokens)
    const text = detokenize(this.#context)
    this.#contextText = complete(text)
    // Control tokens only: the answer begins here, and its text is that of its ids alone.
    if (text === '') this.#context = []
  }

  /** The text that this token adds. */
  push(tokenId: number): string {
    const whole = this.#detokenize([...this.#context, tokenId])
    const text = whole.startsWith(this.#contextText)
      ? complete(whole).slice(this.#contextText.length)
      : this.#detokenize([tokenId]) // a tokeniser that tidies spaces changed the text before: only the new is known
    this.#context = [...this.#context, tokenId].slice(-contextTokens)
    this.#contextText = complete(this.#detokenize(this.#context))
    return text
  }

  /** At the end: U+FFFD for a character that will never be complete. */
  rest(): string {
    return this.#detokenize(this.#context).slice(this.#contextText.length)
  }
}

/** The first of them in `text`, the longest where several begin there. */
export function firstOf(
  text: string,
  needles: readonly string[],
): { readonly at: number; readonly needle: string } | undefined {
  let first: { readonly at: number; readonly needle: string } | undefined
  for (const needle of needles) {
    const at = text.indexOf(needle)
    if (at < 0) continue
    if (!first || at < first.at || (at === first.at && needle.length > first.needle.length)) first = { at, needle }
  }
  return first
}

/** Of the end of `text`: the longest that could be the beginning of one of them. */
export function suspectLength(text: string, needles: readonly string[]): number {
  let longest = 0
  for (const needle of needles) {
    for (let length = Math.min(needle.length - 1, text.length); length > longest; length -= 1) {
      if (text.endsWith(needle.slice(0, length))) longest = length
    }
  }
  return longest
}

/** An incomplete character at the end decodes to one U+FFFD; so may a complete one, which then comes a token late. */
function complete(text: string): string {
  return text.endsWith(replacement) ? text.slice(0, -1) : text
}

// Where a JSON value ends, as its text arrives in pieces.

/** For text that a grammar has made: it finds the end of well-formed JSON, and does not say what is wrong with other text. */
export class JsonScan {
  #depth = 0
  #inString = false
  #isEscaped = false
  #inScalar = false

  /** The number of characters of `piece` that belong to the value, where it ends within or before it. */
  feed(piece: string): number | undefined {
    for (let at = 0; at < piece.length; at += 1) {
      const char = piece[at] ?? ''
      if (this.#inString) {
        if (this.#isEscaped) this.#isEscaped = false
        else if (char === '\\') this.#isEscaped = true
        else if (char === '"') {
          this.#inString = false
          if (this.#depth === 0) return at + 1
        }
      } else if (this.#inScalar) {
        if (!/[\w.+-]/.test(char)) return at
      } else if (char === '"') this.#inString = true
      else if (char === '{' || char === '[') this.#depth += 1
      else if (char === '}' || char === ']') {
        this.#depth -= 1
        if (this.#depth === 0) return at + 1
      } else if (this.#depth === 0 && /[\w-]/.test(char)) this.#inScalar = true
    }
    return undefined
  }
}

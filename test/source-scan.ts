// Reads a source just far enough to hold the architecture: what it imports, and its code without comments and texts.
// TypeScript 7 has no parser to call, and the rules need no more than this.

export interface Import {
  /** As written; undefined where it is computed. */
  readonly specifier: string | undefined
  readonly line: number
}

export interface Scan {
  readonly imports: readonly Import[]
  /** Same length and lines as the source; comments, texts and regular expressions are blank between their delimiters. */
  readonly code: string
}

export function scan(source: string): Scan {
  const code = blanked(source)
  const imports = [
    ...found(code, source, /\bfrom\s*(?=['"])/g),
    ...found(code, source, /\bimport\s*(?=['"])/g),
    ...found(code, source, /\b(?:import|require)\s*\(\s*/g),
  ]
  return { imports: imports.toSorted((a, b) => a.line - b.line), code }
}

function found(code: string, source: string, pattern: RegExp): Import[] {
  return [...code.matchAll(pattern)].map((match) => {
    const start = match.index + match[0].length
    const quote = code[start]
    const end = quote === "'" || quote === '"' ? code.indexOf(quote, start + 1) : -1
    return {
      specifier: end < 0 ? undefined : source.slice(start + 1, end),
      line: source.slice(0, start).split('\n').length,
    }
  })
}

/** Where a slash begins a regular expression: at the start, or after what cannot end a value. */
const beforeRegex = /(?:^|[([{,;:=!&|?+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|delete|throw|yield|await))$/

function blanked(source: string): string {
  let out = ''
  let at = 0
  /** For each template whose `${` is open, the braces open inside it. */
  const templates: number[] = []

  const keep = (length: number): void => {
    out += source.slice(at, at + length)
    at += length
  }
  const blank = (length: number): void => {
    out += source.slice(at, at + length).replace(/[^\n]/g, ' ')
    at += length
  }
  /** From an opening delimiter, kept, to its closing one; a template ends at `${` for now. */
  const text = (delimiter: string): void => {
    keep(1)
    for (let isClass = false; at < source.length; ) {
      const character = source[at]
      const isEnd = character === delimiter && !isClass
      const isHole = delimiter === '`' && source.startsWith('${', at)
      if (isHole) templates.push(0)
      if (isEnd || isHole) {
        keep(isEnd ? 1 : 2)
        return
      }
      if (delimiter === '/' && character === '[') isClass = true
      if (delimiter === '/' && character === ']') isClass = false
      blank(character === '\\' ? 2 : 1)
    }
  }

  while (at < source.length) {
    const character = source[at] ?? ''
    const open = templates.at(-1)
    if (source.startsWith('//', at)) blank(lengthTo(source, '\n', at))
    else if (source.startsWith('/*', at)) blank(lengthTo(source, '*/', at) + 2)
    else if (character === "'" || character === '"' || character === '`') text(character)
    else if (character === '/' && beforeRegex.test(out.slice(-200).trimEnd())) text('/')
    else if (character === '}' && open === 0) {
      templates.pop()
      text('`') // the brace takes the place of the opening delimiter
    } else {
      if (open !== undefined && character === '{') templates[templates.length - 1] = open + 1
      if (open !== undefined && character === '}') templates[templates.length - 1] = open - 1
      keep(1)
    }
  }
  return out
}

function lengthTo(source: string, end: string, at: number): number {
  const found = source.indexOf(end, at)
  return (found < 0 ? source.length : found) - at
}

// Reads comma-separated files with a header, a line at a time: the published traces of a week are longer than a string may be.

import { closeSync, openSync, readSync } from 'node:fs'

export interface CsvRow {
  /** For errors: file and line. */
  readonly at: string
  /** By the place of the column among those asked for; empty where the line has no such cell. */
  readonly cells: readonly string[]
}

/** Columns may stand in any order, among others. Throws `RangeError` naming file, line and what is expected. */
export function* readCsv(path: string, columns: readonly string[]): Generator<CsvRow> {
  let places: readonly number[] | undefined
  let number = 0
  for (const line of linesOf(path, `a CSV file with ${columns.join(',')}`)) {
    number += 1
    if (line.trim() === '') continue
    const found = cellsOf(line)
    if (places) {
      yield { at: `${path}:${number}`, cells: places.map((place) => found[place] ?? '') }
      continue
    }
    const header = found.map((name) => name.toLowerCase())
    places = columns.map((name) => {
      const place = header.indexOf(name.toLowerCase())
      if (place >= 0) return place
      throw new RangeError(
        `${path}:${number}: no column ${name} among "${line.slice(0, shownMax)}", expected ${columns.join(',')}`,
      )
    })
  }
  if (!places) throw new RangeError(`${path} is empty, expected a CSV file with ${columns.join(',')}`)
}

/** Characters of a header that an error repeats. */
const shownMax = 200
const chunkBytes = 1 << 20

/** Without ends of lines and a byte order mark. */
export function* linesOf(path: string, expected: string): Generator<string> {
  const chunk = Buffer.alloc(chunkBytes)
  const decoder = new TextDecoder()
  const file = readable(path, expected, () => openSync(path, 'r'))
  try {
    let rest = ''
    for (;;) {
      const bytes = readable(path, expected, () => readSync(file, chunk))
      const lines = (rest + decoder.decode(chunk.subarray(0, bytes), { stream: bytes > 0 })).split(/\r?\n/)
      rest = lines.pop() ?? ''
      yield* lines
      if (bytes > 0) continue
      if (rest !== '') yield rest
      return
    }
  } finally {
    closeSync(file)
  }
}

function readable<Value>(path: string, expected: string, read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    throw new RangeError(`${path} cannot be read, expected ${expected}`, { cause: error })
  }
}

/** A quoted cell may hold commas and doubled quotes, and no end of a line. */
function cellsOf(line: string): string[] {
  if (!line.includes('"')) return line.split(',').map((cell) => cell.trim())
  return Array.from(`,${line}`.matchAll(/,(?:\s*"((?:[^"]|"")*)"\s*(?=,|$)|([^,]*))/g), ([, quoted, plain = '']) =>
    (quoted === undefined ? plain : quoted.replaceAll('""', '"')).trim(),
  )
}

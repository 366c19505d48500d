// Reads request traces in the form of the Azure LLM inference traces: TIMESTAMP,ContextTokens,GeneratedTokens.

import { readFileSync } from 'node:fs'

export interface TraceRow {
  /** Since the first request. */
  readonly atMs: number
  readonly contextTokens: number
  readonly generatedTokens: number
}

const columns = ['TIMESTAMP', 'ContextTokens', 'GeneratedTokens'] as const

/** By arrival. Throws `RangeError` naming file, line and column. */
export function readTrace(path: string): readonly TraceRow[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new RangeError(`trace ${path} cannot be read, expected a CSV file with ${columns.join(',')}`, {
      cause: error,
    })
  }
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const header = cellsOf(lines[0] ?? '').map((name) => name.toLowerCase())
  const places = columns.map((name) => {
    const place = header.indexOf(name.toLowerCase())
    if (place < 0)
      throw new RangeError(`${path}:1: no column ${name} among "${lines[0]}", expected ${columns.join(',')}`)
    return place
  })
  const [timeAt = 0, contextAt = 0, generatedAt = 0] = places
  const rows: { atMs: number; contextTokens: number; generatedTokens: number }[] = []
  for (let line = 1; line < lines.length; line += 1) {
    const text = lines[line] ?? ''
    if (text.trim() === '') continue
    const cells = cellsOf(text)
    const at = `${path}:${line + 1}`
    rows.push({
      atMs: millisecondsOf(cells[timeAt] ?? '', at),
      contextTokens: countOf(cells[contextAt] ?? '', at, 'ContextTokens'),
      generatedTokens: countOf(cells[generatedAt] ?? '', at, 'GeneratedTokens'),
    })
  }
  if (rows.length === 0) throw new RangeError(`${path} has no rows, expected at least one request`)
  rows.sort((a, b) => a.atMs - b.atMs)
  const startMs = rows[0]?.atMs ?? 0
  return rows.map((row) => ({ ...row, atMs: row.atMs - startMs }))
}

function cellsOf(line: string): string[] {
  return line.split(',').map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'))
}

/** `2023-11-16 18:17:03.9799600`, with or without an offset; a plain number is seconds. Dates hold no more than milliseconds. */
function millisecondsOf(cell: string, at: string): number {
  if (/^\d+(\.\d+)?$/.test(cell)) return Number(cell) * 1_000
  const match = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(\.\d+)?(Z|[+-]\d{2}:?\d{2})?$/.exec(cell)
  const wholeMs = match ? Date.parse(`${match[1]}T${match[2]}${match[4] ?? 'Z'}`) : Number.NaN
  if (Number.isNaN(wholeMs)) {
    throw new RangeError(`${at}: TIMESTAMP is "${cell}", expected a date and time such as 2023-11-16 18:17:03.9799600`)
  }
  return wholeMs + Number(match?.[3] ?? 0) * 1_000
}

function countOf(cell: string, at: string, column: string): number {
  if (!/^\d{1,15}$/.test(cell)) throw new RangeError(`${at}: ${column} is "${cell}", expected a whole number`)
  return Number(cell)
}

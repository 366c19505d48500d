// Reads request traces in the form of the Azure LLM inference traces: TIMESTAMP,ContextTokens,GeneratedTokens.

import { readCsv } from './csv.ts'

export interface TraceRow {
  /** Since the first request. */
  readonly atMs: number
  readonly contextTokens: number
  readonly generatedTokens: number
}

const columns = ['TIMESTAMP', 'ContextTokens', 'GeneratedTokens'] as const

/** By arrival. Throws `RangeError` naming file, line and column. */
export function readTrace(path: string): readonly TraceRow[] {
  const rows: { atMs: number; contextTokens: number; generatedTokens: number }[] = []
  for (const { at, cells } of readCsv(path, columns)) {
    const [time = '', context = '', generated = ''] = cells
    rows.push({
      atMs: millisecondsOf(time, at),
      contextTokens: countOf(context, at, 'ContextTokens'),
      generatedTokens: countOf(generated, at, 'GeneratedTokens'),
    })
  }
  if (rows.length === 0) throw new RangeError(`${path} has no rows, expected at least one request`)
  rows.sort((a, b) => a.atMs - b.atMs)
  const startMs = rows[0]?.atMs ?? 0
  for (const row of rows) row.atMs -= startMs // millions: no copy of each
  return rows
}

/** `2023-11-16 18:17:03.9799600`, with or without an offset; a plain number is seconds. Dates hold no more than milliseconds. */
function millisecondsOf(cell: string, at: string): number {
  if (/^\d+(\.\d+)?$/.test(cell)) return Number(cell) * 1_000
  const match = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(\.\d+)?(Z|[+-]\d{2}(?::?\d{2})?)?$/.exec(cell)
  const offset = /^.\d{2}$/.test(match?.[4] ?? '') ? `${match?.[4]}:00` : (match?.[4] ?? 'Z')
  const wholeMs = match ? Date.parse(`${match[1]}T${match[2]}${offset}`) : Number.NaN
  if (Number.isNaN(wholeMs)) {
    throw new RangeError(`${at}: TIMESTAMP is "${cell}", expected a date and time such as 2023-11-16 18:17:03.9799600`)
  }
  return wholeMs + Number(match?.[3] ?? 0) * 1_000
}

/** Tables that once missed a cell write whole numbers as `4808.0`. */
function countOf(cell: string, at: string, column: string): number {
  if (!/^\d{1,15}(\.0+)?$/.test(cell)) throw new RangeError(`${at}: ${column} is "${cell}", expected a whole number`)
  return Number(cell)
}

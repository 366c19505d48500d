// Reads what a real engine logged of each request: JSON lines, one array or CSV, with the fields LLMServingSim's bench writes for vLLM.

import { linesOf, readCsv } from '../../csv.ts'

export interface LoggedRequest {
  /** Milliseconds since the first arrival. */
  readonly arrivalMs: number
  readonly promptTokens: number
  readonly completionTokens: number
  /** When the engine took notice, on the engine's clock; the log's arrivals are on another. */
  readonly queuedMs: number
  /** When it was first put into an iteration. */
  readonly scheduledMs: number
  readonly firstTokenMs: number
  readonly lastTokenMs: number
}

const fields = [
  'input_toks',
  'output_toks',
  'arrival_time',
  'queued_ts',
  'scheduled_ts',
  'first_token_ts',
  'last_token_ts',
] as const

/** In order of arrival. Throws `RangeError` naming file, line and field. */
export function readEngineLog(path: string): LoggedRequest[] {
  const rows = rowsOf(path)
  if (rows.length === 0) throw new RangeError(`${path} holds no request, expected at least one`)
  const requests = rows.map(({ at, row }) => requestOf(row, at))
  const startMs = requests.reduce((least, { arrivalMs }) => Math.min(least, arrivalMs), Number.POSITIVE_INFINITY)
  return requests
    .map((request) => ({ ...request, arrivalMs: request.arrivalMs - startMs }))
    .sort((a, b) => a.arrivalMs - b.arrivalMs)
}

interface Row {
  /** For errors: file and line, or place in the array. */
  readonly at: string
  readonly row: unknown
}

/** What a file is shows in its first character: `{` or `[` of JSON, anything else of a CSV's header. */
function rowsOf(path: string): Row[] {
  const lines = Array.from(linesOf(path, 'a file of JSON lines, one JSON array, or CSV'))
  const [first = ''] = lines.find((line) => line.trim() !== '')?.trim() ?? ''
  if (first === '[') return rowsOfArray(lines.join('\n'), path)
  if (first === '{') return rowsOfLines(lines, path)
  return first === '' ? [] : rowsOfCsv(path)
}

function rowsOfArray(text: string, path: string): Row[] {
  const rows = parse(text, path)
  return Array.isArray(rows) ? rows.map((row: unknown, index) => ({ at: `${path}: [${index}]`, row })) : []
}

function rowsOfLines(lines: readonly string[], path: string): Row[] {
  return lines.flatMap((line, index) => {
    if (line.trim() === '') return []
    const at = `${path}:${index + 1}`
    return [{ at, row: parse(line, at) }]
  })
}

function rowsOfCsv(path: string): Row[] {
  return Array.from(readCsv(path, fields), ({ at, cells }) => ({
    at,
    row: Object.fromEntries(cells.flatMap((cell, place) => (cell === '' ? [] : [[fields[place], numberOr(cell)]]))),
  }))
}

/** What is no number stays as it is: the error shows it. */
function numberOr(cell: string): number | string {
  const value = Number(cell)
  return Number.isNaN(value) ? cell : value
}

function parse(text: string, at: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new RangeError(`${at} is not JSON: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}

function requestOf(row: unknown, at: string): LoggedRequest {
  if (typeof row !== 'object' || row === null) {
    throw new RangeError(`${at} is ${JSON.stringify(row)?.slice(0, 40)}, expected an object`)
  }
  const values = new Map<string, unknown>(Object.entries(row))
  const number = (name: (typeof fields)[number], isFine: (value: number) => boolean, expected: string): number => {
    const value = values.get(name)
    if (typeof value === 'number' && Number.isFinite(value) && isFine(value)) return value
    const shown = value === undefined ? 'absent' : JSON.stringify(value)
    throw new RangeError(`${at}: ${name} is ${shown}, expected ${expected}`)
  }
  const count = (name: (typeof fields)[number]): number =>
    number(name, (value) => Number.isInteger(value) && value >= 1, 'a whole number from 1')
  const seconds = (name: (typeof fields)[number], from = Number.NEGATIVE_INFINITY): number =>
    1_000 * number(name, (value) => value * 1_000 >= from, `seconds${from > 0 ? `, at least ${from / 1_000}` : ''}`)
  const arrivalMs = seconds('arrival_time')
  const queuedMs = seconds('queued_ts')
  const scheduledMs = seconds('scheduled_ts', queuedMs)
  const firstTokenMs = seconds('first_token_ts', scheduledMs)
  return {
    arrivalMs,
    promptTokens: count('input_toks'),
    completionTokens: count('output_toks'),
    queuedMs,
    scheduledMs,
    firstTokenMs,
    lastTokenMs: seconds('last_token_ts', firstTokenMs),
  }
}

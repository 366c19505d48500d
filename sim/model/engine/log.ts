// Reads what a real engine logged of each request: JSON lines, or one array, in the form LLMServingSim's bench writes for vLLM.

import { readFileSync } from 'node:fs'

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

/** In order of arrival. Throws `RangeError` naming file, line and field. */
export function readEngineLog(path: string): LoggedRequest[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new RangeError(`log ${path} cannot be read, expected a file of JSON lines or one JSON array`, {
      cause: error,
    })
  }
  const rows = text.trimStart().startsWith('[') ? rowsOfArray(text, path) : rowsOfLines(text, path)
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

function rowsOfArray(text: string, path: string): Row[] {
  const rows = parse(text, path)
  return Array.isArray(rows) ? rows.map((row: unknown, index) => ({ at: `${path}: [${index}]`, row })) : []
}

function rowsOfLines(text: string, path: string): Row[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return []
    const at = `${path}:${index + 1}`
    return [{ at, row: parse(line, at) }]
  })
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
  const fields = new Map<string, unknown>(Object.entries(row))
  const number = (name: string, isFine: (value: number) => boolean, expected: string): number => {
    const value = fields.get(name)
    if (typeof value === 'number' && Number.isFinite(value) && isFine(value)) return value
    const shown = value === undefined ? 'absent' : JSON.stringify(value)
    throw new RangeError(`${at}: ${name} is ${shown}, expected ${expected}`)
  }
  const count = (name: string): number =>
    number(name, (value) => Number.isInteger(value) && value >= 1, 'a whole number from 1')
  const seconds = (name: string, from = Number.NEGATIVE_INFINITY): number =>
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

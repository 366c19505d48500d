// Requests and time series as tables: CSV for people, Parquet for programs, and both back again.

import type { SchemaElement } from 'hyparquet'
import { parquetReadObjects } from 'hyparquet'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { seriesMetricOf } from '../metrics.ts'
import type { RequestRecord, Sample } from '../record.ts'

type Value = string | number | bigint | boolean | undefined
type ParquetType = Pick<SchemaElement, 'type' | 'converted_type'>

interface Column {
  readonly name: string
  readonly parquet: ParquetType
  readonly isOptional?: boolean
  readonly of: (request: RequestRecord) => Value
}

const text: ParquetType = { type: 'BYTE_ARRAY', converted_type: 'UTF8' }
const count: ParquetType = { type: 'INT32' }
const milliseconds: ParquetType = { type: 'DOUBLE' }
/** All of protocol/money.ts's amounts fit, to the nano. */
const nano: ParquetType = { type: 'INT64', converted_type: 'UINT_64' }

const requestColumns: readonly Column[] = [
  { name: 'number', parquet: count, of: ({ number }) => number },
  { name: 'consumer', parquet: text, of: ({ consumer }) => consumer },
  { name: 'provider', parquet: text, of: ({ provider }) => provider },
  { name: 'model', parquet: text, of: ({ model }) => model },
  { name: 'arrival_ms', parquet: milliseconds, of: ({ arrivalMs }) => arrivalMs },
  { name: 'first_token_ms', parquet: milliseconds, isOptional: true, of: ({ firstTokenMs }) => firstTokenMs },
  { name: 'end_ms', parquet: milliseconds, of: ({ endMs }) => endMs },
  { name: 'outcome', parquet: text, of: ({ outcome }) => outcome },
  { name: 'code', parquet: text, of: ({ code }) => code },
  { name: 'prompt_tokens', parquet: count, of: ({ promptTokens }) => promptTokens },
  { name: 'completion_tokens', parquet: count, of: ({ completionTokens }) => completionTokens },
  { name: 'cached_tokens', parquet: count, of: ({ cachedTokens }) => cachedTokens },
  { name: 'cost_nano', parquet: nano, of: ({ costNano }) => costNano },
  { name: 'attempts', parquet: count, of: ({ attempts }) => attempts },
  { name: 'failovers', parquet: count, of: ({ failovers }) => failovers },
  { name: 'is_measured', parquet: { type: 'BOOLEAN' }, of: ({ isMeasured }) => isMeasured },
]

/** Rows are joined in pieces of this many: no single text of a long run has to fit in memory twice. */
const rowsPerPiece = 5_000

export function* requestsCsv(requests: readonly RequestRecord[]): Generator<string> {
  yield* csv(
    requestColumns.map(({ name }) => name),
    requests,
    (request) => requestColumns.map(({ of }) => of(request)),
  )
}

export function requestsParquet(requests: readonly RequestRecord[]): Uint8Array {
  const leaves: SchemaElement[] = requestColumns.map(({ name, parquet, isOptional }) => ({
    name,
    ...parquet,
    repetition_type: isOptional ? 'OPTIONAL' : 'REQUIRED',
  }))
  const buffer = parquetWriteBuffer({
    schema: [{ name: 'root', num_children: leaves.length }, ...leaves],
    columnData: requestColumns.map(({ name, of }) => ({ name, data: requests.map((request) => of(request) ?? null) })),
    createdBy: 'silkmesh',
  })
  return new Uint8Array(buffer)
}

export async function requestsFromParquet(bytes: Uint8Array): Promise<RequestRecord[]> {
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  if (!(file instanceof ArrayBuffer)) throw new TypeError('requests in shared memory, expected memory of their own')
  const rows = await parquetReadObjects({ file })
  return rows.map((row) => ({
    number: numberIn(row, 'number'),
    consumer: textIn(row, 'consumer'),
    provider: textIn(row, 'provider'),
    model: textIn(row, 'model'),
    arrivalMs: numberIn(row, 'arrival_ms'),
    firstTokenMs: row['first_token_ms'] === null ? undefined : numberIn(row, 'first_token_ms'),
    endMs: numberIn(row, 'end_ms'),
    outcome: outcomeIn(row),
    code: textIn(row, 'code'),
    promptTokens: numberIn(row, 'prompt_tokens'),
    completionTokens: numberIn(row, 'completion_tokens'),
    cachedTokens: numberIn(row, 'cached_tokens'),
    costNano: nanoIn(row, 'cost_nano'),
    attempts: numberIn(row, 'attempts'),
    failovers: numberIn(row, 'failovers'),
    isMeasured: row['is_measured'] === true,
  }))
}

/** Long format: a row a value, so that new metrics need no new column. */
export function* metricsCsv(series: readonly Sample[]): Generator<string> {
  yield* csv(metricColumns, series, ({ atMs, metric, subject, value }) => [
    atMs,
    metric,
    seriesMetricOf(metric)?.unit ?? '',
    subject,
    value,
  ])
}

const metricColumns = ['time_ms', 'metric', 'unit', 'subject', 'value']

export function seriesFromCsv(content: string): Sample[] {
  const [header, ...rows] = parseCsv(content)
  if (header?.join() !== metricColumns.join()) {
    throw new RangeError(`metrics.csv begins with "${header?.join().slice(0, 80)}", expected "${metricColumns.join()}"`)
  }
  return rows.map(([atMs = '', metric = '', _unit, subject = '', value = '']) => ({
    atMs: Number(atMs),
    metric,
    subject,
    value: Number(value),
  }))
}

function* csv<Row>(
  header: readonly string[],
  rows: readonly Row[],
  cells: (row: Row) => readonly Value[],
): Generator<string> {
  yield `${header.join()}\n`
  for (let at = 0; at < rows.length; at += rowsPerPiece) {
    const piece = rows.slice(at, at + rowsPerPiece)
    yield piece.map((row) => `${cells(row).map(cell).join()}\n`).join('')
  }
}

/** RFC 4180, with a bare newline after each row. */
function cell(value: Value): string {
  const plain = value === undefined ? '' : String(value)
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain
}

export function parseCsv(content: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  const token = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y
  while (token.lastIndex < content.length) {
    const line = rows.length + 1
    const match = token.exec(content)
    if (!match) throw new RangeError(`line ${line} is no CSV, expected quotes around cells that hold quotes`)
    const [, quoted, plain = '', end] = match
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'))
    if (end === ',') continue
    rows.push(row)
    row = []
  }
  return rows
}

type Row = Record<string, unknown>

function numberIn(row: Row, name: string): number {
  const value = row[name]
  if (typeof value !== 'number') throw wrong(row, name, 'a number')
  return value
}

function textIn(row: Row, name: string): string {
  const value = row[name]
  if (typeof value !== 'string') throw wrong(row, name, 'a text')
  return value
}

function nanoIn(row: Row, name: string): bigint {
  const value = row[name]
  if (typeof value !== 'bigint') throw wrong(row, name, 'an amount in nano')
  return value
}

function outcomeIn(row: Row): RequestRecord['outcome'] {
  const outcome = row['outcome']
  if (outcome === 'ok' || outcome === 'failed' || outcome === 'left' || outcome === 'lost') return outcome
  throw wrong(row, 'outcome', 'ok, failed, left or lost')
}

function wrong(row: Row, name: string, expected: string): RangeError {
  return new RangeError(`request ${String(row['number'])}: ${name} is ${String(row[name])}, expected ${expected}`)
}

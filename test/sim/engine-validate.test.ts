// The simulator's parts against what is known: queues with closed forms, a real engine's log, a real trace.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readEngineLog } from '../../sim/model/engine/log.ts'
import { readTrace } from '../../sim/trace.ts'
import { validateEngine } from '../../sim/validate/engine.ts'
import { erlangC, supermarketTime, validateErlang, validateQueue } from '../../sim/validate/queue.ts'
import { validateTrace } from '../../sim/validate/trace.ts'

const data = join(import.meta.dirname, '../../../shared/data')
const log = join(data, 'vllm-0.19_RTX4090_Llama-3.1-8B.jsonl')
const trace = join(data, 'AzureLLMInferenceTrace_code.csv')

const folder = mkdtempSync(join(tmpdir(), 'silkmesh-validate-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

describe('queues', () => {
  test('theory gives the published figures', () => {
    expect(supermarketTime(0.9, 1)).toBeCloseTo(10, 9)
    expect(supermarketTime(0.9, 2)).toBeCloseTo(2.614, 3)
    expect(supermarketTime(0.95, 2)).toBeCloseTo(3.383, 3)
    expect(erlangC(10, 0.8)).toBeCloseTo(0.409_18, 5)
  })

  test.each([
    [0.5, 1],
    [0.9, 2],
    [0.8, 4],
  ])('at a load of %d with %d choices the mean time is within two percent of theory', (lambda, choices) => {
    const { meanTimeInSystem, expected } = validateQueue({ lambda, choices, requests: 400_000 })
    expect(Math.abs(meanTimeInSystem / expected - 1)).toBeLessThan(0.02)
  })

  test('without choices it is the time of M/M/1', () => {
    const { meanTimeInSystem } = validateQueue({ lambda: 0.8, choices: 1, requests: 1_000_000 })
    expect(Math.abs(meanTimeInSystem / 5 - 1)).toBeLessThan(0.02)
  })

  test('ten servers let as many wait as Erlang says', () => {
    const { waitProbability } = validateErlang({ requests: 1_000_000 })
    expect(Math.abs(waitProbability / 0.409_18 - 1)).toBeLessThan(0.02)
  })

  test('an unstable queue and no choice are refused', () => {
    expect(() => validateQueue({ lambda: 1, choices: 2 })).toThrow('lambda is 1, expected above 0 and below 1')
    expect(() => validateQueue({ lambda: 0.9, choices: 0 })).toThrow('0 choices, expected a whole number from 1')
  })
})

describe('a real engine', () => {
  if (!existsSync(log)) console.warn(`skipped: the engine's log is absent (${log})`)

  test.skipIf(!existsSync(log))('the calibrated profile is within 5 % of the log in every figure', () => {
    const figures = validateEngine({ logPath: log, profile: 'rtx4090-llama3.1-8b' })
    expect(figures.logged.ttftMs.mean).toBeCloseTo(65_456.6, 1)
    expect(figures.logged.tpotMs.p99).toBeCloseTo(56, 1)
    expect(figures.logged.e2eMs.p90).toBeCloseTo(141_600.9, 1)
    expect(figures.worstError).toBeLessThan(0.05)
  })

  test.skipIf(!existsSync(log))('the data sheet alone is within 10 %', () => {
    expect(validateEngine({ logPath: log, profile: 'rtx4090-llama3.1-8b-spec' }).worstError).toBeLessThan(0.1)
  })

  test.skipIf(!existsSync(log))('an array holds what lines hold, in any order', () => {
    const lines = readFileSync(log, 'utf8').trim().split('\n').reverse()
    const array = file('log.json', `[${lines.join(',')}]`)
    const figures = validateEngine({ logPath: array, profile: 'rtx4090-llama3.1-8b' })
    expect(figures).toEqual(validateEngine({ logPath: log, profile: 'rtx4090-llama3.1-8b' }))
  })

  const line = {
    request_id: 'a',
    input_toks: 10,
    output_toks: 2,
    arrival_time: 1e9,
    queued_ts: 5,
    scheduled_ts: 5,
    first_token_ts: 5.1,
    last_token_ts: 5.2,
  }

  test('a log of one request is enough', () => {
    const path = file('log.jsonl', `${JSON.stringify(line)}\n\n`)
    const { logged, requests } = validateEngine({ logPath: path, profile: 'cpu-tiny' })
    expect(requests).toBe(1)
    expect(logged.ttftMs.p99).toBeCloseTo(100, 6)
    expect(logged.tpotMs.mean).toBeCloseTo(100, 6)
    expect(logged.e2eMs.p50).toBeCloseTo(200, 6)
  })

  test('a CSV with the same fields says the same, in any order and with others', () => {
    const names = ['last_token_ts', 'note', ...Object.keys(line).filter((name) => name !== 'last_token_ts')]
    const cells: Readonly<Record<string, unknown>> = { ...line, note: '"slow, they said"' }
    const csv = `\uFEFF${names.join(',')}\r\n${names.map((name) => cells[name]).join(',')}\r\n`
    expect(readEngineLog(file('log.csv', csv))).toEqual(
      readEngineLog(file('log.jsonl', `\uFEFF${JSON.stringify(line)}\r\n`)),
    )
  })

  test.each([
    ['10,two,1,5,5,6,7', ':2: output_toks is "two", expected a whole number from 1'],
    ['10,2,1,5,5,6', ':2: last_token_ts is absent, expected seconds, at least 6'],
  ])('a line %s of a CSV is refused, with file, line and field', (row, message) => {
    const header = 'input_toks,output_toks,arrival_time,queued_ts,scheduled_ts,first_token_ts,last_token_ts'
    const path = file('log.csv', `${header}\n${row}\n`)
    expect(() => readEngineLog(path)).toThrow(`${path}${message}`)
  })

  test.each([
    ['no tokens', { ...line, output_toks: 0 }, ':2: output_toks is 0, expected a whole number from 1'],
    [
      'a missing time',
      { ...line, first_token_ts: undefined },
      ':2: first_token_ts is absent, expected seconds, at least 5',
    ],
    [
      'an unfinished request',
      { ...line, last_token_ts: null },
      ':2: last_token_ts is null, expected seconds, at least 5.1',
    ],
    ['time running backwards', { ...line, last_token_ts: 4 }, ':2: last_token_ts is 4, expected seconds, at least 5.1'],
  ])('%s is refused, with file, line and field', (_, wrong, message) => {
    const path = file('log.jsonl', `${JSON.stringify(line)}\n${JSON.stringify(wrong)}\n`)
    expect(() => validateEngine({ logPath: path, profile: 'cpu-tiny' })).toThrow(`${path}${message}`)
  })

  test('a request that the profile has no room for is refused, not cut', () => {
    const path = file('log.jsonl', JSON.stringify({ ...line, input_toks: 511 }))
    expect(() => validateEngine({ logPath: path, profile: 'cpu-tiny' })).toThrow(
      'at most 512 together (contextTokens of cpu-tiny)',
    )
  })
})

describe('traces', () => {
  if (!existsSync(trace)) console.warn(`skipped: the trace is absent (${trace})`)

  test.skipIf(!existsSync(trace))(
    'the Azure trace has its published figures, and keeps them when replayed',
    async () => {
      const { rows, spanSeconds, interArrivalCv, meanContext, meanGenerated, replayed } = await validateTrace({
        csvPath: trace,
      })
      expect(rows).toBe(8_819)
      expect(spanSeconds).toBeCloseTo(3_435.948, 3)
      expect(interArrivalCv).toBeCloseTo(13.15, 2)
      expect(meanContext).toBeCloseTo(2_047.8, 1)
      expect(meanGenerated).toBeCloseTo(27.9, 1)
      expect(replayed.rows).toBe(8_819)
      expect(Math.abs(replayed.interArrivalCv / interArrivalCv - 1)).toBeLessThan(0.01)
    },
  )

  test('columns are found by name, rows sorted by time, fractions of seconds kept', () => {
    const path = file(
      'trace.csv',
      'GeneratedTokens,TIMESTAMP,ContextTokens\r\n7,2024-05-10 00:00:01.0000000+00:00,30\r\n5,2024-05-10 00:00:00.9995000+00:00,20\r\n',
    )
    const rows = readTrace(path)
    expect(rows.map(({ contextTokens, generatedTokens }) => [contextTokens, generatedTokens])).toEqual([
      [20, 5],
      [30, 7],
    ])
    expect(rows[1]?.atMs).toBeCloseTo(0.5, 3)
  })

  test.each([
    ['a column of numbers before and one with commas', '0,"a, ""b""",2024-05-10 00:00:00.5+02:00,20,5', '#,Model,'],
    ['all quoted, after empty lines', '"2024-05-10T00:00:00.500Z" , "20","5"', '\uFEFF\n\n'],
    ['an offset of hours alone and whole numbers with a point', '2024-05-10 00:00:00.500+02,20.0,5.0', ''],
  ])('reads %s', (_, line, before) => {
    const later = line.replace(':00.5', ':02.75')
    const path = file('trace.csv', `${before}TIMESTAMP,ContextTokens,GeneratedTokens\n${later}\n${line}\n`)
    const rows = readTrace(path)
    expect(rows).toEqual([
      { atMs: 0, contextTokens: 20, generatedTokens: 5 },
      { atMs: 2_250, contextTokens: 20, generatedTokens: 5 },
    ])
  })

  test('a file is read piece by piece: characters and lines that lie across two are whole', () => {
    const line = '2024-05-10 00:00:01,30,7,äöü€\n'
    const count = 60_000 // 1.9 MB
    const rows = readTrace(file('trace.csv', `TIMESTAMP,ContextTokens,GeneratedTokens,Note\n${line.repeat(count)}`))
    expect(rows).toHaveLength(count)
    expect(new Set(rows.map(({ contextTokens, generatedTokens }) => contextTokens + generatedTokens))).toEqual(
      new Set([37]),
    )
  })

  test.each([
    ['TIMESTAMP,ContextTokens\n', ':1: no column GeneratedTokens'],
    [
      'TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,1\n',
      ':2: TIMESTAMP is "yesterday", expected a date and time',
    ],
    ['TIMESTAMP,ContextTokens,GeneratedTokens\n1,1,1\n2,x,1\n', ':3: ContextTokens is "x", expected a whole number'],
    ['TIMESTAMP,ContextTokens,GeneratedTokens\n', ' has no rows, expected at least one request'],
    ['\n\n', ' is empty, expected a CSV file with TIMESTAMP,ContextTokens,GeneratedTokens'],
  ])('%j is refused, with file, line and column', (content, message) => {
    const path = file('trace.csv', content)
    expect(() => readTrace(path)).toThrow(`${path}${message}`)
  })
})

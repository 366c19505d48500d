// What a run leaves behind as files: complete, readable, equal for equal runs.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { peerIdOf } from '../../protocol/ids.ts'
import { nanoMax } from '../../protocol/money.ts'
import type { RunRecord } from '../../sim/record.ts'
import { parseCsv, requestsCsv, requestsFromParquet, requestsParquet, seriesFromCsv } from '../../sim/report/tables.ts'
import { traceOf } from '../../sim/report/trace.ts'
import { readRun, readSummary, writeReport, writeRun } from '../../sim/report/write.ts'
import { syntheticRun } from './synthetic-run.ts'

const small = { providers: 4, consumers: 6, requests: 60, durationMs: 600_000 }

const peerId = peerIdOf(new Uint8Array(32).fill(7))

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'silkmesh-report-'))
})
afterEach(() => rm(dir, { recursive: true }))

const content = (name: string) => readFile(join(dir, name), 'utf8')

describe('a written run', () => {
  test('is complete, and no unfinished file is left', async () => {
    await writeRun(dir, syntheticRun(small))
    expect((await readdir(dir)).sort()).toEqual([
      'manifest.json',
      'metrics.csv',
      'pace.json',
      'peers.json',
      'report.html',
      'requests.csv',
      'requests.parquet',
      'summary.json',
      'trace.json',
    ])
  })

  test('reads back as it was', async () => {
    const run = syntheticRun(small)
    await writeRun(dir, run)
    expect(await readRun(dir)).toEqual(run)
    const { manifest, summary, assertions, violations } = run
    expect(await readSummary(dir)).toEqual({ manifest, summary, assertions, violations })
  })

  test('of an equal run has the same bytes, whatever its pace', async () => {
    const run = syntheticRun(small)
    const compared = ['summary.json', 'metrics.csv', 'requests.csv', 'requests.parquet', 'report.html']
    await writeRun(dir, run)
    const first = await Promise.all(compared.map(content))
    await writeRun(dir, { ...syntheticRun(small), pace: { wallSeconds: 99 } })
    expect(await Promise.all(compared.map(content))).toEqual(first)
    await writeRun(dir, syntheticRun({ ...small, seed: 2 }))
    expect(await content('summary.json')).not.toBe(first[0])
  })

  test('without requests, series and peers reads back too', async () => {
    const { manifest, ...run } = syntheticRun(small)
    const none = { requests: [], series: [], peers: [], bands: [], summary: {}, assertions: [], pace: {} }
    const empty: RunRecord = { ...run, ...none, manifest: { ...manifest, isComplete: false } }
    await writeRun(dir, empty)
    expect(await readRun(dir)).toEqual(empty)
    expect(await content('report.html')).toContain('interrupted')
  })

  test('has its manifest last: where writing failed there is none', async () => {
    await writeRun(dir, syntheticRun(small))
    const failing = async function* () {
      yield* []
      throw new Error('the disk is full')
    }
    await expect(writeRun(dir, syntheticRun(small), { events: failing() })).rejects.toThrow('the disk is full')
    const left = await readdir(dir)
    expect(left).not.toContain('manifest.json')
    expect(left.filter((name) => name.endsWith('.part'))).toEqual([])
    await expect(readRun(dir)).rejects.toThrow(/no manifest\.json .*expected the folder of a finished run/)
  })

  test('drops the trace and the report of the run before it, and keeps events that were written beside it', async () => {
    await writeRun(dir, syntheticRun(small))
    await writeFile(join(dir, 'events.jsonl'), '{}\n')
    await writeRun(dir, syntheticRun(small), { trace: false, report: false })
    const left = await readdir(dir)
    expect(left).not.toContain('trace.json')
    expect(left).not.toContain('report.html')
    expect(left).toContain('events.jsonl')
    await writeReport(dir, await readRun(dir))
    expect(await content('report.html')).toContain('<!doctype html>')
  })

  test('has a line of JSON an event, amounts as decimals, and failed attempts in the trace', async () => {
    const heard = (tokensDelivered: number) => ({
      peer: 'consumer-1',
      atMs: 5,
      event: {
        type: 'attempt-failed',
        request: 'r',
        peer: peerId,
        code: 'unreachable',
        message: 'connection closed',
        tokensDelivered,
      } as const,
    })
    const signed = { type: 'credit-paused', request: 'r', peer: peerId, unpaidNano: 1n << 63n } as const
    await writeRun(dir, syntheticRun(small), {
      events: [heard(0), heard(3), { peer: 'provider-1', atMs: 6, event: signed }],
    })
    const lines = (await content('events.jsonl')).trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { atMs: 5, node: 'consumer-1', type: 'attempt-failed', peer: peerId, tokensDelivered: 0 },
      { atMs: 5, type: 'attempt-failed', tokensDelivered: 3 },
      { atMs: 6, node: 'provider-1', type: 'credit-paused', peer: peerId, unpaidNano: '9223372036854775808' },
    ])
    const { traceEvents } = JSON.parse(await content('trace.json')) as { traceEvents: { name: string; ph: string }[] }
    const marks = traceEvents.filter(({ ph, name }) => ph === 'i' && name.includes('unreachable'))
    expect(marks.map(({ name }) => name)).toEqual(['attempt failed: unreachable', 'failover: unreachable'])
  })

  test('of another schema is refused by name', async () => {
    await writeRun(dir, syntheticRun(small))
    await writeFile(join(dir, 'summary.json'), '{"schema": "silkmesh-sim-summary/9"}')
    await expect(readRun(dir)).rejects.toThrow('"silkmesh-sim-summary/9"')
  })
})

describe('requests', () => {
  const hostile = 'a "quoted", name\r\nof two lines'
  const requests = syntheticRun(small).requests.map((request, index) =>
    index === 0 ? { ...request, consumer: hostile, costNano: nanoMax, firstTokenMs: undefined } : request,
  )

  test('survive Parquet to the nano and to the microsecond', async () => {
    expect(await requestsFromParquet(requestsParquet(requests))).toEqual(requests)
  })

  test('survive CSV, quotes and line ends among them', () => {
    const [header = [], first = [], ...rest] = parseCsv([...requestsCsv(requests)].join(''))
    expect(rest).toHaveLength(requests.length - 1)
    expect(first[header.indexOf('consumer')]).toBe(hostile)
    expect(first[header.indexOf('cost_nano')]).toBe('18446744073709551615')
    expect(first[header.indexOf('first_token_ms')]).toBe('')
    expect(rest.map((row) => Number(row[header.indexOf('end_ms')]))).toEqual(
      requests.slice(1).map(({ endMs }) => endMs),
    )
  })
})

test('series of another format are refused', () => {
  expect(() => seriesFromCsv('a,b\n1,2\n')).toThrow(
    'metrics.csv begins with "a,b", expected "time_ms,metric,unit,subject,value"',
  )
  expect(() => parseCsv('a"b,c\n')).toThrow('line 1 is no CSV')
})

describe('the trace', () => {
  const run = syntheticRun({ ...small, requests: 400 })
  type Event = {
    ph: string
    pid: number
    tid: number
    ts: number
    dur: number
    name: string
    cat: string
    args: { name: string }
  }
  const parsed = (max?: number) =>
    JSON.parse([...traceOf(run, max === undefined ? {} : { requestsMax: max })].join('')) as {
      traceEvents: Event[]
      otherData: { shown: string }
    }

  test('has a process a peer, and faults', () => {
    const { traceEvents } = parsed()
    const processes = traceEvents
      .filter(({ ph, name }) => ph === 'M' && name === 'process_name')
      .map(({ args }) => args.name)
    expect(processes).toEqual(['mesh', ...run.peers.map(({ name, roles }) => `${name} (${roles.join(', ')})`)])
    expect(traceEvents.filter(({ cat }) => cat === 'fault').map(({ name }) => name)).toEqual(
      run.bands.map(({ label }) => label),
    )
  })

  test('has no two slices of one lane that overlap without one holding the other', () => {
    const lanes = Map.groupBy(
      parsed().traceEvents.filter(({ ph }) => ph === 'X'),
      ({ pid, tid }) => `${pid}/${tid}`,
    )
    expect(lanes.size).toBeGreaterThan(run.peers.length)
    for (const slices of lanes.values()) {
      const whole = slices.filter(({ name }) => name.startsWith('request')).sort((a, b) => a.ts - b.ts)
      for (const [index, { ts }] of whole.entries()) {
        const before = whole[index - 1]
        if (before) expect(ts).toBeGreaterThanOrEqual(before.ts + before.dur - 1e-6)
      }
    }
  })

  test('is thinned out to its limit, failures kept', () => {
    const { traceEvents, otherData } = parsed(100)
    const shown = traceEvents.filter(
      ({ ph, cat, name }) => ph === 'X' && cat === 'request' && name.startsWith('request'),
    )
    expect(shown.length).toBeLessThanOrEqual(100)
    expect(shown.filter(({ name }) => name.endsWith('failed'))).toHaveLength(
      run.requests.filter(({ outcome }) => outcome === 'failed').length,
    )
    expect(otherData.shown).toMatch(/^\d+ of 400 requests$/)
  })
})

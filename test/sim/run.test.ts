// Runs of the `model` tier by the command line: equal twice, whole in spite of faults, readable when cut short; and what a
// mistake in the command looks like.

import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readRun } from '../../sim/report/write.ts'

const root = join(import.meta.dirname, '../..')
const main = join(root, 'sim/cli/main.ts')
const scenario = join(import.meta.dirname, 'run.yaml')
const dir = mkdtempSync(join(tmpdir(), 'silkmesh-sim-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function sim(...words: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...words], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    })
  })
}

const outOf = (name: string): string => join(dir, name, 'run-5-model')
const fileOf = (name: string, file: string): string => readFileSync(join(outOf(name), file), 'utf8')

describe('a small run with every kind of fault', () => {
  beforeAll(async () => {
    const ended = await Promise.all(
      ['first', 'again'].map((name) => sim('run', scenario, '--quiet', '--out', join(dir, name))),
    )
    expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual([
      { code: 0, stderr: '' },
      { code: 0, stderr: '' },
    ])
  }, 120_000)

  test.each(['summary.json', 'metrics.csv', 'requests.csv', 'peers.json', 'manifest.json'])(
    'leaves the same %s twice, byte for byte',
    (file) => {
      expect(fileOf('again', file)).toBe(fileOf('first', file))
    },
  )

  test('ends whole, without a violation, and with most requests answered', async () => {
    const { manifest, summary, violations } = await readRun(outOf('first'))
    expect(violations).toEqual([])
    expect(manifest.isComplete).toBe(true)
    expect(summary['requests']).toBeGreaterThan(40)
    expect(summary['successRate']).toBeGreaterThan(0.9)
  })

  test('settles what was paid, and spends none of it twice', async () => {
    const { summary } = await readRun(outOf('first'))
    expect(summary['settledGram']).toBeGreaterThan(0.5 * (summary['spentGram'] ?? 0))
    expect(summary['settlements']).toBeGreaterThan(0)
    expect(summary['doubleSpends']).toBe(0)
    expect(summary['exposureNanoMax']).toBeLessThanOrEqual(summary['windowNano'] ?? 0)
  })

  test('shows in its report when what went wrong', async () => {
    const { bands } = await readRun(outOf('first'))
    expect(bands.map(({ label, fromMs, toMs }) => [label, Math.round(fromMs), Math.round(toMs)])).toEqual([
      ['crash provider-1', 15_000, 25_000],
      ['freeze provider-2', 20_000, 23_000],
      ['crash consumer-0', 26_000, 31_000],
      ['leave provider-3', 30_000, 38_000],
      ['partition eu | *', 34_000, 42_000],
      ['chain down', 45_000, 53_000],
    ])
  })

  test('stays where it is when it is run again up to some time', async () => {
    const { stdout } = await sim('run', scenario, '--quiet', '--out', join(dir, 'first'), '--until', '3s')
    const part = join(dir, 'first', 'run-5-model-until-3s')
    expect(stdout).toContain(join(part, 'report.html'))
    const [cut, whole] = [await readRun(part), await readRun(outOf('first'))]
    expect(cut.manifest.isComplete).toBe(false)
    expect(whole.manifest.isComplete).toBe(true)
    // what is to hold at the end is not asked of a run that did not come to it
    expect(whole.assertions.map(({ text }) => text)).toEqual(['conservation', 'unsettledGram <= 0.1 GRAM'])
    expect(cut.assertions.map(({ text }) => text)).toEqual(['conservation'])
  }, 60_000)

  test('tells how long was waited for slots and providers, and who knew whom', async () => {
    const { peers, summary } = await readRun(outOf('first'))
    expect(summary['queueMsP99']).toBeGreaterThan(0)
    expect(summary['discoveryMsP50']).toBeGreaterThan(0)
    expect(summary['advertStalenessMs']).toBeGreaterThan(0)
    const connections = new Map(peers.map((peer) => [peer.name, peer.connections]))
    expect(connections.get('bootstrap-0')).toContain('consumer-0')
    expect(connections.get('consumer-0')).toContain('bootstrap-0')
  })
})

test('what is served stays after the run, as its report, until Ctrl-C', async () => {
  const words = [main, 'serve', scenario, '--port', '0', '--until', '5s', '--out', join(dir, 'served')]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  let said = ''
  let url: string | undefined
  for await (const piece of child.stderr) {
    said += String(piece)
    url = /the report stays at (\S+) until Ctrl-C/.exec(said)?.[1]
    if (url !== undefined) break
  }
  const page = await (await fetch(url ?? expect.unreachable(said))).text()
  expect(page).toBe(readFileSync(join(dir, 'served', 'run-5-model-until-5s', 'report.html'), 'utf8'))
  child.kill('SIGINT')
  expect(await ended).not.toBe(130) // the run's own verdict
}, 60_000)

test('a run that is interrupted leaves what it saw, readable', async () => {
  const day = join(dir, 'day.yaml')
  writeFileSync(day, readFileSync(scenario, 'utf8').replace('duration: 60s', 'duration: 24h'))
  const child = spawn(process.execPath, [main, 'run', day, '--out', join(dir, 'cut')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  await new Promise((resolve) => child.stderr.once('data', resolve)) // its first line of progress
  const code = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGINT')
  expect(await code).toBe(130)
  const { manifest, series } = await readRun(outOf('cut'))
  expect(manifest.isComplete).toBe(false)
  expect(series.length).toBeGreaterThan(0)
}, 60_000)

test.each([
  [['kademlia', '--k', '20', '--n', '100'], ['meanHops']],
  [
    ['gossip', '--n', '20', '--degree', '6', '--size', '100', '--latency', '10', '--validation', '1'],
    ['meanMs', 'p50Ms', 'p95Ms', 'p99Ms'],
  ],
])('validate %j prints as JSON the figures it promises, and no other', async (words, names) => {
  const { code, stdout } = await sim('validate', ...words, '--json')
  expect(code).toBe(0)
  expect(Object.keys(JSON.parse(stdout))).toEqual(names)
})

describe('a mistake in the command is one line and exit code 2:', () => {
  test.each([
    ['a scenario that is not there', ['run', 'nowhere.yaml'], 'nowhere.yaml: cannot be read'],
    ['a seed that is none', ['run', scenario, '--seed', 'x'], '--seed x, expected a whole number'],
    ['a tier that is none', ['run', scenario, '--tier', 'moon'], 'Allowed choices are model, libp2p, process'],
    ['a time that is none', ['run', scenario, '--until', 'soon'], 'expected a duration'],
    [
      'a value for another part',
      ['validate', 'kademlia', '--k', '20', '--n', '100', '--lambda', '0.9'],
      'validate kademlia takes no --lambda, expected --k, --n',
    ],
    ['a command that is none', ['dance'], "unknown command 'dance'"],
    ['a folder without a run', ['replay', join(tmpdir(), 'nowhere')], 'expected the folder of a run'],
  ])('%s', async (_what, words, message) => {
    const { code, stderr, stdout } = await sim(...words)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(stderr).toContain(message)
  })
})

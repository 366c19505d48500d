// The report as a page: everything inside, nothing from elsewhere, and no name of a peer is ever markup.

import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RunRecord } from '../../sim/record.ts'
import { reportPage } from '../../sim/report/html.ts'
import { evenly, pageDataOf } from '../../sim/report/page-data.ts'
import { inlineJson } from '../../sim/report/shell.ts'
import { sweepOf, writeSweepReport } from '../../sim/report/sweep.ts'
import { flowOf, topologyOf } from '../../sim/report/topology.ts'
import { syntheticRun } from './synthetic-run.ts'

const run = syntheticRun({ providers: 6, consumers: 9, requests: 300, durationMs: 600_000 })

/** Outside of scripts, which name namespaces and hold code for loading what is never loaded, and of their digests. */
const markupOf = (page: string) => page.replace(/<script>[\s\S]*?<\/script>|'sha256-[^']*'/g, '')

describe('a page', () => {
  test('asks no other place for anything, and forbids itself to', async () => {
    const page = await reportPage(run)
    expect(markupOf(page)).not.toMatch(/https?:|\/\/[a-z]|@import|\burl\(|<(?:img|iframe|object|embed|base)\b|\ssrc=/i)
    expect(page.match(/<link[^>]*>/g)).toEqual(['<link rel="icon" href="data:,">'])
    // what libraries name beside namespaces would be a place to ask
    const addresses = page.match(/https?:\/\/[^\s"'`)]+/g) ?? []
    expect(addresses.filter((address) => !address.startsWith('http://www.w3.org/'))).toEqual([])
    expect(page).toContain("default-src 'none'")
  })

  test('lets its own scripts run, and these only', async () => {
    const page = await reportPage(run)
    const policy = /script-src ([^;]*);/.exec(page)?.[1]?.split(' ')
    const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(
      ([, source = '']) => `'sha256-${createHash('sha256').update(source).digest('base64')}'`,
    )
    expect(scripts).toHaveLength(6)
    expect(policy).toEqual(scripts)
  })

  test('shows hostile names as text', async () => {
    const name = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'
    const hostile: RunRecord = {
      ...run,
      manifest: { ...run.manifest, question: name, scenario: `'"${name}`, versions: { [name]: name } },
      peers: run.peers.map((peer) => ({ ...peer, group: name, region: name })),
      requests: run.requests.map((request) => ({
        ...request,
        consumer: name,
        model: name,
        code: request.code && name,
      })),
      assertions: [{ text: name, holds: false, value: name }],
      violations: [{ check: name, atMs: 1, message: name }],
      bands: [{ label: name, fromMs: 0, toMs: 9 }],
    }
    const page = await reportPage(hostile, { command: name })
    const plain = await reportPage(run)
    const count = (text: string, part: string) => text.split(part).length - 1
    expect(count(page, '<script')).toBe(count(plain, '<script'))
    expect(count(page, '</script')).toBe(count(plain, '</script'))
    expect(page).not.toContain('<img')
    expect(page).not.toMatch(/onerror="/)
    expect(page).toContain('&#60;/script&#62;')
    const data = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)?.[1] ?? ''
    expect(JSON.parse(data)).toMatchObject({ bands: [{ label: name }] })
  })

  test('says what was asked, how to run it again, and what failed', async () => {
    const page = await reportPage(
      { ...run, violations: [{ check: 'conservation', atMs: 61_000, message: 'one nano came from nowhere' }] },
      { command: 'npm run sim -- replay out/synthetic' },
    )
    expect(page).toContain(`<h1>${run.manifest.question}</h1>`)
    expect(page).toContain('npm run sim -- replay out/synthetic</code>')
    expect(page).toContain('one nano came from nowhere')
    expect(page).toContain('at 1:01')
    expect(markupOf(page)).toContain('class="verdict bad"')
  })

  test('is good only when it is complete and everything holds', async () => {
    const assertions = run.assertions.map((assertion) => ({ ...assertion, holds: true }))
    expect(markupOf(await reportPage({ ...run, assertions }))).toContain('class="verdict good"')
    const cut = { ...run, assertions, manifest: { ...run.manifest, isComplete: false } }
    expect(markupOf(await reportPage(cut))).toContain('class="verdict open"')
  })

  test('says where nothing was recorded instead of drawing nothing', async () => {
    const empty = {
      ...run,
      requests: [],
      series: [],
      peers: [],
      bands: [],
      summary: {},
      assertions: [],
      violations: [],
    }
    const page = markupOf(await reportPage(empty))
    expect(page).toContain('Nothing was recorded for this.')
    expect(page).toContain('No request was measured')
    expect(page).not.toContain('data-plot="ttft"')
    expect(page).not.toMatch(/>(?:NaN|undefined|null)/)
  })
})

test('JSON in a page ends no script and starts no comment', () => {
  const value = { text: '</script><!--\u2028\u2029' }
  expect(inlineJson(value)).not.toMatch(/[<>\u2028\u2029]/)
  expect(JSON.parse(inlineJson(value))).toEqual(value)
})

describe('a page’s data', () => {
  test('of a large run stays under 2 MB of page, and says what was left out', async () => {
    const requests = Array.from({ length: 60 }, () => run.requests).flat()
    const series = Array.from({ length: 20 }, (_, copy) =>
      run.series.map((sample) => ({ ...sample, subject: sample.subject && `${sample.subject}-${copy}` })),
    ).flat()
    const connected = Array.from({ length: 900 }, (_, index) => ({
      ...(run.peers[index % 15] ?? expect.unreachable()),
      name: `peer-${index}`,
      connections: [`peer-${(index + 7) % 900}`],
    }))
    const large = { ...run, requests, series, peers: connected }
    const page = await reportPage(large)
    expect(page.length).toBeLessThan(2_000_000)
    const { notes, dots, heat, topology } = pageDataOf(large)
    expect(dots.length).toBeLessThanOrEqual(2500)
    expect(heat.rows).toHaveLength(48)
    expect(topology.nodes).toHaveLength(0)
    expect(topology.connections).toBe(900)
    expect(notes).toHaveLength(3)
    for (const note of notes) expect(page).toContain(note)
  })

  test('counts each request once, and those under way while they are', () => {
    const { traffic } = pageDataOf(run)
    const total = (column: 1 | 2) => traffic.rows.reduce((sum, row) => sum + row[column], 0)
    expect(total(1)).toBe(run.requests.filter(({ outcome }) => outcome === 'ok').length)
    expect(total(2)).toBe(run.requests.filter(({ outcome }) => outcome === 'failed').length)
    const [fromMs = 0, , , active] = traffic.rows[30] ?? []
    const middle = fromMs + traffic.binMs / 2
    expect(active).toBe(run.requests.filter(({ arrivalMs, endMs }) => arrivalMs <= middle && endMs > middle).length)
  })

  test('has curves that rise from 0 to 1, one for all and one a model', () => {
    const { ttft } = pageDataOf(run)
    expect(ttft.map(({ key }) => key)).toEqual(['all', 'llama-3.1-8b', 'llama-2-70b'])
    for (const { points } of ttft) {
      expect([points[0]?.[1], points.at(-1)?.[1]]).toEqual([0, 1])
      expect(points.map(([ms]) => ms)).toEqual(points.map(([ms]) => ms).toSorted((a, b) => a - b))
    }
  })

  test('draws a connection once though both ends have it', () => {
    const [a, b] = run.peers
    if (!a || !b) return expect.unreachable()
    const topology = topologyOf(
      [
        { ...a, connections: [b.name] },
        { ...b, connections: [a.name, 'gone'] },
      ],
      [],
    )
    expect(topology.connections).toBe(1)
    expect(topology.nodes.map(({ degree }) => degree)).toEqual([1, 1])
  })

  test('has all that was paid in its flow', () => {
    const paid = run.requests.reduce((sum, { costNano }) => sum + Number(costNano), 0) / 1e9
    expect(flowOf(run).links.reduce((sum, [, , amount]) => sum + amount, 0)).toBeCloseTo(paid, 9)
  })

  test('is picked evenly, ends included', () => {
    const items = Array.from({ length: 101 }, (_, index) => index)
    expect(evenly(items, 5)).toEqual([0, 25, 50, 75, 100])
    expect(evenly([1, 2], 5)).toEqual([1, 2])
  })
})

describe('a sweep', () => {
  const shape = { providers: 3, consumers: 3, requests: 30, durationMs: 60_000 }
  const runs = [1000, 100].flatMap((count) =>
    ['p2c', 'random'].flatMap((policy) =>
      [2, 1].map((seed) =>
        syntheticRun({ ...shape, seed, slowerMs: count, source: { name: 'x', seed, population: [{ count, policy }] } }),
      ),
    ),
  )
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'silkmesh-sweep-'))
  })
  afterEach(() => rm(dir, { recursive: true }))

  test('finds what was swept, and puts seeds of one point together, in order', () => {
    const { parameters, points } = sweepOf(runs)
    expect(parameters).toEqual(['population[0].count', 'population[0].policy'])
    expect(points.map(({ values, runs: of }) => [...values, of.map(({ manifest }) => manifest.seed)])).toEqual([
      [100, 'p2c', [1, 2]],
      [100, 'random', [1, 2]],
      [1000, 'p2c', [1, 2]],
      [1000, 'random', [1, 2]],
    ])
  })

  test('leaves a page and a table with intervals over seeds', async () => {
    await writeSweepReport(dir, runs)
    const page = await readFile(join(dir, 'report.html'), 'utf8')
    expect(markupOf(page)).not.toMatch(/https?:|\ssrc=/)
    expect(page).toContain('data-plot="ttftMsP50"')
    const { points } = JSON.parse(await readFile(join(dir, 'sweep.json'), 'utf8')) as {
      points: { metrics: Record<string, { low: number; mean: number; high: number; count: number }> }[]
    }
    const { low, mean, high, count } = points[0]?.metrics['ttftMsP50'] ?? expect.unreachable()
    expect(count).toBe(2)
    expect(low).toBeLessThan(mean)
    expect(high - mean).toBeCloseTo(mean - low, 6)
  })

  test('of no finished run says so', async () => {
    await writeSweepReport(dir, [])
    expect(await readFile(join(dir, 'report.html'), 'utf8')).toContain('No run of this sweep has finished.')
  })

  test('of seeds alone is one point', () => {
    expect(sweepOf(runs.slice(0, 2))).toMatchObject({ parameters: [], points: [{ values: [] }] })
  })
})

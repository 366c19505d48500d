// The simulator measured: each part is a command that anybody can run by itself, in a process of its own.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

type Figures = Readonly<Record<string, unknown>>

const parts: Readonly<Record<string, () => Figures>> = {
  /** From an installed checkout to a report on disk. */
  'first-report': () =>
    withOut((out) => ({ seconds: timed(() => sim('run', 'sim/scenarios/smoke.yaml', '--out', out)) })),
  events: () => withOut((out) => paceOf(sim('run', 'sim/scenarios/events.yaml', '--out', out))),
  'peers-10k': () => withOut((out) => paceOf(sim('run', 'sim/scenarios/market-10k.yaml', '--out', out))),
  'coarse-100k': () => withOut((out) => paceOf(sim('run', 'sim/scenarios/market-100k-coarse.yaml', '--out', out))),
  'dht-1m': () => sim('dht', '--peers', '1000000'),
  'noise-1000': () => node('sim/libp2p/scale.ts', '--peers', '1000', '--json'),
  'determinism-model': () => repeated('model', 'test/sim/run.yaml', 100),
  'determinism-libp2p': () => repeated('libp2p', 'test/sim/run.yaml', 10),
  seeds: () =>
    withOut((out) => {
      const { failed, runs } = sim('sweep', 'sim/scenarios/swarm.yaml', '--seeds', '0..499', '--out', out)
      return { runs, clean: Number(runs) - (failed as readonly unknown[]).length }
    }),
  'xval-50': () => tiersOf('xval-50', 'model,libp2p'),
  'xval-200': () => tiersOf('xval-200', 'model,libp2p'),
  'xval-20': () => tiersOf('xval-20', 'libp2p,process'),
  'xval-1000': () => tiersOf('xval-1000', 'model,coarse'),
}

export async function measure(wanted: readonly string[]): Promise<Figures> {
  const unknown = wanted.filter((name) => !(name in parts))
  if (unknown.length > 0)
    throw new RangeError(`no part ${unknown.join(', ')}, expected ${Object.keys(parts).join(', ')}`)
  const figures: Record<string, unknown> = {}
  for (const [name, part] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    process.stderr.write(`${name} …\n`)
    figures[name] = part()
  }
  return figures
}

/** Fresh processes with one seed: how many left the very same bytes. */
function repeated(tier: string, scenario: string, times: number): Figures {
  const hashes = new Map<string, number>()
  for (let run = 0; run < times; run += 1) {
    withOut((out) => {
      const { dir } = sim('run', scenario, '--tier', tier, '--out', out)
      const hash = createHash('sha256')
      for (const file of ['summary.json', 'metrics.csv', 'requests.csv'])
        hash.update(readFileSync(join(String(dir), file)))
      const digest = hash.digest('hex')
      hashes.set(digest, (hashes.get(digest) ?? 0) + 1)
      return {}
    })
  }
  return { runs: times, equal: Math.max(...hashes.values()) }
}

function tiersOf(scenario: string, tiers: string): Figures {
  return withOut((out) => {
    const { ok, rows } = sim('xval', `sim/scenarios/${scenario}.yaml`, '--tiers', tiers, '--out', out)
    return { ok, tiers, figures: (rows as readonly Figures[]).map(({ name, left, right }) => ({ name, left, right })) }
  })
}

function paceOf({ ok, pace, summary }: Figures): Figures {
  return { ok, ...(pace as object), peers: (summary as Figures)['peers'], requests: (summary as Figures)['requests'] }
}

function sim(...words: readonly string[]): Figures {
  return node('sim/cli/main.ts', ...words, '--json', '--quiet')
}

/** What the command's last line says. */
function node(...words: readonly string[]): Figures {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--max-old-space-size=16000', ...words], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  const last = stdout.trim().split('\n').at(-1) ?? ''
  if (!last.startsWith('{')) throw new Error(`${words.join(' ')} ended with ${status}: ${stderr.slice(-2_000)}`)
  return JSON.parse(last) as Figures
}

function timed(work: () => unknown): number {
  const startMs = performance.now()
  work()
  return Math.round(performance.now() - startMs) / 1_000
}

function withOut<T>(work: (out: string) => T): T {
  const out = mkdtempSync(join(tmpdir(), 'silkmesh-bench-'))
  try {
    return work(out)
  } finally {
    rmSync(out, { recursive: true })
  }
}

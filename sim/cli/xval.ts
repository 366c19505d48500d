// `sim xval`: one scenario in two tiers. They must agree, or one of them is wrong.

import { fork } from 'node:child_process'
import { join } from 'node:path'
import { readSummary } from '../report/write.ts'
import { loadScenario } from '../scenario/load.ts'
import { plansOf } from '../scenario/plan.ts'
import type { Tier } from '../world.ts'
import { round, wholeNumber } from './run.ts'
import { progressLine, table, UsageError, warn } from './terminal.ts'
import type { Job, JobDone } from './worker.ts'

/** How far two tiers may be apart, by figure. */
const tolerances: readonly (readonly [name: string, what: string, isWithin: (a: number, b: number) => boolean])[] = [
  ['successRate', 'within 0.5 points', (a, b) => Math.abs(a - b) <= 0.005],
  ['ttftMsP50', 'within 10 %', within(0.1)],
  ['gossipMsP50', 'within 10 %', within(0.1)],
  ['gossipMsP95', 'within 10 %', within(0.1)],
  ['dhtMeanHops', 'within 0.3', (a, b) => Math.abs(a - b) <= 0.3],
  ['vouchers', 'equal', (a, b) => a === b],
  ['spentGram', 'equal', (a, b) => a === b],
  ['settledGram', 'equal', (a, b) => a === b],
]

/** The coarse mode makes no connections, and adds up what it counts in another order. */
const ofCoarse: typeof tolerances = [
  ['successRate', 'within 0.5 points', (a, b) => Math.abs(a - b) <= 0.005],
  ['ttftMsP50', 'within 10 %', within(0.1)],
  ['tpotMsP50', 'within 10 %', within(0.1)],
  ['e2eMsP50', 'within 10 %', within(0.1)],
  ['spentGram', 'within 5 %', within(0.05)],
  ['goodputTokensPerSecond', 'within 5 %', within(0.05)],
]

/** Real processes tell nothing of gossip and hops, and share one machine's processors: what money and requests did must agree. */
const ofProcess = new Set(['successRate', 'spentGram', 'settledGram', 'vouchers', 'ttftMsP50'])

export interface XvalFlags {
  readonly tiers: string
  readonly seed?: string
  readonly out: string
  readonly json?: boolean
  readonly quiet?: boolean
}

export async function xval(file: string, flags: XvalFlags): Promise<void> {
  const tiers = flags.tiers.split(',')
  if (tiers.length !== 2 || !tiers.every((tier) => ['model', 'coarse', 'libp2p', 'process'].includes(tier))) {
    throw new UsageError(`--tiers ${flags.tiers}, expected two of model, coarse, libp2p, process: such as model,libp2p`)
  }
  const scenario = loadScenario(file)
  warn(scenario.warnings)
  const [first] = plansOf(scenario)
  if (!first) throw new UsageError(`${file} has no seed to run`)
  const seed = flags.seed === undefined ? first.seed : wholeNumber('--seed', flags.seed)
  const line = progressLine(flags.quiet === true)
  const dirs: string[] = []
  for (const tier of tiers) {
    line.note(`${first.scenario.name}, seed ${seed}: ${tier} tier`)
    const job: Job = {
      file,
      at: 0,
      seed,
      seeds: String(seed),
      tier: tier as Tier | 'coarse',
      out: join(flags.out, `xval-${first.scenario.name}-${tier}`),
    }
    const { dir, error, violations } = await inOwnProcess(job)
    if (dir === undefined) throw new Error(`the ${tier} tier failed: ${error}`)
    for (const { check, message } of violations) line.note(`${tier}: violation ${check}: ${message}`)
    dirs.push(dir)
  }
  const [a, b] = (await Promise.all(dirs.map(readSummary))).map(({ summary }) => summary)
  const known = tiers.includes('coarse')
    ? ofCoarse
    : tolerances.filter(([name]) => !tiers.includes('process') || ofProcess.has(name))
  const rows = known.map(([name, what, isWithin]) => {
    const [left, right] = [a?.[name], b?.[name]]
    const agrees = left !== undefined && right !== undefined && isWithin(left, right)
    return { name, left, right, tolerance: what, agrees }
  })
  const ok = rows.every(({ agrees }) => agrees)
  if (flags.json)
    process.stdout.write(`${JSON.stringify({ ok, scenario: first.scenario.name, seed, tiers, rows, dirs })}\n`)
  else {
    const shown = rows.map(({ agrees, left, name, right, tolerance }) => [
      agrees ? '✓' : '✗',
      name,
      text(left),
      text(right),
      tolerance,
    ])
    process.stdout.write(`${table([['', 'figure', ...tiers, 'tolerance'], ...shown])}\n`)
  }
  if (!ok) process.exitCode = 1
}

function text(value: number | undefined): string {
  return value === undefined ? 'not told' : String(round(value))
}

function within(share: number): (a: number, b: number) => boolean {
  return (a, b) => Math.abs(a - b) <= share * Math.max(Math.abs(a), Math.abs(b))
}

/** A tier of its own process: one of them fakes every timer. */
function inOwnProcess(job: Job): Promise<JobDone> {
  return new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, 'worker.ts'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    child.on('message', (done) => {
      resolve(done as JobDone)
      child.disconnect()
    })
    child.on('exit', (code, by) => reject(new Error(`the process of the run ended with ${by ?? code}`)))
    child.send(job)
  })
}

// `sim run`, `sim serve`, `sim replay`: one run, its progress, its report, its verdict.

import { createWriteStream, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execute } from '../execute.ts'
import type { Manifest, RunRecord } from '../record.ts'
import { serveLive } from '../report/serve.ts'
import { eventLine, writeRun } from '../report/write.ts'
import { loadScenario, scenarioOf } from '../scenario/load.ts'
import { plansOf } from '../scenario/plan.ts'
import type { Scenario } from '../scenario/scenario.ts'
import { durationMsOf } from '../scenario/units.ts'
import type { Heard, Tier } from '../world.ts'
import { progressLine, table, UsageError, untilStopped, warn } from './terminal.ts'

export interface RunFlags {
  readonly tier?: Tier
  readonly out: string
  readonly seed?: string
  readonly until?: string
  readonly events?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
  readonly serve?: boolean
  readonly port?: string
}

export async function run(file: string, flags: RunFlags): Promise<void> {
  const scenario = loadScenario(file)
  warn(scenario.warnings)
  const [first] = plansOf(scenario)
  if (!first) throw new UsageError(`${file} has no seed to run`)
  const seed = flags.seed === undefined ? first.seed : wholeNumber('--seed', flags.seed)
  await carry(first.scenario, seed, flags)
}

export async function replay(dir: string, flags: RunFlags): Promise<void> {
  const manifest = manifestIn(dir)
  await carry(scenarioOf(manifest.source, join(dir, 'manifest.json')), manifest.seed, {
    ...flags,
    ...(manifest.tier === 'coarse' ? {} : { tier: flags.tier ?? manifest.tier }),
  })
}

export function manifestIn(dir: string): Manifest {
  const expected =
    'expected the folder of a run, such as `npm run sim -- run sim/scenarios/smoke.yaml` makes and prints'
  const path = join(dir, 'manifest.json')
  if (!existsSync(dir)) throw new UsageError(`no folder ${dir}: ${expected}`)
  if (!existsSync(path))
    throw new UsageError(`no manifest.json in ${dir}, where a run that was finished has one: ${expected}`)
  const manifest = jsonIn(path) as Partial<Manifest> | null | undefined
  if (typeof manifest?.source === 'object' && typeof manifest.seed === 'number') return manifest as Manifest
  throw new UsageError(`${path} is of no run, as it names no scenario and seed: ${expected}`)
}

/** Undefined where it cannot be read. */
function jsonIn(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

async function carry(scenario: Scenario, seed: number, flags: RunFlags): Promise<void> {
  const tier = flags.tier ?? scenario.tier
  const signal = untilStopped()
  const line = progressLine(flags.quiet === true)
  const untilMs = flags.until === undefined ? undefined : durationMsOf(flags.until)
  const dir = join(
    flags.out,
    runName(scenario, seed, tier) + (flags.until === undefined ? '' : `-until-${flags.until}`),
  )
  const live = flags.serve
    ? await serveLive({
        port: wholeNumber('--port', flags.port ?? '0'),
        title: scenario.name,
        question: scenario.question,
      })
    : undefined
  if (live) line.note(`live at ${live.url}`)
  const isCoarse = scenario.mode === 'coarse'
  if (flags.events && isCoarse) warn(['--events: no node says anything in mode coarse, so there is no events.jsonl'])
  const events = flags.events && !isCoarse ? eventLog(dir) : undefined
  const record = await execute(scenario, seed, tier, {
    signal,
    untilMs,
    progress: (state) => {
      line.show(state)
      live?.push(state)
    },
    heard: events?.heard,
  })
  line.clear()
  await events?.close()
  await writeRun(dir, record)
  conclude(record, dir, flags)
  if (!live) return
  if (!signal.aborted) {
    live.finished(readFileSync(join(dir, 'report.html'), 'utf8'))
    line.note(`the report stays at ${live.url} until Ctrl-C`)
    const { exitCode } = process // of the run: Ctrl-C is how this ends
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    process.exitCode = exitCode
  }
  await live.close()
}

/** `<scenario>-<seed>-<tier>`: a second run of the same replaces the first, which it equals. */
function runName(scenario: Scenario, seed: number, tier: Tier): string {
  return `${scenario.name}-${seed}-${scenario.mode === 'coarse' ? 'coarse' : tier}`
}

function conclude(record: RunRecord, dir: string, { json }: RunFlags): void {
  const { assertions, manifest, pace, summary, violations } = record
  const isGood = violations.length === 0 && assertions.every(({ holds }) => holds)
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ ok: isGood, dir, manifest: { ...manifest, source: undefined }, summary, assertions, violations, pace })}\n`,
    )
  } else {
    process.stdout.write(`${verdict(record, dir)}\n`)
  }
  for (const { atMs, check, message } of violations.slice(0, 10)) {
    process.stderr.write(
      `violation ${check}: seed ${manifest.seed}, commit ${manifest.commit}, at ${(atMs / 1_000).toFixed(3)} s: ${message}\n` +
        `  npm run sim -- replay ${dir} --until ${Math.ceil(atMs)}ms --events\n`,
    )
  }
  if (!isGood && process.exitCode === undefined) process.exitCode = 1
}

function verdict({ assertions, manifest, pace, summary, violations }: RunRecord, dir: string): string {
  const shown = [
    'requests',
    'successRate',
    'ttftMsP50',
    'ttftMsP99',
    'tpotMsP50',
    'e2eMsP50',
    'failovers',
    'spentGram',
    'settledGram',
    'feesGram',
  ]
  const rows = shown.flatMap((name) => (summary[name] === undefined ? [] : [[name, String(round(summary[name]))]]))
  const marks = assertions.map(({ holds, text, value }) => `${holds ? '✓' : '✗'} ${text}: ${value}`)
  const whole = manifest.isComplete ? '' : ' (cut short)'
  return [
    `${manifest.scenario}, seed ${manifest.seed}, ${manifest.tier} tier${whole}: ${violations.length} violations`,
    table(rows),
    ...marks,
    `${round(pace['wallSeconds'] ?? 0)} s, ${Math.round(pace['timesRealTime'] ?? 0)}× real time, ${Math.round(pace['eventsPerCoreSecond'] ?? 0)} events a core-second, ${Math.round((pace['rssBytes'] ?? 0) / 2 ** 20)} MiB`,
    `report: ${join(dir, 'report.html')}`,
  ].join('\n')
}

export function round(value: number): number {
  return Number(value.toPrecision(5))
}

export function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new UsageError(`${name} ${text}, expected a whole number`)
  return Number(text)
}

/** Everything that was said, as JSON lines, written as it comes. */
function eventLog(dir: string): { heard(heard: Heard): void; close(): Promise<void> } {
  mkdirSync(dir, { recursive: true })
  const file = createWriteStream(join(dir, 'events.jsonl'))
  return {
    heard: (heard) => void file.write(eventLine(heard)),
    close: () => new Promise((resolve) => file.end(() => resolve())),
  }
}

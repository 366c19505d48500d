// One run from scenario and seed to its record: plan, world, what was seen, figures, verdict.

import { manifestOf } from './manifest.ts'
import { summarise } from './metrics.ts'
import type { Plan } from './plan.ts'
import type { RunRecord } from './record.ts'
import { carryOut, type Observations, type Progress } from './run.ts'
import { evaluate } from './scenario/assert.ts'
import { planOf } from './scenario/plan.ts'
import type { Scenario } from './scenario/scenario.ts'
import { wallMs } from './wall.ts'
import type { Heard, Tier, World } from './world.ts'

export interface ExecuteOptions {
  readonly signal?: AbortSignal | undefined
  readonly untilMs?: number | undefined
  readonly progress?: ((state: Progress) => void) | undefined
  readonly heard?: ((heard: Heard) => void) | undefined
}

/** Throws `RangeError` for a scenario that this tier cannot run. */
export async function execute(
  scenario: Scenario,
  seed: number,
  tier: Tier | 'coarse',
  options: ExecuteOptions = {},
): Promise<RunRecord> {
  if (scenario.mode === 'coarse' || tier === 'coarse') {
    const { runCoarse } = await import('./coarse/run.ts')
    return runCoarse(scenario, seed, options)
  }
  const plan = planOf(scenario, seed)
  const world = await worldOf(tier)
  const startMs = wallMs()
  const cpu = process.cpuUsage()
  const seen = await carryOut(plan, world, options)
  const elapsedMs = wallMs() - startMs
  const { user, system } = process.cpuUsage(cpu)
  return recordOf(scenario, plan, tier, seen, { wallMs: elapsedMs, cpuMs: (user + system) / 1_000 })
}

async function worldOf(tier: Tier): Promise<World> {
  switch (tier) {
    case 'model':
      return (await import('./model/world.ts')).createModelWorld()
    case 'libp2p':
      return (await import('./libp2p/world.ts')).createLibp2pWorld()
    case 'process':
      return (await import('./process/world.ts')).createProcessWorld()
  }
}

function recordOf(
  scenario: Scenario,
  plan: Plan,
  tier: Tier,
  { audit, checkers, connections, figures, isComplete, recorder }: Observations,
  cost: { readonly wallMs: number; readonly cpuMs: number },
): RunRecord {
  const { violations } = checkers
  const requests = recorder.requests.toSorted((a, b) => a.number - b.number)
  const peers = recorder.peers((name) => connections.get(name) ?? [])
  // signed for in all: also what answers cost that failed later
  const spentGram = Number(recorder.totals.spentNano) / 1e9
  const reachedMs = recorder.series.at(-1)?.atMs ?? 0
  const summary = summarise({
    plan: { ...plan, durationMs: Math.min(plan.durationMs, reachedMs) }, // rates of a run cut short are of what it reached
    requests,
    series: recorder.series,
    peers,
    audit,
    figures: { ...figures, ...recorder.figures(), windowNano: Number(checkers.windowNano), spentGram },
  })
  return {
    manifest: manifestOf(scenario, plan.seed, tier, isComplete, plan),
    summary,
    assertions: evaluate(scenario.assert, summary, violations, isComplete),
    violations,
    requests,
    series: recorder.series,
    bands: recorder.bands,
    peers,
    pace: paceOf(reachedMs, figures, peers.length, cost),
  }
}

function paceOf(
  reachedMs: number,
  figures: Readonly<Record<string, number>>,
  peers: number,
  { cpuMs, wallMs }: { readonly wallMs: number; readonly cpuMs: number },
): Readonly<Record<string, number>> {
  const events = figures['events'] ?? 0
  const rssBytes = 1_024 * process.resourceUsage().maxRSS
  return {
    wallSeconds: wallMs / 1_000,
    cpuSeconds: cpuMs / 1_000,
    events,
    eventsPerSecond: (1_000 * events) / wallMs,
    eventsPerCoreSecond: (1_000 * events) / cpuMs,
    timesRealTime: reachedMs / wallMs,
    rssBytes,
    rssBytesPerPeer: rssBytes / peers,
  }
}

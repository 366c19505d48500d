// One coarse run from scenario and seed to its record: what `mode: coarse` in a scenario file asks for.

import { manifestOf } from '../manifest.ts'
import type { RunRecord } from '../record.ts'
import { evaluate } from '../scenario/assert.ts'
import { planOf } from '../scenario/plan.ts'
import type { Scenario } from '../scenario/scenario.ts'
import { type CoarseOptions, simulate } from './simulate.ts'

/** Throws `RangeError` for a scenario with what this mode does not model. */
export async function runCoarse(scenario: Scenario, seed: number, options: CoarseOptions = {}): Promise<RunRecord> {
  const startMs = performance.now()
  const cpu = process.cpuUsage()
  const plan = planOf(scenario, seed)
  const { events, isComplete, ...seen } = await simulate(plan, options)
  const wallMs = performance.now() - startMs
  const { user, system } = process.cpuUsage(cpu)
  const cpuMs = (user + system) / 1_000
  const rssBytes = process.resourceUsage().maxRSS * 1_024
  return {
    manifest: manifestOf(scenario, seed, 'coarse', isComplete, plan),
    assertions: evaluate(scenario.assert, seen.summary, seen.violations, isComplete),
    ...seen,
    pace: {
      wallSeconds: wallMs / 1_000,
      cpuSeconds: cpuMs / 1_000,
      events,
      eventsPerSecond: (1_000 * events) / wallMs,
      eventsPerCoreSecond: (1_000 * events) / cpuMs,
      timesRealTime: plan.durationMs / wallMs,
      rssBytes,
      rssBytesPerPeer: rssBytes / Math.max(1, plan.peers.length),
    },
  }
}

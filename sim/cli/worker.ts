// A process of `sim sweep`: takes a job, runs it, writes it, says what came of it.

import { join } from 'node:path'
import { execute } from '../execute.ts'
import type { Violation } from '../record.ts'
import { writeRun } from '../report/write.ts'
import { loadScenario } from '../scenario/load.ts'
import { plansOf } from '../scenario/plan.ts'
import type { Tier } from '../world.ts'

export interface Job {
  readonly file: string
  /** Which of the scenario's runs. */
  readonly at: number
  readonly seed: number
  readonly out: string
  readonly seeds: string | undefined
  readonly tier: Tier | 'coarse' | undefined
}

export interface JobDone {
  readonly at: number
  readonly seed: number
  readonly dir: string | undefined
  readonly violations: readonly Violation[]
  readonly holds: boolean
  readonly error: string | undefined
}

const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
process.on('SIGINT', () => undefined) // the parent decides
process.on('disconnect', () => process.exit())
process.on('message', (job) => void take(job as Job).then((done) => process.send?.(done)))

async function take({ at, file, out, seed, seeds, tier }: Job): Promise<JobDone> {
  const nothing = { at, seed, dir: undefined, violations: [], holds: false }
  try {
    const run = plansOf(loadScenario(file, seeds === undefined ? {} : { seed: seeds }))[at]
    if (!run) throw new RangeError(`${file} has no run ${at}`)
    const record = await execute(run.scenario, seed, tier ?? run.scenario.tier, { signal: stop.signal })
    const dir = join(out, `run-${String(at).padStart(5, '0')}`)
    await writeRun(dir, record)
    const { assertions, violations } = record
    return { at, seed, dir, violations, holds: assertions.every(({ holds }) => holds), error: undefined }
  } catch (error) {
    return { ...nothing, error: error instanceof Error ? error.message : String(error) }
  }
}

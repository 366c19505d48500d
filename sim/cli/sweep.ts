// `sim sweep` and `sim merge`: many runs in worker processes, compared at the end; a shard of them on each machine.

import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { writeSweepReport } from '../report/sweep.ts'
import { loadScenario } from '../scenario/load.ts'
import { plansOf } from '../scenario/plan.ts'
import { wallMs } from '../wall.ts'
import type { Tier } from '../world.ts'
import { foldersOf, runsIn } from './compare.ts'
import { compact, progressLine, UsageError, untilStopped, warn } from './terminal.ts'
import type { Job, JobDone } from './worker.ts'

export interface SweepFlags {
  readonly tier?: Tier
  readonly out: string
  readonly jobs?: string
  readonly seeds?: string
  readonly shard?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

export async function sweep(file: string, flags: SweepFlags): Promise<void> {
  const scenario = loadScenario(file, flags.seeds === undefined ? {} : { seed: flags.seeds })
  warn(scenario.warnings)
  const { index, count } = shardOf(flags.shard ?? '1/1')
  const jobsMax = flags.jobs === undefined ? availableParallelism() : jobsOf(flags.jobs)
  const out = join(flags.out, `${scenario.name}-sweep`)
  const jobs: Job[] = plansOf(scenario)
    .map(({ seed }, at): Job => ({ file, at, seed, out, seeds: flags.seeds, tier: flags.tier }))
    .filter((_, at) => at % count === index)
  const signal = untilStopped()
  const line = progressLine(flags.quiet === true)
  const done: JobDone[] = []
  const startMs = wallMs()
  const queue = [...jobs]
  const workers = Math.min(queue.length, jobsMax)
  line.note(`${jobs.length} runs in ${workers} processes, to ${out}`)
  const noted = (result: JobDone): void => {
    done.push(result)
    if (result.error !== undefined || result.violations.length > 0) line.note(failureText(result, file))
    const perMs = (wallMs() - startMs) / done.length
    line.note(`${done.length}/${jobs.length}  ${compact((perMs * (jobs.length - done.length)) / 1_000)} s left`)
  }
  await Promise.all(Array.from({ length: workers }, () => work(queue, noted, signal)))
  line.clear()
  await finish(
    done.flatMap(({ dir }) => (dir === undefined ? [] : [dir])),
    out,
    flags.json === true,
    done,
    jobs.length,
  )
}

function jobsOf(text: string): number {
  const jobs = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (jobs > 0) return jobs
  throw new UsageError(`--jobs ${text}, expected a number of processes from 1 on`)
}

export async function merge(dirs: readonly string[], { out, json }: { out: string; json?: boolean }): Promise<void> {
  const runs = foldersOf(dirs)
  await finish(runs, out, json === true, [], runs.length)
}

async function finish(
  dirs: readonly string[],
  out: string,
  json: boolean,
  done: readonly JobDone[],
  wanted: number,
): Promise<void> {
  const bad = done.filter(({ error, violations, holds }) => error !== undefined || violations.length > 0 || !holds)
  if (dirs.length > 0) await writeSweepReport(out, await runsIn(dirs))
  const outcome = {
    ok: bad.length === 0 && dirs.length === wanted,
    out,
    runs: dirs.length,
    wanted,
    failed: bad.map(({ at, seed }) => ({ at, seed })),
  }
  process.stdout.write(
    json
      ? `${JSON.stringify(outcome)}\n`
      : `${dirs.length} of ${wanted} runs, ${bad.length} with a violation or an assertion that does not hold\nreport: ${join(out, 'report.html')}\n`,
  )
  if (!outcome.ok && process.exitCode === undefined) process.exitCode = 1
}

function failureText({ error, file: _, seed, violations, dir }: JobDone & { file?: string }, file: string): string {
  if (error !== undefined) return `seed ${seed} of ${file}: ${error}`
  const [first] = violations
  return `seed ${seed} of ${file}: ${violations.length} violations, first ${first?.check}: ${first?.message}\n  npm run sim -- replay ${dir} --until ${Math.ceil(first?.atMs ?? 0)}ms --events`
}

/** One process that takes job after job. A crash costs the run it was at. */
async function work(queue: Job[], noted: (result: JobDone) => void, signal: AbortSignal): Promise<void> {
  while (queue.length > 0 && !signal.aborted) {
    const child = fork(join(import.meta.dirname, 'worker.ts'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const stop = (): void => void child.kill('SIGTERM')
    signal.addEventListener('abort', stop)
    await new Promise<void>((resolve) => {
      let job: Job | undefined
      const next = (): void => {
        job = signal.aborted ? undefined : queue.shift()
        if (job) child.send(job)
        else child.disconnect()
      }
      child.on('message', (result) => {
        noted(result as JobDone)
        next()
      })
      child.on('exit', (code, by) => {
        if (job && !signal.aborted) {
          noted({
            at: job.at,
            seed: job.seed,
            dir: undefined,
            violations: [],
            holds: false,
            error: `its process ended with ${by ?? code}`,
          })
        }
        resolve()
      })
      next()
    })
    signal.removeEventListener('abort', stop)
  }
}

function shardOf(text: string): { readonly index: number; readonly count: number } {
  const [, index = '', count = ''] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? []
  if (Number(index) < 1 || Number(index) > Number(count)) {
    throw new UsageError(`--shard ${text}, expected i/n with i from 1 to n, such as 1/8`)
  }
  return { index: Number(index) - 1, count: Number(count) }
}

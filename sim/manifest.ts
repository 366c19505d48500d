// What a run was of: scenario, seed, commit, versions. Enough to run it again.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plan } from './plan.ts'
import type { Manifest } from './record.ts'
import type { Scenario } from './scenario/scenario.ts'

export function manifestOf(
  scenario: Scenario,
  seed: number,
  tier: Manifest['tier'],
  isComplete: boolean,
  { durationMs, warmupMs }: Pick<Plan, 'durationMs' | 'warmupMs'>,
): Manifest {
  const source = { ...(scenario.source as Record<string, unknown>), seed, sweep: undefined }
  return {
    schema: 'silkmesh-sim-run/1',
    scenario: scenario.name,
    question: scenario.question,
    seed,
    tier,
    source,
    sourceHash: createHash('sha256').update(JSON.stringify(source)).digest('hex').slice(0, 12),
    commit: commit(),
    versions: { silkmesh: versionOf('package.json'), node: process.versions.node },
    durationMs,
    warmupMs,
    isComplete,
  }
}

const root = join(import.meta.dirname, '..')

function versionOf(path: string): string {
  return String((JSON.parse(readFileSync(join(root, path), 'utf8')) as { version?: unknown }).version ?? 'unknown')
}

let knownCommit: string | undefined

/** Of this checkout; with a mark where files differ from it. */
function commit(): string {
  knownCommit ??= askGit()
  return knownCommit
}

function askGit(): string {
  try {
    const git = (...words: string[]): string =>
      execFileSync('git', words, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    return (
      git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+')
    )
  } catch {
    return 'unknown' // a copy without its history
  }
}

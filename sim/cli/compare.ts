// `sim compare`: two outputs, of one run, of many seeds or of a sweep, figure by figure.

import { existsSync, globSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { compareSweeps, sweepComparisonJson, sweepComparisonText } from '../report/compare-sweeps.ts'
import { type RunSummary, readSummary } from '../report/write.ts'
import { UsageError } from './terminal.ts'

export async function compare(a: string, b: string, { json }: { readonly json?: boolean }): Promise<void> {
  const compared = compareSweeps(await runsIn([a]), await runsIn([b]))
  process.stdout.write(`${json ? sweepComparisonJson(compared) : sweepComparisonText(compared)}\n`)
}

/** Folders of runs, and those inside folders of sweeps. */
export function foldersOf(dirs: readonly string[]): readonly string[] {
  const found = dirs.flatMap((dir) => [
    ...(existsSync(join(dir, 'manifest.json')) ? [dir] : []),
    ...globSync('*/manifest.json', { cwd: dir }).map((path) => join(dir, dirname(path))),
  ])
  if (found.length > 0) return found.toSorted()
  throw new UsageError(`no run in ${dirs.join(', ')}, expected a folder that \`sim run\` or \`sim sweep\` wrote`)
}

export function runsIn(dirs: readonly string[]): Promise<RunSummary[]> {
  return Promise.all(foldersOf(dirs).map(readSummary))
}

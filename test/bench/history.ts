// Where measurements are kept: test/bench/history.json, one entry a run of a bench, oldest first.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os'
import { join } from 'node:path'

const path = join(import.meta.dirname, 'history.json')

export interface Entry {
  readonly bench: string
  /** ISO 8601, UTC. */
  readonly at: string
  readonly commit: string
  readonly machine: string
  readonly node: string
  readonly figures: Readonly<Record<string, unknown>>
}

export function history(): readonly Entry[] {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Entry[]) : []
}

export function keep(bench: string, figures: Entry['figures']): Entry {
  const entry: Entry = {
    bench,
    at: new Date().toISOString(),
    commit: execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], { encoding: 'utf8' }).trim(),
    machine: `${availableParallelism()} × ${cpus()[0]?.model ?? arch()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()}`,
    node: process.versions.node,
    figures,
  }
  writeFileSync(`${path}.new`, `${JSON.stringify([...history(), entry], null, 2)}\n`)
  renameSync(`${path}.new`, path)
  return entry
}

// The `libp2p` tier carries a plan out: production nodes on real libp2p survive a crash, a frozen peer and a power cut, and
// do so the same way every time.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const world = join(import.meta.dirname, 'libp2p-world.ts')

interface Told {
  readonly hash: string
  readonly isComplete: boolean
  readonly violations: readonly unknown[]
  readonly outcomes: readonly string[]
  readonly figures: Readonly<Record<string, number>>
}

async function run(): Promise<Told> {
  const { stdout } = await promisify(execFile)(process.execPath, [world])
  return JSON.parse(stdout)
}

test('a run with faults breaks no promise, and is the same twice', async () => {
  const [first, again] = await Promise.all([run(), run()])
  expect(first.violations).toEqual([])
  expect(first.isComplete).toBe(true)
  expect(first.outcomes.filter((outcome) => outcome === 'ok').length).toBeGreaterThan(10)
  expect(again).toEqual(first)
}, 180_000)

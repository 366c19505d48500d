// A folder that holds no run is refused by name, with what was expected and what makes one.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { manifestIn } from '../../sim/cli/run.ts'

const folder = mkdtempSync(join(tmpdir(), 'silkmesh-replay-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** With this manifest, where there is one. */
function folderOf(name: string, manifest?: string): string {
  const dir = join(folder, name)
  mkdirSync(dir)
  if (manifest !== undefined) writeFileSync(join(dir, 'manifest.json'), manifest)
  return dir
}

it.each([
  ['that is not there', () => join(folder, 'nowhere'), 'no folder '],
  ['without a manifest', () => folderOf('empty'), 'no manifest.json in '],
  ['with a manifest that is no JSON', () => folderOf('broken', '{'), 'manifest.json is of no run'],
  ['with the manifest of something else', () => folderOf('other', 'null'), 'manifest.json is of no run'],
])('a folder %s', (_, make, says) => {
  const dir = make()
  const told = expect.objectContaining({ name: 'UsageError', message: expect.stringContaining(says) })
  expect(() => manifestIn(dir)).toThrow(told)
  expect(() => manifestIn(dir)).toThrow(dir)
  expect(() => manifestIn(dir)).toThrow('`npm run sim -- run sim/scenarios/smoke.yaml`')
})

it('a run is taken', () => {
  const manifest = { source: { name: 'smoke' }, seed: 42 }
  expect(manifestIn(folderOf('run', JSON.stringify(manifest)))).toEqual(manifest)
})

// Which models a provider's setting names.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { modelsOf } from '../../node/cli/engine.ts'

test('one model, or several with commas between', () => {
  expect(modelsOf('builtin')).toEqual(['builtin'])
  expect(modelsOf('builtin, hf:owner/repository/file.gguf,/models/a.gguf')).toEqual([
    'builtin',
    'hf:owner/repository/file.gguf',
    '/models/a.gguf',
  ])
})

test.each(['', ',', 'a,', 'a,,b'])('no name is no model: "%s"', (setting) => {
  expect(() => modelsOf(setting)).toThrow(`models "${setting}", expected names`)
})

test('as many models as an advert has room for', () => {
  const named = (count: number): string => Array.from({ length: count }, (_, at) => `m${at}`).join(',')
  expect(modelsOf(named(16))).toHaveLength(16)
  expect(() => modelsOf(named(17))).toThrow('17 models, at most 16')
})

test('a file with a comma in its name is one model', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'silkmesh-models-'))
  const path = join(folder, 'a,b.gguf')
  await writeFile(path, '')
  expect(modelsOf(path)).toEqual([path])
  await rm(folder, { recursive: true })
})

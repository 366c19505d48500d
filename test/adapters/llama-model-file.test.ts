// A model's file before native code sees it: where it is, that it is one, its hash.

import { createHash } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  builtinModelPath,
  checkModelFiles,
  nameOfModel,
  pathOfModel,
  sha256OfFiles,
} from '../../node/adapters/llama/model-file.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'silkmesh-model-'))
})
afterEach(() => rm(dir, { recursive: true }))

const ignore = (): void => undefined

describe('where a model is', () => {
  test('builtin is the file that comes with the sources, and it is the one that its README describes', async () => {
    expect(pathOfModel('builtin')).toBe(builtinModelPath)
    const sha256 = createHash('sha256')
      .update(await readFile(builtinModelPath))
      .digest('hex')
    expect(sha256).toBe('97f8cd1f0eb6a84fd4506bcccad6480f1da4b8cc11995cba4dc92170081d5392')
    expect(await readFile(new URL('../../node/models/README.md', import.meta.url), 'utf8')).toContain(sha256)
  })

  test('a path is made absolute, a Windows drive is no scheme', () => {
    expect(pathOfModel('models/x.gguf')).toBe(resolve('models/x.gguf'))
    expect(pathOfModel('C:\\models\\x.gguf')).toBe(resolve('C:\\models\\x.gguf'))
  })

  test('an hf: URI is to be downloaded', () => {
    expect(pathOfModel('hf:owner/repository/file-Q8_0.gguf')).toBeUndefined()
    expect(pathOfModel('hf:owner/repository:Q8_0')).toBeUndefined()
  })

  test.each(['ftp://host/x.gguf', 'https://host/x.gguf', 'ollama:llama3', 'hf:owner', 'hf:'])(
    'refuses %s and says what it takes',
    (model) => {
      expect(() => pathOfModel(model)).toThrow(RangeError)
      expect(() => pathOfModel(model)).toThrow(`model "${model}", expected builtin, a path to a GGUF file, or hf:`)
    },
  )

  test.each([
    ['/models/Qwen3-0.6B-Q8_0.gguf', 'Qwen3-0.6B-Q8_0'],
    ['/models/big-00001-of-00003.gguf', 'big'],
    ['hf:owner/repository/dir/file-Q8_0.gguf#main', 'file-Q8_0'],
    ['hf:owner/repository:Q4_K_M', 'repository-Q4_K_M'],
  ])('%s is called %s', (model, name) => {
    expect(nameOfModel(model, model)).toBe(name)
  })
})

describe('a file that cannot be a model', () => {
  async function refusal(name: string, content?: string): Promise<string> {
    const path = join(dir, name)
    if (content !== undefined) await writeFile(path, content)
    const error: unknown = await checkModelFiles(path).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(RangeError)
    return (error as RangeError).message
  }

  test('does not exist', async () => {
    expect(await refusal('none.gguf')).toBe(`model file ${join(dir, 'none.gguf')} does not exist`)
  })

  test('is a directory', async () => {
    await mkdir(join(dir, 'models'))
    expect(await refusal('models')).toContain('is a directory')
  })

  test('begins with something else, or is empty', async () => {
    expect(await refusal('text.gguf', 'hello world')).toContain('it begins with 68656c6c, expected 47475546')
    expect(await refusal('empty.gguf', '')).toContain('it begins with nothing')
  })

  test('is one part of a split model whose other parts are missing', async () => {
    await copyFile(builtinModelPath, join(dir, 'x-00001-of-00002.gguf'))
    expect(await refusal('x-00001-of-00002.gguf')).toContain('x-00002-of-00002.gguf does not exist')
  })
})

describe('the hash of the weights', () => {
  test('is over all parts in order', async () => {
    const paths = [join(dir, 'a'), join(dir, 'b')]
    await writeFile(join(dir, 'a'), 'one')
    await writeFile(join(dir, 'b'), 'two')
    const expected = createHash('sha256').update('onetwo').digest()
    expect(Buffer.from(await sha256OfFiles(paths, dir, ignore))).toEqual(expected)
  })

  test('of a large file is computed once, and again when the file has changed', async () => {
    const path = join(dir, 'large')
    await writeFile(path, 'GGUF')
    await truncate(path, 65 * 1024 * 1024)
    const read: number[] = []
    const hash = (): Promise<Uint8Array> => sha256OfFiles([path], dir, (ratio) => read.push(ratio))
    const first = await hash()
    expect(read.at(-1)).toBe(1)
    expect(await readdir(join(dir, 'sha256'))).toHaveLength(1)
    read.length = 0
    expect(Buffer.from(await hash())).toEqual(first)
    expect(read).toEqual([])
    await utimes(path, new Date(), new Date(0))
    expect(Buffer.from(await hash())).toEqual(first)
    expect(read.at(-1)).toBe(1)
  })

  test('is computed again when what was remembered is damaged', async () => {
    const path = join(dir, 'large')
    await writeFile(path, 'GGUF')
    await truncate(path, 65 * 1024 * 1024)
    const first = await sha256OfFiles([path], dir, ignore)
    const [entry = ''] = await readdir(join(dir, 'sha256'))
    await writeFile(join(dir, 'sha256', entry), 'not a hash')
    expect(Buffer.from(await sha256OfFiles([path], dir, ignore))).toEqual(first)
  })
})

// A model file that lies about its contents is refused before native code reads it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { builtinModelPath, checkModelFiles } from '../../node/adapters/llama/model-file.ts'

test('a GGUF that claims more entries than it has bytes is damaged', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'silkmesh-gguf-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const path = join(dir, 'model.gguf')
  const head = Buffer.alloc(24)
  head.write('GGUF')
  head.writeUInt32LE(3, 4)
  head.writeBigUInt64LE(1_000_000_000n, 8)
  writeFileSync(path, head)
  await expect(checkModelFiles(path)).rejects.toThrow(
    /model\.gguf is damaged: it claims 1000000000 entries in 24 bytes/,
  )
  await expect(checkModelFiles(builtinModelPath)).resolves.toEqual([builtinModelPath])
})

// Compiles the escrow and writes its code with the hash of the sources it came from: `npm run compile`.

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { runTolkCompiler } from '@ton/tolk-js'

export interface CompiledContract {
  /** Over the names and contents of every source file, so that a stale build is noticed without compiling. */
  readonly sourceHash: string
  /** Representation hash of the code cell: what a provider compares a client's account with. */
  readonly codeHash: string
  /** Bag of cells, base64. */
  readonly codeBoc: string
  readonly compiler: string
}

const sources = new URL('./escrow/', import.meta.url)
const output = new URL('./escrow.compiled.json', import.meta.url)

/** `edit` changes a source on its way to the compiler: tests put faults in. */
export async function compileEscrow(edit = (_path: string, text: string): string => text): Promise<CompiledContract> {
  const result = await runTolkCompiler({
    entrypointFileName: 'escrow.tolk',
    fsReadCallback: (path) => edit(path, readFileSync(new URL(path, sources), 'utf8')),
  })
  if (result.status === 'error') throw new Error(`the escrow does not compile: ${result.message}`)
  const files = result.sourcesSnapshot.filter((file) => !file.filename.startsWith('@'))
  const hash = createHash('sha256')
  for (const { filename, contents } of files.sort((a, b) => (a.filename < b.filename ? -1 : 1))) {
    hash.update(`${filename}\0${contents}\0`)
  }
  return {
    sourceHash: hash.digest('hex'),
    codeHash: result.codeHashHex.toLowerCase(),
    codeBoc: result.codeBoc64,
    compiler: `tolk ${result.tolkVersion}`,
  }
}

if (import.meta.main) {
  const compiled = await compileEscrow()
  writeFileSync(output, `${JSON.stringify(compiled, undefined, 2)}\n`)
  console.log(
    `escrow ${compiled.codeHash} by ${compiled.compiler}, ${Buffer.from(compiled.codeBoc, 'base64').length} bytes`,
  )
}

// Writes mesh.js and mesh.d.ts from mesh.proto. protons emits TypeScript namespaces, which Node cannot strip, so its
// output is compiled once here and the JavaScript is what the sources import.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const protonsVersion = '9.0.2'

// protons-runtime (5.6 to 8.0, the newest) writes a 64-bit varint from 2^31 to 2^32 − 1 as one byte and leaves four more as
// they were in memory. A 32-bit varint has the same bytes, and its writer is right.
const writeUint64 = `
function writeUint64(w, value) {
    if (value < 4294967296n) w.uint32(Number(value));
    else w.uint64(value);
}
`

const here = import.meta.dirname
const scratch = mkdtempSync(join(here, '.generate-'))
try {
  const run = (command: string, ...args: string[]): void => {
    execFileSync(command, args, { stdio: 'inherit', cwd: join(here, '..') })
  }
  run('npx', '--yes', `protons@${protonsVersion}`, join(here, 'mesh.proto'), '--output', scratch)
  const source = join(scratch, 'mesh.ts')
  run(
    'npx',
    'tsc',
    source,
    '--ignoreConfig',
    '--declaration',
    '--outDir',
    scratch,
    '--rootDir',
    scratch,
    '--target',
    'es2024',
    '--module',
    'nodenext',
    '--skipLibCheck',
  )
  const header = '// Generated from mesh.proto by `npm run generate`; do not edit.\n'
  const code = readFileSync(join(scratch, 'mesh.js'), 'utf8').replaceAll('w.uint64(', 'writeUint64(w, ')
  writeFileSync(join(here, 'mesh.js'), header + code + writeUint64)
  writeFileSync(join(here, 'mesh.d.ts'), header + readFileSync(join(scratch, 'mesh.d.ts'), 'utf8'))
} finally {
  rmSync(scratch, { recursive: true })
}

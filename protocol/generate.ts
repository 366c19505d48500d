// Writes mesh.js and mesh.d.ts from mesh.proto. protons emits TypeScript namespaces, which Node cannot strip, so its
// output is compiled once here and the JavaScript is what the sources import.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const protonsVersion = '9.0.2'
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
  for (const name of ['mesh.js', 'mesh.d.ts']) {
    writeFileSync(
      join(here, name),
      `// Generated from mesh.proto by \`npm run generate\`; do not edit.\n${readFileSync(join(scratch, name), 'utf8')}`,
    )
  }
} finally {
  rmSync(scratch, { recursive: true })
}

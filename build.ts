// Writes dist/: a package that `npm publish dist` could send out, JavaScript only, with the `silkmesh` command.

import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = import.meta.dirname
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
execFileSync(join(root, 'node_modules/.bin/tsc'), ['--project', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
})

/** What the compiler does not carry over. */
const files = [
  'protocol/mesh.js',
  'protocol/mesh.d.ts',
  'protocol/mesh.proto',
  'contracts/escrow.compiled.json',
  'node/cli/bin.js',
  'node/models/silkmesh-tiny.gguf',
  'node/models/README.md',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
]
for (const file of files) {
  mkdirSync(dirname(join(dist, file)), { recursive: true })
  cpSync(join(root, file), join(dist, file))
}
chmodSync(join(dist, 'node/cli/bin.js'), 0o755)

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown>
for (const name of ['scripts', 'devDependencies', 'overrides', 'allowScripts']) delete manifest[name]
writeFileSync(join(dist, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
process.stdout.write('dist/ is ready: npm pack ./dist\n')

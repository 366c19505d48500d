// `npm run gpu`: adds node-llama-cpp's builds for graphics cards, which a checkout leaves out for their 610 MB.

import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')
const prefix = join(import.meta.dirname, 'gpu')

const builds: Readonly<Record<string, readonly string[]>> = {
  cuda: ['cuda', 'cuda-ext'],
  vulkan: ['vulkan'],
}

const kind = process.argv[2] ?? 'cuda'
const suffixes = builds[kind]
const systems: Readonly<Record<string, string>> = { linux: 'linux', win32: 'win' }
const system = systems[process.platform]
if (!suffixes || !system) {
  const why = suffixes ? `there are none for ${process.platform}` : `"${kind}", expected cuda or vulkan`
  process.stderr.write(`npm run gpu: ${why}\n`)
  process.exit(2)
}

const { version } = JSON.parse(readFileSync(join(root, 'node_modules/node-llama-cpp/package.json'), 'utf8')) as {
  version: string
}
const names = suffixes
  .map((suffix) => `${system}-${process.arch}-${suffix}`)
  .filter((name) => process.arch === 'x64' || !name.endsWith('-ext'))
mkdirSync(prefix, { recursive: true })
execFileSync(
  'npm',
  [
    'install',
    '--prefix',
    prefix,
    '--no-save',
    '--no-package-lock',
    '--no-audit',
    '--no-fund',
    ...names.map((name) => `@node-llama-cpp/${name}@${version}`),
  ],
  { stdio: 'inherit', shell: process.platform === 'win32' },
)
for (const name of names) {
  const link = join(root, 'node_modules/@node-llama-cpp', name)
  rmSync(link, { recursive: true, force: true })
  mkdirSync(dirname(link), { recursive: true })
  symlinkSync(join(prefix, 'node_modules/@node-llama-cpp', name), link, 'junction')
}
process.stdout.write(
  `installed ${names.join(', ')}; \`silkmesh doctor\` shows what the engine runs on. Run this again after \`npm install\`.\n`,
)

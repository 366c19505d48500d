#!/usr/bin/env node
// The installed command: makes sure of a Node that can run the sources, then hands over. Plain JavaScript, so that an
// old Node gets a sentence and not a syntax error.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const main = join(here, existsSync(join(here, 'main.js')) ? 'main.js' : 'main.ts')
const [major, minor] = process.versions.node.split('.').map(Number)

if (major > 22 || (major === 22 && minor >= 18)) {
  await import(main)
} else {
  const bundled = bundledNode()
  if (bundled === undefined) {
    process.stderr.write(
      `silkmesh: Node ${process.versions.node} is too old, expected 22.18 or newer\n  next: install a newer Node, or run npm install again without --ignore-scripts\n`,
    )
    process.exitCode = 1
  } else {
    const child = spawn(bundled, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
    child.on('exit', (code, signal) => {
      process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1)
    })
  }
}

/** The Node 24 that the package brings along. */
function bundledNode() {
  try {
    const binary = join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin', 'node')
    return existsSync(binary) ? binary : undefined
  } catch {
    return undefined
  }
}

// After `npm install` in a checkout: drops the C headers that the npm package `node` brings along, 67 MB that only native
// add-ons compiled here would need. Plain JavaScript, because any Node may run it.

import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const builds = join(fileURLToPath(import.meta.url), '../../../node_modules/node/node_modules')
try {
  for (const name of readdirSync(builds)) {
    if (name.startsWith('node-')) rmSync(join(builds, name, 'include'), { recursive: true, force: true })
  }
} catch {
  // installed some other way: nothing to drop
}

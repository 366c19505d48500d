// Whether this machine has a graphics card that the installed engine cannot use.

import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

export const graphicsAdvice = '`npm run gpu` adds it (README, Graphics cards)'

export type Graphics = 'none' | 'ready' | 'without its build'

/** Looks for NVIDIA's driver; other cards work through Vulkan and are not looked for. */
export function graphicsHere(): Graphics {
  if (!existsSync('/proc/driver/nvidia/version')) return 'none'
  return isInstalled(`@node-llama-cpp/${process.platform}-${process.arch}-cuda`) ? 'ready' : 'without its build'
}

/** A checkout has a stand-in of another name where a build was left out. */
function isInstalled(name: string): boolean {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? []
  return folders.some((folder) => {
    const manifest = join(folder, name, 'package.json')
    return existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === name
  })
}

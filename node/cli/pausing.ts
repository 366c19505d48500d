// Whether the provider of a home is to take requests: a file that outlives it, and what the one that runs does about it.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '../../protocol/errors.ts'
import type { Serving } from '../node.ts'
import { reasonOf } from './private-files.ts'

/** A look is one read of a small file. */
const lookMs = 250

/** Whole or not at all: a provider that reads meanwhile sees the old or the new. */
export function orderPause(home: string, isPaused: boolean): void {
  const path = pathIn(home)
  const scratch = `${path}.${process.pid}.new`
  try {
    if (isPaused) {
      writeFileSync(scratch, '{"isPaused":true}\n', { mode: 0o600 })
      renameSync(scratch, path)
    } else rmSync(path, { force: true })
  } catch (error) {
    throw new MeshError('bad-request', `${path} cannot be written (${reasonOf(error)}); is --home right?`, {
      cause: error,
    })
  }
}

export function isPauseOrdered(home: string): boolean {
  try {
    return (JSON.parse(readFileSync(pathIn(home), 'utf8')) as { isPaused?: unknown }).isPaused === true
  } catch {
    return false // no file, or none of ours: nobody paused it
  }
}

/** Does as ordered until the function returned is called; `changed` is told of every new state, the first one too. */
export function obeyPauses(home: string, serving: Serving, changed: (serving: Serving) => void): () => void {
  let told: Serving['state'] | undefined
  const look = (): void => {
    if (isPauseOrdered(home)) serving.pause()
    else serving.resume()
    if (serving.state === told) return
    told = serving.state
    changed(serving)
  }
  look()
  const timer = setInterval(look, lookMs)
  return () => clearInterval(timer)
}

function pathIn(home: string): string {
  return join(home, 'provider.json')
}

// `silkmesh provider`: pause the provider that runs for a home, let it go on, ask how it is.

import { setTimeout as sleep } from 'node:timers/promises'
import { counted } from '../../protocol/counted.ts'
import { MeshError } from '../../protocol/errors.ts'
import { invocationOf } from './flags.ts'
import { isPauseOrdered, orderPause } from './pausing.ts'
import { type NotedServing, runningNode } from './running.ts'
import { printJson } from './terminal.ts'

/** It looks four times a second; a busy machine may take longer. */
const noticeMs = 10_000
const pollMs = 100

export async function run(verb: string, flags: Record<string, unknown>): Promise<void> {
  const { home, isJson, terminal } = invocationOf(flags)
  if (verb !== 'status') orderPause(home, verb === 'pause')
  const serving = verb === 'status' ? servingOf(home) : await noticed(home, verb === 'pause')
  const isPaused = isPauseOrdered(home)
  if (isJson) {
    printJson({ type: 'provider', isPaused, isRunning: serving !== undefined, ...serving })
    return
  }
  if (!serving) {
    terminal.ok(isPaused ? 'paused' : 'not paused', 'no provider runs for this home; `silkmesh join` starts one')
    return
  }
  terminal.ok(serving.state, detailOf(serving))
}

function detailOf({ active, changesAtMs, state }: NotedServing): string {
  const until = changesAtMs === undefined ? '' : `until ${new Date(changesAtMs).toString().slice(0, 21)}`
  switch (state) {
    case 'open':
      return until
    case 'closed':
      return `outside its hours ${until}`.trim()
    case 'paused':
      return active === 0 ? 'nothing runs' : `${counted(active, 'request')} may finish`
  }
}

/** Of the provider that runs, if one does. */
function servingOf(home: string): NotedServing | undefined {
  const node = runningNode(home)
  return node?.pid !== undefined && isAlive(node.pid) ? node.serving : undefined
}

/** Once the provider has done as it was told; undefined where none runs. */
async function noticed(home: string, isPaused: boolean): Promise<NotedServing | undefined> {
  for (let waitedMs = 0; waitedMs < noticeMs; waitedMs += pollMs) {
    const serving = servingOf(home)
    if (!serving || (serving.state === 'paused') === isPaused) return serving
    await sleep(pollMs)
  }
  throw new MeshError(
    'timeout',
    `the provider took no notice within ${noticeMs / 1_000} s; it will once it can, see its log`,
  )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' // somebody else's
  }
}

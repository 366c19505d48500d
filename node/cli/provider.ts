// `silkmesh provider`: pause the provider that runs for a home, let it go on, ask how it is.

import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { counted } from '../../protocol/counted.ts'
import { MeshError } from '../../protocol/errors.ts'
import { invocationOf } from './flags.ts'
import { isPauseOrdered, orderPause } from './pausing.ts'
import { liveNode, type NotedServing } from './running.ts'
import { printJson } from './terminal.ts'

/** It looks four times a second; a busy machine may take longer. */
const noticeMs = 10_000
const pollMs = 100

export async function run(verb: string, flags: Record<string, unknown>): Promise<void> {
  const { home, isJson, terminal } = invocationOf(flags)
  if (!existsSync(home)) throw new MeshError('bad-request', `there is no home at ${home}; is --home right?`)
  const roles = liveNode(home)?.roles
  const isOther = roles !== undefined && !roles.includes('provider')
  if (isOther && verb !== 'status') {
    throw new MeshError(
      'unreachable',
      `the node that runs for ${home} is a ${roles.join(' and ')}: it provides nothing`,
      {
        next: 'is --home right? `silkmesh join` in a home of its own serves a model',
      },
    )
  }
  if (verb !== 'status') orderPause(home, verb === 'pause')
  const serving = verb === 'status' ? servingOf(home) : await noticed(home, verb === 'pause')
  const isPaused = isPauseOrdered(home)
  if (isJson) {
    printJson({ type: 'provider', isPaused, isRunning: serving !== undefined, ...serving })
    return
  }
  if (!serving) {
    const what = isOther
      ? `a ${roles.join(' and ')} runs for this home, which provides nothing`
      : 'no provider runs for this home'
    terminal.ok(isPaused ? 'paused' : 'not paused', `${what}; \`silkmesh join\` starts one`)
    return
  }
  terminal.ok(serving.state, detailOf(serving))
}

function detailOf({ active, changesAtMs, state }: NotedServing): string {
  const until =
    changesAtMs === undefined ? '' : `until ${new Date(changesAtMs).toString().slice(0, 21)} of this machine's clock`
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
  return liveNode(home)?.serving
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

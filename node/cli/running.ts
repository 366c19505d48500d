// Where the node that runs for a home can be reached, and whether it serves: what other commands find it by.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Serving } from '../node.ts'
import type { GatewayAddress } from './gateway-client.ts'

export interface RunningNode {
  /** Multiaddrs, each ending in /p2p/<peer id>. */
  readonly addresses: readonly string[]
  readonly pid?: number
  /** Of `silkmesh up`. */
  readonly gateway?: GatewayAddress
  /** Of `silkmesh join`. */
  readonly serving?: NotedServing
}

/** As it was when it last changed. */
export type NotedServing = Pick<Serving, 'state' | 'active' | 'queued'> & { readonly changesAtMs?: number | undefined }

let notedIn: string | undefined

/** The gateway's key is in it. */
export function noteRunning(home: string, node: RunningNode): void {
  const scratch = `${pathIn(home)}.${process.pid}.new`
  writeFileSync(scratch, `${JSON.stringify({ ...node, pid: process.pid })}\n`, { mode: 0o600 })
  renameSync(scratch, pathIn(home)) // who reads meanwhile sees the old or the new
  if (notedIn === undefined) process.once('exit', () => notedIn !== undefined && forgetRunning(notedIn))
  notedIn = home
}

export function forgetRunning(home: string): void {
  notedIn = undefined
  rmSync(pathIn(home), { force: true })
}

/** What a node last noted; one that was killed notes no end, so that nothing may answer there any more. */
export function runningNode(home: string): RunningNode | undefined {
  try {
    return parse(JSON.parse(readFileSync(pathIn(home), 'utf8')))
  } catch {
    return undefined // none, or half written by a process that was killed: both mean that nothing is known
  }
}

function parse(value: unknown): RunningNode | undefined {
  const { addresses, gateway, pid, serving } = value as {
    readonly addresses?: unknown
    readonly gateway?: Partial<GatewayAddress>
    readonly pid?: unknown
    readonly serving?: Partial<Record<keyof NotedServing, unknown>>
  }
  if (!Array.isArray(addresses) || !addresses.every((address) => typeof address === 'string')) return undefined
  const noted = parseServing(serving ?? {})
  return {
    addresses,
    ...(typeof pid === 'number' && { pid }),
    ...(noted && { serving: noted }),
    ...(typeof gateway?.baseUrl === 'string' &&
      typeof gateway.apiKey === 'string' && { gateway: { baseUrl: gateway.baseUrl, apiKey: gateway.apiKey } }),
  }
}

function parseServing(noted: Partial<Record<keyof NotedServing, unknown>>): NotedServing | undefined {
  const { active, changesAtMs, queued, state } = noted
  if (state !== 'open' && state !== 'paused' && state !== 'closed') return undefined
  if (typeof active !== 'number' || typeof queued !== 'number') return undefined
  return { state, active, queued, ...(typeof changesAtMs === 'number' && { changesAtMs }) }
}

function pathIn(home: string): string {
  return join(home, 'running.json')
}

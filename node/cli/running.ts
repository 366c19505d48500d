// Where the node that runs for a home can be reached: what `chat`, `models` and `peers` find it by.

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { GatewayAddress } from './gateway-client.ts'

export interface RunningNode {
  /** Multiaddrs, each ending in /p2p/<peer id>. */
  readonly addresses: readonly string[]
  /** Of `silkmesh up`. */
  readonly gateway?: GatewayAddress
}

let notedIn: string | undefined

/** The gateway's key is in it. */
export function noteRunning(home: string, node: RunningNode): void {
  writeFileSync(pathIn(home), `${JSON.stringify(node)}\n`, { mode: 0o600 })
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
  const { addresses, gateway } = value as { addresses?: unknown; gateway?: Partial<GatewayAddress> }
  if (!Array.isArray(addresses) || !addresses.every((address) => typeof address === 'string')) return undefined
  if (typeof gateway?.baseUrl !== 'string' || typeof gateway.apiKey !== 'string') return { addresses }
  return { addresses, gateway: { baseUrl: gateway.baseUrl, apiKey: gateway.apiKey } }
}

function pathIn(home: string): string {
  return join(home, 'running.json')
}

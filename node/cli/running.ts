// Where the node that runs for a home can be reached, what it does and with which settings: what other commands find it by.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config, ResolvedConfig } from '../config.ts'
import type { Serving } from '../node.ts'
import type { GatewayAddress } from './gateway-client.ts'

export interface RunningNode {
  /** Multiaddrs, each ending in /p2p/<peer id>. */
  readonly addresses: readonly string[]
  readonly pid?: number
  /** Such as consumer or provider. */
  readonly roles?: readonly string[]
  /** By `group.name`, what its own command line or environment said: other commands do not see these. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** Of `silkmesh up`. */
  readonly gateway?: GatewayAddress
  /** Of `silkmesh join`. */
  readonly serving?: NotedServing
}

/** As it was when it last changed. */
export type NotedServing = Pick<Serving, 'state' | 'active' | 'queued'> & { readonly changesAtMs?: number | undefined }

let noted: { readonly home: string; readonly node: RunningNode } | undefined

/** What it said of itself before stays noted. The gateway's key is in it. */
export function noteRunning(home: string, node: RunningNode): void {
  const whole = { ...noted?.node, ...node, pid: process.pid }
  const scratch = `${pathIn(home)}.${process.pid}.new`
  writeFileSync(scratch, `${JSON.stringify(whole)}\n`, { mode: 0o600 })
  renameSync(scratch, pathIn(home)) // who reads meanwhile sees the old or the new
  if (noted === undefined) process.once('exit', () => noted !== undefined && forgetRunning(noted.home))
  noted = { home, node: whole }
}

export function forgetRunning(home: string): void {
  noted = undefined
  rmSync(pathIn(home), { force: true })
}

/** Of what `doctor` looks at; an API key is not told. */
const toldSettings = [
  ['network', 'bootstrap'],
  ['chain', 'endpoint'],
  ['chain', 'endpoints'],
  ['chain', 'network'],
  ['gateway', 'host'],
  ['gateway', 'port'],
  ['engine', 'url'],
  ['engine', 'model'],
] as const

export function settingsToTell({ config, origins }: ResolvedConfig): Readonly<Record<string, unknown>> {
  const said = toldSettings.flatMap(([group, name]) => {
    const origin = origins.get(`${group}.${name}`)
    const values: Readonly<Record<string, unknown>> = config[group satisfies keyof Config]
    return origin === 'flag' || origin === 'environment' ? [[`${group}.${name}`, values[name]]] : []
  })
  return Object.fromEntries(said)
}

/** What a node last noted; one that was killed notes no end, so that nothing may answer there any more. */
export function runningNode(home: string): RunningNode | undefined {
  try {
    return parse(JSON.parse(readFileSync(pathIn(home), 'utf8')))
  } catch {
    return undefined // none, or half written by a process that was killed: both mean that nothing is known
  }
}

/** The same while its process lives. */
export function liveNode(home: string): RunningNode | undefined {
  const node = runningNode(home)
  return node?.pid !== undefined && isAlive(node.pid) ? node : undefined
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' // somebody else's
  }
}

function parse(value: unknown): RunningNode | undefined {
  const { addresses, gateway, pid, roles, serving, settings } = value as {
    readonly addresses?: unknown
    readonly roles?: unknown
    readonly settings?: unknown
    readonly gateway?: Partial<GatewayAddress>
    readonly pid?: unknown
    readonly serving?: Partial<Record<keyof NotedServing, unknown>>
  }
  if (!isTexts(addresses)) return undefined
  const noted = parseServing(serving ?? {})
  return {
    addresses,
    ...(typeof pid === 'number' && { pid }),
    ...(isTexts(roles) && { roles }),
    ...(typeof settings === 'object' && settings !== null && { settings: { ...settings } }),
    ...(noted && { serving: noted }),
    ...(typeof gateway?.baseUrl === 'string' &&
      typeof gateway.apiKey === 'string' && { gateway: { baseUrl: gateway.baseUrl, apiKey: gateway.apiKey } }),
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
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

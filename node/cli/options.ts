// Where settings come from: flags, then the environment, then the home's config.yaml, then the defaults of config.ts.

import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import { MeshError } from '../../protocol/errors.ts'
import { type Layer, type ResolvedConfig, resolveConfig, settings } from '../config.ts'

/** By `group.name`: the value a flag gave, and the flag as it was written. */
export type Flags = ReadonlyMap<string, { readonly value: unknown; readonly flag: string }>

export interface Resolved extends ResolvedConfig {
  /** Absolute. */
  readonly home: string
}

/** Reads all layers; `between` come after the flags. Throws `MeshError` `bad-request` naming the source of a wrong value. */
export function readConfig(
  flags: Flags,
  environment: NodeJS.ProcessEnv,
  between: (home: string) => readonly Layer[] = () => [],
): Resolved {
  const flagLayer: Layer = {
    origin: 'flag',
    describe: (group, name) => flags.get(`${group}.${name}`)?.flag ?? `${group}.${name}`,
    lookup: (group, name) => flags.get(`${group}.${name}`)?.value,
  }
  const environmentLayer: Layer = {
    origin: 'environment',
    describe: (group, name) => `environment ${variableOf(group, name)}`,
    lookup: (group, name) => environment[variableOf(group, name)] || undefined, // set to nothing is not set
  }
  const given = resolveConfig([flagLayer, environmentLayer]).config.node.home
  const home = resolve(given === '' ? join(homedir(), '.silkmesh') : given)
  const file = fileLayer(join(home, 'config.yaml'))
  const resolved = resolveConfig([flagLayer, ...between(home), environmentLayer, file])
  return { ...resolved, home }
}

/** `--set group.name=value` as a flag. Throws naming what is wrong with it. */
export function parseAssignment(text: string): readonly [string, string] {
  const match = /^([a-z]+)\.([A-Za-z]+)=(.*)$/s.exec(text)
  const [, group, name, value] = match ?? []
  if (group === undefined || name === undefined || value === undefined) {
    throw new MeshError('bad-request', `--set "${text}", expected group.name=value such as provider.creditTokens=32`)
  }
  assertKnown('--set', group, name)
  return [`${group}.${name}`, value]
}

/** `network.advertGapMs` → `SILKMESH_NETWORK_ADVERT_GAP_MS` */
export function variableOf(group: string, name: string): string {
  return `SILKMESH_${group}_${name.replace(/[A-Z]/g, (letter) => `_${letter}`)}`.toUpperCase()
}

function fileLayer(path: string): Layer {
  const values = readSettingsFile(path)
  return {
    origin: 'file',
    describe: (group, name) => `${path}: ${group}.${name}`,
    lookup: (group, name) => values.get(`${group}.${name}`),
  }
}

function readSettingsFile(path: string): ReadonlyMap<string, unknown> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return new Map()
    if (code === 'ENOTDIR') {
      throw new MeshError('bad-request', `home ${dirname(path)} is not a directory; choose another with --home`, {
        cause: error,
      })
    }
    throw new MeshError('bad-request', `${path}: ${reasonOf(code)}, expected a readable YAML file`, { cause: error })
  }
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter })
  const [problem] = document.errors
  if (problem) {
    const reason = problem.message.split(' at line ')[0]
    throw new MeshError('bad-request', `${path}:${problem.linePos?.[0].line ?? 1} is not YAML: ${reason}`)
  }
  const root: unknown = document.toJS({ maxAliasCount: 10 })
  if (root === null || root === undefined) return new Map()
  if (!isRecord(root)) throw new MeshError('bad-request', `${path}: expected groups of settings, such as "provider:"`)
  const values = new Map<string, unknown>()
  for (const [group, members] of Object.entries(root)) {
    if (members === null) continue // a group with every setting commented out
    if (!isRecord(members))
      throw new MeshError('bad-request', `${path}: "${group}: ${JSON.stringify(members)}", expected settings below it`)
    for (const [name, value] of Object.entries(members)) {
      assertKnown(path, group, name)
      values.set(`${group}.${name}`, value)
    }
  }
  return values
}

function assertKnown(source: string, group: string, name: string): void {
  const members = Object.hasOwn(settings, group) ? settings[group as keyof typeof settings] : undefined
  if (members && Object.hasOwn(members, name)) return
  const names = members ? Object.keys(members) : Object.keys(settings)
  throw new MeshError(
    'bad-request',
    `${source}: there is no setting ${group}.${name}; ${members ? `${group} has` : 'the groups are'} ${names.join(', ')} (\`silkmesh config\` explains them)`,
  )
}

function reasonOf(code: string | undefined): string {
  if (code === 'EISDIR') return 'it is a directory'
  if (code === 'EACCES') return 'this user may not read it'
  return `it cannot be read (${code ?? 'unknown'})`
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

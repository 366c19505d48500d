// Profiles: one engine of one version with one model on one machine, its limits and what an iteration costs there.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Cost, costOfSpec, costTerms, type Spec } from './cost.ts'

export interface Profile {
  readonly name: string
  readonly engine: string
  readonly engineVersion: string
  readonly hardware: string
  readonly model: string
  readonly dtype: string
  /** Where the limits, and the figures of a `spec`, are from. */
  readonly source: string
  /** What the cost was fitted to. */
  readonly calibratedFrom?: string | undefined
  /** What was measured of it against a real engine, in words and figures. */
  readonly validatedAgainst?: string | undefined
  /** Prompt and completion together. */
  readonly contextTokens: number
  readonly blockTokens: number
  readonly kvTokens: number
  readonly maxNumSeqs: number
  readonly maxNumBatchedTokens: number
  readonly prefixCaching: boolean
  /** The next iteration is put together while one runs, as vLLM does by default from 0.12 on: a newcomer waits one longer. */
  readonly asyncScheduling: boolean
  /** Standard deviation of an iteration's time as a share of it. */
  readonly jitter: number
  readonly parameters:
    | { readonly kind: 'calibrated'; readonly cost: Cost }
    | { readonly kind: 'spec'; readonly spec: Spec }
}

/** By the name of one that comes along, or the path of a JSON file. Throws `RangeError` naming file and field. */
export function loadProfile(nameOrPath: string): Profile {
  const isName = /^[\w.-]+$/.test(nameOrPath) && !nameOrPath.endsWith('.json')
  const path = isName ? fileURLToPath(new URL(`../../profiles/${nameOrPath}.json`, import.meta.url)) : nameOrPath
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const remedy = isName
      ? 'sim/profiles/ lists those that come along; a path to a JSON file works too'
      : 'no such file'
    throw new RangeError(`profile ${nameOrPath} cannot be read: ${remedy}`, { cause: error })
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new RangeError(`${path} is not JSON: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
  return decodeProfile(json, path)
}

export function costOf({ parameters }: Profile): Cost {
  return parameters.kind === 'calibrated' ? parameters.cost : costOfSpec(parameters.spec)
}

/** As files hold it: what `decodeProfile` reads. */
export function encodeProfile(profile: Profile): string {
  return `${JSON.stringify(profile, null, 2)}\n`
}

/** Throws `RangeError` naming `file` and the first field that is wrong. */
export function decodeProfile(json: unknown, file: string): Profile {
  const fields = new Fields(json, file, '')
  const profile: Profile = {
    name: fields.text('name'),
    engine: fields.text('engine'),
    engineVersion: fields.text('engineVersion'),
    hardware: fields.text('hardware'),
    model: fields.text('model'),
    dtype: fields.text('dtype'),
    source: fields.text('source'),
    ...(fields.has('calibratedFrom') ? { calibratedFrom: fields.text('calibratedFrom') } : {}),
    ...(fields.has('validatedAgainst') ? { validatedAgainst: fields.text('validatedAgainst') } : {}),
    contextTokens: fields.count('contextTokens', 2, 10_000_000),
    blockTokens: fields.count('blockTokens', 1, 4_096),
    kvTokens: fields.count('kvTokens', 1, 1_000_000_000),
    maxNumSeqs: fields.count('maxNumSeqs', 1, 65_536),
    maxNumBatchedTokens: fields.count('maxNumBatchedTokens', 1, 10_000_000),
    prefixCaching: fields.flag('prefixCaching', true),
    asyncScheduling: fields.flag('asyncScheduling', false),
    jitter: fields.has('jitter') ? fields.number('jitter', 0, 0.5) : 0,
    parameters: decodeParameters(fields.object('parameters')),
  }
  fields.end()
  const kvTokens = profile.kvTokens - (profile.kvTokens % profile.blockTokens)
  if (kvTokens < profile.contextTokens) {
    fields.fail('kvTokens', `${kvTokens} in whole blocks`, `at least contextTokens, ${profile.contextTokens}`)
  }
  if (profile.maxNumBatchedTokens < profile.maxNumSeqs) {
    fields.fail('maxNumBatchedTokens', profile.maxNumBatchedTokens, `at least maxNumSeqs, ${profile.maxNumSeqs}`)
  }
  return profile
}

function decodeParameters(fields: Fields): Profile['parameters'] {
  const kind = fields.text('kind')
  if (kind === 'calibrated') {
    const terms = fields.object('cost')
    const [stepMs, weightsMs, tokenMs, sequenceMs, contextMs, pairMs] = costTerms.map((term) =>
      terms.number(term, 0, 60_000),
    )
    terms.end()
    fields.end()
    const cost = { stepMs, weightsMs, tokenMs, sequenceMs, contextMs, pairMs } as Cost
    if (iterationIsFree(cost)) terms.fail('weightsMs', 0, 'above 0, or stepMs: an iteration takes time')
    return { kind, cost }
  }
  if (kind !== 'spec') return fields.fail('kind', kind, '"calibrated" or "spec"')
  const sheet = fields.object('spec')
  const gpus = sheet.count('gpus', 1, 1_024)
  const spec: Spec = {
    gpus,
    memoryBytesPerSecond: sheet.number('memoryBytesPerSecond', 1e6, 1e15),
    flopsPerSecond: sheet.number('flopsPerSecond', 1e6, 1e18),
    weightBytes: sheet.number('weightBytes', 1, 1e15),
    activeParameters: sheet.number('activeParameters', 1, 1e15),
    layers: sheet.count('layers', 1, 10_000),
    attentionWidth: sheet.count('attentionWidth', 1, 1_000_000),
    kvBytesPerToken: sheet.number('kvBytesPerToken', 1, 1e9),
    ...(sheet.has('linkBytesPerSecond') ? { linkBytesPerSecond: sheet.number('linkBytesPerSecond', 1e6, 1e15) } : {}),
  }
  if (gpus > 1 && spec.linkBytesPerSecond === undefined) {
    sheet.fail('linkBytesPerSecond', undefined, `a number: ${gpus} GPUs exchange activations`)
  }
  sheet.end()
  fields.end()
  return { kind, spec }
}

function iterationIsFree({ stepMs, weightsMs }: Cost): boolean {
  return stepMs + weightsMs <= 0
}

/** One JSON object, read field by field. */
class Fields {
  readonly #values: ReadonlyMap<string, unknown>
  readonly #file: string
  readonly #path: string
  readonly #read = new Set<string>()

  constructor(json: unknown, file: string, path: string) {
    this.#file = file
    this.#path = path
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw new RangeError(`${file}${path && `: ${path.slice(0, -1)}`} is ${shown(json)}, expected an object`)
    }
    this.#values = new Map(Object.entries(json))
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  object(name: string): Fields {
    return new Fields(this.#take(name), this.#file, `${this.#path}${name}.`)
  }

  text(name: string): string {
    const value = this.#take(name)
    return typeof value === 'string' && value !== '' ? value : this.fail(name, value, 'a text')
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.#take(name) ?? fallback
    return typeof value === 'boolean' ? value : this.fail(name, value, 'true or false')
  }

  number(name: string, min: number, max: number): number {
    const value = this.#take(name)
    const isFine = typeof value === 'number' && value >= min && value <= max
    return isFine ? value : this.fail(name, value, `a number from ${min} to ${max}`)
  }

  count(name: string, min: number, max: number): number {
    const value = this.#take(name)
    const isFine = typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
    return isFine ? value : this.fail(name, value, `a whole number from ${min} to ${max}`)
  }

  /** Throws for a field that was not asked for. */
  end(): void {
    for (const name of this.#values.keys()) {
      if (!this.#read.has(name)) this.fail(name, this.#values.get(name), `one of ${[...this.#read].join(', ')}`)
    }
  }

  fail(name: string, value: unknown, expected: string): never {
    throw new RangeError(`${this.#file}: ${this.#path}${name} is ${shown(value)}, expected ${expected}`)
  }

  #take(name: string): unknown {
    this.#read.add(name)
    return this.#values.get(name)
  }
}

function shown(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value).slice(0, 80)
}

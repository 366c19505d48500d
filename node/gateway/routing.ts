// Which provider, at what price, and which model: the words that every endpoint shares.

import { parsePeerId } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import type { Nano } from '../../protocol/money.ts'
import type { ChatMessage } from '../../protocol/task.ts'
import type { Hedge, InferenceRequest, Preferences } from '../inference.ts'
import { type Fields, readFields, readFlag, readGram, readWord, requireEmpty, wrong } from './fields.ts'

export const routingNames = ['model', 'provider', 'max_cost'] as const

export interface RequestHeaders {
  /** `x-silkmesh-hedge` */
  readonly hedge: string | undefined
}

export type Routing = Pick<InferenceRequest, 'model' | 'costNanoMax' | 'preferences' | 'hedge'>

export function readRouting(body: Fields, headers: RequestHeaders): Routing {
  const { name, sort } = readModel(body['model'])
  const preferences = readPreferences(body['provider'], sort)
  const hedge = readHedge(headers.hedge)
  return {
    model: name,
    costNanoMax: readGram('max_cost', body['max_cost']),
    ...(preferences && { preferences }),
    ...(hedge !== undefined && { hedge }),
  }
}

type Sort = NonNullable<Preferences['sort']>

const sorts: readonly Sort[] = ['price', 'throughput', 'latency']
const suffixes: readonly (readonly [suffix: string, sort: Sort])[] = [
  [':floor', 'price'],
  [':nitro', 'throughput'],
]

function readModel(value: unknown): { readonly name: string; readonly sort: Sort | undefined } {
  const text = typeof value === 'string' ? value : ''
  const [suffix = '', sort] = suffixes.find(([ending]) => text.endsWith(ending)) ?? []
  const name = text.slice(0, text.length - suffix.length)
  if (name === '' || name.length > limits.modelNameCharsMax) {
    throw wrong('model', value, `a name or key of 1 to ${limits.modelNameCharsMax} characters`)
  }
  return { name, sort }
}

function readPreferences(value: unknown, suffixSort: Sort | undefined): Preferences | undefined {
  if (value === undefined || value === null) return suffixSort && { sort: suffixSort }
  const fields = readFields('provider', value, 'an object such as {"sort": "price"}')
  requireEmpty('provider', fields, [
    'order',
    'only',
    'ignore',
    'max_price',
    'sort',
    'require_parameters',
    'allow_fallbacks',
  ])
  // A provider is only ever asked for what it can do, which is what `true` means and more than `false` asks for.
  readFlag('provider.require_parameters', fields['require_parameters'])
  const sort = readWord('provider.sort', fields['sort'], sorts)
  if (sort && suffixSort && sort !== suffixSort) {
    throw wrong('provider.sort', sort, `${suffixSort}, as the model's suffix says, or only one of the two`)
  }
  const allowFallbacks = readFlag('provider.allow_fallbacks', fields['allow_fallbacks'])
  return {
    ...peers('order', fields),
    ...peers('only', fields),
    ...peers('ignore', fields),
    ...readPriceMax(fields['max_price']),
    ...((sort ?? suffixSort) && { sort: sort ?? suffixSort }),
    ...(allowFallbacks !== undefined && { allowFallbacks }),
  }
}

/** Of one list. */
const peersMax = 64

function peers(name: 'order' | 'only' | 'ignore', fields: Fields): Pick<Preferences, typeof name> {
  const value = fields[name]
  if (value === undefined || value === null) return {}
  const param = `provider.${name}`
  if (!Array.isArray(value) || value.length > peersMax)
    throw wrong(param, value, `a list of at most ${peersMax} peer ids`)
  const list = value.map((peer: unknown, at) => {
    if (typeof peer !== 'string' || !isPeerId(peer)) throw wrong(`${param}[${at}]`, peer, 'a peer id such as 12D3KooW…')
    return peer
  })
  return list.length === 0 ? {} : { [name]: list }
}

function isPeerId(text: string): boolean {
  try {
    parsePeerId(text)
    return true
  } catch {
    return false // it says so by throwing
  }
}

/** GRAM a million tokens. */
function readPriceMax(value: unknown): { readonly promptNanoMax?: Nano; readonly completionNanoMax?: Nano } {
  if (value === undefined || value === null) return {}
  const fields = readFields('provider.max_price', value, 'an object with prompt and completion')
  requireEmpty('provider.max_price', fields, ['prompt', 'completion'])
  const promptNanoMax = readGram('provider.max_price.prompt', fields['prompt'])
  const completionNanoMax = readGram('provider.max_price.completion', fields['completion'])
  return {
    ...(promptNanoMax !== undefined && { promptNanoMax }),
    ...(completionNanoMax !== undefined && { completionNanoMax }),
  }
}

/** No request lives longer. */
const hedgeMsMax = 600_000

function readHedge(value: string | undefined): Hedge | undefined {
  if (value === undefined) return undefined
  if (value === 'p95') return value
  const ms = /^\d{1,6}$/.test(value) ? Number(value) : 0
  if (ms < 1 || ms > hedgeMsMax) throw wrong('x-silkmesh-hedge', value, `p95, or milliseconds from 1 to ${hedgeMsMax}`)
  return ms
}

/** Of a text to go on with: it grows from turn to turn, its beginning stays. */
const beginningChars = 256

/**
 * The same for all turns of a conversation, so that they return to the provider that still holds its beginning: what the
 * client says itself (`prompt_cache_key`, else `user`), else a fingerprint of what no later turn changes, which is all up
 * to the first message of the user.
 */
export function affinityOf(body: Fields, beginning: readonly ChatMessage[] | string): string {
  for (const name of ['prompt_cache_key', 'user']) {
    const value = body[name]
    if (typeof value === 'string' && value !== '') return `${name}:${fingerprint([value])}`
  }
  if (typeof beginning === 'string') return fingerprint([beginning.slice(0, beginningChars)])
  const first = beginning.findIndex(({ role }) => role === 'user')
  const fixed = beginning.slice(0, first === -1 ? 1 : first + 1)
  return fingerprint(fixed.flatMap(({ role, content }) => [role, content]))
}

/** FNV-1a in two lanes of 32 bits: a name for routing, which no one gains by forging. */
function fingerprint(texts: readonly string[]): string {
  let low = 0x811c9dc5
  let high = 0x01000193
  for (const text of texts) {
    for (let at = 0; at <= text.length; at++) {
      const unit = at < text.length ? text.charCodeAt(at) : 0x10000 // where one text ends is part of it
      low = Math.imul(low ^ unit, 0x01000193)
      high = Math.imul(high ^ unit ^ (low >>> 15), 0x85ebca6b)
    }
  }
  return ((high >>> 0) * 2 ** 21 + (low >>> 11)).toString(36)
}

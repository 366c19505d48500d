// Which providers a request may go to: those that can do what it needs, that its caller and this node's owner allow, and that ask
// no more than either pays. Pure.

import { counted } from '../../protocol/counted.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { ModelKey } from '../../protocol/ids.ts'
import { formatGram, largest, type Nano } from '../../protocol/money.ts'
import { type Feature, featuresOf } from '../../protocol/task.ts'
import type { Config } from '../config.ts'
import type { InferenceRequest, Preferences } from '../inference.ts'
import type { Candidate } from './directory.ts'
import type { Routing } from './selection.ts'

/** The caller's wishes within the owner's rules. */
export interface Wishes {
  readonly routing: Routing
  readonly order: readonly string[]
  /** Undefined allows everybody. */
  readonly only: ReadonlySet<string> | undefined
  readonly ignore: ReadonlySet<string>
  readonly promptNanoMax: Nano
  readonly completionNanoMax: Nano
  readonly cachedNanoMax: Nano
  readonly allowFallbacks: boolean
}

export function wishesOf(preferences: Preferences, consumer: Config['consumer']): Wishes {
  const { allowFallbacks = true, completionNanoMax, ignore = [], only, order, promptNanoMax, sort } = preferences
  const { priceNanoMax } = consumer
  return {
    routing: sort ? sorted[sort] : consumer.routing,
    order: order ?? consumer.order,
    only: both(only, consumer.only.length === 0 ? undefined : consumer.only),
    ignore: new Set([...ignore, ...consumer.ignore]),
    promptNanoMax: lesser(promptNanoMax, priceNanoMax),
    completionNanoMax: lesser(completionNanoMax, priceNanoMax),
    cachedNanoMax: priceNanoMax,
    allowFallbacks: allowFallbacks && consumer.fallbacks,
  }
}

const sorted: Readonly<Record<NonNullable<Preferences['sort']>, Routing>> = {
  price: 'least-price',
  throughput: 'most-throughput',
  latency: 'least-latency',
}

/** Those that may be asked, or why nobody may. */
export type Eligible = { readonly candidates: readonly Candidate[] } | { readonly refusal: MeshError }

/** Of `found`, which is not empty; `modelKey` where tokens were delivered and only the same weights can go on. */
export function eligible(
  found: readonly Candidate[],
  request: InferenceRequest,
  wishes: Wishes,
  modelKey: ModelKey | undefined,
): Eligible {
  const { model } = request
  const same = modelKey === undefined ? found : found.filter(({ offer }) => offer.modelKey === modelKey)
  if (same.length === 0) return refused('no-provider', `nobody else serves the weights that "${model}" began with`)
  const able = ableOf(same, request)
  if ('refusal' in able) return able
  const allowed = able.candidates.filter(({ advert: { peer } }) => isAllowed(peer, wishes))
  if (allowed.length === 0) {
    const known = counted(able.candidates.length, `provider of "${model}" is`, `providers of "${model}" are`)
    const next = "widen the request's provider.only or ignore, or the owner's consumer.only and consumer.ignore"
    return refused('no-provider', `${known} known and none is allowed (only, ignore)`, 'provider', next)
  }
  const affordable = allowed.filter(({ offer }) => isAffordable(offer.price, wishes))
  if (affordable.length > 0) return { candidates: affordable }
  const { completionNanoMax, promptNanoMax } = wishes
  const ceiling =
    completionNanoMax === promptNanoMax
      ? `${formatGram(completionNanoMax)} GRAM a million tokens`
      : `${formatGram(promptNanoMax)} GRAM a million prompt tokens or ${formatGram(completionNanoMax)} a million completion tokens`
  const served = `${counted(allowed.length, 'provider serves', 'providers serve')} "${model}"`
  return {
    refusal: new MeshError('no-provider', `${served}, all above ${ceiling}`, { next: wayToPay(allowed, wishes) }),
  }
}

/** What kept the request from the cheapest: the caller's ceiling, the owner's, or both. */
function wayToPay(allowed: readonly Candidate[], wishes: Wishes): string {
  const { cachedNanoMax: ownerNanoMax, completionNanoMax, promptNanoMax } = wishes
  const isCallers = completionNanoMax < ownerNanoMax || promptNanoMax < ownerNanoMax
  const asked = allowed.map(({ offer: { price } }) => largest(price.promptNano, price.completionNano, price.cachedNano))
  const leastNano = asked.reduce((least, nano) => (nano < least ? nano : least))
  if (leastNano <= ownerNanoMax) return "raise the request's provider.max_price, or leave it out"
  const owners = `\`silkmesh up --set consumer.priceNanoMax=${formatGram(leastNano)}\` takes the cheapest`
  return isCallers ? `${owners}; the request's provider.max_price is lower still` : owners
}

function ableOf(candidates: readonly Candidate[], request: InferenceRequest): Eligible {
  const needed = featuresOf(request)
  const able = candidates.filter(({ offer }) => [...needed.keys()].every((feature) => offer.features.includes(feature)))
  if (able.length > 0) return { candidates: able }
  const counts = [...needed].map(([feature, param]) => ({
    feature,
    param,
    count: candidates.filter(({ offer }) => offer.features.includes(feature)).length,
  }))
  const rarest = counts.reduce((least, each) => (each.count < least.count ? each : least))
  const { feature, param, count } = rarest
  const others = count === 0 ? 'none' : `those ${count} that can do not all else that is asked`
  const served = counted(candidates.length, 'provider serves', 'providers serve')
  const text = `${served} "${request.model}", ${others} with ${feature}, which ${param} needs`
  const next = wholes.has(feature)
    ? `take a model with ${feature}: GET /v1/models lists the features of each`
    : undefined
  return refused('unsupported', text, param, next)
}

/** What is asked for itself and cannot be left out of the request. */
const wholes: ReadonlySet<Feature> = new Set(['chat', 'text', 'embeddings'])

function isAllowed(peer: string, { ignore, only }: Wishes): boolean {
  return !ignore.has(peer) && (only === undefined || only.has(peer))
}

function isAffordable(
  { cachedNano, completionNano, promptNano }: Candidate['offer']['price'],
  { cachedNanoMax, completionNanoMax, promptNanoMax }: Wishes,
): boolean {
  return promptNano <= promptNanoMax && completionNano <= completionNanoMax && cachedNano <= cachedNanoMax
}

function refused(code: 'no-provider' | 'unsupported', message: string, param?: string, next?: string): Eligible {
  return { refusal: new MeshError(code, message, { param, next }) }
}

/** What both allow; undefined allows all. */
function both(a: readonly string[] | undefined, b: readonly string[] | undefined): ReadonlySet<string> | undefined {
  if (!a || !b) return a || b ? new Set(a ?? b) : undefined
  return new Set(a.filter((peer) => b.includes(peer)))
}

function lesser(a: Nano | undefined, b: Nano): Nano {
  return a !== undefined && a < b ? a : b
}

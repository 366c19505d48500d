// The models that the mesh serves now, in the shape of OpenAI's list with what a buyer asks besides.

import type { Price } from '../../protocol/money.ts'
import type { ServedModel } from '../inference.ts'

export function modelList(models: readonly ServedModel[]): string {
  return JSON.stringify({ object: 'list', data: models.map((_, at) => modelEntry(models, at)) })
}

/** By name or by key; undefined where the mesh does not serve it now. */
export function modelOf(models: readonly ServedModel[], id: string): string | undefined {
  const at = models.findIndex(({ name, key }) => name === id || key === id)
  return at === -1 ? undefined : JSON.stringify(modelEntry(models, at))
}

function modelEntry(models: readonly ServedModel[], at: number): object | undefined {
  const model = models[at]
  if (!model) return undefined
  // Anyone may give other weights a name in use: the first keeps it, the others go by their keys, so that ids are unique.
  const taken = models.findIndex(({ name }) => name === model.name) < at
  return {
    id: taken ? model.key : model.name,
    object: 'model',
    created: 0, // required by OpenAI's schema; a model key has no date
    owned_by: 'silkmesh',
    name: model.name,
    key: model.key,
    context_length: model.contextTokens,
    providers: model.providers,
    slots_free: model.slotsFree,
    features: model.features,
    price_per_million: priceOf(model.price),
    price_per_million_max: priceOf(model.priceMax),
  }
}

/** Nano as decimal strings: JSON's numbers end at 2^53. */
function priceOf(price: Price): object {
  return {
    prompt_nano: price.promptNano.toString(),
    completion_nano: price.completionNano.toString(),
    cached_nano: price.cachedNano.toString(),
  }
}

// What the gateway says, in OpenAI's shapes: completions, stream chunks, the model list and errors. Text in, JSON out.

import { failures, type MeshError } from '../../protocol/errors.ts'
import type { EndReason } from '../../protocol/frames.ts'
import type { Price, Usage } from '../../protocol/money.ts'
import type { InferenceEvent, InferenceResult, ServedModel } from '../inference.ts'
import { ParameterError } from './openai.ts'

export type Accepted = Extract<InferenceEvent, { type: 'accepted' }>

/** No hardware vouches for the provider: it sees the prompt. */
export const trustTier = 'open'

/** The JSON of a `chat.completion`. */
export function completionOf(result: InferenceResult, text: string, createdS: number): string {
  return JSON.stringify({
    id: `chatcmpl-${result.requestId}`,
    object: 'chat.completion',
    created: createdS,
    model: result.modelName,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: text, refusal: null },
        logprobs: null,
        finish_reason: finishOf(result.finish),
      },
    ],
    usage: usageOf(result.usage),
    silkmesh: accountOf(result),
  })
}

/** Writes one stream's events. Everything that repeats is serialised once: this runs for every delta. */
export interface ChunkWriter {
  readonly opening: string
  delta(text: string): string
  /** The finish, the usage where asked for, and `[DONE]`. */
  closing(result: InferenceResult): string
}

export function chunkWriter(accepted: Accepted, createdS: number, includeUsage: boolean): ChunkWriter {
  const envelope = {
    id: `chatcmpl-${accepted.requestId}`,
    object: 'chat.completion.chunk',
    created: createdS,
    model: accepted.modelName,
  }
  // OpenAI sends `usage: null` on every chunk but the last once the usage was asked for.
  const rest = includeUsage ? { usage: null } : {}
  const chunk = (delta: object, finish: EndReason | null, more: object): string =>
    event({
      ...envelope,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish === null ? null : finishOf(finish) }],
      ...more,
    })
  const empty = chunk({ content: '' }, null, rest)
  const hole = empty.lastIndexOf('""') // the content's: nothing after it is a text
  const before = empty.slice(0, hole)
  const after = empty.slice(hole + 2)
  return {
    opening: chunk({ role: 'assistant', content: '' }, null, rest),
    delta: (text) => before + JSON.stringify(text) + after,
    closing: (result) => {
      const account = { silkmesh: accountOf(result) }
      if (!includeUsage) return chunk({}, result.finish, account) + done
      const usage = { ...envelope, choices: [], usage: usageOf(result.usage), ...account }
      return chunk({}, result.finish, rest) + event(usage) + done
    },
  }
}

/** As OpenAI ends a stream that failed: one event, and no `[DONE]` after it. */
export function errorEvent(error: MeshError): string {
  return `data: ${errorOf(error)}\n\n`
}

/** A comment: clients skip it, proxies see a live connection. */
export const keepAliveComment = ': keep-alive\n\n'

const done = 'data: [DONE]\n\n'

/** The JSON of OpenAI's error, with the table's advice as `next_step`. */
export function errorOf(error: MeshError, status: number = failures[error.code].http): string {
  return JSON.stringify({
    error: {
      message: error.message,
      type: errorTypes.get(status) ?? (status >= 500 ? 'api_error' : 'invalid_request_error'),
      param: paramOf(error),
      code: error.code,
      next_step: failures[error.code].advice,
    },
  })
}

const errorTypes: ReadonlyMap<number, string> = new Map([
  [401, 'authentication_error'],
  [402, 'insufficient_quota'],
  [403, 'permission_error'],
  [429, 'rate_limit_error'],
])

function paramOf(error: MeshError): string | null {
  if (error instanceof ParameterError) return error.param
  if (error.code === 'unknown-model' || error.code === 'no-provider') return 'model'
  return error.code === 'context-exceeded' ? 'messages' : null
}

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
    price_per_million: priceOf(model.price),
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

function usageOf({ promptTokens, cachedTokens, completionTokens }: Usage): object {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  }
}

function accountOf(result: InferenceResult): object {
  return {
    provider: result.provider,
    cost_nano: result.costNano.toString(),
    failovers: result.failovers,
    tier: trustTier,
    request_id: result.requestId,
  }
}

/** A cancelled request is an error before it gets here; to a client that sees it all the same, the text was cut. */
function finishOf(finish: EndReason): 'stop' | 'length' {
  return finish === 'stop' ? 'stop' : 'length'
}

function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`
}

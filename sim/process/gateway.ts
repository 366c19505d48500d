// A consumer's gateway as a caller sees it: one streamed answer over HTTP, told in the events and the result of the inference it
// stands for.

import { createParser } from 'eventsource-parser'
import type { InferenceEvent, InferenceRequest, InferenceResult } from '../../node/inference.ts'
import { asMeshError, type ErrorCode, failures, MeshError } from '../../protocol/errors.ts'
import { parsePeerId } from '../../protocol/ids.ts'
import { formatGram, type Price } from '../../protocol/money.ts'
import { isRecord } from './child.ts'

export interface GatewayAddress {
  readonly baseUrl: string
  readonly apiKey: string
}

/** What the gateway does not tell. */
export interface Beforehand {
  /** Of this provider, by the settings it was started with. */
  readonly priceOf: (provider: string) => Price
  readonly promptTokens: number
  /** One character is one token, and a token's id its character's code. */
  readonly isModelled: boolean
}

/** Throws `MeshError` with the gateway's own code. The signal hangs up, which cancels the request at the provider. */
export async function* inferOver(
  { apiKey, baseUrl }: GatewayAddress,
  request: InferenceRequest,
  { isModelled, priceOf, promptTokens }: Beforehand,
  signal: AbortSignal,
): AsyncGenerator<InferenceEvent, InferenceResult, undefined> {
  const response = await reach(() =>
    fetch(`${baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(bodyOf(request)),
      signal,
    }),
  )
  if (!response.ok) throw await refusalOf(response)
  const requestId = response.headers.get('x-request-id') ?? ''
  const first = parsePeerId(response.headers.get('x-silkmesh-provider') ?? '')
  yield { type: 'accepted', requestId, provider: first, modelName: request.model, price: priceOf(first), promptTokens }
  const account: Account = { finish: undefined, usage: undefined, silkmesh: undefined, modelName: request.model }
  for await (const text of textsOf(response, account)) {
    yield isModelled
      ? { type: 'delta', text, tokens: text.length, tokenIds: [...text].map((character) => character.charCodeAt(0)) }
      : { type: 'delta', text, tokens: 1, tokenIds: [] } // its count comes with the result
  }
  return resultOf(account)
}

/** What a stream says besides text, gathered on the way. */
interface Account {
  finish: 'stop' | 'length' | undefined
  usage: Readonly<Record<string, unknown>> | undefined
  silkmesh: Readonly<Record<string, unknown>> | undefined
  modelName: string
}

function bodyOf({ costNanoMax, messages, model, sampling }: InferenceRequest): object {
  const { seed, stop, temperature, tokensMax, topP } = sampling
  return {
    model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
    ...(tokensMax === undefined ? {} : { max_tokens: tokensMax }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(seed === undefined ? {} : { seed }),
    ...(stop === undefined || stop.length === 0 ? {} : { stop }),
    ...(costNanoMax === undefined ? {} : { max_cost: formatGram(costNanoMax) }),
  }
}

async function* textsOf(response: Response, account: Account): AsyncGenerator<string, void, undefined> {
  const texts: string[] = []
  let failure: MeshError | undefined
  const parser = createParser({
    onEvent: ({ data }) => {
      if (data === '[DONE]') return
      const chunk: unknown = JSON.parse(data)
      if (!isRecord(chunk)) return
      if (isRecord(chunk['error'])) failure = failureOf(chunk['error'])
      if (isRecord(chunk['usage'])) account.usage = chunk['usage']
      if (isRecord(chunk['silkmesh'])) account.silkmesh = chunk['silkmesh']
      if (typeof chunk['model'] === 'string') account.modelName = chunk['model']
      const choice: unknown = Array.isArray(chunk['choices']) ? chunk['choices'][0] : undefined
      if (!isRecord(choice)) return
      const { delta, finish_reason: finish } = choice
      if (isRecord(delta) && typeof delta['content'] === 'string' && delta['content'] !== '')
        texts.push(delta['content'])
      if (finish === 'stop' || finish === 'length') account.finish = finish
    },
  })
  const decoder = new TextDecoder()
  const reader = response.body?.getReader()
  try {
    for (;;) {
      const next = await reach(async () => reader?.read())
      if (next?.value !== undefined) parser.feed(decoder.decode(next.value, { stream: true }))
      yield* texts.splice(0)
      if (failure) throw failure
      if (next === undefined || next.done) return
    }
  } finally {
    await reader?.cancel().catch(() => undefined) // it is over, or nobody wants the rest
  }
}

function resultOf({ finish, modelName, silkmesh, usage }: Account): InferenceResult {
  if (!silkmesh || !usage || !finish) throw new MeshError('internal', 'the gateway ended a stream without an account')
  const details = isRecord(usage['prompt_tokens_details']) ? usage['prompt_tokens_details'] : {}
  return {
    requestId: String(silkmesh['request_id']),
    finish,
    provider: parsePeerId(String(silkmesh['provider'])),
    modelName,
    usage: {
      promptTokens: Number(usage['prompt_tokens']),
      cachedTokens: Number(details['cached_tokens'] ?? 0),
      completionTokens: Number(usage['completion_tokens']),
    },
    costNano: BigInt(String(silkmesh['cost_nano'])),
    failovers: Number(silkmesh['failovers']),
  }
}

async function refusalOf(response: Response): Promise<MeshError> {
  const body: unknown = await response.json().catch(() => undefined)
  const error = isRecord(body) && isRecord(body['error']) ? body['error'] : {}
  return failureOf({ message: `the gateway answered ${response.status}`, ...error })
}

function failureOf({ code, message }: Readonly<Record<string, unknown>>): MeshError {
  const isKnown = typeof code === 'string' && Object.hasOwn(failures, code)
  return new MeshError(isKnown ? (code as ErrorCode) : 'internal', String(message))
}

/** What fetch throws, as the mesh says it. */
async function reach<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof MeshError) throw error
    if (error instanceof Error && error.name === 'AbortError') {
      throw new MeshError('cancelled', 'the caller hung up', { cause: error })
    }
    throw new MeshError('unreachable', `the gateway went away: ${asMeshError(error).message}`, { cause: error })
  }
}

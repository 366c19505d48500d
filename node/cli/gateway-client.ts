// A gateway as its clients see it: plain HTTP and server-sent events, as any OpenAI client speaks them.

import { createParser } from 'eventsource-parser'
import { type ErrorCode, failures, MeshError } from '../../protocol/errors.ts'
import type { RequestView } from '../gateway/explain.ts'
import type { KeyView } from '../gateway/key-view.ts'
import { type SpendView, spendOfView } from '../gateway/spend-view.ts'
import type { SpendOfDay } from '../inference.ts'

export interface GatewayAddress {
  readonly baseUrl: string
  readonly apiKey: string
}

/** The last object of an answer: what it cost and who gave it. */
export interface AnswerSummary {
  readonly provider: string
  readonly costNano: string
  readonly failovers: number
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number }
}

export interface Question {
  readonly model: string
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly maxTokens: number | undefined
  readonly temperature?: number | undefined
}

/** Streams one answer. Throws `MeshError` with the gateway's own code and message. */
export async function ask(
  gateway: GatewayAddress,
  question: Question,
  onText: (text: string) => void,
  signal: AbortSignal,
): Promise<AnswerSummary> {
  const response = await request(gateway, '/chat/completions', signal, {
    model: question.model,
    messages: question.messages,
    stream: true,
    stream_options: { include_usage: true },
    ...(question.maxTokens === undefined ? {} : { max_tokens: question.maxTokens }),
    ...(question.temperature === undefined ? {} : { temperature: question.temperature }),
  })
  let summary: AnswerSummary | undefined
  let failure: MeshError | undefined
  const parser = createParser({
    onEvent: ({ data }) => {
      if (data === '[DONE]') return
      const chunk = JSON.parse(data) as Chunk
      if (chunk.error) failure = failureOf(chunk.error)
      const text = chunk.choices?.[0]?.delta?.content
      if (text) onText(text)
      if (chunk.silkmesh) {
        summary = {
          provider: chunk.silkmesh.provider,
          costNano: chunk.silkmesh.cost_nano,
          failovers: chunk.silkmesh.failovers,
          usage: {
            promptTokens: chunk.usage?.prompt_tokens ?? summary?.usage.promptTokens ?? 0,
            completionTokens: chunk.usage?.completion_tokens ?? summary?.usage.completionTokens ?? 0,
          },
        }
      }
    },
  })
  const decoder = new TextDecoder()
  try {
    for await (const bytes of response.body ?? []) parser.feed(decoder.decode(bytes as Uint8Array, { stream: true }))
  } catch (error) {
    if (signal.aborted) throw error
    throw new MeshError(
      'unreachable',
      `the gateway at ${gateway.baseUrl} went away in the middle of the answer; what arrived is paid for, and asking again costs again`,
      { cause: error },
    )
  }
  if (failure) throw failure
  if (!summary) throw new MeshError('internal', 'the gateway ended the stream without an account of it')
  return summary
}

export async function modelNames(gateway: GatewayAddress, signal: AbortSignal): Promise<readonly string[]> {
  const response = await request(gateway, '/models', signal)
  const { data } = ((await response.json().catch(() => undefined)) ?? {}) as { data?: { id: string }[] }
  if (!Array.isArray(data)) throw noGateway(gateway, response)
  return data.map(({ id }) => id)
}

/** All keys that the gateway's owner gave out, and what each has spent. */
export async function keyViews(gateway: GatewayAddress, signal: AbortSignal): Promise<readonly KeyView[]> {
  const response = await request(gateway, '/keys', signal)
  const { data } = ((await response.json().catch(() => undefined)) ?? {}) as { data?: KeyView[] }
  if (!Array.isArray(data)) throw noGateway(gateway, response)
  return data
}

/** How a request was routed. `id` is its own, the beginning of it, that of its answer, or `last`. */
export async function requestView(gateway: GatewayAddress, id: string, signal: AbortSignal): Promise<RequestView> {
  const response = await request(gateway, `/silkmesh/requests/${encodeURIComponent(id)}`, signal)
  const view = ((await response.json().catch(() => undefined)) ?? {}) as Partial<RequestView>
  if (view.object !== 'silkmesh.request') throw noGateway(gateway, response)
  return view as RequestView
}

/** What the node signed for today, and may; undefined where nothing caps it. */
export async function spendToday(gateway: GatewayAddress, signal: AbortSignal): Promise<SpendOfDay | undefined> {
  const response = await request(gateway, '/silkmesh/spend', signal)
  const view = ((await response.json().catch(() => undefined)) ?? {}) as Partial<SpendView>
  if (view.object !== 'silkmesh.spend') throw noGateway(gateway, response)
  return spendOfView(view)
}

/** An error as it comes over HTTP, or from a part with --json: the code is one of our table where we wrote it. */
export interface Stated {
  readonly message: string
  readonly code?: string | null | undefined
  readonly next_step?: string | null | undefined
}

interface Chunk {
  readonly error?: Stated
  readonly choices?: readonly { readonly delta?: { readonly content?: string } }[]
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null
  readonly silkmesh?: { readonly provider: string; readonly cost_nano: string; readonly failovers: number }
}

async function request(gateway: GatewayAddress, path: string, signal: AbortSignal, body?: unknown): Promise<Response> {
  let response: Response
  try {
    response = await fetch(`${gateway.baseUrl}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${gateway.apiKey}`, 'content-type': 'application/json' },
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  } catch (error) {
    if (signal.aborted) throw error
    throw new MeshError('unreachable', `no gateway answers at ${gateway.baseUrl}; is \`silkmesh up\` running?`, {
      cause: error,
    })
  }
  if (response.ok) return response
  const answer = (await response.json().catch(() => undefined)) as { error?: Partial<Stated> } | undefined
  const { message, ...stated } = answer?.error ?? {}
  if (typeof message === 'string') throw failureOf({ ...stated, message })
  throw noGateway(gateway, response)
}

function noGateway({ baseUrl }: GatewayAddress, { status }: Response): MeshError {
  return new MeshError('unreachable', `${baseUrl} answered ${status}, and not as a gateway does; is the address right?`)
}

export function failureOf({ code: stated, message, next_step: step }: Stated): MeshError {
  const isKnown = typeof stated === 'string' && Object.hasOwn(failures, stated)
  const code = isKnown ? (stated as ErrorCode) : 'internal'
  // the table's own is for callers of the API; at a command line there may be another
  const isOwn = typeof step === 'string' && step !== failures[code].advice
  return new MeshError(code, message, { next: isOwn ? step : undefined })
}

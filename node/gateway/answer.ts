// What all answers of the gateway share, in OpenAI's shapes: errors, usage, log probabilities, finishes and the account.

import { failures, type MeshError } from '../../protocol/errors.ts'
import type { Usage } from '../../protocol/money.ts'
import type { TokenLogprob } from '../../protocol/task.ts'
import type { InferenceEvent, InferenceResult } from '../inference.ts'
import { BudgetError } from './budgets.ts'
import type { Accepted } from './endpoint.ts'

/** No hardware vouches for the provider: it sees the prompt. */
export const trustTier = 'open'

/** The JSON of OpenAI's error, with the table's advice as `next_step`. */
export function errorOf(error: MeshError, status: number = failures[error.code].http): string {
  return JSON.stringify({ error: errorFields(error, status) })
}

export function errorFields(error: MeshError, status: number = failures[error.code].http): object {
  return {
    message: error.message,
    type: errorTypes.get(status) ?? (status >= 500 ? 'api_error' : 'invalid_request_error'),
    param: paramOf(error),
    code: error.code,
    next_step: error.next ?? failures[error.code].advice,
    ...(error instanceof BudgetError && { budget: error.budget, left_nano: error.leftNano.toString() }),
  }
}

const errorTypes: ReadonlyMap<number, string> = new Map([
  [401, 'authentication_error'],
  [402, 'insufficient_quota'],
  [403, 'permission_error'],
  [429, 'rate_limit_error'],
])

export function paramOf(error: MeshError): string | null {
  if (error.param !== undefined) return error.param
  if (error.code === 'unknown-model' || error.code === 'no-provider') return 'model'
  return error.code === 'context-exceeded' ? 'messages' : null
}

/** What helps, for clients that read it: OpenAI's obey `x-should-retry` and `retry-after-ms`. A time only where one is known. */
export function adviceHeaders(error: MeshError): Readonly<Record<string, string>> {
  const { retryAfterMs } = error
  return {
    // a step of its own is something to be changed first
    ...((error.remedy === 'never' || error.next !== undefined) && { 'x-should-retry': 'false' }),
    ...(error instanceof BudgetError && {
      'x-silkmesh-budget': error.budget,
      'x-silkmesh-budget-left-nano': error.leftNano.toString(),
    }),
    ...(error.code === 'unauthorized' && { 'www-authenticate': 'Bearer realm="silkmesh"' }),
    ...(retryAfterMs !== undefined && {
      'retry-after': Math.ceil(retryAfterMs / 1_000).toString(),
      'retry-after-ms': retryAfterMs.toString(),
    }),
  }
}

/** One server-sent event. */
export function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`
}

/** As OpenAI ends a stream that failed: one event, and no `[DONE]` after it. */
export function errorEvent(error: MeshError): string {
  return `data: ${errorOf(error)}\n\n`
}

export const done = 'data: [DONE]\n\n'

/** A comment: clients skip it, proxies see a live connection. */
export const keepAliveComment = ': keep-alive\n\n'

/** Where a request stands that waits for a slot; also a comment. */
export function queuedComment({ etaMs, position }: Extract<InferenceEvent, { type: 'queued' }>): string {
  return `: queued position=${position}${etaMs === undefined ? '' : ` eta_ms=${Math.round(etaMs)}`}\n\n`
}

export function sumOf(results: readonly InferenceResult[]): Usage {
  const sum = (count: (usage: Usage) => number) => results.reduce((total, { usage }) => total + count(usage), 0)
  return {
    promptTokens: sum(({ promptTokens }) => promptTokens),
    cachedTokens: sum(({ cachedTokens }) => cachedTokens),
    completionTokens: sum(({ completionTokens }) => completionTokens),
  }
}

/** Of all choices together: each was prefilled, or found cached, by itself. */
export function usageOf(results: readonly InferenceResult[], reasoningTokens: number): object {
  const { cachedTokens, completionTokens, promptTokens } = sumOf(results)
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    ...(reasoningTokens > 0 && { completion_tokens_details: { reasoning_tokens: reasoningTokens } }),
  }
}

/** What a request cost and who served it. Where it became several, the first one's provider and id stand for all. */
export function accountOf(results: readonly InferenceResult[]): object {
  const [first] = results
  return {
    provider: first?.provider,
    cost_nano: costNanoOf(results).toString(),
    failovers: failoversOf(results),
    ...(results.some(({ isCutByBudget }) => isCutByBudget) && { cut_by: 'budget' }),
    tier: trustTier,
    request_id: first?.requestId,
    ...(results.length > 1 && { request_ids: results.map(({ requestId }) => requestId) }),
  }
}

/** The same, where it is known before the body. */
export function accountHeaders(results: readonly InferenceResult[]): Readonly<Record<string, string>> {
  const [first] = results
  return {
    ...(first && providerHeaders(first)),
    'x-silkmesh-cost-nano': costNanoOf(results).toString(),
    'x-silkmesh-failovers': failoversOf(results).toString(),
  }
}

export function providerHeaders({ provider, requestId }: Accepted | InferenceResult): Readonly<Record<string, string>> {
  return { 'x-silkmesh-provider': provider, 'x-silkmesh-request-id': requestId, 'x-request-id': requestId }
}

function costNanoOf(results: readonly InferenceResult[]): bigint {
  return results.reduce((total, { costNano }) => total + costNano, 0n)
}

function failoversOf(results: readonly InferenceResult[]): number {
  return results.reduce((total, { failovers }) => total + failovers, 0)
}

/** A cancelled request is an error before it gets here; to a client that sees it all the same, the text was cut. */
export function finishOf({ finish }: InferenceResult, hasToolCalls: boolean): 'stop' | 'length' | 'tool_calls' {
  if (finish !== 'stop') return 'length'
  return hasToolCalls ? 'tool_calls' : 'stop'
}

/** For a provider that names a call but does not number it. */
export function callIdOf(accepted: Accepted | undefined, index: number): string {
  return `call_${(accepted?.requestId ?? '').slice(0, 16)}_${index}`
}

export function logprobOf({ bytes, logprob, top }: TokenLogprob): object {
  return { ...oneLogprob(bytes, logprob), top_logprobs: top.map((other) => oneLogprob(other.bytes, other.logprob)) }
}

function oneLogprob(bytes: Uint8Array, logprob: number): object {
  return { token: tokenText(bytes), logprob: finite(logprob), bytes: [...bytes] }
}

/** Half a character reads as U+FFFD. */
export function tokenText(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** JSON has no infinity; OpenAI writes −9999 for what is as good as impossible. */
export function finite(logprob: number): number {
  return Math.max(logprob, -9_999)
}

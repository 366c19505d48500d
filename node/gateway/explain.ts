// How the last requests were routed: listens to the node's events, keeps those of each request, and tells them by its id.

import { MeshError } from '../../protocol/errors.ts'
import { keep } from '../../protocol/keep.ts'
import type { ConsideredProvider, NodeEvent } from '../events.ts'
import type { Clock, Observe } from '../ports.ts'

export interface RequestLog {
  readonly observe: Observe
  /** Throws `MeshError` `not-found`. `last` is the request that began last. */
  explain(id: string): RequestView
}

/** A request as the gateway tells it. Fields named as OpenAI names its own, amounts as decimal strings of nano. */
export interface RequestView {
  readonly object: 'silkmesh.request'
  readonly id: string
  readonly model: string
  readonly started_at: string
  readonly steps: readonly StepView[]
}

/** `at_ms` is since the start. */
export type StepView = { readonly at_ms: number } & (
  | {
      readonly type: 'chosen'
      readonly provider: string
      readonly attempt: number
      readonly candidates: number
      readonly reason: string
      /** The chosen one first, then the best of the others. */
      readonly considered: readonly ProviderView[]
    }
  | {
      readonly type: 'queued'
      readonly provider: string
      readonly position: number
      /** As the provider guessed; null where it did not. */
      readonly eta_ms: number | null
    }
  | { readonly type: 'first_token'; readonly provider: string }
  | { readonly type: 'hedge_started'; readonly provider: string; readonly first: string }
  | { readonly type: 'hedge_won'; readonly provider: string; readonly loser: string }
  | {
      readonly type: 'failed'
      readonly provider: string
      readonly code: string
      readonly message: string
      readonly tokens_delivered: number
    }
  | {
      readonly type: 'finished'
      readonly provider: string | null
      readonly outcome: string
      readonly code: string | null
      readonly prompt_tokens: number
      readonly cached_tokens: number
      readonly completion_tokens: number
      readonly cost_nano: string
      readonly failovers: number
    }
)

export interface ProviderView {
  readonly provider: string
  readonly standing: string
  readonly cost_nano: string
  readonly completion_nano: string
  readonly network_ms: number
  readonly wait_ms: number
  readonly prefill_ms: number
  readonly first_token_ms: number
  readonly decode_tokens_per_second: number
  readonly slots_free: number
  readonly queued: number
  readonly cached_tokens: number
  readonly success: number
  readonly score: number
}

/** The events that are steps; the others are of the provider's side or of the node. */
const stepTypes = [
  'provider-chosen',
  'attempt-queued',
  'first-token',
  'hedge-started',
  'hedge-won',
  'attempt-failed',
  'request-finished',
] as const
type Step = Extract<NodeEvent, { readonly type: (typeof stepTypes)[number] }>

interface Entry {
  readonly model: string
  readonly startedAtMs: number
  readonly steps: { readonly atMs: number; readonly step: Step }[]
}

/** Far more than the attempts that a request may make; what comes after is not kept. About 1 KB each. */
const stepsMax = 128
/** What stands for a whole id where a part of one was pasted: eight hex digits, one of four thousand million. */
const prefixCharsMin = 8

export function requestLog(clock: Clock, requestsMax: number): RequestLog {
  const requests = new Map<string, Entry>()
  let last: string | undefined

  const observe: Observe = (event) => {
    if (event.type === 'request-started') {
      const { model, request } = event
      keep(requests, request, { model, startedAtMs: clock.now(), steps: [] }, requestsMax)
      last = request
    } else if (isStep(event)) {
      const steps = requests.get(event.request)?.steps
      if (steps && steps.length < stepsMax) steps.push({ atMs: clock.now(), step: event })
    }
  }

  const idOf = (text: string): string | undefined => {
    if (text === 'last') return last
    const id = text.replace(/^[a-z]+[-_]/, '') // as an answer's own id has it, such as chatcmpl-…
    if (requests.has(id) || id.length < prefixCharsMin) return id
    const found = [...requests.keys()].filter((each) => each.startsWith(id))
    return found.length === 1 ? found[0] : undefined
  }

  const explain = (text: string): RequestView => {
    const id = idOf(text)
    const entry = id === undefined ? undefined : requests.get(id)
    if (id === undefined || !entry) {
      const kept = `the last ${requests.size} are known, at most ${requestsMax} are kept (gateway.requestsLogged)`
      throw new MeshError('not-found', `no request ${JSON.stringify(text.slice(0, 96))}: ${kept}`)
    }
    const { model, startedAtMs, steps } = entry
    return {
      object: 'silkmesh.request',
      id,
      model,
      started_at: new Date(startedAtMs).toISOString(),
      steps: steps.map(({ atMs, step }) => viewOf(step, atMs - startedAtMs)),
    }
  }

  return { observe, explain }
}

function isStep(event: NodeEvent): event is Step {
  return stepTypes.some((type) => type === event.type)
}

function viewOf(step: Step, at_ms: number): StepView {
  switch (step.type) {
    case 'provider-chosen': {
      const { attempt, candidates, considered, peer: provider, reason } = step
      return { at_ms, type: 'chosen', provider, attempt, candidates, reason, considered: considered.map(providerView) }
    }
    case 'attempt-queued': {
      const { etaMs, peer: provider, position } = step
      return { at_ms, type: 'queued', provider, position, eta_ms: etaMs ?? null }
    }
    case 'first-token':
      return { at_ms, type: 'first_token', provider: step.peer }
    case 'hedge-started':
      return { at_ms, type: 'hedge_started', provider: step.peer, first: step.first }
    case 'hedge-won':
      return { at_ms, type: 'hedge_won', provider: step.peer, loser: step.loser }
    case 'attempt-failed': {
      const { code, message, peer: provider, tokensDelivered } = step
      return { at_ms, type: 'failed', provider, code, message, tokens_delivered: tokensDelivered }
    }
    case 'request-finished': {
      const { code, costNano, failovers, outcome, peer, usage } = step
      return {
        at_ms,
        type: 'finished',
        provider: peer ?? null,
        outcome,
        code: code ?? null,
        prompt_tokens: usage.promptTokens,
        cached_tokens: usage.cachedTokens,
        completion_tokens: usage.completionTokens,
        cost_nano: costNano.toString(),
        failovers,
      }
    }
  }
}

function providerView(provider: ConsideredProvider): ProviderView {
  return {
    provider: provider.peer,
    standing: provider.standing,
    cost_nano: provider.costNano.toString(),
    completion_nano: provider.completionNano.toString(),
    network_ms: provider.networkMs,
    wait_ms: provider.waitMs,
    prefill_ms: provider.prefillMs,
    first_token_ms: provider.firstTokenMs,
    decode_tokens_per_second: provider.decodeTokensPerSecond,
    slots_free: provider.slotsFree,
    queued: provider.queued,
    cached_tokens: provider.cachedTokens,
    success: provider.success,
    score: provider.score,
  }
}

// What the gateway's tests stand it on: an inference that follows a script, and a clock that moves when told.

import { createGateway, type Gateway, type GatewayOptions, keyRing } from '../../node/gateway/http.ts'
import type { Inference, InferenceEvent, InferenceRequest, InferenceResult, ServedModel } from '../../node/inference.ts'
import type { Clock } from '../../node/ports.ts'
import { cancelled } from '../../node/waits.ts'
import type { ModelKey, PeerId } from '../../protocol/ids.ts'
import type { Said } from '../../protocol/task.ts'

export const key = 'sk-test-0123456789abcdef'
export const provider = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp' as PeerId
export const price = { promptNano: 20_000_000n, completionNano: 160_000_000n, cachedNano: 2_000_000n }

export type Script = (
  request: InferenceRequest,
  signal: AbortSignal,
) => AsyncGenerator<InferenceEvent, InferenceResult, undefined>

export const accepted: InferenceEvent = {
  type: 'accepted',
  requestId: 'ab'.repeat(16),
  provider,
  modelName: 'tiny',
  price,
  promptTokens: 7,
}

export const delta = (text: string): InferenceEvent => ({ type: 'delta', text, tokens: 1, tokenIds: [1] })

/** A delta of more than text. */
export const said = (more: Partial<Said>): InferenceEvent => ({
  type: 'delta',
  text: '',
  tokens: 1,
  tokenIds: [1],
  ...more,
})

export const queued = (position: number, etaMs?: number): InferenceEvent => ({
  type: 'queued',
  provider,
  position,
  etaMs,
})

export const result: InferenceResult = {
  requestId: 'ab'.repeat(16),
  finish: 'stop',
  provider,
  modelName: 'tiny',
  usage: { promptTokens: 7, cachedTokens: 2, completionTokens: 3 },
  costNano: 584n,
  failovers: 1,
}

export const served: readonly ServedModel[] = [
  {
    name: 'tiny',
    key: '11'.repeat(32) as ModelKey,
    contextTokens: 4_096,
    providers: 3,
    slotsFree: 5,
    price,
    priceMax: { ...price, completionNano: 320_000_000n },
    features: ['chat', 'tools'],
  },
  {
    name: 'org/big',
    key: '22'.repeat(32) as ModelKey,
    contextTokens: 32_768,
    providers: 1,
    slotsFree: 0,
    price,
    priceMax: price,
    features: ['chat'],
  },
]

/** Says each text, then ends. */
export function saying(...texts: readonly string[]): Script {
  return async function* () {
    yield accepted
    for (const text of texts) yield delta(text)
    return result
  }
}

/** Yields what is given, then ends. */
export function giving(...events: readonly InferenceEvent[]): Script {
  return async function* () {
    yield accepted
    yield* events
    return result
  }
}

/** Answers with a different script each time, and keeps what it was asked. */
export function scripts(...list: readonly Script[]): { readonly script: Script; readonly seen: InferenceRequest[] } {
  const seen: InferenceRequest[] = []
  return {
    seen,
    script: (request, signal) => {
      const next = list[seen.length]
      seen.push(request)
      if (!next) throw new Error(`asked ${seen.length} times, expected ${list.length}`)
      return next(request, signal)
    },
  }
}

/** A vector a text: its length and how many texts came before it. */
export const embedding: Script = async function* ({ inputs = [] }) {
  yield accepted
  for (const [index, text] of inputs.entries()) {
    yield { type: 'embedding', index, vector: Float32Array.of(text.length, index, 0.5) }
  }
  return { ...result, usage: { promptTokens: 3 * inputs.length, cachedTokens: 0, completionTokens: 0 } }
}

/** The parts of a call of the tool `weather`, as a model writes them. */
export function calling(index: number, at: string): readonly InferenceEvent[] {
  return [
    said({ toolCalls: [{ index, id: `call_${index}`, name: 'weather', arguments: '' }] }),
    said({ toolCalls: [{ index, arguments: '{"at":' }] }),
    said({ toolCalls: [{ index, arguments: `"${at}"}` }] }),
  ]
}

/** Yields what is given and then waits for its signal. `cleaned` resolves once the generator was left. */
export function hanging(...events: readonly InferenceEvent[]): { script: Script; cleaned: Promise<AbortSignal> } {
  const { promise, resolve } = Promise.withResolvers<AbortSignal>()
  return {
    cleaned: promise,
    script: async function* (_request, signal) {
      try {
        yield* events
        await new Promise((_, reject) => {
          if (signal.aborted) reject(cancelled(signal))
          signal.addEventListener('abort', () => reject(cancelled(signal)))
        })
        return result
      } finally {
        resolve(signal)
      }
    },
  }
}

export function inferenceOf(script: Script, models: readonly ServedModel[] = served): Inference {
  return { models: () => models, infer: script }
}

export function gatewayOf(script: Script, more: Partial<GatewayOptions> = {}): Gateway {
  return createGateway({
    inference: inferenceOf(script),
    clock: new HandClock(),
    apiKeys: keyRing([key]),
    metrics: async () => 'silkmesh_up 1\n',
    health: () => ({ ok: true }),
    ...more,
  })
}

/** A real request as a local program sends it; `app.request` adds no Host of its own. */
export function ask(gateway: Gateway, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers({ host: 'localhost', authorization: `Bearer ${key}`, 'content-type': 'application/json' })
  for (const [name, value] of new Headers(init.headers)) headers.set(name, value)
  return Promise.resolve(gateway.app.request(`http://localhost${path}`, { ...init, headers }))
}

export function post(gateway: Gateway, path: string, body: object, init: RequestInit = {}): Promise<Response> {
  return ask(gateway, path, { method: 'POST', body: JSON.stringify({ model: 'tiny', ...body }), ...init })
}

/** The `data:` payloads of a stream, decoded, and `[DONE]` as it stands. */
export async function dataOf(response: Response): Promise<unknown[]> {
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith('data: '))
  return lines.map((line) => (line === 'data: [DONE]' ? '[DONE]' : JSON.parse(line.slice(6))))
}

export function chat(gateway: Gateway, body: object, init: RequestInit = {}): Promise<Response> {
  const text = JSON.stringify({ model: 'tiny', messages: [{ role: 'user', content: 'hi' }], ...body })
  return ask(gateway, '/v1/chat/completions', { method: 'POST', body: text, ...init })
}

/** Stands still until `advance`. */
export class HandClock implements Clock {
  #nowMs = 1_700_000_000_000
  readonly #sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>()

  now(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((wake, reject) => {
      const sleeper = { atMs: this.#nowMs + ms, wake }
      this.#sleepers.add(sleeper)
      const letGo = () => {
        this.#sleepers.delete(sleeper)
        reject(signal?.reason)
      }
      if (signal?.aborted) letGo()
      signal?.addEventListener('abort', letGo, { once: true })
    })
  }

  get sleeping(): number {
    return this.#sleepers.size
  }

  advance(ms: number): void {
    this.#nowMs += ms
    for (const sleeper of this.#sleepers) {
      if (sleeper.atMs > this.#nowMs) continue
      this.#sleepers.delete(sleeper)
      sleeper.wake()
    }
  }
}

// What a caller asks of the mesh and what comes back: the one face of a consumer towards gateway, command line and tests.

import type { EndReason } from '../protocol/frames.ts'
import type { ModelKey, PeerId } from '../protocol/ids.ts'
import type { Nano, Price, Usage } from '../protocol/money.ts'
import type { Feature, Said, Task } from '../protocol/task.ts'

export interface InferenceRequest extends Task {
  /** A model's name or its key. */
  readonly model: string
  /** Spend at most this on the request; the answer ends with `length` before it would be exceeded. */
  readonly costNanoMax?: Nano | undefined
  readonly preferences?: Preferences | undefined
  /** Requests with the same key go to the same provider where that is as good as another: it may still hold their beginning. */
  readonly affinity?: string | undefined
  /** A second provider is asked when the first has not begun to answer by then; see `Hedge`. */
  readonly hedge?: Hedge | undefined
  /** Told once, as the request begins: its id in events and at providers, also of one that is then refused. */
  readonly begun?: ((requestId: string) => void) | undefined
  /** Told once, when the request is over however it ended: what was really paid for it. */
  readonly spent?: ((costNano: Nano) => void) | undefined
}

/** Which providers the caller wants, in OpenRouter's vocabulary. Providers are named by peer id. */
export interface Preferences {
  /** Tried first, in this order. */
  readonly order?: readonly string[] | undefined
  /** No other is used. */
  readonly only?: readonly string[] | undefined
  /** Never used. */
  readonly ignore?: readonly string[] | undefined
  /** Nano a million tokens; a provider above either is not used. */
  readonly promptNanoMax?: Nano | undefined
  readonly completionNanoMax?: Nano | undefined
  /** In place of the node's own routing: least price, most tokens a second, soonest first token. */
  readonly sort?: 'price' | 'throughput' | 'latency' | undefined
  /** False: only the first choice, and no other after it fails. Default true. */
  readonly allowFallbacks?: boolean | undefined
}

/** `p95`: after the time that 19 of 20 recent first tokens took; or after this many milliseconds. */
export type Hedge = 'p95' | number

/** `accepted` comes first, and again after each failover; what was delivered before it stays valid. */
export type InferenceEvent =
  | {
      readonly type: 'accepted'
      readonly requestId: string
      readonly provider: PeerId
      readonly modelName: string
      readonly price: Price
      readonly promptTokens: number
    }
  | ({ readonly type: 'delta' } & Said)
  /** Waiting for a slot of this provider; only before the first delta. */
  | {
      readonly type: 'queued'
      readonly provider: PeerId
      readonly position: number
      readonly etaMs: number | undefined
    }
  | { readonly type: 'embedding'; readonly index: number; readonly vector: Float32Array }

export interface InferenceResult {
  readonly requestId: string
  readonly finish: EndReason
  /** The provider that finished. */
  readonly provider: PeerId
  readonly modelName: string
  /** Counted once whatever the number of providers; the cost is what was really paid, to all of them. */
  readonly usage: Usage
  readonly costNano: Nano
  readonly failovers: number
  /** It ended with `length` because more would not have been within the request's budget. */
  readonly isCutByBudget?: true
}

/** A model as the mesh serves it now. */
export interface ServedModel {
  readonly name: string
  readonly key: ModelKey
  readonly contextTokens: number
  readonly providers: number
  readonly slotsFree: number
  /** Of the cheapest provider by completion price, and of the dearest. */
  readonly price: Price
  readonly priceMax: Price
  /** What at least one provider can do. */
  readonly features: readonly Feature[]
}

/** What the node's key may sign for in a day, over everything it pays. */
export interface SpendOfDay {
  readonly capNano: Nano
  readonly spentNano: Nano
  /** What requests that run may still sign for. */
  readonly promisedNano: Nano
  readonly leftNano: Nano
  /** 0:00 UTC, Unix milliseconds. */
  readonly resetsAtMs: number
}

export interface Inference {
  /** Undefined where no cap is set. */
  readonly spendOfDay?: SpendOfDay | undefined
  models(): readonly ServedModel[]
  /** Throws `MeshError`. Leaving the iteration, or the signal, cancels the request at the provider. */
  infer(request: InferenceRequest, signal: AbortSignal): AsyncGenerator<InferenceEvent, InferenceResult, undefined>
}

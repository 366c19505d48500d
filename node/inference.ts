// What a caller asks of the mesh and what comes back: the one face of a consumer towards gateway, command line and tests.

import type { ChatMessage, EndReason, Sampling } from '../protocol/frames.ts'
import type { ModelKey, PeerId } from '../protocol/ids.ts'
import type { Nano, Price, Usage } from '../protocol/money.ts'

export interface InferenceRequest {
  /** A model's name or its key. */
  readonly model: string
  readonly messages: readonly ChatMessage[]
  readonly sampling: Sampling
  /** Spend at most this on the request; the answer ends with `length` before it would be exceeded. */
  readonly costNanoMax?: Nano | undefined
}

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
  | { readonly type: 'delta'; readonly text: string; readonly tokens: number; readonly tokenIds: readonly number[] }

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
}

/** A model as the mesh serves it now. */
export interface ServedModel {
  readonly name: string
  readonly key: ModelKey
  readonly contextTokens: number
  readonly providers: number
  readonly slotsFree: number
  /** Of the cheapest provider by completion price. */
  readonly price: Price
}

export interface Inference {
  models(): readonly ServedModel[]
  /** Throws `MeshError`. Leaving the iteration, or the signal, cancels the request at the provider. */
  infer(request: InferenceRequest, signal: AbortSignal): AsyncGenerator<InferenceEvent, InferenceResult, undefined>
}

// What an endpoint of the API is: how its body becomes inferences, and how what they bring becomes its answer.

import { MeshError } from '../../protocol/errors.ts'
import type { Said, TokenLogprob, ToolCall } from '../../protocol/task.ts'
import type { InferenceEvent, InferenceRequest, InferenceResult } from '../inference.ts'
import type { RequestHeaders } from './routing.ts'

export interface Endpoint {
  readonly path: string
  /** Reads a decoded JSON body. Throws `MeshError` naming the parameter. */
  read(body: unknown, headers: RequestHeaders): Asked
  /** What it calls the parameters that the mesh names as a chat does. */
  readonly names: ReadonlyMap<string, string>
}

/** One request of a client, read. */
export interface Asked {
  /** Run side by side, at least one: one a choice of an answer, or one a batch of inputs. */
  readonly requests: readonly InferenceRequest[]
  readonly isStreaming: boolean
  /** Refuses an embedding by throwing, before more of them are paid for. */
  readonly checkVector?: (vector: Float32Array) => void
  /** The body of an answer that is not streamed. */
  whole(runs: readonly Gathered[], createdS: number): string
  writer(createdS: number): StreamWriter
}

/** What one run brought. */
export interface Gathered {
  readonly result: InferenceResult
  readonly text: string
  readonly reasoning: string
  /** Completion tokens of deltas that brought reasoning and nothing else. */
  readonly reasoningTokens: number
  readonly toolCalls: readonly ToolCall[]
  readonly logprobs: readonly TokenLogprob[]
  /** By the index of their input. */
  readonly vectors: readonly Float32Array[]
}

export type Accepted = Extract<InferenceEvent, { type: 'accepted' }>

/** Writes one stream's events, each as the text to send: empty where the reader needs nothing. `run` counts the requests. */
export interface StreamWriter {
  /** Before anything else of the run, and again after each failover. */
  accepted(run: number, accepted: Accepted): string
  delta(run: number, said: Said): string
  /** Of every run but the last. */
  ended(run: number, result: InferenceResult): string
  /** The last run's end, and the stream's. `results` are in the order of the requests. */
  closing(run: number, results: readonly InferenceResult[]): string
  /** As the stream ends when it failed. */
  failure(error: MeshError): string
}

/** As many inferences may one request of a client become: choices times prompts. */
export const runsMax = 16

/**
 * Of one answer that is held whole, in characters: some million tokens, above any context in use; or as many values of
 * vectors, which are 16 MiB.
 */
export const answerCharsMax = 4_194_304

export function requireHeld(chars: number): void {
  if (chars <= answerCharsMax) return
  throw new MeshError(
    'protocol-violation',
    `an answer of over ${answerCharsMax} characters; stream a chat, or ask for less`,
  )
}

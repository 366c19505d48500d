// What the node and its engine process say to each other, over the channel that `fork` opens.

import type { ErrorCode } from '../../../protocol/errors.ts'
import type { Said, Sampling, Task, Tools } from '../../../protocol/task.ts'
import type { Finish, Model } from '../../ports.ts'

export type EngineProgress =
  | {
      readonly phase: 'download' | 'hash' | 'load'
      /** From 0 to 1. */
      readonly ratio: number
    }
  | { readonly phase: 'measure' }
  /** Worth a line in the log; the engine goes on. */
  | { readonly phase: 'note'; readonly message: string }

export interface EngineBuild {
  /** Such as `node-llama-cpp 3.22.1 (llama.cpp v0.5.0)`. */
  readonly engine: string
  readonly device: 'cpu' | 'cuda' | 'vulkan' | 'metal'
  /** Of the graphics cards in use; empty on a CPU. */
  readonly deviceNames: readonly string[]
  readonly threads: number
  /** Of a prompt, evaluated at once. */
  readonly prefillChunkTokens: number
  /** How messages become a prompt, such as `ChatML`. */
  readonly chatFormat: string
}

export interface StartOptions {
  /** `builtin`, a path, or an `hf:` URI. */
  readonly model: string
  readonly name: string | undefined
  readonly slots: number
  readonly contextTokens: number | undefined
  readonly threads: number | 'auto'
  readonly gpu: false | 'auto'
  readonly modelsDir: string
}

/** What is known once the model is loaded. */
export interface Ready {
  readonly model: Model
  readonly build: EngineBuild
}

/** `range` is the operator's mistake, thrown as `RangeError`; the rest is a `MeshError`. */
export interface Failure {
  readonly code: ErrorCode | 'range'
  readonly message: string
  readonly param?: string | undefined
}

export type ToEngine =
  | { readonly type: 'start'; readonly options: StartOptions }
  | {
      readonly type: 'prepare'
      readonly id: number
      readonly task: Task
      readonly resumeTokenIds: readonly number[]
    }
  | {
      readonly type: 'generate'
      readonly id: number
      /** Of the prompt, with what is resumed. */
      readonly tokenIds: readonly number[]
      readonly resumedTokens: number
      readonly sampling: Sampling
      readonly tools: Tools | undefined
      readonly text: string | undefined
      /** The last message is the result of a call. */
      readonly isAfterTool: boolean
    }
  | { readonly type: 'embed'; readonly id: number; readonly inputs: readonly string[] }
  | { readonly type: 'vocabulary'; readonly id: number }
  /** The caller took this many tokens: as many more may be decoded. */
  | { readonly type: 'taken'; readonly id: number; readonly tokens: number }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'stop' }

export type FromEngine =
  | { readonly type: 'progress'; readonly progress: EngineProgress }
  | { readonly type: 'ready'; readonly ready: Ready }
  | { readonly type: 'not-started'; readonly failure: Failure }
  | {
      readonly type: 'prepared'
      readonly id: number
      readonly tokenIds: readonly number[]
      /** More than `tokenIds` where they are of texts to embed. */
      readonly promptTokens: number
      readonly cachedTokens: number
    }
  | { readonly type: 'delta'; readonly id: number; readonly said: Said }
  | { readonly type: 'vector'; readonly id: number; readonly vector: Float32Array }
  /** Of all tokens one after the other, and where each ends. */
  | {
      readonly type: 'vocabulary'
      readonly id: number
      readonly bytes: Uint8Array | undefined
      readonly ends: Uint32Array | undefined
    }
  | { readonly type: 'finished'; readonly id: number; readonly finish: Finish }
  | { readonly type: 'failed'; readonly id: number; readonly failure: Failure }

/**
 * Tokens the engine may decode ahead of its caller. A caller that stops taking, because its consumer stopped paying,
 * costs at most this much more work; a caller that keeps up never waits for the window.
 */
export const decodeAheadTokens = 32

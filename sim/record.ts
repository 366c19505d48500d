// What a run leaves behind, before it is written to files: requests, series, figures, violations.

import type { Nano } from '../protocol/money.ts'
import type { Tier } from './world.ts'

export interface RequestRecord {
  /** In order of arrival, from 0. */
  readonly number: number
  readonly consumer: string
  /** The one that finished it, or the last that was tried; empty where none was. */
  readonly provider: string
  readonly model: string
  /** Virtual milliseconds since the start of the run, fractional. */
  readonly arrivalMs: number
  readonly firstTokenMs: number | undefined
  readonly endMs: number
  /** `lost`: its consumer was killed meanwhile. `left`: its caller went away, as planned. */
  readonly outcome: 'ok' | 'failed' | 'left' | 'lost'
  /** The error's code, or empty. */
  readonly code: string
  readonly promptTokens: number
  readonly completionTokens: number
  readonly cachedTokens: number
  readonly costNano: Nano
  /** Providers asked. */
  readonly attempts: number
  /** Of those, after the first token. */
  readonly failovers: number
  /** Arrived after the warm-up and before the end, from no adversary: counted in figures. */
  readonly isMeasured: boolean
}

/** One value of one metric at one time. */
export interface Sample {
  /** Since the start of the run. */
  readonly atMs: number
  /** Of `metrics` in sim/metrics.ts. */
  readonly metric: string
  /** A peer, a group, a region; empty for the whole. */
  readonly subject: string
  readonly value: number
}

export interface Band {
  readonly label: string
  readonly fromMs: number
  readonly toMs: number
}

export interface Violation {
  /** The checker's name, such as `conservation`. */
  readonly check: string
  readonly atMs: number
  readonly message: string
}

export interface PeerRecord {
  readonly name: string
  readonly group: string
  readonly region: string
  readonly roles: readonly string[]
  readonly adversary: string
  readonly earnedNano: Nano
  readonly spentNano: Nano
  readonly tokensServed: number
  readonly slots: number
  /** Peers connected to at the end, by name. */
  readonly connections: readonly string[]
}

export interface Manifest {
  readonly schema: 'silkmesh-sim-run/1'
  readonly scenario: string
  readonly question: string
  readonly seed: number
  readonly tier: Tier | 'coarse'
  /** The scenario as it was read, after the sweep's values were put in: enough to run it again. */
  readonly source: unknown
  readonly sourceHash: string
  readonly commit: string
  readonly versions: Readonly<Record<string, string>>
  readonly durationMs: number
  readonly warmupMs: number
  readonly isComplete: boolean
}

export interface RunRecord {
  readonly manifest: Manifest
  /** Metric → value, with units in the names; equal for equal scenario, seed and commit. */
  readonly summary: Readonly<Record<string, number>>
  readonly assertions: readonly { readonly text: string; readonly holds: boolean; readonly value: string }[]
  readonly violations: readonly Violation[]
  readonly requests: readonly RequestRecord[]
  readonly series: readonly Sample[]
  readonly bands: readonly Band[]
  readonly peers: readonly PeerRecord[]
  /** How fast it ran here: never in files that are compared. */
  readonly pace: Readonly<Record<string, number>>
}

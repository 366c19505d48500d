// A scenario as the simulator reads it: the file's keys with units resolved and defaults filled in. scenario.schema.json says
// what each key means.

import type { Overrides } from '../../node/config.ts'
import type { Nano } from '../../protocol/money.ts'
import type { AdversaryKind, ChainPlan, DiskSpec, Fault, LatencyPlan } from '../plan.ts'
import type { Tier } from '../world.ts'
import type { Assertion } from './assert.ts'
import type { Range } from './units.ts'

export interface Scenario {
  readonly name: string
  readonly question: string
  readonly seeds: readonly number[]
  readonly tier: Tier
  readonly mode: 'full' | 'coarse'
  readonly durationMs: number
  readonly warmupMs: number
  readonly healMs: number
  readonly network: NetworkSpec
  readonly chain: ChainPlan
  readonly population: readonly Group[]
  readonly adversaries: readonly AdversaryShare[]
  readonly faults: readonly FaultSpec[]
  readonly swarms: readonly Swarm[]
  /** A group that settles for providers. */
  readonly settler: string | undefined
  /** A group that consumers pay through. */
  readonly hub: string | undefined
  /** Of all peers; a group's own comes over it. */
  readonly config: Overrides
  readonly assert: readonly Assertion[]
  readonly sweep: readonly SweepAxis[]
  /** What it may not mean: a line each, with file, line and column. */
  readonly warnings: readonly string[]
  /** The file as it was read, before defaults: enough to read it again with `scenarioOf`. */
  readonly source: unknown
  /** Where it was read from, for messages and for paths beside it. */
  readonly file: string
}

/** Names with weights, in the file's order. */
export type Weights = readonly (readonly [name: string, weight: number])[]

export interface NetworkSpec {
  readonly latency: LatencyPlan
  readonly loss: number
  readonly processorTime: boolean
  readonly relay: boolean
  /** Of peers on other lines than `datacenter`. */
  readonly nat: NatShares
  readonly lines: ReadonlyMap<string, Line>
  readonly regions: Weights
}

export interface NatShares {
  readonly cone: number
  readonly symmetric: number
}

export interface Line {
  readonly downBitsPerSecond: number
  readonly upBitsPerSecond: number
}

export type Role = 'provider' | 'consumer' | 'settler' | 'hub' | 'peer'

export interface Group {
  readonly role: Role
  readonly name: string
  readonly count: number
  /** Of providers. */
  readonly engines: readonly EngineShare[]
  readonly churn: Churn | undefined
  /** Each provider's prices are up to this share above or below the group's. */
  readonly priceSpread: number
  readonly workload: Workload | undefined
  /** What its consumers ask for; undefined: models by how many provide them. */
  readonly models: Weights | undefined
  readonly depositNano: Nano
  readonly lines: Weights
  readonly regions: Weights | undefined
  readonly nat: NatShares | undefined
  readonly disk: DiskSpec
  readonly clockSkewMs: number
  readonly settler: boolean
  readonly config: Overrides
}

export interface EngineShare {
  readonly profile: string
  readonly model: string
  readonly share: number
  readonly slots: number | undefined
  /** Prompt and completion together, as the profile says. */
  readonly contextTokens: number
}

export interface Churn {
  readonly session: Session
  readonly downtimeMs: number
  readonly share: number
  readonly crash: number
  readonly power: number
}

export type Session =
  | { readonly model: 'exponential'; readonly meanMs: number }
  | { readonly model: 'weibull'; readonly shape: number; readonly scaleMs: number }

export interface Workload {
  readonly arrivals: Arrivals
  /** Undefined: what the trace says. */
  readonly prompt: Sizes | undefined
  readonly completion: Sizes | undefined
  /** Mean requests of a conversation. */
  readonly turns: number
  readonly gapMs: number
  readonly tokenMs: number
  readonly leave: number
  readonly fromMs: number
  readonly untilMs: number
  readonly diurnal: Diurnal | undefined
}

export type Arrivals =
  | { readonly process: 'renewal'; readonly perMs: number; readonly cv: number }
  | { readonly process: 'closed'; readonly thinkMs: number }
  | { readonly process: 'paced'; readonly everyMs: number }
  | { readonly process: 'explicit'; readonly atMs: readonly number[] }
  | { readonly process: 'trace'; readonly trace: string; readonly scale: number }

export type Sizes =
  | { readonly kind: 'fixed'; readonly tokens: number }
  | { readonly kind: 'uniform'; readonly min: number; readonly max: number }
  | { readonly kind: 'log-normal'; readonly median: number; readonly sigma: number; readonly max: number }
  | { readonly kind: 'quantiles'; readonly points: readonly (readonly [number, number])[] }

export interface Diurnal {
  readonly periodMs: number
  readonly amplitude: number
  readonly peakMs: number
}

/** A share of the candidates, or so many. */
export interface AdversaryShare {
  readonly kind: AdversaryKind
  readonly share: number | undefined
  readonly count: number | undefined
  readonly of: string | undefined
}

/** Faults of the plan whose peer is yet to be drawn, and those that are complete. */
export type FaultSpec =
  | Extract<Fault, { kind: 'partition' | 'degrade' | 'chain' }>
  | {
      readonly kind: 'crash' | 'leave' | 'freeze'
      readonly atMs: number
      readonly forMs: number
      readonly of: string
      readonly count: number | undefined
      readonly share: number | undefined
      readonly power: boolean
    }

/** Options that each seed takes or leaves, and draws from these ranges where it takes them. Rates are a peer and millisecond. */
export interface Swarm {
  readonly crash: Range | undefined
  readonly leave: Range | undefined
  readonly freeze: Range | undefined
  readonly awayMs: Range
  readonly loss: Range | undefined
  readonly clockSkewMs: Range | undefined
  readonly tornWrite: boolean
  readonly partitions: Range | undefined
  readonly degrades: Range | undefined
  readonly chain: Range | undefined
  readonly weatherMs: Range
  readonly population: Range | undefined
  readonly adversaries: readonly { readonly kind: AdversaryKind; readonly share: Range }[]
  readonly config: readonly SwarmSetting[]
}

/** One setting of the node, with a range of whole numbers or a list to draw from. */
export interface SwarmSetting {
  readonly group: string
  readonly name: string
  readonly values: Range | readonly unknown[]
}

export interface SweepAxis {
  readonly path: string
  readonly values: readonly unknown[]
}

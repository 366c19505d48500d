// A scenario file after validation and defaults, before units are resolved: what scenario.schema.json lets through.

import type { AdversaryKind, Fault } from '../plan.ts'
import type { Tier } from '../world.ts'
import type { Role } from './scenario.ts'

type Text = string | number
type RawWeights = Readonly<Record<string, number>>
type RawConfig = Readonly<Record<string, Readonly<Record<string, unknown>>>>
type RawLine = readonly [down: string, up: string]

export interface RawScenario {
  readonly schema: 'silkmesh-sim/1'
  readonly name: string
  readonly question: string
  readonly seed: number | string | readonly number[]
  readonly tier: Tier
  readonly mode: 'full' | 'coarse'
  readonly duration: string
  readonly warmup: string
  readonly heal: string
  readonly network: RawNetwork
  readonly chain: { readonly block: string; readonly tvm: boolean }
  readonly population: readonly RawGroup[]
  readonly adversaries: readonly RawAdversary[]
  readonly faults: readonly RawFault[]
  readonly payments: RawPayments
  readonly config: RawConfig
  readonly assert: readonly unknown[]
  readonly sweep: Readonly<Record<string, readonly unknown[]>>
}

export interface RawNetwork {
  readonly latency: {
    readonly matrix?: string | readonly (readonly number[])[]
    readonly names?: readonly string[]
    readonly oneWay?: string
    readonly jitter: Text
  }
  readonly loss: Text
  readonly processorTime: boolean
  readonly nat: { readonly cone: Text; readonly symmetric: Text; readonly relay: boolean }
  readonly bandwidth: Readonly<Record<string, RawLine>>
  readonly regions?: RawWeights
}

export interface RawGroup {
  readonly role: Role
  readonly name?: string
  readonly count: number
  readonly engine?: string | readonly RawEngine[]
  readonly churn?: RawChurn
  readonly price?: RawPrice
  readonly workload?: RawWorkload
  readonly policy?: 'balanced' | 'least-price' | 'least-latency' | 'most-throughput' | 'p2c' | 'random' | 'cheapest'
  readonly models?: RawWeights
  readonly deposit?: Text
  readonly link?: string | RawWeights
  readonly regions?: RawWeights
  readonly nat?: { readonly cone: Text; readonly symmetric: Text }
  readonly disk: { readonly sync: string; readonly tornWrites: boolean }
  readonly clockSkew: string
  readonly settler: boolean
  readonly config?: RawConfig
}

export interface RawEngine {
  readonly profile: string
  readonly share: number
  readonly slots?: number
  readonly model?: string
}

export interface RawChurn {
  readonly model: 'exponential' | 'weibull'
  readonly mean?: string
  readonly shape?: number
  readonly scale?: string
  readonly downtime: string
  readonly share: Text
  readonly crash: Text
  readonly power: Text
}

export interface RawPrice {
  readonly policy: 'fixed' | 'adaptive'
  readonly prompt?: Text
  readonly completion?: Text
  readonly cached?: Text
  readonly floor?: Text
  readonly spread: Text
}

export type RawSizes = number | string | { readonly median: number; readonly sigma: number; readonly max: number }

export interface RawWorkload {
  readonly rate?: string
  readonly cv?: number
  readonly think?: string
  readonly tokenTime: string
  readonly every?: string
  readonly at?: readonly string[]
  readonly trace?: string
  readonly scale: number
  readonly prompt?: RawSizes
  readonly completion?: RawSizes
  readonly turns: number
  readonly gap: string
  readonly leave: Text
  readonly from: string
  readonly until?: string
  readonly diurnal?: { readonly period: string; readonly amplitude: Text; readonly peak: string }
}

export interface RawAdversary {
  readonly kind: AdversaryKind
  readonly share?: Text
  readonly count?: number
  readonly of?: string
}

export interface RawFault {
  readonly at?: string
  readonly for?: string
  readonly partition?: readonly [string, string]
  readonly degrade?: string
  readonly loss?: Text
  readonly latencyFactor?: number
  readonly chain?: Extract<Fault, { kind: 'chain' }>['how']
  readonly factor?: number
  readonly crash?: string
  readonly leave?: string
  readonly freeze?: string
  readonly count?: number
  readonly share?: Text
  readonly power?: boolean
  readonly swarm?: RawSwarm
}

export interface RawSwarm {
  readonly crash?: string
  readonly leave?: string
  readonly freeze?: string
  readonly away: string
  readonly loss?: Text
  readonly clockSkew?: string
  readonly tornWrite: boolean
  readonly partitions?: Text
  readonly degrades?: Text
  readonly chain?: Text
  readonly weather: string
  readonly population?: Text
  readonly adversaries?: Readonly<Partial<Record<AdversaryKind, Text>>>
  readonly config?: Readonly<Record<string, string | readonly unknown[]>>
}

export interface RawPayments {
  readonly creditTokens?: number
  readonly chunkTokens?: number
  readonly deposit: Text
  readonly settle?: { readonly minNano?: Text; readonly maxAge?: string; readonly interval?: string }
  readonly settler?: string
  readonly hub?: string
}

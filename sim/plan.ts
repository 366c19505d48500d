// What a run will do, drawn from scenario and seed before it begins and the same in every tier: peers, requests, faults.

import type { Overrides } from '../node/config.ts'
import type { Nano } from '../protocol/money.ts'

/** Where a peer is and what its line can do. */
export interface Place {
  /** A name of the latency matrix. */
  readonly region: string
  readonly upBitsPerSecond: number
  readonly downBitsPerSecond: number
  readonly nat: Nat
}

/** Who can dial it: anybody; whoever it punched a hole for; nobody, only through a relay. */
export type Nat = 'open' | 'cone' | 'symmetric'

/** What this peer does that it should not; absent for the honest. */
export type AdversaryKind =
  | 'false-advert'
  | 'wrong-model'
  | 'garbage'
  | 'token-inflation'
  | 'stalling'
  | 'non-paying'
  | 'sybil'
  | 'eclipse'

export interface PeerSpec {
  /** Unique, such as `provider-17`. */
  readonly name: string
  /** What its members are reported together as. */
  readonly group: string
  readonly place: Place
  readonly provider?: ProviderSpec | undefined
  readonly consumer?: { readonly depositNano: Nano } | undefined
  readonly settler: boolean
  readonly hub?: { readonly depositNano: Nano } | undefined
  readonly config: Overrides
  readonly adversary?: AdversaryKind | undefined
  /** How far its clock is off, all the time. */
  readonly clockSkewMs: number
  readonly disk: DiskSpec
}

export interface ProviderSpec {
  /** A profile by name (sim/profiles/<name>.json) or a path to one. */
  readonly profile: string
  /** The model's name on the mesh; equal names are equal models. */
  readonly model: string
  /** Where absent, what the profile says. */
  readonly slots?: number | undefined
}

export interface DiskSpec {
  /** A durable write takes this long. */
  readonly syncMs: number
  /** A crash may keep a part of the last unsynced write. */
  readonly tornWrites: boolean
}

export interface PlannedRequest {
  /** Virtual milliseconds since the start of the run. */
  readonly atMs: number
  readonly consumer: string
  readonly model: string
  readonly promptTokens: number
  readonly completionTokens: number
  /** Requests of one conversation share the beginning of their prompt. */
  readonly conversation: string
  /** The caller gives up after this many tokens; absent for one that stays. */
  readonly leaveAfterTokens?: number | undefined
}

/**
 * Everything a world can be made to suffer. `atMs` is since the start of the run; what lasts has `forMs`. What the scenario
 * names itself has a label, churn has none.
 */
export type Fault =
  | {
      readonly kind: 'crash'
      readonly atMs: number
      readonly peer: string
      readonly forMs: number
      readonly power: boolean
      readonly label?: string | undefined
    }
  | {
      readonly kind: 'leave'
      readonly atMs: number
      readonly peer: string
      readonly forMs: number
      readonly label?: string | undefined
    }
  | {
      readonly kind: 'freeze'
      readonly atMs: number
      readonly peer: string
      readonly forMs: number
      readonly label?: string | undefined
    }
  | {
      readonly kind: 'partition'
      readonly atMs: number
      readonly forMs: number
      /** Peer names, regions or groups; `*` is everybody else. */
      readonly between: readonly [string, string]
    }
  | {
      readonly kind: 'degrade'
      readonly atMs: number
      readonly forMs: number
      /** Peer names, regions or groups; `*` is everybody. */
      readonly of: string
      readonly loss: number
      readonly latencyFactor: number
    }
  | {
      readonly kind: 'chain'
      readonly atMs: number
      readonly forMs: number
      readonly how: 'down' | 'slow' | 'fee-spike' | 'reorder'
      /** Of fee-spike: prices times this. */
      readonly factor: number
    }

export interface NetworkPlan {
  /** One-way milliseconds by region, and the share by which each message varies. */
  readonly latency: LatencyPlan
  /** Share of packets that are sent again. */
  readonly loss: number
  readonly relay: boolean
  /** Whether handshakes and gossip take the time that sim/costs.json measured; only the model tier leaves it out otherwise. */
  readonly processorTime?: boolean | undefined
}

export interface LatencyPlan {
  readonly regions: readonly string[]
  readonly oneWayMs: readonly (readonly number[])[]
  readonly jitter: number
}

export interface ChainPlan {
  readonly blockMs: number
  /** Real TVM in place of the model. */
  readonly tvm: boolean
}

export interface Plan {
  readonly name: string
  readonly seed: number
  readonly durationMs: number
  /** Requests that arrive before this are not counted in figures. */
  readonly warmupMs: number
  /** After the duration faults end and everything must come to rest within this. */
  readonly healMs: number
  readonly network: NetworkPlan
  readonly chain: ChainPlan
  readonly peers: readonly PeerSpec[]
  /** By arrival. */
  readonly requests: readonly PlannedRequest[]
  /** By time. */
  readonly faults: readonly Fault[]
}

export function rolesOf({ consumer, hub, provider, settler }: PeerSpec): readonly string[] {
  const has = { provider, consumer, settler, hub }
  return Object.entries(has).flatMap(([role, on]) => (on ? [role] : []))
}

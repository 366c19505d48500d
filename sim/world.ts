// A mesh that a plan is carried out on, in a few verbs. Three tiers implement it: modelled ports, real libp2p under virtual
// time, and real processes.

import type { NodeEvent } from '../node/events.ts'
import type { InferenceEvent, InferenceRequest, InferenceResult } from '../node/inference.ts'
import type { MeshNode } from '../node/node.ts'
import type { Clock } from '../node/ports.ts'
import type { Address, PeerId } from '../protocol/ids.ts'
import type { Nano } from '../protocol/money.ts'
import type { Fault, Plan } from './plan.ts'

export type Tier = 'model' | 'libp2p' | 'process'

/** Faults that concern more than one peer. */
export type Weather = Extract<Fault, { kind: 'partition' | 'degrade' | 'chain' }>

export interface World {
  readonly tier: Tier
  /** Virtual, or the wall's in the `process` tier. */
  readonly clock: Clock
  /**
   * Where nodes are found first; called once, before any `start`, and before `drive`: it takes no virtual time, but may take
   * real time. Escrows are opened and funded here.
   */
  open(plan: Plan): Promise<void>
  /** A node on its own disk: the first start, and every later one over what the disk still holds. */
  start(peer: string): Promise<void>
  /** Drained and stopped. */
  stop(peer: string): Promise<void>
  /** Ended between two instructions. With `power` its peers are not told by the network. */
  kill(peer: string, how: { readonly power: boolean }): void
  /** Does nothing from now on, though it lives; `thaw` ends it. */
  freeze(peer: string): void
  thaw(peer: string): void
  /** Generations this provider runs at once; 0 where it is none. Known once started. */
  slotsOf(peer: string): number
  /** A peer's name in the plan; its id where it has none. */
  nameOf(peer: PeerId): string
  /** Peers of the plan that this one is connected to now, by name. */
  connectionsOf(peer: string): readonly string[]
  /** Unix milliseconds, fractional where time is virtual. */
  nowMs(): number
  infer(
    peer: string,
    request: InferenceRequest,
    signal: AbortSignal,
  ): AsyncGenerator<InferenceEvent, InferenceResult, undefined>
  /** Begins it; the function returned ends it. Throws `RangeError` where this tier cannot do it. */
  disturb(weather: Weather): () => void
  /** Everything every node says. Not called for what a dead incarnation would have said. */
  observe(listener: (heard: Heard) => void): void
  /** Runs the world until the work is done; a virtual world passes time meanwhile. */
  drive<T>(work: Promise<T>, signal?: AbortSignal): Promise<T>
  /** Coins as the chain and the books hold them now. */
  audit(): Promise<Audit>
  /** Of nodes that run, and of those that were stopped in order; absent where nodes are other processes. */
  ledgers?(): readonly PeerLedger[]
  /** What this tier can tell about itself: events run, messages, memory. */
  figures(): Readonly<Record<string, number>>
  close(): Promise<void>
}

export interface Heard {
  readonly peer: string
  /** Virtual milliseconds since the start of the run. */
  readonly atMs: number
  readonly event: NodeEvent
}

export interface PeerLedger {
  readonly peer: string
  readonly isUp: boolean
  readonly ledger: MeshNode['ledger']
}

export interface Audit {
  /** All that was ever put on the chain, and where it is now. Their sums are equal when no coin came or went. */
  readonly depositedNano: Nano
  readonly inEscrowsNano: Nano
  readonly paidOutNano: Nano
  readonly feesNano: Nano
  readonly channels: readonly AuditedChannel[]
}

/** One consumer's escrow towards one provider's account. */
export interface AuditedChannel {
  readonly consumer: string
  readonly provider: string
  readonly escrow: Address
  readonly payee: Address
  readonly depositNano: Nano
  readonly settledNano: Nano
  /** What the provider's book says, where it runs. */
  readonly owedNano: Nano | undefined
  readonly coveredNano: Nano | undefined
}

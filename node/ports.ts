// Everything a node may touch outside itself: nine small interfaces. Policy awaits nothing else, which is what lets the
// simulator run the same code under virtual time. Each has one contract suite in test/ports/, run on every adapter.

import type { Address, ModelKey, PeerId, ProtocolId, Topic } from '../protocol/ids.ts'
import type { Nano } from '../protocol/money.ts'
import type { Feature, Said, Task } from '../protocol/task.ts'
import type { Voucher } from '../protocol/voucher.ts'
import type { NodeEvent } from './events.ts'

export interface Clock {
  /** Unix time in integer milliseconds. Never runs backwards within a process. */
  now(): number
  /** Rejects with the signal's reason when it fires first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** Uniform bytes; unguessable on a real node, from the seed in a simulation. */
  bytes(length: number): Uint8Array
  /** An independent stream for one concern, so that a new draw in one place does not shift all others. */
  fork(label: string): Random
}

export interface Identity {
  readonly peerId: PeerId
  /** Ed25519, 32 bytes; the one inside `peerId`. */
  readonly publicKey: Uint8Array
  /** Ed25519 over the message as given, 64 bytes. Synchronous: a signature is never a suspension point. */
  sign(message: Uint8Array): Uint8Array
}

/** One ordered, framed, bidirectional conversation with an authenticated peer. */
export interface Stream {
  readonly peer: PeerId
  /** Resolves when the stream can take more; rejects when it is closed, reset, or its send deadline passed. */
  send(frame: Uint8Array): Promise<void>
  /** Ends when the peer closes its side; throws `MeshError` when the stream breaks or a frame is over its limit. Read once. */
  readonly frames: AsyncIterable<Uint8Array>
  /** No more frames from this side; what was sent still arrives. */
  close(): Promise<void>
  /** Ends both directions now; the peer sees a broken stream. */
  reset(reason: Error): void
}

export type Verdict = 'accept' | 'ignore' | 'reject'

export interface Connection {
  readonly peer: PeerId
  readonly direction: 'inbound' | 'outbound'
  /** A multiaddr. */
  readonly address: string
  readonly rttMs: number | undefined
}

export interface Network {
  /** Multiaddrs others can dial, each ending in /p2p/<peer id>. */
  addresses(): readonly string[]
  connections(): readonly Connection[]
  /** Where a peer may be reached: a hint from its own signed advert. Anything malformed is ignored. */
  learn(peer: PeerId, addresses: readonly string[]): void
  /** Dials where needed. Rejects with `unreachable`, `timeout` or `cancelled`. */
  open(peer: PeerId, protocol: ProtocolId, signal?: AbortSignal): Promise<Stream>
  /** One handler a protocol. A rejection resets that stream and nothing else. */
  handle(protocol: ProtocolId, handler: (stream: Stream) => Promise<void>): void
  /** Best effort; resolves once handed to the mesh, also when nobody listens yet. */
  publish(topic: Topic, message: Uint8Array): Promise<void>
  /**
   * `validate` sees each message once, before it is forwarded: `accept` forwards, `ignore` drops, `reject` drops and
   * lowers the score of the peer it came from. `from` is the authenticated author. Own messages are not delivered.
   */
  subscribe(topic: Topic, validate: (from: PeerId, message: Uint8Array) => Verdict): void
  /** Announces this peer as a provider of `key` and keeps doing so until the signal fires. */
  provide(key: ModelKey, signal: AbortSignal): Promise<void>
  /** Peers that announced `key`, unverified, as they are found; ends when the lookup ends or the signal fires. */
  findProviders(key: ModelKey, signal: AbortSignal): AsyncIterable<PeerId>
}

/** What an engine serves. */
export interface Model {
  readonly key: ModelKey
  readonly name: string
  /** Prompt and completion together. */
  readonly contextTokens: number
  /** Measured at start, whole numbers; 0 where not measured. */
  readonly prefillTokensPerSecond: number
  readonly decodeTokensPerSecond: number
  /** What the engine can do with it. */
  readonly features: readonly Feature[]
}

export interface Generation extends Task {
  readonly model: ModelKey
  /** Token ids another provider already delivered; generation goes on right after them. */
  readonly resumeTokenIds: readonly number[]
}

/** A generation with its prompt tokenised: what it will cost to prefill is known before anything is computed. */
export interface Prompt {
  readonly generation: Generation
  /** Exactly what will be evaluated, resumed tokens included. */
  readonly promptTokens: number
  /** Of those, still held from an earlier request when last looked at. */
  readonly cachedTokens: number
  /** Engine's own; passed back unread. */
  readonly tokenIds: readonly number[]
}

/** One step of a generation. */
export type Delta = Said

export type Finish = 'stop' | 'length'

export interface Engine {
  /** May change where `onChange` is there. */
  readonly models: readonly Model[]
  /** False while it can do nothing, such as while the server behind it is down. Absent: always ready. */
  readonly isReady?: boolean
  /** Generations that run at once. Callers never start more. */
  readonly slots: number
  /** Throws `MeshError` `unknown-model`, `context-exceeded` or `unsupported` (naming the parameter). */
  prepare(generation: Generation, signal: AbortSignal): Promise<Prompt>
  /**
   * Yields deltas and returns the finish reason. Leaving the iteration, or the signal, stops the decoder before its
   * next token. Throws `MeshError` `engine-failed`.
   */
  generate(prompt: Prompt, signal: AbortSignal): AsyncGenerator<Delta, Finish, undefined>
  /** The vectors of the prompt's inputs, in their order. Present where a model's features hold `embeddings`. */
  embed?(prompt: Prompt, signal: AbortSignal): AsyncGenerator<Float32Array, void, undefined>
  /** The bytes of each token of the model's vocabulary, empty for control tokens; undefined where nobody knows them. */
  vocabulary?(model: ModelKey): Promise<readonly Uint8Array[] | undefined>
  /** Calls the listener whenever `models` or `isReady` changed, as long as the engine runs. */
  onChange?(listener: () => void): void
}

/** A few named append-only logs. An entry is at most `store.entryBytesMax`. */
export interface Store {
  /** Resolves when the entry would survive a power cut. Entries of one log are read back in this order. */
  append(log: string, entry: Uint8Array): Promise<void>
  /** A snapshot of the log's entries, oldest first; empty for a log never written. */
  read(log: string): Promise<readonly Uint8Array[]>
  /** Replaces a log's entries in one step: after a crash it holds either all of the old or all of the new. */
  rewrite(log: string, entries: readonly Uint8Array[]): Promise<void>
}

export interface EscrowState {
  readonly address: Address
  /** False where no account runs there, or one with other code. All else is then zero. */
  readonly isEscrow: boolean
  readonly globalId: number
  readonly owner: Address | undefined
  /** The Ed25519 key whose vouchers it pays. */
  readonly signer: Uint8Array
  readonly epoch: number
  /** 0 while open; otherwise Unix milliseconds when its owner may take what is left. */
  readonly unlockAtMs: number
  /** From the order to close to the moment its owner may take what is left: the time providers have to settle. */
  readonly unlockDelayMs: number
  /** Above the storage minimum and all reservations. */
  readonly freeNano: Nano
}

/** All but the address of an account that is no escrow. */
export const noEscrow = {
  isEscrow: false,
  globalId: 0,
  owner: undefined,
  signer: new Uint8Array(32),
  epoch: 0,
  unlockAtMs: 0,
  unlockDelayMs: 0,
  freeNano: 0n,
} as const

export interface PayeeState {
  /** Paid to this payee in this epoch so far. */
  readonly settledNano: Nano
  readonly reservedNano: Nano
  /** What a voucher could pay now beyond `settledNano`. */
  readonly payableNano: Nano
}

/** What became of one settled batch, as the chain tells it. */
export interface SettleTransaction {
  /** Hex, 64 digits. */
  readonly hash: string
  /** Destroyed by the whole trace. */
  readonly feeNano: Nano
}

/** `nothing-due`: all of it is paid already, or what is left is below the least that the chain settles. */
export interface Posted {
  readonly messageHash: string
  readonly outcome: 'posted' | 'nothing-due'
}

/** Reads are of the chain's latest state. Every call rejects with `chain-unavailable` when the endpoint does not answer. */
export interface Chain {
  escrow(escrow: Address): Promise<EscrowState>
  payee(escrow: Address, payee: Address): Promise<PayeeState>
  /** The least that a settle must pay the first payee, at the prices in force. */
  settleNanoMin(): Promise<Nano>
  /** Posts vouchers of one escrow in one message, at most `voucherBatchMax`. Idempotent: vouchers are cumulative. */
  postSettle(escrow: Address, vouchers: readonly Voucher[]): Promise<Posted>
  /** The transaction a posted message caused, once it is on chain. */
  settleTransaction(escrow: Address, messageHash: string): Promise<SettleTransaction | undefined>
}

/** Never throws and never blocks. */
export type Observe = (event: NodeEvent) => void

export interface Ports {
  readonly clock: Clock
  readonly random: Random
  readonly identity: Identity
  readonly network: Network
  readonly engine: Engine | undefined
  readonly store: Store
  readonly chain: Chain
  readonly observe: Observe
}

// A mesh in memory for tests of policy: streams between nodes, a chain of numbers, an engine that counts, one clock by hand.

import { configOf, type Overrides } from '../../node/config.ts'
import type { NodeEvent } from '../../node/events.ts'
import type { InferenceEvent, InferenceRequest, InferenceResult } from '../../node/inference.ts'
import { type MeshNode, type Roles, startNode } from '../../node/node.ts'
import type {
  Chain,
  Delta,
  Engine,
  EscrowState,
  Generation,
  Identity,
  Network,
  PayeeState,
  Posted,
  Random,
  Stream,
  Verdict,
} from '../../node/ports.ts'
import { MeshError } from '../../protocol/errors.ts'
import {
  type Address,
  declaredModelKeyOf,
  type ModelKey,
  type PeerId,
  type ProtocolId,
  type Topic,
} from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { featuresByDefault } from '../../protocol/task.ts'
import type { Voucher } from '../../protocol/voucher.ts'
import { ManualClock } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { escrowOf, identityOf } from './peers.ts'

type Handler = (stream: Stream) => Promise<void>

interface Member {
  readonly handlers: Map<ProtocolId, Handler>
  readonly provided: Set<ModelKey>
  readonly ends: Set<End>
  readonly validators: Map<Topic, (from: PeerId, message: Uint8Array) => Verdict>
}

/** One end of a stream. */
interface End {
  readonly stream: Stream
  readonly inward: Pipe
}

/** One direction of a stream. */
class Pipe {
  readonly #frames: Uint8Array[] = []
  #end: { readonly error: Error | undefined } | undefined
  #wake: () => void = () => undefined
  #isLeft = false

  get isOver(): boolean {
    return this.#end !== undefined
  }

  push(frame: Uint8Array): void {
    if (!this.#isLeft) this.#frames.push(Uint8Array.from(frame))
    this.#wake()
  }

  /** Nobody reads on: what comes is lost. */
  leave(): void {
    this.#isLeft = true
  }

  end(error?: Error): void {
    this.#end ??= { error }
    this.#wake()
  }

  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const frame = this.#frames.shift()
      if (frame) yield frame
      else if (this.#end?.error) throw this.#end.error
      else if (this.#end) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

function streamOf(peer: PeerId, inward: Pipe, outward: Pipe): Stream {
  return {
    peer,
    frames: inward.read(),
    send: async (frame) => {
      if (outward.isOver) throw new MeshError('unreachable', `the stream to ${peer} is over`)
      outward.push(frame)
    },
    close: async () => outward.end(),
    reset: (reason) => {
      outward.end(new MeshError('unreachable', `${peer} reset the stream`))
      inward.end(reason)
    },
  }
}

/** What escrows hold and have paid, settled at once. */
export class MemoryChain implements Chain {
  readonly escrows: Map<Address, EscrowState>
  readonly settled: Map<string, Nano>
  leastNano = 1n
  /** Awaited by every read of a payee. */
  delay: () => Promise<void> = () => Promise.resolve()

  /** Another endpoint of the same chain, where one is given. */
  constructor(
    { escrows, settled }: Pick<MemoryChain, 'escrows' | 'settled'> = { escrows: new Map(), settled: new Map() },
  ) {
    this.escrows = escrows
    this.settled = settled
  }

  async escrow(address: Address): Promise<EscrowState> {
    return this.escrows.get(address) ?? { ...escrowOf(identityOf(0)), address, isEscrow: false }
  }

  async payee(escrow: Address, payee: Address): Promise<PayeeState> {
    await this.delay()
    const payableNano = this.escrows.get(escrow)?.freeNano ?? 0n
    return { settledNano: this.settledOf(escrow, payee), reservedNano: 0n, payableNano }
  }

  async settleNanoMin(): Promise<Nano> {
    return this.leastNano
  }

  async postSettle(escrow: Address, vouchers: readonly Voucher[]): Promise<Posted> {
    for (const { terms } of vouchers) {
      const state = await this.escrow(escrow)
      const claimNano = terms.amountNano - this.settledOf(escrow, terms.payee)
      const paidNano = claimNano < state.freeNano ? claimNano : state.freeNano
      this.escrows.set(escrow, { ...state, freeNano: state.freeNano - paidNano })
      this.settled.set(`${escrow}/${terms.payee}`, this.settledOf(escrow, terms.payee) + paidNano)
    }
    return { messageHash: '00'.repeat(32), outcome: 'posted' }
  }

  async settleTransaction(): Promise<undefined> {
    return undefined
  }

  settledOf(escrow: Address, payee: Address): Nano {
    return this.settled.get(`${escrow}/${payee}`) ?? 0n
  }
}

export interface EngineOptions {
  readonly name?: string
  readonly key?: ModelKey
  /** Of each delta, over and over. */
  readonly deltaTokens?: readonly number[]
  /** Before each delta. */
  readonly pause?: () => Promise<void>
  readonly started?: (generation: Generation) => void
  readonly slots?: number
}

/** A prompt has as many tokens as its first message has letters; the answer is as long as asked for, 100 by default. */
export function countingEngine(options: EngineOptions = {}): Engine {
  const { name = 'm', key = declaredModelKeyOf(name), deltaTokens = [1], pause, started, slots = 16 } = options
  const speeds = { prefillTokensPerSecond: 1, decodeTokensPerSecond: 1 }
  return {
    models: [{ key, name, contextTokens: 4_096, ...speeds, features: featuresByDefault }],
    slots,
    prepare: async (generation) => {
      const promptTokens = (generation.messages[0]?.content.length ?? 0) + generation.resumeTokenIds.length
      return { generation, promptTokens, cachedTokens: 0, tokenIds: [] }
    },
    async *generate({ generation }, signal): AsyncGenerator<Delta, 'length', undefined> {
      started?.(generation)
      const tokensMax = generation.sampling.tokensMax ?? 100
      for (let sent = 0, delta = 0; sent < tokensMax; delta += 1) {
        await pause?.()
        signal.throwIfAborted()
        const tokens = Math.min(deltaTokens[delta % deltaTokens.length] ?? 1, tokensMax - sent)
        yield { text: 'x'.repeat(tokens), tokens, tokenIds: Array.from({ length: tokens }, (_, at) => at) }
        sent += tokens
      }
      return 'length'
    },
  }
}

export interface Peer {
  readonly node: MeshNode
  readonly identity: Identity
  readonly events: readonly NodeEvent[]
  readonly store: MemoryStore
}

export interface PeerOptions {
  readonly number: number
  readonly roles: Roles
  readonly engine?: Engine
  readonly config?: Overrides
  readonly store?: MemoryStore
  readonly chain?: Chain
}

export class MemoryMesh {
  readonly clock = new ManualClock()
  readonly chain = new MemoryChain()
  /** Nothing that is published reaches anybody. */
  isGossipLost = false
  readonly #members = new Map<PeerId, Member>()
  #draws = 0

  async start({ number, roles, engine, config, store = new MemoryStore(), chain }: PeerOptions): Promise<Peer> {
    const identity = identityOf(number)
    const events: NodeEvent[] = []
    const node = await startNode(
      configOf(config ?? {}),
      {
        clock: this.clock,
        random: this.#random(),
        identity,
        network: this.networkOf(identity),
        engine,
        store,
        chain: chain ?? this.chain,
        observe: (event) => events.push(event),
      },
      roles,
    )
    return { node, identity, events, store }
  }

  /** A network port without a node behind it, for peers that play by their own rules. */
  networkOf({ peerId }: Identity): Network {
    const member: Member = { handlers: new Map(), provided: new Set(), ends: new Set(), validators: new Map() }
    const members = this.#members
    const isLost = (): boolean => this.isGossipLost
    members.set(peerId, member)
    return {
      addresses: () => [],
      connections: () => [],
      learn: () => undefined,
      open: async (peer, protocol) => {
        const handler = members.get(peer)?.handlers.get(protocol)
        if (!handler || members.get(peerId) !== member) throw new MeshError('unreachable', `nobody at ${peer}`)
        const [there, back] = [new Pipe(), new Pipe()]
        const own = streamOf(peer, back, there)
        const theirs = streamOf(peerId, there, back)
        member.ends.add({ stream: own, inward: back })
        members.get(peer)?.ends.add({ stream: theirs, inward: there })
        const left = (): void => there.leave() // as a real network does it once the handler is done
        handler(theirs).then(left, (error: Error) => theirs.reset(error))
        return own
      },
      handle: (protocol, handler) => void member.handlers.set(protocol, handler),
      publish: async (topic, message) => {
        if (isLost()) return
        for (const [other, { validators }] of members) if (other !== peerId) validators.get(topic)?.(peerId, message)
      },
      subscribe: (topic, validate) => {
        member.validators.set(topic, validate)
      },
      provide: async (key) => void member.provided.add(key),
      async *findProviders(key) {
        for (const [peer, { provided }] of members) if (provided.has(key)) yield peer
      },
    }
  }

  /** Nothing that is sent on its streams arrives any more. */
  mute(peer: PeerId): void {
    for (const { inward } of this.#members.get(peer)?.ends ?? []) inward.leave()
  }

  /** Its streams break. */
  cut(peer: PeerId): void {
    const ends = [...(this.#members.get(peer)?.ends ?? [])]
    this.#members.get(peer)?.ends.clear()
    for (const { stream } of ends) stream.reset(new MeshError('unreachable', 'the connection broke'))
  }

  /** Its streams break, and nobody reaches it any more. */
  kill(peer: PeerId): void {
    this.cut(peer)
    this.#members.delete(peer)
  }

  /** An escrow of its own for the peer of this number. */
  escrow(number: number, change: Partial<EscrowState> = {}): Address {
    const escrow = escrowOf(identityOf(number), change)
    this.chain.escrows.set(escrow.address, escrow)
    return escrow.address
  }

  #random(): Random {
    const random: Random = {
      next: () => 0.5,
      bytes: (length) => {
        this.#draws += 1
        return new Uint8Array(length).fill(this.#draws)
      },
      fork: () => random,
    }
    return random
  }
}

/** One request of a consumer, read to its end. `heard` is told of each event on the way. */
export async function ask(
  { node }: Peer,
  request: Partial<InferenceRequest> = {},
  heard: (event: InferenceEvent) => void = () => undefined,
): Promise<InferenceResult> {
  const messages = [{ role: 'user', content: 'hello' }] as const
  const events = node.inference?.infer({ model: 'm', messages, sampling: {}, ...request }, new AbortController().signal)
  if (!events) throw new TypeError('not a consumer')
  for (;;) {
    const next = await events.next()
    if (next.done) return next.value
    heard(next.value)
  }
}

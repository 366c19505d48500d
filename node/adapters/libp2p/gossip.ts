// Gossipsub under this mesh's rules: only known topics, every message signed and validated before it is forwarded, and a
// peer that brings invalid ones is soon not listened to.

import {
  type GossipSub,
  type GossipSubComponents,
  type GossipsubOpts,
  gossipsub,
  StrictSign,
  TopicValidatorResult,
} from '@libp2p/gossipsub'
import type { PeerId as RawPeerId } from '@libp2p/interface'
import { MeshError } from '../../../protocol/errors.ts'
import { capacityTopic, type PeerId, parsePeerId, settlerTopic, type Topic } from '../../../protocol/ids.ts'
import type { Verdict } from '../../ports.ts'
import type { Libp2pSettings } from './options.ts'

const topics: readonly Topic[] = [capacityTopic, settlerTopic]

const results: Readonly<Record<Verdict, TopicValidatorResult>> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
}

const decayToZero = 0.1
/** The factor that takes a counter from 1 to `decayToZero` in so many seconds. */
const decayOver = (seconds: number): number => decayToZero ** (1 / seconds)

export class Gossip {
  readonly #pubsub: GossipSub
  readonly #own: PeerId
  readonly #messageBytesMax: number
  readonly #subscribed = new Set<Topic>()

  constructor(pubsub: GossipSub, own: PeerId, settings: Libp2pSettings) {
    this.#pubsub = pubsub
    this.#own = own
    this.#messageBytesMax = settings.gossipMessageBytesMax
    // nobody has a reason to send what was not asked for, and it would be remembered for minutes
    for (const topic of topics) pubsub.topicValidators.set(topic, () => TopicValidatorResult.Reject)
  }

  async publish(topic: Topic, message: Uint8Array): Promise<void> {
    if (message.length > this.#messageBytesMax) {
      throw new RangeError(`gossip message of ${message.length} bytes, at most ${this.#messageBytesMax}`)
    }
    try {
      await this.#pubsub.publish(topic, message)
    } catch {
      // best effort: the node is stopping, or a stream closed meanwhile; the publisher repeats what stays true
    }
  }

  subscribe(topic: Topic, validate: (from: PeerId, message: Uint8Array) => Verdict): void {
    if (this.#subscribed.has(topic)) throw new MeshError('internal', `${topic} is subscribed already`)
    this.#subscribed.add(topic)
    this.#pubsub.topicValidators.set(topic, (_source, message) => {
      if (message.type !== 'signed' || message.data.length > this.#messageBytesMax) return TopicValidatorResult.Reject
      try {
        const from = parsePeerId(message.from.toString())
        if (from === this.#own) return TopicValidatorResult.Ignore
        // a copy, which `slice` of a Buffer is not: a view would keep the whole packet alive
        return results[validate(from, new Uint8Array(message.data))]
      } catch {
        return TopicValidatorResult.Reject // another kind of key, or a message the validator choked on
      }
    })
    this.#pubsub.subscribe(topic)
  }
}

/** Gossipsub with a bound on what one neighbour can make this node verify: a signature costs a third of a millisecond. */
export function gossipsubOf(settings: Libp2pSettings): (components: GossipSubComponents) => GossipSub {
  const make = gossipsub(optionsOf(settings))
  return (components) => {
    const pubsub = make(components)
    if (!receivesRpc(pubsub)) throw new TypeError('gossipsub is not built as expected')
    const allowance = new Allowance(settings.gossipPerSecondMax)
    const receive = pubsub.handleReceivedRpc.bind(pubsub)
    pubsub.handleReceivedRpc = (from, rpc) => {
      const messages = rpc.messages.slice(0, allowance.take(from.toString(), rpc.messages.length))
      return receive(from, { ...rpc, messages })
    }
    return pubsub
  }
}

interface Rpc {
  readonly messages: readonly unknown[]
}

interface ReceivesRpc {
  handleReceivedRpc(from: RawPeerId, rpc: Rpc): Promise<void>
}

function receivesRpc(pubsub: GossipSub): pubsub is GossipSub & ReceivesRpc {
  return 'handleReceivedRpc' in pubsub && typeof pubsub.handleReceivedRpc === 'function'
}

/** So many a second for each peer, and as many saved up. */
class Allowance {
  readonly #perSecond: number
  readonly #buckets = new Map<string, { left: number; atMs: number }>()

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  /** How many of `wanted` may pass now. */
  take(peer: string, wanted: number): number {
    const nowMs = performance.now()
    const bucket = this.#buckets.get(peer) ?? { left: this.#perSecond, atMs: nowMs }
    const earned = ((nowMs - bucket.atMs) / 1_000) * this.#perSecond
    const left = Math.min(this.#perSecond, bucket.left + earned)
    const taken = Math.min(wanted, Math.floor(left))
    this.#buckets.delete(peer)
    this.#buckets.set(peer, { left: left - taken, atMs: nowMs })
    for (const [oldest, { atMs }] of this.#buckets) {
      if (nowMs - atMs < 1_000) break
      this.#buckets.delete(oldest) // full again
    }
    return taken
  }
}

const topicScore = {
  topicWeight: 1,
  timeInMeshWeight: 0,
  timeInMeshQuantum: 1_000,
  timeInMeshCap: 1,
  firstMessageDeliveriesWeight: 0.1,
  firstMessageDeliveriesDecay: decayOver(600),
  firstMessageDeliveriesCap: 50,
  // off: adverts are rare, a quiet peer is no bad one
  meshMessageDeliveriesWeight: 0,
  meshMessageDeliveriesDecay: 0.5,
  meshMessageDeliveriesCap: 1,
  meshMessageDeliveriesThreshold: 1,
  meshMessageDeliveriesWindow: 10,
  meshMessageDeliveriesActivation: 5_000,
  meshFailurePenaltyWeight: 0,
  meshFailurePenaltyDecay: 0.5,
  invalidMessageDeliveriesWeight: -20,
  invalidMessageDeliveriesDecay: decayOver(600),
}

/**
 * Scores: an invalid message costs 20 times the square of how many there were lately. One, and the peer is out of the mesh
 * and gets no gossip; two, and nothing is sent to it; three, and nothing it sends is looked at. A count of ten is forgiven
 * in about five minutes.
 */
function optionsOf(settings: Libp2pSettings): Partial<GossipsubOpts> {
  return {
    globalSignaturePolicy: StrictSign,
    allowedTopics: [...topics],
    fallbackToFloodsub: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    doPX: false,
    runOnLimitedConnection: false,
    heartbeatInterval: settings.gossipHeartbeatMs,
    D: settings.gossipDegree,
    Dlo: settings.gossipDegreeMin,
    Dhi: settings.gossipDegreeMax,
    maxInboundStreams: 3, // one of each protocol version, as libp2p replaces streams
    maxInboundDataLength: settings.gossipRpcBytesMax,
    maxOutboundBufferSize: settings.writeBufferBytesMax,
    maxTopicBytesPerPeer: 65_536,
    decodeRpcLimits: {
      maxSubscriptions: 64,
      maxMessages: 1_024,
      maxIhaveMessageIDs: 5_000,
      maxIwantMessageIDs: 5_000,
      maxIdontwantMessageIDs: 512,
      maxControlMessages: 64,
      maxPeerInfos: 16,
    },
    scoreParams: {
      decayInterval: 1_000,
      decayToZero,
      retainScore: 3_600_000,
      topicScoreCap: 10,
      // whole rooms of machines share an address
      IPColocationFactorThreshold: 32,
      IPColocationFactorWeight: -5,
      IPColocationFactorWhitelist: new Set(['127.0.0.1', '::1']),
      topics: Object.fromEntries(topics.map((topic) => [topic, topicScore])),
    },
    scoreThresholds: {
      gossipThreshold: -10,
      publishThreshold: -40,
      graylistThreshold: -160,
      acceptPXThreshold: 1_000_000, // never
      opportunisticGraftThreshold: 1,
    },
  }
}

// The network port of one incarnation over its machine's libp2p: whatever is asked of it runs on that machine, and nothing
// it answers reaches an incarnation that is over.

import type { Libp2pNetwork } from '../../node/adapters/libp2p/network.ts'
import type { Network, Stream } from '../../node/ports.ts'
import { capacityTopic } from '../../protocol/ids.ts'
import type { Life } from '../life.ts'
import type { Host } from './host.ts'
import type { MeshTally } from './tally.ts'

export function livingNetwork(network: Libp2pNetwork, host: Host, life: Life, tally: MeshTally): Network {
  const { peerId } = network
  life.onEnd(() => tally.left(peerId))
  return {
    addresses: () => network.addresses(),
    connections: () => network.connections(),
    learn: (peer, addresses) => host.enter(() => network.learn(peer, addresses)),
    open: async (peer, protocol, signal) => {
      const stream = await life.during(host.enter(() => network.open(peer, protocol, signal)))
      tally.opened()
      return livingStream(stream, host, life, tally)
    },
    handle: (protocol, handler) => {
      host.enter(() =>
        network.handle(protocol, (stream) => life.during(handler(livingStream(stream, host, life, tally)))),
      )
    },
    publish: (topic, message) => {
      if (topic === capacityTopic) tally.published(peerId, message)
      return life.during(host.enter(() => network.publish(topic, message)))
    },
    subscribe: (topic, validate) => {
      const isCounted = topic === capacityTopic
      if (isCounted) tally.subscribed(peerId)
      host.enter(() => {
        network.subscribe(topic, (from, message) => {
          if (life.isOver) return 'ignore'
          if (isCounted) tally.delivered(peerId, from, message)
          return validate(from, message)
        })
      })
    },
    provide: (key, signal) => life.during(host.enter(() => network.provide(key, signal))),
    findProviders: (key, signal) => living(network.findProviders(key, signal), host, life),
  }
}

function livingStream(stream: Stream, host: Host, life: Life, tally: MeshTally): Stream {
  return {
    peer: stream.peer,
    send: (frame) => {
      tally.sent(frame.length)
      return life.during(host.enter(() => stream.send(frame)))
    },
    frames: living(stream.frames, host, life),
    close: () => life.during(host.enter(() => stream.close())),
    reset: (reason) => host.enter(() => stream.reset(reason)),
  }
}

function living<T>(source: AsyncIterable<T>, host: Host, life: Life): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = source[Symbol.asyncIterator]()
      return {
        next: () => life.during(host.enter(() => iterator.next())),
        return: async (value?: unknown) => {
          await life.during(host.enter(async () => iterator.return?.()))
          return { done: true, value }
        },
      }
    },
  }
}

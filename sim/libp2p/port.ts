// The network port of one incarnation over its machine's libp2p: whatever is asked of it runs on that machine, and nothing
// it answers reaches an incarnation that is over.

import type { Network, Stream } from '../../node/ports.ts'
import type { Life } from '../life.ts'
import type { Host } from './host.ts'

export function livingNetwork(network: Network, host: Host, life: Life): Network {
  return {
    addresses: () => network.addresses(),
    connections: () => network.connections(),
    learn: (peer, addresses) => host.enter(() => network.learn(peer, addresses)),
    open: async (peer, protocol, signal) => {
      const stream = await life.during(host.enter(() => network.open(peer, protocol, signal)))
      return livingStream(stream, host, life)
    },
    handle: (protocol, handler) => {
      host.enter(() => network.handle(protocol, (stream) => life.during(handler(livingStream(stream, host, life)))))
    },
    publish: (topic, message) => life.during(host.enter(() => network.publish(topic, message))),
    subscribe: (topic, validate) => {
      host.enter(() => {
        network.subscribe(topic, (from, message) => (life.isOver ? 'ignore' : validate(from, message)))
      })
    },
    provide: (key, signal) => life.during(host.enter(() => network.provide(key, signal))),
    findProviders: (key, signal) => living(network.findProviders(key, signal), host, life),
  }
}

function livingStream(stream: Stream, host: Host, life: Life): Stream {
  return {
    peer: stream.peer,
    send: (frame) => life.during(host.enter(() => stream.send(frame))),
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

// A random walk through the DHT that takes its time. libp2p's own walks without a pause until somebody found what it looks
// for: in a mesh without relays each node that would like one keeps a tenth of a core busy for ever.

import type { PeerInfo } from '@libp2p/interface'
import type { Libp2pSettings } from './options.ts'
import { jittered, pause } from './pause.ts'

interface RandomWalk {
  walk(options?: { readonly signal?: AbortSignal }): AsyncGenerator<PeerInfo>
}

/** Gives the service a walk that rests after each peer, longer each time. */
export function walkingSlowly<Components extends { readonly randomWalk: RandomWalk }, Service>(
  settings: Libp2pSettings,
  make: (components: Components) => Service,
): (components: Components) => Service {
  return (components) =>
    make(Object.create(components, { randomWalk: { value: slow(components.randomWalk, settings) } }))
}

function slow(randomWalk: RandomWalk, { walkRestMs, walkRestMsMax }: Libp2pSettings): RandomWalk {
  return {
    async *walk(options = {}) {
      const { signal = new AbortController().signal } = options
      for (let restMs = walkRestMs; ; restMs = Math.min(walkRestMsMax, 2 * restMs)) {
        const steps = randomWalk.walk(options)
        const step = await steps.next()
        await steps.return(undefined) // ends libp2p's walk: left waiting for a second step it would go on walking
        if (step.done) return
        yield step.value
        await pause(jittered(restMs), signal)
        signal.throwIfAborted()
      }
    },
  }
}

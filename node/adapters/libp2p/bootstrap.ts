// Keeps a connection to each bootstrap peer: the first dial, again with growing pauses, and again when it is lost. Not
// reaching one is no error of this node: it says so and goes on.

import type { Multiaddr } from '@multiformats/multiaddr'
import { asMeshError, type MeshError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Dialler } from './dialler.ts'
import type { Libp2pSettings } from './options.ts'
import { jittered, pause } from './pause.ts'
import type { Swarm } from './swarm.ts'

export interface BootstrapPeer {
  readonly peer: PeerId
  readonly address: Multiaddr
}

/** Connections to peers of higher value are closed last when there are too many. */
const tagValue = 50

/** Ends when the signal fires. */
export async function keepConnected(
  { peer, address }: BootstrapPeer,
  swarm: Swarm,
  dialler: Dialler,
  { bootstrapRetryMs, bootstrapRetryMsMax }: Libp2pSettings,
  failed: (error: MeshError, retryInMs: number) => void,
  signal: AbortSignal,
): Promise<void> {
  let pauseMs = bootstrapRetryMs
  while (!signal.aborted) {
    try {
      const { remotePeer } = dialler.connectionTo(peer) ?? (await dialler.dial(peer, address))
      await swarm.peerStore.merge(remotePeer, { tags: { bootstrap: { value: tagValue } } })
      pauseMs = bootstrapRetryMs
      await disconnected(peer, swarm, dialler, signal)
    } catch (error) {
      if (signal.aborted) return
      failed(asMeshError(error), pauseMs)
    }
    await pause(jittered(pauseMs), signal)
    pauseMs = Math.min(bootstrapRetryMsMax, 2 * pauseMs)
  }
}

/** Resolves when the last connection to the peer ended, or the signal fires. */
function disconnected(peer: PeerId, swarm: Swarm, dialler: Dialler, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (dialler.connectionTo(peer) && !signal.aborted) return
      swarm.removeEventListener('peer:disconnect', check)
      signal.removeEventListener('abort', check)
      resolve()
    }
    swarm.addEventListener('peer:disconnect', check)
    signal.addEventListener('abort', check)
    check()
  })
}

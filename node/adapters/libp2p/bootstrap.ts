// Keeps a connection to each bootstrap peer: the first dial, again with growing pauses, and again when it is lost. Not
// reaching one is no error of this node: it says so and goes on.

import type { Multiaddr } from '@multiformats/multiaddr'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Libp2pSettings } from './options.ts'
import { jittered, pause } from './pause.ts'

export interface BootstrapPeer {
  readonly peer: PeerId
  readonly address: Multiaddr
}

interface Dialler {
  readonly isConnected: (peer: PeerId) => boolean
  readonly dial: (address: Multiaddr, signal: AbortSignal) => Promise<void>
  /** Resolves when the peer's last connection ends, or the signal fires. */
  readonly disconnected: (peer: PeerId, signal: AbortSignal) => Promise<void>
  readonly failed: (address: string, error: unknown, retryInMs: number) => void
}

/** Ends when the signal fires. */
export async function keepBootstrapped(
  peers: readonly BootstrapPeer[],
  settings: Libp2pSettings,
  dialler: Dialler,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(peers.map((peer) => keepConnected(peer, settings, dialler, signal)))
}

async function keepConnected(
  { peer, address }: BootstrapPeer,
  { bootstrapRetryMs, bootstrapRetryMsMax }: Libp2pSettings,
  dialler: Dialler,
  signal: AbortSignal,
): Promise<void> {
  let pauseMs = bootstrapRetryMs
  while (!signal.aborted) {
    try {
      if (!dialler.isConnected(peer)) await dialler.dial(address, signal)
      pauseMs = bootstrapRetryMs
      await dialler.disconnected(peer, signal)
    } catch (error) {
      if (signal.aborted) return
      dialler.failed(address.toString(), error, pauseMs)
    }
    await pause(jittered(pauseMs), signal)
    pauseMs = Math.min(bootstrapRetryMsMax, 2 * pauseMs)
  }
}

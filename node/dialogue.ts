// One question to a peer and what it answers, on a stream of their own.

import { asMeshError, MeshError } from '../protocol/errors.ts'
import type { PeerId, ProtocolId } from '../protocol/ids.ts'
import type { Network, Stream } from './ports.ts'

/**
 * Opens a stream to talk on, and closes it afterwards. It is reset where the talk throws or the signal fires: left open it
 * would be one of the few that a peer grants another.
 */
export async function dialogue<T>(
  network: Pick<Network, 'open'>,
  peer: PeerId,
  protocol: ProtocolId,
  signal: AbortSignal,
  talk: (stream: Stream) => Promise<T>,
): Promise<T> {
  const stream = await network.open(peer, protocol, signal)
  const leave = (): void => stream.reset(asMeshError(signal.reason))
  signal.addEventListener('abort', leave)
  try {
    const result = await talk(stream)
    await stream.close()
    return result
  } catch (error) {
    stream.reset(asMeshError(error))
    throw error
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

/** The first frame; `protocol-violation` where the other side closes without one. */
export async function answerOn(stream: Stream): Promise<Uint8Array> {
  for await (const frame of stream.frames) return frame
  throw new MeshError('protocol-violation', 'the stream was closed without an answer')
}

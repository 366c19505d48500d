// Which hubs there are and what each asks, for the person who names one: found in the DHT, then asked one by one.

import { MeshError } from '../../protocol/errors.ts'
import { decodeFromHub, encodeHubFrame, type HubTerms } from '../../protocol/hub.ts'
import { hubKey, hubProtocol, type PeerId } from '../../protocol/ids.ts'
import type { Config } from '../config.ts'
import { answerOn, dialogue } from '../dialogue.ts'
import type { Ports } from '../ports.ts'
import { within } from '../waits.ts'

/** Asked after one lookup. */
const lookupMax = 64

export interface HubOffer extends Pick<HubTerms, 'escrow' | 'feePpm' | 'incrementNanoMax'> {
  readonly peer: PeerId
  /** The chain it pays on. */
  readonly globalId: number
}

/** What it asks is its word: payment holds it to that. Throws `MeshError` where it is away, no hub, or out of service. */
export async function askHub(
  peer: PeerId,
  config: Config,
  { clock, network }: Pick<Ports, 'clock' | 'network'>,
  signal: AbortSignal,
): Promise<HubOffer> {
  const terms = (stop: AbortSignal): Promise<HubTerms> => dialogue(network, peer, hubProtocol, stop, termsOn)
  const what = `asking hub ${peer} for its terms`
  const { escrow, feePpm, incrementNanoMax, tab } = await within(clock, config.consumer.hubMs, what, terms, signal)
  return { peer, escrow, feePpm, incrementNanoMax, globalId: tab.globalId }
}

/** Looks once, and tells of each hub that answered in time. */
export async function findHubs(
  config: Config,
  ports: Pick<Ports, 'clock' | 'identity' | 'network'>,
  signal: AbortSignal,
  heard: (offer: HubOffer) => void,
): Promise<void> {
  const { clock, identity, network } = ports
  const asking = new Map<PeerId, Promise<void>>()
  const look = async (stop: AbortSignal): Promise<void> => {
    for await (const peer of network.findProviders(hubKey, stop)) {
      if (peer === identity.peerId || asking.has(peer)) continue
      asking.set(peer, askHub(peer, config, ports, signal).then(heard).catch(ignored))
      if (asking.size >= lookupMax) break
    }
  }
  // running out of time is an ordinary end of a lookup
  await within(clock, config.discovery.lookupMs, 'looking hubs up', look, signal).catch(ignored)
  await Promise.all(asking.values())
}

async function termsOn(stream: Parameters<typeof answerOn>[0]): Promise<HubTerms> {
  await stream.send(encodeHubFrame({ type: 'hello', escrow: undefined, best: undefined }))
  const reply = decodeFromHub(await answerOn(stream))
  if (reply.type === 'fail') throw new MeshError(reply.code, reply.message)
  if (reply.type !== 'terms') throw new MeshError('protocol-violation', `${reply.type} in answer to a hello`)
  return reply
}

/** Who does not answer is not among those found. */
const ignored = (): void => undefined

// A look at the mesh from outside: a passing peer that finds others and asks for what they offer, and keeps nothing.

import { randomBytes } from 'node:crypto'
import type { Advert } from '../../protocol/advert.ts'
import { counted } from '../../protocol/counted.ts'
import { MeshError } from '../../protocol/errors.ts'
import { capacityTopic, type PeerId, settlerTopic } from '../../protocol/ids.ts'
import type { SettlerAdvert } from '../../protocol/settler-advert.ts'
import { identityFrom } from '../adapters/libp2p/identity.ts'
import { systemClock, systemRandom } from '../adapters/system.ts'
import type { Config } from '../config.ts'
import { Directory } from '../consumer/directory.ts'
import { findHubs, type HubOffer } from '../hub/search.ts'
import type { Ports } from '../ports.ts'
import { Market } from '../settlement/market.ts'
import { every } from '../waits.ts'
import type { Invocation } from './flags.ts'
import { runningNode } from './running.ts'
import { startNetwork } from './runtime.ts'

/** The peers of one role: looked for until the signal fires, and what was found so far. */
interface Search<T> {
  readonly what: string
  run(signal: AbortSignal): Promise<void>
  found(): readonly T[]
}

type SearchPorts = Pick<Ports, 'clock' | 'random' | 'network' | 'identity' | 'observe'>

/** A passing peer looks once a second. */
const lookEveryMs = 1_000

export const lookAtProviders = (invocation: Invocation, seconds: number): Promise<readonly Advert[]> =>
  lookAt(invocation, seconds, (config, ports) => {
    const directory = new Directory(config, ports)
    ports.network.subscribe(capacityTopic, (from, message) => directory.validate(from, message))
    return { what: 'provider', run: (signal) => directory.run(signal), found: () => directory.adverts() }
  })

export const lookAtSettlers = (invocation: Invocation, seconds: number): Promise<readonly SettlerAdvert[]> =>
  lookAt(invocation, seconds, (config, ports) => {
    const market = new Market(config, ports)
    ports.network.subscribe(settlerTopic, (from, message) => market.validate(from, message))
    return { what: 'settler', run: (signal) => market.run(signal), found: () => market.adverts() }
  })

export const lookAtHubs = (invocation: Invocation, seconds: number): Promise<readonly HubOffer[]> =>
  lookAt(invocation, seconds, (config, ports) => {
    const offers = new Map<PeerId, HubOffer>()
    const { clock, random } = ports
    const look = (signal: AbortSignal): Promise<void> =>
      findHubs(config, ports, signal, (offer) => offers.set(offer.peer, offer))
    return {
      what: 'hub',
      run: (signal) =>
        every(
          clock,
          random,
          lookEveryMs,
          signal,
          () => look(signal),
          () => undefined,
        ),
      found: () => [...offers.values()].sort((a, b) => a.feePpm - b.feePpm || (a.peer < b.peer ? -1 : 1)),
    }
  })

/** Starts from the configured bootstrap peers and the node that runs for this home. Throws `unreachable` where none answers. */
async function lookAt<T>(
  { config, home, terminal }: Invocation,
  seconds: number,
  searchOf: (config: Config, ports: SearchPorts) => Search<T>,
): Promise<readonly T[]> {
  const bootstrap = [...config.network.bootstrap, ...runningAddresses(home)]
  if (bootstrap.length === 0 && !config.network.mdns) {
    throw new MeshError(
      'bad-request',
      `no peer to start from, and no node runs for home ${home}; pass --bootstrap /ip4/…/tcp/…/p2p/…, or --set network.mdns=true`,
    )
  }
  const seed = randomBytes(32)
  const network = await startNetwork({ ...config, network: { ...config.network, ...passing, bootstrap } }, seed)
  const done = new AbortController()
  try {
    const often = { ...config.discovery, lookupIntervalMs: lookEveryMs }
    const ports = { clock: systemClock, random: systemRandom, identity: identityFrom(seed), network }
    const search = searchOf({ ...config, discovery: often }, { ...ports, observe: () => undefined })
    const looking = search.run(done.signal)
    for (let left = seconds; left > 0; left -= 1) {
      terminal.progress(
        `looking: ${counted(search.found().length, search.what)} found, ${counted(network.connections().length, 'peer')} connected, ${left} s left`,
      )
      await systemClock.sleep(1_000)
    }
    terminal.progress('')
    done.abort()
    await looking
    if (bootstrap.length > 0 && network.connections().length === 0) {
      throw new MeshError(
        'unreachable',
        `no answer within ${seconds} s from ${bootstrap.join(', ')}; is that peer up? --wait 30 tries longer`,
      )
    }
    return search.found()
  } finally {
    done.abort()
    await network.stop()
  }
}

/** The home's own node may hold its ports, and nobody needs to dial a peer that is about to leave. */
const passing = {
  listen: [],
  announce: [],
  dhtServer: false,
  websockets: false,
  relayServer: false,
  upnp: false,
} as const

/** Loopback alone where there is one: the same peer is not dialled at each of its addresses. */
function runningAddresses(home: string): readonly string[] {
  const addresses = runningNode(home)?.addresses ?? []
  return addresses
    .filter((address) => address.startsWith('/ip4/127.'))
    .concat(addresses)
    .slice(0, 1)
}

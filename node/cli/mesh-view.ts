// A look at the mesh from outside: a passing peer that finds providers and asks for their adverts, and keeps nothing.

import { randomBytes } from 'node:crypto'
import type { Advert } from '../../protocol/advert.ts'
import { counted } from '../../protocol/counted.ts'
import { MeshError } from '../../protocol/errors.ts'
import { capacityTopic } from '../../protocol/ids.ts'
import { identityFrom } from '../adapters/libp2p/identity.ts'
import { systemClock, systemRandom } from '../adapters/system.ts'
import { Directory } from '../consumer/directory.ts'
import type { Invocation } from './flags.ts'
import { runningNode } from './running.ts'
import { startNetwork } from './runtime.ts'

/** Starts from the configured bootstrap peers and the node that runs for this home. Throws `unreachable` where none answers. */
export async function lookAtMesh({ config, home, terminal }: Invocation, seconds: number): Promise<readonly Advert[]> {
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
    const directory = new Directory(
      { ...config, discovery: { ...config.discovery, lookupIntervalMs: 1_000 } },
      { clock: systemClock, random: systemRandom, identity: identityFrom(seed), network, observe: () => undefined },
    )
    network.subscribe(capacityTopic, (from, message) => directory.validate(from, message))
    const looking = directory.run(done.signal)
    for (let left = seconds; left > 0; left -= 1) {
      terminal.progress(
        `looking: ${counted(directory.adverts().length, 'provider')} found, ${counted(network.connections().length, 'peer')} connected, ${left} s left`,
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
    return directory.adverts()
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

// A look at the mesh from outside: a passing peer that finds providers and asks for their adverts, and keeps nothing.

import { randomBytes } from 'node:crypto'
import type { Advert } from '../../protocol/advert.ts'
import { MeshError } from '../../protocol/errors.ts'
import { capacityTopic } from '../../protocol/ids.ts'
import { identityFrom } from '../adapters/libp2p/identity.ts'
import { systemClock, systemRandom } from '../adapters/system.ts'
import { Directory } from '../consumer/directory.ts'
import type { Invocation } from './flags.ts'
import { startNetwork } from './runtime.ts'

export async function lookAtMesh({ config, terminal }: Invocation, seconds: number): Promise<readonly Advert[]> {
  if (config.network.bootstrap.length === 0 && !config.network.mdns) {
    throw new MeshError(
      'bad-request',
      'no peer to start from; pass --bootstrap /ip4/…/tcp/…/p2p/…, or --set network.mdns=true',
    )
  }
  const seed = randomBytes(32)
  const identity = identityFrom(seed)
  const network = await startNetwork({ ...config, network: { ...config.network, dhtServer: false } }, seed)
  const done = new AbortController()
  try {
    const directory = new Directory(
      { ...config, discovery: { ...config.discovery, lookupIntervalMs: 1_000 } },
      { clock: systemClock, random: systemRandom, identity, network, observe: () => undefined },
    )
    network.subscribe(capacityTopic, (from, message) => directory.validate(from, message))
    const looking = directory.run(done.signal)
    for (let left = seconds; left > 0; left -= 1) {
      terminal.progress(
        `looking: ${directory.adverts().length} providers found, ${network.connections().length} peers connected, ${left} s left`,
      )
      await systemClock.sleep(1_000)
    }
    terminal.progress('')
    done.abort()
    await looking
    return directory.adverts()
  } finally {
    done.abort()
    await network.stop()
  }
}

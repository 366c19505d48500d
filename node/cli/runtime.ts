// A node in this process: opens the real ports of a home, starts the node over them, and takes all of it down in order.

import { MeshError } from '../../protocol/errors.ts'
import { parsePeerId } from '../../protocol/ids.ts'
import { identityFrom } from '../adapters/libp2p/identity.ts'
import { type Libp2pNetwork, startLibp2p } from '../adapters/libp2p/network.ts'
import { type OpenStore, openStore } from '../adapters/sqlite.ts'
import { systemClock, systemRandom } from '../adapters/system.ts'
import { fanOut, humanLog, jsonLog, prometheus } from '../adapters/telemetry.ts'
import { createTonChain, type TonChain } from '../adapters/ton/chain.ts'
import type { Config } from '../config.ts'
import { type MeshNode, type Roles, startNode } from '../node.ts'
import type { Engine, Identity, Observe } from '../ports.ts'
import type { Invocation } from './flags.ts'
import { type Home, openHome } from './home.ts'
import { printJson } from './terminal.ts'

/** The largest entry any log is given: a voucher record is under 1 KiB. */
const entryBytesMax = 65_536

export interface Runtime {
  readonly home: Home
  readonly identity: Identity
  readonly network: Libp2pNetwork
  readonly chain: TonChain
  readonly node: MeshNode
  /** Prometheus text. */
  metrics(): Promise<string>
  /** Drains the node, then closes what it stood on. */
  stop(): Promise<void>
}

export interface RuntimeParts {
  readonly invocation: Invocation
  readonly roles: (parts: {
    readonly home: Home
    readonly identity: Identity
    readonly chain: TonChain
  }) => Promise<Roles>
  readonly engine?: (Engine & { stop(): Promise<void> }) | undefined
  /** Also told of everything the node says. */
  readonly observe?: Observe
}

export async function startRuntime({ invocation, roles, engine, observe }: RuntimeParts): Promise<Runtime> {
  const { config, home: path, isJson, terminal } = invocation
  assertUsable(config)
  const home = openHome(path)
  const identity = identityFrom(home.identitySeed)
  const closing: (() => Promise<void>)[] = engine ? [() => engine.stop()] : []
  const closeAll = async (): Promise<void> => {
    for (const close of closing.reverse()) await close()
  }
  try {
    const store = openHomeStore(home)
    closing.push(() => store.close())
    const chain = openChain(config)
    const wanted = await roles({ home, identity, chain })
    const metrics = prometheus()
    const network = await startNetwork(config, home.identitySeed)
    closing.push(() => network.stop())
    terminal.ok('identity', identity.peerId)
    for (const address of network.addresses()) terminal.ok('listening', address)
    const ports = {
      clock: systemClock,
      random: systemRandom,
      identity,
      network,
      engine,
      store,
      chain,
      observe: fanOut(metrics.observe, logOf(config, isJson), ...(observe ? [observe] : [])),
    }
    const node = await startNode(config, ports, wanted)
    closing.push(() => node.stop())
    return { home, identity, network, chain, node, metrics: () => metrics.metrics(), stop: closeAll }
  } catch (error) {
    await closeAll()
    throw error
  }
}

export function openHomeStore(home: Home): OpenStore {
  return openStore({ path: home.storePath, entryBytesMax })
}

export function openChain(config: Config): TonChain {
  const { endpoint, apiKey, requestsPerSecond } = config.chain
  if (endpoint === '') {
    throw new MeshError(
      'bad-request',
      'no chain endpoint is set; start a local chain with `silkmesh chain` and pass --endpoint http://127.0.0.1:8081/api/v2/jsonRPC',
    )
  }
  return createTonChain({ endpoint, apiKey, requestsPerSecond, clock: systemClock, random: systemRandom })
}

export function startNetwork(config: Config, seed: Uint8Array): Promise<Libp2pNetwork> {
  const { dhtServer, ...network } = config.network
  return startLibp2p({ ...network, seed, dhtMode: dhtServer ? 'server' : 'client' })
}

function assertUsable(config: Config): void {
  const { settler } = config.settlement
  if (settler === '') return
  try {
    parsePeerId(settler)
  } catch (error) {
    throw new MeshError('bad-request', `settlement.settler: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function logOf(config: Config, isJson: boolean): Observe {
  if (isJson) return (event) => printJson(event)
  switch (config.node.logLevel) {
    case 'silent':
      return () => undefined
    case 'json':
      return jsonLog((line) => process.stderr.write(line))
    case 'human':
      return humanLog((line) => process.stderr.write(line))
  }
}

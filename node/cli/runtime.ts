// A node in this process: opens the real ports of a home, starts the node over them, and takes all of it down in order.

import { MeshError } from '../../protocol/errors.ts'
import { parsePeerId } from '../../protocol/ids.ts'
import { parseOwnAddress, parsePeerAddress } from '../adapters/libp2p/addresses.ts'
import { identityFrom } from '../adapters/libp2p/identity.ts'
import { type Libp2pEvent, type Libp2pNetwork, startLibp2p } from '../adapters/libp2p/network.ts'
import { type Libp2pSettings, libp2pDefaults } from '../adapters/libp2p/options.ts'
import { systemClock, systemRandom } from '../adapters/system.ts'
import { fanOut, humanLog, jsonLog, prometheus } from '../adapters/telemetry.ts'
import type { TonChain } from '../adapters/ton/chain.ts'
import type { Config } from '../config.ts'
import { encodeTold, told } from '../ledger/wire.ts'
import { type MeshNode, type Roles, rolesOf, startNode } from '../node.ts'
import type { Engine, Identity, Observe, Store } from '../ports.ts'
import { openChain } from './accounts.ts'
import type { Invocation } from './flags.ts'
import { type Home, openHome, openHomeStore } from './home.ts'
import { openLedgerDoor } from './ledger-door.ts'
import { assertFree } from './ports.ts'
import { forgetRunning, noteRunning, settingsToTell } from './running.ts'
import { hasSecrets } from './secrets.ts'
import { printJson } from './terminal.ts'

export interface Runtime {
  readonly home: Home
  readonly identity: Identity
  readonly network: Libp2pNetwork
  readonly chain: TonChain
  readonly node: MeshNode
  readonly store: Store
  readonly observe: Observe
  /** Prometheus text. */
  metrics(): Promise<string>
  /** Fires when the command is to end: it was told to, or its store failed. */
  readonly until: AbortSignal
  /** Drains the node, then closes what it stood on. Throws where its store failed. */
  stop(): Promise<void>
}

export interface RuntimeParts {
  readonly invocation: Invocation
  /** Gives up the start. Once that is done, `stop` is what ends the node. */
  readonly signal: AbortSignal
  readonly roles: (parts: {
    readonly home: Home
    readonly identity: Identity
    readonly chain: TonChain
  }) => Promise<Roles>
  readonly engine?: ((signal: AbortSignal) => Promise<Engine & { stop(): Promise<void> }>) | undefined
  /** Hears what the node says, beside metrics and log. */
  readonly observe?: Observe | undefined
}

/** What is quick to check comes first: nobody waits for a model to load to be told that a flag is wrong. */
export async function startRuntime({
  invocation,
  signal,
  roles,
  engine: startEngine,
  observe: listener,
}: RuntimeParts): Promise<Runtime> {
  const { config, home: path, isJson, terminal } = invocation
  assertUsable(config)
  const metrics = prometheus()
  const observe = fanOut(metrics.observe, logOf(config, isJson), ...(listener ? [listener] : []))
  const chain = openChain(config, observe)
  const isNew = !hasSecrets(path)
  if (isNew) await assertListenable(config) // or a home would be left behind in which nothing ever ran
  const home = await openHome(path, invocation.passphrase)
  const identity = identityFrom(home.identitySeed)
  const closing: (() => void | Promise<void>)[] = []
  const closeAll = async (): Promise<void> => {
    for (const close of closing.reverse()) await close()
  }
  const failed = new AbortController()
  try {
    const store = openHomeStore(home)
    closing.push(() => store.close())
    if (!isNew) await assertListenable(config) // after its books: another node of this home has its ports, too
    const starting = startEngine?.(AbortSignal.any([signal, failed.signal]))
    closing.push(() => starting?.then((started) => started.stop()).catch(() => undefined))
    const [wanted, engine] = await Promise.all([roles({ home, identity, chain }), starting])
    const network = await startNetwork(config, home.identitySeed, observe)
    closing.push(() => network.stop())
    terminal.ok('identity', identity.peerId)
    if (!home.isSealed) observe({ type: 'keys-not-sealed', path })
    for (const address of network.addresses()) terminal.ok('listening', address)
    if (config.network.bootstrap.length === 0 && !config.network.mdns) {
      terminal.line('No peer to start from: others find this node by the address above; --bootstrap joins a mesh.')
    }
    const ports = {
      clock: systemClock,
      random: systemRandom,
      identity,
      network,
      engine,
      store,
      chain,
      observe,
    }
    const node = await startNode(config, ports, wanted)
    closing.push(() => node.stop())
    closing.push(
      await openLedgerDoor(path, async ({ isCheck }) => {
        if (isCheck) await node.ledger.check(chain)
        return encodeTold(told(node.ledger))
      }),
    )
    if (signal.aborted) throw signal.reason
    noteRunning(path, {
      addresses: network.addresses(),
      roles: rolesOf(wanted),
      settings: settingsToTell(invocation),
    })
    closing.push(() => forgetRunning(path))
    const until = AbortSignal.any([signal, node.failed])
    const stop = async (): Promise<void> => {
      await closeAll()
      node.failed.throwIfAborted()
    }
    return { home, identity, network, chain, node, store, observe, metrics: () => metrics.metrics(), until, stop }
  } catch (error) {
    failed.abort()
    terminal.progress('')
    await closeAll()
    throw error
  }
}

/** Who joins by an address that does not answer would otherwise look like one whom nobody wants. */
export function startNetwork(config: Config, seed: Uint8Array, observe?: Observe): Promise<Libp2pNetwork> {
  const { dhtServer, ...network } = config.network
  const onEvent = (event: Libp2pEvent): void => {
    if (event.type !== 'bootstrap-failed') return
    const message = `${event.message}; tried again in ${Math.ceil(event.retryInMs / 1_000)} s`
    observe?.({ type: 'fault', where: 'bootstrap', code: 'unreachable', message })
  }
  const streams = streamsOf(config)
  return startLibp2p({ ...network, ...streams, seed, dhtMode: dhtServer ? 'server' : 'client', onEvent })
}

/** One payer may open a few more streams than its requests that are admitted: who asks for too much is told so. */
function streamsOf({ consumer, provider }: Config): Pick<Libp2pSettings, 'inboundStreamsMax' | 'muxedStreamsMax'> {
  const { inboundStreamsMax, muxedStreamsMax } = libp2pDefaults
  const inbound = Math.max(inboundStreamsMax, provider.peerRequestsMax + refusedStreams)
  return {
    inboundStreamsMax: inbound,
    muxedStreamsMax: Math.max(muxedStreamsMax + inbound - inboundStreamsMax, consumer.concurrentMax),
  }
}

const refusedStreams = 4

function assertUsable({ consumer: { hub }, network, settlement: { settler } }: Config): void {
  for (const text of network.listen) parseOwnAddress('listen', text)
  for (const text of network.announce) parseOwnAddress('announce', text)
  for (const text of network.bootstrap) parsePeerAddress('bootstrap address', text)
  if (settler !== 'market') assertPeer('settlement.settler', settler, ', or market')
  assertPeer('consumer.hub', hub)
}

async function assertListenable({ network }: Config): Promise<void> {
  for (const address of network.listen) {
    const [, host, port] = /^\/ip[46]\/([^/]+)\/tcp\/(\d+)/.exec(address) ?? []
    if (host !== undefined) await assertFree(host, Number(port), '--listen')
  }
}

function assertPeer(setting: string, peer: string, otherwise = ''): void {
  if (peer === '') return
  try {
    parsePeerId(peer)
  } catch (error) {
    const expected = error instanceof Error ? error.message : String(error)
    throw new MeshError('bad-request', `${setting}: ${expected}${otherwise}`)
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

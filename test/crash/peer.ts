// One peer of a crash run: the node as it is, over its real adapters – SQLite on a file, libp2p on loopback, a chain behind HTTP.

import { join } from 'node:path'
import { identityFrom } from '../../node/adapters/libp2p/identity.ts'
import { startLibp2p } from '../../node/adapters/libp2p/network.ts'
import { openStore } from '../../node/adapters/sqlite.ts'
import { systemClock, systemRandom } from '../../node/adapters/system.ts'
import { createTonChain } from '../../node/adapters/ton/chain.ts'
import { type Config, configOf } from '../../node/config.ts'
import type { NodeEvent } from '../../node/events.ts'
import { type MeshNode, type Roles, startNode } from '../../node/node.ts'
import type { Delta, Engine, Finish, Generation, Network, Ports } from '../../node/ports.ts'
import { type Address, declaredModelKeyOf, type PeerId } from '../../protocol/ids.ts'
import type { Role } from './points.ts'

/** All that is needed to start it again: plain, so that it crosses a pipe. */
export interface PeerSpec {
  readonly role: Role
  readonly home: string
  /** 64 hex digits. */
  readonly seed: string
  readonly port: number
  readonly endpoint: string
  readonly globalId: number
  /** The other peers, which never move. */
  readonly others: readonly { readonly peer: PeerId; readonly role: Role; readonly address: string }[]
  readonly escrow?: Address
  readonly payout?: Address
  /** Whether vouchers go through a settler or a hub of the others. */
  readonly isThrough?: 'settler' | 'hub'
  /** Settles nothing by itself. */
  readonly isQuiet?: boolean
}

export interface RunningPeer {
  readonly node: MeshNode
  stop(): Promise<void>
}

export const model = 'instant'
export const promptTokens = 16
export const creditTokens = 64
/** One token is worth settling by itself: nothing stays below the least that the chain settles. */
export const tokenNano = 10_000_000n
export const promptTokenNano = 1_000_000n
const perMillion = 1_000_000n

export async function startPeer(
  spec: PeerSpec,
  observe: (event: NodeEvent) => void,
  through: (ports: Ports) => Ports,
): Promise<RunningPeer> {
  const seed = Uint8Array.from(Buffer.from(spec.seed, 'hex'))
  const store = openStore({ path: storePath(spec.home), entryBytesMax: 65_536 })
  const network = await startLibp2p({
    seed,
    listen: [`/ip4/127.0.0.1/tcp/${spec.port}`],
    bootstrap: [],
    dhtMode: 'client',
    allowPrivateAddresses: true,
    pingIntervalMs: 600_000,
  })
  for (const { peer, address } of spec.others) network.learn(peer, [address])
  const chain = createTonChain({
    endpoint: spec.endpoint,
    requestsPerSecond: 1_000,
    clock: systemClock,
    random: systemRandom,
  })
  const ports: Ports = {
    clock: systemClock,
    random: systemRandom,
    identity: identityFrom(seed),
    network: known(network, spec),
    engine: spec.role === 'provider' ? instantEngine : undefined,
    store,
    chain,
    observe,
  }
  const node = await startNode(configFor(spec), through(ports), rolesOf(spec))
  return {
    node,
    stop: async () => {
      await node.stop()
      await network.stop()
      await store.close()
    },
  }
}

export function storePath(home: string): string {
  return join(home, 'books.sqlite')
}

/** Who serves is known beforehand: the DHT is not what crashes here. */
function known(network: Network, { others }: PeerSpec): Network {
  return {
    ...bound(network),
    provide: async () => undefined,
    async *findProviders() {
      for (const { peer, role } of others) if (role === 'provider') yield peer
    },
  }
}

function bound(network: Network): Network {
  return {
    addresses: () => network.addresses(),
    connections: () => network.connections(),
    learn: (peer, addresses) => network.learn(peer, addresses),
    open: (peer, protocol, signal) => network.open(peer, protocol, signal),
    handle: (protocol, handler) => network.handle(protocol, handler),
    publish: (topic, message) => network.publish(topic, message),
    subscribe: (topic, validate) => network.subscribe(topic, validate),
    provide: (key, signal) => network.provide(key, signal),
    findProviders: (key, signal) => network.findProviders(key, signal),
  }
}

function rolesOf({ escrow, globalId, payout, role }: PeerSpec): Roles {
  switch (role) {
    case 'consumer':
      return { consumer: { escrow: given(escrow) } }
    case 'provider':
      return { provider: { payout: given(payout) } }
    case 'settler':
      return { settler: { payout: given(payout), globalId } }
    case 'hub':
      return { hub: { escrow: given(escrow), payout: given(payout) } }
  }
}

function given(address: Address | undefined): Address {
  if (address === undefined) throw new TypeError('this role needs an account')
  return address
}

/** At a pace for many restarts; nothing here loosens a bound that is checked. */
function configFor({ isQuiet, isThrough, others, role }: PeerSpec): Config {
  const through = (wanted: Role): string => others.find((other) => other.role === wanted)?.peer ?? ''
  const incrementNanoMax = 3n * BigInt(creditTokens) * tokenNano
  return configOf({
    discovery: { lookupIntervalMs: 2_000, lookupEmptyMs: 100, advertIntervalMs: 2_000, advertGapMs: 250 },
    consumer: {
      priceNanoMax: 10n * tokenNano * perMillion,
      requestNanoMax: 1_000n * tokenNano,
      cooldownMs: 0,
      hub: isThrough === 'hub' && role === 'consumer' ? through('hub') : '',
      hubIncrementNanoMax: incrementNanoMax,
    },
    hub: { incrementNanoMax },
    ledger: { checkMs: 1_000 },
    provider: {
      creditTokens,
      promptPriceNano: promptTokenNano * perMillion,
      cachedPriceNano: promptTokenNano * perMillion,
      completionPriceNano: tokenNano * perMillion,
    },
    settlement: {
      thresholdNano: isQuiet ? 10n ** 18n : 1n,
      intervalMs: 100,
      watchMs: 200,
      confirmPollMs: 50,
      confirmMs: 2_000,
      retryMsMax: 1_000,
      // what a settler took it has to settle: nobody does it in its place
      settlerTrustMs: 3_600_000,
      settler: isThrough === 'settler' && role === 'provider' ? through('settler') : '',
    },
  })
}

/** As many tokens as the last message says, at once. */
const instantEngine: Engine = {
  models: [
    {
      key: declaredModelKeyOf(model),
      name: model,
      contextTokens: 65_536,
      prefillTokensPerSecond: 1_000_000,
      decodeTokensPerSecond: 1_000_000,
      features: ['chat'],
    },
  ],
  slots: 16,
  prepare: async (generation) => ({ generation, promptTokens, cachedTokens: 0, tokenIds: [] }),
  async *generate({ generation }): AsyncGenerator<Delta, Finish, undefined> {
    const tokens = wishOf(generation)
    for (let at = 0; at < tokens; at += 1) yield { text: ' word', tokens: 1, tokenIds: [at] }
    return 'stop'
  },
}

function wishOf({ messages }: Generation): number {
  return Number(messages.at(-1)?.content ?? '1')
}

/** What it said, or how it ended. */
export async function ask({ inference }: MeshNode, tokens: number): Promise<string> {
  if (!inference) throw new TypeError('not a consumer')
  try {
    const request = { model, messages: [{ role: 'user' as const, content: String(tokens) }], sampling: {} }
    const events = inference.infer(request, new AbortController().signal)
    for (;;) {
      const next = await events.next()
      if (next.done) return next.value.finish
    }
  } catch (error) {
    return String(error)
  }
}

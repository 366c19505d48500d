// A mesh in one process over the real adapters – libp2p on loopback, SQLite on disk, a TVM behind HTTP – for the tests here.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Localnet, startLocalnet } from '../../contracts/localnet/localnet.ts'
import { identityFrom } from '../../node/adapters/libp2p/identity.ts'
import { type Libp2pNetwork, startLibp2p } from '../../node/adapters/libp2p/network.ts'
import { type LlamaEngine, startLlamaEngine } from '../../node/adapters/llama/engine.ts'
import { openStore } from '../../node/adapters/sqlite.ts'
import { systemClock, systemRandom } from '../../node/adapters/system.ts'
import { createTonChain, type TonChain } from '../../node/adapters/ton/chain.ts'
import { Wallet } from '../../node/adapters/wallet.ts'
import { type Config, configOf, type Overrides } from '../../node/config.ts'
import type { NodeEvent } from '../../node/events.ts'
import type { Inference, InferenceRequest, InferenceResult } from '../../node/inference.ts'
import { type MeshNode, type Roles, startNode } from '../../node/node.ts'
import type { Engine, Identity } from '../../node/ports.ts'
import { type Address, addressOf } from '../../protocol/ids.ts'

/**
 * One token is worth settling by itself: otherwise the last tokens of an answer could stay below the least that the chain
 * settles, and the sums here would depend on when a settlement happened.
 */
export const prices = { promptPriceNano: 200_000_000_000n, completionPriceNano: 10_000_000_000_000n }

export interface Peer {
  readonly node: MeshNode
  readonly identity: Identity
  readonly network: Libp2pNetwork
  readonly events: NodeEvent[]
  readonly home: string
  /** The first event that matches, past ones included. */
  until<T extends NodeEvent['type']>(
    type: T,
    matches?: (event: Extract<NodeEvent, { type: T }>) => boolean,
  ): Promise<Extract<NodeEvent, { type: T }>>
  /** Leaves the mesh in order. */
  stop(): Promise<void>
}

export interface PeerOptions {
  readonly roles: Roles
  readonly engine?: Engine
  readonly bootstrap?: readonly Peer[]
  readonly config?: Overrides
  /** Default: a fresh one. */
  readonly seed?: Uint8Array
  /** Default: a fresh one; a given one keeps its books. */
  readonly home?: string
}

export class TestMesh implements AsyncDisposable {
  localnet: Localnet
  readonly chain: TonChain
  readonly dir: string
  readonly #closing: (() => Promise<void>)[] = []

  private constructor(localnet: Localnet, dir: string) {
    this.localnet = localnet
    this.dir = dir
    this.chain = this.#openChain()
  }

  static async start(): Promise<TestMesh> {
    const dir = mkdtempSync(join(tmpdir(), 'silkmesh-test-'))
    return new TestMesh(await startLocalnet({ port: 0, blockMs: 0, dir: join(dir, 'chain') }), dir)
  }

  /** The chain goes away; the function brings it back where it was. */
  async stopChain(): Promise<() => Promise<void>> {
    const { port } = new URL(this.localnet.url)
    await this.localnet.close()
    return async () => {
      this.localnet = await startLocalnet({ port: Number(port), blockMs: 0, dir: join(this.dir, 'chain') })
    }
  }

  async engine(): Promise<LlamaEngine> {
    const engine = await startLlamaEngine({ model: 'builtin', threads: 1, modelsDir: this.dir, gpu: false })
    this.#closing.push(() => engine.stop())
    return engine
  }

  async peer({ bootstrap = [], config = {}, engine, roles, seed = randomBytes(32), home }: PeerOptions): Promise<Peer> {
    const path = home ?? mkdtempSync(join(this.dir, 'peer-'))
    const store = openStore({ path: join(path, 'books.sqlite'), entryBytesMax: 65_536 })
    const network = await startLibp2p({
      seed,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      bootstrap: bootstrap.flatMap((peer) => peer.network.addresses()),
      dhtMode: 'server',
      allowPrivateAddresses: true,
    })
    const identity = identityFrom(seed)
    const events: NodeEvent[] = []
    const waiting = new Set<() => void>()
    const node = await startNode(
      quick(config),
      {
        clock: systemClock,
        random: systemRandom,
        identity,
        network,
        engine,
        store,
        chain: this.#openChain(),
        observe: (event) => {
          events.push(event)
          for (const look of [...waiting]) look()
        },
      },
      roles,
    )
    let stopping: Promise<void> | undefined
    const stop = (): Promise<void> => {
      stopping ??= node
        .stop()
        .then(() => network.stop())
        .then(() => store.close())
      return stopping
    }
    this.#closing.push(stop)
    const until: Peer['until'] = (type, matches = () => true) =>
      new Promise((resolve, reject) => {
        let at = 0
        const timer = setTimeout(() => {
          reject(
            new Error(
              `no ${type} within 30 s; the last events: ${events
                .slice(-8)
                .map((event) => event.type)
                .join(', ')}`,
            ),
          )
        }, 30_000)
        const look = (): void => {
          for (; at < events.length; at += 1) {
            const event = events[at] as Parameters<typeof matches>[0]
            if (event.type !== type || !matches(event)) continue
            clearTimeout(timer)
            waiting.delete(look)
            resolve(event)
            return
          }
        }
        waiting.add(look)
        look()
      })
    return { node, identity, network, events, home: path, until, stop }
  }

  /** An escrow that pays vouchers of `identity`, holding `gram`. */
  async escrow(identity: Identity, nano = 20_000_000_000n): Promise<Address> {
    const wallet = new Wallet({ seed: randomBytes(32), chain: this.chain, globalId: 31_337, clock: systemClock })
    await this.fund(wallet.address, nano + 1_000_000_000n)
    const sent = await wallet.deployAndDeposit({ signer: identity.publicKey, unlockDelaySec: 86_400 }, nano)
    return sent.escrow
  }

  async fund(address: Address, nano: bigint): Promise<void> {
    const response = await fetch(this.localnet.faucetUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ address, amountNano: nano.toString() }),
    })
    if (!response.ok) throw new Error(await response.text())
  }

  /** Over plain HTTP with none of our code: what the escrow says it has paid a payee. */
  async settledOnChain(escrow: Address, payee: Address): Promise<bigint> {
    const response = await fetch(`${this.localnet.url}/api/v2/runGetMethod`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ address: escrow, method: 'payeeState', stack: [['num', `0x${payee.slice(2)}`]] }),
    })
    const { result } = (await response.json()) as { result: { stack: [string, string][] } }
    return BigInt(result.stack[0]?.[1] ?? '')
  }

  async balanceOnChain(address: Address): Promise<bigint> {
    const response = await fetch(`${this.localnet.url}/api/v2/getAddressBalance?address=${address}`)
    const { result } = (await response.json()) as { result: string }
    return BigInt(result)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closing.reverse()) await close()
    await this.localnet.close()
    rmSync(this.dir, { recursive: true, force: true })
  }

  #openChain(): TonChain {
    const { endpoint } = this.localnet
    return createTonChain({ endpoint, requestsPerSecond: 1_000, clock: systemClock, random: systemRandom })
  }
}

export function freshPayout(): Address {
  return addressOf(randomBytes(32))
}

/** Everything a request yields, and its result. */
export async function collect(
  inference: Inference | undefined,
  request: InferenceRequest,
  onDelta?: (tokens: number) => void,
) {
  if (!inference) throw new TypeError('not a consumer')
  const events = inference.infer(request, new AbortController().signal)
  let text = ''
  const tokenIds: number[] = []
  for (;;) {
    const next = await events.next()
    if (next.done) return { text, tokenIds, result: next.value satisfies InferenceResult }
    if (next.value.type !== 'delta') continue
    text += next.value.text
    tokenIds.push(...next.value.tokenIds)
    onDelta?.(tokenIds.length)
  }
}

/** The same node at a pace for tests: nothing here loosens a bound that a test is about. */
function quick(config: Overrides): Config {
  const base: Overrides = {
    discovery: { lookupIntervalMs: 1_000, advertIntervalMs: 1_000, advertGapMs: 300 },
    settlement: { thresholdNano: 1n, intervalMs: 200, confirmPollMs: 50 },
    provider: { ...prices, cachedPriceNano: prices.promptPriceNano },
    consumer: { priceNanoMax: 10n * prices.completionPriceNano, requestNanoMax: 10_000_000_000n },
  }
  return configOf(base, config)
}

/**
 * A local TON chain for development and tests: toncenter's API over HTTP, the real TVM, mainnet's fees of 2026, state on disk.
 *
 * What mainnet has and this chain has not: consensus and serialised blocks (hashes only name them), more than one shard,
 * public libraries, TVM versions after 12, limits on a block's gas, state of past blocks.
 */
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import { mainnet2026Config, withGlobalId } from '../fees.ts'
import { Chain, localGlobalId } from './chain.ts'
import { LocalnetError } from './errors.ts'
import { Faucet, faucetNanoMax } from './faucet.ts'
import { type Faults, FaultyDoor } from './faults.ts'
import { localnetHttp, loopbackHosts } from './http.ts'
import { Store } from './store.ts'
import { Tvm } from './tvm.ts'

export interface LocalnetOptions {
  /** Where the state is kept; without it the chain ends with the process. One server a directory. */
  readonly dir?: string | undefined
  /** Loopback by default. Beyond it, anybody who reaches the port may use the faucet and the clock. */
  readonly host?: string | undefined
  /** 0 takes a free one. */
  readonly port: number
  /**
   * Milliseconds between blocks, 400 as on mainnet. 0 makes blocks at once: a call that sends a message returns when
   * everything the message caused has happened, which is what most tests want.
   */
  readonly blockMs?: number | undefined
  readonly faucetMaxNano?: bigint | undefined
  /** Transactions kept in the history, 50 000 by default. */
  readonly historyTransactionsMax?: number | undefined
  /** Ends the chain as `close()` does. */
  readonly signal?: AbortSignal | undefined
}

/** One HTTP server of the chain. */
export interface Door {
  readonly url: string
  /** What `TonClient` takes. */
  readonly endpoint: string
  /** Does wrong from now on what is named here; the rest stays as it is. */
  fault(changes: Partial<Faults>): void
}

export interface Localnet extends Door {
  readonly faucetUrl: string
  /** The last block's. */
  readonly seqno: number
  /** Makes one block now, whatever the clock says. */
  mine(): Promise<void>
  /** Moves the chain's clock forward and makes a block there. */
  advance(seconds: number): Promise<void>
  /** The last blocks have not happened: another branch goes on from before them, one block higher. */
  fork(blocks: number): Promise<void>
  /** From the next block on everything costs so many times what it costs on mainnet. */
  setPrices(factor: number): Promise<void>
  /** One more server of the same chain, with faults of its own. It closes with the chain. */
  openDoor(): Promise<Door>
  /** Runs what was accepted, writes the state and frees the port; calling it again waits for the same end. */
  close(): Promise<void>
}

/** Mainnet's interval between basechain blocks since April 2026. */
export const blockMsDefault = 400
const blockMsMax = 60_000
/** Long, because WASM work holds the event loop: a client that reuses a socket closed meanwhile sees ECONNRESET. */
const keepAliveMs = 600_000
/** For a request to arrive in full. */
const requestMs = 30_000
const connectionsMax = 512
/** For answers under way when the chain ends. */
const closeGraceMs = 2_000

/** Throws a `LocalnetError`: a busy port, a directory in use, a state file that cannot be read. */
export async function startLocalnet(options: LocalnetOptions): Promise<Localnet> {
  const { host = '127.0.0.1', port, blockMs = blockMsDefault, signal } = options
  if (!Number.isInteger(blockMs) || blockMs < 0 || blockMs > blockMsMax) {
    throw new RangeError(`blockMs is ${blockMs}, expected an integer from 0 (at once) to ${blockMsMax}`)
  }
  signal?.throwIfAborted()
  const store = Store.open(options.dir, options.historyTransactionsMax)
  try {
    const chain = new Chain(
      await Tvm.create(withGlobalId(mainnet2026Config(), localGlobalId)),
      store,
      blockMs,
      Faucet.genesis,
    )
    const faucet = new Faucet(chain, options.faucetMaxNano ?? faucetNanoMax)
    const hosts = isLoopback(host) ? new Set([...loopbackHosts, host]) : undefined
    const open = async (at: number): Promise<OpenDoor> => {
      const door = new FaultyDoor(chain)
      const server = await listen(getRequestListener(localnetHttp({ chain, faucet, door, hosts }).fetch), host, at)
      const url = urlOf(server, host)
      return { server, url, endpoint: `${url}/api/v2/jsonRPC`, fault: (changes) => door.set(changes) }
    }
    return run(chain, await open(port), open, signal)
  } catch (error) {
    store.close()
    throw error
  }
}

interface OpenDoor extends Door {
  readonly server: Server
}

function run(
  chain: Chain,
  first: OpenDoor,
  open: (port: number) => Promise<OpenDoor>,
  signal: AbortSignal | undefined,
): Localnet {
  const doors = [first]
  const stopping = new AbortController()
  const clock = chain.blockMs === 0 ? Promise.resolve() : blocksOnTheClock(chain, stopping.signal)
  let closing: Promise<void> | undefined

  const close = (): Promise<void> => {
    closing ??= end()
    return closing
  }
  const end = async (): Promise<void> => {
    signal?.removeEventListener('abort', onAbort)
    stopping.abort()
    await clock
    const closed = Promise.all(doors.map(({ server }) => once(server, 'close')))
    for (const { server } of doors) server.close()
    try {
      await chain.close()
    } finally {
      const grace = new AbortController()
      const answered = sleep(closeGraceMs, undefined, { signal: grace.signal }).catch(() => undefined)
      await Promise.race([closed, answered])
      grace.abort()
      for (const { server } of doors) server.closeAllConnections()
      await closed
    }
  }
  // Whoever calls close() too hears of a failure; the signal's sender cannot.
  const onAbort = () => void close().catch(() => undefined)
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted === true) onAbort()

  return {
    url: first.url,
    endpoint: first.endpoint,
    faucetUrl: `${first.url}/faucet`,
    fault: first.fault,
    get seqno() {
      return chain.head.seqno
    },
    mine: () => chain.mine(),
    advance: (seconds) => chain.advance(seconds),
    fork: (blocks) => chain.fork(blocks),
    setPrices: async (factor) => chain.setPrices(factor),
    openDoor: async () => {
      const door = await open(0)
      doors.push(door)
      return door
    },
    close,
  }
}

/** Ends with the signal, or when a block could not be written: `chain.failure` then says why, to every caller that sends. */
async function blocksOnTheClock(chain: Chain, signal: AbortSignal): Promise<void> {
  let nextMs = performance.now() + chain.blockMs
  try {
    for (;;) {
      await sleep(Math.max(0, nextMs - performance.now()), undefined, { signal })
      await chain.tick()
      nextMs = Math.max(nextMs + chain.blockMs, performance.now())
    }
  } catch (error) {
    if (!signal.aborted && chain.failure === undefined) throw error
  }
}

async function listen(answer: RequestListener, host: string, port: number): Promise<Server> {
  const server = createServer({ keepAliveTimeout: keepAliveMs, requestTimeout: requestMs }, answer)
  server.maxConnections = connectionsMax
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      throw new LocalnetError(
        'busy-port',
        `port ${port} on ${host} is in use: stop what listens there, or choose another port (0 takes a free one)`,
        error,
      )
    }
    throw error
  }
  return server
}

function urlOf(server: Server, host: string): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('the server listens on no port')
  return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

// The chain's endpoint: one or several servers with toncenter's v2 API behind an unmodified TonClient. Exchanges are paced,
// bounded, retried, moved to another server, and can be abandoned; a state older than one seen already is not believed.

import { Cell } from '@ton/core'
import { TonClient } from '@ton/ton'
import { MeshError } from '../../../protocol/errors.ts'
import type { Clock, Observe, Random } from '../../ports.ts'
import { cancelled } from '../../waits.ts'
import { Freshness } from './freshness.ts'
import { chainName } from './networks.ts'
import { brief, isRecord, NotAccepted, NotFound, TonServer, type Trouble, trouble } from './server.ts'

export { NotAccepted, NotFound } from './server.ts'

export interface TonEndpointOptions {
  /** Such as `http://127.0.0.1:8081/api/v2/jsonRPC`. */
  readonly endpoint: string
  /** For that one only: keys of others are in their own URLs, as `?api_key=…`. */
  readonly apiKey?: string | undefined
  /** Asked while that one fails, refuses or is behind, in this order. */
  readonly others?: readonly string[] | undefined
  /** A server of another chain is never believed. Without it, all servers must be of the chain that the first to answer is of. */
  readonly globalId?: number | undefined
  /** Of each server; 0 takes toncenter's limits: 1 without a key, 10 with a free one. */
  readonly requestsPerSecond: number
  readonly clock: Clock
  readonly random: Random
  readonly timeouts?: Partial<TonTimeouts> | undefined
  readonly observe?: Observe | undefined
}

export interface TonTimeouts {
  /** One HTTP exchange. */
  readonly requestMs: number
  /** One call with everything it takes: waiting for its turn, exchanges, pauses between tries. */
  readonly callMs: number
}

export const tonTimeouts: TonTimeouts = { requestMs: 10_000, callMs: 30_000 }

/** Times every server is tried for one exchange; with pauses of up to 0.5, 1, 2 and 4 s they reach over a restart. */
const roundsMax = 5
const pauseMsMin = 500
const pauseMsMax = 8_000

/** Calls that wait for their turn at a server. */
const waitingMax = 1_000

/** Servers are asked for their last block so often, to see which of them lag; only where there are several. */
const compareMs = 30_000
const compareRequestMs = 3_000

type HttpAdapter = NonNullable<ConstructorParameters<typeof TonClient>[0]['httpAdapter']>

interface Asking {
  readonly what: string
  readonly body: string
  readonly deadlineMs: number
  readonly signal: AbortSignal | undefined
}

export class TonEndpoint {
  readonly url: string
  /** For messages: the URL without what may be a key in its query. */
  readonly name: string
  readonly #options: TonEndpointOptions
  readonly #timeouts: TonTimeouts
  readonly #servers: readonly TonServer[]
  readonly #freshness = new Freshness()
  #globalId: number | undefined
  #comparedAtMs: number | undefined
  #waiting = 0

  /** Throws `MeshError` `bad-request` for what is not an HTTP URL. */
  constructor(options: TonEndpointOptions) {
    const { endpoint, apiKey = '', others = [], requestsPerSecond } = options
    const first = new TonServer(endpoint, apiKey, requestsPerSecond)
    this.#servers = [first, ...others.map((other) => new TonServer(other, '', requestsPerSecond))]
    this.url = first.url
    this.name = first.name
    this.#options = options
    this.#globalId = options.globalId
    this.#timeouts = { ...tonTimeouts, ...options.timeouts }
  }

  /**
   * Runs one call. `work` may catch `NotAccepted` and `NotFound`, which are answers. Throws `MeshError`: what `work` throws
   * as one, `cancelled` after the signal, `bad-request` where every server is of another chain, otherwise
   * `chain-unavailable` naming the servers and the cause.
   */
  async call<T>(what: string, work: (client: TonClient) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const deadlineMs = this.#options.clock.now() + this.#timeouts.callMs
    const httpAdapter: HttpAdapter = async (config) => {
      const data = await this.#exchange({ what, body: String(config.data), deadlineMs, signal })
      return { data, status: 200, statusText: 'OK', headers: {}, config }
    }
    try {
      return await work(new TonClient({ endpoint: this.url, httpAdapter }))
    } catch (error) {
      throw this.#failure(what, error)
    }
  }

  /** A configuration parameter of the chain; the one method of the API that `TonClient` has no call for. */
  async configParam(id: number, signal?: AbortSignal): Promise<Cell> {
    const what = `getConfigParam ${id}`
    const deadlineMs = this.#options.clock.now() + this.#timeouts.callMs
    const body = requestOf('getConfigParam', { config_id: id })
    try {
      return Cell.fromBase64(bytesOfConfig(await this.#exchange({ what, body, deadlineMs, signal })))
    } catch (error) {
      throw this.#failure(what, error)
    }
  }

  /** One exchange with whichever server answers it; all of them again, later, where that may help. */
  async #exchange(asking: Asking): Promise<unknown> {
    const { clock, random } = this.#options
    if (this.#servers.length > 1) await this.#compare(asking.signal)
    const causes = new Map<TonServer, string>()
    const hopeless = new Set<TonServer>()
    for (let round = 1; ; round += 1) {
      let retryAfterMs = Number.POSITIVE_INFINITY
      for (const server of this.#inOrder(hopeless)) {
        const outcome = await this.#ask(server, asking).catch((error: unknown) => {
          if (error instanceof NotAccepted && causes.size > 0) throw new NotAccepted(error.message, true)
          throw error
        })
        if (outcome.kind === 'reply') return outcome.reply
        causes.set(server, outcome.cause)
        if (outcome.canRetry) retryAfterMs = Math.min(retryAfterMs, outcome.retryAfterMs ?? 0)
        else hopeless.add(server)
      }
      const backoffMs = Math.min(pauseMsMax, pauseMsMin * 2 ** (round - 1)) * (0.5 + random.next() / 2)
      const pauseMs = Math.max(backoffMs, Math.min(retryAfterMs, pauseMsMax))
      const isOver = round === roundsMax || clock.now() + pauseMs >= asking.deadlineMs
      if (isOver || hopeless.size === this.#servers.length) throw this.#unanswered(asking.what, causes, round)
      await this.#sleep(pauseMs, asking.signal)
    }
  }

  /** As configured; those that failed of late come last. */
  #inOrder(hopeless: ReadonlySet<TonServer>): readonly TonServer[] {
    const nowMs = this.#options.clock.now()
    const rank = (server: TonServer): number => Number(server.isResting(nowMs))
    return this.#servers.filter((server) => !hopeless.has(server)).toSorted((a, b) => rank(a) - rank(b))
  }

  async #ask(
    server: TonServer,
    asking: Asking,
  ): Promise<{ readonly kind: 'reply'; readonly reply: unknown } | Trouble> {
    const stranger = await this.#admit(server, asking)
    if (stranger) return stranger
    const seen = this.#freshness.seen(asking.body)
    const outcome = await this.#post(server, asking)
    if (outcome.kind === 'trouble') return outcome
    const stale = this.#freshness.staleness(outcome.reply, seen)
    if (stale === undefined) {
      this.#recovered(server)
      return outcome
    }
    if (stale.isLagging) this.#failed(server, 'behind', stale.cause)
    return trouble(stale.cause, true)
  }

  /** A server of another chain would show other escrows at the same addresses. Asked once. */
  async #admit(server: TonServer, { deadlineMs, signal }: Asking): Promise<Trouble | undefined> {
    if (server.wrongChain !== undefined) return trouble(server.wrongChain, false)
    if (server.isKnown || (this.#options.globalId === undefined && this.#servers.length === 1)) return undefined
    const body = requestOf('getConfigParam', { config_id: 19 }) // _ global_id:int32 = ConfigParam 19;
    let globalId: number
    try {
      const outcome = await this.#post(server, { what: 'getConfigParam 19', body, deadlineMs, signal })
      if (outcome.kind === 'trouble') return outcome
      globalId = Cell.fromBase64(bytesOfConfig(outcome.reply)).beginParse().loadInt(32)
    } catch (error) {
      if (error instanceof MeshError) throw error
      return trouble(`a reply to getConfigParam 19 that cannot be read (${brief(error)})`, false)
    }
    this.#globalId ??= globalId
    if (globalId === this.#globalId) {
      server.isKnown = true
      return undefined
    }
    server.wrongChain = `it is of ${chainName(globalId)}, expected ${chainName(this.#globalId)}`
    this.#say(server, 'wrong-chain', server.wrongChain)
    return trouble(server.wrongChain, false)
  }

  /** One exchange in its turn, its outcome noted. */
  async #post(server: TonServer, { what, body, deadlineMs, signal }: Asking) {
    const late = await this.#turn(server, what, deadlineMs, signal)
    if (late) return late
    const { clock } = this.#options
    const requestMs = Math.max(1, Math.min(this.#timeouts.requestMs, deadlineMs - clock.now()))
    const outcome = await server.post(body, clock.now(), requestMs, signal)
    if (outcome.kind === 'trouble') this.#failed(server, 'failing', outcome.cause)
    return outcome
  }

  /** Exchanges begin at least a rate's step apart, in the order they were asked for. */
  async #turn(
    server: TonServer,
    what: string,
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Trouble | undefined> {
    if (signal?.aborted) throw cancelled(signal)
    const nowMs = this.#options.clock.now()
    const startMs = server.turnMs(nowMs)
    if (startMs >= deadlineMs || this.#waiting >= waitingMax) {
      return trouble(
        `was not asked ${what}: ${this.#waiting} calls wait for ${server.requestsPerSecond} a second`,
        false,
      )
    }
    server.takeTurn(startMs)
    if (startMs === nowMs) return undefined
    this.#waiting += 1
    try {
      await this.#sleep(startMs - nowMs, signal)
    } finally {
      this.#waiting -= 1
    }
    return undefined
  }

  /** Which server lags shows only beside the others. One that does not answer is left for the next time. */
  async #compare(signal: AbortSignal | undefined): Promise<void> {
    const nowMs = this.#options.clock.now()
    if (this.#comparedAtMs !== undefined && nowMs - this.#comparedAtMs < compareMs) return
    this.#comparedAtMs = nowMs
    const what = 'getMasterchainInfo'
    const asking: Asking = { what, body: requestOf(what, {}), deadlineMs: nowMs + compareRequestMs, signal }
    const fit = this.#servers.filter((server) => server.wrongChain === undefined && !server.isResting(nowMs))
    const ask = async (server: TonServer) => {
      if (await this.#admit(server, asking)) return undefined
      const outcome = await this.#post(server, asking)
      return outcome.kind === 'reply' ? { server, reply: outcome.reply } : undefined
    }
    const shown = (await Promise.all(fit.map(ask))).flatMap((answer) => answer ?? [])
    // the newest first is learnt from any of them, and then asked of each
    for (const { reply } of shown) this.#freshness.staleness(reply, this.#freshness.seen(asking.body))
    for (const { server, reply } of shown) {
      const stale = this.#freshness.staleness(reply, this.#freshness.seen(asking.body))
      if (stale) this.#failed(server, 'behind', stale.cause)
    }
  }

  #failed(server: TonServer, state: 'failing' | 'behind', cause: string): void {
    const isNews = !server.isFailing
    server.failed(this.#options.clock.now())
    if (isNews) this.#say(server, state, cause)
  }

  #recovered(server: TonServer): void {
    if (!server.isFailing) return
    server.recovered()
    this.#say(server, 'ok', 'it answers')
  }

  #say(server: TonServer, state: 'ok' | 'failing' | 'behind' | 'wrong-chain', detail: string): void {
    this.#options.observe?.({ type: 'chain-endpoint', endpoint: server.name, state, detail })
  }

  async #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#options.clock.sleep(Math.ceil(ms), signal)
    } catch (error) {
      throw signal?.aborted ? cancelled(signal) : error
    }
  }

  #unanswered(what: string, causes: ReadonlyMap<TonServer, string>, rounds: number): MeshError {
    const [first] = this.#servers
    if (first !== undefined && this.#servers.every(({ wrongChain }) => wrongChain !== undefined)) {
      return new MeshError(
        'bad-request',
        `chain endpoint ${first.name}: ${first.wrongChain}; choose an endpoint of that chain, or its own with --network`,
      )
    }
    const times = rounds > 1 ? ` in ${rounds} tries` : ''
    if (causes.size === 1) {
      const [[server, cause] = [first, 'not asked']] = causes
      const isUnasked = cause.startsWith('was not asked')
      return this.#unavailable(server, isUnasked ? cause : `did not answer ${what} (${cause})${times}`)
    }
    const each = [...causes].map(([{ name }, cause]) => `${name} (${cause})`).join(', ')
    return new MeshError('chain-unavailable', `no chain endpoint answered ${what}${times}: ${each}`)
  }

  #failure(what: string, error: unknown): MeshError {
    if (error instanceof MeshError) return error
    const isAnswer = error instanceof NotAccepted || error instanceof NotFound
    const problem = isAnswer ? `refused ${what}` : `gave a reply to ${what} that cannot be read`
    return this.#unavailable(this.#servers[0], `${problem} (${brief(error)})`, error)
  }

  #unavailable(server: TonServer | undefined, problem: string, cause?: unknown): MeshError {
    return new MeshError('chain-unavailable', `chain endpoint ${server?.name ?? this.name} ${problem}`, { cause })
  }
}

function requestOf(method: string, params: Record<string, unknown>): string {
  return JSON.stringify({ id: '1', jsonrpc: '2.0', method, params })
}

function bytesOfConfig(reply: unknown): string {
  const result = isRecord(reply) ? reply['result'] : undefined
  const config = isRecord(result) ? result['config'] : undefined
  const bytes = isRecord(config) ? config['bytes'] : undefined
  if (typeof bytes !== 'string') throw new TypeError('no cell in it')
  return bytes
}

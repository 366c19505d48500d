// One toncenter v2 API: an unmodified TonClient whose HTTP exchanges are paced, bounded, retried and can be abandoned.

import { Cell } from '@ton/core'
import { TonClient } from '@ton/ton'
import { MeshError } from '../../../protocol/errors.ts'
import type { Clock, Random } from '../../ports.ts'
import { cancelled } from '../../waits.ts'

export interface TonEndpointOptions {
  /** Such as `http://127.0.0.1:8081/api/v2/jsonRPC`. */
  readonly endpoint: string
  readonly apiKey?: string | undefined
  /** toncenter allows 1 without a key and 10 with a free one. */
  readonly requestsPerSecond: number
  readonly clock: Clock
  readonly random: Random
  readonly timeouts?: Partial<TonTimeouts> | undefined
}

export interface TonTimeouts {
  /** One HTTP exchange. */
  readonly requestMs: number
  /** One call with everything it takes: waiting for its turn, exchanges, pauses between tries. */
  readonly callMs: number
}

export const tonTimeouts: TonTimeouts = { requestMs: 10_000, callMs: 30_000 }

/** Tries of one exchange; with pauses of up to 0.5, 1, 2 and 4 seconds they reach over a restart of the endpoint. */
const triesMax = 5
const pauseMsMin = 500
const pauseMsMax = 8_000

/** Calls that wait for their turn at the endpoint. */
const waitingMax = 1_000

/** Twenty of our transactions are some 60 kB; one hundred of the largest the chain allows would be 6.5 MB. */
const replyBytesMax = 8_388_608

/** What of an endpoint's own words goes into an error. */
const causeCharsMax = 300

/** The endpoint ran an external message and the account did not accept it. Not a failure of the endpoint. */
export class NotAccepted extends Error {
  override readonly name = 'NotAccepted'
  /** Undefined where no code ran: no account there, or nothing on it. */
  readonly exitCode: number | undefined

  constructor(message: string) {
    super(message)
    const match = /exit ?code[=: ]+(-?\d{1,10})/i.exec(message)
    this.exitCode = match ? Number(match[1]) : undefined
  }
}

/** The endpoint looked and does not have it. */
export class NotFound extends Error {
  override readonly name = 'NotFound'
}

type Exchange =
  | { readonly kind: 'reply'; readonly reply: unknown }
  | {
      readonly kind: 'trouble'
      readonly cause: string
      readonly canRetry: boolean
      readonly retryAfterMs?: number | undefined
    }

type HttpAdapter = NonNullable<ConstructorParameters<typeof TonClient>[0]['httpAdapter']>

export class TonEndpoint {
  readonly url: string
  /** For messages: the URL without what may be a key in its query. */
  readonly name: string
  readonly #options: TonEndpointOptions
  readonly #timeouts: TonTimeouts
  /** When the next exchange may begin, in the clock's milliseconds. */
  #freeAtMs = 0
  #waiting = 0

  /** Throws `MeshError` `bad-request` for what is not an HTTP URL. */
  constructor(options: TonEndpointOptions) {
    const url = checkedUrl(options.endpoint)
    this.url = url.href
    this.name = `${url.origin}${url.pathname}`
    this.#options = options
    this.#timeouts = { ...tonTimeouts, ...options.timeouts }
  }

  /**
   * Runs one call. `work` may catch `NotAccepted` and `NotFound`, which are answers. Throws `MeshError`: what `work` throws
   * as one, `cancelled` after the signal, otherwise `chain-unavailable` naming the endpoint and the cause.
   */
  async call<T>(what: string, work: (client: TonClient) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const deadlineMs = this.#options.clock.now() + this.#timeouts.callMs
    const httpAdapter: HttpAdapter = async (config) => {
      const data = await this.#exchange(what, String(config.data), deadlineMs, signal)
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
    const request = { id: '1', jsonrpc: '2.0', method: 'getConfigParam', params: { config_id: id } }
    try {
      return Cell.fromBase64(bytesOfConfig(await this.#exchange(what, JSON.stringify(request), deadlineMs, signal)))
    } catch (error) {
      throw this.#failure(what, error)
    }
  }

  /** One exchange, retried where that may help: on silence, 429 and the API's own failures. */
  async #exchange(what: string, body: string, deadlineMs: number, signal: AbortSignal | undefined): Promise<unknown> {
    const { clock, random } = this.#options
    for (let tries = 1; ; tries += 1) {
      await this.#turn(what, deadlineMs, signal)
      const outcome = await this.#post(body, deadlineMs, signal)
      if (outcome.kind === 'reply') return outcome.reply
      const backoffMs = Math.min(pauseMsMax, pauseMsMin * 2 ** (tries - 1)) * (0.5 + random.next() / 2)
      const pauseMs = Math.max(backoffMs, Math.min(outcome.retryAfterMs ?? 0, pauseMsMax))
      if (!outcome.canRetry || tries === triesMax || clock.now() + pauseMs >= deadlineMs) {
        throw this.#unavailable(`did not answer ${what} (${outcome.cause})${tries > 1 ? ` in ${tries} tries` : ''}`)
      }
      await this.#sleep(pauseMs, signal)
    }
  }

  /** Exchanges begin at least a rate's step apart, in the order they were asked for. */
  async #turn(what: string, deadlineMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw cancelled(signal)
    const { clock, requestsPerSecond } = this.#options
    const nowMs = clock.now()
    const startMs = Math.max(nowMs, this.#freeAtMs)
    if (startMs >= deadlineMs || this.#waiting >= waitingMax) {
      throw this.#unavailable(`was not asked ${what} (${this.#waiting} calls wait for ${requestsPerSecond} a second)`)
    }
    this.#freeAtMs = startMs + 1_000 / requestsPerSecond
    if (startMs === nowMs) return
    this.#waiting += 1
    try {
      await this.#sleep(startMs - nowMs, signal)
    } finally {
      this.#waiting -= 1
    }
  }

  async #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#options.clock.sleep(Math.ceil(ms), signal)
    } catch (error) {
      throw signal?.aborted ? cancelled(signal) : error
    }
  }

  async #post(body: string, deadlineMs: number, signal: AbortSignal | undefined): Promise<Exchange> {
    const { clock, apiKey } = this.#options
    const requestMs = Math.max(1, Math.min(this.#timeouts.requestMs, deadlineMs - clock.now()))
    const expiry = AbortSignal.timeout(requestMs)
    const key = apiKey === undefined || apiKey === '' ? {} : { 'X-API-Key': apiKey }
    try {
      const response = await fetch(this.url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...key },
        body,
        redirect: 'error', // a redirected POST becomes a GET without its body
        signal: signal ? AbortSignal.any([signal, expiry]) : expiry,
      })
      const text = await readText(response)
      return text === undefined
        ? trouble(`a reply of more than ${replyBytesMax} bytes`, false)
        : readReply(response, text)
    } catch (error) {
      if (error instanceof NotAccepted || error instanceof NotFound) throw error
      if (signal?.aborted) throw cancelled(signal)
      return trouble(expiry.aborted ? `no answer within ${requestMs} ms` : brief(error), true)
    }
  }

  #failure(what: string, error: unknown): MeshError {
    if (error instanceof MeshError) return error
    const isAnswer = error instanceof NotAccepted || error instanceof NotFound
    const problem = isAnswer ? `refused ${what}` : `gave a reply to ${what} that cannot be read`
    return this.#unavailable(`${problem} (${brief(error)})`, error)
  }

  #unavailable(problem: string, cause?: unknown): MeshError {
    return new MeshError('chain-unavailable', `chain endpoint ${this.name} ${problem}`, { cause })
  }
}

function checkedUrl(endpoint: string): URL {
  const url = URL.parse(endpoint)
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new MeshError(
    'bad-request',
    `chain endpoint "${endpoint.slice(0, 80)}", expected an http or https URL such as http://127.0.0.1:8081/api/v2/jsonRPC`,
  )
}

/** Undefined where it is too long. */
async function readText(response: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > replyBytesMax) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The envelope of toncenter's API: `{ok:true, result}` or `{ok:false, error, code}`, whatever the HTTP status. */
function readReply(response: Response, text: string): Exchange {
  const { status } = response
  const reply = parsedJson(text)
  if (status === 200 && isRecord(reply) && reply['ok'] === true) return { kind: 'reply', reply }
  const stated = isRecord(reply) && typeof reply['error'] === 'string' ? reply['error'] : undefined
  const cause = `HTTP ${status}${stated === undefined ? '' : `: ${stated}`}`
  if (stated !== undefined && /cannot apply external message|message was not accepted/i.test(stated)) {
    throw new NotAccepted(stated)
  }
  if (stated !== undefined && /not found|cannot locate|not in db/i.test(stated)) throw new NotFound(stated)
  if (status === 401 || status === 403) return trouble(`${cause}; check chain.apiKey`, false)
  if (status === 200 && stated === undefined) return trouble(`a reply that is not toncenter's: ${text}`, false)
  const canRetry = status === 408 || status === 429 || status >= 500
  return trouble(cause, canRetry, retryAfterMsOf(response))
}

function trouble(cause: string, canRetry: boolean, retryAfterMs?: number): Exchange {
  return { kind: 'trouble', cause: cause.replaceAll(/\s+/g, ' ').slice(0, causeCharsMax), canRetry, retryAfterMs }
}

function retryAfterMsOf(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined
}

function bytesOfConfig(reply: unknown): string {
  const result = isRecord(reply) ? reply['result'] : undefined
  const config = isRecord(result) ? result['config'] : undefined
  const bytes = isRecord(config) ? config['bytes'] : undefined
  if (typeof bytes !== 'string') throw new TypeError('no cell in it')
  return bytes
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The innermost cause says what happened: `fetch failed` alone does not. */
function brief(error: unknown): string {
  let innermost = error
  for (let depth = 0; depth < 5 && innermost instanceof Error && innermost.cause !== undefined; depth += 1) {
    innermost = innermost.cause
  }
  const text = innermost instanceof Error ? innermost.message || innermost.name : String(innermost)
  return text.slice(0, causeCharsMax)
}

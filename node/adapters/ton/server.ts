// One server with toncenter's v2 API: its address, its key, how often it may be asked, one exchange, and how it has been of late.

import { MeshError } from '../../../protocol/errors.ts'
import { cancelled } from '../../waits.ts'

/** toncenter's limits. https://docs.ton.org/ecosystem/api/toncenter/rate-limit */
const keylessPerSecond = 1
const keyedPerSecond = 10
/** A chain on this machine has no limit. */
const localPerSecond = 1_000

/** Twenty of our transactions are some 60 kB; one hundred of the largest the chain allows would be 6.5 MB. */
const replyBytesMax = 8_388_608

/** What of an endpoint's own words goes into an error. */
const causeCharsMax = 300

/** A server that asks for patience is left alone this long at most, whatever it asks for. */
const retryAfterMsMax = 60_000

/** While others answer, a server that failed is not asked for so long, twice as long after each further failure. */
const restMsMin = 2_000
const restMsMax = 300_000

/** The endpoint ran an external message and the account did not accept it. Not a failure of the endpoint. */
export class NotAccepted extends Error {
  override readonly name = 'NotAccepted'
  /** Undefined where no code ran: no account there, or nothing on it. */
  readonly exitCode: number | undefined
  /** The message was sent before, and what became of that was not heard: the account may have taken it then. */
  readonly wasSentBefore: boolean

  constructor(message: string, wasSentBefore = false) {
    super(message)
    this.wasSentBefore = wasSentBefore
    const match = /exit ?code[=: ]+(-?\d{1,10})/i.exec(message)
    this.exitCode = match ? Number(match[1]) : undefined
  }
}

/** The endpoint looked and does not have it. */
export class NotFound extends Error {
  override readonly name = 'NotFound'
}

export interface Trouble {
  readonly kind: 'trouble'
  readonly cause: string
  readonly canRetry: boolean
  readonly retryAfterMs?: number | undefined
}

export type Exchange = { readonly kind: 'reply'; readonly reply: unknown } | Trouble

export class TonServer {
  readonly url: string
  /** For messages: the URL without what may be a key in its query. */
  readonly name: string
  readonly requestsPerSecond: number
  readonly #key: string
  /** When the next exchange may begin, in the clock's milliseconds. */
  #freeAtMs = 0
  #failures = 0
  #restUntilMs = 0
  /** Said once: it is of another chain, and is never asked again. */
  wrongChain: string | undefined
  /** It has been asked which chain it is of. */
  isKnown = false

  /**
   * `requestsPerSecond` 0 takes toncenter's limits. A key may be given in the URL as `?api_key=…`; it is sent as a header.
   * Throws `MeshError` `bad-request` for what is not an HTTP URL.
   */
  constructor(endpoint: string, apiKey: string, requestsPerSecond: number) {
    const url = checkedUrl(endpoint)
    this.#key = apiKey === '' ? (url.searchParams.get('api_key') ?? '') : apiKey
    url.searchParams.delete('api_key')
    this.url = url.href
    this.name = `${url.origin}${url.pathname}`
    const usual = isLoopback(url) ? localPerSecond : this.#key === '' ? keylessPerSecond : keyedPerSecond
    this.requestsPerSecond = requestsPerSecond === 0 ? usual : requestsPerSecond
  }

  /** Whether it failed lately and is better left alone where another can be asked. */
  isResting(nowMs: number): boolean {
    return this.#restUntilMs > nowMs
  }

  get isFailing(): boolean {
    return this.#failures > 0
  }

  failed(nowMs: number): void {
    this.#failures += 1
    this.#restUntilMs = nowMs + Math.min(restMsMax, restMsMin * 2 ** (this.#failures - 1))
  }

  recovered(): void {
    this.#failures = 0
    this.#restUntilMs = 0
  }

  /** When an exchange asked for now may begin. A bucket of one token: limits count every second by itself. */
  turnMs(nowMs: number): number {
    return Math.max(nowMs, this.#freeAtMs)
  }

  takeTurn(startMs: number): void {
    this.#freeAtMs = startMs + 1_000 / this.requestsPerSecond
  }

  /** Throws `NotAccepted`, `NotFound`, which are answers, and `cancelled` after the signal. */
  async post(body: string, nowMs: number, requestMs: number, signal: AbortSignal | undefined): Promise<Exchange> {
    const expiry = AbortSignal.timeout(Math.max(1, Math.ceil(requestMs)))
    try {
      const response = await fetch(this.url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...(this.#key === '' ? {} : { 'X-API-Key': this.#key }) },
        body,
        redirect: 'error', // a redirected POST becomes a GET without its body
        signal: signal ? AbortSignal.any([signal, expiry]) : expiry,
      })
      const text = await readText(response)
      if (text === undefined) return trouble(`a reply of more than ${replyBytesMax} bytes`, false)
      const exchange = readReply(response, text)
      if (exchange.kind === 'trouble' && exchange.retryAfterMs !== undefined) {
        this.#freeAtMs = Math.max(this.#freeAtMs, nowMs + exchange.retryAfterMs)
      }
      return exchange
    } catch (error) {
      if (error instanceof NotAccepted || error instanceof NotFound) throw error
      if (signal?.aborted) throw cancelled(signal)
      return trouble(expiry.aborted ? `no answer within ${requestMs} ms` : brief(error), true)
    }
  }
}

export function trouble(cause: string, canRetry: boolean, retryAfterMs?: number): Trouble {
  return { kind: 'trouble', cause: cause.replaceAll(/\s+/g, ' ').slice(0, causeCharsMax), canRetry, retryAfterMs }
}

/** The innermost cause says what happened: `fetch failed` alone does not. */
export function brief(error: unknown): string {
  let innermost = error
  for (let depth = 0; depth < 5 && innermost instanceof Error && innermost.cause !== undefined; depth += 1) {
    innermost = innermost.cause
  }
  const text = innermost instanceof Error ? innermost.message || innermost.name : String(innermost)
  return text.slice(0, causeCharsMax)
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function checkedUrl(endpoint: string): URL {
  const url = URL.parse(endpoint)
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new MeshError(
    'bad-request',
    `chain endpoint "${endpoint.split('?')[0]?.slice(0, 80)}", expected an http or https URL such as http://127.0.0.1:8081/api/v2/jsonRPC`,
  )
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
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
  const stated = statedBy(reply)
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

/** Its rate limiter says `{ok:false, result:"Ratelimit exceed", code:429}`; everything else has an `error`. */
function statedBy(reply: unknown): string | undefined {
  if (!isRecord(reply)) return undefined
  for (const field of [reply['error'], reply['ok'] === false ? reply['result'] : undefined]) {
    if (typeof field === 'string') return field
  }
  return undefined
}

/** Seconds, or a date. RFC 9110 §10.2.3 */
function retryAfterMsOf(response: Response): number | undefined {
  const text = response.headers.get('retry-after')
  if (text === null) return undefined
  const untilMs = Date.parse(text) - Date.parse(response.headers.get('date') ?? '')
  const ms = /^\d{1,9}$/.test(text.trim()) ? Number(text) * 1_000 : untilMs
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, retryAfterMsMax) : undefined
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

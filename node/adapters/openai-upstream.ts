// HTTP to a server that is not ours, with every wait and every buffer bounded, and every failure naming URL and status.

import { createParser } from 'eventsource-parser'
import { MeshError } from '../../protocol/errors.ts'
import { cancelled } from '../waits.ts'

export interface UpstreamOptions {
  /** Such as `http://127.0.0.1:8000`, with or without `/v1`. */
  readonly baseUrl: string
  readonly apiKey: string | undefined
  /** For each request that is not a stream. */
  readonly answerMsMax: number
  /** Until a stream's first bytes: its queue and prefill at the server. */
  readonly firstEventMsMax: number
  /** Between two pieces of a stream. */
  readonly silenceMsMax: number
}

/** A token list of the longest prompt. */
const bodyBytesMax = 8 * 1024 * 1024
const errorBodyBytesMax = 4096
/** One event of a stream: some tokens and their wrapping. */
const eventCharsMax = 256 * 1024
const retryAfterMsMax = 60_000

export class Upstream {
  /** Without `/v1`: where servers keep what is not OpenAI's API. */
  readonly root: string
  readonly #options: UpstreamOptions
  readonly #stopped = new AbortController()

  /** Throws `RangeError` where the address is none. */
  constructor(options: UpstreamOptions) {
    const { baseUrl } = options
    if (!URL.canParse(baseUrl) || !/^https?:$/.test(new URL(baseUrl).protocol)) {
      throw new RangeError(
        `"${baseUrl}" is not the address of a server, expected http://host:port or http://host:port/v1`,
      )
    }
    this.root = baseUrl.replace(/\/+$/, '').replace(/\/v1$/, '')
    this.#options = options
  }

  get isStopped(): boolean {
    return this.#stopped.signal.aborted
  }

  stop(): void {
    this.#stopped.abort(new MeshError('engine-failed', 'the engine was stopped'))
  }

  /** The answer's JSON. Throws `MeshError`. */
  async json(path: string, body: unknown, signal: AbortSignal, msMax = this.#options.answerMsMax): Promise<unknown> {
    const url = this.root + path
    const text = await this.#bounded(url, msMax, signal, async (bound) => {
      const response = await this.#fetch(url, body, bound.signal)
      return await readText(response, bodyBytesMax, url)
    })
    return parse(text, url)
  }

  /** The stream's events, parsed, until `[DONE]` or its end. Leaving the iteration closes the connection. */
  async *events(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<unknown, void, undefined> {
    const url = this.root + path
    const { firstEventMsMax, silenceMsMax } = this.#options
    const bound = new Bound(`${url} was silent for`, firstEventMsMax, [signal, this.#stopped.signal])
    try {
      const response = await this.#fetch(url, body, bound.signal)
      const type = response.headers.get('content-type') ?? 'none'
      if (!type.startsWith('text/event-stream') || !response.body) {
        throw new MeshError('engine-failed', `${url} answered with content type ${type}, expected text/event-stream`)
      }
      const events: string[] = []
      const parser = createParser({
        maxBufferSize: eventCharsMax,
        onEvent: ({ data }) => events.push(data),
        onError: (error) => {
          if (error.type === 'max-buffer-size-exceeded') {
            throw new MeshError('engine-failed', `${url} sent an event of more than ${eventCharsMax} characters`)
          }
        },
      })
      for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
        parser.feed(text)
        for (const data of events.splice(0)) {
          if (bound.reason) throw bound.reason // what came before the signal fired is not wanted either
          if (data === '[DONE]') return
          yield parse(data, url)
        }
        bound.rearm(silenceMsMax)
      }
    } catch (error) {
      throw bound.reason ?? broken(error, url)
    } finally {
      bound.end()
    }
  }

  async #bounded<T>(url: string, ms: number, signal: AbortSignal, work: (bound: Bound) => Promise<T>): Promise<T> {
    const bound = new Bound(`${url} gave no whole answer within`, ms, [signal, this.#stopped.signal])
    try {
      return await work(bound)
    } catch (error) {
      throw bound.reason ?? broken(error, url)
    } finally {
      bound.end()
    }
  }

  /** GET without a body, POST with one. Throws where the answer is no success. */
  async #fetch(url: string, body: unknown, signal: AbortSignal): Promise<Response> {
    const { apiKey } = this.#options
    const response = await fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'error', // the key is for this server
      signal,
    })
    if (!response.ok) throw await refusal(url, response)
    return response
  }
}

/** One deadline at a time, and the callers' signals: whatever fires first ends the request and is its reason. */
class Bound {
  readonly #fault: string
  readonly #controller = new AbortController()
  readonly #leave: () => void
  #timer: NodeJS.Timeout

  /** `fault` says what has happened when the deadline passes, before how long it was. */
  constructor(fault: string, ms: number, signals: readonly AbortSignal[]) {
    this.#fault = fault
    this.#timer = this.#expireIn(ms)
    const follow = (): void => {
      const fired = signals.find((signal) => signal.aborted)
      if (fired) this.#controller.abort(cancelled(fired))
    }
    for (const signal of signals) signal.addEventListener('abort', follow, { once: true })
    this.#leave = () => {
      for (const signal of signals) signal.removeEventListener('abort', follow)
    }
    follow()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get reason(): MeshError | undefined {
    const reason: unknown = this.signal.reason
    return this.signal.aborted && reason instanceof MeshError ? reason : undefined
  }

  rearm(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = this.#expireIn(ms)
  }

  /** Also closes the connection where the answer was not read to its end. */
  end(): void {
    clearTimeout(this.#timer)
    this.#leave()
    this.#controller.abort()
  }

  #expireIn(ms: number): NodeJS.Timeout {
    const expire = (): void => this.#controller.abort(new MeshError('engine-failed', `${this.#fault} ${ms} ms`))
    return setTimeout(expire, ms)
  }
}

/** A named property of what a server sent, or undefined. */
export function property(value: unknown, ...path: readonly (string | number)[]): unknown {
  let at = value
  for (const name of path) {
    if (typeof at !== 'object' || at === null) return undefined
    at = (at as Readonly<Record<string | number, unknown>>)[name]
  }
  return at
}

/** A whole number from 0, or undefined. */
export function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

async function refusal(url: string, response: Response): Promise<MeshError> {
  const { status } = response
  const text = await readText(response, errorBodyBytesMax, url).catch(() => '')
  const said = saidIn(text)
  const message = `${url} answered ${status}${said === '' ? '' : `: ${said}`}`
  if (status === 429 || status === 503) {
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
    const retryAfterMs = seconds >= 0 ? Math.min(seconds * 1000, retryAfterMsMax) : undefined
    return new MeshError('busy', message, { retryAfterMs })
  }
  if (status !== 400 && status !== 422) return new MeshError('engine-failed', message)
  const code = property(tryParse(text), 'error', 'code')
  return new MeshError(code === 'context_length_exceeded' ? 'context-exceeded' : 'bad-request', message)
}

/** OpenAI's shape, vLLM's older one, or the beginning of the text. */
function saidIn(text: string): string {
  const body = tryParse(text)
  const message = property(body, 'error', 'message') ?? property(body, 'message') ?? property(body, 'error')
  return (typeof message === 'string' ? message : text).slice(0, 300).replace(/\s+/g, ' ').trim()
}

async function readText(response: Response, bytesMax: number, url: string): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > bytesMax) {
      throw new MeshError('engine-failed', `${url} answered with more than ${bytesMax} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string, url: string): unknown {
  const value = tryParse(text)
  if (value !== undefined) return value
  throw new MeshError('engine-failed', `${url} sent what is no JSON: ${text.slice(0, 80)}`)
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What fetch throws hides the reason in a cause: refused, reset, cut off. */
function broken(error: unknown, url: string): MeshError {
  if (error instanceof MeshError) return error
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause)
  return new MeshError('engine-failed', `${url} failed: ${reason}`, { cause: error })
}

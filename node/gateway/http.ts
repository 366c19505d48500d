// The OpenAI-compatible HTTP face of a consumer: its routes, headers and keys. It knows no policy of the mesh.

import { randomUUID } from 'node:crypto'
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { failures, MeshError } from '../../protocol/errors.ts'
import { type Nano, nanoMax } from '../../protocol/money.ts'
import type { Inference } from '../inference.ts'
import type { Clock, Observe } from '../ports.ts'
import { bearerKey, type Caller, loopbackHosts, refuseBody, refuseCaller } from './access.ts'
import { accountHeaders, adviceHeaders, errorOf, paramOf, providerHeaders, trustTier } from './answer.ts'
import type { Budgets } from './budgets.ts'
import { type Call, Calls } from './calls.ts'
import { chatEndpoint } from './chat-request.ts'
import { completionEndpoint } from './completion-request.ts'
import { embeddingEndpoint } from './embedding-request.ts'
import type { Asked, Endpoint } from './endpoint.ts'
import type { RequestLog } from './explain.ts'
import { gather } from './gather.ts'
import { keyView } from './key-view.ts'
import { keyed, modelsFor } from './keyed.ts'
import { type Bearer, bearerOf, type KeyRing } from './keys.ts'
import { modelList, modelOf } from './models.ts'
import { responseEndpoint } from './response-request.ts'
import { Runs, type Step } from './runs.ts'
import { spendView } from './spend-view.ts'
import { answerStream } from './stream.ts'

export { keyRing } from './keys.ts'

export interface GatewayOptions {
  readonly inference: Inference
  readonly clock: Clock
  readonly apiKeys: KeyRing
  /** How the last requests were routed; nothing is told of them where it is left out. */
  readonly requestLog?: Pick<RequestLog, 'explain'>
  /** What keys with limits spend; only the owner's work where it is left out. */
  readonly budgets?: Budgets
  /** The node's own bound on one request, and how many providers it tries: for what a key's request may cost. */
  readonly requestNanoMax?: Nano
  readonly attemptsMax?: number
  /** Names a request may call this gateway by; see `AccessRules`. Loopback's own when left out. */
  readonly hosts?: readonly string[]
  /** Origins of pages that may call from a browser; none when left out. */
  readonly origins?: readonly string[]
  /** Prometheus text. */
  readonly metrics: () => Promise<string>
  /** Shown to anybody who can connect. */
  readonly health: () => { readonly ok: boolean; readonly reason?: string }
  /** Told of faults of the gateway itself. */
  readonly observe?: Observe
  /** The wire's 1 MiB prompt and half as much again for JSON's quotes and escapes. */
  readonly bodyBytesMax?: number
  /** OpenAI's clients give up after ten minutes as well. */
  readonly requestMs?: number
  /** With `bodyBytesMax` this bounds what bodies hold in memory: 384 MiB. */
  readonly requestsMax?: number
  readonly keepAliveMs?: number
}

export interface Gateway {
  readonly app: Hono<Env>
  readonly hasKeys: boolean
  readonly requestMs: number
  /** Takes no more requests; resolves when those under way have ended, or were aborted after `graceMs`. */
  drain(graceMs: number): Promise<void>
}

export type Env = { Bindings: Partial<HttpBindings>; Variables: { bearer: Bearer; requestId?: string } }

/** A minute at the default pace: see `StreamPace`. */
const stallsMax = 4
/** What a page of another origin may read of an answer's headers. */
const exposed =
  'x-request-id, x-silkmesh-request-id, x-silkmesh-provider, x-silkmesh-cost-nano, x-silkmesh-failovers, x-silkmesh-tier, ' +
  'x-silkmesh-budget, x-silkmesh-budget-left-nano, retry-after'

const endpoints: readonly Endpoint[] = [chatEndpoint, completionEndpoint, embeddingEndpoint, responseEndpoint]

const routes: readonly (readonly [path: string, method: 'GET' | 'POST'])[] = [
  ['/health', 'GET'],
  ['/metrics', 'GET'],
  ['/v1/key', 'GET'],
  ['/v1/keys', 'GET'],
  ['/v1/models', 'GET'],
  ['/v1/models/:id{.+}', 'GET'],
  ['/v1/silkmesh/requests/:id', 'GET'],
  ['/v1/silkmesh/spend', 'GET'],
  ...endpoints.map(({ path }) => [path, 'POST'] as const),
]

export function createGateway(options: GatewayOptions): Gateway {
  const { inference, clock, apiKeys } = options
  const rules = { hosts: options.hosts ?? loopbackHosts, origins: options.origins ?? [] }
  const bodyBytesMax = options.bodyBytesMax ?? 1_572_864
  const pace = { clock, keepAliveMs: options.keepAliveMs ?? 15_000, stallsMax }
  const requestMs = options.requestMs ?? 600_000
  const calls = new Calls(clock, { requestsMax: options.requestsMax ?? 256, requestMs })
  const keyedParts = {
    inference,
    budgets: options.budgets,
    requestNanoMax: options.requestNanoMax ?? nanoMax,
    attemptsMax: options.attemptsMax ?? 1,
  }
  const app = new Hono<Env>()

  app.use(async (c, next) => {
    const refusal = refuseCaller(callerOf(c), rules)
    if (refusal) throw refusal
    if (c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined) return preflight(c)
    if (c.req.path !== '/health') admit(c)
    return next()
  })

  app.get('/health', (c) => {
    const { ok, reason } = calls.stopping ? { ok: false, reason: calls.stopping.message } : options.health()
    const body = { status: ok ? 'ok' : 'unavailable', reason, models: inference.models().length }
    return respond(c, ok ? 200 : 503, JSON.stringify(body))
  })
  app.get('/metrics', async (c) =>
    respond(c, 200, await options.metrics(), { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }),
  )
  app.get('/v1/key', (c) => respond(c, 200, JSON.stringify(keyView(c.get('bearer'), options.budgets))))
  app.get('/v1/keys', (c) => {
    if (c.get('bearer') !== 'owner') throw new MeshError('forbidden', "all keys are shown to their owner's key only")
    const data = apiKeys.list().map((key) => keyView(key, options.budgets))
    return respond(c, 200, JSON.stringify({ object: 'list', data }))
  })
  app.get('/v1/models', (c) => respond(c, 200, modelList(modelsFor(c.get('bearer'), inference.models()))))
  app.get('/v1/models/:id{.+}', (c) => {
    const id = c.req.param('id')
    const found = modelOf(modelsFor(c.get('bearer'), inference.models()), id)
    if (found === undefined)
      throw new MeshError('unknown-model', `no provider serves ${JSON.stringify(id.slice(0, 96))}`)
    return respond(c, 200, found)
  })
  app.get('/v1/silkmesh/requests/:id', (c) => {
    if (c.get('bearer') !== 'owner')
      throw new MeshError('forbidden', "requests are explained to their owner's key only")
    if (!options.requestLog) throw new MeshError('not-found', 'this gateway keeps no log of its requests')
    return respond(c, 200, JSON.stringify(options.requestLog.explain(c.req.param('id'))))
  })
  app.get('/v1/silkmesh/spend', (c) => {
    if (c.get('bearer') !== 'owner') throw new MeshError('forbidden', 'what the node spends is told to its owner only')
    return respond(c, 200, JSON.stringify(spendView(inference.spendOfDay)))
  })
  for (const endpoint of endpoints) app.post(endpoint.path, (c) => serve(c, endpoint))
  for (const [path, method] of routes) {
    app.all(path, (c) => {
      const error = new MeshError('bad-request', `${c.req.method} ${c.req.path}, expected ${method}`)
      return refuse(c, error, 405, { allow: method === 'GET' ? 'GET, HEAD' : method })
    })
  }
  app.notFound((c) => refuse(c, noEndpoint(c.req.path)))
  app.onError((error, c) => refuse(c, explain(error, c)))

  /** A key that was given out works for the API, and not for what the owner sees of the node. */
  function admit(c: Context<Env>): void {
    const bearer = bearerOf(bearerKey(c.req.header('authorization')), apiKeys, clock.now())
    if (bearer !== 'owner' && !c.req.path.startsWith('/v1/')) {
      throw new MeshError('forbidden', `the API key "${bearer.name}" works below /v1, and ${c.req.path} is its owner's`)
    }
    c.set('bearer', bearer)
  }

  /**
   * Every POST passes here. `call.ended` fires when all is over, also for a stream, whatever way it ended; `runs.results`
   * then holds what each inference that finished has cost.
   */
  async function serve(c: Context<Env>, endpoint: Endpoint): Promise<Response> {
    const refusal = refuseBody(c.req.header('content-type'), c.req.header('content-encoding'))
    if (refusal) throw refusal
    const call = calls.begin(c.req.raw.signal)
    let runs: Runs | undefined
    let isStreaming = false
    try {
      const asked = endpoint.read(await readJson(c.req.raw, bodyBytesMax), { hedge: c.req.header('x-silkmesh-hedge') })
      // The key's models and budgets, and the call's max_cost, bound all that is asked of the mesh.
      const mesh = keyed(keyedParts, c.get('bearer'), { choices: asked.requests.length, ended: call.ended })
      const [lead, ...others] = asked.requests
      const begun = (requestId: string) => c.set('requestId', requestId)
      runs = new Runs(mesh, lead ? [{ ...lead, begun }, ...others] : [], call.signal)
      const first = await runs.next()
      if (first.type !== 'event' || (first.event.type !== 'accepted' && first.event.type !== 'queued')) {
        throw new TypeError('an inference must begin with accepted or queued')
      }
      if (!asked.isStreaming) return await whole(c, asked, first, runs)
      const response = stream(c, endpoint, asked, first, runs, call)
      isStreaming = true // which ends the call and the runs itself
      return response
    } catch (error) {
      throw call.abortedBy ?? renamed(error, endpoint)
    } finally {
      if (!isStreaming) {
        call.end()
        runs?.leave()
      }
    }
  }

  async function whole(c: Context<Env>, asked: Asked, first: Step, runs: Runs): Promise<Response> {
    const gathered = await gather(first, runs, asked)
    const body = asked.whole(gathered, Math.floor(clock.now() / 1_000))
    return respond(c, 200, body, { ...accountHeaders(runs.results), 'x-silkmesh-tier': trustTier })
  }

  function stream(
    c: Context<Env>,
    endpoint: Endpoint,
    asked: Asked,
    first: FirstStep,
    runs: Runs,
    call: Call,
  ): Response {
    const fail = (error: unknown) => call.abortedBy ?? explain(renamed(error, endpoint), c)
    const writer = asked.writer(Math.floor(clock.now() / 1_000))
    const body = answerStream(first, runs, writer, call, pace, fail, () => c.env?.outgoing?.destroy())
    return respond(c, 200, body, {
      'content-type': 'text/event-stream; charset=utf-8',
      'x-accel-buffering': 'no', // nginx would hold events back
      'transfer-encoding': 'chunked', // without it the node adapter waits a millisecond for more before the headers
      // Who serves a request that still waits is not known yet: the last event says it.
      ...(first.event.type === 'accepted' && providerHeaders(first.event)),
      'x-silkmesh-tier': trustTier,
    })
  }

  /** What a client may read of a failure. Anything unforeseen is told to the node, not to the client. */
  function explain(error: unknown, c: Context<Env>): MeshError {
    if (error instanceof MeshError) return error
    const message = `${c.req.method} ${c.req.path}: ${error instanceof Error ? error.message : String(error)}`
    options.observe?.({ type: 'fault', where: 'gateway', code: 'internal', message })
    return new MeshError('internal', 'the gateway failed on this request', { cause: error })
  }

  function refuse(c: Context<Env>, error: MeshError, status: number = failures[error.code].http, more = {}): Response {
    return respond(c, status, errorOf(error, status), { ...adviceHeaders(error), ...more })
  }

  function respond(
    c: Context<Env>,
    status: number,
    body: string | ReadableStream<Uint8Array>,
    headers: Readonly<Record<string, string>> = {},
  ): Response {
    return new Response(body, {
      status,
      headers: {
        'content-type': 'application/json',
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        // By which `silkmesh explain` finds what reached the mesh, also where it still waits or was refused there.
        'x-request-id': headers['x-request-id'] ?? c.get('requestId') ?? randomUUID().replaceAll('-', ''),
        ...(calls.stopping && { connection: 'close' }),
        ...corsHeaders(c),
        ...headers,
      },
    })
  }

  function corsHeaders(c: Context<Env>): Readonly<Record<string, string>> {
    const origin = c.req.header('origin')
    if (origin === undefined || !rules.origins.includes(origin)) return {}
    return {
      'access-control-allow-origin': origin,
      'access-control-expose-headers': exposed,
      vary: 'origin',
    }
  }

  /** A browser asks before a page's first call; only a listed origin gets here and an answer that lets it on. */
  function preflight(c: Context<Env>): Response {
    return new Response(null, {
      status: 204,
      headers: {
        ...corsHeaders(c),
        'access-control-allow-methods': 'GET, POST',
        // Any header: the origin is trusted, and clients send names of their own (x-stainless-…).
        'access-control-allow-headers': c.req.header('access-control-request-headers') ?? 'authorization, content-type',
        'access-control-max-age': '600',
      },
    })
  }

  return { app, hasKeys: apiKeys.size > 0, requestMs, drain: (graceMs) => calls.drain(graceMs) }
}

/** A client's base URL often lacks the /v1. */
function noEndpoint(path: string): MeshError {
  const [meant] = routes.find(([known]) => known === `/v1${path}`) ?? []
  const next =
    meant === undefined ? `there are ${endpoints.map((each) => each.path).join(', ')} and /v1/models` : `use ${meant}`
  return new MeshError('not-found', `no endpoint ${path.slice(0, 200)}`, { next })
}

/** The mesh names parameters as a chat does; a client is told its own endpoint's name. */
function renamed(error: unknown, { names }: Endpoint): unknown {
  if (!(error instanceof MeshError)) return error
  const param = names.get(paramOf(error) ?? '')
  if (param === undefined) return error
  return new MeshError(error.code, error.message, { cause: error, param, retryAfterMs: error.retryAfterMs })
}

function callerOf(c: Context<Env>): Caller {
  return {
    host: c.req.header('host'),
    target: new URL(c.req.url).host,
    port: c.env?.incoming?.socket.localPort,
    origin: c.req.header('origin'),
    fetchSite: c.req.header('sec-fetch-site'),
  }
}

/** The body, never held beyond its bound. Throws `MeshError`. */
async function readJson(request: Request, bytesMax: number): Promise<unknown> {
  const bytes = await readBody(request, bytesMax)
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new MeshError('bad-request', 'the body is not UTF-8', { cause })
  }
  try {
    const body: unknown = JSON.parse(text)
    return body
  } catch (cause) {
    throw new MeshError('bad-request', `the body is not JSON: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    })
  }
}

async function readBody(request: Request, bytesMax: number): Promise<Uint8Array> {
  const declared = request.headers.get('content-length')
  const tooLarge = (size: string) => new MeshError('too-large', `a body of ${size} bytes, at most ${bytesMax}`)
  if (declared !== null && !(Number(declared) <= bytesMax)) throw tooLarge(declared.slice(0, 20))
  try {
    // Node's parser holds a client to the length it declared, which makes the short way safe.
    if (declared !== null) return new Uint8Array(await request.arrayBuffer())
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of request.body ?? []) {
      size += chunk.length
      if (size > bytesMax) throw tooLarge(`over ${bytesMax}`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch (cause) {
    throw cause instanceof MeshError ? cause : new MeshError('cancelled', 'the body ended early', { cause })
  }
}

type FirstStep = Extract<Step, { type: 'event' }>

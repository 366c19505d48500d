/** The chain over HTTP: toncenter's routes and error shape, the faucet, and who may ask. */
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { type Chain, type ChainView, localGlobalId } from './chain.ts'
import { ApiError, type ApiStatus, LocalnetError } from './errors.ts'
import type { Faucet } from './faucet.ts'
import { type FaultyDoor, faultsOf } from './faults.ts'
import { METHODS } from './methods.ts'
import { Params } from './params.ts'
import { brief } from './stack.ts'
import { transactionsByMessage } from './v3.ts'

/** An external is at most 64 KiB, 88 KiB in base64: room for `estimateFee` with code and data. */
export const bodyBytesMax = 256 * 1024
/** A year a step: the longest terms of the escrow are 30 days. */
export const advanceSecMax = 366 * 86_400

const forkBlocksMax = 1_000_000
/** What a limited caller is told to wait, in seconds. */
const retryAfterSec = '1'

export interface HttpOptions {
  readonly chain: Chain
  readonly faucet: Faucet
  readonly door: FaultyDoor
  /** Host names a request may name; undefined where the server is bound beyond loopback on purpose. */
  readonly hosts: ReadonlySet<string> | undefined
}

export const loopbackHosts: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

export function localnetHttp({ chain, faucet, door, hosts }: HttpOptions): Hono {
  const app = new Hono()
  // No error is reported in another shape than toncenter's, or clients show "Received error: undefined".
  app.onError((error, context) => failure(context, error))
  app.notFound((context) => failure(context, new ApiError(404, `no such path: ${brief(context.req.path)}`)))
  app.use(async (context, next) => {
    refuseStrangers(context, hosts)
    if (chain.closed) throw new LocalnetError('stopped', 'the local chain has been stopped')
    await next()
  })
  app.use(bodyLimit({ maxSize: bodyBytesMax, onError: (context) => failure(context, tooLarge()) }))

  app.use('/api/*', async (_context, next) => {
    await door.pass()
    await next()
  })

  app.get('/', (context) => context.json(statusJson(chain, faucet, new URL(context.req.url).origin)))

  app.post('/api/v2/jsonRPC', async (context) => {
    const request = await jsonBody(context)
    const id = typeof request['id'] === 'string' || typeof request['id'] === 'number' ? request['id'] : null
    const envelope = { jsonrpc: '2.0', id }
    try {
      const { method, params = {} } = request
      if (typeof method !== 'string')
        throw new ApiError(422, `Validation error: method: expected a string, got ${brief(method)}`)
      if (!isRecord(params))
        throw new ApiError(422, `Validation error: params: expected an object, got ${brief(params)}`)
      return context.json({ ok: true, result: await call(door.view(), method, params), ...envelope })
    } catch (error) {
      return failure(context, error, envelope)
    }
  })
  app.get('/api/v2/:method', async (context) => {
    return context.json({ ok: true, result: await call(door.view(), context.req.param('method'), context.req.query()) })
  })
  app.post('/api/v2/:method', async (context) => {
    return context.json({
      ok: true,
      result: await call(door.view(), context.req.param('method'), await jsonBody(context)),
    })
  })

  app.get('/api/v3/transactionsByMessage', (context) => {
    return context.json(transactionsByMessage(chain, new Params(context.req.query())))
  })

  app.on(['GET', 'POST'], '/faucet', async (context) => {
    const params = new Params(context.req.method === 'GET' ? context.req.query() : await jsonBody(context))
    const to = params.address('address')
    const amountNano = params.nano('amountNano')
    const sent = await faucet.send(to, amountNano)
    const transaction = { lt: String(sent.lt), hash: sent.hash.toString('base64'), seqno: sent.seqno }
    const from = faucet.address.toString({ bounceable: false })
    return context.json({
      ok: true,
      result: { from, to: to.toString({ bounceable: false }), amountNano: String(amountNano), transaction },
    })
  })

  app.post('/advance', async (context) => {
    const params = new Params(await jsonBody(context))
    await chain.advance(params.int('seconds', { min: 1, max: advanceSecMax }))
    return context.json({ ok: true, result: { seqno: chain.head.seqno, utime: chain.head.utimeSec } })
  })

  app.get('/faults', (context) => context.json({ ok: true, result: door.faults }))
  app.post('/faults', async (context) => {
    door.set(faultsOf(new Params(await jsonBody(context))))
    return context.json({ ok: true, result: door.faults })
  })
  app.post('/fork', async (context) => {
    await chain.fork(new Params(await jsonBody(context)).int('blocks', { min: 1, max: forkBlocksMax }))
    return context.json({ ok: true, result: { seqno: chain.head.seqno, utime: chain.head.utimeSec } })
  })
  app.post('/prices', async (context) => {
    await chain.setPrices(Number((await jsonBody(context))['factor']))
    return context.json({ ok: true, result: statusJson(chain, faucet, '').feesNano })
  })

  return app
}

async function call(chain: ChainView, method: string, params: Record<string, unknown>): Promise<unknown> {
  const run = Object.hasOwn(METHODS, method) ? METHODS[method] : undefined
  if (run === undefined) {
    throw new ApiError(422, `Unknown method ${brief(method)}, this chain has: ${Object.keys(METHODS).join(', ')}`)
  }
  return run(chain, new Params(params))
}

async function jsonBody(context: Context): Promise<Record<string, unknown>> {
  const text = await context.req.text()
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new ApiError(422, `Validation error: expected a JSON object, got ${brief(text)}`)
  }
  if (!isRecord(body)) throw new ApiError(422, `Validation error: expected a JSON object, got ${brief(body)}`)
  return body
}

/**
 * A web page must not reach the chain through the user's browser: a foreign Host is DNS rebinding, a cross-site request is
 * a form or an image. No CORS header is ever sent.
 */
function refuseStrangers(context: Context, hosts: ReadonlySet<string> | undefined): void {
  const host = context.req.header('host') ?? ''
  if (hosts !== undefined && !hosts.has(host.replace(/:[0-9]{1,5}$/, '').toLowerCase())) {
    throw new ApiError(403, `Host ${brief(host)} is not served, expected one of ${[...hosts].join(', ')}`)
  }
  const site = context.req.header('sec-fetch-site')
  if (site === 'cross-site') throw new ApiError(403, 'requests of other sites are not served')
}

function failure(context: Context, error: unknown, envelope: object = {}): Response {
  const { status, message } = refusalOf(error)
  if (status === 429) {
    context.header('Retry-After', retryAfterSec)
    return context.json({ ok: false, result: message, code: status, ...envelope }, status)
  }
  return context.json({ ok: false, error: message, code: status, ...envelope }, status)
}

function refusalOf(error: unknown): { readonly status: ApiStatus; readonly message: string } {
  if (error instanceof ApiError) return error
  if (error instanceof LocalnetError) return { status: 503, message: error.message }
  return { status: 500, message: `internal error: ${error instanceof Error ? error.message : String(error)}` }
}

function tooLarge(): ApiError {
  return new ApiError(413, `Request Entity Too Large: the body is over ${bodyBytesMax} bytes`)
}

function statusJson(chain: Chain, faucet: Faucet, origin: string) {
  const { gasBasechain, forwardBasechain, storage } = chain.fees
  const { inFlight, undeliverable } = chain.store.queued()
  const perUnit = (q16: bigint) => Number(q16) / 65_536
  return {
    chain: 'silkmesh local TON chain: test coins only',
    globalId: localGlobalId,
    seqno: chain.head.seqno,
    utime: chain.head.utimeSec,
    ...(chain.failure === undefined ? {} : { stopped: chain.failure.message }),
    endpoint: `${origin}/api/v2/jsonRPC`,
    faucet: {
      url: `${origin}/faucet`,
      address: faucet.address.toString({ bounceable: false }),
      maxNano: String(faucet.maxNano),
    },
    blockMs: chain.blockMs,
    mempool: chain.waiting,
    inFlight,
    undeliverable,
    transactions: chain.store.transactionCount(),
    feesNano: {
      gas: perUnit(gasBasechain.gasQ16),
      messageLump: Number(forwardBasechain.lumpNano),
      messageBit: perUnit(forwardBasechain.bitQ16),
      messageCell: perUnit(forwardBasechain.cellQ16),
      storageCellPerYear: Math.round(perUnit(storage.at(-1)?.cellPerSecQ16 ?? 0n) * 365 * 86_400),
    },
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

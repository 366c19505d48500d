// The chain endpoint against what HTTP APIs do: refuse, stall, slow down, talk nonsense, come back.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Address, beginCell } from '@ton/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock, systemRandom } from '../../node/adapters/system.ts'
import { NotAccepted, NotFound, TonEndpoint, type TonEndpointOptions } from '../../node/adapters/ton/endpoint.ts'
import { TonServer } from '../../node/adapters/ton/server.ts'
import type { NodeEvent } from '../../node/events.ts'
import type { Clock } from '../../node/ports.ts'
import { MeshError } from '../../protocol/errors.ts'

const account = Address.parseRaw(`0:${'11'.repeat(32)}`)

interface Request {
  readonly method: string
  readonly headers: IncomingMessage['headers']
}

type Answer = (response: ServerResponse, request: Request) => void

/** Gives the answers in order, the last one again and again. */
async function scripted(...answers: readonly Answer[]): Promise<{ url: string; requests: Request[] }> {
  const requests: Request[] = []
  const server = createServer((incoming, response) => {
    let body = ''
    incoming.on('data', (chunk) => {
      body += chunk
    })
    incoming.on('end', () => {
      const request = { method: JSON.parse(body).method, headers: incoming.headers }
      requests.push(request)
      const answer = answers[Math.min(requests.length, answers.length) - 1]
      answer?.(response, request)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/api/v2/jsonRPC`, requests }
}

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (response) => {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body))
  }

const text =
  (status: number, body: string): Answer =>
  (response) => {
    response.writeHead(status).end(body)
  }

const silence: Answer = () => {}

const block = { '@type': 'ton.blockIdExt', workchain: -1, shard: '-8', seqno: 1, root_hash: '', file_hash: '' }
const balanceOf = (balance: string): Answer =>
  json(200, {
    ok: true,
    result: {
      balance,
      state: 'uninitialized',
      code: '',
      data: '',
      last_transaction_id: { '@type': 'internal.transactionId', lt: '0', hash: '' },
      block_id: block,
      sync_utime: 1,
    },
  })
const failing = (status: number, error: string): Answer => json(status, { ok: false, error, code: status })

/** Time passes only by sleeping. */
function sleepless(): { clock: Clock; sleptMs: number[] } {
  const sleptMs: number[] = []
  let nowMs = 1_000_000
  const clock: Clock = {
    now: () => nowMs,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted()
      sleptMs.push(ms)
      nowMs += ms
    },
  }
  return { clock, sleptMs }
}

function endpoint(url: string, options: Partial<TonEndpointOptions> = {}): TonEndpoint {
  return new TonEndpoint({
    endpoint: url,
    requestsPerSecond: 1_000_000,
    clock: sleepless().clock,
    random: systemRandom,
    ...options,
  })
}

const balance = (through: TonEndpoint, signal?: AbortSignal): Promise<bigint> =>
  through.call('getAddressInformation', (client) => client.getBalance(account), signal)

async function failureOf(work: Promise<unknown>): Promise<MeshError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof MeshError) return error
  throw new Error(`expected a MeshError, got ${String(error)}`)
}

describe('an endpoint that is down', () => {
  test('is a chain-unavailable that names it and the cause', async () => {
    const failure = await failureOf(balance(endpoint('http://127.0.0.1:9/api/v2/jsonRPC')))
    expect(failure.code).toBe('chain-unavailable')
    expect(failure.message).toMatch(
      /^chain endpoint http:\/\/127\.0\.0\.1:9\/api\/v2\/jsonRPC did not answer getAddressInformation \(.+\) in 5 tries$/,
    )
  })

  test('is used again as soon as it is back', async () => {
    const { url, requests } = await scripted(
      (response) => {
        response.destroy()
      },
      text(502, '<html>Bad Gateway</html>'),
      balanceOf('7'),
    )
    expect(await balance(endpoint(url))).toBe(7n)
    expect(requests).toHaveLength(3)
  })
})

describe('an endpoint that limits the rate', () => {
  test('is asked again after 429, later each time', async () => {
    const { url } = await scripted(failing(429, 'Ratelimit exceed'), failing(429, 'Ratelimit exceed'), balanceOf('7'))
    const { clock, sleptMs } = sleepless()
    expect(await balance(endpoint(url, { clock }))).toBe(7n)
    expect(sleptMs).toHaveLength(2)
    expect(sleptMs[0]).toBeGreaterThanOrEqual(250)
    expect(sleptMs[0]).toBeLessThanOrEqual(500)
    expect(sleptMs[1]).toBeGreaterThanOrEqual(500)
    expect(sleptMs[1]).toBeLessThanOrEqual(1_000)
  })

  test('is given the time it asks for', async () => {
    const { url } = await scripted(json(429, { ok: false, error: 'slow down' }, { 'Retry-After': '3' }), balanceOf('7'))
    const { clock, sleptMs } = sleepless()
    await balance(endpoint(url, { clock }))
    expect(sleptMs).toEqual([3_000])
  })

  test('is given the time it asks for as a date, and by every call', async () => {
    const now = new Date().toUTCString()
    const later = new Date(Date.parse(now) + 4_000).toUTCString()
    const limit = { ok: false, result: 'Ratelimit exceed', code: 429 }
    const { url } = await scripted(json(429, limit, { Date: now, 'Retry-After': later }), balanceOf('7'))
    const { clock, sleptMs } = sleepless()
    const limited = endpoint(url, { clock, timeouts: { callMs: 3_000 } })
    expect((await failureOf(balance(limited))).message).toContain('HTTP 429: Ratelimit exceed')
    expect((await failureOf(balance(limited))).message).toContain('was not asked')
    await clock.sleep(2_000)
    await balance(limited)
    expect(sleptMs).toEqual([2_000, 2_000])
  })

  test('is not asked for ever', async () => {
    const { url, requests } = await scripted(failing(429, 'Ratelimit exceed'))
    const failure = await failureOf(balance(endpoint(url)))
    expect(failure.message).toContain('(HTTP 429: Ratelimit exceed) in 5 tries')
    expect(requests).toHaveLength(5)
  })

  test('is given up when the next try would be past the deadline of the call', async () => {
    const { url, requests } = await scripted(failing(429, 'Ratelimit exceed'))
    await failureOf(balance(endpoint(url, { timeouts: { callMs: 200 } })))
    expect(requests).toHaveLength(1)
  })

  test('gets no more exchanges a second than were set', async () => {
    const { url } = await scripted(balanceOf('7'))
    const { clock, sleptMs } = sleepless()
    const paced = endpoint(url, { clock, requestsPerSecond: 10 })
    await balance(paced)
    await balance(paced)
    await balance(paced)
    expect(sleptMs).toEqual([100, 100])
  })

  test('refuses calls whose turn would come after their deadline', async () => {
    const { url, requests } = await scripted(balanceOf('7'))
    const clock: Clock = { now: () => 1_000_000, sleep: () => new Promise(() => {}) }
    const paced = endpoint(url, { clock, requestsPerSecond: 1, timeouts: { callMs: 1_000 } })
    await balance(paced)
    expect((await failureOf(balance(paced))).message).toMatch(/was not asked getAddressInformation/)
    expect(requests).toHaveLength(1)
  })
})

describe('an endpoint that does not answer', () => {
  test('is left after the time of one exchange', async () => {
    const { url } = await scripted(silence)
    const failure = await failureOf(balance(endpoint(url, { timeouts: { requestMs: 20 } })))
    expect(failure.code).toBe('chain-unavailable')
    expect(failure.message).toContain('no answer within 20 ms')
  })

  test('is left when its answer never ends', async () => {
    const { url } = await scripted((response) => {
      response.writeHead(200).write('{"ok":')
    })
    const failure = await failureOf(balance(endpoint(url, { timeouts: { requestMs: 20 } })))
    expect(failure.message).toContain('no answer within 20 ms')
  })

  test('is left as soon as the caller no longer waits', async () => {
    const controller = new AbortController()
    const { url, requests } = await scripted(() => controller.abort(new MeshError('cancelled', 'the node stops')))
    const failure = await failureOf(balance(endpoint(url), controller.signal))
    expect(failure.message).toBe('the node stops')
    expect(requests).toHaveLength(1)
  })

  test('is not waited for between tries either', async () => {
    const controller = new AbortController()
    const { url } = await scripted((response, request) => {
      failing(503, 'later')(response, request)
      setImmediate(() => controller.abort(new MeshError('cancelled', 'the node stops')))
    })
    expect((await failureOf(balance(endpoint(url, { clock: systemClock }), controller.signal))).code).toBe('cancelled')
  })
})

describe('an endpoint that talks nonsense', () => {
  test.each([
    ['a page of HTML', text(200, '<html>login</html>'), /not toncenter's: <html>login/],
    ['an empty body', text(200, ''), /not toncenter's/],
    ['JSON of another API', json(200, { jsonrpc: '2.0', result: 1 }), /not toncenter's/],
    ['a result of the wrong shape', json(200, { ok: true, result: { balance: 1 } }), /cannot be read/],
    ['a balance that is no number', balanceOf('seven'), /cannot be read/],
    ['a 404', text(404, 'nothing here'), /HTTP 404/],
    ['a wrong key', json(401, { ok: false, error: 'API key does not exist' }), /HTTP 401.*check chain\.apiKey/],
  ])('%s is a chain-unavailable and is not asked again', async (_name, answer, message) => {
    const { url, requests } = await scripted(answer)
    const failure = await failureOf(balance(endpoint(url)))
    expect(failure.code).toBe('chain-unavailable')
    expect(failure.message).toContain(url)
    expect(failure.message).toMatch(message)
    expect(failure.message.length).toBeLessThan(600)
    expect(requests).toHaveLength(1)
  })

  test('a reply larger than the bound is not read to its end', async () => {
    const { url } = await scripted((response) => {
      response.writeHead(200)
      const chunk = Buffer.alloc(1_048_576, ' ')
      const fill = (): void => {
        while (!response.destroyed && response.write(chunk)) {}
      }
      response.on('drain', fill)
      fill()
    })
    expect((await failureOf(balance(endpoint(url)))).message).toContain('a reply of more than 8388608 bytes')
  })
})

describe('what is no failure of the endpoint', () => {
  const refusal =
    'LITE_SERVER_UNKNOWN: cannot apply external message to current state : External message was not accepted\n' +
    'Cannot run message on account: inbound external message rejected by transaction 0:\nexitcode=103, steps=61, gas_used=0'

  test('a message that the account did not accept is told to the caller with its exit code, and not sent again', async () => {
    const { url, requests } = await scripted(failing(500, refusal))
    const exitCode = await endpoint(url).call('sendBoc', async (client) => {
      try {
        await client.sendFile(Buffer.alloc(1))
        return 'accepted'
      } catch (error) {
        return error instanceof NotAccepted ? error.exitCode : error
      }
    })
    expect(exitCode).toBe(103)
    expect(requests).toHaveLength(1)
  })

  test('a message to an account without code has no exit code', async () => {
    const { url } = await scripted(
      failing(
        500,
        'cannot apply external message to current state : rejected by account before smart-contract execution',
      ),
    )
    const error = await endpoint(url).call('sendBoc', (client) =>
      client.sendFile(Buffer.alloc(1)).catch((reason: unknown) => reason),
    )
    expect(error).toMatchObject({ name: 'NotAccepted', exitCode: undefined })
  })

  test('a transaction that is not there is told to the caller, and not asked for again', async () => {
    const { url, requests } = await scripted(failing(500, 'Tx not found'))
    const error = await endpoint(url).call('tryLocateResultTx', (client) =>
      client.tryLocateResultTx(account, account, '1').catch((reason: unknown) => reason),
    )
    expect(error).toBeInstanceOf(NotFound)
    expect(requests).toHaveLength(1)
  })
})

/** Answers `getConfigParam 19` with this id, everything else as told. */
const ofChain =
  (globalId: number, answer: Answer): Answer =>
  (response, request) => {
    if (request.method !== 'getConfigParam') {
      answer(response, request)
      return
    }
    const bytes = beginCell().storeInt(globalId, 32).endCell().toBoc().toString('base64')
    json(200, { ok: true, result: { '@type': 'configInfo', config: { '@type': 'tvm.cell', bytes } } })(
      response,
      request,
    )
  }

describe('of several endpoints', () => {
  const told = (events: readonly NodeEvent[]) =>
    events.map((event) =>
      event.type === 'chain-endpoint' ? `${event.state} ${new URL(event.endpoint).port}` : event.type,
    )
  const portOf = (url: string): string => new URL(url).port

  test('the first that answers does, in the order they were named, and is stayed with', async () => {
    const [first, second] = [await scripted(ofChain(-3, balanceOf('1'))), await scripted(ofChain(-3, balanceOf('2')))]
    const several = endpoint(first.url, { others: [second.url] })
    expect([await balance(several), await balance(several)]).toEqual([1n, 1n])
  })

  test('the next answers at once where one fails, which is told once and left alone for a while', async () => {
    const failed = await scripted(failing(502, 'Bad Gateway'))
    const other = await scripted(ofChain(-3, balanceOf('2')))
    const { clock, sleptMs } = sleepless()
    const events: NodeEvent[] = []
    const several = endpoint(failed.url, { others: [other.url], clock, observe: (event) => events.push(event) })
    expect([await balance(several), await balance(several)]).toEqual([2n, 2n])
    expect(Math.max(...sleptMs)).toBe(1) // a turn's step, no pause
    expect(failed.requests).toHaveLength(1)
    expect(told(events)).toEqual([`failing ${portOf(failed.url)}`])
  })

  test('the one that failed is asked again after its rest, and is used again', async () => {
    const failed = await scripted(failing(502, 'Bad Gateway'), ofChain(-3, balanceOf('1')))
    const other = await scripted(ofChain(-3, balanceOf('2')))
    const { clock } = sleepless()
    const events: NodeEvent[] = []
    const several = endpoint(failed.url, { others: [other.url], clock, observe: (event) => events.push(event) })
    expect(await balance(several)).toBe(2n)
    await clock.sleep(2_000)
    expect(await balance(several)).toBe(1n)
    expect(told(events)).toEqual([`failing ${portOf(failed.url)}`, `ok ${portOf(failed.url)}`])
  })

  test('all are named where none answers', async () => {
    const [first, second] = [await scripted(failing(502, 'Bad Gateway')), await scripted(failing(503, 'later'))]
    const failure = await failureOf(balance(endpoint(first.url, { others: [second.url] })))
    expect(failure.code).toBe('chain-unavailable')
    expect(failure.message).toContain(`${first.url} (HTTP 502: Bad Gateway)`)
    expect(failure.message).toContain(`${second.url} (HTTP 503: later)`)
  })

  test('one of another chain is never believed, and told', async () => {
    const [ours, theirs] = [await scripted(ofChain(-3, balanceOf('1'))), await scripted(ofChain(-239, balanceOf('2')))]
    const events: NodeEvent[] = []
    const several = endpoint(theirs.url, { others: [ours.url], globalId: -3, observe: (event) => events.push(event) })
    expect(await balance(several)).toBe(1n)
    expect(events).toEqual([
      {
        type: 'chain-endpoint',
        endpoint: theirs.url,
        state: 'wrong-chain',
        detail: 'it is of mainnet (-239), expected testnet (-3)',
      },
    ])
    expect(theirs.requests.filter(({ method }) => method !== 'getConfigParam')).toEqual([])
  })

  test('each is paced by itself, and has the key that is in its own URL', async () => {
    const [first, second] = [await scripted(failing(502, 'no')), await scripted(ofChain(-3, balanceOf('2')))]
    const several = endpoint(first.url, { apiKey: 'first-key', others: [`${second.url}?api_key=second-key`] })
    await balance(several)
    expect(first.requests.map(({ headers }) => headers['x-api-key'])).toContain('first-key')
    expect(new Set(second.requests.map(({ headers }) => headers['x-api-key']))).toEqual(new Set(['second-key']))
  })
})

describe('requests a second, unless set,', () => {
  test.each([
    ['1 without a key', 'https://toncenter.example/api/v2/jsonRPC', 1],
    ['10 with one', 'https://toncenter.example/api/v2/jsonRPC?api_key=k', 10],
    ['a thousand on this machine', 'http://127.0.0.1:8081/api/v2/jsonRPC', 1_000],
  ])('are %s', (_name, url, expected) => {
    expect(new TonServer(url, '', 0).requestsPerSecond).toBe(expected)
    expect(new TonServer(url, '', 0).name).not.toContain('api_key')
  })
})

describe('what is sent', () => {
  test('carries the key in its header and nowhere in an error', async () => {
    const { url, requests } = await scripted(failing(422, 'wrong address'))
    const failure = await failureOf(balance(endpoint(`${url}?api_key=secret-key`, { apiKey: 'secret-key' })))
    expect(requests[0]?.headers['x-api-key']).toBe('secret-key')
    expect(failure.message).not.toContain('secret-key')
  })

  test('carries no key where there is none', async () => {
    const { url, requests } = await scripted(balanceOf('7'))
    await balance(endpoint(url, { apiKey: '' }))
    expect(requests[0]?.headers).not.toHaveProperty('x-api-key')
  })

  test('never follows a redirect', async () => {
    const { url } = await scripted((response) => {
      response.writeHead(302, { Location: '/elsewhere' }).end()
    })
    expect((await failureOf(balance(endpoint(url)))).code).toBe('chain-unavailable')
  })
})

test.each(['', 'toncenter', '127.0.0.1:8081', 'ftp://127.0.0.1/', 'file:///etc/passwd'])(
  'refuses "%s" as an endpoint',
  (url) => {
    expect(() => endpoint(url)).toThrow(/expected an http or https URL/)
  },
)

test('an endpoint that is refused is named without its key', () => {
  expect(() => endpoint('ftp://127.0.0.1/api?api_key=secret')).toThrow(/"ftp:\/\/127.0.0.1\/api", expected/)
})

describe('a configuration parameter', () => {
  test('that the chain does not have is a chain-unavailable', async () => {
    const { url } = await scripted(failing(500, 'LITE_SERVER_NOTREADY: block not found'))
    const failure = await failureOf(endpoint(url).configParam(99))
    expect(failure.message).toMatch(/refused getConfigParam 99 \(LITE_SERVER_NOTREADY/)
  })

  test('that cannot be read is a chain-unavailable', async () => {
    const { url } = await scripted(
      json(200, { ok: true, result: { '@type': 'configInfo', config: { bytes: 'AAAA' } } }),
    )
    const failure = await failureOf(endpoint(url).configParam(21))
    expect(failure.message).toMatch(/gave a reply to getConfigParam 21 that cannot be read/)
  })
})

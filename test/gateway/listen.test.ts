import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { Gateway, GatewayOptions } from '../../node/gateway/http.ts'
import { createGateway, keyRing } from '../../node/gateway/http.ts'
import { type ServedGateway, type ServeOptions, serveGateway } from '../../node/gateway/listen.ts'
import { MeshError } from '../../protocol/errors.ts'
import {
  accepted,
  delta,
  gatewayOf,
  HandClock,
  hanging,
  inferenceOf,
  key,
  result,
  type Script,
  saying,
} from './scripted.ts'

const running: ServedGateway[] = []
const sockets: Socket[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(running.splice(0).map((served) => served.stop(0)))
})

async function serve(script: Script, more: Partial<GatewayOptions & ServeOptions> = {}): Promise<ServedGateway> {
  const served = await serveGateway(gatewayOf(script, more), { host: '127.0.0.1', port: 0, ...more })
  running.push(served)
  return served
}

const question = (more: object = {}) =>
  JSON.stringify({ model: 'tiny', messages: [{ role: 'user', content: 'hi' }], ...more })

function post(served: ServedGateway, body: string, signal?: AbortSignal): Promise<Response> {
  return fetch(`${served.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body,
    ...(signal && { signal }),
  })
}

function dial(served: ServedGateway): Socket {
  const socket = connect(served.port, '127.0.0.1')
  socket.on('error', () => undefined) // a reset is one of the answers expected here
  sockets.push(socket)
  return socket
}

/** What came back until the other side closed. */
async function untilClosed(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  return Buffer.concat(chunks).toString()
}

/** What came back until `text` was among it. */
async function until(socket: Socket, text: string): Promise<string> {
  let seen = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    seen += String(chunk)
    if (seen.includes(text)) return seen
  }
  throw new Error(`closed after ${JSON.stringify(seen)}`)
}

const head = (served: ServedGateway, more: string) =>
  `POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:${served.port}\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n${more}\r\n`

/** Lets everything that is ready happen, until `count` stands still for a good many turns of the event loop. */
async function settled(count: () => number): Promise<number> {
  let last = -1
  for (let still = 0; still < 300; still++) {
    if (count() !== last) still = 0
    last = count()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return last
}

describe('a client that leaves', () => {
  it('stops a stream at once', async () => {
    const { script, cleaned } = hanging(accepted, delta('a'))
    const served = await serve(script)
    const client = new AbortController()
    const response = await post(served, question({ stream: true }), client.signal)
    await response.body?.getReader().read()
    client.abort()
    expect((await cleaned).reason).toMatchObject({ code: 'cancelled' })
  })

  it('stops a whole answer at once', async () => {
    const { script, cleaned } = hanging(accepted, delta('a'))
    const { promise, resolve: started } = Promise.withResolvers<void>()
    const served = await serve((request, signal) => {
      started()
      return script(request, signal)
    })
    const client = new AbortController()
    const aborted = expect(post(served, question(), client.signal)).rejects.toThrow()
    await promise
    client.abort()
    expect((await cleaned).reason).toMatchObject({ code: 'cancelled' })
    await aborted
  })

  it('stops a request for which no provider was found yet', async () => {
    const { script, cleaned } = hanging()
    const { promise, resolve: started } = Promise.withResolvers<void>()
    const served = await serve((request, signal) => {
      started()
      return script(request, signal)
    })
    const client = new AbortController()
    const aborted = expect(post(served, question({ stream: true }), client.signal)).rejects.toThrow()
    await promise
    client.abort()
    expect((await cleaned).aborted).toBe(true)
    await aborted
  })

  it('gives its place back when it leaves in the middle of its own body', async () => {
    const served = await serve(saying('a'), { requestsMax: 1 })
    const socket = dial(served)
    socket.write(head(served, 'Content-Length: 1000\r\nExpect: 100-continue\r\n'))
    await until(socket, '100 Continue')
    expect((await post(served, question())).status).toBe(503)
    socket.destroy()
    let status = 503
    while (status === 503) status = (await post(served, question())).status
    expect(status).toBe(200)
  })
})

describe('a slow client', () => {
  const block = 'x'.repeat(16_384)

  it('holds the inference back instead of filling memory, and still gets every byte', async () => {
    let made = 0
    const blocks = 4_096
    const served = await serve(async function* () {
      yield accepted
      for (; made < blocks; made++) yield delta(block)
      return result
    })
    const socket = dial(served).pause()
    const body = question({ stream: true })
    socket.write(head(served, `Content-Length: ${body.length}\r\nConnection: close\r\n`) + body)
    const held = await settled(() => made)
    expect(held).toBeGreaterThan(0)
    // 64 MiB are there to be taken; the kernel's two socket buffers hold a few, the gateway next to nothing.
    expect(held * block.length).toBeLessThan(24 * 1_048_576)
    const text = await untilClosed(socket.resume())
    expect(text.match(/"delta":\{"content":"x/g)).toHaveLength(blocks)
    expect(text).toContain('[DONE]')
  })

  it('is cut off when it takes nothing for a minute, and the inference ends', async () => {
    const clock = new HandClock()
    let made = 0
    const { promise: cleaned, resolve } = Promise.withResolvers<void>()
    const served = await serve(
      async function* () {
        try {
          yield accepted
          for (;;) {
            made++
            yield delta(block)
          }
        } finally {
          resolve()
        }
      },
      { clock },
    )
    const socket = dial(served).pause()
    const body = question({ stream: true })
    socket.write(head(served, `Content-Length: ${body.length}\r\n`) + body)
    await settled(() => made)
    for (let span = 0; span < 4; span++) {
      clock.advance(15_000)
      await settled(() => made)
    }
    await cleaned
    await untilClosed(socket.resume())
  })

  it('is answered 408 when its headers do not come', async () => {
    const served = await serve(saying('a'), { headersMs: 50 })
    const socket = dial(served)
    socket.write(`GET /health HTTP/1.1\r\nHost: 127.0.0.1:${served.port}\r\n`)
    const answer = await untilClosed(socket)
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(answer).toContain('"code":"timeout"')
  })

  it('is cut off when its body does not come, and gives its place back', async () => {
    const served = await serve(saying('a'), { headersMs: 50, receiveMs: 100, requestsMax: 1 })
    const socket = dial(served)
    socket.write(`${head(served, 'Content-Length: 1000\r\n')}{"model":`)
    expect(await untilClosed(socket)).toMatch(/^HTTP\/1\.1 408 /)
    let status = 503
    while (status === 503) status = (await post(served, question())).status
    expect(status).toBe(200)
  })
})

describe('a body over its bound', () => {
  it('is refused by its declared length before a byte of it was sent', async () => {
    const served = await serve(saying('a'), { bodyBytesMax: 1_000 })
    const socket = dial(served)
    socket.write(head(served, 'Content-Length: 1001\r\nConnection: close\r\n'))
    expect(await until(socket, '"code":"too-large"')).toMatch(/^HTTP\/1\.1 413 /)
  })

  it('is refused while it streams in without a length', async () => {
    const served = await serve(saying('a'), { bodyBytesMax: 1_000 })
    const socket = dial(served)
    socket.write(head(served, 'Transfer-Encoding: chunked\r\n'))
    const part = `200\r\n${' '.repeat(512)}\r\n`
    socket.write(part.repeat(2))
    expect(await until(socket, '"code":"too-large"')).toMatch(/^HTTP\/1\.1 413 /)
  })
})

describe('what is not a request this gateway reads', () => {
  const foreign = 'evil.example'
  it.each([
    ['no Host', () => 'GET /health HTTP/1.1\r\n\r\n', 400],
    ['no Host in HTTP/1.0', () => 'GET /health HTTP/1.0\r\n\r\n', 400],
    ['a foreign Host', () => `GET /health HTTP/1.1\r\nHost: ${foreign}\r\nConnection: close\r\n\r\n`, 403],
    [
      'a good Host and then a foreign one',
      (host: string) => `GET /health HTTP/1.1\r\nHost: ${host}\r\nHost: ${foreign}\r\nConnection: close\r\n\r\n`,
      403,
    ],
    [
      'a foreign Host and then a good one',
      (host: string) => `GET /health HTTP/1.1\r\nHost: ${foreign}\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      403,
    ],
    [
      'a whole URL of a foreign Host',
      (host: string) => `GET http://${foreign}/health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      403,
    ],
    [
      'credentials in the Host',
      (host: string) => `GET /health HTTP/1.1\r\nHost: ${host}@${foreign}\r\nConnection: close\r\n\r\n`,
      400,
    ],
    ['another protocol', () => '\x16\x03\x01\x02\x00\x01\x00\x01', 400],
    [
      'a length and chunks at once',
      (host: string) =>
        `POST /health HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['headers without end', (host: string) => `GET /health HTTP/1.1\r\nHost: ${host}\r\nX: ${'x'.repeat(20_000)}`, 431],
  ])('%s is refused', async (_what, request, status) => {
    const served = await serve(saying('a'))
    const socket = dial(served)
    socket.write(request(`127.0.0.1:${served.port}`), 'latin1')
    const answer = await until(socket, '}}')
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).toContain('"next_step"')
    expect(answer).not.toContain('"status":"ok"')
  })
})

describe('serveGateway', () => {
  const open = (keys: readonly string[]): Gateway =>
    createGateway({
      inference: inferenceOf(saying('a')),
      clock: new HandClock(),
      apiKeys: keyRing(keys),
      metrics: async () => '',
      health: () => ({ ok: true }),
    })

  it.each(['0.0.0.0', '::', '203.0.113.1'])('does not listen on %s unasked', async (host) => {
    await expect(serveGateway(open([key]), { host, port: 0 })).rejects.toThrow(
      `gateway host ${host} is not loopback, expected 127.0.0.1; to let other machines in, add --allow-public`,
    )
  })

  it('does not listen to other machines without a key', async () => {
    await expect(serveGateway(open([]), { host: '0.0.0.0', port: 0, allowPublic: true })).rejects.toThrow(
      'expected at least one API key',
    )
  })

  it('tries a public address when asked to, with a key', async () => {
    // An address of the documentation range: no machine has it, so nothing is opened by this test.
    const attempt = serveGateway(open([key]), { host: '203.0.113.1', port: 0, allowPublic: true })
    await expect(attempt).rejects.toThrow('cannot listen on 203.0.113.1 port 0')
  })

  it('names a port in use and what to do', async () => {
    const { port } = await serve(saying('a'))
    const attempt = serveGateway(gatewayOf(saying('a')), { host: '127.0.0.1', port })
    await expect(attempt).rejects.toThrow(MeshError)
    await expect(attempt).rejects.toThrow(`port ${port} on 127.0.0.1 is in use, expected a free one`)
  })

  it('names a host that has no address', async () => {
    const attempt = serveGateway(open([key]), { host: 'no.such.host.invalid', port: 0 })
    await expect(attempt).rejects.toThrow('gateway host "no.such.host.invalid" has no address here')
  })

  it('answers under localhost too', async () => {
    const served = await serveGateway(open([key]), { host: 'localhost', port: 0 })
    running.push(served)
    expect(served.url).toBe(`http://localhost:${served.port}`)
    expect((await fetch(`${served.url}/health`)).status).toBe(200)
  })

  it('lets a stream finish when it stops, takes no other, and frees the port', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const served = await serve(async function* () {
      yield accepted
      await promise
      yield delta('the end')
      return result
    })
    const response = await post(served, question({ stream: true }))
    const stopped = served.stop(60_000)
    await expect(fetch(`${served.url}/health`)).rejects.toThrow()
    resolve()
    expect(await response.text()).toContain('the end')
    await stopped
    await served.stop(60_000)
    const next = await serveGateway(open([key]), { host: '127.0.0.1', port: served.port })
    running.push(next)
  })

  it('ends a stream with an error when the grace is over', async () => {
    const clock = new HandClock()
    const { script, cleaned } = hanging(accepted, delta('a'))
    const served = await serve(script, { clock })
    const response = await post(served, question({ stream: true }))
    const stopped = served.stop(5_000)
    clock.advance(5_000)
    expect((await cleaned).reason).toMatchObject({ code: 'draining' })
    expect(await response.text()).toContain('"code":"draining"')
    await stopped
  })
})

// What is no request at all, at every endpoint: answered in OpenAI's shape, and never with more than was asked for.

import { once } from 'node:events'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { type ServedGateway, serveGateway } from '../../node/gateway/listen.ts'
import type { InferenceRequest } from '../../node/inference.ts'
import { ask, embedding, gatewayOf, key, type Script, saying } from './scripted.ts'

const running: ServedGateway[] = []
afterEach(() => Promise.all(running.splice(0).map((served) => served.stop(0))))

const endpoints: readonly (readonly [path: string, body: Record<string, unknown>, content: string])[] = [
  ['/v1/chat/completions', { model: 'tiny', messages: [{ role: 'user', content: 'hi' }] }, 'messages'],
  ['/v1/completions', { model: 'tiny', prompt: 'Once' }, 'prompt'],
  ['/v1/embeddings', { model: 'tiny', input: 'a text' }, 'input'],
  ['/v1/responses', { model: 'tiny', input: 'hi' }, 'input'],
]

/** Embeds what is to be embedded, and says a text to all else. */
const willing: Script = (request: InferenceRequest, signal) =>
  (request.inputs ? embedding : saying('Hello'))(request, signal)

const errorShape = {
  message: expect.any(String),
  type: expect.any(String),
  code: expect.any(String),
  next_step: expect.any(String),
}

async function refusal(response: Response): Promise<{ status: number; code: string; param: string | null }> {
  const body = (await response.json()) as { error: { code: string; param: string | null } }
  expect(body).toMatchObject({ error: errorShape })
  expect(response.headers.get('content-type')).toBe('application/json')
  return { status: response.status, code: body.error.code, param: body.error.param }
}

describe.each(endpoints)('POST %s', (path, good, content) => {
  const send = (body: NonNullable<RequestInit['body']>, init: RequestInit = {}, more = {}) =>
    ask(gatewayOf(willing, more), path, { method: 'POST', body, ...init })
  const sendJson = (more: object) => send(JSON.stringify({ ...good, ...more }))

  it('takes a good request, so that what follows is refused for its own sake', async () => {
    expect((await send(JSON.stringify(good))).status).toBe(200)
  })

  it.each([
    ['nothing', ''],
    ['half an object', '{"model":'],
    ['two objects', '{}{}'],
    ['no JSON', 'model=tiny'],
    ['a list', '[]'],
    ['a text', '"hi"'],
    ['null', 'null'],
    ['a number', '1e999'],
    ['bytes that are not UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d)],
    ['a zero byte', '{"model":"tiny"\0}'],
    ['lists as deep as the body is long', '['.repeat(500_000)],
    ['objects as deep as the body is long', '{"a":'.repeat(250_000)],
  ])('refuses %s', async (_what, body) => {
    expect(await refusal(await send(body))).toMatchObject({ status: 400, code: 'bad-request' })
  })

  it('refuses closed nesting of any depth where a value is expected', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    for (const name of [content, 'model', 'provider', 'max_cost', 'unheard_of']) {
      const body = JSON.stringify({ ...good, [name]: 0 }).replace(`"${name}":0`, `"${name}":${deep}`)
      expect(await refusal(await send(body))).toMatchObject({ status: 400, param: expect.stringContaining(name) })
    }
  })

  it.each([
    ['model', 7],
    ['model', ''],
    ['provider', 'cheap'],
    ['max_cost', 'much'],
    ['unheard_of', 1],
    ['__proto__', {}],
    ['toString', 1],
  ])('refuses %s %j, naming it', async (name, value) => {
    const body = JSON.stringify(good).replace('{', `{${JSON.stringify(name)}:${JSON.stringify(value)},`)
    const sent = name === 'model' ? JSON.stringify({ ...good, [name]: value }) : body
    expect(await refusal(await send(sent))).toMatchObject({ status: 400, code: 'bad-request', param: name })
  })

  it('refuses a request without its content, and one whose content is of another kind', async () => {
    expect(await refusal(await sendJson({ [content]: undefined }))).toMatchObject({ status: 400, param: content })
    for (const value of [7, true, {}, [], [{}], [null]]) {
      expect(await refusal(await sendJson({ [content]: value }))).toMatchObject({
        status: 400,
        param: expect.stringContaining(content),
      })
    }
  })

  it('refuses a bad hedge, naming the header', async () => {
    const response = await send(JSON.stringify(good), { headers: { 'x-silkmesh-hedge': 'soon' } })
    expect(await refusal(response)).toMatchObject({ status: 400, param: 'x-silkmesh-hedge' })
  })

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
    'refuses a body of type %s',
    async (type) => {
      const response = await send(JSON.stringify(good), { headers: { 'content-type': type } })
      expect(await refusal(response)).toMatchObject({ status: 400, code: 'bad-request' })
    },
  )

  it('refuses a compressed body, which could hold more than its bound', async () => {
    const response = await send(JSON.stringify(good), { headers: { 'content-encoding': 'gzip' } })
    expect(await refusal(response)).toMatchObject({ status: 400, code: 'bad-request' })
  })

  it('refuses a body over the bound, and content over what the wire carries', async () => {
    const body = JSON.stringify(good)
    expect(await refusal(await send(body, {}, { bodyBytesMax: body.length - 1 }))).toMatchObject({ status: 413 })
    const large = 'x'.repeat(1_048_576)
    const value = content === 'messages' ? [{ role: 'user', content: large }] : large
    expect(await refusal(await sendJson({ [content]: value }))).toMatchObject({
      status: 413,
      code: 'too-large',
      param: content,
    })
  })

  it('refuses other methods, and says which it takes', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
      const response = await ask(gatewayOf(willing), path, { method })
      expect(response.headers.get('allow')).toBe('POST')
      expect(await refusal(response)).toMatchObject({ status: 405 })
    }
  })

  it('refuses who has no key, before it reads the body', async () => {
    const response = await send('{', { headers: { authorization: 'Bearer sk-wrong' } })
    expect(await refusal(response)).toMatchObject({ status: 401, code: 'unauthorized' })
  })

  it('cuts a client off whose body does not come, and gives its place back', async () => {
    const served = await serveGateway(gatewayOf(willing, { requestsMax: 1 }), {
      host: '127.0.0.1',
      port: 0,
      headersMs: 50,
      receiveMs: 100,
    })
    running.push(served)
    const socket = connect(served.port, '127.0.0.1')
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${served.port}\r\nAuthorization: Bearer ${key}\r\n` +
        'Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"model":',
    )
    await once(socket, 'close')
    const answer = Buffer.concat(chunks).toString()
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(answer).toContain('"code":"timeout"')
    const again = () =>
      fetch(`${served.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify(good),
      })
    let status = 503
    while (status === 503) status = (await again()).status
    expect(status).toBe(200)
  })

  it('answers any change of a good request with an answer or a refusal, never a fault', async () => {
    const value = fc.oneof(fc.constantFrom<unknown>(null, 0, 1, '', 'x', true, [], {}, ['x'], [{}]), fc.jsonValue())
    const name = fc.oneof(
      fc.constantFrom(...Object.keys(good), 'stream', 'n', 'stop', 'tools', 'logprobs', 'text', 'temperature'),
      fc.string(),
    )
    const faults: unknown[] = []
    const gateway = gatewayOf(willing, { observe: (event) => faults.push(event) })
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, value, { maxKeys: 3 }), async (changes) => {
        const response = await ask(gateway, path, { method: 'POST', body: JSON.stringify({ ...good, ...changes }) })
        if (response.status === 200) return void (await response.text())
        expect(await refusal(response)).toMatchObject({ status: expect.toSatisfy((status) => status < 500) })
      }),
      { numRuns: 300 },
    )
    expect(faults).toEqual([])
  })
})
